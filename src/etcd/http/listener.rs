//! Where HTTP connections come in: it keeps them in order, says what is asked, and sends what is answered.

use super::{HttpFrame, HttpRequest, HttpResponse};
use crate::etcd::wire::{ConnId, Frame, Wire};
use crate::sim::{Delivery, HostId, Outbox};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The connections of one host.
#[derive(Clone, Debug, Default, Hash)]
pub struct Listener(BTreeMap<ConnId, Connection>);

#[derive(Clone, Debug, Hash)]
struct Connection {
    host: HostId,
    sent: u32,
    received: u32,
}

/// What somebody wants of whoever listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenerEvent {
    Asked {
        conn: ConnId,
        stream: u32,
        request: Arc<HttpRequest>,
    },
    /// Nobody waits for the answer any more.
    Cancelled {
        conn: ConnId,
        stream: u32,
    },
    /// Nor for any other of this connection.
    HungUp {
        conn: ConnId,
    },
}

impl Listener {
    /// A frame came.
    pub fn receive<T, F>(
        &mut self,
        from: HostId,
        conn: ConnId,
        number: u32,
        frame: &Frame,
        out: &mut Outbox<Wire, T, F>,
    ) -> Option<ListenerEvent> {
        if *frame == Frame::Open {
            self.0.insert(conn, Connection { host: from, sent: 0, received: 1 });
            self.send(conn, Frame::Opened, out);
            return None;
        }
        let expected = self.0.get_mut(&conn).is_some_and(|connection| {
            connection.received += 1;
            connection.received == number + 1
        });
        if !expected {
            if !matches!(frame, Frame::Reset | Frame::Close) {
                send(from, conn, 0, Frame::Reset, out);
            }
            return self.0.remove(&conn).map(|_| ListenerEvent::HungUp { conn });
        }
        match frame {
            Frame::Ping => self.send(conn, Frame::Pong, out),
            Frame::Close | Frame::Reset => {
                self.0.remove(&conn);
                return Some(ListenerEvent::HungUp { conn });
            }
            Frame::Http(HttpFrame::Request { stream, request }) => {
                return Some(ListenerEvent::Asked { conn, stream: *stream, request: request.clone() });
            }
            Frame::Http(HttpFrame::Cancel { stream }) => {
                return Some(ListenerEvent::Cancelled { conn, stream: *stream });
            }
            _ => {}
        }
        None
    }

    /// Answers; `more` if the body goes on.
    pub fn respond<T, F>(
        &mut self,
        (conn, stream): (ConnId, u32),
        response: Arc<HttpResponse>,
        more: bool,
        out: &mut Outbox<Wire, T, F>,
    ) {
        self.send(conn, Frame::Http(HttpFrame::Response { stream, response, more }), out);
    }

    /// Goes on with an answer.
    pub fn write<T, F>(
        &mut self,
        (conn, stream): (ConnId, u32),
        bytes: Bytes,
        more: bool,
        out: &mut Outbox<Wire, T, F>,
    ) {
        self.send(conn, Frame::Http(HttpFrame::Data { stream, bytes, more }), out);
    }

    /// The process ends, and with it its connections.
    pub fn reset_all<T, F>(&self, out: &mut Outbox<Wire, T, F>) {
        for (conn, connection) in &self.0 {
            send(connection.host, *conn, 0, Frame::Reset, out);
        }
    }

    /// Hosts of those who are connected.
    pub fn hosts(&self) -> impl Iterator<Item = HostId> {
        self.0.values().map(|connection| connection.host)
    }

    fn send<T, F>(&mut self, conn: ConnId, frame: Frame, out: &mut Outbox<Wire, T, F>) {
        let Some(connection) = self.0.get_mut(&conn) else { return };
        let number = connection.sent;
        connection.sent += 1;
        send(connection.host, conn, number, frame, out);
    }
}

fn send<T, F>(host: HostId, conn: ConnId, number: u32, frame: Frame, out: &mut Outbox<Wire, T, F>) {
    let wire = Wire::Client { conn, number, frame };
    let bytes = wire.size();
    out.send(host, wire, bytes, Delivery::Stream);
}
