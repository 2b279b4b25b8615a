//! A request on its way through the server: what stage it is in, what each stage cost and said, and what it waits for.

use super::endpoint::Endpoint;
use super::info::Query;
use super::metadata::DeleteOptions;
use super::negotiation::Accepted;
use super::selection::Selection;
use super::{Attributes, User};
use crate::etcd::api::Request;
use crate::etcd::http::{HttpRequest, HttpResponse};
use crate::etcd::wire::ConnId;
use crate::k8s::patch::{FieldValidation, PatchType};
use crate::sim::{EventId, Micros, SimTime};
use bytes::Bytes;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;

/// A request of one server, in the order in which they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Where a request passes, in the order of the real handler chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    Authentication,
    Impersonation,
    FlowControl,
    Authorization,
    Decoding,
    MutatingAdmission,
    Validation,
    ValidatingAdmission,
    Storage,
    WatchCache,
    Encoding,
}

/// A stage that a request has passed, or is passing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Passed {
    pub stage: Stage,
    pub cost: Micros,
    /// What was decided, and why.
    pub said: Arc<str>,
    pub refused: bool,
}

/// What the server asks of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Errand {
    /// What every cluster begins with.
    Bootstrap,
    /// What follows from definitions of custom resources.
    Definitions,
}

/// Who waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    Stream {
        conn: ConnId,
        stream: u32,
    },
    /// The server itself, over its loopback client.
    Own(Errand),
    /// A request of which this one is a part.
    Request(RequestId),
}

#[derive(Clone, Debug)]
pub struct Work {
    pub caller: Caller,
    pub request: Arc<HttpRequest>,
    pub query: Query,
    pub attributes: Attributes,
    pub began: SimTime,
    /// The event by which it came.
    pub cause: EventId,
    /// What is still to be seen of the stages that were computed.
    pub passing: VecDeque<Passed>,
    pub then: Then,
    pub task: Task,
    /// `Warning` headers of the answer.
    pub warnings: Vec<String>,
    /// UIDs of the flow schema and the priority level that it was sorted to.
    pub sorted: Option<(String, String)>,
}

/// What follows when the stages are passed.
#[derive(Clone, Debug)]
pub enum Then {
    /// It takes its turn, by priority and fairness.
    Queue,
    /// Its handler begins.
    Handle,
    /// etcd is asked.
    Ask(Box<Request>),
    Answer(Arc<HttpResponse>),
    /// Something else must happen first: etcd answers, or the cache catches up.
    Wait,
}

/// What the handler is doing.
#[derive(Clone, Debug)]
pub enum Task {
    None,
    Health,
    Get(Get),
    List(List),
    Watch(Watch),
    Write(Box<Write>),
    DeleteAll(DeleteAll),
}

#[derive(Clone, Debug)]
pub struct Get {
    pub endpoint: Endpoint,
    pub key: String,
    pub accepted: Accepted,
    /// Zero for any.
    pub at_least: i64,
    pub subresource: String,
}

#[derive(Clone, Debug)]
pub struct List {
    pub endpoint: Endpoint,
    pub prefix: String,
    pub selection: Arc<Selection>,
    pub accepted: Accepted,
    pub limit: usize,
    pub from: Source,
    /// What was found so far, of a list that is read in pages.
    pub found: Vec<Arc<super::cache::Cached>>,
}

/// Where a list comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The cache, once it is as new as this.
    Cache { at_least: i64 },
    /// The cache, once it is as new as etcd was when asked.
    ConsistentCache,
    /// etcd, from a key on, at a revision, zero for the newest.
    Etcd { start: String, revision: i64, is_continued: bool },
}

#[derive(Clone, Debug)]
pub struct Watch {
    pub endpoint: Endpoint,
    pub prefix: String,
    pub selection: Arc<Selection>,
    pub accepted: Accepted,
    /// None if none was named.
    pub revision: Option<i64>,
    pub bookmarks: bool,
    pub initial_events: bool,
    pub timeout: Micros,
    /// With initial events and no revision: as new as etcd was when asked.
    pub at_least: i64,
}

impl Task {
    /// The list that is made, for whatever it is.
    pub fn list(&self) -> Option<&List> {
        match self {
            Task::List(list) | Task::DeleteAll(DeleteAll { list, .. }) => Some(list),
            _ => None,
        }
    }
}

/// Every object of a list is deleted, one after the other.
#[derive(Clone, Debug)]
pub struct DeleteAll {
    pub list: List,
    pub options: DeleteOptions,
    pub left: VecDeque<Arc<super::cache::Cached>>,
    pub deleted: Vec<Value>,
    pub revision: i64,
}

/// A change of one object. Upstream: `GuaranteedUpdate`, and the create and delete beside it.
#[derive(Clone, Debug)]
pub struct Write {
    pub endpoint: Endpoint,
    pub key: String,
    pub change: Change,
    pub accepted: Accepted,
    pub manager: String,
    pub dry_run: bool,
    /// What the key is thought to hold.
    pub current: Option<Current>,
    /// It may be older than what etcd holds.
    pub is_cached: bool,
    /// What is being written.
    pub outcome: Outcome,
    pub tries: u32,
    /// What is charged before it is written.
    pub charges: VecDeque<Charge>,
}

/// Another object that is written first, if it is still as it was when this was reckoned: a quota with what a request takes
/// of it, a budget with one disruption less.
#[derive(Clone, Debug)]
pub struct Charge {
    pub group: &'static str,
    pub resource: &'static str,
    pub object: Value,
}

#[derive(Clone, Debug)]
pub struct Current {
    pub revision: i64,
    pub object: Arc<Value>,
    /// It is to be written anew even if nothing changes: another key encrypts today.
    pub is_stale: bool,
}

#[derive(Clone, Debug)]
pub enum Change {
    Create {
        object: Value,
    },
    Replace {
        object: Value,
    },
    Patch {
        kind: PatchType,
        validation: FieldValidation,
        body: Bytes,
        force: bool,
    },
    Delete {
        options: DeleteOptions,
    },
    /// A pod gets its node: the body of `pods/binding`.
    Bind {
        binding: Value,
    },
    /// A pod is to go, if budgets allow it: the body of `pods/eviction`.
    Evict {
        eviction: Value,
    },
    /// A body of `scale`.
    Scale {
        scale: Value,
    },
}

/// What a change comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    None,
    Create(Value),
    Update(Value),
    Remove(Value),
    /// Nothing is written; the object stays as it is.
    Keep(Value),
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Stage::Authentication => "authentication",
            Stage::Impersonation => "impersonation",
            Stage::FlowControl => "priority and fairness",
            Stage::Authorization => "authorization",
            Stage::Decoding => "decoding",
            Stage::MutatingAdmission => "mutating admission",
            Stage::Validation => "validation",
            Stage::ValidatingAdmission => "validating admission",
            Stage::Storage => "storage",
            Stage::WatchCache => "watch cache",
            Stage::Encoding => "encoding",
        }
    }
}

impl Work {
    pub fn user(&self) -> &User {
        &self.attributes.user
    }

    pub fn pass(&mut self, stage: Stage, cost: Micros, said: impl Into<Arc<str>>) {
        self.passing.push_back(Passed { stage, cost, said: said.into(), refused: false });
    }

    pub fn refuse(&mut self, stage: Stage, cost: Micros, said: impl Into<Arc<str>>) {
        self.passing.push_back(Passed { stage, cost, said: said.into(), refused: true });
    }
}
