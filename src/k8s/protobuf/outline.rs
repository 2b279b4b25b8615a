//! A value of etcd field by field, with where each lies among the bytes: for those who want to see how it is made.

use serde_json::Value;

use super::wire::{Content, Raw, Reader};
use super::{DEPTH_MAX, Envelope, MAGIC, decode};
use crate::k8s::schema::{Field, MessageId, Schema, Type};

/// A field as it lies in the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub depth: usize,
    pub number: u32,
    /// From the object on, in JSON's names: `metadata.labels[app]`.
    pub path: String,
    /// As in Go: `ObjectMeta`, `Labels`.
    pub name: String,
    /// As in Go: `map[string]string`.
    pub go_type: String,
    /// Nothing of a message, whose fields follow.
    pub value: Option<String>,
    /// Tag and length begin, then the content, and where it ends.
    pub from: usize,
    pub content: usize,
    pub until: usize,
}

/// The envelope and the message in it. At most `entries_max`, and whether there are more.
pub fn outline(schema: &Schema, bytes: &[u8], entries_max: usize) -> Result<(Vec<Entry>, bool), String> {
    let envelope = Envelope::from_bytes(bytes)?;
    let message = schema.kind(&envelope.api_version, &envelope.kind);
    let mut outline = Outline { schema, entries: Vec::new(), entries_max, more: false };
    outline.envelope(&bytes[MAGIC.len()..], message)?;
    Ok((outline.entries, outline.more))
}

struct Outline<'s> {
    schema: &'s Schema,
    entries: Vec<Entry>,
    entries_max: usize,
    more: bool,
}

/// Where a message begins among the bytes, and what leads to it.
struct Place<'a> {
    offset: usize,
    depth: usize,
    path: &'a str,
}

/// The fields of `runtime.Unknown` and of the `TypeMeta` in it.
const ENVELOPE: [(&str, &str); 4] =
    [("TypeMeta", "runtime.TypeMeta"), ("Raw", "[]byte"), ("ContentEncoding", "string"), ("ContentType", "string")];
const TYPE_META: [&str; 2] = ["APIVersion", "Kind"];

