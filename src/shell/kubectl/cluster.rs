//! Commands about the server as a whole: `api-resources`, `api-versions`, `version`, `cluster-info`, `options`.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/{apiresources,version,clusterinfo,options}`.

use serde_json::{Value, json};

use super::client::{Kube, Request, VERSION, accept};
use super::config::list;
use super::discovery::{ApiResource, join_version};
use super::failure::{Outcome, fail};
use super::help;
use super::print::tabs::align;
use crate::k8s::{json as json_text, yaml};

const KUSTOMIZE: &str = "v5.7.1";

pub fn options(kube: &mut Kube) -> Outcome<()> {
    kube.print(help::options());
    Ok(())
}

pub fn api_versions(kube: &mut Kube) -> Outcome<()> {
    no_words(kube)?;
    let discovery = kube.discovery()?;
    let mut versions: Vec<String> =
        discovery.versions.iter().map(|known| join_version(&known.group, &known.version)).collect();
    versions.sort();
    kube.print(versions.iter().map(|version| format!("{version}\n")).collect::<String>());
    Ok(())
}

fn no_words(kube: &Kube) -> Outcome<()> {
    let args = kube.args;
    if args.words.is_empty() {
        return Ok(());
    }
    fail(format!(
        "unexpected arguments: [{}]\nSee 'kubectl {} -h' for help and examples",
        args.words.join(" "),
        args.path()
    ))
}

pub fn api_resources(kube: &mut Kube) -> Outcome<()> {
    no_words(kube)?;
    let args = kube.args;
    let (output, group, sort) = (args.text("output"), args.text("api-group"), args.text("sort-by"));
    if !matches!(output, "" | "wide" | "name" | "json" | "yaml") {
        return fail(format!("--output {output} is not available"));
    }
    if !matches!(sort, "" | "name" | "kind") {
        return fail("--sort-by accepts only name or kind");
    }
    let (verbs, categories) = (args.list("verbs"), args.list("categories"));
    let discovery = kube.discovery()?;
    let fits = |resource: &&ApiResource| {
        resource.is_preferred
            && !resource.verbs.is_empty()
            && (!args.is_set("api-group") || resource.group == group)
            && (!args.is_set("namespaced") || resource.is_namespaced == args.bool("namespaced"))
            && verbs.iter().all(|verb| resource.can(verb))
            && categories.iter().all(|name| resource.categories.contains(name))
    };
    let mut found: Vec<&ApiResource> = discovery.resources.iter().filter(fits).collect();
    found.sort_by(|a, b| match sort {
        "name" => a.name.cmp(&b.name),
        "kind" => a.kind.cmp(&b.kind),
        _ => a.group.cmp(&b.group).then_with(|| a.name.cmp(&b.name)),
    });
    if output == "name" {
        kube.print(found.iter().map(|resource| format!("{}\n", resource.qualified())).collect::<String>());
        return Ok(());
    }
    if matches!(output, "json" | "yaml") {
        let list = resource_list(&found);
        kube.print(if output == "json" { json_text::to_string_pretty(&list) + "\n" } else { yaml::to_string(&list) });
        return Ok(());
    }
    let wide = output == "wide";
    let mut out = String::new();
    if !args.bool("no-headers") {
        out += "NAME\tSHORTNAMES\tAPIVERSION\tNAMESPACED\tKIND";
        out += if wide { "\tVERBS\tCATEGORIES\n" } else { "\n" };
    }
    for resource in found {
        let short = resource.short_names.join(",");
        let (version, namespaced) = (resource.api_version(), resource.is_namespaced);
        out += &format!("{}\t{short}\t{version}\t{namespaced}\t{}", resource.name, resource.kind);
        if wide {
            out += &format!("\t{}\t{}", resource.verbs.join(","), resource.categories.join(","));
        }
        out += "\n";
    }
    kube.print(align(&out, 6, 3));
    Ok(())
}

