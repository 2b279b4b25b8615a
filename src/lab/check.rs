//! Raft's promises, checked after every event, over all members at once. Each costs what changed, not what exists.
//!
//! - Election safety: at most one leader is elected in a term.
//! - Log matching: two logs with an entry of the same index and term are equal up to it.
//! - Leader completeness: what was committed is in the log of every later leader.
//! - State machine safety: no two members apply different entries at one index, nor get different revisions from it.
//! - Watch: a watch sees every revision at most once, in order.
//! - Linearizability, as far as revisions tell: no call is answered from before what was answered when it was asked.
//!
//! After Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm", figure 3.

use super::witness::Heard;
use crate::etcd::api::{Request, Response};
use crate::etcd::client::{ClientId, WatchKey};
use crate::etcd::wire::CallId;
use crate::etcd::{Fact, apply};
use crate::raft::{Entry, EntryId, EventKind, Index, Term};
use crate::sim::{EventId, HostId, SimTime};
use imbl::{OrdMap, Vector};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub at: SimTime,
    pub event: EventId,
    pub property: Property,
    pub what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Property {
    ElectionSafety,
    LogMatching,
    LeaderCompleteness,
    StateMachineSafety,
    WatchOrder,
    Linearizability,
}

impl Property {
    pub const ALL: [Property; 6] = [
        Property::ElectionSafety,
        Property::LogMatching,
        Property::LeaderCompleteness,
        Property::StateMachineSafety,
        Property::WatchOrder,
        Property::Linearizability,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Property::ElectionSafety => "election safety",
            Property::LogMatching => "log matching",
            Property::LeaderCompleteness => "leader completeness",
            Property::StateMachineSafety => "state machine safety",
            Property::WatchOrder => "watch order",
            Property::Linearizability => "linearizability",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.property.name(), self.at, self.what)
    }
}

/// How recent an answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recency {
    /// It may be from any moment: a serializable read, or nothing to do with revisions.
    Any,
    /// It holds all that was answered before it was asked.
    Current,
    /// It is a write: its revision is its own.
    New,
}

impl Recency {
    fn of(request: &Request) -> Recency {
        match request {
            Request::Put(_) => Recency::New,
            Request::DeleteRange(_) => Recency::Current,
            Request::Range(range) if !range.serializable => Recency::Current,
            Request::Txn(txn) if !apply::is_read_only(txn) => Recency::Current,
            _ => Recency::Any,
        }
    }
}

/// How many elections back a second leader of a term is looked for.
const TERMS_REMEMBERED: usize = 1_000;
/// How many revisions back a call's beginning is looked for.
const FLOORS_REMEMBERED: usize = 100_000;
/// One broken promise breaks others after it; the first ones tell the story.
const VIOLATIONS_MAX: usize = 100;

/// What a client received of one watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub newest: i64,
    pub events: u64,
}

#[derive(Clone, Debug)]
pub struct Check {
    /// Who was elected in each term, in the order of elections.
    leaders: Vector<(Term, HostId)>,
    /// The entry of each (index, term) as first appended anywhere, and the term of the entry before it.
    entries: OrdMap<(Index, Term), (Term, Entry)>,
    /// The terms of each member's log, by index.
    logs: Vec<Vector<Term>>,
    /// The last entry known to be committed.
    committed: (Index, Term),
    /// What was applied at each index as first applied anywhere, and the revision that it made.
    applied: Vector<(Entry, Option<i64>)>,
    /// What each watch was sent, and all revisions that any was sent.
    watched: OrdMap<(ClientId, WatchKey), Seen>,
    seen: Vector<i64>,
    /// When each call under way was asked, and whether its answer must be recent.
    asked: BTreeMap<(ClientId, CallId), (SimTime, Recency)>,
    /// The newest revision that any client of a cluster was answered with, and since when.
    floors: BTreeMap<u64, Vector<(SimTime, i64)>>,
    violations: Vector<Violation>,
}

impl Check {
    pub fn new(members: usize) -> Check {
        Check {
            leaders: Vector::new(),
            entries: OrdMap::new(),
            logs: vec![Vector::new(); members],
            committed: (Index(0), Term(0)),
            applied: Vector::new(),
            watched: OrdMap::new(),
            seen: Vector::new(),
            asked: BTreeMap::new(),
            floors: BTreeMap::new(),
            violations: Vector::new(),
        }
    }

