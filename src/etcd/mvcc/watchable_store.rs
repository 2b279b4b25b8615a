//! A store that tells watchers what was written to it, and the streams on which they are told.
//!
//! A watcher is *synced* when it has been sent all there is; it then gets each write as it is committed. One that began
//! in the past is *unsynced* and reads history in batches ([`WatchableStore::sync_watchers`]). One whose stream was full
//! when something had to be sent is a *victim*: what it missed is kept and sent later
//! ([`WatchableStore::retry_victims`]), so that it holds nobody else back.
//!
//! Promised to each watcher: every matching event once, in revision order, a revision's events together.
//! When to sync, retry and send progress is the member's to say; headers carry the revision alone, the member adds ids.
//!
//! Upstream: `server/mvcc/watchable_store.go`, `watcher.go` and `server/etcdserver/api/v3rpc/watch.go` of 3.5.

use std::collections::VecDeque;

use bytes::Bytes;
use imbl::{OrdMap, OrdSet};
use prost::Message;
use prost::length_delimiter_len;
use std::collections::{BTreeMap, BTreeSet};

use super::revision::{KeySpan, Revision, Stored};
use super::store::{KvStore, WriteTxn};
use super::watcher_index::WatcherIndex;
use crate::etcd::api::{Event, EventType, FilterType, ResponseHeader, WatchCreateRequest, WatchResponse};
use crate::etcd::error::EtcdError;
use crate::etcd::metrics::StoreMetrics;
use crate::etcd::{Rule, Rules};

/// Revisions sent to one watcher in one catch-up batch.
const BATCH_REVISIONS: usize = 1000;
/// Watchers that catch up in one pass.
const WATCHERS_PER_SYNC: usize = 512;
/// Responses a stream holds for a client that does not read.
const STREAM_BUFFER: usize = 128;
/// Bytes that the member's ids and term add to a header.
const HEADER_IDS: usize = 24;
/// What gRPC may add to the largest request.
const GRPC_OVERHEAD: usize = 512 * 1024;
/// The id of messages that belong to the stream and not to one watcher.
pub const NO_WATCH: i64 = -1;

/// The largest request a member takes (`etcd --max-request-bytes`).
pub const DEFAULT_MAX_REQUEST_BYTES: usize = 1_572_864;

/// Names a client's stream on its member.
pub type StreamId = u64;

/// Names a watcher on its member.
type WatcherId = (StreamId, i64);

/// Where a watcher stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Group {
    Synced,
    Unsynced,
    /// Its stream was full: these events wait, read at this revision, and there may be more to read after them.
    Victim {
        events: Vec<Event>,
        revision: i64,
        more_from: Option<i64>,
    },
    /// Told that its start was compacted. It is told nothing more, but its id stays taken.
    Compacted,
}

#[derive(Clone, Debug, Hash)]
struct Watcher {
    key: Bytes,
    range_end: Bytes,
    /// The oldest revision it wants and has not been sent. Synced watchers have all of it, and this is not kept up.
    min_revision: i64,
    /// Where it was asked to begin; 0 for its present.
    start_revision: i64,
    no_put: bool,
    no_delete: bool,
    prev_kv: bool,
    fragment: bool,
    progress_notify: bool,
    /// Something was sent since the last round of progress notifications.
    sent: bool,
    group: Group,
}

impl Watcher {
    /// Begins so far in the future that the present is no news to it.
    fn is_ahead(&self, now: i64) -> bool {
        self.start_revision > now + 1
    }

    fn wants(&self, event: &Event) -> bool {
        let deleted = event.r#type == EventType::Delete as i32;
        if deleted { !self.no_delete } else { !self.no_put }
    }
}

/// Which group a watcher is in, for those who look on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatcherGroup {
    Synced,
    Unsynced,
    /// So many events wait for room in its stream.
    Victim {
        waiting: usize,
    },
    Compacted,
}

