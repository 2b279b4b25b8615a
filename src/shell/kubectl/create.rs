//! The generators of `kubectl create`: objects from flags, sent by typed clients.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/create`.

use serde_json::{Map, Value, json};

use super::client::{Kube, Request, accept, in_form};
use super::discovery::ApiResource;
use super::failure::{Failure, Outcome, Stop, fail};
use super::flags::DryRun;
use super::openapi::Validation;
use super::print::{self, Output};
use super::write::{dry_run, known, marked};
use crate::k8s::meta::quantity::Quantity;
use crate::k8s::meta::{labels, names};
use crate::shell::printers::go::quote;
use crate::shell::text;

const RBAC: &str = "rbac.authorization.k8s.io";

/// What stands before the server's own words when it refuses.
type Before = &'static str;

/// Sends an object, unless it is only tried, and says so.
fn generate(kube: &mut Kube, object: Value, before: Before) -> Outcome<()> {
    let dry_run = dry_run(kube)?;
    let output = Output::read(kube, false)?;
    let validation = Validation::read(kube)?;
    let config = kube.config()?;
    let mut object = object;
    let text = |name: &str| object[name].as_str().unwrap_or_default().to_owned();
    let resource = known(&text("apiVersion"), &text("kind"));
    if resource.is_namespaced && config.is_namespace_given {
        object["metadata"]["namespace"] = config.namespace.clone().into();
    }
    let mut object = in_form(&object).or_else(fail)?;
    if kube.args.bool("save-config") {
        super::apply::remember(&mut object);
    }
    if dry_run != DryRun::Client {
        object = post(kube, &resource, &object, dry_run, Some(validation)).map_err(|stop| wrap(stop, before))?;
    }
    print::outcome(kube, &output, &object, "created", dry_run)
}

fn post(
    kube: &mut Kube,
    resource: &ApiResource,
    object: &Value,
    dry_run: DryRun,
    validation: Option<Validation>,
) -> Outcome<Value> {
    let namespace = kube.namespace()?;
    let mut request = Request::new("POST", resource.path(&namespace), accept::TYPED).about(&resource.name, "");
    if let Some(validation) = validation {
        request = request.query("fieldValidation", validation.parameter());
    }
    let request = marked(kube, request.protobuf(object)?, dry_run, "kubectl-create");
    kube.object(&request).map(|object| (*object).clone())
}

/// Upstream makes a plain error of the refusal, its words behind others.
fn wrap(stop: Stop, before: Before) -> Stop {
    match stop {
        Stop::Failed(Failure::Network { host, error }) => Stop::Failed(Failure::Network { host, error }),
        Stop::Failed(failure) if !before.is_empty() => {
            Stop::Failed(Failure::Text(format!("{before}{}", failure.text())))
        }
        other => other,
    }
}

/// The one word that names what is made.
fn name(kube: &Kube) -> Outcome<String> {
    let (words, _) = kube.args.split();
    match words {
        [name] => Ok(name.clone()),
        words => {
            let path = kube.args.path();
            fail(format!(
                "exactly one NAME is required, got {}\nSee 'kubectl {path} -h' for help and examples",
                words.len()
            ))
        }
    }
}

fn required(kube: &Kube, flags: &[&str]) -> Outcome<()> {
    let missing: Vec<String> = flags.iter().filter(|flag| !kube.args.is_set(flag)).map(|flag| quote(flag)).collect();
    if missing.is_empty() { Ok(()) } else { fail(format!("required flag(s) {} not set", missing.join(", "))) }
}

fn metadata(name: &str) -> Value {
    json!({"name": name})
}

pub fn namespace(kube: &mut Kube) -> Outcome<()> {
    let name = name(kube)?;
    generate(kube, json!({"kind": "Namespace", "apiVersion": "v1", "metadata": metadata(&name)}), "")
}

pub fn service_account(kube: &mut Kube) -> Outcome<()> {
    let name = name(kube)?;
    let object = json!({"kind": "ServiceAccount", "apiVersion": "v1", "metadata": metadata(&name)});
    generate(kube, object, "failed to create serviceaccount: ")
}

