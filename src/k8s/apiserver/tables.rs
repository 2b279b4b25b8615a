//! Objects as tables, which is how `kubectl get` asks for them.
//!
//! Upstream: `pkg/printers/internalversion/printers.go`, `k8s.io/apiserver/pkg/registry/rest/table.go`,
//! `.../pkg/endpoints/handlers/response.go`. Always all columns are sent; kubectl hides those of priority 1. Ages are texts
//! that this server has made, so that they depend on when it was asked.

mod cluster;
mod columns;
pub mod custom;
mod metrics;
mod network;
mod pods;
mod storage;
#[cfg(test)]
mod tests;
mod workloads;

use serde_json::{Map, Value, json};

use crate::k8s::conversion;
use crate::k8s::meta::duration;
use crate::k8s::meta::labels::Selector;
use crate::k8s::meta::status::{FieldError, Qualified, Status};
use crate::k8s::meta::time::{Precision, Time};
use crate::k8s::schema::Schema;

pub use columns::Column;

/// What a row carries of its object: `?includeObject=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Include {
    None,
    #[default]
    Metadata,
    Object,
}

/// A row before it is known what it carries of its object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    pub cells: Vec<Value>,
    /// That a pod has come to its end.
    pub conditions: Vec<Value>,
}

impl Include {
    /// The parameter of a request; its absence is the empty text.
    pub fn parse(text: &str) -> Result<Include, Status> {
        match text {
            "" | "Metadata" => Ok(Include::Metadata),
            "None" => Ok(Include::None),
            "Object" => Ok(Include::Object),
            _ => {
                let rule = "must be 'Metadata', 'Object', 'None', or empty";
                let kind = Qualified { name: "TableOptions", group: "meta.k8s.io" };
                Err(Status::invalid(kind, "", &[FieldError::invalid("includeObject", text, rule)]))
            }
        }
    }
}

/// The table of a list, or of an object, as the version of `meta.k8s.io` that was asked for: `v1`, or `v1beta1` of old
/// clients. `kind` is that of the objects; they are in the form of their types.
pub fn of(kind: &str, body: &Value, include: Include, version: &str, now: Time) -> Value {
    let listed = body.get("items").and_then(Value::as_array).filter(|_| kind != text(body, "/kind"));
    let mut items: Vec<&Value> = listed.map_or_else(|| vec![body], |items| items.iter().collect());
    if kind == "FlowSchema" {
        let rank = |item: &&Value| {
            let precedence = item.pointer("/spec/matchingPrecedence").and_then(Value::as_i64).unwrap_or(0);
            (precedence, text(item, "/metadata/name").to_owned())
        };
        items.sort_by_key(rank);
    }
    let columns = columns_of(kind, items.first().copied());
    let rows = items.iter().map(|item| row(kind, item, now).to_object(item, include, version)).collect();
    let is_list = listed.is_some();
    table(Some(&columns), rows, list_metadata(&body["metadata"], is_list), version)
}

/// The metadata of a table of a list, or of an object.
pub fn metadata_of(body: &Value, is_list: bool) -> Value {
    list_metadata(&body["metadata"], is_list)
}

/// The columns of a kind. Of metrics they depend on what was measured.
pub fn columns_of(kind: &str, first: Option<&Value>) -> Vec<Column> {
    match kind {
        "PodMetrics" | "NodeMetrics" => metrics::columns(first),
        _ => columns::of_kind(kind).map_or_else(default_columns, <[Column]>::to_vec),
    }
}

/// The cells of an object.
pub fn row(kind: &str, object: &Value, now: Time) -> Row {
    // Printers know one version of each kind.
    let converted = match (kind, text(object, "/apiVersion")) {
        ("Event", "events.k8s.io/v1") => convert(object, "v1"),
        ("HorizontalPodAutoscaler", "autoscaling/v1") => convert(object, "autoscaling/v2"),
        _ => None,
    };
    let printer = Printer { object: converted.as_ref().unwrap_or(object), now };
    if kind == "Pod" {
        return pods::row(&printer);
    }
    let groups = [workloads::of, network::of, storage::of, cluster::of, metrics::of];
    let print = groups.into_iter().find_map(|group| group(kind)).unwrap_or(default_cells);
    Row { cells: print(&printer), conditions: Vec::new() }
}

/// A table of these rows; without columns they are null, as in all but the first event of a watch.
pub fn table(columns: Option<&[Column]>, rows: Vec<Value>, metadata: Value, version: &str) -> Value {
    let columns: Option<Vec<Value>> = columns.map(|columns| columns.iter().map(Column::to_object).collect());
    json!({
        "kind": "Table", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": metadata,
        "columnDefinitions": columns, "rows": rows,
    })
}

