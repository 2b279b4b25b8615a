//! Snapshot files: the recorded ones, those of random stores, and those that were damaged on the way.
//!
//! The recorded files are in `tests/testdata/etcd/snapshots`; those in the conformance folder, `../shared/conformance`
//! or where `LAB_CONFORMANCE` says, are read as well. Files made to upset the readers are [`crate::hostile`]'s.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bytes::Bytes;
use control_plane_lab::etcd::backend::{
    Backend, HashCheck, RestoreConfig, SnapshotError, bucket, database_len, restore, seal, status,
};
use control_plane_lab::etcd::bolt::{Item, items};
use control_plane_lab::etcd::lease::Lessor;
use control_plane_lab::etcd::mvcc::{KeySpan, KvStore, Revision, Stored};
use control_plane_lab::etcd::{api, apply};
use control_plane_lab::raft::{ConfState, PeerId};
use control_plane_lab::sim::{Prng, SimTime};
use serde_json::{Value, json};

use crate::conformance::values::{bytes_value, kvs_value};

#[test]
fn committed_snapshots() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/etcd/snapshots");
    assert_eq!(check_folder(&folder), 2);
}

#[test]
fn every_recorded_snapshot() {
    let root = match std::env::var_os("LAB_CONFORMANCE") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance"),
    };
    match root.join("recorded/etcd/snapshots") {
        folder if folder.is_dir() => println!("snapshots: {} files equal to what they hold", check_folder(&folder)),
        _ => println!("the recorded snapshots are absent: only the committed ones were read"),
    }
}

/// Reads every file of a folder beside which it is written down what it holds.
fn check_folder(folder: &Path) -> usize {
    let files = fs::read_dir(folder).expect("a readable folder").map(|entry| entry.expect("a readable folder").path());
    let files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "db")).collect();
    for path in &files {
        let text = fs::read_to_string(path.with_extension("json")).expect("the content in JSON");
        let file = fs::read(path).expect("a readable snapshot");
        check_file(&file.into(), &serde_json::from_str(&text).expect("the content in JSON"));
    }
    files.len()
}

/// Reads one file, beside the dump of what it holds.
pub fn check_recorded(dump: &Path, text: &str) {
    let file = fs::read(dump.with_extension("db")).expect("the snapshot beside its dump");
    check_file(&file.into(), &serde_json::from_str(text).expect("the content in JSON"));
}

fn check_file(file: &Bytes, expected: &Value) {
    assert_eq!(status_value(file), expected["status"]);
    let backend = open(file, HashCheck::Required).expect("a sound file");
    assert_eq!(content(&backend), content_expected(expected));
    check_hashes(&backend.store, expected);
    let rewritten = backend.snapshot().expect("short keys");
    let again = status_value(&rewritten);
    for field in ["hash", "revision", "totalKey"] {
        assert_eq!(again[field], expected["status"][field], "{field}");
    }
    assert_eq!(content(&open(&rewritten, HashCheck::Required).expect("a sound file")), content_expected(expected));
}

fn open(file: &Bytes, check: HashCheck) -> Result<Backend, SnapshotError> {
    Backend::open(file, check, Lessor::default())
}

/// As `etcdutl snapshot status -w json` prints it.
fn status_value(file: &Bytes) -> Value {
    let status = status(file).expect("a sound file");
    json!({
        "hash": status.hash,
        "revision": status.revision,
        "totalKey": status.total_key,
        "totalSize": status.total_size,
    })
}

/// The parts of a dump that say what a database holds.
const CONTENT: [&str; 9] = [
    "revisions",
    "leases",
    "live_kvs",
    "current_revision",
    "compact_revision",
    "members",
    "members_removed",
    "cluster",
    "alarms",
];

fn content_expected(dump: &Value) -> BTreeMap<&'static str, Value> {
    let mut content: BTreeMap<_, _> = CONTENT.iter().map(|part| (*part, dump[*part].clone())).collect();
    content.insert("meta", dump["meta"].clone());
    content.insert(
        "auth",
        json!([dump["auth"].as_object().map(|auth| auth.len()), names(&dump["users"]), names(&dump["roles"])]),
    );
    content
}

fn names(list: &Value) -> Vec<Value> {
    list.as_array().expect("a list").iter().map(|entry| entry["name"].clone()).collect()
}

