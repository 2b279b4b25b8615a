//! Creates, updates, patches and deletes: the loop of reading, changing, judging and writing with a compare-and-swap.
//!
//! Upstream: `Store.Create`, `Store.Update` and `Store.Delete` of the generic registry, `GuaranteedUpdate` of etcd3's store,
//! `handlers/{create,update,patch,delete}.go`.

use super::endpoint::Endpoint;
use super::metadata::{self, DeleteOptions, Deletion, Propagation};
use super::negotiation::{self, Accepted};
use super::read::{metadata_name, refused_by_etcd};
use super::server::{ApiServer, Behind, Moment};
use super::storage::{self, Stored, Written};
use super::work::{Caller, Change, Charge, Current, DeleteAll, Outcome, RequestId, Stage, Task, Then, Work, Write};
use super::{Outbox, definitions, options, questions, respond, scale};
use crate::etcd::api::{Request, Response};
use crate::etcd::error::Status as EtcdStatus;
use crate::etcd::http::HttpResponse;
use crate::k8s::codec::{self, MediaType};
use crate::k8s::managed;
use crate::k8s::meta::status::{Qualified, Status};
use crate::k8s::patch::{self, FieldValidation, PatchType, Patched};
use crate::k8s::schema::Schema;
use crate::k8s::{json, yaml};
use crate::sim::Micros;
use bytes::Bytes;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;

/// How often a generated name is tried anew. Upstream: `maxNameGenerationCreateAttempts`.
const NAMES_MAX: u32 = 8;
/// How often a patch meets somebody else's write before the client is told. Upstream: `MaxRetryWhenPatchConflicts`.
const PATCHES_MAX: u32 = 5;
/// Of a body. Upstream: `MaxRequestBodyBytes`.
const BODY_MAX: usize = 3 << 20;

/// What this lab does not have says so.
pub fn not_built(endpoint: &Endpoint, subresource: &str) -> Status {
    let mut status = Status::method_not_supported(endpoint.resource(), "");
    (status.code, status.reason) = (501, "NotImplemented");
    status.message = format!("the subresource {}/{subresource} is not built into this lab", endpoint.resource());
    status
}

impl ApiServer {
    pub(super) fn begin_write(
        &mut self,
        at: Moment,
        id: RequestId,
        endpoint: Endpoint,
        out: &mut Outbox,
    ) -> Result<(), Status> {
        let accepted = self.accepted(id)?;
        let Some(work) = self.works.get_mut(&id) else { return Ok(()) };
        check_size(&work.request.body)?;
        if questions::is_one(work, &endpoint) {
            let body = read_question(work, &endpoint)?;
            work.pass(Stage::Decoding, Micros(20), format!("{} bytes", work.request.body.len()));
            return self.ask(at, id, body, out);
        }
        let change = read_change(work, &endpoint)?;
        let cost = Micros(20 + work.request.body.len() as u64 / 50);
        work.pass(Stage::Decoding, cost, format!("{} bytes", work.request.body.len()));
        let attributes = &work.attributes;
        let dry_run = match &change {
            Change::Delete { options } => options.dry_run,
            _ => work.query.has("dryRun"),
        };
        let write = Write {
            key: endpoint.key(&attributes.namespace, &attributes.name),
            endpoint,
            accepted,
            manager: manager(work),
            dry_run,
            current: None,
            is_cached: false,
            outcome: Outcome::None,
            tries: 0,
            charges: VecDeque::new(),
            change,
        };
        let creates = matches!(write.change, Change::Create { .. });
        work.task = Task::Write(write.into());
        if creates {
            self.change(at, id, out);
        } else {
            self.look_up(at, id, out);
        }
        Ok(())
    }

