//! One recorded session, and the world in which it is typed again.

use super::masks::{Ids, Masks, alike};
use control_plane_lab::lab::workstation::PrintedKind;
use control_plane_lab::lab::{Input, Lab, Scenario};
use control_plane_lab::raft::StateType;
use control_plane_lab::sim::{HostId, Micros, SimTime};
use serde_json::Value;
use std::collections::BTreeMap;

/// Terminal 1 for commands, the others for those that run beside.
const TERMINALS: u8 = 8;
/// A world is so old at the first step: its members know each other well enough to let others in.
const START: SimTime = SimTime(8_000_000);
/// How long a command may take.
const PATIENCE: Micros = Micros::from_secs(120);
/// Between two steps.
const PAUSE: Micros = Micros::from_millis(50);
/// What runs beside has so long to begin, and to say what it has to say before it is ended.
const BESIDE: Micros = Micros::from_millis(700);
/// A command that does not end by itself was killed by the recorder after a few seconds.
const ENDLESS: Micros = Micros::from_secs(5);
const STEPS_MAX: u64 = 50_000_000;
/// Worlds that are tried for one in which chance is as it was recorded.
const SEEDS: u64 = 50;

#[derive(Clone, PartialEq)]
pub struct Session {
    header: Value,
    steps: Vec<Value>,
}

pub enum Outcome {
    Equal,
    /// A part of the lab that is not there yet.
    Unbuilt(String),
    Different(String),
}

/// What a command printed.
struct Printed {
    stdout: String,
    stderr: String,
    /// Nothing while it runs.
    exit: Option<i64>,
}

impl Session {
    /// The session that a file holds, if it holds one.
    pub fn parse(text: &str) -> Option<Session> {
        let mut lines = text.lines().map(serde_json::from_str::<Value>);
        let header = lines.next()?.ok()?["header"].clone();
        header["session"].as_str()?;
        Some(Session { header, steps: lines.collect::<Result<_, _>>().ok()? })
    }

    pub fn name(&self) -> String {
        format!("{}-{}", self.header["session"].as_str().unwrap_or_default(), self.header["seed"])
    }

    fn nodes(&self) -> Vec<String> {
        let nodes = self.header["nodes"].as_array().into_iter().flatten();
        nodes.filter_map(|node| node.as_str().map(str::to_owned)).collect()
    }

    /// The scenario, or the flag that it has no word for.
    fn scenario(&self) -> Result<Scenario, String> {
        let members = self.nodes().len();
        let spares = if members > 1 { 1 } else { 0 };
        let mut text = format!("members={members} spares={spares} layout=localhost terminals={TERMINALS}");
        let flags: Vec<&str> =
            self.header["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for flag in flags.chunks(2) {
            text += &format!(" {}={}", flag[0].trim_start_matches('-'), flag.get(1).unwrap_or(&"true"));
        }
        Scenario::parse(&text)
    }

    /// Types it all, and says what came of each step that prints something.
    pub fn replay(&self, masks: &Masks) -> Vec<(String, Outcome)> {
        let scenario = match self.scenario() {
            Ok(scenario) => scenario,
            Err(why) => return vec![("all of it".to_owned(), Outcome::Unbuilt(why))],
        };
        let worlds = (1..=SEEDS).map(|seed| World::new(scenario, seed));
        // As recorded, the first member leads at the start.
        let mut world = worlds.into_iter().find(|world| world.leader() == Some(HostId(0))).expect("some seed does it");
        let mut outcomes = Vec::new();
        for (at, step) in self.steps.iter().enumerate() {
            if let Some(note) = step["note"].as_str() {
                world.note(note, step, &self.steps[at + 1..]);
            } else if let Some((name, printed)) = world.step(step, masks) {
                outcomes.push((format!("step {}: {name}", at + 1), world.compare(step, &name, &printed, masks)));
            }
        }
        outcomes
    }
}

#[derive(Clone)]
struct World {
    lab: Lab,
    ids: Ids,
    /// Terminal of each command that runs beside, and the command.
    jobs: BTreeMap<String, (u8, String)>,
}

impl World {
    fn new(scenario: Scenario, seed: u64) -> World {
        let mut lab = Lab::new(scenario, seed);
        lab.run_until(START, STEPS_MAX);
        World { lab, ids: Ids::default(), jobs: BTreeMap::new() }
    }

