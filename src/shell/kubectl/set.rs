//! `kubectl set image|env|resources|selector|serviceaccount`: pod templates changed in place.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/set`.

use serde_json::{Map, Value, json};

use super::builder::{self, Info, Query};
use super::client::{Kube, accept, content};
use super::config::list;
use super::failure::{Outcome, fail};
use super::flags::DryRun;
use super::patches;
use super::print::{self, Output};
use super::write::{dry_run, marked};
use crate::k8s::meta::quantity::Quantity;
use crate::shell::printers::go::quote;

const MANAGER: &str = "kubectl-set";

/// Where a kind keeps the pods that it makes.
pub fn pod_spec_path(kind: &str) -> Option<&'static str> {
    match kind {
        "Pod" => Some("/spec"),
        "CronJob" => Some("/spec/jobTemplate/spec/template/spec"),
        "Deployment" | "DaemonSet" | "ReplicaSet" | "StatefulSet" | "ReplicationController" | "Job" => {
            Some("/spec/template/spec")
        }
        _ => None,
    }
}

/// Words up to the first that changes something, and those that do.
fn split(words: &[String]) -> (Vec<String>, Vec<String>) {
    let is_change = |word: &&String| word.contains('=') || word.ends_with('-') && word.len() > 1;
    let (mut resources, mut changes) = (Vec::new(), Vec::new());
    for word in words {
        if is_change(&word) { changes.push(word.clone()) } else { resources.push(word.clone()) }
    }
    (resources, changes)
}

/// Changes the pods of each object, sends what differs, and says so.
fn change(
    kube: &mut Kube,
    words: Vec<String>,
    said: &str,
    act: impl Fn(&mut Kube, &Info, &mut Value) -> Outcome<()>,
) -> Outcome<()> {
    let dry_run = dry_run(kube)?;
    let output = Output::read(kube, false)?;
    if words.is_empty() && kube.args.list("filename").is_empty() {
        return fail("one or more resources must be specified as <resource> <name> or <resource>/<name>");
    }
    let local = kube.args.bool("local");
    let query = Query { words, accept: accept::ANY, local, ..Query::of(kube) };
    builder::visit(kube, &query, |kube, info| {
        let Some(path) = pod_spec_path(&info.resource.kind) else {
            return fail(format!(
                "{} {} the object is not a pod or does not have a pod template: {}",
                info.resource.singular_qualified(),
                info.name,
                info.resource.kind
            ));
        };
        let mut object = (*info.object).clone();
        let Some(spec) = object.pointer_mut(path) else {
            return fail(format!("{} has no pod template", info.resource_name()));
        };
        act(kube, info, spec)?;
        let patch = patches::strategic(&info.object, &object).or_else(fail)?;
        let is_same = patch.as_object().is_some_and(Map::is_empty);
        if is_same && !local && dry_run == DryRun::None {
            // Nothing to change, and nothing to say.
            return Ok(());
        }
        if dry_run != DryRun::Client && !local {
            let request = info.request("PATCH", accept::ANY).json(content::STRATEGIC, &patch);
            let request = marked(kube, request, dry_run, MANAGER);
            object = (*kube.object(&request)?).clone();
        }
        print::outcome(kube, &output, &object, said, dry_run)
    })
}

/// The containers that a name or `*` means, of both kinds.
fn containers<'o>(spec: &'o mut Value, wanted: &str) -> Vec<&'o mut Value> {
    let mut found = Vec::new();
    let Some(map) = spec.as_object_mut() else { return found };
    for (field, value) in map.iter_mut() {
        if field == "containers" || field == "initContainers" {
            found.extend(value.as_array_mut().into_iter().flatten());
        }
    }
    found.retain(|container| wanted == "*" || container["name"] == wanted);
    found
}

