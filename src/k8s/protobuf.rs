//! Objects as the bytes that lie in etcd: Protobuf as Kubernetes writes it.
//!
//! Upstream: `k8s.io/apimachinery/pkg/runtime/serializer/protobuf` and the generated code of each group. What Go holds by
//! value is always written, even if zero; what it holds by pointer only if it is there. Fields ascend, maps are sorted, so
//! that equal objects have equal bytes. Work is linear in the bytes; depth is bounded.

mod decode;
mod encode;
mod frames;
mod outline;
#[cfg(test)]
mod tests;
mod wire;

use serde_json::{Map, Value};

use super::schema::{MessageId, Schema};
pub use frames::WatchEvent;
pub use outline::{Entry, outline};
use wire::{Content, Reader};

/// What every value begins with.
pub const MAGIC: [u8; 4] = *b"k8s\0";

/// Messages within messages. A schema within a custom resource definition is the only type that holds itself.
const DEPTH_MAX: usize = 256;

/// `runtime.Unknown`: a message and what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    pub api_version: String,
    pub kind: String,
    pub raw: &'a [u8],
    pub content_encoding: String,
    pub content_type: String,
}

/// The bytes of an object that says what it is.
pub fn to_bytes(schema: &Schema, object: &Value) -> Result<Vec<u8>, String> {
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let message = schema.kind(api_version, kind).ok_or_else(|| unregistered(api_version, kind))?;
    let raw = encode(schema, message, object)?;
    Ok(Envelope { api_version: api_version.to_owned(), kind: kind.to_owned(), raw: &raw, ..Envelope::default() }
        .to_bytes())
}

/// The object that bytes hold, with its kind and apiVersion.
pub fn from_bytes(schema: &Schema, bytes: &[u8]) -> Result<Value, String> {
    let envelope = Envelope::from_bytes(bytes)?;
    let (api_version, kind) = (&envelope.api_version[..], &envelope.kind[..]);
    let message = schema.kind(api_version, kind).ok_or_else(|| unregistered(api_version, kind))?;
    let Value::Object(fields) = decode(schema, message, envelope.raw)? else {
        return Err(format!("{kind} is no object"));
    };
    let mut object = Map::new();
    if schema.message(message).is_object {
        object.insert("kind".to_owned(), kind.into());
        object.insert("apiVersion".to_owned(), api_version.into());
    }
    object.extend(fields);
    Ok(Value::Object(object))
}

/// A message without an envelope.
pub fn encode(schema: &Schema, message: MessageId, value: &Value) -> Result<Vec<u8>, String> {
    encode::message(schema, message, value)
}

/// A message without an envelope, in the form of its type.
pub fn decode(schema: &Schema, message: MessageId, bytes: &[u8]) -> Result<Value, String> {
    decode::message(schema, message, bytes)
}

/// As upstream's scheme says it, without the place in its sources.
fn unregistered(api_version: &str, kind: &str) -> String {
    format!("no kind {kind:?} is registered for version {api_version:?}")
}

impl<'a> Envelope<'a> {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut meta = Vec::new();
        wire::put_bytes(&mut meta, 1, self.api_version.as_bytes());
        wire::put_bytes(&mut meta, 2, self.kind.as_bytes());
        let mut out = MAGIC.to_vec();
        wire::put_bytes(&mut out, 1, &meta);
        wire::put_bytes(&mut out, 2, self.raw);
        wire::put_bytes(&mut out, 3, self.content_encoding.as_bytes());
        wire::put_bytes(&mut out, 4, self.content_type.as_bytes());
        out
    }

    pub fn from_bytes(bytes: &'a [u8]) -> Result<Envelope<'a>, String> {
        let Some(body) = bytes.strip_prefix(&MAGIC) else {
            let expected = "expected prefix [107 56 115 0]";
            return Err(format!("provided data does not appear to be a protobuf message, {expected}"));
        };
        let mut envelope = Envelope::default();
        let mut reader = Reader::new(body);
        while let Some(field) = reader.next("Unknown")? {
            let Content::Bytes(content) = field.content else { continue };
            let text = || String::from_utf8_lossy(content).into_owned();
            match field.number {
                1 => envelope.read_type_meta(content)?,
                2 => envelope.raw = content,
                3 => envelope.content_encoding = text(),
                4 => envelope.content_type = text(),
                _ => {}
            }
        }
        Ok(envelope)
    }

    fn read_type_meta(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next("TypeMeta")? {
            let Content::Bytes(content) = field.content else { continue };
            let text = String::from_utf8_lossy(content).into_owned();
            match field.number {
                1 => self.api_version = text,
                2 => self.kind = text,
                _ => {}
            }
        }
        Ok(())
    }
}