    pub fn violations(&self) -> &Vector<Violation> {
        &self.violations
    }

    /// The last entry known to be committed.
    pub fn committed(&self) -> (Index, Term) {
        self.committed
    }

    /// Revisions that watches were sent.
    pub fn watched(&self) -> impl Iterator<Item = i64> {
        self.seen.iter().copied()
    }

    /// What a client was sent of one watch.
    pub fn seen(&self, client: ClientId, watch: WatchKey) -> Option<Seen> {
        self.watched.get(&(client, watch)).copied()
    }

    /// Who was elected in each term.
    pub fn leaders(&self) -> &Vector<(Term, HostId)> {
        &self.leaders
    }

    /// Every entry as first applied anywhere, from the first index on, and the revision that it made.
    pub fn applied(&self) -> &Vector<(Entry, Option<i64>)> {
        &self.applied
    }

    pub(super) fn observe(&mut self, at: SimTime, event: EventId, host: HostId, fact: &Fact) {
        let broken = match fact {
            Fact::Restored { index, .. } => {
                // What the snapshot stands for was applied elsewhere.
                let covered = self.applied.iter().take(index.0 as usize);
                self.logs[usize::from(host.0)] = covered.map(|(entry, _)| entry.term).collect();
                None
            }
            Fact::Raft(event) => match event.kind {
                EventKind::BecameLeader { term } => self.elected(host, term),
                _ => None,
            },
            Fact::Appended { entries } => entries.iter().find_map(|entry| self.appended(host, entry)),
            Fact::Committed { index, term } => {
                self.committed = self.committed.max((*index, *term));
                None
            }
            Fact::Applied { entry, revision } => self.applied_entry(host, entry, *revision),
            Fact::Watched { watch, client, revisions } => self.saw(*client, *watch, revisions),
            _ => None,
        };
        self.note(at, event, broken);
    }

    /// A cluster begins from a restored database, which stands for a log up to `last`: what was promised of the one before
    /// it does not bind it. What was broken stays.
    pub(super) fn begin_anew(&mut self, last: EntryId) {
        let log: Vector<Term> = (0..last.index.0).map(|_| last.term).collect();
        let stood_for = |index: u64| Entry { index: Index(index), term: last.term, ..Entry::default() };
        *self = Check {
            logs: vec![log; self.logs.len()],
            applied: (1..=last.index.0).map(|index| (stood_for(index), None)).collect(),
            committed: (last.index, last.term),
            violations: std::mem::take(&mut self.violations),
            ..Check::new(0)
        };
    }

    /// A member starts from the log on its disk, of which these are the terms from `first` on: writes that replaced older
    /// entries and were lost have brought those back.
    pub(super) fn started(&mut self, host: HostId, first: Index, terms: impl Iterator<Item = Term>) {
        let log = &mut self.logs[usize::from(host.0)];
        let compacted = first.0 as usize - 1;
        log.truncate(compacted);
        // Of what was compacted nothing can be told but that it was applied.
        let covered = self.applied.iter().take(compacted).skip(log.len());
        log.extend(covered.map(|(entry, _)| entry.term));
        log.extend(terms);
    }

    pub(super) fn heard(&mut self, at: SimTime, event: EventId, heard: &Heard) {
        match heard {
            Heard::Asked { client, call, request } => {
                self.asked.insert((*client, *call), (at, Recency::of(request)));
            }
            Heard::Answered { client, call, result } => {
                let asked = self.asked.remove(&(*client, *call));
                if let (Some((asked, recency)), Ok(response)) = (asked, result) {
                    let broken = self.answered(at, asked, recency, response);
                    self.note(at, event, broken);
                }
            }
            Heard::Closed { client } => self.asked.retain(|(of, _), _| of != client),
            Heard::Watching { .. } | Heard::Told { .. } => {}
        }
    }

    fn note(&mut self, at: SimTime, event: EventId, broken: Option<(Property, String)>) {
        if let Some((property, what)) = broken
            && self.violations.len() < VIOLATIONS_MAX
        {
            self.violations.push_back(Violation { at, event, property, what });
        }
    }

