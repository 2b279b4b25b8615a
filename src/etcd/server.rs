//! The face of a member towards clients: connections, calls, watch streams. Upstream: `server/etcdserver/api/v3rpc`.

use super::api::{
    DefragmentResponse, HashKvRequest, HashKvResponse, MemberListRequest, MemberListResponse, Request, RequestOp,
    RequestOpKind, Response, ResponseHeader, Rpc, StatusResponse, TxnRequest, WatchRequest, WatchRequestKind,
};
use super::apply::{self, quota};
use super::auth;
use super::error::{Code, EtcdError, Status};
use super::http::{self, HttpFrame, HttpResponse};
use super::identity::Asked;
use super::member::{Member, MemberNote, Moment, RETRY_VICTIMS, SYNC_WATCHERS};
use super::metrics::Method;
use super::wire::{AuthToken, CallId, ConnId, Frame, LeaseAsk, Wire};
use super::{Fact, Note, Outbox, VERSION};
use crate::sim::{Delivery, HostId, SimTime};
use prost::Message as _;
use std::collections::BTreeMap;

/// A client's call, and where it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    pub conn: ConnId,
    pub call: CallId,
    pub token: AuthToken,
    pub request: Request,
}

/// The connections that a member knows.
#[derive(Clone, Debug, Default, Hash)]
pub struct Connections(BTreeMap<ConnId, Connection>);

#[derive(Clone, Debug, Hash)]
struct Connection {
    host: HostId,
    sent: u32,
    received: u32,
    /// The newest watch stream, and whether it is open.
    stream: u32,
    streams: bool,
    /// Bytes of the stream that the client has not shown to have read, and how many of them a ping asks about.
    unread: usize,
    pinged: Option<usize>,
    /// Whether a lease was renewed on it: upstream's stream of renewals is open.
    renews: bool,
    /// The HTTP request that was asked last.
    asked: u32,
}

/// HTTP/2's first window: a stream with so many unread bytes is sent no more.
const WINDOW: usize = 64 * 1024;
/// After so many bytes the client is asked how far it has read.
// Simplified: HTTP/2's reader says by itself what it has taken in; here a ping behind the data asks for it.
const PING_AFTER: usize = WINDOW / 4;

impl Connection {
    fn to(host: HostId) -> Connection {
        Connection {
            host,
            sent: 0,
            received: 0,
            stream: 0,
            streams: false,
            unread: 0,
            pinged: None,
            renews: false,
            asked: 0,
        }
    }
}

impl Connections {
    /// Hosts of the clients that are connected.
    pub fn hosts(&self) -> impl Iterator<Item = HostId> {
        self.0.values().map(|connection| connection.host)
    }

    pub fn reset_all(&self, out: &mut Outbox) {
        for (conn, connection) in &self.0 {
            reset(connection.host, *conn, out);
        }
    }

    fn send(&mut self, conn: ConnId, frame: Frame, out: &mut Outbox) {
        let Some(connection) = self.0.get_mut(&conn) else { return };
        let wire = Wire::Client { conn, number: connection.sent, frame };
        connection.sent += 1;
        let bytes = wire.size();
        out.send(connection.host, wire, bytes, Delivery::Stream);
    }
}

fn reset(host: HostId, conn: ConnId, out: &mut Outbox) {
    let wire = Wire::Client { conn, number: 0, frame: Frame::Reset };
    let bytes = wire.size();
    out.send(host, wire, bytes, Delivery::Stream);
}

/// What a machine answers on which no member runs: nothing listens.
pub fn refuse(from: HostId, wire: &Wire, out: &mut Outbox) {
    if let Wire::Client { conn, frame, .. } = wire
        && !matches!(frame, Frame::Reset | Frame::Close)
    {
        reset(from, *conn, out);
    }
}

/// What can be refused without looking at the store.
fn check(request: &Request, max_txn_ops: usize) -> Result<(), EtcdError> {
    match request {
        Request::Range(range) => apply::check_range(range),
        Request::Put(put) => apply::check_put(put),
        Request::DeleteRange(delete) => apply::check_delete_range(delete),
        Request::Txn(txn) => apply::check_txn(txn, max_txn_ops),
        _ => Ok(()),
    }
}

