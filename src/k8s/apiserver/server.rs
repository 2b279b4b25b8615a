//! One API server: a process that is told what arrives and what time it is, and puts what it wants into an outbox.
//!
//! ```text
//!   connection ─> asked ─> authentication ─> flow control ─> authorization ─> handler ─> storage ─> answer
//!                                                                (read.rs, write.rs)      │    ▲
//!   etcd ─list, watch─> caches ─> watchers                                               etcd::Client
//! ```
//!
//! A request is a [`Work`]. The stages of a step are computed at once and then passed one by one, each when its simulated
//! cost is spent, so that they can be seen, and stepped, one by one.

use super::at_rest::Vault;
use super::cache::{Cache, CacheState, WatcherId};
use super::endpoint::Endpoint;
use super::flow_control::FlowControl;
use super::info::{self, Query};
use super::metrics::Metrics;
use super::negotiation::Accepted;
use super::read::too_large;
use super::work::{Caller, Errand, Passed, RequestId, Task, Then, Work};
use super::{Config, Fact, Note, Outbox};
use super::{gate, health, respond};
use crate::etcd::api::Response;
use crate::etcd::client::{Address, Client, ClientEvent, ClientId, WatchKey};
use crate::etcd::error::Status as EtcdStatus;
use crate::etcd::http::{HttpRequest, HttpResponse, Listener, ListenerEvent};
use crate::etcd::wire::{CallId, ConnId, Wire};
use crate::etcd::{self};
use crate::k8s::meta::status::Status;
use crate::k8s::meta::time::Time;
use crate::sim::{EPOCH_SECONDS, EventId, HostId, Micros, Prng, SimTime};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// When something happens, and by which event.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub now: SimTime,
    pub event: EventId,
}

#[derive(Clone, Debug)]
pub struct ApiServer {
    pub name: Arc<str>,
    pub config: Arc<Config>,
    pub(super) listener: Listener,
    pub(super) etcd: Client,
    /// Who waits for which call of etcd.
    pub(super) calls: BTreeMap<CallId, Pending>,
    /// By their place below the registry.
    pub(super) caches: BTreeMap<Arc<str>, Cache>,
    /// The prefixes of the caches, by the number of their watch at etcd.
    pub(super) sources: Vec<Arc<str>>,
    pub(super) works: BTreeMap<RequestId, Work>,
    pub(super) watches: BTreeMap<WatcherId, super::watching::Watching>,
    /// Reads that wait until a cache is as new as a revision.
    pub(super) behind: Vec<Behind>,
    pub(super) requests: u64,
    pub(super) bootstrap: super::bootstrap::Bootstrap,
    pub(super) compactor: super::compaction::Compactor,
    /// What definitions serve, by the place of their objects.
    pub(super) custom: BTreeMap<String, Vec<Endpoint>>,
    pub(super) is_looking_again: bool,
    pub(super) seats: FlowControl,
    pub(super) vault: Vault,
    pub(super) metrics: Metrics,
    pub(super) prng: Prng,
    /// When each of its processors is free.
    processors: Vec<SimTime>,
}

/// What a call of etcd is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pending {
    Work(RequestId),
    /// A page of a cache's first list.
    CacheList {
        prefix: Arc<str>,
    },
    Compaction,
}

/// A read that waits for a cache.
#[derive(Clone, Debug)]
pub struct Behind {
    pub request: RequestId,
    pub prefix: Arc<str>,
    pub revision: i64,
}

/// How long the server works on a request before it gives up. Upstream: `--request-timeout`.
pub const REQUEST_TIMEOUT: Micros = Micros::from_secs(60);
/// How long a read waits for its cache. Upstream: `blockTimeout`.
const BLOCK: Micros = Micros::from_secs(3);
/// How often a cache that somebody waits for asks etcd how far it is. Upstream: `progressRequestPeriod`.
const PROGRESS: Micros = Micros::from_millis(100);

