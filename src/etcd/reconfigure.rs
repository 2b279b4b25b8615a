//! Changes of who is in the cluster, and of who leads it, as clients ask for them.
//!
//! A change is checked for what it would do to the quorum, goes through the log, is checked again on every member, and is
//! answered with the members as they are then. Upstream: `server/etcdserver/server.go` and `v3rpc/member.go` of 3.5.

use super::Outbox;
use super::api::*;
use super::error::{EtcdError, Status};
use super::member::{Member, Moment};
use super::membership::{self, ConfigChangeContext};
use super::proposals::Purpose;
use super::server::Call;
use crate::raft::{ConfChange, ConfChangeType, Index, PeerId};
use crate::sim::{EPOCH_SECONDS, Micros, SimTime};

/// How long peers must have been active for the cluster to count as healthy.
const HEALTH_INTERVAL: Micros = Micros::from_secs(5);

/// A transfer of leadership that a client waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transfer {
    transferee: PeerId,
    call: Call,
    began: SimTime,
}

impl Member {
    /// Whether a call is one of these; if so it is dealt with.
    pub(super) fn reconfigure(&mut self, at: Moment, call: &Call, out: &mut Outbox) -> bool {
        let result = match &call.request {
            Request::MemberAdd(add) => self.member_add(at, add),
            Request::MemberRemove(remove) => self.member_remove(at, PeerId(remove.id)),
            Request::MemberUpdate(update) => self.member_update(update),
            Request::MemberPromote(promote) => match self.member_promote(PeerId(promote.id)) {
                Err(EtcdError::NotLeader) => {
                    self.pass_on_promotion(at, call.clone(), promote.id, out);
                    return true;
                }
                result => result,
            },
            Request::MoveLeader(transfer) => {
                self.move_leader(at, call, PeerId(transfer.target_id), out);
                return true;
            }
            _ => return false,
        };
        match result {
            Ok((change_type, node_id, context)) => {
                let change = ConfChange { id: 0, change_type, node_id, context: context.encode() };
                self.propose_change(at, Purpose::Answer(call.clone()), change, out);
            }
            Err(error) => self.answer(call.conn, call.call, &call.request, Err(error.into()), out),
        }
        true
    }

    fn member_add(&self, at: Moment, request: &MemberAddRequest) -> Result<Planned, EtcdError> {
        let urls = checked_urls(&request.peer_urls)?;
        if !request.is_learner && !self.applier.membership.is_ready_to_add_voter() {
            return Err(EtcdError::MemberNotEnoughStarted);
        }
        if self.connected_voters(at.now) < self.applier.membership.voters().count() {
            return Err(EtcdError::Unhealthy);
        }
        let member = membership::new_member(urls, EPOCH_SECONDS + at.now.0 / 1_000_000, request.is_learner);
        let kind = if request.is_learner { ConfChangeType::AddLearnerNode } else { ConfChangeType::AddNode };
        Ok((kind, PeerId(member.id), ConfigChangeContext { member, is_promote: false }))
    }

    fn member_remove(&self, at: Moment, id: PeerId) -> Result<Planned, EtcdError> {
        let planned = (ConfChangeType::RemoveNode, id, ConfigChangeContext::default());
        if self.applier.membership.is_learner(id) {
            return Ok(planned);
        }
        if !self.applier.membership.is_ready_to_remove_voter(id) {
            return Err(EtcdError::MemberNotEnoughStarted);
        }
        // One that is down takes nothing from the quorum that works.
        if id != self.id && self.peers.active_since(id, at.now).is_none() {
            return Ok(planned);
        }
        let voters = self.applier.membership.voters().count();
        if self.connected_voters(at.now).saturating_sub(1) < 1 + voters.saturating_sub(1) / 2 {
            return Err(EtcdError::Unhealthy);
        }
        Ok(planned)
    }

    fn member_update(&self, request: &MemberUpdateRequest) -> Result<Planned, EtcdError> {
        let peer_urls = checked_urls(&request.peer_urls)?;
        let member = super::api::Member { id: request.id, peer_urls, ..super::api::Member::default() };
        let context = ConfigChangeContext { member, is_promote: false };
        Ok((ConfChangeType::UpdateNode, PeerId(request.id), context))
    }

