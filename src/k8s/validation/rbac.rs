//! Roles and who has them.
//!
//! Upstream: `pkg/apis/rbac/validation`.

use serde_json::{Value, json};

use super::{Errors, indexed, text};
use crate::k8s::meta::names;

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) fn check(errors: &mut Errors, kind: &str, object: &Value) {
    match kind {
        "Role" | "ClusterRole" => {
            for (field, rule) in indexed(&object["rules"], "rules") {
                check_rule(errors, &field, rule, kind == "Role");
            }
        }
        _ => check_binding(errors, object, kind == "RoleBinding"),
    }
}

/// Whom a binding names may change, but not what it grants.
pub(super) fn check_update(errors: &mut Errors, object: &Value, old: &Value) {
    if object["roleRef"] != old["roleRef"] {
        let role = &object["roleRef"];
        // The internal type, whose fields have Go's names.
        let shown = json!({"APIGroup": role["apiGroup"], "Kind": role["kind"], "Name": role["name"]});
        errors.invalid("roleRef", shown, "cannot change roleRef");
    }
}

fn check_rule(errors: &mut Errors, field: &str, rule: &Value, is_namespaced: bool) {
    let count = |name: &str| rule[name].as_array().map_or(0, Vec::len);
    let at = |name: &str| format!("{field}.{name}");
    if count("verbs") == 0 {
        errors.required_because(&at("verbs"), "verbs must contain at least one value");
    }
    if count("nonResourceURLs") > 0 {
        let (field, shown) = (at("nonResourceURLs"), &rule["nonResourceURLs"]);
        if is_namespaced {
            errors.invalid(&field, shown.clone(), "namespaced rules cannot apply to non-resource URLs");
        }
        if ["apiGroups", "resources", "resourceNames"].into_iter().any(|name| count(name) > 0) {
            let detail = "rules cannot apply to both regular resources and non-resource URLs";
            errors.invalid(&field, shown.clone(), detail);
        }
        return;
    }
    if count("apiGroups") == 0 {
        errors.required_because(&at("apiGroups"), "resource rules must supply at least one api group");
    }
    if count("resources") == 0 {
        errors.required_because(&at("resources"), "resource rules must supply at least one resource");
    }
    if count("resourceNames") > 0 && count("resources") > 1 {
        errors.required_because(&at("resourceNames"), "resource names cannot apply to multiple resources");
    }
}

fn check_binding(errors: &mut Errors, binding: &Value, is_namespaced: bool) {
    let role = &binding["roleRef"];
    errors.supported("roleRef.apiGroup", text(role, "apiGroup"), &[GROUP]);
    let kinds: &[&str] = if is_namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    errors.supported("roleRef.kind", text(role, "kind"), kinds);
    errors.required_name("roleRef.name", text(role, "name"), names::path_segment);
    for (field, subject) in indexed(&binding["subjects"], "subjects") {
        check_subject(errors, &field, subject, is_namespaced);
    }
}

fn check_subject(errors: &mut Errors, field: &str, subject: &Value, is_namespaced: bool) {
    let at = |name: &str| format!("{field}.{name}");
    let (name, group) = (text(subject, "name"), text(subject, "apiGroup"));
    if name.is_empty() {
        errors.required(&at("name"));
    }
    match text(subject, "kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                errors.names(&at("name"), name, names::dns1123_subdomain(name));
            }
            if !group.is_empty() {
                errors.supported(&at("apiGroup"), group, &[""]);
            }
            if !is_namespaced && text(subject, "namespace").is_empty() {
                errors.required(&at("namespace"));
            }
        }
        kind @ ("User" | "Group") => {
            if name.is_empty() {
                errors.invalid(&at("name"), name, &format!("{} name cannot be empty", kind.to_lowercase()));
            }
            errors.supported(&at("apiGroup"), group, &[GROUP]);
        }
        kind => errors.supported(&at("kind"), kind, &["ServiceAccount", "User", "Group"]),
    }
}