impl ApiServer {
    /// A server that has just been started on a machine.
    pub fn start(
        name: &str,
        client: ClientId,
        endpoints: Vec<(String, Address)>,
        config: Arc<Config>,
        prng: Prng,
        at: Moment,
        out: &mut Outbox,
    ) -> ApiServer {
        let caches = Endpoint::stored()
            .into_iter()
            .map(|endpoint| (Arc::from(endpoint.prefix()), Cache::new(endpoint, &config.flags)));
        let caches: BTreeMap<Arc<str>, Cache> = caches.collect();
        let seats = FlowControl::new(config.flags.seats());
        let mut server = ApiServer {
            name: name.into(),
            processors: vec![SimTime::default(); config.processors.max(1)],
            config,
            listener: Listener::default(),
            etcd: Client::new(client, endpoints, None),
            calls: BTreeMap::new(),
            sources: caches.keys().cloned().collect(),
            caches,
            works: BTreeMap::new(),
            watches: BTreeMap::new(),
            behind: Vec::new(),
            requests: 0,
            bootstrap: super::bootstrap::Bootstrap::default(),
            compactor: super::compaction::Compactor::default(),
            custom: BTreeMap::new(),
            is_looking_again: false,
            seats,
            vault: Vault::default(),
            metrics: Metrics::default(),
            prng,
        };
        out.fact(Fact::Started);
        for prefix in server.sources.clone() {
            server.list_cache(at, &prefix, None, out);
        }
        server.begin_compactor(out);
        out.wake(super::turns::ADJUSTMENT, Note::Adjust);
        server
    }

    /// The process ends: whoever is connected learns of it.
    pub fn kill(&mut self, out: &mut Outbox) {
        self.listener.reset_all(out);
        self.with_etcd(out, |client, out| client.close(out));
    }

    // What is there to see.

    pub fn caches(&self) -> impl Iterator<Item = &Cache> {
        self.caches.values()
    }

    /// A cache by its place below the registry.
    pub fn cache_of(&self, prefix: &str) -> Option<&Cache> {
        self.caches.get(prefix)
    }

    pub fn works(&self) -> impl Iterator<Item = (RequestId, &Work)> {
        self.works.iter().map(|(id, work)| (*id, work))
    }

    pub fn watchers(&self) -> usize {
        self.watches.len()
    }

    /// As whom it is known to etcd.
    pub fn etcd_client(&self) -> ClientId {
        self.etcd.id()
    }

    /// Its own watches at etcd: the stream and id by which a member knows each, and the cache that it fills.
    pub fn sources(&self) -> impl Iterator<Item = ((ConnId, i64), &Cache)> {
        self.etcd.watches().filter_map(|(watch, _, place)| Some((place?, self.caches.get(&self.source(watch)?)?)))
    }

    /// Whether the answer to a request goes on: it began a watch.
    pub fn is_watching(&self, request: RequestId) -> bool {
        self.watches.contains_key(&WatcherId(request.0))
    }

    /// Where a watch's answers go.
    pub fn watcher_conn(&self, watcher: WatcherId) -> Option<ConnId> {
        Some(self.watches.get(&watcher)?.conn)
    }

    pub(super) fn cache(&self, endpoint: &Endpoint) -> Option<&Cache> {
        self.caches.get(endpoint.prefix())
    }

    // What happens to it.

    pub fn receive(&mut self, at: Moment, from: HostId, wire: &Wire, out: &mut Outbox) {
        let Wire::Client { conn, number, frame } = wire else { return };
        if conn.client() == self.etcd.id() {
            let frame = frame.clone();
            self.with_etcd(out, |client, out| client.receive(at.now, *conn, *number, frame, out));
            return self.heed(at, out);
        }
        match self.listener.receive(from, *conn, *number, frame, out) {
            None => {}
            Some(ListenerEvent::Asked { conn, stream, request }) => {
                self.asked(at, Caller::Stream { conn, stream }, request, out);
            }
            Some(ListenerEvent::Cancelled { conn, stream }) => {
                self.forget(at, |other, one| other == conn && one == stream, out);
            }
            Some(ListenerEvent::HungUp { conn }) => self.forget(at, |other, _| other == conn, out),
        }
    }

