//! What makes pods, and what says how many.

use serde_json::Value;

use super::super::builder::Info;
use super::super::client::Kube;
use super::super::config::list;
use super::super::failure::Outcome;
use super::pods::write_template;
use super::write::{Page, controller, date, int, or, plain, text, yes};
use super::{related, selector_text, write_events};

pub fn deployment(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    let events = if page.shows_events { Some(super::events_of(kube, info, true)?) } else { None };
    let selector = selector_text(&spec["selector"]);
    let limit = kube.args.text("chunk-size").to_owned();
    let sets =
        related(kube, "apps/v1", "ReplicaSet", &info.namespace, &[("labelSelector", &selector), ("limit", &limit)])?;
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.field(0, "CreationTimestamp", &date(&metadata["creationTimestamp"]));
    page.labels("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    page.field(0, "Selector", &selector);
    page.line(
        0,
        &format!(
            "Replicas:\t{} desired | {} updated | {} total | {} available | {} unavailable",
            spec["replicas"].as_i64().unwrap_or(1),
            int(&status["updatedReplicas"]),
            int(&status["replicas"]),
            int(&status["availableReplicas"]),
            int(&status["unavailableReplicas"])
        ),
    );
    page.field(0, "StrategyType", text(&spec["strategy"]["type"]));
    page.field(0, "MinReadySeconds", &int(&spec["minReadySeconds"]).to_string());
    let rolling = &spec["strategy"]["rollingUpdate"];
    if rolling.is_object() {
        page.line(
            0,
            &format!(
                "RollingUpdateStrategy:\t{} max unavailable, {} max surge",
                plain(&rolling["maxUnavailable"]),
                plain(&rolling["maxSurge"])
            ),
        );
    }
    write_template(page, &spec["template"]);
    conditions(page, &status["conditions"]);
    replica_sets(page, object, &sets);
    if let Some(events) = events {
        super::table_of_events(kube, events, page);
    }
    Ok(())
}

fn conditions(page: &mut Page, conditions: &Value) {
    if list(conditions).is_empty() {
        return;
    }
    page.line(0, "Conditions:\n  Type\tStatus\tReason\n  ----\t------\t------");
    for condition in list(conditions) {
        page.line(
            1,
            &format!("{} \t{}\t{}", text(&condition["type"]), text(&condition["status"]), text(&condition["reason"])),
        );
    }
}

/// The newer replica set of a deployment and the older ones.
fn replica_sets(page: &mut Page, deployment: &Value, sets: &[Value]) {
    let is_own = |set: &&Value| {
        list(&set["metadata"]["ownerReferences"])
            .iter()
            .any(|owner| owner["uid"] == deployment["metadata"]["uid"] && owner["controller"] == true)
    };
    let template = |set: &Value| {
        let mut template = set["spec"]["template"].clone();
        if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
            labels.shift_remove("pod-template-hash");
        }
        template
    };
    let own: Vec<&Value> = sets.iter().filter(is_own).collect();
    if own.is_empty() {
        return;
    }
    let newest = own.iter().find(|set| template(set) == deployment["spec"]["template"]);
    let old: Vec<&&Value> = own
        .iter()
        .filter(|set| newest.is_none_or(|newest| newest["metadata"]["uid"] != set["metadata"]["uid"]))
        .collect();
    let shown = |set: &Value| {
        format!(
            "{} ({}/{} replicas created)",
            text(&set["metadata"]["name"]),
            int(&set["status"]["replicas"]),
            int(&set["spec"]["replicas"])
        )
    };
    let joined: Vec<String> = old.iter().map(|set| shown(set)).collect();
    page.field(0, "OldReplicaSets", or(&joined.join(", "), "<none>"));
    page.field(0, "NewReplicaSet", &newest.map_or("<none>".to_owned(), |set| shown(set)));
}

