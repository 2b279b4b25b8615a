//! Level 5: the world. Every host on one `sim` kernel, as one plain value.
//!
//! `Lab = f(scenario, seed, inputs)`: nothing else may influence it. There is one door for what a learner does
//! ([`Lab::input`]) and one for time ([`Lab::step`], [`Lab::run_until`]); everything else only looks.
//!
//! What it offers to whoever watches: accessors, the trace with its causes, a [`Chronicle`] of what is worth a mark on a
//! timeline, the [`Check`] of Raft's promises, and one version number per [`Topic`]. It holds no callback.

use crate::etcd::http::FetchEvent;
use crate::etcd::{self, Booted, Cluster, InitialClusterState, Joined, Joiner, Member, MemberNote, Peer, Wire};
use crate::raft::{EntryId, Index, PeerId, SnapshotMetadata, Storage as _};
use crate::shell::process::Order;
use crate::sim::{EventId, Fault, FileName, HostId, Part, SimTime, state_hash::StateHasher};
use bytes::Bytes;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub mod api_load;
mod api_servers;
pub mod archive;
pub mod check;
pub mod chronicle;
pub mod fuzz;
pub mod gauges;
pub mod history;
pub mod import;
pub mod input;
pub mod load;
pub mod scenario;
mod settings;
pub mod timeline;
pub mod witness;
pub mod workstation;

use crate::k8s::apiserver;
pub use api_servers::ADMIN_TOKEN;
use api_servers::ApiServers;
pub use check::{Check, Violation};
pub use chronicle::{Chronicle, Mark, Stamped};
pub use gauges::Gauges;
pub use import::{Import, SnapshotId};
pub use input::{Input, Logged};
pub use scenario::Scenario;
pub use timeline::Timeline;
pub use witness::Witness;
pub use workstation::{Terminal, Workstation};

/// What hosts of this world tell themselves later.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Note {
    Etcd(etcd::Note),
    /// Of an API server.
    ApiServer(apiserver::Note),
    /// A program's timer on a terminal.
    Timer(workstation::TimerNote),
}

impl From<etcd::Note> for Note {
    fn from(note: etcd::Note) -> Note {
        Note::Etcd(note)
    }
}

impl From<apiserver::Note> for Note {
    fn from(note: apiserver::Note) -> Note {
        Note::ApiServer(note)
    }
}

/// What hosts of this world report.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    Etcd(etcd::Fact),
    ApiServer(apiserver::Fact),
}

impl From<etcd::Fact> for Fact {
    fn from(fact: etcd::Fact) -> Fact {
        Fact::Etcd(fact)
    }
}

impl From<apiserver::Fact> for Fact {
    fn from(fact: apiserver::Fact) -> Fact {
        match fact {
            apiserver::Fact::Etcd(fact) => Fact::Etcd(fact),
            fact => Fact::ApiServer(fact),
        }
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
    /// The history of what members measure.
    Metrics,
    /// Requests on their way through API servers, and their caches.
    ApiServer,
}

impl Topic {
    pub const ALL: [Topic; 7] =
        [Topic::Raft, Topic::Mvcc, Topic::Network, Topic::Terminal, Topic::Chronicle, Topic::Metrics, Topic::ApiServer];
}

#[derive(Clone, Debug)]
pub struct Lab {
    scenario: Scenario,
    seed: u64,
    /// The file that the members began with, if they did not begin empty.
    snapshot: Option<SnapshotId>,
    sim: Sim,
    cluster: Arc<Cluster>,
    /// By host, without the workstation.
    members: Vec<Process>,
    /// What each process said last that ended by itself, until another is started.
    last_words: Vec<Option<LastWords>>,
    workstation: Workstation,
    api_servers: ApiServers,
    inputs: u32,
    check: Check,
    witness: Option<Witness>,
    chronicle: Chronicle,
    gauges: Gauges,
    versions: [u64; Topic::ALL.len()],
    /// Empty: the room that was needed before.
    spare: etcd::Outbox,
}

/// The etcd process of a machine.
#[derive(Clone, Debug, Hash)]
enum Process {
    /// The machine is off, its member refuses to start, or none was ever installed.
    None,
    Joining(Joiner),
    Running(Box<Member>),
}

/// Why a process ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastWords {
    /// It would not start.
    Refused(Arc<str>),
    /// It ran, and stopped.
    Stopped(Arc<str>),
}

