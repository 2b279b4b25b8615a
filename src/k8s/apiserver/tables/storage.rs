//! Volumes and their makers.

use serde_json::Value;

use super::{Print, Printer, text};

pub(super) fn of(kind: &str) -> Option<Print> {
    Some(match kind {
        "PersistentVolume" => volume,
        "PersistentVolumeClaim" => claim,
        "StorageClass" => storage_class,
        "VolumeAttributesClass" => attributes_class,
        "VolumeAttachment" => attachment,
        "CSIDriver" => driver,
        "CSINode" => |p| vec![p.name(), p.list("/spec/drivers").len().into(), p.age()],
        "CSIStorageCapacity" => {
            |p| vec![p.name(), p.text("/storageClassName").into(), p.text_or("/capacity", "<unset>")]
        }
        _ => return None,
    })
}

/// Each once, in this order.
fn access_modes(modes: &[Value]) -> Value {
    let names =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let short = names.iter().filter(|(name, _)| modes.iter().any(|mode| mode == name)).map(|(_, short)| *short);
    short.collect::<Vec<_>>().join(",").into()
}

/// What is being deleted is in no other phase.
fn phase(p: &Printer) -> Value {
    let is_deleted = !p.at("/metadata/deletionTimestamp").is_null();
    if is_deleted { "Terminating".into() } else { p.text("/status/phase").into() }
}

/// An annotation says it in old objects.
fn class(p: &Printer) -> Value {
    let old = p.text("/metadata/annotations/volume.beta.kubernetes.io~1storage-class");
    if old.is_empty() { p.text("/spec/storageClassName").into() } else { old.into() }
}

fn volume(p: &Printer) -> Vec<Value> {
    let owner = p.at("/spec/claimRef");
    let claim = format!("{}/{}", text(owner, "/namespace"), text(owner, "/name"));
    vec![
        p.name(),
        p.text_or("/spec/capacity/storage", "0"),
        access_modes(p.list("/spec/accessModes")),
        p.text("/spec/persistentVolumeReclaimPolicy").into(),
        phase(p),
        if owner.is_null() { "".into() } else { claim.into() },
        class(p),
        p.text_or("/spec/volumeAttributesClassName", "<unset>"),
        p.text("/status/reason").into(),
        p.age(),
        p.text_or("/spec/volumeMode", "<unset>"),
    ]
}

fn claim(p: &Printer) -> Vec<Value> {
    let name = p.text("/spec/volumeName");
    let (capacity, modes) = if name.is_empty() {
        ("".into(), "".into())
    } else {
        (p.text_or("/status/capacity/storage", "0"), access_modes(p.list("/status/accessModes")))
    };
    let attributes = p.text_or("/spec/volumeAttributesClassName", "<unset>");
    let mode = p.text_or("/spec/volumeMode", "<unset>");
    vec![p.name(), phase(p), name.into(), capacity, modes, class(p), attributes, p.age(), mode]
}

/// The name, and whether this is the class of whoever names none.
fn class_name(p: &Printer, annotations: &[&str]) -> Value {
    let has = |name: &&str| p.text(&format!("/metadata/annotations/{}", name.replace('/', "~1"))) == "true";
    let mark = if annotations.iter().any(has) { " (default)" } else { "" };
    format!("{}{mark}", p.text("/metadata/name")).into()
}

fn storage_class(p: &Printer) -> Vec<Value> {
    let marks = ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
    vec![
        class_name(p, &marks),
        p.text("/provisioner").into(),
        p.text_or("/reclaimPolicy", "Delete"),
        p.text_or("/volumeBindingMode", "Immediate"),
        flag(p, "/allowVolumeExpansion", false),
        p.age(),
    ]
}

fn attributes_class(p: &Printer) -> Vec<Value> {
    let name = class_name(p, &["volumeattributesclass.kubernetes.io/is-default-class"]);
    vec![name, p.text("/driverName").into(), p.age()]
}

fn attachment(p: &Printer) -> Vec<Value> {
    let parts = ["/spec/attacher", "/spec/source/persistentVolumeName", "/spec/nodeName"];
    let [attacher, volume, node] = parts.map(|path| p.text(path).into());
    vec![p.name(), attacher, volume, node, flag(p, "/status/attached", false), p.age()]
}

fn driver(p: &Printer) -> Vec<Value> {
    let requests = p.at("/spec/tokenRequests").as_array().map_or_else(
        || "<unset>".to_owned(),
        |requests| requests.iter().map(|request| text(request, "/audience")).collect::<Vec<_>>().join(","),
    );
    let modes: Vec<&str> = p.list("/spec/volumeLifecycleModes").iter().filter_map(Value::as_str).collect();
    vec![
        p.name(),
        flag(p, "/spec/attachRequired", true),
        flag(p, "/spec/podInfoOnMount", false),
        flag(p, "/spec/storageCapacity", false),
        requests.into(),
        flag(p, "/spec/requiresRepublish", false),
        if modes.is_empty() { "<none>".into() } else { modes.join(",").into() },
        p.age(),
    ]
}

fn flag(p: &Printer, path: &str, absent: bool) -> Value {
    p.at(path).as_bool().unwrap_or(absent).into()
}
