//! The families that a member tells: names, types and labels are etcd 3.5's.

use super::Metrics;
use super::exposition::{Kind, MILLISECONDS, Number, Page, SECONDS};
use crate::etcd::VERSION;
use crate::etcd::internal::InternalRaftRequest;
use crate::etcd::member::Member;
use crate::etcd::mvcc::{KeySpan, WatchableStore};
use crate::sim::{EPOCH_SECONDS, SimTime};

/// What may be applied, under upstream's names.
pub const OPERATIONS: [&str; 28] = [
    "Put",
    "DeleteRange",
    "Txn",
    "Compaction",
    "LeaseGrant",
    "LeaseRevoke",
    "LeaseCheckpoint",
    "Alarm",
    "ClusterVersionSet",
    "ClusterMemberAttrSet",
    "Authenticate",
    "AuthEnable",
    "AuthDisable",
    "AuthStatus",
    "AuthUserAdd",
    "AuthUserDelete",
    "AuthUserChangePassword",
    "AuthUserGrantRole",
    "AuthUserGet",
    "AuthUserRevokeRole",
    "AuthRoleAdd",
    "AuthRoleGrantPermission",
    "AuthRoleGet",
    "AuthRoleRevokePermission",
    "AuthRoleDelete",
    "AuthUserList",
    "AuthRoleList",
    "unknown",
];

/// The place of a request among the [`OPERATIONS`].
pub fn operation(request: &InternalRaftRequest) -> usize {
    if request.put.is_some() {
        return 0;
    }
    let present = [
        request.put.is_some(),
        request.delete_range.is_some(),
        request.txn.is_some(),
        request.compaction.is_some(),
        request.lease_grant.is_some(),
        request.lease_revoke.is_some(),
        request.lease_checkpoint.is_some(),
        request.alarm.is_some(),
        request.cluster_version_set.is_some(),
        request.cluster_member_attr_set.is_some(),
        request.authenticate.is_some(),
        request.auth_enable.is_some(),
        request.auth_disable.is_some(),
        request.auth_status.is_some(),
        request.auth_user_add.is_some(),
        request.auth_user_delete.is_some(),
        request.auth_user_change_password.is_some(),
        request.auth_user_grant_role.is_some(),
        request.auth_user_get.is_some(),
        request.auth_user_revoke_role.is_some(),
        request.auth_role_add.is_some(),
        request.auth_role_grant_permission.is_some(),
        request.auth_role_get.is_some(),
        request.auth_role_revoke_permission.is_some(),
        request.auth_role_delete.is_some(),
        request.auth_user_list.is_some(),
        request.auth_role_list.is_some(),
    ];
    present.iter().position(|present| *present).unwrap_or(OPERATIONS.len() - 1)
}

impl Member {
    /// The body of `/metrics`.
    pub fn metrics_text(&self) -> String {
        let mut page = Page::default();
        self.tell_server(&mut page);
        self.tell_store(&mut page);
        let metrics = &self.metrics;
        metrics.tell_disk(self.wal.written, &mut page);
        metrics.tell_network(&format!("{:x}", self.id().0), &mut page);
        metrics.tell_leases(&mut page);
        metrics.calls.tell(&mut page);
        page.text()
    }

