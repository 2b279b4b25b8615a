//! By which fields the objects of a kind can be selected, and what those are.
//!
//! Upstream: `AddFieldLabelConversionFunc` in `pkg/apis/*/v1/conversion.go`, and `ToSelectableFields` of the strategies. What
//! a selector may name and what an object is matched by differ: a field that is allowed and never computed is empty.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::k8s::meta::fields::Selector;
use crate::k8s::meta::status::{Status, quote};
use crate::k8s::registry::Resource;

/// What `fields::Selector::matches` takes.
pub type Fields = BTreeMap<String, String>;

/// A selector in the names that the objects of this resource are matched by; refused if it names another field.
pub fn convert(resource: &Resource, selector: Selector) -> Result<Selector, Status> {
    convert_by(selector, |field| convert_field(resource, field))
}

/// A selector of custom resources: `selectable` are the paths of the definition, such as `.spec.color`.
pub fn convert_custom(is_namespaced: bool, selectable: &[String], selector: Selector) -> Result<Selector, Status> {
    convert_by(selector, |field| {
        let is_own = || selectable.iter().any(|path| path.strip_prefix('.') == Some(field));
        let is_known = field == "metadata.name" || (is_namespaced && field == "metadata.namespace") || is_own();
        if is_known { Ok(field.to_owned()) } else { Err(format!("field label not supported: {field}")) }
    })
}

/// What an object is matched by.
pub fn of(resource: &Resource, object: &Value) -> Fields {
    let mut fields = of_metadata(resource.is_namespaced, object);
    match (resource.group, resource.name) {
        ("", "pods") => pod(&mut fields, object),
        ("" | "events.k8s.io", "events") => event(&mut fields, object),
        ("", "nodes") => put(&mut fields, "spec.unschedulable", flag(object, "/spec/unschedulable")),
        ("", "namespaces") => {
            put(&mut fields, "status.phase", text(object, "/status/phase"));
            // A mistake of old, which clients rely on.
            put(&mut fields, "name", text(object, "/metadata/name"));
        }
        ("", "secrets") => put(&mut fields, "type", text(object, "/type")),
        ("", "services") => {
            put(&mut fields, "spec.clusterIP", text(object, "/spec/clusterIP"));
            put(&mut fields, "spec.type", text(object, "/spec/type"));
        }
        ("", "replicationcontrollers") | ("apps", "replicasets") => {
            put(&mut fields, "status.replicas", number(object, "/status/replicas"));
        }
        ("batch", "jobs") => put(&mut fields, "status.successful", number(object, "/status/succeeded")),
        ("certificates.k8s.io", _) => put(&mut fields, "spec.signerName", text(object, "/spec/signerName")),
        ("resource.k8s.io", "resourceslices") => {
            put(&mut fields, "spec.nodeName", text(object, "/spec/nodeName"));
            put(&mut fields, "spec.driver", text(object, "/spec/driver"));
        }
        _ => {}
    }
    fields
}

/// What a custom resource is matched by.
pub fn of_custom(is_namespaced: bool, selectable: &[String], object: &Value) -> Fields {
    let mut fields = of_metadata(is_namespaced, object);
    for path in selectable {
        let Some(name) = path.strip_prefix('.') else { continue };
        let value = match object.pointer(&format!("/{}", name.replace('.', "/"))) {
            Some(Value::String(text)) => text.clone(),
            Some(value @ (Value::Bool(_) | Value::Number(_))) => value.to_string(),
            _ => String::new(),
        };
        put(&mut fields, name, value);
    }
    fields
}

fn convert_by(mut selector: Selector, convert: impl Fn(&str) -> Result<String, String>) -> Result<Selector, Status> {
    for term in &mut selector.terms {
        term.field = convert(&term.field).map_err(Status::bad_request)?;
    }
    Ok(selector)
}

