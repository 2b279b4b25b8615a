//! `kubectl auth`: who one is, and what one may do.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/auth`.

use serde_json::{Value, json};

use super::builder;
use super::client::{Kube, Request, accept, in_form};
use super::config::{list, text};
use super::describe;
use super::failure::{Failure, Outcome, Stop, all, fail};
use super::flags::DryRun;
use super::print::tabs::align;
use super::print::{self, Output};
use super::write::{dry_run, known};

fn review(kube: &mut Kube, group: &str, kind: &str, spec: Option<Value>) -> Outcome<Value> {
    let api_version = format!("{group}/v1");
    let mut object = json!({"kind": kind, "apiVersion": api_version});
    if let Some(spec) = spec {
        object["spec"] = spec;
    }
    let object = in_form(&object).or_else(fail)?;
    let path = format!("/apis/{api_version}/{}s", kind.to_lowercase());
    let request =
        Request::new("POST", path, accept::TYPED).protobuf(&object)?.about(&format!("{}s", kind.to_lowercase()), "");
    kube.object(&request).map(|answer| (*answer).clone())
}

pub fn can_i(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    let config = kube.config()?;
    let namespace = if args.bool("all-namespaces") { String::new() } else { config.namespace.clone() };
    if args.bool("list") {
        return can_list(kube, &namespace);
    }
    let words = &args.words;
    let (verb, rest) = match &words[..] {
        [verb, rest @ ..] if !rest.is_empty() && rest.len() <= 2 => (verb.clone(), rest),
        _ => {
            return fail(
                "you must specify two arguments: verb resource or verb resource/resourceName.\nSee 'kubectl auth can-i -h' for help and examples.",
            );
        }
    };
    let (word, name) = match rest {
        [word] => word
            .split_once('/')
            .filter(|_| !word.starts_with('/'))
            .map_or((word.clone(), String::new()), |(word, name)| (word.to_owned(), name.to_owned())),
        [word, name] => (word.clone(), name.clone()),
        _ => (String::new(), String::new()),
    };
    let spec = if word.starts_with('/') {
        json!({"nonResourceAttributes": {"path": word, "verb": verb}})
    } else {
        let found = kube.look_up(|discovery| discovery.find(&word).cloned())?;
        // Upstream looks whether the verb fits the scope by the older list.
        let (group, resource) = match &found {
            Some(found) => {
                let request = Request::get(super::discovery::root_of(&found.group, &found.version), accept::ANY);
                let listed = kube.object(&request)?;
                let own = list(&listed["resources"]).iter().find(|own| own["name"] == found.name.as_str());
                if own.is_some_and(|own| own["namespaced"] == false) {
                    let qualified =
                        if found.group.is_empty() { String::new() } else { format!(" in group '{}'", found.group) };
                    kube.warn(&format!("resource '{}' is not namespace scoped{qualified}\n", found.name));
                }
                (found.group.clone(), found.name.clone())
            }
            None => {
                let (resource, group) = word.split_once('.').unwrap_or((&word, ""));
                if resource != "*" {
                    let qualified = if group.is_empty() { String::new() } else { format!(" in group '{group}'") };
                    kube.warn(&format!("the server doesn't have a resource type '{resource}'{qualified}\n"));
                }
                (group.to_owned(), resource.to_owned())
            }
        };
        let mut attributes = json!({"verb": verb, "resource": resource});
        for (field, value) in [
            ("namespace", &namespace),
            ("group", &group),
            ("name", &name),
            ("subresource", &args.text("subresource").to_owned()),
        ] {
            if !value.is_empty() {
                attributes[field] = value.as_str().into();
            }
        }
        json!({"resourceAttributes": attributes})
    };
    let answer = review(kube, "authorization.k8s.io", "SelfSubjectAccessReview", Some(spec))?;
    let status = &answer["status"];
    let allowed = status["allowed"] == true;
    if !args.bool("quiet") {
        let mut line = if allowed { "yes".to_owned() } else { "no".to_owned() };
        if !allowed {
            for (before, field) in [(" - ", "reason"), (" - ", "evaluationError")] {
                if !text(&status[field]).is_empty() {
                    line += &format!("{before}{}", text(&status[field]));
                }
            }
        }
        kube.print(line + "\n");
    }
    if allowed { Ok(()) } else { Err(Stop::Failed(Failure::Exit(1))) }
}

fn can_list(kube: &mut Kube, namespace: &str) -> Outcome<()> {
    let answer = review(kube, "authorization.k8s.io", "SelfSubjectRulesReview", Some(json!({"namespace": namespace})))?;
    let status = &answer["status"];
    let mut both: Vec<Value> = list(&status["resourceRules"]).to_vec();
    both.extend(list(&status["nonResourceRules"]).iter().cloned());
    let mut out = if kube.args.bool("no-headers") {
        String::new()
    } else {
        "Resources\tNon-Resource URLs\tResource Names\tVerbs\n".to_owned()
    };
    for (resource, urls, names, verbs) in describe::rules(&Value::Array(both)) {
        out += &format!("{resource}\t[{}]\t[{}]\t[{}]\n", urls.join(" "), names.join(" "), verbs.join(" "));
    }
    if status["incomplete"] == true {
        let error = text(&status["evaluationError"]);
        let why = if error.is_empty() { String::new() } else { format!(": {error}") };
        kube.warn(&format!("the list may be incomplete{why}"));
    }
    kube.print(align(&out, 6, 3));
    Ok(())
}

