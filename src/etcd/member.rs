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

use super::applier::{Applied, Applier};
use super::apply::quota::Quota;
use super::aside::{self, Aside};
use super::auth::{AuthStore, Tokens};
use super::backend::Backend;
use super::cluster::{Cluster, Machine, Peer};
use super::compactor::Compactor;
use super::corrupt::Corruption;
use super::error::{EtcdError, Status};
use super::forwards::Forwards;
use super::identity::Unjudged;
use super::internal::{Attributes, ClusterMemberAttrSetRequest, ClusterVersionSetRequest, InternalRaftRequest};
use super::join::{InitialClusterState, Joiner};
use super::lease::Lessor;
use super::leasing::Leasing;
use super::membership::{ConfigChangeContext, Membership};
use super::metrics::{self, Metrics};
use super::mvcc::{KvStore, WatchableStore};
use super::peers::Peers;
use super::proposals::{Proposals, Purpose};
use super::reads::Reads;
use super::reconfigure::Transfer;
use super::server::{Call, Connections};
use super::snap;
use super::wal::{self, Wal};
use super::wire::Wire;
use super::{Fact, Note, Outbox, Rule, VERSION};
use crate::raft::{
    self, AnyConfChange, ConfChange, ConfChangeType, ConfState, Config, Entry, EntryType, Index, Level, MemStorage,
    MessageType, PeerId, RawNode, Ready, Snapshot, SnapshotMetadata, StateType, Term,
};
use crate::sim::{Delivery, Disk, EventId, HostId, Micros, Prng, SimTime};
use bytes::Bytes;
use prost::Message as _;
use std::collections::{BTreeMap, VecDeque};
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
    /// Time to send watchers what had no room in their streams.
    RetryVictims,
    /// Time for the next batch of a compaction.
    Sweep,
    /// Time to see whether leases have ended.
    Leases,
    /// Time to note the revision, and perhaps to compact.
    Compactor,
    /// Time to compare hashes with the others.
    CorruptCheck,
    /// A note about the database is durable; nothing waits for it.
    Noted,
    /// A starting member has waited long enough for the others to say who is in the cluster.
    JoinTimeout,
    /// It was removed from the cluster a moment ago.
    Removed,
    /// The database that it writes is durable.
    SnapshotSaved,
    /// The log's record of that database is durable too.
    SnapshotNoted,
    /// The database that came from a leader is durable: the WAL may name it.
    ReceivedSaved,
    /// Time to tell idle watchers that asked for it how far the store has come.
    NotifyProgress,
}

/// etcd's retry of a ReadIndex that got no answer.
const READ_RETRY: Micros = Micros::from_millis(500);
/// How often slow watchers are given their past.
pub(super) const SYNC_WATCHERS: Micros = Micros::from_millis(100);
/// How often watchers whose streams were full are tried again.
pub(super) const RETRY_VICTIMS: Micros = Micros::from_millis(10);
/// `--experimental-watch-progress-notify-interval`.
const NOTIFY_PROGRESS: Micros = Micros::from_secs(600);
/// How often, and for how long, etcd looks whether its peers are there before the first election.
const FIRST_LOOK: Micros = Micros::from_millis(50);
const FIRST_LOOK_MAX: Micros = Micros::from_secs(5);
/// How long a removed member goes on, so that what it has to say still leaves.
const STOP_DELAY: Micros = Micros::from_secs(1);
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
    machine: Machine,
    pub(super) cluster_id: u64,
    pub(super) id: PeerId,
    pub(super) peers: Peers,
    node: RawNode<MemStorage>,
    pub(super) wal: Wal,
    /// Who takes part, as of the last change that was applied.
    pub(super) conf_state: ConfState,
    /// Where the database stands that is being written.
    pub(super) snapshotting: Option<SnapshotMetadata>,
    /// It is durable, but cannot be noted while a segment of the log is being cut.
    pub(super) snapshot_waits: bool,
    /// Who is sent a snapshot, and until when a receipt is waited for.
    pub(super) sending: BTreeMap<PeerId, SimTime>,
    /// The Ready whose records are on their way to the disk.
    saving: Option<Ready>,
    pub(super) applier: Applier,
    applied: Index,
    /// What was committed when it started, and is applied anew.
    replayed: Index,
    pub(super) connections: Connections,
    pub(super) proposals: Proposals,
    pub(super) reads: Reads,
    pub(super) transfers: Vec<Transfer>,
    pub(super) leasing: Leasing,
    /// Learners that the leader is asked to promote.
    pub(super) promotions: Forwards<u64>,
    pub(super) compactor: Compactor,
    pub(super) corruption: Corruption,
    /// Calls whose tokens this member cannot judge yet.
    pub(super) unjudged: Vec<Unjudged>,
    /// What the log does not say, still to be done again.
    asides: VecDeque<Aside>,
    /// Tokens and salts come from here.
    pub(super) chance: Prng,
    /// The event by which each entry that is not applied yet came here.
    origins: BTreeMap<Index, EventId>,
    lead: PeerId,
    /// Ticks without a leader, and whether there ever was one.
    leaderless: u32,
    pub(super) lost_leader_at: Option<SimTime>,
    pub(super) started_at: SimTime,
    pub(super) syncing_watchers: bool,
    pub(super) retrying_victims: bool,
    pub(super) published: bool,
    /// The cluster's version is on its way.
    pub(super) proposing_version: bool,
    pub(super) metrics: Metrics,
    /// When it was last told something.
    pub(super) clock: SimTime,
    stopped: bool,
}

