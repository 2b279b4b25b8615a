//! `etcdutl snapshot status`.

use bytes::Bytes;

use super::file::{Sink, SnapshotError, run};
use super::{REVISION_LEN, bucket};
use crate::etcd::bolt::Item;

/// What `etcdutl snapshot status` says of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// CRC-32C over the names of the buckets, each followed by its keys and values.
    pub hash: u32,
    /// That of the last entry of bucket `key`: unlike the store's revision it is lower when the newest keys were
    /// deleted and compacted away.
    pub revision: i64,
    /// Entries of all buckets.
    pub total_key: u64,
    /// The database's pages, free ones included, without the hash behind them.
    pub total_size: u64,
}

/// The status of a snapshot file that is at hand as a whole. As upstream, it does not look at the hash at the end.
pub fn status(file: &Bytes) -> Result<Status, SnapshotError> {
    run(file, StatusCheck::default()).map_err(|error| match error {
        SnapshotError::Database(error) => SnapshotError::Integrity(error),
        error => error,
    })
}

/// A status being taken.
#[derive(Clone, Debug, Default)]
pub struct StatusCheck {
    status: Status,
    depth: usize,
    in_key: bool,
}

impl Sink for StatusCheck {
    type Output = Status;

    fn item(&mut self, item: Item) -> Result<(), SnapshotError> {
        match item {
            Item::Bucket { name, .. } => {
                match self.depth {
                    0 => self.in_key = name == bucket::KEY,
                    // Upstream sees a bucket within a bucket as a key without a value, and not what is in it.
                    1 => self.status.total_key += 1,
                    _ => {}
                }
                if self.depth < 2 {
                    self.feed(&name);
                }
                self.depth += 1;
            }
            Item::End => self.depth -= 1,
            Item::Pair { key, .. } if self.depth == 0 => return Err(SnapshotError::NoBucket(key)),
            Item::Pair { key, value } if self.depth == 1 => {
                self.feed(&key);
                self.feed(&value);
                self.status.total_key += 1;
                if self.in_key {
                    self.status.revision = main_of(&key)?;
                }
            }
            Item::Pair { .. } => {}
        }
        Ok(())
    }

    fn finish(self, size: u64) -> Result<Status, SnapshotError> {
        Ok(Status { total_size: size, ..self.status })
    }
}

impl StatusCheck {
    fn feed(&mut self, bytes: &[u8]) {
        self.status.hash = crc32c::crc32c_append(self.status.hash, bytes);
    }
}

fn main_of(key: &Bytes) -> Result<i64, SnapshotError> {
    match key[..].first_chunk() {
        Some(main) if key.len() >= REVISION_LEN => Ok(i64::from_be_bytes(*main)),
        _ => {
            let bucket = Bytes::from_static(bucket::KEY);
            Err(SnapshotError::Content { page: 0, bucket, key: key.clone(), why: "not a revision" })
        }
    }
}
