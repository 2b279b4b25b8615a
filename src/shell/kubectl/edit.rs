//! `kubectl edit` and `kubectl diff`: an object as it is beside what it would be.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/util/editor` and `pkg/cmd/diff`.

use serde_json::Value;

use super::apply::{self, Patcher};
use super::builder::{self, Info, Query, Target};
use super::client::{Kube, accept, content};
use super::failure::{Failure, Outcome, Stop, all, fail};
use super::flags::DryRun;
use super::openapi::{self, Validation};
use super::patches;
use super::print::{self, Output, tidy};
use super::write::{dry_run, marked};
use crate::k8s::meta::time::{Precision, Time};
use crate::k8s::{json as json_text, yaml};
use crate::shell::line_diff::LineDiff;
use crate::shell::printers::go::quote;

const HEAD: &str = "# Please edit the object below. Lines beginning with a '#' will be ignored,\n# and an empty file will abort the edit. If an error occurs while saving this file will be\n# reopened with the relevant failures.\n#\n";
/// An editor that never comes to an end is given up.
const ROUNDS_MAX: usize = 100;

pub fn edit(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    let output = Output::read(kube, false)?;
    let as_json = args.text("output") == "json";
    let query = Query { ..Query::of(kube) };
    if query.words.is_empty() && query.files.is_empty() {
        return fail(
            "must specify the type of resource to edit, and its name\nSee 'kubectl edit -h' for help and examples",
        );
    }
    let (infos, failures) = builder::infos(kube, &query)?;
    all(failures)?;
    let output = if as_json { Output::Human { wide: false } } else { output };
    let failures = kube.each(&infos, |kube, info| edit_one(kube, info, as_json, &output))?;
    all(failures)
}

fn edit_one(kube: &mut Kube, info: &Info, as_json: bool, output: &Output) -> Outcome<()> {
    let shown = |object: &Value| {
        if as_json { json_text::to_string_pretty(&tidy(object)) + "\n" } else { yaml::to_string(&tidy(object)) }
    };
    let original = shown(&info.object);
    let end = if as_json { "json" } else { "yaml" };
    let name = format!("kubectl-edit-{}.{end}", kube.draw(&info.name, 4_000_000_000));
    let mut text = format!("{HEAD}{original}");
    let mut problem = String::new();
    for _ in 0..ROUNDS_MAX {
        let edited = match kube.run.edit(&name, &text)? {
            Ok(edited) => edited,
            Err(why) => return fail(format!("unable to launch the editor: {why}")),
        };
        let kept: String = edited.split_inclusive('\n').filter(|line| !line.starts_with('#')).collect();
        if kept.trim().is_empty() {
            kube.complain("Edit cancelled, saved file was empty.\n");
            return Ok(());
        }
        let before: String = text.split_inclusive('\n').filter(|line| !line.starts_with('#')).collect();
        if kept == original || (!problem.is_empty() && kept == before) {
            if problem.is_empty() {
                kube.complain("Edit cancelled, no changes made.\n");
                openapi_for_nothing(kube, info)?;
                return Ok(());
            }
            return given_up(kube, &name, &edited, &problem);
        }
        match submit(kube, info, &kept, &name, output) {
            Ok(()) => return Ok(()),
            Err(Stop::Failed(failure)) => {
                problem = failure.show().0.trim_end().to_owned();
                if failure.is("Conflict") || failure.is_not_found() || is_refused_for_good(&failure) {
                    return given_up(kube, &name, &edited, &problem);
                }
                let noted: String = problem.lines().map(|line| format!("# {line}\n")).collect();
                text = format!("{HEAD}{noted}#\n{kept}");
            }
            Err(Stop::Pending) => return Err(Stop::Pending),
        }
    }
    fail("Edit cancelled, no valid changes were saved.")
}

/// What cannot be set right by editing again.
fn is_refused_for_good(failure: &Failure) -> bool {
    matches!(failure, Failure::Text(text) if text.contains("failed to download openapi"))
}

/// Upstream has the schema at hand before it knows that there is nothing to do.
fn openapi_for_nothing(kube: &mut Kube, info: &Info) -> Outcome<()> {
    match openapi::document(kube, &info.resource.api_version()) {
        Err(Stop::Pending) => Err(Stop::Pending),
        _ => Ok(()),
    }
}

/// Keeps what was written, since it could not be saved.
fn given_up(kube: &mut Kube, name: &str, edited: &str, problem: &str) -> Outcome<()> {
    let path = format!("/tmp/{name}");
    let content = bytes::Bytes::copy_from_slice(edited.as_bytes());
    let kept = kube.run.write_files(|files| files.write(&path, content));
    kube.complain(format!("{problem}\n"));
    if kept.is_ok() {
        kube.complain(format!("A copy of your changes has been stored to {}\n", quote(&path)));
    }
    fail("Edit cancelled, no valid changes were saved.")
}

