//! One etcd member: it drives a Raft node, makes its log durable, applies what is committed and serves clients.
//!
//! The Ready loop, one Ready at a time, with etcd's ordering:
//!
//! ```text
//!   Ready ─┬─ leader: messages go out at once, in parallel with its own write
//!          ├─ HardState and entries ──> WAL ──fsync──┐
//!          └─ follower: messages wait ───────────────┴──> sent; committed entries applied; advance; next Ready
//! ```
//!
//! It is not the physical machine: power, wires and disk belong to `sim`. A restart is a new `Member` booted from what
//! the disk still holds.
//! Upstream: `server/etcdserver/raft.go`, `server.go`.
// Simplified: the store is rebuilt from the whole log at start-up instead of from a backend file; etcd keeps both.

use super::api::Request;
use super::applier::Applier;
use super::cluster::{Cluster, Peer};
use super::error::{Code, EtcdError, Status};
use super::internal::{
    Attributes, ClusterMemberAttrSetRequest, ClusterVersionSetRequest, InternalRaftRequest, RequestHeader,
};
use super::lease::Lessor;
use super::mvcc::{KvStore, WatchableStore};
use super::reads::{Reader, Reads};
use super::server::Connections;
use super::wal;
use super::wire::{CallId, ConnId, Wire};
use super::{Fact, Note, Outbox, VERSION};
use crate::raft::{
    self, AnyConfChange, ConfChange, ConfChangeType, Config, Entry, EntryType, Index, Level, MemStorage, PeerId,
    RawNode, Ready, StateType, Term,
};
use crate::sim::{Delivery, Disk, EventId, HostId, Micros, Prng, SimTime};
use bytes::Bytes;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What happens to a member by its own clock or disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemberNote {
    /// One heartbeat interval passed.
    Tick,
    /// The WAL is durable up to the Ready that is being saved.
    Saved,
    /// The first records of a new log are durable: say hello to the others.
    Greet,
    /// Time to see whether peers are there, so that the first election need not wait so long.
    FirstElection,
    /// Time to let slow watchers catch up.
    SyncWatchers,
    /// Time for the next batch of a compaction.
    Sweep,
    /// Time to tell idle watchers that asked for it how far the store has come.
    NotifyProgress,
}

/// `--max-request-bytes`: 1.5 MiB.
pub const REQUEST_BYTES_MAX: usize = 3 << 19;
/// etcd refuses proposals while this many committed entries wait to be applied.
const APPLY_GAP_MAX: u64 = 5_000;
/// etcd's retry of a ReadIndex that got no answer.
const READ_RETRY: Micros = Micros::from_millis(500);
/// How often slow watchers are given their past.
pub(super) const SYNC_WATCHERS: Micros = Micros::from_millis(100);
/// `--experimental-watch-progress-notify-interval`.
const NOTIFY_PROGRESS: Micros = Micros::from_secs(600);
/// How often, and for how long, etcd looks whether its peers are there before the first election.
const FIRST_LOOK: Micros = Micros::from_millis(50);
const FIRST_LOOK_MAX: Micros = Micros::from_secs(5);
/// Election time-outs without a leader after which streams that require one are ended.
const LEADERLESS_MAX: u32 = 3;
/// etcd's `--experimental-compaction-batch-limit` and the pause between two batches.
const COMPACTION_BATCH: usize = 1_000;
const COMPACTION_PAUSE: Micros = Micros::from_millis(10);
/// etcd's limits of one append message.
const APPEND_BYTES_MAX: u64 = 1 << 20;
const INFLIGHT_MAX: usize = 512;

#[derive(Clone, Debug, Hash)]
pub struct Member {
    pub(super) cluster: Arc<Cluster>,
    pub(super) id: PeerId,
    node: RawNode<MemStorage>,
    wal: wal::Encoder,
    /// The Ready whose records are on their way to the disk.
    saving: Option<Ready>,
    pub(super) applier: Applier,
    applied: Index,
    pub(super) connections: Connections,
    proposals: Proposals,
    pub(super) reads: Reads,
    /// The event by which each entry that is not applied yet came here.
    origins: BTreeMap<Index, EventId>,
    lead: PeerId,
    /// Ticks without a leader, and whether there ever was one.
    leaderless: u32,
    lost_leader_at: Option<SimTime>,
    started_at: SimTime,
    /// Peers that were heard of in this life.
    greeted: BTreeSet<PeerId>,
    pub(super) syncing_watchers: bool,
    published: bool,
    panicked: bool,
}

