//! The database file: written now and then in place of the log before it, sent to those who need what the log no longer
//! has, read at start-up.
//!
//! ```text
//!   own        applied `--snapshot-count` entries more ─> db.tmp ─fsync─> db, noted in the WAL ─> log compacted
//!   received   MsgSnap with a database ─> db.received ─fsync─> noted in the WAL ─fsync─> db, and the store is read from it
//! ```
//!
//! A snapshot that is sent holds what the leader has applied by then, not what its last own one held.
//! Upstream: `server/etcdserver/server.go` (`snapshot`, `applySnapshot`, `createMergedSnapshotMessage`).
// Simplified: the file is written whole at each snapshot; etcd's backend writes the pages that changed every 100 ms, and
// so needs less of the log when it starts.

use super::api::{HashResponse, Response, SnapshotResponse};
use super::backend::{self, Backend, Loader, run};
use super::cluster::{Cluster, Opened};
use super::error::{Code, Status};
use super::member::{Member, MemberNote, Moment};
use super::wire::Wire;
use super::{Fact, Note, Outbox};
use crate::raft::{EntryId, Index, Message, PeerId, Snapshot, SnapshotMetadata, SnapshotReport, Storage, Term};
use crate::sim::{Disk, HostId, Micros, SimTime};
use bytes::{Buf, Bytes};
use std::sync::Arc;

/// The database, one that this member is writing, and one that came from a leader.
pub const DB: &str = "db";
/// Where etcd has it in a data directory.
pub const PATH: &str = "member/snap/db";
const OWN: &str = "db.tmp";
const RECEIVED: &str = "db.received";

/// How long the sender of a snapshot waits for its receipt, and how long it allows for each byte.
const RECEIPT_TIMEOUT: Micros = Micros::from_secs(5);
const BYTES_PER_MICRO: u64 = 10;

/// The database on a disk and the place in the log where it stands, if there is one.
pub fn open(disk: &mut Disk, noted: &SnapshotMetadata, cluster: &Cluster) -> Result<Option<Backend>, String> {
    disk.remove(OWN);
    let read = |name: &'static str| -> Option<Result<Backend, String>> {
        let file = disk.file(name)?;
        let bytes = file.reader().copy_to_bytes(file.len() as usize);
        let is_same = |opened: &&Opened| (opened.file.as_ptr(), opened.file.len()) == (bytes.as_ptr(), bytes.len());
        if let Some(opened) = cluster.opened.as_ref().filter(is_same) {
            return Some(Ok(Backend::clone(&opened.backend)));
        }
        Some(run(&bytes, Loader::of(cluster)).map_err(|error| format!("failed to open database: {error}")))
    };
    // Noted as the log's beginning, but not yet under its name when the power failed.
    if let Some(Ok(received)) = read(RECEIVED)
        && received.tables.applied().0 == noted.index.0
    {
        disk.rename(RECEIVED, DB);
        return Ok(Some(received));
    }
    let database = read(DB).transpose()?;
    disk.remove(RECEIVED);
    let applied = database.as_ref().map_or(0, |database| database.tables.applied().0);
    if applied < noted.index.0 {
        return Err(format!("could not find snapshot file for index {}: the database is at {applied}", noted.index.0));
    }
    Ok(database)
}

/// Where a database stands in the log, which may have `noted` that very place: then the log knows who takes part, and the
/// database may still name the members of the cluster that it was saved in.
pub fn stands_at(database: &Backend, noted: &SnapshotMetadata) -> SnapshotMetadata {
    let (index, term) = database.tables.applied();
    if noted.index.0 == index {
        return noted.clone();
    }
    let conf_state = database.tables.conf_state().unwrap_or_default();
    SnapshotMetadata { conf_state, index: Index(index), term: Term(term) }
}

impl Member {
    /// Begins to write the database, when enough was applied since the last time.
    pub(super) fn maybe_snapshot(&mut self, at: SimTime, out: &mut Outbox) {
        let last = self.storage().snapshot_metadata().index;
        if self.snapshotting.is_some() || self.applied().0 - last.0 <= self.cluster.snapshots.count {
            return;
        }
        let metadata = self.present();
        let Some(database) = self.database(&metadata) else { return };
        self.metrics.began.database = at;
        out.write(OWN, database);
        out.sync(OWN, Note::Member(MemberNote::SnapshotSaved), None);
        self.snapshotting = Some(metadata);
    }

    /// The database is durable: it may take the place of the log.
    pub(super) fn snapshot_saved(&mut self, now: SimTime, out: &mut Outbox) {
        if self.wal.is_cutting() {
            self.snapshot_waits = true;
            return;
        }
        let Some(metadata) = self.snapshotting.take() else { return };
        self.metrics.backend_commit.observe(now.since(self.metrics.began.database).0);
        if metadata.index <= self.storage().snapshot_metadata().index {
            // One from the leader came meanwhile.
            return out.remove(OWN);
        }
        out.rename(OWN, DB);
        self.wal.snapshot(&metadata, out);
        out.sync(self.wal.tail(), Note::Member(MemberNote::SnapshotNoted), None);
        let catch_up = self.cluster.snapshots.catch_up;
        // What is on its way to somebody must find its continuation in the log.
        let may_compact = self.sending.is_empty();
        let storage = self.storage_mut();
        let SnapshotMetadata { conf_state, index, .. } = metadata;
        storage.create_snapshot(index, Some(conf_state), Bytes::new()).expect("newer than the last, and in the log");
        let compacted = Index(index.0.saturating_sub(catch_up));
        if may_compact && compacted >= storage.first_index() {
            storage.compact(compacted).expect("between the first and the last entry");
        }
        out.fact(Fact::Snapshotted { index, first: self.storage().first_index() });
    }

