//! The Raft core itself, not a model of it, in every state that a small group can reach.
//!
//! Three members, each a `RawNode` on a `MemStorage`. What can happen: a member campaigns, a leader is given a proposal, a
//! message arrives, a member crashes, before or after the write that its last step asked for, and comes back with what was
//! written. Bounded are terms, elections, proposals and crashes, nothing else. That a write takes time shows in no state of
//! its own: what waits for it are messages, and those may be late anyway. Time stands still: there are no ticks, so no
//! heartbeats, and elections begin by themselves.
//!
//! There are two networks. In the wild one everything ever sent may arrive at any time, in any order, any number of times,
//! or never. In the lossy one messages on a line arrive in order and once, or never; it is what its size makes possible
//! with more entries.

use bytes::Bytes;
use control_plane_lab::raft::{
    AnyConfChange, ConfChange, ConfChangeType, ConfState, Config, Entry, Index, MemStorage, Message, MessageType,
    PeerId, RawNode, Ready, SafetyRules, Snapshot, SnapshotMetadata, StateType, Term,
};
use stateright::{Checker, Model, Property};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

/// Every member starts from a snapshot that names the voters.
const START: (Index, Term) = (Index(1), Term(1));

#[derive(Clone, Debug)]
struct Bounds {
    /// The first three vote; others may be added.
    members: u64,
    /// Membership changes that are proposed.
    changes: u8,
    terms: u64,
    /// Elections that begin, in whatever term.
    campaigns: u8,
    entries: u8,
    crashes: u8,
    is_wild: bool,
    /// Bytes of entries in a message; 0: one entry.
    message_bytes: u64,
    rules: SafetyRules,
}

impl Bounds {
    /// What `make test` has time for.
    const SMALL: Bounds = Bounds {
        members: 3,
        changes: 0,
        terms: 2,
        campaigns: 2,
        entries: 0,
        crashes: 1,
        is_wild: true,
        message_bytes: u64::MAX,
        rules: ALL,
    };
    /// What `make check-raft` goes through.
    const FULL: Bounds = Bounds { entries: 2, is_wild: false, ..Bounds::SMALL };
    const WILD: Bounds = Bounds { entries: 1, ..Bounds::SMALL };

    fn config(&self, id: PeerId) -> Config {
        Config {
            id,
            applied: START.0,
            check_quorum: false,
            pre_vote: false,
            max_size_per_msg: self.message_bytes,
            rules: self.rules,
            ..Config::default()
        }
    }
}

