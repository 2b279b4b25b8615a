//! How fast the engine is: `make bench`, or `cargo bench --no-default-features`.

use bytes::Bytes;
use control_plane_lab::etcd::api::{PutRequest, Request};
use control_plane_lab::etcd::backend::{Backend, HashCheck, status};
use control_plane_lab::etcd::bolt::items;
use control_plane_lab::etcd::client::{Address, Client, ClientEvent, ClientId};
use control_plane_lab::etcd::lease::Lessor;
use control_plane_lab::etcd::mvcc::KvStore;
use control_plane_lab::etcd::{Cluster, Fact, Member, Moment, Note, Outbox, Peer, Wire};
use control_plane_lab::lab::{Lab, Scenario, Timeline};
use control_plane_lab::sim::{HostId, Micros, Occurrence, Sim, SimTime};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::sync::Arc;

const FOREVER: Micros = Micros::from_secs(3_600);

/// Three members and one client that keeps a number of puts in flight: the cluster without shell and checks.
struct Load {
    sim: Sim<Wire, Note, Fact>,
    cluster: Arc<Cluster>,
    members: Vec<Member>,
    client: Client,
    sent: u64,
    done: u64,
}

impl Load {
    fn new() -> Load {
        let scenario = Scenario::default();
        let cluster = scenario.cluster();
        let mut sim = Sim::new(1, scenario.link(), &[scenario.disk.profile(); 4]);
        let mut members = Vec::new();
        for peer in &cluster.peers {
            let mut out = Outbox::default();
            let at = Moment { now: sim.now(), event: sim.current() };
            members.push(Member::bootstrap(&cluster, &peer.machine, 1, at, &mut out));
            out.drain().for_each(|effect| {
                sim.perform(peer.machine.host, effect);
            });
        }
        let endpoints =
            cluster.peers.iter().map(|Peer { machine, .. }| (machine.client_url.clone(), Address::Host(machine.host)));
        let client = Client::new(ClientId(1), endpoints.collect(), None);
        let mut load = Load { sim, cluster, members, client, sent: 0, done: 0 };
        while load.sim.now() < SimTime(3_000_000) {
            load.step();
        }
        load
    }

    fn put(&mut self) {
        let key = Bytes::from(format!("key-{:012}", self.sent % 100_000));
        let value = Bytes::from_static(&[b'v'; 128]);
        self.sent += 1;
        let mut out = Outbox::default();
        let request = Request::Put(PutRequest { key, value, ..PutRequest::default() });
        self.client.call(self.sim.now(), request, FOREVER, &mut out);
        self.perform(HostId(3), out);
    }

    fn perform(&mut self, host: HostId, mut out: Outbox) {
        out.drain().for_each(|effect| {
            self.sim.perform(host, effect);
        });
    }

    fn step(&mut self) {
        let mut out = Outbox::default();
        let occurrence = self.sim.step();
        let at = Moment { now: self.sim.now(), event: self.sim.current() };
        let host = match occurrence {
            None => return,
            Some(Occurrence::Delivered { to, from, message }) => {
                match self.members.get_mut(usize::from(to.0)) {
                    Some(member) => member.receive(at, from, &message, &mut out),
                    None => {
                        if let Wire::Client { conn, number, frame } = &*message {
                            self.client.receive(at.now, *conn, *number, frame.clone(), &mut out);
                        }
                    }
                }
                to
            }
            Some(Occurrence::Woken { host, note: Note::Member(note) }) => {
                self.members[usize::from(host.0)].wake(at, note, &mut out);
                host
            }
            Some(Occurrence::Woken { host, note: Note::Client(_, note) }) => {
                self.client.wake(at.now, note, &mut out);
                host
            }
        };
        self.perform(host, out);
        for event in self.client.drain() {
            assert!(matches!(event, ClientEvent::Answer { result: Ok(_), .. }), "{event:?}");
            self.done += 1;
        }
    }

    /// Commits this many more puts with `in_flight` of them under way.
    fn run(&mut self, puts: u64, in_flight: u64) {
        let end = self.done + puts;
        while self.done < end {
            while self.sent - self.done < in_flight {
                self.put();
            }
            self.step();
        }
        assert!(self.cluster.peers.len() == 3);
    }
}

fn puts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("puts through three members, 128 B");
    group.sample_size(10);
    for in_flight in [1, 64, 1_024] {
        group.throughput(Throughput::Elements(2_000));
        group.bench_function(format!("{in_flight} in flight"), |bencher| {
            bencher.iter_batched_ref(Load::new, |load| load.run(2_000, in_flight), BatchSize::LargeInput);
        });
    }
    group.finish();
}

fn idle(criterion: &mut Criterion) {
    let mut lab = Lab::new(Scenario::default(), 1);
    lab.run_until(SimTime(3_000_000), u64::MAX);
    criterion.bench_function("one virtual second of the idle three-member cluster", |bencher| {
        bencher.iter(|| {
            let end = lab.now() + Micros::from_secs(1);
            lab.run_until(end, u64::MAX)
        });
    });
}

fn rewind(criterion: &mut Criterion) {
    let mut timeline = Timeline::new(Scenario::default(), 1);
    timeline.run_until(SimTime(600_000_000), u64::MAX);
    criterion.bench_function("rewind from minute 10 to minute 3", |bencher| {
        bencher.iter_batched_ref(
            || timeline.clone(),
            |timeline| timeline.seek(SimTime(180_000_000)),
            BatchSize::LargeInput,
        );
    });
}

/// A snapshot of a million keys of 100 bytes each, as a file.
fn million_keys() -> Bytes {
    let mut store = KvStore::default();
    for i in 0..1_000_000 {
        let mut txn = store.write();
        txn.put(&Bytes::from(format!("/registry/pods/default/pod-{i:07}")), Bytes::from(vec![b'v'; 100]), 0);
        txn.end();
    }
    Backend::new(store).snapshot().expect("short keys")
}

fn snapshot(criterion: &mut Criterion) {
    let file = million_keys();
    let mut group = criterion.benchmark_group("snapshot of 1,000,000 keys");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(file.len() as u64));
    group.bench_function("restart from it", |bencher| {
        bencher.iter_with_large_drop(|| Backend::open(&file, HashCheck::Required, Lessor::default()));
    });
    group.bench_function("read its pairs", |bencher| bencher.iter(|| items(&file).count()));
    group.bench_function("status", |bencher| bencher.iter(|| status(&file)));
    let backend = Backend::open(&file, HashCheck::Required, Lessor::default()).expect("a sound file");
    group.bench_function("save", |bencher| bencher.iter_with_large_drop(|| backend.snapshot()));
    group.finish();
}

criterion_group!(engine, puts, idle, rewind, snapshot);
criterion_main!(engine);
