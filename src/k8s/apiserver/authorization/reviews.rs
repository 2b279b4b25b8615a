//! Questions about permissions, asked as objects: may I, may they, what may I.
//!
//! Upstream: `pkg/registry/authorization`, `pkg/apis/authorization/validation`, `pkg/registry/authentication/selfsubjectreview`.

use serde_json::{Map, Value, json};
use std::sync::Arc;

use super::rbac::{self, Errors};
use super::{Authorizer, Mode, node};
use crate::k8s::apiserver::attributes::{Attributes, Decision, Lister, User};
use crate::k8s::apiserver::object::{entries, in_form, list, namespace, text, texts};
use crate::k8s::meta::fields;
use crate::k8s::meta::status::{FieldError, Qualified, Status};

const GROUP: &str = "authorization.k8s.io";
const API_VERSION: &str = "authorization.k8s.io/v1";

/// Who decides, and by which objects.
#[derive(Clone, Copy)]
pub struct Court<'a> {
    pub authorizer: &'a Authorizer,
    pub lister: &'a dyn Lister,
}

/// May I?
pub fn self_subject_access(review: Value, user: &Arc<User>, court: Court) -> Result<Value, Status> {
    let mut errors = one_of_two(&review["spec"]);
    check_metadata(&mut errors, &review, false);
    refuse("SelfSubjectAccessReview", &errors)?;
    Ok(answered("SelfSubjectAccessReview", review, user.clone(), court))
}

/// May they?
pub fn subject_access(review: Value, court: Court) -> Result<Value, Status> {
    let mut errors = check_spec(&review["spec"]);
    check_metadata(&mut errors, &review, false);
    refuse("SubjectAccessReview", &errors)?;
    let user = Arc::new(subject(&review["spec"]));
    Ok(answered("SubjectAccessReview", review, user, court))
}

/// May they, in this namespace?
pub fn local_subject_access(review: Value, request_namespace: &str, court: Court) -> Result<Value, Status> {
    let spec = &review["spec"];
    let mut errors = check_spec(spec);
    check_metadata(&mut errors, &review, true);
    let asked = text(&spec["resourceAttributes"], "namespace");
    if spec["resourceAttributes"].is_object() && asked != namespace(&review) {
        let field = "spec.resourceAttributes.namespace";
        errors.push(FieldError::invalid(field, asked, "must match metadata.namespace"));
    }
    let path = &spec["nonResourceAttributes"];
    if path.is_object() {
        let field = "spec.nonResourceAttributes";
        errors.push(FieldError::invalid(field, path.clone(), "disallowed on this kind of request"));
    }
    refuse("LocalSubjectAccessReview", &errors)?;
    if request_namespace.is_empty() {
        return Err(Status::bad_request("namespace is required on this type: "));
    }
    if request_namespace != namespace(&review) {
        let message = format!("spec.resourceAttributes.namespace must match namespace: {request_namespace}");
        return Err(Status::bad_request(message));
    }
    let user = Arc::new(subject(spec));
    Ok(answered("LocalSubjectAccessReview", review, user, court))
}

