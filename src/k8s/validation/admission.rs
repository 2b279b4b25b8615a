//! Webhooks, and policies of admission.
//!
//! Upstream: `pkg/apis/admissionregistration/validation`. Whether an expression compiles is judged where expressions are.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Errors, indexed, text, unique};
use crate::k8s::meta::names;
use crate::k8s::meta::status::FieldErrorKind;

const FAILURE_POLICIES: [&str; 2] = ["Fail", "Ignore"];
const MATCH_POLICIES: [&str; 2] = ["Equivalent", "Exact"];
const CONDITIONS_MAX: usize = 64;
const AUDIT_ANNOTATIONS_MAX: usize = 20;

pub(super) fn check_webhooks(errors: &mut Errors, object: &Value, is_mutating: bool) {
    let mut seen = Vec::new();
    for (field, hook) in indexed(&object["webhooks"], "webhooks") {
        let at = |name: &str| format!("{field}.{name}");
        check_full_name(errors, &at("name"), text(hook, "name"));
        for (field, rule) in indexed(&hook["rules"], &at("rules")) {
            check_operations(errors, &field, rule);
        }
        for (name, known) in [("failurePolicy", FAILURE_POLICIES), ("matchPolicy", MATCH_POLICIES)] {
            if let Some(policy) = hook[name].as_str() {
                errors.supported(&at(name), policy, &known);
            }
        }
        match hook["sideEffects"].as_str() {
            None => errors.required_because(&at("sideEffects"), "must specify one of None, NoneOnDryRun"),
            Some(effects) => errors.supported(&at("sideEffects"), effects, &["None", "NoneOnDryRun"]),
        }
        if let Some(seconds) = hook["timeoutSeconds"].as_i64().filter(|seconds| !(1..=30).contains(seconds)) {
            errors.invalid(&at("timeoutSeconds"), seconds, "the timeout value must be between 1 and 30 seconds");
        }
        for name in ["namespaceSelector", "objectSelector"] {
            errors.label_selector(&at(name), &hook[name]);
        }
        if let Some(policy) = hook["reinvocationPolicy"].as_str().filter(|_| is_mutating) {
            errors.supported(&at("reinvocationPolicy"), policy, &["IfNeeded", "Never"]);
        }
        check_client(errors, &at("clientConfig"), &hook["clientConfig"]);
        check_conditions(errors, &at("matchConditions"), &hook["matchConditions"]);
        check_review_versions(errors, &at("admissionReviewVersions"), &hook["admissionReviewVersions"]);
        if !text(hook, "name").is_empty() {
            unique(errors, &mut seen, &at("name"), text(hook, "name"));
        }
    }
}

/// At least three parts: `hook.example.com`.
fn check_full_name(errors: &mut Errors, field: &str, name: &str) {
    if name.is_empty() {
        return errors.required(field);
    }
    let complaints = names::dns1123_subdomain(name);
    if !complaints.is_empty() {
        errors.names_joined(field, name, &complaints, "");
    } else if name.split('.').count() < 3 {
        errors.invalid(field, name, "should be a domain with at least three segments separated by dots");
    }
}

fn check_client(errors: &mut Errors, field: &str, client: &Value) {
    let (url, service) = (&client["url"], &client["service"]);
    if url.is_null() == service.is_null() {
        return errors.required_because(field, "exactly one of url or service is required");
    }
    if let Some(url) = url.as_str() {
        let at = format!("{field}.url");
        let form = "url must be of form `https://host:port/path`";
        match url.split_once("://") {
            Some(("https", rest)) if !rest.is_empty() && !rest.starts_with('/') => {}
            Some(("https", _)) => errors.invalid(&at, "", &format!("host must be specified; {form}")),
            Some((scheme, _)) => {
                errors.invalid(&at, scheme, &format!("'https' is the only allowed URL scheme; {form}"));
            }
            None => errors.invalid(&at, "", &format!("'https' is the only allowed URL scheme; {form}")),
        }
        return;
    }
    for (name, what) in [("name", "service name"), ("namespace", "service namespace")] {
        if text(service, name).is_empty() {
            errors.required_because(&format!("{field}.service.{name}"), &format!("{what} is required"));
        }
    }
    if !service["port"].is_null() {
        let (port, at) = (service["port"].as_i64().unwrap_or(0), format!("{field}.service.port"));
        if !(1..=65_535).contains(&port) {
            errors.invalid(&at, port, "port is not valid: must be between 1 and 65535, inclusive");
        }
    }
    if let Some(path) = service["path"].as_str().filter(|path| !path.starts_with('/')) {
        errors.invalid(&format!("{field}.service.path"), path, "must start with a '/'");
    }
}