impl Row {
    /// As it travels.
    pub fn to_object(self, object: &Value, include: Include, version: &str) -> Value {
        let carried = match include {
            Include::None => Value::Null,
            Include::Object => object.clone(),
            Include::Metadata => json!({
                "kind": "PartialObjectMetadata", "apiVersion": format!("meta.k8s.io/{version}"),
                "metadata": object["metadata"],
            }),
        };
        let mut row = Map::new();
        row.insert("cells".to_owned(), self.cells.into());
        if !self.conditions.is_empty() {
            row.insert("conditions".to_owned(), self.conditions.into());
        }
        row.insert("object".to_owned(), carried);
        row.into()
    }
}

/// What a table tells of the list that it shows, or of the object.
pub fn list_metadata(metadata: &Value, is_list: bool) -> Value {
    let names: &[&str] = if is_list {
        &["selfLink", "resourceVersion", "continue", "remainingItemCount", "shardInfo"]
    } else {
        &["resourceVersion"]
    };
    let is_set = |value: &Value| !value.is_null() && value != "";
    let known = names.iter().filter(|name| is_set(&metadata[**name]));
    Value::Object(known.map(|name| ((*name).to_owned(), metadata[*name].clone())).collect())
}

type Print = fn(&Printer) -> Vec<Value>;

/// An object that is being printed, and when.
struct Printer<'a> {
    object: &'a Value,
    now: Time,
}

impl Printer<'_> {
    fn at(&self, path: &str) -> &Value {
        at(self.object, path)
    }

    fn text(&self, path: &str) -> &str {
        text(self.object, path)
    }

    fn number(&self, path: &str) -> i64 {
        self.at(path).as_i64().unwrap_or(0)
    }

    fn list(&self, path: &str) -> &[Value] {
        list(self.object, path)
    }

    /// A text, or what stands for its absence.
    fn text_or(&self, path: &str, absent: &str) -> Value {
        self.at(path).as_str().unwrap_or(absent).into()
    }

    fn name(&self) -> Value {
        self.text("/metadata/name").into()
    }

    fn age(&self) -> Value {
        self.since(self.at("/metadata/creationTimestamp")).into()
    }

    fn since(&self, moment: &Value) -> String {
        read_time(moment).map_or_else(|| "<unknown>".to_owned(), |moment| between(moment, self.now))
    }
}

fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    value.pointer(path).unwrap_or(&Value::Null)
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path).as_array().map_or(&[], Vec::as_slice)
}

/// A moment, if there is one.
fn read_time(value: &Value) -> Option<Time> {
    let moment = Time::parse(value.as_str()?, Precision::Seconds).ok()?;
    (!moment.is_zero()).then_some(moment)
}

fn between(from: Time, to: Time) -> String {
    let seconds = to.seconds.saturating_sub(from.seconds).saturating_mul(1_000_000_000);
    duration::human(seconds.saturating_add(i64::from(to.nanos) - i64::from(from.nanos)))
}

/// Labels as `a=b,c=d`.
fn labels(value: &Value) -> Value {
    let mut pairs: Vec<String> = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    pairs.sort();
    if pairs.is_empty() { "<none>".into() } else { pairs.join(",").into() }
}

/// A `LabelSelector` as text.
fn selector(value: &Value) -> Value {
    match Selector::of_object(value) {
        Err(_) => "<error>".into(),
        Ok(selector) => {
            let text = selector.map(|selector| selector.to_string()).unwrap_or_default();
            if text.is_empty() { "<none>".into() } else { text.into() }
        }
    }
}

/// A few of many: `a,b,c + 2 more...`.
fn some(items: &[String], shown_max: usize, between: &str) -> String {
    let shown = items[..items.len().min(shown_max)].join(between);
    if items.len() > shown_max { format!("{shown} + {} more...", items.len() - shown_max) } else { shown }
}

fn convert(object: &Value, api_version: &str) -> Option<Value> {
    conversion::convert(Schema::kubernetes(), object.clone(), api_version).ok()
}

fn default_columns() -> Vec<Column> {
    vec![Column::of_names(), Column::new("Created At", "date", "").described(columns::AGE)]
}

fn default_cells(printer: &Printer) -> Vec<Value> {
    let created = read_time(printer.at("/metadata/creationTimestamp")).unwrap_or(Time::ZERO);
    vec![printer.name(), created.format(Precision::Seconds).into()]
}
