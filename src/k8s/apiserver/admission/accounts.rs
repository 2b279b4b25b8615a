//! A pod runs as a service account, and gets its token and its keys to registries.
//!
//! Upstream: `plugin/pkg/admission/serviceaccount`.

use serde_json::{Value, json};
use std::sync::Arc;

use super::{Effect, Operation, Outcome, Review};
use crate::k8s::apiserver::authorization::node::MIRROR_ANNOTATION;
use crate::k8s::apiserver::object::{annotation, inner, list, list_mut, name, text};
use crate::k8s::meta::status::{Qualified, Status};

const DEFAULT: &str = "default";
/// Where programs look for their token.
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME_PREFIX: &str = "kube-api-access-";
/// An hour and seven seconds, by which upstream knows the tokens that it added itself.
const TOKEN_SECONDS: u32 = 3607;
const ENFORCE_ANNOTATION: &str = "kubernetes.io/enforce-mountable-secrets";

pub(super) fn mutate(review: &mut Review) -> Effect {
    if !review.is_whole("", "pods") || review.operation != Operation::Create {
        return Ok(None);
    }
    if annotation(review.object(), MIRROR_ANNOTATION).is_some() {
        return check(review).map(|_| None);
    }
    let named = text(&review.object()["spec"], "serviceAccountName").to_owned();
    let account_name = if named.is_empty() { DEFAULT.to_owned() } else { named.clone() };
    let account = account(review, &account_name)?;
    let suffix = review.suffix.to_owned();
    let Some(pod) = &mut review.object else { return Ok(None) };
    let mut notes = Vec::new();
    let spec = inner(pod, "spec");
    if named.is_empty() {
        spec["serviceAccountName"] = DEFAULT.into();
        spec["serviceAccount"] = DEFAULT.into();
        notes.push("service account default".to_owned());
    }
    if mounts_token(&account, spec) && mount(spec, &suffix) {
        notes.push(format!("token at {MOUNT_PATH}"));
    }
    let pulls = list(&account, "imagePullSecrets");
    if list(spec, "imagePullSecrets").is_empty() && !pulls.is_empty() {
        spec["imagePullSecrets"] = pulls.into();
        notes.push(format!("{} image pull secrets", pulls.len()));
    }
    check(review)?;
    Ok((!notes.is_empty()).then(|| notes.join(", ")))
}

pub(super) fn validate(review: &Review, _: &mut Outcome) -> Effect {
    let is_creation = review.operation == Operation::Create && review.attributes.subresource.is_empty();
    if !review.is("", "pods") || !(is_creation || review.attributes.subresource == "ephemeralcontainers") {
        return Ok(None);
    }
    check(review).map(|account| account.map(|name| format!("runs as {name}")))
}

/// May the pod be as it is? Tells the account that it runs as.
fn check(review: &Review) -> Result<Option<String>, Status> {
    let pod = review.object();
    let account_name = text(&pod["spec"], "serviceAccountName");
    if annotation(pod, MIRROR_ANNOTATION).is_some() {
        return check_mirror(review).map(|()| None);
    }
    if account_name.is_empty() {
        let why = format!("no service account specified for pod {}/{}", review.namespace(), name(pod));
        return Err(review.forbidden(&why));
    }
    let account = account(review, account_name)?;
    if matches!(annotation(&account, ENFORCE_ANNOTATION), Some("1" | "t" | "T" | "true" | "TRUE" | "True")) {
        check_secrets(pod, &account).map_err(|why| review.forbidden(&why))?;
    }
    Ok(Some(account_name.to_owned()))
}

fn check_mirror(review: &Review) -> Result<(), Status> {
    let spec = &review.object()["spec"];
    if !text(spec, "serviceAccountName").is_empty() {
        return Err(review.forbidden("a mirror pod may not reference service accounts"));
    }
    let has_token = |volume: &Value| {
        list(&volume["projected"], "sources").iter().any(|source| source["serviceAccountToken"].is_object())
    };
    if secret_references(review.object()).next().is_some() {
        return Err(review.forbidden("a mirror pod may not reference secrets"));
    }
    if list(spec, "volumes").iter().any(has_token) {
        return Err(review.forbidden("a mirror pod may not use ServiceAccountToken volume projections"));
    }
    Ok(())
}

