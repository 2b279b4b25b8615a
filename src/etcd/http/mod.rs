//! HTTP: what travels, a client that fetches, a listener that answers, and what a member has on its client port: `/metrics`,
//! `/health` and `/version`.
//!
//! A request and its response are frames of the same connections that carry calls, so that they suffer what those suffer.
//! As with HTTP/2, several requests may be under way on a connection, each a numbered stream, and a body may come in pieces.
//!
//! Upstream: `server/etcdserver/api/etcdhttp` of 3.5. `/livez` and `/readyz` came with 3.5.11.

use super::api::{RangeRequest, Request, Response};
use super::error::{EtcdError, Status};
use super::member::{Member, Moment};
use super::server::Call;
use super::wire::{CallId, ConnId};
use super::{Outbox, VERSION};
use crate::sim::{EPOCH_SECONDS, SimTime};
use bytes::Bytes;
use std::sync::Arc;

pub mod date;
pub mod fetch;
pub mod listener;

pub use fetch::{Fetch, FetchError, FetchEvent};
pub use listener::{Listener, ListenerEvent};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpRequest {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// In the order in which they are sent.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// What a connection carries of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HttpFrame {
    Request {
        stream: u32,
        request: Arc<HttpRequest>,
    },
    /// The head, and as much of the body as there is so far; `more` if it goes on.
    Response {
        stream: u32,
        response: Arc<HttpResponse>,
        more: bool,
    },
    /// The body goes on.
    Data {
        stream: u32,
        bytes: Bytes,
        more: bool,
    },
    /// Whoever asked wants no more of it: HTTP/2's RST_STREAM.
    Cancel {
        stream: u32,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpResponse {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

/// The call of a health check, which no client made.
pub(super) const HEALTH_CHECK: CallId = CallId(u64::MAX);
/// What is in the way of `/health`.
const NO_LEADER: &str = "RAFT NO LEADER";
/// A body longer than this is not finished when Go's server sends the headers.
const BUFFER: usize = 2048;
const TEXT: &str = "text/plain; charset=utf-8";
const NO_GATEWAY: &str = "the JSON gateway of /v3/ is not built into this lab: use etcdctl\n";

impl HttpFrame {
    pub fn size(&self) -> usize {
        match self {
            HttpFrame::Request { request, .. } => request.size(),
            HttpFrame::Response { response, .. } => response.size(),
            HttpFrame::Data { bytes, .. } => bytes.len(),
            HttpFrame::Cancel { .. } => 0,
        }
    }

    /// What it is called where messages are shown.
    pub fn name(&self) -> &'static str {
        match self {
            HttpFrame::Request { request, .. } => request.name(),
            HttpFrame::Response { response, .. } => response.name(),
            HttpFrame::Data { .. } => "DATA",
            HttpFrame::Cancel { .. } => "RST_STREAM",
        }
    }
}

impl HttpRequest {
    pub fn path(&self) -> &str {
        self.target.split(['?', '#']).next().unwrap_or_default()
    }

    /// The value of a header, in whatever letters its name is written.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Every value of this name in the query.
    pub fn query(&self, name: &str) -> impl Iterator<Item = &str> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        query.split('&').filter_map(move |pair| pair.split_once('=').filter(|(key, _)| *key == name)).map(|(_, v)| v)
    }

    /// What it is called where messages are shown.
    pub fn name(&self) -> &'static str {
        match self.path() {
            "/metrics" => "GET /metrics",
            "/health" => "GET /health",
            "/version" => "GET /version",
            _ => match self.method.as_str() {
                "GET" => "GET",
                "HEAD" => "HEAD",
                "POST" => "POST",
                "PUT" => "PUT",
                "PATCH" => "PATCH",
                "DELETE" => "DELETE",
                _ => "HTTP request",
            },
        }
    }

    pub fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        self.method.len() + self.target.len() + 14 + headers + self.body.len()
    }
}

impl HttpResponse {
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> HttpResponse {
        HttpResponse { status, headers: vec![("Content-Type", content_type.to_owned())], body: body.into() }
    }

    /// Go's `http.Error`.
    fn error(status: u16, text: &str) -> HttpResponse {
        let mut response = HttpResponse::new(status, TEXT, format!("{text}\n"));
        response.headers.push(("X-Content-Type-Options", "nosniff".to_owned()));
        response
    }

    fn method_not_allowed() -> HttpResponse {
        let mut response = HttpResponse::error(405, "Method Not Allowed");
        response.headers.insert(0, ("Allow", "GET".to_owned()));
        response
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    pub fn reason(&self) -> &'static str {
        self.name().split_once(' ').map_or("", |(_, reason)| reason)
    }

