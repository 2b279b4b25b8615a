//! `kubectl cordon`, `uncordon` and `drain`: nodes taken out of use, and back.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/drain` and `pkg/drain`.

use serde_json::{Value, json};

use super::builder::{self, Info, Query};
use super::client::{Kube, Request, accept, content};
use super::config::{list, text};
use super::failure::{Failure, Outcome, Stop, all, fail};
use super::flags::DryRun;
use super::patches;
use super::print;
use super::write::{dry_run, known};
use crate::shell::printers::go::quote;
use crate::sim::{Micros, SimTime};

/// Between two looks whether a pod is gone, and between two attempts to evict it.
const LOOK: Micros = Micros::from_secs(1);
const AGAIN: Micros = Micros::from_secs(5);
const MIRROR: &str = "kubernetes.io/config.mirror";

fn nodes(kube: &mut Kube) -> Outcome<Vec<Info>> {
    let args = kube.args;
    let mut words = args.words.clone();
    if words.is_empty() && args.text("selector").is_empty() {
        return fail(format!(
            "USAGE: {} NODE [flags]\nSee 'kubectl {} -h' for help and examples",
            args.path(),
            args.path()
        ));
    }
    if !words.is_empty() && !args.text("selector").is_empty() {
        return fail(
            "error: cannot specify both a node name and a --selector option\nSee 'kubectl drain -h' for help and examples",
        );
    }
    if !words.iter().any(|word| word.contains('/')) {
        words.insert(0, "nodes".to_owned());
    }
    let query = Query { words, accept: accept::ANY, limit: args.int("chunk-size"), ..Query::of(kube) };
    let (infos, failures) = builder::infos(kube, &query)?;
    all(failures)?;
    Ok(infos)
}

pub fn cordon(kube: &mut Kube) -> Outcome<()> {
    let dry_run = dry_run(kube)?;
    let nodes = nodes(kube)?;
    let failures = kube.each(&nodes, |kube, node| mark(kube, node, true, dry_run))?;
    all(failures)
}

pub fn uncordon(kube: &mut Kube) -> Outcome<()> {
    let dry_run = dry_run(kube)?;
    let nodes = nodes(kube)?;
    let failures = kube.each(&nodes, |kube, node| mark(kube, node, false, dry_run))?;
    all(failures)
}

/// Keeps pods off a node, or lets them on.
fn mark(kube: &mut Kube, node: &Info, off: bool, dry_run: DryRun) -> Outcome<()> {
    let word = if off { "cordoned" } else { "uncordoned" };
    if (node.object["spec"]["unschedulable"] == true) == off {
        kube.print(print::named(&node.object, &print::tried(&format!("already {word}"), dry_run)));
        return Ok(());
    }
    let mut object = (*node.object).clone();
    match off {
        true => object["spec"]["unschedulable"] = true.into(),
        false => drop(object["spec"].as_object_mut().and_then(|spec| spec.shift_remove("unschedulable"))),
    }
    if dry_run != DryRun::Client {
        let patch = patches::strategic(&node.object, &object).or_else(fail)?;
        let request = node.request("PATCH", accept::TYPED).json(content::STRATEGIC, &patch);
        let request = if dry_run == DryRun::Server { request.query("dryRun", "All") } else { request };
        kube.object(&request)?;
    }
    kube.print(print::named(&node.object, &print::tried(word, dry_run)));
    Ok(())
}

pub fn drain(kube: &mut Kube) -> Outcome<()> {
    let dry_run = dry_run(kube)?;
    let nodes = nodes(kube)?;
    let failures = kube.each(&nodes, |kube, node| mark(kube, node, true, dry_run))?;
    all(failures)?;
    let failures = kube.each(&nodes, |kube, node| empty(kube, node, dry_run))?;
    all(failures)
}

