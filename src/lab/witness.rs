//! What clients did and saw, call by call and watch by watch, with the moment of each: the raw material of a history.
//!
//! A world keeps none unless it is asked to ([`Lab::call_witness`](super::Lab::call_witness)): it grows without bound.

use crate::etcd::api::{Request, Response, WatchCreateRequest, WatchResponse};
use crate::etcd::client::{ClientId, WatchKey};
use crate::etcd::error::Status;
use crate::etcd::wire::CallId;
use crate::sim::SimTime;
use imbl::Vector;

/// Something between a program and its client.
#[derive(Clone, Debug)]
pub enum Heard {
    Asked {
        client: ClientId,
        call: CallId,
        request: Request,
    },
    Answered {
        client: ClientId,
        call: CallId,
        result: Result<Response, Status>,
    },
    Watching {
        client: ClientId,
        watch: WatchKey,
        request: WatchCreateRequest,
    },
    Told {
        client: ClientId,
        watch: WatchKey,
        result: Result<WatchResponse, Status>,
    },
    /// Whoever used the client is gone, and with it all that was under way.
    Closed {
        client: ClientId,
    },
}

impl Witness {
    /// The lease that was granted last, as far as the newest things heard tell.
    pub fn newest_lease(&self) -> Option<i64> {
        self.heard.iter().rev().take(RECENT).find_map(|(_, heard)| match heard {
            Heard::Answered { result: Ok(Response::LeaseGrant(granted)), .. } => Some(granted.id),
            _ => None,
        })
    }
}

const RECENT: usize = 1_000;

/// Everything heard, in order, and when each entry of the log was first applied anywhere.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    pub heard: Vector<(SimTime, Heard)>,
    /// By index, from the first on.
    pub applied: Vector<SimTime>,
}
