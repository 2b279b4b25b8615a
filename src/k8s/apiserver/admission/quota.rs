//! How much a namespace may use in all. Usage is charged before the object is written, by compare and swap, so that two
//! servers cannot give the last of it away twice.
//!
//! Upstream: `k8s.io/apiserver/pkg/admission/plugin/resourcequota`, `pkg/quota/v1/evaluator/core`.
//!
//! Simplified: devices (`resource.k8s.io`) are counted as objects only; no resource is limited without a quota.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::resources::{self, Amounts, count, pod_limits, pod_requests};
use super::{Effect, Operation, Outcome, Review};
use crate::k8s::apiserver::attributes::Lister;
use crate::k8s::apiserver::object::{annotation, list, name, namespace, text, texts, time};
use crate::k8s::meta::labels::{Operator, Requirement, Selector};
use crate::k8s::meta::quantity::Quantity;
use crate::k8s::meta::status::Status;
use crate::k8s::meta::time::Time;

/// A usage that must be written to a quota's status before the object is. If somebody else wrote the quota meanwhile, admission
/// begins anew with the quota as it is then.
#[derive(Clone, Debug, PartialEq)]
pub struct QuotaCharge {
    pub quota: Arc<Value>,
    /// What `status.used` becomes.
    pub used: Value,
}

pub(super) fn validate(review: &Review, outcome: &mut Outcome) -> Effect {
    let Some(measured) = Measured::of(review) else { return Ok(None) };
    let quotas = review.lister.list("", "resourcequotas", review.namespace());
    let mut charged = Vec::new();
    let mut charges = Vec::new();
    for quota in quotas {
        if !measured.matches(&quota, review.object()) {
            continue;
        }
        let status =
            Usage { hard: resources::read(&quota["status"]["hard"]), used: resources::read(&quota["status"]["used"]) };
        measured.check_known(review, &quota, &status)?;
        let Some(used) = measured.charge(review, &quota, &status)? else { continue };
        charged.push(name(&quota).to_owned());
        charges.push(QuotaCharge { used: resources::write(&used), quota });
    }
    // A rehearsal uses nothing.
    if !review.is_dry_run {
        outcome.charges.extend(charges);
    }
    Ok((!charged.is_empty()).then(|| format!("charged to {}", charged.join(", "))))
}

/// What a namespace uses of all that a quota limits, counted anew: what its `status.used` should be. For its controller.
pub fn recount(quota: &Value, lister: &dyn Lister, now: Time) -> Value {
    let hard = resources::read(&quota["spec"]["hard"]);
    let mut used: Amounts = hard.keys().map(|resource| (resource.clone(), count(0))).collect();
    let counted = hard.keys().filter_map(|resource| {
        let name = resource.strip_prefix("count/").or(ALIASES.contains(&&resource[..]).then_some(resource))?;
        Some(name.split_once('.').map_or(("", name), |(resource, group)| (group, resource)))
    });
    let mut kinds: BTreeSet<(&str, &str)> = counted.collect();
    kinds.extend([("", "persistentvolumeclaims"), ("", "pods"), ("", "services")]);
    for (group, resource) in kinds {
        let Some(measured) = Measured::resource(group, resource) else { continue };
        if !hard.keys().any(|name| measured.knows(name)) {
            continue;
        }
        for object in lister.list(group, resource, namespace(quota)) {
            if measured.is_in_scopes(quota, &object) {
                let mut usage = measured.usage(&object, now);
                usage.retain(|name, _| hard.contains_key(name));
                resources::add(&mut used, &usage);
            }
        }
    }
    resources::write(&used)
}

/// What a quota says of itself.
struct Usage {
    hard: Amounts,
    used: Amounts,
}

/// A kind of objects that quotas know how to measure.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Evaluator {
    Pods,
    Services,
    Claims,
    /// One of each.
    Objects,
}

struct Measured {
    evaluator: Evaluator,
    /// `count/deployments.apps`
    count_name: String,
    /// The old name of such a count: `configmaps`.
    alias: Option<String>,
}

impl Measured {
    /// How objects of a resource are measured; nothing for those that quotas do not count.
    fn resource(group: &str, resource: &str) -> Option<Measured> {
        let evaluator = match (group, resource) {
            ("" | "events.k8s.io", "events") | ("", "namespaces") => return None,
            ("", "pods") => Evaluator::Pods,
            ("", "services") => Evaluator::Services,
            ("", "persistentvolumeclaims") => Evaluator::Claims,
            _ => Evaluator::Objects,
        };
        let dot = if group.is_empty() { "" } else { "." };
        let has_alias = group.is_empty() && ALIASES.contains(&resource);
        Some(Measured {
            evaluator,
            count_name: format!("count/{resource}{dot}{group}"),
            alias: has_alias.then(|| resource.to_owned()),
        })
    }

