//! What a change makes of an object: from the request and from what the key holds to what is to be written.

use super::admission::{self, Operation, QuotaCharge, Review};
use super::authorization::escalation;
use super::endpoint::Endpoint;
use super::metadata;
use super::server::{ApiServer, Moment};
use super::work::{Change, Charge, Current, Outcome, Stage, Work, Write};
use super::{Time, scale, write};
use crate::k8s::managed::{self, Actor};
use crate::k8s::meta::status::{FieldError, Status};
use crate::k8s::meta::time::Precision;
use crate::k8s::patch::{self, PatchType};
use crate::k8s::schema::Schema;
use crate::sim::Micros;
use serde_json::{Value, json};
use std::sync::Arc;

impl ApiServer {
    /// Computes and judges what a write comes to.
    pub(super) fn changed(&mut self, at: Moment, work: &mut Work, write: &mut Write) -> Result<Outcome, Status> {
        let now = self.clock(at.now);
        let current = write.current.clone();
        if let Change::Create { object } = &write.change {
            return self.create(now, work, write, object.clone());
        }
        let name = work.attributes.name.clone();
        let Some(Current { object: old, revision, is_stale }) = current else {
            return self.change_nothing(now, work, write, &name);
        };
        let object = match &write.change {
            Change::Delete { options } => {
                let options = options.clone();
                self.judge(now, work, write, None, Some(&old))?;
                return write::deleted(write, &options, &old, now);
            }
            Change::Evict { eviction } => {
                let eviction = eviction.clone();
                return self.evict(now, work, write, &eviction, &old);
            }
            Change::Create { .. } => return Err(Status::internal("a create has nothing to change")),
            Change::Replace { object } => {
                let unconditional = write.endpoint.allows_unconditional_update();
                metadata::check_revision(&write.endpoint, object, revision, unconditional)?;
                check_uid(&write.endpoint, object, &old)?;
                object.clone()
            }
            Change::Patch { kind: PatchType::Apply, .. } => {
                return self.apply(now, work, write, Some((old, is_stale)));
            }
            Change::Patch { kind, validation, body, .. } if work.attributes.subresource == "scale" => {
                // It is the Scale that is patched, and what it says then is done to the object.
                let schema = Schema::kubernetes();
                let message = schema.kind("autoscaling/v1", "Scale");
                let shown = scale::of(&write.endpoint, &old);
                let patched = patch::apply(schema, message, *kind, *validation, &shown, body)?;
                scaled(write, &old, revision, &name, &patched.object)?
            }
            Change::Patch { .. } => {
                let (object, warnings) = write::patched(write, &old)?;
                for warning in warnings {
                    if !work.warnings.contains(&warning) {
                        work.warnings.push(warning);
                    }
                }
                metadata::check_revision(&write.endpoint, &object, revision, true)?;
                object
            }
            Change::Bind { binding } => bind(&write.endpoint, &old, binding, now)?,
            Change::Scale { scale } => scaled(write, &old, revision, &name, scale)?,
        };
        self.update(now, work, write, object, &old, is_stale)
    }

    fn create(&mut self, now: Time, work: &mut Work, write: &mut Write, mut object: Value) -> Result<Outcome, Status> {
        let endpoint = write.endpoint.clone();
        metadata::place(&endpoint, &work.attributes, &mut object, true)?;
        if !is_apply(write) {
            object = self.track(now, work, write, object, None);
        }
        metadata::begin(&mut object, now, &mut self.prng);
        let mut object = self.mutate(now, work, write, object, None)?;
        endpoint.prepare_for_create(&mut object, &work.attributes.user.clone());
        let object = self.settle(&endpoint, object)?;
        let object = self.allocate(&endpoint, object)?;
        pass_validation(work, endpoint.validate("", &object, None))?;
        self.judge(now, work, write, Some(&object), None)?;
        write.key = endpoint.key(&work.attributes.namespace, metadata::text(&object, "name"));
        Ok(Outcome::Create(object))
    }

