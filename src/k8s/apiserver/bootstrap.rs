//! What every cluster begins with: the namespaces, created by the server itself once its caches are filled.
//!
//! Upstream: the post-start hooks of kube-apiserver (`system-namespaces-controller`, `rbac/bootstrap-roles`,
//! `scheduling/bootstrap-system-priority-classes`, `priority-and-fairness-config-producer`).

use super::cache::Cache;
use super::server::{ApiServer, Moment};
use super::work::{Caller, Errand};
use super::{Note, Outbox};
use crate::etcd::http::{HttpRequest, HttpResponse};
use crate::k8s::json;
use crate::sim::Micros;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::VecDeque;

#[derive(Clone, Debug, Default)]
pub struct Bootstrap {
    begun: bool,
    /// Still to be created.
    left: VecDeque<(String, Value)>,
    done: bool,
}

/// After a refusal, the same object is tried again.
const RETRY: Micros = Micros::from_secs(1);

impl Bootstrap {
    pub fn is_done(&self) -> bool {
        self.done
    }
}

impl ApiServer {
    /// Begins when the caches are filled for the first time.
    pub(super) fn begin_bootstrap(&mut self, at: Moment, out: &mut Outbox) {
        if self.bootstrap.begun || !self.caches().all(Cache::is_ready) {
            return;
        }
        self.bootstrap.begun = true;
        self.bootstrap.left = objects().into();
        self.go_on_bootstrapping(at, out);
    }

    /// Creates the next object that is missing.
    pub(super) fn go_on_bootstrapping(&mut self, at: Moment, out: &mut Outbox) {
        while let Some((path, object)) = self.bootstrap.left.front() {
            let name = super::metadata::text(object, "name");
            if !self.has(path, name) {
                let request = HttpRequest {
                    method: "POST".to_owned(),
                    target: path.clone(),
                    headers: vec![
                        ("User-Agent".to_owned(), "kube-apiserver/v1.35.2".to_owned()),
                        ("Content-Type".to_owned(), "application/json".to_owned()),
                    ],
                    body: Bytes::from(json::to_string(object)),
                };
                return self.asked(at, Caller::Own(Errand::Bootstrap), request.into(), out);
            }
            self.bootstrap.left.pop_front();
        }
        self.bootstrap.done = true;
    }

    /// Whether the cache knows an object of a collection.
    fn has(&self, path: &str, name: &str) -> bool {
        let request = HttpRequest {
            method: "GET".to_owned(),
            target: format!("{path}/{name}"),
            headers: Vec::new(),
            body: Bytes::new(),
        };
        let info = super::info::of(&request, &super::info::Query::default());
        let endpoint = super::endpoint::Endpoint::built_in(&info.group, &info.version, &info.resource);
        endpoint.is_some_and(|endpoint| {
            let key = endpoint.key(&info.namespace, name);
            self.cache(&endpoint).is_some_and(|cache| cache.get(&key).is_some())
        })
    }

    pub(super) fn bootstrap_answered(&mut self, at: Moment, response: &HttpResponse, out: &mut Outbox) {
        // Another server may have been first.
        if response.status < 300 || response.status == 409 {
            self.bootstrap.left.pop_front();
            self.go_on_bootstrapping(at, out);
        } else {
            out.wake(RETRY, Note::Bootstrap);
        }
    }
}

/// The collection that an object is created in.
fn collection(object: &Value) -> Option<String> {
    let api_version = object["apiVersion"].as_str()?;
    let resource = crate::k8s::registry::of_kind(api_version, object["kind"].as_str()?)?;
    let root = if resource.group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{api_version}") };
    Some(match super::metadata::text(object, "namespace") {
        "" => format!("{root}/{}", resource.name),
        namespace => format!("{root}/namespaces/{namespace}/{}", resource.name),
    })
}

/// Collections, and what is created in them.
fn objects() -> Vec<(String, Value)> {
    let namespace = |name: &str| {
        let object = json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}});
        ("/api/v1/namespaces".to_owned(), object)
    };
    let namespaces = ["default", "kube-system", "kube-public", "kube-node-lease"].map(namespace);
    let others = super::authorization::bootstrap::objects().iter().cloned().chain(super::admission::priority_classes());
    let others = others.chain(super::flow_control::bootstrap::objects().iter().cloned());
    namespaces.into_iter().chain(others.filter_map(|object| Some((collection(&object)?, object)))).collect()
}
