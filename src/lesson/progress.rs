//! Which steps of a lesson are done at the playhead.
//!
//! Steps are checked in order. Each keeps the moment at which its check became true; a playhead before that moment shows
//! it undone again, and one that comes back shows it done. A branch of the timeline begins with what its past had done.

use super::Lesson;
use super::cel::FUEL;
use crate::lab::{Lab, Timeline};
use crate::sim::SimTime;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct Progress {
    lesson: Arc<Lesson>,
    /// When the lesson's own start was over.
    began: SimTime,
    /// By branch: when each step was done, for as many as were.
    reached: BTreeMap<u32, Vec<SimTime>>,
    branch: u32,
    now: SimTime,
    /// What the learner chose, by step and prediction.
    chosen: BTreeMap<(usize, usize), usize>,
    /// Why the open check cannot be decided, if so.
    trouble: Option<String>,
    /// Looks to leave out, so that a costly check costs no more per look than [`SPENT_PER_LOOK`] on average.
    rests: u64,
}

/// Steps of evaluation per look: well under a millisecond.
const SPENT_PER_LOOK: u64 = 10_000;

impl Progress {
    /// A lesson that the learner enters at `began`.
    pub fn new(lesson: Arc<Lesson>, began: SimTime) -> Progress {
        Progress {
            lesson,
            began,
            reached: BTreeMap::new(),
            branch: 0,
            now: began,
            chosen: BTreeMap::new(),
            trouble: None,
            rests: 0,
        }
    }

    pub fn lesson(&self) -> &Arc<Lesson> {
        &self.lesson
    }

    /// Looks at the playhead. Says whether anything that it tells has changed.
    pub fn update(&mut self, timeline: &Timeline) -> bool {
        let branch = timeline.branch();
        if !self.reached.contains_key(&branch.id) {
            let inherited = branch.parent.and_then(|(parent, at)| {
                let mut reached = self.reached.get(&parent)?.clone();
                reached.retain(|done| *done <= at);
                Some(reached)
            });
            self.reached.insert(branch.id, inherited.unwrap_or_default());
        }
        let before = (self.branch, self.done(), self.trouble.clone());
        (self.branch, self.now) = (branch.id, timeline.lab().now());
        self.look(timeline.lab());
        before != (self.branch, self.done(), self.trouble.clone())
    }

    /// Judges the first step that was never done on this branch, and those after it while they hold.
    fn look(&mut self, lab: &Lab) {
        if self.rests > 0 {
            self.rests -= 1;
            return;
        }
        let mut spent = 0;
        self.trouble = None;
        let lesson = self.lesson.clone();
        while let Some(step) = lesson.steps.get(self.reached().len()) {
            // Before a later moment that is done already there is nothing new to judge.
            if self.reached().last().is_some_and(|last| *last > self.now) || self.now < self.began {
                break;
            }
            if let Some(check) = &step.check {
                let verdict = check.judge(lab, self.since(self.reached().len()));
                spent += verdict.spent;
                match verdict.holds {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(why) => {
                        self.trouble = Some(why);
                        break;
                    }
                }
            }
            let now = self.now;
            self.reached.entry(self.branch).or_default().push(now);
            if spent > FUEL {
                break;
            }
        }
        self.rests = spent / SPENT_PER_LOOK;
    }

    fn reached(&self) -> &[SimTime] {
        self.reached.get(&self.branch).map_or(&[], Vec::as_slice)
    }

    /// How many steps are done at the playhead: the first so many.
    pub fn done(&self) -> usize {
        self.reached().partition_point(|at| *at <= self.now)
    }

    /// When a step was done, if it is at the playhead.
    pub fn done_at(&self, step: usize) -> Option<SimTime> {
        self.reached().get(step).copied().filter(|at| *at <= self.now)
    }

    /// When a step began: when the one before it was done.
    pub fn since(&self, step: usize) -> SimTime {
        step.checked_sub(1).and_then(|before| self.reached().get(before).copied()).unwrap_or(self.began)
    }

    /// Whether every step that is not optional is done at the playhead.
    pub fn is_complete(&self) -> bool {
        self.lesson.steps.iter().skip(self.done()).all(|step| step.optional)
    }

    /// Why the open check cannot be decided: a mistake of the lesson.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// The learner predicts. A prediction once made stays.
    pub fn choose(&mut self, step: usize, prediction: usize, option: usize) {
        let known = self.lesson.steps.get(step).and_then(|step| step.predictions.get(prediction));
        if known.is_some_and(|prediction| option < prediction.options.len()) {
            self.chosen.entry((step, prediction)).or_insert(option);
        }
    }

    pub fn chosen(&self, step: usize, prediction: usize) -> Option<usize> {
        self.chosen.get(&(step, prediction)).copied()
    }

    /// All predictions made, to be kept with the learner's progress and given to [`Progress::choose`] again.
    pub fn choices(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        self.chosen.iter().map(|(&(step, prediction), &option)| (step, prediction, option))
    }
}
