//! Script lines: what a lesson does by itself (`start`, `solution`) and what a learner may click (`run`).
//!
//! ```text
//!   etcdctl put a 1                  typed into terminal 1
//!   terminal 2: etcdctl watch a      typed into terminal 2
//!   interrupt 2                      Ctrl-C there; `end 2` is Ctrl-D
//!   fault power-off {leader}         see sim::fault
//!   wait 3s
//!   wait until leader != ""          a CEL expression; at most 30 virtual seconds
//! ```
//!
//! `{leader}`, `{follower}`, `{follower2}`, `{off}` and `{watched}` (the member that serves a watch) stand for machines as
//! they are at that moment.

use super::facts::{leader, member_name};
use super::{Goal, Problems};
use crate::lab::{Input, Lab, Scenario, Timeline};
use crate::sim::{Fault, HostId, Micros, SimTime};

/// A line with its place in the lesson file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptLine {
    pub line: usize,
    pub act: Act,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    Type { terminal: u8, text: String },
    Interrupt { terminal: u8 },
    EndOfInput { terminal: u8 },
    Fault { text: String },
    Wait(Micros),
    WaitUntil(Goal),
}

/// Names in braces that stand for machines.
pub const PLACEHOLDERS: [&str; 5] = ["{leader}", "{follower}", "{follower2}", "{off}", "{watched}"];

/// Longest `wait 30s`, and the patience of `wait until` and of a line for a busy terminal or for a leader.
pub const WAIT_MAX: Micros = Micros::from_secs(30);
/// After a line is typed, this long for its command to finish; a watch never does.
const TYPED: Micros = Micros::from_secs(2);
/// How often a script looks.
pub const LOOK: Micros = Micros::from_millis(10);
/// A line of a script.
const LINE_MAX: usize = 4 << 10;
/// Things that may happen between two looks; a busy minute has fewer.
const STEPS_MAX: u64 = 1_000_000;

/// Reads one line; `None` for an empty one, a comment (`#`) or a mistake.
pub(super) fn parse_line(text: &str, line: usize, scenario: &Scenario, problems: &mut Problems) -> Option<ScriptLine> {
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return None;
    }
    if trimmed.len() > LINE_MAX {
        problems.add(line, 0, format!("a script line of {} bytes; at most {LINE_MAX} are read", trimmed.len()));
        return None;
    }
    let column = text.len() - text.trim_start().len() + 1;
    let (verb, rest) = trimmed.split_once(' ').unwrap_or((trimmed, ""));
    let act = match verb {
        "fault" => fault(rest, scenario),
        "interrupt" => terminal(rest, scenario).map(|terminal| Act::Interrupt { terminal }),
        "end" => terminal(rest, scenario).map(|terminal| Act::EndOfInput { terminal }),
        "terminal" => typed(rest, scenario),
        "wait" => match rest.trim_start().strip_prefix("until ") {
            Some(source) => {
                let column = column + trimmed.len() - source.len();
                return Goal::parse(source, line, column, problems)
                    .map(|goal| ScriptLine { line, act: Act::WaitUntil(goal) });
            }
            None => span(rest).map(Act::Wait),
        },
        _ => line_of(trimmed).map(|text| Act::Type { terminal: 0, text }),
    };
    match act {
        Ok(act) => Some(ScriptLine { line, act }),
        Err(message) => {
            problems.add(line, column, message);
            None
        }
    }
}

fn terminal(text: &str, scenario: &Scenario) -> Result<u8, String> {
    match text.trim().parse::<u8>() {
        Ok(number) if (1..=scenario.terminals).contains(&number) => Ok(number - 1),
        _ => Err(format!("\"{}\" is not a terminal; expected a number from 1 to {}", text.trim(), scenario.terminals)),
    }
}

fn typed(rest: &str, scenario: &Scenario) -> Result<Act, String> {
    let Some((number, line)) = rest.split_once(':') else {
        return Err("expected terminal N: and the line to type".to_owned());
    };
    Ok(Act::Type { terminal: terminal(number, scenario)?, text: line_of(line.trim())? })
}

fn line_of(text: &str) -> Result<String, String> {
    unknown_placeholder(text).map_or(Ok(text.to_owned()), |unknown| Err(not_a_placeholder(unknown)))
}

