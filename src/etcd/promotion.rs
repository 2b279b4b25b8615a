//! A learner becomes a voter: only the leader knows how far it has come, so another member that is asked passes it on.
//!
//! Upstream: `PromoteMember` and `promoteMemberHTTP` of `server/etcdserver` of 3.5, `etcdhttp/peer.go`.
// Simplified: what the leader refuses for a reason that may pass is tried again with each heartbeat; upstream does not wait.

use super::Outbox;
use super::api::{self, MemberPromoteResponse, Response};
use super::error::{EtcdError, Status};
use super::forwards::Forward;
use super::member::{Member, Moment, tell};
use super::proposals::Purpose;
use super::server::Call;
use super::wire::Wire;
use crate::raft::{ConfChange, PeerId};
use crate::sim::HostId;

/// Refusals that stay as they are however often one asks.
const FINAL: [EtcdError; 3] = [EtcdError::LearnerNotReady, EtcdError::MemberNotFound, EtcdError::MemberNotLearner];

impl Member {
    /// A client asks who does not lead.
    pub(super) fn pass_on_promotion(&mut self, at: Moment, call: Call, id: u64, out: &mut Outbox) {
        let number = self.promotions.add(call, id, at.now);
        self.send_promotion(at, number, out);
    }

    fn send_promotion(&mut self, at: Moment, number: u64, out: &mut Outbox) {
        let leader = self.lead();
        if leader == self.id {
            if let Some(Forward { call, .. }) = self.promotions.take(number) {
                self.reconfigure(at, &call, out);
            }
            return;
        }
        let Some(host) = self.peers.host(leader) else { return };
        if let Some(id) = self.promotions.send(number, leader) {
            tell(host, Wire::PromoteAsk { number, id: *id }, out);
        }
    }

    /// Another member passes on what its client asks.
    pub(super) fn promotion_asked(&mut self, at: Moment, from: HostId, number: u64, id: u64, out: &mut Outbox) {
        match self.member_promote(PeerId(id)) {
            Ok((change_type, node_id, context)) => {
                let change = ConfChange { id: 0, change_type, node_id, context: context.encode() };
                self.propose_change(at, Purpose::Promote(from, number), change, out);
            }
            Err(error) => self.tell_promotion(from, number, Err(error.into()), out),
        }
    }

    /// What came of a change that another member asked for.
    pub(super) fn tell_promotion(
        &self,
        to: HostId,
        number: u64,
        result: Result<Vec<api::Member>, Status>,
        out: &mut Outbox,
    ) {
        tell(to, Wire::PromoteTell { number, tell: result }, out);
    }

    /// The leader answered.
    pub(super) fn promotion_told(&mut self, number: u64, told: &Result<Vec<api::Member>, Status>, out: &mut Outbox) {
        let result = match told {
            Ok(members) => {
                let members = members.clone();
                Ok(Response::MemberPromote(MemberPromoteResponse { header: None, members }))
            }
            Err(status) if FINAL.iter().any(|error| Status::from(*error) == *status) => Err(status.clone()),
            Err(_) => return self.promotions.ask_again(number),
        };
        if let Some(Forward { call, .. }) = self.promotions.take(number) {
            self.answer(call.conn, call.call, &call.request, result, out);
        }
    }

    /// With every heartbeat: what was not sent is sent, what has waited too long is given up.
    pub(super) fn tend_promotions(&mut self, at: Moment, out: &mut Outbox) {
        let due = self.promotions.due(self.lead(), at.now, self.cluster.timing.request_timeout());
        self.tend(at, due, Member::send_promotion, out);
    }
}
