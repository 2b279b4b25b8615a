//! Roles in all their ways, and refusals in upstream's words.

use serde_json::{Value, json};
use std::sync::Arc;

use super::reviews::{self, Court};
use super::{Authorizer, escalation, forbidden, rbac};
use crate::k8s::apiserver::attributes::{Attributes, Decision, Lister, User};
use crate::k8s::apiserver::authorization::bootstrap;
use crate::k8s::apiserver::object;
use crate::k8s::apiserver::testing::Objects;
use crate::k8s::yaml;

fn user(name: &str, groups: &[&str]) -> Arc<User> {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Arc::new(User { name: name.to_owned(), groups, ..User::default() })
}

/// `get pods/log web -n default`, `list deployments.apps`, `get /healthz`
fn attributes(user: &Arc<User>, line: &str) -> Attributes {
    let words: Vec<&str> = line.split_whitespace().collect();
    let verb = words[0].to_owned();
    if words[1].starts_with('/') {
        return Attributes { user: user.clone(), verb, path: words[1].to_owned(), ..Attributes::default() };
    }
    let namespace = words.iter().position(|word| *word == "-n").map_or("", |at| words[at + 1]);
    let name = words.get(2).filter(|word| **word != "-n").copied().unwrap_or_default();
    let (whole, subresource) = words[1].split_once('/').unwrap_or((words[1], ""));
    let (resource, group) = whole.split_once('.').unwrap_or((whole, ""));
    Attributes {
        user: user.clone(),
        verb,
        is_resource: true,
        group: group.to_owned(),
        version: "v1".to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ..Attributes::default()
    }
}

fn with_bootstrap(yaml: &str) -> Objects {
    let mut objects = Objects::of(yaml);
    bootstrap::objects().iter().for_each(|object| objects.add(object.clone()));
    objects
}

#[track_caller]
fn check(objects: &Objects, user: &Arc<User>, line: &str, expect: &str) {
    let attributes = attributes(user, line);
    let decision = Authorizer::default().authorize(&attributes, objects);
    let text = match &decision {
        Decision::Allow { reason } => format!("yes: {reason}"),
        other => forbidden(&attributes, other.reason()).message,
    };
    assert_eq!(text, expect);
}

const ROLES: &str = "
kind: Role
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: reader, namespace: default}
rules:
- {verbs: [get, list], apiGroups: [''], resources: [pods, pods/log]}
- {verbs: [update], apiGroups: [apps], resources: ['*/scale']}
- {verbs: [get], apiGroups: [''], resources: [secrets], resourceNames: [only-this]}
---
kind: RoleBinding
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: readers, namespace: default}
subjects:
- {kind: User, apiGroup: rbac.authorization.k8s.io, name: anna}
- {kind: ServiceAccount, name: robot}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
---
kind: RoleBinding
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: gone, namespace: default}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: bert}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: nowhere}
";

#[test]
fn roles_and_bindings() {
    let objects = with_bootstrap(ROLES);
    let anna = user("anna", &["system:authenticated"]);
    let why = "RBAC: allowed by RoleBinding \"readers/default\" of Role \"reader\" to User \"anna\"";
    check(&objects, &anna, "list pods -n default", &format!("yes: {why}"));
    check(&objects, &anna, "get pods/log web -n default", &format!("yes: {why}"));
    check(&objects, &anna, "update deployments.apps/scale web -n default", &format!("yes: {why}"));
    check(&objects, &anna, "get secrets only-this -n default", &format!("yes: {why}"));
    let no = "User \"anna\" cannot";
    let in_default = "in the namespace \"default\"";
    let check_no = |line: &str, what: &str| check(&objects, &anna, line, what);
    check_no(
        "get secrets other -n default",
        &format!("secrets \"other\" is forbidden: {no} get resource \"secrets\" in API group \"\" {in_default}"),
    );
    check_no(
        "list pods",
        &format!("pods is forbidden: {no} list resource \"pods\" in API group \"\" at the cluster scope"),
    );
    check_no(
        "create pods/exec web -n default",
        &format!("pods \"web\" is forbidden: {no} create resource \"pods/exec\" in API group \"\" {in_default}"),
    );
    check_no("get /metrics", &format!("forbidden: {no} get path \"/metrics\""));
    let robot = user("system:serviceaccount:default:robot", &[]);
    let why = "RBAC: allowed by RoleBinding \"readers/default\" of Role \"reader\" to ServiceAccount \"robot/default\"";
    check(&objects, &robot, "get pods web -n default", &format!("yes: {why}"));
    let bert = user("bert", &[]);
    check(
        &objects,
        &bert,
        "get pods web -n default",
        "pods \"web\" is forbidden: User \"bert\" cannot get resource \"pods\" in API group \"\" in the namespace \"default\": \
         RBAC: role.rbac.authorization.k8s.io \"nowhere\" not found",
    );
}

