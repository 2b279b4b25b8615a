//! kubectl's JSONPath: text with expressions in braces, `{range .items[*]}{.metadata.name}{"\n"}{end}`.
//!
//! Upstream: `k8s.io/client-go/util/jsonpath`. Errors are its own where people meet them.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use crate::k8s::json;

/// What a walk may find in all: a template over a large list must not fill the memory.
const FOUND_MAX: usize = 2_000_000;
/// Braces, filters and ranges in each other.
const DEPTH_MAX: usize = 50;

#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Text(String),
    /// The steps of one expression.
    Path(Vec<Step>),
    Range(Vec<Step>, Vec<Node>),
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    /// From, to, by; only the first for a single index.
    Index([Option<i64>; 3], bool),
    Filter(Vec<Step>, Compare, Vec<Step>),
    Union(Vec<Vec<Step>>),
    Wildcard,
    Recursive,
    Constant(Value),
    /// `$` and `@`.
    Here,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Compare {
    Exists,
    Equal,
    Differs,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl JsonPath {
    /// As `-o jsonpath=` takes it: a key that is missing is nothing.
    pub fn parse(text: &str) -> Result<JsonPath, String> {
        let mut parser = Parser { rest: text, depth: 0 };
        let nodes = parser.nodes(false)?;
        Ok(JsonPath { nodes })
    }

    /// A single expression, with or without braces and the first dot.
    pub fn relaxed(text: &str) -> Result<JsonPath, String> {
        if text.is_empty() {
            return JsonPath::parse(text);
        }
        let inner = match text.strip_prefix('{') {
            Some(rest) => rest.strip_suffix('}'),
            None => Some(text).filter(|text| !text.ends_with('}')),
        };
        let inner = inner.map(|inner| inner.strip_prefix('.').unwrap_or(inner)).filter(|inner| !inner.is_empty());
        let unexpected = || {
            "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'"
                .to_owned()
        };
        let inner = inner.ok_or_else(unexpected)?;
        JsonPath::parse(&format!("{{.{inner}}}"))
    }

    /// Everything found, expression by expression.
    pub fn find<'v>(&self, value: &'v Value) -> Result<Vec<Vec<Found<'v>>>, String> {
        let mut walk = Walk { left: FOUND_MAX };
        let mut results = Vec::new();
        walk.nodes(&self.nodes, value, &mut results)?;
        Ok(results)
    }

    /// The first thing that an expression finds.
    pub fn first<'v>(&self, value: &'v Value) -> Option<Found<'v>> {
        self.find(value).ok()?.into_iter().flatten().next()
    }

    pub fn show(&self, value: &Value, as_json: bool) -> Result<String, String> {
        let failed = |error: String| {
            let shown = json::to_string(value);
            format!(
                "error executing jsonpath: {error}. Printing more information for debugging the template:\n\ttemplate was:\n\t\t{{…}}\n\tobject given to jsonpath engine was:\n\t\t{shown}\n"
            )
        };
        let results = self.find(value).map_err(failed)?;
        if as_json {
            let found: Vec<Value> = results.into_iter().flatten().map(|found| found.value().clone()).collect();
            return Ok(json::to_string_pretty(&Value::Array(found)) + "\n");
        }
        let texts = results.iter().map(|found| {
            let texts: Vec<String> = found.iter().map(|found| shown(found.value())).collect();
            texts.join(" ")
        });
        Ok(texts.collect())
    }
}

/// A value of the object, or one that stands in the template.
#[derive(Clone, Debug, PartialEq)]
pub enum Found<'v> {
    In(&'v Value),
    Own(Value),
}

impl Found<'_> {
    pub fn value(&self) -> &Value {
        match self {
            Found::In(value) => value,
            Found::Own(value) => value,
        }
    }
}

/// A value as templates print it.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(_) | Value::Object(_) => json::to_string(value),
        other => json::to_string(other),
    }
}

struct Walk {
    left: usize,
}

