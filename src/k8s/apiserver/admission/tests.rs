//! Plugins, one by one and in order.

use serde_json::{Value, json};
use std::sync::Arc;

use super::{Operation, Outcome, Phase, Review, mutate, validate};
use crate::k8s::apiserver::attributes::{Attributes, User};
use crate::k8s::apiserver::authorization::Authorizer;
use crate::k8s::apiserver::object::{name, namespace, text};
use crate::k8s::apiserver::testing::Objects;
use crate::k8s::meta::time::Time;
use crate::k8s::schema::Schema;
use crate::k8s::{defaults, registry, yaml};

/// Namespaces and accounts that the tests live in.
const WORLD: &str = "
kind: Namespace
apiVersion: v1
metadata: {name: default, labels: {team: a}}
status: {phase: Active}
---
kind: Namespace
apiVersion: v1
metadata: {name: ending}
status: {phase: Terminating}
---
kind: Namespace
apiVersion: v1
metadata:
  name: strict
  labels: {pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/warn: restricted}
---
kind: ServiceAccount
apiVersion: v1
metadata: {name: default, namespace: default}
imagePullSecrets: [{name: registry}]
---
kind: ServiceAccount
apiVersion: v1
metadata: {name: default, namespace: strict}
automountServiceAccountToken: false
---
";

pub(super) struct Request {
    objects: Objects,
    user: User,
    pub(super) operation: Operation,
    subresource: &'static str,
    pub(super) old: Option<Value>,
}

pub(super) fn request(world: &str) -> Request {
    let objects = Objects::of(&format!("{WORLD}{world}"));
    let user = User { name: "anna".to_owned(), ..User::default() };
    Request { objects, user, operation: Operation::Create, subresource: "", old: None }
}

pub(super) fn filled(text: &str) -> Value {
    let object = yaml::parse(text).unwrap().value;
    let message = Schema::kubernetes().kind(self::text(&object, "apiVersion"), self::text(&object, "kind")).unwrap();
    defaults::apply(Schema::kubernetes(), message, object).unwrap()
}

impl Request {
    /// Through both rounds: the object as it would be stored, and what follows; or the refusal.
    pub(super) fn pass(&self, object: &str) -> Result<(Value, Outcome), String> {
        let object = filled(object);
        let of = match text(&object, "kind") {
            "TokenRequest" => ("v1", "ServiceAccount"),
            "Binding" => ("v1", "Pod"),
            kind => (text(&object, "apiVersion"), kind),
        };
        let resource = registry::of_kind(of.0, of.1).unwrap();
        let is_creation = self.operation == Operation::Create && self.subresource.is_empty();
        let attributes = Attributes {
            user: Arc::new(self.user.clone()),
            is_resource: true,
            group: resource.group.to_owned(),
            version: resource.version.to_owned(),
            resource: resource.name.to_owned(),
            subresource: self.subresource.to_owned(),
            namespace: namespace(&object).to_owned(),
            name: if is_creation { String::new() } else { name(&object).to_owned() },
            ..Attributes::default()
        };
        let mut review = Review {
            attributes: &attributes,
            operation: self.operation,
            api_version: text(&object, "apiVersion").to_owned(),
            kind: resource.kind,
            object: (self.operation != Operation::Delete).then_some(object),
            old: self.old.as_ref(),
            options: Value::Null,
            is_dry_run: false,
            now: Time { seconds: 1_800_000_000, nanos: 0 },
            lister: &self.objects,
            authorizer: &Authorizer::default(),
            suffix: "x7k2p",
        };
        let steps = mutate(&mut review).map_err(|refusal| refusal.status.message)?;
        let mut outcome = validate(&review).map_err(|refusal| refusal.status.message)?;
        outcome.steps.splice(0..0, steps);
        Ok((review.object.take().unwrap_or_default(), outcome))
    }

