//! `ETCDCTL_API=2`: the client of an API that members of etcd 3.5 do not serve unless they are told to. Every command
//! reaches a member, and is answered with something that is not what it expects.

use super::super::interpreter::Context;
use super::super::process::{Ask, Asks, Tell, Token, Via};
use super::client::authority;
use super::{EXIT_BAD_CONNECTION, EXIT_BAD_FEATURE, EXIT_ERROR, EXIT_INVALID_INPUT, Failure, Run, Step};
use crate::etcd::api::{Request, StatusRequest};
use crate::sim::Micros;

const COMMANDS: [&str; 16] = [
    "get",
    "ls",
    "set",
    "setdir",
    "mk",
    "mkdir",
    "rm",
    "rmdir",
    "update",
    "updatedir",
    "watch",
    "exec-watch",
    "member",
    "user",
    "role",
    "auth",
];
const ENDPOINTS: &str = "http://127.0.0.1:2379,http://127.0.0.1:4001";
/// How long it waits for a connection.
const TIMEOUT: Micros = Micros::from_secs(2);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    endpoints: Vec<String>,
}

pub fn start(arguments: &[String], context: &Context, asks: &mut Asks) -> Result<Run, Failure> {
    let mut endpoints = context.environment.value("ETCDCTL_ENDPOINTS").unwrap_or(ENDPOINTS).to_owned();
    let mut words = arguments.iter();
    let command = loop {
        match words.next().map(String::as_str) {
            Some("--endpoints" | "--endpoint") => endpoints = words.next().cloned().unwrap_or_default(),
            Some(word) if word.starts_with('-') => {
                if let Some(("--endpoints" | "--endpoint", given)) = word.split_once('=') {
                    endpoints = given.to_owned();
                }
            }
            word => break word,
        }
    };
    match command {
        Some(command) if COMMANDS.contains(&command) => {}
        Some(command) => {
            let stderr = format!("No help topic for '{command}'\n");
            return Err(Failure { stderr, status: EXIT_INVALID_INPUT });
        }
        None => return Err(Failure::new(EXIT_ERROR, "the help of the v2 API is not built into this lab")),
    }
    let endpoints: Vec<String> = endpoints.split(',').map(str::to_owned).collect();
    let via = Via { endpoints: endpoints.clone(), user: None };
    // Whether anybody listens is all that matters of the question.
    asks.push(Ask::Call { token: Token(0), via, request: Request::Status(StatusRequest {}), timeout: TIMEOUT });
    Ok(Run::V2(Box::new(Call { endpoints })))
}

impl Call {
    pub fn tell(&mut self, tell: Tell) -> Step {
        let Tell::Answer { result, .. } = tell else { return Ok(None) };
        if result.is_ok() {
            let stderr = "Error:  client: response is invalid json. The endpoint is probably not valid etcd cluster \
                          endpoint\n";
            return Err(Failure { stderr: stderr.to_owned(), status: EXIT_BAD_FEATURE });
        }
        let error = |(at, endpoint): (usize, &String)| {
            format!("error #{at}: dial tcp {}: connect: connection refused\n", authority(endpoint))
        };
        let errors: Vec<String> = self.endpoints.iter().enumerate().map(error).collect();
        let stderr = format!(
            "Error:  client: etcd cluster is unavailable or misconfigured; {}\n{}\n",
            errors.join("; "),
            errors.concat()
        );
        Err(Failure { stderr, status: EXIT_BAD_CONNECTION })
    }
}