/// A watcher as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatcherStatus {
    pub stream: StreamId,
    pub watch_id: i64,
    pub key: Bytes,
    pub range_end: Bytes,
    pub start_revision: i64,
    /// The oldest revision that it was not sent yet.
    pub next: i64,
    pub group: WatcherGroup,
    pub no_put: bool,
    pub no_delete: bool,
    pub prev_kv: bool,
    pub fragment: bool,
    pub progress_notify: bool,
}

/// What one watcher is sent in one catch-up pass.
struct Batch {
    watcher: WatcherId,
    min_revision: i64,
    events: Vec<Event>,
    revisions: usize,
    last: i64,
    more_from: Option<i64>,
}

impl Batch {
    fn new(watcher: WatcherId, min_revision: i64) -> Batch {
        Batch { watcher, min_revision, events: Vec::new(), revisions: 0, last: 0, more_from: None }
    }

    /// Takes an event if the watcher has still to see it. True when it is the first that no longer fits.
    fn add(&mut self, stored: &Stored) -> bool {
        let revision = stored.kv().mod_revision;
        if revision < self.min_revision || self.more_from.is_some() {
            return false;
        }
        if revision != self.last {
            self.last = revision;
            self.revisions += 1;
            if self.revisions > BATCH_REVISIONS {
                self.more_from = Some(revision);
                return true;
            }
        }
        self.events.push(stored.event());
        false
    }
}

/// A response on its way out. Previous values are read when it is sent.
#[derive(Clone, Debug, Hash)]
struct Outgoing {
    response: WatchResponse,
    prev_kv: bool,
    fragment: bool,
}

#[derive(Clone, Debug, Default, Hash)]
struct Stream {
    next_id: i64,
    blocked: bool,
    outbox: VecDeque<Outgoing>,
    /// Watchers of the stream that have not caught up.
    behind: usize,
}

impl Stream {
    fn is_full(&self) -> bool {
        self.blocked && self.outbox.len() >= STREAM_BUFFER
    }
}

/// The store and its watchers.
#[derive(Clone, Debug, Hash)]
pub struct WatchableStore {
    kv: KvStore,
    watchers: OrdMap<WatcherId, Watcher>,
    streams: BTreeMap<StreamId, Stream>,
    synced: WatcherIndex<WatcherId>,
    unsynced: OrdSet<WatcherId>,
    victims: OrdSet<WatcherId>,
    /// Watchers that asked for progress notifications.
    progress: OrdSet<WatcherId>,
    /// Streams whose progress request waits for their watchers to catch up.
    progress_requests: BTreeSet<StreamId>,
    /// Streams with something to send and a client that reads.
    ready: BTreeSet<StreamId>,
    max_request_bytes: usize,
    rules: Rules,
    /// What was done to the store since its process began.
    done: StoreMetrics,
}

impl Default for WatchableStore {
    /// A fresh store of a member with the default request limit.
    fn default() -> WatchableStore {
        WatchableStore::new(KvStore::default(), DEFAULT_MAX_REQUEST_BYTES)
    }
}

impl WatchableStore {
    /// `max_request_bytes` is the member's request limit; watch responses far above it are sent in fragments.
    pub fn new(kv: KvStore, max_request_bytes: usize) -> WatchableStore {
        WatchableStore {
            kv,
            watchers: OrdMap::new(),
            streams: BTreeMap::new(),
            synced: WatcherIndex::default(),
            unsynced: OrdSet::new(),
            victims: OrdSet::new(),
            progress: OrdSet::new(),
            progress_requests: BTreeSet::new(),
            ready: BTreeSet::new(),
            max_request_bytes,
            rules: Rules::default(),
            done: StoreMetrics::default(),
        }
    }

    /// The same store, under these rules.
    pub fn under(self, rules: Rules) -> WatchableStore {
        WatchableStore { rules, ..self }
    }

    pub fn kv(&self) -> &KvStore {
        &self.kv
    }

    /// For what no watcher is told of: compaction, defragmentation, leases' time. Writes go through
    /// [`WatchableStore::write`].
    pub fn kv_mut(&mut self) -> &mut KvStore {
        &mut self.kv
    }

