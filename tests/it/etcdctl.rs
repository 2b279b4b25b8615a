//! The workstation's etcdctl against sessions recorded from the real 3.5.1.
//!
//! A recorded command is run in a [`Shell`] whose calls are answered from the recording: the answer that etcd gave is
//! read back from what etcdctl printed. So the test covers parsing, requests of the right kind, printing and exit codes,
//! and needs no server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use control_plane_lab::etcd::api::{
    CompactionResponse, Compare, CompareResult, DeleteRangeRequest, DeleteRangeResponse, Event, EventType,
    HashKvResponse, KeyValue, Member, MemberListResponse, PutRequest, PutResponse, RangeRequest, RangeResponse,
    Request, RequestOpKind, Response, ResponseHeader, ResponseOp, ResponseOpKind, SortOrder, SortTarget,
    StatusResponse, TargetUnion, TxnRequest, TxnResponse, WatchCreateRequest, WatchResponse,
};
use control_plane_lab::etcd::error::{Code, EtcdError, Status};
use control_plane_lab::shell::process::{Ask, CallError, Program, Tell, Token};
use control_plane_lab::shell::{Machine, Shell};
use control_plane_lab::sim::{Micros, SimTime};
use serde_json::Value;

/// One recorded command.
struct Step {
    cmd: String,
    stdin: String,
    stdout: String,
    stderr: String,
    exit: i64,
}

fn folders() -> Vec<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let own = root.join("tests/testdata/etcd/transcripts");
    let conformance = std::env::var_os("LAB_CONFORMANCE").map_or(root.join("../shared/conformance"), PathBuf::from);
    let recorded = conformance.join("recorded/etcd/transcripts");
    if recorded.is_dir() {
        vec![own, recorded]
    } else {
        println!("no conformance folder at {}; only the committed transcripts are read", recorded.display());
        vec![own]
    }
}

fn steps(path: &PathBuf) -> Vec<Step> {
    let text = std::fs::read_to_string(path).unwrap();
    let field = |step: &Value, name: &str| step[name].as_str().unwrap_or_default().to_owned();
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|step| step["cmd"].is_string() && step["exit"].is_i64())
        .map(|step| Step {
            cmd: field(&step, "cmd"),
            stdin: field(&step, "stdin"),
            stdout: field(&step, "stdout"),
            stderr: field(&step, "stderr"),
            exit: step["exit"].as_i64().unwrap(),
        })
        .collect()
}

/// What one command printed, and what it asked that nobody answered.
#[derive(Default)]
struct Outcome {
    stdout: String,
    stderr: String,
    exit: i64,
    asked: Vec<Ask>,
}

fn machine() -> Machine {
    Machine { name: "workstation".into(), hosts: vec!["default".into()], ..Machine::default() }
}

/// Runs a command to its end, or until it asks for something that only a server could answer.
fn run(step: &Step) -> Outcome {
    let mut shell = Shell::new(machine());
    let mut outcome = Outcome::default();
    let mut now = SimTime::ZERO;
    let mut asks = Vec::new();
    shell.line(now, &step.cmd, &mut asks);
    now += Micros(1_000);
    if !step.stdin.is_empty() {
        shell.feed(now, &step.stdin, &mut asks);
    }
    shell.tell(now, Tell::StdinClosed, &mut asks);
    for ask in asks {
        match ask {
            Ask::Stdout(text) => outcome.stdout += &text,
            Ask::Stderr(text) => outcome.stderr += &text,
            other => outcome.asked.push(other),
        }
    }
    outcome.exit = shell.status().into();
    outcome
}

/// The recording without the stack traces of Go, which tell of the machine that built etcd.
fn without_stack_traces(stderr: &str) -> String {
    let stderr = stderr.split("\n\ngoroutine 1 ").next().unwrap_or_default();
    let cut = |line: &str| line.split_once(",\"stacktrace\"").map_or(line.to_owned(), |(head, _)| format!("{head}}}"));
    stderr.lines().map(|line| cut(line) + "\n").collect()
}

