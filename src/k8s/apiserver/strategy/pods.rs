//! Pods.
//!
//! Upstream: `pkg/registry/core/pod/strategy.go`, `pkg/apis/core/helper/qos`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{keep, reset_metadata, text};
use crate::k8s::meta::quantity::Quantity;

/// The class by which a node chooses whom to evict: all limits equal requests, no amounts at all, or something between.
pub fn qos_class(pod: &Value) -> &'static str {
    let spec = &pod["spec"];
    let own = &spec["resources"];
    // What is said for the pod as a whole wins over what its containers say.
    let parts: Vec<&Value> = if has_amounts(own) {
        vec![own]
    } else {
        let lists = [&spec["containers"], &spec["initContainers"]];
        lists.into_iter().filter_map(Value::as_array).flatten().map(|container| &container["resources"]).collect()
    };
    let (mut any, mut all_limited) = (false, true);
    let (mut requests, mut limits) = (Sums::default(), Sums::default());
    for part in parts {
        let (asked, limited) = (requests.add(&part["requests"]), limits.add(&part["limits"]));
        any |= !asked.is_empty() || !limited.is_empty();
        all_limited &= limited.contains("cpu") && limited.contains("memory");
    }
    if !any {
        "BestEffort"
    } else if all_limited && requests.equals(&limits) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

/// How long a pod may take to end. One that runs nowhere goes at once.
pub(super) fn grace_period(pod: &Value, asked: Option<i64>) -> i64 {
    let is_over = matches!(text(pod, "/status/phase"), "Failed" | "Succeeded");
    if is_over || text(pod, "/spec/nodeName").is_empty() {
        return 0;
    }
    let own = pod.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64);
    let period = asked.or(own).unwrap_or(0);
    if period < 0 { 1 } else { period }
}

pub(super) fn prepare_for_create(pod: &mut Value) {
    pod["status"] = json!({"phase": "Pending", "qosClass": qos_class(pod)});
    let gates = pod.pointer("/spec/schedulingGates").and_then(Value::as_array);
    if gates.is_some_and(|gates| !gates.is_empty()) {
        pod["status"]["conditions"] = json!([{
            "type": "PodScheduled", "status": "False", "lastTransitionTime": pod["metadata"]["creationTimestamp"].clone(),
            "reason": "SchedulingGated", "message": "Scheduling is blocked due to non-empty scheduling gates",
        }]);
    }
    merge_label_keys(pod);
}

pub(super) fn prepare_status(pod: &mut Value, old: &Value) {
    keep(pod, old, "/spec");
    keep(pod, old, "/metadata/ownerReferences");
    if text(pod, "/status/qosClass").is_empty() {
        keep(pod, old, "/status/qosClass");
    }
    keep_observed_generations(pod, old);
}

/// Of all fields only the ephemeral containers change.
pub(super) fn prepare_ephemeral(pod: &mut Value, old: &Value) {
    let containers = pod["spec"]["ephemeralContainers"].take();
    keep(pod, old, "/spec");
    keep(pod, old, "/status");
    reset_metadata(pod, old);
    pod["spec"]["ephemeralContainers"] = containers;
}

/// Of all fields only the resources of containers change. What moves containers about is left for validation to refuse.
pub(super) fn prepare_resize(pod: &mut Value, old: &Value) {
    let lists = ["containers", "initContainers"];
    let names = |pod: &Value, list: &str| -> Vec<Value> {
        pod["spec"][list].as_array().into_iter().flatten().map(|container| container["name"].clone()).collect()
    };
    if lists.iter().any(|list| names(pod, list) != names(old, list)) {
        return;
    }
    let asked = lists.map(|list| pod["spec"][list].take());
    keep(pod, old, "/spec");
    keep(pod, old, "/status");
    reset_metadata(pod, old);
    for (list, asked) in lists.into_iter().zip(&asked) {
        let kept = pod["spec"][list].as_array_mut().into_iter().flatten();
        for (container, asked) in kept.zip(asked.as_array().into_iter().flatten()) {
            for name in ["resources", "resizePolicy"] {
                container[name] = asked[name].clone();
            }
        }
    }
}

