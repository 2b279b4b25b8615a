//! `-o go-template`: Go's `text/template` over JSON.
//!
//! Simplified: no templates inside the template (`define`, `template`, `block`), no `call`, `html` and `js`.

use std::cmp::Ordering;

use serde_json::Value;

use super::columns::go_value;
use super::jsonpath::order;
use crate::shell::printers::go::quote;

/// Actions in each other.
const DEPTH_MAX: usize = 50;
/// Things done, and bytes written: a template over a large list must not run for ever.
const STEPS_MAX: usize = 2_000_000;
const BYTES_MAX: usize = 64 << 20;

#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Text(String),
    Action(Pipe),
    If(Pipe, Vec<Node>, Vec<Node>),
    With(Pipe, Vec<Node>, Vec<Node>),
    Range(Pipe, Vec<Node>, Vec<Node>),
    Break,
    Continue,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Pipe {
    /// Variables that take the value, and whether they are new.
    variables: Vec<String>,
    declares: bool,
    commands: Vec<Vec<Operand>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    /// `.a.b`
    Field(Vec<String>),
    /// `$x.a`
    Variable(String, Vec<String>),
    Constant(Value),
    Pipe(Box<Pipe>, Vec<String>),
    Function(String),
}

const FUNCTIONS: &[&str] = &[
    "and",
    "or",
    "not",
    "len",
    "index",
    "slice",
    "print",
    "printf",
    "println",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "urlquery",
    "exists",
    "base64decode",
];

impl Template {
    pub fn parse(text: &str) -> Result<Template, String> {
        let mut parser = Parser { tokens: split(text)?, at: 0, depth: 0 };
        let (nodes, end) = parser.nodes()?;
        match end {
            End::Text => Ok(Template { nodes }),
            _ => Err("unexpected {{end}}".to_owned()),
        }
    }

    pub fn show(&self, value: &Value) -> Result<String, String> {
        let mut run =
            Execution { out: String::new(), variables: vec![("$".to_owned(), value.clone())], left: STEPS_MAX };
        run.nodes(&self.nodes, value)
            .map_err(|error| format!("error executing template: template: output: {error}"))?;
        Ok(run.out)
    }
}

/// Text, or what stands between two braces.
#[derive(Clone, Debug)]
enum Token {
    Text(String),
    Action(String),
}

fn split(text: &str) -> Result<Vec<Token>, String> {
    let (mut tokens, mut rest, mut trims) = (Vec::new(), text, false);
    while let Some((before, after)) = rest.split_once("{{") {
        let opens_trim = after.starts_with("- ") || after.starts_with("-\n");
        let mut before = if trims { before.trim_start() } else { before };
        if opens_trim {
            before = before.trim_end();
        }
        tokens.push(Token::Text(before.to_owned()));
        let after = if opens_trim { &after[2..] } else { after };
        let is_comment = after.trim_start().starts_with("/*");
        let end = if is_comment {
            let close = after.find("*/").ok_or("unclosed comment")?;
            after[close..].find("}}").map(|end| close + end)
        } else {
            action_end(after)
        };
        let end = end.ok_or("unclosed action")?;
        let inside = &after[..end];
        trims = inside.ends_with(" -") || inside.ends_with("*/ -");
        let inside = if trims { &inside[..inside.len() - 1] } else { inside };
        if !is_comment {
            tokens.push(Token::Action(inside.trim().to_owned()));
        }
        rest = &after[end + 2..];
    }
    tokens.push(Token::Text(if trims { rest.trim_start() } else { rest }.to_owned()));
    Ok(tokens)
}

/// Where an action ends, strings heeded.
fn action_end(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if std::mem::take(&mut escaped) => {}
            (Some('"'), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '`') => quote = Some(c),
            (None, '}') if text[at..].starts_with("}}") => return Some(at),
            _ => {}
        }
    }
    None
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

enum End {
    Text,
    Close,
    Else(String),
}

