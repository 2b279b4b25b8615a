//! What a write does to an object of a kind before anybody judges it: fields that only the server sets, fields that an
//! update may not touch, and the generation.
//!
//! Upstream: `pkg/registry/*/*/strategy.go`, and `BeforeCreate` and `BeforeUpdate` of `k8s.io/apiserver/pkg/registry/rest`.
//! Objects are in the form of their types, defaulted, and of the version of the resource. Name, uid and creationTimestamp
//! are set before `prepare_for_create`; addresses and ports of services are allocated after it and before validation.

mod certificates;
mod jobs;
pub mod pods;
pub mod services;
#[cfg(test)]
mod tests;
mod volumes;

use serde_json::{Map, Value, json};

use super::User;
use crate::k8s::meta::time::{Precision, Time};
use crate::k8s::registry::Resource;
use crate::k8s::schema::Schema;
use crate::k8s::typed;

pub use certificates::stamp_conditions;
pub use volumes::stamp_phase;

/// An object that is to be created.
pub fn prepare_for_create(resource: &Resource, object: &mut Value) {
    let metadata = &mut object["metadata"];
    remove(metadata, "deletionTimestamp");
    remove(metadata, "deletionGracePeriodSeconds");
    if generation(resource) != Generation::None {
        metadata["generation"] = 1.into();
    }
    if has_status(resource) && resource.name != "nodes" && resource.name != "servicecidrs" {
        object["status"] = json!({});
    }
    match (resource.group, resource.name) {
        ("", "pods") => pods::prepare_for_create(object),
        ("", "services") => services::prepare_for_create(object),
        ("", "namespaces") => prepare_namespace(object),
        ("", "persistentvolumes") => volumes::prepare_volume(object),
        ("", "persistentvolumeclaims") => volumes::prepare_claim(object),
        ("", "serviceaccounts") => clean_secret_references(object),
        ("apps", "daemonsets") => set_template_generation(object, template_generation(object).max(1)),
        ("batch", "jobs") => jobs::generate_selector(object),
        ("autoscaling", "horizontalpodautoscalers") => remove_autoscaler_status(object),
        ("apiextensions.k8s.io", "customresourcedefinitions") => store_version(object),
        ("apiregistration.k8s.io", "apiservices") => mark_local(object),
        _ => {}
    }
    in_order(resource, object);
}

/// An object that is to take the place of another; `subresource` is empty for the object as a whole.
pub fn prepare_for_update(resource: &Resource, subresource: &str, object: &mut Value, old: &Value) {
    keep_system_metadata(object, old);
    match (resource.group, resource.name, subresource) {
        ("", "pods", "status") => pods::prepare_status(object, old),
        ("", "pods", "ephemeralcontainers") => pods::prepare_ephemeral(object, old),
        ("", "pods", "resize") => pods::prepare_resize(object, old),
        ("", "namespaces", "finalize") => keep(object, old, "/status"),
        ("certificates.k8s.io", "certificatesigningrequests", "status") => certificates::prepare_status(object, old),
        ("certificates.k8s.io", "certificatesigningrequests", "approval") => {
            certificates::prepare_approval(object, old)
        }
        (_, _, "status") => prepare_status(resource, object, old),
        _ => prepare_main(resource, object, old),
    }
    bump_generation(resource, object, old);
    in_order(resource, object);
}

/// Whether `PUT` of what does not exist creates it.
pub fn allows_create_on_update(resource: &Resource) -> bool {
    matches!(
        (resource.group, resource.name),
        ("", "services" | "endpoints" | "events" | "limitranges")
            | ("events.k8s.io" | "rbac.authorization.k8s.io", _)
            | ("coordination.k8s.io", "leases")
            | ("node.k8s.io", "runtimeclasses")
    )
}

/// Whether an update without a resourceVersion takes the newest.
pub fn allows_unconditional_update(resource: &Resource) -> bool {
    match (resource.group, resource.name) {
        ("storage.k8s.io", name) => matches!(name, "storageclasses" | "volumeattributesclasses"),
        (group, _) => ![
            "policy",
            "coordination.k8s.io",
            "node.k8s.io",
            "admissionregistration.k8s.io",
            "apiextensions.k8s.io",
            "apiregistration.k8s.io",
            "flowcontrol.apiserver.k8s.io",
        ]
        .contains(&group),
    }
}

/// Whether what belongs to a deleted object stays if the request does not say: for the oldest clients' sake.
pub fn orphans_by_default(resource: &Resource) -> bool {
    matches!((resource.group, resource.name), ("", "replicationcontrollers") | ("batch", "jobs"))
}

/// Whether a deletion that is done answers with the object, and not with a `Status`.
pub fn returns_deleted_object(resource: &Resource) -> bool {
    let of_core = [
        "persistentvolumeclaims",
        "persistentvolumes",
        "pods",
        "podtemplates",
        "resourcequotas",
        "serviceaccounts",
        "services",
    ];
    match (resource.group, resource.name) {
        ("", name) => of_core.contains(&name),
        ("storage.k8s.io", name) => name != "csistoragecapacities",
        ("resource.k8s.io", _) => true,
        _ => false,
    }
}

