//! Kinds beside pods and what makes them: of each an object that is allowed, and what is wrong with its changes.

use super::{check, check_change};

/// An object with its parts, in a namespace or not.
fn object(kind: &str, parts: &str) -> String {
    let (version, kind) = kind.rsplit_once('/').unwrap();
    format!("{{apiVersion: {version}, kind: {kind}, metadata: {{name: x, namespace: ns}}, {parts}}}")
}

fn cluster_wide(kind: &str, parts: &str) -> String {
    object(kind, parts).replace(", namespace: ns", "")
}

#[track_caller]
fn service(spec: &str, expect: &[&str]) {
    check(&object("v1/Service", &format!("spec: {{{spec}}}")), expect);
}

#[test]
fn services() {
    service("ports: [{port: 80}]", &[]);
    service("type: ExternalName, externalName: a.b.", &[]);
    service("type: ExternalName", &["spec.externalName: Required value"]);
    service(
        "type: LoadBalancer, clusterIP: None, clusterIPs: [None], ports: [{port: 80}]",
        &["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for LoadBalancer services"],
    );
    service(
        "ports: [{port: 80, nodePort: 30000}]",
        &["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
    );
    service(
        "type: NodePort, ports: [{name: a, port: 80}, {name: b, port: 80}]",
        &["spec.ports[1]: Duplicate value: {\"Name\":\"\",\"Protocol\":\"TCP\",\"AppProtocol\":null,\"Port\":80,\
           \"TargetPort\":0,\"NodePort\":0}"],
    );
    service(
        "ports: [{port: 80}], clusterIP: 10.0.0, clusterIPs: [10.0.0], externalIPs: [127.0.0.1, x], sessionAffinity: Sticky",
        &[
            "spec.sessionAffinity: Unsupported value: \"Sticky\": supported values: \"ClientIP\", \"None\"",
            "spec.clusterIPs[0]: Invalid value: \"10.0.0\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
            "spec.externalIPs[0]: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, ::1/128)",
            "spec.externalIPs[1]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        ],
    );
    service(
        "ports: [{port: 80}], ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv4, IPv6], loadBalancerSourceRanges: [10.0.0.0/33]",
        &[
            "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services",
            "spec.ipFamilies[1]: Invalid value: \"IPv6\": not configured on this cluster",
            "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
            "spec.LoadBalancerSourceRanges[0]: Invalid value: \"10.0.0.0/33\": must be a valid CIDR value, (e.g. 10.9.8.0/24 \
             or 2001:db8::/64)",
        ],
    );
    let old = object("v1/Service", "spec: {ports: [{port: 80}], clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1]}");
    check_change(
        &old,
        &old.replace("10.0.0.1", "10.0.0.2"),
        &["spec.clusterIPs[0]: Invalid value: [\"10.0.0.2\"]: may not change once set"],
    );
}

#[test]
fn endpoints() {
    check(&object("v1/Endpoints", "subsets: [{addresses: [{ip: 10.0.0.1}], ports: [{port: 80}]}]"), &[]);
    check(
        &object("v1/Endpoints", "subsets: [{ports: [{port: 80}]}, {addresses: [{ip: 169.254.1.1}]}]"),
        &[
            "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`",
            "subsets[1].addresses[0].ip: Invalid value: \"169.254.1.1\": may not be in the link-local range (169.254.0.0/16, \
             fe80::/10)",
        ],
    );
    let slice = |kind: &str, address: &str| {
        object(
            "discovery.k8s.io/v1/EndpointSlice",
            &format!("addressType: {kind}, endpoints: [{{addresses: [{address}]}}]"),
        )
    };
    check(&slice("IPv4", "10.0.0.1"), &[]);
    check(
        &slice("IPv6", "10.0.0.1"),
        &["endpoints[0].addresses[0]: Invalid value: \"10.0.0.1\": must be a valid IPv6 address"],
    );
    check(&slice("IPv4", ""), &["endpoints[0].addresses: Required value: must contain at least 1 address"]);
    let many: Vec<String> = (0..101).map(|number| format!("10.0.0.{number}")).collect();
    check(&slice("IPv4", &many.join(", ")), &["endpoints[0].addresses: Too many: 101: must have at most 100 items"]);
}

#[test]
fn secrets() {
    let secret = |kind: &str, data: &str| object("v1/Secret", &format!("type: {kind}, stringData: {{{data}}}"));
    check(&secret("kubernetes.io/tls", "tls.crt: a, tls.key: b"), &[]);
    check(&secret("kubernetes.io/tls", "tls.crt: a"), &["data[tls.key]: Required value"]);
    check(&secret("kubernetes.io/basic-auth", "username: ''"), &[]);
    check(
        &secret("kubernetes.io/basic-auth", ""),
        &["data[username]: Required value", "data[password]: Required value"],
    );
    check(
        &secret("kubernetes.io/dockerconfigjson", "'.dockerconfigjson': '[]'"),
        &[
            "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": json: cannot unmarshal array into Go value \
           of type map[string]interface {}",
        ],
    );
    check(
        &secret("kubernetes.io/service-account-token", ""),
        &["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
    );
    let long = "x".repeat((1 << 20) + 1);
    check(&secret("Opaque", &format!("a: {long}")), &["data: Too long: may not be more than 1048576 bytes"]);
}

#[test]
fn nodes_and_namespaces() {
    check(&cluster_wide("v1/Namespace", "spec: {finalizers: [kubernetes, a.b/c]}"), &[]);
    check(
        &cluster_wide("v1/Namespace", "spec: {finalizers: [mine]}"),
        &[
            "spec.finalizers: Invalid value: \"mine\": name is neither a standard finalizer name nor is it fully qualified",
        ],
    );
    let node = |spec: &str| cluster_wide("v1/Node", &format!("spec: {{{spec}}}"));
    check(&node("taints: [{key: a, effect: NoSchedule}, {key: a, effect: NoExecute}], podCIDRs: [10.0.0.0/24]"), &[]);
    check(
        &node(
            "taints: [{key: a, effect: NoSchedule}, {key: a, value: b, effect: NoSchedule}], podCIDRs: [10.0.0.0/24, 10.0.1.0/24]",
        ),
        &[
            "metadata.taints[1]: Duplicate value: {\"Key\":\"a\",\"Value\":\"b\",\"Effect\":\"NoSchedule\",\"TimeAdded\":null}: \
             taints must be unique by key and effect pair",
            "spec.podCIDRs: Invalid value: [\"10.0.0.0/24\",\"10.0.1.0/24\"]: may specify no more than one CIDR for each IP family",
        ],
    );
    check_change(
        &node("podCIDRs: [10.0.0.0/24], podCIDR: 10.0.0.0/24"),
        &node("podCIDRs: [10.0.1.0/24], podCIDR: 10.0.1.0/24"),
        &["spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid"],
    );
}

#[test]
fn quotas_and_limits() {
    let quota = |spec: &str| object("v1/ResourceQuota", &format!("spec: {{{spec}}}"));
    check(&quota("hard: {pods: 5, requests.cpu: 1, count/jobs.batch: 3, requests.nvidia.com/gpu: 4}"), &[]);
    check(
        &quota("hard: {pods: 1.5, cpu: -1, widgets: 3}"),
        &[
            "spec.hard[cpu]: Invalid value: \"-1\": must be greater than or equal to 0",
            "spec.hard[pods]: Invalid value: \"1500m\": must be an integer",
            "spec.hard[widgets]: Invalid value: \"widgets\": must be a standard resource type or fully qualified",
        ],
    );
    check(
        &quota("hard: {services: 1}, scopes: [BestEffort, NotBestEffort]"),
        &[
            "spec.scopes: Invalid value: [\"BestEffort\",\"NotBestEffort\"]: unsupported scope applied to resource",
            "spec.scopes: Invalid value: [\"BestEffort\",\"NotBestEffort\"]: unsupported scope applied to resource",
            "spec.scopes: Invalid value: [\"BestEffort\",\"NotBestEffort\"]: conflicting scopes",
        ],
    );
    let limits = |limit: &str| object("v1/LimitRange", &format!("spec: {{limits: [{{{limit}}}]}}"));
    check(&limits("type: Container, max: {cpu: 2}, min: {cpu: 100m}, default: {cpu: 1}"), &[]);
    check(
        &limits("type: Container, max: {cpu: 1}, min: {cpu: 2}"),
        &[
            "spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1",
            "spec.limits[0].defaultRequest[cpu]: Invalid value: \"1\": min value 2 is greater than default request value 1",
            "spec.limits[0].default[cpu]: Invalid value: \"2\": min value 2 is greater than default value 1",
        ],
    );
    check(
        &limits("type: Pod, default: {cpu: 1}"),
        &["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"],
    );
    check(
        &limits("type: PersistentVolumeClaim"),
        &[
            "spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided",
        ],
    );
    check(
        &limits("type: Pod, min: {cpu: 300m}, max: {cpu: 1}, maxLimitRequestRatio: {cpu: 4}"),
        &["spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: \"4\": ratio 4 is greater than max/min = 3.333333"],
    );
}

#[test]
fn volumes() {
    let volume = |spec: &str| cluster_wide("v1/PersistentVolume", &format!("spec: {{{spec}}}"));
    let good = "capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /x}";
    check(&volume(good), &[]);
    check(
        &volume("accessModes: [Often], persistentVolumeReclaimPolicy: Keep"),
        &[
            "spec.accessModes: Unsupported value: \"Often\": supported values: \"ReadOnlyMany\", \"ReadWriteMany\", \
             \"ReadWriteOnce\", \"ReadWriteOncePod\"",
            "spec.capacity: Required value",
            "spec.persistentVolumeReclaimPolicy: Unsupported value: \"Keep\": supported values: \"Delete\", \"Recycle\", \"Retain\"",
            "spec: Required value: must specify a volume type",
        ],
    );
    check_change(
        &volume(good),
        &volume(&good.replace("/x", "/z")),
        &["spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"],
    );
    let claim = |spec: &str| object("v1/PersistentVolumeClaim", &format!("spec: {{{spec}}}"));
    let good = "accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}";
    check(&claim(good), &[]);
    check(
        &claim("resources: {requests: {storage: 0}}"),
        &[
            "spec.accessModes: Required value: at least 1 access mode is required",
            "spec.resources[storage]: Invalid value: \"0\": must be greater than zero",
        ],
    );
    check_change(
        &claim(good),
        &claim(&good.replace("ReadWriteOnce", "ReadWriteMany")),
        &[
            "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound \
           claims",
        ],
    );
    let class = cluster_wide("storage.k8s.io/v1/StorageClass", "provisioner: a.b/c, parameters: {a: b}");
    check(&class, &[]);
    check_change(
        &class,
        &class.replace("a: b", "a: c"),
        &["parameters: Forbidden: updates to parameters are forbidden."],
    );
}

#[test]
fn roles() {
    let role = |rule: &str| object("rbac.authorization.k8s.io/v1/Role", &format!("rules: [{{{rule}}}]"));
    check(&role("apiGroups: [''], resources: [pods], verbs: [get]"), &[]);
    check(
        &role("nonResourceURLs: [/x], resources: [pods]"),
        &[
            "rules[0].verbs: Required value: verbs must contain at least one value",
            "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: namespaced rules cannot apply to non-resource URLs",
            "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: rules cannot apply to both regular resources and \
             non-resource URLs",
        ],
    );
    let binding = |subject: &str| {
        cluster_wide(
            "rbac.authorization.k8s.io/v1/ClusterRoleBinding",
            &format!("roleRef: {{kind: ClusterRole, name: r}}, subjects: [{{{subject}}}]"),
        )
    };
    check(&binding("kind: User, name: ada"), &[]);
    check(&binding("kind: ServiceAccount, name: s"), &["subjects[0].namespace: Required value"]);
    check(
        &binding("kind: Robot, name: r"),
        &["subjects[0].kind: Unsupported value: \"Robot\": supported values: \"ServiceAccount\", \"User\", \"Group\""],
    );
    let old = binding("kind: User, name: ada");
    check_change(
        &old,
        &old.replace("name: r}", "name: s}"),
        &[
            "roleRef: Invalid value: {\"APIGroup\":\"rbac.authorization.k8s.io\",\"Kind\":\"ClusterRole\",\"Name\":\"s\"}: cannot \
           change roleRef",
        ],
    );
}

#[test]
fn networking() {
    let ingress = |spec: &str| object("networking.k8s.io/v1/Ingress", &format!("spec: {{{spec}}}"));
    let backend = "backend: {service: {name: web, port: {number: 80}}}";
    check(
        &ingress(&format!("rules: [{{host: '*.a.b', http: {{paths: [{{path: /, pathType: Prefix, {backend}}}]}}}}]")),
        &[],
    );
    check(&ingress(""), &["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"]);
    check(
        &ingress(&format!(
            "rules: [{{host: 10.0.0.1, http: {{paths: [{{path: a//b, pathType: Exact, {backend}}}, {{path: /}}]}}}}]"
        )),
        &[
            "spec.rules[0].host: Invalid value: \"10.0.0.1\": must be a DNS name, not an IP address",
            "spec.rules[0].http.paths[0].path: Invalid value: \"a//b\": must be an absolute path",
            "spec.rules[0].http.paths[0].path: Invalid value: \"a//b\": must not contain '//'",
            "spec.rules[0].http.paths[1].pathType: Required value: pathType must be specified",
        ],
    );
    check(
        &ingress("defaultBackend: {service: {name: web}}"),
        &["spec.defaultBackend: Required value: port name or number is required"],
    );
    let policy =
        |spec: &str| object("networking.k8s.io/v1/NetworkPolicy", &format!("spec: {{podSelector: {{}}, {spec}}}"));
    check(
        &policy("ingress: [{from: [{podSelector: {}}], ports: [{port: 80, endPort: 90}]}], policyTypes: [Ingress]"),
        &[],
    );
    check(
        &policy(
            "ingress: [{from: [{}, {ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/9]}}], ports: [{port: 80, endPort: 70}]}]",
        ),
        &[
            "spec.ingress[0].ports[0].endPort: Invalid value: 70: must be greater than or equal to `port`",
            "spec.ingress[0].from[0]: Required value: must specify a peer",
            "spec.ingress[0].from[1].ipBlock.except[0]: Invalid value: \"11.0.0.0/9\": must be a strict subset of `cidr`",
        ],
    );
    check(
        &cluster_wide("networking.k8s.io/v1/IngressClass", "spec: {controller: nginx}"),
        &["spec.controller: Invalid value: \"nginx\": must be a domain-prefixed path (such as \"acme.io/foo\")"],
    );
}

#[test]
fn scaling() {
    let scaler = |spec: &str| {
        object(
            "autoscaling/v2/HorizontalPodAutoscaler",
            &format!("spec: {{scaleTargetRef: {{kind: Deployment, name: web}}, {spec}}}"),
        )
    };
    let cpu = "metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]";
    check(&scaler(&format!("maxReplicas: 3, {cpu}")), &[]);
    check(
        &scaler("minReplicas: 0, maxReplicas: -1, metrics: [{type: Pods}]"),
        &[
            "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
            "spec.maxReplicas: Invalid value: -1: must be greater than 0",
            "spec.maxReplicas: Invalid value: -1: must be greater than or equal to `minReplicas`",
            "spec.metrics[0].pods: Required value: must populate information for the given metric source",
        ],
    );
    check(
        &object(
            "autoscaling/v1/HorizontalPodAutoscaler",
            "spec: {scaleTargetRef: {kind: Deployment, name: web}, maxReplicas: 3, targetCPUUtilizationPercentage: 0}",
        ),
        &["spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0"],
    );
    let budget = |spec: &str| object("policy/v1/PodDisruptionBudget", &format!("spec: {{{spec}}}"));
    check(&budget("minAvailable: 50%"), &[]);
    check(
        &budget("maxUnavailable: 101%"),
        &["spec.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%"],
    );
    check(
        &budget("minAvailable: 1, maxUnavailable: 1"),
        &[
            "spec: Invalid value: {\"MinAvailable\":1,\"Selector\":null,\"MaxUnavailable\":1,\"UnhealthyPodEvictionPolicy\":null}: \
           minAvailable and maxUnavailable cannot be both set",
        ],
    );
}

#[test]
fn schedules() {
    let job = |schedule: &str| {
        object(
            "batch/v1/CronJob",
            &format!(
                "spec: {{schedule: '{schedule}', jobTemplate: {{spec: {{template: {{spec: {{restartPolicy: Never, containers: \
                 [{{name: c, image: i}}]}}}}}}}}}}"
            ),
        )
    };
    for good in ["*/5 8-17 * * mon-fri", "0 0 1,15 jan ?", "@hourly", "@every 1h30m"] {
        check(&job(good), &[]);
    }
    for (bad, why) in [
        ("* * *", "expected exactly 5 fields, found 3: [* * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("a * * * *", "failed to parse int from a: strconv.Atoi: parsing \"a\": invalid syntax"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("@sometimes", "unrecognized descriptor: @sometimes"),
    ] {
        check(&job(bad), &[&format!("spec.schedule: Invalid value: \"{bad}\": {why}")]);
    }
    check(
        &job("TZ=UTC * * * * *"),
        &[
            "spec.schedule: Invalid value: \"TZ=UTC * * * * *\": cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
        ],
    );
}

const DEFINITION: &str = "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: \
    ships.example.com}, spec: {group: example.com, scope: Namespaced, names: {plural: ships, singular: ship, kind: Ship, \
    listKind: ShipList}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}}";

#[test]
fn definitions() {
    check(DEFINITION, &[]);
    check(
        &DEFINITION.replace("name: ships.example.com", "name: ships"),
        &["metadata.name: Invalid value: \"ships\": must be spec.names.plural+\".\"+spec.group"],
    );
    check(
        &DEFINITION
            .replace("listKind: ShipList", "listKind: Ship")
            .replace("schema: {openAPIV3Schema: {type: object}}", ""),
        &[
            "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required",
            "spec.names.listKind: Invalid value: \"Ship\": kind and listKind may not be the same",
        ],
    );
    check(
        &DEFINITION.replace("{type: object}", "{type: object, properties: {spec: {type: array}}}"),
        &["spec.validation.openAPIV3Schema.properties[spec].items: Required value: must be specified"],
    );
    let none = DEFINITION.replace("storage: true", "storage: false");
    let (resource, object) = super::read(&none);
    let errors: Vec<String> = super::create(resource, &object).iter().map(ToString::to_string).collect();
    assert!(errors[0].ends_with("must have exactly one version marked as storage version"), "{errors:?}");
    check(
        &DEFINITION.replace("example.com", "x.k8s.io"),
        &[
            "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation \
           \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111",
        ],
    );
}

#[test]
fn admission() {
    let rules = "resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]";
    let policy = |spec: &str| {
        cluster_wide("admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy", &format!("spec: {{{spec}}}"))
    };
    check(&policy(&format!("matchConstraints: {{{rules}}}, validations: [{{expression: 'true'}}]")), &[]);
    check(
        &policy("failurePolicy: Perhaps"),
        &[
            "spec.failurePolicy: Unsupported value: \"Perhaps\": supported values: \"Fail\", \"Ignore\"",
            "spec.matchConstraints: Required value",
            "spec.validations: Required value: validations or auditAnnotations must contain at least one item",
            "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item",
        ],
    );
    check(
        &cluster_wide(
            "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicyBinding",
            "spec: {policyName: p, validationActions: [Deny, Warn]}",
        ),
        &[
            "spec.validationActions: Invalid value: [\"Deny\",\"Warn\"]: must not contain both Deny and Warn (repeating the same \
           validation failure information in the API response and headers serves no purpose)",
        ],
    );
    let hook = |parts: &str| {
        cluster_wide(
            "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration",
            &format!("webhooks: [{{{parts}}}]"),
        )
    };
    let client = "clientConfig: {url: 'https://a/b'}, admissionReviewVersions: [v1]";
    check(&hook(&format!("name: a.b.c, sideEffects: None, {client}")), &[]);
    check(
        &hook(&format!("name: a.b, {client}, timeoutSeconds: 31")),
        &[
            "webhooks[0].name: Invalid value: \"a.b\": should be a domain with at least three segments separated by dots",
            "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun",
            "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds",
        ],
    );
}

#[test]
fn small_kinds() {
    let class = |name: &str, value: i64| {
        cluster_wide("scheduling.k8s.io/v1/PriorityClass", &format!("value: {value}"))
            .replace("name: x", &format!("name: {name}"))
    };
    check(&class("high", 1000), &[]);
    check(&class("system-node-critical", 2_000_001_000), &[]);
    check(
        &class("high", 1_000_000_001),
        &["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
    );
    check(
        &class("system-mine", 1),
        &[
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: \
           system-mine is not a known system priority class",
        ],
    );
    check_change(&class("high", 1), &class("high", 2), &["value: Forbidden: may not be changed in an update."]);
    check(
        &object("coordination.k8s.io/v1/Lease", "spec: {leaseDurationSeconds: 0}"),
        &["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"],
    );
    let event = |namespace: &str| object("v1/Event", &format!("involvedObject: {{namespace: {namespace}}}"));
    check(&event("ns"), &[]);
    check(&event("other"), &["involvedObject.namespace: Invalid value: \"other\": does not match event.namespace"]);
    let request = |spec: &str| {
        cluster_wide(
            "certificates.k8s.io/v1/CertificateSigningRequest",
            &format!("spec: {{request: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K, {spec}}}"),
        )
    };
    check(&request("signerName: a.b/c, usages: [client auth]"), &[]);
    check(
        &request("signerName: nobody, usages: [], expirationSeconds: 60"),
        &[
            "spec.usages: Required value",
            "spec.signerName: Invalid value: \"nobody\": must be a fully qualified domain and path of the form \
             'example.com/signer-name'",
            "spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 600 seconds (10 minutes)",
        ],
    );
}
