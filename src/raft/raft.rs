//! The state machine: terms, roles, votes, ticks, and what every role has in common.
//!
//! [`Raft::step`] settles the message's term first, as section 5.1 of the paper demands, and then hands the message to
//! the role. Upstream: `raft.go`.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::confchange::{self, Changer, ConfChangeError};
use super::confchange_message::ConfChangeV2;
use super::event::{EventKind, EventLog, VoteFacts};
use super::log::RaftLog;
use super::message::{
    ConfState, Entry, EntryId, HardState, Index, Message, MessageType, PeerId, ReadState, Snapshot, SoftState,
    StateType, Term, encoded_size, payload_size,
};
use super::progress::Progress;
use super::quorum::VoteResult;
use super::read_only::{ReadOnly, ReadOnlyOption};
use super::rules::SafetyRules;
use super::storage::Storage;
use super::tracker::ProgressTracker;

/// How a member behaves. The same in all members of a group, but for `id`, `applied` and `seed`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Must not be zero.
    pub id: PeerId,
    /// Ticks without a leader before a follower campaigns, at least; at most twice that, less one.
    pub election_tick: u32,
    /// Ticks between heartbeats. Less than `election_tick`.
    pub heartbeat_tick: u32,
    /// The last entry the state machine already applied before this start.
    pub applied: Index,
    /// Storage work travels in messages instead of being done before [`super::RawNode::advance`].
    pub async_storage_writes: bool,
    /// Bytes of entries in one MsgApp. Zero: one entry per message.
    pub max_size_per_msg: u64,
    /// Bytes of entries handed out to be applied and not reported applied. Zero: as `max_size_per_msg`.
    pub max_committed_size_per_ready: u64,
    /// Bytes of proposals a leader holds uncommitted before it drops more. Zero: no limit.
    pub max_uncommitted_entries_size: u64,
    /// MsgApps a leader sends to a peer ahead of acknowledgement.
    pub max_inflight_msgs: usize,
    /// Bytes a leader sends to a peer ahead of acknowledgement. Zero: no limit.
    pub max_inflight_bytes: u64,
    /// A leader that does not hear from a quorum steps down, and voters that hear from a leader do not vote.
    pub check_quorum: bool,
    /// Ask whether an election could be won before starting it.
    pub pre_vote: bool,
    pub read_only_option: ReadOnlyOption,
    /// Followers drop proposals instead of passing them to the leader.
    pub disable_proposal_forwarding: bool,
    /// Accept membership changes into the log that may be refused when applied.
    pub disable_conf_change_validation: bool,
    /// A leader that is removed or demoted steps down.
    pub step_down_on_removal: bool,
    pub rules: SafetyRules,
    /// Decides the election timeouts. Members that share a seed time out together: give each its own, and a new one
    /// at each start.
    pub seed: u64,
}

impl Default for Config {
    /// As etcd configures its members, but for the ids and the ticks' real length.
    fn default() -> Config {
        Config {
            id: PeerId::NONE,
            election_tick: 10,
            heartbeat_tick: 1,
            applied: Index::ZERO,
            async_storage_writes: false,
            max_size_per_msg: 512 * 1024,
            max_committed_size_per_ready: 0,
            max_uncommitted_entries_size: 0,
            max_inflight_msgs: 512,
            max_inflight_bytes: 0,
            check_quorum: true,
            pre_vote: true,
            read_only_option: ReadOnlyOption::Safe,
            disable_proposal_forwarding: false,
            disable_conf_change_validation: false,
            step_down_on_removal: false,
            rules: SafetyRules::default(),
            seed: 0,
        }
    }
}

impl Config {
    /// Panics on a configuration that cannot work: it comes from our code, never from a user.
    fn validate(&self) {
        assert!(self.id.is_some(), "cannot use none as id");
        assert!(!self.id.is_local_target(), "cannot use local target as id");
        assert!(self.heartbeat_tick > 0, "heartbeat tick must be greater than 0");
        assert!(self.election_tick > self.heartbeat_tick, "election tick must be greater than heartbeat tick");
        assert!(self.max_inflight_msgs > 0, "max inflight messages must be greater than 0");
        assert!(
            self.max_inflight_bytes == 0 || self.max_inflight_bytes >= self.max_size_per_msg,
            "max inflight bytes must be >= max message size"
        );
        assert!(
            self.read_only_option == ReadOnlyOption::Safe || self.check_quorum,
            "CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased"
        );
    }
}

