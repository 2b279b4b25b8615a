//! Services, endpoints, and slices of endpoints.
//!
//! Upstream: `ValidateService`, `ValidateEndpoints`, `pkg/apis/discovery/validation`.

use serde_json::{Value, json};

use super::{Errors, addresses, indexed, text, unique};
use crate::k8s::meta::names;
use crate::k8s::meta::status::FieldErrorKind;

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

/// Whether a service has an address of its own.
pub fn needs_address(spec: &Value) -> bool {
    matches!(text(spec, "type"), "" | "ClusterIP" | "NodePort" | "LoadBalancer")
}

/// Whether its ports are ports of all nodes, too.
pub fn needs_node_ports(spec: &Value) -> bool {
    match text(spec, "type") {
        "NodePort" => true,
        "LoadBalancer" => spec["allocateLoadBalancerNodePorts"] != false,
        _ => false,
    }
}

/// Whether a load balancer asks the nodes which of them have pods of it.
pub fn needs_health_check_port(spec: &Value) -> bool {
    text(spec, "type") == "LoadBalancer" && text(spec, "externalTrafficPolicy") == "Local"
}

pub(super) fn check(errors: &mut Errors, service: &Value) {
    let spec = &service["spec"];
    let kind = text(spec, "type");
    let ports = spec["ports"].as_array().map_or(0, Vec::len);
    if ports == 0 && !is_headless(spec) && kind != "ExternalName" {
        errors.required("spec.ports");
    }
    match kind {
        "LoadBalancer" | "NodePort" if is_headless(spec) => {
            errors.invalid("spec.clusterIPs[0]", "None", &format!("may not be set to 'None' for {kind} services"));
        }
        "ExternalName" => check_external_name(errors, spec),
        _ => {}
    }
    check_ports(errors, spec, ports > 1);
    errors.labels("spec.selector", &spec["selector"]);
    check_affinity(errors, spec);
    check_addresses(errors, spec);
    for (field, address) in indexed(&spec["externalIPs"], "spec.externalIPs") {
        let address = address.as_str().unwrap_or_default();
        if addresses::check(errors, &field, address) {
            addresses::check_not_special(errors, &field, address);
        }
    }
    errors.one_of("spec.type", kind, &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    check_port_numbers(errors, spec);
    check_balancer(errors, service);
    check_traffic(errors, spec);
}

/// An address that was given stays, but for the change to a type without one.
pub(super) fn check_update(errors: &mut Errors, service: &Value, old: &Value) {
    let (new, old) = (&service["spec"], &old["spec"]);
    let is_external = |spec: &Value| text(spec, "type") == "ExternalName";
    let list = |spec: &Value| spec["clusterIPs"].as_array().cloned().unwrap_or_default();
    let (fresh, known) = (list(new), list(old));
    if !(is_external(new) || is_external(old) || is_headless(new) && is_headless(old)) {
        let field = |place: usize| format!("spec.clusterIPs[{place}]");
        if known.len() > fresh.len() && fresh.is_empty() {
            errors.invalid(&field(0), Value::Null, "primary clusterIP can not be unset");
        }
        for (place, (fresh, known)) in fresh.iter().zip(&known).enumerate() {
            if fresh != known {
                errors.invalid(&field(place), new["clusterIPs"].clone(), "may not change once set");
            }
        }
        let families = |spec: &Value| spec["ipFamilies"].as_array().cloned().unwrap_or_default();
        for (place, (fresh, known)) in families(new).iter().zip(&families(old)).enumerate() {
            if fresh != known {
                let field = format!("spec.ipFamilies[{place}]");
                errors.invalid(&field, new["ipFamilies"].clone(), "may not change once set");
            }
        }
    }
    let is_balancer = |spec: &Value| text(spec, "type") == "LoadBalancer";
    if is_balancer(new) && is_balancer(old) && new["loadBalancerClass"] != old["loadBalancerClass"] {
        let detail = "may not change once set";
        errors.invalid("spec.loadBalancerClass", new["loadBalancerClass"].clone(), detail);
    }
    if needs_health_check_port(old)
        && needs_health_check_port(new)
        && new["healthCheckNodePort"] != old["healthCheckNodePort"]
    {
        errors.forbidden("spec.healthCheckNodePort", "field is immutable");
    }
}

fn is_headless(spec: &Value) -> bool {
    spec["clusterIPs"].as_array().map_or_else(|| text(spec, "clusterIP") == "None", |list| *list == ["None"])
}

fn check_external_name(errors: &mut Errors, spec: &Value) {
    let is_set = |name: &str| match &spec[name] {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        _ => true,
    };
    for name in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"].into_iter().filter(|name| is_set(name)) {
        errors.forbidden(&format!("spec.{name}"), "may not be set for ExternalName services");
    }
    let name = text(spec, "externalName");
    // It may end in a dot, as whole names do.
    errors.required_name("spec.externalName", name.strip_suffix('.').unwrap_or(name), names::dns1123_subdomain);
}

