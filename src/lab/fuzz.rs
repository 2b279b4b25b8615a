//! A life at random: clients write and watch while machines crash, wires break and disks crawl; then everything is healed
//! and the cluster must agree, with nothing lost that was acknowledged. A function of the seed alone.

use super::workstation::PrintedKind;
use super::{Input, Lab, Scenario, Violation};
use crate::sim::{Fault, HostId, Micros, Ppm, Prng, SimTime};
use std::collections::{BTreeMap, BTreeSet};

/// How long the faults last, and how long the cluster then gets to come back to itself.
pub const TROUBLE: Micros = Micros::from_secs(60);
const HEALING: Micros = Micros::from_secs(20);
const HEALING_MAX: Micros = Micros::from_secs(160);
/// A command every so often on each of the writing terminals; the last one watches.
const THINK: Micros = Micros::from_millis(40);
const FAULT_PAUSE: Micros = Micros::from_millis(1_500);
const KEYS: u64 = 8;
const WRITERS: u8 = 4;
const WATCHER: u8 = WRITERS;
/// No sound run needs more; a run that does is a failure, not a hang.
const STEPS_MAX: u64 = 2_000_000;

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    pub seed: u64,
    pub problems: Vec<String>,
    pub acknowledged: usize,
    pub faults: usize,
    pub steps: u64,
    /// The world at its end, for whoever wants to look.
    pub lab: Lab,
}

/// Lives through [`TROUBLE`] with this seed.
pub fn run(seed: u64, scenario: Scenario) -> Outcome {
    let mut life = Life {
        lab: Lab::new(Scenario { terminals: WRITERS + 1, ..scenario }, seed),
        prng: Prng::stream(seed, "fuzz"),
        off: BTreeSet::new(),
        asked: BTreeMap::new(),
        writes: 0,
        faults: 0,
    };
    life.trouble();
    life.heal();
    let mut problems: Vec<String> = life.lab.check().violations().iter().map(Violation::to_string).collect();
    let acknowledged = life.judge(&mut problems);
    Outcome { seed, problems, acknowledged, faults: life.faults, steps: life.lab.sim().steps(), lab: life.lab }
}

struct Life {
    lab: Lab,
    prng: Prng,
    off: BTreeSet<HostId>,
    /// The line that each terminal was given last, by its position in the scrollback.
    asked: BTreeMap<u8, Vec<(String, String)>>,
    writes: u64,
    faults: usize,
}

impl Life {
    fn trouble(&mut self) {
        let end = SimTime::ZERO + TROUBLE;
        let mut next_fault = SimTime::ZERO + Micros::from_secs(2);
        let mut next_line = SimTime::ZERO + Micros::from_secs(1);
        self.line(WATCHER, "etcdctl watch --prefix k/".to_owned());
        while self.lab.now() < end && self.lab.sim().steps() < STEPS_MAX {
            let next = next_fault.min(next_line);
            self.run_until(next.min(end));
            if next == next_line {
                self.write();
                next_line = self.lab.now() + self.prng.span(THINK);
            } else {
                self.fault();
                next_fault = self.lab.now() + self.prng.span(FAULT_PAUSE);
            }
        }
    }

    fn run_until(&mut self, end: SimTime) {
        let left = STEPS_MAX.saturating_sub(self.lab.sim().steps());
        self.lab.run_until(end, left);
    }

    fn line(&mut self, terminal: u8, text: String) {
        self.lab.input(&Input::Line { terminal, text });
    }

    fn write(&mut self) {
        let terminal = self.prng.below(u64::from(WRITERS)) as u8;
        if self.lab.workstation().terminals()[usize::from(terminal)].is_running() {
            return;
        }
        let key = format!("k/{}", self.prng.below(KEYS));
        self.writes += 1;
        let value = format!("v{}", self.writes);
        match self.prng.below(10) {
            0 => self.line(terminal, format!("etcdctl del {key} --command-timeout=2s")),
            1 => self.line(terminal, format!("etcdctl get {key} --command-timeout=2s")),
            _ => {
                let line = format!("etcdctl put {key} {value} --command-timeout=2s");
                self.asked.entry(terminal).or_default().push((line.clone(), value));
                self.line(terminal, line);
            }
        }
    }

    fn any_host(&mut self) -> HostId {
        HostId(self.prng.below(u64::from(self.lab.scenario().members)) as u16)
    }

    /// Any machine but this one, the workstation included.
    fn other_host(&mut self, than: HostId) -> HostId {
        let others = u64::from(self.lab.scenario().members);
        let drawn = self.prng.below(others) as u16;
        HostId(if drawn >= than.0 { drawn + 1 } else { drawn })
    }

