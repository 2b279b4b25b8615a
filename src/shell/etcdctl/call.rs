//! Commands that are one call and the printing of its answer.

use super::super::printers::Format;
use super::super::process::{Asks, CallError, NO_DEADLINE, Tell, Token};
use super::client::{Client, error_text};
use super::{EXIT_BAD_ARGS, EXIT_BAD_CONNECTION, EXIT_BAD_FEATURE, EXIT_ERROR, Failure, Step};
use crate::etcd::api::{Request, Response};
use crate::etcd::error::{Code, EtcdError};
use crate::sim::SimTime;

/// A call on its way, and what to do with its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Calling {
    client: Client,
    request: Request,
    after: After,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum After {
    Display,
    /// `get` checks two flags against the format only now.
    Get {
        count_only: bool,
        value_only: bool,
    },
    /// The same words whatever the format.
    Say(String),
}

impl Calling {
    /// Makes the call.
    pub fn new(client: Client, request: Request, after: After, asks: &mut Asks) -> Calling {
        let timeout = if has_deadline(&request) { client.timeout } else { NO_DEADLINE };
        client.ask_within(Token(0), request.clone(), timeout, asks);
        Calling { client, request, after }
    }

    pub fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> Step {
        let Tell::Answer { result, .. } = tell else { return Ok(None) };
        let response = match result {
            Ok(response) => response,
            Err(error) => return self.failed(now, &error, asks),
        };
        if let Response::LeaseKeepAlive(lease) = &response
            && lease.ttl <= 0
        {
            return Err(Failure::new(EXIT_BAD_CONNECTION, EtcdError::LeaseNotFound));
        }
        let client = &mut self.client;
        match &self.after {
            After::Display => {}
            After::Say(words) => {
                asks.print(words.clone());
                return Ok(Some(0));
            }
            After::Get { count_only, value_only } => {
                if *count_only && client.display.format != Format::Fields {
                    return Err(Failure::new(EXIT_BAD_ARGS, "--count-only is only for `--write-out=fields`"));
                }
                if *value_only && client.display.format != Format::Simple {
                    return Err(Failure::new(EXIT_BAD_ARGS, "print-value-only is only for `--write-out=simple`"));
                }
                client.display.value_only = *value_only;
            }
        }
        asks.print(shown(client.display.answer(&self.request, &response))?);
        Ok(Some(0))
    }

    fn failed(&self, now: SimTime, error: &CallError, asks: &mut Asks) -> Step {
        // A keep-alive goes over a stream, which logs nothing and is opened until it works.
        if let Request::LeaseKeepAlive(_) = self.request {
            if error.status.code == Code::Unavailable {
                self.client.ask_within(Token(0), self.request.clone(), NO_DEADLINE, asks);
                return Ok(None);
            }
            return Err(Failure::new(EXIT_BAD_CONNECTION, error_text(&error.status)));
        }
        let text = self.client.failed(now, error, asks);
        Err(match self.request {
            Request::LeaseGrant(_) => Failure::new(EXIT_ERROR, format!("failed to grant lease ({text})")),
            Request::LeaseRevoke(_) => Failure::new(EXIT_ERROR, format!("failed to revoke lease ({text})")),
            Request::LeaseTimeToLive(_) | Request::LeaseLeases(_) => Failure::new(EXIT_BAD_CONNECTION, text),
            _ => Failure::new(EXIT_ERROR, text),
        })
    }
}

/// Whether etcdctl bounds the call by `--command-timeout`.
fn has_deadline(request: &Request) -> bool {
    !matches!(
        request,
        Request::LeaseTimeToLive(_)
            | Request::LeaseLeases(_)
            | Request::LeaseKeepAlive(_)
            | Request::Txn(_)
            | Request::RoleAdd(_)
            | Request::RoleDelete(_)
            | Request::RoleGet(_)
            | Request::RoleList(_)
            | Request::RoleGrantPermission(_)
            | Request::RoleRevokePermission(_)
    )
}

/// What a printer made of a response, or the end of the program if it cannot print it.
pub fn shown(text: Result<String, String>) -> Result<String, Failure> {
    text.map_err(|error| Failure::new(EXIT_BAD_FEATURE, error))
}
