//! JSON as Go reads and prints it.

pub mod number;
mod read;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::go::push_json;

pub use read::{Document, JsonError, parse};

/// One line, as Go's `json.Marshal` prints it: `<`, `>`, `&` and two separators of lines are escaped.
pub fn to_string(value: &Value) -> String {
    let mut out = String::new();
    print(value, None, &mut out);
    out
}

/// With four spaces a level, as kubectl prints it.
pub fn to_string_pretty(value: &Value) -> String {
    indented(value, 4)
}

/// With so many spaces a level: an API server prints two for people.
pub fn indented(value: &Value, spaces: usize) -> String {
    let mut out = String::new();
    print(value, Some(Indent { spaces, depth: 0 }), &mut out);
    out
}

#[derive(Clone, Copy)]
struct Indent {
    spaces: usize,
    depth: usize,
}

fn print(value: &Value, indent: Option<Indent>, out: &mut String) {
    let inner = indent.map(|indent| Indent { depth: indent.depth + 1, ..indent });
    let line = |indent: Option<Indent>, out: &mut String| {
        if let Some(Indent { spaces, depth }) = indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', spaces * depth));
        }
    };
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(value) => out.push_str(&number::shortest(value)),
        Value::String(text) => quote(text, out),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                line(inner, out);
                print(item, inner, out);
            }
            if !items.is_empty() {
                line(indent, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (at, (key, value)) in map.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                line(inner, out);
                quote(key, out);
                out.push_str(if indent.is_some() { ": " } else { ":" });
                print(value, inner, out);
            }
            if !map.is_empty() {
                line(indent, out);
            }
            out.push('}');
        }
    }
}

/// A string in quotes, as Go escapes it.
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    text.chars().for_each(|c| push_json(c, out));
    out.push('"');
}
