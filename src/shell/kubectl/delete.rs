//! `kubectl delete`, and waiting until something is gone.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/delete` and `pkg/cmd/wait`.

use serde_json::{Map, Value, json};

use super::builder::{self, Info, Query, Target};
use super::client::{Kube, accept, content};
use super::failure::{Failure, Outcome, Stop, all, fail};
use super::flags::DryRun;
use super::print;
use super::wait::{self, Waited};
use super::write::dry_run;
use crate::shell::printers::go::quote;
use crate::sim::Micros;

/// How long upstream waits if no time is given: a week.
const WEEK: Micros = Micros::from_secs(7 * 24 * 60 * 60);

pub fn run(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    if args.is_set("raw") {
        let path = args.text("raw").to_owned();
        let answer = kube.call(&super::client::Request::new("DELETE", path, accept::ANY))?;
        kube.print(crate::shell::text::from_bytes(&answer.body));
        return Ok(());
    }
    let dry_run = dry_run(kube)?;
    let mut query = Query::of(kube);
    if query.words.is_empty() && query.files.is_empty() {
        return fail(
            "you must specify one or more resources by argument or filename.\nExample resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'\n   '<resource> <name>'\n   '<resource>'",
        );
    }
    let (force, now) = (args.bool("force"), args.bool("now"));
    let mut grace = args.int("grace-period");
    if now {
        if grace != -1 {
            return fail("--now and --grace-period cannot be specified together");
        }
        grace = 1;
    }
    if grace == 0 && !force {
        // Without force, zero would be a promise that nobody keeps.
        grace = 1;
    }
    if force && grace < 0 {
        grace = 0;
    }
    if force && grace > 0 {
        return fail("--force and --grace-period greater than 0 cannot be specified together");
    }
    let ignores =
        args.bool("ignore-not-found") || query.all || !query.selector.is_empty() || !query.field_selector.is_empty();
    if force {
        kube.warn("Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run on the cluster indefinitely.");
    }
    query.local = true;
    let options = Options { policy: policy(kube)?, grace, dry_run };
    let mut failures = Vec::new();
    let mut deleted = Vec::new();
    for target in builder::targets(kube, &query)? {
        let infos = match named(&target) {
            Some(info) => vec![info],
            None => match builder::look(kube, &query, &target) {
                Ok(infos) => infos,
                Err(Stop::Failed(failure)) => {
                    failures.push(failure);
                    continue;
                }
                Err(Stop::Pending) => return Err(Stop::Pending),
            },
        };
        for info in &infos {
            match kube.step(|kube| delete(kube, info, &options, "deleted")) {
                Ok(uid) => deleted.push((info.clone(), uid)),
                // What is not there is waited for nevertheless.
                Err(Stop::Failed(failure)) if ignores && failure.is_not_found() => {
                    deleted.push((info.clone(), Value::Null))
                }
                Err(Stop::Failed(failure)) => failures.push(failure),
                Err(Stop::Pending) => return Err(Stop::Pending),
            }
        }
        if infos.is_empty() && !matches!(target, Target::Named { .. }) {
            kube.print("No resources found\n");
        }
    }
    if !failures.is_empty()
        || dry_run != DryRun::None
        || !args.bool("wait")
        || deleted.is_empty()
        || force_without_wait(kube, force)
    {
        return all(failures);
    }
    let span = if args.is_set("timeout") && args.text("timeout") != "0s" { args.duration("timeout") } else { WEEK };
    for (info, uid) in &deleted {
        match until_gone(kube, info, uid, span) {
            Ok(()) => {}
            Err(Stop::Failed(failure)) if failure.is("Forbidden") || failure.is("MethodNotAllowed") => {}
            Err(Stop::Failed(failure)) => failures.push(failure),
            Err(Stop::Pending) => return Err(Stop::Pending),
        }
    }
    all(failures)
}

/// With `--force`, waiting is off unless it was asked for.
fn force_without_wait(kube: &Kube, force: bool) -> bool {
    force && !kube.args.is_set("wait") && kube.args.int("grace-period") != 0
}

/// What a target names without a look at it.
fn named(target: &Target) -> Option<Info> {
    match target {
        Target::Read(info) => Some(info.clone()),
        Target::Named { resource, namespace, name } => Some(Info {
            resource: resource.clone(),
            namespace: namespace.clone(),
            name: name.clone(),
            object: std::sync::Arc::default(),
            source: String::new(),
        }),
        Target::All { .. } => None,
    }
}

