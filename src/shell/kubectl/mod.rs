//! `kubectl` 1.35: commands are requests to the API server over the simulated network, and nothing else.
//!
//! A command is written from top to bottom and run again from its beginning whenever an answer arrives; [`run`] says how.
//! [`table`] lists the commands; one file holds a command or a family. [`client`] makes requests, [`discovery`] knows what
//! the server has, [`builder`] finds what words and files name, [`print`] shows objects, [`failure`] tells what went wrong.
//!
//! Upstream: `k8s.io/kubectl` and `k8s.io/cli-runtime`, v1.35.2.

pub mod flags;
pub mod table;

mod failure;
mod run;

mod builder;
mod client;
mod config;
mod discovery;
mod openapi;
mod print;
mod verbose;

mod patches;
mod wait;

mod apply;
mod auth;
mod certificate;
mod cluster;
mod config_cmd;
mod create;
mod delete;
mod describe;
mod edit;
mod events;
mod explain;
mod get;
mod help;
mod label;
mod logs;
mod nodes;
mod rollout;
mod run_pod;
mod set;
mod taint;
mod top;
mod write;

use std::collections::BTreeSet;

use super::environment::Environment;
use super::interpreter::Context;
use super::process::{Ask, Asks, Program, Tell};
use crate::sim::SimTime;
use client::{Kube, mix};
use failure::Stop;
use flags::Args;
use run::{Journal, Run};
use table::Command;

/// A running kubectl.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kubectl {
    arguments: Vec<String>,
    environment: Environment,
    /// The command's place in the table, and its words.
    args: Option<Args>,
    journal: Journal,
    began: SimTime,
    seed: u64,
}

impl Kubectl {
    pub fn new(arguments: Vec<String>, context: &Context) -> Kubectl {
        Kubectl {
            arguments,
            environment: context.environment.clone(),
            args: None,
            journal: Journal::default(),
            began: SimTime::ZERO,
            seed: 0,
        }
    }

    /// Whether it would take input: something of it is to be read from there.
    pub fn reads_input(&self) -> bool {
        let is_dash = |word: &String| matches!(word.as_str(), "-" | "-f-" | "-f=-" | "--filename=-");
        self.arguments.iter().any(is_dash) && self.journal.reads_input()
    }

    fn start(&mut self, now: SimTime, asks: &mut Asks) -> bool {
        self.began = now;
        self.seed = mix(now.0, &self.arguments.join("\0"));
        let (command, rest) = match help::find(&self.arguments) {
            help::Found::Command(command, rest) => (command, rest),
            help::Found::Text(text) => {
                asks.print(text);
                asks.push(Ask::Exit(0));
                return false;
            }
            help::Found::Wrong(text) => {
                asks.complain(text);
                asks.push(Ask::Exit(1));
                return false;
            }
        };
        match Args::read(command, &rest) {
            Ok(args) if args.bool("help") => {
                asks.print(help::of(command));
                asks.push(Ask::Exit(0));
                return false;
            }
            Ok(args) => self.args = Some(args),
            Err(error) => {
                asks.complain(format!("error: {error}\nSee 'kubectl {} --help' for usage.\n", command.path));
                asks.push(Ask::Exit(1));
                return false;
            }
        }
        true
    }

    fn turn(&mut self, now: SimTime, asks: &mut Asks) {
        let Some(args) = &self.args else { return };
        let Some(command): Option<&'static Command> = table::find(args.path()) else { return };
        let run = Run::new(&mut self.journal, self.began, now, asks);
        let mut kube = Kube::new(run, args, &self.environment, self.seed);
        let status = match (command.run)(&mut kube) {
            Err(Stop::Pending) => return,
            Ok(()) => 0,
            Err(Stop::Failed(failure)) => {
                let (text, status) = failure.show();
                asks.complain(text);
                status
            }
        };
        asks.push(Ask::Exit(status));
        self.args = None;
    }
}

impl Program for Kubectl {
    fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) {
        match tell {
            Tell::Start => {
                if self.start(now, asks) {
                    self.turn(now, asks);
                }
            }
            Tell::Interrupt => {
                let watches = self.args.as_ref().is_some_and(|args| args.bool("watch") || args.bool("watch-only"));
                // A watch catches the signal and leaves; others are ended by it.
                asks.push(Ask::Exit(if watches { 1 } else { 130 }));
                self.args = None;
            }
            tell => {
                if self.args.is_some() && self.journal.tell(now, tell, asks) {
                    self.turn(now, asks);
                }
            }
        }
    }
}

/// Every word that may stand behind these: for completion.
pub fn subcommands(words: &[String]) -> Vec<&'static str> {
    let before = words.join(" ");
    let paths =
        table::COMMANDS.iter().map(|command| command.path).chain(table::FAMILIES.iter().map(|family| family.path));
    let next = |path: &'static str| {
        let rest = if before.is_empty() { path } else { path.strip_prefix(&before)?.strip_prefix(' ')? };
        rest.split(' ').next()
    };
    let words: BTreeSet<&'static str> = paths.filter_map(next).collect();
    words.into_iter().collect()
}

/// The flags of the command that these words begin with: for completion.
pub fn flags_of(words: &[String]) -> Vec<String> {
    let command = (1..=words.len()).rev().find_map(|end| table::find(&words[..end].join(" ")));
    let own = command.into_iter().flat_map(Command::flags);
    own.chain(table::GLOBAL).map(|flag| format!("--{}", flag.name)).collect()
}
