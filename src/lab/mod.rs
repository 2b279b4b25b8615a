//! Level 5: the world. Every host on one `sim` kernel, as one plain value.
//!
//! `Lab = f(scenario, seed, inputs)`: nothing else may influence it. There is one door for what a learner does
//! ([`Lab::input`]) and one for time ([`Lab::step`], [`Lab::run_until`]); everything else only looks.
//!
//! What it offers to whoever watches: accessors, the trace with its causes, a [`Chronicle`] of what is worth a mark on a
//! timeline, the [`Check`] of Raft's promises, and one version number per [`Topic`]. It holds no callback.

use crate::etcd::{self, Cluster, Fact, Member, Wire};
use crate::sim::{EventId, Fault, HostId, SimTime, state_hash::StateHasher};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub mod archive;
pub mod check;
pub mod chronicle;
pub mod fuzz;
pub mod input;
pub mod scenario;
pub mod timeline;
pub mod workstation;

pub use check::{Check, Violation};
pub use chronicle::{Chronicle, Mark, Stamped};
pub use input::{Input, Logged};
pub use scenario::Scenario;
pub use timeline::Timeline;
pub use workstation::{Terminal, Workstation};

/// What hosts of this world tell themselves later.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Note {
    Etcd(etcd::Note),
    /// A program's timer on a terminal.
    Timer(workstation::TimerNote),
}

impl From<etcd::Note> for Note {
    fn from(note: etcd::Note) -> Note {
        Note::Etcd(note)
    }
}

pub type Sim = crate::sim::Sim<Wire, Note, Fact>;
pub type Occurrence = crate::sim::Occurrence<Wire, Note>;
pub type TraceEvent = crate::sim::TraceEvent<Wire, Note, Fact>;

/// What a view may depend on. Each has a version that grows when something about it changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(usize)]
pub enum Topic {
    /// Roles, terms, votes, logs, commit marks, power.
    Raft,
    /// Keys and revisions.
    Mvcc,
    /// Links and disks as the learner set them, messages in flight.
    Network,
    Terminal,
    /// Marks on the timeline and violations.
    Chronicle,
}

impl Topic {
    pub const ALL: [Topic; 5] = [Topic::Raft, Topic::Mvcc, Topic::Network, Topic::Terminal, Topic::Chronicle];
}

#[derive(Clone, Debug)]
pub struct Lab {
    scenario: Scenario,
    seed: u64,
    sim: Sim,
    cluster: Arc<Cluster>,
    /// By host; `None` while a machine is off or its member refuses to start.
    members: Vec<Option<Member>>,
    workstation: Workstation,
    inputs: u32,
    check: Check,
    chronicle: Chronicle,
    versions: [u64; Topic::ALL.len()],
}

impl Lab {
    /// A world at time zero: every machine has just been switched on.
    pub fn new(scenario: Scenario, seed: u64) -> Lab {
        let cluster = scenario.cluster();
        let hosts = cluster.peers.len();
        let disks = vec![scenario.disk.profile(); hosts + 1];
        let workstation = Workstation::new(HostId(hosts as u16), &scenario, &cluster);
        let mut lab = Lab {
            sim: Sim::new(seed, scenario.link(), &disks),
            members: vec![None; hosts],
            check: Check::new(hosts),
            workstation,
            cluster,
            scenario,
            seed,
            inputs: 0,
            chronicle: Chronicle::default(),
            versions: [0; Topic::ALL.len()],
        };
        for host in 0..hosts {
            lab.boot(HostId(host as u16));
        }
        lab
    }

    // What is there to see.

    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    pub fn now(&self) -> SimTime {
        self.sim.now()
    }

    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The member on this host, while it runs.
    pub fn member(&self, host: HostId) -> Option<&Member> {
        self.members.get(usize::from(host.0))?.as_ref()
    }

    /// Members that run, with their hosts.
    pub fn members(&self) -> impl Iterator<Item = (HostId, &Member)> {
        let numbered = self.members.iter().enumerate();
        numbered.filter_map(|(host, member)| Some((HostId(host as u16), member.as_ref()?)))
    }

    pub fn workstation(&self) -> &Workstation {
        &self.workstation
    }

    pub fn check(&self) -> &Check {
        &self.check
    }