const ALL: SafetyRules = SafetyRules {
    one_vote_per_term: true,
    commit_own_term_only: true,
    confirm_reads: true,
    one_change_at_a_time: true,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Member {
    raw: RawNode<MemStorage>,
    applied: Index,
}

/// From whom to whom.
type Line = (PeerId, PeerId);

/// A promise that was broken on the way to a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Broken {
    Election,
    Completeness,
    StateMachine,
    Panicked,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Group {
    members: Vec<Arc<Member>>,
    /// By line: in the order in which they were sent, or, in the wild, each once and in an order of its own.
    network: BTreeMap<Line, Vec<Arc<Message>>>,
    campaigned: u8,
    proposed: u8,
    changed: u8,
    crashed: u8,
    // What only an onlooker knows.
    leaders: BTreeMap<Term, PeerId>,
    /// From the first index after the start on: the term of what was committed there, and in which term it was.
    committed: Vec<(Term, Term)>,
    applied: Vec<Entry>,
    broken: Option<Broken>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Action {
    /// A step of a member, and whether it crashes before the write that follows.
    Step(Step, bool),
    Crash(usize),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    Campaign(usize),
    Propose(usize),
    /// A leader is asked to add this member, or to remove it.
    Change(usize, ConfChangeType, PeerId),
    /// The message at this position of the line; on a lossy one those before it are lost.
    Deliver(Line, usize),
}

impl Group {
    fn start(bounds: &Bounds) -> Group {
        let voters = (1..=3).map(PeerId).collect();
        let conf_state = ConfState { voters, ..ConfState::default() };
        let metadata = SnapshotMetadata { conf_state, index: START.0, term: START.1 };
        let snapshot = Arc::new(Snapshot { data: Bytes::new(), metadata });
        let member = |id: PeerId| {
            let mut storage = MemStorage::new();
            storage.apply_snapshot(snapshot.clone()).expect("the storage is empty");
            Arc::new(Member::start(bounds.config(id), storage))
        };
        Group {
            members: (1..=bounds.members).map(PeerId).map(member).collect(),
            network: BTreeMap::new(),
            campaigned: 0,
            proposed: 0,
            changed: 0,
            crashed: 0,
            leaders: BTreeMap::new(),
            committed: Vec::new(),
            applied: Vec::new(),
            broken: None,
        }
    }

    fn member_mut(&mut self, position: usize) -> &mut Member {
        Arc::make_mut(&mut self.members[position])
    }

    fn perform(&mut self, bounds: &Bounds, action: &Action) {
        let position = match action {
            Action::Crash(position) => return self.crash(bounds, *position),
            Action::Step(step, _) => self.step(bounds, step),
        };
        self.look(position);
        if matches!(action, Action::Step(_, true)) {
            self.crash_before_write(bounds, position);
        } else {
            self.work(bounds, position);
        }
        self.forget_dead_messages();
    }

    /// Who made the step.
    fn step(&mut self, bounds: &Bounds, step: &Step) -> usize {
        match step {
            Step::Campaign(position) => {
                self.campaigned += 1;
                let _ = self.member_mut(*position).raw.campaign();
                *position
            }
            Step::Propose(position) => {
                self.proposed += 1;
                let data = Bytes::copy_from_slice(&[self.proposed]);
                let _ = self.member_mut(*position).raw.propose(data);
                *position
            }
            Step::Change(position, change_type, node_id) => {
                self.changed += 1;
                let change = ConfChange { change_type: *change_type, node_id: *node_id, ..ConfChange::default() };
                let _ = self.member_mut(*position).raw.propose_conf_change(change);
                *position
            }
            Step::Deliver(line, at) => {
                let message = Message::clone(&self.network[line][*at]);
                if !bounds.is_wild {
                    self.network.get_mut(line).expect("a message was on it").drain(..=*at);
                }
                let position = message.to.0 as usize - 1;
                if self.member_mut(position).raw.step(message).is_err_and(|error| error.is_fatal()) {
                    self.broken = Some(Broken::Panicked);
                }
                position
            }
        }
    }

    fn crash(&mut self, bounds: &Bounds, position: usize) {
        self.crashed += 1;
        let storage = self.members[position].raw.storage().clone();
        let config = bounds.config(self.members[position].raw.id());
        self.members[position] = Arc::new(Member::start(config, storage));
        self.forget_dead_messages();
    }

    /// What a leader may send before its own write is out already.
    fn crash_before_write(&mut self, bounds: &Bounds, position: usize) {
        let member = self.member_mut(position);
        let leads = member.raw.raft().state() == StateType::Leader;
        if member.raw.has_ready() {
            let messages = member.raw.ready().messages;
            self.send(bounds, messages.into_iter().filter(|message| leads && message.may_precede_write()).collect());
        }
        self.crash(bounds, position);
    }

    /// The Ready loop of one member.
    fn work(&mut self, bounds: &Bounds, position: usize) {
        while self.members[position].raw.has_ready() {
            let ready = self.member_mut(position).raw.ready();
            self.finish(bounds, position, ready);
        }
        self.member_mut(position).forget_luck();
    }

    /// Drops what no receiver will ever heed again: terms never fall, not even by a crash, and nobody who is not a
    /// candidate or the leader of a term any more becomes it again.
    fn forget_dead_messages(&mut self) {
        let members = &self.members;
        let is_alive = |message: &Arc<Message>| {
            let receiver = members[message.to.0 as usize - 1].raw.raft();
            let heeds = match message.msg_type {
                MessageType::MsgVoteResp => receiver.state() == StateType::Candidate,
                MessageType::MsgAppResp => receiver.state() == StateType::Leader,
                _ => true,
            };
            message.term > receiver.term() || (message.term == receiver.term() && heeds)
        };
        self.network.values_mut().for_each(|line| line.retain(is_alive));
        self.network.retain(|_, line| !line.is_empty());
    }

    fn finish(&mut self, bounds: &Bounds, position: usize, ready: Ready) {
        let member = self.member_mut(position);
        if let Some(hard_state) = ready.hard_state {
            member.raw.storage_mut().set_hard_state(hard_state);
        }
        member.raw.storage_mut().append(&ready.entries);
        self.send(bounds, ready.messages);
        for entry in ready.committed_entries {
            self.apply(position, entry);
        }
        self.member_mut(position).raw.advance();
        self.look(position);
    }

    fn send(&mut self, bounds: &Bounds, messages: Vec<Message>) {
        for message in messages {
            let line = self.network.entry((message.from, message.to)).or_default();
            let position = if bounds.is_wild {
                line.binary_search_by_key(&digest(&message), |sent| digest(sent))
            } else {
                Err(line.len())
            };
            if let Err(position) = position {
                line.insert(position, Arc::new(message));
            }
        }
    }

    fn apply(&mut self, position: usize, entry: Entry) {
        let member = self.member_mut(position);
        member.applied = entry.index;
        if let Some(change) = AnyConfChange::from_entry(&entry) {
            let _ = member.raw.try_apply_conf_change(change);
        }
        match self.applied.get((entry.index - START.0) as usize - 1) {
            None => self.applied.push(entry),
            Some(known) if *known == entry => {}
            Some(_) => self.broken = Some(Broken::StateMachine),
        }
    }

    /// What an onlooker notes: who leads, and what is committed.
    fn look(&mut self, position: usize) {
        let raft = self.members[position].raw.raft();
        let term = raft.term();
        let commits: Vec<Term> = (START.0.0 + 1..=raft.committed().0)
            .map(|index| raft.term_at(Index(index)).expect("nothing is compacted"))
            .collect();
        if raft.state() == StateType::Leader {
            let leader = *self.leaders.entry(term).or_insert(raft.id());
            // Of what was committed in earlier terms nothing may be missing.
            let earlier = self.committed.iter().enumerate().filter(|(_, (_, at))| *at < term);
            let is_complete =
                earlier.clone().all(|(offset, (of, _))| raft.term_at(START.0 + offset as u64 + 1) == Some(*of));
            if leader != raft.id() {
                self.broken = Some(Broken::Election);
            } else if !is_complete {
                self.broken = Some(Broken::Completeness);
            }
        }
        for (offset, of) in commits.into_iter().enumerate() {
            match self.committed.get(offset) {
                None => self.committed.push((of, term)),
                Some((known, _)) if *known == of => {}
                Some(_) => self.broken = Some(Broken::StateMachine),
            }
        }
    }

    /// Two logs with an entry of the same index and term are equal up to it.
    fn logs_match(&self) -> bool {
        let log = |member: &Member| {
            let raft = member.raw.raft();
            raft.entries(START.0.next(), raft.last_index().next()).expect("nothing is compacted")
        };
        let logs: Vec<Vec<Entry>> = self.members.iter().map(|member| log(member)).collect();
        let pair_matches = |one: &[Entry], other: &[Entry]| {
            let last_common = one.iter().zip(other).rposition(|(one, other)| one.term == other.term);
            last_common.is_none_or(|last| one[..=last] == other[..=last])
        };
        logs.iter().all(|one| logs.iter().all(|other| pair_matches(one, other)))
    }
}

fn digest(message: &Message) -> u64 {
    let mut hasher = DefaultHasher::new();
    message.hash(&mut hasher);
    hasher.finish()
}

impl Member {
    fn start(config: Config, storage: MemStorage) -> Member {
        let mut member = Member { raw: RawNode::new(config, storage), applied: START.0 };
        member.forget_luck();
        member
    }

    /// Election timeouts never run out here, and what happened has been looked at.
    fn forget_luck(&mut self) {
        self.raw.raft_mut().reseed(0);
        self.raw.drain_events().for_each(drop);
    }
}

impl Model for Bounds {
    type State = Group;
    type Action = Action;

    fn init_states(&self) -> Vec<Group> {
        vec![Group::start(self)]
    }

    fn actions(&self, group: &Group, actions: &mut Vec<Action>) {
        if group.broken.is_some() {
            return;
        }
        // All are alike at first: it does not matter who campaigns first.
        let candidates = if group.network.is_empty() && group.crashed == 0 { 1 } else { group.members.len() };
        let mut steps = Vec::new();
        for (position, member) in group.members.iter().enumerate() {
            let raft = member.raw.raft();
            let leads = raft.state() == StateType::Leader;
            let may_campaign = group.campaigned < self.campaigns && raft.term().0 < START.1.0 + self.terms;
            if position < candidates && !leads && may_campaign {
                steps.push(Step::Campaign(position));
            }
            if leads && group.proposed < self.entries {
                steps.push(Step::Propose(position));
            }
            if leads && group.changed < self.changes {
                for id in (1..=self.members).map(PeerId) {
                    let is_voter = raft.tracker().config.voters.contains(id);
                    let change_type = if is_voter { ConfChangeType::RemoveNode } else { ConfChangeType::AddNode };
                    steps.push(Step::Change(position, change_type, id));
                }
            }
            if group.crashed < self.crashes {
                actions.push(Action::Crash(position));
            }
        }
        for (line, messages) in &group.network {
            steps.extend((0..messages.len()).map(|at| Step::Deliver(*line, at)));
        }
        if group.crashed < self.crashes {
            actions.extend(steps.iter().map(|step| Action::Step(step.clone(), true)));
        }
        actions.extend(steps.into_iter().map(|step| Action::Step(step, false)));
    }

    fn next_state(&self, group: &Group, action: Action) -> Option<Group> {
        let mut next = group.clone();
        next.perform(self, &action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Bounds>> {
        vec![
            Property::always("election safety", |_, group: &Group| group.broken != Some(Broken::Election)),
            Property::always("log matching", |_, group: &Group| group.logs_match()),
            Property::always("leader completeness", |_, group: &Group| group.broken != Some(Broken::Completeness)),
            Property::always("state machine safety", |_, group: &Group| group.broken != Some(Broken::StateMachine)),
            Property::always("no member panics", |_, group: &Group| group.broken != Some(Broken::Panicked)),
            Property::sometimes("something is applied everywhere", |bounds, group: &Group| {
                let everything = START.0 + u64::from(bounds.entries) + 1;
                group.members.iter().all(|member| member.applied >= everything)
            }),
        ]
    }
}

/// All reachable states, with every property checked in each.
fn check(bounds: Bounds) {
    let began = Instant::now();
    let text = format!("{bounds:?}");
    let checker = bounds.checker().threads(2).spawn_bfs().join();
    println!(
        "{text}: {} states, {} distinct, {:.1} s",
        checker.state_count(),
        checker.unique_state_count(),
        began.elapsed().as_secs_f32()
    );
    checker.assert_properties();
}

#[test]
fn every_state_of_a_small_group_is_safe() {
    check(Bounds::SMALL);
}

/// It takes too long for every run of the tests: `make check-raft` asks for it.
#[test]
fn every_state_of_the_full_bounds_is_safe() {
    match std::env::var_os("LAB_CHECK_RAFT") {
        Some(_) => {
            check(Bounds::WILD);
            check(Bounds::FULL);
        }
        None => println!("full bounds: not asked for; make check-raft does"),
    }
}

/// One life at random within the bounds: what it broke, if anything.
fn walk(bounds: &Bounds, seed: u64) -> Option<Broken> {
    let mut luck = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |count: usize| {
        // xorshift64*: any generator does here.
        luck ^= luck >> 12;
        luck ^= luck << 25;
        luck ^= luck >> 27;
        (luck.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % count
    };
    let mut group = Group::start(bounds);
    for _ in 0..STEPS {
        let mut actions = Vec::new();
        bounds.actions(&group, &mut actions);
        let (arrivals, others): (Vec<Action>, Vec<Action>) =
            actions.into_iter().partition(|action| matches!(action, Action::Step(Step::Deliver(..), _)));
        let choice = if others.is_empty() || (!arrivals.is_empty() && below(8) > 0) { arrivals } else { others };
        if choice.is_empty() {
            break;
        }
        group.perform(bounds, &choice[below(choice.len())]);
        if group.broken.is_some() {
            break;
        }
    }
    group.broken
}

const STEPS: usize = 120;
const LOSSY: Bounds = Bounds { terms: 40, campaigns: 40, entries: 10, crashes: 0, is_wild: false, ..Bounds::SMALL };

/// With a rule broken some seed shows it; with the rule kept none of the same seeds shows anything.
#[track_caller]
fn is_found_out(what: &str, bounds: Bounds, rules: SafetyRules, seeds: u64, expected: Broken) {
    let broken = Bounds { rules, ..bounds.clone() };
    let found = (1..=seeds).find_map(|seed| Some((seed, walk(&broken, seed)?)));
    let (seed, which) = found.unwrap_or_else(|| panic!("{seeds} seeds do not show what {what} is for"));
    println!(
        "without {what}: seed {seed}: {which:?}; replay with: cargo test --no-default-features --test it raft_model"
    );
    assert_eq!(which, expected);
    for seed in 1..=seed {
        assert_eq!(walk(&bounds, seed), None, "seed {seed} with {what}");
    }
}

#[test]
fn an_older_term_committed_by_count_is_found_out() {
    let rules = SafetyRules { commit_own_term_only: false, ..ALL };
    let bounds = Bounds { message_bytes: 0, ..LOSSY };
    is_found_out("commit_own_term_only", bounds, rules, 2_000, Broken::Completeness);
}

#[test]
fn overlapping_memberships_are_found_out() {
    let rules = SafetyRules { one_change_at_a_time: false, ..ALL };
    let bounds = Bounds { members: 5, changes: 10, ..LOSSY };
    is_found_out("one_change_at_a_time", bounds, rules, 2_000, Broken::Completeness);
}