    pub fn wake(&mut self, at: Moment, note: Note, out: &mut Outbox) {
        match note {
            Note::Etcd(etcd::Note::Client(_, note)) => {
                self.with_etcd(out, |client, out| client.wake(at.now, note, out));
                self.heed(at, out);
            }
            Note::Etcd(_) => {}
            Note::Pass(id) => self.pass(at, id, out),
            Note::TimeOut(id) => self.time_out(at, id, out),
            Note::Unblock(id) => self.unblock(at, id, out),
            Note::Progress => self.ask_progress(out),
            Note::Relist(number) => {
                if let Some(prefix) = self.sources.get(number as usize).cloned() {
                    self.list_cache(at, &prefix, None, out);
                }
            }
            Note::Bookmark(watcher) => self.bookmark(watcher, out),
            Note::EndWatch(watcher) => self.end_watch(watcher, out),
            Note::GiveUp(id) => self.give_up(at, id, out),
            Note::Release(id) => self.release(at, id, out),
            Note::Adjust => self.adjust_seats(at, out),
            Note::Compact => self.compact(at, out),
            Note::Definitions => self.look_again(at, out),
            Note::Bootstrap => self.go_on_bootstrapping(at, out),
        }
    }

    /// Nobody waits any more for what these streams asked. What etcd was already asked to write is written.
    fn forget(&mut self, at: Moment, which: impl Fn(ConnId, u32) -> bool, out: &mut Outbox) {
        let is_gone = |caller: &Caller| matches!(caller, Caller::Stream { conn, stream } if which(*conn, *stream));
        let gone: Vec<RequestId> =
            self.works.iter().filter(|(_, work)| is_gone(&work.caller)).map(|(id, _)| *id).collect();
        for id in gone {
            self.works.remove(&id);
            self.leave(at, id, out);
        }
        let caches = &mut self.caches;
        self.watches.retain(|id, watching| {
            let gone = which(watching.conn, watching.stream);
            if gone && let Some(cache) = caches.get_mut(&watching.cache) {
                cache.watchers.remove(id);
            }
            !gone
        });
    }

    pub(super) fn with_etcd<R>(
        &mut self,
        out: &mut Outbox,
        act: impl FnOnce(&mut Client, &mut etcd::Outbox) -> R,
    ) -> R {
        let mut own = etcd::Outbox::default();
        let result = act(&mut self.etcd, &mut own);
        out.absorb(own);
        result
    }

    /// What the client of etcd has to say.
    fn heed(&mut self, at: Moment, out: &mut Outbox) {
        let events: Vec<ClientEvent> = self.etcd.drain().collect();
        for event in events {
            match event {
                ClientEvent::Answer { call, result } => {
                    let result = result.map_err(|(status, _)| status);
                    if let Some(pending) = self.calls.remove(&call) {
                        self.told(at, pending, result, out);
                    }
                }
                ClientEvent::Watch { watch, result } => self.cache_told(at, watch, result, out),
                ClientEvent::KeptAlive { .. } => {}
            }
        }
    }

    fn told(&mut self, at: Moment, pending: Pending, result: Result<Response, EtcdStatus>, out: &mut Outbox) {
        match pending {
            Pending::Work(id) => {
                out.fact(Fact::EtcdTold { request: id, failed: result.is_err() });
                self.stored(at, id, result, out);
            }
            Pending::CacheList { prefix } => self.cache_listed(at, &prefix, result, out),
            Pending::Compaction => self.compacted(at, result, out),
        }
    }

    // A request on its way.

