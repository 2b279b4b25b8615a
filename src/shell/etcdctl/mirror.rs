//! `make-mirror`: copies what is there, then whatever changes. Upstream: `client/v3/mirror`.
//!
//! The destination is whatever its endpoint leads to: another cluster of this world if there is one, or the same cluster
//! under another prefix. Revisions, versions and leases are not copied; nor is a deletion of what was there before.

use super::super::process::{Ask, Asks, NO_DEADLINE, Tell, Token, Via};
use super::super::text::to_bytes;
use super::client::{Client, credentials};
use super::flags::Parsed;
use super::kv::{OPEN_END, is_on, text};
use super::{EXIT_BAD_ARGS, EXIT_ERROR, Failure, Step};
use crate::etcd::api::{
    DeleteRangeRequest, Event, EventType, KeyValue, PutRequest, RangeRequest, RangeResponse, Request, RequestOp,
    RequestOpKind, Response, TxnRequest, WatchCreateRequest, WatchResponse,
};
use crate::etcd::client::prefix_end;
use crate::etcd::error::EtcdError;
use crate::sim::{Micros, SimTime};
use bytes::Bytes;
use std::collections::VecDeque;

/// Keys read at a time.
const BATCH: i64 = 1_000;
/// How often it says how much it has copied.
const REPORT: Micros = Micros::from_secs(30);
/// Changes that wait to be written; more, and the mirror gives up rather than the page.
const WAITING_MAX: usize = 100_000;

const SOURCE: Token = Token(0);
const DESTINATION: Token = Token(1);
const CHANGES: Token = Token(2);
const REPORTS: Token = Token(3);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mirror {
    client: Client,
    destination: Via,
    prefix: Bytes,
    /// What stands for the prefix at the destination.
    into: Bytes,
    revision: i64,
    stage: Stage,
    /// Writes that wait, and how many keys each counts for.
    writes: VecDeque<(Request, u64)>,
    writing: Option<u64>,
    copied: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Asking,
    /// The next batch begins here; it is read once the last one is written.
    Next(Bytes),
    /// Everything was read; the watch opens once it is written.
    Read,
    Watching,
}

impl Mirror {
    pub fn new(client: Client, parsed: &Parsed, asks: &mut Asks) -> Result<Mirror, Failure> {
        let flag = |name: &str| text(parsed, "make-mirror", name);
        let no_prefix = is_on(parsed, "make-mirror", "no-dest-prefix");
        for name in ["dest-cacert", "dest-cert", "dest-key"] {
            if !flag(name).is_empty() {
                let message = format!("open {}: no such file or directory", flag(name));
                return Err(Failure::new(EXIT_BAD_ARGS, message));
            }
        }
        if no_prefix && !flag("dest-prefix").is_empty() {
            let message = "`--dest-prefix` and `--no-dest-prefix` cannot be set at the same time, choose one";
            return Err(Failure::new(EXIT_BAD_ARGS, message));
        }
        let into = match (no_prefix, flag("dest-prefix")) {
            (true, _) => "",
            (false, "") => flag("prefix"),
            (false, into) => into,
        };
        let user = credentials(flag("dest-user"), flag("dest-password"));
        let mirror = Mirror {
            destination: Via { endpoints: vec![parsed.positional[0].clone()], user },
            prefix: to_bytes(flag("prefix")),
            into: to_bytes(into),
            revision: 0,
            stage: Stage::Asking,
            writes: VecDeque::new(),
            writing: None,
            copied: 0,
            client,
        };
        // Any key will do: the answer tells the revision at which everything is read.
        let request = RangeRequest { key: Bytes::from_static(b"foo"), ..RangeRequest::default() };
        mirror.client.ask_within(SOURCE, Request::Range(request), NO_DEADLINE, asks);
        asks.push(Ask::Sleep { token: REPORTS, span: REPORT });
        Ok(mirror)
    }

    fn end(&self) -> Bytes {
        if self.prefix.is_empty() { OPEN_END } else { prefix_end(&self.prefix) }
    }

