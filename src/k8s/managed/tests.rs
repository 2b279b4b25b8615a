//! Owners of fields against what the Go libraries make of the same writes.

use serde_json::{Value, json};

use super::*;
use crate::k8s::schema::Schema;

const RECORDED: &str = include_str!("../../../tests/testdata/k8s/recorded/applies.jsonl");
const NOW: Time = Time { seconds: 1_800_000_000, nanos: 0 };

#[test]
fn owners_as_the_libraries_know_them() {
    let schema = Schema::kubernetes();
    let mut lines = RECORDED.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let documents = lines.next().unwrap()["documents"].take();
    let mut count = 0;
    for case in lines {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text(&case["version"]), text(&case["kind"]));
        let message = schema.kind(&version, &kind).unwrap();
        let types = Types::kind(schema, message);
        let mut live: Option<Value> = None;
        for step in case["steps"].as_array().unwrap() {
            let object = match &step["object"] {
                Value::String(name) => documents[name].clone(),
                other => other.clone(),
            };
            let resets = set_of(&step["resets"]);
            let (manager, subresource) = (text(&step["manager"]), text(&step["sub"]));
            let actor =
                Actor { manager: &manager, api_version: &version, kind: &kind, subresource: &subresource, now: NOW };
            let made = if step["op"] == "apply" {
                apply(&types, live.as_ref(), object, &actor, step["force"] == true, &resets)
            } else {
                let object = types.settle(object).unwrap();
                Ok(update(&types, live.as_ref(), object, &actor, &resets))
            };
            match (&step["result"], &made) {
                (Value::Null, _) => {}
                (result, Err(status)) => assert_eq!(sorted(&status.message), sorted(&text(&result["error"]))),
                (result, Ok(object)) => assert_eq!(object.to_string(), result.to_string(), "{}", step["object"]),
            }
            live = made.ok().or(live);
            count += 1;
        }
    }
    assert!(count > 80, "{count} steps");
}

/// Upstream prints several mistakes, and the managers of one conflict, in no order.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

fn set_of(paths: &Value) -> Set {
    let paths = paths.as_array().into_iter().flatten();
    let paths: Vec<Vec<&str>> =
        paths.map(|path| path.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()).collect();
    Set::of_fields(&paths.iter().map(|path| &path[..]).collect::<Vec<_>>())
}

fn ship(spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Ship", "metadata": {"name": "a"}, "spec": spec})
}

fn sailor(manager: &str) -> Actor<'_> {
    Actor { manager, api_version: "example.com/v1", kind: "Ship", subresource: "", now: NOW }
}

fn owned(object: &Value, manager: &str) -> String {
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    entries
        .iter()
        .find(|entry| entry["manager"] == manager)
        .map_or(String::new(), |entry| entry["fieldsV1"].to_string())
}

#[test]
fn custom_resources_with_a_schema() {
    let structural = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "crew": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "rank"],
            "items": {"type": "object", "properties": {"name": {"type": "string"}, "rank": {"type": "string", "default": "mate"},
                "age": {"type": "integer"}}}},
        "ports": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "hull": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"length": {"type": "integer"}}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}});
    let types = Types::custom(Schema::kubernetes(), Some(&structural));
    let none = Set::default();
    let spec = json!({"crew": [{"name": "ann", "age": 40}], "ports": ["Aden"], "hull": {"length": 9}, "free": {"a": {"b": 1}}});
    let first = apply(&types, None, ship(spec), &sailor("one"), false, &none).unwrap();
    let expect = r#"{"f:spec":{"f:crew":{"k:{\"name\":\"ann\",\"rank\":\"mate\"}":{".":{},"f:age":{},"f:name":{}}},"f:free":{"f:a":{".":{},"f:b":{}}},"f:hull":{},"f:ports":{"v:\"Aden\"":{}}}}"#;
    assert_eq!(owned(&first, "one"), expect);
    let spec = json!({"crew": [{"name": "ann", "rank": "mate", "age": 41}], "ports": ["Basra"], "hull": {"length": 9}});
    let status = apply(&types, Some(&first), ship(spec.clone()), &sailor("two"), false, &none).unwrap_err();
    let message = "Apply failed with 1 conflict: conflict with \"one\": .spec.crew[name=\"ann\",rank=\"mate\"].age";
    assert_eq!((status.code, &status.message[..]), (409, message));
    let second = apply(&types, Some(&first), ship(spec), &sailor("two"), true, &none).unwrap();
    assert_eq!(second["spec"]["ports"], json!(["Aden", "Basra"]));
    assert!(!owned(&second, "one").contains("f:age"));
    // What the second one no longer says, and the first one never said, goes.
    let third =
        apply(&types, Some(&second), ship(json!({"hull": {"length": 9}})), &sailor("two"), true, &none).unwrap();
    assert_eq!(
        third["spec"],
        json!({"crew": [{"name": "ann"}], "ports": ["Aden"], "hull": {"length": 9}, "free": {"a": {"b": 1}}})
    );
    let unknown = apply(&types, None, ship(json!({"keel": 1})), &sailor("one"), false, &none).unwrap_err();
    let message =
        "failed to create typed patch object (/a; example.com/v1, Kind=Ship): .spec.keel: field not declared in schema";
    assert_eq!((unknown.code, &unknown.message[..]), (500, message));
}

#[test]
fn custom_resources_without_a_schema() {
    let types = Types::custom(Schema::kubernetes(), None);
    let made = update(&types, None, ship(json!({"a": [1, 2], "b": {"c": {}}})), &sailor("one"), &Set::default());
    assert_eq!(owned(&made, "one"), r#"{"f:spec":{".":{},"f:a":{},"f:b":{".":{},"f:c":{}}}}"#);
}

#[test]
fn names_of_agents() {
    assert_eq!(name_of_agent("kubectl/v1.35.2 (linux/amd64) kubernetes/fdc9d74"), "kubectl");
    assert_eq!(name_of_agent(&"x".repeat(200)).len(), 128);
    assert_eq!(name_of_agent("a\u{7}b"), "ab");
}

#[test]
fn nothing_is_written_if_only_times_differ() {
    let types = Types::custom(Schema::kubernetes(), None);
    let later = Actor { now: Time { seconds: 1_800_000_060, nanos: 0 }, ..sailor("one") };
    let first = update(&types, None, ship(json!({"a": 1})), &sailor("one"), &Set::default());
    let other = update(&types, None, ship(json!({"a": 1})), &later, &Set::default());
    assert_ne!(first, other);
    assert!(is_same_but_for_times(&first, &other));
}
