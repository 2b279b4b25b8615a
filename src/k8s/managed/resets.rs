//! The fields that a write does not set, whatever it says: the status on a resource, the rest on its status.
//!
//! Upstream: `GetResetFields` of the strategies in `pkg/registry/**/strategy.go`.

use super::set::Set;

/// Of a built-in resource.
pub fn resets(group: &str, resource: &str, subresource: &str) -> Set {
    let has_status = matches!(
        (group, resource),
        (
            "",
            "namespaces"
                | "nodes"
                | "persistentvolumeclaims"
                | "persistentvolumes"
                | "pods"
                | "replicationcontrollers"
                | "resourcequotas"
                | "services",
        ) | ("apps", "daemonsets" | "deployments" | "replicasets" | "statefulsets")
            | ("autoscaling", "horizontalpodautoscalers")
            | ("batch", "cronjobs" | "jobs")
            | ("networking.k8s.io", "ingresses" | "servicecidrs")
            | ("policy", "poddisruptionbudgets")
            | ("certificates.k8s.io", "certificatesigningrequests")
            | ("admissionregistration.k8s.io", "validatingadmissionpolicies")
            | ("apiextensions.k8s.io", "customresourcedefinitions")
            | ("apiregistration.k8s.io", "apiservices")
            | ("flowcontrol.apiserver.k8s.io", "flowschemas" | "prioritylevelconfigurations")
            | ("resource.k8s.io", "resourceclaims")
    );
    match (group, resource, subresource) {
        _ if !has_status => Set::default(),
        ("certificates.k8s.io", _, "") => Set::of_fields(&[&["status"], &["spec"]]),
        ("certificates.k8s.io", _, "status") => Set::of_fields(&[&["spec"], &["status", "conditions"]]),
        ("certificates.k8s.io", _, "approval") => Set::of_fields(&[&["spec"], &["status", "certificate"]]),
        (_, _, "") => Set::of_fields(&[&["status"]]),
        ("", "pods", "status") => {
            Set::of_fields(&[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]])
        }
        ("apps", "deployments", "status") => Set::of_fields(&[&["spec"], &["metadata", "labels"]]),
        ("apiextensions.k8s.io" | "admissionregistration.k8s.io", _, "status")
        | ("flowcontrol.apiserver.k8s.io" | "apiregistration.k8s.io", _, "status") => {
            Set::of_fields(&[&["spec"], &["metadata"]])
        }
        (_, _, "status") => Set::of_fields(&[&["spec"]]),
        _ => Set::default(),
    }
}

/// Of a custom resource, whose status may or may not be a subresource.
pub fn custom_resets(has_status: bool, subresource: &str) -> Set {
    match (has_status, subresource) {
        (true, "") => Set::of_fields(&[&["status"]]),
        (true, "status") => Set::of_fields(&[&["metadata"], &["spec"]]),
        _ => Set::default(),
    }
}
