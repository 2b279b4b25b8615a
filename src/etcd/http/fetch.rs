//! An HTTP client for one request: it connects, asks, and tells what comes of it.

use super::{HttpFrame, HttpRequest, HttpResponse};
use crate::etcd::client::{Address, ClientId, ClientNote};
use crate::etcd::wire::{ConnId, Frame, Wire};
use crate::etcd::{Note, Outbox};
use crate::sim::{Delivery, HostId, Micros, SimTime};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;

/// What a fetch has to say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FetchEvent {
    Connected,
    /// With as much of the body as came with the head; `more` if it goes on.
    Answered {
        response: Arc<HttpResponse>,
        more: bool,
    },
    /// The body goes on.
    Data {
        bytes: Bytes,
        more: bool,
    },
    Failed(FetchError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FetchError {
    NoSuchHost,
    Refused,
    /// Nobody answered for as long as a kernel tries.
    ConnectTimedOut,
    /// The other end broke the connection off.
    Reset,
}

/// A kernel's first wait for an answer to a SYN, which doubles, and how long it tries in all: Linux' `tcp_syn_retries`.
const KNOCK: Micros = Micros::from_secs(1);
const CONNECT_TIMEOUT: Micros = Micros::from_secs(127);
/// The one request of its connection.
const STREAM: u32 = 1;

#[derive(Clone, Debug, Hash)]
pub struct Fetch {
    id: ClientId,
    request: Arc<HttpRequest>,
    state: State,
    /// Machines that have the same name, to be tried next.
    others: VecDeque<HostId>,
    connections: u32,
    events: Vec<FetchEvent>,
}

#[derive(Clone, Debug, Hash)]
enum State {
    Dialing { conn: ConnId, host: HostId, since: SimTime },
    Asked { conn: ConnId, host: HostId, received: u32 },
    Over,
}

impl Fetch {
    pub fn begin(id: ClientId, address: Address, request: HttpRequest, now: SimTime, out: &mut Outbox) -> Fetch {
        let mut fetch = Fetch::new(id, request);
        match address {
            Address::Host(host) => fetch.dial(host, now, KNOCK, out),
            Address::Refused => fetch.events.push(FetchEvent::Failed(FetchError::Refused)),
            Address::NoSuchHost => fetch.events.push(FetchEvent::Failed(FetchError::NoSuchHost)),
        }
        fetch
    }

    /// To a name of several machines: whoever refuses or is silent is passed over.
    pub fn begin_among(
        id: ClientId,
        mut hosts: VecDeque<HostId>,
        request: HttpRequest,
        now: SimTime,
        out: &mut Outbox,
    ) -> Fetch {
        let mut fetch = Fetch::new(id, request);
        match hosts.pop_front() {
            Some(first) => {
                fetch.others = hosts;
                fetch.dial(first, now, KNOCK, out);
            }
            None => fetch.events.push(FetchEvent::Failed(FetchError::NoSuchHost)),
        }
        fetch
    }

    fn new(id: ClientId, request: HttpRequest) -> Fetch {
        let (request, others) = (request.into(), VecDeque::new());
        Fetch { id, request, state: State::Over, others, connections: 0, events: Vec::new() }
    }

    /// What it has to say since it was last asked.
    pub fn drain(&mut self) -> std::vec::Drain<'_, FetchEvent> {
        self.events.drain(..)
    }

    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    pub fn receive(&mut self, conn: ConnId, number: u32, frame: Frame, out: &mut Outbox) {
        match (&mut self.state, frame) {
            (State::Dialing { conn: own, host, since }, frame) if *own == conn => match frame {
                Frame::Opened => {
                    let host = *host;
                    self.state = State::Asked { conn, host, received: 1 };
                    self.events.push(FetchEvent::Connected);
                    let request = HttpFrame::Request { stream: STREAM, request: self.request.clone() };
                    send(host, conn, 1, Frame::Http(request), out);
                }
                Frame::Reset => {
                    let since = *since;
                    match self.others.pop_front() {
                        Some(next) => self.dial(next, since, KNOCK, out),
                        None => self.fail(FetchError::Refused),
                    }
                }
                _ => {}
            },
            (State::Asked { conn: own, received, host }, frame) if *own == conn => match frame {
                Frame::Http(frame) if number == *received => {
                    *received += 1;
                    let host = *host;
                    if self.heard(frame) {
                        send(host, conn, 2, Frame::Close, out);
                        self.state = State::Over;
                    }
                }
                Frame::Reset | Frame::Close => self.fail(FetchError::Reset),
                // Something before it is missing, and so the connection is of no more use.
                Frame::Http(_) => {
                    send(*host, conn, 2, Frame::Reset, out);
                    self.fail(FetchError::Reset);
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// A piece of the answer: says whether it was the last.
    fn heard(&mut self, frame: HttpFrame) -> bool {
        let (event, more) = match frame {
            HttpFrame::Response { response, more, .. } => (FetchEvent::Answered { response, more }, more),
            HttpFrame::Data { bytes, more, .. } => (FetchEvent::Data { bytes, more }, more),
            HttpFrame::Request { .. } | HttpFrame::Cancel { .. } => return false,
        };
        self.events.push(event);
        !more
    }

    pub fn wake(&mut self, now: SimTime, note: ClientNote, out: &mut Outbox) {
        let ClientNote::Knock(conn) = note else { return };
        let State::Dialing { conn: own, host, since } = self.state else { return };
        if own != conn {
            return;
        }
        let waited = now.since(since);
        if waited >= CONNECT_TIMEOUT {
            return self.fail(FetchError::ConnectTimedOut);
        }
        let Some(next) = self.others.pop_front() else { return self.dial(host, since, waited + KNOCK, out) };
        self.others.push_back(host);
        self.dial(next, since, KNOCK, out);
    }

    /// Gives up.
    pub fn close(&mut self, out: &mut Outbox) {
        let (State::Dialing { conn, host, .. } | State::Asked { conn, host, .. }) = self.state else { return };
        let number = if matches!(self.state, State::Asked { .. }) { 2 } else { 1 };
        send(host, conn, number, Frame::Close, out);
        self.state = State::Over;
    }

    /// Knocks under a new number, so that a late answer to an earlier knock is not mistaken for this one's.
    fn dial(&mut self, host: HostId, since: SimTime, wait: Micros, out: &mut Outbox) {
        self.connections += 1;
        let conn = ConnId::new(self.id, self.connections);
        self.state = State::Dialing { conn, host, since };
        send(host, conn, 0, Frame::Open, out);
        out.wake(wait, Note::Client(self.id, ClientNote::Knock(conn)));
    }

    fn fail(&mut self, error: FetchError) {
        self.state = State::Over;
        self.events.push(FetchEvent::Failed(error));
    }
}

fn send(host: HostId, conn: ConnId, number: u32, frame: Frame, out: &mut Outbox) {
    let wire = Wire::Client { conn, number, frame };
    let bytes = wire.size();
    out.send(host, wire, bytes, Delivery::Stream);
}
