//! What a leader knows of one peer's log, and how fast it may send to it.
//!
//! ```text
//!            MsgAppResp accepted                       log no longer holds what the peer needs
//!   ┌───────┐ ────────────────> ┌───────────┐   ┌───────┐ ──────────────> ┌──────────┐
//!   │ Probe │                   │ Replicate │   │ Probe │                 │ Snapshot │
//!   └───────┘ <──────────────── └───────────┘   └───────┘ <────────────── └──────────┘
//!            rejected, unreachable                         sent, failed, or caught up
//! ```
//!
//! Upstream: `tracker/progress.go`, `tracker/inflights.go`, `tracker/state.go`. Here the state carries its own data:
//! only Replicate has a window of messages in flight, only Snapshot has a pending index.

use std::collections::VecDeque;
use std::fmt;

use super::message::Index;

/// A window of unacknowledged MsgApps, bounded by count and by bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inflights {
    messages: VecDeque<Inflight>,
    bytes: u64,
    count_max: usize,
    /// Zero means no bound.
    bytes_max: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Inflight {
    /// The last entry of the message.
    last: Index,
    bytes: u64,
}

impl Inflights {
    pub fn new(count_max: usize, bytes_max: u64) -> Inflights {
        Inflights { messages: VecDeque::new(), bytes: 0, count_max, bytes_max }
    }

    pub fn count(&self) -> usize {
        self.messages.len()
    }

    /// No more entries may be sent. The last message may go over the bound on bytes, or large entries would starve.
    pub fn is_full(&self) -> bool {
        self.count() == self.count_max || (self.bytes_max != 0 && self.bytes >= self.bytes_max)
    }

    /// Records a message whose last entry is `last`. Messages are added in order.
    pub fn add(&mut self, last: Index, bytes: u64) {
        assert!(!self.is_full(), "cannot add into a full inflights");
        self.messages.push_back(Inflight { last, bytes });
        self.bytes += bytes;
    }

    /// Forgets every message whose last entry is at or before `to`.
    pub fn free_le(&mut self, to: Index) {
        while let Some(first) = self.messages.front()
            && first.last <= to
        {
            self.bytes -= first.bytes;
            self.messages.pop_front();
        }
    }

    fn emptied(&mut self) -> Inflights {
        let mut messages = std::mem::take(&mut self.messages);
        messages.clear();
        Inflights { messages, bytes: 0, count_max: self.count_max, bytes_max: self.bytes_max }
    }
}

/// How the leader treats the peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ProgressState {
    /// The peer's last index is unknown: at most one message per heartbeat.
    Probe {
        /// A probe is out and not answered.
        paused: bool,
    },
    /// The peer follows: entries are sent ahead of acknowledgement.
    Replicate {
        /// The window is full and one message has been sent to test it.
        paused: bool,
        inflights: Inflights,
    },
    /// The peer needs a snapshot: nothing is sent until its fate is known.
    Snapshot { pending: Index },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Progress {
    /// The highest index known to be equal in both logs.
    /// Invariant: `matched < next`.
    pub matched: Index,
    /// The next index to send.
    pub next: Index,
    /// The highest commit index in flight to the peer.
    sent_commit: Index,
    pub state: ProgressState,
    /// Something was heard from the peer since the last quorum check. Always true of the leader itself.
    pub recent_active: bool,
    pub is_learner: bool,
    inflight_count_max: usize,
    inflight_bytes_max: u64,
}

impl Progress {
    pub fn new(matched: Index, next: Index, inflight_count_max: usize, inflight_bytes_max: u64) -> Progress {
        Progress {
            matched,
            next,
            sent_commit: Index::ZERO,
            state: ProgressState::Probe { paused: false },
            recent_active: false,
            is_learner: false,
            inflight_count_max,
            inflight_bytes_max,
        }
    }

    pub fn is_probe(&self) -> bool {
        matches!(self.state, ProgressState::Probe { .. })
    }

    pub fn is_replicate(&self) -> bool {
        matches!(self.state, ProgressState::Replicate { .. })
    }

    pub fn is_snapshot(&self) -> bool {
        matches!(self.state, ProgressState::Snapshot { .. })
    }

