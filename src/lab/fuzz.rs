//! A life at random: clients read, write and watch while machines crash, wires break and disks crawl; then everything is
//! healed and the cluster must agree, with every promise kept. A function of the seed alone.
//!
//! What is judged: Raft's promises after every event ([`super::check`]), agreement in the end, and what the clients saw
//! ([`super::history`]): linearizability by revisions and by values, and etcd's guarantees for watches.

use super::history::watch::Watched;
use super::history::{History, Truth, lease};
use super::{Input, Lab, Scenario, Violation, Witness};
use crate::etcd::Snapshots;
use crate::sim::{Fault, HostId, Micros, Ppm, Prng, SimTime};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How long the faults last, and how long the cluster then gets to come back to itself.
pub const TROUBLE: Micros = Micros::from_secs(60);
const HEALING: Micros = Micros::from_secs(20);
const HEALING_MAX: Micros = Micros::from_secs(160);
/// At most this long until the next command on any of the writing terminals, the next fault, the next whim of a watcher.
const THINK: Micros = Micros::from_millis(40);
const FAULT_PAUSE: Micros = Micros::from_millis(1_500);
/// So long a leader may think that it leads while another is elected.
const TWO_LEADERS: Micros = Micros::from_millis(2_500);
const WATCH_PAUSE: Micros = Micros::from_millis(1_000);
const KEYS: u64 = 8;
/// Terminals that read and write; then one that watches throughout, one that begins anew from the past, one that asks for
/// progress.
const WRITERS: u8 = 5;
const CONSTANT_WATCHER: u8 = WRITERS;
const FICKLE_WATCHER: u8 = WRITERS + 1;
const CURIOUS_WATCHER: u8 = WRITERS + 2;
const TERMINALS: u8 = WRITERS + 3;
/// No sound run needs more; a run that does is a failure, not a hang.
const STEPS_MAX: u64 = 2_000_000;
/// One wrong answer is followed by many.
const PROBLEMS_PER_CHECK: usize = 3;

/// What a run did wrong, and which check says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub check: &'static str,
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    pub seed: u64,
    pub problems: Vec<Problem>,
    /// Calls that were answered with success, and events that watches were told.
    pub acknowledged: usize,
    pub watched: usize,
    pub faults: usize,
    pub steps: u64,
    /// The world at its end, for whoever wants to look.
    pub lab: Lab,
}

/// The command that lives through the same life again.
pub fn replay_command(seed: u64, scenario: &Scenario) -> String {
    let without: String = scenario.rules.broken().map(|rule| format!(" --without {}", rule.name())).collect();
    let members = scenario.members;
    format!("cargo run --no-default-features --bin lab -- fuzz --members {members} --seed {seed}{without}")
}

/// Lives through [`TROUBLE`] with this seed. Every other life has members that compact their logs all the time.
pub fn run(seed: u64, scenario: Scenario) -> Outcome {
    let small = Snapshots { count: 50, catch_up: 10, segment_bytes: 8 << 10 };
    let snapshots = if seed.is_multiple_of(2) { small } else { scenario.snapshots };
    let mut life = Life {
        lab: Lab::new(Scenario { terminals: TERMINALS, snapshots, ..scenario }, seed),
        prng: Prng::stream(seed, "fuzz"),
        off: BTreeSet::new(),
        quiet: SimTime::ZERO,
        latest: BTreeMap::new(),
        writes: 0,
        faults: 0,
    };
    life.lab.call_witness();
    life.trouble();
    life.heal();
    life.outcome(seed)
}

struct Life {
    lab: Lab,
    prng: Prng,
    off: BTreeSet<HostId>,
    /// Until then no other fault comes between.
    quiet: SimTime,
    /// The value that each key was asked to hold last.
    latest: BTreeMap<String, String>,
    writes: u64,
    faults: usize,
}

