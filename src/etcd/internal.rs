//! What a member puts into the log: `InternalRaftRequest` of upstream's `raft_internal.proto`.

use super::api::{CompactionRequest, DeleteRangeRequest, PutRequest, Request, TxnRequest};
use prost::Message;

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct InternalRaftRequest {
    #[prost(message, optional, tag = "100")]
    pub header: Option<RequestHeader>,
    #[prost(message, optional, tag = "4")]
    pub put: Option<PutRequest>,
    #[prost(message, optional, tag = "5")]
    pub delete_range: Option<DeleteRangeRequest>,
    #[prost(message, optional, tag = "6")]
    pub txn: Option<TxnRequest>,
    #[prost(message, optional, tag = "7")]
    pub compaction: Option<CompactionRequest>,
    #[prost(message, optional, tag = "1300")]
    pub cluster_version_set: Option<ClusterVersionSetRequest>,
    #[prost(message, optional, tag = "1301")]
    pub cluster_member_attr_set: Option<ClusterMemberAttrSetRequest>,
}

impl InternalRaftRequest {
    /// The log's form of a call; a read has none.
    pub fn of(id: u64, call: &Request) -> InternalRaftRequest {
        let header = RequestHeader { id, ..RequestHeader::default() };
        let mut internal = InternalRaftRequest { header: Some(header), ..InternalRaftRequest::default() };
        match call.clone() {
            Request::Put(put) => internal.put = Some(put),
            Request::DeleteRange(delete) => internal.delete_range = Some(delete),
            Request::Txn(txn) => internal.txn = Some(txn),
            Request::Compact(compaction) => internal.compaction = Some(compaction),
            Request::Range(_) | Request::MemberList(_) | Request::Status(_) | Request::HashKv(_) => {}
        }
        internal
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct RequestHeader {
    /// Names the proposal, so that the member that made it can answer its client.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(string, tag = "2")]
    pub username: String,
    #[prost(uint64, tag = "3")]
    pub auth_revision: u64,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct ClusterVersionSetRequest {
    #[prost(string, tag = "1")]
    pub ver: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct ClusterMemberAttrSetRequest {
    #[prost(uint64, tag = "1")]
    pub member_id: u64,
    #[prost(message, optional, tag = "2")]
    pub member_attributes: Option<Attributes>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct Attributes {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, repeated, tag = "2")]
    pub client_urls: Vec<String>,
}
