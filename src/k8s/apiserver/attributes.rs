//! Who asks for what: what authentication found out, and what authorization and admission decide about.
//!
//! Upstream: `k8s.io/apiserver/pkg/authentication/user`, `.../authorization/authorizer`, `.../endpoints/request`.

use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct User {
    pub name: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }
}

/// A request as authorization sees it: upstream's `RequestInfo` with its user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes {
    pub user: Arc<User>,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; the method in small letters for
    /// what is not a resource.
    pub verb: String,
    pub is_resource: bool,
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    /// The plural: `pods`.
    pub resource: String,
    pub subresource: String,
    /// Empty if there is none.
    pub namespace: String,
    pub name: String,
    pub path: String,
    /// As the query has it, of `list`, `watch` and `deletecollection`; one that does not parse restricts nothing.
    pub field_selector: String,
}

/// What an authorizer says; the reason is what a refusal quotes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    Allow { reason: String },
    Deny { reason: String },
    NoOpinion { reason: String },
}

impl Decision {
    pub fn is_allow(&self) -> bool {
        matches!(self, Decision::Allow { .. })
    }

    pub fn reason(&self) -> &str {
        let (Decision::Allow { reason } | Decision::Deny { reason } | Decision::NoOpinion { reason }) = self;
        reason
    }
}

/// Objects as an API server has them at hand: its caches, which may be a little behind etcd.
pub trait Lister {
    /// `resource` is a plural; an empty namespace for what has none.
    fn get(&self, group: &str, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>>;
    /// In the order of keys; an empty namespace for all of them.
    fn list(&self, group: &str, resource: &str, namespace: &str) -> Vec<Arc<Value>>;
}
