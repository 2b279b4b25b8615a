//! Services: what was allocated stays although a request leaves it out, and goes with the type that needed it.
//!
//! Upstream: `pkg/registry/core/service/strategy.go`, `.../storage/storage.go` and `.../storage/alloc.go`. The order there is
//! what is here, allocation of addresses and ports, validation.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{remove, text};

pub use crate::k8s::validation::{needs_address, needs_health_check_port, needs_node_ports};

pub(super) fn prepare_for_create(service: &mut Value) {
    let spec = &mut service["spec"];
    let address = text(spec, "/clusterIP").to_owned();
    if !address.is_empty() && addresses(spec).is_empty() {
        spec["clusterIPs"] = vec![address].into();
    }
    fill_families(spec, &Value::Null);
}

pub(super) fn prepare_for_update(service: &mut Value, old: &Value) {
    let (spec, old) = (&mut service["spec"], &old["spec"]);
    keep_allocated(spec, old);
    agree_on_addresses(spec, old);
    drop_of_old_type(spec, old);
    fill_families(spec, old);
}

fn needs_external_policy(spec: &Value) -> bool {
    let has_external = spec["externalIPs"].as_array().is_some_and(|addresses| !addresses.is_empty());
    match text(spec, "/type") {
        "NodePort" | "LoadBalancer" => true,
        kind => kind != "ExternalName" && has_external,
    }
}

fn addresses(spec: &Value) -> &[Value] {
    spec["clusterIPs"].as_array().map_or(&[], Vec::as_slice)
}

/// A request that leaves out what was allocated means no change.
fn keep_allocated(spec: &mut Value, old: &Value) {
    if needs_address(old) && needs_address(spec) {
        if text(spec, "/clusterIP").is_empty() {
            spec["clusterIP"] = old["clusterIP"].clone();
        }
        if addresses(spec).is_empty() && spec["clusterIP"] == old["clusterIP"] {
            spec["clusterIPs"] = old["clusterIPs"].clone();
        }
    }
    if needs_node_ports(old) && needs_node_ports(spec) {
        keep_node_ports(spec, old);
    }
    if needs_health_check_port(old) && needs_health_check_port(spec) && number(&spec["healthCheckNodePort"]) == 0 {
        spec["healthCheckNodePort"] = old["healthCheckNodePort"].clone();
    }
}

fn keep_node_ports(spec: &mut Value, old: &Value) {
    let used_by = |spec: &Value| -> BTreeSet<i64> {
        ports(spec).map(|port| number(&port["nodePort"])).filter(|port| *port != 0).collect()
    };
    let mut used: BTreeSet<i64> = used_by(old).intersection(&used_by(spec)).copied().collect();
    let known: BTreeMap<String, i64> =
        ports(old).map(|port| (text(port, "/name").to_owned(), number(&port["nodePort"]))).collect();
    for port in spec["ports"].as_array_mut().into_iter().flatten() {
        let before = known.get(text(port, "/name")).copied().unwrap_or(0);
        if number(&port["nodePort"]) == 0 && before != 0 && used.insert(before) {
            port["nodePort"] = before.into();
        }
    }
}

/// An old client knows one address only; what it does to that is meant for the list.
fn agree_on_addresses(spec: &mut Value, old: &Value) {
    let is_same_list = addresses(spec) == addresses(old);
    let (new_text, old_text) = (text(spec, "/clusterIP").to_owned(), text(old, "/clusterIP"));
    if addresses(spec).is_empty() && !addresses(old).is_empty() && new_text == old_text {
        spec["clusterIPs"] = old["clusterIPs"].clone();
    } else if new_text != old_text && is_same_list {
        let is_cleared = new_text.is_empty();
        spec["clusterIPs"] = if is_cleared { Value::Null } else { vec![new_text].into() };
    }
}

/// What the new type does not need goes, unless the request changed it: then validation refuses it.
fn drop_of_old_type(spec: &mut Value, old: &Value) {
    let is_same = |spec: &Value, name: &str| spec[name] == old[name];
    if needs_address(old) && !needs_address(spec) && is_same(spec, "clusterIP") && is_same(spec, "clusterIPs") {
        for name in ["clusterIP", "clusterIPs"] {
            remove(spec, name);
        }
        for name in ["ipFamilies", "ipFamilyPolicy"] {
            if is_same(spec, name) {
                remove(spec, name);
            }
        }
    }
    if needs_node_ports(old) && !needs_node_ports(spec) && node_ports(spec) == node_ports(old) {
        spec["ports"].as_array_mut().into_iter().flatten().for_each(|port| remove(port, "nodePort"));
    }
    let is_balancer = |spec: &Value| text(spec, "/type") == "LoadBalancer";
    type Need = fn(&Value) -> bool;
    let dropped: [(&str, Need); 4] = [
        ("healthCheckNodePort", needs_health_check_port),
        ("allocateLoadBalancerNodePorts", is_balancer),
        ("loadBalancerClass", is_balancer),
        ("externalTrafficPolicy", needs_external_policy),
    ];
    for (name, is_needed) in dropped {
        if is_needed(old) && !is_needed(spec) && is_same(spec, name) {
            remove(spec, name);
        }
    }
}

/// Which kinds of addresses a service has. What it had stays unless the request says otherwise.
///
/// Simplified: the cluster's services have IPv4 addresses only, the first of `--service-cluster-ip-range`.
fn fill_families(spec: &mut Value, old: &Value) {
    if !needs_address(spec) {
        return;
    }
    // Without a selector nobody but the writer knows where its addresses come from.
    let is_foreign =
        text(spec, "/clusterIP") == "None" && spec["selector"].as_object().is_none_or(|selector| selector.is_empty());
    if text(spec, "/ipFamilyPolicy").is_empty() {
        let known = text(old, "/ipFamilyPolicy");
        let policy = if is_foreign { "RequireDualStack" } else { "SingleStack" };
        spec["ipFamilyPolicy"] = if known.is_empty() { policy } else { known }.into();
    }
    let is_single = text(spec, "/ipFamilyPolicy") == "SingleStack";
    for name in ["clusterIPs", "ipFamilies"] {
        let is_unchanged = spec[name] == old[name];
        if let Some(list) = spec[name].as_array_mut().filter(|list| is_single && is_unchanged && list.len() > 1) {
            list.truncate(1);
        }
    }
    if spec["ipFamilies"].as_array().is_none_or(Vec::is_empty) {
        let is_six = |address: &Value| address.as_str().is_some_and(|address| address.contains(':'));
        let first = if addresses(spec).first().is_some_and(is_six) { "IPv6" } else { "IPv4" };
        spec["ipFamilies"] = vec![first].into();
    }
    if let Some(families) = spec["ipFamilies"].as_array_mut().filter(|list| is_foreign && !is_single && list.len() == 1)
    {
        let other = if families[0] == "IPv4" { "IPv6" } else { "IPv4" };
        families.push(other.into());
    }
}

fn ports(spec: &Value) -> impl Iterator<Item = &Value> {
    spec["ports"].as_array().into_iter().flatten()
}

fn node_ports(spec: &Value) -> Vec<i64> {
    ports(spec).map(|port| number(&port["nodePort"])).collect()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}
