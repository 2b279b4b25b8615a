//! What a check can ask about: the lab's state and history as CEL values, made only when they are looked at.
//!
//! The variables are documented for authors in `docs/lessons.md`; [`NAMES`] lists them.

use crate::cel::{Object, Record, Series, Value};
use crate::etcd::Member;
use crate::etcd::mvcc::KvStore;
use crate::etcd::mvcc::revision::KeySpan;
use crate::lab::workstation::{Printed, PrintedKind};
use crate::lab::{Lab, Mark, Stamped, Terminal};
use crate::raft::StateType;
use crate::sim::{HostId, SimTime};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::rc::Rc;

pub const NAMES: [&str; 11] =
    ["now", "since", "members", "leader", "term", "kv", "revision", "history", "commands", "terminals", "violations"];

/// How far back `history` and `commands` reach: the newest so many. What a check reads stays small however long a
/// learner plays.
pub const HISTORY_MAX: usize = 20_000;
pub const COMMANDS_MAX: usize = 1_000;

pub struct Facts<'a> {
    lab: &'a Lab,
    since: SimTime,
    commands: OnceCell<Rc<Vec<Place>>>,
}

/// Where a command line and what it printed stand in a terminal's scrollback.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at: SimTime,
    terminal: usize,
    first: usize,
    end: usize,
}

impl<'a> Facts<'a> {
    pub fn new(lab: &'a Lab, since: SimTime) -> Facts<'a> {
        Facts { lab, since, commands: OnceCell::new() }
    }

    fn commands(&self) -> Rc<Vec<Place>> {
        self.commands.get_or_init(|| Rc::new(places(self.lab))).clone()
    }
}

impl<'a> Object<'a> for Facts<'a> {
    fn field(&self, name: &str) -> Option<Value<'a>> {
        let lab = self.lab;
        match name {
            "now" => Some(millis(lab.now())),
            "since" => Some(millis(self.since)),
            "members" => Some(series(lab.machines().count(), move |host| Some(member(lab, HostId(host as u16))))),
            "leader" => Some(Value::text(leader(lab).map_or("", |host| member_name(lab, host)))),
            "term" => Some(Value::number(lab.members().map(|(_, member)| member.raft().term().0).max().unwrap_or(0))),
            "kv" => Some(keys(most_advanced(lab).map(|member| member.store().kv()))),
            "revision" => Some(Value::Int(most_advanced(lab).map_or(0, |member| member.store().kv().revision()))),
            "history" => Some(history(lab)),
            "commands" => {
                let places = self.commands();
                Some(series(places.len(), move |position| Some(command(lab, *places.get(position)?))))
            }
            "terminals" => {
                let places = self.commands();
                let terminals = lab.workstation().terminals();
                Some(series(terminals.len(), move |number| Some(terminal(lab, number, places.clone()))))
            }
            "violations" => {
                let violations = lab.check().violations();
                Some(series(violations.len(), move |position| {
                    let violation = violations.get(position)?;
                    Some(record(&["at", "property", "what"], move |name| match name {
                        "at" => Some(millis(violation.at)),
                        "property" => Some(Value::text(violation.property.name())),
                        _ => Some(Value::text(violation.what.as_str())),
                    }))
                }))
            }
            _ => None,
        }
    }

    fn names(&self) -> Vec<Cow<'a, str>> {
        NAMES.iter().map(|name| Cow::Borrowed(*name)).collect()
    }
}

/// The leader: of members that run and lead, the one of the highest term. An old leader may not know yet.
pub fn leader(lab: &Lab) -> Option<HostId> {
    let leads = |(_, member): &(HostId, &Member)| member.raft().state() == StateType::Leader;
    lab.members().filter(leads).max_by_key(|(_, member)| member.raft().term()).map(|(host, _)| host)
}

pub fn member_name(lab: &Lab, host: HostId) -> &str {
    lab.cluster().machine(host).map_or("", |machine| &machine.name)
}

fn most_advanced(lab: &Lab) -> Option<&Member> {
    lab.members().map(|(_, member)| member).max_by_key(|member| member.applied())
}

fn millis<'a>(at: SimTime) -> Value<'a> {
    Value::number(at.0 / 1_000)
}

fn series<'a>(len: usize, get: impl Fn(usize) -> Option<Value<'a>> + 'a) -> Value<'a> {
    Value::List(Rc::new(Series { len, get }))
}