/// Sends what was changed.
fn submit(kube: &mut Kube, info: &Info, text: &str, name: &str, output: &Output) -> Outcome<()> {
    let validation = Validation::read(kube)?;
    let edited = builder::parse(text, name)?;
    let dry_run = dry_run(kube)?;
    for field in ["apiVersion", "kind"] {
        if edited[field] != info.object[field] {
            return fail(format!("At least one of apiVersion, kind and name was changed: {field}"));
        }
    }
    if edited["metadata"]["name"] != info.object["metadata"]["name"] {
        return fail("At least one of apiVersion, kind and name was changed");
    }
    if let Err(stop) = openapi::validate(kube, &edited, name) {
        return match stop {
            Stop::Pending => Err(Stop::Pending),
            Stop::Failed(_) => Err(Stop::Failed(Failure::Said(format!(
                "error: {} {} is invalid",
                info.resource.qualified(),
                quote(&info.name)
            )))),
        };
    }
    let mut edited = edited;
    if kube.args.bool("save-config") {
        apply::remember(&mut edited);
    }
    let mut own = (*info.object).clone();
    if let Some(metadata) = own["metadata"].as_object_mut() {
        metadata.shift_remove("managedFields");
    }
    let strategic = patches::kind_of(&own).is_some();
    let patch =
        if strategic { patches::strategic(&own, &edited).or_else(fail)? } else { patches::merge(&own, &edited) };
    if patch.as_object().is_some_and(serde_json::Map::is_empty) {
        kube.print(format!("{}/{} skipped\n", info.resource.singular_qualified(), info.name));
        return Ok(());
    }
    let content = if strategic { content::STRATEGIC } else { content::MERGE };
    let request =
        info.request("PATCH", accept::JSON).query("fieldValidation", validation.parameter()).json(content, &patch);
    let request = marked(kube, request, dry_run, "kubectl-edit");
    let object = kube.object(&request)?;
    print::outcome(kube, output, &object, "edited", dry_run)
}

// ---- diff ----

pub fn diff(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    if args.list("filename").is_empty() {
        return fail("must specify one of -f and -k");
    }
    let query = Query { local: true, ..Query::of(kube) };
    let targets = builder::targets(kube, &query)?;
    let (server_side, force) = (args.bool("server-side"), args.bool("force-conflicts"));
    let mut pairs = Vec::new();
    for target in targets {
        let Target::Read(info) = target else { continue };
        let live = match info.get(kube) {
            Ok(live) => Some(live),
            Err(Stop::Failed(failure)) if failure.is_not_found() => None,
            Err(other) => return Err(other),
        };
        let merged = merged(kube, &info, live.as_deref(), server_side, force)?;
        let place = if info.namespace.is_empty() { String::new() } else { format!("{}.", info.namespace) };
        let group = if info.resource.group.is_empty() { String::new() } else { format!("{}.", info.resource.group) };
        let name = format!("{group}{}.{}.{place}{}", info.resource.version, info.resource.kind, info.name);
        let shown = |object: &Value| yaml::to_string(&masked(&tidy(object)));
        pairs.push((name, live.as_deref().map(shown).unwrap_or_default(), shown(&merged)));
    }
    let (live, new) = (kube.draw("LIVE", 4_000_000_000), kube.draw("MERGED", 4_000_000_000));
    let mut out = String::new();
    for (name, before, after) in &pairs {
        if before == after {
            continue;
        }
        let (from, to) = (format!("/tmp/LIVE-{live}/{name}"), format!("/tmp/MERGED-{new}/{name}"));
        out += &format!("diff -u -N {from} {to}\n");
        let stamp = stamp(kube);
        out += &unified(before, after, &format!("{from}\t{stamp}"), &format!("{to}\t{stamp}"));
    }
    if out.is_empty() {
        return Ok(());
    }
    kube.print(out);
    Err(Stop::Failed(Failure::Exit(1)))
}

/// The object as the server would have it.
fn merged(kube: &mut Kube, info: &Info, live: Option<&Value>, server_side: bool, force: bool) -> Outcome<Value> {
    if server_side {
        let request =
            info.request("PATCH", accept::JSON).query("force", force.to_string()).json(content::APPLY, &info.object);
        let request = marked(kube, request, DryRun::Server, "kubectl");
        return kube.object(&request).map(|object| (*object).clone());
    }
    let Some(live) = live else {
        let request = super::client::Request::new("POST", info.resource.path(&info.namespace), accept::JSON)
            .json(content::JSON, &info.object)
            .about(&info.resource.name, "");
        let request = marked(kube, request, DryRun::Server, "kubectl-client-side-apply");
        return kube.object(&request).map(|object| (*object).clone());
    };
    // As it would be applied, but without what apply keeps in it; the object is expected to be the one that was looked at.
    let mut modified = (*info.object).clone();
    apply::remember(&mut modified);
    if let Some(annotations) = modified["metadata"]["annotations"].as_object_mut() {
        annotations.shift_remove(apply::LAST_APPLIED);
    }
    let version = live["metadata"]["resourceVersion"].as_str().map(str::to_owned);
    let patcher = Patcher { dry_run: DryRun::Server, validation: None, version };
    Ok(patcher.patch(kube, info, live, &modified)?.0)
}

/// Secrets are compared without being shown.
fn masked(object: &Value) -> Value {
    let mut object = object.clone();
    if object["kind"] == "Secret" && object["apiVersion"] == "v1" {
        for (_, value) in object["data"].as_object_mut().into_iter().flatten() {
            *value = "***".into();
        }
    }
    object
}

/// When a file was written, as `diff` shows it.
fn stamp(kube: &Kube) -> String {
    let nanos = kube.run.unix_nanos();
    let seconds = (nanos / 1_000_000_000) as i64;
    let shown = Time { seconds, nanos: 0 }.format(Precision::Seconds).replace('T', " ").replace('Z', "");
    format!("{shown}.{:09} +0000", nanos % 1_000_000_000)
}

/// `diff -u`
fn unified(before: &str, after: &str, from: &str, to: &str) -> String {
    let diff = LineDiff::of(before, after, 3).to_string();
    if diff.is_empty() { diff } else { format!("--- {from}\n+++ {to}\n{diff}") }
}
