//! The key-value store: the index over keys, the values by revision, transactions and compaction.
//!
//! The store applies what it is told and refuses only what the past forbids (compacted and future revisions); request
//! validation and leases' existence are [`crate::etcd::apply`]'s. Reading costs lookups in ordered maps, never a scan
//! of the whole.
//!
//! Compaction is told what to remove by a queue: each write that supersedes another appends the superseded one, so
//! compacting costs what it removes rather than what it keeps.
//!
//! Upstream: `server/mvcc/kvstore.go`, `kvstore_txn.go`, `kvstore_compaction.go`.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::{Bytes, BytesMut};
use imbl::{OrdMap, Vector};

use super::key_index::KeyIndex;
use super::revision::{KeySpan, Revision, Stored};
use super::tree_index::{TreeIndex, Written};
use crate::etcd::api::KeyValue;
use crate::etcd::error::EtcdError;
use crate::etcd::lease::Lessor;
use crate::etcd::metrics::StoreMetrics;

/// The compact revision of a store that was never compacted, as upstream counts and HashKV prints it.
pub const NEVER_COMPACTED: i64 = -1;

/// Upstream's batch of one compaction step (`etcd --experimental-compaction-batch-limit`).
pub const COMPACTION_BATCH: usize = 1000;

/// Size of a page of the database file.
const PAGE: u64 = 4096;
/// Pages of a fresh database: two meta pages, the freelist, the root and the first leaf.
const FRESH_PAGES: u64 = 5;

/// How to read a span of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RangeOptions {
    /// At most this many values; 0 for all. The count is of all keys regardless.
    pub limit: usize,
    /// As of this revision; 0 or less for the present.
    pub revision: i64,
    pub count_only: bool,
}

/// What a span held.
#[derive(Debug)]
pub struct RangeResult<'a> {
    pub kvs: Vec<&'a KeyValue>,
    pub count: usize,
    /// The store's revision at the time of reading.
    pub revision: i64,
}

/// A write that compaction removes once it passes `since`.
#[derive(Clone, Copy, Debug, Hash)]
struct Superseded {
    since: i64,
    revision: Revision,
}

/// The store.
#[derive(Clone, Debug, Hash)]
pub struct KvStore {
    index: TreeIndex,
    /// The database's `key` bucket.
    revisions: OrdMap<Revision, Stored>,
    superseded: Vector<Superseded>,
    pub lessor: Lessor,
    current: i64,
    compacted: i64,
    compaction_finished: i64,
    /// Bytes of all entries, as the database file would hold them.
    bytes: u64,
    /// High-water mark of the file, in bytes.
    db_size: u64,
}

impl Default for KvStore {
    fn default() -> KvStore {
        KvStore::new(Lessor::default())
    }
}

impl KvStore {
    /// A fresh store, at revision 1.
    pub fn new(lessor: Lessor) -> KvStore {
        KvStore {
            index: TreeIndex::default(),
            revisions: OrdMap::new(),
            superseded: Vector::new(),
            lessor,
            current: 1,
            compacted: NEVER_COMPACTED,
            compaction_finished: NEVER_COMPACTED,
            bytes: 0,
            db_size: FRESH_PAGES * PAGE,
        }
    }

    /// A store read back from the entries of a snapshot, in revision order. See [`Restoring`].
    pub fn restore(
        entries: impl IntoIterator<Item = (Revision, Stored)>,
        finished: i64,
        scheduled: i64,
        lessor: Lessor,
    ) -> KvStore {
        let mut restoring = Restoring::default();
        entries.into_iter().for_each(|(revision, stored)| restoring.push(revision, stored));
        restoring.finish(finished, scheduled, lessor)
    }

    /// The newest revision.
    pub fn revision(&self) -> i64 {
        self.current
    }

    /// The oldest revision that can be read; [`NEVER_COMPACTED`] before the first compaction.
    pub fn compact_revision(&self) -> i64 {
        self.compacted
    }

    /// The compaction whose removals are all done.
    pub fn finished_compaction(&self) -> i64 {
        self.compaction_finished
    }

    pub fn index(&self) -> &TreeIndex {
        &self.index
    }

    /// Entries of the revision store from `from` on, in order.
    pub fn entries(&self, from: Revision) -> impl Iterator<Item = (Revision, &Stored)> {
        self.revisions
            .range::<_, Revision>((Bound::Included(&from), Bound::Unbounded))
            .map(|(revision, stored)| (*revision, stored))
    }