/// A learner has no say yet: it tells how it is, and what it holds to those who accept that it may be old.
fn is_for_learners(request: &Request) -> bool {
    match request {
        Request::Status(_) => true,
        Request::Range(range) => range.serializable,
        _ => false,
    }
}

/// Whether a call's token is looked at.
fn needs_token(request: &Request) -> bool {
    !matches!(
        request,
        Request::Status(_)
            | Request::MemberList(_)
            | Request::Authenticate(_)
            | Request::LeaseKeepAlive(_)
            | Request::LeaseTimeToLive(_)
            | Request::LeaseLeases(_)
            | Request::MoveLeader(_)
    )
}

/// Whether every read of the transaction may be stale.
fn is_serializable(txn: &TxnRequest) -> bool {
    let serializable = |op: &RequestOp| matches!(&op.request, Some(RequestOpKind::Range(range)) if range.serializable);
    txn.success.iter().chain(&txn.failure).all(serializable)
}

impl Member {
    /// A frame came from a client.
    pub(super) fn serve(
        &mut self,
        at: Moment,
        from: HostId,
        conn: ConnId,
        number: u32,
        frame: &Frame,
        out: &mut Outbox,
    ) {
        if *frame == Frame::Open {
            self.connections.0.insert(conn, Connection { received: 1, ..Connection::to(from) });
            return self.connections.send(conn, Frame::Opened, out);
        }
        let in_order = self.connections.0.get_mut(&conn).is_some_and(|connection| {
            connection.received += 1;
            connection.received == number + 1
        });
        if !in_order {
            self.hang_up(conn);
            if *frame != Frame::Reset && *frame != Frame::Close {
                reset(from, conn, out);
            }
            return;
        }
        match frame {
            Frame::Ping => self.connections.send(conn, Frame::Pong, out),
            Frame::Close | Frame::Reset => self.hang_up(conn),
            Frame::Call { call, token, request } => {
                let call = Call { conn, call: *call, token: token.clone(), request: request.clone() };
                self.count_asked(&call);
                self.call(at, call, out);
            }
            Frame::Http(HttpFrame::Request { request, stream }) => {
                if let Some(connection) = self.connections.0.get_mut(&conn) {
                    connection.asked = *stream;
                }
                self.http(at, conn, request, out);
            }
            Frame::WatchAsk { stream, token, request } => {
                self.metrics.client_received_bytes += request.encoded_len() as u64;
                self.metrics.calls.received(Method::Watch);
                self.watch_asked(at, (conn, *stream), token, request, out);
            }
            Frame::Pong => self.stream_read(conn, out),
            Frame::Open
            | Frame::Opened
            | Frame::Answer { .. }
            | Frame::WatchTell(_)
            | Frame::WatchEnd(_)
            | Frame::Http(_) => {}
        }
    }

    fn count_asked(&mut self, call: &Call) {
        let metrics = &mut self.metrics;
        metrics.client_received_bytes += call.request.encoded_len() as u64;
        let mut opens = false;
        if matches!(call.request, Request::LeaseKeepAlive(_))
            && let Some(connection) = self.connections.0.get_mut(&call.conn)
        {
            opens = !std::mem::replace(&mut connection.renews, true);
        }
        metrics.calls.asked(Method::of(&call.request), opens);
    }

    pub(super) fn send_http(&mut self, conn: ConnId, response: HttpResponse, out: &mut Outbox) {
        let Some(connection) = self.connections.0.get(&conn) else { return };
        let response = HttpFrame::Response { stream: connection.asked, response: response.into(), more: false };
        self.connections.send(conn, Frame::Http(response), out);
    }

    fn hang_up(&mut self, conn: ConnId) {
        let Some(connection) = self.connections.0.remove(&conn) else { return };
        if connection.streams {
            self.applier.store.close_stream(conn.0);
            self.metrics.calls.handled(Method::Watch, Some(Code::Canceled));
        }
        if connection.renews {
            self.metrics.calls.handled(Method::Call(Rpc::LeaseKeepAlive), Some(Code::Canceled));
        }
        self.forget_unjudged(conn);
    }

