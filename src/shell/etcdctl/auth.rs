//! `auth …`, `user …` and `role …`: flags into requests, and the commands that are more than one call.

use super::super::process::{Asks, Tell, Token};
use super::super::text::to_bytes;
use super::call::shown;
use super::client::Client;
use super::flags::Parsed;
use super::kv::{OPEN_END, is_on, text};
use super::prompt::{Prompt, Purpose};
use super::table::Action;
use super::{EXIT_BAD_ARGS, EXIT_ERROR, Failure, Step};
use crate::etcd::api::{
    AuthDisableRequest, AuthEnableRequest, AuthRoleAddRequest, AuthRoleDeleteRequest, AuthRoleGetRequest,
    AuthRoleGrantPermissionRequest, AuthRoleListRequest, AuthRoleRevokePermissionRequest, AuthStatusRequest,
    AuthUserAddRequest, AuthUserChangePasswordRequest, AuthUserDeleteRequest, AuthUserGetRequest,
    AuthUserGrantRoleRequest, AuthUserListRequest, AuthUserRevokeRoleRequest, Permission, PermissionType, Request,
    Response, UserAddOptions,
};
use crate::etcd::client::prefix_end;
use crate::etcd::error::EtcdError;
use crate::sim::SimTime;
use bytes::Bytes;

/// The request of a command that makes one call; the others are [`Enable`] and [`UserDetail`].
pub fn request(action: Action, parsed: &Parsed) -> Result<Request, Failure> {
    let word = |at: usize| parsed.positional.get(at).cloned().unwrap_or_default();
    Ok(match action {
        Action::AuthDisable => Request::AuthDisable(AuthDisableRequest {}),
        Action::AuthStatus => Request::AuthStatus(AuthStatusRequest {}),
        Action::UserDelete => Request::UserDelete(AuthUserDeleteRequest { name: word(0) }),
        Action::UserGet => Request::UserGet(AuthUserGetRequest { name: word(0) }),
        Action::UserList => Request::UserList(AuthUserListRequest {}),
        Action::UserGrantRole => Request::UserGrantRole(AuthUserGrantRoleRequest { user: word(0), role: word(1) }),
        Action::UserRevokeRole => Request::UserRevokeRole(AuthUserRevokeRoleRequest { name: word(0), role: word(1) }),
        Action::RoleAdd => Request::RoleAdd(AuthRoleAddRequest { name: word(0) }),
        Action::RoleDelete => Request::RoleDelete(AuthRoleDeleteRequest { role: word(0) }),
        Action::RoleGet => Request::RoleGet(AuthRoleGetRequest { role: word(0) }),
        Action::RoleGrantPermission => grant_permission(parsed)?,
        Action::RoleRevokePermission => {
            let (key, range_end) = permission_range(parsed, "role revoke-permission", 1)?;
            Request::RoleRevokePermission(AuthRoleRevokePermissionRequest { role: word(0), key, range_end })
        }
        _ => Request::RoleList(AuthRoleListRequest {}),
    })
}

fn grant_permission(parsed: &Parsed) -> Result<Request, Failure> {
    let kind = &parsed.positional[1];
    let perm_type = match kind.to_uppercase().as_str() {
        "READ" => PermissionType::Read,
        "WRITE" => PermissionType::Write,
        "READWRITE" => PermissionType::ReadWrite,
        _ => return Err(Failure::new(EXIT_BAD_ARGS, format!("invalid permission type: {kind}"))),
    };
    let (key, range_end) = permission_range(parsed, "role grant-permission", 2)?;
    let perm = Permission { perm_type: perm_type as i32, key, range_end };
    let name = parsed.positional[0].clone();
    Ok(Request::RoleGrantPermission(AuthRoleGrantPermissionRequest { name, perm: Some(perm) }))
}

/// Key and end of a permission, from the argument at `at` on and the flags.
fn permission_range(parsed: &Parsed, command: &str, at: usize) -> Result<(Bytes, Bytes), Failure> {
    let (prefix, from_key) = (is_on(parsed, command, "prefix"), is_on(parsed, command, "from-key"));
    let bad = |message: &str| Err(Failure::new(EXIT_BAD_ARGS, message));
    let key = to_bytes(&parsed.positional[at]);
    let end = parsed.positional.get(at + 1);
    if prefix && from_key && (end.is_none() || key.is_empty()) {
        return bad("--from-key and --prefix flags are mutually exclusive");
    }
    if key.is_empty() {
        // Every key there is, or the smallest one.
        return Ok((OPEN_END, if prefix || from_key { OPEN_END } else { Bytes::new() }));
    }
    match end {
        Some(_) if prefix => bad("unexpected endkey argument with --prefix flag"),
        Some(_) if from_key => bad("unexpected endkey argument with --from-key flag"),
        Some(end) => Ok((key, to_bytes(end))),
        None if prefix => {
            let end = prefix_end(&key);
            Ok((key, end))
        }
        None if from_key => Ok((key, OPEN_END)),
        None => Ok((key, Bytes::new())),
    }
}

