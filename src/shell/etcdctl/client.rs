//! What commands share: the connection's settings from flags and environment, logging in, and how failures read.

use super::super::filters::iso_time;
use super::super::interpreter::Context;
use super::super::printers::go::json_string;
use super::super::printers::{Display, Format};
use super::super::process::{Ask, Asks, CallError, Token, Via};
use super::flags::{Flag, Kind, Parsed, parse_bool, parse_duration};
use super::table::{Action, Command, GLOBAL};
use super::{EXIT_BAD_ARGS, EXIT_BAD_CONNECTION, EXIT_BAD_FEATURE, EXIT_ERROR, EXIT_INTERRUPTED, Failure, stack};
use crate::etcd::api::Request;
use crate::etcd::client::Credentials;
use crate::etcd::error::{Code, EtcdError, Status};
use crate::sim::{EPOCH_SECONDS, Micros, SimTime};

/// What upstream prints of the client's address in memory. Simplified: always the same, so that a run can be replayed.
const POINTER: &str = "0xc000392a80";

/// Whether the program's login succeeded is answered under this token.
pub const LOGIN: Token = Token(u32::MAX - 1);

/// Settings of one run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    pub via: Via,
    /// `--command-timeout`
    pub timeout: Micros,
    /// Whether it was given.
    pub timeout_set: bool,
    pub dial_timeout: Micros,
    pub display: Display,
    pub logger: Logger,
}

/// Whose log lines upstream's client writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Logger {
    /// clientv3's own.
    EtcdClient,
    /// zap's defaults, as the health check and `snapshot save` set them.
    Zap,
}

impl Logger {
    /// The beginning of a log line, up to its message.
    pub fn head(self, now: SimTime, level: &str, caller: &str) -> String {
        let (time, name) = match self {
            Logger::EtcdClient => (format!("\"{}\"", iso_time(now)), "etcd-client"),
            Logger::Zap => (epoch_time(now), "client"),
        };
        format!("{{\"level\":\"{level}\",\"ts\":{time},\"logger\":\"{name}\",\"caller\":\"{caller}\"")
    }

    /// What the retry interceptor writes about a call that failed.
    fn call_failed(self, now: SimTime, endpoint: &str, error: &CallError, asks: &mut Asks) {
        if !error.log.is_empty() {
            let target = format!("etcd-endpoints://{POINTER}/{}", authority(endpoint));
            asks.push(Ask::Stderr(format!(
                "{},\"msg\":\"retrying of unary invoker failed\",\"target\":{},\"attempt\":0,\"error\":{}}}\n",
                self.head(now, "warn", "v3/retry_interceptor.go:62"),
                json_string(&target),
                json_string(&error.log),
            )));
        }
    }
}

impl Client {
    /// Settings, a connection and, if there is a user, a login: there must be an endpoint.
    pub fn connect(
        now: SimTime,
        command: &'static Command,
        parsed: &Parsed,
        context: &Context,
        asks: &mut Asks,
    ) -> Result<Client, Failure> {
        let mut parsed = parsed.clone();
        let client = Client::configure(now, command, &mut parsed, context, asks)?;
        client.log_in(asks)?;
        Ok(client)
    }

    /// The login of [`Client::connect`] by itself.
    pub fn log_in(&self, asks: &mut Asks) -> Result<(), Failure> {
        self.require_endpoints()?;
        if self.via.user.is_some() {
            asks.push(Ask::Login { token: LOGIN, via: self.via.clone(), timeout: self.dial_timeout });
        }
        Ok(())
    }

