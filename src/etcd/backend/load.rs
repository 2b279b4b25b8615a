//! Reading a database back into a store.
//!
//! The file is taken for hostile here too: what the store relies on is checked.

use bytes::Bytes;
use prost::Message;

use super::file::{Sink, SnapshotError};
use super::{Backend, LeaseRecord, REVISION_LEN, Tables, bucket, decode_revision, meta};
use crate::etcd::api::KeyValue;
use crate::etcd::bolt::Item;
use crate::etcd::cluster::Cluster;
use crate::etcd::lease::{Lessor, MAX_TTL};
use crate::etcd::member::new_lessor;
use crate::etcd::mvcc::store::Restoring;
use crate::etcd::mvcc::{Revision, Stored};

/// Revisions and versions stay below this, so that counting on from them cannot overflow. No cluster comes near.
const REVISION_MAX: i64 = i64::MAX / 2;

/// A database being read.
#[derive(Clone, Debug)]
pub struct Loader {
    place: Place,
    store: Restoring,
    lessor: Lessor,
    tables: Tables,
    last: Option<Revision>,
}

impl Loader {
    /// For a database of this cluster.
    pub fn of(cluster: &Cluster) -> Loader {
        Loader::new(new_lessor(cluster))
    }

    /// `lessor` is one without leases; it knows the shortest time to live.
    pub fn new(lessor: Lessor) -> Loader {
        Loader { place: Place::default(), store: Restoring::default(), lessor, tables: Tables::default(), last: None }
    }
}

impl Sink for Loader {
    type Output = Backend;

    fn item(&mut self, item: Item) -> Result<(), SnapshotError> {
        let (bucket, key, value) = match self.place.locate(item)? {
            Located::Begin(bucket) => {
                self.tables.0.entry(bucket).or_default();
                return Ok(());
            }
            Located::End(_) => return Ok(()),
            Located::Pair { bucket, key, value } => (bucket, key, value),
        };
        let complaint = match &bucket[..] {
            bucket::KEY => self.entry(&key, value).err(),
            bucket::LEASE => self.lease(&key, value).err(),
            name => {
                let table = self.tables.0.entry(bucket.clone()).or_default();
                table.insert(key.clone(), value.clone());
                self.tables.complaint(name, &key, &value)
            }
        };
        match complaint {
            Some(why) => Err(SnapshotError::Content { page: 0, bucket, key, why }),
            None => Ok(()),
        }
    }

    fn finish(self, _size: u64) -> Result<Backend, SnapshotError> {
        let finished = self.tables.compaction(meta::FINISHED_COMPACTION);
        let scheduled = self.tables.compaction(meta::SCHEDULED_COMPACTION);
        let store = self.store.finish(finished, scheduled, self.lessor);
        Ok(Backend { store, tables: self.tables })
    }
}

impl Loader {
    fn entry(&mut self, key: &[u8], value: Bytes) -> Result<(), &'static str> {
        let revision = decode_revision(key).ok_or("not a revision")?;
        let tombstone = match &key[REVISION_LEN..] {
            b"" => false,
            b"t" => true,
            _ => return Err("not a revision"),
        };
        if !is_sane(revision.main) || revision.sub < 0 {
            return Err("revision out of range");
        }
        // One revision as a value and as a tombstone: as bytes they differ.
        if self.last.is_some_and(|last| revision <= last) {
            return Err("revision occurs twice");
        }
        let kv = KeyValue::decode(value).map_err(|_| "not a key-value")?;
        if kv.key.is_empty() {
            return Err("key-value without a key");
        }
        let stored = match tombstone {
            true => Stored::tombstone(kv.key, revision.main),
            false if kv.mod_revision != revision.main => return Err("mod_revision is not the revision"),
            false if !(1..=kv.mod_revision).contains(&kv.create_revision) => {
                return Err("create_revision out of range");
            }
            false if kv.version == 0 || !is_sane(kv.version) => return Err("version out of range"),
            false => Stored::live(kv),
        };
        self.last = Some(revision);
        self.store.push(revision, stored);
        Ok(())
    }

    fn lease(&mut self, key: &[u8], value: Bytes) -> Result<(), &'static str> {
        let LeaseRecord { id, ttl, remaining_ttl } = LeaseRecord::decode(value).map_err(|_| "not a lease")?;
        if key != id.to_be_bytes() {
            return Err("lease under another's id");
        }
        if ttl > MAX_TTL || !(0..=MAX_TTL).contains(&remaining_ttl) {
            return Err("time to live out of range");
        }
        self.lessor.restore(id, ttl, remaining_ttl);
        Ok(())
    }
}

/// Whether a revision's or a version's number can be counted on from.
pub(super) fn is_sane(number: i64) -> bool {
    (0..REVISION_MAX).contains(&number)
}

/// The bucket at hand. etcd has buckets at the top, and pairs in them.
#[derive(Clone, Debug, Default)]
pub(super) struct Place(Option<Bytes>);

/// An item and the bucket it belongs to.
pub(super) enum Located {
    Begin(Bytes),
    Pair { bucket: Bytes, key: Bytes, value: Bytes },
    End(Bytes),
}

impl Place {
    pub fn locate(&mut self, item: Item) -> Result<Located, SnapshotError> {
        match (item, self.0.take()) {
            (Item::Bucket { name, .. }, None) => {
                self.0 = Some(name.clone());
                Ok(Located::Begin(name))
            }
            (Item::Bucket { name, .. }, Some(bucket)) => {
                Err(SnapshotError::Content { page: 0, bucket, key: name, why: "bucket in a bucket" })
            }
            (Item::Pair { key, value }, Some(bucket)) => {
                self.0 = Some(bucket.clone());
                Ok(Located::Pair { bucket, key, value })
            }
            (Item::Pair { key, .. }, None) => Err(SnapshotError::NoBucket(key)),
            (Item::End, bucket) => Ok(Located::End(bucket.unwrap_or_default())),
        }
    }
}
