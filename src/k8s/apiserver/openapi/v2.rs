//! All in one document of the older form, for clients that know no other.
//!
//! Upstream: `k8s.io/kube-openapi/pkg/builder`. Here it is made from the documents of the newer form.
//!
//! Simplified: in JSON only. The Protobuf form, which `kubectl` asks for first, is gnostic's; clients go on without it.

use serde_json::{Map, Value, json};

use super::VERSION;
use crate::k8s::registry;

/// `GET /openapi/v2`, with the documents of custom resources added.
pub fn document(custom: &[Value]) -> Value {
    let mut versions: Vec<(&str, &str)> = Vec::new();
    for resource in registry::resources() {
        if !versions.contains(&(resource.group, resource.version)) {
            versions.push((resource.group, resource.version));
        }
    }
    let (mut paths, mut definitions) = (Map::new(), Map::new());
    let built_in = versions.into_iter().filter_map(|(group, version)| super::document(group, version));
    for mut document in built_in.chain(custom.iter().cloned()) {
        if let Value::Object(own) = document["paths"].take() {
            paths.extend(own.into_iter().map(|(path, item)| (path, path_item(item))));
        }
        if let Value::Object(own) = document["components"]["schemas"].take() {
            definitions.extend(own.into_iter().map(|(name, own)| (name, definition(own))));
        }
    }
    paths.sort_keys();
    definitions.sort_keys();
    let token = json!({"description": "Bearer Token authentication", "type": "apiKey", "name": "authorization", "in": "header"});
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": VERSION},
        "paths": paths,
        "definitions": definitions,
        "securityDefinitions": {"BearerToken": token},
        "security": [{"BearerToken": []}],
    })
}

fn path_item(item: Value) -> Value {
    let Value::Object(item) = item else { return item };
    let operations = item.into_iter().map(|(method, body)| {
        let body = if method == "parameters" { parameters(body) } else { operation(body) };
        (method, body)
    });
    Value::Object(operations.collect())
}

/// What is sent is a parameter there, and media types stand beside it.
fn operation(mut body: Value) -> Value {
    let sent = body["requestBody"].take();
    let mut taken = parameters(body["parameters"].take());
    let (mut consumes, mut produces) = (Vec::new(), Vec::new());
    if let Some(content) = sent["content"].as_object() {
        consumes.extend(content.keys().cloned());
        let schema = content.values().next().map(|one| definition(one["schema"].clone())).unwrap_or_default();
        let mut parameter = json!({"name": "body", "in": "body", "schema": schema});
        if sent["required"] == true {
            parameter["required"] = true.into();
        }
        match &mut taken {
            Value::Array(list) => list.insert(0, parameter),
            none => *none = json!([parameter]),
        }
    }
    let responses = body["responses"].as_object_mut();
    for (_, response) in responses.into_iter().flatten() {
        let Some(Value::Object(content)) = response.get_mut("content").map(Value::take) else { continue };
        produces.extend(content.keys().filter(|media| !produces.contains(*media)).cloned().collect::<Vec<_>>());
        response["schema"] = content.values().next().map(|one| definition(one["schema"].clone())).unwrap_or_default();
        response.as_object_mut().and_then(|response| response.shift_remove("content"));
    }
    let mut whole = Map::new();
    let fields = body.as_object_mut().map(std::mem::take).unwrap_or_default();
    for (name, value) in fields.into_iter().filter(|(name, _)| !matches!(&name[..], "requestBody" | "parameters")) {
        if name == "responses" {
            let lists = [("consumes", consumes.clone()), ("produces", produces.clone())];
            whole.extend(
                lists
                    .into_iter()
                    .filter(|(_, list)| !list.is_empty())
                    .map(|(name, list)| (name.to_owned(), list.into())),
            );
            whole.insert("schemes".to_owned(), json!(["https"]));
            if !taken.is_null() {
                whole.insert("parameters".to_owned(), taken.take());
            }
        }
        whole.insert(name, value);
    }
    whole.into()
}

/// The type of a parameter stands in the parameter.
fn parameters(list: Value) -> Value {
    let Value::Array(list) = list else { return Value::Null };
    let flat = list.into_iter().map(|mut parameter| {
        if let (Value::Object(schema), Some(fields)) = (parameter["schema"].take(), parameter.as_object_mut()) {
            fields.shift_remove("schema");
            fields.extend(schema);
        }
        parameter
    });
    flat.collect::<Vec<_>>().into()
}

/// References stand alone, defaults are unknown, and of several types none is named.
fn definition(schema: Value) -> Value {
    match schema {
        Value::Object(mut fields) => {
            if let Some(Value::Array(all)) = fields.shift_remove("allOf") {
                fields.extend(
                    all.into_iter()
                        .filter_map(|one| match one {
                            Value::Object(one) => Some(one),
                            _ => None,
                        })
                        .flatten(),
                );
            }
            if let Some(one) = fields.shift_remove("oneOf") {
                // An amount or a port is written as text there.
                let is_text = one.as_array().is_some_and(|one| !one.is_empty());
                if is_text {
                    fields.insert("type".to_owned(), "string".into());
                }
            }
            fields.shift_remove("default");
            let convert = |(name, value): (String, Value)| {
                let value = match (&name[..], value) {
                    ("$ref", Value::String(text)) => text.replace(super::REFERENCE, "#/definitions/").into(),
                    ("properties", Value::Object(own)) => {
                        Value::Object(own.into_iter().map(|(name, own)| (name, definition(own))).collect())
                    }
                    ("items" | "additionalProperties", own) => definition(own),
                    (_, own) => own,
                };
                (name, value)
            };
            Value::Object(fields.into_iter().map(convert).collect())
        }
        other => other,
    }
}
