//! Volumes and claims.
//!
//! Upstream: `pkg/registry/core/persistentvolume`, `pkg/registry/core/persistentvolumeclaim`,
//! `pkg/api/persistentvolumeclaim`.

use serde_json::{Value, json};

use super::{moment, text};
use crate::k8s::meta::time::Time;
use crate::k8s::registry::Resource;

pub(super) fn prepare_volume(volume: &mut Value) {
    let since = volume["metadata"]["creationTimestamp"].clone();
    volume["status"] = json!({"phase": "Pending", "lastPhaseTransitionTime": since});
}

pub(super) fn prepare_claim(claim: &mut Value) {
    claim["status"] = json!({"phase": "Pending"});
    normalize_sources(&mut claim["spec"]);
}

/// The older field and the newer say the same, as long as the older can.
pub(super) fn normalize_sources(spec: &mut Value) {
    let has_namespace = !text(spec, "/dataSourceRef/namespace").is_empty();
    let is_there = |name: &str| spec.get(name).is_some_and(|source| !source.is_null());
    match (is_there("dataSource"), is_there("dataSourceRef")) {
        (true, false) => spec["dataSourceRef"] = spec["dataSource"].clone(),
        (false, true) if !has_namespace => spec["dataSource"] = spec["dataSourceRef"].clone(),
        _ => {}
    }
}

/// When the phase of a volume changed, unless who changed it says when.
pub fn stamp_phase(resource: &Resource, object: &mut Value, old: &Value, now: Time) {
    if (resource.group, resource.name) != ("", "persistentvolumes") {
        return;
    }
    let is_changed = |path: &str| object.pointer(path) != old.pointer(path);
    if is_changed("/status/phase") && !is_changed("/status/lastPhaseTransitionTime") {
        object["status"]["lastPhaseTransitionTime"] = moment(now);
    }
}
