//! Strategic merge patch: a merge patch whose lists are merged by key where the types say so, with directives.
//!
//! Upstream: `k8s.io/apimachinery/pkg/util/strategicpatch/patch.go`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::golang;
use super::lookup::Node;
use super::{json_type, read_json, unexpected};
use crate::k8s::meta::status::Status;
use crate::k8s::schema::{MessageId, PatchStrategy, Schema};

pub type Fields = Map<String, Value>;

pub const DIRECTIVE: &str = "$patch";
pub const RETAIN_KEYS: &str = "$retainKeys";
pub const DELETE_FROM: &str = "$deleteFromPrimitiveList";
pub const SET_ORDER: &str = "$setElementOrder";

/// Why a patch does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    Format(&'static str),
    ListOfLists,
    Other(String),
}

/// Whether a patch is laid over an object, or over another patch: then directives are kept, and so are nulls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Object,
    Patch,
}

impl Error {
    pub fn into_status(self) -> Status {
        match self {
            Error::Format(text) => Status::bad_request(text),
            Error::ListOfLists => super::rejected(),
            Error::Other(text) => unexpected(&text),
        }
    }

    pub fn into_text(self) -> String {
        match self {
            Error::Format(text) => text.to_owned(),
            Error::ListOfLists => "lists of lists are not supported".to_owned(),
            Error::Other(text) => text,
        }
    }
}

impl From<String> for Error {
    fn from(text: String) -> Error {
        Error::Other(text)
    }
}

const BAD_DELETE_FROM: Error = Error::Format("invalid patch format of primitive list");
const BAD_RETAIN_KEYS: Error = Error::Format("invalid patch format of retainKeys");
const BAD_SET_ORDER: Error = Error::Format("invalid patch format of setElementOrder list");

/// Reads a patch, and what stands twice in it.
pub fn read(bytes: &[u8]) -> Result<(Fields, Vec<String>), Status> {
    let (patch, duplicates) = read_json(bytes).map_err(Status::bad_request)?;
    match patch {
        Value::Object(patch) => Ok((patch, duplicates)),
        Value::Null => Ok((Map::new(), duplicates)),
        other => {
            let what = json_type(&other);
            Err(Status::bad_request(format!(
                "json: cannot unmarshal {what} into Go value of type map[string]interface {{}}"
            )))
        }
    }
}

/// Applies a patch to an object of a kind.
pub fn apply(schema: &Schema, kind: MessageId, original: Fields, patch: Fields) -> Result<Fields, Error> {
    merge(original, patch, Node::of(schema, kind), Target::Object)
}

/// Lays a patch over an object or another patch.
pub fn merge(mut original: Fields, mut patch: Fields, node: Node, target: Target) -> Result<Fields, Error> {
    if let Some(directive) = patch.shift_remove(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => Ok(patch),
            Some("delete") => Ok(Map::new()),
            _ => Err(unknown_directive(directive, patch)),
        };
    }
    retain_keys(&mut original, &mut patch, target)?;
    merge_ordered_lists(&mut original, &mut patch, node, target)?;
    for (name, value) in patch {
        let (key, is_deletion) = match (name.starts_with(DELETE_FROM), target) {
            (false, _) => (name, false),
            (true, Target::Object) => (list_of_directive(&name, DELETE_FROM).ok_or(BAD_DELETE_FROM)?, true),
            (true, Target::Patch) => {
                original.insert(name, value);
                continue;
            }
        };
        if value.is_null() {
            original.shift_remove(&key);
            if target == Target::Object {
                continue;
            }
        }
        merge_field(&mut original, key, value, is_deletion, node, target)?;
    }
    Ok(original)
}

fn merge_field(
    original: &mut Fields,
    key: String,
    value: Value,
    is_deletion: bool,
    node: Node,
    target: Target,
) -> Result<(), Error> {
    let merged = match (original.get_mut(&key), value) {
        (Some(Value::Object(old)), Value::Object(new)) => {
            let (inner, strategy) = node.field(&key)?;
            let old = std::mem::take(old);
            Some(Value::Object(if strategy.replaces { new } else { merge(old, new, inner, target)? }))
        }
        (Some(Value::Array(old)), Value::Array(new)) => {
            let (item, strategy) = node.list(&key)?;
            let old = std::mem::take(old);
            Some(Value::Array(merge_lists(old, new, item, strategy, is_deletion, target)?))
        }
        _ if is_deletion => return Ok(()),
        (_, mut new) => {
            if target == Target::Object {
                discard_nulls(&mut new);
            }
            without_directives(new)
        }
    };
    match merged {
        Some(value) => drop(original.insert(key, value)),
        None => drop(original.shift_remove(&key)),
    }
    Ok(())
}

