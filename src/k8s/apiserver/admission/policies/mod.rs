//! Rules that a cluster makes for itself, in CEL: policies say what must hold, bindings where and what happens if it does not.
//!
//! Upstream: `k8s.io/apiserver/pkg/admission/plugin/policy/validating`, `.../policy/generic`.
//!
//! Simplified: expressions are compiled anew with each request, costs are bounded for each expression and not for all of a
//! policy, and an expression cannot ask the `authorizer`.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::matching::{self, operation};
use super::{Effect, Outcome, Review};
use crate::k8s::apiserver::authorization::rbac::Errors;
use crate::k8s::apiserver::authorization::reviews::user_info;
use crate::k8s::apiserver::object::{self, list, name, text, texts};
use crate::k8s::meta::status::{Cause, Status};
use crate::k8s::{cel, registry};

const GROUP: &str = "admissionregistration.k8s.io";

pub(super) fn validate(review: &Review, outcome: &mut Outcome) -> Effect {
    if is_excluded(review) {
        return Ok(None);
    }
    let bindings = review.lister.list(GROUP, "validatingadmissionpolicybindings", "");
    let mut ruling = Ruling::default();
    for policy in review.lister.list(GROUP, "validatingadmissionpolicies", "") {
        let own = bindings.iter().filter(|binding| text(&binding["spec"], "policyName") == name(&policy));
        let own: Vec<&Value> = own.map(|binding| &**binding).collect();
        if !own.is_empty() {
            judge(review, &policy, &own, &mut ruling);
        }
    }
    outcome.warnings.append(&mut ruling.warnings);
    outcome.annotations.append(&mut ruling.annotations);
    match ruling.denial {
        Some(denial) => Err(denial.status(review)),
        None => Ok((!ruling.asked.is_empty()).then(|| format!("held: {}", ruling.asked.join(", ")))),
    }
}

/// Policies are not asked about policies, nor about questions.
fn is_excluded(review: &Review) -> bool {
    let resource = &review.attributes.resource[..];
    match &review.attributes.group[..] {
        GROUP => resource.contains("admissionpolic"),
        "authorization.k8s.io" => true,
        "authentication.k8s.io" => ["selfsubjectreviews", "tokenreviews"].contains(&resource),
        _ => false,
    }
}

/// What came of all policies.
#[derive(Default)]
struct Ruling {
    /// The first is the one that the client is told of.
    denial: Option<Denial>,
    warnings: Vec<String>,
    annotations: BTreeMap<String, String>,
    asked: Vec<String>,
}

struct Denial {
    policy: String,
    /// Empty if the policy itself is at fault.
    binding: String,
    message: String,
    /// Empty for `Invalid`.
    reason: String,
}

impl Denial {
    fn status(self, review: &Review) -> Status {
        let Denial { policy, binding, message, reason } = self;
        let with = if binding.is_empty() { String::new() } else { format!(" with binding '{binding}'") };
        let message = format!("ValidatingAdmissionPolicy '{policy}'{with} denied request: {message}");
        let mut status = review.forbidden(&message);
        (status.reason, status.code) = match &reason[..] {
            "Forbidden" => ("Forbidden", 403),
            "Unauthorized" => ("Unauthorized", 401),
            "RequestEntityTooLarge" => ("RequestEntityTooLarge", 413),
            _ => ("Invalid", 422),
        };
        if let Some(details) = &mut status.details {
            details.causes.push(Cause { message, ..Cause::default() });
        }
        status
    }
}

impl Ruling {
    fn deny(&mut self, policy: &Value, binding: Option<&Value>, message: String, reason: &str) {
        self.denial.get_or_insert_with(|| Denial {
            policy: name(policy).to_owned(),
            binding: binding.map(name).unwrap_or_default().to_owned(),
            message,
            reason: reason.to_owned(),
        });
    }

    /// A policy that cannot be applied refuses, unless it says otherwise.
    fn misconfigured(&mut self, policy: &Value, binding: Option<&Value>, error: &str) {
        if !ignores_failure(policy) {
            let what = if binding.is_some() { "binding" } else { "policy" };
            self.deny(policy, binding, format!("failed to configure {what}: {error}"), "");
        }
    }
}

fn ignores_failure(policy: &Value) -> bool {
    text(&policy["spec"], "failurePolicy") == "Ignore"
}

