//! The rules of the paper, and of the contract with the caller, one test each. What several members do together is
//! told in `tests/testdata/raft/`.

use std::sync::Arc;

use bytes::Bytes;

use super::message::MessageType::*;
use super::*;

type Node = RawNode<MemStorage>;

fn conf_state(voters: u64) -> ConfState {
    ConfState { voters: (1..=voters).map(PeerId).collect(), ..ConfState::default() }
}

fn config() -> Config {
    Config { id: PeerId(1), check_quorum: false, pre_vote: false, ..Config::default() }
}

/// Member 1 of this many, with a log of these terms, all durable.
fn node_with(config: Config, voters: u64, terms: &[u64]) -> Node {
    let mut storage = MemStorage::with_conf_state(conf_state(voters));
    storage.append(&entries(1, terms));
    let term = Term(terms.last().copied().unwrap_or(0));
    storage.set_hard_state(HardState { term, ..HardState::default() });
    RawNode::new(config, storage)
}

fn node(voters: u64, terms: &[u64]) -> Node {
    node_with(config(), voters, terms)
}

fn entries(first: u64, terms: &[u64]) -> Vec<Entry> {
    let entry = |(offset, term): (usize, &u64)| Entry {
        term: Term(*term),
        index: Index(first + offset as u64),
        ..Entry::default()
    };
    terms.iter().enumerate().map(entry).collect()
}

fn message(msg_type: MessageType, from: u64, term: u64) -> Message {
    Message { msg_type, from: PeerId(from), to: PeerId(1), term: Term(term), ..Message::default() }
}

fn append(from: u64, term: u64, prev: (u64, u64), terms: &[u64], commit: u64) -> Message {
    let (log_term, index) = (Term(prev.0), Index(prev.1));
    let entries = entries(prev.1 + 1, terms);
    Message { log_term, index, entries, commit: Index(commit), ..message(MsgApp, from, term) }
}

/// Does all work at once, durably. What is to be sent.
fn work(node: &mut Node) -> Vec<Message> {
    let mut sent = Vec::new();
    while node.has_ready() {
        let ready = node.ready();
        let storage = node.storage_mut();
        if let Some(hard_state) = ready.hard_state {
            storage.set_hard_state(hard_state);
        }
        if let Some(snapshot) = ready.snapshot {
            storage.apply_snapshot(snapshot).unwrap();
        }
        storage.append(&ready.entries);
        sent.extend(ready.messages);
        node.advance();
    }
    sent
}

fn elect(node: &mut Node) -> Vec<Message> {
    node.campaign().unwrap();
    let mut sent = work(node);
    let term = node.raft().term().0;
    for peer in 2..=node.raft().tracker().config.voters.incoming.len() as u64 {
        node.step(message(MsgVoteResp, peer, term)).unwrap();
    }
    sent.extend(work(node));
    assert_eq!(node.raft().state(), StateType::Leader);
    sent
}

fn acknowledge(node: &mut Node, from: u64, index: u64) -> Vec<Message> {
    let term = node.raft().term().0;
    node.step(Message { index: Index(index), ..message(MsgAppResp, from, term) }).unwrap();
    work(node)
}

fn log_terms(node: &Node) -> Vec<u64> {
    (1..=node.raft().last_index().0).map(|index| node.term_at(Index(index)).unwrap().0).collect()
}

// Section 5.1: terms.

#[test]
fn a_newer_term_makes_anyone_a_follower() {
    for msg_type in [MsgApp, MsgAppResp, MsgVote, MsgVoteResp, MsgHeartbeat, MsgHeartbeatResp] {
        let mut leader = node(3, &[]);
        elect(&mut leader);
        leader.step(message(msg_type, 2, 9)).unwrap();
        assert_eq!((leader.raft().state(), leader.raft().term()), (StateType::Follower, Term(9)), "{msg_type}");
    }
}

#[test]
fn an_older_term_is_ignored() {
    let mut member = node(3, &[1, 2]);
    member.step(append(2, 1, (1, 1), &[1], 2)).unwrap();
    assert_eq!(work(&mut member), []);
    assert_eq!((log_terms(&member), member.raft().leader()), (vec![1, 2], PeerId::NONE));
}

