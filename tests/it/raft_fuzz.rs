//! Raft under random faults: what must never happen does not, and when the faults end the group agrees.
//!
//! Members crash and come back from what they had made durable, messages are lost, doubled and overtake each other,
//! links break, the membership changes, logs are compacted. Everything follows from a seed.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use control_plane_lab::raft::{
    AnyConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState, Config, Entry,
    HardState, Index, MemStorage, Message, MessageType, PeerId, RawNode, ReadOnlyOption, Snapshot, SnapshotMetadata,
    SnapshotReport, StateType, Term,
};

const STEPS: u32 = 3_000;

#[test]
fn agreement_survives_faults() {
    for seed in 0..40 {
        World::new(seed).run();
    }
}

/// The same seed gives the same world: nothing else has a say.
#[test]
fn a_seed_decides_everything() {
    let trace = |seed| {
        let mut world = World::new(seed);
        world.run();
        format!("{:?}", world.members)
    };
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        // xorshift64*: any generator does here.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// The state machine: a running hash of all it applied, and the configuration.
#[derive(Clone, Debug, Default, PartialEq)]
struct Machine {
    applied: Index,
    digest: u64,
    conf_state: ConfState,
}

impl Machine {
    fn snapshot(&self, term: Term) -> Snapshot {
        let metadata = SnapshotMetadata { conf_state: self.conf_state.clone(), index: self.applied, term };
        Snapshot { data: Bytes::copy_from_slice(&self.digest.to_be_bytes()), metadata }
    }

    fn apply(&mut self, entry: &Entry) {
        assert_eq!(entry.index, self.applied.next(), "entries are applied in order, each once");
        self.applied = entry.index;
        for byte in entry.data.iter().chain(&entry.term.0.to_be_bytes()) {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[derive(Debug)]
struct Member {
    config: Config,
    raw: RawNode<MemStorage>,
    /// What survives a crash. With asynchronous writes it lags behind what Raft knows.
    disk: MemStorage,
    machine: Machine,
    /// The state machine as of the disk's snapshot.
    durable_machine: Machine,
    append_work: VecDeque<Message>,
    apply_work: VecDeque<Message>,
}

impl Member {
    fn take_snapshot(&mut self) {
        let applied = self.machine.applied;
        if applied > self.durable_machine.applied {
            let Snapshot { data, metadata } = self.machine.snapshot(Term::ZERO);
            self.disk.create_snapshot(applied, Some(metadata.conf_state), data).expect("applied entries are on disk");
            self.durable_machine = self.machine.clone();
            *self.raw.storage_mut() = self.disk.clone();
        }
    }
}

struct World {
    seed: u64,
    chance: Chance,
    members: Vec<Member>,
    network: Vec<Message>,
    /// `(from, to)` pairs that do not get through.
    broken: Vec<(PeerId, PeerId)>,
    leaders: BTreeMap<Term, PeerId>,
    /// What was ever applied at an index, by whomever.
    history: BTreeMap<Index, (Term, Bytes)>,
    proposals: u64,
}

impl World {
    fn new(seed: u64) -> World {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let voters: Vec<PeerId> = (1..=3).map(PeerId).collect();
        let template = Config {
            election_tick: 10,
            heartbeat_tick: 2,
            async_storage_writes: chance.one_in(2),
            check_quorum: chance.one_in(2),
            pre_vote: chance.one_in(2),
            max_size_per_msg: [0, 64, u64::MAX][chance.below(3)],
            max_inflight_msgs: [1, 4, 256][chance.below(3)],
            max_committed_size_per_ready: [0, 40][chance.below(2)],
            max_uncommitted_entries_size: 200,
            step_down_on_removal: chance.one_in(2),
            read_only_option: ReadOnlyOption::Safe,
            ..Config::default()
        };
        let members = (1..=5)
            .map(|id| {
                let mut disk = MemStorage::new();
                let mut machine = Machine::default();
                // The first three start from a snapshot that names them. Others join, and get a snapshot then: the
                // log alone does not say who was there at first.
                if id <= 3 {
                    machine.applied = Index(2);
                    machine.conf_state.voters = voters.clone();
                    disk.apply_snapshot(Arc::new(machine.snapshot(Term(1)))).expect("the disk is empty");
                }
                let config = Config { id: PeerId(id), seed: seed * 10 + id, ..template.clone() };
                let config = Config { applied: machine.applied, ..config };
                Member {
                    raw: RawNode::new(config.clone(), disk.clone()),
                    config,
                    disk,
                    durable_machine: machine.clone(),
                    machine,
                    append_work: VecDeque::new(),
                    apply_work: VecDeque::new(),
                }
            })
            .collect();
        World {
            seed,
            chance,
            members,
            network: Vec::new(),
            broken: Vec::new(),
            leaders: BTreeMap::new(),
            history: BTreeMap::new(),
            proposals: 0,
        }
    }

    fn run(&mut self) {
        for _ in 0..STEPS {
            self.fault();
            self.step();
            self.check();
        }
        self.broken.clear();
        self.settle();
    }

    /// Without faults the group finds a leader, and everyone in it applies the same.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 600, "seed {}: the group does not settle:\n{}", self.seed, self.summary());
            // Members that were removed are switched off, as an operator would: they may not know it themselves.
            let furthest = self.members.iter().max_by_key(|member| member.machine.applied).expect("there are members");
            let conf_state = furthest.machine.conf_state.clone();
            let groups = [conf_state.voters, conf_state.voters_outgoing, conf_state.learners];
            for member in &mut self.members {
                if groups.iter().any(|ids| ids.contains(&member.raw.id())) {
                    member.raw.tick();
                }
            }
            for _ in 0..60 {
                self.work();
                for message in std::mem::take(&mut self.network) {
                    self.deliver(message);
                }
            }
            self.check();
            if round % 20 == 19 {
                self.propose();
            }
            if round > 100 && self.has_settled() {
                return;
            }
        }
    }

    fn summary(&self) -> String {
        let line = |member: &Member| {
            let raft = member.raw.raft();
            let progress =
                if raft.state() == StateType::Leader { raft.tracker().progress.to_string() } else { String::new() };
            format!(
                "{} {} term {} lead {} last {} committed {} applied {} {}\n{progress}",
                raft.id(),
                raft.state(),
                raft.term(),
                raft.leader(),
                raft.last_index(),
                raft.committed(),
                member.machine.applied,
                raft.tracker().config
            )
        };
        self.members.iter().map(line).collect()
    }

    fn has_settled(&self) -> bool {
        let leaders = self.members.iter().filter(|member| member.raw.raft().state() == StateType::Leader);
        // A leader that was removed and switched off may still think that it leads.
        let Some(leader) = leaders.max_by_key(|member| member.raw.raft().term()) else { return false };
        let config = &leader.raw.raft().tracker().config;
        let in_group = |member: &&Member| {
            let id = member.raw.id();
            config.voters.contains(id) || config.learners.contains(&id)
        };
        let is_up_to_date = |member: &Member| {
            member.machine.applied == leader.raw.raft().last_index() && member.machine == leader.machine
        };
        !config.voters.is_joint() && self.members.iter().filter(in_group).all(is_up_to_date)
    }

    fn fault(&mut self) {
        let position = self.chance.below(self.members.len());
        match self.chance.below(400) {
            0 => self.crash(position),
            1..=6 => {
                let pair = (self.random_id(), self.random_id());
                self.broken.push(pair);
            }
            7..=9 => self.broken.clear(),
            10 => self.change_membership(),
            11 | 12 => self.compact(position),
            13 => {
                let to = self.random_id();
                self.members[position].raw.transfer_leader(to);
            }
            14 => {
                let to = self.random_id();
                self.members[position].raw.report_unreachable(to);
            }
            15 => self.members[position].raw.read_index(Bytes::from_static(b"read")),
            16..=60 => self.propose(),
            _ => {}
        }
    }

    fn random_id(&mut self) -> PeerId {
        PeerId(self.chance.below(self.members.len()) as u64 + 1)
    }

    fn step(&mut self) {
        let position = self.chance.below(self.members.len());
        if self.chance.one_in(2) {
            self.members[position].raw.tick();
        }
        self.work_of(position);
        for _ in 0..self.chance.below(6) {
            if self.network.is_empty() {
                break;
            }
            let choice = self.chance.below(self.network.len().min(20));
            let message = self.network.remove(choice);
            let is_broken = self.broken.contains(&(message.from, message.to));
            if is_broken || self.chance.one_in(50) {
                self.report_lost(&message);
                continue;
            }
            if self.chance.one_in(50) {
                self.network.push(message.clone());
            }
            self.deliver(message);
        }
    }

    fn report_lost(&mut self, message: &Message) {
        if message.msg_type == MessageType::MsgSnap {
            let sender = &mut self.members[message.from.0 as usize - 1];
            sender.raw.report_snapshot(message.to, SnapshotReport::Failure);
        }
    }

    fn deliver(&mut self, message: Message) {
        if message.msg_type == MessageType::MsgSnap {
            let sender = &mut self.members[message.from.0 as usize - 1];
            sender.raw.report_snapshot(message.to, SnapshotReport::Finish);
        }
        let member = &mut self.members[message.to.0 as usize - 1];
        if let Err(error) = member.raw.step(message) {
            assert!(!error.is_fatal(), "seed {}: {error}", self.seed);
        }
    }

    fn work(&mut self) {
        for position in 0..self.members.len() {
            while self.members[position].raw.has_ready() {
                self.handle_ready(position);
            }
            while self.storage_work(position) {}
        }
    }

    fn work_of(&mut self, position: usize) {
        if self.members[position].raw.has_ready() && self.chance.one_in(2) {
            self.handle_ready(position);
        }
        if self.chance.one_in(2) {
            self.storage_work(position);
        }
    }

    fn handle_ready(&mut self, position: usize) {
        let member = &mut self.members[position];
        let ready = member.raw.ready();
        if member.config.async_storage_writes {
            for message in ready.messages {
                match message.to {
                    PeerId::APPEND_THREAD => member.append_work.push_back(message),
                    PeerId::APPLY_THREAD => member.apply_work.push_back(message),
                    _ => self.network.push(message),
                }
            }
            return;
        }
        let (before, after): (Vec<_>, Vec<_>) = ready.messages.into_iter().partition(Message::may_precede_write);
        self.network.extend(before);
        if self.chance.one_in(200) {
            // The write never happens. What could be sent before it may have been sent.
            self.crash(position);
            return;
        }
        self.persist(position, ready.hard_state, ready.snapshot, &ready.entries);
        self.network.extend(after);
        self.apply(position, &ready.committed_entries);
        self.members[position].raw.advance();
    }

    fn storage_work(&mut self, position: usize) -> bool {
        let member = &mut self.members[position];
        if let Some(mut work) = member.append_work.pop_front() {
            let responses = std::mem::take(&mut work.responses);
            let hard_state = HardState { term: work.term, vote: work.vote, commit: work.commit };
            let hard_state = Some(hard_state).filter(|hard_state| !hard_state.is_empty());
            self.persist(position, hard_state, work.snapshot, &work.entries);
            self.respond(position, responses);
        } else if let Some(work) = member.apply_work.pop_front() {
            self.apply(position, &work.entries);
            self.respond(position, work.responses);
        } else {
            return false;
        }
        true
    }

    fn respond(&mut self, position: usize, responses: Vec<Message>) {
        let own = self.members[position].raw.id();
        let (to_self, to_others): (Vec<_>, Vec<_>) = responses.into_iter().partition(|m| m.to == own);
        to_self.into_iter().for_each(|message| self.deliver(message));
        self.network.extend(to_others);
    }

    fn persist(
        &mut self,
        position: usize,
        hard_state: Option<HardState>,
        snapshot: Option<Arc<Snapshot>>,
        entries: &[Entry],
    ) {
        let member = &mut self.members[position];
        if let Some(snapshot) = snapshot {
            let digest = u64::from_be_bytes(snapshot.data[..].try_into().expect("a snapshot is a digest"));
            let SnapshotMetadata { conf_state, index, .. } = snapshot.metadata.clone();
            member.machine = Machine { applied: index, digest, conf_state };
            member.durable_machine = member.machine.clone();
            member.disk.apply_snapshot(snapshot).expect("only newer snapshots are restored");
        }
        if let Some(hard_state) = hard_state {
            member.disk.set_hard_state(hard_state);
        }
        member.disk.append(entries);
        *member.raw.storage_mut() = member.disk.clone();
    }

    fn apply(&mut self, position: usize, entries: &[Entry]) {
        let member = &mut self.members[position];
        for entry in entries {
            let first = self.history.entry(entry.index).or_insert((entry.term, entry.data.clone()));
            assert_eq!((first.0, &first.1), (entry.term, &entry.data), "seed {}: {}", self.seed, entry.index);
            if member.config.async_storage_writes && entry.index <= member.machine.applied {
                // A snapshot was restored while this waited to be applied.
                continue;
            }
            member.machine.apply(entry);
            if let Some(change) = AnyConfChange::from_entry(entry) {
                member.machine.conf_state = member.raw.apply_conf_change(change);
                // A peer that was added needs a snapshot that names it.
                member.take_snapshot();
            }
        }
    }

    /// Comes back with what is on disk, and applies again from the last snapshot.
    fn crash(&mut self, position: usize) {
        let member = &mut self.members[position];
        member.append_work.clear();
        member.apply_work.clear();
        member.machine = member.durable_machine.clone();
        let config = Config { applied: member.machine.applied, ..member.config.clone() };
        member.raw = RawNode::new(config, member.disk.clone());
        let own = member.raw.id();
        // Responses of its own storage were in no network, but here they could be.
        self.network.retain(|message| !(message.to == own && message.from == own));
    }

    /// Takes a snapshot of the state machine, and drops the log up to a little before it.
    fn compact(&mut self, position: usize) {
        let member = &mut self.members[position];
        member.take_snapshot();
        // An error only says that there is nothing to drop.
        let _ = member.disk.compact(Index(member.durable_machine.applied.0.saturating_sub(2)));
        *member.raw.storage_mut() = member.disk.clone();
    }

    fn propose(&mut self) {
        self.proposals += 1;
        let data = Bytes::from(format!("proposal {}", self.proposals));
        let position = self.chance.below(self.members.len());
        // It may be dropped: no leader, or too much uncommitted.
        let _ = self.members[position].raw.propose(data);
    }

    fn change_membership(&mut self) {
        let Some(leader) = self.members.iter().position(|m| m.raw.raft().state() == StateType::Leader) else { return };
        let config = self.members[leader].raw.raft().tracker().config.clone();
        let mut voters = config.voters.incoming.len();
        let types = [ConfChangeType::AddNode, ConfChangeType::RemoveNode, ConfChangeType::AddLearnerNode];
        let mut changes = Vec::new();
        for _ in 0..1 + self.chance.below(2) {
            let node_id = self.random_id();
            let change_type = types[self.chance.below(types.len())];
            if change_type != ConfChangeType::AddNode && config.voters.contains(node_id) {
                // A group of two cannot shrink safely: the one that leaves may be the only one that knows so.
                if voters <= 3 {
                    continue;
                }
                voters -= 1;
            }
            changes.push(ConfChangeSingle { change_type, node_id });
        }
        if changes.is_empty() {
            return;
        }
        let change = ConfChangeV2 { transition: ConfChangeTransition::Auto, changes, context: Bytes::new() };
        let _ = self.members[leader].raw.propose_conf_change(change);
    }

    fn check(&mut self) {
        for member in &mut self.members {
            // Drained, as a caller would.
            member.raw.drain_events().for_each(drop);
            let raft = member.raw.raft();
            assert!(raft.applied() <= raft.committed(), "seed {}", self.seed);
            assert!(raft.committed() <= raft.last_index(), "seed {}", self.seed);
            if raft.state() == StateType::Leader {
                let leader = self.leaders.entry(raft.term()).or_insert(raft.id());
                assert_eq!(*leader, raft.id(), "seed {}: two leaders in term {}", self.seed, raft.term());
            }
        }
    }
}