impl Life {
    fn trouble(&mut self) {
        let end = SimTime::ZERO + TROUBLE;
        let mut next_fault = SimTime::ZERO + Micros::from_secs(2);
        let mut next_line = SimTime::ZERO + Micros::from_secs(1);
        let mut next_whim = next_line;
        while self.lab.now() < end && self.lab.sim().steps() < STEPS_MAX {
            let next = next_fault.min(next_line).min(next_whim);
            self.run_until(next.min(end));
            if next == next_line {
                self.command();
                next_line = self.lab.now() + self.prng.span(THINK);
            } else if next == next_fault {
                self.fault();
                next_fault = self.quiet.max(self.lab.now() + self.prng.span(FAULT_PAUSE));
            } else {
                self.whim();
                next_whim = self.lab.now() + self.prng.span(WATCH_PAUSE);
            }
        }
    }

    fn run_until(&mut self, end: SimTime) {
        let left = STEPS_MAX.saturating_sub(self.lab.sim().steps());
        self.lab.run_until(end, left);
    }

    // What clients do.

    fn line(&mut self, terminal: u8, text: &str) {
        self.lab.input(&Input::Line { terminal, text: text.to_owned() });
    }

    fn is_running(&self, terminal: u8) -> bool {
        self.lab.workstation().terminals()[usize::from(terminal)].is_running()
    }

    /// A command on one of the writing terminals, if it is free. Every write is unlike every other, so that the log can be
    /// asked what became of it: a deletion by the end of its range.
    fn command(&mut self) {
        let terminal = self.prng.below(u64::from(WRITERS)) as u8;
        if self.is_running(terminal) {
            return;
        }
        let key = format!("k/{}", self.prng.below(KEYS));
        let words = match self.prng.below(100) {
            0..25 => format!("get {key}"),
            25..30 => format!("get {key} --consistency=s"),
            30..35 => "get --prefix k/".to_owned(),
            35..43 => format!("del {key} '{key}!{}'", self.unique()),
            43..45 => format!("compaction {}", self.some_revision()),
            45..53 => self.lease_command(),
            53..65 => return self.compare_and_swap(terminal, &key),
            65..70 => return self.write_two(terminal),
            _ => {
                let value = self.value_for(&key);
                format!("put {key} {value}")
            }
        };
        let etcdctl = self.etcdctl();
        self.line(terminal, &format!("{etcdctl} {words}"));
    }

    /// Whom to ask first, and for how long. The impatient go on elsewhere when a member is cut off from the others.
    fn etcdctl(&mut self) -> String {
        let members = u64::from(self.lab.scenario().members);
        let first = self.prng.below(members);
        let endpoints: Vec<String> =
            (0..members).map(|offset| format!("etcd-{}:2379", (first + offset) % members + 1)).collect();
        let patience = if self.prng.below(3) == 0 { "2s" } else { "250ms" };
        format!("ETCDCTL_ENDPOINTS={} etcdctl --command-timeout={patience}", endpoints.join(","))
    }

    fn unique(&mut self) -> u64 {
        self.writes += 1;
        self.writes
    }

    fn value_for(&mut self, key: &str) -> String {
        let value = format!("v{}", self.unique());
        self.latest.insert(key.to_owned(), value.clone());
        value
    }

    /// Something about a lease: mostly the one that was granted last, which may have ended.
    fn lease_command(&mut self) -> String {
        let newest = self.lab.witness().and_then(Witness::newest_lease);
        match (self.prng.below(8), newest) {
            (0, Some(lease)) => format!("lease revoke {lease:x}"),
            (1..4, Some(lease)) => format!("lease keep-alive --once {lease:x}"),
            (4..7, Some(lease)) => {
                format!("put k/leased-{} v{} --lease={lease:x}", self.prng.below(3), self.unique())
            }
            _ => format!("lease grant {}", 2 + self.prng.below(3)),
        }
    }

