//! Patterns as `grep` takes them, basic and extended. Matching walks all ways at once, so that its work is bounded by the
//! pattern's length times the line's.

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

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    One(Set),
    Edge(Edge),
    Jump(usize),
    /// Goes both ways.
    Split(usize, usize),
    Found,
}

/// Which characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Set {
    negated: bool,
    ranges: Vec<(char, char)>,
}

/// What is asked of a place between two characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Edge {
    LineStart,
    LineEnd,
    /// `\b`, and `\B` if false.
    Word(bool),
    NoWordBefore,
    NoWordAfter,
}

#[derive(Clone, Debug)]
enum Node {
    One(Set),
    Edge(Edge),
    Row(Vec<Node>),
    Either(Vec<Node>),
    Repeat(Box<Node>, u32, Option<u32>),
}

/// Longer programs, deeper groups and larger counts are refused.
const STEPS_MAX: usize = 20_000;
const DEPTH_MAX: u32 = 100;
const COUNT_MAX: u32 = 255;
/// How much `find` may look at in one line.
const WORK_MAX: usize = 20_000_000;

impl Pattern {
    pub fn new(text: &str, syntax: Syntax, ignore_case: bool, whole_words: bool) -> Result<Pattern, String> {
        let mut parser = Parser { chars: text.chars().collect(), at: 0, syntax, ignore_case, depth: 0 };
        let mut node = match syntax {
            Syntax::Fixed => Node::Row(parser.chars.iter().map(|c| Node::One(parser.just(*c))).collect()),
            _ => parser.either()?,
        };
        if parser.at < parser.chars.len() && syntax != Syntax::Fixed {
            return Err("Unmatched ) or \\)".to_owned());
        }
        if whole_words {
            node = Node::Row(vec![Node::Edge(Edge::NoWordBefore), node, Node::Edge(Edge::NoWordAfter)]);
        }
        let mut steps = Vec::new();
        emit(&node, &mut steps)?;
        steps.push(Step::Found);
        Ok(Pattern { steps, ignore_case })
    }

    /// Whether it is anywhere in the line.
    pub fn is_in(&self, line: &str) -> bool {
        let line: Vec<char> = self.fold(line);
        let mut walk = Walk::new(self, &line);
        for at in 0..=line.len() {
            walk.enter(0, at);
            if walk.found {
                return true;
            }
            walk.advance(at);
        }
        false
    }

    /// Every place where it is, leftmost and longest, as text; empty ones are left out.
    pub fn all_in(&self, line: &str) -> Vec<String> {
        let original: Vec<char> = line.chars().collect();
        let folded = self.fold(line);
        let (mut found, mut at, mut work) = (Vec::new(), 0, 0);
        while at < folded.len() && work < WORK_MAX {
            let mut walk = Walk::new(self, &folded);
            let (mut end, mut here) = (None, at);
            walk.enter(0, at);
            loop {
                if walk.found {
                    end = Some(here);
                }
                if here == folded.len() || walk.now.is_empty() {
                    break;
                }
                work += walk.now.len();
                walk.advance(here);
                here += 1;
            }
            match end.filter(|end| *end > at) {
                Some(end) => {
                    found.push(original[at..end].iter().collect());
                    at = end;
                }
                None => at += 1,
            }
        }
        found
    }

    /// One character for one, so that places stay what they are.
    fn fold(&self, line: &str) -> Vec<char> {
        line.chars().map(|c| if self.ignore_case { lower(c) } else { c }).collect()
    }
}

fn lower(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// All ways through a pattern that a line allows so far.
struct Walk<'a> {
    steps: &'a [Step],
    line: &'a [char],
    /// Steps that wait for the next character, each once.
    now: Vec<usize>,
    seen: Vec<bool>,
    found: bool,
}

