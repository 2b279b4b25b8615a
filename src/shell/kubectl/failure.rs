//! What goes wrong in kubectl, and how it is told.
//!
//! Upstream: `checkErr` and `StandardErrorMessage` of `k8s.io/kubectl/pkg/cmd/util`.

use serde_json::Value;

use super::run::{Answer, NoAnswer};
use crate::etcd::http::FetchError;
use crate::shell::printers::go::quote;

pub type Outcome<T> = Result<T, Stop>;

/// Why a command does not go on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stop {
    /// It waits for something.
    Pending,
    Failed(Failure),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The server refused.
    Api(Box<Refusal>),
    /// No answer came.
    Network {
        host: String,
        error: NoAnswer,
    },
    NoResource(NoResource),
    /// Anything else, without `error: ` before it.
    Text(String),
    /// A whole message, to be shown as it is.
    Said(String),
    Many(Vec<Failure>),
    /// Everything was said; only the exit code is left.
    Exit(i32),
}

/// A `Status` that came back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Refusal {
    pub code: u16,
    pub reason: String,
    pub message: String,
    pub details: Value,
}

/// A resource that the server does not have, as far as it was named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NoResource {
    pub resource: String,
    pub group: String,
    pub version: String,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}

/// An error that is only a text.
pub fn fail<T>(text: impl Into<String>) -> Outcome<T> {
    Err(Stop::Failed(Failure::Text(text.into())))
}

impl Refusal {
    /// What an answer that is no success says.
    pub fn of(answer: &Answer, verb: &str, resource: &str, name: &str) -> Refusal {
        let status = answer.json.as_deref().filter(|value| value["kind"] == "Status");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match status {
            Some(status) if status["status"] != "Success" => Refusal {
                code: answer.status,
                reason: text(&status["reason"]),
                message: text(&status["message"]),
                details: status["details"].clone(),
            },
            _ => Refusal::generic(answer, verb, resource, name),
        }
    }

    /// An answer that is no `Status`: upstream's `NewGenericServerResponse`.
    fn generic(answer: &Answer, verb: &str, resource: &str, name: &str) -> Refusal {
        let text = String::from_utf8_lossy(&answer.body).trim().to_owned();
        let (reason, mut message) = match answer.status {
            409 if verb == "post" => ("AlreadyExists", "the server reported a conflict".to_owned()),
            409 => ("Conflict", "the server reported a conflict".to_owned()),
            404 => ("NotFound", "the server could not find the requested resource".to_owned()),
            400 => ("BadRequest", "the server rejected our request for an unknown reason".to_owned()),
            401 => ("Unauthorized", "the server has asked for the client to provide credentials".to_owned()),
            403 => ("Forbidden", text.clone()),
            406 => ("NotAcceptable", text.clone()),
            415 => ("UnsupportedMediaType", text.clone()),
            405 => ("MethodNotAllowed", "the server does not allow this method on the requested resource".to_owned()),
            422 => ("Invalid", "the server rejected our request due to an error in our request".to_owned()),
            503 => {
                ("ServiceUnavailable", "the server is currently unable to handle the request".to_owned())
            }
            504 => ("Timeout", "the server was unable to return a response in the time allotted, but may still be processing the request".to_owned()),
            429 => ("TooManyRequests", "the server has received too many requests and has asked us to try again later".to_owned()),
            500.. => (
                "InternalError",
                format!("an error on the server ({}) has prevented the request from succeeding", quote(&text)),
            ),
            code => ("", format!("the server responded with the status code {code} but did not return more information")),
        };
        if matches!(answer.status, 403 | 406 | 415) && message.is_empty() {
            message = match answer.status {
                403 => "the server does not allow access to the requested resource",
                406 => "the server was unable to respond with a content type that the client supports",
                _ => "the server was unable to process the request because of its content type",
            }
            .to_owned();
        }
        let message = match (resource, name) {
            ("", _) => message,
            (resource, "") => format!("{message} ({verb} {resource})"),
            (resource, name) => format!("{message} ({verb} {resource} {name})"),
        };
        Refusal { code: answer.status, reason: reason.to_owned(), message, details: Value::Null }
    }

    pub fn is(&self, reason: &str) -> bool {
        self.reason == reason
    }

    fn causes(&self) -> Vec<String> {
        let causes = self.details["causes"].as_array().map(Vec::as_slice).unwrap_or_default();
        let cause = |cause: &Value| {
            let text = |name: &str| cause[name].as_str().unwrap_or_default();
            format!("{}: {}", text("field"), text("message"))
        };
        // The aggregate of errors drops what it has already.
        let mut causes: Vec<String> = causes.iter().map(cause).collect();
        let mut seen = std::collections::BTreeSet::new();
        causes.retain(|cause| seen.insert(cause.clone()));
        causes
    }

    /// `The Deployment "web" is invalid: …`
    fn invalid(&self) -> String {
        if self.details.is_null() {
            return format!("The request is invalid: {}", self.message);
        }
        let text = |name: &str| self.details[name].as_str().unwrap_or_default();
        let causes = self.causes();
        let head = match (text("kind"), text("name")) {
            ("", "") if !self.message.is_empty() && causes.is_empty() => {
                format!("The request is invalid: {}", self.message)
            }
            ("", "") => "The request is invalid".to_owned(),
            (kind, name) => format!("The {kind} {} is invalid", quote(name)),
        };
        match &causes[..] {
            [] => head,
            [one] => format!("{head}: {one}"),
            causes => {
                let lines: String = causes.iter().map(|cause| format!("* {cause}\n")).collect();
                format!("{head}: \n{lines}")
            }
        }
    }
}