    pub(super) fn call(&mut self, at: Moment, call: Call, out: &mut Outbox) {
        if self.applier.membership.is_learner(self.id) && !is_for_learners(&call.request) {
            return self.refuse(&call, EtcdError::NotSupportedForLearner.into(), out);
        }
        if needs_token(&call.request) && self.put_aside(&call.token, || Asked::Call(call.clone())) {
            return;
        }
        if let Err(status) = self.check_privilege(at.now, &call) {
            return self.refuse(&call, status, out);
        }
        if self.reconfigure(at, &call, out) {
            return;
        }
        if !self.applier.quota.allows(self.applier.store.kv().db_size(), quota::cost(&call.request)) {
            return self.refuse_for_space(at, call, out);
        }
        if let Err(error) = check(&call.request, self.cluster.settings.max_txn_ops) {
            return self.refuse(&call, error.into(), out);
        }
        self.dispatch(at, call, out);
    }

    /// Lets each call take its way: through the log, after a ReadIndex, to the leader, or answered here and now.
    fn dispatch(&mut self, at: Moment, call: Call, out: &mut Outbox) {
        match &call.request {
            Request::Txn(txn) if !apply::is_read_only(txn) => self.propose(at, call, out),
            Request::Txn(txn) if !is_serializable(txn) => self.read(at, call),
            Request::Range(range) if !range.serializable => self.read(at, call),
            Request::MemberList(MemberListRequest { linearizable: true }) | Request::Authenticate(_) => {
                self.read(at, call);
            }
            Request::Txn(_)
            | Request::Range(_)
            | Request::MemberList(_)
            | Request::Status(_)
            | Request::HashKv(_)
            | Request::LeaseLeases(_) => self.answer_read(at, call, out),
            Request::LeaseGrant(_) => self.lease_grant(at, call, out),
            Request::LeaseKeepAlive(request) => {
                let ask = LeaseAsk::Renew(request.id);
                self.lease_called(at, call, ask, out);
            }
            Request::LeaseTimeToLive(request) => {
                let ask = LeaseAsk::TimeToLive { id: request.id, keys: request.keys };
                self.lease_called(at, call, ask, out);
            }
            Request::Defragment(_) => {
                self.defragment(out);
                let response = Response::Defragment(DefragmentResponse::default());
                self.answer(call.conn, call.call, &call.request, Ok(response), out);
            }
            Request::UserAdd(_) | Request::UserChangePassword(_) => {
                let call = self.hash_password(call);
                self.propose(at, call, out);
            }
            Request::Hash(_) | Request::Snapshot(_) => {
                let result = self.backup(matches!(call.request, Request::Snapshot(_)));
                self.answer(call.conn, call.call, &call.request, result, out);
            }
            _ => self.propose(at, call, out),
        }
    }

    /// Calls that root alone may make are refused to others before anything else, maintenance in words of its own.
    fn check_privilege(&mut self, now: SimTime, call: &Call) -> Result<(), Status> {
        match &call.request {
            Request::MemberAdd(_) | Request::MemberRemove(_) | Request::MemberUpdate(_) | Request::MemberPromote(_) => {
                Ok(self.check_root(now, &call.token)?)
            }
            Request::HashKv(_) | Request::Hash(_) | Request::Defragment(_) | Request::Snapshot(_) => {
                self.check_root(now, &call.token).map_err(auth::unmapped)
            }
            _ => Ok(()),
        }
    }

