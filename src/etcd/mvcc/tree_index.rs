//! All keys in byte order, each with its history.
//!
//! Upstream: `server/mvcc/index.go`.

use std::sync::Arc;

use bytes::Bytes;
use imbl::OrdMap;

use super::key_index::KeyIndex;
use super::revision::{KeySpan, Revision, Stored};

/// The ordered index over keys.
#[derive(Clone, Debug, Default, Hash)]
pub struct TreeIndex {
    keys: OrdMap<Bytes, Arc<KeyIndex>>,
}

/// A write and what it superseded.
pub struct Written {
    pub stored: Stored,
    /// The superseded write and its place in the revision store.
    pub previous: Option<(Revision, Stored)>,
}

impl TreeIndex {
    /// Keys with any history, the dead ones included.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub fn get(&self, key: &[u8]) -> Option<&KeyIndex> {
        self.keys.get(key).map(|index| &**index)
    }

    /// The histories of a span's keys, in key order.
    pub fn range(&self, span: KeySpan<'_>) -> impl Iterator<Item = &KeyIndex> {
        // A reversed range is empty, and the map would rather not be asked.
        let bounds = if span.is_empty() { KeySpan::Between(b"", b"").bounds() } else { span.bounds() };
        self.keys.range::<_, [u8]>(bounds).map(|(_, index)| &**index)
    }

    pub fn put(&mut self, key: &Bytes, value: Bytes, lease: i64, revision: Revision) -> Written {
        if let Some(index) = self.keys.get_mut(&key[..]) {
            let index = Arc::make_mut(index);
            let superseded = index.modified();
            let (stored, previous) = index.put(value, lease, revision);
            return Written { stored, previous: previous.map(|previous| (superseded, previous)) };
        }
        // The request's key is a slice of a larger buffer; a copy lets that buffer go when its value is compacted.
        let key = Bytes::copy_from_slice(key);
        let index = KeyIndex::create(key.clone(), value, lease, revision);
        let stored = index.latest().clone();
        self.keys.insert(key, Arc::new(index));
        Written { stored, previous: None }
    }

    /// Buries a key if it is alive.
    pub fn tombstone(&mut self, key: &[u8], revision: Revision) -> Option<Written> {
        if !self.keys.get(key)?.is_live() {
            return None;
        }
        let index = Arc::make_mut(self.keys.get_mut(key)?);
        let superseded = index.modified();
        let (stored, previous) = index.tombstone(revision);
        Some(Written { stored, previous: Some((superseded, previous)) })
    }

    /// Appends a write read back from a snapshot. Returns the living write it supersedes.
    pub fn restore(&mut self, revision: Revision, stored: Stored) -> Option<Revision> {
        if let Some(index) = self.keys.get_mut(&stored.kv().key[..]) {
            let superseded = index.is_live().then_some(index.modified());
            Arc::make_mut(index).push(revision, stored);
            superseded
        } else {
            self.keys.insert(stored.kv().key.clone(), Arc::new(KeyIndex::restore(revision, stored)));
            None
        }
    }

    /// Puts other content in the place of a key's last write.
    pub fn replace_latest(&mut self, stored: Stored) {
        if let Some(index) = self.keys.get_mut(&stored.kv().key[..]) {
            Arc::make_mut(index).replace_latest(stored);
        }
    }

    /// Forgets a key's oldest write, and the key with its last one.
    pub fn drop_oldest(&mut self, key: &[u8]) {
        if let Some(index) = self.keys.get_mut(key)
            && Arc::make_mut(index).drop_oldest()
        {
            self.keys.remove(key);
        }
    }
}