/// What stands in a recording where runs differ.
const PLACEHOLDERS: [&str; 6] = ["\"<dur>\"", "<dur>", "<ts>", "<ptr>", "########", "#"];

/// Whether `printed` is `recorded`, whose placeholders stand for any word.
fn alike(recorded: &str, printed: &str) -> bool {
    let (mut recorded, mut printed) = (recorded.lines(), printed.lines());
    loop {
        match (recorded.next(), printed.next()) {
            (None, None) => return true,
            (Some(recorded), Some(printed)) if line_alike(recorded, printed) => {}
            _ => return false,
        }
    }
}

fn line_alike(recorded: &str, printed: &str) -> bool {
    // Tables with a placeholder were drawn again by the recorder: their cells count, not their widths.
    if recorded.starts_with("+-") {
        return printed.starts_with("+-");
    }
    if recorded.starts_with("| ") {
        let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        let (recorded, printed) = (cells(recorded), cells(printed));
        return recorded.len() == printed.len() && recorded.iter().zip(&printed).all(|(a, b)| words_alike(a, b));
    }
    words_alike(recorded, printed)
}

fn words_alike(recorded: &str, printed: &str) -> bool {
    let placeholder =
        PLACEHOLDERS.iter().filter_map(|mask| Some((recorded.find(mask)?, *mask))).min_by_key(|(at, _)| *at);
    let Some((at, mask)) = placeholder else { return recorded == printed };
    let Some(rest) = printed.strip_prefix(&recorded[..at]) else { return false };
    // A time in a log line is a text for one logger and a number for the other.
    // The recorder quotes durations whether they are quoted or not.
    let word = |c: char| c.is_alphanumeric() || " .:-+_<>".contains(c) || (c == '"' && mask.starts_with('"'));
    let end = rest.find(|c: char| !word(c)).unwrap_or(rest.len());
    let after = &recorded[at + mask.len()..];
    let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]).filter(|at| (1..=end).contains(at));
    let mut ends = ends.collect::<Vec<_>>().into_iter().rev();
    ends.any(|end| words_alike(after, &rest[end..]))
}

/// A log line's time as the recorder writes it, whether it is a text or a number.
fn masked(text: &str) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        match line.split_once("\"ts\":") {
            Some((head, tail)) if line.starts_with("{\"level\"") => {
                let end = tail.find(",\"").unwrap_or(tail.len());
                out += &format!("{head}\"ts\":\"<ts>\"{}", &tail[end..]);
            }
            _ => out += line,
        }
    }
    out
}

#[track_caller]
fn compare(step: &Step, outcome: &Outcome, place: &str) {
    let Step { cmd, stdout, exit, .. } = step;
    let stderr = &without_stack_traces(&step.stderr);
    assert!(alike(stdout, &outcome.stdout), "stdout of {cmd} in {place}\n{}\nrecorded\n{stdout}", outcome.stdout);
    assert!(
        alike(stderr, &masked(&outcome.stderr)),
        "stderr of {cmd} in {place}\n{}\nrecorded\n{stderr}",
        outcome.stderr
    );
    assert_eq!(outcome.exit, *exit, "exit of {cmd} in {place}");
}

/// Commands that never reach a server print what the real program prints.
#[test]
fn usage_and_help_are_recorded_ones() {
    let mut compared = BTreeMap::new();
    for folder in folders() {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        paths.sort();
        for path in paths {
            for step in steps(&path) {
                if !step.cmd.contains("etcdctl") || step.cmd.contains("etcdutl") {
                    continue;
                }
                let outcome = run(&step);
                let unbuilt =
                    ["not built into this lab", "has no files yet"].iter().any(|it| outcome.stderr.contains(it));
                if !outcome.asked.is_empty() || unbuilt || outcome.exit == 127 {
                    continue;
                }
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                *compared.entry(name).or_insert(0) += 1;
                compare(&step, &outcome, &path.display().to_string());
            }
        }
    }
    println!("compared without a server: {compared:?}");
    assert!(compared["help_texts-1.jsonl"] >= 50);
    assert!(compared["bad_usage-1.jsonl"] >= 38);
}

