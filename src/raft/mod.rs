//! Consensus as a pure state machine, in the manner of `etcd-io/raft`.
//!
//! What it is: one member's half of the Raft protocol. Messages and ticks go in; messages to send, state to make
//! durable and entries to apply come out, all through [`RawNode`]. Nothing else influences it: no clock, no I/O, no
//! randomness but a seed in [`Config`]. The whole of a member is one value that can be cloned, compared by hash and
//! run twice with the same result.
//!
//! What it is not: it does not store, send or apply anything itself. [`RawNode`] says what must happen in what order.
//!
//! ```text
//!                       timeout                        quorum of votes
//!            ┌──────────┐ ───> ┌──────────────┐ ───> ┌───────────┐ ───> ┌────────┐
//!   start ─> │ Follower │      │ PreCandidate │      │ Candidate │      │ Leader │
//!            └──────────┘ <─── └──────────────┘ <─── └───────────┘ <─── └────────┘
//!                   a leader of this term appears, or any message of a higher term
//! ```
//!
//! (Without PreVote a follower becomes a candidate at once.)
//!
//! Upstream: `raft.go`, `log.go`, `log_unstable.go`, `storage.go`, `rawnode.go`, `read_only.go`, and the folders
//! `tracker/`, `quorum/`, `confchange/`, `raftpb/`.
//!
//! Simplified: the storage is owned by the [`RawNode`] instead of shared with it, and cannot fail to be read.
//! Simplified: where upstream panics because the storage lost what it had promised to keep, [`RawNode::step`] returns
//! an error that [`RaftError::is_fatal`]: a user of the lab may bring this about, and it is the member
//! that must die of it, not the page.
//! Simplified: `Bootstrap` is absent; a member starts from a [`ConfState`] in its storage.

// What members say to each other, and what happened.
mod confchange_message;
mod event;
mod message;

// Who takes part, who must agree, who has what.
mod confchange;
mod progress;
mod quorum;
mod tracker;

// The log.
mod log;
mod log_unstable;
mod storage;

// The state machine: what all roles share, and each of them.
#[allow(clippy::module_inception)]
mod raft;

mod candidate;
mod follower;
mod leader;
mod read_only;
mod rules;

// The door.
mod raw_node;

mod describe;
#[cfg(test)]
mod tests;

pub use confchange::{Changer, ConfChangeError};
pub use confchange_message::{
    AnyConfChange, ConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2,
};
pub use event::{DroppedRequest, EventKind, Level, RaftEvent, VoteFacts};
pub use message::{
    ConfState, Entry, EntryId, EntryType, HardState, Index, Message, MessageType, PeerId, ReadState, Snapshot,
    SnapshotMetadata, SoftState, StateType, Term,
};
pub use progress::{Inflights, Progress, ProgressState, ProgressStatus};
pub use quorum::{JointConfig, MajorityConfig, VoteResult};
pub use raft::{Config, Raft, RaftError};
pub use raw_node::{RawNode, Ready, SnapshotReport, split_messages};
pub use read_only::ReadOnlyOption;
pub use rules::SafetyRules;
pub use storage::{MemStorage, Storage, StorageError};
pub use tracker::{ProgressMap, ProgressTracker, TrackerConfig};