fn check_review_versions(errors: &mut Errors, field: &str, versions: &Value) {
    let own: Vec<&str> = indexed(versions, "").filter_map(|(_, version)| version.as_str()).collect();
    if own.is_empty() {
        return errors.required_because(field, "must specify one of v1, v1beta1");
    }
    let mut seen = BTreeSet::new();
    for (place, version) in own.iter().enumerate() {
        let at = format!("{field}[{place}]");
        if !seen.insert(version) {
            errors.invalid(&at, *version, "duplicate version");
            continue;
        }
        errors.names(&at, version, names::dns1035_label(version));
    }
    if !own.iter().any(|version| matches!(*version, "v1" | "v1beta1")) {
        errors.invalid(field, versions.clone(), "must include at least one of v1, v1beta1");
    }
}

fn check_conditions(errors: &mut Errors, field: &str, conditions: &Value) {
    let count = conditions.as_array().map_or(0, Vec::len);
    if count > CONDITIONS_MAX {
        errors.add(field, FieldErrorKind::TooMany(count, CONDITIONS_MAX));
    }
    let mut seen = Vec::new();
    for (field, condition) in indexed(conditions, field) {
        if text(condition, "expression").trim().is_empty() {
            errors.required(&format!("{field}.expression"));
        }
        let (name, at) = (text(condition, "name"), format!("{field}.name"));
        errors.required_name(&at, name, names::qualified_name);
        if !name.is_empty() {
            unique(errors, &mut seen, &at, name);
        }
    }
}

fn check_operations(errors: &mut Errors, field: &str, rule: &Value) {
    let at = |name: &str| format!("{field}.{name}");
    let list = |name: &str| -> Vec<&str> {
        indexed(&rule[name], "").map(|(_, item)| item.as_str().unwrap_or_default()).collect()
    };
    let operations = list("operations");
    if operations.is_empty() {
        errors.required(&at("operations"));
    }
    if operations.len() > 1 && operations.contains(&"*") {
        let detail = "if '*' is present, must not specify other operations";
        errors.invalid(&at("operations"), rule["operations"].clone(), detail);
    }
    for (place, operation) in operations.iter().enumerate() {
        let known = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
        errors.supported(&format!("{field}.operations[{place}]"), operation, &known);
    }
    for (name, what) in [("apiGroups", "API groups"), ("apiVersions", "API versions")] {
        let own = list(name);
        if own.is_empty() {
            errors.required(&at(name));
        }
        if own.len() > 1 && own.contains(&"*") {
            let detail = format!("if '*' is present, must not specify other {what}");
            errors.invalid(&at(name), rule[name].clone(), &detail);
        }
    }
    for (place, _) in list("apiVersions").iter().enumerate().filter(|(_, version)| version.is_empty()) {
        errors.required(&format!("{field}.apiVersions[{place}]"));
    }
    check_resources(errors, &at("resources"), &rule["resources"]);
    if let Some(scope) = rule["scope"].as_str() {
        errors.supported(&at("scope"), scope, &["*", "Cluster", "Namespaced"]);
    }
}

