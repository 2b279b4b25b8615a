//! Who owns which field of an object, and server-side apply.
//!
//! Upstream: `k8s.io/apimachinery/pkg/util/managedfields` and `sigs.k8s.io/structured-merge-diff`. A manager that creates,
//! updates or patches owns what it changed; one that applies owns what it said. Applying what another owns is a conflict,
//! and what a manager no longer applies and nobody else owns is taken away.
//!
//! Simplified: entries of all versions of a kind are taken to name fields alike; upstream converts the object for each.
//! Simplified: a list that turned from atomic to one with keys by a new schema keeps its old entries.

mod compare;
mod managers;
mod merge;
mod resets;
mod set;
#[cfg(test)]
mod tests;
mod typed;
mod types;

use serde_json::{Map, Value};

use super::json;
use super::meta::status::{Cause, Details, Status};
use super::meta::time::Time;
use compare::Comparison;
use managers::{Entry, Managers, Operation};

use typed::Mistake;

pub use managers::name_of_agent;
pub use resets::{custom_resets, resets};
pub use set::Set;
pub use types::Types;

/// Who changes an object, as what, and when.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// `fieldManager`, or [`name_of_agent`].
    pub manager: &'a str,
    /// Of the request.
    pub api_version: &'a str,
    pub kind: &'a str,
    /// Empty for the object itself.
    pub subresource: &'a str,
    pub now: Time,
}

/// Under this name stands what an object had when somebody first applied to it, and nobody was known to own it.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// `kubectl apply --server-side` takes over from client-side apply under this name.
const KUBECTL: &str = "kubectl";
/// What the annotations of an object may hold together.
const ANNOTATIONS_MAX: usize = 256 << 10;

/// The new object of a create, update or patch, with its managers. Fields in `resets` are not the actor's to set here, and
/// are what the object's strategy puts back.
pub fn update(types: &Types, live: Option<&Value>, new: Value, actor: &Actor, resets: &Set) -> Value {
    let mut new = new;
    let nothing = Value::Null;
    let known = live.unwrap_or(&nothing);
    let managers = if !actor.subresource.is_empty() {
        managers::decode(known).unwrap_or_default()
    } else if managers::is_reset(&new) {
        Managers::new()
    } else {
        // A client that knows nothing of managers must not lose them.
        let own = managers::decode(&new).unwrap_or_default();
        if own.is_empty() { managers::decode(known).unwrap_or_default() } else { own }
    };
    managers::forget(&mut new);
    let is_created = known["metadata"]["uid"].as_str().is_none_or(str::is_empty);
    if managers.is_empty() && !is_created {
        return new;
    }
    let empty = types.empty();
    let mut live = live.unwrap_or(&empty).clone();
    managers::forget(&mut live);
    // Nothing is known to be owned of what does not fit its type.
    let managers = track(types, &live, &new, managers, actor, resets).unwrap_or_default();
    managers::encode(&mut new, managers);
    new
}

/// An object with a configuration applied to it; an object that does not exist comes into being.
///
/// # Errors
/// What another manager owns and the configuration would change (409), unless `is_forced`; a configuration that is not of
/// its kind (400), or does not fit it (500, as upstream has it).
pub fn apply(
    types: &Types,
    live: Option<&Value>,
    applied: Value,
    actor: &Actor,
    is_forced: bool,
    resets: &Set,
) -> Result<Value, Status> {
    check_kind(&applied, actor)?;
    let nothing = Value::Null;
    let managers = managers::decode(live.unwrap_or(&nothing))
        .map_err(|error| unexpected(format!("failed to decode managed fields: {error}")))?;
    let empty = types.empty();
    let mut live = live.unwrap_or(&empty).clone();
    managers::forget(&mut live);
    let managers = match managers.is_empty() {
        false => managers,
        true => {
            let before = Actor { manager: BEFORE_FIRST_APPLY, ..*actor };
            track(types, &empty, &live, managers, &before, resets).map_err(|mistakes| {
                unexpected(format!("failed to create manager for existing fields: {}", typed::show_mistakes(&mistakes)))
            })?
        }
    };
    let mut outcome = merge_applied(types, &live, &applied, managers.clone(), actor, is_forced, resets);
    if let Err(Refusal::Conflicts(conflicts)) = &mut outcome
        && actor.manager == KUBECTL
    {
        let owned = owned_by_client_side_apply(types, &live, actor);
        conflicts.iter_mut().for_each(|(_, fields)| *fields = fields.difference(&owned));
        conflicts.retain(|(_, fields)| !fields.is_empty());
        if conflicts.is_empty() {
            outcome = merge_applied(types, &live, &applied, managers, actor, true, resets);
        }
    }
    let (mut object, managers) = outcome.map_err(|refusal| match refusal {
        Refusal::Conflicts(conflicts) => conflict(&conflicts),
        Refusal::Status(status) => status,
    })?;
    if actor.manager == KUBECTL {
        renew_last_applied(&mut object, &applied);
    }
    managers::encode(&mut object, managers);
    Ok(object)
}

