//! What a leader does: replicate, commit, send heartbeats, serve reads, hand over, change the membership.

use bytes::Bytes;

use super::confchange_message::{AnyConfChange, ConfChangeV2};
use super::event::EventKind;
use super::message::{
    Entry, EntryId, EntryType, Index, Message, MessageType, PeerId, ReadState, StateType, Term, payload_size,
};
use super::progress::{Progress, ProgressState};
use super::quorum::VoteResult;
use super::raft::{Raft, RaftError};
use super::read_only::ReadOnlyOption;
use super::storage::{Storage, StorageError};

impl<S: Storage> Raft<S> {
    pub(super) fn step_leader(&mut self, m: Message) -> Result<(), RaftError> {
        match m.msg_type {
            MessageType::MsgBeat => self.broadcast_heartbeat(),
            MessageType::MsgCheckQuorum => self.check_quorum(),
            MessageType::MsgProp => return self.handle_proposal(m.entries),
            MessageType::MsgReadIndex => self.handle_read_index(m),
            MessageType::MsgAppResp
            | MessageType::MsgHeartbeatResp
            | MessageType::MsgSnapStatus
            | MessageType::MsgUnreachable
            | MessageType::MsgTransferLeader => self.step_leader_about_peer(&m),
            _ => {}
        }
        Ok(())
    }

    /// Messages that say something of `m.from`, which must be a peer.
    fn step_leader_about_peer(&mut self, m: &Message) {
        if !self.tracker.progress.contains(m.from) {
            self.emit(EventKind::NoProgress { peer: m.from });
            return;
        }
        match m.msg_type {
            MessageType::MsgAppResp if m.reject => self.handle_append_rejection(m),
            MessageType::MsgAppResp => self.handle_append_response(m),
            MessageType::MsgHeartbeatResp => self.handle_heartbeat_response(m),
            MessageType::MsgSnapStatus => self.handle_snapshot_status(m.from, m.reject),
            MessageType::MsgUnreachable => self.handle_unreachable(m.from),
            _ => self.handle_transfer_leader(m.from),
        }
    }

    pub(super) fn tick_heartbeat(&mut self) {
        self.heartbeat_elapsed += 1;
        self.election_elapsed += 1;
        if self.election_elapsed >= self.config.election_tick {
            self.election_elapsed = 0;
            if self.config.check_quorum {
                self.check_quorum();
            }
            // A transfer that takes longer than an election is given up.
            if self.state == StateType::Leader {
                self.lead_transferee = PeerId::NONE;
            }
        }
        if self.state == StateType::Leader && self.heartbeat_elapsed >= self.config.heartbeat_tick {
            self.heartbeat_elapsed = 0;
            self.broadcast_heartbeat();
        }
    }

    pub(super) fn become_leader(&mut self) {
        assert!(self.state != StateType::Follower, "invalid transition [follower -> leader]");
        self.reset(self.term);
        self.lead = self.config.id;
        self.state = StateType::Leader;
        let own = self.peer_mut(self.config.id);
        own.become_replicate();
        own.recent_active = true;
        // Some entry up to here may be a membership change not yet applied. Waiting for all of them is cheaper than
        // looking through them.
        self.pending_conf_index = self.log.last_index();
        // An entry of our own term: only it can be committed by counting, and all before it with it (section 5.4.2).
        let accepted = self.append_entries(vec![Entry::default()]);
        assert!(accepted, "empty entry was dropped");
        self.emit(EventKind::BecameLeader { term: self.term });
    }

    fn check_quorum(&mut self) {
        if !self.tracker.quorum_active() {
            self.emit(EventKind::SteppedDownWithoutQuorum);
            self.become_follower(self.term, PeerId::NONE);
        }
        let own = self.config.id;
        for (_, peer) in self.tracker.progress.iter_mut().filter(|(id, _)| *id != own) {
            peer.recent_active = false;
        }
    }

    fn peer_mut(&mut self, id: PeerId) -> &mut Progress {
        self.tracker.progress.get_mut(id).expect("the caller made sure that this is a peer")
    }

