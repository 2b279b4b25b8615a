//! Calls that a member passes on to the leader, who may be another before they are answered.

use super::Outbox;
use super::error::{EtcdError, Status};
use super::member::{Member, Moment};
use super::server::Call;
use crate::raft::PeerId;
use crate::sim::{Micros, SimTime};
use std::collections::BTreeMap;

/// What was passed on, by numbers of the member's own; `A` is what is asked.
#[derive(Clone, Debug, Hash)]
pub struct Forwards<A> {
    waiting: BTreeMap<u64, Forward<A>>,
    last_number: u64,
}

#[derive(Clone, Debug, Hash)]
pub struct Forward<A> {
    pub call: Call,
    pub ask: A,
    began: SimTime,
    /// The leader that has it; none if it must be sent anew.
    sent: Option<PeerId>,
}

/// What a call needs that waits.
pub enum Due {
    GiveUp(Call),
    Send(u64),
}

impl<A> Default for Forwards<A> {
    fn default() -> Forwards<A> {
        Forwards { waiting: BTreeMap::new(), last_number: 0 }
    }
}

impl<A> Forwards<A> {
    /// Keeps a call until it is answered, and says under which number.
    pub fn add(&mut self, call: Call, ask: A, now: SimTime) -> u64 {
        self.last_number += 1;
        self.waiting.insert(self.last_number, Forward { call, ask, began: now, sent: None });
        self.last_number
    }

    pub fn take(&mut self, number: u64) -> Option<Forward<A>> {
        self.waiting.remove(&number)
    }

    /// What to ask this leader, who has it from now on.
    pub fn send(&mut self, number: u64, leader: PeerId) -> Option<&A> {
        let forward = self.waiting.get_mut(&number)?;
        forward.sent = Some(leader);
        Some(&forward.ask)
    }

    /// The leader could not say: it is to be asked again.
    pub fn ask_again(&mut self, number: u64) {
        if let Some(forward) = self.waiting.get_mut(&number) {
            forward.sent = None;
        }
    }

    /// What this leader does not have yet, and what has waited so long, which is not kept any more.
    pub fn due(&mut self, leader: PeerId, now: SimTime, wait_max: Micros) -> Vec<Due> {
        let waiting = std::mem::take(&mut self.waiting);
        let mut due = Vec::new();
        for (number, forward) in waiting {
            if now.since(forward.began) >= wait_max {
                due.push(Due::GiveUp(forward.call));
                continue;
            }
            if forward.sent != Some(leader) {
                due.push(Due::Send(number));
            }
            self.waiting.insert(number, forward);
        }
        due
    }
}

impl Member {
    /// Does what is due: gives up, or sends as it is said.
    pub(super) fn tend(
        &mut self,
        at: Moment,
        due: Vec<Due>,
        send: fn(&mut Member, Moment, u64, &mut Outbox),
        out: &mut Outbox,
    ) {
        let error = if self.is_leaderless() { EtcdError::NoLeader } else { EtcdError::Timeout };
        for due in due {
            match due {
                Due::GiveUp(call) => self.answer(call.conn, call.call, &call.request, Err(Status::from(error)), out),
                Due::Send(number) => send(self, at, number, out),
            }
        }
    }
}
