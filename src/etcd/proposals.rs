//! What a member puts into the log, and who waits for it to come back.
//!
//! Upstream: `processInternalRaftRequestOnce` of `server/etcdserver/v3_server.go` of 3.5.

use super::api::{Request, Response};
use super::apply::quota::Alarm;
use super::auth::{AuthInfo, ROOT};
use super::error::{Code, EtcdError, Status};
use super::internal::{InternalRaftRequest, RequestHeader};
use super::member::{Member, Moment};
use super::server::Call;
use super::{Outbox, api};
use crate::raft::{ConfChange, PeerId};
use crate::sim::{HostId, SimTime};
use bytes::Bytes;
use prost::Message as _;
use std::collections::{BTreeMap, VecDeque};

/// etcd refuses proposals while this many committed entries wait to be applied.
const APPLY_GAP_MAX: u64 = 5_000;

/// What this member has proposed and not yet answered.
#[derive(Clone, Debug, Hash)]
pub struct Proposals {
    next_id: u64,
    /// Without a leader a proposal waits.
    parked: VecDeque<(u64, Proposed)>,
    waiting: BTreeMap<u64, Proposal>,
    /// By the time they run out.
    deadlines: VecDeque<(SimTime, u64)>,
}

/// What is proposed: a request, or a change of the cluster.
#[derive(Clone, Debug, Hash)]
enum Proposed {
    Request(Bytes),
    Change(ConfChange),
}

#[derive(Clone, Debug, Hash)]
struct Proposal {
    began: SimTime,
    purpose: Purpose,
}

/// What a proposal is for.
#[derive(Clone, Debug, Hash)]
pub enum Purpose {
    /// A client waits for what comes of it.
    Answer(Call),
    /// A client waits, but will be refused all the same: what is proposed says why to everybody.
    Refuse(Call, EtcdError),
    /// A client logs in; its password was right at this auth revision.
    Login(Call, u64),
    /// Another member passed on what its client asks: it is told what comes of it under this number.
    Promote(HostId, u64),
    Publish,
    Version,
    Alarm,
    Checkpoint,
    RevokeLease,
    AutoCompaction(i64),
}

impl Purpose {
    /// Upstream's metrics count requests, and no changes of the cluster.
    fn is_change(&self) -> bool {
        matches!(
            self,
            Purpose::Answer(Call {
                request: Request::MemberAdd(_)
                    | Request::MemberRemove(_)
                    | Request::MemberUpdate(_)
                    | Request::MemberPromote(_),
                ..
            })
        )
    }
}

impl Proposals {
    /// Ids begin after `first`, which no other life of any member has.
    pub fn new(first: u64) -> Proposals {
        Proposals { next_id: first, parked: VecDeque::new(), waiting: BTreeMap::new(), deadlines: VecDeque::new() }
    }

    pub fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// How many requests are on their way through the log.
    pub fn pending(&self) -> usize {
        let requests = |proposal: &&Proposal| !proposal.purpose.is_change();
        let parked = self.parked.iter().filter(|(_, proposed)| matches!(proposed, Proposed::Request(_))).count();
        self.waiting.values().filter(requests).count().saturating_sub(parked)
    }

    /// Takes what a proposal was for, now that it has come back.
    pub fn take(&mut self, id: u64) -> Option<Purpose> {
        self.waiting.remove(&id).map(|proposal| proposal.purpose)
    }
}

impl Member {
    /// Puts a client's request into the log on its behalf.
    pub(super) fn propose(&mut self, at: Moment, call: Call, out: &mut Outbox) {
        let request = InternalRaftRequest::of(&call.request);
        self.propose_for(at, Purpose::Answer(call), request, out);
    }

    /// Puts a request into the log that a client caused.
    pub(super) fn propose_for(
        &mut self,
        at: Moment,
        purpose: Purpose,
        mut request: InternalRaftRequest,
        out: &mut Outbox,
    ) {
        let token = match &purpose {
            Purpose::Answer(call) | Purpose::Refuse(call, _) => call.token.clone(),
            _ => None,
        };
        if self.raft().committed().0.saturating_sub(self.applied().0) > APPLY_GAP_MAX {
            return self.proposal_failed(at, purpose, EtcdError::TooManyRequests.into(), out);
        }
        let info = match self.auth_info(at.now, &token) {
            Ok(info) => info.unwrap_or_default(),
            Err(error) => return self.proposal_failed(at, purpose, error.into(), out),
        };
        let (id, data) = self.encode(&mut request, info);
        if data.len() > self.cluster.settings.max_request_bytes {
            return self.proposal_failed(at, purpose, EtcdError::RequestTooLarge.into(), out);
        }
        self.submit(at, id, Proposed::Request(data), purpose, out);
    }

    /// Puts the member's own request into the log.
    pub(super) fn propose_own(
        &mut self,
        at: Moment,
        purpose: Purpose,
        mut request: InternalRaftRequest,
        out: &mut Outbox,
    ) {
        let info = if self.applier.auth.is_enabled() {
            AuthInfo { username: ROOT.to_owned(), revision: self.applier.auth.revision() }
        } else {
            AuthInfo::default()
        };
        let (id, data) = self.encode(&mut request, info);
        self.submit(at, id, Proposed::Request(data), purpose, out);
    }

    /// Raises an alarm for a member through the log.
    pub(super) fn raise_alarm(&mut self, at: Moment, alarm: Alarm, member: u64, out: &mut Outbox) {
        let request = alarm_request(alarm, member);
        self.propose_own(at, Purpose::Alarm, InternalRaftRequest::of(&Request::Alarm(request)), out);
    }

