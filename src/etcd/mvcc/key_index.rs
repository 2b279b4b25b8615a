//! The history of one key: generations, each a life of the key from its creation to its tombstone.
//!
//! Upstream: `server/mvcc/key_index.go`. Unlike upstream the index entry also holds the newest value, so that reading
//! the present takes one lookup, and compaction drops revisions one by one as the store finds them superseded.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::revision::{Revision, Stored};
use crate::etcd::api::KeyValue;

/// Revisions in one sealed chunk of a [`RevisionList`].
const CHUNK: usize = 64;

/// An append-only list that is trimmed at the front. A clone copies at most one chunk and a pointer for each further
/// one, so a key written ten thousand times does not make a checkpoint dear, and a key written once stays small.
#[derive(Clone, Debug, Default, Hash)]
struct RevisionList {
    sealed: VecDeque<Arc<[Revision]>>,
    tail: Vec<Revision>,
    /// Trimmed entries that are still stored: in the first sealed chunk, or in the tail when none is sealed.
    trimmed: usize,
}

impl RevisionList {
    fn len(&self) -> usize {
        self.sealed.len() * CHUNK + self.tail.len() - self.trimmed
    }

    fn get(&self, i: usize) -> Revision {
        let i = i + self.trimmed;
        match self.sealed.get(i / CHUNK) {
            Some(chunk) => chunk[i % CHUNK],
            None => self.tail[i - self.sealed.len() * CHUNK],
        }
    }

    fn push(&mut self, revision: Revision) {
        if self.tail.len() == CHUNK {
            self.sealed.push_back(Arc::from(self.tail.as_slice()));
            self.tail.clear();
        }
        self.tail.push(revision);
    }

    fn pop_front(&mut self) {
        self.trimmed += 1;
        if !self.sealed.is_empty() {
            if self.trimmed == CHUNK {
                self.sealed.pop_front();
                self.trimmed = 0;
            }
        } else if self.trimmed * 2 > self.tail.len() {
            self.tail.drain(..self.trimmed);
            self.trimmed = 0;
        }
    }

    /// How many entries have `main <= at`.
    fn count_at(&self, at: i64) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.get(middle).main <= at { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The last entry with `main <= at`.
    fn last_at(&self, at: i64) -> Option<Revision> {
        self.count_at(at).checked_sub(1).map(|i| self.get(i))
    }
}

/// One life of a key. A closed generation ends with its tombstone.
#[derive(Clone, Debug, Default, Hash)]
pub struct Generation {
    created: Revision,
    version: i64,
    revisions: RevisionList,
}

impl Generation {
    pub fn created(&self) -> Revision {
        self.created
    }

    /// Writes in this life so far, the tombstone included.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The revisions not yet compacted, oldest first.
    pub fn revisions(&self) -> impl Iterator<Item = Revision> + '_ {
        (0..self.revisions.len()).map(|i| self.revisions.get(i))
    }

    /// Those of them from `from` to `to`.
    pub fn between(&self, from: i64, to: i64) -> impl Iterator<Item = Revision> + '_ {
        (self.revisions.count_at(from - 1)..self.revisions.count_at(to)).map(|i| self.revisions.get(i))
    }

    /// The oldest and the newest revision not yet compacted.
    pub fn ends(&self) -> Option<(Revision, Revision)> {
        let last = self.revisions.len().checked_sub(1)?;
        Some((self.revisions.get(0), self.revisions.get(last)))
    }

    fn is_empty(&self) -> bool {
        self.revisions.len() == 0
    }

    fn push(&mut self, revision: Revision) {
        self.version += 1;
        self.revisions.push(revision);
    }
}

/// The index entry of one key.
#[derive(Clone, Debug, Hash)]
pub struct KeyIndex {
    modified: Revision,
    latest: Stored,
    closed: imbl::Vector<Arc<Generation>>,
    /// Empty when the newest write is a tombstone.
    open: Generation,
}

impl KeyIndex {
    /// A key's first write.
    pub fn create(key: Bytes, value: Bytes, lease: i64, revision: Revision) -> KeyIndex {
        let latest = Stored::live(KeyValue {
            key,
            create_revision: revision.main,
            mod_revision: revision.main,
            version: 1,
            value,
            lease,
        });
        KeyIndex::restore(revision, latest)
    }

    /// A key whose oldest surviving write is `latest`; it may have had earlier versions.
    pub fn restore(revision: Revision, latest: Stored) -> KeyIndex {
        let kv = latest.kv();
        let created = match kv.create_revision {
            // A tombstone whose life was compacted away knows no creation.
            0 => revision,
            main if main == revision.main => revision,
            main => Revision::new(main, 0),
        };
        let open = Generation { created, version: kv.version.max(1) - 1, revisions: RevisionList::default() };
        let mut index = KeyIndex { modified: revision, latest: latest.clone(), closed: imbl::Vector::new(), open };
        index.push(revision, latest);
        index
    }

