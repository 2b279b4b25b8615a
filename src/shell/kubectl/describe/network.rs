//! Services, what is behind them, and the ways in.

use serde_json::Value;

use super::super::builder::Info;
use super::super::client::{Kube, Request, accept};
use super::super::config::list;
use super::super::failure::{Outcome, Stop};
use super::super::print::table::format_labels;
use super::write::{Page, date, int, or, plain, selector_or_none, text};
use super::{related, selector_text, write_events};

pub fn service(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    let selector = format!("kubernetes.io/service-name={}", info.name);
    let slices =
        related(kube, "discovery.k8s.io/v1", "EndpointSlice", &info.namespace, &[("labelSelector", &selector)])?;
    let events = if page.shows_events { Some(super::events_of(kube, info, true)?) } else { None };
    let (spec, status) = (&object["spec"], &object["status"]);
    page.head(object, true);
    page.field(0, "Selector", &format_labels(&spec["selector"]));
    page.field(0, "Type", text(&spec["type"]));
    if spec["ipFamilyPolicy"].is_string() {
        page.field(0, "IP Family Policy", text(&spec["ipFamilyPolicy"]));
    }
    let join = |value: &Value| list(value).iter().map(text).collect::<Vec<_>>().join(",");
    if !list(&spec["ipFamilies"]).is_empty() {
        page.field(0, "IP Families", &join(&spec["ipFamilies"]));
    } else {
        page.field(0, "IP Families", "<none>");
    }
    page.field(0, "IP", text(&spec["clusterIP"]));
    match join(&spec["clusterIPs"]) {
        ips if ips.is_empty() => page.field(0, "IPs", "<none>"),
        ips => page.field(0, "IPs", &ips),
    }
    if !list(&spec["externalIPs"]).is_empty() {
        page.field(0, "External IPs", &join(&spec["externalIPs"]));
    }
    for (name, value) in
        [("Desired LoadBalancer IP", &spec["loadBalancerIP"]), ("External Name", &spec["externalName"])]
    {
        if !text(value).is_empty() {
            page.field(0, name, text(value));
        }
    }
    let balancer = list(&status["loadBalancer"]["ingress"]);
    if !balancer.is_empty() {
        let shown: Vec<String> = balancer
            .iter()
            .map(|ingress| match (text(&ingress["ip"]), text(&ingress["ipMode"])) {
                ("", _) => text(&ingress["hostname"]).to_owned(),
                (ip, "") => ip.to_owned(),
                (ip, mode) => format!("{ip} ({mode})"),
            })
            .collect();
        page.field(0, "LoadBalancer Ingress", &shown.join(", "));
    }
    for port in list(&spec["ports"]) {
        let name = or(text(&port["name"]), "<unset>");
        let protocol = text(&port["protocol"]);
        page.line(0, &format!("Port:\t{name}\t{}/{protocol}", int(&port["port"])));
        page.field(0, "TargetPort", &format!("{}/{protocol}", plain(&port["targetPort"])));
        if int(&port["nodePort"]) != 0 {
            page.line(0, &format!("NodePort:\t{name}\t{}/{protocol}", int(&port["nodePort"])));
        }
        page.field(0, "Endpoints", &endpoints_of(&slices, port));
    }
    page.field(0, "Session Affinity", text(&spec["sessionAffinity"]));
    for (name, field) in [
        ("External Traffic Policy", "externalTrafficPolicy"),
        ("Internal Traffic Policy", "internalTrafficPolicy"),
        ("TrafficDistribution", "trafficDistribution"),
    ] {
        if !text(&spec[field]).is_empty() {
            page.field(0, name, text(&spec[field]));
        }
    }
    if int(&spec["healthCheckNodePort"]) != 0 {
        page.field(0, "HealthCheck NodePort", &int(&spec["healthCheckNodePort"]).to_string());
    }
    if !list(&spec["loadBalancerSourceRanges"]).is_empty() {
        page.field(0, "LoadBalancer Source Ranges", &join(&spec["loadBalancerSourceRanges"]));
    }
    if let Some(events) = events {
        super::table_of_events(kube, events, page);
    }
    Ok(())
}

