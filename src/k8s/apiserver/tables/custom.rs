//! Custom resources: the columns that their definition names, with values that somebody else has looked up.
//!
//! Upstream: `k8s.io/apiextensions-apiserver/pkg/registry/customresource/tableconvertor`.

use serde_json::{Value, json};

use super::{Column, Row, between, columns, read_time};
use crate::k8s::json;
use crate::k8s::meta::time::{Precision, Time};

/// A column of `additionalPrinterColumns`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    pub name: String,
    pub ty: String,
    pub format: String,
    pub description: String,
    pub priority: i32,
    pub json_path: String,
}

impl Definition {
    /// From the definition of the resource.
    pub fn of_object(column: &Value) -> Definition {
        let text = |name: &str| column[name].as_str().unwrap_or_default().to_owned();
        Definition {
            name: text("name"),
            ty: text("type"),
            format: text("format"),
            description: text("description"),
            priority: column["priority"].as_i64().and_then(|priority| priority.try_into().ok()).unwrap_or(0),
            json_path: text("jsonPath"),
        }
    }
}

/// What is shown if the definition names nothing.
pub fn default_definitions() -> Vec<Definition> {
    let age =
        json!({"name": "Age", "type": "date", "description": columns::AGE, "jsonPath": ".metadata.creationTimestamp"});
    vec![Definition::of_object(&age)]
}

/// The columns of a table of such objects.
pub fn columns_of(definitions: &[Definition]) -> Vec<Column> {
    let column = |definition: &Definition| {
        let description = if definition.description.is_empty() {
            format!("Custom resource definition column (in JSONPath format): {}", definition.json_path)
        } else {
            definition.description.clone()
        };
        Column {
            name: definition.name.clone().into(),
            ty: definition.ty.clone().into(),
            format: definition.format.clone().into(),
            description: description.into(),
            priority: definition.priority,
        }
    };
    [Column::of_names()].into_iter().chain(definitions.iter().map(column)).collect()
}

/// The cells of an object: its name, and what the path of each column led to, nothing if it led nowhere.
pub fn row<'a>(object: &Value, values: impl IntoIterator<Item = (&'a Definition, Option<Value>)>, now: Time) -> Row {
    let name = object.pointer("/metadata/name").cloned().unwrap_or_default();
    let cells = values
        .into_iter()
        .map(|(definition, value)| value.map_or(Value::Null, |value| cell(&definition.ty, &value, now)));
    Row { cells: [name].into_iter().chain(cells).collect(), conditions: Vec::new() }
}

/// A value that has another type than its column is not shown.
fn cell(ty: &str, value: &Value, now: Time) -> Value {
    match (ty, value) {
        (_, Value::Null) if ty != "string" => Value::Null,
        ("string", value) => printed(value).into(),
        ("integer", Value::Number(number)) => whole(number),
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
        ("date", Value::String(text)) => date(text, now).into(),
        _ => Value::Null,
    }
}

/// As a JSON path prints it.
fn printed(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => json::number::shortest_g(number),
        other => json::to_string(other),
    }
}

/// Without its fraction.
fn whole(number: &serde_json::Number) -> Value {
    let text = json::number::shortest(number);
    let whole = text.split_once('.').map_or(&text[..], |(whole, _)| whole);
    whole.parse::<i64>().map_or(Value::Null, Value::from)
}

fn date(text: &str, now: Time) -> String {
    match Time::parse(text, Precision::Seconds) {
        _ if matches!(text, "" | "null") => "<unknown>".to_owned(),
        Err(_) => "<invalid>".to_owned(),
        Ok(_) => read_time(&text.into()).map_or_else(|| "<unknown>".to_owned(), |moment| between(moment, now)),
    }
}
