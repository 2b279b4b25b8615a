//! etcd's guarantees for watches, held against what each watch was told.
//!
//! | guarantee | what is checked |
//! |---|---|
//! | filter | every event is of the range that was asked for |
//! | ordered | revisions never fall, unique: no event twice |
//! | atomic | the events of a revision come in one response, unless it is marked as a fragment |
//! | bookmarkable | after a progress notification at a revision comes no event at or below it |
//! | resumable | the first event is the first there is from the start on, whatever streams broke since |
//! | reliable | from the first to the last, the events are exactly those of the log |
//! | lasting | it ends only when its user wants it to, or when compaction overtook it |
//! | previous | a previous value is the one that the event replaced |
//!
//! Upstream: `tests/robustness/validate/watch.go`.

use super::Truth;
use crate::etcd::api::{Event, EventType, FilterType, WatchCreateRequest, WatchResponse};
use crate::etcd::client::{ClientId, WatchKey};
use crate::etcd::error::{EtcdError, Status};
use crate::etcd::mvcc::KeySpan;
use crate::lab::Witness;
use crate::lab::witness::Heard;
use crate::sim::SimTime;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Guarantee {
    Filter,
    Ordered,
    Atomic,
    Bookmarkable,
    Resumable,
    Reliable,
    Lasting,
    Previous,
}

impl Guarantee {
    pub fn name(self) -> &'static str {
        match self {
            Guarantee::Filter => "watch filter",
            Guarantee::Ordered => "watch ordered and unique",
            Guarantee::Atomic => "watch atomic",
            Guarantee::Bookmarkable => "watch bookmarkable",
            Guarantee::Resumable => "watch resumable",
            Guarantee::Reliable => "watch reliable",
            Guarantee::Lasting => "watch lasting",
            Guarantee::Previous => "watch previous value",
        }
    }
}

/// A guarantee that a watch broke.
#[derive(Clone, Debug)]
pub struct Broken {
    pub guarantee: Guarantee,
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.guarantee.name(), self.what)
    }
}

/// One watch, from its creation to the end of the run.
#[derive(Clone, Debug)]
pub struct Watched {
    pub client: ClientId,
    pub watch: WatchKey,
    pub request: WatchCreateRequest,
    pub told: Vec<(SimTime, Result<WatchResponse, Status>)>,
    /// Its user went away.
    pub closed: bool,
}

