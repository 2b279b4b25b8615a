//! A stand-in for an API server, the one that the real kubectl was recorded against: a few objects, no admission, plain
//! tables. It is told a request and says what is answered when, and what else happens.

use std::collections::BTreeMap;

use bytes::Bytes;
use control_plane_lab::etcd::http::HttpRequest;
use control_plane_lab::k8s::meta::labels;
use control_plane_lab::k8s::protobuf;
use control_plane_lab::k8s::registry;
use control_plane_lab::k8s::schema::Schema;
use serde_json::{Map, Value, json};

/// What a request comes to.
pub enum Reply {
    Whole(u16, Vec<(&'static str, String)>, Bytes),
    /// Lines that come at once, and whether the stream then ends.
    Stream(Vec<Value>, bool),
}

/// A watch that goes on.
#[derive(Clone, Debug)]
pub struct Watch {
    collection: String,
    selector: Vec<(String, String)>,
    as_table: bool,
}

pub struct StandIn {
    /// Objects by the path that they have.
    pub objects: BTreeMap<String, Value>,
    pub version: u64,
    uid: u64,
    /// How it was told to behave.
    pub mode: Value,
    forced: usize,
    pub watches: BTreeMap<u32, Watch>,
    /// What happens by itself: in how many milliseconds, to which object, and what becomes of it.
    pub agenda: Vec<(u64, String, Change)>,
    /// Schemas by `api/v1`, `apis/apps/v1`, if upstream's are at hand.
    pub schemas: BTreeMap<String, Value>,
    now: String,
}

#[derive(Clone, Debug)]
pub enum Change {
    Gone,
    Running,
    Succeeded,
}

const CREATED: &str = "2026-01-02T03:04:05Z";
/// What every seventh-day object carries as its time of making when it is made by a request.
const NOW: &str = "2026-11-21T07:50:00Z";

impl StandIn {
    pub fn new(mode: Value, schemas: BTreeMap<String, Value>) -> StandIn {
        let mut standin = StandIn {
            objects: BTreeMap::new(),
            version: 1026,
            uid: 0x21,
            mode,
            forced: 0,
            watches: BTreeMap::new(),
            agenda: Vec::new(),
            schemas,
            now: NOW.to_owned(),
        };
        let seed: Value = serde_json::from_str(include_str!("../../testdata/k8s/kubectl/objects.json")).unwrap();
        for (path, object) in seed.as_object().unwrap() {
            let mut object = object.clone();
            object["metadata"]["creationTimestamp"] = CREATED.into();
            standin.objects.insert(path.clone(), object);
        }
        standin
    }

    /// What is answered, and in which form.
    pub fn answer(&mut self, token: u32, request: &HttpRequest) -> Reply {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let query: Vec<(String, String)> = query.split('&').filter(|pair| !pair.is_empty()).map(decode_pair).collect();
        if self.mode["protobufBodies"] == "415" && request.body.starts_with(b"k8s\0") {
            let why = "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml";
            return refuse(415, "UnsupportedMediaType", why);
        }
        if let Some(reply) = self.forced(request, path) {
            return reply;
        }
        let accept = header(request, "Accept");
        match path {
            "/api" | "/apis" => return self.discovery(path, &accept),
            "/version" => {
                return object(
                    200,
                    &json!({"major": "1", "minor": "35", "gitVersion": "v1.35.0", "platform": "linux/amd64"}),
                );
            }
            "/readyz" => return text(200, "ok"),
            _ if path.starts_with("/openapi/") => return self.openapi(path),
            _ => {}
        }
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group_version, rest) = match parts[..] {
            ["api", _, ref rest @ ..] => (2, rest),
            ["apis", _, _, ref rest @ ..] => (3, rest),
            _ => return text(404, "404 page not found\n"),
        };
        if rest.is_empty() {
            return self.resource_list(&parts[..group_version]);
        }
        let (namespaced, rest) = match rest {
            ["namespaces", _, rest @ ..] if !rest.is_empty() => (2, rest),
            rest => (0, rest),
        };
        let collection = format!("/{}", parts[..group_version + namespaced + 1].join("/"));
        match rest {
            [resource] => self.collection(token, request, &collection, resource, &query),
            [resource, name] => self.object(request, &format!("{collection}/{name}"), resource, name, &query),
            [resource, name, sub] => self.subresource(request, &format!("{collection}/{name}"), resource, name, sub),
            _ => text(404, "404 page not found\n"),
        }
    }

    /// The first one or many requests that fit are refused, as the recording was told to.
    fn forced(&mut self, request: &HttpRequest, path: &str) -> Option<Reply> {
        let force = self.mode["force"].clone();
        let wanted = force["path"].as_str()?;
        let fits = force["method"] == request.method.as_str() && request.target.contains(wanted);
        let is_first = matches!(force["times"].as_u64(), Some(0));
        let most = if is_first { 2 } else { 99 };
        if !fits || self.forced >= most || path.starts_with("/openapi") {
            return None;
        }
        self.forced += 1;
        let code = force["code"].as_u64().unwrap_or(0) as u16;
        if code == 0 {
            return None;
        }
        if let Some(raw) = force["raw"].as_str() {
            return Some(text(code, raw));
        }
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": force["message"], "reason": force["reason"], "details": force["details"], "code": code});
        let Reply::Whole(code, mut headers, body) = object(code, &status) else { return None };
        if let Some(seconds) = force["headers"]["Retry-After"].as_str() {
            headers.push(("Retry-After", seconds.to_owned()));
        }
        Some(Reply::Whole(code, headers, body))
    }

    fn discovery(&self, path: &str, accept: &str) -> Reply {
        let aggregated = self.mode["discovery"] != "legacy" && accept.contains("as=APIGroupDiscoveryList");
        let groups = groups(self.mode["metrics"] != false);
        let own: Vec<&Group> = groups.iter().filter(|(group, _)| group.is_empty() == (path == "/api")).collect();
        if aggregated {
            let items: Vec<Value> = own
                .iter()
                .map(|(group, versions)| {
                    let versions: Vec<Value> = versions
                        .iter()
                        .map(|(version, resources)| json!({"version": version, "resources": resources, "freshness": "Current"}))
                        .collect();
                    json!({"metadata": {"name": group}, "versions": versions})
                })
                .collect();
            let list = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items});
            return object(200, &list);
        }
        if path == "/api" {
            return object(200, &json!({"kind": "APIVersions", "versions": ["v1"]}));
        }
        let items: Vec<Value> = own
            .iter()
            .map(|(group, versions)| {
                let all: Vec<Value> = versions
                    .iter()
                    .map(|(version, _)| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
                    .collect();
                json!({"name": group, "versions": all, "preferredVersion": all[0]})
            })
            .collect();
        object(200, &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": items}))
    }

    fn resource_list(&self, parts: &[&str]) -> Reply {
        let (group, version) = match parts {
            ["api", version] => ("", *version),
            [_, group, version] => (*group, *version),
            _ => return text(404, "404 page not found\n"),
        };
        for (known, versions) in groups(true) {
            for (own, resources) in versions {
                if known == group && own == version {
                    let legacy = |resource: &Value| {
                        json!({"name": resource["resource"], "singularName": resource["singularResource"],
                            "namespaced": resource["scope"] == "Namespaced", "kind": resource["responseKind"]["kind"],
                            "verbs": resource["verbs"], "shortNames": resource["shortNames"], "categories": resource["categories"]})
                    };
                    let mut list: Vec<Value> = resources.iter().map(legacy).collect();
                    for resource in &resources {
                        for sub in resource["subresources"].as_array().into_iter().flatten() {
                            let name = format!(
                                "{}/{}",
                                resource["resource"].as_str().unwrap(),
                                sub["subresource"].as_str().unwrap()
                            );
                            list.push(json!({"name": name, "singularName": "", "namespaced": resource["scope"] == "Namespaced",
                                "kind": sub["responseKind"]["kind"], "verbs": sub["verbs"]}));
                        }
                    }
                    return object(
                        200,
                        &json!({"kind": "APIResourceList", "groupVersion": if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }, "resources": list}),
                    );
                }
            }
        }
        text(404, "404 page not found\n")
    }

