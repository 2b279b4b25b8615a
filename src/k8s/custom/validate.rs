//! Whether a value fits its OpenAPI schema, in the words of `kube-openapi/pkg/validation`.

use regex_lite::Regex;
use serde_json::{Map, Number, Value};

use super::formats;
use super::{additional, counterpart, is_set};
use crate::k8s::json::number;
use crate::k8s::meta::status::{FieldError, FieldErrorKind, quote};
use crate::k8s::patch;

/// What is wrong, and how much was looked at: of several schemas the one that says most about a value is quoted.
#[derive(Default)]
struct Outcome {
    errors: Vec<FieldError>,
    count: usize,
}

/// Everything that is wrong with a value, and was not so before it took the place of another. Paths begin below `root`, which
/// is empty for an object.
pub fn validate(value: &Value, old: Option<&Value>, structural: &Value, root: &str) -> Vec<FieldError> {
    let mut errors = check(value, old, structural, "").errors;
    for error in errors.iter_mut().filter(|_| !root.is_empty()) {
        error.field = match &error.field[..] {
            "<nil>" => root.to_owned(),
            field => format!("{root}.{field}"),
        };
    }
    errors
}

impl Outcome {
    fn add(&mut self, path: &str, kind: FieldErrorKind, detail: impl Into<String>) {
        let path = path.strip_prefix('.').unwrap_or(path);
        let field = if path.is_empty() { "<nil>" } else { path };
        self.errors.push(FieldError::new(field, kind, detail));
    }

    fn invalid(&mut self, path: &str, value: impl Into<Value>, detail: String) {
        self.add(path, FieldErrorKind::Invalid(value.into()), format!("{path} in body {detail}"));
    }

    /// An error that has no place of its own.
    fn plain(&mut self, detail: String) {
        self.add("", FieldErrorKind::Invalid("".into()), detail);
    }

    fn merge(&mut self, other: Outcome) {
        self.errors.extend(other.errors);
        self.count += other.count;
    }
}

/// `old`: what the value was, if that is known.
fn check(value: &Value, old: Option<&Value>, node: &Value, path: &str) -> Outcome {
    let mut outcome = check_anew(value, old, node, path);
    if !outcome.errors.is_empty() && old == Some(value) {
        outcome.errors.clear();
    }
    outcome
}

fn check_anew(value: &Value, old: Option<&Value>, node: &Value, path: &str) -> Outcome {
    let mut outcome = Outcome { count: 1, ..Outcome::default() };
    check_type(&mut outcome, value, node, path);
    if value.is_null() {
        check_enum(&mut outcome, value, node, path);
        return outcome;
    }
    check_junctors(&mut outcome, value, node, path);
    match value {
        Value::String(text) => check_text(&mut outcome, text, node, path),
        Value::Number(number) => check_number(&mut outcome, number, node, path),
        Value::Array(items) => check_items(&mut outcome, items, old, node, path),
        _ => {}
    }
    check_enum(&mut outcome, value, node, path);
    if let Value::Object(fields) = value {
        check_fields(&mut outcome, fields, old, node, path);
    }
    outcome
}

fn is_integer(number: &Number) -> bool {
    !number.is_f64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
}

fn check_type(outcome: &mut Outcome, value: &Value, node: &Value, path: &str) {
    let own = node["type"].as_str().unwrap_or_default();
    let is_either = is_set(node, "x-kubernetes-int-or-string");
    let expected = if is_either { "integer,string" } else { own };
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = match value {
        Value::Null => is_set(node, "nullable"),
        Value::Number(number) if expected.starts_with("integer") => is_integer(number),
        Value::Number(_) if expected == "number" => true,
        _ => expected.split(',').any(|name| name == found),
    };
    if !expected.is_empty() && !fits {
        let detail = format!("{path} in body must be of type {expected}: {}", quote(found));
        outcome.add(path, FieldErrorKind::TypeInvalid(found.into()), detail);
    }
}

fn check_enum(outcome: &mut Outcome, value: &Value, node: &Value, path: &str) {
    let Some(allowed) = node["enum"].as_array().filter(|allowed| !allowed.is_empty()) else { return };
    if allowed.contains(value) && !value.is_null() {
        return;
    }
    let show = |value: &Value| value.as_str().map_or_else(|| crate::k8s::json::to_string(value), str::to_owned);
    let shown = if value.is_null() { Value::from("null") } else { value.clone() };
    let values = allowed.iter().map(show).collect();
    outcome.add(path, FieldErrorKind::NotSupported(shown, values), "");
}