/// What this member has proposed and not yet answered.
#[derive(Clone, Debug, Hash)]
struct Proposals {
    next_id: u64,
    /// Without a leader a proposal waits.
    parked: VecDeque<(u64, Bytes)>,
    waiting: BTreeMap<u64, Proposal>,
    /// By the time they run out.
    deadlines: VecDeque<(SimTime, u64)>,
    /// The cluster's version is on its way.
    version: bool,
}

#[derive(Clone, Debug, Hash)]
struct Proposal {
    began: SimTime,
    /// Nobody: the member's own.
    caller: Option<(ConnId, CallId, Request)>,
}

/// What the member is told with everything: when, and by which event.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub now: SimTime,
    pub event: EventId,
}

impl Member {
    /// Starts a member on what its disk holds: a new one writes its first records, a known one recovers.
    pub fn boot(
        cluster: &Arc<Cluster>,
        host: HostId,
        disk: &mut Disk,
        seed: u64,
        now: Moment,
        out: &mut Outbox,
    ) -> Option<Member> {
        let peer = cluster.peer_on(host)?.clone();
        let recovered = match disk.file(wal::FILE).map(wal::recover) {
            None => wal::Recovered::default(),
            Some(Ok(recovered)) => recovered,
            Some(Err(error)) => {
                out.fact(Fact::Refused { why: error.to_string() });
                return None;
            }
        };
        if recovered.hard_state.commit > recovered.entries.last().map_or(Index(0), |last| last.index) {
            out.fact(Fact::Refused { why: format!("state.commit {} is out of range", recovered.hard_state.commit.0) });
            return None;
        }
        let length = disk.file(wal::FILE).map_or(0, |file| file.len());
        disk.truncate(wal::FILE, recovered.sound);
        let fresh = recovered.sound == 0;
        let mut log = recovered.encoder;
        let raft::HardState { term, commit, .. } = recovered.hard_state;
        let last = recovered.entries.last().map_or(Index(0), |entry| entry.index);
        out.fact(Fact::Started { term, last, commit, torn_bytes: length - recovered.sound });
        let (mut hard_state, mut entries) = (recovered.hard_state, recovered.entries);
        if fresh {
            entries = bootstrap_entries(cluster);
            hard_state = raft::HardState { term: Term(1), vote: PeerId::NONE, commit: Index(entries.len() as u64) };
            let mut write = |chunk| out.write(wal::FILE, chunk);
            log.metadata(peer.id.0, cluster.id, &mut write);
            log.hard_state(&hard_state, &mut write);
            entries.iter().for_each(|entry| log.entry(entry, &mut write));
            out.fact(Fact::Appended { entries: entries.clone() });
        }
        let mut storage = MemStorage::new();
        storage.append(&entries);
        storage.set_hard_state(hard_state);
        let mut prng = Prng::stream(seed, &format!("member {} since {}", peer.name, now.now));
        let node = RawNode::new(raft_config(cluster, peer.id, prng.next_u64()), storage);
        let mut member = Member::new(cluster, &peer, node, log, now.now);
        // The first tick comes at a phase of its own: machines do not start in step.
        out.wake(prng.span(cluster.timing.heartbeat), Note::Member(MemberNote::Tick));
        if fresh {
            out.sync(wal::FILE, Note::Member(MemberNote::Greet), None);
        } else {
            member.greet_peers(out);
        }
        out.wake(NOTIFY_PROGRESS, Note::Member(MemberNote::NotifyProgress));
        member.pump(now, out);
        Some(member)
    }

