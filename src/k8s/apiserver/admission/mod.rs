//! Is what shall be written wanted, and in which form? Plugins look at every write, in two rounds: the first may change the
//! object, the second only refuse it.
//!
//! ```text
//! object ─> mutate ─> (defaults, schema, validation: the server) ─> validate ─> quota charges ─> storage
//! ```
//!
//! Everything is a function of the request and of the caches ([`Review::lister`]). What a plugin would write besides, a usage
//! of quota, is handed out as a [`QuotaCharge`].
//!
//! Upstream: `k8s.io/apiserver/pkg/admission`, `plugin/pkg/admission`; order and defaults of
//! `pkg/kubeapiserver/options/plugins.go`. Plugins that are off by default are not here.

mod accounts;
mod certificates;
mod limits;
mod matching;
mod namespaces;
mod nodes;
pub mod pod_security;
mod pods;
mod policies;
mod quota;
mod resources;
#[cfg(test)]
mod tests;
mod volumes;
mod webhooks;

use serde_json::Value;
use std::collections::BTreeMap;

use super::attributes::{Attributes, Lister};
use super::authorization::Authorizer;
use super::object::{self, text};
use crate::k8s::meta::status::{Qualified, Status};
use crate::k8s::meta::time::Time;

pub use pods::priority_classes;
pub use quota::{QuotaCharge, recount};
pub use resources::{Amounts, pod_limits, pod_requests};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

/// A write, as plugins see it.
pub struct Review<'a> {
    pub attributes: &'a Attributes,
    pub operation: Operation,
    /// Of the object: `apps/v1`.
    pub api_version: String,
    pub kind: &'a str,
    /// What shall be stored, filled in and in the form of its kind; none for a deletion.
    pub object: Option<Value>,
    /// What is stored; none for a creation.
    pub old: Option<&'a Value>,
    /// `CreateOptions` and the like; null if there are none.
    pub options: Value,
    pub is_dry_run: bool,
    pub now: Time,
    pub lister: &'a dyn Lister,
    pub authorizer: &'a Authorizer,
    /// Five letters of chance, for a name that a plugin makes up.
    pub suffix: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    Mutate,
    Validate,
}

/// What one plugin did with the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub plugin: &'static str,
    pub phase: Phase,
    pub is_changed: bool,
    /// In our words; empty if the plugin had nothing to do with the request.
    pub reason: String,
}

/// What comes of admission besides yes: what the plugins did, and what follows from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    pub steps: Vec<Step>,
    /// Usages of quota that must be written, each by compare and swap, before the object is.
    pub charges: Vec<QuotaCharge>,
    /// For the client, as `Warning` headers.
    pub warnings: Vec<String>,
    /// For the audit log.
    pub annotations: BTreeMap<String, String>,
}

/// No, and who says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub plugin: &'static str,
    pub status: Status,
    /// Those before it.
    pub steps: Vec<Step>,
}

/// Lets plugins change the object. It comes back in the form of its kind.
pub fn mutate(review: &mut Review) -> Result<Vec<Step>, Box<Refusal>> {
    let mut steps = Vec::new();
    for plugin in PLUGINS {
        let Some(mutate) = plugin.mutate.filter(|_| plugin.operations.contains(&review.operation)) else { continue };
        let reason = mutate(review).map_err(|status| refusal(plugin, status, &mut steps))?;
        steps.push(Step {
            plugin: plugin.name,
            phase: Phase::Mutate,
            is_changed: reason.is_some(),
            reason: reason.unwrap_or_default(),
        });
    }
    if steps.iter().any(|step| step.is_changed) {
        let object = review.object.take();
        review.object = object.map(|object| object::in_form(&review.api_version, review.kind, object));
    }
    Ok(steps)
}

/// Lets plugins refuse the object as it will be stored.
pub fn validate(review: &Review) -> Result<Outcome, Box<Refusal>> {
    let mut outcome = Outcome::default();
    for plugin in PLUGINS {
        let Some(validate) = plugin.validate.filter(|_| plugin.operations.contains(&review.operation)) else {
            continue;
        };
        let reason = validate(review, &mut outcome);
        let reason = reason.map_err(|status| refusal(plugin, status, &mut outcome.steps))?.unwrap_or_default();
        outcome.steps.push(Step { plugin: plugin.name, phase: Phase::Validate, is_changed: false, reason });
    }
    Ok(outcome)
}

fn refusal(plugin: &Plugin, status: Status, steps: &mut Vec<Step>) -> Box<Refusal> {
    Box::new(Refusal { plugin: plugin.name, status, steps: std::mem::take(steps) })
}

/// What a plugin did, in words; nothing if it left all as it was.
type Effect = Result<Option<String>, Status>;

