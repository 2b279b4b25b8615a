//! Linearizable reads: each waits until the member has applied everything that was committed when it was asked.
//!
//! One ReadIndex round is under way at a time; reads that arrive meanwhile share the next one. Upstream:
//! `linearizableReadLoop` of `server/etcdserver/v3_server.go`.

use super::server::Call;
use crate::raft::Index;
use crate::sim::SimTime;

#[derive(Clone, Debug, Hash)]
pub struct Reads {
    /// Asked, but in no round yet.
    queued: Vec<Call>,
    round: Option<Round>,
    /// Raft knows a round by its number alone: no two members, nor two lives of one, may use the same.
    next_round: u64,
    /// Confirmed, but the member has not applied that far.
    confirmed: Vec<(Index, Call)>,
}

#[derive(Clone, Debug, Hash)]
struct Round {
    id: u64,
    began: SimTime,
    asked: SimTime,
    readers: Vec<Call>,
}

impl Reads {
    pub fn new(first: u64) -> Reads {
        Reads { queued: Vec::new(), round: None, next_round: first, confirmed: Vec::new() }
    }

    pub fn queue(&mut self, reader: Call) {
        self.queued.push(reader);
    }

    /// Begins a round if there is none and somebody waits: its id, to be asked of Raft.
    pub fn begin(&mut self, now: SimTime) -> Option<u64> {
        if self.round.is_some() || self.queued.is_empty() {
            return None;
        }
        self.next_round += 1;
        let readers = std::mem::take(&mut self.queued);
        self.round = Some(Round { id: self.next_round, began: now, asked: now, readers });
        Some(self.next_round)
    }

    /// The round that has to be asked again, because no answer came since `since`.
    pub fn stale(&mut self, now: SimTime, since: SimTime) -> Option<u64> {
        let round = self.round.as_mut().filter(|round| round.asked <= since)?;
        round.asked = now;
        Some(round.id)
    }

    /// Raft confirmed a round at this index. Answers to rounds given up are ignored: false.
    pub fn confirm(&mut self, id: u64, index: Index) -> bool {
        let expected = self.round.as_ref().is_some_and(|round| round.id == id);
        if expected {
            let round = self.round.take().expect("just seen");
            self.confirmed.extend(round.readers.into_iter().map(|reader| (index, reader)));
        }
        expected
    }

    /// Takes the readers that may be answered now.
    pub fn ready(&mut self, applied: Index) -> Vec<Call> {
        if self.confirmed.iter().all(|(index, _)| *index > applied) {
            return Vec::new();
        }
        let (ready, waiting) =
            std::mem::take(&mut self.confirmed).into_iter().partition(|(index, _)| *index <= applied);
        self.confirmed = waiting;
        ready.into_iter().map(|(_, reader)| reader).collect()
    }

    /// Gives up the round under way, because the leader changed.
    pub fn abandon(&mut self) -> Vec<Call> {
        self.round.take().map_or_else(Vec::new, |round| round.readers)
    }

    /// Gives up the round under way if it began before `since`.
    pub fn expire(&mut self, since: SimTime) -> Vec<Call> {
        if self.round.as_ref().is_some_and(|round| round.began <= since) { self.abandon() } else { Vec::new() }
    }
}
