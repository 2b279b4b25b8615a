//! Level 2: etcd 3.5. One member, the cluster of them, and a client.
//!
//! ```text
//!   client ──Frame──> server (v3rpc) ──propose──> member ──> raft ──Ready──> wal ──> peers
//!                        ^  reads wait for ReadIndex             │ committed
//!                        └────────── response <── apply <────────┘──> mvcc ──> watchable store ──> watch streams
//! ```
//!
//! Members and clients are state machines over `sim`'s [`Outbox`](crate::sim::Outbox): they are told what arrives and put
//! what they want sent, written, woken for or reported into it. They know no network, no disk and no other host.

use crate::raft;
use crate::sim;
use std::sync::Arc;

pub mod api;
pub mod applier;
pub mod apply;
mod aside;
pub mod auth;
pub mod backend;
pub mod bolt;
pub mod client;
pub mod cluster;
mod compactor;
mod corrupt;
pub mod disaster;
pub mod error;
mod forwards;
pub mod http;
mod identity;
pub mod internal;
pub mod join;
pub mod lease;
mod leasing;
pub mod member;
pub mod membership;
pub mod metrics;
pub mod mvcc;
pub mod peers;
mod promotion;
mod proposals;
mod reads;
mod reconfigure;
pub mod rules;
mod server;
pub mod snap;
pub mod wal;
pub mod wire;

pub use client::{Client, ClientEvent, ClientId, ClientNote};
pub use cluster::{Cluster, Machine, Peer, Snapshots, Timing};
pub use join::{InitialClusterState, Joined, Joiner};
pub use member::{Booted, Member, MemberNote, Moment};
pub use rules::{Rule, Rules};
pub use server::refuse;
pub use snap::DB as DATABASE;
pub use wire::Wire;

/// The version that this engine behaves as.
pub const VERSION: &str = "3.5.1";

/// What a member says last that was removed.
pub const REMOVED: &str = "the member has been permanently removed from the cluster";

/// Where members and clients put what they want done.
pub type Outbox = sim::Outbox<Wire, Note, Fact>;

/// What a member or a client tells itself later.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Note {
    Member(MemberNote),
    Client(ClientId, ClientNote),
}

/// What a member or a client reports as having happened; the views and the checks read these.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// A member started from what its disk held.
    Started { term: raft::Term, last: raft::Index, commit: raft::Index, torn_bytes: u64 },
    /// A member cannot start.
    Refused { why: String },
    /// A member was removed from the cluster, and stopped.
    Removed,
    /// A member stopped by itself, as etcd panics: its log contradicts what the others hold, or its disk is full.
    Panicked { why: String },
    /// Shared, since it is large and facts are kept by the hundred thousand.
    Raft(Arc<raft::RaftEvent>),
    /// Entries were added to a member's log, not yet durable: from `first` on.
    Appended { entries: Arc<[raft::Entry]> },
    /// Entries up to here are durable on the member.
    Persisted { last: raft::Index },
    /// The member knows that everything up to here is committed.
    Committed { index: raft::Index, term: raft::Term },
    /// The member applied this entry; `revision` is the store's revision if the entry wrote.
    Applied { entry: raft::Entry, revision: Option<i64> },
    /// The database is durable up to this entry; the log now begins with `first`.
    Snapshotted { index: raft::Index, first: raft::Index },
    /// A snapshot from the leader took the place of the member's store and log.
    Restored { index: raft::Index, term: raft::Term },
    /// The member answered a call.
    Answered { call: &'static str, failed: Option<String> },
    /// A client's connection to this endpoint is open.
    Connected { endpoint: String },
    /// The stream with a client's watches broke.
    StreamBroken { endpoint: String },
    /// A client received these events of one watch.
    Watched { watch: client::WatchKey, client: ClientId, revisions: Vec<i64> },
}
