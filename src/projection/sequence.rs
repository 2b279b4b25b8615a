//! One request, or one command, as a diagram of space and time: a line down for each machine, an arrow for each message,
//! a bar for each piece of work. What belongs to it is found by causes: whatever goes back to its beginning.

use super::pipeline::Requests;
use super::{cluster, lanes, words};
use crate::etcd::http::HttpFrame;
use crate::etcd::wire::Frame;
use crate::etcd::{self, MemberNote, Wire};
use crate::k8s::apiserver;
use crate::lab::{Fact, Lab, Mark, Note, TraceEvent};
use crate::raft::{EventKind, StateType};
use crate::sim::trace::What;
use crate::sim::{EventId, HostId, Micros, SimTime};
use std::collections::{BTreeMap, BTreeSet};

/// Events after the first that are searched for what belongs to it.
const SPAN: usize = 5_000;
/// What comes so long after anything else that belongs to it is not waited for.
const GAP: Micros = Micros::from_secs(10);
/// Arrows that are drawn: beyond those nobody could follow.
const ARROWS_MAX: usize = 160;
/// What follows so long after the answer is drawn: those who watch are told by then.
const AFTER: Micros = Micros::from_millis(2);
/// Subjects that are offered.
const SUBJECTS_MAX: usize = 40;
/// Marks of the timeline that are searched for commands.
const MARKS_SPAN: usize = 2_000;

/// Something whose sequence can be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub event: EventId,
    pub at: SimTime,
    pub title: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    pub begins: SimTime,
    pub lanes: Vec<Lane>,
    pub arrows: Vec<Arrow>,
    pub bars: Vec<Bar>,
    pub decisions: Vec<Decision>,
    /// There is more than is drawn.
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    pub host: HostId,
    pub name: String,
    pub leads: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Arrow {
    /// That it was sent.
    pub event: EventId,
    pub from: usize,
    pub to: usize,
    pub sent: SimTime,
    pub arrives: SimTime,
    pub label: String,
    pub hue: cluster::Hue,
    pub verdict: Option<bool>,
    pub fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    UnderWay,
    Arrived,
    Lost,
}

/// Work: a stage of an API server, a disk that writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    pub event: EventId,
    pub lane: usize,
    pub from: SimTime,
    pub until: SimTime,
    pub label: String,
    pub refused: bool,
    pub disk: bool,
}

/// Something decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub event: EventId,
    pub lane: usize,
    pub at: SimTime,
    pub text: String,
}

/// What can be drawn: requests of clients to API servers and commands, newest first.
pub fn subjects(lab: &Lab, requests: &Requests) -> Vec<Subject> {
    let asked = requests.newest().filter(|request| request.is_of_client()).take(SUBJECTS_MAX);
    let asked = asked.map(|request| Subject {
        event: request.event,
        at: request.at,
        title: format!("{} {}", request.verb, request.short_path()),
    });
    let marks = lab.chronicle().marks().iter().rev().take(MARKS_SPAN);
    let commands = marks.filter(|stamped| matches!(stamped.mark, Mark::Command { .. })).take(SUBJECTS_MAX);
    let commands = commands.map(|stamped| Subject {
        event: stamped.event,
        at: stamped.at,
        title: format!("$ {}", lanes::describe(lab, &stamped.mark)),
    });
    let mut all: Vec<Subject> = asked.chain(commands).collect();
    all.sort_by_key(|subject| std::cmp::Reverse(subject.event));
    all.truncate(SUBJECTS_MAX);
    all
}

impl Sequence {
    /// Of the request or the command that this event began.
    pub fn of(lab: &Lab, subject: EventId) -> Option<Sequence> {
        let subject = lab.event(subject)?;
        let first = beginning(lab, subject);
        let mut drawing = Drawing::new(lab, first, matches!(first.what, What::Input(_)));
        drawing.take(first);
        for event in lab.sim().trace().after(first.id).take(SPAN) {
            if drawing.is_over(event.at) {
                break;
            }
            if drawing.belongs(event) {
                drawing.take(event);
            }
        }
        Some(drawing.finish(first.at))
    }
}

/// Back from what an API server was asked to the message that asked it.
fn beginning<'a>(lab: &'a Lab, subject: &'a TraceEvent) -> &'a TraceEvent {
    let mut first = subject;
    while !matches!(first.what, What::Sent { .. } | What::Input(_))
        && let Some(cause) = lab.event(first.cause)
    {
        first = cause;
    }
    first
}

