//! Which form a client wants its answer in, and what form its body has.
//!
//! Upstream: `k8s.io/apiserver/pkg/endpoints/handlers/negotiation`.

use crate::etcd::http::HttpRequest;
use crate::k8s::codec::MediaType;
use crate::k8s::meta::status::Status;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Accepted {
    pub media: Media,
    pub shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Media {
    Json,
    Yaml,
    Protobuf,
}

/// What stands in the answer for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    Object,
    Table,
    PartialMetadata,
}

const BODY_TYPES: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

impl Media {
    pub fn content_type(self) -> &'static str {
        BODY_TYPES[self as usize]
    }
}

impl Accepted {
    pub const JSON: Accepted = Accepted { media: Media::Json, shape: Shape::Object };

    /// The first of the wanted forms that there is.
    pub fn of(request: &HttpRequest) -> Result<Accepted, Status> {
        let wanted = request.header("Accept").unwrap_or_default();
        if wanted.trim().is_empty() {
            return Ok(Accepted::JSON);
        }
        let clauses = clauses(wanted);
        let not_acceptable = || {
            let types = BODY_TYPES.join(", ");
            Status::not_acceptable(&format!("only the following media types are accepted: {types}"))
        };
        clauses.iter().find_map(|clause| clause.accepted()).ok_or_else(not_acceptable)
    }
}

/// One of the forms that a client names, with its parameters.
pub struct Clause<'a> {
    pub media: &'a str,
    pub parameters: Vec<(&'a str, &'a str)>,
}

/// What an Accept header names, the most wanted first.
pub fn clauses(accept: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<(u32, Clause)> = accept.split(',').map(clause).collect();
    clauses.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
    clauses.into_iter().map(|(_, clause)| clause).collect()
}

fn clause(text: &str) -> (u32, Clause<'_>) {
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let pairs = parts.filter_map(|part| part.split_once('='));
    let parameters: Vec<(&str, &str)> =
        pairs.map(|(name, value)| (name.trim(), value.trim().trim_matches('"'))).collect();
    let quality = parameters.iter().find(|(name, _)| *name == "q").and_then(|(_, value)| thousandths(value));
    (quality.unwrap_or(1000), Clause { media, parameters })
}

/// `0.25` as 250.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = rest.chars().chain("000".chars()).take(3).collect();
    Some(whole.parse::<u32>().ok()?.min(1) * 1000 + digits.parse::<u32>().ok()?)
}

impl Clause<'_> {
    pub fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    fn accepted(&self) -> Option<Accepted> {
        let media = match self.media {
            "*/*" | "application/*" | "application/json" => Media::Json,
            "application/yaml" => Media::Yaml,
            "application/vnd.kubernetes.protobuf" => Media::Protobuf,
            _ => return None,
        };
        let is_meta = self.parameter("g") == "meta.k8s.io" && ["v1", "v1beta1"].contains(&self.parameter("v"));
        let shape = match self.parameter("as") {
            "" => Shape::Object,
            "Table" if is_meta && media != Media::Protobuf => Shape::Table,
            "PartialObjectMetadata" | "PartialObjectMetadataList" if is_meta => Shape::PartialMetadata,
            _ => return None,
        };
        Some(Accepted { media, shape })
    }
}

/// What a request's body is written in. Without a Content-Type it is JSON.
pub fn body_type(request: &HttpRequest) -> Result<MediaType, Status> {
    let text = request.header("Content-Type").unwrap_or_default();
    let name = text.split(';').next().unwrap_or_default().trim();
    match name {
        "" | "application/json" => Ok(MediaType::Json),
        "application/yaml" => Ok(MediaType::Yaml),
        "application/vnd.kubernetes.protobuf" => Ok(MediaType::Protobuf),
        _ => {
            let types = BODY_TYPES.join(", ");
            let why = "the body of the request was in an unknown format - accepted media types include";
            Err(Status::unsupported_media_type(&format!("{why}: {types}")))
        }
    }
}
