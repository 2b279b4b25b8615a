//! The write-ahead log in etcd's own format: segments of framed, padded Protobuf records with a rolling CRC-32C.
//!
//! ```text
//!   file     %016x-%016x.wal: its number and the index of the first entry in it
//!   segment  crc so far, metadata, hard state (in the very first: a snapshot of nothing), then what comes
//!   frame    u64 LE: length of the record in the low 56 bits; top byte 0x80 | padding when padded to 8
//!   record   { type: int64 = 1, crc: uint32 = 2, data: bytes = 3 }
//!   types    1 metadata {node id, cluster id}   2 entry   3 hard state   4 crc   5 snapshot
//! ```
//!
//! A segment that has grown to its size is cut: the next one is written beside it and gets its name when both are durable.
//! Segments that no start needs any more are deleted when there are more than `--max-wals`.
//!
//! An entry's data goes to the disk as the buffer that the log holds: it is never copied. Reading stops at the first record
//! that does not check: a tail torn by a power cut is cut off, a damaged record with good ones behind it is refused.
//! Upstream: `server/storage/wal`.
// Simplified: segments are not preallocated; that changes no byte of a record.

mod record;
#[cfg(test)]
mod tests;

use crate::etcd::{MemberNote, Note, Outbox};
use crate::raft::{Entry, EntryId, HardState, Index, PeerId, SnapshotMetadata};
use crate::sim::disk::File;
use crate::sim::{Disk, FileName};
use bytes::{Buf, Bytes};
use record::{Data, Next, Record};
use std::fmt;

pub use record::Encoder;

/// What its files are on the member's disk, and one that is still being cut.
pub const FILE: &str = "wal";
const NEW: &str = "wal.tmp";

/// Upstream's `SegmentSizeBytes`.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// Elections for longer than there will be computers.
const TERM_MAX: u64 = u64::MAX >> 1;
/// `--max-wals`.
const SEGMENTS_MAX: usize = 5;

/// The segment of this number, whose first entry is `first`.
pub fn segment(number: u64, first: Index) -> FileName {
    FileName { kind: FILE, number: [number, first.0] }
}

/// Where etcd has a segment in a data directory.
pub fn path(file: FileName) -> String {
    let [number, first] = file.number;
    if file.kind == NEW {
        return "member/wal/0.tmp".to_owned();
    }
    format!("member/wal/{number:016x}-{first:016x}.wal")
}

/// Whether there is a log, and how many bytes of it, and how many of those are durable.
pub fn size(disk: &Disk) -> Option<(u64, u64)> {
    let mut files = disk.files(FILE).map(|(_, file)| (file.len(), file.synced()));
    let first = files.next()?;
    Some(files.fold(first, |all, file| (all.0 + file.0, all.1 + file.1)))
}

/// Whether a file is part of the log.
pub fn holds(file: FileName) -> bool {
    file.kind == FILE || file.kind == NEW
}

/// The last entry that the log on a disk says a database stands for.
pub fn snapshot_on(disk: &Disk) -> Option<EntryId> {
    let recovered = recover(disk, true).ok()?;
    (!recovered.segments.is_empty())
        .then_some(EntryId { index: recovered.snapshot.index, term: recovered.snapshot.term })
}

/// The log that a member writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wal {
    encoder: Encoder,
    node_id: u64,
    cluster_id: u64,
    hard_state: HardState,
    last: Index,
    /// Oldest first; the last one is written to, unless the next is being cut.
    segments: Vec<FileName>,
    cutting: bool,
    /// Bytes that were written since the process started.
    pub written: u64,
    /// Bytes in the segment that is written to, and how many are enough.
    bytes: u64,
    segment_bytes: u64,
}

impl Wal {
    /// Begins the log of a new member.
    pub fn create(node_id: u64, cluster_id: u64, segment_bytes: u64, out: &mut Outbox) -> Wal {
        let segments = vec![segment(0, Index(0))];
        let mut wal = Wal { node_id, cluster_id, segments, segment_bytes, ..Wal::default() };
        wal.write(out, |encoder, write| {
            encoder.crc(write);
            encoder.metadata(node_id, cluster_id, write);
            encoder.snapshot(&SnapshotMetadata::default(), write);
        });
        wal
    }

    /// Goes on behind what was read from a disk.
    pub fn resume(recovered: &Recovered, segment_bytes: u64) -> Wal {
        Wal {
            encoder: recovered.encoder.clone(),
            node_id: recovered.node_id,
            cluster_id: recovered.cluster_id,
            hard_state: recovered.hard_state,
            last: recovered.last(),
            segments: recovered.segments.clone(),
            cutting: false,
            written: 0,
            bytes: recovered.sound,
            segment_bytes,
        }
    }

    /// Where the next record goes, and what has to be synced.
    pub fn tail(&self) -> FileName {
        match self.segments.last() {
            Some(last) if !self.cutting => *last,
            _ => NEW.into(),
        }
    }

    pub fn is_cutting(&self) -> bool {
        self.cutting
    }