struct Drawing<'a> {
    lab: &'a Lab,
    station: HostId,
    /// All that a command leads to, not only one request.
    whole: bool,
    family: BTreeSet<EventId>,
    hosts: BTreeSet<HostId>,
    arrows: Vec<(HostId, HostId, Arrow)>,
    by_packet: BTreeMap<EventId, usize>,
    bars: Vec<(HostId, Bar)>,
    decisions: Vec<(HostId, Decision)>,
    /// Nothing after this is drawn.
    end: Option<SimTime>,
    /// When something happened last that belongs to it.
    last: SimTime,
    more: bool,
}

impl<'a> Drawing<'a> {
    fn new(lab: &'a Lab, first: &TraceEvent, whole: bool) -> Drawing<'a> {
        Drawing {
            lab,
            station: lab.workstation().host(),
            whole,
            family: BTreeSet::from([first.id]),
            hosts: BTreeSet::from([first.host]),
            arrows: Vec::new(),
            by_packet: BTreeMap::new(),
            bars: Vec::new(),
            decisions: Vec::new(),
            end: None,
            last: first.at,
            more: false,
        }
    }

    fn is_over(&self, at: SimTime) -> bool {
        self.more || at > self.last + GAP || self.end.is_some_and(|end| at > end)
    }

    fn belongs(&self, event: &TraceEvent) -> bool {
        self.family.contains(&event.cause)
            && match &event.what {
                What::Woken(note) => is_work(note),
                // What the client asks next is another request.
                What::Sent { .. } => self.whole || event.host != self.station,
                _ => true,
            }
    }

    fn take(&mut self, event: &TraceEvent) {
        self.family.insert(event.id);
        self.last = event.at;
        match &event.what {
            What::Sent { to, arrives, message, .. } => self.sent(event, *to, *arrives, message),
            What::Delivered { .. } => self.settle(event.cause, Fate::Arrived),
            What::Lost { .. } => self.settle(event.cause, Fate::Lost),
            What::Syncing { bytes, done, .. } => {
                let label = format!("fsync {}", words::bytes(*bytes));
                self.bar(event, event.at, *done, label, false, true);
            }
            What::Fact(Fact::ApiServer(apiserver::Fact::Passed { stage, cost, refused, .. })) => {
                let from = event.at - *cost;
                let label = format!("{}{}", stage.name(), if *refused { ": refused" } else { "" });
                self.bar(event, from, event.at, label, *refused, false);
            }
            What::Fact(fact) => {
                if let Some(text) = self.decided(event.host, fact) {
                    let decision = Decision { event: event.id, lane: 0, at: event.at, text };
                    self.decisions.push((event.host, decision));
                }
            }
            What::Input(_) | What::Woken(_) => {}
        }
    }

    /// What is worth a note beside a lane.
    fn decided(&self, host: HostId, fact: &Fact) -> Option<String> {
        match fact {
            Fact::Etcd(etcd::Fact::Raft(event)) => match &event.kind {
                EventKind::CommitAdvanced { commit } if leads(self.lab, host) => Some(format!("commit {commit}")),
                EventKind::BecameLeader { term } => Some(format!("leads term {term}")),
                _ => None,
            },
            Fact::Etcd(etcd::Fact::Applied { revision: Some(revision), .. }) => Some(format!("rev {revision}")),
            Fact::Etcd(etcd::Fact::Answered { failed: Some(failed), .. }) => Some(format!("refuses: {failed}")),
            _ => None,
        }
    }

    fn sent(&mut self, event: &TraceEvent, to: HostId, arrives: SimTime, message: &Wire) {
        if self.arrows.len() == ARROWS_MAX {
            self.more = true;
            return;
        }
        let ends = to == self.station
            && matches!(message, Wire::Client { frame: Frame::Http(HttpFrame::Response { .. }), .. });
        if ends && !self.whole {
            self.end = Some(arrives + AFTER);
        }
        self.hosts.extend([event.host, to]);
        self.by_packet.insert(event.id, self.arrows.len());
        let arrow = Arrow {
            event: event.id,
            from: 0,
            to: 0,
            sent: event.at,
            arrives,
            label: label(message),
            hue: cluster::hue(message),
            verdict: cluster::verdict(message),
            fate: Fate::UnderWay,
        };
        self.arrows.push((event.host, to, arrow));
    }

    fn settle(&mut self, sent: EventId, fate: Fate) {
        if let Some(place) = self.by_packet.get(&sent) {
            self.arrows[*place].2.fate = fate;
        }
    }

    fn bar(&mut self, event: &TraceEvent, from: SimTime, until: SimTime, label: String, refused: bool, disk: bool) {
        let bar = Bar { event: event.id, lane: 0, from, until, label, refused, disk };
        self.bars.push((event.host, bar));
    }

    /// Whoever asks first, then API servers, then members, the one that leads first.
    fn finish(self, begins: SimTime) -> Sequence {
        let lab = self.lab;
        let mut hosts: Vec<HostId> = self.hosts.iter().copied().collect();
        hosts.sort_by_key(|host| match lab.api_server_name(*host) {
            _ if *host == self.station => (0, false, *host),
            Some(_) => (1, false, *host),
            None => (2, !leads(lab, *host), *host),
        });
        let lane = |host: HostId| hosts.iter().position(|other| *other == host).unwrap_or(0);
        let mut decisions: Vec<Decision> = Vec::new();
        for (host, decision) in self.decisions.into_iter().filter(|(host, _)| self.hosts.contains(host)) {
            let lane = lane(host);
            // What is decided at one moment is one thing.
            match decisions.iter_mut().find(|known| known.lane == lane && known.at == decision.at) {
                Some(known) => known.text = format!("{} → {}", known.text, decision.text),
                None => decisions.push(Decision { lane, ..decision }),
            }
        }
        Sequence {
            begins,
            arrows: self
                .arrows
                .into_iter()
                .map(|(from, to, arrow)| Arrow { from: lane(from), to: lane(to), ..arrow })
                .collect(),
            bars: self.bars.into_iter().map(|(host, bar)| Bar { lane: lane(host), ..bar }).collect(),
            decisions,
            lanes: hosts
                .iter()
                .map(|host| Lane { host: *host, name: words::host(lab, *host), leads: leads(lab, *host) })
                .collect(),
            more: self.more,
        }
    }
}

fn leads(lab: &Lab, host: HostId) -> bool {
    lab.member(host).is_some_and(|member| member.raft().state() == StateType::Leader)
}

/// The message's name; of a request, what it is about as well.
fn label(message: &Wire) -> String {
    match message {
        Wire::Client { frame: Frame::Http(HttpFrame::Request { request, .. }), .. } => {
            let about = request.path().rsplit('/').find(|part| !part.is_empty()).unwrap_or("/");
            format!("{} {about}", request.method)
        }
        _ => cluster::label(message),
    }
}

/// Not a timer that only keeps watch, but work that takes time.
fn is_work(note: &Note) -> bool {
    match note {
        Note::ApiServer(note) => matches!(note, apiserver::Note::Pass(_)),
        Note::Etcd(etcd::Note::Member(note)) => matches!(note, MemberNote::Saved | MemberNote::Greet),
        Note::Etcd(_) | Note::Timer(_) => false,
    }
}

/// Where moments are drawn: time runs down, in steps that can be read. A step is as high as its time asks for, but no
/// lower than what stands at it and no higher than an eye can span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scale {
    at: Vec<(SimTime, f64)>,
    pub height: f64,
}