    fn peer(&self, id: PeerId) -> &Progress {
        self.tracker.progress.get(id).expect("the caller made sure that this is a peer")
    }

    // Sending.

    /// Sends to every peer what it lacks, or at least the commit index.
    pub(super) fn broadcast_append(&mut self) {
        self.for_each_other(|raft, id| {
            raft.maybe_send_append(id, true);
        });
    }

    fn for_each_other(&mut self, mut visit: impl FnMut(&mut Raft<S>, PeerId)) {
        for position in 0..self.tracker.progress.len() {
            let id = self.tracker.progress.id_at(position);
            if id != self.config.id {
                visit(self, id);
            }
        }
    }

    /// Sends what the peer lacks, unless it is paused. With nothing to send, an empty message still carries the commit
    /// index, if `even_if_empty`. True if a message was sent.
    fn maybe_send_append(&mut self, to: PeerId, even_if_empty: bool) -> bool {
        let peer = self.peer(to);
        if peer.is_paused() {
            return false;
        }
        let (next, has_room) = (peer.next, peer.has_room());
        let prev = next.prev();
        let Ok(log_term) = self.log.term(prev) else { return self.maybe_send_snapshot(to) };
        // A full window lets only an empty message through: if all in flight was lost, its rejection shows it.
        let entries = if has_room { self.log.entries(next, self.config.max_size_per_msg) } else { Ok(Vec::new()) };
        let Ok(entries) = entries else { return self.maybe_send_snapshot(to) };
        if entries.is_empty() && !even_if_empty {
            return false;
        }
        let (count, bytes) = (entries.len() as u64, payload_size(&entries));
        let commit = self.log.committed;
        self.send(Message {
            to,
            msg_type: MessageType::MsgApp,
            index: prev,
            log_term,
            entries,
            commit,
            ..Message::default()
        });
        let peer = self.peer_mut(to);
        peer.sent_entries(count, bytes);
        peer.sent_commit(commit);
        true
    }

    /// The peer needs entries that are compacted: only a snapshot helps. True if one was sent.
    fn maybe_send_snapshot(&mut self, to: PeerId) -> bool {
        if !self.peer(to).recent_active {
            self.emit(EventKind::SnapshotNotSentToInactive { peer: to });
            return false;
        }
        let snapshot = match self.log.snapshot() {
            Ok(snapshot) => snapshot,
            Err(StorageError::SnapshotTemporarilyUnavailable) => {
                self.emit(EventKind::SnapshotUnavailable { peer: to });
                return false;
            }
            Err(error) => panic!("{error}"),
        };
        assert!(!snapshot.is_empty(), "need non-empty snapshot");
        self.emit(EventKind::SnapshotSent {
            peer: to,
            first_index: self.log.first_index(),
            commit: self.log.committed,
            snapshot: snapshot.id(),
            progress: self.peer(to).status(),
        });
        self.peer_mut(to).become_snapshot(snapshot.metadata.index);
        self.emit_progress(to, |peer, progress| EventKind::ReplicationPaused { peer, progress });
        self.emit_state_change(to);
        self.send(Message { to, msg_type: MessageType::MsgSnap, snapshot: Some(snapshot), ..Message::default() });
        true
    }

    fn broadcast_heartbeat(&mut self) {
        let context = self.read_only.last_pending_context().cloned().unwrap_or_default();
        self.broadcast_heartbeat_with(context);
    }

    fn broadcast_heartbeat_with(&mut self, context: Bytes) {
        self.for_each_other(|raft, to| {
            let committed = raft.log.committed;
            let peer = raft.peer_mut(to);
            // Never beyond what the peer is known to hold: it would take other entries for committed.
            let commit = peer.matched.min(committed);
            peer.sent_commit(commit);
            let context = context.clone();
            raft.send(Message { to, msg_type: MessageType::MsgHeartbeat, commit, context, ..Message::default() });
        });
    }

    // Proposals.