    pub(super) fn asked(&mut self, at: Moment, caller: Caller, request: Arc<HttpRequest>, out: &mut Outbox) {
        self.requests += 1;
        let id = RequestId(self.requests);
        let query = Query::of(&request);
        let attributes = info::of(&request, &query);
        let (verb, path) = (attributes.verb.as_str().into(), request.target.as_str().into());
        out.fact(Fact::Asked { request: id, caller, verb, path });
        let mut work = Work {
            caller,
            request,
            query,
            attributes,
            began: at.now,
            cause: at.event,
            passing: Default::default(),
            then: Then::Queue,
            task: Task::None,
            warnings: Vec::new(),
            sorted: None,
        };
        if let Err(status) = self.admit(at, &mut work) {
            work.then = self.refusal(&work, &status);
        }
        self.works.insert(id, work);
        out.wake(REQUEST_TIMEOUT, Note::TimeOut(id));
        self.go_on(at, id, out);
    }

    /// Who asks, and as whom.
    fn admit(&mut self, at: Moment, work: &mut Work) -> Result<(), Status> {
        gate::authenticate(self, at, work)?;
        gate::impersonate(self, work)
    }

    /// The answer to a request that is refused.
    pub(super) fn refusal(&self, work: &Work, status: &Status) -> Then {
        let accepted = Accepted::of(&work.request).unwrap_or(Accepted::JSON);
        Then::Answer(respond::status(status, accepted, work).into())
    }

    /// Passes the next stage, or does what follows when all are passed.
    pub(super) fn go_on(&mut self, at: Moment, id: RequestId, out: &mut Outbox) {
        let Some(work) = self.works.get_mut(&id) else { return };
        match work.passing.front() {
            Some(Passed { cost, .. }) => {
                let done = occupy(&mut self.processors, at.now, *cost);
                out.wake(done.since(at.now), Note::Pass(id));
            }
            None => self.act(at, id, out),
        }
    }

    fn pass(&mut self, at: Moment, id: RequestId, out: &mut Outbox) {
        let Some(work) = self.works.get_mut(&id) else { return };
        if let Some(Passed { stage, cost, said, refused }) = work.passing.pop_front() {
            out.fact(Fact::Passed { request: id, stage, cost, said, refused });
        }
        self.go_on(at, id, out);
    }

    fn act(&mut self, at: Moment, id: RequestId, out: &mut Outbox) {
        let Some(work) = self.works.get_mut(&id) else { return };
        match std::mem::replace(&mut work.then, Then::Wait) {
            Then::Queue => self.queue(at, id, out),
            Then::Handle => self.handle(at, id, out),
            Then::Ask(request) => {
                let whole = if matches!(work.task, Task::Health) { health::TIMEOUT } else { REQUEST_TIMEOUT };
                let left = Micros(whole.0.saturating_sub(at.now.since(work.began).0).max(1));
                let call = self.with_etcd(out, |client, out| client.call(at.now, *request, left, out));
                self.calls.insert(call, Pending::Work(id));
                out.fact(Fact::AskedEtcd { request: id });
                self.heed(at, out);
            }
            Then::Answer(response) => self.answer(at, id, response, false, out),
            Then::Wait => {}
        }
    }

    /// Sends an answer; `more` if it goes on.
    pub(super) fn answer(
        &mut self,
        at: Moment,
        id: RequestId,
        response: Arc<HttpResponse>,
        more: bool,
        out: &mut Outbox,
    ) {
        let Some(work) = self.works.remove(&id) else { return };
        self.leave(at, id, out);
        if matches!(work.caller, Caller::Stream { .. }) {
            self.metrics.answered(&work, response.status, at.now.since(work.began));
        }
        out.fact(Fact::Answered { request: id, status: response.status });
        match work.caller {
            Caller::Stream { conn, stream } => self.listener.respond((conn, stream), response, more, out),
            Caller::Own(Errand::Bootstrap) => self.bootstrap_answered(at, &response, out),
            // The caches tell what came of it.
            Caller::Own(Errand::Definitions) => {}
            Caller::Request(whole) => self.deleted_one(at, whole, &response, out),
        }
    }

