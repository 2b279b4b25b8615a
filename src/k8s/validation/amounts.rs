//! Names of resources that are counted, and amounts of them.
//!
//! Upstream: `pkg/apis/core/helper`, `ValidateResourceQuantityValue`.

use serde_json::Value;

use super::Errors;
use crate::k8s::meta::names;
use crate::k8s::meta::quantity::{Format, Quantity};

/// What a container can ask for.
const OF_CONTAINERS: [&str; 3] = ["cpu", "ephemeral-storage", "memory"];

/// What is counted as a whole in a namespace.
const OF_QUOTAS: [&str; 18] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
];
const SERVICES_LOADBALANCERS: &str = "services.loadbalancers";

pub(super) fn read(value: &Value) -> Option<Quantity> {
    value.as_str().and_then(|text| Quantity::parse(text).ok())
}

/// An amount of a resource: not negative, and whole if it is counted.
pub(super) fn check(errors: &mut Errors, field: &str, name: &str, value: &Value) {
    let Some(amount) = read(value) else { return };
    if amount.cmp_value(&zero()).is_lt() {
        errors.invalid(field, value.clone(), "must be greater than or equal to 0");
    }
    if is_counted(name) && amount.milli_value() % 1000 != 0 {
        errors.invalid(field, value.clone(), "must be an integer");
    }
}

pub(super) fn check_positive(errors: &mut Errors, field: &str, value: &Value) -> bool {
    let is_positive = read(value).is_none_or(|amount| amount.cmp_value(&zero()).is_gt());
    if !is_positive {
        errors.invalid(field, value.clone(), "must be greater than zero");
    }
    is_positive
}

/// A name that stands for itself, or one with a domain.
pub(super) fn check_name(errors: &mut Errors, field: &str, name: &str) -> bool {
    let complaints = names::qualified_name(name);
    if !complaints.is_empty() {
        errors.names(field, name, complaints);
        return false;
    }
    let is_standard = is_hugepages(name)
        || OF_QUOTAS.contains(&name)
        || matches!(name, SERVICES_LOADBALANCERS | "storage")
        || is_quota_hugepages(name);
    if !name.contains('/') && !is_standard && !name.starts_with("count/") {
        errors.invalid(field, name, "must be a standard resource type or fully qualified");
        return false;
    }
    true
}

pub(super) fn check_quota_name(errors: &mut Errors, field: &str, name: &str) {
    let is_known = is_standard_quota(name);
    if check_name(errors, field, name) && !name.contains('/') && !is_known {
        errors.invalid(field, name, "must be a standard resource for quota");
    }
}

pub(super) fn check_container_name(errors: &mut Errors, field: &str, name: &str) {
    check_name(errors, field, name);
    let is_native = !name.contains('/') || name.contains("kubernetes.io/");
    if !name.contains('/') {
        if !OF_CONTAINERS.contains(&name) && !is_hugepages(name) {
            errors.invalid(field, name, "must be a standard resource for containers");
        }
    } else if !is_native && name.starts_with("requests.") {
        errors.invalid(field, name, "doesn't follow extended resource name standard");
    }
}

pub(super) fn is_standard_quota(name: &str) -> bool {
    OF_QUOTAS.contains(&name) || name == SERVICES_LOADBALANCERS || is_hugepages(name) || is_quota_hugepages(name)
}

/// Whether more may be promised than there is.
pub(super) fn allows_overcommit(name: &str) -> bool {
    (!name.contains('/') || name.contains("kubernetes.io/")) && !is_hugepages(name)
}

pub(super) fn zero() -> Quantity {
    Quantity::new(0, Format::DecimalSi)
}

fn is_hugepages(name: &str) -> bool {
    name.starts_with("hugepages-")
}

fn is_quota_hugepages(name: &str) -> bool {
    name.starts_with("requests.hugepages-")
}

fn is_counted(name: &str) -> bool {
    let of_objects = [
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        SERVICES_LOADBALANCERS,
    ];
    let is_extended = name.contains('/') && !name.contains("kubernetes.io/") && !name.starts_with("requests.");
    of_objects.contains(&name) || is_extended
}
