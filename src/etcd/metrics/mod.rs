//! What a member counts while its process lives, and how that is told to Prometheus.
//!
//! ```text
//!   what happens to a member ──plain additions──> Metrics ──┐
//!   what its state says at this moment ─────────────────────┴─> families ──> exposition: the text of `/metrics`
//! ```
//!
//! Counters begin at zero with the process, as upstream's do. Durations are whole microseconds of the world's time: what
//! costs a real member processor time alone takes none here, and is counted with a duration of zero.
//!
//! Upstream: `metrics.go` of `server/etcdserver`, `server/mvcc`, `server/lease`, `server/etcdserver/api/rafthttp`,
//! `server/wal`, and go-grpc-prometheus.
//
// Not there, because nothing in this world is what they measure: `etcd_debugging_disk_backend_commit_*` (the phases of a
// commit), `etcd_debugging_mvcc_*_pause_duration_milliseconds` (who holds a lock), `etcd_debugging_snap_*` and
// `etcd_snap_fsync_*` (the files of the v2 store), `etcd_disk_defrag_inflight`, `etcd_disk_wal_write_duration_seconds` and
// `etcd_mvcc_db_open_read_transactions` (all over in no time), `etcd_network_peer_received_failures_total` and
// `etcd_network_snapshot_receive_failures` (nothing arrives broken), `etcd_network_server_stream_failures_total`,
// `etcd_server_go_version`, `go_*`, `os_fd_*`, and of `process_*` all but the start time.

use super::api::{Request, Response};
use super::error::{EtcdError, Status};
use crate::raft::PeerId;
use crate::sim::{Micros, SimTime};
use std::collections::BTreeMap;

mod events;
pub mod exposition;
mod families;
mod grpc;
mod histogram;
mod reading;

pub use families::operation;
pub use grpc::{Calls, Method};
pub use histogram::Histogram;
pub use reading::Reading;

/// From one millisecond, doubled thirteen times: upstream's buckets for what a disk does.
pub type DiskHistogram = Histogram<1_000, 14>;
/// From a hundred milliseconds, doubled nine times: for what a whole database takes on its way.
pub type TransferHistogram = Histogram<100_000, 10>;

/// What a member counts. Gauges are not here: they are read from its state.
#[derive(Clone, Debug, Default, Hash)]
pub struct Metrics {
    pub calls: Calls,
    pub client_received_bytes: u64,
    pub client_sent_bytes: u64,
    pub peers: BTreeMap<PeerId, PeerMetrics>,

    pub wal_fsync: DiskHistogram,
    pub backend_commit: DiskHistogram,
    pub backend_snapshot: Histogram<10_000, 17>,
    pub backend_defrag: Histogram<100_000, 13>,
    pub snap_db_fsync: DiskHistogram,
    pub snap_db_save: TransferHistogram,

    pub leader_changes: u64,
    pub heartbeat_send_failures: u64,
    pub proposals_failed: u64,
    pub read_indexes_failed: u64,
    pub slow_read_indexes: u64,
    pub learner_promote_successes: u64,
    pub learner_promote_failures: BTreeMap<&'static str, u64>,
    /// By operation of [`families::OPERATIONS`]: refused, carried out.
    pub operations: [[u64; 2]; families::OPERATIONS.len()],

    pub hash: u64,
    pub hash_rev: u64,
    pub events: u64,
    pub compaction: Histogram<100_000, 14>,
    pub compacted_keys: u64,
    pub last_compaction: Option<SimTime>,

    pub leases_granted: u64,
    pub leases_renewed: u64,
    pub leases_revoked: u64,
    pub leases_expired: u64,
    /// In millionths, as everything here: a time to live of a second counts a million.
    pub lease_ttl: Histogram<1_000_000, 24>,

    pub health_success: u64,
    pub health_failures: u64,
    pub scrapes: u64,

    /// When what is under way began.
    pub began: Began,
}

/// When something began whose end will be counted.
#[derive(Clone, Debug, Default, Hash)]
pub struct Began {
    pub wal_sync: SimTime,
    pub database: SimTime,
    pub compaction: Option<SimTime>,
    /// A database came from this peer.
    pub receiving: Option<(PeerId, SimTime)>,
    pub received_sync: SimTime,
}

/// What passes between this member and one other.
#[derive(Clone, Debug, Default, Hash)]
pub struct PeerMetrics {
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub sent_failures: u64,
    pub round_trip: Histogram<100, 16>,
    pub active: bool,
    pub disconnected: u64,
    pub snapshots_sent: u64,
    pub snapshot_send_failures: u64,
    pub snapshot_send: TransferHistogram,
    pub snapshot_sending: Option<SimTime>,
    pub snapshots_received: u64,
    pub snapshot_receive: TransferHistogram,
    /// The last heartbeat, and the oldest that was not answered.
    heartbeat: Option<SimTime>,
    asked: Option<SimTime>,
}

