//! Objects and their rows.

use super::*;
use crate::k8s::{defaults, registry, typed, yaml};

const PODS: &str = include_str!("../../../../tests/testdata/k8s/vectors/pod-table-rows.json");
const NOW: &str = "2026-01-10T00:00:00Z";

fn moment(text: &str) -> Time {
    Time::parse(text, Precision::Seconds).unwrap()
}

fn read(text: &str) -> Value {
    let schema = Schema::kubernetes();
    let value = yaml::parse(text).unwrap().value;
    let message = schema.kind(super::text(&value, "/apiVersion"), super::text(&value, "/kind")).unwrap();
    let value = typed::decode(schema, message, value).unwrap().value;
    defaults::apply(schema, message, value).unwrap()
}

/// The cells of an object, one beside the other.
#[track_caller]
fn check(object: &str, expect: &str) {
    let metadata = "metadata: {name: x, namespace: ns, creationTimestamp: '2026-01-09T23:55:00Z'";
    let object = read(&object.replace("metadata: {", &format!("{metadata}, ")).replace(", }", "}"));
    let row = row(super::text(&object, "/kind"), &object, moment(NOW));
    let cells: Vec<String> =
        row.cells.iter().map(|cell| cell.as_str().map_or_else(|| format!("`{cell}`"), str::to_owned)).collect();
    assert_eq!(cells.join(" | "), expect);
}

#[test]
fn pods_in_every_state() {
    let vectors: Value = serde_json::from_str(PODS).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() > 20, "{}", cases.len());
    for case in cases {
        let row = row("Pod", &case["pod"], moment(case["now"].as_str().unwrap()));
        assert_eq!(Value::from(row.cells), case["cells"], "{}", case["pod"]["metadata"]["name"]);
    }
}

#[test]
fn every_kind_has_as_many_cells_as_columns() {
    for resource in registry::resources() {
        let object = json!({"apiVersion": resource.api_version(), "kind": resource.kind, "metadata": {"name": "x"}});
        let schema = Schema::kubernetes();
        let message = schema.kind(&resource.api_version(), resource.kind).unwrap();
        let object = typed::decode(schema, message, object).unwrap().value;
        let (columns, row) = (columns_of(resource.kind, None), row(resource.kind, &object, moment(NOW)));
        // Upstream has a cell too many there.
        let extra = usize::from(resource.kind == "IPAddress");
        assert_eq!(columns.len() + extra, row.cells.len(), "{}", resource.kind);
    }
}

#[test]
fn what_rows_carry() {
    let list = json!({"apiVersion": "v1", "kind": "NamespaceList", "metadata": {"resourceVersion": "7", "continue": "c"},
        "items": [{"metadata": {"name": "a", "labels": {"b": "c"}}, "status": {"phase": "Active"}}]});
    let table = of("Namespace", &list, Include::Metadata, "v1", moment(NOW));
    let expect = json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "7", "continue": "c"},
        "columnDefinitions": [
            {"name": "Name", "type": "string", "format": "name", "description": columns::NAME, "priority": 0},
            {"name": "Status", "type": "string", "format": "", "description": "The status of the namespace", "priority": 0},
            {"name": "Age", "type": "string", "format": "", "description": columns::AGE, "priority": 0},
        ],
        "rows": [{"cells": ["a", "Active", "<unknown>"], "object": {"kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "a", "labels": {"b": "c"}}}}],
    });
    assert_eq!(table.to_string(), expect.to_string());
    assert_eq!(of("Namespace", &list, Include::None, "v1", moment(NOW))["rows"][0]["object"], Value::Null);
    assert_eq!(of("Namespace", &list, Include::Object, "v1", moment(NOW))["rows"][0]["object"], list["items"][0]);
    let item = &list["items"][0];
    let row = row("Namespace", item, moment(NOW)).to_object(item, Include::Metadata, "v1beta1");
    let event = super::table(None, vec![row], metadata_of(item, false), "v1beta1");
    assert_eq!((&event["columnDefinitions"], &event["apiVersion"]), (&Value::Null, &json!("meta.k8s.io/v1beta1")));
    let error = Include::parse("All").unwrap_err().to_object();
    let expect = "TableOptions.meta.k8s.io \"\" is invalid: includeObject: Invalid value: \"All\": must be 'Metadata', \
        'Object', 'None', or empty";
    assert_eq!(error["message"], expect);
    let done = json!({"metadata": {"name": "p"}, "status": {"phase": "Failed"}});
    let rows = &of("Pod", &done, Include::None, "v1", moment(NOW))["rows"];
    assert_eq!(rows[0]["conditions"][0]["message"], "The pod failed.");
}

