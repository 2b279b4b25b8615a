//! The words members speak: entries, messages, and the state that must survive a crash.
//!
//! Upstream: `raftpb/raft.proto`. These are plain values, not protobuf; their sizes count as protobuf's do, because
//! the limits in [`super::Config`] are in bytes.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::sync::Arc;

use bytes::Bytes;

/// An election term: grows with every election, and names at most one leader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Term(pub u64);

/// A position in the log. The first entry has index 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Index(pub u64);

/// The id of a participant. Printed in hexadecimal, as etcd prints member ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u64);

impl Term {
    pub const ZERO: Term = Term(0);

    pub fn next(self) -> Term {
        Term(self.0 + 1)
    }
}

impl Index {
    pub const ZERO: Index = Index(0);
    pub const MAX: Index = Index(u64::MAX);

    pub fn next(self) -> Index {
        Index(self.0 + 1)
    }

    /// The index before this one; zero has none before it and stays zero.
    pub fn prev(self) -> Index {
        Index(self.0.saturating_sub(1))
    }
}

impl PeerId {
    /// Nobody: no leader, no vote, a message of our own.
    pub const NONE: PeerId = PeerId(0);
    /// The local storage that appends entries, when writes are asynchronous.
    pub const APPEND_THREAD: PeerId = PeerId(u64::MAX);
    /// The local state machine that applies entries, when writes are asynchronous.
    pub const APPLY_THREAD: PeerId = PeerId(u64::MAX - 1);

    pub fn is_none(self) -> bool {
        self == PeerId::NONE
    }

    pub fn is_some(self) -> bool {
        !self.is_none()
    }

    /// Storage or state machine of this very member, not another member.
    pub fn is_local_target(self) -> bool {
        self == PeerId::APPEND_THREAD || self == PeerId::APPLY_THREAD
    }
}

impl Add<u64> for Index {
    type Output = Index;
    fn add(self, n: u64) -> Index {
        Index(self.0 + n)
    }
}

impl AddAssign<u64> for Index {
    fn add_assign(&mut self, n: u64) {
        self.0 += n;
    }
}

impl Sub for Index {
    type Output = u64;
    /// How many entries lie in `[other, self)`.
    fn sub(self, other: Index) -> u64 {
        self.0 - other.0
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.0, f)
    }
}

/// The two numbers that identify an entry: if two logs hold the same pair, they agree up to there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId {
    pub term: Term,
    pub index: Index,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EntryType {
    #[default]
    EntryNormal,
    EntryConfChange,
    EntryConfChangeV2,
}

impl EntryType {
    pub fn is_conf_change(self) -> bool {
        self != EntryType::EntryNormal
    }
}

impl fmt::Display for EntryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// One line of the log. Cloning it shares `data`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Entry {
    pub entry_type: EntryType,
    pub term: Term,
    pub index: Index,
    pub data: Bytes,
}

impl Entry {
    pub fn normal(data: Bytes) -> Entry {
        Entry { data, ..Entry::default() }
    }

    pub fn id(&self) -> EntryId {
        EntryId { term: self.term, index: self.index }
    }

    /// Bytes of the payload: what counts against the uncommitted and in-flight limits.
    pub fn payload_size(&self) -> u64 {
        self.data.len() as u64
    }

    /// Bytes of the entry in protobuf: what counts against message and apply limits.
    pub fn encoded_size(&self) -> u64 {
        let data = if self.data.is_empty() { 0 } else { 1 + varint_size(self.payload_size()) + self.payload_size() };
        // The type is a one-byte varint; each of the three numbers has a one-byte tag.
        2 + 1 + varint_size(self.term.0) + 1 + varint_size(self.index.0) + data
    }
}

pub(super) fn varint_size(n: u64) -> u64 {
    (u64::from((n | 1).ilog2()) + 7) / 7
}

