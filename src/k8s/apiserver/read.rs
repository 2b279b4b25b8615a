//! Gets and lists: from etcd, or from the watch cache as the resourceVersion allows.
//!
//! Upstream: `Cacher.Get` and `Cacher.GetList`, `handlers/get.go`.

use super::cache::Cached;
use super::endpoint::Endpoint;
use super::info::Query;
use super::respond::{self, ListMeta};
use super::selection::Selection;
use super::server::{ApiServer, Behind, Moment};
use super::storage::{self, Page};
use super::tables::Include;
use super::work::{DeleteAll, Get, List, RequestId, Source, Stage, Task, Then};
use super::{Outbox, kubelets};
use crate::etcd::api::Response;
use crate::etcd::error::Status as EtcdStatus;
use crate::k8s::meta::page::Continue;
use crate::k8s::meta::status::Status;
use crate::sim::Micros;
use std::sync::Arc;

/// Upstream's `maxLimit` of what a list that selects asks etcd for at once.
const PAGE_MAX: usize = 10_000;

/// The resourceVersion of a query; none if it names none.
pub fn revision_of(query: &Query) -> Result<Option<i64>, Status> {
    match query.get("resourceVersion") {
        "" => Ok(None),
        text => match text.parse::<u64>() {
            Ok(revision) => Ok(Some(revision.min(i64::MAX as u64) as i64)),
            Err(_) => {
                let why = format!("strconv.ParseUint: parsing \"{text}\": invalid syntax");
                Err(Status::bad_request(format!("invalid resource version: Invalid value: \"{text}\": {why}")))
            }
        },
    }
}

/// What etcd's refusal is called by an API server.
pub fn refused_by_etcd(status: &EtcdStatus) -> Status {
    Status::of_error(match status.message.starts_with("etcdserver:") {
        true => status.message.clone(),
        false => format!("rpc error: code = {:?} desc = {}", status.code, status.message),
    })
}

/// What can be read beside whole objects.
const READABLE: [&str; 7] = ["", "status", "scale", "log", "approval", "ephemeralcontainers", "resize"];

impl ApiServer {
    pub(super) fn begin_get(
        &mut self,
        at: Moment,
        id: RequestId,
        endpoint: Endpoint,
        out: &mut Outbox,
    ) -> Result<(), Status> {
        let accepted = self.accepted(id)?;
        let Some(work) = self.works.get_mut(&id) else { return Ok(()) };
        let revision = revision_of(&work.query)?;
        Include::parse(work.query.get("includeObject"))?;
        let attributes = &work.attributes;
        let subresource = attributes.subresource.clone();
        if !READABLE.contains(&subresource.as_str()) {
            return Err(super::write::not_built(&endpoint, &subresource));
        }
        let key = endpoint.key(&attributes.namespace, &attributes.name);
        let get = Get { endpoint, key, accepted, at_least: revision.unwrap_or(0), subresource };
        match revision {
            None => {
                work.pass(Stage::Storage, Micros(20), "no resourceVersion: etcd is asked for the newest");
                work.then = Then::Ask(storage::get(&get.key).into());
                work.task = Task::Get(get);
                self.go_on(at, id, out);
            }
            Some(revision) => {
                let prefix = Arc::from(get.endpoint.prefix());
                work.task = Task::Get(get);
                self.wait_for(at, Behind { request: id, prefix, revision }, out);
            }
        }
        Ok(())
    }

    pub(super) fn begin_list(
        &mut self,
        at: Moment,
        id: RequestId,
        endpoint: Endpoint,
        out: &mut Outbox,
    ) -> Result<(), Status> {
        let list = self.list_of(id, endpoint)?;
        self.start_list(at, id, list, out);
        Ok(())
    }

