//! Every metric that a lab of etcd should have is told, with its type and its labels.

use control_plane_lab::lab::{Input, Lab, Scenario};
use control_plane_lab::sim::SimTime;
use std::collections::BTreeMap;

/// Name, type and labels, as etcd 3.5 has them.
const EXPECTED: [(&str, &str, &str); 58] = [
    ("etcd_cluster_version", "gauge", "cluster_version"),
    ("etcd_debugging_auth_revision", "gauge", ""),
    ("etcd_debugging_lease_granted_total", "counter", ""),
    ("etcd_debugging_lease_renewed_total", "counter", ""),
    ("etcd_debugging_lease_revoked_total", "counter", ""),
    ("etcd_debugging_lease_ttl_total", "histogram", ""),
    ("etcd_debugging_mvcc_compact_revision", "gauge", ""),
    ("etcd_debugging_mvcc_current_revision", "gauge", ""),
    ("etcd_debugging_mvcc_db_compaction_keys_total", "counter", ""),
    ("etcd_debugging_mvcc_events_total", "counter", ""),
    ("etcd_debugging_mvcc_keys_total", "gauge", ""),
    ("etcd_debugging_mvcc_pending_events_total", "gauge", ""),
    ("etcd_debugging_mvcc_slow_watcher_total", "gauge", ""),
    ("etcd_debugging_mvcc_total_put_size_in_bytes", "gauge", ""),
    ("etcd_debugging_mvcc_watch_stream_total", "gauge", ""),
    ("etcd_debugging_mvcc_watcher_total", "gauge", ""),
    ("etcd_debugging_server_lease_expired_total", "counter", ""),
    ("etcd_disk_backend_commit_duration_seconds", "histogram", ""),
    ("etcd_disk_backend_defrag_duration_seconds", "histogram", ""),
    ("etcd_disk_backend_snapshot_duration_seconds", "histogram", ""),
    ("etcd_disk_wal_fsync_duration_seconds", "histogram", ""),
    ("etcd_disk_wal_write_bytes_total", "gauge", ""),
    ("etcd_mvcc_db_total_size_in_bytes", "gauge", ""),
    ("etcd_mvcc_db_total_size_in_use_in_bytes", "gauge", ""),
    ("etcd_mvcc_delete_total", "counter", ""),
    ("etcd_mvcc_hash_rev_duration_seconds", "histogram", ""),
    ("etcd_mvcc_put_total", "counter", ""),
    ("etcd_mvcc_range_total", "counter", ""),
    ("etcd_mvcc_txn_total", "counter", ""),
    ("etcd_network_active_peers", "gauge", "Local, Remote"),
    ("etcd_network_disconnected_peers_total", "counter", "Local, Remote"),
    ("etcd_network_peer_received_bytes_total", "counter", "From"),
    ("etcd_network_peer_round_trip_time_seconds", "histogram", "To"),
    ("etcd_network_peer_sent_bytes_total", "counter", "To"),
    ("etcd_network_peer_sent_failures_total", "counter", "To"),
    ("etcd_network_snapshot_receive_success", "counter", "From"),
    ("etcd_network_snapshot_receive_total_duration_seconds", "histogram", "From"),
    ("etcd_network_snapshot_send_success", "counter", "To"),
    ("etcd_network_snapshot_send_total_duration_seconds", "histogram", "To"),
    ("etcd_server_apply_duration_seconds", "histogram", "version, op, success"),
    ("etcd_server_client_requests_total", "counter", "type, client_api_version"),
    ("etcd_server_has_leader", "gauge", ""),
    ("etcd_server_heartbeat_send_failures_total", "counter", ""),
    ("etcd_server_id", "gauge", "server_id"),
    ("etcd_server_is_leader", "gauge", ""),
    ("etcd_server_is_learner", "gauge", ""),
    ("etcd_server_leader_changes_seen_total", "counter", ""),
    ("etcd_server_learner_promote_successes", "counter", ""),
    ("etcd_server_proposals_applied_total", "gauge", ""),
    ("etcd_server_proposals_committed_total", "gauge", ""),
    ("etcd_server_proposals_failed_total", "counter", ""),
    ("etcd_server_proposals_pending", "gauge", ""),
    ("etcd_server_quota_backend_bytes", "gauge", ""),
    ("etcd_server_read_indexes_failed_total", "counter", ""),
    ("etcd_server_slow_apply_total", "counter", ""),
    ("etcd_server_slow_read_indexes_total", "counter", ""),
    ("etcd_server_snapshot_apply_in_progress_total", "gauge", ""),
    ("etcd_server_version", "gauge", "server_version"),
];