    /// Only the leader knows how far a learner has come.
    pub(super) fn member_promote(&self, id: PeerId) -> Result<Planned, EtcdError> {
        if self.lead() != self.id {
            return Err(EtcdError::NotLeader);
        }
        let matched = |id: PeerId| self.raft().tracker().progress.get(id).map(|progress| progress.matched);
        let leader = matched(self.id).unwrap_or(Index::ZERO);
        if matched(id).is_some_and(|learner| learner.0 * 10 < leader.0 * 9) {
            return Err(EtcdError::LearnerNotReady);
        }
        if !self.applier.membership.is_ready_to_promote() {
            return Err(EtcdError::MemberNotEnoughStarted);
        }
        let member = self.applier.membership.member(id).cloned().unwrap_or_default();
        Ok((ConfChangeType::AddNode, id, ConfigChangeContext { member, is_promote: true }))
    }

    /// Voters, itself among them, that have been active for long enough.
    fn connected_voters(&self, now: SimTime) -> usize {
        let since = now - HEALTH_INTERVAL;
        let connected =
            |id: PeerId| id == self.id || self.peers.active_since(id, now).is_some_and(|active| active < since);
        self.applier.membership.voters().filter(|member| connected(PeerId(member.id))).count()
    }

    /// The answer to a change that was carried out.
    pub(super) fn reconfigured(&self, request: &Request, id: PeerId) -> Response {
        let members = self.applier.membership.list();
        match request {
            Request::MemberAdd(_) => {
                let member = self.applier.membership.member(id).cloned();
                Response::MemberAdd(MemberAddResponse { header: None, member, members })
            }
            Request::MemberRemove(_) => Response::MemberRemove(MemberRemoveResponse { header: None, members }),
            Request::MemberUpdate(_) => Response::MemberUpdate(MemberUpdateResponse { header: None, members }),
            _ => Response::MemberPromote(MemberPromoteResponse { header: None, members }),
        }
    }

    // Leadership.

    fn move_leader(&mut self, at: Moment, call: &Call, transferee: PeerId, out: &mut Outbox) {
        let error = if self.lead() != self.id {
            Some(EtcdError::NotLeader)
        } else if self.applier.membership.member(transferee).is_none_or(|member| member.is_learner) {
            Some(EtcdError::BadLeaderTransferee)
        } else {
            None
        };
        if let Some(error) = error {
            return self.answer(call.conn, call.call, &call.request, Err(error.into()), out);
        }
        self.transfer_leader(at, transferee);
        self.transfers.push(Transfer { transferee, call: call.clone(), began: at.now });
    }

    /// Answers those whose transfer has come to an end; looked at with every heartbeat, as upstream does.
    pub(super) fn finish_transfers(&mut self, now: SimTime, out: &mut Outbox) {
        let lead = self.lead();
        let limit = now - self.cluster.timing.request_timeout();
        let over = |transfer: &Transfer| transfer.transferee == lead || transfer.began <= limit;
        let (over, waiting): (Vec<Transfer>, _) = std::mem::take(&mut self.transfers).into_iter().partition(over);
        self.transfers = waiting;
        for transfer in over {
            let result = if transfer.transferee == lead {
                Ok(Response::MoveLeader(MoveLeaderResponse::default()))
            } else {
                Err(Status::from(EtcdError::TimeoutLeaderTransfer))
            };
            let Call { conn, call, request, .. } = transfer.call;
            self.answer(conn, call, &request, result, out);
        }
    }
}

pub(super) type Planned = (ConfChangeType, PeerId, ConfigChangeContext);

/// URLs in order, each `http://host:port` or `https://host:port`.
fn checked_urls(urls: &[String]) -> Result<Vec<String>, EtcdError> {
    let sound = |url: &String| {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        let port = rest.and_then(|rest| rest.rsplit_once(':')).filter(|(host, _)| !host.contains('/'));
        port.is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    };
    if urls.is_empty() || !urls.iter().all(sound) {
        return Err(EtcdError::MemberBadUrls);
    }
    let mut urls = urls.to_vec();
    urls.sort();
    Ok(urls)
}
