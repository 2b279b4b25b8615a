//! Namespaces, nodes, limits, and the small kinds that a cluster is run by.
//!
//! Upstream: `pkg/apis/{core,scheduling,node,coordination}/validation`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Errors, addresses, amounts, entries, indexed, text};
use crate::k8s::meta::names;
use crate::k8s::meta::quantity::Quantity;
use crate::k8s::meta::status::{FieldError, FieldErrorKind};

pub(super) fn check_namespace(errors: &mut Errors, namespace: &Value) {
    for (_, finalizer) in indexed(&namespace["spec"]["finalizers"], "") {
        let (name, field) = (finalizer.as_str().unwrap_or_default(), "spec.finalizers");
        errors.names(field, name, names::qualified_name(name));
        if !name.contains('/') && !matches!(name, "kubernetes" | "orphan" | "foregroundDeletion") {
            errors.invalid(field, name, "name is neither a standard finalizer name nor is it fully qualified");
        }
    }
}

pub(super) fn check_node(errors: &mut Errors, node: &Value) {
    let mut seen = Vec::new();
    for (field, taint) in indexed(&node["spec"]["taints"], "metadata.taints") {
        let (key, value, effect) = (text(taint, "key"), text(taint, "value"), text(taint, "effect"));
        errors.names(&format!("{field}.key"), key, names::qualified_name(key));
        let complaints = names::label_value(value);
        if !complaints.is_empty() {
            errors.invalid(&format!("{field}.value"), value, &complaints.join(";"));
        }
        errors.one_of(&format!("{field}.effect"), effect, &["NoSchedule", "PreferNoSchedule", "NoExecute"]);
        if seen.contains(&(key, effect)) {
            let shown = json!({"Key": key, "Value": value, "Effect": effect, "TimeAdded": taint["timeAdded"]});
            let detail = "taints must be unique by key and effect pair";
            errors.0.push(FieldError::new(&field[..], FieldErrorKind::Duplicate(shown), detail));
        }
        seen.push((key, effect));
    }
    for list in ["capacity", "allocatable"] {
        for (name, amount) in entries(&node["status"][list]) {
            amounts::check(errors, &format!("status.{list}.{name}"), name, amount);
        }
    }
    check_pod_ranges(errors, &node["spec"]["podCIDRs"]);
}

fn check_pod_ranges(errors: &mut Errors, ranges: &Value) {
    let mut seen = Vec::new();
    for (field, range) in indexed(ranges, "spec.podCIDRs") {
        let own = range.as_str().unwrap_or_default();
        addresses::check_range(errors, &field, own);
        if seen.contains(&own) {
            errors.duplicate(&field, own);
        }
        seen.push(own);
    }
    let kinds: Vec<bool> =
        seen.iter().filter_map(|range| addresses::Range::read(range)).map(addresses::Range::is_six).collect();
    if kinds.len() > 2 || (kinds.len() == 2 && kinds[0] == kinds[1]) {
        errors.invalid("spec.podCIDRs", ranges.clone(), "may specify no more than one CIDR for each IP family");
    }
}

