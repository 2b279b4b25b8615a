//! Strategic merge patches made from objects: from two, and from the three that client-side apply knows.
//!
//! Upstream: `diffMaps`, `CreateTwoWayMergePatch` and `CreateThreeWayMergePatch` of `strategicpatch`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::golang;
use super::lookup::Node;
use super::strategic::{
    self, DELETE_FROM, DIRECTIVE, Error, Fields, RETAIN_KEYS, SET_ORDER, Target, are_objects, key_of,
};
use crate::k8s::schema::{MessageId, Schema};

/// The patch that turns one object into another, its keys sorted as they travel.
pub fn two_way(schema: &Schema, kind: MessageId, original: &Value, modified: &Value) -> Result<Value, String> {
    let empty = Map::new();
    let [original, modified] = [original, modified].map(|document| document.as_object().unwrap_or(&empty));
    let options = Options { changes: true, deletions: true, retains_keys: false };
    let patch = fields(original, modified, Node::of(schema, kind), options).map_err(Error::into_text)?;
    let mut patch = Value::Object(patch);
    patch.sort_all_objects();
    Ok(patch)
}

/// What `modified` adds to `current` or changes in it, over what was taken out of it since `original`.
pub fn three_way(
    schema: &Schema,
    kind: MessageId,
    original: &Fields,
    modified: &Fields,
    current: &Fields,
) -> Result<Fields, String> {
    let node = Node::of(schema, kind);
    let make = || {
        let changes = Options { changes: true, deletions: false, retains_keys: false };
        let changes = fields(current, modified, node, changes)?;
        let deletions = Options { changes: false, deletions: true, retains_keys: false };
        let deletions = fields(original, modified, node, deletions)?;
        strategic::merge(deletions, changes, node, Target::Patch)
    };
    let mut patch = Value::Object(make().map_err(Error::into_text)?);
    patch.sort_all_objects();
    match patch {
        Value::Object(patch) => Ok(patch),
        _ => Ok(Map::new()),
    }
}

/// What of the difference a patch is to hold.
#[derive(Clone, Copy)]
struct Options {
    /// What is new or other.
    changes: bool,
    deletions: bool,
    /// This object says with `$retainKeys` what it keeps.
    retains_keys: bool,
}

/// A list's difference: items to merge, items of a set to delete, and the order that is wanted.
#[derive(Default)]
struct Lists {
    items: Vec<Value>,
    deletions: Vec<Value>,
    order: Vec<Value>,
}

fn fields(original: &Fields, modified: &Fields, node: Node, options: Options) -> Result<Fields, Error> {
    let mut patch = Map::new();
    for (name, new) in modified {
        match original.get(name) {
            None if options.changes => drop(patch.insert(name.clone(), new.clone())),
            None => {}
            Some(old) if name == DIRECTIVE => {
                if !old.is_string() || !new.is_string() {
                    return Err(Error::Other(format!("invalid value for special key: {DIRECTIVE}")));
                }
                if old != new {
                    patch.insert(name.clone(), new.clone());
                }
            }
            Some(old) => field(&mut patch, name, old, new, node, options)?,
        }
    }
    if options.deletions {
        for name in original.keys().filter(|name| !modified.contains_key(*name)) {
            patch.insert(name.clone(), Value::Null);
        }
    }
    if options.retains_keys {
        let mut kept: Vec<Value> =
            modified.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name[..].into()).collect();
        let has_more = original.iter().any(|(name, value)| !value.is_null() && !modified.contains_key(name));
        if !kept.is_empty() && (!patch.is_empty() || has_more) {
            kept.sort_by_key(golang::show);
            patch.insert(RETAIN_KEYS.to_owned(), Value::Array(kept));
        }
    }
    Ok(patch)
}

fn field(patch: &mut Fields, name: &str, old: &Value, new: &Value, node: Node, options: Options) -> Result<(), Error> {
    let is_same = old == new;
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let (inner, strategy) = match node.field(name) {
                Err(_) if is_same => return Ok(()),
                found => found?,
            };
            if strategy.replaces {
                if options.changes {
                    patch.insert(name.to_owned(), Value::Object(new.clone()));
                }
                return Ok(());
            }
            let options = Options { retains_keys: strategy.retains_keys, ..options };
            let difference = fields(old, new, inner, options)?;
            if !difference.is_empty() {
                patch.insert(name.to_owned(), Value::Object(difference));
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            let (item, strategy) = match node.list(name) {
                Err(_) if is_same => return Ok(()),
                found => found?,
            };
            let Some(key) = strategy.merge_key else {
                if options.changes && !is_same {
                    patch.insert(name.to_owned(), Value::Array(new.clone()));
                }
                return Ok(());
            };
            let options = Options { retains_keys: strategy.retains_keys, ..options };
            let Lists { items, deletions, order } = lists(old, new, item, key, options)?;
            let parts = [
                (name.to_owned(), items),
                (format!("{DELETE_FROM}/{name}"), deletions),
                (format!("{SET_ORDER}/{name}"), order),
            ];
            patch
                .extend(parts.into_iter().filter(|(_, list)| !list.is_empty()).map(|(name, list)| (name, list.into())));
        }
        _ if options.changes && !is_same => drop(patch.insert(name.to_owned(), new.clone())),
        _ => {}
    }
    Ok(())
}

