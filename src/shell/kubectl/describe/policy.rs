//! Who may do what, and how much: namespaces, accounts, roles, quotas, budgets.

use serde_json::Value;

use super::super::builder::Info;
use super::super::client::Kube;
use super::super::config::list;
use super::super::failure::{Outcome, Stop};
use super::write::{Page, amount, amounts, date, int, or, plain, text, yes};
use super::{related, selector_text, write_events};

pub fn namespace(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let limit = kube.args.text("chunk-size").to_owned();
    let mut lists = Vec::new();
    for kind in ["ResourceQuota", "LimitRange"] {
        lists.push(match related(kube, "v1", kind, &info.name, &[("limit", &limit)]) {
            Ok(found) => found,
            // A server without them has none.
            Err(Stop::Failed(failure)) if failure.is_not_found() => Vec::new(),
            Err(other) => return Err(other),
        });
    }
    let object = &*info.object;
    page.head(object, false);
    page.field(0, "Status", text(&object["status"]["phase"]));
    if !list(&object["status"]["conditions"]).is_empty() {
        page.line(0, "Conditions:\n  Type\tStatus\tLastTransitionTime\tReason\tMessage\n  ----\t------\t------------------\t------\t-------");
        for condition in list(&object["status"]["conditions"]) {
            let own = |field: &str| text(&condition[field]).to_owned();
            page.line(
                1,
                &format!(
                    "{}\t{}\t{}\t{}\t{}",
                    own("type"),
                    own("status"),
                    date(&condition["lastTransitionTime"]),
                    own("reason"),
                    own("message")
                ),
            );
        }
    }
    page.line(0, "");
    if lists[0].is_empty() {
        page.line(0, "No resource quota.");
    } else {
        page.line(0, "Resource Quotas");
        for quota in &lists[0] {
            page.field(1, "Name", text(&quota["metadata"]["name"]));
            page.line(1, "Resource\tUsed\tHard\n  --------\t---\t---");
            for (name, hard) in amounts(&quota["status"]["hard"]) {
                page.line(1, &format!("{name}\t{}\t{hard}", amount(&quota["status"]["used"][&name])));
            }
        }
    }
    page.line(0, "");
    if lists[1].is_empty() {
        page.line(0, "No LimitRange resource.");
    } else {
        page.line(0, "Resource Limits");
        page.line(1, "Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio\n  ----\t--------\t---\t---\t---------------\t-------------\t-----------------------");
        for range in &lists[1] {
            limits(page, " ", range);
        }
    }
    Ok(())
}

fn limits(page: &mut Page, indent: &str, range: &Value) {
    const FIELDS: [&str; 5] = ["min", "max", "defaultRequest", "default", "maxLimitRequestRatio"];
    for item in list(&range["spec"]["limits"]) {
        let mut names: Vec<String> =
            FIELDS.iter().flat_map(|field| amounts(&item[field])).map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        for name in names {
            let cells: Vec<String> =
                FIELDS.iter().map(|field| or(&amount(&item[field][&name]), "-").to_owned()).collect();
            page.line(0, &format!("{indent}{}\t{name}\t{}", text(&item["type"]), cells.join("\t")));
        }
    }
}

pub fn limit_range(_: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    page.field(0, "Name", text(&object["metadata"]["name"]));
    page.field(0, "Namespace", text(&object["metadata"]["namespace"]));
    page.line(0, "Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio\n----\t--------\t---\t---\t---------------\t-------------\t-----------------------");
    limits(page, "", object);
    Ok(())
}

pub fn quota(_: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    page.field(0, "Name", text(&object["metadata"]["name"]));
    page.field(0, "Namespace", text(&object["metadata"]["namespace"]));
    let scopes: Vec<&str> = list(&object["spec"]["scopes"]).iter().map(text).collect();
    if !scopes.is_empty() {
        page.field(0, "Scopes", &scopes.join(", "));
        for scope in &scopes {
            let help = match *scope {
                "Terminating" => {
                    "Matches all pods that have an active deadline. These pods have a limited lifespan on a node before being actively terminated by the system."
                }
                "NotTerminating" => {
                    "Matches all pods that do not have an active deadline. These pods usually include long running pods whose container command is not expected to terminate."
                }
                "BestEffort" => {
                    "Matches all pods that do not have resource requirements set. These pods have a best effort quality of service."
                }
                "NotBestEffort" => {
                    "Matches all pods that have at least one resource requirement set. These pods have a burstable or guaranteed quality of service."
                }
                _ => continue,
            };
            page.line(0, &format!(" * {help}"));
        }
    }
    page.line(0, "Resource\tUsed\tHard\n--------\t----\t----");
    for (name, hard) in amounts(&object["status"]["hard"]) {
        page.line(0, &format!("{name}\t{}\t{hard}", or(&amount(&object["status"]["used"][&name]), "0")));
    }
    Ok(())
}

