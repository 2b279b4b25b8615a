//! A cluster of one, as a client sees it: a member with its Raft, its log and its disk, and connections to it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use control_plane_lab::etcd::api::{Request, Response, WatchRequest, WatchRequestKind, WatchResponse};
use control_plane_lab::etcd::cluster::{Machine, Settings};
use control_plane_lab::etcd::error::Status;
use control_plane_lab::etcd::member::Booted;
use control_plane_lab::etcd::wire::{AuthToken, CallId, ConnId, Frame};
use control_plane_lab::etcd::{Cluster, Fact, InitialClusterState, Member, Moment, Note, Outbox, Rules, Timing, Wire};
use control_plane_lab::sim::{Delivery, DiskProfile, Fault, HostId, Link, Micros, Occurrence, Sim, SimTime};

const SERVER: HostId = HostId(0);
const CLIENT: HostId = HostId(1);

/// The connection that carries calls; watch streams have one each.
const CALLS: ConnId = ConnId(0);

/// No call takes longer.
const PATIENCE: Micros = Micros::from_secs(30);

/// Fast wires and a fast disk, so that little time passes but what the recording lets pass.
const WIRE: Micros = Micros(20);
const FSYNC: Micros = Micros(50);

pub struct Engine {
    sim: Sim<Wire, Note, Fact>,
    cluster: Arc<Cluster>,
    member: Option<Member>,
    connections: BTreeMap<ConnId, Connection>,
    next_call: u64,
    next_conn: u64,
}

#[derive(Default)]
struct Connection {
    sent: u32,
    received: u32,
    answers: BTreeMap<CallId, Result<Response, Status>>,
    told: VecDeque<WatchResponse>,
}

impl Engine {
    pub fn start(settings: Settings) -> Engine {
        let url = |port| format!("http://127.0.0.1:{port}");
        let machine = Machine { host: SERVER, name: "default".to_owned(), peer_url: url(2380), client_url: url(2379) };
        let cluster = Cluster::new("etcd-cluster", vec![machine], Timing::default(), Rules::default());
        let cluster = Arc::new(Cluster { settings, ..cluster });
        let link = Link { latency: WIRE, jitter: Micros(0), ..Link::RACK };
        let disk = DiskProfile { fsync: FSYNC, jitter: Micros(0), bytes_per_ms: 10_000_000 };
        let sim = Sim::new(1, link, &[disk, disk]);
        let mut engine =
            Engine { sim, cluster, member: None, connections: BTreeMap::new(), next_call: 0, next_conn: 0 };
        engine.boot();
        engine
    }

    /// Stops the process cleanly and starts it on the same disk.
    pub fn restart(&mut self) {
        self.member = None;
        self.sim.inflict(Fault::Restart { host: SERVER });
        self.connections.clear();
        self.boot();
    }

    fn boot(&mut self) {
        let mut out = Outbox::default();
        let at = Moment { now: self.sim.now(), event: self.sim.current() };
        let disk = self.sim.disk_mut(SERVER);
        let booted = Member::boot(&self.cluster, SERVER, disk, InitialClusterState::New, 1, at, &mut out);
        let Booted::Running(member) = booted else { panic!("the member does not start") };
        self.member = Some(*member);
        self.perform(SERVER, out);
        let ready = |engine: &Engine| {
            let member = engine.member();
            member.lead() == member.id() && member.members().iter().all(|member| !member.client_urls.is_empty())
        };
        self.run_while(|engine| !ready(engine));
        self.connect(CALLS);
    }

    pub fn member(&self) -> &Member {
        self.member.as_ref().expect("it runs")
    }

    pub fn now(&self) -> SimTime {
        self.sim.now()
    }

    /// Makes a call and waits for its answer.
    pub fn call(&mut self, token: AuthToken, request: Request) -> Result<Response, Status> {
        self.next_call += 1;
        let call = CallId(self.next_call);
        self.send(CALLS, Frame::Call { call, token, request });
        self.run_while(|engine| !engine.connections[&CALLS].answers.contains_key(&call));
        self.connections.get_mut(&CALLS).and_then(|calls| calls.answers.remove(&call)).expect("it was waited for")
    }

    /// Opens a connection for a watch stream.
    pub fn open_stream(&mut self) -> ConnId {
        self.next_conn += 1;
        let conn = ConnId(self.next_conn);
        self.connect(conn);
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

    fn connect(&mut self, conn: ConnId) {
        self.connections.insert(conn, Connection::default());
        self.send(conn, Frame::Open);
        self.run_while(|engine| engine.connections[&conn].received == 0);
    }

    fn send(&mut self, conn: ConnId, frame: Frame) {
        let connection = self.connections.get_mut(&conn).expect("an open connection");
        let wire = Wire::Client { conn, number: connection.sent, frame };
        connection.sent += 1;
        let bytes = wire.size();
        let mut out = Outbox::default();
        out.send(SERVER, wire, bytes, Delivery::Stream);
        self.perform(CLIENT, out);
    }

    fn step(&mut self) {
        let occurrence = self.sim.step();
        let at = Moment { now: self.sim.now(), event: self.sim.current() };
        let mut out = Outbox::default();
        match occurrence {
            Some(Occurrence::Delivered { to: SERVER, from, message }) => {
                if let Some(member) = &mut self.member {
                    member.receive(at, from, &message, &mut out);
                }
            }
            Some(Occurrence::Delivered { message, .. }) => self.receive(&message),
            Some(Occurrence::Woken { note: Note::Member(note), .. }) => {
                if let Some(member) = &mut self.member {
                    member.wake(at, note, &mut out);
                }
            }
            Some(Occurrence::Woken { .. }) | None => {}
        }
        self.perform(SERVER, out);
    }

    fn receive(&mut self, wire: &Wire) {
        let Wire::Client { conn, frame, .. } = wire else { return };
        let Some(connection) = self.connections.get_mut(conn) else { return };
        connection.received += 1;
        match frame {
            Frame::Answer { call, result } => drop(connection.answers.insert(*call, result.clone())),
            Frame::WatchTell(response) => connection.told.push_back(response.clone()),
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
