//! Custom resources: definitions, and what their schemas make of objects.
//!
//! Upstream: `k8s.io/apiextensions-apiserver`. Everything is a function of a definition, which is in the form of its type, and
//! of objects. A request's way: [`Version::settle`] (drop what is unknown, fill in defaults), [`Version::prepare_create`] or
//! [`Version::prepare_update`] (what the endpoint may set), admission, [`Version::check`] or [`Version::check_update`].
//!
//! Printer columns are drawn where tables are made, in `apiserver`.

mod definition;
mod formats;
mod instance;
mod lists;
mod resource;
mod rules;
mod schema;
#[cfg(test)]
mod tests;
mod validate;

use serde_json::Value;

pub use definition::{check, check_schemas, check_update, conditions, establish, prepare_create, prepare_update};
pub use resource::Version;

/// Whether a flag of a schema is set.
fn is_set(node: &Value, name: &str) -> bool {
    node[name] == true
}

/// The schema of fields without a name, or `true`, if there may be such.
fn additional(node: &Value) -> Option<&Value> {
    node.get("additionalProperties").filter(|inner| inner.is_object() || **inner == Value::Bool(true))
}

/// The item of an old list that an item takes the place of: only lists by keys know.
fn counterpart<'a>(old: &'a Value, item: &Value, node: &Value) -> Option<&'a Value> {
    if node["x-kubernetes-list-type"] != "map" {
        return None;
    }
    let keys = node["x-kubernetes-list-map-keys"].as_array()?;
    let same = |other: &&Value| keys.iter().filter_map(Value::as_str).all(|key| other.get(key) == item.get(key));
    old.as_array()?.iter().find(same)
}
