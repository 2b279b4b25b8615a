//! What travels between members and between a client and a member.
//!
//! Raft's messages are datagrams: they may be lost, doubled or overtaken, and Raft copes. A client's frames belong to a
//! connection: each carries its number, and whoever misses one gives the connection up, so that what arrives is always
//! an unbroken beginning of what was sent, as with TCP.

use super::api::{self, Request, Response, WatchRequest, WatchResponse};
use super::client::ClientId;
use super::error::{Code, EtcdError, Status};
use super::http::HttpFrame;
use crate::raft;
use prost::Message as _;
use std::fmt;
use std::sync::Arc;

/// A client connection, unique in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

impl ConnId {
    /// The `number`th connection of a client.
    pub fn new(client: ClientId, number: u32) -> ConnId {
        ConnId(u64::from(client.0) << 32 | u64::from(number))
    }

    pub fn client(self) -> ClientId {
        ClientId((self.0 >> 32) as u32)
    }
}

/// A call within its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// gRPC's metadata `token` of a call: what `Authenticate` answered, if the client logged in.
pub type AuthToken = Option<Arc<str>>;

#[derive(Clone, Debug, Hash)]
pub enum Wire {
    Peer(raft::Message),
    /// A peer opens, or answers, the streams that carry Raft's messages.
    Greet {
        reply: bool,
    },
    /// An idle stream between peers shows that it lives.
    LinkHeartbeat,
    /// The receipt of a snapshot: HTTP's 204.
    SnapshotTaken,
    /// The answer to a peer that was removed: HTTP's 410.
    Gone,
    /// A starting member asks who is in the cluster: `GET /members`.
    MembersAsk,
    Members {
        cluster_id: u64,
        members: Vec<api::Member>,
    },
    /// A lease is renewed or looked at where it is counted: `POST /leases` and `/leases/internal` of the leader.
    LeaseAsk {
        number: u64,
        ask: LeaseAsk,
    },
    LeaseTell {
        number: u64,
        tell: LeaseTell,
    },
    /// A learner is to become a voter, which only the leader can decide: `POST /members/promote/ID`.
    PromoteAsk {
        number: u64,
        id: u64,
    },
    PromoteTell {
        number: u64,
        tell: Result<Vec<api::Member>, Status>,
    },
    /// The leader compares what members hold: `POST /members/hashkv`.
    HashKvAsk {
        number: u64,
        revision: i64,
    },
    HashKvTell {
        number: u64,
        tell: Result<api::HashKvResponse, EtcdError>,
    },
    Client {
        conn: ConnId,
        number: u32,
        frame: Frame,
    },
}

/// What is asked about a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaseAsk {
    Renew(i64),
    TimeToLive { id: i64, keys: bool },
}

/// What the other member says about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LeaseTell {
    Renewed(i64),
    TimeToLive(api::LeaseTimeToLiveResponse),
    NotFound,
    /// It does not lead, or has not applied in time what it knows to be committed: ask again.
    Again,
}

/// What a connection between a client and a member carries.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Frame {
    Open,
    Opened,
    /// The other end does not know this connection: nothing listens, or it was started anew.
    Reset,
    Close,
    Ping,
    Pong,
    Call {
        call: CallId,
        token: AuthToken,
        request: Request,
    },
    Answer {
        call: CallId,
        result: Result<Response, Status>,
    },
    /// The connection's one watch stream, to the member. Streams are numbered, so that what was asked of one that had
    /// ended meanwhile opens no other. The token is that of the request that opened the stream.
    WatchAsk {
        stream: u32,
        token: AuthToken,
        request: WatchRequest,
    },
    /// The stream, from the member.
    WatchTell(WatchResponse),
    /// The member ends the stream.
    WatchEnd(Status),
    /// HTTP, on a connection that carries nothing else.
    Http(HttpFrame),
}

/// Headers of HTTP/2, gRPC and TCP around a message.
const OVERHEAD: usize = 80;
/// The fields of a Raft message besides its entries.
const PEER_OVERHEAD: usize = 40;