pub(super) fn encoded_size(entries: &[Entry]) -> u64 {
    entries.iter().map(Entry::encoded_size).sum()
}

pub(super) fn payload_size(entries: &[Entry]) -> u64 {
    entries.iter().map(Entry::payload_size).sum()
}

/// How many of `entries` fit into `size_max` bytes; the first always does, so that progress is possible.
pub(super) fn fitting_count<'a>(entries: impl Iterator<Item = &'a Entry>, size_max: u64) -> usize {
    let mut size = 0u64;
    let mut count = 0;
    for entry in entries {
        size = size.saturating_add(entry.encoded_size());
        if count > 0 && size > size_max {
            break;
        }
        count += 1;
    }
    count
}

/// What must be on disk before a message that depends on it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HardState {
    pub term: Term,
    pub vote: PeerId,
    pub commit: Index,
}

impl HardState {
    pub fn is_empty(&self) -> bool {
        *self == HardState::default()
    }
}

/// The part a member plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StateType {
    #[default]
    Follower,
    PreCandidate,
    Candidate,
    Leader,
}

impl fmt::Display for StateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StateType::Follower => "StateFollower",
            StateType::PreCandidate => "StatePreCandidate",
            StateType::Candidate => "StateCandidate",
            StateType::Leader => "StateLeader",
        })
    }
}

/// What may be forgotten in a crash: who leads, and what part we play.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SoftState {
    pub lead: PeerId,
    pub state: StateType,
}

/// Who takes part, as a snapshot records it. All lists are sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConfState {
    pub voters: Vec<PeerId>,
    pub learners: Vec<PeerId>,
    /// Voters of the configuration being left; empty unless the configuration is joint.
    pub voters_outgoing: Vec<PeerId>,
    /// Voters being left that will be learners once the joint configuration is left.
    pub learners_next: Vec<PeerId>,
    /// The joint configuration is left as soon as that is possible, without being asked.
    pub auto_leave: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SnapshotMetadata {
    pub conf_state: ConfState,
    pub index: Index,
    pub term: Term,
}

/// The state machine's content in place of the log up to `metadata.index`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Snapshot {
    pub data: Bytes,
    pub metadata: SnapshotMetadata,
}

impl Snapshot {
    pub fn is_empty(&self) -> bool {
        self.metadata.index == Index::ZERO
    }

    pub fn id(&self) -> EntryId {
        EntryId { term: self.metadata.term, index: self.metadata.index }
    }
}

/// The answer to a linearizable read: once `index` is applied, the read named by `request_ctx` may be served.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReadState {
    pub index: Index,
    pub request_ctx: Bytes,
}

#[allow(clippy::enum_variant_names)] // Upstream's names, which logs show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageType {
    /// Local: start an election.
    #[default]
    MsgHup,
    /// Local: time to send heartbeats.
    MsgBeat,
    MsgProp,
    MsgApp,
    MsgAppResp,
    MsgVote,
    MsgVoteResp,
    MsgSnap,
    MsgHeartbeat,
    MsgHeartbeatResp,
    /// Local: a message to `from` was not delivered.
    MsgUnreachable,
    /// Local: how sending a snapshot to `from` ended.
    MsgSnapStatus,
    /// Local: step down unless a quorum was heard from.
    MsgCheckQuorum,
    MsgTransferLeader,
    MsgTimeoutNow,
    MsgReadIndex,
    MsgReadIndexResp,
    MsgPreVote,
    MsgPreVoteResp,
    MsgStorageAppend,
    MsgStorageAppendResp,
    MsgStorageApply,
    MsgStorageApplyResp,
    MsgForgetLeader,
}

