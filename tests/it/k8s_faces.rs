//! What the API server tells of itself, beside documents of real ones.
//!
//! They lie in the conformance folder, `../shared/conformance` or where `LAB_CONFORMANCE` says; without it nothing is compared
//! and the test says so.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use control_plane_lab::k8s::apiserver::discovery::{self, Served};
use control_plane_lab::k8s::apiserver::{openapi, strategy};
use control_plane_lab::k8s::registry::{self, Resource};
use control_plane_lab::k8s::schema::Schema;
use control_plane_lab::k8s::{defaults, typed, validation, yaml};
use serde_json::{Value, json};

fn conformance() -> PathBuf {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::env::var_os("LAB_CONFORMANCE").map_or_else(|| home.join("../shared/conformance"), PathBuf::from)
}

/// A document of upstream; nothing if the folder is absent.
fn document(name: &str) -> Option<Vec<u8>> {
    let read = fs::read(conformance().join("third-party").join(name)).ok();
    if read.is_none() {
        println!("{name} is absent: nothing is compared with it");
    }
    read
}

fn json(name: &str) -> Option<Value> {
    document(name).map(|bytes| serde_json::from_slice(&bytes).expect("a fixture is JSON"))
}

/// Whether the lab serves it.
fn is_served(group: &str, version: &str, resource: &str) -> bool {
    registry::find(group, version, resource).is_some()
}

#[test]
fn the_core_group_is_told_of_as_upstream_does() {
    let Some(expect) = json("kubernetes-discovery/api__v1.json") else { return };
    let found = discovery::resource_list(Served::default(), "", "v1").unwrap();
    assert_eq!(found, expect);
}

#[test]
fn all_groups_are_told_of_as_upstream_does() {
    let Some(mut expect) = json("kubernetes-discovery/apis.aggregated_v2.json") else { return };
    let groups = expect["items"].as_array_mut().unwrap();
    let mut left_out = Vec::new();
    for group in groups.iter_mut() {
        let name = group["metadata"]["name"].as_str().unwrap().to_owned();
        let versions = group["versions"].as_array_mut().unwrap();
        for version in versions.iter_mut() {
            let of = version["version"].as_str().unwrap().to_owned();
            version["resources"].as_array_mut().unwrap().retain(|resource| {
                let own = resource["resource"].as_str().unwrap();
                let is_kept = is_served(&name, &of, own);
                if !is_kept {
                    left_out.push(format!("{name}/{of} {own}"));
                }
                is_kept
            });
        }
        versions.retain(|version| !version["resources"].as_array().unwrap().is_empty());
    }
    groups.retain(|group| !group["versions"].as_array().unwrap().is_empty());
    println!("not served: {}", left_out.join(", "));
    // The document is of 1.33, in which two resources were not yet served as v1.
    let mut found = discovery::aggregated(Served::default(), false, "v2");
    for group in found["items"].as_array_mut().unwrap() {
        for version in group["versions"].as_array_mut().unwrap() {
            version["resources"]
                .as_array_mut()
                .unwrap()
                .retain(|resource| resource["resource"] != "volumeattributesclasses");
        }
    }
    let found_groups = found["items"].as_array_mut().unwrap();
    found_groups.retain(|group| group["metadata"]["name"] != "resource.k8s.io");
    for (found, expect) in found_groups.iter().zip(expect["items"].as_array().unwrap()) {
        assert_eq!(found, expect);
    }
    let names = |list: &Value| -> Vec<Value> {
        list["items"].as_array().unwrap().iter().map(|group| group["metadata"]["name"].clone()).collect()
    };
    assert_eq!(names(&found), names(&expect));
}

/// What a document of upstream has that ours lacks, and why.
const LACKING: [(&str, &str); 8] = [
    ("/additionalProperties/allOf", "a reference beside that default"),
    ("/x-kubernetes-map-type", "`granular`, which is what a map is anyway"),
    ("/x-kubernetes-unions", "unions, which nobody reads"),
    ("/LabelSelectorRequirement/properties/key/x-kubernetes-patch-merge-key", "gone since"),
    ("/LabelSelectorRequirement/properties/key/x-kubernetes-patch-strategy", "gone since"),
    ("/ClaimSource", "gone since"),
    ("/PodResourceClaim/properties/source", "gone since"),
    ("/PersistentVolumeClaimStatus/properties/resizeStatus", "gone since"),
];

/// Parameters that came later.
const LATER: [&str; 3] = ["sendInitialEvents", "ignoreStoreReadErrorWithClusterBreakingPotential", "stream"];

