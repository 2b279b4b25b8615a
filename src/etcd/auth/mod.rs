//! Users, roles and what they may do.
//!
//! Every change of users and roles goes through the log and moves the auth revision on; a permission is checked against the
//! revision that the asker's token was judged by, so that nobody acts on rights that were taken away meanwhile. Asking
//! whether something is permitted costs nothing while authentication is off.
//!
//! Upstream: `server/auth/store.go` of 3.5.

use super::api::*;
use super::apply::go_sort;
use super::error::EtcdError;
use crate::raft::Index;
use crate::sim::SimTime;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use permissions::Permitted;
use std::collections::BTreeMap;
use std::sync::Arc;

mod interval_tree;
pub mod password;
mod permissions;
pub mod token;

pub use token::{TokenKind, Tokens};

/// The user, and the role, that may do everything.
pub const ROOT: &str = "root";

/// On whose behalf something is asked; the default is nobody's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AuthInfo {
    pub username: String,
    /// The auth revision by which the asker was judged; 0 for nobody.
    pub revision: u64,
}

#[derive(Clone, Debug, Hash)]
pub struct AuthStore {
    /// Nothing before it was switched on for the first time.
    enabled: Option<bool>,
    revision: u64,
    accounts: Arc<Accounts>,
    /// This member's own: not part of what the members agree on.
    pub tokens: Tokens,
}

/// There are few of them, and they seldom change: a world that is copied shares them until then.
#[derive(Clone, Debug, Default, Hash)]
struct Accounts {
    users: BTreeMap<String, User>,
    roles: BTreeMap<String, Role>,
    /// What the roles of each user come to.
    permitted: BTreeMap<String, Permitted>,
}

impl AuthStore {
    pub fn new(tokens: Tokens) -> AuthStore {
        AuthStore { enabled: None, revision: 1, accounts: Arc::default(), tokens }
    }

    /// What a database says.
    pub fn restore(
        enabled: Option<bool>,
        revision: u64,
        users: impl IntoIterator<Item = User>,
        roles: impl IntoIterator<Item = Role>,
        tokens: Tokens,
    ) -> AuthStore {
        let mut accounts = Accounts {
            users: users.into_iter().map(|user| (user.name.clone(), user)).collect(),
            roles: roles.into_iter().map(|role| (role.name.clone(), role)).collect(),
            permitted: BTreeMap::new(),
        };
        accounts.permit_all();
        AuthStore { enabled, revision: revision.max(1), accounts: Arc::new(accounts), tokens }
    }

    pub fn is_enabled(&self) -> bool {
        self.enabled == Some(true)
    }

