//! How fast the engine is: `make bench`, or `cargo bench --no-default-features`.

mod tikv;

use bytes::Bytes;
use control_plane_lab::etcd::backend::{Backend, HashCheck, status};
use control_plane_lab::etcd::bolt::items;
use control_plane_lab::etcd::lease::Lessor;
use control_plane_lab::lab::api_load::{ApiLoad, Verb, kept_pod};
use control_plane_lab::lab::load::{Call, KEYS, Load, snapshot_of};
use control_plane_lab::lab::{Lab, Scenario, Timeline};
use control_plane_lab::sim::{Micros, SimTime};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::sync::LazyLock;
use tikv::Group;

/// Calls in one measured round: enough that the cluster's own ticks do not count.
const CALLS: u64 = 10_000;
const WATCHERS: u32 = 10_000;

/// Puts through three members, and beside them the same proposals through a Raft that has no disk, store or network.
fn puts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("puts through three members, 128 B");
    group.sample_size(10).throughput(Throughput::Elements(CALLS));
    for in_flight in [1, 64, 1_024] {
        group.bench_function(format!("{in_flight} in flight"), |bencher| {
            let run = |load: &mut Load| load.run(Call::Put, CALLS, in_flight);
            bencher.iter_batched_ref(Load::default, run, BatchSize::LargeInput);
        });
    }
    group.bench_function("the crate raft, in memory, 64 in flight", |bencher| {
        bencher.iter_batched_ref(Group::default, |group| group.run(CALLS, 64), BatchSize::LargeInput);
    });
    group.finish();
}

fn calls(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("through three members, 64 in flight");
    group.sample_size(10).throughput(Throughput::Elements(CALLS));
    for (name, call) in [("txns", Call::Txn), ("ranges", Call::Range), ("serializable ranges", Call::SerializableRange)]
    {
        group.bench_function(name, |bencher| {
            let run = |load: &mut Load| load.run(call, CALLS, 64);
            bencher.iter_batched_ref(Load::default, run, BatchSize::LargeInput);
        });
    }
    group.finish();
}

fn range_all(criterion: &mut Criterion) {
    static LOAD: LazyLock<std::sync::Mutex<Load>> = LazyLock::new(|| {
        let mut load = Load::default();
        load.run(Call::Put, KEYS, 64);
        load.into()
    });
    let mut group = criterion.benchmark_group("one range");
    group.sample_size(10).throughput(Throughput::Elements(KEYS));
    group.bench_function("of 100,000 keys, through the cluster", |bencher| {
        let mut load = LOAD.lock().expect("nobody else measures");
        bencher.iter(|| load.run(Call::RangeAll, 1, 1));
    });
    group.finish();
}

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one write");
    group.sample_size(10).throughput(Throughput::Elements(u64::from(WATCHERS)));
    group.bench_function("to 10,000 watchers on one stream", |bencher| {
        let watched = || {
            let mut load = Load::default();
            load.watch(WATCHERS);
            load
        };
        bencher.iter_batched_ref(watched, |load| load.fan_out(WATCHERS), BatchSize::LargeInput);
    });
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

fn snapshot(criterion: &mut Criterion) {
    /// Of a million keys of 100 bytes each.
    static FILE: LazyLock<Bytes> = LazyLock::new(|| snapshot_of(1_000_000));
    let open = || Backend::open(&FILE, HashCheck::Required, Lessor::default()).expect("a sound file");
    let mut group = criterion.benchmark_group("snapshot of 1,000,000 keys");
    group.sample_size(10);
    group.bench_function("restart from it", |bencher| bencher.iter_with_large_drop(open));
    group.bench_function("read its pairs", |bencher| bencher.iter(|| items(&FILE).count()));
    group.bench_function("status", |bencher| bencher.iter(|| status(&FILE)));
    group.bench_function("save", |bencher| {
        let backend = open();
        bencher.iter_with_large_drop(|| backend.snapshot());
    });
    group.finish();
}

/// Requests to one API server before three members, 64 in flight.
fn requests(criterion: &mut Criterion) {
    const REQUESTS: u64 = 2_000;
    let mut group = criterion.benchmark_group("requests for pods, 64 in flight");
    group.sample_size(10).throughput(Throughput::Elements(REQUESTS));
    let verbs = [
        ("create", Verb::Create, 0),
        ("get", Verb::Get, 1_000),
        ("patch", Verb::Patch, 1_000),
        ("update", Verb::Update, 1_000),
        ("delete", Verb::Delete, REQUESTS),
    ];
    for (name, verb, pods) in verbs {
        let filled = || {
            let mut load = ApiLoad::default();
            load.fill(pods);
            load
        };
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(filled, |load| load.run(verb, REQUESTS, 64), BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn lists(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one list of pods");
    group.sample_size(10);
    let mut load = ApiLoad::default();
    for pods in [10_000, 100_000] {
        load.fill(pods);
        for (name, from_etcd) in [("from the watch cache", false), ("from etcd", true)] {
            group.bench_function(format!("{pods}, {name}"), |bencher| bencher.iter(|| load.list(from_etcd)));
        }
    }
    group.finish();
}

fn watch_events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one change of a pod");
    group.sample_size(10).throughput(Throughput::Elements(1_000));
    let mut load = ApiLoad::default();
    load.fill(1);
    load.watch(1_000);
    group.bench_function("told to 1,000 watchers", |bencher| bencher.iter(|| load.fan_out()));
    group.finish();
}

fn codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a pod in etcd's form");
    let (endpoint, object) = kept_pod();
    let bytes = endpoint.encode(&object).expect("a pod has a form in etcd");
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode", |bencher| bencher.iter(|| endpoint.encode(&object)));
    group.bench_function("decode", |bencher| bencher.iter(|| endpoint.decode(&bytes, 1)));
    group.finish();
}

criterion_group!(engine, puts, calls, range_all, fan_out, idle, rewind, snapshot, requests, lists, watch_events, codec);
criterion_main!(engine);
