//! `lock`: a mutex of `client/v3/concurrency`. Whoever made the oldest key below the name's prefix holds it.

use super::super::interpreter::Context;
use super::super::process::{Ask, Asks, Tell, Token};
use super::super::text::from_bytes;
use super::call::shown;
use super::child::Child;
use super::client::Client;
use super::session::{CALL, Session, Told, saw_delete};
use super::{EXIT_ERROR, Failure, Step};
use crate::etcd::api::{RangeRequest, RangeResponse, Request, Response, ResponseOpKind, TxnResponse};
use crate::sim::SimTime;
use bytes::Bytes;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lock {
    session: Session,
    context: Context,
    prefix: String,
    command: Vec<String>,
    key: Bytes,
    revision: i64,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Granting,
    /// Puts its key, and sees who was first.
    Entering,
    /// Looks for the key just before its own.
    Looking,
    /// Waits for that key to go.
    Waiting(Token),
    /// Makes sure that its own key is still there.
    Checking,
    /// Reads its key, to show it.
    Showing,
    Holding,
    Running(Child),
    /// Deletes its key; then the program ends so.
    Unlocking(Result<i32, Failure>),
}

impl Lock {
    pub fn new(client: Client, context: Context, arguments: &[String], ttl: i64, asks: &mut Asks) -> Lock {
        Lock {
            session: Session::new(client, ttl, asks),
            context,
            prefix: format!("{}/", arguments[0]),
            command: arguments[1..].to_vec(),
            key: Bytes::new(),
            revision: 0,
            stage: Stage::Granting,
        }
    }

    pub fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> Step {
        if tell == Tell::Interrupt {
            return self.interrupted(now, asks);
        }
        if let (Stage::Running(_), Some(token)) = (&self.stage, tell.token())
            && Child::owns(token)
        {
            return self.tell_child(now, tell, asks);
        }
        match self.session.tell(now, tell, asks)? {
            Told::Ready => {
                self.key = self.session.key(&self.prefix);
                self.session.enter(&self.prefix, "", true, asks);
                self.stage = Stage::Entering;
                Ok(None)
            }
            // Whoever waits goes on waiting, as upstream does.
            Told::Expired if self.stage == Stage::Holding => Err(Failure::new(EXIT_ERROR, "session expired")),
            Told::Expired => Ok(None),
            Told::Other(Tell::Answer { token: CALL, result }) => {
                let result = result.map_err(|error| self.session.client.failed(now, &error, asks));
                self.answered(now, result, asks)
            }
            Told::Other(Tell::Watch { token, result }) if self.stage == Stage::Waiting(token) => {
                let status = match result {
                    Ok(response) if saw_delete(&response) => {
                        asks.push(Ask::Cancel { token });
                        self.look(asks);
                        return Ok(None);
                    }
                    Ok(response) if !response.canceled => return Ok(None),
                    Ok(response) => response.cancel_reason,
                    Err(status) => super::client::error_text(&status),
                };
                self.unlock(Err(Failure::new(EXIT_ERROR, status)), asks);
                Ok(None)
            }
            Told::Other(_) => Ok(None),
        }
    }

