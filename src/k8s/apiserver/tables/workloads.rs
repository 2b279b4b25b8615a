//! What makes pods, and what watches over their number.

use serde_json::Value;

use super::{Print, Printer, at, labels, read_time, selector, some, text};
use crate::k8s::meta::labels::Selector;

pub(super) fn of(kind: &str) -> Option<Print> {
    Some(match kind {
        "PodTemplate" => pod_template,
        "ReplicationController" => replication_controller,
        "ReplicaSet" => replica_set,
        "Deployment" => deployment,
        "StatefulSet" => stateful_set,
        "DaemonSet" => daemon_set,
        "Job" => job,
        "CronJob" => cron_job,
        "ControllerRevision" => controller_revision,
        "HorizontalPodAutoscaler" => autoscaler,
        "PodDisruptionBudget" => disruption_budget,
        "Scale" => |p| vec![p.name(), p.number("/spec/replicas").into(), p.number("/status/replicas").into(), p.age()],
        _ => return None,
    })
}

/// Names and images of the containers of a template.
fn containers(printer: &Printer, path: &str) -> [Value; 2] {
    ["/name", "/image"].map(|name| {
        let texts: Vec<&str> = printer.list(path).iter().map(|container| text(container, name)).collect();
        texts.join(",").into()
    })
}

const CONTAINERS: &str = "/spec/template/spec/containers";

fn pod_template(p: &Printer) -> Vec<Value> {
    let [names, images] = containers(p, "/template/spec/containers");
    vec![p.name(), names, images, labels(p.at("/template/metadata/labels"))]
}

fn replication_controller(p: &Printer) -> Vec<Value> {
    let mut cells = replicas(p);
    cells.push(labels(p.at("/spec/selector")));
    cells
}

fn replica_set(p: &Printer) -> Vec<Value> {
    let mut cells = replicas(p);
    cells.push(selector(p.at("/spec/selector")));
    cells
}

fn replicas(p: &Printer) -> Vec<Value> {
    let [names, images] = containers(p, CONTAINERS);
    let numbers = ["/spec/replicas", "/status/replicas", "/status/readyReplicas"].map(|path| p.number(path).into());
    let [desired, current, ready] = numbers;
    vec![p.name(), desired, current, ready, p.age(), names, images]
}

fn ready(p: &Printer) -> Value {
    format!("{}/{}", p.number("/status/readyReplicas"), p.number("/spec/replicas")).into()
}

fn deployment(p: &Printer) -> Vec<Value> {
    let [names, images] = containers(p, CONTAINERS);
    // Unlike elsewhere, one that selects nothing is empty.
    let selector = match Selector::of_object(p.at("/spec/selector")) {
        Err(_) => "<invalid>".to_owned(),
        Ok(selector) => selector.map(|selector| selector.to_string()).unwrap_or_default(),
    };
    let (updated, available) = (p.number("/status/updatedReplicas"), p.number("/status/availableReplicas"));
    vec![p.name(), ready(p), updated.into(), available.into(), p.age(), names, images, selector.into()]
}

fn stateful_set(p: &Printer) -> Vec<Value> {
    let [names, images] = containers(p, CONTAINERS);
    vec![p.name(), ready(p), p.age(), names, images]
}

fn daemon_set(p: &Printer) -> Vec<Value> {
    let numbers = [
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    ];
    let [names, images] = containers(p, CONTAINERS);
    let mut cells = vec![p.name()];
    cells.extend(numbers.map(|name| Value::from(p.number(&format!("/status/{name}")))));
    cells.extend([labels(p.at("/spec/template/spec/nodeSelector")), p.age(), names, images]);
    cells.push(selector(p.at("/spec/selector")));
    cells
}

fn job(p: &Printer) -> Vec<Value> {
    let succeeded = p.number("/status/succeeded");
    let completions = match (p.at("/spec/completions").as_i64(), p.number("/spec/parallelism")) {
        (Some(completions), _) => format!("{succeeded}/{completions}"),
        (None, parallelism) if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        _ => format!("{succeeded}/1"),
    };
    let (start, end) = (read_time(p.at("/status/startTime")), read_time(p.at("/status/completionTime")));
    let duration = start.map(|start| super::between(start, end.unwrap_or(p.now))).unwrap_or_default();
    let [names, images] = containers(p, CONTAINERS);
    let selector = selector(p.at("/spec/selector"));
    vec![p.name(), job_status(p).into(), completions.into(), duration.into(), p.age(), names, images, selector]
}

fn job_status(p: &Printer) -> &'static str {
    let has = |kind: &str| {
        let condition = p.list("/status/conditions").iter().find(|condition| condition["type"] == kind);
        condition.is_some_and(|condition| condition["status"] == "True")
    };
    if has("Complete") {
        "Complete"
    } else if has("Failed") {
        "Failed"
    } else if !p.at("/metadata/deletionTimestamp").is_null() {
        "Terminating"
    } else if has("Suspended") {
        "Suspended"
    } else if has("FailureTarget") {
        "FailureTarget"
    } else {
        "Running"
    }
}