    fn new(cluster: &Arc<Cluster>, peer: &Peer, node: RawNode<MemStorage>, wal: wal::Encoder, now: SimTime) -> Member {
        Member {
            cluster: cluster.clone(),
            id: peer.id,
            node,
            wal,
            saving: None,
            applier: Applier::new(WatchableStore::new(
                KvStore::new(Lessor::new(cluster.timing.election)),
                REQUEST_BYTES_MAX,
            )),
            applied: Index(0),
            connections: Connections::default(),
            // Ids of one life never meet those of another: the start time is part of them, as in etcd's id generator.
            proposals: Proposals::new((peer.id.0 << 48) | (((now.0 / 1_000) << 8) & 0xffff_ffff_ffff)),
            reads: Reads::default(),
            origins: BTreeMap::new(),
            lead: PeerId::NONE,
            leaderless: 0,
            lost_leader_at: None,
            started_at: now,
            greeted: BTreeSet::new(),
            syncing_watchers: false,
            published: false,
            panicked: false,
        }
    }

    // What the views and the checks read.

    pub fn id(&self) -> PeerId {
        self.id
    }

    pub fn raft(&self) -> &raft::Raft<MemStorage> {
        self.node.raft()
    }

    /// The log as far as it is on disk.
    pub fn storage(&self) -> &MemStorage {
        self.node.storage()
    }

    pub fn applied(&self) -> Index {
        self.applied
    }

    pub fn store(&self) -> &WatchableStore {
        &self.applier.store
    }

    pub fn members(&self) -> Vec<super::api::Member> {
        self.applier.membership.list()
    }

    /// The leader as this member knows it, or [`PeerId::NONE`].
    pub fn lead(&self) -> PeerId {
        self.lead
    }

    /// Whether it must not run any longer.
    pub fn has_panicked(&self) -> bool {
        self.panicked
    }

    /// Hosts of the clients that are connected to it.
    pub fn clients(&self) -> impl Iterator<Item = HostId> {
        self.connections.hosts()
    }

    /// Whether a write to the log is under way.
    pub fn is_saving(&self) -> bool {
        self.saving.is_some()
    }

    // What happens to it.

    /// A message arrived.
    pub fn receive(&mut self, at: Moment, from: HostId, wire: &Wire, out: &mut Outbox) {
        match wire {
            Wire::Peer(message) => self.step(at, message.clone()),
            Wire::Greet { reply } => {
                if let Some(peer) = self.cluster.peer_on(from) {
                    self.greeted.insert(peer.id);
                }
                if *reply {
                    let answer = Wire::Greet { reply: false };
                    let bytes = answer.size();
                    out.send(from, answer, bytes, Delivery::Stream);
                }
            }
            Wire::Client { conn, number, frame } => self.serve(at, from, *conn, *number, frame, out),
        }
        self.pump(at, out);
    }

    /// A timer ran out or the disk finished.
    pub fn wake(&mut self, at: Moment, note: MemberNote, out: &mut Outbox) {
        match note {
            MemberNote::Tick => self.tick(at, out),
            MemberNote::Saved => self.saved(at, out),
            MemberNote::Greet => self.greet_peers(out),
            MemberNote::FirstElection => self.hurry_first_election(at, out),
            MemberNote::SyncWatchers => {
                self.syncing_watchers = false;
                self.applier.store.sync_watchers();
            }
            MemberNote::Sweep => self.sweep(true, out),
            MemberNote::NotifyProgress => {
                out.wake(NOTIFY_PROGRESS, Note::Member(MemberNote::NotifyProgress));
                self.applier.store.notify_progress();
            }
        }
        self.pump(at, out);
    }

    /// The process is killed while its machine runs on: the machine resets every connection.
    pub fn kill(&self, out: &mut Outbox) {
        self.connections.reset_all(out);
    }

    fn greet_peers(&mut self, out: &mut Outbox) {
        for peer in self.cluster.peers.iter().filter(|peer| peer.id != self.id) {
            let wire = Wire::Greet { reply: true };
            let bytes = wire.size();
            out.send(peer.host, wire, bytes, Delivery::Stream);
        }
        out.wake(FIRST_LOOK, Note::Member(MemberNote::FirstElection));
    }