    /// Runs a write transaction and tells the watchers what it wrote.
    pub fn write<R>(&mut self, body: impl FnOnce(&mut WriteTxn<'_>) -> R) -> R {
        let mut txn = self.kv.write();
        let result = body(&mut txn);
        self.done.add(txn.done());
        let changes = txn.end();
        self.notify(&changes);
        result
    }

    /// Notes reads that no write transaction did: one transaction of so many.
    pub fn count_ranges(&mut self, ranges: u64) {
        self.done.add(StoreMetrics { ranges, ..StoreMetrics::default() });
    }

    /// What was done to the store.
    pub fn done(&self) -> StoreMetrics {
        self.done
    }

    /// What was done until now was another process' doing.
    pub fn begin_counting(&mut self) {
        self.done = StoreMetrics::default();
    }

    /// Ends a lease: its keys are deleted in one revision, in byte order. Without keys there is no revision.
    pub fn revoke(&mut self, lease: i64) -> Result<(), EtcdError> {
        let keys = self.kv.lessor.remove(lease)?;
        self.write(|txn| keys.iter().for_each(|key| drop(txn.delete(key))));
        Ok(())
    }

    /// Replaces the data by a snapshot's. Watchers stay: those that were synced read on from where they were.
    pub fn install(&mut self, kv: KvStore) {
        let sent = self.kv.revision();
        let synced: Vec<WatcherId> =
            self.watchers.iter().filter(|(_, w)| w.group == Group::Synced).map(|(id, _)| *id).collect();
        self.kv = kv;
        self.synced = WatcherIndex::default();
        for id in synced {
            let watcher = self.watchers.get_mut(&id).expect("ids were read from the table");
            watcher.min_revision = watcher.min_revision.max(sent + 1);
            watcher.group = Group::Unsynced;
            self.unsynced.insert(id);
            self.fell_behind(id.0);
        }
    }

    /// Begins a stream, in place of any of that name. Its watch ids start at 0.
    pub fn open_stream(&mut self, stream: StreamId) {
        self.close_stream(stream);
        self.streams.insert(stream, Stream::default());
    }

    /// Ends a stream and its watchers. What was not sent is lost.
    pub fn close_stream(&mut self, stream: StreamId) {
        for id in self.watch_ids(stream) {
            self.forget((stream, id));
        }
        self.streams.remove(&stream);
        self.ready.remove(&stream);
        self.progress_requests.remove(&stream);
    }

    /// Says whether the stream's client can be sent anything. A blocked stream collects a bounded number of responses;
    /// beyond that its watchers become victims.
    pub fn set_blocked(&mut self, stream: StreamId, blocked: bool) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        state.blocked = blocked;
        if !blocked && !state.outbox.is_empty() {
            self.ready.insert(stream);
        } else {
            self.ready.remove(&stream);
        }
    }

    /// Creates a watcher. The stream is told of it, or of why there is none, before anything else about it.
    pub fn watch(&mut self, stream: StreamId, request: &WatchCreateRequest) {
        // Watching the empty key is watching the smallest one.
        let key = if request.key.is_empty() { Bytes::from_static(&[0]) } else { request.key.clone() };
        if KeySpan::of(&key, &request.range_end).is_empty() {
            return self.refuse_watch(stream, NO_WATCH, "mvcc: watcher range is empty");
        }
        let Some(state) = self.streams.get_mut(&stream) else { return };
        let id = if request.watch_id != 0 {
            if self.watchers.contains_key(&(stream, request.watch_id)) {
                return self.refuse_watch(stream, NO_WATCH, "mvcc: duplicate watch ID provided on the WatchStream");
            }
            request.watch_id
        } else {
            while self.watchers.contains_key(&(stream, state.next_id)) {
                state.next_id += 1;
            }
            state.next_id += 1;
            state.next_id - 1
        };
        let now = self.kv.revision();
        let synced = request.start_revision == 0 || request.start_revision > now;
        let filters = |filter: FilterType| request.filters.contains(&(filter as i32));
        let watcher = Watcher {
            key,
            range_end: request.range_end.clone(),
            min_revision: if synced { request.start_revision.max(now + 1) } else { request.start_revision },
            start_revision: request.start_revision,
            no_put: filters(FilterType::NoPut),
            no_delete: filters(FilterType::NoDelete),
            prev_kv: request.prev_kv,
            fragment: request.fragment,
            progress_notify: request.progress_notify,
            sent: false,
            group: if synced { Group::Synced } else { Group::Unsynced },
        };
        if synced {
            self.synced.insert(&watcher.key, &watcher.range_end, (stream, id));
        } else {
            self.unsynced.insert((stream, id));
            self.fell_behind(stream);
        }
        if watcher.progress_notify {
            self.progress.insert((stream, id));
        }
        self.watchers.insert((stream, id), watcher);
        self.answer(stream, WatchResponse { watch_id: id, created: true, ..WatchResponse::default() });
    }