    fn update(
        &mut self,
        now: Time,
        work: &mut Work,
        write: &mut Write,
        mut object: Value,
        old: &Arc<Value>,
        is_stale: bool,
    ) -> Result<Outcome, Status> {
        let endpoint = write.endpoint.clone();
        let subresource = work.attributes.subresource.clone();
        metadata::place(&endpoint, &work.attributes, &mut object, false)?;
        if !is_apply(write) {
            object = self.track(now, work, write, object, Some(old));
        }
        let mut object = self.mutate(now, work, write, object, Some(old))?;
        if subresource != "binding" {
            endpoint.prepare_for_update(&subresource, &mut object, old);
            endpoint.stamp(&mut object, old, now);
        }
        metadata::set(&mut object, "resourceVersion", metadata::text(old, "resourceVersion"));
        let object = self.settle(&endpoint, object)?;
        pass_validation(work, endpoint.validate(&subresource, &object, Some(old)))?;
        self.judge(now, work, write, Some(&object), Some(old))?;
        if is_gone(&endpoint, &object) {
            return Ok(Outcome::Remove(object));
        }
        if managed::is_same_but_for_times(&object, old) && !is_stale {
            return Ok(Outcome::Keep(old.as_ref().clone()));
        }
        Ok(Outcome::Update(object))
    }

    /// Notes who owns what of a new object.
    fn track(&self, now: Time, work: &Work, write: &Write, object: Value, old: Option<&Arc<Value>>) -> Value {
        let api_version = write.endpoint.api_version();
        let actor = actor(now, work, write, &api_version);
        let resets = write.endpoint.resets(&work.attributes.subresource);
        managed::update(&write.endpoint.types(), old.map(|old| &**old), object, &actor, &resets)
    }

    /// Server-side apply.
    fn apply(
        &mut self,
        now: Time,
        work: &mut Work,
        write: &mut Write,
        live: Option<(Arc<Value>, bool)>,
    ) -> Result<Outcome, Status> {
        let (applied, warnings) = write::applied(write)?;
        for warning in warnings {
            if !work.warnings.contains(&warning) {
                work.warnings.push(warning);
            }
        }
        write::check_name(work, &applied)?;
        let api_version = write.endpoint.api_version();
        let resets = write.endpoint.resets(&work.attributes.subresource);
        let force = matches!(write.change, Change::Patch { force: true, .. });
        let merged = {
            let actor = actor(now, work, write, &api_version);
            let known = live.as_ref().map(|(live, _)| &**live);
            managed::apply(&write.endpoint.types(), known, applied, &actor, force, &resets)?
        };
        let merged = self.settle(&write.endpoint, merged)?;
        match live {
            Some((live, is_stale)) => self.update(now, work, write, merged, &live, is_stale),
            None if work.attributes.subresource.is_empty() => self.create(now, work, write, merged),
            None => Err(Status::not_found(write.endpoint.resource(), &work.attributes.name)),
        }
    }

    /// The key holds nothing.
    fn change_nothing(&mut self, now: Time, work: &mut Work, write: &mut Write, name: &str) -> Result<Outcome, Status> {
        match &write.change {
            Change::Replace { object }
                if write.endpoint.allows_create_on_update() && work.attributes.subresource.is_empty() =>
            {
                let object = object.clone();
                let revision = metadata::text(&object, "resourceVersion");
                if !["", "0"].contains(&revision) {
                    // Who names a revision means something that was there.
                    return Err(Status::not_found(write.endpoint.resource(), name));
                }
                self.create(now, work, write, object)
            }
            Change::Patch { kind: PatchType::Apply, .. } => self.apply(now, work, write, None),
            _ => Err(Status::not_found(write.endpoint.resource(), name)),
        }
    }

    fn settle(&self, endpoint: &Endpoint, object: Value) -> Result<Value, Status> {
        endpoint.fill(object).map_err(|error| Status::internal(&error))
    }

    /// Admission may change the object.
    fn mutate(
        &mut self,
        now: Time,
        work: &mut Work,
        write: &Write,
        object: Value,
        old: Option<&Arc<Value>>,
    ) -> Result<Value, Status> {
        let suffix = metadata::generated_name("", &mut self.prng);
        let mut review = self.review(now, work, write, Some(object), old, &suffix);
        let admitted = admission::mutate(&mut review);
        let object = review.object.take();
        match admitted {
            Ok(steps) => {
                note(work, Stage::MutatingAdmission, &steps);
                object.ok_or_else(|| Status::internal("admission took the object away"))
            }
            Err(refusal) => {
                note(work, Stage::MutatingAdmission, &refusal.steps);
                work.refuse(
                    Stage::MutatingAdmission,
                    PLUGIN,
                    format!("{}: {}", refusal.plugin, refusal.status.message),
                );
                Err(refusal.status)
            }
        }
    }

