//! Values with their types: whether they fit, which fields they have, and without some of them.
//!
//! Upstream: `sigs.k8s.io/structured-merge-diff/v6/typed`: `validate.go`, `tofieldset.go`, `remove.go`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::set::{Known, PathElement, Set};
use super::types::{Atom, ListAtom, MapAtom, Relation, Scalar, TypeRef};
use crate::k8s::json;
use crate::k8s::meta::status::quote;
use crate::k8s::schema::Schema;

/// What is wrong with a value, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub path: String,
    pub message: String,
}

impl Mistake {
    pub fn new(message: impl Into<String>) -> Mistake {
        Mistake { path: String::new(), message: message.into() }
    }

    pub fn below(self, element: &PathElement) -> Mistake {
        Mistake { path: format!("{element}{}", self.path), ..self }
    }
}

/// One mistake a line, if there are several.
pub fn show_mistakes(mistakes: &[Mistake]) -> String {
    let show = |mistake: &Mistake| match mistake.path.is_empty() {
        true => mistake.message.clone(),
        false => format!("{}: {}", mistake.path, mistake.message),
    };
    match mistakes {
        [mistake] => show(mistake),
        _ => mistakes.iter().fold("errors:".to_owned(), |text, mistake| format!("{text}\n  {}", show(mistake))),
    }
}

/// The element by which a list knows an item.
pub fn element_of<'t>(schema: &'t Schema, list: &ListAtom<'t>, item: &Value) -> Result<PathElement, String> {
    match (&list.relation, item) {
        (Relation::Atomic, _) => Err("invalid indexing of non-associative list".to_owned()),
        (Relation::Map(_), Value::Null) => Err("associative list with keys may not have a null element".to_owned()),
        (Relation::Map(names), Value::Object(fields)) => {
            let mut keys = Vec::with_capacity(names.len());
            for name in names {
                let known = match fields.get(*name) {
                    Some(value) => Some(value.clone()),
                    None => list.item.resolve(schema).map.and_then(|map| map.default(schema, name)),
                };
                let why = "(and doesn't have default value)";
                let missing =
                    || format!("associative list with keys has an element that omits key field {} {why}", quote(name));
                keys.push(((*name).to_owned(), Known(known.ok_or_else(missing)?)));
            }
            keys.sort();
            Ok(PathElement::Key(keys))
        }
        (Relation::Map(_), _) => Err("associative list with keys may not have non-map elements".to_owned()),
        (Relation::Set, Value::Object(_)) => {
            Err("associative list without keys has an element that's a map type".to_owned())
        }
        (Relation::Set, Value::Array(_)) => Err("not supported: associative list with lists as elements".to_owned()),
        (Relation::Set, Value::Null) => {
            Err("associative list without keys has an element that's an explicit null".to_owned())
        }
        (Relation::Set, item) => Ok(PathElement::Value(Known(item.clone()))),
    }
}

/// What is wrong with a value as its type.
pub fn validate(schema: &Schema, ty: TypeRef, value: &Value, allows_duplicates: bool) -> Vec<Mistake> {
    let atom = ty.resolve(schema).deduced(Some(value));
    match atom {
        Atom { map: Some(map), .. } => match value {
            Value::Null => Vec::new(),
            Value::Object(fields) => validate_fields(schema, &map, fields, allows_duplicates),
            other => vec![Mistake::new(format!("expected map, got {}", show(other)))],
        },
        Atom { scalar: Some(scalar), .. } => check_scalar(scalar, Some(value), "").into_iter().collect(),
        Atom { list: Some(list), .. } => match value {
            Value::Null => Vec::new(),
            Value::Array(items) => validate_items(schema, &list, items, allows_duplicates),
            other => vec![Mistake::new(format!("expected list, got {}", show(other)))],
        },
        _ => vec![Mistake::new("schema error: invalid atom: inlined")],
    }
}

fn validate_fields<'t>(
    schema: &'t Schema,
    map: &MapAtom<'t>,
    fields: &Map<String, Value>,
    allows_duplicates: bool,
) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (name, value) in fields {
        let element = PathElement::Field(name.clone());
        let Some(ty) = map.field(schema, name).or(map.element) else {
            mistakes.push(Mistake::new("field not declared in schema").below(&element));
            break;
        };
        let inner = validate(schema, ty, value, allows_duplicates);
        mistakes.extend(inner.into_iter().map(|mistake| mistake.below(&element)));
    }
    mistakes
}

fn validate_items<'t>(
    schema: &'t Schema,
    list: &ListAtom<'t>,
    items: &[Value],
    allows_duplicates: bool,
) -> Vec<Mistake> {
    let (mut mistakes, mut seen) = (Vec::new(), BTreeSet::new());
    for (place, item) in items.iter().enumerate() {
        let element = match list.relation {
            Relation::Atomic => PathElement::Index(place as i64),
            _ => match element_of(schema, list, item) {
                Ok(element) => element,
                Err(error) => {
                    mistakes.push(Mistake::new(format!("element {place}: {error}")));
                    return mistakes;
                }
            },
        };
        if !seen.insert(element.clone()) && !allows_duplicates {
            mistakes.push(Mistake::new(format!("duplicate entries for key {element}")));
        }
        let inner = validate(schema, list.item, item, allows_duplicates);
        mistakes.extend(inner.into_iter().map(|mistake| mistake.below(&element)));
    }
    mistakes
}

