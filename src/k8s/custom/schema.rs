//! Schemas of definitions: which OpenAPI they may use, and whether they are structural.
//!
//! Upstream: `ValidateCustomResourceDefinitionOpenAPISchema` and `apiextensions-apiserver/pkg/apiserver/schema/validation.go`.
//!
//! Simplified: the cost of rules is not estimated, defaults are checked for fitting only, and what is wrong with a pattern is
//! said in the words of our engine.

use std::collections::BTreeSet;

use regex_lite::Regex;
use serde_json::{Value, json};

use super::{instance, is_set, rules, validate};
use crate::k8s::meta::status::FieldError;

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// Everything that is wrong with a schema that stands at `path`.
pub fn check(structural: &Value, path: &str) -> Vec<FieldError> {
    let mut openapi = OpenApi { errors: Vec::new(), rules: Vec::new() };
    if is_set(structural, "nullable") {
        openapi.forbid(&format!("{path}.nullable"), "nullable cannot be true at the root");
    }
    openapi.node(structural, path, true, None, true);
    let mut errors = openapi.errors;
    let mut structure = Structure { errors: Vec::new() };
    structure.node(structural, Level::Root, path);
    structure.complete(structural, structural, path, path);
    structure.errors.sort_by_key(FieldError::to_string);
    if structure.errors.is_empty() {
        check_defaults(&mut errors, structural, path);
    }
    errors.extend(structure.errors);
    errors.extend(openapi.rules);
    errors
}

struct OpenApi {
    errors: Vec<FieldError>,
    rules: Vec<FieldError>,
}

impl OpenApi {
    fn forbid(&mut self, field: &str, detail: &str) {
        self.errors.push(FieldError::forbidden(field, detail));
    }

    fn required(&mut self, field: String, detail: &str) {
        self.errors.push(FieldError::required(field, detail));
    }

    fn invalid(&mut self, field: String, value: impl Into<Value>, detail: &str) {
        self.errors.push(FieldError::invalid(field, value, detail));
    }

    /// `uncorrelated`: below this nobody knows what an old value was. `has_rules`: not below a junctor.
    fn node(&mut self, node: &Value, path: &str, is_root: bool, uncorrelated: Option<&str>, has_rules: bool) {
        self.keywords(node, path);
        if !node["additionalProperties"].is_null() && node["properties"].as_object().is_some_and(|map| !map.is_empty())
        {
            let is_open = node["additionalProperties"] == true;
            if !is_open {
                let why = "additionalProperties and properties are mutual exclusive";
                self.forbid(&format!("{path}.additionalProperties"), why);
            }
        }
        if let inner @ Value::Object(_) = &node["additionalProperties"] {
            self.node(inner, &format!("{path}.additionalProperties"), false, uncorrelated, has_rules);
        }
        for (name, inner) in node["properties"].as_object().into_iter().flatten() {
            let below = format!("{path}.properties[{name}]");
            if is_root && ["metadata", "kind", "apiVersion"].contains(&&name[..]) && !inner["default"].is_null() {
                self.forbid(&format!("{below}.default"), &format!("must not be set in top-level {name}"));
            }
            self.node(inner, &below, false, uncorrelated, has_rules);
        }
        if let inner @ Value::Object(_) = &node["not"] {
            self.node(inner, &format!("{path}.not"), false, uncorrelated, false);
        }
        for junctor in ["allOf", "oneOf", "anyOf"] {
            for (place, inner) in node[junctor].as_array().into_iter().flatten().enumerate() {
                self.node(inner, &format!("{path}.{junctor}[{place}]"), false, uncorrelated, false);
            }
        }
        if let inner @ Value::Object(_) = &node["items"] {
            let within =
                if node["x-kubernetes-list-type"] == "map" { uncorrelated } else { uncorrelated.or(Some(path)) };
            self.node(inner, &format!("{path}.items"), false, within, has_rules);
        }
        self.list_type(node, path);
        self.rule_texts(node, path);
        if has_rules {
            self.rules.extend(rules::compile(node, is_root, path, uncorrelated));
        }
    }

