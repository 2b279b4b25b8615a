//! `'%s is %d'.format([…])`.
//!
//! Upstream: `github.com/google/cel-go/ext/formatting.go`.

use super::values;
use crate::cel::{Fault, Sequence, Value};
use crate::k8s::json::number;

type Failure = (Fault, String);

fn wrong<T>(message: String) -> Result<T, Failure> {
    Err((Fault::Other, message))
}

/// Digits after the point, unless a clause says how many.
const PRECISION: usize = 6;
/// The most that are said.
const PRECISION_MAX: usize = 100;

pub fn format<'a>(pattern: &str, arguments: &dyn Sequence<'a>) -> Result<Value<'a>, Failure> {
    let (mut out, mut rest, mut next) = (String::new(), pattern, 0);
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let (precision, after) = precision(rest)?;
        let Some(verb) = after.chars().next() else {
            return wrong("could not parse formatting clause: unexpected end of string".to_owned());
        };
        rest = &after[verb.len_utf8()..];
        let Some(argument) = arguments.item(next) else { return wrong(format!("index {next} out of range")) };
        next += 1;
        out.push_str(&clause(verb, precision, &argument)?);
    }
    Ok(Value::text(out + rest))
}

/// `.3` before the verb.
fn precision(text: &str) -> Result<(Option<usize>, &str), Failure> {
    let Some(digits) = text.strip_prefix('.') else { return Ok((None, text)) };
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    match digits[..length].parse() {
        Ok(precision) if precision <= PRECISION_MAX => Ok((Some(precision), &digits[length..])),
        _ => wrong("error while parsing precision".to_owned()),
    }
}

fn clause(verb: char, precision: Option<usize>, value: &Value) -> Result<String, Failure> {
    let misfit = || {
        let why = "clause can only be used on";
        let kinds = match verb {
            'd' => "decimal clause can only be used on integers",
            'b' => "only integers and bools can be formatted as binary",
            'o' => "octal clause can only be used on integers",
            'x' | 'X' => "only integers, byte buffers, and strings can be formatted as hex",
            _ => return wrong(format!("fixed-point {why} doubles, was given {}", value.kind())),
        };
        wrong(format!("{kinds}, was given {}", value.kind()))
    };
    Ok(match (verb, value) {
        ('s', value) => show(value),
        ('d', Value::Int(number)) => number.to_string(),
        ('d', Value::Uint(number)) => number.to_string(),
        ('b', Value::Bool(value)) => u8::from(*value).to_string(),
        ('b', Value::Int(number)) => signed(*number, |number| format!("{number:b}")),
        ('o', Value::Int(number)) => signed(*number, |number| format!("{number:o}")),
        ('x', Value::Int(number)) => signed(*number, |number| format!("{number:x}")),
        ('X', Value::Int(number)) => signed(*number, |number| format!("{number:X}")),
        ('b', Value::Uint(number)) => format!("{number:b}"),
        ('o', Value::Uint(number)) => format!("{number:o}"),
        ('x', Value::Uint(number)) => format!("{number:x}"),
        ('X', Value::Uint(number)) => format!("{number:X}"),
        ('x', Value::Text(text)) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        ('X', Value::Text(text)) => text.bytes().map(|byte| format!("{byte:02X}")).collect(),
        ('f', Value::Double(number)) => {
            format!("{:.*}", precision.unwrap_or(PRECISION), number.as_f64().unwrap_or_default())
        }
        ('f', Value::Int(number)) => format!("{number}.{}", "0".repeat(precision.unwrap_or(PRECISION))),
        ('d' | 'b' | 'o' | 'x' | 'X' | 'f', _) => return misfit(),
        _ => return wrong(format!("unrecognized formatting clause \"{verb}\"")),
    })
}

fn signed(number: i64, show: impl Fn(u64) -> String) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", show(number.unsigned_abs()))
}

/// A value as text: lists and maps with what is in them.
fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Double(number) => number::shortest_g(number),
        Value::Text(text) => text.to_string(),
        Value::List(list) => {
            let items: Vec<String> =
                (0..list.len()).filter_map(|place| list.item(place)).map(|item| show(&item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(object) => {
            let entries = object.names().into_iter().filter_map(|name| {
                let value = object.field(&name)?;
                Some(format!("{name}: {}", show(&value)))
            });
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Opaque(value) => values::show_opaque(&**value),
    }
}
