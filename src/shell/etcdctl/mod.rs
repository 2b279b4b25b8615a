//! `etcdctl` 3.5.1.
//!
//! Upstream: `etcdctl/ctlv3` on cobra and pflag. One static table ([`table`]) drives parsing, help and completion; each
//! command group has a file. What a command prints, where, and its exit code are upstream's byte for byte, as recorded
//! from the real program.
//!
//! Simplified: no TLS and no authentication yet; commands whose part of etcd is not built say so.

mod client;
mod endpoint;
pub mod flags;
pub mod help;
mod kv;
pub mod table;
mod txn;
mod watch;

use super::interpreter::Context;
use super::printers::go::quote;
use super::process::{Ask, Program, Tell};
use crate::sim::SimTime;
use client::{Calling, Client};
use endpoint::Endpoints;
use flags::{Flag, Parsed};
use table::{Action, COMMANDS, Command, GLOBAL, HELP};
use txn::Txn;
use watch::Watch;

const EXIT_ERROR: i32 = 1;
const EXIT_BAD_CONNECTION: i32 = 2;
const EXIT_INVALID_INPUT: i32 = 3;
const EXIT_BAD_FEATURE: i32 = 4;
const EXIT_INTERRUPTED: i32 = 5;
const EXIT_BAD_ARGS: i32 = 128;
/// What a Go program exits with when it panics.
const EXIT_PANIC: i32 = 2;

/// A running `etcdctl`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Etcdctl {
    arguments: Vec<String>,
    context: Context,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum State {
    New,
    /// `put KEY` reads its value.
    PutValue {
        parsed: Parsed,
        value: String,
    },
    Calling(Calling),
    Endpoints(Endpoints),
    Txn(Txn),
    Watch(Watch),
    Ended,
}

/// Why the program ends early.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Failure {
    /// Complete text for standard error.
    stderr: String,
    status: i32,
}

impl Failure {
    /// `Error: message`
    fn new(status: i32, message: impl std::fmt::Display) -> Failure {
        Failure { stderr: format!("Error: {message}\n"), status }
    }

    /// Upstream crashes here. Simplified: without Go's stack trace, which shows paths of the machine it was built on.
    fn panic(message: &str) -> Failure {
        Failure { stderr: format!("panic: {message}\n"), status: EXIT_PANIC }
    }
}

impl Etcdctl {
    pub fn new(arguments: Vec<String>, context: Context) -> Etcdctl {
        Etcdctl { arguments, context, state: State::New }
    }

    /// Whether it takes input now.
    pub fn reads_input(&self) -> bool {
        match &self.state {
            State::PutValue { .. } | State::Txn(_) => true,
            State::Watch(watch) => watch.reads_input(),
            State::New | State::Calling(_) | State::Endpoints(_) | State::Ended => false,
        }
    }

    fn start(&mut self, now: SimTime, asks: &mut Vec<Ask>) -> Result<State, Failure> {
        match self.context.environment.value("ETCDCTL_API") {
            None | Some("" | "3") => {}
            Some("2") => return Err(Failure::new(EXIT_BAD_FEATURE, "the v2 API is not built into this lab")),
            Some(version) => {
                return Err(Failure { stderr: format!("unsupported API version: {version}\n"), status: EXIT_ERROR });
            }
        }
        let (command, rest) = find(&self.arguments)?;
        let flags: Vec<&Flag> = match command {
            Some(command) => command.all_flags().chain(GLOBAL).chain([&HELP]).collect(),
            None => GLOBAL.iter().chain([&HELP]).collect(),
        };
        let parsed = match flags::parse(&rest, &flags) {
            Ok(parsed) => parsed,
            Err(error) => {
                asks.push(Ask::Stdout(help::usage(command)));
                return Err(Failure { stderr: format!("Error: {error}\n\nError: {error}\n"), status: EXIT_ERROR });
            }
        };
        let Some(command) = command else {
            asks.push(Ask::Stdout(help::usage(None)));
            return Ok(ended(0, asks));
        };
        if parsed.value(&HELP) == "true" || command.action == Action::Group {
            asks.push(Ask::Stdout(help::usage(Some(command))));
            return Ok(ended(0, asks));
        }
        let (least, most, message) = command.arity;
        if !(least..=most).contains(&parsed.positional.len()) {
            return Err(Failure::new(EXIT_BAD_ARGS, message));
        }
        self.run(now, command, parsed, asks)
    }

