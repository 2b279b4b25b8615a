//! A kubelet may read what the pods on its node need, and touch its own node and lease; of others' it learns nothing.
//!
//! ```text
//! node <── pod <── secret, config map, service account, claim <── volume <── secret
//!      <── volume attachment, resource slice
//! ```
//!
//! Upstream: `plugin/pkg/auth/authorizer/node`, `pkg/auth/nodeidentifier`, `pkg/api/v1/pod`, `pkg/api/v1/persistentvolume`.
//!
//! Simplified: the paths are looked for in the caches with each request, where upstream keeps a graph in step with them.

use serde_json::Value;
use std::sync::Arc;

use super::{bootstrap, rbac};
use crate::k8s::apiserver::attributes::{Attributes, Decision, Lister, User};
use crate::k8s::apiserver::object::{annotation, list, name, text};
use crate::k8s::meta::fields;
use crate::k8s::meta::status::quote;

pub const NODES_GROUP: &str = "system:nodes";
const USER_PREFIX: &str = "system:node:";
/// Marks a pod that stands for one which a kubelet read from a file.
pub const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";

/// The node that a kubelet speaks for; empty if it does not say. Nothing for who is no kubelet.
pub fn identity(user: &User) -> Option<&str> {
    user.name.strip_prefix(USER_PREFIX).filter(|_| user.is_in(NODES_GROUP))
}

pub fn authorize(attributes: &Attributes, lister: &dyn Lister) -> Decision {
    let Some(node) = identity(&attributes.user) else { return no("") };
    if node.is_empty() {
        return no(&format!("unknown node for user {}", quote(&attributes.user.name)));
    }
    let kubelet = Kubelet { node, attributes, lister };
    if !attributes.is_resource {
        return kubelet.by_rules();
    }
    match (&attributes.group[..], &attributes.resource[..]) {
        ("", "secrets" | "configmaps") => kubelet.read_one(),
        ("", "persistentvolumeclaims") if attributes.subresource == "status" => kubelet.write_status(),
        ("", "persistentvolumeclaims" | "persistentvolumes") => kubelet.get(),
        ("resource.k8s.io", "resourceclaims") | ("storage.k8s.io", "volumeattachments") => kubelet.get(),
        ("", "serviceaccounts") => kubelet.create_token(),
        ("coordination.k8s.io", "leases") => kubelet.lease(),
        ("storage.k8s.io", "csinodes") => kubelet.csi_node(),
        ("resource.k8s.io", "resourceslices") => kubelet.resource_slice(),
        ("", "nodes") => kubelet.nodes(),
        ("", "pods") => kubelet.pods(),
        _ => kubelet.by_rules(),
    }
}

fn yes() -> Decision {
    Decision::Allow { reason: String::new() }
}

fn no(reason: &str) -> Decision {
    Decision::NoOpinion { reason: reason.to_owned() }
}

/// A kubelet with its request.
struct Kubelet<'a> {
    node: &'a str,
    attributes: &'a Attributes,
    lister: &'a dyn Lister,
}

