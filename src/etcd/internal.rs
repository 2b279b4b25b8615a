//! What a member puts into the log: `InternalRaftRequest` of upstream's `raft_internal.proto`.

use super::api::*;
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
    #[prost(message, optional, tag = "8")]
    pub lease_grant: Option<LeaseGrantRequest>,
    #[prost(message, optional, tag = "9")]
    pub lease_revoke: Option<LeaseRevokeRequest>,
    #[prost(message, optional, tag = "10")]
    pub alarm: Option<AlarmRequest>,
    #[prost(message, optional, tag = "11")]
    pub lease_checkpoint: Option<LeaseCheckpointRequest>,
    #[prost(message, optional, tag = "1000")]
    pub auth_enable: Option<AuthEnableRequest>,
    #[prost(message, optional, tag = "1011")]
    pub auth_disable: Option<AuthDisableRequest>,
    #[prost(message, optional, tag = "1012")]
    pub authenticate: Option<InternalAuthenticateRequest>,
    #[prost(message, optional, tag = "1013")]
    pub auth_status: Option<AuthStatusRequest>,
    #[prost(message, optional, tag = "1100")]
    pub auth_user_add: Option<AuthUserAddRequest>,
    #[prost(message, optional, tag = "1101")]
    pub auth_user_delete: Option<AuthUserDeleteRequest>,
    #[prost(message, optional, tag = "1102")]
    pub auth_user_get: Option<AuthUserGetRequest>,
    #[prost(message, optional, tag = "1103")]
    pub auth_user_change_password: Option<AuthUserChangePasswordRequest>,
    #[prost(message, optional, tag = "1104")]
    pub auth_user_grant_role: Option<AuthUserGrantRoleRequest>,
    #[prost(message, optional, tag = "1105")]
    pub auth_user_revoke_role: Option<AuthUserRevokeRoleRequest>,
    #[prost(message, optional, tag = "1106")]
    pub auth_user_list: Option<AuthUserListRequest>,
    #[prost(message, optional, tag = "1107")]
    pub auth_role_list: Option<AuthRoleListRequest>,
    #[prost(message, optional, tag = "1200")]
    pub auth_role_add: Option<AuthRoleAddRequest>,
    #[prost(message, optional, tag = "1201")]
    pub auth_role_delete: Option<AuthRoleDeleteRequest>,
    #[prost(message, optional, tag = "1202")]
    pub auth_role_get: Option<AuthRoleGetRequest>,
    #[prost(message, optional, tag = "1203")]
    pub auth_role_grant_permission: Option<AuthRoleGrantPermissionRequest>,
    #[prost(message, optional, tag = "1204")]
    pub auth_role_revoke_permission: Option<AuthRoleRevokePermissionRequest>,
    #[prost(message, optional, tag = "1300")]
    pub cluster_version_set: Option<ClusterVersionSetRequest>,
    #[prost(message, optional, tag = "1301")]
    pub cluster_member_attr_set: Option<ClusterMemberAttrSetRequest>,
}

impl InternalRaftRequest {
    /// The log's form of a call, without a header; a read has none.
    pub fn of(call: &Request) -> InternalRaftRequest {
        let mut internal = InternalRaftRequest::default();
        match call.clone() {
            Request::Put(put) => internal.put = Some(put),
            Request::DeleteRange(delete) => internal.delete_range = Some(delete),
            Request::Txn(txn) => internal.txn = Some(txn),
            Request::Compact(compaction) => internal.compaction = Some(compaction),
            Request::LeaseGrant(request) => internal.lease_grant = Some(request),
            Request::LeaseRevoke(request) => internal.lease_revoke = Some(request),
            Request::Alarm(request) => internal.alarm = Some(request),
            Request::AuthEnable(request) => internal.auth_enable = Some(request),
            Request::AuthDisable(request) => internal.auth_disable = Some(request),
            Request::AuthStatus(request) => internal.auth_status = Some(request),
            Request::UserAdd(request) => internal.auth_user_add = Some(request),
            Request::UserDelete(request) => internal.auth_user_delete = Some(request),
            Request::UserGet(request) => internal.auth_user_get = Some(request),
            Request::UserChangePassword(request) => internal.auth_user_change_password = Some(request),
            Request::UserGrantRole(request) => internal.auth_user_grant_role = Some(request),
            Request::UserRevokeRole(request) => internal.auth_user_revoke_role = Some(request),
            Request::UserList(request) => internal.auth_user_list = Some(request),
            Request::RoleList(request) => internal.auth_role_list = Some(request),
            Request::RoleAdd(request) => internal.auth_role_add = Some(request),
            Request::RoleDelete(request) => internal.auth_role_delete = Some(request),
            Request::RoleGet(request) => internal.auth_role_get = Some(request),
            Request::RoleGrantPermission(request) => internal.auth_role_grant_permission = Some(request),
            Request::RoleRevokePermission(request) => internal.auth_role_revoke_permission = Some(request),
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
