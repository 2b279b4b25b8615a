//! `watch`: events as they happen, one stream or (`-i`) as many as are typed, with a command for each event if wanted.

use std::collections::VecDeque;

use super::super::interpreter::Context;
use super::super::printers::go::{quote, quote_bytes};
use super::super::process::{Ask, Asks, Tell, Token};
use super::super::text::to_bytes;
use super::call::shown;
use super::child::Child;
use super::client::Client;
use super::flags::{self, Flag, Parsed};
use super::kv::{is_on, number};
use super::table::{COMMANDS, HELP};
use super::{EXIT_BAD_ARGS, EXIT_ERROR, EXIT_INTERRUPTED, EXIT_INVALID_INPUT, Failure, txn};
use crate::etcd::api::{Event, EventType, WatchCreateRequest, WatchResponse};
use crate::etcd::client::prefix_end;
use crate::etcd::error::Status;
use crate::sim::SimTime;

/// Streams that `-i` opens at most.
const STREAMS_MAX: usize = 1_000;

/// Responses that wait while a command runs; more than this and the watch gives up rather than the page.
const WAITING_MAX: usize = 100_000;

const BAD_COUNT: &str = "bad number of arguments";

/// `ETCDCTL_WATCH_KEY` and `ETCDCTL_WATCH_RANGE_END`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EnvironmentKeys {
    key: String,
    range_end: String,
}

impl EnvironmentKeys {
    pub fn of(context: &Context) -> Result<EnvironmentKeys, Failure> {
        let value = |name: &str| context.environment.value(name).unwrap_or_default().to_owned();
        let keys = EnvironmentKeys { key: value("ETCDCTL_WATCH_KEY"), range_end: value("ETCDCTL_WATCH_RANGE_END") };
        if keys.key.is_empty() && !keys.range_end.is_empty() {
            let message =
                format!("ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END={}", quote(&keys.range_end));
            return Err(Failure::new(EXIT_BAD_ARGS, message));
        }
        Ok(keys)
    }
}

/// What to watch and what to run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    keys: Vec<String>,
    exec: Vec<String>,
    prefix: bool,
    revision: i64,
    prev_kv: bool,
    progress_notify: bool,
}

pub fn is_interactive(parsed: &Parsed) -> bool {
    is_on(parsed, "watch", "interactive")
}

/// `[key] [range_end] [-- command …]`
pub fn plan(parsed: &Parsed, environment: &EnvironmentKeys) -> Result<Plan, Failure> {
    let bad = |message: &str| Err(Failure::new(EXIT_BAD_ARGS, message));
    let (keys, exec) = parsed.positional.split_at(parsed.before_dashes.unwrap_or(parsed.positional.len()));
    if parsed.before_dashes.is_some() && exec.is_empty() {
        return bad("bad number of arguments (found separator --, but no commands)");
    }
    let mut keys = keys.to_vec();
    if !environment.key.is_empty() {
        if !keys.is_empty() {
            return bad("bad number of arguments (found conflicting environment key)");
        }
        keys.push(environment.key.clone());
        keys.extend((!environment.range_end.is_empty()).then(|| environment.range_end.clone()));
    }
    if keys.is_empty() {
        return bad(BAD_COUNT);
    }
    let prefix = is_on(parsed, "watch", "prefix");
    if prefix && keys.len() == 2 {
        return bad("`range_end` and `--prefix` are mutually exclusive");
    }
    Ok(Plan {
        keys,
        exec: exec.to_vec(),
        prefix,
        revision: number(parsed, "watch", "rev"),
        prev_kv: is_on(parsed, "watch", "prev-kv"),
        progress_notify: is_on(parsed, "watch", "progress-notify"),
    })
}

impl Plan {
    fn request(&self) -> WatchCreateRequest {
        let key = to_bytes(&self.keys[0]);
        let (key, range_end) = match (self.prefix, self.keys.as_slice()) {
            (true, _) if key.is_empty() => (b"\0"[..].into(), b"\0"[..].into()),
            (true, _) => {
                let end = prefix_end(&key);
                (key, end)
            }
            (false, [_, end]) => (key, to_bytes(end)),
            // Three and more: upstream looks at the first only.
            (false, _) => (key, Default::default()),
        };
        WatchCreateRequest {
            key,
            range_end,
            start_revision: self.revision,
            progress_notify: self.progress_notify,
            prev_kv: self.prev_kv,
            ..WatchCreateRequest::default()
        }
    }
}