pub fn whoami(kube: &mut Kube) -> Outcome<()> {
    let output = Output::read(kube, false)?;
    let answer = review(kube, "authentication.k8s.io", "SelfSubjectReview", None)?;
    if !output.is_human() {
        return print::outcome(kube, &output, &answer, "", DryRun::None);
    }
    let info = &answer["status"]["userInfo"];
    let mut out = "ATTRIBUTE\tVALUE\n".to_owned();
    for (title, field) in [("Username", "username"), ("UID", "uid")] {
        if !text(&info[field]).is_empty() {
            out += &format!("{title}\t{}\n", text(&info[field]));
        }
    }
    let join = |value: &Value| format!("[{}]", list(value).iter().map(text).collect::<Vec<_>>().join(" "));
    if !list(&info["groups"]).is_empty() {
        out += &format!("Groups\t{}\n", join(&info["groups"]));
    }
    let mut extra: Vec<(&String, &Value)> = info["extra"].as_object().into_iter().flatten().collect();
    extra.sort_by_key(|(name, _)| *name);
    for (name, value) in extra {
        out += &format!("Extra: {name}\t{}\n", join(value));
    }
    kube.print(align(&out, 6, 3));
    Ok(())
}

pub fn reconcile(kube: &mut Kube) -> Outcome<()> {
    let dry_run = dry_run(kube)?;
    let output = Output::read(kube, false)?;
    let files = kube.args.list("filename");
    if files.is_empty() {
        return fail("must specify one of -f and -k");
    }
    let mut objects = Vec::new();
    for path in &files {
        for (source, text) in builder::read(kube, path, kube.args.bool("recursive"))? {
            for document in builder::documents(&text) {
                objects.push(builder::parse(&document, &source)?);
            }
        }
    }
    let failures = kube.each(&objects, |kube, object| reconcile_one(kube, object, dry_run, &output))?;
    all(failures)
}

/// Sees to it that a role or binding grants at least what the file says.
fn reconcile_one(kube: &mut Kube, object: &Value, dry_run: DryRun, output: &Output) -> Outcome<()> {
    let wanted = object.clone();
    let resource = known(text(&wanted["apiVersion"]), text(&wanted["kind"]));
    if resource.group != "rbac.authorization.k8s.io" {
        return fail(format!("only rbac.authorization.k8s.io/v1 is supported: not {}", text(&wanted["kind"])));
    }
    // No namespace is put in here, neither by upstream.
    let namespace = text(&wanted["metadata"]["namespace"]).to_owned();
    let wanted = in_form(&wanted).or_else(fail)?;
    let name = text(&wanted["metadata"]["name"]).to_owned();
    let path = resource.object_path(&namespace, &name);
    let field = if resource.kind.ends_with("Binding") { "subjects" } else { "rules" };
    let existing = match kube.object(&Request::get(path.clone(), accept::TYPED).about(&resource.name, &name)) {
        Ok(existing) => Some(existing),
        Err(Stop::Failed(failure)) if failure.is_not_found() => None,
        Err(other) => return Err(other),
    };
    let (mut result, missing, what) = match &existing {
        None => (wanted.clone(), list(&wanted[field]).to_vec(), "create"),
        Some(existing) => {
            let own = list(&existing[field]);
            let missing: Vec<Value> = list(&wanted[field]).iter().filter(|item| !own.contains(item)).cloned().collect();
            let mut result = (**existing).clone();
            result[field] = own.iter().chain(&missing).cloned().collect::<Vec<_>>().into();
            let what = if missing.is_empty() { "none" } else { "update" };
            (result, missing, what)
        }
    };
    if dry_run == DryRun::None {
        if existing.is_none() && resource.is_namespaced {
            if namespace.is_empty() {
                return fail("resource name may not be empty");
            }
            // The namespace is made if it is not there.
            let request =
                Request::get(format!("/api/v1/namespaces/{namespace}"), accept::TYPED).about("namespaces", &namespace);
            match kube.object(&request) {
                Err(Stop::Failed(failure)) if failure.is_not_found() => {
                    let made =
                        in_form(&json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": namespace}}))
                            .or_else(fail)?;
                    kube.object(&Request::new("POST", "/api/v1/namespaces", accept::TYPED).protobuf(&made)?)?;
                }
                other => drop(other?),
            }
        }
        if what != "none" {
            let request = match existing {
                None => Request::new("POST", resource.path(&namespace), accept::TYPED),
                Some(_) => Request::new("PUT", path, accept::TYPED),
            };
            result = (*kube.object(&request.protobuf(&result)?.about(&resource.name, &name))?).clone();
        }
    }
    if output.is_human() {
        let mut out = String::new();
        if what != "none" {
            out += &format!("\treconciliation required {what}\n\tmissing {field} added:\n");
            missing.iter().for_each(|item| out += &format!("\t\t{}\n", go_struct(field, item)));
        }
        let said = print::named(&result, &print::tried("reconciled", dry_run));
        kube.print(said);
        kube.complain(out);
        return Ok(());
    }
    print::outcome(kube, output, &result, "reconciled", dry_run)
}

/// Go's `%+v` of a rule or subject.
fn go_struct(field: &str, item: &Value) -> String {
    let join = |name: &str| format!("[{}]", list(&item[name]).iter().map(text).collect::<Vec<_>>().join(" "));
    if field == "rules" {
        return format!(
            "{{Verbs:{} APIGroups:{} Resources:{} ResourceNames:{} NonResourceURLs:{}}}",
            join("verbs"),
            join("apiGroups"),
            join("resources"),
            join("resourceNames"),
            join("nonResourceURLs")
        );
    }
    let own = |name: &str| text(&item[name]).to_owned();
    format!("{{Kind:{} APIGroup:{} Name:{} Namespace:{}}}", own("kind"), own("apiGroup"), own("name"), own("namespace"))
}
