//! Our snapshot files in the hands of the real tools: `etcdutl` takes them and says of them what we say, and a real
//! `etcd` starts on what it restores from them.
//!
//! The tools are looked for where `ETCDUTL` says and on the `PATH`; `etcd` and `etcdctl` beside `etcdutl`.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use bytes::Bytes;
use control_plane_lab::etcd::backend::{Backend, HashCheck, RestoreConfig, restore, status};
use control_plane_lab::etcd::lease::Lessor;
use control_plane_lab::etcd::mvcc::{KeySpan, KvStore, Revision};
use control_plane_lab::raft::HardState;
use prost::Message;
use serde_json::{Value, json};

use crate::snapshots::random_backend;

/// The version whose behaviour these tests compare with.
const VERSION: &str = "etcdutl version: 3.5.";

/// `etcdutl`, if it is installed here.
fn etcdutl() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).map(|folder| folder.join("etcdutl")).collect::<Vec<_>>());
    let mut candidates = std::env::var_os("ETCDUTL").map(PathBuf::from).into_iter().chain(on_path);
    let found = candidates.find(|tool| {
        let version = Command::new(tool).arg("version").output();
        version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).starts_with(VERSION))
    });
    if found.is_none() {
        println!("etcdutl 3.5 is absent (neither ETCDUTL nor PATH leads to it): not compared with the real tools");
    }
    found
}

/// A folder of this test's own, gone when the test is done.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("lab-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for temporary files");
        Folder(folder)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).expect("room for temporary files");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn run(tool: &Path, arguments: &[&str]) -> Output {
    Command::new(tool).args(arguments).output().expect("a tool that runs")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Databases of several shapes: nothing, inline buckets, overflow pages, branches.
fn backends() -> Vec<(String, Backend)> {
    let mut backends = vec![("fresh".to_owned(), Backend::new(KvStore::default()))];
    backends.extend([1, 2, 3, 4].map(|seed| (format!("random {seed}"), random_backend(seed, seed * seed * 20))));
    let mut many = KvStore::default();
    for i in 0..40_000 {
        let mut txn = many.write();
        txn.put(&format!("/registry/pods/default/pod-{i:06}").into(), vec![b'v'; 100].into(), 0);
        txn.end();
    }
    let mut large = KvStore::default();
    for i in 0..6 {
        let mut txn = large.write();
        txn.put(&format!("large/{i}").into(), vec![i; 700_000].into(), 0);
        txn.end();
    }
    backends.extend([("many keys".to_owned(), Backend::new(many)), ("large values".to_owned(), Backend::new(large))]);
    backends
}

#[test]
fn the_real_status_is_ours() {
    let Some(etcdutl) = etcdutl() else { return };
    let folder = Folder::new("status");
    for (name, backend) in backends() {
        let snapshot = backend.snapshot().expect("short keys");
        let path = folder.write("snapshot.db", &snapshot);
        let output = run(&etcdutl, &["snapshot", "status", text(&path), "-w", "json"]);
        let said: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{name}: {}", String::from_utf8_lossy(&output.stderr)));
        let ours = status(&snapshot).expect("a sound file");
        let ours = json!({
            "hash": ours.hash,
            "revision": ours.revision,
            "totalKey": ours.total_key,
            "totalSize": ours.total_size,
        });
        assert_eq!(said, ours, "{name}");
    }
}

#[test]
fn the_real_restore_is_ours() {
    let Some(etcdutl) = etcdutl() else { return };
    let folder = Folder::new("restore");
    let config = RestoreConfig {
        name: "m2".into(),
        initial_cluster: "m1=http://127.0.0.1:12380,m2=http://127.0.0.1:22380,m3=http://127.0.0.1:32380".into(),
        initial_cluster_token: "another".into(),
        initial_advertise_peer_urls: "http://127.0.0.1:22380".into(),
        hash_check: HashCheck::Required,
    };
    for (round, (name, backend)) in backends().into_iter().enumerate() {
        let snapshot = backend.snapshot().expect("short keys");
        let path = folder.write("snapshot.db", &snapshot);
        let data = folder.0.join(format!("data-{round}"));
        let cluster = &config.initial_cluster;
        #[rustfmt::skip]
        let output = run(&etcdutl, &[
            "snapshot", "restore", text(&path), "--data-dir", text(&data), "--name", "m2", "--initial-cluster", cluster,
            "--initial-cluster-token", "another", "--initial-advertise-peer-urls", "http://127.0.0.1:22380",
        ]);
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let ours = restore(&snapshot, &config).expect("a sound file");
        let theirs: Bytes = fs::read(data.join("member/snap/db")).expect("a restored database").into();
        let open = |database: &Bytes| {
            Backend::open(database, HashCheck::Skipped, Lessor::default()).expect("a sound database")
        };
        let (our_content, their_content) = (open(&ours.database), open(&theirs));
        assert_eq!(our_content.tables, their_content.tables, "{name}");
        let entries = |backend: &Backend| -> Vec<_> {
            backend.store.entries(Revision::default()).map(|(revision, stored)| (revision, stored.clone())).collect()
        };
        assert!(entries(&our_content) == entries(&their_content), "{name}");
        let log = fs::read(data.join("member/wal/0000000000000000-0000000000000000.wal")).expect("a log");
        check_log(&log, &ours);
    }
}

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(uint32, tag = "2")]
    crc: u32,
    #[prost(bytes = "bytes", tag = "3")]
    data: Bytes,
}

