//! The core group without pods.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Fields, fill, fill_text, inner, is_absent, items, text};
use crate::k8s::schema::Schema;

pub(super) fn of(package: &str, name: &str) -> Option<fn(&Schema, &mut Fields)> {
    if package != "core.v1" {
        return None;
    }
    Some(match name {
        "Service" => service,
        "Secret" => secret,
        "Namespace" => namespace,
        "NamespaceStatus" => |_, fields| fill_text(fields, "phase", "Active"),
        "NodeStatus" => node_status,
        "ReplicationController" => replication_controller,
        "PersistentVolume" => persistent_volume,
        "PersistentVolumeClaim" => |_, fields| fill_text(inner(fields, "status"), "phase", "Pending"),
        "PersistentVolumeClaimSpec" => |_, fields| fill(fields, "volumeMode", "Filesystem"),
        "EndpointPort" => |_, fields| fill_text(fields, "protocol", "TCP"),
        "LimitRangeItem" => limit_range_item,
        "PodLogOptions" => |_, fields| fill(fields, "stream", "All"),
        _ => return None,
    })
}

fn service(_: &Schema, fields: &mut Fields) {
    let spec = inner(fields, "spec");
    fill_text(spec, "sessionAffinity", "None");
    match text(spec, "sessionAffinity") {
        "None" => drop(spec.remove("sessionAffinityConfig")),
        "ClientIP" => fill(inner(inner(spec, "sessionAffinityConfig"), "clientIP"), "timeoutSeconds", 10_800),
        _ => {}
    }
    fill_text(spec, "type", "ClusterIP");
    for port in items(spec, "ports") {
        fill_text(port, "protocol", "TCP");
        let is_unset = port.get("targetPort").is_none_or(|target| target == 0 || target == "");
        if let (true, Some(number)) = (is_unset, port.get("port").cloned()) {
            port.insert("targetPort".to_owned(), number);
        }
    }
    let kind = text(spec, "type").to_owned();
    let has_external = spec.get("externalIPs").and_then(Value::as_array).is_some_and(|addresses| !addresses.is_empty());
    if matches!(&kind[..], "LoadBalancer" | "NodePort") || (kind == "ClusterIP" && has_external) {
        fill_text(spec, "externalTrafficPolicy", "Cluster");
    }
    if matches!(&kind[..], "LoadBalancer" | "NodePort" | "ClusterIP") {
        fill(spec, "internalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        fill(spec, "allocateLoadBalancerNodePorts", true);
        let balancer = inner(inner(fields, "status"), "loadBalancer");
        items(balancer, "ingress").filter(|ingress| !text(ingress, "ip").is_empty()).for_each(|ingress| {
            fill(ingress, "ipMode", "VIP");
        });
    }
}

/// What was written as text is kept as data.
fn secret(_: &Schema, fields: &mut Fields) {
    fill_text(fields, "type", "Opaque");
    if let Some(Value::Object(texts)) = fields.remove("stringData") {
        let data = inner(fields, "data");
        for (key, value) in texts {
            data.insert(key, STANDARD.encode(value.as_str().unwrap_or_default()).into());
        }
    }
}

/// A namespace without a name yet gets its label later.
fn namespace(_: &Schema, fields: &mut Fields) {
    let metadata = inner(fields, "metadata");
    let name = text(metadata, "name").to_owned();
    if !name.is_empty() {
        inner(metadata, "labels").insert("kubernetes.io/metadata.name".to_owned(), name.into());
    }
}

fn node_status(_: &Schema, fields: &mut Fields) {
    if let Some(capacity) = fields.get("capacity").filter(|capacity| !capacity.is_null()).cloned() {
        fill(fields, "allocatable", capacity);
    }
}

fn replication_controller(_: &Schema, fields: &mut Fields) {
    let template = fields.get("spec").and_then(|spec| spec.pointer("/template/metadata/labels"));
    let Some(labels) = template.filter(|labels| labels.is_object()).cloned() else { return };
    fill(inner(fields, "spec"), "selector", labels.clone());
    fill(inner(fields, "metadata"), "labels", labels);
}

fn persistent_volume(_: &Schema, fields: &mut Fields) {
    fill_text(inner(fields, "status"), "phase", "Pending");
    let spec = inner(fields, "spec");
    fill_text(spec, "persistentVolumeReclaimPolicy", "Retain");
    fill(spec, "volumeMode", "Filesystem");
}

/// Of a container: the limit is the maximum, the request the limit or the minimum.
fn limit_range_item(_: &Schema, fields: &mut Fields) {
    if text(fields, "type") != "Container" {
        return;
    }
    for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
        if is_absent(fields, from) {
            continue;
        }
        let amounts = fields.get(from).cloned().unwrap_or(json!({}));
        let target = inner(fields, to);
        for (name, amount) in amounts.as_object().into_iter().flatten() {
            target.entry(name.clone()).or_insert(amount.clone());
        }
    }
}