    fn handle_proposal(&mut self, mut entries: Vec<Entry>) -> Result<(), RaftError> {
        assert!(!entries.is_empty(), "{} stepped empty MsgProp", self.config.id);
        if !self.tracker.progress.contains(self.config.id) {
            // Removed from the group while leading it.
            return Err(RaftError::ProposalDropped);
        }
        if self.lead_transferee.is_some() {
            self.emit(EventKind::TransferBlocksProposal { to: self.lead_transferee, term: self.term });
            return Err(RaftError::ProposalDropped);
        }
        let mut index = self.log.last_index();
        for entry in &mut entries {
            index = index.next();
            if entry.entry_type.is_conf_change() {
                self.check_conf_change(entry, index)?;
            }
        }
        if !self.append_entries(entries) {
            return Err(RaftError::ProposalDropped);
        }
        self.broadcast_append();
        Ok(())
    }

    /// Lets a membership change into the log at `index`, or puts an empty entry in its place.
    fn check_conf_change(&mut self, entry: &mut Entry, index: Index) -> Result<(), RaftError> {
        let change = AnyConfChange::from_entry(entry).ok_or(RaftError::ProposalDropped)?;
        let refusal = self.conf_change_refusal(&change).filter(|_| !self.config.disable_conf_change_validation);
        match refusal {
            Some(reason) => {
                let config = self.tracker.config.clone();
                self.emit(EventKind::ConfChangeIgnored { change, config, reason });
                *entry = Entry::default();
            }
            None => self.pending_conf_index = index,
        }
        Ok(())
    }

    fn conf_change_refusal(&self, change: &AnyConfChange) -> Option<String> {
        let is_joint = self.tracker.config.voters.is_joint();
        let wants_leave = change.is_empty();
        if self.pending_conf_index > self.log.applied && self.config.rules.one_change_at_a_time {
            let (pending, applied) = (self.pending_conf_index, self.log.applied);
            Some(format!("possible unapplied conf change at index {pending} (applied to {applied})"))
        } else if is_joint && !wants_leave {
            Some("must transition out of joint config first".to_owned())
        } else if !is_joint && wants_leave {
            Some("not in joint state; refusing empty conf change".to_owned())
        } else {
            None
        }
    }

    /// The joint configuration is applied and is to be left without being asked.
    pub(super) fn propose_auto_leave(&mut self) {
        // No data: it decodes to an empty change, and no limit on size can refuse it. A leadership transfer can; then
        // the next applied entry tries again.
        let entry = Entry { entry_type: EntryType::EntryConfChangeV2, ..Entry::default() };
        debug_assert_eq!(ConfChangeV2::decode(&entry.data), Some(ConfChangeV2::default()));
        let result = self.handle_proposal(vec![entry]);
        let config = self.tracker.config.clone();
        self.emit(match result {
            Ok(()) => EventKind::AutoLeaveStarted { config },
            Err(error) => EventKind::AutoLeaveNotStarted { config, error },
        });
    }

    /// Commits and sends what a new configuration allows.
    pub(super) fn replicate_under_new_config(&mut self) {
        if self.maybe_commit() {
            self.broadcast_append();
        } else {
            // Peers just added need not wait for a heartbeat.
            self.for_each_other(|raft, id| {
                raft.maybe_send_append(id, false);
            });
        }
        if !self.tracker.config.voters.contains(self.lead_transferee) {
            self.lead_transferee = PeerId::NONE;
        }
    }

    // Acknowledgements.

    /// Commits what a quorum holds, if it is of our own term; true if that was news.
    fn maybe_commit(&mut self) -> bool {
        let index = self.tracker.committed();
        let own_term_only = self.config.rules.commit_own_term_only;
        let term = if own_term_only { self.term } else { self.log.term_or_zero(index) };
        self.log.maybe_commit(EntryId { term, index })
    }

