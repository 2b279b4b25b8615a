//! What a learner does to a world, and its one text form: input log, saved worlds and lesson solutions share it.
//!
//! ```text
//!   line 1 etcdctl put a 1        a line typed into terminal 1
//!   interrupt 1                   Ctrl-C
//!   end 1                         Ctrl-D
//!   fault power-off etcd-1        see sim::fault
//!   http 1 ["apiserver-1:6443","GET","/version",[],""]   a request of a program outside; its body in base64
//!   http-close 1                  it wants no more of the answer
//! ```

use super::Scenario;
use crate::etcd::http::HttpRequest;
use crate::sim::{Fault, HostId, SimTime};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

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
    /// A program outside of the world asks for something over HTTP, as if it ran on the workstation: `lab serve`. What comes
    /// of it is told by [`super::Lab::drain_http`].
    Http {
        number: u32,
        /// `host:port`
        authority: String,
        request: HttpRequest,
    },
    /// It wants no more of the answer.
    HttpClose {
        number: u32,
    },
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
            Input::Http { number, authority, request } => {
                let body = STANDARD.encode(&request.body);
                let parts = json!([authority, request.method, request.target, request.headers, body]);
                format!("http {number} {parts}")
            }
            Input::HttpClose { number } => format!("http-close {number}"),
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
            "http" => {
                let (number, parts) = rest.split_once(' ').unwrap_or((rest, ""));
                if parts.len() > LINE_BYTES_MAX {
                    return Err(format!("a request of {} bytes; at most {LINE_BYTES_MAX} are read", parts.len()));
                }
                let (authority, request) = http_request(parts)?;
                Ok(Input::Http { number: http_number(number)?, authority, request })
            }
            "http-close" => Ok(Input::HttpClose { number: http_number(rest)? }),
            _ => Err(format!("unknown input \"{verb}\"; expected line, interrupt, end, fault, http or http-close")),
        }
    }
}

fn http_number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("\"{text}\" is not the number of a request"))
}

/// `[authority, method, target, [[name, value], …], body]`
fn http_request(text: &str) -> Result<(String, HttpRequest), String> {
    type Parts = (String, String, String, Vec<(String, String)>, String);
    let parts: Result<Parts, _> = serde_json::from_str::<Value>(text).and_then(serde_json::from_value);
    let expected = |why: String| format!("a request is [authority, method, target, headers, body]: {why}");
    let (authority, method, target, headers, body) = parts.map_err(|error| expected(error.to_string()))?;
    let body = STANDARD.decode(body).map_err(|error| expected(error.to_string()))?;
    Ok((authority, HttpRequest { method, target, headers, body: body.into() }))
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
            Input::Http {
                number: 7,
                authority: "apiserver-1:6443".to_owned(),
                request: HttpRequest {
                    method: "POST".to_owned(),
                    target: "/api/v1/namespaces?x= y".to_owned(),
                    headers: vec![("Accept".to_owned(), "\"a\"; b".to_owned())],
                    body: vec![0, 10, 255].into(),
                },
            },
            Input::HttpClose { number: 7 },
        ] {
            assert_eq!(Input::parse(&input.text(&scenario), &scenario), Ok(input));
        }
    }

    #[test]
    fn mistakes_are_named() {
        let scenario = Scenario::default();
        let wrong = |text| Input::parse(text, &scenario).unwrap_err();
        assert_eq!(wrong("jump 1"), "unknown input \"jump\"; expected line, interrupt, end, fault, http or http-close");
        assert!(wrong("http 1 {}").starts_with("a request is [authority, method, target, headers, body]: "));
        assert!(wrong("http-close x").contains("not the number of a request"));
        assert_eq!(wrong("line 9 ls"), "\"9\" is not a terminal; expected a number from 1 to 2");
        assert!(wrong("fault power-off mars").contains("mars"));
    }
}
