//! Types as a structured merge sees them: what of a value is a leaf, what is a list by keys, what a map of named fields.
//!
//! Upstream: `sigs.k8s.io/structured-merge-diff/v6/schema`, built from OpenAPI by `kube-openapi/pkg/schemaconv`. Built-in
//! kinds are described by the schema of this crate, custom resources by the structural schemas of their definitions.

use serde_json::{Map, Value};

use crate::k8s::schema::{Field, ListType, Message, MessageId, Schema, Shape, Type};
use crate::k8s::typed;

/// The types of one kind.
#[derive(Clone, Copy)]
pub struct Types<'t> {
    pub(super) schema: &'t Schema,
    pub(super) root: TypeRef<'t>,
    kind: Option<MessageId>,
}

/// A type, not looked into.
#[derive(Clone, Copy)]
pub enum TypeRef<'t> {
    Message(MessageId),
    Field(&'t Field),
    Plain(&'t Type),
    /// A node of a structural schema; the outermost and embedded objects have metadata.
    Custom(&'t Value, IsObject),
    Named(Scalar),
    /// What a value looks like: maps by field, lists as one.
    Deduced,
    /// Everything as one.
    Opaque,
}

/// Whether a value has apiVersion, kind and metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IsObject(pub bool);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    Numeric,
    String,
    Boolean,
    Untyped,
}

/// What a type allows: at most one of each.
#[derive(Default)]
pub struct Atom<'t> {
    pub scalar: Option<Scalar>,
    pub list: Option<ListAtom<'t>>,
    pub map: Option<MapAtom<'t>>,
}

pub struct ListAtom<'t> {
    pub item: TypeRef<'t>,
    pub relation: Relation<'t>,
}

pub enum Relation<'t> {
    Atomic,
    Set,
    Map(Vec<&'t str>),
}

pub struct MapAtom<'t> {
    fields: Fields<'t>,
    /// The type of fields that have no name.
    pub element: Option<TypeRef<'t>>,
    pub is_atomic: bool,
}

enum Fields<'t> {
    None,
    Message(&'t Message),
    Custom(Option<&'t Map<String, Value>>, IsObject),
}

impl<'t> Types<'t> {
    /// A built-in kind.
    pub fn kind(schema: &'t Schema, kind: MessageId) -> Types<'t> {
        Types { schema, root: TypeRef::Message(kind), kind: Some(kind) }
    }

    /// A custom resource: the `openAPIV3Schema` of a version, or nothing.
    pub fn custom(schema: &'t Schema, structural: Option<&'t Value>) -> Types<'t> {
        let root = structural.map_or(TypeRef::Deduced, |structural| TypeRef::Custom(structural, IsObject(true)));
        Types { schema, root, kind: None }
    }

    /// An object as Go prints it when nothing is set.
    pub(super) fn empty(&self) -> Value {
        let empty = Value::Object(Map::new());
        match self.kind {
            Some(kind) => typed::decode(self.schema, kind, empty).map_or(Value::Null, |decoded| decoded.value),
            None => empty,
        }
    }

    /// A merged object in the form of its type.
    pub(super) fn settle(&self, object: Value) -> Result<Value, String> {
        match self.kind {
            Some(kind) => typed::decode(self.schema, kind, object).map(|decoded| decoded.value),
            None => Ok(object),
        }
    }
}

impl<'t> TypeRef<'t> {
    pub fn resolve(self, schema: &'t Schema) -> Atom<'t> {
        match self {
            TypeRef::Message(id) => message(schema, id, false),
            TypeRef::Plain(ty) => plain(schema, ty, &ListType::Atomic, false),
            TypeRef::Field(field) => plain(schema, &field.ty, &field.list, field.is_atomic),
            TypeRef::Custom(node, is_object) => custom(node, is_object),
            TypeRef::Named(scalar) => Atom { scalar: Some(scalar), ..Atom::default() },
            TypeRef::Deduced => anything(TypeRef::Deduced, false),
            TypeRef::Opaque => anything(TypeRef::Opaque, true),
        }
    }
}

fn anything<'t>(inner: TypeRef<'t>, is_atomic: bool) -> Atom<'t> {
    Atom {
        scalar: Some(Scalar::Untyped),
        list: Some(ListAtom { item: TypeRef::Opaque, relation: Relation::Atomic }),
        map: Some(MapAtom { fields: Fields::None, element: Some(inner), is_atomic }),
    }
}

fn message<'t>(schema: &'t Schema, id: MessageId, is_atomic: bool) -> Atom<'t> {
    let message = schema.message(id);
    match message.shape {
        Shape::Wraps => plain(schema, &message.fields[0].ty, &ListType::Atomic, false),
        Shape::Either => anything(TypeRef::Deduced, false),
        Shape::Struct => {
            // An object that no field is known of takes any.
            let element = message.fields.is_empty().then_some(TypeRef::Deduced);
            let is_atomic = is_atomic || message.is_atomic;
            let map = MapAtom { fields: Fields::Message(message), element, is_atomic };
            Atom { map: Some(map), ..Atom::default() }
        }
    }
}

