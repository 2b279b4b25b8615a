//! What may be said of an object by its subresource `status`.
//!
//! Upstream: the `Validate…StatusUpdate` of `pkg/apis/*/validation`.
//!
//! Simplified: of jobs only the numbers are checked, not how conditions may follow each other.

use serde_json::Value;

use super::{Errors, addresses, indexed, pod_updates, text};
use crate::k8s::meta::names;

/// Numbers that count something.
const COUNTS: [(&str, &[&str]); 8] = [
    (
        "Deployment",
        &[
            "observedGeneration",
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
            "unavailableReplicas",
        ],
    ),
    ("ReplicaSet", &["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"]),
    (
        "ReplicationController",
        &["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"],
    ),
    (
        "StatefulSet",
        &["replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas", "observedGeneration"],
    ),
    (
        "DaemonSet",
        &[
            "currentNumberScheduled",
            "numberMisscheduled",
            "desiredNumberScheduled",
            "numberReady",
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
        ],
    ),
    ("Job", &["active", "succeeded", "failed", "ready", "terminating"]),
    ("PodDisruptionBudget", &["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"]),
    ("HorizontalPodAutoscaler", &["currentReplicas", "desiredReplicas"]),
];

/// Whether a kind has rules of its own for its status. The others are checked as a whole.
pub(super) fn has_rules(kind: &str) -> bool {
    let others = ["Pod", "Namespace", "Service", "Ingress", "CronJob", "ResourceQuota"];
    others.contains(&kind) || COUNTS.iter().any(|(own, _)| *own == kind)
}

pub(super) fn check(errors: &mut Errors, kind: &str, object: &Value, old: &Value) {
    let (status, known) = (&object["status"], &old["status"]);
    for name in COUNTS.iter().filter(|(own, _)| *own == kind).flat_map(|(_, names)| *names) {
        errors.not_negative(&format!("status.{name}"), &status[*name]);
    }
    match kind {
        "Pod" => pod_updates::check_status(errors, object, old),
        "Namespace" => check_namespace(errors, object),
        "Service" => {
            let has_balancer = text(&object["spec"], "type") == "LoadBalancer";
            if !has_balancer && !status["loadBalancer"]["ingress"].is_null() {
                let detail = "may only be used when `spec.type` is 'LoadBalancer'";
                return errors.forbidden("status.loadBalancer.ingress", detail);
            }
            check_balancer(errors, status, has_balancer);
        }
        "Ingress" => check_balancer(errors, status, false),
        _ => check_replicas(errors, kind, status, known),
    }
}

/// Parts of a number are no greater than it.
fn check_replicas(errors: &mut Errors, kind: &str, status: &Value, known: &Value) {
    let count = |name: &str| status[name].as_i64().unwrap_or_default();
    let parts: &[&str] = match kind {
        "Deployment" => &["updatedReplicas", "readyReplicas", "availableReplicas"],
        "ReplicaSet" | "ReplicationController" => &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"],
        "StatefulSet" => &["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"],
        _ => &[],
    };
    for name in parts.iter().filter(|name| count(name) > count("replicas")) {
        errors.invalid(&format!("status.{name}"), count(name), "cannot be greater than status.replicas");
    }
    if !parts.is_empty() && count("availableReplicas") > count("readyReplicas") {
        let whole = if kind == "StatefulSet" { "status.readyReplicas" } else { "readyReplicas" };
        let detail = format!("cannot be greater than {whole}");
        errors.invalid("status.availableReplicas", count("availableReplicas"), &detail);
    }
    if matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet") {
        errors.not_negative("status.collisionCount", &status["collisionCount"]);
        let before = known["collisionCount"].as_i64().unwrap_or_default();
        if count("collisionCount") < before {
            errors.invalid("status.collisionCount", count("collisionCount"), "cannot be decremented");
        }
    }
}

fn check_namespace(errors: &mut Errors, namespace: &Value) {
    let phase = text(&namespace["status"], "phase");
    let (wanted, how) = match namespace["metadata"]["deletionTimestamp"].is_null() {
        true => ("Active", "empty"),
        false => ("Terminating", "not empty"),
    };
    if phase != wanted {
        let detail = format!("may only be '{wanted}' if `deletionTimestamp` is {how}");
        errors.invalid("status.Phase", phase, &detail);
    }
}

/// Where a load balancer is reached.
fn check_balancer(errors: &mut Errors, status: &Value, has_modes: bool) {
    for (field, ingress) in indexed(&status["loadBalancer"]["ingress"], "status.loadBalancer.ingress") {
        let at = |name: &str| format!("{field}.{name}");
        let (address, host) = (text(ingress, "ip"), text(ingress, "hostname"));
        if !address.is_empty() {
            addresses::check(errors, &at("ip"), address);
        }
        match (has_modes, text(ingress, "ipMode")) {
            (true, "") if !address.is_empty() => {
                errors.required_because(&at("ipMode"), "must be specified when `ip` is set");
            }
            (true, mode) if !mode.is_empty() && address.is_empty() => {
                errors.forbidden(&at("ipMode"), "may not be specified when `ip` is not set");
            }
            (true, mode) if !mode.is_empty() => errors.supported(&at("ipMode"), mode, &["Proxy", "VIP"]),
            _ => {}
        }
        if !host.is_empty() {
            errors.names(&at("hostname"), host, names::dns1123_subdomain(host));
            if host.parse::<std::net::IpAddr>().is_ok() {
                errors.invalid(&at("hostname"), host, "must be a DNS name, not an IP address");
            }
        }
    }
}