    fn tell_server(&self, page: &mut Page) {
        let metrics = &self.metrics;
        let flag = |set: bool| u64::from(set);
        if let Some(version) = &self.membership().version {
            let minor = version.rsplit_once('.').map_or(version.as_str(), |(minor, _)| minor);
            let family =
                ("etcd_cluster_version", "1, labelled with the version that the cluster runs as.", Kind::Gauge);
            page.labelled(family, &[("cluster_version", minor)], 1_u64);
        }
        let id = format!("{:x}", self.id().0);
        let family = ("etcd_server_id", "1, labelled with the member's id.", Kind::Gauge);
        page.labelled(family, &[("server_id", &id)], 1_u64);
        let family = ("etcd_server_version", "1, labelled with the version of the server.", Kind::Gauge);
        page.labelled(family, &[("server_version", VERSION)], 1_u64);
        page.gauge("etcd_server_has_leader", "1 if the member knows a leader.", flag(!self.is_leaderless()));
        page.gauge("etcd_server_is_leader", "1 if the member leads.", flag(self.leads()));
        page.gauge(
            "etcd_server_is_learner",
            "1 if the member is a learner.",
            flag(self.membership().is_learner(self.id())),
        );
        let changes = metrics.leader_changes;
        page.counter("etcd_server_leader_changes_seen_total", "How often a new leader was seen.", changes);
        page.counter(
            "etcd_server_heartbeat_send_failures_total",
            "Heartbeats that the leader sent late, most likely because its disk is slow.",
            metrics.heartbeat_send_failures,
        );
        self.tell_proposals(page);
        page.gauge("etcd_server_quota_backend_bytes", "How large the database may grow.", self.quota());
        page.gauge(
            "etcd_server_snapshot_apply_in_progress_total",
            "1 while a snapshot from the leader takes the place of the database.",
            flag(self.is_restoring()),
        );
        let successes = metrics.learner_promote_successes;
        page.counter("etcd_server_learner_promote_successes", "Learners that were promoted.", successes);
        let family =
            ("etcd_server_learner_promote_failures", "Learners that were not promoted, and why.", Kind::Counter);
        for (reason, count) in &metrics.learner_promote_failures {
            page.labelled(family, &[("Reason", reason)], *count);
        }
        page.counter("etcd_server_health_success", "Health checks that went well.", metrics.health_success);
        page.counter("etcd_server_health_failures", "Health checks that failed.", metrics.health_failures);
        let revision = self.applier.auth.revision();
        page.gauge("etcd_debugging_auth_revision", "The revision of the users and roles.", revision);
        let started = EPOCH_SECONDS * 1_000_000 + self.started_at.0;
        let started = Number::scaled(started, SECONDS);
        page.gauge("process_start_time_seconds", "When the process started, in seconds since 1970.", started);
        page.gauge("promhttp_metric_handler_requests_in_flight", "Scrapes being served.", 1_u64);
        let family = ("promhttp_metric_handler_requests_total", "Scrapes by HTTP status.", Kind::Counter);
        for (code, count) in [("200", metrics.scrapes), ("500", 0), ("503", 0)] {
            page.labelled(family, &[("code", code)], count);
        }
    }

    fn tell_proposals(&self, page: &mut Page) {
        let metrics = &self.metrics;
        let committed = self.raft().committed().0;
        page.gauge("etcd_server_proposals_committed_total", "The last committed entry of the log.", committed);
        page.gauge("etcd_server_proposals_applied_total", "The last applied entry of the log.", self.applied().0);
        let pending = self.proposals.pending() as u64;
        page.gauge("etcd_server_proposals_pending", "Proposals that wait to be committed.", pending);
        page.counter("etcd_server_proposals_failed_total", "Proposals that failed.", metrics.proposals_failed);
        let failed = metrics.read_indexes_failed;
        page.counter("etcd_server_read_indexes_failed_total", "Linearizable reads' rounds that failed.", failed);
        page.counter(
            "etcd_server_slow_read_indexes_total",
            "Linearizable reads' rounds that were answered too late or not at all.",
            metrics.slow_read_indexes,
        );
        page.counter("etcd_server_slow_apply_total", "Entries that took over 100 ms to apply.", 0);
        let family = (
            "etcd_server_apply_duration_seconds",
            "How long applying took. No time passes here while a member computes.",
        );
        for (operation, counts) in OPERATIONS.iter().zip(&metrics.operations) {
            for (success, count) in ["false", "true"].iter().zip(counts) {
                if *count > 0 {
                    let labels = [("version", "v3"), ("op", *operation), ("success", *success)];
                    page.instants::<100, 20>(family, &labels, *count, SECONDS);
                }
            }
        }
    }

