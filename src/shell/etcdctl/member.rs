//! `member …` and `move-leader`.

use std::collections::BTreeSet;

use super::super::printers::Format;
use super::super::printers::go::quote;
use super::super::process::{Ask, Asks, CallError, Tell, Token};
use super::call::shown;
use super::client::Client;
use super::flags::{Parsed, parse_uint};
use super::kv::{is_on, text};
use super::{EXIT_BAD_ARGS, EXIT_ERROR, Failure, Step};
use crate::etcd::api::{
    Member, MemberAddRequest, MemberListRequest, MemberPromoteRequest, MemberRemoveRequest, MemberUpdateRequest,
    MoveLeaderRequest, RangeRequest, Request, Response, StatusRequest,
};
use crate::sim::SimTime;
use bytes::Bytes;

pub fn list() -> Request {
    Request::MemberList(MemberListRequest { linearizable: true })
}

fn id(parsed: &Parsed) -> Result<u64, Failure> {
    let bad = |error| Failure::new(EXIT_BAD_ARGS, format!("bad member ID arg ({error}), expecting ID in Hex"));
    parse_uint(&parsed.positional[0], 16).map_err(bad)
}

pub fn remove(parsed: &Parsed) -> Result<Request, Failure> {
    Ok(Request::MemberRemove(MemberRemoveRequest { id: id(parsed)? }))
}

pub fn promote(parsed: &Parsed) -> Result<Request, Failure> {
    Ok(Request::MemberPromote(MemberPromoteRequest { id: id(parsed)? }))
}

pub fn update(parsed: &Parsed) -> Result<Request, Failure> {
    let id = id(parsed)?;
    Ok(Request::MemberUpdate(MemberUpdateRequest { id, peer_urls: peer_urls(parsed, "member update")? }))
}

fn peer_urls(parsed: &Parsed, command: &str) -> Result<Vec<String>, Failure> {
    match text(parsed, command, "peer-urls") {
        "" => Err(Failure::new(EXIT_BAD_ARGS, "member peer urls not provided")),
        urls => Ok(urls.split(',').map(str::to_owned).collect()),
    }
}

/// What clientv3 refuses before it asks a member, as `pkg/types.NewURLs` does.
pub fn check_urls(urls: &[String]) -> Result<(), Failure> {
    for url in urls {
        let url = url.trim();
        let complain = |message: String| Err(Failure::new(EXIT_ERROR, message));
        if url.starts_with(':') {
            return complain(format!("parse {}: missing protocol scheme", quote(url)));
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return complain(format!("URL scheme must be http, https, unix, or unixs: {url}"));
        };
        match scheme {
            "unix" | "unixs" => continue,
            "http" | "https" => {}
            _ => return complain(format!("URL scheme must be http, https, unix, or unixs: {url}")),
        }
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if !host.contains(':') {
            return complain(format!("URL address does not have the form \"host:port\": {url}"));
        }
        if !path.is_empty() {
            return complain(format!("URL must not contain a path: {url}"));
        }
    }
    Ok(())
}

/// `member add`: adds, and prints what the new member has to be started with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Add {
    client: Client,
    name: String,
    urls: String,
    request: MemberAddRequest,
    /// The id of the new member, once it is added, and who has answered since: they know it.
    added: Option<(u64, BTreeSet<u64>)>,
}

impl Add {
    /// Its name and its request.
    pub fn plan(parsed: &Parsed) -> Result<(String, MemberAddRequest), Failure> {
        if let [_, more @ ..] = parsed.positional.as_slice()
            && !more.is_empty()
        {
            let urls = parsed.positional.iter().filter(|word| word.to_lowercase().starts_with("http"));
            let hints: String = urls.map(|url| format!(", did you mean --peer-urls={url}")).collect();
            return Err(Failure::new(EXIT_BAD_ARGS, format!("too many arguments{hints}")));
        }
        let peer_urls = peer_urls(parsed, "member add")?;
        let is_learner = is_on(parsed, "member add", "learner");
        Ok((parsed.positional[0].clone(), MemberAddRequest { peer_urls, is_learner }))
    }

    pub fn new(client: Client, name: String, request: MemberAddRequest, asks: &mut Asks) -> Result<Add, Failure> {
        check_urls(&request.peer_urls)?;
        client.ask(Token(0), Request::MemberAdd(request.clone()), asks);
        Ok(Add { client, name, urls: request.peer_urls.join(","), request, added: None })
    }

