//! Which writes a webhook or a policy is about.
//!
//! Upstream: `k8s.io/apiserver/pkg/admission/plugin/webhook/predicates`.

use serde_json::Value;

use super::{Operation, Review};
use crate::k8s::apiserver::object::{labels, list, selector, text, texts};

/// Do the rules and the selectors match? `rules` is the name of the list: `rules` of a webhook, `resourceRules` of a policy.
pub(super) fn matches(constraints: &Value, rules: &str, review: &Review) -> Result<bool, String> {
    let is_exact = text(constraints, "matchPolicy") == "Exact";
    // A policy without rules is about everything, a webhook about nothing.
    let is_open = rules == "resourceRules" && list(constraints, rules).is_empty();
    if !is_open && !list(constraints, rules).iter().any(|rule| rule_matches(rule, is_exact, review)) {
        return Ok(false);
    }
    if list(constraints, "excludeResourceRules").iter().any(|rule| rule_matches(rule, is_exact, review)) {
        return Ok(false);
    }
    Ok(namespace_matches(&constraints["namespaceSelector"], review)?
        && object_matches(&constraints["objectSelector"], review)?)
}

fn rule_matches(rule: &Value, is_exact: bool, review: &Review) -> bool {
    let has = |field: &str, wanted: &str| texts(rule, field).any(|own| own == "*" || own == wanted);
    let attributes = review.attributes;
    let is_namespaced = !attributes.namespace.is_empty() && !review.is("", "namespaces");
    let is_in_scope = match text(rule, "scope") {
        "Namespaced" => is_namespaced,
        "Cluster" => !is_namespaced,
        _ => true,
    };
    let is_resource = |pattern: &str| {
        let (resource, subresource) = pattern.split_once('/').unwrap_or((pattern, ""));
        ["*", &attributes.resource].contains(&resource) && ["*", &attributes.subresource].contains(&subresource)
    };
    let names = list(rule, "resourceNames");
    is_in_scope
        && has("operations", operation(review.operation))
        && has("apiGroups", &attributes.group)
        // Another version of a resource is equivalent to it.
        && (!is_exact || has("apiVersions", &attributes.version))
        && texts(rule, "resources").any(is_resource)
        && (names.is_empty() || names.iter().any(|name| name == review.name()))
}

pub(super) fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "CREATE",
        Operation::Update => "UPDATE",
        Operation::Delete => "DELETE",
        Operation::Connect => "CONNECT",
    }
}

/// By the labels of the namespace that the object is in, or is; what is in none always matches.
fn namespace_matches(of: &Value, review: &Review) -> Result<bool, String> {
    let Some(selector) = selector(of)?.filter(|selector| !selector.requirements.is_empty()) else { return Ok(true) };
    if review.is("", "namespaces") {
        let namespace = if review.operation == Operation::Create { review.object() } else { review.old() };
        return Ok(selector.matches(&labels(namespace)));
    }
    if review.namespace().is_empty() {
        return Ok(true);
    }
    let namespace = review.lister.get("", "namespaces", "", review.namespace());
    let namespace = namespace.ok_or_else(|| format!("namespaces \"{}\" not found", review.namespace()))?;
    Ok(selector.matches(&labels(&namespace)))
}

/// By the labels of the object, or of the one that was stored.
fn object_matches(of: &Value, review: &Review) -> Result<bool, String> {
    let Some(selector) = selector(of)?.filter(|selector| !selector.requirements.is_empty()) else { return Ok(true) };
    let matches = |object: &Value| object.is_object() && selector.matches(&labels(object));
    Ok(matches(review.object()) || matches(review.old()))
}
