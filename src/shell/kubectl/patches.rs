//! Patches between two states of an object, as clients work them out.

use serde_json::Value;

use super::client::content;
use crate::k8s::patch;
use crate::k8s::schema::{MessageId, Schema};

/// The type of an object, if it is built in.
pub fn kind_of(object: &Value) -> Option<MessageId> {
    let text = |name: &str| object[name].as_str().unwrap_or_default();
    Schema::kubernetes().kind(text("apiVersion"), text("kind"))
}

/// A JSON merge patch.
pub fn merge(old: &Value, new: &Value) -> Value {
    patch::merge_patch(old, new)
}

/// A strategic merge patch; for what is not built in, a merge patch.
pub fn strategic(old: &Value, new: &Value) -> Result<Value, String> {
    match kind_of(new) {
        Some(kind) => patch::two_way(Schema::kubernetes(), kind, old, new),
        None => Ok(merge(old, new)),
    }
}

/// An object with a patch applied, without asking a server.
pub fn applied(object: &Value, patch_body: &Value, content_type: &str) -> Result<Value, String> {
    match (content_type, kind_of(object)) {
        (content::JSON_PATCH, _) => patch::apply_operations(object.clone(), patch_body.to_string().as_bytes()),
        (content::STRATEGIC, Some(kind)) => patch::strategic_merge(Schema::kubernetes(), kind, object, patch_body),
        _ => {
            let mut object = object.clone();
            merge_into(&mut object, patch_body);
            Ok(object)
        }
    }
}

/// RFC 7396, as deep as what was read is.
fn merge_into(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = serde_json::json!({});
    }
    let Some(map) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            map.shift_remove(name);
        } else {
            merge_into(map.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}
