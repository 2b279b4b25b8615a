//! Replays traces recorded from a real etcd 3.5.1 against the store, line by line.
//!
//! A few traces are in `tests/testdata/etcd`; all of them are in the conformance folder, `../shared/conformance` or where
//! `LAB_CONFORMANCE` says. Nothing but equality passes. Traces that need what is not built here (users
//! and tokens) are counted apart. To see the counts: `cargo test conformance -- --nocapture`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use control_plane_lab::etcd::api::*;
use control_plane_lab::etcd::apply;
use control_plane_lab::etcd::apply::quota::{self, Alarm, Alarms, Gated, Quota};
use control_plane_lab::etcd::error::{EtcdError, Status};
use control_plane_lab::etcd::lease::Lessor;
use control_plane_lab::etcd::mvcc::store::COMPACTION_BATCH;
use control_plane_lab::etcd::mvcc::{KvStore, Revision, Stored, StreamId, WatchableStore};
use control_plane_lab::sim::clock::{Micros, SimTime};
use prost::Message;
use serde_json::{Map, Value, json};

/// The id of the member that the traces call `$self` and sort before all others.
const SELF: u64 = 1;

/// Bytes that a request grows by on its way into the log: its header and the operation's tag and length.
const LOG_OVERHEAD: usize = 18;

#[test]
fn committed_traces() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/etcd");
    assert!(
        replay_profiles(&root, &["kv", "txn", "watch", "compact", "lease", "quota", "special"]) > 0,
        "no trace is there"
    );
}

#[test]
fn every_recorded_trace() {
    let root = match std::env::var_os("LAB_CONFORMANCE") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance"),
    };
    let root = root.join("recorded/etcd");
    if !root.is_dir() {
        println!("the recorded traces are absent: only the committed ones were replayed");
        return;
    }
    replay_profiles(&root, &["kv", "txn", "watch", "compact", "lease", "quota", "special"]);
    for name in ["snap_small", "snap_rich"] {
        restore_snapshot(&root.join(format!("snapshots/{name}.json")));
    }
}

/// Reads a store back from the entries of a real snapshot: what lives, its leases and its hashes are as etcd said.
fn restore_snapshot(path: &Path) {
    let text = fs::read_to_string(path).expect("a readable snapshot");
    let snapshot: Value = serde_json::from_str(&text).expect("a snapshot in JSON");
    let mut lessor = Lessor::default();
    for lease in list(&snapshot, "leases") {
        lessor.restore(int(lease, "ID"), int(lease, "TTL"), int(lease, "RemainingTTL"));
    }
    let entries = list(&snapshot, "revisions").map(|entry| {
        let revision = Revision::new(int(entry, "main"), int(entry, "sub"));
        let key = bytes(entry, "key");
        if flag(entry, "tombstone") {
            return (revision, Stored::tombstone(key, revision.main));
        }
        let kv = KeyValue {
            key,
            create_revision: int(entry, "create_revision"),
            mod_revision: int(entry, "mod_revision"),
            version: int(entry, "version"),
            value: bytes(entry, "value"),
            lease: int(entry, "lease"),
        };
        (revision, Stored::live(kv))
    });
    let compacted = int(&snapshot, "compact_revision");
    let kv = KvStore::restore(entries, compacted, compacted, lessor);
    assert_eq!(kv.revision(), int(&snapshot, "current_revision"));
    for hash in list(&snapshot, "hashkv") {
        let at = int(hash, "revision");
        assert_eq!(kv.hash_kv(at).map(i64::from), Ok(int(hash, "hash")), "at {at}");
    }
    let everything =
        RangeRequest { key: Bytes::from_static(&[0]), range_end: Bytes::from_static(&[0]), ..Default::default() };
    let live = apply::apply_range(&kv, &everything).expect("the present can be read");
    assert_eq!(kvs_value(&live.kvs), snapshot["live_kvs"]);
    for (id, lease) in kv.lessor.iter() {
        let attached: Vec<&Bytes> = live.kvs.iter().filter(|kv| kv.lease == id).map(|kv| &kv.key).collect();
        assert_eq!(Vec::from_iter(lease.keys()), attached);
    }
}