fn check_resources(errors: &mut Errors, field: &str, resources: &Value) {
    let own: Vec<&str> = indexed(resources, "").map(|(_, item)| item.as_str().unwrap_or_default()).collect();
    if own.is_empty() {
        errors.required(field);
    }
    let (mut whole, mut everywhere) = (BTreeSet::new(), BTreeSet::new());
    for (place, name) in own.iter().enumerate() {
        let at = format!("{field}[{place}]");
        if name.is_empty() {
            errors.required(&at);
        }
        let Some((resource, sub)) = name.split_once('/') else { continue };
        if whole.contains(resource) {
            errors.invalid(&at, *name, &format!("if '{resource}/*' is present, must not specify {name}"));
        }
        if everywhere.contains(sub) {
            errors.invalid(&at, *name, &format!("if '*/{sub}' is present, must not specify {name}"));
        }
        if sub == "*" {
            whole.insert(resource);
        }
        if resource == "*" {
            everywhere.insert(sub);
        }
    }
    if own.len() > 1 && own.contains(&"*/*") {
        errors.invalid(field, resources.clone(), "if '*/*' is present, must not specify other resources");
    }
    // The last one that names no subresource decides.
    let last = own.iter().rfind(|name| !name.contains('/') && !name.is_empty());
    if own.contains(&"*") && last.is_some_and(|name| *name != "*") {
        let detail = "if '*' is present, must not specify other resources without subresources";
        errors.invalid(field, resources.clone(), detail);
    }
}

pub(super) fn check_policy(errors: &mut Errors, policy: &Value) {
    let spec = &policy["spec"];
    errors.one_of("spec.failurePolicy", text(spec, "failurePolicy"), &FAILURE_POLICIES);
    if !spec["paramKind"].is_null() {
        check_param_kind(errors, &spec["paramKind"]);
    }
    let matched = &spec["matchConstraints"];
    if matched.is_null() {
        errors.required("spec.matchConstraints");
    } else {
        check_match(errors, "spec.matchConstraints", matched);
        if matched["resourceRules"].as_array().is_none_or(Vec::is_empty) {
            errors.required("spec.matchConstraints.resourceRules");
        }
    }
    check_conditions(errors, "spec.matchConditions", &spec["matchConditions"]);
    for (field, variable) in indexed(&spec["variables"], "spec.variables") {
        if text(variable, "name").trim().is_empty() {
            errors.required_because(&format!("{field}.name"), "name is not specified");
        }
        if text(variable, "expression").trim().is_empty() {
            errors.required_because(&format!("{field}.expression"), "expression is not specified");
        }
    }
    let count = |name: &str| spec[name].as_array().map_or(0, Vec::len);
    if count("validations") == 0 && count("auditAnnotations") == 0 {
        for name in ["validations", "auditAnnotations"] {
            let detail = "validations or auditAnnotations must contain at least one item";
            errors.required_because(&format!("spec.{name}"), detail);
        }
    }
    for (field, validation) in indexed(&spec["validations"], "spec.validations") {
        check_validation(errors, &field, validation);
    }
    check_audit(errors, &spec["auditAnnotations"]);
}

fn check_validation(errors: &mut Errors, field: &str, validation: &Value) {
    if text(validation, "expression").trim().is_empty() {
        errors.required_because(&format!("{field}.expression"), "expression is not specified");
    }
    let (message, trimmed) = (text(validation, "message"), text(validation, "message").trim());
    if !message.is_empty() && trimmed.is_empty() {
        let detail = "message must be non-empty if specified";
        errors.invalid(&format!("{field}.message"), message, detail);
    } else if trimmed.contains('\n') {
        errors.invalid(&format!("{field}.message"), message, "message must not contain line breaks");
    }
    if let Some(reason) = validation["reason"].as_str() {
        let known = ["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"];
        errors.supported(&format!("{field}.reason"), reason, &known);
    }
}

fn check_audit(errors: &mut Errors, annotations: &Value) {
    let (field, mut seen) = ("spec.auditAnnotations", Vec::new());
    if annotations.as_array().is_some_and(|list| list.len() > AUDIT_ANNOTATIONS_MAX) {
        let detail = format!("must not have more than {AUDIT_ANNOTATIONS_MAX} auditAnnotations");
        errors.invalid(field, annotations.clone(), &detail);
    }
    for (field, annotation) in indexed(annotations, field) {
        let (key, at) = (text(annotation, "key"), format!("{field}.key"));
        if key.is_empty() {
            errors.required_because(&at, "key is not specified");
        } else {
            unique(errors, &mut seen, &at, key);
        }
        if text(annotation, "valueExpression").trim().is_empty() {
            errors.required_because(&format!("{field}.valueExpression"), "valueExpression is not specified");
        }
    }
}

