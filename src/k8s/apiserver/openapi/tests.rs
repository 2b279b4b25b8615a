//! Documents of types and paths.

use super::*;

fn versions() -> BTreeSet<(&'static str, &'static str)> {
    registry::resources().iter().map(|resource| (resource.group, resource.version)).collect()
}

#[test]
fn the_index_names_every_version() {
    let index = index(&[("apis/example.com/v1".to_owned(), "H".to_owned())]);
    let paths = index["paths"].as_object().unwrap();
    assert_eq!(paths["apis/example.com/v1"]["serverRelativeURL"], "/openapi/v3/apis/example.com/v1?hash=H");
    let core = paths["api/v1"]["serverRelativeURL"].as_str().unwrap();
    assert_eq!(core, format!("/openapi/v3/api/v1?hash={}", hash(&document("", "v1").unwrap())));
    for resource in registry::resources() {
        assert!(paths.contains_key(&path_of(resource.group, resource.version)), "{}", resource.name);
    }
    assert_eq!(document("apps", "v2"), None);
}

#[test]
fn every_reference_leads_somewhere() {
    for (group, version) in versions() {
        let document = document(group, version).unwrap();
        let mut names = BTreeSet::new();
        collect_references(&document, &mut names);
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for name in &names {
            assert!(schemas.contains_key(name), "{group}/{version}: {name}");
        }
    }
}

/// What `kubectl` looks for before it sends anything.
#[test]
fn every_kind_can_be_validated_and_explained() {
    let documents: BTreeMap<_, _> = versions().into_iter().map(|own| (own, document(own.0, own.1).unwrap())).collect();
    for resource in registry::resources().iter().filter(|resource| resource.is_stored()) {
        let document = &documents[&(resource.group, resource.version)];
        let kind = json!({"group": resource.group, "version": resource.version, "kind": resource.kind});
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let has_kind = |schema: &Value| {
            let kinds = schema["x-kubernetes-group-version-kind"].as_array();
            kinds.is_some_and(|kinds| kinds.contains(&kind))
        };
        assert!(schemas.values().any(has_kind), "{}", resource.kind);
        let scope = if resource.is_namespaced { "namespaces/{namespace}/" } else { "" };
        let path = format!("/{}/{scope}{}/{{name}}", path_of(resource.group, resource.version), resource.name);
        let patch = &document["paths"][&path]["patch"];
        assert_eq!(patch["x-kubernetes-group-version-kind"], kind, "{path}");
        let parameters = patch["parameters"].as_array().unwrap();
        assert!(parameters.iter().any(|own| own["name"] == "fieldValidation" && own["in"] == "query"), "{path}");
    }
}

#[test]
fn names_of_operations() {
    let document = document("rbac.authorization.k8s.io", "v1").unwrap();
    let list = &document["paths"]["/apis/rbac.authorization.k8s.io/v1/roles"]["get"];
    assert_eq!(list["operationId"], "listRbacAuthorizationV1RoleForAllNamespaces");
    assert_eq!(list["tags"], json!(["rbacAuthorization_v1"]));
    assert_eq!(list.get("parameters"), None, "all of them are the path's");
}

fn ship() -> CustomKind {
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {"pod": {"type": "object", "x-kubernetes-embedded-resource": true}}},
    }});
    CustomKind {
        plural: "ships".to_owned(),
        kind: "Ship".to_owned(),
        list_kind: "ShipList".to_owned(),
        is_namespaced: true,
        schema,
        has_status: true,
        has_scale: true,
    }
}

#[test]
fn custom_resources() {
    let document = custom_document("example.com", "v1", &[ship()]);
    let schemas = &document["components"]["schemas"];
    let own = &schemas["com.example.v1.Ship"];
    assert_eq!(
        own["x-kubernetes-group-version-kind"],
        json!([{"group": "example.com", "version": "v1", "kind": "Ship"}])
    );
    let metadata = json!([{"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}]);
    assert_eq!(own["properties"]["metadata"]["allOf"], metadata);
    assert_eq!(own["properties"]["spec"]["properties"]["pod"]["properties"]["metadata"]["allOf"], metadata);
    assert!(schemas["io.k8s.api.autoscaling.v1.Scale"].is_object());
    let path = &document["paths"]["/apis/example.com/v1/namespaces/{namespace}/ships/{name}"];
    assert_eq!(path["patch"]["operationId"], "patchExampleComV1NamespacedShip");
    let media: Vec<&String> = path["patch"]["requestBody"]["content"].as_object().unwrap().keys().collect();
    assert_eq!(media, ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"]);
}

#[test]
fn the_older_form() {
    let document = v2_document(&[custom_document("example.com", "v1", &[ship()])]);
    let pod = &document["definitions"]["io.k8s.api.core.v1.Pod"];
    let what = "What is wanted. Controllers work until what is there is like this.";
    let spec = json!({"description": what, "$ref": "#/definitions/io.k8s.api.core.v1.PodSpec"});
    assert_eq!(pod["properties"]["spec"], spec);
    let create = &document["paths"]["/api/v1/namespaces/{namespace}/pods"]["post"];
    let body = json!({"name": "body", "in": "body", "schema": {"$ref": "#/definitions/io.k8s.api.core.v1.Pod"}, "required": true});
    assert_eq!((&create["parameters"][0], &create["consumes"]), (&body, &json!(["*/*"])));
    assert_eq!(create["responses"]["201"]["schema"], json!({"$ref": "#/definitions/io.k8s.api.core.v1.Pod"}));
    assert_eq!(
        create["parameters"][1],
        json!({"name": "dryRun", "in": "query", "type": "string", "uniqueItems": true})
    );
    assert!(document["definitions"]["com.example.v1.Ship"].is_object());
    assert!(!json::to_string(&document).contains("#/components/"));
}