/// The types of all families, and the names of the labels of each.
fn told(lab: &Lab) -> BTreeMap<String, (String, Vec<String>)> {
    let mut families = BTreeMap::new();
    for (_, member) in lab.members() {
        let text = member.metrics_text();
        let mut kind = (String::new(), String::new());
        for line in text.lines() {
            if let Some((name, of)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                kind = (name.to_owned(), of.to_owned());
            } else if !line.starts_with('#') {
                let inside = line.split_once('{').map_or("", |(_, rest)| rest.rsplit_once('}').unwrap().0);
                let names = inside.split(',').filter_map(|pair| pair.split_once('=')).map(|(name, _)| name.to_owned());
                let mut names: Vec<String> = names.filter(|name| name != "le").collect();
                names.sort();
                families.insert(kind.0.clone(), (kind.1.clone(), names));
            }
        }
    }
    families
}

#[test]
fn every_metric_of_the_list_is_told() {
    let scenario = Scenario::parse("members=3 snapshot-count=10 snapshot-catchup-entries=1").unwrap();
    let mut lab = Lab::new(scenario, 1);
    for (at, input) in [
        (2_000, "fault power-off etcd-3"),
        (9_000, "line 1 for i in $(seq 30); do etcdctl put k $i; done; etcdctl del k"),
        (11_000, "fault power-on etcd-3"),
    ] {
        lab.run_until(SimTime(at * 1_000), u64::MAX);
        let input = Input::parse(input, lab.scenario()).unwrap();
        lab.input(&input);
    }
    lab.run_until(SimTime(15_000_000), u64::MAX);
    let told = told(&lab);
    for (name, kind, labels) in EXPECTED {
        let Some((is, names)) = told.get(name) else { panic!("{name} is not told") };
        assert_eq!(is, kind, "{name}");
        let mut expected: Vec<String> =
            labels.split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect();
        expected.sort();
        assert_eq!(*names, expected, "{name}");
    }
}

#[test]
fn what_is_told_is_well_formed() {
    let mut lab = Lab::new(Scenario::default(), 1);
    lab.run_until(SimTime(3_000_000), u64::MAX);
    let (_, member) = lab.members().next().unwrap();
    let text = member.metrics_text();
    let mut families: Vec<&str> = Vec::new();
    let mut last: Option<(&str, u64)> = None;
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            assert!(!help.is_empty() && families.last().is_none_or(|before| *before < name), "{line}");
            families.push(name);
            continue;
        }
        if line.starts_with("# TYPE ") {
            continue;
        }
        let family = families.last().unwrap();
        let (sample, value) = line.rsplit_once(' ').unwrap();
        assert!(sample.starts_with(family), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        // Buckets are cumulative, and the last holds everything.
        let Some((series, le)) = sample.split_once("_bucket").and_then(|(_, rest)| rest.rsplit_once("le=")) else {
            continue;
        };
        let count = value.parse::<f64>().unwrap() as u64;
        assert!(last.is_none_or(|(before, below)| before != series || below <= count), "{line}");
        last = (le != "\"+Inf\"}").then_some((series, count));
    }
    assert!(text.ends_with('\n') && families.len() > 60, "{} families", families.len());
}