/// Of a line of text, and of what has none.
const LINE: f64 = 17.0;
const STEP: f64 = 7.0;
const STEP_MAX: f64 = 44.0;
/// Virtual microseconds that are drawn as one pixel, between least and most.
const US_PER_PIXEL: u64 = 40;

impl Scale {
    pub fn of(sequence: &Sequence) -> Scale {
        // Each moment, and how much room is wanted before it.
        let mut moments: BTreeMap<SimTime, f64> = BTreeMap::from([(sequence.begins, 0.0)]);
        let mut want = |at: SimTime, room: f64| {
            let known = moments.entry(at).or_insert(room);
            *known = known.max(room);
        };
        for arrow in &sequence.arrows {
            want(arrow.sent, LINE);
            want(arrow.arrives, LINE);
        }
        for bar in &sequence.bars {
            want(bar.from, STEP);
            want(bar.until, LINE);
        }
        for note in &sequence.decisions {
            want(note.at, LINE);
        }
        let (mut y, mut before, mut at) = (0.0, sequence.begins, Vec::new());
        for (moment, room) in moments {
            if moment > sequence.begins {
                let wanted = (moment.since(before).0 / US_PER_PIXEL) as f64;
                y += wanted.clamp(room, STEP_MAX.max(room));
            }
            at.push((moment, y));
            before = moment;
        }
        Scale { at, height: y }
    }

    pub fn y(&self, at: SimTime) -> f64 {
        match self.at.binary_search_by(|(moment, _)| moment.cmp(&at)) {
            Ok(place) => self.at[place].1,
            Err(0) => 0.0,
            Err(place) if place == self.at.len() => self.height,
            Err(place) => {
                let ((from, low), (until, high)) = (self.at[place - 1], self.at[place]);
                let share = at.since(from).0 as f64 / until.since(from).0.max(1) as f64;
                low + (high - low) * share
            }
        }
    }

