//! Webhooks are not called: nothing answers to them in this world. One that matches and may not be ignored refuses the write,
//! as it would if its server were gone.
//!
//! Upstream: `k8s.io/apiserver/pkg/admission/plugin/webhook`.

use super::{Effect, Outcome, Review, matching};
use crate::k8s::apiserver::object::{list, text};
use crate::k8s::meta::status::{Status, quote};

const GROUP: &str = "admissionregistration.k8s.io";

pub(super) fn mutating(review: &mut Review) -> Effect {
    // What a webhook that is ignored would have done is not done, so nothing changes.
    call(review, "mutatingwebhookconfigurations").map(|_| None)
}

pub(super) fn validating(review: &Review, _: &mut Outcome) -> Effect {
    call(review, "validatingwebhookconfigurations")
}

fn call(review: &Review, configurations: &str) -> Effect {
    // Else a webhook could keep itself from being removed.
    if review.attributes.group == GROUP {
        return Ok(None);
    }
    let mut ignored = Vec::new();
    for configuration in review.lister.list(GROUP, configurations, "") {
        for webhook in list(&configuration, "webhooks") {
            let matches = matching::matches(webhook, "rules", review).map_err(|error| Status::internal(&error))?;
            if !matches {
                continue;
            }
            let name = text(webhook, "name");
            if text(webhook, "failurePolicy") != "Ignore" {
                let why = "webhooks are not called by this API server";
                let error = format!("failed calling webhook {}: failed to call webhook: {why}", quote(name));
                return Err(Status::internal(&error));
            }
            ignored.push(name.to_owned());
        }
    }
    Ok((!ignored.is_empty()).then(|| format!("not called, and ignored: {}", ignored.join(", "))))
}
