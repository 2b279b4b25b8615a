//! Level 7: lessons as plain text. Folders of Markdown that anyone can write, check and host without compiling.
//!
//! ```text
//!   lesson.md ─ format ─> Lesson ─┬─ progress: which steps are done at the playhead      (the page)
//!      │        yaml, markdown,   └─ runner: start fails the goal, the solution reaches it (`lab lessons check`)
//!      │        script, cel                      │
//!   index.txt ─ catalog                          └─ goal: a CEL expression over facts of the lab
//! ```
//!
//! It is not a view: what it hands out is plain data, no HTML. Nothing that a lesson file holds can run code, hang the
//! page or end it: every size is bounded, every mistake is a [`Problem`] with its place and what was expected.

use std::fmt;

pub mod catalog;
pub mod facts;
pub mod format;
pub mod goal;
pub mod markdown;
pub mod progress;
pub mod runner;
pub mod script;
mod yaml;

pub use catalog::Catalog;
pub use format::{Lesson, Step};
pub use goal::Goal;
pub use markdown::{Block, Inline};
pub use progress::Progress;
#[cfg(not(target_arch = "wasm32"))]
pub use runner::check_folder;
pub use runner::{Report, check_lesson};

/// A mistake in a lesson: where it is, what is wrong and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub file: String,
    /// From 1; 0 where the mistake is the file as a whole.
    pub line: usize,
    /// From 1; 0 where only the line is known.
    pub column: usize,
    pub message: String,
}

impl fmt::Display for Problem {
    /// `file:line:column: message`, without what is not known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for place in [self.line, self.column].into_iter().take_while(|place| *place > 0) {
            write!(f, ":{place}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Where mistakes of one file are gathered. Beyond [`PROBLEMS_MAX`] more of them help nobody.
#[derive(Debug)]
pub(crate) struct Problems {
    file: String,
    list: Vec<Problem>,
}

const PROBLEMS_MAX: usize = 100;

impl Problems {
    pub fn new(file: &str) -> Problems {
        Problems { file: file.to_owned(), list: Vec::new() }
    }

    pub fn add(&mut self, line: usize, column: usize, message: impl Into<String>) {
        if self.list.len() < PROBLEMS_MAX {
            self.list.push(Problem { file: self.file.clone(), line, column, message: message.into() });
        }
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// In the order of the file.
    pub fn into_sorted(mut self) -> Vec<Problem> {
        self.list.sort_by_key(|problem| (problem.line, problem.column));
        self.list
    }
}