/// An object as it was, if nothing but the times of managers differs: then nothing is written.
pub fn is_same_but_for_times(one: &Value, other: &Value) -> bool {
    let timeless = |object: &Value| {
        let mut object = object.clone();
        let entries = object.get_mut("metadata").and_then(|metadata| metadata.get_mut("managedFields"));
        for entry in entries.and_then(Value::as_array_mut).into_iter().flatten() {
            entry.as_object_mut().map(|entry| entry.shift_remove("time"));
        }
        object
    };
    timeless(one) == timeless(other)
}

enum Refusal {
    /// What would be taken from whom.
    Conflicts(Vec<(Entry, Set)>),
    Status(Status),
}

/// Gives an updater what it changed, and takes that from all others.
fn track(
    types: &Types,
    live: &Value,
    new: &Value,
    mut managers: Managers,
    actor: &Actor,
    resets: &Set,
) -> Result<Managers, Vec<Mistake>> {
    let (schema, root) = (types.schema, types.root);
    for object in [new, live] {
        let mistakes = typed::validate(schema, root, object, true);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
    }
    let comparison = Comparison::of(schema, root, live, new);
    dispossess(&mut managers, &comparison.without(resets), None);
    let changed =
        comparison.modified.union(&comparison.added).recursive_difference(resets).difference(&system_fields());
    if !changed.is_empty() {
        let entry = entry_of(actor, Operation::Update, changed);
        let identity = entry.identity();
        let known = managers.remove(&identity);
        let fields = known.map_or_else(|| entry.fields.clone(), |known| known.fields.union(&entry.fields));
        managers.insert(identity, Entry { fields, ..entry });
    }
    managers::cap(&mut managers);
    Ok(managers)
}

fn entry_of(actor: &Actor, operation: Operation, fields: Set) -> Entry {
    Entry {
        manager: if actor.manager.is_empty() { "unknown".to_owned() } else { actor.manager.to_owned() },
        operation,
        api_version: actor.api_version.to_owned(),
        subresource: actor.subresource.to_owned(),
        time: Some(actor.now),
        fields,
    }
}

/// Takes what was changed or is gone from all managers but one.
fn dispossess(managers: &mut Managers, comparison: &Comparison, except: Option<&str>) {
    let changed = comparison.modified.union(&comparison.added);
    for (identity, entry) in managers.iter_mut() {
        if Some(&identity[..]) != except {
            let lost = entry.fields.intersection(&changed);
            entry.fields = entry.fields.difference(&lost).difference(&comparison.removed);
        }
    }
    managers.retain(|_, entry| !entry.fields.is_empty());
}

fn merge_applied(
    types: &Types,
    live: &Value,
    applied: &Value,
    mut managers: Managers,
    actor: &Actor,
    is_forced: bool,
    resets: &Set,
) -> Result<(Value, Managers), Refusal> {
    let (schema, root) = (types.schema, types.root);
    let mistaken = |what: &str, object: &Value, allows_duplicates: bool| {
        let mistakes = typed::validate(schema, root, object, allows_duplicates);
        let text = || {
            format!(
                "failed to create typed {what} object ({}): {}",
                show_object(object),
                typed::show_mistakes(&mistakes)
            )
        };
        if mistakes.is_empty() { Ok(()) } else { Err(Refusal::Status(unexpected(text()))) }
    };
    mistaken("patch", applied, false)?;
    mistaken("live", live, true)?;
    let merged = merge::merge(schema, root, live, applied).map_err(|mistakes| {
        Refusal::Status(unexpected(format!("failed to merge config: {}", typed::show_mistakes(&mistakes))))
    })?;
    let fields = typed::field_set(schema, root, applied).recursive_difference(resets);
    let entry = entry_of(actor, Operation::Apply, fields);
    let identity = entry.identity();
    let before = managers.remove(&identity);
    let time = before.as_ref().and_then(|entry| entry.time);
    managers.insert(identity.clone(), Entry { time, ..entry });
    let object = match before {
        Some(before) if !before.fields.is_empty() => prune(types, &merged, &managers, &before.fields),
        _ => merged,
    };
    let comparison = Comparison::of(schema, root, live, &object).without(resets);
    if !is_forced {
        let changed = comparison.modified.union(&comparison.added);
        let others = managers.iter().filter(|(other, _)| **other != identity);
        let conflicts = others.map(|(_, entry)| (entry.clone(), entry.fields.intersection(&changed)));
        let conflicts: Vec<_> = conflicts.filter(|(_, fields)| !fields.is_empty()).collect();
        if !conflicts.is_empty() {
            return Err(Refusal::Conflicts(conflicts));
        }
    }
    dispossess(&mut managers, &comparison, Some(&identity));
    if let Some(entry) = managers.get_mut(&identity) {
        entry.fields = entry.fields.difference(&system_fields());
        if !set::equal(live, &object) {
            entry.time = Some(actor.now);
        }
    }
    managers.retain(|_, entry| !entry.fields.is_empty());
    let object = types.settle(object).map_err(|error| Refusal::Status(unexpected(error)))?;
    Ok((object, managers))
}