/// The same of a database of ours.
fn content(backend: &Backend) -> BTreeMap<&'static str, Value> {
    let (store, tables) = (&backend.store, &backend.tables);
    let everything =
        api::RangeRequest { key: Bytes::from_static(&[0]), range_end: Bytes::from_static(&[0]), ..Default::default() };
    let live = apply::apply_range(store, &everything).expect("the present can be read");
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).expect("text");
    let json = |bytes: &Bytes| serde_json::from_slice::<Value>(bytes).expect("JSON");
    let keys = |name: &[u8]| -> Vec<Value> { tables.table(name).map(|(key, _)| bytes_value(key)).collect() };
    let alarm = |alarm: &api::AlarmMember| json!({"memberID": alarm.member_id, "alarm": format!("{:?}", alarm.alarm()).to_uppercase()});
    BTreeMap::from([
        ("revisions", store.entries(Revision::default()).map(entry_value).collect()),
        ("leases", leases(store)),
        ("live_kvs", kvs_value(&live.kvs)),
        ("current_revision", store.revision().into()),
        ("compact_revision", store.compact_revision().into()),
        ("members", tables.table(bucket::MEMBERS).map(|(key, value)| (text(key), json(value))).collect()),
        ("members_removed", keys(bucket::MEMBERS_REMOVED).into()),
        ("cluster", json!({"clusterVersion": tables.cluster_version()})),
        ("alarms", tables.alarms().iter().map(alarm).collect()),
        ("meta", meta(backend)),
        ("auth", json!([tables.table(bucket::AUTH).count(), keys(bucket::AUTH_USERS), keys(bucket::AUTH_ROLES)])),
    ])
}

fn leases(store: &KvStore) -> Value {
    let lease = |(id, lease): (i64, &control_plane_lab::etcd::lease::Lease)| json!({"ID": id, "TTL": lease.ttl(), "RemainingTTL": lease.checkpointed()});
    store.lessor.iter().map(lease).collect()
}

fn meta(backend: &Backend) -> Value {
    let (index, term) = backend.tables.applied();
    let mut meta = json!({"consistent_index": index, "term": term});
    if let Some(state) = backend.tables.conf_state() {
        let voters: Vec<u64> = state.voters.iter().map(|id| id.0).collect();
        meta["confState"] = json!({"voters": voters, "auto_leave": state.auto_leave});
    }
    let (scheduled, finished) = (backend.store.compact_revision(), backend.store.finished_compaction());
    for (name, revision) in [("scheduledCompactRev", scheduled), ("finishedCompactRev", finished)] {
        if revision >= 0 {
            meta[name] = revision.into();
        }
    }
    meta
}

fn entry_value((revision, stored): (Revision, &Stored)) -> Value {
    let kv = stored.kv();
    let mut entry = json!({"main": revision.main, "sub": revision.sub, "key": bytes_value(&kv.key)});
    if stored.is_tombstone() {
        entry["tombstone"] = true.into();
    } else {
        entry["create_revision"] = kv.create_revision.into();
        entry["mod_revision"] = kv.mod_revision.into();
        entry["version"] = kv.version.into();
        entry["value"] = bytes_value(&kv.value);
        entry["lease"] = kv.lease.into();
    }
    entry
}

fn check_hashes(store: &KvStore, dump: &Value) {
    for hash in dump["hashkv"].as_array().expect("hashes") {
        let at = hash["revision"].as_i64().expect("a revision");
        assert_eq!(store.hash_kv(at).map(|hash| json!(hash)), Ok(hash["hash"].clone()), "at {at}");
    }
}

