//! `kubectl apply`: what a file says becomes so, whatever was there; what an earlier file said and this one does not, goes.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/apply`.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::builder::{self, Info, Query, Target};
use super::client::{Kube, Request, accept, content};
use super::config::list;
use super::discovery::split_version;
use super::failure::{Failure, Outcome, Stop, all, fail};
use super::flags::DryRun;
use super::openapi::{self, Validation};
use super::patches;
use super::print::{self, Output};
use super::write::{about, dry_run, marked, one_line};
use crate::k8s::patch;
use crate::k8s::schema::Schema;
use crate::k8s::yaml;
use crate::shell::printers::go::quote;
use crate::sim::Micros;

/// Where what was applied last is kept.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const MANAGER: &str = "kubectl-client-side-apply";
/// Upstream gives up after so many conflicts, and rests between them from the second on.
const ATTEMPTS: usize = 5;

pub fn run(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    if args.list("filename").is_empty() {
        return fail("must specify one of -f and -k");
    }
    if !args.words.is_empty() {
        return fail(format!(
            "Unexpected args: [{}]\nSee 'kubectl apply -h' for help and examples",
            args.words.join(" ")
        ));
    }
    let (dry_run, server_side) = (dry_run(kube)?, args.bool("server-side"));
    if args.bool("force-conflicts") && !server_side {
        return fail("--force-conflicts only works with --server-side");
    }
    if dry_run == DryRun::Client && server_side {
        return fail("--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)");
    }
    if args.bool("prune") && args.text("selector").is_empty() && !args.bool("all") {
        return fail(
            "all resources selected for prune without explicitly passing --all. To prune all resources, pass the --all flag. If you did not mean to prune all resources, specify a label selector",
        );
    }
    let output = Output::read(kube, false)?;
    let validation = Validation::read(kube)?;
    let query = Query { local: true, validates: true, ..Query::of(kube) };
    let targets = builder::targets(kube, &query)?;
    let infos: Vec<Info> = targets
        .into_iter()
        .filter_map(|target| match target {
            Target::Read(info) => Some(info),
            _ => None,
        })
        .collect();
    let selector = args.text("selector").to_owned();
    let infos: Vec<Info> = infos.into_iter().filter(|info| selected(&info.object, &selector)).collect();
    if infos.is_empty() {
        return fail("no objects passed to apply");
    }
    let failures = kube.each(&infos, |kube, info| {
        if server_side {
            server(kube, info, dry_run, validation, &output)
        } else {
            client(kube, info, dry_run, validation, &output)
        }
    })?;
    all(failures)?;
    if args.bool("prune") { prune(kube, &infos, dry_run) } else { Ok(()) }
}

fn selected(object: &Value, selector: &str) -> bool {
    let Ok(selector) = crate::k8s::meta::labels::Selector::parse(selector) else { return true };
    let labels = object["metadata"]["labels"].as_object().into_iter().flatten();
    selector
        .matches(&labels.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect())
}

/// Keeps what an object says now in itself.
pub fn remember(object: &mut Value) -> String {
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.shift_remove(LAST_APPLIED);
    }
    if !object["metadata"]["annotations"].is_object() {
        object["metadata"]["annotations"] = json!({});
    }
    let text = one_line(object);
    object["metadata"]["annotations"][LAST_APPLIED] = text.clone().into();
    text
}

/// What was applied before, by the object itself.
fn last_applied(object: &Value) -> Option<Value> {
    let text = object["metadata"]["annotations"][LAST_APPLIED].as_str()?;
    crate::k8s::json::parse(text.as_bytes()).ok().map(|read| read.value)
}

