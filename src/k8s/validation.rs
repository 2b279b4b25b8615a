//! What an API server refuses: objects that break the rules of their kind, in upstream's words.
//!
//! Upstream: `k8s.io/apimachinery/pkg/api/validation` and `pkg/apis/*/validation`. Checked are the metadata of all kinds and the
//! specs of those named below. Objects are in the form of their types, filled in and prepared by their strategies.
//!
//! Simplified: rules of rare fields (node affinity, volumes of particular makers, security contexts) are not checked, and of
//! priority and fairness, of drivers of storage and of devices only the metadata.

mod addresses;
mod admission;
mod amounts;
mod certificates;
mod cluster;
mod core;
mod cron;
mod extensions;
mod metadata;
mod networking;
mod pod_updates;
mod pods;
mod rbac;
mod scaling;
mod services;
mod status;
mod storage;
#[cfg(test)]
mod tests;
mod workloads;

use serde_json::{Map, Value};

use super::custom;
use super::meta::names;
use super::meta::status::{FieldError, FieldErrorKind};
use super::registry::Resource;

pub use services::{needs_address, needs_health_check_port, needs_node_ports};

/// What is wrong with an object that is to be created.
pub fn create(resource: &Resource, object: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::check(&mut errors, resource, object);
    check(&mut errors, resource, object);
    if (resource.group, resource.kind) == ("networking.k8s.io", "Ingress") {
        networking::check_new_ingress(&mut errors, object);
    }
    errors.0
}

/// What is wrong with an object that is to take the place of another.
pub fn update(resource: &Resource, object: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::check_update(&mut errors, object, old);
    check(&mut errors, resource, object);
    check_change(&mut errors, resource, object, old);
    errors.0
}

/// The same of a write to a subresource. Most follow the rules of their kind.
pub fn update_by(resource: &Resource, subresource: &str, object: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    match (resource.group, resource.kind, subresource) {
        ("", "Pod", "binding") => {}
        ("", "Pod", "ephemeralcontainers") => {
            metadata::check_update(&mut errors, object, old);
            pods::check(&mut errors, object);
            pod_updates::check_ephemeral(&mut errors, object, old);
        }
        (_, kind, "status") if status::has_rules(kind) => {
            metadata::check_update(&mut errors, object, old);
            status::check(&mut errors, kind, object, old);
        }
        _ => return update(resource, object, old),
    }
    errors.0
}

/// What is wrong with the metadata of an object of no built-in resource.
pub fn create_metadata(is_namespaced: bool, name_rule: fn(&str) -> Vec<String>, object: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::check_named(&mut errors, is_namespaced, name_rule, object);
    errors.0
}

/// What is wrong with the metadata of such an object that is to take the place of another.
pub fn update_metadata(object: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::check_update(&mut errors, object, old);
    errors.0
}

fn check(errors: &mut Errors, resource: &Resource, object: &Value) {
    match (resource.group, resource.kind) {
        ("", _) => check_core(errors, resource.kind, object),
        ("apps" | "batch", _) => workloads::check(errors, resource.kind, object),
        ("autoscaling", _) => scaling::check_autoscaler(errors, object),
        ("policy", "PodDisruptionBudget") => scaling::check_budget(errors, object),
        ("discovery.k8s.io", _) => services::check_slice(errors, object),
        ("networking.k8s.io", "Ingress") => networking::check_ingress(errors, object),
        ("networking.k8s.io", "IngressClass") => networking::check_class(errors, object),
        ("networking.k8s.io", "NetworkPolicy") => networking::check_policy(errors, object),
        ("networking.k8s.io", "ServiceCIDR") => networking::check_ranges(errors, object),
        ("networking.k8s.io", "IPAddress") => networking::check_address(errors, object),
        ("rbac.authorization.k8s.io", kind) => rbac::check(errors, kind, object),
        ("storage.k8s.io", "StorageClass") => storage::check_class(errors, object),
        ("scheduling.k8s.io", _) => cluster::check_priority_class(errors, object),
        ("node.k8s.io", _) => cluster::check_runtime_class(errors, object),
        ("coordination.k8s.io", _) => cluster::check_lease(errors, object),
        ("events.k8s.io", _) => cluster::check_event(errors, object, true),
        ("certificates.k8s.io", _) => certificates::check(errors, object),
        ("apiextensions.k8s.io", _) => {
            extensions::check_definition(errors, object);
            errors.0.extend(custom::check_schemas(object));
        }
        ("apiregistration.k8s.io", _) => extensions::check_api_service(errors, object),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => admission::check_policy(errors, object),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding") => {
            admission::check_binding(errors, object);
        }
        ("admissionregistration.k8s.io", kind) => {
            admission::check_webhooks(errors, object, kind.starts_with("Mutating"));
        }
        _ => {}
    }
}