    /// Nothing if no quota could be concerned.
    fn of(review: &Review) -> Option<Measured> {
        let attributes = review.attributes;
        let measured = Measured::resource(&attributes.group, &attributes.resource)?;
        let is_create = review.operation == Operation::Create;
        let handles = match (measured.evaluator, &attributes.subresource[..]) {
            (Evaluator::Services | Evaluator::Claims, "") => true,
            (Evaluator::Pods | Evaluator::Objects, "") => is_create,
            (Evaluator::Pods, "resize") => !is_create,
            (Evaluator::Claims, "status") => {
                let allocated = |claim: &Value| claim["status"]["allocatedResources"]["storage"].clone();
                allocated(review.object()) != allocated(review.old())
            }
            _ => false,
        };
        (handles && !attributes.namespace.is_empty()).then_some(measured)
    }

    /// Is a resource of a quota one of those that such an object uses?
    fn knows(&self, resource: &str) -> bool {
        if resource == self.count_name {
            return true;
        }
        match self.evaluator {
            Evaluator::Pods => {
                POD_RESOURCES.contains(&resource)
                    || resource.starts_with("hugepages-")
                    || resource
                        .strip_prefix("requests.")
                        .is_some_and(|rest| rest.starts_with("hugepages-") || rest.contains('/'))
            }
            Evaluator::Services => ["services", "services.nodeports", "services.loadbalancers"].contains(&resource),
            Evaluator::Claims => {
                let of_class = resource.split_once(CLASS_SUFFIX).map(|(_, rest)| rest);
                ["persistentvolumeclaims", "requests.storage"].contains(&of_class.unwrap_or(resource))
            }
            Evaluator::Objects => self.alias.as_deref() == Some(resource),
        }
    }

    fn usage(&self, object: &Value, now: Time) -> Amounts {
        let mut usage = match self.evaluator {
            Evaluator::Pods => pod_usage(object, now),
            Evaluator::Services => service_usage(object),
            Evaluator::Claims => claim_usage(object),
            Evaluator::Objects => Amounts::new(),
        };
        usage.insert(self.count_name.clone(), count(1));
        usage.extend(self.alias.iter().map(|alias| (alias.clone(), count(1))));
        usage
    }

    /// Is the quota about such objects, and about this one?
    fn matches(&self, quota: &Value, object: &Value) -> bool {
        let hard = &quota["status"]["hard"];
        let is_about = hard.as_object().is_some_and(|hard| hard.keys().any(|resource| self.knows(resource)));
        is_about && self.is_in_scopes(quota, object)
    }

    fn is_in_scopes(&self, quota: &Value, object: &Value) -> bool {
        let scopes = texts(&quota["spec"], "scopes").map(|scope| (scope, None));
        let selected = list(&quota["spec"]["scopeSelector"], "matchExpressions");
        let selected = selected.iter().map(|expression| (text(expression, "scopeName"), Some(expression)));
        scopes.chain(selected).all(|(scope, expression)| self.is_in_scope(scope, expression, object))
    }

    fn is_in_scope(&self, scope: &str, expression: Option<&Value>, object: &Value) -> bool {
        let spec = &object["spec"];
        match (self.evaluator, scope) {
            (Evaluator::Pods, "Terminating") => has_deadline(spec),
            (Evaluator::Pods, "NotTerminating") => !has_deadline(spec),
            (Evaluator::Pods, "BestEffort") => is_best_effort(spec),
            (Evaluator::Pods, "NotBestEffort") => !is_best_effort(spec),
            (Evaluator::Pods, "PriorityClass") => is_selected(scope, expression, &[text(spec, "priorityClassName")]),
            (Evaluator::Pods, "CrossNamespacePodAffinity") => looks_across_namespaces(spec),
            (Evaluator::Claims, "VolumeAttributesClass") => {
                let status = &object["status"];
                let target = text(&status["modifyVolumeStatus"], "targetVolumeAttributesClassName");
                let current = text(status, "currentVolumeAttributesClassName");
                is_selected(scope, expression, &[text(spec, "volumeAttributesClassName"), current, target])
            }
            _ => false,
        }
    }

    /// Containers must say what is limited, and the quota must have been counted.
    fn check_known(&self, review: &Review, quota: &Value, status: &Usage) -> Result<(), Status> {
        let restricted: BTreeSet<&str> =
            status.hard.keys().map(|name| &name[..]).filter(|name| self.knows(name)).collect();
        if self.evaluator == Evaluator::Pods {
            let missing = unspecified(&review.object()["spec"], &restricted);
            if !missing.is_empty() {
                let missing: Vec<String> = missing
                    .into_iter()
                    .map(|(resource, containers)| {
                        let containers: Vec<&str> = containers.into_iter().collect();
                        format!("{resource} for: {}", containers.join(","))
                    })
                    .collect();
                let why = format!("failed quota: {}: must specify {}", name(quota), missing.join("; "));
                return Err(review.forbidden(&why));
            }
        }
        if restricted.iter().any(|resource| !status.used.contains_key(*resource)) {
            let resources: Vec<&str> = restricted.into_iter().collect();
            let resources = resources.join(",");
            let why = format!("status unknown for quota: {}, resources: {resources}", name(quota));
            return Err(review.forbidden(&why));
        }
        Ok(())
    }

