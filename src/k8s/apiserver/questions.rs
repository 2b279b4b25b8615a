//! What is asked by creating an object that is never stored: may I, may they, who am I, whose token is this, a new token.
//!
//! Upstream: `pkg/registry/{authorization,authentication}/*/rest.go`, `pkg/registry/core/serviceaccount/storage/token.go`.

use super::attributes::Lister;
use super::authentication::service_accounts;
use super::authorization::reviews::{self, Court};
use super::endpoint::Endpoint;
use super::server::{ApiServer, Moment};
use super::work::{RequestId, Work};
use super::{Outbox, metadata, respond};
use crate::k8s::meta::status::{Qualified, Status};
use crate::sim::Micros;
use serde_json::Value;

/// What a question costs to answer.
const COST: Micros = Micros(50);

/// Whether what is created is a question.
pub fn is_one(work: &Work, endpoint: &Endpoint) -> bool {
    let attributes = &work.attributes;
    let is_token = attributes.subresource == "token" && attributes.resource == "serviceaccounts";
    let groups = ["authorization.k8s.io", "authentication.k8s.io"];
    attributes.verb == "create" && (is_token || groups.contains(&endpoint.group()))
}

impl ApiServer {
    /// Answers a question, whose body was read.
    pub(super) fn ask(&mut self, at: Moment, id: RequestId, body: Value, out: &mut Outbox) -> Result<(), Status> {
        let accepted = self.accepted(id)?;
        let token = metadata::uid(&mut self.prng);
        let Some(work) = self.works.get(&id) else { return Ok(()) };
        let answer = self.answer_question(at, work, body, &token)?;
        let response = respond::value(201, &answer, accepted.media, work);
        self.finish(at, id, COST, response, out);
        Ok(())
    }

    fn answer_question(&self, at: Moment, work: &Work, body: Value, token_id: &str) -> Result<Value, Status> {
        let attributes = &work.attributes;
        let (user, now) = (&attributes.user, self.clock(at.now));
        let court = Court { authorizer: &self.config.authorizer, lister: self };
        match attributes.resource.as_str() {
            "selfsubjectaccessreviews" => reviews::self_subject_access(body, user, court),
            "subjectaccessreviews" => reviews::subject_access(body, court),
            "localsubjectaccessreviews" => reviews::local_subject_access(body, &attributes.namespace, court),
            "selfsubjectrulesreviews" => reviews::self_subject_rules(&body, user, court),
            "selfsubjectreviews" => Ok(reviews::self_subject(&body, user)),
            "tokenreviews" => self.config.authenticator.token_review(body, now, self),
            "serviceaccounts" => {
                let (namespace, name) = (&attributes.namespace, &attributes.name);
                let account = self.get("", "serviceaccounts", namespace, name);
                let account =
                    account.ok_or_else(|| Status::not_found(Qualified { name: "serviceaccounts", group: "" }, name))?;
                let keys = &self.config.authenticator.service_accounts;
                let issued = service_accounts::issue(body, &account, keys, now, token_id, self)?;
                Ok(issued.request)
            }
            other => Err(Status::internal(&format!("{other} are not answered"))),
        }
    }
}
