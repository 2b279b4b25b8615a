//! Nothing new in a namespace that is not there or going away, and three namespaces that stay.
//!
//! Upstream: `k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle`.
//!
//! Simplified: a namespace that the cache has not seen yet is not asked for at the storage, where upstream would after 50 ms.

use super::{Effect, Operation, Review};
use crate::k8s::apiserver::object::text;
use crate::k8s::meta::status::{Cause, Qualified, Status};

const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

pub(super) fn lifecycle(review: &mut Review) -> Effect {
    let namespaces = Qualified { name: "namespaces", group: "" };
    if review.is("", "namespaces") {
        let name = &review.attributes.name;
        if review.operation == Operation::Delete && IMMORTAL.contains(&&name[..]) {
            return Err(Status::forbidden(namespaces, name, "this namespace may not be deleted"));
        }
        return Ok(None);
    }
    // A review of access would tell by the refusal which namespaces there are.
    let is_question = review.is("authorization.k8s.io", "localsubjectaccessreviews");
    if review.namespace().is_empty() || review.operation == Operation::Delete || is_question {
        return Ok(None);
    }
    let Some(namespace) = review.lister.get("", "namespaces", "", review.namespace()) else {
        return Err(Status::not_found(namespaces, review.namespace()));
    };
    if review.operation == Operation::Create && text(&namespace["status"], "phase") == "Terminating" {
        return Err(terminating(review));
    }
    Ok(None)
}

fn terminating(review: &Review) -> Status {
    let namespace = review.namespace();
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut status = review.forbidden(&why);
    if let Some(details) = &mut status.details {
        details.causes.push(Cause {
            reason: "NamespaceTerminating".to_owned(),
            message: format!("namespace {namespace} is being terminated"),
            field: "metadata.namespace".to_owned(),
        });
    }
    status
}