    /// Answers a create request that makes no watcher: an impossible range, a taken id, a permission that is missing.
    pub fn refuse_watch(&mut self, stream: StreamId, watch_id: i64, reason: &str) {
        let response = WatchResponse {
            watch_id,
            created: true,
            canceled: true,
            cancel_reason: reason.to_owned(),
            ..WatchResponse::default()
        };
        self.answer(stream, response);
    }

    /// Ends a watcher. An id that is not in use is not answered.
    pub fn cancel_watch(&mut self, stream: StreamId, watch_id: i64) {
        if self.forget((stream, watch_id)) {
            self.answer(stream, WatchResponse { watch_id, canceled: true, ..WatchResponse::default() });
        }
    }

    /// Answers a progress request once all the stream's watchers have been sent everything up to the revision it names.
    // Simplified: 3.5.1 answers at once, ahead of events still to be sent, which later releases call a bug.
    pub fn request_progress(&mut self, stream: StreamId) {
        if self.streams.contains_key(&stream) {
            self.progress_requests.insert(stream);
            self.answer_progress(stream);
        }
    }

    /// One round of progress notifications, to the synced watchers that asked for them and were sent nothing since the
    /// last round.
    pub fn notify_progress(&mut self) {
        let ids: Vec<WatcherId> = self.progress.iter().copied().collect();
        for id in ids {
            let watcher = self.watchers.get_mut(&id).expect("progress lists living watchers");
            let is_ahead = watcher.is_ahead(self.kv.revision());
            let due = !std::mem::take(&mut watcher.sent) && watcher.group == Group::Synced && !is_ahead;
            if due && !self.streams[&id.0].is_full() {
                self.answer(id.0, WatchResponse { watch_id: id.1, ..WatchResponse::default() });
            }
        }
    }

    /// Watchers that have history to read.
    pub fn unsynced(&self) -> usize {
        self.unsynced.len()
    }

    /// Watchers whose stream was full.
    pub fn victims(&self) -> usize {
        self.victims.len()
    }

    /// Watchers that have not been sent all there is.
    pub fn slow_watchers(&self) -> usize {
        self.unsynced.len() + self.victims.len()
    }

    /// Streams that are open.
    pub fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// Events that wait in streams whose clients do not read.
    pub fn pending_events(&self) -> usize {
        let outboxes = self.streams.values().flat_map(|stream| &stream.outbox);
        outboxes.map(|outgoing| outgoing.response.events.len()).sum()
    }

    /// Watchers there are.
    pub fn watcher_count(&self) -> usize {
        self.watchers.len()
    }

    /// Open streams, each with how many of its responses wait for its client to read.
    pub fn streams(&self) -> impl Iterator<Item = (StreamId, usize)> {
        self.streams.iter().map(|(id, stream)| (*id, if stream.blocked { stream.outbox.len() } else { 0 }))
    }

