//! Sets of fields, and how `fieldsV1` writes them.
//!
//! Upstream: `sigs.k8s.io/structured-merge-diff/v6/fieldpath`. A set knows its members and, below them, the sets of their
//! children; a member says nothing of its children.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Number, Value};

use super::types::{Atom, TypeRef};
use crate::k8s::json;
use crate::k8s::meta::status::quote;
use crate::k8s::schema::Schema;

/// One step from a value to a part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathElement {
    Field(String),
    /// An item of a list, by the values of its keys; names are sorted.
    Key(Vec<(String, Known)>),
    /// An item of a set.
    Value(Known),
    Index(i64),
}

/// A value that others are known by: it has an order.
#[derive(Clone, Debug)]
pub struct Known(pub Value);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    members: BTreeSet<PathElement>,
    children: BTreeMap<PathElement, Set>,
}

impl Set {
    /// A set of fields by their names: `[["metadata", "labels"], ["spec"]]`.
    pub fn of_fields(paths: &[&[&str]]) -> Set {
        let mut set = Set::default();
        for path in paths {
            let path: Vec<PathElement> = path.iter().map(|name| PathElement::Field((*name).to_owned())).collect();
            set.insert(&path);
        }
        set
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(Set::is_empty)
    }

    /// The path of the whole is no member of anything.
    pub fn insert(&mut self, path: &[PathElement]) {
        match path {
            [] => {}
            [last] => drop(self.members.insert(last.clone())),
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    pub fn has(&self, element: &PathElement) -> bool {
        self.members.contains(element)
    }

    pub fn child(&self, element: &PathElement) -> Option<&Set> {
        self.children.get(element).filter(|set| !set.is_empty())
    }

    pub fn union(&self, other: &Set) -> Set {
        let mut set = self.clone();
        set.members.extend(other.members.iter().cloned());
        for (element, child) in &other.children {
            let own = set.children.entry(element.clone()).or_default();
            *own = own.union(child);
        }
        set
    }

    pub fn intersection(&self, other: &Set) -> Set {
        let members = self.members.intersection(&other.members).cloned().collect();
        let both = |(element, child): (&PathElement, &Set)| {
            let child = child.intersection(other.children.get(element)?);
            (!child.is_empty()).then(|| (element.clone(), child))
        };
        Set { members, children: self.children.iter().filter_map(both).collect() }
    }

    /// Without the members of another; a parent that is taken out leaves its children.
    pub fn difference(&self, other: &Set) -> Set {
        self.without(other, false)
    }

    /// Without the members of another and all their children.
    pub fn recursive_difference(&self, other: &Set) -> Set {
        self.without(other, true)
    }

    fn without(&self, other: &Set, is_recursive: bool) -> Set {
        let members = self.members.difference(&other.members).cloned().collect();
        let left = |(element, child): (&PathElement, &Set)| {
            if is_recursive && other.members.contains(element) {
                return None;
            }
            let child = match other.children.get(element) {
                Some(other) => child.without(other, is_recursive),
                None => child.clone(),
            };
            (!child.is_empty()).then(|| (element.clone(), child))
        };
        Set { members, children: self.children.iter().filter_map(left).collect() }
    }

    /// Every member as a path; members come before what is below them.
    pub fn paths(&self) -> Vec<Vec<PathElement>> {
        fn walk(set: &Set, path: &mut Vec<PathElement>, out: &mut Vec<Vec<PathElement>>) {
            for member in &set.members {
                out.push(path.iter().chain([member]).cloned().collect());
            }
            for (element, child) in &set.children {
                path.push(element.clone());
                walk(child, path, out);
                path.pop();
            }
        }
        let mut out = Vec::new();
        walk(self, &mut Vec::new(), &mut out);
        out
    }

    /// With every field of a struct that has something below it as a member: such fields always exist.
    pub fn with_named_fields(&self, schema: &Schema, ty: TypeRef) -> Set {
        let Atom { list, map, .. } = ty.resolve(schema);
        let mut set = Set { members: self.members.clone(), children: BTreeMap::new() };
        for (element, child) in &self.children {
            let inner = match (element, &map, &list) {
                (PathElement::Field(name), Some(map), _) => {
                    let field = map.field(schema, name);
                    if field.is_some() {
                        set.members.insert(element.clone());
                    }
                    field.or(map.element)
                }
                (PathElement::Key(_), _, Some(list)) => Some(list.item),
                _ => None,
            };
            let child = match inner {
                Some(inner) => child.with_named_fields(schema, inner),
                None => child.clone(),
            };
            set.children.insert(element.clone(), child);
        }
        set
    }

    /// As `fieldsV1` has it.
    pub fn to_fields(&self) -> Value {
        let mut fields = Map::new();
        let elements: BTreeSet<&PathElement> = self.members.iter().chain(self.children.keys()).collect();
        for element in elements {
            let mut inner = Map::new();
            if let Some(child) = self.children.get(element) {
                if self.members.contains(element) {
                    inner.insert(".".to_owned(), Value::Object(Map::new()));
                }
                if let Value::Object(below) = child.to_fields() {
                    inner.extend(below);
                }
            }
            fields.insert(element.serialize(), Value::Object(inner));
        }
        Value::Object(fields)
    }

    pub fn from_fields(fields: &Value) -> Result<Set, String> {
        let mut set = Set::default();
        let Value::Object(fields) = fields else { return Ok(set) };
        for (name, value) in fields.iter().filter(|(name, _)| *name != ".") {
            let Some(element) = PathElement::parse(name)? else { continue };
            let Value::Object(inner) = value else {
                return Err(format!("parsing value: expected an object after {name}"));
            };
            if inner.is_empty() || inner.contains_key(".") {
                set.members.insert(element.clone());
            }
            let child = Set::from_fields(value)?;
            if !child.is_empty() {
                set.children.insert(element, child);
            }
        }
        Ok(set)
    }
}

impl PathElement {
    fn serialize(&self) -> String {
        match self {
            PathElement::Field(name) => format!("f:{name}"),
            PathElement::Key(keys) => {
                let keys: Map<String, Value> =
                    keys.iter().map(|(name, value)| (name.clone(), value.0.clone())).collect();
                format!("k:{}", json::to_string(&Value::Object(keys)))
            }
            PathElement::Value(value) => format!("v:{}", json::to_string(&value.0)),
            PathElement::Index(index) => format!("i:{index}"),
        }
    }

    /// Nothing for kinds of elements that a later version may have.
    fn parse(text: &str) -> Result<Option<PathElement>, String> {
        let mut chars = text.chars();
        let (Some(kind), Some(colon)) = (chars.next(), chars.next()) else {
            return Err(format!("key must be 2 characters long:{text}"));
        };
        if colon != ':' {
            return Err(format!("missing colon: '{text}'"));
        }
        let rest = chars.as_str();
        let read = || json::parse(rest.as_bytes()).map(|document| document.value).map_err(|error| error.message);
        Ok(Some(match kind {
            'f' => PathElement::Field(rest.to_owned()),
            'v' => PathElement::Value(Known(read()?)),
            'i' => PathElement::Index(rest.parse().map_err(|_| format!("not an index: {rest}"))?),
            'k' => {
                let Value::Object(keys) = read()? else { return Err(format!("not an object: {rest}")) };
                let mut keys: Vec<_> = keys.into_iter().map(|(name, value)| (name, Known(value))).collect();
                keys.sort();
                PathElement::Key(keys)
            }
            _ => return Ok(None),
        }))
    }
}

impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathElement::Field(name) => write!(f, ".{name}"),
            PathElement::Key(keys) => {
                let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
                write!(f, "[{}]", keys.join(","))
            }
            PathElement::Value(value) => write!(f, "[={value}]"),
            PathElement::Index(index) => write!(f, "[{index}]"),
        }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Value::String(text) => f.write_str(&quote(text)),
            other => f.write_str(&json::to_string(other)),
        }
    }
}

