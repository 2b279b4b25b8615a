//! What pods get from elsewhere: a number for their priority, patience with nodes that fail, the overhead of their runtime, and
//! where their node is.
//!
//! Upstream: `plugin/pkg/admission/priority`, `.../defaulttolerationseconds`, `.../runtimeclass`, `.../podtopologylabels`.

use serde_json::{Value, json};
use std::sync::Arc;

use super::{Effect, Operation, Outcome, Review, resources};
use crate::k8s::apiserver::object::{entries, inner, is_true, list, list_mut, name, text};
use crate::k8s::meta::status::{Status, quote};

/// The two that every cluster starts with.
pub fn priority_classes() -> [Value; 2] {
    let class = |name: &str, value: u32, description: &str| {
        json!({
            "kind": "PriorityClass", "apiVersion": "scheduling.k8s.io/v1", "metadata": {"name": name},
            "value": value, "description": description, "preemptionPolicy": "PreemptLowerPriority",
        })
    };
    let cluster =
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.";
    let node = "Used for system critical pods that must not be moved from their current node.";
    [class("system-node-critical", 2_000_001_000, node), class("system-cluster-critical", 2_000_000_000, cluster)]
}

pub(super) fn set_priority(review: &mut Review) -> Effect {
    if !review.is_whole("", "pods") || review.operation != Operation::Create {
        return Ok(None);
    }
    let named = text(&review.object()["spec"], "priorityClassName").to_owned();
    let class = match &named[..] {
        "" => default_class(review),
        _ => Some(
            review
                .lister
                .get("scheduling.k8s.io", "priorityclasses", "", &named)
                .ok_or_else(|| review.forbidden(&format!("no PriorityClass with name {named} was found")))?,
        ),
    };
    let class = class.as_deref().unwrap_or(&Value::Null);
    let priority = class["value"].as_i64().unwrap_or_default();
    let policy = Some(text(class, "preemptionPolicy")).filter(|policy| !policy.is_empty());
    let policy = policy.unwrap_or("PreemptLowerPriority").to_owned();
    let spec = &review.object()["spec"];
    let controller = "must not be provided in pod spec; priority admission controller computed";
    if let Some(own) = spec["priority"].as_i64().filter(|own| *own != priority) {
        let what = format!("the integer value of priority ({own}) {controller} {priority}");
        return Err(review.forbidden(&format!("{what} from the given PriorityClass name")));
    }
    if let Some(own) = spec["preemptionPolicy"].as_str().filter(|own| *own != policy) {
        let what = format!("the string value of PreemptionPolicy ({own}) {controller} {policy}");
        return Err(review.forbidden(&format!("{what} from the given PriorityClass name")));
    }
    let class_name = name(class).to_owned();
    let Some(pod) = &mut review.object else { return Ok(None) };
    let spec = inner(pod, "spec");
    if !class_name.is_empty() {
        spec["priorityClassName"] = class_name.clone().into();
    }
    spec["priority"] = priority.into();
    spec["preemptionPolicy"] = policy.into();
    let from = if class_name.is_empty() { String::new() } else { format!(" from class {class_name}") };
    Ok(Some(format!("priority {priority}{from}")))
}

/// Of several the one with the lowest value, as upstream.
fn default_class(review: &Review) -> Option<Arc<Value>> {
    let classes = review.lister.list("scheduling.k8s.io", "priorityclasses", "").into_iter();
    classes.filter(|class| is_true(class, "globalDefault")).min_by_key(|class| class["value"].as_i64())
}

pub(super) fn check_priority_class(review: &Review, _: &mut Outcome) -> Effect {
    if !review.is_whole("scheduling.k8s.io", "priorityclasses") || !is_true(review.object(), "globalDefault") {
        return Ok(None);
    }
    match default_class(review) {
        Some(other) if review.operation == Operation::Create || name(&other) != name(review.object()) => {
            let other = name(&other);
            let what = format!("PriorityClass {other} is already marked as default. Only one default can exist");
            Err(review.forbidden(&what))
        }
        _ => Ok(None),
    }
}

/// `--default-not-ready-toleration-seconds` and its sister.
const TOLERATION_SECONDS: u32 = 300;

