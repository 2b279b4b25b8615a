//! Forms that objects take.

use serde_json::json;

use super::*;

#[track_caller]
fn check(api_version: &str, kind: &str, value: Value, expect: &str) {
    let schema = Schema::kubernetes();
    let message = schema.kind(api_version, kind).unwrap();
    let decoded = decode(schema, message, value).unwrap();
    assert_eq!(decoded.value.to_string(), expect);
    assert_eq!(
        decode(schema, message, decoded.value.clone()),
        Ok(Decoded { value: decoded.value, unknown: Vec::new() })
    );
}

#[test]
fn fields_come_in_gos_order() {
    let value = json!({"status": {}, "spec": {"containers": [{"image": "i", "name": "n"}], "volumes": []},
        "metadata": {"labels": {"b": "1", "a": "2"}, "name": "x", "creationTimestamp": null}, "apiVersion": "v1", "kind": "Pod"});
    let expect = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x","labels":{"a":"2","b":"1"}},"spec":{"containers":[{"name":"n","image":"i","resources":{}}]},"status":{}}"#;
    check("v1", "Pod", value, expect);
}

#[test]
fn structs_are_printed_even_if_empty() {
    let expect = r#"{"metadata":{},"spec":{"selector":null,"template":{"metadata":{},"spec":{"containers":null}},"strategy":{}},"status":{}}"#;
    check("apps/v1", "Deployment", json!({}), expect);
}

#[test]
fn amounts_are_canonical() {
    let value = json!({"spec": {"hard": {"cpu": 0.5, "memory": "1024Mi", "pods": 10}}});
    check(
        "v1",
        "ResourceQuota",
        value,
        r#"{"metadata":{},"spec":{"hard":{"cpu":"500m","memory":"1Gi","pods":"10"}},"status":{}}"#,
    );
}

#[test]
fn unknown_fields_are_named() {
    let schema = Schema::kubernetes();
    let message = schema.kind("v1", "Pod").unwrap();
    let value = json!({"spec": {"containers": [{}, {"imagee": 1}]}, "metadata": {"labels": {"x": "y"}, "lables": {}}});
    assert_eq!(decode(schema, message, value).unwrap().unknown, ["spec.containers[1].imagee", "metadata.lables"]);
}

#[test]
fn base64_is_written_in_one_way() {
    let value = json!({"data": {"a": "Y\nR==", "b": ""}});
    check("v1", "Secret", value, r#"{"metadata":{},"data":{"a":"YQ==","b":""}}"#);
}
