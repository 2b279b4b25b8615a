//! The replicated state machine: everything that follows from the log, and nothing else.
//!
//! ```text
//!   committed entry ──InternalRaftRequest──> alarms ──> permissions ──> quota ──> store, leases, users, members
//!                                               └──────────┴── no ──────┴──> the answer, for the member that proposed it
//! ```
//!
//! Two members that applied the same entries hold the same, but for what each keeps for itself: when leases end (only the
//! leader counts), which tokens were used, how large its file has grown. A copy is cheap. What only one member knows (Raft,
//! connections, who waits for an answer) is [`Member`](super::Member)'s.
//!
//! Upstream: `server/etcdserver/apply.go`, `apply_auth.go` of 3.5.

use super::api::*;
use super::apply;
use super::apply::quota::{Alarm, Alarms, Gated, Quota, put_cost, txn_cost};
use super::auth::{AuthInfo, AuthStore, TokenKind, Tokens};
use super::backend::Backend;
use super::error::EtcdError;
use super::internal::InternalRaftRequest;
use super::membership::Membership;
use super::mvcc::WatchableStore;
use crate::raft::{ConfState, EntryId, Index, PeerId};
use crate::sim::SimTime;

#[derive(Clone, Debug, Hash)]
pub struct Applier {
    pub store: WatchableStore,
    pub membership: Membership,
    pub alarms: Alarms,
    pub quota: Quota,
    pub auth: AuthStore,
}

/// Where in the log an entry is, and when it is applied here.
#[derive(Clone, Copy, Debug)]
pub struct Applied {
    pub index: Index,
    pub now: SimTime,
}

/// What is answered, if somebody may wait for it.
type Outcome = Result<Option<Response>, EtcdError>;

impl Default for Applier {
    /// That of a member with etcd's own flags.
    fn default() -> Applier {
        let auth = AuthStore::new(Tokens::new(TokenKind::Simple, 0));
        Applier::new(WatchableStore::default(), Quota::default(), auth)
    }
}

impl Applier {
    pub fn new(store: WatchableStore, quota: Quota, auth: AuthStore) -> Applier {
        Applier { store, membership: Membership::default(), alarms: Alarms::default(), quota, auth }
    }

    /// What a process forgets when it ends: tokens, and which of the raised alarms it saw raised. True if that changes what
    /// later entries do.
    pub fn restart(&mut self, now: SimTime) -> bool {
        self.auth.tokens.restart(self.auth.is_enabled(), now);
        self.alarms.restart()
    }

    /// The database that a member with this state has, `at` being the last entry that was applied.
    pub fn backend(&self, at: EntryId, conf_state: &ConfState) -> Backend {
        let mut backend = Backend::new(self.store.kv().clone());
        let tables = &mut backend.tables;
        tables.set_applied(at.index.0, at.term.0);
        tables.set_conf_state(conf_state);
        tables.set_members(&self.membership.list());
        tables.set_removed(&self.membership.removed().map(|id| id.0).collect());
        if let Some(version) = &self.membership.version {
            tables.set_cluster_version(version);
        }
        let alarm = |(alarm, member_id)| AlarmMember { member_id, alarm: alarm as i32 };
        tables.set_alarms(&self.alarms.iter().map(alarm).collect::<Vec<_>>());
        tables.set_auth(self.auth.switch(), self.auth.revision());
        tables.set_users(self.auth.users());
        tables.set_roles(self.auth.roles());
        backend
    }

    /// Takes over what a database holds. Watchers stay and are told what they have missed.
    pub fn install(&mut self, backend: Backend) {
        let Backend { store, tables } = backend;
        let removed = tables.removed().into_iter().map(PeerId);
        let version = tables.cluster_version().map(str::to_owned);
        self.membership = Membership::restore(tables.members(), removed, version);
        self.alarms = Alarms::restore(
            tables.alarms().iter().filter_map(|raised| Some((kind(raised.alarm())?, raised.member_id))),
        );
        let (switch, revision) = tables.auth();
        self.auth = AuthStore::restore(switch, revision, tables.users(), tables.roles(), self.auth.tokens.clone());
        self.store.install(store);
    }