/// Ready addresses behind a port: three, and how many more.
fn endpoints_of(slices: &[Value], port: &Value) -> String {
    let mut found = Vec::new();
    for slice in slices {
        let ports = list(&slice["ports"]);
        let own = ports.iter().filter(|own| text(&own["name"]) == text(&port["name"]));
        for number in own.filter_map(|own| own["port"].as_i64()) {
            for endpoint in list(&slice["endpoints"]) {
                if endpoint["conditions"]["ready"] != false {
                    found.extend(
                        list(&endpoint["addresses"]).iter().map(|address| format!("{}:{number}", text(address))),
                    );
                }
            }
        }
    }
    few(found)
}

fn few(mut found: Vec<String>) -> String {
    const SHOWN: usize = 3;
    let more = found.len().saturating_sub(SHOWN);
    found.truncate(SHOWN);
    match (found.is_empty(), more) {
        (true, _) => "<none>".to_owned(),
        (_, 0) => found.join(","),
        (_, more) => format!("{} + {more} more...", found.join(",")),
    }
}

pub fn endpoints(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    page.head(object, true);
    page.line(0, "Subsets:");
    for subset in list(&object["subsets"]) {
        let ips = |field: &str| {
            let all: Vec<&str> = list(&subset[field]).iter().map(|address| text(&address["ip"])).collect();
            or(&all.join(","), "<none>").to_owned()
        };
        page.field(1, "Addresses", &ips("addresses"));
        page.field(1, "NotReadyAddresses", &ips("notReadyAddresses"));
        if !list(&subset["ports"]).is_empty() {
            page.line(1, "Ports:");
            page.line(2, "Name\tPort\tProtocol\n    ----\t----\t--------");
            for port in list(&subset["ports"]) {
                page.line(
                    2,
                    &format!(
                        "{}\t{}\t{}",
                        or(text(&port["name"]), "<unset>"),
                        int(&port["port"]),
                        text(&port["protocol"])
                    ),
                );
            }
        }
        page.line(0, "");
    }
    write_events(kube, info, page)
}

pub fn endpoint_slice(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    page.head(object, true);
    page.field(0, "AddressType", text(&object["addressType"]));
    if list(&object["ports"]).is_empty() {
        page.field(0, "Ports", "<unset>");
    } else {
        page.line(0, "Ports:\n  Name\tPort\tProtocol\n  ----\t----\t--------");
        for port in list(&object["ports"]) {
            page.line(
                1,
                &format!(
                    "{}\t{}\t{}",
                    or(text(&port["name"]), "<unset>"),
                    or(&plain(&port["port"]), "<unset>"),
                    text(&port["protocol"])
                ),
            );
        }
    }
    if list(&object["endpoints"]).is_empty() {
        page.line(0, "Endpoints: <none>");
    } else {
        page.line(0, "Endpoints:");
        for endpoint in list(&object["endpoints"]) {
            let addresses: Vec<&str> = list(&endpoint["addresses"]).iter().map(text).collect();
            page.field(1, "- Addresses", &addresses.join(", "));
            page.line(2, "Conditions:");
            for (name, field) in [("Ready", "ready"), ("Serving", "serving"), ("Terminating", "terminating")] {
                if field == "ready" || endpoint["conditions"][field].is_boolean() {
                    page.field(3, name, or(&plain(&endpoint["conditions"][field]), "<unset>"));
                }
            }
            page.field(2, "Hostname", or(text(&endpoint["hostname"]), "<unset>"));
            let target = &endpoint["targetRef"];
            if target.is_object() {
                page.field(2, "TargetRef", &format!("{}/{}", text(&target["kind"]), text(&target["name"])));
            }
            page.field(2, "NodeName", or(text(&endpoint["nodeName"]), "<unset>"));
            page.field(2, "Zone", or(text(&endpoint["zone"]), "<unset>"));
        }
    }
    write_events(kube, info, page)
}

