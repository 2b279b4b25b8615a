//! Custom resources: whether their status has a path of its own decides what a write may change.
//!
//! Upstream: `k8s.io/apiextensions-apiserver/pkg/registry/customresource`. `has_status` is whether the version has the
//! subresource.

use serde_json::Value;

use super::{keep, keep_system_metadata, remove, reset_metadata};

pub fn prepare_for_create(object: &mut Value, has_status: bool) {
    let Some(metadata) = object.get_mut("metadata").filter(|metadata| metadata.is_object()) else { return };
    remove(metadata, "deletionTimestamp");
    remove(metadata, "deletionGracePeriodSeconds");
    metadata["generation"] = 1.into();
    if has_status {
        remove(object, "status");
    }
}

pub fn prepare_for_update(subresource: &str, object: &mut Value, old: &Value, has_status: bool) {
    if !object.get("metadata").is_some_and(Value::is_object) {
        return;
    }
    keep_system_metadata(object, old);
    if subresource == "status" {
        prepare_status(object, old);
        return;
    }
    if has_status {
        keep(object, old, "/status");
    }
    if !same_but_metadata(object, old) {
        let before = old["metadata"]["generation"].as_i64().unwrap_or_default();
        object["metadata"]["generation"] = before.saturating_add(1).into();
    }
}

/// All but the status is as it was.
fn prepare_status(object: &mut Value, old: &Value) {
    let Some(fields) = object.as_object_mut() else { return };
    let names: Vec<String> =
        fields.keys().chain(old.as_object().into_iter().flat_map(|old| old.keys())).cloned().collect();
    for name in names.iter().filter(|name| !matches!(&name[..], "metadata" | "status" | "apiVersion" | "kind")) {
        match old.get(name) {
            Some(value) => drop(fields.insert(name.clone(), value.clone())),
            None => drop(fields.shift_remove(name)),
        }
    }
    reset_metadata(object, old);
}

fn same_but_metadata(object: &Value, old: &Value) -> bool {
    let fields = |of: &Value| {
        let mut fields = of.as_object().cloned().unwrap_or_default();
        fields.shift_remove("metadata");
        fields
    };
    fields(object) == fields(old)
}

/// Fields that a write through this path cannot change.
pub fn reset_fields(subresource: &str, has_status: bool) -> Vec<Vec<&'static str>> {
    match (subresource, has_status) {
        ("status", _) => {
            let names = ["deletionGracePeriodSeconds", "deletionTimestamp", "generation", "selfLink", "labels"];
            let more = ["annotations", "finalizers", "ownerReferences"];
            let metadata = names.into_iter().chain(more).map(|name| vec!["metadata", name]);
            metadata.chain([vec!["spec"]]).collect()
        }
        ("", true) => vec![vec!["status"]],
        _ => Vec::new(),
    }
}
