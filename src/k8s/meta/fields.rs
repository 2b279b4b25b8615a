//! Field selectors: `metadata.name=web,status.phase!=Running`.
//!
//! Upstream: `k8s.io/apimachinery/pkg/fields`. Which fields a resource can be selected by is said elsewhere.

use std::collections::BTreeMap;
use std::fmt;

/// All terms must hold; without any, everything is selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    pub terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    pub field: String,
    pub is_equal: bool,
    pub value: String,
}

impl Selector {
    pub fn parse(text: &str) -> Result<Selector, String> {
        let terms = split_terms(text).into_iter().filter(|term| !term.is_empty());
        let read = |term: &str| {
            let (field, is_equal, value) =
                split_term(term).ok_or_else(|| format!("invalid selector: '{text}'; can't understand '{term}'"))?;
            Ok(Term { field: field.to_owned(), is_equal, value: unescape(value)? })
        };
        Ok(Selector { terms: terms.map(read).collect::<Result<_, String>>()? })
    }

    /// A field that an object lacks is empty.
    pub fn matches(&self, fields: &BTreeMap<String, String>) -> bool {
        let value = |term: &Term| fields.get(&term.field).map_or("", String::as_str) == term.value;
        self.terms.iter().all(|term| value(term) == term.is_equal)
    }

    /// The value that a field must have, if the selector says so.
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|term| term.is_equal && term.field == field).map(|term| &term.value[..])
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, Term { field, is_equal, value }) in self.terms.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            let operator = if *is_equal { "=" } else { "!=" };
            write!(f, "{comma}{field}{operator}{}", escape(value))?;
        }
        Ok(())
    }
}

/// At commas that no backslash stands before.
fn split_terms(text: &str) -> Vec<&str> {
    let (mut terms, mut start, mut is_escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            ',' => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

/// At the first operator.
fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    let at = term.char_indices().find(|(at, _)| term[*at..].starts_with('=') || term[*at..].starts_with("!="))?.0;
    let (field, rest) = term.split_at(at);
    let operators = [("!=", false), ("==", true), ("=", true)];
    operators.into_iter().find_map(|(text, is_equal)| Some((field, is_equal, rest.strip_prefix(text)?)))
}

fn escape(value: &str) -> String {
    let mut out = String::new();
    for c in value.chars() {
        if matches!(c, '\\' | ',' | '=') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn unescape(value: &str) -> Result<String, String> {
    let (mut out, mut chars) = (String::new(), value.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                Some(c) => return Err(format!("invalid field selector: invalid escape sequence: \\{c}")),
                None => return Err("invalid field selector: invalid escape sequence: \\".to_owned()),
            },
            ',' | '=' => return Err(format!("invalid field selector: unescaped character in value: {}", u32::from(c))),
            _ => out.push(c),
        }
    }
    Ok(out)
}
