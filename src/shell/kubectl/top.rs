//! `kubectl top`: what is used, by those who measure it.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/top`.

use serde_json::Value;

use super::client::{Kube, Request, accept};
use super::config::{list, text};
use super::failure::{Outcome, fail};
use super::print::tabs::align;
use crate::k8s::meta::quantity::{Format, Quantity};

/// Whether anybody measures.
fn measured(kube: &mut Kube) -> Outcome<()> {
    // Upstream asks by a client of its own, which keeps nothing and has no time limit.
    let requests = ["/api", "/apis"].map(|path| Request::get(path, accept::DISCOVERY));
    let mut is_there = false;
    for request in &requests {
        let found = kube.object(request)?;
        let aggregated = list(&found["items"]).iter().find(|group| group["metadata"]["name"] == "metrics.k8s.io");
        let group =
            aggregated.or_else(|| list(&found["groups"]).iter().find(|group| group["name"] == "metrics.k8s.io"));
        is_there |=
            group.is_some_and(|group| list(&group["versions"]).iter().any(|known| known["version"] == "v1beta1"));
    }
    if is_there { Ok(()) } else { fail("Metrics API not available") }
}

fn quantity(value: &Value) -> Quantity {
    Quantity::parse(text(value)).unwrap_or_else(|_| Quantity::new(0, Format::DecimalSi))
}

/// Thousandths of a processor, and mebibytes.
fn cells(cpu: &Quantity, memory: &Quantity) -> (String, String) {
    (format!("{}m", cpu.milli_value()), format!("{}Mi", memory.value() / (1 << 20)))
}

pub fn top_nodes(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    measured(kube)?;
    let name = args.words.first().cloned().unwrap_or_default();
    let path = if name.is_empty() {
        "/apis/metrics.k8s.io/v1beta1/nodes".to_owned()
    } else {
        format!("/apis/metrics.k8s.io/v1beta1/nodes/{name}")
    };
    let request =
        Request::get(path, accept::METRICS).maybe("labelSelector", args.text("selector")).about("nodes", &name);
    let found = kube.object(&request)?;
    let metrics: Vec<Value> = if name.is_empty() { list(&found["items"]).to_vec() } else { vec![(*found).clone()] };
    if metrics.is_empty() {
        return fail("metrics not available yet");
    }
    let path = if name.is_empty() { "/api/v1/nodes".to_owned() } else { format!("/api/v1/nodes/{name}") };
    let request = Request::get(path, accept::TYPED).maybe("labelSelector", args.text("selector")).about("nodes", &name);
    let nodes = kube.object(&request)?;
    let nodes: Vec<Value> = if name.is_empty() { list(&nodes["items"]).to_vec() } else { vec![(*nodes).clone()] };
    let sort = args.text("sort-by").to_owned();
    let mut rows = Vec::new();
    for metric in &metrics {
        let own = &metric["metadata"]["name"];
        let node = nodes.iter().find(|node| node["metadata"]["name"] == *own);
        let field = if args.bool("show-capacity") { "capacity" } else { "allocatable" };
        let (cpu, memory) = (quantity(&metric["usage"]["cpu"]), quantity(&metric["usage"]["memory"]));
        let (cpu_cell, memory_cell) = cells(&cpu, &memory);
        let share = |used: &Quantity, resource: &str| {
            let all = node.map_or(0, |node| quantity(&node["status"][field][resource]).milli_value());
            if all == 0 {
                "<unknown>".to_owned()
            } else {
                format!("{}%", i128::from(used.milli_value()) * 100 / i128::from(all))
            }
        };
        let key = match &sort[..] {
            "cpu" => -i128::from(cpu.milli_value()),
            "memory" => -i128::from(memory.value()),
            _ => 0,
        };
        rows.push((
            key,
            text(own).to_owned(),
            vec![cpu_cell, share(&cpu, "cpu"), memory_cell, share(&memory, "memory")],
        ));
    }
    for node in
        nodes.iter().filter(|node| !metrics.iter().any(|metric| metric["metadata"]["name"] == node["metadata"]["name"]))
    {
        rows.push((i128::MAX, text(&node["metadata"]["name"]).to_owned(), vec!["<unknown>".to_owned(); 4]));
    }
    table(kube, &["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"], rows)
}

