//! `alarm disarm`: asks which alarms there are and lifts each.

use super::super::printers::Format;
use super::super::process::{Asks, Tell, Token};
use super::call::shown;
use super::client::Client;
use super::{EXIT_ERROR, Failure, Step};
use crate::etcd::api::{AlarmAction, AlarmMember, AlarmRequest, AlarmResponse, Request, Response};
use crate::sim::SimTime;

pub fn list() -> Request {
    Request::Alarm(AlarmRequest { action: AlarmAction::Get as i32, ..AlarmRequest::default() })
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Disarm {
    client: Client,
    /// Still to be lifted, last first; nothing before they were listed.
    armed: Option<Vec<AlarmMember>>,
    lifted: Vec<AlarmMember>,
}

impl Disarm {
    pub fn new(client: Client, asks: &mut Asks) -> Disarm {
        client.ask(Token(0), list(), asks);
        Disarm { client, armed: None, lifted: Vec::new() }
    }

    pub fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> Step {
        let Tell::Answer { result, .. } = tell else { return Ok(None) };
        match (result, &mut self.armed) {
            (Ok(Response::Alarm(mut found)), armed @ None) => {
                found.alarms.reverse();
                *armed = Some(found.alarms);
            }
            (Ok(Response::Alarm(done)), Some(_)) => self.lifted.extend(done.alarms),
            (Err(error), None) => return Err(Failure::new(EXIT_ERROR, self.client.failed(now, &error, asks))),
            // One that could not be lifted is passed over.
            (Err(error), Some(_)) => drop(self.client.failed(now, &error, asks)),
            (Ok(_), _) => {}
        }
        if let Some(AlarmMember { member_id, alarm }) = self.armed.as_mut().and_then(Vec::pop) {
            let action = AlarmAction::Deactivate as i32;
            self.client.ask(Token(0), Request::Alarm(AlarmRequest { action, member_id, alarm }), asks);
            return Ok(None);
        }
        if self.client.display.format == Format::Fields {
            // clientv3 gives its caller no header here.
            return Err(Failure::panic("runtime error: invalid memory address or nil pointer dereference"));
        }
        let response = AlarmResponse { header: None, alarms: std::mem::take(&mut self.lifted) };
        asks.print(shown(self.client.display.answer(&list(), &Response::Alarm(response)))?);
        Ok(Some(0))
    }
}
