//! Definitions of custom resources: what one may say, which names it gets, when it is served.
//!
//! Upstream: `apiextensions-apiserver/pkg/apis/apiextensions/validation`, `pkg/registry/customresourcedefinition` and the
//! controllers of naming and establishing.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::schema;
use crate::k8s::meta::names::{dns1035_label, dns1123_subdomain};
use crate::k8s::meta::status::{FieldError, quote};
use crate::k8s::meta::time::{Precision, Time};

/// What creation sets: no status yet, and the version that will be stored.
pub fn prepare_create(definition: &mut Value) {
    let Value::Object(fields) = definition else { return };
    let stored = with_stored_version(&Value::Null, &fields["spec"]);
    fields.insert(
        "status".to_owned(),
        json!({"conditions": null, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": stored}),
    );
    set_generation(fields, 1);
}

/// What an update does not set: the status; a new specification is a new generation.
pub fn prepare_update(definition: &mut Value, old: &Value) {
    let Value::Object(fields) = definition else { return };
    let mut status = old["status"].clone();
    if let Value::Object(status) = &mut status {
        let stored = with_stored_version(&old["status"]["storedVersions"], &fields["spec"]);
        status.insert("storedVersions".to_owned(), stored);
    }
    fields.insert("status".to_owned(), status);
    let generation = old["metadata"]["generation"].as_i64().unwrap_or_default();
    let is_other = fields.get("spec") != old.get("spec");
    set_generation(fields, generation + i64::from(is_other));
}

fn set_generation(fields: &mut Map<String, Value>, generation: i64) {
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        metadata.insert("generation".to_owned(), generation.into());
    }
}

fn with_stored_version(known: &Value, spec: &Value) -> Value {
    let mut stored = known.as_array().cloned().unwrap_or_default();
    let versions = spec["versions"].as_array().into_iter().flatten();
    let current =
        versions.into_iter().find(|version| version["storage"] == true).map(|version| version["name"].clone());
    stored.extend(current.filter(|name| !known.as_array().is_some_and(|known| known.contains(name))));
    Value::Array(stored)
}

/// What is wrong with a definition, its metadata aside.
pub fn check(definition: &Value) -> Vec<FieldError> {
    let mut checker = Checker { errors: Vec::new() };
    let spec = &definition["spec"];
    let own = definition["metadata"]["name"].as_str().unwrap_or_default();
    let expected = format!("{}.{}", text(&spec["names"], "plural"), text(spec, "group"));
    if own != expected {
        checker.invalid("metadata.name", own, "must be spec.names.plural+\".\"+spec.group");
    }
    checker.spec(spec);
    check_stored_versions(&mut checker.errors, definition);
    checker.errors
}

/// What is wrong with the schemas of a definition that has them, and nothing else.
pub fn check_schemas(definition: &Value) -> Vec<FieldError> {
    let is_lacking = |error: &FieldError| error.field.ends_with("].schema.openAPIV3Schema") && error.detail.is_empty();
    let is_schemas = |error: &FieldError| error.field.contains("openAPIV3Schema") && !is_lacking(error);
    check(definition).into_iter().filter(is_schemas).collect()
}

/// What is wrong with a definition that is to take the place of another: what is served keeps its name and scope.
pub fn check_update(definition: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = check(definition);
    let (new, was) = (&definition["spec"], &old["spec"]);
    let mut immutable = |field: &str, new: &Value, was: &Value| {
        if new != was {
            errors.push(FieldError::invalid(field, new.clone(), "field is immutable"));
        }
    };
    immutable("spec.group", &new["group"], &was["group"]);
    immutable("spec.names.plural", &new["names"]["plural"], &was["names"]["plural"]);
    if condition(old, "Established").is_some_and(|condition| condition["status"] == "True") {
        immutable("spec.scope", &new["scope"], &was["scope"]);
        immutable("spec.names.kind", &new["names"]["kind"], &was["names"]["kind"]);
    }
    errors
}

fn check_stored_versions(errors: &mut Vec<FieldError>, definition: &Value) {
    let versions = definition["spec"]["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let known = definition["status"]["storedVersions"].as_array().map(Vec::as_slice).unwrap_or_default();
    if known.is_empty() {
        let why = "must have at least one stored version";
        errors.push(FieldError::invalid("status.storedVersions", json!(known), why));
        return;
    }
    for version in versions.iter().filter(|version| version["storage"] == true && !known.contains(&version["name"])) {
        let why = format!("must have the storage version {}", text(version, "name"));
        errors.push(FieldError::invalid("status.storedVersions", json!(known), why));
    }
    let stored = known.iter();
    for (place, name) in stored.filter_map(Value::as_str).enumerate() {
        if !versions.iter().any(|version| version["name"] == name) {
            let why = format!(
                "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a \
                 storage migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"
            );
            errors.push(FieldError::invalid(format!("status.storedVersions[{place}]"), name, why));
        }
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

struct Checker {
    errors: Vec<FieldError>,
}

impl Checker {
    fn invalid(&mut self, field: &str, value: impl Into<Value>, detail: &str) {
        self.errors.push(FieldError::invalid(field, value, detail));
    }

    fn required(&mut self, field: &str, detail: &str) {
        self.errors.push(FieldError::required(field, detail));
    }

    fn spec(&mut self, spec: &Value) {
        let group = text(spec, "group");
        let wrong = dns1123_subdomain(group);
        if group.is_empty() {
            self.required("spec.group", "");
        } else if !wrong.is_empty() {
            self.invalid("spec.group", group, &wrong.join(","));
        } else if !group.contains('.') {
            self.invalid("spec.group", group, "should be a domain with at least one dot");
        }
        self.one_of("spec.scope", text(spec, "scope"), &["Cluster", "Namespaced"]);
        let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
        self.versions(versions);
        self.names(&spec["names"]);
        self.conversion(&spec["conversion"]);
        if spec["preserveUnknownFields"] == true {
            let why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
            self.invalid("spec.preserveUnknownFields", true, why);
        }
    }

    fn one_of(&mut self, field: &str, value: &str, supported: &[&str]) {
        match value {
            "" => self.required(field, ""),
            _ if supported.contains(&value) => {}
            _ => self.errors.push(FieldError::not_supported(field, value, supported)),
        }
    }

    fn versions(&mut self, versions: &[Value]) {
        // What all versions share is said once, and errors name that place.
        let is_shared =
            |name: &str| !versions.is_empty() && versions.iter().all(|version| version[name] == versions[0][name]);
        let place = |name: &str, shared: &str, index: usize| match is_shared(name) {
            true => format!("spec.{shared}"),
            false => format!("spec.versions[{index}].{name}"),
        };
        for (index, version) in versions.iter().enumerate() {
            if !version["schema"]["openAPIV3Schema"].is_object() {
                self.required(&format!("spec.versions[{index}].schema.openAPIV3Schema"), "");
            }
        }
        let mut seen = BTreeSet::new();
        for (index, version) in versions.iter().enumerate() {
            let name = text(version, "name");
            let wrong = dns1035_label(name);
            if !wrong.is_empty() {
                self.invalid(&format!("spec.versions[{index}].name"), name, &wrong.join(","));
                if index == 0 {
                    self.invalid("spec.version", name, &wrong.join(","));
                }
            }
            let is_first = index == 0;
            if (is_first || !is_shared("schema")) && version["schema"]["openAPIV3Schema"].is_object() {
                let path = format!("{}.openAPIV3Schema", place("schema", "validation", index));
                self.errors.extend(schema::check(&version["schema"]["openAPIV3Schema"], &path));
            }
            if is_first || !is_shared("subresources") {
                self.scale(&version["subresources"]["scale"], &place("subresources", "subresources", index));
            }
            if is_first || !is_shared("additionalPrinterColumns") {
                self.columns(version, &place("additionalPrinterColumns", "additionalPrinterColumns", index));
            }
            seen.insert(name);
        }
        if seen.len() != versions.len() {
            self.invalid("spec.versions", as_go(versions), "must contain unique version names");
        }
        if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
            self.invalid("spec.versions", as_go(versions), "must have exactly one version marked as storage version");
        }
    }

    fn names(&mut self, names: &Value) {
        for name in ["plural", "singular", "kind", "listKind"] {
            if text(names, name).is_empty() {
                self.required(&format!("spec.names.{name}"), "");
            }
        }
        for (name, mixed) in [("plural", ""), ("singular", ""), ("kind", MIXED), ("listKind", MIXED)] {
            let value = text(names, name);
            let wrong = if mixed.is_empty() { dns1035_label(value) } else { dns1035_label(&value.to_lowercase()) };
            if !value.is_empty() && !wrong.is_empty() {
                self.invalid(&format!("spec.names.{name}"), value, &format!("{mixed}{}", wrong.join(",")));
            }
        }
        if !text(names, "kind").is_empty() && names["kind"] == names["listKind"] {
            let kind = text(names, "listKind");
            self.invalid("spec.names.listKind", kind, "kind and listKind may not be the same");
        }
        for list in ["shortNames", "categories"] {
            for (place, value) in names[list].as_array().into_iter().flatten().filter_map(Value::as_str).enumerate() {
                let wrong = dns1035_label(value);
                if !wrong.is_empty() {
                    self.invalid(&format!("spec.names.{list}[{place}]"), value, &wrong.join(","));
                }
            }
        }
    }

    fn conversion(&mut self, conversion: &Value) {
        let strategy = text(conversion, "strategy");
        if conversion.is_null() {
            return;
        }
        self.one_of("spec.conversion.strategy", strategy, &["None", "Webhook"]);
        let (client, versions) =
            (&conversion["webhook"]["clientConfig"], &conversion["webhook"]["conversionReviewVersions"]);
        match strategy {
            "Webhook" => {
                let field = "spec.conversion.webhookClientConfig";
                if client.is_null() {
                    self.required(field, "required when strategy is set to Webhook");
                } else if client["url"].is_null() == client["service"].is_null() {
                    self.required(field, "exactly one of url or service is required");
                }
                if versions.as_array().is_none_or(Vec::is_empty) {
                    self.required("spec.conversion.conversionReviewVersions", "");
                }
            }
            _ => {
                let why = "should not be set when strategy is not set to Webhook";
                if !client.is_null() {
                    self.errors.push(FieldError::forbidden("spec.conversion.webhookClientConfig", why));
                }
                if versions.as_array().is_some_and(|versions| !versions.is_empty()) {
                    self.errors.push(FieldError::forbidden("spec.conversion.conversionReviewVersions", why));
                }
            }
        }
    }

    fn scale(&mut self, scale: &Value, path: &str) {
        if scale.is_null() {
            return;
        }
        let paths = [
            ("specReplicasPath", &[".spec."][..], ".spec"),
            ("statusReplicasPath", &[".status."], ".status"),
            ("labelSelectorPath", &[".spec.", ".status."], "either .spec or .status"),
        ];
        for (name, prefixes, under) in paths {
            let (field, value) = (format!("{path}.scale.{name}"), text(scale, name));
            if value.is_empty() {
                if name != "labelSelectorPath" {
                    self.required(&field, "");
                }
            } else if !value.starts_with('.') {
                self.invalid(&field, value, "must be a simple json path starting with .");
            } else if !prefixes.iter().any(|prefix| value.starts_with(prefix)) {
                self.invalid(&field, value, &format!("should be a json path under {under}"));
            }
        }
    }

    fn columns(&mut self, version: &Value, path: &str) {
        const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
        const FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
        for (place, column) in version["additionalPrinterColumns"].as_array().into_iter().flatten().enumerate() {
            let field = |name: &str| format!("{path}[{place}].{name}");
            if text(column, "name").is_empty() {
                self.required(&field("name"), "");
            }
            let must = format!("must be one of {}", TYPES.join(","));
            match text(column, "type") {
                "" => self.required(&field("type"), &must),
                ty if !TYPES.contains(&ty) => self.invalid(&field("type"), ty, &must),
                _ => {}
            }
            let format = text(column, "format");
            if !format.is_empty() && !FORMATS.contains(&format) {
                self.invalid(&field("format"), format, &format!("must be one of {}", FORMATS.join(",")));
            }
            match text(column, "jsonPath") {
                "" => self.required(&field("JSONPath"), ""),
                json_path if !json_path.starts_with('.') => {
                    self.invalid(&field("JSONPath"), json_path, "must be a simple json path starting with .");
                }
                _ => {}
            }
        }
    }
}

/// Versions as upstream's structs print.
///
/// Simplified: schemas that versions do not share are printed as they travel.
fn as_go(versions: &[Value]) -> Value {
    let own = |version: &Value, name: &str| match versions.iter().all(|other| other[name] == version[name]) {
        true => Value::Null,
        false => version[name].clone(),
    };
    let version = |version: &Value| {
        json!({
            "Name": version["name"],
            "Served": version["served"],
            "Storage": version["storage"],
            "Deprecated": version["deprecated"] == true,
            "DeprecationWarning": version["deprecationWarning"],
            "Schema": own(version, "schema"),
            "Subresources": own(version, "subresources"),
            "AdditionalPrinterColumns": own(version, "additionalPrinterColumns"),
            "SelectableFields": own(version, "selectableFields"),
        })
    };
    versions.iter().map(version).collect()
}

const MIXED: &str = "may have mixed case, but should otherwise match: ";

/// A definition's condition by its type.
fn condition<'v>(definition: &'v Value, ty: &str) -> Option<&'v Value> {
    definition["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == ty)
}

/// The status of a definition after its names were looked at beside those of all others: names that another holds are not
/// accepted. Nothing if nothing is to be said.
pub fn conditions(definition: &Value, others: &[&Value], now: Time) -> Option<Value> {
    let (wanted, accepted) = (&definition["spec"]["names"], &definition["status"]["acceptedNames"]);
    if wanted == accepted {
        return None;
    }
    let group = &definition["spec"]["group"];
    let own = &definition["metadata"]["name"];
    let (mut resources, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    for other in others.iter().filter(|other| other["spec"]["group"] == *group && other["metadata"]["name"] != *own) {
        let names = &other["status"]["acceptedNames"];
        let short = names["shortNames"].as_array().into_iter().flatten().filter_map(Value::as_str);
        resources.extend(short.chain([text(names, "plural"), text(names, "singular")]));
        kinds.extend([text(names, "kind"), text(names, "listKind")]);
    }
    let mut names = accepted.as_object().cloned().unwrap_or_default();
    let mut refusal = None;
    let is_free = |name: &str, held: &str, used: &BTreeSet<&str>| name == held || !used.contains(name);
    let in_use = |name: &str| format!("{} is already in use", quote(name));
    for (name, reason) in [("plural", "PluralConflict"), ("singular", "SingularConflict")] {
        match is_free(text(wanted, name), text(accepted, name), &resources) {
            true => put(&mut names, name, &wanted[name]),
            false => refusal = Some((reason, in_use(text(wanted, name)))),
        }
    }
    let held = accepted["shortNames"].as_array().cloned().unwrap_or_default();
    let short = wanted["shortNames"].as_array().into_iter().flatten().filter(|name| !held.contains(name));
    let taken: Vec<String> =
        short.filter_map(Value::as_str).filter(|name| resources.contains(name)).map(in_use).collect();
    match &taken[..] {
        [] => put(&mut names, "shortNames", &wanted["shortNames"]),
        [only] => refusal = Some(("ShortNamesConflict", only.clone())),
        several => refusal = Some(("ShortNamesConflict", format!("[{}]", several.join(", ")))),
    }
    for (name, reason) in [("kind", "KindConflict"), ("listKind", "ListKindConflict")] {
        match is_free(text(wanted, name), text(accepted, name), &kinds) {
            true => put(&mut names, name, &wanted[name]),
            false => refusal = Some((reason, in_use(text(wanted, name)))),
        }
    }
    put(&mut names, "categories", &wanted["categories"]);
    let is_accepted = refusal.is_none();
    let (status, reason, message) = match &refusal {
        None => ("True", "NoConflicts", "no conflicts found"),
        Some((reason, message)) => ("False", *reason, &message[..]),
    };
    let mut new = definition["status"].clone();
    new["acceptedNames"] = Value::Object(names);
    set_condition(&mut new, "NamesAccepted", status, reason, message, now);
    let is_established = condition(definition, "Established").is_some_and(|condition| condition["status"] == "True");
    match (is_established, is_accepted) {
        (true, _) => {}
        (false, true) => set_condition(&mut new, "Established", "False", "Installing", INITIAL, now),
        (false, false) if condition(definition, "Established").is_none() => {
            set_condition(&mut new, "Established", "False", "NotAccepted", "not all names are accepted", now);
        }
        _ => {}
    }
    (new != definition["status"]).then_some(new)
}

const INITIAL: &str = "the initial names have been accepted";

/// The status of a definition that is served from now on. Nothing if it is not time, or done.
pub fn establish(definition: &Value, now: Time) -> Option<Value> {
    let is_true = |ty: &str| condition(definition, ty).is_some_and(|condition| condition["status"] == "True");
    if !is_true("NamesAccepted") || is_true("Established") {
        return None;
    }
    let mut new = definition["status"].clone();
    set_condition(&mut new, "Established", "True", "InitialNamesAccepted", INITIAL, now);
    Some(new)
}

fn put(names: &mut Map<String, Value>, name: &str, value: &Value) {
    match value {
        Value::Null => drop(names.shift_remove(name)),
        value => drop(names.insert(name.to_owned(), value.clone())),
    }
}

/// A condition keeps its moment as long as its status is the same.
fn set_condition(status: &mut Value, ty: &str, value: &str, reason: &str, message: &str, now: Time) {
    let conditions = &mut status["conditions"];
    if !conditions.is_array() {
        *conditions = Value::Array(Vec::new());
    }
    let Value::Array(conditions) = conditions else { return };
    let new = json!({"type": ty, "status": value, "lastTransitionTime": now.format(Precision::Seconds), "reason": reason,
        "message": message});
    match conditions.iter_mut().find(|condition| condition["type"] == ty) {
        None => conditions.push(new),
        Some(old) if old["status"] == value => {
            old["reason"] = reason.into();
            old["message"] = message.into();
        }
        Some(old) => *old = new,
    }
}