    fn openapi(&self, path: &str) -> Reply {
        if path == "/openapi/v2" || self.mode["openapi"] == "none" {
            return text(404, "404 page not found\n");
        }
        let versions: Vec<(String, Vec<Value>)> = groups(true)
            .into_iter()
            .flat_map(|(group, versions)| {
                versions.into_iter().map(move |(version, resources)| {
                    let key =
                        if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
                    (key, resources)
                })
            })
            .collect();
        if path == "/openapi/v3" {
            let paths: Map<String, Value> = versions
                .iter()
                .map(|(key, _)| (key.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{key}?hash=H")})))
                .collect();
            return object(200, &json!({"paths": paths}));
        }
        let key = path.trim_start_matches("/openapi/v3/");
        if let Some(schema) = self.schemas.get(key).filter(|_| self.mode["openapi"] != "stub") {
            return object(200, schema);
        }
        let Some((_, resources)) = versions.iter().find(|(known, _)| known == key) else {
            return text(404, "404 page not found\n");
        };
        object(200, &stub(key, resources, self.mode["openapi"] == "stub"))
    }

    fn collection(
        &mut self,
        token: u32,
        request: &HttpRequest,
        collection: &str,
        resource: &str,
        query: &[(String, String)],
    ) -> Reply {
        let parameter = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| &value[..]);
        match &request.method[..] {
            "GET" if parameter("watch") == Some("true") => self.watch(token, request, collection, resource, query),
            "GET" => self.list(request, collection, resource, query),
            "POST" => {
                let mut body = read_body(request);
                if collection.contains("/selfsubject") {
                    return self.review(resource, body);
                }
                let name = body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                let path = format!("{collection}/{name}");
                if self.objects.contains_key(&path) {
                    let message = format!("{} \"{name}\" already exists", qualified(collection, resource));
                    return refuse(409, "AlreadyExists", &message);
                }
                self.stamp(&mut body, collection);
                if parameter("dryRun").is_none() {
                    self.store(&path, body.clone(), "ADDED");
                    if resource == "pods" {
                        self.agenda.push((10, path.clone(), Change::Running));
                        self.agenda.push((900, path, Change::Succeeded));
                    }
                } else {
                    body["metadata"].as_object_mut().unwrap().shift_remove("resourceVersion");
                }
                warned(object(201, &body), &self.mode)
            }
            _ => text(405, "method not allowed"),
        }
    }

    fn review(&self, resource: &str, mut body: Value) -> Reply {
        body["status"] = match resource {
            "selfsubjectaccessreviews" => json!({"allowed": true}),
            "selfsubjectrulesreviews" => json!({"incomplete": false,
                "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]}),
            _ => json!({"userInfo": {"username": "admin", "groups": ["system:masters"]}}),
        };
        object(201, &body)
    }

    fn stamp(&mut self, body: &mut Value, collection: &str) {
        self.uid += 1;
        let namespace =
            collection.split("/namespaces/").nth(1).and_then(|rest| rest.split('/').next()).map(str::to_owned);
        let mut metadata = Map::new();
        metadata.insert("name".to_owned(), body["metadata"]["name"].clone());
        if let Some(namespace) =
            namespace.filter(|_| collection.split("/namespaces/").nth(1).is_some_and(|rest| rest.contains('/')))
        {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
        metadata.insert("uid".to_owned(), format!("00000000-0000-4000-8000-0000000000{:02x}", self.uid).into());
        metadata.insert("creationTimestamp".to_owned(), self.now.clone().into());
        metadata.insert("generation".to_owned(), 1.into());
        for (name, value) in body["metadata"].as_object().cloned().unwrap_or_default() {
            if !value.is_null() {
                metadata.entry(name).or_insert(value);
            }
        }
        body["metadata"] = metadata.into();
    }

    /// Puts an object in its place, tells the watches, and gives back what is there now.
    fn store(&mut self, path: &str, mut object: Value, _event: &str) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.objects.insert(path.to_owned(), object.clone());
        object
    }

    fn selected(&self, collection: &str, query: &[(String, String)]) -> Vec<(String, Value)> {
        let (root, resource) = collection.rsplit_once('/').unwrap();
        let parameter = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| &value[..]);
        let labels = parameter("labelSelector").and_then(|text| labels::Selector::parse(text).ok());
        let fields = terms(parameter("fieldSelector").unwrap_or_default());
        let in_it = |path: &str| {
            let (above, _) = path.rsplit_once('/').unwrap();
            above == collection
                || (!root.contains("/namespaces/")
                    && above.starts_with(&format!("{root}/namespaces/"))
                    && above.rsplit_once('/').is_some_and(|(_, last)| last == resource)
                    && above[root.len()..].matches('/').count() == 3)
        };
        let fits = |object: &Value| {
            let own: BTreeMap<String, String> = object["metadata"]["labels"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
                .collect();
            labels.as_ref().is_none_or(|selector| selector.matches(&own)) && fields_fit(object, &fields)
        };
        let all = self.objects.iter().filter(|(path, object)| in_it(path) && fits(object));
        all.map(|(path, object)| (path.clone(), object.clone())).collect()
    }

    fn list(&mut self, request: &HttpRequest, collection: &str, resource: &str, query: &[(String, String)]) -> Reply {
        if collection.contains("metrics.k8s.io") {
            return self.metrics(collection, resource);
        }
        let parameter = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| &value[..]);
        let all = self.selected(collection, query);
        let start = match parameter("continue") {
            Some("MQ") => 1,
            Some("Mg") => 2,
            Some("Mw") => 3,
            _ => 0,
        };
        let limit = parameter("limit").and_then(|limit| limit.parse::<usize>().ok()).filter(|limit| *limit > 0);
        let end = limit.map_or(all.len(), |limit| (start + limit).min(all.len()));
        let mut metadata = json!({"resourceVersion": self.version.to_string()});
        if end < all.len() {
            metadata["continue"] = ["", "MQ", "Mg", "Mw"][end].into();
            metadata["remainingItemCount"] = (all.len() - end).into();
        }
        let items: Vec<Value> = all[start..end].iter().map(|(_, object)| object.clone()).collect();
        if wants_table(request) {
            return object(200, &table(&items, metadata, true));
        }
        let (api_version, kind) = kind_of(collection, resource);
        let list =
            json!({"kind": format!("{kind}List"), "apiVersion": api_version, "metadata": metadata, "items": items});
        // As Python prints it, which is how `get --raw` was recorded.
        Reply::Whole(200, vec![("Content-Type", "application/json".to_owned())], python(&list).into())
    }

    fn metrics(&self, collection: &str, resource: &str) -> Reply {
        let usage = |cpu: &str, memory: &str| json!({"cpu": cpu, "memory": memory});
        let items: Vec<Value> = if resource == "nodes" {
            ["node-1", "node-2"]
                .map(|name| json!({"metadata": {"name": name}, "timestamp": NOW, "window": "10s", "usage": usage("120m", "300Mi")}))
                .to_vec()
        } else {
            let pods = self.selected(&collection.replace("/apis/metrics.k8s.io/v1beta1", "/api/v1"), &[]);
            pods.iter()
                .map(|(_, pod)| {
                    json!({"metadata": {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]},
                        "containers": [{"name": "nginx", "usage": usage("5m", "12Mi")}]})
                })
                .collect()
        };
        let kind = if resource == "nodes" { "NodeMetricsList" } else { "PodMetricsList" };
        object(200, &json!({"kind": kind, "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": items}))
    }

    fn watch(
        &mut self,
        token: u32,
        request: &HttpRequest,
        collection: &str,
        resource: &str,
        query: &[(String, String)],
    ) -> Reply {
        let parameter = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| &value[..]);
        let initial = parameter("sendInitialEvents") == Some("true");
        let as_table = wants_table(request);
        if initial && self.mode["watchlist"] == "invalid" {
            return refuse(
                422,
                "Invalid",
                "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
            );
        }
        let mut lines = Vec::new();
        if self.mode["watch410"] == true && !initial {
            let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "too old resource version: 1 (900)", "reason": "Expired", "code": 410});
            return Reply::Stream(vec![json!({"type": "ERROR", "object": status})], true);
        }
        let shown = |object: &Value| {
            if as_table { table(std::slice::from_ref(object), json!({}), false) } else { object.clone() }
        };
        if (initial && self.mode["watchlist"] != "ignore") || parameter("resourceVersion") == Some("0") {
            for (_, object) in self.selected(collection, query) {
                lines.push(json!({"type": "ADDED", "object": shown(&object)}));
            }
        }
        if !initial && parameter("resourceVersion").is_none() {
            for (_, object) in self.selected(collection, query) {
                lines.push(json!({"type": "ADDED", "object": shown(&object)}));
            }
        }
        if initial && self.mode["watchlist"] != "ignore" {
            let (api_version, kind) = kind_of(collection, resource);
            let mut metadata = json!({"resourceVersion": self.version.to_string()});
            if self.mode["watchlist"] != "noannotation" {
                metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
            }
            lines.push(
                json!({"type": "BOOKMARK", "object": {"kind": kind, "apiVersion": api_version, "metadata": metadata}}),
            );
        }
        let selector = terms(parameter("fieldSelector").unwrap_or_default())
            .into_iter()
            .filter(|(_, is, _)| *is)
            .map(|(field, _, value)| (field, value))
            .collect();
        self.watches.insert(token, Watch { collection: collection.to_owned(), selector, as_table });
        Reply::Stream(lines, false)
    }

    /// Something happens by itself; the lines that watches are told.
    pub fn happen(&mut self, path: &str, change: &Change) -> Vec<(u32, Value)> {
        let Some(mut object) = self.objects.get(path).cloned() else { return Vec::new() };
        let kind = match change {
            Change::Gone => {
                self.version += 1;
                self.objects.remove(path);
                "DELETED"
            }
            Change::Running | Change::Succeeded => {
                let running = matches!(change, Change::Running);
                let name = object["spec"]["containers"][0]["name"].clone();
                let state = if running {
                    json!({"running": {"startedAt": NOW}})
                } else {
                    json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": NOW, "finishedAt": NOW}})
                };
                object["status"] = json!({"phase": if running { "Running" } else { "Succeeded" },
                    "conditions": [{"type": "Ready", "status": if running { "True" } else { "False" }}],
                    "containerStatuses": [{"name": name, "ready": running, "state": state, "lastState": {}, "restartCount": 0, "image": "i", "imageID": ""}]});
                object = self.store(path, object, "MODIFIED");
                "MODIFIED"
            }
        };
        self.tell(path, kind, &object)
    }

    fn tell(&self, path: &str, kind: &str, object: &Value) -> Vec<(u32, Value)> {
        let (above, name) = path.rsplit_once('/').unwrap();
        let mut told = Vec::new();
        for (token, watch) in &self.watches {
            let fits = watch.collection == above
                && watch.selector.iter().all(|(field, value)| field != "metadata.name" || value == name);
            if fits {
                let shown =
                    if watch.as_table { table(std::slice::from_ref(object), json!({}), false) } else { object.clone() };
                told.push((*token, json!({"type": kind, "object": shown})));
            }
        }
        told
    }

    fn object(
        &mut self,
        request: &HttpRequest,
        path: &str,
        resource: &str,
        name: &str,
        query: &[(String, String)],
    ) -> Reply {
        let parameter = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| &value[..]);
        let dry = parameter("dryRun").is_some();
        let Some(old) = self.objects.get(path).cloned() else {
            if request.method == "PATCH" && header(request, "Content-Type").starts_with("application/apply-patch") {
                let mut body = read_body(request);
                let (collection, _) = path.rsplit_once('/').unwrap();
                self.stamp(&mut body, collection);
                return object(201, &self.store(path, body, "ADDED"));
            }
            let message = format!("{} \"{name}\" not found", qualified(path, resource));
            return refuse(404, "NotFound", &message);
        };
        match &request.method[..] {
            "GET" if wants_table(request) => object(200, &table(std::slice::from_ref(&old), json!({}), true)),
            "GET" => object(200, &old),
            "DELETE" => {
                let options = read_body(request);
                if dry {
                    return object(200, &old);
                }
                if resource == "pods" {
                    let mut pod = old;
                    pod["metadata"]["deletionTimestamp"] = self.now.clone().into();
                    pod["metadata"]["deletionGracePeriodSeconds"] = 30.into();
                    let pod = self.store(path, pod, "MODIFIED");
                    let soon = if options["gracePeriodSeconds"] == 0 { 0 } else { 700 };
                    self.agenda.push((soon, path.to_owned(), Change::Gone));
                    return object(200, &pod);
                }
                self.objects.remove(path);
                object(
                    200,
                    &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                    "details": {"name": name, "kind": resource, "uid": old["metadata"]["uid"]}}),
                )
            }
            "PUT" => {
                let body = read_body(request);
                object(200, &self.store(path, body, "MODIFIED"))
            }
            "PATCH" => {
                let new = patched(&old, request);
                let mut new = new;
                if new["spec"] != old["spec"]
                    && let Some(generation) = new["metadata"]["generation"].as_u64()
                {
                    new["metadata"]["generation"] = (generation + 1).into();
                }
                if dry {
                    return object(200, &new);
                }
                object(200, &self.store(path, new, "MODIFIED"))
            }
            _ => text(405, "method not allowed"),
        }
    }

    fn subresource(&mut self, request: &HttpRequest, path: &str, resource: &str, name: &str, sub: &str) -> Reply {
        let Some(object_now) = self.objects.get(path).cloned() else {
            return refuse(404, "NotFound", &format!("{} \"{name}\" not found", qualified(path, resource)));
        };
        match (&request.method[..], sub) {
            (_, "exec" | "attach" | "portforward") => refuse(400, "BadRequest", "Upgrade request required"),
            ("GET", "log") => text(200, "hello from the log\nsecond line\n"),
            ("GET", "scale") => object(200, &scale(&object_now)),
            ("PUT" | "PATCH", "scale") => {
                let body = read_body(request);
                let mut new = object_now;
                new["spec"]["replicas"] = body["spec"]["replicas"].clone();
                let new = self.store(path, new, "MODIFIED");
                object(200, &scale(&new))
            }
            ("GET", "status") if wants_table(request) => {
                object(200, &table(std::slice::from_ref(&object_now), json!({}), true))
            }
            ("GET", _) => object(200, &object_now),
            ("POST", "eviction") => {
                self.objects.remove(path);
                object(
                    201,
                    &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
                )
            }
            ("POST", "token") => object(
                201,
                &json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
                "metadata": {}, "spec": {"audiences": ["a"]}, "status": {"token": "tok", "expirationTimestamp": NOW}}),
            ),
            ("PUT", _) => {
                let body = read_body(request);
                object(200, &self.store(path, body, "MODIFIED"))
            }
            ("PATCH", _) => {
                let new = patched(&object_now, request);
                object(200, &self.store(path, new, "MODIFIED"))
            }
            _ => text(405, "method not allowed"),
        }
    }
}

