//! What holds data: config maps, secrets, volumes.

use serde_json::Value;

use super::super::builder::Info;
use super::super::client::Kube;
use super::super::config::list;
use super::super::failure::Outcome;
use super::write::{Page, amount, date, or, plain, text, yes};
use super::{related, write_events};

pub fn config_map(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    page.head(object, true);
    page.out += "\nData\n====\n";
    for (name, value) in sorted(&object["data"]) {
        page.out += &format!("{name}:\n----\n{}\n\n", text(value));
    }
    page.out += "\nBinaryData\n====\n";
    for (name, value) in sorted(&object["binaryData"]) {
        page.out += &format!("{name}: {} bytes\n", bytes(text(value)));
    }
    page.out += "\n";
    write_events(kube, info, page)
}

fn sorted(map: &Value) -> Vec<(&String, &Value)> {
    let mut pairs: Vec<(&String, &Value)> = map.as_object().into_iter().flatten().collect();
    pairs.sort_by_key(|(name, _)| *name);
    pairs
}

/// How many bytes a text of base64 holds.
fn bytes(text: &str) -> usize {
    text.trim_end_matches('=').len() * 3 / 4
}

pub fn secret(_: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    page.head(object, true);
    page.out += &format!("\nType:\t{}\n", text(&object["type"]));
    page.out += "\nData\n====\n";
    for (name, value) in sorted(&object["data"]) {
        if name == "token" && object["type"] == "kubernetes.io/service-account-token" {
            use base64::Engine;
            let decoded = base64::engine::general_purpose::STANDARD.decode(text(value)).unwrap_or_default();
            page.out += &format!("{name}:\t{}\n", crate::shell::text::from_bytes(&decoded));
        } else {
            page.out += &format!("{name}:\t{} bytes\n", bytes(text(value)));
        }
    }
    Ok(())
}

/// `RWO,ROX`
fn modes(value: &Value) -> String {
    let short = |mode: &Value| match text(mode) {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        _ => "",
    };
    list(value).iter().map(short).collect::<Vec<_>>().join(",")
}

fn phase(object: &Value) -> String {
    if object["metadata"]["deletionTimestamp"].is_string() {
        return format!("Terminating (lasts {})", "<unknown>");
    }
    text(&object["status"]["phase"]).to_owned()
}

pub fn volume(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    page.head(object, false);
    page.line(0, &format!("Finalizers:\t{}", plain(&metadata["finalizers"])));
    page.field(0, "StorageClass", text(&spec["storageClassName"]));
    page.field(0, "Status", &phase(object));
    let claim = &spec["claimRef"];
    let claim = if claim.is_object() {
        format!("{}/{}", text(&claim["namespace"]), text(&claim["name"]))
    } else {
        String::new()
    };
    page.field(0, "Claim", &claim);
    page.field(0, "Reclaim Policy", text(&spec["persistentVolumeReclaimPolicy"]));
    page.field(0, "Access Modes", &modes(&spec["accessModes"]));
    if spec["volumeMode"].is_string() {
        page.field(0, "VolumeMode", text(&spec["volumeMode"]));
    }
    page.field(0, "Capacity", &amount(&spec["capacity"]["storage"]));
    affinity(page, &spec["nodeAffinity"]);
    page.field(0, "Message", text(&status["message"]));
    page.line(0, "Source:");
    source(page, spec);
    write_events(kube, info, page)
}

fn affinity(page: &mut Page, affinity: &Value) {
    let terms = list(&affinity["required"]["nodeSelectorTerms"]);
    if !affinity.is_object() || terms.is_empty() {
        return page.line(0, "Node Affinity:\t<none>");
    }
    page.line(0, "Node Affinity:");
    page.line(1, "Required Terms:");
    for (at, term) in terms.iter().enumerate() {
        page.put(2, &format!("Term {at}:\t"));
        for (place, expression) in list(&term["matchExpressions"]).iter().enumerate() {
            let values: Vec<&str> = list(&expression["values"]).iter().map(text).collect();
            let line = format!(
                "{} {} [{}]",
                text(&expression["key"]),
                text(&expression["operator"]).to_lowercase(),
                values.join(", ")
            );
            if place == 0 { page.line(0, &line) } else { page.line(2, &format!("\t{line}")) }
        }
    }
}

/// Where the bytes of a volume are, of the kinds that a lab has; others by their fields.
fn source(page: &mut Page, spec: &Value) {
    let own = |kind: &str, field: &str| plain(&spec[kind][field]);
    if spec["hostPath"].is_object() {
        page.field(1, "  Type", "HostPath (bare host directory volume)");
        page.field(1, "  Path", &own("hostPath", "path"));
        page.field(1, "  HostPathType", &own("hostPath", "type"));
    } else if spec["local"].is_object() {
        page.field(1, "  Type", "LocalVolume (a persistent volume backed by local storage on a node)");
        page.field(1, "  Path", &own("local", "path"));
    } else if spec["nfs"].is_object() {
        page.field(1, "  Type", "NFS (an NFS mount that lasts the lifetime of a pod)");
        page.field(1, "  Server", &own("nfs", "server"));
        page.field(1, "  Path", &own("nfs", "path"));
        page.field(1, "  ReadOnly", &yes(&spec["nfs"]["readOnly"]).to_string());
    } else if spec["csi"].is_object() {
        page.field(1, "  Type", "CSI (a Container Storage Interface (CSI) volume source)");
        page.field(1, "  Driver", &own("csi", "driver"));
        page.field(1, "  FSType", &own("csi", "fsType"));
        page.field(1, "  VolumeHandle", &own("csi", "volumeHandle"));
        page.field(1, "  ReadOnly", &yes(&spec["csi"]["readOnly"]).to_string());
        let attributes: Vec<String> = sorted(&spec["csi"]["volumeAttributes"])
            .iter()
            .map(|(name, value)| format!("{name}={}", text(value)))
            .collect();
        page.field(1, "  VolumeAttributes", &attributes.join("\n          "));
    } else {
        page.line(1, "  <unknown>");
    }
}

