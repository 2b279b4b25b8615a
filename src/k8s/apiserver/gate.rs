//! The gates that every request passes: who asks, as whom they act, and whether they may. What admission looks at, and what
//! authorization reads its rules from, are the caches.

use super::attributes::{Decision, Lister};
use super::authentication::Shown;
use super::authentication::impersonation::{self, Refused};
use super::authorization;
use super::endpoint::Endpoint;
use super::server::{ApiServer, Moment};
use super::work::{Caller, Stage, Work};
use crate::k8s::meta::status::Status;
use crate::sim::Micros;
use serde_json::Value;
use std::sync::Arc;

// What the gates cost. Simplified: chosen to be of the order that traces of real servers show.
const AUTHENTICATION: Micros = Micros(30);
const IMPERSONATION: Micros = Micros(10);
const AUTHORIZATION: Micros = Micros(20);

impl Lister for ApiServer {
    fn get(&self, group: &str, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let endpoint = Endpoint::stored_as(group, resource)?;
        let cached = self.cache(&endpoint)?.get(&endpoint.key(namespace, name))?.value();
        Some(cached)
    }

    fn list(&self, group: &str, resource: &str, namespace: &str) -> Vec<Arc<Value>> {
        let Some(endpoint) = Endpoint::stored_as(group, resource) else { return Vec::new() };
        let Some(cache) = self.cache(&endpoint) else { return Vec::new() };
        cache.range(&endpoint.list_prefix(namespace)).map(|cached| cached.value()).collect()
    }
}

/// Finds out who asks.
pub fn authenticate(server: &ApiServer, at: Moment, work: &mut Work) -> Result<(), Status> {
    if matches!(work.caller, Caller::Own(_) | Caller::Request(_)) {
        work.attributes.user = server.config.own_user.clone();
        work.pass(Stage::Authentication, AUTHENTICATION, "the server itself, over its loopback client");
        return Ok(());
    }
    let shown = Shown { certificate: None, authorization: work.request.header("Authorization") };
    match server.config.authenticator.authenticate(shown, server.clock(at.now), server) {
        Ok(found) => {
            work.pass(Stage::Authentication, AUTHENTICATION, format!("{}, by {}", found.user.name, found.by));
            work.attributes.user = found.user;
            Ok(())
        }
        Err(nobody) => {
            work.refuse(Stage::Authentication, AUTHENTICATION, nobody.reason.as_str());
            Err(nobody.status())
        }
    }
}

/// Lets them act as somebody else, if they ask for it and may.
pub fn impersonate(server: &ApiServer, work: &mut Work) -> Result<(), Status> {
    let user = work.attributes.user.clone();
    let authorizer = &server.config.authorizer;
    match impersonation::impersonate(&user, &work.request.headers, authorizer, server) {
        Ok(None) => Ok(()),
        Ok(Some(other)) => {
            work.pass(Stage::Impersonation, IMPERSONATION, format!("{} acts as {}", user.name, other.name));
            work.attributes.user = other;
            Ok(())
        }
        Err(refused) => {
            let status = match refused {
                Refused::Forbidden(status) => *status,
                Refused::Internal(error) => Status::internal(&error),
            };
            work.refuse(Stage::Impersonation, IMPERSONATION, status.message.as_str());
            Err(status)
        }
    }
}

/// Whether they may.
pub fn authorize(server: &ApiServer, work: &mut Work) -> Result<(), Status> {
    if matches!(work.caller, Caller::Own(_) | Caller::Request(_)) {
        work.pass(Stage::Authorization, AUTHORIZATION, "the server's own requests");
        return Ok(());
    }
    match server.config.authorizer.authorize(&work.attributes, server) {
        Decision::Allow { reason } => {
            let said = if reason.is_empty() { "system:masters may do everything".to_owned() } else { reason };
            work.pass(Stage::Authorization, AUTHORIZATION, said);
            Ok(())
        }
        Decision::Deny { reason } | Decision::NoOpinion { reason } => {
            let status = authorization::forbidden(&work.attributes, &reason);
            work.refuse(Stage::Authorization, AUTHORIZATION, status.message.as_str());
            Err(status)
        }
    }
}
