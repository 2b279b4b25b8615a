//! May this user do that? Authorizers are asked in order; the first that has an opinion decides, and if none has, the answer
//! is no.
//!
//! ```text
//! attributes ─> system:masters ─> Node ─> RBAC ─> Forbidden, with the reasons of all
//! ```
//!
//! Upstream: `k8s.io/apiserver/pkg/authorization` and `plugin/pkg/auth/authorizer`; the order is kubeadm's,
//! `--authorization-mode=Node,RBAC`.

pub mod bootstrap;
pub mod escalation;
pub mod node;
pub mod rbac;
pub mod reviews;
#[cfg(test)]
mod tests;

use super::attributes::{Attributes, Decision, Lister};
use crate::k8s::meta::status::{Qualified, Status, quote};

/// The group that may do everything, whatever the roles say: the way back in when they are broken.
pub const PRIVILEGED_GROUP: &str = "system:masters";

/// One of `--authorization-mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    AlwaysAllow,
    AlwaysDeny,
    Node,
    Rbac,
}

/// The authorizers of a server, in the order in which they are asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authorizer {
    pub modes: Vec<Mode>,
}

/// What one authorizer said on the way to the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub authorizer: &'static str,
    pub decision: Decision,
}

impl Default for Authorizer {
    fn default() -> Authorizer {
        Authorizer { modes: vec![Mode::Node, Mode::Rbac] }
    }
}

impl Mode {
    /// Reads `Node,RBAC`.
    pub fn parse_all(text: &str) -> Result<Vec<Mode>, String> {
        let read = |name: &str| {
            let modes = [Mode::AlwaysAllow, Mode::AlwaysDeny, Mode::Node, Mode::Rbac];
            let mode = modes.into_iter().find(|mode| mode.name() == name);
            mode.ok_or_else(|| format!("authorization-mode {} is not a valid mode", quote(name)))
        };
        text.split(',').map(read).collect()
    }

    pub fn name(self) -> &'static str {
        match self {
            Mode::AlwaysAllow => "AlwaysAllow",
            Mode::AlwaysDeny => "AlwaysDeny",
            Mode::Node => "Node",
            Mode::Rbac => "RBAC",
        }
    }

    fn authorize(self, attributes: &Attributes, lister: &dyn Lister) -> Decision {
        match self {
            Mode::AlwaysAllow => Decision::Allow { reason: String::new() },
            Mode::AlwaysDeny => Decision::NoOpinion { reason: "Everything is forbidden.".to_owned() },
            Mode::Node => node::authorize(attributes, lister),
            Mode::Rbac => rbac::authorize(attributes, lister),
        }
    }
}

impl Authorizer {
    pub fn authorize(&self, attributes: &Attributes, lister: &dyn Lister) -> Decision {
        self.explain(attributes, lister).0
    }

    /// The decision, and what each authorizer said that was asked.
    pub fn explain(&self, attributes: &Attributes, lister: &dyn Lister) -> (Decision, Vec<Step>) {
        let mut steps = Vec::new();
        if attributes.user.is_in(PRIVILEGED_GROUP) {
            let decision = Decision::Allow { reason: String::new() };
            steps.push(Step { authorizer: PRIVILEGED_GROUP, decision: decision.clone() });
            return (decision, steps);
        }
        for mode in &self.modes {
            let decision = mode.authorize(attributes, lister);
            steps.push(Step { authorizer: mode.name(), decision: decision.clone() });
            if !matches!(decision, Decision::NoOpinion { .. }) {
                return (decision, steps);
            }
        }
        let reasons: Vec<&str> = steps.iter().map(|step| step.decision.reason()).collect();
        let reasons: Vec<&str> = reasons.into_iter().filter(|reason| !reason.is_empty()).collect();
        (Decision::NoOpinion { reason: reasons.join("\n") }, steps)
    }
}

/// The refusal of a request that is not allowed.
///
/// Upstream: `responsewriters.ForbiddenStatusError`.
pub fn forbidden(attributes: &Attributes, reason: &str) -> Status {
    let mut message = cannot(attributes).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    if !reason.is_empty() {
        message = format!("{message}: {reason}");
    }
    let resource = Qualified { name: &attributes.resource, group: &attributes.group };
    Status::forbidden(resource, &attributes.name, &message)
}

fn cannot(attributes: &Attributes) -> String {
    let Attributes { user, verb, group, resource, subresource, namespace, path, .. } = attributes;
    let user = quote(&user.name);
    if !attributes.is_resource {
        return format!("User {user} cannot {verb} path {}", quote(path));
    }
    let slash = if subresource.is_empty() { "" } else { "/" };
    let resource = quote(&format!("{resource}{slash}{subresource}"));
    let place = match &namespace[..] {
        "" => "at the cluster scope".to_owned(),
        _ => format!("in the namespace {}", quote(namespace)),
    };
    format!("User {user} cannot {verb} resource {resource} in API group {} {place}", quote(group))
}