fn record<'a>(names: &'static [&'static str], get: impl Fn(&str) -> Option<Value<'a>> + 'a) -> Value<'a> {
    Value::Map(Rc::new(Record::new(names, get)))
}

fn member<'a>(lab: &'a Lab, host: HostId) -> Value<'a> {
    const FIELDS: &[&str] =
        &["name", "up", "role", "term", "leader", "commit", "applied", "last_index", "revision", "watchers", "kv"];
    let member = lab.member(host);
    let of = move |read: fn(&Member) -> u64| Some(Value::number(member.map_or(0, read)));
    record(FIELDS, move |name| match name {
        "name" => Some(Value::text(member_name(lab, host))),
        "up" => Some(Value::Bool(member.is_some())),
        "role" => Some(Value::text(member.map_or("off", |member| role(member.raft().state())))),
        "term" => of(|member| member.raft().term().0),
        "leader" => {
            let lead = member.and_then(|member| lab.host_of(member.lead()));
            Some(Value::text(lead.map_or("", |host| member_name(lab, host))))
        }
        "commit" => of(|member| member.raft().committed().0),
        "applied" => of(|member| member.applied().0),
        "last_index" => of(|member| member.raft().last_index().0),
        "revision" => of(|member| member.store().kv().revision().unsigned_abs()),
        "watchers" => of(|member| member.store().watcher_count() as u64),
        _ => Some(keys(member.map(|member| member.store().kv()))),
    })
}

fn role(state: StateType) -> &'static str {
    match state {
        StateType::Leader => "leader",
        StateType::Follower => "follower",
        StateType::Candidate => "candidate",
        StateType::PreCandidate => "pre-candidate",
    }
}

/// The live keys of a store.
struct Keys<'a>(Option<&'a KvStore>);

fn keys<'a>(store: Option<&'a KvStore>) -> Value<'a> {
    Value::Map(Rc::new(Keys(store)))
}

impl<'a> Object<'a> for Keys<'a> {
    fn field(&self, name: &str) -> Option<Value<'a>> {
        let kv = self.0?.get(name.as_bytes())?;
        Some(record(&["value", "create_revision", "mod_revision", "version"], move |name| match name {
            "value" => Some(Value::Text(String::from_utf8_lossy(&kv.value))),
            "create_revision" => Some(Value::Int(kv.create_revision)),
            "mod_revision" => Some(Value::Int(kv.mod_revision)),
            _ => Some(Value::Int(kv.version)),
        }))
    }

    fn has(&self, name: &str) -> bool {
        self.0.is_some_and(|store| store.get(name.as_bytes()).is_some())
    }

    fn names(&self) -> Vec<Cow<'a, str>> {
        let Some(store) = self.0 else { return Vec::new() };
        store.live(KeySpan::From(b"\0")).map(|kv| String::from_utf8_lossy(&kv.key)).collect()
    }
}

fn history(lab: &Lab) -> Value<'_> {
    let marks = lab.chronicle().marks();
    let skipped = marks.len().saturating_sub(HISTORY_MAX);
    series(marks.len() - skipped, move |position| Some(event(lab, marks.get(skipped + position)?)))
}

fn event<'a>(lab: &'a Lab, stamped: &'a Stamped) -> Value<'a> {
    const FIELDS: &[&str] = &["at", "kind", "terminal", "line", "member", "term", "pre", "revision", "text"];
    let name_of = |host: HostId| Some(Value::text(member_name(lab, host)));
    record(FIELDS, move |name| match (name, &stamped.mark) {
        ("at", _) => Some(millis(stamped.at)),
        ("kind", mark) => Some(Value::text(kind(mark))),
        ("terminal", Mark::Command { terminal, .. } | Mark::Interrupt { terminal }) => {
            Some(Value::Int(i64::from(*terminal) + 1))
        }
        ("line", Mark::Command { line, .. }) => Some(Value::text(line.as_str())),
        (
            "member",
            Mark::Campaign { host, .. }
            | Mark::Elected { host, .. }
            | Mark::SteppedDown { host, .. }
            | Mark::Started { host }
            | Mark::Refused { host, .. }
            | Mark::Stopped { host, .. },
        ) => name_of(*host),
        (
            "term",
            Mark::Campaign { term, .. }
            | Mark::Elected { term, .. }
            | Mark::SteppedDown { term, .. }
            | Mark::Write { term, .. },
        ) => Some(Value::number(term.0)),
        ("pre", Mark::Campaign { pre, .. }) => Some(Value::Bool(*pre)),
        ("revision", Mark::Write { revision, .. } | Mark::Watched { revision }) => Some(Value::Int(*revision)),
        ("text", Mark::Refused { why, .. } | Mark::Stopped { why, .. }) => Some(Value::text(why.as_ref())),
        ("text", Mark::Fault(fault)) => {
            let names = lab.scenario().host_names();
            let host = |host: HostId| names.get(usize::from(host.0)).cloned().unwrap_or_default();
            Some(Value::text(fault.text(&host)))
        }
        _ => None,
    })
}

