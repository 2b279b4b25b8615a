//! `kubectl get`.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/get`.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::{Value, json};

use super::builder::{self, Info, Query, Target};
use super::client::{Kube, Request, accept};
use super::config::list;
use super::discovery::ApiResource;
use super::failure::{Failure, Outcome, Stop, all, fail};
use super::print::jsonpath::JsonPath;
use super::print::table::{Printer, Style, is_table, kind_word};
use super::print::tabs::align_again;
use super::print::{Output, tidy};
use crate::k8s::meta::quantity::Quantity;
use crate::k8s::{json as json_text, yaml};
use crate::shell::printers::go::quote;
use crate::shell::text;

/// Columns are at least this wide, and this far apart.
const MIN: usize = 6;
const PADDING: usize = 3;

pub fn run(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    if args.is_set("raw") {
        return raw(kube);
    }
    let output = Output::read(kube, true)?;
    let watches = args.bool("watch") || args.bool("watch-only");
    if args.bool("output-watch-events") && !watches {
        return fail("--output-watch-events option can only be used with --watch or --watch-only");
    }
    if args.words.is_empty() && args.list("filename").is_empty() {
        kube.complain(
            "You must specify the type of resource to get. Use \"kubectl api-resources\" for a complete list of supported resources.\n\n",
        );
        return fail(
            "Required resource not specified.\nUse \"kubectl explain <resource>\" for a detailed description of that resource (e.g. kubectl explain pods).\nSee 'kubectl get -h' for help and examples",
        );
    }
    let sort = args.text("sort-by").to_owned();
    let asks_table = output.is_human() && args.bool("server-print");
    let mut query = Query::of(kube);
    query.accept = if asks_table { accept::TABLE } else { accept::JSON };
    query.all = true;
    query.limit = if sort.is_empty() { args.int("chunk-size") } else { 0 };
    if asks_table && !sort.is_empty() {
        query.parameters.push(("includeObject", "Object".to_owned()));
    }
    if watches {
        return watch(kube, &query, &output);
    }
    match output {
        Output::Human { wide } => human(kube, &query, wide, &sort),
        output => generic(kube, &query, &output, &sort),
    }
}

fn raw(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    if !args.words.is_empty() {
        return fail("arguments may not be passed when --raw is specified");
    }
    let target = args.text("raw").to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut request = Request::get(path, accept::ANY);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        request = request.query(&unescape(name), unescape(value));
    }
    let answer = kube.call(&request)?;
    kube.print(text::from_bytes(&answer.body));
    Ok(())
}

/// Go's `url.QueryUnescape`; what is no escape stays.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (byte, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(escaped)) => {
                out.push(escaped);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A table or an object of a resource.
struct Part {
    resource: ApiResource,
    object: Arc<Value>,
}

/// Everything that was asked for, a list as its pages, and what failed.
fn parts(kube: &mut Kube, query: &Query) -> Outcome<(Vec<Part>, Vec<Failure>)> {
    let (mut parts, mut failures) = (Vec::new(), Vec::new());
    let ignores = kube.args.bool("ignore-not-found");
    for target in builder::targets(kube, query)? {
        let resource = target.resource().clone();
        let found = match &target {
            Target::All { resource, namespace } => pages(kube, query, resource, namespace, &mut parts),
            target => builder::look(kube, query, target).map(|infos| {
                let part = |info: Info| Part { resource: resource.clone(), object: info.object };
                parts.extend(infos.into_iter().map(part));
            }),
        };
        match found {
            Ok(()) => {}
            Err(Stop::Failed(failure)) if ignores && failure.is_not_found() => {}
            Err(Stop::Failed(failure)) => failures.push(failure),
            Err(Stop::Pending) => return Err(Stop::Pending),
        }
    }
    Ok((parts, failures))
}