/// Whole sessions: commands change what later commands see, watches run beside them.
#[test]
fn sessions_are_recorded_ones() {
    let folder = &folders()[0];
    for (session, least) in [
        ("put_get", 44),
        ("get_ranges", 58),
        ("del_cmds", 35),
        ("txn_cmds", 28),
        ("env_and_formats", 24),
        ("revisions_compaction", 32),
        ("watch_cmds", 34),
        ("cluster_status", 17),
        ("cluster_failover", 24),
        ("maintenance", 35),
        ("bad_usage", 45),
    ] {
        let compared = replay(folder.join(format!("{session}-1.jsonl")));
        assert!(compared >= least, "{session}: only {compared} commands were compared");
    }
}

/// How many commands were compared; the session ends early at one that needs a part of etcd that is not built.
fn replay(path: PathBuf) -> usize {
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let nodes = lines.next().unwrap()["header"]["nodes"].as_array().map_or(1, Vec::len);
    let mut world = World::new(nodes);
    let mut jobs: BTreeMap<String, usize> = BTreeMap::new();
    let mut compared = 0;
    for line in lines {
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let (cmd, stdin) = (text("cmd"), text("stdin"));
        if let Some(note) = line["note"].as_str() {
            world.note(note);
            continue;
        }
        if let Some(job) = line["background"].as_str() {
            jobs.insert(job.to_owned(), world.open(&cmd, &stdin));
            continue;
        }
        if let Some(job) = line["feed"].as_str() {
            world.tell(jobs[job], |shell, now, asks| shell.feed(now, &stdin, asks));
            continue;
        }
        let terminal = match line["end"].as_str() {
            Some(job) => {
                world.tell(jobs[job], |shell, now, asks| shell.tell(now, Tell::Interrupt, asks));
                jobs[job]
            }
            // The recorder gave up on this one: it never ended.
            None if line["exit"].is_null() => continue,
            None => {
                world.hash = hash_in(&text("stdout"));
                let terminal = world.open(&cmd, &stdin);
                world.tell(terminal, |shell, now, asks| shell.tell(now, Tell::StdinClosed, asks));
                terminal
            }
        };
        let Terminal { shell, stdout, stderr, .. } = &world.terminals[terminal];
        if stderr.contains("not built into this lab") || shell.status() == 127 {
            // What follows would show another leader.
            if nodes > 1 && cmd.starts_with("etcdctl move-leader") {
                break;
            }
            continue;
        }
        let exit = line["exit"].as_i64().map(|exit| if exit == -2 { 130 } else { exit }).unwrap();
        let step = Step { cmd, stdin, stdout: text("stdout"), stderr: text("stderr"), exit };
        let outcome =
            Outcome { stdout: stdout.clone(), stderr: stderr.clone(), exit: shell.status().into(), asked: Vec::new() };
        assert!(!shell.running(), "{} is still running", step.cmd);
        compare(&step, &outcome, &path.display().to_string());
        compared += 1;
    }
    compared
}

/// Terminals and a store with just enough of etcd's rules for the recorded sessions, so that this test tests the
/// client. The real engine has tests of its own.
struct World {
    now: SimTime,
    nodes: usize,
    terminals: Vec<Terminal>,
    /// Every change: revision and event.
    history: Vec<(i64, Event)>,
    revision: i64,
    compacted: i64,
    watches: Vec<OpenWatch>,
    /// What `hashkv` finds: taken from the recording, for a hash is a matter of the store and not of its printing.
    hash: u32,
    down: BTreeSet<usize>,
    leader: usize,
}

struct Terminal {
    shell: Shell,
    stdout: String,
    stderr: String,
}

struct OpenWatch {
    terminal: usize,
    token: Token,
    request: WatchCreateRequest,
    next: i64,
}

type Store = BTreeMap<Vec<u8>, KeyValue>;

impl World {
    fn new(nodes: usize) -> World {
        let (history, watches, terminals) = (Vec::new(), Vec::new(), Vec::new());
        World {
            now: SimTime::ZERO,
            nodes,
            terminals,
            history,
            revision: 1,
            compacted: 0,
            watches,
            hash: 0,
            down: BTreeSet::new(),
            leader: 0,
        }
    }

