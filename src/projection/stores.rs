//! Whose store the views of keys show, and what of a store they all say alike.

use super::words;
use crate::etcd::mvcc::KvStore;
use crate::lab::{Lab, Mark};
use crate::raft::{Index, StateType, Term};
use crate::sim::{EventId, HostId};
use std::ops::Range;

/// Rows of a view that are made at most.
const ROWS_MAX: usize = 300;

/// A member whose store is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub host: HostId,
    pub name: String,
    /// Why this member and not another, as it is said behind the name.
    pub why: &'static str,
    pub revision: i64,
    /// The oldest revision that can be read, if the store was ever compacted.
    pub compacted: Option<i64>,
}

/// Which of all the rows of a view are made. Scrolled beyond the end of what is left, the last ones are.
pub(super) fn window(first: usize, wanted: usize, all: usize) -> Range<usize> {
    let wanted = wanted.min(ROWS_MAX);
    let first = first.min(all.saturating_sub(wanted));
    first..all.min(first + wanted)
}

/// The member on the machine that is wanted, else the leader, else the first that runs.
pub fn source(lab: &Lab, wanted: Option<HostId>) -> Option<Source> {
    let runs = |host: &HostId| lab.member(*host).is_some();
    let (host, why) = match wanted.filter(runs) {
        Some(host) => (host, "selected"),
        None => match leader(lab) {
            Some(host) => (host, "the leader"),
            None => (lab.members().next()?.0, "there is no leader"),
        },
    };
    let store = lab.member(host)?.store().kv();
    let compacted = store.compact_revision();
    Some(Source {
        host,
        name: words::host(lab, host),
        why,
        revision: store.revision(),
        compacted: (compacted > 0).then_some(compacted),
    })
}

/// Who leads in the newest term that anybody leads in.
fn leader(lab: &Lab) -> Option<HostId> {
    let leads = lab.members().filter(|(_, member)| member.raft().state() == StateType::Leader);
    leads.max_by_key(|(_, member)| member.raft().term()).map(|(host, _)| host)
}

/// The store of that member.
pub fn store<'a>(lab: &'a Lab, source: &Source) -> Option<&'a KvStore> {
    lab.member(source.host).map(|member| member.store().kv())
}

/// What made a revision, as far as the world still knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    pub term: Term,
    pub index: Index,
    pub event: EventId,
}

pub fn origin(lab: &Lab, revision: i64) -> Option<Origin> {
    let stamped = lab.chronicle().write(revision)?;
    match stamped.mark {
        Mark::Write { term, index, .. } => Some(Origin { term, index, event: stamped.event }),
        _ => None,
    }
}

/// The revision that an entry of the log made.
pub fn revision_of_entry(lab: &Lab, index: u64) -> Option<i64> {
    lab.check().applied().get(usize::try_from(index).ok()?.checked_sub(1)?)?.1
}

/// The revision that an event brought into being, or that it told of.
pub fn revision_of_event(lab: &Lab, event: EventId) -> Option<i64> {
    use crate::etcd;
    use crate::lab::Fact;
    use crate::sim::trace::What;
    match &lab.event(event)?.what {
        What::Fact(Fact::Etcd(etcd::Fact::Applied { revision, .. })) => *revision,
        What::Fact(Fact::Etcd(etcd::Fact::Watched { revisions, .. })) => revisions.last().copied(),
        _ => None,
    }
}