    /// Admission may refuse it; there is no object when one is deleted.
    pub(super) fn judge(
        &mut self,
        now: Time,
        work: &mut Work,
        write: &mut Write,
        object: Option<&Value>,
        old: Option<&Arc<Value>>,
    ) -> Result<(), Status> {
        if let Some(object) = object {
            let old = old.map(|old| &**old);
            escalation::check(&work.attributes, object, old, &self.config.authorizer, self)?;
        }
        let mut review = self.review(now, work, write, object.cloned(), old, "");
        // A deletion has no object that could be changed, but plugins of the first round may refuse it.
        let first = if object.is_none() { admission::mutate(&mut review).map(|_| ()) } else { Ok(()) };
        let judged = first.and_then(|()| admission::validate(&review));
        match judged {
            Ok(outcome) => {
                note(work, Stage::ValidatingAdmission, &outcome.steps);
                let charge = |charge: QuotaCharge| {
                    let mut object = charge.quota.as_ref().clone();
                    object["status"]["used"] = charge.used;
                    Charge { group: "", resource: "resourcequotas", object }
                };
                write.charges = outcome.charges.into_iter().map(charge).collect();
                for warning in outcome.warnings {
                    if !work.warnings.contains(&warning) {
                        work.warnings.push(warning);
                    }
                }
                Ok(())
            }
            Err(refusal) => {
                note(work, Stage::ValidatingAdmission, &refusal.steps);
                let said = format!("{}: {}", refusal.plugin, refusal.status.message);
                work.refuse(Stage::ValidatingAdmission, PLUGIN, said);
                Err(refusal.status)
            }
        }
    }

    fn review<'a>(
        &'a self,
        now: Time,
        work: &'a Work,
        write: &'a Write,
        object: Option<Value>,
        old: Option<&'a Arc<Value>>,
        suffix: &'a str,
    ) -> Review<'a> {
        let operation = match (&object, old) {
            (Some(_), None) => Operation::Create,
            (Some(_), Some(_)) => Operation::Update,
            (None, _) => Operation::Delete,
        };
        Review {
            attributes: &work.attributes,
            operation,
            api_version: write.endpoint.api_version(),
            options: options(write, work, operation),
            kind: write.endpoint.kind(),
            object,
            old: old.map(|old| &**old),
            is_dry_run: write.dry_run,
            now,
            lister: self,
            authorizer: &self.config.authorizer,
            suffix,
        }
    }

    /// Addresses and ports that the server gives out.
    fn allocate(&mut self, endpoint: &Endpoint, object: Value) -> Result<Value, Status> {
        let _ = endpoint;
        Ok(object)
    }
}

/// How a request wants to be carried out, as policies see it: a patch counts as what it comes to.
fn options(write: &Write, work: &Work, operation: Operation) -> Value {
    let kind = match operation {
        Operation::Create => "CreateOptions",
        Operation::Update => "UpdateOptions",
        Operation::Delete => "DeleteOptions",
        Operation::Connect => return Value::Null,
    };
    let mut options = json!({"kind": kind, "apiVersion": "meta.k8s.io/v1"});
    if let Change::Delete { options: asked } = &write.change {
        if let Some(seconds) = asked.grace_period_seconds {
            options["gracePeriodSeconds"] = seconds.into();
        }
        if let Some(policy) = asked.propagation {
            options["propagationPolicy"] = format!("{policy:?}").into();
        }
    }
    if write.dry_run {
        options["dryRun"] = json!(["All"]);
    }
    for name in ["fieldManager", "fieldValidation"] {
        let asked = work.query.get(name);
        if !asked.is_empty() {
            options[name] = asked.into();
        }
    }
    options
}

/// What a plugin costs that has something to do with a request.
const PLUGIN: Micros = Micros(10);

/// Notes what plugins did: those that had something to do with the request.
fn note(work: &mut Work, stage: Stage, steps: &[admission::Step]) {
    let said: Vec<String> = steps
        .iter()
        .filter(|step| !step.reason.is_empty())
        .map(|step| format!("{}: {}", step.plugin, step.reason))
        .collect();
    let cost = Micros(5 + PLUGIN.0 * said.len() as u64);
    work.pass(stage, cost, if said.is_empty() { "no plugin minds".to_owned() } else { said.join("; ") });
}