impl LastWords {
    /// What a fact says about an end, if it is one.
    pub fn of(fact: &etcd::Fact) -> Option<LastWords> {
        use etcd::Fact;
        match fact {
            Fact::Refused { why } => Some(LastWords::Refused(why.as_str().into())),
            Fact::Panicked { why } => Some(LastWords::Stopped(why.as_str().into())),
            Fact::Removed => Some(LastWords::Stopped(etcd::REMOVED.into())),
            _ => None,
        }
    }

    pub fn why(&self) -> &str {
        match self {
            LastWords::Refused(why) | LastWords::Stopped(why) => why,
        }
    }
}

impl Lab {
    /// A world at time zero: every machine has just been switched on.
    pub fn new(scenario: Scenario, seed: u64) -> Lab {
        let mut lab = Lab::unbooted(scenario, seed, Arc::new(scenario.cluster()));
        lab.boot_all();
        lab
    }

    /// As [`Lab::new`], but the disks of all members hold what was restored from a snapshot, which must be an import for
    /// this scenario.
    pub fn restored(scenario: Scenario, seed: u64, import: &Import) -> Lab {
        assert!(import.fits(import.id, &scenario), "restored for another cluster");
        let mut lab = Lab::unbooted(scenario, seed, import.cluster.clone());
        lab.snapshot = Some(import.id);
        let restored = &import.restored;
        for Peer { id, machine } in &import.cluster.peers {
            let disk = lab.sim.disk_mut(machine.host);
            disk.put(etcd::wal::segment(0, Index(0)), restored.write_ahead_log(id.0));
            disk.put(etcd::DATABASE, restored.database.clone());
        }
        let SnapshotMetadata { index, term, .. } = restored.snapshot;
        lab.check.begin_anew(EntryId { index, term });
        lab.boot_all();
        lab
    }

    fn boot_all(&mut self) {
        for host in 0..self.cluster.peers.len() {
            self.boot(HostId(host as u16), InitialClusterState::New);
        }
        for host in self.api_servers.hosts() {
            self.start_api_server(host);
        }
    }

    fn unbooted(scenario: Scenario, seed: u64, cluster: Arc<Cluster>) -> Lab {
        let hosts = cluster.machines().count();
        let disks = vec![scenario.disk.profile(); hosts + 1 + usize::from(scenario.apiservers)];
        let workstation = Workstation::new(HostId(hosts as u16), &scenario, &cluster);
        Lab {
            sim: Sim::new(seed, scenario.link(), &disks),
            members: vec![Process::None; hosts],
            last_words: vec![None; hosts],
            check: Check::new(hosts),
            witness: None,
            api_servers: ApiServers::new(HostId(hosts as u16 + 1), &scenario, seed),
            workstation,
            cluster,
            scenario,
            seed,
            snapshot: None,
            inputs: 0,
            chronicle: Chronicle::default(),
            gauges: Gauges::default(),
            spare: etcd::Outbox::default(),
            versions: [0; Topic::ALL.len()],
        }
    }

    // What is there to see.

    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The snapshot file that the world began from.
    pub fn snapshot(&self) -> Option<SnapshotId> {
        self.snapshot
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
        match self.members.get(usize::from(host.0))? {
            Process::Running(member) => Some(member),
            Process::None | Process::Joining(_) => None,
        }
    }

    /// What the process of a host said last that ended by itself and was not started again.
    pub fn last_words(&self, host: HostId) -> Option<&LastWords> {
        self.last_words.get(usize::from(host.0))?.as_ref()
    }

    /// Whether a process runs that still asks the others who is in the cluster.
    pub fn is_joining(&self, host: HostId) -> bool {
        matches!(self.members.get(usize::from(host.0)), Some(Process::Joining(_)))
    }

    /// Machines on which a member runs or may run, by host.
    pub fn machines(&self) -> impl Iterator<Item = HostId> + use<> {
        (0..self.members.len() as u16).map(HostId)
    }

    /// Members that run, with their hosts.
    pub fn members(&self) -> impl Iterator<Item = (HostId, &Member)> {
        self.machines().filter_map(|host| Some((host, self.member(host)?)))
    }

    /// The machine of a member: where it runs, or where those that run know it to be.
    pub fn host_of(&self, id: PeerId) -> Option<HostId> {
        if let Some(peer) = self.cluster.peer(id) {
            return Some(peer.machine.host);
        }
        let runs = self.members().find(|(_, member)| member.id() == id).map(|(host, _)| host);
        runs.or_else(|| {
            let known = self.members().find_map(|(_, member)| member.membership().member(id))?;
            known.peer_urls.iter().find_map(|url| self.cluster.host_at(url))
        })
    }

