//! Databases both ways, what is refused, and what a restore makes of the fixtures.

use bytes::Bytes;
use prost::Message;

use super::*;
use crate::etcd::api;
use crate::etcd::api::KeyValue;
use crate::etcd::bolt::{BoltError, Damage, Item, items};
use crate::etcd::mvcc::Stored;
use crate::raft::{AnyConfChange, ConfState, PeerId};

const RICH: &[u8] = include_bytes!("../../../tests/testdata/etcd/snapshots/snap_rich.db");

fn rich() -> Bytes {
    Bytes::from_static(RICH)
}

/// A database with these pairs in one bucket.
fn database(name: &'static [u8], pairs: &[(Vec<u8>, Vec<u8>)]) -> Bytes {
    let mut writer = Writer::new();
    writer.bucket(Bytes::from_static(name), 0).expect("a first bucket");
    for (key, value) in pairs {
        writer.pair(key.clone().into(), value.clone().into()).expect("pairs in order");
    }
    writer.end().expect("an open bucket");
    writer.finish(1).expect("balanced buckets")
}

fn revision(main: i64, sub: i64, end: &str) -> Vec<u8> {
    [&main.to_be_bytes()[..], b"_", &sub.to_be_bytes(), end.as_bytes()].concat()
}

fn kv(main: i64) -> KeyValue {
    KeyValue { key: "k".into(), create_revision: main, mod_revision: main, version: 1, ..KeyValue::default() }
}

#[track_caller]
fn refused(name: &'static [u8], pairs: &[(Vec<u8>, Vec<u8>)], text: &str) {
    let error = run(&database(name, pairs), Loader::new(Lessor::default())).expect_err("a refusal");
    assert_eq!(error.to_string(), text);
}

#[test]
fn what_the_store_relies_on_is_checked() {
    let entry = |key: Vec<u8>, kv: KeyValue| [(key, kv.encode_to_vec())];
    let at = |key: &str, why: &str| format!("page 2: bucket key, key {key}: {why}");
    let two = "\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02_\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00";
    refused(bucket::KEY, &entry(b"short".to_vec(), kv(2)), &at("short", "not a revision"));
    refused(bucket::KEY, &entry(revision(2, 0, "x"), kv(2)), &at(&format!("{two}x"), "not a revision"));
    refused(bucket::KEY, &[(revision(2, 0, ""), vec![0xff])], &at(two, "not a key-value"));
    refused(bucket::KEY, &entry(revision(2, 0, ""), KeyValue::default()), &at(two, "key-value without a key"));
    refused(bucket::KEY, &entry(revision(2, 0, ""), kv(3)), &at(two, "mod_revision is not the revision"));
    let uncreated = KeyValue { create_revision: 0, ..kv(2) };
    refused(bucket::KEY, &entry(revision(2, 0, ""), uncreated), &at(two, "create_revision out of range"));
    for version in [0, -1, i64::MAX] {
        let kv = KeyValue { version, ..kv(2) };
        refused(bucket::KEY, &entry(revision(2, 0, ""), kv), &at(two, "version out of range"));
    }
    let twice = [(revision(2, 0, ""), kv(2).encode_to_vec()), (revision(2, 0, "t"), kv(2).encode_to_vec())];
    refused(bucket::KEY, &twice, &at(&format!("{two}t"), "revision occurs twice"));
    let far = run(&database(bucket::KEY, &entry(revision(-1, 0, ""), kv(2))), Loader::new(Lessor::default()));
    assert!(far.expect_err("a refusal").to_string().ends_with(": revision out of range"));
}