pub fn deployment(kube: &mut Kube) -> Outcome<()> {
    let name = name(kube)?;
    required(kube, &["image"])?;
    let (images, replicas, port) = (kube.args.list("image"), kube.args.int("replicas"), kube.args.int("port"));
    let command = kube.args.split().1.to_vec();
    if images.len() > 1 && !command.is_empty() {
        return fail("cannot specify multiple --image options and command");
    }
    if replicas < 0 {
        return fail("--replicas must be >= 0");
    }
    let containers: Vec<Value> = images
        .iter()
        .map(|image| {
            let mut container = json!({"name": container_name(image), "image": image});
            if !command.is_empty() {
                container["command"] = command.clone().into();
            }
            if port >= 0 {
                container["ports"] = json!([{"containerPort": port}]);
            }
            container
        })
        .collect();
    let labels = json!({"app": name});
    let object = json!({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}}}});
    generate(kube, object, "failed to create deployment: ")
}

/// The last part of an image's name, without what is no part of a container's.
fn container_name(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or_default();
    let end = last.find([':', '@']).unwrap_or(last.len());
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
    last[..end].chars().map(safe).collect::<String>().to_lowercase()
}

pub fn job(kube: &mut Kube) -> Outcome<()> {
    let name = name(kube)?;
    let (image, from) = (kube.args.text("image").to_owned(), kube.args.text("from").to_owned());
    let command = kube.args.split().1.to_vec();
    if image.is_empty() == from.is_empty() {
        return fail("either --image or --from must be specified");
    }
    let object = if from.is_empty() {
        let mut container = json!({"name": name, "image": image});
        if !command.is_empty() {
            container["command"] = command.into();
        }
        json!({"kind": "Job", "apiVersion": "batch/v1", "metadata": metadata(&name),
            "spec": {"template": {"spec": {"containers": [container], "restartPolicy": "Never"}}}})
    } else {
        if !command.is_empty() {
            return fail("cannot specify --from and command");
        }
        job_of(kube, &name, &from)?
    };
    generate(kube, object, "failed to create job: ")
}