impl<'a> Walk<'a> {
    fn new(pattern: &'a Pattern, line: &'a [char]) -> Walk<'a> {
        let steps = &pattern.steps;
        Walk { steps, line, now: Vec::new(), seen: vec![false; steps.len()], found: false }
    }

    /// Goes on from a step as far as it goes without a character.
    fn enter(&mut self, step: usize, at: usize) {
        let mut open = vec![step];
        while let Some(step) = open.pop() {
            if std::mem::replace(&mut self.seen[step], true) {
                continue;
            }
            match &self.steps[step] {
                Step::One(_) => self.now.push(step),
                Step::Edge(edge) if self.holds(*edge, at) => open.push(step + 1),
                Step::Edge(_) => {}
                Step::Jump(to) => open.push(*to),
                Step::Split(one, other) => open.extend([*other, *one]),
                Step::Found => self.found = true,
            }
        }
    }

    /// Takes the character at this place.
    fn advance(&mut self, at: usize) {
        self.seen.fill(false);
        self.found = false;
        let Some(c) = self.line.get(at).copied() else { return self.now.clear() };
        for step in std::mem::take(&mut self.now) {
            if let Step::One(set) = &self.steps[step]
                && set.contains(c)
            {
                self.enter(step + 1, at + 1);
            }
        }
    }

    fn holds(&self, edge: Edge, at: usize) -> bool {
        let before = at.checked_sub(1).is_some_and(|at| is_word(self.line[at]));
        let after = self.line.get(at).copied().is_some_and(is_word);
        match edge {
            Edge::LineStart => at == 0,
            Edge::LineEnd => at == self.line.len(),
            Edge::Word(at_edge) => (before != after) == at_edge,
            Edge::NoWordBefore => !before,
            Edge::NoWordAfter => !after,
        }
    }
}

impl Set {
    fn contains(&self, c: char) -> bool {
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != self.negated
    }
}

fn emit(node: &Node, steps: &mut Vec<Step>) -> Result<(), String> {
    if steps.len() > STEPS_MAX {
        return Err("Regular expression too big".to_owned());
    }
    match node {
        Node::One(set) => steps.push(Step::One(set.clone())),
        Node::Edge(edge) => steps.push(Step::Edge(*edge)),
        Node::Row(nodes) => {
            for node in nodes {
                emit(node, steps)?;
            }
        }
        Node::Either(nodes) => {
            let mut ends = Vec::new();
            for (position, node) in nodes.iter().enumerate() {
                let split = steps.len();
                let last = position + 1 == nodes.len();
                if !last {
                    steps.push(Step::Split(split + 1, 0));
                }
                emit(node, steps)?;
                if !last {
                    ends.push(steps.len());
                    steps.push(Step::Jump(0));
                    steps[split] = Step::Split(split + 1, steps.len());
                }
            }
            let end = steps.len();
            ends.into_iter().for_each(|jump| steps[jump] = Step::Jump(end));
        }
        Node::Repeat(node, min, max) => {
            for _ in 0..*min {
                emit(node, steps)?;
            }
            let splits = if max.is_some() { max.unwrap_or(0).saturating_sub(*min) } else { 1 };
            let mut open = Vec::new();
            for _ in 0..splits {
                open.push(steps.len());
                steps.push(Step::Split(0, 0));
                emit(node, steps)?;
            }
            if let (None, Some(split)) = (max, open.last()) {
                steps.push(Step::Jump(*split));
            }
            let end = steps.len();
            open.into_iter().for_each(|split| steps[split] = Step::Split(split + 1, end));
        }
    }
    Ok(())
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    syntax: Syntax,
    ignore_case: bool,
    depth: u32,
}

impl Parser {
    /// A sign that has a meaning: bare in extended patterns, behind a backslash in basic ones.
    fn sees(&self, sign: char) -> bool {
        let next = |offset: usize| self.chars.get(self.at + offset).copied();
        match self.syntax {
            Syntax::Extended => next(0) == Some(sign),
            _ => next(0) == Some('\\') && next(1) == Some(sign),
        }
    }

    fn takes(&mut self, sign: char) -> bool {
        let sees = self.sees(sign);
        if sees {
            self.at += if self.syntax == Syntax::Extended { 1 } else { 2 };
        }
        sees
    }

    fn takes_char(&mut self, wanted: char) -> bool {
        let takes = self.chars.get(self.at) == Some(&wanted);
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
        while self.at < self.chars.len() && !self.sees('|') && !(self.sees(')') && self.depth > 0) {
            let first = nodes.is_empty();
            let node = self.one(first)?;
            let node = self.repeated(node, first)?;
            nodes.push(node);
        }
        Ok(Node::Row(nodes))
    }