    fn keywords(&mut self, node: &Value, path: &str) {
        let ty = node["type"].as_str().unwrap_or_default();
        if ty == "null" {
            self.forbid(&format!("{path}.type"), "type cannot be set to null, use nullable as an alternative");
        }
        if !ty.is_empty() && !TYPES.contains(&ty) {
            self.errors.push(FieldError::not_supported(format!("{path}.type"), ty, &TYPES));
        }
        for name in ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] {
            let is_there = match &node[name] {
                Value::Null => false,
                Value::String(text) => !text.is_empty(),
                Value::Object(map) if name != "additionalItems" => !map.is_empty(),
                _ => true,
            };
            if is_there {
                self.forbid(&format!("{path}.{name}"), &format!("{name} is not supported"));
            }
        }
        if node["items"].is_array() {
            self.forbid(&format!("{path}.items"), "items must be a schema object and not an array");
        }
        if is_set(node, "uniqueItems") {
            let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
            self.forbid(&format!("{path}.uniqueItems"), why);
        }
        if node["x-kubernetes-preserve-unknown-fields"] == false {
            self.invalid(format!("{path}.x-kubernetes-preserve-unknown-fields"), false, "must be true or undefined");
        }
        let Some(map_type) = node["x-kubernetes-map-type"].as_str() else { return };
        let why = "must be object if x-kubernetes-map-type is specified";
        match ty {
            "object" => {}
            "" => self.required(format!("{path}.type"), why),
            _ => self.invalid(format!("{path}.type"), ty, why),
        }
        if !["atomic", "granular"].contains(&map_type) {
            let field = format!("{path}.x-kubernetes-map-type");
            self.errors.push(FieldError::not_supported(field, map_type, &["atomic", "granular"]));
        }
    }

    fn list_type(&mut self, node: &Value, path: &str) {
        let list_type = node["x-kubernetes-list-type"].as_str();
        let ty = node["type"].as_str().unwrap_or_default();
        let why = "must be array if x-kubernetes-list-type is specified";
        match (list_type, ty) {
            (None, _) | (_, "array") => {}
            (_, "") => self.required(format!("{path}.type"), why),
            _ => self.invalid(format!("{path}.type"), ty, why),
        }
        let keys: Vec<&str> =
            node["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let field = format!("{path}.x-kubernetes-list-type");
        match list_type {
            Some("atomic" | "set" | "map") | None => {}
            Some(other) => {
                self.errors.push(FieldError::not_supported(&field[..], other, &["atomic", "set", "map"]));
            }
        }
        let items = &node["items"];
        if list_type == Some("set") {
            let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
            match items["type"].as_str() {
                Some("array") if !matches!(items["x-kubernetes-list-type"].as_str(), None | Some("atomic")) => {
                    self.invalid(
                        format!("{path}.items.x-kubernetes-list-type"),
                        items["x-kubernetes-list-type"].clone(),
                        why,
                    );
                }
                Some("object") if items["x-kubernetes-map-type"] != "atomic" => {
                    self.invalid(
                        format!("{path}.items.x-kubernetes-map-type"),
                        items["x-kubernetes-list-type"].clone(),
                        why,
                    );
                }
                _ => {}
            }
        }
        let why = "must be map if x-kubernetes-list-map-keys is non-empty";
        match list_type {
            _ if keys.is_empty() => {}
            Some("map") => {}
            None => self.required(field, why),
            Some(other) => self.invalid(field, other, why),
        }
        if list_type == Some("map") {
            self.map_keys(node, &keys, path);
        }
    }

    fn map_keys(&mut self, node: &Value, keys: &[&str], path: &str) {
        let field = format!("{path}.x-kubernetes-list-map-keys");
        if keys.is_empty() {
            self.required(field.clone(), "must not be empty if x-kubernetes-list-type is map");
        }
        let items = &node["items"];
        if items.is_null() {
            self.required(format!("{path}.items"), "must have a schema if x-kubernetes-list-type is map");
            return;
        }
        if items["type"] != "object" {
            let why = "must be object if parent array's x-kubernetes-list-type is map";
            self.invalid(format!("{path}.items.type"), items["type"].clone(), why);
        }
        if is_set(items, "nullable") {
            let why = "cannot be nullable when x-kubernetes-list-type is map";
            self.forbid(&format!("{path}.items.nullable"), why);
        }
        let mut seen = BTreeSet::new();
        for key in keys {
            let below = format!("{path}.items.properties[{key}]");
            match items["properties"].get(*key) {
                None => self.invalid(field.clone(), json!(keys), "entries must all be names of item properties"),
                Some(inner) if matches!(inner["type"].as_str(), Some("array" | "object")) => {
                    let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                    self.invalid(format!("{below}.type"), items["type"].clone(), why);
                }
                Some(inner) => {
                    let required = items["required"].as_array().into_iter().flatten();
                    if inner["default"].is_null() && !required.into_iter().any(|name| name == key) {
                        let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
                        self.required(format!("{below}.default"), why);
                    }
                    if is_set(inner, "nullable") {
                        let why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
                        self.forbid(&format!("{below}.nullable"), why);
                    }
                }
            }
            if !seen.insert(*key) {
                self.invalid(field.clone(), json!(keys), "must not contain duplicate entries");
            }
        }
    }

    fn rule_texts(&mut self, node: &Value, path: &str) {
        for (place, rule) in node["x-kubernetes-validations"].as_array().into_iter().flatten().enumerate() {
            let field = |name: &str| format!("{path}.x-kubernetes-validations[{place}].{name}");
            let text = |name: &str| rule[name].as_str().unwrap_or_default();
            let (source, message) = (text("rule"), text("message"));
            if source.trim().is_empty() {
                self.required(field("rule"), "rule is not specified");
            } else if !message.is_empty() && message.trim().is_empty() {
                self.invalid(field("message"), message, "must be non-empty if specified");
            } else if message.trim().contains('\n') {
                self.invalid(field("message"), message, "must not contain line breaks");
            } else if source.trim().contains('\n') && message.is_empty() {
                self.required(field("message"), "message must be specified if rule contains line breaks");
            }
            if !text("messageExpression").is_empty() && text("messageExpression").trim().is_empty() {
                self.required(field("messageExpression"), "messageExpression must be non-empty if specified");
            }
            let reasons = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
            if let Some(reason) = rule["reason"].as_str().filter(|reason| !reasons.contains(reason)) {
                self.errors.push(FieldError::not_supported(field("reason"), reason, &reasons));
            }
            let below = text("fieldPath");
            if !below.is_empty() && below.trim().is_empty() {
                self.invalid(field("fieldPath"), below, "must be non-empty if specified");
            } else if below.trim().contains('\n') {
                self.invalid(field("fieldPath"), below, "must not contain line breaks");
            } else if !below.is_empty() && !is_field(node, below) {
                self.invalid(field("fieldPath"), below, "must be a valid path");
            }
        }
    }
}

