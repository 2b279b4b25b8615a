//! Limits of a namespace for each pod, container and claim: what is missing is filled in, what is too little or too much is
//! refused.
//!
//! Upstream: `plugin/pkg/admission/limitranger`.

use serde_json::Value;
use std::sync::Arc;

use super::resources::{self, Amounts, pod_limits, pod_requests};
use super::{Effect, Operation, Outcome, Review};
use crate::k8s::apiserver::authorization::rbac::Errors;
use crate::k8s::apiserver::metadata::is_being_deleted;
use crate::k8s::apiserver::object::{inner, list, text};
use crate::k8s::meta::quantity::Quantity;

const ANNOTATION: &str = "kubernetes.io/limit-ranger";

pub(super) fn mutate(review: &mut Review) -> Effect {
    if !is_concerned(review) || !review.is("", "pods") {
        return Ok(None);
    }
    let ranges = ranges(review);
    let Some(pod) = &mut review.object else { return Ok(None) };
    let mut notes = Vec::new();
    for range in &ranges {
        let own = fill(pod, range);
        if !own.is_empty() {
            // A later range writes over what an earlier one noted, as upstream does.
            let note = format!("LimitRanger plugin set: {}", own.join("; "));
            inner(inner(pod, "metadata"), "annotations")[ANNOTATION] = note.into();
            notes.extend(own);
        }
    }
    Ok((!notes.is_empty()).then(|| notes.join("; ")))
}

pub(super) fn validate(review: &Review, _: &mut Outcome) -> Effect {
    if !is_concerned(review) {
        return Ok(None);
    }
    let ranges = ranges(review);
    for range in &ranges {
        let mut errors = Errors::default();
        for limit in list(&range["spec"], "limits") {
            if review.is("", "pods") {
                check_pod(&mut errors, limit, review.object());
            } else {
                check_claim(&mut errors, limit, review.object());
            }
        }
        if !errors.is_empty() {
            return Err(review.forbidden(&errors.to_string()));
        }
    }
    Ok((!ranges.is_empty()).then(|| format!("within {} limit ranges", ranges.len())))
}

/// Containers of a pod do not come and go, so only its creation is looked at.
fn is_concerned(review: &Review) -> bool {
    let is_pod = review.is("", "pods")
        && (review.attributes.subresource == "resize"
            || (review.attributes.subresource.is_empty() && review.operation == Operation::Create));
    let is_claim = review.is_whole("", "persistentvolumeclaims");
    (is_pod || is_claim) && !is_being_deleted(review.object())
}

fn ranges(review: &Review) -> Vec<Arc<Value>> {
    review.lister.list("", "limitranges", review.namespace())
}

/// Fills in what containers do not say; what was set is told.
fn fill(pod: &mut Value, range: &Value) -> Vec<String> {
    let (mut requests, mut limits) = (Amounts::new(), Amounts::new());
    for limit in list(&range["spec"], "limits").iter().filter(|limit| text(limit, "type") == "Container") {
        requests.extend(resources::read(&limit["defaultRequest"]));
        limits.extend(resources::read(&limit["default"]));
    }
    let mut notes = Vec::new();
    for (field, what) in [("containers", "container"), ("initContainers", "init container")] {
        let Some(containers) = inner(pod, "spec")[field].as_array_mut() else { continue };
        for container in containers {
            for (kind, defaults, word) in [("requests", &requests, "request"), ("limits", &limits, "limit")] {
                let set = fill_one(container, kind, defaults);
                if !set.is_empty() {
                    notes.push(format!("{} {word} for {what} {}", set.join(", "), text(container, "name")));
                }
            }
        }
    }
    notes
}

fn fill_one(container: &mut Value, kind: &str, defaults: &Amounts) -> Vec<String> {
    let missing = |name: &String| container["resources"][kind][name].is_null();
    let missing: Vec<String> = defaults.keys().filter(|name| missing(name)).cloned().collect();
    for name in &missing {
        inner(inner(container, "resources"), kind)[name] = defaults[name].to_string().into();
    }
    missing
}