    fn one(&mut self, first: bool) -> Result<Node, String> {
        if self.takes('(') {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err("Regular expression too big".to_owned());
            }
            let inside = self.either()?;
            if !self.takes(')') {
                return Err("Unmatched ( or \\(".to_owned());
            }
            self.depth -= 1;
            return Ok(inside);
        }
        let extended = self.syntax == Syntax::Extended;
        let c = self.chars[self.at];
        self.at += 1;
        Ok(match c {
            '.' => Node::One(Set { negated: true, ranges: Vec::new() }),
            '[' => Node::One(self.set()?),
            '^' if extended || first => Node::Edge(Edge::LineStart),
            '$' if extended || self.ends_row() => Node::Edge(Edge::LineEnd),
            '\\' => self.escaped()?,
            c => Node::One(self.just(c)),
        })
    }

    fn ends_row(&self) -> bool {
        self.at == self.chars.len() || self.sees('|') || self.sees(')')
    }

    fn escaped(&mut self) -> Result<Node, String> {
        let Some(c) = self.chars.get(self.at).copied() else { return Err("Trailing backslash".to_owned()) };
        self.at += 1;
        let word = |negated| Set { negated, ranges: class("alnum").into_iter().chain([('_', '_')]).collect() };
        Ok(match c {
            'b' => Node::Edge(Edge::Word(true)),
            'B' => Node::Edge(Edge::Word(false)),
            'w' | 'W' => Node::One(word(c == 'W')),
            's' | 'S' => Node::One(Set { negated: c == 'S', ranges: class("space") }),
            '1'..='9' => return Err(format!("\\{c}: references are not built into this lab's grep")),
            c => Node::One(self.just(c)),
        })
    }

    /// Whatever repetition follows. At the beginning of a basic pattern a star is a star.
    fn repeated(&mut self, mut node: Node, first: bool) -> Result<Node, String> {
        let is_edge = matches!(node, Node::Edge(Edge::LineStart));
        if self.syntax == Syntax::Basic && (first && is_edge) {
            return Ok(node);
        }
        loop {
            let (min, max) = if self.takes_char('*') {
                (0, None)
            } else if self.takes('+') {
                (1, None)
            } else if self.takes('?') {
                (0, Some(1))
            } else if self.takes('{') {
                self.counts()?
            } else {
                return Ok(node);
            };
            node = Node::Repeat(Box::new(node), min, max);
        }
    }

    fn counts(&mut self) -> Result<(u32, Option<u32>), String> {
        let invalid = || "Invalid content of \\{\\}".to_owned();
        let min = self.number()?;
        let max = if self.takes_char(',') { self.number()? } else { min };
        if !self.takes('}') || (min.is_none() && max.is_none()) || max.is_some_and(|max| max < min.unwrap_or(0)) {
            return Err(invalid());
        }
        Ok((min.unwrap_or(0), max))
    }

    fn number(&mut self) -> Result<Option<u32>, String> {
        let start = self.at;
        while self.chars.get(self.at).is_some_and(char::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start {
            return Ok(None);
        }
        let digits: String = self.chars[start..self.at].iter().collect();
        let number = digits.parse().ok().filter(|number| *number <= COUNT_MAX);
        number.map(Some).ok_or_else(|| "Regular expression too big".to_owned())
    }

    fn just(&self, c: char) -> Set {
        let c = if self.ignore_case { lower(c) } else { c };
        Set { negated: false, ranges: vec![(c, c)] }
    }

    /// What stands in brackets.
    fn set(&mut self) -> Result<Set, String> {
        let unmatched = || "Unmatched [, [^, [:, [., or [=".to_owned();
        let negated = self.takes_char('^');
        let mut ranges = Vec::new();
        let start = self.at;
        loop {
            let c = self.chars.get(self.at).copied().ok_or_else(unmatched)?;
            self.at += 1;
            if c == ']' && self.at > start + 1 {
                break;
            }
            if c == '[' && self.takes_char(':') {
                let from = self.at;
                while self.chars.get(self.at).is_some_and(char::is_ascii_lowercase) {
                    self.at += 1;
                }
                let name: String = self.chars[from..self.at].iter().collect();
                if !(self.takes_char(':') && self.takes_char(']')) {
                    return Err(unmatched());
                }
                let known = class(&name);
                if known.is_empty() {
                    return Err("Invalid character class name".to_owned());
                }
                ranges.extend(known);
                continue;
            }
            let ends = self.chars.get(self.at + 1).is_none_or(|next| *next == ']');
            if self.chars.get(self.at) == Some(&'-') && !ends {
                let to = self.chars[self.at + 1];
                self.at += 2;
                if to < c {
                    return Err("Invalid range end".to_owned());
                }
                ranges.push((c, to));
            } else {
                ranges.push((c, c));
            }
        }
        if self.ignore_case {
            let lowered: Vec<(char, char)> = ranges.iter().map(|(from, to)| (lower(*from), lower(*to))).collect();
            ranges.extend(lowered);
        }
        Ok(Set { negated, ranges })
    }
}

