//! The write-ahead log in etcd's own format: framed, padded Protobuf records with a rolling CRC-32C.
//!
//! ```text
//!   frame  u64 LE: length of the record in the low 56 bits; top byte 0x80 | padding when padded to 8
//!   record { type: int64 = 1, crc: uint32 = 2, data: bytes = 3 }
//!   types  1 metadata {node id, cluster id}   2 entry   3 hard state   4 crc   5 snapshot
//! ```
//!
//! An entry's data goes to the disk as the buffer that the log holds: it is never copied. Reading stops at the first record
//! that does not check: a tail torn by a power cut is cut off, a damaged record with good ones behind it is refused.
//! Upstream: `server/storage/wal`.
// Simplified: one file without the 64 MB segments that etcd cuts and preallocates; they change no byte of a record.

use crate::raft::{ConfState, Entry, EntryId, EntryType, HardState, Index, PeerId, SnapshotMetadata, Term};
use crate::sim::Disk;
use crate::sim::disk::File;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::encoding::{decode_varint, encode_varint, encoded_len_varint};
use std::fmt;

/// The file's name on the member's disk.
pub const FILE: &str = "wal";
/// Where etcd has it in a data directory.
pub const PATH: &str = "member/wal/0000000000000000-0000000000000000.wal";

const METADATA: u64 = 1;
const ENTRY: u64 = 2;
const STATE: u64 = 3;
const SNAPSHOT: u64 = 5;

/// A record larger than this is damage, not data: etcd's request limit is 1.5 MiB.
const RECORD_BYTES_MAX: u64 = 64 << 20;

/// The last entry that the log on a disk says a database stands for.
pub fn snapshot_on(disk: &Disk) -> Option<EntryId> {
    let recovered = recover(disk.file(FILE)?, true).ok()?;
    Some(EntryId { index: recovered.snapshot.index, term: recovered.snapshot.term })
}

/// Encodes records; holds the CRC of everything before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Encoder {
    crc: u32,
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
    /// Bytes of whole, sound records; what follows is a torn tail.
    pub sound: u64,
    pub encoder: Encoder,
}

/// Why a log cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalError {
    /// A record fails its checksum and is not the last.
    CrcMismatch { offset: u64 },
    /// Entry `index` follows `last` and leaves a gap.
    Gap { last: u64, index: u64 },
}

impl fmt::Display for WalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WalError::CrcMismatch { .. } => f.write_str("walpb: crc mismatch"),
            WalError::Gap { .. } => f.write_str("wal: slice bounds out of range"),
        }
    }
}

impl Encoder {
    pub fn metadata(&mut self, node_id: u64, cluster_id: u64, write: &mut impl FnMut(Bytes)) {
        let mut head = BytesMut::with_capacity(24);
        put_field(&mut head, 1, node_id);
        put_field(&mut head, 2, cluster_id);
        self.record(METADATA, head.freeze(), Bytes::new(), write);
    }

    pub fn hard_state(&mut self, state: &HardState, write: &mut impl FnMut(Bytes)) {
        let mut head = BytesMut::with_capacity(32);
        put_field(&mut head, 1, state.term.0);
        put_field(&mut head, 2, state.vote.0);
        put_field(&mut head, 3, state.commit.0);
        self.record(STATE, head.freeze(), Bytes::new(), write);
    }

    /// Notes that the database holds everything up to this entry: `walpb.Snapshot`.
    pub fn snapshot(&mut self, snapshot: &SnapshotMetadata, write: &mut impl FnMut(Bytes)) {
        let mut head = BytesMut::with_capacity(64);
        put_field(&mut head, 1, snapshot.index.0);
        put_field(&mut head, 2, snapshot.term.0);
        let mut state = BytesMut::new();
        let ConfState { voters, learners, voters_outgoing, learners_next, auto_leave } = &snapshot.conf_state;
        for (number, ids) in [(1, voters), (2, learners), (3, voters_outgoing), (4, learners_next)] {
            ids.iter().for_each(|id| put_field(&mut state, number, id.0));
        }
        put_field(&mut state, 5, u64::from(*auto_leave));
        head.put_u8(3 << 3 | 2);
        encode_varint(state.len() as u64, &mut head);
        head.extend_from_slice(&state);
        self.record(SNAPSHOT, head.freeze(), Bytes::new(), write);
    }

    pub fn entry(&mut self, entry: &Entry, write: &mut impl FnMut(Bytes)) {
        let mut head = BytesMut::with_capacity(40);
        put_field(&mut head, 1, number_of(entry.entry_type));
        put_field(&mut head, 2, entry.term.0);
        put_field(&mut head, 3, entry.index.0);
        if !entry.data.is_empty() {
            head.put_u8(4 << 3 | 2);
            encode_varint(entry.data.len() as u64, &mut head);
        }
        self.record(ENTRY, head.freeze(), entry.data.clone(), write);
    }