    /// As the database has it: nothing before it was switched on for the first time.
    pub fn switch(&self) -> Option<bool> {
        self.enabled
    }

    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Users in the order of their names.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.accounts.users.values()
    }

    /// Roles in the order of their names.
    pub fn roles(&self) -> impl Iterator<Item = &Role> {
        self.accounts.roles.values()
    }

    pub fn enable(&mut self, now: SimTime) -> Result<(), EtcdError> {
        if self.is_enabled() {
            return Ok(());
        }
        let root = self.accounts.users.get(ROOT).ok_or(EtcdError::RootUserNotExist)?;
        if !has_role(root, ROOT) {
            return Err(EtcdError::RootRoleNotExist);
        }
        self.enabled = Some(true);
        self.tokens.enable(now);
        Ok(())
    }

    pub fn disable(&mut self) {
        if self.is_enabled() {
            self.enabled = Some(false);
            self.tokens.disable();
            self.revision += 1;
        }
    }

    // Logging in.

    /// Whether a password is a user's: the auth revision at which it was. Done by the member that is asked, before anything
    /// goes into the log.
    pub fn check_password(&self, name: &str, password: &str) -> Result<u64, EtcdError> {
        if !self.is_enabled() {
            return Err(EtcdError::AuthNotEnabled);
        }
        let user = self.accounts.users.get(name).ok_or(EtcdError::AuthFailed)?;
        if has_no_password(user) {
            return Err(EtcdError::NoPasswordUser);
        }
        if password::verify(password, &user.password) { Ok(self.revision) } else { Err(EtcdError::AuthFailed) }
    }

    /// Gives out a token for a password that was found right.
    pub fn authenticate(&mut self, name: &str, prefix: &str, index: Index, now: SimTime) -> Result<String, EtcdError> {
        if !self.is_enabled() {
            return Err(EtcdError::AuthNotEnabled);
        }
        let user = self.accounts.users.get(name).ok_or(EtcdError::AuthFailed)?;
        if has_no_password(user) {
            return Err(EtcdError::AuthFailed);
        }
        Ok(self.tokens.assign(name, self.revision, prefix, index, now))
    }

    // Users.

    pub fn user_add(&mut self, request: &AuthUserAddRequest) -> Result<(), EtcdError> {
        if request.name.is_empty() {
            return Err(EtcdError::UserEmpty);
        }
        if self.accounts.users.contains_key(&request.name) {
            return Err(EtcdError::UserAlreadyExist);
        }
        let options = request.options.clone().unwrap_or_default();
        let password = if options.no_password { Vec::new() } else { hashed(&request.hashed_password)? };
        let user =
            User { name: request.name.clone(), password: password.into(), roles: Vec::new(), options: Some(options) };
        self.change().save_user(user);
        self.revision += 1;
        Ok(())
    }

    pub fn user_delete(&mut self, name: &str) -> Result<(), EtcdError> {
        if self.is_enabled() && name == ROOT {
            return Err(EtcdError::InvalidAuthMgmt);
        }
        let accounts = self.change();
        accounts.users.remove(name).ok_or(EtcdError::UserNotFound)?;
        accounts.permitted.remove(name);
        self.tokens.invalidate(name);
        self.revision += 1;
        Ok(())
    }

    pub fn user_change_password(&mut self, request: &AuthUserChangePasswordRequest) -> Result<(), EtcdError> {
        let user = self.change().users.get_mut(&request.name).ok_or(EtcdError::UserNotFound)?;
        if !has_no_password(user) {
            user.password = hashed(&request.hashed_password)?.into();
        }
        self.tokens.invalidate(&request.name);
        self.revision += 1;
        Ok(())
    }

    pub fn user_grant_role(&mut self, name: &str, role: &str) -> Result<(), EtcdError> {
        let mut user = self.accounts.users.get(name).ok_or(EtcdError::UserNotFound)?.clone();
        if role != ROOT && !self.accounts.roles.contains_key(role) {
            return Err(EtcdError::RoleNotFound);
        }
        let Err(position) = user.roles.binary_search_by(|known| known.as_str().cmp(role)) else { return Ok(()) };
        user.roles.insert(position, role.to_owned());
        self.change().save_user(user);
        self.revision += 1;
        Ok(())
    }

    pub fn user_revoke_role(&mut self, name: &str, role: &str) -> Result<(), EtcdError> {
        if self.is_enabled() && name == ROOT && role == ROOT {
            return Err(EtcdError::InvalidAuthMgmt);
        }
        let mut user = self.accounts.users.get(name).ok_or(EtcdError::UserNotFound)?.clone();
        if !has_role(&user, role) {
            return Err(EtcdError::RoleNotGranted);
        }
        user.roles.retain(|known| known != role);
        self.change().save_user(user);
        self.revision += 1;
        Ok(())
    }

    /// The roles of a user.
    pub fn user_roles(&self, name: &str) -> Result<Vec<String>, EtcdError> {
        self.accounts.users.get(name).map(|user| user.roles.clone()).ok_or(EtcdError::UserNotFound)
    }

    // Roles.

    pub fn role_add(&mut self, name: &str) -> Result<(), EtcdError> {
        if name.is_empty() {
            return Err(EtcdError::RoleEmpty);
        }
        if self.accounts.roles.contains_key(name) {
            return Err(EtcdError::RoleAlreadyExist);
        }
        self.change().roles.insert(name.to_owned(), Role { name: name.to_owned(), key_permission: Vec::new() });
        self.revision += 1;
        Ok(())
    }

    pub fn role_delete(&mut self, name: &str) -> Result<(), EtcdError> {
        if self.is_enabled() && name == ROOT {
            return Err(EtcdError::InvalidAuthMgmt);
        }
        let accounts = self.change();
        accounts.roles.remove(name).ok_or(EtcdError::RoleNotFound)?;
        accounts.users.values_mut().for_each(|user| user.roles.retain(|known| known != name));
        accounts.permit_all();
        self.revision += 1;
        Ok(())
    }

    pub fn role_permissions(&self, name: &str) -> Result<Vec<Permission>, EtcdError> {
        self.accounts.roles.get(name).map(|role| role.key_permission.clone()).ok_or(EtcdError::RoleNotFound)
    }

    /// Grants a permission. As upstream, one that the role has already is recognised only if it is the first of its key.
    pub fn role_grant_permission(&mut self, request: &AuthRoleGrantPermissionRequest) -> Result<(), EtcdError> {
        let granted = request.perm.as_ref().ok_or(EtcdError::PermissionNotGiven)?;
        let role = self.change().roles.get_mut(&request.name).ok_or(EtcdError::RoleNotFound)?;
        let permissions = &mut role.key_permission;
        let first = permissions.partition_point(|known| known.key < granted.key);
        match permissions.get_mut(first) {
            Some(known) if known.key == granted.key && known.range_end == granted.range_end => {
                known.perm_type = granted.perm_type;
            }
            _ => {
                permissions.push(granted.clone());
                go_sort::sort(permissions, |a, b| a.key < b.key);
            }
        }
        self.change().permit_all();
        self.revision += 1;
        Ok(())
    }

    pub fn role_revoke_permission(&mut self, request: &AuthRoleRevokePermissionRequest) -> Result<(), EtcdError> {
        let role = self.change().roles.get_mut(&request.role).ok_or(EtcdError::RoleNotFound)?;
        let before = role.key_permission.len();
        role.key_permission.retain(|known| known.key != request.key || known.range_end != request.range_end);
        if role.key_permission.len() == before {
            return Err(EtcdError::PermissionNotGranted);
        }
        self.change().permit_all();
        self.revision += 1;
        Ok(())
    }

    // What is permitted.

    pub fn check_read(&self, info: &AuthInfo, key: &[u8], range_end: &[u8]) -> Result<(), EtcdError> {
        self.check(info, |permitted| permitted.allows_read(key, range_end))
    }

    pub fn check_write(&self, info: &AuthInfo, key: &[u8], range_end: &[u8]) -> Result<(), EtcdError> {
        self.check(info, |permitted| permitted.allows_write(key, range_end))
    }

    pub fn check_admin(&self, info: Option<&AuthInfo>) -> Result<(), EtcdError> {
        if !self.is_enabled() {
            return Ok(());
        }
        let info = info.filter(|info| !info.username.is_empty()).ok_or(EtcdError::UserEmpty)?;
        let is_root = self.accounts.users.get(&info.username).is_some_and(|user| has_role(user, ROOT));
        if is_root { Ok(()) } else { Err(EtcdError::PermissionDenied) }
    }

    pub fn has_role(&self, user: &str, role: &str) -> bool {
        self.accounts.users.get(user).is_some_and(|user| has_role(user, role))
    }

    fn check(&self, info: &AuthInfo, allows: impl FnOnce(&Permitted) -> bool) -> Result<(), EtcdError> {
        if !self.is_enabled() {
            return Ok(());
        }
        if info.revision == 0 {
            return Err(EtcdError::UserEmpty);
        }
        if info.revision < self.revision {
            return Err(EtcdError::AuthOldRevision);
        }
        let user = self.accounts.users.get(&info.username).ok_or(EtcdError::PermissionDenied)?;
        if has_role(user, ROOT) || self.accounts.permitted.get(&info.username).is_some_and(allows) {
            Ok(())
        } else {
            Err(EtcdError::PermissionDenied)
        }
    }

    fn change(&mut self) -> &mut Accounts {
        Arc::make_mut(&mut self.accounts)
    }
}