    /// The usage with this object; nothing if it does not change.
    fn charge(&self, review: &Review, quota: &Value, status: &Usage) -> Result<Option<Amounts>, Status> {
        let mut delta = self.usage(review.object(), review.now);
        let negative: Vec<&str> =
            delta.iter().filter(|(_, amount)| is_negative(amount)).map(|(name, _)| &name[..]).collect();
        if !negative.is_empty() {
            let why = format!("quota usage is negative for resource(s): {}", negative.join(","));
            return Err(review.forbidden(&why));
        }
        if review.operation == Operation::Update && self.matches(quota, review.old()) {
            let before = self.usage(review.old(), review.now);
            for (resource, amount) in &mut delta {
                if let Some(before) = before.get(resource) {
                    *amount = if amount.cmp_value(before).is_gt() { amount.sub(before) } else { count(0) };
                }
            }
        }
        delta.retain(|resource, amount| !amount.is_zero() && status.hard.contains_key(resource));
        if delta.is_empty() {
            return Ok(None);
        }
        let mut used = status.used.clone();
        resources::add(&mut used, &delta);
        if review.attributes.subresource != "status" {
            let is_exceeded = |resource: &&String| used[*resource].cmp_value(&status.hard[*resource]).is_gt();
            let exceeded: Vec<&String> = delta.keys().filter(is_exceeded).collect();
            if !exceeded.is_empty() {
                let show = |amounts: &Amounts| {
                    let shown = exceeded.iter().filter_map(|name| Some(format!("{name}={}", amounts.get(*name)?)));
                    shown.collect::<Vec<String>>().join(",")
                };
                let (requested, was, limit) = (show(&delta), show(&status.used), show(&status.hard));
                let quota = name(quota);
                let why = format!("exceeded quota: {quota}, requested: {requested}, used: {was}, limited: {limit}");
                return Err(review.forbidden(&why));
            }
        }
        Ok(Some(used))
    }
}

/// Objects that were counted before there was `count/`.
const ALIASES: [&str; 4] = ["configmaps", "replicationcontrollers", "resourcequotas", "secrets"];

const CLASS_SUFFIX: &str = ".storageclass.storage.k8s.io/";

const POD_RESOURCES: [&str; 10] = [
    "cpu",
    "ephemeral-storage",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "memory",
    "pods",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

/// What containers must say if it is limited.
const SPECIFIED: [&str; 6] = ["cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory"];

fn is_negative(amount: &Quantity) -> bool {
    amount.cmp_value(&count(0)).is_lt()
}

/// Which limited resources are missing, and in which containers. What is said of the whole pod will do.
fn unspecified<'a>(spec: &'a Value, restricted: &BTreeSet<&'a str>) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let of_pod =
        as_usage(&resources::read(&spec["resources"]["requests"]), &resources::read(&spec["resources"]["limits"]));
    let required = restricted.iter().filter(|name| SPECIFIED.contains(name) && !of_pod.contains_key(**name));
    let required: Vec<&str> = required.copied().collect();
    for container in list(spec, "containers").iter().chain(list(spec, "initContainers")) {
        let own = &container["resources"];
        let said = as_usage(&resources::read(&own["requests"]), &resources::read(&own["limits"]));
        for resource in required.iter().filter(|resource| !said.contains_key(**resource)) {
            missing.entry(resource).or_default().insert(text(container, "name"));
        }
    }
    missing
}

/// Requests and limits under the names that quotas have for them.
fn as_usage(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut usage = Amounts::new();
    for (name, amount) in requests {
        let is_counted = ["cpu", "memory", "ephemeral-storage"].contains(&&name[..]) || name.starts_with("hugepages-");
        if is_counted {
            usage.insert(name.clone(), amount.clone());
        }
        if is_counted || (name.contains('/') && !name.contains("kubernetes.io/")) {
            usage.insert(format!("requests.{name}"), amount.clone());
        }
    }
    for name in ["cpu", "memory", "ephemeral-storage"] {
        if let Some(amount) = limits.get(name) {
            usage.insert(format!("limits.{name}"), amount.clone());
        }
    }
    usage
}

