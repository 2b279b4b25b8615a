//! The messages of etcd's gRPC surface, field for field as in `rpc.proto` and `kv.proto` of 3.5.
//!
//! They are Protobuf messages here as well: a request's size on the wire, etcd's request limit and `-w protobuf` are
//! those of the real encoding. `Bytes` fields share the buffer they were decoded from, so a value exists once however
//! many members store it.

use bytes::Bytes;
use prost::{Enumeration, Message, Oneof};

mod auth;
mod cluster;
mod lease;
mod maintenance;

pub use auth::*;
pub use cluster::*;
pub use lease::*;
pub use maintenance::*;

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct ResponseHeader {
    #[prost(uint64, tag = "1")]
    pub cluster_id: u64,
    #[prost(uint64, tag = "2")]
    pub member_id: u64,
    #[prost(int64, tag = "3")]
    pub revision: i64,
    #[prost(uint64, tag = "4")]
    pub raft_term: u64,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct KeyValue {
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    #[prost(int64, tag = "2")]
    pub create_revision: i64,
    #[prost(int64, tag = "3")]
    pub mod_revision: i64,
    #[prost(int64, tag = "4")]
    pub version: i64,
    #[prost(bytes = "bytes", tag = "5")]
    pub value: Bytes,
    #[prost(int64, tag = "6")]
    pub lease: i64,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct Event {
    #[prost(enumeration = "EventType", tag = "1")]
    pub r#type: i32,
    #[prost(message, optional, tag = "2")]
    pub kv: Option<KeyValue>,
    #[prost(message, optional, tag = "3")]
    pub prev_kv: Option<KeyValue>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct RangeRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub range_end: Bytes,
    #[prost(int64, tag = "3")]
    pub limit: i64,
    #[prost(int64, tag = "4")]
    pub revision: i64,
    #[prost(enumeration = "SortOrder", tag = "5")]
    pub sort_order: i32,
    #[prost(enumeration = "SortTarget", tag = "6")]
    pub sort_target: i32,
    #[prost(bool, tag = "7")]
    pub serializable: bool,
    #[prost(bool, tag = "8")]
    pub keys_only: bool,
    #[prost(bool, tag = "9")]
    pub count_only: bool,
    #[prost(int64, tag = "10")]
    pub min_mod_revision: i64,
    #[prost(int64, tag = "11")]
    pub max_mod_revision: i64,
    #[prost(int64, tag = "12")]
    pub min_create_revision: i64,
    #[prost(int64, tag = "13")]
    pub max_create_revision: i64,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct RangeResponse {
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    #[prost(message, repeated, tag = "2")]
    pub kvs: Vec<KeyValue>,
    #[prost(bool, tag = "3")]
    pub more: bool,
    #[prost(int64, tag = "4")]
    pub count: i64,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct PutRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
    #[prost(int64, tag = "3")]
    pub lease: i64,
    #[prost(bool, tag = "4")]
    pub prev_kv: bool,
    #[prost(bool, tag = "5")]
    pub ignore_value: bool,
    #[prost(bool, tag = "6")]
    pub ignore_lease: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct PutResponse {
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    #[prost(message, optional, tag = "2")]
    pub prev_kv: Option<KeyValue>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct DeleteRangeRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub range_end: Bytes,
    #[prost(bool, tag = "3")]
    pub prev_kv: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct DeleteRangeResponse {
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    #[prost(int64, tag = "2")]
    pub deleted: i64,
    #[prost(message, repeated, tag = "3")]
    pub prev_kvs: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct TxnRequest {
    #[prost(message, repeated, tag = "1")]
    pub compare: Vec<Compare>,
    #[prost(message, repeated, tag = "2")]
    pub success: Vec<RequestOp>,
    #[prost(message, repeated, tag = "3")]
    pub failure: Vec<RequestOp>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct TxnResponse {
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    #[prost(bool, tag = "2")]
    pub succeeded: bool,
    #[prost(message, repeated, tag = "3")]
    pub responses: Vec<ResponseOp>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct Compare {
    #[prost(enumeration = "CompareResult", tag = "1")]
    pub result: i32,
    #[prost(enumeration = "CompareTarget", tag = "2")]
    pub target: i32,
    #[prost(bytes = "bytes", tag = "3")]
    pub key: Bytes,
    #[prost(oneof = "TargetUnion", tags = "4, 5, 6, 7, 8")]
    pub target_union: Option<TargetUnion>,
    #[prost(bytes = "bytes", tag = "64")]
    pub range_end: Bytes,
}

#[derive(Clone, PartialEq, Eq, Hash, Oneof)]
pub enum TargetUnion {
    #[prost(int64, tag = "4")]
    Version(i64),
    #[prost(int64, tag = "5")]
    CreateRevision(i64),
    #[prost(int64, tag = "6")]
    ModRevision(i64),
    #[prost(bytes = "bytes", tag = "7")]
    Value(Bytes),
    #[prost(int64, tag = "8")]
    Lease(i64),
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct RequestOp {
    #[prost(oneof = "RequestOpKind", tags = "1, 2, 3, 4")]
    pub request: Option<RequestOpKind>,
}

#[derive(Clone, PartialEq, Eq, Hash, Oneof)]
pub enum RequestOpKind {
    #[prost(message, tag = "1")]
    Range(RangeRequest),
    #[prost(message, tag = "2")]
    Put(PutRequest),
    #[prost(message, tag = "3")]
    DeleteRange(DeleteRangeRequest),
    #[prost(message, tag = "4")]
    Txn(TxnRequest),
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct ResponseOp {
    #[prost(oneof = "ResponseOpKind", tags = "1, 2, 3, 4")]
    pub response: Option<ResponseOpKind>,
}

#[derive(Clone, PartialEq, Eq, Hash, Oneof)]
pub enum ResponseOpKind {
    #[prost(message, tag = "1")]
    Range(RangeResponse),
    #[prost(message, tag = "2")]
    Put(PutResponse),
    #[prost(message, tag = "3")]
    DeleteRange(DeleteRangeResponse),
    #[prost(message, tag = "4")]
    Txn(TxnResponse),
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct CompactionRequest {
    #[prost(int64, tag = "1")]
    pub revision: i64,
    #[prost(bool, tag = "2")]
    pub physical: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct CompactionResponse {
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct WatchRequest {
    #[prost(oneof = "WatchRequestKind", tags = "1, 2, 3")]
    pub request: Option<WatchRequestKind>,
}

#[derive(Clone, PartialEq, Eq, Hash, Oneof)]
pub enum WatchRequestKind {
    #[prost(message, tag = "1")]
    Create(WatchCreateRequest),
    #[prost(message, tag = "2")]
    Cancel(WatchCancelRequest),
    #[prost(message, tag = "3")]
    Progress(WatchProgressRequest),
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct WatchCreateRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub range_end: Bytes,
    #[prost(int64, tag = "3")]
    pub start_revision: i64,
    #[prost(bool, tag = "4")]
    pub progress_notify: bool,
    #[prost(enumeration = "FilterType", repeated, tag = "5")]
    pub filters: Vec<i32>,
    #[prost(bool, tag = "6")]
    pub prev_kv: bool,
    #[prost(int64, tag = "7")]
    pub watch_id: i64,
    #[prost(bool, tag = "8")]
    pub fragment: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct WatchCancelRequest {
    #[prost(int64, tag = "1")]
    pub watch_id: i64,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct WatchProgressRequest {}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct WatchResponse {
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    #[prost(int64, tag = "2")]
    pub watch_id: i64,
    #[prost(bool, tag = "3")]
    pub created: bool,
    #[prost(bool, tag = "4")]
    pub canceled: bool,
    #[prost(int64, tag = "5")]
    pub compact_revision: i64,
    #[prost(string, tag = "6")]
    pub cancel_reason: String,
    #[prost(bool, tag = "7")]
    pub fragment: bool,
    #[prost(message, repeated, tag = "11")]
    pub events: Vec<Event>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum SortOrder {
    None = 0,
    Ascend = 1,
    Descend = 2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum SortTarget {
    Key = 0,
    Version = 1,
    Create = 2,
    Mod = 3,
    Value = 4,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum CompareResult {
    Equal = 0,
    Greater = 1,
    Less = 2,
    NotEqual = 3,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum CompareTarget {
    Version = 0,
    Create = 1,
    Mod = 2,
    Value = 3,
    Lease = 4,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum EventType {
    Put = 0,
    Delete = 1,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum FilterType {
    NoPut = 0,
    NoDelete = 1,
}

/// How an RPC may be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// A client may try again by itself, as `client/v3/retry.go` says of the call.
    Repeatable,
    Once,
}

macro_rules! rpcs {
    ($($name:ident: $request:ident $asked:literal -> $response:ident $answered:literal, $sent:ident;)*) => {
        /// A call, named as its RPC.
        // Simplified: a keep-alive is one call and not a message on a stream, and a snapshot comes in one message: what
        // travels is the same, without the streams' opening and closing.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Request { $($name($request),)* }

        /// The kinds of calls.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Rpc { $($name,)* }

        impl Rpc {
            pub const ALL: &[Rpc] = &[$(Rpc::$name,)*];
        }

        /// The answer to the [`Request`] of the same name.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Response { $($name($response),)* }

        impl Request {
            /// Size of the message in bytes, without framing.
            pub fn encoded_len(&self) -> usize {
                match self { $(Request::$name(request) => request.encoded_len(),)* }
            }

            /// The message's name in `rpc.proto`.
            pub fn name(&self) -> &'static str {
                match self { $(Request::$name(_) => $asked,)* }
            }

            pub fn rpc(&self) -> Rpc {
                match self { $(Request::$name(_) => Rpc::$name,)* }
            }

            /// Whether clientv3 tries again by itself when the member says `Unavailable`: reads, and writes that come to
            /// the same when they are done twice.
            pub fn is_repeatable(&self) -> bool {
                let sent = match self { $(Request::$name(_) => Sent::$sent,)* };
                sent == Sent::Repeatable
            }
        }

        impl Response {
            /// Size of the message in bytes, without framing.
            pub fn encoded_len(&self) -> usize {
                match self { $(Response::$name(response) => response.encoded_len(),)* }
            }

            /// The message in Protobuf.
            pub fn encode_to_vec(&self) -> Vec<u8> {
                match self { $(Response::$name(response) => response.encode_to_vec(),)* }
            }

            /// The message's name in `rpc.proto`.
            pub fn name(&self) -> &'static str {
                match self { $(Response::$name(_) => $answered,)* }
            }

            pub fn header(&self) -> Option<&ResponseHeader> {
                match self { $(Response::$name(response) => response.header.as_ref(),)* }
            }

            /// The header, made if there was none yet.
            pub fn header_mut(&mut self) -> &mut ResponseHeader {
                let header = match self { $(Response::$name(response) => &mut response.header,)* };
                header.get_or_insert_default()
            }
        }
    };
}

rpcs! {
    Range: RangeRequest "RangeRequest" -> RangeResponse "RangeResponse", Repeatable;
    Put: PutRequest "PutRequest" -> PutResponse "PutResponse", Once;
    DeleteRange: DeleteRangeRequest "DeleteRangeRequest" -> DeleteRangeResponse "DeleteRangeResponse", Once;
    Txn: TxnRequest "TxnRequest" -> TxnResponse "TxnResponse", Once;
    Compact: CompactionRequest "CompactionRequest" -> CompactionResponse "CompactionResponse", Once;
    LeaseGrant: LeaseGrantRequest "LeaseGrantRequest" -> LeaseGrantResponse "LeaseGrantResponse", Repeatable;
    LeaseRevoke: LeaseRevokeRequest "LeaseRevokeRequest" -> LeaseRevokeResponse "LeaseRevokeResponse", Repeatable;
    LeaseKeepAlive: LeaseKeepAliveRequest "LeaseKeepAliveRequest" -> LeaseKeepAliveResponse "LeaseKeepAliveResponse", Repeatable;
    LeaseTimeToLive: LeaseTimeToLiveRequest "LeaseTimeToLiveRequest" -> LeaseTimeToLiveResponse "LeaseTimeToLiveResponse", Repeatable;
    LeaseLeases: LeaseLeasesRequest "LeaseLeasesRequest" -> LeaseLeasesResponse "LeaseLeasesResponse", Repeatable;
    MemberList: MemberListRequest "MemberListRequest" -> MemberListResponse "MemberListResponse", Repeatable;
    MemberAdd: MemberAddRequest "MemberAddRequest" -> MemberAddResponse "MemberAddResponse", Once;
    MemberRemove: MemberRemoveRequest "MemberRemoveRequest" -> MemberRemoveResponse "MemberRemoveResponse", Once;
    MemberUpdate: MemberUpdateRequest "MemberUpdateRequest" -> MemberUpdateResponse "MemberUpdateResponse", Once;
    MemberPromote: MemberPromoteRequest "MemberPromoteRequest" -> MemberPromoteResponse "MemberPromoteResponse", Once;
    Status: StatusRequest "StatusRequest" -> StatusResponse "StatusResponse", Repeatable;
    HashKv: HashKvRequest "HashKVRequest" -> HashKvResponse "HashKVResponse", Repeatable;
    Hash: HashRequest "HashRequest" -> HashResponse "HashResponse", Repeatable;
    Alarm: AlarmRequest "AlarmRequest" -> AlarmResponse "AlarmResponse", Repeatable;
    Defragment: DefragmentRequest "DefragmentRequest" -> DefragmentResponse "DefragmentResponse", Once;
    MoveLeader: MoveLeaderRequest "MoveLeaderRequest" -> MoveLeaderResponse "MoveLeaderResponse", Repeatable;
    Snapshot: SnapshotRequest "SnapshotRequest" -> SnapshotResponse "SnapshotResponse", Repeatable;
    AuthEnable: AuthEnableRequest "AuthEnableRequest" -> AuthEnableResponse "AuthEnableResponse", Once;
    AuthDisable: AuthDisableRequest "AuthDisableRequest" -> AuthDisableResponse "AuthDisableResponse", Once;
    AuthStatus: AuthStatusRequest "AuthStatusRequest" -> AuthStatusResponse "AuthStatusResponse", Once;
    Authenticate: AuthenticateRequest "AuthenticateRequest" -> AuthenticateResponse "AuthenticateResponse", Once;
    UserAdd: AuthUserAddRequest "AuthUserAddRequest" -> AuthUserAddResponse "AuthUserAddResponse", Once;
    UserGet: AuthUserGetRequest "AuthUserGetRequest" -> AuthUserGetResponse "AuthUserGetResponse", Repeatable;
    UserList: AuthUserListRequest "AuthUserListRequest" -> AuthUserListResponse "AuthUserListResponse", Repeatable;
    UserDelete: AuthUserDeleteRequest "AuthUserDeleteRequest" -> AuthUserDeleteResponse "AuthUserDeleteResponse", Once;
    UserChangePassword: AuthUserChangePasswordRequest "AuthUserChangePasswordRequest" -> AuthUserChangePasswordResponse "AuthUserChangePasswordResponse", Once;
    UserGrantRole: AuthUserGrantRoleRequest "AuthUserGrantRoleRequest" -> AuthUserGrantRoleResponse "AuthUserGrantRoleResponse", Once;
    UserRevokeRole: AuthUserRevokeRoleRequest "AuthUserRevokeRoleRequest" -> AuthUserRevokeRoleResponse "AuthUserRevokeRoleResponse", Once;
    RoleAdd: AuthRoleAddRequest "AuthRoleAddRequest" -> AuthRoleAddResponse "AuthRoleAddResponse", Once;
    RoleGet: AuthRoleGetRequest "AuthRoleGetRequest" -> AuthRoleGetResponse "AuthRoleGetResponse", Repeatable;
    RoleList: AuthRoleListRequest "AuthRoleListRequest" -> AuthRoleListResponse "AuthRoleListResponse", Repeatable;
    RoleDelete: AuthRoleDeleteRequest "AuthRoleDeleteRequest" -> AuthRoleDeleteResponse "AuthRoleDeleteResponse", Once;
    RoleGrantPermission: AuthRoleGrantPermissionRequest "AuthRoleGrantPermissionRequest" -> AuthRoleGrantPermissionResponse "AuthRoleGrantPermissionResponse", Once;
    RoleRevokePermission: AuthRoleRevokePermissionRequest "AuthRoleRevokePermissionRequest" -> AuthRoleRevokePermissionResponse "AuthRoleRevokePermissionResponse", Once;
}
