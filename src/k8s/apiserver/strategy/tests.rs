//! What becomes of objects before they are judged.

use super::*;
use crate::k8s::{defaults, registry, yaml};

fn read(text: &str) -> (&'static Resource, Value) {
    let schema = Schema::kubernetes();
    let value = yaml::parse(text).unwrap().value;
    let (version, kind) = (self::text(&value, "/apiVersion").to_owned(), self::text(&value, "/kind").to_owned());
    let message = schema.kind(&version, &kind).unwrap();
    let value = typed::decode(schema, message, value).unwrap().value;
    (registry::of_kind(&version, &kind).unwrap(), defaults::apply(schema, message, value).unwrap())
}

fn created(text: &str) -> (&'static Resource, Value) {
    let (resource, mut object) = read(text);
    prepare_for_create(resource, &mut object);
    (resource, object)
}

fn updated(resource: &Resource, subresource: &str, object: &Value, old: &Value) -> Value {
    let mut object = object.clone();
    prepare_for_update(resource, subresource, &mut object, old);
    object
}

const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: ns, labels: {tier: front}, \
    creationTimestamp: '2026-01-01T00:00:00Z'}, spec: {containers: [{name: c, image: i}]}, status: {phase: Running}}";

#[test]
fn a_new_pod_has_no_status_of_its_own() {
    let (_, pod) = created(POD);
    assert_eq!(pod["status"], json!({"phase": "Pending", "qosClass": "BestEffort"}));
    assert_eq!(pod["metadata"]["generation"], 1);
    // Where Go prints it.
    let names: Vec<&String> = pod["metadata"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["name", "namespace", "generation", "creationTimestamp", "labels"]);
    let (_, gated) = created(&POD.replace("spec: {", "spec: {schedulingGates: [{name: a/b}], "));
    assert_eq!(gated["status"]["conditions"][0]["reason"], "SchedulingGated");
}

#[test]
fn labels_become_selectors() {
    let term = "{topologyKey: zone, labelSelector: {matchLabels: {a: b}}, matchLabelKeys: [tier, none], mismatchLabelKeys: [tier]}";
    let affinity = format!("affinity: {{podAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: [{term}]}}}}, ");
    let (_, pod) = created(&POD.replace("spec: {", &format!("spec: {{{affinity}")));
    let list =
        "/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/0/labelSelector/matchExpressions";
    let expect = json!([
        {"key": "tier", "operator": "In", "values": ["front"]},
        {"key": "tier", "operator": "NotIn", "values": ["front"]},
    ]);
    assert_eq!(pod.pointer(list), Some(&expect));
}

#[track_caller]
fn check_class(resources: &str, expect: &str) {
    let (_, pod) = read(&POD.replace("image: i", &format!("image: i, resources: {resources}")));
    assert_eq!(pods::qos_class(&pod), expect);
}

#[test]
fn classes_of_pods() {
    check_class("{}", "BestEffort");
    check_class("{requests: {cpu: 0}}", "BestEffort");
    check_class("{requests: {example.com/gpu: 1}}", "BestEffort");
    check_class("{requests: {cpu: 1}}", "Burstable");
    check_class("{limits: {cpu: 1}}", "Burstable");
    check_class("{limits: {cpu: 1, memory: 1Gi}}", "Guaranteed");
    check_class("{limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 1000m, memory: 1024Mi}}", "Guaranteed");
    check_class("{limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 500m}}", "Burstable");
}

