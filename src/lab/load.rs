//! A cluster under load, without workstation and checks: what the benchmarks measure, natively and in a browser.

use super::Scenario;
use crate::etcd::api::{
    Compare, CompareTarget, PutRequest, RangeRequest, Request, RequestOp, RequestOpKind, Response, TargetUnion,
    TxnRequest, WatchCreateRequest,
};
use crate::etcd::backend::Backend;
use crate::etcd::client::{Address, Client, ClientEvent, ClientId, WatchKey, prefix_end};
use crate::etcd::mvcc::KvStore;
use crate::etcd::{Cluster, Fact, Member, Moment, Note, Outbox, Peer, Wire};
use crate::sim::{HostId, Micros, Occurrence, Sim, SimTime};
use bytes::Bytes;
use std::sync::Arc;

const FOREVER: Micros = Micros::from_secs(100_000);
/// By then every cluster has a leader.
const STARTED: SimTime = SimTime(3_000_000);
/// Keys are written in turn, as many as this.
pub const KEYS: u64 = 100_000;
const PREFIX: &[u8] = b"key-";
const VALUE: [u8; 128] = [b'v'; 128];

/// What the client asks for, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Put,
    /// Puts a key if it was never put, and reads it else.
    Txn,
    /// One key, linearizable.
    Range,
    /// One key, from what the member has.
    SerializableRange,
    /// Everything.
    RangeAll,
}

impl Call {
    /// By its name, for scripts.
    pub fn named(name: &str) -> Option<Call> {
        match name {
            "put" => Some(Call::Put),
            "txn" => Some(Call::Txn),
            "range" => Some(Call::Range),
            "serializable-range" => Some(Call::SerializableRange),
            "range-all" => Some(Call::RangeAll),
            _ => None,
        }
    }
}

/// Three members of the usual kind, and one client that keeps a number of calls in flight.
pub struct Load {
    sim: Sim<Wire, Note, Fact>,
    cluster: Arc<Cluster>,
    members: Vec<Member>,
    client: Client,
    /// Empty, between two steps.
    out: Outbox,
    sent: u64,
    done: u64,
    /// Keys that were put.
    written: u64,
    /// Key-values in answers, and events of watches.
    pub received: u64,
}

impl Default for Load {
    /// A cluster with a leader and no keys.
    fn default() -> Load {
        let scenario = Scenario::default();
        let cluster = Arc::new(scenario.cluster());
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
        let out = Outbox::default();
        let mut load = Load { sim, cluster, members, client, out, sent: 0, done: 0, written: 0, received: 0 };
        while load.sim.now() < STARTED {
            load.step();
        }
        load
    }
}

impl Load {
    /// Has this many more calls answered, with at most `in_flight` of them under way.
    pub fn run(&mut self, call: Call, calls: u64, in_flight: u64) {
        let (first, end) = (self.sent, self.sent + calls);
        assert!(self.done == first, "everything asked before was answered");
        while self.done < end {
            while self.sent < end && self.sent - self.done < in_flight {
                let request = self.request(call);
                let mut out = Outbox::default();
                self.client.call(self.sim.now(), request, FOREVER, &mut out);
                self.perform(self.workstation(), out);
                self.sent += 1;
            }
            self.step();
        }
    }

    /// Opens watches on all keys, on one stream, and waits until they are there.
    pub fn watch(&mut self, watchers: u32) {
        for number in 0..watchers {
            let request = WatchCreateRequest {
                key: Bytes::from_static(PREFIX),
                range_end: prefix_end(PREFIX),
                ..WatchCreateRequest::default()
            };
            let mut out = Outbox::default();
            self.client.watch(self.sim.now(), WatchKey(number), request, &mut out);
            self.perform(self.workstation(), out);
        }
        let count = |member: &Member| member.store().watcher_count();
        while self.members.iter().map(count).sum::<usize>() < watchers as usize {
            self.step();
        }
    }

    /// Writes one key, and waits until every watcher of so many has heard of it.
    pub fn fan_out(&mut self, watchers: u32) {
        let end = self.received + u64::from(watchers);
        self.run(Call::Put, 1, 1);
        while self.received < end {
            self.step();
        }
    }

