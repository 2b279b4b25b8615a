//! Raft against test files: our own scenarios, and upstream's where they are at hand.
//!
//! A group of members in one process, driven step by step. The state machine appends the data of every entry to a byte
//! string; after every applied entry its snapshot answers requests for one.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use control_plane_lab::raft::{
    AnyConfChange, Changer, ConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2,
    ConfState, Config, Entry, HardState, Index, JointConfig, Level, MajorityConfig, MemStorage, Message, MessageType,
    PeerId, ProgressTracker, RawNode, ReadOnlyOption, Snapshot, StateType, Storage, StorageError, Term,
};

use crate::datadriven::{Directive, conformance_files, own_files, run_all};

const UPSTREAM: &str = "third-party/etcd-raft";

#[test]
fn own_scenarios() {
    run_all("raft, own scenarios", &own_files("raft"), interaction);
}

#[test]
fn upstream_interaction() {
    match conformance_files(&format!("{UPSTREAM}/testdata")) {
        Some(files) => run_all("raft interaction", &files, interaction),
        None => println!("raft interaction: files absent, nothing checked"),
    }
}

#[test]
fn upstream_confchange() {
    match conformance_files(&format!("{UPSTREAM}/confchange")) {
        Some(files) => run_all("raft confchange", &files, confchange),
        None => println!("raft confchange: files absent, nothing checked"),
    }
}

#[test]
fn upstream_quorum() {
    match conformance_files(&format!("{UPSTREAM}/quorum")) {
        Some(files) => run_all("raft quorum", &files, || quorum),
        None => println!("raft quorum: files absent, nothing checked"),
    }
}

fn interaction() -> impl FnMut(&Directive) -> String {
    let mut group = Group::new();
    move |directive| group.handle(directive)
}

/// A [`MemStorage`] whose snapshot is always the state machine's latest.
#[derive(Clone, Debug)]
struct Disk {
    log: MemStorage,
    latest: Arc<Snapshot>,
}

impl Storage for Disk {
    fn initial_state(&self) -> (HardState, ConfState) {
        self.log.initial_state()
    }

    fn entries(&self, low: Index, high: Index, size_max: u64) -> Result<Vec<Entry>, StorageError> {
        self.log.entries(low, high, size_max)
    }

    fn term(&self, index: Index) -> Result<Term, StorageError> {
        self.log.term(index)
    }

    fn first_index(&self) -> Index {
        self.log.first_index()
    }

    fn last_index(&self) -> Index {
        self.log.last_index()
    }

    fn snapshot(&self) -> Result<Arc<Snapshot>, StorageError> {
        Ok(self.latest.clone())
    }
}

struct Node {
    raw: RawNode<Disk>,
    append_work: VecDeque<Message>,
    apply_work: VecDeque<Message>,
}

impl Node {
    fn append(
        &mut self,
        hard_state: Option<HardState>,
        snapshot: Option<&Arc<Snapshot>>,
        entries: &[Entry],
    ) -> Result<(), String> {
        let log = &mut self.raw.storage_mut().log;
        if let Some(hard_state) = hard_state {
            log.set_hard_state(hard_state);
        }
        match snapshot {
            Some(snapshot) => log.apply_snapshot(snapshot.clone()).map_err(|error| error.to_string()),
            None => {
                log.append(entries);
                Ok(())
            }
        }
    }

    fn apply(&mut self, entries: &[Entry]) {
        for entry in entries {
            let change = AnyConfChange::from_entry(entry).map(ConfChangeV2::from);
            let update = change.as_ref().map_or(&entry.data, |change| &change.context).clone();
            let conf_state = change.map(|change| self.raw.apply_conf_change(change));
            let mut snapshot = Snapshot::clone(&self.raw.storage().latest);
            let mut data = BytesMut::from(&snapshot.data[..]);
            data.extend_from_slice(&update);
            snapshot.data = data.freeze();
            (snapshot.metadata.index, snapshot.metadata.term) = (entry.index, entry.term);
            if let Some(conf_state) = conf_state {
                snapshot.metadata.conf_state = conf_state;
            }
            self.raw.storage_mut().latest = Arc::new(snapshot);
        }
    }
}