/// What a cron job would have started.
fn job_of(kube: &mut Kube, name: &str, from: &str) -> Outcome<Value> {
    let Some((kind, cron)) = from.split_once('/') else {
        return fail("from must be an existing cronjob".to_owned());
    };
    let resource = kube.resource(kind)?;
    if resource.name != "cronjobs" {
        return fail("from must be an existing cronjob");
    }
    let namespace = kube.namespace()?;
    let request = Request::get(resource.object_path(&namespace, cron), accept::ANY).about("cronjobs", cron);
    let found = kube.object(&request)?;
    let template = &found["spec"]["jobTemplate"];
    let mut annotations = Map::new();
    annotations.insert("cronjob.kubernetes.io/instantiate".to_owned(), "manual".into());
    annotations.extend(template["metadata"]["annotations"].as_object().cloned().unwrap_or_default());
    Ok(json!({"kind": "Job", "apiVersion": "batch/v1",
        "metadata": {"name": name, "annotations": annotations, "labels": template["metadata"]["labels"],
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob", "name": cron, "uid": found["metadata"]["uid"], "controller": true}]},
        "spec": template["spec"]}))
}

pub fn cron_job(kube: &mut Kube) -> Outcome<()> {
    let name = name(kube)?;
    required(kube, &["image", "schedule"])?;
    let args = kube.args;
    let restart = match args.text("restart") {
        "" => "OnFailure",
        policy => policy,
    };
    let mut container = json!({"name": name, "image": args.text("image")});
    let command = args.split().1;
    if !command.is_empty() {
        container["command"] = command.to_vec().into();
    }
    let object = json!({"kind": "CronJob", "apiVersion": "batch/v1", "metadata": metadata(&name),
        "spec": {"schedule": args.text("schedule"), "jobTemplate": {"metadata": metadata(&name),
            "spec": {"template": {"spec": {"containers": [container], "restartPolicy": restart}}}}}});
    generate(kube, object, "failed to create cronjob: ")
}

/// Keys and values from `--from-literal`, `--from-file` and `--from-env-file`.
fn data(kube: &mut Kube) -> Outcome<Vec<(String, Vec<u8>)>> {
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    let add = |found: &mut Vec<(String, Vec<u8>)>, key: &str, value: Vec<u8>, what: &str| -> Outcome<()> {
        if let Some(why) = names::config_map_key(key).first() {
            return fail(format!("{} is not valid key name for a {what}: {why}", quote(key)));
        }
        if found.iter().any(|(known, _)| known == key) {
            return fail(format!("cannot add key {key}, another key by that name already exists in Data for {what}"));
        }
        found.push((key.to_owned(), value));
        Ok(())
    };
    let what = if kube.args.path().contains("secret") { "Secret" } else { "ConfigMap" };
    let args = kube.args;
    let envs = args.list("from-env-file");
    if !envs.is_empty() && (args.is_set("from-file") || args.is_set("from-literal")) {
        return fail("from-env-file cannot be combined with from-file or from-literal");
    }
    for spec in args.list("from-file") {
        let (key, path) = match spec.split_once('=') {
            Some((key, path)) if !key.is_empty() && !path.is_empty() => (Some(key), path),
            Some(_) => return fail(format!("key name or file path for file source {spec} missing")),
            None => (None, &spec[..]),
        };
        if let Some(inside) = kube.run.list_files(path) {
            if key.is_some() {
                return fail("cannot give a key name for a directory path");
            }
            for (name, is_directory) in inside {
                if !is_directory {
                    let content = read(kube, &format!("{}/{name}", path.trim_end_matches('/')))?;
                    add(&mut found, &name, content, what)?;
                }
            }
            continue;
        }
        let content = read(kube, path)?;
        let base = crate::shell::files::base_name(path).to_owned();
        add(&mut found, key.unwrap_or(&base), content, what)?;
    }
    for spec in args.list("from-literal") {
        let Some((key, value)) = spec.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return fail(format!("invalid literal source {spec}, expected key=value"));
        };
        let value = value.strip_prefix(['"', '\'']).and_then(|rest| rest.strip_suffix(['"', '\''])).unwrap_or(value);
        add(&mut found, key, text::to_bytes(value).to_vec(), what)?;
    }
    for path in envs {
        let content = String::from_utf8_lossy(&read(kube, &path)?).into_owned();
        for line in content.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            add(&mut found, key, text::to_bytes(value).to_vec(), what)?;
        }
    }
    found.sort();
    Ok(found)
}

fn read(kube: &mut Kube, path: &str) -> Outcome<Vec<u8>> {
    match kube.run.read_file(path) {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(error) => fail(format!("error reading {path}: {}", error.in_go())),
    }
}

pub fn config_map(kube: &mut Kube) -> Outcome<()> {
    let mut name = name(kube)?;
    let (mut plain, mut binary) = (Map::new(), Map::new());
    for (key, value) in data(kube)? {
        match String::from_utf8(value) {
            Ok(text) => drop(plain.insert(key, text.into())),
            Err(error) => drop(binary.insert(key, super::config::encode(error.as_bytes()).into())),
        }
    }
    let mut object = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata(&name)});
    for (field, map) in [("data", plain), ("binaryData", binary)] {
        if !map.is_empty() {
            object[field] = map.into();
        }
    }
    if kube.args.bool("append-hash") {
        name = hashed(&name, &object);
        object["metadata"]["name"] = name.into();
    }
    generate(kube, object, "failed to create configmap: ")
}

/// A name that changes with the content. Simplified: not upstream's hash.
fn hashed(name: &str, object: &Value) -> String {
    format!("{name}-{:010x}", super::client::mix(0, &object.to_string()) & 0xff_ffff_ffff)
}