    fn leader(&self) -> Option<HostId> {
        let leads = self.lab.members().find(|(_, member)| member.raft().state() == StateType::Leader);
        leads.map(|(host, _)| host)
    }

    fn wait(&mut self, span: Micros) {
        let end = self.lab.now() + span;
        self.lab.run_until(end, STEPS_MAX);
    }

    fn input(&mut self, input: Input) {
        self.lab.input(&input);
    }

    fn act(&mut self, text: &str) {
        let input = Input::parse(text, self.lab.scenario()).expect("an input");
        self.input(input);
    }

    fn runs(&self, terminal: u8) -> bool {
        self.lab.workstation().terminals()[usize::from(terminal)].is_running()
    }

    fn run_out(&mut self, terminal: u8, patience: Micros) {
        let end = self.lab.now() + patience;
        while self.runs(terminal) && self.lab.now() < end {
            self.lab.step();
        }
    }

    /// Types a line, and what it reads.
    fn open(&mut self, terminal: u8, command: &str, stdin: &str) {
        self.input(Input::Line { terminal, text: command.to_owned() });
        self.feed(terminal, stdin);
    }

    fn feed(&mut self, terminal: u8, stdin: &str) {
        for line in stdin.lines() {
            if self.runs(terminal) {
                self.input(Input::Line { terminal, text: line.to_owned() });
                self.wait(Micros::from_millis(1));
            }
        }
    }

    /// Carries out a step; what was printed, if the step says what should be.
    fn step(&mut self, step: &Value, masks: &Masks) -> Option<(String, Printed)> {
        let text = |name: &str| step[name].as_str().unwrap_or_default();
        let command = masks.unmask(text("cmd"), &self.ids);
        if let Some(job) = step["background"].as_str() {
            let terminal = (1..TERMINALS).find(|at| !self.runs(*at)).expect("a terminal is free");
            self.act_clear(terminal);
            self.open(terminal, &command, text("stdin"));
            self.jobs.insert(job.to_owned(), (terminal, command));
            self.wait(BESIDE);
            return None;
        }
        if let Some(job) = step["feed"].as_str() {
            let (terminal, _) = self.jobs[job];
            self.feed(terminal, text("stdin"));
            self.wait(BESIDE);
            return None;
        }
        if let Some(job) = step["end"].as_str() {
            let (terminal, command) = self.jobs.remove(job).expect("it was begun");
            self.wait(BESIDE);
            if step["signal"].is_string() {
                self.act(&format!("interrupt {}", terminal + 1));
            }
            self.run_out(terminal, PATIENCE);
            self.wait(PAUSE);
            return Some((command, self.printed(terminal)));
        }
        self.act_clear(0);
        let stdin = text("stdin");
        if stdin.is_empty() || stdin.ends_with('\n') {
            self.open(0, &command, stdin);
        } else {
            // A terminal ends every line; a pipe does not.
            let quoted = stdin.replace('\'', r"'\''");
            self.open(0, &format!("printf %s '{quoted}' | {command}"), "");
        }
        if self.runs(0) {
            self.act("end 1");
        }
        let endless = step["exit"].is_null();
        self.run_out(0, if endless { ENDLESS } else { PATIENCE });
        let printed = self.printed(0);
        if endless {
            self.act("interrupt 1");
            self.run_out(0, PATIENCE);
        }
        self.wait(PAUSE);
        Some((command, printed))
    }

    /// An empty screen, so that what is on it afterwards is what the command printed.
    fn act_clear(&mut self, terminal: u8) {
        self.input(Input::Line { terminal, text: "clear".to_owned() });
    }

    fn printed(&self, terminal: u8) -> Printed {
        let terminal = &self.lab.workstation().terminals()[usize::from(terminal)];
        let mut printed = Printed { stdout: String::new(), stderr: String::new(), exit: None };
        let mut begun = false;
        for piece in terminal.scrollback() {
            match piece.kind {
                PrintedKind::Command => begun = true,
                PrintedKind::Stdout => printed.stdout += &piece.text,
                PrintedKind::Stderr => printed.stderr += &piece.text,
                // That of `clear` comes before the command.
                PrintedKind::Done(status) if begun => printed.exit = Some(status.into()),
                PrintedKind::Done(_) | PrintedKind::Typed => {}
            }
        }
        printed
    }

