//! The history of a run as its clients lived it, and the proof that it was a sound one.
//!
//! A [`History`] is made of what a [`Witness`] heard. [`Truth`] is what the log says must have happened: the entries in the
//! order in which they were applied, carried out once by a store that never crashed. Judgements follow:
//!
//! - [`History::against`]: every acknowledged write is in the log, once, and was answered as the log answers it; every
//!   read was answered as the store stood at the revision it names.
//! - [`linearize`]: the values alone, without revisions and log, can be explained by one order of all operations that
//!   respects real time (Wing and Gong's search).
//! - [`watch`]: etcd's guarantees for watches; [`lease`]: no lease ends too soon.
//!
//! A call without an answer, or with an error, may have taken effect or not, at any moment since: the log knows.
//! Upstream has the same checks in `tests/robustness`.

pub mod lease;
#[cfg(not(target_arch = "wasm32"))]
pub mod linearize;
pub mod watch;

use super::Witness;
use super::witness::Heard;
use crate::etcd::api::{Event, RangeRequest, Request, Response, ResponseHeader};
use crate::etcd::applier::{Applied, Applier};
use crate::etcd::client::ClientId;
use crate::etcd::internal::InternalRaftRequest;
use crate::etcd::mvcc::Revision;
use crate::etcd::wire::CallId;
use crate::etcd::{apply, error::EtcdError};
use crate::raft::{Entry, EntryType};
use crate::sim::SimTime;
use prost::Message as _;
use std::collections::BTreeMap;

/// A call of a client.
#[derive(Clone, Debug)]
pub struct Operation {
    pub client: ClientId,
    pub asked: SimTime,
    pub request: Request,
    /// When it was answered, if it was, and with success.
    pub answer: Option<(SimTime, Response)>,
}

impl Operation {
    pub fn writes(&self) -> bool {
        match &self.request {
            Request::Range(_) | Request::MemberList(_) | Request::Status(_) | Request::HashKv(_) => false,
            Request::Txn(txn) => !apply::is_read_only(txn),
            _ => true,
        }
    }
}

/// All calls in the order in which they were asked.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub operations: Vec<Operation>,
}

impl History {
    pub fn of(witness: &Witness) -> History {
        let mut history = History::default();
        let mut under_way: BTreeMap<(ClientId, CallId), usize> = BTreeMap::new();
        for (at, heard) in &witness.heard {
            match heard {
                Heard::Asked { client, call, request } => {
                    under_way.insert((*client, *call), history.operations.len());
                    let (client, request) = (*client, request.clone());
                    history.operations.push(Operation { client, asked: *at, request, answer: None });
                }
                Heard::Answered { client, call, result } => {
                    let Some(position) = under_way.remove(&(*client, *call)) else { continue };
                    history.operations[position].answer = result.clone().ok().map(|response| (*at, response));
                }
                Heard::Watching { .. } | Heard::Told { .. } | Heard::Closed { .. } => {}
            }
        }
        history
    }

    /// Operations that succeeded.
    pub fn acknowledged(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|operation| operation.answer.is_some())
    }

    /// What the log contradicts.
    pub fn against(&self, truth: &Truth) -> Vec<String> {
        self.acknowledged().filter_map(|operation| truth.contradicts(operation)).collect()
    }
}

/// What one entry of the log did.
#[derive(Clone, Debug)]
struct Done {
    first_applied: SimTime,
    response: Result<Option<Response>, EtcdError>,
}

/// What the log says.
#[derive(Debug)]
pub struct Truth {
    /// By what was asked, encoded: how often that was applied, and what came of it.
    done: BTreeMap<Vec<u8>, Vec<Done>>,
    /// Holds every revision: it is never compacted.
    applier: Applier,
    /// Compactions in the order in which they were asked for, and since when.
    compactions: Vec<(SimTime, i64)>,
    /// Each term's number, and when its first entry was applied.
    terms: Vec<(u64, SimTime)>,
}

