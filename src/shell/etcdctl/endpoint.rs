//! `endpoint health`, `endpoint status`, `endpoint hashkv` and `defrag`: questions to each endpoint.
//!
//! Health asks all at once and reports in the order of the answers; the others ask one after another.

use std::collections::VecDeque;

use bytes::Bytes;

use super::super::printers::EndpointHealth;
use super::super::process::{Ask, Asks, CallError, Tell, Token};
use super::call::shown;
use super::client::Client;
use super::flags::Parsed;
use super::kv::{is_on, number};
use super::member;
use super::table::Action;
use super::{EXIT_ERROR, Failure, Step};
use crate::etcd::api::{
    AlarmMember, DefragmentRequest, HashKvRequest, HashKvResponse, RangeRequest, Request, Response, StatusRequest,
    StatusResponse,
};
use crate::etcd::error::{Code, EtcdError};
use crate::sim::SimTime;

/// The call for `--cluster`.
const MEMBERS: Token = Token(u32::MAX);

/// What endpoint `n` is asked goes under the tokens from `n` times this on.
const QUESTIONS: u32 = 4;
const LOGIN: u32 = 0;
const QUESTION: u32 = 1;
const ALARMS: u32 = 2;

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
    /// How long each endpoint took to answer, for those whose alarms are asked for.
    took: Vec<String>,
    health: Vec<EndpointHealth>,
    status: Vec<(String, StatusResponse)>,
    hashes: Vec<(String, HashKvResponse)>,
    /// The last failure.
    failure: Option<String>,
}

impl Endpoints {
    pub fn new(action: Action, client: Client, parsed: &Parsed) -> Result<Endpoints, Failure> {
        let cluster = match action {
            Action::Defrag => is_on(parsed, "defrag", "cluster"),
            _ => is_on(parsed, "endpoint", "cluster"),
        };
        if action != Action::EndpointHealth || cluster {
            client.require_endpoints()?;
        }
        Ok(Endpoints {
            action,
            revision: number(parsed, "endpoint hashkv", "rev"),
            cluster,
            endpoints: client.via.endpoints.clone(),
            client,
            todo: VecDeque::new(),
            started: SimTime::ZERO,
            waiting: 0,
            took: Vec::new(),
            health: Vec::new(),
            status: Vec::new(),
            hashes: Vec::new(),
            failure: None,
        })
    }

    pub fn start(&mut self, now: SimTime, asks: &mut Asks) -> Step {
        if self.cluster {
            self.client.ask(MEMBERS, member::list(), asks);
            return Ok(None);
        }
        self.ask(now, asks)
    }

    fn ask(&mut self, now: SimTime, asks: &mut Asks) -> Step {
        self.started = now;
        self.took = vec![String::new(); self.endpoints.len()];
        self.todo = (0..self.endpoints.len() as u32).collect();
        let at_once = if self.action == Action::EndpointHealth { self.todo.len() } else { 1 };
        for _ in 0..at_once {
            self.ask_next(asks);
        }
        self.maybe_finish(asks)
    }

    fn ask_next(&mut self, asks: &mut Asks) {
        let Some(at) = self.todo.pop_front() else { return };
        self.waiting += 1;
        // Each health check has a client of its own, which logs in first.
        if self.action == Action::EndpointHealth && self.client.via.user.is_some() {
            let via = self.client.at(&self.endpoints[at as usize]);
            let token = Token(at * QUESTIONS + LOGIN);
            return asks.push(Ask::Login { token, via, timeout: self.client.dial_timeout });
        }
        self.question(at, asks);
    }

    fn question(&self, at: u32, asks: &mut Asks) {
        let request = match self.action {
            Action::EndpointStatus => Request::Status(StatusRequest {}),
            Action::EndpointHashKv => Request::HashKv(HashKvRequest { revision: self.revision }),
            Action::Defrag => Request::Defragment(DefragmentRequest {}),
            // Any key will do: an answer shows that a quorum can be reached.
            _ => Request::Range(RangeRequest { key: Bytes::from_static(b"health"), ..RangeRequest::default() }),
        };
        self.call(at, QUESTION, request, asks);
    }

    fn call(&self, at: u32, which: u32, request: Request, asks: &mut Asks) {
        let via = self.client.at(&self.endpoints[at as usize]);
        asks.push(Ask::Call { token: Token(at * QUESTIONS + which), via, request, timeout: self.client.timeout });
    }