/// Why a message was not taken. The texts are upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RaftError {
    /// Try again: no leader, a transfer under way, or too much uncommitted.
    ProposalDropped,
    StepLocalMsg,
    StepPeerNotFound,
    /// Fatal: a leader says entries are committed that this member acknowledged and no longer has.
    CommitOutOfRange {
        to: Index,
        last_index: Index,
    },
    /// Fatal: a leader's entries contradict committed ones.
    ConflictWithCommitted {
        index: Index,
        committed: Index,
    },
}

impl RaftError {
    /// The member must stop at once, as upstream does by panicking: its storage lost what it had promised to keep.
    pub fn is_fatal(self) -> bool {
        matches!(self, RaftError::CommitOutOfRange { .. } | RaftError::ConflictWithCommitted { .. })
    }
}

impl fmt::Display for RaftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RaftError::ProposalDropped => f.write_str("raft proposal dropped"),
            RaftError::StepLocalMsg => f.write_str("raft: cannot step raft local message"),
            RaftError::StepPeerNotFound => f.write_str("raft: cannot step as peer not found"),
            RaftError::CommitOutOfRange { to, last_index } => write!(
                f,
                "tocommit({to}) is out of range [lastIndex({last_index})]. \
                 Was the raft log corrupted, truncated, or lost?"
            ),
            RaftError::ConflictWithCommitted { index, committed } => {
                write!(f, "entry {index} conflict with committed entry [committed({committed})]")
            }
        }
    }
}

impl std::error::Error for RaftError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CampaignType {
    PreElection,
    Election,
    /// The leader asked for it: voters ignore their lease.
    Transfer,
}

/// The context of a vote request that comes of a leadership transfer.
const CAMPAIGN_TRANSFER: &[u8] = b"CampaignTransfer";

/// SplitMix64: enough chance to break ties between candidates, and a state of one word.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// One participant. Drive it through [`super::RawNode`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Raft<S> {
    pub(super) config: Config,
    pub(super) term: Term,
    pub(super) vote: PeerId,
    pub(super) state: StateType,
    pub(super) lead: PeerId,
    pub(super) log: RaftLog<S>,
    pub(super) tracker: ProgressTracker,
    /// May be sent at once.
    pub(super) messages: Vec<Message>,
    /// May be sent only when all that is unstable now is durable: they acknowledge it.
    pub(super) messages_after_append: Vec<Message>,
    pub(super) read_states: Vec<ReadState>,
    pub(super) read_only: ReadOnly,
    /// Reads that wait for the first commit of this leader's term.
    pub(super) pending_read_requests: Vec<Message>,
    pub(super) lead_transferee: PeerId,
    /// A membership change may be pending at or before this index.
    pub(super) pending_conf_index: Index,
    /// Bytes of proposals not yet applied; never an overestimate. Kept by the leader only.
    pub(super) uncommitted_size: u64,
    /// Ticks since the election timeout last began.
    pub(super) election_elapsed: u32,
    /// Ticks since the last heartbeat. Kept by the leader only.
    pub(super) heartbeat_elapsed: u32,
    /// In `[election_tick, 2 * election_tick - 1]`.
    pub(super) randomized_election_timeout: u32,
    chance: Chance,
    pub(super) events: EventLog,
}

