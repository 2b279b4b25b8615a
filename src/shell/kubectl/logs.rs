//! `kubectl logs`, and `attach`, `exec`, `cp` and `port-forward` as far as their connection would be taken over.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/{logs,exec,attach,cp,portforward}`, `pkg/polymorphichelpers`.

use serde_json::Value;

use super::builder::{self, Info, Query};
use super::client::{Kube, Request, accept};
use super::config::list;
use super::failure::{Failure, Outcome, Stop, all, fail};
use super::print::table::age_of;
use super::write::known;
use crate::shell::printers::go::quote;
use crate::shell::text;

const ATTACH_NOTE: &str = "All commands and output from this session will be recorded in container logs, including credentials and sensitive information passed through the command prompt.\nIf you don't see a command prompt, try pressing enter.\n";
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

pub fn logs(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    let selector = args.text("selector").to_owned();
    let words = args.words.clone();
    if words.is_empty() && selector.is_empty() {
        return fail(
            "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for the logs command\nSee 'kubectl logs -h' for help and examples",
        );
    }
    if !words.is_empty() && !selector.is_empty() {
        return fail("only a selector (-l) or a POD name is allowed");
    }
    if args.bool("all-containers") && args.is_set("container") {
        return fail("--all-containers=true should not be specified with container");
    }
    if args.is_set("since") && args.is_set("since-time") {
        return fail("at most one of `sinceTime` or `sinceSeconds` may be specified");
    }
    let mut container = args.text("container").to_owned();
    let pods = if selector.is_empty() {
        if let [_, second] = &words[..]
            && !words[0].contains('/')
            && container.is_empty()
        {
            container.clone_from(second);
        }
        pods_of(kube, &words[0])?
    } else {
        let query = Query {
            words: vec!["pods".to_owned()],
            selector: selector.clone(),
            accept: accept::ANY,
            ..Query::default()
        };
        builder::infos(kube, &query)?.0
    };
    if pods.is_empty() && !selector.is_empty() {
        let namespace = kube.namespace()?;
        kube.complain(format!("No resources found in {namespace} namespace.\n"));
        return Ok(());
    }
    let mut wanted = Vec::new();
    for pod in &pods {
        for name in containers(kube, pod, &container)? {
            wanted.push((pod.clone(), name));
        }
    }
    let most = args.int("max-log-requests");
    if args.bool("follow") && wanted.len() as i64 > most {
        return fail(format!(
            "you are attempting to follow {} log streams, but maximum allowed concurrency is {most}, use --max-log-requests to increase the limit",
            wanted.len()
        ));
    }
    // Simplified: streams of several containers are followed one after the other.
    let failures = kube.each(&wanted, |kube, (pod, container)| one(kube, pod, container, !selector.is_empty()))?;
    all(failures)
}

/// The pods that a word means: one by name, or one of those that a resource makes.
fn pods_of(kube: &mut Kube, word: &str) -> Outcome<Vec<Info>> {
    let words = if word.contains('/') { vec![word.to_owned()] } else { vec!["pods".to_owned(), word.to_owned()] };
    let query = Query { words, accept: accept::ANY, ..Query::default() };
    let (infos, failures) = builder::infos(kube, &query)?;
    all(failures)?;
    let Some(info) = infos.into_iter().next() else { return Ok(Vec::new()) };
    if info.resource.kind == "Pod" {
        return Ok(vec![info]);
    }
    Ok(vec![first_pod(kube, &info)?])
}

/// One pod of what makes pods: those that are ready and old come first.
pub fn first_pod(kube: &mut Kube, info: &Info) -> Outcome<Info> {
    let selector = match info.resource.kind.as_str() {
        "Service" | "ReplicationController" => super::print::table::format_labels(&info.object["spec"]["selector"]),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" => {
            super::describe::selector_text(&info.object["spec"]["selector"])
        }
        kind => return fail(format!("cannot get the logs from {kind}: selector for {kind} not implemented")),
    };
    let pods = known("v1", "Pod");
    let request =
        Request::get(pods.path(&info.namespace), accept::TYPED).query("labelSelector", selector).about("pods", "");
    let found = kube.object(&request)?;
    let mut items: Vec<&Value> = list(&found["items"]).iter().collect();
    items.sort_by_key(|pod| order(pod));
    let Some(first) = items.first() else { return fail("timed out waiting for the condition") };
    let name = first["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    if items.len() > 1 {
        kube.complain(format!("Found {} pods, using pod/{name}\n", items.len()));
    }
    Ok(Info {
        resource: pods,
        namespace: info.namespace.clone(),
        name,
        object: std::sync::Arc::new((*first).clone()),
        source: String::new(),
    })
}

