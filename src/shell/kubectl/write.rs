//! Commands that change objects in small ways: `label`, `annotate`, `patch`, `scale`, `replace`, `create -f`, `taint`.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/{label,annotate,patch,scale,replace,create,taint}`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::builder::{self, Info, Query, Target};
use super::client::{Kube, Request, accept, content};
use super::config::list;
use super::delete;
use super::discovery::ApiResource;
use super::failure::{Failure, Outcome, Stop, all, fail};
use super::flags::DryRun;
use super::openapi::Validation;
use super::patches;
use super::print::{self, Output};
use crate::k8s::{json as json_text, yaml};
use crate::k8s::meta::names;
use crate::shell::printers::go::quote;

/// `--dry-run`, or why it is wrong.
pub fn dry_run(kube: &Kube) -> Outcome<DryRun> {
    kube.args.dry_run().or_else(fail)
}

/// The parameters of a request that changes something.
pub fn marked(kube: &Kube, request: Request, dry_run: DryRun, manager: &str) -> Request {
    let given = kube.args.text("field-manager");
    let request = request.maybe("fieldManager", if given.is_empty() { manager } else { given });
    if dry_run == DryRun::Server { request.query("dryRun", "All") } else { request }
}

// ---- create -f ----

pub fn create(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    if args.is_set("raw") {
        return raw(kube, "POST", "raw");
    }
    if args.list("filename").is_empty() {
        if let Some(word) = args.words.first() {
            return fail(format!("Unexpected args: [{word}]\nSee 'kubectl create -h' for help and examples"));
        }
        return fail("must specify one of -f and -k");
    }
    let dry_run = dry_run(kube)?;
    let output = Output::read(kube, false)?;
    let validation = Validation::read(kube)?;
    let query = Query { local: true, validates: true, ..Query::of(kube) };
    let targets = builder::targets(kube, &query)?;
    let infos: Vec<Info> = targets.into_iter().filter_map(|target| match target {
        Target::Read(info) => Some(info),
        _ => None,
    }).collect();
    let saves = args.bool("save-config");
    let failures = kube.each(&infos, |kube, info| {
        let mut object = (*info.object).clone();
        if saves {
            super::apply::remember(&mut object);
        }
        if dry_run != DryRun::Client {
            object = post(kube, info, &object, dry_run, "kubectl-create", validation)
                .map_err(|stop| about(stop, &format!("error when creating {}: ", quote(&info.source))))?;
        }
        print::outcome(kube, &output, &object, "created", dry_run)
    })?;
    all(failures)
}

/// Words before a failure.
pub fn about(stop: Stop, before: &str) -> Stop {
    match stop {
        Stop::Failed(failure) => Stop::Failed(failure.with(before)),
        Stop::Pending => Stop::Pending,
    }
}

/// Creates an object as it was read.
pub fn post(
    kube: &mut Kube,
    info: &Info,
    object: &Value,
    dry_run: DryRun,
    manager: &str,
    validation: Validation,
) -> Outcome<Value> {
    let request = Request::new("POST", info.resource.path(&info.namespace), accept::JSON)
        .query("fieldValidation", validation.parameter())
        .json(content::JSON, object)
        .about(&info.resource.name, "");
    let request = marked(kube, request, dry_run, manager);
    kube.object(&request).map(|object| (*object).clone())
}

/// A body sent to a path as they are.
fn raw(kube: &mut Kube, method: &'static str, flag: &str) -> Outcome<()> {
    let files = kube.args.list("filename");
    let [file] = &files[..] else { return fail("--raw can only use a single local file or stdin") };
    let texts = builder::read(kube, file, false)?;
    let body: String = texts.into_iter().map(|(_, text)| text).collect();
    let path = kube.args.text(flag).to_owned();
    let mut request = Request::new(method, path, accept::ANY);
    request.content = content::JSON;
    request.body = body.into();
    let answer = kube.call(&request)?;
    kube.print(crate::shell::text::from_bytes(&answer.body));
    Ok(())
}

// ---- replace ----