    fn tell_store(&self, page: &mut Page) {
        let (metrics, store) = (&self.metrics, self.store());
        let kv = store.kv();
        let size = kv.db_size();
        page.gauge("etcd_mvcc_db_total_size_in_bytes", "Size of the database file.", size);
        let in_use = kv.db_size_in_use();
        page.gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "How much of the file is in use.", in_use);
        let done = store.done();
        page.counter("etcd_mvcc_put_total", "Puts carried out by this member.", done.puts);
        page.counter("etcd_mvcc_delete_total", "Deletions carried out by this member.", done.deletes);
        page.counter("etcd_mvcc_range_total", "Reads carried out by this member.", done.ranges);
        page.counter("etcd_debugging_mvcc_range_total", "Reads carried out by this member.", done.ranges);
        page.counter("etcd_mvcc_txn_total", "Transactions of several operations.", done.txns);
        let bytes = done.put_bytes;
        page.gauge("etcd_debugging_mvcc_total_put_size_in_bytes", "Bytes of all keys and values put.", bytes);
        let hash = ("etcd_mvcc_hash_duration_seconds", "How long hashing the whole database took.");
        page.instants::<10_000, 15>(hash, &[], metrics.hash, SECONDS);
        let hash = ("etcd_mvcc_hash_rev_duration_seconds", "How long hashing the store as of a revision took.");
        page.instants::<10_000, 15>(hash, &[], metrics.hash_rev, SECONDS);
        page.gauge("etcd_debugging_mvcc_current_revision", "The store's revision.", kv.revision());
        page.gauge("etcd_debugging_mvcc_compact_revision", "The last compacted revision.", kv.compact_revision());
        let keys = kv.live(KeySpan::From(b"")).count() as u64;
        page.gauge("etcd_debugging_mvcc_keys_total", "Keys that have a value.", keys);
        tell_watches(metrics, store, page);
        let keys = metrics.compacted_keys;
        page.counter("etcd_debugging_mvcc_db_compaction_keys_total", "Revisions that compactions removed.", keys);
        let last = metrics.last_compaction.map_or(0, unix_seconds);
        page.gauge("etcd_debugging_mvcc_db_compaction_last", "When the last compaction ended.", last);
        let took = ("etcd_debugging_mvcc_db_compaction_total_duration_milliseconds", "How long compactions took.");
        page.histogram(took, &[], &metrics.compaction, MILLISECONDS);
    }
}

fn tell_watches(metrics: &Metrics, store: &WatchableStore, page: &mut Page) {
    let count = |count: usize| count as u64;
    page.gauge("etcd_debugging_mvcc_watch_stream_total", "Watch streams.", count(store.stream_count()));
    page.gauge("etcd_debugging_mvcc_watcher_total", "Watchers.", count(store.watcher_count()));
    let slow = count(store.slow_watchers());
    page.gauge("etcd_debugging_mvcc_slow_watcher_total", "Watchers that lag behind.", slow);
    let pending = count(store.pending_events());
    page.gauge("etcd_debugging_mvcc_pending_events_total", "Events that wait to be sent.", pending);
    page.counter("etcd_debugging_mvcc_events_total", "Events that were sent to watchers.", metrics.events);
}

/// A moment of the world in seconds since 1970.
fn unix_seconds(at: SimTime) -> u64 {
    EPOCH_SECONDS + at.0 / 1_000_000
}

impl Metrics {
    fn tell_disk(&self, wal_bytes: u64, page: &mut Page) {
        let name = ("etcd_disk_wal_fsync_duration_seconds", "How long the log's fsyncs took.");
        page.histogram(name, &[], &self.wal_fsync, SECONDS);
        page.gauge("etcd_disk_wal_write_bytes_total", "Bytes written to the log.", wal_bytes);
        // Simplified: the database is written at each snapshot and not ten times a second, and so it is committed as often.
        let name = ("etcd_disk_backend_commit_duration_seconds", "How long writing the database took.");
        page.histogram(name, &[], &self.backend_commit, SECONDS);
        let name = ("etcd_disk_backend_snapshot_duration_seconds", "How long reading out the database took.");
        page.histogram(name, &[], &self.backend_snapshot, SECONDS);
        let name = ("etcd_disk_backend_defrag_duration_seconds", "How long defragmentation took.");
        page.histogram(name, &[], &self.backend_defrag, SECONDS);
        let name = ("etcd_snap_db_fsync_duration_seconds", "How long the fsyncs of received databases took.");
        page.histogram(name, &[], &self.snap_db_fsync, SECONDS);
        let name = ("etcd_snap_db_save_total_duration_seconds", "How long saving received databases took.");
        page.histogram(name, &[], &self.snap_db_save, SECONDS);
    }