    /// `--initial-election-tick-advance`: a member that reaches its peers does not wait a whole time-out for its first
    /// leader.
    fn hurry_first_election(&mut self, at: Moment, out: &mut Outbox) {
        let ticks = self.cluster.timing.election_ticks();
        let alone = self.cluster.peers.len() == 1;
        if alone || self.greeted.len() > 1 {
            for _ in 0..ticks.saturating_sub(if alone { 1 } else { 2 }) {
                self.with_node(at, |node| node.tick());
            }
        } else if at.now.since(self.started_at) < FIRST_LOOK_MAX {
            out.wake(FIRST_LOOK, Note::Member(MemberNote::FirstElection));
        }
    }

    fn tick(&mut self, at: Moment, out: &mut Outbox) {
        out.wake(self.cluster.timing.heartbeat, Note::Member(MemberNote::Tick));
        self.with_node(at, |node| node.tick());
        self.watch_leader(out);
        if let Some(round) = self.reads.stale(at.now, at.now - READ_RETRY) {
            self.ask_read_index(at, round);
        }
        let since = at.now - self.cluster.timing.request_timeout();
        for reader in self.reads.expire(since) {
            self.answer(reader.conn, reader.call, &reader.request, Err(EtcdError::Timeout.into()), out);
        }
        self.expire_proposals(at.now, out);
        self.publish(at, out);
    }

    /// Ends the streams of clients that asked for a leader, when there has been none for too long.
    fn watch_leader(&mut self, out: &mut Outbox) {
        self.leaderless = if self.lead == PeerId::NONE { self.leaderless + 1 } else { 0 };
        if self.leaderless == LEADERLESS_MAX * self.cluster.timing.election_ticks() {
            self.end_streams(&EtcdError::NoLeader.into(), out);
        }
    }

    pub(super) fn is_leaderless(&self) -> bool {
        self.lead == PeerId::NONE
    }

    fn step(&mut self, at: Moment, message: raft::Message) {
        // An error means that the message is not for this member's term or role; Raft's events say so.
        self.with_node(at, |node| node.step(message).ok());
    }

    /// Lets the node do something, and remembers by which event new entries came here.
    fn with_node<R>(&mut self, at: Moment, act: impl FnOnce(&mut RawNode<MemStorage>) -> R) -> R {
        let before = self.node.raft().last_index();
        let result = act(&mut self.node);
        let after = self.node.raft().last_index();
        for index in before.0 + 1..=after.0 {
            self.origins.insert(Index(index), at.event);
        }
        result
    }

    // Proposals.

    /// Puts a client's request into the log; it is answered when it is applied here.
    pub(super) fn propose(&mut self, at: Moment, caller: (ConnId, CallId), call: Request, out: &mut Outbox) {
        if self.node.raft().committed().0.saturating_sub(self.applied.0) > APPLY_GAP_MAX {
            return self.answer(caller.0, caller.1, &call, Err(EtcdError::TooManyRequests.into()), out);
        }
        let id = self.proposals.next_id();
        let data = InternalRaftRequest::of(id, &call).encode_to_vec();
        if data.len() > REQUEST_BYTES_MAX {
            return self.answer(caller.0, caller.1, &call, Err(EtcdError::RequestTooLarge.into()), out);
        }
        let proposal = Proposal { began: at.now, caller: Some((caller.0, caller.1, call)) };
        self.submit(at, id, data.into(), proposal, out);
    }

    fn submit(&mut self, at: Moment, id: u64, data: Bytes, proposal: Proposal, out: &mut Outbox) {
        self.proposals.deadlines.push_back((at.now + self.cluster.timing.request_timeout(), id));
        self.proposals.waiting.insert(id, proposal);
        self.proposals.parked.push_back((id, data));
        self.propose_parked(at, out);
    }

