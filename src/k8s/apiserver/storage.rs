//! Objects as etcd transactions: what is asked of etcd, and what its answers mean.
//!
//! Upstream: `k8s.io/apiserver/pkg/storage/etcd3/store.go`.

use crate::etcd::api::{
    Compare, CompareResult, CompareTarget, DeleteRangeRequest, KeyValue, PutRequest, RangeRequest, Request, RequestOp,
    RequestOpKind, Response, ResponseOpKind, TargetUnion, TxnRequest,
};
use crate::etcd::client::prefix_end;
use bytes::Bytes;

/// A key as etcd holds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    pub key: Bytes,
    pub value: Bytes,
    /// The key's mod revision: the object's resourceVersion.
    pub revision: i64,
}

/// What a transaction on one key came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Done, at this revision.
    Done { revision: i64 },
    /// Somebody was there before: what the key holds now.
    Lost { current: Option<Stored> },
}

/// A page of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub entries: Vec<Stored>,
    /// The store's revision when it was read.
    pub revision: i64,
    pub more: bool,
    /// How many keys the whole range has.
    pub count: i64,
}

impl From<KeyValue> for Stored {
    fn from(kv: KeyValue) -> Stored {
        Stored { key: kv.key, value: kv.value, revision: kv.mod_revision }
    }
}

/// Creates a key that does not exist.
pub fn create(key: &str, value: Bytes, lease: i64) -> Request {
    let put = PutRequest { key: bytes(key), value, lease, ..PutRequest::default() };
    txn(key, 0, RequestOpKind::Put(put))
}

/// Writes a key that is still as it was at `revision`.
pub fn update(key: &str, revision: i64, value: Bytes, lease: i64) -> Request {
    let put = PutRequest { key: bytes(key), value, lease, ..PutRequest::default() };
    txn(key, revision, RequestOpKind::Put(put))
}

/// Deletes a key that is still as it was at `revision`.
pub fn delete(key: &str, revision: i64) -> Request {
    let delete = DeleteRangeRequest { key: bytes(key), ..DeleteRangeRequest::default() };
    txn(key, revision, RequestOpKind::DeleteRange(delete))
}

pub fn get(key: &str) -> Request {
    Request::Range(RangeRequest { key: bytes(key), ..RangeRequest::default() })
}

/// A page of a prefix from `start` on, at a revision or, with zero, at the newest.
pub fn list(prefix: &str, start: &str, limit: i64, revision: i64) -> Request {
    Request::Range(RangeRequest {
        key: bytes(start),
        range_end: prefix_end(prefix.as_bytes()),
        limit,
        revision,
        ..RangeRequest::default()
    })
}

/// Asks only which revision is the newest, by what costs least. Upstream: `GetCurrentResourceVersion`.
pub fn newest_revision(prefix: &str) -> Request {
    let range_end = prefix_end(prefix.as_bytes());
    Request::Range(RangeRequest { key: bytes(prefix), range_end, limit: 1, keys_only: true, ..RangeRequest::default() })
}

fn txn(key: &str, revision: i64, then: RequestOpKind) -> Request {
    let unchanged = Compare {
        result: CompareResult::Equal as i32,
        target: CompareTarget::Mod as i32,
        key: bytes(key),
        target_union: Some(TargetUnion::ModRevision(revision)),
        range_end: Bytes::new(),
    };
    // Upstream reads on failure only where it goes on with what it read; a create says no either way.
    let read = RangeRequest { key: bytes(key), ..RangeRequest::default() };
    let failure = if revision == 0 { Vec::new() } else { vec![op(RequestOpKind::Range(read))] };
    Request::Txn(TxnRequest { compare: vec![unchanged], success: vec![op(then)], failure })
}

fn op(request: RequestOpKind) -> RequestOp {
    RequestOp { request: Some(request) }
}

fn bytes(key: &str) -> Bytes {
    Bytes::copy_from_slice(key.as_bytes())
}

/// The outcome of [`create`], [`update`] or [`delete`].
pub fn written(response: Response) -> Written {
    let Response::Txn(txn) = response else { return Written::Lost { current: None } };
    if txn.succeeded {
        return Written::Done { revision: txn.header.map_or(0, |header| header.revision) };
    }
    let read = txn.responses.into_iter().find_map(|op| match op.response {
        Some(ResponseOpKind::Range(range)) => range.kvs.into_iter().next(),
        _ => None,
    });
    Written::Lost { current: read.map(Stored::from) }
}

/// The outcome of a range.
pub fn page(response: Response) -> Page {
    match response {
        Response::Range(range) => Page {
            entries: range.kvs.into_iter().map(Stored::from).collect(),
            revision: range.header.map_or(0, |header| header.revision),
            more: range.more,
            count: range.count,
        },
        _ => Page { entries: Vec::new(), revision: 0, more: false, count: 0 },
    }
}
