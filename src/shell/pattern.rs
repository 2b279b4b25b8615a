//! Patterns as `grep` takes them, basic and extended. Matching walks all ways at once, so that its work is bounded by the
//! pattern's length times the line's; beyond a bound it is given up.
//!
//! Our own and no library's: see decision 0005.

mod parse;
mod set;
#[cfg(test)]
mod tests;

use parse::{Node, TOO_BIG};
use set::Set;

/// A pattern, ready to be looked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    steps: Vec<Step>,
    ignore_case: bool,
}

/// How a pattern is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    Fixed,
    Basic,
    Extended,
}

/// Looking for a pattern in a line takes too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    One(Set),
    Edge(Edge),
    Jump(usize),
    /// Goes both ways.
    Split(usize, usize),
    Found,
}

/// What is asked of a place between two characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Edge {
    LineStart,
    LineEnd,
    /// `\b`, and `\B` if false.
    Word(bool),
    WordStart,
    WordEnd,
    NoWordBefore,
    NoWordAfter,
}

/// Longer programs are refused.
const STEPS_MAX: usize = 20_000;
/// How many parts of a pattern may go into its program, repeated ones again and again, empty ones included.
const PARTS_MAX: usize = 100_000;
/// How many steps may be looked at in one line: some tenths of a second.
const WORK_MAX: usize = 20_000_000;

impl Pattern {
    /// Each line of the text is a pattern, and what fits one of them fits.
    ///
    /// # Errors
    /// What is wrong with it, in grep's words.
    pub fn new(text: &str, syntax: Syntax, ignore_case: bool, whole_words: bool) -> Result<Pattern, String> {
        let lines = text.split('\n').map(|line| parse::parse(line, syntax));
        let mut node = Node::Either(lines.collect::<Result<_, String>>()?);
        if whole_words {
            node = Node::Row(vec![Node::Edge(Edge::NoWordBefore), node, Node::Edge(Edge::NoWordAfter)]);
        }
        let mut program = Program::default();
        program.emit(&node)?;
        program.steps.push(Step::Found);
        Ok(Pattern { steps: program.steps, ignore_case })
    }

    /// Whether it is anywhere in the line.
    pub fn is_in(&self, line: &str) -> Result<bool, Exhausted> {
        let line: Vec<char> = line.chars().collect();
        let mut walk = Walk::new(self, &line);
        for at in 0..=line.len() {
            walk.enter(0, at);
            if walk.found {
                return Ok(true);
            }
            walk.advance(at)?;
        }
        Ok(false)
    }

    /// Every place where it is, leftmost and longest, as text; empty ones are left out.
    pub fn all_in(&self, line: &str) -> Result<Vec<String>, Exhausted> {
        let line: Vec<char> = line.chars().collect();
        let mut walk = Walk::new(self, &line);
        let (mut found, mut at) = (Vec::new(), 0);
        while at < line.len() {
            let (mut end, mut here) = (at, at);
            walk.clear()?;
            walk.enter(0, at);
            loop {
                if walk.found {
                    end = here;
                }
                if walk.now.is_empty() {
                    break;
                }
                walk.advance(here)?;
                here += 1;
            }
            if end > at {
                found.push(line[at..end].iter().collect());
            }
            at = end.max(at + 1);
        }
        Ok(found)
    }
}

/// All ways through a pattern that a line allows so far.
struct Walk<'a> {
    pattern: &'a Pattern,
    line: &'a [char],
    /// Steps that wait for the next character, each once.
    now: Vec<usize>,
    seen: Vec<bool>,
    found: bool,
    work: usize,
}