#[test]
fn workloads() {
    let template =
        "template: {metadata: {labels: {app: a}}, spec: {containers: [{name: c, image: i}, {name: d, image: j}]}}";
    let set = |kind: &str, more: &str, status: &str| {
        format!(
            "{{apiVersion: apps/v1, kind: {kind}, metadata: {{}}, spec: {{selector: {{matchLabels: {{app: a}}, \
             matchExpressions: [{{key: z, operator: In, values: [b, a]}}]}}, {template}{more}}}, status: {{{status}}}}}"
        )
    };
    check(
        &set("Deployment", "", "readyReplicas: 1, updatedReplicas: 2, replicas: 3"),
        "x | 1/1 | `2` | `0` | 5m | c,d | i,j | app=a,z in (a,b)",
    );
    check(
        &set("ReplicaSet", ", replicas: 4", "replicas: 3"),
        "x | `4` | `3` | `0` | 5m | c,d | i,j | app=a,z in (a,b)",
    );
    check(&set("StatefulSet", "", "readyReplicas: 1, replicas: 1"), "x | 1/1 | 5m | c,d | i,j");
    check(
        &set("DaemonSet", "", "desiredNumberScheduled: 3, numberReady: 2"),
        "x | `3` | `0` | `2` | `0` | `0` | <none> | 5m | c,d | i,j | app=a,z in (a,b)",
    );
    let job = |spec: &str, status: &str| {
        format!("{{apiVersion: batch/v1, kind: Job, metadata: {{}}, spec: {{{template}{spec}}}, status: {{{status}}}}}")
    };
    check(
        &job(", completions: 3", "succeeded: 1, startTime: '2026-01-09T23:58:00Z'"),
        "x | Running | 1/3 | 2m | 5m | c,d | i,j | <none>",
    );
    check(&job(", parallelism: 2", ""), "x | Running | 0/1 of 2 |  | 5m | c,d | i,j | <none>");
    let ended = "conditions: [{type: Complete, status: 'True'}], startTime: '2026-01-09T23:55:00Z', completionTime: \
        '2026-01-09T23:55:42Z', succeeded: 1";
    check(&job("", ended), "x | Complete | 1/1 | 42s | 5m | c,d | i,j | <none>");
    check(
        &format!(
            "{{apiVersion: batch/v1, kind: CronJob, metadata: {{}}, spec: {{schedule: '* * * * *', jobTemplate: {{spec: {{{template}}}}}}}}}"
        ),
        "x | * * * * * | <none> | False | `0` | <none> | 5m | c,d | i,j | <none>",
    );
}

#[test]
fn autoscalers_and_budgets() {
    let scaler = "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {}, spec: {scaleTargetRef: {kind: \
        Deployment, name: web}, maxReplicas: 5, metrics: [\
        {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}, \
        {type: External, external: {metric: {name: q}, target: {type: AverageValue, averageValue: 30}}}, \
        {type: Pods, pods: {metric: {name: r}, target: {type: AverageValue, averageValue: 1}}}]}, status: {currentMetrics: [\
        {type: Resource, resource: {name: cpu, current: {averageUtilization: 10}}}]}}";
    check(scaler, "x | Deployment/web | cpu: 10%/80%, <unknown>/30 (avg) + 1 more... | 1 | `5` | `0` | 5m");
    check(
        "{apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, metadata: {}, spec: {scaleTargetRef: {kind: Deployment, \
         name: web}, maxReplicas: 5, targetCPUUtilizationPercentage: 50}}",
        "x | Deployment/web | cpu: <unknown>/50% | 1 | `5` | `0` | 5m",
    );
    check(
        "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {}, spec: {minAvailable: 50%}, status: {disruptionsAllowed: 1}}",
        "x | 50% | N/A | `1` | 5m",
    );
}

