//! `events`, `top`, `certificate`, `auth`: answers that are asked for in one piece.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/{events,top,certificates,auth}`.

use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::builder::{self, Query};
use super::client::{Kube, Request, accept, in_form};
use super::config::list;
use super::describe;
use super::failure::{Failure, Outcome, Stop, all, fail};
use super::flags::DryRun;
use super::print::table::{age, age_of};
use super::print::tabs::{align, align_again};
use super::print::{self, Output};
use super::write::{dry_run, known};
use crate::k8s::json as json_text;
use crate::k8s::meta::quantity::{Format, Quantity};
use crate::k8s::meta::time::{Precision, Time};

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

// ---- events ----

pub fn events(kube: &mut Kube) -> Outcome<()> {
    let output = Output::read(kube, false)?;
    let args = kube.args;
    let everywhere = args.bool("all-namespaces");
    let namespace = if everywhere { String::new() } else { kube.namespace()? };
    let mut selector = String::new();
    if !args.text("for").is_empty() {
        let Some((kind, name)) = args.text("for").split_once('/') else {
            return fail("--for must be in resource/name form");
        };
        let (kind, name) = (kind.to_owned(), name.to_owned());
        let resource = kube.resource(&kind)?;
        selector = format!("involvedObject.kind={},involvedObject.apiVersion={},involvedObject.name={name}", resource.kind, resource.api_version());
    }
    let limit = args.int("chunk-size");
    let request = |watch: bool| {
        let request = Request::get(known("v1", "Event").path(&namespace), accept::TYPED).maybe("fieldSelector", &selector).about("events", "");
        let request = if limit > 0 { request.query("limit", limit.to_string()) } else { request };
        if watch { request.query("watch", "true") } else { request }
    };
    let types: Vec<String> = args.list("types").iter().map(|kind| kind.to_lowercase()).collect();
    let wanted = |event: &Value| types.is_empty() || types.contains(&text(&event["type"]).to_lowercase());
    let found = if args.bool("watch") { None } else { Some(kube.object(&request(false))?) };
    if let Some(found) = found {
        let mut items: Vec<&Value> = list(&found["items"]).iter().filter(|event| wanted(event)).collect();
        if items.is_empty() && output.is_human() {
            kube.complain(if everywhere { "No events found.\n".to_owned() } else { format!("No events found in {namespace} namespace.\n") });
            return Ok(());
        }
        items.sort_by_key(|event| seen(event));
        if !output.is_human() {
            let list = json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}});
            return print::outcome(kube, &output, &list, "", DryRun::None);
        }
        let mut out = head(kube, everywhere);
        items.iter().for_each(|event| out += &row(kube, event, everywhere));
        kube.print(align(&out, 6, 3));
        return Ok(());
    }
    let stream = kube.open(&request(true))?;
    kube.fold(json!([[], true]), |kube, state| {
        let Some(line) = kube.run.line(stream)? else { return Ok(ControlFlow::Break(())) };
        let Ok(event) = json_text::parse(&line) else { return Ok(ControlFlow::Continue(())) };
        let object = &event.value["object"];
        if event.value["type"] == "DELETED" || !wanted(object) {
            return Ok(ControlFlow::Continue(()));
        }
        let mut widths: Vec<usize> = list(&state[0]).iter().filter_map(Value::as_u64).map(|width| width as usize).collect();
        let mut out = if state[1] == true { head(kube, everywhere) } else { String::new() };
        out += &row(kube, object, everywhere);
        let shown = align_again(&out, 6, 3, &mut widths);
        kube.print(shown);
        *state = json!([widths, false]);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(())
}

fn head(kube: &Kube, everywhere: bool) -> String {
    match (kube.args.bool("no-headers"), everywhere) {
        (true, _) => String::new(),
        (false, true) => "NAMESPACE\tLAST SEEN\tTYPE\tREASON\tOBJECT\tMESSAGE\n".to_owned(),
        (false, false) => "LAST SEEN\tTYPE\tREASON\tOBJECT\tMESSAGE\n".to_owned(),
    }
}

/// When an event was seen last.
fn seen(event: &Value) -> i128 {
    let moments = [&event["series"]["lastObservedTime"], &event["lastTimestamp"], &event["eventTime"]];
    moments.iter().find_map(|moment| age_of(moment)).unwrap_or(0)
}

fn row(kube: &Kube, event: &Value, everywhere: bool) -> String {
    let now = kube.run.unix_nanos();
    let first = if age_of(&event["eventTime"]).is_some() { &event["eventTime"] } else { &event["firstTimestamp"] };
    let first = age(first, now);
    let count = event["count"].as_i64().unwrap_or(0);
    let when = if event["series"].is_object() {
        format!("{} (x{} over {first})", age(&event["series"]["lastObservedTime"], now), event["series"]["count"])
    } else if count > 1 {
        format!("{} (x{count} over {first})", age(&event["lastTimestamp"], now))
    } else {
        first
    };
    let object = &event["involvedObject"];
    let place = if everywhere { format!("{}\t", text(&object["namespace"])) } else { String::new() };
    let message = text(&event["message"]).trim().replace('\n', " ");
    format!("{place}{when}\t{}\t{}\t{}/{}\t{message}\n", text(&event["type"]), text(&event["reason"]), text(&object["kind"]), text(&object["name"]))
}

// ---- top ----

/// Whether anybody measures.
fn measured(kube: &mut Kube) -> Outcome<()> {
    // Upstream asks by a client of its own, which keeps nothing and has no time limit.
    let requests = ["/api", "/apis"].map(|path| Request::get(path, accept::DISCOVERY));
    let mut is_there = false;
    for request in &requests {
        let found = kube.object(request)?;
        let aggregated = list(&found["items"]).iter().find(|group| group["metadata"]["name"] == "metrics.k8s.io");
        let group = aggregated.or_else(|| list(&found["groups"]).iter().find(|group| group["name"] == "metrics.k8s.io"));
        is_there |= group.is_some_and(|group| list(&group["versions"]).iter().any(|known| known["version"] == "v1beta1"));
    }
    if is_there { Ok(()) } else { fail("Metrics API not available") }
}

fn quantity(value: &Value) -> Quantity {
    Quantity::parse(text(value)).unwrap_or_else(|_| Quantity::new(0, Format::DecimalSi))
}

/// Thousandths of a processor, and mebibytes.
fn cells(cpu: &Quantity, memory: &Quantity) -> (String, String) {
    (format!("{}m", cpu.milli_value()), format!("{}Mi", memory.value() / (1 << 20)))
}

pub fn top_nodes(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    measured(kube)?;
    let name = args.words.first().cloned().unwrap_or_default();
    let path = if name.is_empty() { "/apis/metrics.k8s.io/v1beta1/nodes".to_owned() } else { format!("/apis/metrics.k8s.io/v1beta1/nodes/{name}") };
    let request = Request::get(path, accept::METRICS).maybe("labelSelector", args.text("selector")).about("nodes", &name);
    let found = kube.object(&request)?;
    let metrics: Vec<Value> = if name.is_empty() { list(&found["items"]).to_vec() } else { vec![(*found).clone()] };
    if metrics.is_empty() {
        return fail("metrics not available yet");
    }
    let path = if name.is_empty() { "/api/v1/nodes".to_owned() } else { format!("/api/v1/nodes/{name}") };
    let request = Request::get(path, accept::TYPED).maybe("labelSelector", args.text("selector")).about("nodes", &name);
    let nodes = kube.object(&request)?;
    let nodes: Vec<Value> = if name.is_empty() { list(&nodes["items"]).to_vec() } else { vec![(*nodes).clone()] };
    let sort = args.text("sort-by").to_owned();
    let mut rows = Vec::new();
    for metric in &metrics {
        let own = &metric["metadata"]["name"];
        let node = nodes.iter().find(|node| node["metadata"]["name"] == *own);
        let field = if args.bool("show-capacity") { "capacity" } else { "allocatable" };
        let (cpu, memory) = (quantity(&metric["usage"]["cpu"]), quantity(&metric["usage"]["memory"]));
        let (cpu_cell, memory_cell) = cells(&cpu, &memory);
        let share = |used: &Quantity, resource: &str| {
            let all = node.map_or(0, |node| quantity(&node["status"][field][resource]).milli_value());
            if all == 0 { "<unknown>".to_owned() } else { format!("{}%", i128::from(used.milli_value()) * 100 / i128::from(all)) }
        };
        let key = match &sort[..] {
            "cpu" => -i128::from(cpu.milli_value()),
            "memory" => -i128::from(memory.value()),
            _ => 0,
        };
        rows.push((key, text(own).to_owned(), vec![cpu_cell, share(&cpu, "cpu"), memory_cell, share(&memory, "memory")]));
    }
    for node in nodes.iter().filter(|node| !metrics.iter().any(|metric| metric["metadata"]["name"] == node["metadata"]["name"])) {
        rows.push((i128::MAX, text(&node["metadata"]["name"]).to_owned(), vec!["<unknown>".to_owned(); 4]));
    }
    table(kube, &["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"], rows)
}

type Rows = Vec<(i128, String, Vec<String>)>;

fn table(kube: &mut Kube, head: &[&str], mut rows: Rows) -> Outcome<()> {
    rows.sort();
    let mut out = String::new();
    let line = |cells: &[&str]| cells.iter().map(|cell| format!("{cell}\t")).collect::<String>() + "\n";
    if !kube.args.bool("no-headers") {
        out += &line(head);
    }
    for (_, name, cells) in &rows {
        let mut all = vec![&name[..]];
        all.extend(cells.iter().map(String::as_str));
        // A name of two parts stands in two columns.
        let all: Vec<&str> = all.iter().flat_map(|cell| cell.split('\u{0}')).collect();
        out += &line(&all);
    }
    kube.print(align(&out, 6, 3));
    Ok(())
}

pub fn top_pods(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    measured(kube)?;
    let everywhere = args.bool("all-namespaces");
    let namespace = if everywhere { String::new() } else { kube.namespace()? };
    let name = args.words.first().cloned().unwrap_or_default();
    let mut path = "/apis/metrics.k8s.io/v1beta1".to_owned();
    if !namespace.is_empty() {
        path += &format!("/namespaces/{namespace}");
    }
    path += "/pods";
    if !name.is_empty() {
        path += &format!("/{name}");
    }
    let request = Request::get(path, accept::METRICS)
        .maybe("labelSelector", args.text("selector"))
        .maybe("fieldSelector", args.text("field-selector"))
        .about("pods", &name);
    let found = kube.object(&request)?;
    let metrics: Vec<Value> = if name.is_empty() { list(&found["items"]).to_vec() } else { vec![(*found).clone()] };
    if metrics.is_empty() {
        kube.complain(if everywhere { "No resources found\n".to_owned() } else { format!("No resources found in {namespace} namespace.\n") });
        return Ok(());
    }
    let (by_container, sort) = (args.bool("containers"), args.text("sort-by").to_owned());
    let mut rows: Rows = Vec::new();
    let (mut cpu_all, mut memory_all) = (0i64, 0i64);
    for metric in &metrics {
        let place = if everywhere { format!("{}\u{0}", text(&metric["metadata"]["namespace"])) } else { String::new() };
        let pod = text(&metric["metadata"]["name"]);
        let zero = || Quantity::new(0, Format::DecimalSi);
        let containers = list(&metric["containers"]);
        let sum = |field: &str| containers.iter().fold(zero(), |sum, own| sum.add(&quantity(&own["usage"][field])));
        let (cpu, memory) = (sum("cpu"), sum("memory"));
        cpu_all += cpu.milli_value();
        memory_all += memory.value() / (1 << 20);
        let key = match &sort[..] {
            "cpu" => -i128::from(cpu.milli_value()),
            "memory" => -i128::from(memory.value()),
            _ => 0,
        };
        if by_container {
            for own in containers {
                let (cpu, memory) = cells(&quantity(&own["usage"]["cpu"]), &quantity(&own["usage"]["memory"]));
                rows.push((key, format!("{place}{pod}"), vec![text(&own["name"]).to_owned(), cpu, memory]));
            }
        } else {
            let (cpu, memory) = cells(&cpu, &memory);
            rows.push((key, format!("{place}{pod}"), vec![cpu, memory]));
        }
    }
    let mut head = if everywhere { vec!["NAMESPACE"] } else { Vec::new() };
    head.extend(if by_container { ["POD", "NAME"].as_slice() } else { ["NAME"].as_slice() });
    head.extend(["CPU(cores)", "MEMORY(bytes)"]);
    if args.bool("sum") {
        let blanks = if everywhere { "\u{0}" } else { "" };
        let mut cells = vec![format!("{cpu_all}m"), format!("{memory_all}Mi")];
        if by_container {
            cells.insert(0, String::new());
        }
        let line = vec!["________".to_owned(); 2];
        let mut ruled = line;
        if by_container {
            ruled.insert(0, String::new());
        }
        rows.push((i128::MAX - 1, blanks.to_owned(), ruled));
        rows.push((i128::MAX, blanks.to_owned(), cells));
    }
    table(kube, &head, rows)
}

// ---- certificate ----

pub fn approve(kube: &mut Kube) -> Outcome<()> {
    judge(kube, "Approved", "Denied", "KubectlApprove", "This CSR was approved by kubectl certificate approve.", "approved")
}

pub fn deny(kube: &mut Kube) -> Outcome<()> {
    judge(kube, "Denied", "Approved", "KubectlDeny", "This CSR was denied by kubectl certificate deny.", "denied")
}

fn judge(kube: &mut Kube, kind: &str, other: &str, reason: &str, message: &str, done: &str) -> Outcome<()> {
    let output = Output::read(kube, false)?;
    let force = kube.args.bool("force");
    let query = Query { default_type: "certificatesigningrequests", ..Query::of(kube) };
    if query.words.is_empty() && query.files.is_empty() {
        return fail("one or more CSRs must be specified as <name> or -f <filename>");
    }
    builder::visit(kube, &query, |kube, info| {
        let mut object = (*kube.object(&info.request("GET", accept::TYPED))?).clone();
        let conditions = list(&object["status"]["conditions"]).to_vec();
        if conditions.iter().any(|condition| condition["type"] == kind) && !force {
            return print::outcome(kube, &output, &object, done, DryRun::None);
        }
        if conditions.iter().any(|condition| condition["type"] == other) {
            return fail(format!("certificate signing request {:?} is already {}", info.name, other));
        }
        let seconds = (kube.run.unix_nanos() / 1_000_000_000) as i64;
        let now = Time { seconds, nanos: 0 }.format(Precision::Seconds);
        let mut conditions: Vec<Value> = conditions.into_iter().filter(|condition| condition["type"] != kind).collect();
        conditions.push(json!({"type": kind, "reason": reason, "message": message, "lastUpdateTime": now, "status": "True"}));
        if !object["status"].is_object() {
            object["status"] = json!({});
        }
        object["status"]["conditions"] = conditions.into();
        let path = format!("{}/approval", info.path());
        let request = Request::new("PUT", path, accept::TYPED).protobuf(&object)?.about(&info.resource.name, &info.name);
        kube.object(&request)?;
        print::outcome(kube, &output, &object, done, DryRun::None)
    })
}

// ---- auth ----

fn review(kube: &mut Kube, group: &str, kind: &str, spec: Option<Value>) -> Outcome<Value> {
    let api_version = format!("{group}/v1");
    let mut object = json!({"kind": kind, "apiVersion": api_version});
    if let Some(spec) = spec {
        object["spec"] = spec;
    }
    let object = in_form(&object).or_else(fail)?;
    let path = format!("/apis/{api_version}/{}s", kind.to_lowercase());
    let request = Request::new("POST", path, accept::TYPED).protobuf(&object)?.about(&format!("{}s", kind.to_lowercase()), "");
    kube.object(&request).map(|answer| (*answer).clone())
}

pub fn can_i(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    let config = kube.config()?;
    let namespace = if args.bool("all-namespaces") { String::new() } else { config.namespace.clone() };
    if args.bool("list") {
        return can_list(kube, &namespace);
    }
    let words = &args.words;
    let (verb, rest) = match &words[..] {
        [verb, rest @ ..] if !rest.is_empty() && rest.len() <= 2 => (verb.clone(), rest),
        _ => return fail("you must specify two arguments: verb resource or verb resource/resourceName.\nSee 'kubectl auth can-i -h' for help and examples."),
    };
    let (word, name) = match rest {
        [word] => word.split_once('/').filter(|_| !word.starts_with('/')).map_or((word.clone(), String::new()), |(word, name)| (word.to_owned(), name.to_owned())),
        [word, name] => (word.clone(), name.clone()),
        _ => (String::new(), String::new()),
    };
    let spec = if word.starts_with('/') {
        json!({"nonResourceAttributes": {"path": word, "verb": verb}})
    } else {
        let found = kube.look_up(|discovery| discovery.find(&word).cloned())?;
        // Upstream looks whether the verb fits the scope by the older list.
        let (group, resource) = match &found {
            Some(found) => {
                let request = Request::get(super::discovery::root_of(&found.group, &found.version), accept::ANY);
                let listed = kube.object(&request)?;
                let own = list(&listed["resources"]).iter().find(|own| own["name"] == found.name.as_str());
                if own.is_some_and(|own| own["namespaced"] == false) {
                    let qualified = if found.group.is_empty() { String::new() } else { format!(" in group '{}'", found.group) };
                    kube.warn(&format!("resource '{}' is not namespace scoped{qualified}\n", found.name));
                }
                (found.group.clone(), found.name.clone())
            }
            None => {
                let (resource, group) = word.split_once('.').unwrap_or((&word, ""));
                if resource != "*" {
                    let qualified = if group.is_empty() { String::new() } else { format!(" in group '{group}'") };
                    kube.warn(&format!("the server doesn't have a resource type '{resource}'{qualified}\n"));
                }
                (group.to_owned(), resource.to_owned())
            }
        };
        let mut attributes = json!({"verb": verb, "resource": resource});
        for (field, value) in [("namespace", &namespace), ("group", &group), ("name", &name), ("subresource", &args.text("subresource").to_owned())] {
            if !value.is_empty() {
                attributes[field] = value.as_str().into();
            }
        }
        json!({"resourceAttributes": attributes})
    };
    let answer = review(kube, "authorization.k8s.io", "SelfSubjectAccessReview", Some(spec))?;
    let status = &answer["status"];
    let allowed = status["allowed"] == true;
    if !args.bool("quiet") {
        let mut line = if allowed { "yes".to_owned() } else { "no".to_owned() };
        if !allowed {
            for (before, field) in [(" - ", "reason"), (" - ", "evaluationError")] {
                if !text(&status[field]).is_empty() {
                    line += &format!("{before}{}", text(&status[field]));
                }
            }
        }
        kube.print(line + "\n");
    }
    if allowed { Ok(()) } else { Err(Stop::Failed(Failure::Exit(1))) }
}

fn can_list(kube: &mut Kube, namespace: &str) -> Outcome<()> {
    let answer = review(kube, "authorization.k8s.io", "SelfSubjectRulesReview", Some(json!({"namespace": namespace})))?;
    let status = &answer["status"];
    let mut both: Vec<Value> = list(&status["resourceRules"]).to_vec();
    both.extend(list(&status["nonResourceRules"]).iter().cloned());
    let mut out = if kube.args.bool("no-headers") { String::new() } else { "Resources\tNon-Resource URLs\tResource Names\tVerbs\n".to_owned() };
    let mut rules = describe::rules(&Value::Array(both));
    // What is a resource comes first.
    rules.sort_by_key(|(resource, ..)| resource.is_empty());
    for (resource, urls, names, verbs) in rules {
        out += &format!("{resource}\t[{}]\t[{}]\t[{}]\n", urls.join(" "), names.join(" "), verbs.join(" "));
    }
    if status["incomplete"] == true {
        let error = text(&status["evaluationError"]);
        let why = if error.is_empty() { String::new() } else { format!(": {error}") };
        kube.warn(&format!("the list may be incomplete{why}"));
    }
    kube.print(align(&out, 6, 3));
    Ok(())
}

pub fn whoami(kube: &mut Kube) -> Outcome<()> {
    let output = Output::read(kube, false)?;
    let answer = review(kube, "authentication.k8s.io", "SelfSubjectReview", None)?;
    if !output.is_human() {
        return print::outcome(kube, &output, &answer, "", DryRun::None);
    }
    let info = &answer["status"]["userInfo"];
    let mut out = "ATTRIBUTE\tVALUE\n".to_owned();
    for (title, field) in [("Username", "username"), ("UID", "uid")] {
        if !text(&info[field]).is_empty() {
            out += &format!("{title}\t{}\n", text(&info[field]));
        }
    }
    let join = |value: &Value| format!("[{}]", list(value).iter().map(text).collect::<Vec<_>>().join(" "));
    if !list(&info["groups"]).is_empty() {
        out += &format!("Groups\t{}\n", join(&info["groups"]));
    }
    let mut extra: Vec<(&String, &Value)> = info["extra"].as_object().into_iter().flatten().collect();
    extra.sort_by_key(|(name, _)| *name);
    for (name, value) in extra {
        out += &format!("Extra: {name}\t{}\n", join(value));
    }
    kube.print(align(&out, 6, 3));
    Ok(())
}

pub fn reconcile(kube: &mut Kube) -> Outcome<()> {
    let dry_run = dry_run(kube)?;
    let output = Output::read(kube, false)?;
    let files = kube.args.list("filename");
    if files.is_empty() {
        return fail("must specify one of -f and -k");
    }
    let mut objects = Vec::new();
    for path in &files {
        for (source, text) in builder::read(kube, path, kube.args.bool("recursive"))? {
            for document in builder::documents(&text) {
                objects.push(builder::parse(&document, &source)?);
            }
        }
    }
    let failures = kube.each(&objects, |kube, object| reconcile_one(kube, object, dry_run, &output))?;
    all(failures)
}

/// Sees to it that a role or binding grants at least what the file says.
fn reconcile_one(kube: &mut Kube, object: &Value, dry_run: DryRun, output: &Output) -> Outcome<()> {
    let mut wanted = object.clone();
    let resource = known(text(&wanted["apiVersion"]), text(&wanted["kind"]));
    if resource.group != "rbac.authorization.k8s.io" {
        return fail(format!("only rbac.authorization.k8s.io/v1 is supported: not {}", text(&wanted["kind"])));
    }
    let namespace = match text(&wanted["metadata"]["namespace"]) {
        _ if !resource.is_namespaced => String::new(),
        "" => kube.namespace()?,
        own => own.to_owned(),
    };
    if resource.is_namespaced {
        wanted["metadata"]["namespace"] = namespace.clone().into();
    }
    let wanted = in_form(&wanted).or_else(fail)?;
    let name = text(&wanted["metadata"]["name"]).to_owned();
    let path = resource.object_path(&namespace, &name);
    let field = if resource.kind.ends_with("Binding") { "subjects" } else { "rules" };
    let existing = match kube.object(&Request::get(path.clone(), accept::TYPED).about(&resource.name, &name)) {
        Ok(existing) => Some(existing),
        Err(Stop::Failed(failure)) if failure.is_not_found() => None,
        Err(other) => return Err(other),
    };
    let (mut result, missing, what) = match &existing {
        None => (wanted.clone(), list(&wanted[field]).to_vec(), "create"),
        Some(existing) => {
            let own = list(&existing[field]);
            let missing: Vec<Value> = list(&wanted[field]).iter().filter(|item| !own.contains(item)).cloned().collect();
            let mut result = (**existing).clone();
            result[field] = own.iter().chain(&missing).cloned().collect::<Vec<_>>().into();
            let what = if missing.is_empty() { "none" } else { "update" };
            (result, missing, what)
        }
    };
    if dry_run == DryRun::None {
        if existing.is_none() && resource.is_namespaced {
            // The namespace is made if it is not there.
            let request = Request::get(format!("/api/v1/namespaces/{namespace}"), accept::TYPED).about("namespaces", &namespace);
            match kube.object(&request) {
                Err(Stop::Failed(failure)) if failure.is_not_found() => {
                    let made = in_form(&json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": namespace}})).or_else(fail)?;
                    kube.object(&Request::new("POST", "/api/v1/namespaces", accept::TYPED).protobuf(&made)?)?;
                }
                other => drop(other?),
            }
        }
        if what != "none" {
            let request = match existing {
                None => Request::new("POST", resource.path(&namespace), accept::TYPED),
                Some(_) => Request::new("PUT", path, accept::TYPED),
            };
            result = (*kube.object(&request.protobuf(&result)?.about(&resource.name, &name))?).clone();
        }
    }
    if output.is_human() {
        let mut out = String::new();
        if what != "none" {
            out += &format!("\treconciliation required {what}\n\tmissing {field} added:\n");
            missing.iter().for_each(|item| out += &format!("\t\t{}\n", go_struct(field, item)));
        }
        let said = print::named(&result, &print::tried("reconciled", dry_run));
        kube.print(said);
        kube.complain(out);
        return Ok(());
    }
    print::outcome(kube, output, &result, "reconciled", dry_run)
}

/// Go's `%+v` of a rule or subject.
fn go_struct(field: &str, item: &Value) -> String {
    let join = |name: &str| format!("[{}]", list(&item[name]).iter().map(text).collect::<Vec<_>>().join(" "));
    if field == "rules" {
        return format!(
            "{{Verbs:{} APIGroups:{} Resources:{} ResourceNames:{} NonResourceURLs:{}}}",
            join("verbs"),
            join("apiGroups"),
            join("resources"),
            join("resourceNames"),
            join("nonResourceURLs")
        );
    }
    let own = |name: &str| text(&item[name]).to_owned();
    format!("{{Kind:{} APIGroup:{} Name:{} Namespace:{}}}", own("kind"), own("apiGroup"), own("name"), own("namespace"))
}

