//! Jobs.

use serde_json::Value;

use super::{Fields, fill, fill_text, inner, is_absent};
use crate::k8s::schema::Schema;

pub(super) fn of(package: &str, name: &str) -> Option<fn(&Schema, &mut Fields)> {
    if package != "batch.v1" {
        return None;
    }
    Some(match name {
        "Job" => job,
        "CronJob" => cron_job,
        "PodFailurePolicyOnPodConditionsPattern" => |_, fields| fill_text(fields, "status", "True"),
        _ => return None,
    })
}

fn job(_: &Schema, fields: &mut Fields) {
    let spec = inner(fields, "spec");
    if is_absent(spec, "completions") && is_absent(spec, "parallelism") {
        fill(spec, "completions", 1);
    }
    fill(spec, "parallelism", 1);
    let backoff = if is_absent(spec, "backoffLimitPerIndex") { 6 } else { i32::MAX };
    fill(spec, "backoffLimit", backoff);
    fill(spec, "completionMode", "NonIndexed");
    fill(spec, "suspend", false);
    let replacement = if is_absent(spec, "podFailurePolicy") { "TerminatingOrFailed" } else { "Failed" };
    fill(spec, "podReplacementPolicy", replacement);
    let labels = fields.get("spec").and_then(|spec| spec.pointer("/template/metadata/labels"));
    if let Some(labels) = labels.filter(|labels| labels.is_object()).cloned() {
        let metadata = inner(fields, "metadata");
        let has_labels = metadata.get("labels").and_then(Value::as_object).is_some_and(|labels| !labels.is_empty());
        if !has_labels {
            metadata.insert("labels".to_owned(), labels);
        }
    }
}

fn cron_job(_: &Schema, fields: &mut Fields) {
    let spec = inner(fields, "spec");
    fill_text(spec, "concurrencyPolicy", "Allow");
    fill(spec, "suspend", false);
    fill(spec, "successfulJobsHistoryLimit", 3);
    fill(spec, "failedJobsHistoryLimit", 1);
}
