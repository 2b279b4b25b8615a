//! Services and what lies around them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Print, Printer, labels, list, selector, some, text};

pub(super) fn of(kind: &str) -> Option<Print> {
    Some(match kind {
        "Service" => service,
        "Endpoints" => endpoints,
        "EndpointSlice" => endpoint_slice,
        "Ingress" => ingress,
        "IngressClass" => ingress_class,
        "NetworkPolicy" => |p| vec![p.name(), selector(p.at("/spec/podSelector")), p.age()],
        "ServiceCIDR" => |p| vec![p.name(), texts(p.list("/spec/cidrs")).join(",").into(), p.age()],
        "IPAddress" => ip_address,
        _ => return None,
    })
}

fn texts(list: &[Value]) -> Vec<String> {
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn or(text: String, absent: &str) -> Value {
    if text.is_empty() { absent.into() } else { text.into() }
}

fn service(p: &Printer) -> Vec<Value> {
    let address = p.list("/spec/clusterIPs").first().and_then(Value::as_str).unwrap_or("<none>");
    let ports: Vec<String> = p
        .list("/spec/ports")
        .iter()
        .map(|port| {
            let (own, protocol) = (port["port"].as_i64().unwrap_or(0), text(port, "/protocol"));
            match port["nodePort"].as_i64().filter(|port| *port > 0) {
                Some(node_port) => format!("{own}:{node_port}/{protocol}"),
                None => format!("{own}/{protocol}"),
            }
        })
        .collect();
    vec![
        p.name(),
        p.text("/spec/type").into(),
        address.into(),
        external_addresses(p),
        or(ports.join(","), "<none>"),
        p.age(),
        labels(p.at("/spec/selector")),
    ]
}

fn external_addresses(p: &Printer) -> Value {
    let external = texts(p.list("/spec/externalIPs"));
    match p.text("/spec/type") {
        "ClusterIP" | "NodePort" => or(external.join(","), "<none>"),
        "LoadBalancer" => {
            let balancers = balancers(p).into_iter();
            or(balancers.chain(external).collect::<Vec<_>>().join(","), "<pending>")
        }
        "ExternalName" => p.text("/spec/externalName").into(),
        _ => "<unknown>".into(),
    }
}

/// Addresses or names of load balancers, each once.
fn balancers(p: &Printer) -> BTreeSet<String> {
    let own = |ingress: &Value| match (text(ingress, "/ip"), text(ingress, "/hostname")) {
        ("", "") => None,
        ("", name) => Some(name.to_owned()),
        (address, _) => Some(address.to_owned()),
    };
    p.list("/status/loadBalancer/ingress").iter().filter_map(own).collect()
}

fn endpoints(p: &Printer) -> Vec<Value> {
    let mut all = Vec::new();
    for subset in p.list("/subsets") {
        let addresses = || list(subset, "/addresses").iter().map(|address| text(address, "/ip"));
        let ports = list(subset, "/ports");
        if ports.is_empty() {
            all.extend(addresses().map(str::to_owned));
        }
        for port in ports {
            let number = port["port"].as_i64().unwrap_or(0);
            all.extend(addresses().map(|address| match address.contains(':') {
                true => format!("[{address}]:{number}"),
                false => format!("{address}:{number}"),
            }));
        }
    }
    let shown = if p.list("/subsets").is_empty() { "<none>".to_owned() } else { some(&all, 3, ",") };
    vec![p.name(), shown.into(), p.age()]
}

fn endpoint_slice(p: &Printer) -> Vec<Value> {
    let ports: Vec<String> = p
        .list("/ports")
        .iter()
        .map(|port| match (&port["port"], port["name"].as_str()) {
            (Value::Number(number), _) => number.to_string(),
            (_, Some(name)) => name.to_owned(),
            _ => "*".to_owned(),
        })
        .collect();
    let addresses: Vec<String> =
        p.list("/endpoints").iter().flat_map(|endpoint| texts(list(endpoint, "/addresses"))).collect();
    let shown = |all: &[String]| or(some(all, 3, ","), "<unset>");
    vec![p.name(), p.text("/addressType").into(), shown(&ports), shown(&addresses), p.age()]
}

fn ingress(p: &Printer) -> Vec<Value> {
    let rules = p.list("/spec/rules");
    let hosts: Vec<&str> = rules.iter().map(|rule| text(rule, "/host")).filter(|host| !host.is_empty()).collect();
    let shown = hosts[..hosts.len().min(3)].join(",");
    // Counted are rules, whether or not they have a host, but only those after the third host make it more.
    let third = rules.iter().enumerate().filter(|(_, rule)| !text(rule, "/host").is_empty()).nth(2);
    let hosts = match third {
        Some((place, _)) if rules.len() > place + 1 => format!("{shown} + {} more...", rules.len() - 3),
        _ if shown.is_empty() => "*".to_owned(),
        _ => shown,
    };
    let ports = if p.list("/spec/tls").is_empty() { "80" } else { "80, 443" };
    let address = balancers(p).into_iter().collect::<Vec<_>>().join(",");
    let class = p.text_or("/spec/ingressClassName", "<none>");
    vec![p.name(), class, hosts.into(), address.into(), ports.into(), p.age()]
}

fn ingress_class(p: &Printer) -> Vec<Value> {
    let parameters = p.at("/spec/parameters");
    let group = parameters["apiGroup"].as_str().map(|group| format!(".{group}")).unwrap_or_default();
    let shown = if parameters.is_null() {
        "<none>".to_owned()
    } else {
        format!("{}{group}/{}", text(parameters, "/kind"), text(parameters, "/name"))
    };
    vec![p.name(), p.text("/spec/controller").into(), shown.into(), p.age()]
}

/// With a third cell, for which upstream has no column.
fn ip_address(p: &Printer) -> Vec<Value> {
    let parent = p.at("/spec/parentRef");
    let parts = [("resource", ""), ("group", "."), ("namespace", "/"), ("name", "/")];
    let shown: String = parts
        .iter()
        .map(|(name, before)| (text(parent, &format!("/{name}")), *before, *name))
        .filter(|(text, _, name)| !text.is_empty() || *name == "name")
        .map(|(text, before, name)| match name {
            "resource" | "group" => format!("{before}{}", text.to_lowercase()),
            _ => format!("{before}{text}"),
        })
        .collect();
    vec![p.name(), if parent.is_null() { "<none>".into() } else { shown.into() }, p.age()]
}
