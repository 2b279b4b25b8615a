//! Rules of schemas in CEL: `x-kubernetes-validations`.
//!
//! Upstream: `apiextensions-apiserver/pkg/apiserver/schema/cel`. A rule that names `oldSelf` is asked only of a value that was
//! there before, unless it says `optionalOldSelf`.
//!
//! Simplified: `oldSelf` of an `optionalOldSelf` rule is null where upstream has an optional value.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Value, json};

use super::{additional, counterpart};
use crate::k8s::cel::{self, Program, types::Type};
use crate::k8s::meta::status::{FieldError, FieldErrorKind};

/// Bytes of a message that an expression makes.
const MESSAGE_MAX: usize = 5 << 10;
/// Steps that all rules of an object may take together.
const BUDGET: u64 = 5 * cel::FUEL;

/// What the rules of a schema say against an object, which may take the place of another.
pub fn check(object: &Value, old: Option<&Value>, structural: &Value) -> Vec<FieldError> {
    let mut checker = Checker { errors: Vec::new(), compiled: BTreeMap::new(), fuel: BUDGET, is_over: false };
    let is_same = old.is_some_and(|old| old == object);
    let root = Place { value: object, old, node: structural, is_root: true, is_same };
    checker.value(root, "", false);
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

/// The rules of a node, read once for all values under it.
struct Compiled<'n> {
    rule: &'n Value,
    program: Result<Program, String>,
    message: Option<Program>,
    /// It compares with what was there before.
    is_transition: bool,
}

/// A value under a node of a schema, and what is known of it.
#[derive(Clone, Copy)]
struct Place<'v, 'n> {
    value: &'v Value,
    /// What it was, if that is known.
    old: Option<&'v Value>,
    node: &'n Value,
    is_root: bool,
    /// It, or the nearest part around it of which that is known, is what it was: what it breaks, it broke before.
    is_same: bool,
}

struct Checker<'n> {
    errors: Vec<FieldError>,
    /// By the place of a node in memory: only looked up.
    compiled: BTreeMap<*const Value, Rc<Vec<Compiled<'n>>>>,
    /// Steps left for all rules together.
    fuel: u64,
    /// No other rule is asked.
    is_over: bool,
}

impl<'n> Checker<'n> {
    fn value(&mut self, place: Place<'_, 'n>, path: &str, is_same_around: bool) {
        let Place { value, old, node, .. } = place;
        if value.is_null() || self.is_over {
            return;
        }
        for compiled in self.compiled(node, place.is_root).iter() {
            if !self.is_over {
                self.rule(compiled, place, path);
            }
        }
        for inner in node["allOf"].as_array().into_iter().flatten() {
            let inner = Place { node: inner, is_root: false, is_same: is_same_around, ..place };
            self.value(inner, path, is_same_around);
        }
        let inside = |value, old: Option<_>, node| {
            let old = old.filter(|old: &&Value| !old.is_null());
            let is_same = old.map_or(place.is_same, |old| old == value);
            Place { value, old, node, is_root: false, is_same }
        };
        match value {
            Value::Array(items) => {
                let Some(inner) = node.get("items") else { return };
                for (index, item) in items.iter().enumerate() {
                    let old = old.and_then(|old| counterpart(old, item, node));
                    self.value(inside(item, old, inner), &format!("{path}[{index}]"), place.is_same);
                }
            }
            Value::Object(fields) => {
                let rest = additional(node).filter(|inner| inner.is_object());
                let mut names: Vec<&String> = fields.keys().collect();
                names.sort();
                for name in names {
                    let (field, old) = (&fields[name], old.and_then(|old| old.get(name)));
                    let dot = if path.is_empty() { "" } else { "." };
                    if let Some(inner) = node["properties"].get(name) {
                        self.value(inside(field, old, inner), &format!("{path}{dot}{name}"), place.is_same);
                    } else if let Some(inner) = rest {
                        self.value(inside(field, old, inner), &format!("{path}[{name}]"), place.is_same);
                    }
                }
            }
            _ => {}
        }
    }

    fn compiled(&mut self, node: &'n Value, is_root: bool) -> Rc<Vec<Compiled<'n>>> {
        let compile = |rule: &'n Value| {
            let program = cel::compile_typed(text(rule, "rule"), &variables(rule, node, is_root), Some("bool"));
            let expression = text(rule, "messageExpression");
            let message = cel::compile_typed(expression, &variables(rule, node, is_root), None).ok();
            let is_transition = program.as_ref().is_ok_and(|program| program.mentions("oldSelf"));
            Compiled { rule, program, message, is_transition }
        };
        let asked = || rules(node).iter().filter(|rule| !text(rule, "rule").trim().is_empty());
        self.compiled.entry(node).or_insert_with(|| Rc::new(asked().map(compile).collect())).clone()
    }

    fn rule(&mut self, compiled: &Compiled, place: Place, path: &str) {
        let Place { value, old, node, .. } = place;
        let ty = node["type"].as_str().unwrap_or_default();
        let own = if path.is_empty() { "<nil>" } else { path };
        let program = match &compiled.program {
            Ok(program) => program,
            Err(error) => {
                let detail = format!("rule compile error: compilation failed: {error}");
                self.errors.push(FieldError::invalid(own, ty, detail));
                return;
            }
        };
        if compiled.is_transition && old.is_none() && compiled.rule["optionalOldSelf"] != true {
            return;
        }
        if self.fuel == 0 {
            self.is_over = true;
            let why = "validation failed due to running out of cost budget, no further validation rules will be run";
            self.errors.push(FieldError::invalid(own, ty, why));
            return;
        }
        let null = Value::Null;
        let values = BTreeMap::from([("self", (value, Some(node))), ("oldSelf", (old.unwrap_or(&null), Some(node)))]);
        let shown = show_rule(compiled.rule);
        let (result, spent) = program.evaluate_within(&values, self.fuel);
        self.fuel = self.fuel.saturating_sub(spent.max(1));
        let detail = match result {
            Ok(Value::Bool(true)) => return,
            Ok(_) => {
                if compiled.is_transition || !place.is_same {
                    let message = self.message(compiled, &values);
                    self.refuse(compiled.rule, value, ty, path, message);
                }
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

    /// What a rule says when it is broken: what its expression makes, if that can be said in a line.
    fn message(&mut self, compiled: &Compiled, values: &Values) -> String {
        let rule = compiled.rule;
        let made = compiled.message.as_ref().and_then(|program| {
            let (made, spent) = program.evaluate_within(values, self.fuel);
            self.fuel = self.fuel.saturating_sub(spent);
            made.ok().and_then(|made| made.as_str().map(|text| text.trim().to_owned()))
        });
        let made = made.filter(|text| !text.is_empty() && !text.contains('\n') && text.len() <= MESSAGE_MAX);
        made.unwrap_or_else(|| match text(rule, "message") {
            "" => format!("failed rule: {}", show_rule(rule)),
            message => message.trim().to_owned(),
        })
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