fn check_pod(errors: &mut Errors, limit: &Value, pod: &Value) {
    match text(limit, "type") {
        "Container" => {
            for field in ["containers", "initContainers"] {
                for container in list(&pod["spec"], field) {
                    let resources = &container["resources"];
                    let asked = (resources::read(&resources["requests"]), resources::read(&resources["limits"]));
                    Check { of: "Container", requests: &asked.0, limits: &asked.1 }.all(errors, limit);
                }
            }
        }
        "Pod" => Check { of: "Pod", requests: &pod_requests(pod), limits: &pod_limits(pod) }.all(errors, limit),
        _ => {}
    }
}

fn check_claim(errors: &mut Errors, limit: &Value, claim: &Value) {
    if text(limit, "type") != "PersistentVolumeClaim" {
        return;
    }
    let requests = resources::read(&claim["spec"]["resources"]["requests"]);
    let check = Check { of: "PersistentVolumeClaim", requests: &requests, limits: &Amounts::new() };
    for (name, least) in resources::read(&limit["min"]) {
        check.min(errors, &name, &least);
    }
    for (name, most) in resources::read(&limit["max"]) {
        let usage = format!("maximum {name} usage per PersistentVolumeClaim is {most}");
        match requests.get(&name) {
            None => errors.add(format!("{usage}.  No request is specified")),
            Some(request) if request.cmp_value(&most).is_gt() => {
                errors.add(format!("{usage}, but request is {request}"));
            }
            Some(_) => {}
        }
    }
}

/// What somebody asks for, to be held against a limit.
struct Check<'a> {
    of: &'a str,
    requests: &'a Amounts,
    limits: &'a Amounts,
}

impl Check<'_> {
    fn all(&self, errors: &mut Errors, limit: &Value) {
        for (name, least) in resources::read(&limit["min"]) {
            self.min(errors, &name, &least);
        }
        for (name, most) in resources::read(&limit["max"]) {
            self.max(errors, &name, &most);
        }
        for (name, most) in resources::read(&limit["maxLimitRequestRatio"]) {
            self.ratio(errors, &name, &most);
        }
    }

    fn min(&self, errors: &mut Errors, name: &str, least: &Quantity) {
        let usage = format!("minimum {name} usage per {} is {least}", self.of);
        match (self.requests.get(name), self.limits.get(name)) {
            (None, _) => errors.add(format!("{usage}.  No request is specified")),
            (Some(request), _) if request.cmp_value(least).is_lt() => {
                errors.add(format!("{usage}, but request is {request}"));
            }
            (_, Some(limit)) if limit.cmp_value(least).is_lt() => errors.add(format!("{usage}, but limit is {limit}")),
            _ => {}
        }
    }

    fn max(&self, errors: &mut Errors, name: &str, most: &Quantity) {
        let usage = format!("maximum {name} usage per {} is {most}", self.of);
        match (self.requests.get(name), self.limits.get(name)) {
            (_, None) => errors.add(format!("{usage}.  No limit is specified")),
            (_, Some(limit)) if limit.cmp_value(most).is_gt() => errors.add(format!("{usage}, but limit is {limit}")),
            (Some(request), _) if request.cmp_value(most).is_gt() => {
                errors.add(format!("{usage}, but request is {request}"));
            }
            _ => {}
        }
    }

    fn ratio(&self, errors: &mut Errors, name: &str, most: &Quantity) {
        let ratio = format!("{name} max limit to request ratio per {} is {most}", self.of);
        let amount = |amounts: &Amounts| amounts.get(name).filter(|amount| !amount.is_zero()).cloned();
        let Some(request) = amount(self.requests) else {
            return errors.add(format!("{ratio}, but no request is specified or request is 0"));
        };
        let Some(limit) = amount(self.limits) else {
            return errors.add(format!("{ratio}, but no limit is specified or limit is 0"));
        };
        let (request, limit) = (i128::from(request.milli_value().max(1)), i128::from(limit.milli_value()));
        if limit * 1000 > i128::from(most.milli_value()) * request {
            // As Go prints a float with `%f`.
            let millionths = (limit * 2_000_000 + request) / (2 * request);
            let (whole, rest) = (millionths / 1_000_000, millionths % 1_000_000);
            errors.add(format!("{ratio}, but provided ratio is {whole}.{rest:06}"));
        }
    }
}
