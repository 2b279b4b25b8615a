//! Configuration.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Errors, entries, text};
use crate::k8s::json;
use crate::k8s::meta::names;
use crate::k8s::meta::status::FieldErrorKind;

/// Bytes of a ConfigMap or of a Secret.
const SIZE_MAX: usize = 1 << 20;

pub(super) fn check_config_map(errors: &mut Errors, object: &Value) {
    let mut size = 0;
    for list in ["data", "binaryData"] {
        for (key, value) in entries(&object[list]) {
            let field = format!("{list}[{key}]");
            errors.names(&field, key, names::config_map_key(key));
            if list == "data" && !object["binaryData"][key].is_null() {
                errors.invalid(&field, &key[..], "duplicate of key present in binaryData");
            }
            size += if list == "data" { value.as_str().map_or(0, str::len) } else { decode(value).len() };
        }
    }
    if size > SIZE_MAX {
        errors.add("", FieldErrorKind::TooLong(SIZE_MAX));
    }
}

pub(super) fn check_secret(errors: &mut Errors, object: &Value) {
    let mut size = 0;
    for (key, value) in entries(&object["data"]) {
        errors.names(&format!("data[{key}]"), key, names::config_map_key(key));
        size += decode(value).len();
    }
    if size > SIZE_MAX {
        errors.add("data", FieldErrorKind::TooLong(SIZE_MAX));
    }
    let data = |key: &str| Some(&object["data"][key]).filter(|value| !value.is_null());
    match text(object, "type") {
        "kubernetes.io/service-account-token" => {
            let name = "kubernetes.io/service-account.name";
            if text(&object["metadata"]["annotations"], name).is_empty() {
                errors.required(&format!("metadata.annotations[{name}]"));
            }
        }
        "kubernetes.io/dockercfg" => check_docker(errors, ".dockercfg", data(".dockercfg")),
        "kubernetes.io/dockerconfigjson" => check_docker(errors, ".dockerconfigjson", data(".dockerconfigjson")),
        "kubernetes.io/basic-auth" if data("username").or(data("password")).is_none() => {
            ["username", "password"].iter().for_each(|key| errors.required(&format!("data[{key}]")));
        }
        "kubernetes.io/ssh-auth" if data("ssh-privatekey").is_none_or(|value| decode(value).is_empty()) => {
            errors.required("data[ssh-privatekey]");
        }
        "kubernetes.io/tls" => {
            let missing = ["tls.crt", "tls.key"].into_iter().filter(|key| data(key).is_none());
            missing.for_each(|key| errors.required(&format!("data[{key}]")));
        }
        _ => {}
    }
}

/// It must be an object of JSON; what it says is nobody's business.
fn check_docker(errors: &mut Errors, key: &str, value: Option<&Value>) {
    let field = format!("data[{key}]");
    let Some(value) = value else { return errors.required(&field) };
    let problem = match json::parse(&decode(value)).map(|document| document.value) {
        Err(error) => error.message,
        Ok(Value::Object(_) | Value::Null) => return,
        Ok(other) => {
            let kind = match other {
                Value::Array(_) => "array",
                Value::String(_) => "string",
                Value::Bool(_) => "bool",
                _ => "number",
            };
            format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}")
        }
    };
    errors.invalid(&field, "<secret contents redacted>", &problem);
}

/// What was made immutable stays.
pub(super) fn check_configuration_update(errors: &mut Errors, object: &Value, old: &Value) {
    if object.get("type").is_some() {
        errors.immutable("type", &object["type"], &old["type"]);
    }
    if old["immutable"] != true {
        return;
    }
    let detail = "field is immutable when `immutable` is set";
    for field in ["immutable", "data", "binaryData"] {
        if object[field] != old[field] {
            errors.forbidden(field, detail);
        }
    }
}

fn decode(value: &Value) -> Vec<u8> {
    value.as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default()
}
