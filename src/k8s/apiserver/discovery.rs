//! What the server serves, as clients ask for it: group by group, or all in one document.
//!
//! Upstream: `k8s.io/apiserver/pkg/endpoints/discovery` (and its `aggregated`), `k8s.io/kube-aggregator/pkg/apiserver`, and
//! the discovery controller of `k8s.io/apiextensions-apiserver`.

mod catalog;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

use catalog::{Entry, Group, Version};

pub use catalog::{Custom, compare_versions, storage_version_hash};

/// What is served besides the built-in resources.
#[derive(Clone, Copy, Debug, Default)]
pub struct Served<'a> {
    /// Every version that a definition serves, in any order.
    pub custom: &'a [Custom],
    /// A metrics server is there.
    pub has_metrics: bool,
}

/// `GET /api`
pub fn api_versions(server_address: &str) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
    })
}

/// `GET /apis`
pub fn group_list(served: Served) -> Value {
    let groups: Vec<Value> = named(served).map(|group| group_body(&group).into()).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `GET /apis/<group>`; nothing if there is no such group.
pub fn group(served: Served, name: &str) -> Option<Value> {
    let group = named(served).find(|group| group.name == name)?;
    let mut body = Map::new();
    body.insert("kind".to_owned(), "APIGroup".into());
    body.insert("apiVersion".to_owned(), "v1".into());
    body.extend(group_body(&group));
    Some(body.into())
}

/// `GET /api/v1`, `GET /apis/<group>/<version>`; nothing if there is no such version.
pub fn resource_list(served: Served, group: &str, version: &str) -> Option<Value> {
    let found = catalog::groups(served).into_iter().find(|known| known.name == group)?;
    let version = found.versions.into_iter().find(|known| known.name == version)?;
    let mut resources = Vec::new();
    for entry in &version.resources {
        resources.push(resource_body(entry));
        resources.extend(entry.subresources.iter().map(|sub| subresource_body(entry, sub)));
    }
    let mut body = Map::new();
    body.insert("kind".to_owned(), "APIResourceList".into());
    // The oldest group is written as the oldest clients expect it.
    if !group.is_empty() {
        body.insert("apiVersion".to_owned(), "v1".into());
    }
    body.insert("groupVersion".to_owned(), api_version(group, &version.name).into());
    body.insert("resources".to_owned(), resources.into());
    Some(body.into())
}

/// `GET /api` (the core group) or `GET /apis` (all others) with
/// `Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList`; `version` is `v2` or `v2beta1`. To be
/// answered with `Vary: Accept`, `Cache-Control: public` and the ETag.
pub fn aggregated(served: Served, is_core: bool, version: &str) -> Value {
    let groups = catalog::groups(served).into_iter().filter(|group| group.name.is_empty() == is_core);
    let items: Vec<Value> = groups
        .map(|group| {
            let metadata = if is_core { json!({}) } else { json!({"name": group.name}) };
            json!({"metadata": metadata, "versions": group.versions.iter().map(version_body).collect::<Vec<_>>()})
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{version}"), "metadata": {},
        "items": items,
    })
}

/// The ETag of such a document, in its quotes.
pub fn etag(document: &Value) -> String {
    let mut counted = document.clone();
    if let Some(fields) = counted.as_object_mut() {
        ["kind", "apiVersion"].iter().for_each(|name| drop(fields.shift_remove(*name)));
    }
    let digest = Sha512::digest(crate::k8s::json::to_string(&counted));
    let hex: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("\"{hex}\"")
}

/// The paths of groups and versions, as `GET /` lists them among others.
pub fn paths(served: Served) -> Vec<String> {
    let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned(), "/apis/".to_owned()];
    for group in named(served) {
        paths.extend(group.versions.iter().map(|version| format!("/apis/{}/{}", group.name, version.name)));
        paths.push(format!("/apis/{}", group.name));
    }
    paths.sort();
    paths
}