    /// Takes the object from the cache, if it is there, and asks etcd if not.
    fn look_up(&mut self, at: Moment, id: RequestId, out: &mut Outbox) {
        let Some(Task::Write(write)) = self.works.get(&id).map(|work| &work.task) else { return };
        let cached =
            self.cache(&write.endpoint).filter(|cache| cache.is_ready()).and_then(|cache| cache.get(&write.key));
        let Some(cached) = cached.cloned() else { return self.read_current(at, id, out) };
        let object = write.endpoint.convert(cached.read()).unwrap_or_default();
        let current = Current { revision: cached.revision, object: object.into(), is_stale: cached.is_stale };
        if let Some(Task::Write(write)) = self.works.get_mut(&id).map(|work| &mut work.task) {
            (write.current, write.is_cached) = (Some(current), true);
        }
        self.change(at, id, out);
    }

    fn read_current(&mut self, at: Moment, id: RequestId, out: &mut Outbox) {
        let Some(work) = self.works.get_mut(&id) else { return };
        let Task::Write(write) = &mut work.task else { return };
        (write.current, write.is_cached, write.outcome) = (None, false, Outcome::None);
        let request = storage::get(&write.key);
        work.pass(Stage::Storage, Micros(20), "etcd is asked what the key holds");
        work.then = Then::Ask(request.into());
        self.go_on(at, id, out);
    }

    /// Changes the object as it is known, judges the result, and has it written.
    pub(super) fn change(&mut self, at: Moment, id: RequestId, out: &mut Outbox) {
        let Some(mut work) = self.works.remove(&id) else { return };
        let Task::Write(mut write) = std::mem::replace(&mut work.task, Task::None) else { return };
        write.tries += 1;
        let changed = self.changed(at, &mut work, &mut write);
        let is_cached = write.is_cached;
        if let Ok(outcome) = &changed {
            write.outcome = outcome.clone();
        }
        work.task = Task::Write(write);
        self.works.insert(id, work);
        match changed {
            // What was read from the cache may have been too old to judge, or to be as etcd should have it.
            Err(_) | Ok(Outcome::Keep(_)) if is_cached => self.read_current(at, id, out),
            Err(status) => self.fail(at, id, &status, out),
            Ok(_) => self.persist(at, id, out),
        }
    }

    fn persist(&mut self, at: Moment, id: RequestId, out: &mut Outbox) {
        let Some(Task::Write(write)) = self.works.get_mut(&id).map(|work| &mut work.task) else { return };
        if let Some(charge) = write.charges.front().filter(|_| !write.dry_run).cloned() {
            let asked = self.charge(&charge);
            return self.ask_storage(at, id, asked, out);
        }
        if write.dry_run || matches!(write.outcome, Outcome::Keep(_) | Outcome::None) {
            return self.write_done(at, id, None, out);
        }
        let (endpoint, key) = (write.endpoint.clone(), write.key.clone());
        let revision = write.current.as_ref().map_or(0, |current| current.revision);
        let outcome = std::mem::replace(&mut write.outcome, Outcome::None);
        let asked = match &outcome {
            Outcome::Create(object) => self
                .encode(&endpoint, &key, object)
                .map(|value| (storage::create(&key, value, 0), format!("{key} is created if it does not exist"))),
            Outcome::Update(object) => self.encode(&endpoint, &key, object).map(|value| {
                let said = format!("{key} is written if it is still at revision {revision}");
                (storage::update(&key, revision, value, 0), said)
            }),
            _ => {
                Ok((storage::delete(&key, revision), format!("{key} is deleted if it is still at revision {revision}")))
            }
        };
        if let Some(Task::Write(write)) = self.works.get_mut(&id).map(|work| &mut work.task) {
            write.outcome = outcome;
        }
        self.ask_storage(at, id, asked, out);
    }

    fn charge(&mut self, charge: &Charge) -> Result<(Request, String), Status> {
        let object = &charge.object;
        let endpoint = Endpoint::stored_as(charge.group, charge.resource).expect("it was found in the registry");
        let key = endpoint.key(metadata::text(object, "namespace"), metadata::text(object, "name"));
        let revision = metadata::text(object, "resourceVersion").parse().unwrap_or(0);
        let value = self.encode(&endpoint, &key, object)?;
        let said = format!("{key} is charged if it is still at revision {revision}");
        Ok((storage::update(&key, revision, value, 0), said))
    }