impl Failure {
    pub fn api(&self) -> Option<&Refusal> {
        match self {
            Failure::Api(refusal) => Some(refusal),
            _ => None,
        }
    }

    pub fn is(&self, reason: &str) -> bool {
        self.api().is_some_and(|refusal| refusal.is(reason))
    }

    pub fn is_not_found(&self) -> bool {
        self.is("NotFound")
    }

    /// The error itself, as `err.Error()` has it.
    pub fn text(&self) -> String {
        match self {
            Failure::Api(refusal) => refusal.message.clone(),
            Failure::Network { host, error } => network(host, *error),
            Failure::NoResource(missing) => missing.text(),
            Failure::Text(text) | Failure::Said(text) => text.clone(),
            Failure::Many(list) => {
                let texts: Vec<String> = list.iter().map(Failure::text).collect();
                if texts.len() == 1 { texts[0].clone() } else { format!("[{}]", texts.join(", ")) }
            }
            Failure::Exit(code) => format!("exit status {code}"),
        }
    }

    /// The same with words before it: `error when creating "web.yaml": `.
    pub fn with(self, before: &str) -> Failure {
        match self {
            Failure::Api(refusal) => {
                let message = format!("{before}{}", refusal.message);
                Failure::Api(Box::new(Refusal { message, ..*refusal }))
            }
            Failure::Exit(code) => Failure::Exit(code),
            other => Failure::Text(format!("{before}{}", other.text())),
        }
    }

    /// As one of several.
    fn as_item(&self) -> String {
        self.standard().unwrap_or_else(|| self.text())
    }

    fn standard(&self) -> Option<String> {
        match self {
            Failure::Api(refusal) if refusal.is("Unauthorized") => {
                Some(format!("error: You must be logged in to the server ({})", refusal.message))
            }
            Failure::Api(refusal) if refusal.reason.is_empty() => {
                Some(format!("Error from server: {}", refusal.message))
            }
            Failure::Api(refusal) => Some(format!("Error from server ({}): {}", refusal.reason, refusal.message)),
            Failure::Network { host, error: NoAnswer::Failed(FetchError::Refused) } => Some(format!(
                "The connection to the server {host} was refused - did you specify the right host or port?"
            )),
            // What breaks off within an answer is no error of the connection's.
            Failure::Network { error: NoAnswer::Late { has_begun: true }, .. } => None,
            Failure::Network { host, error } => {
                Some(format!("Unable to connect to the server: {}", network(host, *error)))
            }
            Failure::Said(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// What is shown, and the exit code.
    pub fn show(&self) -> (String, i32) {
        let shown = match self {
            Failure::Many(list) if list.len() == 1 => return list[0].show(),
            Failure::Many(list) => list.iter().map(|failure| failure.as_item() + "\n").collect(),
            Failure::Exit(code) => return (String::new(), *code),
            Failure::Api(refusal) if refusal.is("Invalid") => refusal.invalid(),
            Failure::NoResource(missing) => format!("error: {}", missing.text()),
            other => other.standard().unwrap_or_else(|| {
                let text = other.text();
                if text.starts_with("error: ") { text } else { format!("error: {text}") }
            }),
        };
        let end = if shown.ends_with('\n') { "" } else { "\n" };
        (format!("{shown}{end}"), 1)
    }
}

impl NoResource {
    fn text(&self) -> String {
        let what = format!("the server doesn't have a resource type {}", quote(&self.resource));
        match (&self.group[..], &self.version[..]) {
            ("", "") => what,
            (group, "") => format!("{what} in group {}", quote(group)),
            ("", version) => format!("{what} in version {}", quote(version)),
            (group, version) => format!("{what} in group {} and version {}", quote(group), quote(version)),
        }
    }
}

fn network(host: &str, error: NoAnswer) -> String {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let error = match error {
        NoAnswer::Failed(error) => error,
        NoAnswer::Late { has_begun: false } => return "context deadline exceeded".to_owned(),
        NoAnswer::Late { has_begun: true } => {
            return "unexpected error when reading response body. Please retry. Original error: context deadline exceeded (Client.Timeout or context cancellation while reading body)".to_owned();
        }
    };
    match error {
        FetchError::NoSuchHost => format!("dial tcp: lookup {name}: no such host"),
        FetchError::Refused => format!("dial tcp {host}: connect: connection refused"),
        FetchError::ConnectTimedOut => format!("dial tcp {host}: connect: connection timed out"),
        FetchError::Reset => "EOF".to_owned(),
    }
}

/// One failure, several, or none.
pub fn all(failures: Vec<Failure>) -> Outcome<()> {
    match failures.len() {
        0 => Ok(()),
        1 => Err(Stop::Failed(failures.into_iter().next().unwrap_or(Failure::Exit(1)))),
        _ => Err(Stop::Failed(Failure::Many(failures))),
    }
}
