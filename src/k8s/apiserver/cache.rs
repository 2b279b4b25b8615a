//! The watch cache of one resource: a copy of what etcd holds of it, the events that led there, and who watches.
//!
//! An object lies here as the text that clients are given: a list is put together from such texts, and an event is made
//! once for all who watch. What admission and authorization look at is read into values when they first do.
//!
//! Upstream: `k8s.io/apiserver/pkg/storage/cacher` (`Cacher`, `watchCache`, `cacheWatcher`).

use super::Flags;
use super::endpoint::Endpoint;
use super::selection::Selection;
use crate::k8s::json;
use crate::sim::{Micros, SimTime};
use bytes::Bytes;
use imbl::{OrdMap, Vector};
use serde_json::Value;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

/// A watch of a client, by number within its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WatcherId(pub u64);

/// An object of the cache.
#[derive(Debug)]
pub struct Cached {
    pub key: Arc<str>,
    pub revision: i64,
    /// As the version that it is stored in.
    pub json: Bytes,
    pub labels: BTreeMap<String, String>,
    pub fields: BTreeMap<String, String>,
    /// Whoever writes it next writes it anew, even if nothing changes: another key encrypts today.
    pub is_stale: bool,
    value: OnceLock<Arc<Value>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    Added,
    Modified,
    Deleted,
}

/// One change.
#[derive(Clone, Debug)]
pub struct CacheEvent {
    pub kind: EventKind,
    /// After the change; of a deletion, the last state, at the revision of the deletion.
    pub object: Arc<Cached>,
    pub previous: Option<Arc<Cached>>,
    pub revision: i64,
    pub at: SimTime,
}

/// What the cache is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheState {
    /// Reading all there is, so far up to a key.
    Listing,
    Watching,
    /// Waits before it begins anew.
    Resting,
}

#[derive(Clone, Debug)]
pub struct Cache {
    pub endpoint: Endpoint,
    /// `/registry/pods/`
    pub prefix: Arc<str>,
    pub state: CacheState,
    pub objects: OrdMap<Arc<str>, Arc<Cached>>,
    /// The ring, oldest first.
    pub events: Vector<CacheEvent>,
    pub capacity: usize,
    /// It holds everything up to here.
    pub revision: i64,
    /// Of the list that it began with: nothing is known from before.
    pub listed_at: i64,
    pub watchers: BTreeMap<WatcherId, Watcher>,
    /// Lists and gets that it answered, and that went to etcd in spite of it.
    pub hits: u64,
    pub misses: u64,
}

/// Somebody who watches.
#[derive(Clone, Debug)]
pub struct Watcher {
    pub prefix: Arc<str>,
    pub selection: Arc<Selection>,
    /// It has everything up to here.
    pub sent: i64,
    pub bookmarks: bool,
    /// The revision of the last bookmark that it was given; zero before the first.
    pub bookmarked: i64,
}

/// What a watcher is told: the change as it looks through its selection.
#[derive(Clone, Debug)]
pub struct Told {
    pub kind: EventKind,
    pub object: Arc<Cached>,
}

/// Upstream's `defaultLowerBoundCapacity` and `defaultUpperBoundCapacity` of the ring.
pub const CAPACITY_MIN: usize = 100;
pub const CAPACITY_MAX: usize = 100 * 1024;
/// The ring grows while its oldest event is younger than this. Upstream: `DefaultEventFreshDuration`.
const FRESH: Micros = Micros::from_secs(75);

impl EventKind {
    pub fn name(self) -> &'static str {
        match self {
            EventKind::Added => "ADDED",
            EventKind::Modified => "MODIFIED",
            EventKind::Deleted => "DELETED",
        }
    }
}

impl Cached {
    /// From an object that was read from etcd.
    pub fn new(endpoint: &Endpoint, key: Arc<str>, revision: i64, object: &Value, is_stale: bool) -> Cached {
        let labels = object["metadata"]["labels"].as_object();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Cached {
            key,
            revision,
            json: json::to_string(object).into(),
            labels: labels.into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect(),
            fields: endpoint.fields(object),
            is_stale,
            value: OnceLock::new(),
        }
    }

    /// The object itself. Kept once it was asked for.
    pub fn value(&self) -> Arc<Value> {
        self.value.get_or_init(|| self.read().into()).clone()
    }

    /// Whether its text is that of this version.
    pub fn is_of(&self, endpoint: &Endpoint) -> bool {
        endpoint.head().is_some_and(|head| self.json.starts_with(head.as_bytes()))
    }

    /// The object itself, not kept.
    pub fn read(&self) -> Value {
        json::parse(&self.json).map_or(Value::Null, |document| document.value)
    }
}

/// Its objects are named by their revisions, at which etcd holds their content.
impl Hash for Cache {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.prefix, self.state, self.revision, self.listed_at, self.capacity, self.watchers.len()).hash(state);
        self.objects.values().for_each(|object| (&object.key, object.revision).hash(state));
    }
}

