//! Nodes, namespaces, configuration, events, and who may do what.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Print, Printer, text};
use crate::k8s::meta::duration;

pub(super) fn of(kind: &str) -> Option<Print> {
    Some(match kind {
        "Namespace" => |p| vec![p.name(), p.text("/status/phase").into(), p.age()],
        "Node" => node,
        "Event" => event,
        "ComponentStatus" => component_status,
        "ConfigMap" => |p| vec![p.name(), (size(p, "/data") + size(p, "/binaryData")).into(), p.age()],
        "Secret" => |p| vec![p.name(), p.text("/type").into(), size(p, "/data").into(), p.age()],
        "ServiceAccount" => |p| vec![p.name(), p.list("/secrets").len().into(), p.age()],
        "ResourceQuota" => quota,
        "RoleBinding" | "ClusterRoleBinding" => binding,
        "CertificateSigningRequest" => signing_request,
        "Lease" => |p| vec![p.name(), p.text("/spec/holderIdentity").into(), p.age()],
        "PriorityClass" => priority_class,
        "RuntimeClass" => |p| vec![p.name(), p.text("/handler").into(), p.age()],
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => {
            |p| vec![p.name(), p.list("/webhooks").len().into(), p.age()]
        }
        "ValidatingAdmissionPolicy" => admission_policy,
        "ValidatingAdmissionPolicyBinding" => admission_binding,
        "FlowSchema" => flow_schema,
        "PriorityLevelConfiguration" => priority_level,
        "DeviceClass" | "ResourceClaimTemplate" => |p| vec![p.name(), p.age()],
        "ResourceClaim" => resource_claim,
        "ResourceSlice" => resource_slice,
        "APIService" => api_service,
        "Status" => |p| ["/status", "/reason", "/message"].map(|path| p.text(path).into()).to_vec(),
        _ => return None,
    })
}

fn size(p: &Printer, path: &str) -> usize {
    p.at(path).as_object().map_or(0, serde_json::Map::len)
}

fn condition<'a>(p: &'a Printer, path: &str, kind: &str) -> Option<&'a Value> {
    p.list(path).iter().find(|condition| condition["type"] == kind)
}

fn node(p: &Printer) -> Vec<Value> {
    // Of several of one type the last counts.
    let is_ready = |condition: &&Value| condition["type"] == "Ready";
    let mut status = match p.list("/status/conditions").iter().rfind(is_ready) {
        None => "Unknown".to_owned(),
        Some(condition) if condition["status"] == "True" => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
    };
    if p.at("/spec/unschedulable") == true {
        status += ",SchedulingDisabled";
    }
    let address = |kind: &str| -> Value {
        let own = p.list("/status/addresses").iter().find(|address| address["type"] == kind);
        own.map_or("<none>", |address| text(address, "/address")).into()
    };
    let info = |name: &str| -> Value {
        let known = p.text(&format!("/status/nodeInfo/{name}"));
        if known.is_empty() { "<unknown>".into() } else { known.into() }
    };
    vec![
        p.name(),
        status.into(),
        roles(p).into(),
        p.age(),
        p.text("/status/nodeInfo/kubeletVersion").into(),
        address("InternalIP"),
        address("ExternalIP"),
        info("osImage"),
        info("kernelVersion"),
        info("containerRuntimeVersion"),
    ]
}

fn roles(p: &Printer) -> String {
    let role = |(key, value): (&String, &Value)| match key.strip_prefix("node-role.kubernetes.io/") {
        Some(role) => Some(role.to_owned()),
        None if key == "kubernetes.io/role" => value.as_str().map(str::to_owned),
        None => None,
    };
    let labels = p.at("/metadata/labels").as_object().into_iter().flatten();
    let roles: BTreeSet<String> = labels.filter_map(role).filter(|role| !role.is_empty()).collect();
    if roles.is_empty() { "<none>".to_owned() } else { roles.into_iter().collect::<Vec<_>>().join(",") }
}

