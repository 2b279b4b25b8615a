//! Rules about the options of a request. Upstream: `pkg/apis/meta/internalversion/validation` and `pkg/apis/meta/v1/validation`.

use super::info::Query;
use crate::k8s::meta::status::{FieldError, Qualified, Status};

const MATCHES: [&str; 3] = ["Exact", "NotOlderThan", ""];

fn invalid(kind: &str, errors: Vec<FieldError>) -> Result<(), Status> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(Status::invalid(Qualified { name: kind, group: "meta.k8s.io" }, "", &errors))
}

/// Of a list or a watch. Upstream: `ValidateListOptions`.
pub fn check_list(query: &Query) -> Result<(), Status> {
    let (rule, revision, token) =
        (query.get("resourceVersionMatch"), query.get("resourceVersion"), query.get("continue"));
    let mut errors = Vec::new();
    let mut forbid = |why: &str| errors.push(FieldError::forbidden("resourceVersionMatch", why));
    if query.flag("watch") {
        return check_watch(query);
    }
    if !rule.is_empty() {
        if revision.is_empty() {
            forbid("resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
        if !token.is_empty() {
            forbid("resourceVersionMatch is forbidden when continue is provided");
        }
        if rule == "Exact" && revision == "0" {
            forbid("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
        }
        if !MATCHES.contains(&rule) {
            errors.push(FieldError::not_supported("resourceVersionMatch", rule, &["Exact", "NotOlderThan", ""]));
        }
    }
    if query.has("sendInitialEvents") {
        errors.push(FieldError::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    }
    if !token.is_empty() && !["", "0"].contains(&revision) {
        return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
    }
    invalid("ListOptions", errors)
}

fn check_watch(query: &Query) -> Result<(), Status> {
    let rule = query.get("resourceVersionMatch");
    let mut errors = Vec::new();
    let mut forbid = |field: &str, why: &str| errors.push(FieldError::forbidden(field, why));
    if query.has("sendInitialEvents") {
        if rule.is_empty() {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            forbid("resourceVersionMatch", why);
        } else if rule != "NotOlderThan" {
            errors.push(FieldError::not_supported("resourceVersionMatch", rule, &["NotOlderThan"]));
        }
        return invalid("ListOptions", errors);
    }
    if !rule.is_empty() {
        forbid(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        );
    }
    invalid("ListOptions", errors)
}

/// `dryRun=All`, and the name of whoever writes. Upstream: `ValidateCreateOptions` and its like.
pub fn check_write(query: &Query, kind: &str) -> Result<(), Status> {
    let mut errors = Vec::new();
    let dry: Vec<&str> = query.all("dryRun").collect();
    if dry.iter().any(|word| *word != "All") {
        errors.push(FieldError::not_supported("dryRun", dry.join(","), &["All"]));
    }
    let manager = query.get("fieldManager");
    if manager.len() > 128 {
        errors.push(FieldError::invalid("fieldManager", manager, "may not be more than 128 bytes"));
    } else if manager.chars().any(char::is_control) {
        errors.push(FieldError::invalid("fieldManager", manager, "should only contain printable characters"));
    }
    let validation = query.get("fieldValidation");
    if !["", "Ignore", "Warn", "Strict"].contains(&validation) {
        errors.push(FieldError::not_supported("fieldValidation", validation, &["", "Ignore", "Strict", "Warn"]));
    }
    invalid(kind, errors)
}
