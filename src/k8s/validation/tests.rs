//! Objects that are refused, and why.

mod kinds;
mod updates;

use super::*;
use crate::k8s::schema::Schema;
use crate::k8s::{defaults, registry, typed, yaml};

fn read(text: &str) -> (&'static Resource, Value) {
    let schema = Schema::kubernetes();
    let value = yaml::parse(text).unwrap().value;
    let (version, kind) =
        (value["apiVersion"].as_str().unwrap().to_owned(), value["kind"].as_str().unwrap().to_owned());
    let message = schema.kind(&version, &kind).unwrap();
    let value = typed::decode(schema, message, value).unwrap().value;
    (registry::of_kind(&version, &kind).unwrap(), defaults::apply(schema, message, value).unwrap())
}

#[track_caller]
fn check(text: &str, expect: &[&str]) {
    let (resource, value) = read(text);
    let errors: Vec<String> = create(resource, &value).iter().map(ToString::to_string).collect();
    assert_eq!(errors, expect);
}

#[track_caller]
fn check_change(old: &str, new: &str, expect: &[&str]) {
    check_change_by("", old, new, expect);
}

#[track_caller]
fn check_change_by(subresource: &str, old: &str, new: &str, expect: &[&str]) {
    let ((resource, old), (_, mut new)) = (read(old), read(new));
    new["metadata"]["resourceVersion"] = "1".into();
    let errors: Vec<String> = update_by(resource, subresource, &new, &old).iter().map(ToString::to_string).collect();
    assert_eq!(errors, expect);
}

#[test]
fn metadata() {
    check("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: ns}}", &[]);
    check(
        "{apiVersion: v1, kind: ConfigMap, metadata: {namespace: ns}}",
        &["metadata.name: Required value: name or generateName is required"],
    );
    check("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}", &["metadata.namespace: Required value"]);
    check(
        "{apiVersion: v1, kind: Namespace, metadata: {name: a, namespace: ns}}",
        &["metadata.namespace: Forbidden: not allowed on this type"],
    );
    check(
        "{apiVersion: v1, kind: Namespace, metadata: {name: A_b}}",
        &["metadata.name: Invalid value: \"A_b\": a lowercase RFC 1123 label must consist of lower case alphanumeric \
           characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex \
           used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"],
    );
    let two = "[{apiVersion: v1, kind: A, name: a, uid: u, controller: true}, {apiVersion: v1, kind: B, name: b, uid: v, controller: true}]";
    let (resource, value) = read(&format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, namespace: ns, ownerReferences: {two}}}}}"
    ));
    let error = create(resource, &value)[0].to_string();
    assert!(error.ends_with("Found \"true\" in references for A/a and B/b"), "{error}");
    check("{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: 'system:a'}}", &[]);
}

#[test]
fn pods() {
    check(
        "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: ns}, spec: {}}",
        &["spec.containers: Required value"],
    );
    let text = "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: ns}, spec: {restartPolicy: Sometimes, containers: [\
        {name: a, ports: [{containerPort: 70000}], volumeMounts: [{name: v, mountPath: /x}], env: [{name: 1x}]},\
        {name: a, image: i, resources: {requests: {cpu: 2}, limits: {cpu: 1}}, livenessProbe: {}}]}}";
    check(
        text,
        &[
            "spec.containers[0].image: Required value",
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            "spec.containers[0].env[0].name: Invalid value: \"1x\": a valid environment variable name must consist of \
             alphabetic characters, digits, '_', '-', or '.', and must not start with a digit (e.g. 'my.env-name',  or \
             'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation is '[-._a-zA-Z][-._a-zA-Z0-9]*')",
            "spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
            "spec.containers[1].livenessProbe: Required value: must specify a handler type",
            "spec.containers[1].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
            "spec.containers[1].name: Duplicate value: \"a\"",
            "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", \"Never\"",
        ],
    );
}

const DEPLOYMENT: &str = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, namespace: ns}, spec: {selector: \
    {matchLabels: {app: a}}, template: {metadata: {labels: {app: a}}, spec: {containers: [{name: c, image: i}]}}}}";

#[test]
fn deployments() {
    check(DEPLOYMENT, &[]);
    check(
        &DEPLOYMENT.replace("labels: {app: a}", "labels: {app: b}"),
        &["spec.template.metadata.labels: Invalid value: {\"app\":\"b\"}: `selector` does not match template `labels`"],
    );
    check(&DEPLOYMENT.replace("selector: {matchLabels: {app: a}}, ", ""), &["spec.selector: Required value"]);
    check(
        &DEPLOYMENT.replace(
            "spec: {selector",
            "spec: {replicas: -1, strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}, selector",
        ),
        &[
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
        ],
    );
    check_change(
        DEPLOYMENT,
        &DEPLOYMENT.replace("app: a", "app: b"),
        &["spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"b\"}}: field is immutable"],
    );
}

#[test]
fn configuration() {
    check(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: ns}, data: {a/b: x, c: z}, binaryData: {c: eA==}}",
        &[
            "data[a/b]: Invalid value: \"a/b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' \
             (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
            "data[c]: Invalid value: \"c\": duplicate of key present in binaryData",
        ],
    );
    let fixed = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: ns}, immutable: true, data: {a: x}}";
    check_change(
        fixed,
        &fixed.replace("a: x", "a: z"),
        &["data: Forbidden: field is immutable when `immutable` is set"],
    );
}

#[test]
fn services() {
    check("{apiVersion: v1, kind: Service, metadata: {name: s, namespace: ns}}", &["spec.ports: Required value"]);
    check(
        "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: ns}, spec: {ports: [{port: 80}, {port: 0, name: a}]}}",
        &[
            "spec.ports[0].name: Required value",
            "spec.ports[1].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            "spec.ports[1].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive",
        ],
    );
}