impl<S: Storage> Raft<S> {
    /// Panics if `storage` says that more is committed than it holds, as upstream does: a caller whose disk may have
    /// been damaged looks first.
    pub fn new(config: Config, storage: S) -> Raft<S> {
        config.validate();
        let (hard_state, conf_state) = storage.initial_state();
        let applying_size_max = match config.max_committed_size_per_ready {
            // A limit of nothing at all would never let anything be applied; of one byte, it is one entry at a time.
            0 => config.max_size_per_msg.max(1),
            limit => limit,
        };
        let mut raft = Raft {
            term: hard_state.term,
            vote: hard_state.vote,
            state: StateType::Follower,
            lead: PeerId::NONE,
            log: RaftLog::new(storage, applying_size_max),
            tracker: ProgressTracker::new(config.max_inflight_msgs, config.max_inflight_bytes),
            messages: Vec::new(),
            messages_after_append: Vec::new(),
            read_states: Vec::new(),
            read_only: ReadOnly::new(config.read_only_option),
            pending_read_requests: Vec::new(),
            lead_transferee: PeerId::NONE,
            pending_conf_index: Index::ZERO,
            uncommitted_size: 0,
            election_elapsed: 0,
            heartbeat_elapsed: 0,
            randomized_election_timeout: config.election_tick,
            chance: Chance(config.seed),
            events: EventLog::new(config.id),
            config,
        };
        let last = raft.log.last_id();
        raft.restore_conf_state(&conf_state);
        if !hard_state.is_empty() {
            let (low, high) = (raft.log.committed, last.index);
            let commit = hard_state.commit;
            assert!(low <= commit && commit <= high, "state.commit {commit} is out of range [{low}, {high}]");
            raft.log.committed = commit;
        }
        if raft.config.applied > Index::ZERO {
            raft.log.applied_to(raft.config.applied, 0);
        }
        raft.become_follower(raft.term, PeerId::NONE);
        raft.emit(EventKind::Created {
            peers: raft.tracker.config.voters.ids().collect(),
            term: raft.term,
            commit: raft.log.committed,
            applied: raft.log.applied,
            last,
        });
        raft
    }

    /// Takes one message, from another member or from ourselves.
    pub fn step(&mut self, m: Message) -> Result<(), RaftError> {
        let committed = self.log.committed;
        let result = self.dispatch(m);
        if self.log.committed != committed {
            self.emit(EventKind::CommitAdvanced { commit: self.log.committed });
        }
        if let Err(error) = result
            && error.is_fatal()
        {
            self.emit(EventKind::Fatal(error));
        }
        result
    }

    fn dispatch(&mut self, m: Message) -> Result<(), RaftError> {
        if m.term != Term::ZERO {
            if m.term > self.term && !self.accept_higher_term(&m) {
                return Ok(());
            }
            if m.term < self.term {
                self.answer_lower_term(m);
                return Ok(());
            }
        }
        match m.msg_type {
            MessageType::MsgHup => self.hup(self.campaign_type()),
            MessageType::MsgVote | MessageType::MsgPreVote => self.handle_vote_request(&m),
            MessageType::MsgStorageAppendResp => self.handle_storage_append_response(m),
            MessageType::MsgStorageApplyResp => self.handle_storage_apply_response(&m.entries),
            _ => {
                return match self.state {
                    StateType::Follower => self.step_follower(m),
                    StateType::PreCandidate | StateType::Candidate => self.step_candidate(m),
                    StateType::Leader => self.step_leader(m),
                };
            }
        }
        Ok(())
    }

    pub fn tick(&mut self) {
        match self.state {
            StateType::Leader => self.tick_heartbeat(),
            _ => self.tick_election(),
        }
    }

    fn tick_election(&mut self) {
        self.election_elapsed += 1;
        if self.is_promotable() && self.election_elapsed >= self.randomized_election_timeout {
            self.election_elapsed = 0;
            self.hup(self.campaign_type());
        }
    }

    fn campaign_type(&self) -> CampaignType {
        if self.config.pre_vote { CampaignType::PreElection } else { CampaignType::Election }
    }

    // Terms.

