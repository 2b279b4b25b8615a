//! The value of a key as bytes and, in the registry of Kubernetes, as what it holds: YAML, and Protobuf's fields with
//! where they lie.

use crate::k8s::protobuf::{self, Entry};
use crate::k8s::registry;
use crate::k8s::schema::Schema;
use crate::k8s::{codec, json, yaml};
use serde_json::Value;

/// Bytes in a line.
const HEX_WIDTH: usize = 16;
/// Fields that are listed.
const PARTS_MAX: usize = 2_000;
/// Names that stand beside one line of bytes.
const NAMES_MAX: usize = 2;
/// Larger values are not read as objects.
const OBJECT_MAX: usize = 256 * 1024;

/// What a value of the registry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// In words: `Protobuf: v1 Pod`.
    pub text: String,
    pub is_protobuf: bool,
}

/// A field of Protobuf.
pub type Part = Entry;

impl Form {
    /// Nothing outside of the registry, or without a value.
    pub fn of(key: &[u8], value: &[u8]) -> Option<Form> {
        is_registry(key).filter(|()| !value.is_empty())?;
        Some(Form { text: codec::describe_stored(value), is_protobuf: value.starts_with(&protobuf::MAGIC) })
    }
}

fn is_registry(key: &[u8]) -> Option<()> {
    key.starts_with(registry::PREFIX.as_bytes()).then_some(())
}

/// The object that a value of the registry holds, as kubectl prints it; nothing if it is none.
pub fn yaml(key: &[u8], value: &[u8]) -> Option<String> {
    is_registry(key).filter(|()| value.len() <= OBJECT_MAX)?;
    let object = match value {
        [b'{', ..] => Some(json::parse(value).ok()?.value).filter(is_object)?,
        _ => protobuf::from_bytes(Schema::kubernetes(), value).ok()?,
    };
    Some(yaml::to_string(&object))
}

/// JSON that says what it is an object of.
fn is_object(value: &Value) -> bool {
    value["kind"].is_string() && value["apiVersion"].is_string()
}

/// The fields of a value in Protobuf, and whether there are more; an error says what is wrong with the bytes.
pub fn parts(value: &[u8]) -> Result<(Vec<Part>, bool), String> {
    protobuf::outline(Schema::kubernetes(), value, PARTS_MAX)
}

/// The kind of the objects that lie in a folder of the registry, where its name does not say it.
pub fn kind_below(folder: &[u8]) -> &'static str {
    let place = std::str::from_utf8(folder).ok().and_then(|folder| folder.strip_prefix(registry::PREFIX));
    let Some(prefix) = place.and_then(|place| place.strip_suffix('/')) else { return "" };
    let found = registry::resources().iter().find(|resource| resource.prefix() == prefix && resource.is_stored());
    found.filter(|resource| resource.name != prefix).map_or("", |resource| resource.kind)
}

/// One line of bytes: where it begins, the bytes, the characters among them, and the fields that begin in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HexLine {
    pub offset: usize,
    pub hex: String,
    pub ascii: String,
    pub names: String,
}

/// The first `lines` lines of a value, as `hexdump -C` writes them.
pub fn hexdump(value: &[u8], lines: usize) -> Vec<HexLine> {
    let parts = if value.starts_with(&protobuf::MAGIC) { parts(value).unwrap_or_default().0 } else { Vec::new() };
    let mut leaves = parts.iter().filter(|part| part.value.is_some()).peekable();
    let line = |(number, bytes): (usize, &[u8])| {
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let (left, right) = hex.split_at(hex.len().min(HEX_WIDTH / 2));
        let hex = [left.join(" "), right.join(" ")].join("  ").trim_end().to_owned();
        let show = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
        let offset = number * HEX_WIDTH;
        let mut names: Vec<&str> = Vec::new();
        if offset == 0 && !parts.is_empty() {
            names.push(r"k8s\0");
        }
        while let Some(leaf) = leaves.next_if(|leaf| leaf.from < offset + HEX_WIDTH) {
            names.push(if leaf.path.is_empty() { &leaf.name } else { &leaf.path });
        }
        let more = if names.len() > NAMES_MAX + usize::from(offset == 0) { " …" } else { "" };
        names.truncate(NAMES_MAX + usize::from(offset == 0));
        HexLine { offset, hex, ascii: bytes.iter().map(show).collect(), names: names.join(", ") + more }
    };
    value.chunks(HEX_WIDTH).take(lines).enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::keys::{Ask, Change, KeyAsk, KeySheet, RowKind, Text, Tree};
    use crate::projection::servers::tests::{run, world};
    use bytes::Bytes;

    #[test]
    fn bytes_are_dumped_as_hexdump_does() {
        let lines = hexdump(b"k8s\0\n\x0b\x0a\x02v1\x12\x03Podxyz", 9);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].hex, "6b 38 73 00 0a 0b 0a 02  76 31 12 03 50 6f 64 78");
        assert_eq!(
            (lines[0].ascii.as_str(), lines[1].offset, lines[1].hex.as_str()),
            ("k8s.....v1..Podx", 16, "79 7a")
        );
        assert_eq!(hexdump(&[0; 100], 2).len(), 2);
    }

    #[test]
    fn an_object_of_the_registry_is_read_as_what_it_is() {
        let mut lab = world("members=1 apiservers=1");
        run(&mut lab, "kubectl create configmap a --from-literal=b=one", 500);
        run(&mut lab, "kubectl label configmap a stage=two", 500);
        let key = Bytes::from_static(b"/registry/configmaps/default/a");
        let sheet = KeySheet::of(&lab, &KeyAsk { host: None, key, cut: None }).unwrap();
        let form = sheet.form.unwrap();
        assert_eq!((form.text.as_str(), form.is_protobuf), ("Protobuf: v1 ConfigMap", true));
        let Text::Yaml(text) = sheet.text else { panic!("it is an object") };
        assert!(text.starts_with("apiVersion: v1\ndata:\n  b: one\nkind: ConfigMap\n"), "{text}");
        let changed: Vec<String> = sheet
            .diff
            .unwrap()
            .lines
            .into_iter()
            .flatten()
            .filter(|(change, _)| *change != Change::Same)
            .map(|(_, line)| line.trim().to_owned())
            .collect();
        assert!(changed.contains(&"stage: two".to_owned()), "{changed:?}");
        let (parts, more) = parts(&sheet.value).unwrap();
        let data = parts.iter().find(|part| part.path == "data[b]").unwrap();
        assert_eq!((data.number, data.value.as_deref(), more), (2, Some("\"one\""), false));
        let lines = hexdump(&sheet.value, 1_000);
        assert_eq!(lines[0].names, r"k8s\0, apiVersion, kind");
        assert!(lines[data.from / 16].names.contains("data[b]"), "{lines:#?}");
    }

    #[test]
    fn folders_of_the_registry_say_what_they_hold() {
        let lab = world("members=1 apiservers=1");
        let tree = Tree::of(&lab, &Ask { rows: 300, ..Ask::default() }).unwrap();
        let holds = |name: &str| {
            let is_folder = |row: &&super::super::TreeRow| matches!(row.kind, RowKind::Folder { .. });
            tree.rows.iter().filter(is_folder).find(|row| row.name == name).map(|row| row.holds)
        };
        assert_eq!(holds("clusterroles/"), Some(""));
        assert_eq!(holds("/registry/"), Some(""));
        assert_eq!((kind_below(b"/registry/minions/"), kind_below(b"/registry/services/specs/")), ("Node", "Service"));
        assert_eq!((kind_below(b"/registry/pods/default/"), kind_below(b"/shelf/")), ("", ""));
    }
}