    fn fault(&mut self) {
        self.faults += 1;
        let host = self.any_host();
        let other = self.other_host(host);
        let chance = Ppm(self.prng.below(300_000) as u32);
        let fault = match self.prng.below(12) {
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
            _ => match self.off.first() {
                Some(&host) => Fault::PowerOn { host },
                None => Fault::SlowDisk { host, factor: 1 },
            },
        };
        match fault {
            Fault::PowerOff { host } => drop(self.off.insert(host)),
            Fault::PowerOn { host } => drop(self.off.remove(&host)),
            _ => {}
        }
        self.lab.input(&Input::Fault(fault));
    }

    fn heal(&mut self) {
        let hosts: Vec<HostId> = (0..=u16::from(self.lab.scenario().members)).map(HostId).collect();
        self.lab.input(&Input::Fault(Fault::HealAll));
        let latency = self.lab.scenario().latency;
        for &from in &hosts {
            self.lab.input(&Input::Fault(Fault::SlowDisk { host: from, factor: 1 }));
            for &to in hosts.iter().filter(|to| **to > from) {
                let none = Ppm(0);
                self.lab.input(&Input::Fault(Fault::Loss { from, to, chance: none }));
                self.lab.input(&Input::Fault(Fault::Duplicate { from, to, chance: none }));
                self.lab.input(&Input::Fault(Fault::Reorder { from, to, chance: none }));
                self.lab.input(&Input::Fault(Fault::Latency { from, to, latency, jitter: Micros(0) }));
            }
        }
        for host in std::mem::take(&mut self.off) {
            self.lab.input(&Input::Fault(Fault::PowerOn { host }));
        }
        // gRPC may wait two minutes before it dials a machine again that was off for long.
        let patience = self.lab.now() + HEALING_MAX;
        loop {
            let end = self.lab.now() + HEALING;
            self.run_until(end);
            if self.lab.now() >= patience || self.lab.sim().steps() >= STEPS_MAX || self.missed().is_empty() {
                break;
            }
        }
    }

    /// Whether all agree, nothing acknowledged is lost, and the watch saw everything once. Returns how many writes were
    /// acknowledged.
    fn judge(&self, problems: &mut Vec<String>) -> usize {
        if self.lab.sim().steps() >= STEPS_MAX {
            problems.push(format!("more than {STEPS_MAX} steps"));
        }
        let mut hashes = BTreeSet::new();
        for (host, member) in self.lab.members() {
            match member.store().kv().hash_kv(0) {
                Ok(hash) => drop(hashes.insert((member.store().kv().revision(), hash))),
                Err(error) => problems.push(format!("host {}: {error}", host.0)),
            }
        }
        if self.lab.members().count() != usize::from(self.lab.scenario().members) {
            problems.push("not every member came back".to_owned());
        }
        if hashes.len() != 1 {
            problems.push(format!("members differ after healing: {hashes:?}"));
        }
        let Some((_, member)) = self.lab.members().next() else { return 0 };
        let stored: Vec<_> = member.store().kv().entries(Default::default()).collect();
        let values: BTreeSet<&[u8]> = stored.iter().map(|(_, stored)| &stored.kv().value[..]).collect();
        let mut acknowledged = 0;
        for value in self.acknowledged() {
            acknowledged += 1;
            if !values.contains(value.as_bytes()) {
                problems.push(format!("{value} was acknowledged and is lost"));
            }
        }
        if !self.lab.workstation().terminals()[usize::from(WATCHER)].is_running() {
            problems.push("the watch ended".to_owned());
        }
        let missed = self.missed();
        if let (Some(first), Some(last)) = (missed.first(), missed.last()) {
            problems.push(format!("the watch missed {} revisions, from {first} to {last}", missed.len()));
        }
        acknowledged
    }

    /// Values whose put printed OK.
    fn acknowledged(&self) -> Vec<&str> {
        let mut values = Vec::new();
        for (terminal, asked) in &self.asked {
            let by_line: BTreeMap<&str, &str> = asked.iter().map(|(line, value)| (&line[..], &value[..])).collect();
            let mut last = None;
            for printed in self.lab.workstation().terminals()[usize::from(*terminal)].scrollback() {
                match printed.kind {
                    PrintedKind::Command => last = by_line.get(&*printed.text),
                    PrintedKind::Stdout if &*printed.text == "OK\n" => values.extend(last),
                    _ => {}
                }
            }
        }
        values
    }

    /// Revisions that the watch should have seen and has not. It runs from the first moment on; what was written before it
    /// was first created is not its business.
    fn missed(&self) -> Vec<i64> {
        let seen: BTreeSet<i64> = self.lab.check().watched().collect();
        let begun = seen.first().copied().unwrap_or(i64::MAX);
        let Some((_, member)) = self.lab.members().next() else { return Vec::new() };
        let written = member.store().kv().entries(Default::default()).map(|(_, stored)| stored.kv().mod_revision);
        written.filter(|revision| *revision > begun && !seen.contains(revision)).collect()
    }
}