fn check_ports(errors: &mut Errors, spec: &Value, needs_name: bool) {
    let mut seen = Vec::new();
    for (field, port) in indexed(&spec["ports"], "spec.ports") {
        let at = |name: &str| format!("{field}.{name}");
        let name = text(port, "name");
        if name.is_empty() && needs_name {
            errors.required(&at("name"));
        } else if !name.is_empty() {
            errors.names(&at("name"), name, names::dns1123_label(name));
            unique(errors, &mut seen, &at("name"), name);
        }
        errors.port(&at("port"), &port["port"]);
        errors.one_of(&at("protocol"), text(port, "protocol"), &PROTOCOLS);
        match &port["targetPort"] {
            Value::String(name) => errors.names(&at("targetPort"), name, names::port_name(name)),
            number => errors.port(&at("targetPort"), number),
        }
        if let Some(protocol) = port["appProtocol"].as_str() {
            errors.names(&at("appProtocol"), protocol, names::qualified_name(protocol));
        }
    }
}

/// No two ports of a protocol are the same, neither on the service nor on the nodes.
fn check_port_numbers(errors: &mut Errors, spec: &Value) {
    let node_port = |port: &Value| port["nodePort"].as_i64().unwrap_or(0);
    if text(spec, "type") == "ClusterIP" {
        for (field, _) in indexed(&spec["ports"], "spec.ports").filter(|(_, port)| node_port(port) != 0) {
            errors.forbidden(&format!("{field}.nodePort"), "may not be used when `type` is 'ClusterIP'");
        }
    }
    let mut seen = Vec::new();
    for (field, port) in indexed(&spec["ports"], "spec.ports").filter(|(_, port)| node_port(port) != 0) {
        let own = (text(port, "protocol"), node_port(port));
        if seen.contains(&own) {
            errors.duplicate(&format!("{field}.nodePort"), own.1);
        }
        seen.push(own);
    }
    let mut seen = Vec::new();
    for (field, port) in indexed(&spec["ports"], "spec.ports") {
        let own = (text(port, "protocol"), &port["port"]);
        if seen.contains(&own) {
            // The internal type, whose fields have Go's names.
            let shown = json!({"Name": "", "Protocol": own.0, "AppProtocol": null, "Port": own.1, "TargetPort": 0, "NodePort": 0});
            errors.add(&field, FieldErrorKind::Duplicate(shown));
        }
        seen.push(own);
    }
}

fn check_affinity(errors: &mut Errors, spec: &Value) {
    let affinity = text(spec, "sessionAffinity");
    errors.one_of("spec.sessionAffinity", affinity, &["ClientIP", "None"]);
    let (config, field) = (&spec["sessionAffinityConfig"], "spec.sessionAffinityConfig");
    match affinity {
        "None" if !config.is_null() => errors.forbidden(field, "must not be set when session affinity is None"),
        "ClientIP" if config.is_null() => {
            errors.required_because(field, "when session affinity type is ClientIP");
        }
        "ClientIP" => {
            let (seconds, field) =
                (&config["clientIP"]["timeoutSeconds"], "spec.sessionAffinityConfig.clientIP.timeoutSeconds");
            match seconds.as_i64() {
                None => errors.required_because(field, "when session affinity type is ClientIP"),
                Some(1..=86_400) => {}
                Some(other) => errors.invalid(field, other, "must be greater than 0 and less than 86400"),
            }
        }
        _ => {}
    }
}

/// Addresses, their families, and what the cluster can give.
fn check_addresses(errors: &mut Errors, spec: &Value) {
    if !needs_address(spec) {
        return;
    }
    let (first, list) = (text(spec, "clusterIP"), spec["clusterIPs"].as_array().cloned().unwrap_or_default());
    let shown = || spec["clusterIPs"].clone();
    match (first.is_empty(), list.first()) {
        (false, None) => errors.required("spec.clusterIPs"),
        (false, Some(own)) if own != first => {
            errors.invalid("spec.clusterIPs", shown(), "first value must match `clusterIP`");
        }
        (true, Some(_)) => {
            errors.invalid("spec.clusterIPs", shown(), "must be empty when `clusterIP` is not specified");
        }
        _ => {}
    }
    let mut seen = Vec::new();
    for (field, family) in indexed(&spec["ipFamilies"], "spec.ipFamilies") {
        let family = family.as_str().unwrap_or_default();
        errors.supported(&field, family, &["IPv4", "IPv6"]);
        unique(errors, &mut seen, &field, family);
    }
    if let Some(policy) = spec["ipFamilyPolicy"].as_str() {
        errors.supported("spec.ipFamilyPolicy", policy, &["PreferDualStack", "RequireDualStack", "SingleStack"]);
    }
    for (field, address) in indexed(&spec["clusterIPs"], "spec.clusterIPs") {
        match address.as_str().unwrap_or_default() {
            "None" if list.len() == 1 => {}
            "None" if field.ends_with("[0]") => {
                errors.invalid("spec.clusterIPs", shown(), "'None' must be the first and only value");
            }
            address => drop(addresses::check(errors, &field, address)),
        }
    }
    if list.len() > 2 {
        errors.invalid("spec.clusterIPs", shown(), "may only hold up to 2 values");
    }
    check_families(errors, spec);
}