// Section 5.2: elections.

#[test]
fn election_timeouts_spread_over_their_whole_range() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let member = node_with(Config { seed, ..config() }, 3, &[]);
        seen.insert(member.raft().randomized_election_timeout());
    }
    assert_eq!(seen, (10..20).collect());
}

#[test]
fn a_follower_that_hears_nothing_campaigns() {
    let mut member = node(3, &[1]);
    for _ in 0..member.raft().randomized_election_timeout() {
        assert_eq!(member.raft().state(), StateType::Follower);
        member.tick();
    }
    assert_eq!((member.raft().state(), member.raft().vote()), (StateType::Candidate, PeerId(1)));
    let requests: Vec<_> = work(&mut member).into_iter().map(|m| (m.to.0, m.msg_type, m.term, m.index)).collect();
    assert_eq!(requests, [(2, MsgVote, Term(2), Index(1)), (3, MsgVote, Term(2), Index(1))]);
}

#[test]
fn a_member_votes_once_per_term_and_only_for_complete_logs() {
    // (our terms, candidate's last term and index, granted)
    let cases = [
        (vec![1], (1, 1), true),
        (vec![1], (1, 2), true),
        (vec![1], (2, 1), true),
        (vec![1, 1], (1, 1), false),
        (vec![2], (1, 9), false),
        (vec![], (0, 0), true),
    ];
    for (terms, (term, index), granted) in cases {
        let mut member = node(3, &terms);
        let request = Message { log_term: Term(term), index: Index(index), ..message(MsgVote, 2, 5) };
        member.step(request.clone()).unwrap();
        member.step(Message { from: PeerId(3), index: Index(100), log_term: Term(9), ..request }).unwrap();
        let rejects: Vec<_> = work(&mut member).into_iter().map(|m| (m.to.0, m.reject)).collect();
        // The second candidate's log is good, too: it gets the vote only if the first did not.
        assert_eq!(rejects, [(2, !granted), (3, granted)], "{terms:?} {term}/{index}");
    }
}

#[test]
fn a_vote_is_remembered_over_a_crash() {
    let mut member = node(3, &[]);
    member.step(message(MsgVote, 2, 1)).unwrap();
    work(&mut member);
    let mut restarted = RawNode::new(config(), member.storage().clone());
    restarted.step(message(MsgVote, 3, 1)).unwrap();
    let answers: Vec<_> = work(&mut restarted).into_iter().map(|m| m.reject).collect();
    assert_eq!((restarted.raft().vote(), answers), (PeerId(2), vec![true]));
}

#[test]
fn a_candidate_gives_way_to_the_leader_of_its_term() {
    let mut member = node(3, &[]);
    member.campaign().unwrap();
    member.step(append(2, 1, (0, 0), &[1], 0)).unwrap();
    assert_eq!((member.raft().state(), member.raft().leader()), (StateType::Follower, PeerId(2)));
}

#[test]
fn a_lost_election_ends_the_candidacy() {
    let mut member = node(3, &[]);
    member.campaign().unwrap();
    work(&mut member);
    for peer in [2, 3] {
        member.step(Message { reject: true, ..message(MsgVoteResp, peer, 1) }).unwrap();
    }
    assert_eq!(member.raft().state(), StateType::Follower);
}

// Section 5.3: replication.

#[test]
fn a_leader_commits_what_a_majority_holds() {
    for (voters, acknowledging, committed) in [(1, 0, 1), (3, 0, 0), (3, 1, 1), (5, 1, 0), (5, 2, 1)] {
        let mut leader = node(voters, &[]);
        elect(&mut leader);
        for peer in 2..2 + acknowledging {
            acknowledge(&mut leader, peer, 1);
        }
        assert_eq!(leader.raft().committed(), Index(committed), "{acknowledging} of {voters}");
    }
}

