//! Patches against what the Go libraries make of them, and refusals against the texts of the API server.

use serde_json::{Value, json};

use super::*;

const RECORDED: &str = include_str!("../../../tests/testdata/k8s/recorded/patches.jsonl");

fn schema() -> &'static Schema {
    Schema::kubernetes()
}

fn deployments() -> MessageId {
    schema().kind("apps/v1", "Deployment").unwrap()
}

#[test]
fn patches_as_the_libraries_make_and_apply_them() {
    let mut lines = RECORDED.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let documents = lines.next().unwrap()["documents"].take();
    let mut count = 0;
    for case in lines {
        let part = |name: &str| match &case[name] {
            Value::String(name) => documents[name].clone(),
            other => other.clone(),
        };
        let text = |name: &str| case[name].as_str().unwrap_or_default();
        let kind = schema().kind(text("version"), text("kind"));
        let made = match text("op") {
            "smp" => strategic_merge(schema(), kind.unwrap(), &part("current"), &part("patch")),
            "three" => three_way(schema(), kind, &part("original"), &part("modified"), &part("current")),
            "jthree" => three_way(schema(), None, &part("original"), &part("modified"), &part("current")),
            "two" => two_way(schema(), kind.unwrap(), &part("original"), &part("modified")),
            "merge" => Ok(merge::apply(part("current"), part("patch")).unwrap()),
            "json" => apply_operations(part("current"), part("patch").to_string().as_bytes()),
            other => panic!("no operation {other}"),
        };
        let expect = match &case["error"] {
            Value::String(error) => Err(error.clone()),
            _ => Ok(part("result")),
        };
        assert_eq!(made, expect, "{case}");
        count += 1;
    }
    assert!(count > 150, "{count} cases");
}

#[track_caller]
fn refuse(patch_type: PatchType, validation: FieldValidation, patch: &str, code: u16, message: &str) {
    let current = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 1, "selector": null, "strategy": {}, "template": {"metadata": {}, "spec": {"containers": null}}}});
    let refused = apply(schema(), Some(deployments()), patch_type, validation, &current, patch.as_bytes());
    let status = refused.unwrap_err();
    assert_eq!((status.code, &status.message[..]), (code, message), "{patch}");
}

#[test]
fn refusals() {
    use FieldValidation::{Ignore, Strict, Warn};
    let rejected = "the server rejected our request due to an error in our request";
    refuse(PatchType::Json, Warn, r#"[{"op":"remove","path":"/spec/x"}]"#, 422, rejected);
    refuse(PatchType::Json, Warn, r#"[{"op":"test","path":"/spec/replicas","value":2}]"#, 422, rejected);
    let object = "json: cannot unmarshal object into Go value of type";
    refuse(PatchType::Json, Warn, "{}", 400, &format!("error decoding patch: {object} []handlers.jsonPatchOp"));
    refuse(PatchType::Json, Ignore, "{}", 400, &format!("{object} jsonpatch.Patch"));
    refuse(
        PatchType::Json,
        Warn,
        "[{]",
        400,
        "error decoding patch: invalid character ']' looking for beginning of object key string",
    );
    refuse(PatchType::Merge, Ignore, "7", 400, "Invalid JSON Patch");
    refuse(
        PatchType::Merge,
        Warn,
        "[]",
        400,
        "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
    );
    refuse(PatchType::StrategicMerge, Warn, "{", 400, "unexpected end of JSON input");
    let many = format!("[{}]", vec![r#"{"op":"test","path":"/a"}"#; 10_001].join(","));
    let too_many = "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001";
    refuse(PatchType::Json, Warn, &many, 413, too_many);
    let strict = r#"{"spec":{"strategy":{"$retainKeys":5}}}"#;
    refuse(PatchType::StrategicMerge, Strict, strict, 400, "invalid patch format of retainKeys");
}

#[test]
fn results_that_are_no_object_of_their_kind() {
    let message = " \"\" is invalid: patch: Invalid value: \"{\\\"apiVersion\\\":\\\"apps/v1\\\",\\\"kind\\\":\\\"Deployment\\\",\\\"metadata\\\":\
        {\\\"name\\\":\\\"web\\\"},\\\"spec\\\":\\\"x\\\"}\": json: cannot unmarshal string into Go struct field Deployment.spec of type \
        v1.DeploymentSpec";
    refuse(PatchType::Merge, FieldValidation::Warn, r#"{"spec":"x"}"#, 422, message);
    let message = " \"\" is invalid: patch: Invalid value: \"map[spec:map[replicaz:3]]\": strict decoding error: unknown field \
        \"spec.replicaz\"";
    refuse(PatchType::StrategicMerge, FieldValidation::Strict, r#"{"spec":{"replicaz":3}}"#, 422, message);
}

#[test]
fn what_clients_are_warned_of() {
    let current = json!({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {}, "spec": {}});
    let patch = br#"{"spec":{"replicas":2,"replicas":3,"replicaz":1}}"#;
    for patch_type in [PatchType::Merge, PatchType::StrategicMerge] {
        let patched = apply(schema(), Some(deployments()), patch_type, FieldValidation::Warn, &current, patch).unwrap();
        assert_eq!(patched.object["spec"]["replicas"], 3);
        assert_eq!(patched.problems, ["duplicate field \"spec.replicas\"", "unknown field \"spec.replicaz\""]);
    }
}

#[test]
fn bodies_of_server_side_apply() {
    let text = b"kind: Pod\nspec:\n  a: 1\n  a: 2\n";
    let problem = "error converting YAML to JSON: yaml: unmarshal errors:\n  line 4: key \"a\" already set in map";
    let (value, problems) = read_applied(text, FieldValidation::Warn).unwrap();
    assert_eq!((&value["spec"]["a"], &problems[..]), (&json!(2), &[problem.to_owned()][..]));
    let refused = read_applied(text, FieldValidation::Strict).unwrap_err();
    assert_eq!((refused.code, refused.message), (400, format!("error strict decoding YAML: {problem}")));
    assert_eq!(read_applied(b"[1]", FieldValidation::Warn).unwrap_err().code, 400);
}

#[test]
fn content_types() {
    assert_eq!(PatchType::of_content_type("application/merge-patch+json; charset=utf-8", true), Ok(PatchType::Merge));
    let refused = PatchType::of_content_type("application/strategic-merge-patch+json", true).unwrap_err();
    assert_eq!(
        (refused.code, &refused.message[..]),
        (
            415,
            "the body of the request was in an unknown format - accepted media types include: \
            application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
        )
    );
}

#[test]
fn patches_cannot_grow_without_bound() {
    let deeper: Vec<Value> = (0..300).map(|_| json!({"op": "copy", "from": "/a", "path": "/a/a"})).collect();
    let error = apply_operations(json!({"a": {}}), Value::Array(deeper).to_string().as_bytes()).unwrap_err();
    assert_eq!(error, "error while adding value during copy: exceeded max depth");
    let wider: Vec<Value> = (0..40).map(|_| json!({"op": "copy", "from": "/a", "path": "/a/-"})).collect();
    let wide = json!({"a": ["x"]});
    let error = apply_operations(wide, Value::Array(wider).to_string().as_bytes()).unwrap_err();
    assert!(error.contains("accumulated size increase") || error.contains("max depth"), "{error}");
}
