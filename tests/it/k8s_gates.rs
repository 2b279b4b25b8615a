//! The gates of the API server against what upstream tests its own with: the roles that every cluster starts with, and pods
//! that pass or fail the security standards.
//!
//! They lie in the conformance folder, `../shared/conformance` or where `LAB_CONFORMANCE` says.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use control_plane_lab::k8s::apiserver::admission::pod_security::{Finding, Level, Standard, Version, evaluate};
use control_plane_lab::k8s::apiserver::authorization::bootstrap;
use control_plane_lab::k8s::schema::Schema;
use control_plane_lab::k8s::{typed, yaml};
use serde_json::Value;

fn third_party(folder: &str) -> Option<PathBuf> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("LAB_CONFORMANCE").map_or_else(|| home.join("../shared/conformance"), PathBuf::from);
    let found = shared.join("third-party").join(folder);
    if found.is_dir() {
        return Some(found);
    }
    println!("the folder {folder} is absent: nothing is compared");
    None
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    yaml::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())).value
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn the_roles_that_every_cluster_starts_with() {
    let Some(folder) = third_party("kubernetes-rbac") else { return };
    let place = |object: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &object["metadata"];
        (text(&object["kind"]), text(&metadata["namespace"]), text(&metadata["name"]))
    };
    let mut ours: BTreeMap<_, _> = bootstrap::objects().iter().map(|object| (place(object), object)).collect();
    let (mut replayed, mut failures) = (0, Vec::new());
    for path in files(&folder) {
        for object in read(&path)["items"].as_array().unwrap() {
            replayed += 1;
            let place = place(object);
            let message = Schema::kubernetes().kind("rbac.authorization.k8s.io/v1", &place.0).unwrap();
            let theirs = typed::decode(Schema::kubernetes(), message, object.clone()).unwrap().value;
            if ours.remove(&place) != Some(&theirs) {
                failures.push(format!("{place:?} differs or is missing"));
            }
        }
    }
    failures.extend(ours.keys().map(|place| format!("{place:?} is too much")));
    println!("conformance: kubernetes-rbac: {replayed} replayed, {} equal", replayed - failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn pods_pass_and_fail_the_standards_as_they_are_named() {
    let Some(folder) = third_party("pod-security") else { return };
    let (mut replayed, mut failures) = (0, Vec::new());
    for level_folder in files(&folder) {
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let level = Level::parse(&name(&level_folder)).unwrap();
        for version_folder in files(&level_folder) {
            let version = Version::parse(&name(&version_folder)).unwrap();
            for (verdict, passes) in [("pass", true), ("fail", false)] {
                for path in files(&version_folder.join(verdict)) {
                    replayed += 1;
                    let pod = read(&path);
                    let findings = evaluate(Standard { level, version }, &pod["metadata"], &pod["spec"]);
                    if findings.is_empty() != passes {
                        let findings: Vec<String> = findings.iter().map(Finding::to_string).collect();
                        failures.push(format!("{}: {findings:?}", path.display()));
                    }
                }
            }
        }
    }
    println!("conformance: pod-security: {replayed} replayed, {} as named", replayed - failures.len());
    assert!(replayed > 0);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