impl Outline<'_> {
    fn envelope(&mut self, body: &[u8], message: Option<MessageId>) -> Result<(), String> {
        let mut reader = Reader::new(body);
        while let Some((raw, from, until)) = next(&mut reader, body.len(), MAGIC.len(), "Unknown")? {
            let Content::Bytes(content) = raw.content else { continue };
            let Some((name, go_type)) = (raw.number as usize).checked_sub(1).and_then(|at| ENVELOPE.get(at)) else {
                continue;
            };
            let start = until - content.len();
            let value = (raw.number > 2).then(|| quoted(&String::from_utf8_lossy(content)));
            self.push(0, raw.number, "", name, (*go_type).to_owned(), value, (from, start, until));
            match (raw.number, message) {
                (1, _) => self.type_meta(content, start)?,
                (2, Some(id)) => self.message(id, content, Place { offset: start, depth: 1, path: "" })?,
                _ => {}
            }
        }
        Ok(())
    }

    fn type_meta(&mut self, bytes: &[u8], offset: usize) -> Result<(), String> {
        let mut reader = Reader::new(bytes);
        while let Some((raw, from, until)) = next(&mut reader, bytes.len(), offset, "TypeMeta")? {
            let Content::Bytes(content) = raw.content else { continue };
            let Some(name) = (raw.number as usize).checked_sub(1).and_then(|at| TYPE_META.get(at)) else { continue };
            let (value, path) =
                (quoted(&String::from_utf8_lossy(content)), ["apiVersion", "kind"][raw.number as usize - 1]);
            let bounds = (from, until - content.len(), until);
            self.push(1, raw.number, path, name, "string".to_owned(), Some(value), bounds);
        }
        Ok(())
    }

    fn message(&mut self, id: MessageId, bytes: &[u8], place: Place) -> Result<(), String> {
        let message = self.schema.message(id);
        let mut seen = vec![0; message.fields.len()];
        let mut reader = Reader::new(bytes);
        while let Some((raw, from, until)) = next(&mut reader, bytes.len(), place.offset, message.name)? {
            if self.more || place.depth == DEPTH_MAX {
                self.more = true;
                return Ok(());
            }
            let known = message.by_number.binary_search_by_key(&raw.number, |at| message.fields[*at].number);
            let Ok(at) = known.map(|known| message.by_number[known]) else { continue };
            self.field(&message.fields[at], seen[at], raw, (from, until), &place)?;
            seen[at] += 1;
        }
        Ok(())
    }

    /// One more piece of a field: of a list an item, of a map an entry.
    fn field(
        &mut self,
        field: &Field,
        nth: usize,
        raw: Raw,
        bounds: (usize, usize),
        place: &Place,
    ) -> Result<(), String> {
        let (from, until) = bounds;
        let json_name = if field.is_embedded { "" } else { field.name };
        let dot = if place.path.is_empty() || json_name.is_empty() { "" } else { "." };
        let mut path = format!("{}{dot}{json_name}", place.path);
        let mut name = self.go_name(field);
        let (mut ty, mut content, mut number_of_content) = (&field.ty, raw.content, raw.number);
        if let Type::List(item) = ty {
            path.push_str(&format!("[{nth}]"));
            name.push_str(&format!("[{nth}]"));
            ty = item;
        }
        if let (Type::Map(inner), Content::Bytes(entry)) = (&field.ty, raw.content) {
            let (key, value) = map_entry(entry)?;
            path.push_str(&format!("[{key}]"));
            name.push_str(&format!("[{}]", quoted(&key)));
            (ty, content, number_of_content) = (inner, value, 2);
        }
        let size = if let Content::Bytes(bytes) = content { bytes.len() } else { 0 };
        let start = if size > 0 || number_of_content == 2 { until - size } else { until };
        let go_type = self.go_type(field, ty);
        let value = match ty {
            Type::Message(_) => None,
            _ => Some(self.text(field, ty, content)),
        };
        self.push(place.depth, raw.number, &path, &name, go_type, value, (from, start, until));
        match (ty, content) {
            (Type::Message(id), Content::Bytes(bytes)) => {
                self.message(*id, bytes, Place { offset: until - bytes.len(), depth: place.depth + 1, path: &path })
            }
            _ => Ok(()),
        }
    }

    fn text(&self, field: &Field, ty: &Type, content: Content) -> String {
        if let (Type::Bytes, Content::Bytes(bytes)) = (ty, content) {
            return format!("{} bytes", bytes.len());
        }
        match decode::one(self.schema, field, ty, content) {
            Ok(Value::String(text)) => quoted(&text),
            Ok(value) => shortened(&value.to_string()),
            Err(error) => error,
        }
    }

    fn go_name(&self, field: &Field) -> String {
        match field.ty {
            Type::Message(id) if field.is_embedded => self.schema.message(id).name.to_owned(),
            // Embedded in Go although it has a name in JSON.
            Type::Message(id) if field.name == "metadata" => self.schema.message(id).name.to_owned(),
            _ => exported(field.name),
        }
    }

    /// Of one value of the field.
    fn go_type(&self, field: &Field, ty: &Type) -> String {
        let pointer = if field.is_pointer { "*" } else { "" };
        let name = match ty {
            Type::String => field.go_type.as_deref().unwrap_or("string"),
            Type::Bytes => "[]byte",
            Type::Bool => "bool",
            Type::Int32 => "int32",
            Type::Int64 => "int64",
            Type::Double => "float64",
            Type::Time => "metav1.Time",
            Type::MicroTime => "metav1.MicroTime",
            Type::Quantity => "resource.Quantity",
            Type::IntOrString => "intstr.IntOrString",
            Type::Raw => "JSON",
            Type::Message(id) => self.schema.message(*id).name,
            Type::List(_) => "list",
            Type::Map(_) => "map",
        };
        format!("{pointer}{name}")
    }

    #[expect(clippy::too_many_arguments, reason = "an entry has so many parts")]
    fn push(
        &mut self,
        depth: usize,
        number: u32,
        path: &str,
        name: &str,
        go_type: String,
        value: Option<String>,
        (from, content, until): (usize, usize, usize),
    ) {
        if self.entries.len() == self.entries_max {
            self.more = true;
            return;
        }
        let (path, name) = (path.to_owned(), name.to_owned());
        self.entries.push(Entry { depth, number, path, name, go_type, value, from, content, until });
    }
}

/// The next field, and where it begins and ends.
fn next<'a>(
    reader: &mut Reader<'a>,
    size: usize,
    offset: usize,
    message: &str,
) -> Result<Option<(Raw<'a>, usize, usize)>, String> {
    let from = offset + size - reader.left();
    let raw = reader.next(message)?;
    Ok(raw.map(|raw| (raw, from, offset + size - reader.left())))
}

