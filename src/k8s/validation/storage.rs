//! Volumes, claims and classes of storage.
//!
//! Upstream: `ValidatePersistentVolume`, `ValidatePersistentVolumeClaim`, `pkg/apis/storage/validation`.

use serde_json::Value;

use super::{Errors, amounts, entries, indexed, text};
use crate::k8s::meta::names;
use crate::k8s::meta::status::{FieldError, FieldErrorKind};

const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const VOLUME_MODES: [&str; 2] = ["Block", "Filesystem"];

/// Fields of a volume's spec that say nothing of where it lies.
const NO_SOURCES: [&str; 9] = [
    "capacity",
    "accessModes",
    "claimRef",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "mountOptions",
    "volumeMode",
    "nodeAffinity",
    "volumeAttributesClassName",
];

/// Bytes of all parameters of a class, and their number.
const PARAMETERS_SIZE_MAX: usize = 256 << 10;
const PARAMETERS_MAX: usize = 512;

pub(super) fn check_volume(errors: &mut Errors, volume: &Value) {
    let spec = &volume["spec"];
    check_access_modes(errors, &spec["accessModes"], "");
    let capacity = entries(&spec["capacity"]);
    if entries(&spec["capacity"]).next().is_none() {
        errors.required("spec.capacity");
    } else if spec["capacity"]["storage"].is_null() || capacity.count() > 1 {
        errors.0.push(FieldError::not_supported("spec.capacity", spec["capacity"].clone(), &["storage"]));
    }
    for (name, amount) in entries(&spec["capacity"]) {
        amounts::check_positive(errors, &format!("spec.capacity[{name}]"), amount);
    }
    let policy = text(spec, "persistentVolumeReclaimPolicy");
    if !policy.is_empty() {
        errors.supported("spec.persistentVolumeReclaimPolicy", policy, &["Delete", "Recycle", "Retain"]);
    }
    let sources: Vec<&String> = sources(spec).map(|(name, _)| name).collect();
    match sources[..] {
        [] => errors.required_because("spec", "must specify a volume type"),
        [_, ref more @ ..] => {
            for name in more {
                errors.forbidden(&format!("spec.{name}"), "may not specify more than 1 volume type");
            }
        }
    }
    if !spec["local"].is_null() && spec["nodeAffinity"].is_null() {
        errors.required_because("spec.nodeAffinity", "Local volume requires node affinity");
    }
    if !spec["nodeAffinity"].is_null() && spec["nodeAffinity"]["required"].is_null() {
        errors.required_because("spec.nodeAffinity.required", "must specify required node constraints");
    }
    for (name, part) in [("hostPath", "path"), ("local", "path")] {
        if !spec[name].is_null() && text(&spec[name], part).is_empty() {
            errors.required(&format!("spec.{name}.{part}"));
        }
    }
    check_class_name(errors, "spec.storageClassName", &spec["storageClassName"]);
    if let Some(mode) = spec["volumeMode"].as_str() {
        errors.supported("spec.volumeMode", mode, &VOLUME_MODES);
    }
}

/// Simplified: upstream adds the difference, in a form that no two versions share.
pub(super) fn check_volume_update(errors: &mut Errors, volume: &Value, old: &Value) {
    let (new, old) = (&volume["spec"], &old["spec"]);
    if !sources(new).eq(sources(old)) {
        errors.forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation");
    }
    errors.immutable("volumeMode", &new["volumeMode"], &old["volumeMode"]);
    if !old["nodeAffinity"].is_null() {
        errors.immutable("nodeAffinity", &new["nodeAffinity"], &old["nodeAffinity"]);
    }
}

fn sources(spec: &Value) -> impl Iterator<Item = (&String, &Value)> {
    entries(spec).filter(|(name, _)| !NO_SOURCES.contains(&&name[..]))
}

pub(super) fn check_claim(errors: &mut Errors, claim: &Value) {
    let spec = &claim["spec"];
    check_access_modes(errors, &spec["accessModes"], "at least 1 access mode is required");
    if !spec["selector"].is_null() {
        errors.label_selector("spec.selector", &spec["selector"]);
    }
    let (size, field) = (&spec["resources"]["requests"]["storage"], "spec.resources[storage]");
    if size.is_null() {
        errors.required(field);
    } else if amounts::check_positive(errors, field, size) {
        amounts::check(errors, field, "storage", size);
    }
    check_class_name(errors, "spec.storageClassName", &spec["storageClassName"]);
    if let Some(mode) = spec["volumeMode"].as_str() {
        errors.supported("spec.volumeMode", mode, &VOLUME_MODES);
    }
    for name in ["dataSource", "dataSourceRef"].into_iter().filter(|name| !spec[*name].is_null()) {
        check_source(errors, &format!("spec.{name}"), &spec[name]);
    }
    check_class_name(errors, "spec.volumeAttributesClassName", &spec["volumeAttributesClassName"]);
}