    /// Appends entries and then the state, if it changed.
    pub fn save(&mut self, entries: &[Entry], state: Option<&HardState>, out: &mut Outbox) {
        self.write(out, |encoder, write| {
            entries.iter().for_each(|entry| encoder.entry(entry, write));
            if let Some(state) = state {
                encoder.hard_state(state, write);
            }
        });
        self.last = entries.last().map_or(self.last, |entry| entry.index);
        self.hard_state = state.copied().unwrap_or(self.hard_state);
    }

    /// Notes that the database stands for everything up to an entry.
    pub fn snapshot(&mut self, snapshot: &SnapshotMetadata, out: &mut Outbox) {
        self.write(out, |encoder, write| encoder.snapshot(snapshot, write));
        self.last = self.last.max(snapshot.index);
    }

    /// Begins the next segment if this one is full. Then both have to be durable before the log goes on; [`Wal::finish_cut`]
    /// follows when they are.
    pub fn cut_if_full(&mut self, out: &mut Outbox) -> bool {
        if self.cutting || self.bytes < self.segment_bytes {
            return false;
        }
        out.sync(self.tail(), Note::Member(MemberNote::Noted), None);
        self.cutting = true;
        self.bytes = 0;
        let (node_id, cluster_id, state) = (self.node_id, self.cluster_id, self.hard_state);
        self.write(out, |encoder, write| {
            encoder.crc(write);
            encoder.metadata(node_id, cluster_id, write);
            if state != HardState::default() {
                encoder.hard_state(&state, write);
            }
        });
        true
    }

    /// The new segment is durable and gets its name.
    pub fn finish_cut(&mut self, out: &mut Outbox) {
        if !std::mem::take(&mut self.cutting) {
            return;
        }
        let number = self.segments.last().map_or(0, |last| last.number[0] + 1);
        let name = segment(number, Index(self.last.0 + 1));
        out.rename(NEW, name);
        self.segments.push(name);
    }

    /// Deletes old segments, as far as nobody needs them who starts with a snapshot at `index`.
    // Simplified: upstream looks every 30 seconds what may be deleted.
    pub fn purge(&mut self, index: Index, out: &mut Outbox) {
        let before = self.segments.iter().filter(|name| name.number[1] < index.0).count();
        // The newest of those before it may hold entries behind it.
        let released = before.saturating_sub(1);
        let surplus = self.segments.len().saturating_sub(SEGMENTS_MAX);
        for name in self.segments.drain(..released.min(surplus)) {
            out.remove(name);
        }
    }

    fn write(&mut self, out: &mut Outbox, encode: impl FnOnce(&mut Encoder, &mut dyn FnMut(Bytes))) {
        let tail = self.tail();
        let mut bytes = 0;
        encode(&mut self.encoder, &mut |chunk| {
            bytes += chunk.len() as u64;
            out.write(tail, chunk);
        });
        self.bytes += bytes;
        self.written += bytes;
    }
}

/// What a log holds.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    pub node_id: u64,
    pub cluster_id: u64,
    pub hard_state: HardState,
    /// The last snapshot that was noted; entries up to it are of no use any more.
    pub snapshot: SnapshotMetadata,
    /// Those after the snapshot.
    pub entries: Vec<Entry>,
    pub segments: Vec<FileName>,
    /// Bytes of whole, sound records in the last segment; what follows is a torn tail.
    sound: u64,
    encoder: Encoder,
}

/// Why a log cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalError {
    /// A record fails its checksum and is not the last.
    CrcMismatch,
    /// A segment that is not the last is torn.
    UnexpectedEof,
    /// A segment is missing.
    FileNotFound,
    /// Entries are missing.
    SliceOutOfRange,
    /// It is of no member, or of two.
    MetadataConflict,
    /// A term that nobody could reach.
    TermOutOfRange,
}

impl fmt::Display for WalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WalError::CrcMismatch => "walpb: crc mismatch",
            WalError::UnexpectedEof => "unexpected EOF",
            WalError::FileNotFound => "wal: file not found",
            WalError::SliceOutOfRange => "wal: slice bounds out of range",
            WalError::MetadataConflict => "wal: conflicting metadata found",
            WalError::TermOutOfRange => "wal: term out of range",
        })
    }
}

/// Reads a whole log. A torn tail is left out; unless `cut_torn_tail`, what is missing of it counts as zeros.
pub fn recover(disk: &Disk, cut_torn_tail: bool) -> Result<Recovered, WalError> {
    let mut log = Recovered::default();
    let mut files = disk.files(FILE).peekable();
    while let Some((name, file)) = files.next() {
        if log.segments.last().is_some_and(|last| last.number[0] + 1 != name.number[0]) {
            return Err(WalError::FileNotFound);
        }
        log.segments.push(name);
        log.read(file, files.peek().is_none(), cut_torn_tail)?;
    }
    log.settle()
}

