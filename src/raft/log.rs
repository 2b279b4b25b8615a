//! The log as the protocol sees it: durable entries and the unstable tail as one sequence, and how far it is
//! committed and applied.
//!
//! Invariant: `applied <= applying <= committed <= last_index`.
//!
//! Upstream: `log.go`.

use std::fmt;
use std::sync::Arc;

use super::event::{EventKind, EventLog};
use super::log_unstable::Unstable;
use super::message::{Entry, EntryId, Index, Message, Snapshot, Term, encoded_size, fitting_count};
use super::raft::RaftError;
use super::storage::{Storage, StorageError};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct RaftLog<S> {
    pub storage: S,
    pub unstable: Unstable,
    /// A quorum holds everything up to here.
    pub committed: Index,
    /// The state machine was told to apply everything up to here.
    pub applying: Index,
    /// The state machine applied everything up to here.
    pub applied: Index,
    /// Bytes that may be handed out to be applied before some are reported as applied.
    applying_size_max: u64,
    applying_size: u64,
    applying_paused: bool,
}

impl<S: Storage> RaftLog<S> {
    pub fn new(storage: S, applying_size_max: u64) -> RaftLog<S> {
        let compacted = storage.first_index().prev();
        RaftLog {
            unstable: Unstable::new(storage.last_index().next()),
            committed: compacted,
            applying: compacted,
            applied: compacted,
            applying_size_max,
            applying_size: 0,
            applying_paused: false,
            storage,
        }
    }

    pub fn first_index(&self) -> Index {
        self.unstable.first_index().unwrap_or_else(|| self.storage.first_index())
    }

    pub fn last_index(&self) -> Index {
        self.unstable.last_index().unwrap_or_else(|| self.storage.last_index())
    }

    pub fn last_id(&self) -> EntryId {
        let index = self.last_index();
        let term = self.term(index).expect("the last entry, or what was compacted before it, has a term");
        EntryId { term, index }
    }

    /// The term at `index`, which may be one before the first entry.
    pub fn term(&self, index: Index) -> Result<Term, StorageError> {
        if let Some(term) = self.unstable.term(index) {
            return Ok(term);
        }
        if index.next() < self.first_index() {
            return Err(StorageError::Compacted);
        }
        if index > self.last_index() {
            return Err(StorageError::Unavailable);
        }
        self.storage.term(index)
    }

    /// Zero stands for a term that is not known.
    pub fn term_or_zero(&self, index: Index) -> Term {
        self.term(index).unwrap_or(Term::ZERO)
    }

    pub fn matches(&self, id: EntryId) -> bool {
        self.term(id.index) == Ok(id.term)
    }

    /// Whether a log that ends in `candidate` holds everything this one could have committed.
    pub fn is_up_to_date(&self, candidate: EntryId) -> bool {
        // EntryId compares by term, then by index: exactly the rule of section 5.4.1 of the paper.
        candidate >= self.last_id()
    }

    /// Takes a leader's MsgApp. The last index now known to match, or `None` if the entry before does not match.
    pub fn maybe_append(&mut self, m: &Message, events: &mut EventLog) -> Result<Option<Index>, RaftError> {
        if !self.matches(EntryId { term: m.log_term, index: m.index }) {
            return Ok(None);
        }
        let last = m.index + m.entries.len() as u64;
        if let Some(position) = self.find_conflict(&m.entries, events) {
            let conflict = m.entries[position].index;
            if conflict <= self.committed {
                return Err(RaftError::ConflictWithCommitted { index: conflict, committed: self.committed });
            }
            self.append(&m.entries[position..], events);
        }
        self.commit_to(m.commit.min(last))?;
        Ok(Some(last))
    }

    /// Appends, replacing what follows. Committed entries are never replaced.
    pub fn append(&mut self, entries: &[Entry], events: &mut EventLog) -> Index {
        if let Some(first) = entries.first() {
            let after = first.index.prev();
            assert!(after >= self.committed, "after({after}) is out of range [committed({})]", self.committed);
            self.unstable.truncate_and_append(entries, events);
        }
        self.last_index()
    }

    /// The position of the first of `entries` that this log does not already hold.
    fn find_conflict(&self, entries: &[Entry], events: &mut EventLog) -> Option<usize> {
        let position = entries.iter().position(|entry| !self.matches(entry.id()))?;
        let Entry { index, term, .. } = entries[position];
        if index <= self.last_index() {
            events.push(EventKind::ConflictFound { index, existing: self.term_or_zero(index), conflicting: term });
        }
        Some(position)
    }