impl MessageType {
    pub const ALL: [MessageType; 24] = {
        use MessageType::*;
        [
            MsgHup,
            MsgBeat,
            MsgProp,
            MsgApp,
            MsgAppResp,
            MsgVote,
            MsgVoteResp,
            MsgSnap,
            MsgHeartbeat,
            MsgHeartbeatResp,
            MsgUnreachable,
            MsgSnapStatus,
            MsgCheckQuorum,
            MsgTransferLeader,
            MsgTimeoutNow,
            MsgReadIndex,
            MsgReadIndexResp,
            MsgPreVote,
            MsgPreVoteResp,
            MsgStorageAppend,
            MsgStorageAppendResp,
            MsgStorageApply,
            MsgStorageApplyResp,
            MsgForgetLeader,
        ]
    };

    /// The type with this name: `MsgApp`.
    pub fn from_name(name: &str) -> Option<MessageType> {
        MessageType::ALL.into_iter().find(|t| format!("{t:?}") == name)
    }

    /// Must never come over the network.
    pub fn is_local(self) -> bool {
        use MessageType::*;
        matches!(
            self,
            MsgHup
                | MsgBeat
                | MsgUnreachable
                | MsgSnapStatus
                | MsgCheckQuorum
                | MsgStorageAppend
                | MsgStorageAppendResp
                | MsgStorageApply
                | MsgStorageApplyResp
        )
    }

    /// Answers something this member sent.
    pub fn is_response(self) -> bool {
        use MessageType::*;
        matches!(
            self,
            MsgAppResp
                | MsgVoteResp
                | MsgHeartbeatResp
                | MsgUnreachable
                | MsgReadIndexResp
                | MsgPreVoteResp
                | MsgStorageAppendResp
                | MsgStorageApplyResp
        )
    }

    pub(super) fn is_vote_request(self) -> bool {
        matches!(self, MessageType::MsgVote | MessageType::MsgPreVote)
    }

    /// Only the leader of the message's term sends these.
    pub(super) fn is_from_leader(self) -> bool {
        matches!(self, MessageType::MsgApp | MessageType::MsgHeartbeat | MessageType::MsgSnap)
    }

    pub(super) fn vote_response(self) -> MessageType {
        match self {
            MessageType::MsgVote => MessageType::MsgVoteResp,
            MessageType::MsgPreVote => MessageType::MsgPreVoteResp,
            other => panic!("not a vote message: {other}"),
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// One message. Which fields mean something depends on `msg_type`; the rest stay at their defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Message {
    pub msg_type: MessageType,
    pub to: PeerId,
    pub from: PeerId,
    pub term: Term,
    /// MsgApp: the term of the entry before `entries`. Votes: the term of the candidate's last entry. A rejected
    /// MsgAppResp: the term the follower has at `reject_hint`.
    pub log_term: Term,
    /// MsgApp: the index of the entry before `entries`. Votes: the candidate's last index. MsgAppResp: what is
    /// acknowledged, or what was rejected.
    pub index: Index,
    pub entries: Vec<Entry>,
    pub commit: Index,
    /// MsgStorageAppend only: the vote to make durable.
    pub vote: PeerId,
    pub snapshot: Option<Arc<Snapshot>>,
    pub reject: bool,
    /// A rejected MsgAppResp: where the follower thinks the two logs may still agree.
    pub reject_hint: Index,
    pub context: Bytes,
    /// Storage messages only: what to deliver once the work is done.
    pub responses: Vec<Message>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_have_protobufs_sizes() {
        let sizes = [(0, 1), (1, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3), (u64::MAX, 10)];
        for (n, size) in sizes {
            assert_eq!(varint_size(n), size, "{n}");
        }
    }

    #[test]
    fn the_first_entry_always_fits() {
        let entries: Vec<Entry> = (0..3).map(|_| Entry::normal(Bytes::from_static(b"0123456789"))).collect();
        let one = entries[0].encoded_size();
        for (limit, count) in [(0, 1), (one, 1), (2 * one - 1, 1), (2 * one, 2), (u64::MAX, 3)] {
            assert_eq!(fitting_count(entries.iter(), limit), count, "limit {limit}");
        }
    }
}