/// Four numbers: metadata, a hard state, or the beginning of an entry.
#[derive(Clone, PartialEq, Message)]
struct Numbers {
    #[prost(uint64, tag = "1")]
    first: u64,
    #[prost(uint64, tag = "2")]
    second: u64,
    #[prost(uint64, tag = "3")]
    third: u64,
    #[prost(bytes = "bytes", tag = "4")]
    data: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct SnapshotRecord {
    #[prost(uint64, tag = "1")]
    index: u64,
    #[prost(uint64, tag = "2")]
    term: u64,
    #[prost(message, optional, tag = "3")]
    conf_state: Option<ConfStateRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct ConfStateRecord {
    #[prost(uint64, repeated, packed = "false", tag = "1")]
    voters: Vec<u64>,
}

/// Compares a real log with what we would begin a log with.
fn check_log(mut log: &[u8], ours: &control_plane_lab::etcd::backend::Restored) {
    let mut records: BTreeMap<i64, Vec<Bytes>> = BTreeMap::new();
    while let Some((frame, rest)) = log.split_first_chunk() {
        let frame = u64::from_le_bytes(*frame);
        let len = (frame & 0x00ff_ffff_ffff_ffff) as usize;
        if len == 0 {
            break;
        }
        let padding = if frame >> 63 == 1 { (frame >> 56 & 7) as usize } else { 0 };
        let record = Record::decode(&rest[..len]).expect("a record");
        records.entry(record.kind).or_default().push(record.data);
        log = &rest[len + padding..];
    }
    let numbers = |data: &Bytes| Numbers::decode(data.clone()).expect("numbers");
    let metadata = numbers(&records[&1][0]);
    assert_eq!((metadata.first, metadata.second), (ours.node_id, ours.cluster_id));
    let entries: Vec<_> = records[&2].iter().map(numbers).map(|n| (n.first, n.second, n.third, n.data)).collect();
    let our_entries: Vec<_> =
        ours.entries.iter().map(|entry| (1, entry.term.0, entry.index.0, entry.data.clone())).collect();
    assert_eq!(entries, our_entries);
    let state = numbers(records[&3].last().expect("a hard state"));
    let HardState { term, vote, commit } = ours.hard_state;
    assert_eq!((state.first, state.second, state.third), (term.0, vote.0, commit.0));
    let snapshot = SnapshotRecord::decode(records[&5].last().expect("a snapshot").clone()).expect("a snapshot");
    let voters: Vec<u64> = ours.snapshot.conf_state.voters.iter().map(|id| id.0).collect();
    let expected = SnapshotRecord {
        index: ours.snapshot.index.0,
        term: ours.snapshot.term.0,
        conf_state: Some(ConfStateRecord { voters }),
    };
    assert_eq!(snapshot, expected);
}

/// A server, stopped when the test is done with it.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_real_server_starts_on_our_snapshot() {
    let Some(etcdutl) = etcdutl() else { return };
    let (etcd, etcdctl) = (etcdutl.with_file_name("etcd"), etcdutl.with_file_name("etcdctl"));
    if !etcd.is_file() || !etcdctl.is_file() {
        println!("etcd and etcdctl are not beside etcdutl: no server was started");
        return;
    }
    let folder = Folder::new("server");
    let free = || TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port").port();
    // Without alarms and users, so that it may be written to.
    let mut backend = random_backend(5, 300);
    backend.tables.set_alarms(&[]);
    let path = folder.write("snapshot.db", &backend.snapshot().expect("short keys"));
    let data = folder.0.join("data");
    let output = run(&etcdutl, &["snapshot", "restore", text(&path), "--data-dir", text(&data)]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (client, peer) = (format!("http://127.0.0.1:{}", free()), format!("http://127.0.0.1:{}", free()));
    #[rustfmt::skip]
    let server = Command::new(&etcd)
        .args(["--data-dir", text(&data), "--listen-client-urls", &client, "--advertise-client-urls", &client,
            "--listen-peer-urls", &peer, "--log-level", "error"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a server that starts");
    let server = Server(server);
    let ask = |arguments: &[&str]| {
        let output =
            run(&etcdctl, &[&["--endpoints", &client, "-w", "json", "--command-timeout", "2s"], arguments].concat());
        serde_json::from_slice::<Value>(&output.stdout).ok()
    };
    let mut tries = (0..30).filter_map(|_| {
        let answer = ask(&["get", "", "--from-key"]);
        if answer.is_none() {
            sleep(Duration::from_millis(500));
        }
        answer
    });
    let answer = tries.next().expect("an answer within half a minute");
    assert_eq!(answer["header"]["revision"], backend.store.revision());
    let theirs = answer["kvs"].as_array().expect("keys").iter();
    let theirs: Vec<_> =
        theirs.map(|kv| (kv["mod_revision"].as_i64(), kv["version"].as_i64(), kv["lease"].as_i64())).collect();
    assert!(theirs.len() > 50, "{} keys", theirs.len());
    let ours = backend.store.live(KeySpan::From(b""));
    let ours: Vec<_> =
        ours.map(|kv| (Some(kv.mod_revision), Some(kv.version), (kv.lease != 0).then_some(kv.lease))).collect();
    assert_eq!(theirs, ours);
    let hash = ask(&["endpoint", "hashkv"]).expect("a hash");
    assert_eq!(hash[0]["HashKV"]["hash"], json!(backend.store.hash_kv(0).expect("the present can be hashed")));
    let put = ask(&["put", "new", "write"]).expect("an answer");
    assert_eq!(put["header"]["revision"], backend.store.revision() + 1);
    drop(server);
}
