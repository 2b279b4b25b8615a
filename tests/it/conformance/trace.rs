//! Traces: requests one after another, and what etcd answered.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use control_plane_lab::etcd::api::{
    Response, WatchCancelRequest, WatchProgressRequest, WatchRequestKind, WatchResponse,
};
use control_plane_lab::etcd::cluster::Settings;
use control_plane_lab::etcd::error::Status;
use control_plane_lab::etcd::wire::{AuthToken, ConnId};
use control_plane_lab::sim::Micros;
use serde_json::{Value, json};

use super::Outcome;
use super::engine::Engine;
use super::values;

/// Time between two operations, so that no two leases end at the same moment.
const PAUSE: Micros = Micros::from_millis(1);
/// An answer to nothing has not come after so long.
const SILENCE: Micros = Micros::from_millis(2);

/// Quirks of etcd's that are not copied. There are none.
const NOT_COPIED: [&str; 0] = [];

/// The profile of a trace; nothing if the text is none.
pub fn profile(text: &str) -> Option<String> {
    let header: Value = serde_json::from_str(text.lines().next()?).ok()?;
    let header = header.get("header")?;
    header.get("flags")?;
    header.get("profile")?.as_str().map(str::to_owned)
}

pub fn replay(_: &Path, text: &str) -> Outcome {
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    let header = lines.next().expect("a header");
    let mut replay = Replay::start(&header["header"]["flags"]);
    for line in lines {
        let result = replay.run(&line["op"]);
        let (field, ours) = match result {
            Ok(response) => ("resp", response),
            Err(Status { code, message }) => ("error", json!({"code": code.to_string(), "message": message})),
        };
        if line.get(field) == Some(&ours) {
            continue;
        }
        let tags: Vec<String> =
            line["quirk"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        if tags.iter().any(|tag| NOT_COPIED.contains(&tag.as_str())) {
            return Outcome::Quirk(tags);
        }
        let expected = line.get("resp").or(line.get("error"));
        let expected = expected.map_or("nothing".to_owned(), |value| clip(value.to_string()));
        let (i, op, ours) = (&line["i"], clip(line["op"].to_string()), clip(ours.to_string()));
        return Outcome::Different(format!("line {i}\n  op   {op}\n  etcd {expected}\n  lab  {ours}"));
    }
    Outcome::Equal
}

fn clip(mut text: String) -> String {
    if text.len() > 3000 {
        let end = (0..=3000).rev().find(|end| text.is_char_boundary(*end)).expect("0 is a boundary");
        text.truncate(end);
        text.push('…');
    }
    text
}

struct Replay {
    engine: Engine,
    /// Kept tokens by the names that the trace gave them.
    tokens: BTreeMap<String, String>,
    streams: BTreeMap<i64, (ConnId, AuthToken)>,
    /// Not yet told to a `watch_sync`, by `stream/watch`.
    received: BTreeMap<String, Vec<Value>>,
}

impl Replay {
    fn start(flags: &Value) -> Replay {
        let engine = Engine::start(settings(flags));
        Replay { engine, tokens: BTreeMap::new(), streams: BTreeMap::new(), received: BTreeMap::new() }
    }

    fn run(&mut self, op: &Value) -> Result<Value, Status> {
        let answer = self.dispatch(op);
        self.engine.run_for(PAUSE);
        self.collect();
        answer
    }

    fn dispatch(&mut self, op: &Value) -> Result<Value, Status> {
        let token = self.token(op);
        let own = self.engine.member().id().0;
        let kind = op["type"].as_str().expect("an operation has a type");
        let request = if kind == "alarm" { Some(values::alarm_request(op, own)) } else { values::request(op) };
        if let Some(request) = request {
            let response = self.engine.call(token, request)?;
            if let (Response::Authenticate(login), Some(name)) = (&response, op["save_as"].as_str()) {
                self.tokens.insert(name.to_owned(), login.token.clone());
            }
            return Ok(values::response(&response, own));
        }
        Ok(match kind {
            "settle" => {
                self.engine.run_for(Micros::from_millis(op["ms"].as_u64().expect("milliseconds")));
                json!({})
            }
            "restart" => {
                self.engine.restart();
                self.streams.clear();
                self.received.clear();
                json!({})
            }
            "wait_expiry" => json!({"expired": self.wait_expiry(values::int(op, "ID"))}),
            _ => self.watch(kind, op, token),
        })
    }

    fn token(&self, op: &Value) -> AuthToken {
        let raw = op["auth_raw"].as_str().map(str::to_owned);
        let named = op["auth"].as_str().map(|name| self.tokens.get(name).cloned().unwrap_or("garbage".to_owned()));
        raw.or(named).map(Arc::from)
    }

    /// Lets the lease's time pass: it is gone a second after its end at most.
    fn wait_expiry(&mut self, id: i64) -> bool {
        let exists = |engine: &Engine| engine.member().store().kv().lessor.exists(id);
        let lease = self.engine.member().store().kv().lessor.get(id).expect("the lease that is waited for");
        let left = lease.expiry().expect("the leader counts").since(self.engine.now());
        self.engine.run_for(left);
        self.engine.run_for(Micros::from_secs(1));
        !exists(&self.engine)
    }

    fn watch(&mut self, kind: &str, op: &Value, token: AuthToken) -> Value {
        let stream = values::int(op, "stream");
        match kind {
            "watch_open" => {
                let conn = self.engine.open_stream();
                self.streams.insert(stream, (conn, token));
                json!({})
            }
            "watch_close" => {
                let (conn, _) = self.streams.remove(&stream).expect("an open stream");
                self.engine.close_stream(conn);
                self.received.retain(|name, _| !name.starts_with(&format!("{stream}/")));
                json!({})
            }
            "watch_create" => {
                let request = WatchRequestKind::Create(values::watch_request(op));
                self.ask(stream, request, |response| response.created)
            }
            "watch_cancel" => {
                let watch_id = values::int(op, "watch_id");
                let request = WatchRequestKind::Cancel(WatchCancelRequest { watch_id });
                self.ask(stream, request, |response| response.canceled && response.compact_revision == 0)
            }
            "watch_progress" => {
                self.sync();
                let request = WatchRequestKind::Progress(WatchProgressRequest {});
                self.ask(stream, request, |response| response.watch_id == -1)
            }
            "watch_sync" => {
                self.sync();
                let received = std::mem::take(&mut self.received);
                received.into_iter().map(|(name, all)| (name, Value::Array(all))).collect()
            }
            other => panic!("no operation is called {other}"),
        }
    }

    /// Asks something of a stream. The one response that answers it, or null.
    fn ask(&mut self, stream: i64, request: WatchRequestKind, is_answer: fn(&WatchResponse) -> bool) -> Value {
        self.collect();
        let (conn, token) = self.streams[&stream].clone();
        self.engine.ask_stream(conn, token, request);
        self.engine.run_for(SILENCE);
        let mut answer = Value::Null;
        for response in self.engine.told(conn) {
            if answer.is_null() && is_answer(&response) {
                answer = values::watch_value(&response);
            } else {
                self.receive(stream, response);
            }
        }
        answer
    }

    /// Lets every watcher catch up and its events arrive.
    fn sync(&mut self) {
        self.engine.run_while(|engine| {
            let store = engine.member().store();
            store.unsynced() > 0 || store.victims() > 0
        });
        self.engine.run_for(SILENCE);
        self.collect();
    }

    fn collect(&mut self) {
        let streams: Vec<(i64, ConnId)> = self.streams.iter().map(|(name, (conn, _))| (*name, *conn)).collect();
        for (stream, conn) in streams {
            for response in self.engine.told(conn) {
                self.receive(stream, response);
            }
        }
    }

    fn receive(&mut self, stream: i64, response: WatchResponse) {
        let name = format!("{stream}/{}", response.watch_id);
        let value = values::watch_value(&WatchResponse { watch_id: 0, ..response });
        self.received.entry(name).or_default().push(value);
    }
}

fn settings(flags: &Value) -> Settings {
    let flags: Vec<&str> = flags.as_array().expect("flags").iter().filter_map(Value::as_str).collect();
    let mut settings = Settings::default();
    for pair in flags.chunks_exact(2) {
        let number: i64 = pair[1].parse().expect("a number");
        match pair[0] {
            "--quota-backend-bytes" => settings.quota_backend_bytes = number,
            "--max-request-bytes" => settings.max_request_bytes = number as usize,
            "--bcrypt-cost" => settings.bcrypt_cost = number as u32,
            "--max-txn-ops" => settings.max_txn_ops = number as usize,
            other => panic!("the flag {other} is not known"),
        }
    }
    settings
}
