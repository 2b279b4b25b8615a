//! Objects changed by patches: JSON patch, JSON merge patch and strategic merge patch, and the patch that turns what a user
//! applied before into what the same user applies now.
//!
//! Upstream: `k8s.io/apiserver/pkg/endpoints/handlers/patch.go`, `gopkg.in/evanphx/json-patch.v4`,
//! `k8s.io/apimachinery/pkg/util/{strategicpatch,jsonmergepatch}`. Server-side apply is in `managed`.
//!
//! An object goes in and comes out in the form of its type; defaults are filled in elsewhere.

mod diff;
mod golang;
mod lookup;
mod merge;
mod operations;
mod strategic;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use super::meta::status::{Details, FieldError, Qualified, Status, quote};
use super::schema::{MessageId, Schema};
use super::{json, typed, yaml};

pub use diff::two_way;
pub use golang::show;

/// What a body of a PATCH is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchType {
    Json,
    Merge,
    StrategicMerge,
    Apply,
}

/// `fieldValidation`: what happens to fields that a type lacks or that stand twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// An object after a patch.
#[derive(Clone, Debug, PartialEq)]
pub struct Patched {
    pub object: Value,
    /// What a client is warned of.
    pub problems: Vec<String>,
}

/// Operations of one JSON patch.
const OPERATIONS_MAX: usize = 10_000;

impl PatchType {
    /// Kinds that have a schema take all four, custom resources all but the strategic one.
    pub fn of_content_type(content_type: &str, is_custom: bool) -> Result<PatchType, Status> {
        let name = content_type.split(';').next().unwrap_or_default();
        let accepted = [PatchType::Json, PatchType::Merge, PatchType::StrategicMerge, PatchType::Apply];
        let mut accepted = accepted.into_iter().filter(|ty| !is_custom || *ty != PatchType::StrategicMerge);
        let names: Vec<&str> = accepted.clone().map(PatchType::content_type).collect();
        accepted.find(|ty| ty.content_type() == name).ok_or_else(|| {
            let names = names.join(", ");
            let why = "the body of the request was in an unknown format - accepted media types include:";
            Status::unsupported_media_type(&format!("{why} {names}"))
        })
    }

    pub fn content_type(self) -> &'static str {
        match self {
            PatchType::Json => "application/json-patch+json",
            PatchType::Merge => "application/merge-patch+json",
            PatchType::StrategicMerge => "application/strategic-merge-patch+json",
            PatchType::Apply => "application/apply-patch+yaml",
        }
    }
}

impl FieldValidation {
    /// An empty text for a request that does not say.
    pub fn parse(text: &str) -> Option<FieldValidation> {
        match text {
            "" | "Warn" => Some(FieldValidation::Warn),
            "Ignore" => Some(FieldValidation::Ignore),
            "Strict" => Some(FieldValidation::Strict),
            _ => None,
        }
    }
}

/// Applies a patch that is not [`PatchType::Apply`] to an object. Without a kind (a custom resource) the result is as the
/// patch left it, and what its schema says of it is added by [`settle`].
pub fn apply(
    schema: &Schema,
    kind: Option<MessageId>,
    patch_type: PatchType,
    validation: FieldValidation,
    current: &Value,
    patch: &[u8],
) -> Result<Patched, Status> {
    let (object, shown, problems) = match (patch_type, kind) {
        (PatchType::Json, _) => {
            let (operations, problems) = operations::read(patch, validation)?;
            if operations.len() > OPERATIONS_MAX {
                let count = operations.len();
                let message =
                    format!("The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {count}");
                return Err(Status::request_entity_too_large(&message));
            }
            let object = operations::apply(current.clone(), &operations).map_err(|_| rejected())?;
            (object, None, problems)
        }
        (PatchType::Merge, _) => {
            let (patch, problems) = merge::read(patch, validation)?;
            (merge::apply(current.clone(), patch).map_err(Status::bad_request)?, None, problems)
        }
        (PatchType::StrategicMerge, Some(kind)) => {
            let (patch, problems) = strategic::read(patch)?;
            let shown = golang::show(&Value::Object(patch.clone()));
            let Value::Object(current) = current.clone() else { return Err(unexpected("not an object")) };
            let object = strategic::apply(schema, kind, current, patch).map_err(|error| error.into_status())?;
            (Value::Object(object), Some(shown), problems)
        }
        _ => return Err(unexpected(&format!("{}: unimplemented patch type", patch_type.content_type()))),
    };
    let shown = shown.unwrap_or_else(|| json::to_string(&object));
    let Some(kind) = kind else { return settle(Ok(Patched { object, problems }), Vec::new(), &shown, validation) };
    let decoded = typed::decode(schema, kind, object);
    let unknown = decoded.as_ref().map(|decoded| decoded.unknown.clone()).unwrap_or_default();
    settle(decoded.map(|decoded| Patched { object: decoded.value, problems }), unknown, &shown, validation)
}

