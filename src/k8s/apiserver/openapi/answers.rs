//! The documents as answers, which clients keep by their hashes.
//!
//! Upstream: `k8s.io/kube-openapi/pkg/{handler,handler3}`.
//!
//! Simplified: there are no documents in Protobuf. Who wants nothing else is refused, and does without.

use bytes::Bytes;

use super::super::negotiation::{self, Media};
use super::super::respond;
use super::super::work::Work;
use super::{document, hash, hash_of, index, path_of, v2_document};
use crate::etcd::http::{HttpResponse, date};
use crate::k8s::json;
use crate::sim::{EPOCH_SECONDS, SimTime};
use serde_json::Value;

const YEAR_SECONDS: u64 = 365 * 24 * 60 * 60;

/// The document of a group version of custom resources.
pub struct CustomDocument {
    pub group: String,
    pub version: String,
    pub document: Value,
}

/// `/openapi/v2`, `/openapi/v3` and what lies below; `parts` are those after `openapi`.
pub(in super::super) fn answer(work: &Work, parts: &[&str], custom: &[CustomDocument], now: SimTime) -> HttpResponse {
    let wanted = work.request.header("Accept").unwrap_or_default();
    let takes = |media: &str| matches!(media, "*/*" | "application/*" | "application/json");
    if !wanted.is_empty() && !negotiation::clauses(wanted).iter().any(|clause| takes(clause.media)) {
        return respond::raw(406, "", Bytes::new(), work);
    }
    match parts {
        ["v2"] => {
            let documents: Vec<Value> = custom.iter().map(|own| own.document.clone()).collect();
            let document = v2_document(&documents);
            let tag = hash(&document);
            tagged(work, &tag, || json::to_string(&document))
        }
        ["v3"] => {
            let place = |own: &CustomDocument| (path_of(&own.group, &own.version), hash(&own.document));
            let places: Vec<(String, String)> = custom.iter().map(place).collect();
            respond::value(200, &index(&places), Media::Json, work)
        }
        ["v3", "api", version] => of_version(work, "", version, None, now),
        ["v3", "apis", group, version] => {
            let own = custom.iter().find(|own| own.group == *group && own.version == *version);
            of_version(work, group, version, own, now)
        }
        _ => respond::not_found(),
    }
}

/// Under its own hash a document never changes; under another one it has moved.
fn of_version(work: &Work, group: &str, version: &str, custom: Option<&CustomDocument>, now: SimTime) -> HttpResponse {
    let found = custom.map(|custom| hash(&custom.document)).or_else(|| hash_of(group, version).map(str::to_owned));
    let Some(own) = found else { return respond::not_found() };
    let asked = work.query.get("hash");
    if !asked.is_empty() && asked != own {
        let mut moved = respond::raw(301, "text/html; charset=utf-8", Bytes::new(), work);
        moved.headers.push(("Location", format!("{}?hash={own}", work.request.path())));
        return moved;
    }
    let text = || match custom {
        Some(custom) => json::to_string(&custom.document),
        None => document(group, version).map(|document| json::to_string(&document)).unwrap_or_default(),
    };
    let mut response = tagged(work, &own, text);
    if asked == own {
        response.headers.retain(|(name, _)| *name != "Cache-Control");
        let end = date::http(EPOCH_SECONDS + now.0 / 1_000_000 + YEAR_SECONDS);
        response.headers.extend([("Cache-Control", "public, immutable".to_owned()), ("Expires", end)]);
    }
    response
}

/// Who has the document already gets nothing but that.
fn tagged(work: &Work, tag: &str, text: impl FnOnce() -> String) -> HttpResponse {
    let tag = format!("\"{tag}\"");
    let is_known = work.request.header("If-None-Match") == Some(&tag);
    let mut response = if is_known {
        HttpResponse {
            status: 304,
            headers: vec![("Cache-Control", "no-cache, private".to_owned())],
            body: Bytes::new(),
        }
    } else {
        respond::raw(200, Media::Json.content_type(), text().into(), work)
    };
    response.headers.extend([("ETag", tag), ("Vary", "Accept".to_owned())]);
    response
}
