//! What a member's database holds, and the files that snapshots of it are.
//!
//! ```text
//!   snapshot file = bbolt database ++ SHA-256 of it
//!   buckets       key          revision -> KeyValue, 18 bytes long and ending in `t` for a tombstone
//!                 lease        id -> Lease; the keys of a lease are not there, each says its own
//!                 meta         consistent_index, term, confState, scheduledCompactRev, finishedCompactRev
//!                 auth, authUsers, authRoles, alarm, members, members_removed, cluster
//! ```
//!
//! [`Backend`] is the store with the smaller buckets beside it; [`Loader`] reads it back a little at a time. [`status`]
//! and [`restore`] are `etcdutl snapshot status` and `restore`, without the files: they know no store.
//!
//! Upstream: `server/mvcc/backend`, `server/etcdserver/cindex`, `server/etcdserver/api/membership/store.go`,
//! `etcdutl/snapshot` of 3.5.1.

mod file;
mod load;
mod restore;
mod status;
mod tables;
#[cfg(test)]
mod tests;
mod urls;

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

use super::bolt::{WriteError, Writer};
use super::lease::Lessor;
use super::mvcc::{KvStore, Revision};

pub use file::{Checksum, HashCheck, Job, Progress, Sink, SnapshotError, database_len, run, seal};
pub use load::Loader;
pub use restore::{RestoreConfig, Restored, Restorer, restore};
pub use status::{Status, StatusCheck, status};
pub(in crate::etcd) use tables::go_json;

/// The names of the buckets. All of them exist from a member's first start.
pub mod bucket {
    pub const ALARM: &[u8] = b"alarm";
    pub const AUTH: &[u8] = b"auth";
    pub const AUTH_ROLES: &[u8] = b"authRoles";
    pub const AUTH_USERS: &[u8] = b"authUsers";
    pub const CLUSTER: &[u8] = b"cluster";
    pub const KEY: &[u8] = b"key";
    pub const LEASE: &[u8] = b"lease";
    pub const MEMBERS: &[u8] = b"members";
    pub const MEMBERS_REMOVED: &[u8] = b"members_removed";
    pub const META: &[u8] = b"meta";

    /// In the order in which the database holds them.
    pub const ALL: [&[u8]; 10] =
        [ALARM, AUTH, AUTH_ROLES, AUTH_USERS, CLUSTER, KEY, LEASE, MEMBERS, MEMBERS_REMOVED, META];
}

/// The keys of bucket `meta`.
mod meta {
    pub const CONF_STATE: &[u8] = b"confState";
    pub const CONSISTENT_INDEX: &[u8] = b"consistent_index";
    pub const FINISHED_COMPACTION: &[u8] = b"finishedCompactRev";
    pub const SCHEDULED_COMPACTION: &[u8] = b"scheduledCompactRev";
    pub const TERM: &[u8] = b"term";
}

/// Bytes of a revision as a key: the database's order is that of revisions.
const REVISION_LEN: usize = 17;

/// A member's database.
#[derive(Clone, Debug, Default)]
pub struct Backend {
    /// Buckets `key` and `lease`, and how far compaction came.
    pub store: KvStore,
    /// The other buckets as they are in the file. What this engine does not know in them, it keeps.
    pub tables: Tables,
}

/// Buckets by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables(BTreeMap<Bytes, BTreeMap<Bytes, Bytes>>);

/// `leasepb.Lease`.
#[derive(Clone, PartialEq, Message)]
struct LeaseRecord {
    #[prost(int64, tag = "1")]
    id: i64,
    #[prost(int64, tag = "2")]
    ttl: i64,
    #[prost(int64, tag = "3")]
    remaining_ttl: i64,
}

impl Backend {
    /// A database of this content; the other buckets are empty.
    pub fn new(store: KvStore) -> Backend {
        Backend { store, tables: Tables::default() }
    }