type Rows = Vec<(i128, String, Vec<String>)>;

fn table(kube: &mut Kube, head: &[&str], mut rows: Rows) -> Outcome<()> {
    rows.sort();
    let mut out = String::new();
    let line = |cells: &[&str]| cells.iter().map(|cell| format!("{cell}\t")).collect::<String>() + "\n";
    if !kube.args.bool("no-headers") {
        out += &line(head);
    }
    for (_, name, cells) in &rows {
        let mut all = vec![&name[..]];
        all.extend(cells.iter().map(String::as_str));
        // A name of two parts stands in two columns.
        let all: Vec<&str> = all.iter().flat_map(|cell| cell.split('\u{0}')).collect();
        out += &line(&all);
    }
    kube.print(align(&out, 6, 3));
    Ok(())
}

pub fn top_pods(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    measured(kube)?;
    let everywhere = args.bool("all-namespaces");
    let namespace = if everywhere { String::new() } else { kube.namespace()? };
    let name = args.words.first().cloned().unwrap_or_default();
    let mut path = "/apis/metrics.k8s.io/v1beta1".to_owned();
    if !namespace.is_empty() {
        path += &format!("/namespaces/{namespace}");
    }
    path += "/pods";
    if !name.is_empty() {
        path += &format!("/{name}");
    }
    let request = Request::get(path, accept::METRICS)
        .maybe("labelSelector", args.text("selector"))
        .maybe("fieldSelector", args.text("field-selector"))
        .about("pods", &name);
    let found = kube.object(&request)?;
    let metrics: Vec<Value> = if name.is_empty() { list(&found["items"]).to_vec() } else { vec![(*found).clone()] };
    if metrics.is_empty() {
        kube.complain(if everywhere {
            "No resources found\n".to_owned()
        } else {
            format!("No resources found in {namespace} namespace.\n")
        });
        return Ok(());
    }
    let (by_container, sort) = (args.bool("containers"), args.text("sort-by").to_owned());
    let mut rows: Rows = Vec::new();
    let (mut cpu_all, mut memory_all) = (0i64, 0i64);
    for metric in &metrics {
        let place = if everywhere { format!("{}\u{0}", text(&metric["metadata"]["namespace"])) } else { String::new() };
        let pod = text(&metric["metadata"]["name"]);
        let zero = || Quantity::new(0, Format::DecimalSi);
        let containers = list(&metric["containers"]);
        let sum = |field: &str| containers.iter().fold(zero(), |sum, own| sum.add(&quantity(&own["usage"][field])));
        let (cpu, memory) = (sum("cpu"), sum("memory"));
        cpu_all += cpu.milli_value();
        memory_all += memory.value() / (1 << 20);
        let key = match &sort[..] {
            "cpu" => -i128::from(cpu.milli_value()),
            "memory" => -i128::from(memory.value()),
            _ => 0,
        };
        if by_container {
            for own in containers {
                let (cpu, memory) = cells(&quantity(&own["usage"]["cpu"]), &quantity(&own["usage"]["memory"]));
                rows.push((key, format!("{place}{pod}"), vec![text(&own["name"]).to_owned(), cpu, memory]));
            }
        } else {
            let (cpu, memory) = cells(&cpu, &memory);
            rows.push((key, format!("{place}{pod}"), vec![cpu, memory]));
        }
    }
    let mut head = if everywhere { vec!["NAMESPACE"] } else { Vec::new() };
    head.extend(if by_container { ["POD", "NAME"].as_slice() } else { ["NAME"].as_slice() });
    head.extend(["CPU(cores)", "MEMORY(bytes)"]);
    if args.bool("sum") {
        let blanks = if everywhere { "\u{0}" } else { "" };
        let mut cells = vec![format!("{cpu_all}m"), format!("{memory_all}Mi")];
        if by_container {
            cells.insert(0, String::new());
        }
        let line = vec!["________".to_owned(); 2];
        let mut ruled = line;
        if by_container {
            ruled.insert(0, String::new());
        }
        rows.push((i128::MAX - 1, blanks.to_owned(), ruled));
        rows.push((i128::MAX, blanks.to_owned(), cells));
    }
    table(kube, &head, rows)
}