struct Plugin {
    name: &'static str,
    operations: &'static [Operation],
    mutate: Option<fn(&mut Review) -> Effect>,
    validate: Option<fn(&Review, &mut Outcome) -> Effect>,
}

const CREATE: &[Operation] = &[Operation::Create];
const CREATE_UPDATE: &[Operation] = &[Operation::Create, Operation::Update];
const WRITES: &[Operation] = &[Operation::Create, Operation::Update, Operation::Delete];
const ALL: &[Operation] = &[Operation::Create, Operation::Update, Operation::Delete, Operation::Connect];

/// In upstream's order, which is that of each round.
const PLUGINS: &[Plugin] = &[
    Plugin { name: "NamespaceLifecycle", operations: WRITES, mutate: Some(namespaces::lifecycle), validate: None },
    Plugin {
        name: "LimitRanger",
        operations: CREATE_UPDATE,
        mutate: Some(limits::mutate),
        validate: Some(limits::validate),
    },
    Plugin {
        name: "ServiceAccount",
        operations: CREATE_UPDATE,
        mutate: Some(accounts::mutate),
        validate: Some(accounts::validate),
    },
    Plugin { name: "NodeRestriction", operations: WRITES, mutate: Some(nodes::restrict), validate: None },
    Plugin { name: "TaintNodesByCondition", operations: CREATE, mutate: Some(nodes::taint), validate: None },
    Plugin { name: "PodSecurity", operations: CREATE_UPDATE, mutate: None, validate: Some(pod_security::validate) },
    Plugin {
        name: "Priority",
        operations: CREATE_UPDATE,
        mutate: Some(pods::set_priority),
        validate: Some(pods::check_priority_class),
    },
    Plugin {
        name: "DefaultTolerationSeconds",
        operations: CREATE_UPDATE,
        mutate: Some(pods::tolerate),
        validate: None,
    },
    Plugin { name: "DefaultStorageClass", operations: CREATE, mutate: Some(volumes::set_class), validate: None },
    Plugin { name: "StorageObjectInUseProtection", operations: CREATE, mutate: Some(volumes::protect), validate: None },
    Plugin {
        name: "PersistentVolumeClaimResize",
        operations: &[Operation::Update],
        mutate: None,
        validate: Some(volumes::check_resize),
    },
    Plugin {
        name: "RuntimeClass",
        operations: CREATE,
        mutate: Some(pods::set_overhead),
        validate: Some(pods::check_overhead),
    },
    Plugin {
        name: "CertificateApproval",
        operations: &[Operation::Update],
        mutate: None,
        validate: Some(certificates::check_approval),
    },
    Plugin {
        name: "CertificateSigning",
        operations: &[Operation::Update],
        mutate: None,
        validate: Some(certificates::check_signing),
    },
    Plugin {
        name: "DefaultIngressClass",
        operations: CREATE,
        mutate: Some(volumes::set_ingress_class),
        validate: None,
    },
    Plugin { name: "PodTopologyLabels", operations: CREATE, mutate: Some(pods::copy_topology), validate: None },
    Plugin { name: "MutatingAdmissionWebhook", operations: ALL, mutate: Some(webhooks::mutating), validate: None },
    Plugin { name: "ValidatingAdmissionPolicy", operations: ALL, mutate: None, validate: Some(policies::validate) },
    Plugin { name: "ValidatingAdmissionWebhook", operations: ALL, mutate: None, validate: Some(webhooks::validating) },
    Plugin { name: "ResourceQuota", operations: CREATE_UPDATE, mutate: None, validate: Some(quota::validate) },
];

impl Review<'_> {
    /// Is this a write of that resource, subresources aside?
    fn is(&self, group: &str, resource: &str) -> bool {
        self.attributes.group == group && self.attributes.resource == resource
    }

    /// Is this a write of that resource itself?
    fn is_whole(&self, group: &str, resource: &str) -> bool {
        self.is(group, resource) && self.attributes.subresource.is_empty()
    }

    /// The object, or null.
    fn object(&self) -> &Value {
        self.object.as_ref().unwrap_or(&Value::Null)
    }

    /// The object that is stored, or null.
    fn old(&self) -> &Value {
        self.old.unwrap_or(&Value::Null)
    }

    fn namespace(&self) -> &str {
        &self.attributes.namespace
    }

    /// The name that a refusal names: the request's, the object's, or what a name will be made from.
    fn name(&self) -> &str {
        let metadata = &self.object()["metadata"];
        let names = [&self.attributes.name[..], text(metadata, "name"), text(metadata, "generateName")];
        names.into_iter().find(|name| !name.is_empty()).unwrap_or("Unknown")
    }

    fn forbidden(&self, why: &str) -> Status {
        let resource = Qualified { name: &self.attributes.resource, group: &self.attributes.group };
        Status::forbidden(resource, self.name(), why)
    }
}
