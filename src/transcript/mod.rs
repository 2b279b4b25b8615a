//! Level 6: transcripts, the one format of tests that live in a world: what is done, and what comes of it.
//!
//! ```text
//! # Two members of three are enough to commit.
//! fault power-off {follower}
//! ----
//! ok
//!
//! $ etcdctl put a 1
//! ----
//! OK
//! ```
//!
//! A block is a line, its expected output after `----`, and an empty line; an output that holds empty lines stands between
//! two doubled marks. Lines that begin with `#` are prose. What a line may be:
//!
//! | line | does | prints |
//! |---|---|---|
//! | `world SCENARIO` | a new world | |
//! | `$ COMMAND` | types it into terminal 1 and lets time run until it is done | what it printed; `stderr\|` before errors; `[exit N]` |
//! | `2$ COMMAND` | types it into terminal 2, or another, and lets time run for a while | |
//! | `screen N` | | what terminal N printed since it was last looked at |
//! | `interrupt N` | Ctrl-C, and lets time run for a while | |
//! | `fault …` | see `sim::fault`; `{leader}`, `{follower}`, `{follower2}` name members by their role now | |
//! | `wait 3s` | lets time run | |
//! | `raft-state` | | a line for each member |
//! | `logs` | | a line for each member: terms of its log, commit mark |
//! | `check` | | `holds`, or the promises that are broken |
//!
//! It knows no lesson and no page. The default world is seed 1 of the default scenario, two seconds old.

use crate::lab::workstation::PrintedKind;
use crate::lab::{Input, Lab, Scenario};
use crate::raft::{Index, StateType};
use crate::sim::{HostId, Micros, SimTime};
use std::fmt::Write as _;

/// How old a world is before its first line: old enough to have a leader.
const START: SimTime = SimTime(2_000_000);
/// How long a command may take.
const PATIENCE: Micros = Micros::from_secs(120);
/// How long time runs after a line into a second terminal.
const A_WHILE: Micros = Micros::from_millis(500);
const STEPS_MAX: u64 = 5_000_000;

/// A transcript that is being run.
pub struct Runner {
    lab: Lab,
    /// How much of each terminal's scrollback was shown.
    shown: Vec<usize>,
}

impl Default for Runner {
    fn default() -> Runner {
        Runner::new(Scenario::default())
    }
}

impl Runner {
    fn new(scenario: Scenario) -> Runner {
        let mut lab = Lab::new(scenario, 1);
        lab.run_until(START, STEPS_MAX);
        Runner { shown: vec![0; usize::from(scenario.terminals)], lab }
    }

    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Does one line and returns what comes of it; a mistake in the line is an output as well.
    pub fn line(&mut self, line: &str) -> String {
        match self.obey(line) {
            Ok(output) if output.is_empty() => "ok\n".to_owned(),
            Ok(output) => output,
            Err(mistake) => format!("mistake: {mistake}\n"),
        }
    }