    fn ask_storage(&mut self, at: Moment, id: RequestId, asked: Result<(Request, String), Status>, out: &mut Outbox) {
        let (request, said) = match asked {
            Ok(asked) => asked,
            Err(status) => return self.fail(at, id, &status, out),
        };
        let Some(work) = self.works.get_mut(&id) else { return };
        work.pass(Stage::Storage, Micros(20), said);
        work.then = Then::Ask(request.into());
        self.go_on(at, id, out);
    }

    /// etcd has answered a write, or what a write wanted to know first.
    pub(super) fn write_stored(
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
        let Some(Task::Write(write)) = self.works.get(&id).map(|work| &work.task) else { return };
        let endpoint = write.endpoint.clone();
        if let Response::Range(_) = response {
            let found = storage::page(response).entries.into_iter().next();
            return self.found_current(at, id, &endpoint, found, out);
        }
        if let Some(Task::Write(write)) = self.works.get_mut(&id).map(|work| &mut work.task)
            && let Some(charge) = write.charges.pop_front()
        {
            return self.charge_written(at, id, charge.resource, storage::written(response), out);
        }
        let Some(Task::Write(_)) = self.works.get(&id).map(|work| &work.task) else { return };
        match storage::written(response) {
            Written::Done { revision } => self.write_done(at, id, Some(revision), out),
            Written::Lost { current } => self.write_lost(at, id, &endpoint, current, out),
        }
    }

    /// It was charged; or somebody else charged it meanwhile, and the object is judged anew when that is known here.
    fn charge_written(&mut self, at: Moment, id: RequestId, resource: &str, written: Written, out: &mut Outbox) {
        let newest = match written {
            Written::Done { .. } => return self.persist(at, id, out),
            Written::Lost { current } => current.map_or(0, |current| current.revision),
        };
        let prefix = Arc::from(resource);
        self.wait_for(at, Behind { request: id, prefix, revision: newest }, out);
    }

    fn found_current(
        &mut self,
        at: Moment,
        id: RequestId,
        endpoint: &Endpoint,
        found: Option<Stored>,
        out: &mut Outbox,
    ) {
        let current = match found.map(|stored| self.decode(endpoint, &stored).map(|decoded| (decoded, stored.revision)))
        {
            None => None,
            Some(Ok(((object, is_stale), revision))) => Some(Current { revision, object: object.into(), is_stale }),
            Some(Err(status)) => return self.fail(at, id, &status, out),
        };
        if let Some(Task::Write(write)) = self.works.get_mut(&id).map(|work| &mut work.task) {
            (write.current, write.is_cached) = (current, false);
        }
        self.change(at, id, out);
    }

    /// Somebody wrote the key in between.
    fn write_lost(
        &mut self,
        at: Moment,
        id: RequestId,
        endpoint: &Endpoint,
        current: Option<Stored>,
        out: &mut Outbox,
    ) {
        let Some(Task::Write(write)) = self.works.get(&id).map(|work| &work.task) else { return };
        if let (Outcome::Create(object), Change::Create { object: asked }) = (&write.outcome, &write.change) {
            let name = metadata::text(object, "name");
            if metadata::text(asked, "name").is_empty() {
                if write.tries < NAMES_MAX {
                    return self.change(at, id, out);
                }
                let status = Status::generate_name_conflict(endpoint.resource(), name, 1);
                return self.fail(at, id, &status, out);
            }
            let status = Status::already_exists(endpoint.resource(), name);
            return self.fail(at, id, &status, out);
        }
        if matches!(write.change, Change::Patch { .. }) && write.tries > PATCHES_MAX {
            let status = Status::modified(endpoint.resource(), metadata_name(&write.key));
            return self.fail(at, id, &status, out);
        }
        self.found_current(at, id, endpoint, current, out);
    }

