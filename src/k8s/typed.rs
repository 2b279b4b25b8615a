//! JSON of any origin brought into the form of its type: fields in Go's order, zero values left out or written as Go does,
//! amounts and moments in their canonical text, unknown fields reported and dropped.
//!
//! Upstream this is what decoding into a Go struct and encoding it again does (`sigs.k8s.io/json`); the errors are its own.
//! Two objects are the same to an API server if and only if these forms are.

mod emit;
#[cfg(test)]
mod tests;

use base64::Engine;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Number, Value};

use super::meta::quantity::Quantity;
use super::meta::time::{Precision, Time};
use super::schema::{Field, Message, MessageId, Schema, Shape, Type};

pub(super) use emit::{Found, Slot, Slots};

/// A value in the form of its type, and the paths of fields that the type lacks: `spec.containers[0].imagee`.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    pub value: Value,
    pub unknown: Vec<String>,
}

/// Reads JSON as a message. The error is Go's: `json: cannot unmarshal string into Go struct field …`.
pub fn decode(schema: &Schema, message: MessageId, value: Value) -> Result<Decoded, String> {
    let mut decoder = Decoder { schema, unknown: Vec::new() };
    let value = decoder.message(message, value, &Path::ROOT)?;
    Ok(Decoded { value, unknown: decoder.unknown })
}

struct Decoder<'s> {
    schema: &'s Schema,
    unknown: Vec<String>,
}

/// The way from the root to a value; it lives on the stack.
#[derive(Clone, Copy)]
struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    /// A field, and the struct that has it.
    Field(&'a str, &'a str),
    /// A struct within a struct whose fields are the outer one's.
    Embedded(&'a str),
    Key(&'a str),
    Index(usize),
}

impl Decoder<'_> {
    fn message(&mut self, id: MessageId, value: Value, path: &Path) -> Result<Value, String> {
        let schema = self.schema;
        let message = schema.message(id);
        match message.shape {
            Shape::Wraps => self.value(&message.fields[0], &message.fields[0].ty, value, path),
            Shape::Either => self.either(message, value, path),
            Shape::Struct => match value {
                Value::Object(map) => {
                    let mut slots = Slots::new(schema, message);
                    self.fields(&mut slots, map, path)?;
                    Ok(Value::Object(slots.emit(schema)))
                }
                Value::Null => Ok(Value::Object(Slots::new(schema, message).emit(schema))),
                other => Err(mismatch(path, &other, &go_struct(message))),
            },
        }
    }

    fn fields(&mut self, slots: &mut Slots, map: Map<String, Value>, path: &Path) -> Result<(), String> {
        let owner = slots.message;
        for (name, value) in map {
            let Some(Found { field, slot, embedded }) = slots.find(&name) else {
                self.unknown.push(path.strict(&name));
                continue;
            };
            let outer = Path { parent: Some(path), step: Step::Embedded(embedded.unwrap_or_default()) };
            let parent = if embedded.is_some() { &outer } else { path };
            let inner = Path { parent: Some(parent), step: Step::Field(field.name, owner.name) };
            let is_nil =
                value.is_null() && (field.is_pointer || matches!(field.ty, Type::List(_) | Type::Map(_) | Type::Bytes));
            *slot = if is_nil { Slot::Absent } else { Slot::Value(self.value(field, &field.ty, value, &inner)?) };
        }
        Ok(())
    }

    /// One of two: a bool or an array stands for itself, an object for the schema.
    fn either(&mut self, message: &Message, value: Value, path: &Path) -> Result<Value, String> {
        let (plain, schema) = message.alternatives();
        match value {
            Value::Object(_) => self.value(schema, &schema.ty, value, path),
            Value::Bool(_) if plain.ty == Type::Bool => Ok(value),
            Value::Array(_) if plain.ty != Type::Bool => self.value(plain, &plain.ty, value, path),
            Value::Null if plain.ty == Type::Bool => Ok(Value::Bool(false)),
            Value::Null => Ok(Value::Null),
            _ if plain.ty == Type::Bool => Err("boolean or JSON schema expected".to_owned()),
            other => Err(mismatch(path, &other, &go_struct(message))),
        }
    }

    fn value(&mut self, field: &Field, ty: &Type, value: Value, path: &Path) -> Result<Value, String> {
        let wrong = |value: &Value| Err(mismatch(path, value, &go_type(self.schema, field, ty)));
        match (ty, value) {
            (Type::Raw, value) => Ok(value),
            (Type::Message(id), value) => self.message(*id, value, path),
            (Type::Quantity, value) => quantity(value),
            (Type::Time, value) => time(value, Precision::Seconds, path),
            (Type::MicroTime, value) => time(value, Precision::Micros, path),
            (Type::IntOrString, value) => int_or_string(value, path),
            (ty, Value::Null) => Ok(emit::zero(self.schema, ty)),
            (Type::List(inner), Value::Array(items)) => {
                let read = |(index, item)| {
                    self.value(field, inner, item, &Path { parent: Some(path), step: Step::Index(index) })
                };
                items.into_iter().enumerate().map(read).collect::<Result<_, _>>().map(Value::Array)
            }
            (Type::Map(inner), Value::Object(map)) => {
                let mut read = Map::new();
                for (key, value) in map {
                    let value = self.value(field, inner, value, &Path { parent: Some(path), step: Step::Key(&key) })?;
                    read.insert(key, value);
                }
                read.sort_keys();
                Ok(Value::Object(read))
            }
            (Type::String, value @ Value::String(_)) | (Type::Bool, value @ Value::Bool(_)) => Ok(value),
            (Type::Bytes, Value::String(text)) => bytes(text),
            (Type::Double, Value::Number(number)) => Ok(Value::Number(double(number))),
            (Type::Int32 | Type::Int64, Value::Number(number)) => {
                let fits = number.as_i64().is_some_and(|int| *ty == Type::Int64 || i32::try_from(int).is_ok());
                if fits {
                    return Ok(Value::Number(number));
                }
                let what = format!("number {number}");
                Err(mismatch_of(path, &what, &go_type(self.schema, field, ty)))
            }
            (_, value) => wrong(&value),
        }
    }
}