/// The members, the network between them, and what is printed.
struct Group {
    nodes: Vec<Node>,
    messages: Vec<Message>,
    /// `None` silences everything but errors.
    level: Option<Level>,
    output: String,
}

type Outcome = Result<(), String>;

impl Group {
    fn new() -> Group {
        Group { nodes: Vec::new(), messages: Vec::new(), level: Some(Level::Debug), output: String::new() }
    }

    fn handle(&mut self, directive: &Directive) -> String {
        self.output.clear();
        let result = self.dispatch(directive);
        let mut output = std::mem::take(&mut self.output);
        if let Err(error) = result {
            output.push_str(&error);
        }
        if output.is_empty() { "ok".to_owned() } else { output }
    }

    fn dispatch(&mut self, d: &Directive) -> Outcome {
        match d.command.as_str() {
            // add-nodes 3 voters=(1,2,3) learners=(4) index=10 content=foo inflight=2 prevote=true
            // (of our own: max-size-per-msg=0 max-uncommitted-size=8)
            "add-nodes" => return self.add_nodes(d),
            // campaign 1
            "campaign" => return self.on(d, |node| node.raw.campaign().map_err(|error| error.to_string())),
            // compact 1 11
            "compact" => return self.compact(d),
            // deliver-msgs 1 2 type=MsgApp drop=(3)
            "deliver-msgs" => return self.deliver_directive(d),
            // forget-leader 2
            "forget-leader" => {
                return self.on(d, |node| node.raw.forget_leader().map_err(|error| error.to_string()));
            }
            // log-level debug
            "log-level" => self.level = level(d.plain().next().unwrap_or_default())?,
            // process-append-thread 1 2
            "process-append-thread" => return self.each(d, "processing append thread", Group::process_append),
            // process-apply-thread 1 2
            "process-apply-thread" => return self.each(d, "processing apply thread", Group::process_apply),
            // process-ready 1 2
            "process-ready" => return self.each(d, "handling Ready", Group::process_ready),
            // propose 1 foo
            "propose" => {
                let data = Bytes::copy_from_slice(d.plain().nth(1).unwrap_or_default().as_bytes());
                return self.on(d, |node| node.raw.propose(data).map_err(|error| error.to_string()));
            }
            // propose-conf-change 1 v1=true transition=explicit
            // v2 l3
            "propose-conf-change" => return self.propose_conf_change(d),
            // raft-log 1
            "raft-log" => {
                let position = node_positions(d)[0];
                self.print_log(position);
            }
            "raft-state" => self.print_states(),
            // read-index 2 ctx1 (of our own)
            "read-index" => {
                let context = Bytes::copy_from_slice(d.plain().nth(1).unwrap_or_default().as_bytes());
                return self.on(d, |node| {
                    node.raw.read_index(context);
                    Ok(())
                });
            }
            // report-unreachable 1 2
            "report-unreachable" => {
                let peer = PeerId(node_positions(d)[1] as u64 + 1);
                return self.on(d, |node| {
                    node.raw.report_unreachable(peer);
                    Ok(())
                });
            }
            // send-snapshot 1 3
            "send-snapshot" => self.send_snapshot(d),
            // set-randomized-election-timeout 1 timeout=5
            "set-randomized-election-timeout" => {
                let ticks = number(d, "timeout")?;
                return self.on(d, |node| {
                    node.raw.raft_mut().set_randomized_election_timeout(ticks as u32);
                    Ok(())
                });
            }
            // stabilize 1 2 log-level=none
            "stabilize" => return self.stabilize_directive(d),
            // status 1
            "status" => {
                let raft = self.nodes[node_positions(d)[0]].raw.raft();
                if raft.state() == StateType::Leader {
                    let progress = raft.tracker().progress.to_string();
                    self.print(&progress);
                }
            }
            // tick-election 1
            "tick-election" => return self.tick(d, |config| config.election_tick),
            // tick-heartbeat 1
            "tick-heartbeat" => return self.tick(d, |config| config.heartbeat_tick),
            // transfer-leadership from=1 to=4
            "transfer-leadership" => {
                let (from, to) = (number(d, "from")?, number(d, "to")?);
                self.nodes[from as usize - 1].raw.transfer_leader(PeerId(to));
                self.print_events(from as usize - 1);
            }
            _ => return Err("unknown command".to_owned()),
        }
        Ok(())
    }