    /// The list that a request asks for.
    pub(super) fn list_of(&self, id: RequestId, endpoint: Endpoint) -> Result<List, Status> {
        let accepted = self.accepted(id)?;
        let Some(work) = self.works.get(&id) else { return Err(Status::internal("the request is gone")) };
        let query = &work.query;
        Include::parse(query.get("includeObject"))?;
        let selection = Selection::of(&endpoint, query)?;
        let limit = match query.get("limit") {
            "" => 0,
            text => text
                .parse::<i64>()
                .map_err(|_| Status::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax")))?,
        };
        let prefix = endpoint.list_prefix(&work.attributes.namespace);
        let from = source(query, &prefix, limit)?;
        Ok(List {
            endpoint,
            prefix,
            selection: selection.into(),
            accepted,
            limit: usize::try_from(limit).unwrap_or(0),
            from,
            found: Vec::new(),
        })
    }

    pub(super) fn start_list(&mut self, at: Moment, id: RequestId, list: List, out: &mut Outbox) {
        let prefix: Arc<str> = list.endpoint.prefix().into();
        let from = list.from.clone();
        let Some(work) = self.works.get_mut(&id) else { return };
        match &mut work.task {
            Task::DeleteAll(all) => all.list = list.clone(),
            task => *task = Task::List(list.clone()),
        }
        match from {
            Source::Cache { at_least } => self.wait_for(at, Behind { request: id, prefix, revision: at_least }, out),
            Source::ConsistentCache => {
                work.pass(Stage::WatchCache, Micros(10), "a consistent list: etcd is asked how far it is");
                work.then = Then::Ask(storage::newest_revision(&list.endpoint.list_prefix("")).into());
                self.go_on(at, id, out);
            }
            Source::Etcd { start, revision, .. } => {
                if let Some(cache) = self.caches.get_mut(&prefix) {
                    cache.misses += 1;
                }
                let limit = page_limit(&list);
                work.pass(Stage::Storage, Micros(20), "etcd is asked for a page");
                work.then = Then::Ask(storage::list(&list.prefix, &start, limit, revision).into());
                self.go_on(at, id, out);
            }
        }
    }

    /// etcd has answered a get or a list.
    pub(super) fn read_stored(
        &mut self,
        at: Moment,
        id: RequestId,
        result: Result<Response, EtcdStatus>,
        out: &mut Outbox,
    ) {
        let Some(work) = self.works.get(&id) else { return };
        let task = work.task.list().map_or_else(|| work.task.clone(), |list| Task::List(list.clone()));
        match (task, result) {
            (Task::List(list), Err(status)) => {
                let status = self.list_refused(&list, &status);
                self.fail(at, id, &status, out);
            }
            (_, Err(status)) => self.fail(at, id, &refused_by_etcd(&status), out),
            (Task::Get(get), Ok(response)) => {
                let found = storage::page(response).entries.into_iter().next();
                let read = match found {
                    None => Err(Status::not_found(get.endpoint.resource(), metadata_name(&get.key))),
                    Some(stored) => self.decode(&get.endpoint, &stored).map(|(object, _)| object),
                };
                match read {
                    Ok(object) => self.got(at, id, &get, &object, out),
                    Err(status) => self.fail(at, id, &status, out),
                }
            }
            (Task::List(list), Ok(response)) if list.from == Source::ConsistentCache => {
                let revision = storage::page(response).revision;
                let prefix = Arc::from(list.endpoint.prefix());
                self.wait_for(at, Behind { request: id, prefix, revision }, out);
            }
            (Task::List(list), Ok(response)) => match self.take_page(list, storage::page(response)) {
                Ok(Paged::More(list)) => self.start_list(at, id, list, out),
                Ok(Paged::Done(list, meta)) => self.give_list(at, id, &list, list.found.clone(), meta, out),
                Err(status) => self.fail(at, id, &status, out),
            },
            _ => {}
        }
    }

    /// Why a list at a revision was refused, in an API server's words.
    fn list_refused(&self, list: &List, status: &EtcdStatus) -> Status {
        let compacted = status.message.contains("required revision has been compacted");
        match &list.from {
            Source::Etcd { is_continued: true, start, .. } if compacted => {
                let why = "The provided continue parameter is too old to display a consistent list result. You can start a \
                    new list without the continue parameter, or use the continue token in this response to retrieve the \
                    remainder of the results. Continuing with the provided token results in an inconsistent list - objects \
                    that were created, modified, or deleted between the time the first chunk was returned and now may show \
                    up in the list.";
                let token = Continue { revision: -1, key: start.clone() }.encode(&list.prefix);
                Status { continue_token: token.unwrap_or_default(), ..Status::expired(why) }
            }
            Source::Etcd { .. } if compacted => {
                Status::expired("The resourceVersion for the provided list is too old.")
            }
            Source::Etcd { revision, .. } if status.message.contains("future revision") => {
                too_large(*revision, self.cache(&list.endpoint).map_or(0, |cache| cache.revision), 0)
            }
            _ => refused_by_etcd(status),
        }
    }

    /// A page of etcd's, of which only what is selected counts.
    fn take_page(&self, mut list: List, page: Page) -> Result<Paged, Status> {
        let Source::Etcd { revision, .. } = &list.from else { return Err(Status::internal("a page without a list")) };
        let (mut next, at) = (None, if *revision > 0 { *revision } else { page.revision });
        let mut taken = 0;
        for stored in &page.entries {
            if list.limit > 0 && list.found.len() >= list.limit {
                break;
            }
            taken += 1;
            let key: Arc<str> = String::from_utf8_lossy(&stored.key).into();
            next = Some(format!("{key}\0"));
            let (object, is_stale) = self.decode(&list.endpoint, stored)?;
            let cached = Cached::new(&list.endpoint, key, stored.revision, &object, is_stale);
            if list.selection.matches(&cached) {
                list.found.push(cached.into());
            }
        }
        let full = list.limit > 0 && list.found.len() >= list.limit;
        let has_more = page.more || taken < page.entries.len();
        match next.filter(|_| has_more) {
            Some(start) if !full => {
                let is_continued = true;
                Ok(Paged::More(List { from: Source::Etcd { start, revision: at, is_continued }, ..list }))
            }
            Some(key) => {
                let token =
                    Continue { revision: at, key }.encode(&list.prefix).map_err(|error| Status::internal(&error))?;
                let remaining = list.selection.is_empty().then(|| page.count - taken as i64);
                Ok(Paged::Done(list, ListMeta { revision: at, continue_token: token, remaining }))
            }
            None => Ok(Paged::Done(list, ListMeta { revision: at, ..ListMeta::default() })),
        }
    }

    /// The cache is as new as a read wants it.
    pub(super) fn caught_up(&mut self, at: Moment, id: RequestId, out: &mut Outbox) {
        let Some(work) = self.works.get_mut(&id) else { return };
        match &work.task {
            Task::Get(get) => {
                let get = get.clone();
                let Some(cache) = self.caches.get_mut(get.endpoint.prefix()) else { return };
                cache.hits += 1;
                work.pass(Stage::WatchCache, Micros(15), format!("the cache holds revision {}", cache.revision));
                let found = cache.get(&get.key).map(|cached| cached.read());
                match found.map(|object| get.endpoint.convert(object)) {
                    Some(Ok(object)) => self.got(at, id, &get, &object, out),
                    Some(Err(error)) => self.fail(at, id, &Status::internal(&error), out),
                    None => {
                        let status = Status::not_found(get.endpoint.resource(), metadata_name(&get.key));
                        self.fail(at, id, &status, out);
                    }
                }
            }
            Task::List(list) | Task::DeleteAll(DeleteAll { list, .. }) => {
                let list = list.clone();
                let Some(cache) = self.caches.get_mut(list.endpoint.prefix()) else { return };
                cache.hits += 1;
                let revision = cache.revision;
                let found: Vec<Arc<Cached>> =
                    cache.range(&list.prefix).filter(|object| list.selection.matches(object)).cloned().collect();
                work.pass(
                    Stage::WatchCache,
                    Micros(15 + found.len() as u64),
                    format!("the cache holds revision {revision}"),
                );
                self.give_list(at, id, &list, found, ListMeta { revision, ..ListMeta::default() }, out);
            }
            Task::Watch(_) => self.open_watch(at, id, out),
            Task::Write(_) => self.change(at, id, out),
            _ => {}
        }
    }

    /// A consistent list whose cache has not caught up is read from etcd after all.
    pub(super) fn list_from_etcd(&mut self, at: Moment, id: RequestId, out: &mut Outbox) -> bool {
        let Some(list) = self.works.get(&id).and_then(|work| work.task.list()) else { return false };
        if list.from != Source::ConsistentCache {
            return false;
        }
        let from = Source::Etcd { start: list.prefix.clone(), revision: 0, is_continued: false };
        self.start_list(at, id, List { from, ..list.clone() }, out);
        true
    }

    fn got(&mut self, at: Moment, id: RequestId, get: &Get, object: &serde_json::Value, out: &mut Outbox) {
        let Some(work) = self.works.get(&id) else { return };
        let now = self.clock(at.now);
        if get.subresource == "log" {
            let refused = kubelets::logs(object, work.query.get("container"));
            return self.fail(at, id, &refused, out);
        }
        let response = if get.subresource == "scale" {
            let scale = super::scale::of(&get.endpoint, object);
            respond::value(200, &scale, get.accepted.media, work)
        } else {
            respond::object(200, &get.endpoint, object, get.accepted, work, now)
        };
        self.finish(at, id, Micros(20), response, out);
    }

    fn give_list(
        &mut self,
        at: Moment,
        id: RequestId,
        list: &List,
        found: Vec<Arc<Cached>>,
        meta: ListMeta,
        out: &mut Outbox,
    ) {
        let Some(work) = self.works.get_mut(&id) else { return };
        if let Task::DeleteAll(all) = &mut work.task {
            all.left = found.into();
            all.revision = meta.revision;
            return self.delete_next(at, id, out);
        }
        let now = self.clock(at.now);
        let Some(work) = self.works.get(&id) else { return };
        let response = respond::list(&list.endpoint, &found, &meta, list.accepted, work, now);
        self.finish(at, id, Micros(20 + found.len() as u64 * 2), response, out);
    }

    pub(super) fn stored(&mut self, at: Moment, id: RequestId, result: Result<Response, EtcdStatus>, out: &mut Outbox) {
        match self.works.get(&id).map(|work| &work.task) {
            Some(Task::Write(_)) => self.write_stored(at, id, result, out),
            Some(Task::Health) => self.health_stored(at, id, result, out),
            Some(Task::Watch(_)) => self.watch_stored(at, id, result, out),
            Some(_) => self.read_stored(at, id, result, out),
            None => {}
        }
    }
}

enum Paged {
    /// The page held too little that is selected.
    More(List),
    Done(List, ListMeta),
}

/// A revision that the server does not know yet.
pub fn too_large(revision: i64, current: i64, retry_seconds: u32) -> Status {
    let message = format!("Too large resource version: {revision}, current: {current}");
    let mut status = Status::timeout(&message, retry_seconds);
    let cause = crate::k8s::meta::status::Cause {
        reason: "ResourceVersionTooLarge".to_owned(),
        message: "Too large resource version".to_owned(),
        field: String::new(),
    };
    status.details.get_or_insert_default().causes.push(cause);
    status
}

/// The name at the end of a key.
pub fn metadata_name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or_default()
}