    /// Answers a call from what is applied here.
    pub(super) fn answer_read(&mut self, at: Moment, call: Call, out: &mut Outbox) {
        if matches!(call.request, Request::Authenticate(_)) {
            return self.log_in(at, call, out);
        }
        if matches!(call.request, Request::Range(_) | Request::Txn(_))
            && let Err(error) = self.check_read(at.now, &call)
        {
            return self.refuse(&call, error.into(), out);
        }
        let Call { conn, call, request, .. } = call;
        let result = match &request {
            Request::Range(range) => {
                self.applier.store.count_ranges(1);
                apply::apply_range(self.applier.store.kv(), range).map(Response::Range)
            }
            Request::Txn(txn) => apply::apply_txn(&mut self.applier.store, txn).map(Response::Txn),
            Request::MemberList(_) => {
                Ok(Response::MemberList(MemberListResponse { header: None, members: self.applier.membership.list() }))
            }
            Request::Status(_) => Ok(Response::Status(self.status())),
            Request::HashKv(HashKvRequest { revision }) => {
                self.metrics.hash_rev += 1;
                self.hash_kv(*revision).map(Response::HashKv)
            }
            Request::LeaseLeases(_) => Ok(Response::LeaseLeases(self.lease_leases())),
            _ => unreachable!("only reads wait for their turn"),
        };
        self.answer(conn, call, &request, result.map_err(Status::from), out);
    }

    fn refuse(&mut self, call: &Call, status: Status, out: &mut Outbox) {
        self.answer(call.conn, call.call, &call.request, Err(status), out);
    }

    pub(super) fn hash_kv(&self, revision: i64) -> Result<HashKvResponse, EtcdError> {
        let hash = self.applier.store.kv().hash_kv(revision)?;
        Ok(HashKvResponse { header: None, hash, compact_revision: self.applier.store.kv().compact_revision() })
    }

    fn status(&self) -> StatusResponse {
        let raft = self.raft();
        let leaderless = self.is_leaderless().then(|| EtcdError::NoLeader.text().to_owned());
        let alarms =
            self.applier.alarms.iter().map(|(alarm, member)| format!("memberID:{member} alarm:{} ", alarm.name()));
        let errors = leaderless.into_iter().chain(alarms).collect();
        StatusResponse {
            header: None,
            version: VERSION.to_owned(),
            db_size: self.applier.store.kv().db_size(),
            db_size_in_use: self.applier.store.kv().db_size_in_use(),
            leader: self.lead().0,
            raft_index: raft.committed().0,
            raft_term: raft.term().0,
            raft_applied_index: self.applied().0,
            errors,
            is_learner: self.applier.membership.is_learner(self.id),
        }
    }

    pub(super) fn answer(
        &mut self,
        conn: ConnId,
        call: CallId,
        request: &Request,
        mut result: Result<Response, Status>,
        out: &mut Outbox,
    ) {
        // Upstream answers a defragmentation without a header.
        if let Ok(response) = &mut result
            && !matches!(response, Response::Defragment(_))
        {
            let revision = match response {
                // Upstream's header for these has no revision.
                Response::MemberList(_)
                | Response::MemberAdd(_)
                | Response::MemberRemove(_)
                | Response::MemberUpdate(_)
                | Response::MemberPromote(_) => 0,
                _ => match response.header() {
                    Some(header) if header.revision != 0 => header.revision,
                    _ => self.applier.store.kv().revision(),
                },
            };
            *response.header_mut() = self.header(revision);
        }
        if call == http::HEALTH_CHECK {
            return self.health_read(conn, &result, out);
        }
        self.metrics.answered(request, result.as_ref());
        let failed = result.as_ref().err().map(|status| status.message.clone());
        out.fact(Fact::Answered { call: request.name(), failed });
        self.connections.send(conn, Frame::Answer { call, result }, out);
    }

    fn header(&self, revision: i64) -> ResponseHeader {
        ResponseHeader { cluster_id: self.cluster_id, member_id: self.id.0, revision, raft_term: self.raft().term().0 }
    }

    /// The header of what this member says now.
    pub(super) fn own_header(&self) -> ResponseHeader {
        self.header(self.applier.store.kv().revision())
    }

    // Watches.

