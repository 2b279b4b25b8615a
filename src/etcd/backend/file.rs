//! Snapshot files: the hash at their end, and work on their content that can pause.

use std::fmt;

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};

use crate::etcd::bolt::{BoltError, Item, Reader, Step, WriteError};

/// Bytes of a SHA-256.
const HASH: usize = 32;
/// A file has a hash at its end if its length says so: this is what a disk's sectors, and so a database's length, are
/// a multiple of.
const SECTOR: u64 = 512;
/// Reading so many bytes counts for as much work as an item does.
const COST_BYTES: usize = 1024;

/// Why a snapshot cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// Shorter than a hash. Upstream names the file as well: `seek PATH: invalid argument`.
    TooShort,
    MissingHash,
    WrongHash {
        expected: Bytes,
        got: Bytes,
    },
    Database(BoltError),
    /// The same, found by `snapshot status`.
    Integrity(BoltError),
    /// The database is sound, but not one that etcd wrote.
    Content {
        page: u64,
        bucket: Bytes,
        key: Bytes,
        why: &'static str,
    },
    /// A pair where a bucket should be.
    NoBucket(Bytes),
    /// The flags of a restore contradict each other.
    Bootstrap(String),
    Write(WriteError),
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotError::TooShort => f.write_str("invalid argument"),
            SnapshotError::MissingHash => f.write_str("snapshot missing hash but --skip-hash-check=false"),
            SnapshotError::WrongHash { expected, got } => {
                write!(f, "expected sha256 {}, got {}", Decimal(expected), Decimal(got))
            }
            SnapshotError::Integrity(error @ BoltError::Damaged { .. }) => {
                write!(f, "snapshot file integrity check failed. 1 errors found.\n{error}")
            }
            SnapshotError::Database(error) | SnapshotError::Integrity(error) => error.fmt(f),
            SnapshotError::Content { page, bucket, key, why } => {
                let bucket = bucket.escape_ascii();
                write!(f, "page {page}: bucket {bucket}, key {}: {why}", key.escape_ascii())
            }
            SnapshotError::NoBucket(name) => write!(f, "cannot get hash of bucket {}", name.escape_ascii()),
            SnapshotError::Bootstrap(why) => f.write_str(why),
            SnapshotError::Write(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SnapshotError {}

impl From<BoltError> for SnapshotError {
    fn from(error: BoltError) -> SnapshotError {
        SnapshotError::Database(error)
    }
}

impl From<WriteError> for SnapshotError {
    fn from(error: WriteError) -> SnapshotError {
        SnapshotError::Write(error)
    }
}

/// Bytes as Go prints a slice of them.
struct Decimal<'a>(&'a [u8]);

impl fmt::Display for Decimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<String> = self.0.iter().map(u8::to_string).collect();
        write!(f, "[{}]", bytes.join(" "))
    }
}

/// `--skip-hash-check`, or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashCheck {
    #[default]
    Required,
    Skipped,
}

impl HashCheck {
    /// Checks a file that is at hand as a whole. Returns its database.
    pub fn verify(self, file: &Bytes) -> Result<Bytes, SnapshotError> {
        let mut checksum = Checksum::new(file.len() as u64, self)?;
        checksum.update(file);
        checksum.finish()?;
        Ok(file.slice(..database_len(file.len() as u64) as usize))
    }
}

/// Bytes of a snapshot file that are its database.
pub fn database_len(file_len: u64) -> u64 {
    if has_hash(file_len) { file_len - HASH as u64 } else { file_len }
}

fn has_hash(file_len: u64) -> bool {
    file_len % SECTOR == HASH as u64
}

/// A snapshot file: the database and its hash.
pub fn seal(database: &Bytes) -> Bytes {
    let mut file = BytesMut::with_capacity(database.len() + HASH);
    file.extend_from_slice(database);
    file.extend_from_slice(&Sha256::digest(database));
    file.freeze()
}

/// The check of a file's hash: told the file from its beginning, in pieces of any length.
#[derive(Clone, Debug)]
pub struct Checksum {
    check: HashCheck,
    sha: Sha256,
    /// Bytes of the database yet to come.
    left: u64,
    expected: BytesMut,
}