fn warned(reply: Reply, mode: &Value) -> Reply {
    let Reply::Whole(code, mut headers, body) = reply else { return reply };
    if let Some(warning) = mode["force"]["warn"].as_str() {
        headers.push(("Warning", warning.to_owned()));
    }
    Reply::Whole(code, headers, body)
}

fn scale(of: &Value) -> Value {
    let metadata = &of["metadata"];
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"]},
        "spec": {"replicas": of["spec"]["replicas"]}, "status": {"replicas": of["status"]["replicas"], "selector": "app=web"}})
}

fn header(request: &HttpRequest, name: &str) -> String {
    let found = request.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map_or_else(String::new, |(_, value)| value.clone())
}

fn wants_table(request: &HttpRequest) -> bool {
    header(request, "Accept").contains("as=Table")
}

/// A body in any of the ways of writing it.
pub fn read_body(request: &HttpRequest) -> Value {
    if request.body.starts_with(b"k8s\0") {
        return protobuf::from_bytes(Schema::kubernetes(), &request.body).expect("what is sent can be read");
    }
    serde_json::from_slice(&request.body).unwrap_or_default()
}

fn text(code: u16, text: &str) -> Reply {
    Reply::Whole(code, vec![("Content-Type", "text/plain".to_owned())], text.to_owned().into())
}