    /// It is written, at this revision; or, with none, nothing had to be or was to be.
    fn write_done(&mut self, at: Moment, id: RequestId, revision: Option<i64>, out: &mut Outbox) {
        let now = self.clock(at.now);
        let Some(work) = self.works.get_mut(&id) else { return };
        let Task::Write(write) = &mut work.task else { return };
        let (code, mut object, removed) = match std::mem::replace(&mut write.outcome, Outcome::None) {
            Outcome::Create(object) => (201, object, false),
            Outcome::Update(object) | Outcome::Keep(object) => (200, object, false),
            Outcome::Remove(object) => (200, object, true),
            Outcome::None => (200, Value::Null, false),
        };
        if let Some(revision) = revision {
            metadata::set(&mut object, "resourceVersion", revision.to_string());
        }
        let write = write.clone();
        if !removed {
            object = write.endpoint.fill(object).unwrap_or_default();
        }
        let Some(work) = self.works.get(&id) else { return };
        let response = match &write.change {
            Change::Delete { .. } if removed && !write.endpoint.returns_deleted() => {
                let (name, uid) = (metadata::text(&object, "name"), metadata::text(&object, "uid"));
                respond::value(200, &respond::success(&write.endpoint, name, uid), write.accepted.media, work)
            }
            Change::Bind { .. } | Change::Evict { .. } => {
                respond::value(201, &respond::plain_success(201), write.accepted.media, work)
            }
            Change::Scale { .. } | Change::Patch { .. } if work.attributes.subresource == "scale" => {
                respond::value(code, &scale::of(&write.endpoint, &object), write.accepted.media, work)
            }
            _ => respond::object(code, &write.endpoint, &object, write.accepted, work, now),
        };
        self.finish(at, id, Micros(20), response, out);
    }

    // Deletion of all that a list finds.

    pub(super) fn begin_delete_all(
        &mut self,
        at: Moment,
        id: RequestId,
        endpoint: Endpoint,
        out: &mut Outbox,
    ) -> Result<(), Status> {
        let list = self.list_of(id, endpoint)?;
        let Some(work) = self.works.get_mut(&id) else { return Ok(()) };
        let options = DeleteOptions::of(&read_options(&work.request.body)?, &work.query)?;
        let all = DeleteAll { list: list.clone(), options, left: VecDeque::new(), deleted: Vec::new(), revision: 0 };
        work.task = Task::DeleteAll(all);
        self.start_list(at, id, list, out);
        Ok(())
    }

    /// Deletes the next of them as a request of its own; when none is left, tells which they were.
    pub(super) fn delete_next(&mut self, at: Moment, id: RequestId, out: &mut Outbox) {
        let Some(work) = self.works.get_mut(&id) else { return };
        let Task::DeleteAll(all) = &mut work.task else { return };
        let Some(next) = all.left.pop_front() else {
            let all = all.clone();
            return self.deleted_all(at, id, &all, out);
        };
        all.deleted.push(next.read());
        let write = Write {
            endpoint: all.list.endpoint.clone(),
            key: next.key.to_string(),
            change: Change::Delete { options: all.options.clone() },
            accepted: Accepted::JSON,
            manager: String::new(),
            dry_run: all.options.dry_run,
            current: None,
            is_cached: false,
            outcome: Outcome::None,
            tries: 0,
            charges: VecDeque::new(),
        };
        self.delete_one(at, id, write, out);
    }

    fn delete_one(&mut self, at: Moment, whole: RequestId, write: Write, out: &mut Outbox) {
        let Some(work) = self.works.get(&whole) else { return };
        let mut attributes = work.attributes.clone();
        attributes.verb = "delete".to_owned();
        attributes.name = metadata_name(&write.key).to_owned();
        if write.endpoint.is_namespaced() {
            let path = write.key.rsplit('/').nth(1);
            attributes.namespace = path.unwrap_or_default().to_owned();
        }
        let part = Work {
            caller: Caller::Request(whole),
            request: work.request.clone(),
            query: work.query.clone(),
            attributes,
            began: work.began,
            cause: at.event,
            passing: VecDeque::new(),
            then: Then::Wait,
            task: Task::Write(write.into()),
            warnings: Vec::new(),
            sorted: None,
        };
        self.requests += 1;
        let id = RequestId(self.requests);
        self.works.insert(id, part);
        self.look_up(at, id, out);
    }