/// The pages of a list, as far as they came.
fn pages(
    kube: &mut Kube,
    query: &Query,
    resource: &ApiResource,
    namespace: &str,
    parts: &mut Vec<Part>,
) -> Outcome<()> {
    let mut token = String::new();
    loop {
        let object = builder::page(kube, query, resource, namespace, &token)?;
        token = object["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
        parts.push(Part { resource: resource.clone(), object });
        if token.is_empty() {
            return Ok(());
        }
    }
}

fn style(kube: &Kube, wide: bool) -> Style {
    let args = kube.args;
    Style {
        wide,
        no_headers: args.bool("no-headers"),
        label_columns: args.list("label-columns"),
        show_labels: args.bool("show-labels"),
        with_events: args.bool("output-watch-events"),
        ..Style::default()
    }
}

/// Whether namespaces are shown for objects of a resource.
fn with_namespace(kube: &Kube, resource: &ApiResource) -> bool {
    kube.args.bool("all-namespaces") && resource.is_namespaced
}

fn human(kube: &mut Kube, query: &Query, wide: bool, sort: &str) -> Outcome<()> {
    let (mut parts, failures) = parts(kube, query)?;
    if !sort.is_empty() {
        parts = sorted(parts, sort)?;
    }
    let with_kind = kube.args.bool("show-kind") || parts.windows(2).any(|pair| pair[0].resource != pair[1].resource);
    let now = kube.run.unix_nanos();
    let (mut out, mut group, mut printer) = (String::new(), String::new(), Printer::default());
    let mut last: Option<&ApiResource> = None;
    let flush = |group: &mut String, out: &mut String, no_headers: bool| {
        if !group.is_empty() {
            if !out.is_empty() && !no_headers {
                out.push('\n');
            }
            *out += &align_again(group, MIN, PADDING, &mut Vec::new());
            group.clear();
        }
    };
    for part in &parts {
        if last != Some(&part.resource) {
            flush(&mut group, &mut out, printer.style.no_headers);
            let kind = with_kind.then(|| kind_word(&part.resource.api_version(), &part.resource.kind));
            let with_namespace = with_namespace(kube, &part.resource);
            printer = Printer { style: Style { with_namespace, kind, ..style(kube, wide) }, ..Printer::default() };
            last = Some(&part.resource);
        }
        group += &printer.show(&part.object, "", now);
    }
    flush(&mut group, &mut out, printer.style.no_headers);
    if out.is_empty() && failures.is_empty() && !kube.args.bool("ignore-not-found") {
        let all_namespaced = parts.iter().all(|part| part.resource.is_namespaced);
        let namespace = kube.namespace()?;
        let line = match all_namespaced && !kube.args.bool("all-namespaces") {
            true => format!("No resources found in {namespace} namespace.\n"),
            false => "No resources found\n".to_owned(),
        };
        kube.complain(line);
    }
    kube.print(out);
    all(failures)
}

/// Objects in another form than a table.
fn generic(kube: &mut Kube, query: &Query, output: &Output, sort: &str) -> Outcome<()> {
    let is_single = is_single(kube, query)?;
    let (parts, failures) = parts(kube, query)?;
    let parts = if sort.is_empty() { parts } else { sorted(parts, sort)? };
    if parts.is_empty() && !failures.is_empty() {
        return all(failures);
    }
    if parts.is_empty() && kube.args.bool("ignore-not-found") {
        return Ok(());
    }
    let object = match &parts[..] {
        [part] if is_single => (*part.object).clone(),
        parts => {
            let items: Vec<Value> = parts.iter().flat_map(items_of).collect();
            json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}})
        }
    };
    let shown = match (output, object.get("items")) {
        // Each object of a list on a line of its own.
        (Output::Name, Some(items)) => {
            list(items).iter().map(|item| output.show(item, "")).collect::<Result<String, _>>()
        }
        _ if kube.args.bool("show-managed-fields") => show_all(output, &object),
        _ => output.show(&tidy_for(output, &object), ""),
    };
    match shown {
        Ok(shown) => kube.print(shown),
        Err(error) => return fail(error),
    }
    all(failures)
}

/// One object was named, so that no list is made of it.
fn is_single(kube: &mut Kube, query: &Query) -> Outcome<bool> {
    let targets = builder::targets(kube, query)?;
    Ok(targets.len() == 1 && !matches!(targets[0], Target::All { .. }))
}

fn tidy_for(output: &Output, object: &Value) -> Value {
    match output {
        Output::Columns(_) | Output::Name => object.clone(),
        _ => tidy(object),
    }
}

/// With what managers own.
fn show_all(output: &Output, object: &Value) -> Result<String, String> {
    let mut object = object.clone();
    object.sort_all_objects();
    match output {
        Output::Json => Ok(json_text::to_string_pretty(&object) + "\n"),
        Output::Yaml => Ok(yaml::to_string(&object)),
        output => output.show(&object, ""),
    }
}