/// Types of which our schema says that less is required.
const OPTIONAL_SINCE: [&str; 4] = ["StatefulSetSpec", "TokenRequest", "TokenRequestSpec", "TokenRequestStatus"];

/// Documents of 1.27 and of some version after that; ours is of a later one, so that it has more.
#[test]
fn types_and_paths_are_told_of_as_upstream_does() {
    for (group, version, name) in [
        ("", "v1", "api_v1"),
        ("apps", "v1", "apis_apps_v1"),
        ("autoscaling", "v1", "apis_autoscaling_v1"),
        ("autoscaling", "v2", "apis_autoscaling_v2"),
    ] {
        let Some(packed) = document(&format!("kubernetes-openapi-v3/{name}.json.gz")) else { return };
        let expect: Value = serde_json::from_slice(&unpack(&packed)).expect("a fixture is JSON");
        let found = openapi::document(group, version).unwrap();
        let mut differences = Differences::default();
        differences.compare("", &expect, &found);
        println!("{name}: {} types and fields came later", differences.added);
        differences.lacking.iter().for_each(|(why, count)| println!("{name}: {count} lack: {why}"));
        differences.wrong.iter().for_each(|wrong| println!("{name}: {wrong}"));
        assert!(differences.wrong.is_empty(), "{name}: {} differences", differences.wrong.len());
    }
}

/// A gzip file without extra fields.
fn unpack(bytes: &[u8]) -> Vec<u8> {
    let has_name = bytes[3] & 8 != 0;
    let rest = &bytes[10..];
    let start = if has_name { rest.iter().position(|byte| *byte == 0).expect("a name ends") + 1 } else { 0 };
    miniz_oxide::inflate::decompress_to_vec(&rest[start..rest.len() - 8]).expect("a fixture is packed")
}

#[derive(Default)]
struct Differences {
    added: usize,
    lacking: BTreeMap<&'static str, usize>,
    wrong: Vec<String>,
}

impl Differences {
    fn compare(&mut self, path: &str, expect: &Value, found: &Value) {
        match (expect, found) {
            (Value::Object(expect), Value::Object(found)) => {
                for (name, value) in expect.iter().filter(|(name, value)| !is_untold(name, value)) {
                    let path = format!("{path}/{}", name.rsplit('.').next().unwrap_or_default());
                    match found.get(name) {
                        Some(found) => self.compare(&path, value, found),
                        None if name == "default" && prints_itself(expect) => {
                            *self.lacking.entry("the default of what prints itself").or_default() += 1;
                        }
                        None => self.lack(path, value),
                    }
                }
                let more = found.iter().filter(|(name, value)| !expect.contains_key(*name) && !is_untold(name, value));
                for (name, _) in more {
                    // That what is sent must be sent is said since 1.28.
                    let is_said_since = name == "required" && path.ends_with("/requestBody");
                    let is_new_path = path == "/paths" && name.ends_with("/pods/{name}/checkpoint");
                    if path.starts_with("/components") || is_said_since || is_new_path {
                        self.added += 1;
                    } else {
                        self.wrong.push(format!("{path}/{name}: ours alone"));
                    }
                }
            }
            (Value::Array(expect), Value::Array(found)) => self.compare_lists(path, expect, found),
            _ if expect == found || path == "/info/version" => {}
            _ => self.wrong.push(format!("{path}: {expect} is {found}")),
        }
    }

    fn lack(&mut self, path: String, value: &Value) {
        let is_known = |(end, _): &&(&str, &str)| path.ends_with(end);
        let is_optional =
            path.ends_with("/required") && OPTIONAL_SINCE.iter().any(|kind| path.contains(&format!("/{kind}/")));
        match LACKING.iter().find(is_known) {
            Some((_, why)) => *self.lacking.entry(why).or_default() += 1,
            None if is_optional => *self.lacking.entry("not required any more").or_default() += 1,
            None => self.wrong.push(format!("{path}: lacks {value}")),
        }
    }

