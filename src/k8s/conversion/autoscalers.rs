//! Autoscalers: version 1 knows processors only, and keeps what else version 2 has in annotations.
//!
//! Simplified: upstream writes the metrics in those annotations in an old form of their own; here they are in that of v2.

use serde_json::{Map, Value, json};

use crate::k8s::json as go_json;

type Fields = Map<String, Value>;

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

pub(super) fn to_v2(fields: &mut Fields) {
    let mut annotations = take_annotations(fields);
    let mut read = |name: &str| annotations.remove(name).and_then(|text| serde_json::from_str(text.as_str()?).ok());
    let (metrics, current, conditions, behavior) =
        (read(METRICS), read(CURRENT_METRICS), read(CONDITIONS), read(BEHAVIOR));
    put_annotations(fields, annotations);
    if let Some(spec) = inner(fields, "spec") {
        let share = spec.remove("targetCPUUtilizationPercentage").filter(|share| !share.is_null());
        let cpu = share.map(|share| {
            json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": share}}})
        });
        put_list(spec, "metrics", cpu, metrics);
        put(spec, "behavior", behavior);
    }
    if let Some(status) = inner(fields, "status") {
        let share = status.remove("currentCPUUtilizationPercentage").filter(|share| !share.is_null());
        let cpu = share.map(
            |share| json!({"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": share}}}),
        );
        put_list(status, "currentMetrics", cpu, current);
        put(status, "conditions", conditions);
    }
}

pub(super) fn to_v1(fields: &mut Fields) {
    let mut annotations = take_annotations(fields);
    let mut write = |name: &str, value: Option<Value>| {
        if let Some(value) = value.filter(|value| !value.is_null() && value != &json!([])) {
            annotations.insert(name.to_owned(), go_json::to_string(&value).into());
        }
    };
    if let Some(spec) = inner(fields, "spec") {
        let (share, others) = split_cpu(spec.remove("metrics"), "/resource/target/averageUtilization");
        put(spec, "targetCPUUtilizationPercentage", share);
        write(METRICS, Some(others));
        write(BEHAVIOR, spec.remove("behavior"));
    }
    if let Some(status) = inner(fields, "status") {
        let (share, others) = split_cpu(status.remove("currentMetrics"), "/resource/current/averageUtilization");
        put(status, "currentCPUUtilizationPercentage", share);
        write(CURRENT_METRICS, Some(others));
        write(CONDITIONS, status.remove("conditions"));
    }
    put_annotations(fields, annotations);
}

/// The share of processors among metrics, and the other metrics.
fn split_cpu(metrics: Option<Value>, path: &str) -> (Option<Value>, Value) {
    let mut others = metrics.and_then(|metrics| metrics.as_array().cloned()).unwrap_or_default();
    let is_cpu = |metric: &Value| {
        metric["type"] == "Resource"
            && metric["resource"]["name"] == "cpu"
            && metric.pointer(path).is_some_and(Value::is_number)
    };
    let share = others.iter().position(is_cpu).and_then(|place| others.remove(place).pointer(path).cloned());
    (share, others.into())
}

fn inner<'a>(fields: &'a mut Fields, name: &str) -> Option<&'a mut Fields> {
    fields.get_mut(name).and_then(Value::as_object_mut)
}

fn put(fields: &mut Fields, name: &str, value: Option<Value>) {
    fields.extend(value.map(|value| (name.to_owned(), value)));
}

fn put_list(fields: &mut Fields, name: &str, first: Option<Value>, others: Option<Value>) {
    let others = others.and_then(|others| others.as_array().cloned()).unwrap_or_default();
    let all: Vec<Value> = first.into_iter().chain(others).collect();
    if !all.is_empty() {
        fields.insert(name.to_owned(), all.into());
    }
}

fn take_annotations(fields: &mut Fields) -> Fields {
    let annotations = inner(fields, "metadata").and_then(|metadata| metadata.remove("annotations"));
    annotations.and_then(|annotations| annotations.as_object().cloned()).unwrap_or_default()
}

fn put_annotations(fields: &mut Fields, annotations: Fields) {
    if let Some(metadata) = inner(fields, "metadata").filter(|_| !annotations.is_empty()) {
        metadata.insert("annotations".to_owned(), annotations.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::conversion::convert;
    use crate::k8s::schema::Schema;
    use crate::k8s::typed;

    #[test]
    fn there_and_back() {
        let schema = Schema::kubernetes();
        let metrics = json!([
            {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}},
            {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
        ]);
        let v2 = json!({"kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v2", "metadata": {"name": "a"},
            "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "minReplicas": 1, "maxReplicas": 3, "metrics": metrics},
            "status": {"currentReplicas": 1, "desiredReplicas": 2, "conditions": [{"type": "AbleToScale", "status": "True"}]}});
        let message = schema.kind("autoscaling/v2", "HorizontalPodAutoscaler").unwrap();
        let v2 = typed::decode(schema, message, v2).unwrap().value;
        let v1 = convert(schema, v2.clone(), "autoscaling/v1").unwrap();
        assert_eq!(v1["spec"]["targetCPUUtilizationPercentage"], 50);
        assert!(v1["metadata"]["annotations"][METRICS].as_str().unwrap().contains("memory"));
        assert_eq!(convert(schema, v1, "autoscaling/v2"), Ok(v2));
    }
}
