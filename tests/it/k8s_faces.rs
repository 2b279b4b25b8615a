//! What the API server tells of itself, beside documents of real ones.
//!
//! They lie in the conformance folder, `../shared/conformance` or where `LAB_CONFORMANCE` says; without it nothing is compared
//! and the test says so.

use std::fs;
use std::path::{Path, PathBuf};

use control_plane_lab::k8s::apiserver::discovery::{self, Served};
use control_plane_lab::k8s::registry;
use serde_json::Value;

/// A document of upstream; nothing if the folder is absent.
fn document(name: &str) -> Option<Vec<u8>> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("LAB_CONFORMANCE").map_or_else(|| home.join("../shared/conformance"), PathBuf::from);
    let read = fs::read(shared.join("third-party").join(name)).ok();
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
