//! The YAML of front matter and predictions: a tree whose every node knows its line.
//!
//! Not here: anchors, aliases, tags and several documents. A lesson has no use for them, and an alias is a way to make a
//! small file large.

use super::Problems;
use saphyr_parser::{Event, Parser};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// In the lesson file.
    pub line: usize,
    pub column: usize,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// Front matter is flat; this leaves room and bounds recursion.
const DEPTH_MAX: usize = 8;

/// A collection that is being read.
struct Open {
    line: usize,
    column: usize,
    is_map: bool,
    /// Items, or keys and values by turns.
    nodes: Vec<Node>,
}

/// Reads one document whose first line is line `first_line` of the file; `None` if it is empty or has a mistake.
pub(super) fn parse(text: &str, first_line: usize, problems: &mut Problems) -> Option<Node> {
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let mark = error.marker();
                problems.add(first_line + mark.line() - 1, mark.col() + 1, format!("not YAML: {}", error.info()));
                return None;
            }
        };
        let (line, column) = (first_line + span.start.line() - 1, span.start.col() + 1);
        let finished = match event {
            Event::Scalar(text, ..) => Node { line, column, kind: Kind::Text(text.into_owned()) },
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                if open.len() == DEPTH_MAX {
                    problems.add(line, column, format!("YAML nested deeper than {DEPTH_MAX} levels"));
                    return None;
                }
                open.push(Open { line, column, is_map: matches!(event, Event::MappingStart(..)), nodes: Vec::new() });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(done) => done.close(),
                None => continue,
            },
            Event::Alias(_) => {
                problems.add(line, column, "YAML aliases are not read; write the value out");
                return None;
            }
            _ => continue,
        };
        match open.last_mut() {
            Some(parent) => parent.nodes.push(finished),
            None => return Some(finished),
        }
    }
    None
}

impl Open {
    fn close(self) -> Node {
        let kind = if self.is_map {
            let mut pairs = Vec::with_capacity(self.nodes.len() / 2);
            let mut nodes = self.nodes.into_iter();
            while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
                pairs.push((key, value));
            }
            Kind::Map(pairs)
        } else {
            Kind::List(self.nodes)
        };
        Node { line: self.line, column: self.column, kind }
    }
}

impl Node {
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }
}
