//! `kubectl wait`, and how commands wait for objects to change.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/wait` and `k8s.io/client-go/tools/watch`.

use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::builder::{self, Info, Query};
use super::client::{Kube, Request};
use super::config::list;
use super::delete;
use super::failure::{Failure, Outcome, Stop, all, fail};
use super::print::jsonpath::{JsonPath, shown};
use super::run::Late;
use crate::k8s::json as json_text;
use crate::sim::{Micros, SimTime};

/// A reflector rests this long before it tries again, doubled each time.
const REST: Micros = Micros::from_millis(800);
const RESTS_MAX: u64 = 30_000_000;
/// How often it is looked whether something was made.
const LOOK: Micros = Micros::from_millis(500);

/// What a watch has to say of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Added,
    Modified,
    Deleted,
    /// All that was there at first was told; what there was, comes with it.
    Synced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    Done,
    /// The time is up; whether all that was there at first had been told by then.
    Late {
        synced: bool,
    },
}

pub fn deadline(kube: &Kube, span: Micros) -> SimTime {
    SimTime(kube.run.time().0.saturating_add(span.0))
}

/// Watches one object until a condition holds, as an informer does: a watch that begins with what is there, or a list and
/// a watch if the server cannot do that; again and again when it breaks.
pub fn watch(
    kube: &mut Kube,
    info: &Info,
    accept: &'static str,
    deadline: SimTime,
    mut holds: impl FnMut(&mut Kube, Kind, &Value) -> Outcome<bool>,
) -> Outcome<Waited> {
    let mut may_list = false;
    let mut rest = REST;
    loop {
        let seconds = 300 + kube.draw(&format!("{} {:?}", info.name, kube.run.time()), 300);
        let base = Request::get(info.resource.path(&info.namespace), accept)
            .query("fieldSelector", format!("metadata.name={}", info.name))
            .about(&info.resource.name, "");
        // Typed clients tell the time twice.
        let base =
            if accept == super::client::accept::TYPED { base.query("timeout", go_seconds(seconds)) } else { base };
        let watching = base
            .clone()
            .query("allowWatchBookmarks", "true")
            .query("timeoutSeconds", seconds.to_string())
            .query("watch", "true");
        let mut first = None;
        let request = if may_list {
            let listed = kube.object(&base.query("limit", "500").query("resourceVersion", "0"))?;
            first = Some(list(&listed["items"]).first().cloned().unwrap_or_default());
            watching.query("resourceVersion", listed["metadata"]["resourceVersion"].as_str().unwrap_or_default())
        } else {
            watching.query("resourceVersionMatch", "NotOlderThan").query("sendInitialEvents", "true")
        };
        let stream = match kube.open(&request) {
            Ok(stream) => stream,
            Err(Stop::Failed(failure)) if failure.is("Invalid") && !may_list => {
                may_list = true;
                continue;
            }
            Err(other) => return Err(other),
        };
        // What was listed is looked at while the watch is under way.
        if let Some(item) = first {
            let is_done = !item.is_null() && holds(kube, Kind::Added, &item)?;
            if is_done || holds(kube, Kind::Synced, &item)? {
                kube.run.close(stream);
                return Ok(Waited::Done);
            }
        }
        // With a list first, everything is known; else it is when the bookmark comes.
        let state = json!({"synced": may_list, "seen": null, "done": false, "late": false});
        let state = kube.fold(state, |kube, state| {
            let line = match kube.run.line_before(stream, deadline)? {
                Err(Late) => {
                    state["late"] = true.into();
                    return Ok(ControlFlow::Break(()));
                }
                Ok(None) => return Ok(ControlFlow::Break(())),
                Ok(Some(line)) => line,
            };
            let Ok(event) = json_text::parse(&line) else { return Ok(ControlFlow::Continue(())) };
            let is_done = heard(kube, &event.value, state, &mut holds)?;
            match is_done {
                None => Ok(ControlFlow::Break(())),
                Some(done) => {
                    state["done"] = done.into();
                    Ok(if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
                }
            }
        })?;
        kube.run.close(stream);
        if state["done"] == true {
            return Ok(Waited::Done);
        }
        if state["late"] == true || kube.run.time() >= deadline {
            return Ok(Waited::Late { synced: state["synced"] == true });
        }
        let left = deadline.since(kube.run.time());
        kube.run.sleep(Micros(rest.0.min(left.0)))?;
        rest = Micros((rest.0 * 2).min(RESTS_MAX));
    }
}

/// The same as a typed client asks for it.
pub fn watch_typed(
    kube: &mut Kube,
    info: &Info,
    deadline: SimTime,
    holds: impl FnMut(&mut Kube, Kind, &Value) -> Outcome<bool>,
) -> Outcome<Waited> {
    watch(kube, info, super::client::accept::TYPED, deadline, holds)
}

/// Go's text of whole seconds: `6m45s`.
fn go_seconds(seconds: u64) -> String {
    format!("{}m{}s", seconds / 60, seconds % 60)
}

/// Takes in an event; whether the condition holds, or nothing if the watch is of no more use.
fn heard(
    kube: &mut Kube,
    event: &Value,
    state: &mut Value,
    holds: &mut impl FnMut(&mut Kube, Kind, &Value) -> Outcome<bool>,
) -> Outcome<Option<bool>> {
    let object = &event["object"];
    let kind = match event["type"].as_str() {
        Some("ADDED") => Kind::Added,
        Some("MODIFIED") => Kind::Modified,
        Some("DELETED") => Kind::Deleted,
        Some("BOOKMARK") => {
            let ends = object["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true";
            if state["synced"] == true || !ends {
                return Ok(Some(false));
            }
            state["synced"] = true.into();
            let seen = state["seen"].clone();
            // What was there at first is believed from now on.
            if !seen.is_null() && holds(kube, Kind::Added, &seen)? {
                return Ok(Some(true));
            }
            return holds(kube, Kind::Synced, &seen).map(Some);
        }
        _ => return Ok(None),
    };
    if state["synced"] != true {
        state["seen"] = if kind == Kind::Deleted { Value::Null } else { object.clone() };
        return Ok(Some(false));
    }
    holds(kube, kind, object).map(Some)
}

/// What `--for` asks for.
enum Condition {
    Delete,
    Create,
    Status(String, String),
    Path(JsonPath, Option<String>),
}

pub fn run(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    let wanted = args.text("for").to_owned();
    let condition = condition(&wanted)?;
    let span = args.duration("timeout");
    // Less than nothing means a week; nothing, one look.
    let span = if args.text("timeout").starts_with('-') { Micros::from_secs(7 * 24 * 60 * 60) } else { span };
    let deadline = deadline(kube, span);
    let mut query = Query::of(kube);
    query.all |= !query.selector.is_empty() || !query.field_selector.is_empty();
    if let Condition::Create = condition {
        return created(kube, &query, deadline);
    }
    let mut failures = Vec::new();
    let is_delete = matches!(condition, Condition::Delete);
    let mut seen = 0;
    for target in builder::targets(kube, &query)? {
        let infos = match builder::look(kube, &query, &target) {
            Ok(infos) => infos,
            Err(Stop::Failed(failure)) if is_delete && failure.is_not_found() => {
                seen += 1;
                continue;
            }
            Err(other) => return Err(other),
        };
        seen += infos.len();
        failures.extend(kube.each(&infos, |kube, info| one(kube, info, &condition, deadline))?);
    }
    if seen == 0 && !is_delete {
        return fail("no matching resources found");
    }
    all(failures)
}

fn condition(wanted: &str) -> Outcome<Condition> {
    let lower = wanted.to_lowercase();
    if lower == "delete" {
        return Ok(Condition::Delete);
    }
    if lower == "create" {
        return Ok(Condition::Create);
    }
    if let Some(rest) = wanted.strip_prefix("condition=") {
        let (name, value) = rest.split_once('=').unwrap_or((rest, "true"));
        return Ok(Condition::Status(name.to_owned(), value.to_owned()));
    }
    if let Some(rest) = wanted.strip_prefix("jsonpath=") {
        let (path, value) = path_and_value(rest)?;
        return match JsonPath::relaxed(&path) {
            Ok(path) => Ok(Condition::Path(path, value)),
            Err(error) => fail(error),
        };
    }
    if wanted.is_empty() {
        return fail("required flag(s) \"for\" not set");
    }
    fail(format!("unrecognized condition: {wanted:?}"))
}

/// `{.a}=b`: the first equals sign outside of brackets parts them.
fn path_and_value(text: &str) -> Outcome<(String, Option<String>)> {
    let text = text.trim_matches(['\'', '"']);
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '[' | '{' | '(' => depth += 1,
            ']' | '}' | ')' => depth -= 1,
            '=' if depth == 0 => {
                let value = text[at + 1..].trim_matches(['\'', '"']);
                if value.is_empty() {
                    return fail(
                        "jsonpath wait has to have a value after equal sign, like --for=jsonpath='{.status.readyReplicas}'=3",
                    );
                }
                return Ok((text[..at].to_owned(), Some(value.to_owned())));
            }
            _ => {}
        }
    }
    Ok((text.to_owned(), None))
}