/// `metadata.name` and `metadata.namespace` are not repeated where a kind has both.
fn convert_field(resource: &Resource, field: &str) -> Result<String, String> {
    let refuse = || Err(format!("field label not supported: {field}"));
    let known: &[&str] = match (resource.group, resource.name) {
        ("", "pods") if field == "spec.host" => return Ok("spec.nodeName".to_owned()),
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        ("", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("events.k8s.io", "events") => return convert_event_field(field),
        ("", "nodes") if field == "metadata.namespace" => return refuse(),
        ("", "namespaces") if field == "metadata.namespace" => return refuse(),
        ("certificates.k8s.io", _) if field == "metadata.namespace" => return refuse(),
        ("", "nodes") => &["spec.unschedulable"],
        ("", "namespaces") => &["status.phase"],
        ("", "secrets") => &["type"],
        ("", "services") => &["spec.clusterIP", "spec.type"],
        ("", "replicationcontrollers") | ("apps", "replicasets") => &["status.replicas"],
        ("certificates.k8s.io", _) => &["spec.signerName"],
        ("batch", "jobs") if !matches!(field, "status.successful" | "metadata.name" | "metadata.namespace") => {
            return Err(format!("field label {} not supported for Job", quote(field)));
        }
        ("batch", "jobs") => &["status.successful"],
        ("resource.k8s.io", "resourceslices") => match field {
            "metadata.name" | "spec.nodeName" | "spec.driver" => return Ok(field.to_owned()),
            _ => {
                let kind = format!("{}, Kind={}", resource.api_version(), resource.kind);
                return Err(format!("field label not supported for {kind}: {field}"));
            }
        },
        _ if matches!(field, "metadata.name" | "metadata.namespace") => return Ok(field.to_owned()),
        _ => {
            let known = r#"only "metadata.name", "metadata.namespace""#;
            return Err(format!("{} is not a known field selector: {known}", quote(field)));
        }
    };
    let is_known = known.contains(&field) || matches!(field, "metadata.name" | "metadata.namespace");
    if is_known { Ok(field.to_owned()) } else { refuse() }
}

/// Events of the newer group are matched by the names of the older.
fn convert_event_field(field: &str) -> Result<String, String> {
    let parts = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"];
    match field {
        "reason" | "type" | "metadata.name" | "metadata.namespace" => Ok(field.to_owned()),
        "reportingController" => Ok("reportingComponent".to_owned()),
        _ => match field.strip_prefix("regarding.").filter(|part| parts.contains(part)) {
            Some(part) => Ok(format!("involvedObject.{part}")),
            None => Err(format!("field label not supported: {field}")),
        },
    }
}

fn of_metadata(is_namespaced: bool, object: &Value) -> Fields {
    let mut fields = Fields::new();
    put(&mut fields, "metadata.name", text(object, "/metadata/name"));
    if is_namespaced {
        put(&mut fields, "metadata.namespace", text(object, "/metadata/namespace"));
    }
    fields
}

fn pod(fields: &mut Fields, object: &Value) {
    for name in ["nodeName", "restartPolicy", "schedulerName", "serviceAccountName"] {
        put(fields, &format!("spec.{name}"), text(object, &format!("/spec/{name}")));
    }
    put(fields, "spec.hostNetwork", flag(object, "/spec/hostNetwork"));
    put(fields, "status.phase", text(object, "/status/phase"));
    put(fields, "status.podIP", text(object, "/status/podIPs/0/ip"));
    put(fields, "status.nominatedNodeName", text(object, "/status/nominatedNodeName"));
}

fn event(fields: &mut Fields, object: &Value) {
    let is_newer = text(object, "/apiVersion") == "events.k8s.io/v1";
    let (subject, reporter, source) = if is_newer {
        ("regarding", "/reportingController", "/deprecatedSource/component")
    } else {
        ("involvedObject", "/reportingComponent", "/source/component")
    };
    for name in ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"] {
        put(fields, &format!("involvedObject.{name}"), text(object, &format!("/{subject}/{name}")));
    }
    put(fields, "reason", text(object, "/reason"));
    put(fields, "type", text(object, "/type"));
    put(fields, "reportingComponent", text(object, reporter));
    let source = text(object, source);
    put(fields, "source", if source.is_empty() { text(object, reporter) } else { source });
}

