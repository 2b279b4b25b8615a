//! `kubectl run`, `expose` and `autoscale`: an object made for, or from, another.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/{run,expose,autoscale}`.

use serde_json::{Map, Value, json};

use super::builder::{self, Info, Query};
use super::client::{Kube, Request, accept, content, in_form};
use super::config::list;
use super::delete;
use super::failure::{Failure, Outcome, Stop, fail};
use super::flags::DryRun;
use super::logs;
use super::print::{self, Output};
use super::wait::{self, Kind, Waited};
use super::write::{dry_run, known, marked};
use crate::shell::printers::go::quote;
use crate::sim::Micros;

const ATTACH_NOTE: &str = "All commands and output from this session will be recorded in container logs, including credentials and sensitive information passed through the command prompt.\nIf you don't see a command prompt, try pressing enter.\n";

pub fn run(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    let (words, after) = args.split();
    let [name, ..] = words else { return fail("NAME is required for run\nSee 'kubectl run -h' for help and examples") };
    let (name, image) = (name.clone(), args.text("image").to_owned());
    let command: Vec<String> = words[1..].iter().chain(after).cloned().collect();
    if image.is_empty() {
        return fail("required flag(s) \"image\" not set");
    }
    let dry_run = dry_run(kube)?;
    let output = Output::read(kube, false)?;
    let (stdin, tty) = (args.bool("stdin"), args.bool("tty"));
    let attaches = args.bool("attach") || (!args.is_set("attach") && (stdin || tty));
    if tty && !stdin && !attaches {
        return fail("-i/--stdin is required for containers with -t/--tty=true");
    }
    if args.bool("rm") && !attaches {
        return fail("--rm should only be used for attached containers");
    }
    if attaches && dry_run != DryRun::None {
        return fail(
            "--dry-run=client|server can't be used with attached containers options (--attach, --stdin, or --tty)",
        );
    }
    let restart = match args.text("restart") {
        "" => "Always",
        policy @ ("Always" | "OnFailure" | "Never") => policy,
        other => return fail(format!("invalid restart policy: {other}\nSee 'kubectl run -h' for help and examples")),
    };
    let namespace = kube.namespace()?;
    let pod = pod(kube, &name, &image, restart, &command)?;
    let mut pod = in_form(&overridden(kube, pod)?).or_else(fail)?;
    let resource = known("v1", "Pod");
    let info = Info {
        resource: resource.clone(),
        namespace: namespace.clone(),
        name: name.clone(),
        object: std::sync::Arc::default(),
        source: String::new(),
    };
    // Upstream asks its mapper, and so the server.
    kube.discovery()?;
    if dry_run != DryRun::Client {
        let request =
            Request::new("POST", resource.path(&namespace), accept::ANY).json(content::JSON, &pod).about("pods", "");
        let request = marked(kube, request, dry_run, "kubectl-run");
        pod = (*kube.object(&request)?).clone();
    }
    if kube.args.bool("expose") {
        let port = kube.args.int("port");
        if port < 0 {
            return fail("--port must be set when exposing a service");
        }
        exposed(kube, &pod, port, dry_run, &output)?;
    }
    if attaches {
        return attach(kube, &info, stdin);
    }
    print::outcome(kube, &output, &pod, "created", dry_run)
}

fn pod(kube: &Kube, name: &str, image: &str, restart: &str, command: &[String]) -> Outcome<Value> {
    let args = kube.args;
    let labels: Map<String, Value> = match args.text("labels") {
        "" => [("run".to_owned(), Value::from(name))].into_iter().collect(),
        text => text
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect(),
    };
    let mut container = json!({"name": name, "image": image});
    if !command.is_empty() {
        container[if args.bool("command") { "command" } else { "args" }] = command.to_vec().into();
    }
    let mut env = Vec::new();
    for pair in args.list("env") {
        let Some((key, value)) = pair.split_once('=') else { return fail(format!("invalid env: {pair}")) };
        env.push(json!({"name": key, "value": value}));
    }
    if !env.is_empty() {
        container["env"] = env.into();
    }
    if args.int("port") > 0 {
        container["ports"] = json!([{"containerPort": args.int("port")}]);
    }
    if args.is_set("image-pull-policy") {
        container["imagePullPolicy"] = args.text("image-pull-policy").into();
    }
    if args.bool("stdin") {
        container["stdin"] = true.into();
        container["stdinOnce"] = (!args.bool("leave-stdin-open")).into();
    }
    if args.bool("tty") {
        container["tty"] = true.into();
    }
    if args.bool("privileged") {
        container["securityContext"] = json!({"privileged": true});
    }
    let mut metadata = json!({"name": name, "labels": labels});
    let annotations: Map<String, Value> = args
        .list("annotations")
        .iter()
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect();
    if !annotations.is_empty() {
        metadata["annotations"] = annotations.into();
    }
    Ok(json!({"kind": "Pod", "apiVersion": "v1", "metadata": metadata,
        "spec": {"containers": [container], "restartPolicy": restart, "dnsPolicy": "ClusterFirst"}}))
}