/// Cuts off the torn tail of a log that was read, and what was left of a segment that was being cut: says how many bytes
/// the tail had.
pub fn repair(disk: &mut Disk, log: &Recovered) -> u64 {
    disk.remove(NEW);
    let Some(last) = log.segments.last() else { return 0 };
    let len = disk.file(*last).map_or(0, File::len);
    disk.truncate(*last, log.sound);
    len - log.sound
}

/// The last byte of the record in the middle of the log, if there is one behind it.
pub fn middle(disk: &Disk) -> Option<(FileName, u64)> {
    let mut ends = Vec::new();
    let mut bytes = 0;
    for (name, file) in disk.files(FILE) {
        let mut reader = file.reader();
        while reader.remaining() >= 8 {
            let (len, padding) = record::frame(&mut reader);
            if len + padding > reader.remaining() as u64 {
                break;
            }
            let end = file.len() - reader.remaining() as u64 + len;
            ends.push((bytes + end, name, end - 1));
            reader.advance((len + padding) as usize);
        }
        bytes += file.len();
    }
    ends.pop()?;
    let before = ends.partition_point(|(end, ..)| *end < bytes / 2);
    ends.get(before).or(ends.last()).map(|(_, name, last)| (*name, *last))
}

impl Recovered {
    /// What a log holds that is to be written.
    pub fn begun(node_id: u64, cluster_id: u64, hard_state: HardState, entries: Vec<Entry>) -> Recovered {
        Recovered { node_id, cluster_id, hard_state, entries, ..Recovered::default() }
    }

    /// Whether it is a log at all: a member's first records may have been lost before they were durable.
    pub fn is_whole(&self) -> bool {
        self.node_id != 0
    }

    /// The last entry, or the last that the snapshot covers.
    pub fn last(&self) -> Index {
        self.entries.last().map_or(self.snapshot.index, |last| last.index)
    }

    /// Half of the record that would come next.
    pub fn half_a_record(&self) -> Bytes {
        let mut record = Vec::new();
        self.encoder.clone().hard_state(&self.hard_state, &mut |chunk| record.extend_from_slice(&chunk));
        record.truncate(record.len() / 2);
        record.into()
    }

    fn read(&mut self, file: &File, is_last: bool, cut_torn_tail: bool) -> Result<(), WalError> {
        let mut reader = file.reader();
        self.sound = 0;
        loop {
            match record::next(&mut reader, is_last && !cut_torn_tail)? {
                Next::End => return Ok(()),
                Next::Torn(_) if !is_last => return Err(WalError::UnexpectedEof),
                Next::Torn(Some(record)) => return self.take(record),
                Next::Torn(None) => return Ok(()),
                Next::Record(record) => match record.filter(|record| self.encoder.follows(record)) {
                    Some(record) => self.take(record)?,
                    // Nothing behind it: the power failed while it was written. Otherwise the disk lies.
                    None if reader.has_remaining() || !is_last => return Err(WalError::CrcMismatch),
                    None => return Ok(()),
                },
            }
            self.sound = file.len() - reader.remaining() as u64;
        }
    }

    fn take(&mut self, record: Record) -> Result<(), WalError> {
        match record.data {
            Data::Crc => {}
            Data::Metadata { node_id, cluster_id } => {
                let other = self.is_whole() && (self.node_id, self.cluster_id) != (node_id, cluster_id);
                if other || node_id == 0 || PeerId(node_id).is_local_target() {
                    return Err(WalError::MetadataConflict);
                }
                (self.node_id, self.cluster_id) = (node_id, cluster_id);
            }
            Data::State(state) => self.hard_state = state,
            Data::Entry(entry) => {
                // A later record of an index replaces the earlier one and all that followed it.
                let first = self.entries.first().map_or(entry.index, |first| first.index);
                let kept = entry.index.0.saturating_sub(first.0);
                self.entries.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
                self.entries.push(entry);
            }
            Data::Snapshot(snapshot) => {
                // What came from the leader may lie beyond the log, which it then replaces.
                let covered = self.entries.iter().take_while(|entry| entry.index <= snapshot.index).count();
                self.entries.drain(..covered);
                self.snapshot = snapshot;
            }
        }
        Ok(())
    }

    /// Whether what was read is one log without gaps.
    fn settle(mut self) -> Result<Recovered, WalError> {
        let covered = self.entries.iter().take_while(|entry| entry.index <= self.snapshot.index).count();
        self.entries.drain(..covered);
        let start = self.snapshot.index.0;
        let gapless =
            self.entries.iter().zip(1..).all(|(entry, place)| entry.index.0.checked_sub(start) == Some(place));
        if !gapless {
            return Err(WalError::SliceOutOfRange);
        }
        // Simplified: upstream counts on, from the largest number to zero.
        let terms = self.entries.iter().map(|entry| entry.term).chain([self.hard_state.term, self.snapshot.term]);
        if terms.max().is_some_and(|term| term.0 > TERM_MAX) {
            return Err(WalError::TermOutOfRange);
        }
        Ok(self)
    }
}