fn merge_lists(
    original: Vec<Value>,
    patch: Vec<Value>,
    item: Node,
    strategy: PatchStrategy,
    is_deletion: bool,
    target: Target,
) -> Result<Vec<Value>, Error> {
    let Some(key) = strategy.merge_key else { return Ok(patch) };
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    if !are_objects(&[&original, &patch])? {
        if is_deletion && target == Target::Object {
            let gone: BTreeSet<String> = patch.iter().map(Value::to_string).collect();
            return Ok(original.into_iter().filter(|item| !gone.contains(&item.to_string())).collect());
        }
        let order = original.clone();
        let mut seen = BTreeSet::new();
        let both = original.into_iter().chain(patch.iter().cloned());
        let merged = both.filter(|item| seen.insert(item.to_string())).collect();
        return enforce_order(merged, &patch, &order, "");
    }
    if key.is_empty() {
        return Err(Error::Other(format!("cannot merge lists without merge key for type {}", item.go_kind())));
    }
    let (original, patch) = obey_directives(original, patch, key)?;
    let (order, wanted) = (keys_only(&original, key), keys_only(&patch, key));
    let merged = merge_items(original, patch, key, item, target)?;
    enforce_order(merged, &wanted, &order, key)
}

/// `$patch: delete` takes items out of the original, `$patch: replace` all of them; the rest of the patch is returned.
fn obey_directives(mut original: Vec<Value>, patch: Vec<Value>, key: &str) -> Result<(Vec<Value>, Vec<Value>), Error> {
    let (mut rest, mut replaces, mut gone) = (Vec::new(), false, BTreeSet::new());
    for value in patch {
        let Value::Object(fields) = value else { continue };
        match fields.get(DIRECTIVE) {
            None => rest.push(Value::Object(fields)),
            Some(directive) => match directive.as_str() {
                Some("delete") => match fields.get(key) {
                    Some(value) => drop(gone.insert(value.to_string())),
                    None => return Err(no_merge_key(&fields, key)),
                },
                // Other directives that follow have no effect, but must be right.
                Some("replace") => replaces = true,
                Some("merge") => {
                    return Err(Error::Other("merging lists cannot yet be specified in the patch".to_owned()));
                }
                _ => return Err(unknown_directive(directive.clone(), fields)),
            },
        }
    }
    if replaces {
        return Ok((rest, Vec::new()));
    }
    original.retain(|item| item.get(key).is_none_or(|value| !gone.contains(&value.to_string())));
    Ok((original, rest))
}

fn merge_items(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
    item: Node,
    target: Target,
) -> Result<Vec<Value>, Error> {
    let mut places = BTreeMap::new();
    for (place, item) in original.iter().enumerate() {
        if let Some(value) = item.get(key) {
            places.entry(value.to_string()).or_insert(place);
        }
    }
    for value in patch {
        let Value::Object(mut fields) = value else { continue };
        let Some(value) = fields.get(key) else { return Err(no_merge_key(&fields, key)) };
        let value = value.to_string();
        match places.get(&value) {
            Some(place) => {
                let old = original[*place].as_object_mut().map(std::mem::take).unwrap_or_default();
                original[*place] = Value::Object(merge(old, fields, item, target)?);
            }
            None => {
                if target == Target::Object {
                    fields.retain(|_, value| !value.is_null());
                    fields.values_mut().for_each(discard_nulls);
                }
                places.insert(value, original.len());
                original.push(Value::Object(fields));
            }
        }
    }
    Ok(original)
}

/// Clears what `$retainKeys` does not name.
fn retain_keys(original: &mut Fields, patch: &mut Fields, target: Target) -> Result<(), Error> {
    let Some(kept) = patch.shift_remove(RETAIN_KEYS) else { return Ok(()) };
    if target == Target::Patch {
        return match original.get(RETAIN_KEYS) {
            Some(known) if *known != kept => {
                let (known, kept) = (golang::show(known), golang::show(&kept));
                let why = "are not deep equal: this may happen when calculating the 3-way diff patch";
                Err(Error::Other(format!("{known} and {kept} {why}")))
            }
            _ => {
                original.insert(RETAIN_KEYS.to_owned(), kept);
                Ok(())
            }
        };
    }
    let Value::Array(kept) = kept else { return Err(BAD_RETAIN_KEYS) };
    let kept: BTreeSet<&str> = kept.iter().filter_map(Value::as_str).collect();
    let is_exempt =
        |name: &str, value: &Value| value.is_null() || name.starts_with(DELETE_FROM) || name.starts_with(SET_ORDER);
    if patch.iter().any(|(name, value)| !is_exempt(name, value) && !kept.contains(name.as_str())) {
        return Err(BAD_RETAIN_KEYS);
    }
    original.retain(|name, _| kept.contains(name.as_str()));
    Ok(())
}

