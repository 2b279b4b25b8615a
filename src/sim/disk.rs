//! A disk: append-only files, a cache that a power cut empties, and an fsync that takes its time.
//!
//! A write is in the cache at once. Only a finished fsync makes it durable: a crash loses what was written after the last
//! one began, except that some first part of it may have reached the platter, cut anywhere: a torn tail.

use super::{Micros, Ppm, Prng, SimTime};
use bytes::{Buf, Bytes};
use imbl::Vector;
use std::collections::BTreeMap;

/// How long a disk takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DiskProfile {
    /// An fsync of little data takes between `fsync` and `fsync + jitter`.
    pub fsync: Micros,
    pub jitter: Micros,
    /// Sequential write speed.
    pub bytes_per_ms: u64,
}

impl DiskProfile {
    pub const NVME: DiskProfile = DiskProfile { fsync: Micros(200), jitter: Micros(150), bytes_per_ms: 2_000_000 };
    pub const SSD: DiskProfile = DiskProfile { fsync: Micros(900), jitter: Micros(600), bytes_per_ms: 450_000 };
    pub const HDD: DiskProfile = DiskProfile { fsync: Micros(8_000), jitter: Micros(8_000), bytes_per_ms: 120_000 };
    pub const NETWORK: DiskProfile = DiskProfile { fsync: Micros(4_000), jitter: Micros(6_000), bytes_per_ms: 125_000 };
}

/// Chance that a crash leaves part of what was not synced instead of nothing.
const TORN: Ppm = Ppm(500_000);

/// What a file is and, if there are several of its kind, which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName {
    pub kind: &'static str,
    pub number: [u64; 2],
}

impl From<&'static str> for FileName {
    fn from(kind: &'static str) -> FileName {
        FileName { kind, number: [0; 2] }
    }
}

#[derive(Clone, Debug, Hash)]
pub struct Disk {
    pub profile: DiskProfile,
    /// Everything takes this many times as long; 1 is healthy.
    pub factor: u32,
    /// No room is left: whoever writes is told so.
    pub full: bool,
    files: BTreeMap<FileName, File>,
    busy_until: SimTime,
    prng: Prng,
}

#[derive(Clone, Debug, Default, Hash)]
pub struct File {
    chunks: Vector<Bytes>,
    len: u64,
    synced: u64,
    /// Bytes that no fsync has been begun for.
    unsent: u64,
}

impl Disk {
    pub fn new(profile: DiskProfile, prng: Prng) -> Disk {
        Disk { profile, factor: 1, full: false, files: BTreeMap::new(), busy_until: SimTime::ZERO, prng }
    }

    pub fn file(&self, name: impl Into<FileName>) -> Option<&File> {
        self.files.get(&name.into())
    }

    /// Files of one kind, in order.
    pub fn files(&self, kind: &'static str) -> impl DoubleEndedIterator<Item = (FileName, &File)> {
        let name = |number| FileName { kind, number };
        self.files.range(name([0; 2])..=name([u64::MAX; 2])).map(|(name, file)| (*name, file))
    }

    pub fn append(&mut self, name: impl Into<FileName>, chunk: Bytes) {
        let file = self.files.entry(name.into()).or_default();
        file.len += chunk.len() as u64;
        file.unsent += chunk.len() as u64;
        file.chunks.push_back(chunk);
    }

    /// Puts a file there that is durable as it is, as if the disk had been taken from another machine.
    pub fn put(&mut self, name: impl Into<FileName>, content: Bytes) {
        let len = content.len() as u64;
        self.files.insert(name.into(), File { chunks: [content].into_iter().collect(), len, synced: len, unsent: 0 });
    }

    /// Begins an fsync of everything written to the file so far. Returns what to pass to [`Disk::synced`], when it is
    /// done, and how many bytes it carries. One fsync runs at a time; others wait.
    pub(super) fn begin_sync(&mut self, name: FileName, now: SimTime) -> (u64, SimTime, u64) {
        let file = self.files.entry(name).or_default();
        let bytes = std::mem::take(&mut file.unsent);
        let transfer = Micros(bytes * 1_000 / self.profile.bytes_per_ms.max(1));
        let jitter = self.prng.span(self.profile.jitter);
        let took = (self.profile.fsync.0 + jitter.0 + transfer.0).saturating_mul(u64::from(self.factor.max(1)));
        self.busy_until = self.busy_until.max(now) + Micros(took);
        (file.len, self.busy_until, bytes)
    }

    pub(super) fn synced(&mut self, name: FileName, upto: u64) {
        if let Some(file) = self.files.get_mut(&name) {
            file.synced = file.synced.max(upto.min(file.len));
        }
    }

    /// Cuts the file to its first `len` bytes, as a repair of a torn tail does.
    pub fn truncate(&mut self, name: impl Into<FileName>, len: u64) {
        if let Some(file) = self.files.get_mut(&name.into()) {
            file.truncate(len);
        }
    }

    /// Gives a file another name; what had that name is gone. A power cut finds it done or not begun.
    // Simplified: durable at once, as after an fsync of the directory, which etcd does as well.
    pub fn rename(&mut self, from: impl Into<FileName>, to: impl Into<FileName>) {
        if let Some(file) = self.files.remove(&from.into()) {
            self.files.insert(to.into(), file);
        }
    }

    /// One bit of a file flips where it lies. Whoever has read it already does not notice.
    pub fn flip(&mut self, name: impl Into<FileName>, at: u64) {
        let Some(file) = self.files.get_mut(&name.into()) else { return };
        let mut start = 0;
        for chunk in file.chunks.iter_mut() {
            if let Some(offset) = at.checked_sub(start).filter(|offset| *offset < chunk.len() as u64) {
                let mut bytes = chunk.to_vec();
                bytes[offset as usize] ^= 1;
                *chunk = Bytes::from(bytes);
                return;
            }
            start += chunk.len() as u64;
        }
    }

