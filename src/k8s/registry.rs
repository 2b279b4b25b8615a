//! What an API server serves and where it keeps it: resources, their kinds and verbs, and their keys in etcd.
//!
//! Upstream: discovery, `SpecialDefaultResourcePrefixes` of the storage factory, and what its integration tests expect in
//! etcd. The table lies in `registry.txt`: a resource a line (verbs are all eight if none are named), below it its
//! subresources, which are read and written unless they say otherwise.

use std::sync::OnceLock;

/// `--etcd-prefix`
pub const PREFIX: &str = "/registry/";

/// A resource in one of its versions: `deployments` of `apps/v1`.
#[derive(Debug, PartialEq, Eq)]
pub struct Resource {
    pub group: &'static str,
    pub version: &'static str,
    /// The plural.
    pub name: &'static str,
    pub kind: &'static str,
    pub singular: String,
    pub is_namespaced: bool,
    pub short_names: Vec<&'static str>,
    /// `all`, `api-extensions`.
    pub categories: Vec<&'static str>,
    pub verbs: Vec<&'static str>,
    pub subresources: Vec<Subresource>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Subresource {
    pub name: &'static str,
    pub kind: &'static str,
    /// The apiVersion of what it takes and gives, if not the resource's.
    pub of: Option<&'static str>,
    pub verbs: Vec<&'static str>,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Protobuf,
    Json,
}

/// What a key of etcd belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// None for a custom resource, and for what is no resource.
    pub resource: Option<&'static Resource>,
    /// Below the prefix, up to the namespace or name: `pods`, `services/specs`, `example.com/ships`.
    pub prefix: &'a str,
    pub namespace: Option<&'a str>,
    pub name: &'a str,
}

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const SUBRESOURCE_VERBS: [&str; 3] = ["get", "patch", "update"];

/// Resources whose place in etcd is not their name.
const PREFIXES: [(&str, &str, &str); 7] = [
    ("", "nodes", "minions"),
    ("", "services", "services/specs"),
    ("", "endpoints", "services/endpoints"),
    ("", "replicationcontrollers", "controllers"),
    ("networking.k8s.io", "ingresses", "ingress"),
    ("apiextensions.k8s.io", "customresourcedefinitions", "apiextensions.k8s.io/customresourcedefinitions"),
    ("apiregistration.k8s.io", "apiservices", "apiregistration.k8s.io/apiservices"),
];

/// Resources that are stored as another version than the one that is served, or as that of another group.
const STORED_AS: [(&str, &str, &str); 3] = [
    ("events.k8s.io", "events", "v1"),
    ("autoscaling", "horizontalpodautoscalers", "autoscaling/v2"),
    ("apiextensions.k8s.io", "customresourcedefinitions", "apiextensions.k8s.io/v1beta1"),
];

/// All built-in resources, in the order of discovery.
pub fn resources() -> &'static [Resource] {
    static RESOURCES: OnceLock<Vec<Resource>> = OnceLock::new();
    RESOURCES.get_or_init(|| parse(include_str!("registry.txt")))
}

/// A resource by group, version and plural.
pub fn find(group: &str, version: &str, name: &str) -> Option<&'static Resource> {
    resources().iter().find(|resource| (resource.group, resource.version, resource.name) == (group, version, name))
}

/// The resource that has a kind: `apps/v1`, `Deployment`.
pub fn of_kind(api_version: &str, kind: &str) -> Option<&'static Resource> {
    resources().iter().find(|resource| resource.kind == kind && resource.api_version() == api_version)
}

/// The key of a custom resource.
pub fn custom_key(group: &str, plural: &str, namespace: Option<&str>, name: &str) -> String {
    join(&format!("{group}/{plural}"), namespace, name)
}

/// What a key belongs to. Nothing for a key outside of the registry.
pub fn place(key: &str) -> Option<Place<'_>> {
    let rest = key.strip_prefix(PREFIX)?;
    let known = resources().iter().filter_map(|resource| {
        let below = rest.strip_prefix(resource.prefix())?.strip_prefix('/')?;
        Some((resource, below))
    });
    if let Some((resource, below)) = known.max_by_key(|(resource, _)| resource.prefix().len()) {
        let (namespace, name) = match below.split_once('/') {
            Some((namespace, name)) if resource.is_namespaced => (Some(namespace), name),
            _ => (None, below),
        };
        return Some(Place {
            resource: Some(resource),
            prefix: &rest[..rest.len() - below.len() - 1],
            namespace,
            name,
        });
    }
    // A custom resource: its group has a dot.
    let (group, below) = rest.split_once('/')?;
    let (plural, below) = below.split_once('/')?;
    let (namespace, name) = below.split_once('/').map_or((None, below), |(namespace, name)| (Some(namespace), name));
    Some(Place { resource: None, prefix: &rest[..group.len() + 1 + plural.len()], namespace, name })
}

impl Resource {
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Its place in etcd, below the registry.
    pub fn prefix(&self) -> &'static str {
        let special = PREFIXES.iter().find(|(group, name, _)| (*group, *name) == (self.group, self.name));
        special.map_or(self.name, |(_, _, prefix)| prefix)
    }

    /// The apiVersion that its values are written in.
    pub fn stored_api_version(&self) -> String {
        let other = STORED_AS.iter().find(|(group, name, _)| (*group, *name) == (self.group, self.name));
        other.map_or_else(|| self.api_version(), |(_, _, version)| (*version).to_owned())
    }

    /// Definitions and API services are served by others than the rest, and those write JSON.
    pub fn format(&self) -> Format {
        let is_json = ["apiextensions.k8s.io", "apiregistration.k8s.io"].contains(&self.group);
        if is_json { Format::Json } else { Format::Protobuf }
    }

    /// Whether objects of it exist, rather than only requests.
    pub fn is_stored(&self) -> bool {
        self.verbs.contains(&"list") && self.verbs.contains(&"create")
    }

    pub fn key(&self, namespace: Option<&str>, name: &str) -> String {
        join(self.prefix(), namespace, name)
    }

    /// The prefix of all its keys, or of those in a namespace.
    pub fn list_prefix(&self, namespace: Option<&str>) -> String {
        join(self.prefix(), namespace, "")
    }
}