impl Walk {
    fn nodes<'v>(&mut self, nodes: &[Node], value: &'v Value, out: &mut Vec<Vec<Found<'v>>>) -> Result<(), String> {
        for node in nodes {
            match node {
                Node::Text(text) => out.push(vec![Found::Own(text.as_str().into())]),
                Node::Path(steps) => {
                    let found = self.steps(steps, vec![Found::In(value)])?;
                    out.push(found);
                }
                Node::Range(steps, body) => {
                    for found in self.steps(steps, vec![Found::In(value)])? {
                        match found {
                            Found::In(value) => self.nodes(body, value, out)?,
                            Found::Own(_) => {}
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn steps<'v>(&mut self, steps: &[Step], mut found: Vec<Found<'v>>) -> Result<Vec<Found<'v>>, String> {
        for step in steps {
            found = self.step(step, found)?;
            self.left = self
                .left
                .checked_sub(found.len())
                .ok_or_else(|| "more was found than this lab's kubectl holds".to_owned())?;
        }
        Ok(found)
    }

    fn step<'v>(&mut self, step: &Step, found: Vec<Found<'v>>) -> Result<Vec<Found<'v>>, String> {
        let mut out = Vec::new();
        let all = |found: Vec<Found<'v>>| {
            found.into_iter().filter_map(|found| match found {
                Found::In(value) => Some(value),
                Found::Own(_) => None,
            })
        };
        match step {
            Step::Here => return Ok(found),
            Step::Constant(value) => return Ok(vec![Found::Own(value.clone())]),
            Step::Field(name) => {
                out.extend(all(found).filter_map(|value| value.get(name)).map(Found::In));
            }
            Step::Index(params, is_slice) => {
                for value in all(found) {
                    let Value::Array(items) = value else {
                        if value.is_null() {
                            continue;
                        }
                        return Err("is not array or slice".to_owned());
                    };
                    out.extend(self.slice(items, params, *is_slice)?.into_iter().map(Found::In));
                }
            }
            Step::Wildcard => {
                for value in all(found) {
                    out.extend(children(value).into_iter().map(Found::In));
                }
            }
            Step::Recursive => {
                for value in all(found) {
                    self.descend(value, &mut out)?;
                }
            }
            Step::Union(paths) => {
                for value in all(found) {
                    for path in paths {
                        out.extend(self.steps(path, vec![Found::In(value)])?);
                    }
                }
            }
            Step::Filter(left, compare, right) => {
                for value in all(found) {
                    let Value::Array(items) = value else {
                        if value.is_null() {
                            continue;
                        }
                        return Err(format!("{} is not array or slice and cannot be filtered", json::to_string(value)));
                    };
                    for item in items {
                        if self.filter(item, left, *compare, right)? {
                            out.push(Found::In(item));
                        }
                    }
                }
            }
        }
        Ok(out)
    }

    fn slice<'v>(
        &self,
        items: &'v [Value],
        params: &[Option<i64>; 3],
        is_slice: bool,
    ) -> Result<Vec<&'v Value>, String> {
        let length = items.len() as i64;
        let from_end = |at: i64| if at < 0 { at + length } else { at };
        let from = from_end(params[0].unwrap_or(0));
        let to = if is_slice { from_end(params[1].unwrap_or(length)) } else { from + 1 };
        if !is_slice && (from < 0 || from >= length) {
            return Err(format!("array index out of bounds: index {from}, length {length}"));
        }
        if from < 0 || from > length || to < 0 {
            return Err(format!("array index out of bounds: index {from}, length {length}"));
        }
        let by = params[2].unwrap_or(1).max(1) as usize;
        let to = to.min(length);
        if from >= to {
            return Ok(Vec::new());
        }
        Ok(items[from as usize..to as usize].iter().step_by(by).collect())
    }

    fn descend<'v>(&mut self, value: &'v Value, out: &mut Vec<Found<'v>>) -> Result<(), String> {
        // A JSON text was read, so its depth is bounded.
        self.left =
            self.left.checked_sub(1).ok_or_else(|| "more was found than this lab's kubectl holds".to_owned())?;
        out.push(Found::In(value));
        children(value).into_iter().try_for_each(|child| self.descend(child, out))
    }

    fn filter(&mut self, item: &Value, left: &[Step], compare: Compare, right: &[Step]) -> Result<bool, String> {
        let found = self.steps(left, vec![Found::In(item)]);
        let other = self.steps(right, vec![Found::In(item)]);
        let (found, other) = (found?, other?);
        let Some(value) = found.first() else { return Ok(false) };
        if compare == Compare::Exists {
            return Ok(true);
        }
        let Some(other) = other.first() else { return Ok(false) };
        if found.len() > 1 {
            return Err("can only compare one element at a time".to_owned());
        }
        let ordering = order(value.value(), other.value());
        if compare == Compare::Differs {
            return Ok(ordering != Some(Ordering::Equal));
        }
        let ordering = ordering.ok_or("incompatible types for comparison")?;
        Ok(match compare {
            Compare::Equal => ordering.is_eq(),
            Compare::Less => ordering.is_lt(),
            Compare::LessOrEqual => ordering.is_le(),
            Compare::Greater => ordering.is_gt(),
            Compare::GreaterOrEqual => ordering.is_ge(),
            Compare::Exists | Compare::Differs => true,
        })
    }
}

/// The order of two values of one type; nothing if they cannot be compared.
pub fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => order_numbers(a, b),
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        _ => None,
    }
}

