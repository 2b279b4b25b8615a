//! The programs of the workstation by name, and the smallest of them.

use super::curl::Curl;
use super::etcdctl::Etcdctl;
use super::etcdutl::Etcdutl;
use super::file_programs;
use super::filters::{self, Filter};
use super::interpreter::{Context, Shell};
use super::kubectl::Kubectl;
use super::lab_cmd::LabCommand;
use super::process::{Ask, Asks, Program, Tell, Token};
use crate::sim::{Micros, SimTime};

/// What `help` lists: name and what it does, also the shell's own commands.
pub const COMMANDS: &[(&str, &str)] = &[
    ("base64", "print standard input as base64"),
    ("bash", "run a script: bash -c 'etcdctl put a 1'"),
    ("break", "leave a loop, or several: break 2"),
    ("cat", "print standard input, or files"),
    ("clear", "clear the terminal"),
    ("continue", "go on with the next turn of a loop"),
    ("curl", "ask a member by HTTP: curl http://etcd-1:2379/metrics"),
    ("cut", "print parts of lines: cut -d, -f2"),
    ("dd", "copy bytes: dd if=FROM of=TO bs=1 seek=9000 conv=notrunc"),
    ("date", "print the date and time of this world"),
    ("echo", "print words"),
    ("env", "print variables, or run a command with more of them"),
    ("etcdctl", "the client of etcd: try `etcdctl help'"),
    ("etcdutl", "snapshots and data directories: try `etcdutl help'"),
    ("exit", "leave a script"),
    ("export", "give variables to programs: export ETCDCTL_ENDPOINTS=…"),
    ("false", "fail"),
    ("fg", "bring a job to the foreground"),
    ("grep", "print lines that match a pattern: grep -E '^etcd_(mvcc|disk)'"),
    ("head", "print the first lines"),
    ("help", "print this list"),
    ("hexdump", "show bytes: hexdump -C FILE"),
    ("history", "print what was typed"),
    ("jobs", "list what runs in the background"),
    ("kill", "end a job: kill %1"),
    ("kubectl", "the client of Kubernetes: try `kubectl help'"),
    ("lab", "the hand on the machines: power, wires, disks; try `lab --help'"),
    ("paste", "join lines: paste -sd,"),
    ("printf", "print words by a pattern"),
    ("seq", "count"),
    ("sha256sum", "print the SHA-256 of files"),
    ("sh", "run a script: sh -c 'etcdctl put a 1'"),
    ("sleep", "wait some seconds of this world"),
    ("sort", "sort lines"),
    ("tail", "print the last lines"),
    ("tee", "copy standard input to files as well"),
    ("tr", "replace or delete characters"),
    ("true", "succeed"),
    ("uniq", "drop repeated lines"),
    ("unset", "remove variables"),
    ("wait", "wait for a job"),
    ("wc", "count lines, words and bytes"),
    ("xxd", "show bytes"),
];

/// Every name of [`COMMANDS`] and of the programs that only touch files.
pub fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().chain(file_programs::COMMANDS).map(|(name, _)| *name)
}

/// A running program of the workstation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Process {
    /// Says what it has to say and ends.
    Print {
        stdout: String,
        stderr: String,
        status: i32,
    },
    Sleep(Micros),
    /// Does what it does to files at once: its name and arguments.
    Files(Vec<String>),
    Filter(Filter),
    Curl(Box<Curl>),
    Etcdctl(Box<Etcdctl>),
    Etcdutl(Etcdutl),
    Kubectl(Box<Kubectl>),
    Lab(LabCommand),
    Shell(Box<Shell>),
}

impl Process {
    /// The program that `argv` names, or a message and a status.
    pub fn spawn(argv: &[String], context: &Context) -> Result<Process, (String, i32)> {
        let Some((name, arguments)) = argv.split_first() else {
            return Err((String::new(), 0));
        };
        let print = |stdout: String| Ok(Process::Print { stdout, stderr: String::new(), status: 0 });
        let status = |status: i32| Ok(Process::Print { stdout: String::new(), stderr: String::new(), status });
        match name.as_str() {
            "true" | ":" => status(0),
            "false" => status(1),
            "echo" => print(filters::echo(arguments)),
            "printf" => filters::printf(arguments).map_or_else(|error| Err((error, 2)), print),
            "seq" => filters::seq(arguments).map_or_else(|error| Err((error, 1)), print),
            "date" => Ok(Process::Filter(Filter::date())),
            "help" => print(help()),
            "sleep" => match arguments {
                [seconds] => filters::seconds(seconds).map_or_else(
                    || Err((format!("sleep: invalid time interval '{seconds}'"), 1)),
                    |span| Ok(Process::Sleep(span)),
                ),
                _ => Err(("sleep: missing operand".to_owned(), 1)),
            },
            "env" => env(arguments, context),
            "sh" | "bash" => match arguments {
                [flag, script, ..] if flag == "-c" => Shell::script(context, script)
                    .map_or_else(|error| Err((error, 2)), |shell| Ok(Process::Shell(Box::new(shell)))),
                _ => Err((format!("{name}: this lab's shell runs scripts as `{name} -c 'commands'`"), 2)),
            },
            "curl" => Ok(Process::Curl(Box::new(Curl::new(arguments.to_vec())))),
            "etcdctl" => Ok(Process::Etcdctl(Box::new(Etcdctl::new(arguments.to_vec(), context.clone())))),
            "etcdutl" => Ok(Process::Etcdutl(Etcdutl::new(arguments.to_vec()))),
            "kubectl" => Ok(Process::Kubectl(Box::new(Kubectl::new(arguments.to_vec(), context)))),
            "lab" => Ok(Process::Lab(LabCommand::new(arguments.to_vec(), context.machine.clone()))),
            _ => match Filter::new(name, arguments) {
                Some(Ok(filter)) => Ok(Process::Filter(filter)),
                Some(Err(message)) => Err((message, 2)),
                None if file_programs::COMMANDS.iter().any(|(known, _)| known == name) => {
                    Ok(Process::Files(argv.to_vec()))
                }
                None => Err((format!("bash: {name}: command not found"), 127)),
            },
        }
    }