/// A client that knows nothing of generations does not undo what was observed.
fn keep_observed_generations(pod: &mut Value, old: &Value) {
    if pod.pointer("/status/observedGeneration").and_then(Value::as_i64).unwrap_or(0) == 0 {
        keep(pod, old, "/status/observedGeneration");
    }
    let mut before: Vec<&Value> =
        old.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten().collect();
    let conditions = pod.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        // A type may stand there more than once.
        let Some(place) = before.iter().position(|known| known["type"] == condition["type"]) else { continue };
        let known = before.remove(place);
        let is_unset = condition.get("observedGeneration").and_then(Value::as_i64).unwrap_or(0) == 0;
        if is_unset && !known["observedGeneration"].is_null() {
            condition["observedGeneration"] = known["observedGeneration"].clone();
        }
    }
}

/// What a pod shares with others of its labels becomes a part of its selectors.
fn merge_label_keys(pod: &mut Value) {
    let labels = pod["metadata"]["labels"].clone();
    let mut terms: Vec<&mut Value> = Vec::new();
    let Some(spec) = pod["spec"].as_object_mut() else { return };
    for (name, value) in spec {
        match &name[..] {
            "affinity" => terms.extend(affinity_terms(value)),
            "topologySpreadConstraints" => terms.extend(value.as_array_mut().into_iter().flatten()),
            _ => {}
        }
    }
    for term in terms {
        for (list, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
            let keys: Vec<String> = term
                .get(list)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            // Without a selector nothing is selected.
            let Some(selector) = term.get_mut("labelSelector").filter(|selector| selector.is_object()) else {
                continue;
            };
            for key in keys.iter().filter(|key| labels[&key[..]].is_string()) {
                let requirement = json!({"key": key, "operator": operator, "values": [labels[&key[..]]]});
                match &mut selector["matchExpressions"] {
                    Value::Array(known) => known.push(requirement),
                    none => *none = json!([requirement]),
                }
            }
        }
    }
}

fn affinity_terms(affinity: &mut Value) -> Vec<&mut Value> {
    let mut terms = Vec::new();
    let kinds = affinity.as_object_mut().into_iter().flatten();
    for (_, kind) in kinds.filter(|(name, _)| matches!(&name[..], "podAffinity" | "podAntiAffinity")) {
        for (name, list) in kind.as_object_mut().into_iter().flatten() {
            for term in list.as_array_mut().into_iter().flatten() {
                if name.starts_with("required") {
                    terms.push(term);
                } else if let Some(term) = term.get_mut("podAffinityTerm") {
                    terms.push(term);
                }
            }
        }
    }
    terms
}

fn has_amounts(resources: &Value) -> bool {
    let is_filled = |list: &Value| list.as_object().is_some_and(|list| !list.is_empty());
    is_filled(&resources["requests"]) || is_filled(&resources["limits"])
}

/// Amounts of processor and memory that are not zero.
#[derive(Default)]
struct Sums {
    cpu: Option<Quantity>,
    memory: Option<Quantity>,
}

impl Sums {
    /// Which of both were there.
    fn add(&mut self, amounts: &Value) -> BTreeSet<&'static str> {
        let mut found = BTreeSet::new();
        for (name, sum) in [("cpu", &mut self.cpu), ("memory", &mut self.memory)] {
            let amount = amounts[name].as_str().and_then(|text| Quantity::parse(text).ok());
            let Some(amount) = amount.filter(|amount| !amount.is_zero()) else { continue };
            found.insert(name);
            *sum = Some(sum.as_ref().map_or_else(|| amount.clone(), |sum| sum.add(&amount)));
        }
        found
    }

    fn equals(&self, other: &Sums) -> bool {
        let agree = |one: &Option<Quantity>, two: &Option<Quantity>| match (one, two) {
            (None, None) => true,
            (Some(one), Some(two)) => one.cmp_value(two).is_eq(),
            _ => false,
        };
        agree(&self.cpu, &other.cpu) && agree(&self.memory, &other.memory)
    }
}
