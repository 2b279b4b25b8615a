//! Controllers of pods: what they select must be what they make.

use serde_json::{Value, json};

use super::{Errors, cron, entries, pods, text};
use crate::k8s::meta::labels::{Labels, Selector};
use crate::k8s::meta::status::FieldError;

pub(super) fn check(errors: &mut Errors, kind: &str, object: &Value) {
    let spec = &object["spec"];
    for name in ["replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] {
        errors.not_negative(&format!("spec.{name}"), &spec[name]);
    }
    match kind {
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => {
            check_selector(errors, kind, spec);
            check_template(errors, spec, "spec.template");
            let policy = text(&spec["template"]["spec"], "restartPolicy");
            if !policy.is_empty() && policy != "Always" {
                let field = "spec.template.spec.restartPolicy";
                errors.0.push(FieldError::not_supported(field, policy, &["Always"]));
            }
        }
        "Job" => check_job(errors, spec, "spec"),
        "CronJob" => {
            check_schedule(errors, object);
            check_job(errors, &spec["jobTemplate"]["spec"], "spec.jobTemplate.spec");
        }
        _ => {}
    }
    if kind == "Deployment" {
        check_strategy(errors, &spec["strategy"]);
        let (deadline, ready) =
            (spec["progressDeadlineSeconds"].as_i64(), spec["minReadySeconds"].as_i64().unwrap_or(0));
        if let Some(deadline) = deadline.filter(|deadline| *deadline <= ready) {
            errors.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds");
        }
    }
}

fn check_selector(errors: &mut Errors, kind: &str, spec: &Value) {
    let selector = &spec["selector"];
    if selector.is_null() {
        errors.required("spec.selector");
        return;
    }
    errors.label_selector("spec.selector", selector);
    if entries(selector).count() == 0 {
        let name = if kind == "ReplicaSet" { "replicaset".to_owned() } else { kind.to_lowercase() };
        let detail = format!("empty selector is invalid for {name}");
        errors.invalid("spec.selector", selector.clone(), &detail);
        return;
    }
    let labels = &spec["template"]["metadata"]["labels"];
    let own: Labels =
        entries(labels).map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
    let read = Selector::of_object(selector).ok().flatten();
    if read.is_some_and(|selector| !selector.matches(&own)) {
        let detail = "`selector` does not match template `labels`";
        errors.invalid("spec.template.metadata.labels", labels.clone(), detail);
    }
}

/// Bytes of a name that jobs' names begin with: eleven more follow.
const CRON_JOB_NAME_MAX: usize = 52;

fn check_schedule(errors: &mut Errors, object: &Value) {
    let (name, spec) = (text(&object["metadata"], "name"), &object["spec"]);
    if name.len() > CRON_JOB_NAME_MAX {
        errors.invalid("metadata.name", name, &format!("must be no more than {CRON_JOB_NAME_MAX} characters"));
    }
    let schedule = text(spec, "schedule");
    if schedule.is_empty() {
        errors.required("spec.schedule");
    } else if schedule.contains("TZ") {
        let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        errors.invalid("spec.schedule", schedule, detail);
    } else if let Err(error) = cron::check(schedule) {
        errors.invalid("spec.schedule", schedule, &error);
    }
    // Simplified: which zones there are is not known here.
    match spec["timeZone"].as_str() {
        Some("") => errors.invalid("spec.timeZone", "", "timeZone must be nil or non-empty string"),
        Some(zone) if zone.eq_ignore_ascii_case("local") => {
            let detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
            errors.invalid("spec.timeZone", zone, detail);
        }
        _ => {}
    }
    for name in ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        errors.not_negative(&format!("spec.{name}"), &spec[name]);
    }
    errors.one_of("spec.concurrencyPolicy", text(spec, "concurrencyPolicy"), &["Allow", "Forbid", "Replace"]);
}

fn check_template(errors: &mut Errors, spec: &Value, field: &str) {
    errors.labels(&format!("{field}.labels"), &spec["template"]["metadata"]["labels"]);
    pods::check_spec(errors, &spec["template"]["spec"], &format!("{field}.spec"));
}

