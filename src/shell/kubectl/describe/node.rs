//! Nodes: how they are, what they have, and who takes it.

use serde_json::Value;

use super::super::builder::Info;
use super::super::client::{Kube, Request, accept};
use super::super::config::list;
use super::super::failure::{Outcome, Stop};
use super::write::{Page, age, amounts, date, date_or_zero, or, text, yes};
use super::{events, related};
use crate::k8s::meta::quantity::{Format, Quantity};

pub fn node(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    let name = &info.name;
    let selector = format!("spec.nodeName={name},status.phase!=Succeeded,status.phase!=Failed");
    let limit = kube.args.text("chunk-size").to_owned();
    let pods = match related(kube, "v1", "Pod", "", &[("fieldSelector", &selector), ("limit", &limit)]) {
        Ok(pods) => Some(pods),
        Err(Stop::Failed(failure)) if failure.is("Forbidden") => None,
        Err(other) => return Err(other),
    };
    let mut happened = Vec::new();
    if page.shows_events {
        // Kubelets name nodes by their names where others have uids.
        happened = events(kube, "", "Node", name, text(&metadata["uid"]), true)?;
        happened.extend(events(kube, "", "Node", name, name, true)?);
    }
    page.field(0, "Name", name);
    page.field(0, "Roles", or(&roles(metadata).join(","), "<none>"));
    page.labels("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    page.field(0, "CreationTimestamp", &date(&metadata["creationTimestamp"]));
    taints(page, &spec["taints"]);
    page.field(0, "Unschedulable", &yes(&spec["unschedulable"]).to_string());
    lease(kube, page, name)?;
    if !list(&status["conditions"]).is_empty() {
        page.line(0, "Conditions:\n  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage");
        page.line(1, "----\t------\t-----------------\t------------------\t------\t-------");
        for condition in list(&status["conditions"]) {
            let own = |field: &str| text(&condition[field]).to_owned();
            page.line(
                1,
                &format!(
                    "{} \t{} \t{} \t{} \t{} \t{}",
                    own("type"),
                    own("status"),
                    date_or_zero(&condition["lastHeartbeatTime"]),
                    date_or_zero(&condition["lastTransitionTime"]),
                    own("reason"),
                    own("message")
                ),
            );
        }
    }
    page.line(0, "Addresses:");
    for address in list(&status["addresses"]) {
        page.field(1, text(&address["type"]), text(&address["address"]));
    }
    for (title, field) in [("Capacity", "capacity"), ("Allocatable", "allocatable")] {
        let pairs = amounts(&status[field]);
        if !pairs.is_empty() {
            page.line(0, &format!("{title}:"));
            pairs.iter().for_each(|(name, amount)| page.field(1, name, amount));
        }
    }
    page.line(0, "System Info:");
    for (title, field) in [
        ("Machine ID", "machineID"),
        ("System UUID", "systemUUID"),
        ("Boot ID", "bootID"),
        ("Kernel Version", "kernelVersion"),
        ("OS Image", "osImage"),
        ("Operating System", "operatingSystem"),
        ("Architecture", "architecture"),
        ("Container Runtime Version", "containerRuntimeVersion"),
        ("Kubelet Version", "kubeletVersion"),
        ("Kube-Proxy Version", "kubeProxyVersion"),
    ] {
        page.field(1, title, text(&status["nodeInfo"][field]));
    }
    if !text(&spec["podCIDR"]).is_empty() {
        page.field(0, "PodCIDR", text(&spec["podCIDR"]));
    }
    if !list(&spec["podCIDRs"]).is_empty() {
        let ranges: Vec<&str> = list(&spec["podCIDRs"]).iter().map(text).collect();
        page.field(0, "PodCIDRs", &ranges.join(","));
    }
    if !text(&spec["providerID"]).is_empty() {
        page.field(0, "ProviderID", text(&spec["providerID"]));
    }
    match pods {
        Some(pods) => taken(kube, page, &pods, status),
        None => page.line(0, "Pods:\tnot authorized"),
    }
    if page.shows_events {
        super::table_of_events(kube, happened, page);
    }
    Ok(())
}

/// What labels say that it is for.
fn roles(metadata: &Value) -> Vec<String> {
    let labels = metadata["labels"].as_object().into_iter().flatten();
    let mut roles: Vec<String> = labels
        .filter_map(|(name, value)| match name.strip_prefix("node-role.kubernetes.io/") {
            Some(role) if !role.is_empty() => Some(role.to_owned()),
            _ if name == "kubernetes.io/role" => Some(text(value).to_owned()),
            _ => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort();
    roles.dedup();
    roles
}

fn taints(page: &mut Page, taints: &Value) {
    page.out += "Taints:\t";
    if list(taints).is_empty() {
        page.out += "<none>\n";
    }
    let mut shown: Vec<String> = list(taints)
        .iter()
        .map(|taint| {
            let value = text(&taint["value"]);
            let equals = if value.is_empty() { "" } else { "=" };
            format!("{}{equals}{value}:{}", text(&taint["key"]), text(&taint["effect"]))
        })
        .collect();
    shown.sort();
    for (at, taint) in shown.iter().enumerate() {
        let tab = if at > 0 { "\t" } else { "" };
        page.out += &format!("{tab}{taint}\n");
    }
}

fn lease(kube: &mut Kube, page: &mut Page, name: &str) -> Outcome<()> {
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}");
    let found = match kube.object(&Request::get(path, accept::TYPED).about("leases", name)) {
        Ok(found) => found,
        Err(Stop::Pending) => return Err(Stop::Pending),
        Err(Stop::Failed(failure)) => {
            page.line(0, &format!("Lease:\tFailed to get lease: {}", failure.text()));
            return Ok(());
        }
    };
    let spec = &found["spec"];
    page.line(0, "Lease:");
    page.field(1, "HolderIdentity", or(text(&spec["holderIdentity"]), "<unset>"));
    for (title, field) in [("AcquireTime", "acquireTime"), ("RenewTime", "renewTime")] {
        page.field(1, title, &date(&spec[field]));
    }
    Ok(())
}

/// What pods ask for and may have, each and all together.
fn taken(kube: &Kube, page: &mut Page, pods: &[Value], status: &Value) {
    let allocatable = match amounts(&status["allocatable"]).is_empty() {
        true => &status["capacity"],
        false => &status["allocatable"],
    };
    page.line(0, &format!("Non-terminated Pods:\t({} in total)", pods.len()));
    page.line(1, "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge");
    page.line(1, "---------\t----\t\t------------\t----------\t---------------\t-------------\t---");
    let share = |own: &Quantity, name: &str| {
        let all = Quantity::parse(text(&allocatable[name])).map_or(0, |all| all.milli_value());
        if all == 0 { 0 } else { i128::from(own.milli_value()) * 100 / i128::from(all) }
    };
    let now = kube.run.unix_nanos();
    let mut totals: Vec<(String, Quantity, Quantity)> = Vec::new();
    for pod in pods {
        let own = |name: &str, field: &str| pod_amount(pod, field, name);
        let mut line = format!("{}\t{}\t", text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
        for name in ["cpu", "memory"] {
            for field in ["requests", "limits"] {
                let amount = own(name, field);
                line += &format!("\t{amount} ({}%)", share(&amount, name));
            }
        }
        page.line(1, &format!("{line}\t{}", age(&pod["metadata"]["creationTimestamp"], now)));
    }
    let mut names: Vec<String> = vec!["cpu".to_owned(), "memory".to_owned(), "ephemeral-storage".to_owned()];
    names.extend(
        amounts(allocatable)
            .into_iter()
            .map(|(name, _)| name)
            .filter(|name| name.contains('/') || name.starts_with("hugepages-")),
    );
    for name in names {
        let zero = || Quantity::new(0, Format::DecimalSi);
        let sum = |field: &str| pods.iter().fold(zero(), |sum, pod| sum.add(&pod_amount(pod, field, &name)));
        totals.push((name.clone(), sum("requests"), sum("limits")));
    }
    page.line(0, "Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)");
    page.line(1, "Resource\tRequests\tLimits");
    page.line(1, "--------\t--------\t------");
    for (name, requests, limits) in totals {
        if name.contains('/') {
            page.line(1, &format!("{name}\t{requests}\t{limits}"));
        } else {
            page.line(
                1,
                &format!("{name}\t{requests} ({}%)\t{limits} ({}%)", share(&requests, &name), share(&limits, &name)),
            );
        }
    }
}

/// What a pod asks for or may have: its containers together, or its greediest init container.
pub fn pod_amount(pod: &Value, field: &str, name: &str) -> Quantity {
    let of = |container: &Value| {
        Quantity::parse(text(&container["resources"][field][name]))
            .unwrap_or_else(|_| Quantity::new(0, Format::DecimalSi))
    };
    let spec = &pod["spec"];
    let mut sum = list(&spec["containers"])
        .iter()
        .fold(Quantity::new(0, Format::DecimalSi), |sum, container| sum.add(&of(container)));
    let mut sidecars = Quantity::new(0, Format::DecimalSi);
    let mut most = Quantity::new(0, Format::DecimalSi);
    for container in list(&spec["initContainers"]) {
        let own = of(container);
        let together = if container["restartPolicy"] == "Always" {
            sidecars = sidecars.add(&own);
            sidecars.clone()
        } else {
            own.add(&sidecars)
        };
        if together.cmp_value(&most).is_gt() {
            most = together;
        }
    }
    sum = sum.add(&sidecars);
    if most.cmp_value(&sum).is_gt() {
        sum = most;
    }
    match Quantity::parse(text(&spec["overhead"][name])) {
        Ok(overhead) if !sum.is_zero() || field == "requests" => sum.add(&overhead),
        _ => sum,
    }
}