fn secret(kube: &mut Kube, kind: &str, data: Vec<(String, Vec<u8>)>) -> Outcome<()> {
    let name = name(kube)?;
    let data: Map<String, Value> =
        data.into_iter().map(|(key, value)| (key, super::config::encode(&value).into())).collect();
    let mut object = json!({"kind": "Secret", "apiVersion": "v1", "metadata": metadata(&name)});
    if !data.is_empty() {
        object["data"] = data.into();
    }
    if !kind.is_empty() {
        object["type"] = kind.into();
    }
    generate(kube, object, "failed to create secret ")
}

pub fn secret_generic(kube: &mut Kube) -> Outcome<()> {
    let data = data(kube)?;
    let kind = kube.args.text("type").to_owned();
    secret(kube, &kind, data)
}

pub fn secret_tls(kube: &mut Kube) -> Outcome<()> {
    required(kube, &["cert", "key"])?;
    let (cert, key) = (kube.args.text("cert").to_owned(), kube.args.text("key").to_owned());
    let data = vec![("tls.crt".to_owned(), read(kube, &cert)?), ("tls.key".to_owned(), read(kube, &key)?)];
    // Simplified: that the key fits the certificate is not checked.
    secret(kube, "kubernetes.io/tls", data)
}

pub fn secret_docker(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    let text = |name: &str| args.text(name).to_owned();
    let (server, user, password, email) =
        (text("docker-server"), text("docker-username"), text("docker-password"), text("docker-email"));
    if args.is_set("from-file") {
        let data = data(kube)?;
        let data = data.into_iter().map(|(_, value)| (".dockerconfigjson".to_owned(), value)).collect();
        return secret(kube, "kubernetes.io/dockerconfigjson", data);
    }
    if user.is_empty() || password.is_empty() || server.is_empty() {
        return fail(
            "either --from-file or the combination of --docker-username, --docker-password and --docker-server is required",
        );
    }
    let auth = super::config::encode(format!("{user}:{password}").as_bytes());
    let mut entry = json!({"username": user, "password": password});
    if !email.is_empty() {
        entry["email"] = email.into();
    }
    entry["auth"] = auth.into();
    let content = crate::k8s::json::to_string(&json!({"auths": {server: entry}}));
    secret(kube, "kubernetes.io/dockerconfigjson", vec![(".dockerconfigjson".to_owned(), content.into_bytes())])
}

fn service(kube: &mut Kube, kind: &str, mut spec: Value) -> Outcome<()> {
    let name = name(kube)?;
    let labels = json!({"app": name});
    spec["selector"] = labels.clone();
    spec["type"] = kind.into();
    let object =
        json!({"kind": "Service", "apiVersion": "v1", "metadata": {"name": name, "labels": labels}, "spec": spec});
    let before = match kind {
        "ClusterIP" => "failed to create ClusterIP service: ",
        "NodePort" => "failed to create NodePort service: ",
        "LoadBalancer" => "failed to create LoadBalancer service: ",
        _ => "failed to create ExternalName service: ",
    };
    generate(kube, object, before)
}

/// `--tcp=80:8080`
fn ports(kube: &Kube) -> Outcome<Vec<Value>> {
    let mut ports = Vec::new();
    for spec in kube.args.list("tcp") {
        let (port, target) = spec.split_once(':').unwrap_or((&spec, &spec));
        let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        let Some(port) = number(port) else {
            return fail(format!("invalid port format: {spec}"));
        };
        let name = if spec.contains(':') { spec.replace(':', "-") } else { spec.clone() };
        let target: Value = number(target).map_or_else(|| target.into(), Value::from);
        ports.push(json!({"name": name, "port": port, "targetPort": target, "protocol": "TCP"}));
    }
    Ok(ports)
}

pub fn service_cluster_ip(kube: &mut Kube) -> Outcome<()> {
    let ports = ports(kube)?;
    let ip = kube.args.text("clusterip").to_owned();
    if ports.is_empty() && ip != "None" {
        return fail("at least one tcp port specifier must be provided");
    }
    let mut spec = json!({"ports": ports});
    if !ip.is_empty() {
        spec["clusterIP"] = ip.into();
    }
    service(kube, "ClusterIP", spec)
}