impl Checksum {
    /// For a file of this length, which may be refused by that alone.
    pub fn new(file_len: u64, check: HashCheck) -> Result<Checksum, SnapshotError> {
        if file_len < HASH as u64 {
            return Err(SnapshotError::TooShort);
        }
        if !has_hash(file_len) && check == HashCheck::Required {
            return Err(SnapshotError::MissingHash);
        }
        let left = database_len(file_len);
        Ok(Checksum { check, sha: Sha256::new(), left, expected: BytesMut::new() })
    }

    pub fn update(&mut self, piece: &[u8]) {
        if self.check == HashCheck::Skipped {
            return;
        }
        let (database, hash) = piece.split_at(piece.len().min(usize::try_from(self.left).unwrap_or(usize::MAX)));
        self.sha.update(database);
        self.left -= database.len() as u64;
        self.expected.extend_from_slice(hash);
    }

    /// After the last piece.
    pub fn finish(self) -> Result<(), SnapshotError> {
        let got = Bytes::copy_from_slice(&self.sha.finalize());
        if self.check == HashCheck::Required && got != self.expected {
            return Err(SnapshotError::WrongHash { expected: self.expected.freeze(), got });
        }
        Ok(())
    }
}

/// What makes something of a database's content.
pub trait Sink {
    type Output;

    fn item(&mut self, item: Item) -> Result<(), SnapshotError>;

    /// After the last item. `size` is that of the database.
    fn finish(self, size: u64) -> Result<Self::Output, SnapshotError>;
}

/// Work on a database that can pause: it asks for the bytes it needs.
#[derive(Clone, Debug)]
pub struct Job<S> {
    reader: Reader,
    sink: S,
}

/// How far a [`Job`] is.
#[derive(Debug)]
pub enum Progress<S: Sink> {
    /// It needs these bytes of the file: see [`Job::supply`].
    Read {
        job: Job<S>,
        at: u64,
        len: usize,
    },
    /// It did what it was allowed to, and has more to do.
    Paused(Job<S>),
    Done(S::Output),
}

impl<S: Sink> Job<S> {
    /// Work on a database of this length: see [`database_len`].
    pub fn new(database_len: u64, sink: S) -> Job<S> {
        Job { reader: Reader::new(database_len), sink }
    }

    /// Hands over what [`Progress::Read`] asked for.
    pub fn supply(&mut self, bytes: Bytes) {
        self.reader.supply(bytes);
    }

    /// Bytes of the database that were worked on.
    pub fn position(&self) -> u64 {
        self.reader.visited()
    }

    /// Goes on until nothing is left of `budget`: an item costs one, and so does each kilobyte read. Being asked for bytes
    /// is no reason to renew it: of pages with few items that would be no bound.
    pub fn run(mut self, budget: &mut usize) -> Result<Progress<S>, SnapshotError> {
        while *budget > 0 {
            match self.reader.step()? {
                Step::Read { at, len } => {
                    *budget = budget.saturating_sub(1 + len / COST_BYTES);
                    return Ok(Progress::Read { job: self, at, len });
                }
                Step::Item(item) => {
                    *budget -= 1;
                    self.sink.item(item).map_err(|error| located(error, &self.reader))?;
                }
                Step::Done => return self.sink.finish(self.reader.size()).map(Progress::Done),
            }
        }
        Ok(Progress::Paused(self))
    }
}

/// Notes the page on which an error was found.
fn located(error: SnapshotError, reader: &Reader) -> SnapshotError {
    match error {
        SnapshotError::Content { bucket, key, why, .. } => {
            SnapshotError::Content { page: reader.page().unwrap_or(0), bucket, key, why }
        }
        error => error,
    }
}

/// Does all the work at once, on a database that is at hand as a whole.
pub fn run<S: Sink>(database: &Bytes, sink: S) -> Result<S::Output, SnapshotError> {
    let mut job = Job::new(database.len() as u64, sink);
    loop {
        let mut budget = usize::MAX;
        match job.run(&mut budget)? {
            Progress::Done(output) => return Ok(output),
            Progress::Paused(paused) => job = paused,
            Progress::Read { job: asking, at, len } => {
                job = asking;
                job.supply(database.slice(at as usize..at as usize + len));
            }
        }
    }
}