fn check_strategy(errors: &mut Errors, strategy: &Value) {
    let update = &strategy["rollingUpdate"];
    match text(strategy, "type") {
        "Recreate" if !update.is_null() => {
            let detail = "may not be specified when strategy `type` is 'Recreate'";
            errors.forbidden("spec.strategy.rollingUpdate", detail);
        }
        "RollingUpdate" => {
            for name in ["maxUnavailable", "maxSurge"] {
                check_share(
                    errors,
                    &update[name],
                    &format!("spec.strategy.rollingUpdate.{name}"),
                    name == "maxUnavailable",
                );
            }
            let is_zero = |value: &Value| value == 0 || value == "0%";
            if is_zero(&update["maxUnavailable"]) && is_zero(&update["maxSurge"]) {
                let field = "spec.strategy.rollingUpdate.maxUnavailable";
                errors.invalid(field, update["maxUnavailable"].clone(), "may not be 0 when `maxSurge` is 0");
            }
        }
        kind => errors.one_of("spec.strategy.type", kind, &["Recreate", "RollingUpdate"]),
    }
}

/// A number or a percentage.
pub(super) fn check_share(errors: &mut Errors, value: &Value, field: &str, is_part: bool) {
    errors.not_negative(field, value);
    let Some(text) = value.as_str() else { return };
    let number =
        text.strip_suffix('%').filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
    match number {
        None => {
            let detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', \
                regex used for validation is '[0-9]+%')";
            errors.invalid(field, text, detail);
        }
        Some(number) if is_part && number.parse::<u64>().map_or(true, |number| number > 100) => {
            errors.invalid(field, text, "must not be greater than 100%");
        }
        Some(_) => {}
    }
}

fn check_job(errors: &mut Errors, spec: &Value, field: &str) {
    for name in ["parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"] {
        errors.not_negative(&format!("{field}.{name}"), &spec[name]);
    }
    check_template(errors, spec, &format!("{field}.template"));
    let policy = text(&spec["template"]["spec"], "restartPolicy");
    if !matches!(policy, "OnFailure" | "Never") {
        let detail = r#"valid values: "OnFailure", "Never""#;
        errors.0.push(FieldError::required(format!("{field}.template.spec.restartPolicy"), detail));
    }
}

pub(super) fn check_update(errors: &mut Errors, kind: &str, object: &Value, old: &Value) {
    let started = !old["status"]["startTime"].is_null();
    let (new, old) = (&object["spec"], &old["spec"]);
    match kind {
        "Deployment" | "ReplicaSet" | "DaemonSet" => {
            errors.immutable("spec.selector", &new["selector"], &old["selector"])
        }
        "Job" => check_job_update(errors, new, old, started),
        "StatefulSet" => {
            let fixed = |spec: &Value| {
                let mut spec = spec.clone();
                let may_change = [
                    "replicas",
                    "ordinals",
                    "template",
                    "updateStrategy",
                    "revisionHistoryLimit",
                    "persistentVolumeClaimRetentionPolicy",
                    "minReadySeconds",
                ];
                if let Some(spec) = spec.as_object_mut() {
                    may_change.iter().for_each(|name| drop(spec.remove(*name)));
                }
                spec
            };
            if fixed(new) != fixed(old) {
                let detail = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                    'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' \
                    are forbidden";
                errors.forbidden("spec", detail);
            }
        }
        _ => {}
    }
}

/// A job that waits and never ran may still be sent elsewhere; one with numbered pods may become larger or smaller.
fn check_job_update(errors: &mut Errors, new: &Value, old: &Value, started: bool) {
    let is_elastic = |spec: &Value| spec["completionMode"] == "Indexed" && spec["completions"] == spec["parallelism"];
    if !(is_elastic(new) && is_elastic(old)) {
        errors.immutable("spec.completions", &new["completions"], &old["completions"]);
    }
    errors.immutable("spec.selector", &new["selector"], &old["selector"]);
    let waits = old["suspend"] == true && !started;
    let fixed = |spec: &Value| {
        let mut template = spec["template"].clone();
        if let Some(Value::Object(pod)) = template.get_mut("spec").filter(|_| waits) {
            ["nodeSelector", "tolerations", "schedulingGates"].iter().for_each(|name| drop(pod.shift_remove(*name)));
            if let Some(Value::Object(affinity)) = pod.get_mut("affinity") {
                affinity.shift_remove("nodeAffinity");
            }
            if pod.get("affinity").is_some_and(|affinity| affinity == &json!({})) {
                pod.shift_remove("affinity");
            }
        }
        if let Some(Value::Object(metadata)) = template.get_mut("metadata").filter(|_| waits) {
            ["annotations", "labels"].iter().for_each(|name| drop(metadata.shift_remove(*name)));
        }
        template
    };
    if fixed(new) != fixed(old) {
        errors.invalid("spec.template", new["template"].clone(), "field is immutable");
    }
    for name in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] {
        errors.immutable(&format!("spec.{name}"), &new[name], &old[name]);
    }
}