/// A word in braces that stands for nothing. `${name}` is the shell's, and so are braces around anything but a word.
pub(super) fn unknown_placeholder(text: &str) -> Option<&str> {
    text.match_indices('{').find_map(|(at, _)| {
        let braced = &text[at..=at + text[at..].find('}')?];
        let word = &braced[1..braced.len() - 1];
        let is_word = !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        (is_word && !text[..at].ends_with('$') && !PLACEHOLDERS.contains(&braced)).then_some(braced)
    })
}

pub(super) fn not_a_placeholder(word: &str) -> String {
    format!("unknown placeholder \"{word}\"; expected one of {}", PLACEHOLDERS.join(", "))
}

/// `3s`, `500ms`.
fn span(text: &str) -> Result<Micros, String> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let span = match (number.parse::<u64>(), unit) {
        (Ok(number), "s") if number <= WAIT_MAX.0 => Some(Micros::from_secs(number)),
        (Ok(number), "ms") if number <= WAIT_MAX.0 => Some(Micros::from_millis(number)),
        _ => None,
    };
    let span = span.filter(|span| *span <= WAIT_MAX);
    span.ok_or_else(|| {
        format!("\"{text}\" is no time to wait; expected such as 3s or 500ms, at most {WAIT_MAX}, or until …")
    })
}

/// A fault is checked with machines in the place of placeholders.
fn fault(text: &str, scenario: &Scenario) -> Result<Act, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let members = u16::from(scenario.members);
    let stand_in = |name: &str| match PLACEHOLDERS.iter().position(|placeholder| *placeholder == name) {
        // Those that can be one machine stand for the first, so that a wire between two placeholders has two ends.
        Some(position) => Some(HostId(if position < 3 { position as u16 } else { 0 })).filter(|host| host.0 < members),
        None => scenario.host_named(name),
    };
    if let Some(unknown) = unknown_placeholder(text) {
        return Err(not_a_placeholder(unknown));
    }
    Fault::parse(&words, &stand_in)?;
    Ok(Act::Fault { text: words.join(" ") })
}

/// Puts the names of machines, as they are now, in the place of placeholders.
///
/// # Errors
/// There is no such machine now.
pub fn fill(text: &str, lab: &Lab) -> Result<String, String> {
    let mut out = text.to_owned();
    for placeholder in PLACEHOLDERS {
        if out.contains(placeholder) {
            let host = machine(placeholder, lab).ok_or_else(|| format!("there is no {placeholder} now"))?;
            out = out.replace(placeholder, member_name(lab, host));
        }
    }
    Ok(out)
}

fn machine(placeholder: &str, lab: &Lab) -> Option<HostId> {
    let leads = leader(lab);
    let mut hosts = lab.machines();
    let follows = |host: &HostId| lab.member(*host).is_some() && Some(*host) != leads;
    match placeholder {
        "{leader}" => leads,
        "{follower}" => leads.and_then(|_| hosts.find(follows)),
        "{follower2}" => leads.and_then(|_| hosts.filter(follows).nth(1)),
        "{off}" => hosts.find(|host| lab.member(*host).is_none()),
        _ => hosts.find(|host| lab.member(*host).is_some_and(|member| member.store().watcher_count() > 0)),
    }
}

impl Act {
    /// What a button for it says.
    pub fn label(&self) -> String {
        match self {
            Act::Type { text, .. } => text.clone(),
            Act::Interrupt { .. } => "Ctrl-C".to_owned(),
            Act::EndOfInput { .. } => "Ctrl-D".to_owned(),
            Act::Fault { text } => text.clone(),
            Act::Wait(span) => format!("wait {span}"),
            Act::WaitUntil(goal) => format!("wait until {}", goal.source),
        }
    }

    /// What it gives to the world now; `None` for one that only waits.
    ///
    /// # Errors
    /// A placeholder stands for nothing now.
    pub fn input(&self, lab: &Lab) -> Result<Option<Input>, String> {
        match self {
            Act::Type { terminal, text } => Ok(Some(Input::Line { terminal: *terminal, text: fill(text, lab)? })),
            Act::Interrupt { terminal } => Ok(Some(Input::Interrupt { terminal: *terminal })),
            Act::EndOfInput { terminal } => Ok(Some(Input::EndOfInput { terminal: *terminal })),
            Act::Fault { text } => {
                let text = fill(text, lab)?;
                let words: Vec<&str> = text.split_whitespace().collect();
                Ok(Some(Input::Fault(Fault::parse(&words, &|name| lab.scenario().host_named(name))?)))
            }
            Act::Wait(_) | Act::WaitUntil(_) => Ok(None),
        }
    }
}