fn check_text(outcome: &mut Outcome, text: &str, node: &Value, path: &str) {
    let length = text.chars().count() as i64;
    if let Some(max) = node["maxLength"].as_i64().filter(|max| length > *max) {
        outcome.add(path, FieldErrorKind::TooLong(usize::try_from(max).unwrap_or_default()), "");
    } else if let Some(min) = node["minLength"].as_i64().filter(|min| length < *min) {
        outcome.invalid(path, text, format!("should be at least {min} chars long"));
    } else if let Some(pattern) = node["pattern"].as_str().filter(|pattern| !pattern.is_empty()) {
        match Regex::new(pattern) {
            Ok(regex) if regex.is_match(text) => {}
            Ok(_) => outcome.invalid(path, text, format!("should match '{pattern}'")),
            Err(error) => {
                outcome.invalid(path, text, format!("should match '{pattern}, but pattern is invalid: {error}'"));
            }
        }
    }
    let format = node["format"].as_str().unwrap_or_default();
    let is_text = matches!(node["type"].as_str(), None | Some("" | "string"));
    if is_text && formats::fits(format, text) == Some(false) {
        let detail = format!("{path} in body must be of type {format}: {}", quote(text));
        outcome.add(path, FieldErrorKind::TypeInvalid(text.into()), detail);
    }
}

fn check_number(outcome: &mut Outcome, value: &Number, node: &Value, path: &str) {
    if node["format"] == "int32" && value.as_i64().is_some_and(|number| i32::try_from(number).is_err()) {
        let detail = format!("Checked value must be of type integer with format int32 in {path}");
        outcome.plain(detail);
    }
    if node["type"] == "integer" && !is_integer(value) {
        outcome.plain(format!("Checked value must be of type integer (default format) in {path}"));
    }
    if let Value::Number(factor) = &node["multipleOf"] {
        check_factor(outcome, value, factor, path);
    }
    let bounds = [
        ("maximum", "exclusiveMaximum", "less", std::cmp::Ordering::Greater),
        ("minimum", "exclusiveMinimum", "greater", std::cmp::Ordering::Less),
    ];
    for (name, exclusive, word, beyond) in bounds {
        let Value::Number(bound) = &node[name] else { continue };
        let is_exclusive = is_set(node, exclusive);
        let order = compare(value, bound);
        if order == Some(beyond) || (is_exclusive && order == Some(std::cmp::Ordering::Equal)) {
            let or_equal = if is_exclusive { "" } else { " or equal to" };
            // An integer is compared with the whole part of a bound.
            let bound = match bound.as_f64().filter(|_| !value.is_f64()) {
                Some(float) => Number::from(float.trunc() as i64),
                None => bound.clone(),
            };
            let bound = number::shortest_g(&bound);
            let than =
                if is_exclusive { format!("{word} than {bound}") } else { format!("{word} than{or_equal} {bound}") };
            outcome.invalid(path, value.clone(), format!("should be {than}"));
        }
    }
}

