//! The watch caches of an API server: the ring of events of each, who watches, and how far it is behind etcd.

use super::watches;
use crate::etcd::client::prefix_end;
use crate::etcd::mvcc::KeySpan;
use crate::k8s::apiserver::ApiServer;
use crate::k8s::apiserver::cache::{Cache, CacheEvent, CacheState, EventKind, Watcher, WatcherId};
use crate::lab::Lab;
use crate::sim::{HostId, SimTime};
use std::sync::Arc;

/// Newest events of a ring that are shown one by one.
pub const EVENTS_MAX: usize = 24;
/// Watchers of a cache that are listed.
const WATCHERS_MAX: usize = 60;
/// Keys of a resource that are looked at for what a cache has not heard of.
const KEYS_MAX: usize = 10_000;

/// All caches of a server.
#[derive(Clone, Debug, PartialEq)]
pub struct CachesView {
    pub rows: Vec<Row>,
    /// Caches that hold nothing and that nobody watches, where they were left out.
    pub idle: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its place below the registry.
    pub place: Arc<str>,
    pub objects: usize,
    pub events: usize,
    pub capacity: usize,
    pub watchers: usize,
    pub revision: i64,
    pub state: CacheState,
}

/// All about one cache.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    pub row: Row,
    pub kind: String,
    /// What lies in etcd below this.
    pub prefix: Arc<str>,
    /// The newest revision that any member has.
    pub etcd_revision: i64,
    /// Objects that changed in etcd since, and of which the cache has not heard.
    pub unheard: usize,
    /// The oldest revision from which a watch can begin.
    pub oldest: i64,
    pub listed_at: i64,
    /// Events before the first that is here.
    pub before: usize,
    /// The newest, oldest first.
    pub events: Vec<EventView>,
    pub watchers: Vec<WatcherView>,
    /// Watchers beyond those listed.
    pub more: usize,
    pub hits: u64,
    pub misses: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventView {
    pub revision: i64,
    pub kind: EventKind,
    /// Without the prefix.
    pub name: String,
    pub at: SimTime,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatcherView {
    pub id: u64,
    pub client: String,
    /// What of the resource it watches.
    pub keys: String,
    pub sent: i64,
    /// Events of the ring that it has not passed.
    pub behind: usize,
    /// `None`: it did not ask for any; zero: none yet.
    pub bookmark: Option<i64>,
}

impl CachesView {
    /// `None` where no server runs. Those that hold nothing are left out unless `all` are wanted.
    pub fn of(lab: &Lab, host: HostId, all: bool) -> Option<CachesView> {
        let server = lab.api_server(host)?;
        let is_busy = |cache: &&Cache| {
            all || !cache.objects.is_empty()
                || !cache.events.is_empty()
                || !cache.watchers.is_empty()
                || cache.state == CacheState::Resting
        };
        let rows: Vec<Row> = server.caches().filter(is_busy).map(Row::of).collect();
        let idle = server.caches().count() - rows.len();
        Some(CachesView { rows, idle })
    }
}

impl Row {
    fn of(cache: &Cache) -> Row {
        Row {
            place: cache.endpoint.prefix().into(),
            objects: cache.objects.len(),
            events: cache.events.len(),
            capacity: cache.capacity,
            watchers: cache.watchers.len(),
            revision: cache.revision,
            state: cache.state,
        }
    }

    /// What it is about, if that is not to watch.
    pub fn trouble(&self) -> Option<&'static str> {
        match self.state {
            CacheState::Watching => None,
            CacheState::Listing => Some("reads all from etcd"),
            CacheState::Resting => Some("could not be filled, tries again"),
        }
    }
}

impl Sheet {
    pub fn of(lab: &Lab, host: HostId, place: &str) -> Option<Sheet> {
        let server = lab.api_server(host)?;
        let cache = server.cache_of(place)?;
        let before = cache.events.len().saturating_sub(EVENTS_MAX);
        let watchers = cache.watchers.iter().take(WATCHERS_MAX);
        Some(Sheet {
            row: Row::of(cache),
            kind: format!("{} of {}", cache.endpoint.kind(), cache.endpoint.api_version()),
            prefix: cache.prefix.clone(),
            etcd_revision: etcd_revision(lab),
            unheard: unheard(lab, cache),
            oldest: cache.oldest(),
            listed_at: cache.listed_at,
            before,
            events: cache.events.iter().skip(before).map(|event| EventView::of(cache, event)).collect(),
            watchers: watchers.map(|(id, watcher)| WatcherView::of(lab, server, cache, *id, watcher)).collect(),
            more: cache.watchers.len().saturating_sub(WATCHERS_MAX),
            hits: cache.hits,
            misses: cache.misses,
        })
    }

    /// `96%`; nothing before the first read.
    pub fn hit_rate(&self) -> Option<String> {
        let all = self.hits + self.misses;
        (all > 0).then(|| format!("{}%", self.hits * 100 / all))
    }
}

impl EventView {
    fn of(cache: &Cache, event: &CacheEvent) -> EventView {
        let name = event.object.key.strip_prefix(&*cache.prefix).unwrap_or(&event.object.key);
        EventView { revision: event.revision, kind: event.kind, name: name.to_owned(), at: event.at }
    }
}

