//! The API server: a process that turns requests into transactions of etcd, and etcd's events into watches.
//!
//! `server` is the process; a request is a `work` that passes the `gate`s, is handled by `read`, `watching` or `write`, and
//! is answered by `respond`. `cache` is its copy of what etcd holds, filled by `watching` as well.

pub(super) use super::meta::time::Time;
use crate::etcd::{self, wire::Wire};
use crate::sim;
use authentication::Authenticator;
use authorization::Authorizer;
use std::sync::Arc;

pub mod admission;
mod at_rest;
mod attributes;
pub mod authentication;
pub mod authorization;
mod bootstrap;
pub mod cache;
mod change;
mod compaction;
mod custom_tables;
mod definitions;
pub mod discovery;
pub mod endpoint;
mod eviction;
pub mod field_selectors;
pub mod flags;
pub mod flow_control;
mod gate;
mod handlers;
mod health;
pub mod info;
mod kubelets;
mod metadata;
mod metrics;
pub mod negotiation;
mod object;
pub mod openapi;
mod options;
mod questions;
mod read;
mod respond;
mod scale;
mod selection;
mod server;
pub mod storage;
pub mod strategy;
pub mod tables;
#[cfg(test)]
mod testing;
mod turns;
mod watching;
pub mod work;
mod write;

pub use attributes::{Attributes, Decision, Lister, User};
pub use flags::Flags;
pub use server::{ApiServer, Moment};

/// What an API server was started with: its flags and files.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many requests it works on at one moment.
    pub processors: usize,
    pub flags: Flags,
    pub authenticator: Authenticator,
    pub authorizer: Authorizer,
    /// Who the server is to itself: `system:apiserver`.
    pub own_user: Arc<User>,
}

impl Config {
    pub fn new(authenticator: Authenticator) -> Config {
        let own_user =
            User { name: "system:apiserver".to_owned(), groups: vec!["system:masters".to_owned()], ..User::default() };
        Config {
            processors: 2,
            flags: Flags::default(),
            authenticator,
            authorizer: Authorizer::default(),
            own_user: own_user.into(),
        }
    }
}

/// What a server tells itself later.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Note {
    /// Of its client of etcd.
    Etcd(etcd::Note),
    /// A stage of a request is passed.
    Pass(work::RequestId),
    /// A request's time is up.
    TimeOut(work::RequestId),
    /// A read's cache has not caught up in time.
    Unblock(work::RequestId),
    /// Somebody waits for a cache: ask etcd how far it is.
    Progress,
    /// A cache begins anew, by the number of its watch.
    Relist(u32),
    /// A watcher is due a bookmark.
    Bookmark(cache::WatcherId),
    /// A watch's time is up.
    EndWatch(cache::WatcherId),
    /// etcd's history is cut.
    Compact,
    /// A request has waited for its turn for too long.
    GiveUp(work::RequestId),
    /// The seats that a request held after its answer are free.
    Release(work::RequestId),
    /// Levels lend each other seats by what they needed lately.
    Adjust,
    /// Definitions of custom resources are looked at again.
    Definitions,
    /// The next object that every cluster begins with.
    Bootstrap,
}

/// What a server reports of itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// Of its client of etcd.
    Etcd(etcd::Fact),
    Started,
    Asked {
        request: work::RequestId,
        caller: work::Caller,
        verb: Arc<str>,
        path: Arc<str>,
    },
    /// A request passed a stage, or was refused there.
    Passed {
        request: work::RequestId,
        stage: work::Stage,
        /// Of a processor's time, without the waiting for one.
        cost: crate::sim::Micros,
        said: Arc<str>,
        refused: bool,
    },
    /// A request waits for etcd, from now until the next stage that it passes.
    AskedEtcd {
        request: work::RequestId,
    },
    /// etcd told a request, or would not.
    EtcdTold {
        request: work::RequestId,
        failed: bool,
    },
    Answered {
        request: work::RequestId,
        status: u16,
    },
    /// A cache holds everything up to a revision.
    Cached {
        prefix: Arc<str>,
        revision: i64,
    },
}

impl From<etcd::Note> for Note {
    fn from(note: etcd::Note) -> Note {
        Note::Etcd(note)
    }
}

impl From<etcd::Fact> for Fact {
    fn from(fact: etcd::Fact) -> Fact {
        Fact::Etcd(fact)
    }
}

pub type Outbox = sim::Outbox<Wire, Note, Fact>;