    fn compare(&mut self, step: &Value, command: &str, printed: &Printed, masks: &Masks) -> Outcome {
        if let Some(at) = printed.stderr.find("the lab's etcd does not answer") {
            let why = printed.stderr[at..].lines().next().unwrap_or_default();
            return Outcome::Unbuilt(why.trim_end_matches(['"', '}', '\n']).to_owned());
        }
        let mut report = String::new();
        for (name, ours) in [("stdout", &printed.stdout), ("stderr", &printed.stderr)] {
            let recorded = step[name].as_str().unwrap_or_default();
            let ours = masks.apply(command, ours, &mut self.ids);
            if !alike(recorded, &ours) {
                report += &format!("--- {name}\n{}", difference(recorded, &ours));
            }
        }
        let recorded = step["exit"].as_i64().map(|exit| if exit == -2 { 130 } else { exit });
        if printed.exit != recorded {
            report += &format!("--- exit: recorded {recorded:?}, here {:?}\n", printed.exit);
        }
        if report.is_empty() { Outcome::Equal } else { Outcome::Different(report) }
    }

    /// Something happened to the servers.
    fn note(&mut self, note: &str, step: &Value, later: &[Value]) {
        let names = self.lab.scenario().host_names();
        let words: Vec<&str> = note.split([' ', ':', ',']).collect();
        let host = || {
            let named = words.iter().find_map(|word| names.iter().position(|name| name == word));
            HostId(named.unwrap_or_else(|| panic!("nobody is named in \"{note}\"")) as u16)
        };
        let name = |host: HostId| names[usize::from(host.0)].clone();
        let mut pause = Micros::from_secs(step["wait_s"].as_u64().unwrap_or(0));
        if note.contains("server stopped; started again from") {
            let directory = words.iter().find(|word| word.ends_with(".etcd")).expect("a directory is named");
            self.open(0, &format!("lab install default {directory}"), "");
            pause = Micros::from_secs(4);
        } else if note.contains("is killed") && self.leader() == Some(host()) {
            self.kill_leader(host(), later);
        } else if note.contains("is killed") {
            self.act(&format!("fault kill {}", name(host())));
        } else if note.contains("started again") {
            self.act(&format!("fault start {}", name(host())));
            pause = Micros::from_secs(4);
        } else if note.contains("is started and catches up") {
            self.act(&format!("fault join {}", name(host())));
            pause = Micros::from_secs(6);
        } else if note.contains("leader was killed") || note.contains("no quorum") {
            pause = Micros::from_secs(4);
        }
        self.wait(pause);
    }

    /// Kills the leader at a moment after which the member is elected that a later step shows to lead: whom it falls on is
    /// chance, here as there.
    fn kill_leader(&mut self, leader: HostId, later: &[Value]) {
        let shown = later.iter().find_map(|step| {
            let line = step["stdout"].as_str()?.lines().find(|line| line.contains(", #, true, "))?;
            Some(line.split(',').next()?.to_owned())
        });
        let machine = |host: HostId| self.lab.cluster().machine(host).map(|machine| machine.client_url.clone());
        let wanted = shown.and_then(|endpoint| {
            self.lab.machines().find(|host| machine(*host).is_some_and(|url| url.ends_with(&endpoint)))
        });
        let kill = format!("fault kill {}", self.lab.scenario().host_names()[usize::from(leader.0)]);
        for delay in 0..100 {
            let mut world = self.clone();
            world.wait(Micros::from_millis(37 * delay));
            world.act(&kill);
            let killed = world.clone();
            world.wait(Micros::from_secs(4));
            if wanted.is_none() || world.leader() == wanted {
                *self = killed;
                return;
            }
        }
        panic!("nothing makes {wanted:?} the leader");
    }
}

/// The first lines in which two texts differ.
fn difference(recorded: &str, ours: &str) -> String {
    let (recorded, ours): (Vec<&str>, Vec<&str>) = (recorded.split('\n').collect(), ours.split('\n').collect());
    let at = recorded.iter().zip(&ours).position(|(a, b)| a != b).unwrap_or(recorded.len().min(ours.len()));
    let show =
        |lines: &[&str]| lines.iter().skip(at).take(4).map(|line| format!("    {line:.600}\n")).collect::<String>();
    format!("  line {} recorded\n{}  here\n{}", at + 1, show(&recorded), show(&ours))
}
