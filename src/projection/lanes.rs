//! The timeline's lanes: terms, commands, writes, watch events and faults, cut to a window and bucketed by pixel.
//!
//! [`LaneIndex`] follows the chronicle: each mark is looked at once. What is drawn costs what is in the window, and never
//! more than one figure for each pixel of its width.

use super::words;
use crate::lab::timeline::Branch;
use crate::lab::{Chronicle, Lab, Mark, Timeline};
use crate::sim::{EventId, Fault, HostId, Micros, SimTime};

/// One reign: a leader's term, or the time between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reign {
    pub from: SimTime,
    /// `None` while it lasts.
    pub until: Option<SimTime>,
    pub event: EventId,
    pub term: u64,
    /// `None` during an election.
    pub leader: Option<HostId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Dot {
    at: SimTime,
    event: EventId,
    /// Of a write, the term that wrote it.
    term: u64,
}

/// The lanes that hold marks, in the order they are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    Terms,
    Commands,
    Writes,
    Watch,
    Faults,
}

impl Lane {
    pub const ALL: [Lane; 5] = [Lane::Terms, Lane::Commands, Lane::Writes, Lane::Watch, Lane::Faults];

    pub fn name(self) -> &'static str {
        match self {
            Lane::Terms => "terms",
            Lane::Commands => "commands",
            Lane::Writes => "writes",
            Lane::Watch => "watch",
            Lane::Faults => "faults",
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct LaneIndex {
    seen: usize,
    /// The first and the last mark that were seen: a chronicle that does not hold them in their places is another one.
    first: Option<EventId>,
    last: Option<EventId>,
    reigns: Vec<Reign>,
    /// Commands, writes, watch events, faults.
    dots: [Vec<Dot>; 4],
}

impl LaneIndex {
    /// Takes in what the chronicle has gained, or begins anew if it is another branch's.
    pub fn follow(&mut self, chronicle: &Chronicle) {
        let marks = chronicle.marks();
        let grew = marks.front().map(|mark| mark.event) == self.first
            && self.seen.checked_sub(1).and_then(|last| marks.get(last)).map(|mark| mark.event) == self.last;
        if !grew {
            *self = LaneIndex { first: marks.front().map(|mark| mark.event), ..LaneIndex::default() };
        }
        for stamped in marks.focus().narrow(self.seen..) {
            self.take(stamped.at, stamped.event, &stamped.mark);
        }
        self.seen = marks.len();
        self.first = marks.front().map(|mark| mark.event);
        self.last = marks.back().map(|mark| mark.event);
    }

    fn take(&mut self, at: SimTime, event: EventId, mark: &Mark) {
        let dot = Dot { at, event, term: 0 };
        match mark {
            Mark::Command { .. } | Mark::Interrupt { .. } => self.dots[0].push(dot),
            Mark::Write { term, .. } => self.dots[1].push(Dot { term: term.0, ..dot }),
            Mark::Watched { .. } => self.dots[2].push(dot),
            Mark::Fault(fault) => {
                self.dots[3].push(dot);
                if let Fault::PowerOff { host }
                | Fault::Restart { host }
                | Fault::Kill { host }
                | Fault::Wipe { host }
                | Fault::Join { host }
                | Fault::Tear { host } = fault
                {
                    self.end_reign(at, *host);
                }
            }
            Mark::Campaign { term, .. } => {
                let leads = self.reigns.last().is_some_and(|reign| reign.until.is_none() && reign.leader.is_some());
                let electing = self.reigns.last().is_some_and(|reign| reign.until.is_none() && reign.leader.is_none());
                // A campaign against a leader that still reigns may come to nothing; the reign ends when it succeeds.
                if !leads && !electing {
                    self.reigns.push(Reign { from: at, until: None, event, term: term.0, leader: None });
                }
            }
            Mark::Elected { host, term } => {
                self.close(at);
                self.reigns.push(Reign { from: at, until: None, event, term: term.0, leader: Some(*host) });
            }
            Mark::SteppedDown { host, .. } | Mark::Stopped { host, .. } => self.end_reign(at, *host),
            Mark::Started { .. } | Mark::Refused { .. } => {}
        }
    }

    fn close(&mut self, at: SimTime) {
        if let Some(reign) = self.reigns.last_mut()
            && reign.until.is_none()
        {
            reign.until = Some(at);
        }
    }

    fn end_reign(&mut self, at: SimTime, host: HostId) {
        if self.reigns.last().is_some_and(|reign| reign.leader == Some(host)) {
            self.close(at);
        }
    }

    fn dots(&self, lane: Lane) -> &[Dot] {
        match lane {
            Lane::Terms => &[],
            Lane::Commands => &self.dots[0],
            Lane::Writes => &self.dots[1],
            Lane::Watch => &self.dots[2],
            Lane::Faults => &self.dots[3],
        }
    }

    /// What the window shows.
    pub fn view(&self, lab: &Lab, window: Window, width: f64) -> LanesView {
        let bands = self
            .reigns
            .iter()
            .filter(|reign| reign.from < window.end() && reign.until.is_none_or(|until| until > window.start));
        let bands = bands.map(|reign| Band {
            from: window.x(reign.from, width).max(0.0),
            until: reign.until.map_or(width, |until| window.x(until, width).min(width)),
            event: reign.event,
            at: reign.from,
            term: reign.term,
            label: match reign.leader {
                Some(host) => format!("term {} · {}", reign.term, words::host(lab, host)),
                None => "election".to_owned(),
            },
            election: reign.leader.is_none(),
        });
        let faults = self.within(Lane::Faults, window).iter().map(|dot| {
            let text = mark_text(lab, dot.event);
            (window.x(dot.at, width), text)
        });
        LanesView {
            bands: bands.collect(),
            columns: [Lane::Commands, Lane::Writes, Lane::Watch, Lane::Faults]
                .map(|lane| self.columns(lane, window, width)),
            faults: spaced(faults.collect(), width),
        }
    }

    fn within(&self, lane: Lane, window: Window) -> &[Dot] {
        let dots = self.dots(lane);
        let from = dots.partition_point(|dot| dot.at < window.start);
        let to = dots.partition_point(|dot| dot.at <= window.end());
        &dots[from..to]
    }

    /// One column for each pixel that holds a mark.
    fn columns(&self, lane: Lane, window: Window, width: f64) -> Vec<Column> {
        let mut columns: Vec<Column> = Vec::new();
        for dot in self.within(lane, window) {
            let x = window.x(dot.at, width).round();
            match columns.last_mut().filter(|column| column.x == x) {
                Some(column) => column.count += 1,
                None => columns.push(Column { x, count: 1, term: dot.term }),
            }
        }
        columns
    }

    /// The mark of a lane nearest to a place, if one is within `reach` pixels.
    pub fn hit(&self, lane: Lane, window: Window, width: f64, x: f64, reach: f64) -> Option<(SimTime, EventId)> {
        if lane == Lane::Terms {
            let at = window.at(x, width);
            let covers = |reign: &&Reign| reign.from <= at && reign.until.is_none_or(|until| at < until);
            return self.reigns.iter().rev().find(covers).map(|reign| (reign.from, reign.event));
        }
        let distance = |dot: &&Dot| (window.x(dot.at, width) - x).abs();
        let near = self.within(lane, window).iter().filter(|dot| distance(dot) <= reach);
        near.min_by(|a, b| distance(a).total_cmp(&distance(b))).map(|dot| (dot.at, dot.event))
    }
}

/// Labels that would run into the next mark are left out: of marks close together the last is named.
fn spaced(labels: Vec<(f64, String)>, width: f64) -> Vec<(f64, String)> {
    const CHAR: f64 = 6.2;
    let next_x: Vec<f64> = labels.iter().skip(1).map(|(x, _)| x - 4.0).chain([width]).collect();
    let fits = |(x, text): &(f64, String), room_until: f64| x + 6.0 + CHAR * text.chars().count() as f64 <= room_until;
    labels.into_iter().zip(next_x).filter(|(label, next)| fits(label, *next)).map(|(label, _)| label).collect()
}

/// What a mark of the chronicle says.
pub fn mark_text(lab: &Lab, event: EventId) -> String {
    mark_of(lab, event).map_or_else(String::new, |mark| describe(lab, mark))
}

/// The terminal in which a command was given.
pub fn terminal_of(lab: &Lab, event: EventId) -> Option<u8> {
    match mark_of(lab, event)? {
        Mark::Command { terminal, .. } => Some(*terminal),
        _ => None,
    }
}

fn mark_of(lab: &Lab, event: EventId) -> Option<&Mark> {
    let marks = lab.chronicle().marks();
    let position = marks.binary_search_by(|stamped| stamped.event.cmp(&event)).ok()?;
    Some(&marks.get(position)?.mark)
}

pub fn describe(lab: &Lab, mark: &Mark) -> String {
    let host = |host: &HostId| words::host(lab, *host);
    match mark {
        Mark::Command { line, .. } => line.clone(),
        Mark::Interrupt { terminal } => format!("Ctrl-C in terminal {}", terminal + 1),
        Mark::Fault(fault) => fault.text(&|id| host(&id)),
        Mark::Campaign { host: who, term, pre: true } => {
            format!("{} asks whether it could win term {}", host(who), term.0 + 1)
        }
        Mark::Campaign { host: who, term, pre: false } => format!("{} asks for votes in term {term}", host(who)),
        Mark::Elected { host: who, term } => format!("{} leads term {term}", host(who)),
        Mark::SteppedDown { host: who, term } => format!("{} gave up leading; term {term}", host(who)),
        Mark::Write { revision, .. } => format!("revision {revision} written"),
        Mark::Watched { revision } => format!("watch told of revision {revision}"),
        Mark::Started { host: who } => format!("{} started", host(who)),
        Mark::Refused { host: who, why } => format!("{} refuses to start: {why}", host(who)),
        Mark::Stopped { host: who, why } => format!("{} stopped: {why}", host(who)),
    }
}

/// What the timeline shows of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub start: SimTime,
    pub span: Micros,
}

/// The spans that zooming steps through.
pub const SPANS: [Micros; 16] = [
    Micros(2_000),
    Micros(5_000),
    Micros(10_000),
    Micros(50_000),
    Micros(100_000),
    Micros(500_000),
    Micros::from_secs(1),
    Micros::from_secs(5),
    Micros::from_secs(10),
    Micros::from_secs(20),
    Micros::from_secs(60),
    Micros::from_secs(120),
    Micros::from_secs(300),
    Micros::from_secs(600),
    Micros::from_secs(1_800),
    Micros::from_secs(3_600),
];

impl Window {
    /// The window that shows the playhead: it stands still until the playhead nears its end, then moves on by a fifth.
    pub fn around(now: SimTime, span: Micros) -> Window {
        let step = (span.0 / 5).max(1);
        let start = (now.0.saturating_sub(span.0 * 7 / 10)).div_ceil(step) * step;
        Window { start: SimTime(start), span }
    }

