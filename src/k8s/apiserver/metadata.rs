//! What every create, update and delete does to an object's metadata, whatever its kind.
//!
//! Upstream: `rest.BeforeCreate`, `rest.BeforeUpdate`, `rest.BeforeDelete` of `k8s.io/apiserver/pkg/registry/rest`, and
//! `deletionFinalizersForGarbageCollection` of the generic registry.

use super::Attributes;
use super::endpoint::Endpoint;
use crate::k8s::meta::status::{FieldError, Status};
use crate::k8s::meta::time::{Precision, Time};
use crate::sim::Prng;
use serde_json::{Map, Value};

/// What a request for a deletion says. Upstream: `metav1.DeleteOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeleteOptions {
    pub grace_period_seconds: Option<i64>,
    pub uid: Option<String>,
    pub resource_version: Option<String>,
    pub propagation: Option<Propagation>,
    pub dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Propagation {
    Orphan,
    Background,
    Foreground,
}

/// What becomes of an object that is to be deleted.
#[derive(Clone, Debug, PartialEq)]
pub enum Deletion {
    Now,
    /// It is marked, and goes when its finalizers and its grace are over.
    Later(Value),
    /// It was marked before, and nothing changes.
    Already,
}

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";
/// Characters of generated names: without vowels and look-alikes. Upstream: `util/rand`.
const ALPHANUMERICS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX: usize = 5;
const GENERATED_NAME_MAX: usize = 63;

pub fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object["metadata"][name].as_str().unwrap_or_default()
}

pub fn metadata(object: &mut Value) -> &mut Map<String, Value> {
    if !object["metadata"].is_object() {
        object["metadata"] = Map::new().into();
    }
    object["metadata"].as_object_mut().expect("it was just made one")
}

pub fn set(object: &mut Value, name: &str, value: impl Into<Value>) {
    metadata(object).insert(name.to_owned(), value.into());
}

pub fn clear(object: &mut Value, name: &str) {
    metadata(object).shift_remove(name);
}

pub fn is_being_deleted(object: &Value) -> bool {
    !text(object, "deletionTimestamp").is_empty()
}

pub fn finalizers(object: &Value) -> Vec<String> {
    let list = object["metadata"]["finalizers"].as_array();
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A version 4 UUID.
pub fn uid(prng: &mut Prng) -> String {
    let (high, low) = (prng.next_u64(), prng.next_u64());
    let (high, low) = (high & !0xf000 | 0x4000, low & !(0xc << 60) | 0x8 << 60);
    let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
    format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
}

/// A name made of a base. Upstream: `names.SimpleNameGenerator`.
pub fn generated_name(base: &str, prng: &mut Prng) -> String {
    let mut end = base.len().min(GENERATED_NAME_MAX - SUFFIX);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    let letter = |_| char::from(ALPHANUMERICS[prng.below(ALPHANUMERICS.len() as u64) as usize]);
    base[..end].to_owned() + &(0..SUFFIX).map(letter).collect::<String>()
}

/// Gives an object the namespace of its request. The error is upstream's.
pub fn place(endpoint: &Endpoint, attributes: &Attributes, object: &mut Value, is_new: bool) -> Result<(), Status> {
    let own = text(object, "namespace").to_owned();
    if !endpoint.is_namespaced() {
        return match own.as_str() {
            "" => Ok(()),
            _ => Err(Status::bad_request("namespace may not be set on a cluster-scoped resource")),
        };
    }
    let asked = &attributes.namespace;
    if own.is_empty() {
        set(object, "namespace", asked.as_str());
        return Ok(());
    }
    if own == *asked {
        return Ok(());
    }
    Err(Status::bad_request(if is_new {
        "the namespace of the provided object does not match the namespace sent on the request".to_owned()
    } else {
        format!("the namespace of the object ({own}) does not match the namespace on the request ({asked})")
    }))
}

/// What a new object is given, before its kind's strategy has its say. Upstream: `rest.FillObjectMetaSystemFields`.
pub fn begin(object: &mut Value, now: Time, prng: &mut Prng) {
    for name in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion", "generation"] {
        clear(object, name);
    }
    set(object, "creationTimestamp", now.format(Precision::Seconds));
    set(object, "uid", uid(prng));
    if text(object, "name").is_empty() && !text(object, "generateName").is_empty() {
        let name = generated_name(text(object, "generateName"), prng);
        set(object, "name", name);
    }
}

/// Whether the revision that an update names is that of the object. Upstream: `Store.Update`.
pub fn check_revision(endpoint: &Endpoint, object: &Value, current: i64, unconditional: bool) -> Result<(), Status> {
    let name = text(object, "name");
    match text(object, "resourceVersion") {
        "" | "0" if unconditional => Ok(()),
        "" | "0" => {
            let why = FieldError::invalid("metadata.resourceVersion", 0, "must be specified for an update");
            Err(Status::invalid(endpoint.resource(), name, &[why]))
        }
        asked => match asked.parse::<i64>() {
            Ok(revision) if revision == current => Ok(()),
            Ok(_) => Err(Status::modified(endpoint.resource(), name)),
            Err(_) => {
                let why = FieldError::invalid("metadata.resourceVersion", asked, "must be numeric");
                Err(Status::invalid(endpoint.qualified_kind(), name, &[why]))
            }
        },
    }
}

