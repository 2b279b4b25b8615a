//! Pods, and the templates of pods.

use serde_json::Value;

use super::{Errors, entries, indexed, text, unique};
use crate::k8s::meta::names;
use crate::k8s::meta::quantity::Quantity;
use crate::k8s::meta::status::{FieldError, FieldErrorKind};

pub(super) fn check(errors: &mut Errors, pod: &Value) {
    check_spec(errors, &pod["spec"], "spec");
}

pub(super) fn check_spec(errors: &mut Errors, spec: &Value, field: &str) {
    let at = |name: &str| format!("{field}.{name}");
    let volumes = check_volumes(errors, &spec["volumes"], &at("volumes"));
    let mut seen = Vec::new();
    if spec["containers"].as_array().is_none_or(Vec::is_empty) {
        errors.required(&at("containers"));
    }
    for (list, is_init) in [("containers", false), ("initContainers", true)] {
        for (field, container) in indexed(&spec[list], &at(list)) {
            check_container(errors, container, &field, &volumes, is_init);
            if !text(container, "name").is_empty() {
                unique(errors, &mut seen, &format!("{field}.name"), text(container, "name"));
            }
        }
    }
    check_ephemeral(errors, &spec["ephemeralContainers"], &at("ephemeralContainers"), &volumes, &mut seen);
    errors.one_of(&at("restartPolicy"), text(spec, "restartPolicy"), &["Always", "OnFailure", "Never"]);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    errors.one_of(&at("dnsPolicy"), text(spec, "dnsPolicy"), &policies);
    errors.labels(&at("nodeSelector"), &spec["nodeSelector"]);
    errors.not_negative(&at("terminationGracePeriodSeconds"), &spec["terminationGracePeriodSeconds"]);
    if let Some(seconds) = spec["activeDeadlineSeconds"].as_i64().filter(|seconds| !(1..=0x7fff_ffff).contains(seconds))
    {
        errors.invalid(&at("activeDeadlineSeconds"), seconds, "must be between 1 and 2147483647, inclusive");
    }
    for name in ["serviceAccountName", "nodeName", "priorityClassName"] {
        let value = text(spec, name);
        if !value.is_empty() {
            errors.names(&at(name), value, names::dns1123_subdomain(value));
        }
    }
    let hostname = text(spec, "hostname");
    if !hostname.is_empty() {
        errors.names(&at("hostname"), hostname, names::dns1123_label(hostname));
    }
}

/// The names of the volumes.
fn check_volumes(errors: &mut Errors, volumes: &Value, field: &str) -> Vec<String> {
    let mut seen = Vec::new();
    for (field, volume) in indexed(volumes, field) {
        let (name, at) = (text(volume, "name"), format!("{field}.name"));
        if name.is_empty() {
            errors.required(&at);
        } else {
            errors.names(&at, name, names::dns1123_label(name));
            unique(errors, &mut seen, &at, name);
        }
        let sources = entries(volume).filter(|(name, _)| *name != "name");
        for (name, _) in sources.skip(1) {
            errors.forbidden(&format!("{field}.{name}"), "may not specify more than 1 volume type");
        }
    }
    seen
}

fn check_container(errors: &mut Errors, container: &Value, field: &str, volumes: &[String], is_init: bool) {
    let at = |name: &str| format!("{field}.{name}");
    let (name, image) = (text(container, "name"), text(container, "image"));
    if name.is_empty() {
        errors.required(&at("name"));
    } else {
        errors.names(&at("name"), name, names::dns1123_label(name));
    }
    if image.is_empty() {
        errors.required(&at("image"));
    } else if image.trim() != image {
        errors.invalid(&at("image"), image, "must not have leading or trailing whitespace");
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let is_sidecar = text(container, "restartPolicy") == "Always";
        if is_init && !is_sidecar && !container[name].is_null() {
            errors.forbidden(&at(name), "may not be set for init containers without restartPolicy=Always");
        } else {
            check_probe(errors, &container[name], &at(name), name != "readinessProbe");
        }
    }
    errors.one_of(&at("imagePullPolicy"), text(container, "imagePullPolicy"), &["Always", "IfNotPresent", "Never"]);
    check_ports(errors, &container["ports"], &at("ports"));
    check_environment(errors, &container["env"], &at("env"));
    check_mounts(errors, &container["volumeMounts"], &at("volumeMounts"), volumes);
    check_resources(errors, &container["resources"], &at("resources"));
}

/// What a container for looking around may not have.
const NOT_EPHEMERAL: [&str; 8] = [
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
];

