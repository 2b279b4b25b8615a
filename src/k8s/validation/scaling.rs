//! Autoscalers, and budgets of disruption.
//!
//! Upstream: `pkg/apis/autoscaling/validation`, `pkg/apis/policy/validation`.

use serde_json::{Value, json};

use super::{Errors, amounts, indexed, text, workloads};
use crate::k8s::conversion;
use crate::k8s::meta::names;
use crate::k8s::schema::Schema;

/// What can be measured, and the field that says how.
const SOURCES: [(&str, &str); 5] = [
    ("ContainerResource", "containerResource"),
    ("External", "external"),
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
];

/// Both versions are judged as the newer.
pub(super) fn check_autoscaler(errors: &mut Errors, object: &Value) {
    let is_old = text(object, "apiVersion") == "autoscaling/v1";
    let converted = is_old.then(|| conversion::convert(Schema::kubernetes(), object.clone(), "autoscaling/v2").ok());
    let converted = converted.flatten();
    let spec = &converted.as_ref().unwrap_or(object)["spec"];
    let (min, max) = (spec["minReplicas"].as_i64(), spec["maxReplicas"].as_i64().unwrap_or(0));
    if let Some(min) = min.filter(|min| *min < 1) {
        errors.invalid("spec.minReplicas", min, "must be greater than or equal to 1");
    }
    if max < 1 {
        errors.invalid("spec.maxReplicas", max, "must be greater than 0");
    }
    if min.is_some_and(|min| max < min) {
        errors.invalid("spec.maxReplicas", max, "must be greater than or equal to `minReplicas`");
    }
    check_reference(errors, "spec.scaleTargetRef", &spec["scaleTargetRef"]);
    for (field, metric) in indexed(&spec["metrics"], "spec.metrics") {
        check_metric(errors, &field, metric);
    }
    for direction in ["scaleUp", "scaleDown"] {
        check_behavior(errors, &format!("spec.behavior.{direction}"), &spec["behavior"][direction]);
    }
}

fn check_reference(errors: &mut Errors, field: &str, reference: &Value) {
    for name in ["kind", "name"] {
        errors.required_name(&format!("{field}.{name}"), text(reference, name), names::path_segment);
    }
}

fn check_metric(errors: &mut Errors, field: &str, metric: &Value) {
    let (kind, at) = (text(metric, "type"), format!("{field}.type"));
    if kind.is_empty() {
        errors.required_because(&at, "must specify a metric source type");
    }
    errors.supported(&at, kind, &SOURCES.map(|(kind, _)| kind));
    let expect = SOURCES.iter().find(|(own, _)| *own == kind).map(|(_, field)| *field);
    let present: Vec<&str> =
        SOURCES.iter().map(|(_, field)| *field).filter(|field| !metric[*field].is_null()).collect();
    if let [only] = present[..] {
        check_source(errors, &format!("{field}.{only}"), only, &metric[only]);
    }
    if let Some(expect) = expect.filter(|expect| !present.contains(expect)) {
        let detail = "must populate information for the given metric source";
        errors.required_because(&format!("{field}.{expect}"), detail);
    }
    if present.len() != 1 {
        for other in present.iter().filter(|other| Some(**other) != expect) {
            errors.forbidden(&format!("{field}.{other}"), "must populate the given metric source only");
        }
    }
}

fn check_source(errors: &mut Errors, field: &str, kind: &str, source: &Value) {
    let target = &source["target"];
    let at = |name: &str| format!("{field}.target.{name}");
    let has = |name: &str| !target[name].is_null();
    match kind {
        "resource" | "containerResource" => {
            if text(source, "name").is_empty() {
                errors.required_because(&format!("{field}.name"), "must specify a resource name");
            }
            if kind == "containerResource" && text(source, "container").is_empty() {
                errors.required_because(&format!("{field}.container"), "must specify a container");
            }
        }
        _ => {
            if text(&source["metric"], "name").is_empty() {
                errors.required_because(&format!("{field}.metric.name"), "must specify a metric name");
            }
            if kind == "object" {
                check_reference(errors, &format!("{field}.describedObject"), &source["describedObject"]);
            }
        }
    }
    check_target(errors, &format!("{field}.target"), target);
    let is_positive =
        |name: &str| amounts::read(&target[name]).is_some_and(|own| own.cmp_value(&amounts::zero()).is_gt());
    match kind {
        "resource" | "containerResource" if !has("averageUtilization") && !has("averageValue") => {
            let detail = "must set either a target raw value or a target utilization";
            errors.required_because(&at("averageUtilization"), detail);
        }
        "resource" | "containerResource" if has("averageUtilization") && has("averageValue") => {
            let detail = "may not set both a target raw value and a target utilization";
            errors.forbidden(&at("averageValue"), detail);
        }
        "pods" if !is_positive("averageValue") => {
            errors.required_because(&at("averageValue"), "must specify a positive target averageValue");
        }
        "object" if !has("value") && !has("averageValue") => {
            errors.required_because(&at("averageValue"), "must set either a target value or averageValue");
        }
        "external" if !has("value") && !has("averageValue") => {
            let detail = "must set either a target value for metric or a per-pod target";
            errors.required_because(&at("averageValue"), detail);
        }
        "external" if has("value") && has("averageValue") => {
            let detail = "may not set both a target value for metric and a per-pod target";
            errors.forbidden(&at("value"), detail);
        }
        _ => {}
    }
}

