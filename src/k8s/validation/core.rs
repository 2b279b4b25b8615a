//! Services, and configuration.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Errors, entries, indexed, text, unique};
use crate::k8s::meta::names;
use crate::k8s::meta::status::FieldErrorKind;

/// Bytes of a ConfigMap or of a Secret.
const SIZE_MAX: usize = 1 << 20;

pub(super) fn check_service(errors: &mut Errors, service: &Value) {
    let spec = &service["spec"];
    let kind = text(spec, "type");
    let ports = spec["ports"].as_array().map_or(0, Vec::len);
    if ports == 0 && text(spec, "clusterIP") != "None" && kind != "ExternalName" {
        errors.required("spec.ports");
    }
    if kind == "ExternalName" {
        let name = text(spec, "externalName");
        if name.is_empty() {
            errors.required("spec.externalName");
        } else {
            errors.names("spec.externalName", name, names::dns1123_subdomain(name.trim_end_matches('.')));
        }
    }
    let (mut seen_names, mut seen) = (Vec::new(), Vec::new());
    for (field, port) in indexed(&spec["ports"], "spec.ports") {
        let at = |name: &str| format!("{field}.{name}");
        let name = text(port, "name");
        if name.is_empty() && ports > 1 {
            errors.required(&at("name"));
        } else if !name.is_empty() {
            errors.names(&at("name"), name, names::dns1123_label(name));
            unique(errors, &mut seen_names, &at("name"), name);
        }
        errors.port(&at("port"), &port["port"]);
        errors.one_of(&at("protocol"), text(port, "protocol"), &["SCTP", "TCP", "UDP"]);
        match &port["targetPort"] {
            Value::String(name) => errors.names(&at("targetPort"), name, names::port_name(name)),
            number => errors.port(&at("targetPort"), number),
        }
        let own = (port["port"].clone(), text(port, "protocol"));
        if seen.contains(&own) {
            let value = serde_json::json!({"protocol": own.1, "port": own.0});
            errors.add(&field, FieldErrorKind::Duplicate(value));
        }
        seen.push(own);
    }
    errors.labels("spec.selector", &spec["selector"]);
    errors.one_of("spec.type", kind, &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    errors.one_of("spec.sessionAffinity", text(spec, "sessionAffinity"), &["ClientIP", "None"]);
}

/// An address that was given stays.
pub(super) fn check_service_update(errors: &mut Errors, service: &Value, old: &Value) {
    let (new, old) = (&service["spec"], &old["spec"]);
    let keeps_address = |spec: &Value| text(spec, "type") != "ExternalName" && !text(spec, "clusterIP").is_empty();
    if keeps_address(old) && text(new, "type") != "ExternalName" && new["clusterIP"] != old["clusterIP"] {
        errors.invalid("spec.clusterIPs[0]", new["clusterIPs"].clone(), "may not change once set");
    }
}

pub(super) fn check_config_map(errors: &mut Errors, object: &Value) {
    let mut size = 0;
    for (list, other) in [("data", None), ("binaryData", Some("data"))] {
        for (key, value) in entries(&object[list]) {
            let field = format!("{list}[{key}]");
            errors.names(&field, key, names::config_map_key(key));
            if other.is_some_and(|other| !object[other][key].is_null()) {
                errors.invalid(&field, &key[..], "duplicate of key present in data");
            }
            size += if list == "data" { value.as_str().map_or(0, str::len) } else { decoded_length(value) };
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
        size += decoded_length(value);
    }
    if size > SIZE_MAX {
        errors.add("data", FieldErrorKind::TooLong(SIZE_MAX));
    }
    let has = |key: &str| !object["data"][key].is_null();
    let needed: &[&str] = match text(object, "type") {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        _ => &[],
    };
    needed.iter().filter(|key| !has(key)).for_each(|key| errors.required(&format!("data[{key}]")));
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

fn decoded_length(value: &Value) -> usize {
    value.as_str().and_then(|text| STANDARD.decode(text).ok()).map_or(0, |bytes| bytes.len())
}
