//! Which flow a request belongs to.
//!
//! Upstream: `rule.go` and `apf_controller.go`.

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;

use crate::k8s::apiserver::attributes::{Attributes, User};
use crate::k8s::apiserver::object::{is_true, list, name, text, texts, uid};

/// Where a request was sorted to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Classified {
    pub schema: String,
    /// What the headers `X-Kubernetes-PF-FlowSchema-UID` and `X-Kubernetes-PF-PriorityLevel-UID` tell; empty for what the
    /// server imagines.
    pub schema_uid: String,
    pub level: String,
    pub level_uid: String,
    /// What tells the flows of a schema apart: a user or a namespace; empty if nothing does.
    pub distinguisher: String,
    /// By which queues are dealt.
    pub flow_hash: u64,
}

/// `schemas` are in the order of precedence; of a level its UID and its queues are asked. One queue or none needs no flows.
pub(super) fn classify<'a>(
    schemas: &[Arc<Value>],
    attributes: &Attributes,
    level_of: impl Fn(&str) -> Option<(&'a str, usize)>,
) -> Classified {
    let schema = schemas.iter().find(|schema| {
        let mut rules = list(&schema["spec"], "rules").iter();
        rules.any(|rule| matches(rule, attributes))
    });
    // Whom nothing matches, the last one takes.
    let schema = schema.or_else(|| schemas.iter().find(|schema| name(schema) == "catch-all"));
    let Some(schema) = schema else {
        let none = "catch-all".to_owned();
        return Classified { schema: none.clone(), level: none, ..Classified::default() };
    };
    let level = level(schema).to_owned();
    let (level_uid, queues) = level_of(&level).unwrap_or_default();
    let has_flows = queues > 1;
    let distinguisher = match text(&schema["spec"]["distinguisherMethod"], "type") {
        "ByUser" if has_flows => attributes.user.name.clone(),
        "ByNamespace" if has_flows => attributes.namespace.clone(),
        _ => String::new(),
    };
    let flow_hash = if has_flows { hash(name(schema), &distinguisher) } else { 0 };
    Classified {
        schema: name(schema).to_owned(),
        schema_uid: uid(schema).to_owned(),
        level,
        level_uid: level_uid.to_owned(),
        distinguisher,
        flow_hash,
    }
}

pub(super) fn level(schema: &Value) -> &str {
    text(&schema["spec"]["priorityLevelConfiguration"], "name")
}

pub(super) fn precedence(schema: &Value) -> i64 {
    schema["spec"]["matchingPrecedence"].as_i64().unwrap_or(1000)
}

fn hash(schema: &str, distinguisher: &str) -> u64 {
    let mut digest = Sha256::new();
    digest.update(schema.as_bytes());
    digest.update([0]);
    digest.update(distinguisher.as_bytes());
    let digest: [u8; 32] = digest.finalize().into();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(first)
}

fn matches(rule: &Value, attributes: &Attributes) -> bool {
    if !list(rule, "subjects").iter().any(|subject| is_subject(subject, &attributes.user)) {
        return false;
    }
    if attributes.is_resource {
        return list(rule, "resourceRules").iter().any(|rule| matches_resource(rule, attributes));
    }
    let mut rules = list(rule, "nonResourceRules").iter();
    rules.any(|rule| {
        has(rule, "verbs", &attributes.verb)
            && texts(rule, "nonResourceURLs").any(|pattern| matches_path(pattern, &attributes.path))
    })
}

fn is_subject(subject: &Value, user: &User) -> bool {
    match text(subject, "kind") {
        "User" => ["*", &user.name].contains(&text(&subject["user"], "name")),
        "Group" => {
            let group = text(&subject["group"], "name");
            group == "*" || user.is_in(group)
        }
        "ServiceAccount" => {
            let account = &subject["serviceAccount"];
            let own = user.name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
            own.is_some_and(|(namespace, name)| {
                namespace == text(account, "namespace") && ["*", name].contains(&text(account, "name"))
            })
        }
        _ => false,
    }
}

fn matches_resource(rule: &Value, attributes: &Attributes) -> bool {
    let Attributes { verb, group, resource, subresource, namespace, .. } = attributes;
    let slash = if subresource.is_empty() { "" } else { "/" };
    let is_in_place =
        if namespace.is_empty() { is_true(rule, "clusterScope") } else { has(rule, "namespaces", namespace) };
    has(rule, "verbs", verb)
        && has(rule, "resources", &format!("{resource}{slash}{subresource}"))
        && has(rule, "apiGroups", group)
        && is_in_place
}

fn has(rule: &Value, field: &str, wanted: &str) -> bool {
    texts(rule, field).any(|own| own == "*" || own == wanted)
}

/// `*`, `/healthz`, and what is below that.
fn matches_path(pattern: &str, path: &str) -> bool {
    let prefix = pattern.strip_suffix('*').unwrap_or(pattern);
    let below = prefix.strip_suffix('/').unwrap_or(prefix);
    pattern == "*" || pattern == path || path.strip_prefix(below).is_some_and(|rest| rest.starts_with('/'))
}