    fn open(&mut self, cmd: &str, stdin: &str) -> usize {
        let shell = Shell::new(machine());
        self.terminals.push(Terminal { shell, stdout: String::new(), stderr: String::new() });
        let terminal = self.terminals.len() - 1;
        self.tell(terminal, |shell, now, asks| {
            shell.line(now, cmd, asks);
            shell.feed(now, stdin, asks);
        });
        terminal
    }

    /// Tells a shell something, and answers all it asks at once.
    fn tell(&mut self, terminal: usize, tell: impl FnOnce(&mut Shell, SimTime, &mut Vec<Ask>)) {
        let mut asks = Vec::new();
        self.now += Micros(1_000);
        tell(&mut self.terminals[terminal].shell, self.now, &mut asks);
        while !asks.is_empty() {
            for ask in std::mem::take(&mut asks) {
                self.answer(terminal, ask, &mut asks);
            }
        }
        self.notify();
    }

    fn answer(&mut self, terminal: usize, ask: Ask, asks: &mut Vec<Ask>) {
        match ask {
            Ask::Stdout(text) => self.terminals[terminal].stdout += &text,
            Ask::Stderr(text) => self.terminals[terminal].stderr += &text,
            Ask::Call { token, endpoints, request, timeout } => {
                let node = self.node(&endpoints[0]);
                let result = match node.filter(|node| !self.down.contains(node)) {
                    None => Err(unreachable(&endpoints[0])),
                    Some(_) if self.nodes - self.down.len() <= self.nodes / 2 && needs_quorum(&request) => {
                        let message = "context deadline exceeded".to_owned();
                        let status = Status { code: Code::DeadlineExceeded, message };
                        Err(CallError { log: status.to_string(), status })
                    }
                    Some(node) => self.call(node, request).map_err(|error| {
                        let status = Status::from(error);
                        CallError { log: status.to_string(), status }
                    }),
                };
                let took = if result.is_ok() { Micros(1_500) } else { timeout };
                let tell = Tell::Answer { token, result };
                self.terminals[terminal].shell.tell(self.now + took, tell, asks);
            }
            Ask::Watch { token, request, .. } => {
                let next = if request.start_revision > 0 { request.start_revision } else { self.revision + 1 };
                self.watches.push(OpenWatch { terminal, token, request, next });
            }
            Ask::CancelWatch { token } => {
                self.watches.retain(|watch| watch.terminal != terminal || watch.token != token);
            }
            Ask::Sleep { token, .. } => self.terminals[terminal].shell.tell(self.now, Tell::Timer { token }, asks),
            Ask::WatchProgress { .. } | Ask::Fault(_) | Ask::Exit(_) => {}
        }
    }

    /// Sends watchers what they have not seen.
    fn notify(&mut self) {
        let mut sent = Vec::new();
        for watch in &mut self.watches {
            let header = header(self.revision, self.nodes);
            if watch.next < self.compacted {
                let compact_revision = self.compacted;
                let header = Some(ResponseHeader { revision: 0, ..header });
                let response = WatchResponse { header, canceled: true, compact_revision, ..WatchResponse::default() };
                watch.next = i64::MAX;
                sent.push((watch.terminal, watch.token, response));
                continue;
            }
            let mut events: Vec<Event> = Vec::new();
            for (revision, event) in self.history.iter().filter(|(revision, _)| *revision >= watch.next) {
                let key = &event.kv.as_ref().unwrap().key;
                if !within(key, &watch.request.key, &watch.request.range_end) {
                    continue;
                }
                let mut event = event.clone();
                let before = || store_at(&self.history, revision - 1).get(&key[..]).cloned();
                event.prev_kv = if watch.request.prev_kv { before() } else { None };
                events.push(event);
            }
            watch.next = watch.next.max(self.revision + 1);
            if !events.is_empty() {
                let header = Some(header);
                sent.push((watch.terminal, watch.token, WatchResponse { header, events, ..WatchResponse::default() }));
            }
        }
        for (terminal, token, response) in sent {
            self.tell(terminal, |shell, now, asks| shell.tell(now, Tell::Watch { token, result: Ok(response) }, asks));
        }
    }

