//! A cluster as a client sees it: members with their Raft, logs and disks, and connections to them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use control_plane_lab::etcd::api::{Request, Response, WatchRequest, WatchRequestKind, WatchResponse};
use control_plane_lab::etcd::cluster::{Machine, Settings};
use control_plane_lab::etcd::error::Status;
use control_plane_lab::etcd::member::Booted;
use control_plane_lab::etcd::wire::{AuthToken, CallId, ConnId, Frame};
use control_plane_lab::etcd::{Cluster, Fact, InitialClusterState, Member, Moment, Note, Outbox, Rules, Timing, Wire};
use control_plane_lab::sim::{Delivery, DiskProfile, Fault, HostId, Link, Micros, Occurrence, Sim, SimTime};

/// No call takes longer.
const PATIENCE: Micros = Micros::from_secs(30);

/// Fast wires and fast disks, so that little time passes but what the recording lets pass.
const WIRE: Micros = Micros(20);
const FSYNC: Micros = Micros(50);

pub struct Engine {
    sim: Sim<Wire, Note, Fact>,
    cluster: Arc<Cluster>,
    /// By host; the client's host is the one behind theirs.
    members: Vec<Option<Member>>,
    connections: BTreeMap<ConnId, Connection>,
    next_call: u64,
    next_conn: u64,
    /// The client does not read: it leaves pings unanswered.
    pub deaf: bool,
}

struct Connection {
    host: HostId,
    sent: u32,
    received: u32,
    answers: BTreeMap<CallId, Result<Response, Status>>,
    told: VecDeque<WatchResponse>,
    /// Pings to be answered when the client reads again.
    pings: u32,
}

/// A call that was made, to be waited for.
#[derive(Clone, Copy)]
pub struct Asked(ConnId, CallId);

impl Engine {
    /// A cluster of one.
    pub fn start(settings: Settings) -> Engine {
        Engine::cluster(1, settings)
    }

    pub fn cluster(size: u16, settings: Settings) -> Engine {
        Engine::cluster_under(size, settings, Rules::default())
    }

    pub fn cluster_under(size: u16, settings: Settings, rules: Rules) -> Engine {
        let machine = |number: u16| {
            let url = |port| format!("http://127.0.0.1:{port}");
            let (peer_url, client_url) = (url(2380 + 10_000 * number), url(2379 + 10_000 * number));
            let name = if size == 1 { "default".to_owned() } else { format!("infra{}", number + 1) };
            Machine { host: HostId(number), name, peer_url, client_url }
        };
        let cluster = Cluster::new("etcd-cluster", (0..size).map(machine).collect(), Timing::default(), rules);
        let cluster = Arc::new(Cluster { settings, ..cluster });
        let link = Link { latency: WIRE, jitter: Micros(0), ..Link::RACK };
        let disk = DiskProfile { fsync: FSYNC, jitter: Micros(0), bytes_per_ms: 10_000_000 };
        let mut engine = Engine {
            sim: Sim::new(1, link, &vec![disk; usize::from(size) + 1]),
            cluster,
            members: (0..size).map(|_| None).collect(),
            connections: BTreeMap::new(),
            next_call: 0,
            next_conn: u64::from(size),
            deaf: false,
        };
        for host in 0..size {
            engine.boot(HostId(host));
        }
        engine.settle();
        for host in 0..size {
            engine.connect(calls(HostId(host)), HostId(host));
        }
        engine
    }

    /// Stops the process of a cluster of one cleanly and starts it on the same disk.
    pub fn restart(&mut self) {
        self.stop(HostId(0));
        self.connections.clear();
        self.boot(HostId(0));
        self.settle();
        self.connect(calls(HostId(0)), HostId(0));
    }

    /// Ends a member's process; what it wrote reaches the disk.
    pub fn stop(&mut self, host: HostId) {
        self.members[usize::from(host.0)] = None;
        self.sim.inflict(Fault::Restart { host });
    }

    pub fn boot(&mut self, host: HostId) {
        let mut out = Outbox::default();
        let at = Moment { now: self.sim.now(), event: self.sim.current() };
        let disk = self.sim.disk_mut(host);
        let booted = Member::boot(&self.cluster, host, disk, InitialClusterState::New, 1, at, &mut out);
        let Booted::Running(member) = booted else { panic!("the member does not start") };
        self.members[usize::from(host.0)] = Some(*member);
        self.perform(host, out);
    }

    /// A bit of a member's database flips.
    pub fn rot(&mut self, host: HostId) {
        let mut out = Outbox::default();
        self.members[usize::from(host.0)].as_mut().expect("it runs").rot(&mut out);
        self.perform(host, out);
    }

    pub fn inflict(&mut self, fault: Fault) {
        self.sim.inflict(fault);
    }

    /// Waits until somebody leads and everybody has said where it is reached.
    pub fn settle(&mut self) {
        self.run_while(|engine| {
            let published = |member: &Member| member.members().iter().all(|member| !member.client_urls.is_empty());
            engine.leader().is_none() || !engine.members.iter().flatten().all(published)
        });
    }

    /// The host of the member that leads, if all that run agree.
    pub fn leader(&self) -> Option<HostId> {
        let running = || self.members.iter().enumerate().filter_map(|(host, member)| Some((host, member.as_ref()?)));
        let (host, leader) = running().find(|(_, member)| member.lead() == member.id())?;
        running().all(|(_, member)| member.lead() == leader.id()).then_some(HostId(host as u16))
    }

    /// The only member.
    pub fn member(&self) -> &Member {
        self.member_on(HostId(0))
    }

    pub fn member_on(&self, host: HostId) -> &Member {
        self.members[usize::from(host.0)].as_ref().expect("it runs")
    }

