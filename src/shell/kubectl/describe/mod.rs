//! `kubectl describe`: an object in words, with what belongs to it and what has happened to it.
//!
//! Upstream: `k8s.io/kubectl/pkg/describe`.

mod generic;
mod network;
mod node;
mod pods;
mod policy;
mod storage;
mod workloads;
mod write;

use std::sync::Arc;

use serde_json::Value;

pub use pods::pod_template;
pub use policy::rules;
pub use write::selector_text;

use super::builder::{self, Info, Query, Target};
use super::client::{Kube, Request, accept};
use super::config::list;
use super::failure::{Failure, Outcome, Stop, all, fail};
use super::print::tabs::align;
use super::write::known;
use write::{Page, age, text};

/// Between the texts of two objects.
const SEPARATOR: &str = "\n\n";

pub fn run(kube: &mut Kube) -> Outcome<()> {
    let query = Query { all: true, limit: kube.args.int("chunk-size"), ..Query::of(kube) };
    if query.words.is_empty() && query.files.is_empty() {
        return fail(
            "You must specify the type of resource to describe. Use \"kubectl api-resources\" for a complete list of supported resources.",
        );
    }
    let targets = builder::targets(kube, &query)?;
    let (mut infos, mut failures) = (Vec::new(), Vec::new());
    for target in &targets {
        match builder::look(kube, &query, target) {
            Ok(found) => infos.extend(found),
            Err(Stop::Failed(failure)) if failure.is_not_found() && targets.len() == 1 => {
                infos.extend(beginning_with(kube, &query, target, failure)?);
            }
            Err(Stop::Failed(failure)) => failures.push(failure),
            Err(Stop::Pending) => return Err(Stop::Pending),
        }
    }
    let shows_events = kube.args.bool("show-events");
    let numbered: Vec<(usize, Info)> = infos.into_iter().enumerate().collect();
    failures.extend(kube.each(&numbered, |kube, (at, info)| {
        let described = describe(kube, info, shows_events)?;
        let before = if *at > 0 { SEPARATOR } else { "" };
        kube.print(format!("{before}{described}"));
        Ok(())
    })?);
    if numbered.is_empty() && failures.is_empty() {
        let is_namespaced = targets.iter().all(|target| target.resource().is_namespaced);
        let namespace = kube.namespace()?;
        kube.complain(match is_namespaced && !query.all_namespaces {
            true => format!("No resources found in {namespace} namespace.\n"),
            false => "No resources found\n".to_owned(),
        });
    }
    all(failures)
}

/// Objects whose names begin with what was named.
fn beginning_with(kube: &mut Kube, query: &Query, target: &Target, missing: Failure) -> Outcome<Vec<Info>> {
    let Target::Named { resource, namespace, name } = target else { return Err(Stop::Failed(missing)) };
    let all = Target::All { resource: resource.clone(), namespace: namespace.clone() };
    let mut found = builder::look(kube, query, &all)?;
    found.retain(|info| info.name.starts_with(&name[..]));
    if found.is_empty() { Err(Stop::Failed(missing)) } else { Ok(found) }
}

/// One object in words.
fn describe(kube: &mut Kube, info: &Info, shows_events: bool) -> Outcome<String> {
    let describer: Option<Describer> = match (&info.resource.group[..], &info.resource.kind[..]) {
        ("", "Pod") => Some(pods::pod),
        ("", "ReplicationController") | ("apps", "ReplicaSet") => Some(workloads::replica_set),
        ("apps", "Deployment") => Some(workloads::deployment),
        ("apps", "StatefulSet") => Some(workloads::stateful_set),
        ("apps", "DaemonSet") => Some(workloads::daemon_set),
        ("batch", "Job") => Some(workloads::job),
        ("batch", "CronJob") => Some(workloads::cron_job),
        ("autoscaling", "HorizontalPodAutoscaler") => Some(workloads::scaler),
        ("", "Service") => Some(network::service),
        ("", "Endpoints") => Some(network::endpoints),
        ("discovery.k8s.io", "EndpointSlice") => Some(network::endpoint_slice),
        ("networking.k8s.io", "Ingress") => Some(network::ingress),
        ("networking.k8s.io", "IngressClass") => Some(network::ingress_class),
        ("networking.k8s.io", "NetworkPolicy") => Some(network::policy),
        ("networking.k8s.io", "ServiceCIDR") => Some(network::service_cidr),
        ("networking.k8s.io", "IPAddress") => Some(network::ip_address),
        ("", "Node") => Some(node::node),
        ("", "Namespace") => Some(policy::namespace),
        ("", "ConfigMap") => Some(storage::config_map),
        ("", "Secret") => Some(storage::secret),
        ("", "PersistentVolume") => Some(storage::volume),
        ("", "PersistentVolumeClaim") => Some(storage::claim),
        ("storage.k8s.io", "StorageClass") => Some(storage::class),
        ("storage.k8s.io", "CSINode") => Some(storage::csi_node),
        ("storage.k8s.io", "VolumeAttributesClass") => Some(storage::attributes_class),
        ("", "ServiceAccount") => Some(policy::service_account),
        ("", "ResourceQuota") => Some(policy::quota),
        ("", "LimitRange") => Some(policy::limit_range),
        ("policy", "PodDisruptionBudget") => Some(policy::disruption_budget),
        ("scheduling.k8s.io", "PriorityClass") => Some(policy::priority_class),
        ("certificates.k8s.io", "CertificateSigningRequest") => Some(policy::signing_request),
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => Some(policy::role),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => Some(policy::role_binding),
        _ => None,
    };
    // Who has words for a kind reads it with a typed client.
    let accept = if describer.is_some() { accept::TYPED } else { accept::JSON };
    let mut object = (*kube.object(&info.request("GET", accept))?).clone();
    if let Some(map) = object.as_object_mut() {
        map.entry("kind").or_insert_with(|| info.resource.kind.as_str().into());
        map.entry("apiVersion").or_insert_with(|| info.resource.api_version().into());
    }
    let info = Info { object: Arc::new(object), ..info.clone() };
    let mut page = Page { out: String::new(), shows_events };
    describer.unwrap_or(generic::object)(kube, &info, &mut page)?;
    Ok(align(&page.out, 0, 2))
}