/// `--overrides`
fn overridden(kube: &Kube, pod: Value) -> Outcome<Value> {
    let text = kube.args.text("overrides");
    if text.is_empty() {
        return Ok(pod);
    }
    let patch = match crate::k8s::json::parse(text.as_bytes()) {
        Ok(read) => read.value,
        Err(error) => return fail(format!("Invalid JSON: {}", error.message)),
    };
    let content = match kube.args.text("override-type") {
        "json" => content::JSON_PATCH,
        "strategic" => content::STRATEGIC,
        _ => content::MERGE,
    };
    super::patches::applied(&pod, &patch, content).or_else(fail)
}

/// Stays with a pod: until it runs, what it prints, and until it is over.
fn attach(kube: &mut Kube, info: &Info, stdin: bool) -> Outcome<()> {
    let deadline = wait::deadline(kube, kube.args.duration("pod-running-timeout"));
    let phase = |object: &Value| object["status"]["phase"].as_str().unwrap_or_default().to_owned();
    let waited = wait::watch_typed(kube, info, deadline, |_, kind, object| {
        Ok(kind != Kind::Deleted && matches!(&phase(object)[..], "Running" | "Succeeded" | "Failed"))
    })?;
    if matches!(waited, Waited::Late { .. }) {
        return fail("timed out waiting for the condition");
    }
    kube.complain(ATTACH_NOTE);
    let path = format!("{}/attach", info.path());
    let request = |method: &'static str| {
        let request = Request::new(method, path.clone(), "")
            .query("container", info.name.clone())
            .query("stderr", "true")
            .query("stdout", "true");
        let request = if stdin { request.query("stdin", "true") } else { request };
        request.about("pods", &info.name)
    };
    // Simplified: nobody in the lab takes over a connection, so it is asked for in both ways and its refusal is shown.
    let refused = match kube.call(&request("GET")) {
        Ok(_) => Ok(()),
        Err(Stop::Failed(_)) => kube.call(&request("POST")).map(drop),
        Err(Stop::Pending) => Err(Stop::Pending),
    };
    match refused {
        Err(Stop::Failed(failure)) => {
            kube.complain(format!(
                "warning: couldn't attach to pod/{}, falling back to streaming logs: {}\n",
                info.name,
                failure.text()
            ));
        }
        other => other?,
    }
    logs::whole(kube, info, &info.name)?;
    let late = wait::deadline(kube, Micros::from_secs(24 * 60 * 60));
    wait::watch_typed(kube, info, late, |_, kind, object| {
        Ok(kind == Kind::Deleted || matches!(&phase(object)[..], "Succeeded" | "Failed"))
    })?;
    let pod = kube.object(&info.request("GET", accept::ANY))?;
    if kube.args.bool("rm") {
        let body = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"});
        kube.object(&info.request("DELETE", accept::ANY).json(content::JSON, &body))?;
        kube.print(delete::deleted_line(info));
    }
    let code = list(&pod["status"]["containerStatuses"])
        .iter()
        .find_map(|status| status["state"]["terminated"]["exitCode"].as_i64());
    match code {
        Some(code) if code != 0 => Err(Stop::Failed(Failure::Exit(code as i32))),
        _ => Ok(()),
    }
}

// ---- expose ----

pub fn expose(kube: &mut Kube) -> Outcome<()> {
    let dry_run = dry_run(kube)?;
    let output = Output::read(kube, false)?;
    let query = Query { accept: accept::ANY, ..Query::of(kube) };
    if query.words.is_empty() && query.files.is_empty() {
        return fail(
            "You must provide one or more resources by argument or filename.\nExample resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'\n   '<resource> <name>'\n   '<resource>'",
        );
    }
    let query = Query { selector: String::new(), ..query };
    builder::visit(kube, &query, |kube, info| {
        let kind = info.resource.kind.as_str();
        if !matches!(kind, "ReplicationController" | "Service" | "Pod" | "Deployment" | "ReplicaSet") {
            return fail(format!("cannot expose a {}", info.resource.singular_qualified()));
        }
        let service = service_for(kube, info)?;
        let mut object = in_form(&service).or_else(fail)?;
        if dry_run != DryRun::Client {
            let resource = known("v1", "Service");
            let request = Request::new("POST", resource.path(&info.namespace), accept::ANY)
                .json(content::JSON, &object)
                .about("services", "");
            let request = marked(kube, request, dry_run, "kubectl-expose");
            object = (*kube.object(&request)?).clone();
        }
        print::outcome(kube, &output, &object, "exposed", dry_run)
    })
}