fn order_numbers(a: &Number, b: &Number) -> Option<Ordering> {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        // Simplified: a fraction on either side makes both a Go float64, as upstream has them.
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        // Go walks a map in the order of chance; sorted keys are one of the ways.
        Value::Object(map) => {
            let mut pairs: Vec<(&String, &Value)> = map.iter().collect();
            pairs.sort_by_key(|(key, _)| *key);
            pairs.into_iter().map(|(_, value)| value).collect()
        }
        _ => Vec::new(),
    }
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn nodes(&mut self, in_range: bool) -> Result<Vec<Node>, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("ranges are nested too deep".to_owned());
        }
        let mut nodes = Vec::new();
        loop {
            let (before, action) = self.rest.split_once('{').unwrap_or((self.rest, ""));
            if !before.is_empty() {
                nodes.push(Node::Text(before.to_owned()));
            }
            let is_last = before.len() == self.rest.len();
            self.rest = action;
            if is_last {
                break;
            }
            self.skip_blanks();
            let word: &str = &self.rest[..self.rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(self.rest.len())];
            match word {
                "range" => {
                    self.rest = &self.rest[word.len()..];
                    let steps = self.action()?;
                    nodes.push(Node::Range(steps, self.nodes(true)?));
                }
                "end" if in_range => {
                    self.rest = &self.rest[word.len()..];
                    self.action()?;
                    self.depth -= 1;
                    return Ok(nodes);
                }
                "end" => return Err("not in range, nothing to end".to_owned()),
                _ => nodes.push(Node::Path(self.action()?)),
            }
        }
        self.depth -= 1;
        // Upstream lets a range go to the end of the template.
        Ok(nodes)
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    /// The steps up to the closing brace.
    fn action(&mut self) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        loop {
            self.skip_blanks();
            let Some(first) = self.rest.chars().next() else { return Err("unclosed action".to_owned()) };
            let after = &self.rest[first.len_utf8()..];
            match first {
                '}' => {
                    self.rest = after;
                    return Ok(steps);
                }
                '\n' | '\r' => return Err("unclosed action".to_owned()),
                '@' | '$' => {
                    self.rest = after;
                    steps.push(Step::Here);
                }
                '[' if after.starts_with("?(") => steps.push(self.filter()?),
                '[' => steps.push(self.array()?),
                '"' | '\'' => steps.push(Step::Constant(self.quoted(first)?.into())),
                '.' if after.starts_with('.') => {
                    // The second dot begins a field, unless an index follows.
                    self.rest = if after[1..].starts_with('[') { &after[1..] } else { after };
                    steps.push(Step::Recursive);
                }
                '.' => {
                    self.rest = after;
                    steps.extend(self.field());
                }
                '+' | '-' | '0'..='9' => steps.push(Step::Constant(self.number()?)),
                first if first.is_alphanumeric() || first == '_' => {
                    let end = self.rest.find(is_end).unwrap_or(self.rest.len());
                    let word = &self.rest[..end];
                    self.rest = &self.rest[end..];
                    match word {
                        "true" | "false" => steps.push(Step::Constant((word == "true").into())),
                        _ => return Err(format!("unrecognized identifier {word}")),
                    }
                }
                other => return Err(format!("unrecognized character in action: {}", go_char(other))),
            }
        }
    }

    fn field(&mut self) -> Option<Step> {
        let mut name = String::new();
        let mut chars = self.rest.char_indices();
        let mut end = self.rest.len();
        while let Some((at, c)) = chars.next() {
            if c == '\\' {
                name.extend(chars.next().map(|(_, c)| c));
            } else if is_end(c) {
                end = at;
                break;
            } else {
                name.push(c);
            }
        }
        self.rest = &self.rest[end..];
        match name.as_str() {
            "" => None,
            "*" => Some(Step::Wildcard),
            _ => Some(Step::Field(name)),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.next().map(|(_, c)| c) {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some(c) => text.push(c),
                    None => break,
                },
                c if c == quote => {
                    self.rest = &self.rest[at + c.len_utf8()..];
                    return Ok(text);
                }
                c => text.push(c),
            }
        }
        Err("unterminated quoted string".to_owned())
    }

    fn number(&mut self) -> Result<Value, String> {
        let is_part = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let text = &self.rest[..end];
        self.rest = &self.rest[end..];
        let whole = text.parse::<i64>().ok().map(Value::from);
        let fraction = || text.parse::<f64>().ok().map(Value::from);
        whole.or_else(fraction).ok_or_else(|| format!("cannot parse number {text}"))
    }

    /// What stands between brackets, quotes heeded, without them.
    fn bracketed(&mut self, close: &str) -> Result<&'t str, String> {
        let mut quote = None;
        for (at, c) in self.rest.char_indices().skip(1) {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') => quote = Some(c),
                (None, _) if self.rest[at..].starts_with(close) => {
                    let inside = &self.rest[1..at];
                    self.rest = &self.rest[at + close.len()..];
                    return Ok(inside);
                }
                _ => {}
            }
        }
        Err(if close == "]" { "unterminated array" } else { "unterminated filter" }.to_owned())
    }

    fn array(&mut self) -> Result<Step, String> {
        let inside = self.bracketed("]")?;
        let parts: Vec<&str> = inside.split(',').collect();
        if parts.len() > 1 {
            let one = |part: &&str| index(part.trim()).map(|step| vec![step]);
            return Ok(Step::Union(parts.iter().map(one).collect::<Result<_, _>>()?));
        }
        index(inside)
    }

    fn filter(&mut self) -> Result<Step, String> {
        // `[?(…)]`
        self.rest = &self.rest[2..];
        let inside = self.bracketed(")]")?;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("filters are nested too deep".to_owned());
        }
        let depth = self.depth;
        let side = |text: &str| {
            let text = format!("{}}}", text.trim());
            Parser { rest: &text, depth }.action()
        };
        let is_operator = |c: char| matches!(c, '!' | '<' | '>' | '=');
        let at = unquoted(inside, is_operator);
        let step = match at {
            None => Step::Filter(side(inside)?, Compare::Exists, Vec::new()),
            Some(at) => {
                let end = inside[at..].find(|c| !is_operator(c)).map_or(inside.len(), |length| at + length);
                let compare = match &inside[at..end] {
                    "==" => Compare::Equal,
                    "!=" => Compare::Differs,
                    "<" => Compare::Less,
                    ">" => Compare::Greater,
                    "<=" => Compare::LessOrEqual,
                    ">=" => Compare::GreaterOrEqual,
                    other => return Err(format!("unrecognized filter operator {other}")),
                };
                Step::Filter(side(&inside[..at])?, compare, side(&inside[end..])?)
            }
        };
        self.depth -= 1;
        Ok(step)
    }
}

