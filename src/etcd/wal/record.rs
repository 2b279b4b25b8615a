//! Records of the log as bytes.

use super::WalError;
use crate::raft::{ConfState, Entry, EntryType, HardState, Index, PeerId, SnapshotMetadata, Term};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::encoding::{decode_varint, encode_varint, encoded_len_varint};

const METADATA: u64 = 1;
const ENTRY: u64 = 2;
const STATE: u64 = 3;
const CRC: u64 = 4;
const SNAPSHOT: u64 = 5;

/// A record larger than this is damage, not data: etcd's request limit is 1.5 MiB.
const RECORD_BYTES_MAX: u64 = 64 << 20;

/// Encodes records; holds the CRC of everything before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Encoder {
    crc: u32,
}

impl Encoder {
    /// The first record of a segment: the CRC so far.
    pub fn crc(&self, write: &mut dyn FnMut(Bytes)) {
        let mut fields = BytesMut::with_capacity(16);
        put_field(&mut fields, 1, CRC);
        put_field(&mut fields, 2, u64::from(self.crc));
        let padding = padding_of(fields.len() as u64);
        let mut record = BytesMut::with_capacity(32);
        record.put_u64_le(frame_of(fields.len() as u64, padding));
        record.extend_from_slice(&fields);
        record.put_bytes(0, padding as usize);
        write(record.freeze());
    }

    pub fn metadata(&mut self, node_id: u64, cluster_id: u64, write: &mut dyn FnMut(Bytes)) {
        let mut head = BytesMut::with_capacity(24);
        put_field(&mut head, 1, node_id);
        put_field(&mut head, 2, cluster_id);
        self.record(METADATA, head.freeze(), Bytes::new(), write);
    }

    pub fn hard_state(&mut self, state: &HardState, write: &mut dyn FnMut(Bytes)) {
        let mut head = BytesMut::with_capacity(32);
        put_field(&mut head, 1, state.term.0);
        put_field(&mut head, 2, state.vote.0);
        put_field(&mut head, 3, state.commit.0);
        self.record(STATE, head.freeze(), Bytes::new(), write);
    }

    /// Notes that the database holds everything up to this entry: `walpb.Snapshot`. A log begins with one of nothing.
    pub fn snapshot(&mut self, snapshot: &SnapshotMetadata, write: &mut dyn FnMut(Bytes)) {
        let mut head = BytesMut::with_capacity(64);
        put_field(&mut head, 1, snapshot.index.0);
        put_field(&mut head, 2, snapshot.term.0);
        if snapshot.conf_state != ConfState::default() {
            let mut state = BytesMut::new();
            let ConfState { voters, learners, voters_outgoing, learners_next, auto_leave } = &snapshot.conf_state;
            for (number, ids) in [(1, voters), (2, learners), (3, voters_outgoing), (4, learners_next)] {
                ids.iter().for_each(|id| put_field(&mut state, number, id.0));
            }
            put_field(&mut state, 5, u64::from(*auto_leave));
            head.put_u8(3 << 3 | 2);
            encode_varint(state.len() as u64, &mut head);
            head.extend_from_slice(&state);
        }
        self.record(SNAPSHOT, head.freeze(), Bytes::new(), write);
    }

    pub fn entry(&mut self, entry: &Entry, write: &mut dyn FnMut(Bytes)) {
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
    fn record(&mut self, kind: u64, head: Bytes, tail: Bytes, write: &mut dyn FnMut(Bytes)) {
        self.crc = crc32c::crc32c_append(crc32c::crc32c_append(self.crc, &head), &tail);
        let data_len = (head.len() + tail.len()) as u64;
        let fields = 2 + 1 + encoded_len_varint(u64::from(self.crc)) as u64 + 1 + encoded_len_varint(data_len) as u64;
        let record_len = fields + data_len;
        let padding = padding_of(record_len);
        let mut front = BytesMut::with_capacity(32 + head.len());
        front.put_u64_le(frame_of(record_len, padding));
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

    /// Whether the record's checksum is that of everything before and itself; if so, it now counts as before.
    pub(super) fn follows(&mut self, record: &Record) -> bool {
        let mut expected = self.clone();
        let mut ignore = |_| {};
        match &record.data {
            // At the beginning of the first segment that is left, nothing is known of those before it.
            Data::Crc if self.crc == 0 => expected.crc = record.crc,
            Data::Crc => {}
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

pub(super) struct Record {
    crc: u32,
    pub data: Data,
}

pub(super) enum Data {
    Crc,
    Metadata { node_id: u64, cluster_id: u64 },
    State(HardState),
    Entry(Entry),
    Snapshot(SnapshotMetadata),
}

/// What comes next in a file.
pub(super) enum Next {
    Record(Option<Record>),
    /// A record that is not whole; or what it would be if what is missing were zeros.
    Torn(Option<Record>),
    End,
}

/// Reads the next record and its padding. A record that makes no sense is none, nor is a torn one unless it is `completed`.
pub(super) fn next(reader: &mut impl Buf, completed: bool) -> Result<Next, WalError> {
    if reader.remaining() < 8 {
        return Ok(if reader.has_remaining() { Next::Torn(None) } else { Next::End });
    }
    let (len, padding) = frame(reader);
    if len > RECORD_BYTES_MAX || len + padding > reader.remaining() as u64 {
        return Ok(Next::Torn(completed.then(|| torn_record(reader, len.min(RECORD_BYTES_MAX))).flatten()));
    }
    let after = reader.remaining() - len as usize;
    let record = decode_record(reader, after);
    if reader.remaining() < after {
        return Err(WalError::CrcMismatch);
    }
    reader.advance(reader.remaining() - after + padding as usize);
    Ok(Next::Record(record))
}

/// Length of the next record, and of the padding behind it.
pub(super) fn frame(reader: &mut impl Buf) -> (u64, u64) {
    let frame = reader.get_u64_le();
    let padding = if frame >> 63 == 1 { frame >> 56 & 0x7 } else { 0 };
    (frame & 0x00ff_ffff_ffff_ffff, padding)
}

fn frame_of(len: u64, padding: u64) -> u64 {
    if padding == 0 { len } else { len | (0x80 | padding) << 56 }
}

fn padding_of(len: u64) -> u64 {
    (8 - len % 8) % 8
}

fn torn_record(torn: &mut impl Buf, len: u64) -> Option<Record> {
    let missing = (len as usize).saturating_sub(torn.remaining());
    let mut padded = torn.chain(Bytes::from(vec![0; missing])).take(len as usize);
    decode_record(&mut padded, 0)
}

/// Reads one record; `None` if it makes no sense. What follows it starts where `after` bytes remain.
fn decode_record(reader: &mut impl Buf, after: usize) -> Option<Record> {
    let kind = field(reader, 1)?;
    let crc = u32::try_from(field(reader, 2)?).ok()?;
    if kind == CRC {
        return (reader.remaining() == after).then_some(Record { crc, data: Data::Crc });
    }
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
            let len = if reader.remaining() > after { length(reader, 3)? } else { 0 };
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