    pub fn chronicle(&self) -> &Chronicle {
        &self.chronicle
    }

    /// How many inputs it has been given.
    pub fn inputs(&self) -> u32 {
        self.inputs
    }

    pub fn version(&self, topic: Topic) -> u64 {
        self.versions[topic as usize]
    }

    /// Whether something is on its way that is worth watching slowly: what the learner began, or an election that is not
    /// the world's first.
    pub fn deserves_slow_motion(&self) -> bool {
        let votes = |wire: &Wire| {
            use crate::raft::MessageType::{MsgPreVote, MsgPreVoteResp, MsgVote, MsgVoteResp};
            matches!(wire, Wire::Peer(message)
                if matches!(message.msg_type, MsgPreVote | MsgPreVoteResp | MsgVote | MsgVoteResp))
        };
        let mut in_flight = self.sim.network().in_flight();
        self.sim.rooted() > 0 || (!self.check.leaders().is_empty() && in_flight.any(|packet| votes(&packet.message)))
    }

    /// A digest of everything that the future depends on.
    pub fn hash(&self) -> String {
        StateHasher::of(self)
    }

    // What can be done.

    /// The learner acts, now.
    pub fn input(&mut self, input: &Input) {
        let host = self.workstation.host();
        let event = self.sim.begin_input(host, self.inputs);
        self.inputs += 1;
        self.chronicle.input(self.sim.now(), event, input);
        self.touch(&[Topic::Terminal, Topic::Chronicle]);
        match input {
            Input::Fault(fault) => self.inflict(*fault),
            Input::Line { terminal, text } => {
                self.at_workstation(|station, now, out| station.line(now, *terminal, text, out));
            }
            Input::Interrupt { terminal } => {
                self.at_workstation(|station, now, out| station.interrupt(now, *terminal, out));
            }
            Input::EndOfInput { terminal } => {
                self.at_workstation(|station, now, out| station.end_of_input(now, *terminal, out));
            }
        }
    }

    /// Lets the next thing happen that is due at all.
    pub fn step(&mut self) {
        let Some(occurrence) = self.sim.step() else {
            self.touch(&[Topic::Network]);
            return;
        };
        match occurrence {
            Occurrence::Delivered { to, from, message } => {
                self.touch(&[Topic::Network]);
                self.deliver(to, from, &message);
            }
            Occurrence::Woken { host, note: Note::Etcd(etcd::Note::Member(note)) } => {
                self.at_member(host, |member, at, out| member.wake(at, note, out));
            }
            Occurrence::Woken { note: Note::Etcd(etcd::Note::Client(client, note)), .. } => {
                self.at_workstation(|station, now, out| station.client_wake(now, client, note, out));
            }
            Occurrence::Woken { note: Note::Timer(timer), .. } => {
                self.at_workstation(|station, now, out| station.timer(now, timer, out));
            }
        }
    }

    /// Lets everything happen that is due until `end`, and time pass to it. At most `steps_max` things: says how many.
    pub fn run_until(&mut self, end: SimTime, steps_max: u64) -> u64 {
        let mut steps = 0;
        while self.sim.next_at().is_some_and(|next| next <= end) {
            if steps == steps_max {
                return steps;
            }
            self.step();
            steps += 1;
        }
        if end > self.sim.now() {
            self.sim.advance_to(end);
        }
        steps
    }

    fn touch(&mut self, topics: &[Topic]) {
        for topic in topics {
            self.versions[*topic as usize] += 1;
        }
    }

    fn deliver(&mut self, to: HostId, from: HostId, message: &Arc<Wire>) {
        if to == self.workstation.host() {
            if let Wire::Client { conn, number, frame } = message.as_ref() {
                self.at_workstation(|station, now, out| station.receive(now, *conn, *number, frame.clone(), out));
            }
        } else if self.members[usize::from(to.0)].is_some() {
            self.at_member(to, |member, at, out| member.receive(at, from, message, out));
        } else {
            // The machine runs, but nothing listens on it.
            let mut out = etcd::Outbox::default();
            etcd::refuse(from, message, &mut out);
            self.perform(to, &mut out);
        }
    }

