//! Nobody gives away what they do not have: who writes roles or bindings must hold their rules, or be allowed to `escalate`
//! or to `bind`.
//!
//! Upstream: `pkg/registry/rbac/*/policybased`, `pkg/registry/rbac/escalation_check.go`, and
//! `k8s.io/component-helpers/auth/rbac/validation`.

use serde_json::{Value, json};
use std::collections::BTreeSet;

use super::rbac::{self, GROUP, path_matches};
use super::{Authorizer, PRIVILEGED_GROUP};
use crate::k8s::apiserver::attributes::{Attributes, Lister};
use crate::k8s::apiserver::object::{list, name, text, texts};
use crate::k8s::meta::status::{Qualified, Status, quote};

/// Checks a role, cluster role or binding that is to be written, before it is stored. Objects of other kinds pass.
pub fn check(
    attributes: &Attributes,
    object: &Value,
    old: Option<&Value>,
    authorizer: &Authorizer,
    lister: &dyn Lister,
) -> Result<(), Status> {
    if attributes.group != GROUP || !attributes.subresource.is_empty() || attributes.user.is_in(PRIVILEGED_GROUP) {
        return Ok(());
    }
    if old.is_some_and(|old| is_only_for_the_collector(object, old)) {
        return Ok(());
    }
    match &attributes.resource[..] {
        "roles" | "clusterroles" => check_role(attributes, object, old, authorizer, lister),
        "rolebindings" | "clusterrolebindings" => check_binding(attributes, object, authorizer, lister),
        _ => Ok(()),
    }
}

fn check_role(
    attributes: &Attributes,
    object: &Value,
    old: Option<&Value>,
    authorizer: &Authorizer,
    lister: &dyn Lister,
) -> Result<(), Status> {
    let escalate = Attributes { verb: "escalate".to_owned(), version: "*".to_owned(), ..attributes.clone() };
    if authorizer.authorize(&escalate, lister).is_allow() {
        return Ok(());
    }
    let refuse = |why: &str| Err(Status::forbidden(resource(attributes), name(object), why));
    if let Err(why) = confirm(attributes, list(object, "rules"), lister) {
        return refuse(&why);
    }
    let gathers = |role: &Value| !list(&role["aggregationRule"], "clusterRoleSelectors").is_empty();
    if gathers(object) || old.is_some_and(gathers) {
        // Who says what a role gathers may gather anything.
        let everything = [
            json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}),
            json!({"verbs": ["*"], "nonResourceURLs": ["*"]}),
        ];
        if confirm(attributes, &everything, lister).is_err() {
            return refuse("must have cluster-admin privileges to use the aggregationRule");
        }
    }
    Ok(())
}

fn check_binding(
    attributes: &Attributes,
    object: &Value,
    authorizer: &Authorizer,
    lister: &dyn Lister,
) -> Result<(), Status> {
    let role = &object["roleRef"];
    let roles = match text(role, "kind") {
        "ClusterRole" => Some("clusterroles"),
        "Role" => Some("roles"),
        _ => None,
    };
    let bind = roles.map(|roles| Attributes {
        user: attributes.user.clone(),
        verb: "bind".to_owned(),
        is_resource: true,
        group: text(role, "apiGroup").to_owned(),
        version: "*".to_owned(),
        resource: roles.to_owned(),
        namespace: attributes.namespace.clone(),
        name: text(role, "name").to_owned(),
        ..Attributes::default()
    });
    if bind.is_some_and(|bind| authorizer.authorize(&bind, lister).is_allow()) {
        return Ok(());
    }
    let role = rbac::rules_of(role, &attributes.namespace, lister).map_err(|missing| missing.status())?;
    confirm(attributes, list(&role, "rules"), lister)
        .map_err(|why| Status::forbidden(resource(attributes), name(object), &why))
}

fn resource(attributes: &Attributes) -> Qualified<'_> {
    Qualified { name: &attributes.resource, group: &attributes.group }
}

/// Does the user hold all these rules? If not, the text says which are missing.
fn confirm(attributes: &Attributes, rules: &[Value], lister: &dyn Lister) -> Result<(), String> {
    let user = &attributes.user;
    let (owned, errors) = rbac::rules_for(user, &attributes.namespace, lister);
    let owned: Vec<Rule> = owned.iter().map(Rule::read).collect();
    let parts = rules.iter().map(Rule::read).flat_map(|rule| rule.parts());
    let missing: Vec<Rule> = parts.filter(|part| !owned.iter().any(|rule| rule.covers(part))).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing: BTreeSet<String> = compact(missing).iter().map(Rule::describe).collect();
    let missing: Vec<String> = missing.into_iter().collect();
    let mut text = format!(
        "user {} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        quote(&user.name),
        quoted(&user.groups),
        missing.join("\n")
    );
    if !errors.is_empty() {
        text += &format!("; resolution errors: [{errors}]");
    }
    Err(text)
}