/// A store that lived through this many random transactions, and a database around it.
pub(crate) fn random_backend(seed: u64, transactions: u64) -> Backend {
    let mut prng = Prng::stream(seed, "store");
    let mut store = KvStore::default();
    for id in 0..prng.below(5) {
        store.lessor.grant(prng.next_u64() as i64 | 1, 60 + id as i64, SimTime::ZERO).expect("a free id");
    }
    for _ in 0..transactions {
        change(&mut store, &mut prng);
    }
    let mut backend = Backend::new(store);
    let members: Vec<api::Member> = (1..=3)
        .map(|id| api::Member {
            id: id << 40,
            name: format!("m{id}"),
            peer_urls: vec![format!("http://10.0.0.{id}:2380")],
            client_urls: vec![format!("http://10.0.0.{id}:2379")],
            is_learner: id == 3,
        })
        .collect();
    let ids =
        |learner| members.iter().filter(move |member| member.is_learner == learner).map(|member| PeerId(member.id));
    let conf_state = ConfState { voters: ids(false).collect(), learners: ids(true).collect(), ..ConfState::default() };
    backend.tables.set_conf_state(&conf_state);
    backend.tables.set_members(&members);
    backend.tables.set_removed(&[7, u64::MAX].into());
    backend.tables.set_cluster_version("3.5.0");
    backend.tables.set_applied(prng.below(1 << 40), prng.below(100));
    let alarm = api::AlarmMember { member_id: 1 << 40, alarm: api::AlarmType::NoSpace as i32 };
    backend.tables.set_alarms(&[alarm]);
    backend.tables.table_mut(bucket::AUTH).insert("authRevision".into(), Bytes::from_static(&[0, 0, 0, 0, 0, 0, 0, 1]));
    backend
}

/// One random transaction or compaction.
fn change(store: &mut KvStore, prng: &mut Prng) {
    if prng.below(40) == 0 {
        let at = store.compact_revision().max(0) + prng.below(20) as i64;
        if store.compact(at).is_ok() && prng.below(4) > 0 {
            while !store.compact_step(10) {}
        }
        return;
    }
    let leases: Vec<i64> = store.lessor.iter().map(|(id, _)| id).chain([0]).collect();
    let mut txn = store.write();
    for i in 0..1 + prng.below(3) {
        let key = Bytes::from(format!("key/{i}/{}", prng.below(40)));
        if prng.below(4) == 0 {
            txn.delete_range(KeySpan::One(&key));
        } else {
            let most = [20, 200, 9_000][prng.below(3) as usize];
            let value = vec![prng.next_u64() as u8; prng.below(most) as usize];
            txn.put(&key, value.into(), leases[prng.below(leases.len() as u64) as usize]);
        }
    }
    txn.end();
}

#[test]
fn random_stores_come_back_and_live_on_alike() {
    for seed in 0..30 {
        let mut backend = random_backend(seed, seed * 13);
        let file = backend.snapshot().expect("short keys");
        let mut back = open(&file, HashCheck::Required).expect("a sound file");
        assert_eq!(content(&back), content(&backend), "seed {seed}");
        assert_eq!(back.snapshot(), Ok(file), "seed {seed}");
        // A compaction that was interrupted is taken up by either.
        let (mut one, mut other) = (Prng::stream(seed, "later"), Prng::stream(seed, "later"));
        for _ in 0..100 {
            change(&mut backend.store, &mut one);
            change(&mut back.store, &mut other);
        }
        while !backend.store.compact_step(10) {}
        while !back.store.compact_step(10) {}
        assert_eq!(content(&back), content(&backend), "seed {seed} later");
        assert_eq!(back.store.hash_kv(0), backend.store.hash_kv(0), "seed {seed}");
    }
}

#[test]
fn no_damaged_byte_passes_the_hash() {
    let file = random_backend(3, 4).snapshot().expect("short keys");
    let content_before = content(&open(&file, HashCheck::Required).expect("a sound file"));
    let (mut refused, mut equal, mut other) = (0, 0, 0);
    for at in 0..file.len() {
        let mut damaged = file.to_vec();
        damaged[at] ^= 1 << (at % 8);
        let damaged = Bytes::from(damaged);
        let error = open(&damaged, HashCheck::Required).expect_err("a damaged file");
        assert!(matches!(error, SnapshotError::WrongHash { .. }), "byte {at}: {error}");
        // Without the hash nobody can tell a changed value; what is accepted is whole, though.
        match open(&damaged, HashCheck::Skipped) {
            Err(_) => refused += 1,
            Ok(backend) if content(&backend) == content_before => equal += 1,
            Ok(backend) => {
                other += 1;
                backend.snapshot().expect("what was read can be written");
            }
        }
    }
    println!(
        "{} bytes: without the hash {refused} refused, {equal} without effect, {other} change content",
        file.len()
    );
    assert!(refused > 500, "{refused} refused");
}

#[test]
fn no_cut_file_passes() {
    let file = random_backend(3, 4).snapshot().expect("short keys");
    for len in 0..file.len() {
        let cut = file.slice(..len);
        assert!(open(&cut, HashCheck::Required).is_err(), "{len} bytes");
        // Of the database no page may be missing; the hash may.
        let whole = len as u64 >= database_len(file.len() as u64) && database_len(len as u64) == len as u64;
        assert_eq!(open(&cut, HashCheck::Skipped).is_ok(), whole, "{len} bytes");
    }
}