/// Pods by how they are, of those that a workload owns.
fn pod_counts(kube: &mut Kube, info: &Info, selector: &str) -> Outcome<Option<[usize; 4]>> {
    if selector.is_empty() {
        return Ok(Some([0; 4]));
    }
    let limit = kube.args.text("chunk-size").to_owned();
    let pods = related(kube, "v1", "Pod", &info.namespace, &[("labelSelector", selector), ("limit", &limit)])?;
    let uid = &info.object["metadata"]["uid"];
    let mut counts = [0; 4];
    for pod in pods {
        let owners = list(&pod["metadata"]["ownerReferences"]);
        let is_own = owners.iter().any(|owner| owner["controller"] == true && owner["uid"] == *uid);
        let place =
            ["Running", "Pending", "Succeeded", "Failed"].iter().position(|phase| pod["status"]["phase"] == *phase);
        if let (true, Some(place)) = (is_own, place) {
            counts[place] += 1;
        }
    }
    Ok(Some(counts))
}

fn write_counts(page: &mut Page, counts: Option<[usize; 4]>) {
    if let Some([running, waiting, succeeded, failed]) = counts {
        page.line(
            0,
            &format!("Pods Status:\t{running} Running / {waiting} Waiting / {succeeded} Succeeded / {failed} Failed"),
        );
    }
}

pub fn replica_set(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    let is_old_kind = info.resource.kind == "ReplicationController";
    let selector = if is_old_kind {
        super::super::print::table::format_labels(&spec["selector"])
    } else {
        selector_text(&spec["selector"])
    };
    let counts = pod_counts(kube, info, &selector)?;
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.field(0, "Selector", &selector);
    page.labels("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    if let Some(owner) = controller(object) {
        page.field(0, "Controlled By", &owner);
    }
    page.line(
        0,
        &format!(
            "Replicas:\t{} current / {} desired",
            int(&status["replicas"]),
            spec["replicas"].as_i64().unwrap_or(1)
        ),
    );
    write_counts(page, counts);
    write_template(page, &spec["template"]);
    conditions(page, &status["conditions"]);
    write_events(kube, info, page)
}

pub fn stateful_set(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    let selector = selector_text(&spec["selector"]);
    let counts = pod_counts(kube, info, &selector)?;
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.field(0, "CreationTimestamp", &date(&metadata["creationTimestamp"]));
    page.field(0, "Selector", &selector);
    page.labels("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    page.line(
        0,
        &format!("Replicas:\t{} desired | {} total", spec["replicas"].as_i64().unwrap_or(1), int(&status["replicas"])),
    );
    page.field(0, "Update Strategy", text(&spec["updateStrategy"]["type"]));
    if let Some(partition) = spec["updateStrategy"]["rollingUpdate"]["partition"].as_i64() {
        page.field(1, "Partition", &partition.to_string());
    }
    write_counts(page, counts);
    write_template(page, &spec["template"]);
    claims(page, &spec["volumeClaimTemplates"]);
    write_events(kube, info, page)
}

fn claims(page: &mut Page, templates: &Value) {
    if list(templates).is_empty() {
        return page.field(0, "Volume Claims", "<none>");
    }
    page.line(0, "Volume Claims:");
    for claim in list(templates) {
        page.field(1, "Name", text(&claim["metadata"]["name"]));
        page.field(1, "StorageClass", text(&claim["spec"]["storageClassName"]));
        page.labels_at("  ", "Labels", &claim["metadata"]["labels"]);
        page.annotations_at("  ", "Annotations", &claim["metadata"]["annotations"]);
        let amount = super::write::amount(&claim["spec"]["resources"]["requests"]["storage"]);
        page.field(1, "Capacity", or(&amount, "<default>"));
        let modes: Vec<&str> = list(&claim["spec"]["accessModes"]).iter().map(text).collect();
        page.field(1, "Access Modes", &format!("[{}]", modes.join(" ")));
    }
}

pub fn daemon_set(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    let selector = selector_text(&spec["selector"]);
    let counts = pod_counts(kube, info, &selector)?;
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.field(0, "Selector", &selector);
    page.labels("Node-Selector", &spec["template"]["spec"]["nodeSelector"]);
    page.labels("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    for (name, field) in [
        ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
        ("Number of Nodes Misscheduled", "numberMisscheduled"),
    ] {
        page.line(0, &format!("{name}: {}", int(&status[field])));
    }
    write_counts(page, counts);
    write_template(page, &spec["template"]);
    write_events(kube, info, page)
}

