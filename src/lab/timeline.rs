//! Time as a learner has it: play, rewind to any moment, act in the past and keep the old future as a branch.
//!
//! A branch is its inputs and the checkpoints on its way; any moment of it is a checkpoint and a little replay.
//!
//! ```text
//!   branch 0  ──●────●────●──╥─●────●  tip         ● checkpoint   ╥ an input in the past
//!   branch 1                 ╚═●────●──> tip
//! ```

use super::{Input, Lab, Logged, Scenario};
use crate::sim::{Micros, SimTime};

/// How far apart checkpoints are at first, in virtual time and in steps.
const SPACING: Micros = Micros::from_secs(5);
const SPACING_STEPS: u64 = 20_000;
/// Beyond this many, every second one is let go and the spacing doubles.
const CHECKPOINTS_MAX: usize = 256;
/// Branches kept; the oldest that the playhead is not on, nor descends from, goes first.
pub const BRANCHES_MAX: usize = 16;

/// A world, its past, and its other futures.
#[derive(Clone, Debug)]
pub struct Timeline {
    branches: Vec<Branch>,
    current: usize,
    /// The world at the playhead.
    lab: Lab,
}

#[derive(Clone, Debug)]
pub struct Branch {
    /// The branch it left, and when.
    pub parent: Option<(u32, SimTime)>,
    /// A number that stays with it, from 0.
    pub id: u32,
    inputs: Vec<Logged>,
    checkpoints: Vec<Lab>,
    spacing: (Micros, u64),
    /// The world as far as this branch was ever played; `None` while the playhead itself is there.
    tip: Option<Box<Lab>>,
}

impl Branch {
    pub fn inputs(&self) -> &[Logged] {
        &self.inputs
    }

    fn checkpoint(&mut self, lab: &Lab) {
        let due = self.checkpoints.last().is_none_or(|last| {
            let (time, steps) = (lab.now().since(last.now()), lab.sim().steps().saturating_sub(last.sim().steps()));
            time >= self.spacing.0 || steps >= self.spacing.1
        });
        if !due {
            return;
        }
        if self.checkpoints.len() == CHECKPOINTS_MAX {
            let mut position = 0;
            self.checkpoints.retain(|_| {
                position += 1;
                position % 2 == 1
            });
            self.spacing = (Micros(self.spacing.0.0 * 2), self.spacing.1 * 2);
        }
        self.checkpoints.push(lab.clone());
    }
}

impl Timeline {
    pub fn new(scenario: Scenario, seed: u64) -> Timeline {
        Timeline::replay(scenario, seed, Vec::new())
    }

    /// A world at time zero in which these inputs will be given again.
    pub fn replay(scenario: Scenario, seed: u64, inputs: Vec<Logged>) -> Timeline {
        Timeline::begin(Lab::new(scenario, seed), inputs)
    }

    /// As [`Timeline::replay`], for a world that was made and not lived in yet.
    pub fn begin(lab: Lab, inputs: Vec<Logged>) -> Timeline {
        let branch = Branch {
            parent: None,
            id: 0,
            inputs,
            checkpoints: vec![lab.clone()],
            spacing: (SPACING, SPACING_STEPS),
            tip: None,
        };
        Timeline { branches: vec![branch], current: 0, lab }
    }