    // Printing.

    fn print(&mut self, text: &str) {
        if self.level.is_some() {
            self.output.push_str(text);
        }
    }

    fn print_line(&mut self, text: &str) {
        self.print(text);
        self.print("\n");
    }

    fn print_events(&mut self, position: usize) {
        let level_min = self.level;
        for event in self.nodes[position].raw.drain_events() {
            if level_min.is_some_and(|level_min| event.level() >= level_min) {
                writeln!(self.output, "{} {event}", event.level()).expect("a string takes any text");
            }
        }
    }

    fn indented(&mut self, run: impl FnOnce(&mut Group) -> Outcome) -> Outcome {
        let before = std::mem::take(&mut self.output);
        let result = run(self);
        let inner = std::mem::replace(&mut self.output, before);
        for line in inner.lines() {
            self.output.push_str("  ");
            self.output.push_str(line);
            self.output.push('\n');
        }
        result
    }

    // Helpers of directives.

    /// Does something to the member named first, and prints what happened in it.
    fn on(&mut self, d: &Directive, act: impl FnOnce(&mut Node) -> Outcome) -> Outcome {
        let position = node_positions(d)[0];
        let result = act(&mut self.nodes[position]);
        self.print_events(position);
        result
    }

    /// Does something to every member named, with headers if there are several.
    fn each(&mut self, d: &Directive, header: &str, act: fn(&mut Group, usize) -> Outcome) -> Outcome {
        let positions = node_positions(d);
        for &position in &positions {
            if positions.len() > 1 {
                self.print_line(&format!("> {} {header}", position + 1));
                self.indented(|group| act(group, position))?;
            } else {
                act(self, position)?;
            }
        }
        Ok(())
    }

    fn tick(&mut self, d: &Directive, count: fn(&Config) -> u32) -> Outcome {
        self.on(d, |node| {
            for _ in 0..count(node.raw.raft().config()) {
                node.raw.tick();
            }
            Ok(())
        })
    }

    // Directives.

    fn add_nodes(&mut self, d: &Directive) -> Outcome {
        let count: u64 = d.plain().next().and_then(|n| n.parse().ok()).ok_or("add-nodes needs a number")?;
        let flag = |key: &str| d.value(key) == Some("true");
        let ids = |key: &str| d.values(key).iter().filter_map(|id| id.parse().ok()).map(PeerId).collect::<Vec<_>>();
        let optional = |key: &str| d.value(key).map_or(Ok(0), |_| number(d, key));
        let mut snapshot = Snapshot::default();
        snapshot.metadata.conf_state.voters = ids("voters");
        snapshot.metadata.conf_state.learners = ids("learners");
        snapshot.metadata.index = Index(optional("index")?);
        snapshot.data = Bytes::copy_from_slice(d.value("content").unwrap_or_default().as_bytes());
        let config = Config {
            election_tick: 3,
            heartbeat_tick: 1,
            max_size_per_msg: d.value("max-size-per-msg").map_or(Ok(u64::MAX), |_| number(d, "max-size-per-msg"))?,
            max_inflight_msgs: if d.value("inflight").is_some() { number(d, "inflight")? as usize } else { 1 << 30 },
            max_committed_size_per_ready: optional("max-committed-size-per-ready")?,
            max_uncommitted_entries_size: optional("max-uncommitted-size")?,
            applied: snapshot.metadata.index,
            async_storage_writes: flag("async-storage-writes"),
            check_quorum: flag("checkquorum"),
            pre_vote: flag("prevote"),
            disable_conf_change_validation: flag("disable-conf-change-validation"),
            step_down_on_removal: flag("step-down-on-removal"),
            read_only_option: match d.value("read-only") {
                None | Some("safe") => ReadOnlyOption::Safe,
                Some("lease-based") => ReadOnlyOption::LeaseBased,
                Some(other) => return Err(format!("invalid read-only option {other:?}")),
            },
            ..Config::default()
        };
        let is_bootstrap = snapshot != Snapshot::default();
        if is_bootstrap && snapshot.metadata.index <= Index(1) {
            return Err("index must be specified as > 1 due to bootstrap".to_owned());
        }
        if is_bootstrap {
            snapshot.metadata.term = Term(1);
        }
        let latest = Arc::new(snapshot);
        for _ in 0..count {
            let mut log = MemStorage::new();
            if is_bootstrap {
                log.apply_snapshot(latest.clone()).map_err(|error| error.to_string())?;
            }
            let id = PeerId(self.nodes.len() as u64 + 1);
            let raw = RawNode::new(Config { id, seed: id.0, ..config.clone() }, Disk { log, latest: latest.clone() });
            self.nodes.push(Node { raw, append_work: VecDeque::new(), apply_work: VecDeque::new() });
            self.print_events(self.nodes.len() - 1);
        }
        Ok(())
    }