fn check_core(errors: &mut Errors, kind: &str, object: &Value) {
    match kind {
        "Pod" => pods::check(errors, object),
        "Service" => services::check(errors, object),
        "Endpoints" => services::check_endpoints(errors, object),
        "ConfigMap" => core::check_config_map(errors, object),
        "Secret" => core::check_secret(errors, object),
        "Namespace" => cluster::check_namespace(errors, object),
        "Node" => cluster::check_node(errors, object),
        "ResourceQuota" => cluster::check_quota(errors, object),
        "LimitRange" => cluster::check_limit_range(errors, object),
        "Event" => cluster::check_event(errors, object, false),
        "PersistentVolume" => storage::check_volume(errors, object),
        "PersistentVolumeClaim" => storage::check_claim(errors, object),
        "ReplicationController" => workloads::check(errors, kind, object),
        _ => {}
    }
}

/// What may not change, and what may change in one direction only.
fn check_change(errors: &mut Errors, resource: &Resource, object: &Value, old: &Value) {
    match (resource.group, resource.kind) {
        ("", "Pod") => pod_updates::check(errors, object, old),
        ("", "ConfigMap" | "Secret") => core::check_configuration_update(errors, object, old),
        ("", "Service") => services::check_update(errors, object, old),
        ("", "Node") => cluster::check_node_update(errors, object, old),
        ("", "ResourceQuota") => cluster::check_quota_update(errors, object, old),
        ("", "PersistentVolume") => storage::check_volume_update(errors, object, old),
        ("", "PersistentVolumeClaim") => storage::check_claim_update(errors, object, old),
        ("apps" | "batch", _) => workloads::check_update(errors, resource.kind, object, old),
        ("discovery.k8s.io", _) => errors.immutable("addressType", &object["addressType"], &old["addressType"]),
        ("networking.k8s.io", "IngressClass") => {
            errors.immutable("spec.controller", &object["spec"]["controller"], &old["spec"]["controller"]);
        }
        ("networking.k8s.io", "IPAddress") => errors.immutable("spec", &object["spec"], &old["spec"]),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => rbac::check_update(errors, object, old),
        ("storage.k8s.io", "StorageClass") => storage::check_class_update(errors, object, old),
        ("scheduling.k8s.io", _) => cluster::check_priority_class_update(errors, object, old),
        ("node.k8s.io", _) => errors.immutable("handler", &object["handler"], &old["handler"]),
        ("apiextensions.k8s.io", _) => extensions::check_definition_update(errors, object, old),
        _ => {}
    }
}

/// Collects what is wrong.
#[derive(Default)]
struct Errors(Vec<FieldError>);

impl Errors {
    fn add(&mut self, field: &str, kind: FieldErrorKind) {
        self.0.push(FieldError::new(field, kind, ""));
    }

    fn required(&mut self, field: &str) {
        self.0.push(FieldError::required(field, ""));
    }

    fn invalid(&mut self, field: &str, value: impl Into<Value>, detail: &str) {
        self.0.push(FieldError::invalid(field, value, detail));
    }

    fn forbidden(&mut self, field: &str, detail: &str) {
        self.0.push(FieldError::forbidden(field, detail));
    }

