//! From bytes to an object in the form of its type. The bytes may be anybody's.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

use super::wire::{BYTES, Content, Reader, VARINT};
use super::{DEPTH_MAX, MAGIC};
use crate::k8s::meta::quantity::Quantity;
use crate::k8s::meta::time::{Precision, Time};
use crate::k8s::schema::{Field, MessageId, Schema, Shape, Type};
use crate::k8s::typed::{Found, Slot, Slots};

pub(super) fn message(schema: &Schema, id: MessageId, bytes: &[u8]) -> Result<Value, String> {
    Decoder { schema }.message(id, bytes, 0)
}

/// What one field holds that is no list and no map.
pub(super) fn one(schema: &Schema, field: &Field, ty: &Type, content: Content) -> Result<Value, String> {
    Decoder { schema }.value(field, ty, content, 0)
}

struct Decoder<'s> {
    schema: &'s Schema,
}

/// The pieces of a message that stands once but was written more than once: upstream merges them.
type Pieces<'a> = BTreeMap<usize, Vec<&'a [u8]>>;

impl<'s> Decoder<'s> {
    fn message(&self, id: MessageId, bytes: &[u8], depth: usize) -> Result<Value, String> {
        if depth == DEPTH_MAX {
            return Err(format!("messages nested deeper than {DEPTH_MAX} levels"));
        }
        let message = self.schema.message(id);
        let mut slots = Slots::new(self.schema, message);
        self.fill(&mut slots, bytes, depth)?;
        match message.shape {
            Shape::Struct => Ok(Value::Object(slots.emit(self.schema))),
            Shape::Wraps => Ok(match slots.values.pop() {
                Some(Slot::Value(items)) => items,
                // A message without items is a list without items; it is there.
                _ => Value::Array(Vec::new()),
            }),
            Shape::Either => {
                let (plain, schema) = message.alternatives();
                let mut value = |field: &Field| match slots.find(field.name) {
                    Some(Found { slot: Slot::Value(value), .. }) => Some(std::mem::take(value)),
                    _ => None,
                };
                let absent = if plain.ty == Type::Bool { Value::Bool(false) } else { Value::Null };
                // A bool may stand beside a schema, an array not.
                let found = if plain.ty == Type::Bool {
                    value(schema).or_else(|| value(plain))
                } else {
                    value(plain).or_else(|| value(schema))
                };
                Ok(found.unwrap_or(absent))
            }
        }
    }

    fn fill(&self, slots: &mut Slots<'s>, bytes: &[u8], depth: usize) -> Result<(), String> {
        let message = slots.message;
        let mut reader = Reader::new(bytes);
        let mut pieces = Pieces::new();
        while let Some(raw) = reader.next(message.name)? {
            let known = message.by_number.binary_search_by_key(&raw.number, |place| message.fields[*place].number);
            let Ok(known) = known else { continue };
            let place = message.by_number[known];
            let field = &message.fields[place];
            match (&field.ty, raw.content) {
                (Type::Message(_), Content::Bytes(piece)) => pieces.entry(place).or_default().push(piece),
                (_, content) => self.put(field, &mut slots.values[place], content, depth)?,
            }
        }
        for (field, slot) in message.fields.iter().zip(&mut slots.values) {
            if let (Type::Map(_), Slot::Value(Value::Object(map))) = (&field.ty, slot) {
                map.sort_keys();
            }
        }
        for (place, pieces) in pieces {
            let whole = if let [one] = pieces[..] { one } else { &pieces.concat() };
            match &mut slots.values[place] {
                Slot::Embedded(inner) => {
                    if depth == DEPTH_MAX {
                        return Err(format!("messages nested deeper than {DEPTH_MAX} levels"));
                    }
                    self.fill(inner, whole, depth + 1)?;
                }
                slot => {
                    *slot = Slot::Value(self.value(
                        &message.fields[place],
                        &message.fields[place].ty,
                        Content::Bytes(whole),
                        depth,
                    )?)
                }
            }
        }
        Ok(())
    }

    /// One more field of a message.
    fn put(&self, field: &Field, slot: &mut Slot, content: Content, depth: usize) -> Result<(), String> {
        match &field.ty {
            Type::List(inner) => {
                if !matches!(slot, Slot::Value(_)) {
                    *slot = Slot::Value(Value::Array(Vec::new()));
                }
                let Slot::Value(Value::Array(items)) = slot else { unreachable!("a list's slot holds a list") };
                let is_number = matches!(**inner, Type::Bool | Type::Int32 | Type::Int64);
                match content {
                    Content::Bytes(packed) if is_number => {
                        let mut reader = Reader::new(packed);
                        while !reader.is_empty() {
                            items.push(self.value(field, inner, Content::Varint(reader.varint()?), depth)?);
                        }
                    }
                    content => items.push(self.value(field, inner, content, depth)?),
                }
            }
            Type::Map(inner) => {
                if !matches!(slot, Slot::Value(_)) {
                    *slot = Slot::Value(Value::Object(Map::new()));
                }
                let Slot::Value(Value::Object(map)) = slot else { unreachable!("a map's slot holds a map") };
                let (key, value) = self.entry(field, inner, content, depth)?;
                map.insert(key, value);
            }
            ty => *slot = Slot::Value(self.value(field, ty, content, depth)?),
        }
        Ok(())
    }