    /// A newer term makes us a follower in it, with three exceptions: false if the message is to be ignored.
    fn accept_higher_term(&mut self, m: &Message) -> bool {
        if m.msg_type.is_vote_request() {
            let forced = m.context == CAMPAIGN_TRANSFER;
            let in_lease =
                self.config.check_quorum && self.lead.is_some() && self.election_elapsed < self.config.election_tick;
            if in_lease && !forced {
                let facts = self.vote_facts(m);
                let remaining_ticks = self.config.election_tick - self.election_elapsed;
                self.emit(EventKind::VoteIgnoredInLease { facts, remaining_ticks });
                return false;
            }
        }
        // A pre-vote asks about a term that has not begun, and so does its being granted.
        let is_about_future =
            m.msg_type == MessageType::MsgPreVote || (m.msg_type == MessageType::MsgPreVoteResp && !m.reject);
        if !is_about_future {
            self.emit(EventKind::HigherTermReceived {
                message: m.msg_type,
                from: m.from,
                term: self.term,
                higher: m.term,
            });
            let leader = if m.msg_type.is_from_leader() { m.from } else { PeerId::NONE };
            self.become_follower(m.term, leader);
        }
        true
    }

    /// A message of an older term is ignored, unless its sender must learn that its term is over.
    fn answer_lower_term(&mut self, m: Message) {
        let sender_may_be_stuck = self.config.check_quorum || self.config.pre_vote;
        match m.msg_type {
            // Where a higher term in a vote request is not enough to depose a leader, this answer does it: otherwise
            // a member that came back with a higher term could never rejoin.
            MessageType::MsgHeartbeat | MessageType::MsgApp if sender_may_be_stuck => {
                self.send(Message { to: m.from, msg_type: MessageType::MsgAppResp, ..Message::default() });
            }
            // The pre-candidate must learn the newer term, or two members with PreVote could block each other.
            MessageType::MsgPreVote => {
                let facts = self.vote_facts(&m);
                self.emit(EventKind::VoteRejected(facts));
                self.send(Message {
                    to: m.from,
                    term: self.term,
                    msg_type: MessageType::MsgPreVoteResp,
                    reject: true,
                    ..Message::default()
                });
            }
            MessageType::MsgStorageAppendResp => {
                // In a later term the same positions may be written again, so nothing is known to be stable. A
                // snapshot is committed state, whatever the term.
                if m.index != Index::ZERO {
                    self.emit(EventKind::LowerTermAppendIgnored {
                        message: m.msg_type,
                        term: self.term,
                        lower: m.term,
                    });
                }
                if let Some(snapshot) = m.snapshot {
                    self.applied_snapshot(snapshot.metadata.index);
                }
            }
            _ => self.emit(EventKind::LowerTermIgnored {
                message: m.msg_type,
                from: m.from,
                term: self.term,
                lower: m.term,
            }),
        }
    }

    // Votes.

    fn vote_facts(&self, m: &Message) -> VoteFacts {
        VoteFacts {
            request: m.msg_type,
            candidate: m.from,
            candidate_last: EntryId { term: m.log_term, index: m.index },
            last: self.log.last_id(),
            vote: self.vote,
            term: self.term,
        }
    }

    /// Learners vote too: one that was promoted may not know it yet, and its vote may be needed.
    fn handle_vote_request(&mut self, m: &Message) {
        let facts = self.vote_facts(m);
        let is_repeat = self.vote == m.from;
        let is_free = (self.vote.is_none() && self.lead.is_none()) || !self.config.rules.one_vote_per_term;
        let is_future_pre_vote = m.msg_type == MessageType::MsgPreVote && m.term > self.term;
        let may_vote = is_repeat || is_free || is_future_pre_vote;
        let msg_type = m.msg_type.vote_response();
        if may_vote && self.log.is_up_to_date(facts.candidate_last) {
            self.emit(EventKind::VoteCast(facts));
            // A pre-vote is granted for the future term it asked about, or the pre-candidate would take it for old.
            self.send(Message { to: m.from, term: m.term, msg_type, ..Message::default() });
            if m.msg_type == MessageType::MsgVote {
                self.election_elapsed = 0;
                self.vote = m.from;
            }
        } else {
            self.emit(EventKind::VoteRejected(facts));
            self.send(Message { to: m.from, term: self.term, msg_type, reject: true, ..Message::default() });
        }
    }

    /// Campaigns, if this member may.
    pub(super) fn hup(&mut self, campaign: CampaignType) {
        if self.state == StateType::Leader {
            self.emit(EventKind::HupIgnoredByLeader);
        } else if !self.is_promotable() {
            self.emit(EventKind::Unpromotable);
        } else if self.log.has_unapplied_conf_change() {
            self.emit(EventKind::HupWithPendingConfChange { term: self.term });
        } else {
            self.emit(EventKind::ElectionStarted { term: self.term });
            self.campaign(campaign);
        }
    }