/// What is to be done about the pods of a node.
#[derive(Default)]
struct Plan {
    evicted: Vec<Info>,
    warnings: Vec<(&'static str, Vec<String>)>,
    errors: Vec<(&'static str, Vec<String>)>,
}

impl Plan {
    fn note(list: &mut Vec<(&'static str, Vec<String>)>, why: &'static str, name: String) {
        match list.iter_mut().find(|(known, _)| *known == why) {
            Some((_, names)) => names.push(name),
            None => list.push((why, vec![name])),
        }
    }
}

fn joined(mut notes: Vec<(&'static str, Vec<String>)>) -> String {
    notes.sort();
    notes.iter().map(|(why, names)| format!("{why}: {}", names.join(", "))).collect::<Vec<_>>().join("; ")
}

/// Moves the pods of a node away.
fn empty(kube: &mut Kube, node: &Info, dry_run: DryRun) -> Outcome<()> {
    let args = kube.args;
    let limit = args.int("chunk-size");
    let mut request = Request::get("/api/v1/pods", accept::TYPED)
        .query("fieldSelector", format!("spec.nodeName={}", node.name))
        .maybe("labelSelector", args.text("pod-selector"))
        .about("pods", "");
    if limit > 0 {
        request = request.query("limit", limit.to_string());
    }
    let found = kube.object(&request)?;
    let mut plan = Plan::default();
    for pod in list(&found["items"]) {
        consider(kube, pod, &mut plan)?;
    }
    if !plan.errors.is_empty() {
        let why = joined(plan.errors);
        return Err(Stop::Failed(Failure::Said(format!(
            "error: unable to drain node {}, due to error: {why}, continuing command...\nThere are pending nodes to be drained:\n {}\nerror: {why}",
            quote(&node.name),
            node.name
        ))));
    }
    if !plan.warnings.is_empty() {
        kube.warn(&joined(plan.warnings));
    }
    if dry_run == DryRun::Client {
        for pod in &plan.evicted {
            kube.print(format!("evicting pod {}/{} (dry run)\n", pod.namespace, pod.name));
        }
    } else {
        let span = if args.duration("timeout") == Micros(0) {
            Micros::from_secs(365 * 24 * 3600)
        } else {
            args.duration("timeout")
        };
        let deadline = super::wait::deadline(kube, span);
        evict(kube, plan.evicted, deadline, dry_run)?;
    }
    kube.print(print::named(&node.object, &print::tried("drained", dry_run)));
    Ok(())
}

/// Whether a pod goes, stays with a word, or is in the way: upstream's chain of filters.
fn consider(kube: &mut Kube, pod: &Value, plan: &mut Plan) -> Outcome<()> {
    let args = kube.args;
    let metadata = &pod["metadata"];
    let (namespace, name) = (text(&metadata["namespace"]).to_owned(), text(&metadata["name"]).to_owned());
    let full = format!("{namespace}/{name}");
    let finished = matches!(text(&pod["status"]["phase"]), "Succeeded" | "Failed");
    let owner = list(&metadata["ownerReferences"]).iter().find(|owner| owner["controller"] == true);
    let mut warns: Vec<&'static str> = Vec::new();
    if let Some(owner) = owner.filter(|owner| owner["kind"] == "DaemonSet" && !finished) {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/daemonsets/{}", text(&owner["name"]));
        match kube.object(&Request::get(path, accept::TYPED).about("daemonsets", text(&owner["name"]))) {
            Ok(_) if args.bool("ignore-daemonsets") => {
                Plan::note(&mut plan.warnings, "ignoring DaemonSet-managed Pods", full);
                return Ok(());
            }
            Ok(_) => {
                Plan::note(
                    &mut plan.errors,
                    "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)",
                    full,
                );
                return Ok(());
            }
            Err(Stop::Failed(failure)) if failure.is_not_found() && args.bool("force") => {
                warns.push("deleting DaemonSet-managed Pods that declare a missing DaemonSet");
            }
            Err(Stop::Failed(failure)) => return Err(Stop::Failed(failure)),
            Err(Stop::Pending) => return Err(Stop::Pending),
        }
    }
    if metadata["annotations"][MIRROR].is_string() {
        return Ok(());
    }
    let local = list(&pod["spec"]["volumes"]).iter().any(|volume| volume["emptyDir"].is_object());
    if local && !finished {
        if !args.bool("delete-emptydir-data") {
            Plan::note(
                &mut plan.errors,
                "cannot delete Pods with local storage (use --delete-emptydir-data to override)",
                full,
            );
            return Ok(());
        }
        warns.push("deleting Pods with local storage");
    }
    if owner.is_none() && !finished {
        if !args.bool("force") {
            Plan::note(
                &mut plan.errors,
                "cannot delete Pods that declare no controller (use --force to override)",
                full,
            );
            return Ok(());
        }
        warns.push("deleting Pods that declare no controller");
    }
    warns.into_iter().for_each(|why| Plan::note(&mut plan.warnings, why, full.clone()));
    let object = std::sync::Arc::new(pod.clone());
    plan.evicted.push(Info { resource: known("v1", "Pod"), namespace, name, object, source: String::new() });
    Ok(())
}

/// Asks all pods to go at once, those that may not yet again after a while, and waits until they are gone.
fn evict(kube: &mut Kube, pods: Vec<Info>, deadline: SimTime, dry_run: DryRun) -> Outcome<()> {
    if pods.is_empty() {
        return Ok(());
    }
    // Whether pods can be evicted at all is asked first.
    let listed = kube.object(&Request::get("/api/v1", accept::ANY))?;
    let can_evict = list(&listed["resources"]).iter().any(|own| own["name"] == "pods/eviction");
    let evicts = can_evict && !kube.args.bool("disable-eviction");
    let mut waiting = pods;
    let mut going = Vec::new();
    let mut is_first = true;
    loop {
        let mut refused = Vec::new();
        let mut sent = Vec::new();
        for pod in &waiting {
            if !is_first {
                // It may be gone meanwhile.
                match kube.object(&pod.request("GET", accept::TYPED)) {
                    Err(Stop::Failed(failure)) if failure.is_not_found() => continue,
                    other => drop(other?),
                }
            }
            let word = if evicts { "evicting" } else { "deleting" };
            let said = print::tried("", dry_run);
            kube.print(format!("{word} pod {}/{}{said}\n", pod.namespace, pod.name));
            let request = going_request(kube, pod, evicts, dry_run);
            let began = kube.run.time();
            sent.push((pod.clone(), kube.send(&request)?, request, began));
        }
        for (pod, sent, request, began) in sent {
            let answer = kube.settle(&request, sent, began)?;
            match kube.accept(&request, answer) {
                Ok(_) => going.push(pod),
                Err(Stop::Failed(failure)) if failure.is_not_found() => {}
                Err(Stop::Failed(failure)) if failure.is("TooManyRequests") => {
                    let (name, namespace) = (quote(&pod.name), quote(&pod.namespace));
                    kube.complain(format!(
                        "error when evicting pods/{name} -n {namespace} (will retry after 5s): {}\n",
                        failure.text()
                    ));
                    refused.push(pod);
                }
                Err(Stop::Failed(failure)) => {
                    let (name, namespace) = (quote(&pod.name), quote(&pod.namespace));
                    return fail(format!("error when evicting pods/{name} -n {namespace}: {}", failure.text()));
                }
                Err(Stop::Pending) => return Err(Stop::Pending),
            }
        }
        let next = SimTime(kube.run.time().0 + AGAIN.0);
        while !going.is_empty() {
            going = gone(kube, going, evicts)?;
            if going.is_empty() || (!refused.is_empty() && kube.run.time() >= next) {
                break;
            }
            if kube.run.time() >= deadline {
                return fail(timed_out(kube, &going));
            }
            kube.run.sleep(LOOK)?;
        }
        if refused.is_empty() {
            return Ok(());
        }
        if next > deadline {
            return fail(timed_out(kube, &refused));
        }
        kube.run.sleep(next.since(kube.run.time()))?;
        waiting = refused;
        is_first = false;
    }
}

fn timed_out(kube: &Kube, _pods: &[Info]) -> String {
    format!("global timeout reached: {}", kube.args.text("timeout"))
}

fn going_request(kube: &Kube, pod: &Info, evicts: bool, dry_run: DryRun) -> Request {
    let grace = kube.args.int("grace-period");
    let mut options = json!({});
    if grace >= 0 {
        options["gracePeriodSeconds"] = grace.into();
    }
    if dry_run == DryRun::Server {
        options["dryRun"] = json!(["All"]);
    }
    if !evicts {
        return pod.request("DELETE", accept::TYPED).json(content::JSON, &options);
    }
    let body = json!({"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": pod.name, "namespace": pod.namespace}, "deleteOptions": options});
    Request::new("POST", format!("{}/eviction", pod.path()), accept::ANY)
        .json(content::JSON, &body)
        .about("pods", &pod.name)
}

/// Those that are still there; the others are told.
fn gone(kube: &mut Kube, pods: Vec<Info>, evicts: bool) -> Outcome<Vec<Info>> {
    let mut left = Vec::new();
    for pod in pods {
        match kube.object(&pod.request("GET", accept::TYPED)) {
            Err(Stop::Failed(failure)) if failure.is_not_found() => {}
            Ok(object) if object["metadata"]["uid"] == pod.object["metadata"]["uid"] => {
                left.push(pod);
                continue;
            }
            Ok(_) => {}
            Err(other) => return Err(other),
        }
        let word = if evicts { "evicted" } else { "deleted" };
        kube.print(format!("pod/{} {word}\n", pod.name));
    }
    Ok(left)
}