    pub fn workstation(&self) -> &Workstation {
        &self.workstation
    }

    /// The API servers that run, with their machines.
    pub fn api_servers(&self) -> impl Iterator<Item = (HostId, &apiserver::ApiServer)> {
        self.api_servers.running()
    }

    /// The machines of API servers, whether or not one runs there.
    pub fn api_server_machines(&self) -> impl Iterator<Item = HostId> + use<> {
        self.api_servers.hosts()
    }

    /// The name of an API server's machine.
    pub fn api_server_name(&self, host: HostId) -> Option<&str> {
        self.api_servers.name(host)
    }

    /// The API server on this machine, while it runs.
    pub fn api_server(&self, host: HostId) -> Option<&apiserver::ApiServer> {
        self.api_servers.at(host)
    }

    pub fn check(&self) -> &Check {
        &self.check
    }

    /// What clients did and saw since a witness was called.
    pub fn witness(&self) -> Option<&Witness> {
        self.witness.as_ref()
    }

    /// From now on everything that clients do and see is kept.
    pub fn call_witness(&mut self) {
        self.witness = Some(Witness::default());
    }

    pub fn chronicle(&self) -> &Chronicle {
        &self.chronicle
    }

    /// What members' metrics said, second by second.
    pub fn gauges(&self) -> &Gauges {
        &self.gauges
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
        self.sample(self.sim.now());
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
            Input::Http { number, authority, request } => {
                self.at_workstation(|station, now, out| station.fetch(now, *number, authority, request, out));
            }
            Input::HttpClose { number } => {
                self.at_workstation(|station, _, out| station.close_fetch(*number, out));
            }
        }
    }

    /// What has come of requests of programs outside ([`Input::Http`]) since this was asked last.
    pub fn drain_http(&mut self) -> Vec<(u32, FetchEvent)> {
        self.workstation.drain_http()
    }

    /// Lets the next thing happen that is due at all.
    pub fn step(&mut self) {
        if let Some(next) = self.sim.next_at() {
            self.sample(next);
        }
        let Some(occurrence) = self.sim.step() else {
            self.touch(&[Topic::Network]);
            return;
        };
        match occurrence {
            Occurrence::Delivered { to, from, message } => {
                self.touch(&[Topic::Network]);
                self.deliver(to, from, &message);
            }
            Occurrence::Woken { host, note: Note::Etcd(etcd::Note::Member(MemberNote::JoinTimeout)) } => {
                self.at_joiner(host, |joiner, out| Some(joiner.timed_out(out)));
            }
            Occurrence::Woken { host, note: Note::Etcd(etcd::Note::Member(note)) } => {
                self.at_member(host, |member, at, out| member.wake(at, note, out));
            }
            Occurrence::Woken { note: Note::Etcd(etcd::Note::Client(client, note)), .. } => {
                self.at_workstation(|station, now, out| station.client_wake(now, client, note, out));
            }
            Occurrence::Woken { host, note: Note::ApiServer(note) } => {
                self.at_api_server(host, |server, at, out| server.wake(at, note, out));
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
            self.sample(end);
            self.sim.advance_to(end);
        }
        steps
    }

    /// Notes what members measured at each whole second before `moment`.
    fn sample(&mut self, moment: SimTime) {
        if self.gauges.is_due(moment) {
            let mut gauges = std::mem::take(&mut self.gauges);
            gauges.sample(self, moment);
            self.gauges = gauges;
            self.touch(&[Topic::Metrics]);
        }
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
            return;
        }
        if self.api_servers.hosts().any(|host| host == to) {
            return self.deliver_to_api_server(to, from, message);
        }
        match &self.members[usize::from(to.0)] {
            Process::Running(_) => self.at_member(to, |member, at, out| member.receive(at, from, message, out)),
            Process::Joining(_) => self.at_joiner(to, |joiner, out| joiner.receive(from, message, out)),
            Process::None => {
                // The machine runs, but nothing listens on it.
                let mut out = etcd::Outbox::default();
                etcd::refuse(from, message, &mut out);
                self.perform(to, &mut out);
            }
        }
    }

    fn at_joiner(&mut self, host: HostId, act: impl FnOnce(&Joiner, &mut etcd::Outbox) -> Option<Joined>) {
        let Process::Joining(joiner) = &self.members[usize::from(host.0)] else { return };
        let mut out = etcd::Outbox::default();
        let joined = act(joiner, &mut out);
        let (cluster, seed, at) = (&self.cluster, self.seed, self.moment());
        let machine = cluster.machine(host).expect("only a machine of the cluster joins");
        let process = match joined {
            None => None,
            Some(Joined::Refused) => Some(Process::None),
            Some(Joined::Bootstrap) => {
                Some(Process::Running(Box::new(Member::bootstrap(cluster, machine, seed, at, &mut out))))
            }
            Some(Joined::Member { id, cluster_id, members }) => {
                let member = Member::join(cluster, machine, (id, cluster_id), &members, seed, at, &mut out);
                Some(Process::Running(Box::new(member)))
            }
        };
        if let Some(process) = process {
            self.members[usize::from(host.0)] = process;
        }
        self.perform(host, &mut out);
        self.touch(&[Topic::Raft]);
    }

    fn moment(&self) -> etcd::Moment {
        etcd::Moment { now: self.sim.now(), event: self.sim.current() }
    }

    fn at_member(&mut self, host: HostId, act: impl FnOnce(&mut Member, etcd::Moment, &mut etcd::Outbox)) {
        let at = self.moment();
        let Process::Running(member) = &mut self.members[usize::from(host.0)] else { return };
        let mut out = std::mem::take(&mut self.spare);
        act(member, at, &mut out);
        let stopped = member.has_stopped();
        if stopped {
            member.kill(&mut out);
        }
        self.perform(host, &mut out);
        self.spare = out;
        if stopped {
            self.end_process(host);
        }
    }

    /// A process is gone, and with it its timers; what it wrote reaches the disk.
    fn end_process(&mut self, host: HostId) {
        self.remove_member(host);
        self.sim.inflict(Fault::Kill { host });
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
        for heard in desk.heard {
            self.check.heard(self.sim.now(), self.sim.current(), &heard);
            if let Some(witness) = &mut self.witness {
                witness.heard.push_back((self.sim.now(), heard));
            }
        }
        for order in desk.orders {
            match order {
                Order::Install { host, wal, database } => self.install(host, wal, database),
                Order::Configure { host, flags } => self.configure_api_server(host, flags),
                Order::RotateKey { plugin } => self.rotate_key(&plugin),
            }
        }
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
            if let crate::sim::Effect::Write { file, .. } = &effect
                && !self.sim.has_room(host, &effect)
            {
                // Whatever it wanted to do after this, it did not live to do.
                return self.die_of_full_disk(host, *file);
            }
            if let crate::sim::Effect::Fact(fact) = &effect {
                // The fact's own event comes next.
                let fact = fact.clone();
                let event = self.sim.perform(host, effect);
                self.check.observe(now, event, host, &fact);
                if let Some(witness) = &mut self.witness
                    && witness.applied.len() < self.check.applied().len()
                {
                    witness.applied.push_back(now);
                }
                self.chronicle.observe(now, event, host, &fact);
                if let Some(words) = self.last_words.get_mut(usize::from(host.0)) {
                    match (LastWords::of(&fact), &fact) {
                        (Some(said), _) => *words = Some(said),
                        (None, etcd::Fact::Started { .. }) => *words = None,
                        (None, _) => {}
                    }
                }
                self.touch_for(&fact);
            } else {
                self.sim.perform(host, effect);
            }
        }
    }

    fn die_of_full_disk(&mut self, host: HostId, file: FileName) {
        let mut out = etcd::Outbox::default();
        if let Some(member) = self.member(host) {
            member.write_failed(self.sim.disk(host), file, &mut out);
        }
        self.end_process(host);
        self.perform(host, &mut out);
    }

    fn touch_for(&mut self, fact: &etcd::Fact) {
        use etcd::Fact;
        match fact {
            Fact::Started { .. }
            | Fact::Refused { .. }
            | Fact::Panicked { .. }
            | Fact::Removed
            | Fact::Snapshotted { .. }
            | Fact::Raft(_)
            | Fact::Appended { .. }
            | Fact::Persisted { .. }
            | Fact::Committed { .. } => self.touch(&[Topic::Raft, Topic::Chronicle]),
            Fact::Applied { .. } | Fact::Restored { .. } => self.touch(&[Topic::Raft, Topic::Mvcc, Topic::Chronicle]),
            Fact::Watched { .. } => self.touch(&[Topic::Chronicle]),
            Fact::Answered { .. } | Fact::Connected { .. } | Fact::StreamBroken { .. } => {}
        }
    }

    fn inflict(&mut self, fault: Fault) {
        match fault {
            Fault::PowerOff { host } | Fault::Tear { host } => {
                self.remove_member(host);
                self.forget_words(host);
                self.api_servers.remove(host);
            }
            Fault::Restart { host } | Fault::Kill { host } | Fault::Wipe { host } | Fault::Join { host } => {
                self.kill(host);
            }
            _ => {}
        }
        let was_on = matches!(fault, Fault::PowerOn { host } if self.sim.powered(host));
        self.sim.inflict(fault);
        match fault {
            Fault::PowerOn { host } | Fault::Restart { host } | Fault::Start { host }
                if self.api_servers.is_one(host) =>
            {
                self.start_api_server(host);
            }
            Fault::PowerOn { host } if !was_on => self.boot(host, InitialClusterState::New),
            Fault::Restart { host } => self.boot(host, InitialClusterState::New),
            Fault::Start { host } if self.is_idle(host) => self.boot(host, InitialClusterState::New),
            Fault::Join { host } => self.boot(host, InitialClusterState::Existing),
            Fault::Tear { host } => etcd::disaster::tear(self.sim.disk_mut(host)),
            Fault::Damage { host, part } => self.damage(host, part),
            _ => {}
        }
        self.touch(&[Topic::Raft, Topic::Network]);
    }

    /// A process reads its log only when it starts, but its database all the time.
    fn damage(&mut self, host: HostId, part: Part) {
        match part {
            Part::Db if self.member(host).is_some() => self.at_member(host, |member, _, out| member.rot(out)),
            _ => etcd::disaster::damage(self.sim.disk_mut(host), part),
        }
    }

    /// Whether the machine is one for a member and none runs there.
    fn is_idle(&self, host: HostId) -> bool {
        matches!(self.members.get(usize::from(host.0)), Some(Process::None))
    }

    /// Ends the process of a machine that keeps its power.
    fn kill(&mut self, host: HostId) {
        let mut out = etcd::Outbox::default();
        if let Some(member) = self.member(host) {
            member.kill(&mut out);
        }
        self.perform(host, &mut out);
        self.remove_member(host);
        self.forget_words(host);
        self.kill_api_server(host);
    }

    /// A hand ended the process, which so had nothing to say.
    fn forget_words(&mut self, host: HostId) {
        if let Some(words) = self.last_words.get_mut(usize::from(host.0)) {
            *words = None;
        }
    }

    /// Puts a data directory in the place of a member's, and starts the member from it.
    fn install(&mut self, host: HostId, wal: Bytes, database: Bytes) {
        if self.members.get(usize::from(host.0)).is_none() {
            return;
        }
        self.kill(host);
        self.sim.inflict(Fault::Wipe { host });
        if self.sim.disk(host).full {
            let mut out = etcd::Outbox::default();
            out.fact(etcd::disaster::nothing_fits(&self.scenario.host_names()[usize::from(host.0)]));
            return self.perform(host, &mut out);
        }
        let disk = self.sim.disk_mut(host);
        disk.put(etcd::wal::segment(0, Index(0)), wal);
        disk.put(etcd::DATABASE, database);
        // The first member of a cluster that nothing else is left of.
        if let Some(last) = etcd::wal::snapshot_on(disk).filter(|_| self.members().next().is_none()) {
            self.check.begin_anew(last);
        }
        self.boot(host, InitialClusterState::Existing);
        self.touch(&[Topic::Raft, Topic::Mvcc, Topic::Network]);
    }

    fn remove_member(&mut self, host: HostId) {
        if let Some(process) = self.members.get_mut(usize::from(host.0)) {
            *process = Process::None;
        }
    }

    fn boot(&mut self, host: HostId, state: InitialClusterState) {
        if usize::from(host.0) >= self.members.len() || !self.sim.powered(host) {
            return;
        }
        let (at, seed, mut out) = (self.moment(), self.seed, etcd::Outbox::default());
        let booted = Member::boot(&self.cluster, host, self.sim.disk_mut(host), state, seed, at, &mut out);
        self.members[usize::from(host.0)] = match booted {
            Booted::Running(member) => {
                let (log, first) = (member.storage(), member.storage().first_index());
                let terms = (first.0..=log.last_index().0).filter_map(|index| log.term(Index(index)).ok());
                self.check.started(host, first, terms);
                Process::Running(member)
            }
            Booted::Joining(joiner) => Process::Joining(joiner),
            Booted::Refused => Process::None,
        };
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
        self.api_servers.hash(state);
        self.workstation.hash(state);
        self.inputs.hash(state);
    }
}
