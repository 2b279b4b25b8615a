//! A value laid over another of its type: what the applied one says, and what else the live one has.
//!
//! Upstream: `sigs.k8s.io/structured-merge-diff/v6/typed/merge.go`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::set::PathElement;
use super::typed::{Mistake, check_scalar, element_of};
use super::types::{Atom, ListAtom, MapAtom, Relation, TypeRef};
use crate::k8s::schema::Schema;

/// Lays `right` over `left`.
pub fn merge(schema: &Schema, ty: TypeRef, left: &Value, right: &Value) -> Result<Value, Vec<Mistake>> {
    let mut walker = Walker { schema, mistakes: Vec::new() };
    let merged = walker.value(ty, Some(left), Some(right));
    if walker.mistakes.is_empty() { Ok(merged.unwrap_or_default()) } else { Err(walker.mistakes) }
}

struct Walker<'t> {
    schema: &'t Schema,
    mistakes: Vec<Mistake>,
}

impl<'t> Walker<'t> {
    fn value(&mut self, ty: TypeRef<'t>, left: Option<&Value>, right: Option<&Value>) -> Option<Value> {
        let (before, after) = (ty.resolve(self.schema).deduced(left), ty.resolve(self.schema).deduced(right));
        self.atom(if right.is_none() { before } else { after }, left, right)
    }

    fn atom(&mut self, atom: Atom<'t>, left: Option<&Value>, right: Option<&Value>) -> Option<Value> {
        match atom {
            Atom { map: Some(map), .. } => {
                let [old, new] = [left, right].map(|value| value.and_then(Value::as_object));
                let is_empty = |fields: Option<&Map<String, Value>>| fields.is_none_or(Map::is_empty);
                if map.is_atomic || (is_empty(old) && is_empty(new)) {
                    return right.or(left).cloned();
                }
                self.fields(&map, old, new)
            }
            Atom { scalar: Some(scalar), .. } => {
                let mistakes =
                    [("lhs: ", left), ("rhs: ", right)].map(|(prefix, value)| check_scalar(scalar, value, prefix));
                if let [Some(left), Some(right)] = mistakes {
                    self.mistakes.extend([left, right]);
                    return None;
                }
                right.or(left).cloned()
            }
            Atom { list: Some(list), .. } => {
                let [old, new] =
                    [left, right].map(|value| value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default());
                if matches!(list.relation, Relation::Atomic) || (old.is_empty() && new.is_empty()) {
                    return right.or(left).cloned();
                }
                self.items(&list, old, new)
            }
            _ => None,
        }
    }

    fn fields(
        &mut self,
        map: &MapAtom<'t>,
        left: Option<&Map<String, Value>>,
        right: Option<&Map<String, Value>>,
    ) -> Option<Value> {
        let mut merged = Map::new();
        let new =
            right.into_iter().flat_map(Map::keys).filter(|name| left.is_none_or(|left| !left.contains_key(*name)));
        for name in left.into_iter().flat_map(Map::keys).chain(new) {
            let [left, right] = [left, right].map(|fields| fields.and_then(|fields| fields.get(name)));
            let Some(ty) = map.field(self.schema, name).or(map.element) else { continue };
            let value = self.inside(&PathElement::Field(name.clone()), ty, left, right);
            merged.extend(value.map(|value| (name.clone(), value)));
        }
        (!merged.is_empty()).then_some(Value::Object(merged))
    }

    fn inside(
        &mut self,
        element: &PathElement,
        ty: TypeRef<'t>,
        left: Option<&Value>,
        right: Option<&Value>,
    ) -> Option<Value> {
        let known = self.mistakes.len();
        let value = self.value(ty, left, right);
        for mistake in &mut self.mistakes[known..] {
            *mistake = mistake.clone().below(element);
        }
        value
    }

    /// Items in the order of the right list; those that only the left one has keep their places between them.
    fn items(&mut self, list: &ListAtom<'t>, left: &[Value], right: &[Value]) -> Option<Value> {
        let known = self.mistakes.len();
        let (right, right_items) = self.index(list, right, false);
        let (left_elements, left_items) = self.index(list, left, true);
        if self.mistakes.len() > known {
            return None;
        }
        let mut shared =
            right.iter().filter(|(element, _)| left_items.contains_key(element)).map(|(element, _)| element);
        let mut next_shared = shared.next();
        let (mut merged, mut out) = (BTreeSet::new(), Vec::new());
        let (mut l, mut r) = (0, 0);
        while l < left_elements.len() || r < right.len() {
            if let (Some((element, _)), Some((other, _))) = (left_elements.get(l), right.get(r)) {
                if element == other {
                    merged.insert(element);
                    let [old, new] = [&left_items, &right_items].map(|items| items.get(element).copied());
                    out.extend(self.inside(element, list.item, old, new));
                    (l, r) = (l + 1, r + 1);
                    next_shared = shared.next();
                    continue;
                }
                // Another one's turn comes first.
                if right_items.contains_key(element) && next_shared.is_some_and(|next| next != element) {
                    l += 1;
                    continue;
                }
            }
            if let Some((element, item)) = left_elements.get(l) {
                if !right_items.contains_key(element) {
                    out.extend(self.inside(element, list.item, Some(item), None));
                    l += 1;
                    continue;
                }
                if merged.contains(element) {
                    l += 1;
                }
            }
            if let Some((element, _)) = right.get(r) {
                merged.insert(element);
                let [old, new] = [&left_items, &right_items].map(|items| items.get(element).copied());
                out.extend(self.inside(element, list.item, old, new));
                r += 1;
                if next_shared == Some(element) {
                    next_shared = shared.next();
                }
            }
        }
        (!out.is_empty()).then_some(Value::Array(out))
    }

    /// The items of a list by their elements; of those that it has twice, only that.
    fn index<'v>(
        &mut self,
        list: &ListAtom<'t>,
        items: &'v [Value],
        allows_duplicates: bool,
    ) -> (Vec<(PathElement, &'v Value)>, BTreeMap<PathElement, &'v Value>) {
        let (mut elements, mut index) = (Vec::new(), BTreeMap::new());
        for (place, item) in items.iter().enumerate() {
            match element_of(self.schema, list, item) {
                Err(error) => self.mistakes.push(Mistake::new(format!("element {place}: {error}"))),
                Ok(element) if index.contains_key(&element) && !allows_duplicates => {
                    self.mistakes.push(Mistake::new(format!("duplicate entries for key {element}")));
                }
                Ok(element) => {
                    let is_double = index.contains_key(&element);
                    index.insert(element.clone(), if is_double { &Value::Null } else { item });
                    elements.push((element, item));
                }
            }
        }
        (elements, index)
    }
}