pub fn service_node_port(kube: &mut Kube) -> Outcome<()> {
    required(kube, &["tcp"])?;
    let mut ports = ports(kube)?;
    let node_port = kube.args.int("node-port");
    if node_port != 0 {
        ports.iter_mut().for_each(|port| port["nodePort"] = node_port.into());
    }
    service(kube, "NodePort", json!({"ports": ports}))
}

pub fn service_load_balancer(kube: &mut Kube) -> Outcome<()> {
    required(kube, &["tcp"])?;
    let ports = ports(kube)?;
    service(kube, "LoadBalancer", json!({"ports": ports}))
}

pub fn service_external_name(kube: &mut Kube) -> Outcome<()> {
    required(kube, &["external-name"])?;
    let ports = ports(kube)?;
    let mut spec = json!({"externalName": kube.args.text("external-name")});
    if !ports.is_empty() {
        spec["ports"] = ports.into();
    }
    service(kube, "ExternalName", spec)
}

pub fn quota(kube: &mut Kube) -> Outcome<()> {
    let name = name(kube)?;
    let mut hard = Map::new();
    for pair in kube.args.list("hard") {
        let Some((key, value)) = pair.split_once('=') else {
            return fail(format!("invalid argument syntax {pair}, expected <resource>=<value>"));
        };
        if Quantity::parse(value).is_err() {
            return fail("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
        }
        hard.insert(key.to_owned(), value.into());
    }
    let mut spec = json!({});
    if !hard.is_empty() {
        spec["hard"] = hard.into();
    }
    let scopes = kube.args.list("scopes");
    if !scopes.is_empty() {
        spec["scopes"] = scopes.into();
    }
    let object = json!({"kind": "ResourceQuota", "apiVersion": "v1", "metadata": metadata(&name), "spec": spec});
    generate(kube, object, "failed to create quota: ")
}

/// A number or a share.
fn int_or_string(text: &str) -> Value {
    text.parse::<i32>().map_or_else(|_| text.into(), Value::from)
}

pub fn disruption_budget(kube: &mut Kube) -> Outcome<()> {
    let name = name(kube)?;
    let args = kube.args;
    let (min, max, selector) = (args.text("min-available"), args.text("max-unavailable"), args.text("selector"));
    if selector.is_empty() {
        return fail("a selector must be specified");
    }
    if min.is_empty() == max.is_empty() {
        return fail(if min.is_empty() {
            "one of min-available or max-unavailable must be specified"
        } else {
            "min-available and max-unavailable cannot be both specified"
        });
    }
    let mut spec = json!({});
    if !min.is_empty() {
        spec["minAvailable"] = int_or_string(min);
    }
    spec["selector"] = match label_selector(selector) {
        Ok(selector) => selector,
        Err(error) => return fail(error),
    };
    if !max.is_empty() {
        spec["maxUnavailable"] = int_or_string(max);
    }
    let object =
        json!({"kind": "PodDisruptionBudget", "apiVersion": "policy/v1", "metadata": metadata(&name), "spec": spec});
    generate(kube, object, "failed to create poddisruptionbudgets: ")
}

/// `a=b,c in (d)` as an object has it.
fn label_selector(text: &str) -> Result<Value, String> {
    let selector = labels::Selector::parse(text)?;
    let (mut matched, mut expressions) = (Map::new(), Vec::new());
    for requirement in &selector.requirements {
        let (key, operator, values) = (&requirement.key, requirement.operator, &requirement.values);
        let name = match operator {
            labels::Operator::Equals | labels::Operator::DoubleEquals => {
                matched.insert(key.clone(), values.iter().next().cloned().unwrap_or_default().into());
                continue;
            }
            labels::Operator::In => "In",
            labels::Operator::NotIn | labels::Operator::NotEquals => "NotIn",
            labels::Operator::Exists => "Exists",
            labels::Operator::DoesNotExist => "DoesNotExist",
            _ => return Err(format!("{text:?} cannot be a label selector of an object")),
        };
        let mut expression = json!({"key": key, "operator": name});
        if !values.is_empty() {
            expression["values"] = values.iter().cloned().collect::<Vec<_>>().into();
        }
        expressions.push(expression);
    }
    let mut selector = json!({});
    if !matched.is_empty() {
        selector["matchLabels"] = matched.into();
    }
    if !expressions.is_empty() {
        selector["matchExpressions"] = expressions.into();
    }
    Ok(selector)
}

pub fn priority_class(kube: &mut Kube) -> Outcome<()> {
    let name = name(kube)?;
    required(kube, &["value"])?;
    let args = kube.args;
    let policy = match args.text("preemption-policy") {
        "" => "PreemptLowerPriority",
        policy => policy,
    };
    let object = json!({"kind": "PriorityClass", "apiVersion": "scheduling.k8s.io/v1", "metadata": metadata(&name),
        "value": args.int("value"), "globalDefault": args.bool("global-default"), "description": args.text("description"),
        "preemptionPolicy": policy});
    generate(kube, object, "failed to create priorityclass: ")
}

pub fn ingress(kube: &mut Kube) -> Outcome<()> {
    let name = name(kube)?;
    let args = kube.args;
    let (rules, class, default) = (args.list("rule"), args.text("class"), args.text("default-backend"));
    if rules.is_empty() && default.is_empty() {
        return fail(
            "not enough information provided: every ingress has to either specify a default-backend (which catches all traffic) or a list of rules (which catch specific paths)",
        );
    }
    let mut spec = json!({});
    if !class.is_empty() {
        spec["ingressClassName"] = class.into();
    }
    if !default.is_empty() {
        let Some(backend) = backend(default) else {
            return fail("default-backend should be in format servicename:serviceport");
        };
        spec["defaultBackend"] = backend;
    }
    let mut hosts: Vec<(String, Vec<Value>)> = Vec::new();
    let mut tls: Vec<(String, Vec<String>)> = Vec::new();
    for rule in &rules {
        let (main, options) = rule.split_once(',').map_or((&rule[..], None), |(main, options)| (main, Some(options)));
        let parts = main.split_once('=').and_then(|(place, target)| Some((place.split_once('/')?, backend(target)?)));
        let Some(((host, path), backend)) = parts else {
            return fail(format!(
                "rule {rule} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]"
            ));
        };
        if let Some(options) = options {
            let secret = options.strip_prefix("tls").map(|rest| rest.trim_start_matches('=').to_owned());
            let Some(secret) = secret else {
                return fail(format!(
                    "rule {rule} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]"
                ));
            };
            match tls.iter_mut().find(|(known, _)| *known == secret) {
                Some((_, hosts)) => hosts.push(host.to_owned()),
                None => tls.push((secret, vec![host.to_owned()])),
            }
        }
        let (path, kind) = match path.strip_suffix('*') {
            Some(path) => (format!("/{path}"), "Prefix"),
            None => (format!("/{path}"), "Exact"),
        };
        let path = json!({"path": path, "pathType": kind, "backend": backend});
        match hosts.iter_mut().find(|(known, _)| known == host) {
            Some((_, paths)) => paths.push(path),
            None => hosts.push((host.to_owned(), vec![path])),
        }
    }
    if !tls.is_empty() {
        let entry = |(secret, hosts): &(String, Vec<String>)| {
            let mut entry = json!({"hosts": hosts});
            if !secret.is_empty() {
                entry["secretName"] = secret.as_str().into();
            }
            entry
        };
        spec["tls"] = tls.iter().map(entry).collect::<Vec<_>>().into();
    }
    let rule = |(host, paths): &(String, Vec<Value>)| {
        let mut rule = json!({"http": {"paths": paths}});
        if !host.is_empty() {
            rule["host"] = host.as_str().into();
        }
        rule
    };
    if !hosts.is_empty() {
        spec["rules"] = hosts.iter().map(rule).collect::<Vec<_>>().into();
    }
    let mut object =
        json!({"kind": "Ingress", "apiVersion": "networking.k8s.io/v1", "metadata": metadata(&name), "spec": spec});
    let annotations: Map<String, Value> = args
        .list("annotation")
        .iter()
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect();
    if !annotations.is_empty() {
        object["metadata"]["annotations"] = annotations.into();
    }
    generate(kube, object, "failed to create ingress: ")
}

/// `svc:80`, `svc:http`
fn backend(text: &str) -> Option<Value> {
    let (service, port) = text.split_once(':').filter(|(service, port)| !service.is_empty() && !port.is_empty())?;
    let port = port.parse::<u16>().map_or_else(|_| json!({"name": port}), |number| json!({"number": number}));
    Some(json!({"service": {"name": service, "port": port}}))
}

pub fn role(kube: &mut Kube) -> Outcome<()> {
    let name = name(kube)?;
    let rules = rules(kube)?;
    let object =
        json!({"kind": "Role", "apiVersion": format!("{RBAC}/v1"), "metadata": metadata(&name), "rules": rules});
    generate(kube, object, "")
}

pub fn cluster_role(kube: &mut Kube) -> Outcome<()> {
    let name = name(kube)?;
    let args = kube.args;
    let (urls, aggregation) = (args.list("non-resource-url"), args.list("aggregation-rule"));
    let mut object = json!({"kind": "ClusterRole", "apiVersion": format!("{RBAC}/v1"), "metadata": metadata(&name)});
    if !aggregation.is_empty() {
        let labels: Map<String, Value> = aggregation
            .iter()
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect();
        object["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": labels}]});
        object["rules"] = json!([]);
        return generate(kube, object, "");
    }
    let mut found = if urls.is_empty() || args.is_set("resource") { rules(kube)? } else { Vec::new() };
    if !urls.is_empty() {
        found.push(json!({"verbs": unique(args.list("verb")), "nonResourceURLs": urls}));
    }
    object["rules"] = found.into();
    generate(kube, object, "")
}