fn is_apply(write: &Write) -> bool {
    matches!(write.change, Change::Patch { kind: PatchType::Apply, .. })
}

fn actor<'a>(now: Time, work: &'a Work, write: &'a Write, api_version: &'a str) -> Actor<'a> {
    let kind = write.endpoint.kind();
    Actor { manager: &write.manager, api_version, kind, subresource: &work.attributes.subresource, now }
}

fn pass_validation(work: &mut Work, result: Result<(), Status>) -> Result<(), Status> {
    match &result {
        Ok(()) => work.pass(Stage::Validation, Micros(30), "the object is valid"),
        Err(status) => work.refuse(Stage::Validation, Micros(30), status.message.as_str()),
    }
    result
}

/// An object that was marked for deletion goes when nothing holds it any more.
fn is_gone(endpoint: &Endpoint, object: &Value) -> bool {
    if !metadata::is_being_deleted(object) || !metadata::finalizers(object).is_empty() {
        return false;
    }
    if endpoint.is_namespace() {
        return object.pointer("/spec/finalizers").and_then(Value::as_array).is_none_or(Vec::is_empty);
    }
    object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
}

fn check_uid(endpoint: &Endpoint, object: &Value, old: &Value) -> Result<(), Status> {
    let (asked, own) = (metadata::text(object, "uid"), metadata::text(old, "uid"));
    if asked.is_empty() || asked == own {
        return Ok(());
    }
    let why = format!("Precondition failed: UID in precondition: {asked}, UID in object meta: {own}");
    Err(Status::conflict(endpoint.resource(), metadata::text(object, "name"), &why))
}

/// A pod gets its node. Upstream: `BindingREST.setPodNodeAndMetadata`.
fn bind(endpoint: &Endpoint, pod: &Value, binding: &Value, now: Time) -> Result<Value, Status> {
    let name = metadata::text(pod, "name");
    let target = &binding["target"];
    let node = target["name"].as_str().unwrap_or_default();
    let mut errors = Vec::new();
    if !["", "Node"].contains(&target["kind"].as_str().unwrap_or_default()) {
        errors.push(FieldError::not_supported("target.kind", target["kind"].clone(), &["Node", "<empty>"]));
    }
    if node.is_empty() {
        errors.push(FieldError::required("target.name", ""));
    }
    if !errors.is_empty() {
        let kind = crate::k8s::meta::status::Qualified { name: "Binding", group: "" };
        return Err(Status::invalid(kind, name, &errors));
    }
    if metadata::is_being_deleted(pod) {
        let why = format!("pod {name} is being deleted, cannot be assigned to a host");
        return Err(Status::conflict(endpoint.resource(), name, &why));
    }
    if let Some(host) = pod["spec"]["nodeName"].as_str().filter(|host| !host.is_empty()) {
        let why = format!("pod {name} is already assigned to node \"{host}\"");
        return Err(Status::conflict(endpoint.resource(), name, &why));
    }
    if pod["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty()) {
        let why = format!("pod {name} has non-empty .spec.schedulingGates");
        return Err(Status::conflict(endpoint.resource(), name, &why));
    }
    let mut bound = pod.clone();
    bound["spec"]["nodeName"] = node.into();
    for part in ["annotations", "labels"] {
        for (key, value) in binding["metadata"][part].as_object().into_iter().flatten() {
            bound["metadata"][part][key] = value.clone();
        }
    }
    let scheduled = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now.format(Precision::Seconds)});
    let conditions = bound["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let mut conditions: Vec<Value> =
        conditions.into_iter().filter(|condition| condition["type"] != "PodScheduled").collect();
    conditions.push(scheduled);
    bound["status"]["conditions"] = conditions.into();
    Ok(bound)
}

/// The object as a Scale wants it.
fn scaled(write: &Write, old: &Value, revision: i64, name: &str, scale: &Value) -> Result<Value, Status> {
    let asked = metadata::text(scale, "resourceVersion");
    if !asked.is_empty() && asked != revision.to_string() {
        return Err(Status::modified(write.endpoint.resource(), name));
    }
    Ok(scale::apply(old, scale))
}