impl<'a> Walk<'a> {
    fn new(pattern: &'a Pattern, line: &'a [char]) -> Walk<'a> {
        Walk { pattern, line, now: Vec::new(), seen: vec![false; pattern.steps.len()], found: false, work: 0 }
    }

    /// Forgets where it was, and reckons up.
    fn clear(&mut self) -> Result<(), Exhausted> {
        self.seen.fill(false);
        self.found = false;
        // A step is a byte here.
        self.work += 1 + self.seen.len() / 32;
        if self.work > WORK_MAX { Err(Exhausted) } else { Ok(()) }
    }

    /// Goes on from a step as far as it goes without a character.
    fn enter(&mut self, step: usize, at: usize) {
        let mut open = vec![step];
        while let Some(step) = open.pop() {
            if std::mem::replace(&mut self.seen[step], true) {
                continue;
            }
            match &self.pattern.steps[step] {
                Step::One(_) => self.now.push(step),
                Step::Edge(edge) if self.holds(*edge, at) => open.push(step + 1),
                Step::Edge(_) => {}
                Step::Jump(to) => open.push(*to),
                Step::Split(one, other) => open.extend([*other, *one]),
                Step::Found => self.found = true,
            }
        }
    }

    /// Takes the character at this place. At the line's end nothing waits any more.
    fn advance(&mut self, at: usize) -> Result<(), Exhausted> {
        let waiting = std::mem::take(&mut self.now);
        self.work += waiting.len();
        self.clear()?;
        let Some(c) = self.line.get(at).copied() else { return Ok(()) };
        for step in waiting {
            if let Step::One(set) = &self.pattern.steps[step]
                && set.contains(c, self.pattern.ignore_case)
            {
                self.enter(step + 1, at + 1);
            }
        }
        Ok(())
    }

    fn holds(&self, edge: Edge, at: usize) -> bool {
        let before = at.checked_sub(1).is_some_and(|at| set::is_word(self.line[at]));
        let after = self.line.get(at).copied().is_some_and(set::is_word);
        match edge {
            Edge::LineStart => at == 0,
            Edge::LineEnd => at == self.line.len(),
            Edge::Word(at_edge) => (before != after) == at_edge,
            Edge::WordStart => !before && after,
            Edge::WordEnd => before && !after,
            Edge::NoWordBefore => !before,
            Edge::NoWordAfter => !after,
        }
    }
}

#[derive(Default)]
struct Program {
    steps: Vec<Step>,
    parts: usize,
}

impl Program {
    fn emit(&mut self, node: &Node) -> Result<(), String> {
        self.parts += 1;
        if self.steps.len() > STEPS_MAX || self.parts > PARTS_MAX {
            return Err(TOO_BIG.to_owned());
        }
        match node {
            Node::One(set) => self.steps.push(Step::One(set.clone())),
            Node::Edge(edge) => self.steps.push(Step::Edge(*edge)),
            Node::Row(nodes) => nodes.iter().try_for_each(|node| self.emit(node))?,
            Node::Either(nodes) => self.emit_either(nodes)?,
            Node::Repeat(node, min, max) => self.emit_repeat(node, *min, *max)?,
        }
        Ok(())
    }

    fn emit_either(&mut self, nodes: &[Node]) -> Result<(), String> {
        let mut ends = Vec::new();
        for (position, node) in nodes.iter().enumerate() {
            let split = self.steps.len();
            let last = position + 1 == nodes.len();
            if !last {
                self.steps.push(Step::Split(split + 1, 0));
            }
            self.emit(node)?;
            if !last {
                ends.push(self.steps.len());
                self.steps.push(Step::Jump(0));
                self.steps[split] = Step::Split(split + 1, self.steps.len());
            }
        }
        let end = self.steps.len();
        ends.into_iter().for_each(|jump| self.steps[jump] = Step::Jump(end));
        Ok(())
    }

    fn emit_repeat(&mut self, node: &Node, min: u32, max: Option<u32>) -> Result<(), String> {
        for _ in 0..min {
            self.emit(node)?;
        }
        let mut splits = Vec::new();
        for _ in 0..max.map_or(1, |max| max - min) {
            splits.push(self.steps.len());
            self.steps.push(Step::Split(0, 0));
            self.emit(node)?;
        }
        if let (None, Some(split)) = (max, splits.last()) {
            self.steps.push(Step::Jump(*split));
        }
        let end = self.steps.len();
        splits.into_iter().for_each(|split| self.steps[split] = Step::Split(split + 1, end));
        Ok(())
    }
}