    #[track_caller]
    pub(super) fn refuses(&self, object: &str, expect: &str) {
        assert_eq!(self.pass(object).map(|(object, _)| object), Err(expect.to_owned()));
    }
}

pub(super) const POD: &str =
    "{kind: Pod, apiVersion: v1, metadata: {name: web, namespace: default}, spec: {containers: [{name: c, image: i}]}}";

#[test]
fn a_pod_gets_what_pods_get() {
    let (pod, outcome) = request("").pass(POD).unwrap();
    let spec = &pod["spec"];
    assert_eq!(spec["serviceAccountName"], "default");
    assert_eq!(spec["imagePullSecrets"], json!([{"name": "registry"}]));
    assert_eq!(
        spec["containers"][0]["volumeMounts"],
        json!([{"name": "kube-api-access-x7k2p", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}])
    );
    assert_eq!(spec["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"], 3607);
    assert_eq!(spec["tolerations"].as_array().unwrap().len(), 2);
    assert_eq!((&spec["priority"], &spec["preemptionPolicy"]), (&json!(0), &json!("PreemptLowerPriority")));
    let changed: Vec<&str> = outcome.steps.iter().filter(|step| step.is_changed).map(|step| step.plugin).collect();
    assert_eq!(changed, ["ServiceAccount", "Priority", "DefaultTolerationSeconds"]);
    assert!(outcome.steps.iter().any(|step| step.phase == Phase::Validate && step.plugin == "ResourceQuota"));
    // It comes in the form of its kind: volumes first.
    assert_eq!(spec.as_object().unwrap().keys().next().unwrap(), "volumes");
}

#[test]
fn namespaces() {
    let elsewhere = |home: &str| POD.replace("default", home);
    request("").refuses(&elsewhere("nowhere"), "namespaces \"nowhere\" not found");
    request("").refuses(
        &elsewhere("ending"),
        "pods \"web\" is forbidden: unable to create new content in namespace ending because it is being terminated",
    );
    let deletion = Request { operation: Operation::Delete, ..request("") };
    let namespace = "{kind: Namespace, apiVersion: v1, metadata: {name: kube-system}}";
    deletion.refuses(namespace, "namespaces \"kube-system\" is forbidden: this namespace may not be deleted");
}

#[test]
fn accounts() {
    let pod = POD.replace("containers:", "serviceAccountName: other, containers:");
    request("").refuses(
        &pod,
        "pods \"web\" is forbidden: error looking up service account default/other: serviceaccount \"other\" not found",
    );
}

const LIMITS: &str = "
kind: LimitRange
apiVersion: v1
metadata: {name: limits, namespace: default}
spec:
  limits:
  - type: Container
    default: {cpu: 500m}
    defaultRequest: {cpu: 100m, memory: 64Mi}
    min: {cpu: 50m}
    max: {cpu: '1'}
    maxLimitRequestRatio: {cpu: '10'}
";

#[test]
fn limit_ranges() {
    let (pod, _) = request(LIMITS).pass(POD).unwrap();
    assert_eq!(
        pod["spec"]["containers"][0]["resources"],
        json!({"limits": {"cpu": "500m"}, "requests": {"cpu": "100m", "memory": "64Mi"}})
    );
    assert_eq!(
        pod["metadata"]["annotations"]["kubernetes.io/limit-ranger"],
        "LimitRanger plugin set: cpu, memory request for container c; cpu limit for container c"
    );
    let with = |resources: &str| POD.replace("image: i", &format!("image: i, resources: {resources}"));
    request(LIMITS).refuses(
        &with("{requests: {cpu: 20m}, limits: {cpu: '2'}}"),
        "pods \"web\" is forbidden: [minimum cpu usage per Container is 50m, but request is 20m, maximum cpu usage per Container \
         is 1, but limit is 2, cpu max limit to request ratio per Container is 10, but provided ratio is 100.000000]",
    );
    request(LIMITS).refuses(
        &with("{requests: {cpu: 30m}, limits: {cpu: '1'}}").replace("30m", "70m"),
        "pods \"web\" is forbidden: cpu max limit to request ratio per Container is 10, but provided ratio is 14.285714",
    );
}