    /// Every watcher as it stands, by stream and id.
    pub fn watchers(&self) -> impl Iterator<Item = WatcherStatus> {
        let now = self.kv.revision();
        self.watchers.iter().map(move |((stream, watch_id), watcher)| WatcherStatus {
            stream: *stream,
            watch_id: *watch_id,
            key: watcher.key.clone(),
            range_end: watcher.range_end.clone(),
            start_revision: watcher.start_revision,
            next: match watcher.group {
                Group::Synced => watcher.min_revision.max(now + 1),
                _ => watcher.min_revision,
            },
            group: match &watcher.group {
                Group::Synced => WatcherGroup::Synced,
                Group::Unsynced => WatcherGroup::Unsynced,
                Group::Victim { events, .. } => WatcherGroup::Victim { waiting: events.len() },
                Group::Compacted => WatcherGroup::Compacted,
            },
            no_put: watcher.no_put,
            no_delete: watcher.no_delete,
            prev_kv: watcher.prev_kv,
            fragment: watcher.fragment,
            progress_notify: watcher.progress_notify,
        })
    }

    /// Lets a number of unsynced watchers read on: each is sent its next batch. Those whose start was compacted are told
    /// so and get nothing more. Returns how many are still unsynced.
    pub fn sync_watchers(&mut self) -> usize {
        let (now, compacted) = (self.kv.revision(), self.kv.compact_revision());
        let chosen = self.unsynced.iter().take(WATCHERS_PER_SYNC).copied();
        let (lost, chosen): (Vec<WatcherId>, Vec<WatcherId>) =
            chosen.partition(|id| self.watchers[id].min_revision < compacted && self.rules.hold(Rule::TellCompacted));
        for id in lost {
            self.tell_compacted(id, compacted);
        }
        for batch in self.read_history(&chosen) {
            self.unsynced.remove(&batch.watcher);
            self.caught_up(batch.watcher.0);
            let next = batch.more_from.unwrap_or(now + 1).max(batch.min_revision);
            self.watchers.get_mut(&batch.watcher).expect("a chosen watcher is alive").min_revision = next;
            self.deliver(batch.watcher, batch.events, now, batch.more_from);
        }
        self.unsynced.len()
    }

    /// The next batch of each watcher. One key's history is read from its index; ranges share one pass over the
    /// revisions, which ends early when no watcher has room.
    fn read_history(&self, chosen: &[WatcherId]) -> Vec<Batch> {
        let mut batches = Vec::with_capacity(chosen.len());
        let mut ranges = WatcherIndex::default();
        let (mut from, mut hungry) = (i64::MAX, 0);
        for id in chosen {
            let watcher = &self.watchers[id];
            let skipped = i64::from(!self.rules.hold(Rule::CatchUpFromStart));
            let mut batch = Batch::new(*id, watcher.min_revision + skipped);
            if let KeySpan::One(key) = KeySpan::of(&watcher.key, &watcher.range_end) {
                for stored in self.kv.history(key, watcher.min_revision) {
                    if batch.add(stored) {
                        break;
                    }
                }
            } else {
                ranges.insert(&watcher.key, &watcher.range_end, batches.len());
                from = from.min(watcher.min_revision);
                hungry += 1;
            }
            batches.push(batch);
        }
        let mut entries = self.kv.entries(Revision::new(from, 0));
        while hungry > 0
            && let Some((_, stored)) = entries.next()
        {
            ranges.visit(&stored.kv().key, &mut |batch: &usize| hungry -= usize::from(batches[*batch].add(stored)));
        }
        batches
    }

    /// Sends victims what they missed, where their streams have room again. Returns how many are left.
    pub fn retry_victims(&mut self) -> usize {
        let waiting: Vec<WatcherId> = self.victims.iter().copied().collect();
        for id in waiting {
            if self.streams[&id.0].is_full() {
                continue;
            }
            let watcher = self.watchers.get_mut(&id).expect("a victim is alive");
            let Group::Victim { events, revision, more_from } = std::mem::replace(&mut watcher.group, Group::Unsynced)
            else {
                unreachable!("victims are in their group")
            };
            // It may have missed writes since: it reads on unless there are none.
            let behind = more_from.or((watcher.min_revision <= self.kv.revision()).then_some(watcher.min_revision));
            self.victims.remove(&id);
            self.caught_up(id.0);
            self.deliver(id, events, revision, behind);
        }
        self.victims.len()
    }

