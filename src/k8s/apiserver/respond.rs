//! Answers: objects, lists, refusals and plain texts, in the form that a client accepts, with the headers of a real server.

use super::Time;
use super::cache::Cached;
use super::endpoint::Endpoint;
use super::negotiation::{Accepted, Media, Shape};
use super::tables::Include;
use super::work::Work;
use crate::etcd::http::HttpResponse;
use crate::k8s::meta::status::Status;
use crate::k8s::schema::Schema;
use crate::k8s::{json, protobuf, yaml};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// A list's own metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListMeta {
    pub revision: i64,
    pub continue_token: String,
    pub remaining: Option<i64>,
}

const PLAIN: &str = "text/plain; charset=utf-8";

/// A plain text.
pub fn text(status: u16, text: &str) -> HttpResponse {
    HttpResponse::new(status, PLAIN, text.to_owned())
}

/// The answer to a path that nobody serves.
pub fn not_found() -> HttpResponse {
    with(text(404, "404 page not found\n"), "X-Content-Type-Options", "nosniff")
}

fn with(mut response: HttpResponse, name: &'static str, value: impl Into<String>) -> HttpResponse {
    response.headers.push((name, value.into()));
    response
}

/// A body that was made elsewhere.
pub fn raw(status: u16, content_type: &str, body: Bytes, work: &Work) -> HttpResponse {
    dress(HttpResponse::new(status, content_type, body), work)
}

/// A refusal.
pub fn status(status: &Status, accepted: Accepted, work: &Work) -> HttpResponse {
    let retry = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    let response = value(status.code, &status.to_object(), accepted.media, work);
    let response = if retry > 0 { with(response, "Retry-After", retry.to_string()) } else { response };
    match status.code {
        401 | 403 => with(response, "X-Content-Type-Options", "nosniff"),
        _ => response,
    }
}

/// A value as it is, in one of the notations.
pub fn value(code: u16, value: &Value, media: Media, work: &Work) -> HttpResponse {
    let (media, body) = match media {
        Media::Json if is_for_people(work) => (media, Bytes::from(json::indented(value, 2))),
        _ => write(value, media),
    };
    dress(HttpResponse::new(code, media.content_type(), body), work)
}

/// Who reads it in a terminal or a browser gets it in lines. Upstream: `isPrettyPrint`.
fn is_for_people(work: &Work) -> bool {
    if work.query.has("pretty") {
        return work.query.flag("pretty");
    }
    let agent = work.request.header("User-Agent").unwrap_or_default();
    ["curl", "Wget", "Mozilla/5.0"].iter().any(|name| agent.starts_with(name))
}

/// What Protobuf cannot say is said in JSON.
pub fn write(value: &Value, media: Media) -> (Media, Bytes) {
    match media {
        Media::Json => (media, Bytes::from(json::to_string(value) + "\n")),
        Media::Yaml => (media, Bytes::from(yaml::to_string(value))),
        Media::Protobuf => match protobuf::to_bytes(Schema::kubernetes(), value) {
            Ok(bytes) => (media, bytes.into()),
            Err(_) => write(value, Media::Json),
        },
    }
}