    /// Reads a snapshot file that is at hand as a whole. `lessor` is one without leases.
    pub fn open(file: &Bytes, check: HashCheck, lessor: Lessor) -> Result<Backend, SnapshotError> {
        let database = check.verify(file)?;
        run(&database, Loader::new(lessor))
    }

    /// The database file, as it lies in a member's data directory. [`seal`] makes a snapshot file of it.
    ///
    /// It fails only on what bbolt would not take either: a key of more than 32 KiB in one of the smaller buckets.
    pub fn database(&self) -> Result<Bytes, WriteError> {
        let mut writer = Writer::sized(usize::try_from(self.store.db_size_in_use()).unwrap_or(0));
        let mut tables = self.tables.clone();
        self.note_compaction(&mut tables);
        for name in bucket::ALL {
            tables.0.entry(Bytes::from_static(name)).or_default();
        }
        for (name, table) in &tables.0 {
            writer.bucket(name.clone(), 0)?;
            match &name[..] {
                bucket::KEY => self.write_keys(&mut writer)?,
                bucket::LEASE => self.write_leases(&mut writer)?,
                _ => write_table(table, &mut writer)?,
            }
            writer.end()?;
        }
        writer.finish(1)
    }

    /// The snapshot file that `etcdctl snapshot save` would leave.
    pub fn snapshot(&self) -> Result<Bytes, WriteError> {
        self.database().map(|database| seal(&database))
    }

    fn write_keys(&self, writer: &mut Writer) -> Result<(), WriteError> {
        let mut buffer = BytesMut::new();
        for (revision, stored) in self.store.entries(Revision::default()) {
            stored.encode_key(revision, &mut buffer);
            let key = buffer.split().freeze();
            stored.encode_value(&mut buffer);
            writer.pair(key, buffer.split().freeze())?;
        }
        Ok(())
    }

    fn write_leases(&self, writer: &mut Writer) -> Result<(), WriteError> {
        // Ids are numbers with a sign, but the database orders them as bytes.
        let (negative, positive): (Vec<_>, Vec<_>) = self.store.lessor.iter().partition(|(id, _)| *id < 0);
        for (id, lease) in positive.into_iter().chain(negative) {
            let record = LeaseRecord { id, ttl: lease.ttl(), remaining_ttl: lease.checkpointed() };
            writer.pair(Bytes::copy_from_slice(&id.to_be_bytes()), record.encode_to_vec().into())?;
        }
        Ok(())
    }

    /// What the store knows of compaction goes into bucket `meta`; never compacted leaves nothing there.
    fn note_compaction(&self, tables: &mut Tables) {
        let table = tables.table_mut(bucket::META);
        let marks = [
            (meta::SCHEDULED_COMPACTION, self.store.compact_revision()),
            (meta::FINISHED_COMPACTION, self.store.finished_compaction()),
        ];
        for (key, revision) in marks {
            if revision >= 0 {
                table.insert(Bytes::from_static(key), encode_revision(revision));
            }
        }
    }
}

fn write_table(table: &BTreeMap<Bytes, Bytes>, writer: &mut Writer) -> Result<(), WriteError> {
    table.iter().try_for_each(|(key, value)| writer.pair(key.clone(), value.clone()))
}

/// A revision without a place in its transaction.
fn encode_revision(main: i64) -> Bytes {
    let mut bytes = BytesMut::with_capacity(REVISION_LEN);
    bytes.put_i64(main);
    bytes.put_u8(b'_');
    bytes.put_i64(0);
    bytes.freeze()
}

/// Reads the first [`REVISION_LEN`] bytes of a key.
fn decode_revision(key: &[u8]) -> Option<Revision> {
    let number = |range| key.get(range).and_then(|bytes: &[u8]| bytes.try_into().ok()).map(i64::from_be_bytes);
    let (main, sub) = (number(0..8)?, number(9..REVISION_LEN)?);
    (key[8] == b'_').then_some(Revision { main, sub })
}