pub fn ingress(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    let spec = &object["spec"];
    page.field(0, "Name", text(&object["metadata"]["name"]));
    page.labels("Labels", &object["metadata"]["labels"]);
    page.field(0, "Namespace", text(&object["metadata"]["namespace"]));
    let addresses: Vec<&str> = list(&object["status"]["loadBalancer"]["ingress"])
        .iter()
        .map(|own| or(text(&own["ip"]), text(&own["hostname"])))
        .collect();
    page.field(0, "Address", &addresses.join(","));
    page.field(0, "Ingress Class", or(text(&spec["ingressClassName"]), "<none>"));
    let default = if spec["defaultBackend"].is_object() {
        backend(kube, info, &spec["defaultBackend"])?
    } else {
        "<default>".to_owned()
    };
    page.field(0, "Default backend", &default);
    if !list(&spec["tls"]).is_empty() {
        page.line(0, "TLS:");
        for tls in list(&spec["tls"]) {
            let hosts: Vec<&str> = list(&tls["hosts"]).iter().map(text).collect();
            match text(&tls["secretName"]) {
                "" => page.line(1, &format!("SNI routes {}", hosts.join(","))),
                secret => page.line(1, &format!("{secret} terminates {}", hosts.join(","))),
            }
        }
    }
    page.line(0, "Rules:\n  Host\tPath\tBackends\n  ----\t----\t--------");
    let mut count = 0;
    for rule in list(&spec["rules"]).iter().filter(|rule| rule["http"].is_object()) {
        count += 1;
        page.line(1, &format!("{}\t", or(text(&rule["host"]), "*")));
        for path in list(&rule["http"]["paths"]) {
            let shown = backend(kube, info, &path["backend"])?;
            page.line(0, &format!("    \t{} \t{shown}", text(&path["path"])));
        }
    }
    if count == 0 {
        page.line(1, &format!("*\t*\t{default}"));
    }
    page.annotations("Annotations", &object["metadata"]["annotations"]);
    write_events(kube, info, page)
}

/// `svc:80 (10.0.0.1:8080)`
fn backend(kube: &mut Kube, info: &Info, backend: &Value) -> Outcome<String> {
    let service = &backend["service"];
    if !service.is_object() {
        let resource = &backend["resource"];
        return Ok(format!(
            "APIGroup: {}, Kind: {}, Name: {}",
            or(text(&resource["apiGroup"]), "<none>"),
            text(&resource["kind"]),
            text(&resource["name"])
        ));
    }
    let name = text(&service["name"]);
    let wanted = or(text(&service["port"]["name"]), &plain(&service["port"]["number"])).to_owned();
    let request = Request::get(format!("/api/v1/namespaces/{}/services/{name}", info.namespace), accept::TYPED)
        .about("services", name);
    let found = match kube.object(&request) {
        Ok(found) => found,
        Err(Stop::Pending) => return Err(Stop::Pending),
        Err(Stop::Failed(failure)) => return Ok(format!("{name}:{wanted} (<error: {}>)", failure.text())),
    };
    let selector = format!("kubernetes.io/service-name={name}");
    let slices =
        related(kube, "discovery.k8s.io/v1", "EndpointSlice", &info.namespace, &[("labelSelector", &selector)])?;
    let port = list(&found["spec"]["ports"])
        .iter()
        .find(|port| text(&port["name"]) == wanted || plain(&port["port"]) == wanted);
    let shown = port.map_or("<none>".to_owned(), |port| endpoints_of(&slices, port));
    Ok(format!("{name}:{wanted} ({shown})"))
}

pub fn ingress_class(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    page.head(object, false);
    page.field(0, "Controller", text(&object["spec"]["controller"]));
    let parameters = &object["spec"]["parameters"];
    if parameters.is_object() {
        page.line(0, "Parameters:");
        page.field(1, "APIGroup", text(&parameters["apiGroup"]));
        page.field(1, "Kind", text(&parameters["kind"]));
        page.field(1, "Name", text(&parameters["name"]));
    }
    write_events(kube, info, page)
}