fn join(prefix: &str, namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(namespace) => format!("{PREFIX}{prefix}/{namespace}/{name}"),
        None => format!("{PREFIX}{prefix}/{name}"),
    }
}

fn parse(text: &'static str) -> Vec<Resource> {
    let (mut group, mut version, mut resources) = ("", "", Vec::<Resource>::new());
    for line in text.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split(' ');
        let mut word = || words.next().expect("a line has its words");
        let (first, second) = (word(), word());
        if first == "version" {
            (group, version) = second.split_once('/').unwrap_or(("", second));
        } else if let Some(name) = first.strip_prefix('/') {
            let mut own = Subresource { name, kind: second, of: None, verbs: SUBRESOURCE_VERBS.to_vec() };
            for flag in words {
                match flag.split_once('=') {
                    Some(("verbs", verbs)) => own.verbs = verbs.split(',').collect(),
                    Some(("of", of)) => own.of = Some(of),
                    _ => panic!("no flag of subresources: {line}"),
                }
            }
            resources.last_mut().expect("a resource stands above").subresources.push(own);
        } else {
            let is_namespaced = word() == "namespaced";
            let mut own = Resource {
                group,
                version,
                name: first,
                kind: second,
                singular: second.to_lowercase(),
                is_namespaced,
                short_names: Vec::new(),
                categories: Vec::new(),
                verbs: VERBS.to_vec(),
                subresources: Vec::new(),
            };
            for flag in words {
                match flag.split_once('=') {
                    Some(("verbs", verbs)) => own.verbs = verbs.split(',').collect(),
                    Some(("short", names)) => own.short_names = names.split(',').collect(),
                    Some(("in", names)) => own.categories = names.split(',').collect(),
                    Some(("singular", name)) => own.singular = name.to_owned(),
                    _ => panic!("no flag of resources: {line}"),
                }
            }
            resources.push(own);
        }
    }
    resources
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::schema::Schema;

    #[test]
    fn keys_and_back() {
        let resource = |group, version, name| find(group, version, name).unwrap();
        let check = |resource: &'static Resource, namespace, name, key: &str| {
            assert_eq!(resource.key(namespace, name), key);
            let place = place(key).unwrap();
            assert_eq!((place.resource.unwrap().name, place.namespace, place.name), (resource.name, namespace, name));
            assert_eq!(place.prefix, resource.prefix());
        };
        check(resource("", "v1", "pods"), Some("default"), "web-0", "/registry/pods/default/web-0");
        check(resource("", "v1", "nodes"), None, "n1", "/registry/minions/n1");
        check(resource("", "v1", "services"), Some("default"), "web", "/registry/services/specs/default/web");
        check(resource("", "v1", "endpoints"), Some("default"), "web", "/registry/services/endpoints/default/web");
        check(resource("apps", "v1", "deployments"), Some("shop"), "web", "/registry/deployments/shop/web");
        check(resource("networking.k8s.io", "v1", "ingresses"), Some("shop"), "web", "/registry/ingress/shop/web");
        let definitions = resource("apiextensions.k8s.io", "v1", "customresourcedefinitions");
        let key = "/registry/apiextensions.k8s.io/customresourcedefinitions/ships.example.com";
        check(definitions, None, "ships.example.com", key);
        assert_eq!(definitions.format(), Format::Json);
        assert_eq!(definitions.stored_api_version(), "apiextensions.k8s.io/v1beta1");
        // A namespace does not match a longer one.
        assert_eq!(resource("", "v1", "pods").list_prefix(Some("a")), "/registry/pods/a/");
    }

    #[test]
    fn custom_resources() {
        let key = custom_key("example.com", "ships", Some("shop"), "titanic");
        assert_eq!(key, "/registry/example.com/ships/shop/titanic");
        let place = place(&key).unwrap();
        let expect = Place { resource: None, prefix: "example.com/ships", namespace: Some("shop"), name: "titanic" };
        assert_eq!(place, expect);
        assert_eq!(super::place("compact_rev_key"), None);
    }

    #[test]
    fn stored_versions() {
        let stored = |group, version, name| find(group, version, name).unwrap().stored_api_version();
        assert_eq!(stored("autoscaling", "v1", "horizontalpodautoscalers"), "autoscaling/v2");
        assert_eq!(stored("events.k8s.io", "v1", "events"), "v1");
        assert_eq!(stored("apps", "v1", "deployments"), "apps/v1");
    }

    #[test]
    fn every_resource_has_its_type() {
        let schema = Schema::kubernetes();
        for resource in resources() {
            let version = resource.api_version();
            assert!(schema.kind(&version, resource.kind).is_some(), "{version} {}", resource.kind);
            assert!(
                schema.kind(&resource.stored_api_version(), resource.kind).is_some(),
                "{version} {}",
                resource.kind
            );
            if resource.is_stored() {
                assert!(
                    schema.kind(&version, &format!("{}List", resource.kind)).is_some(),
                    "{version} {}",
                    resource.kind
                );
            }
        }
    }
}