impl Kubelet<'_> {
    fn verb(&self) -> &str {
        &self.attributes.verb
    }

    fn by_rules(&self) -> Decision {
        let allows = bootstrap::node_rules().iter().any(|rule| rbac::rule_allows(self.attributes, rule));
        if allows { yes() } else { no("") }
    }

    fn read_one(&self) -> Decision {
        if !["get", "list", "watch"].contains(&self.verb()) {
            return no("can only read resources of this type");
        }
        if !self.attributes.subresource.is_empty() {
            return no("cannot read subresource");
        }
        if self.attributes.namespace.is_empty() {
            return no("can only read namespaced object of this type");
        }
        self.related()
    }

    fn get(&self) -> Decision {
        if self.verb() != "get" {
            return no("can only get individual resources of this type");
        }
        if !self.attributes.subresource.is_empty() {
            return no("cannot get subresource");
        }
        self.related()
    }

    fn write_status(&self) -> Decision {
        match self.verb() {
            "update" | "patch" => self.related(),
            _ => no("can only get/update/patch this type"),
        }
    }

    fn create_token(&self) -> Decision {
        if self.verb() != "create" || self.attributes.name.is_empty() {
            return no("can only create tokens for individual service accounts");
        }
        if self.attributes.subresource != "token" {
            return no("can only create token subresource of serviceaccount");
        }
        self.related()
    }

    fn lease(&self) -> Decision {
        if !OWN_VERBS.contains(&self.verb()) {
            return no("can only get, create, update, patch, or delete a node lease");
        }
        if self.attributes.namespace != "kube-node-lease" {
            return no("can only access leases in the \"kube-node-lease\" system namespace");
        }
        // The name of what is created is admission's to check.
        if self.verb() != "create" && self.attributes.name != self.node {
            return no("can only access node lease with the same name as the requesting node");
        }
        yes()
    }

    fn csi_node(&self) -> Decision {
        if !OWN_VERBS.contains(&self.verb()) {
            return no("can only get, create, update, patch, or delete a CSINode");
        }
        if !self.attributes.subresource.is_empty() {
            return no("cannot authorize CSINode subresources");
        }
        if self.verb() != "create" && self.attributes.name != self.node {
            return no("can only access CSINode with the same name as the requesting node");
        }
        yes()
    }

    fn resource_slice(&self) -> Decision {
        if !self.attributes.subresource.is_empty() {
            return no("cannot authorize ResourceSlice subresources");
        }
        match self.verb() {
            "create" => yes(),
            "get" | "update" | "patch" | "delete" => self.related(),
            "watch" | "list" | "deletecollection" if self.selects("nodeName") => yes(),
            "watch" | "list" | "deletecollection" => {
                no("can only list/watch/deletecollection resourceslices with nodeName field selector")
            }
            _ => no(
                "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, \
                     delete, deletecollection",
            ),
        }
    }

    fn nodes(&self) -> Decision {
        let (own, name) = (self.node, &self.attributes.name[..]);
        match (&self.attributes.subresource[..], self.verb()) {
            ("", "create" | "update" | "patch") | ("status", "update" | "patch") => yes(),
            ("", "get" | "list" | "watch") if name == own => yes(),
            ("", "get" | "list" | "watch") if name.is_empty() => {
                no(&format!("node '{own}' cannot read all nodes, only its own Node object"))
            }
            ("", "get" | "list" | "watch") => {
                no(&format!("node '{own}' cannot read '{name}', only its own Node object"))
            }
            _ => no(""),
        }
    }

    fn pods(&self) -> Decision {
        match (&self.attributes.subresource[..], self.verb()) {
            ("", "get") => self.get(),
            ("", "list" | "watch") if self.selects("spec.nodeName") => yes(),
            ("", "list" | "watch") if !self.attributes.name.is_empty() => self.related(),
            ("", "list" | "watch") => no("can only list/watch pods with spec.nodeName field selector"),
            // Whose pod it is, is admission's to check.
            ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => yes(),
            _ => no(""),
        }
    }

    /// Is the request restricted to what belongs to this node?
    fn selects(&self, field: &str) -> bool {
        let selector = fields::Selector::parse(&self.attributes.field_selector).unwrap_or_default();
        selector.terms.iter().any(|term| term.is_equal && term.field == field && term.value == self.node)
    }

    fn related(&self) -> Decision {
        let Attributes { namespace, name, resource, .. } = self.attributes;
        if name.is_empty() {
            return no("No Object name found");
        }
        let is_related = match &resource[..] {
            "pods" => self.pods_in(namespace).any(|pod| self::name(&pod) == name),
            "serviceaccounts" => self.workloads(namespace).any(|pod| text(&pod["spec"], "serviceAccountName") == name),
            "secrets" => {
                self.workloads(namespace).any(|pod| uses_secret(&pod, name)) || self.volume_has_secret(namespace, name)
            }
            "configmaps" => self.workloads(namespace).any(|pod| uses_config_map(&pod, name)),
            "persistentvolumeclaims" => self.claims(namespace, name),
            "persistentvolumes" => {
                let volume = self.lister.get("", "persistentvolumes", "", name);
                volume.is_some_and(|volume| self.has_volume(&volume))
            }
            "resourceclaims" => self.workloads(namespace).any(|pod| uses_resource_claim(&pod, name)),
            "volumeattachments" => {
                let attachment = self.lister.get("storage.k8s.io", "volumeattachments", "", name);
                attachment.is_some_and(|attachment| text(&attachment["spec"], "nodeName") == self.node)
            }
            "resourceslices" => {
                let slice = self.lister.get("resource.k8s.io", "resourceslices", "", name);
                slice.is_some_and(|slice| text(&slice["spec"], "nodeName") == self.node)
            }
            _ => false,
        };
        if is_related {
            return yes();
        }
        no(&format!("no relationship found between node '{}' and this object", self.node))
    }

    fn pods_in(&self, namespace: &str) -> impl Iterator<Item = Arc<Value>> {
        let pods = self.lister.list("", "pods", namespace).into_iter();
        pods.filter(|pod| text(&pod["spec"], "nodeName") == self.node)
    }

    /// A kubelet creates mirror pods itself, so nothing follows from what they name.
    fn workloads(&self, namespace: &str) -> impl Iterator<Item = Arc<Value>> {
        self.pods_in(namespace).filter(|pod| annotation(pod, MIRROR_ANNOTATION).is_none())
    }

    fn claims(&self, namespace: &str, claim: &str) -> bool {
        self.workloads(namespace).any(|pod| {
            list(&pod["spec"], "volumes").iter().any(|volume| {
                let own = text(&volume["persistentVolumeClaim"], "claimName");
                own == claim || (volume["ephemeral"].is_object() && ephemeral_claim(&pod, volume) == claim)
            })
        })
    }

    fn has_volume(&self, volume: &Value) -> bool {
        let claim = &volume["spec"]["claimRef"];
        claim.is_object() && self.claims(text(claim, "namespace"), text(claim, "name"))
    }

    fn volume_has_secret(&self, namespace: &str, secret: &str) -> bool {
        let volumes = self.lister.list("", "persistentvolumes", "");
        let has = |volume: &Arc<Value>| volume_secrets(volume).any(|found| found == (namespace, secret));
        volumes.iter().filter(|volume| has(volume)).any(|volume| self.has_volume(volume))
    }
}