    pub fn remove(&mut self, name: impl Into<FileName>) {
        self.files.remove(&name.into());
    }

    /// Every file is deleted.
    pub(super) fn wipe(&mut self) {
        self.files.clear();
    }

    /// The power fails: what was not synced is lost, or torn.
    pub(super) fn crash(&mut self, now: SimTime) {
        self.busy_until = now;
        for file in self.files.values_mut() {
            let unsynced = file.len - file.synced;
            if unsynced > 0 {
                let kept = if self.prng.happens(TORN) { self.prng.below(unsynced) } else { 0 };
                file.truncate(file.synced + kept);
            }
        }
    }

    /// The process dies but the machine runs on: the cache survives and reaches the disk.
    pub(super) fn flush(&mut self) {
        for file in self.files.values_mut() {
            file.synced = file.len;
            file.unsent = 0;
        }
    }
}

impl File {
    /// Length in bytes, synced or not.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes a power cut cannot take.
    pub fn synced(&self) -> u64 {
        self.synced
    }

    pub fn reader(&self) -> Reader<'_> {
        let mut reader = Reader { chunks: self.chunks.iter(), current: Bytes::new(), left: self.len };
        reader.fill();
        reader
    }

    fn truncate(&mut self, len: u64) {
        while self.len > len {
            let Some(last) = self.chunks.pop_back() else { break };
            let start = self.len - last.len() as u64;
            self.len = start;
            if start < len {
                let kept = last.slice(..(len - start) as usize);
                self.len += kept.len() as u64;
                self.chunks.push_back(kept);
            }
        }
        self.synced = self.synced.min(self.len);
        self.unsent = 0;
    }
}

/// Reads a file from its beginning; what was written as one chunk comes back as the same shared buffer.
pub struct Reader<'a> {
    chunks: imbl::vector::Iter<'a, Bytes, imbl::shared_ptr::DefaultSharedPtr>,
    current: Bytes,
    left: u64,
}

impl Reader<'_> {
    fn fill(&mut self) {
        while self.current.is_empty() && self.left > 0 {
            match self.chunks.next() {
                Some(chunk) => self.current = chunk.clone(),
                None => break,
            }
        }
    }
}

impl Buf for Reader<'_> {
    fn remaining(&self) -> usize {
        self.left as usize
    }

    fn chunk(&self) -> &[u8] {
        // Never empty while something is left: every move ends with `fill`.
        &self.current
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count as u64 <= self.left, "read past the end of the file");
        while count > 0 {
            let part = count.min(self.current.len());
            self.current.advance(part);
            self.left -= part as u64;
            count -= part;
            self.fill();
        }
    }

    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        assert!(len as u64 <= self.left, "read past the end of the file");
        if len <= self.current.len() {
            self.left -= len as u64;
            let out = self.current.split_to(len);
            self.fill();
            return out;
        }
        let mut out = Vec::with_capacity(len);
        while out.len() < len {
            let part = self.current.split_to((len - out.len()).min(self.current.len()));
            self.left -= part.len() as u64;
            out.extend_from_slice(&part);
            self.fill();
        }
        Bytes::from(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> Disk {
        Disk::new(DiskProfile::SSD, Prng::stream(3, "disk"))
    }

    #[test]
    fn only_a_finished_fsync_survives_a_crash() {
        let mut disk = disk();
        disk.append("wal", Bytes::from_static(b"durable"));
        let (upto, done, bytes) = disk.begin_sync("wal".into(), SimTime(10));
        assert_eq!((upto, bytes), (7, 7));
        assert!(done > SimTime(900));
        disk.synced("wal".into(), upto);
        disk.append("wal", Bytes::from_static(b"0123456789"));
        disk.begin_sync("wal".into(), done);
        disk.crash(done);
        let file = disk.file("wal").unwrap();
        assert!((7..17).contains(&file.len()), "the unsynced ten bytes are gone or torn: {}", file.len());
        assert_eq!(&file.reader().copy_to_bytes(7)[..], b"durable");
    }

    #[test]
    fn a_torn_tail_is_cut_anywhere() {
        let lengths: Vec<u64> = (0..40)
            .map(|seed| {
                let mut disk = Disk::new(DiskProfile::SSD, Prng::stream(seed, "disk"));
                disk.append("wal", Bytes::from_static(b"0123456789"));
                disk.crash(SimTime(1));
                disk.file("wal").unwrap().len()
            })
            .collect();
        assert!(lengths.contains(&0));
        assert!(lengths.iter().any(|len| (1..10).contains(len)));
    }

    #[test]
    fn a_bit_flips_where_it_lies() {
        let mut disk = disk();
        disk.append("wal", Bytes::from_static(b"head"));
        disk.append("wal", Bytes::from_static(b"tail"));
        let before = disk.clone();
        disk.flip("wal", 4);
        disk.flip("wal", 8);
        assert_eq!(&disk.file("wal").unwrap().reader().copy_to_bytes(8)[..], b"headuail");
        assert_eq!(&before.file("wal").unwrap().reader().copy_to_bytes(8)[..], b"headtail", "another world's disk");
    }

    #[test]
    fn a_read_within_a_chunk_shares_it() {
        let mut disk = disk();
        let chunk = Bytes::from(vec![7_u8; 64]);
        disk.append("wal", Bytes::from_static(b"head"));
        disk.append("wal", chunk.clone());
        let mut reader = disk.file("wal").unwrap().reader();
        assert_eq!(&reader.copy_to_bytes(4)[..], b"head");
        assert_eq!(reader.copy_to_bytes(64).as_ptr(), chunk.as_ptr());
        assert!(!reader.has_remaining());
    }
}