    /// Whether it would take input.
    pub fn reads_input(&self) -> bool {
        match self {
            Process::Print { .. }
            | Process::Sleep(_)
            | Process::Files(_)
            | Process::Curl(_)
            | Process::Etcdutl(_)
            | Process::Lab(_) => false,
            Process::Filter(filter) => filter.reads_input(),
            Process::Etcdctl(etcdctl) => etcdctl.reads_input(),
            Process::Kubectl(kubectl) => kubectl.reads_input(),
            Process::Shell(shell) => shell.reads_input(),
        }
    }
}

impl Process {
    /// Whether what is typed to it should not be seen.
    pub fn hides_input(&self) -> bool {
        match self {
            Process::Etcdctl(etcdctl) => etcdctl.hides_input(),
            Process::Shell(shell) => shell.hides_input(),
            _ => false,
        }
    }
}

impl Program for Process {
    fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) {
        match self {
            Process::Print { stdout, stderr, status } => {
                for (text, ask) in [(stdout, Ask::Stdout as fn(String) -> Ask), (stderr, Ask::Stderr)] {
                    if !text.is_empty() {
                        asks.push(ask(std::mem::take(text)));
                    }
                }
                asks.push(Ask::Exit(*status));
            }
            Process::Sleep(span) => match tell {
                Tell::Start => asks.push(Ask::Sleep { token: Token(0), span: *span }),
                Tell::Timer { .. } => asks.push(Ask::Exit(0)),
                Tell::Interrupt => asks.push(Ask::Exit(130)),
                _ => {}
            },
            Process::Files(argv) => {
                let Some((name, arguments)) = argv.split_first() else { return asks.push(Ask::Exit(0)) };
                let outcome = file_programs::run(name, arguments, asks.files).unwrap_or_default();
                asks.print(outcome.stdout);
                asks.complain(outcome.stderr);
                asks.push(Ask::Exit(outcome.status));
            }
            Process::Filter(filter) => filter.tell(now, tell, asks),
            Process::Curl(curl) => curl.tell(now, tell, asks),
            Process::Etcdctl(etcdctl) => etcdctl.tell(now, tell, asks),
            Process::Etcdutl(etcdutl) => etcdutl.tell(now, tell, asks),
            Process::Kubectl(kubectl) => kubectl.tell(now, tell, asks),
            Process::Lab(lab) => lab.tell(now, tell, asks),
            Process::Shell(shell) => match tell {
                Tell::Stdin(chunk) => shell.feed(now, &chunk, asks),
                tell => shell.tell(now, tell, asks),
            },
        }
    }
}

fn env(arguments: &[String], context: &Context) -> Result<Process, (String, i32)> {
    let mut context = context.clone();
    let mut arguments = arguments;
    while let [first, rest @ ..] = arguments {
        match (first.as_str(), rest) {
            ("-u", [name, rest @ ..]) => {
                context.environment.unset(name);
                arguments = rest;
            }
            (assignment, rest) if assignment.contains('=') => {
                if let Some((name, value)) = assignment.split_once('=') {
                    context.environment.export(name, Some(value.to_owned()));
                }
                arguments = rest;
            }
            _ => break,
        }
    }
    match arguments {
        [] => {
            let lines = context.environment.exported();
            let stdout = lines.map(|(name, value)| format!("{name}={value}\n")).collect();
            Ok(Process::Print { stdout, stderr: String::new(), status: 0 })
        }
        // `env env env …` is as deep as it is long, so it is not followed.
        [name, ..] if name == "env" => Err(("env: env inside env is not built into this lab".to_owned(), 125)),
        argv => Process::spawn(argv, &context).map_err(|(message, status)| {
            let missing = format!("bash: {}: command not found", argv[0]);
            let message =
                if message == missing { format!("env: '{}': No such file or directory", argv[0]) } else { message };
            (message, status)
        }),
    }
}

fn help() -> String {
    let mut out =
        "What this workstation can run. Lines may use quotes, $variables, $(…), pipes, && || ; & and `for`.\n\n"
            .to_owned();
    let mut commands: Vec<&(&str, &str)> = COMMANDS.iter().chain(file_programs::COMMANDS).collect();
    commands.sort();
    for (name, about) in commands {
        out += &format!("  {name:<9} {about}\n");
    }
    out
}