    /// One of them is deleted, or was gone before.
    pub(super) fn deleted_one(&mut self, at: Moment, whole: RequestId, response: &HttpResponse, out: &mut Outbox) {
        if response.status < 300 || response.status == 404 {
            return self.delete_next(at, whole, out);
        }
        if let Some(work) = self.works.get_mut(&whole) {
            work.then = Then::Answer(response.clone().into());
            self.go_on(at, whole, out);
        }
    }

    fn deleted_all(&mut self, at: Moment, id: RequestId, all: &DeleteAll, out: &mut Outbox) {
        let Some(work) = self.works.get(&id) else { return };
        let items = respond::items(&all.list.endpoint, all.deleted.clone(), all.revision);
        let response = respond::value(200, &items, all.list.accepted.media, work);
        self.finish(at, id, Micros(20), response, out);
    }
}

fn check_size(body: &Bytes) -> Result<(), Status> {
    if body.len() > BODY_MAX {
        return Err(Status::request_entity_too_large(&format!("limit is {BODY_MAX}")));
    }
    Ok(())
}

/// `fieldManager`, or what the client's name begins with. Upstream: `managerOrUserAgent`.
fn manager(work: &Work) -> String {
    match work.query.get("fieldManager") {
        "" => managed::name_of_agent(work.request.header("User-Agent").unwrap_or_default()),
        named => named.to_owned(),
    }
}

fn read_options(body: &Bytes) -> Result<Value, Status> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let text = String::from_utf8_lossy(body);
    let parsed = match body.first() {
        Some(b'{') => json::parse(body).map(|document| document.value).map_err(|error| error.message),
        Some(_) if body.starts_with(b"k8s\0") => crate::k8s::protobuf::from_bytes(Schema::kubernetes(), body),
        _ => yaml::parse(&text).map(|document| document.value).map_err(|error| error.to_string()),
    };
    parsed.map_err(|error| Status::bad_request(format!("unable to read the delete options: {error}")))
}

/// The body of a question. That of a token is of another kind than its resource.
fn read_question(work: &mut Work, endpoint: &Endpoint) -> Result<Value, Status> {
    if work.attributes.subresource == "token" {
        return read_other(work, "authentication.k8s.io/v1", "TokenRequest");
    }
    read_body(work, endpoint)
}

/// What a request wants to change.
fn read_change(work: &mut Work, endpoint: &Endpoint) -> Result<Change, Status> {
    let (verb, subresource) = (work.attributes.verb.clone(), work.attributes.subresource.clone());
    let kind = match verb.as_str() {
        "create" => "CreateOptions",
        "update" => "UpdateOptions",
        _ => "PatchOptions",
    };
    if verb != "delete" {
        options::check_write(&work.query, kind)?;
    }
    match (verb.as_str(), subresource.as_str()) {
        ("delete", "") => {
            let options = DeleteOptions::of(&read_options(&work.request.body)?, &work.query)?;
            Ok(Change::Delete { options })
        }
        ("patch", "" | "status" | "scale" | "ephemeralcontainers" | "approval" | "finalize") => {
            let content_type = work.request.header("Content-Type").unwrap_or_default();
            let kind = PatchType::of_content_type(content_type, endpoint.is_custom())?;
            let validation = FieldValidation::parse(work.query.get("fieldValidation")).unwrap_or_default();
            if kind == PatchType::Apply && work.query.get("fieldManager").is_empty() {
                let error =
                    crate::k8s::meta::status::FieldError::required("fieldManager", "is required for apply patch");
                let kind = Qualified { name: "PatchOptions", group: "meta.k8s.io" };
                return Err(Status::invalid(kind, "", &[error]));
            }
            let force = work.query.flag("force");
            Ok(Change::Patch { kind, validation, body: work.request.body.clone(), force })
        }
        ("create", "eviction") => Ok(Change::Evict { eviction: read_other(work, "policy/v1", "Eviction")? }),
        ("create", "binding") => Ok(Change::Bind { binding: read_other(work, "v1", "Binding")? }),
        ("update", "scale") => Ok(Change::Scale { scale: read_other(work, "autoscaling/v1", "Scale")? }),
        ("create", "") => Ok(Change::Create { object: read_body(work, endpoint)? }),
        ("update", "" | "status" | "ephemeralcontainers" | "approval" | "finalize") => {
            let object = read_body(work, endpoint)?;
            check_name(work, &object)?;
            Ok(Change::Replace { object })
        }
        (_, subresource) => Err(not_built(endpoint, subresource)),
    }
}

