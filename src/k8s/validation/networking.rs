//! Ingresses, network policies, and ranges of addresses.
//!
//! Upstream: `pkg/apis/networking/validation`.

use serde_json::{Value, json};

use super::{Errors, addresses, indexed, text};
use crate::k8s::meta::names;
use crate::k8s::meta::status::FieldErrorKind;

/// Bytes of the name of a controller.
const CONTROLLER_MAX: usize = 250;

pub(super) fn check_ingress(errors: &mut Errors, ingress: &Value) {
    let spec = &ingress["spec"];
    let has_rules = spec["rules"].as_array().is_some_and(|rules| !rules.is_empty());
    if !has_rules && spec["defaultBackend"].is_null() {
        errors.invalid("spec", Value::Null, "either `defaultBackend` or `rules` must be specified");
    }
    if !spec["defaultBackend"].is_null() {
        check_backend(errors, "spec.defaultBackend", &spec["defaultBackend"]);
    }
    for (field, rule) in indexed(&spec["rules"], "spec.rules") {
        let (host, at) = (text(rule, "host"), format!("{field}.host"));
        if !host.is_empty() {
            if addresses::read(host).is_some() {
                errors.invalid(&at, host, "must be a DNS name, not an IP address");
            }
            check_host(errors, &at, host);
        }
        if !rule["http"].is_null() {
            check_paths(errors, &format!("{field}.http"), &rule["http"]);
        }
    }
    for (field, tls) in indexed(&spec["tls"], "spec.tls") {
        for (field, host) in indexed(&tls["hosts"], &format!("{field}.hosts")) {
            check_host(errors, &field, host.as_str().unwrap_or_default());
        }
        let secret = text(tls, "secretName");
        if !secret.is_empty() {
            errors.names(&format!("{field}.secretName"), secret, names::dns1123_subdomain(secret));
        }
    }
    if let Some(class) = spec["ingressClassName"].as_str() {
        errors.names("spec.ingressClassName", class, names::dns1123_subdomain(class));
    }
}

/// What only a new ingress may not say.
pub(super) fn check_new_ingress(errors: &mut Errors, ingress: &Value) {
    let annotation = ingress.pointer("/metadata/annotations/kubernetes.io~1ingress.class").and_then(Value::as_str);
    let class = ingress.pointer("/spec/ingressClassName").and_then(Value::as_str);
    if let (Some(annotation), Some(class)) = (annotation, class)
        && annotation != class
    {
        let detail = "must match `ingressClassName` when both are specified";
        errors.invalid("annotations.kubernetes.io/ingress.class", annotation, detail);
    }
}

fn check_host(errors: &mut Errors, field: &str, host: &str) {
    let rule = if host.contains('*') { names::wildcard_dns1123_subdomain } else { names::dns1123_subdomain };
    errors.names(field, host, rule(host));
}

fn check_paths(errors: &mut Errors, field: &str, http: &Value) {
    if http["paths"].as_array().is_none_or(Vec::is_empty) {
        errors.required(&format!("{field}.paths"));
    }
    for (field, path) in indexed(&http["paths"], &format!("{field}.paths")) {
        let (own, at) = (text(path, "path"), format!("{field}.path"));
        let Some(kind) = path["pathType"].as_str() else {
            errors.required_because(&format!("{field}.pathType"), "pathType must be specified");
            continue;
        };
        let is_absolute = own.starts_with('/');
        match kind {
            "Exact" | "Prefix" => {
                if !is_absolute {
                    errors.invalid(&at, own, "must be an absolute path");
                }
                for part in ["//", "/./", "/../", "%2f", "%2F"].into_iter().filter(|part| own.contains(part)) {
                    errors.invalid(&at, own, &format!("must not contain '{part}'"));
                }
                for end in ["/..", "/."].into_iter().filter(|end| own.ends_with(end)) {
                    errors.invalid(&at, own, &format!("cannot end with '{end}'"));
                }
            }
            "ImplementationSpecific" if own.is_empty() || is_absolute => {}
            "ImplementationSpecific" => errors.invalid(&at, own, "must be an absolute path"),
            _ => {
                errors.supported(&format!("{field}.pathType"), kind, &["Exact", "ImplementationSpecific", "Prefix"]);
            }
        }
        check_backend(errors, &format!("{field}.backend"), &path["backend"]);
    }
}

