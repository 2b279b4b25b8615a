//! `kubectl certificate approve` and `deny`.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/certificates`.

use serde_json::{Value, json};

use super::builder::{self, Query};
use super::client::{Kube, Request, accept};
use super::config::list;
use super::failure::{Outcome, fail};
use super::flags::DryRun;
use super::print::{self, Output};
use crate::k8s::meta::time::{Precision, Time};

pub fn approve(kube: &mut Kube) -> Outcome<()> {
    judge(
        kube,
        "Approved",
        "Denied",
        "KubectlApprove",
        "This CSR was approved by kubectl certificate approve.",
        "approved",
    )
}

pub fn deny(kube: &mut Kube) -> Outcome<()> {
    judge(kube, "Denied", "Approved", "KubectlDeny", "This CSR was denied by kubectl certificate deny.", "denied")
}

fn judge(kube: &mut Kube, kind: &str, other: &str, reason: &str, message: &str, done: &str) -> Outcome<()> {
    let output = Output::read(kube, false)?;
    let force = kube.args.bool("force");
    let query = Query { default_type: "certificatesigningrequests", ..Query::of(kube) };
    if query.words.is_empty() && query.files.is_empty() {
        return fail("one or more CSRs must be specified as <name> or -f <filename>");
    }
    builder::visit(kube, &query, |kube, info| {
        let mut object = (*kube.object(&info.request("GET", accept::TYPED))?).clone();
        let conditions = list(&object["status"]["conditions"]).to_vec();
        if conditions.iter().any(|condition| condition["type"] == kind) && !force {
            return print::outcome(kube, &output, &object, done, DryRun::None);
        }
        if conditions.iter().any(|condition| condition["type"] == other) {
            return fail(format!("certificate signing request {:?} is already {}", info.name, other));
        }
        let seconds = (kube.run.unix_nanos() / 1_000_000_000) as i64;
        let now = Time { seconds, nanos: 0 }.format(Precision::Seconds);
        let mut conditions: Vec<Value> = conditions.into_iter().filter(|condition| condition["type"] != kind).collect();
        conditions
            .push(json!({"type": kind, "reason": reason, "message": message, "lastUpdateTime": now, "status": "True"}));
        if !object["status"].is_object() {
            object["status"] = json!({});
        }
        object["status"]["conditions"] = conditions.into();
        let path = format!("{}/approval", info.path());
        let request =
            Request::new("PUT", path, accept::TYPED).protobuf(&object)?.about(&info.resource.name, &info.name);
        kube.object(&request)?;
        print::outcome(kube, &output, &object, done, DryRun::None)
    })
}