fn event(p: &Printer) -> Vec<Value> {
    let or = |one: &str, two: &str| p.text(if p.text(one).is_empty() { two } else { one }).to_owned();
    let first = match p.since(p.at("/firstTimestamp")) {
        unknown if unknown == "<unknown>" => p.since(p.at("/eventTime")),
        first => first,
    };
    let last = match p.since(p.at("/lastTimestamp")) {
        unknown if unknown == "<unknown>" => first.clone(),
        last => last,
    };
    let series = p.at("/series");
    let (last, count) = match (series.is_null(), p.number("/count")) {
        (false, _) => (p.since(&series["lastObservedTime"]), p.number("/series/count")),
        // Events of the newer kind that happened once have no count.
        (true, 0) => (last, 1),
        (true, count) => (last, count),
    };
    let (kind, name) = (p.text("/involvedObject/kind").to_lowercase(), p.text("/involvedObject/name"));
    let (component, host) = (or("/source/component", "/reportingComponent"), or("/source/host", "/reportingInstance"));
    vec![
        last.into(),
        p.text("/type").into(),
        p.text("/reason").into(),
        if name.is_empty() { kind.into() } else { format!("{kind}/{name}").into() },
        p.text("/involvedObject/fieldPath").into(),
        if host.is_empty() { component.into() } else { format!("{component}, {host}").into() },
        p.text("/message").trim().into(),
        first.into(),
        count.into(),
        p.name(),
    ]
}

fn component_status(p: &Printer) -> Vec<Value> {
    let healthy = condition(p, "/conditions", "Healthy");
    let status = match healthy {
        None => "Unknown",
        Some(condition) if condition["status"] == "True" => "Healthy",
        Some(_) => "Unhealthy",
    };
    let part = |path: &str| -> Value { healthy.map_or("", |condition| text(condition, path)).into() };
    vec![p.name(), status.into(), part("/message"), part("/error")]
}

fn quota(p: &Printer) -> Vec<Value> {
    let hard = p.at("/status/hard").as_object();
    let mut names: Vec<&String> = hard.into_iter().flat_map(|hard| hard.keys()).collect();
    names.sort();
    let (limits, requests): (Vec<&String>, Vec<&String>) =
        names.into_iter().partition(|name| name.starts_with("limits."));
    let amount = |list: &str, name: &str| p.at(list)[name].as_str().unwrap_or("0").to_owned();
    let shown = |names: Vec<&String>| -> Value {
        let parts = names
            .iter()
            .map(|name| format!("{name}: {}/{}", amount("/status/used", name), amount("/status/hard", name)));
        parts.collect::<Vec<_>>().join(", ").into()
    };
    vec![p.name(), shown(requests), shown(limits), p.age()]
}

fn binding(p: &Printer) -> Vec<Value> {
    let subjects = |kind: &str| -> Value {
        let own = p.list("/subjects").iter().filter(|subject| subject["kind"] == kind);
        let names = own.map(|subject| match kind {
            "ServiceAccount" => format!("{}/{}", text(subject, "/namespace"), text(subject, "/name")),
            _ => text(subject, "/name").to_owned(),
        });
        names.collect::<Vec<_>>().join(", ").into()
    };
    let role = format!("{}/{}", p.text("/roleRef/kind"), p.text("/roleRef/name"));
    vec![p.name(), role.into(), p.age(), subjects("User"), subjects("Group"), subjects("ServiceAccount")]
}

fn signing_request(p: &Printer) -> Vec<Value> {
    let has = |kind: &str| condition(p, "/status/conditions", kind).is_some();
    let mut status = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (_, true) => "Approved",
        _ => "Pending",
    }
    .to_owned();
    if has("Failed") {
        status += ",Failed";
    }
    if !p.text("/status/certificate").is_empty() {
        status += ",Issued";
    }
    let seconds = p.at("/spec/expirationSeconds").as_i64();
    let asked =
        seconds.map_or_else(|| "<none>".to_owned(), |seconds| duration::human(seconds.saturating_mul(1_000_000_000)));
    let signer = if p.text("/spec/signerName").is_empty() { "<none>" } else { p.text("/spec/signerName") };
    vec![p.name(), p.age(), signer.into(), p.text("/spec/username").into(), asked.into(), status.into()]
}

fn priority_class(p: &Printer) -> Vec<Value> {
    let is_default = p.at("/globalDefault") == true;
    vec![p.name(), p.number("/value").into(), is_default.into(), p.age(), p.text("/preemptionPolicy").into()]
}