/// The groups below `/apis`.
fn named(served: Served<'_>) -> impl Iterator<Item = Group> {
    catalog::groups(served).into_iter().filter(|group| !group.name.is_empty())
}

fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

fn group_body(group: &Group) -> Map<String, Value> {
    let version =
        |version: &Version| json!({"groupVersion": api_version(&group.name, &version.name), "version": version.name});
    let versions: Vec<Value> = group.versions.iter().map(version).collect();
    let preferred = versions.first().cloned().unwrap_or_default();
    let mut body = Map::new();
    body.insert("name".to_owned(), group.name.clone().into());
    body.insert("versions".to_owned(), versions.into());
    body.insert("preferredVersion".to_owned(), preferred);
    body
}

fn resource_body(entry: &Entry) -> Value {
    let mut body = Map::new();
    body.insert("name".to_owned(), entry.name.clone().into());
    body.insert("singularName".to_owned(), entry.singular.clone().into());
    body.insert("namespaced".to_owned(), entry.is_namespaced.into());
    body.insert("kind".to_owned(), entry.kind.clone().into());
    body.insert("verbs".to_owned(), entry.verbs.clone().into());
    put_list(&mut body, "shortNames", &entry.short_names);
    put_list(&mut body, "categories", &entry.categories);
    if let Some(hash) = &entry.hash {
        body.insert("storageVersionHash".to_owned(), hash.clone().into());
    }
    body.into()
}

fn subresource_body(entry: &Entry, sub: &catalog::Sub) -> Value {
    let mut body = Map::new();
    body.insert("name".to_owned(), format!("{}/{}", entry.name, sub.name).into());
    body.insert("singularName".to_owned(), "".into());
    body.insert("namespaced".to_owned(), entry.is_namespaced.into());
    if let Some((group, version)) = &sub.of {
        put_text(&mut body, "group", group);
        put_text(&mut body, "version", version);
    }
    body.insert("kind".to_owned(), sub.kind.clone().into());
    body.insert("verbs".to_owned(), sub.verbs.clone().into());
    body.into()
}

fn version_body(version: &Version) -> Value {
    let resource = |entry: &Entry| {
        let mut body = Map::new();
        body.insert("resource".to_owned(), entry.name.clone().into());
        body.insert("responseKind".to_owned(), kind_body(&entry.of, &entry.kind));
        body.insert("scope".to_owned(), if entry.is_namespaced { "Namespaced" } else { "Cluster" }.into());
        body.insert("singularResource".to_owned(), entry.singular.clone().into());
        body.insert("verbs".to_owned(), entry.verbs.clone().into());
        put_list(&mut body, "shortNames", &entry.short_names);
        put_list(&mut body, "categories", &entry.categories);
        let subresources = entry.subresources.iter().map(|sub| {
            let of = sub.of.as_ref().or(entry.of.as_ref()).cloned();
            json!({"subresource": sub.name, "responseKind": kind_body(&of, &sub.kind), "verbs": sub.verbs})
        });
        let subresources: Vec<Value> = subresources.collect();
        if !subresources.is_empty() {
            body.insert("subresources".to_owned(), subresources.into());
        }
        Value::from(body)
    };
    let resources: Vec<Value> = version.resources.iter().map(resource).collect();
    json!({"version": version.name, "resources": resources, "freshness": "Current"})
}

/// Group and version are empty if they are those of the list.
fn kind_body(of: &Option<(String, String)>, kind: &str) -> Value {
    let (group, version) = of.clone().unwrap_or_default();
    json!({"group": group, "version": version, "kind": kind})
}

fn put_list(body: &mut Map<String, Value>, name: &str, list: &[String]) {
    if !list.is_empty() {
        body.insert(name.to_owned(), list.to_vec().into());
    }
}

fn put_text(body: &mut Map<String, Value>, name: &str, text: &str) {
    if !text.is_empty() {
        body.insert(name.to_owned(), text.into());
    }
}
