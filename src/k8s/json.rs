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
    let mut out = String::new();
    print(value, Some(0), &mut out);
    out
}

fn print(value: &Value, depth: Option<usize>, out: &mut String) {
    let inner = depth.map(|depth| depth + 1);
    let line = |depth: Option<usize>, out: &mut String| {
        if let Some(depth) = depth {
            out.push('\n');
            (0..depth).for_each(|_| out.push_str("    "));
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
                line(depth, out);
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
                out.push_str(if depth.is_some() { ": " } else { ":" });
                print(value, inner, out);
            }
            if !map.is_empty() {
                line(depth, out);
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
