//! Who asks: tokens, logins and what needs root, before anything goes into the log.
//!
//! A token is judged by the member that is asked; what its user may do to keys is judged again when the request is applied.
//!
//! Upstream: `AuthInfoFromCtx` of `server/auth/store.go`, `v3_server.go`, `v3rpc/maintenance.go` of 3.5.

use super::Outbox;
use super::api::Request;
use super::apply;
use super::auth::{AuthInfo, password};
use super::error::{EtcdError, Status};
use super::internal::{InternalAuthenticateRequest, InternalRaftRequest};
use super::member::{Member, Moment};
use super::proposals::Purpose;
use super::server::Call;
use super::wire::{AuthToken, ConnId};
use crate::raft::Index;
use crate::sim::SimTime;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// What waits until this member has applied the entry that gave out its token.
#[derive(Clone, Debug, Hash)]
pub struct Unjudged {
    index: Index,
    asked: Asked,
}

#[derive(Clone, Debug, Hash)]
pub enum Asked {
    Call(Call),
    Watch((ConnId, u32), AuthToken, super::api::WatchRequest),
}

/// More than these wait for no token: a stranger may name any entry.
const UNJUDGED_MAX: usize = 1_024;

impl Member {
    /// Whom a token speaks for; nobody without one. As in 3.5.1, a wrong one is refused even while authentication is off.
    pub(super) fn auth_info(&mut self, now: SimTime, token: &AuthToken) -> Result<Option<AuthInfo>, EtcdError> {
        let Some(token) = token else { return Ok(None) };
        let auth = &mut self.applier.auth;
        let revision = auth.revision();
        auth.tokens.info(token, revision, now).map(Some).ok_or(EtcdError::InvalidAuthToken)
    }

    /// Puts aside what shows a token from the future.
    pub(super) fn put_aside(&mut self, token: &AuthToken, asked: impl FnOnce() -> Asked) -> bool {
        let Some(token) = token else { return false };
        let Some(index) = self.applier.auth.tokens.index(token).filter(|index| *index > self.applied()) else {
            return false;
        };
        if self.unjudged.len() < UNJUDGED_MAX {
            self.unjudged.push(Unjudged { index, asked: asked() });
        }
        true
    }

    /// Takes up what waited for entries that are applied now.
    pub(super) fn take_up(&mut self, at: Moment, out: &mut Outbox) {
        if self.unjudged.is_empty() {
            return;
        }
        let applied = self.applied();
        let (ready, waiting): (Vec<Unjudged>, _) =
            std::mem::take(&mut self.unjudged).into_iter().partition(|unjudged| unjudged.index <= applied);
        self.unjudged = waiting;
        for unjudged in ready {
            match unjudged.asked {
                Asked::Call(call) => self.call(at, call, out),
                Asked::Watch(stream, token, request) => self.watch_asked(at, stream, &token, &request, out),
            }
        }
    }

    /// A connection is gone, and whatever waited on it.
    pub(super) fn forget_unjudged(&mut self, conn: ConnId) {
        self.unjudged.retain(|unjudged| match &unjudged.asked {
            Asked::Call(call) => call.conn != conn,
            Asked::Watch((of, _), ..) => *of != conn,
        });
    }

    /// Whether the asker is root, if that matters.
    pub(super) fn check_root(&mut self, now: SimTime, token: &AuthToken) -> Result<(), EtcdError> {
        let info = self.auth_info(now, token)?;
        self.applier.auth.check_admin(info.as_ref())
    }

    /// Whether a read is permitted.
    pub(super) fn check_read(&mut self, now: SimTime, call: &Call) -> Result<(), EtcdError> {
        let info = self.auth_info(now, &call.token)?;
        if !self.applier.auth.is_enabled() {
            return Ok(());
        }
        let info = info.unwrap_or_default();
        match &call.request {
            Request::Range(range) => self.applier.auth.check_read(&info, &range.key, &range.range_end),
            Request::Txn(txn) => self.applier.check_txn(&info, txn),
            _ => Ok(()),
        }
    }

    /// Whether a watch is permitted. As in 3.5.1, one without an end is taken for one of its first key.
    pub(super) fn may_watch(&mut self, now: SimTime, token: &AuthToken, key: &[u8], range_end: &[u8]) -> bool {
        let Ok(info) = self.auth_info(now, token) else { return false };
        let key = if key.is_empty() { &[0] } else { key };
        let range_end = if range_end == [0] { &[] } else { range_end };
        self.applier.auth.check_read(&info.unwrap_or_default(), key, range_end).is_ok()
    }

    /// Passwords do not go into the log, their hashes do.
    pub(super) fn hash_password(&mut self, mut call: Call) -> Call {
        let mut hash = |password: &mut String| {
            let mut salt = [0; 16];
            salt[..8].copy_from_slice(&self.chance.next_u64().to_be_bytes());
            salt[8..].copy_from_slice(&self.chance.next_u64().to_be_bytes());
            let hashed = password::hash(password, self.cluster.settings.bcrypt_cost, salt);
            password.clear();
            BASE64.encode(hashed)
        };
        match &mut call.request {
            Request::UserAdd(add) if !add.options.as_ref().is_some_and(|options| options.no_password) => {
                add.hashed_password = hash(&mut add.password);
            }
            Request::UserChangePassword(change) if !change.password.is_empty() => {
                change.hashed_password = hash(&mut change.password);
            }
            _ => {}
        }
        call
    }

    /// Checks a password here and gives out the token through the log.
    pub(super) fn log_in(&mut self, at: Moment, call: Call, out: &mut Outbox) {
        let Request::Authenticate(login) = &call.request else { return };
        let revision = match self.applier.auth.check_password(&login.name, &login.password) {
            Ok(revision) => revision,
            Err(error) => return self.answer(call.conn, call.call, &call.request, Err(Status::from(error)), out),
        };
        let simple_token = self.applier.auth.tokens.prefix(&mut self.chance);
        let request = InternalAuthenticateRequest { name: login.name.clone(), password: String::new(), simple_token };
        let request = InternalRaftRequest { authenticate: Some(Box::new(request)), ..Default::default() };
        self.propose_for(at, Purpose::Login(call, revision), request, out);
    }

    /// Refuses what has no room, and tells everybody.
    pub(super) fn refuse_for_space(&mut self, at: Moment, call: Call, out: &mut Outbox) {
        let request = super::proposals::alarm_request(apply::quota::Alarm::NoSpace, self.id.0);
        let request = InternalRaftRequest::of(&Request::Alarm(request));
        self.propose_for(at, Purpose::Refuse(call, EtcdError::NoSpace), request, out);
    }
}
