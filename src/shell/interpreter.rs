//! The shell: runs the tree of one line, a command at a time, as a state machine.
//!
//! It is a program like those it starts: what they ask it passes on under tokens of its own, so two programs never
//! share one. A pipeline's parts, `( … )`, `$(…)` and jobs are shells inside the shell, as in bash.
//!
//! ```text
//! Ready ── a command with $(…) ──> Expanding ──> Running ── last part ended ──> Ready
//!   ^────────────────────────────────────────────────────────────────────────────┘
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use imbl::Vector;

use super::Machine;
use super::environment::{Environment, VALUE_BYTES_MAX};
use super::expansion::{Expander, Input, Sink};
use super::grammar::{self, Body, Command, Entry, Join, List, Piece, Pipeline, Redirect, Word, is_name};
use super::process::{Ask, Asks, Program, Tell, Token};
use super::programs::Process;
use super::text;
use crate::sim::{Micros, SimTime};

/// Commands that one line may run, loops and substitutions counted: enough to fill a store, too few to stop the page.
const COMMANDS_MAX: u32 = 20_000;

/// Commands run at one moment of the world; then the shell rests, so that Ctrl-C can reach a long loop.
const BURST_MAX: u32 = 200;

/// How long it rests: about what a real shell needs for so many commands that start nothing.
const REST: Micros = Micros::from_millis(1);

/// Shells inside shells; `sh -c` may name itself.
const DEPTH_MAX: u8 = 16;

/// Bytes that a `$(…)` may capture and that may wait to be read.
const CAPTURE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of arguments of one command, as bounded by Linux (`E2BIG`).
const ARGUMENT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Lines remembered, as bash's `HISTSIZE`.
const HISTORY_MAX: usize = 500;