    /// A key's writes from revision `from` on, oldest first.
    pub fn history(&self, key: &[u8], from: i64) -> impl Iterator<Item = &Stored> {
        let revisions = self.index.get(key).into_iter().flat_map(move |index| index.since(from));
        revisions.filter_map(|revision| self.revisions.get(&revision))
    }

    /// How many entries the revision store holds.
    pub fn entry_count(&self) -> usize {
        self.revisions.len()
    }

    /// How many keys are there now: all entries but those that compaction may remove are a living key's last write.
    pub fn live_count(&self) -> usize {
        self.revisions.len() - self.superseded.len()
    }

    /// The value a key has now.
    pub fn get(&self, key: &[u8]) -> Option<&KeyValue> {
        let latest = self.index.get(key)?.latest();
        (!latest.is_tombstone()).then(|| latest.kv())
    }

    /// The values a span's keys have now, in key order.
    pub fn live(&self, span: KeySpan<'_>) -> impl Iterator<Item = &KeyValue> {
        let (one, many) = match span {
            KeySpan::One(key) => (self.get(key), None),
            span => (None, Some(self.index.range(span))),
        };
        let live = many.into_iter().flatten().filter(|index| index.is_live()).map(|index| index.latest().kv());
        one.into_iter().chain(live)
    }

    /// The value a key had at a revision, if that can still be read.
    pub fn get_at(&self, key: &[u8], at: i64) -> Option<&KeyValue> {
        if at < self.compacted || at > self.current {
            return None;
        }
        let index = self.index.get(key)?;
        let revision = index.get(at)?;
        if revision == index.modified() {
            return Some(index.latest().kv());
        }
        self.revisions.get(&revision).map(Stored::kv)
    }

    pub fn range(&self, span: KeySpan<'_>, options: RangeOptions) -> Result<RangeResult<'_>, EtcdError> {
        self.range_as_of(self.current, span, options)
    }

    fn range_as_of(
        &self,
        current: i64,
        span: KeySpan<'_>,
        options: RangeOptions,
    ) -> Result<RangeResult<'_>, EtcdError> {
        if options.revision > current {
            return Err(EtcdError::FutureRev);
        }
        let at = if options.revision <= 0 { current } else { options.revision };
        if at < self.compacted {
            return Err(EtcdError::Compacted);
        }
        let wanted = match options {
            RangeOptions { count_only: true, .. } => 0,
            RangeOptions { limit: 0, .. } => usize::MAX,
            RangeOptions { limit, .. } => limit,
        };
        let mut result = RangeResult { kvs: Vec::new(), count: 0, revision: current };
        let mut visit = |index| {
            let Some(revision) = KeyIndex::get(index, at) else { return };
            result.count += 1;
            if result.kvs.len() < wanted {
                let stored = if revision == index.modified() {
                    index.latest()
                } else {
                    self.revisions.get(&revision).expect("the index names only revisions that are stored")
                };
                result.kvs.push(stored.kv());
            }
        };
        match span {
            KeySpan::One(key) => self.index.get(key).into_iter().for_each(&mut visit),
            span => self.index.range(span).for_each(&mut visit),
        }
        Ok(result)
    }

