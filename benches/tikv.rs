//! The crate `raft` of tikv as a yardstick: three members in one thread, logs in memory, messages handed over at once.

use raft::eraftpb::{Entry, Message};
use raft::storage::MemStorage;
use raft::{Config, RawNode, StateRole};

const MEMBERS: u64 = 3;

pub struct Group {
    nodes: Vec<RawNode<MemStorage>>,
    /// On their way.
    messages: Vec<Message>,
    committed: u64,
}

impl Default for Group {
    /// With the first member as its leader.
    fn default() -> Group {
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let voters: Vec<u64> = (1..=MEMBERS).collect();
        let node = |id: &u64| {
            let storage = MemStorage::new_with_conf_state((voters.clone(), Vec::new()));
            let config = Config { id: *id, max_inflight_msgs: 512, max_size_per_msg: 1 << 20, ..Config::default() };
            RawNode::new(&config, storage, &logger).expect("a fair configuration")
        };
        let mut group = Group { nodes: voters.iter().map(node).collect(), messages: Vec::new(), committed: 0 };
        group.nodes[0].campaign().expect("nobody leads yet");
        while group.nodes[0].raft.state != StateRole::Leader {
            group.turn();
        }
        group
    }
}

impl Group {
    /// Commits this many more proposals of 128 bytes, with so many under way.
    pub fn run(&mut self, proposals: u64, in_flight: u64) {
        let (mut proposed, start) = (0, self.committed);
        while self.committed - start < proposals {
            while proposed < proposals && proposed - (self.committed - start) < in_flight {
                self.nodes[0].propose(Vec::new(), vec![b'v'; 128]).expect("it leads");
                proposed += 1;
            }
            self.turn();
        }
    }

    /// Everybody does what is ready, and hears what was said.
    fn turn(&mut self) {
        for message in std::mem::take(&mut self.messages) {
            let to = message.to as usize - 1;
            self.nodes[to].step(message).expect("a message of this group");
        }
        for position in 0..self.nodes.len() {
            self.ready(position);
        }
    }

    fn ready(&mut self, position: usize) {
        let node = &mut self.nodes[position];
        if !node.has_ready() {
            return;
        }
        let mut ready = node.ready();
        self.messages.extend(ready.take_messages());
        let mut committed = count(&ready.take_committed_entries());
        let storage = node.store().clone();
        if !ready.entries().is_empty() {
            storage.wl().append(ready.entries()).expect("the log goes on");
        }
        if let Some(state) = ready.hs() {
            storage.wl().set_hardstate(state.clone());
        }
        self.messages.extend(ready.take_persisted_messages());
        let mut light = node.advance(ready);
        if let Some(commit) = light.commit_index() {
            storage.wl().mut_hard_state().set_commit(commit);
        }
        self.messages.extend(light.take_messages());
        committed += count(&light.take_committed_entries());
        node.advance_apply();
        if position == 0 {
            self.committed += committed;
        }
    }
}

/// Without the empty entry that a leader begins with.
fn count(entries: &[Entry]) -> u64 {
    entries.iter().filter(|entry| !entry.data.is_empty()).count() as u64
}