pub fn service_account(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    let secrets = related(kube, "v1", "Secret", &info.namespace, &[("limit", "500")]).or_else(|stop| match stop {
        Stop::Failed(_) => Ok(Vec::new()),
        Stop::Pending => Err(Stop::Pending),
    })?;
    let is_own = |secret: &&Value| {
        let notes = &secret["metadata"]["annotations"];
        secret["type"] == "kubernetes.io/service-account-token"
            && notes["kubernetes.io/service-account.name"] == info.name.as_str()
            && notes["kubernetes.io/service-account.uid"] == object["metadata"]["uid"]
    };
    let tokens: Vec<&str> = secrets.iter().filter(is_own).map(|secret| text(&secret["metadata"]["name"])).collect();
    page.head(object, true);
    let names = |field: &str| list(&object[field]).iter().map(|own| text(&own["name"])).collect::<Vec<_>>();
    for (title, names) in
        [("Image pull secrets", names("imagePullSecrets")), ("Mountable secrets", names("secrets")), ("Tokens", tokens)]
    {
        match &names[..] {
            // Only the first is told of when there is none.
            [] if title == "Image pull secrets" => page.field(0, title, "<none>"),
            names => names.iter().enumerate().for_each(|(at, name)| match at {
                0 => page.field(0, title, name),
                _ => page.line(0, &format!("\t{name}")),
            }),
        }
    }
    write_events(kube, info, page)
}

pub fn disruption_budget(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    let (spec, status) = (&object["spec"], &object["status"]);
    page.field(0, "Name", text(&object["metadata"]["name"]));
    page.field(0, "Namespace", text(&object["metadata"]["namespace"]));
    if !spec["minAvailable"].is_null() {
        page.field(0, "Min available", &plain(&spec["minAvailable"]));
    } else if !spec["maxUnavailable"].is_null() {
        page.field(0, "Max unavailable", &plain(&spec["maxUnavailable"]));
    }
    let selector = if spec["selector"].is_object() { selector_text(&spec["selector"]) } else { "<unset>".to_owned() };
    page.field(0, "Selector", &selector);
    page.line(0, "Status:");
    for (name, field) in [
        ("Allowed disruptions", "disruptionsAllowed"),
        ("Current", "currentHealthy"),
        ("Desired", "desiredHealthy"),
        ("Total", "expectedPods"),
    ] {
        page.field(2, name, &int(&status[field]).to_string());
    }
    write_events(kube, info, page)
}

pub fn priority_class(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    page.field(0, "Name", text(&object["metadata"]["name"]));
    page.field(0, "Value", &int(&object["value"]).to_string());
    page.field(0, "GlobalDefault", &yes(&object["globalDefault"]).to_string());
    if object["preemptionPolicy"].is_string() {
        page.field(0, "PreemptionPolicy", text(&object["preemptionPolicy"]));
    }
    page.field(0, "Description", text(&object["description"]));
    page.field(0, "Annotations", &super::super::print::table::format_labels(&object["metadata"]["annotations"]));
    write_events(kube, info, page)
}