pub fn claim(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    let limit = kube.args.text("chunk-size").to_owned();
    let pods = related(kube, "v1", "Pod", &info.namespace, &[("limit", &limit)])?;
    let events = if page.shows_events { Some(super::events_of(kube, info, true)?) } else { None };
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.field(0, "StorageClass", text(&spec["storageClassName"]));
    page.field(0, "Status", &phase(object));
    page.field(0, "Volume", text(&spec["volumeName"]));
    page.labels("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    page.line(0, &format!("Finalizers:\t{}", plain(&metadata["finalizers"])));
    let bound = !text(&spec["volumeName"]).is_empty();
    page.field(0, "Capacity", &if bound { amount(&status["capacity"]["storage"]) } else { String::new() });
    page.field(0, "Access Modes", &if bound { modes(&status["accessModes"]) } else { String::new() });
    if spec["volumeMode"].is_string() {
        page.field(0, "VolumeMode", text(&spec["volumeMode"]));
    }
    let uses = |pod: &&Value| {
        list(&pod["spec"]["volumes"])
            .iter()
            .any(|volume| volume["persistentVolumeClaim"]["claimName"] == info.name.as_str())
    };
    let users: Vec<&str> = pods.iter().filter(uses).map(|pod| text(&pod["metadata"]["name"])).collect();
    match &users[..] {
        [] => page.field(0, "Used By", "<none>"),
        users => users.iter().enumerate().for_each(|(at, user)| match at {
            0 => page.field(0, "Used By", user),
            _ => page.line(0, &format!("\t{user}")),
        }),
    }
    if !list(&status["conditions"]).is_empty() {
        page.line(0, "Conditions:\n  Type\tStatus\tLastProbeTime\tLastTransitionTime\tReason\tMessage");
        page.line(1, "----\t------\t-----------------\t------------------\t------\t-------");
        for condition in list(&status["conditions"]) {
            let own = |field: &str| text(&condition[field]).to_owned();
            page.line(
                1,
                &format!(
                    "{} \t{} \t{} \t{} \t{} \t{}",
                    own("type"),
                    own("status"),
                    super::write::date_or_zero(&condition["lastProbeTime"]),
                    super::write::date_or_zero(&condition["lastTransitionTime"]),
                    own("reason"),
                    own("message")
                ),
            );
        }
    }
    if let Some(events) = events {
        super::table_of_events(kube, events, page);
    }
    Ok(())
}

pub fn class(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    let metadata = &object["metadata"];
    page.field(0, "Name", text(&metadata["name"]));
    let annotation = |name: &str| metadata["annotations"][name] == "true";
    let default = annotation("storageclass.kubernetes.io/is-default-class")
        || annotation("storageclass.beta.kubernetes.io/is-default-class");
    page.field(0, "IsDefaultClass", if default { "Yes" } else { "No" });
    page.field(0, "Annotations", &super::super::print::table::format_labels(&metadata["annotations"]));
    page.field(0, "Provisioner", text(&object["provisioner"]));
    page.field(0, "Parameters", &super::super::print::table::format_labels(&object["parameters"]));
    let expansion = match &object["allowVolumeExpansion"] {
        Value::Bool(value) => super::write::title(&value.to_string()),
        _ => "<unset>".to_owned(),
    };
    page.field(0, "AllowVolumeExpansion", &expansion);
    let options: Vec<&str> = list(&object["mountOptions"]).iter().map(text).collect();
    match &options[..] {
        [] => page.field(0, "MountOptions", "<none>"),
        options => {
            page.line(0, "MountOptions:");
            options.iter().for_each(|option| page.line(1, option));
        }
    }
    if object["reclaimPolicy"].is_string() {
        page.field(0, "ReclaimPolicy", text(&object["reclaimPolicy"]));
    }
    if object["volumeBindingMode"].is_string() {
        page.field(0, "VolumeBindingMode", text(&object["volumeBindingMode"]));
    }
    write_events(kube, info, page)
}

pub fn csi_node(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    page.head(object, false);
    page.field(0, "CreationTimestamp", &date(&object["metadata"]["creationTimestamp"]));
    page.line(0, "Spec:");
    if !list(&object["spec"]["drivers"]).is_empty() {
        page.line(1, "Drivers:");
        for driver in list(&object["spec"]["drivers"]) {
            page.field(2, text(&driver["name"]), "");
            page.field(3, "Node ID", text(&driver["nodeID"]));
            if driver["allocatable"]["count"].is_number() {
                page.line(3, "Allocatables:");
                page.field(4, "Count", &plain(&driver["allocatable"]["count"]));
            }
            if !list(&driver["topologyKeys"]).is_empty() {
                page.field(3, "Topology Keys", &plain(&driver["topologyKeys"]));
            }
        }
    }
    write_events(kube, info, page)
}

pub fn attributes_class(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    page.field(0, "Name", text(&object["metadata"]["name"]));
    page.field(0, "Annotations", &super::super::print::table::format_labels(&object["metadata"]["annotations"]));
    page.field(0, "DriverName", or(text(&object["driverName"]), ""));
    page.field(0, "Parameters", &super::super::print::table::format_labels(&object["parameters"]));
    write_events(kube, info, page)
}
