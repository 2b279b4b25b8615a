//! What an API server refuses: objects that break the rules of their kind, in upstream's words.
//!
//! Upstream: `k8s.io/apimachinery/pkg/api/validation` and `pkg/apis/*/validation`. Checked are the metadata of all kinds, and
//! pods, their controllers, services, configuration and namespaces beyond that; of other kinds only what `required` says.
//! Objects are in the form of their types and filled in.
//!
//! Simplified: rules of rare fields (node affinity, volumes of particular makers, security contexts) are not checked.

mod core;
mod metadata;
mod pods;
#[cfg(test)]
mod tests;
mod workloads;

use serde_json::{Map, Value};

use super::meta::names;
use super::meta::status::{FieldError, FieldErrorKind};
use super::registry::Resource;

/// What is wrong with an object that is to be created.
pub fn create(resource: &Resource, object: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::check(&mut errors, resource, object);
    check(&mut errors, resource, object);
    errors.0
}

/// What is wrong with an object that is to take the place of another.
pub fn update(resource: &Resource, object: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::check_update(&mut errors, object, old);
    check(&mut errors, resource, object);
    match (resource.group, resource.kind) {
        ("", "Pod") => pods::check_update(&mut errors, object, old),
        ("", "ConfigMap" | "Secret") => core::check_configuration_update(&mut errors, object, old),
        ("", "Service") => core::check_service_update(&mut errors, object, old),
        ("apps" | "batch", _) => workloads::check_update(&mut errors, resource.kind, object, old),
        _ => {}
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
        ("", "Pod") => pods::check(errors, object),
        ("", "Service") => core::check_service(errors, object),
        ("", "ConfigMap") => core::check_config_map(errors, object),
        ("", "Secret") => core::check_secret(errors, object),
        ("", "ReplicationController") | ("apps" | "batch", _) => workloads::check(errors, resource.kind, object),
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
