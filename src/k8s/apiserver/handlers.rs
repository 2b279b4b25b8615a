//! Which handler a request belongs to, and the paths that are no resources.

use super::discovery::{self, Served};
use super::endpoint::Endpoint;
use super::negotiation::{self, Accepted, Clause, Media};
use super::openapi::{CustomDocument, CustomKind};
use super::server::{ApiServer, Moment};
use super::work::{RequestId, Stage, Then, Work};
use super::{Outbox, health, openapi, respond};
use crate::etcd::http::HttpResponse;
use crate::k8s::json;
use crate::k8s::meta::status::{Qualified, Status};
use crate::sim::Micros;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The version that the server says it is.
pub const VERSION: &str = "v1.35.2";
const MAJOR: &str = "1";
const MINOR: &str = "35";

/// Paths that lie beside the groups.
const OTHER_PATHS: [&str; 9] = [
    "/.well-known/openid-configuration",
    "/healthz",
    "/livez",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3",
    "/openid/v1/jwks",
    "/readyz",
    "/version",
];

impl ApiServer {
    /// A request has passed the gates.
    pub(super) fn handle(&mut self, at: Moment, id: RequestId, out: &mut Outbox) {
        let Some(work) = self.works.get(&id) else { return };
        if health::parse(&work.attributes.path).is_some() {
            return self.begin_health(at, id, out);
        }
        if !work.attributes.is_resource {
            let response = self.non_resource(at, work);
            return self.finish(at, id, Micros(20), response, out);
        }
        let (attributes, verb) = (&work.attributes, work.attributes.verb.clone());
        let Some(endpoint) = self.endpoint(&attributes.group, &attributes.version, &attributes.resource) else {
            return self.finish(at, id, Micros(5), respond::not_found(), out);
        };
        if let Err(response) = check_verb(&endpoint, work) {
            return self.finish(at, id, Micros(5), response, out);
        }
        let begun = match verb.as_str() {
            "get" => self.begin_get(at, id, endpoint, out),
            "list" => self.begin_list(at, id, endpoint, out),
            "watch" => self.begin_watch(at, id, endpoint, out),
            "deletecollection" => self.begin_delete_all(at, id, endpoint, out),
            _ => self.begin_write(at, id, endpoint, out),
        };
        if let Err(status) = begun {
            self.fail(at, id, &status, out);
        }
    }

    /// Answers after the time that it takes to write the answer.
    pub(super) fn finish(&mut self, at: Moment, id: RequestId, cost: Micros, response: HttpResponse, out: &mut Outbox) {
        let Some(work) = self.works.get_mut(&id) else { return };
        let said = format!("{} bytes", response.body.len());
        work.pass(Stage::Encoding, cost + Micros(response.body.len() as u64 / 200), said);
        work.then = Then::Answer(response.into());
        self.go_on(at, id, out);
    }

    fn non_resource(&self, at: Moment, work: &Work) -> HttpResponse {
        let path = work.attributes.path.trim_end_matches('/');
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let custom = self.discovered();
        let served = Served { custom: &custom, has_metrics: false };
        let keys = &self.config.authenticator.service_accounts;
        let found = match parts.as_slice() {
            [] => {
                let mut paths = discovery::paths(served);
                paths.extend(OTHER_PATHS.map(str::to_owned));
                paths.sort();
                Some(json!({"paths": paths}))
            }
            ["version"] => Some(self.version()),
            ["metrics"] => {
                let content_type = "text/plain; version=0.0.4; charset=utf-8";
                return HttpResponse::new(200, content_type, self.exposition());
            }
            ["openapi", rest @ ..] => return openapi::answer(work, rest, &self.custom_documents(), at.now),
            ["api"] => return discover(work, served, true),
            ["apis"] => return discover(work, served, false),
            ["api", version] => discovery::resource_list(served, "", version),
            ["apis", group] => discovery::group(served, group),
            ["apis", group, version] => discovery::resource_list(served, group, version),
            ["openid", "v1", "jwks"] => Some(keys.json_web_keys()),
            [".well-known", "openid-configuration"] => {
                Some(keys.openid_configuration(&format!("{}/openid/v1/jwks", keys.issuer)))
            }
            _ => None,
        };
        match (found, work.request.method.as_str()) {
            (Some(found), "GET" | "HEAD") => respond::value(200, &found, Media::Json, work),
            (Some(_), _) => method_not_allowed(work, Accepted::JSON),
            (None, _) => respond::not_found(),
        }
    }