fn service_for(kube: &Kube, info: &Info) -> Outcome<Value> {
    let args = kube.args;
    let object = &info.object;
    let selector = match args.text("selector") {
        "" => match info.resource.kind.as_str() {
            "Pod" => object["metadata"]["labels"].clone(),
            "Service" | "ReplicationController" => object["spec"]["selector"].clone(),
            _ => {
                if !list(&object["spec"]["selector"]["matchExpressions"]).is_empty() {
                    return fail(format!(
                        "couldn't retrieve selectors via --selector flag or introspection: couldn't convert expressions - \"{}\" to map-based selector format",
                        object["spec"]["selector"]["matchExpressions"]
                    ));
                }
                object["spec"]["selector"]["matchLabels"].clone()
            }
        },
        text => text
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), Value::from(value)))
            .collect::<Map<_, _>>()
            .into(),
    };
    if selector.as_object().is_none_or(Map::is_empty) {
        return fail(
            "couldn't retrieve selectors via --selector flag or introspection: the pod has no labels and cannot be exposed",
        );
    }
    let ports = exposed_ports(kube, info)?;
    if ports.is_empty() {
        return fail(
            "couldn't find port via --port flag or introspection\nSee 'kubectl expose -h' for help and examples",
        );
    }
    let name = match args.text("name") {
        "" => &info.name,
        name => name,
    };
    if name.len() > 63 {
        return fail(format!("invalid service name {}", quote(name)));
    }
    let mut metadata = json!({"name": name});
    let labels = match args.text("labels") {
        "" => object["metadata"]["labels"].clone(),
        text => text
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), Value::from(value)))
            .collect::<Map<_, _>>()
            .into(),
    };
    if labels.is_object() {
        metadata["labels"] = labels;
    }
    let mut spec = json!({"ports": ports, "selector": selector});
    for (flag, field) in [
        ("type", "type"),
        ("cluster-ip", "clusterIP"),
        ("load-balancer-ip", "loadBalancerIP"),
        ("session-affinity", "sessionAffinity"),
    ] {
        if !args.text(flag).is_empty() {
            spec[field] = args.text(flag).into();
        }
    }
    if !args.text("external-ip").is_empty() {
        spec["externalIPs"] = json!([args.text("external-ip")]);
    }
    Ok(json!({"kind": "Service", "apiVersion": "v1", "metadata": metadata, "spec": spec}))
}

/// Ports from flags, or from what the object has.
fn exposed_ports(kube: &Kube, info: &Info) -> Outcome<Vec<Value>> {
    let args = kube.args;
    let protocol = args.text("protocol").to_uppercase();
    let mut numbers: Vec<(i64, String)> = Vec::new();
    if args.is_set("port") {
        for port in args.text("port").split(',') {
            match port.parse::<u16>() {
                Ok(port) => numbers.push((port.into(), String::new())),
                Err(_) => return fail(format!("strconv.Atoi: parsing {}: invalid syntax", quote(port))),
            }
        }
    } else {
        let own: Vec<(&Value, &str)> = if info.resource.kind == "Service" {
            list(&info.object["spec"]["ports"]).iter().map(|port| (port, "port")).collect()
        } else {
            let path = super::set::pod_spec_path(&info.resource.kind).unwrap_or("/spec");
            let containers = info.object.pointer(path).map(|spec| list(&spec["containers"])).unwrap_or_default();
            containers
                .iter()
                .flat_map(|container| list(&container["ports"]))
                .map(|port| (port, "containerPort"))
                .collect()
        };
        for (port, field) in own {
            numbers.push((port[field].as_i64().unwrap_or(0), port["protocol"].as_str().unwrap_or_default().to_owned()));
        }
    }
    let many = numbers.len() > 1;
    let target = args.text("target-port");
    let port = |(at, (number, own)): (usize, (i64, String))| {
        let protocol = if !protocol.is_empty() {
            &protocol
        } else if own.is_empty() {
            "TCP"
        } else {
            &own
        };
        let mut port = json!({"protocol": protocol, "port": number});
        if many {
            port["name"] = format!("port-{}", at + 1).into();
        }
        port["targetPort"] = match target {
            "" => number.into(),
            text => text.parse::<u16>().map_or_else(|_| text.into(), Value::from),
        };
        port
    };
    Ok(numbers.into_iter().enumerate().map(port).collect())
}