const QUOTA: &str = "
kind: ResourceQuota
apiVersion: v1
metadata: {name: q, namespace: default}
status:
  hard: {pods: '5', requests.cpu: '1', count/deployments.apps: '1', configmaps: '2'}
  used: {pods: '4', requests.cpu: 800m, count/deployments.apps: '1', configmaps: '0'}
";

#[test]
fn quotas() {
    let with = |cpu: &str| POD.replace("image: i", &format!("image: i, resources: {{requests: {{cpu: {cpu}}}}}"));
    let (_, outcome) = request(QUOTA).pass(&with("200m")).unwrap();
    let used = json!({"configmaps": "0", "count/deployments.apps": "1", "pods": "5", "requests.cpu": "1"});
    assert_eq!(outcome.charges.len(), 1);
    assert_eq!(outcome.charges[0].used, used);
    request(QUOTA).refuses(
        &with("201m"),
        "pods \"web\" is forbidden: exceeded quota: q, requested: requests.cpu=201m, used: requests.cpu=800m, limited: \
         requests.cpu=1",
    );
    request(QUOTA).refuses(POD, "pods \"web\" is forbidden: failed quota: q: must specify requests.cpu for: c");
    let deployment =
        "{kind: Deployment, apiVersion: apps/v1, metadata: {name: d, namespace: default}, spec: {template: {}}}";
    request(QUOTA).refuses(
        deployment,
        "deployments.apps \"d\" is forbidden: exceeded quota: q, requested: count/deployments.apps=1, used: \
         count/deployments.apps=1, limited: count/deployments.apps=1",
    );
    let (_, outcome) =
        request(QUOTA).pass("{kind: ConfigMap, apiVersion: v1, metadata: {name: m, namespace: default}}").unwrap();
    assert_eq!(outcome.charges[0].used["configmaps"], "1");
    request(&QUOTA.replace("requests.cpu: 800m, ", ""))
        .refuses(&with("1m"), "pods \"web\" is forbidden: status unknown for quota: q, resources: pods,requests.cpu");
}

#[test]
fn a_quota_is_counted_anew() {
    let objects = Objects::of(
        "
kind: Pod
apiVersion: v1
metadata: {name: a, namespace: default}
spec: {containers: [{name: c, resources: {requests: {cpu: 300m}}}], initContainers: [{name: i, resources: {requests: {cpu: 500m}}}]}
---
kind: Pod
apiVersion: v1
metadata: {name: done, namespace: default}
spec: {containers: [{name: c, resources: {requests: {cpu: '4'}}}]}
status: {phase: Succeeded}
---
kind: Service
apiVersion: v1
metadata: {name: s, namespace: default}
spec: {type: LoadBalancer, ports: [{port: 1}, {port: 2}]}
---
kind: Deployment
apiVersion: apps/v1
metadata: {name: d, namespace: default}
",
    );
    let hard = json!({"pods": "9", "count/pods": "9", "requests.cpu": "9", "services.nodeports": "9", "count/deployments.apps": "9",
        "configmaps": "9"});
    let quota = json!({"metadata": {"name": "q", "namespace": "default"}, "spec": {"hard": hard}});
    let used = json!({"configmaps": "0", "count/deployments.apps": "1", "count/pods": "2", "pods": "1", "requests.cpu": "500m",
        "services.nodeports": "2"});
    assert_eq!(super::recount(&quota, &objects, Time::ZERO), used);
}

#[test]
fn quotas_are_scoped() {
    let scoped = |scope: &str| QUOTA.replace("status:", &format!("spec: {{scopes: [{scope}]}}\nstatus:"));
    let (_, outcome) = request(&scoped("NotBestEffort")).pass(POD).unwrap();
    assert_eq!(outcome.charges.len(), 0);
    request(&scoped("BestEffort"))
        .refuses(POD, "pods \"web\" is forbidden: failed quota: q: must specify requests.cpu for: c");
}