#[test]
fn a_follower_takes_entries_that_follow_its_log_and_replaces_others() {
    // (our terms, previous entry, entries, log afterwards or the hint of the rejection)
    let cases = [
        (vec![1, 2], (2, 2), vec![3], Ok(vec![1, 2, 3])),
        (vec![1, 2], (1, 1), vec![3, 4], Ok(vec![1, 3, 4])),
        (vec![1, 2], (0, 0), vec![1], Ok(vec![1, 2])),
        (vec![1, 2], (0, 0), vec![3], Ok(vec![3])),
        // The hint: where the logs may still agree.
        (vec![1, 2], (3, 3), vec![3], Err((2, 2))),
        (vec![1, 3, 3], (2, 3), vec![4], Err((1, 1))),
    ];
    for (terms, prev, new, expected) in cases {
        let mut member = node(3, &terms);
        member.step(append(2, 5, prev, &new, 0)).unwrap();
        let answer = work(&mut member).pop().unwrap();
        match expected {
            Ok(log) => assert_eq!((answer.reject, log_terms(&member)), (false, log)),
            Err((term, index)) => {
                assert_eq!((answer.reject, answer.log_term, answer.reject_hint), (true, Term(term), Index(index)));
                assert_eq!(log_terms(&member), terms);
            }
        }
    }
}

#[test]
fn a_follower_commits_no_further_than_it_is_known_to_match() {
    let mut member = node(3, &[1, 1, 1]);
    member.step(append(2, 2, (1, 1), &[1], 3)).unwrap();
    assert_eq!(member.raft().committed(), Index(2));
}

#[test]
fn divergent_logs_are_probed_once_per_term() {
    let cases = [
        // The leader skips its own higher terms, ...
        (vec![1, 3, 3, 3, 5, 5, 5, 5, 5], 6, 2, (1, 1)),
        // ... and an index it compacted or does not have is a possible match.
        (vec![1, 1, 2], 9, 2, (0, 9)),
        (vec![2, 2], 2, 1, (0, 0)),
        (vec![1, 2, 2], 3, 2, (2, 3)),
    ];
    for (terms, index, term, (found_term, found_index)) in cases {
        let member = node(3, &terms);
        let found = member.raft().log.find_conflict_by_term(Index(index), Term(term));
        assert_eq!(found, EntryId { term: Term(found_term), index: Index(found_index) }, "{terms:?}");
    }
}

#[test]
fn the_search_by_halves_finds_what_a_search_one_by_one_would() {
    let terms = [1, 1, 2, 4, 4, 4, 7, 9, 9];
    let mut compacted = node(3, &terms);
    compacted.raft_mut().log.committed = Index(4);
    compacted.raft_mut().log.applied_to(Index(4), 0);
    compacted.storage_mut().compact(Index(4)).unwrap();
    for member in [node(3, &terms), compacted] {
        let log = &member.raft().log;
        for (index, term) in (0..12).flat_map(|index| (0..11).map(move |term| (Index(index), Term(term)))) {
            let mut expected = index;
            let mut found = EntryId::default();
            while expected > Index::ZERO {
                match log.term(expected) {
                    Ok(ours) if ours > term => expected = expected.prev(),
                    known => {
                        found = EntryId { term: known.unwrap_or_default(), index: expected };
                        break;
                    }
                }
            }
            assert_eq!(log.find_conflict_by_term(index, term), found, "{term}/{index}");
        }
    }
}

// Section 5.4: safety.

#[test]
fn a_leader_commits_earlier_terms_only_with_its_own() {
    let mut leader = node(3, &[1, 2]);
    elect(&mut leader);
    assert_eq!(log_terms(&leader), [1, 2, 3]);
    acknowledge(&mut leader, 2, 2);
    assert_eq!(leader.raft().committed(), Index(0));
    acknowledge(&mut leader, 2, 3);
    assert_eq!(leader.raft().committed(), Index(3));
}

#[test]
fn a_member_that_lost_what_it_acknowledged_must_stop() {
    let mut member = node(3, &[1]);
    let heartbeat = Message { commit: Index(5), ..message(MsgHeartbeat, 2, 1) };
    let error = member.step(heartbeat).unwrap_err();
    assert!(error.is_fatal());
    assert_eq!(
        error.to_string(),
        "tocommit(5) is out of range [lastIndex(1)]. Was the raft log corrupted, truncated, or lost?"
    );
    let fatal = member.drain_events().any(|event| event.level() == Level::Fatal);
    assert!(fatal);
}

