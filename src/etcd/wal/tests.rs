//! Logs written, read back, cut, torn and damaged.

use super::*;
use crate::raft::{ConfState, EntryType, PeerId, Term};
use crate::sim::{DiskProfile, Effect, Prng};

fn entry(index: u64, data: &'static [u8]) -> Entry {
    Entry { entry_type: EntryType::EntryNormal, term: Term(2), index: Index(index), data: Bytes::from_static(data) }
}

fn first() -> FileName {
    segment(0, Index(0))
}

/// Does to a disk what the log asks for.
fn perform(disk: &mut Disk, mut out: Outbox) {
    for effect in out.drain() {
        match effect {
            Effect::Write { file, chunk } => disk.append(file, chunk),
            Effect::Rename { from, to } => disk.rename(from, to),
            Effect::Remove { file } => disk.remove(file),
            _ => {}
        }
    }
}

fn disk() -> Disk {
    Disk::new(DiskProfile::SSD, Prng::stream(1, "disk"))
}

fn on_disk(disk: &mut Disk, act: impl FnOnce(&mut Outbox)) {
    let mut out = Outbox::default();
    act(&mut out);
    perform(disk, out);
}

const STATE: HardState = HardState { term: Term(2), vote: PeerId(7), commit: Index(1) };

fn written(entries: &[Entry]) -> Disk {
    let mut disk = disk();
    on_disk(&mut disk, |out| {
        Wal::create(7, 8, SEGMENT_BYTES, out).save(entries, Some(&STATE), out);
    });
    disk
}

fn bytes_of(disk: &Disk) -> Vec<u8> {
    let file = disk.file(first()).unwrap();
    file.reader().copy_to_bytes(file.len() as usize).to_vec()
}

#[test]
fn what_was_written_comes_back_without_a_copy() {
    let payload = Bytes::from(vec![9_u8; 100]);
    let entries = [entry(1, b"one"), Entry { data: payload.clone(), ..entry(2, b"") }, entry(3, b"")];
    let log = recover(&written(&entries), true).unwrap();
    assert_eq!((log.node_id, log.cluster_id, log.hard_state.commit), (7, 8, Index(1)));
    assert_eq!(log.entries, entries);
    assert_eq!(log.entries[1].data.as_ptr(), payload.as_ptr());
}

#[test]
fn every_torn_tail_is_cut_back_to_whole_records() {
    let whole = written(&[entry(1, b"one"), entry(2, b"two-two-two")]);
    let len = whole.file(first()).unwrap().len();
    let mut last = (0, 0);
    for cut in 0..=len {
        let mut disk = whole.clone();
        disk.truncate(first(), cut);
        let log = recover(&disk, true).unwrap();
        assert!(log.sound <= cut);
        assert!((log.sound, log.entries.len()) >= last);
        last = (log.sound, log.entries.len());
        assert_eq!(repair(&mut disk, &log), cut - log.sound);
    }
    assert_eq!(last, (len, 2));
}