/// What may I do in a namespace?
pub fn self_subject_rules(review: &Value, user: &User, court: Court) -> Result<Value, Status> {
    let namespace = text(&review["spec"], "namespace");
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let (mut rules, mut errors, mut is_incomplete) = (Vec::new(), Errors::default(), false);
    for mode in &court.authorizer.modes {
        match mode {
            Mode::AlwaysAllow => {
                rules.push(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
                rules.push(json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
            }
            Mode::AlwaysDeny => {}
            Mode::Node => {
                if node::identity(user).is_some() {
                    is_incomplete = true;
                    errors.add("node authorizer does not support user rule resolution");
                }
            }
            Mode::Rbac => {
                let (found, wrong) = rbac::rules_for(user, namespace, court.lister);
                rules.extend(found);
                if !wrong.is_empty() {
                    errors.add(wrong);
                }
            }
        }
    }
    let having = |field: &'static str| rules.iter().filter(move |rule| !list(rule, field).is_empty());
    let resource_rules = having("resources").map(|rule| part(rule, &["apiGroups", "resources", "resourceNames"]));
    let path_rules = having("nonResourceURLs").map(|rule| part(rule, &["nonResourceURLs"]));
    let mut status = json!({
        "resourceRules": resource_rules.collect::<Vec<_>>(),
        "nonResourceRules": path_rules.collect::<Vec<_>>(),
        "incomplete": is_incomplete,
    });
    if !errors.is_empty() {
        status["evaluationError"] = errors.to_string().into();
    }
    let kind = "SelfSubjectRulesReview";
    // The question is not repeated.
    Ok(in_form(API_VERSION, kind, json!({"kind": kind, "apiVersion": API_VERSION, "status": status})))
}

/// Who am I? The metadata is given back as it is: a server puts the moment of the answer there, as `creationTimestamp`.
pub fn self_subject(review: &Value, user: &User) -> Value {
    let api_version = "authentication.k8s.io/v1";
    let (kind, metadata) = ("SelfSubjectReview", &review["metadata"]);
    let status = json!({"userInfo": user_info(user)});
    let review = json!({"kind": kind, "apiVersion": api_version, "metadata": metadata, "status": status});
    in_form(api_version, kind, review)
}

/// A user as objects tell it.
pub fn user_info(user: &User) -> Value {
    let mut info = Map::new();
    info.insert("username".to_owned(), user.name[..].into());
    info.insert("uid".to_owned(), user.uid[..].into());
    info.insert("groups".to_owned(), user.groups.clone().into());
    if !user.extra.is_empty() {
        info.insert("extra".to_owned(), json!(user.extra));
    }
    info.into()
}

/// A rule with its verbs and these lists.
fn part(rule: &Value, fields: &[&str]) -> Value {
    let fields = std::iter::once(&"verbs").chain(fields).filter(|field| !rule[**field].is_null());
    fields.map(|field| ((*field).to_owned(), rule[*field].clone())).collect::<Map<_, _>>().into()
}

fn answered(kind: &str, mut review: Value, user: Arc<User>, court: Court) -> Value {
    let (attributes, complaints) = attributes(&review["spec"], user);
    let decision = court.authorizer.authorize(&attributes, court.lister);
    let mut status = json!({"allowed": decision.is_allow()});
    if matches!(decision, Decision::Deny { .. }) {
        status["denied"] = true.into();
    }
    if !decision.reason().is_empty() {
        status["reason"] = decision.reason().into();
    }
    if !complaints.is_empty() {
        status["evaluationError"] = complaints.join("; ").into();
    }
    review["status"] = status;
    in_form(API_VERSION, kind, review)
}

/// What is asked about, and which parts of the question were not understood.
fn attributes(spec: &Value, user: Arc<User>) -> (Attributes, Vec<String>) {
    let path = &spec["nonResourceAttributes"];
    let asked = &spec["resourceAttributes"];
    let own = |value: &Value, field: &str| text(value, field).to_owned();
    if !asked.is_object() {
        let attributes = Attributes { user, verb: own(path, "verb"), path: own(path, "path"), ..Attributes::default() };
        return (attributes, Vec::new());
    }
    let (field_selector, complaint) = field_selector(&asked["fieldSelector"]);
    let version = own(asked, "version");
    let attributes = Attributes {
        user,
        verb: own(asked, "verb"),
        is_resource: true,
        group: own(asked, "group"),
        version: if version.is_empty() { "*".to_owned() } else { version },
        resource: own(asked, "resource"),
        subresource: own(asked, "subresource"),
        namespace: own(asked, "namespace"),
        name: own(asked, "name"),
        path: String::new(),
        field_selector,
    };
    // Simplified: no authorizer here looks at label selectors, so they are not read.
    (attributes, complaint.into_iter().collect())
}

fn field_selector(selector: &Value) -> (String, Option<String>) {
    let ignored = |how: &str| Some(format!("spec.resourceAttributes.fieldSelector {how} due to parse error"));
    let raw = text(selector, "rawSelector");
    let requirements = list(selector, "requirements");
    if requirements.is_empty() {
        return match fields::Selector::parse(raw) {
            Ok(_) => (raw.to_owned(), None),
            Err(_) => (String::new(), ignored("ignored")),
        };
    }
    let read = |requirement: &Value| {
        let values: Vec<&str> = texts(requirement, "values").collect();
        let is_equal = match text(requirement, "operator") {
            "In" => true,
            "NotIn" => false,
            _ => return None,
        };
        let &[value] = &values[..] else { return None };
        Some(fields::Term { field: text(requirement, "key").to_owned(), is_equal, value: value.to_owned() })
    };
    let terms: Vec<fields::Term> = requirements.iter().filter_map(read).collect();
    let complaint = match terms.len() {
        count if count == requirements.len() => None,
        0 => ignored("ignored"),
        _ => ignored("partially ignored"),
    };
    (fields::Selector { terms }.to_string(), complaint)
}

fn subject(spec: &Value) -> User {
    let extra = entries(&spec["extra"]).map(|(key, values)| {
        let values = values.as_array().into_iter().flatten().filter_map(Value::as_str);
        (key.clone(), values.map(str::to_owned).collect())
    });
    User {
        name: text(spec, "user").to_owned(),
        uid: text(spec, "uid").to_owned(),
        groups: texts(spec, "groups").map(str::to_owned).collect(),
        extra: extra.collect(),
    }
}

fn check_spec(spec: &Value) -> Vec<FieldError> {
    let mut errors = one_of_two(spec);
    if text(spec, "user").is_empty() && list(spec, "groups").is_empty() {
        errors.push(FieldError::invalid("spec.user", "", "at least one of user or group must be specified"));
    }
    errors
}

fn one_of_two(spec: &Value) -> Vec<FieldError> {
    let path = &spec["nonResourceAttributes"];
    match (spec["resourceAttributes"].is_object(), path.is_object()) {
        (true, true) => {
            let why = "cannot be specified in combination with resourceAttributes";
            vec![FieldError::invalid("spec.nonResourceAttributes", path.clone(), why)]
        }
        (false, false) => {
            let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            vec![FieldError::invalid("spec.resourceAttributes", Value::Null, why)]
        }
        _ => Vec::new(),
    }
}

/// A question has no metadata, a local one at most a namespace.
fn check_metadata(errors: &mut Vec<FieldError>, review: &Value, is_local: bool) {
    let is_empty = |(field, value): (&String, &Value)| {
        value.is_null() || field == "managedFields" || (is_local && field == "namespace")
    };
    if entries(&review["metadata"]).all(is_empty) {
        return;
    }
    let why = if is_local { "must be empty except for namespace" } else { "must be empty" };
    errors.push(FieldError::invalid("metadata", review["metadata"].clone(), why));
}

fn refuse(kind: &str, errors: &[FieldError]) -> Result<(), Status> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(Status::invalid(Qualified { name: kind, group: GROUP }, "", errors))
}