fn resource_list(found: &[&ApiResource]) -> Value {
    let resource = |own: &&ApiResource| {
        let mut shown = json!({"group": own.group, "kind": own.kind, "name": own.name, "namespaced": own.is_namespaced,
            "singularName": own.singular, "verbs": own.verbs, "version": own.version});
        if !own.short_names.is_empty() {
            shown["shortNames"] = own.short_names.clone().into();
        }
        if !own.categories.is_empty() {
            shown["categories"] = own.categories.clone().into();
        }
        shown
    };
    let mut list = json!({"apiVersion": "v1", "groupVersion": "", "kind": "APIResourceList", "resources": found.iter().map(resource).collect::<Vec<_>>()});
    list.sort_all_objects();
    list
}

pub fn version(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    if !args.words.is_empty() {
        return fail(format!("extra arguments: [{}]", args.words.join(" ")));
    }
    let output = args.text("output").to_owned();
    if !matches!(&output[..], "" | "json" | "yaml") {
        return fail("--output must be 'yaml' or 'json'");
    }
    let mut shown = json!({"clientVersion": {
        "buildDate": "2026-02-26T20:18:51Z", "compiler": "gc", "gitCommit": "fdc9d74", "gitTreeState": "clean",
        "gitVersion": VERSION, "goVersion": "go1.25.7", "major": "1", "minor": "35", "platform": "linux/amd64",
    }, "kustomizeVersion": KUSTOMIZE});
    let mut failed = Ok(());
    if !args.bool("client") {
        let request = Request::get("/version", accept::ANY).query("timeout", "32s");
        match kube.object(&request) {
            Ok(version) => shown["serverVersion"] = (*version).clone(),
            Err(super::failure::Stop::Pending) => return Err(super::failure::Stop::Pending),
            Err(other) => failed = Err(other),
        }
    }
    shown.sort_all_objects();
    kube.print(match &output[..] {
        "json" => json_text::to_string_pretty(&shown).replace("    ", "  ") + "\n",
        "yaml" => yaml::to_string(&shown),
        _ => {
            let mut out = format!("Client Version: {VERSION}\nKustomize Version: {KUSTOMIZE}\n");
            if let Some(server) = shown["serverVersion"]["gitVersion"].as_str() {
                out += &format!("Server Version: {server}\n");
            }
            out
        }
    });
    if let Some(warning) = skew(shown["serverVersion"]["minor"].as_str().unwrap_or_default()) {
        kube.complain(warning);
    }
    failed
}

/// More than one minor version apart is not supported.
fn skew(minor: &str) -> Option<String> {
    let minor: i64 = minor.trim_end_matches('+').parse().ok()?;
    ((minor - 35).abs() > 1).then(|| {
        format!("WARNING: version difference between client (1.35) and server (1.{minor}) exceeds the supported minor version skew of +/-1\n")
    })
}

pub fn info(kube: &mut Kube) -> Outcome<()> {
    let config = kube.config()?;
    let services = kube.resource("services")?;
    let request = Request::get(services.path("kube-system"), accept::ANY)
        .query("labelSelector", "kubernetes.io/cluster-service=true")
        .about("services", "");
    let found = kube.object(&request)?;
    let server = config.server.trim_end_matches('/');
    // Simplified: without colours, as when the output is no terminal.
    let mut out = format!("Kubernetes control plane is running at {server}\n");
    for service in list(&found["items"]) {
        let labels = &service["metadata"]["labels"];
        let own = service["metadata"]["name"].as_str().unwrap_or_default();
        let name = labels["kubernetes.io/name"].as_str().unwrap_or(own);
        let port = &service["spec"]["ports"][0];
        let scheme = if port["name"] == "https" || port["port"] == 443 { "https:" } else { "" };
        let port_name = port["name"].as_str().unwrap_or_default();
        out += &format!(
            "{name} is running at {server}/api/v1/namespaces/kube-system/services/{scheme}{own}:{port_name}/proxy\n"
        );
    }
    kube.print(out + "\nTo further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.\n");
    Ok(())
}
