//! Our types as OpenAPI knows them.
//!
//! Upstream makes these from Go types and their markers (`k8s.io/kube-openapi/pkg/generators`): fields that are printed even if
//! empty have the zero value as default, structs the empty object.

use serde_json::{Map, Value, json};

use super::{descriptions, reference};
use crate::k8s::schema::{Field, ListType, Message, MessageId, Schema, Shape, Type};

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const RAW_EXTENSION: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";
const JSON: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON";

/// Packages that do not lie below `k8s.io/api`.
const ELSEWHERE: [(&str, &str); 4] = [
    ("meta.v1", META),
    ("apiextensions.v1", "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."),
    ("apiextensions.v1beta1", "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1beta1."),
    ("apiregistration.v1", "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1."),
];

/// The name of a message: `io.k8s.api.core.v1.Pod`.
pub(super) fn name_of(message: &Message) -> String {
    let prefix = ELSEWHERE.iter().find(|(package, _)| *package == message.package);
    let prefix = prefix.map_or_else(|| format!("io.k8s.api.{}.", message.package), |(_, prefix)| (*prefix).to_owned());
    prefix + message.name
}

/// The name of a type of `meta/v1`.
pub(super) fn meta(name: &str) -> String {
    format!("{META}{name}")
}

/// The type that has a name; nothing if it is not ours.
pub(super) fn of_name(schema: &Schema, name: &str) -> Option<Value> {
    let plain = |value: Value| Some(value);
    match name {
        QUANTITY => return plain(json!({"oneOf": [{"type": "string"}, {"type": "number"}]})),
        INT_OR_STRING => {
            return plain(json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}));
        }
        RAW_EXTENSION => return plain(json!({"type": "object"})),
        JSON => return plain(json!({})),
        _ => {}
    }
    if let Some(own) = name.strip_prefix(META) {
        match own {
            "Time" | "MicroTime" => return plain(json!({"type": "string", "format": "date-time"})),
            "FieldsV1" | "Patch" => return plain(json!({"type": "object"})),
            _ => {}
        }
    }
    let elsewhere = ELSEWHERE.iter().find_map(|(package, prefix)| Some((*package, name.strip_prefix(prefix)?)));
    let (package, own) = elsewhere.or_else(|| name.strip_prefix("io.k8s.api.")?.rsplit_once('.'))?;
    Some(of_message(schema, schema.find(package, own)?))
}

fn of_message(schema: &Schema, id: MessageId) -> Value {
    let message = schema.message(id);
    if message.shape == Shape::Either {
        // One of several, for which Go's generator has no words.
        return json!({});
    }
    let (mut properties, mut required) = (Map::new(), Vec::new());
    add_fields(schema, message, &mut properties, &mut required);
    properties.sort_keys();
    let mut object = Map::new();
    if let Some(text) = descriptions::of_type(message.package, message.name) {
        object.insert("description".to_owned(), text.into());
    }
    object.insert("type".to_owned(), "object".into());
    if !required.is_empty() {
        object.insert("required".to_owned(), required.into());
    }
    if !properties.is_empty() {
        object.insert("properties".to_owned(), properties.into());
    }
    if message.is_object || message.name == "WatchEvent" {
        object.insert("x-kubernetes-group-version-kind".to_owned(), kinds(schema, message).into());
    }
    if message.is_atomic {
        object.insert("x-kubernetes-map-type".to_owned(), "atomic".into());
    }
    object.into()
}

/// Most kinds belong to one group version; options and events of watches to all.
fn kinds(schema: &Schema, message: &Message) -> Vec<Value> {
    let kind = |group: &str, version: &str| json!({"group": group, "version": version, "kind": message.name});
    let split = |version: &'static str| version.split_once('/').unwrap_or(("", version));
    let versions = schema.group_versions().filter(|version| *version != "meta.k8s.io/v1");
    if matches!((message.package, message.name), ("meta.v1", "DeleteOptions" | "WatchEvent")) {
        return versions.map(split).map(|(group, version)| kind(group, version)).collect();
    }
    if message.package == "meta.v1" {
        return vec![kind("", "v1")];
    }
    let own = versions.filter(|version| schema.package(version) == Some(message.package)).map(split);
    own.map(|(group, version)| kind(group, version)).collect()
}

/// The fields, and those of embedded structs.
fn add_fields(schema: &Schema, message: &Message, properties: &mut Map<String, Value>, required: &mut Vec<Value>) {
    for field in &message.fields {
        match &field.ty {
            Type::Message(inner) if field.is_embedded => {
                add_fields(schema, schema.message(*inner), properties, required);
            }
            _ => {
                properties.insert(field.name.to_owned(), property(schema, message, field));
                if field.is_required {
                    required.push(field.name.into());
                }
            }
        }
    }
}