    fn node(&self, endpoint: &str) -> Option<usize> {
        let ports = ["127.0.0.1:2379", "127.0.0.1:22379", "127.0.0.1:32379"];
        let endpoint = endpoint.replace("localhost", "127.0.0.1");
        ports.iter().take(self.nodes).position(|address| endpoint.trim_start_matches("http://") == *address)
    }

    /// `infra2 … killed`, `infra2 … started again`: what happened to the servers.
    fn note(&mut self, note: &str) {
        let Some(at) = note.find("infra").and_then(|at| note[at + 5..].chars().next()?.to_digit(10)) else { return };
        let node = at as usize - 1;
        if note.contains("started again") {
            self.down.remove(&node);
        } else if note.contains("killed") {
            self.down.insert(node);
        }
        if self.down.contains(&self.leader) {
            self.leader = (0..self.nodes).rev().find(|node| !self.down.contains(node)).unwrap_or(0);
        }
    }

    fn call(&mut self, node: usize, request: Request) -> Result<Response, EtcdError> {
        let (nodes, old) = (self.nodes, self.revision);
        let quorum = nodes - self.down.len() > nodes / 2;
        let header =
            |revision: i64| Some(ResponseHeader { member_id: member_ids(nodes)[node], ..header(revision, nodes) });
        match request {
            Request::Status(_) => Ok(Response::Status(StatusResponse {
                header: header(old),
                version: "3.5.1".into(),
                db_size: 20_480,
                leader: if quorum { member_ids(nodes)[self.leader] } else { 0 },
                errors: if quorum { Vec::new() } else { vec![EtcdError::NoLeader.text().to_owned()] },
                raft_index: 9,
                raft_term: 2,
                raft_applied_index: 9,
                db_size_in_use: 16_384,
                ..StatusResponse::default()
            })),
            Request::HashKv(request) if request.revision > self.revision => Err(EtcdError::FutureRev),
            Request::HashKv(request) if request.revision > 0 && request.revision < self.compacted => {
                Err(EtcdError::Compacted)
            }
            Request::HashKv(_) => Ok(Response::HashKv(HashKvResponse {
                header: header(old),
                hash: self.hash,
                compact_revision: if self.compacted == 0 { -1 } else { self.compacted },
            })),
            Request::MemberList(_) => {
                let header = Some(ResponseHeader { revision: 0, ..header(0).unwrap() });
                Ok(Response::MemberList(MemberListResponse { header, members: members(nodes) }))
            }
            Request::Compact(request) if request.revision > self.revision => Err(EtcdError::FutureRev),
            Request::Compact(request) if request.revision <= self.compacted => Err(EtcdError::Compacted),
            Request::Compact(request) => {
                self.compacted = request.revision;
                Ok(Response::Compact(CompactionResponse { header: header(old) }))
            }
            Request::Range(request) => {
                let mut response = self.range(&request, self.revision)?;
                response.header = header(self.revision);
                Ok(Response::Range(response))
            }
            Request::Put(request) => {
                let mut response = self.put(&request, self.revision + 1)?;
                self.revision += 1;
                response.header = header(self.revision);
                Ok(Response::Put(response))
            }
            Request::DeleteRange(request) => {
                let mut response = self.delete(&request, self.revision + 1)?;
                self.revision += i64::from(response.deleted > 0);
                response.header = header(self.revision);
                Ok(Response::DeleteRange(response))
            }
            Request::Txn(request) => {
                let mut response = self.txn(&request)?;
                response.header = header(self.revision);
                Ok(Response::Txn(response))
            }
            other => panic!("no command that is replayed here calls {}", other.name()),
        }
    }

