//! `endpoint health`, `endpoint status`, `endpoint hashkv`: one question to each endpoint.
//!
//! Health asks all at once and reports in the order of the answers; the two others ask one after another.

use std::collections::VecDeque;

use bytes::Bytes;

use super::super::printers::EndpointHealth;
use super::super::process::{Ask, CallError, Token};
use super::client::{Client, print};
use super::flags::Parsed;
use super::kv::{is_on, number};
use super::table::Action;
use super::{EXIT_BAD_FEATURE, EXIT_ERROR, Failure};
use crate::etcd::api::{
    HashKvRequest, HashKvResponse, MemberListRequest, RangeRequest, Request, Response, StatusRequest, StatusResponse,
};
use crate::sim::SimTime;

/// The call for `--cluster`; endpoint `n` is asked under token `n`.
const MEMBERS: Token = Token(u32::MAX);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoints {
    action: Action,
    client: Client,
    /// Of `hashkv`.
    revision: i64,
    cluster: bool,
    endpoints: Vec<String>,
    todo: VecDeque<u32>,
    started: SimTime,
    waiting: usize,
    health: Vec<EndpointHealth>,
    status: Vec<(String, StatusResponse)>,
    hashes: Vec<(String, HashKvResponse)>,
    /// The last failure of `status` and `hashkv`.
    failure: Option<String>,
}

pub fn member_list() -> Request {
    Request::MemberList(MemberListRequest { linearizable: true })
}

impl Endpoints {
    pub fn new(action: Action, client: Client, parsed: &Parsed) -> Result<Endpoints, Failure> {
        let cluster = is_on(parsed, "endpoint", "cluster");
        if action != Action::EndpointHealth || cluster {
            client.require_endpoints()?;
        }
        Ok(Endpoints {
            action,
            revision: number(parsed, "endpoint hashkv", "rev"),
            cluster,
            endpoints: client.endpoints.clone(),
            client,
            todo: VecDeque::new(),
            started: SimTime::ZERO,
            waiting: 0,
            health: Vec::new(),
            status: Vec::new(),
            hashes: Vec::new(),
            failure: None,
        })
    }

    /// The exit status, if that was all.
    pub fn start(&mut self, now: SimTime, asks: &mut Vec<Ask>) -> Result<Option<i32>, Failure> {
        if self.cluster {
            let (endpoints, timeout) = (self.client.endpoints.clone(), self.client.timeout);
            asks.push(Ask::Call { token: MEMBERS, endpoints, request: member_list(), timeout });
            return Ok(None);
        }
        self.ask(now, asks)
    }

    fn ask(&mut self, now: SimTime, asks: &mut Vec<Ask>) -> Result<Option<i32>, Failure> {
        self.started = now;
        self.todo = (0..self.endpoints.len() as u32).collect();
        let at_once = if self.action == Action::EndpointHealth { self.todo.len() } else { 1 };
        for _ in 0..at_once {
            self.ask_next(asks);
        }
        self.maybe_finish(asks)
    }

    fn ask_next(&mut self, asks: &mut Vec<Ask>) {
        let Some(at) = self.todo.pop_front() else { return };
        let request = match self.action {
            Action::EndpointStatus => Request::Status(StatusRequest {}),
            Action::EndpointHashKv => Request::HashKv(HashKvRequest { revision: self.revision }),
            // Any key will do: an answer shows that a quorum can be reached.
            _ => Request::Range(RangeRequest { key: Bytes::from_static(b"health"), ..RangeRequest::default() }),
        };
        let endpoints = vec![self.endpoints[at as usize].clone()];
        asks.push(Ask::Call { token: Token(at), endpoints, request, timeout: self.client.timeout });
        self.waiting += 1;
    }

    /// The exit status, if that was all.
    pub fn answered(
        &mut self,
        now: SimTime,
        token: Token,
        result: Result<Response, CallError>,
        asks: &mut Vec<Ask>,
    ) -> Result<Option<i32>, Failure> {
        if token == MEMBERS {
            return self.members(now, result, asks);
        }
        let Some(endpoint) = self.endpoints.get(token.0 as usize).cloned() else { return Ok(None) };
        self.waiting -= 1;
        match (self.action, result) {
            (Action::EndpointHealth, result) => {
                // Simplified: no alarms yet, so none are asked for.
                let error = result.err().map(|error| self.client.failed_at(now, &endpoint, &error, asks));
                let took = now.since(self.started).to_string();
                self.health.push(EndpointHealth { endpoint, took, error });
            }
            (_, Ok(Response::Status(status))) => self.status.push((endpoint, status)),
            (_, Ok(Response::HashKv(hash))) => self.hashes.push((endpoint, hash)),
            (action, Err(error)) => {
                let text = self.client.failed(now, &error, asks);
                let what = if action == Action::EndpointStatus { "status" } else { "hash" };
                asks.push(Ask::Stderr(format!("Failed to get the {what} of endpoint {endpoint} ({text})\n")));
                self.failure = Some(text);
            }
            (_, Ok(_)) => {}
        }
        self.ask_next(asks);
        self.maybe_finish(asks)
    }

    fn members(
        &mut self,
        now: SimTime,
        result: Result<Response, CallError>,
        asks: &mut Vec<Ask>,
    ) -> Result<Option<i32>, Failure> {
        let members = match result {
            Ok(Response::MemberList(list)) => list.members,
            Ok(_) => Vec::new(),
            Err(error) => {
                let text = self.client.failed(now, &error, asks);
                let message = format!("failed to fetch endpoints from etcd cluster member list: {text}");
                return Err(Failure::new(EXIT_ERROR, message));
            }
        };
        self.endpoints = members.into_iter().flat_map(|member| member.client_urls).collect();
        self.ask(now, asks)
    }

    fn maybe_finish(&mut self, asks: &mut Vec<Ask>) -> Result<Option<i32>, Failure> {
        if self.waiting > 0 || !self.todo.is_empty() {
            return Ok(None);
        }
        let display = &self.client.display;
        let bad_format = |error| Failure::new(EXIT_BAD_FEATURE, error);
        match self.action {
            Action::EndpointStatus => {
                print(display.endpoint_status(&self.status).map_err(bad_format)?, asks);
                Ok(Some(if self.failure.is_some() { EXIT_ERROR } else { 0 }))
            }
            Action::EndpointHashKv => {
                print(display.endpoint_hash_kv(&self.hashes).map_err(bad_format)?, asks);
                self.failure.take().map_or(Ok(Some(0)), |text| Err(Failure::new(EXIT_ERROR, text)))
            }
            _ => {
                let (stdout, stderr) = display.endpoint_health(&self.health).map_err(bad_format)?;
                print(stdout, asks);
                if !stderr.is_empty() {
                    asks.push(Ask::Stderr(stderr));
                }
                match self.health.iter().any(|health| health.error.is_some()) {
                    true => Err(Failure::new(EXIT_ERROR, "unhealthy cluster")),
                    false => Ok(Some(0)),
                }
            }
        }
    }
}
