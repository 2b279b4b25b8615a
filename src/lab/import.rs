//! A world that begins from a snapshot of a real cluster: the file is checked, restored as `etcdutl snapshot restore` would
//! for every member, and read, a little at a time, so that whoever shows a page can breathe in between.
//!
//! ```text
//!   wants ─> supply ─> … ─> run ─> run ─> … ─> Import ─> Lab::restored
//!   the file's pieces, its hash   databases     shared by all members and by every world that begins from it
//! ```
//!
//! A saved world does not hold the file. It names it by its hash, and is opened where the file is at hand.

use super::Scenario;
use crate::etcd::backend::{
    Checksum, HashCheck, Job, Loader, Progress, RestoreConfig, Restored, Restorer, SnapshotError, database_len,
};
use crate::etcd::{Cluster, cluster::Opened};
use bytes::{Bytes, BytesMut};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Bytes that are asked for at once: few enough to hash them between two frames. A multiple of every page size.
const PIECE: u64 = 1 << 20;
/// Bytes of a SHA-256.
const HASH: usize = 32;
/// Beyond this a browser's 32-bit memory cannot hold the file, the database restored from it and the rest of the world.
pub const FILE_BYTES_MAX: u64 = 3 << 29;

/// Names a snapshot file by its content: the SHA-256 at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SnapshotId([u8; HASH]);

impl SnapshotId {
    /// Of a file that ends with these bytes; `None` if they are too few.
    pub fn at_end_of(tail: &[u8]) -> Option<SnapshotId> {
        tail.last_chunk().copied().map(SnapshotId)
    }

    /// Reads its text form.
    pub fn parse(text: &str) -> Option<SnapshotId> {
        let digit = |byte: u8| char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
        let digits: Vec<u32> = text.bytes().map(digit).collect::<Option<_>>()?;
        let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect();
        (digits.len() == 2 * HASH).then(|| bytes.try_into().ok().map(SnapshotId))?
    }

    /// Enough of it to tell two files apart.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A snapshot file, restored for the members of one cluster.
pub struct Import {
    pub id: SnapshotId,
    pub cluster: Arc<Cluster>,
    pub restored: Restored,
}

impl fmt::Debug for Import {
    /// Without the database.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Import({})", self.id)
    }
}

impl Import {
    /// Whether a world of this scenario can begin from it.
    pub fn fits(&self, id: SnapshotId, scenario: &Scenario) -> bool {
        self.id == id && Cluster { opened: self.cluster.opened.clone(), ..cluster_of(scenario, id) } == *self.cluster
    }

    /// What is in it.
    pub fn summary(&self) -> Summary {
        let Some(Opened { backend, .. }) = &self.cluster.opened else { return Summary::default() };
        Summary {
            revision: backend.store.revision(),
            keys: backend.store.live_count(),
            alarms: backend.tables.alarms().iter().map(|alarm| alarm.alarm().name().to_owned()).collect(),
            auth_enabled: backend.tables.auth().0 == Some(true),
        }
    }
}

/// What somebody who opens a snapshot wants to know first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub revision: i64,
    /// Living ones.
    pub keys: usize,
    /// Raised in the cluster that was saved, and so in the restored one.
    pub alarms: Vec<String>,
    pub auth_enabled: bool,
}

/// A cluster restored from a snapshot is a new one: its ids are neither those of the cluster that was saved nor those of
/// one that begins empty.
fn cluster_of(scenario: &Scenario, id: SnapshotId) -> Cluster {
    scenario.cluster_of(&token(id))
}

fn token(id: SnapshotId) -> String {
    format!("restored-{}", id.short())
}

/// A snapshot file being taken in.
#[derive(Debug)]
pub struct Importer {
    scenario: Scenario,
    file_len: u64,
    /// The file as far as it was handed over, in pieces of [`PIECE`] bytes but for the last.
    pieces: Vec<Bytes>,
    work: Work,
}

#[derive(Debug)]
enum Work {
    Reading(Checksum),
    Restoring(SnapshotId, Arc<Cluster>, Box<Job<Restorer>>),
    Loading(SnapshotId, Arc<Cluster>, Box<(Restored, Job<Loader>)>),
    Over,
}

/// What became of a turn of [`Importer::run`].
#[derive(Debug)]
pub enum Turn {
    /// There is more to do, and of all of it this share in thousandths is done.
    Paused(u32),
    Done(Box<Import>),
}

impl Importer {
    /// For a file of this length.
    ///
    /// # Errors
    /// It is too large, too short or has no hash.
    pub fn new(scenario: Scenario, file_len: u64) -> Result<Importer, String> {
        if file_len > FILE_BYTES_MAX {
            return Err(format!("a snapshot of {file_len} bytes; at most {FILE_BYTES_MAX} fit into a page's memory"));
        }
        let checksum = Checksum::new(file_len, HashCheck::Required).map_err(|error| error.to_string())?;
        Ok(Importer { scenario, file_len, pieces: Vec::new(), work: Work::Reading(checksum) })
    }