fn unique(list: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for item in list {
        if !out.contains(&item) {
            out.push(item);
        }
    }
    out
}

/// Rules from `--verb`, `--resource` and `--resource-name`: one for each group.
fn rules(kube: &mut Kube) -> Outcome<Vec<Value>> {
    let args = kube.args;
    let verbs = unique(args.list("verb"));
    let verbs = if verbs.iter().any(|verb| verb == "*") { vec!["*".to_owned()] } else { verbs };
    if verbs.is_empty() {
        return fail("at least one verb must be specified");
    }
    let wanted = args.list("resource");
    if wanted.is_empty() {
        return fail("at least one resource must be specified");
    }
    let names = args.list("resource-name");
    if !names.is_empty() && wanted.len() > 1 {
        return fail("resource name(s) can not be applied to multiple resources");
    }
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for word in wanted {
        let (main, sub) = word.split_once('/').map_or((&word[..], ""), |(main, sub)| (main, sub));
        let (group, name) = if main == "*" {
            (String::new(), "*".to_owned())
        } else {
            match kube.look_up(|discovery| discovery.find(main).cloned())? {
                Some(resource) => (resource.group, resource.name),
                None if main.contains('.') || !sub.is_empty() || main == "*" => {
                    let (name, group) = main.split_once('.').unwrap_or((main, ""));
                    (group.to_owned(), name.to_owned())
                }
                None => {
                    // Upstream says it without `error: `.
                    let missing = Failure::NoResource(super::discovery::missing(main));
                    return Err(Stop::Failed(Failure::Said(missing.text())));
                }
            }
        };
        let name = if sub.is_empty() { name } else { format!("{name}/{sub}") };
        match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, resources)) if !resources.contains(&name) => resources.push(name),
            Some(_) => {}
            None => groups.push((group, vec![name])),
        }
    }
    let rule = |(group, resources): (String, Vec<String>)| {
        let mut rule = json!({"verbs": verbs, "apiGroups": [group], "resources": resources});
        if !names.is_empty() {
            rule["resourceNames"] = names.clone().into();
        }
        rule
    };
    Ok(groups.into_iter().map(rule).collect())
}