pub fn check_name(work: &Work, object: &Value) -> Result<(), Status> {
    let (own, asked) = (metadata::text(object, "name"), &work.attributes.name);
    if own == asked {
        return Ok(());
    }
    if own.is_empty() {
        return Err(Status::bad_request("name must be provided"));
    }
    Err(Status::bad_request(format!("the name of the object ({own}) does not match the name on the URL ({asked})")))
}

/// The body as an object of the resource; what is wrong with it as strictly as the request wants.
fn read_body(work: &mut Work, endpoint: &Endpoint) -> Result<Value, Status> {
    let media = negotiation::body_type(&work.request)?;
    let body = endpoint.read(media, &work.request.body)?;
    match work.query.get("fieldValidation") {
        "Strict" => {
            if let Some(status) = endpoint.strict_error(&body) {
                return Err(status);
            }
        }
        "Ignore" => {}
        _ => work.warnings.extend(body.problems),
    }
    Ok(body.object)
}

/// The body of a subresource whose kind is not the resource's.
fn read_other(work: &Work, api_version: &str, kind: &str) -> Result<Value, Status> {
    let media = negotiation::body_type(&work.request)?;
    let resource = crate::k8s::registry::of_kind(api_version, kind);
    if let Some(resource) = resource {
        return codec::decode_body(Schema::kubernetes(), resource, media, &work.request.body).map(|body| body.object);
    }
    let schema = Schema::kubernetes();
    let unreadable = |error: String| Status::bad_request(format!("unable to read the {kind}: {error}"));
    let value = match media {
        MediaType::Protobuf => return crate::k8s::protobuf::from_bytes(schema, &work.request.body).map_err(unreadable),
        MediaType::Json => json::parse(&work.request.body).map_err(|error| unreadable(error.message))?.value,
        MediaType::Yaml => {
            let text = String::from_utf8_lossy(&work.request.body);
            yaml::parse(&text).map_err(|error| unreadable(error.to_string()))?.value
        }
    };
    let message = schema.kind(api_version, kind).ok_or_else(|| unreadable("no such kind".to_owned()))?;
    crate::k8s::typed::decode(schema, message, value).map(|decoded| decoded.value).map_err(unreadable)
}

/// The configuration of a server-side apply as it came, and what its client is warned of. It is not brought into the form of
/// its kind: what the form or a default adds, nobody applied, and a field that the kind lacks is refused where it is merged.
pub fn applied(write: &Write) -> Result<(Value, Vec<String>), Status> {
    let Change::Patch { validation, body, .. } = &write.change else { return Err(Status::internal("no patch")) };
    patch::read_applied(body, *validation)
}