    pub fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> Step {
        let Tell::Answer { result, .. } = tell else { return Ok(None) };
        let response = result.map_err(|error| Failure::new(EXIT_ERROR, self.client.failed(now, &error, asks)))?;
        let from = response.header().map_or(0, |header| header.member_id);
        match response {
            Response::MemberAdd(added) => {
                self.added = Some((added.member.as_ref().map_or(0, |member| member.id), BTreeSet::from([from])));
                let request = Request::MemberAdd(self.request.clone());
                asks.print(shown(self.client.display.answer(&request, &Response::MemberAdd(added)))?);
                if self.client.display.format != Format::Simple {
                    return Ok(Some(0));
                }
                self.client.ask(Token(0), list(), asks);
            }
            Response::MemberList(found) => {
                let Some((id, up_to_date)) = &self.added else { return Ok(None) };
                if up_to_date.contains(&from) {
                    asks.print(self.settings(*id, &found.members));
                    return Ok(Some(0));
                }
                // Another member answered, whose list may be old: a read brings it up to date.
                let request = RangeRequest { key: Bytes::from_static(b"_"), ..RangeRequest::default() };
                self.client.ask(Token(0), Request::Range(request), asks);
            }
            Response::Range(_) => {
                // 3.5.1 remembers only the last that answered, and with several endpoints in turn never meets it again.
                if let Some((_, up_to_date)) = &mut self.added {
                    up_to_date.insert(from);
                }
                self.client.ask(Token(0), list(), asks);
            }
            _ => {}
        }
        Ok(None)
    }

    /// What the new member's etcd needs in its environment.
    fn settings(&self, id: u64, members: &[Member]) -> String {
        let named = |member: &Member| if member.id == id { self.name.clone() } else { member.name.clone() };
        let urls = members.iter().flat_map(|member| {
            let name = named(member);
            member.peer_urls.iter().map(move |url| format!("{name}={url}"))
        });
        let cluster = urls.collect::<Vec<_>>().join(",");
        format!(
            "\nETCD_NAME={}\nETCD_INITIAL_CLUSTER={}\nETCD_INITIAL_ADVERTISE_PEER_URLS={}\n\
             ETCD_INITIAL_CLUSTER_STATE=\"existing\"\n",
            quote(&self.name),
            quote(&cluster),
            quote(&self.urls)
        )
    }
}

/// `move-leader`: looks for the leader among the endpoints and tells it to hand over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MoveLeader {
    client: Client,
    target: u64,
    /// The endpoint that is asked.
    at: usize,
    leader: u64,
}

impl MoveLeader {
    pub fn target(parsed: &Parsed) -> Result<u64, Failure> {
        parse_uint(&parsed.positional[0], 16).map_err(|error| Failure::new(EXIT_BAD_ARGS, error))
    }

    pub fn new(client: Client, target: u64, asks: &mut Asks) -> MoveLeader {
        let moving = MoveLeader { client, target, at: 0, leader: 0 };
        moving.ask(Request::Status(StatusRequest {}), asks);
        moving
    }

    fn endpoint(&self) -> &str {
        self.client.via.endpoints.get(self.at).map_or("", String::as_str)
    }

    fn ask(&self, request: Request, asks: &mut Asks) {
        let via = self.client.at(self.endpoint());
        asks.push(Ask::Call { token: Token(0), via, request, timeout: self.client.timeout });
    }

    pub fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> Step {
        let Tell::Answer { result, .. } = tell else { return Ok(None) };
        let failed = |error: CallError, asks: &mut Asks| {
            Failure::new(EXIT_ERROR, self.client.failed_at(now, self.endpoint(), &error, asks))
        };
        let response = result.map_err(|error| failed(error, asks))?;
        match &response {
            Response::Status(status) => {
                if response.header().is_some_and(|header| header.member_id == status.leader) {
                    self.leader = status.leader;
                    self.ask(Request::MoveLeader(MoveLeaderRequest { target_id: self.target }), asks);
                    return Ok(None);
                }
                self.at += 1;
                if self.at == self.client.via.endpoints.len() {
                    let endpoints = self.client.via.endpoints.join(" ");
                    return Err(Failure::new(EXIT_BAD_ARGS, format!("no leader endpoint given at [{endpoints}]")));
                }
                self.ask(Request::Status(StatusRequest {}), asks);
                Ok(None)
            }
            response => {
                asks.print(shown(self.client.display.moved_leader(self.leader, self.target, response))?);
                Ok(Some(0))
            }
        }
    }
}
