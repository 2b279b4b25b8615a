//! Pods and what is in them.

use serde_json::{Map, Value, json};

use super::{Fields, fill, fill_text, inner, is_absent, items, text};
use crate::k8s::schema::Schema;

pub(super) fn of(package: &str, name: &str) -> Option<fn(&Schema, &mut Fields)> {
    if package != "core.v1" {
        return None;
    }
    Some(match name {
        "Pod" => pod,
        "PodSpec" => pod_spec,
        "Container" | "EphemeralContainer" => container,
        "Volume" => volume,
        "Probe" => probe,
        "HTTPGetAction" => http_get,
        "SecretVolumeSource" | "ConfigMapVolumeSource" | "DownwardAPIVolumeSource" | "ProjectedVolumeSource" => {
            file_mode
        }
        "ServiceAccountTokenProjection" => |_, fields| fill(fields, "expirationSeconds", 3600),
        "ObjectFieldSelector" => |_, fields| fill_text(fields, "apiVersion", "v1"),
        "HostPathVolumeSource" => |_, fields| fill(fields, "type", ""),
        _ => return None,
    })
}

/// Simplified: resources of a whole pod (`spec.resources`) are taken as they are.
fn pod(_: &Schema, fields: &mut Fields) {
    let spec = inner(fields, "spec");
    for list in ["containers", "initContainers"] {
        items(spec, list).for_each(limits_are_requests);
    }
    fill(spec, "enableServiceLinks", true);
    if spec.get("hostNetwork") == Some(&Value::Bool(true)) {
        for container in ["containers", "initContainers"] {
            items(spec, container).flat_map(|container| items(container, "ports")).for_each(host_port);
        }
    }
}

/// Who limits a resource without asking for an amount asks for the limit.
fn limits_are_requests(container: &mut Fields) {
    let resources = inner(container, "resources");
    let Some(Value::Object(limits)) = resources.get("limits").cloned() else { return };
    let requests = inner(resources, "requests");
    for (name, amount) in limits {
        requests.entry(name).or_insert(amount);
    }
}

/// On the host's network a container's port is the host's.
fn host_port(port: &mut Fields) {
    if let Some(number) = port.get("containerPort").cloned() {
        fill(port, "hostPort", number);
    }
}

fn pod_spec(_: &Schema, fields: &mut Fields) {
    fill_text(fields, "dnsPolicy", "ClusterFirst");
    fill_text(fields, "restartPolicy", "Always");
    fill(fields, "securityContext", Map::new());
    fill(fields, "terminationGracePeriodSeconds", 30);
    fill_text(fields, "schedulerName", "default-scheduler");
    // The field's old name goes along with the new one.
    let account =
        [text(fields, "serviceAccountName"), text(fields, "serviceAccount")].into_iter().find(|name| !name.is_empty());
    if let Some(account) = account.map(str::to_owned) {
        fields.insert("serviceAccountName".to_owned(), account.clone().into());
        fields.insert("serviceAccount".to_owned(), account.into());
    }
}

fn container(_: &Schema, fields: &mut Fields) {
    let policy = if tag(text(fields, "image")) == Some("latest") { "Always" } else { "IfNotPresent" };
    fill_text(fields, "imagePullPolicy", policy);
    fill_text(fields, "terminationMessagePath", "/dev/termination-log");
    fill_text(fields, "terminationMessagePolicy", "File");
}

/// The tag of an image; without tag and digest it is `latest`.
fn tag(image: &str) -> Option<&str> {
    if image.is_empty() {
        return None;
    }
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    let last = name.rsplit('/').next().unwrap_or(name);
    match (last.split_once(':'), digest) {
        (Some((_, tag)), _) => Some(tag),
        (None, Some(_)) => None,
        (None, None) => Some("latest"),
    }
}

fn volume(schema: &Schema, fields: &mut Fields) {
    let source = schema.find("core.v1", "VolumeSource").map(|id| schema.message(id));
    let has_source = source.is_some_and(|source| source.fields.iter().any(|field| !is_absent(fields, field.name)));
    if !has_source {
        fields.insert("emptyDir".to_owned(), json!({}));
    }
    if let Some(Value::Object(image)) = fields.get_mut("image") {
        let policy = if tag(text(image, "reference")) == Some("latest") { "Always" } else { "IfNotPresent" };
        fill_text(image, "pullPolicy", policy);
    }
}

fn probe(_: &Schema, fields: &mut Fields) {
    fill(fields, "timeoutSeconds", 1);
    fill(fields, "periodSeconds", 10);
    fill(fields, "successThreshold", 1);
    fill(fields, "failureThreshold", 3);
}

fn http_get(_: &Schema, fields: &mut Fields) {
    fill_text(fields, "path", "/");
    fill_text(fields, "scheme", "HTTP");
}

/// 0644
fn file_mode(_: &Schema, fields: &mut Fields) {
    fill(fields, "defaultMode", 420);
}
