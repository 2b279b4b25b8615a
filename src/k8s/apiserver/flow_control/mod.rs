//! Whose turn is it? Requests are sorted into flows, flows into levels of priority, and each level has so many seats: who finds
//! none waits in a queue, and who finds the queues full comes again later.
//!
//! ```text
//! request ─FlowSchema─> level ─hash of the flow─> one of a hand of queues ─fair queuing─> seat ─> done, lingering ─> free
//!                         └ full: 429, Retry-After
//! ```
//!
//! A state machine without clock or wire: it is told who arrives, ends or gives up, and says who may go on. Time is counted
//! since the server came up.
//!
//! Upstream: `k8s.io/apiserver/pkg/util/flowcontrol`, `k8s.io/apiserver/pkg/server/filters`.

pub mod bootstrap;
mod borrowing;
mod classify;
mod queues;
#[cfg(test)]
mod tests;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::attributes::{Attributes, Lister};
use super::object::{name, text, uid};

use borrowing::{Bounds, Need, Share};
pub use classify::Classified;
use queues::{Kind, QueueSet, Queuing};

pub const GROUP: &str = "flowcontrol.apiserver.k8s.io";

pub use super::work::RequestId;

/// What a request needs: seats while it runs, and perhaps others for a while after its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Work {
    pub initial_seats: u32,
    pub final_seats: u32,
    pub additional_latency: Duration,
}

/// What becomes of a request that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrival {
    Executing,
    Queued,
    Rejected(Rejection),
}

/// Why a request is turned away, as the metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejection {
    ConcurrencyLimit,
    QueueFull,
}

/// An arrival, and where it was sorted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    pub state: Arrival,
    pub place: Classified,
    /// Others that may go on now.
    pub dispatched: Vec<RequestId>,
}

/// What follows from the end of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// Who may go on now.
    pub dispatched: Vec<RequestId>,
    /// When its last seats must be given back, by [`FlowControl::released`].
    pub release_at: Option<Duration>,
}

/// The text of a refusal: plain, no `Status`. It comes with the header `Retry-After: 1`.
pub const TOO_MANY_REQUESTS: &str = "Too many requests, please try again later.";

/// A second, as long as few are turned away.
///
/// Simplified: upstream lets it grow while many requests are dropped.
pub const RETRY_AFTER_SECONDS: u32 = 1;

/// How often levels lend each other seats anew.
pub const ADJUSTMENT_PERIOD: Duration = Duration::from_secs(10);

/// The seats of one server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FlowControl {
    /// `--max-requests-inflight` and `--max-mutating-requests-inflight` together.
    server_limit: u32,
    levels: BTreeMap<String, Level>,
    schemas: Vec<Arc<Value>>,
    /// The level of each request that is here.
    requests: BTreeMap<RequestId, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Level {
    uid: String,
    queues: QueueSet,
    share: Share,
    bounds: Bounds,
    /// It is gone from the configuration, and goes when it is idle.
    is_quiescing: bool,
}

/// A level as it is, for views and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelView {
    pub name: String,
    pub is_exempt: bool,
    /// Seats by configuration, and as they are lent now.
    pub nominal_limit: u32,
    pub current_limit: u32,
    pub seats_in_use: u32,
    pub executing: usize,
    pub waiting: usize,
    /// Number, requests waiting and seats in use of the queues that have any.
    pub queues: Vec<(usize, usize, u32)>,
    pub dispatched: u64,
    pub rejected: u64,
}

impl FlowControl {
    /// With what every server starts from, before it has read any object.
    pub fn new(server_limit: u32) -> FlowControl {
        let mut control =
            FlowControl { server_limit, levels: BTreeMap::new(), schemas: Vec::new(), requests: BTreeMap::new() };
        control.configure_from(&[], &[], Duration::ZERO);
        control
    }

    /// Takes over levels and schemas as the cache has them. Who may go on now is told.
    pub fn configure(&mut self, lister: &dyn Lister, now: Duration) -> Vec<RequestId> {
        let levels = lister.list(GROUP, "prioritylevelconfigurations", "");
        let schemas = lister.list(GROUP, "flowschemas", "");
        self.configure_from(&levels, &schemas, now)
    }

