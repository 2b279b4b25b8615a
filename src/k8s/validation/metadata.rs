//! Metadata, which all objects have.

use serde_json::Value;

use super::{Errors, entries, indexed, text};
use crate::k8s::meta::names;
use crate::k8s::meta::status::FieldErrorKind;
use crate::k8s::registry::Resource;

/// Bytes of all annotations.
const ANNOTATIONS_MAX: usize = 256 << 10;

pub(super) fn check(errors: &mut Errors, resource: &Resource, object: &Value) {
    check_named(errors, resource.is_namespaced, name_rule(resource), object);
}

/// Metadata of an object whose names follow a rule.
pub(super) fn check_named(
    errors: &mut Errors,
    is_namespaced: bool,
    name_rule: fn(&str) -> Vec<String>,
    object: &Value,
) {
    let metadata = &object["metadata"];
    let (name, prefix) = (text(metadata, "name"), text(metadata, "generateName"));
    if !prefix.is_empty() {
        errors.names("metadata.generateName", prefix, name_rule(&without_dash(prefix)));
    }
    if name.is_empty() {
        let detail = "name or generateName is required";
        errors.0.push(super::FieldError::required("metadata.name", detail));
    } else {
        errors.names("metadata.name", name, name_rule(name));
    }
    let namespace = text(metadata, "namespace");
    match (is_namespaced, namespace) {
        (true, "") => errors.required("metadata.namespace"),
        (true, _) => errors.names("metadata.namespace", namespace, names::dns1123_label(namespace)),
        (false, "") => {}
        (false, _) => errors.forbidden("metadata.namespace", "not allowed on this type"),
    }
    errors.not_negative("metadata.generation", &metadata["generation"]);
    check_parts(errors, metadata);
    check_finalizers(errors, metadata);
}

pub(super) fn check_update(errors: &mut Errors, object: &Value, old: &Value) {
    let (new, old) = (&object["metadata"], &old["metadata"]);
    if !old["deletionTimestamp"].is_null() {
        check_no_new_finalizers(errors, new, old);
    }
    if text(new, "resourceVersion").is_empty() {
        errors.invalid("metadata.resourceVersion", text(new, "resourceVersion"), "must be specified for an update");
    }
    let generation = |metadata: &Value| metadata["generation"].as_i64().unwrap_or_default();
    if generation(new) < generation(old) {
        errors.invalid("metadata.generation", generation(new), "must not be decremented");
    }
    for name in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        errors.immutable(&format!("metadata.{name}"), &new[name], &old[name]);
    }
    check_parts(errors, new);
}

/// What creation and update check alike.
fn check_parts(errors: &mut Errors, metadata: &Value) {
    errors.labels("metadata.labels", &metadata["labels"]);
    let mut size = 0;
    for (key, value) in entries(&metadata["annotations"]) {
        errors.names("metadata.annotations", key, names::qualified_name(&key.to_lowercase()));
        size += key.len() + value.as_str().unwrap_or_default().len();
    }
    if size > ANNOTATIONS_MAX {
        errors.add("metadata.annotations", FieldErrorKind::TooLong(ANNOTATIONS_MAX));
    }
    check_owners(errors, &metadata["ownerReferences"]);
}

fn check_owners(errors: &mut Errors, owners: &Value) {
    let field = "metadata.ownerReferences";
    let mut controller: Option<String> = None;
    for (_, owner) in indexed(owners, field) {
        let part = |name: &str| format!("{field}.{name}");
        if text(owner, "apiVersion").rsplit('/').next().is_none_or(str::is_empty) {
            errors.invalid(&part("apiVersion"), text(owner, "apiVersion"), "version must not be empty");
        }
        for name in ["kind", "name", "uid"].into_iter().filter(|name| text(owner, name).is_empty()) {
            errors.invalid(&part(name), "", "must not be empty");
        }
        if (text(owner, "apiVersion"), text(owner, "kind")) == ("v1", "Event") {
            errors.invalid(field, owner.clone(), "/v1, Kind=Event is disallowed from being an owner");
        }
        if owner["controller"] == true {
            let own = format!("{}/{}", text(owner, "kind"), text(owner, "name"));
            match &controller {
                None => controller = Some(own),
                Some(first) => {
                    let rule = "Only one reference can have Controller set to true.";
                    let found = format!("{rule} Found \"true\" in references for {first} and {own}");
                    errors.invalid(field, owners.clone(), &found);
                }
            }
        }
    }
}

fn check_finalizers(errors: &mut Errors, metadata: &Value) {
    let field = "metadata.finalizers";
    let finalizers = &metadata["finalizers"];
    let texts = || finalizers.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts().for_each(|name| errors.names(field, name, names::qualified_name(name)));
    let has = |name: &str| texts().any(|known| known == name);
    if has("orphan") && has("foregroundDeletion") {
        errors.invalid(field, finalizers.clone(), "finalizer orphan and foregroundDeletion cannot be both set");
    }
}

/// What is being deleted may lose finalizers, but not gain any.
fn check_no_new_finalizers(errors: &mut Errors, new: &Value, old: &Value) {
    let list = |metadata: &Value| metadata["finalizers"].as_array().cloned().unwrap_or_default();
    let known = list(old);
    let mut extra: Vec<String> = list(new).iter().filter(|name| !known.contains(name)).map(Value::to_string).collect();
    extra.sort();
    if !extra.is_empty() {
        let detail = "no new finalizers can be added if the object is being deleted, found new finalizers";
        errors.forbidden("metadata.finalizers", &format!("{detail} []string{{{}}}", extra.join(", ")));
    }
}

/// The rule for names of a resource.
fn name_rule(resource: &Resource) -> fn(&str) -> Vec<String> {
    match (resource.group, resource.name) {
        ("", "namespaces") => names::dns1123_label,
        ("", "services") => names::dns1035_label,
        ("rbac.authorization.k8s.io" | "certificates.k8s.io" | "apiregistration.k8s.io", _) => names::path_segment,
        ("networking.k8s.io", "ipaddresses") => address_name,
        _ => names::dns1123_subdomain,
    }
}

/// An address in its one true form.
fn address_name(name: &str) -> Vec<String> {
    let is_canonical = name.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_string() == name);
    if is_canonical { Vec::new() } else { vec!["must be a valid IP address in canonical form".to_owned()] }
}

/// A prefix may end in a dash, which no name may.
fn without_dash(prefix: &str) -> String {
    match prefix.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => {
            let mut rest = rest.to_owned();
            rest.pop();
            rest + "a"
        }
        _ => prefix.to_owned(),
    }
}
