//! The roles and bindings that every cluster starts with; a server writes them when it comes up.
//!
//! Upstream: `plugin/pkg/auth/authorizer/rbac/bootstrappolicy`. The table lies in `bootstrap.txt`.

use serde_json::{Map, Value, json};
use std::sync::OnceLock;

use super::rbac::GROUP;
use crate::k8s::apiserver::object::{annotation, entries, inner, list, list_mut, name, namespace};
use crate::k8s::schema::Schema;
use crate::k8s::typed;

/// All of them in the order of their making: cluster roles, roles, bindings. Aggregated roles have no rules yet.
pub fn objects() -> &'static [Value] {
    static OBJECTS: OnceLock<Vec<Value>> = OnceLock::new();
    OBJECTS.get_or_init(|| parse(include_str!("bootstrap.txt")))
}

/// What a server that comes up writes in place of what it finds: nothing if that will do. Rules, subjects, labels and
/// annotations are added, never taken away; what says `autoupdate: "false"` stays as it is.
///
/// Upstream: `pkg/registry/rbac/reconciliation`.
pub fn reconcile(expected: &Value, existing: Option<&Value>) -> Option<Value> {
    let Some(existing) = existing else { return Some(expected.clone()) };
    if annotation(existing, AUTOUPDATE) == Some("false") {
        return None;
    }
    // A binding to another role is not this binding.
    if existing["roleRef"] != expected["roleRef"] {
        return Some(expected.clone());
    }
    let mut object = existing.clone();
    for field in ["labels", "annotations"] {
        for (key, value) in entries(&expected["metadata"][field]) {
            let own = inner(inner(&mut object, "metadata"), field);
            if own[key].is_null() {
                own[key] = value.clone();
            }
        }
    }
    for (parent, field) in [("", "rules"), ("", "subjects"), ("aggregationRule", "clusterRoleSelectors")] {
        let of = |object: &Value| if parent.is_empty() { object[field].clone() } else { object[parent][field].clone() };
        let (own, wanted) = (of(&object), of(expected));
        // Who gathers rules has them from elsewhere.
        let is_gathered = field == "rules" && !expected["aggregationRule"].is_null();
        let wanted = wanted.as_array().filter(|_| !is_gathered);
        let is_missing = |item: &&Value| !own.as_array().is_some_and(|own| own.contains(item));
        for item in wanted.into_iter().flatten().filter(is_missing) {
            let parent = if parent.is_empty() { &mut object } else { inner(&mut object, parent) };
            list_mut(parent, field).push(item.clone());
        }
    }
    (object != *existing).then(|| in_form(object))
}

const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

/// The rules that the Node authorizer holds for kubelets.
pub(super) fn node_rules() -> &'static [Value] {
    let is_node = |object: &&Value| object["kind"] == "ClusterRole" && name(object) == "system:node";
    objects().iter().find(is_node).map(|role| list(role, "rules")).unwrap_or_default()
}

const READ: [&str; 3] = ["get", "list", "watch"];
const WRITE: [&str; 5] = ["create", "delete", "deletecollection", "patch", "update"];

fn parse(table: &str) -> Vec<Value> {
    let mut objects: Vec<Value> = Vec::new();
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if line.starts_with(' ') {
            if let Some(rules) = objects.last_mut().and_then(|role| role["rules"].as_array_mut()) {
                rules.push(rule(&words));
            }
            continue;
        }
        objects.push(match words[0] {
            "clusterrole" | "role" => role(&words),
            _ => binding(&words),
        });
    }
    objects.into_iter().map(in_form).collect()
}

