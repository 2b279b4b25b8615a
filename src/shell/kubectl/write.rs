//! Commands that write an object as it is given: `create -f`, `replace`, `patch`, `scale`; and what all that write share.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/{create,replace,patch,scale}`.

use bytes::Bytes;
use serde_json::{Value, json};

use super::builder::{self, Info, Query, Target};
use super::client::{Kube, Request, accept, content};
use super::delete;
use super::discovery::ApiResource;
use super::failure::{Failure, Outcome, Stop, all, fail};
use super::flags::DryRun;
use super::openapi::Validation;
use super::patches;
use super::print::{self, Output};
use crate::k8s::{json as json_text, yaml};
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
    let infos: Vec<Info> = targets
        .into_iter()
        .filter_map(|target| match target {
            Target::Read(info) => Some(info),
            _ => None,
        })
        .collect();
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
    let infos: Vec<Info> = targets
        .into_iter()
        .filter_map(|target| match target {
            Target::Read(info) => Some(info),
            _ => None,
        })
        .collect();
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
    // What begins like JSON is sent as it is, for the server to read.
    let patch = match yaml::parse(&text) {
        Ok(read) => json_text::to_string(&read.value).into(),
        Err(_) if text.trim_start().starts_with('{') => Bytes::from(text),
        Err(error) => return fail(format!("unable to parse {}: {error}", quote(&text))),
    };
    let subresource = args.text("subresource").to_owned();
    builder::visit(kube, &Query::of(kube), |kube, info| {
        if dry_run == DryRun::Client || args.bool("local") {
            let patch = json_text::parse(&patch).map_err(|error| Failure::Text(error.message))?.value;
            let new = patches::applied(&info.object, &patch, content).or_else(fail)?;
            return print::outcome(kube, &output, &new, "patched", dry_run);
        }
        let path = if subresource.is_empty() { info.path() } else { format!("{}/{subresource}", info.path()) };
        let request = Request { content, body: patch.clone(), ..Request::new("PATCH", path, accept::JSON) }
            .about(&info.resource.name, &info.name);
        let request = marked(kube, request, dry_run, "kubectl-patch");
        let new = kube.object(&request).map_err(|stop| match stop {
            Stop::Failed(failure) if failure.is("UnsupportedMediaType") => {
                let text = failure.text();
                Stop::Failed(Failure::Text(format!(
                    "{content} is not supported by {}: {text}",
                    info.resource.kind_text()
                )))
            }
            other => other,
        })?;
        let said = if is_same(&info.object, &new) { "patched (no change)" } else { "patched" };
        print::outcome(kube, &output, &new, said, dry_run)
    })
}

/// Whether two objects are the same, whoever manages them.
fn is_same(a: &Value, b: &Value) -> bool {
    let mut pair = [a.clone(), b.clone()];
    pair.iter_mut().for_each(print::hide_managed);
    pair[0] == pair[1]
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

// ---- shared ----

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