#[test]
fn network() {
    let service = |spec: &str| format!("{{apiVersion: v1, kind: Service, metadata: {{}}, spec: {{{spec}}}}}");
    check(
        &service(
            "type: NodePort, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ports: [{port: 80, nodePort: 30080}, {port: 53, protocol: UDP}], selector: {a: b}",
        ),
        "x | NodePort | 10.0.0.1 | <none> | 80:30080/TCP,53/UDP | 5m | a=b",
    );
    check(
        &service("type: LoadBalancer, ports: [{port: 80}]"),
        "x | LoadBalancer | <none> | <pending> | 80/TCP | 5m | <none>",
    );
    check(&service("type: ExternalName, externalName: a.b"), "x | ExternalName | <none> | a.b | <none> | 5m | <none>");
    let addresses = "addresses: [{ip: 10.0.0.1}, {ip: 10.0.0.2}, {ip: '::1'}, {ip: 10.0.0.4}], ports: [{port: 80}]";
    check(
        &format!("{{apiVersion: v1, kind: Endpoints, metadata: {{}}, subsets: [{{{addresses}}}]}}"),
        "x | 10.0.0.1:80,10.0.0.2:80,[::1]:80 + 1 more... | 5m",
    );
    check("{apiVersion: v1, kind: Endpoints, metadata: {}}", "x | <none> | 5m");
    check(
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {}, addressType: IPv4, ports: [{port: 80}, {name: b}, {}], endpoints: []}",
        "x | IPv4 | 80,b, | <unset> | 5m",
    );
    let hosts = |rules: &str| {
        format!(
            "{{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {{}}, spec: {{rules: [{rules}], tls: [{{}}]}}}}"
        )
    };
    check(&hosts("{host: a}, {host: b}, {host: c}, {host: d}, {}"), "x | <none> | a,b,c + 2 more... |  | 80, 443 | 5m");
    check(&hosts("{}, {host: a}, {host: b}, {host: c}"), "x | <none> | a,b,c |  | 80, 443 | 5m");
    check(&hosts("{}"), "x | <none> | * |  | 80, 443 | 5m");
    check(
        "{apiVersion: networking.k8s.io/v1, kind: IPAddress, metadata: {}, spec: {parentRef: {resource: services, namespace: ns, name: s}}}",
        "x | services/ns/s | 5m",
    );
}

#[test]
fn nodes_and_events() {
    check(
        "{apiVersion: v1, kind: Node, metadata: {labels: {node-role.kubernetes.io/worker: '', kubernetes.io/role: infra}}, spec: \
         {unschedulable: true}, status: {conditions: [{type: Ready, status: 'False'}], addresses: [{type: InternalIP, address: \
         10.0.0.1}], nodeInfo: {kubeletVersion: v1.34.0}}}",
        "x | NotReady,SchedulingDisabled | infra,worker | 5m | v1.34.0 | 10.0.0.1 | <none> | <unknown> | <unknown> | <unknown>",
    );
    let event = "{apiVersion: v1, kind: Event, metadata: {}, involvedObject: {kind: Pod, name: p}, reason: Pulled, type: Normal, \
        message: ' hi ', firstTimestamp: '2026-01-09T23:00:00Z', lastTimestamp: '2026-01-09T23:50:00Z', count: 3, source: \
        {component: kubelet, host: n1}}";
    check(event, "10m | Normal | Pulled | pod/p |  | kubelet, n1 | hi | 60m | `3` | x");
    let newer = "{apiVersion: events.k8s.io/v1, kind: Event, metadata: {}, regarding: {kind: Pod, name: p}, reason: Pulled, type: \
        Normal, note: hi, eventTime: '2026-01-09T23:59:00.000000Z', reportingController: c, reportingInstance: c-1}";
    check(newer, "60s | Normal | Pulled | pod/p |  | c, c-1 | hi | 60s | `1` | x");
}