impl Path<'_> {
    const ROOT: Path<'static> = Path { parent: None, step: Step::Root };

    /// As strict decoding names a field below this.
    fn strict(&self, name: &str) -> String {
        let mut parts = Vec::new();
        let mut at = Some(self);
        while let Some(path) = at {
            match path.step {
                Step::Root | Step::Embedded(_) => {}
                Step::Field(name, _) | Step::Key(name) => parts.push(format!(".{name}")),
                Step::Index(index) => parts.push(format!("[{index}]")),
            }
            at = path.parent;
        }
        let mut text: String = parts.into_iter().rev().collect();
        text.push('.');
        text.push_str(name);
        text.trim_start_matches('.').to_owned()
    }

    /// As Go's type errors name it: the innermost struct, then the fields from the root.
    fn go_field(&self) -> Option<String> {
        let (mut names, mut owner, mut at) = (Vec::new(), None, Some(self));
        while let Some(path) = at {
            match path.step {
                Step::Field(name, of) => {
                    owner = owner.or(Some(of));
                    names.push(name);
                }
                Step::Embedded(name) => names.push(name),
                _ => {}
            }
            at = path.parent;
        }
        names.reverse();
        owner.map(|owner| format!("{owner}.{}", names.join(".")))
    }
}

fn mismatch(path: &Path, value: &Value, expected: &str) -> String {
    let what = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    mismatch_of(path, what, expected)
}

fn mismatch_of(path: &Path, what: &str, expected: &str) -> String {
    match path.go_field() {
        Some(field) => format!("json: cannot unmarshal {what} into Go struct field {field} of type {expected}"),
        None => format!("json: cannot unmarshal {what} into Go value of type {expected}"),
    }
}

fn go_struct(message: &Message) -> String {
    let version = message.package.rsplit('.').next().unwrap_or_default();
    format!("{version}.{}", message.name)
}