    /// Carries out a committed request.
    pub fn apply(&mut self, request: &InternalRaftRequest, at: Applied) -> Outcome {
        let header = request.header.as_ref();
        let gated = gate(request);
        if let Some(gated) = gated {
            self.alarms.check(gated)?;
        }
        if self.auth.is_enabled() && self.alarms.is_guarded() {
            let (username, revision) =
                header.map(|header| (header.username.clone(), header.auth_revision)).unwrap_or_default();
            self.check_permission(request, &AuthInfo { username, revision })?;
        }
        // Upstream writes what does not fit and refuses it afterwards: the member that asked had found room.
        let cost = if self.alarms.is_guarded() { cost(request) } else { 0 };
        let fits = self.quota.allows(self.store.kv().db_size(), cost);
        let response = self.dispatch(request, at)?;
        if fits { Ok(response) } else { Err(EtcdError::NoSpace) }
    }

    fn dispatch(&mut self, request: &InternalRaftRequest, at: Applied) -> Outcome {
        let response = if let Some(put) = &request.put {
            Response::Put(apply::apply_put(&mut self.store, put)?)
        } else if let Some(delete) = &request.delete_range {
            Response::DeleteRange(apply::apply_delete_range(&mut self.store, delete)?)
        } else if let Some(txn) = &request.txn {
            Response::Txn(apply::apply_txn(&mut self.store, txn)?)
        } else if let Some(compaction) = &request.compaction {
            Response::Compact(apply::apply_compact(&mut self.store, compaction)?)
        } else if let Some(grant) = &request.lease_grant {
            let ttl = self.store.kv_mut().lessor.grant(grant.id, grant.ttl, at.now)?;
            Response::LeaseGrant(LeaseGrantResponse { id: grant.id, ttl, ..Default::default() })
        } else if let Some(revoke) = &request.lease_revoke {
            self.store.revoke(revoke.id)?;
            Response::LeaseRevoke(LeaseRevokeResponse::default())
        } else if let Some(checkpoint) = &request.lease_checkpoint {
            for LeaseCheckpoint { id, remaining_ttl } in &checkpoint.checkpoints {
                self.store.kv_mut().lessor.checkpoint(*id, *remaining_ttl, at.now);
            }
            return Ok(None);
        } else if let Some(alarm) = &request.alarm {
            Response::Alarm(self.alarm(alarm))
        } else if let Some(set) = &request.cluster_version_set {
            self.membership.version = Some(set.ver.clone());
            return Ok(None);
        } else if let Some(set) = &request.cluster_member_attr_set {
            let attributes = set.member_attributes.clone().unwrap_or_default();
            self.membership.publish(PeerId(set.member_id), attributes.name, attributes.client_urls);
            return Ok(None);
        } else {
            return self.dispatch_auth(request, at);
        };
        Ok(Some(response))
    }

