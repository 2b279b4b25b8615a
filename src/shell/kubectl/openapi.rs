//! The schemas that a server publishes, and what `--validate` does with them.
//!
//! Upstream: `k8s.io/kubectl/pkg/validation` and `k8s.io/cli-runtime/pkg/resource/query_param_verifier_v3.go`.

use std::sync::Arc;

use serde_json::Value;

use super::client::{Kube, Request, accept};
use super::config::list;
use super::discovery::split_version;
use super::failure::{Failure, Outcome, Stop, fail};
use super::run::{Entered, Memo};

const TIMEOUT: &str = "32s";
const V2: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// How strictly the server is to read what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    Strict,
    Warn,
    Ignore,
}

impl Validation {
    pub fn read(kube: &Kube) -> Outcome<Validation> {
        match kube.args.text("validate") {
            "" | "true" | "strict" => Ok(Validation::Strict),
            "warn" => Ok(Validation::Warn),
            "false" | "ignore" => Ok(Validation::Ignore),
            other => fail(format!(
                "invalid - validate option {other:?}; must be one of: strict (or true), warn, ignore (or false)"
            )),
        }
    }

    /// As the server is told.
    pub fn parameter(self) -> &'static str {
        match self {
            Validation::Strict => "Strict",
            Validation::Warn => "Warn",
            Validation::Ignore => "Ignore",
        }
    }
}

/// Something that is asked for once in a command.
fn memo(kube: &mut Kube, ask: impl FnOnce(&mut Kube) -> Outcome<Arc<Value>>) -> Outcome<Arc<Value>> {
    kube.config()?;
    match kube.run.enter_memo() {
        Entered::Over(Memo::OpenApi(known)) => Ok(known),
        Entered::Over(_) => Ok(Arc::default()),
        Entered::Inside(start) => {
            let found = ask(kube)?;
            kube.run.leave_memo(start, Memo::OpenApi(found.clone()));
            Ok(found)
        }
    }
}

/// Which group versions have a schema, and where.
fn index(kube: &mut Kube) -> Outcome<Arc<Value>> {
    if let Some(index) = &kube.openapi.index {
        return Ok(index.clone());
    }
    let index = memo(kube, |kube| {
        let request = Request::get("/openapi/v3", accept::ANY).query("timeout", TIMEOUT);
        kube.object(&request)
    })?;
    kube.openapi.index = Some(index.clone());
    Ok(index)
}

/// The schema of a group version; nothing if the server has none for it.
pub fn document(kube: &mut Kube, api_version: &str) -> Outcome<Option<Arc<Value>>> {
    if let Some(known) = kube.openapi.documents.get(api_version) {
        return Ok(Some(known.clone()));
    }
    let index = index(kube)?;
    let (group, version) = split_version(api_version);
    let key = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
    let Some(url) = index["paths"][&key]["serverRelativeURL"].as_str() else { return Ok(None) };
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let mut request = Request::get(path, accept::JSON).query("timeout", TIMEOUT);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        request = request.query(name, value);
    }
    let document = memo(kube, |kube| kube.object(&request))?;
    kube.openapi.documents.insert(api_version.to_owned(), document.clone());
    Ok(Some(document))
}

/// The older schema, which a server may have instead.
fn second(kube: &mut Kube) -> Outcome<()> {
    if kube.openapi.asked_v2 {
        return Ok(());
    }
    let request = Request::get("/openapi/v2", V2).query("timeout", TIMEOUT);
    kube.openapi.asked_v2 = true;
    kube.call(&request).map(drop)
}

fn is_kind(marked: &Value, api_version: &str, kind: &str) -> bool {
    let (group, version) = split_version(api_version);
    let fits = |one: &Value| {
        one["group"].as_str().unwrap_or_default() == group && one["version"] == version && one["kind"] == kind
    };
    let marks = &marked["x-kubernetes-group-version-kind"];
    fits(marks) || list(marks).iter().any(fits)
}

/// The operations that patch objects of a kind.
fn patches<'d>(
    document: &'d Value,
    api_version: &'d str,
    kind: &'d str,
) -> impl Iterator<Item = (&'d Value, &'d Value)> {
    let paths = document["paths"].as_object().into_iter().flat_map(|paths| paths.values());
    paths
        .map(|path| (path, &path["patch"]))
        .filter(move |(_, patch)| patch.is_object() && is_kind(patch, api_version, kind))
}

/// Sees to it that an object can be validated: a server that checks fields itself is left to do so.
pub fn validate(kube: &mut Kube, object: &Value, source: &str) -> Outcome<()> {
    if Validation::read(kube)? == Validation::Ignore {
        return Ok(());
    }
    let text = |name: &str| object[name].as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let found = match document(kube, &api_version) {
        Ok(found) => found,
        Err(Stop::Failed(_)) => None,
        Err(Stop::Pending) => return Err(Stop::Pending),
    };
    let checks = |document: &Value| {
        patches(document, &api_version, &kind).any(|(path, patch)| {
            [path, patch].iter().any(|place| {
                list(&place["parameters"]).iter().any(|one| {
                    let name = one["$ref"].as_str().unwrap_or_default();
                    let one = if name.is_empty() {
                        one
                    } else {
                        document.pointer(name.trim_start_matches('#')).unwrap_or(one)
                    };
                    one["name"] == "fieldValidation"
                })
            })
        })
    };
    if found.is_some_and(|document| checks(&document)) {
        return Ok(());
    }
    // Simplified: nothing is checked against the older schema here; the server checks what it is sent.
    match second(kube) {
        Ok(()) => Ok(()),
        Err(Stop::Failed(failure)) => {
            let why = failure.text();
            fail(format!(
                "error validating {source:?}: error validating data: failed to download openapi: {why}; if you choose to ignore these errors, turn validation off with --validate=false"
            ))
        }
        Err(Stop::Pending) => Err(Stop::Pending),
    }
}

/// Asks what a patch of an object has to heed, as upstream does before it works one out.
pub fn patch_schema(kube: &mut Kube, api_version: &str, kind: &str) -> Outcome<()> {
    let found = match document(kube, api_version) {
        Ok(found) => found,
        Err(Stop::Failed(_)) => None,
        Err(Stop::Pending) => return Err(Stop::Pending),
    };
    const STRATEGIC: &str = "application/strategic-merge-patch+json";
    let knows = |document: &Value| {
        patches(document, api_version, kind).any(|(_, patch)| patch["requestBody"]["content"].get(STRATEGIC).is_some())
    };
    if found.is_some_and(|document| knows(&document)) {
        return Ok(());
    }
    match second(kube) {
        Err(Stop::Pending) => Err(Stop::Pending),
        _ => Ok(()),
    }
}

/// For `explain`: the refusal is the user's to see.
pub fn document_or_refusal(kube: &mut Kube, api_version: &str) -> Outcome<Arc<Value>> {
    match document(kube, api_version) {
        Ok(Some(document)) => Ok(document),
        Ok(None) => fail(format!("couldn't find resource for {api_version:?}")),
        Err(Stop::Failed(Failure::Api(refusal))) => match second(kube) {
            Err(Stop::Pending) => Err(Stop::Pending),
            _ => Err(Stop::Failed(Failure::Api(refusal))),
        },
        Err(other) => Err(other),
    }
}