    /// The last index up to `index` whose term is at most `term`: nothing after it can match a log that has `term`
    /// at `index`. An unknown term counts as a possible match and is given as zero.
    pub fn find_conflict_by_term(&self, index: Index, term: Term) -> EntryId {
        let unknown = |index| EntryId { term: Term::ZERO, index };
        // Terms are known from one before the first entry on, and never fall: so the place can be found by halves.
        let (mut low, mut high) = (self.first_index().prev(), index);
        if index > self.last_index() || index < low {
            return unknown(index);
        }
        if self.term_or_zero(low) > term {
            return unknown(low.prev());
        }
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if self.term_or_zero(middle) <= term {
                low = middle;
            } else {
                high = middle.prev();
            }
        }
        EntryId { term: self.term_or_zero(low), index: low }
    }

    /// Commits up to `id` if this log holds it; true if that was news.
    pub fn maybe_commit(&mut self, id: EntryId) -> bool {
        let news = id.index > self.committed && id.term != Term::ZERO && self.matches(id);
        if news {
            self.committed = id.index;
        }
        news
    }

    /// The commit index never goes back. It cannot pass the end of the log unless the log lost entries it had
    /// acknowledged.
    pub fn commit_to(&mut self, to: Index) -> Result<(), RaftError> {
        if self.committed < to {
            let last_index = self.last_index();
            if last_index < to {
                return Err(RaftError::CommitOutOfRange { to, last_index });
            }
            self.committed = to;
        }
        Ok(())
    }

    pub fn applied_to(&mut self, index: Index, size: u64) {
        assert!(
            self.applied <= index && index <= self.committed,
            "applied({index}) is out of range [prevApplied({}), committed({})]",
            self.applied,
            self.committed
        );
        self.applied = index;
        self.applying = self.applying.max(index);
        self.applying_size = self.applying_size.saturating_sub(size);
        self.applying_paused = self.applying_size >= self.applying_size_max;
    }

    /// Entries up to `index` were handed out to be applied.
    pub fn accept_applying(&mut self, index: Index, size: u64, allow_unstable: bool) {
        assert!(index <= self.committed, "applying({index}) is out of range [committed({})]", self.committed);
        self.applying = index;
        self.applying_size = self.applying_size.saturating_add(size);
        // Pause at the limit, and also when the limit is what kept more entries from being handed out.
        self.applying_paused =
            self.applying_size >= self.applying_size_max || index < self.appliable_index_max(allow_unstable);
    }

    /// `[low, high)` of what may be applied next. Nothing may while a snapshot is pending: it comes first.
    fn next_committed_range(&self, allow_unstable: bool) -> Option<(Index, Index)> {
        if self.applying_paused || self.unstable.snapshot.is_some() {
            return None;
        }
        let (low, high) = (self.applying.next(), self.appliable_index_max(allow_unstable).next());
        (low < high).then_some((low, high))
    }

    pub fn has_next_committed(&self, allow_unstable: bool) -> bool {
        self.next_committed_range(allow_unstable).is_some()
    }

    /// Entries to apply next. Committed entries may be applied before they are durable here, if `allow_unstable`.
    pub fn next_committed(&self, allow_unstable: bool) -> Vec<Entry> {
        let Some((low, high)) = self.next_committed_range(allow_unstable) else { return Vec::new() };
        let size_max = self.applying_size_max - self.applying_size;
        self.slice(low, high, size_max).expect("committed entries that are not applied are not compacted")
    }

    fn appliable_index_max(&self, allow_unstable: bool) -> Index {
        if allow_unstable { self.committed } else { self.committed.min(self.unstable.offset.prev()) }
    }

    /// Whether an entry committed but not applied changes the configuration.
    pub fn has_unapplied_conf_change(&self) -> bool {
        let mut low = self.applied.next();
        let high = self.committed.next();
        while low < high {
            // By pages, so that a long backlog is not held in memory at once.
            let page = self.slice(low, high, self.applying_size_max).expect("unapplied entries are not compacted");
            if page.iter().any(|entry| entry.entry_type.is_conf_change()) {
                return true;
            }
            low += page.len() as u64;
        }
        false
    }

    /// Entries from `index` to the end, as many as fit into `size_max` bytes.
    pub fn entries(&self, index: Index, size_max: u64) -> Result<Vec<Entry>, StorageError> {
        let last = self.last_index();
        if index > last { Ok(Vec::new()) } else { self.slice(index, last.next(), size_max) }
    }

    /// Entries of `[low, high)`, as many as fit into `size_max` bytes but at least one.
    pub fn slice(&self, low: Index, high: Index, size_max: u64) -> Result<Vec<Entry>, StorageError> {
        if low < self.first_index() {
            return Err(StorageError::Compacted);
        }
        let offset = self.unstable.offset;
        if low >= offset {
            let tail = self.unstable.slice(low, high);
            return Ok(tail[..fitting_count(tail.iter(), size_max)].to_vec());
        }
        let cut = high.min(offset);
        let mut entries = self.storage.entries(low, cut, size_max)?;
        let size = encoded_size(&entries);
        if high <= offset || (entries.len() as u64) < cut - low || size >= size_max {
            return Ok(entries);
        }
        let tail = self.unstable.slice(offset, high);
        let room = size_max - size;
        let count = fitting_count(tail.iter(), room);
        // The first of the tail is not the first of the slice, so it gets no exemption from the limit.
        if count > 1 || tail[0].encoded_size() <= room {
            entries.extend_from_slice(&tail[..count]);
        }
        Ok(entries)
    }

    pub fn snapshot(&self) -> Result<Arc<Snapshot>, StorageError> {
        match &self.unstable.snapshot {
            Some(snapshot) => Ok(snapshot.clone()),
            None => self.storage.snapshot(),
        }
    }

    pub fn restore(&mut self, snapshot: Arc<Snapshot>, events: &mut EventLog) {
        events.push(EventKind::RestoringSnapshot { log: self.to_string(), snapshot: snapshot.id() });
        self.committed = snapshot.metadata.index;
        self.unstable.restore(snapshot);
    }
}

impl<S> fmt::Display for RaftLog<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "committed={}, applied={}, applying={}, unstable.offset={}, unstable.offsetInProgress={}, \
             len(unstable.Entries)={}",
            self.committed,
            self.applied,
            self.applying,
            self.unstable.offset,
            self.unstable.offset_in_progress,
            self.unstable.entries.len()
        )
    }
}