pub fn image(kube: &mut Kube) -> Outcome<()> {
    let (resources, changes) = split(&kube.args.words);
    if changes.is_empty() {
        return fail("at least one image update is required");
    }
    let mut pairs = Vec::new();
    for change in &changes {
        match change.split_once('=') {
            Some((name, image)) if !name.is_empty() && !image.is_empty() => {
                pairs.push((name.to_owned(), image.to_owned()))
            }
            _ => return fail(format!("invalid image specification: {change}")),
        }
    }
    if pairs.len() > 1 && pairs.iter().any(|(name, _)| name == "*") {
        return fail(
            "all containers are already specified by *, but saw more than one container_name=container_image pairs",
        );
    }
    change(kube, resources, "image updated", |_, _, spec| {
        for (name, image) in &pairs {
            let found = containers(spec, name);
            if found.is_empty() {
                return fail(format!("unable to find container named {}", quote(name)));
            }
            found.into_iter().for_each(|container| container["image"] = image.as_str().into());
        }
        Ok(())
    })
}

pub fn env(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    let (resources, mut changes) = split(&args.words);
    changes.extend(args.list("env"));
    let wanted = match args.text("containers") {
        "" => "*".to_owned(),
        name => name.to_owned(),
    };
    if args.bool("list") {
        return list_env(kube, resources);
    }
    let from = from_env(kube)?;
    if changes.is_empty() && from.is_empty() {
        return fail("at least one environment variable must be provided");
    }
    let (overwrite, overwrite_given) = (args.bool("overwrite"), args.is_set("overwrite"));
    change(kube, resources, "env updated", |_, info, spec| {
        let found = containers(spec, &wanted);
        if found.is_empty() {
            return fail(format!("{} does not have any containers matching {}", info.resource_name(), quote(&wanted)));
        }
        for container in found {
            let mut list: Vec<Value> = list(&container["env"]).to_vec();
            for variable in &from {
                set_variable(&mut list, variable.clone());
            }
            for change in &changes {
                if let Some((name, value)) = change.split_once('=') {
                    let clash = list.iter().any(|known| known["name"] == name && known["value"] != value);
                    if clash && overwrite_given && !overwrite {
                        return fail(format!("'{name}' already has a value, and --overwrite is false"));
                    }
                    set_variable(&mut list, json!({"name": name, "value": value}));
                } else if let Some(name) = change.strip_suffix('-') {
                    list.retain(|known| known["name"] != name);
                }
            }
            match (container.as_object_mut(), list.is_empty()) {
                (Some(map), true) => drop(map.shift_remove("env")),
                (Some(map), false) => drop(map.insert("env".to_owned(), list.into())),
                _ => {}
            }
        }
        Ok(())
    })
}

fn set_variable(list: &mut Vec<Value>, variable: Value) {
    match list.iter_mut().find(|known| known["name"] == variable["name"]) {
        Some(known) => *known = variable,
        None => list.push(variable),
    }
}

/// Variables from the keys of a config map or a secret.
fn from_env(kube: &mut Kube) -> Outcome<Vec<Value>> {
    let from = kube.args.text("from").to_owned();
    if from.is_empty() {
        return Ok(Vec::new());
    }
    let (prefix, keys) = (kube.args.text("prefix").to_owned(), kube.args.list("keys"));
    let query = Query { words: vec![from.clone()], accept: accept::ANY, ..Query::default() };
    let (infos, failures) = builder::infos(kube, &query)?;
    super::failure::all(failures)?;
    let mut found = Vec::new();
    for info in infos {
        let (field, resource) = match info.resource.kind.as_str() {
            "ConfigMap" => ("configMapKeyRef", "data"),
            "Secret" => ("secretKeyRef", "data"),
            other => return fail(format!("unsupported resource specified in --from: {other}")),
        };
        let mut names: Vec<String> =
            info.object[resource].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        names.sort();
        for name in names.into_iter().filter(|name| keys.is_empty() || keys.contains(name)) {
            let shown: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            let shown = format!("{prefix}{}", shown.to_uppercase());
            found.push(json!({"name": shown, "valueFrom": {field: {"name": info.name, "key": name}}}));
        }
    }
    Ok(found)
}

fn list_env(kube: &mut Kube, words: Vec<String>) -> Outcome<()> {
    let query = Query { words, accept: accept::ANY, ..Query::of(kube) };
    builder::visit(kube, &query, |kube, info| {
        let Some(spec) = pod_spec_path(&info.resource.kind).and_then(|path| info.object.pointer(path)) else {
            return Ok(());
        };
        let mut out = String::new();
        for container in list(&spec["containers"]) {
            let name = container["name"].as_str().unwrap_or_default();
            out += &format!("# {} {}, container {name}\n", info.resource.name, info.name);
            for variable in list(&container["env"]) {
                let own = variable["name"].as_str().unwrap_or_default();
                match variable["value"].as_str() {
                    Some(value) => out += &format!("{own}={value}\n"),
                    None => out += &format!("# {own} from {}\n", source(&variable["valueFrom"])),
                }
            }
        }
        kube.print(out);
        Ok(())
    })
}

