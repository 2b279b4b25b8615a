//! Changing who takes part: simple changes of one voter, and joint consensus for more.
//!
//! ```text
//!   simple:  (1 2 3) ──────────────────────────────> (1 2 3 4)
//!   joint:   (1 2 3) ── enter ──> (1 4 5)&&(1 2 3) ── leave ──> (1 4 5)
//! ```
//!
//! A [`Changer`] never alters the active configuration: it returns a new one, or says why not.
//!
//! Upstream: `confchange/confchange.go`, `confchange/restore.go`.

use std::fmt;

use super::confchange_message::{ConfChangeSingle, ConfChangeType, ConfChangeV2};
use super::message::{ConfState, Index, PeerId};
use super::progress::Progress;
use super::tracker::{ProgressMap, ProgressTracker, TrackerConfig};

/// Why a change cannot be made. The texts are upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConfChangeError {
    AlreadyJoint,
    ZeroVoterJoint,
    NotJoint,
    SimpleWhileJoint,
    MoreThanOneVoter,
    RemovedAllVoters,
}

impl fmt::Display for ConfChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConfChangeError::AlreadyJoint => "config is already joint",
            ConfChangeError::ZeroVoterJoint => "can't make a zero-voter config joint",
            ConfChangeError::NotJoint => "can't leave a non-joint config",
            ConfChangeError::SimpleWhileJoint => "can't apply simple config change in joint config",
            ConfChangeError::MoreThanOneVoter => "more than one voter changed without entering joint config",
            ConfChangeError::RemovedAllVoters => "removed all voters",
        })
    }
}

impl std::error::Error for ConfChangeError {}

type Changed = Result<(TrackerConfig, ProgressMap), ConfChangeError>;

/// Works out the configuration that follows from `tracker` and a change.
#[derive(Clone, Copy, Debug)]
pub struct Changer<'a> {
    pub tracker: &'a ProgressTracker,
    pub last_index: Index,
}

impl Changer<'_> {
    pub fn change(&self, change: &ConfChangeV2) -> Changed {
        if change.is_leave_joint() {
            self.leave_joint()
        } else if let Some(auto_leave) = change.enters_joint() {
            self.enter_joint(auto_leave, &change.changes)
        } else {
            self.simple(&change.changes)
        }
    }

    /// The old voters become the outgoing half, and the steps apply to the incoming half.
    pub fn enter_joint(&self, auto_leave: bool, steps: &[ConfChangeSingle]) -> Changed {
        let mut draft = self.draft();
        if draft.config.voters.is_joint() {
            return Err(ConfChangeError::AlreadyJoint);
        }
        if draft.config.voters.incoming.is_empty() {
            return Err(ConfChangeError::ZeroVoterJoint);
        }
        draft.config.voters.outgoing = draft.config.voters.incoming.clone();
        draft.apply(steps)?;
        draft.config.auto_leave = auto_leave;
        draft.finish()
    }

    /// The incoming half alone decides from here on.
    pub fn leave_joint(&self) -> Changed {
        let mut draft = self.draft();
        if !draft.config.voters.is_joint() {
            return Err(ConfChangeError::NotJoint);
        }
        for id in std::mem::take(&mut draft.config.learners_next) {
            draft.config.learners.insert(id);
            draft.expect_progress(id).is_learner = true;
        }
        for id in std::mem::take(&mut draft.config.voters.outgoing).0 {
            if !draft.config.voters.incoming.contains(id) && !draft.config.learners.contains(&id) {
                draft.progress.remove(id);
            }
        }
        draft.config.auto_leave = false;
        draft.finish()
    }

    /// Steps that together change at most one voter.
    pub fn simple(&self, steps: &[ConfChangeSingle]) -> Changed {
        let mut draft = self.draft();
        if draft.config.voters.is_joint() {
            return Err(ConfChangeError::SimpleWhileJoint);
        }
        draft.apply(steps)?;
        let before = &self.tracker.config.voters.incoming.0;
        if before.symmetric_difference(&draft.config.voters.incoming.0).count() > 1 {
            return Err(ConfChangeError::MoreThanOneVoter);
        }
        draft.finish()
    }

    fn draft(&self) -> Draft {
        // A peer just added counts as active, or a quorum check could fail before it had a chance to speak. The last
        // index is an optimistic first guess at its log; a rejection corrects it.
        let mut newcomer = self.tracker.new_progress(Index::ZERO, self.last_index.max(Index(1)));
        newcomer.recent_active = true;
        let draft = Draft { config: self.tracker.config.clone(), progress: self.tracker.progress.clone(), newcomer };
        draft.check_invariants();
        draft
    }
}