/// Waits for one object.
fn one(kube: &mut Kube, info: &Info, condition: &Condition, deadline: SimTime) -> Outcome<()> {
    let met =
        |kube: &mut Kube| kube.print(format!("{}/{} condition met\n", info.resource.singular_qualified(), info.name));
    if let Condition::Delete = condition {
        let uid = info.object["metadata"]["uid"].clone();
        let left = deadline.since(kube.run.time());
        delete::until_gone(kube, info, &uid, left)?;
        met(kube);
        return Ok(());
    }
    let waited = watch(kube, info, super::client::accept::JSON, deadline, |_, kind, object| match kind {
        Kind::Deleted | Kind::Synced => Ok(false),
        Kind::Added | Kind::Modified => holds(condition, object).map_err(Stop::Failed),
    })?;
    match waited {
        Waited::Done => {
            met(kube);
            Ok(())
        }
        Waited::Late { .. } => Err(Stop::Failed(delete::late(info))),
    }
}

fn holds(condition: &Condition, object: &Value) -> Result<bool, Failure> {
    match condition {
        Condition::Status(name, wanted) => {
            for own in list(&object["status"]["conditions"]) {
                if !own["type"].as_str().unwrap_or_default().eq_ignore_ascii_case(name) {
                    continue;
                }
                // A condition that speaks of an older state does not count.
                let seen = own["observedGeneration"].as_i64().or(object["status"]["observedGeneration"].as_i64());
                let now = object["metadata"]["generation"].as_i64();
                if let (Some(seen), Some(now)) = (seen, now)
                    && seen < now
                {
                    return Ok(false);
                }
                return Ok(own["status"].as_str().unwrap_or_default().eq_ignore_ascii_case(wanted));
            }
            Ok(false)
        }
        Condition::Path(path, wanted) => {
            let found = path.find(object).map_err(Failure::Text)?;
            let found: Vec<_> = found.into_iter().flatten().collect();
            match (&found[..], wanted) {
                ([], _) => Ok(false),
                (_, None) => Ok(true),
                ([one], Some(_)) if one.value().is_array() || one.value().is_object() => {
                    Err(Failure::Text("jsonpath leads to a nested object or list which is not supported".to_owned()))
                }
                ([one], Some(wanted)) => Ok(shown(one.value()).trim() == wanted.trim()),
                _ => Err(Failure::Text("given jsonpath expression matches more than one value".to_owned())),
            }
        }
        Condition::Delete | Condition::Create => Ok(false),
    }
}

/// Looks again and again until everything that was named is there.
fn created(kube: &mut Kube, query: &Query, deadline: SimTime) -> Outcome<()> {
    let targets = builder::targets(kube, query)?;
    for target in &targets {
        let found = kube.fold(json!(false), |kube, state| {
            match builder::look(kube, query, target) {
                Ok(infos) if !infos.is_empty() => {
                    *state = true.into();
                    return Ok(ControlFlow::Break(()));
                }
                Ok(_) => {}
                Err(Stop::Failed(failure)) if failure.is_not_found() => {}
                Err(other) => return Err(other),
            }
            if kube.run.time() >= deadline {
                return Ok(ControlFlow::Break(()));
            }
            let left = deadline.since(kube.run.time());
            kube.run.sleep(Micros(LOOK.0.min(left.0)))?;
            Ok(ControlFlow::Continue(()))
        })?;
        if found != true {
            return fail("timed out waiting for the condition");
        }
    }
    for target in &targets {
        for info in builder::look(kube, query, target)? {
            kube.print(format!("{}/{} condition met\n", info.resource.singular_qualified(), info.name));
        }
    }
    Ok(())
}