fn unquoted(text: &str, wanted: impl Fn(char) -> bool) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, c) if wanted(c) => return Some(at),
            _ => {}
        }
    }
    None
}

fn index(inside: &str) -> Result<Step, String> {
    if let Some(name) = inside.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return Ok(Step::Field(name.replace('\\', "")));
    }
    if inside == "*" {
        return Ok(Step::Index([None; 3], true));
    }
    let invalid = || format!("invalid array index {inside}");
    let parts: Vec<&str> = inside.split(':').collect();
    let mut params = [None; 3];
    if parts.len() > params.len() || (parts.len() == 1 && parts[0].is_empty()) {
        return Err(invalid());
    }
    for (param, part) in params.iter_mut().zip(&parts) {
        if !part.is_empty() {
            *param = Some(part.parse().map_err(|_| invalid())?);
        }
    }
    Ok(Step::Index(params, parts.len() > 1))
}

fn is_end(c: char) -> bool {
    matches!(c, '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}' | ' ' | '\t' | '\n' | '\r')
}

fn go_char(c: char) -> String {
    format!("U+{:04X} '{c}'", u32::from(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(template: &str, expect: &str) {
        let object = json!({"items": [
            {"name": "a", "n": 1, "labels": {"x.y/z": "1"}, "list": [1, 2, 3]},
            {"name": "b", "n": 2, "ready": true},
        ], "kind": "List"});
        let shown = JsonPath::parse(template).and_then(|path| path.show(&object, false));
        assert_eq!(shown.unwrap_or_else(|error| error), expect);
    }

    #[test]
    fn the_dialect_of_kubectl() {
        check("{.items[*].name}", "a b");
        check("{.kind}: {.items[0].name}", "List: a");
        check("{range .items[*]}{.name}{\"\\t\"}{.n}{\"\\n\"}{end}.", "a\t1\nb\t2\n.");
        check("{.items[?(@.name==\"b\")].n}", "2");
        check("{.items[?(@.n>1)].name}", "b");
        check("{.items[?(@.ready)].name}", "b");
        check("{.items[0].labels.x\\.y/z}", "1");
        check("{.items[0].labels['x\\.y/z']}", "1");
        check("{.items[-1].name}", "b");
        check("{.items[0].list[0:2]}", "1 2");
        check("{.items[0].list[0,2]}", "1 3");
        check("{.items[0]['name','n']}", "a 1");
        check("{..name}", "a b");
        check("{.items[0].labels}", r#"{"x.y/z":"1"}"#);
        check("{.nothing}", "");
        check("{.kind", "unclosed action");
        check("{end}", "not in range, nothing to end");
        check("{.items[?(@.n=1)]}", "unrecognized filter operator =");
        assert_eq!(JsonPath::relaxed("metadata.name"), JsonPath::parse("{.metadata.name}"));
        assert_eq!(JsonPath::relaxed("{.metadata.name}"), JsonPath::parse("{.metadata.name}"));
        assert!(JsonPath::relaxed("{x").is_err());
    }
}