    /// Writes one record whose data is `head` followed by `tail`; the tail is handed on as it is.
    fn record(&mut self, kind: u64, head: Bytes, tail: Bytes, write: &mut impl FnMut(Bytes)) {
        self.crc = crc32c::crc32c_append(crc32c::crc32c_append(self.crc, &head), &tail);
        let data_len = (head.len() + tail.len()) as u64;
        let fields = 2 + 1 + encoded_len_varint(u64::from(self.crc)) as u64 + 1 + encoded_len_varint(data_len) as u64;
        let record_len = fields + data_len;
        let padding = (8 - record_len % 8) % 8;
        let frame = if padding == 0 { record_len } else { record_len | (0x80 | padding) << 56 };
        let mut front = BytesMut::with_capacity(32 + head.len());
        front.put_u64_le(frame);
        put_field(&mut front, 1, kind);
        put_field(&mut front, 2, u64::from(self.crc));
        front.put_u8(3 << 3 | 2);
        encode_varint(data_len, &mut front);
        front.extend_from_slice(&head);
        write(front.freeze());
        if !tail.is_empty() {
            write(tail);
        }
        if padding > 0 {
            write(Bytes::from_static(&[0; 8]).slice(..padding as usize));
        }
    }
}

/// Reads a whole log. A torn tail is cut off; unless `cut_torn_tail`, what is missing of it counts as zeros.
pub fn recover(file: &File, cut_torn_tail: bool) -> Result<Recovered, WalError> {
    let mut reader = file.reader();
    let mut log = Recovered::default();
    while reader.remaining() >= 8 {
        let (len, padding) = frame(&mut reader);
        if len > RECORD_BYTES_MAX || len + padding > reader.remaining() as u64 {
            if !cut_torn_tail && let Some(record) = torn_record(reader, len.min(RECORD_BYTES_MAX)) {
                log.take(record)?;
            }
            break;
        }
        let after = reader.remaining() - len as usize;
        let record = decode_record(&mut reader, after);
        if reader.remaining() < after {
            return Err(WalError::CrcMismatch { offset: log.sound });
        }
        reader.advance(reader.remaining() - after + padding as usize);
        match record.filter(|record| log.encoder.follows(record)) {
            Some(record) => log.take(record)?,
            // Nothing behind it: the power failed while it was written. Otherwise the disk lies.
            None if reader.has_remaining() => return Err(WalError::CrcMismatch { offset: log.sound }),
            None => break,
        }
        log.sound = file.len() - reader.remaining() as u64;
    }
    Ok(log)
}

/// The last byte of the record in the middle of the log, if there is one behind it.
pub fn middle(file: &File) -> Option<u64> {
    let mut reader = file.reader();
    let mut ends = Vec::new();
    while reader.remaining() >= 8 {
        let (len, padding) = frame(&mut reader);
        if len + padding > reader.remaining() as u64 {
            break;
        }
        ends.push(file.len() - reader.remaining() as u64 + len);
        reader.advance((len + padding) as usize);
    }
    ends.pop()?;
    let before = ends.partition_point(|end| *end < file.len() / 2);
    ends.get(before).or(ends.last()).map(|end| end - 1)
}

/// Length of the next record, and of the padding behind it.
fn frame(reader: &mut impl Buf) -> (u64, u64) {
    let frame = reader.get_u64_le();
    let padding = if frame >> 63 == 1 { frame >> 56 & 0x7 } else { 0 };
    (frame & 0x00ff_ffff_ffff_ffff, padding)
}

fn torn_record(torn: impl Buf, len: u64) -> Option<Record> {
    let mut padded = torn.chain(Bytes::from(vec![0; len as usize])).take(len as usize);
    decode_record(&mut padded, 0)
}

struct Record {
    crc: u32,
    data: Data,
}

enum Data {
    Metadata { node_id: u64, cluster_id: u64 },
    State(HardState),
    Entry(Entry),
    Snapshot(SnapshotMetadata),
}

impl Encoder {
    /// Whether the record's checksum is that of everything before and itself; if so, it now counts as before.
    fn follows(&mut self, record: &Record) -> bool {
        let mut expected = self.clone();
        let mut ignore = |_| {};
        match &record.data {
            Data::Metadata { node_id, cluster_id } => expected.metadata(*node_id, *cluster_id, &mut ignore),
            Data::State(state) => expected.hard_state(state, &mut ignore),
            Data::Entry(entry) => expected.entry(entry, &mut ignore),
            Data::Snapshot(snapshot) => expected.snapshot(snapshot, &mut ignore),
        }
        let sound = expected.crc == record.crc;
        if sound {
            *self = expected;
        }
        sound
    }
}

