//! Watches on both sides: the server's own at etcd, by which its caches are filled, and those of its clients, which are
//! told from the caches.
//!
//! Upstream: `Reflector` and `Cacher` of `k8s.io/apiserver/pkg/storage/cacher`, `handlers/watch.go`.

use super::cache::{Cache, CacheEvent, CacheState, Cached, EventKind, Told, Watcher, WatcherId};
use super::endpoint::Endpoint;
use super::negotiation::{Accepted, Media, Shape};
use super::read::{refused_by_etcd, revision_of};
use super::respond;
use super::selection::Selection;
use super::server::{ApiServer, Behind, Moment, Pending};
use super::storage::{self, Stored};
use super::tables::Include;
use super::work::{Caller, RequestId, Stage, Task, Then, Watch};
use super::{Fact, Note, Outbox};
use crate::etcd::api::{EventType, Response, WatchCreateRequest, WatchResponse};
use crate::etcd::client::{WatchKey, prefix_end};
use crate::etcd::error::Status as EtcdStatus;
use crate::etcd::wire::ConnId;
use crate::k8s::json;
use crate::k8s::meta::status::Status;
use crate::k8s::protobuf::WatchEvent;
use crate::k8s::schema::Schema;
use crate::sim::{Micros, SimTime};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;

/// A client's watch.
#[derive(Clone, Debug)]
pub struct Watching {
    pub conn: ConnId,
    pub stream: u32,
    /// The cache that it is told from.
    pub cache: Arc<str>,
    pub endpoint: Endpoint,
    pub accepted: Accepted,
    /// What rows of a table hold of their objects.
    pub include: String,
    /// A table says what its columns are only once.
    pub told: bool,
}

/// A cache that could not be filled, or whose watch broke, tries again after this long.
const REST: Micros = Micros::from_secs(1);
/// How long the list of a cache may take.
const LIST: Micros = Micros::from_secs(60);
/// Simplified: without the jitter of upstream's `bookmarkFrequency`.
const BOOKMARK: Micros = Micros::from_secs(60);
/// `--min-request-timeout`: a watch without a time-out of its own lasts between this and twice as long.
const WATCH_MIN: Micros = Micros::from_secs(1800);
/// Objects of a list from etcd, at once.
const PAGE: i64 = 10_000;

impl ApiServer {
    // The caches' side.

    /// Reads a cache's resource from etcd, from the beginning or from a key on.
    pub(super) fn list_cache(&mut self, at: Moment, prefix: &Arc<str>, from: Option<(String, i64)>, out: &mut Outbox) {
        let Some(cache) = self.caches.get_mut(prefix) else { return };
        let (start, revision) = from.unwrap_or_else(|| {
            cache.begin();
            (cache.prefix.to_string(), 0)
        });
        let request = storage::list(&cache.prefix, &start, PAGE, revision);
        let call = self.with_etcd(out, |client, out| client.call(at.now, request, LIST, out));
        self.calls.insert(call, Pending::CacheList { prefix: prefix.clone() });
    }

    pub(super) fn cache_listed(
        &mut self,
        at: Moment,
        prefix: &Arc<str>,
        result: Result<Response, EtcdStatus>,
        out: &mut Outbox,
    ) {
        let Ok(response) = result else { return self.rest(prefix, out) };
        let page = storage::page(response);
        let Some(endpoint) = self.caches.get(prefix).map(|cache| cache.endpoint.clone()) else { return };
        let objects: Result<Vec<Cached>, Status> =
            page.entries.iter().map(|stored| self.cached(&endpoint, stored)).collect();
        let Ok(objects) = objects else { return self.rest(prefix, out) };
        let Some(cache) = self.caches.get_mut(prefix) else { return };
        // Of several pages, the first one's revision is that of all.
        let revision =
            if cache.revision > 0 && cache.state == CacheState::Listing { cache.revision } else { page.revision };
        objects.into_iter().for_each(|object| cache.load(object));
        cache.revision = revision;
        if page.more {
            let last = page.entries.last().map(|stored| String::from_utf8_lossy(&stored.key).into_owned() + "\0");
            return self.list_cache(at, prefix, last.map(|start| (start, revision)), out);
        }
        cache.listed(revision);
        let key = Bytes::copy_from_slice(cache.prefix.as_bytes());
        let request = WatchCreateRequest {
            range_end: prefix_end(&key),
            key,
            start_revision: revision + 1,
            progress_notify: true,
            prev_kv: true,
            ..WatchCreateRequest::default()
        };
        let watch = WatchKey(self.sources.iter().position(|known| known == prefix).unwrap_or(0) as u32);
        self.with_etcd(out, |client, out| client.watch(at.now, watch, request, out));
        out.fact(Fact::Cached { prefix: prefix.clone(), revision });
        self.catch_up(at, out);
        self.heed_own(at, prefix, out);
        self.begin_bootstrap(at, out);
    }

