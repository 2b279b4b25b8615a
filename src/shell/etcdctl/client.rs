//! What commands share: the connection's settings from flags and environment, a call, and how failures read.

use super::super::filters::iso_time;
use super::super::interpreter::Context;
use super::super::printers::go::json_string;
use super::super::printers::{Display, Format};
use super::super::process::{Ask, CallError, Token};
use super::flags::{Flag, Kind, Parsed, parse_bool, parse_duration};
use super::table::{Action, Command, GLOBAL};
use super::{EXIT_BAD_ARGS, EXIT_BAD_CONNECTION, EXIT_BAD_FEATURE, EXIT_ERROR, Failure};
use crate::etcd::api::{Request, Response};
use crate::etcd::error::{Code, Status};
use crate::sim::{EPOCH_SECONDS, Micros, SimTime};

/// What upstream prints of the client's address in memory. Simplified: always the same, so that a run can be replayed.
const POINTER: &str = "0xc000392a80";

/// Settings of one run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    pub endpoints: Vec<String>,
    pub timeout: Micros,
    pub display: Display,
    /// Endpoints as given, for messages.
    logger: &'static str,
}

/// A call on its way, and what to do with its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Calling {
    client: Client,
    after: After,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum After {
    Display,
    /// `get` checks two flags against the format only now.
    Get {
        count_only: bool,
        value_only: bool,
    },
    Compacted(i64),
}

impl Client {
    /// Settings and a connection: there must be an endpoint.
    pub fn connect(
        now: SimTime,
        command: &'static Command,
        parsed: &Parsed,
        context: &Context,
        asks: &mut Vec<Ask>,
    ) -> Result<Client, Failure> {
        let mut parsed = parsed.clone();
        let client = Client::configure(now, command, &mut parsed, context, asks)?;
        client.require_endpoints()?;
        Ok(client)
    }

    pub fn require_endpoints(&self) -> Result<(), Failure> {
        match self.endpoints.is_empty() {
            true => Err(Failure::new(EXIT_BAD_CONNECTION, "etcdclient: no available endpoints")),
            false => Ok(()),
        }
    }

    /// Reads flags and environment.
    pub fn configure(
        now: SimTime,
        command: &'static Command,
        parsed: &mut Parsed,
        context: &Context,
        asks: &mut Vec<Ask>,
    ) -> Result<Client, Failure> {
        let mut flags: Vec<&Flag> = GLOBAL.iter().collect();
        flags.extend(command.parent().into_iter().flat_map(|parent| parent.persistent));
        flags.sort_by_key(|flag| flag.name);
        from_environment(now, command, &flags, parsed, context, asks)?;
        let value = |name: &str| flags.iter().find(|flag| flag.name == name).map_or("", |flag| parsed.value(flag));
        if parse_bool(value("debug")) == Ok(true) {
            let line = |flag: &&Flag| match flag.kind {
                Kind::List => format!("{}=[{}]\n", variable(flag.name), parsed.value(flag)),
                _ => format!("{}={}\n", variable(flag.name), parsed.value(flag)),
            };
            asks.push(Ask::Stderr(flags.iter().map(line).collect()));
        }
        let format = Format::parse(value("write-out"))
            .ok_or_else(|| Failure::new(EXIT_BAD_FEATURE, "unsupported output format"))?;
        for name in ["cacert", "cert", "key"] {
            if !value(name).is_empty() {
                let message = format!("open {}: no such file or directory", value(name));
                return Err(Failure::new(EXIT_BAD_ARGS, message));
            }
        }
        for (name, built) in [("user", ""), ("password", ""), ("discovery-srv", ""), ("insecure-transport", "true")] {
            if value(name) != built {
                return Err(Failure::new(EXIT_ERROR, format!("--{name} is not built into this lab yet")));
            }
        }
        let endpoints = value("endpoints").split(',').filter(|endpoint| !endpoint.is_empty());
        Ok(Client {
            endpoints: endpoints.map(str::to_owned).collect(),
            timeout: parse_duration(value("command-timeout")).unwrap_or_default(),
            display: Display { format, hex: parse_bool(value("hex")) == Ok(true), value_only: false },
            logger: if command.action == Action::EndpointHealth { "client" } else { "etcd-client" },
        })
    }

    pub fn call(self, request: Request, after: After, asks: &mut Vec<Ask>) -> Calling {
        let (endpoints, timeout) = (self.endpoints.clone(), self.timeout);
        asks.push(Ask::Call { token: Token(0), endpoints, request, timeout });
        Calling { client: self, after }
    }

    /// The log line of a failed call, and its error as commands print it.
    pub fn failed(&self, now: SimTime, error: &CallError, asks: &mut Vec<Ask>) -> String {
        self.failed_at(now, self.endpoints.first().map_or("", String::as_str), error, asks)
    }

