//! Lists that are sets, or maps by keys: no item may stand twice.
//!
//! Upstream: `apiextensions-apiserver/pkg/apiserver/schema/listtype`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::additional;
use crate::k8s::meta::status::{FieldError, FieldErrorKind};

pub fn check(object: &Value, structural: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    walk(&mut errors, object, structural, "");
    errors
}

fn walk(errors: &mut Vec<FieldError>, value: &Value, node: &Value, path: &str) {
    match value {
        Value::Object(fields) => {
            let rest = additional(node).filter(|inner| inner.is_object());
            for (name, value) in fields {
                if let Some(inner) = rest {
                    walk(errors, value, inner, &format!("{path}[{name}]"));
                }
                if let Some(inner) = node["properties"].get(name) {
                    let dot = if path.is_empty() { "" } else { "." };
                    walk(errors, value, inner, &format!("{path}{dot}{name}"));
                }
            }
        }
        Value::Array(items) => {
            match node["x-kubernetes-list-type"].as_str() {
                Some("set") => duplicates(errors, items, path),
                Some("map") => check_map(errors, items, node, path),
                _ => {}
            }
            if let Some(inner) = node.get("items") {
                for (place, item) in items.iter().enumerate() {
                    walk(errors, item, inner, &format!("{path}[{place}]"));
                }
            }
        }
        _ => {}
    }
}

fn check_map(errors: &mut Vec<FieldError>, items: &[Value], node: &Value, path: &str) {
    let wrong = items.iter().position(|item| !item.is_object() && !item.is_null());
    if let Some(place) = wrong {
        let detail = "must be an object for an array of list-type map";
        errors.push(FieldError::invalid(format!("{path}[{place}]"), items[place].clone(), detail));
        return;
    }
    let names: Vec<&str> =
        node["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let key = |item: &Value| {
        let known = names.iter().filter_map(|name| Some(((*name).to_owned(), item.get(name)?.clone())));
        let mut known: Map<String, Value> = known.collect();
        known.sort_keys();
        Value::Object(known)
    };
    let keys: Vec<Value> = items.iter().map(key).collect();
    duplicates(errors, &keys, path);
}

/// The second of equal values is reported, and no further one.
fn duplicates(errors: &mut Vec<FieldError>, values: &[Value], path: &str) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (place, value) in values.iter().enumerate() {
        let mut sorted = value.clone();
        sorted.sort_all_objects();
        let times = seen.entry(sorted.to_string()).or_default();
        *times += 1;
        if *times == 2 {
            let kind = FieldErrorKind::Duplicate(value.clone());
            errors.push(FieldError::new(format!("{path}[{place}]"), kind, ""));
        }
    }
}
