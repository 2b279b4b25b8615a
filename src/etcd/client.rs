//! A client of the cluster in the manner of clientv3: it keeps a connection to every endpoint it was given, sends each call
//! to the next one that is ready, tries again by itself what may be tried again, logs in and renews its token, keeps
//! leases alive, and carries a watch across broken streams without losing or doubling an event.
//!
//! It is a state machine: what it wants sent goes into an [`Outbox`], what it has to say comes out of [`Client::drain`].

use super::api::{
    AuthenticateRequest, LeaseKeepAliveRequest, LeaseKeepAliveResponse, Request, Response, WatchCancelRequest,
    WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchRequestKind, WatchResponse,
};
use super::error::{Code, EtcdError, Status};
use super::wire::{AuthToken, CallId, ConnId, Frame, Wire};
use super::{Fact, Note, Outbox};
use crate::sim::{Delivery, HostId, Micros, SimTime};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Names a client on its machine; connections are numbered within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u32);

/// Names a watch within one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WatchKey(pub u32);

/// Names a lease that one client keeps alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseKey(pub u32);

/// As whom a client logs in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Credentials {
    pub name: String,
    pub password: String,
}

/// Where an endpoint's name leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    Host(HostId),
    /// A machine of that name exists, but nothing listens there.
    Refused,
    NoSuchHost,
}

/// What happens to a client by its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientNote {
    /// The call's time is up.
    Deadline(CallId),
    /// Try the call again.
    Retry(CallId),
    /// Dial the endpoint at this position again.
    Redial(usize),
    /// Time to see whether the connection is still alive.
    KeepAlive(ConnId),
    /// Nothing has answered the dial yet: knock again.
    Knock(ConnId),
    /// Try again to find a stream for the watches.
    CarryWatches,
    /// Time to renew the lease.
    Renew(LeaseKey),
    /// Time to see whether the lease was renewed at all.
    Reap(LeaseKey),
}

/// What a client has to say to the program that uses it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClientEvent {
    /// On failure: the status, and the one that clientv3's retry interceptor logs.
    Answer { call: CallId, result: Result<Response, (Status, String)> },
    /// Everything but the `created` response. After an error, or a response that says `canceled`, the watch is over.
    Watch { watch: WatchKey, result: Result<WatchResponse, Status> },
    /// The lease was renewed; or it is gone, or was not renewed in time, and nobody tries any more.
    KeptAlive { lease: LeaseKey, response: Option<LeaseKeepAliveResponse> },
}

/// clientv3's limit for a message it sends.
const SEND_BYTES_MAX: usize = 2 << 20;
/// etcdctl's `--keepalive-time` of 2 s as grpc-go takes it, which raises it to its least of 10 s; `--keepalive-timeout`.
const KEEPALIVE_TIME: Micros = Micros::from_secs(10);
const KEEPALIVE_TIMEOUT: Micros = Micros::from_secs(6);
/// gRPC's first back-off after a failed dial; it grows by 1.6 to 120 s.
const REDIAL: Micros = Micros::from_secs(1);
const REDIAL_MAX: Micros = Micros::from_secs(120);
/// gRPC gives up on a silent dial after this long.
const DIAL_TIMEOUT: Micros = Micros::from_secs(20);
/// TCP's first wait for an answer to a SYN; it doubles.
const KNOCK: Micros = Micros::from_secs(1);
/// clientv3's longest wait before it opens a watch stream again.
const STREAM_RETRY: Micros = Micros::from_millis(100);
/// clientv3's wait between two rounds of tries. Simplified: without its jitter of a tenth.
const RETRY: Micros = Micros::from_millis(25);
/// How often clientv3 tries what may be tried again.
const TRIES_MAX: u32 = 100;
/// etcdctl's `--dial-timeout`: how long a login may take that the client begins by itself.
const LOGIN_TIMEOUT: Micros = Micros::from_secs(2);
/// How long the first renewal of a lease may take: `--dial-timeout` and a second.
const FIRST_RENEWAL: Micros = Micros::from_secs(3);
/// clientv3 looks this often which leases are due, and waits as long before it opens a broken stream again.
const RENEWAL_TICK: Micros = Micros::from_millis(500);
/// clientv3 looks this often which leases were not renewed in time.
const REAP_TICK: Micros = Micros::from_secs(1);

