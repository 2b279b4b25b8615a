//! The page's hold on the world: it owns the [`Timeline`], is its only writer, and drives it by the frames of the browser.
//!
//! ```text
//!   click, key, line ──> act() ──> Timeline ──> versions of topics ──> Memo(projection) ──> what is drawn
//!   animation frame ──> run as far as the speed says ──^
//! ```
//!
//! Pause, speed and rewind are here and in the timeline, never in the engine.

use super::crash;
use crate::lab::{Input, Lab, Scenario, Timeline, Topic};
use crate::sim::{EventId, HostId, Micros, PacketId, SimTime};
use leptos::prelude::*;
use std::cell::Cell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// What the learner has picked, anywhere on the page; every view lights it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    Host(HostId),
    Link(HostId, HostId),
    /// A message in flight, or one that was: by the event that sent it.
    Packet(PacketId),
    /// An entry of a member's log, by index.
    Entry(HostId, u64),
    Event(EventId),
}

/// How fast virtual time runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speed {
    /// Real speed, and 1/500 while something that the learner began, or an election, is on its way.
    Auto,
    /// Virtual microseconds per real second: 1,000 is 1/1000 of real speed.
    Fixed(u64),
}

/// The speeds that the control offers, in virtual microseconds per real second.
pub const SPEEDS: [(u64, &str); 10] = [
    (1_000, "1/1000"),
    (2_000, "1/500"),
    (10_000, "1/100"),
    (50_000, "1/20"),
    (200_000, "1/5"),
    (1_000_000, "1×"),
    (5_000_000, "5×"),
    (60_000_000, "60×"),
    (200_000_000, "200×"),
    (1_000_000_000, "1000×"),
];

const REAL: u64 = 1_000_000;
const SLOW: u64 = 2_000;
/// Slow motion ends after this many real milliseconds: long enough to see a commit, too short to bore.
const SLOW_MS_MAX: f64 = 8_000.0;
/// The share of a frame that the engine may take, in real milliseconds: the rest is for drawing what it did. A world that
/// needs more runs slower than asked, and the page says so; no frame waits for it.
const ENGINE_MS_MAX: f64 = 6.0;
/// Steps between two looks at the clock.
const STEPS_AT_ONCE: u64 = 250;
/// Over how many real milliseconds the speed that is reached is measured.
const PACE_MS: f64 = 500.0;
/// Within this share of what was asked, nothing is said.
const PACE_GOOD: f64 = 0.9;
/// A frame after a pause of the browser counts as no more than this.
const FRAME_MS_MAX: f64 = 100.0;

/// The page's one handle on the world. A copy is the same handle.
#[derive(Clone, Copy)]
pub struct Session {
    timeline: StoredValue<Timeline, LocalStorage>,
    versions: [RwSignal<(u64, u64)>; Topic::ALL.len()],
    /// Counts jumps of the playhead: after one, equal versions say nothing.
    epoch: StoredValue<u64>,
    now: RwSignal<SimTime>,
    /// Changes when branches or the reach of the present one change.
    branches: RwSignal<(u32, usize, bool)>,
    pub playing: RwSignal<bool>,
    pub speed: RwSignal<Speed>,
    /// Whether [`Speed::Auto`] is in slow motion now.
    pub slow: RwSignal<bool>,
    /// The speed that is reached, in virtual microseconds per real second, while it is less than what was asked for.
    pub behind: RwSignal<Option<u64>>,
    pub selection: RwSignal<Option<Selection>>,
}

impl Session {
    /// A session on this world. Must be made once, in the page's root.
    pub fn new(timeline: Timeline) -> Session {
        let now = timeline.lab().now();
        let session = Session {
            timeline: StoredValue::new_local(timeline),
            versions: std::array::from_fn(|_| RwSignal::new((0, 0))),
            epoch: StoredValue::new(0),
            now: RwSignal::new(now),
            branches: RwSignal::new((0, 1, true)),
            playing: RwSignal::new(true),
            speed: RwSignal::new(Speed::Auto),
            slow: RwSignal::new(false),
            behind: RwSignal::new(None),
            selection: RwSignal::new(None),
        };
        session.publish();
        session
    }

    /// The playhead, in virtual time. Changes every frame while time runs.
    pub fn now(&self) -> Signal<SimTime> {
        self.now.into()
    }

    /// The branch that the playhead is on, how many there are, and whether the playhead is at its tip.
    pub fn branches(&self) -> Signal<(u32, usize, bool)> {
        self.branches.into()
    }