impl Recovered {
    /// The last entry, or the last that the snapshot covers.
    pub fn last(&self) -> Index {
        self.entries.last().map_or(self.snapshot.index, |last| last.index)
    }

    fn take(&mut self, record: Record) -> Result<(), WalError> {
        match record.data {
            Data::Metadata { node_id, cluster_id } => (self.node_id, self.cluster_id) = (node_id, cluster_id),
            Data::State(state) => self.hard_state = state,
            Data::Entry(entry) => {
                // A later record of an index replaces the earlier one and all that followed it.
                let first = self.snapshot.index.0 + 1;
                let next = first + self.entries.len() as u64;
                if entry.index.0 > next {
                    return Err(WalError::Gap { last: next - 1, index: entry.index.0 });
                }
                if entry.index.0 >= first {
                    self.entries.truncate((entry.index.0 - first) as usize);
                    self.entries.push(entry);
                }
            }
            Data::Snapshot(snapshot) => {
                // What came from the leader may lie beyond the log, which it then replaces.
                let covered = snapshot.index.0.saturating_sub(self.snapshot.index.0);
                self.entries.drain(..self.entries.len().min(covered as usize));
                self.snapshot = snapshot;
            }
        }
        Ok(())
    }
}

/// Reads one record; `None` if it makes no sense. What follows it starts where `after` bytes remain.
fn decode_record(reader: &mut impl Buf, after: usize) -> Option<Record> {
    let kind = field(reader, 1)?;
    let crc = u32::try_from(field(reader, 2)?).ok()?;
    let len = length(reader, 3)?;
    if reader.remaining().checked_sub(len) != Some(after) {
        return None;
    }
    let data = match kind {
        METADATA => Data::Metadata { node_id: field(reader, 1)?, cluster_id: field(reader, 2)? },
        STATE => Data::State(HardState {
            term: Term(field(reader, 1)?),
            vote: PeerId(field(reader, 2)?),
            commit: Index(field(reader, 3)?),
        }),
        ENTRY => {
            let entry_type = entry_type(field(reader, 1)?)?;
            let (term, index) = (Term(field(reader, 2)?), Index(field(reader, 3)?));
            let payload = if reader.remaining() > after { length(reader, 4)? } else { 0 };
            if reader.remaining().checked_sub(payload) != Some(after) {
                return None;
            }
            Data::Entry(Entry { entry_type, term, index, data: reader.copy_to_bytes(payload) })
        }
        SNAPSHOT => {
            let (index, term) = (Index(field(reader, 1)?), Term(field(reader, 2)?));
            let len = length(reader, 3)?;
            if reader.remaining().checked_sub(len) != Some(after) {
                return None;
            }
            Data::Snapshot(SnapshotMetadata { conf_state: conf_state(reader, after)?, index, term })
        }
        _ => return None,
    };
    Some(Record { crc, data })
}

fn conf_state(reader: &mut impl Buf, after: usize) -> Option<ConfState> {
    let mut state = ConfState::default();
    while reader.remaining() > after {
        let tag = reader.get_u8();
        let value = decode_varint(reader).ok()?;
        match tag >> 3 {
            1 => state.voters.push(PeerId(value)),
            2 => state.learners.push(PeerId(value)),
            3 => state.voters_outgoing.push(PeerId(value)),
            4 => state.learners_next.push(PeerId(value)),
            5 => state.auto_leave = value != 0,
            _ => return None,
        }
    }
    Some(state)
}

const ENTRY_TYPES: [EntryType; 3] = [EntryType::EntryNormal, EntryType::EntryConfChange, EntryType::EntryConfChangeV2];

/// The number of an entry's type in `raftpb`.
fn number_of(entry_type: EntryType) -> u64 {
    ENTRY_TYPES.iter().position(|known| *known == entry_type).unwrap_or(0) as u64
}

fn entry_type(number: u64) -> Option<EntryType> {
    ENTRY_TYPES.get(usize::try_from(number).ok()?).copied()
}

fn put_field(buffer: &mut BytesMut, number: u8, value: u64) {
    buffer.put_u8(number << 3);
    encode_varint(value, buffer);
}

fn field(reader: &mut impl Buf, number: u8) -> Option<u64> {
    (reader.has_remaining() && reader.get_u8() == number << 3).then(|| decode_varint(reader).ok()).flatten()
}