fn put(fields: &mut Fields, name: &str, value: impl Into<String>) {
    fields.insert(name.to_owned(), value.into());
}

fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn flag(object: &Value, path: &str) -> String {
    object.pointer(path).and_then(Value::as_bool).unwrap_or(false).to_string()
}

fn number(object: &Value, path: &str) -> String {
    object.pointer(path).and_then(Value::as_i64).unwrap_or(0).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::k8s::registry;

    fn find(group: &str, name: &str) -> &'static Resource {
        registry::resources().iter().find(|resource| (resource.group, resource.name) == (group, name)).unwrap()
    }

    #[track_caller]
    fn check(group: &str, name: &str, selector: &str, object: Value, expect: Result<bool, &str>) {
        let resource = find(group, name);
        let converted = convert(resource, Selector::parse(selector).unwrap());
        let found = converted.map(|selector| selector.matches(&of(resource, &object)));
        assert_eq!(found.map_err(|status| status.message), expect.map_err(str::to_owned));
    }

    #[test]
    fn pods() {
        let pod = json!({"metadata": {"name": "a", "namespace": "ns"}, "spec": {"nodeName": "n1"},
            "status": {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}]}});
        check("", "pods", "spec.nodeName=n1,status.phase!=Failed", pod.clone(), Ok(true));
        check("", "pods", "spec.host=n1,status.podIP=10.0.0.1,spec.hostNetwork=false", pod.clone(), Ok(true));
        check("", "pods", "metadata.namespace=other", pod.clone(), Ok(false));
        // Allowed, and never computed.
        check("", "pods", "status.podIPs=10.0.0.1", pod.clone(), Ok(false));
        check("", "pods", "spec.x=1", pod, Err("field label not supported: spec.x"));
    }

    #[test]
    fn other_kinds() {
        check("", "nodes", "spec.unschedulable=true", json!({"spec": {"unschedulable": true}}), Ok(true));
        check("", "nodes", "metadata.namespace=", json!({}), Err("field label not supported: metadata.namespace"));
        check("batch", "jobs", "status.successful=2", json!({"status": {"succeeded": 2}}), Ok(true));
        check("batch", "jobs", "a=b", json!({}), Err("field label \"a\" not supported for Job"));
        let text = "\"type\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
        check("", "configmaps", "type=x", json!({}), Err(text));
        check("", "secrets", "type=Opaque", json!({"type": "Opaque"}), Ok(true));
        check("", "services", "spec.type=NodePort", json!({"spec": {"type": "NodePort"}}), Ok(true));
        let slice = "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: metadata.namespace";
        check("resource.k8s.io", "resourceslices", "metadata.namespace=a", json!({}), Err(slice));
    }

    #[test]
    fn events_of_both_groups() {
        let newer = json!({"apiVersion": "events.k8s.io/v1", "regarding": {"kind": "Pod"}, "reportingController": "c"});
        check("events.k8s.io", "events", "regarding.kind=Pod,reportingController=c", newer, Ok(true));
        let older = json!({"apiVersion": "v1", "involvedObject": {"kind": "Pod"}, "reportingComponent": "c"});
        check("", "events", "involvedObject.kind=Pod,source=c", older.clone(), Ok(true));
        check("", "events", "regarding.kind=Pod", older, Err("field label not supported: regarding.kind"));
    }

    #[test]
    fn custom_resources() {
        let selectable = [".spec.color".to_owned(), ".spec.size".to_owned()];
        let object = json!({"metadata": {"name": "a"}, "spec": {"color": "red", "size": 3}});
        let selector = |text: &str| convert_custom(false, &selectable, Selector::parse(text).unwrap());
        assert!(selector("spec.color=red,spec.size=3").unwrap().matches(&of_custom(false, &selectable, &object)));
        let message = selector("spec.other=1").unwrap_err().message;
        assert_eq!(message, "field label not supported: spec.other");
        assert!(selector("metadata.namespace=a").is_err());
    }
}