    fn compact(&mut self, d: &Directive) -> Outcome {
        let position = node_positions(d)[0];
        let index: u64 = d.plain().nth(1).and_then(|n| n.parse().ok()).ok_or("compact needs an index")?;
        self.nodes[position].raw.storage_mut().log.compact(Index(index)).map_err(|error| error.to_string())?;
        self.print_log(position);
        Ok(())
    }

    fn print_log(&mut self, position: usize) {
        let log = &self.nodes[position].raw.storage().log;
        let (first, last) = (log.first_index(), log.last_index());
        if last < first {
            self.print(&format!("log is empty: first index={first}, last index={last}"));
            return;
        }
        let lines: String = log.iter().map(|entry| format!("{entry}\n")).collect();
        self.print(&lines);
    }

    fn print_states(&mut self) {
        let mut lines = String::new();
        for node in &self.nodes {
            let raft = node.raw.raft();
            let is_voter = raft.tracker().config.voters.contains(raft.id());
            let voter = if is_voter { "Voter" } else { "Non-Voter" };
            let (id, state, term, lead) = (raft.id(), raft.state(), raft.term(), raft.leader());
            writeln!(lines, "{id}: {state} ({voter}) Term:{term} Lead:{lead}").expect("a string takes any text");
        }
        self.print(&lines);
    }

    fn propose_conf_change(&mut self, d: &Directive) -> Outcome {
        let mut changes = steps(&d.input)?;
        let transition = match d.value("transition") {
            None | Some("auto") => ConfChangeTransition::Auto,
            Some("implicit") => ConfChangeTransition::JointImplicit,
            Some("explicit") => ConfChangeTransition::JointExplicit,
            Some(other) => return Err(format!("unknown transition {other}")),
        };
        let change = if d.value("v1") == Some("true") {
            if changes.len() != 1 || transition != ConfChangeTransition::Auto {
                return Err("v1 conf change can only have one operation and no transition".to_owned());
            }
            let ConfChangeSingle { change_type, node_id } = changes.remove(0);
            AnyConfChange::V1(ConfChange { change_type, node_id, ..ConfChange::default() })
        } else {
            AnyConfChange::V2(ConfChangeV2 { transition, changes, context: Bytes::new() })
        };
        self.on(d, |node| node.raw.propose_conf_change(change).map_err(|error| error.to_string()))
    }