#[test]
fn spec_and_status_have_paths_of_their_own() {
    let (resource, old) = created(POD);
    let mut asked = old.clone();
    asked["spec"]["containers"][0]["image"] = "j".into();
    asked["status"]["phase"] = "Running".into();
    asked["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "A", "name": "a", "uid": "u"}]);

    let main = updated(resource, "", &asked, &old);
    assert_eq!((&main["spec"]["containers"][0]["image"], &main["status"]["phase"]), (&json!("j"), &json!("Pending")));
    assert_eq!(main["metadata"]["generation"], 2);

    let status = updated(resource, "status", &asked, &old);
    assert_eq!((&status["spec"], &status["status"]["phase"]), (&old["spec"], &json!("Running")));
    assert_eq!((&status["metadata"]["generation"], &status["metadata"]["ownerReferences"]), (&json!(1), &Value::Null));

    let mut asked = old.clone();
    asked["spec"]["containers"][0]["image"] = "j".into();
    asked["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "1"}});
    let resized = updated(resource, "resize", &asked, &old);
    assert_eq!(resized["spec"]["containers"][0]["image"], "i");
    assert_eq!(resized["spec"]["containers"][0]["resources"]["requests"]["cpu"], "1");
}

#[test]
fn pods_end_gracefully() {
    let (resource, mut pod) = created(POD);
    assert_eq!(grace_period(resource, &pod, None), Some(0), "it runs nowhere");
    pod["spec"]["nodeName"] = "n1".into();
    assert_eq!(grace_period(resource, &pod, None), Some(30));
    assert_eq!(grace_period(resource, &pod, Some(5)), Some(5));
    assert_eq!(grace_period(resource, &pod, Some(-1)), Some(1));
    pod["status"]["phase"] = "Succeeded".into();
    assert_eq!(grace_period(resource, &pod, Some(5)), Some(0));
    let (resource, object) = read("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: ns}}");
    assert_eq!(grace_period(resource, &object, Some(5)), None);
}

const DEPLOYMENT: &str = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, namespace: ns, generation: 7}, spec: \
    {selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: a}}, spec: {containers: [{name: c, image: i}]}}}, \
    status: {replicas: 3}}";

#[test]
fn generations() {
    let (resource, old) = created(DEPLOYMENT);
    assert_eq!((&old["metadata"]["generation"], &old["status"]), (&json!(1), &json!({})));
    let count = |path: &str, value: Value| {
        let mut asked = old.clone();
        let (parent, name) = path.rsplit_once('/').unwrap();
        asked.pointer_mut(parent).unwrap()[name] = value;
        updated(resource, "", &asked, &old)["metadata"]["generation"].clone()
    };
    assert_eq!(count("/metadata/generation", 9.into()), 1);
    assert_eq!(count("/metadata/labels", json!({"a": "b"})), 1);
    assert_eq!(count("/metadata/annotations", json!({"a": "b"})), 2);
    assert_eq!(count("/spec/replicas", 5.into()), 2);
    assert_eq!(count("/status/replicas", 5.into()), 1);

    let (resource, set) = created(&DEPLOYMENT.replace("Deployment", "DaemonSet").replace("replicas: 3", ""));
    assert_eq!(set["metadata"]["annotations"][TEMPLATE_GENERATION], "1");
    let mut asked = set.clone();
    asked["spec"]["template"]["spec"]["containers"][0]["image"] = "j".into();
    let asked = updated(resource, "", &asked, &set);
    assert_eq!(asked["metadata"]["annotations"][TEMPLATE_GENERATION], "2");
    assert_eq!(asked["metadata"]["generation"], 2);
}

#[test]
fn namespaces_end_when_their_content_has() {
    let (resource, old) =
        created("{apiVersion: v1, kind: Namespace, metadata: {name: shop}, status: {phase: Terminating}}");
    assert_eq!(old["status"]["phase"], "Active");
    assert_eq!(old["spec"]["finalizers"], json!(["kubernetes"]));
    assert_eq!(old["metadata"]["labels"]["kubernetes.io/metadata.name"], "shop");
    let mut asked = old.clone();
    asked["spec"]["finalizers"] = json!([]);
    assert_eq!(updated(resource, "", &asked, &old)["spec"]["finalizers"], json!(["kubernetes"]));
    assert_eq!(updated(resource, "finalize", &asked, &old)["spec"].get("finalizers"), None);
}

