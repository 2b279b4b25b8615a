//! What may change later, and by which subresource.

use super::{check, check_change, check_change_by};

const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: ns}, \
    spec: {containers: [{name: c, image: a}], tolerations: [{key: k, operator: Exists, effect: NoExecute}]}}";

fn gated(more: &str) -> String {
    POD.replace("spec: {", &format!("spec: {{schedulingGates: [{{name: a.b/c}}], {more}"))
}

#[test]
fn pods_change_little() {
    check_change(POD, &POD.replace("image: a", "image: b"), &[]);
    check_change(POD, &POD.replace("effect: NoExecute", "effect: NoExecute, tolerationSeconds: 9"), &[]);
    let why = "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds";
    check_change(POD, &POD.replace("key: k", "key: z"), &[why]);
    let more = POD.replace("image: a}", "image: a}, {name: d, image: d}");
    check_change(POD, &more, &["spec.containers: Forbidden: pod updates may not add or remove containers"]);
    let others = "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,\
        `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
        tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
    check_change(POD, &POD.replace("spec: {", "spec: {hostname: h, "), &[others]);
    let limited = |seconds: &str| POD.replace("spec: {", &format!("spec: {{activeDeadlineSeconds: {seconds}, "));
    check_change(POD, &limited("9"), &[]);
    let later = "spec.activeDeadlineSeconds: Invalid value: 9: must be less than or equal to previous value";
    check_change(&limited("8"), &limited("9"), &[later]);
    let never = "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value";
    check_change(&limited("8"), POD, &[never]);
}

#[test]
fn gates_only_open() {
    check_change(&gated(""), POD, &[]);
    let new =
        "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'a.b/c'";
    check_change(POD, &gated(""), &[new]);
    check_change(&gated("nodeSelector: {a: b}, "), &gated("nodeSelector: {a: b, c: d}, "), &[]);
    check_change(
        &gated("nodeSelector: {a: b}, "),
        &gated("nodeSelector: {c: d}, "),
        &[
            "spec.nodeSelector: Invalid value: {\"c\":\"d\"}: only additions to spec.nodeSelector are allowed (no mutations \
           or deletions)",
        ],
    );
    let required = |terms: &str| {
        let affinity = format!("requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: [{terms}]}}");
        gated(&format!("affinity: {{nodeAffinity: {{{affinity}}}}}, "))
    };
    let (one, two) = ("{key: a, operator: Exists}", "{key: b, operator: Exists}");
    let (term, wider) = (format!("{{matchExpressions: [{one}]}}"), format!("{{matchExpressions: [{one}, {two}]}}"));
    check_change(&gated(""), &required(&term), &[]);
    check_change(&required(&term), &required(&wider), &[]);
    let field = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    let less = format!(
        "{field}[0]: Invalid value: {{\"matchExpressions\":[{{\"key\":\"a\",\"operator\":\"Exists\"}}]}}: only additions are \
         allowed (no mutations or deletions)"
    );
    check_change(&required(&wider), &required(&term), &[&less]);
}

#[test]
fn ephemeral_containers() {
    let with = |containers: &str| POD.replace("spec: {", &format!("spec: {{ephemeralContainers: [{containers}], "));
    let debugger = with("{name: d, image: i, targetContainerName: c}");
    check_change_by("ephemeralcontainers", POD, &debugger, &[]);
    let gone = "spec.ephemeralContainers: Forbidden: existing ephemeral containers \"d\" may not be removed\n";
    check_change_by("ephemeralcontainers", &debugger, POD, &[gone]);
    check_change_by(
        "ephemeralcontainers",
        &debugger,
        &with("{name: d, image: z}"),
        &["spec.ephemeralContainers: Forbidden: existing ephemeral containers \"d\" may not be changed\n"],
    );
    check_change_by(
        "ephemeralcontainers",
        POD,
        &with("{name: c, image: i, targetContainerName: z, ports: [{containerPort: 1}]}"),
        &[
            "spec.ephemeralContainers[0].name: Duplicate value: \"c\"",
            "spec.ephemeralContainers[0].targetContainerName: Not found: \"z\"",
            "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container",
        ],
    );
    check_change_by("binding", POD, &POD.replace("spec: {", "spec: {nodeName: node, "), &[]);
}

#[test]
fn what_has_ended() {
    let ended = |policy: &str, code: &str, state: &str| {
        let statuses = format!("containerStatuses: [{{name: c, image: a, imageID: a, {state}}}]").replace("CODE", code);
        POD.replace(
            "spec: {",
            &format!("status: {{qosClass: BestEffort, {statuses}}}, spec: {{restartPolicy: {policy}, "),
        )
    };
    let (over, runs) = ("state: {terminated: {exitCode: CODE}}", "state: {running: {}}");
    let why = "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state";
    for (policy, code, expect) in
        [("Always", "0", &[][..]), ("OnFailure", "0", &[why]), ("OnFailure", "1", &[]), ("Never", "1", &[why])]
    {
        check_change_by("status", &ended(policy, code, over), &ended(policy, code, runs), expect);
    }
}

#[test]
fn statuses() {
    let deployment = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, namespace: ns}, spec: {selector: {matchLabels: \
        {app: a}}, template: {metadata: {labels: {app: a}}, spec: {containers: [{name: c, image: i}]}}}, status: {replicas: 2, \
        readyReplicas: 2, collisionCount: 1}}";
    check_change_by(
        "status",
        deployment,
        &deployment.replace("readyReplicas: 2, collisionCount: 1", "availableReplicas: 3, unavailableReplicas: -1"),
        &[
            "status.unavailableReplicas: Invalid value: -1: must be greater than or equal to 0",
            "status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas",
            "status.availableReplicas: Invalid value: 3: cannot be greater than readyReplicas",
            "status.collisionCount: Invalid value: 0: cannot be decremented",
        ],
    );
    let namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}, spec: {finalizers: [kubernetes]}, status: {phase: Active}}";
    check_change_by(
        "status",
        namespace,
        &namespace.replace("Active", "Terminating"),
        &["status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty"],
    );
    let service = "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: ns}, spec: {type: LoadBalancer, clusterIP: \
        10.0.0.1, clusterIPs: [10.0.0.1], ports: [{port: 80}]}, status: {loadBalancer: {ingress: [{ip: 1.2.3.4}]}}}";
    check_change_by("status", service, service, &[]);
    let refused = "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'";
    check_change_by("status", service, &service.replace("type: LoadBalancer", "type: NodePort"), &[refused]);
}

#[test]
fn jobs_that_wait() {
    let job = |suspend: &str, node: &str| {
        format!(
            "{{apiVersion: batch/v1, kind: Job, metadata: {{name: j, namespace: ns}}, spec: {{suspend: {suspend}, manualSelector: \
             true, selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}, spec: {{restartPolicy: Never, \
             nodeSelector: {{zone: {node}}}, containers: [{{name: c, image: i}}]}}}}}}}}"
        )
    };
    check(&job("true", "x"), &[]);
    check_change(&job("true", "x"), &job("false", "z"), &[]);
    let (resource, old) = super::read(&job("false", "x"));
    let (_, mut new) = super::read(&job("false", "z"));
    new["metadata"]["resourceVersion"] = "1".into();
    let errors = super::update(resource, &new, &old);
    assert_eq!((errors.len(), &errors[0].field[..]), (1, "spec.template"));
}
