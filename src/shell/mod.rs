//! Programs on the learner's simulated workstation, and the shell that runs them.
//!
//! A terminal is one [`Shell`] value: it is given a line, then told what happens, until it reports that nothing runs.
//! Programs are state machines ([`process`]): no socket, no clock, no thread, so a world with running programs in it can
//! be copied, rewound and replayed.
//!
//! ```text
//! line ─> grammar ─> interpreter ─> Process ─ Ask ─> workstation
//!                        ^              ^──── Tell ────┘
//! ```
//!
//! Not here: how a call reaches a member (the workstation), and what a terminal looks like (the page).

// What a program is, and what lies on its machine.
pub mod files;
pub mod line_diff;
pub mod process;
pub mod text;

// From a line to running programs.
pub mod grammar;

pub mod environment;
pub mod expansion;
pub mod interpreter;

// The programs.
mod binary;
mod file_programs;
mod programs;

pub mod curl;
pub mod etcdctl;
pub mod etcdutl;
pub mod filters;
pub mod kubectl;
pub mod lab_cmd;
mod pattern;
pub mod printers;

// The terminal's side of it.
pub mod completion;
pub mod line_editor;

pub use grammar::{List, SyntaxError, parse};
pub use interpreter::Shell;

/// What the workstation's programs know of the world before they ask: fixed when the terminal is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Machine {
    /// The workstation's own name.
    pub name: String,
    /// Every host of the world by its [`crate::sim::HostId`].
    pub hosts: Vec<String>,
    /// Those of them that run API servers.
    pub api_servers: Vec<String>,
    /// Client addresses of the members as `host:port`, for completion.
    pub endpoints: Vec<String>,
    /// Exported variables of a new shell.
    pub environment: Vec<(String, String)>,
}

impl Machine {
    pub fn host(&self, name: &str) -> Option<crate::sim::HostId> {
        self.hosts.iter().position(|host| host == name).map(|at| crate::sim::HostId(at as u16))
    }
}
