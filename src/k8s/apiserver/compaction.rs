//! etcd's history is cut every five minutes, by one of the API servers.
//!
//! They agree by a key of their own, `compact_rev_key`, whose version counts the cuts: whoever raises it from the version
//! that it knows cuts at the revision that was the newest five minutes before. Upstream:
//! `k8s.io/apiserver/pkg/storage/etcd3/compact.go`.

use super::server::{ApiServer, Moment, Pending};
use super::{Note, Outbox};
use crate::etcd::api::{
    CompactionRequest, Compare, CompareResult, CompareTarget, PutRequest, RangeRequest, Request, RequestOp,
    RequestOpKind, Response, ResponseOpKind, TargetUnion, TxnRequest,
};
use crate::etcd::error::Status as EtcdStatus;
use crate::sim::Micros;
use bytes::Bytes;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compactor {
    /// How often the key was raised, as far as this server knows.
    version: i64,
    /// The newest revision when it was looked at last.
    revision: i64,
}

/// `--etcd-compaction-interval`
const INTERVAL: Micros = Micros::from_secs(300);
const KEY: &[u8] = b"compact_rev_key";
const CALL: Micros = Micros::from_secs(60);

impl ApiServer {
    pub(super) fn begin_compactor(&mut self, out: &mut Outbox) {
        out.wake(INTERVAL, Note::Compact);
    }

    pub(super) fn compact(&mut self, at: Moment, out: &mut Outbox) {
        out.wake(INTERVAL, Note::Compact);
        let key = Bytes::from_static(KEY);
        let value = self.compactor.revision.to_string().into();
        let unchanged = Compare {
            result: CompareResult::Equal as i32,
            target: CompareTarget::Version as i32,
            key: key.clone(),
            target_union: Some(TargetUnion::Version(self.compactor.version)),
            range_end: Bytes::new(),
        };
        let put = PutRequest { key: key.clone(), value, ..PutRequest::default() };
        let read = RangeRequest { key, ..RangeRequest::default() };
        let op = |request| RequestOp { request: Some(request) };
        let txn = TxnRequest {
            compare: vec![unchanged],
            success: vec![op(RequestOpKind::Put(put))],
            failure: vec![op(RequestOpKind::Range(read))],
        };
        let call = self.with_etcd(out, |client, out| client.call(at.now, Request::Txn(txn), CALL, out));
        self.calls.insert(call, Pending::Compaction);
    }

    pub(super) fn compacted(&mut self, at: Moment, result: Result<Response, EtcdStatus>, out: &mut Outbox) {
        let Ok(Response::Txn(txn)) = result else { return };
        let newest = txn.header.map_or(0, |header| header.revision);
        let before = std::mem::replace(&mut self.compactor.revision, newest);
        if !txn.succeeded {
            // Another server was first: it is known now how often.
            let read = txn.responses.into_iter().find_map(|op| match op.response {
                Some(ResponseOpKind::Range(range)) => range.kvs.into_iter().next(),
                _ => None,
            });
            self.compactor.version = read.map_or(0, |kv| kv.version);
            return;
        }
        self.compactor.version += 1;
        if before > 0 {
            let request = Request::Compact(CompactionRequest { revision: before, physical: false });
            let call = self.with_etcd(out, |client, out| client.call(at.now, request, CALL, out));
            self.calls.insert(call, Pending::Compaction);
        }
    }
}