    /// Ends a request with a refusal, whatever it waited for.
    pub(super) fn fail(&mut self, at: Moment, id: RequestId, status: &Status, out: &mut Outbox) {
        let Some(work) = self.works.get(&id) else { return };
        let then = self.refusal(work, status);
        if let Some(work) = self.works.get_mut(&id) {
            work.then = then;
        }
        self.go_on(at, id, out);
    }

    fn time_out(&mut self, at: Moment, id: RequestId, out: &mut Outbox) {
        let Some(work) = self.works.get_mut(&id) else { return };
        work.passing.clear();
        let why =
            "the server was unable to return a response in the time allotted, but may still be processing the request";
        let mut status = Status::timeout(why, 0);
        status.message = why.to_owned();
        self.fail(at, id, &status, out);
    }

    // Reads that wait for a cache.

    pub(super) fn wait_for(&mut self, at: Moment, behind: Behind, out: &mut Outbox) {
        out.wake(BLOCK, Note::Unblock(behind.request));
        if self.behind.is_empty() {
            out.wake(PROGRESS, Note::Progress);
        }
        self.behind.push(behind);
        self.catch_up(at, out);
    }

    /// Lets those go on whose cache is new enough by now.
    pub(super) fn catch_up(&mut self, at: Moment, out: &mut Outbox) {
        let caches = &self.caches;
        let is_new = |behind: &Behind| {
            caches.get(&behind.prefix).is_some_and(|cache| cache.is_ready() && cache.revision >= behind.revision)
        };
        let (new, old): (Vec<Behind>, Vec<Behind>) = std::mem::take(&mut self.behind).into_iter().partition(is_new);
        self.behind = old;
        for behind in new {
            self.caught_up(at, behind.request, out);
        }
    }

    /// The cache has not caught up in time.
    fn unblock(&mut self, at: Moment, id: RequestId, out: &mut Outbox) {
        let Some(place) = self.behind.iter().position(|behind| behind.request == id) else { return };
        let behind = self.behind.remove(place);
        if self.list_from_etcd(at, id, out) {
            return;
        }
        let current = self.caches.get(&behind.prefix).map_or(0, |cache| cache.revision);
        self.fail(at, id, &too_large(behind.revision, current, 1), out);
    }

    fn ask_progress(&mut self, out: &mut Outbox) {
        if !self.behind.is_empty() {
            self.with_etcd(out, |client, out| client.watch_progress(out));
            out.wake(PROGRESS, Note::Progress);
        }
    }

    pub(super) fn clock(&self, now: SimTime) -> Time {
        Time { seconds: (EPOCH_SECONDS + now.0 / 1_000_000) as i64, nanos: (now.0 % 1_000_000) as u32 * 1000 }
    }

    pub(super) fn source(&self, watch: WatchKey) -> Option<Arc<str>> {
        self.sources.get(watch.0 as usize).cloned()
    }

    /// Whether every cache has been filled, which `/readyz` wants.
    pub fn is_ready(&self) -> bool {
        self.caches.values().all(|cache| cache.state == CacheState::Watching) && self.bootstrap.is_done()
    }
}

/// What is under way is told by its events, which are hashed with the world; here is what the server knows.
impl Hash for ApiServer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.name, &self.listener, &self.etcd, self.requests).hash(state);
        (&self.calls, self.works.len(), self.watches.len(), &self.processors, &self.seats, &self.vault, &self.metrics)
            .hash(state);
        self.caches.values().for_each(|cache| cache.hash(state));
    }
}

/// The processor that is free first takes the work on: when it is done.
fn occupy(processors: &mut [SimTime], now: SimTime, cost: Micros) -> SimTime {
    let first = processors.iter_mut().min().expect("a server has a processor");
    *first = (*first).max(now) + cost;
    *first
}
