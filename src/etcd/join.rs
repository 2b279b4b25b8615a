//! A member before it is one: it asks the others who belongs to the cluster.
//!
//! With `--initial-cluster-state existing` it looks for itself among the members and takes the id that was given to its
//! address. With `new` it makes sure that the cluster does not know it already: a member whose disk was lost must not come
//! back under its old id with an empty log.
//!
//! Upstream: `server/etcdserver/cluster_util.go`, `bootstrap.go`.

use super::cluster::{Cluster, Machine};
use super::wire::Wire;
use super::{Fact, MemberNote, Note, Outbox, api};
use crate::sim::{Delivery, HostId, Micros};
use std::sync::Arc;

/// How long a new member waits for an answer from the others.
const ANSWER_TIMEOUT: Micros = Micros::from_secs(5);

/// `--initial-cluster-state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InitialClusterState {
    New,
    Existing,
}

#[derive(Clone, Debug, Hash)]
pub struct Joiner {
    machine: Machine,
    state: InitialClusterState,
}

/// What comes of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Joined {
    /// Begin as this member of this cluster, among these.
    Member { id: u64, cluster_id: u64, members: Vec<api::Member> },
    /// Nobody knows it: begin as a member of the new cluster.
    Bootstrap,
    /// The process ends.
    Refused,
}

impl Joiner {
    /// Asks every other machine.
    pub fn begin(cluster: &Arc<Cluster>, machine: &Machine, state: InitialClusterState, out: &mut Outbox) -> Joiner {
        for other in cluster.machines().filter(|other| other.host != machine.host) {
            let ask = Wire::MembersAsk;
            let bytes = ask.size();
            out.send(other.host, ask, bytes, Delivery::Stream);
        }
        out.wake(ANSWER_TIMEOUT, Note::Member(MemberNote::JoinTimeout));
        Joiner { machine: machine.clone(), state }
    }

    /// A message arrived.
    pub fn receive(&self, from: HostId, wire: &Wire, out: &mut Outbox) -> Option<Joined> {
        let Wire::Members { cluster_id, members } = wire else {
            super::refuse(from, wire, out);
            return None;
        };
        let own = members.iter().find(|member| member.peer_urls.contains(&self.machine.peer_url));
        match (self.state, own) {
            (InitialClusterState::Existing, Some(own)) => {
                Some(Joined::Member { id: own.id, cluster_id: *cluster_id, members: members.clone() })
            }
            (InitialClusterState::Existing, None) => {
                let known = in_go(*cluster_id, members);
                Some(refused(format!("error validating peerURLs {known}: member count is unequal"), out))
            }
            (InitialClusterState::New, Some(own)) if !own.client_urls.is_empty() => {
                Some(refused(format!("member {:x} has already been bootstrapped", own.id), out))
            }
            (InitialClusterState::New, _) => None,
        }
    }

    /// Nobody answered in time.
    pub fn timed_out(&self, out: &mut Outbox) -> Joined {
        match self.state {
            InitialClusterState::New => Joined::Bootstrap,
            InitialClusterState::Existing => refused(
                "cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs"
                    .to_owned(),
                out,
            ),
        }
    }
}

/// What upstream logs before it exits, whether discovery was used or not.
fn refused(why: String, out: &mut Outbox) -> Joined {
    out.fact(Fact::Refused { why: format!("discovery failed: {why}") });
    Joined::Refused
}

/// A cluster as Go's `%s` prints it.
// Simplified: a member does not tell which ids were removed.
fn in_go(cluster_id: u64, members: &[api::Member]) -> String {
    let member = |member: &api::Member| {
        let api::Member { id, name, peer_urls, client_urls, is_learner } = member;
        let (peers, clients) = (peer_urls.join(" "), client_urls.join(" "));
        format!(
            "&{{ID:{id:x} RaftAttributes:{{PeerURLs:[{peers}] IsLearner:{is_learner}}} \
             Attributes:{{Name:{name} ClientURLs:[{clients}]}}}}"
        )
    };
    let members: Vec<String> = members.iter().map(member).collect();
    format!("{{ClusterID:{cluster_id:x} Members:[{}] RemovedMemberIDs:[]}}", members.join(" "))
}