#[test]
fn committed_entries_are_never_replaced() {
    let mut member = node(3, &[1]);
    member.step(append(2, 1, (1, 1), &[1], 2)).unwrap();
    assert_eq!(member.raft().committed(), Index(2));
    // Older than the commit index: acknowledged as committed, and not looked at.
    member.step(append(2, 1, (0, 0), &[1, 9], 2)).unwrap();
    assert_eq!(log_terms(&member), [1, 1]);
    assert_eq!(work(&mut member).last().map(|m| m.index), Some(Index(2)));
}

// The contract with the caller.

#[test]
fn acknowledgements_wait_for_the_write() {
    let config = Config { async_storage_writes: true, ..config() };
    let mut member = node_with(config, 3, &[]);
    member.step(append(2, 1, (0, 0), &[1], 0)).unwrap();
    let ready = member.ready();
    let [write] = &ready.messages[..] else { panic!("only the write: {:?}", ready.messages) };
    assert_eq!((write.msg_type, write.entries.len()), (MsgStorageAppend, 1));
    let waiting: Vec<_> = write.responses.iter().map(|m| (m.to, m.msg_type)).collect();
    assert_eq!(waiting, [(PeerId(2), MsgAppResp), (PeerId(1), MsgStorageAppendResp)]);
    assert!(!write.responses[0].may_precede_write());
}

#[test]
fn a_leader_counts_itself_only_when_its_write_is_done() {
    let mut leader = node(1, &[]);
    leader.campaign().unwrap();
    let ready = leader.ready();
    assert_eq!((leader.raft().state(), ready.must_sync), (StateType::Candidate, true));
    leader.advance();
    assert_eq!(leader.raft().state(), StateType::Leader);
    let ready = leader.ready();
    assert_eq!((ready.entries.len(), leader.raft().committed()), (1, Index(0)));
    leader.storage_mut().append(&ready.entries);
    leader.advance();
    assert_eq!(leader.raft().committed(), Index(1));
}

#[test]
fn local_messages_and_strangers_are_refused() {
    let mut member = node(3, &[]);
    for msg_type in MessageType::ALL.into_iter().filter(|msg_type| msg_type.is_local()) {
        assert_eq!(member.step(message(msg_type, 2, 0)), Err(RaftError::StepLocalMsg), "{msg_type}");
    }
    assert_eq!(member.step(message(MsgAppResp, 9, 1)), Err(RaftError::StepPeerNotFound));
}

#[test]
fn committed_entries_come_in_bounded_portions() {
    let size = Entry { term: Term(1), index: Index(1), ..Entry::default() }.encoded_size();
    let config = Config { max_committed_size_per_ready: 2 * size, ..config() };
    let mut member = node_with(config, 3, &[1, 1, 1, 1, 1]);
    member.step(append(2, 1, (1, 5), &[], 5)).unwrap();
    let mut portions = Vec::new();
    while member.has_ready() {
        portions.push(member.ready().committed_entries.len());
        member.advance();
    }
    assert_eq!(portions, [2, 2, 1]);
}

#[test]
fn entries_are_shared_not_copied() {
    let mut leader = node(2, &[]);
    elect(&mut leader);
    acknowledge(&mut leader, 2, 1);
    let data = Bytes::from(vec![7; 1000]);
    leader.propose(data.clone()).unwrap();
    let sent = work(&mut leader).pop().unwrap();
    assert_eq!(sent.entries[0].data.as_ptr(), data.as_ptr());
    assert_eq!(leader.storage().entry(Index(2)).unwrap().data.as_ptr(), data.as_ptr());
}

#[test]
fn a_clone_is_a_world_of_its_own() {
    let mut leader = node(3, &[]);
    elect(&mut leader);
    let before = leader.clone();
    leader.propose(Bytes::from_static(b"x")).unwrap();
    assert_ne!(leader, before);
    let mut again = before.clone();
    again.propose(Bytes::from_static(b"x")).unwrap();
    assert_eq!(leader, again);
}

#[test]
fn the_last_voter_cannot_be_removed() {
    let mut leader = node(1, &[]);
    elect(&mut leader);
    let before = leader.clone();
    let remove = ConfChange { change_type: ConfChangeType::RemoveNode, node_id: PeerId(1), ..ConfChange::default() };
    assert_eq!(leader.try_apply_conf_change(remove), Err(ConfChangeError::RemovedAllVoters));
    assert_eq!(leader, before);
}