    fn handle_append_rejection(&mut self, m: &Message) {
        let hint = EntryId { term: m.log_term, index: m.reject_hint };
        self.emit(EventKind::RejectionReceived { from: m.from, rejected: m.index, hint });
        // The peer has hint.term at hint.index, and terms only grow along a log: none of our entries of a higher term
        // can match there. So a probe costs at most one round trip per term, not per entry.
        let next_probe = match m.log_term {
            Term::ZERO => m.reject_hint,
            term => self.log.find_conflict_by_term(m.reject_hint, term).index,
        };
        let peer = self.peer_mut(m.from);
        peer.recent_active = true;
        if !peer.maybe_decrease_to(m.index, next_probe) {
            return;
        }
        self.emit_progress(m.from, |peer, progress| EventKind::ProgressDecreased { peer, progress });
        self.probe_if_replicating(m.from);
        self.maybe_send_append(m.from, true);
    }

    fn handle_append_response(&mut self, m: &Message) {
        let from = m.from;
        let first_index = self.log.first_index();
        let peer = self.peer_mut(from);
        peer.recent_active = true;
        // An acknowledgement that tells nothing new still ends a probe.
        let is_news = peer.maybe_update(m.index) || (peer.matched == m.index && peer.is_probe());
        if !is_news {
            return;
        }
        let is_reconnected = peer.matched.next() >= first_index;
        match &mut peer.state {
            ProgressState::Probe { .. } => {
                peer.become_replicate();
                self.emit_state_change(from);
            }
            // Whatever snapshot the peer got, and from wherever: the log can take over from here.
            ProgressState::Snapshot { .. } if is_reconnected => {
                self.emit_progress(from, |peer, progress| EventKind::SnapshotCaughtUp { peer, progress });
                let peer = self.peer_mut(from);
                // By way of probing, which takes the pending snapshot into account.
                peer.become_probe();
                peer.become_replicate();
                self.emit_state_change(from);
            }
            ProgressState::Snapshot { .. } => {}
            ProgressState::Replicate { inflights, .. } => inflights.free_le(m.index),
        }
        self.follow_up_acknowledgement(from);
    }

    fn follow_up_acknowledgement(&mut self, from: PeerId) {
        let is_other = from != self.config.id;
        if self.maybe_commit() {
            self.release_pending_reads();
            self.broadcast_append();
        } else if is_other && self.peer(from).can_bump_commit(self.log.committed) {
            // Sooner than the next heartbeat would tell it.
            self.maybe_send_append(from, true);
        }
        if is_other {
            // The acknowledgement may have made room for several messages.
            while self.maybe_send_append(from, false) {}
        }
        if from == self.lead_transferee && self.peer(from).matched == self.log.last_index() {
            self.emit(EventKind::TimeoutNowSentAfterCatchUp { to: from });
            self.send_timeout_now(from);
        }
    }

    fn handle_heartbeat_response(&mut self, m: &Message) {
        let last = self.log.last_index();
        let peer = self.peer_mut(m.from);
        peer.recent_active = true;
        peer.resume();
        // A peer that lags may have lost what was in flight; one that is probed may have missed the probe.
        if peer.matched < last || peer.is_probe() {
            self.maybe_send_append(m.from, true);
        }
        if self.config.read_only_option == ReadOnlyOption::Safe && !m.context.is_empty() {
            self.confirm_reads(m.from, &m.context);
        }
    }

    fn handle_snapshot_status(&mut self, from: PeerId, failed: bool) {
        let peer = self.peer_mut(from);
        if !peer.is_snapshot() {
            return;
        }
        if failed {
            peer.forget_pending_snapshot();
        }
        peer.become_probe();
        let progress = peer.status();
        // After success the peer's own acknowledgement comes next; after failure, wait for a heartbeat to try again.
        peer.pause();
        self.emit(if failed {
            EventKind::SnapshotFailed { peer: from, progress }
        } else {
            EventKind::SnapshotSucceeded { peer: from, progress }
        });
        self.emit_state_change(from);
    }

    fn handle_unreachable(&mut self, from: PeerId) {
        // What was sent ahead is probably lost.
        self.probe_if_replicating(from);
        self.emit_progress(from, |peer, progress| EventKind::PeerUnreachable { peer, progress });
    }

