//! Reads the schema's files. They are our own, so that a mistake in them is a bug and a test finds it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Field, ListType, Message, MessageId, PatchStrategy, Schema, Shape, Type};

/// A message's lines, before the messages that they name are known.
struct Block {
    package: &'static str,
    head: &'static str,
    fields: Vec<&'static str>,
}

type Names = BTreeMap<(&'static str, &'static str), MessageId>;

pub(super) fn parse(tables: &[(&'static str, &'static str)]) -> Schema {
    let (mut blocks, mut packages) = (Vec::new(), BTreeMap::new());
    for (package, text) in tables {
        let mut sections = text.split("\n\n");
        let versions =
            sections.next().and_then(|line| line.strip_prefix("version ")).expect("a file names its version");
        packages.extend(versions.split(' ').map(|version| (version, *package)));
        for section in sections {
            let mut lines = section.trim_end().lines();
            let head = lines.next().expect("a section begins with a name");
            blocks.push(Block { package, head, fields: lines.collect() });
        }
    }
    let mut by_name = Names::new();
    for (place, block) in blocks.iter().enumerate() {
        let name = block.head.split(' ').next().expect("a line has a first word");
        let known = by_name.insert((block.package, name), MessageId(place as u16));
        assert!(known.is_none(), "{} has {name} twice", block.package);
    }
    let messages = blocks.iter().map(|block| message(block, &by_name)).collect();
    Schema { messages, by_name, packages }
}

fn message(block: &Block, names: &Names) -> Message {
    let mut words = block.head.split(' ');
    let name = words.next().expect("a line has a first word");
    let (mut shape, mut is_object, mut is_atomic) = (Shape::Struct, false, false);
    let mut fields: Vec<Field> = Vec::new();
    if block.head.contains(" object") {
        fields.extend(["- kind string", "- apiVersion string"].map(|line| field(line, block.package, names)));
    }
    while let Some(word) = words.next() {
        match word {
            "object" => is_object = true,
            "atomic" => is_atomic = true,
            "either" => shape = Shape::Either,
            "wraps" => {
                shape = Shape::Wraps;
                let ty = words.next().expect("wraps what");
                fields.push(Field { name: "items", ..field("1 . string", block.package, names) });
                fields[0].ty = self::ty(ty, block.package, names).0;
                fields[0].is_embedded = false;
            }
            _ => panic!("{name}: no flag of messages: {word}"),
        }
    }
    fields.extend(block.fields.iter().map(|line| field(line, block.package, names)));
    let mut by_number: Vec<usize> = (0..fields.len()).filter(|place| fields[*place].number != 0).collect();
    by_number.sort_by_key(|place| fields[*place].number);
    Message { name, package: block.package, shape, is_object, is_atomic, fields, by_number }
}

fn field(line: &'static str, package: &'static str, names: &Names) -> Field {
    let mut words = line.split(' ');
    let mut word = || words.next().unwrap_or_else(|| panic!("{package}: a field is number, name and type: {line}"));
    let (number, name, of) = (word(), word(), word());
    let (of, go_type) = of.split_once(':').map_or((of, None), |(of, go)| (of, Some(go_name(go, package))));
    let (is_pointer, of) = of.strip_prefix('*').map_or((false, of), |of| (true, of));
    let (ty, raw) = ty(of, package, names);
    let mut field = Field {
        number: if number == "-" { 0 } else { number.parse().expect("a number") },
        name: if name == "." { "" } else { name },
        ty,
        go_type: go_type.or(raw),
        is_pointer,
        is_embedded: name == ".",
        is_always_printed: false,
        omits_zero: false,
        is_required: false,
        list: ListType::Atomic,
        is_list_said: false,
        is_atomic: false,
        patch: PatchStrategy::default(),
        default: None,
    };
    for flag in words {
        match flag.split_once('=').unwrap_or((flag, "")) {
            ("always", _) => field.is_always_printed = true,
            ("omitzero", _) => field.omits_zero = true,
            ("required", _) => field.is_required = true,
            ("atomic", _) => field.is_atomic = true,
            ("list", of) => (field.list, field.is_list_said) = (list(of), true),
            ("patch", of) => field.patch = patch(of),
            ("default", json) => field.default = Some(default(json)),
            _ => panic!("{package}: no flag of fields: {line}"),
        }
    }
    field
}

