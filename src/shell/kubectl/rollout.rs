//! `kubectl rollout`: how a change of a workload comes on, and the way back.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/rollout` and `pkg/polymorphichelpers`.

use serde_json::{Value, json};

use super::builder::{self, Info, Query};
use super::client::{Kube, Request, accept, content};
use super::config::list;
use super::describe;
use super::failure::{Failure, Outcome, Stop, fail};
use super::flags::DryRun;
use super::patches;
use super::print::tabs::align;
use super::print::{self, Output};
use super::wait::{self, Kind, Waited};
use super::write::{dry_run, known, marked};
use crate::k8s::meta::time::{Precision, Time};
use crate::sim::Micros;

const MANAGER: &str = "kubectl-rollout";
const REVISION: &str = "deployment.kubernetes.io/revision";
const CAUSE: &str = "kubernetes.io/change-cause";
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";
/// How long a status is waited for if no time is given.
const LONG: Micros = Micros::from_secs(365 * 24 * 60 * 60);

fn query(kube: &Kube) -> Outcome<Query> {
    let query = Query { accept: accept::ANY, ..Query::of(kube) };
    if query.words.is_empty() && query.files.is_empty() {
        return fail(format!(
            "required resource not specified\nSee 'kubectl {} -h' for help and examples",
            kube.args.path()
        ));
    }
    Ok(query)
}

/// Changes an object as given and says so.
fn change(kube: &mut Kube, said: &str, act: impl Fn(&Kube, &Info, &mut Value) -> Outcome<()>) -> Outcome<()> {
    let output = Output::read(kube, false)?;
    let query = query(kube)?;
    builder::visit(kube, &query, |kube, info| {
        let mut object = (*info.object).clone();
        act(kube, info, &mut object)?;
        let patch = patches::strategic(&info.object, &object).or_else(fail)?;
        let request = info.request("PATCH", accept::ANY).json(content::STRATEGIC, &patch);
        let request = marked(kube, request, DryRun::None, MANAGER);
        let object = kube.object(&request)?;
        print::outcome(kube, &output, &object, said, DryRun::None)
    })
}

pub fn pause(kube: &mut Kube) -> Outcome<()> {
    change(kube, "paused", |_, info, object| {
        if info.resource.kind != "Deployment" {
            return fail(format!("{} {:?} pausing is not supported", info.resource.singular_qualified(), info.name));
        }
        if object["spec"]["paused"] == true {
            return fail(format!("{} {:?} is already paused", info.resource.qualified(), info.name));
        }
        object["spec"]["paused"] = true.into();
        Ok(())
    })
}

pub fn resume(kube: &mut Kube) -> Outcome<()> {
    change(kube, "resumed", |_, info, object| {
        if info.resource.kind != "Deployment" {
            return fail(format!("{} {:?} resuming is not supported", info.resource.singular_qualified(), info.name));
        }
        if object["spec"]["paused"] != true {
            return fail(format!("{} {:?} is not paused", info.resource.qualified(), info.name));
        }
        object["spec"].as_object_mut().and_then(|spec| spec.shift_remove("paused"));
        Ok(())
    })
}

pub fn restart(kube: &mut Kube) -> Outcome<()> {
    change(kube, "restarted", |kube, info, object| {
        match info.resource.kind.as_str() {
            "Deployment" if object["spec"]["paused"] == true => {
                return fail("can't restart paused deployment (run rollout resume first)");
            }
            "Deployment" | "DaemonSet" | "StatefulSet" => {}
            _ => return fail(format!("{} {:?} restarting is not supported", info.resource.qualified(), info.name)),
        }
        let seconds = (kube.run.unix_nanos() / 1_000_000_000) as i64;
        let now = Time { seconds, nanos: 0 }.format(Precision::Seconds);
        let metadata = &mut object["spec"]["template"]["metadata"];
        if !metadata["annotations"].is_object() {
            metadata["annotations"] = json!({});
        }
        metadata["annotations"][RESTARTED] = now.into();
        Ok(())
    })
}

// ---- status ----