    /// The store including changes of `newest`, which may be half done.
    fn range(&self, request: &RangeRequest, newest: i64) -> Result<RangeResponse, EtcdError> {
        if request.key.is_empty() {
            return Err(EtcdError::EmptyKey);
        }
        if request.revision > newest {
            return Err(EtcdError::FutureRev);
        }
        if request.revision > 0 && request.revision < self.compacted {
            return Err(EtcdError::Compacted);
        }
        let revision = if request.revision > 0 { request.revision } else { newest };
        let mut kvs: Vec<KeyValue> = store_at(&self.history, revision)
            .into_values()
            .filter(|kv| within(&kv.key, &request.key, &request.range_end))
            .collect();
        let count = kvs.len() as i64;
        let limit = if request.limit > 0 { request.limit as usize } else { usize::MAX };
        // As etcd does: with a target but no order, the limit comes before the sort.
        if request.sort_order == 0 && kvs.len() > limit {
            kvs.truncate(limit + 1);
        }
        let keys: &dyn Fn(&KeyValue, &KeyValue) -> std::cmp::Ordering = match request.sort_target() {
            SortTarget::Key => &|a, b| a.key.cmp(&b.key),
            SortTarget::Version => &|a, b| a.version.cmp(&b.version),
            SortTarget::Create => &|a, b| a.create_revision.cmp(&b.create_revision),
            SortTarget::Mod => &|a, b| a.mod_revision.cmp(&b.mod_revision),
            SortTarget::Value => &|a, b| a.value.cmp(&b.value),
        };
        match request.sort_order() {
            SortOrder::Descend => go_sort(&mut kvs, &|a, b| keys(b, a).is_lt()),
            _ => go_sort(&mut kvs, &|a, b| keys(a, b).is_lt()),
        }
        let more = kvs.len() > limit;
        kvs.truncate(limit);
        if request.keys_only {
            kvs.iter_mut().for_each(|kv| kv.value.clear());
        }
        if request.count_only {
            kvs.clear();
        }
        Ok(RangeResponse { header: None, kvs, more: more && !request.count_only, count })
    }

