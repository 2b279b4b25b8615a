//! JSON merge patch (RFC 7386): applying one, making one, and making one of three documents.
//!
//! Upstream: `gopkg.in/evanphx/json-patch.v4/merge.go` and `k8s.io/apimachinery/pkg/util/jsonmergepatch`.

use serde_json::{Map, Value};

use super::{FieldValidation, json_type, read_json};
use crate::k8s::meta::status::Status;

type Fields = Map<String, Value>;

const BAD_PATCH: &str = "Invalid JSON Patch";

/// Reads a patch, and what stands twice in it.
pub fn read(bytes: &[u8], validation: FieldValidation) -> Result<(Value, Vec<String>), Status> {
    let is_loose = validation == FieldValidation::Ignore;
    let refuse = |error: String| match is_loose {
        true => Status::bad_request(BAD_PATCH),
        false => Status::bad_request(format!("error decoding patch: {error}")),
    };
    let (patch, duplicates) = read_json(bytes).map_err(refuse)?;
    match &patch {
        Value::Object(_) => Ok((patch, duplicates)),
        Value::Null => Err(Status::bad_request(BAD_PATCH)),
        Value::Array(_) if is_loose => Ok((patch, duplicates)),
        other => {
            let what = json_type(other);
            Err(refuse(format!("json: cannot unmarshal {what} into Go value of type map[string]interface {{}}")))
        }
    }
}

/// An object with a patch applied. A patch that is a list takes its place, which no kind of object can be read from.
pub fn apply(document: Value, patch: Value) -> Result<Value, String> {
    match (document, patch) {
        (Value::Object(mut document), Value::Object(patch)) => {
            apply_fields(&mut document, patch);
            Ok(Value::Object(document))
        }
        (_, mut patch @ (Value::Object(_) | Value::Array(_))) => {
            prune(&mut patch);
            Ok(patch)
        }
        _ => Err(BAD_PATCH.to_owned()),
    }
}

fn apply_fields(document: &mut Fields, patch: Fields) {
    for (name, mut value) in patch {
        match (document.get_mut(&name), &mut value) {
            (_, Value::Null) => drop(document.shift_remove(&name)),
            (Some(Value::Object(inner)), Value::Object(patch)) => apply_fields(inner, std::mem::take(patch)),
            (Some(Value::Object(_)), _) => drop(document.insert(name, value)),
            _ => {
                prune(&mut value);
                document.insert(name, value);
            }
        }
    }
}

/// What a patch would remove, where there is nothing to remove it from.
fn prune(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(prune);
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}

/// The patch that turns one document into another.
pub fn difference(original: &Fields, modified: &Fields) -> Fields {
    let mut patch = Map::new();
    for (name, value) in modified {
        match (original.get(name), value) {
            (Some(Value::Object(original)), Value::Object(modified)) => {
                let inner = difference(original, modified);
                if !inner.is_empty() {
                    patch.insert(name.clone(), Value::Object(inner));
                }
            }
            (Some(original), value) if original == value => {}
            _ => drop(patch.insert(name.clone(), value.clone())),
        }
    }
    for name in original.keys().filter(|name| !modified.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    patch
}

/// What `modified` adds or changes, and what was taken out of it since `original`.
pub fn three_way(original: &Fields, modified: &Fields, current: &Fields) -> Fields {
    let additions = filter(difference(current, modified), false);
    let mut patch = filter(difference(original, modified), true);
    overlay(&mut patch, additions);
    patch
}

/// Only the nulls of a patch, or all but them.
fn filter(patch: Fields, keeps_nulls: bool) -> Fields {
    let mut kept = Map::new();
    for (name, value) in patch {
        match value {
            Value::Null if keeps_nulls => drop(kept.insert(name, Value::Null)),
            Value::Null => {}
            // An empty object is a value, and no empty patch.
            Value::Object(inner) if !inner.is_empty() => {
                let inner = filter(inner, keeps_nulls);
                if !inner.is_empty() {
                    kept.insert(name, Value::Object(inner));
                }
            }
            value if !keeps_nulls => drop(kept.insert(name, value)),
            _ => {}
        }
    }
    kept
}

/// Lays additions over deletions; the two have no field in common, for one is of what `modified` has.
fn overlay(deletions: &mut Fields, additions: Fields) {
    for (name, value) in additions {
        match (deletions.get_mut(&name), value) {
            (Some(Value::Object(deletions)), Value::Object(additions)) => overlay(deletions, additions),
            (_, value) => drop(deletions.insert(name, value)),
        }
    }
}
