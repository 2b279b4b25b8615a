//! The types and paths of the API as documents that clients read before they write: OpenAPI v3, one document a group version,
//! and v2, all in one.
//!
//! Upstream: `k8s.io/kube-openapi/pkg/{builder3,handler3,builder}`, `k8s.io/apiserver/pkg/endpoints/installer.go`, and
//! `k8s.io/apiextensions-apiserver/pkg/controller/openapi`.
//!
//! Simplified: descriptions are our own, and few; no value is enumerated.

mod answers;
mod custom;
mod descriptions;
mod paths;
mod schemas;
#[cfg(test)]
mod tests;
mod v2;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

use super::handlers::VERSION;
use crate::k8s::json;
use crate::k8s::registry::{self, Resource};
use crate::k8s::schema::Schema;

pub use answers::CustomDocument;
pub(super) use answers::answer;
pub use custom::{CustomKind, custom_document};
pub use v2::document as v2_document;

/// `GET /openapi/v3`: where each group version's document is, and by which hash clients may keep it. `custom` are the group
/// versions of definitions, as `apis/example.com/v1`, with the hashes of their documents.
pub fn index(custom: &[(String, String)]) -> Value {
    let mut all: BTreeMap<&str, &str> = BTreeMap::new();
    all.extend(hashes().iter().map(|(path, hash)| (&path[..], &hash[..])));
    all.extend(custom.iter().map(|(path, hash)| (&path[..], &hash[..])));
    let paths: Map<String, Value> = all
        .into_iter()
        .map(|(path, hash)| (path.to_owned(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}")})))
        .collect();
    json!({"paths": paths})
}

/// `GET /openapi/v3/api/v1`, `GET /openapi/v3/apis/apps/v1`: a built-in group version; nothing if there is none.
pub fn document(group: &str, version: &str) -> Option<Value> {
    let own: Vec<&Resource> =
        registry::resources().iter().filter(|own| (own.group, own.version) == (group, version)).collect();
    if own.is_empty() {
        return None;
    }
    let entities: Vec<paths::Entity> = own.iter().map(|resource| paths::Entity::of_resource(resource)).collect();
    let paths = paths::of_version(group, version, &entities);
    Some(assemble(paths, Map::new()))
}

/// The hash of a document.
pub fn hash(document: &Value) -> String {
    Sha512::digest(json::to_string(document)).iter().map(|byte| format!("{byte:02X}")).collect()
}

/// The hash of a built-in document.
pub fn hash_of(group: &str, version: &str) -> Option<&'static str> {
    let path = path_of(group, version);
    hashes().iter().find(|(own, _)| *own == path).map(|(_, hash)| &hash[..])
}

/// The path of a group version: `api/v1`, `apis/apps/v1`.
pub fn path_of(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// Of the built-in documents, which never change.
fn hashes() -> &'static [(String, String)] {
    static HASHES: OnceLock<Vec<(String, String)>> = OnceLock::new();
    HASHES.get_or_init(|| {
        let versions: BTreeSet<(&str, &str)> =
            registry::resources().iter().map(|resource| (resource.group, resource.version)).collect();
        let hashed = |(group, version): (&str, &str)| {
            let document = document(group, version).expect("the registry names the version");
            (path_of(group, version), hash(&document))
        };
        versions.into_iter().map(hashed).collect()
    })
}

/// Paths, and the types that they need; `known` are types that are not built in.
fn assemble(paths: Map<String, Value>, known: Map<String, Value>) -> Value {
    let paths = Value::Object(paths);
    let mut needed = BTreeSet::new();
    collect_references(&paths, &mut needed);
    known.values().for_each(|schema| collect_references(schema, &mut needed));
    let mut schemas: BTreeMap<String, Value> = known.into_iter().collect();
    let mut open: Vec<String> = needed.into_iter().collect();
    while let Some(name) = open.pop() {
        if schemas.contains_key(&name) {
            continue;
        }
        let Some(schema) = schemas::of_name(Schema::kubernetes(), &name) else { continue };
        let mut further = BTreeSet::new();
        collect_references(&schema, &mut further);
        open.extend(further);
        schemas.insert(name, schema);
    }
    let token = json!({"type": "apiKey", "description": "Bearer Token authentication", "name": "authorization", "in": "header"});
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION},
        "paths": paths,
        "components": {
            "schemas": schemas.into_iter().collect::<Map<_, _>>(),
            "securitySchemes": {"BearerToken": token},
        },
    })
}

const REFERENCE: &str = "#/components/schemas/";

fn reference(name: &str) -> Value {
    json!({"$ref": format!("{REFERENCE}{name}")})
}

/// Documents are as deep as our types are, and definitions are bounded where they are taken in.
fn collect_references(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(name) = map.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix(REFERENCE)) {
                names.insert(name.to_owned());
            }
            map.values().for_each(|inner| collect_references(inner, names));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect_references(inner, names)),
        _ => {}
    }
}