/// Key and value of an entry of a map.
fn map_entry(bytes: &[u8]) -> Result<(String, Content<'_>), String> {
    let (mut key, mut value, mut reader) = (String::new(), Content::Bytes(&[]), Reader::new(bytes));
    while let Some(raw) = reader.next("entry")? {
        match (raw.number, raw.content) {
            (1, Content::Bytes(bytes)) => key = String::from_utf8_lossy(bytes).into_owned(),
            (2, content) => value = content,
            _ => {}
        }
    }
    Ok((key, value))
}

/// Words that Go writes in capitals where a name begins with them.
const INITIALISMS: [&str; 22] = [
    "api", "aws", "ca", "csi", "dns", "fc", "fs", "gce", "gmsa", "grpc", "http", "id", "ip", "iscsi", "nfs", "qos",
    "rbd", "se", "tcp", "tty", "uid", "url",
];

/// A field's name in Go by its name in JSON: `dnsPolicy` is `DNSPolicy`.
fn exported(name: &str) -> String {
    let word = name.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(name.len());
    let capitals = if INITIALISMS.contains(&&name[..word]) { word } else { 1.min(word) };
    name[..capitals].to_ascii_uppercase() + &name[capitals..]
}

fn quoted(text: &str) -> String {
    shortened(&format!("{text:?}"))
}

fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    if text.chars().count() <= CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(CHARS_MAX).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_field_is_named_and_found_among_the_bytes() {
        let schema = Schema::kubernetes();
        let pod = json!({
            "kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": "web", "namespace": "default", "labels": {"app": "shop"}, "creationTimestamp": "2026-01-02T03:04:05Z"},
            "spec": {"containers": [{"name": "one", "image": "nginx"}, {"name": "two", "image": "redis"}], "dnsPolicy": "Default"},
        });
        let bytes = super::super::to_bytes(schema, &pod).unwrap();
        let (entries, more) = outline(schema, &bytes, 1_000).unwrap();
        assert!(!more);
        let find = |path: &str| {
            entries.iter().find(|entry| entry.path == path).unwrap_or_else(|| panic!("{path}: {entries:#?}"))
        };
        let told = |path: &str| {
            let entry = find(path);
            (entry.number, entry.name.as_str(), entry.go_type.as_str(), entry.value.as_deref())
        };
        assert_eq!(told("kind"), (2, "Kind", "string", Some("\"Pod\"")));
        assert_eq!(told("metadata"), (1, "ObjectMeta", "ObjectMeta", None));
        assert_eq!(told("metadata.name"), (1, "Name", "string", Some("\"web\"")));
        assert_eq!(told("metadata.labels[app]"), (11, "Labels[\"app\"]", "string", Some("\"shop\"")));
        assert_eq!(
            told("metadata.creationTimestamp"),
            (8, "CreationTimestamp", "metav1.Time", Some("\"2026-01-02T03:04:05Z\""))
        );
        assert_eq!(told("spec.containers[1].image").3, Some("\"redis\""));
        assert_eq!(told("spec.dnsPolicy").1, "DNSPolicy");
        // Its bytes are where it is said that they are.
        let name = find("metadata.name");
        assert_eq!((&bytes[name.content..name.until], name.content - name.from), (&b"web"[..], 2));
        let image = find("spec.containers[1].image");
        assert_eq!(&bytes[image.content..image.until], b"redis");
        let label = find("metadata.labels[app]");
        assert_eq!(&bytes[label.content..label.until], b"shop");
        assert_eq!(entries[0].from, MAGIC.len());
        assert_eq!(entries.last().unwrap().until, bytes.len());
    }

    #[test]
    fn hostile_bytes_end_in_an_error_or_soon() {
        let schema = Schema::kubernetes();
        assert!(outline(schema, b"k8s", 10).is_err());
        assert!(outline(schema, b"k8s\0\x0a\xff", 10).is_err());
        let pod = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web"}});
        let bytes = super::super::to_bytes(schema, &pod).unwrap();
        assert_eq!(outline(schema, &bytes, 3).unwrap(), (outline(schema, &bytes, 3).unwrap().0, true));
        for cut in 0..bytes.len() {
            // Any answer will do, as long as there is one.
            drop(outline(schema, &bytes[..cut], 100));
        }
    }
}
