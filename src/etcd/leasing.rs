//! Leases as clients ask for them, and their end.
//!
//! Only the leader counts. It finds what has ended and revokes it through the log; what another member is asked about a
//! lease's time it asks the leader. A lease that has ended but is not revoked yet can neither be renewed nor is it gone:
//! whoever renews it waits for one or the other.
//!
//! Upstream: `server/etcdserver/v3_server.go`, `server/lease/lessor.go` and `server/lease/leasehttp` of 3.5.

use super::api::*;
use super::forwards::{Forward, Forwards};
use super::internal::InternalRaftRequest;
use super::lease::{Lessor, REVOKE_RATE, Renewal};
use super::member::{self, Member, MemberNote, Moment};
use super::proposals::Purpose;
use super::server::Call;
use super::wire::{LeaseAsk, LeaseTell, Wire};
use super::{Note, Outbox, Rule};
use crate::raft::Index;
use crate::sim::{HostId, Micros, SimTime};
use std::collections::VecDeque;

/// How often the lessor looks for leases that have ended.
const BEAT: Micros = Micros::from_millis(500);
/// Revocations that are under way at a time.
const REVOKING_MAX: usize = 16;
/// How long another member's request waits for what is committed to be applied.
const APPLY_TIMEOUT: Micros = Micros::from_secs(1);
/// Checkpoints in one request.
const CHECKPOINTS_MAX: usize = 1_000;

#[derive(Clone, Debug, Default, Hash)]
pub struct Leasing {
    /// When the lessor will look next.
    armed: Option<SimTime>,
    /// Leases that have ended and whose revocation is not proposed yet.
    ended: VecDeque<i64>,
    revoking: usize,
    waits: Vec<Wait>,
    /// What was passed on to the leader, with the revision at which it was asked.
    forwards: Forwards<(i64, LeaseAsk)>,
}

/// Who asked about a lease.
#[derive(Clone, Debug, Hash)]
enum Asker {
    /// A client; the answer's header names the revision at which it asked.
    Client(Call, i64),
    Peer(HostId, u64),
}

#[derive(Clone, Debug, Hash)]
struct Wait {
    asker: Asker,
    ask: LeaseAsk,
    until: Until,
}

#[derive(Clone, Copy, Debug, Hash)]
enum Until {
    Revoked(i64),
    Applied(Index, SimTime),
}

impl Member {
    fn lessor(&mut self) -> &mut Lessor {
        &mut self.applier.store.kv_mut().lessor
    }

    // Counting.

    /// The first entry of its term is applied: the leader counts from here on.
    pub(super) fn promote_lessor(&mut self, at: Moment, out: &mut Outbox) {
        let extend = self.cluster.timing.election;
        self.lessor().promote(at.now, extend);
        self.arm_lessor(at, out);
    }

    pub(super) fn demote_lessor(&mut self, at: Moment, out: &mut Outbox) {
        if self.lessor().is_primary() {
            self.lessor().demote();
            self.leasing.ended.clear();
            self.settle_leases(at, out);
        }
    }

    /// Sets a timer for the lessor's next beat at which there may be something to do.
    pub(super) fn arm_lessor(&mut self, at: Moment, out: &mut Outbox) {
        let Some(due) = self.applier.store.kv().lessor.next_due() else { return };
        let due = due.max(at.now + Micros(1));
        let beats = due.since(self.started_at).0.div_ceil(BEAT.0);
        let beat = self.started_at + Micros(beats * BEAT.0);
        if self.leasing.armed.is_none_or(|armed| beat < armed) {
            self.leasing.armed = Some(beat);
            out.wake(beat.since(at.now), Note::Member(MemberNote::Leases));
        }
    }

    /// The lessor's beat.
    pub(super) fn look_for_ended_leases(&mut self, at: Moment, out: &mut Outbox) {
        if self.leasing.armed.is_some_and(|armed| armed <= at.now) {
            self.leasing.armed = None;
        }
        if !self.lessor().is_primary() {
            return;
        }
        let ended = self.lessor().take_expired(at.now, REVOKE_RATE / 2);
        self.leasing.ended.extend(ended);
        self.revoke_ended(at, out);
        let due = self.lessor().take_checkpoints(at.now, CHECKPOINTS_MAX);
        self.checkpoint(at, due, out);
        self.arm_lessor(at, out);
    }