pub fn replace(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    if args.is_set("raw") {
        return raw(kube, "PUT", "raw");
    }
    if args.list("filename").is_empty() {
        return fail("must specify one of -f and -k");
    }
    let dry_run = dry_run(kube)?;
    let output = Output::read(kube, false)?;
    let validation = Validation::read(kube)?;
    let force = args.bool("force");
    let query = Query { local: true, validates: !force, ..Query::of(kube) };
    let targets = builder::targets(kube, &query)?;
    let infos: Vec<Info> = targets.into_iter().filter_map(|target| match target {
        Target::Read(info) => Some(info),
        _ => None,
    }).collect();
    if force {
        let failures = kube.each(&infos, |kube, info| delete::gone(kube, info, dry_run))?;
        all(failures)?;
        for info in &infos {
            super::openapi::validate(kube, &info.object, &info.source)?;
        }
    }
    let failures = kube.each(&infos, |kube, info| {
        if force {
            let object = post(kube, info, &info.object, dry_run, "kubectl-replace", validation)?;
            return print::outcome(kube, &output, &object, "replaced", dry_run);
        }
        let mut object = (*info.object).clone();
        if dry_run != DryRun::Client {
            object = put(kube, info, object, dry_run, validation)
                .map_err(|stop| about(stop, &format!("error when replacing {}: ", quote(&info.source))))?;
        }
        print::outcome(kube, &output, &object, "replaced", dry_run)
    })?;
    all(failures)
}

/// Puts an object in the place of the one that is there; one without a version takes that one's.
fn put(kube: &mut Kube, info: &Info, mut object: Value, dry_run: DryRun, validation: Validation) -> Outcome<Value> {
    let path = if kube.args.text("subresource").is_empty() {
        info.path()
    } else {
        format!("{}/{}", info.path(), kube.args.text("subresource"))
    };
    if object["metadata"]["resourceVersion"].as_str().unwrap_or_default().is_empty() {
        let request = Request::get(path.clone(), accept::JSON).about(&info.resource.name, &info.name);
        let now = kube.object(&request)?;
        object["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"].clone();
    }
    let request = Request::new("PUT", path, accept::JSON)
        .query("fieldValidation", validation.parameter())
        .json(content::JSON, &object)
        .about(&info.resource.name, &info.name);
    let request = marked(kube, request, dry_run, "kubectl-replace");
    kube.object(&request).map(|object| (*object).clone())
}