/// What a disk has kept of a member.
struct Kept {
    log: wal::Recovered,
    database: Option<Backend>,
    asides: VecDeque<Aside>,
}

/// What became of a machine's attempt to start a member.
#[derive(Clone, Debug, Hash)]
pub enum Booted {
    Running(Box<Member>),
    /// It asks the others first.
    Joining(Joiner),
    /// It cannot start, and has said why.
    Refused,
}

/// What the member is told with everything: when, and by which event.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub now: SimTime,
    pub event: EventId,
}

impl Member {
    /// Starts a member on what its disk holds: a known one recovers; a new one begins as `state` says.
    pub fn boot(
        cluster: &Arc<Cluster>,
        host: HostId,
        disk: &mut Disk,
        state: InitialClusterState,
        seed: u64,
        now: Moment,
        out: &mut Outbox,
    ) -> Booted {
        let Some(machine) = cluster.machine(host) else { return Booted::Refused };
        let cut_torn_tail = cluster.rules.hold(Rule::CutTornTail);
        let recovered = match wal::recover(disk, cut_torn_tail) {
            Ok(recovered) => recovered,
            Err(error) => return refuse_start(format!("failed to read WAL, cannot be repaired: {error}"), out),
        };
        let database = match snap::open(disk, &recovered.snapshot, cluster) {
            Ok(database) => database,
            Err(why) => return refuse_start(why, out),
        };
        let last = recovered.last();
        let raft::HardState { term, commit, .. } = recovered.hard_state;
        if commit > last {
            return refuse_start(format!("state.commit {} is out of range", commit.0), out);
        }
        let torn_bytes = wal::repair(disk, &recovered);
        if recovered.is_whole() {
            out.fact(Fact::Started { term, last, commit, torn_bytes });
            let (asides, sound) = disk.file(aside::FILE).map(aside::recover).unwrap_or_default();
            disk.truncate(aside::FILE, sound);
            let kept = Kept { log: recovered, database, asides };
            return Booted::Running(Box::new(Member::recover(cluster, machine, kept, seed, now, out)));
        }
        recovered.segments.iter().for_each(|name| disk.remove(*name));
        match (state, cluster.peer_on(host)) {
            // At the world's beginning nobody can know anybody.
            (InitialClusterState::New, Some(_)) if now.now == SimTime::ZERO => {
                Booted::Running(Box::new(Member::bootstrap(cluster, machine, seed, now, out)))
            }
            (InitialClusterState::New, None) => refuse_start(
                format!("couldn't find local name \"{}\" in the initial cluster configuration", machine.name),
                out,
            ),
            _ => Booted::Joining(Joiner::begin(cluster, machine, state, out)),
        }
    }

    /// The first life of a member of a new cluster. Nothing may be on its disk.
    pub fn bootstrap(cluster: &Arc<Cluster>, machine: &Machine, seed: u64, now: Moment, out: &mut Outbox) -> Member {
        let peer = cluster.peer_on(machine.host).expect("only a member of --initial-cluster bootstraps");
        let entries = bootstrap_entries(cluster);
        let hard_state = raft::HardState { term: Term(1), vote: PeerId::NONE, commit: Index(entries.len() as u64) };
        let begun = wal::Recovered::begun(peer.id.0, cluster.id, hard_state, entries);
        Member::begin(cluster, machine, begun, &[], seed, now, out)
    }

    /// The first life of a member that was added to a running cluster. Nothing may be on its disk.
    pub fn join(
        cluster: &Arc<Cluster>,
        machine: &Machine,
        (id, cluster_id): (u64, u64),
        members: &[super::api::Member],
        seed: u64,
        now: Moment,
        out: &mut Outbox,
    ) -> Member {
        let begun = wal::Recovered::begun(id, cluster_id, raft::HardState::default(), Vec::new());
        Member::begin(cluster, machine, begun, members, seed, now, out)
    }

