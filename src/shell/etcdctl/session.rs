//! What `lock` and `elect` share: a session, which is a lease that is kept alive, and waiting for the keys of others to
//! go. Upstream: `client/v3/concurrency`.

use super::super::process::{Ask, Asks, NO_DEADLINE, Tell, Token};
use super::super::text::to_bytes;
use super::client::Client;
use super::{EXIT_ERROR, Failure};
use crate::etcd::api::{
    Compare, CompareResult, CompareTarget, DeleteRangeRequest, EventType, LeaseGrantRequest, PutRequest, RangeRequest,
    Request, RequestOp, RequestOpKind, Response, SortOrder, SortTarget, TargetUnion, TxnRequest, WatchCreateRequest,
};
use crate::etcd::client::prefix_end;
use crate::sim::SimTime;
use bytes::Bytes;

/// Seconds that a session outlives its owner, unless it is told otherwise.
pub const TTL: i64 = 60;

const GRANT: Token = Token(1);
const KEEP_ALIVE: Token = Token(2);
/// Calls of the command itself.
pub const CALL: Token = Token(3);
/// The first watch; each further one has a token of its own.
const WATCHES: u32 = 100;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Session {
    pub client: Client,
    /// 0 until it was granted.
    pub lease: i64,
    watches: u32,
}

/// What an answer meant.
pub enum Told {
    /// The session has its lease.
    Ready,
    /// The lease is gone.
    Expired,
    /// Something for the command.
    Other(Tell),
}

impl Session {
    pub fn new(client: Client, ttl: i64, asks: &mut Asks) -> Session {
        client.ask_within(GRANT, Request::LeaseGrant(LeaseGrantRequest { ttl, id: 0 }), NO_DEADLINE, asks);
        Session { client, lease: 0, watches: 0 }
    }

    pub fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> Result<Told, Failure> {
        match tell {
            Tell::Answer { token: GRANT, result } => {
                let answer = result.map_err(|error| Failure::new(EXIT_ERROR, self.client.failed(now, &error, asks)))?;
                if let Response::LeaseGrant(granted) = answer {
                    self.lease = granted.id;
                    asks.push(Ask::KeepAlive { token: KEEP_ALIVE, via: self.client.via.clone(), lease: self.lease });
                }
                Ok(Told::Ready)
            }
            Tell::KeptAlive { token: KEEP_ALIVE, response: None } => Ok(Told::Expired),
            tell => Ok(Told::Other(tell)),
        }
    }

    /// The session's key below a prefix.
    pub fn key(&self, prefix: &str) -> Bytes {
        to_bytes(&format!("{prefix}{:x}", self.lease))
    }

    pub fn call(&self, request: Request, asks: &mut Asks) {
        self.client.ask_within(CALL, request, NO_DEADLINE, asks);
    }

    /// Puts the session's key if it is not there; reads it otherwise. Then reads who came first.
    pub fn enter(&self, prefix: &str, value: &str, read_owner: bool, asks: &mut Asks) {
        let key = self.key(prefix);
        let put = PutRequest { key: key.clone(), value: to_bytes(value), lease: self.lease, ..PutRequest::default() };
        let get = RangeRequest { key: key.clone(), ..RangeRequest::default() };
        let owner = read_owner.then(|| RequestOpKind::Range(first_created(prefix)));
        let ops = |first: RequestOpKind| {
            [Some(first), owner.clone()].into_iter().flatten().map(|op| RequestOp { request: Some(op) }).collect()
        };
        let (success, failure) = (ops(RequestOpKind::Put(put)), ops(RequestOpKind::Range(get)));
        self.call(Request::Txn(TxnRequest { compare: vec![created_at(key, 0)], success, failure }), asks);
    }

    /// Asks for the youngest of the keys below the prefix that are older than `revision`.
    pub fn last_before(&self, prefix: &str, revision: i64, asks: &mut Asks) {
        let key = to_bytes(prefix);
        let range = RangeRequest {
            range_end: prefix_end(&key),
            key,
            limit: 1,
            sort_order: SortOrder::Descend as i32,
            sort_target: SortTarget::Create as i32,
            max_create_revision: revision - 1,
            ..RangeRequest::default()
        };
        self.call(Request::Range(range), asks);
    }

    /// Watches from a revision on; returns the watch's token.
    pub fn watch(&mut self, key: Bytes, range_end: Bytes, start_revision: i64, asks: &mut Asks) -> Token {
        let token = Token(WATCHES + self.watches);
        self.watches += 1;
        let request = WatchCreateRequest { key, range_end, start_revision, ..WatchCreateRequest::default() };
        asks.push(Ask::Watch { token, via: self.client.via.clone(), request });
        token
    }

    /// Deletes the session's key.
    pub fn delete(&self, key: Bytes, asks: &mut Asks) {
        self.call(Request::DeleteRange(DeleteRangeRequest { key, ..DeleteRangeRequest::default() }), asks);
    }

    /// Deletes a key unless it was made anew.
    pub fn delete_if(&self, key: Bytes, revision: i64, asks: &mut Asks) {
        let delete = DeleteRangeRequest { key: key.clone(), ..DeleteRangeRequest::default() };
        let success = vec![RequestOp { request: Some(RequestOpKind::DeleteRange(delete)) }];
        let compare = vec![created_at(key, revision)];
        self.call(Request::Txn(TxnRequest { compare, success, failure: Vec::new() }), asks);
    }
}

/// The oldest key below a prefix: `WithFirstCreate`.
pub fn first_created(prefix: &str) -> RangeRequest {
    let key = to_bytes(prefix);
    RangeRequest {
        range_end: prefix_end(&key),
        key,
        limit: 1,
        sort_order: SortOrder::Ascend as i32,
        sort_target: SortTarget::Create as i32,
        ..RangeRequest::default()
    }
}

fn created_at(key: Bytes, revision: i64) -> Compare {
    Compare {
        result: CompareResult::Equal as i32,
        target: CompareTarget::Create as i32,
        key,
        target_union: Some(TargetUnion::CreateRevision(revision)),
        range_end: Bytes::new(),
    }
}

/// Whether a watch saw its key deleted.
pub fn saw_delete(response: &crate::etcd::api::WatchResponse) -> bool {
    response.events.iter().any(|event| event.r#type == EventType::Delete as i32)
}
