//! What the log reads back of what was made durable.
//!
//! Upstream: `storage.go`.

use std::fmt;
use std::sync::Arc;

use imbl::Vector;

use super::message::{ConfState, Entry, EntryId, HardState, Index, Snapshot, SnapshotMetadata, Term, fitting_count};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StorageError {
    /// The entries asked for were compacted away.
    Compacted,
    /// The entries asked for are not here yet.
    Unavailable,
    /// A snapshot older than the one held was to replace it.
    SnapshotOutOfDate,
    /// A snapshot is being made: ask again later.
    SnapshotTemporarilyUnavailable,
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StorageError::Compacted => "requested index is unavailable due to compaction",
            StorageError::Unavailable => "requested entry at index is unavailable",
            StorageError::SnapshotOutOfDate => "requested index is older than the existing snapshot",
            StorageError::SnapshotTemporarilyUnavailable => "snapshot is temporarily unavailable",
        })
    }
}

impl std::error::Error for StorageError {}

/// The durable log, as Raft reads it. The caller writes it, following the contract in [`super::RawNode`].
pub trait Storage {
    /// What was durable when the member started.
    fn initial_state(&self) -> (HardState, ConfState);

    /// Entries of `[low, high)`, as many as fit into `size_max` bytes but at least one.
    fn entries(&self, low: Index, high: Index, size_max: u64) -> Result<Vec<Entry>, StorageError>;

    /// The term of the entry at `index`, which may be one before the first: its term outlives its compaction.
    fn term(&self, index: Index) -> Result<Term, StorageError>;

    fn first_index(&self) -> Index;

    fn last_index(&self) -> Index;

    /// The latest snapshot of the state machine. It is sent to peers that need one, so it must be at least as new as the
    /// change that added them: a peer ignores a snapshot that does not name it.
    fn snapshot(&self) -> Result<Arc<Snapshot>, StorageError>;
}

/// A log in memory. A clone shares its entries.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemStorage {
    hard_state: HardState,
    snapshot: Arc<Snapshot>,
    /// The last entry compacted away: `entries[i]` has the index `compacted.index + 1 + i`.
    compacted: EntryId,
    entries: Vector<Entry>,
}

impl Default for MemStorage {
    fn default() -> MemStorage {
        MemStorage::new()
    }
}

impl MemStorage {
    pub fn new() -> MemStorage {
        MemStorage {
            hard_state: HardState::default(),
            snapshot: Arc::default(),
            compacted: EntryId::default(),
            entries: Vector::new(),
        }
    }

    /// An empty log whose configuration is already known.
    pub fn with_conf_state(conf_state: ConfState) -> MemStorage {
        let mut storage = MemStorage::new();
        Arc::make_mut(&mut storage.snapshot).metadata.conf_state = conf_state;
        storage
    }

    pub fn hard_state(&self) -> HardState {
        self.hard_state
    }

    pub fn set_hard_state(&mut self, hard_state: HardState) {
        self.hard_state = hard_state;
    }

    /// Of the last snapshot.
    pub fn snapshot_metadata(&self) -> &SnapshotMetadata {
        &self.snapshot.metadata
    }

    /// The entries held, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    pub fn entry(&self, index: Index) -> Option<&Entry> {
        self.entries.get(self.position(index)?)
    }

    /// Replaces everything by a snapshot.
    pub fn apply_snapshot(&mut self, snapshot: Arc<Snapshot>) -> Result<(), StorageError> {
        if self.snapshot.metadata.index >= snapshot.metadata.index {
            return Err(StorageError::SnapshotOutOfDate);
        }
        self.compacted = snapshot.id();
        self.entries = Vector::new();
        self.snapshot = snapshot;
        Ok(())
    }

    /// Records a snapshot the state machine made at `index`. The log is not compacted by this.
    pub fn create_snapshot(
        &mut self,
        index: Index,
        conf_state: Option<ConfState>,
        data: bytes::Bytes,
    ) -> Result<Arc<Snapshot>, StorageError> {
        if index <= self.snapshot.metadata.index {
            return Err(StorageError::SnapshotOutOfDate);
        }
        let term = self.term(index)?;
        let mut metadata = self.snapshot.metadata.clone();
        (metadata.index, metadata.term) = (index, term);
        if let Some(conf_state) = conf_state {
            metadata.conf_state = conf_state;
        }
        self.snapshot = Arc::new(Snapshot { data, metadata });
        Ok(self.snapshot.clone())
    }

    /// Drops entries up to and including `index`, which must be held and applied.
    pub fn compact(&mut self, index: Index) -> Result<(), StorageError> {
        if index <= self.compacted.index {
            return Err(StorageError::Compacted);
        }
        let term = self.term(index)?;
        self.entries = self.entries.skip((index - self.compacted.index) as usize);
        self.compacted = EntryId { term, index };
        Ok(())
    }

    /// Makes `entries` durable. They replace whatever is held from the first of them on.
    pub fn append(&mut self, entries: &[Entry]) {
        let Some(last) = entries.last() else { return };
        if last.index <= self.compacted.index {
            return;
        }
        let compacted = entries.iter().take_while(|entry| entry.index <= self.compacted.index).count();
        let entries = &entries[compacted..];
        let keep = (entries[0].index - self.first_index()) as usize;
        assert!(
            keep <= self.entries.len(),
            "missing log entry [last: {}, append at: {}]",
            self.last_index(),
            entries[0].index
        );
        self.entries.truncate(keep);
        self.entries.extend(entries.iter().cloned());
    }

    fn position(&self, index: Index) -> Option<usize> {
        index.0.checked_sub(self.compacted.index.0 + 1).map(|position| position as usize)
    }
}

impl Storage for MemStorage {
    fn initial_state(&self) -> (HardState, ConfState) {
        (self.hard_state, self.snapshot.metadata.conf_state.clone())
    }

    fn entries(&self, low: Index, high: Index, size_max: u64) -> Result<Vec<Entry>, StorageError> {
        let low = self.position(low).ok_or(StorageError::Compacted)?;
        let high = self.position(high).ok_or(StorageError::Compacted)?;
        if high > self.entries.len() {
            return Err(StorageError::Unavailable);
        }
        let wanted = self.entries.focus().narrow(low..high);
        let count = if size_max == u64::MAX { high - low } else { fitting_count(wanted.clone().into_iter(), size_max) };
        Ok(wanted.into_iter().take(count).cloned().collect())
    }

    fn term(&self, index: Index) -> Result<Term, StorageError> {
        if index == self.compacted.index {
            return Ok(self.compacted.term);
        }
        let position = self.position(index).ok_or(StorageError::Compacted)?;
        self.entries.get(position).map(|entry| entry.term).ok_or(StorageError::Unavailable)
    }

    fn first_index(&self) -> Index {
        self.compacted.index.next()
    }

    fn last_index(&self) -> Index {
        self.compacted.index + self.entries.len() as u64
    }

    /// There is none before the first was made; a peer that needs one then has lost what it had acknowledged.
    fn snapshot(&self) -> Result<Arc<Snapshot>, StorageError> {
        if self.snapshot.is_empty() {
            return Err(StorageError::SnapshotTemporarilyUnavailable);
        }
        Ok(self.snapshot.clone())
    }
}