    fn put(&mut self, request: &PutRequest, revision: i64) -> Result<PutResponse, EtcdError> {
        if request.key.is_empty() {
            return Err(EtcdError::EmptyKey);
        }
        let before = store_at(&self.history, revision).get(&request.key[..]).cloned();
        if (request.ignore_value || request.ignore_lease) && before.is_none() {
            return Err(EtcdError::KeyNotFound);
        }
        let value = match &before {
            Some(before) if request.ignore_value => before.value.clone(),
            _ => request.value.clone(),
        };
        let kv = KeyValue {
            key: request.key.clone(),
            create_revision: before.as_ref().map_or(revision, |kv| kv.create_revision),
            mod_revision: revision,
            version: before.as_ref().map_or(0, |kv| kv.version) + 1,
            value,
            lease: request.lease,
        };
        self.history.push((revision, Event { r#type: EventType::Put as i32, kv: Some(kv), prev_kv: None }));
        Ok(PutResponse { header: None, prev_kv: before.filter(|_| request.prev_kv) })
    }

    fn delete(&mut self, request: &DeleteRangeRequest, revision: i64) -> Result<DeleteRangeResponse, EtcdError> {
        if request.key.is_empty() {
            return Err(EtcdError::EmptyKey);
        }
        let doomed = store_at(&self.history, revision).into_values();
        let doomed: Vec<KeyValue> = doomed.filter(|kv| within(&kv.key, &request.key, &request.range_end)).collect();
        for kv in &doomed {
            let gone = KeyValue { key: kv.key.clone(), mod_revision: revision, ..KeyValue::default() };
            self.history.push((revision, Event { r#type: EventType::Delete as i32, kv: Some(gone), prev_kv: None }));
        }
        let deleted = doomed.len() as i64;
        Ok(DeleteRangeResponse { header: None, deleted, prev_kvs: if request.prev_kv { doomed } else { Vec::new() } })
    }

    fn txn(&mut self, request: &TxnRequest) -> Result<TxnResponse, EtcdError> {
        let store = store_at(&self.history, self.revision);
        let holds = |compare: &Compare| {
            let kv = store.get(&compare.key[..]);
            let none = KeyValue::default();
            let found = kv.unwrap_or(&none);
            let order = match compare.target_union.as_ref().unwrap() {
                TargetUnion::Version(version) => found.version.cmp(version),
                TargetUnion::CreateRevision(revision) => found.create_revision.cmp(revision),
                TargetUnion::ModRevision(revision) => found.mod_revision.cmp(revision),
                TargetUnion::Lease(lease) => found.lease.cmp(lease),
                // The value of a key that does not exist is equal to nothing.
                TargetUnion::Value(_) if kv.is_none() => return false,
                TargetUnion::Value(value) => found.value.cmp(value),
            };
            match compare.result() {
                CompareResult::Equal => order.is_eq(),
                CompareResult::NotEqual => order.is_ne(),
                CompareResult::Greater => order.is_gt(),
                CompareResult::Less => order.is_lt(),
            }
        };
        let succeeded = request.compare.iter().all(holds);
        for ops in [&request.success, &request.failure] {
            let mut written = BTreeSet::new();
            for op in ops {
                let key = match op.request.as_ref().unwrap() {
                    RequestOpKind::Put(put) => &put.key,
                    RequestOpKind::DeleteRange(delete) => &delete.key,
                    _ => continue,
                };
                if !written.insert(key.clone()) {
                    return Err(EtcdError::DuplicateKey);
                }
            }
        }
        let revision = self.revision + 1;
        let before = self.history.len();
        let mut responses = Vec::new();
        for op in if succeeded { &request.success } else { &request.failure } {
            let newest = if self.history.len() > before { revision } else { revision - 1 };
            let response = match op.request.as_ref().unwrap() {
                RequestOpKind::Range(request) => ResponseOpKind::Range(self.range(request, newest)?),
                RequestOpKind::Put(request) => ResponseOpKind::Put(self.put(request, revision)?),
                RequestOpKind::DeleteRange(request) => ResponseOpKind::DeleteRange(self.delete(request, revision)?),
                RequestOpKind::Txn(_) => panic!("etcdctl writes no nested transactions"),
            };
            responses.push(response);
        }
        self.revision += i64::from(self.history.len() > before);
        let inner = Some(ResponseHeader { revision: self.revision, ..ResponseHeader::default() });
        let response = |mut response| {
            match &mut response {
                ResponseOpKind::Range(response) => response.header = inner.clone(),
                ResponseOpKind::Put(response) => response.header = inner.clone(),
                ResponseOpKind::DeleteRange(response) => response.header = inner.clone(),
                ResponseOpKind::Txn(response) => response.header = inner.clone(),
            }
            ResponseOp { response: Some(response) }
        };
        Ok(TxnResponse { header: None, succeeded, responses: responses.into_iter().map(response).collect() })
    }
}

/// The first number that can only be a hash.
fn hash_in(stdout: &str) -> u32 {
    let mut numbers = stdout.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse::<u32>().ok());
    numbers.find(|number| *number > 65_535).unwrap_or(0)
}

fn needs_quorum(request: &Request) -> bool {
    match request {
        Request::Range(request) => !request.serializable,
        Request::Status(_) | Request::HashKv(_) => false,
        _ => true,
    }
}

fn unreachable(endpoint: &str) -> CallError {
    let dial = format!("transport: Error while dialing dial tcp {endpoint}: connect: connection refused");
    let log = format!(
        "rpc error: code = DeadlineExceeded desc = latest balancer error: last connection error: connection error: \
         desc = {dial:?}"
    );
    let status = Status { code: Code::DeadlineExceeded, message: "context deadline exceeded".to_owned() };
    CallError { status, log }
}

fn header(revision: i64, nodes: usize) -> ResponseHeader {
    let cluster_id = if nodes == 3 { 17_237_436_991_929_493_444 } else { 8_925_027_824_743_593_106 };
    ResponseHeader { cluster_id, member_id: member_ids(nodes)[0], revision, raft_term: 2 }
}

fn member_ids(nodes: usize) -> Vec<u64> {
    match nodes {
        3 => vec![0x8211_f1d0_f64f_3269, 0x91bc_3c39_8fb3_c146, 0xfd42_2379_fda5_0e48],
        _ => vec![13_803_658_152_347_727_308],
    }
}

fn members(nodes: usize) -> Vec<Member> {
    let member = |(at, id): (usize, u64)| {
        let tens = if at == 0 { String::new() } else { (at + 1).to_string() };
        let name = if nodes == 3 { format!("infra{}", at + 1) } else { "default".to_owned() };
        let peer =
            if nodes == 3 { format!("http://127.0.0.1:{}2380", at + 1) } else { "http://127.0.0.1:2380".to_owned() };
        let client_urls = vec![format!("http://127.0.0.1:{tens}2379")];
        Member { id, name, peer_urls: vec![peer], client_urls, is_learner: false }
    };
    member_ids(nodes).into_iter().enumerate().map(member).collect()
}

fn within(key: &[u8], start: &[u8], end: &[u8]) -> bool {
    match end {
        [] => key == start,
        [0] => key >= start,
        end => key >= start && key < end,
    }
}

fn store_at(history: &[(i64, Event)], revision: i64) -> Store {
    let mut store = Store::new();
    for (_, event) in history.iter().filter(|(at, _)| *at <= revision) {
        let kv = event.kv.clone().unwrap();
        match event.r#type() {
            EventType::Put => drop(store.insert(kv.key.to_vec(), kv)),
            EventType::Delete => drop(store.remove(&kv.key[..])),
        }
    }
    store
}

/// Go 1.16's sort of at most twelve elements: the recordings show how it orders equal ones.
fn go_sort(kvs: &mut [KeyValue], less: &dyn Fn(&KeyValue, &KeyValue) -> bool) {
    assert!(kvs.len() <= 12);
    for at in 6..kvs.len() {
        if less(&kvs[at], &kvs[at - 6]) {
            kvs.swap(at, at - 6);
        }
    }
    for end in 1..kvs.len() {
        let mut at = end;
        while at > 0 && less(&kvs[at], &kvs[at - 1]) {
            kvs.swap(at, at - 1);
            at -= 1;
        }
    }
}

/// What the recordings do not show, known from the program's source.
#[test]
fn usage_beyond_the_recordings() {
    #[track_caller]
    fn check(cmd: &str, stderr: &str, exit: i64) {
        let step = Step { cmd: cmd.into(), stdin: String::new(), stdout: String::new(), stderr: String::new(), exit };
        let outcome = run(&step);
        assert_eq!((outcome.stderr.as_str(), outcome.exit), (stderr, exit));
    }
    check("etcdctl help bogus", "Unknown help topic [`bogus`]\n", 0);
    check("etcdctl lease grant 60", "Error: lease grant is not built into this lab yet\n", 1);
    check("etcdctl watch a b --prefix", "Error: `range_end` and `--prefix` are mutually exclusive\n", 128);
    check("etcdctl watch a --", "Error: bad number of arguments (found separator --, but no commands)\n", 128);
    let range_end = "Error: ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END=\"b\"\n";
    check("ETCDCTL_WATCH_RANGE_END=b etcdctl watch", range_end, 128);
    let conflict = "Error: bad number of arguments (found conflicting environment key)\n";
    check("ETCDCTL_WATCH_KEY=b etcdctl watch a", conflict, 128);
    check("etcdctl get a --cacert=x.pem", "Error: open x.pem: no such file or directory\n", 128);
    check("ETCDCTL_API=4 etcdctl get a", "unsupported API version: 4\n", 1);
}

/// Manual and periodic progress.
#[test]
fn progress_is_shown() {
    let mut world = World::new(1);
    let terminal = world.open("etcdctl watch a --progress-notify", "");
    let token = world.watches[0].token;
    let header = Some(header(7, 1));
    let created = WatchResponse { header: header.clone(), created: true, ..WatchResponse::default() };
    let progress = WatchResponse { header, ..WatchResponse::default() };
    for response in [created, progress] {
        world.tell(terminal, |shell, now, asks| shell.tell(now, Tell::Watch { token, result: Ok(response) }, asks));
    }
    assert_eq!(world.terminals[terminal].stdout, "progress notify: 7\n");
}