/// Names of secrets that a pod mounts or puts into environments.
fn secret_references(pod: &Value) -> impl Iterator<Item = &str> {
    let spec = &pod["spec"];
    let volumes = list(spec, "volumes").iter().map(|volume| text(&volume["secret"], "secretName"));
    let containers = ["initContainers", "containers", "ephemeralContainers"];
    let environments = containers.into_iter().flat_map(|field| list(spec, field)).flat_map(|container| {
        let keys = list(container, "env").iter().map(|env| text(&env["valueFrom"]["secretKeyRef"], "name"));
        keys.chain(list(container, "envFrom").iter().map(|from| text(&from["secretRef"], "name")))
    });
    let pulls = list(spec, "imagePullSecrets").iter().map(|pull| text(pull, "name"));
    volumes.chain(environments).chain(pulls).filter(|name| !name.is_empty())
}

fn account(review: &Review, account: &str) -> Result<Arc<Value>, Status> {
    let namespace = review.namespace();
    review.lister.get("", "serviceaccounts", namespace, account).ok_or_else(|| {
        let missing = Status::not_found(Qualified { name: "serviceaccount", group: "" }, account);
        review.forbidden(&format!("error looking up service account {namespace}/{account}: {missing}"))
    })
}

/// The pod decides, else its account, else yes.
fn mounts_token(account: &Value, spec: &Value) -> bool {
    let says = [&spec["automountServiceAccountToken"], &account["automountServiceAccountToken"]];
    says.into_iter().find_map(Value::as_bool).unwrap_or(true)
}

/// Mounts the token in every container that has nothing at its place. Says whether any got it.
fn mount(spec: &mut Value, suffix: &str) -> bool {
    let is_token = |volume: &&Value| text(volume, "name").starts_with(VOLUME_PREFIX);
    let existing = list(spec, "volumes").iter().find(is_token).map(|volume| text(volume, "name").to_owned());
    let volume = existing.clone().unwrap_or_else(|| format!("{VOLUME_PREFIX}{suffix}"));
    let mut is_mounted = false;
    for field in ["initContainers", "containers"] {
        let Some(containers) = spec[field].as_array_mut() else { continue };
        for container in containers {
            let is_taken = |mount: &Value| text(mount, "mountPath") == MOUNT_PATH;
            if !list(container, "volumeMounts").iter().any(is_taken) {
                let mount = json!({"name": volume, "readOnly": true, "mountPath": MOUNT_PATH});
                list_mut(container, "volumeMounts").push(mount);
                is_mounted = true;
            }
        }
    }
    if is_mounted && existing.is_none() {
        list_mut(spec, "volumes").push(token_volume(&volume));
    }
    is_mounted
}

fn token_volume(name: &str) -> Value {
    let field = json!({"apiVersion": "v1", "fieldPath": "metadata.namespace"});
    let sources = json!([
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
    ]);
    json!({"name": name, "projected": {"sources": sources, "defaultMode": 0o644}})
}

/// An account may insist that its pods use no secrets but those that it lists.
fn check_secrets(pod: &Value, account: &Value) -> Result<(), String> {
    let lists = |field: &str, secret: &str| list(account, field).iter().any(|own| text(own, "name") == secret);
    let no = |what: String, kind: &str| {
        let account = name(account);
        Err(format!("{what} is not allowed because service account {account} does not reference that {kind}"))
    };
    for volume in list(&pod["spec"], "volumes") {
        let secret = text(&volume["secret"], "secretName");
        if volume["secret"].is_object() && !lists("secrets", secret) {
            return no(format!("volume with secret.secretName=\"{secret}\""), "secret");
        }
    }
    let kinds = [
        ("initContainers", "init container"),
        ("containers", "container"),
        ("ephemeralContainers", "ephemeral container"),
    ];
    for (field, kind) in kinds {
        for container in list(&pod["spec"], field) {
            let what = format!("{kind} {}", text(container, "name"));
            for env in list(container, "env") {
                let secret = text(&env["valueFrom"]["secretKeyRef"], "name");
                if !secret.is_empty() && !lists("secrets", secret) {
                    let env = text(env, "name");
                    return no(
                        format!("{what} with envVar {env} referencing secret.secretName=\"{secret}\""),
                        "secret",
                    );
                }
            }
            for from in list(container, "envFrom") {
                let secret = text(&from["secretRef"], "name");
                if !secret.is_empty() && !lists("secrets", secret) {
                    return no(format!("{what} with envFrom referencing secret.secretName=\"{secret}\""), "secret");
                }
            }
        }
    }
    for (place, pull) in list(&pod["spec"], "imagePullSecrets").iter().enumerate() {
        let secret = text(pull, "name");
        if !lists("imagePullSecrets", secret) {
            return no(format!("imagePullSecrets[{place}].name=\"{secret}\""), "imagePullSecret");
        }
    }
    Ok(())
}