    fn compare_and_swap(&mut self, terminal: u8, key: &str) {
        let compare = match self.latest.get(key) {
            Some(latest) if self.prng.below(4) > 0 => format!("value(\"{key}\") = \"{latest}\""),
            _ => format!("create(\"{key}\") = \"0\""),
        };
        let value = self.value_for(key);
        self.txn(terminal, &compare, &format!("put {key} {value}"), &format!("get {key}"));
    }

    /// Two keys at once.
    fn write_two(&mut self, terminal: u8) {
        let (one, other) = (self.value_for("k/0"), self.value_for("k/1"));
        let compare = format!("create(\"k/{}\") = \"0\"", self.prng.below(2));
        let (success, failure) = (format!("get k/0\\nput k/1 {one}"), format!("put k/0 {one}\\nput k/1 {other}"));
        self.txn(terminal, &compare, &success, &failure);
    }

    fn txn(&mut self, terminal: u8, compare: &str, success: &str, failure: &str) {
        let input = format!("{compare}\\n\\n{success}\\n\\n{failure}\\n\\n");
        let etcdctl = self.etcdctl();
        self.line(terminal, &format!("printf '{input}' | {etcdctl} txn"));
    }

    /// A revision of the last hundred or so.
    fn some_revision(&mut self) -> i64 {
        let newest = self.lab.members().map(|(_, member)| member.store().kv().revision()).max().unwrap_or(1);
        (newest - self.prng.below(100) as i64).max(1)
    }

    /// What the inconstant watchers do.
    fn whim(&mut self) {
        if !self.is_running(CONSTANT_WATCHER) {
            // Just begun, or compaction overtook it.
            self.line(CONSTANT_WATCHER, "etcdctl watch --prefix k/ --prev-kv");
        }
        let revision = self.some_revision();
        let key = self.prng.below(KEYS);
        match self.prng.below(8) {
            0 | 1 => {
                self.lab.input(&Input::Interrupt { terminal: FICKLE_WATCHER });
                self.line(FICKLE_WATCHER, &format!("etcdctl watch k/{key} --rev={revision}"));
            }
            2 => {
                self.lab.input(&Input::Interrupt { terminal: FICKLE_WATCHER });
                self.line(FICKLE_WATCHER, &format!("etcdctl watch --prefix k/ --rev={revision}"));
            }
            3 => {
                self.lab.input(&Input::Interrupt { terminal: CURIOUS_WATCHER });
                self.line(CURIOUS_WATCHER, "etcdctl watch -i");
                self.line(CURIOUS_WATCHER, "watch --prefix k/");
            }
            4 if self.is_running(CURIOUS_WATCHER) => self.line(CURIOUS_WATCHER, &format!("watch k/{key}")),
            _ if self.is_running(CURIOUS_WATCHER) => self.line(CURIOUS_WATCHER, "progress"),
            _ => {}
        }
    }

    // What happens to the machines.

    fn any_host(&mut self) -> HostId {
        HostId(self.prng.below(u64::from(self.lab.scenario().members)) as u16)
    }

    /// Any machine but this one, the workstation included.
    fn other_host(&mut self, than: HostId) -> HostId {
        let others = u64::from(self.lab.scenario().members);
        let drawn = self.prng.below(others) as u16;
        HostId(if drawn >= than.0 { drawn + 1 } else { drawn })
    }

    fn inflict(&mut self, fault: Fault) {
        match fault {
            Fault::PowerOff { host } => drop(self.off.insert(host)),
            Fault::PowerOn { host } => drop(self.off.remove(&host)),
            _ => {}
        }
        self.lab.input(&Input::Fault(fault));
    }