    /// Whether a member runs: it may have stopped by itself.
    pub fn runs(&self, host: HostId) -> bool {
        self.members[usize::from(host.0)].is_some()
    }

    pub fn now(&self) -> SimTime {
        self.sim.now()
    }

    /// Makes a call to the only member and waits for its answer.
    pub fn call(&mut self, token: AuthToken, request: Request) -> Result<Response, Status> {
        self.call_on(HostId(0), token, request)
    }

    pub fn call_on(&mut self, host: HostId, token: AuthToken, request: Request) -> Result<Response, Status> {
        let asked = self.ask(host, token, request);
        self.run_while(|engine| engine.answer(asked).is_none());
        self.answer(asked).expect("it was waited for")
    }

    /// Makes a call.
    pub fn ask(&mut self, host: HostId, token: AuthToken, request: Request) -> Asked {
        self.next_call += 1;
        let call = CallId(self.next_call);
        self.send(calls(host), Frame::Call { call, token, request });
        Asked(calls(host), call)
    }

    pub fn answer(&self, Asked(conn, call): Asked) -> Option<Result<Response, Status>> {
        self.connections[&conn].answers.get(&call).cloned()
    }

    /// Opens a connection for a watch stream.
    pub fn open_stream(&mut self) -> ConnId {
        self.next_conn += 1;
        let conn = ConnId(self.next_conn);
        self.connect(conn, HostId(0));
        conn
    }

    pub fn close_stream(&mut self, conn: ConnId) {
        self.send(conn, Frame::Close);
        self.connections.remove(&conn);
    }

    pub fn ask_stream(&mut self, conn: ConnId, token: AuthToken, request: WatchRequestKind) {
        self.send(conn, Frame::WatchAsk { stream: 1, token, request: WatchRequest { request: Some(request) } });
    }

    /// What a stream has received since it was last looked at.
    pub fn told(&mut self, conn: ConnId) -> Vec<WatchResponse> {
        self.connections.get_mut(&conn).map_or_else(Vec::new, |connection| connection.told.drain(..).collect())
    }

    /// The client reads again.
    pub fn listen(&mut self) {
        self.deaf = false;
        let waiting: Vec<ConnId> = self.connections.keys().copied().collect();
        for conn in waiting {
            let connection = self.connections.get_mut(&conn).expect("just listed");
            for _ in 0..std::mem::take(&mut connection.pings) {
                self.send(conn, Frame::Pong);
            }
        }
    }

    /// Lets so much time pass.
    pub fn run_for(&mut self, span: Micros) {
        let end = self.sim.now() + span;
        while self.sim.next_at().is_some_and(|next| next <= end) {
            self.step();
        }
        self.sim.advance_to(end);
    }

    /// Lets things happen until something is so.
    pub fn run_while(&mut self, still: impl Fn(&Engine) -> bool) {
        let end = self.sim.now() + PATIENCE;
        while still(self) {
            assert!(self.sim.now() < end, "nothing comes of it");
            self.step();
        }
    }

    fn connect(&mut self, conn: ConnId, host: HostId) {
        let connection =
            Connection { host, sent: 0, received: 0, answers: BTreeMap::new(), told: VecDeque::new(), pings: 0 };
        self.connections.insert(conn, connection);
        self.send(conn, Frame::Open);
        self.run_while(|engine| engine.connections[&conn].received == 0);
    }

    fn send(&mut self, conn: ConnId, frame: Frame) {
        let connection = self.connections.get_mut(&conn).expect("an open connection");
        let wire = Wire::Client { conn, number: connection.sent, frame };
        connection.sent += 1;
        let (bytes, host) = (wire.size(), connection.host);
        let mut out = Outbox::default();
        out.send(host, wire, bytes, Delivery::Stream);
        self.perform(self.client(), out);
    }

    fn client(&self) -> HostId {
        HostId(self.members.len() as u16)
    }

    fn step(&mut self) {
        let occurrence = self.sim.step();
        let at = Moment { now: self.sim.now(), event: self.sim.current() };
        let mut out = Outbox::default();
        let host = match occurrence {
            Some(Occurrence::Delivered { to, message, .. }) if to == self.client() => return self.receive(&message),
            Some(Occurrence::Delivered { to, from, message }) => {
                if let Some(member) = &mut self.members[usize::from(to.0)] {
                    member.receive(at, from, &message, &mut out);
                }
                to
            }
            Some(Occurrence::Woken { host, note: Note::Member(note) }) => {
                if let Some(member) = &mut self.members[usize::from(host.0)] {
                    member.wake(at, note, &mut out);
                }
                host
            }
            Some(Occurrence::Woken { .. }) | None => return,
        };
        self.perform(host, out);
        let member = &mut self.members[usize::from(host.0)];
        if member.as_ref().is_some_and(Member::has_stopped) {
            *member = None;
        }
    }

    fn receive(&mut self, wire: &Wire) {
        let Wire::Client { conn, frame, .. } = wire else { return };
        let Some(connection) = self.connections.get_mut(conn) else { return };
        connection.received += 1;
        match frame {
            Frame::Answer { call, result } => drop(connection.answers.insert(*call, result.clone())),
            Frame::WatchTell(response) => connection.told.push_back(response.clone()),
            Frame::Ping if self.deaf => connection.pings += 1,
            Frame::Ping => self.send(*conn, Frame::Pong),
            Frame::Reset | Frame::WatchEnd(_) => panic!("the connection broke"),
            _ => {}
        }
    }

    fn perform(&mut self, host: HostId, mut out: Outbox) {
        for effect in out.drain() {
            self.sim.perform(host, effect);
        }
    }
}

/// The connection that carries calls to a member; watch streams have one each.
fn calls(host: HostId) -> ConnId {
    ConnId(u64::from(host.0))
}
