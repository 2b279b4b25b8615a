//! What the metrics server measured. Its columns are the resources that the first object tells of.
//!
//! Upstream: `sigs.k8s.io/metrics-server/pkg/api/table.go`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Column, Print, Printer, text};
use crate::k8s::meta::quantity::{Format, Quantity};

pub(super) fn of(kind: &str) -> Option<Print> {
    matches!(kind, "PodMetrics" | "NodeMetrics").then_some(cells)
}

pub(super) fn columns(first: Option<&Value>) -> Vec<Column> {
    let Some(first) = first else { return Vec::new() };
    let mut columns = vec![Column::new("Name", "string", "name").described("Name of the resource")];
    columns.extend(
        usage(first).into_keys().map(|name| Column { name: name.into(), ..Column::new("", "string", "quantity") }),
    );
    columns.push(Column::new("Window", "string", "duration"));
    columns
}

fn cells(p: &Printer) -> Vec<Value> {
    let amounts = usage(p.object).into_values().map(|amount| Value::from(amount.to_string()));
    let mut cells = vec![p.name()];
    cells.extend(amounts);
    cells.push(p.text("/window").into());
    cells
}

/// Of a node, or of all containers of a pod.
fn usage(object: &Value) -> BTreeMap<String, Quantity> {
    let mut sums = BTreeMap::new();
    let containers = super::list(object, "/containers").iter();
    for part in containers.chain([object]) {
        for (name, _) in part["usage"].as_object().into_iter().flatten() {
            let read = Quantity::parse(text(&part["usage"], &format!("/{}", name.replace('/', "~1")))).ok();
            let amount = read.unwrap_or_else(|| Quantity::new(0, Format::DecimalSi));
            let sum = sums.get(name).map_or_else(|| amount.clone(), |sum: &Quantity| sum.add(&amount));
            sums.insert(name.clone(), sum);
        }
    }
    sums
}