impl DeleteOptions {
    /// From the body, which may lack its kind, and from the query, which is looked at only without a body.
    pub fn of(body: &Value, query: &super::info::Query) -> Result<DeleteOptions, Status> {
        let from_query = body.as_object().is_none_or(Map::is_empty);
        let text = |name: &str| {
            let own = body[name].as_str().map(str::to_owned);
            own.or_else(|| Some(query.get(name).to_owned()).filter(|text| from_query && !text.is_empty()))
        };
        let grace = match query.get("gracePeriodSeconds") {
            written if from_query && !written.is_empty() => Some(written.parse::<i64>().map_err(|_| {
                Status::bad_request(format!("strconv.ParseInt: parsing \"{written}\": invalid syntax"))
            })?),
            _ => body["gracePeriodSeconds"].as_i64(),
        };
        let invalid = |error: FieldError| {
            let kind = crate::k8s::meta::status::Qualified { name: "DeleteOptions", group: "meta.k8s.io" };
            Status::invalid(kind, "", &[error])
        };
        let orphan = body["orphanDependents"].as_bool();
        let policy = text("propagationPolicy");
        if let (Some(_), Some(policy)) = (orphan, &policy) {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            return Err(invalid(FieldError::invalid("propagationPolicy", policy.as_str(), why)));
        }
        let propagation = match policy.as_deref() {
            None | Some("") => orphan.map(|orphan| if orphan { Propagation::Orphan } else { Propagation::Background }),
            Some("Orphan") => Some(Propagation::Orphan),
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            Some(other) => {
                let known = ["Foreground", "Background", "Orphan", "nil"];
                return Err(invalid(FieldError::not_supported("propagationPolicy", other, &known)));
            }
        };
        let precondition = |name: &str| body["preconditions"][name].as_str().map(str::to_owned);
        let dry_run = |list: &Value| list.as_array().is_some_and(|list| !list.is_empty());
        Ok(DeleteOptions {
            grace_period_seconds: grace,
            uid: precondition("uid"),
            resource_version: precondition("resourceVersion"),
            propagation,
            dry_run: dry_run(&body["dryRun"]) || query.has("dryRun"),
        })
    }

    /// Whether the object is the one that is meant. Upstream: `Preconditions.Check`.
    pub fn check(&self, endpoint: &Endpoint, object: &Value) -> Result<(), Status> {
        let conflict = |why: String| Err(Status::conflict(endpoint.qualified_kind(), text(object, "name"), &why));
        let (uid, revision) = (text(object, "uid"), text(object, "resourceVersion"));
        match (&self.uid, &self.resource_version) {
            (Some(asked), _) if asked != uid => conflict(format!(
                "the UID in the precondition ({asked}) does not match the UID in record ({uid}). The object might have been \
                 deleted and then recreated"
            )),
            (_, Some(asked)) if asked != revision => conflict(format!(
                "the ResourceVersion in the precondition ({asked}) does not match the ResourceVersion in record \
                 ({revision}). The object might have been modified"
            )),
            _ => Ok(()),
        }
    }
}

/// What a deletion does. `grace` is what the kind makes of the options' grace: none if it knows none.
pub fn delete(object: &Value, propagation: Option<Propagation>, grace: Option<i64>, now: Time) -> Deletion {
    let mut marked = object.clone();
    let wanted = garbage_finalizers(object, propagation);
    let grace = grace.unwrap_or(0);
    if is_being_deleted(object) {
        let left = object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
        let shorter = grace < left;
        if !shorter && wanted == finalizers(object) {
            return if wanted.is_empty() && left == 0 { Deletion::Now } else { Deletion::Already };
        }
        if shorter {
            if grace == 0 && wanted.is_empty() {
                return Deletion::Now;
            }
            let was = Time::parse(text(object, "deletionTimestamp"), Precision::Seconds).unwrap_or(now);
            let sooner = Time { seconds: was.seconds - left + grace, ..was };
            set(&mut marked, "deletionTimestamp", sooner.format(Precision::Seconds));
            set(&mut marked, "deletionGracePeriodSeconds", grace);
        }
    } else {
        if wanted.is_empty() && grace == 0 {
            return Deletion::Now;
        }
        let at = Time { seconds: now.seconds + grace, ..now };
        set(&mut marked, "deletionTimestamp", at.format(Precision::Seconds));
        set(&mut marked, "deletionGracePeriodSeconds", grace);
        if let Some(generation) = object["metadata"]["generation"].as_i64() {
            set(&mut marked, "generation", generation + 1);
        }
    }
    if wanted.is_empty() {
        clear(&mut marked, "finalizers");
    } else {
        set(&mut marked, "finalizers", wanted);
    }
    Deletion::Later(marked)
}

/// Whether an object already says what is to become of its dependents.
pub fn is_garbage_settled(object: &Value) -> bool {
    finalizers(object).iter().any(|name| name == ORPHAN || name == FOREGROUND)
}

/// The finalizers by which the garbage collector is told what to do with dependents.
fn garbage_finalizers(object: &Value, propagation: Option<Propagation>) -> Vec<String> {
    let mut finalizers = finalizers(object);
    if let Some(propagation) = propagation {
        finalizers.retain(|name| name != ORPHAN && name != FOREGROUND);
        match propagation {
            Propagation::Orphan => finalizers.push(ORPHAN.to_owned()),
            Propagation::Foreground => finalizers.push(FOREGROUND.to_owned()),
            Propagation::Background => {}
        }
    }
    finalizers
}