fn check_target(errors: &mut Errors, field: &str, target: &Value) {
    let kind = text(target, "type");
    if kind.is_empty() {
        errors.required_because(&format!("{field}.type"), "must specify a metric target type");
    }
    if !matches!(kind, "Utilization" | "Value" | "AverageValue") {
        errors.invalid(&format!("{field}.type"), kind, "must be either Utilization, Value, or AverageValue");
    }
    for name in ["value", "averageValue"].into_iter().filter(|name| !target[*name].is_null()) {
        if amounts::read(&target[name]).is_some_and(|own| own.cmp_value(&amounts::zero()).is_le()) {
            errors.invalid(&format!("{field}.{name}"), target[name].clone(), "must be positive");
        }
    }
    if let Some(share) = target["averageUtilization"].as_i64().filter(|share| *share < 1) {
        errors.invalid(&format!("{field}.averageUtilization"), share, "must be greater than 0");
    }
}

/// Seconds that a recommendation may be waited for, and that a policy may look back.
const WINDOW_SECONDS_MAX: i64 = 3600;
const PERIOD_SECONDS_MAX: i64 = 1800;

fn check_behavior(errors: &mut Errors, field: &str, rules: &Value) {
    if rules.is_null() {
        return;
    }
    let (window, at) = (rules["stabilizationWindowSeconds"].as_i64(), format!("{field}.stabilizationWindowSeconds"));
    match window {
        Some(seconds) if seconds < 0 => errors.invalid(&at, seconds, "must be greater than or equal to zero"),
        Some(seconds) if seconds > WINDOW_SECONDS_MAX => {
            errors.invalid(&at, seconds, &format!("must be less than or equal to {WINDOW_SECONDS_MAX}"));
        }
        _ => {}
    }
    if let Some(policy) = rules["selectPolicy"].as_str() {
        errors.supported(&format!("{field}.selectPolicy"), policy, &["Disabled", "Max", "Min"]);
    }
    if rules["policies"].as_array().is_none_or(Vec::is_empty) {
        errors.required_because(&format!("{field}.policies"), "must specify at least one Policy");
    }
    for (field, policy) in indexed(&rules["policies"], &format!("{field}.policies")) {
        errors.supported(&format!("{field}.type"), text(policy, "type"), &["Percent", "Pods"]);
        if let Some(value) = policy["value"].as_i64().filter(|value| *value <= 0) {
            errors.invalid(&format!("{field}.value"), value, "must be greater than zero");
        }
        let (seconds, at) = (policy["periodSeconds"].as_i64().unwrap_or(0), format!("{field}.periodSeconds"));
        if seconds <= 0 {
            errors.invalid(&at, seconds, "must be greater than zero");
        } else if seconds > PERIOD_SECONDS_MAX {
            errors.invalid(&at, seconds, &format!("must be less than or equal to {PERIOD_SECONDS_MAX}"));
        }
    }
}

pub(super) fn check_budget(errors: &mut Errors, budget: &Value) {
    let spec = &budget["spec"];
    if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() {
        // The internal type, whose fields have Go's names.
        let shown = json!({
            "MinAvailable": spec["minAvailable"], "Selector": spec["selector"], "MaxUnavailable": spec["maxUnavailable"],
            "UnhealthyPodEvictionPolicy": spec["unhealthyPodEvictionPolicy"],
        });
        errors.invalid("spec", shown, "minAvailable and maxUnavailable cannot be both set");
    }
    for name in ["minAvailable", "maxUnavailable"] {
        workloads::check_share(errors, &spec[name], &format!("spec.{name}"), true);
    }
    errors.label_selector("spec.selector", &spec["selector"]);
    if let Some(policy) = spec["unhealthyPodEvictionPolicy"].as_str() {
        errors.supported("spec.unhealthyPodEvictionPolicy", policy, &["AlwaysAllow", "IfHealthyBudget"]);
    }
}