const OWN_VERBS: [&str; 5] = ["get", "create", "update", "patch", "delete"];

/// The name of the claim that is made for an ephemeral volume.
fn ephemeral_claim(pod: &Value, volume: &Value) -> String {
    format!("{}-{}", name(pod), text(volume, "name"))
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    lists.into_iter().flat_map(|field| list(&pod["spec"], field))
}

/// Does an environment name a `secret` or a `configMap`?
fn environment_names<'a>(pod: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a str> {
    containers(pod).flat_map(move |container| {
        let from = list(container, "envFrom").iter().map(move |from| text(&from[format!("{kind}Ref")], "name"));
        let keys = list(container, "env").iter();
        from.chain(keys.map(move |env| text(&env["valueFrom"][format!("{kind}KeyRef")], "name")))
    })
}

pub(in crate::k8s::apiserver) fn uses_secret(pod: &Value, secret: &str) -> bool {
    let in_volume = |volume: &Value| {
        let references = ["cephfs", "cinder", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos"];
        text(&volume["azureFile"], "secretName") == secret
            || text(&volume["secret"], "secretName") == secret
            || text(&volume["csi"]["nodePublishSecretRef"], "name") == secret
            || references.iter().any(|source| text(&volume[*source]["secretRef"], "name") == secret)
            || list(&volume["projected"], "sources").iter().any(|source| text(&source["secret"], "name") == secret)
    };
    list(&pod["spec"], "imagePullSecrets").iter().any(|pull| text(pull, "name") == secret)
        || environment_names(pod, "secret").any(|name| name == secret)
        || list(&pod["spec"], "volumes").iter().any(in_volume)
}

pub(in crate::k8s::apiserver) fn uses_config_map(pod: &Value, config_map: &str) -> bool {
    let in_volume = |volume: &Value| {
        let sources = list(&volume["projected"], "sources");
        text(&volume["configMap"], "name") == config_map
            || sources.iter().any(|source| text(&source["configMap"], "name") == config_map)
    };
    environment_names(pod, "configMap").any(|name| name == config_map)
        || list(&pod["spec"], "volumes").iter().any(in_volume)
}

fn uses_resource_claim(pod: &Value, claim: &str) -> bool {
    let statuses = list(&pod["status"], "resourceClaimStatuses");
    let uses = |reference: &Value| {
        let made = statuses.iter().find(|status| status["name"] == reference["name"]);
        text(reference, "resourceClaimName") == claim
            || made.is_some_and(|status| text(status, "resourceClaimName") == claim)
    };
    list(&pod["spec"], "resourceClaims").iter().any(uses)
        || text(&pod["status"]["extendedResourceClaimStatus"], "resourceClaimName") == claim
}

/// Namespace and name of the secrets of a volume that a kubelet needs.
fn volume_secrets(volume: &Value) -> impl Iterator<Item = (&str, &str)> {
    let spec = &volume["spec"];
    let home = text(&spec["claimRef"], "namespace");
    let csi = ["nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef"];
    let others = ["cephfs", "cinder", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos"];
    let references = csi.into_iter().map(|field| &spec["csi"][field]);
    let references = references.chain(others.into_iter().map(|source| &spec[source]["secretRef"]));
    let or_home = move |namespace| if str::is_empty(namespace) { home } else { namespace };
    let azure = &spec["azureFile"];
    references
        .map(move |reference| (or_home(text(reference, "namespace")), text(reference, "name")))
        .chain(std::iter::once((or_home(text(azure, "secretNamespace")), text(azure, "secretName"))))
        .filter(|(_, name)| !name.is_empty())
}