#[test]
fn security_standards() {
    let pod = POD.replace("default", "strict");
    request("").refuses(
        &pod,
        "pods \"web\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \
         \"c\" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"c\" must set \
         securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"c\" must set \
         securityContext.runAsNonRoot=true), seccompProfile (pod or container \"c\" must set securityContext.seccompProfile.type \
         to \"RuntimeDefault\" or \"Localhost\")",
    );
    let template = "{kind: Deployment, apiVersion: apps/v1, metadata: {name: d, namespace: strict}, spec: {template: {spec: \
                    {hostNetwork: true, containers: [{name: c, image: i, securityContext: {allowPrivilegeEscalation: false, \
                    runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}, capabilities: {drop: [ALL]}}}]}}}}";
    let (_, outcome) = request("").pass(template).unwrap();
    let warning = "would violate PodSecurity \"restricted:latest\": host namespaces (hostNetwork=true)";
    assert_eq!(outcome.warnings, [warning]);
    let namespace = "{kind: Namespace, apiVersion: v1, metadata: {name: some, labels: {pod-security.kubernetes.io/enforce: strict}}}";
    request("").refuses(
        namespace,
        "namespaces \"some\" is forbidden: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"strict\": must be \
         one of privileged, baseline, restricted",
    );
}

#[test]
fn standards_are_those_of_this_release() {
    let later = request(
        "
kind: Namespace
apiVersion: v1
metadata:
  name: later
  labels: {pod-security.kubernetes.io/enforce: baseline, pod-security.kubernetes.io/enforce-version: v1.37}
---
kind: ServiceAccount
apiVersion: v1
metadata: {name: default, namespace: later}
",
    );
    let pod = |sysctl: &str| {
        let pod = POD.replace("namespace: default", "namespace: later");
        pod.replace("containers:", &format!("securityContext: {{sysctls: [{{name: {sysctl}}}]}}, containers:"))
    };
    assert!(later.pass(&pod("net.ipv4.tcp_rmem")).is_ok());
    later.refuses(
        &pod("net.ipv4.tcp_notsent_lowat"),
        "pods \"web\" is forbidden: violates PodSecurity \"baseline:v1.37\": forbidden sysctls (net.ipv4.tcp_notsent_lowat)",
    );
}

#[test]
fn pods_learn_where_their_node_is() {
    let labels = "labels: {topology.kubernetes.io/zone: a, topology.kubernetes.io/region: north, disk: ssd}";
    let mut world = request(&format!("{{kind: Node, apiVersion: v1, metadata: {{name: n1, {labels}}}}}"));
    let topology = json!({"topology.kubernetes.io/region": "north", "topology.kubernetes.io/zone": "a"});
    let (pod, _) = world.pass(&POD.replace("containers:", "nodeName: n1, containers:")).unwrap();
    assert_eq!(pod["metadata"]["labels"], topology);
    let (pod, _) = world.pass(POD).unwrap();
    assert!(pod["metadata"]["labels"].is_null());
    world.subresource = "binding";
    let binding = |target: &str| {
        format!("{{kind: Binding, apiVersion: v1, metadata: {{name: web, namespace: default}}, target: {target}}}")
    };
    let (bound, _) = world.pass(&binding("{kind: Node, name: n1}")).unwrap();
    assert_eq!(bound["metadata"]["labels"], topology);
    let (bound, _) = world.pass(&binding("{kind: Node, name: n2}")).unwrap();
    assert!(bound["metadata"]["labels"].is_null());
}