    /// Takes what is to be sent to the clients that read, in each stream's order.
    pub fn drain_responses(&mut self) -> Vec<(StreamId, WatchResponse)> {
        let mut responses = Vec::new();
        for stream in std::mem::take(&mut self.ready) {
            let Some(state) = self.streams.get_mut(&stream) else { continue };
            for outgoing in std::mem::take(&mut state.outbox) {
                let Outgoing { mut response, prev_kv, fragment } = outgoing;
                if prev_kv {
                    self.kv.fill_previous(&mut response.events);
                }
                if fragment {
                    let limit = self.max_request_bytes + GRPC_OVERHEAD;
                    responses.extend(fragments(response, limit).into_iter().map(|part| (stream, part)));
                } else {
                    responses.push((stream, response));
                }
            }
        }
        responses
    }

    /// Tells the synced watchers what a transaction wrote.
    fn notify(&mut self, changes: &[Stored]) {
        if changes.is_empty() || self.synced.is_empty() {
            return;
        }
        let mut concerned: Vec<(WatcherId, usize)> = Vec::new();
        for (change, stored) in changes.iter().enumerate() {
            self.synced.visit(&stored.kv().key, &mut |id: &WatcherId| concerned.push((*id, change)));
        }
        concerned.sort_unstable();
        let revision = self.kv.revision();
        for group in concerned.chunk_by(|a, b| a.0 == b.0) {
            let id = group[0].0;
            if self.watchers[&id].min_revision > revision {
                continue;
            }
            let events = group.iter().map(|(_, change)| changes[*change].event()).collect();
            self.deliver(id, events, revision, None);
        }
    }

    /// Sends events to a watcher that is in no group or synced, and puts it in the group it then belongs to.
    fn deliver(&mut self, id: WatcherId, mut events: Vec<Event>, revision: i64, more_from: Option<i64>) {
        let watcher = &self.watchers[&id];
        events.retain(|event| watcher.wants(event));
        let was_synced = watcher.group == Group::Synced;
        let full = !events.is_empty() && self.streams[&id.0].is_full();
        if was_synced && !full {
            return self.send(id, events, revision);
        }
        let watcher = self.watchers.get_mut(&id).expect("the watcher was just read");
        if full {
            if was_synced {
                watcher.min_revision = revision + 1;
                self.synced.remove(&watcher.key, &watcher.range_end, &id);
            }
            watcher.group = Group::Victim { events, revision, more_from };
            self.victims.insert(id);
            return self.fell_behind(id.0);
        }
        if let Some(from) = more_from {
            watcher.min_revision = from;
            watcher.group = Group::Unsynced;
            self.unsynced.insert(id);
            self.fell_behind(id.0);
        } else {
            watcher.group = Group::Synced;
            self.synced.insert(&watcher.key, &watcher.range_end, id);
        }
        self.send(id, events, revision);
        self.answer_progress(id.0);
    }

    fn send(&mut self, id: WatcherId, events: Vec<Event>, revision: i64) {
        if events.is_empty() {
            return;
        }
        let watcher = &self.watchers[&id];
        let (prev_kv, fragment) = (watcher.prev_kv, watcher.fragment);
        if watcher.progress_notify && !watcher.sent {
            self.watchers.get_mut(&id).expect("the watcher was just read").sent = true;
        }
        let header = Some(ResponseHeader { revision, ..ResponseHeader::default() });
        let response = WatchResponse { header, watch_id: id.1, events, ..WatchResponse::default() };
        self.push(id.0, Outgoing { response, prev_kv, fragment });
    }

