//! A kubelet writes what is its own and nothing else; a new node takes no pods before it is ready.
//!
//! Upstream: `plugin/pkg/admission/noderestriction`, `plugin/pkg/admission/nodetaint`.
//!
//! Simplified: resource slices are not looked into.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

use super::matching::operation;
use super::{Effect, Operation, Review};
use crate::k8s::apiserver::attributes::Attributes;
use crate::k8s::apiserver::authorization::node::{self, MIRROR_ANNOTATION};
use crate::k8s::apiserver::object::{annotation, entries, inner, is_true, labels, list, list_mut, name, text, uid};
use crate::k8s::meta::status::{Qualified, Status, quote};

pub(super) fn restrict(review: &mut Review) -> Effect {
    let user = review.attributes.user.clone();
    let Some(own) = node::identity(&user) else { return Ok(None) };
    if own.is_empty() {
        return Err(review.forbidden(&format!("could not determine node from user {}", quote(&user.name))));
    }
    let kubelet = Kubelet { own, review };
    let Review { attributes, .. } = *review;
    match (&attributes.group[..], &attributes.resource[..], &attributes.subresource[..]) {
        ("", "pods", "") => kubelet.pod()?,
        ("", "pods", "status") => kubelet.pod_status()?,
        ("", "pods", "eviction") => kubelet.eviction()?,
        ("", "pods", other) => {
            let what = format!("unexpected pod subresource {}", quote(other));
            return Err(review.forbidden(&format!("{what}, only 'status' and 'eviction' are allowed")));
        }
        ("", "nodes", _) => kubelet.node()?,
        ("", "persistentvolumeclaims", "status") => kubelet.claim_status()?,
        ("", "persistentvolumeclaims", _) => return Err(review.forbidden("may only update PVC status")),
        ("", "serviceaccounts", "token") => kubelet.token()?,
        ("coordination.k8s.io", "leases", _) => kubelet.lease()?,
        ("storage.k8s.io", "csinodes", _) => kubelet.named_like_itself("CSINode")?,
        _ => {}
    }
    Ok(None)
}

/// Until a node says that it is ready, the scheduler keeps away.
pub(super) fn taint(review: &mut Review) -> Effect {
    if !review.is_whole("", "nodes") {
        return Ok(None);
    }
    let Some(node) = &mut review.object else { return Ok(None) };
    let (key, effect) = ("node.kubernetes.io/not-ready", "NoSchedule");
    let taints = list_mut(inner(node, "spec"), "taints");
    if taints.iter().any(|taint| text(taint, "key") == key && text(taint, "effect") == effect) {
        return Ok(None);
    }
    taints.push(json!({"key": key, "effect": effect}));
    Ok(Some(format!("taint {key}:{effect}")))
}

/// A kubelet with what it wants to write.
struct Kubelet<'a> {
    own: &'a str,
    review: &'a Review<'a>,
}

