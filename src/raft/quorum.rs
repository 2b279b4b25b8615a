//! Who must agree: majorities, and joint majorities while the membership changes.
//!
//! Upstream: `quorum/majority.go`, `quorum/joint.go`.

use std::collections::BTreeSet;
use std::fmt;

use super::message::{Index, PeerId};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VoteResult {
    VotePending,
    VoteLost,
    VoteWon,
}

impl fmt::Display for VoteResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Decisions are taken by more than half of these voters. An empty set agrees with everything, which makes a joint
/// configuration with one empty half behave as the other half alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MajorityConfig(pub BTreeSet<PeerId>);

/// Decisions need both majorities. `outgoing` is empty unless the membership is in transition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct JointConfig {
    pub incoming: MajorityConfig,
    pub outgoing: MajorityConfig,
}

impl MajorityConfig {
    pub fn contains(&self, id: PeerId) -> bool {
        self.0.contains(&id)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The highest index that a majority has acknowledged; `acked` gives zero for whoever acknowledged nothing.
    pub fn committed_index(&self, acked: impl Fn(PeerId) -> Index) -> Index {
        /// Groups up to this size are sorted without allocating; larger ones are rare.
        const ON_STACK_MAX: usize = 7;
        let n = self.len();
        if n == 0 {
            return Index::MAX;
        }
        let mut small = [Index::ZERO; ON_STACK_MAX];
        let mut large = Vec::new();
        let acks: &mut [Index] = if n <= ON_STACK_MAX {
            &mut small[..n]
        } else {
            large.resize(n, Index::ZERO);
            &mut large
        };
        for (slot, id) in acks.iter_mut().zip(&self.0) {
            *slot = acked(*id);
        }
        acks.sort_unstable();
        acks[n - (n / 2 + 1)]
    }

    pub fn vote_result(&self, vote: impl Fn(PeerId) -> Option<bool>) -> VoteResult {
        let quorum = self.len() / 2 + 1;
        let (mut yes, mut missing) = (0, 0);
        for id in &self.0 {
            match vote(*id) {
                Some(true) => yes += 1,
                Some(false) => {}
                None => missing += 1,
            }
        }
        if self.is_empty() || yes >= quorum {
            VoteResult::VoteWon
        } else if yes + missing >= quorum {
            VoteResult::VotePending
        } else {
            VoteResult::VoteLost
        }
    }
}

impl FromIterator<PeerId> for MajorityConfig {
    fn from_iter<I: IntoIterator<Item = PeerId>>(ids: I) -> MajorityConfig {
        MajorityConfig(ids.into_iter().collect())
    }
}

impl fmt::Display for MajorityConfig {
    /// `(1 2 3)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_ids(f, self.0.iter())
    }
}

pub(super) fn write_ids<'a>(f: &mut fmt::Formatter<'_>, ids: impl Iterator<Item = &'a PeerId>) -> fmt::Result {
    f.write_str("(")?;
    for (position, id) in ids.enumerate() {
        let space = if position == 0 { "" } else { " " };
        write!(f, "{space}{}", id.0)?;
    }
    f.write_str(")")
}

impl JointConfig {
    pub fn contains(&self, id: PeerId) -> bool {
        self.incoming.contains(id) || self.outgoing.contains(id)
    }

    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// One voter, not in transition: its own word is a quorum.
    pub fn is_singleton(&self) -> bool {
        self.incoming.len() == 1 && self.outgoing.is_empty()
    }

    /// Everyone who votes in either half, sorted.
    pub fn ids(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.incoming.0.union(&self.outgoing.0).copied()
    }

    pub fn committed_index(&self, acked: impl Fn(PeerId) -> Index) -> Index {
        self.incoming.committed_index(&acked).min(self.outgoing.committed_index(&acked))
    }

    pub fn vote_result(&self, vote: impl Fn(PeerId) -> Option<bool>) -> VoteResult {
        let halves = (self.incoming.vote_result(&vote), self.outgoing.vote_result(&vote));
        match halves {
            (a, b) if a == b => a,
            (VoteResult::VoteLost, _) | (_, VoteResult::VoteLost) => VoteResult::VoteLost,
            _ => VoteResult::VotePending,
        }
    }
}

impl fmt::Display for JointConfig {
    /// `(1 2)` or, in transition, `(1 2)&&(3 4)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.incoming)?;
        if self.is_joint() { write!(f, "&&{}", self.outgoing) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Any numbers do, as long as they differ much from one to the next.
    fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
        let mut state = seed;
        move |below| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 33) % below
        }
    }

    /// The highest acknowledged index that more than half have reached, looked for one by one.
    fn committed_by_counting(config: &MajorityConfig, acked: &BTreeMap<PeerId, Index>) -> Index {
        let reached =
            |index: Index| config.0.iter().filter(|id| acked.get(id).is_some_and(|acked| *acked >= index)).count();
        let candidates = acked.values().copied().filter(|index| reached(*index) > config.len() / 2);
        candidates.max().unwrap_or_default()
    }

    #[test]
    fn the_committed_index_is_what_counting_gives() {
        let mut number = numbers(1);
        for _ in 0..5_000 {
            let size = 1 + number(9);
            let config: MajorityConfig = (0..size).map(|_| PeerId(1 + number(12))).collect();
            let mut acked = BTreeMap::new();
            for id in &config.0 {
                if number(4) > 0 {
                    acked.insert(*id, Index(1 + number(8)));
                }
            }
            let committed = config.committed_index(|id| acked.get(&id).copied().unwrap_or_default());
            assert_eq!(committed, committed_by_counting(&config, &acked), "{config} {acked:?}");
        }
    }

    #[test]
    fn a_joint_decision_needs_both_halves() {
        let mut number = numbers(2);
        for _ in 0..5_000 {
            let mut half = || -> MajorityConfig { (0..1 + number(4)).map(|_| PeerId(1 + number(6))).collect() };
            let config = JointConfig { incoming: half(), outgoing: half() };
            let mut votes = BTreeMap::new();
            for id in config.ids() {
                if number(3) > 0 {
                    votes.insert(id, number(2) > 0);
                }
            }
            let vote = |id: PeerId| votes.get(&id).copied();
            let halves = [config.incoming.vote_result(vote), config.outgoing.vote_result(vote)];
            let won = halves.iter().all(|result| *result == VoteResult::VoteWon);
            let lost = halves.contains(&VoteResult::VoteLost);
            let result = config.vote_result(vote);
            assert_eq!(
                (result == VoteResult::VoteWon, result == VoteResult::VoteLost),
                (won, lost),
                "{config} {votes:?}"
            );
        }
    }
}
