//! Definitions and instances against what the Go libraries say of them, and what definitions become by their names.

use serde_json::{Value, json};

use super::*;
use crate::k8s::meta::time::Time;
use crate::k8s::schema::Schema;
use crate::k8s::{defaults, typed};

const RECORDED: &str = include_str!("../../../tests/testdata/k8s/recorded/custom.jsonl");
const NOW: Time = Time { seconds: 1_800_000_000, nanos: 0 };

fn ships(schema: &Value) -> Value {
    json!({"spec": {"group": "example.com", "names": {"kind": "Ship"}, "scope": "Cluster",
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}})
}

#[test]
fn definitions_and_instances_as_the_libraries_judge_them() {
    let mut lines = RECORDED.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ship = lines.next().unwrap()["ship"].take();
    let mut count = 0;
    for case in lines {
        let mut errors = if case["op"] == "crd" {
            check(&defined(case["object"].clone()))
        } else {
            let definition = ships(if case["schema"] == "ship" { &ship } else { &case["schema"] });
            let version = Version::of(&definition, "v1").unwrap();
            let settle = |mut object: Value| {
                let unknown = version.settle(Schema::kubernetes(), &mut object).unwrap();
                object["metadata"]["resourceVersion"] = "1".into();
                (object, unknown)
            };
            let (object, unknown) = settle(case["new"].clone());
            assert_eq!(Value::from(unknown), case.get("unknown").cloned().unwrap_or_else(|| json!([])), "{case}");
            let mut expect =
                if case["object_out"] == "same" { case["new"].clone() } else { case["object_out"].clone() };
            expect["metadata"]["resourceVersion"] = "1".into();
            assert_eq!(object, expect);
            match case.get("old") {
                Some(old) => version.check_update(&object, &settle(old.clone()).0),
                None => version.check(&object),
            }
        };
        errors.sort_by_key(|error| error.to_string());
        let mut expect: Vec<&str> =
            case["errors"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
        expect.sort_unstable();
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, expect, "{case}");
        count += 1;
    }
    assert!(count > 190, "{count} cases");
}

#[test]
fn rules_as_the_libraries_judge_them() {
    const RECORDED: &str = include_str!("../../../tests/testdata/k8s/recorded/expressions.jsonl");
    let mut lines = RECORDED.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let world = lines.next().unwrap();
    let mut count = 0;
    for case in lines {
        let mut schema = world["schema"].clone();
        schema["properties"]["spec"]["x-kubernetes-validations"] = json!([{"rule": case["rule"]}]);
        let definition = ships(&schema);
        let version = Version::of(&definition, "v1").unwrap();
        let mut object = world["object"].clone();
        version.settle(Schema::kubernetes(), &mut object).unwrap();
        let texts: Vec<String> = version.check(&object).iter().map(ToString::to_string).collect();
        assert_eq!(Value::from(texts), case["errors"], "{}", case["rule"]);
        count += 1;
    }
    assert!(count > 180, "{count} rules");
}

#[test]
fn rules_have_a_budget() {
    let items = json!({"type": "array", "items": {"type": "integer", "x-kubernetes-validations": [{"rule":
        "[1, 2, 3, 4, 5, 6, 7, 8, 9].all(a, [1, 2, 3, 4, 5, 6, 7, 8, 9].all(b, [1, 2, 3, 4, 5, 6, 7, 8, 9].all(c, \
         [1, 2, 3, 4, 5, 6, 7, 8, 9].all(d, a + b + c + d + self > 0))))"}]}});
    let definition = ships(&json!({"type": "object", "properties": {"spec": items}}));
    let object =
        json!({"apiVersion": "example.com/v1", "kind": "Ship", "metadata": {"name": "a"}, "spec": vec![1; 100_000]});
    let errors = Version::of(&definition, "v1").unwrap().check(&object);
    let last = errors.last().unwrap().to_string();
    assert!(last.contains("cost"), "{last}");
    assert!(errors.len() < 3, "{} errors", errors.len());
}

fn defined(object: Value) -> Value {
    let schema = Schema::kubernetes();
    let message = schema.kind("apiextensions.k8s.io/v1", "CustomResourceDefinition").unwrap();
    let object = typed::decode(schema, message, object).unwrap().value;
    let mut object = defaults::apply(schema, message, object).unwrap();
    prepare_create(&mut object);
    object
}

