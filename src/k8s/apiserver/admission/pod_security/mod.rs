//! The Pod Security Standards: what pods a namespace takes, as its labels say.
//!
//! Upstream: `k8s.io/pod-security-admission`. The default is `privileged`, at the latest version, for all three modes; nobody
//! is exempt.

mod checks;

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

use super::{Effect, Operation, Outcome, Review};
use crate::k8s::apiserver::object::{annotation, labels, list, name, text};
use crate::k8s::meta::labels::Labels;
use crate::k8s::meta::status::{FieldError, Status};

pub use checks::{Finding, evaluate};

/// How much pods may do, least strict first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Privileged,
    Baseline,
    Restricted,
}

/// Of Kubernetes: `v1.33`. The latest is newer than any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    Minor(u32),
    Latest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Standard {
    pub level: Level,
    pub version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Policy {
    enforce: Standard,
    audit: Standard,
    warn: Standard,
}

impl fmt::Display for Standard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        };
        match self.version {
            Version::Minor(minor) => write!(f, "{level}:v1.{minor}"),
            Version::Latest => write!(f, "{level}:latest"),
        }
    }
}

/// Of the release that this server is: it knows no standards of later ones.
const NEWEST: Version = Version::Minor(35);

/// What a pod does against a standard as far as this server knows it.
fn findings(standard: Standard, pod: &Value) -> Vec<Finding> {
    let known = Standard { version: standard.version.min(NEWEST), ..standard };
    evaluate(known, &pod["metadata"], &pod["spec"])
}

impl Level {
    pub fn parse(text: &str) -> Result<Level, &'static str> {
        match text {
            "privileged" => Ok(Level::Privileged),
            "baseline" => Ok(Level::Baseline),
            "restricted" => Ok(Level::Restricted),
            _ => Err("must be one of privileged, baseline, restricted"),
        }
    }
}

impl Version {
    pub fn parse(text: &str) -> Result<Version, &'static str> {
        const WRONG: &str = "must be \"latest\" or \"v1.x\"";
        if text == "latest" {
            return Ok(Version::Latest);
        }
        let minor = text.strip_prefix("v1.").ok_or(WRONG)?;
        let is_number = minor.bytes().all(|byte| byte.is_ascii_digit()) && (minor == "0" || !minor.starts_with('0'));
        minor.parse().ok().filter(|_| is_number).map(Version::Minor).ok_or(WRONG)
    }
}