fn plain<'t>(schema: &'t Schema, ty: &'t Type, list: &'t ListType, is_atomic: bool) -> Atom<'t> {
    let scalar = |scalar| Atom { scalar: Some(scalar), ..Atom::default() };
    match ty {
        Type::String | Type::Bytes => scalar(Scalar::String),
        Type::Bool => scalar(Scalar::Boolean),
        Type::Int32 | Type::Int64 | Type::Double => scalar(Scalar::Numeric),
        Type::Time | Type::MicroTime | Type::Quantity | Type::IntOrString => scalar(Scalar::Untyped),
        Type::Raw => anything(TypeRef::Deduced, false),
        Type::Message(id) => message(schema, *id, is_atomic),
        Type::List(inner) => {
            let relation = match list {
                ListType::Atomic => Relation::Atomic,
                ListType::Set => Relation::Set,
                ListType::Map(keys) => Relation::Map(keys.clone()),
            };
            Atom { list: Some(ListAtom { item: TypeRef::Plain(inner), relation }), ..Atom::default() }
        }
        Type::Map(inner) => {
            let map = MapAtom { fields: Fields::None, element: Some(TypeRef::Plain(inner)), is_atomic };
            Atom { map: Some(map), ..Atom::default() }
        }
    }
}

fn custom(node: &Value, is_object: IsObject) -> Atom<'_> {
    let scalar = |scalar| Atom { scalar: Some(scalar), ..Atom::default() };
    match node["type"].as_str().unwrap_or_default() {
        "object" => Atom { map: Some(custom_map(node, is_object)), ..Atom::default() },
        "array" => Atom { list: Some(custom_list(node)), ..Atom::default() },
        "integer" | "number" => scalar(Scalar::Numeric),
        "boolean" => scalar(Scalar::Boolean),
        "string" if matches!(node["format"].as_str(), None | Some("" | "byte")) => scalar(Scalar::String),
        "string" => scalar(Scalar::Untyped),
        _ => Atom {
            scalar: Some(Scalar::Untyped),
            list: Some(custom_list(node)),
            map: Some(custom_map(node, is_object)),
        },
    }
}

fn custom_map(node: &Value, is_object: IsObject) -> MapAtom<'_> {
    let properties = node["properties"].as_object().filter(|properties| !properties.is_empty());
    let keeps_unknown = node["x-kubernetes-preserve-unknown-fields"] == true;
    let is_object = IsObject(is_object.0 || node["x-kubernetes-embedded-resource"] == true);
    let element = match &node["additionalProperties"] {
        Value::Bool(false) => None,
        Value::Bool(true) => Some(TypeRef::Deduced),
        Value::Null => (keeps_unknown || (properties.is_none() && !is_object.0)).then_some(TypeRef::Deduced),
        inner => Some(TypeRef::Custom(inner, IsObject(false))),
    };
    let is_atomic = node["x-kubernetes-map-type"] == "atomic";
    MapAtom { fields: Fields::Custom(properties, is_object), element, is_atomic }
}

fn custom_list(node: &Value) -> ListAtom<'_> {
    let item = match &node["items"] {
        items @ Value::Object(_) => TypeRef::Custom(items, IsObject(false)),
        _ => TypeRef::Opaque,
    };
    let relation = match node["x-kubernetes-list-type"].as_str() {
        Some("set") => Relation::Set,
        Some("map") => {
            let keys = node["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
            Relation::Map(keys.filter_map(Value::as_str).collect())
        }
        _ => Relation::Atomic,
    };
    ListAtom { item, relation }
}

impl<'t> MapAtom<'t> {
    /// A field that has a name of its own.
    pub fn field(&self, schema: &'t Schema, name: &str) -> Option<TypeRef<'t>> {
        match &self.fields {
            Fields::None => None,
            Fields::Message(message) => schema.field(message, name).map(TypeRef::Field),
            Fields::Custom(properties, is_object) => {
                let own = properties.and_then(|properties| properties.get(name));
                match name {
                    "apiVersion" | "kind" if is_object.0 => Some(TypeRef::Named(Scalar::String)),
                    "metadata" if is_object.0 => schema.find("meta.v1", "ObjectMeta").map(TypeRef::Message),
                    _ => own.map(|node| TypeRef::Custom(node, IsObject(false))),
                }
            }
        }
    }

    /// What a key that an item lacks stands for.
    pub fn default(&self, schema: &'t Schema, name: &str) -> Option<Value> {
        match &self.fields {
            Fields::None => None,
            Fields::Message(message) => {
                let field = schema.field(message, name)?;
                field.default.clone().or_else(|| zero(field))
            }
            Fields::Custom(properties, _) => properties.as_ref()?.get(name)?.get("default").cloned(),
        }
    }
}

/// What OpenAPI says of a field that is always there.
fn zero(field: &Field) -> Option<Value> {
    match field.ty {
        _ if field.is_pointer || !field.is_always_printed => None,
        Type::String => Some("".into()),
        Type::Int32 | Type::Int64 | Type::Double => Some(0.into()),
        Type::Bool => Some(false.into()),
        _ => None,
    }
}

impl Atom<'_> {
    /// Only what a value is, if the type allows that.
    pub fn deduced(mut self, value: Option<&Value>) -> Self {
        match value {
            Some(Value::Number(_) | Value::String(_) | Value::Bool(_)) if self.scalar.is_some() => {
                (self.list, self.map) = (None, None);
            }
            Some(Value::Array(_)) if self.list.is_some() => (self.scalar, self.map) = (None, None),
            Some(Value::Object(_)) if self.map.is_some() => (self.scalar, self.list) = (None, None),
            _ => {}
        }
        self
    }

    pub fn has_same_forms(&self, other: &Atom) -> bool {
        let forms = |atom: &Atom| (atom.scalar.is_some(), atom.list.is_some(), atom.map.is_some());
        forms(self) == forms(other)
    }
}
