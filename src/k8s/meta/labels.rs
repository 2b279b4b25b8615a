//! Label selectors: `app=web,tier in (front,back),!old`.
//!
//! Upstream: `k8s.io/apimachinery/pkg/labels`; the errors are its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::names;
use super::status::quote;

/// All requirements must hold; without any, everything is selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// By key.
    pub requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    pub key: String,
    pub operator: Operator,
    pub values: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Exists,
    DoesNotExist,
    Equals,
    DoubleEquals,
    NotEquals,
    In,
    NotIn,
    GreaterThan,
    LessThan,
}

/// What labels are kept in.
pub type Labels = BTreeMap<String, String>;

impl Selector {
    pub fn parse(text: &str) -> Result<Selector, String> {
        let mut parser = Parser { tokens: tokens(text), at: 0 };
        let mut requirements = parser.requirements()?;
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Selector { requirements })
    }

    /// Selects what has exactly these labels, and perhaps more.
    pub fn of_labels(labels: &Labels) -> Selector {
        let equal = |(key, value): (&String, &String)| Requirement {
            key: key.clone(),
            operator: Operator::Equals,
            values: BTreeSet::from([value.clone()]),
        };
        Selector { requirements: labels.iter().map(equal).collect() }
    }

    /// The `LabelSelector` of an object. One that is not there selects nothing, which is none.
    pub fn of_object(selector: &Value) -> Result<Option<Selector>, String> {
        if selector.is_null() {
            return Ok(None);
        }
        let mut requirements = Vec::new();
        for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
            let values = BTreeSet::from([value.as_str().unwrap_or_default().to_owned()]);
            requirements.push(Requirement::new(key, Operator::Equals, values)?);
        }
        for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
            let operator = match expression["operator"].as_str().unwrap_or_default() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => return Err(format!("{} is not a valid label selector operator", quote(other))),
            };
            let values = expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let values = values.map(str::to_owned).collect();
            requirements.push(Requirement::new(expression["key"].as_str().unwrap_or_default(), operator, values)?);
        }
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Some(Selector { requirements }))
    }

    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|requirement| requirement.matches(labels))
    }
}

impl Requirement {
    /// Refuses a key or values that cannot be.
    pub fn new(key: &str, operator: Operator, values: BTreeSet<String>) -> Result<Requirement, String> {
        let mut errors: Vec<String> = Vec::new();
        errors.extend(key_error(key));
        match operator {
            Operator::In | Operator::NotIn if values.is_empty() => {
                errors.push(
                    "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty".to_owned(),
                );
            }
            Operator::GreaterThan | Operator::LessThan => {
                for value in values.iter().filter(|value| value.parse::<i64>().is_err()) {
                    let rule = "for 'Gt', 'Lt' operators, the value must be an integer";
                    errors.push(format!("values[0]: Invalid value: {value:?}: {rule}"));
                }
            }
            _ => {}
        }
        for (place, value) in values.iter().enumerate() {
            let wrong = names::label_value(value);
            if !wrong.is_empty() {
                errors.push(format!("values[{place}][{key}]: Invalid value: {value:?}: {}", wrong.join("; ")));
            }
        }
        match &errors[..] {
            [] => Ok(Requirement { key: key.to_owned(), operator, values }),
            [error] => Err(error.clone()),
            _ => Err(format!("[{}]", errors.join(", "))),
        }
    }

    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let has = || value.is_some_and(|value| self.values.contains(value));
        let compares = |is: fn(i64, i64) -> bool| {
            let number = |text: &String| text.parse::<i64>().ok();
            value.and_then(number).zip(self.values.first().and_then(number)).is_some_and(|(a, b)| is(a, b))
        };
        match self.operator {
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Equals | Operator::DoubleEquals | Operator::In => has(),
            Operator::NotEquals | Operator::NotIn => !has(),
            Operator::GreaterThan => compares(|a, b| a > b),
            Operator::LessThan => compares(|a, b| a < b),
        }
    }
}