pub(super) fn check_node_update(errors: &mut Errors, node: &Value, old: &Value) {
    let (new, old) = (&node["spec"], &old["spec"]);
    let is_set = |value: &Value| !value.is_null() && value != "";
    let changes = |name: &str| is_set(&old[name]) && old[name] != new[name];
    if changes("podCIDRs") {
        errors.forbidden("spec.podCIDRs", r#"node updates may not change podCIDR except from "" to valid"#);
    }
    if changes("providerID") {
        errors.forbidden("spec.providerID", r#"node updates may not change providerID except from "" to valid"#);
    }
    let mut seen = Vec::new();
    for (field, address) in indexed(&node["status"]["addresses"], "status.addresses") {
        if seen.contains(&address) {
            let shown = json!({"Type": address["type"], "Address": address["address"]});
            errors.duplicate(&field, shown);
        }
        seen.push(address);
    }
}

pub(super) fn check_quota(errors: &mut Errors, quota: &Value) {
    let spec = &quota["spec"];
    check_quota_amounts(errors, "spec.hard", &spec["hard"]);
    let hard: Vec<&String> = entries(&spec["hard"]).map(|(name, _)| name).collect();
    let known = |scope: &str| SCOPES.contains(&scope);
    let scopes: BTreeSet<&str> = indexed(&spec["scopes"], "").filter_map(|(_, scope)| scope.as_str()).collect();
    let (field, shown) = ("spec.scopes", &spec["scopes"]);
    for scope in &scopes {
        if !known(scope) {
            errors.invalid(field, shown.clone(), "unsupported scope");
        }
        for _ in hard.iter().filter(|name| !scope_fits(scope, name)) {
            errors.invalid(field, shown.clone(), "unsupported scope applied to resource");
        }
    }
    check_scope_pairs(errors, &scopes, shown);
    check_scope_selector(errors, spec, &hard);
    check_quota_amounts(errors, "status.hard", &quota["status"]["hard"]);
    check_quota_amounts(errors, "status.used", &quota["status"]["used"]);
}

pub(super) fn check_quota_update(errors: &mut Errors, quota: &Value, old: &Value) {
    let scopes = |quota: &Value| -> BTreeSet<String> {
        indexed(&quota["spec"]["scopes"], "").filter_map(|(_, scope)| scope.as_str().map(str::to_owned)).collect()
    };
    if scopes(quota) != scopes(old) {
        errors.invalid("spec.scopes", quota["spec"]["scopes"].clone(), "field is immutable");
    }
}

const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];

fn check_quota_amounts(errors: &mut Errors, field: &str, list: &Value) {
    for (name, amount) in entries(list) {
        let field = format!("{field}[{name}]");
        amounts::check_quota_name(errors, &field, name);
        amounts::check(errors, &field, name, amount);
    }
}

/// Most scopes are about pods, and what pods ask for.
fn scope_fits(scope: &str, name: &str) -> bool {
    if !amounts::is_standard_quota(name) {
        return true;
    }
    let of_pods = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory", "pods"];
    match scope {
        "BestEffort" => name == "pods",
        "Terminating" | "NotTerminating" | "NotBestEffort" | "PriorityClass" | "CrossNamespacePodAffinity" => {
            of_pods.contains(&name) || name.contains("ephemeral-storage") || name.contains("hugepages-")
        }
        "VolumeAttributesClass" => matches!(name, "persistentvolumeclaims" | "requests.storage"),
        _ => true,
    }
}

fn check_scope_pairs(errors: &mut Errors, scopes: &BTreeSet<&str>, shown: &Value) {
    for [one, two] in [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]] {
        if scopes.contains(one) && scopes.contains(two) {
            errors.invalid("spec.scopes", shown.clone(), "conflicting scopes");
        }
    }
}

fn check_scope_selector(errors: &mut Errors, spec: &Value, hard: &[&String]) {
    let field = "spec.scopeSelector.matchExpressions";
    let mut scopes = BTreeSet::new();
    for (_, requirement) in indexed(&spec["scopeSelector"]["matchExpressions"], field) {
        let (scope, operator) = (text(requirement, "scopeName"), text(requirement, "operator"));
        if !SCOPES.contains(&scope) {
            errors.invalid(&format!("{field}.scopeName"), scope, "unsupported scope");
        }
        for _ in hard.iter().filter(|name| !scope_fits(scope, name)) {
            errors.invalid(field, spec["scopeSelector"].clone(), "unsupported scope applied to resource");
        }
        if !matches!(scope, "PriorityClass" | "VolumeAttributesClass") && operator != "Exists" {
            let detail = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, \
                ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or \
                ResourceQuotaScopeCrossNamespacePodAffinity";
            errors.invalid(&format!("{field}.operator"), operator, detail);
        }
        let has_values = requirement["values"].as_array().is_some_and(|values| !values.is_empty());
        match (operator, has_values) {
            ("In" | "NotIn", false) => {
                let detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
                errors.required_because(&format!("{field}.values"), detail);
            }
            ("Exists" | "DoesNotExist", true) => {
                let detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
                errors.invalid(&format!("{field}.values"), requirement["values"].clone(), detail);
            }
            ("In" | "NotIn" | "Exists" | "DoesNotExist", _) => {}
            _ => errors.invalid(&format!("{field}.operator"), operator, "not a valid selector operator"),
        }
        scopes.insert(scope);
    }
    check_scope_pairs(errors, &scopes, &spec["scopes"]);
}

pub(super) fn check_limit_range(errors: &mut Errors, range: &Value) {
    let mut seen = Vec::new();
    for (field, limit) in indexed(&range["spec"]["limits"], "spec.limits") {
        let (kind, at) = (text(limit, "type"), format!("{field}.type"));
        errors.names(&at, kind, names::qualified_name(kind));
        let is_standard = matches!(kind, "Pod" | "Container" | "PersistentVolumeClaim");
        if !kind.contains('/') && !is_standard && !kind.is_empty() {
            errors.invalid(&at, kind, "must be a standard limit type or fully qualified");
        }
        super::unique(errors, &mut seen, &at, kind);
        check_limit(errors, &field, limit, kind);
    }
}