    /// Hands parked proposals to Raft; without a leader they stay where they are, as in etcd, until they run out.
    fn propose_parked(&mut self, at: Moment, out: &mut Outbox) {
        while self.node.raft().leader() != PeerId::NONE {
            let Some((id, data)) = self.proposals.parked.pop_front() else { return };
            if let Err(error) = self.with_node(at, |node| node.propose(data)) {
                // A transfer of leadership is under way, or too much waits for commitment.
                let status = Status { code: Code::Unknown, message: error.to_string() };
                self.fail_proposal(id, status, out);
            }
        }
    }

    fn fail_proposal(&mut self, id: u64, status: Status, out: &mut Outbox) {
        match self.proposals.waiting.remove(&id).map(|proposal| proposal.caller) {
            Some(Some((conn, call, request))) => self.answer(conn, call, &request, Err(status), out),
            Some(None) => self.published = false,
            None => {}
        }
    }

    fn expire_proposals(&mut self, now: SimTime, out: &mut Outbox) {
        while self.proposals.deadlines.front().is_some_and(|(deadline, _)| *deadline <= now) {
            let Some((_, id)) = self.proposals.deadlines.pop_front() else { return };
            let Some(proposal) = self.proposals.waiting.get(&id) else { continue };
            let error = self.why_timed_out(proposal);
            self.proposals.parked.retain(|(parked, _)| *parked != id);
            self.fail_proposal(id, error.into(), out);
        }
    }

    /// Upstream: `parseProposeCtxErr`.
    fn why_timed_out(&self, proposal: &Proposal) -> EtcdError {
        match self.lost_leader_at {
            Some(lost) if lost > proposal.began => EtcdError::TimeoutDueToLeaderFail,
            _ => EtcdError::Timeout,
        }
    }

    /// Tells the cluster its name and where clients reach it, and, as the first leader, the cluster's version.
    fn publish(&mut self, at: Moment, out: &mut Outbox) {
        if self.lead == PeerId::NONE {
            return;
        }
        if !self.published {
            self.published = true;
            let peer = self.cluster.peer(self.id).expect("a member is one of its cluster's peers").clone();
            let attributes = Attributes { name: peer.name, client_urls: vec![peer.client_url] };
            let request = ClusterMemberAttrSetRequest { member_id: self.id.0, member_attributes: Some(attributes) };
            self.submit_own(at, out, |own| own.cluster_member_attr_set = Some(request));
        }
        let leads = self.lead == self.id;
        if leads
            && self.applier.membership.version.is_none()
            && !self.proposals.version
            && self.applier.membership.all_published()
        {
            self.proposals.version = true;
            let (minor, _) = VERSION.rsplit_once('.').expect("a version has three parts");
            let request = ClusterVersionSetRequest { ver: format!("{minor}.0") };
            self.submit_own(at, out, |own| own.cluster_version_set = Some(request));
        }
    }

    fn submit_own(&mut self, at: Moment, out: &mut Outbox, fill: impl FnOnce(&mut InternalRaftRequest)) {
        let id = self.proposals.next_id();
        let header = RequestHeader { id, ..RequestHeader::default() };
        let mut own = InternalRaftRequest { header: Some(header), ..InternalRaftRequest::default() };
        fill(&mut own);
        self.submit(at, id, own.encode_to_vec().into(), Proposal { began: at.now, caller: None }, out);
    }

    // Reads.

    /// Queues a call that must not see less than what was committed when it was asked.
    pub(super) fn read(&mut self, at: Moment, reader: Reader) {
        self.reads.queue(reader);
        self.begin_reads(at);
    }

    fn begin_reads(&mut self, at: Moment) {
        if let Some(round) = self.reads.begin(at.now) {
            self.ask_read_index(at, round);
        }
    }

    fn ask_read_index(&mut self, at: Moment, round: u64) {
        let context = Bytes::copy_from_slice(&round.to_be_bytes());
        self.with_node(at, |node| node.read_index(context));
    }

    // The Ready loop.

    /// Works until nothing is ready or the disk has to finish first, and sends what there is to say.
    fn pump(&mut self, at: Moment, out: &mut Outbox) {
        while self.saving.is_none() && !self.panicked && self.node.has_ready() {
            let ready = self.node.ready();
            self.begin_ready(at, ready, out);
        }
        self.report(out);
        self.tell_watchers(out);
    }

