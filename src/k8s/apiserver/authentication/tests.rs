//! Certificates, tokens, and acting as somebody else.

use serde_json::{Value, json};
use std::sync::Arc;

use super::impersonation::{Refused, impersonate};
use super::service_accounts::{self, Keys};
use super::{Authenticator, Certificate, Shown, read_token_file};
use crate::k8s::apiserver::attributes::User;
use crate::k8s::apiserver::authorization::Authorizer;
use crate::k8s::apiserver::testing::Objects;
use crate::k8s::meta::time::Time;

const NOW: Time = Time { seconds: 1_800_000_000, nanos: 0 };

fn later(seconds: i64) -> Time {
    Time { seconds: NOW.seconds + seconds, nanos: 0 }
}

fn authenticator() -> Authenticator {
    let file = "secret1,anna,1001,\"dev,ops\"\nsecret2,bert,1002\n";
    Authenticator {
        token_file: read_token_file(file).unwrap().into(),
        service_accounts: Arc::new(Keys::new("https://kubernetes.default.svc", &[], &[[7; 32]]).unwrap()),
        is_bootstrap_enabled: true,
        is_anonymous_enabled: true,
    }
}

fn objects() -> Objects {
    Objects::of(
        "
kind: ServiceAccount
apiVersion: v1
metadata: {name: robot, namespace: default, uid: sa-1}
---
kind: Pod
apiVersion: v1
metadata: {name: web, namespace: default, uid: pod-1}
spec: {serviceAccountName: robot, nodeName: n1}
---
kind: Node
apiVersion: v1
metadata: {name: n1, uid: node-1}
---
kind: Secret
apiVersion: v1
metadata: {name: bootstrap-token-abcdef, namespace: kube-system}
type: bootstrap.kubernetes.io/token
data:
  token-id: YWJjZGVm
  token-secret: MDEyMzQ1Njc4OWFiY2RlZg==
  usage-bootstrap-authentication: dHJ1ZQ==
  auth-extra-groups: c3lzdGVtOmJvb3RzdHJhcHBlcnM6a3ViZWFkbTpkZWZhdWx0LW5vZGUtdG9rZW4=
  expiration: MjAyNy0wMS0xNVQwODowMDowMVo=
",
    )
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// Name and groups, or why not.
fn who(header: Option<&str>, now: Time, objects: &Objects) -> Result<String, String> {
    let found = authenticator().authenticate(Shown { certificate: None, authorization: header }, now, objects);
    found.map(|found| format!("{} {}", found.user.name, found.user.groups.join(","))).map_err(|error| error.reason)
}

#[test]
fn nobody_and_somebody() {
    let objects = objects();
    assert_eq!(who(None, NOW, &objects).unwrap(), "system:anonymous system:unauthenticated");
    assert_eq!(who(Some("Bearer secret1"), NOW, &objects).unwrap(), "anna dev,ops,system:authenticated");
    assert_eq!(who(Some("bearer secret2"), NOW, &objects).unwrap(), "bert system:authenticated");
    assert_eq!(who(Some("Bearer nothing"), NOW, &objects).unwrap_err(), "invalid bearer token");
    let certificate = Certificate {
        common_name: "system:node:n1".to_owned(),
        organizations: vec!["system:nodes".to_owned()],
        fingerprint: "ab".repeat(32),
        not_before: later(-10),
        not_after: later(10),
        is_trusted: true,
    };
    let shown = Shown { certificate: Some(&certificate), authorization: None };
    let found = authenticator().authenticate(shown, NOW, &objects).unwrap();
    assert_eq!(found.user.groups, ["system:nodes", "system:authenticated"]);
    assert_eq!(found.user.extra[super::CREDENTIAL_ID], [format!("X509SHA256={}", "ab".repeat(32))]);
    let error = authenticator().authenticate(shown, later(11), &objects).unwrap_err();
    assert_eq!(
        error.reason,
        "x509: certificate has expired or is not yet valid: current time 2027-01-15T08:00:11Z is after 2027-01-15T08:00:10Z"
    );
}

#[test]
fn a_token_for_a_new_node() {
    let objects = objects();
    let token = bearer("abcdef.0123456789abcdef");
    let groups = "system:bootstrappers,system:bootstrappers:kubeadm:default-node-token,system:authenticated";
    assert_eq!(who(Some(&token), NOW, &objects).unwrap(), format!("system:bootstrap:abcdef {groups}"));
    assert_eq!(who(Some(&token), later(1), &objects).unwrap_err(), "invalid bearer token");
}

fn issued(bound: Value) -> Value {
    let objects = objects();
    let account = json!({"metadata": {"name": "robot", "namespace": "default", "uid": "sa-1"}});
    let request = json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
        "spec": {"audiences": [], "expirationSeconds": 600, "boundObjectRef": bound}});
    let keys = authenticator().service_accounts;
    service_accounts::issue(request, &account, &keys, NOW, "id-1", &objects).unwrap().request
}

