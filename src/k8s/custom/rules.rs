//! Rules of schemas in CEL: `x-kubernetes-validations`.
//!
//! Upstream: `apiextensions-apiserver/pkg/apiserver/schema/cel`. A rule that names `oldSelf` is asked only of a value that was
//! there before, unless it says `optionalOldSelf`.
//!
//! Simplified: `oldSelf` of an `optionalOldSelf` rule is null where upstream has an optional value.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::additional;
use crate::k8s::cel::{self, types::Type};
use crate::k8s::meta::status::{FieldError, FieldErrorKind};

/// Bytes of a message that an expression makes.
const MESSAGE_MAX: usize = 5 << 10;

/// What the rules of a schema say against an object, which may take the place of another.
pub fn check(object: &Value, old: Option<&Value>, structural: &Value) -> Vec<FieldError> {
    let mut checker = Checker { errors: Vec::new(), is_over: false };
    checker.value(object, old, structural, "", true);
    checker.errors
}

/// Whether a schema has any rules.
pub fn has_any(node: &Value) -> bool {
    let inner = node["properties"].as_object().into_iter().flat_map(|map| map.values());
    let junctors = node["allOf"].as_array().into_iter().flatten();
    let inside = inner.chain(junctors).chain([&node["items"], &node["additionalProperties"]]);
    !rules(node).is_empty() || inside.filter(|inner| inner.is_object()).any(has_any)
}

/// What is wrong with the rules of one node of a schema. `uncorrelated` is the path of the list or map above it of which
/// nobody knows which item took the place of which.
pub fn compile(node: &Value, is_root: bool, path: &str, uncorrelated: Option<&str>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (place, rule) in rules(node).iter().enumerate() {
        let field = format!("{path}.x-kubernetes-validations[{place}]");
        let source = text(rule, "rule");
        let detail = |error: String| {
            if error.starts_with("must") {
                format!("cel expression {error}")
            } else {
                format!("compilation failed: {error}")
            }
        };
        let program = cel::compile_typed(source, &variables(rule, node, is_root), Some("bool"));
        if source.trim().is_empty() {
            continue;
        }
        match program {
            Err(error) => {
                let kind = FieldErrorKind::Invalid(as_go(rule));
                errors.push(FieldError::new(format!("{field}.rule"), kind, detail(error)));
            }
            Ok(program) if program.mentions("oldSelf") && uncorrelated.is_some() => {
                let above = uncorrelated.unwrap_or_default();
                let why = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {above}");
                errors.push(FieldError::invalid(format!("{field}.rule"), source, why));
            }
            Ok(program) if rule["optionalOldSelf"] == true && !program.mentions("oldSelf") => {
                let why = "may not be set if oldSelf is not used in rule";
                errors.push(FieldError::invalid(format!("{field}.optionalOldSelf"), true, why));
            }
            Ok(_) => {}
        }
        let expression = text(rule, "messageExpression");
        if !expression.is_empty() {
            let compiled = cel::compile_typed(expression, &variables(rule, node, is_root), Some("string"));
            if let Err(error) = compiled {
                let why = match error.strip_prefix("must") {
                    Some(rest) => format!("messageExpression must{rest}"),
                    None => format!("messageExpression compilation failed: {error}"),
                };
                let kind = FieldErrorKind::Invalid(as_go(rule));
                errors.push(FieldError::new(format!("{field}.messageExpression"), kind, why));
            }
        }
    }
    errors
}