    /// Writes the first records of a log, and starts.
    fn begin(
        cluster: &Arc<Cluster>,
        machine: &Machine,
        begun: wal::Recovered,
        members: &[super::api::Member],
        seed: u64,
        now: Moment,
        out: &mut Outbox,
    ) -> Member {
        let last = begun.last();
        let raft::HardState { term, commit, .. } = begun.hard_state;
        out.fact(Fact::Started { term, last, commit, torn_bytes: 0 });
        let mut wal = Wal::create(begun.node_id, begun.cluster_id, cluster.snapshots.segment_bytes, out);
        if !begun.entries.is_empty() {
            wal.save(&begun.entries, Some(&begun.hard_state), out);
            out.fact(Fact::Appended { entries: begun.entries.as_slice().into() });
        }
        let mut member = Member::new(cluster, machine, begun, None, seed, now, out);
        member.wal = wal;
        member.know(members, now.now);
        out.sync(member.wal.tail(), Note::Member(MemberNote::Greet), None);
        member.pump(now, out);
        member.begin_compactor(out);
        member.arm_corrupt_check(out);
        member
    }

    /// Another life of a member.
    fn recover(
        cluster: &Arc<Cluster>,
        machine: &Machine,
        kept: Kept,
        seed: u64,
        now: Moment,
        out: &mut Outbox,
    ) -> Member {
        let replayed = kept.log.hard_state.commit;
        let mut member = Member::new(cluster, machine, kept.log, kept.database, seed, now, out);
        member.replayed = replayed;
        let start = member.applied;
        member.asides = kept.asides.into_iter().filter(|aside| aside.index() > start).collect();
        member.greet_peers(out);
        member.pump(now, out);
        if member.applier.restart(now.now) {
            member.note_aside(Aside::Restarted(member.applied), out);
        }
        if cluster.settings.initial_corrupt_check {
            member.compare(true, out);
        }
        member.begin_compactor(out);
        member.arm_corrupt_check(out);
        member
    }

    fn new(
        cluster: &Arc<Cluster>,
        machine: &Machine,
        log: wal::Recovered,
        database: Option<Backend>,
        seed: u64,
        now: Moment,
        out: &mut Outbox,
    ) -> Member {
        let id = PeerId(log.node_id);
        let mut applier = new_applier(cluster, log.cluster_id);
        let mut storage = MemStorage::new();
        let start = database.as_ref().map(|database| snap::stands_at(database, &log.snapshot)).unwrap_or_default();
        if let Some(database) = database {
            let snapshot = Snapshot { metadata: start.clone(), ..Snapshot::default() };
            storage.apply_snapshot(Arc::new(snapshot)).expect("the first one");
            applier.install(database);
        }
        storage.append(&log.entries);
        storage.set_hard_state(raft::HardState { commit: log.hard_state.commit.max(start.index), ..log.hard_state });
        let mut prng = Prng::stream(seed, &format!("member {} since {}", machine.name, now.now));
        let node = RawNode::new(Config { applied: start.index, ..raft_config(cluster, id, prng.next_u64()) }, storage);
        // The first tick comes at a phase of its own: machines do not start in step.
        out.wake(prng.span(cluster.timing.heartbeat), Note::Member(MemberNote::Tick));
        out.wake(NOTIFY_PROGRESS, Note::Member(MemberNote::NotifyProgress));
        // Ids of one life never meet those of another: the start time is part of them, as in etcd's id generator.
        let first = (id.0 << 48) | (((now.now.0 / 1_000) << 8) & 0xffff_ffff_ffff);
        let mut member = Member {
            cluster: cluster.clone(),
            machine: machine.clone(),
            cluster_id: log.cluster_id,
            id,
            peers: Peers::default(),
            node,
            wal: Wal::resume(&log, cluster.snapshots.segment_bytes),
            saving: None,
            applier,
            applied: start.index,
            conf_state: start.conf_state,
            snapshotting: None,
            snapshot_waits: false,
            sending: BTreeMap::new(),
            replayed: Index(0),
            connections: Connections::default(),
            proposals: Proposals::new(first),
            reads: Reads::new(first),
            transfers: Vec::new(),
            leasing: Leasing::default(),
            promotions: Forwards::default(),
            compactor: Compactor::new(cluster.settings.auto_compaction, now.now),
            corruption: Corruption::default(),
            unjudged: Vec::new(),
            asides: VecDeque::new(),
            chance: prng,
            origins: BTreeMap::new(),
            lead: PeerId::NONE,
            leaderless: 0,
            lost_leader_at: None,
            started_at: now.now,
            syncing_watchers: false,
            retrying_victims: false,
            published: false,
            proposing_version: false,
            metrics: Metrics::default(),
            clock: now.now,
            stopped: false,
        };
        // Members that its own log names, so that it can greet them before it has applied anything.
        let changes = log.entries.iter().filter_map(|entry| ConfigChangeContext::decode(&conf_change(entry)?.context));
        let mut named: Vec<super::api::Member> = changes.map(|context| context.member).collect();
        named.extend(member.applier.membership.list());
        member.know(&named, now.now);
        member
    }