    fn run(
        &mut self,
        now: SimTime,
        command: &'static Command,
        parsed: Parsed,
        asks: &mut Vec<Ask>,
    ) -> Result<State, Failure> {
        let context = &self.context;
        match command.action {
            Action::Group => Ok(ended(0, asks)),
            Action::Help => Ok(help_command(&parsed.positional, asks)),
            Action::Version => {
                let text = format!("etcdctl version: {}\nAPI version: {}\n", help::VERSION, help::API_VERSION);
                asks.push(Ask::Stdout(text));
                Ok(ended(0, asks))
            }
            Action::NotBuilt => not_built(command, &parsed),
            Action::Put if kv::needs_stdin(&parsed)? => Ok(State::PutValue { parsed, value: String::new() }),
            Action::Put => self.put(now, parsed, None, asks),
            Action::Get => {
                let request = kv::get_request(&parsed)?;
                let client = Client::connect(now, command, &parsed, context, asks)?;
                let after = kv::after_get(&parsed);
                Ok(State::Calling(client.call(crate::etcd::api::Request::Range(request), after, asks)))
            }
            Action::Del => {
                let request = kv::del_request(&parsed)?;
                let client = Client::connect(now, command, &parsed, context, asks)?;
                let request = crate::etcd::api::Request::DeleteRange(request);
                Ok(State::Calling(client.call(request, client::After::Display, asks)))
            }
            Action::Compaction => {
                let request = kv::compaction_request(&parsed)?;
                let after = client::After::Compacted(request.revision);
                let client = Client::connect(now, command, &parsed, context, asks)?;
                Ok(State::Calling(client.call(crate::etcd::api::Request::Compact(request), after, asks)))
            }
            Action::MemberList => {
                let client = Client::connect(now, command, &parsed, context, asks)?;
                Ok(State::Calling(client.call(endpoint::member_list(), client::After::Display, asks)))
            }
            Action::EndpointHealth | Action::EndpointStatus | Action::EndpointHashKv => {
                let mut parsed = parsed;
                let client = Client::configure(now, command, &mut parsed, context, asks)?;
                let mut endpoints = Endpoints::new(command.action, client, &parsed)?;
                Ok(match endpoints.start(now, asks)? {
                    None => State::Endpoints(endpoints),
                    Some(status) => ended(status, asks),
                })
            }
            Action::Txn => {
                let client = Client::connect(now, command, &parsed, context, asks)?;
                Ok(State::Txn(Txn::new(client, &parsed, asks)))
            }
            Action::Watch => {
                let environment = watch::EnvironmentKeys::of(context)?;
                let plan =
                    if watch::is_interactive(&parsed) { None } else { Some(watch::plan(&parsed, &environment)?) };
                let client = Client::connect(now, command, &parsed, context, asks)?;
                let mut watch = Watch::new(client, environment, context.clone());
                if let Some(plan) = plan {
                    watch.open(&plan, asks)?;
                }
                Ok(State::Watch(watch))
            }
        }
    }

    fn put(
        &mut self,
        now: SimTime,
        parsed: Parsed,
        stdin: Option<&str>,
        asks: &mut Vec<Ask>,
    ) -> Result<State, Failure> {
        let request = kv::put_request(&parsed, stdin)?;
        // The table has a row for every action that gets here.
        let command = COMMANDS.iter().find(|command| command.action == Action::Put).unwrap_or(&COMMANDS[0]);
        let client = Client::connect(now, command, &parsed, &self.context, asks)?;
        let request = crate::etcd::api::Request::Put(request);
        Ok(State::Calling(client.call(request, client::After::Display, asks)))
    }

    fn step(&mut self, now: SimTime, tell: Tell, asks: &mut Vec<Ask>) -> Result<State, Failure> {
        let state = std::mem::replace(&mut self.state, State::Ended);
        match (state, tell) {
            (State::New, Tell::Start) => self.start(now, asks),
            (State::PutValue { parsed, mut value }, Tell::Stdin(chunk)) => {
                if value.len() + chunk.len() > kv::STDIN_BYTES_MAX {
                    return Err(Failure::new(EXIT_ERROR, "etcdserver: request is too large"));
                }
                value.push_str(&chunk);
                Ok(State::PutValue { parsed, value })
            }
            (State::PutValue { parsed, value }, Tell::StdinClosed) => self.put(now, parsed, Some(&value), asks),
            (State::Calling(calling), Tell::Answer { result, .. }) => {
                calling.answered(now, result, asks)?;
                Ok(ended(0, asks))
            }
            (State::Endpoints(mut endpoints), Tell::Answer { token, result }) => {
                Ok(match endpoints.answered(now, token, result, asks)? {
                    None => State::Endpoints(endpoints),
                    Some(status) => ended(status, asks),
                })
            }
            (State::Txn(txn), Tell::Stdin(chunk)) => txn.typed(&chunk, asks),
            (State::Txn(_), Tell::StdinClosed) => Err(Failure::new(EXIT_INVALID_INPUT, "EOF")),
            (State::Watch(mut watch), tell) => {
                watch.tell(now, tell, asks)?;
                Ok(State::Watch(watch))
            }
            (state, _) => Ok(state),
        }
    }
}