fn definition(name: &str, names: Value) -> Value {
    defined(
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [{"name": "v1", "served": true,
        "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]}}),
    )
}

#[test]
fn names_are_accepted_and_definitions_established() {
    let mut ships = definition("ships.example.com", json!({"plural": "ships", "kind": "Ship", "shortNames": ["sh"]}));
    assert_eq!(ships["status"]["storedVersions"], json!(["v1"]));
    ships["status"] = conditions(&ships, &[], NOW).unwrap();
    let texts = |definition: &Value| -> Vec<String> {
        let text = |condition: &Value, name: &str| condition[name].as_str().unwrap().to_owned();
        let show = |condition: &Value| {
            let [ty, status, reason, message] =
                ["type", "status", "reason", "message"].map(|name| text(condition, name));
            format!("{ty}={status} {reason}: {message}")
        };
        definition["status"]["conditions"].as_array().unwrap().iter().map(show).collect()
    };
    assert_eq!(
        texts(&ships),
        [
            "NamesAccepted=True NoConflicts: no conflicts found",
            "Established=False Installing: the initial names have been accepted"
        ]
    );
    ships["status"] = establish(&ships, NOW).unwrap();
    assert_eq!(texts(&ships)[1], "Established=True InitialNamesAccepted: the initial names have been accepted");
    assert_eq!(establish(&ships, NOW), None);
    assert_eq!(conditions(&ships, &[], NOW), None);

    let mut sheep =
        definition("sheep.example.com", json!({"plural": "sheep", "kind": "Ship", "shortNames": ["sh", "shp"]}));
    sheep["status"] = conditions(&sheep, &[&ships], NOW).unwrap();
    assert_eq!(
        texts(&sheep),
        [
            "NamesAccepted=False ListKindConflict: \"ShipList\" is already in use",
            "Established=False NotAccepted: not all names are accepted"
        ]
    );
    // Its singular is taken too.
    assert_eq!(sheep["status"]["acceptedNames"], json!({"plural": "sheep", "kind": ""}));
    assert_eq!(establish(&sheep, NOW), None);
}

#[test]
fn what_endpoints_set() {
    let definition = json!({"spec": {"group": "example.com", "names": {"kind": "Ship"}, "scope": "Namespaced", "versions": [
        {"name": "v1", "served": true, "storage": true, "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.crew",
            "statusReplicasPath": ".status.crew", "labelSelectorPath": ".status.selector"}}},
        {"name": "v2", "served": true, "deprecated": true}]}});
    let version = Version::of(&definition, "v1").unwrap();
    let mut ship = json!({"apiVersion": "example.com/v1", "kind": "Ship", "metadata": {"name": "a"}, "spec": {"crew": 2}, "status": {"x": 1}});
    version.prepare_create(&mut ship);
    assert_eq!((&ship["status"], &ship["metadata"]["generation"]), (&Value::Null, &json!(1)));
    let old = ship.clone();
    ship["status"] = json!({"crew": 1, "selector": "a=b"});
    ship["spec"]["crew"] = json!(9);
    version.prepare_status(&mut ship, &old);
    assert_eq!(
        (&ship["spec"]["crew"], &ship["status"]["crew"], &ship["metadata"]["generation"]),
        (&json!(2), &json!(1), &json!(1))
    );
    let scale = version.scale_of(&ship).unwrap();
    assert_eq!(
        (&scale["spec"], &scale["status"]),
        (&json!({"replicas": 2}), &json!({"replicas": 1, "selector": "a=b"}))
    );
    let old = ship.clone();
    version.set_scale(&mut ship, 5);
    ship["status"] = json!({});
    version.prepare_update(&mut ship, &old);
    assert_eq!(
        (&ship["spec"]["crew"], &ship["status"]["crew"], &ship["metadata"]["generation"]),
        (&json!(5), &json!(1), &json!(2))
    );
    let old = ship.clone();
    ship["metadata"]["labels"] = json!({"a": "b"});
    version.prepare_update(&mut ship, &old);
    assert_eq!(ship["metadata"]["generation"], 2);
    ship["spec"]["crew"] = json!(-1);
    ship["metadata"]["namespace"] = "default".into();
    let errors: Vec<String> = version.check(&ship).iter().map(ToString::to_string).collect();
    assert_eq!(errors, [".spec.crew: Invalid value: -1: should be a non-negative integer"]);
    assert_eq!(
        Version::of(&definition, "v2").unwrap().deprecation_warning().unwrap(),
        "example.com/v2 Ship is deprecated"
    );
    assert_eq!(Version::served(&definition).count(), 2);
}