    /// Begins a transaction. Its writes are in the store at once; [`WriteTxn::end`] makes its revision the current one.
    pub fn write(&mut self) -> WriteTxn<'_> {
        WriteTxn { store: self, changes: Vec::new(), done: StoreMetrics::default() }
    }

    /// Forbids reading below `revision` and schedules the removal of what no reader can reach any more.
    pub fn compact(&mut self, revision: i64) -> Result<(), EtcdError> {
        if revision <= self.compacted {
            return Err(EtcdError::Compacted);
        }
        if revision > self.current {
            return Err(EtcdError::FutureRev);
        }
        self.compacted = revision;
        Ok(())
    }

    /// Carries the scheduled compaction on by at most `batch` removals. True when there is nothing left to do.
    ///
    /// As in 3.5.1, a deletion at the compact revision itself goes too: a watcher that starts there does not hear of it.
    pub fn compact_step(&mut self, batch: usize) -> bool {
        for _ in 0..batch {
            match self.superseded.front() {
                Some(next) if next.since <= self.compacted => {}
                _ => {
                    self.compaction_finished = self.compacted;
                    return true;
                }
            }
            let next = self.superseded.pop_front().expect("the front was there");
            if let Some(stored) = self.revisions.remove(&next.revision) {
                self.bytes -= stored.disk_size();
                self.index.drop_oldest(&stored.kv().key);
            }
        }
        false
    }

    /// The hash of all entries up to `revision` (0 for the current one), by which members compare their data. It does
    /// not change while a compaction is under way.
    pub fn hash_kv(&self, revision: i64) -> Result<u32, EtcdError> {
        if revision > 0 && revision <= self.compacted {
            return Err(EtcdError::Compacted);
        }
        if revision > self.current {
            return Err(EtcdError::FutureRev);
        }
        let at = if revision == 0 { self.current } else { revision };
        // Entries that compaction may already have removed are left out, unless nothing is alive at this revision:
        // then upstream's filter is an empty set, which it takes for no filter.
        let filter = self.compacted >= 0 && self.index.range(KeySpan::From(b"")).any(|index| index.get(at).is_some());
        let mut crc = crc32c::crc32c(b"key");
        let mut entry = BytesMut::new();
        for (revision, stored) in &self.revisions {
            if revision.main > at {
                break;
            }
            if filter && revision.main <= self.compacted {
                let seen = self.index.get(&stored.kv().key).and_then(|index| index.get(at));
                if seen != Some(*revision) {
                    continue;
                }
            }
            entry.clear();
            stored.encode_key(*revision, &mut entry);
            stored.encode_value(&mut entry);
            crc = crc32c::crc32c_append(crc, &entry);
        }
        Ok(crc)
    }

    /// A bit flips on the disk, in the newest value there is: this store no longer holds what the others hold. False if it
    /// holds no value.
    pub fn rot(&mut self) -> bool {
        let living = |stored: &&Stored| {
            let kv = stored.kv();
            !kv.value.is_empty() && self.get(&kv.key).is_some_and(|latest| latest.mod_revision == kv.mod_revision)
        };
        let mut newest = self.revisions.iter().rev().map(|(revision, stored)| (*revision, stored));
        let Some((revision, stored)) = newest.find(|(_, stored)| living(stored)) else { return false };
        let mut value = stored.kv().value.to_vec();
        value[0] ^= 1;
        let rotten = Stored::live(KeyValue { value: value.into(), ..stored.kv().clone() });
        self.revisions.insert(revision, rotten.clone());
        self.index.replace_latest(rotten);
        true
    }

    /// Size of the database file: it grows to the most that was ever in use, and only [`KvStore::defragment`] shrinks it.
    pub fn db_size(&self) -> i64 {
        self.db_size as i64
    }

    /// Bytes of the file that hold data, in whole pages.
    pub fn db_size_in_use(&self) -> i64 {
        self.size_in_use() as i64
    }

    /// Rewrites the file without its free pages.
    pub fn defragment(&mut self) {
        self.db_size = self.size_in_use();
    }

    // Simplified: bbolt's pages are modelled by their fill (etcd asks for 90 %), not laid out one by one.
    fn size_in_use(&self) -> u64 {
        FRESH_PAGES * PAGE + (self.bytes * 10 / 9).next_multiple_of(PAGE)
    }

    fn record(&mut self, revision: Revision, stored: Stored, superseded: Option<Revision>) {
        if let Some(old) = superseded {
            self.superseded.push_back(Superseded { since: revision.main, revision: old });
        }
        if stored.is_tombstone() {
            self.superseded.push_back(Superseded { since: revision.main, revision });
        }
        self.bytes += stored.disk_size();
        self.db_size = self.db_size.max(self.size_in_use());
        self.revisions.insert(revision, stored);
    }
}

/// A store being read back, entry by entry, so that a large one need not come at once.
#[derive(Clone, Debug, Default)]
pub struct Restoring {
    store: KvStore,
    /// Leases of living keys, gathered on the way: at the end a large store is not walked once more.
    leased: BTreeMap<Bytes, i64>,
}

impl Restoring {
    /// The next entry; revisions ascend.
    pub fn push(&mut self, revision: Revision, stored: Stored) {
        self.note_lease(stored.kv());
        let superseded = self.store.index.restore(revision, stored.clone());
        self.store.record(revision, stored, superseded);
        self.store.current = self.store.current.max(revision.main);
    }