/// The seconds that an object may take to end, of those that were asked for: none for kinds that go at once.
pub fn grace_period(resource: &Resource, object: &Value, asked: Option<i64>) -> Option<i64> {
    ((resource.group, resource.name) == ("", "pods")).then(|| pods::grace_period(object, asked))
}

/// Who asks for a certificate is who asks, whatever the request says.
pub fn identify(resource: &Resource, object: &mut Value, user: &User) {
    if (resource.group, resource.name) == ("certificates.k8s.io", "certificatesigningrequests") {
        certificates::identify(object, user);
        in_order(resource, object);
    }
}

/// What an update must change for the object to count as another generation, as JSON pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Generation {
    /// The kind has none.
    None,
    Counts(&'static [&'static str]),
}

fn generation(resource: &Resource) -> Generation {
    match (resource.group, resource.name) {
        ("", "pods" | "replicationcontrollers") => Generation::Counts(&["/spec"]),
        ("", "podtemplates") => Generation::Counts(&["/template"]),
        ("apps", "controllerrevisions") => Generation::None,
        // Annotations of a Deployment reach its ReplicaSets.
        ("apps", "deployments") => Generation::Counts(&["/spec", "/metadata/annotations"]),
        ("networking.k8s.io", "ingresses" | "ingressclasses" | "networkpolicies") => Generation::Counts(&["/spec"]),
        ("storage.k8s.io", "csidrivers") => Generation::Counts(&["/spec"]),
        ("admissionregistration.k8s.io", name) if name.ends_with("webhookconfigurations") => {
            Generation::Counts(&["/webhooks"])
        }
        // What can change of it means nothing to anybody.
        ("scheduling.k8s.io", _) => Generation::Counts(&[]),
        ("discovery.k8s.io", _) => Generation::Counts(&["/addressType", "/endpoints", "/ports", "/metadata/labels"]),
        ("resource.k8s.io", "deviceclasses" | "resourceslices") => Generation::Counts(&["/spec"]),
        (
            "apps"
            | "batch"
            | "policy"
            | "admissionregistration.k8s.io"
            | "apiextensions.k8s.io"
            | "flowcontrol.apiserver.k8s.io",
            _,
        ) => Generation::Counts(&["/spec"]),
        _ => Generation::None,
    }
}

fn has_status(resource: &Resource) -> bool {
    resource.subresources.iter().any(|subresource| subresource.name == "status")
}

/// Kinds whose status cannot be written together with metadata.
fn resets_metadata(resource: &Resource) -> bool {
    matches!(
        (resource.group, resource.name),
        ("apiextensions.k8s.io" | "apiregistration.k8s.io" | "flowcontrol.apiserver.k8s.io", _)
            | ("networking.k8s.io", "servicecidrs")
            | ("admissionregistration.k8s.io", "validatingadmissionpolicies")
            | ("resource.k8s.io", "resourceclaims")
            | ("storage.k8s.io", "volumeattachments")
    )
}

/// What an update can neither change nor forget.
pub fn keep_system_metadata(object: &mut Value, old: &Value) {
    for name in ["generation", "creationTimestamp"] {
        keep(object, old, &format!("/metadata/{name}"));
    }
    let (metadata, old) = (&mut object["metadata"], &old["metadata"]);
    let is_set = |value: &Value| !value.is_null() && value != "";
    for name in ["uid", "deletionGracePeriodSeconds"] {
        if is_set(&old[name]) && !is_set(&metadata[name]) {
            metadata[name] = old[name].clone();
        }
    }
    if is_set(&old["deletionTimestamp"]) {
        metadata["deletionTimestamp"] = old["deletionTimestamp"].clone();
    }
}

fn prepare_status(resource: &Resource, object: &mut Value, old: &Value) {
    keep(object, old, "/spec");
    if resets_metadata(resource) {
        reset_metadata(object, old);
    }
    match (resource.group, resource.name) {
        ("apps", "deployments") => keep(object, old, "/metadata/labels"),
        ("apps", "daemonsets") => set_template_generation(object, template_generation(old)),
        _ => {}
    }
}

fn prepare_main(resource: &Resource, object: &mut Value, old: &Value) {
    if has_status(resource) && resource.name != "servicecidrs" {
        keep(object, old, "/status");
    }
    match (resource.group, resource.name) {
        ("", "services") => services::prepare_for_update(object, old),
        ("", "namespaces") => {
            keep(object, old, "/spec/finalizers");
            label_namespace(object);
        }
        ("", "persistentvolumeclaims") => volumes::normalize_sources(&mut object["spec"]),
        ("", "serviceaccounts") => clean_secret_references(object),
        ("", "secrets") if text(object, "/type").is_empty() => keep(object, old, "/type"),
        ("apps", "daemonsets") => {
            let bump = i64::from(!same(object, old, "/spec/template"));
            set_template_generation(object, template_generation(old) + bump);
        }
        ("certificates.k8s.io", _) => keep(object, old, "/spec"),
        ("apiextensions.k8s.io", "customresourcedefinitions") => store_version(object),
        _ => {}
    }
}