    fn fault(&mut self) {
        self.faults += 1;
        let host = self.any_host();
        let other = self.other_host(host);
        let chance = Ppm(self.prng.below(300_000) as u32);
        let fault = match self.prng.below(20) {
            0 | 1 if self.off.contains(&host) => Fault::PowerOn { host },
            0 | 1 => Fault::PowerOff { host },
            2 => Fault::Restart { host },
            3 => Fault::Cut { from: host, to: other, one_way: self.prng.below(2) == 0 },
            4 => Fault::Heal { from: host, to: other },
            5 => Fault::HealAll,
            6 => Fault::Loss { from: host, to: other, chance },
            7 => Fault::Duplicate { from: host, to: other, chance },
            8 => Fault::Reorder { from: host, to: other, chance },
            9 => {
                let latency = self.prng.span(Micros::from_millis(80));
                Fault::Latency { from: host, to: other, latency, jitter: Micros(latency.0 / 2) }
            }
            10 => Fault::SlowDisk { host, factor: 1 + self.prng.below(300) as u32 },
            11 => return self.isolate(host),
            12 => return self.power_cut(),
            13 => return self.mend(),
            14 | 15 => return self.isolate_leader(),
            16 => Fault::FullDisk { host },
            17 => return self.make_room(host),
            _ => match self.off.first() {
                Some(&host) => Fault::PowerOn { host },
                None => Fault::SlowDisk { host, factor: 1 },
            },
        };
        self.inflict(fault);
    }

    /// Cuts a member off from all others; clients still reach it.
    fn isolate(&mut self, host: HostId) {
        for other in (0..u16::from(self.lab.scenario().members)).map(HostId).filter(|other| *other != host) {
            self.inflict(Fault::Cut { from: host, to: other, one_way: false });
        }
    }

    /// All wires are well but the leader's, which does not know yet that it is alone.
    fn isolate_leader(&mut self) {
        self.mend_wires();
        let leader = self.lab.members().find(|(_, member)| member.lead() == member.id()).map(|(host, _)| host);
        if let Some(leader) = leader {
            self.isolate(leader);
            self.quiet = self.lab.now() + TWO_LEADERS;
        }
    }

    /// The power fails everywhere for a moment.
    fn power_cut(&mut self) {
        let hosts: Vec<HostId> = (0..u16::from(self.lab.scenario().members)).map(HostId).collect();
        hosts.iter().for_each(|&host| self.inflict(Fault::PowerOff { host }));
        hosts.iter().for_each(|&host| self.inflict(Fault::PowerOn { host }));
    }

    /// Wires and disks are as they were at first, and who died of them is started again.
    fn mend(&mut self) {
        self.mend_wires();
        for host in (0..u16::from(self.lab.scenario().members)).map(HostId) {
            self.inflict(Fault::SlowDisk { host, factor: 1 });
            self.make_room(host);
        }
    }

    fn make_room(&mut self, host: HostId) {
        self.inflict(Fault::FreeDisk { host });
        self.inflict(Fault::Start { host });
    }

    fn mend_wires(&mut self) {
        let hosts: Vec<HostId> = (0..=u16::from(self.lab.scenario().members)).map(HostId).collect();
        self.inflict(Fault::HealAll);
        let latency = self.lab.scenario().latency;
        for &from in &hosts {
            for &to in hosts.iter().filter(|to| **to > from) {
                let none = Ppm(0);
                self.inflict(Fault::Loss { from, to, chance: none });
                self.inflict(Fault::Duplicate { from, to, chance: none });
                self.inflict(Fault::Reorder { from, to, chance: none });
                self.inflict(Fault::Latency { from, to, latency, jitter: Micros(0) });
            }
        }
    }

    fn heal(&mut self) {
        self.mend();
        for host in std::mem::take(&mut self.off) {
            self.inflict(Fault::PowerOn { host });
        }
        // gRPC may wait two minutes before it dials a machine again that was off for long.
        let patience = self.lab.now() + HEALING_MAX;
        loop {
            let end = self.lab.now() + HEALING;
            self.run_until(end);
            if self.lab.now() >= patience || self.lab.sim().steps() >= STEPS_MAX {
                break;
            }
            let truth = self.truth();
            if self.watches().iter().all(|watched| watched.missing(&truth).is_empty()) {
                break;
            }
        }
    }