    /// An object as its cache keeps it. A cache that cannot read one of its objects begins anew until it can, as upstream's
    /// reflector does.
    fn cached(&self, endpoint: &Endpoint, stored: &Stored) -> Result<Cached, Status> {
        let (object, is_stale) = self.decode(endpoint, stored)?;
        let key: Arc<str> = String::from_utf8_lossy(&stored.key).into();
        Ok(Cached::new(endpoint, key, stored.revision, &object, is_stale))
    }

    /// The cache begins anew a little later; whoever watched it must watch again.
    pub(super) fn rest(&mut self, prefix: &Arc<str>, out: &mut Outbox) {
        let Some(cache) = self.caches.get_mut(prefix) else { return };
        let watchers: Vec<WatcherId> = cache.watchers.keys().copied().collect();
        cache.begin();
        cache.state = CacheState::Resting;
        for watcher in watchers {
            self.end_watch(watcher, out);
        }
        let number = self.sources.iter().position(|known| known == prefix).unwrap_or(0) as u32;
        self.with_etcd(out, |client, out| client.cancel_watch(WatchKey(number), out));
        out.wake(REST, Note::Relist(number));
    }

    pub(super) fn cache_told(
        &mut self,
        at: Moment,
        watch: WatchKey,
        result: Result<WatchResponse, EtcdStatus>,
        out: &mut Outbox,
    ) {
        let Some(prefix) = self.source(watch) else { return };
        let response = match result {
            Ok(response) if !response.canceled => response,
            _ => return self.rest(&prefix, out),
        };
        let revision = response.header.as_ref().map_or(0, |header| header.revision);
        for event in response.events {
            let Some(kv) = event.kv else { continue };
            self.cache_changed(at, &prefix, Stored::from(kv), event.r#type == EventType::Delete as i32, out);
        }
        if !response.fragment
            && let Some(cache) = self.caches.get_mut(&prefix)
        {
            cache.progressed(revision);
            out.fact(Fact::Cached { prefix: prefix.clone(), revision });
        }
        self.catch_up(at, out);
    }

    fn cache_changed(&mut self, at: Moment, prefix: &Arc<str>, stored: Stored, is_delete: bool, out: &mut Outbox) {
        let Some(endpoint) = self.caches.get(prefix).map(|cache| cache.endpoint.clone()) else { return };
        let object = match is_delete {
            true => None,
            false => match self.cached(&endpoint, &stored) {
                Ok(object) => Some(object),
                Err(_) => return self.rest(prefix, out),
            },
        };
        let key = String::from_utf8_lossy(&stored.key).into_owned();
        let Some(cache) = self.caches.get_mut(prefix) else { return };
        let Some(event) = cache.change(&key, stored.revision, object, at.now) else { return };
        self.tell(at.now, prefix, &event, out);
        self.heed_own(at, prefix, out);
    }

    /// Some kinds say how the server itself is to behave.
    fn heed_own(&mut self, at: Moment, prefix: &Arc<str>, out: &mut Outbox) {
        if ["flowschemas", "prioritylevelconfigurations"].contains(&&**prefix) {
            self.configure_seats(at, out);
        }
        if **prefix == *super::definitions::PREFIX {
            self.heed_definitions(at, out);
        }
    }

    /// Tells everybody who watches of a change. What several are told alike is written once.
    fn tell(&mut self, now: SimTime, prefix: &Arc<str>, event: &CacheEvent, out: &mut Outbox) {
        let Some(cache) = self.caches.get_mut(prefix) else { return };
        let mut told: Vec<(WatcherId, Told)> = Vec::new();
        for (id, watcher) in &mut cache.watchers {
            if event.revision > watcher.sent {
                watcher.sent = event.revision;
                told.extend(watcher.sees(event).map(|seen| (*id, seen)));
            }
        }
        let mut frames: Vec<(Told, Accepted, Endpoint, Bytes)> = Vec::new();
        for (id, seen) in told {
            let Some(watching) = self.watches.get(&id) else { continue };
            let alike = |(other, accepted, endpoint, _): &&(Told, Accepted, Endpoint, Bytes)| {
                let same = other.kind == seen.kind && other.object.revision == seen.object.revision;
                same && *accepted == watching.accepted && *endpoint == watching.endpoint
            };
            let known = frames.iter().find(alike).filter(|_| watching.accepted.shape != Shape::Table);
            let frame = match known {
                Some((.., frame)) => frame.clone(),
                None => {
                    let frame = self.frame(watching, &seen, now);
                    frames.push((seen, watching.accepted, watching.endpoint.clone(), frame.clone()));
                    frame
                }
            };
            self.send_frame(id, frame, out);
        }
    }

    fn send_frame(&mut self, id: WatcherId, frame: Bytes, out: &mut Outbox) {
        if let Some(watching) = self.watches.get_mut(&id) {
            watching.told = true;
            self.listener.write((watching.conn, watching.stream), frame, true, out);
        }
    }

    /// An event as a watcher wants it.
    fn frame(&self, watching: &Watching, told: &Told, now: SimTime) -> Bytes {
        let Watching { endpoint, accepted, .. } = watching;
        if *accepted == Accepted::JSON && told.object.is_of(endpoint) {
            let text = &told.object.json;
            let mut line = Vec::with_capacity(text.len() + 40);
            line.extend_from_slice(format!("{{\"type\":\"{}\",\"object\":", told.kind.name()).as_bytes());
            line.extend_from_slice(text);
            line.extend_from_slice(b"}\n");
            return line.into();
        }
        let object = endpoint.convert(told.object.read()).unwrap_or_default();
        self.frame_of(watching, told.kind.name(), &object, now)
    }

    fn frame_of(&self, watching: &Watching, kind_of_event: &str, object: &Value, now: SimTime) -> Bytes {
        let object = match watching.accepted.shape {
            _ if kind_of_event == "ERROR" => object.clone(),
            Shape::Object => object.clone(),
            Shape::PartialMetadata => respond::partial(object),
            Shape::Table => {
                let include = Include::parse(&watching.include).unwrap_or_default();
                let mut table = watching.endpoint.table(object, include, self.clock(now));
                if watching.told {
                    // What its columns are is told once, by the first event.
                    table["columnDefinitions"] = Value::Null;
                }
                if kind_of_event == "BOOKMARK" {
                    table["rows"] = json!([]);
                }
                table
            }
        };
        match watching.accepted.media {
            Media::Protobuf => {
                let event = WatchEvent { kind: kind_of_event.to_owned(), object: object.clone() };
                event.to_frame(Schema::kubernetes()).map(Bytes::from).unwrap_or_default()
            }
            // Simplified: a watch in YAML is one in JSON, as documents without separators would be of no use.
            Media::Json | Media::Yaml => {
                (json::to_string(&json!({"type": kind_of_event, "object": object})) + "\n").into()
            }
        }
    }

    // The clients' side.

    pub(super) fn begin_watch(
        &mut self,
        at: Moment,
        id: RequestId,
        endpoint: Endpoint,
        out: &mut Outbox,
    ) -> Result<(), Status> {
        let accepted = self.accepted(id)?;
        let random = self.prng.below(WATCH_MIN.0);
        let Some(work) = self.works.get_mut(&id) else { return Ok(()) };
        let query = &work.query;
        super::options::check_list(query)?;
        Include::parse(query.get("includeObject"))?;
        let timeout = match query.get("timeoutSeconds").parse::<u64>() {
            Ok(seconds) if seconds > 0 => Micros::from_secs(seconds.min(u64::from(u32::MAX))),
            _ => Micros(WATCH_MIN.0 + random),
        };
        let selection = Selection::of(&endpoint, query)?;
        let revision = revision_of(query)?;
        let watch = Watch {
            prefix: endpoint.list_prefix(&work.attributes.namespace),
            selection: selection.into(),
            accepted,
            revision,
            bookmarks: query.flag("allowWatchBookmarks"),
            initial_events: query.flag("sendInitialEvents"),
            timeout,
            at_least: revision.unwrap_or(0),
            endpoint,
        };
        let consistent = watch.initial_events && revision.is_none();
        let (all, prefix) = (watch.endpoint.list_prefix(""), Arc::from(watch.endpoint.prefix()));
        let at_least = if watch.initial_events { watch.at_least } else { 0 };
        work.task = Task::Watch(watch);
        if consistent {
            work.pass(Stage::WatchCache, Micros(10), "a consistent beginning: etcd is asked how far it is");
            work.then = Then::Ask(storage::newest_revision(&all).into());
            self.go_on(at, id, out);
        } else {
            self.wait_for(at, Behind { request: id, prefix, revision: at_least }, out);
        }
        Ok(())
    }

    /// etcd said how far it is: the watch begins when the cache is there.
    pub(super) fn watch_stored(
        &mut self,
        at: Moment,
        id: RequestId,
        result: Result<Response, EtcdStatus>,
        out: &mut Outbox,
    ) {
        let response = match result {
            Ok(response) => response,
            Err(status) => return self.fail(at, id, &refused_by_etcd(&status), out),
        };
        let Some(Task::Watch(watch)) = self.works.get(&id).map(|work| &work.task) else { return };
        let prefix = Arc::from(watch.endpoint.prefix());
        let revision = storage::page(response).revision;
        self.wait_for(at, Behind { request: id, prefix, revision }, out);
    }

    /// The cache is ready: the answer begins, with what the client does not know yet.
    pub(super) fn open_watch(&mut self, at: Moment, id: RequestId, out: &mut Outbox) {
        let Some(work) = self.works.get(&id) else { return };
        let (Task::Watch(watch), Caller::Stream { conn, stream }) = (work.task.clone(), work.caller) else { return };
        let cache_name: Arc<str> = watch.endpoint.prefix().into();
        let head = respond::stream(watch.accepted, work);
        let watcher = WatcherId(id.0);
        let watching = Watching {
            conn,
            stream,
            cache: cache_name.clone(),
            endpoint: watch.endpoint.clone(),
            accepted: watch.accepted,
            include: work.query.get("includeObject").to_owned(),
            told: false,
        };
        self.answer(at, id, head.into(), true, out);
        self.watches.insert(watcher, watching);
        let Some(cache) = self.caches.get(&cache_name) else { return };
        match beginning(cache, &watch) {
            Err(status) => {
                let Some(watching) = self.watches.get(&watcher) else { return };
                let frame = self.frame_of(watching, "ERROR", &status.to_object(), at.now);
                self.send_frame(watcher, frame, out);
                self.end_watch(watcher, out);
            }
            Ok((told, sent)) => self.register(at, watcher, &watch, told, sent, out),
        }
    }

    fn register(&mut self, at: Moment, id: WatcherId, watch: &Watch, told: Vec<Told>, sent: i64, out: &mut Outbox) {
        for seen in told {
            let Some(watching) = self.watches.get(&id) else { return };
            let frame = self.frame(watching, &seen, at.now);
            self.send_frame(id, frame, out);
        }
        if watch.initial_events && watch.bookmarks {
            self.send_bookmark(id, sent, true, out);
        }
        let watcher = Watcher {
            prefix: watch.prefix.as_str().into(),
            selection: watch.selection.clone(),
            sent,
            bookmarks: watch.bookmarks,
            bookmarked: if watch.initial_events && watch.bookmarks { sent } else { 0 },
        };
        if let Some(cache) = self.caches.get_mut(watch.endpoint.prefix()) {
            cache.watchers.insert(id, watcher);
        }
        if watch.bookmarks {
            out.wake(BOOKMARK.min(Micros(watch.timeout.0.saturating_sub(2_000_000))), Note::Bookmark(id));
        }
        out.wake(watch.timeout, Note::EndWatch(id));
    }

    pub(super) fn bookmark(&mut self, id: WatcherId, out: &mut Outbox) {
        let Some(watching) = self.watches.get(&id) else { return };
        let Some(cache) = self.caches.get_mut(&watching.cache) else { return };
        let revision = cache.revision;
        if let Some(watcher) = cache.watchers.get_mut(&id) {
            watcher.sent = watcher.sent.max(revision);
            watcher.bookmarked = revision;
        }
        self.send_bookmark(id, revision, false, out);
        out.wake(BOOKMARK, Note::Bookmark(id));
    }

    /// An object that holds nothing but a revision; the first one says that what was there has all been told.
    fn send_bookmark(&mut self, id: WatcherId, revision: i64, is_first: bool, out: &mut Outbox) {
        let Some(watching) = self.watches.get(&id) else { return };
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if is_first {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = watching.endpoint.empty(metadata);
        let frame = self.frame_of(watching, "BOOKMARK", &object, SimTime::default());
        self.send_frame(id, frame, out);
    }

    pub(super) fn end_watch(&mut self, id: WatcherId, out: &mut Outbox) {
        let Some(watching) = self.watches.remove(&id) else { return };
        if let Some(cache) = self.caches.get_mut(&watching.cache) {
            cache.watchers.remove(&id);
        }
        self.listener.write((watching.conn, watching.stream), Bytes::new(), false, out);
    }
}

/// What a watch is told first, and the revision up to which it then knows everything.
fn beginning(cache: &Cache, watch: &Watch) -> Result<(Vec<Told>, i64), Status> {
    let selects = |object: &&Arc<Cached>| watch.selection.matches(object);
    let starts_with_all = watch.initial_events || watch.revision.unwrap_or(0) == 0;
    if starts_with_all {
        let all = cache.range(&watch.prefix).filter(selects).cloned();
        return Ok((all.map(|object| Told { kind: EventKind::Added, object }).collect(), cache.revision));
    }
    let revision = watch.revision.unwrap_or(0);
    let oldest = cache.oldest();
    if revision < oldest - 1 {
        return Err(Status::expired(&format!("too old resource version: {revision} ({oldest})")));
    }
    let watcher = Watcher {
        prefix: watch.prefix.as_str().into(),
        selection: watch.selection.clone(),
        sent: revision,
        bookmarks: false,
        bookmarked: 0,
    };
    let told = cache.since(revision).filter_map(|event| watcher.sees(event)).collect();
    Ok((told, cache.revision.max(revision)))
}
