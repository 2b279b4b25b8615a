//! A question about a lab that a lesson asks: a CEL expression over [`Facts`](super::facts::Facts).

use super::Problems;
use super::facts::{Facts, NAMES};
use crate::cel::{self, Language, Mistake, Node, Value};
use crate::lab::Lab;
use crate::sim::SimTime;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goal {
    pub source: String,
    /// The line of the lesson file on which the expression begins.
    pub line: usize,
    tree: Arc<Node>,
}

/// The core of CEL, over facts.
pub const LANGUAGE: Language = Language { names: &NAMES, functions: &[], is_full: false };

/// What a goal says of a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it holds; or why that cannot be said.
    pub holds: Result<bool, String>,
    /// What it cost to find out, in steps.
    pub spent: u64,
}

impl Goal {
    /// Reads an expression that begins on this line and column of the file.
    pub(super) fn parse(source: &str, line: usize, column: usize, problems: &mut Problems) -> Option<Goal> {
        if source.trim().is_empty() {
            problems.add(line, 0, "an empty check; expected a CEL expression");
            return None;
        }
        match cel::parse(source, &LANGUAGE) {
            Ok(tree) => Some(Goal { source: source.trim_end().to_owned(), line, tree: Arc::new(tree) }),
            Err(mistake) => {
                let (down, right) = place(source, &mistake);
                problems.add(line + down, if down == 0 { column + right } else { right + 1 }, mistake.message);
                None
            }
        }
    }

    /// Whether it holds in this lab, for a step that began at `since`.
    pub fn judge(&self, lab: &Lab, since: SimTime) -> Verdict {
        let facts = Facts::new(lab, since);
        let outcome = cel::eval(&self.tree, &facts);
        let holds = match outcome.result {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(format!("expected true or false, found {}", other.kind())),
            Err(mistake) => {
                let (down, right) = place(&self.source, &mistake);
                Err(format!("{} (line {}, column {} of the check)", mistake.message, down + 1, right + 1))
            }
        };
        Verdict { holds, spent: outcome.spent }
    }

    pub fn holds(&self, lab: &Lab, since: SimTime) -> bool {
        self.judge(lab, since).holds == Ok(true)
    }
}

/// Lines and bytes from the beginning of the source.
fn place(source: &str, mistake: &Mistake) -> (usize, usize) {
    let before = &source[..mistake.at];
    (before.matches('\n').count(), before.len() - before.rfind('\n').map_or(0, |at| at + 1))
}