impl Parser {
    fn nodes(&mut self) -> Result<(Vec<Node>, End), String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("actions are nested too deep".to_owned());
        }
        let mut nodes = Vec::new();
        let end = loop {
            let Some(token) = self.tokens.get(self.at).cloned() else { break End::Text };
            self.at += 1;
            let action = match token {
                Token::Text(text) => {
                    if !text.is_empty() {
                        nodes.push(Node::Text(text));
                    }
                    continue;
                }
                Token::Action(action) => action,
            };
            let (word, rest) = action.split_once(char::is_whitespace).unwrap_or((&action, ""));
            match word {
                "end" => break End::Close,
                "else" => break End::Else(rest.trim().to_owned()),
                "break" => nodes.push(Node::Break),
                "continue" => nodes.push(Node::Continue),
                "if" | "with" | "range" => {
                    let node = self.block(word, rest)?;
                    nodes.push(node);
                }
                "define" | "template" | "block" => {
                    return Err(format!("{{{{{word}}}}} is not built into this lab's kubectl"));
                }
                _ => nodes.push(Node::Action(pipe(&action)?)),
            }
        };
        self.depth -= 1;
        Ok((nodes, end))
    }

    fn block(&mut self, word: &str, condition: &str) -> Result<Node, String> {
        let condition = pipe(condition)?;
        let (body, end) = self.nodes()?;
        let other = match end {
            End::Close => Vec::new(),
            End::Text => return Err(format!("unexpected EOF: {word} has no {{{{end}}}}")),
            End::Else(more) => match more.split_once(' ') {
                Some((inner, condition)) if inner == "if" || inner == "with" => vec![self.block(inner, condition)?],
                _ => match self.nodes()? {
                    (nodes, End::Close) => nodes,
                    _ => return Err("expected end; found {{else}}".to_owned()),
                },
            },
        };
        Ok(match word {
            "if" => Node::If(condition, body, other),
            "with" => Node::With(condition, body, other),
            _ => Node::Range(condition, body, other),
        })
    }
}

fn pipe(text: &str) -> Result<Pipe, String> {
    let mut lexer = Lexer { rest: text, depth: 0 };
    let pipe = lexer.pipe()?;
    match lexer.rest.trim_start() {
        "" => Ok(pipe),
        rest => Err(format!("unexpected {} in operand", quote(&rest[..rest.chars().next().map_or(0, char::len_utf8)]))),
    }
}

struct Lexer<'t> {
    rest: &'t str,
    depth: usize,
}

impl Lexer<'_> {
    fn pipe(&mut self) -> Result<Pipe, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("parentheses are nested too deep".to_owned());
        }
        let mut pipe = Pipe::default();
        self.declaration(&mut pipe);
        loop {
            let mut command = Vec::new();
            loop {
                self.rest = self.rest.trim_start();
                match self.rest.chars().next() {
                    None | Some('|' | ')') => break,
                    Some(_) => command.push(self.operand()?),
                }
            }
            if command.is_empty() {
                return Err("missing value for command".to_owned());
            }
            pipe.commands.push(command);
            match self.rest.strip_prefix('|') {
                Some(rest) => self.rest = rest,
                None => break,
            }
        }
        self.depth -= 1;
        Ok(pipe)
    }

    /// `$a, $b := ` or `$a = `
    fn declaration(&mut self, pipe: &mut Pipe) {
        let Some((names, rest)) = self.rest.split_once('=') else { return };
        let (names, declares) = names.strip_suffix(':').map_or((names, false), |names| (names, true));
        let names: Vec<String> = names.split(',').map(|name| name.trim().to_owned()).collect();
        let is_name = |name: &String| {
            name.strip_prefix('$').is_some_and(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'))
        };
        if names.iter().all(is_name) {
            (pipe.variables, pipe.declares, self.rest) = (names, declares, rest);
        }
    }

    fn operand(&mut self) -> Result<Operand, String> {
        let first = self.rest.chars().next().unwrap_or_default();
        match first {
            '.' => {
                let mut path = self.path();
                path.retain(|name| !name.is_empty());
                Ok(Operand::Field(path))
            }
            '$' => {
                let name = format!("${}", self.name_after(1));
                Ok(Operand::Variable(name, self.path()))
            }
            '(' => {
                self.rest = &self.rest[1..];
                let inner = self.pipe()?;
                self.rest = self.rest.strip_prefix(')').ok_or("unclosed left paren")?;
                Ok(Operand::Pipe(Box::new(inner), self.path()))
            }
            '"' | '`' => self.text(first).map(Operand::Constant),
            '0'..='9' | '-' | '+' => {
                let end = self.rest[1..]
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '.')
                    .map_or(self.rest.len(), |end| end + 1);
                let number = &self.rest[..end];
                let whole = number.parse::<i64>().ok().map(Value::from);
                let value = whole.or_else(|| number.parse::<f64>().ok().map(Value::from));
                let value = value.ok_or_else(|| format!("bad number syntax: {}", quote(number)))?;
                self.rest = &self.rest[end..];
                Ok(Operand::Constant(value))
            }
            c if c.is_alphabetic() || c == '_' => {
                let word = self.name_after(0);
                match word.as_str() {
                    "true" | "false" => Ok(Operand::Constant((word == "true").into())),
                    "nil" => Ok(Operand::Constant(Value::Null)),
                    _ if FUNCTIONS.contains(&word.as_str()) => Ok(Operand::Function(word)),
                    _ => Err(format!("function {} not defined", quote(&word))),
                }
            }
            other => Err(format!("unexpected {} in command", quote(&other.to_string()))),
        }
    }

    fn name_after(&mut self, skip: usize) -> String {
        let rest = &self.rest[skip..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        self.rest = &rest[end..];
        name
    }

    /// `.a.b` from here on.
    fn path(&mut self) -> Vec<String> {
        let mut path = Vec::new();
        while self.rest.starts_with('.') {
            path.push(self.name_after(1));
        }
        path
    }

    fn text(&mut self, quote: char) -> Result<Value, String> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text.into());
                }
                '\\' if quote == '"' => match chars.next().map(|(_, c)| c) {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some(c) => text.push(c),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err("unterminated quoted string".to_owned())
    }
}

