//! Requests take their turns by priority and fairness.

use super::flow_control::{self, Arrival, TOO_MANY_REQUESTS};
use super::server::{ApiServer, Moment, REQUEST_TIMEOUT};
use super::work::{Caller, RequestId, Stage, Then, Work};
use super::{Note, Outbox, gate, respond};
use crate::sim::{Micros, SimTime};
use std::time::Duration;

/// How often levels lend each other seats.
pub const ADJUSTMENT: Micros = Micros(flow_control::ADJUSTMENT_PERIOD.as_micros() as u64);
/// A request waits for its turn for a part of its time. Upstream: `requestWaitLimit`.
const WAIT: Micros = Micros(REQUEST_TIMEOUT.0 / 4);
const COST: Micros = Micros(10);

fn clock(now: SimTime) -> Duration {
    Duration::from_micros(now.0)
}

impl ApiServer {
    /// A request stands in line; it may go on at once.
    pub(super) fn queue(&mut self, at: Moment, id: RequestId, out: &mut Outbox) {
        let Some(work) = self.works.get(&id) else { return };
        if matches!(work.caller, Caller::Own(_) | Caller::Request(_)) || flow_control::is_long_running(&work.attributes)
        {
            return self.admitted(at, id, out);
        }
        let place = self.seats.classify(&work.attributes);
        let needs = self.needs(work, &place.level);
        let arrived = self.seats.arrive(id, place, needs, clock(at.now));
        let Some(work) = self.works.get_mut(&id) else { return };
        let place = arrived.place;
        work.sorted = Some((place.schema_uid, place.level_uid));
        let sorted = format!("flow schema {}, level {}", place.schema, place.level);
        match arrived.state {
            Arrival::Executing => {
                work.pass(Stage::FlowControl, COST, sorted);
                self.admitted(at, id, out);
            }
            Arrival::Queued => {
                work.pass(Stage::FlowControl, COST, format!("{sorted}: waits for a seat"));
                work.then = Then::Wait;
                out.wake(WAIT, Note::GiveUp(id));
                self.go_on(at, id, out);
            }
            Arrival::Rejected(_) => self.turn_away(at, id, format!("{sorted}: no seat and no room to wait"), out),
        }
        self.dispatch(at, &arrived.dispatched, out);
    }

    /// The seats that a request needs. Lists cost by how much there is to look at, writes by how many watch.
    fn needs(&self, work: &Work, level: &str) -> flow_control::Work {
        let attributes = &work.attributes;
        let most = self.seats.max_seats(level);
        let endpoint = self.endpoint(&attributes.group, &attributes.version, &attributes.resource);
        let cache = endpoint.and_then(|endpoint| self.cache(&endpoint));
        match (attributes.verb.as_str(), cache) {
            ("list", Some(cache)) => {
                let limit = work.query.get("limit").parse().unwrap_or(0);
                let is_from_cache = limit == 0 && work.query.get("continue").is_empty();
                let is_filtered = work.query.has("labelSelector") || work.query.has("fieldSelector");
                flow_control::list_work(Some(cache.objects.len() as u64), limit, is_from_cache, is_filtered, most)
            }
            ("create" | "update" | "patch" | "delete", Some(cache)) => {
                flow_control::write_work(cache.watchers.len() as u64, most)
            }
            _ => flow_control::write_work(0, most),
        }
    }

    /// It is a request's turn: whether it may is asked next.
    fn admitted(&mut self, at: Moment, id: RequestId, out: &mut Outbox) {
        let Some(mut work) = self.works.remove(&id) else { return };
        work.then = match gate::authorize(self, &mut work) {
            Ok(()) => Then::Handle,
            Err(status) => self.refusal(&work, &status),
        };
        self.works.insert(id, work);
        self.go_on(at, id, out);
    }

    fn turn_away(&mut self, at: Moment, id: RequestId, why: String, out: &mut Outbox) {
        let Some(work) = self.works.get_mut(&id) else { return };
        work.refuse(Stage::FlowControl, COST, why);
        let mut response = respond::text(429, &format!("{TOO_MANY_REQUESTS}\n"));
        response.headers.extend([("Retry-After", "1".to_owned()), ("X-Content-Type-Options", "nosniff".to_owned())]);
        work.then = Then::Answer(response.into());
        self.go_on(at, id, out);
    }

    fn dispatch(&mut self, at: Moment, turns: &[RequestId], out: &mut Outbox) {
        for id in turns {
            if let Some(work) = self.works.get_mut(id) {
                let waited = at.now.since(work.began);
                work.pass(Stage::FlowControl, Micros(1), format!("its turn came after {} us", waited.0));
                self.admitted(at, *id, out);
            }
        }
    }

    /// A request has its answer, or nobody waits for it.
    pub(super) fn leave(&mut self, at: Moment, id: RequestId, out: &mut Outbox) {
        if self.seats.timed_out(id, clock(at.now)) {
            return;
        }
        let finished = self.seats.finished(id, clock(at.now));
        if let Some(release) = finished.release_at {
            let after = Micros(release.saturating_sub(clock(at.now)).as_micros() as u64);
            out.wake(after, Note::Release(id));
        }
        self.dispatch(at, &finished.dispatched, out);
    }

    pub(super) fn release(&mut self, at: Moment, id: RequestId, out: &mut Outbox) {
        let turns = self.seats.released(id, clock(at.now));
        self.dispatch(at, &turns, out);
    }

    /// It has waited for too long.
    pub(super) fn give_up(&mut self, at: Moment, id: RequestId, out: &mut Outbox) {
        if self.seats.timed_out(id, clock(at.now)) {
            self.turn_away(at, id, "waited too long for a seat".to_owned(), out);
        }
    }

    pub(super) fn adjust_seats(&mut self, at: Moment, out: &mut Outbox) {
        let turns = self.seats.adjust(clock(at.now));
        self.dispatch(at, &turns, out);
        out.wake(ADJUSTMENT, Note::Adjust);
    }

    /// Levels or schemas have changed.
    pub(super) fn configure_seats(&mut self, at: Moment, out: &mut Outbox) {
        let mut seats = self.seats.clone();
        let turns = seats.configure(self, clock(at.now));
        self.seats = seats;
        self.dispatch(at, &turns, out);
    }
}
