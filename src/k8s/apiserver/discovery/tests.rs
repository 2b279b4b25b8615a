//! What is told of groups and resources.

use super::*;

fn ship(version: &str) -> Custom {
    Custom {
        group: "example.com".to_owned(),
        version: version.to_owned(),
        plural: "ships".to_owned(),
        singular: "ship".to_owned(),
        kind: "Ship".to_owned(),
        short_names: vec!["sh".to_owned()],
        is_namespaced: true,
        storage_version: "v1".to_owned(),
        has_status: true,
        has_scale: true,
        ..Custom::default()
    }
}

#[test]
fn groups_and_versions() {
    let scaling = group(Served::default(), "autoscaling").unwrap();
    let expect = json!({
        "kind": "APIGroup", "apiVersion": "v1", "name": "autoscaling",
        "versions": [
            {"groupVersion": "autoscaling/v2", "version": "v2"}, {"groupVersion": "autoscaling/v1", "version": "v1"},
        ],
        "preferredVersion": {"groupVersion": "autoscaling/v2", "version": "v2"},
    });
    assert_eq!(scaling.to_string(), expect.to_string());
    let names = |served: Served| -> Vec<String> {
        let list = group_list(served);
        list["groups"].as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap().to_owned()).collect()
    };
    let known = names(Served::default());
    assert_eq!((&known[0][..], &known[1][..]), ("apiregistration.k8s.io", "apps"));
    assert!(!known.iter().any(|name| name == "metrics.k8s.io" || name.is_empty()));
    let custom = [ship("v1beta1"), ship("v1"), ship("v2alpha1"), ship("v10")];
    let served = Served { custom: &custom, has_metrics: true };
    assert_eq!(names(served)[known.len()..], ["example.com", "metrics.k8s.io"]);
    let versions = group(served, "example.com").unwrap()["versions"].clone();
    let versions: Vec<&Value> = versions.as_array().unwrap().iter().map(|version| &version["version"]).collect();
    assert_eq!(versions, ["v10", "v1", "v1beta1", "v2alpha1"]);
    assert_eq!(group(served, "nobody"), None);
}

#[test]
fn resources_of_a_version() {
    let list = resource_list(Served::default(), "apps", "v1").unwrap();
    let find =
        |name: &str| list["resources"].as_array().unwrap().iter().find(|own| own["name"] == name).unwrap().clone();
    let verbs = json!(["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]);
    let expect = json!({"name": "deployments", "singularName": "deployment", "namespaced": true, "kind": "Deployment",
        "verbs": verbs, "shortNames": ["deploy"], "categories": ["all"], "storageVersionHash": "8aSe+NMegvE="});
    assert_eq!(find("deployments").to_string(), expect.to_string());
    let expect = json!({"name": "deployments/scale", "singularName": "", "namespaced": true, "group": "autoscaling",
        "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"]});
    assert_eq!(find("deployments/scale").to_string(), expect.to_string());
    assert_eq!((&list["apiVersion"], &list["groupVersion"]), (&json!("v1"), &json!("apps/v1")));
    assert_eq!(resource_list(Served::default(), "", "v1").unwrap().get("apiVersion"), None);
    assert_eq!(resource_list(Served::default(), "apps", "v2"), None);
    let custom = [ship("v1")];
    let list = resource_list(Served { custom: &custom, has_metrics: false }, "example.com", "v1").unwrap();
    let names: Vec<&Value> = list["resources"].as_array().unwrap().iter().map(|own| &own["name"]).collect();
    assert_eq!(names, ["ships", "ships/status", "ships/scale"]);
}

#[test]
fn all_in_one() {
    let custom = [ship("v1")];
    let served = Served { custom: &custom, has_metrics: false };
    let core = aggregated(served, true, "v2");
    assert_eq!(core["items"].as_array().unwrap().len(), 1);
    assert_eq!(core["items"][0]["metadata"], json!({}));
    let rest = aggregated(served, false, "v2beta1");
    assert_eq!(rest["apiVersion"], "apidiscovery.k8s.io/v2beta1");
    let own = rest["items"].as_array().unwrap().last().unwrap();
    let kind = json!({"group": "example.com", "version": "v1", "kind": "Ship"});
    let resource = &own["versions"][0]["resources"][0];
    assert_eq!((&resource["responseKind"], &resource["subresources"][0]["responseKind"]), (&kind, &kind));
    assert_eq!(resource["subresources"][1]["responseKind"]["kind"], "Scale");
    assert_eq!(etag(&rest).len(), 130);
    assert_eq!(etag(&rest), etag(&aggregated(served, false, "v2")));
    assert_ne!(etag(&rest), etag(&aggregated(Served::default(), false, "v2")));
}

#[test]
fn names_of_versions_have_an_order() {
    let mut names =
        ["foo1", "v1", "v11alpha2", "v12alpha1", "v2beta1", "v10beta3", "v3beta1", "v2", "foo10", "v10", "v11beta2"];
    names.sort_by(|a, b| compare_versions(b, a));
    // As upstream's documentation of definitions has it.
    let expect =
        ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v2beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"];
    assert_eq!(names, expect);
}
