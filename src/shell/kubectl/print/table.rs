//! Tables that the server made, and the plain ones of objects that it did not.
//!
//! Upstream: `k8s.io/cli-runtime/pkg/printers/tableprinter.go`.

use serde_json::{Value, json};

use crate::k8s::meta::duration;
use crate::k8s::meta::time::{Precision, Time};
use crate::shell::kubectl::config::list;
use crate::shell::kubectl::discovery::{join_group, split_version};

/// What is shown beside what the server sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Style {
    pub wide: bool,
    pub with_namespace: bool,
    /// `pod/web`: this word before names.
    pub kind: Option<String>,
    pub no_headers: bool,
    pub label_columns: Vec<String>,
    pub show_labels: bool,
    /// Events of a watch are shown with their type.
    pub with_events: bool,
}

/// The columns that a printer has shown the head of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Printer {
    pub style: Style,
    /// `columnDefinitions`, of the last table that had some.
    pub columns: Value,
    pub headed: bool,
}

impl Printer {
    /// A table as lines of cells with tabs, for [`super::tabs`].
    pub fn show(&mut self, object: &Value, event: &str, now: i128) -> String {
        let table = match object {
            object if is_table(object) => object.clone(),
            object if object["kind"] == "Status" => status(object),
            object => plain(object, now),
        };
        let mut out = String::new();
        let columns = &table["columnDefinitions"];
        let has_rows = !list(&table["rows"]).is_empty();
        let is_same = list(columns).is_empty() || *columns == self.columns;
        if !list(columns).is_empty() {
            self.columns = columns.clone();
        }
        // Another kind of table, such as one that tells of an error, gets a head of its own.
        if has_rows && !self.style.no_headers && !(self.headed && is_same) {
            out += &(self.head().join("\t") + "\n");
        }
        self.headed |= has_rows;
        for row in list(&table["rows"]) {
            out += &(self.row(row, event).join("\t") + "\n");
        }
        out
    }

    fn shown(&self) -> impl Iterator<Item = (usize, &Value)> {
        let is_shown = |column: &Value| self.style.wide || column["priority"].as_i64().unwrap_or(0) == 0;
        list(&self.columns).iter().enumerate().filter(move |(_, column)| is_shown(column))
    }

    /// A table that tells of an error is not adorned.
    fn is_status(&self) -> bool {
        let names: Vec<&str> = list(&self.columns).iter().filter_map(|column| column["name"].as_str()).collect();
        names == ["Status", "Reason", "Message"]
    }

    fn head(&self) -> Vec<String> {
        let mut head = Vec::new();
        if self.style.with_events && !self.is_status() {
            head.push("EVENT".to_owned());
        }
        if self.style.with_namespace && !self.is_status() {
            head.push("NAMESPACE".to_owned());
        }
        head.extend(self.shown().map(|(_, column)| column["name"].as_str().unwrap_or_default().to_uppercase()));
        if self.is_status() {
            return head;
        }
        for label in &self.style.label_columns {
            head.push(label.rsplit('/').next().unwrap_or_default().to_uppercase());
        }
        if self.style.show_labels {
            head.push("LABELS".to_owned());
        }
        head
    }

    fn row(&self, row: &Value, event: &str) -> Vec<String> {
        let mut cells = Vec::new();
        let metadata = &row["object"]["metadata"];
        let adorned = !self.is_status();
        if self.style.with_events && adorned {
            // As wide as the longest of them.
            cells.push(format!("{event:<8}"));
        }
        if self.style.with_namespace && adorned {
            cells.push(metadata["namespace"].as_str().unwrap_or_default().to_owned());
        }
        let values = list(&row["cells"]);
        for (at, column) in self.shown() {
            let Some(value) = values.get(at) else { break };
            let mut text = cell(value);
            if column["format"] == "name"
                && column["type"] == "string"
                && let Some(kind) = &self.style.kind
            {
                text = format!("{kind}/{text}");
            }
            cells.push(text);
        }
        if adorned {
            let labels = &metadata["labels"];
            for label in &self.style.label_columns {
                cells.push(labels[label].as_str().unwrap_or_default().to_owned());
            }
            if self.style.show_labels {
                cells.push(format_labels(labels));
            }
        }
        cells
    }
}

pub fn is_table(object: &Value) -> bool {
    object["kind"] == "Table"
        && object["apiVersion"].as_str().is_some_and(|version| version.starts_with("meta.k8s.io/"))
}

/// A cell on one line.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::String(text) => text.clone(),
        other => super::columns::go_value(other),
    };
    match text.find(['\n', '\r', '\u{c}']) {
        Some(end) => format!("{}...", &text[..end]),
        None => text.replace('\u{1b}', "^["),
    }
}

/// `a=1,b=2`
pub fn format_labels(labels: &Value) -> String {
    let Some(map) = labels.as_object().filter(|map| !map.is_empty()) else { return "<none>".to_owned() };
    let mut pairs: Vec<String> =
        map.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    pairs.sort();
    pairs.join(",")
}

/// What a watch that failed shows.
fn status(object: &Value) -> Value {
    let columns = ["Status", "Reason", "Message"].map(|name| json!({"name": name, "type": "string"}));
    let cells = ["status", "reason", "message"].map(|name| object[name].clone());
    json!({"columnDefinitions": columns, "rows": [{"cells": cells}]})
}

/// Name and age of objects that came without a table.
fn plain(object: &Value, now: i128) -> Value {
    let items: Vec<&Value> = match object.get("items").and_then(Value::as_array) {
        Some(items) => items.iter().collect(),
        None => vec![object],
    };
    let row = |item: &&Value| {
        let metadata = &item["metadata"];
        json!({"cells": [metadata["name"], age(&metadata["creationTimestamp"], now)], "object": {"metadata": metadata}})
    };
    json!({
        "columnDefinitions": [
            {"name": "Name", "type": "string", "format": "name", "priority": 0},
            {"name": "Age", "type": "string", "priority": 0},
        ],
        "rows": items.iter().map(row).collect::<Vec<_>>(),
    })
}

/// How long ago a moment was, in words.
pub fn age(moment: &Value, now: i128) -> String {
    age_of(moment).map_or_else(|| "<unknown>".to_owned(), |then| human(now - then))
}

/// A span in words.
pub fn human(nanoseconds: i128) -> String {
    duration::human(nanoseconds.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
}

/// Nanoseconds since 1970 of a moment in an object; nothing for none.
pub fn age_of(moment: &Value) -> Option<i128> {
    let text = moment.as_str()?;
    let time = Time::parse(text, Precision::Seconds).or_else(|_| Time::parse(text, Precision::Micros)).ok()?;
    (!time.is_zero()).then(|| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos))
}

/// `deployment.apps`, of a table's or an object's resource.
pub fn kind_word(api_version: &str, kind: &str) -> String {
    join_group(&kind.to_lowercase(), split_version(api_version).0)
}