/// What a store's transactions did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StoreMetrics {
    pub ranges: u64,
    pub puts: u64,
    pub deletes: u64,
    pub txns: u64,
    pub put_bytes: u64,
}

/// An unanswered heartbeat is not waited for longer than this.
const ROUND_TRIP_MAX: Micros = Micros::from_secs(1);

impl Metrics {
    pub fn peer(&mut self, peer: PeerId) -> &mut PeerMetrics {
        self.peers.entry(peer).or_default()
    }

    /// A call was answered.
    pub fn answered(&mut self, request: &Request, result: Result<&Response, &Status>) {
        self.client_sent_bytes += result.map_or(0, |response| response.encoded_len() as u64);
        let failed = result.err();
        self.calls.answered(Method::of(request), failed.map(|status| status.code));
        if matches!(request, Request::MemberPromote(_)) {
            self.promoted(failed);
        }
    }

    /// Upstream: `PromoteMember` of `server/etcdserver/server.go`.
    fn promoted(&mut self, failed: Option<&Status>) {
        let reasons =
            [EtcdError::LearnerNotReady, EtcdError::MemberNotLearner, EtcdError::MemberNotFound, EtcdError::Timeout];
        match failed {
            None => self.learner_promote_successes += 1,
            Some(status) => {
                if let Some(reason) = reasons.iter().find(|reason| reason.text() == status.message) {
                    *self.learner_promote_failures.entry(reason.text()).or_default() += 1;
                }
            }
        }
    }

    /// An entry of the log was applied, with this outcome.
    pub fn applied(&mut self, operation: usize, result: Result<&Option<Response>, &EtcdError>) {
        // As upstream has it, a compaction that is refused because it was done before is a success.
        let success = result.is_ok_and(|_| true) || result.is_err_and(|error| *error == EtcdError::Compacted);
        self.operations[operation][usize::from(success)] += 1;
        match result {
            Ok(Some(Response::LeaseGrant(granted))) => {
                self.leases_granted += 1;
                self.lease_ttl.observe(u64::try_from(granted.ttl).unwrap_or(0).saturating_mul(1_000_000));
            }
            Ok(Some(Response::LeaseRevoke(_))) => self.leases_revoked += 1,
            _ => {}
        }
    }

    /// A compaction removed so many revisions, and may have nothing left to do.
    pub fn swept(&mut self, now: SimTime, removed: u64, done: bool) {
        let Some(began) = self.began.compaction else { return };
        self.compacted_keys += removed;
        if done {
            self.compaction.observe(now.since(began).0);
            self.last_compaction = Some(now);
            self.began.compaction = None;
        }
    }

    /// Leadership changed, or somebody's view of it: nobody is late with a heartbeat any more.
    pub fn forget_heartbeats(&mut self) {
        self.peers.values_mut().for_each(|peer| peer.heartbeat = None);
    }

    /// A leader sends a heartbeat, which is due every `interval`.
    pub fn heartbeat_sent(&mut self, to: PeerId, now: SimTime, interval: Micros) {
        let peer = self.peers.entry(to).or_default();
        let late = peer.heartbeat.replace(now).is_some_and(|last| now.since(last).0 > 2 * interval.0);
        // Simplified: upstream probes its peers apart from Raft; here a leader times its heartbeats, so that other members
        // have no round-trip times, and a follower that waits for its disk seems far away.
        if peer.asked.is_none_or(|asked| now.since(asked) > ROUND_TRIP_MAX) {
            peer.asked = Some(now);
        }
        self.heartbeat_send_failures += u64::from(late);
    }

    pub fn heartbeat_answered(&mut self, from: PeerId, now: SimTime) {
        let peer = self.peers.entry(from).or_default();
        if let Some(asked) = peer.asked.take() {
            peer.round_trip.observe(now.since(asked).0);
        }
    }

    /// A peer's streams live, or do not.
    pub fn peer_is(&mut self, peer: PeerId, active: bool) {
        let peer = self.peers.entry(peer).or_default();
        peer.disconnected += u64::from(peer.active && !active);
        peer.active = active;
    }
}

impl StoreMetrics {
    /// Upstream's `metricsTxnWrite`: a transaction of one operation is that operation and no transaction.
    pub fn add(&mut self, transaction: StoreMetrics) {
        let StoreMetrics { ranges, puts, deletes, put_bytes, .. } = transaction;
        self.ranges += ranges;
        self.puts += puts;
        self.deletes += deletes;
        self.put_bytes += put_bytes;
        self.txns += u64::from(ranges + puts + deletes > 1);
    }
}
