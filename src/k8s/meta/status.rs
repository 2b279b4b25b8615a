//! How an API server says no: `metav1.Status` with upstream's texts, reasons and codes.
//!
//! Upstream: `k8s.io/apimachinery/pkg/api/errors` and `pkg/util/validation/field`.

use std::fmt;

use serde_json::{Map, Value};

pub use crate::k8s::go::quote;
use crate::k8s::json;

/// A refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    pub code: u16,
    /// Empty if nothing is known.
    pub reason: &'static str,
    pub message: String,
    pub details: Option<Box<Details>>,
    /// Of a refused page: the token to go on with.
    pub continue_token: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    pub name: String,
    pub group: String,
    /// The resource, and the kind only if the object is invalid.
    pub kind: String,
    pub uid: String,
    pub causes: Vec<Cause>,
    pub retry_after_seconds: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    pub reason: String,
    pub message: String,
    pub field: String,
}

/// A resource, or a kind, and its group: `deployments.apps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Qualified<'a> {
    pub name: &'a str,
    pub group: &'a str,
}

impl fmt::Display for Qualified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.group.is_empty() { "" } else { "." };
        write!(f, "{}{dot}{}", self.name, self.group)
    }
}

impl Status {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Status {
        Status { code, reason, message: message.into(), ..Status::default() }
    }

    fn about(self, resource: Qualified, name: &str) -> Status {
        let details = Details {
            name: name.to_owned(),
            group: resource.group.to_owned(),
            kind: resource.name.to_owned(),
            ..*self.details.clone().unwrap_or_default()
        };
        Status { details: Some(Box::new(details)), ..self }
    }

    fn retry_after(self, seconds: u32) -> Status {
        let details = Details { retry_after_seconds: seconds, ..*self.details.clone().unwrap_or_default() };
        Status { details: Some(Box::new(details)), ..self }
    }

    pub fn not_found(resource: Qualified, name: &str) -> Status {
        Status::new(404, "NotFound", format!("{resource} {} not found", quote(name))).about(resource, name)
    }

    pub fn already_exists(resource: Qualified, name: &str) -> Status {
        Status::new(409, "AlreadyExists", format!("{resource} {} already exists", quote(name))).about(resource, name)
    }

    /// No free name was found for a `generateName`.
    pub fn generate_name_conflict(resource: Qualified, name: &str, retry_seconds: u32) -> Status {
        let why = "the server was not able to generate a unique name for the object";
        let message = format!("{resource} {} already exists, {why}", quote(name));
        Status::new(409, "AlreadyExists", message).about(resource, name).retry_after(retry_seconds)
    }

    pub fn unauthorized(message: &str) -> Status {
        Status::new(401, "Unauthorized", message)
    }

    pub fn forbidden(resource: Qualified, name: &str, why: &str) -> Status {
        let message = match (resource.name, name) {
            ("", _) => format!("forbidden: {why}"),
            (_, "") => format!("{resource} is forbidden: {why}"),
            _ => format!("{resource} {} is forbidden: {why}", quote(name)),
        };
        Status::new(403, "Forbidden", message).about(resource, name)
    }

    pub fn conflict(resource: Qualified, name: &str, why: &str) -> Status {
        let message = format!("Operation cannot be fulfilled on {resource} {}: {why}", quote(name));
        Status::new(409, "Conflict", message).about(resource, name)
    }

    /// The conflict of two writers: somebody wrote in between.
    pub fn modified(resource: Qualified, name: &str) -> Status {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Status::conflict(resource, name, why)
    }

    pub fn gone(message: &str) -> Status {
        Status::new(410, "Gone", message)
    }

    /// The history does not reach back so far.
    pub fn expired(message: &str) -> Status {
        Status::new(410, "Expired", message)
    }

    /// An object breaks the rules of its kind.
    pub fn invalid(kind: Qualified, name: &str, errors: &[FieldError]) -> Status {
        let cause = |error: &FieldError| Cause {
            reason: error.kind.reason().to_owned(),
            message: error.body(),
            field: error.field.clone(),
        };
        let is_invalid = format!("{kind} {} is invalid", quote(name));
        let message = match aggregate(errors) {
            None => is_invalid,
            Some(errors) => format!("{is_invalid}: {errors}"),
        };
        let mut status = Status::new(422, "Invalid", message).about(kind, name);
        if let Some(details) = &mut status.details {
            details.causes = errors.iter().map(cause).collect();
        }
        status
    }