pub fn status(kube: &mut Kube) -> Outcome<()> {
    let span = match kube.args.duration("timeout") {
        Micros(0) => LONG,
        span => span,
    };
    let (watches, revision) = (kube.args.bool("watch"), kube.args.int("revision"));
    if revision < 0 {
        return fail(format!("revision must be a positive integer: {revision}"));
    }
    let query = query(kube)?;
    builder::visit(kube, &query, |kube, info| {
        let deadline = wait::deadline(kube, span);
        if !matches!(info.resource.kind.as_str(), "Deployment" | "DaemonSet" | "StatefulSet") {
            return fail(format!("no status viewer has been implemented for {:?}", info.resource.kind));
        }
        let waited = wait::watch(kube, info, accept::JSON, deadline, |kube, kind, object| match kind {
            Kind::Deleted => fail("object has been deleted"),
            Kind::Synced => Ok(false),
            Kind::Added | Kind::Modified => {
                let (text, done) = progress(object, revision).map_err(Stop::Failed)?;
                kube.print(text);
                Ok(done || !watches)
            }
        })?;
        match waited {
            Waited::Done => Ok(()),
            Waited::Late { .. } => fail("timed out waiting for the condition"),
        }
    })
}

/// How far a rollout is, and whether it is over.
fn progress(object: &Value, revision: i64) -> Result<(String, bool), Failure> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let own = |value: &Value| value.as_i64().unwrap_or(0);
    let seen = own(&status["observedGeneration"]) >= own(&object["metadata"]["generation"]);
    let failed = |text: String| Err(Failure::Text(text));
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    let (updated, total, available) =
        (own(&status["updatedReplicas"]), own(&status["replicas"]), own(&status["availableReplicas"]));
    match object["kind"].as_str().unwrap_or_default() {
        "Deployment" => {
            if revision > 0 {
                let deployed: i64 = object["metadata"]["annotations"][REVISION]
                    .as_str()
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(0);
                if revision != deployed {
                    return failed(format!(
                        "desired revision ({revision}) is different from the running revision ({deployed})"
                    ));
                }
            }
            if !seen {
                return Ok(("Waiting for deployment spec update to be observed...\n".to_owned(), false));
            }
            let progressing = list(&status["conditions"]).iter().find(|condition| condition["type"] == "Progressing");
            if progressing.is_some_and(|condition| condition["reason"] == "ProgressDeadlineExceeded") {
                return failed(format!("deployment {name:?} exceeded its progress deadline"));
            }
            if updated < wanted {
                return Ok((
                    format!(
                        "Waiting for deployment {name:?} rollout to finish: {updated} out of {wanted} new replicas have been updated...\n"
                    ),
                    false,
                ));
            }
            if total > updated {
                return Ok((
                    format!(
                        "Waiting for deployment {name:?} rollout to finish: {} old replicas are pending termination...\n",
                        total - updated
                    ),
                    false,
                ));
            }
            if available < updated {
                return Ok((
                    format!(
                        "Waiting for deployment {name:?} rollout to finish: {available} of {updated} updated replicas are available...\n"
                    ),
                    false,
                ));
            }
            Ok((format!("deployment {name:?} successfully rolled out\n"), true))
        }
        "DaemonSet" => {
            if spec["updateStrategy"]["type"] != "RollingUpdate" {
                return failed("rollout status is only available for RollingUpdate strategy type".to_owned());
            }
            if !seen {
                return Ok(("Waiting for daemon set spec update to be observed...\n".to_owned(), false));
            }
            let (wanted, updated, available) = (
                own(&status["desiredNumberScheduled"]),
                own(&status["updatedNumberScheduled"]),
                own(&status["numberAvailable"]),
            );
            if updated < wanted {
                return Ok((
                    format!(
                        "Waiting for daemon set {name:?} rollout to finish: {updated} out of {wanted} new pods have been updated...\n"
                    ),
                    false,
                ));
            }
            if available < wanted {
                return Ok((
                    format!(
                        "Waiting for daemon set {name:?} rollout to finish: {available} of {wanted} updated pods are available...\n"
                    ),
                    false,
                ));
            }
            Ok((format!("daemon set {name:?} successfully rolled out\n"), true))
        }
        _ => {
            if spec["updateStrategy"]["type"] != "RollingUpdate" {
                return failed("rollout status is only available for RollingUpdate strategy type".to_owned());
            }
            if own(&status["observedGeneration"]) == 0 || !seen {
                return Ok(("Waiting for statefulset spec update to be observed...\n".to_owned(), false));
            }
            let ready = own(&status["readyReplicas"]);
            if ready < wanted {
                return Ok((format!("Waiting for {} pods to be ready...\n", wanted - ready), false));
            }
            if let Some(partition) = spec["updateStrategy"]["rollingUpdate"]["partition"].as_i64() {
                if updated < wanted - partition {
                    return Ok((
                        format!(
                            "Waiting for partitioned roll out to finish: {updated} out of {} new pods have been updated...\n",
                            wanted - partition
                        ),
                        false,
                    ));
                }
                return Ok((format!("partitioned roll out complete: {updated} new pods have been updated...\n"), true));
            }
            if status["updateRevision"] != status["currentRevision"] {
                return Ok((
                    format!(
                        "waiting for statefulset rolling update to complete {updated} pods at revision {}...\n",
                        status["updateRevision"].as_str().unwrap_or_default()
                    ),
                    false,
                ));
            }
            let current = own(&status["currentReplicas"]);
            Ok((
                format!(
                    "statefulset rolling update complete {current} pods at revision {}...\n",
                    status["currentRevision"].as_str().unwrap_or_default()
                ),
                true,
            ))
        }
    }
}