    fn configure_from(&mut self, levels: &[Arc<Value>], schemas: &[Arc<Value>], now: Duration) -> Vec<RequestId> {
        let mut levels: Vec<Arc<Value>> = levels.to_vec();
        let mut schemas: Vec<Arc<Value>> = schemas.to_vec();
        // What is mandatory is there even if somebody removed it.
        for object in bootstrap::mandatory() {
            let list = if text(object, "kind") == "FlowSchema" { &mut schemas } else { &mut levels };
            if !list.iter().any(|own| name(own) == name(object)) {
                list.push(Arc::new(object.clone()));
            }
        }
        for level in self.levels.values_mut() {
            level.is_quiescing = true;
        }
        for object in &levels {
            let (kind, share) = (kind(object), Share::read(object));
            let entry = self.levels.entry(name(object).to_owned());
            let level = entry.or_insert_with(|| Level {
                uid: String::new(),
                queues: QueueSet::new(kind.clone(), now),
                share,
                bounds: Bounds::default(),
                is_quiescing: false,
            });
            (level.uid, level.share, level.is_quiescing) = (uid(object).to_owned(), share, false);
            level.queues.set_kind(kind);
        }
        self.levels.retain(|_, level| !level.is_quiescing || !level.queues.is_idle());
        let is_live = |level: &str| self.levels.get(level).is_some_and(|level| !level.is_quiescing);
        schemas.retain(|schema| is_live(classify::level(schema)));
        schemas.sort_by_key(|schema| (classify::precedence(schema), name(schema).to_owned()));
        self.schemas = schemas;
        self.share_out(now);
        self.adjust(now)
    }

    /// The seats of each level by its shares.
    fn share_out(&mut self, now: Duration) {
        let total: u64 = self.levels.values().map(|level| u64::from(level.share.nominal)).sum();
        for level in self.levels.values_mut() {
            level.bounds = level.share.bounds(self.server_limit, total.max(1));
            let current = level.queues.limit().unwrap_or(level.bounds.nominal);
            level.queues.set_limit(current.clamp(level.bounds.min, level.bounds.max), now);
        }
    }

    /// Lets levels lend each other seats by what they needed lately; to be called each [`ADJUSTMENT_PERIOD`].
    pub fn adjust(&mut self, now: Duration) -> Vec<RequestId> {
        let needs = self.levels.values_mut().map(|level| {
            let (high, smoothed) = level.queues.take_demand(now);
            Need { bounds: level.bounds, is_exempt: level.queues.is_exempt(), high, smoothed }
        });
        let needs: Vec<Need> = needs.collect();
        let limits = borrowing::limits(self.server_limit, &needs);
        let mut dispatched = Vec::new();
        for (level, limit) in self.levels.values_mut().zip(limits) {
            level.queues.set_limit(limit.unwrap_or(level.queues.limit().unwrap_or(level.bounds.nominal)), now);
            dispatched.extend(level.queues.dispatch(now));
        }
        dispatched
    }

    /// Which schema a request belongs to, and so which level and flow.
    pub fn classify(&self, attributes: &Attributes) -> Classified {
        classify::classify(&self.schemas, attributes, |level| {
            self.levels.get(level).map(|level| (&level.uid[..], level.queues.queue_count()))
        })
    }

    /// The most seats that one request of a level may take.
    ///
    /// Upstream: `GetMaxSeats`, a part of the level's seats, and ten at most.
    pub fn max_seats(&self, level: &str) -> u32 {
        let nominal = self.levels.get(level).map_or(0, |level| level.bounds.nominal);
        (nominal * 15).div_ceil(100).clamp(1, SEATS_MAX)
    }

    pub fn arrive(&mut self, id: RequestId, place: Classified, work: Work, now: Duration) -> Arrived {
        let Some(level) = self.levels.get_mut(&place.level) else {
            // The configuration changed since it was classified.
            return Arrived { state: Arrival::Rejected(Rejection::ConcurrencyLimit), place, dispatched: Vec::new() };
        };
        let (state, mut dispatched) = level.queues.arrive(id, place.flow_hash, work, now);
        if !matches!(state, Arrival::Rejected(_)) {
            self.requests.insert(id, place.level.clone());
        }
        dispatched.retain(|other| *other != id);
        Arrived { state, place, dispatched }
    }

    /// A request has its answer.
    pub fn finished(&mut self, id: RequestId, now: Duration) -> Finished {
        let Some(level) = self.requests.get(&id).and_then(|level| self.levels.get_mut(level)) else {
            return Finished::default();
        };
        let finished = level.queues.finished(id, now);
        if finished.release_at.is_none() {
            self.forget(id);
        }
        finished
    }

    /// A request gives back the seats that it held after its answer.
    pub fn released(&mut self, id: RequestId, now: Duration) -> Vec<RequestId> {
        let Some(level) = self.requests.get(&id).and_then(|level| self.levels.get_mut(level)) else {
            return Vec::new();
        };
        let dispatched = level.queues.released(id, now);
        self.forget(id);
        dispatched
    }

    /// A request has waited too long, or its client has gone. True if it was waiting: then it is turned away, as `time-out`.
    pub fn timed_out(&mut self, id: RequestId, now: Duration) -> bool {
        let level = self.requests.get(&id).and_then(|level| self.levels.get_mut(level));
        let was_waiting = level.is_some_and(|level| level.queues.give_up(id, now));
        if was_waiting {
            self.forget(id);
        }
        was_waiting
    }

