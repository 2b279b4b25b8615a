//! What names a write, what a write leaves behind, and which keys a request speaks of.

use std::ops::Bound;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

use crate::etcd::api::{Event, EventType, KeyValue};

/// One write: `main` is the transaction, `sub` its place within the transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Revision {
    pub main: i64,
    pub sub: i64,
}

impl Revision {
    pub const fn new(main: i64, sub: i64) -> Revision {
        Revision { main, sub }
    }
}

/// A value as the revision store keeps it. Shared: the key's index entry, the revision store and a transaction's list
/// of changes hold the same one.
///
/// A tombstone carries its key and `mod_revision` and is told by `version` 0, which no living value has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stored(Arc<KeyValue>);

impl Stored {
    pub fn live(kv: KeyValue) -> Stored {
        debug_assert!(kv.version > 0);
        Stored(Arc::new(kv))
    }

    pub fn tombstone(key: Bytes, mod_revision: i64) -> Stored {
        Stored(Arc::new(KeyValue { key, mod_revision, ..KeyValue::default() }))
    }

    pub fn kv(&self) -> &KeyValue {
        &self.0
    }

    pub fn is_tombstone(&self) -> bool {
        self.0.version == 0
    }

    /// What a watcher is told about this write, without the previous value.
    pub fn event(&self) -> Event {
        let kind = if self.is_tombstone() { EventType::Delete } else { EventType::Put };
        Event { r#type: kind as i32, kv: Some(KeyValue::clone(&self.0)), prev_kv: None }
    }

    /// The entry of the database's `key` bucket, appended to `out`: a key of 17 bytes, or 18 for a tombstone.
    pub fn encode_key(&self, revision: Revision, out: &mut BytesMut) {
        out.put_i64(revision.main);
        out.put_u8(b'_');
        out.put_i64(revision.sub);
        if self.is_tombstone() {
            out.put_u8(b't');
        }
    }

    /// The entry's value, appended to `out`. On disk a tombstone is its key alone.
    pub fn encode_value(&self, out: &mut BytesMut) {
        if self.is_tombstone() {
            KeyValue { key: self.0.key.clone(), ..KeyValue::default() }.encode_raw(out);
        } else {
            self.0.encode_raw(out);
        }
    }

    /// Bytes the entry takes in the database file: element header, key and value.
    pub fn disk_size(&self) -> u64 {
        const ELEMENT_HEADER: usize = 16;
        const REVISION: usize = 17;
        // A tombstone's extra `t` and the `mod_revision` it does not write are smaller than the model's grain.
        (ELEMENT_HEADER + REVISION + self.0.encoded_len()) as u64
    }
}

/// The keys named by `key` and `range_end`, as every request of the API names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySpan<'a> {
    One(&'a [u8]),
    /// `range_end` is a single zero byte: this key and all above it.
    From(&'a [u8]),
    /// Start inclusive, end exclusive; empty when reversed.
    Between(&'a [u8], &'a [u8]),
}

impl<'a> KeySpan<'a> {
    pub fn of(key: &'a [u8], range_end: &'a [u8]) -> KeySpan<'a> {
        match range_end {
            [] => KeySpan::One(key),
            [0] => KeySpan::From(key),
            end => KeySpan::Between(key, end),
        }
    }

    pub fn contains(self, key: &[u8]) -> bool {
        match self {
            KeySpan::One(one) => one == key,
            KeySpan::From(start) => start <= key,
            KeySpan::Between(start, end) => start <= key && key < end,
        }
    }

    pub fn is_empty(self) -> bool {
        matches!(self, KeySpan::Between(start, end) if start >= end)
    }

    pub fn bounds(self) -> (Bound<&'a [u8]>, Bound<&'a [u8]>) {
        match self {
            KeySpan::One(one) => (Bound::Included(one), Bound::Included(one)),
            KeySpan::From(start) => (Bound::Included(start), Bound::Unbounded),
            KeySpan::Between(start, end) => (Bound::Included(start), Bound::Excluded(end)),
        }
    }
}