    /// The bytes of the file to hand over next, while any are missing.
    pub fn wants(&self) -> Option<Range<u64>> {
        let start = self.pieces.len() as u64 * PIECE;
        (matches!(self.work, Work::Reading(_)) && start < self.file_len)
            .then(|| start..(start + PIECE).min(self.file_len))
    }

    /// Takes the bytes that [`Importer::wants`] names. A file that became shorter meanwhile is refused by its hash.
    pub fn supply(&mut self, piece: Bytes) {
        if let Work::Reading(checksum) = &mut self.work {
            checksum.update(&piece);
            self.pieces.push(piece);
        }
    }

    /// Goes on, by at most this many items of a database, fewer if their pages are large. Everything was handed over before.
    ///
    /// # Errors
    /// Where the file is damaged, and how. Nothing can be done with it then.
    pub fn run(&mut self, items_max: usize) -> Result<Turn, SnapshotError> {
        let mut budget = items_max;
        match std::mem::replace(&mut self.work, Work::Over) {
            Work::Reading(checksum) => {
                checksum.finish()?;
                let tail = self.pieces.iter().rev().take(2).rev().fold(BytesMut::new(), |mut tail, piece| {
                    tail.extend_from_slice(&piece[piece.len().saturating_sub(HASH)..]);
                    tail
                });
                let id = SnapshotId::at_end_of(&tail).ok_or(SnapshotError::TooShort)?;
                let cluster = cluster_of(&self.scenario, id);
                let len = database_len(self.file_len);
                let restorer = Restorer::sized(&RestoreConfig::of(&cluster, &token(id)), len)?;
                self.work = Work::Restoring(id, Arc::new(cluster), Box::new(Job::new(len, restorer)));
            }
            Work::Restoring(id, cluster, job) => {
                let mut job = *job;
                let next = loop {
                    match job.run(&mut budget)? {
                        Progress::Read { job: asking, at, len } => {
                            job = asking;
                            job.supply(self.bytes(at, len));
                        }
                        Progress::Paused(job) => break Work::Restoring(id, cluster, Box::new(job)),
                        Progress::Done(restored) => {
                            self.pieces = Vec::new();
                            let job = Job::new(restored.database.len() as u64, Loader::of(&cluster));
                            break Work::Loading(id, cluster, Box::new((restored, job)));
                        }
                    }
                };
                self.work = next;
            }
            Work::Loading(id, mut cluster, work) => {
                let (restored, mut job) = *work;
                let next = loop {
                    match job.run(&mut budget)? {
                        Progress::Read { job: asking, at, len } => {
                            job = asking;
                            job.supply(restored.database.slice(at as usize..at as usize + len));
                        }
                        Progress::Paused(job) => break Work::Loading(id, cluster, Box::new((restored, job))),
                        Progress::Done(backend) => {
                            let opened = Opened { file: restored.database.clone(), backend: Arc::new(backend) };
                            Arc::make_mut(&mut cluster).opened = Some(opened);
                            return Ok(Turn::Done(Box::new(Import { id, cluster, restored })));
                        }
                    }
                };
                self.work = next;
            }
            Work::Over => panic!("an import goes on neither after its end nor after an error"),
        }
        Ok(Turn::Paused(self.share()))
    }

    /// A range of the file.
    fn bytes(&self, at: u64, len: usize) -> Bytes {
        let (position, start) = ((at / PIECE) as usize, (at % PIECE) as usize);
        match self.pieces.get(position) {
            Some(piece) if start + len <= piece.len() => piece.slice(start..start + len),
            // A large value may lie across the border of two pieces or more. Past the end there is nothing.
            _ => {
                let mut whole = BytesMut::with_capacity(len);
                let mut skip = start;
                for piece in self.pieces.iter().skip(position) {
                    let piece = &piece[skip.min(piece.len())..];
                    whole.extend_from_slice(&piece[..piece.len().min(len - whole.len())]);
                    skip = 0;
                }
                whole.freeze()
            }
        }
    }

    /// How much of the work is done, in thousandths: a third each for reading, restoring and loading.
    pub fn share(&self) -> u32 {
        let part = |at: u64, of: u64| (at.min(of) * 333 / of.max(1)) as u32;
        match &self.work {
            Work::Reading(_) => part(self.pieces.len() as u64 * PIECE, self.file_len),
            Work::Restoring(_, _, job) => 333 + part(job.position(), self.file_len),
            Work::Loading(_, _, work) => {
                let (restored, job) = work.as_ref();
                666 + part(job.position(), restored.database.len() as u64)
            }
            Work::Over => 1_000,
        }
    }
}

/// Takes in a file that is at hand as a whole.
///
/// # Errors
/// Why it cannot be used.
pub fn import(file: &Bytes, scenario: Scenario) -> Result<Import, String> {
    let mut importer = Importer::new(scenario, file.len() as u64)?;
    while let Some(Range { start, end }) = importer.wants() {
        importer.supply(file.slice(start as usize..end as usize));
    }
    loop {
        if let Turn::Done(import) = importer.run(usize::MAX).map_err(|error| error.to_string())? {
            return Ok(*import);
        }
    }
}
