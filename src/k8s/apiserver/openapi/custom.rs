//! Documents of custom resources, from what their definitions say.
//!
//! Upstream: `k8s.io/apiextensions-apiserver/pkg/controller/openapi/builder`.

use serde_json::{Map, Value, json};

use super::paths::{Entity, Kind, Manner, Sub};
use super::{assemble, descriptions, paths, reference, schemas};

/// A custom resource in one of its versions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CustomKind {
    pub plural: String,
    pub kind: String,
    pub list_kind: String,
    pub is_namespaced: bool,
    /// `openAPIV3Schema`; null if the version has none.
    pub schema: Value,
    pub has_status: bool,
    pub has_scale: bool,
}

/// `GET /openapi/v3/apis/<group>/<version>`: all the kinds that definitions put into a group version.
pub fn custom_document(group: &str, version: &str, kinds: &[CustomKind]) -> Value {
    let (mut known, mut entities) = (Map::new(), Vec::new());
    for kind in kinds {
        let own = |name: &str| Kind {
            group: group.to_owned(),
            version: version.to_owned(),
            name: name.to_owned(),
            schema: name_of(group, version, name),
        };
        let (object, list) = (own(&kind.kind), own(&kind.list_kind));
        known.insert(object.schema.clone(), object_schema(&object, &kind.schema));
        known.insert(list.schema.clone(), list_schema(&list, &object));
        entities.push(entity(kind, object, list.schema));
    }
    assemble(paths::of_version(group, version, &entities), known)
}

fn entity(kind: &CustomKind, object: Kind, list: String) -> Entity {
    let owned = |verbs: &[&str]| verbs.iter().map(|verb| (*verb).to_owned()).collect::<Vec<_>>();
    let scale = Kind {
        group: "autoscaling".to_owned(),
        version: "v1".to_owned(),
        name: "Scale".to_owned(),
        schema: "io.k8s.api.autoscaling.v1.Scale".to_owned(),
    };
    let subresources = [(kind.has_status, "status", object.clone()), (kind.has_scale, "scale", scale)];
    let subresources = subresources.into_iter().filter(|(is_there, ..)| *is_there).map(|(_, name, kind)| Sub {
        name: name.to_owned(),
        kind,
        verbs: owned(&["get", "patch", "update"]),
        manner: Manner::Object,
    });
    Entity {
        plural: kind.plural.clone(),
        is_namespaced: kind.is_namespaced,
        // Watches have no path of their own.
        verbs: owned(&["create", "delete", "deletecollection", "get", "list", "patch", "update"]),
        kind: object,
        list,
        subresources: subresources.collect(),
        returns_deleted: false,
        is_custom: true,
    }
}

/// `com.example.v1.Ship`
fn name_of(group: &str, version: &str, kind: &str) -> String {
    let mut parts: Vec<&str> = group.split('.').collect();
    parts.reverse();
    format!("{}.{version}.{kind}", parts.join("."))
}

fn object_schema(kind: &Kind, schema: &Value) -> Value {
    let mut schema = match schema {
        Value::Object(_) => schema.clone(),
        _ => json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
    };
    add_embedded(&mut schema);
    if let Some(fields) = schema.as_object_mut() {
        add_metadata(fields);
        fields.insert("x-kubernetes-group-version-kind".to_owned(), kinds(kind));
    }
    schema
}

fn list_schema(list: &Kind, object: &Kind) -> Value {
    let describe = |field: &str| descriptions::of_field("", &list.name, field).unwrap_or_default();
    json!({
        "description": descriptions::of_type("", &list.name).unwrap_or_default(),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"description": describe("apiVersion"), "type": "string"},
            "items": {"description": describe("items"), "type": "array", "items": reference(&object.schema)},
            "kind": {"description": describe("kind"), "type": "string"},
            "metadata": {"description": describe("metadata"), "allOf": [reference(&schemas::meta("ListMeta"))]},
        },
        "x-kubernetes-group-version-kind": kinds(list),
    })
}

fn kinds(Kind { group, version, name, .. }: &Kind) -> Value {
    json!([{"group": group, "version": version, "kind": name}])
}

/// Every object has these, whatever its definition says of them.
fn add_metadata(schema: &mut Map<String, Value>) {
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    let Some(properties) = properties.as_object_mut() else { return };
    for name in ["apiVersion", "kind", "metadata"] {
        let text = descriptions::of_field("", "", name).unwrap_or_default();
        let body = match name {
            "metadata" => json!({"description": text, "allOf": [reference(&schemas::meta("ObjectMeta"))]}),
            _ => json!({"description": text, "type": "string"}),
        };
        properties.insert(name.to_owned(), body);
    }
}

/// Objects within objects are whole ones. Schemas are as deep as requests may be.
fn add_embedded(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("x-kubernetes-embedded-resource") == Some(&Value::Bool(true)) {
                add_metadata(fields);
            }
            fields.values_mut().for_each(add_embedded);
        }
        Value::Array(items) => items.iter_mut().for_each(add_embedded),
        _ => {}
    }
}