    /// Tells a watcher that its start is gone; if its stream is full, the next pass will.
    fn tell_compacted(&mut self, id: WatcherId, compact_revision: i64) {
        if self.streams[&id.0].is_full() {
            return;
        }
        self.unsynced.remove(&id);
        self.caught_up(id.0);
        self.watchers.get_mut(&id).expect("an unsynced watcher is alive").group = Group::Compacted;
        // Upstream leaves this header's revision out.
        let header = Some(ResponseHeader::default());
        let response =
            WatchResponse { header, watch_id: id.1, canceled: true, compact_revision, ..WatchResponse::default() };
        self.push(id.0, Outgoing { response, prev_kv: false, fragment: false });
        self.answer_progress(id.0);
    }

    /// Queues a response of the stream itself, headed by the current revision.
    fn answer(&mut self, stream: StreamId, mut response: WatchResponse) {
        response.header = Some(ResponseHeader { revision: self.kv.revision(), ..ResponseHeader::default() });
        self.push(stream, Outgoing { response, prev_kv: false, fragment: false });
    }

    fn answer_progress(&mut self, stream: StreamId) {
        if !self.progress_requests.contains(&stream) || self.streams[&stream].behind > 0 {
            return;
        }
        self.progress_requests.remove(&stream);
        self.answer(stream, WatchResponse { watch_id: NO_WATCH, ..WatchResponse::default() });
    }

    fn push(&mut self, stream: StreamId, outgoing: Outgoing) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        if !state.blocked && state.outbox.is_empty() {
            self.ready.insert(stream);
        }
        state.outbox.push_back(outgoing);
    }

    fn fell_behind(&mut self, stream: StreamId) {
        self.streams.get_mut(&stream).expect("a watcher's stream is open").behind += 1;
    }

    fn caught_up(&mut self, stream: StreamId) {
        self.streams.get_mut(&stream).expect("a watcher's stream is open").behind -= 1;
    }

    /// Removes a watcher from wherever it is. False if there is none of that name.
    fn forget(&mut self, id: WatcherId) -> bool {
        let Some(watcher) = self.watchers.remove(&id) else { return false };
        self.progress.remove(&id);
        match watcher.group {
            Group::Synced => self.synced.remove(&watcher.key, &watcher.range_end, &id),
            Group::Unsynced => {
                self.unsynced.remove(&id);
                self.caught_up(id.0);
            }
            Group::Victim { .. } => {
                self.victims.remove(&id);
                self.caught_up(id.0);
            }
            Group::Compacted => {}
        }
        self.answer_progress(id.0);
        true
    }

    fn watch_ids(&self, stream: StreamId) -> Vec<i64> {
        self.watchers.range::<_, WatcherId>((stream, i64::MIN)..=(stream, i64::MAX)).map(|((_, id), _)| *id).collect()
    }
}

impl KvStore {
    /// Reads the values that events replaced. There is none for a creation, nor once it is compacted.
    fn fill_previous(&self, events: &mut [Event]) {
        for event in events {
            let Some(kv) = &event.kv else { continue };
            let created = event.r#type == EventType::Put as i32 && kv.create_revision == kv.mod_revision;
            if !created {
                event.prev_kv = self.get_at(&kv.key, kv.mod_revision - 1).cloned();
            }
        }
    }
}

/// Cuts a response that is too large for one message into several, all but the last marked as fragments.
fn fragments(response: WatchResponse, limit: usize) -> Vec<WatchResponse> {
    if response.encoded_len() + HEADER_IDS < limit || response.events.len() < 2 {
        return vec![response];
    }
    let WatchResponse { events, .. } = response;
    let frame = WatchResponse { events: Vec::new(), fragment: true, ..response };
    let empty = frame.encoded_len() + HEADER_IDS;
    let mut parts = Vec::new();
    let (mut part, mut size) = (frame.clone(), empty);
    for event in events {
        let length = event.encoded_len();
        size += 1 + length_delimiter_len(length) + length;
        if !part.events.is_empty() && size >= limit {
            parts.push(std::mem::replace(&mut part, frame.clone()));
            size = empty + 1 + length_delimiter_len(length) + length;
        }
        part.events.push(event);
    }
    part.fragment = false;
    parts.push(part);
    parts
}