/// Whom a binding is for.
fn subjects(kube: &Kube) -> Outcome<Vec<Value>> {
    let args = kube.args;
    let mut subjects = Vec::new();
    for (flag, kind) in [("user", "User"), ("group", "Group")] {
        for name in args.list(flag) {
            subjects.push(json!({"kind": kind, "apiGroup": RBAC, "name": name}));
        }
    }
    for account in args.list("serviceaccount") {
        let Some((namespace, name)) =
            account.split_once(':').filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty())
        else {
            return fail("serviceaccount must be <namespace>:<name>");
        };
        subjects.push(json!({"kind": "ServiceAccount", "name": name, "namespace": namespace}));
    }
    Ok(subjects)
}

fn binding(kube: &mut Kube, kind: &str, role_kind: &str, role: &str, before: Before) -> Outcome<()> {
    let name = name(kube)?;
    let mut object = json!({"kind": kind, "apiVersion": format!("{RBAC}/v1"), "metadata": metadata(&name)});
    let subjects = subjects(kube)?;
    if !subjects.is_empty() {
        object["subjects"] = subjects.into();
    }
    object["roleRef"] = json!({"apiGroup": RBAC, "kind": role_kind, "name": role});
    generate(kube, object, before)
}

pub fn role_binding(kube: &mut Kube) -> Outcome<()> {
    let (role, cluster) = (kube.args.text("role").to_owned(), kube.args.text("clusterrole").to_owned());
    if role.is_empty() == cluster.is_empty() {
        return fail("exactly one of clusterrole or role must be specified");
    }
    let (kind, role) = if cluster.is_empty() { ("Role", role) } else { ("ClusterRole", cluster) };
    binding(kube, "RoleBinding", kind, &role, "failed to create rolebinding: ")
}