#[test]
fn volumes_and_quotas() {
    check(
        "{apiVersion: v1, kind: PersistentVolume, metadata: {}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteMany, \
         ReadWriteOnce], claimRef: {namespace: ns, name: c}, storageClassName: fast}, status: {phase: Bound}}",
        "x | 1Gi | RWO,RWX | Retain | Bound | ns/c | fast | <unset> |  | 5m | Filesystem",
    );
    check(
        "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {}, spec: {resources: {requests: {storage: 1Gi}}}}",
        "x | Pending |  |  |  |  | <unset> | 5m | Filesystem",
    );
    check(
        "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {annotations: {storageclass.kubernetes.io/is-default-class: 'true'}}, provisioner: p}",
        "x (default) | p | Delete | Immediate | `false` | 5m",
    );
    check(
        "{apiVersion: v1, kind: ResourceQuota, metadata: {}, status: {hard: {pods: 5, limits.cpu: 2, requests.cpu: 1}, used: {pods: 3}}}",
        "x | pods: 3/5, requests.cpu: 0/1 | limits.cpu: 0/2 | 5m",
    );
}

#[test]
fn who_may_what() {
    let subjects =
        "subjects: [{kind: User, name: a}, {kind: User, name: b}, {kind: ServiceAccount, namespace: ns, name: s}]";
    check(
        &format!(
            "{{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {{}}, roleRef: {{kind: Role, name: r}}, {subjects}}}"
        ),
        "x | Role/r | 5m | a, b |  | ns/s",
    );
    check("{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {}}", "x | 2026-01-09T23:55:00Z");
    check(
        "{apiVersion: certificates.k8s.io/v1, kind: CertificateSigningRequest, metadata: {}, spec: {signerName: s, username: u, \
         request: eA==, expirationSeconds: 86400}, status: {conditions: [{type: Approved, status: 'True'}], certificate: eA==}}",
        "x | 5m | s | u | 24h | Approved,Issued",
    );
    check(
        "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, metadata: {}, spec: {policyName: p, \
         paramRef: {selector: {matchLabels: {a: b}}}}}",
        "x | p | &LabelSelector{MatchLabels:map[string]string{a: b,},MatchExpressions:[]LabelSelectorRequirement{},} | 5m",
    );
}

#[test]
fn custom_columns() {
    let definition = |name: &str, ty: &str| {
        custom::Definition::of_object(&json!({"name": name, "type": ty, "jsonPath": format!(".spec.{name}")}))
    };
    let definitions =
        [definition("a", "integer"), definition("b", "string"), definition("c", "date"), definition("d", "boolean")];
    let columns = custom::columns_of(&definitions);
    assert_eq!(columns[1].description, "Custom resource definition column (in JSONPath format): .spec.a");
    let values = [Some(json!(3.7)), Some(json!({"x": [1]})), Some(json!("2026-01-09T00:00:00Z")), Some(json!("yes"))];
    let row = custom::row(&json!({"metadata": {"name": "n"}}), definitions.iter().zip(values), moment(NOW));
    assert_eq!(row.cells, vec![json!("n"), json!(3), json!("{\"x\":[1]}"), json!("24h"), Value::Null]);
}

#[test]
fn measured() {
    let pod = json!({"kind": "PodMetrics", "metadata": {"name": "p"}, "window": "15s", "containers": [
        {"usage": {"cpu": "1500n", "memory": "10Mi"}}, {"usage": {"cpu": "500n", "memory": "6Mi"}}]});
    let table = of("PodMetrics", &pod, Include::None, "v1", moment(NOW));
    let names: Vec<&Value> =
        table["columnDefinitions"].as_array().unwrap().iter().map(|column| &column["name"]).collect();
    assert_eq!(names, ["Name", "cpu", "memory", "Window"]);
    assert_eq!(table["rows"][0]["cells"], json!(["p", "2u", "16Mi", "15s"]));
}
