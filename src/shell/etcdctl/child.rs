//! A command that etcdctl runs: of `watch … -- command` and of `lock name command`.

use super::super::interpreter::Context;
use super::super::printers::go::quote;
use super::super::process::{Ask, Asks, Program, Tell, Token};
use super::super::programs::Process;
use crate::sim::SimTime;

/// Tokens from here on belong to commands that are run.
const TOKENS: u32 = 1 << 16;
/// Commands after which tokens are used again; long after any answer to the first.
const ROUNDS: u32 = 1_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Child {
    process: Box<Process>,
    base: u32,
}

impl Child {
    /// Starts the command `argv`. `number` tells it from those before it, whose answers must not reach this one.
    ///
    /// # Errors
    /// Why it cannot be started, as Go's `os/exec` says it.
    pub fn spawn(argv: &[String], context: &Context, number: u32) -> Result<Child, String> {
        let process = Process::spawn(argv, context).map_err(|(message, status)| match status {
            127 => format!("exec: {}: executable file not found in $PATH", quote(&argv[0])),
            _ => message,
        })?;
        Ok(Child { process: Box::new(process), base: TOKENS * (1 + number % ROUNDS) })
    }

    /// Its first moments; its exit status if it is done.
    pub fn start(&mut self, now: SimTime, asks: &mut Asks) -> Option<i32> {
        let ended = self.tell(now, Tell::Start, asks);
        ended.or_else(|| self.tell(now, Tell::StdinClosed, asks))
    }

    /// Whether an answer is one to a command that is run, now or earlier.
    pub fn owns(token: Token) -> bool {
        token.0 >= TOKENS && token.0 < TOKENS * (1 + ROUNDS)
    }

    /// Tells it something; its exit status if it is done.
    pub fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> Option<i32> {
        let tell = match tell.token() {
            None => tell,
            Some(token) => {
                let own = token.0.checked_sub(self.base).filter(|own| *own < TOKENS)?;
                tell.under(Token(own))
            }
        };
        let mut wants = asks.inner();
        self.process.tell(now, tell, &mut wants);
        for want in wants.into_list() {
            if let Ask::Exit(status) = want {
                return Some(status);
            }
            asks.push(match want.token() {
                None => want,
                Some(token) => want.under(Token(self.base + token.0 % TOKENS)),
            });
        }
        None
    }
}
