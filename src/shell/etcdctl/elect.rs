//! `elect`: an election of `client/v3/concurrency`. Whoever made the oldest key below the name's prefix is elected.

use super::super::process::{Ask, Asks, Tell, Token};
use super::super::text::to_bytes;
use super::call::shown;
use super::client::{Client, error_text};
use super::session::{CALL, Session, TTL, Told, first_created, saw_delete};
use super::{EXIT_ERROR, Failure, Step};
use crate::etcd::api::{
    EventType, KeyValue, RangeRequest, RangeResponse, Request, Response, ResponseHeader, ResponseOpKind, WatchResponse,
};
use crate::etcd::client::prefix_end;
use crate::sim::SimTime;
use bytes::Bytes;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Elect {
    session: Session,
    prefix: String,
    /// Nothing: it only observes.
    proposal: Option<String>,
    key: Bytes,
    revision: i64,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Granting,
    /// Puts its key.
    Entering,
    /// Looks for the key just before its own.
    Looking,
    /// Waits for that key to go.
    Waiting(Token),
    /// Reads its key, to show it.
    Showing,
    Leading,
    /// Deletes its key; then the program ends so.
    Resigning(Result<i32, Failure>),
    /// Looks for the oldest key.
    Finding,
    /// Waits for any key.
    Empty(Token),
    /// Watches the key of whoever is elected.
    Observing(Token),
}

impl Elect {
    pub fn new(client: Client, name: &str, proposal: Option<String>, asks: &mut Asks) -> Elect {
        Elect {
            session: Session::new(client, TTL, asks),
            prefix: format!("{name}/"),
            proposal,
            key: Bytes::new(),
            revision: 0,
            stage: Stage::Granting,
        }
    }

    pub fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> Step {
        if tell == Tell::Interrupt {
            return self.interrupted(asks);
        }
        match self.session.tell(now, tell, asks)? {
            Told::Ready => {
                self.key = self.session.key(&self.prefix);
                match self.proposal.clone() {
                    Some(proposal) => {
                        self.session.enter(&self.prefix, &proposal, false, asks);
                        self.stage = Stage::Entering;
                    }
                    None => self.find(asks),
                }
                Ok(None)
            }
            Told::Expired if self.stage == Stage::Leading => Err(Failure::new(EXIT_ERROR, "elect: session expired")),
            Told::Expired => Ok(None),
            Told::Other(Tell::Answer { token: CALL, result }) => {
                let result = result.map_err(|error| self.session.client.failed(now, &error, asks));
                self.answered(result, asks)
            }
            Told::Other(Tell::Watch { token, result }) => match self.stage {
                Stage::Waiting(watch) | Stage::Empty(watch) | Stage::Observing(watch) if watch == token => match result
                {
                    Ok(response) if !response.canceled => self.watched(token, &response, asks),
                    Ok(response) => self.lost(response.cancel_reason, asks),
                    Err(status) => self.lost(error_text(&status), asks),
                },
                _ => Ok(None),
            },
            Told::Other(_) => Ok(None),
        }
    }

    fn answered(&mut self, result: Result<Response, String>, asks: &mut Asks) -> Step {
        let stage = std::mem::replace(&mut self.stage, Stage::Granting);
        let response = match (&stage, result) {
            (Stage::Resigning(end), result) => {
                return match (end.clone(), result) {
                    (Ok(_), Err(error)) => Err(Failure::new(EXIT_ERROR, error)),
                    (end, _) => end.map(Some),
                };
            }
            (_, Ok(response)) => response,
            (_, Err(error)) => return self.lost(error, asks),
        };
        match (stage, response) {
            (Stage::Entering, Response::Txn(txn)) => {
                let own = txn.responses.first().and_then(|op| op.response.as_ref());
                self.revision = match own {
                    Some(ResponseOpKind::Range(range)) if !txn.succeeded => {
                        range.kvs.first().map_or(0, |kv| kv.create_revision)
                    }
                    _ => txn.header.map_or(0, |header| header.revision),
                };
                self.look(asks);
            }
            (Stage::Looking, Response::Range(range)) => {
                self.stage = match range.kvs.first() {
                    Some(before) => {
                        let revision = range.header.as_ref().map_or(0, |header| header.revision);
                        Stage::Waiting(self.session.watch(before.key.clone(), Bytes::new(), revision, asks))
                    }
                    None => {
                        let request = RangeRequest { key: self.key.clone(), ..RangeRequest::default() };
                        self.session.call(Request::Range(request), asks);
                        Stage::Showing
                    }
                };
            }
            (Stage::Showing, Response::Range(range)) => {
                self.show(range, asks)?;
                self.stage = Stage::Leading;
            }
            (Stage::Finding, Response::Range(range)) => self.found(range, asks)?,
            (stage, _) => self.stage = stage,
        }
        Ok(None)
    }

