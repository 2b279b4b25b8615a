//! `kubectl events`.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/events`.

use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::client::{Kube, Request, accept};
use super::config::{list, text};
use super::failure::{Outcome, fail};
use super::flags::DryRun;
use super::print::table::{age, age_of};
use super::print::tabs::{align, align_again};
use super::print::{self, Output};
use super::write::known;
use crate::k8s::json as json_text;

pub fn events(kube: &mut Kube) -> Outcome<()> {
    let output = Output::read(kube, false)?;
    let args = kube.args;
    let everywhere = args.bool("all-namespaces");
    let namespace = if everywhere { String::new() } else { kube.namespace()? };
    let mut selector = String::new();
    if !args.text("for").is_empty() {
        let Some((kind, name)) = args.text("for").split_once('/') else {
            return fail("--for must be in resource/name form");
        };
        let (kind, name) = (kind.to_owned(), name.to_owned());
        let resource = kube.resource(&kind)?;
        selector = format!(
            "involvedObject.kind={},involvedObject.apiVersion={},involvedObject.name={name}",
            resource.kind,
            resource.api_version()
        );
    }
    let limit = args.int("chunk-size");
    let request = |watch: bool| {
        let request = Request::get(known("v1", "Event").path(&namespace), accept::TYPED)
            .maybe("fieldSelector", &selector)
            .about("events", "");
        let request = if limit > 0 { request.query("limit", limit.to_string()) } else { request };
        if watch { request.query("watch", "true") } else { request }
    };
    let types: Vec<String> = args.list("types").iter().map(|kind| kind.to_lowercase()).collect();
    let wanted = |event: &Value| types.is_empty() || types.contains(&text(&event["type"]).to_lowercase());
    let found = if args.bool("watch") { None } else { Some(kube.object(&request(false))?) };
    if let Some(found) = found {
        let mut items: Vec<&Value> = list(&found["items"]).iter().filter(|event| wanted(event)).collect();
        if items.is_empty() && output.is_human() {
            kube.complain(if everywhere {
                "No events found.\n".to_owned()
            } else {
                format!("No events found in {namespace} namespace.\n")
            });
            return Ok(());
        }
        items.sort_by_key(|event| seen(event));
        if !output.is_human() {
            let list = json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}});
            return print::outcome(kube, &output, &list, "", DryRun::None);
        }
        let mut out = head(kube, everywhere);
        items.iter().for_each(|event| out += &row(kube, event, everywhere));
        kube.print(align(&out, 6, 3));
        return Ok(());
    }
    let stream = kube.open(&request(true))?;
    kube.fold(json!([[], true]), |kube, state| {
        let Some(line) = kube.run.line(stream)? else { return Ok(ControlFlow::Break(())) };
        let Ok(event) = json_text::parse(&line) else { return Ok(ControlFlow::Continue(())) };
        let object = &event.value["object"];
        if event.value["type"] == "DELETED" || !wanted(object) {
            return Ok(ControlFlow::Continue(()));
        }
        let mut widths: Vec<usize> =
            list(&state[0]).iter().filter_map(Value::as_u64).map(|width| width as usize).collect();
        let mut out = if state[1] == true { head(kube, everywhere) } else { String::new() };
        out += &row(kube, object, everywhere);
        let shown = align_again(&out, 6, 3, &mut widths);
        kube.print(shown);
        *state = json!([widths, false]);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(())
}

fn head(kube: &Kube, everywhere: bool) -> String {
    match (kube.args.bool("no-headers"), everywhere) {
        (true, _) => String::new(),
        (false, true) => "NAMESPACE\tLAST SEEN\tTYPE\tREASON\tOBJECT\tMESSAGE\n".to_owned(),
        (false, false) => "LAST SEEN\tTYPE\tREASON\tOBJECT\tMESSAGE\n".to_owned(),
    }
}

/// When an event was seen last.
fn seen(event: &Value) -> i128 {
    let moments = [&event["series"]["lastObservedTime"], &event["lastTimestamp"], &event["eventTime"]];
    moments.iter().find_map(|moment| age_of(moment)).unwrap_or(0)
}

fn row(kube: &Kube, event: &Value, everywhere: bool) -> String {
    let now = kube.run.unix_nanos();
    let first = if age_of(&event["eventTime"]).is_some() { &event["eventTime"] } else { &event["firstTimestamp"] };
    let first = age(first, now);
    let count = event["count"].as_i64().unwrap_or(0);
    let when = if event["series"].is_object() {
        format!("{} (x{} over {first})", age(&event["series"]["lastObservedTime"], now), event["series"]["count"])
    } else if count > 1 {
        format!("{} (x{count} over {first})", age(&event["lastTimestamp"], now))
    } else {
        first
    };
    let object = &event["involvedObject"];
    let place = if everywhere { format!("{}\t", text(&object["namespace"])) } else { String::new() };
    let message = text(&event["message"]).trim().replace('\n', " ");
    format!(
        "{place}{when}\t{}\t{}\t{}/{}\t{message}\n",
        text(&event["type"]),
        text(&event["reason"]),
        text(&object["kind"]),
        text(&object["name"])
    )
}