// Snapshots and reads.

#[test]
fn a_snapshot_replaces_the_log_unless_the_log_has_it() {
    let metadata = SnapshotMetadata { conf_state: conf_state(3), index: Index(3), term: Term(2) };
    let snapshot = Some(Arc::new(Snapshot { data: Bytes::new(), metadata }));
    let mut behind = node(3, &[1]);
    behind.step(Message { snapshot: snapshot.clone(), ..message(MsgSnap, 2, 2) }).unwrap();
    assert!(behind.raft().pending_snapshot().is_some());
    behind.campaign().unwrap();
    assert_eq!(behind.raft().state(), StateType::Follower, "not before the snapshot is restored");
    work(&mut behind);
    assert_eq!((behind.raft().first_index(), behind.raft().applied()), (Index(4), Index(3)));

    let mut ahead = node(3, &[1, 1, 2, 2]);
    ahead.step(Message { snapshot, ..message(MsgSnap, 2, 2) }).unwrap();
    assert_eq!((ahead.raft().committed(), log_terms(&ahead)), (Index(3), vec![1, 1, 2, 2]));
}

#[test]
fn a_snapshot_without_this_member_is_not_for_it() {
    let others = ConfState { voters: vec![PeerId(2), PeerId(3)], ..ConfState::default() };
    let metadata = SnapshotMetadata { conf_state: others, index: Index(3), term: Term(2) };
    let snapshot = Some(Arc::new(Snapshot { data: Bytes::new(), metadata }));
    let mut member = node(3, &[1]);
    member.step(Message { snapshot, ..message(MsgSnap, 2, 2) }).unwrap();
    assert_eq!(member.raft().last_index(), Index(1));
}

#[test]
fn a_read_needs_a_quorum_that_still_follows() {
    let mut leader = node(5, &[]);
    elect(&mut leader);
    acknowledge(&mut leader, 2, 1);
    acknowledge(&mut leader, 3, 1);
    let context = Bytes::from_static(b"read 1");
    leader.read_index(context.clone());
    let heartbeats = leader.ready().messages;
    leader.advance();
    assert!(heartbeats.iter().all(|m| m.msg_type == MsgHeartbeat && m.context == context));
    let confirm = |peer| Message { context: context.clone(), ..message(MsgHeartbeatResp, peer, 1) };
    leader.step(confirm(4)).unwrap();
    leader.step(confirm(4)).unwrap();
    assert_eq!(leader.ready().read_states, [], "two of five");
    leader.advance();
    leader.step(confirm(5)).unwrap();
    let expected = ReadState { index: Index(1), request_ctx: context };
    assert_eq!(leader.ready().read_states, [expected]);
}

#[test]
fn a_transfer_that_takes_too_long_is_given_up() {
    let mut leader = node(3, &[]);
    elect(&mut leader);
    leader.transfer_leader(PeerId(3));
    assert_eq!(leader.raft().lead_transferee(), PeerId(3));
    assert_eq!(leader.propose(Bytes::new()), Err(RaftError::ProposalDropped));
    for _ in 0..leader.raft().config().election_tick {
        leader.tick();
    }
    assert_eq!((leader.raft().lead_transferee(), leader.propose(Bytes::new())), (PeerId::NONE, Ok(())));
}

#[test]
fn a_leader_that_only_followers_left_notices() {
    let config = Config { check_quorum: true, ..config() };
    let mut leader = node_with(config, 3, &[]);
    elect(&mut leader);
    for _ in 0..2 * leader.raft().config().election_tick {
        leader.tick();
    }
    assert_eq!(leader.raft().state(), StateType::Follower);
}

#[test]
fn events_are_bounded() {
    let mut member = node(3, &[]);
    for term in 1..10_000 {
        member.step(message(MsgHeartbeat, 2, term)).unwrap();
    }
    let events: Vec<_> = member.drain_events().collect();
    assert_eq!(events.len(), 4096);
    assert_eq!(events.last().unwrap().to_string(), "1 became follower at term 9999");
    assert_eq!(member.drain_events().count(), 0);
}
