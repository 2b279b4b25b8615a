//! A member's most telling metrics at one moment, as numbers: what a history is made of.

use super::DiskHistogram;
use crate::etcd::member::Member;
use crate::sim::SimTime;

/// What a member's metrics said at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// When its process started: counters began at zero then.
    pub started_at: SimTime,
    pub has_leader: bool,
    pub is_leader: bool,
    pub leader_changes: u64,
    pub heartbeat_send_failures: u64,
    pub proposals_pending: u64,
    pub proposals_failed: u64,
    pub proposals_committed: u64,
    pub proposals_applied: u64,
    pub wal_fsync: DiskHistogram,
    pub puts: u64,
    pub ranges: u64,
    pub txns: u64,
    pub deletes: u64,
    pub db_size: u64,
    pub db_size_in_use: u64,
    /// Less than nothing for no quota.
    pub quota: i64,
    pub watchers: u64,
    pub slow_watchers: u64,
    pub events: u64,
    pub peer_sent_bytes: u64,
    pub peer_received_bytes: u64,
    pub client_sent_bytes: u64,
}

impl Member {
    pub fn reading(&self) -> Reading {
        let (metrics, store) = (&self.metrics, self.store());
        let done = store.done();
        Reading {
            started_at: self.started_at,
            has_leader: !self.is_leaderless(),
            is_leader: self.leads(),
            leader_changes: metrics.leader_changes,
            heartbeat_send_failures: metrics.heartbeat_send_failures,
            proposals_pending: self.proposals.pending() as u64,
            proposals_failed: metrics.proposals_failed,
            proposals_committed: self.raft().committed().0,
            proposals_applied: self.applied().0,
            wal_fsync: metrics.wal_fsync.clone(),
            puts: done.puts,
            ranges: done.ranges,
            txns: done.txns,
            deletes: done.deletes,
            db_size: store.kv().db_size() as u64,
            db_size_in_use: store.kv().db_size_in_use() as u64,
            quota: self.quota(),
            watchers: store.watcher_count() as u64,
            slow_watchers: store.slow_watchers() as u64,
            events: metrics.events,
            peer_sent_bytes: metrics.peers.values().map(|peer| peer.sent_bytes).sum(),
            peer_received_bytes: metrics.peers.values().map(|peer| peer.received_bytes).sum(),
            client_sent_bytes: metrics.client_sent_bytes,
        }
    }

    /// The quota as its gauge tells it.
    pub(super) fn quota(&self) -> i64 {
        let flag = self.cluster.settings.quota_backend_bytes;
        if flag < 0 { flag } else { self.applier.quota.bytes }
    }
}