/// How a list of nodes ended.
enum Flow {
    On,
    Break,
    Continue,
}

struct Execution {
    out: String,
    variables: Vec<(String, Value)>,
    left: usize,
}

impl Execution {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, String> {
        let depth = self.variables.len();
        let mut flow = Flow::On;
        for node in nodes {
            self.left = self.left.checked_sub(1).ok_or("the template goes on for too long for this lab")?;
            if self.out.len() > BYTES_MAX {
                return Err("the template prints too much for this lab".to_owned());
            }
            flow = match node {
                Node::Text(text) => {
                    self.out.push_str(text);
                    Flow::On
                }
                Node::Action(pipe) => {
                    let value = self.pipe(pipe, dot)?;
                    if pipe.variables.is_empty() {
                        self.out += &printed(&value);
                    }
                    Flow::On
                }
                Node::If(pipe, body, other) => {
                    let depth = self.variables.len();
                    let value = self.pipe(pipe, dot)?;
                    let flow = self.nodes(if truth(&value) { body } else { other }, dot)?;
                    self.variables.truncate(depth);
                    flow
                }
                Node::With(pipe, body, other) => {
                    let depth = self.variables.len();
                    let value = self.pipe(pipe, dot)?;
                    let flow = if truth(&value) { self.nodes(body, &value)? } else { self.nodes(other, dot)? };
                    self.variables.truncate(depth);
                    flow
                }
                Node::Range(pipe, body, other) => {
                    self.range(pipe, body, other, dot)?;
                    Flow::On
                }
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if !matches!(flow, Flow::On) {
                break;
            }
        }
        self.variables.truncate(depth);
        Ok(flow)
    }

