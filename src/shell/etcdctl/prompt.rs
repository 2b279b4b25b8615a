//! Passwords that are typed.

use super::super::process::Asks;
use super::{EXIT_BAD_ARGS, Failure};

/// Input that is read of a password at most.
const BYTES_MAX: usize = 64 * 1024;

/// What the password is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// `--user name`
    Login,
    UserAdd {
        name: String,
    },
    UserPasswd {
        name: String,
    },
}

/// A question for a password, asked twice for a new one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prompt {
    pub purpose: Purpose,
    /// Asks aloud; otherwise a word is read from standard input in silence.
    interactive: bool,
    partial: String,
    first: Option<String>,
}

impl Prompt {
    pub fn new(purpose: Purpose, interactive: bool) -> Prompt {
        Prompt { purpose, interactive, partial: String::new(), first: None }
    }

    pub fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// Asks the first question.
    pub fn ask(&self, asks: &mut Asks) {
        if self.interactive {
            asks.print(match (&self.purpose, &self.first) {
                (Purpose::Login, _) => "Password: ".to_owned(),
                (Purpose::UserAdd { name } | Purpose::UserPasswd { name }, None) => format!("Password of {name}: "),
                (Purpose::UserAdd { name } | Purpose::UserPasswd { name }, Some(_)) => {
                    format!("Type password of {name} again for confirmation: ")
                }
            });
        }
    }

    /// The password, and what was typed after it, once it is there.
    pub fn typed(&mut self, chunk: &str, asks: &mut Asks) -> Result<Option<(String, String)>, Failure> {
        if self.partial.len() + chunk.len() > BYTES_MAX {
            return Err(Failure::new(EXIT_BAD_ARGS, "failed to ask password: it is too long"));
        }
        self.partial.push_str(chunk);
        while let Some((line, rest)) = self.partial.split_once('\n') {
            let (line, rest) = (line.trim_end_matches('\r').to_owned(), rest.to_owned());
            self.partial = rest;
            if let Some(password) = self.line(line, asks)? {
                return Ok(Some((password, std::mem::take(&mut self.partial))));
            }
        }
        Ok(None)
    }

    /// There is no more input: what there was must do.
    pub fn closed(&mut self, asks: &mut Asks) -> Result<Option<String>, Failure> {
        let line = std::mem::take(&mut self.partial);
        match self.line(line, asks)? {
            // Nothing can follow the first answer.
            None => self.line(String::new(), asks),
            password => Ok(password),
        }
    }

    fn line(&mut self, line: String, asks: &mut Asks) -> Result<Option<String>, Failure> {
        if !self.interactive {
            // `Scanf("%s")` reads one word.
            return Ok(Some(line.split_whitespace().next().unwrap_or_default().to_owned()));
        }
        asks.print("\n");
        let bad = |message: &str| Err(Failure::new(EXIT_BAD_ARGS, message));
        match (&self.purpose, self.first.take()) {
            (Purpose::Login, _) => Ok(Some(line)),
            (_, None) if line.is_empty() => bad("empty password"),
            (_, None) => {
                self.first = Some(line);
                self.ask(asks);
                Ok(None)
            }
            (_, Some(first)) if first == line => Ok(Some(line)),
            (_, Some(_)) => bad("given passwords are different"),
        }
    }
}
