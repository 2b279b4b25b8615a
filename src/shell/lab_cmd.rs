//! `lab`: the learner's hand on machines, wires and disks.
//!
//! It is the one program that is not of the simulated world: what it asks is done at once, by the world itself. Its
//! words are [`Fault`]'s text form, so a line typed here reads the same in an input log and in a lesson.

use std::sync::Arc;

use super::Machine;
use super::etcdutl::{DATABASE, WAL, WAL_SEGMENT};
use super::process::{Ask, Asks, Order, Program, Tell};
use crate::k8s::apiserver::Flags;
use crate::sim::{Fault, SimTime};

/// Verb, arguments and what it does: for help and completion.
pub const VERBS: &[(&str, &str, &str)] = &[
    ("power-off", "HOST", "cut the power: memory and what the disk had not synced are gone"),
    ("power-on", "HOST", "give the power back"),
    ("restart", "HOST", "kill the process and start it again"),
    ("kill", "HOST", "kill the process; the machine stays on, so whoever knocks is refused"),
    ("start", "HOST", "start the process, if it does not run"),
    ("install", "HOST DIRECTORY", "put a restored data directory in the place of the process's own, and start it"),
    ("flags", "HOST [--FLAG=VALUE …]", "start the API server anew with these flags, and no others"),
    ("rotate-key", "PLUGIN", "give a plugin of encryption at rest (kms) another key"),
    ("wipe", "HOST", "kill the process and delete its data directory"),
    ("join", "HOST", "delete the data directory and start etcd with --initial-cluster-state=existing"),
    ("cut", "A B [--one-way]", "nothing passes between A and B, or only not from A to B"),
    ("heal", "A B", "undo `cut` between A and B"),
    ("heal", "--all", "undo every `cut`"),
    ("latency", "A B 50ms [--jitter 5ms]", "messages between A and B take this long"),
    ("loss", "A B 20%", "this share of messages is lost"),
    ("duplicate", "A B 5%", "this share of messages arrives twice"),
    ("reorder", "A B 5%", "this share of messages is overtaken by later ones"),
    ("slow-disk", "HOST 100x", "writes and syncs take 100 times as long; 1x is healthy"),
    ("full-disk", "HOST", "no room is left on the disk: who writes to it next dies of it"),
    ("free-disk", "HOST", "room again; the process has to be started"),
    ("damage", "HOST wal|db", "flip a bit in the middle of the log, or in the newest value of the database"),
    ("tear", "HOST", "cut the power in the middle of a write to the log"),
    ("drop", "PACKET", "lose one message in flight"),
    ("hosts", "", "list the machines"),
];

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LabCommand {
    arguments: Vec<String>,
    machine: Arc<Machine>,
}

impl LabCommand {
    pub fn new(arguments: Vec<String>, machine: Arc<Machine>) -> LabCommand {
        LabCommand { arguments, machine }
    }
}

impl LabCommand {
    fn install(&self, host: &str, directory: &str, asks: &Asks) -> Result<Ask, String> {
        let host = self.machine.host(host).ok_or_else(|| format!("there is no host \"{host}\""))?;
        let read = |path: String| asks.files.read(&path).map_err(|error| format!("{path}: {error}"));
        let wal = read(format!("{directory}/{WAL}/{WAL_SEGMENT}"))?;
        let database = read(format!("{directory}/{DATABASE}"))?;
        Ok(Ask::Order(Order::Install { host, wal, database }))
    }

    fn configure(&self, host: &str, words: &[&str], asks: &Asks) -> Result<Ask, String> {
        let known = &self.machine.api_servers;
        if !known.iter().any(|server| server == host) {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(format!("there is no API server \"{host}\"; this world has {known}"));
        }
        let host = self.machine.host(host).ok_or_else(|| format!("there is no host \"{host}\""))?;
        let read = |path: &str| {
            let bytes = asks.files.read(path).map_err(|error| format!("{path}: {error}"))?;
            String::from_utf8(bytes.to_vec()).map_err(|_| format!("{path}: not text"))
        };
        Ok(Ask::Order(Order::Configure { host, flags: Flags::parse(words, read)?.into() }))
    }
}

impl Program for LabCommand {
    fn tell(&mut self, _now: SimTime, tell: Tell, asks: &mut Asks) {
        if tell != Tell::Start {
            return;
        }
        let words: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let status = match words.as_slice() {
            [] | ["help" | "--help" | "-h"] => {
                asks.push(Ask::Stdout(help()));
                0
            }
            ["hosts"] => {
                asks.extend(self.machine.hosts.iter().map(|host| Ask::Stdout(format!("{host}\n"))));
                0
            }
            ["install", host, directory] => give(self.install(host, directory, asks), asks),
            ["flags", host, words @ ..] => give(self.configure(host, words, asks), asks),
            ["rotate-key", plugin] => give(Ok(Ask::Order(Order::RotateKey { plugin: (*plugin).to_owned() })), asks),
            words => match Fault::parse(words, &|name| self.machine.host(name)) {
                Ok(fault) => {
                    asks.push(Ask::Fault(fault));
                    0
                }
                Err(message) => {
                    asks.push(Ask::Stderr(format!("lab: {message}\nTry 'lab --help' for more information.\n")));
                    2
                }
            },
        };
        asks.push(Ask::Exit(status));
    }
}

/// Gives an order, or says why there is none.
fn give(order: Result<Ask, String>, asks: &mut Asks) -> i32 {
    match order {
        Ok(order) => {
            asks.push(order);
            0
        }
        Err(message) => {
            asks.push(Ask::Stderr(format!("lab: {message}\n")));
            1
        }
    }
}

fn help() -> String {
    let mut out = "The hand on the machines of this lab.\n\nUsage: lab VERB …\n\n".to_owned();
    for (verb, arguments, about) in VERBS {
        out += &format!("  {:<34} {about}\n", format!("{verb} {arguments}"));
    }
    out
}