impl Wire {
    /// Size on the wire in bytes.
    pub fn size(&self) -> u32 {
        let body = match self {
            Wire::Peer(message) => {
                let entries: u64 = message.entries.iter().map(|entry| entry.encoded_size()).sum();
                let snapshot = message.snapshot.as_ref().map_or(0, |snapshot| snapshot.data.len());
                PEER_OVERHEAD + entries as usize + snapshot
            }
            Wire::Greet { .. } | Wire::LinkHeartbeat | Wire::SnapshotTaken | Wire::Gone | Wire::MembersAsk => 0,
            Wire::Members { members, .. } => members.iter().map(prost::Message::encoded_len).sum(),
            Wire::PromoteTell { tell: Ok(members), .. } => members.iter().map(prost::Message::encoded_len).sum(),
            Wire::PromoteTell { tell: Err(status), .. } => status.message.len(),
            Wire::LeaseAsk { .. } | Wire::HashKvAsk { .. } | Wire::PromoteAsk { .. } => PEER_OVERHEAD,
            Wire::LeaseTell { tell: LeaseTell::TimeToLive(response), .. } => PEER_OVERHEAD + response.encoded_len(),
            Wire::LeaseTell { .. } | Wire::HashKvTell { .. } => PEER_OVERHEAD,
            Wire::Client { frame, .. } => frame.size(),
        };
        u32::try_from(body + OVERHEAD).unwrap_or(u32::MAX)
    }
}

impl Frame {
    fn size(&self) -> usize {
        match self {
            Frame::Call { request, .. } => request.encoded_len(),
            Frame::Answer { result: Ok(response), .. } => response.encoded_len(),
            Frame::Answer { result: Err(status), .. } | Frame::WatchEnd(status) => status.message.len(),
            Frame::WatchAsk { request, .. } => request.encoded_len(),
            Frame::WatchTell(response) => response.encoded_len(),
            Frame::Http(frame) => frame.size(),
            Frame::Open | Frame::Opened | Frame::Reset | Frame::Close | Frame::Ping | Frame::Pong => 0,
        }
    }
}

impl fmt::Display for Wire {
    /// The message's name, as its protocol has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wire::Peer(message) => write!(f, "{:?}", message.msg_type),
            Wire::Greet { reply: true } => f.write_str("GET /raft/stream"),
            Wire::Greet { reply: false } => f.write_str("200 OK"),
            Wire::LinkHeartbeat => f.write_str("link heartbeat"),
            Wire::SnapshotTaken => f.write_str("204 No Content"),
            Wire::Gone => f.write_str("410 Gone"),
            Wire::MembersAsk => f.write_str("GET /members"),
            Wire::Members { .. } => f.write_str("200 OK, members"),
            Wire::LeaseAsk { ask: LeaseAsk::Renew(_), .. } => f.write_str("POST /leases"),
            Wire::LeaseAsk { ask: LeaseAsk::TimeToLive { .. }, .. } => f.write_str("POST /leases/internal"),
            Wire::LeaseTell { tell: LeaseTell::Renewed(_) | LeaseTell::TimeToLive(_), .. } => {
                f.write_str("200 OK, lease")
            }
            Wire::LeaseTell { tell: LeaseTell::NotFound, .. } => f.write_str("404 Not Found"),
            Wire::LeaseTell { tell: LeaseTell::Again, .. } | Wire::HashKvTell { tell: Err(_), .. } => {
                f.write_str("400 Bad Request")
            }
            Wire::PromoteAsk { id, .. } => write!(f, "POST /members/promote/{id}"),
            Wire::PromoteTell { tell: Ok(_), .. } => f.write_str("200 OK, members"),
            Wire::PromoteTell { tell: Err(status), .. } => match status.code {
                Code::NotFound => f.write_str("404 Not Found"),
                Code::FailedPrecondition => f.write_str("412 Precondition Failed"),
                _ => f.write_str("500 Internal Server Error"),
            },
            Wire::HashKvAsk { .. } => f.write_str("POST /members/hashkv"),
            Wire::HashKvTell { tell: Ok(_), .. } => f.write_str("200 OK, hash"),
            Wire::Client { frame, .. } => f.write_str(frame.name()),
        }
    }
}

impl Frame {
    pub fn name(&self) -> &'static str {
        match self {
            Frame::Open => "SYN",
            Frame::Opened => "SYN-ACK",
            Frame::Reset => "RST",
            Frame::Close => "FIN",
            Frame::Ping => "PING",
            Frame::Pong => "PONG",
            Frame::Call { request, .. } => request.name(),
            Frame::Answer { result: Ok(response), .. } => response.name(),
            Frame::Answer { result: Err(_), .. } => "Status",
            Frame::WatchAsk { .. } => "WatchRequest",
            Frame::WatchTell(_) => "WatchResponse",
            Frame::WatchEnd(_) => "Status",
            Frame::Http(frame) => frame.name(),
        }
    }
}
