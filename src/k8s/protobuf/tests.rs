//! Bytes and objects: the rules one by one, and bytes that mean harm.

use serde_json::{Value, json};

use super::*;
use crate::k8s::typed;

fn schema() -> &'static Schema {
    Schema::kubernetes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The message of an object without its envelope, after it was read as its type.
#[track_caller]
fn check(package: &str, name: &str, value: Value, expect: &str) {
    let message = schema().find(package, name).unwrap();
    let value = typed::decode(schema(), message, value).unwrap().value;
    let bytes = encode(schema(), message, &value).unwrap();
    assert_eq!(hex(&bytes), expect.replace(' ', ""));
    assert_eq!(decode(schema(), message, &bytes).unwrap().to_string(), value.to_string());
}

#[test]
fn a_namespace_as_kubectl_sends_it() {
    let value =
        json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "shop"}, "spec": {}, "status": {}});
    let bytes = to_bytes(schema(), &value).unwrap();
    let expect = "6b387300 0a0f0a0276311209 4e616d657370616365 121c0a140a0473686f7012001a0022002a00320038004200 1200 1a020a00 1a00 2200";
    assert_eq!(hex(&bytes), expect.replace(' ', ""));
    assert_eq!(from_bytes(schema(), &bytes), Ok(value));
}

#[test]
fn pointers_tell_zero_from_absent() {
    let meta = "0a0e0a0012001a0022002a0032003800";
    assert_eq!(meta.len(), 32);
    check("autoscaling.v1", "ScaleSpec", json!({}), "0800");
    check("core.v1", "PodDNSConfigOption", json!({"name": "a"}), "0a0161");
    check("core.v1", "PodDNSConfigOption", json!({"name": "a", "value": ""}), "0a0161 1200");
    check("core.v1", "SecurityContext", json!({"runAsUser": 0, "runAsNonRoot": false}), "2000 2800");
}

#[test]
fn the_types_that_are_not_protobufs_own() {
    check("core.v1", "TCPSocketAction", json!({"port": 80}), "0a06 0800 1050 1a00 1200");
    check("core.v1", "TCPSocketAction", json!({"port": "web"}), "0a09 0801 1000 1a03776562 1200");
    check("coordination.v1", "LeaseSpec", json!({"renewTime": "1970-01-01T00:00:01.000002Z"}), "2205 0801 10d00f");
    let condition = json!({"type": "a", "status": "b", "lastTransitionTime": null, "reason": "", "message": ""});
    check("meta.v1", "Condition", condition, "0a0161 120162 1800 2200 2a00 3200");
    check(
        "core.v1",
        "ResourceRequirements",
        json!({"limits": {"b": "1", "a": "2000m"}}),
        "0a08 0a0161 1203 0a0132 0a08 0a0162 1203 0a0131",
    );
    check("core.v1", "Lifecycle", json!({"preStop": {"exec": {}}}), "1202 0a00");
    let bounded = json!({"additionalProperties": false});
    let message = schema().find("apiextensions.v1", "JSONSchemaProps").unwrap();
    let bytes = encode(schema(), message, &bounded).unwrap();
    assert!(hex(&bytes).contains("f201020800"));
    assert_eq!(decode(schema(), message, &bytes), Ok(bounded));
}

#[test]
fn embedded_structs_are_messages_of_their_own() {
    check("core.v1", "SecretKeySelector", json!({"name": "s", "key": "k"}), "0a03 0a0173 12016b");
    check("core.v1", "Volume", json!({"name": "v", "emptyDir": {}}), "0a0176 1204 12020a00");
}

#[test]
fn a_message_in_pieces_is_one() {
    let message = schema().find("core.v1", "Volume").unwrap();
    let bytes = [0x0a, 1, b'v', 0x12, 4, 0x12, 2, 0x0a, 0, 0x12, 4, 0x0a, 2, 0x0a, 0];
    let value = decode(schema(), message, &bytes).unwrap();
    assert_eq!(value, json!({"name": "v", "hostPath": {"path": ""}, "emptyDir": {}}));
}

#[test]
fn what_is_wrong_is_said() {
    let refuse = |bytes: &[u8]| from_bytes(schema(), bytes).unwrap_err();
    assert_eq!(refuse(b"{}"), "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]",);
    assert_eq!(refuse(b"k8s\0"), r#"no kind "" is registered for version """#);
    assert_eq!(refuse(b"k8s\0\x12\x05a"), "unexpected EOF");
    let pod = schema().find("core.v1", "Pod").unwrap();
    assert_eq!(decode(schema(), pod, &[0x08, 1]).unwrap_err(), "proto: wrong wireType = 0 for field metadata");
    assert_eq!(decode(schema(), pod, &[0x00]).unwrap_err(), "proto: Pod: illegal tag 0 (wire type 0)");
    assert_eq!(decode(schema(), pod, &[0xff; 12]).unwrap_err(), "proto: integer overflow");
    assert_eq!(encode(schema(), pod, &json!({"spec": 5})).unwrap_err(), "spec: PodSpec is an object, not 5");
}

#[test]
fn depth_is_bounded() {
    // Definitions within `not` within `not` …
    let message = schema().find("apiextensions.v1", "JSONSchemaProps").unwrap();
    let mut bytes = Vec::new();
    for _ in 0..10_000 {
        let mut outer = Vec::new();
        wire::put_bytes(&mut outer, 28, &bytes);
        bytes = outer;
    }
    assert_eq!(decode(schema(), message, &bytes).unwrap_err(), "messages nested deeper than 256 levels");
}

/// Whatever is done to the bytes of an object, they are an object or an error.
#[test]
fn broken_bytes_do_no_harm() {
    let pod = include_bytes!("../../../tests/testdata/k8s/objects/pod.pb");
    let mut state = 1u32;
    let mut draw = |bound: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % bound
    };
    for _ in 0..20_000 {
        let mut bytes = pod.to_vec();
        for _ in 0..=draw(4) {
            let at = draw(bytes.len());
            match draw(3) {
                0 => bytes[at] = draw(256) as u8,
                1 => bytes.truncate(at.max(5)),
                _ => bytes.insert(at, draw(256) as u8),
            }
        }
        if let Ok(value) = from_bytes(schema(), &bytes) {
            let _ = to_bytes(schema(), &value);
        }
    }
}