    fn range(&mut self, pipe: &Pipe, body: &[Node], other: &[Node], dot: &Value) -> Result<(), String> {
        let quiet = Pipe { variables: Vec::new(), ..pipe.clone() };
        let value = self.pipe(&quiet, dot)?;
        let items: Vec<(Value, Value)> = match &value {
            Value::Array(items) => items.iter().enumerate().map(|(at, item)| (at.into(), item.clone())).collect(),
            Value::Object(map) => {
                let mut pairs: Vec<(Value, Value)> =
                    map.iter().map(|(key, item)| (key.as_str().into(), item.clone())).collect();
                pairs.sort_by(|(a, _), (b, _)| a.as_str().cmp(&b.as_str()));
                pairs
            }
            Value::Null => Vec::new(),
            Value::Number(count) if count.is_u64() => {
                (0..count.as_u64().unwrap_or(0).min(STEPS_MAX as u64)).map(|at| (at.into(), at.into())).collect()
            }
            other => return Err(format!("range can't iterate over {}", go_value(other))),
        };
        if items.is_empty() {
            self.nodes(other, dot)?;
        }
        let depth = self.variables.len();
        for (key, item) in items {
            match &pipe.variables[..] {
                [] => {}
                [one] => self.variables.push((one.clone(), item.clone())),
                [first, second, ..] => {
                    self.variables.push((first.clone(), key));
                    self.variables.push((second.clone(), item.clone()));
                }
            }
            let flow = self.nodes(body, &item)?;
            self.variables.truncate(depth);
            if let Flow::Break = flow {
                break;
            }
        }
        Ok(())
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, String> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(command, value, dot)?);
        }
        let value = value.unwrap_or_default();
        for name in &pipe.variables {
            if pipe.declares {
                self.variables.push((name.clone(), value.clone()));
            } else {
                let known = self.variables.iter_mut().rev().find(|(known, _)| known == name);
                known.ok_or_else(|| format!("undefined variable {}", quote(name)))?.1 = value.clone();
            }
        }
        Ok(value)
    }

    fn command(&mut self, command: &[Operand], last: Option<Value>, dot: &Value) -> Result<Value, String> {
        self.left = self.left.checked_sub(1).ok_or("the template goes on for too long for this lab")?;
        let Some((Operand::Function(name), operands)) = command.split_first() else {
            if command.len() > 1 || last.is_some() {
                return Err("can't give argument to non-function".to_owned());
            }
            return command.first().map_or(Ok(Value::Null), |operand| self.operand(operand, dot));
        };
        // These two look at no more than they need.
        if matches!(name.as_str(), "and" | "or") {
            let mut value = Value::Null;
            for operand in operands {
                value = self.operand(operand, dot)?;
                if truth(&value) == (name == "or") {
                    return Ok(value);
                }
            }
            return Ok(last.unwrap_or(value));
        }
        let mut values = Vec::new();
        for operand in operands {
            values.push(self.operand(operand, dot)?);
        }
        values.extend(last);
        function(name, &values).map_err(|error| format!("error calling {name}: {error}"))
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, String> {
        match operand {
            Operand::Field(path) => walk(dot, path),
            Operand::Variable(name, path) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                let (_, value) = known.ok_or_else(|| format!("undefined variable {}", quote(name)))?;
                walk(value, path)
            }
            Operand::Constant(value) => Ok(value.clone()),
            Operand::Pipe(pipe, path) => {
                let value = self.pipe(pipe, dot)?;
                walk(&value, path)
            }
            Operand::Function(name) => function(name, &[]).map_err(|error| format!("error calling {name}: {error}")),
        }
    }
}

fn walk(value: &Value, path: &[String]) -> Result<Value, String> {
    let mut value = value;
    for name in path {
        value = match value {
            Value::Object(map) => map.get(name).unwrap_or(&Value::Null),
            Value::Null => return Err(format!("nil pointer evaluating interface {{}}.{name}")),
            other => return Err(format!("can't evaluate field {name} in type {}", type_name(other))),
        };
    }
    Ok(value.clone())
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::Array(_) => "[]interface {}",
        _ => "interface {}",
    }
}

fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

fn printed(value: &Value) -> String {
    if value.is_null() { "<no value>".to_owned() } else { go_value(value) }
}

