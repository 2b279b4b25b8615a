//! Tables of custom resources: the columns that their definition names, found by JSON path.

use super::Time;
use super::tables::{self, Include, custom};
use crate::k8s::custom::Version;
use crate::k8s::jsonpath::JsonPath;
use serde_json::Value;

/// A list, or an object, of a version.
pub fn of(version: &Version, body: &Value, include: Include, now: Time) -> Value {
    let columns = version.columns();
    let definitions: Vec<custom::Definition> = match columns {
        [] => custom::default_definitions(),
        columns => columns.iter().map(custom::Definition::of_object).collect(),
    };
    let listed = body.get("items").and_then(Value::as_array).filter(|_| body["kind"] != version.kind());
    let items: Vec<&Value> = listed.map_or_else(|| vec![body], |items| items.iter().collect());
    let rows = items.iter().map(|item| {
        let values = definitions.iter().map(|definition| (definition, find(&definition.json_path, item)));
        custom::row(item, values, now).to_object(item, include, "v1")
    });
    let metadata = tables::metadata_of(body, listed.is_some());
    tables::table(Some(&custom::columns_of(&definitions)), rows.collect(), metadata, "v1")
}

/// What a path such as `.spec.replicas` leads to.
fn find(path: &str, object: &Value) -> Option<Value> {
    let path = JsonPath::parse(&format!("{{{path}}}")).ok()?;
    path.first(object).map(|found| found.value().clone())
}