#[derive(Clone, Debug, Hash)]
pub struct Client {
    id: ClientId,
    endpoints: Vec<Endpoint>,
    connections: u32,
    /// Where the next call starts to look for a ready connection.
    turn: usize,
    user: Option<Credentials>,
    login: Login,
    calls: BTreeMap<CallId, Call>,
    next_call: u64,
    leases: BTreeMap<LeaseKey, KeptLease>,
    watches: BTreeMap<WatchKey, Watch>,
    /// The connection that carries the watch stream, and the creations it has not answered, oldest first.
    stream: Option<ConnId>,
    streams_opened: u32,
    creating: VecDeque<WatchKey>,
    events: Vec<ClientEvent>,
}

#[derive(Clone, Debug, Hash)]
struct Endpoint {
    name: String,
    address: Address,
    state: EndpointState,
    backoff: Micros,
    last_error: Option<String>,
}

#[derive(Clone, Debug, Hash)]
enum EndpointState {
    Idle,
    Dialing(Connection),
    Ready(Connection),
}

#[derive(Clone, Debug, Hash)]
struct Connection {
    id: ConnId,
    host: HostId,
    sent: u32,
    received: u32,
    heard: SimTime,
    /// When a ping was sent that nothing was heard after.
    pinged: Option<SimTime>,
    dialed: SimTime,
}

/// How far the client has come with proving who it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Login {
    /// It has no user, or was told that authentication is off: calls carry no token.
    Needless,
    /// It has no token, or its token was refused.
    Due,
    UnderWay,
    Done(AuthToken),
}

#[derive(Clone, Debug, Hash)]
struct Call {
    request: Request,
    purpose: Purpose,
    /// The connection it is on, if it was sent and not answered.
    on: Option<ConnId>,
    tries: u32,
    /// It waits before the next try.
    resting: bool,
    /// What the first try failed with.
    failed: Option<Status>,
}

/// Who wants the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Purpose {
    Program,
    /// The client; and the program, if it asked for the login.
    Login {
        told: bool,
    },
    Renewal(LeaseKey),
}

#[derive(Clone, Debug, Hash)]
struct KeptLease {
    id: i64,
    deadline: SimTime,
    asked: Option<CallId>,
}

#[derive(Clone, Debug, Hash)]
struct Watch {
    /// As asked first; `start_revision` moves on with what was delivered.
    request: WatchCreateRequest,
    server_id: Option<i64>,
}

impl Client {
    /// A client of these endpoints: each as it was written, and where it leads.
    pub fn new(id: ClientId, endpoints: Vec<(String, Address)>, user: Option<Credentials>) -> Client {
        let endpoint =
            |(name, address)| Endpoint { name, address, state: EndpointState::Idle, backoff: REDIAL, last_error: None };
        Client {
            id,
            endpoints: endpoints.into_iter().map(endpoint).collect(),
            connections: 0,
            turn: 0,
            login: if user.is_some() { Login::Due } else { Login::Needless },
            user,
            calls: BTreeMap::new(),
            next_call: 0,
            leases: BTreeMap::new(),
            watches: BTreeMap::new(),
            stream: None,
            streams_opened: 0,
            creating: VecDeque::new(),
            events: Vec::new(),
        }
    }

    pub fn id(&self) -> ClientId {
        self.id
    }

    /// Its watches: what each asks for now, and the stream and id by which a member knows it, if one does.
    pub fn watches(&self) -> impl Iterator<Item = (WatchKey, &WatchCreateRequest, Option<(ConnId, i64)>)> {
        let place = |watch: &Watch| Some((self.stream?, watch.server_id?));
        self.watches.iter().map(move |(key, watch)| (*key, &watch.request, place(watch)))
    }

    /// Sends a unary call; its answer comes after `timeout` at the latest.
    pub fn call(&mut self, now: SimTime, request: Request, timeout: Micros, out: &mut Outbox) -> CallId {
        let size = request.encoded_len();
        if size > SEND_BYTES_MAX {
            let message = format!("trying to send message larger than max ({size} vs. {SEND_BYTES_MAX})");
            self.next_call += 1;
            let id = CallId(self.next_call);
            self.fail(id, Status { code: Code::ResourceExhausted, message });
            return id;
        }
        let id = self.begin(now, request, Purpose::Program, Some(timeout), out);
        self.ensure_login(now, out);
        self.send_waiting(out);
        id
    }