/// Assigned, running, ready, ready for longer, fewer restarts, older.
fn order(pod: &Value) -> (bool, u8, bool, i128, i64, i128) {
    let status = &pod["status"];
    let phase = match status["phase"].as_str() {
        Some("Running") => 0,
        Some("Unknown") => 1,
        _ => 2,
    };
    let ready = list(&status["conditions"]).iter().find(|condition| condition["type"] == "Ready");
    let since = ready.and_then(|ready| age_of(&ready["lastTransitionTime"])).unwrap_or(i128::MAX);
    let restarts = list(&status["containerStatuses"]).iter().filter_map(|own| own["restartCount"].as_i64()).max();
    let made = age_of(&pod["metadata"]["creationTimestamp"]).unwrap_or(i128::MAX);
    let is_assigned = pod["spec"]["nodeName"].is_string();
    (!is_assigned, phase, ready.is_none_or(|ready| ready["status"] != "True"), since, restarts.unwrap_or(0), made)
}

/// The containers of a pod whose logs are wanted.
fn containers(kube: &mut Kube, pod: &Info, wanted: &str) -> Outcome<Vec<String>> {
    let spec = &pod.object["spec"];
    let names = |field: &str| -> Vec<String> {
        list(&spec[field]).iter().filter_map(|container| container["name"].as_str()).map(str::to_owned).collect()
    };
    let (inits, mains, ephemerals) = (names("initContainers"), names("containers"), names("ephemeralContainers"));
    if kube.args.bool("all-containers") {
        return Ok(inits.into_iter().chain(mains).chain(ephemerals).collect());
    }
    if !wanted.is_empty() {
        let is_known = inits.iter().chain(&mains).chain(&ephemerals).any(|name| name == wanted);
        if !is_known {
            return fail(format!("container {wanted} is not valid for pod {}", pod.name));
        }
        return Ok(vec![wanted.to_owned()]);
    }
    if let Some(name) = pod.object["metadata"]["annotations"][DEFAULT_CONTAINER]
        .as_str()
        .filter(|name| mains.iter().any(|own| own == name))
    {
        return Ok(vec![name.to_owned()]);
    }
    let Some(first) = mains.first().cloned() else {
        return fail(format!("no container found in pod {}", pod.name));
    };
    if mains.len() + inits.len() + ephemerals.len() > 1 {
        let mut all = mains.clone();
        all.extend(inits.iter().map(|name| format!("{name} (init)")));
        all.extend(ephemerals.iter().map(|name| format!("{name} (ephem)")));
        kube.complain(format!("Defaulted container {} out of: {}\n", quote(&first), all.join(", ")));
    }
    Ok(vec![first])
}

fn one(kube: &mut Kube, pod: &Info, container: &str, by_selector: bool) -> Outcome<()> {
    let args = kube.args;
    let mut request =
        Request::get(format!("{}/log", pod.path()), accept::ANY).query("container", container).about("pods", &pod.name);
    if args.bool("follow") {
        request = request.query("follow", "true");
    }
    if args.bool("previous") {
        request = request.query("previous", "true");
    }
    if args.is_set("since") {
        request = request.query("sinceSeconds", (args.duration("since").0 / 1_000_000).to_string());
    }
    request = request.maybe("sinceTime", args.text("since-time"));
    let tail = if args.is_set("tail") {
        args.int("tail")
    } else if by_selector {
        10
    } else {
        -1
    };
    if tail >= 0 {
        request = request.query("tailLines", tail.to_string());
    }
    if args.bool("timestamps") {
        request = request.query("timestamps", "true");
    }
    if args.int("limit-bytes") > 0 {
        request = request.query("limitBytes", args.text("limit-bytes"));
    }
    if args.bool("insecure-skip-tls-verify-backend") {
        request = request.query("insecureSkipTLSVerifyBackend", "true");
    }
    let prefix = if args.bool("prefix") { format!("[pod/{}/{container}] ", pod.name) } else { String::new() };
    stream(kube, &request, &prefix)
}