    /// Revisions order all writes: a call cannot be answered from before a revision that somebody knew when it was asked.
    fn answered(
        &mut self,
        now: SimTime,
        asked: SimTime,
        recency: Recency,
        response: &Response,
    ) -> Option<(Property, String)> {
        let header = response.header().filter(|_| recency != Recency::Any)?;
        let revision = header.revision;
        let floor = self.floors.entry(header.cluster_id).or_default();
        let is_before = |(at, _): &(SimTime, i64)| if *at < asked { Ordering::Less } else { Ordering::Greater };
        let before = floor.binary_search_by(is_before).unwrap_or_else(|position| position);
        let known = before.checked_sub(1).map_or(0, |last| floor[last].1);
        if floor.back().is_none_or(|(_, newest)| *newest < revision) {
            floor.push_back((now, revision));
            if floor.len() > FLOORS_REMEMBERED {
                floor.pop_front();
            }
        }
        let stale = revision < known || (revision == known && recency == Recency::New);
        stale.then(|| {
            let what = format!(
                "a call asked at {asked} was answered at revision {revision}, when revision {known} was known already"
            );
            (Property::Linearizability, what)
        })
    }

    fn elected(&mut self, host: HostId, term: Term) -> Option<(Property, String)> {
        // Terms mostly grow: whoever led this one is found near the end.
        let rival =
            self.leaders.iter().rev().take(TERMS_REMEMBERED).find(|(led, other)| *led == term && *other != host);
        if let Some((_, other)) = rival {
            let what = format!("hosts {} and {} both became leader of term {}", other.0, host.0, term.0);
            return Some((Property::ElectionSafety, what));
        }
        self.leaders.push_back((term, host));
        let (index, committed_term) = self.committed;
        let log = &self.logs[usize::from(host.0)];
        let has = index.0 == 0 || log.get(index.0 as usize - 1) == Some(&committed_term);
        (!has).then(|| {
            let what = format!(
                "host {} became leader of term {} without entry {} of term {}, which was committed",
                host.0, term.0, index.0, committed_term.0
            );
            (Property::LeaderCompleteness, what)
        })
    }

    fn appended(&mut self, host: HostId, entry: &Entry) -> Option<(Property, String)> {
        let log = &mut self.logs[usize::from(host.0)];
        log.truncate(entry.index.0 as usize - 1);
        let before = log.back().copied().unwrap_or(Term(0));
        log.push_back(entry.term);
        match self.entries.get(&(entry.index, entry.term)) {
            None => {
                self.entries.insert((entry.index, entry.term), (before, entry.clone()));
                None
            }
            Some((known_before, known)) if *known_before == before && known == entry => None,
            Some(_) => {
                let what = format!("host {} has another entry {} of term {}", host.0, entry.index.0, entry.term.0);
                Some((Property::LogMatching, what))
            }
        }
    }

    fn applied_entry(&mut self, host: HostId, entry: &Entry, revision: Option<i64>) -> Option<(Property, String)> {
        match self.applied.get(entry.index.0 as usize - 1) {
            None => {
                self.applied.push_back((entry.clone(), revision));
                None
            }
            Some((known, made)) if known == entry && *made == revision => None,
            Some((known, made)) => {
                let what = format!(
                    "host {} applied entry {} of term {} (revision {revision:?}); another applied term {} (revision {made:?})",
                    host.0, entry.index.0, entry.term.0, known.term.0
                );
                Some((Property::StateMachineSafety, what))
            }
        }
    }

    fn saw(&mut self, client: ClientId, watch: WatchKey, revisions: &[i64]) -> Option<(Property, String)> {
        let newest = *revisions.last()?;
        let known = self.watched.entry((client, watch)).or_default();
        let last = known.newest;
        *known = Seen { newest, events: known.events + revisions.len() as u64 };
        self.seen.extend(revisions.iter().copied());
        let in_order = revisions[0] > last && revisions.is_sorted();
        (!in_order).then(|| (Property::WatchOrder, format!("a watch at revision {last} was sent {revisions:?}")))
    }
}
