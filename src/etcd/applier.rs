//! The replicated state machine: everything that follows from the log, and nothing else.
//!
//! ```text
//!   committed entry ──InternalRaftRequest──> Applier ──> store, leases, alarms, members, users
//!                                               └──────> the answer, for the member that proposed it
//! ```
//!
//! Two members that applied the same entries hold the same; a copy of one is cheap. What only one member knows
//! (Raft, connections, who waits for an answer) is [`Member`](super::Member)'s.
//!
//! Upstream: `server/etcdserver/apply.go` of 3.5.

use super::api::{MemberListResponse, Response};
use super::apply;
use super::backend::Backend;
use super::error::Status;
use super::internal::InternalRaftRequest;
use super::membership::Membership;
use super::mvcc::WatchableStore;
use crate::raft::{ConfState, EntryId, PeerId};

#[derive(Clone, Debug, Hash)]
pub struct Applier {
    pub store: WatchableStore,
    pub membership: Membership,
}

impl Applier {
    pub fn new(store: WatchableStore) -> Applier {
        Applier { store, membership: Membership::default() }
    }

    /// The database that a member with this state has, `at` being the last entry that was applied.
    pub fn backend(&self, at: EntryId, conf_state: &ConfState) -> Backend {
        let mut backend = Backend::new(self.store.kv().clone());
        let tables = &mut backend.tables;
        tables.set_applied(at.index.0, at.term.0);
        tables.set_conf_state(conf_state);
        tables.set_members(&self.membership.list());
        tables.set_removed(&self.membership.removed().map(|id| id.0).collect());
        if let Some(version) = &self.membership.version {
            tables.set_cluster_version(version);
        }
        backend
    }

    /// Takes over what a database holds. Watchers stay and are told what they have missed.
    pub fn install(&mut self, backend: Backend) {
        let Backend { store, tables } = backend;
        let removed = tables.removed().into_iter().map(PeerId);
        let version = tables.cluster_version().map(str::to_owned);
        self.membership = Membership::restore(tables.members(), removed, version);
        self.store.install(store);
    }

    /// Carries out a committed request.
    pub fn apply(&mut self, request: InternalRaftRequest) -> Result<Response, Status> {
        if let Some(put) = request.put {
            Ok(Response::Put(apply::apply_put(&mut self.store, &put)?))
        } else if let Some(delete) = request.delete_range {
            Ok(Response::DeleteRange(apply::apply_delete_range(&mut self.store, &delete)?))
        } else if let Some(txn) = request.txn {
            Ok(Response::Txn(apply::apply_txn(&mut self.store, &txn)?))
        } else if let Some(compaction) = request.compaction {
            Ok(Response::Compact(apply::apply_compact(&mut self.store, &compaction)?))
        } else {
            if let Some(set) = request.cluster_version_set {
                self.membership.version = Some(set.ver);
            }
            if let Some(set) = request.cluster_member_attr_set {
                let attributes = set.member_attributes.unwrap_or_default();
                self.membership.publish(PeerId(set.member_id), attributes.name, attributes.client_urls);
            }
            Ok(Response::MemberList(MemberListResponse::default()))
        }
    }
}