    /// Passes on what happened inside Raft.
    fn report(&mut self, out: &mut Outbox) {
        for event in self.node.drain_events() {
            if event.level() == Level::Fatal {
                self.panicked = true;
                out.fact(Fact::Panicked { why: event.to_string() });
            }
            out.fact(Fact::Raft(event));
        }
    }

    fn begin_ready(&mut self, at: Moment, mut ready: Ready, out: &mut Outbox) {
        if let Some(soft) = &ready.soft_state {
            self.follow_leader(at, soft.lead, out);
        }
        self.report(out);
        let leads = self.node.raft().state() == StateType::Leader;
        if leads || !self.cluster.rules.fsync_before_ack {
            let (first, later) =
                split_messages(std::mem::take(&mut ready.messages), self.cluster.rules.fsync_before_ack);
            self.send_all(first, out);
            ready.messages = later;
        }
        self.write(&ready, out);
        if ready.must_sync {
            let because = ready.entries.last().and_then(|entry| self.origins.get(&entry.index).copied());
            out.sync(wal::FILE, Note::Member(MemberNote::Saved), because);
            self.saving = Some(ready);
        } else {
            self.finish_ready(at, ready, out);
        }
    }

    fn write(&mut self, ready: &Ready, out: &mut Outbox) {
        let mut write = |chunk| out.write(wal::FILE, chunk);
        for entry in &ready.entries {
            self.wal.entry(entry, &mut write);
        }
        if let Some(state) = &ready.hard_state {
            self.wal.hard_state(state, &mut write);
        }
        if !ready.entries.is_empty() {
            out.fact(Fact::Appended { entries: ready.entries.clone() });
        }
    }

    fn saved(&mut self, at: Moment, out: &mut Outbox) {
        if let Some(ready) = self.saving.take() {
            self.finish_ready(at, ready, out);
        }
    }

    /// The Ready's records are durable.
    fn finish_ready(&mut self, at: Moment, mut ready: Ready, out: &mut Outbox) {
        let storage = self.node.storage_mut();
        if let Some(state) = &ready.hard_state {
            storage.set_hard_state(*state);
        }
        if let Some(last) = ready.entries.last() {
            storage.append(&ready.entries);
            out.fact(Fact::Persisted { last: last.index });
        }
        self.send_all(std::mem::take(&mut ready.messages), out);
        for state in std::mem::take(&mut ready.read_states) {
            if let Ok(round) = <[u8; 8]>::try_from(&state.request_ctx[..]) {
                self.reads.confirm(u64::from_be_bytes(round), state.index);
            }
        }
        let committed = std::mem::take(&mut ready.committed_entries);
        if let Some(last) = committed.last() {
            out.fact(Fact::Committed { index: last.index, term: last.term });
        }
        for entry in committed {
            self.apply(at, entry, out);
        }
        self.node.advance();
        for reader in self.reads.ready(self.applied) {
            self.answer_read(reader, out);
        }
        self.begin_reads(at);
    }

    fn send_all(&mut self, messages: Vec<raft::Message>, out: &mut Outbox) {
        for message in messages {
            let Some(peer) = self.cluster.peer(message.to) else { continue };
            let host = peer.host;
            let origin = message.entries.last().and_then(|entry| self.origins.get(&entry.index).copied());
            let wire = Wire::Peer(message);
            let bytes = wire.size();
            match origin {
                // The append was caused by what put the entry here, not by the disk that happened to be busy before.
                Some(event) => out.send_because(event, host, wire, bytes, Delivery::Datagram),
                None => out.send(host, wire, bytes, Delivery::Datagram),
            }
        }
    }

    fn follow_leader(&mut self, at: Moment, lead: PeerId, out: &mut Outbox) {
        if lead == self.lead {
            return;
        }
        if lead == PeerId::NONE {
            self.lost_leader_at = Some(at.now);
        }
        self.lead = lead;
        for reader in self.reads.abandon() {
            self.answer(reader.conn, reader.call, &reader.request, Err(EtcdError::LeaderChanged.into()), out);
        }
        self.proposals.version = false;
        self.propose_parked(at, out);
        self.begin_reads(at);
    }