    fn revoke_ended(&mut self, at: Moment, out: &mut Outbox) {
        while self.leasing.revoking < REVOKING_MAX
            && let Some(id) = self.leasing.ended.pop_front()
        {
            self.leasing.revoking += 1;
            let revoke = InternalRaftRequest::of(&Request::LeaseRevoke(LeaseRevokeRequest { id }));
            self.propose_own(at, Purpose::RevokeLease, revoke, out);
        }
    }

    /// A revocation has come back, or came to nothing: then the lessor names the lease again.
    pub(super) fn revoked_lease(&mut self, at: Moment, out: &mut Outbox) {
        self.leasing.revoking -= 1;
        self.revoke_ended(at, out);
    }

    fn checkpoint(&mut self, at: Moment, remaining: Vec<(i64, i64)>, out: &mut Outbox) {
        if remaining.is_empty() {
            return;
        }
        let checkpoints = remaining.into_iter().map(|(id, remaining_ttl)| LeaseCheckpoint { id, remaining_ttl });
        let request = LeaseCheckpointRequest { checkpoints: checkpoints.collect() };
        let request = InternalRaftRequest { lease_checkpoint: Some(Box::new(request)), ..Default::default() };
        self.propose_own(at, Purpose::Checkpoint, request, out);
    }

    // Being asked.

    pub(super) fn lease_grant(&mut self, at: Moment, mut call: Call, out: &mut Outbox) {
        if let Request::LeaseGrant(grant) = &mut call.request {
            while grant.id == 0 {
                grant.id = (self.proposals.next_id() & i64::MAX as u64) as i64;
            }
        }
        self.propose(at, call, out);
    }

    pub(super) fn lease_leases(&self) -> LeaseLeasesResponse {
        let ids = self.applier.store.kv().lessor.by_expiry();
        LeaseLeasesResponse { header: None, leases: ids.into_iter().map(|id| LeaseStatus { id }).collect() }
    }

    pub(super) fn lease_called(&mut self, at: Moment, call: Call, ask: LeaseAsk, out: &mut Outbox) {
        let revision = self.applier.store.kv().revision();
        self.serve_lease(at, Asker::Client(call, revision), ask, out);
    }

    /// Another member passes on what its client asks.
    pub(super) fn lease_asked(&mut self, at: Moment, from: HostId, number: u64, ask: LeaseAsk, out: &mut Outbox) {
        let (asker, committed) = (Asker::Peer(from, number), self.raft().committed());
        if committed > self.applied() {
            self.leasing.waits.push(Wait { asker, ask, until: Until::Applied(committed, at.now) });
        } else {
            self.serve_lease(at, asker, ask, out);
        }
    }

    fn serve_lease(&mut self, at: Moment, asker: Asker, ask: LeaseAsk, out: &mut Outbox) {
        let tell = match ask {
            LeaseAsk::Renew(id) => match self.lessor().renew(id, at.now) {
                Renewal::Renewed { ttl, clear } => {
                    self.metrics.leases_renewed += 1;
                    self.arm_lessor(at, out);
                    let forget = if clear { vec![(id, 0)] } else { Vec::new() };
                    self.checkpoint(at, forget, out);
                    LeaseTell::Renewed(ttl)
                }
                Renewal::NotFound => LeaseTell::NotFound,
                Renewal::Expired if !self.cluster.rules.hold(Rule::ExpiredStayExpired) => {
                    LeaseTell::Renewed(self.lessor().revive(id, at.now))
                }
                Renewal::Expired => {
                    return self.leasing.waits.push(Wait { asker, ask, until: Until::Revoked(id) });
                }
                Renewal::NotPrimary => LeaseTell::Again,
            },
            LeaseAsk::TimeToLive { id, keys } if self.lead() == self.id => self.time_to_live(id, keys, at.now),
            LeaseAsk::TimeToLive { .. } => LeaseTell::Again,
        };
        match (asker, tell) {
            (Asker::Client(call, revision), LeaseTell::Again) => self.forward(at, call, revision, ask, out),
            (Asker::Client(call, revision), tell) => self.answer_lease(call, revision, tell, out),
            (Asker::Peer(host, number), tell) => {
                member::tell(host, Wire::LeaseTell { number, tell }, out);
            }
        }
    }

