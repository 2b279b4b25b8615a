//! What happened inside, as facts: for the trace, the diagrams, and the log.
//!
//! An event is data first. Its `Display` is the line upstream logs at the same place; events upstream does not log
//! have [`Level::Trace`].

use std::collections::VecDeque;
use std::fmt;

use super::confchange_message::AnyConfChange;
use super::message::{EntryId, Index, MessageType, PeerId, StateType, Term};
use super::progress::ProgressStatus;
use super::raft::RaftError;
use super::tracker::TrackerConfig;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Of use to diagrams only.
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Trace => "TRACE",
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
            Level::Fatal => "FATAL",
        })
    }
}

/// Something that happened in member `id`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RaftEvent {
    pub id: PeerId,
    pub kind: EventKind,
}

/// A request for a vote, and what the voter knew when it decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VoteFacts {
    /// MsgVote or MsgPreVote.
    pub request: MessageType,
    pub candidate: PeerId,
    /// The end of the candidate's log.
    pub candidate_last: EntryId,
    /// The end of the voter's log.
    pub last: EntryId,
    /// The vote the voter had cast in its term before.
    pub vote: PeerId,
    /// The voter's term.
    pub term: Term,
}

/// What was dropped for want of a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DroppedRequest {
    Proposal,
    LeaderTransfer,
    ReadIndex,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    // Life.
    Created {
        peers: Vec<PeerId>,
        term: Term,
        commit: Index,
        applied: Index,
        last: EntryId,
    },
    BecameFollower {
        term: Term,
        leader: PeerId,
    },
    BecamePreCandidate {
        term: Term,
    },
    BecameCandidate {
        term: Term,
    },
    BecameLeader {
        term: Term,
    },
    /// A follower heard from the leader of its term for the first time.
    LeaderFound {
        leader: PeerId,
        term: Term,
    },
    SteppedDownWithoutQuorum,
    Fatal(RaftError),

    // Elections.
    ElectionStarted {
        term: Term,
    },
    HupIgnoredByLeader,
    Unpromotable,
    HupWithPendingConfChange {
        term: Term,
    },
    VoteRequested {
        request: MessageType,
        to: PeerId,
        last: EntryId,
        term: Term,
    },
    VoteCast(VoteFacts),
    VoteRejected(VoteFacts),
    /// The voter heard from a leader recently, and does not disturb it.
    VoteIgnoredInLease {
        facts: VoteFacts,
        remaining_ticks: u32,
    },
    VoteReceived {
        response: MessageType,
        from: PeerId,
        granted: bool,
        term: Term,
    },
    VotesTallied {
        response: MessageType,
        granted: usize,
        rejected: usize,
    },

    // Terms.
    HigherTermReceived {
        message: MessageType,
        from: PeerId,
        term: Term,
        higher: Term,
    },
    LowerTermIgnored {
        message: MessageType,
        from: PeerId,
        term: Term,
        lower: Term,
    },
    LowerTermAppendIgnored {
        message: MessageType,
        term: Term,
        lower: Term,
    },

    // Leadership.
    LeaderForgotten {
        leader: PeerId,
        term: Term,
    },
    ForgetLeaderRefused,
    NoLeader {
        dropped: DroppedRequest,
        term: Term,
    },
    ForwardingDisabled {
        leader: PeerId,
        term: Term,
    },
    TransferStarted {
        to: PeerId,
        term: Term,
    },
    TransferRepeated {
        to: PeerId,
        term: Term,
    },
    TransferAborted {
        to: PeerId,
        term: Term,
    },
    TransferToLearner,
    TransferToSelf,
    TransferBlocksProposal {
        to: PeerId,
        term: Term,
    },
    TimeoutNowSentAtOnce {
        to: PeerId,
    },
    TimeoutNowSentAfterCatchUp {
        to: PeerId,
    },
    TimeoutNowReceived {
        from: PeerId,
        term: Term,
    },
    TimeoutNowIgnored {
        from: PeerId,
        term: Term,
        state: StateType,
    },

    // Replication.
    CommitAdvanced {
        commit: Index,
    },
    UncommittedSizeExceeded,
    AppendRejected {
        from: PeerId,
        leader_prev: EntryId,
        our_term: Term,
    },
    RejectionReceived {
        from: PeerId,
        rejected: Index,
        hint: EntryId,
    },
    ProgressDecreased {
        peer: PeerId,
        progress: ProgressStatus,
    },
    /// The peer moved between probing, replicating and awaiting a snapshot.
    ProgressStateChanged {
        peer: PeerId,
        progress: ProgressStatus,
    },
    PeerUnreachable {
        peer: PeerId,
        progress: ProgressStatus,
    },
    NoProgress {
        peer: PeerId,
    },
    ConflictFound {
        index: Index,
        existing: Term,
        conflicting: Term,
    },
    ReplacedUnstable {
        from: Index,
    },
    TruncatedUnstable {
        from: Index,
    },
    StableEntryMissing {
        index: Index,
    },
    StableEntryIsSnapshot {
        index: Index,
    },
    StableEntryReplaced {
        stable: EntryId,
        unstable: EntryId,
    },

    // Snapshots.
    SnapshotNotSentToInactive {
        peer: PeerId,
    },
    SnapshotUnavailable {
        peer: PeerId,
    },
    SnapshotSent {
        peer: PeerId,
        first_index: Index,
        commit: Index,
        snapshot: EntryId,
        progress: ProgressStatus,
    },
    ReplicationPaused {
        peer: PeerId,
        progress: ProgressStatus,
    },
    SnapshotCaughtUp {
        peer: PeerId,
        progress: ProgressStatus,
    },
    SnapshotSucceeded {
        peer: PeerId,
        progress: ProgressStatus,
    },
    SnapshotFailed {
        peer: PeerId,
        progress: ProgressStatus,
    },
    RestoringSnapshot {
        log: String,
        snapshot: EntryId,
    },
    ConfigRestored {
        commit: Index,
        last: EntryId,
        snapshot: EntryId,
    },
    SnapshotRestored {
        commit: Index,
        snapshot: EntryId,
    },
    SnapshotIgnored {
        commit: Index,
        snapshot: EntryId,
    },
    SnapshotFastForwarded {
        commit: Index,
        last: EntryId,
        snapshot: EntryId,
    },
    SnapshotWithoutUs {
        voters: Vec<PeerId>,
    },
    SnapshotWhileNotFollower,

    // Membership.
    ConfigSwitched {
        config: TrackerConfig,
    },
    ConfChangeIgnored {
        change: AnyConfChange,
        config: TrackerConfig,
        reason: String,
    },
    AutoLeaveStarted {
        config: TrackerConfig,
    },
    AutoLeaveNotStarted {
        config: TrackerConfig,
        error: RaftError,
    },

    // Reads.
    InvalidReadIndexResponse {
        from: PeerId,
        entries: usize,
    },
    ReadIndexReleasedTooEarly,
}

