//! Who is in a cluster, and the ids that follow from names and addresses.

use super::api;
use crate::raft::PeerId;
use crate::sim::{HostId, Micros};
use sha1::{Digest, Sha1};
use std::collections::BTreeMap;
use std::sync::Arc;

/// `--heartbeat-interval` and `--election-timeout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timing {
    pub heartbeat: Micros,
    pub election: Micros,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing { heartbeat: Micros::from_millis(100), election: Micros::from_secs(1) }
    }
}

impl Timing {
    /// How many heartbeat intervals make an election time-out.
    pub fn election_ticks(&self) -> u32 {
        (self.election.0 / self.heartbeat.0.max(1)) as u32
    }

    /// How long a member works on a request before it gives up: five seconds for its own work and two election time-outs.
    pub fn request_timeout(&self) -> Micros {
        Micros::from_secs(5) + Micros(2 * self.election.0)
    }
}

/// The rules that make Raft safe. A world may switch one off to see what it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rules {
    /// Nothing is acknowledged before it is durable.
    pub fsync_before_ack: bool,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { fsync_before_ack: true }
    }
}

/// A member as everybody sees it from the beginning: `--initial-cluster`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    pub id: PeerId,
    pub host: HostId,
    pub name: String,
    pub peer_url: String,
    pub client_url: String,
}

/// What every member of a cluster is started with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cluster {
    pub id: u64,
    pub peers: Vec<Peer>,
    pub timing: Timing,
    pub rules: Rules,
}

impl Cluster {
    /// A cluster of members given as (host, name, peer URL, client URL).
    pub fn new(
        token: &str,
        members: Vec<(HostId, String, String, String)>,
        timing: Timing,
        rules: Rules,
    ) -> Arc<Cluster> {
        let peers: Vec<Peer> = members
            .into_iter()
            .map(|(host, name, peer_url, client_url)| Peer {
                id: PeerId(member_id(&[&peer_url], token)),
                host,
                name,
                peer_url,
                client_url,
            })
            .collect();
        let id = cluster_id(peers.iter().map(|peer| peer.id.0).collect());
        Arc::new(Cluster { id, peers, timing, rules })
    }

    pub fn peer(&self, id: PeerId) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.id == id)
    }

    pub fn peer_on(&self, host: HostId) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.host == host)
    }
}

/// What a member has learned about the others from the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Membership {
    members: BTreeMap<PeerId, api::Member>,
    pub version: Option<String>,
}

impl Membership {
    pub fn add(&mut self, id: PeerId, peer_urls: Vec<String>) {
        let member = api::Member { id: id.0, peer_urls, ..api::Member::default() };
        self.members.insert(id, member);
    }

    /// A member told its name and where clients reach it: it counts as started.
    pub fn publish(&mut self, id: PeerId, name: String, client_urls: Vec<String>) {
        if let Some(member) = self.members.get_mut(&id) {
            member.name = name;
            member.client_urls = client_urls;
        }
    }

    /// Members by id, as `MemberList` answers.
    pub fn list(&self) -> Vec<api::Member> {
        self.members.values().cloned().collect()
    }

    pub fn all_published(&self) -> bool {
        self.members.values().all(|member| !member.client_urls.is_empty())
    }
}

/// The first eight bytes of SHA-1 over the sorted peer URLs and the cluster token.
pub fn member_id(peer_urls: &[&str], token: &str) -> u64 {
    let mut sorted = peer_urls.to_vec();
    sorted.sort_unstable();
    let mut hash = Sha1::new();
    for url in sorted {
        hash.update(url);
    }
    hash.update(token);
    first_eight(hash)
}

/// The first eight bytes of SHA-1 over the sorted member ids.
pub fn cluster_id(mut member_ids: Vec<u64>) -> u64 {
    member_ids.sort_unstable();
    let mut hash = Sha1::new();
    for id in member_ids {
        hash.update(id.to_be_bytes());
    }
    first_eight(hash)
}

fn first_eight(hash: Sha1) -> u64 {
    let digest = hash.finalize();
    u64::from_be_bytes(digest[..8].try_into().expect("a SHA-1 digest has 20 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_that_a_real_cluster_gives_itself() {
        let url = |port| format!("http://127.0.0.1:{port}");
        let members = [("infra1", 12380, 2379), ("infra2", 22380, 22379), ("infra3", 32380, 32379)]
            .iter()
            .enumerate()
            .map(|(host, (name, peer, client))| (HostId(host as u16), name.to_string(), url(*peer), url(*client)))
            .collect();
        let cluster = Cluster::new("etcd-cluster-1", members, Timing::default(), Rules::default());
        let ids: Vec<String> = cluster.peers.iter().map(|peer| format!("{:x}", peer.id.0)).collect();
        assert_eq!(ids, ["8211f1d0f64f3269", "91bc3c398fb3c146", "fd422379fda50e48"]);
        assert_eq!(cluster.id, 17_237_436_991_929_493_444);
    }
}