fn rules(node: &Value) -> &[Value] {
    node["x-kubernetes-validations"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(rule: &'a Value, name: &str) -> &'a str {
    rule[name].as_str().unwrap_or_default()
}

fn variables<'t>(rule: &Value, node: &'t Value, is_root: bool) -> [(&'static str, Type<'t>); 2] {
    let own = Type::of_schema(node, is_root);
    let old = if rule["optionalOldSelf"] == true { Type::Any } else { own.clone() };
    [("self", own), ("oldSelf", old)]
}

struct Checker {
    errors: Vec<FieldError>,
    /// A rule cost too much: no other is asked.
    is_over: bool,
}

impl Checker {
    fn value(&mut self, value: &Value, old: Option<&Value>, node: &Value, path: &str, is_root: bool) {
        let old = old.filter(|old| !old.is_null());
        if value.is_null() || self.is_over {
            return;
        }
        for rule in rules(node) {
            if !self.is_over {
                self.rule(rule, value, old, node, path, is_root);
            }
        }
        for inner in node["allOf"].as_array().into_iter().flatten() {
            self.value(value, old, inner, path, false);
        }
        match value {
            Value::Array(items) => {
                let Some(inner) = node.get("items") else { return };
                for (place, item) in items.iter().enumerate() {
                    let old = old.and_then(|old| counterpart(old, item, node));
                    self.value(item, old, inner, &format!("{path}[{place}]"), false);
                }
            }
            Value::Object(fields) => {
                let rest = additional(node).filter(|inner| inner.is_object());
                let mut names: Vec<&String> = fields.keys().collect();
                names.sort();
                for name in names {
                    let old = old.and_then(|old| old.get(name));
                    let dot = if path.is_empty() { "" } else { "." };
                    if let Some(inner) = node["properties"].get(name) {
                        self.value(&fields[name], old, inner, &format!("{path}{dot}{name}"), false);
                    } else if let Some(inner) = rest {
                        self.value(&fields[name], old, inner, &format!("{path}[{name}]"), false);
                    }
                }
            }
            _ => {}
        }
    }

    fn rule(&mut self, rule: &Value, value: &Value, old: Option<&Value>, node: &Value, path: &str, is_root: bool) {
        let ty = node["type"].as_str().unwrap_or_default();
        let own = if path.is_empty() { "<nil>" } else { path };
        let source = text(rule, "rule");
        let program = match cel::compile_typed(source, &variables(rule, node, is_root), Some("bool")) {
            _ if source.trim().is_empty() => return,
            Ok(program) => program,
            Err(error) => {
                let detail = format!("rule compile error: compilation failed: {error}");
                self.errors.push(FieldError::invalid(own, ty, detail));
                return;
            }
        };
        if program.mentions("oldSelf") && old.is_none() && rule["optionalOldSelf"] != true {
            return;
        }
        let null = Value::Null;
        let values = BTreeMap::from([("self", (value, Some(node))), ("oldSelf", (old.unwrap_or(&null), Some(node)))]);
        let shown = show_rule(rule);
        let detail = match program.evaluate_typed(&values) {
            Ok(Value::Bool(true)) => return,
            Ok(_) => {
                let message = message(rule, &values, node, is_root);
                self.refuse(rule, value, ty, path, message);
                return;
            }
            Err(error) if error.starts_with("no such overload") => {
                let why = "call arguments did not match a supported operator, function or macro signature for rule";
                format!("'{error}': {why}: {shown}")
            }
            Err(error) if error.starts_with("operation cancelled") => {
                self.is_over = true;
                format!(
                    "'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {shown}"
                )
            }
            Err(error) => format!("{error} evaluating rule: {shown}"),
        };
        self.errors.push(FieldError::invalid(own, ty, detail));
    }

    fn refuse(&mut self, rule: &Value, value: &Value, ty: &str, path: &str, detail: String) {
        let below = text(rule, "fieldPath");
        let field = match (path, below) {
            ("", "") => "<nil>".to_owned(),
            ("", below) => below.trim_start_matches('.').to_owned(),
            (path, below) => format!("{path}{below}"),
        };
        let has_parts = matches!(ty, "object" | "array");
        let kind = match text(rule, "reason") {
            "FieldValueForbidden" => FieldErrorKind::Forbidden,
            "FieldValueRequired" => FieldErrorKind::Required,
            "FieldValueDuplicate" => {
                let kind = match has_parts {
                    true => FieldErrorKind::DuplicateWithoutValue,
                    false => FieldErrorKind::Duplicate(value.clone()),
                };
                self.errors.push(FieldError::new(field, kind, ""));
                return;
            }
            _ if has_parts => FieldErrorKind::InvalidWithoutValue,
            _ => FieldErrorKind::Invalid(value.clone()),
        };
        self.errors.push(FieldError::new(field, kind, detail));
    }
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

fn show_rule(rule: &Value) -> String {
    let (message, source) = (text(rule, "message"), text(rule, "rule").trim());
    if message.is_empty() { source.to_owned() } else { message.trim().to_owned() }
}

/// A rule as upstream's struct prints.
fn as_go(rule: &Value) -> Value {
    json!({
        "Rule": text(rule, "rule"),
        "Message": text(rule, "message"),
        "MessageExpression": text(rule, "messageExpression"),
        "Reason": rule["reason"],
        "FieldPath": text(rule, "fieldPath"),
        "OptionalOldSelf": rule["optionalOldSelf"],
    })
}

type Values<'a> = BTreeMap<&'a str, (&'a Value, Option<&'a Value>)>;

/// What a rule says when it is broken: what its expression makes, if that can be said in a line.
fn message(rule: &Value, values: &Values, node: &Value, is_root: bool) -> String {
    let expression = text(rule, "messageExpression");
    let made = cel::compile_typed(expression, &variables(rule, node, is_root), None)
        .and_then(|program| program.evaluate_typed(values))
        .ok()
        .and_then(|value| value.as_str().map(|text| text.trim().to_owned()))
        .filter(|text| !text.is_empty() && !text.contains('\n') && text.len() <= MESSAGE_MAX);
    let made = made.filter(|_| !expression.is_empty());
    made.unwrap_or_else(|| match text(rule, "message") {
        "" => format!("failed rule: {}", show_rule(rule)),
        message => message.trim().to_owned(),
    })
}