/// A running `watch`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Watch {
    client: Client,
    environment: EnvironmentKeys,
    context: Context,
    /// The command of each stream, by token; `None` for `-i` before anything was typed.
    streams: Vec<Vec<String>>,
    interactive: bool,
    partial: String,
    waiting: VecDeque<(u32, WatchResponse)>,
    /// Events whose command has still to run, with the revision of their response.
    events: VecDeque<(u32, i64, Event)>,
    child: Option<Child>,
    /// Commands that were run.
    children: u32,
}

impl Watch {
    pub fn new(client: Client, environment: EnvironmentKeys, context: Context) -> Watch {
        Watch {
            client,
            environment,
            context,
            streams: Vec::new(),
            interactive: true,
            partial: String::new(),
            waiting: VecDeque::new(),
            events: VecDeque::new(),
            child: None,
            children: 0,
        }
    }

    pub fn reads_input(&self) -> bool {
        self.interactive
    }

    /// The one watch of a call without `-i`.
    pub fn open(&mut self, plan: &Plan, asks: &mut Asks) -> Result<(), Failure> {
        self.interactive = false;
        self.add(plan, asks);
        Ok(())
    }

    fn add(&mut self, plan: &Plan, asks: &mut Asks) {
        let token = Token(self.streams.len() as u32);
        self.streams.push(plan.exec.clone());
        asks.push(Ask::Watch { token, via: self.client.via.clone(), request: plan.request() });
    }

    pub fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> Result<(), Failure> {
        match tell {
            Tell::Watch { token, result } if !Child::owns(token) => {
                let response = result.unwrap_or_else(|status| broken(&status));
                if self.waiting.len() >= WAITING_MAX {
                    return Err(Failure::new(
                        EXIT_ERROR,
                        format!("more than {WAITING_MAX} responses wait for commands"),
                    ));
                }
                self.waiting.push_back((token.0, response));
            }
            Tell::Stdin(chunk) if self.interactive => return self.typed(&chunk, asks),
            Tell::StdinClosed if self.interactive => {
                return Err(Failure::new(EXIT_INVALID_INPUT, "error reading watch request line: EOF"));
            }
            tell => self.tell_child(now, tell, asks)?,
        }
        self.work(now, asks)
    }

    /// Shows what came, unless a command is running for what came before.
    fn work(&mut self, now: SimTime, asks: &mut Asks) -> Result<(), Failure> {
        while self.child.is_none() {
            if let Some((stream, revision, event)) = self.events.pop_front() {
                self.run_command(now, stream, revision, &event, asks)?;
            } else if let Some((stream, response)) = self.waiting.pop_front() {
                self.show(stream, response, asks)?;
            } else {
                break;
            }
        }
        Ok(())
    }

    fn show(&mut self, stream: u32, response: WatchResponse, asks: &mut Asks) -> Result<(), Failure> {
        if response.created && !response.canceled {
            return Ok(());
        }
        if response.canceled {
            let reason = match &response {
                response if response.compact_revision != 0 => {
                    "etcdserver: mvcc: required revision has been compacted".to_owned()
                }
                response if !response.cancel_reason.is_empty() => response.cancel_reason.clone(),
                _ => "etcdserver: mvcc: required revision is a future revision".to_owned(),
            };
            asks.push(Ask::Stderr(format!("watch was canceled ({reason})\n")));
        }
        let revision = response.header.as_ref().map_or(0, |header| header.revision);
        let is_progress = response.events.is_empty() && !response.canceled && revision != 0;
        if is_progress {
            asks.push(Ask::Stdout(format!("progress notify: {revision}\n")));
        }
        asks.print(shown(self.client.display.watch(&response))?);
        if response.canceled && !self.interactive {
            return Err(Failure::new(EXIT_INTERRUPTED, "watch is canceled by the server"));
        }
        if self.streams.get(stream as usize).is_some_and(|exec| !exec.is_empty()) {
            self.events.extend(response.events.into_iter().map(|event| (stream, revision, event)));
        }
        Ok(())
    }