    /// Starts probing, after a pending snapshot if that reaches further than the match.
    pub fn become_probe(&mut self) {
        self.next = match self.state {
            ProgressState::Snapshot { pending } => self.matched.max(pending).next(),
            _ => self.matched.next(),
        };
        self.state = ProgressState::Probe { paused: false };
        self.regress_sent_commit();
    }

    pub fn become_replicate(&mut self) {
        let inflights = match &mut self.state {
            ProgressState::Replicate { inflights, .. } => inflights.emptied(),
            _ => Inflights::new(self.inflight_count_max, self.inflight_bytes_max),
        };
        self.state = ProgressState::Replicate { paused: false, inflights };
        self.next = self.matched.next();
        self.regress_sent_commit();
    }

    pub fn become_snapshot(&mut self, pending: Index) {
        self.state = ProgressState::Snapshot { pending };
        self.next = pending.next();
        self.sent_commit = pending;
    }

    /// A snapshot failed: what was pending no longer counts.
    pub fn forget_pending_snapshot(&mut self) {
        if let ProgressState::Snapshot { pending } = &mut self.state {
            *pending = Index::ZERO;
        }
    }

    /// Records that a MsgApp with these entries was sent.
    pub fn sent_entries(&mut self, count: u64, bytes: u64) {
        match &mut self.state {
            ProgressState::Replicate { paused, inflights } => {
                if count > 0 {
                    self.next += count;
                    inflights.add(self.next.prev(), bytes);
                }
                // A message that fills the window, or one beyond it, is a probe: wait for an answer.
                *paused = inflights.is_full();
            }
            ProgressState::Probe { paused } => *paused |= count > 0,
            ProgressState::Snapshot { .. } => panic!("sending append in unhandled state StateSnapshot"),
        }
    }

    /// Whether telling the peer of `commit` could advance what it knows to be committed.
    pub fn can_bump_commit(&self, commit: Index) -> bool {
        commit > self.sent_commit && self.sent_commit < self.next.prev()
    }

    pub fn sent_commit(&mut self, commit: Index) {
        self.sent_commit = commit;
    }

    /// Takes an acknowledgement; false if it told nothing new.
    pub fn maybe_update(&mut self, acked: Index) -> bool {
        if acked <= self.matched {
            return false;
        }
        self.matched = acked;
        self.next = self.next.max(acked.next());
        self.resume();
        true
    }

    /// Takes a rejection of `rejected`, with the peer's hint; false if the rejection is out of date.
    pub fn maybe_decrease_to(&mut self, rejected: Index, match_hint: Index) -> bool {
        if self.is_replicate() {
            if rejected <= self.matched {
                return false;
            }
            self.next = self.matched.next();
            self.regress_sent_commit();
            return true;
        }
        // One probe is out at a time, so a rejection of anything but that probe is an old one.
        if self.next.prev() != rejected {
            return false;
        }
        self.next = rejected.min(match_hint.next()).max(self.matched.next());
        self.regress_sent_commit();
        self.resume();
        true
    }

    /// Lets one more message through.
    pub fn resume(&mut self) {
        self.set_paused(false);
    }

    pub fn pause(&mut self) {
        self.set_paused(true);
    }

    fn set_paused(&mut self, value: bool) {
        match &mut self.state {
            ProgressState::Probe { paused } | ProgressState::Replicate { paused, .. } => *paused = value,
            ProgressState::Snapshot { .. } => {}
        }
    }

    /// What was sent beyond `next` is unlikely to have arrived.
    fn regress_sent_commit(&mut self) {
        self.sent_commit = self.sent_commit.min(self.next.prev());
    }

    pub fn is_paused(&self) -> bool {
        match self.state {
            ProgressState::Probe { paused } | ProgressState::Replicate { paused, .. } => paused,
            ProgressState::Snapshot { .. } => true,
        }
    }

    /// Whether entries, and not only an empty message, may be sent now.
    pub fn has_room(&self) -> bool {
        match &self.state {
            ProgressState::Replicate { inflights, .. } => !inflights.is_full(),
            _ => true,
        }
    }

    pub fn free_inflights_le(&mut self, to: Index) {
        if let ProgressState::Replicate { inflights, .. } = &mut self.state {
            inflights.free_le(to);
        }
    }