pub struct Options {
    policy: &'static str,
    grace: i64,
    dry_run: DryRun,
}

fn policy(kube: &Kube) -> Outcome<&'static str> {
    match kube.args.text("cascade") {
        "background" | "true" => Ok("Background"),
        "foreground" => Ok("Foreground"),
        "orphan" | "false" => Ok("Orphan"),
        other => {
            fail(format!("invalid cascade value ({other}). Must be \"background\", \"foreground\", or \"orphan\""))
        }
    }
}

/// Deletes an object and says so; gives its uid.
fn delete(kube: &mut Kube, info: &Info, options: &Options, done: &str) -> Outcome<Value> {
    let mut body = Map::new();
    if options.grace >= 0 {
        body.insert("gracePeriodSeconds".to_owned(), options.grace.into());
    }
    body.insert("propagationPolicy".to_owned(), options.policy.into());
    if options.dry_run == DryRun::Server {
        body.insert("dryRun".to_owned(), json!(["All"]));
    }
    let mut uid = Value::Null;
    if options.dry_run != DryRun::Client {
        let request = info.request("DELETE", accept::JSON).json(content::JSON, &body.into());
        let answer = kube.object(&request)?;
        // An object that goes on for a while, or only word of one that is gone.
        uid = match answer["kind"] == "Status" {
            true => answer["details"]["uid"].clone(),
            false => answer["metadata"]["uid"].clone(),
        };
    }
    if kube.args.text("output") == "name" {
        kube.print(format!("{}/{}\n", info.resource.singular_qualified(), info.name));
        return Ok(uid);
    }
    let done = if options.grace == 0 { "force deleted" } else { done };
    let place = if info.namespace.is_empty() { String::new() } else { format!(" from {} namespace", info.namespace) };
    let said = print::tried(&format!("{done}{place}"), options.dry_run);
    kube.print(format!("{} {said}\n", info.quoted()));
    Ok(uid)
}

/// Deletes an object and waits until it is gone, for `replace --force`.
pub fn gone(kube: &mut Kube, info: &Info, dry_run: DryRun) -> Outcome<()> {
    let options = Options {
        policy: policy(kube)?,
        grace: if kube.args.bool("force") && kube.args.int("grace-period") >= 0 {
            kube.args.int("grace-period")
        } else {
            -1
        },
        dry_run,
    };
    match kube.step(|kube| delete(kube, info, &options, "deleted")) {
        Ok(uid) if dry_run == DryRun::None => until_gone(kube, info, &uid, WEEK),
        Err(Stop::Failed(failure)) if !failure.is_not_found() => Err(Stop::Failed(failure)),
        Err(Stop::Pending) => Err(Stop::Pending),
        _ => Ok(()),
    }
}

/// Waits until an object is gone, or another one has its name.
pub fn until_gone(kube: &mut Kube, info: &Info, uid: &Value, span: Micros) -> Outcome<()> {
    let deadline = wait::deadline(kube, span);
    match kube.object(&info.request("GET", accept::JSON)) {
        Err(Stop::Failed(failure)) if failure.is_not_found() => return Ok(()),
        Err(other) => return Err(other),
        Ok(object) if uid.is_string() && object["metadata"]["uid"] != *uid => return Ok(()),
        Ok(_) => {}
    }
    let waited = wait::watch(kube, info, accept::JSON, deadline, |_, kind, object| match kind {
        // The list was empty: it went in between.
        wait::Kind::Synced if object.is_null() => Ok(true),
        wait::Kind::Deleted => Ok(true),
        _ => Ok(uid.is_string() && !object.is_null() && object["metadata"]["uid"] != *uid),
    })?;
    match waited {
        Waited::Done => Ok(()),
        Waited::Late { synced } => {
            if !synced {
                super::verbose::not_synced(kube);
            }
            Err(Stop::Failed(late(info)))
        }
    }
}

pub fn late(info: &Info) -> Failure {
    Failure::Text(format!("timed out waiting for the condition on {}", info.resource_name()))
}

/// `pod "web" deleted`, of other commands.
pub fn deleted_line(info: &Info) -> String {
    format!("{} deleted from {} namespace\n", info.quoted(), quote(&info.namespace).trim_matches('"'))
}