fn page_limit(list: &List) -> i64 {
    match (list.limit, list.selection.is_empty()) {
        (0, _) => 0,
        (limit, true) => limit as i64,
        (limit, false) => (limit * 2).min(PAGE_MAX) as i64,
    }
}

/// Where a list is to come from. Upstream: `shouldDelegateList` and `ValidateListOptions`.
fn source(query: &Query, prefix: &str, limit: i64) -> Result<Source, Status> {
    let revision = revision_of(query)?;
    let rule = query.get("resourceVersionMatch");
    let token = query.get("continue");
    super::options::check_list(query)?;
    if !token.is_empty() {
        let Continue { revision, key } = Continue::decode(token, prefix)
            .map_err(|error| Status::bad_request(format!("invalid continue token: {error}")))?;
        return Ok(Source::Etcd { start: key, revision: revision.max(0), is_continued: true });
    }
    let start = prefix.to_owned();
    Ok(match (revision, rule) {
        (Some(revision), "Exact") => Source::Etcd { start, revision, is_continued: false },
        (None, _) if limit > 0 => Source::Etcd { start, revision: 0, is_continued: false },
        (None, _) => Source::ConsistentCache,
        // A page of a revision was exact before there were rules.
        (Some(revision), "") if limit > 0 && revision > 0 => Source::Etcd { start, revision, is_continued: false },
        (Some(revision), _) => Source::Cache { at_least: revision },
    })
}