#[test]
fn damage_with_good_records_behind_it_is_refused() {
    let bytes = bytes_of(&written(&[entry(1, b"one"), entry(2, b"two")]));
    let mut refused = 0;
    // Damage in a length field may also look like the end of the log; it never looks like sound data.
    for position in 0..bytes.len() - 40 {
        let mut damaged = bytes.clone();
        damaged[position] ^= 0x10;
        let mut disk = disk();
        disk.append(first(), Bytes::from(damaged));
        match recover(&disk, true) {
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
    let mut wal = Wal::resume(&recover(&disk, true).unwrap(), SEGMENT_BYTES);
    on_disk(&mut disk, |out| wal.snapshot(&noted(2), out));
    let log = recover(&disk, true).unwrap();
    assert_eq!((log.snapshot, log.entries), (noted(2), vec![entry(3, b"three")]));
    // One from the leader, beyond the log, and what followed it.
    on_disk(&mut disk, |out| wal.snapshot(&noted(9), out));
    on_disk(&mut disk, |out| wal.save(&[entry(10, b"ten")], None, out));
    let log = recover(&disk, true).unwrap();
    assert_eq!((log.snapshot, log.entries), (noted(9), vec![entry(10, b"ten")]));
}

#[test]
fn a_later_record_replaces_what_it_overtakes() {
    let entries = [entry(1, b"one"), entry(2, b"two"), entry(3, b"three"), entry(2, b"other")];
    let log = recover(&written(&entries), true).unwrap();
    assert_eq!(log.entries, [entry(1, b"one"), entry(2, b"other")]);
}

#[test]
fn a_gap_is_refused() {
    assert_eq!(recover(&written(&[entry(1, b"one"), entry(3, b"three")]), true).err(), Some(WalError::SliceOutOfRange));
    assert_eq!(recover(&written(&[entry(2, b"two")]), true).err(), Some(WalError::SliceOutOfRange));
}

/// A log of segments with one entry each.
fn segments(count: u64) -> (Disk, Wal) {
    let mut disk = disk();
    let mut wal = Wal::default();
    on_disk(&mut disk, |out| wal = Wal::create(7, 8, 1, out));
    for index in 1..=count {
        on_disk(&mut disk, |out| {
            wal.save(&[entry(index, b"payload")], Some(&HardState { commit: Index(index), ..STATE }), out);
            assert!(wal.cut_if_full(out));
        });
        on_disk(&mut disk, |out| wal.finish_cut(out));
    }
    (disk, wal)
}

#[test]
fn segments_are_read_as_one_log() {
    let (disk, _) = segments(3);
    let names: Vec<String> = disk.files(FILE).map(|(name, _)| path(name)).collect();
    let name = |number: u64, first: u64| format!("member/wal/{number:016x}-{first:016x}.wal");
    assert_eq!(names, [name(0, 0), name(1, 2), name(2, 3), name(3, 4)]);
    let log = recover(&disk, true).unwrap();
    assert_eq!((log.node_id, log.hard_state.commit, log.last()), (7, Index(3), Index(3)));
    assert_eq!(log.entries, [entry(1, b"payload"), entry(2, b"payload"), entry(3, b"payload")]);
}

#[test]
fn a_cut_that_a_power_cut_ends_is_as_if_it_had_not_begun() {
    let (mut disk, mut wal) = segments(2);
    on_disk(&mut disk, |out| {
        wal.save(&[entry(3, b"payload")], None, out);
        assert!(wal.cut_if_full(out));
    });
    let log = recover(&disk, true).unwrap();
    assert_eq!((log.last(), log.segments.len()), (Index(3), 3));
    assert_eq!(repair(&mut disk, &log), 0);
    assert!(disk.file(NEW).is_none());
}

#[test]
fn only_the_last_segment_may_be_torn_and_none_may_be_missing() {
    let (whole, _) = segments(3);
    let second = segment(1, Index(2));
    let mut torn = whole.clone();
    torn.truncate(second, 20);
    assert_eq!(recover(&torn, true).err(), Some(WalError::UnexpectedEof));
    let mut missing = whole.clone();
    missing.remove(second);
    assert_eq!(recover(&missing, true).err(), Some(WalError::FileNotFound));
    let (name, at) = middle(&whole).unwrap();
    let mut damaged = whole.clone();
    damaged.flip(name, at);
    assert_eq!(recover(&damaged, true).err(), Some(WalError::CrcMismatch));
}

#[test]
fn old_segments_go_when_a_snapshot_stands_for_them() {
    let (mut disk, mut wal) = segments(9);
    on_disk(&mut disk, |out| wal.purge(Index(3), out));
    assert_eq!(
        disk.files(FILE).next().map(|(name, _)| name),
        Some(segment(1, Index(2))),
        "entry 2 is behind it no more"
    );
    let noted = SnapshotMetadata { index: Index(9), term: Term(2), ..SnapshotMetadata::default() };
    on_disk(&mut disk, |out| {
        wal.snapshot(&noted, out);
        wal.purge(Index(9), out);
    });
    assert_eq!(disk.files(FILE).count(), SEGMENTS_MAX);
    let log = recover(&disk, true).unwrap();
    assert_eq!((log.snapshot.index, log.entries.len()), (Index(9), 0));
    // A start goes on in the same log.
    let mut wal = Wal::resume(&log, 1);
    on_disk(&mut disk, |out| wal.save(&[entry(10, b"payload")], None, out));
    assert_eq!(recover(&disk, true).unwrap().entries, [entry(10, b"payload")]);
}