impl RaftEvent {
    pub fn level(&self) -> Level {
        use EventKind::*;
        match &self.kind {
            LeaderFound { .. } | CommitAdvanced { .. } | ProgressStateChanged { .. } => Level::Trace,
            HupIgnoredByLeader
            | TransferToLearner
            | TransferToSelf
            | TransferBlocksProposal { .. }
            | TimeoutNowIgnored { .. }
            | AppendRejected { .. }
            | RejectionReceived { .. }
            | ProgressDecreased { .. }
            | PeerUnreachable { .. }
            | NoProgress { .. }
            | SnapshotNotSentToInactive { .. }
            | SnapshotUnavailable { .. }
            | SnapshotSent { .. }
            | ReplicationPaused { .. }
            | SnapshotCaughtUp { .. }
            | SnapshotSucceeded { .. }
            | SnapshotFailed { .. }
            | AutoLeaveNotStarted { .. } => Level::Debug,
            SteppedDownWithoutQuorum
            | Unpromotable
            | HupWithPendingConfChange { .. }
            | UncommittedSizeExceeded
            | SnapshotWithoutUs { .. }
            | SnapshotWhileNotFollower => Level::Warn,
            ForgetLeaderRefused | InvalidReadIndexResponse { .. } | ReadIndexReleasedTooEarly => Level::Error,
            Fatal(_) => Level::Fatal,
            _ => Level::Info,
        }
    }
}

