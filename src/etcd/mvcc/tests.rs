//! The store and its watchers against models too simple to be wrong, over many seeds.
//! A failure names its seed; `LAB_SEED=<seed>` replays that one alone.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::*;
use crate::etcd::api::{Event, EventType, KeyValue, WatchCreateRequest, WatchResponse};
use crate::etcd::error::EtcdError;
use crate::etcd::lease::Lessor;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }

    fn key(&mut self) -> Bytes {
        Bytes::from(format!("k{}", self.below(12)))
    }
}

fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("LAB_SEED") {
        Ok(seed) => vec![seed.parse().expect("LAB_SEED is a number")],
        Err(_) => (0..count).collect(),
    }
}

/// Every revision's whole content, and every event there ever was.
#[derive(Default)]
struct Model {
    past: Vec<BTreeMap<Bytes, KeyValue>>,
    events: Vec<Event>,
}

impl Model {
    fn new() -> Model {
        Model { past: vec![BTreeMap::new(), BTreeMap::new()], events: Vec::new() }
    }

    fn revision(&self) -> i64 {
        self.past.len() as i64 - 1
    }

    fn event(&mut self, kind: EventType, kv: KeyValue) {
        let before = &self.past[self.past.len() - 1];
        let prev_kv = before.get(&kv.key).cloned();
        self.events.push(Event { r#type: kind as i32, kv: Some(kv), prev_kv });
    }
}

/// A transaction of a few writes to distinct keys.
fn write(random: &mut Random, store: &mut WatchableStore, model: &mut Model) {
    let mut state = model.past[model.past.len() - 1].clone();
    let main = model.revision() + 1;
    let wrote = model.events.len();
    store.write(|txn| {
        let mut keys: Vec<Bytes> = (0..=random.below(3)).map(|_| random.key()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            if random.below(3) == 0 {
                let deleted = txn.delete(&key);
                assert_eq!(deleted.as_ref().map(Stored::kv), state.get(&key));
                if state.remove(&key).is_some() {
                    let kv = KeyValue { key, mod_revision: main, ..KeyValue::default() };
                    model.event(EventType::Delete, kv);
                }
            } else {
                let value = Bytes::from(format!("v{}", random.below(1000)));
                let old = state.get(&key);
                let kv = KeyValue {
                    key: key.clone(),
                    create_revision: old.map_or(main, |old| old.create_revision),
                    mod_revision: main,
                    version: old.map_or(1, |old| old.version + 1),
                    value: value.clone(),
                    lease: 0,
                };
                assert_eq!(txn.put(&key, value, 0).as_ref().map(Stored::kv), old);
                state.insert(key, kv.clone());
                model.event(EventType::Put, kv);
            }
        }
    });
    if model.events.len() > wrote {
        model.past.push(state);
    }
    assert_eq!(store.kv().revision(), model.revision());
    assert_eq!(store.kv().live_count(), model.past[model.past.len() - 1].len());
}

fn assert_past_is_readable(store: &KvStore, model: &Model) {
    for at in 1..=model.revision() {
        let everything = KeySpan::From(b"");
        let read = store.range(everything, RangeOptions { revision: at, ..RangeOptions::default() });
        if at < store.compact_revision() {
            assert_eq!(read.expect_err("the past is compacted"), EtcdError::Compacted);
            continue;
        }
        let expected: Vec<&KeyValue> = model.past[at as usize].values().collect();
        assert_eq!(read.expect("a readable past").kvs, expected, "at {at}");
    }
}

#[test]
fn every_revision_reads_as_it_was_written() {
    for seed in seeds(40) {
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut store = WatchableStore::default();
        let mut model = Model::new();
        for _ in 0..300 {
            write(&mut random, &mut store, &mut model);
            if random.below(40) == 0 {
                let revision = 1 + random.below(model.revision() as u64) as i64;
                if store.kv_mut().compact(revision).is_ok() {
                    let hashed_at = revision + 1;
                    let hash = store.kv().hash_kv(hashed_at);
                    while !store.kv_mut().compact_step(3) {
                        assert_eq!(store.kv().hash_kv(hashed_at), hash, "compaction must not change the hash");
                        assert_eq!(store.kv().live_count(), model.past[model.past.len() - 1].len());
                    }
                }
            }
            if random.below(60) == 0 {
                assert_past_is_readable(store.kv(), &model);
                let kv = store.kv();
                let entries = kv.entries(Revision::default()).map(|(revision, stored)| (revision, stored.clone()));
                let finished = kv.finished_compaction();
                let restored = KvStore::restore(entries, finished, kv.compact_revision(), Lessor::default());
                assert_eq!(restored.hash_kv(0), kv.hash_kv(0));
                assert_eq!(restored.live_count(), kv.live_count());
                assert_eq!((restored.revision(), restored.db_size_in_use()), (kv.revision(), kv.db_size_in_use()));
                store = WatchableStore::new(restored, 1 << 20);
            }
        }
        assert_past_is_readable(store.kv(), &model);
        store.kv_mut().compact(model.revision()).expect("the present can be compacted to");
        while !store.kv_mut().compact_step(10) {}
        assert_eq!(store.kv().entry_count(), model.past[model.past.len() - 1].len(), "only the living are kept");
        assert_eq!(store.kv().index().len(), store.kv().entry_count());
    }
}

/// What one watcher asked for and has been sent.
struct Client {
    request: WatchCreateRequest,
    from: i64,
    received: Vec<Event>,
    lost: bool,
}

fn receive(clients: &mut BTreeMap<(StreamId, i64), Client>, responses: Vec<(StreamId, WatchResponse)>) {
    for (stream, response) in responses {
        let Some(client) = clients.get_mut(&(stream, response.watch_id)) else { continue };
        assert!(!client.lost, "nothing follows a cancellation");
        client.lost |= response.compact_revision > 0;
        client.received.extend(response.events);
    }
}

#[test]
fn every_watcher_gets_every_event_once_and_in_order() {
    for seed in seeds(40) {
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut store = WatchableStore::default();
        let mut model = Model::new();
        let mut clients: BTreeMap<(StreamId, i64), Client> = BTreeMap::new();
        let mut compacted = Vec::new();
        (0..4).for_each(|stream| store.open_stream(stream));
        for step in 0..2000 {
            match random.below(20) {
                0 if clients.len() < 40 => {
                    let (stream, watch_id) = (random.below(4), step + 1);
                    let range_end = match random.below(3) {
                        0 => Bytes::new(),
                        1 => Bytes::from_static(&[0]),
                        _ => Bytes::from_static(b"k9"),
                    };
                    let start_revision = match random.below(2) {
                        0 => 0,
                        _ => 1 + random.below(model.revision() as u64 + 5) as i64,
                    };
                    let request = WatchCreateRequest {
                        key: Bytes::from(format!("k{}", random.below(8))),
                        range_end,
                        start_revision,
                        prev_kv: random.below(2) == 0,
                        watch_id,
                        ..WatchCreateRequest::default()
                    };
                    store.watch(stream, &request);
                    let from = if start_revision == 0 { model.revision() + 1 } else { start_revision };
                    clients.insert((stream, watch_id), Client { request, from, received: Vec::new(), lost: false });
                }
                1 => store.set_blocked(random.below(4), true),
                2 => store.set_blocked(random.below(4), false),
                3 => drop(store.sync_watchers()),
                4 => drop(store.retry_victims()),
                5 if random.below(8) == 0 => {
                    let revision = 1 + random.below(model.revision() as u64) as i64;
                    if store.kv_mut().compact(revision).is_ok() {
                        compacted.push(revision);
                        while !store.kv_mut().compact_step(1000) {}
                    }
                }
                6 if random.below(8) == 0 => {
                    // A snapshot from a member that is further on.
                    let mut ahead = WatchableStore::new(store.kv().clone(), 1 << 20);
                    (0..5).for_each(|_| write(&mut random, &mut ahead, &mut model));
                    store.install(ahead.kv().clone());
                }
                _ => write(&mut random, &mut store, &mut model),
            }
            receive(&mut clients, store.drain_responses());
        }
        (0..4).for_each(|stream| store.set_blocked(stream, false));
        while store.unsynced() + store.victims() > 0 {
            receive(&mut clients, store.drain_responses());
            store.retry_victims();
            store.sync_watchers();
        }
        receive(&mut clients, store.drain_responses());
        for (id, client) in &clients {
            let span = KeySpan::of(&client.request.key, &client.request.range_end);
            let wanted = model.events.iter().filter(|event| {
                let kv = event.kv.as_ref().expect("an event has a value");
                kv.mod_revision >= client.from && span.contains(&kv.key)
            });
            // A reader that stands exactly at the compact revision misses that revision's deletions.
            let missable = |event: &Event| {
                let deleted = event.r#type == EventType::Delete as i32;
                deleted && compacted.contains(&event.kv.as_ref().expect("an event has a value").mod_revision)
            };
            let mut expected = wanted.peekable();
            for received in &client.received {
                while expected.peek().is_some_and(|event| event.kv != received.kv && missable(event)) {
                    expected.next();
                }
                let expected = expected.next().expect("no more events than there were");
                assert_eq!((received.r#type, &received.kv), (expected.r#type, &expected.kv), "{id:?}");
                if client.request.prev_kv {
                    assert!(received.prev_kv.is_none() || received.prev_kv == expected.prev_kv, "{id:?}");
                }
            }
            let missed = expected.filter(|event| !missable(event)).count();
            assert!(client.lost || missed == 0, "{id:?} missed events, started at {}", client.from);
        }
    }
}

#[test]
fn a_blocked_stream_holds_nobody_back() {
    let mut store = WatchableStore::default();
    let everything = WatchCreateRequest { range_end: Bytes::from_static(&[0]), ..WatchCreateRequest::default() };
    for stream in [1, 2] {
        store.open_stream(stream);
        store.watch(stream, &everything);
    }
    store.set_blocked(1, true);
    for i in 0..1000 {
        store.write(|txn| txn.put(&Bytes::from_static(b"key"), Bytes::from(i.to_string()), 0));
    }
    let drained = store.drain_responses();
    assert_eq!(drained.iter().filter(|(stream, _)| *stream == 2).count(), 1001);
    assert_eq!((drained.len(), store.victims()), (1001, 1));

    store.request_progress(1);
    store.set_blocked(1, false);
    let held = store.drain_responses();
    assert!(held.iter().all(|(_, response)| response.watch_id == 0), "progress waits for what was missed");
    store.retry_victims();
    store.sync_watchers();
    let rest = store.drain_responses();
    let events: usize = held.iter().chain(&rest).map(|(_, response)| response.events.len()).sum();
    assert_eq!(events, 1000);
    assert_eq!(rest.last().expect("the progress answer").1.watch_id, -1);
}

#[test]
fn a_long_history_comes_in_batches_of_a_thousand_revisions() {
    let key = Bytes::from_static(b"key");
    let mut store = WatchableStore::default();
    for i in 0..2500 {
        store.write(|txn| txn.put(&key, Bytes::from(i.to_string()), 0));
    }
    for range_end in [Bytes::new(), Bytes::from_static(b"kez"), Bytes::from_static(&[0])] {
        store.open_stream(1);
        let request = WatchCreateRequest { key: key.clone(), range_end, start_revision: 1, ..Default::default() };
        store.watch(1, &request);
        let mut sizes = Vec::new();
        while store.unsynced() > 0 {
            store.sync_watchers();
            sizes.extend(store.drain_responses().iter().map(|(_, response)| response.events.len()));
        }
        assert_eq!(sizes, [0, 1000, 1000, 500]);
    }
}