fn length(reader: &mut impl Buf, number: u8) -> Option<usize> {
    let tagged = reader.has_remaining() && reader.get_u8() == number << 3 | 2;
    tagged.then(|| decode_varint(reader).ok()).flatten().and_then(|len| usize::try_from(len).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Disk, DiskProfile, Prng};

    fn entry(index: u64, data: &'static [u8]) -> Entry {
        Entry { entry_type: EntryType::EntryNormal, term: Term(2), index: Index(index), data: Bytes::from_static(data) }
    }

    fn written(entries: &[Entry]) -> Disk {
        let mut disk = Disk::new(DiskProfile::SSD, Prng::stream(1, "disk"));
        let mut encoder = Encoder::default();
        let mut write = |chunk| disk.append(FILE, chunk);
        encoder.metadata(7, 8, &mut write);
        encoder.hard_state(&HardState { term: Term(2), vote: PeerId(7), commit: Index(1) }, &mut write);
        for entry in entries {
            encoder.entry(entry, &mut write);
        }
        disk
    }

    #[test]
    fn what_was_written_comes_back_without_a_copy() {
        let payload = Bytes::from(vec![9_u8; 100]);
        let entries = [entry(1, b"one"), Entry { data: payload.clone(), ..entry(2, b"") }, entry(3, b"")];
        let log = recover(written(&entries).file(FILE).unwrap(), true).unwrap();
        assert_eq!((log.node_id, log.cluster_id, log.hard_state.commit), (7, 8, Index(1)));
        assert_eq!(log.entries, entries);
        assert_eq!(log.entries[1].data.as_ptr(), payload.as_ptr());
    }

    #[test]
    fn every_torn_tail_is_cut_back_to_whole_records() {
        let whole = written(&[entry(1, b"one"), entry(2, b"two-two-two")]);
        let len = whole.file(FILE).unwrap().len();
        let mut last = (0, 0);
        for cut in 0..=len {
            let mut disk = whole.clone();
            disk.truncate(FILE, cut);
            let log = recover(disk.file(FILE).unwrap(), true).unwrap();
            assert!(log.sound <= cut);
            assert!((log.sound, log.entries.len()) >= last);
            last = (log.sound, log.entries.len());
        }
        assert_eq!(last, (len, 2));
    }

    #[test]
    fn damage_with_good_records_behind_it_is_refused() {
        let disk = written(&[entry(1, b"one"), entry(2, b"two")]);
        let file = disk.file(FILE).unwrap();
        let bytes = file.reader().copy_to_bytes(file.len() as usize).to_vec();
        let mut refused = 0;
        // Damage in a length field may also look like the end of the log; it never looks like sound data.
        for position in 0..bytes.len() - 40 {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0x10;
            let mut disk = Disk::new(DiskProfile::SSD, Prng::stream(1, "disk"));
            disk.append(FILE, Bytes::from(damaged));
            match recover(disk.file(FILE).unwrap(), true) {
                Err(_) => refused += 1,
                // Some bits of a frame mean nothing; without them the data is what it was.
                Ok(log) if log.entries.len() == 2 => assert_eq!(log.entries, [entry(1, b"one"), entry(2, b"two")]),
                Ok(_) => {}
            }
        }
        assert!(refused > 30, "{refused} refused");
    }

    #[test]
    fn a_snapshot_takes_the_place_of_the_entries_before_it() {
        let conf_state = ConfState { voters: vec![PeerId(7), PeerId(9)], auto_leave: true, ..ConfState::default() };
        let noted = |index| SnapshotMetadata { conf_state: conf_state.clone(), index: Index(index), term: Term(2) };
        let mut disk = written(&[entry(1, b"one"), entry(2, b"two"), entry(3, b"three")]);
        let mut encoder = recover(disk.file(FILE).unwrap(), true).unwrap().encoder;
        encoder.snapshot(&noted(2), &mut |chunk| disk.append(FILE, chunk));
        let log = recover(disk.file(FILE).unwrap(), true).unwrap();
        assert_eq!((log.snapshot, log.entries), (noted(2), vec![entry(3, b"three")]));
        // One from the leader, beyond the log, and what followed it.
        encoder.snapshot(&noted(9), &mut |chunk| disk.append(FILE, chunk));
        encoder.entry(&entry(10, b"ten"), &mut |chunk| disk.append(FILE, chunk));
        let log = recover(disk.file(FILE).unwrap(), true).unwrap();
        assert_eq!((log.snapshot, log.entries), (noted(9), vec![entry(10, b"ten")]));
    }

    #[test]
    fn a_later_record_replaces_what_it_overtakes() {
        let entries = [entry(1, b"one"), entry(2, b"two"), entry(3, b"three"), entry(2, b"other")];
        let log = recover(written(&entries).file(FILE).unwrap(), true).unwrap();
        assert_eq!(log.entries, [entry(1, b"one"), entry(2, b"other")]);
    }
}