/// A missing value and null fit every scalar.
pub fn check_scalar(scalar: Scalar, value: Option<&Value>, prefix: &str) -> Option<Mistake> {
    let value = value.filter(|value| !value.is_null())?;
    let text = match scalar {
        Scalar::Numeric if !value.is_number() => {
            format!("expected numeric (int or float), got {}", go_type(value))
        }
        Scalar::String if !value.is_string() => {
            format!("expected string, got &value.valueUnstructured{{Value:{}}}", show_go(value))
        }
        Scalar::Boolean if !value.is_boolean() => format!("expected boolean, got {}", show(value)),
        Scalar::Untyped if value.is_array() || value.is_object() => format!("expected any scalar, got {}", show(value)),
        _ => return None,
    };
    Some(Mistake::new(format!("{prefix}{text}")))
}

/// As Go prints the struct that holds a value, by `%v`.
fn show(value: &Value) -> String {
    format!("&{{{}}}", crate::k8s::patch::show(value))
}

/// A value by `%#v`, as far as scalars go.
fn show_go(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(show_go).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{}:{}", quote(name), show_go(value))).collect();
            format!("map[string]interface {{}}{{{}}}", fields.join(", "))
        }
        Value::String(text) => quote(text),
        other => json::to_string(other),
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// The fields that a value has.
pub fn field_set(schema: &Schema, ty: TypeRef, value: &Value) -> Set {
    let mut set = Set::default();
    Fields { schema, set: &mut set, path: Vec::new() }.value(ty, value);
    set
}

struct Fields<'a, 't> {
    schema: &'t Schema,
    set: &'a mut Set,
    path: Vec<PathElement>,
}

impl<'t> Fields<'_, 't> {
    fn value(&mut self, ty: TypeRef<'t>, value: &Value) {
        match ty.resolve(self.schema).deduced(Some(value)) {
            Atom { map: Some(map), .. } if map.is_atomic => self.set.insert(&self.path),
            Atom { map: Some(map), .. } => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    let field = map.field(self.schema, name);
                    self.path.push(PathElement::Field(name.clone()));
                    if let Some(ty) = field.or(map.element) {
                        self.value(ty, value);
                    }
                    let is_empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                    if is_empty || field.is_none() {
                        self.set.insert(&self.path);
                    }
                    self.path.pop();
                }
            }
            Atom { scalar: Some(_), .. } => self.set.insert(&self.path),
            Atom { list: Some(ListAtom { relation: Relation::Atomic, .. }), .. } => self.set.insert(&self.path),
            Atom { list: Some(list), .. } => self.items(&list, value),
            _ => {}
        }
    }

    /// Items of which a list has several are owned as one.
    fn items(&mut self, list: &ListAtom<'t>, value: &Value) {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let elements: Vec<_> = items.iter().map(|item| element_of(self.schema, list, item).ok()).collect();
        let (mut seen, mut doubles) = (BTreeSet::new(), BTreeSet::new());
        for element in elements.iter().flatten() {
            if !seen.insert(element) {
                doubles.insert(element);
            }
        }
        for (element, item) in elements.iter().zip(items) {
            let Some(element) = element else { continue };
            self.path.push(element.clone());
            if !doubles.contains(element) {
                self.value(list.item, item);
            }
            self.set.insert(&self.path);
            self.path.pop();
        }
    }
}

/// A value without the members of a set; nothing if nothing is left of it.
pub fn remove(schema: &Schema, ty: TypeRef, value: &Value, gone: &Set) -> Value {
    match ty.resolve(schema).deduced(Some(value)) {
        Atom { map: Some(map), .. } => match value {
            Value::Object(fields) if !map.is_atomic => remove_fields(schema, &map, fields, gone),
            _ => Value::Null,
        },
        Atom { scalar: Some(_), .. } => value.clone(),
        Atom { list: Some(list), .. } => match (value, &list.relation) {
            (_, Relation::Atomic) => Value::Null,
            (Value::Array(items), _) => remove_items(schema, &list, items, gone),
            _ => Value::Null,
        },
        _ => Value::Null,
    }
}

fn remove_fields<'t>(schema: &'t Schema, map: &MapAtom<'t>, fields: &Map<String, Value>, gone: &Set) -> Value {
    let mut left = Map::new();
    for (name, value) in fields {
        let element = PathElement::Field(name.clone());
        if gone.has(&element) {
            continue;
        }
        let value = match (gone.child(&element), map.field(schema, name).or(map.element)) {
            (Some(gone), Some(ty)) => remove(schema, ty, value, gone),
            _ => value.clone(),
        };
        left.insert(name.clone(), value);
    }
    if left.is_empty() { Value::Null } else { Value::Object(left) }
}

fn remove_items<'t>(schema: &'t Schema, list: &ListAtom<'t>, items: &[Value], gone: &Set) -> Value {
    let left = items.iter().filter_map(|item| {
        let Ok(element) = element_of(schema, list, item) else { return Some(item.clone()) };
        if gone.has(&element) {
            return None;
        }
        Some(gone.child(&element).map_or_else(|| item.clone(), |gone| remove(schema, list.item, item, gone)))
    });
    let left: Vec<Value> = left.collect();
    if left.is_empty() { Value::Null } else { Value::Array(left) }
}