    pub fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> Step {
        let Tell::Answer { token, result } = tell else { return Ok(None) };
        if token == MEMBERS {
            return self.members(now, result, asks);
        }
        let (at, which) = (token.0 / QUESTIONS, token.0 % QUESTIONS);
        let Some(endpoint) = self.endpoints.get(at as usize).cloned() else { return Ok(None) };
        let done = match self.action {
            Action::EndpointHealth => self.examined(now, at, which, &endpoint, result, asks),
            _ => {
                self.answered(now, endpoint, result, asks);
                true
            }
        };
        if done {
            self.waiting -= 1;
            self.ask_next(asks);
        }
        self.maybe_finish(asks)
    }

    fn answered(&mut self, now: SimTime, endpoint: String, result: Result<Response, CallError>, asks: &mut Asks) {
        match result {
            Ok(Response::Status(status)) => self.status.push((endpoint, status)),
            Ok(Response::HashKv(hash)) => self.hashes.push((endpoint, hash)),
            Ok(_) => asks.print(format!("Finished defragmenting etcd member[{endpoint}]\n")),
            Err(error) => {
                let text = self.client.failed(now, &error, asks);
                asks.complain(match self.action {
                    Action::EndpointStatus => format!("Failed to get the status of endpoint {endpoint} ({text})\n"),
                    Action::EndpointHashKv => format!("Failed to get the hash of endpoint {endpoint} ({text})\n"),
                    _ => format!("Failed to defragment etcd member[{endpoint}] ({text})\n"),
                });
                self.failure = Some(text);
            }
        }
    }

    /// A step of the health check; whether it was the endpoint's last.
    fn examined(
        &mut self,
        now: SimTime,
        at: u32,
        which: u32,
        endpoint: &str,
        result: Result<Response, CallError>,
        asks: &mut Asks,
    ) -> bool {
        let failed = match &result {
            // Upstream's list of alarms may fail without a word.
            Err(_) if which == ALARMS => Some("Unable to fetch the alarm list".to_owned()),
            Err(error) => Some(self.client.failed_at(now, endpoint, error, asks)),
            Ok(_) => None,
        };
        let error = match (which, result) {
            (LOGIN, Err(error)) if error.status.message == EtcdError::AuthNotEnabled.text() => None,
            // Whoever may not read has still reached a quorum.
            (QUESTION, Err(error)) if error.status.code == Code::PermissionDenied => None,
            (_, Ok(Response::Alarm(found))) if !found.alarms.is_empty() => Some(active_alarms(&found.alarms)),
            _ => failed,
        };
        let took = now.since(self.started).to_string();
        match (which, &error) {
            (LOGIN, None) => {
                self.question(at, asks);
                return false;
            }
            (QUESTION, None) => {
                self.took[at as usize] = took;
                self.call(at, ALARMS, super::alarm::list(), asks);
                return false;
            }
            _ => {}
        }
        let took = match which {
            ALARMS => std::mem::take(&mut self.took[at as usize]),
            LOGIN => String::new(),
            _ => took,
        };
        self.health.push(EndpointHealth { endpoint: endpoint.to_owned(), took, error });
        true
    }

    fn members(&mut self, now: SimTime, result: Result<Response, CallError>, asks: &mut Asks) -> Step {
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

    fn maybe_finish(&mut self, asks: &mut Asks) -> Step {
        if self.waiting > 0 || !self.todo.is_empty() {
            return Ok(None);
        }
        let display = &self.client.display;
        let status = if self.failure.is_some() { EXIT_ERROR } else { 0 };
        match self.action {
            Action::Defrag => Ok(Some(status)),
            Action::EndpointStatus => {
                asks.print(shown(display.endpoint_status(&self.status))?);
                Ok(Some(status))
            }
            Action::EndpointHashKv => {
                asks.print(shown(display.endpoint_hash_kv(&self.hashes))?);
                self.failure.take().map_or(Ok(Some(0)), |text| Err(Failure::new(EXIT_ERROR, text)))
            }
            _ => {
                let (stdout, stderr) = display
                    .endpoint_health(&self.health)
                    .map_err(|error| Failure::new(super::EXIT_BAD_FEATURE, error))?;
                asks.print(stdout);
                asks.complain(stderr);
                match self.health.iter().any(|health| health.error.is_some()) {
                    true => Err(Failure::new(EXIT_ERROR, "unhealthy cluster")),
                    false => Ok(Some(0)),
                }
            }
        }
    }
}

fn active_alarms(alarms: &[AlarmMember]) -> String {
    let name = |alarm: &AlarmMember| match alarm.alarm {
        1 => "NOSPACE ",
        2 => "CORRUPT ",
        _ => "UNKNOWN ",
    };
    format!("Active Alarm(s): {}", alarms.iter().map(name).collect::<String>())
}