/// The patched object, and what its client is warned of.
pub fn patched(write: &Write, current: &Value) -> Result<(Value, Vec<String>), Status> {
    let Change::Patch { kind, validation, body, .. } = &write.change else {
        return Err(Status::internal("no patch"));
    };
    let message = write.endpoint.message();
    let patched = patch::apply(Schema::kubernetes(), message, *kind, *validation, current, body)?;
    if message.is_some() {
        let object = write.endpoint.fill(patched.object).map_err(Status::bad_request)?;
        return Ok((object, patched.problems));
    }
    // What a custom resource's schema says is not known to the patch.
    let shown = json::to_string(&patched.object);
    let (object, unknown) = write.endpoint.typed(patched.object)?;
    let settled = Patched { object, problems: patched.problems };
    let settled = patch::settle(Ok(settled), unknown, &shown, *validation)?;
    Ok((settled.object, settled.problems))
}

/// What a deletion comes to.
pub fn deleted(
    write: &Write,
    options: &DeleteOptions,
    current: &Arc<Value>,
    now: super::Time,
) -> Result<Outcome, Status> {
    options.check(&write.endpoint, current)?;
    let grace = write.endpoint.grace_period(current, options.grace_period_seconds);
    if write.endpoint.is_namespace() {
        return delete_namespace(write, current, now);
    }
    if write.endpoint.is_definition() {
        return Ok(delete_definition(current, now));
    }
    let propagation = propagation(&write.endpoint, options, current);
    Ok(match metadata::delete(current, propagation, grace, now) {
        Deletion::Now => Outcome::Remove(current.as_ref().clone()),
        Deletion::Later(marked) => Outcome::Update(marked),
        Deletion::Already => Outcome::Keep(current.as_ref().clone()),
    })
}

/// What becomes of dependents: as the request says, or as an earlier one did, or as the kind has it.
/// Upstream: `shouldOrphanDependents`.
fn propagation(endpoint: &Endpoint, options: &DeleteOptions, current: &Value) -> Option<Propagation> {
    let is_settled = metadata::is_garbage_settled(current);
    options.propagation.or_else(|| (!is_settled && endpoint.orphans_by_default()).then_some(Propagation::Orphan))
}

/// A definition goes when its objects have gone. Upstream: `REST.Delete` of `pkg/registry/customresourcedefinition`.
fn delete_definition(current: &Arc<Value>, now: super::Time) -> Outcome {
    if metadata::is_being_deleted(current) {
        return Outcome::Keep(current.as_ref().clone());
    }
    let mut marked = current.as_ref().clone();
    let since = now.format(crate::k8s::meta::time::Precision::Seconds);
    metadata::set(&mut marked, "deletionTimestamp", since.as_str());
    let mut finalizers = metadata::finalizers(current);
    if !finalizers.iter().any(|name| name == definitions::FINALIZER) {
        finalizers.push(definitions::FINALIZER.to_owned());
    }
    metadata::set(&mut marked, "finalizers", finalizers);
    let terminating = serde_json::json!({
        "type": "Terminating", "status": "True", "lastTransitionTime": since, "reason": "InstanceDeletionPending",
        "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
    });
    if let Some(conditions) = marked["status"]["conditions"].as_array_mut() {
        conditions.push(terminating);
    }
    Outcome::Update(marked)
}

/// A namespace goes when its content has gone. Upstream: `pkg/registry/core/namespace/storage`.
fn delete_namespace(write: &Write, current: &Arc<Value>, now: super::Time) -> Result<Outcome, Status> {
    let finalizers = current.pointer("/spec/finalizers").and_then(Value::as_array);
    if metadata::is_being_deleted(current) && finalizers.is_none_or(Vec::is_empty) {
        return Ok(Outcome::Remove(current.as_ref().clone()));
    }
    if !metadata::is_being_deleted(current) {
        let mut marked = current.as_ref().clone();
        metadata::set(&mut marked, "deletionTimestamp", now.format(crate::k8s::meta::time::Precision::Seconds));
        marked["status"]["phase"] = "Terminating".into();
        return Ok(Outcome::Update(marked));
    }
    let why = "The system is ensuring all content is removed from this namespace.  Upon completion, this namespace will \
        automatically be purged by the system.";
    Err(Status::conflict(write.endpoint.resource(), metadata::text(current, "name"), why))
}