fn object(code: u16, value: &Value) -> Reply {
    Reply::Whole(code, vec![("Content-Type", "application/json".to_owned())], value.to_string().into())
}

fn refuse(code: u16, reason: &str, message: &str) -> Reply {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "details": {}, "code": code});
    object(code, &status)
}

/// JSON with a blank behind commas and colons.
fn python(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let pairs: Vec<String> =
                map.iter().map(|(name, value)| format!("{}: {}", json!(name), python(value))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

fn table(items: &[Value], mut metadata: Value, with_columns: bool) -> Value {
    if metadata["resourceVersion"].is_null() {
        metadata = json!({});
    }
    let rows: Vec<Value> = items
        .iter()
        .map(|item| {
            let own =
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]});
            json!({"cells": [item["metadata"]["name"], item["metadata"]["creationTimestamp"]], "object": own})
        })
        .collect();
    let columns = json!([
        {"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0},
        {"name": "Created At", "type": "date", "format": "", "description": "", "priority": 0},
    ]);
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": if with_columns { columns } else { Value::Null }, "rows": rows})
}

fn decode_pair(pair: &str) -> (String, String) {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    (decode(name), decode(value))
}

/// Undoes the escapes of a query.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        match bytes[at] {
            b'%' => {
                out.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
                at += 2;
            }
            b'+' => out.push(b' '),
            byte => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8(out).unwrap()
}