fn admission_policy(p: &Printer) -> Vec<Value> {
    let kind = p.at("/spec/paramKind");
    let shown = format!("{}/{}", text(kind, "/apiVersion"), text(kind, "/kind"));
    let shown = if kind.is_null() { "<unset>".to_owned() } else { shown };
    vec![p.name(), p.list("/spec/validations").len().into(), shown.into(), p.age()]
}

fn admission_binding(p: &Printer) -> Vec<Value> {
    let reference = p.at("/spec/paramRef");
    let shown = match (text(reference, "/namespace"), text(reference, "/name")) {
        (_, "") if reference["selector"].is_null() => "<unset>".to_owned(),
        (_, "") => go_selector(&reference["selector"]),
        ("", name) => format!("*/{name}"),
        (namespace, name) => format!("{namespace}/{name}"),
    };
    vec![p.name(), p.text("/spec/policyName").into(), shown.into(), p.age()]
}

/// A selector as Go's generated code prints it.
fn go_selector(selector: &Value) -> String {
    let mut labels: Vec<String> = selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}: {},", value.as_str().unwrap_or_default()))
        .collect();
    labels.sort();
    let expressions = super::list(selector, "/matchExpressions").iter().map(|expression| {
        let values: Vec<&str> = super::list(expression, "/values").iter().filter_map(Value::as_str).collect();
        let (key, operator) = (text(expression, "/key"), text(expression, "/operator"));
        format!("LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{}],}},", values.join(" "))
    });
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{}}},MatchExpressions:[]LabelSelectorRequirement{{{}}},}}",
        labels.concat(),
        expressions.collect::<String>()
    )
}

fn flow_schema(p: &Printer) -> Vec<Value> {
    let dangling = condition(p, "/status/conditions", "Dangling").map_or("?", |condition| text(condition, "/status"));
    vec![
        p.name(),
        p.text("/spec/priorityLevelConfiguration/name").into(),
        p.number("/spec/matchingPrecedence").into(),
        p.text_or("/spec/distinguisherMethod/type", "<none>"),
        p.age(),
        dangling.into(),
    ]
}

fn priority_level(p: &Printer) -> Vec<Value> {
    let number = |path: &str, is_there: bool| -> Value {
        if is_there { p.at(path).as_i64().map_or(0.into(), Value::from) } else { "<none>".into() }
    };
    let is_limited = !p.at("/spec/limited").is_null();
    let is_queuing = !p.at("/spec/limited/limitResponse/queuing").is_null();
    let queuing = |name: &str| number(&format!("/spec/limited/limitResponse/queuing/{name}"), is_queuing);
    vec![
        p.name(),
        p.text("/spec/type").into(),
        number("/spec/limited/nominalConcurrencyShares", is_limited),
        queuing("queues"),
        queuing("handSize"),
        queuing("queueLengthLimit"),
        p.age(),
    ]
}

fn resource_claim(p: &Printer) -> Vec<Value> {
    let is_deleted = !p.at("/metadata/deletionTimestamp").is_null();
    let is_allocated = !p.at("/status/allocation").is_null();
    let states = [
        (is_deleted, "deleted"),
        (!is_allocated && !is_deleted, "pending"),
        (is_allocated, "allocated"),
        (is_allocated && !p.list("/status/reservedFor").is_empty(), "reserved"),
    ];
    let states: Vec<&str> = states.iter().filter(|(holds, _)| *holds).map(|(_, state)| *state).collect();
    vec![p.name(), states.join(",").into(), p.age()]
}

fn resource_slice(p: &Printer) -> Vec<Value> {
    let parts = ["/spec/nodeName", "/spec/driver", "/spec/pool/name"];
    let [node, driver, pool] = parts.map(|path| p.text(path).into());
    vec![p.name(), node, driver, pool, p.age()]
}

fn api_service(p: &Printer) -> Vec<Value> {
    let service = p.at("/spec/service");
    let place = format!("{}/{}", text(service, "/namespace"), text(service, "/name"));
    let place = if service.is_null() { "Local".to_owned() } else { place };
    let available = match condition(p, "/status/conditions", "Available") {
        None => "Unknown".to_owned(),
        Some(condition) if condition["status"] == "True" => "True".to_owned(),
        Some(condition) => format!("{} ({})", text(condition, "/status"), text(condition, "/reason")),
    };
    vec![p.name(), place.into(), available.into(), p.age()]
}
