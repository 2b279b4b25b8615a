//! Roles and their bindings. Rules only ever add up: nothing can be forbidden.
//!
//! Upstream: `plugin/pkg/auth/authorizer/rbac`, `pkg/registry/rbac/validation`, `pkg/apis/rbac/v1/evaluation_helpers.go`, and
//! `pkg/controller/clusterroleaggregation` for [`aggregate`].

use serde_json::Value;
use std::fmt;
use std::sync::Arc;

use crate::k8s::apiserver::attributes::{Attributes, Decision, Lister, User};
use crate::k8s::apiserver::object::{self, list, name, namespace, text, texts};
use crate::k8s::meta::status::{Qualified, Status, quote};

pub const GROUP: &str = "rbac.authorization.k8s.io";

pub fn authorize(attributes: &Attributes, lister: &dyn Lister) -> Decision {
    let (mut allowed, mut errors) = (None, Errors::default());
    visit(&attributes.user, &attributes.namespace, lister, &mut |found| {
        match found {
            Found::Rule(source, rule) if rule_allows(attributes, rule) => {
                allowed = Some(format!("RBAC: allowed by {source}"));
                return false;
            }
            Found::Rule(..) => {}
            Found::Error(error) => errors.add(error),
        }
        true
    });
    if let Some(reason) = allowed {
        return Decision::Allow { reason };
    }
    let reason = errors.to_string();
    Decision::NoOpinion { reason: if reason.is_empty() { reason } else { format!("RBAC: {reason}") } }
}

/// All rules that a user has in a namespace, or in the cluster if it is empty, and what was amiss on the way.
pub fn rules_for(user: &User, namespace: &str, lister: &dyn Lister) -> (Vec<Value>, Errors) {
    let (mut rules, mut errors) = (Vec::new(), Errors::default());
    visit(user, namespace, lister, &mut |found| {
        match found {
            Found::Rule(_, rule) => rules.push(rule.clone()),
            Found::Error(error) => errors.add(error),
        }
        true
    });
    (rules, errors)
}

/// Does a rule of a role allow this?
pub fn rule_allows(attributes: &Attributes, rule: &Value) -> bool {
    if !has_or_any(rule, "verbs", &attributes.verb) {
        return false;
    }
    if !attributes.is_resource {
        return texts(rule, "nonResourceURLs").any(|pattern| path_matches(pattern, &attributes.path));
    }
    has_or_any(rule, "apiGroups", &attributes.group)
        && texts(rule, "resources").any(|pattern| resource_matches(pattern, attributes))
        && (list(rule, "resourceNames").is_empty() || texts(rule, "resourceNames").any(|own| own == attributes.name))
}

/// The rules of the role that a binding refers to. `namespace` is the binding's.
pub fn rules_of(role_ref: &Value, namespace: &str, lister: &dyn Lister) -> Result<Arc<Value>, Missing> {
    let (kind, role) = (text(role_ref, "kind"), text(role_ref, "name"));
    let found = match kind {
        "Role" => lister.get(GROUP, "roles", namespace, role),
        "ClusterRole" => lister.get(GROUP, "clusterroles", "", role),
        _ => return Err(Missing::Kind(kind.to_owned())),
    };
    found.ok_or_else(|| Missing::Role { is_cluster: kind == "ClusterRole", name: role.to_owned() })
}

/// Why a binding has no rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    Role { is_cluster: bool, name: String },
    Kind(String),
}

impl Missing {
    /// What a storage says about it; a cache says it otherwise, see `Display`.
    pub fn status(&self) -> Status {
        match self {
            Missing::Role { is_cluster, name } => {
                let resource = if *is_cluster { "clusterroles" } else { "roles" };
                Status::not_found(Qualified { name: resource, group: GROUP }, name)
            }
            Missing::Kind(_) => Status::internal(&self.to_string()),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Role { is_cluster, name } => {
                let resource = if *is_cluster { "clusterrole" } else { "role" };
                write!(f, "{resource}.{GROUP} {} not found", quote(name))
            }
            Missing::Kind(kind) => write!(f, "unsupported role reference kind: {}", quote(kind)),
        }
    }
}

/// Go's aggregate of errors: one as it is, several in brackets, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors(Vec<String>);