    /// A small copy to look at, and to print.
    pub fn status(&self) -> ProgressStatus {
        let (inflight, inflight_full) = match &self.state {
            ProgressState::Replicate { inflights, .. } => (inflights.count(), inflights.is_full()),
            _ => (0, false),
        };
        ProgressStatus {
            state: match self.state {
                ProgressState::Probe { .. } => "StateProbe",
                ProgressState::Replicate { .. } => "StateReplicate",
                ProgressState::Snapshot { .. } => "StateSnapshot",
            },
            matched: self.matched,
            next: self.next,
            is_learner: self.is_learner,
            is_paused: self.is_paused(),
            pending_snapshot: match self.state {
                ProgressState::Snapshot { pending } => pending,
                _ => Index::ZERO,
            },
            recent_active: self.recent_active,
            inflight,
            inflight_full,
        }
    }
}

/// A peer's progress as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProgressStatus {
    /// `StateProbe`, `StateReplicate` or `StateSnapshot`.
    pub state: &'static str,
    pub matched: Index,
    pub next: Index,
    pub is_learner: bool,
    pub is_paused: bool,
    /// Zero unless a snapshot is on its way.
    pub pending_snapshot: Index,
    pub recent_active: bool,
    pub inflight: usize,
    pub inflight_full: bool,
}

impl fmt::Display for ProgressStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} match={} next={}", self.state, self.matched, self.next)?;
        if self.is_learner {
            f.write_str(" learner")?;
        }
        if self.is_paused {
            f.write_str(" paused")?;
        }
        if self.pending_snapshot > Index::ZERO {
            write!(f, " pendingSnap={}", self.pending_snapshot)?;
        }
        if !self.recent_active {
            f.write_str(" inactive")?;
        }
        if self.inflight > 0 {
            write!(f, " inflight={}{}", self.inflight, if self.inflight_full { "[full]" } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(matched: u64, next: u64) -> Progress {
        Progress::new(Index(matched), Index(next), 2, 0)
    }

    #[test]
    fn the_window_is_bounded_by_count_and_by_bytes() {
        let mut by_count = Inflights::new(2, 0);
        by_count.add(Index(1), 100);
        assert!(!by_count.is_full());
        by_count.add(Index(2), 100);
        assert!(by_count.is_full());
        by_count.free_le(Index(1));
        assert_eq!((by_count.count(), by_count.is_full()), (1, false));

        let mut by_bytes = Inflights::new(10, 150);
        by_bytes.add(Index(1), 100);
        assert!(!by_bytes.is_full());
        by_bytes.add(Index(2), 100);
        assert!(by_bytes.is_full());
        by_bytes.free_le(Index(2));
        assert_eq!((by_bytes.count(), by_bytes.is_full()), (0, false));
    }

    #[test]
    fn a_stale_rejection_changes_nothing() {
        let mut probing = progress(0, 10);
        assert!(!probing.maybe_decrease_to(Index(5), Index(5)));
        assert!(probing.maybe_decrease_to(Index(9), Index(2)));
        assert_eq!(probing.next, Index(3));

        let mut replicating = progress(5, 10);
        replicating.become_replicate();
        assert!(!replicating.maybe_decrease_to(Index(5), Index(4)));
        assert!(replicating.maybe_decrease_to(Index(6), Index(4)));
        assert_eq!(replicating.next, Index(6));
    }

    #[test]
    fn probing_resumes_after_a_pending_snapshot() {
        let mut sent = progress(1, 2);
        sent.become_snapshot(Index(10));
        sent.become_probe();
        assert_eq!(sent.next, Index(11));

        let mut failed = progress(1, 2);
        failed.become_snapshot(Index(10));
        failed.forget_pending_snapshot();
        failed.become_probe();
        assert_eq!(failed.next, Index(2));
    }

    #[test]
    fn a_full_window_lets_one_empty_message_through_after_resume() {
        let mut peer = progress(0, 1);
        peer.become_replicate();
        peer.sent_entries(1, 1);
        assert!(!peer.is_paused());
        peer.sent_entries(1, 1);
        assert!(peer.is_paused());
        peer.resume();
        assert!(!peer.is_paused());
        assert!(!peer.has_room());
        peer.sent_entries(0, 0);
        assert!(peer.is_paused());
    }
}