impl Watched {
    /// Every watch that a witness heard of.
    pub fn all(witness: &Witness) -> Vec<Watched> {
        let mut all: Vec<Watched> = Vec::new();
        let mut newest: BTreeMap<(ClientId, WatchKey), usize> = BTreeMap::new();
        for (at, heard) in &witness.heard {
            match heard {
                Heard::Watching { client, watch, request } => {
                    newest.insert((*client, *watch), all.len());
                    let (client, watch, request) = (*client, *watch, request.clone());
                    all.push(Watched { client, watch, request, told: Vec::new(), closed: false });
                }
                Heard::Told { client, watch, result } => {
                    let Some(position) = newest.get(&(*client, *watch)) else { continue };
                    all[*position].told.push((*at, result.clone()));
                }
                Heard::Closed { client } => {
                    let of_it = all.iter_mut().filter(|watched| watched.client == *client);
                    of_it.for_each(|watched| watched.closed = true);
                }
                Heard::Asked { .. } | Heard::Answered { .. } => {}
            }
        }
        all
    }

    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.told.iter().filter_map(|(_, told)| told.as_ref().ok()).flat_map(|response| &response.events)
    }

    /// Every guarantee that this watch broke, the first of each.
    pub fn judge(&self, truth: &Truth) -> Vec<Broken> {
        let mut broken: Vec<Broken> = self.responses();
        broken.extend(self.events().find_map(|event| self.misplaced(event)));
        broken.extend(self.against(truth));
        broken.extend(self.ended(truth));
        broken.extend(self.events().find_map(|event| wrong_previous(event, truth)));
        broken
    }

    /// Events of the log that it should have been told by now, if it is still alive.
    pub fn missing(&self, truth: &Truth) -> Vec<i64> {
        if self.closed || self.end().is_some() {
            return Vec::new();
        }
        // Where it began is not known before its first event, unless it named a revision.
        let from = match (self.events().last(), self.request.start_revision) {
            (Some(last), _) => revision(last) + 1,
            (None, 0) => return Vec::new(),
            (None, start) => start,
        };
        truth.events(from).filter(|event| self.wants(event)).map(|event| revision(&event)).collect()
    }

    fn wants(&self, event: &Event) -> bool {
        let Some(kv) = &event.kv else { return false };
        let filter = if is_put(event) { FilterType::NoPut } else { FilterType::NoDelete };
        let span = KeySpan::of(&self.request.key, &self.request.range_end);
        span.contains(&kv.key) && !self.request.filters.contains(&(filter as i32))
    }

    fn misplaced(&self, event: &Event) -> Option<Broken> {
        (!self.wants(event)).then(|| self.broke(Guarantee::Filter, format!("was told {event:?}")))
    }

    /// What the responses by themselves say: order, atomicity, bookmarks.
    fn responses(&self) -> Vec<Broken> {
        let mut broken = Vec::new();
        let (mut last, mut bookmark, mut fragment) = (0, 0, false);
        for (at, told) in &self.told {
            let Ok(response) = told else { continue };
            if is_end(response) {
                continue;
            }
            let header = response.header.as_ref().map_or(0, |header| header.revision);
            if response.events.is_empty() {
                bookmark = bookmark.max(header);
                continue;
            }
            let revisions: Vec<i64> = response.events.iter().map(revision).collect();
            let (first, newest) = (revisions[0], revisions[revisions.len() - 1]);
            if !revisions.is_sorted() || first < last || has_twice(&response.events) {
                broken.push(self.broke(Guarantee::Ordered, format!("at {at} it was at {last} and got {revisions:?}")));
            } else if first == last && !fragment {
                broken.push(self.broke(Guarantee::Atomic, format!("at {at} revision {first} came in pieces")));
            }
            if first <= bookmark {
                let what = format!("at {at} came revision {first}, after progress to {bookmark} was notified");
                broken.push(self.broke(Guarantee::Bookmarkable, what));
            }
            (last, fragment) = (last.max(newest), response.fragment);
        }
        let mut seen = BTreeSet::new();
        broken.retain(|one| seen.insert(one.guarantee));
        broken
    }

    /// Whether the events are exactly those of the log, from where it began to where it is.
    fn against(&self, truth: &Truth) -> Option<Broken> {
        let mut seen = self.events().peekable();
        let first = revision(seen.peek()?);
        let last = revision(self.events().last()?);
        let start = if self.request.start_revision > 0 { self.request.start_revision } else { first };
        let expected = truth.events(start).filter(|event| self.wants(event));
        for expected in expected.take_while(|event| revision(event) <= last) {
            let same = seen.peek().is_some_and(|seen| seen.kv == expected.kv && seen.r#type == expected.r#type);
            if same {
                seen.next();
                continue;
            }
            // As in 3.5.1, who begins at the compacted revision itself does not hear of what was deleted in it.
            if !is_put(&expected) && truth.was_compacted_at(revision(&expected)) {
                continue;
            }
            let is_first = seen.peek().is_some_and(|seen| revision(seen) == first);
            let guarantee = if is_first { Guarantee::Resumable } else { Guarantee::Reliable };
            return Some(self.broke(guarantee, format!("instead of {expected:?} came {:?}", seen.peek())));
        }
        seen.next().map(|extra| self.broke(Guarantee::Reliable, format!("{extra:?} is not in the log")))
    }

    /// When it ended by itself, and why.
    fn end(&self) -> Option<(SimTime, String)> {
        let (at, told) = self.told.last()?;
        match told {
            Err(status) => Some((*at, status.message.clone())),
            Ok(response) if response.compact_revision != 0 => Some((*at, EtcdError::Compacted.text().to_owned())),
            Ok(response) => is_end(response).then(|| (*at, response.cancel_reason.clone())),
        }
    }

    /// Whether it ended without need.
    fn ended(&self, truth: &Truth) -> Option<Broken> {
        let (at, why) = self.end()?;
        let next = self.events().last().map_or(self.request.start_revision, |last| revision(last) + 1);
        // Without a start and without an event nobody knows where it was.
        let overtaken = next == 0 || truth.compacted(at) > next;
        let needed = overtaken && why == EtcdError::Compacted.text();
        (!needed).then(|| self.broke(Guarantee::Lasting, format!("before {next}, at {at}: {why}")))
    }

    fn broke(&self, guarantee: Guarantee, what: String) -> Broken {
        let WatchCreateRequest { key, range_end, start_revision, .. } = &self.request;
        let from = format!("the watch of {key:?} to {range_end:?} from {start_revision}");
        Broken { guarantee, what: format!("client {}: {from}: {what}", self.client.0) }
    }
}

fn is_end(response: &WatchResponse) -> bool {
    response.canceled || response.compact_revision != 0
}

fn revision(event: &Event) -> i64 {
    event.kv.as_ref().map_or(0, |kv| kv.mod_revision)
}

fn is_put(event: &Event) -> bool {
    event.r#type == EventType::Put as i32
}

fn has_twice(events: &[Event]) -> bool {
    let mut named: Vec<_> = events.iter().map(|event| (revision(event), event.kv.as_ref().map(|kv| &kv.key))).collect();
    named.sort();
    named.windows(2).any(|pair| pair[0] == pair[1])
}

/// A previous value, where there is one, is what the key held just before.
fn wrong_previous(event: &Event, truth: &Truth) -> Option<Broken> {
    let (previous, kv) = (event.prev_kv.as_ref()?, event.kv.as_ref()?);
    let before = truth.value_at(&kv.key, kv.mod_revision - 1);
    let what = || format!("{event:?} replaced {before:?}");
    (before.as_ref() != Some(previous)).then(|| Broken { guarantee: Guarantee::Previous, what: what() })
}