/// Killed by Ctrl-C: 128 + SIGINT.
const STATUS_INTERRUPTED: i32 = 130;
/// Wrote to a pipe that nobody reads: 128 + SIGPIPE.
const STATUS_PIPE: i32 = 141;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shell {
    machine: Arc<Machine>,
    environment: Environment,
    history: Vector<String>,
    /// `$?`
    status: i32,
    /// A terminal's shell stays; others exit after their last command.
    interactive: bool,
    depth: u8,
    commands_left: u32,
    /// Commands run since the shell was last told something.
    burst: u32,
    /// What is left to do, innermost last.
    frames: Vec<Frame>,
    current: Current,
    children: BTreeMap<u32, Child>,
    routes: BTreeMap<Token, Route>,
    child_next: u32,
    token_next: u32,
    /// Piped in, not yet read.
    input: String,
    input_closed: bool,
    /// Jobs that ended since the last prompt.
    notices: Vec<String>,
    /// Ctrl-C was pressed, and what runs in the foreground is cleaning up.
    interrupted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Frame {
    List {
        list: Arc<List>,
        entry: usize,
        /// 0 is the first pipeline of the entry, n is `rest[n - 1]`.
        part: usize,
    },
    For {
        variable: String,
        values: Vec<String>,
        next: usize,
        body: Arc<List>,
    },
    /// `!`: turns the status around.
    Negate,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Current {
    Ready,
    /// Runs the `$(…)` of a command, one after another.
    Expanding {
        command: Arc<Command>,
        todo: Vec<Arc<List>>,
        outputs: Vec<String>,
        captured: String,
    },
    /// A substitution ended; [`Shell::expand`] goes on.
    Expanded {
        command: Arc<Command>,
        todo: Vec<Arc<List>>,
        outputs: Vec<String>,
    },
    /// Pauses in a long loop.
    Resting(Token),
    /// Waits for the parts of a pipeline: child and status.
    Running(Vec<(u32, Option<i32>)>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Child {
    process: Process,
    role: Role,
    out: Sink,
    err: Sink,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Role {
    /// A part of the pipeline in [`Current::Running`], with the part that reads its output.
    Part {
        reader: Option<u32>,
        /// Its input comes from wherever the shell's own comes from.
        inherits_input: bool,
    },
    /// Its output is captured by [`Current::Expanding`].
    Capture,
    Job {
        number: u32,
        text: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Route {
    child: u32,
    token: Token,
    /// A watch or a keep-alive is answered until it is cancelled.
    lasting: bool,
}

impl Shell {
    /// A terminal's shell.
    pub fn new(machine: Machine) -> Shell {
        let mut environment = Environment::default();
        for (name, value) in &machine.environment {
            environment.export(name, Some(value.clone()));
        }
        Shell {
            machine: Arc::new(machine),
            environment,
            history: Vector::new(),
            status: 0,
            interactive: true,
            depth: 0,
            commands_left: COMMANDS_MAX,
            burst: 0,
            frames: Vec::new(),
            current: Current::Ready,
            children: BTreeMap::new(),
            routes: BTreeMap::new(),
            child_next: 0,
            token_next: 0,
            input: String::new(),
            input_closed: false,
            notices: Vec::new(),
            interrupted: false,
        }
    }

    /// Runs a line typed at the prompt. While something runs, the line is input to it instead.
    pub fn line(&mut self, now: SimTime, line: &str, asks: &mut Asks) {
        if self.running() {
            self.tell(now, Tell::Stdin(line.to_owned()), asks);
            return;
        }
        if line.trim().is_empty() {
            self.flush_notices(asks);
            return;
        }
        if self.history.last().is_none_or(|last| last != line) {
            self.history.push_back(line.to_owned());
            if self.history.len() > HISTORY_MAX {
                self.history.pop_front();
            }
        }
        self.commands_left = COMMANDS_MAX;
        self.burst = 0;
        self.input.clear();
        self.input_closed = false;
        self.interrupted = false;
        match grammar::parse(line) {
            Ok(list) => {
                self.frames.push(Frame::List { list: Arc::new(list), entry: 0, part: 0 });
                self.advance(now, asks);
            }
            Err(error) => {
                asks.push(Ask::Stderr(error.message + "\n"));
                self.status = 2;
            }
        }
        self.flush_notices(asks);
    }

    /// Something runs in the foreground: the terminal shows no prompt.
    pub fn running(&self) -> bool {
        !self.frames.is_empty() || self.current != Current::Ready
    }

    /// Nothing runs at all, in the background neither.
    pub fn is_idle(&self) -> bool {
        !self.running() && self.children.is_empty()
    }

    /// `$?`: how the last command ended.
    pub fn status(&self) -> i32 {
        self.status
    }

    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Lines typed before, oldest first.
    pub fn history(&self) -> &Vector<String> {
        &self.history
    }

    /// A shell that runs `list` and exits, with a copy of the variables.
    fn subshell(&self, list: Arc<List>) -> Shell {
        Shell {
            machine: self.machine.clone(),
            environment: self.environment.clone(),
            history: Vector::new(),
            status: self.status,
            interactive: false,
            depth: self.depth + 1,
            commands_left: self.commands_left,
            burst: 0,
            frames: vec![Frame::List { list, entry: 0, part: 0 }],
            current: Current::Ready,
            children: BTreeMap::new(),
            routes: BTreeMap::new(),
            child_next: 0,
            token_next: 0,
            input: String::new(),
            input_closed: false,
            notices: Vec::new(),
            interrupted: false,
        }
    }

    /// `sh -c script`
    pub(super) fn script(context: &Context, script: &str) -> Result<Shell, String> {
        if context.depth >= DEPTH_MAX {
            return Err(format!("bash: shells nested more than {DEPTH_MAX} deep"));
        }
        let list = grammar::parse(script).map_err(|error| error.message)?;
        let mut shell = Shell::new(Machine { environment: Vec::new(), ..(*context.machine).clone() });
        shell.environment = context.environment.clone();
        shell.interactive = false;
        shell.depth = context.depth + 1;
        shell.commands_left = context.commands_left;
        shell.frames.push(Frame::List { list: Arc::new(list), entry: 0, part: 0 });
        Ok(shell)
    }

    /// Takes text that was piped or typed, newlines included.
    pub fn feed(&mut self, now: SimTime, chunk: &str, asks: &mut Asks) {
        match self.reader() {
            Some(child) => self.deliver(now, child, Tell::Stdin(chunk.to_owned()), asks),
            // Nobody reads: a terminal's line is lost, a pipe's text waits.
            None if self.interactive => {}
            None => {
                if self.input.len() + chunk.len() <= CAPTURE_BYTES_MAX {
                    self.input.push_str(chunk);
                }
            }
        }
        self.advance(now, asks);
    }

    /// Whether whatever runs now takes input.
    pub(super) fn reads_input(&self) -> bool {
        !self.interactive || self.reader().is_some()
    }

    /// Whether what is typed now should not be seen: a password.
    pub fn hides_input(&self) -> bool {
        self.reader().and_then(|id| self.children.get(&id)).is_some_and(|child| child.process.hides_input())
    }

    /// The child that reads the shell's own input.
    fn reader(&self) -> Option<u32> {
        let Current::Running(parts) = &self.current else { return None };
        let reads = |id: &u32| {
            self.children.get(id).is_some_and(|child| {
                matches!(child.role, Role::Part { inherits_input: true, .. }) && child.process.reads_input()
            })
        };
        parts.iter().map(|(id, _)| *id).find(|id| reads(id))
    }

    fn flush_notices(&mut self, asks: &mut Asks) {
        if self.interactive && !self.running() {
            asks.extend(self.notices.drain(..).map(Ask::Stdout));
        }
    }

    /// Runs commands until one of them has to wait.
    fn advance(&mut self, now: SimTime, asks: &mut Asks) {
        loop {
            match &mut self.current {
                Current::Ready => {}
                Current::Expanded { .. } => {
                    if let Current::Expanded { command, todo, outputs } =
                        std::mem::replace(&mut self.current, Current::Ready)
                    {
                        self.expand(now, command, todo, outputs, asks);
                    }
                    continue;
                }
                Current::Expanding { .. } | Current::Running(_) | Current::Resting(_) => break,
            }
            if self.burst >= BURST_MAX {
                let token = Token(self.token_next);
                self.token_next += 1;
                self.current = Current::Resting(token);
                asks.push(Ask::Sleep { token, span: REST });
                break;
            }
            let Some(frame) = self.frames.last_mut() else { break };
            match frame {
                Frame::Negate => {
                    self.status = i32::from(self.status == 0);
                    self.frames.pop();
                }
                Frame::For { variable, values, next, body } => match values.get(*next).cloned() {
                    None => {
                        self.frames.pop();
                    }
                    Some(value) => {
                        *next += 1;
                        let (name, list) = (variable.clone(), body.clone());
                        self.environment.assign(&name, value);
                        self.frames.push(Frame::List { list, entry: 0, part: 0 });
                    }
                },
                Frame::List { list, entry, part } => {
                    let list = list.clone();
                    let Some(current) = list.0.get(*entry) else {
                        self.frames.pop();
                        continue;
                    };
                    let at = *part;
                    *part += 1;
                    if at == 0 && current.background {
                        *entry += 1;
                        *part = 0;
                        self.start_job(now, current, asks);
                        continue;
                    }
                    let pipeline = match at.checked_sub(1) {
                        None => Some(&current.first),
                        Some(index) => match current.rest.get(index) {
                            None => {
                                *entry += 1;
                                *part = 0;
                                continue;
                            }
                            Some((join, pipeline)) => {
                                let wanted = (*join == Join::And) == (self.status == 0);
                                wanted.then_some(pipeline)
                            }
                        },
                    };
                    if let Some(pipeline) = pipeline {
                        self.start_pipeline(now, pipeline, asks);
                    }
                }
            }
        }
        if !self.running() && !self.interactive {
            asks.push(Ask::Exit(self.status));
        }
    }

    /// Counts one more command; past the bound the line is abandoned.
    fn count_command(&mut self, asks: &mut Asks) -> bool {
        if self.commands_left == 0 {
            asks.push(Ask::Stderr(format!("bash: more than {COMMANDS_MAX} commands in one line\n")));
            self.frames.clear();
            self.status = 1;
            return false;
        }
        self.commands_left -= 1;
        self.burst += 1;
        true
    }

    fn start_pipeline(&mut self, now: SimTime, pipeline: &Pipeline, asks: &mut Asks) {
        if !self.count_command(asks) {
            return;
        }
        if pipeline.negated {
            self.frames.push(Frame::Negate);
        }
        if let [command] = pipeline.commands.as_slice() {
            self.start_command(now, command.clone(), asks);
            return;
        }
        let first = self.child_next;
        let last = first + pipeline.commands.len() as u32 - 1;
        for (id, command) in (first..).zip(&pipeline.commands) {
            let single = Pipeline { negated: false, commands: vec![command.clone()] };
            let entry = Entry { first: single, rest: Vec::new(), background: false, text: String::new() };
            let process = Process::Shell(Box::new(self.subshell(Arc::new(List(vec![entry])))));
            let role = Role::Part { reader: (id < last).then_some(id + 1), inherits_input: id == first };
            self.children.insert(id, Child { process, role, out: Sink::Out, err: Sink::Err });
        }
        self.child_next = last + 1;
        self.current = Current::Running((first..=last).map(|id| (id, None)).collect());
        // Readers first: what a writer says at once finds someone listening.
        for id in (first..=last).rev() {
            self.deliver(now, id, Tell::Start, asks);
        }
        self.hand_over_input(now, first, asks);
    }

    fn start_command(&mut self, now: SimTime, command: Arc<Command>, asks: &mut Asks) {
        let mut todo = Vec::new();
        let mut collect = |word: &Word| {
            todo.extend(word.0.iter().filter_map(|piece| match piece {
                Piece::Substitution { list, .. } => Some(list.clone()),
                _ => None,
            }));
        };
        match &command.body {
            Body::Simple { assignments, words } => {
                assignments.iter().for_each(|(_, word)| collect(word));
                words.iter().for_each(&mut collect);
            }
            Body::For { words, .. } => words.iter().for_each(&mut collect),
            Body::Group(_) | Body::Subshell(_) => {}
        }
        for redirect in &command.redirects {
            match redirect {
                Redirect::Output { target: word, .. }
                | Redirect::Input(word)
                | Redirect::HereString(word)
                | Redirect::HereDocument(word) => collect(word),
                Redirect::Duplicate { .. } => {}
            }
        }
        // In the order in which `finish` takes the outputs, last first.
        todo.reverse();
        self.expand(now, command, todo, Vec::new(), asks);
    }

    /// Runs the next substitution of `command`, or the command itself once there is none left.
    fn expand(
        &mut self,
        now: SimTime,
        command: Arc<Command>,
        mut todo: Vec<Arc<List>>,
        outputs: Vec<String>,
        asks: &mut Asks,
    ) {
        let Some(list) = todo.pop() else {
            self.run(now, &command, outputs, asks);
            return;
        };
        if !self.count_command(asks) {
            return;
        }
        let process = Process::Shell(Box::new(self.subshell(list)));
        let id = self.add_child(process, Role::Capture, Sink::Out, Sink::Err);
        self.current = Current::Expanding { command, todo, outputs, captured: String::new() };
        self.deliver(now, id, Tell::Start, asks);
        self.deliver(now, id, Tell::StdinClosed, asks);
    }

    /// Runs a command whose substitutions gave `outputs`.
    fn run(&mut self, now: SimTime, command: &Command, outputs: Vec<String>, asks: &mut Asks) {
        self.current = Current::Ready;
        let had_substitution = !outputs.is_empty();
        let mut expander = Expander::new(&self.environment, self.status, outputs);
        let (mut assigned, mut argv) = (Vec::new(), Vec::new());
        if let Body::Simple { assignments, .. } = &command.body {
            assigned.extend(assignments.iter().map(|(name, word)| (name.clone(), expander.joined(word))));
        }
        if let Body::Simple { words, .. } | Body::For { words, .. } = &command.body {
            words.iter().for_each(|word| expander.fields(word, &mut argv));
        }
        let streams = expander.streams(&command.redirects, asks.files);
        let size: usize = argv.iter().map(String::len).sum();
        let streams = match streams {
            _ if size > ARGUMENT_BYTES_MAX => Err("bash: argument list too long".to_owned()),
            _ if assigned.iter().any(|(_, value)| value.len() > VALUE_BYTES_MAX) => {
                Err(format!("bash: a variable holds at most {VALUE_BYTES_MAX} bytes"))
            }
            streams => streams,
        };
        let (input, out, err) = match streams {
            Ok(streams) => streams,
            Err(message) => {
                asks.push(Ask::Stderr(message + "\n"));
                self.status = 1;
                return;
            }
        };
        match &command.body {
            Body::For { variable, body, .. } if command.redirects.is_empty() => {
                let frame = Frame::For { variable: variable.clone(), values: argv, next: 0, body: body.clone() };
                self.status = 0;
                self.frames.push(frame);
            }
            Body::Group(list) if command.redirects.is_empty() => {
                self.frames.push(Frame::List { list: list.clone(), entry: 0, part: 0 });
            }
            // Simplified: a block with redirections runs in a shell of its own, so variables set in it are lost.
            Body::For { variable, body, .. } => {
                let mut shell = self.subshell(Arc::new(List::default()));
                let (variable, body) = (variable.clone(), body.clone());
                shell.frames = vec![Frame::For { variable, values: argv, next: 0, body }];
                self.start_foreground(now, Process::Shell(Box::new(shell)), input, out, err, asks);
            }
            Body::Group(list) | Body::Subshell(list) => {
                let process = Process::Shell(Box::new(self.subshell(list.clone())));
                self.start_foreground(now, process, input, out, err, asks);
            }
            Body::Simple { .. } if argv.is_empty() => {
                if !had_substitution {
                    self.status = 0;
                }
                assigned.into_iter().for_each(|(name, value)| self.environment.assign(&name, value));
            }
            Body::Simple { .. } => self.start_simple(now, assigned, argv, (input, out, err), asks),
        }
    }

    fn start_simple(
        &mut self,
        now: SimTime,
        assigned: Vec<(String, String)>,
        argv: Vec<String>,
        (input, out, err): (Input, Sink, Sink),
        asks: &mut Asks,
    ) {
        if let Some((stdout, stderr, status)) = self.builtin(&argv, asks) {
            for (sink, text) in [(out, stdout), (err, stderr)] {
                if !text.is_empty() {
                    self.emit(&sink, text, asks);
                }
            }
            // `fg` and `wait` leave a job running in the foreground.
            if self.current == Current::Ready {
                self.status = status;
            }
            return;
        }
        let mut environment = self.environment.clone();
        for (name, value) in assigned {
            environment.export(&name, Some(value));
        }
        let (machine, depth, commands_left) = (self.machine.clone(), self.depth, self.commands_left);
        let context = Context { machine, environment, depth, commands_left };
        match Process::spawn(&argv, &context) {
            Ok(process) => self.start_foreground(now, process, input, out, err, asks),
            Err((message, status)) => {
                self.emit(&err, message + "\n", asks);
                self.status = status;
            }
        }
    }

    fn add_child(&mut self, process: Process, role: Role, out: Sink, err: Sink) -> u32 {
        let id = self.child_next;
        self.child_next += 1;
        self.children.insert(id, Child { process, role, out, err });
        id
    }

    fn start_foreground(
        &mut self,
        now: SimTime,
        process: Process,
        input: Input,
        out: Sink,
        err: Sink,
        asks: &mut Asks,
    ) {
        let inherits_input = matches!(input, Input::Inherited);
        let id = self.add_child(process, Role::Part { reader: None, inherits_input }, out, err);
        self.current = Current::Running(vec![(id, None)]);
        self.deliver(now, id, Tell::Start, asks);
        match input {
            Input::Inherited => self.hand_over_input(now, id, asks),
            Input::Text(text) => {
                if !text.is_empty() {
                    self.deliver(now, id, Tell::Stdin(text), asks);
                }
                self.deliver(now, id, Tell::StdinClosed, asks);
            }
        }
    }

    /// Gives what was piped in so far to a program that reads it.
    fn hand_over_input(&mut self, now: SimTime, id: u32, asks: &mut Asks) {
        let Some(child) = self.children.get(&id) else { return };
        if child.process.reads_input() && !self.input.is_empty() {
            let chunk = std::mem::take(&mut self.input);
            self.deliver(now, id, Tell::Stdin(chunk), asks);
        }
        if self.input_closed {
            self.deliver(now, id, Tell::StdinClosed, asks);
        }
    }

    fn start_job(&mut self, now: SimTime, entry: &Entry, asks: &mut Asks) {
        if !self.count_command(asks) {
            return;
        }
        let number = 1 + self.jobs().map(|(number, _, _)| number).max().unwrap_or(0);
        let list = List(vec![Entry { background: false, ..entry.clone() }]);
        let process = Process::Shell(Box::new(self.subshell(Arc::new(list))));
        let role = Role::Job { number, text: entry.text.clone() };
        let id = self.add_child(process, role, Sink::Out, Sink::Err);
        if self.interactive {
            asks.push(Ask::Stdout(format!("[{number}] {}\n", pid(id))));
        }
        self.status = 0;
        self.deliver(now, id, Tell::Start, asks);
        self.deliver(now, id, Tell::StdinClosed, asks);
    }

    /// Number, child and text of every job.
    fn jobs(&self) -> impl Iterator<Item = (u32, u32, &str)> {
        self.children.iter().filter_map(|(&id, child)| match &child.role {
            Role::Job { number, text } => Some((*number, id, text.as_str())),
            _ => None,
        })
    }

    /// Tells a child something and does what it asks; what it pipes is told on at once.
    fn deliver(&mut self, now: SimTime, id: u32, tell: Tell, asks: &mut Asks) {
        let mut queue = VecDeque::from([(id, tell)]);
        while let Some((id, tell)) = queue.pop_front() {
            let Some(child) = self.children.get_mut(&id) else { continue };
            let mut wants = asks.inner();
            child.process.tell(now, tell, &mut wants);
            for want in wants.into_list() {
                let Some(child) = self.children.get(&id) else { break };
                match want {
                    Ask::Stdout(text) => {
                        let sink = child.out.clone();
                        self.write(id, &sink, text, &mut queue, asks);
                    }
                    Ask::Stderr(text) => {
                        let sink = child.err.clone();
                        self.write(id, &sink, text, &mut queue, asks);
                    }
                    Ask::Exit(status) => self.ended(id, status, &mut queue, asks),
                    Ask::Fault(_) | Ask::Order(_) => asks.push(want),
                    Ask::WatchProgress { token } => {
                        if let Some(token) = self.routed(id, token) {
                            asks.push(Ask::WatchProgress { token });
                        }
                    }
                    Ask::Cancel { token } => {
                        if let Some(token) = self.routed(id, token) {
                            self.routes.remove(&token);
                            asks.push(Ask::Cancel { token });
                        }
                    }
                    Ask::Login { token, .. }
                    | Ask::Call { token, .. }
                    | Ask::Sleep { token, .. }
                    | Ask::Edit { token, .. } => {
                        let own = self.route(id, token, false);
                        asks.push(want.under(own));
                    }
                    Ask::Watch { token, .. } | Ask::KeepAlive { token, .. } | Ask::Http { token, .. } => {
                        let own = self.route(id, token, true);
                        asks.push(want.under(own));
                    }
                }
            }
        }
    }

    fn route(&mut self, child: u32, token: Token, lasting: bool) -> Token {
        let own = Token(self.token_next);
        self.token_next += 1;
        self.routes.insert(own, Route { child, token, lasting });
        own
    }

    /// The token under which a child's token is known outside.
    fn routed(&self, child: u32, token: Token) -> Option<Token> {
        self.routes.iter().find(|(_, route)| route.child == child && route.token == token).map(|(own, _)| *own)
    }

    fn write(&mut self, id: u32, sink: &Sink, text: String, queue: &mut VecDeque<(u32, Tell)>, asks: &mut Asks) {
        let Some(child) = self.children.get(&id) else { return };
        if *sink != Sink::Out {
            self.emit(sink, text, asks);
            return;
        }
        match child.role {
            Role::Part { reader: Some(reader), .. } => {
                if self.children.contains_key(&reader) {
                    queue.push_back((reader, Tell::Stdin(text)));
                } else {
                    self.drop_child(id, asks);
                    self.record(id, STATUS_PIPE);
                }
            }
            Role::Capture => {
                if let Current::Expanding { captured, .. } = &mut self.current
                    && captured.len() + text.len() <= CAPTURE_BYTES_MAX
                {
                    captured.push_str(&text);
                }
            }
            Role::Part { reader: None, .. } | Role::Job { .. } => self.emit(sink, text, asks),
        }
    }

    /// Output that leaves the shell. A terminal shows it; another program gets it as it is.
    fn emit(&self, sink: &Sink, text: String, asks: &mut Asks) {
        let shown = |text: String| if self.interactive { text::shown(text) } else { text };
        match sink {
            Sink::Out => asks.push(Ask::Stdout(shown(text))),
            Sink::Err => asks.push(Ask::Stderr(shown(text))),
            Sink::Nowhere => {}
            Sink::File(path) => {
                if let Err(error) = asks.files.append(path, &text::to_bytes(&text)) {
                    asks.push(Ask::Stderr(format!("bash: write error: {error}\n")));
                }
            }
        }
    }

    /// Forgets a child and what it still waits for.
    fn drop_child(&mut self, id: u32, asks: &mut Asks) -> Option<Child> {
        let child = self.children.remove(&id)?;
        self.routes.retain(|&token, route| {
            if route.child == id && route.lasting {
                asks.push(Ask::Cancel { token });
            }
            route.child != id
        });
        if let Process::Shell(shell) = &child.process {
            self.commands_left = self.commands_left.min(shell.commands_left);
        }
        Some(child)
    }

    /// Notes how a part of the pipeline ended.
    fn record(&mut self, id: u32, status: i32) {
        let Current::Running(parts) = &mut self.current else { return };
        if let Some((_, slot)) = parts.iter_mut().find(|(part, _)| *part == id) {
            *slot = Some(status);
        }
        if parts.iter().all(|(_, status)| status.is_some()) {
            self.status = parts.last().and_then(|(_, status)| *status).unwrap_or(0);
            self.current = Current::Ready;
        }
    }

    fn ended(&mut self, id: u32, status: i32, queue: &mut VecDeque<(u32, Tell)>, asks: &mut Asks) {
        let Some(child) = self.drop_child(id, asks) else { return };
        match child.role {
            Role::Part { reader, .. } => {
                if let Some(reader) = reader {
                    queue.push_back((reader, Tell::StdinClosed));
                }
                self.record(id, status);
            }
            Role::Job { number, text } => {
                let state = if status == 0 { "Done".to_owned() } else { format!("Exit {status}") };
                self.notices.push(format!("[{number}]+  {state:<24}{text}\n"));
            }
            Role::Capture => {
                let Current::Expanding { command, todo, mut outputs, mut captured } =
                    std::mem::replace(&mut self.current, Current::Ready)
                else {
                    return;
                };
                captured.truncate(captured.trim_end_matches('\n').len());
                outputs.push(captured);
                self.status = status;
                self.current = Current::Expanded { command, todo, outputs };
            }
        }
    }

    /// Commands that must run in the shell itself: standard output, standard error, status.
    fn builtin(&mut self, argv: &[String], asks: &mut Asks) -> Option<(String, String, i32)> {
        let ok = |text: String| Some((text, String::new(), 0));
        let failed = |text: String| Some((String::new(), text, 1));
        let (name, arguments) = argv.split_first()?;
        match name.as_str() {
            "export" => {
                if arguments.is_empty() || arguments == ["-p"] {
                    let lines = self.environment.exported();
                    return ok(lines.map(|(name, value)| format!("declare -x {name}=\"{value}\"\n")).collect());
                }
                let mut errors = String::new();
                for argument in arguments {
                    let (name, value) = match argument.split_once('=') {
                        Some((name, value)) => (name, Some(value.to_owned())),
                        None => (argument.as_str(), None),
                    };
                    if is_name(name) {
                        self.environment.export(name, value);
                    } else {
                        errors += &format!("bash: export: `{argument}': not a valid identifier\n");
                    }
                }
                if errors.is_empty() { ok(String::new()) } else { failed(errors) }
            }
            "unset" => {
                arguments.iter().for_each(|name| self.environment.unset(name));
                ok(String::new())
            }
            "history" => {
                let lines = self.history.iter().enumerate();
                ok(lines.map(|(at, line)| format!("{:>5}  {line}\n", at + 1)).collect())
            }
            // What a terminal takes as: cursor home, erase the screen, forget what scrolled away.
            "clear" => ok("\x1b[H\x1b[2J\x1b[3J".to_owned()),
            "jobs" => {
                let lines = self.jobs();
                ok(lines.map(|(number, _, text)| format!("[{number}]+  {:<24}{text} &\n", "Running")).collect())
            }
            "kill" | "fg" | "wait" => self.job_control(name, arguments, asks),
            "break" | "continue" => Some(self.leave_loops(name, arguments)),
            "exit" if self.interactive => ok("This terminal stays open; close it with its own button.\n".to_owned()),
            "exit" => {
                let status = arguments.first().and_then(|status| status.parse::<u8>().ok());
                self.frames.clear();
                Some((String::new(), String::new(), status.map_or(self.status, i32::from)))
            }
            _ => None,
        }
    }

    /// `break` and `continue`, which may name how many loops they leave.
    fn leave_loops(&mut self, name: &str, arguments: &[String]) -> (String, String, i32) {
        let said = |text: String, status| (String::new(), format!("bash: {name}: {text}\n"), status);
        let is_loop = |frame: &Frame| matches!(frame, Frame::For { .. });
        if !self.frames.iter().any(is_loop) {
            return said("only meaningful in a `for', `while', or `until' loop".to_owned(), 0);
        }
        // As in bash: what is no number ends the line, a number that is none of a loop ends every loop.
        let levels = match arguments {
            [] => 1,
            [number] => match number.parse::<i64>() {
                Ok(levels) => levels,
                Err(_) => {
                    self.frames.clear();
                    return said(format!("{number}: numeric argument required"), 128);
                }
            },
            [..] => {
                self.frames.clear();
                return said("too many arguments".to_owned(), 1);
            }
        };
        let loops = self.frames.iter().enumerate().rev().filter(|(_, frame)| is_loop(frame)).map(|(at, _)| at);
        let left = if levels < 1 { usize::MAX } else { usize::try_from(levels).unwrap_or(usize::MAX) };
        let outermost = loops.take(left).last().unwrap_or(0);
        let stays = name == "continue" && levels >= 1;
        self.frames.truncate(outermost + usize::from(stays));
        if levels < 1 {
            return said(format!("{levels}: loop count out of range"), 1);
        }
        (String::new(), String::new(), 0)
    }

    fn job_control(&mut self, name: &str, arguments: &[String], asks: &mut Asks) -> Option<(String, String, i32)> {
        let wanted = match arguments {
            [] => self.jobs().last().map(|(_, id, _)| id),
            [.., which] => self
                .jobs()
                .find(|(number, id, _)| *which == format!("%{number}") || *which == pid(*id).to_string())
                .map(|(_, id, _)| id),
        };
        let Some(id) = wanted else {
            let which = arguments.last().map_or("current", String::as_str);
            // `wait` without jobs is content.
            return match (name, arguments) {
                ("wait", []) => Some((String::new(), String::new(), 0)),
                _ => Some((String::new(), format!("bash: {name}: {which}: no such job\n"), 1)),
            };
        };
        if name == "kill" {
            if let Some(Child { role: Role::Job { number, text }, .. }) = self.drop_child(id, asks) {
                self.notices.push(format!("[{number}]+  {:<24}{text}\n", "Terminated"));
            }
            return Some((String::new(), String::new(), 0));
        }
        let child = self.children.get_mut(&id)?;
        let role = std::mem::replace(&mut child.role, Role::Part { reader: None, inherits_input: false });
        let shown = match (name, role) {
            ("fg", Role::Job { text, .. }) => text + "\n",
            _ => String::new(),
        };
        self.current = Current::Running(vec![(id, None)]);
        Some((shown, String::new(), 0))
    }

    fn interrupt(&mut self, now: SimTime, asks: &mut Asks) {
        if !self.running() {
            return;
        }
        // Nobody's end may start the next command.
        self.frames.clear();
        let ours = |child: &Child| !matches!(child.role, Role::Job { .. });
        let ids: Vec<u32> = self.children.iter().filter(|(_, child)| ours(child)).map(|(&id, _)| id).collect();
        let waits = matches!(self.current, Current::Running(_));
        if !waits {
            self.current = Current::Running(Vec::new());
        }
        self.status = STATUS_INTERRUPTED;
        for &id in &ids {
            self.deliver(now, id, Tell::Interrupt, asks);
        }
        // What cleans up may take its time. Simplified: a second Ctrl-C ends it, where a real one might be ignored.
        let heeded = matches!(&self.current, Current::Running(parts) if !parts.is_empty());
        if waits && heeded && !self.interrupted {
            self.interrupted = true;
            return;
        }
        for &id in &ids {
            self.drop_child(id, asks);
        }
        self.current = Current::Ready;
    }
}

impl Program for Shell {
    /// A terminal's line comes without its newline; see [`Tell::Stdin`].
    fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) {
        self.burst = 0;
        match tell {
            Tell::Start => {}
            Tell::Stdin(line) => {
                self.feed(now, &(line + "\n"), asks);
                self.flush_notices(asks);
                return;
            }
            Tell::StdinClosed => {
                self.input_closed = true;
                if let Current::Running(parts) = &self.current {
                    let inherits = |id: &u32| {
                        let role = self.children.get(id).map(|child| &child.role);
                        matches!(role, Some(Role::Part { inherits_input: true, .. }))
                    };
                    if let Some(id) = parts.iter().map(|(id, _)| *id).find(|id| inherits(id)) {
                        self.deliver(now, id, Tell::StdinClosed, asks);
                    }
                }
            }
            Tell::Interrupt => self.interrupt(now, asks),
            Tell::Edited { token, result } => {
                if let Some(route) = self.routes.remove(&token) {
                    self.deliver(now, route.child, Tell::Edited { token: route.token, result }, asks);
                }
            }
            Tell::Answer { token, result } => {
                if let Some(route) = self.routes.remove(&token) {
                    self.deliver(now, route.child, Tell::Answer { token: route.token, result }, asks);
                }
            }
            Tell::Timer { token } if self.current == Current::Resting(token) => self.current = Current::Ready,
            Tell::Timer { token } => {
                if let Some(route) = self.routes.remove(&token) {
                    self.deliver(now, route.child, Tell::Timer { token: route.token }, asks);
                }
            }
            Tell::Watch { token, .. } | Tell::KeptAlive { token, .. } | Tell::Http { token, .. } => {
                if let Some(route) = self.routes.get(&token).copied() {
                    self.deliver(now, route.child, tell.under(route.token), asks);
                }
            }
        }
        self.advance(now, asks);
        self.flush_notices(asks);
    }
}

/// The number of a process, in a range that looks like one.
fn pid(child: u32) -> u32 {
    4_000 + child
}

/// What a program inherits from the shell that starts it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Context {
    pub machine: Arc<Machine>,
    pub environment: Environment,
    pub depth: u8,
    pub commands_left: u32,
}

#[cfg(test)]
mod tests;