/// The lists of one limit.
const LISTS: [&str; 5] = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"];

fn check_limit(errors: &mut Errors, field: &str, limit: &Value, kind: &str) {
    let mut resources = BTreeSet::new();
    for list in LISTS {
        let is_filled = entries(&limit[list]).next().is_some();
        if kind == "Pod" && list.starts_with("default") {
            if is_filled {
                errors.forbidden(&format!("{field}.{list}"), "may not be specified when `type` is 'Pod'");
            }
            continue;
        }
        for (name, _) in entries(&limit[list]) {
            let at = format!("{field}.{list}[{name}]");
            if matches!(kind, "Pod" | "Container") {
                amounts::check_container_name(errors, &at, name);
            } else {
                amounts::check_name(errors, &at, name);
            }
            resources.insert(name);
        }
    }
    let has_storage = |list: &str| !limit[list]["storage"].is_null();
    if kind == "PersistentVolumeClaim" && !has_storage("min") && !has_storage("max") {
        let detail = "either minimum or maximum storage value is required, but neither was provided";
        errors.required_because(&format!("{field}.limits"), detail);
    }
    for name in resources {
        check_limits_of(errors, field, limit, name, kind == "Pod");
    }
}

/// Minimum, default request, default limit and maximum stand in this order.
fn check_limits_of(errors: &mut Errors, field: &str, limit: &Value, name: &str, of_pod: bool) {
    let amount = |list: &str| -> Option<Quantity> {
        let is_there = !(of_pod && list.starts_with("default"));
        amounts::read(&limit[list][name]).filter(|_| is_there)
    };
    let (min, max) = (amount("min"), amount("max"));
    let (limit_default, request) = (amount("default"), amount("defaultRequest"));
    let mut order =
        |list: &str, shown: &Option<Quantity>, low: (&str, &Option<Quantity>), high: (&str, &Option<Quantity>)| {
            if let (Some(shown), Some(least), Some(most)) = (shown, low.1, high.1)
                && least.cmp_value(most).is_gt()
            {
                let detail = format!("{} value {least} is greater than {} value {most}", low.0, high.0);
                errors.invalid(&format!("{field}.{list}[{name}]"), shown.to_string(), &detail);
            }
        };
    order("min", &min, ("min", &min), ("max", &max));
    order("defaultRequest", &request, ("min", &min), ("default request", &request));
    order("defaultRequest", &request, ("default request", &request), ("max", &max));
    order("defaultRequest", &request, ("default request", &request), ("default limit", &limit_default));
    order("default", &min, ("min", &min), ("default", &limit_default));
    order("default", &max, ("default", &limit_default), ("max", &max));
    if let Some(ratio) = amount("maxLimitRequestRatio") {
        let at = format!("{field}.maxLimitRequestRatio[{name}]");
        if ratio.milli_value() < 1000 {
            errors.invalid(&at, ratio.to_string(), &format!("ratio {ratio} is less than 1"));
        }
        check_ratio(errors, &at, &ratio, min.as_ref(), max.as_ref());
    }
    if let (Some(limit_default), Some(request), false) = (limit_default, request, amounts::allows_overcommit(name))
        && limit_default.cmp_value(&request).is_ne()
    {
        let detail = format!("default value {limit_default} must equal to defaultRequest value {request} in {name}");
        errors.invalid(&format!("{field}.defaultRequest[{name}]"), request.to_string(), &detail);
    }
}

/// No ratio is allowed that minimum and maximum rule out. With six digits after the point, as Go prints it.
fn check_ratio(errors: &mut Errors, at: &str, ratio: &Quantity, min: Option<&Quantity>, max: Option<&Quantity>) {
    let (Some(min), Some(max)) = (min, max) else { return };
    let (min, max) = (i128::from(min.milli_value()), i128::from(max.milli_value()));
    if min <= 0 || i128::from(ratio.milli_value()) * min <= max * 1000 {
        return;
    }
    let millionths = (max * 1_000_000 + min / 2) / min;
    let shown = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
    errors.invalid(at, ratio.to_string(), &format!("ratio {ratio} is greater than max/min = {shown}"));
}

/// Names that the cluster keeps for itself, and their values.
const SYSTEM_CLASSES: [(&str, i64); 2] =
    [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];
/// Above this only the cluster's own classes are.
const PRIORITY_MAX: i64 = 1_000_000_000;