    fn send_snapshot(&mut self, d: &Directive) {
        let positions = node_positions(d);
        let raft = self.nodes[positions[0]].raw.raft();
        let message = Message {
            msg_type: MessageType::MsgSnap,
            term: raft.term(),
            from: raft.id(),
            to: PeerId(positions[1] as u64 + 1),
            snapshot: Some(self.nodes[positions[0]].raw.storage().latest.clone()),
            ..Message::default()
        };
        self.print(&message.to_string());
        self.messages.push(message);
    }

    // Work.

    fn process_ready(&mut self, position: usize) -> Outcome {
        let node = &mut self.nodes[position];
        let is_async = node.raw.raft().config().async_storage_writes;
        let ready = node.raw.ready();
        let text = ready.to_string();
        self.print_line(&text);
        let node = &mut self.nodes[position];
        if !is_async {
            node.append(ready.hard_state, ready.snapshot.as_ref(), &ready.entries)?;
            node.apply(&ready.committed_entries);
        }
        for message in ready.messages {
            match message.to {
                PeerId::APPEND_THREAD => node.append_work.push_back(message),
                PeerId::APPLY_THREAD => node.apply_work.push_back(message),
                _ => self.messages.push(message),
            }
        }
        if !is_async {
            node.raw.advance();
        }
        self.print_events(position);
        Ok(())
    }

    fn process_append(&mut self, position: usize) -> Outcome {
        let Some(mut message) = self.nodes[position].append_work.pop_front() else {
            self.print("no append work to perform");
            return Ok(());
        };
        let responses = std::mem::take(&mut message.responses);
        self.print_line(&format!("Processing:\n{message}"));
        let hard_state = HardState { term: message.term, vote: message.vote, commit: message.commit };
        let hard_state = Some(hard_state).filter(|hard_state| !hard_state.is_empty());
        self.nodes[position].append(hard_state, message.snapshot.as_ref(), &message.entries)?;
        self.respond(responses);
        Ok(())
    }

    fn process_apply(&mut self, position: usize) -> Outcome {
        let Some(mut message) = self.nodes[position].apply_work.pop_front() else {
            self.print("no apply work to perform");
            return Ok(());
        };
        let responses = std::mem::take(&mut message.responses);
        self.print_line(&format!("Processing:\n{message}"));
        self.nodes[position].apply(&message.entries);
        self.print_events(position);
        self.respond(responses);
        Ok(())
    }

    fn respond(&mut self, responses: Vec<Message>) {
        self.print_line("Responses:");
        for response in &responses {
            self.print_line(&response.to_string());
        }
        self.messages.extend(responses);
    }

    fn deliver_directive(&mut self, d: &Directive) -> Outcome {
        let only = match d.value("type") {
            Some(name) => Some(MessageType::from_name(name).ok_or(format!("unknown message type {name}"))?),
            None => None,
        };
        // Delivered and dropped in the order of the arguments.
        let mut count = 0;
        for arg in &d.args {
            match (arg.key.as_str(), &arg.values[..]) {
                ("type", _) => {}
                ("drop", ids) => {
                    for id in ids {
                        count += self.deliver(PeerId(id.parse().map_err(|_| "drop needs ids")?), only, true);
                    }
                }
                (id, _) => count += self.deliver(PeerId(id.parse().map_err(|_| "recipients are ids")?), only, false),
            }
        }
        if count == 0 {
            self.print_line("no messages");
        }
        Ok(())
    }

    fn has_messages(&self, to: PeerId) -> bool {
        self.messages.iter().any(|message| message.to == to)
    }

    /// Delivers or drops what is queued for a member; how much that was. Local messages are never dropped.
    fn deliver(&mut self, to: PeerId, only: Option<MessageType>, drop: bool) -> usize {
        let is_local = |m: &Message| m.from == m.to || m.from.is_local_target() || m.to.is_local_target();
        let is_meant = |m: &Message| m.to == to && !(drop && is_local(m)) && only.is_none_or(|only| m.msg_type == only);
        let (meant, rest) = std::mem::take(&mut self.messages).into_iter().partition::<Vec<_>, _>(is_meant);
        self.messages = rest;
        let count = meant.len();
        for message in meant {
            self.print_line(&format!("{}{message}", if drop { "dropped: " } else { "" }));
            if drop {
                continue;
            }
            let position = to.0 as usize - 1;
            let result = self.nodes[position].raw.step(message);
            self.print_events(position);
            if let Err(error) = result {
                self.print_line(&error.to_string());
            }
        }
        count
    }