/// What the allocator of addresses refuses.
///
/// Simplified: the cluster has IPv4 only.
fn check_families(errors: &mut Errors, spec: &Value) {
    let is_foreign = is_headless(spec) && spec["selector"].as_object().is_none_or(|selector| selector.is_empty());
    if is_foreign {
        return;
    }
    if text(spec, "ipFamilyPolicy") == "RequireDualStack" {
        let detail = "this cluster is not configured for dual-stack services";
        errors.invalid("spec.ipFamilyPolicy", "RequireDualStack", detail);
    }
    for (field, _) in indexed(&spec["ipFamilies"], "spec.ipFamilies").filter(|(_, family)| *family == "IPv6") {
        errors.invalid(&field, "IPv6", "not configured on this cluster");
    }
}

fn check_balancer(errors: &mut Errors, service: &Value) {
    let spec = &service["spec"];
    let (is_balancer, detail) =
        (text(spec, "type") == "LoadBalancer", "may only be used when `type` is 'LoadBalancer'");
    let ranges = "spec.LoadBalancerSourceRanges";
    let has_ranges = spec["loadBalancerSourceRanges"].as_array().is_some_and(|ranges| !ranges.is_empty());
    if has_ranges && !is_balancer {
        errors.forbidden(ranges, detail);
    }
    for (field, range) in indexed(&spec["loadBalancerSourceRanges"], ranges) {
        addresses::check_range(errors, &field, range.as_str().unwrap_or_default().trim());
    }
    if !spec["allocateLoadBalancerNodePorts"].is_null() && !is_balancer {
        errors.forbidden("spec.allocateLoadBalancerNodePorts", detail);
    }
    if is_balancer && spec["allocateLoadBalancerNodePorts"].is_null() {
        errors.required("allocateLoadBalancerNodePorts");
    }
    if let Some(class) = spec["loadBalancerClass"].as_str() {
        if is_balancer {
            errors.names("spec.loadBalancerClass", class, names::qualified_name(class));
        } else {
            errors.forbidden("spec.loadBalancerClass", detail);
        }
    }
}

fn check_traffic(errors: &mut Errors, spec: &Value) {
    let kind = text(spec, "type");
    let has_external = spec["externalIPs"].as_array().is_some_and(|list| !list.is_empty());
    let is_external = matches!(kind, "LoadBalancer" | "NodePort") || (kind == "ClusterIP" && has_external);
    let (policy, field) = (text(spec, "externalTrafficPolicy"), "spec.externalTrafficPolicy");
    if is_external {
        errors.one_of(field, policy, &["Cluster", "Local"]);
    } else if !policy.is_empty() {
        errors.invalid(field, policy, "may only be set for externally-accessible services");
    }
    let (port, field) = (spec["healthCheckNodePort"].as_i64().unwrap_or(0), "spec.healthCheckNodePort");
    if !needs_health_check_port(spec) && port != 0 {
        let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        errors.invalid(field, port, detail);
    }
    match spec["internalTrafficPolicy"].as_str() {
        Some(policy) => errors.supported("spec.internalTrafficPolicy", policy, &["Cluster", "Local"]),
        None if needs_address(spec) => errors.required("spec.internalTrafficPolicy"),
        None => {}
    }
    if let Some(distribution) = spec["trafficDistribution"].as_str() {
        let known = ["PreferClose", "PreferSameNode", "PreferSameZone"];
        errors.supported("spec.trafficDistribution", distribution, &known);
    }
}

