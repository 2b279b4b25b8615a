//! Requests for certificates.
//!
//! Upstream: `pkg/apis/certificates/validation`.
//!
//! Simplified: that the request is a PEM block of the right kind is checked, not its signature.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Errors, indexed, text, unique};
use crate::k8s::meta::names;

const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

/// Nobody signs for less.
const SECONDS_MIN: i64 = 600;

pub(super) fn check(errors: &mut Errors, request: &Value) {
    let spec = &request["spec"];
    let bytes = STANDARD.decode(text(spec, "request")).unwrap_or_default();
    let shown = String::from_utf8_lossy(&bytes);
    let head = "-----BEGIN CERTIFICATE REQUEST-----";
    if !shown.lines().any(|line| line.trim_end() == head) {
        errors.invalid("spec.request", spec["request"].clone(), "PEM block type must be CERTIFICATE REQUEST");
    }
    if spec["usages"].as_array().is_none_or(Vec::is_empty) {
        errors.required("spec.usages");
    }
    let mut seen = Vec::new();
    for (field, usage) in indexed(&spec["usages"], "spec.usages") {
        let usage = usage.as_str().unwrap_or_default();
        errors.supported(&field, usage, &USAGES);
        unique(errors, &mut seen, &field, usage);
    }
    check_signer(errors, text(spec, "signerName"));
    if let Some(seconds) = spec["expirationSeconds"].as_i64().filter(|seconds| *seconds < SECONDS_MIN) {
        let detail = "may not specify a duration less than 600 seconds (10 minutes)";
        errors.invalid("spec.expirationSeconds", seconds, detail);
    }
    check_conditions(errors, &request["status"]["conditions"]);
}

/// `example.com/name`
fn check_signer(errors: &mut Errors, name: &str) {
    let field = "spec.signerName";
    if name.is_empty() {
        return errors.required(field);
    }
    let Some((domain, path)) = name.split_once('/') else {
        let detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        return errors.invalid(field, name, detail);
    };
    for complaint in names::dns1123_subdomain(domain) {
        errors.invalid(field, domain, &format!("validating label \"{domain}\": {complaint}"));
    }
    if !domain.contains('.') {
        errors.invalid(field, domain, "should be a domain with at least two segments separated by dots");
    }
    for label in path.split('.') {
        for complaint in names::dns1123_subdomain(label) {
            errors.invalid(field, path, &format!("validating label \"{label}\": {complaint}"));
        }
    }
}

/// A verdict is spoken once, and not both ways.
fn check_conditions(errors: &mut Errors, conditions: &Value) {
    let mut seen: Vec<&str> = Vec::new();
    for (field, condition) in indexed(conditions, "status.conditions") {
        let (kind, status) = (text(condition, "type"), text(condition, "status"));
        let at = |name: &str| format!("{field}.{name}");
        if kind.is_empty() {
            errors.required(&at("type"));
        }
        let is_final = matches!(kind, "Approved" | "Denied" | "Failed");
        if status.is_empty() {
            errors.required(&at("status"));
        } else if is_final && status != "True" {
            errors.supported(&at("status"), status, &["True"]);
        } else {
            errors.supported(&at("status"), status, &["False", "True", "Unknown"]);
        }
        let other = match kind {
            "Approved" => "Denied",
            "Denied" => "Approved",
            _ => "",
        };
        if seen.contains(&other) && !other.is_empty() {
            errors.invalid(&at("type"), kind, "Approved and Denied conditions are mutually exclusive");
        }
        if seen.contains(&kind) {
            errors.duplicate(&at("type"), kind);
        }
        seen.push(kind);
    }
}