    fn run_command(
        &mut self,
        now: SimTime,
        stream: u32,
        revision: i64,
        event: &Event,
        asks: &mut Asks,
    ) -> Result<(), Failure> {
        let mut context = self.context.clone();
        let kind = if event.r#type == EventType::Delete as i32 { "DELETE" } else { "PUT" };
        let kv = event.kv.clone().unwrap_or_default();
        for (name, value) in [
            ("ETCD_WATCH_REVISION", revision.to_string()),
            ("ETCD_WATCH_EVENT_TYPE", quote(kind)),
            ("ETCD_WATCH_KEY", quote_bytes(&kv.key)),
            ("ETCD_WATCH_VALUE", quote_bytes(&kv.value)),
        ] {
            context.environment.export(name, Some(value));
        }
        let argv = self.streams[stream as usize].clone();
        self.children += 1;
        let mut child =
            Child::spawn(&argv, &context, self.children).map_err(|reason| command_failed(&argv, &reason))?;
        let ended = child.start(now, asks);
        self.child = Some(child);
        self.child_ended(ended)
    }

    fn tell_child(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> Result<(), Failure> {
        let Some(child) = &mut self.child else { return Ok(()) };
        let ended = child.tell(now, tell, asks);
        self.child_ended(ended)
    }

    /// The command ended, if it did; a failure of it ends the watch.
    fn child_ended(&mut self, status: Option<i32>) -> Result<(), Failure> {
        match status {
            None => return Ok(()),
            Some(0) => {}
            Some(status) => {
                let exec = self.streams.first().cloned().unwrap_or_default();
                return Err(command_failed(&exec, &format!("exit status {status}")));
            }
        }
        self.child = None;
        Ok(())
    }

    /// Lines of `watch -i`.
    fn typed(&mut self, chunk: &str, asks: &mut Asks) -> Result<(), Failure> {
        let text = std::mem::take(&mut self.partial) + chunk;
        for line in text.split_inclusive('\n') {
            let Some(line) = line.strip_suffix('\n') else {
                self.partial = line.to_owned();
                break;
            };
            let words = txn::words(line)?;
            let complaint = match words.first().map(String::as_str) {
                None => Some(format!("Invalid command: {line} (watch and progress supported)\n")),
                Some("progress") => {
                    asks.push(Ask::WatchProgress { token: Token(0) });
                    None
                }
                Some("watch") if words.len() < 2 && self.environment.key.is_empty() => {
                    Some(format!("Invalid command {line} (command type or key is not provided)\n"))
                }
                Some("watch") if self.streams.len() >= STREAMS_MAX => {
                    Some(format!("Invalid command {line} (more than {STREAMS_MAX} watches)\n"))
                }
                Some("watch") => {
                    // The table has a row for `watch`.
                    let own = COMMANDS.iter().find(|command| command.name == "watch").map_or(&[][..], |row| row.flags);
                    let known: Vec<&Flag> = own.iter().chain([&HELP]).collect();
                    let parsed =
                        flags::parse(&words[1..], &known).map_err(|error| Failure::new(EXIT_BAD_ARGS, error))?;
                    let plan = plan(&parsed, &self.environment)?;
                    self.add(&plan, asks);
                    None
                }
                Some(_) => Some(format!("Invalid command {line} (only support watch)\n")),
            };
            asks.extend(complaint.map(Ask::Stderr));
        }
        Ok(())
    }
}

/// A stream that failed, as clientv3 hands it to its callers.
fn broken(status: &Status) -> WatchResponse {
    WatchResponse { canceled: true, cancel_reason: super::client::error_text(status), ..WatchResponse::default() }
}

fn command_failed(argv: &[String], reason: &str) -> Failure {
    let quoted: Vec<String> = argv.iter().map(|word| quote(word)).collect();
    Failure { stderr: format!("command [{}] error ({reason})\n", quoted.join(" ")), status: EXIT_ERROR }
}