    pub(super) fn campaign(&mut self, campaign: CampaignType) {
        let (request, term) = if campaign == CampaignType::PreElection {
            self.become_pre_candidate();
            (MessageType::MsgPreVote, self.term.next())
        } else {
            self.become_candidate();
            (MessageType::MsgVote, self.term)
        };
        let context = match campaign {
            CampaignType::Transfer => Bytes::from_static(CAMPAIGN_TRANSFER),
            _ => Bytes::new(),
        };
        let last = self.log.last_id();
        for position in 0..self.tracker.progress.len() {
            let id = self.tracker.progress.id_at(position);
            if !self.tracker.config.voters.contains(id) {
                continue;
            }
            if id == self.config.id {
                // Our own vote counts once it is durable, like anyone's.
                self.send(Message { to: id, term, msg_type: request.vote_response(), ..Message::default() });
                continue;
            }
            self.emit(EventKind::VoteRequested { request, to: id, last, term: self.term });
            self.send(Message {
                to: id,
                term,
                msg_type: request,
                index: last.index,
                log_term: last.term,
                context: context.clone(),
                ..Message::default()
            });
        }
    }

    /// Counts a vote response. What the election has come to.
    pub(super) fn poll(&mut self, m: &Message) -> VoteResult {
        let response = m.msg_type;
        self.emit(EventKind::VoteReceived { response, from: m.from, granted: !m.reject, term: self.term });
        self.tracker.record_vote(m.from, !m.reject);
        let (granted, rejected, result) = self.tracker.tally_votes();
        self.emit(EventKind::VotesTallied { response, granted, rejected });
        result
    }

    // Roles.

    pub(super) fn become_follower(&mut self, term: Term, leader: PeerId) {
        self.reset(term);
        self.lead = leader;
        self.state = StateType::Follower;
        self.emit(EventKind::BecameFollower { term, leader });
    }

    fn become_pre_candidate(&mut self) {
        assert!(self.state != StateType::Leader, "invalid transition [leader -> pre-candidate]");
        // Neither term nor vote change: a pre-election that fails leaves no trace.
        self.tracker.votes.clear();
        self.lead = PeerId::NONE;
        self.state = StateType::PreCandidate;
        self.emit(EventKind::BecamePreCandidate { term: self.term });
    }

    fn become_candidate(&mut self) {
        assert!(self.state != StateType::Leader, "invalid transition [leader -> candidate]");
        self.reset(self.term.next());
        self.vote = self.config.id;
        self.state = StateType::Candidate;
        self.emit(EventKind::BecameCandidate { term: self.term });
    }

    /// What every change of role or term begins with.
    pub(super) fn reset(&mut self, term: Term) {
        if self.term != term {
            self.term = term;
            self.vote = PeerId::NONE;
        }
        self.lead = PeerId::NONE;
        self.election_elapsed = 0;
        self.heartbeat_elapsed = 0;
        let election_tick = self.config.election_tick;
        let extra = self.chance.next() % u64::from(election_tick);
        self.randomized_election_timeout = election_tick + extra as u32;
        self.lead_transferee = PeerId::NONE;
        self.tracker.votes.clear();
        let last = self.log.last_index();
        let (count_max, bytes_max) = (self.tracker.inflight_count_max, self.tracker.inflight_bytes_max);
        for (id, peer) in self.tracker.progress.iter_mut() {
            let matched = if id == self.config.id { last } else { Index::ZERO };
            let is_learner = peer.is_learner;
            *peer = Progress::new(matched, last.next(), count_max, bytes_max);
            peer.is_learner = is_learner;
        }
        self.pending_conf_index = Index::ZERO;
        self.uncommitted_size = 0;
        self.read_only = ReadOnly::new(self.config.read_only_option);
    }