/// Takes out what a manager applied before, does not apply now, and nobody else owns.
fn prune(types: &Types, merged: &Value, managers: &Managers, before: &Set) -> Value {
    let (schema, root) = (types.schema, types.root);
    let before = before.with_named_fields(schema, root);
    let all = typed::field_set(schema, root, merged).with_named_fields(schema, root);
    let left = |object: &Value| typed::field_set(schema, root, object).with_named_fields(schema, root);
    let owned = managers.values().fold(Set::default(), |all, entry| all.union(&entry.fields));
    let owned = owned.with_named_fields(schema, root);
    let pruned = typed::remove(schema, root, merged, &before);
    let pruned = typed::remove(schema, root, merged, &all.difference(&left(&pruned).union(&owned)));
    typed::remove(schema, root, merged, &all.difference(&left(&pruned)).intersection(&before))
}

/// What nobody owns: the server sets it.
fn system_fields() -> Set {
    Set::of_fields(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ])
}

fn check_kind(applied: &Value, actor: &Actor) -> Result<(), Status> {
    let text = |name: &str| applied[name].as_str().unwrap_or_default();
    if (text("apiVersion"), text("kind")) != (actor.api_version, actor.kind) {
        return Err(Status::bad_request(format!("invalid object type: {}", show_kind(applied))));
    }
    if !applied["metadata"]["managedFields"].is_null() {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    Ok(())
}

/// `apps/v1, Kind=Deployment`
fn show_kind(object: &Value) -> String {
    let text = |name: &str| object[name].as_str().unwrap_or_default();
    let version = text("apiVersion");
    let slash = if version.contains('/') { "" } else { "/" };
    format!("{slash}{version}, Kind={}", text("kind"))
}

fn show_object(object: &Value) -> String {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default();
    format!("{}/{}; {}", text("namespace"), text("name"), show_kind(object))
}

fn unexpected(message: String) -> Status {
    Status { code: 500, message, ..Status::default() }
}

fn conflict(conflicts: &[(Entry, Set)]) -> Status {
    let mut causes = Vec::new();
    let mut lines = Vec::new();
    for (entry, fields) in conflicts {
        lines.push(format!("conflicts with {}:", entry.show()));
        for path in fields.paths() {
            let field = set::show_path(&path);
            lines.push(format!("- {field}"));
            let message = format!("conflict with {}", entry.show());
            causes.push(Cause { reason: "FieldManagerConflict".to_owned(), message, field });
        }
    }
    let message = match &causes[..] {
        [only] => format!("Apply failed with 1 conflict: {}: {}", only.message, only.field),
        _ => format!("Apply failed with {} conflicts: {}", causes.len(), lines.join("\n")),
    };
    let details = Some(Box::new(Details { causes, ..Details::default() }));
    Status { code: 409, reason: "Conflict", message, details, ..Status::default() }
}

/// What the annotation of client-side apply says and the object still has: kubectl may take that over.
fn owned_by_client_side_apply(types: &Types, live: &Value, actor: &Actor) -> Set {
    let (schema, root) = (types.schema, types.root);
    let annotation = live["metadata"]["annotations"][LAST_APPLIED].as_str().unwrap_or_default();
    let Ok(document) = json::parse(annotation.as_bytes()) else { return Set::default() };
    let last = document.value;
    if last["apiVersion"] != actor.api_version || !typed::validate(schema, root, &last, false).is_empty() {
        return Set::default();
    }
    let comparison = Comparison::of(schema, root, &last, live);
    let fields = typed::field_set(schema, root, &last);
    fields.difference(&comparison.modified).difference(&comparison.added).difference(&comparison.removed)
}

/// Keeps the annotation of client-side apply up to date, where there is one.
fn renew_last_applied(object: &mut Value, applied: &Value) {
    let annotations = object.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"));
    let Some(Value::Object(annotations)) = annotations else { return };
    if annotations.get(LAST_APPLIED).and_then(Value::as_str).is_none_or(str::is_empty) {
        return;
    }
    let mut applied = applied.clone();
    if let Some(Value::Object(metadata)) = applied.get_mut("metadata")
        && let Some(Value::Object(own)) = metadata.get_mut("annotations")
    {
        own.shift_remove(LAST_APPLIED);
        if own.is_empty() {
            metadata.shift_remove("annotations");
        }
    }
    applied.sort_all_objects();
    let text = json::to_string(&applied) + "\n";
    let others = |annotations: &Map<String, Value>| -> usize {
        let others = annotations.iter().filter(|(name, _)| *name != LAST_APPLIED);
        others.map(|(name, value)| name.len() + value.as_str().map_or(0, str::len)).sum()
    };
    if others(annotations) + LAST_APPLIED.len() + text.len() > ANNOTATIONS_MAX {
        annotations.shift_remove(LAST_APPLIED);
    } else {
        annotations.insert(LAST_APPLIED.to_owned(), text.into());
    }
}
