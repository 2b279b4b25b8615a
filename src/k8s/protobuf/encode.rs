//! From an object in the form of its type to bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::wire::{self, put_bytes, put_number};
use crate::k8s::meta::time::{Precision, Time};
use crate::k8s::schema::{Field, Message, MessageId, Schema, Shape, Type};

/// An object too deep was never read, so that depth needs no bound here.
pub(super) fn message(schema: &Schema, id: MessageId, value: &Value) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    Encoder { schema }.message(id, value, &mut out)?;
    Ok(out)
}

struct Encoder<'s> {
    schema: &'s Schema,
}

/// A missing value is the zero of its type.
const ZERO: &Value = &Value::Null;

impl Encoder<'_> {
    fn message(&self, id: MessageId, value: &Value, out: &mut Vec<u8>) -> Result<(), String> {
        let message = self.schema.message(id);
        match (message.shape, value) {
            (Shape::Struct, Value::Object(map)) => self.fields(message, map, out),
            (Shape::Struct, Value::Null) => self.fields(message, &Map::new(), out),
            (Shape::Struct, _) => Err(format!("{} is an object, not {value}", message.name)),
            (Shape::Wraps, _) => self.field(&message.fields[0], value, out),
            (Shape::Either, _) => self.either(message, value, out),
        }
    }

    fn fields(&self, message: &Message, map: &Map<String, Value>, out: &mut Vec<u8>) -> Result<(), String> {
        for field in message.numbered() {
            match field.ty {
                Type::Message(inner) if field.is_embedded => {
                    let mut bytes = Vec::new();
                    self.fields(self.schema.message(inner), map, &mut bytes)?;
                    put_bytes(out, field.number, &bytes);
                }
                _ => {
                    let value = map.get(field.name).unwrap_or(ZERO);
                    self.field(field, value, out).map_err(|error| within(field.name, &error))?;
                }
            }
        }
        Ok(())
    }

    fn either(&self, message: &Message, value: &Value, out: &mut Vec<u8>) -> Result<(), String> {
        let (plain, schema) = message.alternatives();
        let allows = Value::Bool(!matches!(value, Value::Bool(false) | Value::Null));
        for field in message.numbered() {
            let value = match (std::ptr::eq(field, schema), value) {
                (true, Value::Object(_)) => value,
                (true, _) => continue,
                (false, _) if plain.ty == Type::Bool => &allows,
                (false, Value::Object(_)) => continue,
                (false, _) => value,
            };
            self.field(field, value, out)?;
        }
        Ok(())
    }

    fn field(&self, field: &Field, value: &Value, out: &mut Vec<u8>) -> Result<(), String> {
        let is_slice = |id: MessageId| self.schema.message(id).shape == Shape::Wraps;
        match (&field.ty, value) {
            // What Go holds as nil is not written.
            (Type::List(_) | Type::Map(_) | Type::Bytes, Value::Null) => Ok(()),
            (_, Value::Null) if field.is_pointer => Ok(()),
            (Type::Message(id), Value::Null) if is_slice(*id) => Ok(()),
            (Type::List(inner), Value::Array(items)) => {
                items.iter().try_for_each(|item| self.value(field.number, inner, item, out))
            }
            (Type::Map(inner), Value::Object(map)) => {
                let mut entries: Vec<(&String, &Value)> = map.iter().collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                for (key, value) in entries {
                    let mut entry = Vec::new();
                    put_bytes(&mut entry, 1, key.as_bytes());
                    self.value(2, inner, value, &mut entry)?;
                    put_bytes(out, field.number, &entry);
                }
                Ok(())
            }
            (ty, _) => self.value(field.number, ty, value, out),
        }
    }

    fn value(&self, number: u32, ty: &Type, value: &Value, out: &mut Vec<u8>) -> Result<(), String> {
        let wrong = || format!("{value} is not of the type of its field");
        match (ty, value) {
            (Type::String, Value::String(text)) => put_bytes(out, number, text.as_bytes()),
            (Type::String, Value::Null) => put_bytes(out, number, b""),
            (Type::Bytes, Value::String(text)) => put_bytes(out, number, &STANDARD.decode(text).map_err(|_| wrong())?),
            (Type::Bytes, Value::Null) => put_bytes(out, number, b""),
            (Type::Bool, Value::Bool(_) | Value::Null) => {
                put_number(out, number, u64::from(value == &Value::Bool(true)))
            }
            (Type::Int32 | Type::Int64, Value::Number(_) | Value::Null) => {
                let int = if value.is_null() { 0 } else { value.as_i64().ok_or_else(wrong)? };
                put_number(out, number, int as u64);
            }
            (Type::Double, Value::Number(_) | Value::Null) => {
                wire::put_tag(out, number, wire::FIXED64);
                out.extend_from_slice(&value.as_f64().unwrap_or_default().to_bits().to_le_bytes());
            }
            (Type::Time, _) => put_bytes(out, number, &time(value, Precision::Seconds)?),
            (Type::MicroTime, _) => put_bytes(out, number, &time(value, Precision::Micros)?),
            (Type::Quantity, Value::String(_) | Value::Null) => {
                let mut text = Vec::new();
                put_bytes(&mut text, 1, value.as_str().unwrap_or("0").as_bytes());
                put_bytes(out, number, &text);
            }
            (Type::IntOrString, _) => put_bytes(out, number, &int_or_string(value).ok_or_else(wrong)?),
            (Type::Raw, _) => {
                let mut raw = Vec::new();
                if !value.is_null() {
                    put_bytes(&mut raw, 1, value.to_string().as_bytes());
                }
                put_bytes(out, number, &raw);
            }
            (Type::Message(id), _) => {
                let mut bytes = Vec::new();
                self.message(*id, value, &mut bytes)?;
                put_bytes(out, number, &bytes);
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }
}

/// Where in an object something is wrong: `spec.replicas: …`.
fn within(name: &str, error: &str) -> String {
    let separator =
        if error.starts_with(|c: char| c.is_ascii_alphabetic()) && error.contains(": ") { "." } else { ": " };
    format!("{name}{separator}{error}")
}

fn time(value: &Value, precision: Precision) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let Some(text) = value.as_str() else {
        return if value.is_null() { Ok(out) } else { Err(format!("{value} is no time")) };
    };
    let time = Time::parse(text, precision)?.truncated(precision);
    if !time.is_zero() {
        put_number(&mut out, 1, time.seconds as u64);
        put_number(&mut out, 2, time.nanos.into());
    }
    Ok(out)
}

fn int_or_string(value: &Value) -> Option<Vec<u8>> {
    let (kind, int, text) = match value {
        Value::Null => (0, 0, ""),
        Value::Number(number) => (0, number.as_i64()?, ""),
        Value::String(text) => (1, 0, &text[..]),
        _ => return None,
    };
    let mut out = Vec::new();
    put_number(&mut out, 1, kind);
    put_number(&mut out, 2, int as u64);
    put_bytes(&mut out, 3, text.as_bytes());
    Some(out)
}