impl Kubelet<'_> {
    fn no(&self, why: &str) -> Result<(), Status> {
        Err(self.review.forbidden(why))
    }

    fn itself(&self) -> String {
        format!("node {}", quote(self.own))
    }

    fn stored_pod(&self, pod: &str) -> Result<Arc<Value>, Status> {
        let found = self.review.lister.get("", "pods", self.review.namespace(), pod);
        found.ok_or_else(|| Status::not_found(Qualified { name: "pod", group: "" }, pod))
    }

    fn pod(&self) -> Result<(), Status> {
        match self.review.operation {
            Operation::Create => self.mirror_pod(),
            Operation::Delete => {
                let pod = self.stored_pod(&self.review.attributes.name)?;
                if text(&pod["spec"], "nodeName") == self.own {
                    return Ok(());
                }
                self.no(&format!("{} can only delete pods with spec.nodeName set to itself", self.itself()))
            }
            _ => {
                let itself = self.itself();
                self.no(&format!("unexpected operation \"UPDATE\", {itself} can only create and delete mirror pods"))
            }
        }
    }

    /// A pod that stands for one from a file may refer to nothing: the kubelet would come to see it.
    fn mirror_pod(&self) -> Result<(), Status> {
        let (pod, itself) = (self.review.object(), self.itself());
        if annotation(pod, MIRROR_ANNOTATION).is_none() {
            let mark = quote(MIRROR_ANNOTATION);
            return self.no(&format!("pod does not have {mark} annotation, {itself} can only create mirror pods"));
        }
        if text(&pod["spec"], "nodeName") != self.own {
            return self.no(&format!("{itself} can only create pods with spec.nodeName set to itself"));
        }
        self.owner_of_mirror()?;
        let refers = |what: &str| self.no(&format!("{itself} can not create pods that reference {what}"));
        if !text(&pod["spec"], "serviceAccountName").is_empty() {
            return refers("a service account");
        }
        let volumes = list(&pod["spec"], "volumes");
        let projects = |source: &str| {
            let sources = volumes.iter().flat_map(|volume| list(&volume["projected"], "sources"));
            sources.into_iter().any(|own| own[source].is_object())
        };
        if mentions(pod, "secret") || projects("secret") || !list(&pod["spec"], "imagePullSecrets").is_empty() {
            return refers("secrets");
        }
        if mentions(pod, "configMap") || projects("configMap") {
            return refers("configmaps");
        }
        if projects("clusterTrustBundle") {
            return refers("clustertrustbundles");
        }
        if volumes.iter().any(|volume| volume["persistentVolumeClaim"].is_object()) {
            return refers("persistentvolumeclaims");
        }
        Ok(())
    }

    fn owner_of_mirror(&self) -> Result<(), Status> {
        let itself = self.itself();
        let only =
            |how: &str| self.no(&format!("{itself} can only create pods with {how} owner reference set to itself"));
        let owner = match list(&self.review.object()["metadata"], "ownerReferences") {
            [] => return only("an"),
            [owner] => owner,
            _ => return only("a single"),
        };
        if (text(owner, "apiVersion"), text(owner, "kind"), text(owner, "name")) != ("v1", "Node", self.own) {
            return only("an");
        }
        if !is_true(owner, "controller") {
            return only("a controller");
        }
        if is_true(owner, "blockOwnerDeletion") {
            return self.no(&format!("{itself} must not set blockOwnerDeletion on an owner reference"));
        }
        let Some(node) = self.review.lister.get("", "nodes", "", self.own) else {
            return Err(Status::not_found(Qualified { name: "node", group: "" }, self.own));
        };
        let (expected, found) = (text(owner, "uid"), uid(&node));
        if expected != found {
            return self.no(&format!("node {} UID mismatch: expected {expected} got {found}", self.own));
        }
        Ok(())
    }

    fn pod_status(&self) -> Result<(), Status> {
        let (itself, old, new) = (self.itself(), self.review.old(), self.review.object());
        if self.review.operation != Operation::Update {
            return self.no(&format!("unexpected operation {}", quote(operation(self.review.operation))));
        }
        if text(&old["spec"], "nodeName") != self.own {
            let which = "can only update pod status for pods with spec.nodeName set to itself";
            return self.no(&format!("{itself} {which}"));
        }
        if labels(old) != labels(new) {
            return self.no(&format!("{itself} cannot update labels through pod status"));
        }
        if old["status"]["resourceClaimStatuses"] != new["status"]["resourceClaimStatuses"] {
            return self.no(&format!("{itself} cannot update resource claim statues"));
        }
        Ok(())
    }

    fn eviction(&self) -> Result<(), Status> {
        if self.review.operation != Operation::Create {
            return self.no(&format!("unexpected operation {}", operation(self.review.operation)));
        }
        let of_request = &self.review.attributes.name;
        let pod = if of_request.is_empty() { name(self.review.object()) } else { of_request };
        if pod.is_empty() {
            return self.no("could not determine pod from request data");
        }
        if text(&self.stored_pod(pod)?["spec"], "nodeName") != self.own {
            return self.no(&format!("node {} can only evict pods with spec.nodeName set to itself", self.own));
        }
        Ok(())
    }

    fn claim_status(&self) -> Result<(), Status> {
        if self.review.operation != Operation::Update {
            return self.no(&format!("unexpected operation {}", quote(operation(self.review.operation))));
        }
        let free = ["capacity", "conditions", "allocatedResourceStatuses", "allocatedResources"];
        let rest = |claim: &Value| {
            let mut claim = claim.clone();
            for field in ["resourceVersion", "managedFields"] {
                claim["metadata"].as_object_mut().map(|metadata| metadata.shift_remove(field));
            }
            for field in free {
                claim["status"].as_object_mut().map(|status| status.shift_remove(field));
            }
            claim
        };
        if rest(self.review.old()) != rest(self.review.object()) {
            // Simplified: upstream adds what differs in the notation of a Go library.
            let itself = self.itself();
            let which = "is not allowed to update fields other than status.capacity and status.conditions";
            return self.no(&format!("{itself} {which}"));
        }
        Ok(())
    }

    fn node(&self) -> Result<(), Status> {
        let (itself, asked) = (self.itself(), self.review.name());
        if asked != self.own {
            return self.no(&format!("{itself} is not allowed to modify node {}", quote(asked)));
        }
        let (old, new) = (self.review.old(), self.review.object());
        let forbidden: Vec<String> = changed_labels(old, new).into_iter().filter(|label| is_forbidden(label)).collect();
        match self.review.operation {
            Operation::Create if !forbidden.is_empty() => {
                let labels = forbidden.join(", ");
                self.no(&format!("{itself} is not allowed to set the following labels: {labels}"))
            }
            Operation::Update if list(&old["spec"], "taints") != list(&new["spec"], "taints") => {
                self.no(&format!("{itself} is not allowed to modify taints"))
            }
            Operation::Update if !forbidden.is_empty() => {
                self.no(&format!("is not allowed to modify labels: {}", forbidden.join(", ")))
            }
            _ => Ok(()),
        }
    }

    /// A kubelet gets tokens for pods that run on it.
    fn token(&self) -> Result<(), Status> {
        if self.review.operation != Operation::Create {
            return Ok(());
        }
        let bound = &self.review.object()["spec"]["boundObjectRef"];
        let pod = text(bound, "name");
        if (text(bound, "apiVersion"), text(bound, "kind")) != ("v1", "Pod") || pod.is_empty() {
            return self.no("node requested token not bound to a pod");
        }
        let bound_uid = text(bound, "uid");
        if bound_uid.is_empty() {
            return self.no("node requested token with a pod binding without a uid");
        }
        let pod = self.stored_pod(pod)?;
        if uid(&pod) != bound_uid {
            let which =
                format!("the UID in the bound object reference ({bound_uid}) does not match the UID in record.");
            return self.no(&format!("{which} The object might have been deleted and then recreated"));
        }
        if text(&pod["spec"], "nodeName") != self.own {
            return self.no("node requested token bound to a pod scheduled on a different node");
        }
        self.audience(&pod)
    }

    /// Tokens are for whom the pod wants to show them to, or its volumes' drivers; for others only with permission.
    fn audience(&self, pod: &Value) -> Result<(), Status> {
        let audience = match list(&self.review.object()["spec"], "audiences") {
            [] => "",
            [one] => one.as_str().unwrap_or_default(),
            _ => return self.no("node may only request 0 or 1 audiences"),
        };
        if list(&pod["spec"], "volumes").iter().any(|volume| self.wants_audience(pod, volume, audience)) {
            return Ok(());
        }
        let attributes = Attributes {
            user: self.review.attributes.user.clone(),
            verb: "request-serviceaccounts-token-audience".to_owned(),
            is_resource: true,
            version: "v1".to_owned(),
            resource: audience.to_owned(),
            namespace: self.review.namespace().to_owned(),
            name: self.review.attributes.name.clone(),
            ..Attributes::default()
        };
        if self.review.authorizer.authorize(&attributes, self.review.lister).is_allow() {
            return Ok(());
        }
        let user = &self.review.attributes.user.name;
        let what = format!("audience {} not found in pod spec volume", quote(audience));
        self.no(&format!("{what}, {user} is not authorized to request tokens for this audience"))
    }

    fn wants_audience(&self, pod: &Value, volume: &Value, audience: &str) -> bool {
        let is_projected = |source: &Value| {
            let token = &source["serviceAccountToken"];
            token.is_object() && text(token, "audience") == audience
        };
        if list(&volume["projected"], "sources").iter().any(is_projected) {
            return true;
        }
        let claim = match text(&volume["persistentVolumeClaim"], "claimName") {
            "" if volume["ephemeral"].is_object() => format!("{}-{}", name(pod), text(volume, "name")),
            claim => claim.to_owned(),
        };
        let lister = self.review.lister;
        let claim = lister.get("", "persistentvolumeclaims", self.review.namespace(), &claim);
        let bound = claim.and_then(|claim| lister.get("", "persistentvolumes", "", text(&claim["spec"], "volumeName")));
        let of_claim = bound.as_ref().map_or("", |bound| text(&bound["spec"]["csi"], "driver"));
        let drivers = [text(&volume["csi"], "driver"), of_claim].into_iter().filter(|driver| !driver.is_empty());
        let mut drivers = drivers.filter_map(|driver| lister.get("storage.k8s.io", "csidrivers", "", driver));
        drivers.any(|driver| {
            list(&driver["spec"], "tokenRequests").iter().any(|request| text(request, "audience") == audience)
        })
    }

    fn lease(&self) -> Result<(), Status> {
        if self.review.namespace() != "kube-node-lease" {
            return self.no("can only access leases in the \"kube-node-lease\" system namespace");
        }
        self.named_like_itself("node lease")
    }

    fn named_like_itself(&self, what: &str) -> Result<(), Status> {
        if self.review.name() == self.own {
            return Ok(());
        }
        self.no(&format!("can only access {what} with the same name as the requesting node"))
    }
}

