//! Objects as somebody writes them, and as an API server stores them.

use serde_json::json;

use super::*;
use crate::k8s::yaml;

#[track_caller]
fn check(text: &str, expect: &str) {
    let schema = Schema::kubernetes();
    let value = yaml::parse(text).unwrap().value;
    let message = schema.kind(value["apiVersion"].as_str().unwrap(), value["kind"].as_str().unwrap()).unwrap();
    let decoded = typed::decode(schema, message, value).unwrap();
    assert!(decoded.unknown.is_empty(), "{:?}", decoded.unknown);
    let filled = apply(schema, message, decoded.value).unwrap();
    assert_eq!(yaml::to_string(&filled), expect);
    assert_eq!(apply(schema, message, filled.clone()), Ok(filled), "once is enough");
}

#[test]
fn a_deployment() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  selector: {matchLabels: {app: web}}\n  \
        template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]\n";
    let expect = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  progressDeadlineSeconds: 600
  replicas: 1
  revisionHistoryLimit: 10
  selector:
    matchLabels:
      app: web
  strategy:
    rollingUpdate:
      maxSurge: 25%
      maxUnavailable: 25%
    type: RollingUpdate
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
      - image: nginx
        imagePullPolicy: Always
        name: web
        ports:
        - containerPort: 80
          protocol: TCP
        resources: {}
        terminationMessagePath: /dev/termination-log
        terminationMessagePolicy: File
      dnsPolicy: ClusterFirst
      restartPolicy: Always
      schedulerName: default-scheduler
      securityContext: {}
      terminationGracePeriodSeconds: 30
status: {}
";
    check(text, expect);
}

#[test]
fn a_pod() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  hostNetwork: true\n  terminationGracePeriodSeconds: 0\n  \
        serviceAccountName: sa\n  volumes: [{name: v}, {name: c, configMap: {name: x}}, {name: h, hostPath: {path: /}}]\n  \
        containers:\n  - {name: a, image: 'r:5000/i@sha256:0', resources: {limits: {cpu: 0.0005, memory: 1Gi}, requests: {memory: 1Mi}}, \
        ports: [{containerPort: 80}], livenessProbe: {httpGet: {port: 80}}, env: [{name: E, valueFrom: {fieldRef: {fieldPath: x}}}]}\n";
    let expect = "\
apiVersion: v1
kind: Pod
metadata:
  name: p
spec:
  containers:
  - env:
    - name: E
      valueFrom:
        fieldRef:
          apiVersion: v1
          fieldPath: x
    image: r:5000/i@sha256:0
    imagePullPolicy: IfNotPresent
    livenessProbe:
      failureThreshold: 3
      httpGet:
        path: /
        port: 80
        scheme: HTTP
      periodSeconds: 10
      successThreshold: 1
      timeoutSeconds: 1
    name: a
    ports:
    - containerPort: 80
      hostPort: 80
      protocol: TCP
    resources:
      limits:
        cpu: 1m
        memory: 1Gi
      requests:
        cpu: 1m
        memory: 1Mi
    terminationMessagePath: /dev/termination-log
    terminationMessagePolicy: File
  dnsPolicy: ClusterFirst
  enableServiceLinks: true
  hostNetwork: true
  restartPolicy: Always
  schedulerName: default-scheduler
  securityContext: {}
  serviceAccount: sa
  serviceAccountName: sa
  terminationGracePeriodSeconds: 0
  volumes:
  - emptyDir: {}
    name: v
  - configMap:
      defaultMode: 420
      name: x
    name: c
  - hostPath:
      path: /
      type: \"\"
    name: h
status: {}
";
    check(text, expect);
}

#[test]
fn a_service() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  type: NodePort\n  ports: [{port: 80}, {port: 81, targetPort: web}]\n";
    let expect = "\
apiVersion: v1
kind: Service
metadata:
  name: s
spec:
  externalTrafficPolicy: Cluster
  internalTrafficPolicy: Cluster
  ports:
  - port: 80
    protocol: TCP
    targetPort: 80
  - port: 81
    protocol: TCP
    targetPort: web
  sessionAffinity: None
  type: NodePort
status:
  loadBalancer: {}
";
    check(text, expect);
}

#[test]
fn a_secret_of_texts() {
    let text =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: eA==, b: eQ==}\nstringData: {b: hunter2}\n";
    let expect =
        "apiVersion: v1\ndata:\n  a: eA==\n  b: aHVudGVyMg==\nkind: Secret\nmetadata:\n  name: s\ntype: Opaque\n";
    check(text, expect);
}

#[test]
fn a_namespace_is_labelled_by_its_name() {
    let expect = "apiVersion: v1\nkind: Namespace\nmetadata:\n  labels:\n    kubernetes.io/metadata.name: shop\n  name: shop\nspec: {}\nstatus:\n  phase: Active\n";
    check("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n", expect);
}

#[test]
fn every_name_is_a_type() {
    // A function for a type that no schema has would never run.
    let schema = Schema::kubernetes();
    let count = schema.messages().filter(|(_, message)| of(message).is_some()).count();
    assert_eq!(count, 59);
    let claim = json!({"spec": {"volumeClaimTemplates": [{}]}});
    let message = schema.kind("apps/v1", "StatefulSet").unwrap();
    let value = typed::decode(schema, message, claim).unwrap().value;
    let filled = apply(schema, message, value).unwrap();
    assert_eq!(filled["spec"]["volumeClaimTemplates"][0]["kind"], "PersistentVolumeClaim");
}