    /// The next window: the same as long as it shows the playhead with some room before it.
    pub fn follow(self, now: SimTime, span: Micros) -> Window {
        let stays = self.span == span && now >= self.start && now.since(self.start).0 * 100 <= span.0 * 94;
        if stays { self } else { Window::around(now, span) }
    }

    pub fn end(&self) -> SimTime {
        self.start + self.span
    }

    pub fn x(&self, at: SimTime, width: f64) -> f64 {
        (at.0 as f64 - self.start.0 as f64) / self.span.0.max(1) as f64 * width
    }

    pub fn at(&self, x: f64, width: f64) -> SimTime {
        let share = (x / width.max(1.0)).clamp(0.0, 1.0);
        SimTime(self.start.0 + (share * self.span.0 as f64) as u64)
    }

    /// Moments for the axis with their labels, about one for each `apart` pixels.
    pub fn ticks(&self, width: f64, apart: f64) -> Vec<(f64, String)> {
        let wanted = self.span.0 as f64 * apart / width.max(1.0);
        let mut step: u64 = 1;
        // 1, 2, 5, 10, 20, 50 …
        for factor in [2.0, 2.5, 2.0].iter().cycle() {
            if step as f64 >= wanted {
                break;
            }
            step = (step as f64 * factor) as u64;
        }
        let first = self.start.0.div_ceil(step) * step;
        let ticks = (0..).map(|number| SimTime(first + number * step)).take_while(|at| *at <= self.end());
        ticks.map(|at| (self.x(at, width), tick_label(at, step))).collect()
    }
}

fn tick_label(at: SimTime, step: u64) -> String {
    let places = match step {
        0..10 => 6,
        10..100 => 5,
        100..1_000 => 4,
        1_000..10_000 => 3,
        10_000..100_000 => 2,
        100_000..1_000_000 => 1,
        _ => 0,
    };
    let (minutes, seconds) = (at.0 / 60_000_000, at.0 % 60_000_000);
    let fraction = format!("{:06}", seconds % 1_000_000);
    let fraction = if places == 0 { String::new() } else { format!(".{}", &fraction[..places]) };
    match minutes {
        0 => format!("{}{fraction} s", seconds / 1_000_000),
        _ => format!("{minutes}:{:02}{fraction}", seconds / 1_000_000),
    }
}

/// A branch of history.
#[derive(Clone, Debug, PartialEq)]
pub struct BranchView {
    pub id: u32,
    pub label: String,
    pub current: bool,
}

/// Every branch, in the order they were begun.
pub fn branches(timeline: &Timeline) -> Vec<BranchView> {
    let label = |branch: &Branch| match branch.parent {
        None => format!("branch {}, the first", branch.id + 1),
        Some((_, left)) => format!("branch {}, from {}", branch.id + 1, words::moment(left)),
    };
    let current = timeline.branch().id;
    let view = |branch: &Branch| BranchView { id: branch.id, label: label(branch), current: branch.id == current };
    timeline.branches().iter().map(view).collect()
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct LanesView {
    pub bands: Vec<Band>,
    /// Commands, writes, watch events, faults.
    pub columns: [Vec<Column>; 4],
    /// Faults that have room for their text.
    pub faults: Vec<(f64, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    pub from: f64,
    pub until: f64,
    pub event: EventId,
    pub at: SimTime,
    pub term: u64,
    pub label: String,
    pub election: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    pub x: f64,
    pub count: u32,
    pub term: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Input, Scenario};

    fn story() -> Lab {
        let mut lab = Lab::new(Scenario::default(), 7);
        lab.run_until(SimTime(3_000_000), u64::MAX);
        lab.input(&Input::Line { terminal: 0, text: "etcdctl put a 1".to_owned() });
        lab.run_until(SimTime(4_000_000), u64::MAX);
        let leader = lab.check().leaders().back().unwrap().1;
        lab.input(&Input::Fault(Fault::PowerOff { host: leader }));
        lab.run_until(SimTime(8_000_000), u64::MAX);
        lab
    }

    #[test]
    fn reigns_end_with_their_leader_and_elections_lie_between() {
        let lab = story();
        let mut index = LaneIndex::default();
        index.follow(lab.chronicle());
        let view = index.view(&lab, Window { start: SimTime::ZERO, span: Micros::from_secs(10) }, 1_000.0);
        let kinds: Vec<bool> = view.bands.iter().map(|band| band.election).collect();
        assert_eq!(kinds, [true, false, true, false], "{:?}", view.bands);
        assert_eq!(view.bands[1].until, 400.0);
        assert!(view.bands[2].from > 400.0 && view.bands[3].label.starts_with("term "));
        assert_eq!(view.columns.each_ref().map(|columns| columns.len()), [1, 1, 0, 1]);
        assert_eq!(view.faults.len(), 1);
        let (at, event) = index
            .hit(Lane::Faults, Window { start: SimTime::ZERO, span: Micros::from_secs(10) }, 1_000.0, 402.0, 5.0)
            .unwrap();
        assert_eq!(at, SimTime(4_000_000));
        assert!(mark_text(&lab, event).starts_with("power-off etcd-"));
    }

    #[test]
    fn following_step_by_step_equals_reading_at_once() {
        let lab = story();
        let mut early = Lab::new(Scenario::default(), 7);
        early.run_until(SimTime(3_000_000), u64::MAX);
        let window = Window { start: SimTime::ZERO, span: Micros::from_secs(10) };
        let mut stepped = LaneIndex::default();
        stepped.follow(early.chronicle());
        stepped.follow(lab.chronicle());
        let mut whole = LaneIndex::default();
        whole.follow(lab.chronicle());
        assert_eq!(stepped.view(&lab, window, 800.0), whole.view(&lab, window, 800.0));
        // Another past: nothing of the longer one stays.
        stepped.follow(early.chronicle());
        let mut fresh = LaneIndex::default();
        fresh.follow(early.chronicle());
        assert_eq!(stepped.view(&early, window, 800.0), fresh.view(&early, window, 800.0));
    }

    #[test]
    fn ten_thousand_marks_are_no_more_columns_than_pixels() {
        let mut index = LaneIndex::default();
        for number in 0..10_000 {
            index.dots[1].push(Dot { at: SimTime(number * 1_000), event: EventId(number), term: 2 });
        }
        let columns = index.columns(Lane::Writes, Window { start: SimTime::ZERO, span: Micros::from_secs(10) }, 700.0);
        assert!(columns.len() <= 701);
        assert_eq!(columns.iter().map(|column| column.count).sum::<u32>(), 10_000);
    }

    #[test]
    fn the_axis_has_round_moments() {
        let labels = |start, span, width| -> Vec<String> {
            Window { start: SimTime(start), span }.ticks(width, 100.0).into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(
            labels(0, Micros::from_secs(20), 1_000.0),
            ["0 s", "2 s", "4 s", "6 s", "8 s", "10 s", "12 s", "14 s", "16 s", "18 s", "20 s"]
        );
        assert_eq!(
            labels(14_200_000, Micros(10_000), 500.0),
            ["14.200 s", "14.202 s", "14.204 s", "14.206 s", "14.208 s", "14.210 s"]
        );
        assert_eq!(labels(60_000_000, Micros::from_secs(60), 400.0), ["1:00", "1:20", "1:40", "2:00"]);
    }

    #[test]
    fn the_window_stands_still_until_the_playhead_nears_its_end() {
        let span = Micros::from_secs(20);
        assert_eq!(Window::around(SimTime(10_000_000), span).start, SimTime::ZERO);
        let window = Window::around(SimTime(15_000_000), span);
        assert_eq!(window, Window::around(SimTime(17_900_000), span));
        assert!(window.start > SimTime::ZERO && window.end() > SimTime(17_900_000));
        // Back within the window it stays, too; before it, it goes along.
        assert_eq!(window.follow(window.start, span), window);
        assert!(window.follow(SimTime(100), span).start < window.start);
    }
}
