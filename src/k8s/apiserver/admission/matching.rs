//! Which writes a webhook or a policy is about.
//!
//! Upstream: `k8s.io/apiserver/pkg/admission/plugin/webhook/predicates`.

use serde_json::Value;

use super::{Operation, Review};
use crate::k8s::apiserver::attributes::Attributes;
use crate::k8s::apiserver::object::{is_true, labels, list, selector, text, texts};
use crate::k8s::registry;

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
        && (has("apiVersions", &attributes.version) || (!is_exact && has_version(rule, review)))
        && texts(rule, "resources").any(is_resource)
        && (names.is_empty() || names.iter().any(|name| name == review.name()))
}

/// Does the rule name another version in which the resource is served?
fn has_version(rule: &Value, review: &Review) -> bool {
    let Attributes { group, resource, .. } = review.attributes;
    let is_named = |version: &str| texts(rule, "apiVersions").any(|own| own == version);
    let is_it = |known: &&registry::Resource| known.group == group && known.name == resource;
    if registry::resources().iter().filter(is_it).any(|known| is_named(known.version)) {
        return true;
    }
    let name = format!("{resource}.{group}");
    let definition = review.lister.get("apiextensions.k8s.io", "customresourcedefinitions", "", &name);
    let serves = |version: &Value| is_true(version, "served") && is_named(text(version, "name"));
    definition.is_some_and(|definition| list(&definition["spec"], "versions").iter().any(serves))
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