impl Errors {
    pub fn add(&mut self, error: impl fmt::Display) {
        let text = error.to_string();
        if !self.0.contains(&text) {
            self.0.push(text);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0[..] {
            [] => Ok(()),
            [one] => f.write_str(one),
            several => write!(f, "[{}]", several.join(", ")),
        }
    }
}

/// The rules that a cluster role with an aggregation rule should have: those of all that its selectors select. Nothing for a
/// cluster role that gathers none.
pub fn aggregate(role: &Value, lister: &dyn Lister) -> Result<Option<Vec<Value>>, String> {
    if role["aggregationRule"].is_null() {
        return Ok(None);
    }
    let mut rules: Vec<Value> = Vec::new();
    for selector in list(&role["aggregationRule"], "clusterRoleSelectors") {
        let Some(selector) = object::selector(selector)? else { continue };
        for part in lister.list(GROUP, "clusterroles", "") {
            if name(&part) == name(role) || !selector.matches(&object::labels(&part)) {
                continue;
            }
            for rule in list(&part, "rules") {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
    }
    Ok(Some(rules))
}

enum Found<'a> {
    Rule(Source<'a>, &'a Value),
    Error(Missing),
}

/// Where a rule comes from, as reasons tell it.
struct Source<'a> {
    binding: &'a Value,
    subject: &'a Value,
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (own, role) = (namespace(self.binding), &self.binding["roleRef"]);
        let (kind, binding) = match own {
            "" => ("ClusterRoleBinding", name(self.binding).to_owned()),
            _ => ("RoleBinding", format!("{}/{own}", name(self.binding))),
        };
        let (subject, mut subject_name) = (text(self.subject, "kind"), text(self.subject, "name").to_owned());
        if subject == "ServiceAccount" {
            let home = Some(text(self.subject, "namespace")).filter(|home| !home.is_empty()).unwrap_or(own);
            subject_name = format!("{subject_name}/{home}");
        }
        let role = format!("{} {}", text(role, "kind"), quote(text(role, "name")));
        write!(f, "{kind} {} of {role} to {subject} {}", quote(&binding), quote(&subject_name))
    }
}

/// Shows the rules of all bindings that apply to a user, until the visitor has seen enough.
fn visit(user: &User, namespace: &str, lister: &dyn Lister, visitor: &mut dyn FnMut(Found) -> bool) {
    let cluster = lister.list(GROUP, "clusterrolebindings", "");
    let local = if namespace.is_empty() { Vec::new() } else { lister.list(GROUP, "rolebindings", namespace) };
    let bindings = cluster.iter().map(|binding| (binding, "")).chain(local.iter().map(|binding| (binding, namespace)));
    for (binding, namespace) in bindings {
        let subjects = list(binding, "subjects");
        let Some(subject) = subjects.iter().find(|subject| applies(user, subject, namespace)) else { continue };
        let goes_on = match rules_of(&binding["roleRef"], namespace, lister) {
            Err(error) => visitor(Found::Error(error)),
            Ok(role) => list(&role, "rules").iter().all(|rule| visitor(Found::Rule(Source { binding, subject }, rule))),
        };
        if !goes_on {
            return;
        }
    }
}

fn applies(user: &User, subject: &Value, namespace: &str) -> bool {
    let name = text(subject, "name");
    match text(subject, "kind") {
        "User" => user.name == name,
        "Group" => user.is_in(name),
        "ServiceAccount" => {
            let home = Some(text(subject, "namespace")).filter(|home| !home.is_empty()).unwrap_or(namespace);
            let own = user.name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
            !home.is_empty() && own == Some((home, name))
        }
        _ => false,
    }
}

fn has_or_any(rule: &Value, field: &str, wanted: &str) -> bool {
    texts(rule, field).any(|own| own == "*" || own == wanted)
}

/// `*`, `pods`, `pods/log`, `*/scale`
fn resource_matches(pattern: &str, attributes: &Attributes) -> bool {
    let Attributes { resource, subresource, .. } = attributes;
    if pattern == "*" {
        return true;
    }
    if subresource.is_empty() {
        return pattern == resource;
    }
    pattern
        .strip_suffix(&subresource[..])
        .and_then(|rest| rest.strip_suffix('/'))
        .is_some_and(|rest| rest == "*" || rest == resource)
}

/// `*`, `/healthz`, `/healthz/*`
pub(super) fn path_matches(pattern: &str, path: &str) -> bool {
    pattern == "*" || pattern == path || (pattern.ends_with('*') && path.starts_with(pattern.trim_end_matches('*')))
}