    fn stabilize_directive(&mut self, d: &Directive) -> Outcome {
        let level_before = self.level;
        if let Some(name) = d.value("log-level") {
            self.level = level(name)?;
        }
        let mut positions = node_positions(d);
        if positions.is_empty() {
            positions = (0..self.nodes.len()).collect();
        }
        let result = self.stabilize(&positions);
        self.level = level_before;
        result
    }

    fn stabilize(&mut self, positions: &[usize]) -> Outcome {
        loop {
            let mut done = true;
            for &position in positions {
                if self.nodes[position].raw.has_ready() {
                    self.print_line(&format!("> {} handling Ready", position + 1));
                    self.indented(|group| group.process_ready(position))?;
                    done = false;
                }
            }
            for &position in positions {
                let id = PeerId(position as u64 + 1);
                if self.has_messages(id) {
                    self.print_line(&format!("> {} receiving messages", position + 1));
                    self.indented(|group| {
                        group.deliver(id, None, false);
                        Ok(())
                    })?;
                    done = false;
                }
            }
            for &position in positions {
                done &= self.nodes[position].append_work.is_empty();
                let has_work = |group: &Group| !group.nodes[position].append_work.is_empty();
                self.drain_thread(position, "append", has_work, Group::process_append)?;
            }
            for &position in positions {
                done &= self.nodes[position].apply_work.is_empty();
                let has_work = |group: &Group| !group.nodes[position].apply_work.is_empty();
                self.drain_thread(position, "apply", has_work, Group::process_apply)?;
            }
            if done {
                return Ok(());
            }
        }
    }

    fn drain_thread(
        &mut self,
        position: usize,
        thread: &str,
        has_work: impl Fn(&Group) -> bool,
        process: fn(&mut Group, usize) -> Outcome,
    ) -> Outcome {
        if has_work(self) {
            self.print_line(&format!("> {} processing {thread} thread", position + 1));
        }
        while has_work(self) {
            self.indented(|group| process(group, position))?;
        }
        Ok(())
    }
}

fn node_positions(d: &Directive) -> Vec<usize> {
    d.plain().map_while(|id| id.parse::<usize>().ok()).map(|id| id - 1).collect()
}

fn number(d: &Directive, key: &str) -> Result<u64, String> {
    d.value(key).and_then(|value| value.parse().ok()).ok_or(format!("{} needs {key}=<number>", d.command))
}

fn level(name: &str) -> Result<Option<Level>, String> {
    match name.to_ascii_lowercase().as_str() {
        "debug" => Ok(Some(Level::Debug)),
        "info" => Ok(Some(Level::Info)),
        "warn" => Ok(Some(Level::Warn)),
        "error" => Ok(Some(Level::Error)),
        "fatal" => Ok(Some(Level::Fatal)),
        "none" => Ok(None),
        other => Err(format!("unknown log level {other}")),
    }
}

/// `v1 l2 r3 u4`.
fn steps(text: &str) -> Result<Vec<ConfChangeSingle>, String> {
    let step = |word: &str| {
        let (letter, id) = word.split_at_checked(1)?;
        let change_type = match letter {
            "v" => ConfChangeType::AddNode,
            "l" => ConfChangeType::AddLearnerNode,
            "r" => ConfChangeType::RemoveNode,
            "u" => ConfChangeType::UpdateNode,
            _ => return None,
        };
        Some(ConfChangeSingle { change_type, node_id: PeerId(id.parse().ok()?) })
    };
    text.split_whitespace().map(|word| step(word).ok_or(format!("unknown input: {word}"))).collect()
}