    pub fn require_endpoints(&self) -> Result<(), Failure> {
        match self.via.endpoints.is_empty() {
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
        asks: &mut Asks,
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
        for (name, built) in [("discovery-srv", ""), ("insecure-transport", "true")] {
            if value(name) != built {
                return Err(Failure::new(EXIT_ERROR, format!("--{name} is not built into this lab yet")));
            }
        }
        let endpoints = value("endpoints").split(',').filter(|endpoint| !endpoint.is_empty());
        let endpoints = endpoints.map(str::to_owned).collect();
        let user = credentials(value("user"), value("password"));
        let zap = matches!(command.action, Action::EndpointHealth | Action::SnapshotSave);
        Ok(Client {
            via: Via { endpoints, user },
            timeout: parse_duration(value("command-timeout")).unwrap_or_default(),
            timeout_set: parsed.is_set("command-timeout"),
            dial_timeout: parse_duration(value("dial-timeout")).unwrap_or_default(),
            display: Display { format, hex: parse_bool(value("hex")) == Ok(true), value_only: false },
            logger: if zap { Logger::Zap } else { Logger::EtcdClient },
        })
    }

    /// The same settings for one endpoint only.
    pub fn at(&self, endpoint: &str) -> Via {
        Via { endpoints: vec![endpoint.to_owned()], user: self.via.user.clone() }
    }

    /// A call that may take as long as `--command-timeout` says.
    pub fn ask(&self, token: Token, request: Request, asks: &mut Asks) {
        self.ask_within(token, request, self.timeout, asks);
    }

    pub fn ask_within(&self, token: Token, request: Request, timeout: Micros, asks: &mut Asks) {
        asks.push(Ask::Call { token, via: self.via.clone(), request, timeout });
    }

    /// The log line of a failed call, and its error as commands print it.
    pub fn failed(&self, now: SimTime, error: &CallError, asks: &mut Asks) -> String {
        self.failed_at(now, self.via.endpoints.first().map_or("", String::as_str), error, asks)
    }

    pub fn failed_at(&self, now: SimTime, endpoint: &str, error: &CallError, asks: &mut Asks) -> String {
        self.logger.call_failed(now, endpoint, error, asks);
        error_text(&error.status)
    }
}

/// How the program ends when it cannot log in; nothing if it goes on because authentication is off.
pub fn login_failed(now: SimTime, via: &Via, logger: Logger, error: &CallError, asks: &mut Asks) -> Option<Failure> {
    logger.call_failed(now, via.endpoints.first().map_or("", String::as_str), error, asks);
    let off = error.status.message == EtcdError::AuthNotEnabled.text();
    // To `snapshot save` every failure is an interruption.
    let status = if logger == Logger::Zap { EXIT_INTERRUPTED } else { EXIT_BAD_CONNECTION };
    (!off).then(|| Failure::new(status, error_text(&error.status)))
}

/// `--user name:password`, or `--user name --password password`. Without a password nobody logs in.
pub fn credentials(user: &str, password: &str) -> Option<Credentials> {
    let (name, password) = match (password, user.split_once(':')) {
        ("", Some((name, password))) => (name, password),
        (password, _) => (user, password),
    };
    let given = !name.is_empty() && !password.is_empty();
    given.then(|| Credentials { name: name.to_owned(), password: password.to_owned() })
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
pub fn variable(flag: &str) -> String {
    format!("ETCDCTL_{}", flag.to_uppercase().replace('-', "_"))
}

/// zap's default time: seconds since 1970 with a fraction.
pub fn epoch_time(now: SimTime) -> String {
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
    asks: &mut Asks,
) -> Result<(), Failure> {
    let given = parsed.clone();
    for (name, value) in context.environment.exported() {
        if !name.starts_with("ETCDCTL_") || name == "ETCDCTL_API" {
            continue;
        }
        let log = |level: &str, line: u32, message: &str, variable: &str| {
            format!(
                "{{\"level\":\"{level}\",\"ts\":{},\"caller\":\"flags/flag.go:{line}\",\"msg\":\"{message}\",\
                 \"environment-variable\":{}",
                epoch_time(now),
                json_string(variable),
            )
        };
        let watch = command.action == Action::Watch;
        match flags.iter().find(|flag| variable(flag.name) == name) {
            Some(flag) if given.is_set(flag.name) => {
                let message = "conflicting environment variable is shadowed by corresponding command-line flag \
                               (either unset environment variable or disable flag))";
                let trace = stack::of_conflict(command);
                let stderr = format!("{},\"stacktrace\":\"{trace}\"}}\n", log("fatal", 85, message, name));
                return Err(Failure { stderr, status: EXIT_ERROR });
            }
            Some(_) if value.is_empty() => {}
            // A value that does not fit is passed over in silence, as upstream does.
            Some(flag) => drop(parsed.set(flag, value)),
            None if watch && matches!(name, "ETCDCTL_WATCH_KEY" | "ETCDCTL_WATCH_RANGE_END") => {}
            None => {
                let shown = format!("{name}={value}");
                asks.push(Ask::Stderr(log("warn", 93, "unrecognized environment variable", &shown) + "}\n"));
            }
        }
    }
    Ok(())
}