impl fmt::Display for RaftEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use EventKind::*;
        let id = self.id;
        match &self.kind {
            Created { peers, term, commit, applied, last } => {
                write!(f, "newRaft {id} [peers: [")?;
                for (position, peer) in peers.iter().enumerate() {
                    write!(f, "{}{peer}", if position == 0 { "" } else { "," })?;
                }
                write!(f, "], term: {term}, commit: {commit}, applied: {applied}, ")?;
                write!(f, "lastindex: {}, lastterm: {}]", last.index, last.term)
            }
            BecameFollower { term, .. } => write!(f, "{id} became follower at term {term}"),
            BecamePreCandidate { term } => write!(f, "{id} became pre-candidate at term {term}"),
            BecameCandidate { term } => write!(f, "{id} became candidate at term {term}"),
            BecameLeader { term } => write!(f, "{id} became leader at term {term}"),
            LeaderFound { leader, term } => write!(f, "{id} follows leader {leader} at term {term}"),
            SteppedDownWithoutQuorum => write!(f, "{id} stepped down to follower since quorum is not active"),
            Fatal(error) => write!(f, "{error}"),

            ElectionStarted { term } => write!(f, "{id} is starting a new election at term {term}"),
            HupIgnoredByLeader => write!(f, "{id} ignoring MsgHup because already leader"),
            Unpromotable => write!(f, "{id} is unpromotable and can not campaign"),
            HupWithPendingConfChange { term } => write!(
                f,
                "{id} cannot campaign at term {term} since there are still pending configuration changes to apply"
            ),
            VoteRequested { request, to, last, term } => write!(
                f,
                "{id} [logterm: {}, index: {}] sent {request} request to {to} at term {term}",
                last.term, last.index
            ),
            VoteCast(facts) => write!(f, "{}", facts.line(id, "cast", "for")),
            VoteRejected(facts) => write!(f, "{}", facts.line(id, "rejected", "from")),
            VoteIgnoredInLease { facts, remaining_ticks } => write!(
                f,
                "{}: lease is not expired (remaining ticks: {remaining_ticks})",
                facts.line(id, "ignored", "from")
            ),
            VoteReceived { response, from, granted, term } => {
                let rejection = if *granted { "" } else { " rejection" };
                write!(f, "{id} received {response}{rejection} from {from} at term {term}")
            }
            VotesTallied { response, granted, rejected } => {
                write!(f, "{id} has received {granted} {response} votes and {rejected} vote rejections")
            }

            HigherTermReceived { message, from, term, higher } => write!(
                f,
                "{id} [term: {term}] received a {message} message with higher term from {from} [term: {higher}]"
            ),
            LowerTermIgnored { message, from, term, lower } => {
                write!(f, "{id} [term: {term}] ignored a {message} message with lower term from {from} [term: {lower}]")
            }
            LowerTermAppendIgnored { message, term, lower } => write!(
                f,
                "{id} [term: {term}] ignored entry appends from a {message} message with lower term [term: {lower}]"
            ),

            LeaderForgotten { leader, term } => write!(f, "{id} forgetting leader {leader} at term {term}"),
            ForgetLeaderRefused => f.write_str("ignoring MsgForgetLeader due to ReadOnlyLeaseBased"),
            NoLeader { dropped, term } => {
                let what = match dropped {
                    DroppedRequest::Proposal => "proposal",
                    DroppedRequest::LeaderTransfer => "leader transfer msg",
                    DroppedRequest::ReadIndex => "index reading msg",
                };
                write!(f, "{id} no leader at term {term}; dropping {what}")
            }
            ForwardingDisabled { leader, term } => {
                write!(f, "{id} not forwarding to leader {leader} at term {term}; dropping proposal")
            }
            TransferStarted { to, term } => write!(f, "{id} [term {term}] starts to transfer leadership to {to}"),
            TransferRepeated { to, term } => write!(
                f,
                "{id} [term {term}] transfer leadership to {to} is in progress, ignores request to same node {to}"
            ),
            TransferAborted { to, term } => {
                write!(f, "{id} [term {term}] abort previous transferring leadership to {to}")
            }
            TransferToLearner => write!(f, "{id} is learner. Ignored transferring leadership"),
            TransferToSelf => write!(f, "{id} is already leader. Ignored transferring leadership to self"),
            TransferBlocksProposal { to, term } => {
                write!(f, "{id} [term {term}] transfer leadership to {to} is in progress; dropping proposal")
            }
            TimeoutNowSentAtOnce { to } => {
                write!(f, "{id} sends MsgTimeoutNow to {to} immediately as {to} already has up-to-date log")
            }
            TimeoutNowSentAfterCatchUp { to } => {
                write!(f, "{id} sent MsgTimeoutNow to {to} after received MsgAppResp")
            }
            TimeoutNowReceived { from, term } => write!(
                f,
                "{id} [term {term}] received MsgTimeoutNow from {from} and starts an election to get leadership."
            ),
            TimeoutNowIgnored { from, term, state } => {
                write!(f, "{id} [term {term} state {state}] ignored MsgTimeoutNow from {from}")
            }

            CommitAdvanced { commit } => write!(f, "{id} committed up to index {commit}"),
            UncommittedSizeExceeded => write!(
                f,
                "{id} appending new entries to log would exceed uncommitted entry size limit; dropping proposal"
            ),
            AppendRejected { from, leader_prev, our_term } => write!(
                f,
                "{id} [logterm: {our_term}, index: {index}] rejected MsgApp [logterm: {}, index: {index}] from {from}",
                leader_prev.term,
                index = leader_prev.index
            ),
            RejectionReceived { from, rejected, hint } => write!(
                f,
                "{id} received MsgAppResp(rejected, hint: (index {}, term {})) from {from} for index {rejected}",
                hint.index, hint.term
            ),
            ProgressDecreased { peer, progress } => write!(f, "{id} decreased progress of {peer} to [{progress}]"),
            ProgressStateChanged { peer, progress } => write!(f, "{id} now treats {peer} as [{progress}]"),
            PeerUnreachable { peer, progress } => {
                write!(f, "{id} failed to send message to {peer} because it is unreachable [{progress}]")
            }
            NoProgress { peer } => write!(f, "{id} no progress available for {peer}"),
            ConflictFound { index, existing, conflicting } => write!(
                f,
                "found conflict at index {index} [existing term: {existing}, conflicting term: {conflicting}]"
            ),
            ReplacedUnstable { from } => write!(f, "replace the unstable entries from index {from}"),
            TruncatedUnstable { from } => write!(f, "truncate the unstable entries before index {from}"),
            StableEntryMissing { index } => write!(f, "entry at index {index} missing from unstable log; ignoring"),
            StableEntryIsSnapshot { index } => {
                write!(f, "entry at index {index} matched unstable snapshot; ignoring")
            }
            StableEntryReplaced { stable, unstable } => write!(
                f,
                "entry at (index,term)=({},{}) mismatched with entry at ({},{}) in unstable log; ignoring",
                stable.index, stable.term, unstable.index, unstable.term
            ),

            SnapshotNotSentToInactive { peer } => {
                write!(f, "ignore sending snapshot to {peer} since it is not recently active")
            }
            SnapshotUnavailable { peer } => {
                write!(f, "{id} failed to send snapshot to {peer} because snapshot is temporarily unavailable")
            }
            SnapshotSent { peer, first_index, commit, snapshot, progress } => write!(
                f,
                "{id} [firstindex: {first_index}, commit: {commit}] sent snapshot[index: {}, term: {}] to {peer} \
                 [{progress}]",
                snapshot.index, snapshot.term
            ),
            ReplicationPaused { peer, progress } => {
                write!(f, "{id} paused sending replication messages to {peer} [{progress}]")
            }
            SnapshotCaughtUp { peer, progress } => write!(
                f,
                "{id} recovered from needing snapshot, resumed sending replication messages to {peer} [{progress}]"
            ),
            SnapshotSucceeded { peer, progress } => {
                write!(f, "{id} snapshot succeeded, resumed sending replication messages to {peer} [{progress}]")
            }
            SnapshotFailed { peer, progress } => {
                write!(f, "{id} snapshot failed, resumed sending replication messages to {peer} [{progress}]")
            }
            RestoringSnapshot { log, snapshot } => {
                write!(f, "log [{log}] starts to restore snapshot [index: {}, term: {}]", snapshot.index, snapshot.term)
            }
            ConfigRestored { commit, last, snapshot } => write!(
                f,
                "{id} [commit: {commit}, lastindex: {}, lastterm: {}] restored snapshot [index: {}, term: {}]",
                last.index, last.term, snapshot.index, snapshot.term
            ),
            SnapshotRestored { commit, snapshot } => write!(
                f,
                "{id} [commit: {commit}] restored snapshot [index: {}, term: {}]",
                snapshot.index, snapshot.term
            ),
            SnapshotIgnored { commit, snapshot } => write!(
                f,
                "{id} [commit: {commit}] ignored snapshot [index: {}, term: {}]",
                snapshot.index, snapshot.term
            ),
            SnapshotFastForwarded { commit, last, snapshot } => write!(
                f,
                "{id} [commit: {commit}, lastindex: {}, lastterm: {}] fast-forwarded commit to snapshot \
                 [index: {}, term: {}]",
                last.index, last.term, snapshot.index, snapshot.term
            ),
            SnapshotWithoutUs { voters } => write!(
                f,
                "{id} attempted to restore snapshot but it is not in the ConfState {voters:?}; should never happen"
            ),
            SnapshotWhileNotFollower => {
                write!(f, "{id} attempted to restore snapshot as leader; should never happen")
            }

            ConfigSwitched { config } => write!(f, "{id} switched to configuration {config}"),
            ConfChangeIgnored { change, config, reason } => {
                write!(f, "{id} ignoring conf change {change} at config {config}: {reason}")
            }
            AutoLeaveStarted { config } => {
                write!(f, "initiating automatic transition out of joint configuration {config}")
            }
            AutoLeaveNotStarted { config, error } => {
                write!(f, "not initiating automatic transition out of joint configuration {config}: {error}")
            }

            InvalidReadIndexResponse { from, entries } => {
                write!(f, "{id} invalid format of MsgReadIndexResp from {from}, entries count: {entries}")
            }
            ReadIndexReleasedTooEarly => {
                f.write_str("pending MsgReadIndex should be released only after first commit in current term")
            }
        }
    }
}

impl VoteFacts {
    fn line(&self, id: PeerId, verb: &str, preposition: &str) -> String {
        format!(
            "{id} [logterm: {}, index: {}, vote: {}] {verb} {} {preposition} {} [logterm: {}, index: {}] at term {}",
            self.last.term,
            self.last.index,
            self.vote,
            self.request,
            self.candidate,
            self.candidate_last.term,
            self.candidate_last.index,
            self.term
        )
    }
}

/// Events not yet drained, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct EventLog {
    id: PeerId,
    events: VecDeque<RaftEvent>,
}

impl EventLog {
    /// A caller that drains after every call sees all events; one that never drains loses the oldest.
    const EVENTS_MAX: usize = 4096;

    pub fn new(id: PeerId) -> EventLog {
        EventLog { id, events: VecDeque::new() }
    }

    pub fn push(&mut self, kind: EventKind) {
        if self.events.len() == Self::EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(RaftEvent { id: self.id, kind });
    }

    pub fn drain(&mut self) -> impl Iterator<Item = RaftEvent> + '_ {
        self.events.drain(..)
    }
}