    /// Logs in, and answers with what `Authenticate` said. Without it the client logs in when it first has to.
    pub fn log_in(&mut self, now: SimTime, timeout: Micros, out: &mut Outbox) -> CallId {
        let id = self.begin_login(now, timeout, true, out);
        self.send_waiting(out);
        id
    }

    pub fn watch(&mut self, now: SimTime, watch: WatchKey, request: WatchCreateRequest, out: &mut Outbox) {
        self.watches.insert(watch, Watch { request, server_id: None });
        self.dial_all(now, out);
        self.carry_watches(now, out);
    }

    /// Renews a lease again and again, whatever becomes of connections, until it is gone or was not renewed in time.
    pub fn keep_lease(&mut self, now: SimTime, key: LeaseKey, id: i64, out: &mut Outbox) {
        self.leases.insert(key, KeptLease { id, deadline: now + FIRST_RENEWAL, asked: None });
        self.renew(now, key, out);
        out.wake(REAP_TICK, self.note(ClientNote::Reap(key)));
    }

    pub fn drop_lease(&mut self, key: LeaseKey) {
        self.leases.remove(&key);
    }

    fn begin(
        &mut self,
        now: SimTime,
        request: Request,
        purpose: Purpose,
        timeout: Option<Micros>,
        out: &mut Outbox,
    ) -> CallId {
        self.next_call += 1;
        let id = CallId(self.next_call);
        self.calls.insert(id, Call { request, purpose, on: None, tries: 0, resting: false, failed: None });
        if let Some(timeout) = timeout {
            out.wake(timeout, self.note(ClientNote::Deadline(id)));
        }
        self.dial_all(now, out);
        id
    }

    pub fn watch_progress(&mut self, out: &mut Outbox) {
        if let Some(stream) = self.stream {
            self.ask_stream(stream, WatchRequestKind::Progress(WatchProgressRequest {}), out);
        }
    }

    pub fn cancel_watch(&mut self, watch: WatchKey, out: &mut Outbox) {
        let Some(watch) = self.watches.remove(&watch) else { return };
        if let (Some(stream), Some(watch_id)) = (self.stream, watch.server_id) {
            self.ask_stream(stream, WatchRequestKind::Cancel(WatchCancelRequest { watch_id }), out);
        }
    }

    /// Closes every connection; the client must not be used afterwards.
    pub fn close(&mut self, out: &mut Outbox) {
        let open: Vec<ConnId> = self.endpoints.iter().filter_map(Endpoint::connection).map(|conn| conn.id).collect();
        for conn in open {
            self.send_on(conn, Frame::Close, out);
        }
    }

