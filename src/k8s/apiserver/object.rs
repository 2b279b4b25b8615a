//! Looking into objects: a field that is missing reads as empty.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

use crate::k8s::meta::labels::{Labels, Operator, Requirement, Selector};
use crate::k8s::meta::time::{Precision, Time};
use crate::k8s::schema::Schema;
use crate::k8s::typed;

pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

pub fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

pub fn texts<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a str> {
    list(value, name).iter().filter_map(Value::as_str)
}

/// The fields of an object by name; of anything else none.
pub fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().map(Map::iter).into_iter().flatten()
}

pub fn is_true(value: &Value, name: &str) -> bool {
    value[name] == Value::Bool(true)
}

pub fn name(object: &Value) -> &str {
    text(&object["metadata"], "name")
}

pub fn namespace(object: &Value) -> &str {
    text(&object["metadata"], "namespace")
}

pub fn uid(object: &Value) -> &str {
    text(&object["metadata"], "uid")
}

pub fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object["metadata"]["annotations"][name].as_str()
}

pub fn labels(object: &Value) -> Labels {
    let pair = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    entries(&object["metadata"]["labels"]).filter_map(pair).collect()
}

pub fn time(value: &Value) -> Option<Time> {
    value.as_str().and_then(|text| Time::parse(text, Precision::Seconds).ok())
}

/// A struct within, made if it is not there.
pub fn inner<'a>(value: &'a mut Value, name: &str) -> &'a mut Value {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let inner = &mut value[name];
    if !inner.is_object() {
        *inner = Value::Object(Map::new());
    }
    inner
}

/// A list within, made if it is not there.
pub fn list_mut<'a>(value: &'a mut Value, name: &str) -> &'a mut Vec<Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let list = &mut value[name];
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    list.as_array_mut().expect("it was made a list")
}

/// A selector as objects hold it, `{matchLabels, matchExpressions}`: none selects nothing, an empty one everything.
///
/// Upstream: `metav1.LabelSelectorAsSelector`.
pub fn selector(value: &Value) -> Result<Option<Selector>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let mut requirements = Vec::new();
    for (key, value) in entries(&value["matchLabels"]) {
        let values = BTreeSet::from([value.as_str().unwrap_or_default().to_owned()]);
        requirements.push(Requirement::new(key, Operator::In, values)?);
    }
    for expression in list(value, "matchExpressions") {
        let operator = match text(expression, "operator") {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            other => return Err(format!("\"{other}\" is not a valid label selector operator")),
        };
        let values = texts(expression, "values").map(str::to_owned).collect();
        requirements.push(Requirement::new(text(expression, "key"), operator, values)?);
    }
    requirements.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(Some(Selector { requirements }))
}

/// Brings what was made by hand into the form of its kind. What the kind lacks is dropped.
pub fn in_form(api_version: &str, kind: &str, object: Value) -> Value {
    let schema = Schema::kubernetes();
    let decoded = schema.kind(api_version, kind).map(|message| typed::decode(schema, message, object.clone()));
    match decoded {
        Some(Ok(decoded)) => decoded.value,
        _ => object,
    }
}