impl WatcherView {
    fn of(lab: &Lab, server: &ApiServer, cache: &Cache, id: WatcherId, watcher: &Watcher) -> WatcherView {
        let conn = server.watcher_conn(id);
        let namespace = watcher.prefix.strip_prefix(&*cache.prefix).unwrap_or_default().trim_end_matches('/');
        let keys = if namespace.is_empty() { "all".to_owned() } else { format!("namespace {namespace}") };
        WatcherView {
            id: id.0,
            client: conn.map_or_else(String::new, |conn| watches::client_name(lab, conn.client())),
            keys,
            sent: watcher.sent,
            behind: cache.since(watcher.sent).count(),
            bookmark: watcher.bookmarks.then_some(watcher.bookmarked),
        }
    }
}

fn etcd_revision(lab: &Lab) -> i64 {
    lab.members().map(|(_, member)| member.store().kv().revision()).max().unwrap_or(0)
}

/// Keys that were written or deleted after the cache's revision, by the member that is farthest.
fn unheard(lab: &Lab, cache: &Cache) -> usize {
    let Some((_, member)) = lab.members().max_by_key(|(_, member)| member.store().kv().revision()) else { return 0 };
    let store = member.store().kv();
    if store.revision() <= cache.revision {
        return 0;
    }
    let (key, end) = (cache.prefix.as_bytes(), prefix_end(cache.prefix.as_bytes()));
    let keys = store.index().range(KeySpan::Between(key, &end)).take(KEYS_MAX);
    keys.filter(|index| index.latest().kv().mod_revision > cache.revision).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Input;
    use crate::projection::servers::tests::{run, world};
    use crate::sim::{Fault, Micros};

    fn sheet(lab: &Lab, place: &str) -> Sheet {
        Sheet::of(lab, lab.api_server_machines().next().unwrap(), place).unwrap()
    }

    #[test]
    fn a_ring_holds_what_happened_and_says_who_heard_it() {
        let mut lab = world("members=3 apiservers=1");
        lab.input(&Input::Line { terminal: 1, text: "kubectl get configmaps --watch".to_owned() });
        run(&mut lab, "kubectl create configmap a --from-literal=b=1", 500);
        run(&mut lab, "kubectl delete configmap a", 500);
        let sheet = sheet(&lab, "configmaps");
        let events: Vec<_> = sheet.events.iter().map(|event| (event.kind.name(), event.name.as_str())).collect();
        let own = events.iter().filter(|(_, name)| *name == "default/a").map(|(kind, _)| *kind).collect::<Vec<_>>();
        assert_eq!(own, ["ADDED", "DELETED"], "{events:?}");
        let newest = sheet.events.last().unwrap().revision;
        assert_eq!((sheet.row.events, sheet.row.capacity, sheet.before), (events.len(), 100, 0));
        assert_eq!(sheet.unheard, 0);
        assert_eq!(sheet.watchers.len(), 1);
        let watcher = &sheet.watchers[0];
        assert_eq!((watcher.client.as_str(), watcher.keys.as_str()), ("terminal 2", "namespace default"));
        assert_eq!((watcher.sent, watcher.behind), (newest, 0));
        assert_eq!(sheet.kind, "ConfigMap of v1");
    }

    #[test]
    fn a_cache_without_etcd_falls_behind() {
        let mut lab = world("members=1 apiservers=1");
        let host = lab.api_server_machines().next().unwrap();
        let etcd = lab.machines().next().unwrap();
        lab.input(&Input::Fault(Fault::Cut { from: etcd, to: host, one_way: false }));
        let before = sheet(&lab, "configmaps");
        let object = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x","namespace":"default"}}"#;
        run(&mut lab, &format!("etcdctl put /registry/configmaps/default/x '{object}'"), 300);
        let after = sheet(&lab, "configmaps");
        assert_eq!((after.row.revision, after.unheard), (before.row.revision, 1));
        assert_eq!(after.etcd_revision, before.etcd_revision + 1);
        lab.input(&Input::Fault(Fault::Heal { from: etcd, to: host }));
        let end = lab.now() + Micros::from_secs(60);
        lab.run_until(end, u64::MAX);
        let healed = sheet(&lab, "configmaps");
        assert_eq!((healed.row.trouble(), healed.unheard), (None, 0));
        assert!(healed.row.revision > after.row.revision);
    }

    #[test]
    fn idle_caches_are_counted_and_not_listed() {
        let lab = world("members=1 apiservers=1");
        let host = lab.api_server_machines().next().unwrap();
        let (some, all) = (CachesView::of(&lab, host, false).unwrap(), CachesView::of(&lab, host, true).unwrap());
        assert_eq!(some.rows.len() + some.idle, all.rows.len());
        assert!(some.rows.iter().any(|row| &*row.place == "clusterroles" && row.objects > 50));
        assert!(!some.rows.iter().any(|row| &*row.place == "pods"));
        assert_eq!(all.idle, 0);
    }
}