    /// Writes go through the keys in turn, reads through those that were written.
    fn request(&mut self, call: Call) -> Request {
        if matches!(call, Call::Put | Call::Txn) {
            self.written += 1;
            return request(call, key((self.written - 1) % KEYS));
        }
        request(call, key(self.sent % self.written.clamp(1, KEYS)))
    }

    fn workstation(&self) -> HostId {
        HostId(self.cluster.peers.len() as u16)
    }

    fn perform(&mut self, host: HostId, mut out: Outbox) {
        out.drain().for_each(|effect| {
            self.sim.perform(host, effect);
        });
        self.out = out;
    }

    fn step(&mut self) {
        let Some(occurrence) = self.sim.step() else { return };
        let mut out = std::mem::take(&mut self.out);
        let at = Moment { now: self.sim.now(), event: self.sim.current() };
        let host = match occurrence {
            Occurrence::Delivered { to, from, message } => {
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
            Occurrence::Woken { host, note: Note::Member(note) } => {
                self.members[usize::from(host.0)].wake(at, note, &mut out);
                host
            }
            Occurrence::Woken { host, note: Note::Client(_, note) } => {
                self.client.wake(at.now, note, &mut out);
                host
            }
        };
        self.perform(host, out);
        for event in self.client.drain() {
            match event {
                ClientEvent::Answer { result: Ok(response), .. } => {
                    self.done += 1;
                    if let Response::Range(range) = response {
                        self.received += range.kvs.len() as u64;
                    }
                }
                ClientEvent::Watch { result: Ok(response), .. } => self.received += response.events.len() as u64,
                event => panic!("nothing goes wrong in a quiet cluster: {event:?}"),
            }
        }
    }
}

fn key(number: u64) -> Bytes {
    Bytes::from(format!("key-{number:012}"))
}

fn request(call: Call, key: Bytes) -> Request {
    let put = |key| PutRequest { key, value: Bytes::from_static(&VALUE), ..PutRequest::default() };
    let range = |serializable| RangeRequest { serializable, ..RangeRequest::default() };
    match call {
        Call::Put => Request::Put(put(key)),
        Call::Txn => Request::Txn(TxnRequest {
            compare: vec![Compare {
                target: CompareTarget::Create.into(),
                key: key.clone(),
                target_union: Some(TargetUnion::CreateRevision(0)),
                ..Compare::default()
            }],
            success: vec![RequestOp { request: Some(RequestOpKind::Put(put(key.clone()))) }],
            failure: vec![RequestOp { request: Some(RequestOpKind::Range(RangeRequest { key, ..range(false) })) }],
        }),
        Call::Range => Request::Range(RangeRequest { key, ..range(false) }),
        Call::SerializableRange => Request::Range(RangeRequest { key, ..range(true) }),
        Call::RangeAll => Request::Range(RangeRequest {
            key: Bytes::from_static(PREFIX),
            range_end: prefix_end(PREFIX),
            ..range(false)
        }),
    }
}

/// A store of so many keys with values of 100 bytes, each put `revisions` times.
pub fn filled(keys: usize, revisions: usize) -> KvStore {
    let mut store = KvStore::default();
    for _ in 0..revisions {
        for i in 0..keys {
            let mut txn = store.write();
            txn.put(&Bytes::from(format!("/registry/pods/default/pod-{i:07}")), Bytes::from(vec![b'v'; 100]), 0);
            txn.end();
        }
    }
    store
}

/// The same, as a snapshot file.
pub fn snapshot_of(keys: usize) -> Bytes {
    Backend::new(filled(keys, 1)).snapshot().expect("short keys")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_answered_and_every_watcher_told() {
        let mut load = Load::default();
        load.run(Call::Put, 100, 8);
        for call in [Call::Txn, Call::Range, Call::SerializableRange] {
            load.run(call, 20, 4);
        }
        assert_eq!(load.received, 40);
        load.run(Call::RangeAll, 1, 1);
        assert_eq!(load.received, 40 + 120);
        load.watch(50);
        load.fan_out(50);
        assert_eq!(load.received, 40 + 120 + 50);
        assert_eq!(filled(10, 3).entry_count(), 30);
    }
}