fn server(kube: &mut Kube, info: &Info, dry_run: DryRun, validation: Validation, output: &Output) -> Outcome<()> {
    let force = kube.args.bool("force-conflicts");
    let request = info
        .request("PATCH", accept::JSON)
        .query("fieldValidation", validation.parameter())
        .query("force", force.to_string())
        .json(content::APPLY, &info.object);
    let request = marked(kube, request, dry_run, "kubectl");
    match kube.object(&request) {
        Ok(object) => {
            let object = keep_last_applied(kube, info, dry_run, object)?;
            let object = migrate(kube, info, &request, dry_run, object)?;
            print::outcome(kube, output, &object, "serverside-applied", dry_run)
        }
        Err(Stop::Failed(failure)) if failure.is("Conflict") => fail(format!(
            "{}\nPlease review the fields above--they currently have other managers. Here\nare the ways you can resolve this warning:\n* If you intend to manage all of these fields, please re-run the apply\n  command with the `--force-conflicts` flag.\n* If you do not intend to manage all of the fields, please edit your\n  manifest to remove references to the fields that should keep their\n  current managers.\n* You may co-own fields by updating your manifest to match the existing\n  value; in this case, you'll become the manager if the other manager(s)\n  stop managing the field (remove it from their configuration).\nSee https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts",
            failure.text()
        )),
        Err(other) => Err(other),
    }
}

/// The manager of the note of what was applied, once its client no longer is.
const LAST_APPLIED_MANAGER: &str = "kubectl-last-applied";

/// An object that was once applied by its client keeps the note of that, by applying the note alone.
fn keep_last_applied(kube: &mut Kube, info: &Info, dry_run: DryRun, object: Arc<Value>) -> Outcome<Arc<Value>> {
    // With another manager the note would not stay up to date.
    if !["", "kubectl"].contains(&kube.args.text("field-manager")) {
        return Ok(object);
    }
    let Some(note) = object["metadata"]["annotations"][LAST_APPLIED].as_str() else { return Ok(object) };
    if !owners_of_note(&object, "Apply").is_empty() {
        return Ok(object);
    }
    let mut alone = json!({
        "apiVersion": object["apiVersion"],
        "kind": object["kind"],
        "metadata": {"annotations": {LAST_APPLIED: note}, "name": info.name},
    });
    if !info.namespace.is_empty() {
        alone["metadata"]["namespace"] = info.namespace.as_str().into();
    }
    let request = info.request("PATCH", accept::JSON).query("fieldManager", LAST_APPLIED_MANAGER);
    let request = if dry_run == DryRun::Server { request.query("dryRun", "All") } else { request };
    match kube.object(&request.json(content::APPLY, &alone)) {
        Ok(object) => Ok(object),
        Err(Stop::Failed(failure)) => {
            kube.warn(&format!(
                "failed to migrate kubectl.kubernetes.io/last-applied-configuration for Server-Side Apply. This is non-fatal and will be retried next time you apply. Error: {}",
                failure.text()
            ));
            Ok(object)
        }
        Err(stop) => Err(stop),
    }
}