#[test]
fn jobs_select_their_own_pods() {
    let job = "{apiVersion: batch/v1, kind: Job, metadata: {name: j, namespace: ns, uid: u-1}, spec: {template: {spec: \
        {restartPolicy: Never, containers: [{name: c, image: i}]}}}}";
    let (_, object) = created(job);
    assert_eq!(object["spec"]["selector"], json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u-1"}}));
    let expect = json!({"batch.kubernetes.io/controller-uid": "u-1", "batch.kubernetes.io/job-name": "j",
        "controller-uid": "u-1", "job-name": "j"});
    assert_eq!(object["spec"]["template"]["metadata"]["labels"], expect);
    let (_, manual) = created(&job.replace("spec: {template", "spec: {manualSelector: true, template"));
    assert_eq!(manual["spec"].get("selector"), None);
}

#[test]
fn services_keep_what_was_allocated() {
    let text = "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: ns}, spec: {type: NodePort, selector: {a: b}, \
        ports: [{name: a, port: 80}]}}";
    let (resource, mut old) = created(text);
    assert_eq!((&old["spec"]["ipFamilies"], &old["spec"]["ipFamilyPolicy"]), (&json!(["IPv4"]), &json!("SingleStack")));
    old["spec"]["clusterIP"] = "10.0.0.9".into();
    old["spec"]["clusterIPs"] = json!(["10.0.0.9"]);
    old["spec"]["ports"][0]["nodePort"] = 30_001.into();

    let (_, asked) = read(&text.replace("port: 80", "port: 81"));
    let spec = updated(resource, "", &asked, &old)["spec"].clone();
    assert_eq!((&spec["clusterIPs"], &spec["ports"][0]["nodePort"]), (&json!(["10.0.0.9"]), &json!(30_001)));

    let mut asked = old.clone();
    asked["spec"]["type"] = "ExternalName".into();
    let spec = updated(resource, "", &asked, &old)["spec"].clone();
    for name in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "externalTrafficPolicy"] {
        assert_eq!(spec.get(name), None, "{name}");
    }
    assert_eq!(spec["ports"][0].get("nodePort"), None);

    let headless = "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: ns}, spec: {clusterIP: None}}";
    let (_, foreign) = created(headless);
    assert_eq!(foreign["spec"]["ipFamilies"], json!(["IPv4", "IPv6"]));
    assert_eq!(foreign["spec"]["clusterIPs"], json!(["None"]));
}

#[test]
fn who_approves_does_not_sign() {
    let request = "{apiVersion: certificates.k8s.io/v1, kind: CertificateSigningRequest, metadata: {name: r}, spec: {request: \
        eA==, signerName: a/b, usages: [client auth], username: root}}";
    let (resource, mut old) = created(request);
    let user = User { name: "ada".to_owned(), groups: vec!["g".to_owned()], ..User::default() };
    identify(resource, &mut old, &user);
    assert_eq!((&old["spec"]["username"], &old["spec"]["groups"]), (&json!("ada"), &json!(["g"])));

    let mut asked = old.clone();
    asked["status"] = json!({"conditions": [{"type": "Approved", "status": "True"}], "certificate": "eA=="});
    assert_eq!(updated(resource, "", &asked, &old)["status"], json!({}));
    let signed = updated(resource, "status", &asked, &old)["status"].clone();
    assert_eq!((signed.get("conditions"), &signed["certificate"]), (None, &json!("eA==")));
    let mut approved = updated(resource, "approval", &asked, &old);
    assert_eq!(approved["status"].get("certificate"), None);
    stamp_conditions(resource, &mut approved, &old, Time { seconds: 0, nanos: 0 });
    assert_eq!(approved["status"]["conditions"][0]["lastUpdateTime"], "1970-01-01T00:00:00Z");
}

#[test]
fn definitions_remember_what_they_stored() {
    let definition = "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: a.b.c}, spec: \
        {group: b.c, scope: Cluster, names: {plural: a, kind: A}, versions: [{name: v1, served: true, storage: true}]}}";
    let (resource, old) = created(definition);
    assert_eq!(old["status"]["storedVersions"], json!(["v1"]));
    let mut asked = old.clone();
    asked["spec"]["versions"][0]["name"] = "v2".into();
    let asked = updated(resource, "", &asked, &old);
    assert_eq!(asked["status"]["storedVersions"], json!(["v1", "v2"]));
}

#[test]
fn which_kinds_may_what() {
    let find = |group, name| registry::resources().iter().find(|r| (r.group, r.name) == (group, name)).unwrap();
    assert!(allows_create_on_update(find("", "services")) && !allows_create_on_update(find("", "pods")));
    assert!(allows_unconditional_update(find("", "pods")));
    assert!(!allows_unconditional_update(find("coordination.k8s.io", "leases")));
    assert!(returns_deleted_object(find("storage.k8s.io", "storageclasses")));
    assert!(!returns_deleted_object(find("", "configmaps")));
    assert!(orphans_by_default(find("batch", "jobs")) && !orphans_by_default(find("apps", "deployments")));
}