    /// Appends a write read back from a snapshot.
    pub fn push(&mut self, revision: Revision, stored: Stored) {
        if self.open.is_empty() && self.open.version == 0 {
            self.open.created = revision;
        }
        self.open.push(revision);
        if stored.is_tombstone() {
            self.closed.push_back(Arc::new(std::mem::take(&mut self.open)));
        }
        self.modified = revision;
        self.latest = stored;
    }

    /// A new value. Returns it as stored, and the write it supersedes if that one was alive.
    pub fn put(&mut self, value: Bytes, lease: i64, revision: Revision) -> (Stored, Option<Stored>) {
        let old = self.latest.kv();
        let key = old.key.clone();
        let (create_revision, version) = match old.version {
            0 => (revision.main, 1),
            version => (old.create_revision, version + 1),
        };
        let kv = KeyValue { key, create_revision, mod_revision: revision.main, version, value, lease };
        let stored = Stored::live(kv);
        let previous = std::mem::replace(&mut self.latest, stored.clone());
        if self.open.is_empty() {
            self.open.created = revision;
        }
        self.open.push(revision);
        self.modified = revision;
        (stored, (!previous.is_tombstone()).then_some(previous))
    }

    /// Ends the key's life. The key must be alive. Returns the tombstone as stored, and the value it ends.
    pub fn tombstone(&mut self, revision: Revision) -> (Stored, Stored) {
        debug_assert!(self.is_live());
        let stored = Stored::tombstone(self.latest.kv().key.clone(), revision.main);
        let previous = std::mem::replace(&mut self.latest, stored.clone());
        self.open.push(revision);
        self.closed.push_back(Arc::new(std::mem::take(&mut self.open)));
        self.modified = revision;
        (stored, previous)
    }

    pub fn is_live(&self) -> bool {
        !self.latest.is_tombstone()
    }

    /// The newest write of the key.
    pub fn modified(&self) -> Revision {
        self.modified
    }

    /// Puts other content in the place of the newest write.
    pub fn replace_latest(&mut self, stored: Stored) {
        self.latest = stored;
    }

    /// What the newest write left: a value or a tombstone.
    pub fn latest(&self) -> &Stored {
        &self.latest
    }

    /// The generations not yet compacted, oldest first; the last one is empty when the key is dead.
    pub fn generations(&self) -> impl Iterator<Item = &Generation> {
        self.closed.iter().map(|g| &**g).chain(std::iter::once(&self.open))
    }

    /// The generations that have a write at or after `from`, oldest first, each with whether its tombstone ended it.
    pub fn lives(&self, from: i64) -> impl Iterator<Item = (&Generation, bool)> {
        let (mut low, mut high) = (0, self.closed.len());
        while low < high {
            let middle = (low + high) / 2;
            let buried = self.closed[middle].ends().map_or(0, |(_, last)| last.main);
            if buried < from { low = middle + 1 } else { high = middle }
        }
        let closed = (low..self.closed.len()).map(|i| (&*self.closed[i], true));
        closed.chain((!self.open.is_empty()).then_some((&self.open, false)))
    }

    /// The writes not yet compacted, tombstones included, newest first.
    pub fn newest(&self) -> impl Iterator<Item = Revision> + '_ {
        let lives = std::iter::once(&self.open).chain(self.closed.iter().rev().map(|life| &**life));
        lives.flat_map(|life| (0..life.revisions.len()).rev().map(|i| life.revisions.get(i)))
    }

    /// How many writes are not yet compacted.
    pub fn write_count(&self) -> usize {
        self.generations().map(|life| life.revisions.len()).sum()
    }

    /// The write that a reader at revision `at` sees: none before the key's creation and after its deletion.
    pub fn get(&self, at: i64) -> Option<Revision> {
        if at >= self.modified.main {
            return self.is_live().then_some(self.modified);
        }
        if !self.open.is_empty() && self.open.revisions.get(0).main <= at {
            return self.open.revisions.last_at(at);
        }
        let (mut low, mut high) = (0, self.closed.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.closed[middle].revisions.get(0).main <= at { low = middle + 1 } else { high = middle }
        }
        let life = &self.closed[low.checked_sub(1)?].revisions;
        let buried = life.get(life.len() - 1).main <= at;
        if buried { None } else { life.last_at(at) }
    }

    /// The writes from revision `from` on, tombstones included, oldest first.
    pub fn since(&self, from: i64) -> impl Iterator<Item = Revision> + '_ {
        self.generations().flat_map(move |life| {
            let first = life.revisions.count_at(from - 1);
            (first..life.revisions.len()).map(|i| life.revisions.get(i))
        })
    }

    /// Forgets the oldest write, which compaction has removed. True when nothing is left of the key.
    pub fn drop_oldest(&mut self) -> bool {
        match self.closed.front_mut() {
            Some(life) => {
                let life = Arc::make_mut(life);
                life.revisions.pop_front();
                if life.is_empty() {
                    self.closed.pop_front();
                }
            }
            None => self.open.revisions.pop_front(),
        }
        self.closed.is_empty() && self.open.is_empty()
    }
}
