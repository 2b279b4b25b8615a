//! What may change of a pod: little of its spec, and by subresources ephemeral containers and the status.
//!
//! Upstream: `ValidatePodUpdate`, `ValidatePodEphemeralContainersUpdate`, `ValidatePodStatusUpdate`.

use serde_json::Value;

use super::{Errors, addresses, indexed, text, unique};
use crate::k8s::meta::names;

/// Simplified: upstream adds the difference, in a form that no two versions share.
pub(super) fn check(errors: &mut Errors, pod: &Value, old: &Value) {
    let (new, old) = (&pod["spec"], &old["spec"]);
    for list in ["containers", "initContainers"] {
        let count = |spec: &Value| spec[list].as_array().map_or(0, Vec::len);
        if count(new) != count(old) {
            return errors.forbidden(&format!("spec.{list}"), "pod updates may not add or remove containers");
        }
    }
    if !check_deadline(errors, &new["activeDeadlineSeconds"], &old["activeDeadlineSeconds"]) {
        return;
    }
    check_tolerations(errors, &new["tolerations"], &old["tolerations"]);
    let gates = |spec: &Value| spec["schedulingGates"].as_array().cloned().unwrap_or_default();
    let known = gates(old);
    for (field, gate) in indexed(&new["schedulingGates"], "spec.schedulingGates") {
        if !known.contains(gate) {
            let detail = format!("only deletion is allowed, but found new scheduling gate '{}'", text(gate, "name"));
            errors.forbidden(&format!("{field}.name"), &detail);
        }
    }
    if !known.is_empty() {
        check_gated(errors, new, old);
    }
    if fixed(new, old, !known.is_empty()) != fixed(old, old, !known.is_empty()) {
        let fields = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
            `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
            `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
        errors.forbidden("spec", fields);
    }
}

/// It may only become shorter. Says whether the rest is worth a look.
fn check_deadline(errors: &mut Errors, new: &Value, old: &Value) -> bool {
    let field = "spec.activeDeadlineSeconds";
    match (new.as_i64(), old.as_i64()) {
        (None, Some(_)) => {
            errors.invalid(field, Value::Null, "must not update from a positive integer to nil value");
            false
        }
        (Some(seconds), Some(known)) if seconds > known => {
            errors.invalid(field, seconds, "must be less than or equal to previous value");
            false
        }
        _ => true,
    }
}

fn check_tolerations(errors: &mut Errors, new: &Value, old: &Value) {
    let plain = |list: &Value| {
        let mut list = list.as_array().cloned().unwrap_or_default();
        for toleration in list.iter_mut().filter_map(Value::as_object_mut) {
            toleration.shift_remove("tolerationSeconds");
        }
        list
    };
    let new = plain(new);
    if plain(old).iter().any(|toleration| !new.contains(toleration)) {
        errors.forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds");
    }
}

/// A pod that nobody schedules yet may still learn more about where it is to go.
fn check_gated(errors: &mut Errors, new: &Value, old: &Value) {
    let labels = |spec: &Value| spec["nodeSelector"].as_object().cloned().unwrap_or_default();
    let chosen = labels(new);
    if labels(old).iter().any(|(key, value)| chosen.get(key) != Some(value)) {
        let detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
        errors.invalid("spec.nodeSelector", new["nodeSelector"].clone(), detail);
    }
    let terms = |spec: &Value| {
        let path = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
        spec.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let (asked, known) = (terms(new), terms(old));
    let field = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    if known.is_empty() {
        return;
    }
    if asked.len() != known.len() {
        let detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        return errors.invalid(field, asked, detail);
    }
    for (place, (term, before)) in asked.iter().zip(&known).enumerate() {
        if !only_adds(term, before) {
            let detail = "only additions are allowed (no mutations or deletions)";
            errors.invalid(&format!("{field}[{place}]"), term.clone(), detail);
        }
    }
}

/// A term without requirements chooses nothing, and goes on doing so.
fn only_adds(term: &Value, old: &Value) -> bool {
    let list = |term: &Value, name: &str| term[name].as_array().cloned().unwrap_or_default();
    let names = ["matchExpressions", "matchFields"];
    if names.iter().all(|name| list(old, name).is_empty()) {
        return names.iter().all(|name| list(term, name).is_empty());
    }
    names.iter().all(|name| {
        let new = list(term, name);
        list(old, name).iter().all(|requirement| new.contains(requirement))
    })
}

/// The spec without what may change.
fn fixed(spec: &Value, old: &Value, is_gated: bool) -> Value {
    let mut spec = spec.clone();
    for list in ["containers", "initContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
            container.shift_remove("image");
        }
    }
    let Some(fields) = spec.as_object_mut() else { return spec };
    for name in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
        fields.shift_remove(name);
    }
    let period = "terminationGracePeriodSeconds";
    if old[period].as_i64().is_some_and(|seconds| seconds < 0) && fields.get(period).is_some_and(|own| own == 1) {
        fields.insert(period.to_owned(), old[period].clone());
    }
    if is_gated {
        fields.shift_remove("nodeSelector");
        if let Some(Value::Object(affinity)) = fields.get_mut("affinity") {
            affinity.shift_remove("nodeAffinity");
            if affinity.is_empty() {
                fields.shift_remove("affinity");
            }
        }
    }
    spec
}

