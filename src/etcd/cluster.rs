//! Who is in a cluster, and the ids that follow from names and addresses.

use super::Rules;
use super::apply::quota::DEFAULT_QUOTA;
use super::auth::TokenKind;
use super::backend::Backend;
use super::wal;
use crate::raft::PeerId;
use crate::sim::{HostId, Micros};
use bytes::Bytes;
use sha1::{Digest, Sha1};
use std::fmt;
use std::hash::{Hash, Hasher};
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

/// A machine on which a member may run: its `--name`, `--initial-advertise-peer-urls` and `--advertise-client-urls`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Machine {
    pub host: HostId,
    pub name: String,
    pub peer_url: String,
    pub client_url: String,
}

/// A member as everybody sees it from the beginning: `--initial-cluster`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    pub id: PeerId,
    pub machine: Machine,
}

/// What every member of a cluster is started with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cluster {
    pub id: u64,
    pub peers: Vec<Peer>,
    /// Machines on which no member runs yet.
    pub spares: Vec<Machine>,
    pub timing: Timing,
    pub rules: Rules,
    pub snapshots: Snapshots,
    pub settings: Settings,
    /// The database that all members begin with, if they do not begin empty.
    pub opened: Option<Opened>,
}

/// A database file that was read in advance: a member whose disk holds this very buffer does not read it again.
#[derive(Clone)]
pub struct Opened {
    pub file: Bytes,
    pub backend: Arc<Backend>,
}

impl Hash for Opened {
    /// The disks hold the file.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.file.len().hash(state);
    }
}

impl PartialEq for Opened {
    fn eq(&self, other: &Opened) -> bool {
        Arc::ptr_eq(&self.backend, &other.backend)
    }
}

impl Eq for Opened {}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({} bytes)", self.file.len())
    }
}

/// How a member keeps its log short. `--snapshot-count` and `--snapshot-catchup-entries`: how many applied entries make a snapshot, and how many before it
/// stay for followers that are only a little behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Snapshots {
    pub count: u64,
    pub catch_up: u64,
    /// The size at which a segment of the log is cut: upstream's variable `wal.SegmentSizeBytes`.
    pub segment_bytes: u64,
}

impl Default for Snapshots {
    fn default() -> Snapshots {
        Snapshots { count: 100_000, catch_up: 5_000, segment_bytes: wal::SEGMENT_BYTES }
    }
}

/// The server's flags that limit what clients may do, and what it does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// `--quota-backend-bytes`; less than nothing for no quota.
    pub quota_backend_bytes: i64,
    pub max_request_bytes: usize,
    pub max_txn_ops: usize,
    /// `--auto-compaction-mode` and `--auto-compaction-retention`.
    pub auto_compaction: AutoCompaction,
    pub auth_token: TokenKind,
    pub bcrypt_cost: u32,
    /// `--experimental-enable-lease-checkpoint`.
    pub lease_checkpoint: bool,
    /// `--experimental-initial-corrupt-check`.
    pub initial_corrupt_check: bool,
    /// `--experimental-corrupt-check-time`; nothing for never.
    pub corrupt_check_time: Micros,
}

/// What is compacted without being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AutoCompaction {
    Off,
    /// Revisions older than this.
    Periodic(Micros),
    /// All but so many revisions.
    Revision(i64),
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            quota_backend_bytes: DEFAULT_QUOTA,
            max_request_bytes: 3 << 19,
            max_txn_ops: 128,
            auto_compaction: AutoCompaction::Off,
            auth_token: TokenKind::Simple,
            // Simplified: etcd's own cost is 10. A world that is opened again hashes every password again, in a browser.
            bcrypt_cost: 4,
            lease_checkpoint: false,
            initial_corrupt_check: false,
            corrupt_check_time: Micros(0),
        }
    }
}

impl Cluster {
    /// A cluster whose first members run on these machines.
    pub fn new(token: &str, machines: Vec<Machine>, timing: Timing, rules: Rules) -> Cluster {
        let peer = |machine: Machine| Peer { id: PeerId(member_id(&[&machine.peer_url], token)), machine };
        let peers: Vec<Peer> = machines.into_iter().map(peer).collect();
        let id = cluster_id(peers.iter().map(|peer| peer.id.0).collect());
        Cluster {
            id,
            peers,
            spares: Vec::new(),
            timing,
            rules,
            snapshots: Snapshots::default(),
            settings: Settings::default(),
            opened: None,
        }
    }

    /// Of the first members.
    pub fn peer(&self, id: PeerId) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.id == id)
    }

    pub fn peer_on(&self, host: HostId) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.machine.host == host)
    }

    /// All machines by host: those of the first members, then the spare ones.
    pub fn machines(&self) -> impl Iterator<Item = &Machine> {
        self.peers.iter().map(|peer| &peer.machine).chain(&self.spares)
    }

    pub fn machine(&self, host: HostId) -> Option<&Machine> {
        self.machines().find(|machine| machine.host == host)
    }

    /// The machine that a peer URL leads to.
    pub fn host_at(&self, peer_url: &str) -> Option<HostId> {
        self.machines().find(|machine| machine.peer_url == peer_url).map(|machine| machine.host)
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
        let machines = [("infra1", 12380, 2379), ("infra2", 22380, 22379), ("infra3", 32380, 32379)]
            .iter()
            .enumerate()
            .map(|(host, (name, peer, client))| Machine {
                host: HostId(host as u16),
                name: name.to_string(),
                peer_url: url(*peer),
                client_url: url(*client),
            })
            .collect();
        let cluster = Cluster::new("etcd-cluster-1", machines, Timing::default(), Rules::default());
        let ids: Vec<String> = cluster.peers.iter().map(|peer| format!("{:x}", peer.id.0)).collect();
        assert_eq!(ids, ["8211f1d0f64f3269", "91bc3c398fb3c146", "fd422379fda50e48"]);
        assert_eq!(cluster.id, 17_237_436_991_929_493_444);
    }
}