fn kind(mark: &Mark) -> &'static str {
    match mark {
        Mark::Command { .. } => "command",
        Mark::Interrupt { .. } => "interrupt",
        Mark::Fault(_) => "fault",
        Mark::Campaign { .. } => "campaign",
        Mark::Elected { .. } => "elected",
        Mark::SteppedDown { .. } => "stepped-down",
        Mark::Write { .. } => "write",
        Mark::Watched { .. } => "watched",
        Mark::Started { .. } => "started",
        Mark::Refused { .. } => "refused",
        Mark::Stopped { .. } => "stopped",
    }
}

/// Every command line that is still in a scrollback, in the order in which they were typed.
fn places(lab: &Lab) -> Vec<Place> {
    let mut out: Vec<Place> = Vec::new();
    for (terminal, state) in lab.workstation().terminals().iter().enumerate() {
        let mut open: Option<Place> = None;
        for (position, printed) in state.scrollback().iter().enumerate() {
            if printed.kind == PrintedKind::Command {
                out.extend(open.replace(Place { at: printed.at, terminal, first: position, end: position }));
            }
            if let Some(place) = &mut open {
                place.end = position + 1;
            }
        }
        out.extend(open);
    }
    out.sort();
    out.drain(..out.len().saturating_sub(COMMANDS_MAX));
    out
}

fn terminal<'a>(lab: &'a Lab, number: usize, places: Rc<Vec<Place>>) -> Value<'a> {
    record(&["running", "lines"], move |name| match name {
        "running" => Some(Value::Bool(lab.workstation().terminals()[number].is_running())),
        _ => {
            let own: Vec<Place> = places.iter().filter(|place| place.terminal == number).copied().collect();
            Some(series(own.len(), move |position| Some(command(lab, *own.get(position)?))))
        }
    })
}

fn command<'a>(lab: &'a Lab, place: Place) -> Value<'a> {
    const FIELDS: &[&str] = &["terminal", "line", "at", "ended", "running", "stdout", "stderr", "exit"];
    let terminal = &lab.workstation().terminals()[place.terminal];
    record(FIELDS, move |name| match name {
        "terminal" => Some(Value::Int(place.terminal as i64 + 1)),
        "line" => Some(Value::text(&*terminal.scrollback().get(place.first)?.text)),
        "at" => Some(millis(place.at)),
        "ended" => Some(done(terminal, place).map_or(Value::Int(-1), |(at, _)| millis(at))),
        "running" => Some(Value::Bool(done(terminal, place).is_none())),
        "stdout" => Some(printed(terminal, place, PrintedKind::Stdout)),
        "stderr" => Some(printed(terminal, place, PrintedKind::Stderr)),
        _ => Some(Value::Int(done(terminal, place).map_or(-1, |(_, status)| i64::from(status)))),
    })
}

/// When a command ended, and its exit status.
fn done(terminal: &Terminal, place: Place) -> Option<(SimTime, i32)> {
    match terminal.scrollback().get(place.end - 1)? {
        Printed { at, kind: PrintedKind::Done(status), .. } => Some((*at, *status)),
        _ => None,
    }
}

fn printed<'a>(terminal: &'a Terminal, place: Place, kind: PrintedKind) -> Value<'a> {
    let pieces = (place.first..place.end).filter_map(|position| terminal.scrollback().get(position));
    let texts = pieces.filter(|printed| printed.kind == kind).map(|printed| &*printed.text);
    Value::text(texts.collect::<String>())
}
