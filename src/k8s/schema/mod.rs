//! The types of the Kubernetes API: a table of messages and their fields, read from the text files beside this one.
//!
//! Upstream has the same facts in the tags and markers of its Go types (`k8s.io/api/**/types.go`, 1.36, and those of 1.37
//! that its fixtures show). One file holds one group version:
//!
//! ```text
//! version apps/v1                                  the apiVersion of its objects
//!
//! Deployment object                                a message; an `object` has kind and apiVersion
//! 2 spec DeploymentSpec                            number in Protobuf, name in JSON, type
//!
//! DeploymentSpec
//! 1 replicas *int32                                `*`: a pointer in Go, so that absent and zero differ
//! 3 template core.v1.PodTemplateSpec always required
//! ```
//!
//! A field named `.` is embedded: one message in Protobuf, the fields of its parent in JSON. A `-` for a number: in JSON only.
//! After a colon stands the name of a Go type that is not a struct. Flags of messages: `object`, `atomic`, `wraps` (a list
//! that is a message in Protobuf), `either` (a message in Protobuf, one of its fields in JSON). Flags of fields: `always`
//! (printed even if empty), `omitzero`, `required`, `list=` and `atomic` (what server-side apply owns as one),
//! `patch=` (strategic merge patch) and `default=`. Fields are in Go's order, in which JSON is printed.

mod parse;
mod tables;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value;

/// All types.
#[derive(Debug)]
pub struct Schema {
    messages: Vec<Message>,
    by_name: BTreeMap<(&'static str, &'static str), MessageId>,
    /// The package that holds the objects of an apiVersion.
    packages: BTreeMap<&'static str, &'static str>,
}

/// A message's place in the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(u16);

#[derive(Debug)]
pub struct Message {
    /// As in Go: `PodSpec`.
    pub name: &'static str,
    /// `core.v1`.
    pub package: &'static str,
    pub shape: Shape,
    /// It has kind and apiVersion of its own.
    pub is_object: bool,
    /// Server-side apply owns it as one.
    pub is_atomic: bool,
    /// In Go's order.
    pub fields: Vec<Field>,
    /// Those with a number, ascending, as places in `fields`.
    pub by_number: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Struct,
    /// A list in JSON, a message with one repeated field in Protobuf.
    Wraps,
    /// One of the fields in JSON (a bool or an array, or else the schema), a message in Protobuf.
    Either,
}

#[derive(Debug)]
pub struct Field {
    /// Zero for a field that Protobuf does not carry.
    pub number: u32,
    /// In JSON; nothing if embedded.
    pub name: &'static str,
    pub ty: Type,
    /// Go's name of a named type that is no struct: `v1.Protocol`.
    pub go_type: Option<String>,
    pub is_pointer: bool,
    /// Its fields are the parent's in JSON.
    pub is_embedded: bool,
    /// Printed even if empty: Go's tag lacks `omitempty`.
    pub is_always_printed: bool,
    /// Not printed if zero, although a struct.
    pub omits_zero: bool,
    pub is_required: bool,
    pub list: ListType,
    /// Whether `list` is said, or what it is when nothing is.
    pub is_list_said: bool,
    pub is_atomic: bool,
    pub patch: PatchStrategy,
    pub default: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    String,
    /// Base64 in JSON.
    Bytes,
    Bool,
    Int32,
    Int64,
    Double,
    /// Seconds, RFC 3339.
    Time,
    /// Microseconds, RFC 3339.
    MicroTime,
    Quantity,
    IntOrString,
    /// JSON of any shape, kept as it is: `runtime.RawExtension`, `metav1.FieldsV1`, `apiextensions.JSON`.
    Raw,
    Message(MessageId),
    List(Box<Type>),
    Map(Box<Type>),
}

/// How server-side apply sees a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListType {
    /// As one value; what it is when nothing is said.
    Atomic,
    Set,
    /// By these fields of the items.
    Map(Vec<&'static str>),
}

/// How a strategic merge patch sees a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PatchStrategy {
    /// Items are merged: by this field, or as a set if it is empty.
    pub merge_key: Option<&'static str>,
    /// Fields that the patch lacks are dropped.
    pub retains_keys: bool,
    /// The patch takes the place of the whole.
    pub replaces: bool,
}

impl Schema {
    /// The types of the real API.
    pub fn kubernetes() -> &'static Schema {
        static SCHEMA: OnceLock<Schema> = OnceLock::new();
        SCHEMA.get_or_init(|| parse::parse(&tables::TABLES))
    }

    pub fn message(&self, id: MessageId) -> &Message {
        &self.messages[usize::from(id.0)]
    }

    /// A message by package and name: `core.v1`, `PodSpec`.
    pub fn find(&self, package: &str, name: &str) -> Option<MessageId> {
        self.by_name.get(&(package, name)).copied()
    }

    /// The message of an object: `apps/v1`, `Deployment`. Kinds of `meta/v1` belong to every group.
    pub fn kind(&self, api_version: &str, kind: &str) -> Option<MessageId> {
        let package = self.packages.get(api_version)?;
        let is_object = |id: &MessageId| self.message(*id).is_object;
        let own = self.find(package, kind).filter(is_object);
        let shared = || self.find("meta.v1", kind).filter(|id| is_object(id) || kind == "WatchEvent");
        own.or_else(shared)
    }

    /// The package of an apiVersion: `core.v1`.
    pub fn package(&self, api_version: &str) -> Option<&'static str> {
        self.packages.get(api_version).copied()
    }

    /// The group versions whose objects are known.
    pub fn group_versions(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.packages.keys().copied()
    }

    pub fn messages(&self) -> impl Iterator<Item = (MessageId, &Message)> {
        self.messages.iter().enumerate().map(|(place, message)| (MessageId(place as u16), message))
    }

    /// A field by its JSON name, embedded ones included.
    pub fn field<'a>(&'a self, message: &'a Message, name: &str) -> Option<&'a Field> {
        message.fields.iter().find_map(|field| match &field.ty {
            Type::Message(inner) if field.is_embedded => self.field(self.message(*inner), name),
            _ => (field.name == name && !field.is_embedded).then_some(field),
        })
    }
}

impl Message {
    pub fn numbered(&self) -> impl Iterator<Item = &Field> {
        self.by_number.iter().map(|place| &self.fields[*place])
    }

    /// Of a message of which one field stands in JSON: the bool or array, and the schema.
    pub fn alternatives(&self) -> (&Field, &Field) {
        assert_eq!(self.shape, Shape::Either);
        let is_schema = |field: &&Field| matches!(field.ty, Type::Message(_));
        let schema = self.fields.iter().find(is_schema).expect("one of two is a schema");
        let plain = self.fields.iter().find(|field| !is_schema(field)).expect("one of two is not");
        (plain, schema)
    }
}

impl Type {
    /// The message of this type, of its items or of its values.
    pub fn inner_message(&self) -> Option<MessageId> {
        match self {
            Type::Message(id) => Some(*id),
            Type::List(inner) | Type::Map(inner) => inner.inner_message(),
            _ => None,
        }
    }
}