    /// May become leader: a voter, with nothing left to restore.
    pub(super) fn is_promotable(&self) -> bool {
        let is_voter = self.tracker.progress.get(self.config.id).is_some_and(|own| !own.is_learner);
        is_voter && self.log.unstable.snapshot.is_none()
    }

    // Storage and state machine.

    fn handle_storage_append_response(&mut self, m: Message) {
        if m.index != Index::ZERO {
            self.log.unstable.stable_to(EntryId { term: m.log_term, index: m.index }, &mut self.events);
        }
        if let Some(snapshot) = m.snapshot {
            self.applied_snapshot(snapshot.metadata.index);
        }
    }

    fn handle_storage_apply_response(&mut self, entries: &[Entry]) {
        if let Some(last) = entries.last() {
            self.applied_to(last.index, encoded_size(entries));
            // An estimate that may be too low (entries of a former leader are subtracted too), never too high.
            self.uncommitted_size = self.uncommitted_size.saturating_sub(payload_size(entries));
        }
    }

    fn applied_snapshot(&mut self, index: Index) {
        self.log.unstable.stable_snapshot_to(index);
        self.applied_to(index, 0);
    }

    fn applied_to(&mut self, index: Index, size: u64) {
        let applied = index.max(self.log.applied);
        self.log.applied_to(applied, size);
        let may_leave = self.tracker.config.auto_leave && applied >= self.pending_conf_index;
        if may_leave && self.state == StateType::Leader {
            self.propose_auto_leave();
        }
    }

    /// Appends `entries` to the leader's log; false if that would exceed the limit on what is uncommitted.
    pub(super) fn append_entries(&mut self, mut entries: Vec<Entry>) -> bool {
        let size = payload_size(&entries);
        // A single proposal of any size is let in when nothing else is uncommitted, and an empty one always.
        let limit = self.config.max_uncommitted_entries_size;
        let exceeds = limit != 0 && self.uncommitted_size.saturating_add(size) > limit;
        if self.uncommitted_size > 0 && size > 0 && exceeds {
            self.emit(EventKind::UncommittedSizeExceeded);
            return false;
        }
        self.uncommitted_size += size;
        let mut index = self.log.last_index();
        for entry in &mut entries {
            index = index.next();
            (entry.term, entry.index) = (self.term, index);
        }
        let last = self.log.append(&entries, &mut self.events);
        // The leader counts as holding the entries once they are durable: it acknowledges them to itself.
        let to = self.config.id;
        self.send(Message { to, msg_type: MessageType::MsgAppResp, index: last, ..Message::default() });
        true
    }

    // Membership.

    /// Applies a committed change. The configuration that results; an error if the change cannot be made, and then
    /// nothing has changed.
    pub fn apply_conf_change(&mut self, change: &ConfChangeV2) -> Result<ConfState, ConfChangeError> {
        let changer = Changer { tracker: &self.tracker, last_index: self.log.last_index() };
        (self.tracker.config, self.tracker.progress) = changer.change(change)?;
        Ok(self.switched_config())
    }

    pub(super) fn restore_conf_state(&mut self, conf_state: &ConfState) {
        let empty = ProgressTracker::new(self.config.max_inflight_msgs, self.config.max_inflight_bytes);
        self.tracker = match confchange::restore(empty, self.log.last_index(), conf_state) {
            Ok(tracker) => tracker,
            Err(error) => panic!("unable to restore config {conf_state:?}: {error}"),
        };
        self.switched_config();
    }

    /// Follows up on a new configuration.
    fn switched_config(&mut self) -> ConfState {
        let committed = self.log.committed;
        self.emit(EventKind::ConfigSwitched { config: self.tracker.config.clone() });
        let conf_state = self.tracker.config.conf_state();
        if self.state != StateType::Leader {
            return conf_state;
        }
        let is_voter = self.tracker.progress.get(self.config.id).is_some_and(|own| !own.is_learner);
        if !is_voter {
            if self.config.step_down_on_removal {
                self.become_follower(self.term, PeerId::NONE);
            }
            return conf_state;
        }
        self.replicate_under_new_config();
        if self.log.committed != committed {
            self.emit(EventKind::CommitAdvanced { commit: self.log.committed });
        }
        conf_state
    }

    // Messages.

