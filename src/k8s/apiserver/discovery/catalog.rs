//! Groups, versions and resources in the order in which they are told.
//!
//! Built-in groups have an order of their own. Then come those of definitions, by name, whose versions are ordered by what
//! their names say; and at last the metrics, whose API service asks for the lowest priority.

use std::cmp::{Ordering, Reverse};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::Served;
use crate::k8s::registry::{self, Resource};

/// A version of a custom resource that is served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Custom {
    pub group: String,
    pub version: String,
    pub plural: String,
    pub singular: String,
    pub kind: String,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub is_namespaced: bool,
    /// The version that objects are stored in.
    pub storage_version: String,
    pub has_status: bool,
    pub has_scale: bool,
    /// Its definition is being deleted, so that nothing new is made.
    pub is_terminating: bool,
}

pub(super) struct Group {
    /// Empty for the core.
    pub name: String,
    /// The preferred one first.
    pub versions: Vec<Version>,
}

pub(super) struct Version {
    pub name: String,
    /// By name.
    pub resources: Vec<Entry>,
}

pub(super) struct Entry {
    pub name: String,
    pub singular: String,
    pub kind: String,
    /// Group and version of the kind, where they are told though they are those of the list.
    pub of: Option<(String, String)>,
    pub is_namespaced: bool,
    pub verbs: Vec<String>,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub hash: Option<String>,
    pub subresources: Vec<Sub>,
}

pub(super) struct Sub {
    pub name: String,
    pub kind: String,
    /// Group and version, if they are not those of the list.
    pub of: Option<(String, String)>,
    pub verbs: Vec<String>,
}

pub(super) fn groups(served: Served) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for resource in registry::resources() {
        add(&mut groups, resource.group, resource.version, of_resource(resource));
    }
    let mut own: Vec<&Custom> = served.custom.iter().collect();
    own.sort_by(|a, b| {
        let by_version = || compare_versions(&b.version, &a.version);
        a.group.cmp(&b.group).then_with(by_version).then_with(|| a.plural.cmp(&b.plural))
    });
    for custom in own {
        add(&mut groups, &custom.group, &custom.version, of_custom(custom));
    }
    if served.has_metrics {
        for (name, kind, is_namespaced) in [("nodes", "NodeMetrics", false), ("pods", "PodMetrics", true)] {
            add(&mut groups, "metrics.k8s.io", "v1beta1", of_metrics(name, kind, is_namespaced));
        }
    }
    groups
}

/// The order of names of versions: `v2` before `v1` before `v1beta2` before `v1alpha1` before anything else.
///
/// Upstream: `k8s.io/apimachinery/pkg/version.CompareKubeAwareVersionStrings`; greater is what is preferred.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    match (read_version(a), read_version(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => Reverse(a).cmp(&Reverse(b)),
    }
}

/// By which clients see that objects are stored in another way than before.
pub fn storage_version_hash(api_version: &str, kind: &str) -> String {
    // The core group is the empty text before the slash.
    let slash = if api_version.contains('/') { "" } else { "/" };
    STANDARD.encode(&Sha256::digest(format!("{slash}{api_version}/{kind}"))[..8])
}

/// Stability, major and minor number.
fn read_version(text: &str) -> Option<(u8, u64, u64)> {
    let number = |digits: &str| {
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u64>().ok().filter(|_| is_number)
    };
    let rest = text.strip_prefix('v')?;
    for (stability, name) in [(1, "beta"), (0, "alpha")] {
        if let Some((major, minor)) = rest.split_once(name) {
            return Some((stability, number(major)?, number(minor)?));
        }
    }
    Some((2, number(rest)?, 0))
}

fn add(groups: &mut Vec<Group>, group: &str, version: &str, entry: Entry) {
    let place = groups.iter().position(|known| known.name == group).unwrap_or_else(|| {
        groups.push(Group { name: group.to_owned(), versions: Vec::new() });
        groups.len() - 1
    });
    let versions = &mut groups[place].versions;
    let place = versions.iter().position(|known| known.name == version).unwrap_or_else(|| {
        versions.push(Version { name: version.to_owned(), resources: Vec::new() });
        versions.len() - 1
    });
    versions[place].resources.push(entry);
}

fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn of_resource(resource: &Resource) -> Entry {
    let hash = || storage_version_hash(&resource.stored_api_version(), resource.kind);
    let sub = |sub: &registry::Subresource| Sub {
        name: sub.name.to_owned(),
        kind: sub.kind.to_owned(),
        of: sub
            .of
            .map(|of| of.split_once('/').unwrap_or(("", of)))
            .map(|(group, version)| (group.to_owned(), version.to_owned())),
        verbs: owned(&sub.verbs),
    };
    Entry {
        name: resource.name.to_owned(),
        singular: resource.singular.clone(),
        kind: resource.kind.to_owned(),
        of: None,
        is_namespaced: resource.is_namespaced,
        verbs: owned(&resource.verbs),
        short_names: owned(&resource.short_names),
        categories: owned(&resource.categories),
        hash: resource.is_stored().then(hash),
        subresources: resource.subresources.iter().map(sub).collect(),
    }
}

fn of_custom(custom: &Custom) -> Entry {
    let verbs: &[&str] = if custom.is_terminating {
        &["delete", "deletecollection", "get", "list", "watch"]
    } else {
        &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
    };
    let own = (custom.group.clone(), custom.version.clone());
    let scale = Some(("autoscaling".to_owned(), "v1".to_owned()));
    let parts = [
        (custom.has_status, "status", custom.kind.clone(), None),
        (custom.has_scale, "scale", "Scale".to_owned(), scale),
    ];
    let subresources = parts.into_iter().filter(|(is_there, ..)| *is_there).map(|(_, name, kind, of)| Sub {
        name: name.to_owned(),
        kind,
        of,
        verbs: owned(&["get", "patch", "update"]),
    });
    let stored = format!("{}/{}", custom.group, custom.storage_version);
    Entry {
        name: custom.plural.clone(),
        singular: custom.singular.clone(),
        kind: custom.kind.clone(),
        of: Some(own),
        is_namespaced: custom.is_namespaced,
        verbs: owned(verbs),
        short_names: custom.short_names.clone(),
        categories: custom.categories.clone(),
        hash: Some(storage_version_hash(&stored, &custom.kind)),
        subresources: subresources.collect(),
    }
}

fn of_metrics(name: &str, kind: &str, is_namespaced: bool) -> Entry {
    Entry {
        name: name.to_owned(),
        singular: String::new(),
        kind: kind.to_owned(),
        of: None,
        is_namespaced,
        verbs: owned(&["get", "list"]),
        short_names: Vec::new(),
        categories: Vec::new(),
        hash: None,
        subresources: Vec::new(),
    }
}