#[test]
fn a_token_lives_with_its_pod() {
    let mut objects = objects();
    let request = issued(json!({"kind": "Pod", "apiVersion": "v1", "name": "web"}));
    assert_eq!(request["status"]["expirationTimestamp"], "2027-01-15T08:10:00Z");
    let token = request["status"]["token"].as_str().unwrap();
    assert!(token.starts_with("eyJhbGciOiJFUzI1NiIsImtpZCI6I"), "{token}");
    let header = bearer(token);
    let shown = Shown { certificate: None, authorization: Some(&header) };
    let found = authenticator().authenticate(shown, NOW, &objects).unwrap();
    assert_eq!(found.user.name, "system:serviceaccount:default:robot");
    let groups = ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"];
    assert_eq!(found.user.groups, groups);
    let extra: Vec<(&str, &str)> = found.user.extra.iter().map(|(key, value)| (&key[29..], &value[0][..])).collect();
    let expect = [
        ("credential-id", "JTI=id-1"),
        ("node-name", "n1"),
        ("node-uid", "node-1"),
        ("pod-name", "web"),
        ("pod-uid", "pod-1"),
    ];
    assert_eq!(extra, expect);
    let expired = "[invalid bearer token, service account token has expired]";
    assert_eq!(who(Some(&header), later(661), &objects).unwrap_err(), expired);
    assert!(who(Some(&header), later(660), &objects).is_ok());
    objects.add(
        json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web", "namespace": "default", "uid": "pod-2"}}),
    );
    assert_eq!(
        who(Some(&header), NOW, &objects).unwrap_err(),
        "[invalid bearer token, pod UID (pod-2) does not match service account pod ref claim (pod-1)]"
    );
}

#[test]
fn a_forged_token_is_known() {
    let objects = objects();
    let request = issued(Value::Null);
    let token = request["status"]["token"].as_str().unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let other = Keys::new("https://kubernetes.default.svc", &[], &[[8; 32]]).unwrap();
    assert_eq!(
        other.verify(token, &other.audiences, NOW, &objects),
        Err("go-jose/go-jose: error in cryptographic primitive".to_owned())
    );
    let rotated = Keys::new("https://kubernetes.default.svc", &[], &[[8; 32], [7; 32]]).unwrap();
    assert!(rotated.verify(token, &other.audiences, NOW, &objects).unwrap().is_some());
    let audiences = ["vault".to_owned()];
    assert_eq!(
        rotated.verify(token, &audiences, NOW, &objects).unwrap_err(),
        "token audiences [\"https://kubernetes.default.svc\"] is invalid for the target audiences [\"vault\"]"
    );
    for broken in [&signed[1..], signature, "", "a.b.c", &format!("{signed}.{}", &signature[4..]), &"x.".repeat(20_000)]
    {
        assert!(!matches!(rotated.verify(broken, &audiences, NOW, &objects), Ok(Some(_))), "{broken}");
    }
}

#[test]
fn a_review_of_a_token() {
    let objects = objects();
    let review = |token: &str| {
        let review = json!({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
            "spec": {"token": token}});
        authenticator().token_review(review, NOW, &objects).unwrap()["status"].clone()
    };
    let user = json!({"username": "anna", "uid": "1001", "groups": ["dev", "ops", "system:authenticated"]});
    let audiences = ["https://kubernetes.default.svc"];
    assert_eq!(review("secret1"), json!({"authenticated": true, "user": user, "audiences": audiences}));
    assert_eq!(review("wrong"), json!({"user": {}, "error": "invalid bearer token"}));
}

#[test]
fn acting_as_somebody_else() {
    let objects = Objects::default();
    let root = Arc::new(User { name: "root".to_owned(), groups: vec!["system:masters".to_owned()], ..User::default() });
    let act = |user: &Arc<User>, headers: &[(&str, &str)]| {
        let headers: Vec<(String, String)> = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        impersonate(user, &headers, &Authorizer::default(), &objects)
    };
    let user = act(&root, &[("Impersonate-User", "anna"), ("Impersonate-Extra-a%2fb", "c")]).unwrap().unwrap();
    assert_eq!((&user.name[..], &user.groups[..]), ("anna", &["system:authenticated".to_owned()][..]));
    assert_eq!(user.extra["a/b"], ["c"]);
    let robot = act(&root, &[("impersonate-user", "system:serviceaccount:default:robot")]).unwrap().unwrap();
    assert_eq!(robot.groups, ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]);
    let text = "requested [{Group  dev    }] without impersonating a user".to_owned();
    assert_eq!(act(&root, &[("Impersonate-Group", "dev")]), Err(Refused::Internal(text)));
    let Err(Refused::Forbidden(status)) = act(&user, &[("Impersonate-User", "bert")]) else {
        panic!("anna became bert")
    };
    assert_eq!(
        status.message,
        "users \"bert\" is forbidden: User \"anna\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope"
    );
    assert_eq!(act(&user, &[("Accept", "*/*")]), Ok(None));
}