fn source(from: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(reference) = from.get("configMapKeyRef") {
        return format!("configmap {}, key {}", text(&reference["name"]), text(&reference["key"]));
    }
    if let Some(reference) = from.get("secretKeyRef") {
        return format!("secret {}, key {}", text(&reference["name"]), text(&reference["key"]));
    }
    format!("field path {}", text(&from["fieldRef"]["fieldPath"]))
}

/// `cpu=200m,memory=512Mi`
fn amounts(text: &str) -> Outcome<Map<String, Value>> {
    let mut found = Map::new();
    for pair in text.split(',').filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return fail(format!("invalid argument syntax {pair}, expected <resource>=<value>"));
        };
        if Quantity::parse(value).is_err() {
            return fail("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
        }
        found.insert(name.to_owned(), value.into());
    }
    Ok(found)
}

pub fn resources(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    let (limits, requests) = (amounts(args.text("limits"))?, amounts(args.text("requests"))?);
    if limits.is_empty() && requests.is_empty() {
        return fail("you must specify an update to requests or limits (in the form of --requests/--limits)");
    }
    let wanted = match args.text("containers") {
        "" => "*".to_owned(),
        name => name.to_owned(),
    };
    change(kube, args.words.clone(), "resource requirements updated", |_, _, spec| {
        let found = containers(spec, &wanted);
        if found.is_empty() {
            return fail(format!("unable to find container named {}", quote(&wanted)));
        }
        for container in found {
            for (field, amounts) in [("limits", &limits), ("requests", &requests)] {
                if amounts.is_empty() {
                    continue;
                }
                if !container["resources"].is_object() {
                    container["resources"] = json!({});
                }
                let mut own = container["resources"][field].as_object().cloned().unwrap_or_default();
                // Nothing takes an amount away.
                own.extend(amounts.iter().map(|(name, value)| (name.clone(), value.clone())));
                own.retain(|_, value| value != "0");
                container["resources"][field] = own.into();
            }
        }
        Ok(())
    })
}

pub fn service_account(kube: &mut Kube) -> Outcome<()> {
    let mut words = kube.args.words.clone();
    let Some(account) = words.pop() else { return fail("serviceaccount is required") };
    if words.is_empty() && kube.args.list("filename").is_empty() {
        return fail("resource name and serviceaccount are required");
    }
    change(kube, words, "serviceaccount updated", |_, _, spec| {
        spec["serviceAccountName"] = account.as_str().into();
        if !spec["serviceAccount"].is_null() {
            spec["serviceAccount"] = account.as_str().into();
        }
        Ok(())
    })
}

pub fn selector(kube: &mut Kube) -> Outcome<()> {
    let dry_run = dry_run(kube)?;
    let output = Output::read(kube, false)?;
    let mut words = kube.args.words.clone();
    let Some(text) = words.pop().filter(|text| text.contains('=')) else {
        return fail(
            "one or more resources must be specified as <resource> <name> or <resource>/<name>, and a selector",
        );
    };
    let selector: Map<String, Value> = text
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect();
    let query = Query { words, accept: accept::ANY, ..Query::of(kube) };
    builder::visit(kube, &query, |kube, info| {
        if info.resource.kind != "Service" {
            return fail(format!("setting a selector is only supported for Services, not {}", info.resource.kind));
        }
        let mut object = (*info.object).clone();
        object["spec"]["selector"] = selector.clone().into();
        let patch = patches::strategic(&info.object, &object).or_else(fail)?;
        if dry_run != DryRun::Client {
            let request = info.request("PATCH", accept::ANY).json(content::STRATEGIC, &patch);
            let request = marked(kube, request, dry_run, MANAGER);
            object = (*kube.object(&request)?).clone();
        }
        print::outcome(kube, &output, &object, "selector updated", dry_run)
    })
}