    fn encode(&mut self, request: &mut InternalRaftRequest, info: AuthInfo) -> (u64, Bytes) {
        let id = self.proposals.next_id();
        request.header = Some(RequestHeader { id, username: info.username, auth_revision: info.revision });
        (id, request.encode_to_vec().into())
    }

    /// Puts a change of the cluster into the log; who asked is answered when it is applied here.
    pub(super) fn propose_change(&mut self, at: Moment, purpose: Purpose, change: ConfChange, out: &mut Outbox) {
        let id = self.proposals.next_id();
        self.submit(at, id, Proposed::Change(ConfChange { id, ..change }), purpose, out);
    }

    fn submit(&mut self, at: Moment, id: u64, proposed: Proposed, purpose: Purpose, out: &mut Outbox) {
        self.proposals.deadlines.push_back((at.now + self.cluster.timing.request_timeout(), id));
        self.proposals.waiting.insert(id, Proposal { began: at.now, purpose });
        self.proposals.parked.push_back((id, proposed));
        self.propose_parked(at, out);
    }

    /// Hands parked proposals to Raft; without a leader they stay where they are, as in etcd, until they run out.
    pub(super) fn propose_parked(&mut self, at: Moment, out: &mut Outbox) {
        while self.raft().leader() != PeerId::NONE {
            let Some((id, proposed)) = self.proposals.parked.pop_front() else { return };
            let result = self.with_node(at, |node| match proposed {
                Proposed::Request(data) => node.propose(data),
                Proposed::Change(change) => node.propose_conf_change(change),
            });
            if let Err(error) = result {
                // A transfer of leadership is under way, or too much waits for commitment.
                let status = Status { code: Code::Unknown, message: error.to_string() };
                if let Some(purpose) = self.proposals.take(id) {
                    self.metrics.proposals_failed += u64::from(!purpose.is_change());
                    self.proposal_failed(at, purpose, status, out);
                }
            }
        }
    }

    pub(super) fn expire_proposals(&mut self, at: Moment, out: &mut Outbox) {
        while self.proposals.deadlines.front().is_some_and(|(deadline, _)| *deadline <= at.now) {
            let Some((_, id)) = self.proposals.deadlines.pop_front() else { return };
            let Some(proposal) = self.proposals.waiting.remove(&id) else { continue };
            let status = match self.proposals.parked.iter().position(|(parked, _)| *parked == id) {
                Some(place) => {
                    self.proposals.parked.remove(place);
                    never_proposed()
                }
                None => self.why_timed_out(proposal.began).into(),
            };
            self.metrics.proposals_failed += u64::from(!proposal.purpose.is_change());
            self.proposal_failed(at, proposal.purpose, status, out);
        }
    }

    /// Upstream: `parseProposeCtxErr`.
    fn why_timed_out(&self, began: SimTime) -> EtcdError {
        match self.lost_leader_at {
            Some(lost) if lost > began => EtcdError::TimeoutDueToLeaderFail,
            _ => EtcdError::Timeout,
        }
    }

    /// A proposal came back and was applied, or did not get that far.
    pub(super) fn proposal_ended(
        &mut self,
        at: Moment,
        purpose: Purpose,
        result: Result<Option<Response>, Status>,
        out: &mut Outbox,
    ) {
        match purpose {
            Purpose::Answer(call) => {
                let result = result.map(|response| response.expect("what a client asks for has an answer"));
                self.answer(call.conn, call.call, &call.request, result, out);
            }
            Purpose::Refuse(call, error) => self.answer(call.conn, call.call, &call.request, Err(error.into()), out),
            // The password may have been changed on the way.
            Purpose::Login(call, checked) if result.is_ok() && checked != self.applier.auth.revision() => {
                self.log_in(at, call, out);
            }
            Purpose::Login(call, _) => {
                let result = result.map(|response| response.expect("a login is answered with a token"));
                self.answer(call.conn, call.call, &call.request, result, out);
            }
            Purpose::Promote(host, number) => {
                let result = result.map(|_| self.applier.membership.list());
                self.tell_promotion(host, number, result, out);
            }
            Purpose::Publish if result.is_err() => self.published = false,
            Purpose::Version => self.proposing_version = false,
            Purpose::RevokeLease => {
                self.metrics.leases_expired += u64::from(result.is_ok());
                self.revoked_lease(at, out);
            }
            Purpose::AutoCompaction(revision) => {
                let compacted = Status::from(EtcdError::Compacted);
                if result.is_ok() || result.is_err_and(|status| status == compacted) {
                    self.compactor.succeeded(revision, at.now);
                }
                self.begin_compactor(out);
            }
            Purpose::Publish | Purpose::Alarm | Purpose::Checkpoint => {}
        }
    }

    fn proposal_failed(&mut self, at: Moment, purpose: Purpose, status: Status, out: &mut Outbox) {
        self.proposal_ended(at, purpose, Err(status), out);
    }
}

/// Nobody led the whole time; etcd says of its own deadline what gRPC says of a client's.
fn never_proposed() -> Status {
    Status { code: Code::Unknown, message: "context deadline exceeded".to_owned() }
}

pub fn alarm_request(alarm: Alarm, member_id: u64) -> api::AlarmRequest {
    api::AlarmRequest { action: api::AlarmAction::Activate as i32, member_id, alarm: alarm as i32 }
}