    /// What is durable stands for the log before it, which nobody needs any more who starts.
    pub(super) fn release_log(&mut self, out: &mut Outbox) {
        let index = self.storage().snapshot_metadata().index;
        self.wal.purge(index, out);
    }

    /// Where the store stands now.
    fn present(&self) -> SnapshotMetadata {
        let index = self.applied();
        let term = self.raft().term_at(index).unwrap_or_default();
        SnapshotMetadata { conf_state: self.conf_state.clone(), index, term }
    }

    /// The database as a file. None if it holds what no database can: nothing that a client may write.
    fn database(&self, at: &SnapshotMetadata) -> Option<Bytes> {
        let id = EntryId { term: at.term, index: at.index };
        self.applier.backend(id, &at.conf_state).database().ok()
    }

    /// The answer to `Snapshot`: the database with its hash behind it; or to `Hash`, which is over the whole of it.
    // Simplified: upstream leaves the applied index and its term out of the latter.
    pub(super) fn backup(&mut self, whole: bool) -> Result<Response, Status> {
        let database = self.database(&self.present()).ok_or_else(|| unreadable("a key is too large"))?;
        if whole {
            self.metrics.backend_snapshot.observe(0);
            let blob = backend::seal(&database);
            return Ok(Response::Snapshot(SnapshotResponse { blob, ..SnapshotResponse::default() }));
        }
        self.metrics.hash += 1;
        let hash = backend::status(&database).map_err(|error| unreadable(&error.to_string()))?.hash;
        Ok(Response::Hash(HashResponse { header: None, hash }))
    }

    /// Puts the present database into a message that Raft would send with the last snapshot.
    pub(super) fn fill_snapshot(&mut self, now: SimTime, message: &mut Message) {
        let metadata = self.present();
        let Some(data) = self.database(&metadata) else { return };
        let span = RECEIPT_TIMEOUT + Micros(data.len() as u64 / BYTES_PER_MICRO);
        self.sending.insert(message.to, now + span);
        self.metrics.peer(message.to).snapshot_sending = Some(now);
        message.snapshot = Some(Arc::new(Snapshot { data, metadata }));
    }

    /// The receiver has the whole of a snapshot.
    pub(super) fn snapshot_taken(&mut self, at: Moment, from: PeerId) {
        if self.sending.remove(&from).is_some() {
            self.count_snapshot_sent(at.now, from, true);
            self.with_node(at, |node| node.report_snapshot(from, SnapshotReport::Finish));
        }
    }

    /// Gives up on receivers that say nothing.
    pub(super) fn expire_snapshots(&mut self, at: Moment) {
        let late = |(peer, until): (&PeerId, &SimTime)| (*until <= at.now).then_some(*peer);
        let late: Vec<PeerId> = self.sending.iter().filter_map(late).collect();
        for peer in late {
            self.sending.remove(&peer);
            self.count_snapshot_sent(at.now, peer, false);
            self.with_node(at, |node| node.report_snapshot(peer, SnapshotReport::Failure));
        }
    }

    /// Writes down a snapshot that came from the leader.
    pub(super) fn write_snapshot(&mut self, snapshot: &Snapshot, out: &mut Outbox) {
        out.remove(RECEIVED);
        out.write(RECEIVED, snapshot.data.clone());
        out.sync(RECEIVED, Note::Member(MemberNote::ReceivedSaved), None);
    }

    /// A snapshot from the leader is durable: the store is what it says.
    pub(super) fn restore_snapshot(&mut self, at: Moment, snapshot: &Snapshot, out: &mut Outbox) {
        out.rename(RECEIVED, DB);
        let metadata = snapshot.metadata.clone();
        let (index, term) = (metadata.index, metadata.term);
        let backend = match run(&snapshot.data, Loader::of(&self.cluster)) {
            Ok(backend) => backend,
            Err(error) => {
                return self.stop(Fact::Panicked { why: format!("failed to open snapshot backend: {error}") }, out);
            }
        };
        self.conf_state = metadata.conf_state.clone();
        let bare = Arc::new(Snapshot { data: Bytes::new(), metadata });
        self.storage_mut().apply_snapshot(bare).expect("Raft restores only what is newer");
        self.applier.install(backend);
        self.applied_up_to(index);
        self.release_log(out);
        let members = self.applier.membership.list();
        self.know(&members, at.now);
        let removed: Vec<PeerId> = self.applier.membership.removed().collect();
        removed.into_iter().for_each(|peer| self.peers.remove(peer));
        out.fact(Fact::Restored { index, term });
    }
}

fn unreadable(why: &str) -> Status {
    Status { code: Code::Unknown, message: format!("the database cannot be written: {why}") }
}

/// The receipt of a snapshot.
pub fn acknowledge(from: HostId, message: &Message, out: &mut Outbox) {
    if message.snapshot.is_some() {
        super::member::tell(from, Wire::SnapshotTaken, out);
    }
}
