//! Definitions of custom resources as they come and go: their names are accepted, their paths are served, their objects are
//! cached, and their end is the end of all their objects.
//!
//! Level-triggered: each change of a definition, and each second in which something is unfinished, all is looked at anew.
//! What must be written is asked of this server itself.
//!
//! Upstream: `NamingConditionController`, `EstablishingController` and `CRDFinalizer` of `k8s.io/apiextensions-apiserver`.

use super::cache::Cache;
use super::endpoint::Endpoint;
use super::server::{ApiServer, Moment};
use super::work::{Caller, Errand};
use super::{Note, Outbox, metadata};
use crate::etcd::client::WatchKey;
use crate::etcd::http::HttpRequest;
use crate::k8s::custom;
use crate::k8s::json;
use crate::sim::Micros;
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;

/// The cache of definitions.
pub const PREFIX: &str = "apiextensions.k8s.io/customresourcedefinitions";
/// Holds a definition until its objects are gone.
pub const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";
const PATH: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const RETRY: Micros = Micros::from_secs(1);

impl ApiServer {
    /// The endpoint of a path.
    pub(super) fn endpoint(&self, group: &str, version: &str, plural: &str) -> Option<Endpoint> {
        let custom = || {
            let mut served = self.custom.get(&format!("{group}/{plural}"))?.iter();
            served.find(|endpoint| endpoint.version() == version).cloned()
        };
        Endpoint::built_in(group, version, plural).or_else(custom)
    }

    /// All endpoints of definitions.
    pub(super) fn custom_endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.custom.values().flatten()
    }

    /// Brings what is served in line with the definitions.
    pub(super) fn heed_definitions(&mut self, at: Moment, out: &mut Outbox) {
        let Some(cache) = self.caches.get(PREFIX).filter(|cache| cache.is_ready()) else { return };
        let all: Vec<Arc<Value>> = cache.objects.values().map(|cached| cached.value()).collect();
        let known: Vec<String> = all.iter().map(|definition| place(definition)).collect();
        let gone: Vec<String> = self.custom.keys().filter(|prefix| !known.contains(prefix)).cloned().collect();
        gone.iter().for_each(|prefix| self.unserve(prefix, out));
        let mut is_unfinished = false;
        for definition in &all {
            is_unfinished |= self.heed_definition(at, definition, &all, out);
        }
        if is_unfinished && !self.is_looking_again {
            self.is_looking_again = true;
            out.wake(RETRY, Note::Definitions);
        }
    }

    pub(super) fn look_again(&mut self, at: Moment, out: &mut Outbox) {
        self.is_looking_again = false;
        self.heed_definitions(at, out);
    }

    /// Whether something is left to do for a definition.
    fn heed_definition(&mut self, at: Moment, definition: &Arc<Value>, all: &[Arc<Value>], out: &mut Outbox) -> bool {
        if metadata::is_being_deleted(definition) {
            return self.clean_up(at, definition, out);
        }
        let others: Vec<&Value> = all.iter().map(|other| &**other).collect();
        let now = self.clock(at.now);
        let status = custom::conditions(definition, &others, now).or_else(|| custom::establish(definition, now));
        if is_established(definition) {
            self.serve(at, definition, out);
        }
        let Some(status) = status else { return false };
        let mut updated = definition.as_ref().clone();
        updated["status"] = status;
        self.put(at, definition, "/status", &updated, out);
        true
    }

    /// Its paths exist from now on, and a cache for its objects.
    fn serve(&mut self, at: Moment, definition: &Arc<Value>, out: &mut Outbox) {
        let prefix = place(definition);
        let endpoints = Endpoint::of_definition(definition);
        if self.custom.get(&prefix).is_some_and(|known| *known == endpoints) {
            return;
        }
        let is_new = self.custom.insert(prefix.clone(), endpoints).is_none();
        let Some(stored) = Endpoint::stored_by_definition(definition) else { return };
        let name: Arc<str> = prefix.as_str().into();
        if is_new {
            if !self.sources.contains(&name) {
                self.sources.push(name.clone());
            }
            self.caches.insert(name.clone(), Cache::new(stored, &self.config.flags));
            self.list_cache(at, &name, None, out);
        } else if let Some(cache) = self.caches.get_mut(&name)
            && cache.endpoint != stored
        {
            // Objects look different by the new schema.
            cache.endpoint = stored;
            self.rest(&name, out);
        }
    }

    fn unserve(&mut self, prefix: &str, out: &mut Outbox) {
        self.custom.remove(prefix);
        let Some(cache) = self.caches.get(prefix) else { return };
        let watchers: Vec<_> = cache.watchers.keys().copied().collect();
        watchers.into_iter().for_each(|watcher| self.end_watch(watcher, out));
        self.caches.remove(prefix);
        let number = self.sources.iter().position(|known| **known == *prefix).unwrap_or(0);
        self.with_etcd(out, |client, out| client.cancel_watch(WatchKey(number as u32), out));
    }

    /// All its objects go, and then the definition.
    fn clean_up(&mut self, at: Moment, definition: &Arc<Value>, out: &mut Outbox) -> bool {
        let finalizers = metadata::finalizers(definition);
        if !finalizers.iter().any(|name| name == FINALIZER) {
            return false;
        }
        let Some(endpoint) = self.custom.get(&place(definition)).and_then(|served| served.first()).cloned() else {
            self.let_go(at, definition, &finalizers, out);
            return true;
        };
        let Some(cache) = self.cache(&endpoint).filter(|cache| cache.is_ready()) else { return true };
        let left: Vec<(String, String)> = cache
            .objects
            .values()
            .map(|cached| cached.read())
            .filter(|object| !metadata::is_being_deleted(object))
            .map(|object| (metadata::text(&object, "namespace").to_owned(), metadata::text(&object, "name").to_owned()))
            .collect();
        if cache.objects.is_empty() {
            self.let_go(at, definition, &finalizers, out);
        }
        for (namespace, name) in left {
            let below = if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
            let target = format!("/apis/{}{below}/{}/{name}", endpoint.api_version(), endpoint.plural());
            self.run_errand(at, "DELETE", target, &Value::Null, out);
        }
        true
    }

    fn let_go(&mut self, at: Moment, definition: &Arc<Value>, finalizers: &[String], out: &mut Outbox) {
        let mut free = definition.as_ref().clone();
        let left: Vec<&String> = finalizers.iter().filter(|name| *name != FINALIZER).collect();
        metadata::set(&mut free, "finalizers", json!(left));
        self.put(at, definition, "", &free, out);
    }

    fn put(&mut self, at: Moment, definition: &Value, subresource: &str, object: &Value, out: &mut Outbox) {
        let target = format!("{PATH}/{}{subresource}", metadata::text(definition, "name"));
        self.run_errand(at, "PUT", target, object, out);
    }

    /// Asks this server for something, over its loopback client; the outcome is seen in the caches.
    fn run_errand(&mut self, at: Moment, method: &str, target: String, body: &Value, out: &mut Outbox) {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let request = HttpRequest {
            method: method.to_owned(),
            target,
            headers: vec![header("User-Agent", "kube-apiserver/v1.35.2"), header("Content-Type", "application/json")],
            body: if body.is_null() { Bytes::new() } else { json::to_string(body).into() },
        };
        self.asked(at, Caller::Own(Errand::Definitions), request.into(), out);
    }
}

/// Where the objects of a definition lie, below the registry.
fn place(definition: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{}/{}", text(&definition["spec"]["group"]), text(&definition["spec"]["names"]["plural"]))
}

fn is_established(definition: &Value) -> bool {
    let conditions = definition["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Established" && condition["status"] == "True")
}