fn cron_job(p: &Printer) -> Vec<Value> {
    let suspend = match p.at("/spec/suspend").as_bool() {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    let last = p.at("/status/lastScheduleTime");
    let [names, images] = containers(p, "/spec/jobTemplate/spec/template/spec/containers");
    vec![
        p.name(),
        p.text("/spec/schedule").into(),
        p.text_or("/spec/timeZone", "<none>"),
        suspend.into(),
        p.list("/status/active").len().into(),
        if last.is_null() { "<none>".into() } else { p.since(last).into() },
        p.age(),
        names,
        images,
        selector(p.at("/spec/jobTemplate/spec/selector")),
    ]
}

fn controller_revision(p: &Printer) -> Vec<Value> {
    let owner = p.list("/metadata/ownerReferences").iter().find(|owner| owner["controller"] == true);
    let controller = owner.map_or_else(
        || "<none>".to_owned(),
        |owner| {
            let group = text(owner, "/apiVersion").split_once('/').map(|(group, _)| format!(".{group}"));
            let kind = text(owner, "/kind").to_owned() + &group.unwrap_or_default();
            format!("{}/{}", kind.to_lowercase(), text(owner, "/name"))
        },
    );
    vec![p.name(), controller.into(), p.number("/revision").into(), p.age()]
}

fn autoscaler(p: &Printer) -> Vec<Value> {
    let target = format!("{}/{}", p.text("/spec/scaleTargetRef/kind"), p.text("/spec/scaleTargetRef/name"));
    let current = p.list("/status/currentMetrics");
    let metrics: Vec<String> = p
        .list("/spec/metrics")
        .iter()
        .enumerate()
        .map(|(place, spec)| metric(spec, current.get(place).unwrap_or(&Value::Null)))
        .collect();
    let metrics = if metrics.is_empty() { "<none>".to_owned() } else { some(&metrics, 2, ", ") };
    let min = p.at("/spec/minReplicas").as_i64().map_or_else(|| "<unset>".to_owned(), |min| min.to_string());
    let (max, now) = (p.number("/spec/maxReplicas"), p.number("/status/currentReplicas"));
    vec![p.name(), target.into(), metrics.into(), min.into(), max.into(), now.into(), p.age()]
}

/// What is measured, and what it should be.
fn metric(spec: &Value, status: &Value) -> String {
    let (part, is_resource) = match text(spec, "/type") {
        "External" => ("external", false),
        "Pods" => ("pods", false),
        "Object" => ("object", false),
        "Resource" => ("resource", true),
        "ContainerResource" => ("containerResource", true),
        _ => return "<unknown type>".to_owned(),
    };
    let (spec, status) = (&spec[part], &status[part]);
    let (target, current) = (at(spec, "/target"), at(status, "/current"));
    let amount = |of: &Value, name: &str| of[name].as_str().map(str::to_owned);
    let percent = |of: &Value| of["averageUtilization"].as_i64().map(|number| format!("{number}%"));
    // An amount that is not there prints as zero if what should hold it is.
    let known = |value: Option<String>, zero: &str| match value {
        Some(value) => value,
        None if status.is_null() => "<unknown>".to_owned(),
        None => zero.to_owned(),
    };
    let prefix = if is_resource { format!("{}: ", text(spec, "/name")) } else { String::new() };
    match (amount(target, "averageValue"), part) {
        (Some(target), "external" | "object") => {
            format!("{}/{target} (avg)", known(amount(current, "averageValue"), "<unknown>"))
        }
        (Some(target), _) => format!("{prefix}{}/{target}", known(amount(current, "averageValue"), "<nil>")),
        (None, "resource" | "containerResource") => {
            let target = percent(target).unwrap_or_else(|| "<auto>".to_owned());
            format!("{prefix}{}/{target}", percent(current).unwrap_or_else(|| "<unknown>".to_owned()))
        }
        (None, "pods") => format!("{}/<nil>", known(amount(current, "averageValue"), "<nil>")),
        (None, _) => {
            let target = amount(target, "value").unwrap_or_else(|| "<nil>".to_owned());
            format!("{}/{target}", known(amount(current, "value"), "<nil>"))
        }
    }
}

fn disruption_budget(p: &Printer) -> Vec<Value> {
    let amount = |path: &str| -> Value {
        match p.at(path) {
            Value::Null => "N/A".into(),
            Value::String(text) => (&text[..]).into(),
            number => number.to_string().into(),
        }
    };
    let allowed = p.number("/status/disruptionsAllowed");
    vec![p.name(), amount("/spec/minAvailable"), amount("/spec/maxUnavailable"), allowed.into(), p.age()]
}