fn check_backend(errors: &mut Errors, field: &str, backend: &Value) {
    let (service, resource) = (&backend["service"], &backend["resource"]);
    match (service.is_null(), resource.is_null()) {
        (false, false) => errors.invalid(field, "", "cannot set both resource and service backends"),
        (true, true) => errors.invalid(field, "", "resource or service backend is required"),
        (true, false) => check_reference(errors, &format!("{field}.resource"), resource),
        (false, true) => {
            errors.required_name(&format!("{field}.service.name"), text(service, "name"), names::dns1035_label);
            let port = &service["port"];
            let (name, number) = (text(port, "name"), port["number"].as_i64().unwrap_or(0));
            match (name.is_empty(), number) {
                (false, 0) => errors.names(&format!("{field}.service.port.name"), name, names::port_name(name)),
                (false, _) => errors.invalid(field, "", "cannot set both port name & port number"),
                (true, 0) => errors.required_because(field, "port name or number is required"),
                (true, _) => errors.port(&format!("{field}.service.port.number"), &port["number"]),
            }
        }
    }
}

fn check_reference(errors: &mut Errors, field: &str, reference: &Value) {
    if let Some(group) = reference["apiGroup"].as_str() {
        errors.names(&format!("{field}.apiGroup"), group, names::dns1123_subdomain(group));
    }
    for name in ["kind", "name"] {
        errors.required_name(&format!("{field}.{name}"), text(reference, name), names::path_segment);
    }
}

pub(super) fn check_class(errors: &mut Errors, class: &Value) {
    let (controller, field) = (text(&class["spec"], "controller"), "spec.controller");
    if controller.is_empty() {
        errors.required(field);
    } else {
        if controller.len() > CONTROLLER_MAX {
            errors.add(field, FieldErrorKind::TooLong(CONTROLLER_MAX));
        }
        check_domain_path(errors, field, controller);
    }
    let parameters = &class["spec"]["parameters"];
    if parameters.is_null() {
        return;
    }
    check_reference(errors, "spec.parameters", parameters);
    let namespace = &parameters["namespace"];
    match text(parameters, "scope") {
        "" => errors.required("spec.parameters.scope"),
        "Namespace" if namespace.is_null() => {
            errors.required_because("spec.parameters.namespace", "`parameters.scope` is set to 'Namespace'");
        }
        "Namespace" => {
            let namespace = namespace.as_str().unwrap_or_default();
            errors.names("spec.parameters.namespace", namespace, names::dns1123_label(namespace));
        }
        "Cluster" if !namespace.is_null() => {
            errors.forbidden("spec.parameters.namespace", "`parameters.scope` is set to 'Cluster'");
        }
        scope => errors.supported("spec.parameters.scope", scope, &["Cluster", "Namespace"]),
    }
}

/// `example.com/controller`
pub(super) fn check_domain_path(errors: &mut Errors, field: &str, text: &str) {
    let Some((domain, path)) = text.split_once('/').filter(|(domain, path)| !domain.is_empty() && !path.is_empty())
    else {
        let detail = "must be a domain-prefixed path (such as \"acme.io/foo\")";
        return errors.invalid(field, text, detail);
    };
    for complaint in names::dns1123_subdomain(domain) {
        errors.invalid(field, domain, &complaint);
    }
    let is_path = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/%".contains(c);
    if !path.chars().all(is_path) {
        let rule = r#"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"#;
        errors.invalid(field, path, &format!("Invalid path (regex used for validation is '{rule}')"));
    }
}

pub(super) fn check_policy(errors: &mut Errors, policy: &Value) {
    let spec = &policy["spec"];
    errors.label_selector("spec.podSelector", &spec["podSelector"]);
    for (rules, peers) in [("ingress", "from"), ("egress", "to")] {
        for (field, rule) in indexed(&spec[rules], &format!("spec.{rules}")) {
            for (field, port) in indexed(&rule["ports"], &format!("{field}.ports")) {
                check_policy_port(errors, &field, port);
            }
            for (field, peer) in indexed(&rule[peers], &format!("{field}.{peers}")) {
                check_peer(errors, &field, peer);
            }
        }
    }
    let types = &spec["policyTypes"];
    if types.as_array().is_some_and(|types| types.len() > 2) {
        return errors.invalid("spec.policyTypes", types.clone(), "may not specify more than two policyTypes");
    }
    for (field, own) in indexed(types, "spec.policyTypes") {
        errors.supported(&field, own.as_str().unwrap_or_default(), &["Ingress", "Egress"]);
    }
}