/// `user add` and `user passwd`: the request, or what has to be typed first.
pub enum Password {
    Known(Request),
    Typed(Prompt),
}

pub fn user_add(parsed: &Parsed) -> Result<Password, Failure> {
    let argument = &parsed.positional[0];
    let known =
        |name: &str, password: &str, no_password: bool| Password::Known(user_add_request(name, password, no_password));
    if is_on(parsed, "user add", "no-password") {
        return Ok(known(argument, "", true));
    }
    match (text(parsed, "user add", "new-user-password"), argument.split_once(':')) {
        ("", Some(("", _))) => Err(Failure::new(EXIT_BAD_ARGS, "empty user name is not allowed")),
        ("", Some((name, password))) => Ok(known(name, password, false)),
        ("", None) => {
            let purpose = Purpose::UserAdd { name: argument.clone() };
            Ok(Password::Typed(Prompt::new(purpose, is_on(parsed, "user add", "interactive"))))
        }
        (password, _) => Ok(known(argument, password, false)),
    }
}

pub fn user_add_request(name: &str, password: &str, no_password: bool) -> Request {
    Request::UserAdd(AuthUserAddRequest {
        name: name.to_owned(),
        password: password.to_owned(),
        options: Some(UserAddOptions { no_password }),
        hashed_password: String::new(),
    })
}

pub fn user_passwd(parsed: &Parsed) -> Prompt {
    let purpose = Purpose::UserPasswd { name: parsed.positional[0].clone() };
    Prompt::new(purpose, is_on(parsed, "user passwd", "interactive"))
}

pub fn change_password(name: &str, password: &str) -> Request {
    Request::UserChangePassword(AuthUserChangePasswordRequest {
        name: name.to_owned(),
        password: password.to_owned(),
        hashed_password: String::new(),
    })
}

/// `auth enable`: makes the role root and gives it to the user root if that is all that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Enable {
    client: Client,
    asked: Request,
}

impl Enable {
    pub fn new(client: Client, asks: &mut Asks) -> Enable {
        let asked = Request::AuthEnable(AuthEnableRequest {});
        client.ask(Token(0), asked.clone(), asks);
        Enable { client, asked }
    }

    pub fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> Step {
        let Tell::Answer { result, .. } = tell else { return Ok(None) };
        let failed = match result {
            Ok(_) => None,
            Err(error) => Some((error.status.message.clone(), self.client.failed(now, &error, asks))),
        };
        let root = || "root".to_owned();
        let is = |error: EtcdError| failed.as_ref().is_some_and(|(message, _)| message == error.text());
        let next = match &self.asked {
            Request::AuthEnable(_) if failed.is_none() => {
                asks.print("Authentication Enabled\n");
                return Ok(Some(0));
            }
            Request::AuthEnable(_) if is(EtcdError::RootRoleNotExist) => {
                Request::RoleAdd(AuthRoleAddRequest { name: root() })
            }
            Request::RoleAdd(_) if failed.is_none() || is(EtcdError::RoleAlreadyExist) => {
                Request::UserGrantRole(AuthUserGrantRoleRequest { user: root(), role: root() })
            }
            Request::UserGrantRole(_) if failed.is_none() => Request::AuthEnable(AuthEnableRequest {}),
            _ => return Err(Failure::new(EXIT_ERROR, failed.map_or_else(String::new, |(_, text)| text))),
        };
        self.asked = next.clone();
        self.client.ask(Token(0), next, asks);
        Ok(None)
    }
}

/// `user get --detail`: the user, and each of its roles.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserDetail {
    client: Client,
    name: String,
    /// Roles still to be shown, last first; the one that is asked for comes last.
    roles: Vec<String>,
}

impl UserDetail {
    pub fn new(client: Client, name: String, asks: &mut Asks) -> UserDetail {
        client.ask(Token(0), Request::UserGet(AuthUserGetRequest { name: name.clone() }), asks);
        UserDetail { client, name, roles: Vec::new() }
    }

    pub fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> Step {
        let Tell::Answer { result, .. } = tell else { return Ok(None) };
        match result.map_err(|error| Failure::new(EXIT_ERROR, self.client.failed(now, &error, asks)))? {
            Response::UserGet(user) => {
                asks.print(format!("User: {}\n", self.name));
                self.roles = user.roles;
                self.roles.reverse();
            }
            response => {
                let role = self.roles.pop().unwrap_or_default();
                let request = Request::RoleGet(AuthRoleGetRequest { role });
                asks.print(shown(self.client.display.answer(&request, &response))?);
            }
        }
        let Some(role) = self.roles.last().cloned() else { return Ok(Some(0)) };
        asks.print("\n");
        self.client.ask(Token(0), Request::RoleGet(AuthRoleGetRequest { role }), asks);
        Ok(None)
    }
}