    /// What it has to say since it was last asked.
    pub fn drain(&mut self) -> std::vec::Drain<'_, ClientEvent> {
        self.events.drain(..)
    }

    /// A frame came from a member.
    pub fn receive(&mut self, now: SimTime, conn: ConnId, number: u32, frame: Frame, out: &mut Outbox) {
        let Some(position) = self.position(conn) else { return };
        let Some(connection) = self.endpoints[position].connection_mut() else { return };
        connection.heard = now;
        connection.pinged = None;
        if frame == Frame::Reset {
            let dialing = matches!(self.endpoints[position].state, EndpointState::Dialing(_));
            let why = if dialing { "connect: connection refused" } else { "transport is closing" };
            self.lose(now, position, why, out);
            return;
        }
        if number != connection.received {
            self.lose(now, position, "transport is closing", out);
            return;
        }
        connection.received += 1;
        match frame {
            Frame::Opened => self.opened(now, position, out),
            Frame::Answer { call, result } => self.answered(now, call, result, out),
            Frame::WatchTell(response) if self.stream == Some(conn) => self.watch_told(now, response, out),
            Frame::WatchEnd(_) if self.stream == Some(conn) => {
                // Only a member without a leader ends a stream: carry the watches elsewhere, or here again later.
                self.break_stream(position, out);
                out.wake(STREAM_RETRY, self.note(ClientNote::CarryWatches));
            }
            Frame::Ping => self.send_on(conn, Frame::Pong, out),
            Frame::WatchTell(_) | Frame::WatchEnd(_) => {}
            Frame::Pong
            | Frame::Close
            | Frame::Open
            | Frame::Call { .. }
            | Frame::WatchAsk { .. }
            | Frame::Http(_)
            | Frame::Reset => {}
        }
    }

    /// One of its timers ran out.
    pub fn wake(&mut self, now: SimTime, note: ClientNote, out: &mut Outbox) {
        match note {
            ClientNote::Deadline(call) => self.deadline(now, call, out),
            ClientNote::Retry(call) => {
                if let Some(call) = self.calls.get_mut(&call) {
                    call.resting = false;
                    self.send_waiting(out);
                }
            }
            ClientNote::Redial(position) => {
                if matches!(self.endpoints[position].state, EndpointState::Idle) {
                    self.dial(now, position, out);
                }
            }
            ClientNote::KeepAlive(conn) => self.keep_alive(now, conn, out),
            ClientNote::Knock(conn) => self.knock(now, conn, out),
            ClientNote::CarryWatches => self.carry_watches(now, out),
            ClientNote::Renew(key) => self.renew(now, key, out),
            ClientNote::Reap(key) => self.reap(now, key, out),
        }
    }

    fn note(&self, note: ClientNote) -> Note {
        Note::Client(self.id, note)
    }

    fn position(&self, conn: ConnId) -> Option<usize> {
        self.endpoints.iter().position(|endpoint| endpoint.connection().is_some_and(|open| open.id == conn))
    }

    fn dial_all(&mut self, now: SimTime, out: &mut Outbox) {
        for position in 0..self.endpoints.len() {
            let endpoint = &self.endpoints[position];
            if matches!(endpoint.state, EndpointState::Idle) && endpoint.last_error.is_none() {
                self.dial(now, position, out);
            }
        }
    }

    fn dial(&mut self, now: SimTime, position: usize, out: &mut Outbox) {
        let host = match self.endpoints[position].address {
            Address::Host(host) => host,
            Address::Refused => return self.dial_failed(position, "connect: connection refused", out),
            Address::NoSuchHost => return self.dial_failed(position, "no such host", out),
        };
        let id = self.next_connection();
        let connection = Connection { id, host, sent: 0, received: 0, heard: now, pinged: None, dialed: now };
        self.endpoints[position].state = EndpointState::Dialing(connection);
        self.send_on(id, Frame::Open, out);
        out.wake(KNOCK, self.note(ClientNote::Knock(id)));
    }

    fn next_connection(&mut self) -> ConnId {
        self.connections += 1;
        ConnId::new(self.id, self.connections)
    }

    /// Repeats an unanswered SYN, under a new number so that a late answer to the old one is not mistaken for its own.
    fn knock(&mut self, now: SimTime, conn: ConnId, out: &mut Outbox) {
        let Some(position) = self.position(conn) else { return };
        let id = self.next_connection();
        let EndpointState::Dialing(connection) = &mut self.endpoints[position].state else { return };
        let waited = now.since(connection.dialed);
        if waited >= DIAL_TIMEOUT {
            return self.dial_failed(position, "i/o timeout", out);
        }
        *connection = Connection { id, sent: 0, received: 0, ..connection.clone() };
        self.send_on(id, Frame::Open, out);
        out.wake(waited + KNOCK, self.note(ClientNote::Knock(id)));
    }

    fn dial_failed(&mut self, position: usize, why: &str, out: &mut Outbox) {
        let endpoint = &mut self.endpoints[position];
        endpoint.state = EndpointState::Idle;
        let authority = authority(&endpoint.name);
        endpoint.last_error = Some(match endpoint.address {
            Address::NoSuchHost => {
                let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
                format!("dial tcp: lookup {host}: {why}")
            }
            _ => format!("dial tcp {authority}: {why}"),
        });
        let backoff = endpoint.backoff;
        endpoint.backoff = Micros((backoff.0 * 8 / 5).min(REDIAL_MAX.0));
        out.wake(backoff, self.note(ClientNote::Redial(position)));
    }

    fn opened(&mut self, now: SimTime, position: usize, out: &mut Outbox) {
        let endpoint = &mut self.endpoints[position];
        if let EndpointState::Dialing(connection) = endpoint.state.clone() {
            out.fact(Fact::Connected { endpoint: endpoint.name.clone() });
            endpoint.backoff = REDIAL;
            endpoint.last_error = None;
            let conn = connection.id;
            endpoint.state = EndpointState::Ready(connection);
            out.wake(KEEPALIVE_TIME, self.note(ClientNote::KeepAlive(conn)));
        }
        self.send_waiting(out);
        self.carry_watches(now, out);
    }

    /// A connection is gone: its calls fail or are sent again, its watches move.
    fn lose(&mut self, now: SimTime, position: usize, why: &str, out: &mut Outbox) {
        let Some(connection) = self.endpoints[position].connection() else { return };
        let lost = connection.id;
        self.dial_failed(position, why, out);
        let on_it: Vec<CallId> =
            self.calls.iter().filter(|(_, call)| call.on == Some(lost)).map(|(id, _)| *id).collect();
        for id in on_it {
            let status = Status { code: Code::Unavailable, message: "transport is closing".to_owned() };
            self.answered(now, id, Err(status), out);
        }
        if self.stream == Some(lost) {
            self.break_stream(position, out);
            self.carry_watches(now, out);
        }
    }

    fn break_stream(&mut self, position: usize, out: &mut Outbox) {
        out.fact(Fact::StreamBroken { endpoint: self.endpoints[position].name.clone() });
        self.stream = None;
        self.creating.clear();
        // A stream is opened with a fresh token: the member that it led to may have forgotten the old one.
        if matches!(self.login, Login::Done(_)) {
            self.login = Login::Due;
        }
        for watch in self.watches.values_mut() {
            watch.server_id = None;
        }
    }

    fn keep_alive(&mut self, now: SimTime, conn: ConnId, out: &mut Outbox) {
        let Some(position) = self.position(conn) else { return };
        let Some(connection) = self.endpoints[position].connection() else { return };
        if connection.pinged.is_some_and(|pinged| now.since(pinged) >= KEEPALIVE_TIMEOUT) {
            return self.lose(now, position, "keepalive ping failed to receive ACK within timeout", out);
        }
        let idle = now.since(connection.heard);
        let busy = self.stream == Some(conn) || self.calls.values().any(|call| call.on == Some(conn));
        let next = if idle < KEEPALIVE_TIME {
            Micros(KEEPALIVE_TIME.0 - idle.0)
        } else if busy {
            // Silence on a connection that carries nothing says nothing.
            if let Some(connection) = self.endpoints[position].connection_mut() {
                connection.pinged.get_or_insert(now);
            }
            self.send_on(conn, Frame::Ping, out);
            KEEPALIVE_TIMEOUT
        } else {
            KEEPALIVE_TIME
        };
        out.wake(next, self.note(ClientNote::KeepAlive(conn)));
    }

    /// The next ready connection, in turn.
    fn pick(&mut self) -> Option<ConnId> {
        let count = self.endpoints.len();
        for offset in 0..count {
            let position = (self.turn + offset) % count;
            if let EndpointState::Ready(connection) = &self.endpoints[position].state {
                self.turn = (position + 1) % count;
                return Some(connection.id);
            }
        }
        None
    }

    fn send_waiting(&mut self, out: &mut Outbox) {
        let may_go = |call: &Call| {
            let login = matches!(call.purpose, Purpose::Login { .. });
            call.on.is_none() && !call.resting && (login || self.token().is_some())
        };
        let waiting: Vec<CallId> = self.calls.iter().filter(|(_, call)| may_go(call)).map(|(id, _)| *id).collect();
        for id in waiting {
            let Some(conn) = self.pick() else { return };
            let token = self.token().unwrap_or_default();
            let call = self.calls.get_mut(&id).expect("listed just above");
            call.on = Some(conn);
            call.tries += 1;
            let request = call.request.clone();
            let token = if matches!(call.purpose, Purpose::Login { .. }) { None } else { token };
            self.send_on(conn, Frame::Call { call: id, token, request }, out);
        }
    }

    /// What calls carry; nothing while the client has to log in first.
    fn token(&self) -> Option<AuthToken> {
        match &self.login {
            Login::Needless => Some(None),
            Login::Done(token) => Some(token.clone()),
            Login::Due | Login::UnderWay => None,
        }
    }

    fn ensure_login(&mut self, now: SimTime, out: &mut Outbox) {
        if self.login == Login::Due {
            self.begin_login(now, LOGIN_TIMEOUT, false, out);
        }
    }

    fn begin_login(&mut self, now: SimTime, timeout: Micros, told: bool, out: &mut Outbox) -> CallId {
        let Credentials { name, password } =
            self.user.clone().unwrap_or(Credentials { name: String::new(), password: String::new() });
        self.login = Login::UnderWay;
        let request = Request::Authenticate(AuthenticateRequest { name, password });
        self.begin(now, request, Purpose::Login { told }, Some(timeout), out)
    }

    /// `Authenticate` was answered: what waited for it goes on or fails.
    fn logged_in(&mut self, now: SimTime, id: CallId, told: bool, result: Result<Response, Status>, out: &mut Outbox) {
        self.login = match &result {
            Ok(Response::Authenticate(response)) => Login::Done(Some(response.token.as_str().into())),
            Err(status) if status.message == EtcdError::AuthNotEnabled.text() => Login::Needless,
            _ => Login::Due,
        };
        let failed = result.as_ref().err().filter(|_| self.login == Login::Due).cloned();
        if told {
            let result = result.map_err(|status| (status.clone(), status.to_string()));
            self.events.push(ClientEvent::Answer { call: id, result });
        }
        let Some(status) = failed else {
            self.send_waiting(out);
            return self.carry_watches(now, out);
        };
        let waiting: Vec<CallId> = self.calls.iter().filter(|(_, call)| call.on.is_none()).map(|(id, _)| *id).collect();
        for call in waiting {
            match self.calls.get(&call).map(|call| call.purpose) {
                Some(Purpose::Renewal(key)) => self.renewal_failed(call, key, out),
                _ => self.fail(call, status.clone()),
            }
        }
        if self.stream.is_none() {
            for watch in std::mem::take(&mut self.watches).into_keys() {
                self.events.push(ClientEvent::Watch { watch, result: Err(status.clone()) });
            }
        }
    }

    fn renew(&mut self, now: SimTime, key: LeaseKey, out: &mut Outbox) {
        let Some(KeptLease { id, asked: None, .. }) = self.leases.get(&key) else { return };
        let request = Request::LeaseKeepAlive(LeaseKeepAliveRequest { id: *id });
        let call = self.begin(now, request, Purpose::Renewal(key), None, out);
        if let Some(lease) = self.leases.get_mut(&key) {
            lease.asked = Some(call);
        }
        self.ensure_login(now, out);
        self.send_waiting(out);
    }

    fn renewed(&mut self, now: SimTime, key: LeaseKey, response: LeaseKeepAliveResponse, out: &mut Outbox) {
        let Some(lease) = self.leases.get_mut(&key) else { return };
        if response.ttl <= 0 {
            self.leases.remove(&key);
            self.events.push(ClientEvent::KeptAlive { lease: key, response: None });
            return;
        }
        let span = Micros(u64::try_from(response.ttl).unwrap_or(0).saturating_mul(1_000_000));
        lease.asked = None;
        lease.deadline = now + span;
        let next = (span.0 / 3).div_ceil(RENEWAL_TICK.0).max(1) * RENEWAL_TICK.0;
        out.wake(Micros(next), self.note(ClientNote::Renew(key)));
        self.events.push(ClientEvent::KeptAlive { lease: key, response: Some(response) });
    }

    fn renewal_failed(&mut self, call: CallId, key: LeaseKey, out: &mut Outbox) {
        self.calls.remove(&call);
        if let Some(lease) = self.leases.get_mut(&key) {
            lease.asked = None;
            out.wake(RENEWAL_TICK, self.note(ClientNote::Renew(key)));
        }
    }

    fn reap(&mut self, now: SimTime, key: LeaseKey, out: &mut Outbox) {
        let Some(lease) = self.leases.get(&key) else { return };
        if lease.deadline < now {
            if let Some(call) = lease.asked {
                self.calls.remove(&call);
            }
            self.leases.remove(&key);
            self.events.push(ClientEvent::KeptAlive { lease: key, response: None });
            return;
        }
        out.wake(REAP_TICK, self.note(ClientNote::Reap(key)));
    }

    fn send_on(&mut self, conn: ConnId, frame: Frame, out: &mut Outbox) {
        let Some(position) = self.position(conn) else { return };
        let Some(connection) = self.endpoints[position].connection_mut() else { return };
        let number = connection.sent;
        connection.sent += 1;
        let wire = Wire::Client { conn, number, frame };
        let bytes = wire.size();
        out.send(connection.host, wire, bytes, Delivery::Stream);
    }

    fn answered(&mut self, now: SimTime, id: CallId, result: Result<Response, Status>, out: &mut Outbox) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        match (call.purpose, result) {
            (Purpose::Login { told }, result) => {
                self.calls.remove(&id);
                self.logged_in(now, id, told, result, out);
            }
            (Purpose::Renewal(key), Ok(Response::LeaseKeepAlive(response))) => {
                self.calls.remove(&id);
                self.renewed(now, key, response, out);
            }
            (Purpose::Renewal(key), _) => self.renewal_failed(id, key, out),
            (Purpose::Program, Ok(response)) => {
                self.calls.remove(&id);
                self.events.push(ClientEvent::Answer { call: id, result: Ok(response) });
            }
            (Purpose::Program, Err(status)) => self.refused(now, id, status, out),
        }
    }

    /// A call failed: perhaps it is tried again, as clientv3's retry interceptor does.
    fn refused(&mut self, now: SimTime, id: CallId, status: Status, out: &mut Outbox) {
        let endpoints = self.endpoints.len() as u32;
        let Some(call) = self.calls.get_mut(&id) else { return };
        let stale = status.message == EtcdError::InvalidAuthToken.text() && self.user.is_some();
        let again = stale || (status.code == Code::Unavailable && call.request.is_repeatable());
        if !again || call.tries >= TRIES_MAX {
            return self.fail(id, status);
        }
        call.on = None;
        call.failed.get_or_insert(status);
        if stale && self.login != Login::UnderWay {
            self.login = Login::Due;
            self.ensure_login(now, out);
        } else if call.tries.is_multiple_of(endpoints / 2 + 1) {
            call.resting = true;
            out.wake(RETRY, self.note(ClientNote::Retry(id)));
        }
        self.send_waiting(out);
    }

    fn fail(&mut self, id: CallId, status: Status) {
        let first = self.calls.remove(&id).and_then(|call| call.failed);
        // The log shows the first try. Simplified: upstream logs every one.
        let log = first.as_ref().unwrap_or(&status).to_string();
        self.events.push(ClientEvent::Answer { call: id, result: Err((status, log)) });
    }

    fn deadline(&mut self, now: SimTime, id: CallId, out: &mut Outbox) {
        let Some(call) = self.calls.remove(&id) else { return };
        let status = Status { code: Code::DeadlineExceeded, message: "context deadline exceeded".to_owned() };
        if let Purpose::Login { told: false } = call.purpose {
            return self.logged_in(now, id, false, Err(status), out);
        }
        let dial_error = self.endpoints.iter().rev().find_map(|endpoint| endpoint.last_error.as_ref());
        let log = match (call.on, call.failed, dial_error) {
            (_, Some(failed), _) => failed.to_string(),
            (None, None, Some(error)) => format!(
                "rpc error: code = DeadlineExceeded desc = latest balancer error: last connection error: \
                 connection error: desc = \"transport: Error while dialing {error}\""
            ),
            _ => status.to_string(),
        };
        if matches!(call.purpose, Purpose::Login { .. }) {
            self.login = Login::Due;
        }
        self.events.push(ClientEvent::Answer { call: id, result: Err((status, log)) });
    }

    /// Puts every watch that no stream carries onto one. Creations are sent one at a time, so that each `created` answers
    /// the oldest.
    fn carry_watches(&mut self, now: SimTime, out: &mut Outbox) {
        if self.watches.is_empty() || !self.creating.is_empty() {
            return;
        }
        self.ensure_login(now, out);
        if self.token().is_none() {
            return self.send_waiting(out);
        }
        let stream = match self.stream {
            Some(stream) => stream,
            None => {
                let Some(stream) = self.pick() else { return };
                self.stream = Some(stream);
                self.streams_opened += 1;
                stream
            }
        };
        let Some((&key, watch)) = self.watches.iter().find(|(_, watch)| watch.server_id.is_none()) else { return };
        self.creating.push_back(key);
        let request = watch.request.clone();
        self.ask_stream(stream, WatchRequestKind::Create(request), out);
    }

    fn ask_stream(&mut self, stream: ConnId, request: WatchRequestKind, out: &mut Outbox) {
        let token = self.token().unwrap_or_default();
        let request = WatchRequest { request: Some(request) };
        self.send_on(stream, Frame::WatchAsk { stream: self.streams_opened, token, request }, out);
    }

    fn watch_told(&mut self, now: SimTime, response: WatchResponse, out: &mut Outbox) {
        if response.created {
            if let Some(key) = self.creating.pop_front() {
                self.created(key, response, out);
            }
            self.carry_watches(now, out);
            return;
        }
        if response.watch_id == -1 {
            // A progress response speaks for the whole stream, but not for watches that wait to be created on it, nor for
            // those that another member has told more than this one knows.
            // Simplified: upstream passes it on to these too.
            let revision = response.header.as_ref().map_or(0, |header| header.revision);
            let told = |watch: &Watch| watch.server_id.is_some() && watch.request.start_revision <= revision + 1;
            for (&key, watch) in self.watches.iter_mut().filter(|(_, watch)| told(watch)) {
                // It has everything up to there, and goes on behind it elsewhere.
                watch.request.start_revision = revision + 1;
                self.events.push(ClientEvent::Watch { watch: key, result: Ok(response.clone()) });
            }
            return;
        }
        let Some((&key, watch)) = self.watches.iter_mut().find(|(_, watch)| watch.server_id == Some(response.watch_id))
        else {
            return;
        };
        if response.canceled || response.compact_revision != 0 {
            self.watches.remove(&key);
            self.events.push(ClientEvent::Watch { watch: key, result: Ok(response) });
            return;
        }
        if let Some(event) = response.events.last() {
            watch.request.start_revision = event.kv.as_ref().map_or(0, |kv| kv.mod_revision) + 1;
        }
        self.events.push(ClientEvent::Watch { watch: key, result: Ok(response) });
    }

    fn created(&mut self, key: WatchKey, response: WatchResponse, out: &mut Outbox) {
        let Some(watch) = self.watches.get_mut(&key) else {
            // Cancelled before it was created.
            if let Some(stream) = self.stream {
                let cancel = WatchCancelRequest { watch_id: response.watch_id };
                self.ask_stream(stream, WatchRequestKind::Cancel(cancel), out);
            }
            return;
        };
        if response.canceled {
            self.watches.remove(&key);
            self.events.push(ClientEvent::Watch { watch: key, result: Ok(response) });
            return;
        }
        watch.server_id = Some(response.watch_id);
        if watch.request.start_revision == 0 {
            // From here on the watch has a place in history; if the stream breaks before the first event, the next one
            // starts there and not at that stream's present.
            watch.request.start_revision = response.header.as_ref().map_or(0, |header| header.revision) + 1;
        }
    }
}

/// The first key after all that begin with `prefix`; `\0`, which means that there is no end, if there is none.
pub fn prefix_end(prefix: &[u8]) -> Bytes {
    let kept = prefix.iter().rposition(|byte| *byte < 0xff);
    kept.map_or(Bytes::from_static(b"\0"), |last| {
        let mut end = prefix[..=last].to_vec();
        end[last] += 1;
        Bytes::from(end)
    })
}

/// `host:port` of an endpoint that may be written as a URL.
pub fn authority(endpoint: &str) -> &str {
    let bare = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    bare.split_once('/').map_or(bare, |(authority, _)| authority)
}

impl Endpoint {
    fn connection(&self) -> Option<&Connection> {
        match &self.state {
            EndpointState::Idle => None,
            EndpointState::Dialing(connection) | EndpointState::Ready(connection) => Some(connection),
        }
    }

    fn connection_mut(&mut self) -> Option<&mut Connection> {
        match &mut self.state {
            EndpointState::Idle => None,
            EndpointState::Dialing(connection) | EndpointState::Ready(connection) => Some(connection),
        }
    }
}

impl std::ops::Add for Micros {
    type Output = Micros;
    fn add(self, other: Micros) -> Micros {
        Micros(self.0.saturating_add(other.0))
    }
}
