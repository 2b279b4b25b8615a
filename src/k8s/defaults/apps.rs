//! Controllers of pods.

use serde_json::{Value, json};

use super::{Fields, fill, fill_text, inner, is_absent, items, text};
use crate::k8s::schema::Schema;

pub(super) fn of(package: &str, name: &str) -> Option<fn(&Schema, &mut Fields)> {
    if package != "apps.v1" {
        return None;
    }
    Some(match name {
        "Deployment" => deployment,
        "DaemonSet" => daemon_set,
        "StatefulSet" => stateful_set,
        "ReplicaSet" => |_, fields| fill(inner(fields, "spec"), "replicas", 1),
        _ => return None,
    })
}

fn deployment(_: &Schema, fields: &mut Fields) {
    let spec = inner(fields, "spec");
    fill(spec, "replicas", 1);
    let strategy = inner(spec, "strategy");
    fill_text(strategy, "type", "RollingUpdate");
    if text(strategy, "type") == "RollingUpdate" {
        let update = inner(strategy, "rollingUpdate");
        fill(update, "maxUnavailable", "25%");
        fill(update, "maxSurge", "25%");
    }
    fill(spec, "revisionHistoryLimit", 10);
    fill(spec, "progressDeadlineSeconds", 600);
}

fn daemon_set(_: &Schema, fields: &mut Fields) {
    let spec = inner(fields, "spec");
    let strategy = inner(spec, "updateStrategy");
    fill_text(strategy, "type", "RollingUpdate");
    if text(strategy, "type") == "RollingUpdate" {
        let update = inner(strategy, "rollingUpdate");
        fill(update, "maxUnavailable", 1);
        fill(update, "maxSurge", 0);
    }
    fill(spec, "revisionHistoryLimit", 10);
}

fn stateful_set(_: &Schema, fields: &mut Fields) {
    let spec = inner(fields, "spec");
    fill_text(spec, "podManagementPolicy", "OrderedReady");
    let strategy = inner(spec, "updateStrategy");
    if text(strategy, "type").is_empty() {
        strategy.insert("type".to_owned(), "RollingUpdate".into());
        fill(strategy, "rollingUpdate", json!({}));
    }
    if text(strategy, "type") == "RollingUpdate" && !is_absent(strategy, "rollingUpdate") {
        fill(inner(strategy, "rollingUpdate"), "partition", 0);
    }
    let retention = inner(spec, "persistentVolumeClaimRetentionPolicy");
    fill_text(retention, "whenDeleted", "Retain");
    fill_text(retention, "whenScaled", "Retain");
    fill(spec, "replicas", 1);
    fill(spec, "revisionHistoryLimit", 10);
    // Server-side apply wants to know what they are.
    for claim in items(spec, "volumeClaimTemplates") {
        claim.insert("kind".to_owned(), Value::from("PersistentVolumeClaim"));
        claim.insert("apiVersion".to_owned(), Value::from("v1"));
    }
}
