//! `authorizer`: what a policy may ask of who may do what.
//!
//! Upstream: `k8s.io/apiserver/pkg/cel/library/authz.go`.

use std::any::Any;
use std::cmp::Ordering;

use crate::cel::{Fault, Opaque, Signature, Value};

/// A question: `authorizer.group('apps').resource('deployments').namespace('a').check('create')`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The namespace and name of a service account; otherwise who made the request.
    pub account: Option<(String, String)>,
    /// Of what is no resource.
    pub path: Option<String>,
    pub group: String,
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    pub verb: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub is_allowed: bool,
    pub reason: String,
}

/// Who answers.
pub trait Authorizer {
    fn check(&self, question: &Question) -> Verdict;
    /// What the request itself asks, without a verb: `authorizer.requestResource`.
    fn requested(&self) -> Question;
}

/// The functions of a question and its verdict.
pub const FUNCTIONS: [Signature; 12] = [
    method("path", 1),
    method("group", 1),
    method("serviceAccount", 2),
    method("resource", 1),
    method("subresource", 1),
    method("namespace", 1),
    method("name", 1),
    method("check", 1),
    method("allowed", 0),
    method("reason", 0),
    method("errored", 0),
    method("error", 0),
];

const fn method(name: &'static str, arguments: usize) -> Signature {
    Signature { name, is_method: true, arguments: (arguments, arguments) }
}

/// What is asked, as far as it is put together.
pub struct Asking(pub Question);

struct Answered(Verdict);

impl Opaque for Asking {
    fn kind(&self) -> &'static str {
        "kubernetes.authorization.Authorizer"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn compare(&self, _: &dyn Opaque) -> Option<Ordering> {
        None
    }
}

impl Opaque for Answered {
    fn kind(&self) -> &'static str {
        "kubernetes.authorization.Decision"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn compare(&self, _: &dyn Opaque) -> Option<Ordering> {
        None
    }
}

/// A function of a question or a verdict; nothing if it is none.
pub fn call<'a>(
    authorizer: Option<&dyn Authorizer>,
    name: &str,
    value: &dyn Opaque,
    arguments: &[Value<'a>],
) -> Option<Result<Value<'a>, (Fault, String)>> {
    if let Some(Answered(verdict)) = value.as_any().downcast_ref() {
        return Some(Ok(match (name, arguments) {
            ("allowed", []) => Value::Bool(verdict.is_allowed),
            ("reason", []) => Value::text(verdict.reason.clone()),
            ("errored", []) => Value::Bool(false),
            ("error", []) => Value::text(""),
            _ => return None,
        }));
    }
    let Asking(question) = value.as_any().downcast_ref()?;
    let mut question = question.clone();
    match (name, arguments) {
        ("requestResource", []) => question = authorizer.map(Authorizer::requested).unwrap_or_default(),
        ("serviceAccount", [Value::Text(namespace), Value::Text(name)]) => {
            question.account = Some((namespace.to_string(), name.to_string()));
        }
        ("path", [Value::Text(path)]) => question.path = Some(path.to_string()),
        ("group", [Value::Text(text)]) => question.group = text.to_string(),
        ("resource", [Value::Text(text)]) => question.resource = text.to_string(),
        ("subresource", [Value::Text(text)]) => question.subresource = text.to_string(),
        ("namespace", [Value::Text(text)]) => question.namespace = text.to_string(),
        ("name", [Value::Text(text)]) => question.name = text.to_string(),
        ("check", [Value::Text(verb)]) => {
            question.verb = verb.to_string();
            let verdict = authorizer.map(|authorizer| authorizer.check(&question)).unwrap_or_default();
            return Some(Ok(Value::Opaque(std::rc::Rc::new(Answered(verdict)))));
        }
        _ => return None,
    }
    Some(Ok(Value::Opaque(std::rc::Rc::new(Asking(question)))))
}