impl Cache {
    pub fn new(endpoint: Endpoint, flags: &Flags) -> Cache {
        let capacity_min = flags.watch_cache_size(endpoint.group(), endpoint.plural());
        Cache {
            prefix: endpoint.list_prefix("").into(),
            endpoint,
            state: CacheState::Listing,
            objects: OrdMap::new(),
            events: Vector::new(),
            capacity: capacity_min,
            revision: 0,
            listed_at: 0,
            watchers: BTreeMap::new(),
            hits: 0,
            misses: 0,
        }
    }

    pub fn is_ready(&self) -> bool {
        self.state == CacheState::Watching
    }

    /// Begins anew: who watched must watch again.
    pub fn begin(&mut self) {
        (self.state, self.revision) = (CacheState::Listing, 0);
        self.objects.clear();
        self.events.clear();
        self.watchers.clear();
    }

    /// All there was has been read, at this revision.
    pub fn listed(&mut self, revision: i64) {
        (self.state, self.revision, self.listed_at) = (CacheState::Watching, revision, revision);
    }

    pub fn load(&mut self, object: Cached) {
        self.objects.insert(object.key.clone(), Arc::new(object));
    }

    /// The oldest revision from which a watch can still be told everything.
    pub fn oldest(&self) -> i64 {
        let dropped = self.events.len() >= self.capacity;
        match self.events.front() {
            Some(first) if dropped => first.revision,
            _ => self.listed_at + 1,
        }
    }

    /// A key was written or, with nothing, deleted. Says what changed for those who watch.
    pub fn change(&mut self, key: &str, revision: i64, object: Option<Cached>, now: SimTime) -> Option<CacheEvent> {
        self.revision = self.revision.max(revision);
        let previous = self.objects.get(key).cloned();
        let (kind, object) = match object {
            Some(object) => {
                let object = Arc::new(object);
                self.objects.insert(object.key.clone(), object.clone());
                (if previous.is_some() { EventKind::Modified } else { EventKind::Added }, object)
            }
            None => {
                let last = self.objects.remove(key)?;
                (EventKind::Deleted, Arc::new(last.at(revision)))
            }
        };
        let event = CacheEvent { kind, object, previous, revision, at: now };
        self.remember(event.clone(), now);
        Some(event)
    }

    fn remember(&mut self, event: CacheEvent, now: SimTime) {
        if self.events.len() >= self.capacity {
            let young = self.events.front().is_some_and(|first| now.since(first.at) < FRESH);
            if young && self.capacity < CAPACITY_MAX {
                self.capacity = (self.capacity * 2).min(CAPACITY_MAX);
            } else {
                self.events.pop_front();
            }
        }
        self.events.push_back(event);
    }

    /// etcd says that nothing else happened up to here.
    pub fn progressed(&mut self, revision: i64) {
        self.revision = self.revision.max(revision);
    }

    /// Objects below a prefix, from a key on.
    pub fn range<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Arc<Cached>> {
        let from: Arc<str> = prefix.into();
        self.objects.range(from..).map(|(_, object)| object).take_while(move |object| object.key.starts_with(prefix))
    }

    pub fn get(&self, key: &str) -> Option<&Arc<Cached>> {
        self.objects.get(key)
    }

    /// The events after a revision.
    pub fn since(&self, revision: i64) -> impl Iterator<Item = &CacheEvent> {
        let (mut low, mut high) = (0, self.events.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.events[middle].revision <= revision {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.events.iter().skip(low)
    }
}

impl Cached {
    /// The same object at another revision.
    fn at(&self, revision: i64) -> Cached {
        let mut object = self.read();
        object["metadata"]["resourceVersion"] = revision.to_string().into();
        Cached {
            key: self.key.clone(),
            revision,
            json: json::to_string(&object).into(),
            labels: self.labels.clone(),
            fields: self.fields.clone(),
            is_stale: self.is_stale,
            value: OnceLock::new(),
        }
    }
}

impl Watcher {
    /// What this watcher is told of a change. Upstream: `convertToWatchEvent`.
    pub fn sees(&self, event: &CacheEvent) -> Option<Told> {
        if !event.object.key.starts_with(&*self.prefix) {
            return None;
        }
        let is_now = event.kind != EventKind::Deleted && self.selection.matches(&event.object);
        let was = event.previous.as_ref().filter(|previous| self.selection.matches(previous));
        let (kind, object) = match (was, is_now) {
            (None, false) => return None,
            (None, true) => (EventKind::Added, event.object.clone()),
            (Some(_), true) => (EventKind::Modified, event.object.clone()),
            // It has the look that it had, at the revision at which it left.
            (Some(_), false) if event.kind == EventKind::Deleted => (EventKind::Deleted, event.object.clone()),
            (Some(was), false) => (EventKind::Deleted, Arc::new(was.at(event.revision))),
        };
        Some(Told { kind, object })
    }
}
