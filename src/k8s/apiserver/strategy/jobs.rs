//! Jobs select their pods by their own uid.
//!
//! Upstream: `pkg/registry/batch/job/strategy.go`.

use serde_json::{Value, json};

use super::text;

/// Labels of the template, and the selector, unless somebody wants to choose both.
pub(super) fn generate_selector(job: &mut Value) {
    if job["spec"]["manualSelector"] == true {
        return;
    }
    let (name, uid) = (text(job, "/metadata/name").to_owned(), text(job, "/metadata/uid").to_owned());
    let labels = &mut job["spec"]["template"]["metadata"]["labels"];
    let own = [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        // Before 1.27 these had no prefix.
        ("controller-uid", &uid),
        ("job-name", &name),
    ];
    for (label, value) in own {
        // One that contradicts is refused by validation.
        if labels[label].is_null() {
            labels[label] = (&value[..]).into();
        }
    }
    if job["spec"]["selector"].is_null() {
        job["spec"]["selector"] = json!({});
    }
    let selected = &mut job["spec"]["selector"]["matchLabels"];
    if selected["batch.kubernetes.io/controller-uid"].is_null() {
        selected["batch.kubernetes.io/controller-uid"] = uid.into();
    }
}
