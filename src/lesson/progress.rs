//! Which steps of a lesson are done at the playhead.
//!
//! Steps are checked in order. Each keeps the moment at which its check became true; a playhead before that moment shows
//! it undone again, and one that comes back shows it done. A branch of the timeline begins with what its past had done.

use super::Lesson;
use super::script::LOOK;
use crate::cel::FUEL;
use crate::lab::{Lab, Timeline};
use crate::sim::{Micros, SimTime};
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
    /// The branch, moment, steps and inputs of the world that was looked at last.
    looked: Option<(u32, SimTime, u64, u32)>,
    /// Looks to leave out, so that a costly check costs no more per look than [`SPENT_PER_LOOK`] on average.
    rests: u64,
}

/// How often a world that is retraced is looked at.
const LOOKS_MAX: u64 = 20_000;
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
            looked: None,
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
        let lab = timeline.lab();
        let world = (branch.id, lab.now(), lab.sim().steps(), lab.inputs());
        if self.looked.replace(world) == Some(world) && self.rests == 0 {
            return false;
        }
        let before = (self.branch, self.done(), self.trouble.clone());
        (self.branch, self.now) = (branch.id, lab.now());
        self.look(lab);
        before != (self.branch, self.done(), self.trouble.clone())
    }

    /// Lives through a world that was opened from a link or a file up to this moment, looking on: what was done in it, and
    /// when, is not stored anywhere else.
    pub fn retrace(&mut self, timeline: &mut Timeline, to: SimTime) {
        let pace = LOOK.max(Micros(to.since(timeline.lab().now()).0 / LOOKS_MAX));
        while timeline.lab().now() < to {
            let next = timeline.lab().now() + pace;
            timeline.run_until(next.min(to), u64::MAX);
            self.update(timeline);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Input;
    use crate::lesson::{format, runner};

    const TEXT: &str = "---\ntitle: T\nminutes: 1\nsummary: S\n---\n## One\n\n```predict\nquestion: Q\noptions: [A, B]\n\
right: 1\nbecause: C\n```\n\n```check\ncommands.exists(c, c.at >= since && c.line == \"etcdctl put a 1\" && c.exit == 0)\n```\n\
```solution\netcdctl put a 1\n```\n## Two\n\n```check\nkv[\"b\"].value == \"2\"\n```\n```solution\netcdctl put b 2\n```\n## End\n";

    fn pause(timeline: &mut Timeline) {
        let end = timeline.lab().now() + Micros::from_millis(100);
        timeline.run_until(end, u64::MAX);
    }

    fn act(timeline: &mut Timeline, line: &str) {
        timeline.act(Input::Line { terminal: 0, text: line.to_owned() });
        let end = timeline.lab().now() + Micros::from_secs(1);
        timeline.run_until(end, u64::MAX);
    }

    #[test]
    fn steps_follow_the_playhead_and_its_branches() {
        let lesson = format::parse("01-a/01-b/01-c", TEXT).unwrap();
        let mut timeline = runner::prepare(&lesson, 1).unwrap();
        let began = timeline.lab().now();
        let mut progress = Progress::new(Arc::new(lesson), began);
        assert!(!progress.update(&timeline));
        assert_eq!((progress.done(), progress.trouble()), (0, None));
        act(&mut timeline, "etcdctl put a 1");
        assert!(progress.update(&timeline));
        let first = timeline.lab().now();
        assert_eq!((progress.done(), progress.done_at(0), progress.since(1)), (1, Some(first), first));
        assert_eq!(progress.trouble(), Some("no such key: b (line 1, column 3 of the check)"));
        pause(&mut timeline);
        act(&mut timeline, "etcdctl put b 2");
        assert!(progress.update(&timeline));
        // The closing step has no check.
        assert_eq!((progress.done(), progress.is_complete()), (3, true));

        timeline.seek(first);
        assert!(progress.update(&timeline));
        assert_eq!((progress.done(), progress.is_complete()), (1, false));
        timeline.seek(began);
        progress.update(&timeline);
        assert_eq!((progress.done(), progress.done_at(0)), (0, None));
        timeline.seek(first);
        progress.update(&timeline);
        act(&mut timeline, "etcdctl put b 3");
        progress.update(&timeline);
        assert_eq!(progress.done(), 1, "the new branch has another b");
        assert!(timeline.switch(0));
        progress.update(&timeline);
        assert_eq!(progress.done(), 3, "the old branch has what it had");

        let (lab, lesson) = (timeline.lab(), progress.lesson().clone());
        let (to, inputs) = (lab.now(), timeline.branch().inputs().to_vec());
        let mut again = Timeline::replay(*lab.scenario(), lab.seed(), inputs);
        let mut retraced = Progress::new(lesson, began);
        retraced.retrace(&mut again, to);
        assert_eq!((retraced.done(), again.lab().hash()), (3, timeline.lab().hash()));
    }

    #[test]
    fn a_prediction_once_made_stays() {
        let mut progress = Progress::new(Arc::new(format::parse("01-a/01-b/01-c", TEXT).unwrap()), SimTime::ZERO);
        progress.choose(0, 0, 2);
        progress.choose(7, 0, 0);
        assert_eq!(progress.chosen(0, 0), None);
        progress.choose(0, 0, 1);
        progress.choose(0, 0, 0);
        assert_eq!(progress.choices().collect::<Vec<_>>(), [(0, 0, 1)]);
    }
}