fn role(words: &[&str]) -> Value {
    let is_cluster = words[0] == "clusterrole";
    let mut role = object(if is_cluster { "ClusterRole" } else { "Role" }, words[1]);
    role["rules"] = json!([]);
    for word in &words[2..] {
        let part = |prefix: &str| word.strip_prefix(prefix).map(|target| format!("{GROUP_PREFIX}{target}"));
        if let Some(label) = part("part-of=") {
            role["metadata"]["labels"][label] = "true".into();
        }
        if let Some(label) = part("gathers=") {
            role["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]});
            role["rules"] = Value::Null;
        }
    }
    role
}

const GROUP_PREFIX: &str = "rbac.authorization.k8s.io/aggregate-to-";

fn rule(words: &[&str]) -> Value {
    let all = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<String>>();
    let &[verbs, second, ..] = words else {
        let groups = ["", "events.k8s.io"];
        return json!({"verbs": ["create", "patch", "update"], "apiGroups": groups, "resources": ["events"]});
    };
    let mut verbs: Vec<String> = verbs.split(',').flat_map(spelled_out).collect();
    verbs.sort();
    if second == "paths" {
        return json!({"verbs": verbs, "nonResourceURLs": all(words[2])});
    }
    let groups = all(second).into_iter().map(|group| if group == "core" { String::new() } else { group });
    let mut rule = json!({"verbs": verbs, "apiGroups": groups.collect::<Vec<_>>(), "resources": all(words[2])});
    if let Some(names) = words.get(3).and_then(|word| word.strip_prefix("names=")) {
        rule["resourceNames"] = all(names).into();
    }
    rule
}

fn spelled_out(verb: &str) -> Vec<String> {
    let verbs = match verb {
        "read" => &READ[..],
        "write" => &WRITE[..],
        _ => return vec![verb.to_owned()],
    };
    verbs.iter().map(|verb| (*verb).to_owned()).collect()
}

fn binding(words: &[&str]) -> Value {
    let is_cluster = words[0] == "clusterbinding";
    let (kind, role) = if is_cluster { ("ClusterRoleBinding", "ClusterRole") } else { ("RoleBinding", "Role") };
    let mut binding = object(kind, words[1]);
    let other = words.iter().find_map(|word| word.strip_prefix("of="));
    let role_name = other.unwrap_or_else(|| name(&binding)).to_owned();
    let subjects: Vec<Value> = words[2..].iter().filter_map(|word| subject(word)).collect();
    if !subjects.is_empty() {
        binding["subjects"] = subjects.into();
    }
    binding["roleRef"] = json!({"apiGroup": GROUP, "kind": role, "name": role_name});
    binding
}

fn subject(word: &str) -> Option<Value> {
    let (kind, subject) = word.split_once(':')?;
    match kind {
        "user" => Some(json!({"kind": "User", "apiGroup": GROUP, "name": subject})),
        "group" => Some(json!({"kind": "Group", "apiGroup": GROUP, "name": subject})),
        "account" => {
            let (namespace, name) = subject.split_once('/')?;
            Some(json!({"kind": "ServiceAccount", "name": name, "namespace": namespace}))
        }
        _ => None,
    }
}

fn object(kind: &str, place: &str) -> Value {
    let mut metadata = Map::new();
    // Names have slashes in no role, so the first one ends the namespace.
    let (namespace, name) = place.split_once('/').map_or(("", place), |(namespace, name)| (namespace, name));
    metadata.insert("name".to_owned(), name.into());
    if !namespace.is_empty() {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
    metadata.insert("labels".to_owned(), json!({"kubernetes.io/bootstrapping": "rbac-defaults"}));
    metadata.insert("annotations".to_owned(), json!({AUTOUPDATE: "true"}));
    json!({"kind": kind, "apiVersion": format!("{GROUP}/v1"), "metadata": metadata})
}

fn in_form(object: Value) -> Value {
    let schema = Schema::kubernetes();
    let kind = object["kind"].as_str().unwrap_or_default();
    let message = schema.kind(&format!("{GROUP}/v1"), kind).expect("the schema has all kinds of the table");
    let place = format!("{}/{}", namespace(&object), name(&object));
    let decoded = typed::decode(schema, message, object).unwrap_or_else(|error| panic!("{place}: {error}"));
    assert!(decoded.unknown.is_empty(), "{place}: {:?}", decoded.unknown);
    decoded.value
}