    fn at_member(&mut self, host: HostId, act: impl FnOnce(&mut Member, etcd::Moment, &mut etcd::Outbox)) {
        let at = etcd::Moment { now: self.sim.now(), event: self.sim.current() };
        let mut out = etcd::Outbox::default();
        if let Some(member) = &mut self.members[usize::from(host.0)] {
            act(member, at, &mut out);
            if member.has_panicked() {
                member.kill(&mut out);
                self.remove_member(host);
            }
        }
        self.perform(host, &mut out);
    }

    fn at_workstation(&mut self, act: impl FnOnce(&mut Workstation, SimTime, &mut workstation::Desk)) {
        let mut desk = workstation::Desk::default();
        act(&mut self.workstation, self.sim.now(), &mut desk);
        let host = self.workstation.host();
        if desk.printed {
            self.touch(&[Topic::Terminal]);
        }
        for (after, timer) in desk.timers.drain(..) {
            self.sim.perform(host, crate::sim::Effect::<Wire, Note, Fact>::Wake { after, note: Note::Timer(timer) });
        }
        self.perform(host, &mut desk.out);
        for fault in desk.faults {
            let event = self.sim.current();
            self.chronicle.fault(self.sim.now(), event, fault);
            self.inflict(fault);
        }
    }

    /// Carries out what a host asked for, and shows every fact to those who keep watch.
    fn perform(&mut self, host: HostId, out: &mut etcd::Outbox) {
        let now = self.sim.now();
        for effect in out.drain() {
            if let crate::sim::Effect::Fact(fact) = &effect {
                // The fact's own event comes next.
                let fact = fact.clone();
                let event = self.sim.perform(host, effect);
                self.check.observe(now, event, host, &fact);
                self.chronicle.observe(now, event, host, &fact);
                self.touch_for(&fact);
            } else {
                self.sim.perform(host, effect);
            }
        }
    }

    fn touch_for(&mut self, fact: &Fact) {
        match fact {
            Fact::Started { .. }
            | Fact::Refused { .. }
            | Fact::Panicked { .. }
            | Fact::Raft(_)
            | Fact::Appended { .. }
            | Fact::Persisted { .. }
            | Fact::Committed { .. } => self.touch(&[Topic::Raft, Topic::Chronicle]),
            Fact::Applied { .. } => self.touch(&[Topic::Raft, Topic::Mvcc, Topic::Chronicle]),
            Fact::Watched { .. } => self.touch(&[Topic::Chronicle]),
            Fact::Answered { .. } | Fact::Connected { .. } | Fact::StreamBroken { .. } => {}
        }
    }

    fn inflict(&mut self, fault: Fault) {
        match fault {
            Fault::PowerOff { host } => self.remove_member(host),
            Fault::Restart { host } => {
                let mut out = etcd::Outbox::default();
                if let Some(member) = self.member(host) {
                    member.kill(&mut out);
                }
                self.perform(host, &mut out);
                self.remove_member(host);
            }
            _ => {}
        }
        let was_on = matches!(fault, Fault::PowerOn { host } if self.sim.powered(host));
        self.sim.inflict(fault);
        match fault {
            Fault::PowerOn { host } if !was_on => self.boot(host),
            Fault::Restart { host } if self.sim.powered(host) => self.boot(host),
            _ => {}
        }
        self.touch(&[Topic::Raft, Topic::Network]);
    }

    fn remove_member(&mut self, host: HostId) {
        if let Some(member) = self.members.get_mut(usize::from(host.0)) {
            *member = None;
        }
    }

    fn boot(&mut self, host: HostId) {
        let Some(slot) = self.members.get_mut(usize::from(host.0)) else { return };
        let at = etcd::Moment { now: self.sim.now(), event: self.sim.current() };
        let mut out = etcd::Outbox::default();
        *slot = Member::boot(&self.cluster, host, self.sim.disk_mut(host), self.seed, at, &mut out);
        self.perform(host, &mut out);
        self.touch(&[Topic::Raft]);
    }

    /// What an event of the trace was, if it is still known.
    pub fn event(&self, id: EventId) -> Option<&TraceEvent> {
        self.sim.trace().get(id)
    }
}

impl Hash for Lab {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.scenario.hash(state);
        self.seed.hash(state);
        self.sim.hash(state);
        self.members.hash(state);
        self.workstation.hash(state);
        self.inputs.hash(state);
    }
}