    fn probe_if_replicating(&mut self, id: PeerId) {
        let peer = self.peer_mut(id);
        if peer.is_replicate() {
            peer.become_probe();
            self.emit_state_change(id);
        }
    }

    fn emit_progress(&mut self, id: PeerId, kind: impl FnOnce(PeerId, super::ProgressStatus) -> EventKind) {
        let progress = self.peer(id).status();
        self.emit(kind(id, progress));
    }

    fn emit_state_change(&mut self, id: PeerId) {
        self.emit_progress(id, |peer, progress| EventKind::ProgressStateChanged { peer, progress });
    }

    // Leadership transfer.

    fn handle_transfer_leader(&mut self, to: PeerId) {
        let term = self.term;
        if self.peer(to).is_learner {
            self.emit(EventKind::TransferToLearner);
            return;
        }
        if self.lead_transferee == to {
            self.emit(EventKind::TransferRepeated { to, term });
            return;
        }
        if self.lead_transferee.is_some() {
            let former = std::mem::replace(&mut self.lead_transferee, PeerId::NONE);
            self.emit(EventKind::TransferAborted { to: former, term });
        }
        if to == self.config.id {
            self.emit(EventKind::TransferToSelf);
            return;
        }
        self.emit(EventKind::TransferStarted { to, term });
        // The transfer gets one election timeout.
        self.election_elapsed = 0;
        self.lead_transferee = to;
        if self.peer(to).matched == self.log.last_index() {
            self.send_timeout_now(to);
            self.emit(EventKind::TimeoutNowSentAtOnce { to });
        } else {
            self.maybe_send_append(to, true);
        }
    }

    fn send_timeout_now(&mut self, to: PeerId) {
        self.send(Message { to, msg_type: MessageType::MsgTimeoutNow, ..Message::default() });
    }

    // Reads.

    fn handle_read_index(&mut self, m: Message) {
        if self.tracker.config.voters.is_singleton() {
            self.answer_read(m, self.log.committed);
        } else if !self.has_committed_in_term() {
            // The commit index of a new leader may lag behind its predecessor's until it commits something itself.
            self.pending_read_requests.push(m);
        } else {
            self.start_read(m);
        }
    }

    fn has_committed_in_term(&self) -> bool {
        self.log.term_or_zero(self.log.committed) == self.term
    }

    fn start_read(&mut self, m: Message) {
        match self.config.read_only_option {
            ReadOnlyOption::Safe if self.config.rules.confirm_reads => {
                let context = m.entries[0].data.clone();
                self.read_only.add_request(self.log.committed, m);
                self.read_only.receive_ack(self.config.id, &context);
                self.broadcast_heartbeat_with(context);
            }
            ReadOnlyOption::Safe | ReadOnlyOption::LeaseBased => self.answer_read(m, self.log.committed),
        }
    }

    fn confirm_reads(&mut self, from: PeerId, context: &Bytes) {
        let Some(acks) = self.read_only.receive_ack(from, context) else { return };
        let ack = |id: PeerId| acks.contains(&id).then_some(true);
        if self.tracker.config.voters.vote_result(ack) == VoteResult::VoteWon {
            for read in self.read_only.advance(context) {
                self.answer_read(read.request, read.index);
            }
        }
    }

    /// Answers where the read came from: to the caller, or to the follower that passed it on.
    fn answer_read(&mut self, mut request: Message, index: Index) {
        if request.from.is_none() || request.from == self.config.id {
            let request_ctx = request.entries.swap_remove(0).data;
            self.read_states.push(ReadState { index, request_ctx });
            return;
        }
        let Message { from: to, entries, .. } = request;
        self.send(Message { to, msg_type: MessageType::MsgReadIndexResp, index, entries, ..Message::default() });
    }

    fn release_pending_reads(&mut self) {
        if self.pending_read_requests.is_empty() {
            return;
        }
        if !self.has_committed_in_term() {
            self.emit(EventKind::ReadIndexReleasedTooEarly);
            return;
        }
        for request in std::mem::take(&mut self.pending_read_requests) {
            self.start_read(request);
        }
    }
}