fn check_param_kind(errors: &mut Errors, kind: &Value) {
    let (version, field) = (text(kind, "apiVersion"), "spec.paramKind.apiVersion");
    if version.is_empty() {
        errors.required(field);
    } else if version.matches('/').count() > 1 {
        errors.invalid(field, version, &format!("unexpected GroupVersion string: {version}"));
    } else {
        let (group, own) = version.split_once('/').unwrap_or(("", version));
        if !group.is_empty() {
            errors.names_joined(field, group, &names::dns1123_subdomain(group), "");
        }
        if own.is_empty() {
            errors.invalid(field, version, "version must be specified");
        } else {
            errors.names_joined(field, own, &names::dns1035_label(own), "");
        }
    }
    let name = text(kind, "kind");
    if name.is_empty() {
        errors.required("spec.paramKind.kind");
    } else {
        let prefix = "may have mixed case, but should otherwise match: ";
        let complaints = names::dns1035_label(&name.to_lowercase());
        errors.names_joined("spec.paramKind.kind", name, &complaints, prefix);
    }
}

fn check_match(errors: &mut Errors, field: &str, matched: &Value) {
    errors.one_of(&format!("{field}.matchPolicy"), text(matched, "matchPolicy"), &MATCH_POLICIES);
    for name in ["namespaceSelector", "objectSelector"] {
        if matched[name].is_null() {
            errors.required(&format!("{field}.{name}"));
        } else {
            errors.label_selector(&format!("{field}.{name}"), &matched[name]);
        }
    }
    for list in ["resourceRules", "excludeResourceRules"] {
        for (field, rule) in indexed(&matched[list], &format!("{field}.{list}")) {
            let mut seen = Vec::new();
            for (field, name) in indexed(&rule["resourceNames"], &format!("{field}.resourceNames")) {
                let name = name.as_str().unwrap_or_default();
                errors.names(&field, name, names::path_segment(name));
                unique(errors, &mut seen, &field, name);
            }
            check_operations(errors, &field, rule);
        }
    }
}

pub(super) fn check_binding(errors: &mut Errors, binding: &Value) {
    let spec = &binding["spec"];
    errors.required_name("spec.policyName", text(spec, "policyName"), names::dns1123_subdomain);
    let reference = &spec["paramRef"];
    if !reference.is_null() {
        let (has_name, has_selector) = (!text(reference, "name").is_empty(), !reference["selector"].is_null());
        if has_name == has_selector {
            let detail = if has_name {
                "name and selector are mutually exclusive"
            } else {
                "one of name or selector must be specified"
            };
            match has_name {
                true => errors.forbidden("spec.paramRef.name", detail),
                false => errors.required_because("spec.paramRef", detail),
            }
        }
        match reference["parameterNotFoundAction"].as_str() {
            None => errors.required("spec.paramRef.parameterNotFoundAction"),
            Some(action) => errors.supported("spec.paramRef.parameterNotFoundAction", action, &["Allow", "Deny"]),
        }
    }
    if !spec["matchResources"].is_null() {
        check_match(errors, "spec.matchResources", &spec["matchResources"]);
    }
    check_actions(errors, &spec["validationActions"]);
}

fn check_actions(errors: &mut Errors, actions: &Value) {
    let (field, mut seen) = ("spec.validationActions", Vec::new());
    for (field, action) in indexed(actions, field) {
        let action = action.as_str().unwrap_or_default();
        errors.supported(&field, action, &["Audit", "Deny", "Warn"]);
        unique(errors, &mut seen, &field, action);
    }
    let has = |action: &str| seen.iter().any(|own| own == action);
    if has("Deny") && has("Warn") {
        let detail = "must not contain both Deny and Warn (repeating the same validation failure information in the API \
            response and headers serves no purpose)";
        errors.invalid(field, actions.clone(), detail);
    }
    if seen.is_empty() {
        errors.required_because(field, "at least one validation action is required");
    }
}