    fn obey(&mut self, line: &str) -> Result<String, String> {
        if let Some(command) = line.strip_prefix("$ ") {
            self.act(&format!("line 1 {command}"))?;
            let end = self.lab.now() + PATIENCE;
            while self.lab.workstation().terminals()[0].is_running() && self.lab.now() < end {
                self.lab.step();
            }
            return self.screen(0);
        }
        if let Some((terminal, command)) = line.split_once("$ ").filter(|(it, _)| it.parse::<u8>().is_ok()) {
            self.act(&format!("line {terminal} {command}"))?;
            return self.wait(A_WHILE);
        }
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "world" => {
                *self = Runner::new(Scenario::parse(rest)?);
                Ok(String::new())
            }
            "screen" => {
                let number: usize = rest.parse().map_err(|_| format!("\"{rest}\": expected a terminal's number"))?;
                self.screen(number.wrapping_sub(1))
            }
            "interrupt" => {
                self.act(line)?;
                self.wait(A_WHILE)
            }
            "fault" => {
                self.act(line)?;
                Ok(String::new())
            }
            "wait" => self.wait(duration(rest)?),
            "raft-state" => Ok(self.raft_state()),
            "logs" => Ok(self.logs()),
            "check" => {
                let broken = self.lab.check().violations();
                Ok(if broken.is_empty() {
                    "holds\n".to_owned()
                } else {
                    broken.iter().map(|violation| format!("{violation}\n")).collect()
                })
            }
            _ => Err(format!(
                "unknown line \"{line}\"; expected $, 2$, world, screen, interrupt, fault, wait, raft-state, logs or check"
            )),
        }
    }

    fn act(&mut self, text: &str) -> Result<(), String> {
        let text = self.with_roles(text);
        let input = Input::parse(&text, self.lab.scenario())?;
        self.lab.input(&input);
        Ok(())
    }

    fn wait(&mut self, span: Micros) -> Result<String, String> {
        let end = self.lab.now() + span;
        self.lab.run_until(end, STEPS_MAX);
        Ok(String::new())
    }

    /// Puts names for roles: the leader, and the others in order of their names.
    fn with_roles(&self, text: &str) -> String {
        let leads = |member: &crate::etcd::Member| member.raft().state() == StateType::Leader;
        let names = self.lab.scenario().host_names();
        let name = |host: HostId| names[usize::from(host.0)].clone();
        let leader = self.lab.members().find(|(_, member)| leads(member)).map(|(host, _)| name(host));
        let mut followers = self.lab.members().filter(|(_, member)| !leads(member)).map(|(host, _)| name(host));
        let mut text = text.replace("{leader}", leader.as_deref().unwrap_or("{leader}"));
        for role in ["{follower}", "{follower2}"] {
            if let Some(follower) = followers.next() {
                text = text.replace(role, &follower);
            }
        }
        text
    }

    fn screen(&mut self, terminal: usize) -> Result<String, String> {
        let Some(shown) = self.shown.get_mut(terminal) else {
            return Err(format!("there are {} terminals", self.shown.len()));
        };
        let scrollback = self.lab.workstation().terminals()[terminal].scrollback();
        let mut output = String::new();
        for printed in scrollback.iter().skip(*shown) {
            match printed.kind {
                PrintedKind::Command | PrintedKind::Typed | PrintedKind::Done(0) => {}
                PrintedKind::Stdout => output.push_str(&printed.text),
                PrintedKind::Stderr => {
                    for line in printed.text.lines().filter(|line| !line.starts_with("{\"level\":")) {
                        writeln!(output, "stderr| {line}").expect("a String takes everything");
                    }
                }
                PrintedKind::Done(status) => {
                    if !output.is_empty() && !output.ends_with('\n') {
                        output.push('\n');
                    }
                    writeln!(output, "[exit {status}]").expect("a String takes everything");
                }
            }
        }
        *shown = scrollback.len();
        Ok(output)
    }

    fn raft_state(&self) -> String {
        let names = self.lab.scenario().host_names();
        let mut output = String::new();
        for host in 0..self.lab.scenario().members {
            let name = &names[usize::from(host)];
            match self.lab.member(HostId(u16::from(host))) {
                None => writeln!(output, "{name}: off"),
                Some(member) => {
                    let raft = member.raft();
                    let lead = self.lab.host_of(raft.leader()).map_or("none", |host| &names[usize::from(host.0)]);
                    writeln!(output, "{name}: {:?} term {} lead {lead}", raft.state(), raft.term().0)
                }
            }
            .expect("a String takes everything");
        }
        output
    }

    fn logs(&self) -> String {
        let names = self.lab.scenario().host_names();
        let mut output = String::new();
        for (host, member) in self.lab.members() {
            let raft = member.raft();
            let (last, commit) = (raft.last_index().0, raft.committed().0);
            let terms: Vec<String> =
                (1..=last).map(|index| raft.term_at(Index(index)).map_or(0, |term| term.0).to_string()).collect();
            let name = &names[usize::from(host.0)];
            writeln!(output, "{name}: terms {} committed {commit}", terms.join(" "))
                .expect("a String takes everything");
        }
        output
    }
}

fn duration(text: &str) -> Result<Micros, String> {
    let wrong = || format!("\"{text}\": expected a time such as 300ms or 3s");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match unit {
        "us" => Ok(Micros(number)),
        "ms" if number < 10_000_000 => Ok(Micros::from_millis(number)),
        "s" if number < 100_000 => Ok(Micros::from_secs(number)),
        _ => Err(wrong()),
    }
}

/// Runs a transcript and returns it as it should be: the same prose and lines, with the outputs that they have now.
pub fn rewrite(text: &str) -> String {
    let mut runner = Runner::default();
    let mut out = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            writeln!(out, "{line}").expect("a String takes everything");
            continue;
        }
        let output = runner.line(line);
        let mark = if output.lines().any(str::is_empty) { "----\n----\n" } else { "----\n" };
        let end = if mark.len() > 5 { mark } else { "" };
        write!(out, "{line}\n{mark}{output}{end}").expect("a String takes everything");
        skip_expected(&mut lines);
    }
    out
}

/// Passes over what was expected before.
fn skip_expected<'a>(lines: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) {
    if lines.next_if_eq(&"----").is_none() {
        return;
    }
    if lines.next_if_eq(&"----").is_none() {
        while lines.next_if(|line| !line.is_empty()).is_some() {}
        return;
    }
    while let Some(line) = lines.next() {
        if line == "----" && lines.next_if_eq(&"----").is_some() {
            return;
        }
    }
}