/// The lists that come with `$setElementOrder`: its order comes first, then that of the patch, then that of the object.
fn merge_ordered_lists(original: &mut Fields, patch: &mut Fields, node: Node, target: Target) -> Result<(), Error> {
    let directives: Vec<String> = patch.keys().filter(|name| name.starts_with(SET_ORDER)).cloned().collect();
    for name in directives {
        let Some(order) = patch.shift_remove(&name) else { continue };
        if target == Target::Patch {
            match original.get(&name) {
                Some(known) if *known != order => return Err(BAD_SET_ORDER),
                _ => drop(original.insert(name.clone(), order.clone())),
            }
        }
        let Value::Array(order) = order else { return Err(wrong_type("[]interface {}", &order)) };
        let field = list_of_directive(&name, SET_ORDER).ok_or(BAD_SET_ORDER)?;
        let list = |fields: &Fields| match fields.get(&field) {
            Some(Value::Array(items)) => Ok(Some(items.clone())),
            Some(other) => Err(wrong_type("[]interface {}", other)),
            None => Ok(None),
        };
        let (old, new) = (list(original)?, list(patch)?);
        let (item, strategy) = node.list(&field)?;
        let key = strategy.merge_key.unwrap_or_default();
        check_order(new.as_deref().unwrap_or_default(), &order, key)?;
        let merged = match (old.clone(), new.clone()) {
            (Some(old), None) => old,
            (None, Some(new)) => match without_directives(Value::Array(new)) {
                Some(Value::Array(items)) => items,
                _ => continue,
            },
            (Some(old), Some(new)) => merge_lists(old, new, item, strategy, false, target)?,
            (None, None) => continue,
        };
        let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
        let is_keyed = are_objects(&[&old, &new])?;
        let ordered = arrange(merged, &order, &old, key, is_keyed)?;
        original.insert(field.clone(), Value::Array(ordered));
        patch.shift_remove(&field);
    }
    Ok(())
}

/// What a patch says of a list must stand in the order that it demands.
fn check_order(patch: &[Value], order: &[Value], key: &str) -> Result<(), Error> {
    if order.is_empty() || patch.is_empty() {
        return Ok(());
    }
    let (mut kept, mut wanted) = (Vec::new(), order.iter());
    for item in patch {
        match item {
            Value::Object(fields) if !key.is_empty() => match fields.get(DIRECTIVE) {
                Some(_) => {}
                None => kept.push(item),
            },
            other if !key.is_empty() => return Err(wrong_type("map[string]interface {}", other)),
            item => kept.push(item),
        }
    }
    for item in kept {
        loop {
            let Some(next) = wanted.next() else {
                let [patch, order] = [patch, order].map(|list| golang::show(&Value::Array(list.to_vec())));
                let message = format!("The order in patch list:\n{patch}\n doesn't match {SET_ORDER} list:\n{order}\n");
                return Err(Error::Other(message));
            };
            if key_of(item, key)? == key_of(next, key)? {
                break;
            }
        }
    }
    Ok(())
}

/// Order after a merge: as in the patch, and what it does not name as before.
fn enforce_order(merged: Vec<Value>, patch: &[Value], original: &[Value], key: &str) -> Result<Vec<Value>, Error> {
    arrange(merged, patch, original, key, !key.is_empty())
}