/// Membership changes one after the other, without a log.
fn confchange() -> impl FnMut(&Directive) -> String {
    let mut tracker = ProgressTracker::new(10, 0);
    let mut last_index = Index(0);
    move |d| {
        let result = steps(&d.input).and_then(|steps| {
            let changer = Changer { tracker: &tracker, last_index };
            let changed = match d.command.as_str() {
                "simple" => changer.simple(&steps),
                "enter-joint" => changer.enter_joint(d.value("autoleave") == Some("true"), &steps),
                "leave-joint" => changer.leave_joint(),
                other => return Err(format!("unknown command {other}")),
            };
            changed.map_err(|error| error.to_string())
        });
        last_index += 1;
        match result {
            Err(error) => error,
            Ok((config, progress)) => {
                (tracker.config, tracker.progress) = (config, progress);
                format!("{}\n{}", tracker.config, tracker.progress)
            }
        }
    }
}

/// Commit indexes and votes under given configurations.
fn quorum(d: &Directive) -> String {
    let ids = |key: &str| d.values(key).iter().filter_map(|id| id.parse().ok()).map(PeerId).collect::<Vec<_>>();
    let (first, second) = (ids("cfg"), ids("cfgj"));
    let is_joint = d.value("cfgj").is_some();
    // Inputs come in the order of the ids, each once.
    let mut order = first.clone();
    order.extend(second.iter().filter(|id| !first.contains(id)));
    let inputs: BTreeMap<PeerId, &str> = order
        .into_iter()
        .zip(d.values(if d.command == "vote" { "votes" } else { "idx" }))
        .map(|(id, input)| (id, input.as_str()))
        .filter(|(_, input)| *input != "_")
        .collect();
    let majority = |ids: &[PeerId]| ids.iter().copied().collect::<MajorityConfig>();
    let config = JointConfig { incoming: majority(&first), outgoing: majority(&second) };
    let swapped = JointConfig { incoming: config.outgoing.clone(), outgoing: config.incoming.clone() };
    let twice = JointConfig { incoming: config.incoming.clone(), outgoing: config.incoming.clone() };
    if d.command == "vote" {
        let vote = |id: PeerId| inputs.get(&id).map(|input| *input == "y");
        let result = config.vote_result(vote);
        assert_eq!(swapped.vote_result(vote), result, "{}: by symmetry", d.position);
        if !is_joint {
            assert_eq!(twice.vote_result(vote), result, "{}: joint with itself", d.position);
        }
        return result.to_string();
    }
    let acked: BTreeMap<PeerId, Index> =
        inputs.iter().map(|(id, input)| (*id, Index(input.parse().expect("an index is a number")))).collect();
    let ack = |id: PeerId| acked.get(&id).copied().unwrap_or_default();
    let committed = config.committed_index(ack);
    assert_eq!(swapped.committed_index(ack), committed, "{}: by symmetry", d.position);
    if !is_joint {
        assert_eq!(twice.committed_index(ack), committed, "{}: joint with itself", d.position);
    }
    let committed = if committed == Index::MAX { "∞".to_owned() } else { committed.to_string() };
    format!("{}{committed}", bar_chart(&config, &acked))
}

/// How far each voter is ahead of others: `x` for every voter known to be behind.
fn bar_chart(config: &JointConfig, acked: &BTreeMap<PeerId, Index>) -> String {
    let voters: Vec<PeerId> = config.ids().collect();
    let n = voters.len();
    if n == 0 {
        return "<empty majority quorum>".to_owned();
    }
    let index = |id: &PeerId| acked.get(id).copied().unwrap_or_default();
    let mut chart = format!("{:n$}    idx\n", "");
    for id in &voters {
        let behind = voters.iter().filter(|other| index(other) < index(id)).count();
        let bar = match acked.get(id) {
            Some(_) => format!("{}>{:2$}", "x".repeat(behind), "", n - behind),
            None => format!("?{:n$}", ""),
        };
        writeln!(chart, "{bar} {:5}    (id={})", index(id).0, id.0).expect("a string takes any text");
    }
    chart
}
