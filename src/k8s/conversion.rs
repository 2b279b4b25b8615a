//! One object in two versions: what is served as one and stored as another.
//!
//! Upstream goes through internal types (`pkg/apis/*/v1/conversion.go`). Only three resources need it: definitions of custom
//! resources are stored as v1beta1, autoscalers as v2, and events of both groups as those of the core.

mod autoscalers;

use serde_json::{Map, Value, json};

use super::schema::Schema;
use super::typed;

/// An object of one version as another of the same kind; as it is if both are one. The result is in the form of its type.
pub fn convert(schema: &Schema, mut object: Value, api_version: &str) -> Result<Value, String> {
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (from, kind) = (text("apiVersion"), text("kind"));
    if from == api_version {
        return Ok(object);
    }
    let Some(fields) = object.as_object_mut() else { return Err("not an object".to_owned()) };
    match (&kind[..], &from[..], api_version) {
        ("CustomResourceDefinition", "apiextensions.k8s.io/v1", "apiextensions.k8s.io/v1beta1") => {
            store_definition(fields)
        }
        ("CustomResourceDefinition", "apiextensions.k8s.io/v1beta1", "apiextensions.k8s.io/v1") => {
            serve_definition(fields)
        }
        ("Event", "events.k8s.io/v1", "v1") => EVENT.iter().for_each(|(new, old)| rename(fields, new, old)),
        ("Event", "v1", "events.k8s.io/v1") => EVENT.iter().for_each(|(new, old)| rename(fields, old, new)),
        ("HorizontalPodAutoscaler", "autoscaling/v1", "autoscaling/v2") => autoscalers::to_v2(fields),
        ("HorizontalPodAutoscaler", "autoscaling/v2", "autoscaling/v1") => autoscalers::to_v1(fields),
        _ => return Err(format!("{kind} of {from:?} is not convertible to {api_version:?}")),
    }
    fields.insert("apiVersion".to_owned(), api_version.into());
    let message = schema.kind(api_version, &kind).ok_or_else(|| format!("no kind {kind:?} in {api_version:?}"))?;
    typed::decode(schema, message, object).map(|decoded| decoded.value)
}

/// The fields of an event in `events.k8s.io`, and in the core.
const EVENT: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
    ("reportingController", "reportingComponent"),
];

/// What all versions of a definition may share: in a version, and once for all.
const SHARED: [(&str, &str); 4] = [
    ("schema", "validation"),
    ("subresources", "subresources"),
    ("additionalPrinterColumns", "additionalPrinterColumns"),
    ("selectableFields", "selectableFields"),
];

/// What all versions share is said once; that makes large definitions smaller.
fn store_definition(fields: &mut Map<String, Value>) {
    let Some(Value::Object(spec)) = fields.get_mut("spec") else { return };
    spec.entry("preserveUnknownFields").or_insert(Value::Bool(false));
    // Defaults and the like are read and written anew; fields of types get back their order.
    spec.values_mut().for_each(Value::sort_all_objects);
    if let Some(Value::Object(conversion)) = spec.get_mut("conversion")
        && let Some(Value::Object(webhook)) = conversion.remove("webhook")
    {
        for (name, value) in webhook {
            let name = if name == "clientConfig" { "webhookClientConfig".to_owned() } else { name };
            conversion.insert(name, value);
        }
    }
    let Some(Value::Array(mut versions)) = spec.get("versions").cloned() else { return };
    versions.iter_mut().for_each(|version| rename_paths(version, "jsonPath", "JSONPath"));
    let Some(first) = versions.first().cloned() else { return };
    spec.insert("version".to_owned(), first["name"].clone());
    for (own, shared) in SHARED {
        if versions.iter().all(|version| version[own] == first[own]) {
            spec.insert(shared.to_owned(), first[own].clone());
            versions.iter_mut().filter_map(Value::as_object_mut).for_each(|version| drop(version.remove(own)));
        }
    }
    spec.insert("versions".to_owned(), versions.into());
}