impl Program for Etcdctl {
    fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Vec<Ask>) {
        if self.state == State::Ended {
            return;
        }
        if tell == Tell::Interrupt {
            self.state = ended(130, asks);
            return;
        }
        match self.step(now, tell, asks) {
            Ok(state) => self.state = state,
            Err(failure) => {
                if !failure.stderr.is_empty() {
                    asks.push(Ask::Stderr(failure.stderr));
                }
                self.state = ended(failure.status, asks);
            }
        }
    }
}

fn ended(status: i32, asks: &mut Vec<Ask>) -> State {
    asks.push(Ask::Exit(status));
    State::Ended
}

/// The command that `arguments` name, and the arguments without its name; `None` is `etcdctl` itself.
fn find(arguments: &[String]) -> Result<(Option<&'static Command>, Vec<String>), Failure> {
    let mut command: Option<&'static Command> = None;
    let mut rest = arguments.to_vec();
    loop {
        let words = words(&rest, command);
        let Some(word) = words.first() else { return Ok((command, rest)) };
        match child(command, word) {
            Some(next) => {
                command = Some(next);
                if let Some(at) = rest.iter().position(|argument| argument == word) {
                    rest.remove(at);
                }
            }
            None if command.is_some() => return Ok((command, rest)),
            None => {
                let message = format!("unknown command {} for \"etcdctl\"{}", quote(word), suggestions(word));
                let stderr = format!("Error: {message}\nRun 'etcdctl --help' for usage.\nError: {message}\n");
                return Err(Failure { stderr, status: EXIT_ERROR });
            }
        }
    }
}

/// The command that is being typed, for completion.
pub fn lookup(arguments: &[String]) -> Option<&'static Command> {
    find(arguments).ok().and_then(|(command, _)| command)
}

/// The arguments that are neither flags nor values of flags.
///
/// As in cobra: a flag that it does not know (and `--help` is unknown so far) is taken to have a value.
fn words(arguments: &[String], command: Option<&'static Command>) -> Vec<String> {
    let mut flags: Vec<&Flag> = GLOBAL.iter().collect();
    flags.extend(command.into_iter().flat_map(Command::all_flags));
    let is_bool = |find: &dyn Fn(&Flag) -> bool| flags.iter().any(|flag| find(flag) && flag.kind == flags::Kind::Bool);
    let mut words = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let takes_value = match argument.strip_prefix("--") {
            Some("") => break,
            Some(name) => !name.contains('=') && !is_bool(&|flag| flag.name == name),
            None => {
                let mut letters = argument.strip_prefix('-').unwrap_or_default().chars();
                match (letters.next(), letters.next()) {
                    (Some(letter), None) if letter != '=' => !is_bool(&|flag| flag.short == Some(letter)),
                    _ => false,
                }
            }
        };
        if takes_value {
            arguments.next();
        } else if !argument.is_empty() && !argument.starts_with('-') {
            words.push(argument.clone());
        }
    }
    words
}

/// A subcommand by its name, or by a beginning of it that fits no other.
fn child(of: Option<&'static Command>, word: &str) -> Option<&'static Command> {
    let mut fitting = Command::children(of).filter(|command| command.last_name().starts_with(word));
    if let Some(exact) = Command::children(of).find(|command| command.last_name() == word) {
        return Some(exact);
    }
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// Commands that `word` may have meant, as the end of an error message.
fn suggestions(word: &str) -> String {
    let word = word.to_lowercase();
    let near = |command: &&Command| command.name.starts_with(&word) || distance(&word, command.name) <= 2;
    let names: Vec<String> = Command::children(None).filter(near).map(|near| format!("\t{}\n", near.name)).collect();
    if names.is_empty() { String::new() } else { format!("\n\nDid you mean this?\n{}", names.concat()) }
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    // No command is longer than this; a distance of 2 is out of reach well before.
    for (i, from) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn help_command(topics: &[String], asks: &mut Vec<Ask>) -> State {
    match find(topics) {
        Ok((command, _)) => asks.push(Ask::Stdout(help::usage(command))),
        Err(_) => {
            let topics: Vec<String> = topics.iter().map(|topic| format!("`{topic}`")).collect();
            asks.push(Ask::Stderr(format!("Unknown help topic [{}]\n", topics.join(" "))));
            asks.push(Ask::Stdout(help::usage(None)));
        }
    }
    ended(0, asks)
}

fn not_built(command: &Command, parsed: &Parsed) -> Result<State, Failure> {
    let load = command.flags.iter().find(|flag| flag.name == "load").map(|flag| parsed.value(flag));
    if let Some(load) =
        load.filter(|load| !matches!(*load, "s" | "m" | "l" | "xl" | "small" | "medium" | "large" | "xLarge"))
    {
        return Err(Failure::new(EXIT_BAD_FEATURE, format!("unknown load option {load}")));
    }
    Err(Failure::new(EXIT_ERROR, format!("{} is not built into this lab yet", command.name)))
}
