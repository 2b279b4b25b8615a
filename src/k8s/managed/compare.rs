//! What is new, other and gone between two values of a type.
//!
//! Upstream: `sigs.k8s.io/structured-merge-diff/v6/typed/compare.go`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::set::{PathElement, Set, equal};
use super::typed::element_of;
use super::types::{Atom, ListAtom, MapAtom, Relation, TypeRef};
use crate::k8s::schema::Schema;

#[derive(Debug, Default)]
pub struct Comparison {
    pub added: Set,
    pub modified: Set,
    pub removed: Set,
}

impl Comparison {
    pub fn of(schema: &Schema, ty: TypeRef, old: &Value, new: &Value) -> Comparison {
        let mut comparison = Comparison::default();
        Walker { schema, out: &mut comparison, path: Vec::new() }.value(ty, Some(old), Some(new));
        comparison
    }

    pub fn without(&self, fields: &Set) -> Comparison {
        let [added, modified, removed] =
            [&self.added, &self.modified, &self.removed].map(|set| set.recursive_difference(fields));
        Comparison { added, modified, removed }
    }
}

struct Walker<'a, 't> {
    schema: &'t Schema,
    out: &'a mut Comparison,
    path: Vec<PathElement>,
}

impl<'t> Walker<'_, 't> {
    fn value(&mut self, ty: TypeRef<'t>, old: Option<&Value>, new: Option<&Value>) {
        let (before, after) = (ty.resolve(self.schema).deduced(old), ty.resolve(self.schema).deduced(new));
        let is_leaf = match (old, new) {
            (_, None) => self.atom(before, old, new),
            (None, _) => self.atom(after, old, new),
            _ if before.has_same_forms(&after) => self.atom(after, old, new),
            _ => {
                self.atom(before, old, new);
                self.atom(after, old, new)
            }
        };
        match (old, new) {
            _ if is_leaf => {}
            (None, Some(_)) => self.out.added.insert(&self.path),
            (Some(_), None) => self.out.removed.insert(&self.path),
            _ => {}
        }
    }

    /// Whether it was a leaf, which is owned as one.
    fn atom(&mut self, atom: Atom<'t>, old: Option<&Value>, new: Option<&Value>) -> bool {
        match atom {
            Atom { map: Some(map), .. } => {
                let [old_fields, new_fields] = [old, new].map(|value| value.and_then(Value::as_object));
                let is_empty = |fields: Option<&Map<String, Value>>| fields.is_none_or(Map::is_empty);
                if map.is_atomic || (is_empty(old_fields) && is_empty(new_fields)) {
                    return self.leaf(old, new);
                }
                self.fields(&map, old_fields, new_fields);
                false
            }
            Atom { scalar: Some(_), .. } => self.leaf(old, new),
            Atom { list: Some(list), .. } => {
                let [old_items, new_items] =
                    [old, new].map(|value| value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default());
                if matches!(list.relation, Relation::Atomic) || (old_items.is_empty() && new_items.is_empty()) {
                    return self.leaf(old, new);
                }
                self.items(&list, old_items, new_items);
                false
            }
            _ => false,
        }
    }

    fn leaf(&mut self, old: Option<&Value>, new: Option<&Value>) -> bool {
        let set = match (old, new) {
            (None, _) => &mut self.out.added,
            (_, None) => &mut self.out.removed,
            (Some(old), Some(new)) if equal(old, new) => return true,
            _ => &mut self.out.modified,
        };
        set.insert(&self.path);
        true
    }

    fn fields(&mut self, map: &MapAtom<'t>, old: Option<&Map<String, Value>>, new: Option<&Map<String, Value>>) {
        let names: BTreeSet<&String> = [old, new].into_iter().flatten().flat_map(Map::keys).collect();
        for name in names {
            let [old, new] = [old, new].map(|fields| fields.and_then(|fields| fields.get(name)));
            let Some(ty) = map.field(self.schema, name).or(map.element) else { continue };
            self.path.push(PathElement::Field(name.clone()));
            self.value(ty, old, new);
            self.path.pop();
        }
    }

    fn items(&mut self, list: &ListAtom<'t>, old: &[Value], new: &[Value]) {
        let mut pairs: BTreeMap<PathElement, [Vec<&Value>; 2]> = BTreeMap::new();
        for (side, items) in [old, new].into_iter().enumerate() {
            for item in items {
                if let Ok(element) = element_of(self.schema, list, item) {
                    pairs.entry(element).or_default()[side].push(item);
                }
            }
        }
        for (element, [old, new]) in pairs {
            self.path.push(element);
            match (&old[..], &new[..]) {
                (old @ ([] | [_]), new @ ([] | [_])) => {
                    self.value(list.item, old.first().copied(), new.first().copied());
                }
                ([_, _, ..], [_, _, ..]) => {
                    let is_same = old.len() == new.len() && old.iter().zip(&new).all(|(old, new)| equal(old, new));
                    if !is_same {
                        self.out.modified.insert(&self.path);
                    }
                }
                ([_, _, ..], new) => {
                    if let Some(new) = new.first() {
                        self.value(list.item, None, Some(new));
                    }
                    self.out.removed.insert(&self.path);
                }
                (old, _) => {
                    if let Some(old) = old.first() {
                        self.value(list.item, Some(old), None);
                    }
                    self.out.added.insert(&self.path);
                }
            }
            self.path.pop();
        }
    }
}