/// The headers that every answer has.
fn dress(mut response: HttpResponse, work: &Work) -> HttpResponse {
    let mut headers = vec![("Cache-Control", "no-cache, private".to_owned())];
    headers.append(&mut response.headers);
    // As upstream quotes them: RFC 7234 with the code of a miscellaneous persistent warning.
    let quoted = |text: &String| format!("299 - \"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    headers.extend(work.warnings.iter().map(|text| ("Warning", quoted(text))));
    if let Some((schema, level)) = &work.sorted {
        headers.push(("X-Kubernetes-Pf-Flowschema-Uid", schema.clone()));
        headers.push(("X-Kubernetes-Pf-Prioritylevel-Uid", level.clone()));
    }
    headers.push(("Content-Length", response.body.len().to_string()));
    HttpResponse { headers, ..response }
}

/// The head of a watch; what it tells comes later.
pub fn stream(accepted: Accepted, work: &Work) -> HttpResponse {
    let content_type = match accepted.media {
        Media::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        media => media.content_type(),
    };
    let mut response = HttpResponse::new(200, content_type, Bytes::new());
    response.headers.insert(0, ("Cache-Control", "no-cache, private".to_owned()));
    response.headers.extend(work.warnings.iter().map(|text| ("Warning", format!("299 - \"{text}\""))));
    response.headers.push(("Transfer-Encoding", "chunked".to_owned()));
    response
}

/// One object.
pub fn object(
    code: u16,
    endpoint: &Endpoint,
    object: &Value,
    accepted: Accepted,
    work: &Work,
    now: Time,
) -> HttpResponse {
    match accepted.shape {
        Shape::Object => value(code, object, accepted.media, work),
        Shape::PartialMetadata => value(code, &partial(object), accepted.media, work),
        Shape::Table => value(code, &endpoint.table(object, include(work), now), accepted.media, work),
    }
}

/// What the rows of a table are to hold of their objects. Reads check it before.
fn include(work: &Work) -> Include {
    Include::parse(work.query.get("includeObject")).unwrap_or_default()
}

/// A list.
pub fn list(
    endpoint: &Endpoint,
    items: &[Arc<Cached>],
    meta: &ListMeta,
    accepted: Accepted,
    work: &Work,
    now: Time,
) -> HttpResponse {
    match accepted.shape {
        Shape::Object if accepted.media == Media::Json && !is_for_people(work) => {
            let body = list_text(endpoint, items, meta);
            raw(200, Media::Json.content_type(), body, work)
        }
        Shape::Object => {
            let items = items
                .iter()
                .map(|item| whole_or_bare(endpoint, endpoint.convert(item.read()).unwrap_or_default()))
                .collect();
            let kind = format!("{}List", endpoint.kind());
            value(200, &list_value(&kind, &endpoint.api_version(), items, meta), accepted.media, work)
        }
        Shape::PartialMetadata => {
            let items = items.iter().map(|item| partial(&item.read())).collect();
            let list = list_value("PartialObjectMetadataList", "meta.k8s.io/v1", items, meta);
            value(200, &list, accepted.media, work)
        }
        Shape::Table => {
            let items = items.iter().map(|item| endpoint.convert(item.read()).unwrap_or_default()).collect();
            let kind = format!("{}List", endpoint.kind());
            let list = list_value(&kind, &endpoint.api_version(), items, meta);
            value(200, &endpoint.table(&list, include(work), now), accepted.media, work)
        }
    }
}

/// The JSON of a list, put together from the texts of its items.
fn list_text(endpoint: &Endpoint, items: &[Arc<Cached>], meta: &ListMeta) -> Bytes {
    let head = list_value(&format!("{}List", endpoint.kind()), &endpoint.api_version(), Vec::new(), meta);
    let head = json::to_string(&head);
    let mut text = head.strip_suffix("]}").unwrap_or(&head).as_bytes().to_vec();
    text.reserve(items.iter().map(|item| item.json.len() + 1).sum());
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            text.push(b',');
        }
        match bare_text(endpoint, &item.json) {
            Some(bare) => {
                text.push(b'{');
                text.extend_from_slice(bare);
            }
            // It lies there as another version.
            None => {
                let object = whole_or_bare(endpoint, endpoint.convert(item.read()).unwrap_or_default());
                text.extend_from_slice(json::to_string(&object).as_bytes());
            }
        }
    }
    text.extend_from_slice(b"]}\n");
    text.into()
}

/// An item of a list without what the list says for all: what follows its kind and version.
fn bare_text<'a>(endpoint: &Endpoint, text: &'a [u8]) -> Option<&'a [u8]> {
    text.strip_prefix(endpoint.head()?.as_bytes())
}

/// An item of a list: custom resources say what they are even there.
fn whole_or_bare(endpoint: &Endpoint, object: Value) -> Value {
    if endpoint.is_custom() { object } else { bare(object) }
}

fn bare(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.shift_remove("kind");
        fields.shift_remove("apiVersion");
    }
    object
}

fn list_value(kind: &str, api_version: &str, items: Vec<Value>, meta: &ListMeta) -> Value {
    json!({"kind": kind, "apiVersion": api_version, "metadata": list_meta(meta), "items": items})
}

fn list_meta(meta: &ListMeta) -> Value {
    let mut value = Map::new();
    value.insert("resourceVersion".to_owned(), meta.revision.to_string().into());
    if !meta.continue_token.is_empty() {
        value.insert("continue".to_owned(), meta.continue_token.as_str().into());
    }
    if let Some(remaining) = meta.remaining {
        value.insert("remainingItemCount".to_owned(), remaining.into());
    }
    Value::Object(value)
}

/// An object's metadata alone.
pub fn partial(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

/// A list of what was deleted.
pub fn items(endpoint: &Endpoint, objects: Vec<Value>, revision: i64) -> Value {
    let meta = ListMeta { revision, ..ListMeta::default() };
    let items = objects
        .into_iter()
        .map(|object| whole_or_bare(endpoint, endpoint.convert(object).unwrap_or_default()))
        .collect();
    list_value(&format!("{}List", endpoint.kind()), &endpoint.api_version(), items, &meta)
}

/// A request that was carried out and has nothing to show.
pub fn plain_success(code: u16) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code})
}

/// A deletion that left nothing.
pub fn success(endpoint: &Endpoint, name: &str, uid: &str) -> Value {
    let mut details = Map::new();
    details.insert("name".to_owned(), name.into());
    if !endpoint.group().is_empty() {
        details.insert("group".to_owned(), endpoint.group().into());
    }
    details.insert("kind".to_owned(), endpoint.plural().into());
    details.insert("uid".to_owned(), uid.into());
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}