/// Field, whether it must be that, value.
fn terms(selector: &str) -> Vec<(String, bool, String)> {
    let term = |term: &str| match term.split_once("!=") {
        Some((field, value)) => (field.to_owned(), false, value.to_owned()),
        None => {
            let (field, value) = term.split_once('=').unwrap_or((term, ""));
            (field.to_owned(), true, value.to_owned())
        }
    };
    selector.split(',').filter(|part| !part.is_empty()).map(term).collect()
}

fn fields_fit(object: &Value, terms: &[(String, bool, String)]) -> bool {
    terms.iter().all(|(field, is, value)| {
        let own = object.pointer(&format!("/{}", field.replace('.', "/")));
        (own.and_then(Value::as_str).unwrap_or_default() == value) == *is
    })
}

/// The group's name behind a plural, as errors have it.
fn qualified(path: &str, resource: &str) -> String {
    match path.strip_prefix("/apis/").and_then(|rest| rest.split('/').next()) {
        Some(group) => format!("{resource}.{group}"),
        None => resource.to_owned(),
    }
}

fn kind_of(collection: &str, resource: &str) -> (String, String) {
    let parts: Vec<&str> = collection.trim_matches('/').split('/').collect();
    let (group, version) = if parts[0] == "api" { ("", parts[1]) } else { (parts[1], parts[2]) };
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let kind = registry::find(group, version, resource).map_or("Widget", |resource| resource.kind);
    (api_version, kind.to_owned())
}