fn key_error(key: &str) -> Option<String> {
    let wrong = names::qualified_name(key);
    (!wrong.is_empty()).then(|| format!("<nil>: Invalid value: {key:?}: {}", wrong.join("; ")))
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.requirements.iter().map(Requirement::to_string).collect();
        f.write_str(&texts.join(","))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Requirement { key, operator, values } = self;
        let values = values.iter().cloned().collect::<Vec<_>>().join(",");
        match operator {
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `in` and `notin` are words where a word may stand.
    In,
    NotIn,
    Symbol(&'static str),
    End,
}

/// Longest first.
const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", ">", "<", ",", "(", ")"];

fn tokens(text: &str) -> Vec<Token> {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    let is_symbol = |c: char| "=!(),><".contains(c);
    let (mut tokens, mut rest) = (Vec::new(), text.trim_start_matches(is_space));
    while !rest.is_empty() {
        if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            tokens.push(Token::Symbol(symbol));
            rest = &rest[symbol.len()..];
        } else {
            let (word, after) = rest.split_at(rest.find(|c| is_space(c) || is_symbol(c)).unwrap_or(rest.len()));
            tokens.push(match word {
                "in" => Token::In,
                "notin" => Token::NotIn,
                _ => Token::Word(word.to_owned()),
            });
            rest = after;
        }
        rest = rest.trim_start_matches(is_space);
    }
    tokens
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Token::Word(word) => word,
            Token::In => "in",
            Token::NotIn => "notin",
            Token::Symbol(symbol) => symbol,
            Token::End => "",
        }
    }

    /// Where a value may stand, every word is one.
    fn word(&self) -> Option<&str> {
        match self {
            Token::Word(_) | Token::In | Token::NotIn => Some(self.text()),
            _ => None,
        }
    }

    fn is(&self, symbol: &str) -> bool {
        matches!(self, Token::Symbol(own) if *own == symbol)
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Token {
        self.tokens.get(self.at).cloned().unwrap_or(Token::End)
    }

    fn take(&mut self) -> Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn requirements(&mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = Vec::new();
        loop {
            let next = self.peek();
            if next == Token::End {
                return Ok(requirements);
            }
            if next.word().is_none() && !next.is("!") {
                return Err(format!("found '{}', expected: !, identifier, or 'end of string'", next.text()));
            }
            let read = self.requirement();
            requirements.push(read.map_err(|error| format!("unable to parse requirement: {error}"))?);
            match self.take() {
                Token::End => return Ok(requirements),
                token if token.is(",") => {
                    let next = self.peek();
                    if next.word().is_none() && !next.is("!") {
                        return Err(format!("found '{}', expected: identifier after ','", next.text()));
                    }
                }
                token => return Err(format!("found '{}', expected: ',' or 'end of string'", token.text())),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let mut token = self.take();
        let is_negated = token.is("!");
        if is_negated {
            token = self.take();
        }
        let Some(key) = token.word() else { return Err(format!("found '{}', expected: identifier", token.text())) };
        if let Some(error) = key_error(key) {
            return Err(error);
        }
        if is_negated {
            return Requirement::new(key, Operator::DoesNotExist, BTreeSet::new());
        }
        if self.peek() == Token::End || self.peek().is(",") {
            return Requirement::new(key, Operator::Exists, BTreeSet::new());
        }
        let operator = match self.take() {
            Token::In => Operator::In,
            Token::NotIn => Operator::NotIn,
            Token::Symbol("=") => Operator::Equals,
            Token::Symbol("==") => Operator::DoubleEquals,
            Token::Symbol("!=") => Operator::NotEquals,
            Token::Symbol(">") => Operator::GreaterThan,
            Token::Symbol("<") => Operator::LessThan,
            token => return Err(format!("found '{}', expected: in, notin, =, ==, !=, gt, lt", token.text())),
        };
        let values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            _ => self.exact_value()?,
        };
        Requirement::new(key, operator, values)
    }

    fn exact_value(&mut self) -> Result<BTreeSet<String>, String> {
        if self.peek() == Token::End || self.peek().is(",") {
            return Ok(BTreeSet::from([String::new()]));
        }
        let token = self.take();
        let value = token.word().ok_or_else(|| format!("found '{}', expected: identifier", token.text()))?;
        Ok(BTreeSet::from([value.to_owned()]))
    }

    fn values(&mut self) -> Result<BTreeSet<String>, String> {
        let open = self.take();
        if !open.is("(") {
            return Err(format!("found '{}' expected: '('", open.text()));
        }
        let next = self.peek();
        if next.is(")") {
            self.take();
            return Ok(BTreeSet::from([String::new()]));
        }
        if next.word().is_none() && !next.is(",") {
            return Err(format!("found '{}', expected: ',', ')' or identifier", next.text()));
        }
        let values = self.identifiers()?;
        let close = self.take();
        if !close.is(")") {
            return Err(format!("found '{}', expected: ')'", close.text()));
        }
        Ok(values)
    }

    /// Words and commas; where a word is missing, the empty one is meant.
    fn identifiers(&mut self) -> Result<BTreeSet<String>, String> {
        let mut values = BTreeSet::new();
        loop {
            let token = self.take();
            if let Some(word) = token.word() {
                values.insert(word.to_owned());
                let next = self.peek();
                if next.is(")") {
                    return Ok(values);
                }
                if !next.is(",") {
                    return Err(format!("found '{}', expected: ',' or ')'", next.text()));
                }
            } else if token.is(",") {
                if values.is_empty() {
                    values.insert(String::new());
                }
                if self.peek().is(")") {
                    values.insert(String::new());
                    return Ok(values);
                }
                if self.peek().is(",") {
                    self.take();
                    values.insert(String::new());
                }
            } else {
                return Err(format!("found '{}', expected: ',', or identifier", token.text()));
            }
        }
    }
}