    /// The world at the playhead.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    pub fn branches(&self) -> &[Branch] {
        &self.branches
    }

    /// The branch that the playhead is on.
    pub fn branch(&self) -> &Branch {
        &self.branches[self.current]
    }

    /// Whether the playhead is as far as its branch was ever played.
    pub fn at_tip(&self) -> bool {
        self.branch().tip.is_none()
    }

    /// The world as far as the playhead's branch was ever played.
    pub fn tip(&self) -> &Lab {
        self.branch().tip.as_deref().unwrap_or(&self.lab)
    }

    /// The learner acts at the playhead. In the past that begins a new branch; the old future stays.
    pub fn act(&mut self, input: Input) {
        if !self.at_tip() {
            self.fork();
        }
        let logged = Logged { at: self.lab.now(), steps: self.lab.sim().steps(), input };
        self.lab.input(&logged.input);
        self.branches[self.current].inputs.push(logged);
    }

    /// Begins a branch at the playhead and moves onto it.
    pub fn fork(&mut self) {
        let branch = self.branch();
        let done = self.lab.inputs() as usize;
        let new = Branch {
            parent: Some((branch.id, self.lab.now())),
            id: self.branches.iter().map(|branch| branch.id).max().unwrap_or(0) + 1,
            inputs: branch.inputs[..done].to_vec(),
            checkpoints: branch.checkpoints.iter().filter(|lab| is_before(lab, &self.lab)).cloned().collect(),
            spacing: branch.spacing,
            tip: None,
        };
        self.leave_tip();
        if self.branches.len() == BRANCHES_MAX {
            let parent = self.branch().id;
            if let Some(oldest) = self.branches.iter().position(|branch| branch.id != parent && branch.id != 0) {
                self.branches.remove(oldest);
            }
        }
        self.branches.push(new);
        self.current = self.branches.len() - 1;
    }

    /// Lets time pass until `end`, replaying what the branch already holds. Stops after `steps_max` things; says how many
    /// happened.
    pub fn run_until(&mut self, end: SimTime, steps_max: u64) -> u64 {
        let mut steps = 0;
        while steps < steps_max {
            if self.replay_input(end) {
                continue;
            }
            let stop = self.next_logged().map_or(end, |logged| logged.at.min(end));
            if self.lab.sim().next_at().is_none_or(|at| at > stop) {
                if end > self.lab.now() {
                    self.lab.run_until(end, 0);
                }
                break;
            }
            self.lab.step();
            steps += 1;
            self.checkpoint();
        }
        self.reach_tip();
        steps
    }

    /// Lets exactly one thing happen: the next that is due, or the next input of the branch.
    pub fn step(&mut self) {
        if !self.replay_input(SimTime(u64::MAX)) {
            self.lab.step();
            self.checkpoint();
        }
        self.reach_tip();
    }

    /// Gives the world the branch's next input if its turn has come before `end`: after the same number of steps and at
    /// the same moment as the first time.
    fn replay_input(&mut self, end: SimTime) -> bool {
        let Some(logged) = self.next_logged().filter(|logged| logged.at <= end) else { return false };
        // In a log that this engine wrote both hold at once; in one that was tampered with, whatever comes first.
        let steps_done = self.lab.sim().steps() >= logged.steps;
        let time_is_up = self.lab.sim().next_at().is_none_or(|next| next > logged.at);
        if !steps_done && !time_is_up {
            return false;
        }
        let logged = logged.clone();
        if logged.at > self.lab.now() {
            self.lab.run_until(logged.at, 0);
        }
        self.lab.input(&logged.input);
        true
    }

    /// Moves the playhead to any moment: back, or forward through what was already played and on.
    pub fn seek(&mut self, to: SimTime) {
        if to < self.lab.now() {
            let checkpoints = &self.branch().checkpoints;
            let position = checkpoints.partition_point(|lab| lab.now() <= to).saturating_sub(1);
            let earlier = checkpoints[position].clone();
            self.leave_tip();
            self.lab = earlier;
        }
        self.run_until(to, u64::MAX);
    }

    /// Moves the playhead on to this moment and this number of steps: between two things that happen at one moment, too.
    pub fn seek_exactly(&mut self, to: SimTime, steps: u64) {
        self.run_until(SimTime(to.0.saturating_sub(1)), u64::MAX);
        while self.lab.sim().steps() < steps && self.lab.sim().next_at().is_some_and(|next| next <= to) {
            self.step();
        }
        while self.replay_input(to) {}
        if self.lab.sim().next_at().is_none_or(|next| next > to) {
            self.lab.run_until(to, 0);
        }
        self.reach_tip();
    }

    /// Moves the playhead to the tip of a branch; `false` if there is none of that number.
    pub fn switch(&mut self, id: u32) -> bool {
        let Some(position) = self.branches.iter().position(|branch| branch.id == id) else { return false };
        self.leave_tip();
        self.current = position;
        if let Some(tip) = self.branches[position].tip.take() {
            self.lab = *tip;
        }
        true
    }

    /// Before the playhead goes elsewhere: what it has reached stays with the branch.
    fn leave_tip(&mut self) {
        let branch = &mut self.branches[self.current];
        if branch.tip.is_none() {
            branch.tip = Some(Box::new(self.lab.clone()));
        }
    }

    fn next_logged(&self) -> Option<&Logged> {
        self.branch().inputs.get(self.lab.inputs() as usize)
    }

    fn checkpoint(&mut self) {
        // Checkpoints are laid where nobody has been; replays pass over the ones that are there.
        let branch = &mut self.branches[self.current];
        if branch.checkpoints.last().is_none_or(|last| is_before(last, &self.lab)) {
            branch.checkpoint(&self.lab);
        }
    }

    /// Lets go of the tip when the playhead has come up to it.
    fn reach_tip(&mut self) {
        let branch = &mut self.branches[self.current];
        if branch.tip.as_ref().is_some_and(|tip| !is_before(&self.lab, tip)) {
            branch.tip = None;
        }
    }
}

fn is_before(one: &Lab, other: &Lab) -> bool {
    (one.sim().steps(), one.inputs(), one.now()) < (other.sim().steps(), other.inputs(), other.now())
}