    pub fn bad_request(message: impl Into<String>) -> Status {
        Status::new(400, "BadRequest", message)
    }

    pub fn too_many_requests(message: &str, retry_seconds: u32) -> Status {
        Status::new(429, "TooManyRequests", message).retry_after(retry_seconds)
    }

    pub fn service_unavailable(message: &str) -> Status {
        Status::new(503, "ServiceUnavailable", message)
    }

    pub fn method_not_supported(resource: Qualified, verb: &str) -> Status {
        let message = format!("{verb} is not supported on resources of kind {}", quote(&resource.to_string()));
        Status::new(405, "MethodNotAllowed", message).about(resource, "")
    }

    pub fn server_timeout(resource: Qualified, operation: &str, retry_seconds: u32) -> Status {
        let why = "could not be completed at this time, please try again.";
        let message = format!("The {operation} operation against {resource} {why}");
        Status::new(500, "ServerTimeout", message).about(resource, operation).retry_after(retry_seconds)
    }

    pub fn timeout(message: &str, retry_seconds: u32) -> Status {
        Status::new(504, "Timeout", format!("Timeout: {message}")).retry_after(retry_seconds)
    }

    pub fn internal(error: &str) -> Status {
        let causes = vec![Cause { message: error.to_owned(), ..Cause::default() }];
        let details = Some(Box::new(Details { causes, ..Details::default() }));
        Status { details, ..Status::new(500, "InternalError", format!("Internal error occurred: {error}")) }
    }

    /// An error that nobody made a status of. Upstream: `ErrorToAPIStatus`.
    pub fn of_error(message: impl Into<String>) -> Status {
        Status { details: None, ..Status::new(500, "", message) }
    }

    pub fn request_entity_too_large(message: &str) -> Status {
        Status::new(413, "RequestEntityTooLarge", format!("Request entity too large: {message}"))
    }

    pub fn unsupported_media_type(message: &str) -> Status {
        Status::new(415, "UnsupportedMediaType", message)
    }

    pub fn not_acceptable(message: &str) -> Status {
        Status::new(406, "NotAcceptable", message)
    }