struct Draft {
    config: TrackerConfig,
    progress: ProgressMap,
    newcomer: Progress,
}

impl Draft {
    fn finish(self) -> Changed {
        self.check_invariants();
        Ok((self.config, self.progress))
    }

    fn apply(&mut self, steps: &[ConfChangeSingle]) -> Result<(), ConfChangeError> {
        for step in steps.iter().filter(|step| step.node_id.is_some()) {
            match step.change_type {
                ConfChangeType::AddNode => self.make_voter(step.node_id),
                ConfChangeType::AddLearnerNode => self.make_learner(step.node_id),
                ConfChangeType::RemoveNode => self.remove(step.node_id),
                ConfChangeType::UpdateNode => {}
            }
        }
        if self.config.voters.incoming.is_empty() { Err(ConfChangeError::RemovedAllVoters) } else { Ok(()) }
    }

    fn make_voter(&mut self, id: PeerId) {
        match self.progress.get_mut(id) {
            Some(peer) => peer.is_learner = false,
            None => self.progress.insert(id, self.newcomer.clone()),
        }
        self.config.learners.remove(&id);
        self.config.learners_next.remove(&id);
        self.config.voters.incoming.0.insert(id);
    }

    fn make_learner(&mut self, id: PeerId) {
        let mut peer = match self.progress.get(id) {
            None => self.newcomer.clone(),
            Some(peer) if peer.is_learner => return,
            Some(peer) => peer.clone(),
        };
        self.remove(id);
        // Nobody is a voter and a learner at once: while the outgoing half still counts the peer, it waits.
        if self.config.voters.outgoing.contains(id) {
            self.config.learners_next.insert(id);
        } else {
            peer.is_learner = true;
            self.config.learners.insert(id);
        }
        self.progress.insert(id, peer);
    }

    fn remove(&mut self, id: PeerId) {
        self.config.voters.incoming.0.remove(&id);
        self.config.learners.remove(&id);
        self.config.learners_next.remove(&id);
        if !self.config.voters.outgoing.contains(id) {
            self.progress.remove(id);
        }
    }

    fn expect_progress(&mut self, id: PeerId) -> &mut Progress {
        self.progress.get_mut(id).expect("every configured peer has a progress")
    }

    fn check_invariants(&self) {
        let config = &self.config;
        let voters = &config.voters;
        let is_learner = |id: &PeerId| self.progress.get(*id).map(|peer| peer.is_learner);
        for id in voters.ids() {
            assert!(self.progress.contains(id), "no progress for {}", id.0);
        }
        for id in &config.learners {
            assert!(!voters.contains(*id), "{} is a learner and a voter", id.0);
            assert_eq!(is_learner(id), Some(true), "{} is in learners", id.0);
        }
        for id in &config.learners_next {
            assert!(voters.outgoing.contains(*id), "{} is in learners_next, but not outgoing", id.0);
            assert_eq!(is_learner(id), Some(false), "{} is in learners_next", id.0);
        }
        if !voters.is_joint() {
            assert!(config.learners_next.is_empty(), "learners_next must be empty when not joint");
            assert!(!config.auto_leave, "auto_leave must be false when not joint");
        }
    }
}