/// As errors and conflicts print it: `.spec.containers[name="a"].image`.
pub fn show_path(path: &[PathElement]) -> String {
    path.iter().map(PathElement::to_string).collect()
}

impl PartialEq for Known {
    fn eq(&self, other: &Known) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Known {}

impl PartialOrd for Known {
    fn partial_cmp(&self, other: &Known) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Known {
    fn cmp(&self, other: &Known) -> Ordering {
        compare(&self.0, &other.0)
    }
}

/// The order of values: numbers, texts, truths, lists, maps, null.
fn compare(one: &Value, other: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    };
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => compare_numbers(one, other),
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        (Value::Array(one), Value::Array(other)) => {
            let pairs = one.iter().zip(other).map(|(one, other)| compare(one, other));
            pairs.fold(Ordering::Equal, Ordering::then).then(one.len().cmp(&other.len()))
        }
        (Value::Object(one), Value::Object(other)) => {
            let sorted = |map: &Map<String, Value>| {
                let mut entries: Vec<(String, Known)> =
                    map.iter().map(|(name, value)| (name.clone(), Known(value.clone()))).collect();
                entries.sort();
                entries
            };
            sorted(one).cmp(&sorted(other))
        }
        _ => rank(one).cmp(&rank(other)),
    }
}

fn compare_numbers(one: &Number, other: &Number) -> Ordering {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => one.cmp(&other),
        _ => one.as_f64().unwrap_or_default().total_cmp(&other.as_f64().unwrap_or_default()),
    }
}

/// Whether two values are the same; 1 and 1.0 are.
pub fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => compare_numbers(one, other).is_eq(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let same = |(name, value): (&String, &Value)| other.get(name).is_some_and(|other| equal(value, other));
            one.len() == other.len() && one.iter().all(same)
        }
        _ => one == other,
    }
}
