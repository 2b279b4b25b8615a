//! Encryption at rest, as an administrator goes about it: switched on, secrets rewritten, keys rotated, an old key removed.

use crate::world::{lab, type_line};
use control_plane_lab::lab::Lab;

const SECRET: &str = "/registry/secrets/default";

fn line(lab: &mut Lab, text: &str) -> String {
    let shown = type_line(lab, text, 3_000);
    // The terminal shows what was typed first.
    shown.strip_prefix(text).unwrap_or(&shown).trim_end().to_owned()
}

/// What a stored secret begins with.
fn prefix(lab: &mut Lab, name: &str) -> String {
    let said = line(lab, &format!("etcdctl get {SECRET}/{name} --print-value-only | head -c 26 | hexdump -C"));
    said.lines().filter_map(|line| line.split('|').nth(1)).collect()
}

fn configure(lab: &mut Lab, server: &str, providers: &str) {
    let text = format!(
        "apiVersion: apiserver.config.k8s.io/v1\\nkind: EncryptionConfiguration\\nresources:\\n- resources: [secrets]\\n  \
         providers: [{providers}]\\n"
    );
    assert_eq!(line(lab, &format!("printf '{text}' > enc.yaml")), "");
    assert_eq!(line(lab, &format!("lab flags {server} --encryption-provider-config=enc.yaml")), "");
    type_line(lab, "sleep 5", 6_000);
}

fn rewrite(lab: &mut Lab) {
    let said = line(lab, "kubectl get secrets -o json | kubectl replace -f -");
    assert_eq!(said, "secret/a replaced\nsecret/b replaced");
}

#[test]
fn keys_come_and_go() {
    let key = |name: &str| format!("{{name: {name}, secret: c2VjcmV0IGlzIHNlY3VyZSwgSSBob3BlIGl0IGlzISE=}}");
    let mut lab = lab("members=1 apiservers=2");
    type_line(&mut lab, "sleep 5", 6_000);
    // Not whichever comes next.
    line(&mut lab, "kubectl config set-cluster kubernetes --server=https://apiserver-1:6443");
    assert_eq!(line(&mut lab, "kubectl create secret generic a --from-literal=x=1"), "secret/a created");
    assert!(prefix(&mut lab, "a").starts_with("k8s.....v1..Secret"), "{}", prefix(&mut lab, "a"));

    configure(&mut lab, "apiserver-1", &format!("aescbc: {{keys: [{}]}}}}, {{identity: {{}}", key("key1")).braced());
    assert_eq!(line(&mut lab, "kubectl create secret generic b --from-literal=x=2"), "secret/b created");
    assert!(prefix(&mut lab, "b").starts_with("k8s:enc:aescbc:v1:key1:"));
    assert!(prefix(&mut lab, "a").starts_with("k8s.....v1"), "it is not rewritten by itself");
    let read = "kubectl get secret a b -o jsonpath='{.items[*].data.x}'";
    assert_eq!(line(&mut lab, read), "MQ== Mg==");
    rewrite(&mut lab);
    assert!(prefix(&mut lab, "a").starts_with("k8s:enc:aescbc:v1:key1:"));
    // A server that knows no key says so.
    let said = line(&mut lab, "kubectl --server=https://apiserver-2:6443 get secret a");
    let why = "Error from server (InternalError): Internal error occurred: unable to transform key \
        \"/registry/secrets/default/a\": identity transformer tried to read encrypted data";
    assert_eq!(said, why);

    let both = format!("secretbox: {{keys: [{}]}}}}, {{aescbc: {{keys: [{}]}}", key("key2"), key("key1"));
    configure(&mut lab, "apiserver-1", &both.braced());
    rewrite(&mut lab);
    assert!(prefix(&mut lab, "a").starts_with("k8s:enc:secretbox:v1:key2:"));
    configure(&mut lab, "apiserver-1", &format!("secretbox: {{keys: [{}]}}", key("key2")).braced());
    assert_eq!(line(&mut lab, read), "MQ== Mg==");

    // A plugin whose key was rotated: what is stale is written anew though nothing of it changed.
    let plugin = format!(
        "kms: {{apiVersion: v2, name: vault, endpoint: \"unix:///v\"}}}}, {{secretbox: {{keys: [{}]}}",
        key("key2")
    );
    configure(&mut lab, "apiserver-1", &plugin.braced());
    rewrite(&mut lab);
    assert!(prefix(&mut lab, "b").starts_with("k8s:enc:kms:v2:vault:"));
    let revision = "kubectl get secret b -o jsonpath='{.metadata.resourceVersion}'";
    let before = line(&mut lab, revision);
    rewrite(&mut lab);
    assert_eq!(line(&mut lab, revision), before, "what is not stale stays");
    assert_eq!(line(&mut lab, "lab rotate-key vault"), "");
    rewrite(&mut lab);
    assert_ne!(line(&mut lab, revision), before);
    assert_eq!(line(&mut lab, read), "MQ== Mg==");
}

#[test]
fn bad_configurations_change_nothing() {
    let mut lab = lab("members=1 apiservers=1");
    let said = line(&mut lab, "lab flags apiserver-1 --encryption-provider-config=none.yaml");
    assert_eq!(said, "lab: none.yaml: No such file or directory");
    line(&mut lab, "echo 'kind: Other' > x.yaml");
    let said = line(&mut lab, "lab flags apiserver-1 --encryption-provider-config=x.yaml");
    assert_eq!(said, "lab: x.yaml: expected an EncryptionConfiguration of apiserver.config.k8s.io/v1");
    assert_eq!(
        line(&mut lab, "lab flags etcd-1 --max-requests-inflight=1"),
        "lab: there is no API server \"etcd-1\"; this world has apiserver-1"
    );
    assert!(line(&mut lab, "kubectl get ns").contains("default"));
}

trait Braced {
    /// As one item of a list in YAML's short form.
    fn braced(&self) -> String;
}

impl Braced for String {
    fn braced(&self) -> String {
        format!("{{{self}}}")
    }
}