fn replay_profiles(root: &Path, profiles: &[&str]) -> usize {
    let mut replayed = 0;
    let mut failures = Vec::new();
    for profile in profiles {
        let Ok(folder) = fs::read_dir(root.join(profile)) else { continue };
        let mut files: Vec<PathBuf> = folder.map(|entry| entry.expect("a readable folder").path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        files.sort();
        let (mut traces, mut equal, mut quirks, mut apart) = (0, 0, BTreeMap::new(), Vec::new());
        for file in files {
            let name = format!("{profile}/{}", file.file_name().expect("a file").to_string_lossy());
            let text = fs::read_to_string(&file).expect("a readable trace");
            match replay(&text) {
                Outcome::Equal { lines, touched } => {
                    (traces, equal) = (traces + 1, equal + lines);
                    touched.into_iter().for_each(|quirk| *quirks.entry(quirk).or_insert(0) += 1);
                }
                Outcome::Needs(ops) => apart.push(format!("{name} ({})", Vec::from_iter(ops).join(", "))),
                Outcome::Different { lines, report } => {
                    (traces, equal) = (traces + 1, equal + lines);
                    failures.push(format!("{name}: {report}"));
                }
            }
        }
        println!("{profile}: {traces} traces, {equal} lines equal, 0 departed by quirk, copied quirks {quirks:?}");
        if !apart.is_empty() {
            println!("{profile}: not replayed, they need what is not built here: {}", apart.join("; "));
        }
        replayed += traces;
    }
    assert!(failures.is_empty(), "{} traces differ\n{}", failures.len(), failures.join("\n"));
    replayed
}

enum Outcome {
    Equal { lines: usize, touched: Vec<String> },
    Needs(BTreeSet<String>),
    Different { lines: usize, report: String },
}

fn replay(text: &str) -> Outcome {
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    let header = lines.next().expect("a header");
    let lines: Vec<Value> = lines.collect();
    let needs: BTreeSet<String> = lines.iter().filter_map(|line| unsupported(&line["op"])).collect();
    if !needs.is_empty() {
        return Outcome::Needs(needs);
    }
    let mut server = Server::start(&header["header"]["flags"]);
    let mut touched = Vec::new();
    for (count, line) in lines.iter().enumerate() {
        let result = server.run(&line["op"]);
        let (field, ours) = match result {
            Ok(response) => ("resp", response),
            Err(Status { code, message }) => ("error", json!({"code": code.to_string(), "message": message})),
        };
        let theirs = line.get(field).cloned();
        if theirs.as_ref() != Some(&ours) {
            let expected = line.get("resp").or(line.get("error"));
            let expected = expected.map_or("nothing".to_owned(), |value| clip(value.to_string()));
            let (i, op, ours) = (&line["i"], clip(line["op"].to_string()), clip(ours.to_string()));
            return Outcome::Different {
                lines: count,
                report: format!("line {i}\n  op   {op}\n  etcd {expected}\n  lab  {ours}"),
            };
        }
        let tags = line["quirk"].as_array().into_iter().flatten();
        touched.extend(tags.map(|tag| tag.as_str().expect("a quirk's name").to_owned()));
    }
    Outcome::Equal { lines: lines.len(), touched }
}

fn clip(mut text: String) -> String {
    if text.len() > 3000 {
        let end = (0..=3000).rev().find(|end| text.is_char_boundary(*end)).expect("0 is a boundary");
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The operation's name if it cannot be replayed here.
fn unsupported(op: &Value) -> Option<String> {
    let name = op["type"].as_str().expect("an operation has a type");
    let auth = op.get("auth").is_some() || op.get("auth_raw").is_some();
    let built = [
        "range",
        "put",
        "delete_range",
        "txn",
        "compact",
        "hashkv",
        "status",
        "alarm",
        "defrag",
        "restart",
        "settle",
        "lease_grant",
        "lease_revoke",
        "lease_timetolive",
        "lease_leases",
        "lease_keepalive",
        "wait_expiry",
        "watch_open",
        "watch_close",
        "watch_create",
        "watch_cancel",
        "watch_progress",
        "watch_sync",
    ];
    match (auth, built.contains(&name)) {
        (true, _) => Some("tokens".to_owned()),
        (false, true) => None,
        (false, false) => Some(name.to_owned()),
    }
}

/// As much of a member as the traces need: a store, the leader's clock, and what its streams have sent.
struct Server {
    store: WatchableStore,
    quota: Quota,
    alarms: Alarms,
    max_request_bytes: usize,
    now: SimTime,
    /// Not yet told to a `watch_sync`, by `stream/watch`.
    received: BTreeMap<String, Vec<Value>>,
}

type Answer = Result<Value, Status>;

impl Server {
    fn start(flags: &Value) -> Server {
        let flags: Vec<&str> = flags.as_array().expect("flags").iter().filter_map(Value::as_str).collect();
        let number = |flag: &str, default: i64| {
            let at = flags.iter().position(|known| *known == flag);
            at.map_or(default, |at| flags[at + 1].parse().expect("a number"))
        };
        let max_request_bytes = number("--max-request-bytes", 1_572_864) as usize;
        let quota = Quota { bytes: number("--quota-backend-bytes", quota::DEFAULT_QUOTA) };
        let mut lessor = Lessor::default();
        lessor.promote(SimTime::ZERO, Micros(0));
        let store = WatchableStore::new(KvStore::new(lessor), max_request_bytes);
        let (alarms, received) = (Alarms::default(), BTreeMap::new());
        Server { store, quota, alarms, max_request_bytes, now: SimTime::ZERO, received }
    }

    fn run(&mut self, op: &Value) -> Answer {
        self.now += Micros::from_millis(1);
        let answer = self.dispatch(op);
        self.collect();
        answer
    }

    fn dispatch(&mut self, op: &Value) -> Answer {
        let stream = int(op, "stream") as StreamId;
        let id = int(op, "ID");
        match op["type"].as_str().expect("an operation has a type") {
            "range" => {
                let request = range_request(op);
                apply::check_range(&request)?;
                Ok(range_value(&apply::apply_range(self.store.kv(), &request)?))
            }
            "put" => {
                let request = put_request(op);
                self.check_quota(quota::put_cost(&request))?;
                apply::check_put(&request)?;
                self.check_size(request.encoded_len())?;
                self.alarms.check(Gated::Grows)?;
                Ok(put_value(&apply::apply_put(&mut self.store, &request)?))
            }
            "delete_range" => {
                let request = delete_request(op);
                apply::check_delete_range(&request)?;
                self.alarms.check(Gated::Changes)?;
                Ok(delete_value(&apply::apply_delete_range(&mut self.store, &request)?))
            }
            "txn" => {
                let request = txn_request(op);
                let cost = quota::txn_cost(&request);
                self.check_quota(cost)?;
                apply::check_txn(&request, apply::MAX_TXN_OPS)?;
                self.check_size(request.encoded_len())?;
                if !apply::is_read_only(&request) {
                    self.alarms.check(if cost > 0 { Gated::Grows } else { Gated::Changes })?;
                }
                Ok(txn_value(&apply::apply_txn(&mut self.store, &request)?))
            }
            "compact" => {
                let request = CompactionRequest { revision: int(op, "revision"), physical: flag(op, "physical") };
                self.alarms.check(Gated::Changes)?;
                let response = apply::apply_compact(&mut self.store, &request)?;
                Ok(fields([("header", header_value(&response.header))]))
            }
            "hashkv" => {
                let kv = self.store.kv();
                let hash = kv.hash_kv(int(op, "revision"))?;
                let header = self.header();
                Ok(fields([
                    ("header", header),
                    ("hash", hash.into()),
                    ("compact_revision", kv.compact_revision().into()),
                ]))
            }
            "defrag" => {
                self.store.kv_mut().defragment();
                Ok(json!({}))
            }
            "settle" => {
                while !self.store.kv_mut().compact_step(COMPACTION_BATCH) {}
                Ok(json!({}))
            }
            "status" => {
                let member = |id: u64| if id == SELF { "$self".to_owned() } else { id.to_string() };
                let alarms = self.alarms.iter().map(|(alarm, id)| (alarm_name(alarm), member(id)));
                let mut errors: Vec<String> = alarms.map(|(name, id)| format!("memberID:{id} alarm:{name} ")).collect();
                errors.sort();
                Ok(fields([("header", self.header()), ("version", "3.5.1".into()), ("errors", errors.into())]))
            }
            "alarm" => Ok(self.alarm(op)),
            "restart" => {
                self.restart();
                Ok(json!({}))
            }
            "lease_grant" => {
                self.check_quota(quota::LEASE_COST)?;
                self.alarms.check(Gated::Grows)?;
                let ttl = self.store.kv_mut().lessor.grant(id, int(op, "TTL"), self.now)?;
                Ok(fields([("header", self.header()), ("ID", id.into()), ("TTL", ttl.into())]))
            }
            "lease_revoke" => {
                self.alarms.check(Gated::Changes)?;
                self.store.revoke(id)?;
                Ok(fields([("header", self.header())]))
            }
            "lease_keepalive" => {
                let ttl = self.store.kv_mut().lessor.renew(id, self.now).unwrap_or(0);
                Ok(fields([("header", self.header()), ("ID", id.into()), ("TTL", ttl.into())]))
            }
            "lease_timetolive" => {
                let header = self.header();
                let Some(lease) = self.store.kv().lessor.get(id) else {
                    return Ok(fields([("header", header), ("ID", id.into()), ("TTL", (-1).into())]));
                };
                let left = lease.remaining(self.now);
                assert!((0..=lease.ttl()).contains(&left), "a living lease has from nothing to all of its time left");
                let keys: Vec<Value> = lease.keys().filter(|_| flag(op, "keys")).map(|key| bytes_value(key)).collect();
                Ok(fields([
                    ("header", header),
                    ("ID", id.into()),
                    ("TTL", "$ttl".into()),
                    ("grantedTTL", lease.ttl().into()),
                    ("keys", keys.into()),
                ]))
            }
            "lease_leases" => {
                let ids = self.store.kv().lessor.by_expiry();
                let leases: Vec<Value> = ids.into_iter().map(|id| fields([("ID", id.into())])).collect();
                Ok(fields([("header", self.header()), ("leases", leases.into())]))
            }
            "wait_expiry" => {
                let ttl = self.store.kv().lessor.get(id).expect("the lease that is waited for").ttl();
                self.now += Micros::from_secs(ttl as u64 + 1);
                let expired: Vec<i64> = self.store.kv().lessor.expired(self.now).collect();
                for lease in &expired {
                    self.store.revoke(*lease)?;
                }
                Ok(json!({"expired": expired == [id]}))
            }
            "watch_open" => {
                self.store.open_stream(stream);
                Ok(json!({}))
            }
            "watch_close" => {
                self.store.close_stream(stream);
                self.received.retain(|name, _| !name.starts_with(&format!("{stream}/")));
                Ok(json!({}))
            }
            "watch_create" => {
                self.collect();
                self.store.watch(stream, &watch_request(op));
                Ok(self.reply(stream, |response| response.created).expect("a create request is answered"))
            }
            "watch_cancel" => {
                self.collect();
                self.store.cancel_watch(stream, int(op, "watch_id"));
                Ok(self.reply(stream, |response| response.canceled).unwrap_or(Value::Null))
            }
            "watch_progress" => {
                self.sync();
                self.store.request_progress(stream);
                Ok(self.reply(stream, |response| response.watch_id == -1).expect("a progress request is answered"))
            }
            "watch_sync" => {
                self.sync();
                let received = std::mem::take(&mut self.received);
                Ok(received.into_iter().map(|(name, all)| (name, Value::Array(all))).collect())
            }
            other => unreachable!("{other} was counted apart"),
        }
    }

    /// What does not fit raises the alarm.
    fn check_quota(&mut self, cost: i64) -> Result<(), EtcdError> {
        if self.quota.allows(self.store.kv().db_size(), cost) {
            return Ok(());
        }
        self.alarms.raise(Alarm::NoSpace, SELF);
        Err(EtcdError::NoSpace)
    }

    fn alarm(&mut self, op: &Value) -> Value {
        let kind = [Alarm::NoSpace, Alarm::Corrupt].into_iter().find(|kind| op["alarm"] == alarm_name(*kind));
        let member = if op["memberID"] == "$self" { SELF } else { op["memberID"].as_u64().unwrap_or(0) };
        let mut alarms: Vec<(Alarm, u64)> = match (op["action"].as_str(), kind) {
            (Some("ACTIVATE"), Some(kind)) => {
                self.alarms.raise(kind, member);
                vec![(kind, member)]
            }
            (Some("DEACTIVATE"), Some(kind)) => {
                Vec::from_iter(self.alarms.disarm(kind, member).then_some((kind, member)))
            }
            (Some("GET"), kind) => {
                self.alarms.iter().filter(|(known, _)| kind.is_none_or(|kind| kind == *known)).collect()
            }
            _ => Vec::new(),
        };
        // The traces sort by member, then by the alarm's name.
        alarms.sort_by_key(|(alarm, id)| (*id, alarm_name(*alarm)));
        let value = |(alarm, id): (Alarm, u64)| {
            let id = if id == SELF { Value::from("$self") } else { id.into() };
            fields([("memberID", id), ("alarm", alarm_name(alarm).into())])
        };
        let alarms: Vec<Value> = alarms.into_iter().map(value).collect();
        fields([("header", self.header()), ("alarms", alarms.into())])
    }

    fn check_size(&self, bytes: usize) -> Result<(), EtcdError> {
        if bytes + LOG_OVERHEAD > self.max_request_bytes { Err(EtcdError::RequestTooLarge) } else { Ok(()) }
    }

    /// Reads the store back from what a snapshot of it would hold.
    fn restart(&mut self) {
        let kv = self.store.kv();
        let mut lessor = Lessor::default();
        for (id, lease) in kv.lessor.iter() {
            lessor.restore(id, lease.ttl(), 0);
        }
        lessor.promote(self.now, Micros(0));
        let entries = kv.entries(Revision::default()).map(|(revision, stored)| (revision, stored.clone()));
        let kv = KvStore::restore(entries, kv.finished_compaction(), kv.compact_revision(), lessor);
        self.store = WatchableStore::new(kv, self.max_request_bytes);
        self.alarms.restart();
        self.received.clear();
    }

    fn sync(&mut self) {
        while self.store.sync_watchers() > 0 {}
        self.collect();
    }

    fn collect(&mut self) {
        for (stream, response) in self.store.drain_responses() {
            self.receive(stream, response);
        }
    }

    fn receive(&mut self, stream: StreamId, response: WatchResponse) {
        let name = format!("{stream}/{}", response.watch_id);
        let value = watch_value(&WatchResponse { watch_id: 0, ..response });
        self.received.entry(name).or_default().push(value);
    }

    /// The one response of a stream that answers the request just made.
    fn reply(&mut self, stream: StreamId, is_answer: fn(&WatchResponse) -> bool) -> Option<Value> {
        let mut answer = None;
        for (from, response) in self.store.drain_responses() {
            if from == stream && answer.is_none() && is_answer(&response) {
                answer = Some(watch_value(&response));
            } else {
                self.receive(from, response);
            }
        }
        answer
    }

    fn header(&self) -> Value {
        fields([("revision", self.store.kv().revision().into())])
    }
}

fn alarm_name(alarm: Alarm) -> &'static str {
    match alarm {
        Alarm::NoSpace => "NOSPACE",
        Alarm::Corrupt => "CORRUPT",
    }
}

fn int(value: &Value, field: &str) -> i64 {
    value.get(field).map_or(0, |value| value.as_i64().expect("a number"))
}

fn flag(value: &Value, field: &str) -> bool {
    value.get(field).is_some_and(|value| value.as_bool().expect("a boolean"))
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).map(|value| value.as_array().expect("a list")).into_iter().flatten()
}

fn name<T: Copy + Into<i32>>(value: &Value, field: &str, names: &[(&str, T)]) -> i32 {
    let Some(name) = value.get(field) else { return 0 };
    let name = name.as_str().expect("a name");
    names.iter().find(|(known, _)| *known == name).expect("a known name").1.into()
}

fn bytes(value: &Value, field: &str) -> Bytes {
    match value.get(field) {
        None => Bytes::new(),
        Some(Value::String(text)) => Bytes::from(text.clone()),
        Some(value) => match (value.get("b64"), value.get("rep")) {
            (Some(text), _) => from_base64(text.as_str().expect("base 64")).into(),
            (_, Some(run)) => {
                run[0].as_str().expect("a character").repeat(run[1].as_u64().expect("a count") as usize).into()
            }
            _ => panic!("bytes in no known form: {value}"),
        },
    }
}

fn range_request(op: &Value) -> RangeRequest {
    let orders = [("NONE", SortOrder::None), ("ASCEND", SortOrder::Ascend), ("DESCEND", SortOrder::Descend)];
    let targets = [
        ("KEY", SortTarget::Key),
        ("VERSION", SortTarget::Version),
        ("CREATE", SortTarget::Create),
        ("MOD", SortTarget::Mod),
        ("VALUE", SortTarget::Value),
    ];
    RangeRequest {
        key: bytes(op, "key"),
        range_end: bytes(op, "range_end"),
        limit: int(op, "limit"),
        revision: int(op, "revision"),
        sort_order: name(op, "sort_order", &orders),
        sort_target: name(op, "sort_target", &targets),
        serializable: flag(op, "serializable"),
        keys_only: flag(op, "keys_only"),
        count_only: flag(op, "count_only"),
        min_mod_revision: int(op, "min_mod_revision"),
        max_mod_revision: int(op, "max_mod_revision"),
        min_create_revision: int(op, "min_create_revision"),
        max_create_revision: int(op, "max_create_revision"),
    }
}

fn put_request(op: &Value) -> PutRequest {
    PutRequest {
        key: bytes(op, "key"),
        value: bytes(op, "value"),
        lease: int(op, "lease"),
        prev_kv: flag(op, "prev_kv"),
        ignore_value: flag(op, "ignore_value"),
        ignore_lease: flag(op, "ignore_lease"),
    }
}

fn delete_request(op: &Value) -> DeleteRangeRequest {
    DeleteRangeRequest { key: bytes(op, "key"), range_end: bytes(op, "range_end"), prev_kv: flag(op, "prev_kv") }
}

fn txn_request(op: &Value) -> TxnRequest {
    TxnRequest {
        compare: list(op, "compare").map(compare_request).collect(),
        success: list(op, "success").map(request_op).collect(),
        failure: list(op, "failure").map(request_op).collect(),
    }
}

fn compare_request(op: &Value) -> Compare {
    let results = [
        ("EQUAL", CompareResult::Equal),
        ("GREATER", CompareResult::Greater),
        ("LESS", CompareResult::Less),
        ("NOT_EQUAL", CompareResult::NotEqual),
    ];
    let targets = [
        ("VERSION", CompareTarget::Version),
        ("CREATE", CompareTarget::Create),
        ("MOD", CompareTarget::Mod),
        ("VALUE", CompareTarget::Value),
        ("LEASE", CompareTarget::Lease),
    ];
    let union = |field: &str| match field {
        "version" => Some(TargetUnion::Version(int(op, field))),
        "create_revision" => Some(TargetUnion::CreateRevision(int(op, field))),
        "mod_revision" => Some(TargetUnion::ModRevision(int(op, field))),
        "value" => Some(TargetUnion::Value(bytes(op, field))),
        "lease" => Some(TargetUnion::Lease(int(op, field))),
        _ => None,
    };
    Compare {
        result: name(op, "result", &results),
        target: name(op, "target", &targets),
        key: bytes(op, "key"),
        target_union: op.as_object().expect("a compare").keys().find_map(|field| union(field)),
        range_end: bytes(op, "range_end"),
    }
}

fn request_op(op: &Value) -> RequestOp {
    let kind = op.as_object().expect("an operation").iter().next();
    let request = kind.map(|(kind, op)| match kind.as_str() {
        "request_range" => RequestOpKind::Range(range_request(op)),
        "request_put" => RequestOpKind::Put(put_request(op)),
        "request_delete_range" => RequestOpKind::DeleteRange(delete_request(op)),
        "request_txn" => RequestOpKind::Txn(txn_request(op)),
        other => panic!("{other} in a transaction"),
    });
    RequestOp { request }
}

fn watch_request(op: &Value) -> WatchCreateRequest {
    let filters = list(op, "filters").map(|filter| match filter.as_str() {
        Some("NOPUT") => FilterType::NoPut as i32,
        Some("NODELETE") => FilterType::NoDelete as i32,
        _ => panic!("a filter named {filter}"),
    });
    WatchCreateRequest {
        key: bytes(op, "key"),
        range_end: bytes(op, "range_end"),
        start_revision: int(op, "start_revision"),
        progress_notify: flag(op, "progress_notify"),
        filters: filters.collect(),
        prev_kv: flag(op, "prev_kv"),
        watch_id: int(op, "watch_id"),
        fragment: flag(op, "fragment"),
    }
}

/// An object of the fields that are not proto3 defaults.
fn fields<const N: usize>(all: [(&str, Value); N]) -> Value {
    let is_default = |value: &Value| match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(_) => false,
    };
    let kept = all.into_iter().filter(|(_, value)| !is_default(value));
    kept.map(|(field, value)| (field.to_owned(), value)).collect::<Map<String, Value>>().into()
}

