//! `etcdctl` 3.5.1.
//!
//! Upstream: `etcdctl/ctlv3` on cobra and pflag. One static table ([`table`]) drives parsing, help and completion; each
//! command group has a file. What a command prints, where, and its exit code are upstream's byte for byte, as recorded
//! from the real program.
//!
//! ```text
//! New ─ a password is missing ─> Asking ─┐
//!  └────────────────────────────────────┴─> (LoggingIn ─>) Running ─> Ended
//! ```
//!
//! Simplified: no TLS yet.

mod alarm;
mod auth;
mod call;
mod check;
mod child;
mod client;
mod elect;
mod endpoint;
pub mod flags;
pub mod help;
mod kv;
mod lease;
mod lock;
mod member;
mod mirror;
mod prompt;
mod session;
mod snapshot;
mod stack;
pub mod table;
mod txn;
mod v2;
mod watch;

use super::interpreter::Context;
use super::printers::go::quote;
use super::process::{Ask, Asks, Program, Tell, Via};
use crate::etcd::api::Request;
use crate::sim::SimTime;
use call::{After, Calling};
use client::{Client, Logger};
use flags::{Flag, Parsed};
use prompt::{Prompt, Purpose};
use table::{Action, COMMANDS, Command, GLOBAL, HELP};

pub use stack::of_restore as restore_trace;

const EXIT_ERROR: i32 = 1;
const EXIT_BAD_CONNECTION: i32 = 2;
const EXIT_INVALID_INPUT: i32 = 3;
const EXIT_BAD_FEATURE: i32 = 4;
const EXIT_INTERRUPTED: i32 = 5;
const EXIT_BAD_ARGS: i32 = 128;
/// What a Go program exits with when it panics.
const EXIT_PANIC: i32 = 2;
/// Killed by Ctrl-C.
const EXIT_KILLED: i32 = 130;

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
    /// A password is being typed; then the command goes on.
    Asking {
        prompt: Prompt,
        command: &'static Command,
        parsed: Parsed,
    },
    /// `put KEY` reads its value.
    PutValue {
        parsed: Parsed,
        value: String,
    },
    /// What the command asks and is told waits until the login is done.
    LoggingIn {
        via: Via,
        run: Run,
        held: Vec<Ask>,
        early: Vec<Tell>,
    },
    Running(Run),
    Ended,
}

/// A command at work.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Run {
    Calling(Box<Calling>),
    Endpoints(Box<endpoint::Endpoints>),
    Txn(Box<txn::Txn>),
    Watch(Box<watch::Watch>),
    KeepAlive(Box<lease::KeepAlive>),
    MemberAdd(Box<member::Add>),
    MoveLeader(Box<member::MoveLeader>),
    Disarm(Box<alarm::Disarm>),
    AuthEnable(Box<auth::Enable>),
    UserDetail(Box<auth::UserDetail>),
    Save(Box<snapshot::Save>),
    Lock(Box<lock::Lock>),
    Elect(Box<elect::Elect>),
    Mirror(Box<mirror::Mirror>),
    Check(Box<check::Check>),
    V2(Box<v2::Call>),
}

/// The exit status once a command is done, or how it failed.
type Step = Result<Option<i32>, Failure>;

impl Run {
    fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> Step {
        match self {
            Run::Calling(run) => run.tell(now, tell, asks),
            Run::Endpoints(run) => run.tell(now, tell, asks),
            Run::Txn(run) => run.tell(now, tell, asks),
            Run::Watch(run) => run.tell(now, tell, asks).map(|()| None),
            Run::KeepAlive(run) => run.tell(tell, asks),
            Run::MemberAdd(run) => run.tell(now, tell, asks),
            Run::MoveLeader(run) => run.tell(now, tell, asks),
            Run::Disarm(run) => run.tell(now, tell, asks),
            Run::AuthEnable(run) => run.tell(now, tell, asks),
            Run::UserDetail(run) => run.tell(now, tell, asks),
            Run::Save(run) => run.tell(now, tell, asks),
            Run::Lock(run) => run.tell(now, tell, asks),
            Run::Elect(run) => run.tell(now, tell, asks),
            Run::Mirror(run) => run.tell(now, tell, asks),
            Run::Check(run) => run.tell(now, tell, asks),
            Run::V2(run) => run.tell(tell),
        }
    }