fn function(name: &str, values: &[Value]) -> Result<Value, String> {
    let at = |place: usize| values.get(place).ok_or("wrong number of args".to_owned());
    let text = |place: usize| at(place).map(|value| value.as_str().unwrap_or_default());
    Ok(match name {
        "not" => (!truth(at(0)?)).into(),
        "len" => match at(0)? {
            Value::String(text) => text.len().into(),
            Value::Array(items) => items.len().into(),
            Value::Object(map) => map.len().into(),
            other => return Err(format!("len of type {}", type_name(other))),
        },
        "index" => {
            let mut value = at(0)?;
            for key in &values[1..] {
                value = match (value, key) {
                    (Value::Object(map), Value::String(name)) => map.get(name).unwrap_or(&Value::Null),
                    (Value::Array(items), Value::Number(at)) => {
                        let at = at.as_u64().and_then(|at| usize::try_from(at).ok());
                        at.and_then(|at| items.get(at)).ok_or("error calling index: index out of range")?
                    }
                    (Value::Null, _) => return Err("index of untyped nil".to_owned()),
                    (other, _) => return Err(format!("can't index item of type {}", type_name(other))),
                };
            }
            value.clone()
        }
        "slice" => {
            let (from, to) = (at(1)?.as_u64().unwrap_or(0) as usize, values.get(2).and_then(Value::as_u64));
            match at(0)? {
                Value::Array(items) => {
                    let to = to.map_or(items.len(), |to| to as usize);
                    items.get(from..to).ok_or("slice bounds out of range")?.to_vec().into()
                }
                Value::String(text) => {
                    let to = to.map_or(text.len(), |to| to as usize);
                    text.get(from..to).ok_or("slice bounds out of range")?.into()
                }
                other => return Err(format!("can't slice item of type {}", type_name(other))),
            }
        }
        "print" => values.iter().map(go_value).collect::<String>().into(),
        "println" => (values.iter().map(go_value).collect::<Vec<_>>().join(" ") + "\n").into(),
        "printf" => printf(text(0)?, &values[1.min(values.len())..]).into(),
        "eq" => {
            let first = at(0)?;
            at(1)?;
            values[1..].iter().any(|other| order(first, other) == Some(Ordering::Equal)).into()
        }
        "ne" => (order(at(0)?, at(1)?) != Some(Ordering::Equal)).into(),
        "lt" | "le" | "gt" | "ge" => {
            let ordering = order(at(0)?, at(1)?).ok_or("incompatible types for comparison")?;
            match name {
                "lt" => ordering.is_lt(),
                "le" => ordering.is_le(),
                "gt" => ordering.is_gt(),
                _ => ordering.is_ge(),
            }
            .into()
        }
        "urlquery" => crate::shell::kubectl::client::escape(text(0)?).into(),
        "exists" => {
            let mut value = Some(at(0)?);
            for key in &values[1..] {
                value = value.and_then(|value| match key {
                    Value::String(name) => value.get(name),
                    key => value.get(key.as_u64()? as usize),
                });
            }
            value.is_some().into()
        }
        "base64decode" => {
            use base64::Engine;
            let engine = base64::engine::general_purpose::STANDARD;
            let bytes = engine.decode(text(0)?).map_err(|error| error.to_string())?;
            crate::shell::text::from_bytes(&bytes).into()
        }
        _ => return Err("no such function".to_owned()),
    })
}

/// Go's `fmt.Sprintf`, of the verbs that templates use.
fn printf(format: &str, values: &[Value]) -> String {
    let mut out = String::new();
    let mut values = values.iter();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut flags = String::new();
        while let Some(flag) = chars.next_if(|c| matches!(c, '-' | '+' | '#' | '0'..='9' | '.')) {
            flags.push(flag);
        }
        let Some(verb) = chars.next() else { break };
        if verb == '%' {
            out.push('%');
            continue;
        }
        let Some(value) = values.next() else {
            out += &format!("%!{verb}(MISSING)");
            continue;
        };
        let text = match verb {
            'q' => quote(&go_value(value)),
            _ => go_value(value),
        };
        let width = flags.trim_start_matches('-').split('.').next().and_then(|width| width.parse::<usize>().ok());
        let width = width.unwrap_or(0).min(1024);
        out += &if flags.starts_with('-') { format!("{text:<width$}") } else { format!("{text:>width$}") };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(template: &str, expect: &str) {
        let object =
            json!({"items": [{"name": "a", "n": 1}, {"name": "b", "n": 2}], "data": {"k": "dg=="}, "kind": "List"});
        let shown = Template::parse(template).and_then(|template| template.show(&object));
        assert_eq!(shown.unwrap_or_else(|error| error), expect);
    }

    #[test]
    fn templates_as_in_go() {
        check("{{.kind}}", "List");
        check("{{range .items}}{{.name}}={{.n}} {{end}}", "a=1 b=2 ");
        check("{{range $i, $x := .items}}{{$i}}{{$x.name}}{{end}}", "0a1b");
        check("{{if eq .kind \"List\"}}yes{{else}}no{{end}}", "yes");
        check("{{with .nothing}}x{{else}}none{{end}}", "none");
        check("{{.nothing}}", "<no value>");
        check("{{index .data \"k\" | base64decode}}", "v");
        check("{{printf \"%s-%d\" .kind (len .items)}}", "List-2");
        check("{{- range .items -}} {{.name}} {{- end -}}", "ab");
        check("{{$n := len .items}}{{if gt $n 1}}many{{end}}", "many");
        check("{{range .data}}{{.}}{{end}}", "dg==");
        check("{{if .kind}}", "unexpected EOF: if has no {{end}}");
        check("{{nope}}", "function \"nope\" not defined");
    }
}