fn compare(one: &Number, other: &Number) -> Option<std::cmp::Ordering> {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

/// A whole number must be a multiple of the whole part of a factor.
fn check_factor(outcome: &mut Outcome, value: &Number, factor: &Number, path: &str) {
    let factor = match (value.is_f64(), factor.as_f64()) {
        (false, Some(float)) => Number::from(float.trunc() as i64),
        _ => factor.clone(),
    };
    if compare(&factor, &Number::from(0)) != Some(std::cmp::Ordering::Greater) {
        let detail = format!("factor MultipleOf declared for {path} must be positive: {}", number::shortest_g(&factor));
        outcome.add(path, FieldErrorKind::Invalid(Value::Number(factor)), detail);
        return;
    }
    let is_multiple = match (value.as_i64(), factor.as_i64(), value.as_f64(), factor.as_f64()) {
        (Some(value), Some(factor), ..) => value % factor == 0,
        (.., Some(value), Some(factor)) => {
            let times = if factor < 1.0 { 1.0 / factor * value } else { value / factor };
            (times - times.round()).abs() < 1e-9
        }
        _ => false,
    };
    if !is_multiple {
        outcome.invalid(path, value.clone(), format!("should be a multiple of {}", number::shortest_g(&factor)));
    }
}

fn check_items(outcome: &mut Outcome, items: &[Value], old: Option<&Value>, node: &Value, path: &str) {
    if let inner @ Value::Object(_) = &node["items"] {
        for (place, item) in items.iter().enumerate() {
            let old = old.and_then(|old| counterpart(old, item, node));
            outcome.merge(check(item, old, inner, &format!("{path}[{place}]")));
        }
    }
    let size = items.len() as i64;
    if let Some(min) = node["minItems"].as_i64().filter(|min| size < *min) {
        outcome.invalid(path, size, format!("should have at least {min} items"));
    }
    if let Some(max) = node["maxItems"].as_i64().filter(|max| size > *max) {
        outcome.add(path, FieldErrorKind::TooMany(items.len(), usize::try_from(max).unwrap_or_default()), "");
    }
    if is_set(node, "uniqueItems") {
        let mut texts: Vec<String> = items.iter().map(patch::show).collect();
        texts.sort();
        if texts.windows(2).any(|pair| pair[0] == pair[1]) {
            outcome.invalid(path, "", "shouldn't contain duplicates".to_owned());
        }
    }
}

fn check_fields(outcome: &mut Outcome, fields: &Map<String, Value>, old: Option<&Value>, node: &Value, path: &str) {
    let size = fields.len() as i64;
    if let Some(min) = node["minProperties"].as_i64().filter(|min| size < *min) {
        outcome.invalid(path, size, format!("should have at least {min} properties"));
    }
    if let Some(max) = node["maxProperties"].as_i64().filter(|max| size > *max) {
        outcome.add(path, FieldErrorKind::TooMany(fields.len(), usize::try_from(max).unwrap_or_default()), "");
    }
    let own = |name: &str| node["properties"].get(name);
    for (name, value) in fields {
        let old = old.and_then(|old| old.get(name));
        let below = || if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match (own(name), &node["additionalProperties"]) {
            (Some(inner), _) => outcome.merge(check(value, old, inner, &below())),
            (None, Value::Bool(false)) => {
                let detail = format!("{path}.{name} in body is a forbidden property");
                outcome.add(path, FieldErrorKind::Invalid(name[..].into()), detail);
            }
            (None, _) => {
                if let Some(inner) = additional(node).filter(|inner| inner.is_object()) {
                    outcome.merge(check(value, old, inner, &format!("{path}.{name}")));
                }
            }
        }
    }
    for name in node["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            outcome.add(&format!("{path}.{name}"), FieldErrorKind::Required, "");
        }
    }
}

fn check_junctors(outcome: &mut Outcome, value: &Value, node: &Value, path: &str) {
    let all = |name: &str| -> Vec<Outcome> {
        let nodes = node[name].as_array().into_iter().flatten();
        nodes.map(|inner| check(value, None, inner, path)).collect()
    };
    let shown = quote(path);
    let any = all("anyOf");
    if !any.is_empty() && any.iter().all(|inner| !inner.errors.is_empty()) {
        outcome.plain(format!("{shown} must validate at least one schema (anyOf)"));
        outcome.merge(best(any));
    }
    let one = all("oneOf");
    let valid = one.iter().filter(|inner| inner.errors.is_empty()).count();
    if !one.is_empty() && valid != 1 {
        let found =
            if valid == 0 { "Found none valid".to_owned() } else { format!("Found {valid} valid alternatives") };
        outcome.plain(format!("{shown} must validate one and only one schema (oneOf). {found}"));
        if valid == 0 {
            outcome.merge(best(one));
        }
    }
    let all_of = all("allOf");
    let failed = all_of.iter().filter(|inner| !inner.errors.is_empty()).count();
    if failed > 0 {
        let none = if failed == all_of.len() { ". None validated" } else { "" };
        all_of.into_iter().for_each(|inner| outcome.merge(inner));
        outcome.plain(format!("{shown} must validate all the schemas (allOf){none}"));
    }
    if let inner @ Value::Object(_) = &node["not"]
        && check(value, None, inner, path).errors.is_empty()
    {
        outcome.plain(format!("{shown} must not validate the schema (not)"));
    }
}

/// Of schemas that a value does not fit the one that looked at most of it.
fn best(outcomes: Vec<Outcome>) -> Outcome {
    let mut best: Option<Outcome> = None;
    for outcome in outcomes {
        if best.as_ref().is_none_or(|best| outcome.count > best.count) {
            best = Some(outcome);
        }
    }
    best.unwrap_or_default()
}