pub fn signing_request(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    let (metadata, spec) = (&object["metadata"], &object["spec"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.labels("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    page.field(0, "CreationTimestamp", &date(&metadata["creationTimestamp"]));
    page.field(0, "Requesting User", text(&spec["username"]));
    page.field(0, "Signer", text(&spec["signerName"]));
    if spec["expirationSeconds"].is_number() {
        let span = super::super::print::table::human(i128::from(int(&spec["expirationSeconds"])) * 1_000_000_000);
        page.field(0, "Requested Duration", &span);
    }
    let types: Vec<&str> =
        list(&object["status"]["conditions"]).iter().map(|condition| text(&condition["type"])).collect();
    let mut state = match () {
        () if types.contains(&"Denied") => "Denied",
        () if types.contains(&"Approved") => "Approved",
        () => "Pending",
    }
    .to_owned();
    if types.contains(&"Failed") {
        state += ",Failed";
    }
    if !text(&object["status"]["certificate"]).is_empty() {
        state += ",Issued";
    }
    page.field(0, "Status", &state);
    // Simplified: what stands in the request itself (subject, names) is not taken apart.
    write_events(kube, info, page)
}

pub fn role(_: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    page.field(0, "Name", text(&object["metadata"]["name"]));
    page.labels("Labels", &object["metadata"]["labels"]);
    page.annotations("Annotations", &object["metadata"]["annotations"]);
    page.line(0, "PolicyRule:");
    page.line(1, "Resources\tNon-Resource URLs\tResource Names\tVerbs");
    page.line(1, "---------\t-----------------\t--------------\t-----");
    for (resource, urls, names, verbs) in rules(&object["rules"]) {
        page.line(1, &format!("{resource}\t[{}]\t[{}]\t[{}]", urls.join(" "), names.join(" "), verbs.join(" ")));
    }
    Ok(())
}

type Rule = (String, Vec<String>, Vec<String>, Vec<String>);

/// Each resource of each group on a line of its own; lines that differ in their verbs only are one. They stand in the
/// order of what Go prints of such a rule.
pub fn rules(value: &Value) -> Vec<Rule> {
    let texts = |value: &Value| list(value).iter().map(|item| text(item).to_owned()).collect::<Vec<_>>();
    // With group and resource, as the order needs them.
    let mut found: Vec<(Rule, String, String)> = Vec::new();
    let mut add = |group: &str, resource: &str, names: &[String], url: &[String], verbs: &[String]| {
        let (main, sub) = resource.split_once('/').unwrap_or((resource, ""));
        let slash = if sub.is_empty() { "" } else { "/" };
        let shown = format!("{}{slash}{sub}", super::super::discovery::join_group(main, group));
        let is_same = |known: &&mut (Rule, String, String)| {
            let (_, urls, known_names, _) = &known.0;
            // Only what is granted on resources is put together.
            url.is_empty() && known.1 == group && known.2 == resource && urls == url && known_names == names
        };
        match found.iter_mut().find(is_same) {
            Some(((_, _, _, all), ..)) => {
                let more: Vec<String> = verbs.iter().filter(|verb| !all.contains(verb)).cloned().collect();
                all.extend(more);
            }
            None => {
                let rule = (shown, url.to_vec(), names.to_vec(), verbs.to_vec());
                found.push((rule, group.to_owned(), resource.to_owned()));
            }
        }
    };
    for rule in list(value) {
        let (verbs, names) = (texts(&rule["verbs"]), texts(&rule["resourceNames"]));
        for resource in texts(&rule["resources"]) {
            for group in texts(&rule["apiGroups"]) {
                if names.is_empty() {
                    add(&group, &resource, &[], &[], &verbs);
                }
                names.iter().for_each(|name| add(&group, &resource, std::slice::from_ref(name), &[], &verbs));
            }
        }
        texts(&rule["nonResourceURLs"]).iter().for_each(|url| add("", "", &[], std::slice::from_ref(url), &verbs));
    }
    found.sort_by_key(|((_, urls, names, verbs), group, resource)| {
        let join = |words: &[String]| words.join(" ");
        format!(
            "Verbs:[{}],APIGroups:[{group}],Resources:[{resource}],ResourceNames:[{}],NonResourceURLs:[{}]",
            join(verbs),
            join(names),
            join(urls)
        )
    });
    found.into_iter().map(|(rule, ..)| rule).collect()
}

pub fn role_binding(_: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    page.field(0, "Name", text(&object["metadata"]["name"]));
    page.labels("Labels", &object["metadata"]["labels"]);
    page.annotations("Annotations", &object["metadata"]["annotations"]);
    page.line(0, "Role:");
    page.field(1, "Kind", text(&object["roleRef"]["kind"]));
    page.field(1, "Name", text(&object["roleRef"]["name"]));
    page.line(0, "Subjects:");
    page.line(1, "Kind\tName\tNamespace");
    page.line(1, "----\t----\t---------");
    for subject in list(&object["subjects"]) {
        page.line(
            1,
            &format!("{}\t{}\t{}", text(&subject["kind"]), text(&subject["name"]), text(&subject["namespace"])),
        );
    }
    Ok(())
}