/// Prints what comes, line by line if each gets something before it.
fn stream(kube: &mut Kube, request: &Request, prefix: &str) -> Outcome<()> {
    let stream = kube.open(request)?;
    kube.fold(Value::Null, |kube, _| {
        let piece = if prefix.is_empty() { kube.run.chunk(stream)? } else { kube.run.line(stream)? };
        let Some(piece) = piece else { return Ok(std::ops::ControlFlow::Break(())) };
        kube.print(format!("{prefix}{}", text::from_bytes(&piece)));
        Ok(std::ops::ControlFlow::Continue(()))
    })?;
    Ok(())
}

/// All that a container printed.
pub fn whole(kube: &mut Kube, pod: &Info, container: &str) -> Outcome<()> {
    let request =
        Request::get(format!("{}/log", pod.path()), accept::ANY).query("container", container).about("pods", &pod.name);
    stream(kube, &request, "")
}

/// Asks for a connection to be taken over, in both ways.
///
/// Simplified: nobody in the lab takes one over, so what is shown is the refusal.
fn upgrade(kube: &mut Kube, path: &str, query: &[(&str, &str)], name: &str) -> Outcome<()> {
    let request = |method: &'static str| {
        let request = Request::new(method, path, "").about("pods", name);
        query.iter().fold(request, |request, (name, value)| request.query(name, *value))
    };
    match kube.call(&request("GET")) {
        Err(Stop::Failed(_)) => kube.call(&request("POST")).map(drop),
        other => other.map(drop),
    }?;
    fail("streams into a container are not built into this lab's kubectl")
}

pub fn exec(kube: &mut Kube) -> Outcome<()> {
    let (words, command) = kube.args.split();
    let (words, command) = (words.to_vec(), command.to_vec());
    let Some(word) = words.first() else {
        return fail("pod, type/name or --filename must be specified");
    };
    if command.is_empty() {
        return fail("you must specify at least one command for the container");
    }
    let pods = pods_of(kube, word)?;
    let Some(pod) = pods.first() else { return fail("no pod found") };
    let wanted = kube.args.text("container").to_owned();
    let container = containers(kube, pod, &wanted)?.remove(0);
    let mut query: Vec<(&str, &str)> = command.iter().map(|word| ("command", &word[..])).collect();
    query.extend([("container", &container[..]), ("stderr", "true"), ("stdout", "true")]);
    if kube.args.bool("stdin") {
        query.push(("stdin", "true"));
    }
    if kube.args.bool("tty") {
        query.retain(|(name, _)| *name != "stderr");
        query.push(("tty", "true"));
    }
    upgrade(kube, &format!("{}/exec", pod.path()), &query, &pod.name)
}

pub fn attach(kube: &mut Kube) -> Outcome<()> {
    let Some(word) = kube.args.words.first().cloned() else {
        return fail("at least 1 argument is required for attach");
    };
    let pods = pods_of(kube, &word)?;
    let Some(pod) = pods.first() else { return fail("no pod found") };
    let wanted = kube.args.text("container").to_owned();
    let container = containers(kube, pod, &wanted)?.remove(0);
    kube.complain(ATTACH_NOTE);
    let query = [("container", &container[..]), ("stderr", "true"), ("stdout", "true")];
    upgrade(kube, &format!("{}/attach", pod.path()), &query, &pod.name)
}

pub fn copy(kube: &mut Kube) -> Outcome<()> {
    let words = kube.args.words.clone();
    let [from, to] = &words[..] else { return fail("source and destination are required") };
    let remote = |spec: &str| spec.split_once(':').map(|(pod, path)| (pod.to_owned(), path.to_owned()));
    let ((Some((pod, path)), None) | (None, Some((pod, path)))) = (remote(from), remote(to)) else {
        return fail("one of src or dest must be a local file specification");
    };
    let (namespace, name) = match pod.split_once('/') {
        Some((namespace, name)) => (namespace.to_owned(), name.to_owned()),
        None => (kube.namespace()?, pod),
    };
    let resource = known("v1", "Pod");
    let request = Request::get(resource.object_path(&namespace, &name), accept::TYPED).about("pods", &name);
    let object = kube.object(&request)?;
    let pod = Info { resource, namespace, name, object, source: String::new() };
    let wanted = kube.args.text("container").to_owned();
    let container = containers(kube, &pod, &wanted)?.remove(0);
    let query = [
        ("command", "tar"),
        ("command", "cf"),
        ("command", "-"),
        ("command", &path[..]),
        ("container", &container[..]),
        ("stderr", "true"),
        ("stdout", "true"),
    ];
    upgrade(kube, &format!("{}/exec", pod.path()), &query, &pod.name)
}