#[test]
fn a_stricter_namespace_warns_of_its_pods() {
    let pods = "
kind: Pod
apiVersion: v1
metadata: {name: a, namespace: default}
spec: {hostPID: true, containers: [{name: c}]}
---
kind: Pod
apiVersion: v1
metadata: {name: b, namespace: default}
spec: {hostIPC: true, containers: [{name: c}]}
";
    let old = filled("{kind: Namespace, apiVersion: v1, metadata: {name: default}}");
    let update = Request { operation: Operation::Update, old: Some(old), ..request(pods) };
    let labels = "labels: {pod-security.kubernetes.io/enforce: baseline}";
    let new = format!("{{kind: Namespace, apiVersion: v1, metadata: {{name: default, {labels}}}}}");
    let (_, outcome) = update.pass(&new).unwrap();
    let level = "existing pods in namespace \"default\" violate the new PodSecurity enforce level \"baseline:latest\"";
    assert_eq!(outcome.warnings, [level, "a (and 1 other pod): host namespaces"]);
}

#[test]
fn kubelets_write_what_is_theirs() {
    let kubelet = || {
        let groups = vec!["system:nodes".to_owned()];
        Request { user: User { name: "system:node:n1".to_owned(), groups, ..User::default() }, ..request("") }
    };
    kubelet().refuses(
        POD,
        "pods \"web\" is forbidden: pod does not have \"kubernetes.io/config.mirror\" annotation, node \"n1\" can only create \
         mirror pods",
    );
    let node = |name: &str, labels: &str| {
        format!("{{kind: Node, apiVersion: v1, metadata: {{name: {name}, labels: {labels}}}}}")
    };
    kubelet().refuses(&node("n2", "{}"), "nodes \"n2\" is forbidden: node \"n1\" is not allowed to modify node \"n2\"");
    kubelet().refuses(
        &node("n1", "{node-role.kubernetes.io/master: '', kubernetes.io/os: linux}"),
        "nodes \"n1\" is forbidden: node \"n1\" is not allowed to set the following labels: node-role.kubernetes.io/master",
    );
    let (node, _) = kubelet().pass(&node("n1", "{kubernetes.io/os: linux, example.com/x: z}")).unwrap();
    let pod = "
kind: Pod
apiVersion: v1
metadata: {name: web, namespace: default, uid: u1}
spec: {nodeName: n1, volumes: [{name: t, projected: {sources: [{serviceAccountToken: {audience: vault}}]}}]}
";
    let token = |audience: &str| {
        let bound = "boundObjectRef: {kind: Pod, apiVersion: v1, name: web, uid: u1}";
        let spec = format!("{{audiences: [{audience}], {bound}}}");
        format!(
            "{{kind: TokenRequest, apiVersion: authentication.k8s.io/v1, metadata: {{name: robot, namespace: default}}, spec: {spec}}}"
        )
    };
    let mut requests = request(pod);
    (requests.user, requests.subresource) = (kubelet().user, "token");
    assert!(requests.pass(&token("vault")).is_ok());
    requests.refuses(
        &token("bank"),
        "serviceaccounts \"robot\" is forbidden: audience \"bank\" not found in pod spec volume, system:node:n1 is not \
         authorized to request tokens for this audience",
    );
    assert_eq!(node["spec"]["taints"], json!([{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]));
}

#[test]
fn classes() {
    let world = "
kind: StorageClass
apiVersion: storage.k8s.io/v1
metadata:
  name: old
  creationTimestamp: '2026-01-01T00:00:00Z'
  annotations: {storageclass.kubernetes.io/is-default-class: 'true'}
---
kind: StorageClass
apiVersion: storage.k8s.io/v1
metadata:
  name: new
  creationTimestamp: '2026-02-01T00:00:00Z'
  annotations: {storageclass.kubernetes.io/is-default-class: 'true'}
---
kind: PriorityClass
apiVersion: scheduling.k8s.io/v1
metadata: {name: high}
value: 100
globalDefault: true
";
    let claim = "{kind: PersistentVolumeClaim, apiVersion: v1, metadata: {name: c, namespace: default}, spec: {}}";
    let (claim, _) = request(world).pass(claim).unwrap();
    assert_eq!(claim["spec"]["storageClassName"], "new");
    assert_eq!(claim["metadata"]["finalizers"], json!(["kubernetes.io/pvc-protection"]));
    let (pod, _) = request(world).pass(POD).unwrap();
    assert_eq!((&pod["spec"]["priorityClassName"], &pod["spec"]["priority"]), (&json!("high"), &json!(100)));
    let other = POD.replace("containers:", "priorityClassName: none, containers:");
    request(world).refuses(&other, "pods \"web\" is forbidden: no PriorityClass with name none was found");
    let class =
        "{kind: PriorityClass, apiVersion: scheduling.k8s.io/v1, metadata: {name: x}, value: 1, globalDefault: true}";
    request(world).refuses(
        class,
        "priorityclasses.scheduling.k8s.io \"x\" is forbidden: PriorityClass high is already marked as default. Only one default \
         can exist",
    );
}

#[test]
fn webhooks_are_not_called() {
    let hook = |policy: &str| {
        format!(
            "
kind: ValidatingWebhookConfiguration
apiVersion: admissionregistration.k8s.io/v1
metadata: {{name: hooks}}
webhooks:
- name: check.example.com
  failurePolicy: {policy}
  namespaceSelector: {{matchLabels: {{team: a}}}}
  rules: [{{operations: [CREATE], apiGroups: [''], apiVersions: [v1], resources: [pods]}}]
"
        )
    };
    request(&hook("Fail")).refuses(
        POD,
        "Internal error occurred: failed calling webhook \"check.example.com\": failed to call webhook: webhooks are not called \
         by this API server",
    );
    let (_, outcome) = request(&hook("Ignore")).pass(POD).unwrap();
    let step = outcome.steps.iter().find(|step| step.plugin == "ValidatingAdmissionWebhook").unwrap();
    assert_eq!(step.reason, "not called, and ignored: check.example.com");
    assert!(request(&hook("Fail")).pass("{kind: Node, apiVersion: v1, metadata: {name: n1}}").is_ok());
}

/// Whatever stands where a struct or a list should, nothing panics.
#[test]
fn what_is_no_object_does_no_harm() {
    let world = format!("{LIMITS}\n---\n{QUOTA}");
    let objects = Objects::of(&format!("{WORLD}{world}"));
    let junk = [json!(null), json!("text"), json!(7), json!([1]), json!({"spec": 1}), json!([[]]), json!({"a": []})];
    let kinds = ["pods", "nodes", "services", "persistentvolumeclaims", "namespaces", "serviceaccounts", "secrets"];
    let fields = ["metadata", "spec", "status"];
    let inner =
        ["containers", "volumes", "labels", "annotations", "ports", "resources", "tolerations", "securityContext"];
    for (kind, field) in kinds.iter().flat_map(|kind| fields.iter().map(move |field| (kind, field))) {
        for value in &junk {
            let nested = inner.iter().map(|inner| json!({*field: {*inner: value}}));
            for object in nested.chain([json!({*field: value}), value.clone()]) {
                for user in ["anna", "system:node:n1"] {
                    let groups = vec!["system:nodes".to_owned()];
                    let attributes = Attributes {
                        user: Arc::new(User { name: user.to_owned(), groups, ..User::default() }),
                        is_resource: true,
                        resource: (*kind).to_owned(),
                        namespace: "default".to_owned(),
                        ..Attributes::default()
                    };
                    let mut review = Review {
                        attributes: &attributes,
                        operation: Operation::Create,
                        api_version: "v1".to_owned(),
                        kind: "Pod",
                        object: Some(object.clone()),
                        old: Some(&object),
                        options: Value::Null,
                        is_dry_run: true,
                        now: Time::ZERO,
                        lister: &objects,
                        authorizer: &Authorizer::default(),
                        suffix: "x7k2p",
                    };
                    let _ = mutate(&mut review);
                    let _ = validate(&review);
                }
            }
        }
    }
}
