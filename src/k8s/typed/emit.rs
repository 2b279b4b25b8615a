//! A message being put together: a slot a field, and how Go prints them.

use serde_json::{Map, Value};

use crate::k8s::schema::{Field, Message, Schema, Shape, Type};

/// The fields of a message, by their places.
pub(in crate::k8s) struct Slots<'s> {
    pub message: &'s Message,
    pub values: Vec<Slot<'s>>,
}

pub(in crate::k8s) enum Slot<'s> {
    Absent,
    Value(Value),
    /// The fields of an embedded message, which are the parent's.
    Embedded(Slots<'s>),
}

/// A field of a message that is being put together.
pub(in crate::k8s) struct Found<'s, 'a> {
    pub field: &'s Field,
    pub slot: &'a mut Slot<'s>,
    /// The embedded struct that has it.
    pub embedded: Option<&'s str>,
}

impl<'s> Slots<'s> {
    pub fn new(schema: &'s Schema, message: &'s Message) -> Slots<'s> {
        let empty = |field: &'s Field| match field.ty {
            Type::Message(inner) if field.is_embedded => Slot::Embedded(Slots::new(schema, schema.message(inner))),
            _ => Slot::Absent,
        };
        Slots { message, values: message.fields.iter().map(empty).collect() }
    }

    /// A field by its JSON name, and its slot.
    pub fn find(&mut self, name: &str) -> Option<Found<'s, '_>> {
        for (field, slot) in self.message.fields.iter().zip(&mut self.values) {
            match slot {
                Slot::Embedded(inner) => {
                    let embedded = Some(inner.message.name);
                    if let Some(found) = inner.find(name) {
                        return Some(Found { embedded, ..found });
                    }
                }
                _ if field.name == name => return Some(Found { field, slot, embedded: None }),
                _ => {}
            }
        }
        None
    }

    /// The object as Go prints it.
    pub fn emit(self, schema: &Schema) -> Map<String, Value> {
        let is_present = |slot: &&Slot| !matches!(slot, Slot::Absent);
        let mut map = Map::with_capacity(self.values.iter().filter(is_present).count());
        self.emit_into(schema, &mut map);
        map
    }

    fn emit_into(self, schema: &Schema, map: &mut Map<String, Value>) {
        for (field, slot) in self.message.fields.iter().zip(self.values) {
            match slot {
                Slot::Embedded(inner) => inner.emit_into(schema, map),
                Slot::Absent if field.is_pointer => {
                    if field.is_always_printed {
                        map.insert(field.name.to_owned(), Value::Null);
                    }
                }
                Slot::Value(value) if field.is_pointer => {
                    map.insert(field.name.to_owned(), value);
                }
                slot => {
                    let value = match slot {
                        Slot::Value(value) => value,
                        _ => zero(schema, &field.ty),
                    };
                    if is_printed(schema, field, &value) {
                        map.insert(field.name.to_owned(), value);
                    }
                }
            }
        }
    }
}

/// What Go prints for a value that was never set.
pub(super) fn zero(schema: &Schema, ty: &Type) -> Value {
    match ty {
        Type::String => Value::String(String::new()),
        Type::Bool => Value::Bool(false),
        Type::Int32 | Type::Int64 | Type::Double | Type::IntOrString => Value::from(0),
        Type::Quantity => Value::String("0".to_owned()),
        Type::Bytes | Type::Time | Type::MicroTime | Type::Raw | Type::List(_) | Type::Map(_) => Value::Null,
        Type::Message(id) => {
            let message = schema.message(*id);
            match message.shape {
                Shape::Struct => Value::Object(Slots::new(schema, message).emit(schema)),
                Shape::Wraps => Value::Null,
                Shape::Either if message.alternatives().0.ty == Type::Bool => Value::Bool(false),
                Shape::Either => Value::Null,
            }
        }
    }
}

/// `omitempty` leaves out what is empty, but never a struct.
fn is_printed(schema: &Schema, field: &Field, value: &Value) -> bool {
    let is_struct = match &field.ty {
        Type::Time | Type::MicroTime | Type::Quantity | Type::IntOrString | Type::Raw => true,
        Type::Message(id) => schema.message(*id).shape != Shape::Wraps,
        _ => false,
    };
    if is_struct {
        return !(field.omits_zero && value.is_null());
    }
    let is_empty = match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_i64() == Some(0) || number.to_string() == "0.0",
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    };
    field.is_always_printed || !is_empty
}