    /// Whether it takes input.
    fn reads_input(&self) -> bool {
        match self {
            Run::Txn(run) => run.reads_input(),
            Run::Watch(run) => run.reads_input(),
            _ => false,
        }
    }

    /// Whether it cleans up after Ctrl-C instead of ending at once.
    fn heeds_interrupts(&self) -> bool {
        matches!(self, Run::Lock(_) | Run::Elect(_))
    }
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

    /// Upstream crashes here. Simplified: without Go's stack trace, of which some words differ from run to run.
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
            State::Asking { .. } | State::PutValue { .. } => true,
            State::LoggingIn { run, .. } | State::Running(run) => run.reads_input(),
            State::New | State::Ended => false,
        }
    }

    /// Whether what is typed now is a password.
    pub fn hides_input(&self) -> bool {
        matches!(&self.state, State::Asking { prompt, .. } if prompt.is_interactive())
    }

    fn start(&mut self, now: SimTime, asks: &mut Asks) -> Result<State, Failure> {
        match self.context.environment.value("ETCDCTL_API") {
            None | Some("" | "3") => {}
            Some("2") => return v2::start(&self.arguments, &self.context, asks).map(running),
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
        if let Action::SnapshotStatus | Action::SnapshotRestore = command.action {
            let status = super::etcdutl::moved_from_etcdctl(now, command.action, &parsed, asks);
            return Ok(ended(status, asks));
        }
        let (least, most, message) = command.arity;
        if !(least..=most).contains(&parsed.positional.len()) {
            return Err(Failure::new(EXIT_BAD_ARGS, message));
        }
        if self.lacks_password(&parsed) {
            return Ok(asking(Prompt::new(Purpose::Login, true), command, parsed, asks));
        }
        self.run(now, command, parsed, asks)
    }

    /// Whether `--user name` stands there without a password.
    fn lacks_password(&self, parsed: &Parsed) -> bool {
        let value = |name: &str| {
            let flag = GLOBAL.iter().find(|flag| flag.name == name);
            let given = flag.filter(|_| parsed.is_set(name)).map(|flag| parsed.value(flag));
            let variable = || self.context.environment.value(&client::variable(name));
            given.or_else(variable).unwrap_or_default().to_owned()
        };
        let user = value("user");
        !user.is_empty() && !user.contains(':') && value("password").is_empty()
    }

    /// Starts a command whose arguments are right in number.
    fn run(
        &mut self,
        now: SimTime,
        command: &'static Command,
        parsed: Parsed,
        asks: &mut Asks,
    ) -> Result<State, Failure> {
        let context = self.context.clone();
        let connect = |asks: &mut Asks| Client::connect(now, command, &parsed, &context, asks);
        let call = |request: Request, after: After, asks: &mut Asks| {
            let client = Client::connect(now, command, &parsed, &context, asks)?;
            Ok(running(Run::Calling(Box::new(Calling::new(client, request, after, asks)))))
        };
        match command.action {
            Action::Group | Action::SnapshotStatus | Action::SnapshotRestore => Ok(ended(0, asks)),
            Action::Help => Ok(help_command(&parsed.positional, asks)),
            Action::Version => {
                let text = format!("etcdctl version: {}\nAPI version: {}\n", help::VERSION, help::API_VERSION);
                asks.push(Ask::Stdout(text));
                Ok(ended(0, asks))
            }
            Action::Put if kv::needs_stdin(&parsed)? => Ok(State::PutValue { parsed, value: String::new() }),
            Action::Put => call(Request::Put(kv::put_request(&parsed, None)?), After::Display, asks),
            Action::Get => call(Request::Range(kv::get_request(&parsed)?), kv::after_get(&parsed), asks),
            Action::Del => call(Request::DeleteRange(kv::del_request(&parsed)?), After::Display, asks),
            Action::Compaction => {
                let request = kv::compaction_request(&parsed)?;
                let after = After::Say(format!("compacted revision {}\n", request.revision));
                call(Request::Compact(request), after, asks)
            }
            Action::LeaseGrant => call(lease::grant(&parsed)?, After::Display, asks),
            Action::LeaseRevoke => call(lease::revoke(&parsed)?, After::Display, asks),
            Action::LeaseTimeToLive => call(lease::time_to_live(&parsed)?, After::Display, asks),
            Action::LeaseList => call(Request::LeaseLeases(Default::default()), After::Display, asks),
            Action::LeaseKeepAlive if kv::is_on(&parsed, command.name, "once") => {
                call(lease::keep_alive(lease::id(&parsed)?), After::Display, asks)
            }
            Action::LeaseKeepAlive => {
                let id = lease::id(&parsed)?;
                let client = connect(asks)?;
                Ok(running(Run::KeepAlive(Box::new(lease::KeepAlive::new(client, id, asks)))))
            }
            Action::MemberList => call(member::list(), After::Display, asks),
            Action::MemberRemove => call(member::remove(&parsed)?, After::Display, asks),
            Action::MemberPromote => call(member::promote(&parsed)?, After::Display, asks),
            Action::MemberUpdate => {
                let request = member::update(&parsed)?;
                if let Request::MemberUpdate(update) = &request {
                    member::check_urls(&update.peer_urls)?;
                }
                call(request, After::Display, asks)
            }
            Action::MemberAdd => {
                let (name, request) = member::Add::plan(&parsed)?;
                let client = connect(asks)?;
                Ok(running(Run::MemberAdd(Box::new(member::Add::new(client, name, request, asks)?))))
            }
            Action::MoveLeader => {
                let target = member::MoveLeader::target(&parsed)?;
                let client = connect(asks)?;
                Ok(running(Run::MoveLeader(Box::new(member::MoveLeader::new(client, target, asks)))))
            }
            Action::AlarmList => call(alarm::list(), After::Display, asks),
            Action::AlarmDisarm => {
                let client = connect(asks)?;
                Ok(running(Run::Disarm(Box::new(alarm::Disarm::new(client, asks)))))
            }
            Action::Defrag if !kv::text(&parsed, command.name, "data-dir").is_empty() => {
                asks.complain("Use `etcdutl defrag` instead. The --data-dir is going to be decomissioned in v3.6.\n\n");
                match super::etcdutl::defragment(now, kv::text(&parsed, command.name, "data-dir"), asks) {
                    // Upstream goes on with the members.
                    0 => self.endpoints(now, command, parsed, asks),
                    status => Ok(ended(status, asks)),
                }
            }
            Action::EndpointHealth | Action::EndpointStatus | Action::EndpointHashKv | Action::Defrag => {
                self.endpoints(now, command, parsed, asks)
            }
            Action::Txn => {
                let client = connect(asks)?;
                let arguments = self.arguments.len().saturating_sub(1);
                Ok(running(Run::Txn(Box::new(txn::Txn::new(client, &parsed, arguments, asks)))))
            }
            Action::Watch => {
                let environment = watch::EnvironmentKeys::of(&context)?;
                let plan = (!watch::is_interactive(&parsed)).then(|| watch::plan(&parsed, &environment)).transpose()?;
                let client = connect(asks)?;
                let mut watch = watch::Watch::new(client, environment, context.clone());
                if let Some(plan) = plan {
                    watch.open(&plan, asks)?;
                }
                Ok(running(Run::Watch(Box::new(watch))))
            }
            Action::AuthEnable => {
                let client = connect(asks)?;
                Ok(running(Run::AuthEnable(Box::new(auth::Enable::new(client, asks)))))
            }
            Action::AuthDisable => {
                let after = After::Say("Authentication Disabled\n".to_owned());
                call(auth::request(command.action, &parsed)?, after, asks)
            }
            Action::UserGet if kv::is_on(&parsed, command.name, "detail") => {
                let client = connect(asks)?;
                let name = parsed.positional[0].clone();
                Ok(running(Run::UserDetail(Box::new(auth::UserDetail::new(client, name, asks)))))
            }
            Action::UserAdd => match auth::user_add(&parsed)? {
                auth::Password::Known(request) => call(request, After::Display, asks),
                auth::Password::Typed(prompt) => Ok(asking(prompt, command, parsed, asks)),
            },
            Action::UserPasswd => Ok(asking(auth::user_passwd(&parsed), command, parsed, asks)),
            Action::AuthStatus
            | Action::UserDelete
            | Action::UserGet
            | Action::UserList
            | Action::UserGrantRole
            | Action::UserRevokeRole
            | Action::RoleAdd
            | Action::RoleDelete
            | Action::RoleGet
            | Action::RoleList
            | Action::RoleGrantPermission
            | Action::RoleRevokePermission => call(auth::request(command.action, &parsed)?, After::Display, asks),
            Action::SnapshotSave => {
                let client = Client::configure(now, command, &mut parsed.clone(), &context, asks)?;
                snapshot::Save::check(&client)?;
                client.log_in(asks)?;
                let mut save = snapshot::Save::new(client, &parsed.positional[0]);
                save.start(now, asks)?;
                Ok(running(Run::Save(Box::new(save))))
            }
            Action::Lock => {
                let client = connect(asks)?;
                let ttl = kv::number(&parsed, command.name, "ttl");
                let lock = lock::Lock::new(client, context.clone(), &parsed.positional, ttl, asks);
                Ok(running(Run::Lock(Box::new(lock))))
            }
            Action::Elect => {
                let client = connect(asks)?;
                let listen = kv::is_on(&parsed, command.name, "listen");
                let proposal = parsed.positional.get(1).cloned();
                match (listen, &proposal) {
                    (false, None) => Err(Failure::new(EXIT_BAD_ARGS, "no proposal argument but -l not set")),
                    (true, Some(_)) => Err(Failure::new(EXIT_BAD_ARGS, "proposal given but -l is set")),
                    _ => {
                        let elect = elect::Elect::new(client, &parsed.positional[0], proposal, asks);
                        Ok(running(Run::Elect(Box::new(elect))))
                    }
                }
            }
            Action::MakeMirror => {
                let client = connect(asks)?;
                Ok(running(Run::Mirror(Box::new(mirror::Mirror::new(client, &parsed, asks)?))))
            }
            Action::CheckPerf | Action::CheckDatascale => {
                let check = check::Check::plan(command, &parsed)?;
                let client = connect(asks)?;
                Ok(running(Run::Check(Box::new(check(client, asks)))))
            }
        }
    }

    fn endpoints(
        &self,
        now: SimTime,
        command: &'static Command,
        mut parsed: Parsed,
        asks: &mut Asks,
    ) -> Result<State, Failure> {
        let client = Client::configure(now, command, &mut parsed, &self.context, asks)?;
        // Each health check has a client of its own.
        if command.action != Action::EndpointHealth {
            client.log_in(asks)?;
        }
        let mut endpoints = endpoint::Endpoints::new(command.action, client, &parsed)?;
        Ok(match endpoints.start(now, asks)? {
            None => running(Run::Endpoints(Box::new(endpoints))),
            Some(status) => ended(status, asks),
        })
    }

    fn put(&self, now: SimTime, parsed: &Parsed, stdin: &str, asks: &mut Asks) -> Result<State, Failure> {
        let request = Request::Put(kv::put_request(parsed, Some(stdin))?);
        // The table has a row for every action that gets here.
        let command = COMMANDS.iter().find(|command| command.action == Action::Put).unwrap_or(&COMMANDS[0]);
        let client = Client::connect(now, command, parsed, &self.context, asks)?;
        Ok(running(Run::Calling(Box::new(Calling::new(client, request, After::Display, asks)))))
    }

    /// A password was typed: goes on with what it is for; `rest` was typed after it.
    fn answered(
        &mut self,
        now: SimTime,
        (prompt, command, mut parsed): (Prompt, &'static Command, Parsed),
        password: &str,
        rest: String,
        asks: &mut Asks,
    ) -> Result<State, Failure> {
        let request = match &prompt.purpose {
            Purpose::Login => {
                let flag = GLOBAL.iter().find(|flag| flag.name == "password");
                if let Some(flag) = flag.filter(|_| !password.is_empty()) {
                    parsed.set(flag, password).map_err(|error| Failure::new(EXIT_ERROR, error))?;
                }
                let mut state = self.run(now, command, parsed, asks)?;
                if !rest.is_empty() {
                    self.state = state;
                    state = self.step(now, Tell::Stdin(rest), asks)?;
                }
                return Ok(state);
            }
            Purpose::UserAdd { name } => auth::user_add_request(name, password, false),
            Purpose::UserPasswd { name } => auth::change_password(name, password),
        };
        let client = Client::connect(now, command, &parsed, &self.context, asks)?;
        Ok(running(Run::Calling(Box::new(Calling::new(client, request, After::Display, asks)))))
    }

    fn step(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> Result<State, Failure> {
        let state = std::mem::replace(&mut self.state, State::Ended);
        match (state, tell) {
            (State::New, Tell::Start) => self.start(now, asks),
            (State::Asking { mut prompt, command, parsed }, Tell::Stdin(chunk)) => match prompt.typed(&chunk, asks)? {
                Some((password, rest)) => self.answered(now, (prompt, command, parsed), &password, rest, asks),
                None => Ok(State::Asking { prompt, command, parsed }),
            },
            (State::Asking { mut prompt, command, parsed }, Tell::StdinClosed) => {
                let password = prompt.closed(asks)?.unwrap_or_default();
                self.answered(now, (prompt, command, parsed), &password, String::new(), asks)
            }
            (State::PutValue { parsed, mut value }, Tell::Stdin(chunk)) => {
                if value.len() + chunk.len() > kv::STDIN_BYTES_MAX {
                    return Err(Failure::new(EXIT_ERROR, "etcdserver: request is too large"));
                }
                value.push_str(&chunk);
                Ok(State::PutValue { parsed, value })
            }
            (State::PutValue { parsed, value }, Tell::StdinClosed) => self.put(now, &parsed, &value, asks),
            (State::Running(mut run), tell) => Ok(match run.tell(now, tell, asks)? {
                None => State::Running(run),
                Some(status) => ended(status, asks),
            }),
            (State::LoggingIn { via, run, held, mut early }, tell) => match tell {
                Tell::Answer { token: client::LOGIN, result } => {
                    let logger = if matches!(run, Run::Save(_)) { Logger::Zap } else { Logger::EtcdClient };
                    if let Err(error) = result
                        && let Some(failure) = client::login_failed(now, &via, logger, &error, asks)
                    {
                        return Err(failure);
                    }
                    asks.extend(held);
                    self.replay(now, run, early, asks)
                }
                tell => {
                    early.push(tell);
                    Ok(State::LoggingIn { via, run, held, early })
                }
            },
            (state, _) => Ok(state),
        }
    }

    /// Tells a command what it was told while it waited.
    fn replay(&self, now: SimTime, mut run: Run, early: Vec<Tell>, asks: &mut Asks) -> Result<State, Failure> {
        for tell in early {
            if let Some(status) = run.tell(now, tell, asks)? {
                return Ok(ended(status, asks));
            }
        }
        Ok(State::Running(run))
    }

    /// Holds back what a command asked after its login, until that is done.
    fn await_login(state: State, before: usize, asks: &mut Asks) -> State {
        let login = |(at, ask): (usize, &Ask)| match ask {
            Ask::Login { token: client::LOGIN, via, .. } => Some((at, via.clone())),
            _ => None,
        };
        let Some((at, via)) = asks.asked()[before..].iter().enumerate().find_map(login) else { return state };
        let held = asks.split_off(before + at + 1);
        match state {
            State::Running(run) => State::LoggingIn { via, run, held, early: Vec::new() },
            state => {
                asks.extend(held);
                state
            }
        }
    }
}

impl Program for Etcdctl {
    fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) {
        if self.state == State::Ended {
            return;
        }
        let heeds = matches!(&self.state, State::Running(run) if run.heeds_interrupts());
        if tell == Tell::Interrupt && !heeds {
            self.state = ended(EXIT_KILLED, asks);
            return;
        }
        let before = asks.len();
        match self.step(now, tell, asks) {
            Ok(state) => self.state = Etcdctl::await_login(state, before, asks),
            Err(failure) => {
                asks.complain(failure.stderr);
                self.state = ended(failure.status, asks);
            }
        }
    }
}

fn running(run: Run) -> State {
    State::Running(run)
}

fn asking(prompt: Prompt, command: &'static Command, parsed: Parsed, asks: &mut Asks) -> State {
    prompt.ask(asks);
    State::Asking { prompt, command, parsed }
}

fn ended(status: i32, asks: &mut Asks) -> State {
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
    suggestions_among(word, Command::children(None).map(|command| command.name))
}

/// Those among `names` that `word` may have meant.
pub fn suggestions_among<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> String {
    let word = word.to_lowercase();
    let near = |name: &&str| name.starts_with(&word) || distance(&word, name) <= 2;
    let names: Vec<String> = names.filter(near).map(|near| format!("\t{near}\n")).collect();
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

fn help_command(topics: &[String], asks: &mut Asks) -> State {
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