pub fn job(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    if spec["selector"].is_object() {
        page.field(0, "Selector", &selector_text(&spec["selector"]));
    }
    page.labels("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    if let Some(owner) = controller(object) {
        page.field(0, "Controlled By", &owner);
    }
    let number = |value: &Value| value.as_i64().map_or("<unset>".to_owned(), |number| number.to_string());
    page.field(0, "Parallelism", &number(&spec["parallelism"]));
    page.field(0, "Completions", &number(&spec["completions"]));
    if spec["completionMode"].is_string() {
        page.field(0, "Completion Mode", text(&spec["completionMode"]));
    }
    if spec["suspend"].is_boolean() {
        page.field(0, "Suspend", &yes(&spec["suspend"]).to_string());
    }
    if spec["backoffLimit"].is_number() {
        page.field(0, "Backoff Limit", &int(&spec["backoffLimit"]).to_string());
    }
    if spec["ttlSecondsAfterFinished"].is_number() {
        page.field(0, "TTL Seconds After Finished", &int(&spec["ttlSecondsAfterFinished"]).to_string());
    }
    if status["startTime"].is_string() {
        page.field(0, "Start Time", &date(&status["startTime"]));
    }
    if status["completionTime"].is_string() {
        page.field(0, "Completed At", &date(&status["completionTime"]));
        let moment = |field: &str| super::super::print::table::age_of(&status[field]);
        if let (Some(from), Some(to)) = (moment("startTime"), moment("completionTime")) {
            page.field(0, "Duration", &super::super::print::table::human(to - from));
        }
    }
    if spec["activeDeadlineSeconds"].is_number() {
        page.field(0, "Active Deadline Seconds", &format!("{}s", int(&spec["activeDeadlineSeconds"])));
    }
    let active = int(&status["active"]);
    let ready = status["ready"].as_i64().map_or(String::new(), |ready| format!(" ({ready} Ready)"));
    page.line(
        0,
        &format!(
            "Pods Statuses:\t{active} Active{ready} / {} Succeeded / {} Failed",
            int(&status["succeeded"]),
            int(&status["failed"])
        ),
    );
    if spec["completionMode"] == "Indexed" {
        page.field(0, "Completed Indexes", or(text(&status["completedIndexes"]), "<none>"));
    }
    write_template(page, &spec["template"]);
    write_events(kube, info, page)
}

pub fn cron_job(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    let (spec, status) = (&object["spec"], &object["status"]);
    page.head(object, true);
    page.field(0, "Schedule", text(&spec["schedule"]));
    if spec["timeZone"].is_string() {
        page.field(0, "Time Zone", text(&spec["timeZone"]));
    }
    page.field(0, "Concurrency Policy", text(&spec["concurrencyPolicy"]));
    page.field(0, "Suspend", &super::write::title(&yes(&spec["suspend"]).to_string()));
    let limit = |field: &str| spec[field].as_i64().map_or("<unset>".to_owned(), |limit| limit.to_string());
    page.field(0, "Successful Job History Limit", &limit("successfulJobsHistoryLimit"));
    page.field(0, "Failed Job History Limit", &limit("failedJobsHistoryLimit"));
    let deadline =
        spec["startingDeadlineSeconds"].as_i64().map_or("<unset>".to_owned(), |seconds| format!("{seconds}s"));
    page.field(0, "Starting Deadline Seconds", &deadline);
    let job = &spec["jobTemplate"];
    if job["spec"]["selector"].is_object() {
        page.labels("Selector", &job["spec"]["selector"]["matchLabels"]);
    } else {
        page.field(0, "Selector", "<unset>");
    }
    for (name, field) in [("Parallelism", "parallelism"), ("Completions", "completions")] {
        let own = job["spec"][field].as_i64().map_or("<unset>".to_owned(), |number| number.to_string());
        page.field(0, name, &own);
    }
    if job["spec"]["activeDeadlineSeconds"].is_number() {
        page.field(0, "Active Deadline Seconds", &format!("{}s", int(&job["spec"]["activeDeadlineSeconds"])));
    }
    write_template(page, &job["spec"]["template"]);
    let last =
        if status["lastScheduleTime"].is_string() { date(&status["lastScheduleTime"]) } else { "<unset>".to_owned() };
    page.field(0, "Last Schedule Time", &last);
    let active: Vec<&str> = list(&status["active"]).iter().map(|job| text(&job["name"])).collect();
    page.field(0, "Active Jobs", or(&active.join(", "), "<none>"));
    write_events(kube, info, page)
}

