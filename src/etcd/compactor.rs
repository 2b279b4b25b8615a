//! Compaction without being asked: `--auto-compaction-mode` and `--auto-compaction-retention`.
//!
//! By time, the store's revision is noted ten times in a period (in an hour at most), and the one that is a period old is
//! compacted, once an hour or once a period. By count, every five minutes all but the newest revisions are compacted. Only
//! the leader does it.
//!
//! Upstream: `server/etcdserver/api/v3compactor` of 3.5.

use super::api::{CompactionRequest, Request};
use super::cluster::AutoCompaction;
use super::internal::InternalRaftRequest;
use super::member::{Member, MemberNote, Moment};
use super::proposals::Purpose;
use super::{Note, Outbox};
use crate::sim::{Micros, SimTime};
use std::collections::VecDeque;

const HOUR: Micros = Micros::from_secs(3_600);
/// How often revisions are noted in a period.
const NOTES_PER_PERIOD: u64 = 10;
const REVISION_INTERVAL: Micros = Micros::from_secs(300);

#[derive(Clone, Debug, Hash)]
pub struct Compactor {
    mode: AutoCompaction,
    /// Noted revisions, the oldest first.
    noted: VecDeque<i64>,
    /// What was compacted last, and when.
    last: i64,
    since: SimTime,
    /// How long to wait after the last compaction.
    interval: Micros,
}

impl Compactor {
    pub fn new(mode: AutoCompaction, now: SimTime) -> Compactor {
        let interval = if let AutoCompaction::Periodic(period) = mode { period } else { Micros(0) };
        Compactor { mode, noted: VecDeque::new(), last: 0, since: now, interval }
    }

    /// Notes the revision; how long until the next time.
    fn note(&mut self, revision: i64) -> Option<Micros> {
        match self.mode {
            AutoCompaction::Off => None,
            AutoCompaction::Revision(_) => Some(REVISION_INTERVAL),
            AutoCompaction::Periodic(period) => {
                let pause = Micros((period.min(HOUR).0 / NOTES_PER_PERIOD).max(1));
                self.noted.push_back(revision);
                if self.noted.len() as u64 > period.0 / pause.0 + 1 {
                    self.noted.pop_front();
                }
                Some(pause)
            }
        }
    }

    /// The revision to be compacted now, if any.
    fn due(&mut self, revision: i64, now: SimTime) -> Option<i64> {
        match self.mode {
            AutoCompaction::Off => None,
            AutoCompaction::Revision(kept) => Some(revision - kept).filter(|due| *due > 0 && *due != self.last),
            AutoCompaction::Periodic(period) => {
                let due = *self.noted.front()?;
                if now.since(self.since) < self.interval || due == self.last {
                    return None;
                }
                self.interval = period.min(HOUR);
                Some(due)
            }
        }
    }

    /// A compaction was carried out, or had been already.
    pub fn succeeded(&mut self, revision: i64, now: SimTime) {
        self.last = revision;
        self.since = now;
    }
}

impl Member {
    pub(super) fn begin_compactor(&mut self, out: &mut Outbox) {
        let revision = self.applier.store.kv().revision();
        if let Some(pause) = self.compactor.note(revision) {
            out.wake(pause, Note::Member(MemberNote::Compactor));
        }
    }

    pub(super) fn auto_compact(&mut self, at: Moment, out: &mut Outbox) {
        let current = self.applier.store.kv().revision();
        if self.leads()
            && let Some(revision) = self.compactor.due(current, at.now)
        {
            let request = Request::Compact(CompactionRequest { revision, physical: false });
            // The next time counts from its end.
            let purpose = Purpose::AutoCompaction(revision);
            return self.propose_own(at, purpose, InternalRaftRequest::of(&request), out);
        }
        self.begin_compactor(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u64) -> SimTime {
        SimTime::ZERO + Micros::from_secs(minutes * 60)
    }

    /// Lets one revision be written a minute; what is compacted in which minute.
    fn run(mode: AutoCompaction, minutes: u64) -> Vec<(u64, i64)> {
        let mut compactor = Compactor::new(mode, at(0));
        let mut done = Vec::new();
        let mut next = compactor.note(1).expect("it is on").0 / 60_000_000;
        for minute in 1..=minutes {
            let revision = minute as i64 + 1;
            if minute == next {
                if let Some(due) = compactor.due(revision, at(minute)) {
                    done.push((minute, due));
                    compactor.succeeded(due, at(minute));
                }
                next += compactor.note(revision).expect("it is on").0 / 60_000_000;
            }
        }
        done
    }

    #[test]
    fn by_time_what_is_a_period_old_goes_once_an_hour() {
        assert_eq!(run(AutoCompaction::Periodic(HOUR), 200), [(60, 1), (120, 55), (180, 115)]);
        let day = Micros::from_secs(24 * 3_600);
        assert_eq!(run(AutoCompaction::Periodic(day), 26 * 60), [(1440, 1), (1500, 55), (1560, 115)]);
        let short = Micros::from_secs(600);
        assert_eq!(run(AutoCompaction::Periodic(short), 30), [(10, 1), (20, 10), (30, 20)]);
    }

    #[test]
    fn by_count_all_but_the_newest_go_every_five_minutes() {
        assert_eq!(run(AutoCompaction::Revision(8), 20), [(10, 3), (15, 8), (20, 13)]);
    }
}