    fn entry(&self, field: &Field, ty: &Type, content: Content, depth: usize) -> Result<(String, Value), String> {
        let Content::Bytes(bytes) = content else { return Err(wrong_wire(field, content)) };
        let (mut key, mut value) = (String::new(), None);
        let mut reader = Reader::new(bytes);
        while let Some(raw) = reader.next(field.name)? {
            match (raw.number, raw.content) {
                (1, Content::Bytes(bytes)) => key = String::from_utf8_lossy(bytes).into_owned(),
                (2, content) => value = Some(self.value(field, ty, content, depth)?),
                _ => {}
            }
        }
        let value = match value {
            Some(value) => value,
            None => self.value(field, ty, zero(ty), depth)?,
        };
        Ok((key, value))
    }

    fn value(&self, field: &Field, ty: &Type, content: Content, depth: usize) -> Result<Value, String> {
        Ok(match (ty, content) {
            (Type::String, Content::Bytes(bytes)) => String::from_utf8_lossy(bytes).into(),
            (Type::Bytes, Content::Bytes(bytes)) => STANDARD.encode(bytes).into(),
            (Type::Bool, Content::Varint(value)) => (value != 0).into(),
            (Type::Int32, Content::Varint(value)) => (value as i32).into(),
            (Type::Int64, Content::Varint(value)) => (value as i64).into(),
            (Type::Double, Content::Fixed64(bits)) => {
                // No number stands for infinity in JSON, and Go refuses to print it.
                let number = Number::from_f64(f64::from_bits(bits)).ok_or("json: unsupported value")?;
                Value::Number(crate::k8s::typed::double(number))
            }
            (Type::Time, Content::Bytes(bytes)) => time(bytes, Precision::Seconds)?,
            (Type::MicroTime, Content::Bytes(bytes)) => time(bytes, Precision::Micros)?,
            (Type::Quantity, Content::Bytes(bytes)) => quantity(bytes)?,
            (Type::IntOrString, Content::Bytes(bytes)) => int_or_string(bytes)?,
            (Type::Raw, Content::Bytes(bytes)) => self.raw(bytes)?,
            (Type::Message(id), Content::Bytes(bytes)) => self.message(*id, bytes, depth + 1)?,
            (_, content) => return Err(wrong_wire(field, content)),
        })
    }

    /// JSON within Protobuf; in a watch of Protobuf, an object within Protobuf.
    fn raw(&self, bytes: &[u8]) -> Result<Value, String> {
        let raw = last_bytes(bytes, 1, "RawExtension")?.unwrap_or_default();
        if raw.is_empty() {
            return Ok(Value::Null);
        }
        if raw.starts_with(&MAGIC) {
            return super::from_bytes(self.schema, raw);
        }
        serde_json::from_slice(raw).map_err(|error| error.to_string())
    }
}

fn wrong_wire(field: &Field, content: Content) -> String {
    format!("proto: wrong wireType = {} for field {}", content.wire(), field.name)
}

/// What an entry of a map holds if it says nothing.
fn zero(ty: &Type) -> Content<'static> {
    match ty {
        Type::Bool | Type::Int32 | Type::Int64 => Content::Varint(0),
        Type::Double => Content::Fixed64(0),
        _ => Content::Bytes(&[]),
    }
}

/// The last piece of bytes with this number in a message.
fn last_bytes<'a>(bytes: &'a [u8], number: u32, message: &str) -> Result<Option<&'a [u8]>, String> {
    let (mut reader, mut last) = (Reader::new(bytes), None);
    while let Some(raw) = reader.next(message)? {
        if let (true, Content::Bytes(bytes)) = (raw.number == number, raw.content) {
            last = Some(bytes);
        }
    }
    Ok(last)
}

fn time(bytes: &[u8], precision: Precision) -> Result<Value, String> {
    let (mut reader, mut time) = (Reader::new(bytes), None);
    while let Some(raw) = reader.next("Timestamp")? {
        let Content::Varint(value) = raw.content else { continue };
        let time = time.get_or_insert(Time { seconds: 0, nanos: 0 });
        match raw.number {
            1 => time.seconds = value as i64,
            2 => time.nanos = value as u32 % 1_000_000_000,
            _ => {}
        }
    }
    let Some(time) = time.filter(|time| !time.is_zero()) else { return Ok(Value::Null) };
    if !(Time::ZERO.seconds..=Time::MAX_SECONDS).contains(&time.seconds) {
        // Go's words when such a moment is printed as JSON.
        return Err("Time.MarshalJSON: year outside of range [0,9999]".to_owned());
    }
    Ok(time.truncated(precision).format(precision).into())
}

fn quantity(bytes: &[u8]) -> Result<Value, String> {
    let text = last_bytes(bytes, 1, "Quantity")?.unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    if text.is_empty() {
        return Ok("0".into());
    }
    Ok(Quantity::parse(&text).map_err(|error| error.to_string())?.to_string().into())
}

fn int_or_string(bytes: &[u8]) -> Result<Value, String> {
    let (mut reader, mut is_text, mut int, mut text) = (Reader::new(bytes), false, 0, String::new());
    while let Some(raw) = reader.next("IntOrString")? {
        match (raw.number, raw.content) {
            (1, Content::Varint(kind)) => is_text = kind != 0,
            (2, Content::Varint(value)) => int = value as i32,
            (3, Content::Bytes(bytes)) => text = String::from_utf8_lossy(bytes).into_owned(),
            (1 | 2, content) if content.wire() != VARINT => {
                return Err("proto: wrong wireType for IntOrString".to_owned());
            }
            (3, content) if content.wire() != BYTES => return Err("proto: wrong wireType for IntOrString".to_owned()),
            _ => {}
        }
    }
    Ok(if is_text { text.into() } else { int.into() })
}