    // Applying.

    fn apply(&mut self, at: Moment, entry: Entry, out: &mut Outbox) {
        assert!(entry.index.0 == self.applied.0 + 1, "entries are applied in order, each once");
        self.applied = entry.index;
        self.origins.remove(&entry.index);
        let before = self.applier.store.kv().revision();
        match entry.entry_type {
            EntryType::EntryNormal if entry.data.is_empty() => {}
            EntryType::EntryNormal => self.apply_request(&entry, out),
            EntryType::EntryConfChange | EntryType::EntryConfChangeV2 => self.apply_conf_change(at, &entry),
        }
        let after = self.applier.store.kv().revision();
        out.fact(Fact::Applied { entry, revision: (after != before).then_some(after) });
    }

    fn apply_request(&mut self, entry: &Entry, out: &mut Outbox) {
        let request = InternalRaftRequest::decode(entry.data.clone()).expect("every entry was encoded by a member");
        let id = request.header.as_ref().map_or(0, |header| header.id);
        let compacts = request.compaction.as_ref().map(|compaction| compaction.physical);
        let result = self.applier.apply(request);
        if let (Some(physical), Ok(_)) = (compacts, &result) {
            self.sweep(!physical, out);
        }
        let Some(proposal) = self.proposals.waiting.remove(&id) else { return };
        if let Some((conn, call, asked)) = proposal.caller {
            self.answer(conn, call, &asked, result, out);
        }
    }

    /// Removes what compaction left behind: one batch after another with pauses, or all of it for a caller that waits.
    fn sweep(&mut self, with_pauses: bool, out: &mut Outbox) {
        while !self.applier.store.kv_mut().compact_step(COMPACTION_BATCH) {
            if with_pauses {
                return out.wake(COMPACTION_PAUSE, Note::Member(MemberNote::Sweep));
            }
        }
    }

    fn apply_conf_change(&mut self, at: Moment, entry: &Entry) {
        let change = AnyConfChange::from_entry(entry).expect("every entry was encoded by a member");
        if let AnyConfChange::V1(change) = &change
            && let Some(peer) = self.cluster.peer(change.node_id)
        {
            self.applier.membership.add(peer.id, vec![peer.peer_url.clone()]);
        }
        self.with_node(at, |node| node.apply_conf_change(change));
    }
}

/// What may go out before the disk is done, and what acknowledges and must wait for it. With the rule switched off,
/// nothing waits.
fn split_messages(messages: Vec<raft::Message>, fsync_before_ack: bool) -> (Vec<raft::Message>, Vec<raft::Message>) {
    messages.into_iter().partition(|message| !fsync_before_ack || message.may_precede_write())
}

impl Proposals {
    fn new(first: u64) -> Proposals {
        Proposals {
            next_id: first,
            parked: VecDeque::new(),
            waiting: BTreeMap::new(),
            deadlines: VecDeque::new(),
            version: false,
        }
    }

    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

/// The entries with which every member of a new cluster begins: one for each member, already committed.
fn bootstrap_entries(cluster: &Cluster) -> Vec<Entry> {
    let entry = |(position, peer): (usize, &Peer)| {
        let change = ConfChange { change_type: ConfChangeType::AddNode, node_id: peer.id, ..ConfChange::default() };
        Entry { term: Term(1), index: Index(position as u64 + 1), ..AnyConfChange::V1(change).to_entry() }
    };
    cluster.peers.iter().enumerate().map(entry).collect()
}

fn raft_config(cluster: &Cluster, id: PeerId, seed: u64) -> Config {
    Config {
        id,
        election_tick: cluster.timing.election_ticks(),
        heartbeat_tick: 1,
        max_size_per_msg: APPEND_BYTES_MAX,
        max_inflight_msgs: INFLIGHT_MAX,
        check_quorum: true,
        pre_vote: true,
        seed,
        ..Config::default()
    }
}