    /// The object that travels, in Go's order.
    pub fn to_object(&self) -> Value {
        let mut metadata = Map::new();
        put(&mut metadata, "continue", &self.continue_token);
        let mut object = Map::new();
        object.insert("kind".to_owned(), "Status".into());
        object.insert("apiVersion".to_owned(), "v1".into());
        object.insert("metadata".to_owned(), metadata.into());
        object.insert("status".to_owned(), "Failure".into());
        put(&mut object, "message", &self.message);
        put(&mut object, "reason", self.reason);
        if let Some(details) = &self.details {
            object.insert("details".to_owned(), details.to_object());
        }
        object.insert("code".to_owned(), self.code.into());
        Value::Object(object)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Details {
    fn to_object(&self) -> Value {
        let mut object = Map::new();
        put(&mut object, "name", &self.name);
        put(&mut object, "group", &self.group);
        put(&mut object, "kind", &self.kind);
        put(&mut object, "uid", &self.uid);
        if !self.causes.is_empty() {
            let causes: Vec<Value> = self.causes.iter().map(Cause::to_object).collect();
            object.insert("causes".to_owned(), causes.into());
        }
        if self.retry_after_seconds > 0 {
            object.insert("retryAfterSeconds".to_owned(), self.retry_after_seconds.into());
        }
        Value::Object(object)
    }
}

impl Cause {
    fn to_object(&self) -> Value {
        let mut object = Map::new();
        put(&mut object, "reason", &self.reason);
        put(&mut object, "message", &self.message);
        put(&mut object, "field", &self.field);
        Value::Object(object)
    }
}

/// Nothing for an empty text.
fn put(object: &mut Map<String, Value>, name: &str, text: &str) {
    if !text.is_empty() {
        object.insert(name.to_owned(), text.into());
    }
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    /// `spec.containers[0].image`
    pub field: String,
    pub kind: FieldErrorKind,
    pub detail: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FieldErrorKind {
    Required,
    Invalid(Value),
    /// What it is instead would be too long to say.
    InvalidWithoutValue,
    TypeInvalid(Value),
    NotSupported(Value, Vec<String>),
    Forbidden,
    Duplicate(Value),
    DuplicateWithoutValue,
    NotFound(Value),
    /// More bytes than this.
    TooLong(usize),
    /// So many, where only so many may be.
    TooMany(usize, usize),
    Internal,
}

impl FieldErrorKind {
    pub fn reason(&self) -> &'static str {
        match self {
            FieldErrorKind::Required => "FieldValueRequired",
            FieldErrorKind::Invalid(_) | FieldErrorKind::InvalidWithoutValue => "FieldValueInvalid",
            FieldErrorKind::TypeInvalid(_) => "FieldValueTypeInvalid",
            FieldErrorKind::NotSupported(..) => "FieldValueNotSupported",
            FieldErrorKind::Forbidden => "FieldValueForbidden",
            FieldErrorKind::Duplicate(_) | FieldErrorKind::DuplicateWithoutValue => "FieldValueDuplicate",
            FieldErrorKind::NotFound(_) => "FieldValueNotFound",
            FieldErrorKind::TooLong(_) => "FieldValueTooLong",
            FieldErrorKind::TooMany(..) => "FieldValueTooMany",
            FieldErrorKind::Internal => "InternalError",
        }
    }
}

impl FieldError {
    pub fn new(field: impl Into<String>, kind: FieldErrorKind, detail: impl Into<String>) -> FieldError {
        FieldError { field: field.into(), kind, detail: detail.into() }
    }

    pub fn required(field: impl Into<String>, detail: impl Into<String>) -> FieldError {
        FieldError::new(field, FieldErrorKind::Required, detail)
    }

    pub fn invalid(field: impl Into<String>, value: impl Into<Value>, detail: impl Into<String>) -> FieldError {
        FieldError::new(field, FieldErrorKind::Invalid(value.into()), detail)
    }

    pub fn forbidden(field: impl Into<String>, detail: impl Into<String>) -> FieldError {
        FieldError::new(field, FieldErrorKind::Forbidden, detail)
    }

    pub fn not_supported(field: impl Into<String>, value: impl Into<Value>, supported: &[&str]) -> FieldError {
        let supported = supported.iter().map(|text| (*text).to_owned()).collect();
        FieldError::new(field, FieldErrorKind::NotSupported(value.into(), supported), "")
    }

    pub fn duplicate(field: impl Into<String>, value: impl Into<Value>) -> FieldError {
        FieldError::new(field, FieldErrorKind::Duplicate(value.into()), "")
    }

    /// What is wrong, without the field.
    pub fn body(&self) -> String {
        let text = match &self.kind {
            FieldErrorKind::Required => "Required value".to_owned(),
            FieldErrorKind::Invalid(value) | FieldErrorKind::TypeInvalid(value) => {
                format!("Invalid value: {}", show(value))
            }
            FieldErrorKind::InvalidWithoutValue => "Invalid value".to_owned(),
            FieldErrorKind::NotSupported(value, supported) => {
                let supported: Vec<String> = supported.iter().map(|text| quote(text)).collect();
                format!("Unsupported value: {}: supported values: {}", show(value), supported.join(", "))
            }
            FieldErrorKind::Forbidden => "Forbidden".to_owned(),
            FieldErrorKind::DuplicateWithoutValue => "Duplicate value".to_owned(),
            FieldErrorKind::Duplicate(value) => format!("Duplicate value: {}", show(value)),
            FieldErrorKind::NotFound(value) => format!("Not found: {}", show(value)),
            FieldErrorKind::TooLong(max) => format!("Too long: may not be more than {max} bytes"),
            FieldErrorKind::TooMany(count, max) => format!("Too many: {count}: must have at most {max} items"),
            FieldErrorKind::Internal => "Internal error".to_owned(),
        };
        if self.detail.is_empty() { text } else { format!("{text}: {}", self.detail) }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

/// One error as it is, several in brackets, each once.
fn aggregate(errors: &[FieldError]) -> Option<String> {
    let mut texts: Vec<String> = Vec::new();
    for error in errors {
        let text = error.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match &texts[..] {
        [] => None,
        [text] => Some(text.clone()),
        _ => Some(format!("[{}]", texts.join(", "))),
    }
}

/// A value as an error shows it: texts quoted, what has parts as JSON.
fn show(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        other => json::to_string(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_conflict_as_it_travels() {
        let status = Status::modified(Qualified { name: "deployments", group: "apps" }, "web");
        let expect = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "Operation cannot be fulfilled on deployments.apps \"web\": the object has been modified; please \
                apply your changes to the latest version and try again",
            "reason": "Conflict", "details": {"name": "web", "group": "apps", "kind": "deployments"}, "code": 409,
        });
        assert_eq!(status.to_object().to_string(), expect.to_string());
    }
}
