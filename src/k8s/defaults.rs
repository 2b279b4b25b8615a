//! What an API server fills in: the defaults of every type, in every object that holds it.
//!
//! Upstream: `pkg/apis/*/v1/defaults.go`, the `+default` markers, and what conversion to and from the internal types adds
//! (`stringData`, `serviceAccount`, the kind of volume claim templates). Upstream does this to what arrives and to what is
//! read from etcd alike, outer types before inner ones.
//!
//! Not here: what strategies and admission do to an object, such as addresses of a service or a pod's service account.

mod apps;
mod batch;
mod core;
mod others;
mod pods;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use super::meta::quantity::Quantity;
use super::schema::{Message, MessageId, Schema, Shape, Type};
use super::typed;

/// Fills in an object that is in the form of its type, and keeps it in that form.
pub fn apply(schema: &Schema, message: MessageId, mut object: Value) -> Result<Value, String> {
    if let Value::Object(map) = &mut object {
        Walker { schema }.fields(schema.message(message), map);
    }
    typed::decode(schema, message, object).map(|decoded| decoded.value)
}

/// The fields of one message, and no more of the object.
type Fields = Map<String, Value>;

/// The function that fills in a type of its own, if it has one.
fn of(message: &Message) -> Option<fn(&Schema, &mut Fields)> {
    let groups = [core::of, pods::of, apps::of, batch::of, others::of];
    groups.into_iter().find_map(|group| group(message.package, message.name))
}

struct Walker<'s> {
    schema: &'s Schema,
}

impl Walker<'_> {
    fn fields(&self, message: &Message, fields: &mut Fields) {
        if let Some(fill) = of(message) {
            fill(self.schema, fields);
        }
        for field in &message.fields {
            if field.is_embedded {
                if let Type::Message(inner) = field.ty {
                    self.fields(self.schema.message(inner), fields);
                }
                continue;
            }
            if let Some(default) = &field.default {
                let is_zero = |value: &Value| value.is_null() || (!field.is_pointer && (value == "" || value == 0));
                if fields.get(field.name).is_none_or(is_zero) {
                    fields.insert(field.name.to_owned(), default.clone());
                }
            }
            let Some(value) = fields.get_mut(field.name) else { continue };
            if field.go_type.as_deref() == Some("v1.ResourceList") {
                round_up(value);
            }
            self.value(&field.ty, value);
        }
    }

    fn value(&self, ty: &Type, value: &mut Value) {
        match (ty, value) {
            (Type::Message(id), Value::Object(fields)) if self.schema.message(*id).shape == Shape::Struct => {
                self.fields(self.schema.message(*id), fields);
            }
            (Type::List(inner), Value::Array(items)) => items.iter_mut().for_each(|item| self.value(inner, item)),
            (Type::Map(inner), Value::Object(map)) => map.values_mut().for_each(|item| self.value(inner, item)),
            _ => {}
        }
    }
}

/// No amount of a resource is finer than a thousandth.
fn round_up(resources: &mut Value) {
    for amount in resources.as_object_mut().into_iter().flat_map(|map| map.values_mut()) {
        let read = amount.as_str().and_then(|text| Quantity::parse(text).ok());
        if let Some(rounded) = read.and_then(|read| read.rounded_up_to_milli()) {
            *amount = Value::String(rounded.to_string());
        }
    }
}

/// A value for a field that is not there. A zero that is there was written by somebody.
fn fill(fields: &mut Fields, name: &str, default: impl Into<Value>) {
    if fields.get(name).is_none_or(Value::is_null) {
        fields.insert(name.to_owned(), default.into());
    }
}

/// A text for a field that is empty or not there.
fn fill_text(fields: &mut Fields, name: &str, default: &str) {
    if text(fields, name).is_empty() {
        fields.insert(name.to_owned(), default.into());
    }
}

fn text<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn is_absent(fields: &Fields, name: &str) -> bool {
    fields.get(name).is_none_or(Value::is_null)
}

/// A struct within, made if it is not there.
fn inner<'a>(fields: &'a mut Fields, name: &str) -> &'a mut Fields {
    let value = fields.entry(name).or_insert(Value::Null);
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it was made an object")
}

/// The structs of a list.
fn items<'a>(fields: &'a mut Fields, name: &str) -> impl Iterator<Item = &'a mut Fields> {
    let items = fields.get_mut(name).and_then(Value::as_array_mut);
    items.into_iter().flatten().filter_map(Value::as_object_mut)
}