fn lists(old: &[Value], new: &[Value], item: Node, key: &str, options: Options) -> Result<Lists, Error> {
    if old.is_empty() {
        let items = if options.changes { new.to_vec() } else { Vec::new() };
        return Ok(Lists { items, ..Lists::default() });
    }
    if !are_objects(&[old, new])? {
        return Ok(sets(old, new, options));
    }
    let (items, deletions) = maps(old, new, item, key, options)?;
    let places: BTreeMap<String, usize> =
        new.iter().enumerate().rev().filter_map(|(place, item)| Some((item.get(key)?.to_string(), place))).collect();
    let mut items = items;
    items.sort_by_key(|item| item.get(key).and_then(|value| places.get(&value.to_string())).copied());
    let mut is_order_same = old.len() == new.len();
    for (old, new) in old.iter().zip(new) {
        is_order_same = is_order_same && key_of(old, key)? == key_of(new, key)?;
    }
    items.extend(deletions);
    let wants_order =
        (options.changes && (!items.is_empty() || !is_order_same)) || (options.deletions && !items.is_empty());
    let only_key =
        |item: &Value| Value::Object(Map::from_iter([(key.to_owned(), item.get(key).cloned().unwrap_or_default())]));
    let order = if wants_order { new.iter().map(only_key).collect() } else { Vec::new() };
    Ok(Lists { items, deletions: Vec::new(), order })
}

/// The items that two lists of objects differ in, and directives for those that are gone.
fn maps(
    old: &[Value],
    new: &[Value],
    item: Node,
    key: &str,
    options: Options,
) -> Result<(Vec<Value>, Vec<Value>), Error> {
    let [old, new] = [sorted_by_key(old, key)?, sorted_by_key(new, key)?];
    let (mut changes, mut deletions) = (Vec::new(), Vec::new());
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return Ok((changes, deletions)),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((old, _)), Some((new, _))) => old.cmp(new),
        };
        let gone = if order.is_le() { old.next() } else { None };
        let come = if order.is_ge() { new.next() } else { None };
        match (gone, come) {
            (Some((_, old)), Some((_, new))) => {
                let mut difference = fields(old, new, item, options)?;
                if !difference.is_empty() {
                    difference.insert(key.to_owned(), new.get(key).cloned().unwrap_or_default());
                    changes.push(Value::Object(difference));
                }
            }
            (None, Some((_, new))) if options.changes => changes.push(Value::Object(new.clone())),
            (Some((_, old)), None) if options.deletions => {
                let value = old.get(key).cloned().unwrap_or_default();
                let directive = [(key.to_owned(), value), (DIRECTIVE.to_owned(), "delete".into())];
                deletions.push(Value::Object(Map::from_iter(directive)));
            }
            _ => {}
        }
    }
}

/// Objects by the text of their keys; of those with one key the last comes first, as upstream's way of sorting has it.
fn sorted_by_key<'a>(list: &'a [Value], key: &str) -> Result<Vec<(String, &'a Fields)>, Error> {
    let mut sorted = Vec::with_capacity(list.len());
    for item in list.iter().rev() {
        let value = golang::show(key_of(item, key)?);
        sorted.extend(item.as_object().map(|fields| (value, fields)));
    }
    sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(sorted)
}

/// The difference of two lists of plain values that are merged as sets.
fn sets(old: &[Value], new: &[Value], options: Options) -> Lists {
    let sorted = |list: &[Value]| {
        let mut texts: Vec<(String, Value)> = list.iter().map(|item| (golang::show(item), item.clone())).collect();
        texts.sort_by(|(one, _), (other, _)| one.cmp(other));
        texts
    };
    let (mut items, mut deletions): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    let (mut olds, mut news) = (sorted(old).into_iter().peekable(), sorted(new).into_iter().peekable());
    loop {
        let order = match (olds.peek(), news.peek()) {
            (None, None) => break,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((old, _)), Some((new, _))) => old.cmp(new),
        };
        let gone = if order.is_le() { olds.next() } else { None };
        let come = if order.is_ge() { news.next() } else { None };
        match (gone, come) {
            (None, Some((_, item))) if options.changes => items.push(item),
            (Some((_, item)), None) if options.deletions => deletions.push(item),
            _ => {}
        }
    }
    // Simplified: where upstream deletes an item twice, the order of its directive is that of a clever algorithm.
    deletions.dedup();
    let places: BTreeMap<String, usize> =
        new.iter().enumerate().rev().map(|(place, item)| (item.to_string(), place)).collect();
    items.sort_by_key(|item| places.get(&item.to_string()).copied());
    // Upstream has sorted the old list by now, and so says the order of one that was not sorted, though nothing changed.
    let is_same = sorted(old).into_iter().map(|(_, item)| item).eq(new.iter().cloned());
    let wants_order = (options.deletions && !deletions.is_empty()) || (options.changes && !is_same);
    let order = if wants_order { new.to_vec() } else { Vec::new() };
    Lists { items, deletions, order }
}