pub(super) fn check_endpoints(errors: &mut Errors, endpoints: &Value) {
    for (field, subset) in indexed(&endpoints["subsets"], "subsets") {
        let has = |name: &str| subset[name].as_array().is_some_and(|list| !list.is_empty());
        if !has("addresses") && !has("notReadyAddresses") {
            errors.required_because(&field, "must specify `addresses` or `notReadyAddresses`");
        }
        for list in ["addresses", "notReadyAddresses"] {
            for (field, address) in indexed(&subset[list], &format!("{field}.{list}")) {
                let own = text(address, "ip");
                addresses::check(errors, &format!("{field}.ip"), own);
                let hostname = text(address, "hostname");
                if !hostname.is_empty() {
                    errors.names(&format!("{field}.hostname"), hostname, names::dns1123_label(hostname));
                }
                if let Some(node) = address["nodeName"].as_str() {
                    errors.names(&format!("{field}.nodeName"), node, names::dns1123_subdomain(node));
                }
                addresses::check_not_special(errors, &format!("{field}.ip"), own);
            }
        }
        let several = subset["ports"].as_array().is_some_and(|ports| ports.len() > 1);
        for (field, port) in indexed(&subset["ports"], &format!("{field}.ports")) {
            let name = text(port, "name");
            if name.is_empty() && several {
                errors.required(&format!("{field}.name"));
            } else if !name.is_empty() {
                errors.names(&format!("{field}.name"), name, names::dns1123_label(name));
            }
            errors.port(&format!("{field}.port"), &port["port"]);
            errors.one_of(&format!("{field}.protocol"), text(port, "protocol"), &PROTOCOLS);
        }
    }
}

/// No slice has more endpoints than this, and none of them more addresses.
const ENDPOINTS_MAX: usize = 1000;
const ADDRESSES_MAX: usize = 100;
const PORTS_MAX: usize = 100;

pub(super) fn check_slice(errors: &mut Errors, slice: &Value) {
    let kind = text(slice, "addressType");
    errors.one_of("addressType", kind, &["FQDN", "IPv4", "IPv6"]);
    let count = |list: &Value| list.as_array().map_or(0, Vec::len);
    if count(&slice["endpoints"]) > ENDPOINTS_MAX {
        errors.add("endpoints", FieldErrorKind::TooMany(count(&slice["endpoints"]), ENDPOINTS_MAX));
    } else {
        for (field, endpoint) in indexed(&slice["endpoints"], "endpoints") {
            check_endpoint(errors, &field, endpoint, kind);
        }
    }
    if count(&slice["ports"]) > PORTS_MAX {
        return errors.add("ports", FieldErrorKind::TooMany(count(&slice["ports"]), PORTS_MAX));
    }
    let mut seen = Vec::new();
    for (field, port) in indexed(&slice["ports"], "ports") {
        let name = text(port, "name");
        if !name.is_empty() {
            errors.names(&format!("{field}.name"), name, names::dns1123_label(name));
        }
        unique(errors, &mut seen, &format!("{field}.name"), name);
        errors.one_of(&format!("{field}.protocol"), text(port, "protocol"), &PROTOCOLS);
        if let Some(protocol) = port["appProtocol"].as_str() {
            errors.names(&format!("{field}.appProtocol"), protocol, names::qualified_name(protocol));
        }
    }
}

fn check_endpoint(errors: &mut Errors, field: &str, endpoint: &Value, kind: &str) {
    let list = format!("{field}.addresses");
    match endpoint["addresses"].as_array().map_or(0, Vec::len) {
        0 => errors.required_because(&list, "must contain at least 1 address"),
        count if count > ADDRESSES_MAX => errors.add(&list, FieldErrorKind::TooMany(count, ADDRESSES_MAX)),
        _ => {}
    }
    for (field, address) in indexed(&endpoint["addresses"], &list) {
        let address = address.as_str().unwrap_or_default();
        let read = addresses::read(address);
        match kind {
            "IPv4" => {
                if read.is_none_or(|address| !address.is_ipv4()) {
                    errors.invalid(&field, address, "must be a valid IPv4 address");
                }
                addresses::check_not_special(errors, &field, address);
            }
            "IPv6" => {
                if read.is_none_or(|address| !address.is_ipv6()) {
                    errors.invalid(&field, address, "must be a valid IPv6 address");
                }
                addresses::check_not_special(errors, &field, address);
            }
            "FQDN" => {
                let name = address.strip_suffix('.').unwrap_or(address);
                if name.is_empty() {
                    errors.required(&field);
                } else {
                    errors.names(&field, address, names::dns1123_subdomain(name));
                    if !name.contains('.') {
                        errors.invalid(
                            &field,
                            address,
                            "should be a domain with at least two segments separated by dots",
                        );
                    }
                }
            }
            _ => {}
        }
    }
    if let Some(hostname) = endpoint["hostname"].as_str() {
        errors.names(&format!("{field}.hostname"), hostname, names::dns1123_label(hostname));
    }
}