pub(crate) fn bytes_value(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.len() >= 64 && bytes[0].is_ascii() && bytes.iter().all(|byte| *byte == bytes[0]) => {
            json!({"rep": [&text[..1], bytes.len()]})
        }
        Ok(text) => text.into(),
        Err(_) => json!({"b64": to_base64(bytes)}),
    }
}

fn header_value(header: &Option<ResponseHeader>) -> Value {
    header.as_ref().map_or(Value::Null, |header| fields([("revision", header.revision.into())]))
}

fn kv_value(kv: &KeyValue) -> Value {
    fields([
        ("key", bytes_value(&kv.key)),
        ("create_revision", kv.create_revision.into()),
        ("mod_revision", kv.mod_revision.into()),
        ("version", kv.version.into()),
        ("value", bytes_value(&kv.value)),
        ("lease", kv.lease.into()),
    ])
}

pub(crate) fn kvs_value(kvs: &[KeyValue]) -> Value {
    kvs.iter().map(kv_value).collect()
}

fn range_value(response: &RangeResponse) -> Value {
    fields([
        ("header", header_value(&response.header)),
        ("kvs", kvs_value(&response.kvs)),
        ("more", response.more.into()),
        ("count", response.count.into()),
    ])
}

fn put_value(response: &PutResponse) -> Value {
    let previous = response.prev_kv.as_ref().map_or(Value::Null, kv_value);
    fields([("header", header_value(&response.header)), ("prev_kv", previous)])
}