#[test]
fn everybody() {
    let objects = with_bootstrap("");
    let nobody = user("system:anonymous", &["system:unauthenticated"]);
    let why = "RBAC: allowed by ClusterRoleBinding \"system:public-info-viewer\" of ClusterRole \"system:public-info-viewer\" \
               to Group \"system:unauthenticated\"";
    check(&objects, &nobody, "get /healthz", &format!("yes: {why}"));
    check(&objects, &nobody, "get /api", "forbidden: User \"system:anonymous\" cannot get path \"/api\"");
    check(&objects, &user("root", &["system:masters"]), "delete nodes n1", "yes: ");
    let some = user("anna", &["system:authenticated"]);
    let why = "RBAC: allowed by ClusterRoleBinding \"system:discovery\" of ClusterRole \"system:discovery\" to Group \
               \"system:authenticated\"";
    check(&objects, &some, "get /apis/apps/v1", &format!("yes: {why}"));
}

#[test]
fn kubelets() {
    let objects = with_bootstrap(
        "
kind: Pod
apiVersion: v1
metadata: {name: web, namespace: default}
spec:
  nodeName: n1
  serviceAccountName: robot
  containers: [{name: c, envFrom: [{configMapRef: {name: settings}}]}]
  volumes:
  - {name: s, secret: {secretName: key}}
  - {name: d, persistentVolumeClaim: {claimName: data}}
---
kind: PersistentVolume
apiVersion: v1
metadata: {name: disk}
spec:
  claimRef: {namespace: default, name: data}
  csi: {driver: d, volumeHandle: h, nodeStageSecretRef: {name: unlock, namespace: storage}}
",
    );
    let n1 = user("system:node:n1", &["system:nodes", "system:authenticated"]);
    let n2 = user("system:node:n2", &["system:nodes", "system:authenticated"]);
    for line in [
        "get secrets key -n default",
        "watch configmaps settings -n default",
        "get persistentvolumeclaims data -n default",
        "get persistentvolumes disk",
        "get secrets unlock -n storage",
        "create serviceaccounts/token robot -n default",
        "update leases.coordination.k8s.io n1 -n kube-node-lease",
        "get nodes n1",
        "get services",
    ] {
        check(&objects, &n1, line, "yes: ");
    }
    let refused = |resource: &str, what: &str, why: &str| {
        format!("{resource} is forbidden: User \"system:node:n2\" cannot {what}: {why}")
    };
    let none = "no relationship found between node 'n2' and this object";
    let what = "get resource \"secrets\" in API group \"\" in the namespace \"default\"";
    check(&objects, &n2, "get secrets key -n default", &refused("secrets \"key\"", what, none));
    let what = "get resource \"nodes\" in API group \"\" at the cluster scope";
    let why = "node 'n2' cannot read 'n1', only its own Node object";
    check(&objects, &n2, "get nodes n1", &refused("nodes \"n1\"", what, why));
    let selected = Attributes { field_selector: "spec.nodeName=n1".to_owned(), ..attributes(&n1, "list pods") };
    assert!(Authorizer::default().authorize(&selected, &objects).is_allow());
    assert!(!Authorizer::default().authorize(&attributes(&n1, "list pods"), &objects).is_allow());
}

#[test]
fn nobody_gives_away_what_they_lack() {
    let objects = with_bootstrap(ROLES);
    let anna = user("anna", &["system:authenticated"]);
    let attributes = attributes(&anna, "create roles.rbac.authorization.k8s.io -n default");
    let write = |rules: &str| {
        let role = format!("{{metadata: {{name: new, namespace: default}}, rules: {rules}}}");
        let role = yaml::parse(&role).unwrap().value;
        escalation::check(&attributes, &role, None, &Authorizer::default(), &objects).map_err(|status| status.message)
    };
    assert_eq!(write("[{verbs: [get], apiGroups: [''], resources: [pods]}]"), Ok(()));
    assert_eq!(
        write("[{verbs: [get, delete, watch], apiGroups: [''], resources: [pods]}, {verbs: [get], apiGroups: [''], \
               resources: [secrets], resourceNames: [b, only-this]}]"),
        Err("roles.rbac.authorization.k8s.io \"new\" is forbidden: user \"anna\" (groups=[\"system:authenticated\"]) is \
             attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"pods\"], \
             Verbs:[\"delete\" \"watch\"]}\n{APIGroups:[\"\"], Resources:[\"secrets\"], ResourceNames:[\"b\"], \
             Verbs:[\"get\"]}"
            .to_owned())
    );
}