    fn look(&mut self, asks: &mut Asks) {
        self.session.last_before(&self.prefix, self.revision, asks);
        self.stage = Stage::Looking;
    }

    fn find(&mut self, asks: &mut Asks) {
        self.session.call(Request::Range(first_created(&self.prefix)), asks);
        self.stage = Stage::Finding;
    }

    fn found(&mut self, range: RangeResponse, asks: &mut Asks) -> Result<(), Failure> {
        let header = range.header.unwrap_or_default();
        match range.kvs.into_iter().next() {
            Some(kv) => self.observe(header, kv, asks),
            None => {
                let key = to_bytes(&self.prefix);
                let end = prefix_end(&key);
                self.stage = Stage::Empty(self.session.watch(key, end, header.revision, asks));
                Ok(())
            }
        }
    }

    /// Shows who is elected, and watches the key from there on.
    fn observe(&mut self, header: ResponseHeader, kv: KeyValue, asks: &mut Asks) -> Result<(), Failure> {
        let (key, from) = (kv.key.clone(), header.revision + 1);
        self.show(RangeResponse { header: Some(header), kvs: vec![kv], ..RangeResponse::default() }, asks)?;
        self.stage = Stage::Observing(self.session.watch(key, Bytes::new(), from, asks));
        Ok(())
    }

    fn watched(&mut self, token: Token, response: &WatchResponse, asks: &mut Asks) -> Step {
        match self.stage {
            Stage::Waiting(_) if saw_delete(response) => {
                asks.push(Ask::Cancel { token });
                self.look(asks);
            }
            Stage::Empty(_) => {
                let put = response.events.iter().find(|event| event.r#type == EventType::Put as i32);
                if let Some(kv) = put.and_then(|event| event.kv.clone()) {
                    asks.push(Ask::Cancel { token });
                    let header = response.header.clone().unwrap_or_default();
                    self.observe(ResponseHeader { revision: kv.mod_revision, ..header }, kv, asks)?;
                }
            }
            Stage::Observing(_) => {
                for event in &response.events {
                    if event.r#type == EventType::Delete as i32 {
                        asks.push(Ask::Cancel { token });
                        self.find(asks);
                        break;
                    }
                    let kvs = event.kv.iter().cloned().collect();
                    self.show(
                        RangeResponse { header: response.header.clone(), kvs, ..RangeResponse::default() },
                        asks,
                    )?;
                }
            }
            _ => {}
        }
        Ok(None)
    }

    fn show(&self, range: RangeResponse, asks: &mut Asks) -> Result<(), Failure> {
        let request = Request::Range(RangeRequest::default());
        asks.print(shown(self.session.client.display.answer(&request, &Response::Range(range)))?);
        Ok(())
    }

    /// A call or a watch failed.
    fn lost(&mut self, error: String, asks: &mut Asks) -> Step {
        if self.proposal.is_none() {
            return Err(Failure::new(EXIT_ERROR, "elect: observer lost"));
        }
        self.resign(Err(Failure::new(EXIT_ERROR, error)), asks);
        Ok(None)
    }

    fn resign(&mut self, end: Result<i32, Failure>, asks: &mut Asks) {
        self.session.delete_if(self.key.clone(), self.revision, asks);
        self.stage = Stage::Resigning(end);
    }

    fn interrupted(&mut self, asks: &mut Asks) -> Step {
        let cancelled = Failure::new(EXIT_ERROR, "context canceled");
        match &self.stage {
            _ if self.proposal.is_none() => return Ok(Some(0)),
            Stage::Granting | Stage::Entering => return Err(cancelled),
            Stage::Leading | Stage::Showing => self.resign(Ok(0), asks),
            Stage::Resigning(_) => {}
            _ => self.resign(Err(cancelled), asks),
        }
        Ok(None)
    }
}