fn delete_value(response: &DeleteRangeResponse) -> Value {
    fields([
        ("header", header_value(&response.header)),
        ("deleted", response.deleted.into()),
        ("prev_kvs", kvs_value(&response.prev_kvs)),
    ])
}

fn txn_value(response: &TxnResponse) -> Value {
    let responses: Vec<Value> = response.responses.iter().map(response_op_value).collect();
    fields([
        ("header", header_value(&response.header)),
        ("succeeded", response.succeeded.into()),
        ("responses", responses.into()),
    ])
}

fn response_op_value(op: &ResponseOp) -> Value {
    match op.response.as_ref().expect("an answer") {
        ResponseOpKind::Range(response) => json!({"response_range": range_value(response)}),
        ResponseOpKind::Put(response) => json!({"response_put": put_value(response)}),
        ResponseOpKind::DeleteRange(response) => json!({"response_delete_range": delete_value(response)}),
        ResponseOpKind::Txn(response) => json!({"response_txn": txn_value(response)}),
    }
}

fn watch_value(response: &WatchResponse) -> Value {
    let event = |event: &Event| {
        let kind = if event.r#type == EventType::Put as i32 { "PUT" } else { "DELETE" };
        let previous = event.prev_kv.as_ref().map_or(Value::Null, kv_value);
        let kv = event.kv.as_ref().map_or(Value::Null, kv_value);
        fields([("type", kind.into()), ("kv", kv), ("prev_kv", previous)])
    };
    fields([
        ("header", header_value(&response.header)),
        ("watch_id", response.watch_id.into()),
        ("created", response.created.into()),
        ("canceled", response.canceled.into()),
        ("compact_revision", response.compact_revision.into()),
        ("cancel_reason", response.cancel_reason.as_str().into()),
        ("fragment", response.fragment.into()),
        ("events", response.events.iter().map(event).collect()),
    ])
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().enumerate().fold(0u32, |word, (i, byte)| word | u32::from(*byte) << (16 - 8 * i));
        for i in 0..4 {
            let digit = BASE64[(word >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= chunk.len() { digit as char } else { '=' });
        }
    }
    text
}

fn from_base64(text: &str) -> Vec<u8> {
    let (mut word, mut bits, mut bytes) = (0u32, 0, Vec::new());
    for digit in text.bytes().filter(|digit| *digit != b'=') {
        let value = BASE64.iter().position(|known| *known == digit).expect("a digit of base 64");
        word = word << 6 | value as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((word >> bits) as u8);
        }
    }
    bytes
}