type Describer = fn(&mut Kube, &Info, &mut Page) -> Outcome<()>;

/// What has happened to an object: its events, as far as they may be read.
fn events_of(kube: &mut Kube, info: &Info, with_kind: bool) -> Outcome<Vec<Value>> {
    let uid = text(&info.object["metadata"]["uid"]);
    events(kube, &info.namespace, &info.resource.kind, &info.name, uid, with_kind)
}

fn events(kube: &mut Kube, namespace: &str, kind: &str, name: &str, uid: &str, with_kind: bool) -> Outcome<Vec<Value>> {
    let mut terms = vec![format!("involvedObject.name={name}"), format!("involvedObject.namespace={namespace}")];
    if with_kind {
        terms.push(format!("involvedObject.kind={kind}"));
    }
    terms.push(format!("involvedObject.uid={uid}"));
    let resource = known("v1", "Event");
    let mut request = Request::get(resource.path(namespace), accept::TYPED)
        .query("fieldSelector", terms.join(","))
        .about("events", "");
    if kube.args.int("chunk-size") > 0 {
        request = request.query("limit", kube.args.text("chunk-size"));
    }
    match kube.object(&request) {
        Ok(found) => Ok(list(&found["items"]).to_vec()),
        Err(Stop::Pending) => Err(Stop::Pending),
        // Who may not read events sees none.
        Err(Stop::Failed(_)) => Ok(Vec::new()),
    }
}

/// Writes the events of an object, if they are wanted.
fn write_events(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    if page.shows_events {
        let events = events_of(kube, info, true)?;
        table_of_events(kube, events, page);
    }
    Ok(())
}

fn table_of_events(kube: &Kube, mut events: Vec<Value>, page: &mut Page) {
    if events.is_empty() {
        return page.line(0, "Events:\t<none>");
    }
    events.sort_by(|a, b| text(&a["lastTimestamp"]).cmp(text(&b["lastTimestamp"])));
    page.line(0, "Events:");
    page.line(1, "Type\tReason\tAge\tFrom\tMessage");
    page.line(1, "----\t------\t----\t----\t-------");
    let now = kube.run.unix_nanos();
    for event in &events {
        let first = if event["eventTime"].is_string() { &event["eventTime"] } else { &event["firstTimestamp"] };
        let first = age(first, now);
        let count = event["count"].as_i64().unwrap_or(0);
        let when = if event["series"].is_object() {
            let series = &event["series"];
            format!("{} (x{} over {first})", age(&series["lastObservedTime"], now), series["count"])
        } else if count > 1 {
            format!("{} (x{count} over {first})", age(&event["lastTimestamp"], now))
        } else {
            first
        };
        let source = match text(&event["source"]["component"]) {
            "" => text(&event["reportingComponent"]),
            source => source,
        };
        let message = text(&event["message"]).trim();
        page.line(1, &format!("{}\t{}\t{when}\t{source}\t{message}", text(&event["type"]), text(&event["reason"])));
    }
}

/// A list of what belongs to an object.
fn related(
    kube: &mut Kube,
    api_version: &str,
    kind: &str,
    namespace: &str,
    parameters: &[(&str, &str)],
) -> Outcome<Vec<Value>> {
    let resource = known(api_version, kind);
    let request = Request::get(resource.path(namespace), accept::TYPED).about(&resource.name, "");
    let request = parameters.iter().fold(request, |request, (name, value)| request.query(name, *value));
    let found = kube.object(&request)?;
    Ok(list(&found["items"]).to_vec())
}