#[test]
fn binding_needs_the_role_or_the_verb() {
    let objects = with_bootstrap(ROLES);
    let anna = user("anna", &["system:authenticated"]);
    let attributes = attributes(&anna, "create rolebindings.rbac.authorization.k8s.io -n default");
    let bind = |kind: &str, name: &str| {
        let group = "rbac.authorization.k8s.io";
        let role = json!({"apiGroup": group, "kind": kind, "name": name});
        let binding = json!({"metadata": {"name": "b", "namespace": "default"}, "roleRef": role});
        escalation::check(&attributes, &binding, None, &Authorizer::default(), &objects)
    };
    assert_eq!(bind("Role", "reader"), Ok(()));
    let missing = bind("ClusterRole", "nope").unwrap_err();
    assert_eq!(
        (missing.code, &missing.message[..]),
        (404, "clusterroles.rbac.authorization.k8s.io \"nope\" not found")
    );
    let refused = bind("ClusterRole", "cluster-admin").unwrap_err();
    assert!(refused.message.ends_with("{NonResourceURLs:[\"*\"], Verbs:[\"*\"]}"), "{}", refused.message);
}

#[test]
fn aggregated_roles_gather_their_parts() {
    let objects = with_bootstrap("");
    let role = objects.get(rbac::GROUP, "clusterroles", "", "view").unwrap();
    let rules = rbac::aggregate(&role, &objects).unwrap().unwrap();
    let part = objects.get(rbac::GROUP, "clusterroles", "", "system:aggregate-to-view").unwrap();
    assert_eq!(&rules, part["rules"].as_array().unwrap());
    assert_eq!(rbac::aggregate(&part, &objects), Ok(None));
}

#[test]
fn reviews_answer_as_requests_would() {
    let objects = with_bootstrap(ROLES);
    let court = Court { authorizer: &Authorizer::default(), lister: &objects };
    let anna = user("anna", &["system:authenticated"]);
    let ask = json!({"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
        "spec": {"resourceAttributes": {"namespace": "default", "verb": "list", "resource": "pods"}}});
    let answer = reviews::self_subject_access(ask.clone(), &anna, court).unwrap();
    let reason = "RBAC: allowed by RoleBinding \"readers/default\" of Role \"reader\" to User \"anna\"";
    assert_eq!(answer["status"], json!({"allowed": true, "reason": reason}));
    let error = reviews::subject_access(ask, court).unwrap_err();
    assert_eq!(
        error.message,
        "SubjectAccessReview.authorization.k8s.io \"\" is invalid: spec.user: Invalid value: \"\": at least one of user or \
         group must be specified"
    );
    let rules = json!({"spec": {"namespace": "default"}});
    let rules = reviews::self_subject_rules(&rules, &anna, court).unwrap();
    let pods = json!({"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "pods/log"]});
    assert!(rules["status"]["resourceRules"].as_array().unwrap().contains(&pods), "{rules}");
    assert_eq!(rules["status"]["incomplete"], Value::Bool(false));
}

#[test]
fn the_table_is_whole() {
    let names: Vec<&str> = bootstrap::objects().iter().map(object::name).collect();
    assert_eq!(names.iter().filter(|name| **name == "system:node").count(), 2);
    let count = |kind: &str| bootstrap::objects().iter().filter(|object| object["kind"] == kind).count();
    assert_eq!((count("Role"), count("RoleBinding")), (7, 7));
}

#[test]
fn what_was_changed_by_hand_is_completed() {
    let discovery = bootstrap::objects().iter().find(|object| object::name(object) == "system:discovery").unwrap();
    assert_eq!(bootstrap::reconcile(discovery, Some(discovery)), None);
    assert_eq!(bootstrap::reconcile(discovery, None).as_ref(), Some(discovery));
    let mut changed = discovery.clone();
    changed["rules"] = json!([{"verbs": ["get"], "nonResourceURLs": ["/more"]}]);
    let completed = bootstrap::reconcile(discovery, Some(&changed)).unwrap();
    let rules = completed["rules"].as_array().unwrap();
    assert_eq!((rules.len(), &rules[1]), (2, &discovery["rules"][0]));
    changed["metadata"]["annotations"]["rbac.authorization.kubernetes.io/autoupdate"] = "false".into();
    assert_eq!(bootstrap::reconcile(discovery, Some(&changed)), None);
}
