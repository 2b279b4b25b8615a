//! The door to the state machine: what to put in, what comes out, and in what order to deal with it.
//!
//! # The contract
//!
//! Put in ticks, proposals and received messages. While [`RawNode::has_ready`], take a [`Ready`] and:
//!
//! 1. Make `hard_state`, `snapshot` and `entries` durable, in this order of effect: a snapshot replaces the log,
//!    entries replace what follows their first index. Write them to the [`Storage`] too ([`RawNode::storage_mut`]).
//!    If `must_sync` is false the write may be left to the next sync.
//! 2. Send `messages`. They acknowledge what step 1 made durable, so not before it, with one exception: a leader may
//!    send MsgApp, MsgHeartbeat and MsgSnap in parallel with its own write, since followers acknowledge only what they
//!    hold themselves (section 10.2.1 of the thesis). [`Message::may_precede_write`] tells which.
//! 3. Apply `snapshot` and `committed_entries` to the state machine. Call [`RawNode::apply_conf_change`] for each
//!    membership change, or change nothing if the application refuses it. This may come before step 2.
//! 4. Serve reads in `read_states` once their index is applied.
//! 5. Call [`RawNode::advance`]. Until then no other `Ready` may be taken.
//!
//! With [`super::Config::async_storage_writes`] the order is up to the caller, who never calls `advance`: messages to
//! [`PeerId::APPEND_THREAD`] are done in order, durably, and messages to [`PeerId::APPLY_THREAD`] likewise. When one is
//! done, its `responses` are delivered: to this member by [`RawNode::step`], to others over the network. All other
//! messages may be sent at once. `entries`, `hard_state`, `snapshot` and `committed_entries` of the `Ready` are then
//! only for looking at. A snapshot may be restored while older entries still wait to be applied: entries at or before
//! its index are then skipped, membership changes included.
//!
//! After a MsgSnap was sent, [`RawNode::report_snapshot`] tells how that ended: nothing else is sent to the peer before
//! that, or before the peer itself acknowledges.
//!
//! An error that [`RaftError::is_fatal`] stops the member: what it promised to keep is gone.
//!
//! Upstream: `rawnode.go`, and `Ready` of `node.go`.

use std::sync::Arc;

use bytes::Bytes;

use super::confchange::ConfChangeError;
use super::confchange_message::{AnyConfChange, ConfChangeV2};
use super::event::RaftEvent;
use super::message::{
    ConfState, Entry, HardState, Index, Message, MessageType, PeerId, ReadState, Snapshot, SoftState, Term,
    encoded_size,
};
use super::progress::ProgressStatus;
use super::raft::{Config, Raft, RaftError};
use super::storage::Storage;

/// Work for the caller. See the contract above.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ready {
    /// Present if leader or role changed. Need not be stored.
    pub soft_state: Option<SoftState>,
    /// Present if it changed.
    pub hard_state: Option<HardState>,
    pub read_states: Vec<ReadState>,
    /// To be made durable. Shared with whoever wants to keep them.
    pub entries: Arc<[Entry]>,
    /// To be made durable, and given to the state machine.
    pub snapshot: Option<Arc<Snapshot>>,
    /// To be applied.
    pub committed_entries: Vec<Entry>,
    pub messages: Vec<Message>,
    /// The write must reach the disk before messages are sent.
    pub must_sync: bool,
}

/// How sending a snapshot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SnapshotReport {
    Finish,
    Failure,
}

impl Message {
    /// May be sent before this member's own write is durable.
    pub fn may_precede_write(&self) -> bool {
        matches!(self.msg_type, MessageType::MsgApp | MessageType::MsgHeartbeat | MessageType::MsgSnap)
    }
}

/// Those that are of the first kind, and the others. Mostly all are of one kind, and none is moved.
pub fn split_messages(messages: Vec<Message>, is_first: impl Fn(&Message) -> bool) -> (Vec<Message>, Vec<Message>) {
    match messages.iter().filter(|message| is_first(message)).count() {
        0 => (Vec::new(), messages),
        count if count == messages.len() => (messages, Vec::new()),
        _ => messages.into_iter().partition(is_first),
    }
}