#[test]
fn the_smaller_buckets_are_checked_too() {
    let lease = |id: i64, ttl: i64| LeaseRecord { id, ttl, remaining_ttl: 0 }.encode_to_vec();
    let at = |bucket: &str, key: &str, why: &str| format!("page 2: bucket {bucket}, key {key}: {why}");
    let one = "\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01";
    let key = 1_i64.to_be_bytes().to_vec();
    refused(bucket::LEASE, &[(key.clone(), lease(2, 9))], &at("lease", one, "lease under another's id"));
    refused(bucket::LEASE, &[(key.clone(), vec![0xff])], &at("lease", one, "not a lease"));
    let long = at("lease", one, "time to live out of range");
    refused(bucket::LEASE, &[(key, lease(1, i64::MAX))], &long);
    let meta = |key: &str, value: &[u8], why: &str| {
        refused(bucket::META, &[(key.into(), value.to_vec())], &at("meta", key, why));
    };
    meta("term", b"7", "not a number of 8 bytes");
    meta("finishedCompactRev", b"7", "not a revision");
    meta("scheduledCompactRev", &revision(i64::MAX, 0, ""), "not a revision");
    meta("confState", b"{\"voters\":[\"a\"]}", "not a conf state");
    refused(bucket::MEMBERS, &[(b"x".to_vec(), b"{}".to_vec())], &at("members", "x", "not a member"));
    let removed = at("members_removed", "x", "not a member's id");
    refused(bucket::MEMBERS_REMOVED, &[(b"x".to_vec(), vec![])], &removed);
    refused(bucket::ALARM, &[(vec![0xff], vec![])], &at("alarm", "\\xff", "not an alarm"));
}

#[test]
fn buckets_belong_at_the_top_and_pairs_in_them() {
    let mut writer = Writer::new();
    writer.bucket("meta".into(), 0).expect("a first bucket");
    writer.bucket("deep".into(), 0).expect("a nested bucket");
    writer.end().and_then(|()| writer.end()).expect("open buckets");
    let nested = writer.finish(1).expect("balanced buckets");
    let error = run(&nested, Loader::new(Lessor::default())).expect_err("a refusal");
    assert_eq!(error.to_string(), "page 2: bucket meta, key deep: bucket in a bucket");
    // Upstream's status counts it as a key without a value.
    let counted = status(&nested).expect("a sound database");
    assert_eq!((counted.total_key, counted.hash), (1, crc32c::crc32c(b"metadeep")));
    let mut writer = Writer::new();
    writer.pair("stray".into(), "".into()).expect("a pair");
    let stray = writer.finish(1).expect("balanced buckets");
    assert_eq!(status(&stray).expect_err("a refusal").to_string(), "cannot get hash of bucket stray");
}

#[test]
fn the_hash_decides_unless_it_is_skipped() {
    let open = |file: &[u8], check| Backend::open(&Bytes::copy_from_slice(file), check, Lessor::default());
    let text = |file: &[u8], check| open(file, check).expect_err("a refusal").to_string();
    let bare = &RICH[..RICH.len() - 32];
    assert_eq!(text(bare, HashCheck::Required), "snapshot missing hash but --skip-hash-check=false");
    assert!(open(bare, HashCheck::Skipped).is_ok());
    assert_eq!(text(b"short", HashCheck::Skipped), "invalid argument");
    let mut damaged = RICH.to_vec();
    damaged[0] ^= 1;
    let found = text(&damaged, HashCheck::Required);
    assert!(found.starts_with("expected sha256 [") && found.contains("], got ["), "{found}");
    // The first meta page's id means nothing.
    assert!(open(&damaged, HashCheck::Skipped).is_ok());
}

#[test]
fn a_hash_may_be_checked_in_pieces_of_any_length() {
    for size in [1, 7, 31, 32, 33, 4096, RICH.len()] {
        let mut checksum = Checksum::new(RICH.len() as u64, HashCheck::Required).expect("a hash at the end");
        RICH.chunks(size).for_each(|piece| checksum.update(piece));
        assert_eq!(checksum.finish(), Ok(()));
    }
    let mut cut = Checksum::new(RICH.len() as u64, HashCheck::Required).expect("a hash at the end");
    cut.update(&RICH[..RICH.len() - 1]);
    assert!(cut.finish().is_err());
}

#[test]
fn work_that_pauses_comes_to_the_same_end() {
    let whole = Backend::open(&rich(), HashCheck::Required, Lessor::default()).expect("a sound file");
    let mut job = Job::new(database_len(RICH.len() as u64), Loader::new(Lessor::default()));
    let (mut pauses, mut reads) = (0, 0);
    let paused = loop {
        match job.run(&mut 3).expect("a sound file") {
            Progress::Done(backend) => break backend,
            Progress::Paused(paused) => (job, pauses) = (paused, pauses + 1),
            Progress::Read { job: asking, at, len } => {
                (job, reads) = (asking, reads + 1);
                job.supply(rich().slice(at as usize..at as usize + len));
            }
        }
    };
    assert!(pauses > 50 && reads > 10, "{pauses} pauses, {reads} reads");
    assert_eq!(paused.database(), whole.database());
}