fn check_policy_port(errors: &mut Errors, field: &str, port: &Value) {
    let at = |name: &str| format!("{field}.{name}");
    if let Some(protocol) = port["protocol"].as_str() {
        errors.supported(&at("protocol"), protocol, &["TCP", "UDP", "SCTP"]);
    }
    let end = port["endPort"].as_i64();
    match (&port["port"], end) {
        (Value::Null, Some(end)) => {
            errors.invalid(&at("endPort"), end, "may not be specified when `port` is not specified");
        }
        (Value::String(name), end) => {
            if let Some(end) = end {
                errors.invalid(&at("endPort"), end, "may not be specified when `port` is non-numeric");
            }
            errors.names(&at("port"), name, names::port_name(name));
        }
        (number, end) => {
            errors.port(&at("port"), number);
            if let Some(end) = end {
                if number.as_i64().is_some_and(|number| end < number) {
                    errors.invalid(&at("endPort"), end, "must be greater than or equal to `port`");
                }
                errors.port(&at("endPort"), &port["endPort"]);
            }
        }
    }
}

fn check_peer(errors: &mut Errors, field: &str, peer: &Value) {
    let selectors = ["podSelector", "namespaceSelector"];
    let mut count = 0;
    for name in selectors.into_iter().filter(|name| !peer[*name].is_null()) {
        count += 1;
        errors.label_selector(&format!("{field}.{name}"), &peer[name]);
    }
    let block = &peer["ipBlock"];
    match (count, block.is_null()) {
        (0, true) => errors.required_because(field, "must specify a peer"),
        (_, true) => {}
        (count, false) => {
            check_block(errors, &format!("{field}.ipBlock"), block);
            if count > 0 {
                errors.forbidden(field, "may not specify both ipBlock and another peer");
            }
        }
    }
}

fn check_block(errors: &mut Errors, field: &str, block: &Value) {
    let whole = text(block, "cidr");
    if whole.is_empty() {
        return errors.required(&format!("{field}.cidr"));
    }
    addresses::check_range(errors, &format!("{field}.cidr"), whole);
    let Some(whole) = addresses::Range::read(whole) else { return };
    for (field, part) in indexed(&block["except"], &format!("{field}.except")) {
        let part = part.as_str().unwrap_or_default();
        addresses::check_range(errors, &field, part);
        if addresses::Range::read(part).is_some_and(|part| !whole.is_beyond(part)) {
            errors.invalid(&field, part, "must be a strict subset of `cidr`");
        }
    }
}

pub(super) fn check_ranges(errors: &mut Errors, object: &Value) {
    let ranges = object["spec"]["cidrs"].as_array().cloned().unwrap_or_default();
    if ranges.is_empty() {
        return errors.required_because("spec.cidrs", "at least one CIDR required");
    }
    if ranges.len() > 2 {
        errors.invalid("spec", json!({"cidrs": ranges}), "may only hold up to 2 values");
    }
    for (field, range) in indexed(&object["spec"]["cidrs"], "spec.cidrs") {
        addresses::check_range(errors, &field, range.as_str().unwrap_or_default());
    }
    let read: Vec<addresses::Range> =
        ranges.iter().filter_map(|range| addresses::Range::read(range.as_str().unwrap_or_default())).collect();
    if let [one, two] = read[..]
        && one.is_six() == two.is_six()
    {
        let detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
        errors.invalid("spec", json!({"cidrs": ranges}), detail);
    }
}

pub(super) fn check_address(errors: &mut Errors, object: &Value) {
    let parent = &object["spec"]["parentRef"];
    if parent.is_null() {
        return errors.required("spec.parentRef");
    }
    errors.required_name("spec.parentRef.resource", text(parent, "resource"), names::path_segment);
    errors.required_name("spec.parentRef.name", text(parent, "name"), names::path_segment);
}