impl Truth {
    /// Carries out `entries`, which were first applied at the moments of `applied`.
    pub fn of<'a>(entries: impl Iterator<Item = &'a Entry>, applied: impl Iterator<Item = SimTime>) -> Truth {
        let applier = Applier::default();
        let mut truth = Truth { done: BTreeMap::new(), applier, compactions: Vec::new(), terms: Vec::new() };
        for (entry, first_applied) in entries.zip(applied) {
            if truth.terms.last().is_none_or(|(last, _)| *last < entry.term.0) {
                truth.terms.push((entry.term.0, first_applied));
            }
            if entry.entry_type == EntryType::EntryNormal
                && let Ok(request) = InternalRaftRequest::decode(entry.data.clone())
            {
                truth.carry_out(request, Applied { index: entry.index, now: first_applied });
            }
        }
        truth
    }

    fn carry_out(&mut self, request: InternalRaftRequest, at: Applied) {
        let first_applied = at.now;
        if let Some(compaction) = &request.compaction {
            self.compactions.push((first_applied, compaction.revision));
            return;
        }
        let response = self.applier.apply(&request, at);
        self.done.entry(key_of(request)).or_default().push(Done { first_applied, response });
    }

    /// Whether the leader of a term had a successor by then that had begun to work.
    pub fn is_over(&self, term: u64, by: SimTime) -> bool {
        self.terms.iter().any(|(later, since)| *later > term && *since <= by)
    }

    /// When a write took effect, if it ever did.
    pub fn took_effect(&self, request: &Request) -> Option<SimTime> {
        let done = self.done.get(&key_of(InternalRaftRequest::of(request)))?;
        done.first().map(|done| done.first_applied)
    }

    pub fn revision(&self) -> i64 {
        self.applier.store.kv().revision()
    }

    /// All events from a revision on, in order.
    pub fn events(&self, from: i64) -> impl Iterator<Item = Event> {
        self.applier.store.kv().entries(Revision::new(from, 0)).map(|(_, stored)| stored.event())
    }

    /// The newest revision that was compacted up to this moment.
    pub fn compacted(&self, at: SimTime) -> i64 {
        self.compactions.iter().take_while(|(since, _)| *since <= at).map(|(_, revision)| *revision).max().unwrap_or(0)
    }

    /// Whether something was compacted up to exactly this revision.
    pub fn was_compacted_at(&self, revision: i64) -> bool {
        self.compactions.iter().any(|(_, compacted)| *compacted == revision)
    }

    pub fn value_at(&self, key: &[u8], revision: i64) -> Option<crate::etcd::api::KeyValue> {
        self.applier.store.kv().get_at(key, revision).cloned()
    }

    fn contradicts(&self, operation: &Operation) -> Option<String> {
        let (_, answer) = operation.answer.as_ref()?;
        let expected = match &operation.request {
            Request::Put(_) | Request::DeleteRange(_) => self.expected_write(operation),
            Request::Txn(_) if operation.writes() => self.expected_write(operation),
            Request::Range(range) => self.expected_read(range, answer),
            _ => return None,
        };
        let what = match expected {
            Ok(expected) if expected == bare(answer.clone()) => return None,
            Ok(expected) => format!("was answered {:?}; the log says {expected:?}", bare(answer.clone())),
            Err(why) => why,
        };
        Some(format!("{:?}, asked at {}, {what}", operation.request, operation.asked))
    }

    fn expected_write(&self, operation: &Operation) -> Result<Response, String> {
        let key = key_of(InternalRaftRequest::of(&operation.request));
        match self.done.get(&key).map(Vec::as_slice) {
            None | Some([]) => Err("was acknowledged and is not in the log".to_owned()),
            Some([done]) => match &done.response {
                Ok(Some(response)) => Ok(bare(response.clone())),
                Ok(None) => Err("was acknowledged; the log says nothing of an answer".to_owned()),
                Err(error) => Err(format!("was acknowledged; the log says {error}")),
            },
            Some(many) => Err(format!("is {} times in the log", many.len())),
        }
    }

    fn expected_read(&self, range: &RangeRequest, answer: &Response) -> Result<Response, String> {
        let revision = answer.header().map_or(0, |header| header.revision);
        let as_of = if range.revision > 0 { range.revision } else { revision };
        if revision > self.revision() {
            return Err(format!("was answered at revision {revision}; the log has {}", self.revision()));
        }
        let mut expected =
            apply::apply_range(self.applier.store.kv(), &RangeRequest { revision: as_of, ..range.clone() })
                .map_err(|error| error.to_string())?;
        expected.header = Some(ResponseHeader { revision, ..ResponseHeader::default() });
        Ok(Response::Range(expected))
    }
}

/// What was asked, without the id that the member gave it.
fn key_of(request: InternalRaftRequest) -> Vec<u8> {
    InternalRaftRequest { header: None, ..request }.encode_to_vec()
}

/// An answer without what the member that gave it says of itself.
fn bare(mut response: Response) -> Response {
    let revision = response.header().map_or(0, |header| header.revision);
    *response.header_mut() = ResponseHeader { revision, ..ResponseHeader::default() };
    response
}
