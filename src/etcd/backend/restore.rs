//! `etcdutl snapshot restore`: a database of a new cluster from a snapshot of an old one.
//!
//! As in 3.5.1 revisions go on from the snapshot's, and what the database says of voters, alarms and the cluster's version
//! stays the old cluster's until the new one changes it.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use bytes::{Bytes, BytesMut};

use super::file::{HashCheck, Sink, SnapshotError, run};
use super::load::{Located, Place};
use super::tables::member_json;
use super::{Tables, bucket, urls};
use crate::etcd::api;
use crate::etcd::bolt::{Item, WriteError, Writer};
use crate::etcd::cluster::{Cluster, Peer, cluster_id, member_id};
use crate::etcd::wal;
use crate::raft::{
    AnyConfChange, ConfChange, ConfChangeType, ConfState, Entry, HardState, Index, PeerId, SnapshotMetadata, Term,
};

/// The flags of `etcdutl snapshot restore` that matter to what is restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreConfig {
    pub name: String,
    pub initial_cluster: String,
    pub initial_cluster_token: String,
    pub initial_advertise_peer_urls: String,
    pub hash_check: HashCheck,
}

impl Default for RestoreConfig {
    fn default() -> RestoreConfig {
        RestoreConfig {
            name: "default".to_owned(),
            initial_cluster: "default=http://localhost:2380".to_owned(),
            initial_cluster_token: "etcd-cluster".to_owned(),
            initial_advertise_peer_urls: "http://localhost:2380".to_owned(),
            hash_check: HashCheck::Required,
        }
    }
}

/// What a member of the new cluster starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    pub node_id: u64,
    pub cluster_id: u64,
    /// Everybody, by id.
    pub members: Vec<api::Member>,
    /// The log: one entry for each member. The snapshot stands for all of it, so nobody will apply these.
    pub entries: Vec<Entry>,
    pub hard_state: HardState,
    /// The snapshot that the log continues from.
    pub snapshot: SnapshotMetadata,
    /// The database file.
    pub database: Bytes,
}

impl Restored {
    /// The log that one of the members starts from.
    pub fn write_ahead_log(&self, node_id: u64) -> Bytes {
        let mut file = BytesMut::new();
        let mut write = |chunk: Bytes| file.extend_from_slice(&chunk);
        let mut encoder = wal::Encoder::default();
        encoder.crc(&mut write);
        encoder.metadata(node_id, self.cluster_id, &mut write);
        encoder.snapshot(&SnapshotMetadata::default(), &mut write);
        self.entries.iter().for_each(|entry| encoder.entry(entry, &mut write));
        encoder.hard_state(&self.hard_state, &mut write);
        encoder.snapshot(&self.snapshot, &mut write);
        file.freeze()
    }
}

/// Restores a snapshot file that is at hand as a whole.
pub fn restore(file: &Bytes, config: &RestoreConfig) -> Result<Restored, SnapshotError> {
    let restorer = Restorer::new(config)?;
    run(&config.hash_check.verify(file)?, restorer)
}

/// A restore under way.
#[derive(Clone, Debug)]
pub struct Restorer {
    node_id: u64,
    members: Vec<api::Member>,
    place: Place,
    /// Buckets that were read and not yet written: everything but `key`, which may be large.
    tables: Tables,
    writer: Writer,
    keys_seen: bool,
}

impl RestoreConfig {
    /// For a cluster's first member. What is restored is the same for all of them, but for who each is.
    pub fn of(cluster: &Cluster, token: &str) -> RestoreConfig {
        let urls = |peer: &Peer| format!("{}={}", peer.machine.name, peer.machine.peer_url);
        let first = cluster.peers.first().map(|peer| peer.machine.clone());
        let (name, peer_url) = first.map(|machine| (machine.name, machine.peer_url)).unwrap_or_default();
        RestoreConfig {
            name,
            initial_cluster: cluster.peers.iter().map(urls).collect::<Vec<_>>().join(","),
            initial_cluster_token: token.to_owned(),
            initial_advertise_peer_urls: peer_url,
            hash_check: HashCheck::Required,
        }
    }
}

impl Restorer {
    /// For a database of about so many bytes. Refused if the flags contradict each other.
    pub fn sized(config: &RestoreConfig, database_len: u64) -> Result<Restorer, SnapshotError> {
        let writer = Writer::sized(usize::try_from(database_len).unwrap_or(0));
        Ok(Restorer { writer, ..Restorer::new(config)? })
    }

    /// Refused if the flags contradict each other.
    pub fn new(config: &RestoreConfig) -> Result<Restorer, SnapshotError> {
        let peers = initial_cluster(config).map_err(SnapshotError::Bootstrap)?;
        let token = &config.initial_cluster_token;
        let id = |peer_urls: &[String]| member_id(&Vec::from_iter(peer_urls.iter().map(String::as_str)), token);
        let node_id = peers.get(&config.name).map_or(0, |peer_urls| id(peer_urls));
        let mut members: Vec<api::Member> = peers
            .into_iter()
            .map(|(name, peer_urls)| api::Member { id: id(&peer_urls), name, peer_urls, ..api::Member::default() })
            .collect();
        members.sort_by_key(|member| member.id);
        Ok(Restorer {
            node_id,
            members,
            place: Place::default(),
            tables: Tables::default(),
            writer: Writer::new(),
            keys_seen: false,
        })
    }