    /// Custom resources, as discovery tells of them.
    fn discovered(&self) -> Vec<discovery::Custom> {
        let custom = self.custom_endpoints().filter_map(|endpoint| match endpoint {
            Endpoint::Custom(custom) => Some(custom.discovered()),
            Endpoint::BuiltIn(_) => None,
        });
        custom.collect()
    }

    /// The OpenAPI documents of the group versions that only definitions serve.
    fn custom_documents(&self) -> Vec<CustomDocument> {
        let mut kinds: BTreeMap<(&str, &str), Vec<CustomKind>> = BTreeMap::new();
        for endpoint in self.custom_endpoints() {
            if let Endpoint::Custom(custom) = endpoint {
                kinds.entry((endpoint.group(), endpoint.version())).or_default().push(custom.described());
            }
        }
        let document = |((group, version), kinds): ((&str, &str), Vec<CustomKind>)| CustomDocument {
            group: group.to_owned(),
            version: version.to_owned(),
            document: openapi::custom_document(group, version, &kinds),
        };
        kinds.into_iter().map(document).collect()
    }

    fn version(&self) -> Value {
        json!({
            "major": MAJOR, "minor": MINOR, "emulationMajor": MAJOR, "emulationMinor": MINOR,
            "minCompatibilityMajor": MAJOR, "minCompatibilityMinor": "34", "gitVersion": VERSION,
            "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": "", "compiler": "rustc", "platform": "lab/wasm",
        })
    }

    pub(super) fn accepted(&self, id: RequestId) -> Result<Accepted, Status> {
        self.works.get(&id).map_or(Ok(Accepted::JSON), |work| Accepted::of(&work.request))
    }
}

/// All groups at once, in the form that the client wants: one aggregated document, or the list of old.
fn discover(work: &Work, served: Served, is_core: bool) -> HttpResponse {
    let clauses = negotiation::clauses(work.request.header("Accept").unwrap_or_default());
    let is_aggregated = |clause: &&Clause| {
        clause.parameter("as") == "APIGroupDiscoveryList" && clause.parameter("g") == "apidiscovery.k8s.io"
    };
    let version = clauses.iter().find(is_aggregated).map(|clause| clause.parameter("v").to_owned());
    let Some(version) = version.filter(|version| ["v2", "v2beta1"].contains(&version.as_str())) else {
        let list = if is_core { discovery::api_versions("") } else { discovery::group_list(served) };
        return respond::value(200, &list, Media::Json, work);
    };
    let document = discovery::aggregated(served, is_core, &version);
    let etag = discovery::etag(&document);
    if work.request.header("If-None-Match") == Some(&etag) {
        // Nothing but this: a cache puts these headers over those that it has.
        let headers = vec![("Cache-Control", "no-cache, private".to_owned()), ("ETag", etag)];
        return HttpResponse { status: 304, headers, body: Bytes::new() };
    }
    let content_type = format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
    let mut response = respond::raw(200, &content_type, (json::to_string(&document) + "\n").into(), work);
    response.headers.extend([("ETag", etag), ("Vary", "Accept".to_owned())]);
    response
}

/// Whether the resource, or its subresource, is served by this verb at all.
fn check_verb(endpoint: &Endpoint, work: &Work) -> Result<(), HttpResponse> {
    let attributes = &work.attributes;
    let verb = attributes.verb.as_str();
    let accepted = Accepted::of(&work.request).unwrap_or(Accepted::JSON);
    let verbs: &[&str] = if attributes.subresource.is_empty() {
        endpoint.verbs()
    } else {
        match endpoint.subresource_verbs(&attributes.subresource) {
            Some(verbs) => verbs,
            None => return Err(respond::not_found()),
        }
    };
    if endpoint.is_namespaced() && attributes.namespace.is_empty() && !["list", "watch"].contains(&verb) {
        // Without a namespace only lists and watches have a route.
        return Err(match verb {
            "create" | "deletecollection" => method_not_allowed(work, accepted),
            _ => respond::not_found(),
        });
    }
    if verbs.contains(&verb) { Ok(()) } else { Err(method_not_allowed(work, accepted)) }
}

fn method_not_allowed(work: &Work, accepted: Accepted) -> HttpResponse {
    let mut status = Status::method_not_supported(Qualified { name: "", group: "" }, "");
    status.message = "the server does not allow this method on the requested resource".to_owned();
    respond::status(&status, accepted, work)
}
