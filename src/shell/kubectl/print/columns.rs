//! `-o custom-columns=NAME:.metadata.name,…`
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/get/customcolumn.go`.

use serde_json::Value;

use super::jsonpath::{JsonPath, shown};
use super::tabs::align;

#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    columns: Vec<(String, JsonPath)>,
    has_no_headers: bool,
}

impl Columns {
    pub fn parse(spec: &str, has_no_headers: bool) -> Result<Columns, String> {
        let mut columns = Vec::new();
        for part in spec.split(',') {
            let (name, path) = part
                .split_once(':')
                .ok_or_else(|| format!("unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>"))?;
            columns.push((name.to_owned(), JsonPath::relaxed(path)?));
        }
        Ok(Columns { columns, has_no_headers })
    }

    /// A line of headers and a line of expressions.
    pub fn of_file(text: &str, has_no_headers: bool) -> Result<Columns, String> {
        let mut lines = text.lines();
        let mut words = || lines.next().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let (Some(headers), Some(paths)) = (words(), words()) else {
            return Err("invalid template, missing spec line. Expected format is one line of space separated headers, one line of space separated column specs.".to_owned());
        };
        if headers.len() != paths.len() {
            return Err(format!(
                "number of headers ({}) and field specifications ({}) don't match",
                headers.len(),
                paths.len()
            ));
        }
        let column = |(name, path): (&str, &str)| Ok((name.to_owned(), JsonPath::relaxed(path)?));
        let columns = headers.into_iter().zip(paths).map(column).collect::<Result<_, String>>()?;
        Ok(Columns { columns, has_no_headers })
    }

    pub fn show(&self, objects: &[Value]) -> Result<String, String> {
        let mut out = String::new();
        if !self.has_no_headers {
            let names: Vec<&str> = self.columns.iter().map(|(name, _)| &name[..]).collect();
            out += &(names.join("\t") + "\n");
        }
        for object in objects.iter().flat_map(items) {
            let mut cells = Vec::new();
            for (_, path) in &self.columns {
                let found: Vec<String> =
                    path.find(object)?.into_iter().flatten().map(|found| cell(found.value())).collect();
                cells.push(if found.is_empty() { "<none>".to_owned() } else { found.join(",") });
            }
            out += &(cells.join("\t") + "\n");
        }
        Ok(align(&out, 6, 3))
    }
}

/// The objects of a list, or the object.
fn items(object: &Value) -> Vec<&Value> {
    match object.get("items").and_then(Value::as_array) {
        Some(items) => items.iter().collect(),
        None => vec![object],
    }
}

/// A value as Go's `%v` prints it.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(cell).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut pairs: Vec<String> = map.iter().map(|(name, value)| format!("{name}:{}", cell(value))).collect();
            pairs.sort();
            format!("map[{}]", pairs.join(" "))
        }
        other => shown(other),
    }
}

/// The same for others that print as Go does.
pub fn go_value(value: &Value) -> String {
    cell(value)
}
