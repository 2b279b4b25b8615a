//! Pods: what a reader wants to know of all their containers in one word.

use serde_json::{Value, json};

use super::{Printer, Row, at, read_time, text};
use crate::k8s::meta::time::Time;

pub(super) fn row(printer: &Printer) -> Row {
    let summary = Summary::of(printer);
    let containers = printer.list("/spec/containers").len()
        + printer.list("/spec/initContainers").iter().filter(|container| is_sidecar(container)).count();
    let restarts = match summary.restarts {
        Restarts { count, last: Some(last) } if count != 0 => {
            format!("{count} ({} ago)", super::between(last, printer.now))
        }
        Restarts { count, .. } => count.to_string(),
    };
    let or_none = |text: &str| -> Value { if text.is_empty() { "<none>" } else { text }.into() };
    let cells = vec![
        printer.name(),
        format!("{}/{containers}", summary.ready).into(),
        summary.reason.into(),
        restarts.into(),
        printer.age(),
        or_none(printer.text("/status/podIPs/0/ip")),
        or_none(printer.text("/spec/nodeName")),
        or_none(printer.text("/status/nominatedNodeName")),
        readiness_gates(printer).into(),
    ];
    Row { cells, conditions: conditions(printer.text("/status/phase")) }
}

/// That it has come to its end.
fn conditions(phase: &str) -> Vec<Value> {
    let message = match phase {
        "Succeeded" => "The pod has completed successfully.",
        "Failed" => "The pod failed.",
        _ => return Vec::new(),
    };
    vec![json!({"type": "Completed", "status": "True", "reason": phase, "message": message})]
}

#[derive(Default)]
struct Summary {
    reason: String,
    /// Containers that are ready.
    ready: usize,
    restarts: Restarts,
}

/// How often containers were started again, and when one last ended before that.
#[derive(Clone, Copy, Default)]
struct Restarts {
    count: i64,
    last: Option<Time>,
}

impl Restarts {
    fn add(&mut self, status: &Value) {
        self.count = self.count.saturating_add(status["restartCount"].as_i64().unwrap_or(0));
        self.last = self.last.max(read_time(at(status, "/lastState/terminated/finishedAt")));
    }
}

impl Summary {
    /// Whatever comes later overrules what came before.
    fn of(printer: &Printer) -> Summary {
        let (phase, own) = (printer.text("/status/phase"), printer.text("/status/reason"));
        let mut summary = Summary { reason: if own.is_empty() { phase } else { own }.to_owned(), ..Summary::default() };
        let is_gate =
            |condition: &Value| condition["type"] == "PodScheduled" && condition["reason"] == "SchedulingGated";
        if printer.list("/status/conditions").iter().any(is_gate) {
            summary.reason = "SchedulingGated".to_owned();
        }
        let (is_initializing, of_sidecars) = summary.initialize(printer);
        if !is_initializing || condition(printer, "Initialized") == Some("True") {
            // What init containers did is history now; sidecars go on.
            summary.restarts = of_sidecars;
            summary.run(printer);
        }
        let is_deleted = !printer.at("/metadata/deletionTimestamp").is_null();
        if is_deleted && own == "NodeLost" {
            summary.reason = "Unknown".to_owned();
        } else if is_deleted && !matches!(phase, "Succeeded" | "Failed") {
            summary.reason = "Terminating".to_owned();
        }
        summary
    }

    /// Init containers, up to the first that has not ended well; whether there is one, and how often sidecars began again.
    fn initialize(&mut self, printer: &Printer) -> (bool, Restarts) {
        let containers = printer.list("/spec/initContainers");
        let mut of_sidecars = Restarts::default();
        for (place, status) in printer.list("/status/initContainerStatuses").iter().enumerate() {
            let is_sidecar =
                containers.iter().rfind(|container| container["name"] == status["name"]).is_some_and(is_sidecar);
            self.restarts.add(status);
            if is_sidecar {
                of_sidecars.add(status);
            }
            let (ended, waiting) = (at(status, "/state/terminated"), text(status, "/state/waiting/reason"));
            if !ended.is_null() && ended["exitCode"].as_i64().unwrap_or(0) == 0 {
                continue;
            }
            if is_sidecar && status["started"] == true {
                self.ready += usize::from(status["ready"] == true);
                continue;
            }
            self.reason = if !ended.is_null() {
                format!("Init:{}", end_of(ended))
            } else if !matches!(waiting, "" | "PodInitializing") {
                format!("Init:{waiting}")
            } else {
                format!("Init:{place}/{}", containers.len())
            };
            return (true, of_sidecars);
        }
        (false, of_sidecars)
    }

    /// The main containers; the first of them has the last word.
    fn run(&mut self, printer: &Printer) {
        let mut is_any_running = false;
        for status in printer.list("/status/containerStatuses").iter().rev() {
            self.restarts.add(status);
            let (ended, waiting) = (at(status, "/state/terminated"), text(status, "/state/waiting/reason"));
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if !ended.is_null() {
                self.reason = end_of(ended);
            } else if status["ready"] == true && !at(status, "/state/running").is_null() {
                is_any_running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && is_any_running {
            let is_ready = condition(printer, "Ready") == Some("True");
            self.reason = if is_ready { "Running" } else { "NotReady" }.to_owned();
        }
    }
}

/// How a container ended.
fn end_of(ended: &Value) -> String {
    let number = |name: &str| ended[name].as_i64().unwrap_or(0);
    match (text(ended, "/reason"), number("signal")) {
        ("", 0) => format!("ExitCode:{}", number("exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn is_sidecar(container: &Value) -> bool {
    container["restartPolicy"] == "Always"
}

fn condition<'a>(printer: &'a Printer, kind: &str) -> Option<&'a str> {
    let conditions = printer.list("/status/conditions");
    conditions.iter().find(|condition| condition["type"] == kind).map(|condition| text(condition, "/status"))
}

fn readiness_gates(printer: &Printer) -> String {
    let gates = printer.list("/spec/readinessGates");
    let is_open = |gate: &&Value| condition(printer, text(gate, "/conditionType")) == Some("True");
    match gates.len() {
        0 => "<none>".to_owned(),
        all => format!("{}/{all}", gates.iter().filter(is_open).count()),
    }
}
