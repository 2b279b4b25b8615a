//! Eviction: a pod is deleted if the budgets for disruptions allow it.
//!
//! Upstream: `pkg/registry/core/pod/storage/eviction.go`.

use serde_json::{Value, json};
use std::sync::Arc;

use super::attributes::Lister;
use super::object::{self, list, text};
use super::server::ApiServer;
use super::work::{Charge, Outcome, Work, Write};
use super::{Time, metadata, write};
use crate::k8s::meta::status::{Cause, Qualified, Status};
use crate::k8s::meta::time::Precision;
use metadata::DeleteOptions;

/// How many evictions a budget may not have seen come true yet. Upstream: `MaxDisruptedPodSize`.
const DISRUPTED_MAX: usize = 2000;
const BUDGETS: Qualified<'static> = Qualified { name: "poddisruptionbudgets", group: "policy" };

impl ApiServer {
    /// What an eviction comes to: a deletion, before which a budget is charged.
    pub(super) fn evict(
        &mut self,
        now: Time,
        work: &mut Work,
        write: &mut Write,
        eviction: &Value,
        pod: &Arc<Value>,
    ) -> Result<Outcome, Status> {
        let (named, name) = (object::name(eviction), object::name(pod));
        if !named.is_empty() && named != name {
            return Err(Status::bad_request("name in URL does not match name in Eviction object"));
        }
        let options = DeleteOptions::of(&eviction["deleteOptions"], &work.query)?;
        self.judge(now, work, write, None, Some(pod))?;
        if !is_beyond_harm(pod) {
            let charge = self.budget_of(now, pod)?;
            write.charges.extend(charge);
        }
        let outcome = write::deleted(write, &options, pod, now)?;
        Ok(match outcome {
            Outcome::Update(marked) => Outcome::Update(disrupted(marked, now)),
            outcome => outcome,
        })
    }

    /// The budget that the pod falls under, with one disruption less; or why there is none left.
    fn budget_of(&self, now: Time, pod: &Value) -> Result<Option<Charge>, Status> {
        let labels = object::labels(pod);
        let selects = |budget: &&Arc<Value>| {
            let selector = object::selector(&budget["spec"]["selector"]);
            selector.ok().flatten().is_some_and(|selector| selector.matches(&labels))
        };
        let budgets = self.list("policy", "poddisruptionbudgets", object::namespace(pod));
        let mut budgets = budgets.iter().filter(selects);
        let Some(budget) = budgets.next() else { return Ok(None) };
        if budgets.next().is_some() {
            let why =
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return Err(Status::internal(why));
        }
        let status = &budget["status"];
        if !is_ready(pod) {
            let policy = text(&budget["spec"], "unhealthyPodEvictionPolicy");
            let (current, desired) = (number(&status["currentHealthy"]), number(&status["desiredHealthy"]));
            if policy == "AlwaysAllow" || (desired > 0 && current >= desired) {
                return Ok(None);
            }
        }
        check_budget(budget)?;
        // A deletion that lost a race for the pod comes here again, and has been charged.
        if status["disruptedPods"].get(object::name(pod)).is_some() {
            return Ok(None);
        }
        let mut charged = budget.as_ref().clone();
        charged["status"]["disruptionsAllowed"] = (number(&status["disruptionsAllowed"]) - 1).into();
        let disrupted = object::inner(&mut charged["status"], "disruptedPods");
        disrupted[object::name(pod)] = now.format(Precision::Seconds).into();
        Ok(Some(Charge { group: "policy", resource: "poddisruptionbudgets", object: charged }))
    }
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn check_budget(budget: &Value) -> Result<(), Status> {
    let (name, status) = (object::name(budget), &budget["status"]);
    let refuse = |why: String, retry_seconds| {
        let message = "Cannot evict pod as it would violate the pod's disruption budget.";
        let mut refusal = Status::too_many_requests(message, retry_seconds);
        let cause = Cause { reason: "DisruptionBudget".to_owned(), message: why, field: String::new() };
        refusal.details.get_or_insert_default().causes.push(cause);
        Err(refusal)
    };
    if number(&status["observedGeneration"]) < number(&budget["metadata"]["generation"]) {
        return refuse(format!("The disruption budget {name} is still being processed by the server."), 10);
    }
    let allowed = number(&status["disruptionsAllowed"]);
    if allowed < 0 {
        return Err(Status::forbidden(BUDGETS, name, "pdb disruptions allowed is negative"));
    }
    if status["disruptedPods"].as_object().is_some_and(|pods| pods.len() > DISRUPTED_MAX) {
        let why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller";
        return Err(Status::forbidden(BUDGETS, name, why));
    }
    if allowed == 0 {
        let (desired, current) = (number(&status["desiredHealthy"]), number(&status["currentHealthy"]));
        return refuse(
            format!("The disruption budget {name} needs {desired} healthy pods and has {current} currently"),
            0,
        );
    }
    Ok(())
}

/// Its end disrupts nobody. Upstream: `canIgnorePDB`.
fn is_beyond_harm(pod: &Value) -> bool {
    ["Succeeded", "Failed", "Pending"].contains(&text(&pod["status"], "phase")) || metadata::is_being_deleted(pod)
}

fn is_ready(pod: &Value) -> bool {
    list(&pod["status"], "conditions")
        .iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Says why the pod goes. Simplified: upstream writes this before the deletion, by a write of its own.
fn disrupted(mut pod: Value, now: Time) -> Value {
    let conditions = object::list_mut(&mut pod["status"], "conditions");
    conditions.retain(|condition| condition["type"] != "DisruptionTarget");
    conditions.push(json!({
        "type": "DisruptionTarget", "status": "True", "lastTransitionTime": now.format(Precision::Seconds),
        "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting",
    }));
    pod
}
