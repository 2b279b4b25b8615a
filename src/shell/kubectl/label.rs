//! `kubectl label` and `kubectl annotate`.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/{label,annotate}`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::builder::{self, Info, Query};
use super::client::{Kube, accept, content};
use super::failure::{Outcome, fail};
use super::flags::DryRun;
use super::patches;
use super::print::{self, Output};
use super::write::{dry_run, marked};
use crate::k8s::meta::names;
use crate::shell::printers::go::quote;

/// What is to be set and what is to go.
#[derive(Clone, Debug, Default)]
struct Changes {
    set: BTreeMap<String, String>,
    gone: Vec<String>,
}

/// Words that name objects, and those that change something.
fn changes(words: &[String], what: &str) -> Outcome<(Vec<String>, Changes)> {
    let is_change = |word: &String| word.contains('=') && !word.starts_with('=') || word.ends_with('-');
    let start = words.iter().position(is_change).unwrap_or(words.len());
    let (resources, rest) = words.split_at(start);
    let mut changes = Changes::default();
    for word in rest {
        if let Some((name, value)) = word.split_once('=') {
            changes.set.insert(name.to_owned(), value.to_owned());
        } else if let Some(name) = word.strip_suffix('-') {
            changes.gone.push(name.to_owned());
        } else {
            return fail(format!("all resources must be specified before {what} changes: {word}"));
        }
    }
    if let Some(both) = changes.gone.iter().find(|name| changes.set.contains_key(*name)) {
        return fail(format!("can not both modify and remove the following {what}(s) in the same command: {both}"));
    }
    Ok((resources.to_vec(), changes))
}

pub fn label(kube: &mut Kube) -> Outcome<()> {
    adorn(kube, "label", "labels", "kubectl-label", "labeled", "unlabeled")
}

pub fn annotate(kube: &mut Kube) -> Outcome<()> {
    adorn(kube, "annotation", "annotations", "kubectl-annotate", "annotated", "annotated")
}

fn adorn(kube: &mut Kube, what: &str, field: &str, manager: &str, done: &str, undone: &str) -> Outcome<()> {
    let args = kube.args;
    let dry_run = dry_run(kube)?;
    let output = Output::read(kube, false)?;
    let (resources, changes) = changes(&args.words, what)?;
    let lists = args.bool("list");
    if resources.is_empty() && args.list("filename").is_empty() {
        return fail("one or more resources must be specified as <resource> <name> or <resource>/<name>");
    }
    if changes.set.is_empty() && changes.gone.is_empty() && !lists {
        return fail(format!("at least one {what} update is required"));
    }
    if field == "labels" {
        check_labels(&changes)?;
    }
    let query = Query { words: resources, local: args.bool("local"), ..Query::of(kube) };
    let (overwrite, version) = (args.bool("overwrite"), args.text("resource-version").to_owned());
    builder::visit(kube, &query, |kube, info| {
        if lists {
            return show_adorned(kube, info, field);
        }
        let old = info.object["metadata"][field].as_object().cloned().unwrap_or_default();
        let clash = changes
            .set
            .iter()
            .find(|(name, value)| !overwrite && old.get(*name).is_some_and(|own| own != value.as_str()));
        if let Some((name, _)) = clash {
            let own = old[name].as_str().unwrap_or_default();
            return match field {
                "labels" => fail(format!("'{name}' already has a value ({own}), and --overwrite is false")),
                _ => fail(format!(
                    "--overwrite is false but found the following declared annotation(s): '{name}' already has a value ({own})"
                )),
            };
        }
        let mut new = old.clone();
        for (name, value) in &changes.set {
            new.insert(name.clone(), value.as_str().into());
        }
        for name in &changes.gone {
            if new.shift_remove(name).is_none() && field == "labels" {
                kube.print(format!("label {} not found.\n", quote(name)));
            }
        }
        let said = match () {
            () if field == "labels" && new == old => "not labeled".to_owned(),
            () if !changes.gone.is_empty() && changes.set.is_empty() => undone.to_owned(),
            () => done.to_owned(),
        };
        let mut object = (*info.object).clone();
        object["metadata"][field] = Value::Object(new.clone());
        if !version.is_empty() {
            object["metadata"]["resourceVersion"] = version.as_str().into();
        }
        if dry_run != DryRun::Client && !query.local && (new != old || !version.is_empty()) {
            let patch = patches::merge(&info.object, &object);
            let request = info.request("PATCH", accept::JSON).json(content::MERGE, &patch);
            let request = marked(kube, request, dry_run, manager);
            object = (*kube.object(&request)?).clone();
        }
        print::outcome(kube, &output, &object, &said, dry_run)
    })
}

fn check_labels(changes: &Changes) -> Outcome<()> {
    // Names are left to the server.
    for (name, value) in &changes.set {
        if let Some(why) = names::label_value(value).first() {
            return fail(format!("invalid label value: {}: {why}", quote(&format!("{name}={value}"))));
        }
    }
    Ok(())
}

fn show_adorned(kube: &mut Kube, info: &Info, field: &str) -> Outcome<()> {
    let map = info.object["metadata"][field].as_object().cloned().unwrap_or_default();
    let mut lines: Vec<String> =
        map.iter().map(|(name, value)| format!("{name}={}\n", value.as_str().unwrap_or_default())).collect();
    lines.sort();
    kube.print(lines.concat());
    Ok(())
}