/// The managers that own the note by this operation.
fn owners_of_note(object: &Value, operation: &str) -> BTreeSet<String> {
    let field = format!("f:{LAST_APPLIED}");
    let owns = |entry: &&Value| {
        entry["operation"] == operation && !entry["fieldsV1"]["f:metadata"]["f:annotations"][&field].is_null()
    };
    let entries = list(&object["metadata"]["managedFields"]).iter().filter(owns);
    entries.map(|entry| entry["manager"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Hands over what was owned by applying on the client's side, and applies again, so that what was dropped goes.
///
/// Upstream: `migrateToSSAIfNecessary`, `k8s.io/client-go/util/csaupgrade`.
fn migrate(
    kube: &mut Kube,
    info: &Info,
    request: &Request,
    dry_run: DryRun,
    object: Arc<Value>,
) -> Outcome<Arc<Value>> {
    let given = kube.args.text("field-manager");
    let manager = if given.is_empty() { "kubectl" } else { given }.to_owned();
    let before = owners_of_note(&object, "Update");
    let mut object = object;
    for attempt in 0.. {
        let own = &object["metadata"]["managedFields"];
        let entries = before.iter().fold(list(own).to_vec(), |entries, old| handed_over(entries, old, &manager));
        if entries == list(own) {
            return Ok(object);
        }
        let patch = json!([
            {"op": "replace", "path": "/metadata/managedFields", "value": entries},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": object["metadata"]["resourceVersion"]},
        ]);
        let patching = marked(kube, info.request("PATCH", accept::JSON), dry_run, "kubectl");
        match kube.object(&patching.json(content::JSON_PATCH, &patch)) {
            Ok(_) => break,
            Err(Stop::Failed(failure)) if failure.is("Conflict") && attempt < ATTEMPTS => object = info.get(kube)?,
            Err(Stop::Failed(failure)) => {
                kube.warn(&format!(
                    "server rejected managed fields migration to Server-Side Apply. This is non-fatal and will be retried next time you apply. Error: {}",
                    failure.text()
                ));
                return Ok(object);
            }
            Err(stop) => return Err(stop),
        }
    }
    kube.object(request)
}

/// Entries in which the one who applies has what the old manager owned by updates.
fn handed_over(mut entries: Vec<Value>, old: &str, manager: &str) -> Vec<Value> {
    let is = |entry: &Value, name: &str, operation: &str| {
        entry["manager"] == name && entry["operation"] == operation && entry["subresource"].is_null()
    };
    let place = entries.iter().position(|entry| is(entry, manager, "Apply")).or_else(|| {
        let place = entries.iter().position(|entry| is(entry, old, "Update"))?;
        entries[place]["manager"] = manager.into();
        entries[place]["operation"] = "Apply".into();
        Some(place)
    });
    let Some(place) = place else { return entries };
    let version = entries[place]["apiVersion"].clone();
    let found = entries.iter().find(|entry| is(entry, old, "Update") && entry["apiVersion"] == version);
    if let Some(fields) = found.map(|entry| entry["fieldsV1"].clone()) {
        unite(&mut entries[place]["fieldsV1"], &fields);
    }
    if let Some(notes) = entries[place].pointer_mut("/fieldsV1/f:metadata/f:annotations").and_then(Value::as_object_mut)
    {
        notes.shift_remove(&format!("f:{LAST_APPLIED}"));
    }
    entries.retain(|entry| !is(entry, old, "Update"));
    entries
}

/// Both sets of fields; they are as deep as the object that has them.
fn unite(own: &mut Value, more: &Value) {
    if !own.is_object() {
        *own = json!({});
    }
    for (name, inner) in more.as_object().into_iter().flatten() {
        unite(&mut own[name], inner);
    }
}

fn client(kube: &mut Kube, info: &Info, dry_run: DryRun, validation: Validation, output: &Output) -> Outcome<()> {
    let mut modified = (*info.object).clone();
    remember(&mut modified);
    let current = match info.get(kube) {
        Ok(current) => current,
        Err(Stop::Failed(failure)) if failure.is_not_found() => {
            let created = match dry_run {
                DryRun::Client => modified,
                _ => super::write::post(kube, info, &modified, dry_run, MANAGER, validation)
                    .map_err(|stop| about(stop, &format!("error when creating {}: ", quote(&info.source))))?,
            };
            return print::outcome(kube, output, &created, "created", dry_run);
        }
        Err(stop) => {
            let resource = format!(
                "Resource: {}, GroupVersionKind: {}\nName: {}, Namespace: {}",
                quote(&info.resource.resource_text()),
                quote(&info.resource.kind_text()),
                quote(&info.name),
                quote(&info.namespace)
            );
            return Err(about(
                stop,
                &format!(
                    "error when retrieving current configuration of:\n{resource}\nfrom server for: {}: ",
                    quote(&info.source)
                ),
            ));
        }
    };
    if last_applied(&current).is_none() {
        kube.warn(&format!(
            "resource {}/{} is missing the {LAST_APPLIED} annotation which is required by kubectl apply. kubectl apply should only be used on resources created declaratively by either kubectl create --save-config or kubectl apply. The missing annotation will be patched automatically.",
            info.resource.name, info.name
        ));
    }
    if dry_run == DryRun::Client {
        return print::outcome(kube, output, &current, "configured", dry_run);
    }
    let patcher = Patcher { dry_run, validation: Some(validation), version: None };
    let (new, changed) = patcher.patch(kube, info, &current, &modified).map_err(|stop| {
        let before = format!(
            "error when applying patch:\nto:\n{}\nfor: {}: error when patching {}: ",
            described(info),
            quote(&info.source),
            quote(&info.source)
        );
        about(stop, &before)
    })?;
    let said = if changed { "configured" } else { "unchanged" };
    print::outcome(kube, output, &new, said, dry_run)
}

fn described(info: &Info) -> String {
    format!(
        "Resource: {}, GroupVersionKind: {}\nName: {}, Namespace: {}",
        quote(&info.resource.resource_text()),
        quote(&info.resource.kind_text()),
        quote(&info.name),
        quote(&info.namespace)
    )
}

/// Works out three-way patches and sends them until they fit.
pub struct Patcher {
    pub dry_run: DryRun,
    pub validation: Option<Validation>,
    /// The version that the object must have.
    pub version: Option<String>,
}

impl Patcher {
    /// The object afterwards, and whether there was anything to change.
    pub fn patch(&self, kube: &mut Kube, info: &Info, current: &Value, modified: &Value) -> Outcome<(Value, bool)> {
        let mut current = current.clone();
        for attempt in 0.. {
            let answer = self.once(kube, info, &current, modified);
            let Err(Stop::Failed(failure)) = &answer else { return answer };
            if !failure.is("Conflict") || attempt >= ATTEMPTS {
                return answer;
            }
            if attempt > 0 {
                kube.run.sleep(Micros::from_secs(1))?;
            }
            current = (*info.get(kube)?).clone();
        }
        Ok((current, false))
    }

    fn once(&self, kube: &mut Kube, info: &Info, current: &Value, modified: &Value) -> Outcome<(Value, bool)> {
        let original = last_applied(current).unwrap_or(Value::Null);
        openapi::patch_schema(kube, &info.resource.api_version(), &info.resource.kind)?;
        let kind = patches::kind_of(modified);
        let mut patch = patch::three_way(Schema::kubernetes(), kind, &original, modified, current).or_else(fail)?;
        if patch.as_object().is_some_and(serde_json::Map::is_empty) {
            return Ok((current.clone(), false));
        }
        if let Some(version) = &self.version {
            patch["metadata"]["resourceVersion"] = version.as_str().into();
        }
        let content = if kind.is_some() { content::STRATEGIC } else { content::MERGE };
        let mut request = info.request("PATCH", accept::JSON).json(content, &patch);
        if let Some(validation) = self.validation {
            request = request.query("fieldValidation", validation.parameter());
        }
        let request = marked(kube, request, self.dry_run, MANAGER);
        Ok(((*kube.object(&request)?).clone(), true))
    }
}

/// Kinds that `--prune` looks at if nothing else is said.
const PRUNED: [&str; 17] = [
    "core/v1/ConfigMap",
    "core/v1/Endpoints",
    "core/v1/Namespace",
    "core/v1/PersistentVolumeClaim",
    "core/v1/PersistentVolume",
    "core/v1/Pod",
    "core/v1/ReplicationController",
    "core/v1/Secret",
    "core/v1/Service",
    "batch/v1/Job",
    "batch/v1/CronJob",
    "networking.k8s.io/v1/Ingress",
    "apps/v1/DaemonSet",
    "apps/v1/Deployment",
    "apps/v1/ReplicaSet",
    "apps/v1/StatefulSet",
    "storage.k8s.io/v1/StorageClass",
];

/// Removes what was applied before, is chosen by the selector and was not among the files.
fn prune(kube: &mut Kube, applied: &[Info], dry_run: DryRun) -> Outcome<()> {
    let allowed = kube.args.list("prune-allowlist");
    let kinds: Vec<String> =
        if allowed.is_empty() { PRUNED.iter().map(|kind| (*kind).to_owned()).collect() } else { allowed };
    let mut namespaces: Vec<&str> =
        applied.iter().map(|info| &info.namespace[..]).filter(|name| !name.is_empty()).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    let uids: Vec<(String, String, String)> =
        applied.iter().map(|info| (info.resource.name.clone(), info.namespace.clone(), info.name.clone())).collect();
    let mut failures: Vec<Failure> = Vec::new();
    let selector = kube.args.text("selector").to_owned();
    for kind in &kinds {
        let Some((version, kind_name)) = kind.rsplit_once('/') else {
            return fail(format!("invalid GroupVersionKind format: {kind}, please follow <group/version/kind>"));
        };
        let (group, version) = split_version(version);
        let group = if group == "core" { "" } else { group };
        let api_version = super::discovery::join_version(group, version);
        let Some(resource) = kube.look_up(|discovery| discovery.of_kind(&api_version, kind_name).cloned())? else {
            continue;
        };
        let scopes: Vec<&str> = if resource.is_namespaced { namespaces.clone() } else { vec![""] };
        for namespace in scopes {
            let request = Request::get(resource.path(namespace), accept::JSON)
                .maybe("labelSelector", &selector)
                .about(&resource.name, "");
            let found = kube.object(&request)?;
            for item in list(&found["items"]) {
                let name = item["metadata"]["name"].as_str().unwrap_or_default();
                let was_applied = item["metadata"]["annotations"][LAST_APPLIED].is_string();
                let is_kept = uids.contains(&(resource.name.clone(), namespace.to_owned(), name.to_owned()));
                if !was_applied || is_kept {
                    continue;
                }
                if dry_run != DryRun::Client {
                    let mut request = Request::new("DELETE", resource.object_path(namespace, name), accept::JSON)
                        .json(content::JSON, &json!({"propagationPolicy": "Background"}))
                        .about(&resource.name, name);
                    if dry_run == DryRun::Server {
                        request = request.query("dryRun", "All");
                    }
                    match kube.object(&request) {
                        Ok(_) => {}
                        Err(Stop::Failed(failure)) => {
                            failures.push(failure);
                            continue;
                        }
                        Err(Stop::Pending) => return Err(Stop::Pending),
                    }
                }
                let word = resource.singular_qualified();
                let said = print::tried("pruned", dry_run);
                kube.print(format!("{word}/{name} {said}\n"));
            }
        }
    }
    all(failures)
}

pub fn view_last_applied(kube: &mut Kube) -> Outcome<()> {
    let format = kube.args.text("output").to_owned();
    let query = Query::of(kube);
    let (infos, failures) = builder::infos(kube, &query)?;
    for info in &infos {
        let Some(mut last) = last_applied(&info.object) else {
            let message = format!("no last-applied-configuration annotation found on resource: {}", info.name);
            if infos.len() == 1 {
                return fail(message);
            }
            kube.warn(&message);
            continue;
        };
        last.sort_all_objects();
        kube.print(match format.as_str() {
            "json" => {
                // With two spaces, unlike everything else.
                crate::k8s::json::to_string_pretty(&last).replace("    ", "  ") + "\n"
            }
            _ => yaml::to_string(&last),
        });
    }
    all(failures)
}

pub fn set_last_applied(kube: &mut Kube) -> Outcome<()> {
    let dry_run = dry_run(kube)?;
    let output = Output::read(kube, false)?;
    let creates = kube.args.bool("create-annotation");
    let query = Query { local: true, ..Query::of(kube) };
    let targets = builder::targets(kube, &query)?;
    for target in targets {
        let Target::Read(info) = target else { continue };
        let current = info.get(kube)?;
        if last_applied(&current).is_none() && !creates {
            return fail(format!(
                "no last-applied-configuration annotation found on resource: {}, to create the annotation, run the command with --create-annotation",
                info.name
            ));
        }
        let text = one_line(&info.object);
        let patch = json!({"metadata": {"annotations": {LAST_APPLIED: text}}});
        let mut object = (*current).clone();
        if dry_run != DryRun::Client {
            let request = info.request("PATCH", accept::JSON).json(content::MERGE, &patch);
            let request = marked(kube, request, dry_run, "");
            object = (*kube.object(&request)?).clone();
        }
        print::outcome(kube, &output, &object, "configured", dry_run)?;
    }
    Ok(())
}