pub fn scaler(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &*info.object;
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    page.head(object, true);
    page.field(0, "CreationTimestamp", &date(&metadata["creationTimestamp"]));
    let target = &spec["scaleTargetRef"];
    page.field(0, "Reference", &format!("{}/{}", text(&target["kind"]), text(&target["name"])));
    page.line(0, "Metrics:\t( current / target )");
    let current = list(&status["currentMetrics"]);
    for (at, metric) in list(&spec["metrics"]).iter().enumerate() {
        page.line(1, &metric_line(metric, current.get(at)));
    }
    let min = spec["minReplicas"].as_i64().map_or("<unset>".to_owned(), |min| min.to_string());
    page.field(0, "Min replicas", &min);
    page.field(0, "Max replicas", &int(&spec["maxReplicas"]).to_string());
    behavior(page, &spec["behavior"]);
    let kind = text(&target["kind"]);
    page.line(
        0,
        &format!(
            "{kind} pods:\t{} current / {} desired",
            int(&status["currentReplicas"]),
            int(&status["desiredReplicas"])
        ),
    );
    if !list(&status["conditions"]).is_empty() {
        page.line(0, "Conditions:\n  Type\tStatus\tReason\tMessage\n  ----\t------\t------\t-------");
        for condition in list(&status["conditions"]) {
            let own = |field: &str| text(&condition[field]).to_owned();
            page.line(1, &format!("{}\t{}\t{}\t{}", own("type"), own("status"), own("reason"), own("message")));
        }
    }
    write_events(kube, info, page)
}

fn metric_line(metric: &Value, current: Option<&Value>) -> String {
    let kind = text(&metric["type"]);
    if kind == "Resource" {
        let (name, target) = (text(&metric["resource"]["name"]), &metric["resource"]["target"]);
        let own = current.map(|current| &current["resource"]["current"]);
        if let Some(share) = target["averageUtilization"].as_i64() {
            let now = own.and_then(|own| {
                Some(format!("{}% ({})", own["averageUtilization"].as_i64()?, plain(&own["averageValue"])))
            });
            return format!(
                "resource {name} on pods  (as a percentage of request):\t{} / {share}%",
                now.as_deref().unwrap_or("<unknown>")
            );
        }
        let now = own.map(|own| plain(&own["averageValue"])).filter(|now| !now.is_empty());
        return format!(
            "resource {name} on pods:\t{} / {}",
            now.as_deref().unwrap_or("<unknown>"),
            plain(&target["averageValue"])
        );
    }
    let field = kind.to_lowercase();
    let own = &metric[&field];
    let target = or(&plain(&own["target"]["averageValue"]), &plain(&own["target"]["value"])).to_owned();
    format!("{:?} (target value):\t<unknown> / {target}", text(&own["metric"]["name"]))
}

fn behavior(page: &mut Page, behavior: &Value) {
    if !behavior.is_object() {
        return;
    }
    page.line(0, "Behavior:");
    for (title, field) in [("Scale Up", "scaleUp"), ("Scale Down", "scaleDown")] {
        let rules = &behavior[field];
        if !rules.is_object() {
            continue;
        }
        page.line(1, &format!("{title}:"));
        if rules["stabilizationWindowSeconds"].is_number() {
            page.line(2, &format!("Stabilization Window: {} seconds", int(&rules["stabilizationWindowSeconds"])));
        }
        page.line(2, &format!("Select Policy: {}", or(text(&rules["selectPolicy"]), "Max")));
        page.line(2, "Policies:");
        for policy in list(&rules["policies"]) {
            page.line(
                3,
                &format!(
                    "- Type: {}\tValue: {}\tPeriod: {} seconds",
                    text(&policy["type"]),
                    int(&policy["value"]),
                    int(&policy["periodSeconds"])
                ),
            );
        }
    }
}