/// Whether a path leads to a field of a schema: `.spec.a`, `['b']`.
fn is_field(node: &Value, path: &str) -> bool {
    let (mut node, mut rest) = (node, path);
    while !rest.is_empty() {
        let (name, after) = if let Some(quoted) = rest.strip_prefix("['") {
            let Some((name, after)) = quoted.split_once("']") else { return false };
            (name.replace("\\'", "'"), after)
        } else if let Some(plain) = rest.strip_prefix('.') {
            let end = plain.find(['.', '[']).unwrap_or(plain.len());
            (plain[..end].to_owned(), &plain[end..])
        } else {
            return false;
        };
        let inner = node["properties"]
            .get(&name)
            .or_else(|| node.get("additionalProperties").filter(|inner| inner.is_object()));
        let Some(inner) = inner else { return false };
        (node, rest) = (inner, after);
    }
    true
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// What must not stand below a junctor, and what it is to be instead.
const NESTED: [(&str, &str); 11] = [
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
    ("x-kubernetes-embedded-resource", "must be false to be structural"),
    ("x-kubernetes-int-or-string", "must be false to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
];

struct Structure {
    errors: Vec<FieldError>,
}

impl Structure {
    fn forbid(&mut self, field: String, detail: &str) {
        self.errors.push(FieldError::forbidden(field, detail));
    }

    fn required(&mut self, field: String, detail: &str) {
        self.errors.push(FieldError::required(field, detail));
    }

    fn invalid(&mut self, field: String, value: impl Into<Value>, detail: &str) {
        self.errors.push(FieldError::invalid(field, value, detail));
    }

    fn node(&mut self, node: &Value, level: Level, path: &str) {
        let ty = node["type"].as_str().unwrap_or_default();
        if let inner @ Value::Object(_) = &node["items"] {
            self.node(inner, Level::Item, &format!("{path}.items"));
        } else if ty == "array" {
            self.required(format!("{path}.items"), "must be specified");
        }
        for (name, inner) in node["properties"].as_object().into_iter().flatten() {
            self.node(inner, Level::Field, &format!("{path}.properties[{name}]"));
        }
        let rest = &node["additionalProperties"];
        if !rest.is_null() && level == Level::Root {
            self.forbid(format!("{path}.additionalProperties"), "must not be used at the root");
        }
        if rest.is_object() {
            self.node(rest, Level::Field, &format!("{path}.additionalProperties"));
        }
        self.extensions(node, level, path);
        let is_either = |node: &Value| node["anyOf"] == json!([{"type": "integer"}, {"type": "string"}]);
        let (any, all) = (is_either(node), node["allOf"].get(0).is_some_and(is_either));
        self.junctors(node, any, all, path);
        self.metadata(node, level, path);
    }

    fn extensions(&mut self, node: &Value, level: Level, path: &str) {
        let ty = node["type"].as_str().unwrap_or_default();
        let [either, keeps, embedded] =
            ["x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"]
                .map(|name| is_set(node, name));
        let why = "must be false if x-kubernetes-int-or-string is true";
        if either && keeps {
            self.invalid(format!("{path}.x-kubernetes-preserve-unknown-fields"), true, why);
        }
        if either && embedded {
            self.invalid(format!("{path}.x-kubernetes-embedded-resource"), true, why);
        }
        let field = format!("{path}.type");
        let why = "must be object if x-kubernetes-embedded-resource is true";
        match (ty, level) {
            ("", _) if embedded => self.required(field, why),
            (ty, _) if embedded && ty != "object" => self.invalid(field, ty, why),
            ("", _) if either || keeps => {}
            ("", Level::Root) => self.required(field, "must not be empty at the root"),
            ("", Level::Item) => self.required(field, "must not be empty for specified array items"),
            ("", Level::Field) => self.required(field, "must not be empty for specified object fields"),
            (ty, Level::Root) if ty != "object" => self.invalid(field, ty, "must be object at the root"),
            _ => {}
        }
        if embedded && !node["additionalProperties"].is_null() {
            let why = "must not be used if x-kubernetes-embedded-resource is set";
            self.forbid(format!("{path}.additionalProperties"), why);
        }
        if embedded && !keeps && node["properties"].as_object().is_none_or(serde_json::Map::is_empty) {
            let why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
            self.required(format!("{path}.properties"), why);
        }
    }

    fn metadata(&mut self, node: &Value, level: Level, path: &str) {
        if level != Level::Root && !is_set(node, "x-kubernetes-embedded-resource") {
            return;
        }
        for name in ["kind", "apiVersion"] {
            let inner = &node["properties"][name];
            if !inner.is_null() && inner["type"] != "string" {
                let ty = inner["type"].as_str().unwrap_or_default();
                self.invalid(format!("{path}.properties[{name}].type"), ty, "must be string");
            }
        }
        let metadata = &node["properties"]["metadata"];
        let field = format!("{path}.properties[metadata]");
        if !metadata.is_null() && metadata["type"] != "object" {
            let ty = metadata["type"].as_str().unwrap_or_default();
            self.invalid(format!("{field}.type"), ty, "must be object");
        }
        let is_plain = |(name, value): (&String, &Value)| match &name[..] {
            "type" | "default" => true,
            "properties" => {
                value.as_object().is_some_and(|map| map.keys().all(|name| name == "name" || name == "generateName"))
            }
            _ => false,
        };
        if level == Level::Root && !metadata.as_object().is_none_or(|map| map.iter().all(is_plain)) {
            let why =
                "must not specify anything other than name and generateName, but metadata is implicitly specified";
            self.forbid(field, why);
        }
    }

    fn junctors(&mut self, node: &Value, skips_any: bool, skips_first_all: bool, path: &str) {
        for (name, skips) in [("anyOf", skips_any), ("allOf", false), ("oneOf", false)] {
            for (place, inner) in node[name].as_array().into_iter().flatten().enumerate() {
                if !skips {
                    self.nested(
                        inner,
                        name == "allOf" && place == 0 && skips_first_all,
                        &format!("{path}.{name}[{place}]"),
                    );
                }
            }
        }
        if let inner @ Value::Object(_) = &node["not"] {
            self.nested(inner, false, &format!("{path}.not"));
        }
        if let Some(pattern) = node["pattern"].as_str()
            && let Err(error) = Regex::new(pattern)
        {
            let why = format!("must be a valid regular expression, but isn't: {error}");
            self.invalid(format!("{path}.pattern"), pattern, &why);
        }
    }

    fn nested(&mut self, node: &Value, skips_any: bool, path: &str) {
        self.junctors(node, skips_any, false, path);
        if let inner @ Value::Object(_) = &node["items"] {
            self.nested(inner, false, &format!("{path}.items"));
        }
        for (name, inner) in node["properties"].as_object().into_iter().flatten() {
            self.nested(inner, false, &format!("{path}.properties[{name}]"));
        }
        for (name, why) in NESTED {
            let is_there = match &node[name] {
                Value::Null | Value::Bool(false) => name == "additionalProperties" && node[name] == false,
                Value::String(text) => !text.is_empty() || name == "default",
                _ => true,
            };
            if is_there {
                self.forbid(format!("{path}.{name}"), why);
            }
        }
        for name in ["x-kubernetes-list-map-keys", "x-kubernetes-validations"] {
            if node[name].as_array().is_some_and(|list| !list.is_empty()) {
                self.forbid(format!("{path}.{name}"), "must be empty to be structural");
            }
        }
        if !node["properties"]["metadata"].is_null() {
            self.forbid(format!("{path}.properties[metadata]"), "must not be specified in a nested context");
        }
    }

    /// What a junctor speaks of must exist outside of it.
    fn complete(&mut self, node: &Value, structural: &Value, path: &str, nested: &str) {
        let mut inside: Vec<(&Value, String)> = Vec::new();
        if let inner @ Value::Object(_) = &node["not"] {
            inside.push((inner, format!("{nested}.not")));
        }
        for name in ["allOf", "anyOf", "oneOf"] {
            let inner = node[name].as_array().into_iter().flatten().enumerate();
            inside.extend(inner.map(|(place, inner)| (inner, format!("{nested}.{name}[{place}]"))));
        }
        for (inner, nested) in inside {
            self.complete_nested(inner, Some(structural), path, &nested);
        }
    }

    fn complete_nested(&mut self, node: &Value, structural: Option<&Value>, path: &str, nested: &str) {
        let Some(structural) = structural else {
            self.required(path.to_owned(), &format!("because it is defined in {nested}"));
            return;
        };
        self.complete(node, structural, path, nested);
        if let inner @ Value::Object(_) = &node["items"] {
            let items = structural.get("items");
            self.complete_nested(inner, items, &format!("{path}.items"), &format!("{nested}.items"));
        }
        for (name, inner) in node["properties"].as_object().into_iter().flatten() {
            let (own, nested) = (format!("{path}.properties[{name}]"), format!("{nested}.properties[{name}]"));
            self.complete_nested(inner, structural["properties"].get(name), &own, &nested);
        }
    }
}

/// Defaults must fit their schemas, and know no field that these do not.
fn check_defaults(errors: &mut Vec<FieldError>, node: &Value, path: &str) {
    let default = &node["default"];
    if !default.is_null() {
        let field = format!("{path}.default");
        let mut pruned = json!({"value": default});
        let around = json!({"properties": {"value": node}});
        if !instance::prune(&mut pruned, &around).is_empty() {
            errors.push(FieldError::invalid(&field[..], default.clone(), "must not have unknown fields"));
        }
        for mut error in validate::validate(default, None, node, "") {
            error.field = if error.field == "<nil>" { field.clone() } else { format!("{field}.{}", error.field) };
            errors.push(error);
        }
    }
    for (name, inner) in node["properties"].as_object().into_iter().flatten() {
        check_defaults(errors, inner, &format!("{path}.properties[{name}]"));
    }
    for name in ["items", "additionalProperties"] {
        if let inner @ Value::Object(_) = &node[name] {
            check_defaults(errors, inner, &format!("{path}.{name}"));
        }
    }
}