    /// In any order.
    fn compare_lists(&mut self, path: &str, expect: &[Value], found: &[Value]) {
        let without_text = |list: &[Value]| -> Vec<Value> { list.iter().map(plain).collect() };
        let (expect, found) = (without_text(expect), without_text(found));
        let is_later = |own: &Value| path.ends_with("/parameters") && LATER.iter().any(|name| own["name"] == *name);
        for own in expect.iter().filter(|own| !found.contains(own)) {
            let is_optional = OPTIONAL_SINCE.iter().any(|kind| path.contains(&format!("/{kind}/")));
            let is_version = path.ends_with("/x-kubernetes-group-version-kind");
            let is_resources = path.ends_with("/resources/allOf") && path.contains("/PersistentVolumeClaimSpec/");
            if !(is_version || is_resources || (is_optional && path.ends_with("/required"))) {
                self.wrong.push(format!("{path}: lacks {own}"));
            }
        }
        for own in found.iter().filter(|own| !expect.contains(own)) {
            if !(path.starts_with("/components") || is_later(own)) {
                self.wrong.push(format!("{path}: ours alone: {own}"));
            }
        }
    }
}

/// Until 1.28 the default of such a struct was the empty object, which means nothing.
fn prints_itself(schema: &serde_json::Map<String, Value>) -> bool {
    let reference = schema.get("allOf").and_then(|all| all[0]["$ref"].as_str()).unwrap_or_default();
    let names = ["Time", "MicroTime", "Quantity", "IntOrString", "RawExtension"];
    names.contains(&reference.rsplit('.').next().unwrap_or_default())
}

/// Without descriptions.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(name, value)| !is_untold(name, value));
            Value::Object(kept.map(|(name, value)| (name.clone(), plain(value))).collect())
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

/// Our documents describe in words of their own, and enumerate nothing.
fn is_untold(name: &str, value: &Value) -> bool {
    (name == "description" && value.is_string()) || (name == "enum" && value.is_array())
}

/// The files below a folder; none if it is absent.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let below = entries.map(|entry| entry.expect("the folder can be read").path());
    below.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// An object as a server has it when it asks whether it is valid.
fn received(object: &Value, namespace: &str) -> Option<(&'static Resource, Value)> {
    let (version, kind) = (object["apiVersion"].as_str()?, object["kind"].as_str()?);
    let resource = registry::of_kind(version, kind).filter(|resource| resource.is_stored())?;
    let schema = Schema::kubernetes();
    let message = schema.kind(version, kind)?;
    let read = typed::decode(schema, message, object.clone()).expect("clients send what they mean").value;
    let mut object = defaults::apply(schema, message, read).expect("nothing is out of range");
    // Some fixtures are named after their file.
    if let Some(name) = object["metadata"]["name"].as_str().map(|name| name.replace('_', "-")) {
        object["metadata"]["name"] = name.into();
    }
    if let Some(prefix) = object["metadata"]["generateName"].as_str().map(ToOwned::to_owned) {
        object["metadata"]["name"] = format!("{prefix}abcde").into();
    }
    if resource.is_namespaced && object["metadata"]["namespace"].is_null() {
        object["metadata"]["namespace"] = namespace.into();
    }
    object["metadata"]["uid"] = "4e0fa1d0-6b8b-4b6a-9b0e-1d2c3b4a5f60".into();
    strategy::prepare_for_create(resource, &mut object);
    if resource.name == "services" && validation::needs_address(&object) {
        object["spec"]["clusterIP"] = "10.96.0.7".into();
        object["spec"]["clusterIPs"] = json!(["10.96.0.7"]);
    }
    Some((resource, object))
}

fn errors_of(object: &Value, namespace: &str) -> Vec<String> {
    let Some((resource, object)) = received(object, namespace) else { return Vec::new() };
    validation::create(resource, &object).iter().map(ToString::to_string).collect()
}

/// What real clients sent to be created.
#[test]
fn what_clients_send_is_valid() {
    let (mut count, mut wrong) = (0, Vec::new());
    for path in files(&conformance().join("recorded/kubectl-requests")) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for line in text.lines() {
            let Ok(request) = serde_json::from_str::<Value>(line) else { continue };
            if request["method"] != "POST" || !request["body"].is_object() {
                continue;
            }
            count += 1;
            let errors = errors_of(&request["body"], "default");
            wrong.extend(errors.iter().map(|error| format!("{}: {error}", path.display())));
        }
    }
    println!("{count} requests");
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn objects_of_upstream_are_valid() {
    let mut wrong = Vec::new();
    for folder in ["third-party/pod-security", "third-party/kubernetes-rbac"] {
        for path in files(&conformance().join(folder)) {
            if path.extension().is_none_or(|ending| ending != "yaml") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("a fixture is text");
            let value = yaml::parse(&text).expect("a fixture is YAML").value;
            let list = value["items"].as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            for object in &list {
                let errors = errors_of(object, "default");
                wrong.extend(errors.iter().map(|error| format!("{}: {error}", path.display())));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}
