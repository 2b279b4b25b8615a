//! Reads patterns as GNU grep 3.8 reads them: what it takes for an operator where, and what it refuses with which words.
//!
//! Simplified: grep also warns of operators that it drops at the beginning of an expression, and of stray backslashes.

use super::set::{Class, Item, Set};
use super::{Edge, Syntax};

/// What a pattern says, as a tree.
#[derive(Clone, Debug)]
pub enum Node {
    One(Set),
    Edge(Edge),
    Row(Vec<Node>),
    Either(Vec<Node>),
    Repeat(Box<Node>, u32, Option<u32>),
}

/// Deeper groups are refused, and more repetitions of repetitions.
const DEPTH_MAX: u32 = 100;
/// POSIX's `RE_DUP_MAX`.
const COUNT_MAX: u32 = 32_767;
pub const TOO_BIG: &str = "Regular expression too big";
const UNMATCHED_BRACKET: &str = "Unmatched [, [^, [:, [., or [=";

pub fn parse(text: &str, syntax: Syntax) -> Result<Node, String> {
    let chars: Vec<char> = text.chars().collect();
    if syntax == Syntax::Fixed {
        return Ok(Node::Row(chars.into_iter().map(|c| Node::One(Set::just(c))).collect()));
    }
    let mut parser = Parser { chars, at: 0, extended: syntax == Syntax::Extended, depth: 0, groups: 0, repeats: 0 };
    let node = parser.either()?;
    // Only a basic pattern stops at a bracket that closes nothing.
    if parser.at < parser.chars.len() { Err("Unmatched ) or \\)".to_owned()) } else { Ok(node) }
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    extended: bool,
    depth: u32,
    /// Groups that were closed.
    groups: u32,
    /// Repetitions of what is a repetition itself.
    repeats: u32,
}

/// How often something is wanted.
type Counts = (u32, Option<u32>);

/// An anchor, behind which an operator has nothing to repeat.
fn is_beginning(node: &Node) -> bool {
    matches!(node, Node::Edge(edge) if *edge != Edge::LineEnd)
}

impl Parser {
    fn next(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    /// A sign that has a meaning: bare in extended patterns, behind a backslash in basic ones.
    fn sees(&self, sign: char) -> bool {
        match self.extended {
            true => self.next() == Some(sign),
            false => self.next() == Some('\\') && self.chars.get(self.at + 1) == Some(&sign),
        }
    }

    fn takes(&mut self, sign: char) -> bool {
        let sees = self.sees(sign);
        if sees {
            self.at += if self.extended { 1 } else { 2 };
        }
        sees
    }

    fn takes_char(&mut self, wanted: char) -> bool {
        let takes = self.next() == Some(wanted);
        self.at += usize::from(takes);
        takes
    }

    fn either(&mut self) -> Result<Node, String> {
        let mut choices = vec![self.row()?];
        while self.takes('|') {
            choices.push(self.row()?);
        }
        Ok(Node::Either(choices))
    }

    fn row(&mut self) -> Result<Node, String> {
        let mut nodes: Vec<Node> = Vec::new();
        while self.next().is_some() && !self.sees('|') && !self.ends_group() {
            // Here an operator has nothing to repeat.
            let begins = nodes.iter().all(is_beginning);
            if begins && self.extended && matches!(self.next(), Some('*' | '+' | '?' | '{')) {
                self.at += 1;
                continue;
            }
            let node = self.one(nodes.is_empty())?;
            nodes.push(self.repeated(node)?);
        }
        Ok(Node::Row(nodes))
    }

    /// In an extended pattern a bracket that closes nothing stands for itself.
    fn ends_group(&self) -> bool {
        self.sees(')') && (self.depth > 0 || !self.extended)
    }

    fn one(&mut self, first: bool) -> Result<Node, String> {
        if self.takes('(') {
            return self.group();
        }
        let c = self.chars[self.at];
        self.at += 1;
        Ok(match c {
            '.' => Node::One(Set { negated: true, items: Vec::new() }),
            '[' => Node::One(self.set()?),
            '^' if self.extended || first => Node::Edge(Edge::LineStart),
            '$' if self.extended || self.ends_row() => Node::Edge(Edge::LineEnd),
            '\\' => self.escaped()?,
            c => Node::One(Set::just(c)),
        })
    }

    fn group(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(TOO_BIG.to_owned());
        }
        let inside = self.either()?;
        if !self.takes(')') {
            return Err("Unmatched ( or \\(".to_owned());
        }
        self.depth -= 1;
        self.groups += 1;
        Ok(inside)
    }

    fn ends_row(&self) -> bool {
        self.next().is_none() || self.sees('|') || self.sees(')')
    }

