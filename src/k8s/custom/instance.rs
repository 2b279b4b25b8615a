//! Custom resources brought into the form of their schema: unknown fields dropped, nulls that may not be there too, defaults
//! filled in.
//!
//! Upstream: `apiextensions-apiserver/pkg/apiserver/schema/{pruning,defaulting,objectmeta}`.

use serde_json::{Map, Value};

use super::{additional, is_set};
use crate::k8s::schema::Schema;
use crate::k8s::typed;

/// What an object has beside what its schema says.
const META: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Drops the fields that a schema does not know and returns their paths, sorted: `spec.replicaz`.
pub fn prune(object: &mut Value, structural: &Value) -> Vec<String> {
    let mut pruner = Pruner { unknown: Vec::new(), path: Vec::new() };
    pruner.value(object, Some(structural), true, false);
    pruner.unknown.sort();
    pruner.unknown
}

struct Pruner {
    unknown: Vec<String>,
    path: Vec<String>,
}

impl Pruner {
    /// `keeps`: it is an item of a list of anything.
    fn value(&mut self, value: &mut Value, structural: Option<&Value>, is_object: bool, keeps: bool) {
        let is_object = is_object || structural.is_some_and(|node| is_set(node, "x-kubernetes-embedded-resource"));
        let keeps = keeps || structural.is_some_and(|node| is_set(node, "x-kubernetes-preserve-unknown-fields"));
        match value {
            Value::Object(fields) => self.fields(fields, structural, is_object, keeps),
            Value::Array(items) => {
                let inner = structural.and_then(|node| node.get("items"));
                for (place, item) in items.iter_mut().enumerate() {
                    self.path.push(format!("[{place}]"));
                    if !keeps || inner.is_some() {
                        self.value(item, inner, false, keeps);
                    }
                    self.path.pop();
                }
            }
            _ => {}
        }
    }

    fn fields(&mut self, fields: &mut Map<String, Value>, structural: Option<&Value>, is_object: bool, keeps: bool) {
        let mut unknown = Vec::new();
        for (name, value) in fields.iter_mut() {
            if is_object && META.contains(&&name[..]) {
                continue;
            }
            let own = structural.and_then(|node| node["properties"].get(name));
            let rest = structural.and_then(additional);
            match (own, rest) {
                (Some(inner), _) => self.inside(name, value, Some(inner)),
                (None, Some(inner)) => self.inside(name, value, inner.is_object().then_some(inner)),
                (None, None) if keeps => {}
                (None, None) => unknown.push(name.clone()),
            }
        }
        for name in unknown {
            fields.shift_remove(&name);
            self.unknown.push(join(&self.path, &name));
        }
    }

    fn inside(&mut self, name: &str, value: &mut Value, structural: Option<&Value>) {
        self.path.push(format!(".{name}"));
        self.value(value, structural, false, false);
        self.path.pop();
    }
}

fn join(path: &[String], name: &str) -> String {
    let path = path.concat();
    match path.strip_prefix('.') {
        Some(path) => format!("{path}.{name}"),
        None => name.to_owned(),
    }
}

/// Drops nulls where none may be and no default takes their place, then fills in defaults.
pub fn fill(object: &mut Value, structural: &Value) {
    drop_nulls(object, Some(structural));
    default(object, structural);
}

fn is_wrong_null(value: &Value, structural: Option<&Value>) -> bool {
    value.is_null() && structural.is_some_and(|node| !is_set(node, "nullable"))
}

fn drop_nulls(value: &mut Value, structural: Option<&Value>) {
    match value {
        Value::Object(fields) => {
            let schema_of = |name: &str| {
                let node = structural?;
                node["properties"].get(name).or_else(|| additional(node).filter(|inner| inner.is_object()))
            };
            fields.retain(|name, value| {
                let inner = schema_of(name);
                !is_wrong_null(value, inner) || inner.is_some_and(|inner| !inner["default"].is_null())
            });
            fields.iter_mut().for_each(|(name, value)| drop_nulls(value, schema_of(name)));
        }
        Value::Array(items) => {
            let inner = structural.and_then(|node| node.get("items"));
            items.iter_mut().for_each(|item| drop_nulls(item, inner));
        }
        _ => {}
    }
}

fn default(value: &mut Value, structural: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in structural["properties"].as_object().into_iter().flatten() {
                let default = &inner["default"];
                let is_wanted = fields.get(name).is_none_or(|value| is_wrong_null(value, Some(inner)));
                if !default.is_null() && is_wanted {
                    fields.insert(name.clone(), default.clone());
                }
            }
            let rest = additional(structural).filter(|inner| inner.is_object());
            for (name, value) in fields {
                if let Some(inner) = structural["properties"].get(name) {
                    default_inside(value, inner, false);
                } else if let Some(inner) = rest {
                    default_inside(value, inner, true);
                }
            }
        }
        Value::Array(items) => {
            if let Some(inner) = structural.get("items") {
                items.iter_mut().for_each(|item| default_inside(item, inner, true));
            }
        }
        _ => {}
    }
}

fn default_inside(value: &mut Value, structural: &Value, replaces_null: bool) {
    if replaces_null && is_wrong_null(value, Some(structural)) {
        *value = structural["default"].clone();
    }
    default(value, structural);
}

/// Brings the metadata of an object into its form; what is wrong with it stands in Go's words.
pub fn settle_metadata(schema: &Schema, object: &mut Value) -> Result<Vec<String>, String> {
    let (Some(message), Some(metadata)) = (schema.find("meta.v1", "ObjectMeta"), object.get_mut("metadata")) else {
        return Ok(Vec::new());
    };
    let decoded = typed::decode(schema, message, std::mem::take(metadata))?;
    *metadata = decoded.value;
    Ok(decoded.unknown.into_iter().map(|path| format!("metadata.{path}")).collect())
}
