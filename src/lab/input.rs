//! What a learner does to a world, and its one text form: input log, saved worlds and lesson solutions share it.
//!
//! ```text
//!   line 1 etcdctl put a 1        a line typed into terminal 1
//!   interrupt 1                   Ctrl-C
//!   end 1                         Ctrl-D
//!   fault power-off etcd-1        see sim::fault
//! ```

use super::Scenario;
use crate::sim::{Fault, HostId, SimTime};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A line typed into a terminal; to a program that runs there, or else to the shell.
    Line {
        terminal: u8,
        text: String,
    },
    Interrupt {
        terminal: u8,
    },
    EndOfInput {
        terminal: u8,
    },
    Fault(Fault),
}

/// An input, and when: after this many steps of the world, at this moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Logged {
    pub at: SimTime,
    pub steps: u64,
    pub input: Input,
}

/// A saved line is no longer than this. The shell itself reads less, and says so.
pub const LINE_BYTES_MAX: usize = 4 << 20;

impl Input {
    pub fn text(&self, scenario: &Scenario) -> String {
        match self {
            Input::Line { terminal, text } => {
                format!("line {} {}", terminal + 1, text.replace('\\', "\\\\").replace('\n', "\\n"))
            }
            Input::Interrupt { terminal } => format!("interrupt {}", terminal + 1),
            Input::EndOfInput { terminal } => format!("end {}", terminal + 1),
            Input::Fault(fault) => {
                let names = scenario.host_names();
                let name = |host: HostId| names.get(usize::from(host.0)).cloned().unwrap_or_default();
                format!("fault {}", fault.text(&name))
            }
        }
    }

    /// The input that this text stands for.
    ///
    /// # Errors
    /// What is wrong and what was expected, for a person to read.
    pub fn parse(text: &str, scenario: &Scenario) -> Result<Input, String> {
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        match verb {
            "line" => {
                let (terminal, line) = rest.split_once(' ').unwrap_or((rest, ""));
                let text = unescape(line);
                if text.len() > LINE_BYTES_MAX {
                    return Err(format!("a line of {} bytes; at most {LINE_BYTES_MAX} are read", text.len()));
                }
                Ok(Input::Line { terminal: terminal_number(terminal, scenario)?, text })
            }
            "interrupt" => Ok(Input::Interrupt { terminal: terminal_number(rest, scenario)? }),
            "end" => Ok(Input::EndOfInput { terminal: terminal_number(rest, scenario)? }),
            "fault" => {
                let words: Vec<&str> = rest.split_whitespace().collect();
                let fault = Fault::parse(&words, &|name| scenario.host_named(name))?;
                Ok(Input::Fault(fault))
            }
            _ => Err(format!("unknown input \"{verb}\"; expected line, interrupt, end or fault")),
        }
    }
}

fn terminal_number(text: &str, scenario: &Scenario) -> Result<u8, String> {
    match text.trim().parse::<u8>() {
        Ok(number) if (1..=scenario.terminals).contains(&number) => Ok(number - 1),
        _ => Err(format!("\"{text}\" is not a terminal; expected a number from 1 to {}", scenario.terminals)),
    }
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, false) => out.push(c),
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::HostId;

    #[test]
    fn text_and_back() {
        let scenario = Scenario::default();
        for input in [
            Input::Line { terminal: 0, text: "etcdctl put a 'x\\n'".to_owned() },
            Input::Line { terminal: 1, text: "two\nlines \\".to_owned() },
            Input::Interrupt { terminal: 1 },
            Input::EndOfInput { terminal: 0 },
            Input::Fault(Fault::PowerOff { host: HostId(0) }),
        ] {
            assert_eq!(Input::parse(&input.text(&scenario), &scenario), Ok(input));
        }
    }

    #[test]
    fn mistakes_are_named() {
        let scenario = Scenario::default();
        let wrong = |text| Input::parse(text, &scenario).unwrap_err();
        assert_eq!(wrong("jump 1"), "unknown input \"jump\"; expected line, interrupt, end or fault");
        assert_eq!(wrong("line 9 ls"), "\"9\" is not a terminal; expected a number from 1 to 2");
        assert!(wrong("fault power-off mars").contains("mars"));
    }
}
