//! The Raft core itself, not a model of it, in every state that a small group can reach.
//!
//! Three members, each a `RawNode` on a `MemStorage`. What can happen: a member campaigns, a leader is given a proposal, any
//! message that was ever sent arrives (again, late, in any order; one that never arrives is lost), a write to disk is
//! done, a member crashes and comes back with what was written. Bounded are terms, proposals and crashes, nothing else.
//! Time stands still: no ticks, so no heartbeats; elections begin by themselves. Messages stay in the network for ever, so
//! nothing has to be sent again.

use bytes::Bytes;
use control_plane_lab::raft::{
    ConfState, Config, Entry, Index, MemStorage, Message, PeerId, RawNode, Ready, SafetyRules, Snapshot,
    SnapshotMetadata, StateType, Term,
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
    members: u64,
    terms: u64,
    entries: u8,
    crashes: u8,
    /// Bytes of entries in a message; 0: one entry.
    message_bytes: u64,
    rules: SafetyRules,
}

impl Bounds {
    /// What `make test` has time for.
    const SMALL: Bounds = Bounds { members: 3, terms: 2, entries: 1, crashes: 0, message_bytes: u64::MAX, rules: ALL };
    /// What `make check-raft` goes through.
    const FULL: Bounds = Bounds { entries: 2, crashes: 1, ..Bounds::SMALL };

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
    /// On its way to the disk.
    saving: Option<Ready>,
    applied: Index,
}

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
    /// Everything ever sent, by digest.
    network: BTreeMap<u64, Arc<Message>>,
    proposed: u8,
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
    Campaign(usize),
    Propose(usize),
    Deliver(u64),
    Saved(usize),
    Crash(usize),
}

impl Group {
    fn start(bounds: &Bounds) -> Group {
        let voters: Vec<PeerId> = (1..=bounds.members).map(PeerId).collect();
        let conf_state = ConfState { voters: voters.clone(), ..ConfState::default() };
        let metadata = SnapshotMetadata { conf_state, index: START.0, term: START.1 };
        let snapshot = Arc::new(Snapshot { data: Bytes::new(), metadata });
        let member = |id: PeerId| {
            let mut storage = MemStorage::new();
            storage.apply_snapshot(snapshot.clone()).expect("the storage is empty");
            Arc::new(Member::start(bounds.config(id), storage))
        };
        Group {
            members: voters.into_iter().map(member).collect(),
            network: BTreeMap::new(),
            proposed: 0,
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
            Action::Campaign(position) => {
                let _ = self.member_mut(*position).raw.campaign();
                *position
            }
            Action::Propose(position) => {
                self.proposed += 1;
                let data = Bytes::copy_from_slice(&[self.proposed]);
                let _ = self.member_mut(*position).raw.propose(data);
                *position
            }
            Action::Deliver(digest) => {
                let message = Message::clone(&self.network[digest]);
                let position = message.to.0 as usize - 1;
                if self.member_mut(position).raw.step(message).is_err_and(|error| error.is_fatal()) {
                    self.broken = Some(Broken::Panicked);
                }
                position
            }
            Action::Saved(position) => {
                if let Some(ready) = self.member_mut(*position).saving.take() {
                    self.finish(*position, ready);
                }
                *position
            }
            Action::Crash(position) => {
                self.crashed += 1;
                let storage = self.members[*position].raw.storage().clone();
                let config = bounds.config(self.members[*position].raw.id());
                self.members[*position] = Arc::new(Member::start(config, storage));
                *position
            }
        };
        self.work(position);
    }

    /// The Ready loop of one member, as far as it goes without the disk.
    fn work(&mut self, position: usize) {
        self.look(position);
        while self.members[position].saving.is_none() && self.members[position].raw.has_ready() {
            let member = self.member_mut(position);
            let mut ready = member.raw.ready();
            if member.raw.raft().state() == StateType::Leader {
                let (first, later) = ready.messages.drain(..).partition(Message::may_precede_write);
                ready.messages = later;
                self.send(first);
            }
            if ready.must_sync {
                self.member_mut(position).saving = Some(ready);
            } else {
                self.finish(position, ready);
            }
        }
        self.member_mut(position).forget_luck();
    }

    fn finish(&mut self, position: usize, ready: Ready) {
        let member = self.member_mut(position);
        if let Some(hard_state) = ready.hard_state {
            member.raw.storage_mut().set_hard_state(hard_state);
        }
        member.raw.storage_mut().append(&ready.entries);
        self.send(ready.messages);
        for entry in ready.committed_entries {
            self.apply(position, entry);
        }
        self.member_mut(position).raw.advance();
        self.look(position);
    }

    fn send(&mut self, messages: Vec<Message>) {
        for message in messages {
            let mut hasher = DefaultHasher::new();
            message.hash(&mut hasher);
            self.network.insert(hasher.finish(), Arc::new(message));
        }
    }

    fn apply(&mut self, position: usize, entry: Entry) {
        self.member_mut(position).applied = entry.index;
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

impl Member {
    fn start(config: Config, storage: MemStorage) -> Member {
        let mut member = Member { raw: RawNode::new(config, storage), saving: None, applied: START.0 };
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
        for (position, member) in group.members.iter().enumerate() {
            let raft = member.raw.raft();
            let leads = raft.state() == StateType::Leader;
            if position < candidates && !leads && raft.term().0 < START.1.0 + self.terms {
                actions.push(Action::Campaign(position));
            }
            if leads && group.proposed < self.entries {
                actions.push(Action::Propose(position));
            }
            if member.saving.is_some() {
                actions.push(Action::Saved(position));
            }
            if group.crashed < self.crashes {
                actions.push(Action::Crash(position));
            }
        }
        actions.extend(group.network.keys().map(|digest| Action::Deliver(*digest)));
    }

    fn next_state(&self, group: &Group, action: Action) -> Option<Group> {
        let mut next = group.clone();
        next.perform(self, &action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Bounds>> {
        let is = |group: &Group, broken| group.broken != Some(broken);
        let _ = is;
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

/// Hours are not at hand in every test run: `make check-raft` asks for it.
#[test]
fn every_state_of_the_full_bounds_is_safe() {
    match std::env::var_os("LAB_CHECK_RAFT") {
        Some(_) => check(Bounds::FULL),
        None => println!("full bounds: not asked for; make check-raft does"),
    }
}
