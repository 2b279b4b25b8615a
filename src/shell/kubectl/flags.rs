//! The words of a command line, taken apart.

use super::table::{self, Command};
use crate::shell::etcdctl::flags::{self, Flag, Parsed};
use crate::sim::Micros;

/// Flags and words of one command.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Args {
    command: &'static str,
    parsed: Parsed,
    /// As pflag found them.
    pub words: Vec<String>,
}

impl Args {
    pub fn read(command: &'static Command, arguments: &[String]) -> Result<Args, String> {
        let known: Vec<&Flag> = command.flags().chain(table::GLOBAL).collect();
        let parsed = flags::parse(arguments, &known)?;
        Ok(Args { command: command.path, words: parsed.positional.clone(), parsed })
    }

    /// The first word of the command: `rollout`.
    pub fn command(&self) -> &'static str {
        self.command.split(' ').next().unwrap_or_default()
    }

    pub fn path(&self) -> &'static str {
        self.command
    }

    pub fn is_set(&self, name: &str) -> bool {
        self.parsed.is_set(name)
    }

    /// The same for a flag of every command, unless the command has one of that name for itself.
    pub fn is_set_for_all(&self, name: &str) -> bool {
        let own = table::find(self.command).into_iter().flat_map(Command::flags).any(|flag| flag.name == name);
        !own && self.is_set(name)
    }

    fn flag(&self, name: &str) -> &'static Flag {
        let command = table::find(self.command).expect("a command that was found has a row");
        let mut flags = command.flags().chain(table::GLOBAL);
        flags.find(|flag| flag.name == name).unwrap_or(&ABSENT)
    }

    pub fn text(&self, name: &str) -> &str {
        self.parsed.value(self.flag(name))
    }

    pub fn bool(&self, name: &str) -> bool {
        flags::parse_bool(self.text(name)).unwrap_or_default()
    }

    pub fn int(&self, name: &str) -> i64 {
        flags::parse_int(self.text(name), 0).unwrap_or_default()
    }

    pub fn duration(&self, name: &str) -> Micros {
        flags::parse_duration(self.text(name)).unwrap_or(Micros(0))
    }

    /// What was given between commas, or each time.
    pub fn list(&self, name: &str) -> Vec<String> {
        let flag = self.flag(name);
        if flag.kind == flags::Kind::Texts {
            return self.parsed.values(name).to_vec();
        }
        match self.text(name) {
            "" => Vec::new(),
            text => text.split(',').map(str::to_owned).collect(),
        }
    }

    /// The words before `--` and those after it.
    pub fn split(&self) -> (&[String], &[String]) {
        self.words.split_at(self.parsed.before_dashes.unwrap_or(self.words.len()))
    }

    pub fn has_dashes(&self) -> bool {
        self.parsed.before_dashes.is_some()
    }

    /// `--dry-run`, read as upstream does.
    pub fn dry_run(&self) -> Result<DryRun, String> {
        match self.text("dry-run") {
            "" | "none" => Ok(DryRun::None),
            "client" => Ok(DryRun::Client),
            "server" => Ok(DryRun::Server),
            "unchanged" => Err("--dry-run flag without a value was specified. A value must be set: \"none\", \"server\", or \"client\".".to_owned()),
            other => Err(match flags::parse_bool(other) {
                Ok(_) => format!("Invalid dry-run value ({other}). Must be \"none\", \"server\", or \"client\"."),
                Err(_) => format!("Invalid dry-run value ({other}). Must be \"none\", \"server\", or \"client\"."),
            }),
        }
    }
}

/// For a flag that a command does not have.
static ABSENT: Flag = Flag::text("", "", "");

/// How much is only tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    None,
    Client,
    Server,
}