    /// Queues a message. One that acknowledges something waits until that is durable.
    pub(super) fn send(&mut self, mut m: Message) {
        use MessageType::*;
        if m.from.is_none() {
            m.from = self.config.id;
        }
        match m.msg_type {
            MsgVote | MsgVoteResp | MsgPreVote | MsgPreVoteResp => {
                assert!(m.term != Term::ZERO, "term should be set when sending {}", m.msg_type);
            }
            // Passed on as if the leader had received them locally.
            MsgProp | MsgReadIndex => assert!(m.term == Term::ZERO, "{} carries no term", m.msg_type),
            _ => {
                assert!(m.term == Term::ZERO, "term should not be set when sending {}", m.msg_type);
                m.term = self.term;
            }
        }
        if matches!(m.msg_type, MsgAppResp | MsgVoteResp | MsgPreVoteResp) {
            // Rejections too, though most could go at once: that has not been proven safe.
            self.messages_after_append.push(m);
        } else {
            assert!(m.to != self.config.id, "message should not be self-addressed when sending {}", m.msg_type);
            self.messages.push(m);
        }
    }

    pub(super) fn emit(&mut self, kind: EventKind) {
        self.events.push(kind);
    }
}

/// What views may look at.
impl<S: Storage> Raft<S> {
    pub fn id(&self) -> PeerId {
        self.config.id
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn term(&self) -> Term {
        self.term
    }

    /// Whom this member voted for in its term.
    pub fn vote(&self) -> PeerId {
        self.vote
    }

    pub fn state(&self) -> StateType {
        self.state
    }

    pub fn leader(&self) -> PeerId {
        self.lead
    }

    pub fn lead_transferee(&self) -> PeerId {
        self.lead_transferee
    }

    pub fn committed(&self) -> Index {
        self.log.committed
    }

    pub fn applied(&self) -> Index {
        self.log.applied
    }

    pub fn first_index(&self) -> Index {
        self.log.first_index()
    }

    pub fn last_index(&self) -> Index {
        self.log.last_index()
    }

    pub fn last_id(&self) -> EntryId {
        self.log.last_id()
    }

    /// The term of the entry at `index`, if this log still or already has it.
    pub fn term_at(&self, index: Index) -> Option<Term> {
        self.log.term(index).ok()
    }

    /// Entries from `low` up to, not including, `high`; `None` if some are compacted or not here.
    pub fn entries(&self, low: Index, high: Index) -> Option<Vec<Entry>> {
        if low > high || high > self.last_index().next() {
            return None;
        }
        self.log.slice(low, high, u64::MAX).ok()
    }

    /// The first index this member does not know to be durable.
    pub fn unstable_offset(&self) -> Index {
        self.log.unstable.offset
    }

    pub fn election_elapsed(&self) -> u32 {
        self.election_elapsed
    }

    pub fn heartbeat_elapsed(&self) -> u32 {
        self.heartbeat_elapsed
    }

    pub fn randomized_election_timeout(&self) -> u32 {
        self.randomized_election_timeout
    }

    /// Fixes the election timeout until the next change of role or term: for tests and lessons that need an order.
    pub fn set_randomized_election_timeout(&mut self, ticks: u32) {
        self.randomized_election_timeout = ticks;
    }

    /// Begins the luck of election timeouts anew: for a model checker, to which states that differ in luck alone are one.
    pub fn reseed(&mut self, seed: u64) {
        self.chance = Chance(seed);
        self.randomized_election_timeout = self.config.election_tick;
    }

    /// The active configuration, the progress of every peer, and the votes of the election under way.
    pub fn tracker(&self) -> &ProgressTracker {
        &self.tracker
    }

    pub fn uncommitted_size(&self) -> u64 {
        self.uncommitted_size
    }

    pub fn soft_state(&self) -> SoftState {
        SoftState { lead: self.lead, state: self.state }
    }

    pub fn hard_state(&self) -> HardState {
        HardState { term: self.term, vote: self.vote, commit: self.log.committed }
    }

    /// The snapshot being restored, if one is.
    pub fn pending_snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.log.unstable.snapshot.as_ref()
    }
}