#[test]
fn a_damaged_file_is_refused_by_status_in_upstreams_words() {
    let text = |at: usize, byte: u8| {
        let mut file = RICH.to_vec();
        file[at] = byte;
        status(&file.into()).expect_err("a refusal").to_string()
    };
    // Page 9 is the root.
    assert_eq!(
        text(9 * 4096 + 8, 0x20),
        "snapshot file integrity check failed. 1 errors found.\npage 9: invalid type: unknown<20>"
    );
    assert_eq!(status(&"hello".into()).expect_err("a refusal").to_string(), "invalid database");
    let cut = status(&rich().slice(..8192)).expect_err("a refusal");
    assert!(matches!(cut, SnapshotError::Integrity(BoltError::Damaged { page: 2, why: Damage::PastEnd { .. } })));
}

#[test]
fn members_and_conf_states_are_written_as_go_writes_them() {
    let mut tables = Tables::default();
    let learner = api::Member {
        id: 0xb,
        name: "a<&>\u{2028}".into(),
        peer_urls: vec!["http://b:1".into()],
        client_urls: vec![],
        is_learner: true,
    };
    let member = api::Member {
        id: 0x0abc,
        name: "m".into(),
        peer_urls: vec!["http://a:1".into(), "http://a:2".into()],
        client_urls: vec!["http://a:3".into()],
        is_learner: false,
    };
    let members = [member, learner];
    tables.set_members(&members);
    let json = |key: &[u8]| tables.value(bucket::MEMBERS, key).cloned();
    let first = r#"{"id":2748,"peerURLs":["http://a:1","http://a:2"],"name":"m","clientURLs":["http://a:3"]}"#;
    let second = r#"{"id":11,"peerURLs":["http://b:1"],"isLearner":true,"name":"a\u003c\u0026\u003e\u2028"}"#;
    assert_eq!((json(b"abc"), json(b"b")), (Some(first.into()), Some(second.into())));
    assert_eq!(tables.members(), members);
    let joint = ConfState {
        voters: vec![PeerId(1), PeerId(u64::MAX)],
        learners: vec![PeerId(3)],
        voters_outgoing: vec![PeerId(1)],
        learners_next: vec![],
        auto_leave: true,
    };
    tables.set_conf_state(&joint);
    let text = r#"{"voters":[1,18446744073709551615],"learners":[3],"voters_outgoing":[1],"auto_leave":true}"#;
    assert_eq!(tables.value(bucket::META, meta::CONF_STATE), Some(&text.into()));
    assert_eq!(tables.conf_state(), Some(joint));
}

#[test]
fn leases_of_either_sign_come_back() {
    let mut lessor = Lessor::default();
    for id in [i64::MIN, -1, 1, i64::MAX] {
        lessor.restore(id, 60, 7);
    }
    let backend = Backend::new(KvStore::new(lessor));
    let file = backend.snapshot().expect("short keys");
    let back = Backend::open(&file, HashCheck::Required, Lessor::default()).expect("a sound file");
    let leases: Vec<_> = back.store.lessor.iter().map(|(id, lease)| (id, lease.ttl(), lease.checkpointed())).collect();
    assert_eq!(leases, [i64::MIN, -1, 1, i64::MAX].map(|id| (id, 60, 7)));
}

#[test]
fn a_store_that_was_never_compacted_says_nothing_of_it() {
    let fresh = Backend::new(KvStore::default()).database().expect("short keys");
    let content: Vec<Item> = items(&fresh).collect::<Result<_, _>>().expect("a sound file");
    assert_eq!(content.len(), 2 * bucket::ALL.len());
    assert_eq!(status(&fresh).map(|status| (status.revision, status.total_key)), Ok((0, 0)));
    let mut store = KvStore::restore([(Revision::new(2, 0), Stored::live(kv(2)))], -1, -1, Lessor::default());
    store.compact(2).expect("a compaction that is possible");
    let half = Backend::new(store).database().expect("short keys");
    let back = run(&half, Loader::new(Lessor::default())).expect("a sound file").store;
    assert_eq!((back.compact_revision(), back.finished_compaction()), (2, -1));
}

fn three() -> RestoreConfig {
    RestoreConfig {
        name: "m1".into(),
        initial_cluster: "m1=http://127.0.0.1:2380,m2=http://127.0.0.1:2390".into(),
        initial_advertise_peer_urls: "http://127.0.0.1:2380".into(),
        ..RestoreConfig::default()
    }
}