/// Does an update change no more than what the garbage collector needs: owners and finalizers?
fn is_only_for_the_collector(new: &Value, old: &Value) -> bool {
    let without = |object: &Value| {
        let mut object = object.clone();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            for field in ["ownerReferences", "finalizers", "managedFields"] {
                metadata.shift_remove(field);
            }
        }
        object
    };
    let changes = |field: &str| new["metadata"][field] != old["metadata"][field];
    (changes("ownerReferences") || changes("finalizers")) && without(new) == without(old)
}

/// A rule of a role, to be compared with others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rule {
    verbs: Vec<String>,
    api_groups: Vec<String>,
    resources: Vec<String>,
    resource_names: Vec<String>,
    non_resource_urls: Vec<String>,
}

impl Rule {
    fn read(rule: &Value) -> Rule {
        let all = |field: &str| texts(rule, field).map(str::to_owned).collect();
        Rule {
            verbs: all("verbs"),
            api_groups: all("apiGroups"),
            resources: all("resources"),
            resource_names: all("resourceNames"),
            non_resource_urls: all("nonResourceURLs"),
        }
    }

    /// Rules that allow one thing each.
    fn parts(&self) -> Vec<Rule> {
        let mut parts = Vec::new();
        for group in &self.api_groups {
            for resource in &self.resources {
                for verb in &self.verbs {
                    let part = Rule {
                        verbs: vec![verb.clone()],
                        api_groups: vec![group.clone()],
                        resources: vec![resource.clone()],
                        ..Rule::default()
                    };
                    if self.resource_names.is_empty() {
                        parts.push(part);
                        continue;
                    }
                    let named = |name: &String| Rule { resource_names: vec![name.clone()], ..part.clone() };
                    parts.extend(self.resource_names.iter().map(named));
                }
            }
        }
        for url in &self.non_resource_urls {
            let of_verb = |verb: &String| Rule {
                verbs: vec![verb.clone()],
                non_resource_urls: vec![url.clone()],
                ..Rule::default()
            };
            parts.extend(self.verbs.iter().map(of_verb));
        }
        parts
    }

    /// Does this rule allow all that the other, a part, allows?
    fn covers(&self, part: &Rule) -> bool {
        let has = |own: &[String], wanted: &str| own.iter().any(|own| own == "*" || own == wanted);
        let has_resource = |wanted: &String| {
            let of_any = wanted.split_once('/').map(|(_, subresource)| format!("*/{subresource}"));
            has(&self.resources, wanted) || of_any.is_some_and(|of_any| self.resources.contains(&of_any))
        };
        let has_path = |wanted: &String| self.non_resource_urls.iter().any(|own| path_matches(own, wanted));
        let has_name = |wanted: &String| self.resource_names.contains(wanted);
        let names = self.resource_names.is_empty()
            || (!part.resource_names.is_empty() && part.resource_names.iter().all(has_name));
        part.verbs.iter().all(|verb| has(&self.verbs, verb))
            && part.api_groups.iter().all(|group| has(&self.api_groups, group))
            && part.resources.iter().all(has_resource)
            && part.non_resource_urls.iter().all(has_path)
            && names
    }

    fn is_simple(&self) -> bool {
        self.resource_names.is_empty()
            && self.non_resource_urls.is_empty()
            && self.api_groups.len() == 1
            && self.resources.len() == 1
    }

    /// `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`
    fn describe(&self) -> String {
        let lists = [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.non_resource_urls),
            ("ResourceNames", &self.resource_names),
            ("Verbs", &self.verbs),
        ];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        let lists: Vec<String> = lists.map(|(name, list)| format!("{name}:{}", quoted(list))).collect();
        format!("{{{}}}", lists.join(", "))
    }
}

/// Puts rules together that differ by their verb only.
fn compact(rules: Vec<Rule>) -> Vec<Rule> {
    let mut compacted: Vec<Rule> = Vec::new();
    for rule in rules {
        let same = |other: &&mut Rule| {
            other.is_simple() && (&other.api_groups, &other.resources) == (&rule.api_groups, &rule.resources)
        };
        match compacted.iter_mut().find(same).filter(|_| rule.is_simple()) {
            Some(other) => other.verbs.extend(rule.verbs),
            None => compacted.push(rule),
        }
    }
    compacted
}

/// A list of texts as Go's `%q` prints it.
fn quoted(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quote(text)).collect();
    format!("[{}]", texts.join(" "))
}