    fn escaped(&mut self) -> Result<Node, String> {
        let c = self.next().ok_or("Trailing backslash")?;
        self.at += 1;
        let class = |class, negated| Node::One(Set { negated, items: vec![Item::Class(class)] });
        Ok(match c {
            'b' => Node::Edge(Edge::Word(true)),
            'B' => Node::Edge(Edge::Word(false)),
            '<' => Node::Edge(Edge::WordStart),
            '>' => Node::Edge(Edge::WordEnd),
            '`' => Node::Edge(Edge::LineStart),
            '\'' => Node::Edge(Edge::LineEnd),
            'w' | 'W' => class(Class::Word, c == 'W'),
            's' | 'S' => class(Class::Space, c == 'S'),
            '1'..='9' if c.to_digit(10) > Some(self.groups) => return Err("Invalid back reference".to_owned()),
            '1'..='9' => return Err(format!("\\{c}: references are not built into this lab's grep")),
            c => Node::One(Set::just(c)),
        })
    }

    /// Whatever repetitions follow.
    fn repeated(&mut self, mut node: Node) -> Result<Node, String> {
        if is_beginning(&node) {
            return Ok(node);
        }
        loop {
            let counts = if self.takes_char('*') {
                (0, None)
            } else if self.takes('+') {
                (1, None)
            } else if self.takes('?') {
                (0, Some(1))
            } else {
                match self.counts()? {
                    Some(counts) => counts,
                    None => return Ok(node),
                }
            };
            self.repeats += u32::from(matches!(node, Node::Repeat(..)));
            if self.repeats > DEPTH_MAX {
                return Err(TOO_BIG.to_owned());
            }
            node = Node::Repeat(Box::new(node), counts.0, counts.1);
        }
    }

    /// What stands in braces. In an extended pattern braces that hold something else stand for themselves.
    fn counts(&mut self) -> Result<Option<Counts>, String> {
        let start = self.at;
        if !self.takes('{') {
            return Ok(None);
        }
        let min = self.number();
        let has_comma = self.takes_char(',');
        let max = if has_comma { self.number() } else { min };
        if !self.takes('}') || (min.is_none() && !has_comma) {
            if self.extended {
                self.at = start;
                return Ok(None);
            }
            let is_closed = self.chars[start + 2..].windows(2).any(|pair| pair == ['\\', '}']);
            return Err(if is_closed { "Invalid content of \\{\\}" } else { "Unmatched \\{" }.to_owned());
        }
        let least = min.unwrap_or(0);
        match max {
            Some(max) if max < least => Err("Invalid content of \\{\\}".to_owned()),
            max if max.unwrap_or(least).max(least) > COUNT_MAX => Err(TOO_BIG.to_owned()),
            max => Ok(Some((least, max))),
        }
    }

    /// Digits, whose number is larger than any that is allowed if it is too large to tell.
    fn number(&mut self) -> Option<u32> {
        let mut number = None;
        while let Some(digit) = self.next().and_then(|c| c.to_digit(10)) {
            number = Some(number.unwrap_or(0_u32).saturating_mul(10).saturating_add(digit));
            self.at += 1;
        }
        number
    }

    /// What stands in brackets.
    fn set(&mut self) -> Result<Set, String> {
        let start = self.at;
        let negated = self.takes_char('^');
        let mut items = Vec::new();
        loop {
            let first = items.is_empty();
            match self.next().ok_or(UNMATCHED_BRACKET)? {
                ']' if !first => break,
                '[' if self.chars.get(self.at + 1) == Some(&':') => items.push(Item::Class(self.class()?)),
                _ => items.push(self.range()?),
            }
        }
        let inside = &self.chars[start..self.at];
        self.at += 1;
        if let [':', _, .., ':'] = inside {
            return Err("character class syntax is [[:space:]], not [:space:]".to_owned());
        }
        Ok(Set { negated, items })
    }

    fn class(&mut self) -> Result<Class, String> {
        let name = self.named(':')?;
        Class::named(&name).ok_or_else(|| "Invalid character class name".to_owned())
    }

    /// `[:name:]`, `[.name.]` or `[=name=]`.
    fn named(&mut self, sign: char) -> Result<String, String> {
        self.at += 2;
        let rest = &self.chars[self.at.min(self.chars.len())..];
        let length = rest.windows(2).position(|pair| pair == [sign, ']']).ok_or(UNMATCHED_BRACKET)?;
        let name = rest[..length].iter().collect();
        self.at += length + 2;
        Ok(name)
    }

    fn range(&mut self) -> Result<Item, String> {
        let from = self.end_of_range()?;
        let last = self.chars.get(self.at + 1).is_none_or(|next| *next == ']');
        if self.next() != Some('-') || last {
            return Ok(Item::Range(from, from));
        }
        self.at += 1;
        let to = self.end_of_range()?;
        if to < from { Err("Invalid range end".to_owned()) } else { Ok(Item::Range(from, to)) }
    }

    /// A character, perhaps in the form of a collating element or of an equivalence class.
    fn end_of_range(&mut self) -> Result<char, String> {
        let c = self.next().ok_or(UNMATCHED_BRACKET)?;
        match self.chars.get(self.at + 1) {
            Some(&sign @ ('.' | '=')) if c == '[' => {
                let name = self.named(sign)?;
                let mut chars = name.chars();
                match (chars.next(), chars.next()) {
                    (Some(only), None) => Ok(only),
                    _ => Err("Invalid collation character".to_owned()),
                }
            }
            _ => {
                self.at += 1;
                Ok(c)
            }
        }
    }
}