fn judge(review: &Review, policy: &Value, bindings: &[&Value], ruling: &mut Ruling) {
    match matching::matches(&policy["spec"]["matchConstraints"], "resourceRules", review) {
        Err(error) => return ruling.misconfigured(policy, None, &error),
        Ok(false) => return,
        Ok(true) => {}
    }
    let kind = &policy["spec"]["paramKind"];
    let place = if kind.is_null() { Ok(None) } else { ParamPlace::of(kind, review).map(Some) };
    let place = match place {
        Ok(place) => place,
        Err(error) => return ruling.misconfigured(policy, None, &error),
    };
    let mut published: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for binding in bindings.iter().copied() {
        let resources = &binding["spec"]["matchResources"];
        let is_bound =
            if resources.is_null() { Ok(true) } else { matching::matches(resources, "resourceRules", review) };
        let params = match is_bound {
            Ok(false) => continue,
            Ok(true) => params(place.as_ref(), &binding["spec"]["paramRef"], review),
            Err(error) => Err(error),
        };
        let params = match params {
            Ok(params) => params,
            Err(error) => {
                ruling.misconfigured(policy, Some(binding), &error);
                continue;
            }
        };
        ruling.asked.push(format!("{} ({})", name(policy), name(binding)));
        for param in params {
            apply(review, policy, binding, param.as_deref(), ruling, &mut published);
        }
    }
    for (key, values) in published {
        ruling.annotations.insert(format!("{}/{key}", name(policy)), values.join(", "));
    }
}

/// Where the parameters of a policy lie.
struct ParamPlace {
    group: String,
    resource: String,
    is_namespaced: bool,
    api_version: String,
    kind: String,
}

impl ParamPlace {
    fn of(param_kind: &Value, review: &Review) -> Result<ParamPlace, String> {
        let (api_version, kind) = (text(param_kind, "apiVersion").to_owned(), text(param_kind, "kind").to_owned());
        if let Some(known) = registry::of_kind(&api_version, &kind) {
            let (group, resource) = (known.group.to_owned(), known.name.to_owned());
            return Ok(ParamPlace { group, resource, is_namespaced: known.is_namespaced, api_version, kind });
        }
        let group = api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
        let definitions = review.lister.list("apiextensions.k8s.io", "customresourcedefinitions", "");
        let is_it = |definition: &&Arc<Value>| {
            text(&definition["spec"], "group") == group && text(&definition["spec"]["names"], "kind") == kind
        };
        let Some(definition) = definitions.iter().find(is_it) else {
            // Written as group/version even where the group has no name.
            let slash = if group.is_empty() { "/" } else { "" };
            return Err(format!(
                "failed to find resource referenced by paramKind: '{slash}{api_version}, Kind={kind}'"
            ));
        };
        let resource = text(&definition["spec"]["names"], "plural").to_owned();
        let is_namespaced = text(&definition["spec"], "scope") == "Namespaced";
        Ok(ParamPlace { group, resource, is_namespaced, api_version, kind })
    }

    /// Objects of a cache may lack what they are.
    fn typed(&self, param: &Value) -> Value {
        let mut typed = Map::new();
        typed.insert("apiVersion".to_owned(), self.api_version[..].into());
        typed.insert("kind".to_owned(), self.kind[..].into());
        typed.extend(object::entries(param).map(|(field, value)| (field.clone(), value.clone())));
        typed.into()
    }
}

