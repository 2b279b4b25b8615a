//! What disks do to a member: no room, a flipped bit, a tail that is only half there.
//!
//! Upstream dies of the first (`raft.go`, `mvcc/backend/batch_tx.go`), refuses a log of the second and repairs one of the
//! third (`storage.go`, `wal/repair.go`). bbolt keeps no checksums of its pages, so that a flipped bit in a value passes
//! for data until members compare their hashes.

use super::aside::{self, Aside};
use super::member::Member;
use super::{Fact, Outbox, snap, wal};
use crate::sim::{Disk, FileName, Part};

/// Flips a bit of what a member that does not run has left on its disk.
pub fn damage(disk: &mut Disk, part: Part) {
    match part {
        Part::Wal => {
            if let Some((segment, at)) = wal::middle(disk) {
                disk.flip(segment, at);
            }
        }
        Part::Db => match disk.file(snap::DB).map(|file| file.len() / 2) {
            Some(middle) => disk.flip(snap::DB, middle),
            // The database is still made of the log alone.
            None => {
                let log = wal::recover(disk, true).unwrap_or_default();
                let note = Aside::Rotted(log.hard_state.commit).encode();
                disk.append(aside::FILE, note);
            }
        },
    }
}

/// Leaves half a record behind the log: the power failed while it was being written.
pub fn tear(disk: &mut Disk) {
    let Ok(log) = wal::recover(disk, true) else { return };
    if let Some(last) = log.segments.last() {
        disk.append(*last, log.half_a_record());
    }
}

impl Member {
    /// There was no room for what it wrote to a file: it dies, and its machine resets every connection.
    // Simplified: upstream writes on where it has room already, in its preallocated log and in free pages.
    pub fn write_failed(&self, disk: &Disk, file: FileName, out: &mut Outbox) {
        let doing = match (wal::holds(file), wal::size(disk)) {
            (true, Some(_)) => "failed to save Raft hard state and entries",
            (true, None) => "failed to create WAL",
            (false, _) => "failed to commit tx",
        };
        let path = if wal::holds(file) { wal::path(file) } else { snap::PATH.to_owned() };
        out.fact(Fact::Panicked { why: format!("{doing}: write {}", no_space(&self.machine().name, &path)) });
        self.kill(out);
    }
}

/// What is said of a member whose data directory could not be put in its place.
pub fn nothing_fits(member: &str) -> Fact {
    Fact::Refused { why: format!("write {}", no_space(member, snap::PATH)) }
}

fn no_space(member: &str, path: &str) -> String {
    format!("{member}.etcd/{path}: no space left on device")
}