    fn time_to_live(&self, id: i64, keys: bool, now: SimTime) -> LeaseTell {
        let Some(lease) = self.applier.store.kv().lessor.get(id) else { return LeaseTell::NotFound };
        let keys = if keys { lease.keys().cloned().collect() } else { Vec::new() };
        let ttl = lease.remaining(now);
        LeaseTell::TimeToLive(LeaseTimeToLiveResponse { header: None, id, ttl, granted_ttl: lease.ttl(), keys })
    }

    fn answer_lease(&mut self, call: Call, revision: i64, tell: LeaseTell, out: &mut Outbox) {
        let response = match (&call.request, tell) {
            (Request::LeaseKeepAlive(request), LeaseTell::Renewed(ttl)) => keep_alive(request.id, ttl, revision),
            (Request::LeaseKeepAlive(request), _) => keep_alive(request.id, 0, revision),
            (_, LeaseTell::TimeToLive(response)) => Response::LeaseTimeToLive(response),
            (Request::LeaseTimeToLive(request), _) => {
                Response::LeaseTimeToLive(LeaseTimeToLiveResponse { id: request.id, ttl: -1, ..Default::default() })
            }
            _ => unreachable!("nothing else is asked about a lease's time"),
        };
        self.answer(call.conn, call.call, &call.request, Ok(response), out);
    }

    /// Serves those whose waiting has come to an end.
    pub(super) fn settle_leases(&mut self, at: Moment, out: &mut Outbox) {
        if self.leasing.waits.is_empty() {
            return;
        }
        let applied = self.applied();
        for wait in std::mem::take(&mut self.leasing.waits) {
            let over = match wait.until {
                Until::Revoked(id) => !self.lessor().is_primary() || !self.lessor().exists(id),
                Until::Applied(index, _) => index <= applied,
            };
            if over {
                self.serve_lease(at, wait.asker, wait.ask, out);
            } else {
                self.leasing.waits.push(wait);
            }
        }
    }

    // Asking the leader.

    fn forward(&mut self, at: Moment, call: Call, revision: i64, ask: LeaseAsk, out: &mut Outbox) {
        let number = self.leasing.forwards.add(call, (revision, ask), at.now);
        self.send_forward(at, number, out);
    }

    fn send_forward(&mut self, at: Moment, number: u64, out: &mut Outbox) {
        let leader = self.lead();
        if leader == self.id && self.lessor().is_primary() {
            if let Some(Forward { call, ask: (revision, ask), .. }) = self.leasing.forwards.take(number) {
                self.serve_lease(at, Asker::Client(call, revision), ask, out);
            }
            return;
        }
        let Some(host) = self.peers.host(leader) else { return };
        if let Some((_, ask)) = self.leasing.forwards.send(number, leader) {
            member::tell(host, Wire::LeaseAsk { number, ask: *ask }, out);
        }
    }

    /// The other member answered.
    pub(super) fn lease_told(&mut self, number: u64, tell: LeaseTell, out: &mut Outbox) {
        if tell == LeaseTell::Again {
            self.leasing.forwards.ask_again(number);
        } else if let Some(Forward { call, ask: (revision, _), .. }) = self.leasing.forwards.take(number) {
            self.answer_lease(call, revision, tell, out);
        }
    }

    /// With every heartbeat: what was not sent is sent, what has waited too long is given up.
    pub(super) fn tend_leases(&mut self, at: Moment, out: &mut Outbox) {
        let due = self.leasing.forwards.due(self.lead(), at.now, self.cluster.timing.request_timeout());
        self.tend(at, due, Member::send_forward, out);
        let too_long =
            |wait: &Wait| matches!(wait.until, Until::Applied(_, since) if at.now.since(since) >= APPLY_TIMEOUT);
        for wait in self.leasing.waits.extract_if(.., |wait| too_long(wait)) {
            if let Asker::Peer(host, number) = wait.asker {
                member::tell(host, Wire::LeaseTell { number, tell: LeaseTell::Again }, out);
            }
        }
    }
}

fn keep_alive(id: i64, ttl: i64, revision: i64) -> Response {
    let header = Some(ResponseHeader { revision, ..ResponseHeader::default() });
    Response::LeaseKeepAlive(LeaseKeepAliveResponse { header, id, ttl })
}
