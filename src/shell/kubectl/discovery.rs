//! What a server has to offer, and which resource a word means.
//!
//! Upstream: the discovery client with its cache, the RESTMapper, short names and categories of `k8s.io/client-go`.

use bytes::Bytes;
use serde_json::{Value, json};

use super::client::{Kube, Request, accept};
use super::config::list;
use super::failure::{Failure, NoResource, Outcome, Stop};
use super::verbose;
use crate::k8s::json as json_text;
use crate::sim::Micros;

/// How long what is in the cache is believed.
const CACHE_SPAN: Micros = Micros::from_secs(6 * 60 * 60);
/// How long discovery waits for an answer.
const TIMEOUT: &str = "32s";
/// Attempts that a mapper makes when it cannot get the groups.
const ATTEMPTS: usize = 5;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Discovery {
    /// Groups in the server's order, the preferred version of each first.
    pub versions: Vec<GroupVersion>,
    pub resources: Vec<ApiResource>,
    /// It is not what the server said just now.
    pub is_cached: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupVersion {
    pub group: String,
    pub version: String,
    pub is_preferred: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ApiResource {
    pub group: String,
    pub version: String,
    /// The plural, as in paths.
    pub name: String,
    pub singular: String,
    pub kind: String,
    pub is_namespaced: bool,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub verbs: Vec<String>,
    pub is_preferred: bool,
}

impl ApiResource {
    /// Go's text of a `GroupVersionResource`.
    pub fn resource_text(&self) -> String {
        format!("{}/{}, Resource={}", self.group, self.version, self.name)
    }

    /// Go's text of a `GroupVersionKind`.
    pub fn kind_text(&self) -> String {
        format!("{}/{}, Kind={}", self.group, self.version, self.kind)
    }

    pub fn api_version(&self) -> String {
        join_version(&self.group, &self.version)
    }

    /// `deployments.apps`
    pub fn qualified(&self) -> String {
        join_group(&self.name, &self.group)
    }

    /// `deployment.apps`
    pub fn singular_qualified(&self) -> String {
        join_group(&self.kind.to_lowercase(), &self.group)
    }

    /// `/apis/apps/v1/namespaces/default/deployments`
    pub fn path(&self, namespace: &str) -> String {
        let root = root_of(&self.group, &self.version);
        match namespace {
            namespace if self.is_namespaced && !namespace.is_empty() => {
                format!("{root}/namespaces/{namespace}/{}", self.name)
            }
            _ => format!("{root}/{}", self.name),
        }
    }

    pub fn object_path(&self, namespace: &str, name: &str) -> String {
        format!("{}/{name}", self.path(namespace))
    }

    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }

    fn is_called(&self, word: &str) -> bool {
        self.name == word || self.singular == word || self.kind.to_lowercase() == word
    }
}

pub fn join_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

pub fn join_group(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

pub fn split_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// `/api/v1`, `/apis/apps/v1`
pub fn root_of(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
}

/// What a word that names no resource would have named.
pub fn missing(word: &str) -> NoResource {
    let mut parts = word.splitn(2, '.');
    let resource = parts.next().unwrap_or_default().to_owned();
    NoResource { resource, group: parts.next().unwrap_or_default().to_owned(), version: String::new() }
}

impl Discovery {
    pub fn load(kube: &mut Kube, may_be_cached: bool) -> Outcome<Discovery> {
        let config = kube.config()?;
        let file = cache_file(&config.server);
        let now = kube.run.time();
        let cached = kube.run.read_file(&file).ok().filter(|_| may_be_cached);
        let cached = cached.and_then(|bytes| json_text::parse(&bytes).ok()).map(|read| read.value);
        if let Some(cached) = cached
            && let Some(since) = cached["since"].as_u64()
            && now.0.saturating_sub(since) < CACHE_SPAN.0
            && since <= now.0
        {
            return Ok(Discovery { is_cached: true, ..Discovery::parse(list(&cached["lists"])) });
        }
        let lists = ask(kube)?;
        let cached = json!({"since": now.0, "lists": lists});
        // Simplified: one file, where upstream has one for each group version. A full disk only makes it slower.
        let _ = kube.run.write_files(|files| {
            let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
            files.make_directories(folder)?;
            files.write(&file, Bytes::from(json_text::to_string(&cached)))
        });
        Ok(Discovery::parse(&lists))
    }

    fn parse(lists: &[Value]) -> Discovery {
        let mut discovery = Discovery::default();
        for group in lists.iter().flat_map(|list_of| list(&list_of["items"])) {
            let name = group["metadata"]["name"].as_str().unwrap_or_default();
            for (at, version) in list(&group["versions"]).iter().enumerate() {
                let of =
                    GroupVersion { group: name.to_owned(), version: text(&version["version"]), is_preferred: at == 0 };
                for resource in list(&version["resources"]) {
                    discovery.resources.push(parse_resource(resource, &of));
                }
                discovery.versions.push(of);
            }
        }
        discovery
    }

    /// The resource that a word of the command line means: `po`, `deployments`, `deploy.apps`, `deployments.v1.apps`.
    pub fn find(&self, word: &str) -> Option<&ApiResource> {
        let word = word.to_lowercase();
        let mut parts = word.splitn(3, '.');
        let name = parts.next().unwrap_or_default();
        let (second, third) = (parts.next(), parts.next());
        if let (Some(version), Some(group)) = (second, third)
            && let Some(found) = self.named(name, |known| known.version == version && known.group == group)
        {
            return Some(found);
        }
        let Some((_, group)) = word.split_once('.') else { return self.named(name, |_| true) };
        // The core group has no name; a version may stand alone.
        self.named(name, |known| known.group == group)
            .or_else(|| self.named(name, |known| known.group.is_empty() && known.version == group))
            // A group may be shortened to its first words.
            .or_else(|| self.named(name, |known| known.group.starts_with(&format!("{group}."))))
    }

    fn named(&self, name: &str, fits: impl Fn(&ApiResource) -> bool) -> Option<&ApiResource> {
        let served = || self.in_order().filter(|known| fits(known));
        let by_name = served().find(|known| known.is_called(name));
        by_name.or_else(|| {
            let short = served().find(|known| known.short_names.iter().any(|short| short == name))?;
            Some(short)
        })
    }

    /// Preferred versions before the others, as a priority mapper looks.
    fn in_order(&self) -> impl Iterator<Item = &ApiResource> {
        let of = |is_preferred: bool| self.resources.iter().filter(move |known| known.is_preferred == is_preferred);
        of(true).chain(of(false))
    }

    /// The resource that holds objects of a kind.
    pub fn of_kind(&self, api_version: &str, kind: &str) -> Option<&ApiResource> {
        let (group, version) = split_version(api_version);
        let fits = |known: &&ApiResource| known.group == group && known.version == version && known.kind == kind;
        self.resources.iter().find(fits)
    }

    /// What belongs to a category, each resource in one version.
    pub fn category(&self, name: &str) -> Vec<ApiResource> {
        let within = |known: &&ApiResource| known.is_preferred && known.categories.iter().any(|own| own == name);
        self.resources.iter().filter(within).cloned().collect()
    }
}

/// Asks for both lists; a server that does not know them in one piece is asked piece by piece.
fn ask(kube: &mut Kube) -> Outcome<Vec<Value>> {
    let request = |path: &str| Request::get(path, accept::DISCOVERY).query("timeout", TIMEOUT);
    let requests = [request("/api"), request("/apis")];
    for attempt in 1.. {
        let began = kube.run.time();
        let sent = [kube.send(&requests[0])?, kube.send(&requests[1])?];
        let mut lists = Vec::new();
        let mut failed = None;
        for (request, sent) in requests.iter().zip(sent) {
            let answer = kube.settle(request, sent, began).and_then(|answer| kube.accept(request, answer));
            match answer {
                Ok(answer) => lists.push(answer.json.as_deref().cloned().unwrap_or_default()),
                // A server without the one may have the other.
                Err(Stop::Failed(failure)) if failure.is_not_found() => lists.push(json!({})),
                Err(Stop::Failed(failure)) => failed = failed.or(Some(failure)),
                Err(Stop::Pending) => return Err(Stop::Pending),
            }
        }
        let Some(failure) = failed else {
            let [core, groups] = <[Value; 2]>::try_from(lists).unwrap_or_default();
            if [&core, &groups].iter().all(|list| list["kind"] == "APIGroupDiscoveryList") {
                return Ok(vec![core, groups]);
            }
            return piece_by_piece(kube, &core, &groups);
        };
        if let Failure::Network { .. } = &failure {
            let config = kube.config()?;
            let url = format!("{}{}", config.server.trim_end_matches('/'), requests[0].target());
            let why = format!("couldn't get current server API group list: Get {url:?}: {}", failure.text());
            verbose::error_line(kube, "memcache.go:265", "Unhandled Error", &why);
        }
        if attempt >= ATTEMPTS || !matches!(failure, Failure::Network { .. }) {
            return Err(Stop::Failed(failure));
        }
    }
    Ok(Vec::new())
}

/// Discovery as it was before one answer held it all.
fn piece_by_piece(kube: &mut Kube, core: &Value, groups: &Value) -> Outcome<Vec<Value>> {
    let mut wanted: Vec<(String, String)> =
        list(&core["versions"]).iter().map(|version| (String::new(), text(version))).collect();
    for group in list(&groups["groups"]) {
        let preferred = text(&group["preferredVersion"]["version"]);
        let mut versions: Vec<String> =
            list(&group["versions"]).iter().map(|version| text(&version["version"])).collect();
        versions.sort_by_key(|version| *version != preferred);
        wanted.extend(versions.into_iter().map(|version| (text(&group["name"]), version)));
    }
    let began = kube.run.time();
    let requests: Vec<Request> = wanted
        .iter()
        .map(|(group, version)| Request::get(root_of(group, version), accept::ANY).query("timeout", TIMEOUT))
        .collect();
    let mut sent = Vec::new();
    for request in &requests {
        sent.push(kube.send(request)?);
    }
    let mut items: Vec<Value> = Vec::new();
    for ((group, version), (request, sent)) in wanted.iter().zip(requests.iter().zip(sent)) {
        let answer = kube.settle(request, sent, began)?;
        // A group whose server is away is left out.
        let found = answer.json.as_deref().filter(|_| answer.status == 200);
        let resources: Vec<Value> =
            found.map(|found| list(&found["resources"])).unwrap_or_default().iter().filter_map(as_aggregated).collect();
        let versioned = json!({"version": version, "resources": resources});
        match items.last_mut().filter(|item| item["metadata"]["name"] == *group) {
            Some(item) => item["versions"].as_array_mut().into_iter().for_each(|all| all.push(versioned.clone())),
            None => items.push(json!({"metadata": {"name": group}, "versions": [versioned]})),
        }
    }
    Ok(vec![json!({"items": items})])
}

/// A resource of an `APIResourceList` in the form of the aggregated list; nothing for a subresource.
fn as_aggregated(resource: &Value) -> Option<Value> {
    let name = resource["name"].as_str().filter(|name| !name.contains('/'))?;
    let scope = if resource["namespaced"] == true { "Namespaced" } else { "Cluster" };
    Some(json!({
        "resource": name,
        "responseKind": {"kind": resource["kind"]},
        "scope": scope,
        "singularResource": resource["singularName"],
        "shortNames": resource["shortNames"],
        "categories": resource["categories"],
        "verbs": resource["verbs"],
    }))
}

fn parse_resource(resource: &Value, of: &GroupVersion) -> ApiResource {
    let texts = |value: &Value| list(value).iter().map(text).collect();
    let kind = text(&resource["responseKind"]["kind"]);
    let singular = text(&resource["singularResource"]);
    ApiResource {
        group: of.group.clone(),
        version: of.version.clone(),
        name: text(&resource["resource"]),
        singular: if singular.is_empty() { kind.to_lowercase() } else { singular },
        kind,
        is_namespaced: resource["scope"] == "Namespaced",
        short_names: texts(&resource["shortNames"]),
        categories: texts(&resource["categories"]),
        verbs: texts(&resource["verbs"]),
        is_preferred: of.is_preferred,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Upstream names the folder after the host, with what a file's name may hold.
fn cache_file(server: &str) -> String {
    let host = server.split_once("://").map_or(server, |(_, host)| host);
    let safe: String =
        host.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '_' }).collect();
    format!("~/.kube/cache/discovery/{safe}/serverresources.json")
}