    fn tell_network(&self, local: &str, page: &mut Page) {
        let counter = |name, help| (name, help, Kind::Counter);
        let received = self.client_received_bytes;
        page.counter("etcd_network_client_grpc_received_bytes_total", "Bytes that clients sent.", received);
        let sent = self.client_sent_bytes;
        page.counter("etcd_network_client_grpc_sent_bytes_total", "Bytes that clients were sent.", sent);
        let active = ("etcd_network_active_peers", "Peers whose streams live.", Kind::Gauge);
        let lost = counter("etcd_network_disconnected_peers_total", "How often a peer's streams broke.");
        let sent = counter("etcd_network_peer_sent_bytes_total", "Bytes sent to a peer.");
        let received = counter("etcd_network_peer_received_bytes_total", "Bytes that came from a peer.");
        let failed = counter("etcd_network_peer_sent_failures_total", "Messages to a peer that could not be reached.");
        let round_trip = ("etcd_network_peer_round_trip_time_seconds", "How long a peer takes to answer.");
        for (id, peer) in &self.peers {
            let remote = format!("{:x}", id.0);
            let (pair, to, from) = ([("Local", local), ("Remote", &*remote)], [("To", &*remote)], [("From", &*remote)]);
            if peer.active || peer.disconnected > 0 {
                page.labelled(active, &pair, u64::from(peer.active));
            }
            let counts = [
                (lost, &pair[..], peer.disconnected),
                (sent, &to[..], peer.sent_bytes),
                (received, &from[..], peer.received_bytes),
                (failed, &to[..], peer.sent_failures),
            ];
            for (family, labels, count) in counts.into_iter().filter(|(.., count)| *count > 0) {
                page.labelled(family, labels, count);
            }
            if peer.round_trip.count() > 0 {
                page.histogram(round_trip, &to, &peer.round_trip, SECONDS);
            }
            peer.tell_snapshots(&to, &from, page);
        }
    }

    fn tell_leases(&self, page: &mut Page) {
        page.counter("etcd_debugging_lease_granted_total", "Leases granted.", self.leases_granted);
        page.counter("etcd_debugging_lease_renewed_total", "Renewals, as the leader saw them.", self.leases_renewed);
        page.counter(
            "etcd_debugging_lease_revoked_total",
            "Leases revoked, those that ended included.",
            self.leases_revoked,
        );
        page.counter("etcd_debugging_server_lease_expired_total", "Leases that ended.", self.leases_expired);
        let name = ("etcd_debugging_lease_ttl_total", "Times to live of the leases granted, in seconds.");
        page.histogram(name, &[], &self.lease_ttl, SECONDS);
    }
}

impl super::PeerMetrics {
    /// Of snapshots that there were: upstream's families appear with the first.
    fn tell_snapshots(&self, to: &[(&'static str, &str)], from: &[(&'static str, &str)], page: &mut Page) {
        let counter = |name, help| (name, help, Kind::Counter);
        if self.snapshot_sending.is_some() || self.snapshots_sent + self.snapshot_send_failures > 0 {
            let name = ("etcd_network_snapshot_send_inflights_total", "Snapshots on their way to a peer.", Kind::Gauge);
            page.labelled(name, to, u64::from(self.snapshot_sending.is_some()));
        }
        if self.snapshots_sent > 0 {
            let name = counter("etcd_network_snapshot_send_success", "Snapshots that a peer took.");
            page.labelled(name, to, self.snapshots_sent);
            let name = ("etcd_network_snapshot_send_total_duration_seconds", "How long sending a snapshot took.");
            page.histogram(name, to, &self.snapshot_send, SECONDS);
        }
        if self.snapshot_send_failures > 0 {
            let name = counter("etcd_network_snapshot_send_failures", "Snapshots that a peer did not take.");
            page.labelled(name, to, self.snapshot_send_failures);
        }
        if self.snapshots_received > 0 {
            let name = counter("etcd_network_snapshot_receive_success", "Snapshots taken from a peer.");
            page.labelled(name, from, self.snapshots_received);
            let name = ("etcd_network_snapshot_receive_total_duration_seconds", "How long taking a snapshot took.");
            page.histogram(name, from, &self.snapshot_receive, SECONDS);
        }
    }
}