    fn answered(&mut self, now: SimTime, result: Result<Response, String>, asks: &mut Asks) -> Step {
        let stage = std::mem::replace(&mut self.stage, Stage::Granting);
        if let Stage::Unlocking(end) = stage {
            // How the command ended counts more than how the unlocking did.
            return match (end, result) {
                (Ok(0), Err(error)) => Err(Failure::new(EXIT_ERROR, error)),
                (end, _) => end.map(Some),
            };
        }
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                self.unlock(Err(Failure::new(EXIT_ERROR, error)), asks);
                return Ok(None);
            }
        };
        match (stage, response) {
            (Stage::Entering, Response::Txn(txn)) => self.entered(now, &txn, asks),
            (Stage::Looking, Response::Range(range)) => {
                self.looked(&range, asks);
                Ok(None)
            }
            (Stage::Checking, Response::Range(range)) => match range.kvs.is_empty() {
                true => Err(Failure::new(EXIT_ERROR, "mutex: session is expired")),
                false => self.acquired(now, range.header.map_or(0, |header| header.revision), asks),
            },
            (Stage::Showing, Response::Range(range)) => {
                if range.kvs.is_empty() {
                    return Err(Failure::new(EXIT_ERROR, "lock lost on init"));
                }
                let request = Request::Range(RangeRequest::default());
                asks.print(shown(self.session.client.display.answer(&request, &Response::Range(range)))?);
                self.stage = Stage::Holding;
                Ok(None)
            }
            (stage, _) => {
                self.stage = stage;
                Ok(None)
            }
        }
    }

    fn entered(&mut self, now: SimTime, txn: &TxnResponse, asks: &mut Asks) -> Step {
        let revision = txn.header.as_ref().map_or(0, |header| header.revision);
        let read = |at: usize| match txn.responses.get(at).and_then(|op| op.response.as_ref()) {
            Some(ResponseOpKind::Range(range)) => range.kvs.first(),
            _ => None,
        };
        self.revision = if txn.succeeded { revision } else { read(0).map_or(revision, |own| own.create_revision) };
        match read(1) {
            Some(owner) if owner.create_revision != self.revision => {
                self.look(asks);
                Ok(None)
            }
            _ => self.acquired(now, revision, asks),
        }
    }

    fn look(&mut self, asks: &mut Asks) {
        self.session.last_before(&self.prefix, self.revision, asks);
        self.stage = Stage::Looking;
    }

    fn looked(&mut self, range: &RangeResponse, asks: &mut Asks) {
        self.stage = match range.kvs.first() {
            Some(before) => {
                let revision = range.header.as_ref().map_or(0, |header| header.revision);
                Stage::Waiting(self.session.watch(before.key.clone(), Bytes::new(), revision, asks))
            }
            None => {
                self.read_key(asks);
                Stage::Checking
            }
        };
    }

    fn read_key(&self, asks: &mut Asks) {
        let request = RangeRequest { key: self.key.clone(), ..RangeRequest::default() };
        self.session.call(Request::Range(request), asks);
    }

    /// The lock is held: shows the key, or runs the command.
    fn acquired(&mut self, now: SimTime, revision: i64, asks: &mut Asks) -> Step {
        if self.command.is_empty() {
            self.read_key(asks);
            self.stage = Stage::Showing;
            return Ok(None);
        }
        let mut context = self.context.clone();
        context.environment.export("ETCD_LOCK_KEY", Some(from_bytes(&self.key)));
        context.environment.export("ETCD_LOCK_REV", Some(revision.to_string()));
        match Child::spawn(&self.command, &context, 0) {
            Err(error) => self.unlock(Err(Failure::new(EXIT_ERROR, error)), asks),
            Ok(mut child) => {
                let ended = child.start(now, asks);
                self.stage = Stage::Running(child);
                self.ended(ended, asks);
            }
        }
        Ok(None)
    }

    fn tell_child(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> Step {
        if let Stage::Running(child) = &mut self.stage {
            let ended = child.tell(now, tell, asks);
            self.ended(ended, asks);
        }
        Ok(None)
    }

    /// The command ended, if it did.
    fn ended(&mut self, status: Option<i32>, asks: &mut Asks) {
        let end = match status {
            None => return,
            Some(0) => Ok(0),
            // Killed by Ctrl-C; what Go makes of a status of -1.
            Some(130) => Err(Failure::new(255, "signal: interrupt")),
            Some(status) => Err(Failure::new(status, format!("exit status {status}"))),
        };
        self.unlock(end, asks);
    }

    fn unlock(&mut self, end: Result<i32, Failure>, asks: &mut Asks) {
        self.session.delete(self.key.clone(), asks);
        self.stage = Stage::Unlocking(end);
    }

    fn interrupted(&mut self, now: SimTime, asks: &mut Asks) -> Step {
        let cancelled = Failure::new(EXIT_ERROR, "context canceled");
        match &self.stage {
            Stage::Granting => return Err(cancelled),
            Stage::Running(_) => return self.tell_child(now, Tell::Interrupt, asks),
            Stage::Holding | Stage::Showing => self.unlock(Ok(0), asks),
            Stage::Unlocking(_) => {}
            Stage::Entering | Stage::Looking | Stage::Waiting(_) | Stage::Checking => {
                self.unlock(Err(cancelled), asks);
            }
        }
        Ok(None)
    }
}