pub fn cluster_role_binding(kube: &mut Kube) -> Outcome<()> {
    required(kube, &["clusterrole"])?;
    let role = kube.args.text("clusterrole").to_owned();
    binding(kube, "ClusterRoleBinding", "ClusterRole", &role, "failed to create clusterrolebinding: ")
}

pub fn token(kube: &mut Kube) -> Outcome<()> {
    let name = name(kube)?;
    let output = Output::read(kube, false)?;
    let namespace = kube.namespace()?;
    let args = kube.args;
    let mut spec = json!({});
    let audiences = args.list("audience");
    if !audiences.is_empty() {
        spec["audiences"] = audiences.into();
    }
    let seconds = args.duration("duration").0 / 1_000_000;
    if seconds > 0 {
        spec["expirationSeconds"] = seconds.into();
    }
    let (kind, bound, uid) =
        (args.text("bound-object-kind"), args.text("bound-object-name"), args.text("bound-object-uid"));
    if !kind.is_empty() {
        if bound.is_empty() {
            return fail("--bound-object-name is required if --bound-object-kind is provided");
        }
        spec["boundObjectRef"] = json!({"kind": kind, "apiVersion": "v1", "name": bound, "uid": uid});
    }
    let object = in_form(&json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": spec}))
        .or_else(fail)?;
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
    let request = Request::new("POST", path, accept::TYPED).protobuf(&object)?.about("serviceaccounts", &name);
    let answer = kube.object(&request).map_err(|stop| match stop {
        Stop::Failed(failure) if failure.is_not_found() => {
            Stop::Failed(Failure::Text(format!("failed to create token: {}", failure.text())))
        }
        other => wrap(other, "failed to create token: "),
    })?;
    if output.is_human() {
        let token = answer["status"]["token"].as_str().unwrap_or_default();
        if token.is_empty() {
            return fail("failed to create token: no token in server response");
        }
        kube.print(token);
        return Ok(());
    }
    print::outcome(kube, &output, &answer, "", DryRun::None)
}
