//! The active configuration and everything tracked per peer under it.
//!
//! Upstream: `tracker/tracker.go`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::message::{ConfState, Index, PeerId};
use super::progress::Progress;
use super::quorum::{JointConfig, VoteResult, write_ids};

/// Who takes part, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TrackerConfig {
    pub voters: JointConfig,
    /// Invariant: disjoint from both halves of `voters`.
    pub learners: BTreeSet<PeerId>,
    /// Outgoing voters that become learners when the joint configuration is left.
    /// Invariant: a subset of `voters.outgoing`.
    pub learners_next: BTreeSet<PeerId>,
    pub auto_leave: bool,
}

impl TrackerConfig {
    pub fn conf_state(&self) -> ConfState {
        ConfState {
            voters: self.voters.incoming.0.iter().copied().collect(),
            learners: self.learners.iter().copied().collect(),
            voters_outgoing: self.voters.outgoing.0.iter().copied().collect(),
            learners_next: self.learners_next.iter().copied().collect(),
            auto_leave: self.auto_leave,
        }
    }
}

impl fmt::Display for TrackerConfig {
    /// `voters=(1 2)&&(1) learners=(3) learners_next=(4) autoleave`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "voters={}", self.voters)?;
        if !self.learners.is_empty() {
            f.write_str(" learners=")?;
            write_ids(f, self.learners.iter())?;
        }
        if !self.learners_next.is_empty() {
            f.write_str(" learners_next=")?;
            write_ids(f, self.learners_next.iter())?;
        }
        if self.auto_leave { f.write_str(" autoleave") } else { Ok(()) }
    }
}

/// Progress of every peer, sorted by id. Groups are small, so a sorted vector beats a tree, and a broadcast can walk
/// it by position while it sends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProgressMap(Vec<(PeerId, Progress)>);

impl ProgressMap {
    fn position(&self, id: PeerId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&id, |(id, _)| *id)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn id_at(&self, position: usize) -> PeerId {
        self.0[position].0
    }

    pub fn contains(&self, id: PeerId) -> bool {
        self.position(id).is_ok()
    }

    pub fn get(&self, id: PeerId) -> Option<&Progress> {
        self.position(id).ok().map(|position| &self.0[position].1)
    }

    pub fn get_mut(&mut self, id: PeerId) -> Option<&mut Progress> {
        self.position(id).ok().map(|position| &mut self.0[position].1)
    }

    pub fn insert(&mut self, id: PeerId, progress: Progress) {
        match self.position(id) {
            Ok(position) => self.0[position].1 = progress,
            Err(position) => self.0.insert(position, (id, progress)),
        }
    }

    pub fn remove(&mut self, id: PeerId) {
        if let Ok(position) = self.position(id) {
            self.0.remove(position);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (PeerId, &Progress)> {
        self.0.iter().map(|(id, progress)| (*id, progress))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (PeerId, &mut Progress)> {
        self.0.iter_mut().map(|(id, progress)| (*id, progress))
    }
}

impl fmt::Display for ProgressMap {
    /// One line per peer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, progress) in self.iter() {
            writeln!(f, "{}: {progress}", id.0)?;
        }
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProgressTracker {
    pub config: TrackerConfig,
    pub progress: ProgressMap,
    /// Votes received in the election under way.
    pub votes: BTreeMap<PeerId, bool>,
    pub inflight_count_max: usize,
    pub inflight_bytes_max: u64,
}

impl ProgressTracker {
    pub fn new(inflight_count_max: usize, inflight_bytes_max: u64) -> ProgressTracker {
        ProgressTracker { inflight_count_max, inflight_bytes_max, ..ProgressTracker::default() }
    }

    pub fn new_progress(&self, matched: Index, next: Index) -> Progress {
        Progress::new(matched, next, self.inflight_count_max, self.inflight_bytes_max)
    }

    /// The highest index a quorum is known to hold.
    pub fn committed(&self) -> Index {
        self.config.voters.committed_index(|id| self.progress.get(id).map_or(Index::ZERO, |peer| peer.matched))
    }

    /// Whether a quorum was heard from since the last check.
    pub fn quorum_active(&self) -> bool {
        let active = |id| self.progress.get(id).filter(|peer| !peer.is_learner).map(|peer| peer.recent_active);
        self.config.voters.vote_result(active) == VoteResult::VoteWon
    }

    /// The first vote of a peer counts; a second one is ignored.
    pub fn record_vote(&mut self, id: PeerId, granted: bool) {
        self.votes.entry(id).or_insert(granted);
    }

    /// Granted, rejected, and what that means. Votes of learners and strangers are not counted.
    pub fn tally_votes(&self) -> (usize, usize, VoteResult) {
        let (mut granted, mut rejected) = (0, 0);
        for (id, peer) in self.progress.iter() {
            match self.votes.get(&id) {
                Some(true) if !peer.is_learner => granted += 1,
                Some(false) if !peer.is_learner => rejected += 1,
                _ => {}
            }
        }
        (granted, rejected, self.config.voters.vote_result(|id| self.votes.get(&id).copied()))
    }
}