    /// Times since the beginning, with room between them.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let Some((begins, _)) = self.at.first().copied() else { return Vec::new() };
        let mut ticks: Vec<(f64, String)> = Vec::new();
        for (moment, y) in &self.at {
            if ticks.last().is_none_or(|(last, _)| y - last >= LINE) {
                ticks.push((*y, words::span(moment.since(begins))));
            }
        }
        ticks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::servers::tests::{run, world};

    fn drawn(lab: &Lab, title: &str) -> Sequence {
        let mut requests = Requests::default();
        requests.follow(lab);
        let subjects = subjects(lab, &requests);
        let subject = subjects.iter().find(|subject| subject.title.starts_with(title));
        let subject = subject.unwrap_or_else(|| panic!("{title}: {subjects:?}"));
        Sequence::of(lab, subject.event).unwrap()
    }

    fn arrows(sequence: &Sequence) -> Vec<String> {
        let name = |lane: usize| sequence.lanes[lane].name.as_str();
        sequence.arrows.iter().map(|arrow| format!("{} {} {}", name(arrow.from), arrow.label, name(arrow.to))).collect()
    }

    #[test]
    fn a_create_goes_from_the_terminal_to_the_members_and_back() {
        let mut lab = world("members=3 apiservers=1");
        run(&mut lab, "kubectl create configmap a --from-literal=b=1", 500);
        let sequence = drawn(&lab, "create /api/v1/namespaces/default/configmaps");
        let names: Vec<&str> = sequence.lanes.iter().map(|lane| lane.name.as_str()).collect();
        assert_eq!((names[0], names[1], names.len()), ("you", "apiserver-1", 5));
        assert!(sequence.lanes[2].leads);
        let arrows = arrows(&sequence);
        assert!(arrows[0].starts_with("you POST"), "{arrows:#?}");
        assert!(arrows.iter().any(|arrow| arrow.starts_with("apiserver-1 Txn")), "{arrows:#?}");
        assert!(arrows.iter().filter(|arrow| arrow.contains(" MsgApp ")).count() >= 2, "{arrows:#?}");
        assert!(arrows.iter().any(|arrow| arrow.contains(" MsgAppResp ")), "{arrows:#?}");
        assert!(
            arrows.iter().any(|arrow| arrow.starts_with("apiserver-1 201") && arrow.ends_with(" you")),
            "{arrows:#?}"
        );
        let stages: Vec<&str> = sequence.bars.iter().filter(|bar| !bar.disk).map(|bar| bar.label.as_str()).collect();
        assert_eq!((stages.first(), stages.last()), (Some(&"authentication"), Some(&"encoding")));
        assert!(sequence.bars.iter().any(|bar| bar.disk), "a WAL was written");
        assert!(sequence.decisions.iter().any(|note| note.text.contains("rev ")));
        assert!(!sequence.more);
        // Nothing that the client asked afterwards.
        assert_eq!(arrows.iter().filter(|arrow| arrow.starts_with("you ")).count(), 1, "{arrows:#?}");
    }

    #[test]
    fn a_command_of_etcdctl_is_drawn_as_well() {
        let mut lab = world("members=3");
        run(&mut lab, "etcdctl put a 1", 300);
        let sequence = drawn(&lab, "$ etcdctl put a 1");
        assert_eq!(sequence.lanes.len(), 4);
        assert!(arrows(&sequence).iter().any(|arrow| arrow.contains("PutResponse")), "{:#?}", arrows(&sequence));
    }

    #[test]
    fn time_runs_down_and_nothing_stands_on_anything_else() {
        let mut lab = world("members=3 apiservers=1");
        run(&mut lab, "kubectl create configmap a", 500);
        let sequence = drawn(&lab, "create ");
        let scale = Scale::of(&sequence);
        for arrow in &sequence.arrows {
            assert!(scale.y(arrow.sent) < scale.y(arrow.arrives), "{}", arrow.label);
        }
        let ends: Vec<f64> = sequence.bars.iter().filter(|bar| bar.lane == 1).map(|bar| scale.y(bar.until)).collect();
        assert!(ends.windows(2).all(|pair| pair[1] - pair[0] >= LINE), "{ends:?}");
        let ticks = scale.ticks();
        assert!(ticks.windows(2).all(|pair| pair[1].0 - pair[0].0 >= LINE));
        assert!(ticks.last().unwrap().0 <= scale.height);
    }
}