/// A group's name, and its versions with their resources.
type Group = (String, Vec<(String, Vec<Value>)>);

/// Groups, their versions, and resources as aggregated discovery has them.
fn groups(with_metrics: bool) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut add = |group: &str, version: &str, resource: Value| {
        let at = groups.iter().position(|(known, _)| known == group).unwrap_or_else(|| {
            groups.push((group.to_owned(), Vec::new()));
            groups.len() - 1
        });
        let versions = &mut groups[at].1;
        match versions.iter_mut().find(|(known, _)| known == version) {
            Some((_, resources)) => resources.push(resource),
            None => versions.push((version.to_owned(), vec![resource])),
        }
    };
    // The recordings are older than this group.
    for own in registry::resources().iter().filter(|own| own.group != "resource.k8s.io") {
        let subs: Vec<Value> = own
            .subresources
            .iter()
            .map(|sub| json!({"subresource": sub.name, "responseKind": {"kind": sub.kind}, "verbs": sub.verbs}))
            .collect();
        let resource = json!({"resource": own.name, "singularResource": own.singular, "responseKind": {"kind": own.kind},
            "scope": if own.is_namespaced { "Namespaced" } else { "Cluster" }, "shortNames": own.short_names,
            "categories": own.categories, "verbs": own.verbs, "subresources": subs});
        add(own.group, own.version, resource);
    }
    let all = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    add(
        "example.com",
        "v1",
        json!({"resource": "widgets", "singularResource": "widget", "responseKind": {"kind": "Widget"},
        "scope": "Namespaced", "shortNames": ["wg"], "verbs": all}),
    );
    if with_metrics {
        for (name, kind, scope) in [("nodes", "NodeMetrics", "Cluster"), ("pods", "PodMetrics", "Namespaced")] {
            add(
                "metrics.k8s.io",
                "v1beta1",
                json!({"resource": name, "singularResource": "", "responseKind": {"kind": kind},
                "scope": scope, "verbs": ["get", "list"]}),
            );
        }
    }
    groups
}