fn go_type(schema: &Schema, field: &Field, ty: &Type) -> String {
    let named = |plain: &str| field.go_type.clone().unwrap_or_else(|| plain.to_owned());
    match ty {
        Type::List(inner) => format!("[]{}", go_type(schema, field, inner)),
        Type::Map(inner) => match &field.go_type {
            Some(name) if field.ty == *ty => name.clone(),
            _ => format!("map[string]{}", go_type(schema, field, inner)),
        },
        Type::Message(id) => go_struct(schema.message(*id)),
        Type::String => named("string"),
        Type::Bytes => "[]uint8".to_owned(),
        Type::Bool => named("bool"),
        Type::Int32 => named("int32"),
        Type::Int64 => named("int64"),
        Type::Double => "float64".to_owned(),
        Type::Time => "v1.Time".to_owned(),
        Type::MicroTime => "v1.MicroTime".to_owned(),
        Type::Quantity => "resource.Quantity".to_owned(),
        Type::IntOrString => "intstr.IntOrString".to_owned(),
        Type::Raw => "runtime.RawExtension".to_owned(),
    }
}

fn quantity(value: Value) -> Result<Value, String> {
    let text = match value {
        Value::Null => "0".to_owned(),
        Value::String(text) => text,
        other => other.to_string(),
    };
    let read = Quantity::parse(text.trim()).map_err(|error| error.to_string())?;
    Ok(Value::String(read.to_string()))
}

fn time(value: Value, precision: Precision, path: &Path) -> Result<Value, String> {
    match value {
        Value::Null => Ok(Value::Null),
        Value::String(text) => {
            let time = Time::parse(&text, precision)?;
            Ok(if time.is_zero() { Value::Null } else { Value::String(time.format(precision)) })
        }
        other => Err(mismatch(path, &other, "string")),
    }
}

fn int_or_string(value: Value, path: &Path) -> Result<Value, String> {
    match value {
        Value::Null => Ok(Value::from(0)),
        Value::String(_) => Ok(value),
        Value::Number(number) if number.as_i64().is_some_and(|int| i32::try_from(int).is_ok()) => {
            Ok(Value::Number(number))
        }
        Value::Number(number) => Err(mismatch_of(path, &format!("number {number}"), "int32")),
        other => Err(mismatch(path, &other, "int32")),
    }
}

fn bytes(text: String) -> Result<Value, String> {
    let illegal = |at| Err(format!("illegal base64 data at input byte {at}"));
    if let Some(at) = illegal_byte(text.as_bytes()) {
        return illegal(at);
    }
    // Go passes over line breaks, and over bits that no byte has.
    const LENIENT: GeneralPurpose =
        GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));
    match LENIENT.decode(text.replace(['\r', '\n'], "")) {
        Ok(bytes) => Ok(Value::String(LENIENT.encode(bytes))),
        Err(_) => illegal(text.len()),
    }
}

/// Where Go gives up on base64: digits in fours, the last four filled up with `=`.
fn illegal_byte(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut next = || {
        while text.get(at).is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
            at += 1;
        }
        at += 1;
        text.get(at - 1).map(|byte| (at - 1, *byte))
    };
    let mut count = 0;
    loop {
        match next() {
            None if count == 0 => return None,
            None => return Some(text.len() - count),
            Some((_, byte)) if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/') => count = (count + 1) % 4,
            Some((_, b'=')) if count == 3 => break,
            Some((at, b'=')) if count == 2 => match next() {
                None => return Some(text.len()),
                Some((_, b'=')) => break,
                Some(_) => return Some(at),
            },
            Some((at, _)) => return Some(at),
        }
    }
    next().map(|(at, _)| at)
}

/// Go prints a whole number without a fraction.
pub(super) fn double(number: Number) -> Number {
    let text = number.to_string();
    match text.strip_suffix(".0").and_then(|whole| whole.parse::<i64>().ok()) {
        Some(whole) => whole.into(),
        None => number,
    }
}