/// One member, driven by its caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RawNode<S> {
    raft: Raft<S>,
    prev_soft_state: SoftState,
    prev_hard_state: HardState,
    /// Acknowledgements to ourselves, due when the `Ready` in hand is done.
    steps_on_advance: Vec<Message>,
}

impl<S: Storage> RawNode<S> {
    /// Starts a member from what `storage` holds. Panics as [`Raft::new`] does.
    pub fn new(config: Config, storage: S) -> RawNode<S> {
        let raft = Raft::new(config, storage);
        RawNode {
            prev_soft_state: raft.soft_state(),
            prev_hard_state: raft.hard_state(),
            raft,
            steps_on_advance: Vec::new(),
        }
    }

    pub fn raft(&self) -> &Raft<S> {
        &self.raft
    }

    pub fn raft_mut(&mut self) -> &mut Raft<S> {
        &mut self.raft
    }

    pub fn storage(&self) -> &S {
        &self.raft.log.storage
    }

    /// For step 1 of the contract, and to compact.
    pub fn storage_mut(&mut self) -> &mut S {
        &mut self.raft.log.storage
    }

    /// Progress of every peer as this member, if it leads, sees it.
    pub fn progress(&self) -> impl Iterator<Item = (PeerId, ProgressStatus)> + '_ {
        self.raft.tracker.progress.iter().map(|(id, peer)| (id, peer.status()))
    }

    /// What happened since the last call. Bounded: the oldest are lost if nobody asks.
    pub fn drain_events(&mut self) -> impl Iterator<Item = RaftEvent> + '_ {
        self.raft.events.drain()
    }

    // In.

    /// One tick of the logical clock.
    pub fn tick(&mut self) {
        self.raft.tick();
    }

    /// Starts an election now.
    pub fn campaign(&mut self) -> Result<(), RaftError> {
        self.step_local(MessageType::MsgHup, PeerId::NONE)
    }

    pub fn propose(&mut self, data: Bytes) -> Result<(), RaftError> {
        self.propose_entry(Entry::normal(data))
    }

    pub fn propose_conf_change(&mut self, change: impl Into<AnyConfChange>) -> Result<(), RaftError> {
        self.propose_entry(change.into().to_entry())
    }

    fn propose_entry(&mut self, entry: Entry) -> Result<(), RaftError> {
        let from = self.raft.config.id;
        self.raft.step(Message { msg_type: MessageType::MsgProp, from, entries: vec![entry], ..Message::default() })
    }

    /// Applies a committed membership change. The result belongs into snapshots from here on.
    ///
    /// Panics on a change that cannot be made, as upstream does: to remove all voters, say. Where users propose such
    /// changes, use [`RawNode::try_apply_conf_change`].
    pub fn apply_conf_change(&mut self, change: impl Into<ConfChangeV2>) -> ConfState {
        match self.try_apply_conf_change(change) {
            Ok(conf_state) => conf_state,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`RawNode::apply_conf_change`], but a change that cannot be made changes nothing and says why.
    pub fn try_apply_conf_change(&mut self, change: impl Into<ConfChangeV2>) -> Result<ConfState, ConfChangeError> {
        self.raft.apply_conf_change(&change.into())
    }

    /// Takes a message from another member, or a response of the local storage.
    pub fn step(&mut self, m: Message) -> Result<(), RaftError> {
        if !m.from.is_local_target() {
            if m.msg_type.is_local() {
                return Err(RaftError::StepLocalMsg);
            }
            if m.msg_type.is_response() && !self.raft.tracker.progress.contains(m.from) {
                return Err(RaftError::StepPeerNotFound);
            }
        }
        self.raft.step(m)
    }

    /// A message to this peer was not delivered.
    pub fn report_unreachable(&mut self, id: PeerId) {
        let reported = self.step_local(MessageType::MsgUnreachable, id);
        debug_assert_eq!(reported, Ok(()));
    }

    pub fn report_snapshot(&mut self, id: PeerId, report: SnapshotReport) {
        let reject = report == SnapshotReport::Failure;
        let m = Message { msg_type: MessageType::MsgSnapStatus, from: id, reject, ..Message::default() };
        let reported = self.raft.step(m);
        debug_assert_eq!(reported, Ok(()));
    }

    /// Asks the leader to hand over to `transferee`.
    pub fn transfer_leader(&mut self, transferee: PeerId) {
        let asked = self.step_local(MessageType::MsgTransferLeader, transferee);
        debug_assert_eq!(asked, Ok(()));
    }

    /// Forgets the leader without leaving the term: this member may vote for another at once.
    pub fn forget_leader(&mut self) -> Result<(), RaftError> {
        self.step_local(MessageType::MsgForgetLeader, PeerId::NONE)
    }

    /// Asks for an index from which on a read is linearizable. The answer is a [`ReadState`] with the same context,
    /// or nothing at all if there is no leader: ask again.
    pub fn read_index(&mut self, context: Bytes) {
        let entries = vec![Entry::normal(context)];
        let asked = self.raft.step(Message { msg_type: MessageType::MsgReadIndex, entries, ..Message::default() });
        debug_assert_eq!(asked, Ok(()));
    }

    fn step_local(&mut self, msg_type: MessageType, from: PeerId) -> Result<(), RaftError> {
        self.raft.step(Message { msg_type, from, ..Message::default() })
    }

    // Out.

    pub fn has_ready(&self) -> bool {
        let raft = &self.raft;
        let hard_state = raft.hard_state();
        raft.soft_state() != self.prev_soft_state
            || (!hard_state.is_empty() && hard_state != self.prev_hard_state)
            || !raft.messages.is_empty()
            || !raft.messages_after_append.is_empty()
            || !raft.log.unstable.next_entries().is_empty()
            || raft.log.unstable.next_snapshot().is_some()
            || raft.log.has_next_committed(self.applies_unstable())
            || !raft.read_states.is_empty()
    }

    /// The work to do now, which counts as begun.
    pub fn ready(&mut self) -> Ready {
        let is_async = self.raft.config.async_storage_writes;
        assert!(is_async || self.steps_on_advance.is_empty(), "two accepted Ready structs without call to Advance");
        let mut ready = self.collect();
        let append_response = self.append_response(&ready);
        let apply_response = self.apply_response(&ready);
        let after_append = self.raft.messages_after_append.drain(..).collect();
        if is_async {
            let append = self.append_message(&ready, after_append, append_response);
            let apply = self.apply_message(&ready, apply_response);
            ready.messages.extend(append.into_iter().chain(apply));
        } else {
            let own = self.raft.config.id;
            let (to_self, to_others) = split_messages(after_append, |m| m.to == own);
            ready.messages.extend(to_others);
            self.steps_on_advance = to_self;
            self.steps_on_advance.extend(append_response.into_iter().chain(apply_response));
        }
        self.accept(&ready);
        ready
    }

    /// The work handed out by [`RawNode::ready`] is done.
    pub fn advance(&mut self) {
        assert!(!self.raft.config.async_storage_writes, "Advance must not be called when using AsyncStorageWrites");
        for m in std::mem::take(&mut self.steps_on_advance) {
            let stepped = self.raft.step(m);
            debug_assert_eq!(stepped, Ok(()), "an acknowledgement to ourselves cannot fail");
        }
    }

    /// Committed entries may be applied before they are durable here, unless storage works on its own.
    fn applies_unstable(&self) -> bool {
        !self.raft.config.async_storage_writes
    }

    fn collect(&mut self) -> Ready {
        let applies_unstable = self.applies_unstable();
        let raft = &mut self.raft;
        let (soft_state, hard_state) = (raft.soft_state(), raft.hard_state());
        let entries: Arc<[Entry]> = raft.log.unstable.next_entries().into();
        let prev = self.prev_hard_state;
        Ready {
            must_sync: !entries.is_empty() || hard_state.vote != prev.vote || hard_state.term != prev.term,
            soft_state: (soft_state != self.prev_soft_state).then_some(soft_state),
            hard_state: (hard_state != prev).then_some(hard_state),
            read_states: std::mem::take(&mut raft.read_states),
            entries,
            snapshot: raft.log.unstable.next_snapshot().cloned(),
            committed_entries: raft.log.next_committed(applies_unstable),
            // The room that they had is used again.
            messages: raft.messages.drain(..).collect(),
        }
    }

    fn accept(&mut self, ready: &Ready) {
        let applies_unstable = self.applies_unstable();
        self.prev_soft_state = ready.soft_state.unwrap_or(self.prev_soft_state);
        self.prev_hard_state = ready.hard_state.unwrap_or(self.prev_hard_state);
        let log = &mut self.raft.log;
        log.unstable.accept_in_progress();
        if let Some(last) = ready.committed_entries.last() {
            log.accept_applying(last.index, encoded_size(&ready.committed_entries), applies_unstable);
        }
    }

    /// What tells us that all that is unstable now is durable.
    ///
    /// It carries the current term and the end of the log, even if this `Ready` has no entries. The term, because in a
    /// later term the same positions may be written again, with other entries and then once more with the first ones;
    /// that an old write of them is done says nothing then, and the response is ignored. The end of the log, because
    /// such an ignored response must be made up for by a later one.
    fn append_response(&self, ready: &Ready) -> Option<Message> {
        let raft = &self.raft;
        let has_unstable = !raft.log.unstable.entries.is_empty();
        if !has_unstable && ready.snapshot.is_none() {
            return None;
        }
        let last = if has_unstable { raft.log.last_id() } else { Default::default() };
        Some(Message {
            msg_type: MessageType::MsgStorageAppendResp,
            to: raft.config.id,
            from: PeerId::APPEND_THREAD,
            term: raft.term,
            index: last.index,
            log_term: last.term,
            snapshot: ready.snapshot.clone(),
            ..Message::default()
        })
    }

    fn append_message(&self, ready: &Ready, after: Vec<Message>, response: Option<Message>) -> Option<Message> {
        let has_write = !ready.entries.is_empty() || ready.hard_state.is_some() || ready.snapshot.is_some();
        if !has_write && after.is_empty() {
            return None;
        }
        // All zero if the hard state did not change.
        let hard_state = ready.hard_state.unwrap_or_default();
        // Our own MsgAppResp goes first: it still finds the entries in the unstable tail.
        let mut responses = after;
        responses.extend(response);
        Some(Message {
            msg_type: MessageType::MsgStorageAppend,
            to: PeerId::APPEND_THREAD,
            from: self.raft.config.id,
            term: hard_state.term,
            vote: hard_state.vote,
            commit: hard_state.commit,
            entries: ready.entries.to_vec(),
            snapshot: ready.snapshot.clone(),
            responses,
            ..Message::default()
        })
    }

    fn apply_message(&self, ready: &Ready, response: Option<Message>) -> Option<Message> {
        let response = response?;
        Some(Message {
            msg_type: MessageType::MsgStorageApply,
            to: PeerId::APPLY_THREAD,
            from: self.raft.config.id,
            entries: ready.committed_entries.clone(),
            responses: vec![response],
            ..Message::default()
        })
    }

    /// What tells us that committed entries were applied. Of no term: what is committed stays so.
    fn apply_response(&self, ready: &Ready) -> Option<Message> {
        if ready.committed_entries.is_empty() {
            return None;
        }
        Some(Message {
            msg_type: MessageType::MsgStorageApplyResp,
            to: self.raft.config.id,
            from: PeerId::APPLY_THREAD,
            term: Term::ZERO,
            entries: ready.committed_entries.clone(),
            ..Message::default()
        })
    }
}

/// Shorthands for what callers ask most.
impl<S: Storage> RawNode<S> {
    pub fn id(&self) -> PeerId {
        self.raft.id()
    }

    pub fn is_leader(&self) -> bool {
        self.raft.lead == self.raft.config.id
    }

    pub fn term_at(&self, index: Index) -> Option<Term> {
        self.raft.term_at(index)
    }
}
