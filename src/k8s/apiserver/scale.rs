//! The subresource `scale`: how many replicas an object wants and has, whatever its kind.

use super::endpoint::Endpoint;
use serde_json::{Map, Value, json};

/// An object's `autoscaling/v1` Scale.
pub fn of(endpoint: &Endpoint, object: &Value) -> Value {
    let mut metadata = Map::new();
    for name in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object["metadata"].get(name) {
            metadata.insert(name.to_owned(), value.clone());
        }
    }
    let mut spec = Map::new();
    match object["spec"]["replicas"].as_i64() {
        None | Some(0) => {}
        Some(replicas) => drop(spec.insert("replicas".to_owned(), replicas.into())),
    }
    let mut status = json!({"replicas": object["status"]["replicas"].as_i64().unwrap_or(0)});
    let selector = &object["spec"]["selector"];
    let written = if endpoint.kind() == "ReplicationController" {
        selector.as_object().map(pairs).unwrap_or_default()
    } else {
        crate::k8s::meta::labels::Selector::of_object(selector)
            .ok()
            .flatten()
            .map(|selector| selector.to_string())
            .unwrap_or_default()
    };
    if !written.is_empty() {
        status["selector"] = written.into();
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status})
}

fn pairs(selector: &Map<String, Value>) -> String {
    let mut pairs: Vec<String> =
        selector.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    pairs.sort();
    pairs.join(",")
}

/// The object with as many replicas as the Scale says.
pub fn apply(object: &Value, scale: &Value) -> Value {
    let mut scaled = object.clone();
    scaled["spec"]["replicas"] = scale["spec"]["replicas"].as_i64().unwrap_or(0).into();
    scaled
}