pub(super) fn validate(review: &Review, outcome: &mut Outcome) -> Effect {
    let subresource = &review.attributes.subresource[..];
    match (&review.attributes.group[..], &review.attributes.resource[..]) {
        ("", "namespaces") if subresource.is_empty() => check_namespace(review, outcome),
        ("", "pods") if !IGNORED_SUBRESOURCES.contains(&subresource) => check_pod(review, outcome),
        _ if subresource.is_empty() => match template(review) {
            Some(template) => check_template(review, template, outcome),
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

const IGNORED_SUBRESOURCES: [&str; 8] =
    ["attach", "binding", "eviction", "exec", "log", "portforward", "proxy", "status"];

/// The pods that a controller would make.
fn template<'a>(review: &'a Review) -> Option<&'a Value> {
    let object = review.object();
    let template = match (&review.attributes.group[..], &review.attributes.resource[..]) {
        ("", "podtemplates") => &object["template"],
        ("", "replicationcontrollers") | ("apps", "replicasets" | "deployments" | "statefulsets" | "daemonsets") => {
            &object["spec"]["template"]
        }
        ("batch", "jobs") => &object["spec"]["template"],
        ("batch", "cronjobs") => &object["spec"]["jobTemplate"]["spec"]["template"],
        _ => return None,
    };
    template.is_object().then_some(template)
}

fn check_namespace(review: &Review, outcome: &mut Outcome) -> Effect {
    let (new, new_errors) = policy(&labels(review.object()));
    let refuse = |errors: &[FieldError]| {
        let mut status = review.forbidden(&joined(errors));
        (status.reason, status.code) = ("Invalid", 422);
        Err(status)
    };
    if review.operation == Operation::Create {
        return if new_errors.is_empty() { Ok(None) } else { refuse(&new_errors) };
    }
    let (old, old_errors) = policy(&labels(review.old()));
    if !new_errors.is_empty() && new_errors != old_errors {
        return refuse(&new_errors);
    }
    let (was, is) = (old.enforce, new.enforce);
    let is_relaxed = is.version == was.version && is.level <= was.level;
    if is == was || is.level == Level::Privileged || is_relaxed {
        return Ok(None);
    }
    let namespace = name(review.object());
    outcome.warnings.extend(existing_pods(review, namespace, is));
    Ok(Some(format!("existing pods were held against {is}")))
}

/// Pods beyond are not looked at when a namespace becomes stricter.
const PODS_MAX: usize = 3000;

/// What will be said of the pods that are there already: those that break the new rule in the same way in one line.
fn existing_pods(review: &Review, namespace: &str, enforce: Standard) -> Vec<String> {
    let pods = review.lister.list("", "pods", namespace);
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for pod in pods.iter().take(PODS_MAX) {
        let findings = findings(enforce, pod);
        if !findings.is_empty() {
            let reasons: Vec<&str> = findings.iter().map(|finding| &finding.reason[..]).collect();
            groups.entry(reasons.join(", ")).or_default().push(name(pod));
        }
    }
    let mut warnings = Vec::new();
    if pods.len() > PODS_MAX {
        let of = format!("{PODS_MAX} of {} existing pods", pods.len());
        warnings.push(format!("new PodSecurity enforce level only checked against the first {of}"));
    }
    if !groups.is_empty() {
        let level = format!("violate the new PodSecurity enforce level \"{enforce}\"");
        warnings.push(format!("existing pods in namespace \"{namespace}\" {level}"));
    }
    let line = |(reasons, pods): (String, Vec<&str>)| {
        let first = pods.iter().min().copied().unwrap_or_default();
        let others = match pods.len() {
            1 => String::new(),
            2 => " (and 1 other pod)".to_owned(),
            count => format!(" (and {} other pods)", count - 1),
        };
        format!("{first}{others}: {reasons}")
    };
    let mut lines: Vec<String> = groups.into_iter().map(line).collect();
    lines.sort();
    warnings.extend(lines);
    warnings
}

fn check_pod(review: &Review, outcome: &mut Outcome) -> Effect {
    let pod = review.object();
    if review.operation == Operation::Update && !is_significant(pod, review.old()) {
        return Ok(None);
    }
    let (policy, errors) = namespace_policy(review)?;
    judge(review, policy, &errors, pod, true, outcome)
}

/// A template is only warned of: its pods will be refused one by one.
fn check_template(review: &Review, template: &Value, outcome: &mut Outcome) -> Effect {
    let (policy, errors) = namespace_policy(review)?;
    judge(review, policy, &errors, template, false, outcome)
}

fn namespace_policy(review: &Review) -> Result<(Policy, Vec<FieldError>), Status> {
    let namespace = review.lister.get("", "namespaces", "", review.namespace());
    let Some(namespace) = namespace else {
        let mut status = review.forbidden(&format!("failed to lookup namespace {}", review.namespace()));
        (status.reason, status.code) = ("InternalError", 500);
        return Err(status);
    };
    Ok(policy(&labels(&namespace)))
}

fn judge(
    review: &Review,
    policy: Policy,
    errors: &[FieldError],
    pod: &Value,
    enforces: bool,
    outcome: &mut Outcome,
) -> Effect {
    let violations = |standard: Standard| {
        let findings = findings(standard, pod);
        let texts: Vec<String> = findings.iter().map(Finding::to_string).collect();
        (!texts.is_empty()).then(|| format!("PodSecurity \"{standard}\": {}", texts.join(", ")))
    };
    let mut annotate = |key: &str, value: String| {
        outcome.annotations.insert(format!("pod-security.kubernetes.io/{key}"), value);
    };
    if !errors.is_empty() {
        annotate("error", format!("Failed to parse policy: {}", joined(errors)));
    }
    if let Some(violations) = violations(policy.audit) {
        annotate("audit-violations", format!("would violate {violations}"));
    }
    if enforces {
        annotate("enforce-policy", policy.enforce.to_string());
        if let Some(violations) = violations(policy.enforce) {
            return Err(review.forbidden(&format!("violates {violations}")));
        }
    }
    if let Some(violations) = violations(policy.warn) {
        outcome.warnings.push(format!("would violate {violations}"));
    }
    Ok(Some(format!("keeps {}", if enforces { policy.enforce } else { policy.warn })))
}

/// Of what can change in a pod, only images and one old annotation matter.
fn is_significant(new: &Value, old: &Value) -> bool {
    let seccomp = |pod: &Value, key: &str| annotation(pod, key).unwrap_or_default().to_owned();
    let key = "seccomp.security.alpha.kubernetes.io/pod";
    if seccomp(new, key) != seccomp(old, key) {
        return true;
    }
    let changed = |new_one: &Value, old_one: Option<&Value>| {
        let key = format!("container.seccomp.security.alpha.kubernetes.io/{}", text(new_one, "name"));
        old_one.is_none_or(|old_one| old_one["image"] != new_one["image"]) || seccomp(new, &key) != seccomp(old, &key)
    };
    for field in ["containers", "initContainers"] {
        let (ours, theirs) = (list(&new["spec"], field), list(&old["spec"], field));
        if ours.len() != theirs.len() || ours.iter().zip(theirs).any(|(own, old)| changed(own, Some(old))) {
            return true;
        }
    }
    let before = list(&old["spec"], "ephemeralContainers");
    list(&new["spec"], "ephemeralContainers")
        .iter()
        .any(|own| changed(own, before.iter().find(|old| old["name"] == own["name"])))
}

/// What a namespace asks for. Labels that make no sense count as `restricted:latest`, but neither warn nor go to the audit log.
fn policy(labels: &Labels) -> (Policy, Vec<FieldError>) {
    let default = Standard { level: Level::Privileged, version: Version::Latest };
    let mut errors = Vec::new();
    let mut standard = |mode: &str, on_error: Level| {
        let mut read = default;
        let mut wrong = |label: &str, value: &str, why: &str| {
            let field = format!("metadata.labels[{label}]");
            errors.push(FieldError::invalid(field, value, why));
        };
        let label = format!("pod-security.kubernetes.io/{mode}");
        if let Some(value) = labels.get(&label) {
            read.level = Level::parse(value).unwrap_or_else(|why| {
                wrong(&label, value, why);
                on_error
            });
        }
        let label = format!("{label}-version");
        if let Some(value) = labels.get(&label) {
            read.version = Version::parse(value).unwrap_or_else(|why| {
                wrong(&label, value, why);
                Version::Latest
            });
        }
        read
    };
    let enforce = standard("enforce", Level::Restricted);
    let audit = standard("audit", Level::Privileged);
    let warn = standard("warn", Level::Privileged);
    (Policy { enforce, audit, warn }, errors)
}

fn joined(errors: &[FieldError]) -> String {
    let texts: Vec<String> = errors.iter().map(FieldError::to_string).collect();
    match &texts[..] {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}
