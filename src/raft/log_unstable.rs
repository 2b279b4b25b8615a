//! The tail of the log that is not yet known to be durable, and a snapshot on its way to disk.
//!
//! ```text
//!   storage                    unstable
//!   ... │ e e e e │ p p p p │ n n n │      p: handed out to be written   n: not handed out yet
//!                  ^offset   ^offset_in_progress
//! ```
//!
//! `offset` may be at or below the storage's last index: then the next write replaces what storage holds from there.
//!
//! Upstream: `log_unstable.go`.

use std::sync::Arc;

use super::event::{EventKind, EventLog};
use super::message::{Entry, EntryId, Index, Snapshot, Term};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Unstable {
    pub snapshot: Option<Arc<Snapshot>>,
    snapshot_in_progress: bool,
    /// `entries[i]` has the index `offset + i`.
    pub entries: Vec<Entry>,
    pub offset: Index,
    /// Entries below this are being written.
    /// Invariant: `offset <= offset_in_progress <= offset + entries.len()`.
    pub offset_in_progress: Index,
}

impl Unstable {
    pub fn new(offset: Index) -> Unstable {
        Unstable {
            snapshot: None,
            snapshot_in_progress: false,
            entries: Vec::new(),
            offset,
            offset_in_progress: offset,
        }
    }

    pub fn first_index(&self) -> Option<Index> {
        self.snapshot.as_ref().map(|snapshot| snapshot.metadata.index.next())
    }

    pub fn last_index(&self) -> Option<Index> {
        match self.entries.last() {
            Some(last) => Some(last.index),
            None => self.snapshot.as_ref().map(|snapshot| snapshot.metadata.index),
        }
    }

    pub fn term(&self, index: Index) -> Option<Term> {
        if index < self.offset {
            return self.snapshot.as_ref().filter(|s| s.metadata.index == index).map(|s| s.metadata.term);
        }
        self.entries.get((index - self.offset) as usize).map(|entry| entry.term)
    }

    /// Entries that nobody was asked to write yet.
    pub fn next_entries(&self) -> &[Entry] {
        &self.entries[(self.offset_in_progress - self.offset) as usize..]
    }

    /// A snapshot that nobody was asked to write yet.
    pub fn next_snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.snapshot.as_ref().filter(|_| !self.snapshot_in_progress)
    }

    /// Everything here has been handed out to be written.
    pub fn accept_in_progress(&mut self) {
        self.offset_in_progress = self.offset + self.entries.len() as u64;
        self.snapshot_in_progress = self.snapshot.is_some();
    }

    /// Entries up to `id` are durable, and no write under way will replace them.
    pub fn stable_to(&mut self, id: EntryId, events: &mut EventLog) {
        let Some(term) = self.term(id.index) else {
            events.push(EventKind::StableEntryMissing { index: id.index });
            return;
        };
        if id.index < self.offset {
            events.push(EventKind::StableEntryIsSnapshot { index: id.index });
            return;
        }
        if term != id.term {
            // The tail was replaced between the start of the write and its end.
            events.push(EventKind::StableEntryReplaced { stable: id, unstable: EntryId { term, index: id.index } });
            return;
        }
        self.entries.drain(..(id.index.next() - self.offset) as usize);
        self.offset = id.index.next();
        self.offset_in_progress = self.offset_in_progress.max(self.offset);
    }

    pub fn stable_snapshot_to(&mut self, index: Index) {
        if self.snapshot.as_ref().is_some_and(|snapshot| snapshot.metadata.index == index) {
            self.snapshot = None;
            self.snapshot_in_progress = false;
        }
    }

    /// Starts over after a snapshot.
    pub fn restore(&mut self, snapshot: Arc<Snapshot>) {
        *self = Unstable::new(snapshot.metadata.index.next());
        self.snapshot = Some(snapshot);
    }

    /// Appends, replacing whatever is here from the first of `entries` on.
    pub fn truncate_and_append(&mut self, entries: &[Entry], events: &mut EventLog) {
        let from = entries[0].index;
        if from == self.offset + self.entries.len() as u64 {
            // The common case: nothing is replaced.
        } else if from <= self.offset {
            events.push(EventKind::ReplacedUnstable { from });
            self.entries.clear();
            self.offset = from;
            self.offset_in_progress = from;
        } else {
            events.push(EventKind::TruncatedUnstable { from });
            self.entries.truncate((from - self.offset) as usize);
            self.offset_in_progress = self.offset_in_progress.min(from);
        }
        self.entries.extend_from_slice(entries);
    }

    /// Entries of `[low, high)`, all of which must be here.
    pub fn slice(&self, low: Index, high: Index) -> &[Entry] {
        &self.entries[(low - self.offset) as usize..(high - self.offset) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::PeerId;
    use super::*;

    fn entry(term: u64, index: u64) -> Entry {
        Entry { term: Term(term), index: Index(index), ..Entry::default() }
    }

    fn id(term: u64, index: u64) -> EntryId {
        EntryId { term: Term(term), index: Index(index) }
    }

    #[test]
    fn only_the_matching_term_makes_entries_stable() {
        let mut events = EventLog::new(PeerId(1));
        let mut tail = Unstable::new(Index(5));
        tail.truncate_and_append(&[entry(1, 5), entry(1, 6)], &mut events);
        tail.accept_in_progress();
        tail.truncate_and_append(&[entry(2, 6)], &mut events);
        assert_eq!((tail.offset_in_progress, tail.next_entries().len()), (Index(6), 1));
        tail.stable_to(id(1, 6), &mut events);
        assert_eq!(tail.entries.len(), 2, "the write of 1/6 was overtaken");
        tail.stable_to(id(1, 5), &mut events);
        assert_eq!((tail.offset, tail.entries.len()), (Index(6), 1));
        tail.stable_to(id(2, 6), &mut events);
        assert_eq!((tail.offset, tail.offset_in_progress, tail.entries.len()), (Index(7), Index(7), 0));
    }

    #[test]
    fn replacing_the_whole_tail_moves_the_offset_back() {
        let mut events = EventLog::new(PeerId(1));
        let mut tail = Unstable::new(Index(5));
        tail.truncate_and_append(&[entry(1, 5)], &mut events);
        tail.truncate_and_append(&[entry(2, 3), entry(2, 4)], &mut events);
        assert_eq!((tail.offset, tail.last_index()), (Index(3), Some(Index(4))));
        assert_eq!(tail.term(Index(2)), None);
    }
}
