//! Who approves a request for a certificate, or signs it, must be allowed to for its signer.
//!
//! Upstream: `plugin/pkg/admission/certificates`.
//!
//! Simplified: requests for the group `system:masters` are not refused, since requests are not read here.

use super::{Effect, Outcome, Review};
use crate::k8s::apiserver::attributes::Attributes;
use crate::k8s::apiserver::object::text;
use crate::k8s::meta::status::quote;

const GROUP: &str = "certificates.k8s.io";

pub(super) fn check_approval(review: &Review, _: &mut Outcome) -> Effect {
    if !review.is(GROUP, "certificatesigningrequests") || review.attributes.subresource != "approval" {
        return Ok(None);
    }
    check(review, "approve")
}

pub(super) fn check_signing(review: &Review, _: &mut Outcome) -> Effect {
    if !review.is(GROUP, "certificatesigningrequests") || review.attributes.subresource != "status" {
        return Ok(None);
    }
    let (old, new) = (&review.old()["status"], &review.object()["status"]);
    if old["certificate"] == new["certificate"] && old["conditions"] == new["conditions"] {
        return Ok(None);
    }
    check(review, "sign")
}

/// The signer by its name, or all of its domain.
fn check(review: &Review, verb: &str) -> Effect {
    let signer = text(&review.old()["spec"], "signerName");
    let domain = signer.split_once('/').map_or(signer, |(domain, _)| domain);
    let may = |name: String| {
        let attributes = Attributes {
            user: review.attributes.user.clone(),
            verb: verb.to_owned(),
            is_resource: true,
            group: GROUP.to_owned(),
            version: "*".to_owned(),
            resource: "signers".to_owned(),
            name,
            ..Attributes::default()
        };
        review.authorizer.authorize(&attributes, review.lister).is_allow()
    };
    if may(signer.to_owned()) || may(format!("{domain}/*")) {
        return Ok(Some(format!("may {verb} for {signer}")));
    }
    Err(review.forbidden(&format!("user not permitted to {verb} requests with signerName {}", quote(signer))))
}