// ---- history and undo ----

/// The revisions of a deployment by number: its replica sets.
fn revisions(kube: &mut Kube, info: &Info) -> Outcome<(Value, Vec<(i64, Value)>)> {
    if info.resource.kind != "Deployment" {
        return controller_revisions(kube, info);
    }
    let own = (*kube.object(&info.request("GET", accept::TYPED))?).clone();
    let selector = describe::selector_text(&own["spec"]["selector"]);
    let sets = known("apps/v1", "ReplicaSet");
    let request = Request::get(sets.path(&info.namespace), accept::TYPED)
        .query("labelSelector", selector)
        .about("replicasets", "");
    let found = kube.object(&request)?;
    let mut revisions = Vec::new();
    for set in list(&found["items"]).iter().filter(|set| is_owned(set, &own)) {
        let number = set["metadata"]["annotations"][REVISION].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut template = set["spec"]["template"].clone();
        if let Some(cause) = set["metadata"]["annotations"][CAUSE].as_str() {
            template["metadata"]["annotations"][CAUSE] = cause.into();
        }
        revisions.push((number, json!({"template": template, "set": set})));
    }
    revisions.sort_by_key(|(number, _)| *number);
    Ok((own, revisions))
}

fn is_owned(object: &Value, owner: &Value) -> bool {
    let owners = list(&object["metadata"]["ownerReferences"]);
    owners.iter().any(|reference| reference["controller"] == true && reference["uid"] == owner["metadata"]["uid"])
}

/// Those of a daemon set or stateful set: their controller revisions.
fn controller_revisions(kube: &mut Kube, info: &Info) -> Outcome<(Value, Vec<(i64, Value)>)> {
    if !matches!(info.resource.kind.as_str(), "DaemonSet" | "StatefulSet") {
        return fail(format!("no history viewer has been implemented for {:?}", info.resource.kind));
    }
    let own = (*kube.object(&info.request("GET", accept::TYPED))?).clone();
    let selector = describe::selector_text(&own["spec"]["selector"]);
    let kinds = known("apps/v1", "ControllerRevision");
    let request = Request::get(kinds.path(&info.namespace), accept::TYPED)
        .query("labelSelector", selector)
        .about(&kinds.name, "");
    let found = kube.object(&request)?;
    let mut revisions = Vec::new();
    for revision in list(&found["items"]).iter().filter(|revision| is_owned(revision, &own)) {
        let mut template = revision["data"]["spec"]["template"].clone();
        if let Some(map) = template.as_object_mut() {
            map.shift_remove("$patch");
        }
        if let Some(cause) = revision["metadata"]["annotations"][CAUSE].as_str() {
            template["metadata"]["annotations"][CAUSE] = cause.into();
        }
        revisions.push((
            revision["revision"].as_i64().unwrap_or(0),
            json!({"template": template, "patch": revision["data"]}),
        ));
    }
    revisions.sort_by_key(|(number, _)| *number);
    Ok((own, revisions))
}