    /// Also lets go of a level that nobody configures any more.
    fn forget(&mut self, id: RequestId) {
        let Some(name) = self.requests.remove(&id) else { return };
        if self.levels.get(&name).is_some_and(|level| level.is_quiescing && level.queues.is_idle()) {
            self.levels.remove(&name);
        }
    }

    pub fn levels(&self) -> Vec<LevelView> {
        self.levels.iter().map(|(name, level)| level.queues.view(name, level.bounds.nominal)).collect()
    }
}

const SEATS_MAX: u32 = 10;

fn kind(object: &Value) -> Kind {
    let spec = &object["spec"];
    if text(spec, "type") == "Exempt" {
        return Kind::Exempt;
    }
    let response = &spec["limited"]["limitResponse"];
    if text(response, "type") != "Queue" {
        return Kind::Reject;
    }
    let number = |field: &str, default: u64| {
        let number = response["queuing"][field].as_u64().unwrap_or(default);
        usize::try_from(number).unwrap_or(1).clamp(1, QUEUES_MAX)
    };
    let queues = number("queues", 64);
    Kind::Queue(Queuing {
        queues,
        hand_size: number("handSize", 8).min(queues),
        length_limit: number("queueLengthLimit", 50),
    })
}

/// As upstream's validation: 10 million.
const QUEUES_MAX: usize = 10_000_000;

/// What a list costs: a seat for each hundred objects that must be looked at.
///
/// `stored` is how many there are, if it is known and fresh; from storage filters cost a second look.
pub fn list_work(stored: Option<u64>, limit: u64, is_from_cache: bool, is_filtered: bool, max_seats: u32) -> Work {
    const OBJECTS_PER_SEAT: u64 = 100;
    let seats = match stored {
        None => u64::from(max_seats),
        Some(stored) => {
            let page = if limit > 0 { stored.min(limit) } else { stored };
            let looked_at = match (is_from_cache, is_filtered) {
                (true, _) => stored,
                (false, true) => stored.saturating_add(page),
                (false, false) => page.saturating_mul(2),
            };
            looked_at.div_ceil(OBJECTS_PER_SEAT)
        }
    };
    let initial_seats = u32::try_from(seats).unwrap_or(u32::MAX).clamp(1, max_seats.max(1));
    Work { initial_seats, final_seats: 0, additional_latency: Duration::ZERO }
}

/// What a write costs: one seat, and afterwards as many as it takes to tell those who watch.
pub fn write_work(watchers: u64, max_seats: u32) -> Work {
    const WATCHES_PER_SEAT: u64 = 10;
    const EVENT: Duration = Duration::from_millis(5);
    let plain = Work { initial_seats: 1, final_seats: 0, additional_latency: Duration::ZERO };
    if watchers < WATCHES_PER_SEAT {
        return plain;
    }
    let seats = u32::try_from(watchers.div_ceil(WATCHES_PER_SEAT)).unwrap_or(u32::MAX);
    let final_seats = seats.min(max_seats.max(1));
    Work { final_seats, additional_latency: EVENT.saturating_mul(seats) / final_seats, ..plain }
}

/// Requests that stay: they take no seat, a watch only while it begins.
pub fn is_long_running(attributes: &Attributes) -> bool {
    let subresources = ["attach", "exec", "proxy", "log", "portforward"];
    ["watch", "proxy"].contains(&&attributes.verb[..]) || subresources.contains(&&attributes.subresource[..])
}

/// The older way: so many reads and so many writes at a time (`--enable-priority-and-fairness=false`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MaxInFlight {
    /// `--max-requests-inflight`; zero is no limit.
    pub reads_max: usize,
    /// `--max-mutating-requests-inflight`; zero is no limit.
    pub writes_max: usize,
    reads: BTreeSet<RequestId>,
    writes: BTreeSet<RequestId>,
}

impl Default for MaxInFlight {
    fn default() -> MaxInFlight {
        MaxInFlight { reads_max: 400, writes_max: 200, reads: BTreeSet::new(), writes: BTreeSet::new() }
    }
}

impl MaxInFlight {
    /// May it go on? If not it is turned away at once, except for those who may do everything.
    pub fn arrive(&mut self, id: RequestId, attributes: &Attributes) -> bool {
        if is_long_running(attributes) {
            return true;
        }
        let is_read = ["get", "list", "watch"].contains(&&attributes.verb[..]);
        let (here, max) = if is_read { (&mut self.reads, self.reads_max) } else { (&mut self.writes, self.writes_max) };
        if max > 0 && here.len() >= max {
            return attributes.user.is_in(super::authorization::PRIVILEGED_GROUP);
        }
        here.insert(id);
        true
    }

    pub fn finished(&mut self, id: RequestId) {
        self.reads.remove(&id);
        self.writes.remove(&id);
    }
}
