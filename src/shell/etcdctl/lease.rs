//! `lease …`: flags into requests, and `keep-alive` without `--once`.

use super::super::printers::Format;
use super::super::process::{Ask, Asks, Tell, Token};
use super::call::shown;
use super::client::Client;
use super::flags::{Parsed, parse_int};
use super::kv::is_on;
use super::{EXIT_BAD_ARGS, Failure, Step};
use crate::etcd::api::{
    LeaseGrantRequest, LeaseKeepAliveRequest, LeaseRevokeRequest, LeaseTimeToLiveRequest, Request, Response,
};

/// The id that a command names, in hexadecimal.
pub fn id(parsed: &Parsed) -> Result<i64, Failure> {
    let bad = |error| Failure::new(EXIT_BAD_ARGS, format!("bad lease ID arg ({error}), expecting ID in Hex"));
    parse_int(&parsed.positional[0], 16).map_err(bad)
}

pub fn grant(parsed: &Parsed) -> Result<Request, Failure> {
    let ttl = parse_int(&parsed.positional[0], 10)
        .map_err(|error| Failure::new(EXIT_BAD_ARGS, format!("bad TTL ({error})")))?;
    Ok(Request::LeaseGrant(LeaseGrantRequest { ttl, id: 0 }))
}

pub fn revoke(parsed: &Parsed) -> Result<Request, Failure> {
    Ok(Request::LeaseRevoke(LeaseRevokeRequest { id: id(parsed)? }))
}

pub fn time_to_live(parsed: &Parsed) -> Result<Request, Failure> {
    let keys = is_on(parsed, "lease timetolive", "keys");
    Ok(Request::LeaseTimeToLive(LeaseTimeToLiveRequest { id: id(parsed)?, keys }))
}

pub fn keep_alive(id: i64) -> Request {
    Request::LeaseKeepAlive(LeaseKeepAliveRequest { id })
}

/// `lease keep-alive` until the lease is gone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeepAlive {
    client: Client,
    lease: i64,
}

impl KeepAlive {
    pub fn new(client: Client, lease: i64, asks: &mut Asks) -> KeepAlive {
        asks.push(Ask::KeepAlive { token: Token(0), via: client.via.clone(), lease });
        KeepAlive { client, lease }
    }

    pub fn tell(&mut self, tell: Tell, asks: &mut Asks) -> Step {
        let Tell::KeptAlive { response, .. } = tell else { return Ok(None) };
        if let Some(response) = response {
            let answer = self.client.display.answer(&keep_alive(self.lease), &Response::LeaseKeepAlive(response));
            asks.print(shown(answer)?);
            return Ok(None);
        }
        if self.client.display.format == Format::Simple {
            asks.print(format!("lease {:016x} expired or revoked.\n", self.lease));
        }
        Ok(Some(0))
    }
}