/// The type, and the name of one that keeps JSON as it is.
fn ty(text: &'static str, package: &'static str, names: &Names) -> (Type, Option<String>) {
    if let Some(inner) = text.strip_prefix("[]") {
        let (inner, raw) = ty(inner, package, names);
        return (Type::List(Box::new(inner)), raw);
    }
    if let Some(inner) = text.strip_prefix("map[string]") {
        let (inner, raw) = ty(inner, package, names);
        return (Type::Map(Box::new(inner)), raw);
    }
    let plain = match text {
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "bool" => Type::Bool,
        "int32" => Type::Int32,
        "int64" => Type::Int64,
        "double" => Type::Double,
        "Time" => Type::Time,
        "MicroTime" => Type::MicroTime,
        "Quantity" => Type::Quantity,
        "IntOrString" => Type::IntOrString,
        "RawExtension" | "FieldsV1" | "JSON" | "any" => return (Type::Raw, Some(text.to_owned())),
        _ => {
            // `core.v1.PodSpec` elsewhere, `PodSpec` here.
            let key = text.rsplit_once('.').unwrap_or((package, text));
            Type::Message(*names.get(&key).unwrap_or_else(|| panic!("{package}: no message {text}")))
        }
    };
    (plain, None)
}

/// As Go prints it: with the last part of its package.
fn go_name(name: &str, package: &str) -> String {
    let version = package.rsplit('.').next().unwrap_or_default();
    if name.contains('.') { name.to_owned() } else { format!("{version}.{name}") }
}

fn list(text: &'static str) -> ListType {
    match text {
        "atomic" => ListType::Atomic,
        "set" => ListType::Set,
        _ => {
            let keys = text.strip_prefix("map(").and_then(|rest| rest.strip_suffix(')')).expect("map(keys)");
            ListType::Map(keys.split(',').collect())
        }
    }
}

fn patch(text: &'static str) -> PatchStrategy {
    let mut strategy = PatchStrategy::default();
    for word in text.split(',') {
        match word {
            "retainKeys" => strategy.retains_keys = true,
            "replace" => strategy.replaces = true,
            "merge" => strategy.merge_key = Some(""),
            _ => {
                let key = word.strip_prefix("merge(").and_then(|rest| rest.strip_suffix(')')).expect("merge(key)");
                strategy.merge_key = Some(key);
            }
        }
    }
    strategy
}

fn default(json: &str) -> Value {
    serde_json::from_str(json).expect("a default is JSON")
}

#[cfg(test)]
mod tests {
    use super::super::{ListType, Schema, Type};

    #[test]
    fn the_files_are_read() {
        let schema = Schema::kubernetes();
        let pod = schema.message(schema.kind("v1", "Pod").unwrap());
        assert!(pod.is_object);
        let spec = schema.field(pod, "spec").unwrap().ty.inner_message().unwrap();
        let containers = schema.field(schema.message(spec), "containers").unwrap();
        assert_eq!((containers.number, containers.is_required, containers.is_pointer), (2, true, false));
        assert_eq!(containers.list, ListType::Map(vec!["name"]));
        assert_eq!(containers.patch.merge_key, Some("name"));
        let container = schema.message(containers.ty.inner_message().unwrap());
        assert_eq!(schema.field(container, "imagePullPolicy").unwrap().go_type.as_deref(), Some("v1.PullPolicy"));
        let numbers: Vec<u32> = container.numbered().map(|field| field.number).collect();
        assert!(numbers.is_sorted());
    }

    #[test]
    fn embedded_fields_are_the_parents() {
        let schema = Schema::kubernetes();
        let probe = schema.message(schema.find("core.v1", "Probe").unwrap());
        assert!(matches!(schema.field(probe, "httpGet").unwrap().ty, Type::Message(_)));
        assert!(schema.field(probe, "").is_none());
    }

    #[test]
    fn numbers_are_used_once() {
        for (_, message) in Schema::kubernetes().messages() {
            let numbers: Vec<u32> = message.numbered().map(|field| field.number).collect();
            assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{} {}", message.package, message.name);
        }
    }

    #[test]
    fn kinds_of_meta_belong_to_every_group() {
        let schema = Schema::kubernetes();
        assert!(schema.kind("apps/v1", "DeleteOptions").is_some());
        assert!(schema.kind("apps/v1", "Pod").is_none());
        assert!(schema.kind("v1", "PodSpec").is_none());
        assert!(schema.kind("v2", "Pod").is_none());
    }
}