/// Reads the body of server-side apply, which is YAML or JSON, and what clients are warned of.
pub fn read_applied(bytes: &[u8], validation: FieldValidation) -> Result<(Value, Vec<String>), Status> {
    let convert = "error converting YAML to JSON:";
    let refuse = |error: &str| Status::bad_request(format!("error decoding YAML: {error}"));
    let text =
        std::str::from_utf8(bytes).map_err(|_| refuse(&format!("{convert} yaml: invalid leading UTF-8 octet")))?;
    let document = yaml::parse(text).map_err(|error| refuse(&format!("{convert} {error}")))?;
    if !document.value.is_object() && !document.value.is_null() {
        let what = json_type(&document.value);
        let into = "Go value of type map[string]interface {}";
        return Err(refuse(&format!(
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {what} into {into}"
        )));
    }
    let twice = |key: &yaml::Duplicate| format!("  line {}: key {} already set in map", key.line, quote(&key.key));
    let lines: Vec<String> = document.duplicates.iter().map(twice).collect();
    let problem = format!("{convert} yaml: unmarshal errors:\n{}", lines.join("\n"));
    match validation {
        _ if lines.is_empty() => Ok((document.value, Vec::new())),
        FieldValidation::Ignore => Ok((document.value, Vec::new())),
        FieldValidation::Warn => Ok((document.value, vec![problem])),
        FieldValidation::Strict => Err(Status::bad_request(format!("error strict decoding YAML: {problem}"))),
    }
}

/// Refuses what could not be read as its kind, and, if strict, what has problems: those of the patch and unknown fields.
/// `shown` is the patch or its result, as the refusal quotes it.
pub fn settle(
    patched: Result<Patched, String>,
    unknown: Vec<String>,
    shown: &str,
    validation: FieldValidation,
) -> Result<Patched, Status> {
    let refuse = |error: String| {
        let error = FieldError::invalid("patch", shown, error);
        Status::invalid(Qualified { name: "", group: "" }, "", &[error])
    };
    let mut patched = patched.map_err(refuse)?;
    patched.problems.extend(unknown.iter().map(|path| format!("unknown field {}", quote(path))));
    match validation {
        FieldValidation::Strict if !patched.problems.is_empty() => {
            Err(refuse(format!("strict decoding error: {}", patched.problems.join(", "))))
        }
        FieldValidation::Ignore => Ok(Patched { problems: Vec::new(), ..patched }),
        _ => Ok(patched),
    }
}

/// A JSON patch as its text, on a document of any kind, with the errors that only `kubectl patch --local` shows.
pub fn apply_operations(document: Value, patch: &[u8]) -> Result<Value, String> {
    let (operations, _) = operations::read(patch, FieldValidation::Ignore).map_err(|status| status.message)?;
    operations::apply(document, &operations)
}

/// An object with a strategic merge patch applied, as `kubectl patch --local` does it.
pub fn strategic_merge(schema: &Schema, kind: MessageId, current: &Value, patch: &Value) -> Result<Value, String> {
    let [current, patch] = [current, patch].map(|document| document.as_object().cloned().unwrap_or_default());
    strategic::apply(schema, kind, current, patch).map(Value::Object).map_err(strategic::Error::into_text)
}

/// The patch that client-side apply sends: what `modified` adds to `current` or changes in it, and what it lacks of
/// `original`, the configuration that was applied before. With a kind a strategic merge patch, else a JSON merge patch.
pub fn three_way(
    schema: &Schema,
    kind: Option<MessageId>,
    original: &Value,
    modified: &Value,
    current: &Value,
) -> Result<Value, String> {
    let empty = Map::new();
    let [original, modified, current] =
        [original, modified, current].map(|document| document.as_object().unwrap_or(&empty));
    match kind {
        Some(kind) => diff::three_way(schema, kind, original, modified, current).map(Value::Object),
        None => Ok(Value::Object(merge::three_way(original, modified, current))),
    }
}

/// The JSON merge patch that turns one object into another.
pub fn merge_patch(original: &Value, modified: &Value) -> Value {
    let empty = Map::new();
    let [original, modified] = [original, modified].map(|document| document.as_object().unwrap_or(&empty));
    Value::Object(merge::difference(original, modified))
}

/// Upstream says no more of a patch that does not fit its object.
fn rejected() -> Status {
    Status {
        code: 422,
        reason: "Invalid",
        message: "the server rejected our request due to an error in our request".to_owned(),
        details: Some(Box::new(Details::default())),
        ..Status::default()
    }
}

/// An error that upstream has no name for.
fn unexpected(message: &str) -> Status {
    Status { code: 500, message: message.to_owned(), ..Status::default() }
}

/// A document, and what stands twice in it: `duplicate field "spec.replicas"`.
fn read_json(bytes: &[u8]) -> Result<(Value, Vec<String>), String> {
    let document = json::parse(bytes).map_err(|error| error.message)?;
    let problems = document.duplicates.iter().map(|path| format!("duplicate field {}", quote(path))).collect();
    Ok((document.value, problems))
}

/// As Go's errors name what JSON holds.
fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