// ---- label and annotate ----

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
        let clash = changes.set.iter().find(|(name, value)| {
            !overwrite && old.get(*name).is_some_and(|own| own != value.as_str())
        });
        if let Some((name, _)) = clash {
            let own = old[name].as_str().unwrap_or_default();
            return match field {
                "labels" => fail(format!("'{name}' already has a value ({own}), and --overwrite is false")),
                _ => fail(format!("--overwrite is false but found the following declared annotation(s): '{name}' already has a value ({own})")),
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
    for (name, value) in &changes.set {
        if let Some(why) = names::qualified_name(name).first() {
            return fail(format!("invalid label key: {}: {why}", quote(&format!("{name}={value}"))));
        }
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

// ---- patch ----

pub fn patch(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    let dry_run = dry_run(kube)?;
    let output = Output::read(kube, false)?;
    let mut text = args.text("patch").to_owned();
    if args.is_set("patch-file") {
        text = builder::read(kube, args.text("patch-file"), false)?.into_iter().map(|(_, text)| text).collect();
    }
    if text.is_empty() {
        return fail("must specify --patch or --patch-file containing the contents of the patch");
    }
    let content = match args.text("type") {
        "" | "strategic" => content::STRATEGIC,
        "merge" => content::MERGE,
        "json" => content::JSON_PATCH,
        other => {
            return fail(format!("--type must be one of [json merge strategic], not {}", quote(other)));
        }
    };
    let patch = match yaml::parse(&text) {
        Ok(read) => read.value,
        Err(error) => return fail(format!("unable to parse {}: {error}", quote(&text))),
    };
    let subresource = args.text("subresource").to_owned();
    builder::visit(kube, &Query::of(kube), |kube, info| {
        if dry_run == DryRun::Client || args.bool("local") {
            let new = patches::applied(&info.object, &patch, content).or_else(fail)?;
            return print::outcome(kube, &output, &new, "patched", dry_run);
        }
        let path = if subresource.is_empty() { info.path() } else { format!("{}/{subresource}", info.path()) };
        let request = Request::new("PATCH", path, accept::JSON)
            .json(content, &patch)
            .about(&info.resource.name, &info.name);
        let request = marked(kube, request, dry_run, "kubectl-patch");
        let new = kube.object(&request)?;
        let said = if same_but_version(&info.object, &new) { "patched (no change)" } else { "patched" };
        print::outcome(kube, &output, &new, said, dry_run)
    })
}

fn same_but_version(a: &Value, b: &Value) -> bool {
    let mut pair = [a.clone(), b.clone()];
    pair.iter_mut().for_each(|object| print_hide(object));
    pair[0] == pair[1]
}

/// What a server changes by itself.
fn print_hide(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
}

// ---- scale ----

pub fn scale(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    if !args.is_set("replicas") || args.int("replicas") < 0 {
        return fail("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0");
    }
    let dry_run = dry_run(kube)?;
    let output = Output::read(kube, false)?;
    let (replicas, current) = (args.int("replicas"), args.int("current-replicas"));
    let version = args.text("resource-version").to_owned();
    let query = Query::of(kube);
    builder::visit(kube, &query, |kube, info| {
        if dry_run == DryRun::Client {
            return print::outcome(kube, &output, &info.object, "scaled", dry_run);
        }
        let path = format!("{}/scale", info.path());
        let about = |request: Request| request.about(&info.resource.name, &info.name);
        if current < 0 && version.is_empty() {
            let patch = json!({"spec": {"replicas": replicas}});
            let mut request = about(Request::new("PATCH", path, accept::ANY).json(content::MERGE, &patch));
            if dry_run == DryRun::Server {
                request = request.query("dryRun", "All");
            }
            kube.object(&request)?;
        } else {
            let scale = kube.object(&about(Request::get(path.clone(), accept::ANY)))?;
            let own = scale["spec"]["replicas"].as_i64().unwrap_or(0);
            if current >= 0 && own != current {
                return fail(format!("Expected replicas to be {current}, was {own}"));
            }
            if !version.is_empty() && scale["metadata"]["resourceVersion"] != version.as_str() {
                let own = scale["metadata"]["resourceVersion"].as_str().unwrap_or_default();
                return fail(format!("Expected resource version to be {version}, was {own}"));
            }
            let mut scale = (*scale).clone();
            scale["spec"]["replicas"] = replicas.into();
            let mut request = about(Request::new("PUT", path, accept::ANY).json("", &scale));
            if dry_run == DryRun::Server {
                request = request.query("dryRun", "All");
            }
            kube.object(&request)?;
        }
        print::outcome(kube, &output, &info.object, "scaled", dry_run)
    })
}

// ---- taint ----

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
                return fail(format!("node {name} already has {} taint(s) with same effect(s) and --overwrite is false", twin.key));
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
            let is_gone = gone.iter().any(|(key, effect)| own.key == *key && (effect.is_empty() || own.effect == *effect));
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

/// What a file holds as JSON on one line, for annotations.
pub fn one_line(object: &Value) -> String {
    let mut object = object.clone();
    object.sort_all_objects();
    json_text::to_string(&object) + "\n"
}

/// The resource of objects that are made without asking what the server has.
pub fn known(api_version: &str, kind: &str) -> ApiResource {
    let found = crate::k8s::registry::of_kind(api_version, kind);
    found.map_or_else(ApiResource::default, |found| ApiResource {
        group: found.group.to_owned(),
        version: found.version.to_owned(),
        name: found.name.to_owned(),
        singular: found.singular.clone(),
        kind: found.kind.to_owned(),
        is_namespaced: found.is_namespaced,
        ..ApiResource::default()
    })
}