/// A pod that is done, or should long be gone, uses nothing but its place.
fn pod_usage(pod: &Value, now: Time) -> Amounts {
    if ["Failed", "Succeeded"].contains(&text(&pod["status"], "phase")) {
        return Amounts::new();
    }
    let grace = pod["metadata"]["deletionGracePeriodSeconds"].as_i64();
    let deleted = time(&pod["metadata"]["deletionTimestamp"]);
    if deleted.zip(grace).is_some_and(|(deleted, grace)| now.seconds > deleted.seconds.saturating_add(grace)) {
        return Amounts::new();
    }
    let mut usage = as_usage(&pod_requests(pod), &pod_limits(pod));
    usage.insert("pods".to_owned(), count(1));
    usage
}

fn service_usage(service: &Value) -> Amounts {
    let spec = &service["spec"];
    let ports = list(spec, "ports");
    let node_ports = match text(spec, "type") {
        "NodePort" => ports.len(),
        "LoadBalancer" if spec["allocateLoadBalancerNodePorts"] == Value::Bool(false) => {
            ports.iter().filter(|port| port["nodePort"].as_i64().is_some_and(|number| number != 0)).count()
        }
        "LoadBalancer" => ports.len(),
        _ => 0,
    };
    let balancers = usize::from(text(spec, "type") == "LoadBalancer");
    let usage = [("services", 1), ("services.loadbalancers", balancers), ("services.nodeports", node_ports)];
    usage.into_iter().map(|(name, number)| (name.to_owned(), count(number))).collect()
}

fn claim_usage(claim: &Value) -> Amounts {
    let beta = annotation(claim, "volume.beta.kubernetes.io/storage-class");
    let class = beta.unwrap_or(text(&claim["spec"], "storageClassName"));
    let mut usage = Amounts::from([("persistentvolumeclaims".to_owned(), count(1))]);
    let asked = resources::read(&claim["spec"]["resources"]["requests"]).remove("storage");
    let allocated = resources::read(&claim["status"]["allocatedResources"]).remove("storage");
    if let Some(asked) = asked {
        let most = allocated.filter(|allocated| allocated.cmp_value(&asked).is_gt()).unwrap_or(asked);
        usage.insert("requests.storage".to_owned(), most);
    }
    if !class.is_empty() {
        let of_class = usage.iter().map(|(name, amount)| (format!("{class}{CLASS_SUFFIX}{name}"), amount.clone()));
        let of_class: Amounts = of_class.collect();
        usage.extend(of_class);
    }
    usage
}

fn has_deadline(spec: &Value) -> bool {
    spec["activeDeadlineSeconds"].as_i64().is_some_and(|seconds| seconds >= 0)
}

/// No container asks for processor or memory, or is limited in them.
fn is_best_effort(spec: &Value) -> bool {
    let says = |resources: &Value| {
        ["requests", "limits"].iter().any(|kind| {
            let amounts = resources::read(&resources[*kind]);
            ["cpu", "memory"].iter().any(|name| amounts.get(*name).is_some_and(|amount| !amount.is_zero()))
        })
    };
    let mut containers = list(spec, "containers").iter().chain(list(spec, "initContainers"));
    !says(&spec["resources"]) && !containers.any(|container| says(&container["resources"]))
}

/// Without an expression, or with `Exists`, any name will do.
fn is_selected(scope: &str, expression: Option<&Value>, names: &[&str]) -> bool {
    let names: Vec<&str> = names.iter().copied().filter(|name| !name.is_empty()).collect();
    let operator = match expression.map(|expression| text(expression, "operator")) {
        None | Some("Exists") => return !names.is_empty(),
        Some("In") => Operator::In,
        Some("NotIn") => Operator::NotIn,
        Some("DoesNotExist") => Operator::DoesNotExist,
        Some(_) => return false,
    };
    let values = expression.map(|expression| texts(expression, "values").map(str::to_owned).collect());
    let Ok(requirement) = Requirement::new(scope, operator, values.unwrap_or_default()) else { return false };
    let selector = Selector { requirements: vec![requirement] };
    let labels = |name: &str| BTreeMap::from([(scope.to_owned(), name.to_owned())]);
    if names.is_empty() {
        return selector.matches(&BTreeMap::new());
    }
    names.into_iter().any(|name| selector.matches(&labels(name)))
}

fn looks_across_namespaces(spec: &Value) -> bool {
    let term = |term: &Value| !list(term, "namespaces").is_empty() || !term["namespaceSelector"].is_null();
    ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
        let affinity = &spec["affinity"][*kind];
        list(affinity, "requiredDuringSchedulingIgnoredDuringExecution").iter().any(term)
            || list(affinity, "preferredDuringSchedulingIgnoredDuringExecution")
                .iter()
                .any(|weighted| term(&weighted["podAffinityTerm"]))
    })
}