    pub fn failed_at(&self, now: SimTime, endpoint: &str, error: &CallError, asks: &mut Vec<Ask>) -> String {
        if !error.log.is_empty() {
            let target = format!("etcd-endpoints://{POINTER}/{}", authority(endpoint));
            let time = match self.logger {
                // The health check logs with zap's defaults, the client with its own.
                "client" => epoch_time(now),
                _ => format!("\"{}\"", iso_time(now)),
            };
            asks.push(Ask::Stderr(format!(
                "{{\"level\":\"warn\",\"ts\":{time},\"logger\":\"{}\",\"caller\":\"v3/retry_interceptor.go:62\",\
                 \"msg\":\"retrying of unary invoker failed\",\"target\":{},\"attempt\":0,\"error\":{}}}\n",
                self.logger,
                json_string(&target),
                json_string(&error.log),
            )));
        }
        error_text(&error.status)
    }
}

impl Calling {
    pub fn answered(
        self,
        now: SimTime,
        result: Result<Response, CallError>,
        asks: &mut Vec<Ask>,
    ) -> Result<(), Failure> {
        let mut client = self.client;
        let response = result.map_err(|error| Failure::new(EXIT_ERROR, client.failed(now, &error, asks)))?;
        match self.after {
            After::Display => {}
            After::Compacted(revision) => {
                asks.push(Ask::Stdout(format!("compacted revision {revision}\n")));
                return Ok(());
            }
            After::Get { count_only, value_only } => {
                if count_only && client.display.format != Format::Fields {
                    return Err(Failure::new(EXIT_BAD_ARGS, "--count-only is only for `--write-out=fields`"));
                }
                if value_only && client.display.format != Format::Simple {
                    return Err(Failure::new(EXIT_BAD_ARGS, "print-value-only is only for `--write-out=simple`"));
                }
                client.display.value_only = value_only;
            }
        }
        let text = client.display.response(&response).map_err(|error| Failure::new(EXIT_BAD_FEATURE, error))?;
        print(text, asks);
        Ok(())
    }
}

/// To standard output, unless there is nothing to say.
pub fn print(text: String, asks: &mut Vec<Ask>) {
    if !text.is_empty() {
        asks.push(Ask::Stdout(text));
    }
}

/// An error as clientv3 gives it to its callers.
pub fn error_text(status: &Status) -> String {
    match status.code {
        // Texts that rpctypes knows lose gRPC's frame.
        _ if status.message.starts_with("etcdserver: ") => status.message.clone(),
        Code::DeadlineExceeded => "context deadline exceeded".to_owned(),
        Code::Canceled => "context canceled".to_owned(),
        _ => status.to_string(),
    }
}

/// `host:port` of an endpoint that may be a URL.
pub fn authority(endpoint: &str) -> &str {
    endpoint.split_once("://").map_or(endpoint, |(_, authority)| authority)
}

/// The environment variable of a flag.
fn variable(flag: &str) -> String {
    format!("ETCDCTL_{}", flag.to_uppercase().replace('-', "_"))
}

/// zap's default time: seconds since 1970 with a fraction.
fn epoch_time(now: SimTime) -> String {
    let fraction = format!("{:06}", now.0 % 1_000_000);
    match fraction.trim_end_matches('0') {
        "" => format!("{}", EPOCH_SECONDS + now.0 / 1_000_000),
        digits => format!("{}.{digits}", EPOCH_SECONDS + now.0 / 1_000_000),
    }
}

/// Sets flags from `ETCDCTL_…` and complains about variables that fit no flag, as upstream's `pkg/flags` does.
fn from_environment(
    now: SimTime,
    command: &Command,
    flags: &[&Flag],
    parsed: &mut Parsed,
    context: &Context,
    asks: &mut Vec<Ask>,
) -> Result<(), Failure> {
    let given = parsed.clone();
    for (name, value) in context.environment.exported() {
        if !name.starts_with("ETCDCTL_") || name == "ETCDCTL_API" {
            continue;
        }
        let log = |level: &str, line: u32, message: &str, variable: &str| {
            format!(
                "{{\"level\":\"{level}\",\"ts\":{},\"caller\":\"flags/flag.go:{line}\",\"msg\":\"{message}\",\
                 \"environment-variable\":{}}}\n",
                epoch_time(now),
                json_string(variable),
            )
        };
        let watch = command.action == Action::Watch;
        match flags.iter().find(|flag| variable(flag.name) == name) {
            Some(flag) if given.is_set(flag.name) => {
                // Simplified: upstream's line also carries a stack trace of the machine it was built on.
                let message = "conflicting environment variable is shadowed by corresponding command-line flag \
                               (either unset environment variable or disable flag))";
                return Err(Failure { stderr: log("fatal", 85, message, name), status: EXIT_ERROR });
            }
            Some(_) if value.is_empty() => {}
            // A value that does not fit is passed over in silence, as upstream does.
            Some(flag) => drop(parsed.set(flag, value)),
            None if watch && matches!(name, "ETCDCTL_WATCH_KEY" | "ETCDCTL_WATCH_RANGE_END") => {}
            None => {
                let shown = format!("{name}={value}");
                asks.push(Ask::Stderr(log("warn", 93, "unrecognized environment variable", &shown)));
            }
        }
    }
    Ok(())
}