pub fn port_forward(kube: &mut Kube) -> Outcome<()> {
    let words = kube.args.words.clone();
    let [word, _, ..] = &words[..] else {
        return fail("TYPE/NAME and list of ports are required for port-forward");
    };
    let pods = pods_of(kube, word)?;
    let Some(pod) = pods.first() else { return fail("no pod found") };
    let found = kube.object(&pod.request("GET", accept::TYPED))?;
    let phase = found["status"]["phase"].as_str().unwrap_or_default();
    if phase != "Running" {
        return fail(format!("unable to forward port because pod is not running. Current status={phase}"));
    }
    match upgrade(kube, &format!("{}/portforward", pod.path()), &[], &pod.name) {
        Err(Stop::Failed(failure @ Failure::Api(_))) => fail(format!("error upgrading connection: {}", failure.text())),
        other => other,
    }
}

/// An ephemeral container beside those of a pod.
///
/// Simplified: copies of pods, pods on nodes and the profiles other than the oldest are not built.
pub fn debug(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    let (words, command) = args.split();
    let (words, command) = (words.to_vec(), command.to_vec());
    let Some(word) = words.first() else { return fail("NAME is required for debug") };
    if args.text("image").is_empty() {
        return fail("you must specify --image when not using --target-image.");
    }
    if args.text("profile") == "legacy" {
        kube.complain("--profile=legacy is deprecated and will be removed in the future. It is recommended to explicitly specify a profile, for example \"--profile=general\".\n");
    } else {
        return fail(format!("the profile {} is not built into this lab's kubectl", quote(args.text("profile"))));
    }
    let words = if word.contains('/') { vec![word.clone()] } else { vec!["pods".to_owned(), word.clone()] };
    let query = Query { words, accept: accept::ANY, ..Query::default() };
    let (infos, failures) = builder::infos(kube, &query)?;
    all(failures)?;
    let Some(pod) = infos.first() else { return fail("no pod found") };
    if pod.resource.kind != "Pod" {
        return fail(format!("debugging a {} is not built into this lab's kubectl: only pods are", pod.resource.kind));
    }
    let name = match args.text("container") {
        "" => {
            let name = format!("debugger-{}", suffix(kube));
            if !args.bool("quiet") {
                kube.print(format!("Defaulting debug container name to {name}.\n"));
            }
            name
        }
        name => name.to_owned(),
    };
    let mut container = serde_json::json!({"name": name, "image": args.text("image"), "resources": {}, "terminationMessagePolicy": "File"});
    if !command.is_empty() {
        container["command"] = command.into();
    }
    for (flag, field) in [("stdin", "stdin"), ("tty", "tty")] {
        if args.bool(flag) {
            container[field] = true.into();
        }
    }
    for (flag, field) in [("image-pull-policy", "imagePullPolicy"), ("target", "targetContainerName")] {
        if !args.text(flag).is_empty() {
            container[field] = args.text(flag).into();
        }
    }
    let mut new = (*pod.object).clone();
    let mut list: Vec<Value> = super::config::list(&new["spec"]["ephemeralContainers"]).to_vec();
    list.push(container);
    new["spec"]["ephemeralContainers"] = list.into();
    let patch = super::patches::strategic(&pod.object, &new).or_else(fail)?;
    let request = Request::new("PATCH", format!("{}/ephemeralcontainers", pod.path()), accept::TYPED)
        .json(super::client::content::STRATEGIC, &patch)
        .about("pods", &pod.name);
    kube.object(&request).map(drop)
}

/// Five letters as upstream draws them.
fn suffix(kube: &Kube) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let letter = |at: u64| char::from(LETTERS[kube.draw(&format!("suffix {at}"), LETTERS.len() as u64) as usize]);
    (0..5).map(letter).collect()
}
