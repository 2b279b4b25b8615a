//! What a follower does with each message, and how it takes entries, heartbeats and snapshots from a leader.

use std::sync::Arc;

use super::event::{DroppedRequest, EventKind};
use super::message::{EntryId, Index, Message, MessageType, PeerId, ReadState, Snapshot, StateType, Term};
use super::raft::{CampaignType, Raft, RaftError};
use super::read_only::ReadOnlyOption;
use super::storage::Storage;

impl<S: Storage> Raft<S> {
    pub(super) fn step_follower(&mut self, m: Message) -> Result<(), RaftError> {
        match m.msg_type {
            MessageType::MsgApp | MessageType::MsgHeartbeat | MessageType::MsgSnap => {
                self.election_elapsed = 0;
                if self.lead != m.from {
                    self.lead = m.from;
                    self.emit(EventKind::LeaderFound { leader: m.from, term: self.term });
                }
                return self.handle_leader_message(m);
            }
            MessageType::MsgProp => return self.forward_proposal(m),
            MessageType::MsgTransferLeader => self.forward(m, DroppedRequest::LeaderTransfer),
            MessageType::MsgReadIndex => self.forward(m, DroppedRequest::ReadIndex),
            MessageType::MsgReadIndexResp => self.handle_read_index_response(m),
            MessageType::MsgForgetLeader => self.handle_forget_leader(),
            MessageType::MsgTimeoutNow => {
                self.emit(EventKind::TimeoutNowReceived { from: m.from, term: self.term });
                // No pre-vote: the leader itself asked, so nobody is disturbed.
                self.hup(CampaignType::Transfer);
            }
            _ => {}
        }
        Ok(())
    }

    /// A message that only the leader of this term sends. The sender is known to be the leader already.
    pub(super) fn handle_leader_message(&mut self, m: Message) -> Result<(), RaftError> {
        match m.msg_type {
            MessageType::MsgApp => self.handle_append(&m),
            MessageType::MsgHeartbeat => self.handle_heartbeat(m),
            _ => self.handle_snapshot(m),
        }
    }

    fn handle_append(&mut self, m: &Message) -> Result<(), RaftError> {
        if m.index < self.log.committed {
            self.acknowledge(m.from, self.log.committed);
            return Ok(());
        }
        if let Some(last) = self.log.maybe_append(m, &mut self.events)? {
            self.acknowledge(m.from, last);
            return Ok(());
        }
        let our_term = self.log.term_or_zero(m.index);
        let leader_prev = EntryId { term: m.log_term, index: m.index };
        self.emit(EventKind::AppendRejected { from: m.from, leader_prev, our_term });
        // The leader's log has no term above m.log_term up to m.index, so nothing of a higher term here can match.
        // The hint skips all of it at once.
        let hint = self.log.find_conflict_by_term(m.index.min(self.log.last_index()), m.log_term);
        self.send(Message {
            to: m.from,
            msg_type: MessageType::MsgAppResp,
            index: m.index,
            reject: true,
            reject_hint: hint.index,
            log_term: hint.term,
            ..Message::default()
        });
        Ok(())
    }

    fn handle_heartbeat(&mut self, m: Message) -> Result<(), RaftError> {
        self.log.commit_to(m.commit)?;
        self.send(Message {
            to: m.from,
            msg_type: MessageType::MsgHeartbeatResp,
            context: m.context,
            ..Message::default()
        });
        Ok(())
    }

    fn handle_snapshot(&mut self, m: Message) -> Result<(), RaftError> {
        let snapshot = m.snapshot.unwrap_or_default();
        let id = snapshot.id();
        if self.restore(snapshot)? {
            self.emit(EventKind::SnapshotRestored { commit: self.log.committed, snapshot: id });
            self.acknowledge(m.from, self.log.last_index());
        } else {
            self.emit(EventKind::SnapshotIgnored { commit: self.log.committed, snapshot: id });
            self.acknowledge(m.from, self.log.committed);
        }
        Ok(())
    }

    /// Replaces log and configuration by a snapshot's; false if the snapshot is of no use.
    fn restore(&mut self, snapshot: Arc<Snapshot>) -> Result<bool, RaftError> {
        let id = snapshot.id();
        if id.index <= self.log.committed {
            return Ok(false);
        }
        if self.state != StateType::Follower {
            self.emit(EventKind::SnapshotWhileNotFollower);
            self.become_follower(self.term.next(), PeerId::NONE);
            return Ok(false);
        }
        let conf_state = &snapshot.metadata.conf_state;
        // Learners-to-be are outgoing voters, so they need no look of their own.
        let members = [&conf_state.voters, &conf_state.learners, &conf_state.voters_outgoing];
        if !members.iter().any(|ids| ids.contains(&self.config.id)) {
            self.emit(EventKind::SnapshotWithoutUs { voters: conf_state.voters.clone() });
            return Ok(false);
        }
        if self.log.matches(id) {
            let commit = self.log.committed;
            self.emit(EventKind::SnapshotFastForwarded { commit, last: self.log.last_id(), snapshot: id });
            self.log.commit_to(id.index)?;
            return Ok(false);
        }
        self.log.restore(snapshot.clone(), &mut self.events);
        self.restore_conf_state(conf_state);
        let commit = self.log.committed;
        self.emit(EventKind::ConfigRestored { commit, last: self.log.last_id(), snapshot: id });
        Ok(true)
    }

    fn acknowledge(&mut self, to: PeerId, index: Index) {
        self.send(Message { to, msg_type: MessageType::MsgAppResp, index, ..Message::default() });
    }

    fn forward_proposal(&mut self, m: Message) -> Result<(), RaftError> {
        if self.lead.is_none() {
            self.emit(EventKind::NoLeader { dropped: DroppedRequest::Proposal, term: self.term });
            return Err(RaftError::ProposalDropped);
        }
        if self.config.disable_proposal_forwarding {
            self.emit(EventKind::ForwardingDisabled { leader: self.lead, term: self.term });
            return Err(RaftError::ProposalDropped);
        }
        self.send(Message { to: self.lead, ..m });
        Ok(())
    }

    fn forward(&mut self, m: Message, what: DroppedRequest) {
        if self.lead.is_none() {
            self.emit(EventKind::NoLeader { dropped: what, term: self.term });
        } else {
            // The request may have been passed on by another follower, in its term.
            self.send(Message { to: self.lead, term: Term::ZERO, ..m });
        }
    }

    fn handle_read_index_response(&mut self, mut m: Message) {
        if m.entries.len() != 1 {
            self.emit(EventKind::InvalidReadIndexResponse { from: m.from, entries: m.entries.len() });
            return;
        }
        let request_ctx = m.entries.swap_remove(0).data;
        self.read_states.push(ReadState { index: m.index, request_ctx });
    }

    fn handle_forget_leader(&mut self) {
        if self.config.read_only_option == ReadOnlyOption::LeaseBased {
            // A new leader could then be elected while the old one still answers reads from its lease.
            self.emit(EventKind::ForgetLeaderRefused);
        } else if self.lead.is_some() {
            self.emit(EventKind::LeaderForgotten { leader: self.lead, term: self.term });
            self.lead = PeerId::NONE;
        }
    }
}