/// Puts a file through everything that reads one.
pub fn survive(file: &[u8]) {
    let file = &Bytes::copy_from_slice(file);
    let (mut read, mut count) = (0, 0);
    for item in items(file) {
        count += 1;
        if let Ok(Item::Pair { key, value }) = item {
            read += key.len() + value.len();
        }
    }
    assert!(read <= file.len() && count <= file.len() / 8 + 16, "{count} items of {read} bytes");
    let status = status(file);
    let config = RestoreConfig { hash_check: HashCheck::Skipped, ..RestoreConfig::default() };
    if let Ok(restored) = restore(file, &config) {
        assert!(items(&restored.database).all(|item| item.is_ok()));
    }
    let Ok(backend) = open(file, HashCheck::Skipped) else { return };
    assert!(status.is_ok());
    let written = backend.database().expect("what was read can be written");
    let mut back = open(&seal(&written), HashCheck::Required).expect("what was written can be read");
    assert_eq!(content(&back)["revisions"], content(&backend)["revisions"]);
    // The store must not stumble over it later either.
    let at = back.store.revision();
    if back.store.compact(at).is_ok() {
        while !back.store.compact_step(100) {}
    }
    change(&mut back.store, &mut Prng::stream(1, "later"));
    back.store.hash_kv(0).expect("the present can be hashed");
}

fn sound_databases() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/etcd/snapshots");
    let read = |name: &str| fs::read(folder.join(name)).expect("a committed snapshot");
    let random =
        [0, 5, 60].map(|transactions| random_backend(9, transactions).snapshot().expect("short keys").to_vec());
    let mut files = vec![read("snap_small.db"), read("snap_rich.db")];
    files.extend(random);
    files.iter_mut().for_each(|file| file.truncate(database_len(file.len() as u64) as usize));
    files
}

const PAGE: usize = 4096;

/// A file with some malice: bytes, numbers, pages; the metas' checksums are mended half of the time.
pub fn upset(prng: &mut Prng) -> Vec<u8> {
    static SEEDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let seeds = SEEDS.get_or_init(sound_databases);
    let below = |prng: &mut Prng, n: usize| prng.below(n as u64) as usize;
    let mut file = seeds[below(prng, seeds.len())].clone();
    for _ in 0..1 + prng.below(4) {
        let pages = (file.len() / PAGE).max(1);
        let page = below(prng, pages) * PAGE;
        // Headers and elements are where the structure is.
        let within = [16, 80, 400, PAGE][below(prng, 4)];
        let at = page + below(prng, within);
        match prng.below(8) {
            0 => file.truncate(below(prng, file.len() + 1)),
            1 => file.extend(vec![prng.next_u64() as u8; below(prng, 2 * PAGE)]),
            2 | 3 => set(&mut file, at, &[prng.next_u64() as u8]),
            4 => set(&mut file, at & !1, &[(prng.below(2) * 255) as u8, prng.below(3) as u8]),
            5 => set(&mut file, at & !3, &(INTERESTING[below(prng, INTERESTING.len())] as u32).to_le_bytes()),
            6 => set(&mut file, at & !7, &INTERESTING[below(prng, INTERESTING.len())].to_le_bytes()),
            _ => {
                let from = below(prng, pages) * PAGE;
                let copy: Vec<u8> = file.iter().skip(from).take(PAGE).copied().collect();
                set(&mut file, page, &copy);
            }
        }
    }
    if prng.below(2) == 0 {
        mend_metas(&mut file);
    }
    file
}

const INTERESTING: [u64; 14] =
    [0, 1, 2, 3, 4, 5, 8, 16, 4096, 0xffff, 0x7fff_ffff, 0xffff_ffff, i64::MAX as u64, u64::MAX];

fn set(file: &mut [u8], at: usize, bytes: &[u8]) {
    for (place, byte) in file.iter_mut().skip(at).zip(bytes) {
        *place = *byte;
    }
}

fn mend_metas(file: &mut [u8]) {
    for meta in file.chunks_mut(PAGE).take(2).filter(|page| page.len() >= 80) {
        let sum = meta[16..72].iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        set(meta, 72, &sum.to_le_bytes());
    }
}