/// The objects that a policy is asked with, one after the other; nothing in place of one if it takes none.
fn params(place: Option<&ParamPlace>, reference: &Value, review: &Review) -> Result<Vec<Option<Arc<Value>>>, String> {
    let Some(place) = place.filter(|_| reference.is_object()) else { return Ok(vec![None]) };
    let asked = text(reference, "namespace");
    let namespace = match (place.is_namespaced, asked) {
        (true, "") if review.namespace().is_empty() => {
            let why = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources";
            return Err(why.to_owned());
        }
        (true, "") => review.namespace(),
        (true, asked) => asked,
        (false, "") => "",
        (false, _) => {
            return Err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`".to_owned());
        }
    };
    let (param, selector) = (text(reference, "name"), &reference["selector"]);
    let found: Vec<Arc<Value>> = match (param, selector.is_null()) {
        ("", true) => return Err("one of name or selector must be provided".to_owned()),
        ("", false) => {
            let selector = object::selector(selector)?;
            let all = review.lister.list(&place.group, &place.resource, namespace).into_iter();
            let is_selected =
                |param: &Arc<Value>| selector.as_ref().is_some_and(|selector| selector.matches(&object::labels(param)));
            all.filter(is_selected).collect()
        }
        (_, false) => return Err("paramRef.name and paramRef.selector are mutually exclusive".to_owned()),
        (param, true) => review.lister.get(&place.group, &place.resource, namespace, param).into_iter().collect(),
    };
    if found.is_empty() && text(reference, "parameterNotFoundAction") == "Deny" {
        return Err("no params found for policy binding with `Deny` parameterNotFoundAction".to_owned());
    }
    Ok(found.into_iter().map(|param| Some(Arc::new(place.typed(&param)))).collect())
}

fn apply(
    review: &Review,
    policy: &Value,
    binding: &Value,
    param: Option<&Value>,
    ruling: &mut Ruling,
    published: &mut BTreeMap<String, Vec<String>>,
) {
    let mut scope = Scope::new(review, policy, param);
    match scope.meets_conditions(policy) {
        Ok(true) => {}
        Ok(false) => return,
        Err(_) if ignores_failure(policy) => return,
        Err(error) => return fail(policy, binding, 0, error, "", ruling),
    }
    scope.evaluate_variables(policy);
    for (index, validation) in list(&policy["spec"], "validations").iter().enumerate() {
        let expression = text(validation, "expression");
        match scope.evaluate(expression) {
            Ok(Value::Bool(true)) => {}
            Err(_) if ignores_failure(policy) => {}
            Err(error) => fail(policy, binding, index, error, "", ruling),
            Ok(_) => {
                let reason = Some(text(validation, "reason")).filter(|reason| !reason.is_empty()).unwrap_or("Invalid");
                fail(policy, binding, index, scope.message(validation), reason, ruling);
            }
        }
    }
    for annotation in list(&policy["spec"], "auditAnnotations") {
        match scope.annotation(text(annotation, "valueExpression")) {
            Ok(Some(value)) => {
                let values = published.entry(text(annotation, "key").to_owned()).or_default();
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            Ok(None) => {}
            Err(Unpublished::Failed(_)) if ignores_failure(policy) => {}
            Err(Unpublished::Failed(error) | Unpublished::NoText(error)) => {
                ruling.deny(policy, Some(binding), error, "");
            }
        }
    }
}

/// Something does not hold: what the binding says happens.
fn fail(policy: &Value, binding: &Value, index: usize, message: String, reason: &str, ruling: &mut Ruling) {
    for action in texts(&binding["spec"], "validationActions") {
        match action {
            "Deny" => ruling.deny(policy, Some(binding), message.clone(), reason),
            "Warn" => {
                let (policy, binding) = (name(policy), name(binding));
                let of = format!("ValidatingAdmissionPolicy '{policy}' with binding '{binding}'");
                ruling.warnings.push(format!("Validation failed for {of}: {message}"));
            }
            "Audit" => {
                let failure = json!([{
                    "message": message,
                    "policy": name(policy),
                    "binding": name(binding),
                    "expressionIndex": index,
                    "validationActions": binding["spec"]["validationActions"],
                }]);
                let key = "validation.policy.admission.k8s.io/validation_failure".to_owned();
                ruling.annotations.insert(key, failure.to_string());
            }
            _ => {}
        }
    }
}

/// What expressions can name.
struct Scope {
    names: Vec<&'static str>,
    variables: BTreeMap<String, Value>,
    /// Variables of the policy that could not be evaluated, and why: an error only for who uses them.
    failed: BTreeMap<String, String>,
}

/// As upstream; more is no message.
const MESSAGE_MAX: usize = 5 << 10;
const ANNOTATION_MAX: usize = 10 << 10;

impl Scope {
    fn new(review: &Review, policy: &Value, param: Option<&Value>) -> Scope {
        let namespace = if review.is("", "namespaces") { "" } else { review.namespace() };
        let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
        let namespace = namespace.and_then(|namespace| review.lister.get("", "namespaces", "", namespace));
        let mut variables = BTreeMap::from([
            ("object".to_owned(), review.object().clone()),
            ("oldObject".to_owned(), review.old().clone()),
            ("request".to_owned(), request(review)),
            ("namespaceObject".to_owned(), namespace.map(|own| Value::clone(&own)).unwrap_or_default()),
            ("variables".to_owned(), json!({})),
        ]);
        let mut names = vec!["object", "oldObject", "request", "namespaceObject", "variables", "authorizer"];
        if !policy["spec"]["paramKind"].is_null() {
            names.push("params");
            variables.insert("params".to_owned(), param.cloned().unwrap_or_default());
        }
        Scope { names, variables, failed: BTreeMap::new() }
    }

    fn evaluate(&self, expression: &str) -> Result<Value, String> {
        let program = cel::compile(expression, &self.names)
            .map_err(|error| format!("compilation error: compilation failed: {error}"))?;
        if program.mentions("authorizer") {
            return Err(format!("expression '{expression}' asks the authorizer, which expressions cannot do here"));
        }
        program.evaluate(&self.variables).map_err(|error| {
            let failed = error.strip_prefix("no such key: ").and_then(|key| Some((key, self.failed.get(key)?)));
            let error = failed
                .map_or(error.clone(), |(key, why)| format!("composited variable {key:?} fails to evaluate: {why}"));
            format!("expression '{expression}' resulted in error: {error}")
        })
    }

    /// All must hold; if one is false the others do not matter.
    fn meets_conditions(&self, policy: &Value) -> Result<bool, String> {
        let mut errors = Errors::default();
        for condition in list(&policy["spec"], "matchConditions") {
            match self.evaluate(text(condition, "expression")) {
                Ok(Value::Bool(false)) => return Ok(false),
                Ok(_) => {}
                Err(error) => errors.add(error),
            }
        }
        if errors.is_empty() { Ok(true) } else { Err(errors.to_string()) }
    }

    fn evaluate_variables(&mut self, policy: &Value) {
        for variable in list(&policy["spec"], "variables") {
            let own = text(variable, "name").to_owned();
            match self.evaluate(text(variable, "expression")) {
                Ok(value) => self.variables.entry("variables".to_owned()).or_default()[own] = value,
                Err(error) => {
                    self.failed.insert(own, error);
                }
            }
        }
    }

    /// What is said when a validation does not hold.
    fn message(&self, validation: &Value) -> String {
        let made = Some(text(validation, "messageExpression")).filter(|expression| !expression.is_empty());
        let made = made.and_then(|expression| self.evaluate(expression).ok());
        let made = made.as_ref().and_then(Value::as_str).map(str::trim);
        let made = made.filter(|message| message.len() <= MESSAGE_MAX && !message.contains('\n'));
        let written = text(validation, "message").trim();
        let message = [made.unwrap_or_default(), written].into_iter().find(|message| !message.is_empty());
        let expression = text(validation, "expression").trim();
        message.map_or_else(|| format!("failed expression: {expression}"), str::to_owned)
    }

    fn annotation(&self, expression: &str) -> Result<Option<String>, Unpublished> {
        let kind = match self.evaluate(expression).map_err(Unpublished::Failed)? {
            Value::Null => return Ok(None),
            Value::String(text) => {
                let mut text = text.trim().to_owned();
                let end = (0..=ANNOTATION_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
                text.truncate(end.unwrap_or(0));
                return Ok(Some(text).filter(|text| !text.is_empty()));
            }
            Value::Bool(_) => "bool",
            Value::Number(number) if number.is_f64() => "double",
            Value::Number(_) => "int",
            Value::Array(_) => "list(dyn)",
            Value::Object(_) => "map(dyn, dyn)",
        };
        Err(Unpublished::NoText(format!(
            "valueExpression '{expression}' resulted in unsupported return type: {kind}. Return type must be either string or \
             null."
        )))
    }
}

/// Why there is no annotation.
enum Unpublished {
    Failed(String),
    /// Whatever the policy says of failures, this is one.
    NoText(String),
}

/// The request, as expressions see it: an `AdmissionRequest` without its objects.
fn request(review: &Review) -> Value {
    let attributes = review.attributes;
    let (group, version) = review.api_version.split_once('/').unwrap_or(("", &review.api_version));
    let kind = json!({"group": group, "version": version, "kind": review.kind});
    let resource = json!({"group": attributes.group, "version": attributes.version, "resource": attributes.resource});
    let name = if attributes.name.is_empty() { name(review.object()) } else { &attributes.name };
    json!({
        "kind": kind,
        "resource": resource,
        "subResource": attributes.subresource,
        "requestKind": kind,
        "requestResource": resource,
        "requestSubResource": attributes.subresource,
        "name": name,
        "namespace": attributes.namespace,
        "operation": operation(review.operation),
        "userInfo": user_info(&attributes.user),
        "dryRun": review.is_dry_run,
        "options": review.options,
    })
}
