//! What happened to a member's database beside the log.
//!
//! A member rebuilds its store by applying its log again. What etcd's database file remembers beside it is
//! not in the log: that it was defragmented or damaged, and that the process which applied an entry was another one than that which applied the
//! entry before. A file of its own notes where in the log each happened.
// Simplified: etcd keeps its database file instead.

use crate::raft::Index;
use crate::sim::disk::File;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::collections::VecDeque;

pub const FILE: &str = "db-notes";

const RECORD: usize = 9;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aside {
    /// After this entry the database was rewritten without its free pages.
    Defragmented(Index),
    /// After this entry another process went on.
    Restarted(Index),
    /// After this entry a bit of the database flipped.
    Rotted(Index),
}

impl Aside {
    pub fn index(self) -> Index {
        match self {
            Aside::Defragmented(index) | Aside::Restarted(index) | Aside::Rotted(index) => index,
        }
    }

    pub fn encode(self) -> Bytes {
        let mut record = BytesMut::with_capacity(RECORD);
        record.put_u8(match self {
            Aside::Defragmented(_) => 0,
            Aside::Restarted(_) => 1,
            Aside::Rotted(_) => 2,
        });
        record.put_u64(self.index().0);
        record.freeze()
    }
}

/// Reads the notes, and how many bytes they fill; a torn one at the end is left out.
pub fn recover(file: &File) -> (VecDeque<Aside>, u64) {
    let mut reader = file.reader();
    let mut asides = VecDeque::new();
    while reader.remaining() >= RECORD {
        let (kind, index) = (reader.get_u8(), Index(reader.get_u64()));
        asides.push_back(match kind {
            0 => Aside::Defragmented(index),
            1 => Aside::Restarted(index),
            _ => Aside::Rotted(index),
        });
    }
    let bytes = (asides.len() * RECORD) as u64;
    (asides, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Disk, DiskProfile, Prng};

    #[test]
    fn notes_survive_but_for_a_torn_one() {
        let mut disk = Disk::new(DiskProfile::SSD, Prng::stream(1, "disk"));
        let noted = [Aside::Defragmented(Index(7)), Aside::Restarted(Index(9)), Aside::Rotted(Index(9))];
        noted.iter().for_each(|aside| disk.append(FILE, aside.encode()));
        disk.append(FILE, Bytes::from_static(b"torn"));
        assert_eq!(recover(disk.file(FILE).unwrap()), (VecDeque::from(noted), 27));
    }
}