    /// A view of the world that is made anew only when one of these topics changed, and passed on only when it differs.
    pub fn observe<V>(&self, topics: &'static [Topic], project: impl Fn(&Lab) -> V + Send + Sync + 'static) -> Memo<V>
    where
        V: PartialEq + Clone + Send + Sync + 'static,
    {
        let session = *self;
        Memo::new(move |_| {
            for topic in topics {
                session.versions[*topic as usize].track();
            }
            session.timeline.with_value(|timeline| project(timeline.lab()))
        })
    }

    /// Like [`Session::observe`], for what depends on time itself or on branches: made anew every frame that moved time.
    pub fn observe_time<V>(&self, project: impl Fn(&Timeline) -> V + Send + Sync + 'static) -> Memo<V>
    where
        V: PartialEq + Clone + Send + Sync + 'static,
    {
        let session = *self;
        Memo::new(move |_| {
            session.now.track();
            session.branches.track();
            session.versions[Topic::Chronicle as usize].track();
            session.timeline.with_value(&project)
        })
    }

    /// Looks at the world once, without following it.
    pub fn look<V>(&self, look: impl FnOnce(&Timeline) -> V) -> V {
        self.timeline.with_value(look)
    }

    /// The learner acts.
    pub fn act(&self, input: Input) {
        self.timeline.with_value(|timeline| crash::about_to(timeline, &input));
        self.change(|timeline| timeline.act(input), false);
    }

    /// Another world takes the place of this one.
    pub fn open(&self, timeline: Timeline) {
        self.change(|old| *old = timeline, true);
        self.selection.set(None);
    }

    pub fn restart(&self, scenario: Scenario, seed: u64) {
        self.open(Timeline::new(scenario, seed));
    }

    pub fn seek(&self, to: SimTime) {
        self.change(|timeline| timeline.seek(to), true);
    }

    pub fn step(&self) {
        self.playing.set(false);
        self.change(Timeline::step, false);
    }

    /// Takes back the last thing that happened; while time runs, a tenth of a virtual second.
    pub fn back(&self) {
        const WHILE_PLAYING: Micros = Micros::from_millis(100);
        if self.playing.get_untracked() {
            let now = self.now.get_untracked();
            return self.seek(now - WHILE_PLAYING);
        }
        self.change(
            |timeline| {
                let now = timeline.lab().now();
                let Some(before) = timeline.lab().sim().steps().checked_sub(1) else {
                    return timeline.seek(SimTime::ZERO);
                };
                // From a moment with fewer things behind it, each next thing is met at its own time.
                let mut span = Micros::from_millis(1);
                while timeline.lab().sim().steps() >= before && timeline.lab().now() > SimTime::ZERO {
                    timeline.seek(now - span);
                    span = Micros(span.0 * 8);
                }
                while timeline.lab().sim().steps() < before {
                    timeline.step();
                }
            },
            true,
        );
    }

    /// Lets time run until this terminal's command is done, at most until `end` and for `steps_max` things: says whether
    /// it is done.
    pub fn run_until_idle(&self, terminal: usize, end: SimTime, steps_max: u64) -> bool {
        let idle = |timeline: &Timeline| {
            timeline.lab().workstation().terminals().get(terminal).is_none_or(|t| !t.is_running())
        };
        self.change(
            |timeline| {
                for _ in 0..steps_max {
                    if idle(timeline) || timeline.lab().now() >= end {
                        break;
                    }
                    timeline.step();
                }
            },
            false,
        );
        self.look(idle)
    }

    pub fn fork(&self) {
        self.change(Timeline::fork, false);
    }

    pub fn switch(&self, branch: u32) {
        self.change(|timeline| _ = timeline.switch(branch), true);
    }

    fn change(&self, change: impl FnOnce(&mut Timeline), jump: bool) {
        self.timeline.update_value(change);
        self.timeline.with_value(|timeline| crash::note(timeline, jump));
        if jump {
            self.epoch.update_value(|epoch| *epoch += 1);
        }
        self.publish();
    }

    /// Tells the signals what changed.
    fn publish(&self) {
        let epoch = self.epoch.get_value();
        self.timeline.with_value(|timeline| {
            let lab = timeline.lab();
            for topic in Topic::ALL {
                let version = (epoch, lab.version(topic));
                let signal = self.versions[topic as usize];
                if signal.get_untracked() != version {
                    signal.set(version);
                }
            }
            if self.now.get_untracked() != lab.now() {
                self.now.set(lab.now());
            }
            let branches = (timeline.branch().id, timeline.branches().len(), timeline.at_tip());
            if self.branches.get_untracked() != branches {
                self.branches.set(branches);
            }
        });
    }

    /// The speed that time runs at now, in virtual microseconds per real second.
    pub fn rate_now(&self) -> u64 {
        match (self.speed.get_untracked(), self.slow.get_untracked()) {
            (Speed::Fixed(rate), _) => rate,
            (Speed::Auto, true) => SLOW,
            (Speed::Auto, false) => REAL,
        }
    }

    /// Starts the loop: every animation frame lets the world run as far as real time and the speed say.
    pub fn drive(&self) {
        let session = *self;
        let last = Cell::new(None::<f64>);
        let slow_since = Cell::new(None::<f64>);
        let fraction = Cell::new(0.0_f64);
        let pace = Cell::new(Pace::default());
        on_every_frame(move |time_ms| {
            let elapsed = last.replace(Some(time_ms)).map_or(0.0, |last| (time_ms - last).clamp(0.0, FRAME_MS_MAX));
            if !session.playing.get_untracked() {
                return session.tell_pace(None);
            }
            let rate = session.rate(time_ms, &slow_since);
            let span = elapsed * rate as f64 / 1_000.0 + fraction.get();
            fraction.set(span.fract());
            let before = session.now.get_untracked();
            session.change(|timeline| run_for(timeline, Micros(span as u64), ENGINE_MS_MAX), false);
            let passed = session.now.get_untracked().since(before).0;
            if let Some(told) = pace.get().after(elapsed, span as u64, passed, &pace) {
                session.tell_pace(told);
            }
        });
    }

    fn tell_pace(&self, reached: Option<u64>) {
        if self.behind.get_untracked() != reached {
            self.behind.set(reached);
        }
    }

    /// Virtual microseconds per real second, now.
    fn rate(&self, time_ms: f64, slow_since: &Cell<Option<f64>>) -> u64 {
        let Speed::Fixed(rate) = self.speed.get_untracked() else {
            let teaches = self.timeline.with_value(|timeline| timeline.lab().deserves_slow_motion());
            let since = if teaches { Some(slow_since.get().unwrap_or(time_ms)) } else { None };
            slow_since.set(since);
            let slow = since.is_some_and(|since| time_ms - since < SLOW_MS_MAX);
            if self.slow.get_untracked() != slow {
                self.slow.set(slow);
            }
            return if slow { SLOW } else { REAL };
        };
        rate
    }
}

/// Lets this much virtual time pass, but stops after `ms_max` real milliseconds.
fn run_for(timeline: &mut Timeline, span: Micros, ms_max: f64) {
    let end = timeline.lab().now() + span;
    let began = real_ms();
    while timeline.run_until(end, STEPS_AT_ONCE) == STEPS_AT_ONCE && real_ms() - began < ms_max {}
}

fn real_ms() -> f64 {
    web_sys::window().and_then(|window| window.performance()).map_or(0.0, |clock| clock.now())
}

/// How much virtual time passed of how much was due, over a while.
#[derive(Clone, Copy, Default)]
struct Pace {
    real_ms: f64,
    due: u64,
    passed: u64,
}

impl Pace {
    /// Counts a frame. At the end of each while: the speed that was reached if it fell short.
    fn after(self, elapsed_ms: f64, due: u64, passed: u64, kept: &Cell<Pace>) -> Option<Option<u64>> {
        let pace =
            Pace { real_ms: self.real_ms + elapsed_ms, due: self.due + due, passed: self.passed + passed.min(due) };
        if pace.real_ms < PACE_MS {
            kept.set(pace);
            return None;
        }
        kept.set(Pace::default());
        let short = (pace.passed as f64) < pace.due as f64 * PACE_GOOD;
        Some(short.then(|| (pace.passed as f64 * 1_000.0 / pace.real_ms) as u64))
    }
}

/// What the browser calls before a repaint.
type Frame = Closure<dyn FnMut(f64)>;

/// Calls `frame` with the time in milliseconds before each repaint, for as long as the page lives.
fn on_every_frame(frame: impl Fn(f64) + 'static) {
    let window = web_sys::window().expect("a page has a window");
    let callback: Rc<Cell<Option<Frame>>> = Rc::new(Cell::new(None));
    let again = callback.clone();
    let request = {
        let window = window.clone();
        move |closure: &Frame| {
            // Refused only when the page is going away.
            window.request_animation_frame(closure.as_ref().unchecked_ref()).ok();
        }
    };
    let closure = Closure::new(move |time_ms: f64| {
        frame(time_ms);
        if let Some(closure) = again.take() {
            request(&closure);
            again.set(Some(closure));
        }
    });
    window.request_animation_frame(closure.as_ref().unchecked_ref()).ok();
    callback.set(Some(closure));
}