fn property(schema: &Schema, message: &Message, field: &Field) -> Value {
    let mut body = Map::new();
    if let Some(text) = description(schema, message, field) {
        body.insert("description".to_owned(), text.into());
    }
    let is_value = field.is_always_printed && !field.is_pointer;
    match of_type(schema, field, &field.ty) {
        Value::Object(inner) if inner.contains_key("$ref") => {
            let is_struct = matches!(field.ty, Type::Message(id) if schema.message(id).shape == Shape::Struct);
            let default = field.default.clone().or((is_struct && !field.is_pointer).then(|| json!({})));
            body.extend(default.map(|default| ("default".to_owned(), default)));
            body.insert("allOf".to_owned(), vec![Value::Object(inner)].into());
        }
        Value::Object(inner) => {
            body.extend(inner);
            let default = field.default.clone().or_else(|| zero(&field.ty).filter(|_| is_value));
            body.extend(default.map(|default| ("default".to_owned(), default)));
        }
        _ => {}
    }
    add_extensions(&mut body, field);
    body.into()
}

fn description(schema: &Schema, message: &Message, field: &Field) -> Option<String> {
    let own = descriptions::of_field(message.package, message.name, field.name).map(ToOwned::to_owned);
    own.or_else(|| {
        let inner = schema.message(field.ty.inner_message()?);
        descriptions::of_type(inner.package, inner.name)
    })
}

/// How server-side apply and strategic merge patches see a field.
fn add_extensions(body: &mut Map<String, Value>, field: &Field) {
    let mut put = |name: &str, value: Value| drop(body.insert(format!("x-kubernetes-{name}"), value));
    if let ListType::Map(keys) = &field.list {
        put("list-map-keys", keys.clone().into());
    }
    match (&field.ty, &field.list) {
        (Type::Map(_) | Type::Message(_), _) if field.is_atomic => put("map-type", "atomic".into()),
        (_, ListType::Map(_)) => put("list-type", "map".into()),
        (_, ListType::Set) => put("list-type", "set".into()),
        (_, ListType::Atomic) if field.is_list_said || field.is_atomic => put("list-type", "atomic".into()),
        _ => {}
    }
    if let Some(key) = field.patch.merge_key.filter(|key| !key.is_empty()) {
        put("patch-merge-key", key.into());
    }
    let strategies = [
        (field.patch.merge_key.is_some(), "merge"),
        (field.patch.replaces, "replace"),
        (field.patch.retains_keys, "retainKeys"),
    ];
    let named: Vec<&str> = strategies.iter().filter(|(is_so, _)| *is_so).map(|(_, name)| *name).collect();
    if !named.is_empty() {
        put("patch-strategy", named.join(",").into());
    }
}

fn of_type(schema: &Schema, field: &Field, ty: &Type) -> Value {
    match ty {
        Type::String => json!({"type": "string"}),
        Type::Bytes => json!({"type": "string", "format": "byte"}),
        Type::Bool => json!({"type": "boolean"}),
        Type::Int32 => json!({"type": "integer", "format": "int32"}),
        Type::Int64 => json!({"type": "integer", "format": "int64"}),
        Type::Double => json!({"type": "number", "format": "double"}),
        Type::Time => reference(&meta("Time")),
        Type::MicroTime => reference(&meta("MicroTime")),
        Type::Quantity => reference(QUANTITY),
        Type::IntOrString => reference(INT_OR_STRING),
        Type::Raw => match field.go_type.as_deref() {
            Some("FieldsV1") => reference(&meta("FieldsV1")),
            Some("JSON") => reference(JSON),
            Some("any") => json!({"type": "object"}),
            _ => reference(RAW_EXTENSION),
        },
        Type::Message(id) => {
            let message = schema.message(*id);
            match message.shape {
                Shape::Wraps => of_type(schema, &message.fields[0], &message.fields[0].ty),
                Shape::Struct | Shape::Either => reference(&name_of(message)),
            }
        }
        Type::List(inner) => json!({"type": "array", "items": item(schema, field, inner)}),
        Type::Map(inner) => json!({"type": "object", "additionalProperties": item(schema, field, inner)}),
    }
}

/// An item of a list or a value of a map.
fn item(schema: &Schema, field: &Field, ty: &Type) -> Value {
    let mut body = of_type(schema, field, ty);
    if matches!(ty, Type::Message(id) if schema.message(*id).shape == Shape::Struct) {
        return json!({"default": {}, "allOf": [body]});
    }
    if let (Some(map), Some(zero)) = (body.as_object_mut(), zero(ty)) {
        map.insert("default".to_owned(), zero);
    }
    body
}

/// What Go has where nothing was said.
fn zero(ty: &Type) -> Option<Value> {
    match ty {
        Type::String => Some("".into()),
        Type::Bool => Some(false.into()),
        Type::Int32 | Type::Int64 | Type::Double => Some(0.into()),
        _ => None,
    }
}
