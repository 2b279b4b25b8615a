//! `kubectl taint`.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/taint`.

use serde_json::{Map, Value, json};

use super::builder::{self, Query};
use super::client::{Kube, accept, content};
use super::config::list;
use super::failure::{Failure, Outcome, all, fail};
use super::flags::DryRun;
use super::openapi::Validation;
use super::patches;
use super::print::{self, Output};
use super::write::{dry_run, marked};
use crate::k8s::meta::names;
use crate::shell::printers::go::quote;

#[derive(Clone, Debug, PartialEq)]
struct Taint {
    key: String,
    value: String,
    effect: String,
}

pub fn taint(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    let dry_run = dry_run(kube)?;
    let output = Output::read(kube, false)?;
    let is_change = |word: &String| word.contains('=') || word.ends_with('-') || word.contains(':');
    let start = args.words.iter().position(is_change).unwrap_or(args.words.len());
    let (words, changes) = args.words.split_at(start);
    let mut words = words.to_vec();
    match words.first().map(String::as_str) {
        None => return fail("one or more resources must be specified as <resource> <name> or <resource>/<name>"),
        Some("node" | "nodes" | "no") => {}
        Some(other) if !other.contains('/') => {
            return fail(format!("invalid resource type {other}, only node(s) is supported"));
        }
        Some(_) => {}
    }
    if changes.is_empty() {
        return fail("at least one taint update is required");
    }
    if words.len() == 1 && !words[0].contains('/') && args.text("selector").is_empty() && !args.bool("all") {
        words.clear();
        return fail("at least one resource name must be specified since 'all' parameter is not set");
    }
    let (set, gone) = taints(changes)?;
    let overwrite = args.bool("overwrite");
    let query = Query { words, accept: accept::ANY, ..Query::of(kube) };
    builder::visit(kube, &query, |kube, info| {
        let old: Vec<Taint> = list(&info.object["spec"]["taints"]).iter().map(read_taint).collect();
        let mut new: Vec<Taint> = Vec::new();
        for taint in &set {
            let twin = old.iter().find(|own| own.key == taint.key && own.effect == taint.effect);
            if let Some(twin) = twin.filter(|_| !overwrite) {
                let name = &info.name;
                return fail(format!(
                    "node {name} already has {} taint(s) with same effect(s) and --overwrite is false",
                    twin.key
                ));
            }
            new.push(taint.clone());
        }
        let mut missing = Vec::new();
        for (key, effect) in &gone {
            let fits = |own: &&Taint| own.key == *key && (effect.is_empty() || own.effect == *effect);
            if !old.iter().any(|own| fits(&own)) {
                missing.push(Failure::Text(format!("taint {} not found", quote(&join_effect(key, effect)))));
            }
        }
        if !missing.is_empty() {
            return all(missing);
        }
        let stays = |own: &&Taint| {
            let is_gone =
                gone.iter().any(|(key, effect)| own.key == *key && (effect.is_empty() || own.effect == *effect));
            !is_gone && !set.iter().any(|taint| own.key == taint.key && own.effect == taint.effect)
        };
        new.extend(old.iter().filter(stays).cloned());
        let said = match (set.is_empty(), gone.is_empty()) {
            (false, true) => "tainted",
            (true, false) => "untainted",
            _ => "modified",
        };
        let mut object = (*info.object).clone();
        let shown: Vec<Value> = new.iter().map(show_taint).collect();
        match (object["spec"].as_object_mut(), shown.is_empty()) {
            (Some(spec), true) => drop(spec.shift_remove("taints")),
            (Some(spec), false) => drop(spec.insert("taints".to_owned(), shown.into())),
            (None, _) => object["spec"] = json!({"taints": shown}),
        }
        if dry_run != DryRun::Client {
            let patch = patches::strategic(&info.object, &object).or_else(fail)?;
            let request = info
                .request("PATCH", accept::ANY)
                .query("fieldValidation", Validation::read(kube)?.parameter())
                .json(content::STRATEGIC, &patch);
            let request = marked(kube, request, dry_run, "kubectl-taint");
            object = (*kube.object(&request)?).clone();
        }
        print::outcome(kube, &output, &object, said, dry_run)
    })
}

fn join_effect(key: &str, effect: &str) -> String {
    if effect.is_empty() { key.to_owned() } else { format!("{key}:{effect}") }
}

fn read_taint(taint: &Value) -> Taint {
    let text = |name: &str| taint[name].as_str().unwrap_or_default().to_owned();
    Taint { key: text("key"), value: text("value"), effect: text("effect") }
}

fn show_taint(taint: &Taint) -> Value {
    let mut shown = Map::new();
    shown.insert("key".to_owned(), taint.key.clone().into());
    if !taint.value.is_empty() {
        shown.insert("value".to_owned(), taint.value.clone().into());
    }
    shown.insert("effect".to_owned(), taint.effect.clone().into());
    shown.into()
}

/// `key=value:effect`, `key:effect`, `key:effect-`, `key-`.
type Taints = (Vec<Taint>, Vec<(String, String)>);

fn taints(words: &[String]) -> Outcome<Taints> {
    let (mut set, mut gone) = (Vec::new(), Vec::new());
    for word in words {
        let (spec, removes) = word.strip_suffix('-').map_or((&word[..], false), |spec| (spec, true));
        let (pair, effect) = spec.rsplit_once(':').unwrap_or((spec, ""));
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !names::qualified_name(key).is_empty() || pair.contains(':') {
            return fail(format!("invalid taint spec: {spec}, {}", names::qualified_name(key).join("; ")));
        }
        if removes {
            gone.push((key.to_owned(), effect.to_owned()));
            continue;
        }
        match effect {
            "NoSchedule" | "PreferNoSchedule" | "NoExecute" => {}
            "" => return fail(format!("unknown taint spec: {word}")),
            _ => return fail(format!("invalid taint effect: {effect}, unsupported taint effect")),
        }
        let taint = Taint { key: key.to_owned(), value: value.to_owned(), effect: effect.to_owned() };
        if set.contains(&taint) {
            return fail(format!("duplicated taints with the same key and effect: {word}"));
        }
        set.push(taint);
    }
    Ok((set, gone))
}