    /// Notes where these members are reached.
    pub(super) fn know(&mut self, members: &[super::api::Member], now: SimTime) {
        for member in members.iter().filter(|member| PeerId(member.id) != self.id) {
            if let Some(host) = member.peer_urls.iter().find_map(|url| self.cluster.host_at(url)) {
                self.peers.add(PeerId(member.id), host, now);
            }
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

    pub(super) fn storage_mut(&mut self) -> &mut MemStorage {
        self.node.storage_mut()
    }

    /// Everything up to this entry is part of a store that came as a whole.
    pub(super) fn applied_up_to(&mut self, index: Index) {
        self.applied = index;
        self.origins.retain(|waiting, _| *waiting > index);
    }

    /// The leader as this member knows it, or [`PeerId::NONE`].
    pub fn lead(&self) -> PeerId {
        self.lead
    }

    /// Whether it must not run any longer.
    pub fn has_stopped(&self) -> bool {
        self.stopped
    }

    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    pub fn membership(&self) -> &Membership {
        &self.applier.membership
    }

    /// Hosts of the clients that are connected to it.
    pub fn clients(&self) -> impl Iterator<Item = HostId> {
        self.connections.hosts()
    }

    /// Whether a snapshot from the leader is about to take the place of its database.
    pub fn is_restoring(&self) -> bool {
        self.saving.as_ref().is_some_and(|ready| ready.snapshot.is_some())
    }

    /// Whether a write to the log is under way.
    pub fn is_saving(&self) -> bool {
        self.saving.is_some()
    }

    // What happens to it.

    /// A message arrived.
    pub fn receive(&mut self, at: Moment, from: HostId, wire: &Wire, out: &mut Outbox) {
        self.clock = at.now;
        match wire {
            Wire::Peer(message) if self.applier.membership.is_removed(message.from) => tell(from, Wire::Gone, out),
            Wire::Peer(message) => {
                self.peers.add(message.from, from, at.now);
                self.peers.heard(message.from, at.now, false);
                self.metrics.peer(message.from).received_bytes += u64::from(wire.size());
                self.count_message(at.now, message);
                snap::acknowledge(from, message, out);
                self.step(at, message.clone());
            }
            Wire::Greet { .. } | Wire::LinkHeartbeat => {
                let anew = matches!(wire, Wire::Greet { reply: true });
                if let Some(peer) = self.peers.on(from) {
                    self.peers.heard(peer, at.now, anew);
                    self.metrics.peer(peer).received_bytes += u64::from(wire.size());
                }
                if anew {
                    tell(from, Wire::Greet { reply: false }, out);
                }
            }
            Wire::SnapshotTaken => {
                if let Some(peer) = self.peers.on(from) {
                    self.snapshot_taken(at, peer);
                }
            }
            Wire::Gone => self.stop(Fact::Removed, out),
            Wire::MembersAsk => {
                let members = Wire::Members { cluster_id: self.cluster_id, members: self.applier.membership.list() };
                tell(from, members, out);
            }
            Wire::Members { .. } => {}
            Wire::LeaseAsk { number, ask } => self.lease_asked(at, from, *number, *ask, out),
            Wire::LeaseTell { number, tell } => self.lease_told(*number, tell.clone(), out),
            Wire::PromoteAsk { number, id } => self.promotion_asked(at, from, *number, *id, out),
            Wire::PromoteTell { number, tell } => self.promotion_told(*number, tell, out),
            Wire::HashKvAsk { number, revision } => self.hash_asked(from, *number, *revision, out),
            Wire::HashKvTell { number, tell } => self.hash_told(at, from, *number, tell, out),
            Wire::Client { conn, number, frame } => self.serve(at, from, *conn, *number, frame, out),
        }
        self.pump(at, out);
    }

    /// A timer ran out or the disk finished.
    pub fn wake(&mut self, at: Moment, note: MemberNote, out: &mut Outbox) {
        self.clock = at.now;
        match note {
            MemberNote::Tick => self.tick(at, out),
            MemberNote::Saved => self.saved(at, out),
            MemberNote::Greet => {
                self.metrics.wal_fsync.observe(at.now.since(self.started_at).0);
                self.greet_peers(out);
            }
            MemberNote::FirstElection => self.hurry_first_election(at, out),
            MemberNote::SyncWatchers => {
                self.syncing_watchers = false;
                self.applier.store.sync_watchers();
            }
            MemberNote::RetryVictims => {
                self.retrying_victims = false;
                self.applier.store.retry_victims();
            }
            MemberNote::Sweep => self.sweep(at.now, true, out),
            MemberNote::SnapshotSaved => self.snapshot_saved(at.now, out),
            MemberNote::SnapshotNoted => self.release_log(out),
            MemberNote::Leases => self.look_for_ended_leases(at, out),
            MemberNote::Compactor => self.auto_compact(at, out),
            MemberNote::CorruptCheck => self.corrupt_check(at, out),
            MemberNote::ReceivedSaved => self.received_saved(at, out),
            MemberNote::JoinTimeout | MemberNote::Noted => {}
            MemberNote::Removed => self.stop(Fact::Removed, out),
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

    pub(super) fn stop(&mut self, why: Fact, out: &mut Outbox) {
        self.stopped = true;
        out.fact(why);
    }

    fn greet_peers(&mut self, out: &mut Outbox) {
        for (_, host) in self.peers.iter() {
            tell(host, Wire::Greet { reply: true }, out);
        }
        out.wake(FIRST_LOOK, Note::Member(MemberNote::FirstElection));
    }

    /// `--initial-election-tick-advance`: a member that reaches its peers does not wait a whole time-out for its first
    /// leader.
    fn hurry_first_election(&mut self, at: Moment, out: &mut Outbox) {
        let ticks = self.cluster.timing.election_ticks();
        let alone = self.peers.is_empty();
        if alone || self.peers.heard_of() > 1 {
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
        let expired = self.reads.expire(since);
        self.metrics.slow_read_indexes += u64::from(!expired.is_empty());
        for reader in expired {
            self.answer(reader.conn, reader.call, &reader.request, Err(EtcdError::Timeout.into()), out);
        }
        self.expire_proposals(at, out);
        self.tend_leases(at, out);
        self.tend_promotions(at, out);
        self.finish_transfers(at.now, out);
        self.expire_snapshots(at);
        self.publish(at, out);
        for (peer, host) in self.peers.idle(at.now) {
            self.metrics.peer(peer).sent_bytes += u64::from(Wire::LinkHeartbeat.size());
            tell(host, Wire::LinkHeartbeat, out);
        }
        for (peer, _) in self.peers.iter() {
            self.metrics.peer_is(peer, self.peers.active_since(peer, at.now).is_some());
        }
    }

    /// Ends the streams of clients that asked for a leader, when there has been none for too long.
    fn watch_leader(&mut self, out: &mut Outbox) {
        self.leaderless = if self.lead == PeerId::NONE { self.leaderless + 1 } else { 0 };
        if self.leaderless == LEADERLESS_MAX * self.cluster.timing.election_ticks() {
            self.end_streams(&EtcdError::NoLeader.into(), out);
        }
    }

    pub(super) fn leads(&self) -> bool {
        self.node.raft().state() == StateType::Leader
    }

    pub(super) fn is_leaderless(&self) -> bool {
        self.lead == PeerId::NONE
    }

    fn step(&mut self, at: Moment, message: raft::Message) {
        // An error means that the message is not for this member's term or role; Raft's events say so.
        self.with_node(at, |node| node.step(message).ok());
    }

    /// Lets the node do something, and remembers by which event new entries came here.
    pub(super) fn with_node<R>(&mut self, at: Moment, act: impl FnOnce(&mut RawNode<MemStorage>) -> R) -> R {
        let before = self.node.raft().last_index();
        let result = act(&mut self.node);
        let after = self.node.raft().last_index();
        for index in before.0 + 1..=after.0 {
            self.origins.insert(Index(index), at.event);
        }
        result
    }

    /// Hands leadership to another member, as soon as that has every entry.
    pub(super) fn transfer_leader(&mut self, at: Moment, to: PeerId) {
        self.with_node(at, |node| node.transfer_leader(to));
    }

    /// Tells the cluster its name and where clients reach it, and, as the first leader, the cluster's version.
    fn publish(&mut self, at: Moment, out: &mut Outbox) {
        if self.lead == PeerId::NONE {
            return;
        }
        if !self.published {
            self.published = true;
            let Machine { name, client_url, .. } = self.machine.clone();
            let attributes = Attributes { name, client_urls: vec![client_url] };
            let request = ClusterMemberAttrSetRequest { member_id: self.id.0, member_attributes: Some(attributes) };
            let request =
                InternalRaftRequest { cluster_member_attr_set: Some(Box::new(request)), ..Default::default() };
            self.propose_own(at, Purpose::Publish, request, out);
        }
        let leads = self.lead == self.id;
        if leads
            && self.applier.membership.version.is_none()
            && !self.proposing_version
            && self.applier.membership.all_published()
        {
            self.proposing_version = true;
            let (minor, _) = VERSION.rsplit_once('.').expect("a version has three parts");
            let request = ClusterVersionSetRequest { ver: format!("{minor}.0") };
            let request = InternalRaftRequest { cluster_version_set: Some(Box::new(request)), ..Default::default() };
            self.propose_own(at, Purpose::Version, request, out);
        }
    }

    // Reads.

    /// Queues a call that must not see less than what was committed when it was asked.
    pub(super) fn read(&mut self, at: Moment, call: Call) {
        self.reads.queue(call);
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
        while self.saving.is_none() && !self.stopped && self.node.has_ready() {
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
                self.stopped = true;
                out.fact(Fact::Panicked { why: event.to_string() });
            }
            out.fact(Fact::Raft(Arc::new(event)));
        }
    }

    fn begin_ready(&mut self, at: Moment, mut ready: Ready, out: &mut Outbox) {
        if let Some(soft) = &ready.soft_state {
            self.metrics.forget_heartbeats();
            self.follow_leader(at, soft.lead, out);
        }
        self.report(out);
        let leads = self.leads();
        if !leads {
            self.demote_lessor(at, out);
        }
        let fsync_before_ack = self.cluster.rules.hold(Rule::FsyncBeforeAck);
        if leads || !fsync_before_ack {
            // What may go out before the disk is done, and what acknowledges and must wait for it. With the rule switched
            // off, nothing waits.
            let at_once = |message: &raft::Message| !fsync_before_ack || message.may_precede_write();
            let (first, later) = raft::split_messages(std::mem::take(&mut ready.messages), at_once);
            self.send_all(at, first, out);
            ready.messages = later;
        }
        match &ready.snapshot {
            // The log may name a database only when that is durable.
            Some(snapshot) => {
                self.write_snapshot(snapshot, out);
                self.metrics.began.received_sync = at.now;
                self.saving = Some(ready);
            }
            None => self.log(at, ready, out),
        }
    }

    /// The database of a Ready is durable.
    fn received_saved(&mut self, at: Moment, out: &mut Outbox) {
        if let Some(ready) = self.saving.take() {
            self.count_received(at.now);
            self.log(at, ready, out);
        }
    }

    fn log(&mut self, at: Moment, ready: Ready, out: &mut Outbox) {
        self.write(&ready, out);
        let cut = self.wal.cut_if_full(out);
        if ready.must_sync || ready.snapshot.is_some() || cut {
            let because = ready.entries.last().and_then(|entry| self.origins.get(&entry.index).copied());
            self.metrics.began.wal_sync = at.now;
            out.sync(self.wal.tail(), Note::Member(MemberNote::Saved), because);
            self.saving = Some(ready);
        } else {
            self.finish_ready(at, ready, out);
        }
    }

    fn write(&mut self, ready: &Ready, out: &mut Outbox) {
        if let Some(snapshot) = &ready.snapshot {
            self.wal.snapshot(&snapshot.metadata, out);
        }
        self.wal.save(&ready.entries, ready.hard_state.as_ref(), out);
        if !ready.entries.is_empty() {
            out.fact(Fact::Appended { entries: ready.entries.clone() });
        }
    }

    fn saved(&mut self, at: Moment, out: &mut Outbox) {
        self.wal.finish_cut(out);
        if std::mem::take(&mut self.snapshot_waits) {
            self.snapshot_saved(at.now, out);
        }
        if let Some(ready) = self.saving.take() {
            self.metrics.wal_fsync.observe(at.now.since(self.metrics.began.wal_sync).0);
            self.finish_ready(at, ready, out);
        }
    }

    /// The Ready's records are durable.
    fn finish_ready(&mut self, at: Moment, mut ready: Ready, out: &mut Outbox) {
        if let Some(snapshot) = ready.snapshot.take() {
            self.restore_snapshot(at, &snapshot, out);
        }
        let storage = self.node.storage_mut();
        if let Some(state) = &ready.hard_state {
            storage.set_hard_state(*state);
        }
        if let Some(last) = ready.entries.last() {
            storage.append(&ready.entries);
            out.fact(Fact::Persisted { last: last.index });
        }
        self.send_all(at, std::mem::take(&mut ready.messages), out);
        for state in std::mem::take(&mut ready.read_states) {
            if let Ok(round) = <[u8; 8]>::try_from(&state.request_ctx[..]) {
                let expected = self.reads.confirm(u64::from_be_bytes(round), state.index);
                self.metrics.slow_read_indexes += u64::from(!expected);
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
        self.maybe_snapshot(at.now, out);
        for call in self.reads.ready(self.applied) {
            self.answer_read(at, call, out);
        }
        self.begin_reads(at);
        self.settle_leases(at, out);
        self.take_up(at, out);
    }

    fn send_all(&mut self, at: Moment, messages: Vec<raft::Message>, out: &mut Outbox) {
        for mut message in messages {
            let Some(host) = self.peers.host(message.to) else { continue };
            if message.msg_type == MessageType::MsgSnap {
                self.fill_snapshot(at.now, &mut message);
                let peer = self.metrics.peer(message.to);
                let wire = Wire::Peer(message);
                peer.sent_bytes += u64::from(wire.size());
                tell(host, wire, out);
                continue;
            }
            self.peers.told(message.to, at.now);
            let origin = message.entries.last().and_then(|entry| self.origins.get(&entry.index).copied());
            // Raft bears that its messages are doubled, but a proposal that arrives twice is applied twice: it travels as
            // everything does on the TCP streams between real members.
            let is_proposal = message.msg_type == raft::MessageType::MsgProp;
            let delivery = if is_proposal { Delivery::Stream } else { Delivery::Datagram };
            let (to, beats) = (message.to, message.msg_type == MessageType::MsgHeartbeat);
            let wire = Wire::Peer(message);
            let bytes = wire.size();
            self.count_sent(at.now, to, bytes, beats);
            match origin {
                // The append was caused by what put the entry here, not by the disk that happened to be busy before.
                Some(event) => out.send_because(event, host, wire, bytes, delivery),
                None => out.send(host, wire, bytes, delivery),
            }
        }
    }

    fn follow_leader(&mut self, at: Moment, lead: PeerId, out: &mut Outbox) {
        if lead == self.lead {
            return;
        }
        if lead == PeerId::NONE {
            self.lost_leader_at = Some(at.now);
        } else {
            self.metrics.leader_changes += 1;
        }
        self.lead = lead;
        let abandoned = self.reads.abandon();
        self.metrics.read_indexes_failed += u64::from(!abandoned.is_empty());
        for reader in abandoned {
            self.answer(reader.conn, reader.call, &reader.request, Err(EtcdError::LeaderChanged.into()), out);
        }
        self.proposing_version = false;
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
            EntryType::EntryNormal if entry.data.is_empty() => {
                if self.leads() && entry.term == self.node.raft().term() {
                    self.promote_lessor(at, out);
                }
            }
            EntryType::EntryNormal => {
                self.apply_request(at, &entry, out);
                if entry.index == self.replayed && !self.cluster.rules.hold(Rule::ApplyOnce) {
                    self.apply_request(at, &entry, out);
                }
            }
            EntryType::EntryConfChange | EntryType::EntryConfChangeV2 => self.apply_conf_change(at, &entry, out),
        }
        while self.asides.front().is_some_and(|aside| aside.index() <= self.applied) {
            match self.asides.pop_front() {
                Some(Aside::Defragmented(_)) => self.applier.store.kv_mut().defragment(),
                Some(Aside::Restarted(_)) => drop(self.applier.restart(at.now)),
                Some(Aside::Rotted(_)) => drop(self.applier.store.kv_mut().rot()),
                None => {}
            }
        }
        if self.applied == self.replayed {
            self.applier.store.begin_counting();
        }
        let after = self.applier.store.kv().revision();
        out.fact(Fact::Applied { entry, revision: (after != before).then_some(after) });
    }

    /// Rewrites the database without its free pages.
    pub(super) fn defragment(&mut self, out: &mut Outbox) {
        self.applier.store.kv_mut().defragment();
        self.metrics.backend_defrag.observe(0);
        self.note_aside(Aside::Defragmented(self.applied), out);
    }

    /// A bit of its database flips. Nobody notices until hashes are compared.
    pub fn rot(&mut self, out: &mut Outbox) {
        if self.applier.store.kv_mut().rot() {
            self.note_aside(Aside::Rotted(self.applied), out);
        }
    }

    fn note_aside(&mut self, aside: Aside, out: &mut Outbox) {
        out.write(aside::FILE, aside.encode());
        out.sync(aside::FILE, Note::Member(MemberNote::Noted), None);
    }

    fn apply_request(&mut self, at: Moment, entry: &Entry, out: &mut Outbox) {
        let request = match InternalRaftRequest::decode(entry.data.clone()) {
            Ok(request) => request,
            // No member encoded this: the log is damaged, and etcd panics.
            Err(error) => return self.panic(format!("unmarshal should never fail: {error}"), out),
        };
        let id = request.header.as_ref().map_or(0, |header| header.id);
        let compacts = request.compaction.as_ref().map(|compaction| compaction.physical);
        let grants = request.lease_grant.is_some();
        let operation = metrics::operation(&request);
        let result = self.applier.apply(&request, Applied { index: entry.index, now: at.now });
        if entry.index > self.replayed {
            self.metrics.applied(operation, result.as_ref());
        }
        if grants {
            self.arm_lessor(at, out);
        }
        if let (Some(physical), Ok(_)) = (compacts, &result) {
            self.metrics.began.compaction = (entry.index > self.replayed).then_some(at.now);
            self.sweep(at.now, !physical, out);
        }
        if let Some(purpose) = self.proposals.take(id) {
            self.proposal_ended(at, purpose, result.map_err(Status::from), out);
        }
    }

    fn panic(&mut self, why: String, out: &mut Outbox) {
        self.stopped = true;
        out.fact(Fact::Panicked { why });
    }

    /// Removes what compaction left behind: one batch after another with pauses, or all of it for a caller that waits.
    fn sweep(&mut self, now: SimTime, with_pauses: bool, out: &mut Outbox) {
        let before = self.applier.store.kv().entry_count();
        let mut done = false;
        while !done {
            done = self.applier.store.kv_mut().compact_step(COMPACTION_BATCH);
            if !done && with_pauses {
                out.wake(COMPACTION_PAUSE, Note::Member(MemberNote::Sweep));
                break;
            }
        }
        let removed = before - self.applier.store.kv().entry_count();
        self.metrics.swept(now, removed as u64, done);
    }

    /// A change that does not fit any more when it comes back changes nothing; its proposer hears why.
    fn apply_conf_change(&mut self, at: Moment, entry: &Entry, out: &mut Outbox) {
        // No member encoded this: the log is damaged, and etcd panics.
        let Some(mut change) = conf_change(entry) else {
            return self.panic("unmarshal should never fail: not a ConfChange".to_owned(), out);
        };
        let result = self.applier.membership.validate(&change);
        let subject = change.node_id;
        match result {
            Ok(()) => self.take_in(at, &change, out),
            Err(_) => change.node_id = PeerId::NONE,
        }
        let id = change.id;
        match self.with_node(at, |node| node.try_apply_conf_change(change)) {
            Ok(conf_state) => self.conf_state = conf_state,
            Err(error) => return self.panic(error.to_string(), out),
        }
        match self.proposals.take(id) {
            Some(Purpose::Answer(call)) => {
                let result = result.map(|()| self.reconfigured(&call.request, subject)).map_err(Status::from);
                self.answer(call.conn, call.call, &call.request, result, out);
            }
            Some(Purpose::Promote(host, number)) => {
                let result = result.map(|()| self.applier.membership.list()).map_err(Status::from);
                self.tell_promotion(host, number, result, out);
            }
            _ => {}
        }
    }

    /// The cluster is another now.
    fn take_in(&mut self, at: Moment, change: &ConfChange, out: &mut Outbox) {
        self.applier.membership.apply(change);
        match change.change_type {
            ConfChangeType::RemoveNode if change.node_id == self.id => {
                out.wake(STOP_DELAY, Note::Member(MemberNote::Removed));
            }
            ConfChangeType::RemoveNode => self.peers.remove(change.node_id),
            _ => {
                let member: Vec<_> = self.applier.membership.member(change.node_id).cloned().into_iter().collect();
                self.know(&member, at.now);
            }
        }
    }
}

/// A lessor as the cluster's flags want it.
pub(super) fn new_lessor(cluster: &Cluster) -> Lessor {
    Lessor::new(cluster.timing.election).with_checkpoints(cluster.settings.lease_checkpoint)
}

/// A store as it is before the first entry.
fn new_applier(cluster: &Cluster, cluster_id: u64) -> Applier {
    let settings = &cluster.settings;
    let store = WatchableStore::new(KvStore::new(new_lessor(cluster)), settings.max_request_bytes).under(cluster.rules);
    let auth = AuthStore::new(Tokens::new(settings.auth_token, cluster_id));
    Applier::new(store, Quota::of_flag(settings.quota_backend_bytes), auth)
}

fn refuse_start(why: String, out: &mut Outbox) -> Booted {
    out.fact(Fact::Refused { why });
    Booted::Refused
}

/// Sends what belongs to the streams between members.
pub(super) fn tell(host: HostId, wire: Wire, out: &mut Outbox) {
    let bytes = wire.size();
    out.send(host, wire, bytes, Delivery::Stream);
}

/// The change that an entry holds. etcd proposes changes in their first form only.
fn conf_change(entry: &Entry) -> Option<ConfChange> {
    match AnyConfChange::from_entry(entry)? {
        AnyConfChange::V1(change) => Some(change),
        AnyConfChange::V2(_) => None,
    }
}

/// The entries with which every member of a new cluster begins: one for each member, already committed.
fn bootstrap_entries(cluster: &Cluster) -> Vec<Entry> {
    let entry = |(position, peer): (usize, &Peer)| {
        let Machine { name, peer_url, .. } = peer.machine.clone();
        let member = super::api::Member { id: peer.id.0, name, peer_urls: vec![peer_url], ..Default::default() };
        let context = ConfigChangeContext { member, is_promote: false }.encode();
        let change =
            ConfChange { change_type: ConfChangeType::AddNode, node_id: peer.id, context, ..Default::default() };
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
        rules: cluster.rules.of_raft(),
        seed,
        ..Config::default()
    }
}