/// Items that `order` names in its order, between the others, which keep the order of the `original` list.
fn arrange(
    merged: Vec<Value>,
    order: &[Value],
    original: &[Value],
    key: &str,
    is_keyed: bool,
) -> Result<Vec<Value>, Error> {
    let key = if is_keyed { key } else { "" };
    let (ranks, first_bad) = places(order, key);
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for item in merged {
        let value = key_of(&item, key)?.to_string();
        match (ranks.get(&value), first_bad) {
            (Some(_), _) => named.push((value, item)),
            (None, Some(place)) => return Err(Error::Other(format!("value for key {place} is not a map"))),
            (None, None) => others.push((value, item)),
        }
    }
    if is_keyed {
        order.iter().chain(original).try_for_each(|item| key_of(item, key).map(drop))?;
    }
    let (before, _) = places(original, key);
    let rank = |ranks: &BTreeMap<String, usize>, value: &str| ranks.get(value).copied().unwrap_or(usize::MAX);
    named.sort_by_key(|(value, _)| rank(&ranks, value));
    others.sort_by_key(|(value, _)| rank(&before, value));
    let (mut out, mut others) = (Vec::with_capacity(named.len() + others.len()), others.into_iter().peekable());
    for (value, item) in named {
        let place = before.get(&value);
        while let Some((_, other)) =
            others.next_if(|(other, _)| place.zip(before.get(other)).is_some_and(|(place, other)| other < place))
        {
            out.push(other);
        }
        out.push(item);
    }
    out.extend(others.map(|(_, item)| item));
    Ok(out)
}

/// Where each value stands first, and the first item that has no place for a key.
fn places(list: &[Value], key: &str) -> (BTreeMap<String, usize>, Option<usize>) {
    let mut places = BTreeMap::new();
    for (place, item) in list.iter().enumerate() {
        match item {
            Value::Object(fields) if !key.is_empty() => {
                if let Some(value) = fields.get(key) {
                    places.entry(value.to_string()).or_insert(place);
                }
            }
            _ if !key.is_empty() => return (places, Some(place)),
            item => drop(places.entry(item.to_string()).or_insert(place)),
        }
    }
    (places, None)
}

/// The value that an item is known by: itself, or that of its merge key.
pub fn key_of<'a>(item: &'a Value, key: &str) -> Result<&'a Value, Error> {
    match item {
        item if key.is_empty() => Ok(item),
        Value::Object(fields) => fields.get(key).ok_or_else(|| no_merge_key(fields, key)),
        other => Err(wrong_type("map[string]interface {}", other)),
    }
}

/// Items with nothing but their keys: all that an order is made of.
fn keys_only(list: &[Value], key: &str) -> Vec<Value> {
    let only = |item: &Value| match item.get(key) {
        Some(value) => Value::Object(Map::from_iter([(key.to_owned(), value.clone())])),
        None => item.clone(),
    };
    list.iter().map(only).collect()
}

/// Whether the items of lists are objects. All must be of one type, and none a list.
pub fn are_objects(lists: &[&[Value]]) -> Result<bool, Error> {
    let mut items = lists.iter().copied().flatten();
    let Some(first) = items.next() else {
        return Err(Error::Other("no elements in any of the given slices".to_owned()));
    };
    if first.is_array() {
        return Err(Error::ListOfLists);
    }
    let ty = golang::type_name(first);
    if items.any(|item| golang::type_name(item) != ty) {
        let shown: Vec<String> = lists.iter().map(|list| golang::show(&Value::Array(list.to_vec()))).collect();
        return Err(Error::Other(format!("list element types are not identical: [{}]", shown.join(" "))));
    }
    Ok(first.is_object())
}

fn discard_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(discard_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(discard_nulls),
        _ => {}
    }
}

/// A value without what is only a directive; nothing if it is one itself.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(fields) if fields.contains_key(DIRECTIVE) => None,
        Value::Object(fields) => {
            let kept = fields.into_iter().filter_map(|(name, value)| Some((name, without_directives(value)?)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(without_directives).collect())),
        other => Some(other),
    }
}

/// The list that a directive beside it is about: `$setElementOrder/containers`.
fn list_of_directive(name: &str, prefix: &str) -> Option<String> {
    name.split_once('/').filter(|(directive, _)| *directive == prefix).map(|(_, list)| list.to_owned())
}

fn no_merge_key(fields: &Fields, key: &str) -> Error {
    let shown = golang::show(&Value::Object(fields.clone()));
    Error::Other(format!("map: {shown} does not contain declared merge key: {key}"))
}

fn wrong_type(expected: &str, value: &Value) -> Error {
    Error::Other(format!("expected a {expected}, but received a {}", golang::type_name(value)))
}

fn unknown_directive(directive: Value, mut fields: Fields) -> Error {
    let shown = match &directive {
        Value::String(text) => text.clone(),
        Value::Null => "%!s(<nil>)".to_owned(),
        other => format!("%!s({}={})", golang::type_name(other), golang::show(other)),
    };
    fields.insert(DIRECTIVE.to_owned(), directive);
    Error::Other(format!("unknown patch type: {shown} in map: {}", golang::show(&Value::Object(fields))))
}