/// The objects of a page, each with what the page says of all.
fn items_of(part: &Part) -> Vec<Value> {
    let Some(items) = part.object.get("items").and_then(Value::as_array) else { return vec![(*part.object).clone()] };
    let resource = &part.resource;
    let whole = |item: &Value| {
        let mut item = item.clone();
        if let Some(map) = item.as_object_mut() {
            map.entry("apiVersion").or_insert_with(|| resource.api_version().into());
            map.entry("kind").or_insert_with(|| resource.kind.clone().into());
        }
        item
    };
    items.iter().map(whole).collect()
}

/// Everything in the order of a field: one list for each resource.
fn sorted(parts: Vec<Part>, sort: &str) -> Outcome<Vec<Part>> {
    let path = match JsonPath::relaxed(sort) {
        Ok(path) => path,
        Err(error) => return fail(error),
    };
    let mut out: Vec<Part> = Vec::new();
    for part in parts {
        let field = if is_table(&part.object) { "rows" } else { "items" };
        let mut whole = (*part.object).clone();
        let own = whole.get_mut(field).and_then(Value::as_array_mut).map(std::mem::take);
        let Some(own) = own else {
            out.push(part);
            continue;
        };
        match out.last_mut().filter(|last| last.resource == part.resource) {
            Some(last) => {
                let target = Arc::make_mut(&mut last.object)[field].as_array_mut();
                target.into_iter().for_each(|target| target.extend(own.iter().cloned()));
            }
            None => {
                whole[field] = own.into();
                out.push(Part { object: Arc::new(whole), ..part });
            }
        }
    }
    for part in &mut out {
        let field = if is_table(&part.object) { "rows" } else { "items" };
        let Some(rows) = Arc::make_mut(&mut part.object).get_mut(field).and_then(Value::as_array_mut) else { continue };
        let object = |row: &Value| if field == "rows" { row["object"].clone() } else { row.clone() };
        let mut keyed: Vec<(Option<Value>, Value)> = std::mem::take(rows)
            .into_iter()
            .map(|row| (path.first(&object(&row)).map(|found| found.value().clone()), row))
            .collect();
        if !keyed.is_empty() && keyed.iter().all(|(key, _)| key.is_none()) {
            return fail(format!(
                "couldn't find any field with path {} in the list of objects",
                quote(&format!("{{{}}}", sort.trim_matches(['{', '}'])))
            ));
        }
        keyed.sort_by(|(a, _), (b, _)| by_value(a.as_ref(), b.as_ref()));
        *rows = keyed.into_iter().map(|(_, row)| row).collect();
    }
    Ok(out)
}

/// Nothing first; amounts by what they are worth, texts with numbers in them by their numbers.
fn by_value(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, _) => Ordering::Less,
        (_, None) => Ordering::Greater,
        (Some(Value::String(a)), Some(Value::String(b))) => match (Quantity::parse(a), Quantity::parse(b)) {
            (Ok(a), Ok(b)) => a.cmp_value(&b),
            _ => natural(a, b),
        },
        (Some(a), Some(b)) => super::print::jsonpath::order(a, b).unwrap_or(Ordering::Equal),
    }
}

/// Digits as numbers, the rest as it is.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        match (a.first(), b.first()) {
            (None, None) => return Ordering::Equal,
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let (left, right) = (&a[..digits(a)], &b[..digits(b)]);
                let trimmed = |text: &[u8]| text.iter().skip_while(|byte| **byte == b'0').copied().collect::<Vec<u8>>();
                let (plain_left, plain_right) = (trimmed(left), trimmed(right));
                let order = plain_left.len().cmp(&plain_right.len()).then(plain_left.cmp(&plain_right));
                let order = order.then(left.len().cmp(&right.len()));
                if order.is_ne() {
                    return order;
                }
                (a, b) = (&a[left.len()..], &b[right.len()..]);
            }
            (Some(x), Some(y)) if x != y => return x.cmp(y),
            _ => (a, b) = (&a[1..], &b[1..]),
        }
    }
}