/// Lets time pass until something holds; `false` if it did not within `patience`.
pub fn wait(timeline: &mut Timeline, patience: Micros, mut holds: impl FnMut(&Lab) -> bool) -> bool {
    let end = timeline.lab().now() + patience;
    loop {
        if holds(timeline.lab()) {
            return true;
        }
        let now = timeline.lab().now();
        if now >= end || timeline.run_until(now + LOOK, STEPS_MAX) == STEPS_MAX {
            return false;
        }
    }
}

/// Does one line as a patient person would: waits for a busy terminal, for a leader to name, for the command to finish.
///
/// # Errors
/// Why the line cannot be done.
pub fn perform(timeline: &mut Timeline, act: &Act, since: SimTime) -> Result<(), String> {
    if let Act::Type { terminal, text } = act {
        let terminal = usize::from(*terminal);
        let idle =
            |lab: &Lab| lab.workstation().terminals().get(terminal).is_some_and(|terminal| !terminal.is_running());
        if !wait(timeline, WAIT_MAX, idle) {
            return Err(format!(
                "terminal {} is still busy after {WAIT_MAX}, so \"{text}\" cannot be typed; expected interrupt {0} before",
                terminal + 1
            ));
        }
        wait(timeline, WAIT_MAX, |lab| act.input(lab).is_ok());
        give(timeline, act)?;
        wait(timeline, TYPED, idle);
        return Ok(());
    }
    match act {
        Act::Wait(span) => {
            let end = timeline.lab().now() + *span;
            timeline.run_until(end, STEPS_MAX);
            Ok(())
        }
        Act::WaitUntil(goal) => {
            if wait(timeline, WAIT_MAX, |lab| goal.holds(lab, since)) {
                return Ok(());
            }
            let verdict = goal.judge(timeline.lab(), since);
            let why = verdict.holds.err().map_or(String::new(), |error| format!(": {error}"));
            Err(format!("still not so after {WAIT_MAX}: {}{why}", goal.source))
        }
        _ => {
            wait(timeline, WAIT_MAX, |lab| act.input(lab).is_ok());
            give(timeline, act)
        }
    }
}

fn give(timeline: &mut Timeline, act: &Act) -> Result<(), String> {
    if let Some(input) = act.input(timeline.lab())? {
        timeline.act(input);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let mut problems = Problems::new("f");
        let line = parse_line(text, 1, &Scenario::default(), &mut problems);
        let found = match problems.into_sorted().pop() {
            None => Ok(line.map_or(String::new(), |line| line.act.label())),
            Some(problem) => Err(problem.to_string()),
        };
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn lines_are_read() {
        check("  etcdctl put a 1  ", Ok("etcdctl put a 1"));
        check("terminal 2: wait 3s", Ok("wait 3s"));
        check("fault cut {leader} {follower}", Ok("cut {leader} {follower}"));
        check("fault power-off {watched}", Ok("power-off {watched}"));
        check("interrupt 2", Ok("Ctrl-C"));
        check("wait 1500ms", Ok("wait 1.5s"));
        check("wait until revision > 3", Ok("wait until revision > 3"));
        check("echo ${a} {a,b} {\"a\": 1} {}", Ok("echo ${a} {a,b} {\"a\": 1} {}"));
        check("# comment", Ok(""));
        check("", Ok(""));
    }

    #[test]
    fn mistakes_are_named() {
        let expected = "expected one of {leader}, {follower}, {follower2}, {off}, {watched}";
        check("echo {boss}", Err(&format!("f:1:1: unknown placeholder \"{{boss}}\"; {expected}")));
        check("fault power-off etcd-9", Err("f:1:1: there is no host \"etcd-9\""));
        check("fault", Err("f:1:1: what to do is missing"));
        check("interrupt", Err("f:1:1: \"\" is not a terminal; expected a number from 1 to 2"));
        check("terminal 2", Err("f:1:1: expected terminal N: and the line to type"));
        check(
            "wait 31s",
            Err("f:1:1: \"31s\" is no time to wait; expected such as 3s or 500ms, at most 30s, or until …"),
        );
        check(
            "wait until leadr",
            Err("f:1:12: unknown name `leadr`; expected one of now, since, members, leader, term, kv, \
                                       revision, history, commands, terminals, violations"),
        );
    }
}