    /// Every complaint of a check of names.
    fn names(&mut self, field: &str, value: &str, complaints: Vec<String>) {
        complaints.iter().for_each(|complaint| self.invalid(field, value, complaint));
    }

    /// One of these texts; a missing one is required.
    fn one_of(&mut self, field: &str, value: &str, supported: &[&str]) {
        match value {
            "" => self.required(field),
            _ if supported.contains(&value) => {}
            _ => self.0.push(FieldError::not_supported(field, value, supported)),
        }
    }

    fn not_negative(&mut self, field: &str, value: &Value) {
        if let Some(number) = value.as_i64().filter(|number| *number < 0) {
            self.invalid(field, number, "must be greater than or equal to 0");
        }
    }

    fn port(&mut self, field: &str, value: &Value) {
        if let Some(number) = value.as_i64().filter(|number| !(1..=65_535).contains(number)) {
            self.invalid(field, number, "must be between 1 and 65535, inclusive");
        }
    }

    fn immutable(&mut self, field: &str, new: &Value, old: &Value) {
        if new != old {
            self.invalid(field, new.clone(), "field is immutable");
        }
    }

    /// One of these texts, if there is any.
    fn supported(&mut self, field: &str, value: &str, supported: &[&str]) {
        if !supported.contains(&value) {
            self.0.push(FieldError::not_supported(field, value, supported));
        }
    }

    fn required_because(&mut self, field: &str, detail: &str) {
        self.0.push(FieldError::required(field, detail));
    }

    fn duplicate(&mut self, field: &str, value: impl Into<Value>) {
        self.0.push(FieldError::duplicate(field, value));
    }

    /// Every complaint of a check in one.
    fn names_joined(&mut self, field: &str, value: &str, complaints: &[String], prefix: &str) {
        if !complaints.is_empty() {
            self.invalid(field, value, &format!("{prefix}{}", complaints.join(",")));
        }
    }

    /// A name that must be there.
    fn required_name(&mut self, field: &str, value: &str, rule: fn(&str) -> Vec<String>) {
        if value.is_empty() {
            self.required(field);
        } else {
            self.names(field, value, rule(value));
        }
    }

    fn label_selector(&mut self, field: &str, selector: &Value) {
        self.labels(&format!("{field}.matchLabels"), &selector["matchLabels"]);
        for (field, expression) in indexed(&selector["matchExpressions"], &format!("{field}.matchExpressions")) {
            let has_values = expression["values"].as_array().is_some_and(|values| !values.is_empty());
            match (text(expression, "operator"), has_values) {
                ("In" | "NotIn", false) => {
                    let detail = "must be specified when `operator` is 'In' or 'NotIn'";
                    self.required_because(&format!("{field}.values"), detail);
                }
                ("Exists" | "DoesNotExist", true) => {
                    let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                    self.forbidden(&format!("{field}.values"), detail);
                }
                ("In" | "NotIn" | "Exists" | "DoesNotExist", _) => {}
                (operator, _) => self.invalid(&format!("{field}.operator"), operator, "not a valid selector operator"),
            }
            let key = text(expression, "key");
            self.names(&format!("{field}.key"), key, names::qualified_name(key));
        }
    }

    fn labels(&mut self, field: &str, labels: &Value) {
        for (key, value) in entries(labels) {
            self.names(field, key, names::qualified_name(key));
            let value = value.as_str().unwrap_or_default();
            self.names(field, value, names::label_value(value));
        }
    }
}

/// The fields of an object by name; of anything else none.
fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().map(Map::iter).into_iter().flatten()
}

/// The items of a list, with their fields: `spec.containers[0]`.
fn indexed<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = (String, &'a Value)> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().enumerate().map(move |(place, item)| (format!("{field}[{place}]"), item))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Complains of a text that stood before.
fn unique(errors: &mut Errors, seen: &mut Vec<String>, field: &str, value: &str) {
    if seen.iter().any(|known| known == value) {
        errors.add(field, FieldErrorKind::Duplicate(value.into()));
    } else {
        seen.push(value.to_owned());
    }
}