pub fn policy(_: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    let (metadata, spec) = (&object["metadata"], &object["spec"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.field(0, "Created on", &date(&metadata["creationTimestamp"]).replace(",", ""));
    page.labels("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    page.line(0, "Spec:");
    page.put(1, "PodSelector: ");
    let selected = selector_text(&spec["podSelector"]);
    page.line(0, or(&selected, "<none> (Allowing the specific traffic to all pods in this namespace)"));
    let types: Vec<&str> = list(&spec["policyTypes"]).iter().map(text).collect();
    for (kind, direction, word) in [("Ingress", "ingress", "From"), ("Egress", "egress", "To")] {
        let traffic = if kind == "Ingress" { "ingress" } else { "egress" };
        if !types.contains(&kind) {
            page.line(1, &format!("Not affecting {traffic} traffic"));
            continue;
        }
        page.line(1, &format!("Allowing {traffic} traffic:"));
        if list(&spec[direction]).is_empty() {
            page.line(2, &format!("<none> (Selected pods are isolated for {traffic} connectivity)"));
        }
        for (at, rule) in list(&spec[direction]).iter().enumerate() {
            if at > 0 {
                page.line(2, "----------");
            }
            ports(page, &rule["ports"]);
            peers(page, word, &rule[if kind == "Ingress" { "from" } else { "to" }]);
        }
    }
    page.line(1, &format!("Policy Types: {}", types.join(", ")));
    Ok(())
}

fn ports(page: &mut Page, ports: &Value) {
    if list(ports).is_empty() {
        page.line(2, "To Port: <any> (traffic allowed to all ports)");
    }
    for port in list(ports) {
        let protocol = or(text(&port["protocol"]), "TCP");
        page.line(2, &format!("To Port: {}/{protocol}", plain(&port["port"])));
    }
}

fn peers(page: &mut Page, word: &str, peers: &Value) {
    if list(peers).is_empty() {
        page.line(
            2,
            &format!(
                "{word}: <any> (traffic not restricted by {})",
                if word == "From" { "source" } else { "destination" }
            ),
        );
    }
    for peer in list(peers) {
        page.line(2, &format!("{word}:"));
        let both = peer["podSelector"].is_object() && peer["namespaceSelector"].is_object();
        if both || peer["namespaceSelector"].is_object() {
            page.line(3, &format!("NamespaceSelector: {}", selector_or_none(&peer["namespaceSelector"])));
        }
        if both || peer["podSelector"].is_object() {
            page.line(3, &format!("PodSelector: {}", selector_or_none(&peer["podSelector"])));
        }
        if peer["ipBlock"].is_object() {
            page.line(3, "IPBlock:");
            page.line(4, &format!("CIDR: {}", text(&peer["ipBlock"]["cidr"])));
            let except: Vec<&str> = list(&peer["ipBlock"]["except"]).iter().map(text).collect();
            page.line(4, &format!("Except: {}", except.join(", ")));
        }
    }
}

pub fn service_cidr(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    page.head(object, false);
    let ranges: Vec<&str> = list(&object["spec"]["cidrs"]).iter().map(text).collect();
    page.field(0, "CIDRs", &ranges.join(", "));
    if !list(&object["status"]["conditions"]).is_empty() {
        page.line(0, "Status:\nConditions:\nType\tStatus\tLastTransitionTime\tReason\tMessage\n----\t------\t------------------\t------\t-------");
        for condition in list(&object["status"]["conditions"]) {
            let own = |field: &str| text(&condition[field]).to_owned();
            page.line(
                0,
                &format!(
                    "{} \t{} \t{} \t{} \t{} ",
                    own("type"),
                    own("status"),
                    date(&condition["lastTransitionTime"]),
                    own("reason"),
                    own("message")
                ),
            );
        }
    }
    write_events(kube, info, page)
}

pub fn ip_address(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    page.head(object, false);
    let parent = &object["spec"]["parentRef"];
    if parent.is_object() {
        page.line(0, "Parent Reference:");
        for (name, field) in
            [("Group", "group"), ("Resource", "resource"), ("Namespace", "namespace"), ("Name", "name")]
        {
            page.field(1, name, text(&parent[field]));
        }
    }
    write_events(kube, info, page)
}