    /// What it is called where messages are shown.
    pub fn name(&self) -> &'static str {
        match self.status {
            200 => "200 OK",
            201 => "201 Created",
            202 => "202 Accepted",
            304 => "304 Not Modified",
            400 => "400 Bad Request",
            401 => "401 Unauthorized",
            403 => "403 Forbidden",
            404 => "404 Not Found",
            405 => "405 Method Not Allowed",
            406 => "406 Not Acceptable",
            409 => "409 Conflict",
            410 => "410 Gone",
            413 => "413 Request Entity Too Large",
            415 => "415 Unsupported Media Type",
            422 => "422 Unprocessable Entity",
            429 => "429 Too Many Requests",
            500 => "500 Internal Server Error",
            501 => "501 Not Implemented",
            503 => "503 Service Unavailable",
            504 => "504 Gateway Timeout",
            _ => "HTTP response",
        }
    }

    pub fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        19 + self.reason().len() + headers + self.body.len()
    }

    /// Adds what Go's server and etcd's wrapper around it say of every response, in Go's order.
    fn dressed(mut self, head: bool, now: SimTime) -> HttpResponse {
        let cors = [
            ("Access-Control-Allow-Headers", "accept, content-type, authorization"),
            ("Access-Control-Allow-Methods", "POST, GET, OPTIONS, PUT, DELETE"),
            ("Access-Control-Allow-Origin", "*"),
        ];
        self.headers.extend(cors.map(|(name, value)| (name, value.to_owned())));
        self.headers.sort();
        self.headers.push(("Date", date::http(EPOCH_SECONDS + now.0 / 1_000_000)));
        if self.body.len() > BUFFER {
            self.headers.push(("Transfer-Encoding", "chunked".to_owned()));
        } else {
            self.headers.push(("Content-Length", self.body.len().to_string()));
        }
        if head {
            self.body = Bytes::new();
        }
        self
    }
}

impl Member {
    /// Answers an HTTP request; a health check is answered when the read is that it makes.
    pub(super) fn http(&mut self, at: Moment, conn: ConnId, request: &HttpRequest, out: &mut Outbox) {
        let response = match request.path() {
            "/metrics" => {
                let body = self.metrics_text();
                self.metrics.scrapes += 1;
                HttpResponse::new(200, "text/plain; version=0.0.4; charset=utf-8", body)
            }
            "/health" if request.method == "GET" => return self.check_health(at, conn, request, out),
            "/version" if request.method == "GET" => HttpResponse::new(200, "application/json", self.version()),
            "/health" | "/version" => HttpResponse::method_not_allowed(),
            path if path.starts_with("/v3/") => HttpResponse::new(501, TEXT, NO_GATEWAY),
            _ => HttpResponse::error(404, "404 page not found"),
        };
        let head = request.method == "HEAD";
        self.send_http(conn, response.dressed(head, at.now), out);
    }

    fn version(&self) -> String {
        let cluster = self.membership().version.as_deref().unwrap_or("not_decided");
        format!("{{\"etcdserver\":\"{VERSION}\",\"etcdcluster\":\"{cluster}\"}}")
    }

    /// Upstream: `checkV3Health`.
    fn check_health(&mut self, at: Moment, conn: ConnId, request: &HttpRequest, out: &mut Outbox) {
        let raised = self.applier.alarms.iter().map(|(alarm, _)| alarm.name());
        let alarm = { raised }.find(|alarm| request.query("exclude").all(|excluded| excluded != *alarm));
        let serializable = request.query("serializable").next() == Some("true");
        let why = match alarm {
            Some(alarm) => Some(format!("ALARM {alarm}")),
            None if !serializable && self.is_leaderless() => Some(NO_LEADER.to_owned()),
            None => None,
        };
        if why.is_some() {
            return self.health_is(at.now, conn, why, out);
        }
        let range = RangeRequest { keys_only: true, limit: 1, serializable, ..RangeRequest::default() };
        let call = Call { conn, call: HEALTH_CHECK, token: None, request: Request::Range(range) };
        if serializable {
            self.answer_read(at, call, out);
        } else {
            self.read(at, call);
        }
    }

    /// The read of a health check came to this.
    pub(super) fn health_read(&mut self, conn: ConnId, result: &Result<Response, Status>, out: &mut Outbox) {
        let denied = [EtcdError::UserEmpty.text(), EtcdError::PermissionDenied.text()];
        let failed = result.as_ref().err().filter(|status| !denied.contains(&status.message.as_str()));
        let why = failed.map(|status| format!("RANGE ERROR:{}", status.message));
        self.health_is(self.clock, conn, why, out);
    }

    fn health_is(&mut self, now: SimTime, conn: ConnId, why: Option<String>, out: &mut Outbox) {
        let body =
            format!("{{\"health\":\"{}\",\"reason\":\"{}\"}}", why.is_none(), why.as_deref().unwrap_or_default());
        let response = if why.is_none() {
            self.metrics.health_success += 1;
            HttpResponse::new(200, TEXT, body)
        } else {
            self.metrics.health_failures += 1;
            HttpResponse::error(503, &body)
        };
        self.send_http(conn, response.dressed(false, now), out);
    }
}