fn serve_definition(fields: &mut Map<String, Value>) {
    let Some(Value::Object(spec)) = fields.get_mut("spec") else { return };
    if let Some(Value::Object(conversion)) = spec.get_mut("conversion") {
        let mut webhook = Map::new();
        for (old, new) in
            [("webhookClientConfig", "clientConfig"), ("conversionReviewVersions", "conversionReviewVersions")]
        {
            webhook
                .extend(conversion.remove(old).filter(|value| !value.is_null()).map(|value| (new.to_owned(), value)));
        }
        if !webhook.is_empty() {
            conversion.insert("webhook".to_owned(), webhook.into());
        }
    }
    let name = spec.remove("version").unwrap_or_default();
    let versions = spec.entry("versions").or_insert(Value::Null);
    if versions.as_array().is_none_or(Vec::is_empty) && !name.is_null() {
        *versions = json!([{"name": name, "served": true, "storage": true}]);
    }
    let mut versions = versions.as_array().cloned().unwrap_or_default();
    for (own, shared) in SHARED {
        let Some(value) = spec.remove(shared).filter(|value| !value.is_null()) else { continue };
        versions.iter_mut().filter_map(Value::as_object_mut).for_each(|version| {
            version.insert(own.to_owned(), value.clone());
        });
    }
    versions.iter_mut().for_each(|version| rename_paths(version, "JSONPath", "jsonPath"));
    spec.insert("versions".to_owned(), versions.into());
}

/// The path of a column has had two names.
fn rename_paths(version: &mut Value, old: &str, new: &str) {
    let columns = version.get_mut("additionalPrinterColumns").and_then(Value::as_array_mut);
    columns.into_iter().flatten().filter_map(Value::as_object_mut).for_each(|column| rename(column, old, new));
}

fn rename(fields: &mut Map<String, Value>, old: &str, new: &str) {
    if let Some(value) = fields.remove(old) {
        fields.insert(new.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFINITIONS: &str = include_str!("../../tests/testdata/k8s/recorded/definitions.jsonl");

    #[test]
    fn definitions_as_upstream_stores_them() {
        let schema = Schema::kubernetes();
        for line in DEFINITIONS.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let stored = convert(schema, line["served"].clone(), "apiextensions.k8s.io/v1beta1").unwrap();
            assert_eq!(stored.to_string(), line["stored"].to_string());
            let served = convert(schema, stored, "apiextensions.k8s.io/v1").unwrap();
            assert_eq!(served.to_string(), line["served"].to_string());
        }
    }

    #[test]
    fn values_in_schemas_are_sorted() {
        let schema = Schema::kubernetes();
        let mut definition: Value = serde_json::from_str(DEFINITIONS.lines().next().unwrap()).unwrap();
        let default = &mut definition["served"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
            ["default"];
        *default = json!({"z": 1, "a": {"y": 1, "b": 2}});
        let stored = convert(schema, definition["served"].clone(), "apiextensions.k8s.io/v1beta1").unwrap();
        assert!(stored.to_string().contains(r#""default":{"a":{"b":2,"y":1},"z":1}"#));
    }

    #[test]
    fn events_of_both_groups() {
        let schema = Schema::kubernetes();
        let event = json!({"kind": "Event", "apiVersion": "events.k8s.io/v1", "metadata": {"name": "a"},
            "eventTime": "2026-11-21T18:00:00.000001Z", "reportingController": "c", "reason": "r", "note": "n",
            "regarding": {"kind": "Pod", "name": "p"}, "deprecatedCount": 2});
        let message = schema.kind("events.k8s.io/v1", "Event").unwrap();
        let event = typed::decode(schema, message, event).unwrap().value;
        let core = convert(schema, event.clone(), "v1").unwrap();
        assert_eq!(
            (&core["message"], &core["involvedObject"]["name"], &core["count"]),
            (&json!("n"), &json!("p"), &json!(2))
        );
        assert_eq!(core["reportingComponent"], "c");
        assert_eq!(convert(schema, core, "events.k8s.io/v1"), Ok(event));
    }

    #[test]
    fn what_is_not_convertible_says_so() {
        let pod = json!({"kind": "Pod", "apiVersion": "v1"});
        let error = convert(Schema::kubernetes(), pod, "v2").unwrap_err();
        assert_eq!(error, r#"Pod of "v1" is not convertible to "v2""#);
    }
}