/// The tracker that a [`ConfState`] describes: `tracker` must have an empty configuration.
pub(super) fn restore(
    mut tracker: ProgressTracker,
    last_index: Index,
    conf_state: &ConfState,
) -> Result<ProgressTracker, ConfChangeError> {
    let steps = |change_type, ids: &[PeerId]| -> Vec<ConfChangeSingle> {
        ids.iter().map(|&node_id| ConfChangeSingle { change_type, node_id }).collect()
    };
    let one_by_one = |tracker: &mut ProgressTracker, steps: &[ConfChangeSingle]| {
        for step in steps {
            let (config, progress) = Changer { tracker, last_index }.simple(std::slice::from_ref(step))?;
            (tracker.config, tracker.progress) = (config, progress);
        }
        Ok(())
    };
    let mut incoming = steps(ConfChangeType::RemoveNode, &conf_state.voters_outgoing);
    incoming.extend(steps(ConfChangeType::AddNode, &conf_state.voters));
    incoming.extend(steps(ConfChangeType::AddLearnerNode, &conf_state.learners));
    incoming.extend(steps(ConfChangeType::AddLearnerNode, &conf_state.learners_next));
    if conf_state.voters_outgoing.is_empty() {
        one_by_one(&mut tracker, &incoming)?;
    } else {
        // First build the outgoing configuration, then enter the joint one from it.
        one_by_one(&mut tracker, &steps(ConfChangeType::AddNode, &conf_state.voters_outgoing))?;
        let (config, progress) =
            Changer { tracker: &tracker, last_index }.enter_joint(conf_state.auto_leave, &incoming)?;
        (tracker.config, tracker.progress) = (config, progress);
    }
    Ok(tracker)
}

#[cfg(test)]
mod tests {
    use super::super::confchange_message::ConfChangeTransition;
    use super::*;

    #[test]
    fn a_conf_state_restores_to_itself() {
        let ids = |ids: &[u64]| ids.iter().copied().map(PeerId).collect::<Vec<_>>();
        let states = [
            ConfState { voters: ids(&[1, 2, 3]), ..ConfState::default() },
            ConfState { voters: ids(&[1, 2, 3]), learners: ids(&[4, 5]), ..ConfState::default() },
            ConfState {
                voters: ids(&[1, 2, 3]),
                learners: ids(&[5]),
                voters_outgoing: ids(&[1, 2, 4, 6]),
                learners_next: ids(&[4]),
                auto_leave: true,
            },
        ];
        for state in states {
            let tracker = restore(ProgressTracker::new(1, 0), Index(10), &state).unwrap();
            assert_eq!(tracker.config.conf_state(), state);
        }
    }

    /// Any changes made one by one come to the same as the same changes made at once, through a joint configuration.
    #[test]
    fn one_by_one_and_jointly_come_to_the_same() {
        let mut state = 1u64;
        let mut number = |below: u64| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 33) % below
        };
        let types = [ConfChangeType::AddNode, ConfChangeType::RemoveNode, ConfChangeType::AddLearnerNode];
        let keep = ConfChangeSingle { change_type: ConfChangeType::AddNode, node_id: PeerId(1) };
        for _ in 0..500 {
            let start =
                ConfState { voters: vec![PeerId(1), PeerId(2)], learners: vec![PeerId(3)], ..Default::default() };
            let start = restore(ProgressTracker::new(1, 0), Index(10), &start).unwrap();
            let mut steps: Vec<ConfChangeSingle> = (0..1 + number(6))
                .map(|_| ConfChangeSingle { change_type: types[number(3) as usize], node_id: PeerId(2 + number(5)) })
                .collect();
            // So that there is always a voter.
            steps.push(keep);
            let mut singly = start.clone();
            for step in &steps {
                let step = std::slice::from_ref(step);
                let changed = Changer { tracker: &singly, last_index: Index(10) }.simple(step).unwrap();
                (singly.config, singly.progress) = changed;
            }
            let mut jointly = start.clone();
            for change in [
                ConfChangeV2 {
                    transition: ConfChangeTransition::JointExplicit,
                    changes: steps.clone(),
                    ..Default::default()
                },
                ConfChangeV2::default(),
            ] {
                let changed = Changer { tracker: &jointly, last_index: Index(10) }.change(&change).unwrap();
                (jointly.config, jointly.progress) = changed;
            }
            assert_eq!(singly, jointly, "{steps:?}");
        }
    }
}
