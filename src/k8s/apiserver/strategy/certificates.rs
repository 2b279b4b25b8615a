//! Requests for certificates: the spec never changes, and who approves and who signs write different parts of the status.
//!
//! Upstream: `pkg/registry/certificates/certificates/strategy.go`.

use serde_json::{Map, Value};

use super::{keep, moment};
use crate::k8s::apiserver::User;
use crate::k8s::meta::time::Time;
use crate::k8s::registry::Resource;

pub(super) fn identify(request: &mut Value, user: &User) {
    let extra: Map<String, Value> =
        user.extra.iter().map(|(key, values)| (key.clone(), values.clone().into())).collect();
    let spec = &mut request["spec"];
    spec["username"] = (&user.name[..]).into();
    spec["uid"] = (&user.uid[..]).into();
    spec["groups"] = user.groups.clone().into();
    spec["extra"] = if extra.is_empty() { Value::Null } else { extra.into() };
}

/// Who signs cannot approve.
pub(super) fn prepare_status(request: &mut Value, old: &Value) {
    keep(request, old, "/spec");
    let is_verdict = |condition: &&Value| matches!(condition["type"].as_str(), Some("Approved" | "Denied"));
    let list =
        |object: &Value| object.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut verdicts = list(old).into_iter().filter(|condition| is_verdict(&condition)).collect::<Vec<_>>().into_iter();
    let asked = list(request);
    let mut conditions = Vec::new();
    for condition in asked {
        // In the places where verdicts stand; those that are missing come last, more of them are dropped.
        if is_verdict(&&condition) { conditions.extend(verdicts.next()) } else { conditions.push(condition) }
    }
    conditions.extend(verdicts);
    if request["status"].is_object() {
        request["status"]["conditions"] = conditions.into();
    }
}

/// Who approves writes conditions and nothing else.
pub(super) fn prepare_approval(request: &mut Value, old: &Value) {
    let conditions = request.pointer("/status/conditions").cloned().unwrap_or_default();
    keep(request, old, "/spec");
    keep(request, old, "/status");
    request["status"]["conditions"] = conditions;
}

/// When conditions were written and when they changed, where the request does not say.
pub fn stamp_conditions(resource: &Resource, object: &mut Value, old: &Value, now: Time) {
    if (resource.group, resource.name) != ("certificates.k8s.io", "certificatesigningrequests") {
        return;
    }
    let is_unset = |condition: &Value, name: &str| condition.get(name).is_none_or(Value::is_null);
    let conditions = object.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        if is_unset(condition, "lastUpdateTime") {
            condition["lastUpdateTime"] = moment(now);
        }
        if is_unset(condition, "lastTransitionTime") {
            let known = old.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
            let same = |known: &&Value| known["type"] == condition["type"] && known["status"] == condition["status"];
            let before = known.into_iter().find(same).map(|known| known["lastTransitionTime"].clone());
            condition["lastTransitionTime"] = before.filter(|time| !time.is_null()).unwrap_or_else(|| moment(now));
        }
    }
}