fn bump_generation(resource: &Resource, object: &mut Value, old: &Value) {
    let Generation::Counts(paths) = generation(resource) else { return };
    if paths.iter().any(|path| !same(object, old, path)) {
        let before = old["metadata"]["generation"].as_i64().unwrap_or_default();
        object["metadata"]["generation"] = before.saturating_add(1).into();
    }
}

/// `ResetObjectMetaForStatus`: all of metadata but what tells who wrote and when.
fn reset_metadata(object: &mut Value, old: &Value) {
    let names =
        ["deletionTimestamp", "generation", "selfLink", "labels", "annotations", "finalizers", "ownerReferences"];
    names.iter().for_each(|name| keep(object, old, &format!("/metadata/{name}")));
}

fn prepare_namespace(object: &mut Value) {
    object["status"] = json!({"phase": "Active"});
    let mut finalizers = object.pointer("/spec/finalizers").and_then(Value::as_array).cloned().unwrap_or_default();
    if !finalizers.iter().any(|name| name == "kubernetes") {
        finalizers.push("kubernetes".into());
    }
    object["spec"]["finalizers"] = finalizers.into();
    label_namespace(object);
}

/// A namespace can be selected by its name.
fn label_namespace(object: &mut Value) {
    let name = text(object, "/metadata/name").to_owned();
    object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name.into();
}

/// A service account names secrets, and nothing else of them.
fn clean_secret_references(object: &mut Value) {
    for reference in object["secrets"].as_array_mut().into_iter().flatten() {
        *reference = json!({"name": text(reference, "/name")});
    }
}

const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// A DaemonSet counts its templates in an annotation, for which `apps/v1` has no field.
fn set_template_generation(object: &mut Value, number: i64) {
    object["metadata"]["annotations"][TEMPLATE_GENERATION] = number.to_string().into();
}

fn template_generation(object: &Value) -> i64 {
    let written = &object["metadata"]["annotations"][TEMPLATE_GENERATION];
    written.as_str().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// In `autoscaling/v1` a part of the status lies in annotations.
fn remove_autoscaler_status(object: &mut Value) {
    for name in ["conditions", "current-metrics"] {
        remove(&mut object["metadata"]["annotations"], &format!("autoscaling.alpha.kubernetes.io/{name}"));
    }
}

/// A definition remembers every version that it ever stored.
fn store_version(object: &mut Value) {
    let versions = object.pointer("/spec/versions").and_then(Value::as_array);
    let is_storage = |version: &&Value| version["storage"] == true;
    let Some(name) = versions.into_iter().flatten().find(is_storage).map(|version| version["name"].clone()) else {
        return;
    };
    let mut stored = object.pointer("/status/storedVersions").and_then(Value::as_array).cloned().unwrap_or_default();
    if !stored.contains(&name) {
        stored.push(name);
    }
    object["status"]["storedVersions"] = stored.into();
}

/// What this server answers itself is there from the first moment.
fn mark_local(object: &mut Value) {
    if object.pointer("/spec/service").is_none_or(Value::is_null) {
        let since = object["metadata"]["creationTimestamp"].clone();
        object["status"]["conditions"] = json!([{
            "type": "Available", "status": "True", "lastTransitionTime": since, "reason": "Local",
            "message": "Local APIServices are always available",
        }]);
    }
}

/// The part of an object becomes what the other has there, or nothing.
fn keep(object: &mut Value, old: &Value, path: &str) {
    let (parent, name) = path.rsplit_once('/').expect("a pointer begins with a slash");
    let place = if parent.is_empty() { Some(object) } else { object.pointer_mut(parent) };
    match (place, old.pointer(path).filter(|value| !value.is_null())) {
        (Some(place @ (Value::Object(_) | Value::Null)), Some(value)) => place[name] = value.clone(),
        (Some(place), None) => remove(place, name),
        // Simplified: a part whose parent the new object lacks is not made; the types always have the parents.
        _ => {}
    }
}

/// Whether two objects have the same there; nothing and what is empty are the same.
fn same(object: &Value, old: &Value, path: &str) -> bool {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    let part = |of: &Value| of.pointer(path).filter(|value| !is_empty(value)).cloned();
    part(object) == part(old)
}

fn remove(value: &mut Value, name: &str) {
    value.as_object_mut().and_then(|map: &mut Map<String, Value>| map.shift_remove(name));
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn moment(now: Time) -> Value {
    now.format(Precision::Seconds).into()
}

/// Fields that were added stand at the end: brings them to where Go prints them, and drops nulls.
fn in_order(resource: &Resource, object: &mut Value) {
    let schema = Schema::kubernetes();
    let Some(message) = schema.kind(&resource.api_version(), resource.kind) else { return };
    if let Ok(decoded) = typed::decode(schema, message, object.clone()) {
        *object = decoded.value;
    }
}