    pub fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> Step {
        match tell {
            Tell::Timer { token: REPORTS } => {
                asks.print(format!("{}\n", self.copied));
                asks.push(Ask::Sleep { token: REPORTS, span: REPORT });
            }
            Tell::Answer { token: SOURCE, result } => {
                let answer = result.map_err(|error| Failure::new(EXIT_ERROR, self.client.failed(now, &error, asks)))?;
                if let Response::Range(range) = answer {
                    self.read(range);
                }
            }
            Tell::Answer { token: DESTINATION, result } => {
                let endpoint = self.destination.endpoints[0].clone();
                result
                    .map_err(|error| Failure::new(EXIT_ERROR, self.client.failed_at(now, &endpoint, &error, asks)))?;
                self.copied += self.writing.take().unwrap_or(0);
            }
            Tell::Watch { token: CHANGES, result } => match result {
                Ok(response) if response.compact_revision != 0 => {
                    return Err(Failure::new(EXIT_ERROR, EtcdError::Compacted));
                }
                Ok(response) if response.canceled => return Err(Failure::new(EXIT_ERROR, response.cancel_reason)),
                Ok(response) => self.changed(response)?,
                Err(status) => return Err(Failure::new(EXIT_ERROR, super::client::error_text(&status))),
            },
            _ => {}
        }
        self.write(asks);
        Ok(None)
    }

    /// A batch of what is there, or the first answer.
    fn read(&mut self, range: RangeResponse) {
        if self.revision == 0 {
            self.revision = range.header.map_or(0, |header| header.revision);
            self.stage = Stage::Next(self.start());
            return;
        }
        let last = range.kvs.last().map(|kv| kv.key.clone());
        for kv in range.kvs {
            self.writes.push_back((Request::Put(self.put(&kv)), 1));
        }
        self.stage = match last {
            Some(key) if range.more => Stage::Next([&key[..], b"\0"].concat().into()),
            _ => Stage::Read,
        };
    }

    fn start(&self) -> Bytes {
        if self.prefix.is_empty() { OPEN_END } else { self.prefix.clone() }
    }

    /// Reads the next batch, or watches once all is read.
    fn read_on(&mut self, asks: &mut Asks) {
        match std::mem::replace(&mut self.stage, Stage::Asking) {
            Stage::Next(key) => {
                let (range_end, revision) = (self.end(), self.revision);
                let request = RangeRequest { key, range_end, limit: BATCH, revision, ..RangeRequest::default() };
                self.client.ask_within(SOURCE, Request::Range(request), NO_DEADLINE, asks);
            }
            Stage::Read => {
                let (key, range_end, start_revision) = (self.start(), self.end(), self.revision + 1);
                let request = WatchCreateRequest { key, range_end, start_revision, ..WatchCreateRequest::default() };
                asks.push(Ask::Watch { token: CHANGES, via: self.client.via.clone(), request });
                self.stage = Stage::Watching;
            }
            stage => self.stage = stage,
        }
    }

    /// What changed together is written together.
    fn changed(&mut self, response: WatchResponse) -> Result<(), Failure> {
        let mut batch: Vec<Event> = Vec::new();
        let revision = |event: &Event| event.kv.as_ref().map_or(0, |kv| kv.mod_revision);
        for event in response.events {
            if batch.last().is_some_and(|last| revision(last) < revision(&event)) {
                self.push_txn(&batch);
                batch.clear();
            }
            batch.push(event);
        }
        if !batch.is_empty() {
            self.push_txn(&batch);
        }
        if self.writes.len() > WAITING_MAX {
            let message = format!("more than {WAITING_MAX} changes wait for the destination");
            return Err(Failure::new(EXIT_ERROR, message));
        }
        Ok(())
    }

    fn push_txn(&mut self, events: &[Event]) {
        let op = |event: &Event| {
            let kv = event.kv.clone().unwrap_or_default();
            let request = match event.r#type == EventType::Delete as i32 {
                true => {
                    let key = self.renamed(&kv.key);
                    RequestOpKind::DeleteRange(DeleteRangeRequest { key, ..DeleteRangeRequest::default() })
                }
                false => RequestOpKind::Put(self.put(&kv)),
            };
            RequestOp { request: Some(request) }
        };
        let success = events.iter().map(op).collect();
        self.writes.push_back((Request::Txn(TxnRequest { success, ..TxnRequest::default() }), events.len() as u64));
    }

    fn put(&self, kv: &KeyValue) -> PutRequest {
        PutRequest { key: self.renamed(&kv.key), value: kv.value.clone(), ..PutRequest::default() }
    }

    /// The key with the first occurrence of the prefix replaced.
    fn renamed(&self, key: &[u8]) -> Bytes {
        let rest = key.strip_prefix(&self.prefix[..]).unwrap_or(key);
        [&self.into[..], rest].concat().into()
    }

    fn write(&mut self, asks: &mut Asks) {
        if self.writing.is_some() {
            return;
        }
        let Some((request, keys)) = self.writes.pop_front() else { return self.read_on(asks) };
        self.writing = Some(keys);
        asks.push(Ask::Call { token: DESTINATION, via: self.destination.clone(), request, timeout: NO_DEADLINE });
    }
}