    fn dispatch_auth(&mut self, request: &InternalRaftRequest, at: Applied) -> Outcome {
        let auth = &mut self.auth;
        let response = if let Some(login) = &request.authenticate {
            let token = auth.authenticate(&login.name, &login.simple_token, at.index, at.now)?;
            Response::Authenticate(AuthenticateResponse { token, ..Default::default() })
        } else if request.auth_enable.is_some() {
            auth.enable(at.now)?;
            Response::AuthEnable(AuthEnableResponse::default())
        } else if request.auth_disable.is_some() {
            auth.disable();
            Response::AuthDisable(AuthDisableResponse::default())
        } else if request.auth_status.is_some() {
            let (enabled, auth_revision) = (auth.is_enabled(), auth.revision());
            Response::AuthStatus(AuthStatusResponse { header: None, enabled, auth_revision })
        } else if let Some(add) = &request.auth_user_add {
            auth.user_add(add)?;
            Response::UserAdd(AuthUserAddResponse::default())
        } else if let Some(delete) = &request.auth_user_delete {
            auth.user_delete(&delete.name)?;
            Response::UserDelete(AuthUserDeleteResponse::default())
        } else if let Some(get) = &request.auth_user_get {
            Response::UserGet(AuthUserGetResponse { header: None, roles: auth.user_roles(&get.name)? })
        } else if let Some(change) = &request.auth_user_change_password {
            auth.user_change_password(change)?;
            Response::UserChangePassword(AuthUserChangePasswordResponse::default())
        } else if let Some(grant) = &request.auth_user_grant_role {
            auth.user_grant_role(&grant.user, &grant.role)?;
            Response::UserGrantRole(AuthUserGrantRoleResponse::default())
        } else if let Some(revoke) = &request.auth_user_revoke_role {
            auth.user_revoke_role(&revoke.name, &revoke.role)?;
            Response::UserRevokeRole(AuthUserRevokeRoleResponse::default())
        } else if request.auth_user_list.is_some() {
            let users = auth.users().map(|user| user.name.clone()).collect();
            Response::UserList(AuthUserListResponse { header: None, users })
        } else if request.auth_role_list.is_some() {
            let roles = auth.roles().map(|role| role.name.clone()).collect();
            Response::RoleList(AuthRoleListResponse { header: None, roles })
        } else if let Some(add) = &request.auth_role_add {
            auth.role_add(&add.name)?;
            Response::RoleAdd(AuthRoleAddResponse::default())
        } else if let Some(delete) = &request.auth_role_delete {
            auth.role_delete(&delete.role)?;
            Response::RoleDelete(AuthRoleDeleteResponse::default())
        } else if let Some(get) = &request.auth_role_get {
            Response::RoleGet(AuthRoleGetResponse { header: None, perm: auth.role_permissions(&get.role)? })
        } else if let Some(grant) = &request.auth_role_grant_permission {
            auth.role_grant_permission(grant)?;
            Response::RoleGrantPermission(AuthRoleGrantPermissionResponse::default())
        } else if let Some(revoke) = &request.auth_role_revoke_permission {
            auth.role_revoke_permission(revoke)?;
            Response::RoleRevokePermission(AuthRoleRevokePermissionResponse::default())
        } else {
            return Ok(None);
        };
        Ok(Some(response))
    }

    /// Raises, lifts or lists alarms.
    fn alarm(&mut self, request: &AlarmRequest) -> AlarmResponse {
        let kind = kind(request.alarm());
        let member = |(alarm, member_id): (Alarm, u64)| AlarmMember { member_id, alarm: alarm as i32 };
        let alarms = match (request.action(), kind) {
            (AlarmAction::Get, kind) => {
                self.alarms.iter().filter(|(known, _)| kind.is_none_or(|kind| kind == *known)).map(member).collect()
            }
            (AlarmAction::Activate, Some(kind)) => {
                self.alarms.raise(kind, request.member_id);
                vec![member((kind, request.member_id))]
            }
            (AlarmAction::Deactivate, Some(kind)) if self.alarms.disarm(kind, request.member_id) => {
                vec![member((kind, request.member_id))]
            }
            _ => Vec::new(),
        };
        AlarmResponse { header: None, alarms }
    }

    // Permissions.