fn check_ephemeral(errors: &mut Errors, list: &Value, field: &str, volumes: &[String], seen: &mut Vec<String>) {
    let others = seen.clone();
    for (field, container) in indexed(list, field) {
        check_container(errors, container, &field, volumes, false);
        unique(errors, seen, &format!("{field}.name"), text(container, "name"));
        let target = text(container, "targetContainerName");
        if !target.is_empty() && !others.iter().any(|name| name == target) {
            errors.add(&format!("{field}.targetContainerName"), FieldErrorKind::NotFound(target.into()));
        }
        let why = "cannot be set for an Ephemeral Container";
        for name in NOT_EPHEMERAL {
            if !is_empty(&container[name]) {
                errors.forbidden(&format!("{field}.{name}"), why);
            }
        }
        for (field, mount) in indexed(&container["volumeMounts"], &format!("{field}.volumeMounts")) {
            for name in ["subPath", "subPathExpr"] {
                if !text(mount, name).is_empty() {
                    errors.forbidden(&format!("{field}.{name}"), why);
                }
            }
        }
    }
}

/// Whether it is what Go has where nothing was said.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn check_ports(errors: &mut Errors, ports: &Value, field: &str) {
    let mut seen = Vec::new();
    for (field, port) in indexed(ports, field) {
        let at = |name: &str| format!("{field}.{name}");
        let name = text(port, "name");
        if !name.is_empty() {
            let complaints = names::port_name(name);
            if complaints.is_empty() {
                unique(errors, &mut seen, &at("name"), name);
            }
            errors.names(&at("name"), name, complaints);
        }
        if port["containerPort"].as_i64().unwrap_or_default() == 0 {
            errors.required(&at("containerPort"));
        } else {
            errors.port(&at("containerPort"), &port["containerPort"]);
        }
        if !port["hostPort"].is_null() {
            errors.port(&at("hostPort"), &port["hostPort"]);
        }
        errors.one_of(&at("protocol"), text(port, "protocol"), &["SCTP", "TCP", "UDP"]);
    }
}

fn check_environment(errors: &mut Errors, variables: &Value, field: &str) {
    for (field, variable) in indexed(variables, field) {
        let (name, at) = (text(variable, "name"), format!("{field}.name"));
        if name.is_empty() {
            errors.required(&at);
        } else {
            errors.names(&at, name, names::env_var_name(name));
        }
        let (source, at) = (&variable["valueFrom"], format!("{field}.valueFrom"));
        let count = entries(source).count();
        if !source.is_null() && count == 0 {
            let known = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
            errors.invalid(&at, "", known);
        }
        if count > 0 && !text(variable, "value").is_empty() {
            errors.invalid(&at, "", "may not be specified when `value` is not empty");
        } else if count > 1 {
            errors.invalid(&at, "", "may not have more than one field specified at a time");
        }
    }
}

fn check_mounts(errors: &mut Errors, mounts: &Value, field: &str, volumes: &[String]) {
    let mut seen: Vec<&str> = Vec::new();
    for (field, mount) in indexed(mounts, field) {
        let (name, path) = (text(mount, "name"), text(mount, "mountPath"));
        if name.is_empty() {
            errors.required(&format!("{field}.name"));
        } else if !volumes.iter().any(|volume| volume == name) {
            errors.add(&format!("{field}.name"), FieldErrorKind::NotFound(name.into()));
        }
        if path.is_empty() {
            errors.required(&format!("{field}.mountPath"));
        }
        if seen.contains(&path) {
            errors.invalid(&format!("{field}.mountPath"), path, "must be unique");
        }
        seen.push(path);
    }
}

/// Nobody asks for more than his limit.
fn check_resources(errors: &mut Errors, resources: &Value, field: &str) {
    let amount = |value: &Value| value.as_str().and_then(|text| Quantity::parse(text).ok());
    let zero = Quantity::parse("0").ok();
    for list in ["limits", "requests"] {
        for (name, value) in entries(&resources[list]) {
            if amount(value).zip(zero.clone()).is_some_and(|(own, zero)| own.cmp_value(&zero).is_lt()) {
                let at = format!("{field}.{list}[{name}]");
                errors.invalid(&at, value.clone(), "must be greater than or equal to 0");
            }
        }
    }
    for (name, request) in entries(&resources["requests"]) {
        let Some((asked, limit)) = amount(request).zip(amount(&resources["limits"][name])) else { continue };
        if asked.cmp_value(&limit).is_gt() {
            let detail = format!("must be less than or equal to {name} limit of {limit}");
            errors.invalid(&format!("{field}.requests"), request.clone(), &detail);
        }
    }
}

fn check_probe(errors: &mut Errors, probe: &Value, field: &str, must_succeed_once: bool) {
    if probe.is_null() {
        return;
    }
    let handlers = ["exec", "httpGet", "tcpSocket", "grpc"];
    let present: Vec<&str> = handlers.into_iter().filter(|name| !probe[*name].is_null()).collect();
    match present[..] {
        [] => errors.0.push(FieldError::required(field, "must specify a handler type")),
        [_] => {}
        [_, ref more @ ..] => {
            more.iter().for_each(|name| {
                errors.forbidden(&format!("{field}.{name}"), "may not specify more than 1 handler type")
            });
        }
    }
    for name in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        errors.not_negative(&format!("{field}.{name}"), &probe[name]);
    }
    if must_succeed_once && probe["successThreshold"].as_i64().is_some_and(|count| count != 1) {
        errors.invalid(&format!("{field}.successThreshold"), probe["successThreshold"].clone(), "must be 1");
    }
}
