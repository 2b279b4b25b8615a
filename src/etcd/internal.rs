//! What a member puts into the log: `InternalRaftRequest` of upstream's `raft_internal.proto`.

use super::api::*;
use prost::Message;

/// What is seldom asked for is boxed: most entries are puts and transactions, and each is moved a few times.
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
    #[prost(message, optional, boxed, tag = "7")]
    pub compaction: Option<Box<CompactionRequest>>,
    #[prost(message, optional, boxed, tag = "8")]
    pub lease_grant: Option<Box<LeaseGrantRequest>>,
    #[prost(message, optional, boxed, tag = "9")]
    pub lease_revoke: Option<Box<LeaseRevokeRequest>>,
    #[prost(message, optional, boxed, tag = "10")]
    pub alarm: Option<Box<AlarmRequest>>,
    #[prost(message, optional, boxed, tag = "11")]
    pub lease_checkpoint: Option<Box<LeaseCheckpointRequest>>,
    #[prost(message, optional, boxed, tag = "1000")]
    pub auth_enable: Option<Box<AuthEnableRequest>>,
    #[prost(message, optional, boxed, tag = "1011")]
    pub auth_disable: Option<Box<AuthDisableRequest>>,
    #[prost(message, optional, boxed, tag = "1012")]
    pub authenticate: Option<Box<InternalAuthenticateRequest>>,
    #[prost(message, optional, boxed, tag = "1013")]
    pub auth_status: Option<Box<AuthStatusRequest>>,
    #[prost(message, optional, boxed, tag = "1100")]
    pub auth_user_add: Option<Box<AuthUserAddRequest>>,
    #[prost(message, optional, boxed, tag = "1101")]
    pub auth_user_delete: Option<Box<AuthUserDeleteRequest>>,
    #[prost(message, optional, boxed, tag = "1102")]
    pub auth_user_get: Option<Box<AuthUserGetRequest>>,
    #[prost(message, optional, boxed, tag = "1103")]
    pub auth_user_change_password: Option<Box<AuthUserChangePasswordRequest>>,
    #[prost(message, optional, boxed, tag = "1104")]
    pub auth_user_grant_role: Option<Box<AuthUserGrantRoleRequest>>,
    #[prost(message, optional, boxed, tag = "1105")]
    pub auth_user_revoke_role: Option<Box<AuthUserRevokeRoleRequest>>,
    #[prost(message, optional, boxed, tag = "1106")]
    pub auth_user_list: Option<Box<AuthUserListRequest>>,
    #[prost(message, optional, boxed, tag = "1107")]
    pub auth_role_list: Option<Box<AuthRoleListRequest>>,
    #[prost(message, optional, boxed, tag = "1200")]
    pub auth_role_add: Option<Box<AuthRoleAddRequest>>,
    #[prost(message, optional, boxed, tag = "1201")]
    pub auth_role_delete: Option<Box<AuthRoleDeleteRequest>>,
    #[prost(message, optional, boxed, tag = "1202")]
    pub auth_role_get: Option<Box<AuthRoleGetRequest>>,
    #[prost(message, optional, boxed, tag = "1203")]
    pub auth_role_grant_permission: Option<Box<AuthRoleGrantPermissionRequest>>,
    #[prost(message, optional, boxed, tag = "1204")]
    pub auth_role_revoke_permission: Option<Box<AuthRoleRevokePermissionRequest>>,
    #[prost(message, optional, boxed, tag = "1300")]
    pub cluster_version_set: Option<Box<ClusterVersionSetRequest>>,
    #[prost(message, optional, boxed, tag = "1301")]
    pub cluster_member_attr_set: Option<Box<ClusterMemberAttrSetRequest>>,
}

impl InternalRaftRequest {
    /// The log's form of a call, without a header; a read has none.
    pub fn of(call: &Request) -> InternalRaftRequest {
        let mut internal = InternalRaftRequest::default();
        match call.clone() {
            Request::Put(put) => internal.put = Some(put),
            Request::DeleteRange(delete) => internal.delete_range = Some(delete),
            Request::Txn(txn) => internal.txn = Some(txn),
            Request::Compact(compaction) => internal.compaction = Some(Box::new(compaction)),
            Request::LeaseGrant(request) => internal.lease_grant = Some(Box::new(request)),
            Request::LeaseRevoke(request) => internal.lease_revoke = Some(Box::new(request)),
            Request::Alarm(request) => internal.alarm = Some(Box::new(request)),
            Request::AuthEnable(request) => internal.auth_enable = Some(Box::new(request)),
            Request::AuthDisable(request) => internal.auth_disable = Some(Box::new(request)),
            Request::AuthStatus(request) => internal.auth_status = Some(Box::new(request)),
            Request::UserAdd(request) => internal.auth_user_add = Some(Box::new(request)),
            Request::UserDelete(request) => internal.auth_user_delete = Some(Box::new(request)),
            Request::UserGet(request) => internal.auth_user_get = Some(Box::new(request)),
            Request::UserChangePassword(request) => internal.auth_user_change_password = Some(Box::new(request)),
            Request::UserGrantRole(request) => internal.auth_user_grant_role = Some(Box::new(request)),
            Request::UserRevokeRole(request) => internal.auth_user_revoke_role = Some(Box::new(request)),
            Request::UserList(request) => internal.auth_user_list = Some(Box::new(request)),
            Request::RoleList(request) => internal.auth_role_list = Some(Box::new(request)),
            Request::RoleAdd(request) => internal.auth_role_add = Some(Box::new(request)),
            Request::RoleDelete(request) => internal.auth_role_delete = Some(Box::new(request)),
            Request::RoleGet(request) => internal.auth_role_get = Some(Box::new(request)),
            Request::RoleGrantPermission(request) => internal.auth_role_grant_permission = Some(Box::new(request)),
            Request::RoleRevokePermission(request) => internal.auth_role_revoke_permission = Some(Box::new(request)),
            // Reads, what concerns one member alone, and what goes through the log as a change of configuration or, with
            // a token added, as an InternalAuthenticateRequest.
            Request::Range(_)
            | Request::LeaseKeepAlive(_)
            | Request::LeaseTimeToLive(_)
            | Request::LeaseLeases(_)
            | Request::MemberList(_)
            | Request::MemberAdd(_)
            | Request::MemberRemove(_)
            | Request::MemberUpdate(_)
            | Request::MemberPromote(_)
            | Request::Status(_)
            | Request::HashKv(_)
            | Request::Hash(_)
            | Request::Defragment(_)
            | Request::MoveLeader(_)
            | Request::Snapshot(_)
            | Request::Authenticate(_) => {}
        }
        internal
    }
}

/// A login whose password was found right; every member hands out the same token.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct InternalAuthenticateRequest {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub password: String,
    #[prost(string, tag = "3")]
    pub simple_token: String,
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