/// `run --expose`
fn exposed(kube: &mut Kube, pod: &Value, port: i64, dry_run: DryRun, output: &Output) -> Outcome<()> {
    let name = &pod["metadata"]["name"];
    let service = json!({"kind": "Service", "apiVersion": "v1", "metadata": {"name": name},
        "spec": {"ports": [{"protocol": "TCP", "port": port, "targetPort": port}], "selector": pod["metadata"]["labels"]}});
    let mut object = in_form(&service).or_else(fail)?;
    if dry_run != DryRun::Client {
        let namespace = kube.namespace()?;
        let request = Request::new("POST", known("v1", "Service").path(&namespace), accept::ANY)
            .json(content::JSON, &object)
            .about("services", "");
        let request = marked(kube, request, dry_run, "kubectl-run");
        object = (*kube.object(&request)?).clone();
    }
    print::outcome(kube, output, &object, "created", dry_run)
}

// ---- autoscale ----

pub fn autoscale(kube: &mut Kube) -> Outcome<()> {
    let dry_run = dry_run(kube)?;
    let output = Output::read(kube, false)?;
    let args = kube.args;
    let (min, max) = (args.int("min"), args.int("max"));
    if max < 1 {
        return fail(if args.is_set("max") {
            format!("--max=MAXPODS must be at least 1, max: {max}")
        } else {
            "required flag(s) \"max\" not set".to_owned()
        });
    }
    if max < min {
        return fail(format!("--max=MAXPODS must be larger or equal to --min=MINPODS, max: {max}, min: {min}"));
    }
    let mut metrics = Vec::new();
    for (name, own) in [("cpu", args.text("cpu")), ("memory", args.text("memory"))] {
        if !own.is_empty() {
            metrics.push(metric(name, own)?);
        }
    }
    if metrics.is_empty() && args.int("cpu-percent") > 0 {
        metrics.push(metric("cpu", &format!("{}%", args.int("cpu-percent")))?);
    }
    if args.is_set("cpu-percent") {
        kube.complain("Flag --cpu-percent has been deprecated, Use --cpu with percentage or resource quantity format (e.g., '70%' for utilization or '500m' for milliCPU).\n");
    }
    let query = Query::of(kube);
    builder::visit(kube, &query, |kube, info| {
        if !matches!(info.resource.kind.as_str(), "Deployment" | "ReplicaSet" | "StatefulSet" | "ReplicationController")
        {
            return fail(format!("cannot autoscale a {}", info.resource.singular_qualified()));
        }
        let name = match kube.args.text("name") {
            "" => info.name.clone(),
            name => name.to_owned(),
        };
        let mut spec = json!({"scaleTargetRef": {"kind": info.resource.kind, "name": info.name, "apiVersion": info.resource.api_version()}, "maxReplicas": max});
        if min > 0 {
            spec["minReplicas"] = min.into();
        }
        if !metrics.is_empty() {
            spec["metrics"] = metrics.clone().into();
        }
        let object = json!({"kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v2", "metadata": {"name": name}, "spec": spec});
        let mut object = in_form(&object).or_else(fail)?;
        if dry_run != DryRun::Client {
            object = scaler(kube, info, &object, dry_run)?;
        }
        print::outcome(kube, &output, &object, "autoscaled", dry_run)
    })
}

fn metric(name: &str, amount: &str) -> Outcome<Value> {
    let target = match amount.strip_suffix('%') {
        Some(share) => match share.parse::<i32>() {
            Ok(share) if share > 0 => json!({"type": "Utilization", "averageUtilization": share}),
            _ => return fail(format!("invalid {name} utilization: {amount}")),
        },
        None => json!({"type": "AverageValue", "averageValue": amount}),
    };
    Ok(json!({"type": "Resource", "resource": {"name": name, "target": target}}))
}

/// Makes the scaler in the newer version, or in the older one if that fails and can say the same.
fn scaler(kube: &mut Kube, info: &Info, object: &Value, dry_run: DryRun) -> Outcome<Value> {
    let send = |kube: &mut Kube, object: &Value| {
        let version = object["apiVersion"].as_str().unwrap_or_default();
        let path = format!("/apis/{version}/namespaces/{}/horizontalpodautoscalers", info.namespace);
        let request = Request::new("POST", path, accept::TYPED).protobuf(object)?.about("horizontalpodautoscalers", "");
        let request = marked(kube, request, dry_run, "kubectl-autoscale");
        kube.object(&request).map(|object| (*object).clone())
    };
    match send(kube, object) {
        Err(Stop::Failed(_)) => {
            let mut older = object.clone();
            older["apiVersion"] = "autoscaling/v1".into();
            // The older version is told of the older flag only.
            let share = kube.args.int("cpu-percent");
            if let Some(spec) = older["spec"].as_object_mut() {
                spec.shift_remove("metrics");
                if share > 0 {
                    spec.insert("targetCPUUtilizationPercentage".to_owned(), share.into());
                }
            }
            send(kube, &in_form(&older).or_else(fail)?)
        }
        other => other,
    }
}