/// The smallest schema that lets a client validate by the server.
fn stub(key: &str, resources: &[Value], is_bare: bool) -> Value {
    let parts: Vec<&str> = key.split('/').collect();
    let (group, version) = if parts[0] == "api" { ("", parts[1]) } else { (parts[1], parts[2]) };
    let (mut schemas, mut paths) = (Map::new(), Map::new());
    for resource in resources {
        let kind = resource["responseKind"]["kind"].as_str().unwrap();
        let mark = json!({"group": group, "version": version, "kind": kind});
        let description = format!("{kind} stub");
        schemas.insert(
            format!("stub.{version}.{kind}"),
            json!({"type": "object", "description": description, "x-kubernetes-group-version-kind": [mark],
                "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}, "spec": {"type": "object"}}}),
        );
        let mut patch = json!({"x-kubernetes-group-version-kind": mark, "parameters": [{"name": "fieldValidation", "in": "query"}]});
        // Upstream's own schemas name the ways to patch; for what is not built in, the strategic one is not among them.
        if !is_bare && group != "example.com" {
            patch["requestBody"] = json!({"content": {"application/strategic-merge-patch+json": {}}});
        }
        paths.insert(format!("/{key}/{}/{{name}}", resource["resource"].as_str().unwrap()), json!({"patch": patch}));
    }
    json!({"openapi": "3.0.0", "info": {"title": "stub"}, "paths": paths, "components": {"schemas": schemas}})
}

/// The object after a patch, in a simple way: items of lists are told apart by their names.
fn patched(old: &Value, request: &HttpRequest) -> Value {
    let content = header(request, "Content-Type");
    let body = read_body(request);
    let mut new = old.clone();
    if content.starts_with("application/json-patch") {
        for operation in body.as_array().into_iter().flatten() {
            let path = operation["path"].as_str().unwrap();
            if let Some(place) = new.pointer_mut(path) {
                *place = operation["value"].clone();
            }
        }
    } else {
        merge(
            &mut new,
            &body,
            content.starts_with("application/strategic") || content.starts_with("application/apply"),
        );
    }
    new
}

fn merge(target: &mut Value, patch: &Value, by_name: bool) {
    match (target, patch) {
        (Value::Object(map), Value::Object(patch)) => {
            for (name, value) in patch {
                if name.starts_with('$') {
                    continue;
                }
                if value.is_null() {
                    map.shift_remove(name);
                } else {
                    merge(map.entry(name.clone()).or_insert(Value::Null), value, by_name);
                }
            }
        }
        (Value::Array(items), Value::Array(patch)) if by_name && patch.iter().all(|item| item["name"].is_string()) => {
            for item in patch {
                match items.iter_mut().find(|known| known["name"] == item["name"]) {
                    Some(known) => merge(known, item, by_name),
                    None => items.push(item.clone()),
                }
            }
        }
        (target, patch) => {
            *target = patch.clone();
            if let Value::Object(map) = target {
                map.retain(|_, value| !value.is_null());
            }
        }
    }
}