pub fn history(kube: &mut Kube) -> Outcome<()> {
    let wanted = kube.args.int("revision");
    if wanted < 0 {
        return fail(format!("revision must be a positive integer: {wanted}"));
    }
    let query = query(kube)?;
    builder::visit(kube, &query, |kube, info| {
        let (_, revisions) = revisions(kube, info)?;
        let head = format!("{}/{}", info.resource.singular_qualified(), info.name);
        const NONE: &str = "No rollout history found.";
        if wanted > 0 && revisions.is_empty() {
            kube.print(format!("{head} with revision #{wanted}\n{NONE}\n"));
            return Ok(());
        }
        if revisions.is_empty() {
            kube.print(format!("{head} \n{NONE}\n"));
            return Ok(());
        }
        if wanted > 0 {
            let Some((_, found)) = revisions.iter().find(|(number, _)| *number == wanted) else {
                return fail("unable to find the specified revision");
            };
            let text = describe::pod_template(&found["template"]);
            kube.print(format!("{head} with revision #{wanted}\n{text}\n"));
            return Ok(());
        }
        let mut out = "REVISION\tCHANGE-CAUSE\n".to_owned();
        for (number, found) in &revisions {
            let cause = found["template"]["metadata"]["annotations"][CAUSE].as_str().unwrap_or("<none>");
            out += &format!("{number}\t{cause}\n");
        }
        kube.print(format!("{head} \n{}\n", align(&out, 0, 2)));
        Ok(())
    })
}

pub fn undo(kube: &mut Kube) -> Outcome<()> {
    let (dry_run, wanted) = (dry_run(kube)?, kube.args.int("to-revision"));
    let output = Output::read(kube, false)?;
    let query = query(kube)?;
    builder::visit(kube, &query, |kube, info| {
        let (own, revisions) = revisions(kube, info)?;
        let found = match wanted {
            0 => revisions.len().checked_sub(2).and_then(|at| revisions.get(at)),
            number => revisions.iter().find(|(known, _)| *known == number),
        };
        let Some((_, found)) = found else {
            return fail(if wanted == 0 {
                "no rollout history found for ".to_owned() + &format!("{} {:?}", info.resource.singular, info.name)
            } else {
                format!("unable to find specified revision {wanted} in history")
            });
        };
        if own["spec"]["paused"] == true {
            return fail(
                "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again",
            );
        }
        if dry_run == DryRun::Client {
            kube.print(describe::pod_template(&found["template"]));
            return Ok(());
        }
        let request = match found.get("patch") {
            Some(patch) => info.request("PATCH", accept::TYPED).json(content::STRATEGIC, patch),
            None => {
                if let Some(same) = same_template(&own, found, wanted) {
                    kube.print(format!("{}/{} {same}\n", info.resource.singular_qualified(), info.name));
                    return Ok(());
                }
                info.request("PATCH", accept::TYPED).json(content::JSON_PATCH, &rollback(&own, found))
            }
        };
        let request = if dry_run == DryRun::Server { request.query("dryRun", "All") } else { request };
        let object = kube.object(&request)?;
        let mut shown = (*object).clone();
        if shown["kind"].is_null() {
            shown["kind"] = info.resource.kind.as_str().into();
        }
        print::outcome(kube, &output, &shown, "rolled back", dry_run)
    })
}

fn same_template(own: &Value, found: &Value, wanted: i64) -> Option<String> {
    let mut template = found["set"]["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.shift_remove("pod-template-hash");
    }
    (template == own["spec"]["template"])
        .then(|| format!("skipped rollback (current template already matches revision {wanted})"))
}

/// The replica set's template in the place of the deployment's, with the notes of the one on the other.
fn rollback(own: &Value, found: &Value) -> Value {
    const OWN: [&str; 6] = [
        super::apply::LAST_APPLIED,
        REVISION,
        "deployment.kubernetes.io/revision-history",
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
        "deprecated.deployment.rollback.to",
    ];
    let set = &found["set"];
    let mut template = set["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.shift_remove("pod-template-hash");
    }
    let mut notes = serde_json::Map::new();
    for name in OWN {
        if let Some(value) = own["metadata"]["annotations"].get(name) {
            notes.insert(name.to_owned(), value.clone());
        }
    }
    for (name, value) in set["metadata"]["annotations"].as_object().into_iter().flatten() {
        if !OWN.contains(&&name[..]) {
            notes.insert(name.clone(), value.clone());
        }
    }
    json!([
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "replace", "path": "/metadata/annotations", "value": notes},
    ])
}
