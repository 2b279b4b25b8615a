//! What the types say of a field to a strategic merge patch: how it is merged, and the type of what it holds.
//!
//! Upstream: `k8s.io/apimachinery/pkg/util/strategicpatch/meta.go` and `third_party/forked/golang/json`.

use crate::k8s::meta::status::quote;
use crate::k8s::schema::{Field, Message, MessageId, PatchStrategy, Schema, Shape, Type};

/// A type as Go's reflection sees it.
#[derive(Clone, Copy)]
pub struct Node<'s> {
    schema: &'s Schema,
    kind: Kind<'s>,
}

#[derive(Clone, Copy)]
enum Kind<'s> {
    Struct(&'s Message),
    /// A struct whose content JSON does not show by fields: `Quantity`, `RawExtension`.
    Opaque(&'s str),
    Map(&'s Type),
    List(&'s Type),
    Scalar(&'static str),
}

impl<'s> Node<'s> {
    pub fn of(schema: &'s Schema, message: MessageId) -> Node<'s> {
        let message = schema.message(message);
        let kind = match message.shape {
            Shape::Struct => Kind::Struct(message),
            Shape::Wraps => return Node::of_type(schema, &message.fields[0].ty),
            Shape::Either => Kind::Opaque(message.name),
        };
        Node { schema, kind }
    }

    fn of_type(schema: &'s Schema, ty: &'s Type) -> Node<'s> {
        let kind = match ty {
            Type::Message(id) => return Node::of(schema, *id),
            Type::Map(inner) => Kind::Map(inner),
            Type::List(inner) => Kind::List(inner),
            Type::Bytes => Kind::List(&Type::Int32),
            Type::String => Kind::Scalar("string"),
            Type::Bool => Kind::Scalar("bool"),
            Type::Int32 => Kind::Scalar("int32"),
            Type::Int64 => Kind::Scalar("int64"),
            Type::Double => Kind::Scalar("float64"),
            Type::Time => Kind::Opaque("Time"),
            Type::MicroTime => Kind::Opaque("MicroTime"),
            Type::Quantity => Kind::Opaque("Quantity"),
            Type::IntOrString => Kind::Opaque("IntOrString"),
            Type::Raw => Kind::Opaque("RawExtension"),
        };
        Node { schema, kind }
    }

    /// The field of an object.
    pub fn field(self, key: &str) -> Result<(Node<'s>, PatchStrategy), String> {
        let missing =
            |name: &str| Err(format!("unable to find api field in struct {name} for the json field {}", quote(key)));
        match self.kind {
            Kind::Map(inner) => Ok((Node::of_type(self.schema, inner), PatchStrategy::default())),
            Kind::Struct(message) => match find(self.schema, message, key) {
                Some(field) => Ok((Node::of_type(self.schema, &field.ty), field.patch)),
                None => missing(message.name),
            },
            Kind::Opaque(name) => missing(name),
            _ => {
                let kind = self.go_kind();
                Err(format!("merging an object in json but data type is not map or struct, instead is: {kind}"))
            }
        }
    }

    /// The field of an object that is a list: the type is that of its items.
    pub fn list(self, key: &str) -> Result<(Node<'s>, PatchStrategy), String> {
        let (field, strategy) = self.field(key)?;
        match field.kind {
            Kind::List(Type::List(_)) => Err("unexpected slice of slice".to_owned()),
            Kind::List(inner) => Ok((Node::of_type(self.schema, inner), strategy)),
            _ => Err(format!("expected slice or array type, but got: {}", self.go_kind())),
        }
    }

    pub fn go_kind(self) -> &'static str {
        match self.kind {
            Kind::Struct(_) | Kind::Opaque(_) => "struct",
            Kind::Map(_) => "map",
            Kind::List(_) => "slice",
            Kind::Scalar(name) => name,
        }
    }
}

/// As Go finds a field: exactly, or else whatever the case of its letters.
fn find<'s>(schema: &'s Schema, message: &'s Message, key: &str) -> Option<&'s Field> {
    fn folded<'s>(schema: &'s Schema, message: &'s Message, key: &str) -> Option<&'s Field> {
        message.fields.iter().find_map(|field| match &field.ty {
            Type::Message(inner) if field.is_embedded => folded(schema, schema.message(*inner), key),
            _ => (!field.is_embedded && field.name.eq_ignore_ascii_case(key)).then_some(field),
        })
    }
    schema.field(message, key).or_else(|| folded(schema, message, key))
}