impl Accounts {
    fn save_user(&mut self, user: User) {
        self.permitted.insert(user.name.clone(), self.permissions_of(&user));
        self.users.insert(user.name.clone(), user);
    }

    fn permit_all(&mut self) {
        self.permitted = self.users.values().map(|user| (user.name.clone(), self.permissions_of(user))).collect();
    }

    fn permissions_of(&self, user: &User) -> Permitted {
        let roles = user.roles.iter().filter_map(|role| self.roles.get(role));
        Permitted::of(roles.flat_map(|role| &role.key_permission))
    }
}

/// The text of an error where upstream forgets to turn its own into gRPC's.
pub fn unmapped(error: EtcdError) -> super::error::Status {
    let message = match error {
        EtcdError::UserEmpty => "auth: user name is empty",
        EtcdError::InvalidAuthToken => "auth: invalid auth token",
        EtcdError::PermissionDenied => "auth: permission denied",
        other => other.text(),
    };
    super::error::Status { code: super::error::Code::Unknown, message: message.to_owned() }
}

fn has_role(user: &User, role: &str) -> bool {
    user.roles.iter().any(|known| known == role)
}

fn has_no_password(user: &User) -> bool {
    user.options.as_ref().is_some_and(|options| options.no_password)
}

/// The log carries hashes, in base 64.
fn hashed(text: &str) -> Result<Vec<u8>, EtcdError> {
    BASE64.decode(text).map_err(|_| EtcdError::NoPasswordUser)
}

#[cfg(test)]
mod tests;