/// Does a pod name a `secret` or a `configMap` in a volume or an environment?
fn mentions(pod: &Value, kind: &str) -> bool {
    let containers = ["initContainers", "containers", "ephemeralContainers"];
    let mut containers = containers.into_iter().flat_map(|field| list(&pod["spec"], field));
    list(&pod["spec"], "volumes").iter().any(|volume| volume[kind].is_object())
        || containers.any(|container| {
            list(container, "env").iter().any(|env| env["valueFrom"][format!("{kind}KeyRef")].is_object())
                || list(container, "envFrom").iter().any(|from| from[format!("{kind}Ref")].is_object())
        })
}

fn changed_labels(old: &Value, new: &Value) -> BTreeSet<String> {
    let (old, new) = (&old["metadata"]["labels"], &new["metadata"]["labels"]);
    let keys = entries(old).chain(entries(new)).map(|(key, _)| key);
    keys.filter(|key| old[*key] != new[*key]).cloned().collect()
}

/// Labels by which a node could draw pods to itself, or seem to be what it is not.
fn is_forbidden(label: &str) -> bool {
    let domain = label.split_once('/').map_or("", |(domain, _)| domain);
    let is_below =
        |parent: &str| domain == parent || domain.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'));
    let is_kubelets =
        KUBELET_LABELS.contains(&label) || ["kubelet.kubernetes.io", "node.kubernetes.io"].into_iter().any(is_below);
    is_below("node-restriction.kubernetes.io") || ((is_below("kubernetes.io") || is_below("k8s.io")) && !is_kubelets)
}

const KUBELET_LABELS: [&str; 11] = [
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];