    fn check_permission(&self, request: &InternalRaftRequest, info: &AuthInfo) -> Result<(), EtcdError> {
        if needs_admin(request) {
            self.auth.check_admin(Some(info))
        } else if let Some(put) = &request.put {
            self.auth.check_write(info, &put.key, &[])?;
            self.check_lease_keys(info, put.lease)?;
            if put.prev_kv { self.auth.check_read(info, &put.key, &[]) } else { Ok(()) }
        } else if let Some(delete) = &request.delete_range {
            self.check_delete(info, delete)
        } else if let Some(txn) = &request.txn {
            self.check_txn(info, txn)
        } else if let Some(revoke) = &request.lease_revoke {
            self.check_lease_keys(info, revoke.id)
        } else if let Some(get) = &request.auth_user_get {
            if get.name == info.username { Ok(()) } else { self.auth.check_admin(Some(info)) }
        } else if let Some(get) = &request.auth_role_get {
            if self.auth.has_role(&info.username, &get.role) { Ok(()) } else { self.auth.check_admin(Some(info)) }
        } else {
            Ok(())
        }
    }

    fn check_delete(&self, info: &AuthInfo, delete: &DeleteRangeRequest) -> Result<(), EtcdError> {
        self.auth.check_write(info, &delete.key, &delete.range_end)?;
        if delete.prev_kv { self.auth.check_read(info, &delete.key, &delete.range_end) } else { Ok(()) }
    }

    /// All that either branch may do. As in 3.5.1, nested transactions are not looked into, and a put may show what it
    /// replaces to who may not read it.
    pub fn check_txn(&self, info: &AuthInfo, txn: &TxnRequest) -> Result<(), EtcdError> {
        for compare in &txn.compare {
            self.auth.check_read(info, &compare.key, &compare.range_end)?;
        }
        for op in txn.success.iter().chain(&txn.failure) {
            match &op.request {
                Some(RequestOpKind::Range(range)) => self.auth.check_read(info, &range.key, &range.range_end)?,
                Some(RequestOpKind::Put(put)) => self.auth.check_write(info, &put.key, &[])?,
                Some(RequestOpKind::DeleteRange(delete)) => self.check_delete(info, delete)?,
                Some(RequestOpKind::Txn(_)) | None => {}
            }
        }
        Ok(())
    }

    /// Who ends a lease deletes its keys; who attaches a key lets others end it.
    fn check_lease_keys(&self, info: &AuthInfo, lease: i64) -> Result<(), EtcdError> {
        let Some(lease) = self.store.kv().lessor.get(lease) else { return Ok(()) };
        lease.keys().try_for_each(|key| self.auth.check_write(info, key, &[]))
    }
}

fn kind(alarm: AlarmType) -> Option<Alarm> {
    match alarm {
        AlarmType::None => None,
        AlarmType::NoSpace => Some(Alarm::NoSpace),
        AlarmType::Corrupt => Some(Alarm::Corrupt),
    }
}

fn gate(request: &InternalRaftRequest) -> Option<Gated> {
    let grows = cost(request) > 0;
    let changes = request.delete_range.is_some()
        || request.txn.is_some()
        || request.compaction.is_some()
        || request.lease_revoke.is_some();
    match (grows, changes) {
        (true, _) => Some(Gated::Grows),
        (false, true) => Some(Gated::Changes),
        (false, false) => None,
    }
}

/// What a request may add to the database file.
fn cost(request: &InternalRaftRequest) -> i64 {
    if let Some(put) = &request.put {
        put_cost(put)
    } else if let Some(txn) = &request.txn {
        txn_cost(txn)
    } else if request.lease_grant.is_some() {
        apply::quota::LEASE_COST
    } else {
        0
    }
}

/// Requests that root alone may make.
fn needs_admin(request: &InternalRaftRequest) -> bool {
    request.auth_enable.is_some()
        || request.auth_disable.is_some()
        || request.auth_status.is_some()
        || request.auth_user_add.is_some()
        || request.auth_user_delete.is_some()
        || request.auth_user_change_password.is_some()
        || request.auth_user_grant_role.is_some()
        || request.auth_user_revoke_role.is_some()
        || request.auth_user_list.is_some()
        || request.auth_role_add.is_some()
        || request.auth_role_delete.is_some()
        || request.auth_role_grant_permission.is_some()
        || request.auth_role_revoke_permission.is_some()
        || request.auth_role_list.is_some()
}