/// Simplified: upstream adds the difference, in a form that no two versions share.
pub(super) fn check_claim_update(errors: &mut Errors, claim: &Value, old: &Value) {
    let is_bound = text(&claim["status"], "phase") == "Bound";
    let fixed = |claim: &Value| {
        let mut spec = claim["spec"].clone();
        let mut forget = |name: &str| drop(spec.as_object_mut().map(|spec| spec.remove(name)));
        if text(&old["spec"], "volumeName").is_empty() {
            forget("volumeName");
        }
        if old["spec"]["storageClassName"].is_null() {
            forget("storageClassName");
        }
        if is_bound {
            forget("volumeAttributesClassName");
            if let Some(requests) = spec["resources"]["requests"].as_object_mut() {
                requests.remove("storage");
            }
        }
        spec
    };
    if fixed(claim) != fixed(old) {
        let detail = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound \
            claims";
        errors.forbidden("spec", detail);
    }
    let size = |claim: &Value| amounts::read(&claim["spec"]["resources"]["requests"]["storage"]);
    if let (Some(new), Some(before)) = (size(claim), size(old))
        && new.cmp_value(&before).is_lt()
    {
        let is_there = amounts::read(&old["status"]["capacity"]["storage"]).unwrap_or_else(amounts::zero);
        if new.cmp_value(&is_there).is_le() {
            errors.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity");
        }
    }
    errors.immutable("volumeMode", &claim["spec"]["volumeMode"], &old["spec"]["volumeMode"]);
}

fn check_access_modes(errors: &mut Errors, modes: &Value, detail: &str) {
    let field = "spec.accessModes";
    let modes: Vec<&str> = indexed(modes, "").filter_map(|(_, mode)| mode.as_str()).collect();
    if modes.is_empty() {
        errors.required_because(field, detail);
    }
    modes.iter().for_each(|mode| errors.supported(field, mode, &ACCESS_MODES));
    let is_single = |mode: &&&str| **mode == "ReadWriteOncePod";
    let is_other = |mode: &&str| ACCESS_MODES[..3].contains(mode);
    if modes.iter().any(|mode| is_single(&mode)) && modes.iter().any(is_other) {
        errors.forbidden(field, "may not use ReadWriteOncePod with other access modes");
    }
}

fn check_source(errors: &mut Errors, field: &str, source: &Value) {
    for name in ["name", "kind"].into_iter().filter(|name| text(source, name).is_empty()) {
        errors.required(&format!("{field}.{name}"));
    }
    let (group, kind) = (text(source, "apiGroup"), text(source, "kind"));
    if group.is_empty() && kind != "PersistentVolumeClaim" {
        errors.invalid(field, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
    } else if !group.is_empty() {
        errors.names(&format!("{field}.apiGroup"), group, names::dns1123_subdomain(group));
    }
}

fn check_class_name(errors: &mut Errors, field: &str, name: &Value) {
    let name = name.as_str().unwrap_or_default();
    if !name.is_empty() {
        errors.names(field, name, names::dns1123_subdomain(name));
    }
}

pub(super) fn check_class(errors: &mut Errors, class: &Value) {
    let provisioner = text(class, "provisioner");
    if provisioner.is_empty() {
        errors.required("provisioner");
    } else {
        errors.names("provisioner", provisioner, names::qualified_name(&provisioner.to_lowercase()));
    }
    check_parameters(errors, &class["parameters"]);
    if let Some(policy) = class["reclaimPolicy"].as_str() {
        errors.supported("reclaimPolicy", policy, &["Delete", "Retain"]);
    }
    match class["volumeBindingMode"].as_str() {
        None => errors.required("volumeBindingMode"),
        Some(mode) => errors.supported("volumeBindingMode", mode, &["Immediate", "WaitForFirstConsumer"]),
    }
}

fn check_parameters(errors: &mut Errors, parameters: &Value) {
    if entries(parameters).count() > PARAMETERS_MAX {
        return errors.add("parameters", FieldErrorKind::TooLong(PARAMETERS_MAX));
    }
    let mut size = 0;
    for (key, value) in entries(parameters) {
        if key.is_empty() {
            errors.invalid("parameters", &key[..], "field can not be empty.");
        }
        size += key.len() + value.as_str().unwrap_or_default().len();
    }
    if size > PARAMETERS_SIZE_MAX {
        errors.add("parameters", FieldErrorKind::TooLong(PARAMETERS_SIZE_MAX));
    }
}

pub(super) fn check_class_update(errors: &mut Errors, class: &Value, old: &Value) {
    if class["parameters"] != old["parameters"] {
        errors.forbidden("parameters", "updates to parameters are forbidden.");
    }
    if class["provisioner"] != old["provisioner"] {
        errors.forbidden("provisioner", "updates to provisioner are forbidden.");
    }
    if class["reclaimPolicy"] != old["reclaimPolicy"] {
        errors.forbidden("reclaimPolicy", "updates to reclaimPolicy are forbidden.");
    }
    errors.immutable("volumeBindingMode", &class["volumeBindingMode"], &old["volumeBindingMode"]);
}