/// Containers for looking around come, and stay as they are.
pub(super) fn check_ephemeral(errors: &mut Errors, pod: &Value, old: &Value) {
    if pod["metadata"]["annotations"].get("kubernetes.io/config.mirror").is_some() {
        return errors.forbidden("", "static pods do not support ephemeral containers");
    }
    let list = |pod: &Value| pod["spec"]["ephemeralContainers"].as_array().cloned().unwrap_or_default();
    let (new, field) = (list(pod), "spec.ephemeralContainers");
    for container in list(old) {
        let name = text(&container, "name");
        match new.iter().find(|own| text(own, "name") == name) {
            None => errors.forbidden(field, &format!("existing ephemeral containers \"{name}\" may not be removed\n")),
            Some(own) if *own != container => {
                errors.forbidden(field, &format!("existing ephemeral containers \"{name}\" may not be changed\n"));
            }
            Some(_) => {}
        }
    }
}

pub(super) fn check_status(errors: &mut Errors, pod: &Value, old: &Value) {
    let (status, known) = (&pod["status"], &old["status"]);
    for (field, condition) in indexed(&status["conditions"], "metadata.conditions") {
        let kind = text(condition, "type");
        if !matches!(kind, "PodScheduled" | "Ready" | "Initialized") {
            errors.names(&format!("{field}.Type"), kind, names::qualified_name(kind));
        }
    }
    if pod["spec"]["nodeName"] != old["spec"]["nodeName"] {
        errors.forbidden("status.nodeName", "may not be changed directly");
    }
    let nominated = text(status, "nominatedNodeName");
    if !nominated.is_empty() && nominated != text(known, "nominatedNodeName") {
        errors.names("status.nominatedNodeName", nominated, names::dns1123_subdomain(nominated));
    }
    errors.immutable("status.qosClass", &status["qosClass"], &known["qosClass"]);
    for list in ["containerStatuses", "initContainerStatuses"] {
        check_transitions(errors, list, pod, old);
    }
    for list in ["podIPs", "hostIPs"] {
        let mut seen = Vec::new();
        for (field, address) in indexed(&status[list], &format!("status.{list}")) {
            let address = text(address, "ip");
            if addresses::check(errors, &field, address) {
                unique(errors, &mut seen, &field, address);
            }
        }
    }
}

/// What has ended and shall not start again has ended.
fn check_transitions(errors: &mut Errors, list: &str, pod: &Value, old: &Value) {
    let policy = text(&old["spec"], "restartPolicy");
    let containers = if list == "containerStatuses" { "containers" } else { "initContainers" };
    for (field, before) in indexed(&old["status"][list], &format!("status.{list}")) {
        let (end, name) = (&before["state"]["terminated"], text(before, "name"));
        let has_failed = end["exitCode"].as_i64().is_some_and(|code| code != 0);
        let own = old["spec"][containers].as_array().into_iter().flatten().find(|own| text(own, "name") == name);
        let is_sidecar = own.is_some_and(|own| text(own, "restartPolicy") == "Always");
        if end.is_null() || policy == "Always" || is_sidecar || has_failed && policy == "OnFailure" {
            continue;
        }
        let mut now = pod["status"][list].as_array().into_iter().flatten();
        if now.any(|own| text(own, "name") == name && own["state"]["terminated"].is_null()) {
            errors.forbidden(&format!("{field}.state"), "may not be transitioned to non-terminated state");
        }
    }
}
