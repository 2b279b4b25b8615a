//! Reads YAML as `sigs.k8s.io/yaml` does: into JSON, with the lines of keys that stand twice.

use std::collections::BTreeMap;
use std::fmt;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value};

use super::scalar;
use crate::k8s::json::number;

/// The first document of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub value: Value,
    pub duplicates: Vec<Duplicate>,
}

/// A key that stood before in the same mapping; the last one counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    pub line: usize,
    pub key: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

impl fmt::Display for YamlError {
    /// As go-yaml says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "yaml: line {}: {}", self.line, self.message)
    }
}

/// Simplified: go-yaml stops at 10,000 levels; here recursion must fit a small stack.
const DEPTH_MAX: usize = 200;
/// What aliases may add: a document of a few lines could otherwise fill the memory.
const ALIASED_MAX: usize = 100_000;

/// A text without any document is null.
pub fn parse(text: &str) -> Result<Document, YamlError> {
    let mut reader = Reader::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let mark = error.marker();
            YamlError { line: mark.line(), column: mark.col() + 1, message: error.info().to_owned() }
        })?;
        // A tab before the first key is a fault in YAML 1.1, and a common one.
        let is_content = matches!(event, Event::Scalar(..) | Event::MappingStart(..) | Event::SequenceStart(..));
        if is_content
            && reader.open.is_empty()
            && text.lines().nth(span.start.line() - 1).is_some_and(|line| line.starts_with('\t'))
        {
            let message = "found character that cannot start any token".to_owned();
            return Err(YamlError { line: span.start.line(), column: 1, message });
        }
        let at = Place { line: span.start.line(), column: span.start.col() + 1 };
        match event {
            Event::DocumentEnd => break,
            Event::Alias(anchor) => {
                let known = reader.anchors.get(&anchor).cloned();
                let value = known.ok_or_else(|| at.error("anchor contains itself"))?;
                reader.aliased += weight(&value);
                if reader.aliased > ALIASED_MAX {
                    return Err(at.error("document contains excessive aliasing"));
                }
                reader.add(value, false, at)?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar_value(&text, style, tag.as_deref()).map_err(|message| at.error(message))?;
                let is_merge = style == ScalarStyle::Plain && text == "<<";
                reader.remember(anchor, &value);
                reader.add(value, is_merge, at)?;
            }
            Event::SequenceStart(anchor, _) => reader.open(Open::List(Vec::new()), anchor, at)?,
            Event::MappingStart(anchor, _) => reader.open(Open::map(), anchor, at)?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((open, anchor)) = reader.open.pop() {
                    let value = open.close();
                    reader.remember(anchor, &value);
                    reader.add(value, false, at)?;
                }
            }
            _ => {}
        }
    }
    Ok(Document { value: reader.root, duplicates: reader.duplicates })
}

#[derive(Clone, Copy)]
struct Place {
    line: usize,
    column: usize,
}

impl Place {
    fn error(self, message: impl Into<String>) -> YamlError {
        YamlError { line: self.line, column: self.column, message: message.into() }
    }
}

#[derive(Default)]
struct Reader {
    root: Value,
    /// Collections that are being read, and the anchors on them.
    open: Vec<(Open, usize)>,
    anchors: BTreeMap<usize, Value>,
    aliased: usize,
    duplicates: Vec<Duplicate>,
}

enum Open {
    List(Vec<Value>),
    Map { map: Map<String, Value>, merged: Vec<Value>, key: Option<Key> },
}

enum Key {
    Name(String),
    /// `<<`: the fields of another mapping, where this one has none.
    Merge,
}

impl Open {
    fn map() -> Open {
        Open::Map { map: Map::new(), merged: Vec::new(), key: None }
    }

    fn close(self) -> Value {
        match self {
            Open::List(items) => Value::Array(items),
            Open::Map { mut map, merged, .. } => {
                let fields = merged.into_iter().flat_map(|value| match value {
                    Value::Object(fields) => fields,
                    _ => Map::new(),
                });
                for (key, value) in fields {
                    map.entry(key).or_insert(value);
                }
                Value::Object(map)
            }
        }
    }
}

impl Reader {
    fn open(&mut self, open: Open, anchor: usize, at: Place) -> Result<(), YamlError> {
        if self.open.len() == DEPTH_MAX {
            return Err(at.error(format!("exceeded max depth of {DEPTH_MAX}")));
        }
        self.open.push((open, anchor));
        Ok(())
    }

    fn remember(&mut self, anchor: usize, value: &Value) {
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
    }

    /// A finished value takes its place in what is around it.
    fn add(&mut self, value: Value, is_merge: bool, at: Place) -> Result<(), YamlError> {
        match self.open.last_mut().map(|(open, _)| open) {
            None => self.root = value,
            Some(Open::List(items)) => items.push(value),
            Some(Open::Map { map, merged, key }) => match key.take() {
                None if is_merge => *key = Some(Key::Merge),
                None => {
                    let name = key_name(value).map_err(|message| at.error(message))?;
                    if map.contains_key(&name) {
                        self.duplicates.push(Duplicate { line: at.line, key: name.clone() });
                    }
                    *key = Some(Key::Name(name));
                }
                Some(Key::Name(name)) => drop(map.insert(name, value)),
                Some(Key::Merge) => match value {
                    Value::Object(_) => merged.push(value),
                    Value::Array(maps) if maps.iter().all(Value::is_object) => merged.extend(maps),
                    _ => return Err(at.error("map merge requires map or sequence of maps as the value")),
                },
            },
        }
        Ok(())
    }
}

/// Keys of JSON are strings; go-yaml's other keys become their text.
fn key_name(key: Value) -> Result<String, String> {
    match key {
        Value::String(text) => Ok(text),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(value) => Ok(number::shortest_g(&value)),
        Value::Null => Err("unsupported map key of type: %!s(<nil>)".to_owned()),
        Value::Array(_) | Value::Object(_) => Err("invalid map key: a collection is no key".to_owned()),
    }
}

fn scalar_value(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let core = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| &tag.suffix[..]);
    let plain = || {
        if scalar::is_infinite(text) {
            return Err(format!("json: unsupported value: {text}"));
        }
        Ok(scalar::resolve(text).unwrap_or_else(|| text.into()))
    };
    match core {
        Some("str" | "binary") => Ok(text.into()),
        Some(wanted @ ("int" | "float" | "bool" | "null")) => {
            let value = plain()?;
            let fits = match wanted {
                "int" => value.is_i64() || value.is_u64(),
                "float" => value.is_number(),
                "bool" => value.is_boolean(),
                _ => value.is_null(),
            };
            if fits { Ok(value) } else { Err(format!("cannot decode !!str `{text}` as a !!{wanted}")) }
        }
        _ if style == ScalarStyle::Plain => plain(),
        _ => Ok(text.into()),
    }
}

/// How many values there are in a value.
fn weight(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(map) => map.values().map(weight).sum(),
        _ => 0,
    }
}