pub(super) fn check_priority_class(errors: &mut Errors, class: &Value) {
    let (name, value) = (text(&class["metadata"], "name"), class["value"].as_i64().unwrap_or(0));
    if name.starts_with("system-") {
        let own = SYSTEM_CLASSES.iter().find(|(own, _)| *own == name);
        let problem = match own {
            None => Some("is not a known system priority class".to_owned()),
            Some((_, expect)) if *expect != value => Some(format!("value of {name} PriorityClass must be {expect}")),
            Some(_) if class["globalDefault"] == true => {
                Some(format!("globalDefault of {name} PriorityClass must be false"))
            }
            Some(_) => None,
        };
        if let Some(problem) = problem {
            let detail = format!(
                "priority class names with 'system-' prefix are reserved for system use only. error: {}",
                if own.is_none() { format!("{name} {problem}") } else { problem }
            );
            errors.forbidden("metadata.name", &detail);
        }
    } else if value > PRIORITY_MAX {
        let detail = format!("maximum allowed value of a user defined priority is {PRIORITY_MAX}");
        errors.forbidden("value", &detail);
    }
    if let Some(policy) = class["preemptionPolicy"].as_str() {
        errors.supported("preemptionPolicy", policy, &["Never", "PreemptLowerPriority"]);
    }
}

pub(super) fn check_priority_class_update(errors: &mut Errors, class: &Value, old: &Value) {
    if class["value"] != old["value"] {
        errors.forbidden("value", "may not be changed in an update.");
    }
    errors.immutable("preemptionPolicy", &class["preemptionPolicy"], &old["preemptionPolicy"]);
}

pub(super) fn check_runtime_class(errors: &mut Errors, class: &Value) {
    let handler = text(class, "handler");
    errors.names("handler", handler, names::dns1123_label(handler));
    for (name, amount) in entries(&class["overhead"]["podFixed"]) {
        let field = format!("overhead.podFixed[{name}]");
        amounts::check_container_name(errors, &field, name);
        amounts::check(errors, &field, name, amount);
    }
    errors.labels("scheduling.nodeSelector", &class["scheduling"]["nodeSelector"]);
}

pub(super) fn check_lease(errors: &mut Errors, lease: &Value) {
    let spec = &lease["spec"];
    if let Some(seconds) = spec["leaseDurationSeconds"].as_i64().filter(|seconds| *seconds <= 0) {
        errors.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0");
    }
    if let Some(count) = spec["leaseTransitions"].as_i64().filter(|count| *count < 0) {
        errors.invalid("spec.leaseTransitions", count, "must be greater than or equal to 0");
    }
    if spec["holderIdentity"] == "" {
        errors.invalid("spec.holderIdentity", "", "must not be empty");
    }
}

/// Lengths in bytes.
const EVENT_REASON_MAX: usize = 128;
const EVENT_NOTE_MAX: usize = 1024;

/// Old clients write what they like; an event with `eventTime` is of the newer kind.
pub(super) fn check_event(errors: &mut Errors, event: &Value, is_newer: bool) {
    let (subject, note, reporter) = if is_newer {
        ("regarding", "note", "reportingController")
    } else {
        ("involvedObject", "message", "reportingComponent")
    };
    let (namespace, own) = (text(&event["metadata"], "namespace"), text(&event[subject], "namespace"));
    // What is in no namespace is told of in the default one.
    let is_there = if own.is_empty() { matches!(namespace, "default" | "") } else { own == namespace };
    if !is_there {
        errors.invalid("involvedObject.namespace", own, "does not match event.namespace");
    }
    if !is_newer && event["eventTime"].is_null() {
        return;
    }
    if event["eventTime"].is_null() {
        errors.required("eventTime");
    }
    let controller = text(event, reporter);
    errors.required_name("reportingController", controller, names::qualified_name);
    for (name, max) in
        [("reportingInstance", EVENT_REASON_MAX), ("action", EVENT_REASON_MAX), ("reason", EVENT_REASON_MAX)]
    {
        match text(event, name) {
            "" => errors.required(name),
            long if long.len() > max => {
                errors.invalid(name, long, &format!("can have at most {max} characters"));
            }
            _ => {}
        }
    }
    let said = text(event, note);
    if said.len() > EVENT_NOTE_MAX {
        errors.invalid("message", said, &format!("can have at most {EVENT_NOTE_MAX} characters"));
    }
    match text(event, "type") {
        "" => errors.required("type"),
        "Normal" | "Warning" => {}
        other => errors.invalid("type", other, &format!("has invalid value: {other}")),
    }
}