    /// `finished` and `scheduled` are the snapshot's compaction revisions; a compaction that was scheduled and not
    /// finished is taken up again.
    pub fn finish(self, finished: i64, scheduled: i64, lessor: Lessor) -> KvStore {
        let mut store = KvStore { lessor, ..self.store };
        self.leased.iter().for_each(|(key, lease)| store.lessor.attach(*lease, key));
        store.compacted = finished;
        store.compaction_finished = finished;
        store.current = store.current.max(finished);
        if scheduled > finished {
            store.compacted = scheduled;
            store.current = store.current.max(scheduled);
        }
        store.db_size = store.size_in_use();
        store
    }

    /// Attachments are not stored: each living key says its own. A tombstone says none.
    fn note_lease(&mut self, kv: &KeyValue) {
        if kv.lease != 0 {
            self.leased.insert(kv.key.clone(), kv.lease);
        } else if !self.leased.is_empty() {
            self.leased.remove(&kv.key);
        }
    }
}

/// A write transaction: any number of puts and deletes under one revision. Dropping it is not undoing it.
pub struct WriteTxn<'a> {
    store: &'a mut KvStore,
    changes: Vec<Stored>,
    done: StoreMetrics,
}

impl WriteTxn<'_> {
    /// The revision a read in this transaction reports: one more than before it, once it has written.
    pub fn revision(&self) -> i64 {
        self.store.current + i64::from(!self.changes.is_empty())
    }

    /// The store as it is now, this transaction's writes included.
    pub fn range(&self, span: KeySpan<'_>, options: RangeOptions) -> Result<RangeResult<'_>, EtcdError> {
        self.store.range_as_of(self.revision(), span, options)
    }

    /// The value a key has now.
    pub fn get(&self, key: &[u8]) -> Option<&KeyValue> {
        self.store.get(key)
    }

    /// Writes a value and attaches the key to `lease`, or to none if 0. Returns the value it replaced.
    pub fn put(&mut self, key: &Bytes, value: Bytes, lease: i64) -> Option<Stored> {
        self.done.puts += 1;
        self.done.put_bytes += (key.len() + value.len()) as u64;
        let revision = self.next_revision();
        let written = self.store.index.put(key, value, lease, revision);
        let old_lease = written.previous.as_ref().map_or(0, |(_, old)| old.kv().lease);
        if old_lease != lease {
            self.store.lessor.detach(old_lease, key);
            self.store.lessor.attach(lease, &written.stored.kv().key);
        }
        self.record(revision, written)
    }

    /// Deletes a key if it is there. Returns the value it had.
    pub fn delete(&mut self, key: &[u8]) -> Option<Stored> {
        self.done.deletes += 1;
        self.remove(key)
    }

    fn remove(&mut self, key: &[u8]) -> Option<Stored> {
        let revision = self.next_revision();
        let written = self.store.index.tombstone(key, revision)?;
        let previous = self.record(revision, written)?;
        self.store.lessor.detach(previous.kv().lease, key);
        Some(previous)
    }

    /// Deletes the keys of a span. Returns the values they had, in key order.
    pub fn delete_range(&mut self, span: KeySpan<'_>) -> Vec<Stored> {
        if let KeySpan::One(key) = span {
            return self.delete(key).into_iter().collect();
        }
        let keys: Vec<Bytes> = self.store.live(span).map(|kv| kv.key.clone()).collect();
        self.done.deletes += 1;
        keys.iter().filter_map(|key| self.remove(key)).collect()
    }

    /// Notes that a request was read in this transaction.
    pub fn count_range(&mut self) {
        self.done.ranges += 1;
    }

    /// What it has done so far, for the metrics.
    pub fn done(&self) -> StoreMetrics {
        self.done
    }

    /// Ends the transaction: if it wrote anything, its revision is now the store's. Returns what it wrote, in order.
    pub fn end(self) -> Vec<Stored> {
        if !self.changes.is_empty() {
            self.store.current += 1;
        }
        self.changes
    }

    fn next_revision(&self) -> Revision {
        Revision::new(self.store.current + 1, self.changes.len() as i64)
    }

    fn record(&mut self, revision: Revision, written: Written) -> Option<Stored> {
        let (superseded, previous) = written.previous.unzip();
        self.store.record(revision, written.stored.clone(), superseded);
        self.changes.push(written.stored);
        previous
    }
}