/// Shows what is there and then what changes.
fn watch(kube: &mut Kube, query: &Query, output: &Output) -> Outcome<()> {
    let targets = builder::targets(kube, query)?;
    let [target] = &targets[..] else {
        return fail("you may only specify a single resource type");
    };
    let resource = target.resource().clone();
    let (found, mut request) = match target {
        Target::All { resource, namespace } => {
            let mut parts = Vec::new();
            pages(kube, query, resource, namespace, &mut parts)?;
            let version =
                parts.last().map(|part| part.object["metadata"]["resourceVersion"].as_str().unwrap_or_default());
            let request = Request::get(resource.path(namespace), query.accept)
                .maybe("fieldSelector", &query.field_selector)
                .maybe("labelSelector", &query.selector)
                .query("resourceVersion", version.unwrap_or_default());
            (parts, request.about(&resource.name, ""))
        }
        target => {
            let infos = builder::look(kube, query, target)?;
            let (namespace, name) = match target {
                Target::Named { namespace, name, .. } => (namespace, name),
                Target::Read(info) => (&info.namespace, &info.name),
                Target::All { namespace, .. } => (namespace, namespace),
            };
            // From now on, and with the object as it is now as first event.
            let request = Request::get(resource.path(namespace), query.accept)
                .query("fieldSelector", format!("metadata.name={name}"))
                .query("resourceVersion", "0");
            let parts = infos.into_iter().map(|info| Part { resource: resource.clone(), object: info.object });
            (parts.collect(), request.about(&resource.name, name))
        }
    };
    let is_list = matches!(target, Target::All { .. });
    request = request.query("watch", "true");
    let mut shower = Shower::new(kube, output, &resource);
    if !kube.args.bool("watch-only") {
        let now = kube.run.unix_nanos();
        let mut out = String::new();
        let mut group = String::new();
        for part in &found {
            match output {
                Output::Human { .. } => group += &shower.printer.show(&part.object, "ADDED", now),
                output => {
                    for item in items_of(part) {
                        out += &shower.object(output, &item, "ADDED").or_else(fail)?;
                    }
                }
            }
        }
        out += &align_again(&group, MIN, PADDING, &mut shower.widths);
        kube.print(out);
    }
    let stream = kube.open(&request)?;
    // A watch of one object begins with what was shown already.
    let state = json!([shower.state(), !is_list]);
    kube.fold(state, |kube, state| {
        let Some(line) = kube.run.line(stream)? else { return Ok(ControlFlow::Break(())) };
        let Ok(event) = json_text::parse(&line) else { return Ok(ControlFlow::Continue(())) };
        let skips = state[1] == true;
        let mut shower = Shower::restore(kube, output, &resource, &state[0]);
        if !skips {
            let now = kube.run.unix_nanos();
            let (kind, object) = (event.value["type"].as_str().unwrap_or_default(), &event.value["object"]);
            let shown = match output {
                Output::Human { .. } => {
                    let lines = shower.printer.show(object, kind, now);
                    align_again(&lines, MIN, PADDING, &mut shower.widths)
                }
                output => shower.object(output, object, kind).or_else(fail)?,
            };
            kube.print(shown);
        }
        *state = json!([shower.state(), false]);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(())
}

/// What was shown so far of a watch decides how the rest is shown.
struct Shower {
    printer: Printer,
    widths: Vec<usize>,
    documents: u64,
}

impl Shower {
    fn new(kube: &Kube, output: &Output, resource: &ApiResource) -> Shower {
        let wide = matches!(output, Output::Human { wide: true });
        let kind = kube.args.bool("show-kind").then(|| kind_word(&resource.api_version(), &resource.kind));
        let style = Style { with_namespace: with_namespace(kube, resource), kind, ..style(kube, wide) };
        Shower { printer: Printer { style, ..Printer::default() }, widths: Vec::new(), documents: 0 }
    }

    fn state(&self) -> Value {
        json!([self.printer.columns, self.printer.headed, self.widths, self.documents])
    }

    fn restore(kube: &Kube, output: &Output, resource: &ApiResource, state: &Value) -> Shower {
        let mut shower = Shower::new(kube, output, resource);
        shower.printer.columns = state[0].clone();
        shower.printer.headed = state[1] == true;
        shower.widths = list(&state[2]).iter().filter_map(Value::as_u64).map(|width| width as usize).collect();
        shower.documents = state[3].as_u64().unwrap_or(0);
        shower
    }

    /// An object in another form than a row.
    fn object(&mut self, output: &Output, object: &Value, event: &str) -> Result<String, String> {
        self.documents += 1;
        let shown = match self.printer.style.with_events {
            true => output.show(&json!({"object": tidy(object), "type": event}), "")?,
            false => output.show(object, "")?,
        };
        let parted = matches!(output, Output::Yaml) && self.documents > 1;
        Ok(if parted { format!("---\n{shown}") } else { shown })
    }
}