    pub(super) fn watch_asked(
        &mut self,
        at: Moment,
        (conn, stream): (ConnId, u32),
        token: &AuthToken,
        request: &WatchRequest,
        out: &mut Outbox,
    ) {
        if self.put_aside(token, || Asked::Watch((conn, stream), token.clone(), request.clone())) {
            return;
        }
        let Some(connection) = self.connections.0.get_mut(&conn) else { return };
        let opens = stream > connection.stream;
        if !opens && !connection.streams {
            // Asked before its client knew that the stream had ended.
            return;
        }
        (connection.stream, connection.streams) = (stream, true);
        if opens {
            // etcdctl watches with the metadata that requires a leader.
            if self.is_leaderless() {
                self.end_stream(conn, EtcdError::NoLeader.into(), out);
                return;
            }
            self.applier.store.open_stream(conn.0);
            self.metrics.calls.started(Method::Watch);
        }
        match &request.request {
            Some(WatchRequestKind::Create(create))
                if !self.may_watch(at.now, token, &create.key, &create.range_end) =>
            {
                let denied = Status::from(EtcdError::PermissionDenied).to_string();
                self.applier.store.refuse_watch(conn.0, create.watch_id, &denied);
            }
            Some(WatchRequestKind::Create(create)) => self.applier.store.watch(conn.0, create),
            Some(WatchRequestKind::Cancel(cancel)) => self.applier.store.cancel_watch(conn.0, cancel.watch_id),
            Some(WatchRequestKind::Progress(_)) => self.applier.store.request_progress(conn.0),
            None => {}
        }
    }

    /// Sends what the store has for its watchers, and comes back for those that lag behind.
    pub(super) fn tell_watchers(&mut self, out: &mut Outbox) {
        for (stream, mut response) in self.applier.store.drain_responses() {
            let revision = response.header.as_ref().map_or(0, |header| header.revision);
            response.header = Some(self.header(revision));
            let bytes = response.encoded_len();
            self.metrics.events += response.events.len() as u64;
            self.metrics.client_sent_bytes += bytes as u64;
            self.metrics.calls.sent(Method::Watch);
            self.connections.send(ConnId(stream), Frame::WatchTell(response), out);
            self.stream_sent(ConnId(stream), bytes, out);
        }
        if self.applier.store.victims() > 0 && !self.retrying_victims {
            self.retrying_victims = true;
            out.wake(RETRY_VICTIMS, Note::Member(MemberNote::RetryVictims));
        }
        if self.applier.store.unsynced() > 0 && !self.syncing_watchers {
            self.syncing_watchers = true;
            out.wake(SYNC_WATCHERS, Note::Member(MemberNote::SyncWatchers));
        }
    }

    /// Counts what the client has still to read, and stops where that is too much.
    fn stream_sent(&mut self, conn: ConnId, bytes: usize, out: &mut Outbox) {
        let Some(connection) = self.connections.0.get_mut(&conn) else { return };
        connection.unread += bytes;
        let (unread, pinged) = (connection.unread, connection.pinged.is_some());
        if unread >= PING_AFTER && !pinged {
            connection.pinged = Some(unread);
            self.connections.send(conn, Frame::Ping, out);
        }
        if unread >= WINDOW {
            self.applier.store.set_blocked(conn.0, true);
        }
    }

    /// The client has read everything up to the ping that it answers.
    fn stream_read(&mut self, conn: ConnId, out: &mut Outbox) {
        let Some(connection) = self.connections.0.get_mut(&conn) else { return };
        let Some(read) = connection.pinged.take() else { return };
        connection.unread -= read.min(connection.unread);
        if connection.unread < WINDOW {
            self.applier.store.set_blocked(conn.0, false);
        }
        self.stream_sent(conn, 0, out);
    }

    pub(super) fn end_streams(&mut self, status: &Status, out: &mut Outbox) {
        let streaming: Vec<ConnId> =
            self.connections.0.iter().filter(|(_, connection)| connection.streams).map(|(conn, _)| *conn).collect();
        for conn in streaming {
            self.end_stream(conn, status.clone(), out);
        }
    }

    fn end_stream(&mut self, conn: ConnId, status: Status, out: &mut Outbox) {
        self.metrics.calls.handled(Method::Watch, Some(status.code));
        self.connections.send(conn, Frame::WatchEnd(status), out);
        if let Some(connection) = self.connections.0.get_mut(&conn) {
            (connection.streams, connection.unread) = (false, 0);
        }
        self.applier.store.close_stream(conn.0);
    }
}