    // Judgement.

    fn truth(&self) -> Truth {
        let applied = self.lab.witness().into_iter().flat_map(|witness| witness.applied.iter().copied());
        Truth::of(self.lab.check().applied().iter().map(|(entry, _)| entry), applied)
    }

    fn watches(&self) -> Vec<Watched> {
        self.lab.witness().map(Watched::all).unwrap_or_default()
    }

    fn outcome(self, seed: u64) -> Outcome {
        let violations = self.lab.check().violations().iter();
        let problem = |violation: &Violation| Problem {
            check: violation.property.name(),
            what: format!("at {}: {}", violation.at, violation.what),
        };
        let mut problems: Vec<Problem> = violations.map(problem).collect();
        self.judge_members(&mut problems);
        let truth = self.truth();
        let history = self.lab.witness().map(History::of).unwrap_or_default();
        let not_in_log = history.against(&truth);
        problems.extend(not_in_log.into_iter().map(|what| Problem { check: "answers match the log", what }));
        problems.extend(unexplained(&history, &truth));
        let leases = lease::judge(&history, &truth);
        problems.extend(leases.into_iter().map(|what| Problem { check: "lease lives", what }));
        let watches = self.watches();
        self.judge_watches(&watches, &truth, &mut problems);
        let mut told = BTreeMap::new();
        problems.retain(|problem| {
            let count: &mut usize = told.entry(problem.check).or_default();
            *count += 1;
            *count <= PROBLEMS_PER_CHECK
        });
        Outcome {
            seed,
            problems,
            acknowledged: history.acknowledged().count(),
            watched: watches.iter().map(|watched| watched.events().count()).sum(),
            faults: self.faults,
            steps: self.lab.sim().steps(),
            lab: self.lab,
        }
    }

    /// Whether all are there and agree.
    fn judge_members(&self, problems: &mut Vec<Problem>) {
        let mut problem = |check, what| problems.push(Problem { check, what });
        if self.lab.sim().steps() >= STEPS_MAX {
            problem("steps", format!("more than {STEPS_MAX}"));
        }
        let mut hashes = BTreeSet::new();
        for (host, member) in self.lab.members() {
            match member.store().kv().hash_kv(0) {
                Ok(hash) => drop(hashes.insert((member.store().kv().revision(), hash))),
                Err(error) => problem("hash", format!("host {}: {error}", host.0)),
            }
        }
        if self.lab.members().count() != usize::from(self.lab.scenario().members) {
            problem("recovery", "not every member came back".to_owned());
        }
        if hashes.len() != 1 {
            problem("hash", format!("members differ after healing: {hashes:?}"));
        }
    }

    fn judge_watches(&self, watches: &[Watched], truth: &Truth, problems: &mut Vec<Problem>) {
        for watched in watches {
            for broken in watched.judge(truth) {
                problems.push(Problem { check: broken.guarantee.name(), what: broken.what });
            }
        }
        for watched in watches {
            let missing = watched.missing(truth);
            if let (Some(first), Some(last)) = (missing.first(), missing.last()) {
                let (client, count) = (watched.client.0, missing.len());
                let what = format!("client {client} never came to {count} revisions, from {first} to {last}");
                problems.push(Problem { check: "watch catches up", what });
            }
        }
    }
}

/// Histories of values that no order of operations explains.
#[cfg(not(target_arch = "wasm32"))]
fn unexplained(history: &History, truth: &Truth) -> Vec<Problem> {
    let verdict = super::history::linearize::judge(history, truth);
    verdict.problems.into_iter().map(|what| Problem { check: "linearizability of values", what }).collect()
}

/// The search for an order is left out of the page: revisions alone decide there.
#[cfg(target_arch = "wasm32")]
fn unexplained(_: &History, _: &Truth) -> Vec<Problem> {
    Vec::new()
}