    /// Writes the buckets at hand, those between the last written and the next one.
    fn write_tables(&mut self) -> Result<(), WriteError> {
        for (name, table) in mem::take(&mut self.tables.0) {
            self.writer.bucket(name, 0)?;
            table.into_iter().try_for_each(|(key, value)| self.writer.pair(key, value))?;
            self.writer.end()?;
        }
        Ok(())
    }

    /// Opens bucket `key` in its place: after `cluster`, which must be there.
    fn begin_keys(&mut self) -> Result<(), WriteError> {
        self.tables.table_mut(bucket::CLUSTER);
        self.write_tables()?;
        self.keys_seen = true;
        self.writer.bucket(Bytes::from_static(bucket::KEY), 0)
    }
}

impl Sink for Restorer {
    type Output = Restored;

    fn item(&mut self, item: Item) -> Result<(), SnapshotError> {
        match self.place.locate(item)? {
            Located::Begin(bucket) if bucket == bucket::KEY => self.begin_keys()?,
            Located::Pair { bucket, key, value } if bucket == bucket::KEY => self.writer.pair(key, value)?,
            Located::End(bucket) if bucket == bucket::KEY => self.writer.end()?,
            Located::Begin(bucket) => {
                self.tables.0.entry(bucket).or_default();
            }
            Located::Pair { bucket, key, value } => {
                self.tables.0.entry(bucket).or_default().insert(key, value);
            }
            Located::End(_) => {}
        }
        Ok(())
    }

    fn finish(mut self, _size: u64) -> Result<Restored, SnapshotError> {
        let members = mem::take(&mut self.members);
        let commit = Index(members.len() as u64);
        let term = Term(1);
        if !self.keys_seen {
            self.tables.table_mut(bucket::CLUSTER);
            self.tables.table_mut(bucket::KEY);
        }
        self.tables.set_members(&members);
        self.tables.set_removed(&BTreeSet::new());
        self.tables.set_applied(commit.0, term.0);
        self.write_tables()?;
        let voters: Vec<PeerId> = members.iter().map(|member| PeerId(member.id)).collect();
        Ok(Restored {
            node_id: self.node_id,
            cluster_id: cluster_id(members.iter().map(|member| member.id).collect()),
            entries: members.iter().zip(1..).map(|(member, index)| entry(member, Index(index), term)).collect(),
            hard_state: HardState { term, vote: voters.first().copied().unwrap_or_default(), commit },
            snapshot: SnapshotMetadata {
                conf_state: ConfState { voters, ..ConfState::default() },
                index: commit,
                term,
            },
            members,
            database: self.writer.finish(1)?,
        })
    }
}

/// The change that brings a member in.
fn entry(member: &api::Member, index: Index, term: Term) -> Entry {
    let change = ConfChange {
        change_type: ConfChangeType::AddNode,
        node_id: PeerId(member.id),
        context: member_json(member),
        ..ConfChange::default()
    };
    Entry { index, term, ..AnyConfChange::V1(change).to_entry() }
}

/// The members of the new cluster by name, if the flags agree on them.
fn initial_cluster(config: &RestoreConfig) -> Result<BTreeMap<String, Vec<String>>, String> {
    let advertised = urls::parse_urls(&config.initial_advertise_peer_urls)?;
    let peers = urls::parse_urls_map(&config.initial_cluster)?;
    let Some(own) = peers.get(&config.name) else {
        return Err(format!("couldn't find local name {:?} in the initial cluster configuration", config.name));
    };
    check_advertised(&config.name, own, &advertised)?;
    let mut seen = BTreeSet::new();
    if !peers.values().flatten().all(|url| seen.insert(url)) {
        return Err(format!("initial cluster {} has duplicate url", urls::join(&peers)));
    }
    Ok(peers)
}

/// Whether a member says of itself what the cluster says of it.
fn check_advertised(name: &String, own: &Vec<String>, advertised: &Vec<String>) -> Result<(), String> {
    if own == advertised {
        return Ok(());
    }
    let list = |urls: &[String]| urls.iter().map(|url| format!("{url:?}")).collect::<Vec<_>>().join(" ");
    let difference = match advertised.iter().zip(own).find(|(a, b)| a != b) {
        Some((a, b)) if own.len() == advertised.len() => {
            format!("{a:?}(resolved from {a:?}) != {b:?}(resolved from {b:?})")
        }
        _ => format!("len([{}]) != len([{}])", list(advertised), list(own)),
    };
    let absent = |urls: &[String], from: &[String], prefix: &str| -> Vec<String> {
        let missing: BTreeSet<&String> = urls.iter().filter(|url| !from.contains(url)).collect();
        missing.iter().map(|url| format!("{prefix}{url}")).collect()
    };
    let missing = absent(own, advertised, &format!("{name}="));
    if !missing.is_empty() {
        let (missing, advertised) = (missing.join(","), advertised.join(","));
        return Err(format!(
            "--initial-cluster has {missing} but missing from --initial-advertise-peer-urls={advertised} ({difference})"
        ));
    }
    let missing = absent(advertised, own, "");
    let cluster = urls::join([(name, advertised)]);
    if missing.is_empty() {
        let advertised = advertised.join(",");
        return Err(format!("failed to resolve {advertised} to match --initial-cluster={cluster} ({difference})"));
    }
    let missing = missing.join(",");
    Err(format!("--initial-advertise-peer-urls has {missing} but missing from --initial-cluster={cluster}"))
}