pub(super) fn tolerate(review: &mut Review) -> Effect {
    if !review.is_whole("", "pods") {
        return Ok(None);
    }
    let Some(pod) = &mut review.object else { return Ok(None) };
    let tolerations = list(&pod["spec"], "tolerations");
    let tolerates = |taint: &str| {
        let is_it = |toleration: &Value, field: &str, value: &str| ["", value].contains(&text(toleration, field));
        tolerations.iter().any(|own| is_it(own, "key", taint) && is_it(own, "effect", "NoExecute"))
    };
    let taints = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
    let missing: Vec<&str> = taints.into_iter().filter(|taint| !tolerates(taint)).collect();
    for taint in &missing {
        let seconds = TOLERATION_SECONDS;
        let new = json!({"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds});
        list_mut(inner(pod, "spec"), "tolerations").push(new);
    }
    Ok((!missing.is_empty()).then(|| format!("{TOLERATION_SECONDS} seconds of {}", missing.join(" and "))))
}

const OVERHEAD_DIFFERS: &str = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";

pub(super) fn set_overhead(review: &mut Review) -> Effect {
    let Some(class) = runtime_class(review)? else { return Ok(None) };
    let overhead = &class["overhead"];
    let own = &review.object()["spec"]["overhead"];
    if overhead.is_object() && !own.is_null() && resources::read(own) != resources::read(&overhead["podFixed"]) {
        return Err(review.forbidden(OVERHEAD_DIFFERS));
    }
    let selector = &class["scheduling"]["nodeSelector"];
    for (key, value) in entries(selector) {
        let own = &review.object()["spec"]["nodeSelector"][key];
        if own.is_string() && own != value {
            let (value, own) = (value.as_str().unwrap_or_default(), own.as_str().unwrap_or_default());
            let of_class = format!("runtimeClass.scheduling.nodeSelector[{key}] = {value}");
            return Err(review.forbidden(&format!("conflict: {of_class}; pod.spec.nodeSelector[{key}] = {own}")));
        }
    }
    let Some(pod) = &mut review.object else { return Ok(None) };
    let spec = inner(pod, "spec");
    if overhead.is_object() {
        spec["overhead"] = overhead["podFixed"].clone();
    }
    for (key, value) in entries(selector) {
        inner(spec, "nodeSelector")[key] = value.clone();
    }
    let tolerations = list(&class["scheduling"], "tolerations");
    for toleration in tolerations {
        let own = list_mut(spec, "tolerations");
        if !own.contains(toleration) {
            own.push(toleration.clone());
        }
    }
    let is_changed = overhead.is_object() || selector.is_object() || !tolerations.is_empty();
    Ok(is_changed.then(|| format!("as runtime class {} says", name(&class))))
}

pub(super) fn check_overhead(review: &Review, _: &mut Outcome) -> Effect {
    if !review.is_whole("", "pods") {
        return Ok(None);
    }
    let class = runtime_class(review)?;
    let own = &review.object()["spec"]["overhead"];
    let of_class = class.as_ref().map_or(&Value::Null, |class| &class["overhead"]);
    if of_class.is_object() {
        if resources::read(own) != resources::read(&of_class["podFixed"]) {
            return Err(review.forbidden(OVERHEAD_DIFFERS));
        }
    } else if !own.is_null() {
        let why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";
        return Err(review.forbidden(why));
    }
    Ok(None)
}

/// A pod that comes to a node learns its zone and region. A binding hands its labels on to the pod.
pub(super) fn copy_topology(review: &mut Review) -> Effect {
    let subresource = &review.attributes.subresource[..];
    if !review.is("", "pods") || !["", "binding"].contains(&subresource) {
        return Ok(None);
    }
    let object = review.object();
    let node = match subresource {
        "" => text(&object["spec"], "nodeName"),
        _ if text(&object["target"], "kind") == "Node" => text(&object["target"], "name"),
        _ => "",
    };
    let Some(node) = review.lister.get("", "nodes", "", node) else { return Ok(None) };
    let topology = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"];
    let labels = entries(&node["metadata"]["labels"]).filter(|(key, _)| topology.contains(&&key[..]));
    let labels: Vec<(&String, &Value)> = labels.collect();
    let Some(object) = &mut review.object else { return Ok(None) };
    for (key, value) in &labels {
        inner(inner(object, "metadata"), "labels")[key.as_str()] = (*value).clone();
    }
    Ok((!labels.is_empty()).then(|| format!("labels of node {}", name(&node))))
}

fn runtime_class(review: &Review) -> Result<Option<Arc<Value>>, Status> {
    if !review.is_whole("", "pods") {
        return Ok(None);
    }
    let Some(class) = review.object()["spec"]["runtimeClassName"].as_str() else { return Ok(None) };
    let found = review.lister.get("node.k8s.io", "runtimeclasses", "", class);
    let missing = || review.forbidden(&format!("pod rejected: RuntimeClass {} not found", quote(class)));
    found.ok_or_else(missing).map(Some)
}