#[test]
fn a_restore_founds_a_new_cluster_with_the_old_content() {
    // Ids and records are those that the real tool gave for these flags.
    let restored = restore(&rich(), &three()).expect("a sound file");
    assert_eq!((restored.node_id, restored.cluster_id), (0xb71f75320dc06a6c, 0xc25892aacde8a8fa));
    let ids: Vec<u64> = restored.members.iter().map(|member| member.id).collect();
    assert_eq!(ids, [0x75fb7df1dacfc315, 0xb71f75320dc06a6c]);
    assert_eq!(restored.hard_state.vote, PeerId(ids[0]));
    assert_eq!((restored.hard_state.commit.0, restored.snapshot.index.0), (2, 2));
    assert_eq!(restored.snapshot.conf_state.voters, [PeerId(ids[0]), PeerId(ids[1])]);
    let Some(AnyConfChange::V1(change)) = AnyConfChange::from_entry(&restored.entries[1]) else {
        panic!("a change of membership")
    };
    let context = r#"{"id":13195394291058371180,"peerURLs":["http://127.0.0.1:2380"],"name":"m1"}"#;
    assert_eq!((change.node_id, &change.context[..]), (PeerId(ids[1]), context.as_bytes()));
    let status = status(&restored.database).expect("a sound database");
    assert_eq!((status.hash, status.revision, status.total_key), (276_720_810, 257, 222));
    let back = run(&restored.database, Loader::new(Lessor::default())).expect("a sound database");
    assert_eq!(back.tables.applied(), (2, 1));
    assert_eq!(back.tables.members(), restored.members);
    // What a restore does not touch.
    assert_eq!(back.tables.conf_state().map(|old| old.voters), Some(vec![PeerId(16_532_215_059_156_135_701)]));
    assert_eq!(back.tables.alarms().len(), 1);
    assert_eq!((back.store.revision(), back.store.compact_revision()), (257, 127));
}

#[test]
fn a_restore_makes_the_buckets_that_are_missing() {
    for file in [database(bucket::META, &[]), database(bucket::KEY, &[]), database(bucket::ALARM, &[])] {
        let config = RestoreConfig { hash_check: HashCheck::Skipped, ..RestoreConfig::default() };
        let restored = restore(&file, &config).expect("a sound file");
        let back = run(&restored.database, Loader::new(Lessor::default())).expect("a sound database");
        assert_eq!((back.tables.members().len(), back.tables.applied()), (1, (1, 1)));
    }
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    #[track_caller]
    fn check(change: impl FnOnce(&mut RestoreConfig), expect: &str) {
        let mut config = RestoreConfig::default();
        change(&mut config);
        assert_eq!(restore(&rich(), &config).expect_err("a refusal").to_string(), expect);
    }
    check(|c| c.name = "nope".into(), "couldn't find local name \"nope\" in the initial cluster configuration");
    check(
        |c| c.initial_cluster = String::new(),
        "couldn't find local name \"default\" in the initial cluster configuration",
    );
    check(
        |c| c.initial_cluster = "default=http://localhost:2380,b=http://localhost:2380".into(),
        "initial cluster b=http://localhost:2380,default=http://localhost:2380 has duplicate url",
    );
    check(
        |c| c.initial_advertise_peer_urls = "http://localhost:2381".into(),
        "--initial-cluster has default=http://localhost:2380 but missing from \
         --initial-advertise-peer-urls=http://localhost:2381 \
         (\"http://localhost:2381\"(resolved from \"http://localhost:2381\") != \
         \"http://localhost:2380\"(resolved from \"http://localhost:2380\"))",
    );
    check(
        |c| c.initial_cluster = "default=http://localhost:2380,default=http://localhost:2381".into(),
        "--initial-cluster has default=http://localhost:2381 but missing from \
         --initial-advertise-peer-urls=http://localhost:2380 \
         (len([\"http://localhost:2380\"]) != len([\"http://localhost:2380\" \"http://localhost:2381\"]))",
    );
    check(
        |c| c.initial_advertise_peer_urls = "http://localhost:2380,http://localhost:2381".into(),
        "--initial-advertise-peer-urls has http://localhost:2381 but missing from \
         --initial-cluster=default=http://localhost:2380,default=http://localhost:2381",
    );
    check(|c| c.initial_advertise_peer_urls = String::new(), "URL scheme must be http, https, unix, or unixs: ");
}