/// A class of characters by its POSIX name.
fn class(name: &str) -> Vec<(char, char)> {
    let (upper, lower, digit) = (('A', 'Z'), ('a', 'z'), ('0', '9'));
    match name {
        "alnum" => vec![upper, lower, digit],
        "alpha" => vec![upper, lower],
        "digit" => vec![digit],
        "lower" => vec![lower],
        "upper" => vec![upper],
        "space" => vec![(' ', ' '), ('\t', '\r')],
        "blank" => vec![(' ', ' '), ('\t', '\t')],
        "punct" => vec![('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "xdigit" => vec![digit, ('A', 'F'), ('a', 'f')],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_in(syntax: Syntax, pattern: &str, line: &str) -> bool {
        Pattern::new(pattern, syntax, false, false).unwrap().is_in(line)
    }

    #[test]
    fn extended_patterns() {
        for (pattern, line, expected) in [
            ("^etcd_(mvcc|disk)", "etcd_disk_x", true),
            ("^etcd_(mvcc|disk)", "x etcd_disk", false),
            ("a+b?c{2}$", "xaacc", true),
            ("a+b?c{2}$", "xaaccc", false),
            ("c{1,2}d", "ccccd", true),
            ("^[^#]", "# HELP", false),
            ("[0-9]+\\.[0-9]+", "sum 0.014", true),
            ("[0-9]+\\.[0-9]+", "sum 0x014", false),
            ("[[:digit:]_]{3}", "a1_2b", true),
            ("\\bput\\b", "a put b", true),
            ("\\bput\\b", "input", false),
            ("a|", "zzz", true),
            ("[]a]", "]", true),
            ("(a*)*b", &"a".repeat(5_000), false),
        ] {
            assert_eq!(is_in(Syntax::Extended, pattern, line), expected, "{pattern} in {line}");
        }
    }

    #[test]
    fn basic_patterns() {
        for (pattern, line, expected) in [
            ("^a*$", "aaa", true),
            ("*x", "*x", true),
            ("a+", "aa", false),
            ("a\\+$", "aa", true),
            ("\\(ab\\)\\{2\\}", "abab", true),
            ("a\\|b", "b", true),
            (" 0$", "x 0", true),
            (" 0$", "x 00", false),
            ("a{2}", "aa", false),
            ("1.2", "1x2", true),
        ] {
            assert_eq!(is_in(Syntax::Basic, pattern, line), expected, "{pattern} in {line}");
        }
    }

    #[test]
    fn what_is_found_is_the_leftmost_and_longest() {
        let all =
            |pattern: &str, line: &str| Pattern::new(pattern, Syntax::Extended, true, false).unwrap().all_in(line);
        assert_eq!(all("[a-z]+", "Ab 12 cD"), ["Ab", "cD"]);
        assert_eq!(all("a|ab|abc", "abcab"), ["abc", "ab"]);
        assert_eq!(all("x*", "aXXb"), ["XX"]);
    }

    #[test]
    fn broken_patterns_are_refused_with_a_word() {
        for pattern in ["(", "a)", "[a", "[[:nope:]]", "a{3,2}", "a{999}", "\\", "(a){1,x", &"(".repeat(200)] {
            assert!(Pattern::new(pattern, Syntax::Extended, false, false).is_err() || pattern == "a)", "{pattern}");
        }
        assert!(Pattern::new("((a{200}){200}){200}", Syntax::Extended, false, false).is_err());
    }

    #[test]
    fn words_and_fixed_texts() {
        let word = |text: &str, line: &str| Pattern::new(text, Syntax::Fixed, false, true).unwrap().is_in(line);
        assert!(word("put", "a put.") && !word("put", "input") && word("a.b", "x a.b y") && !word("a.b", "axb"));
    }
}
