//! Tokens of service accounts: signed, for somebody, for a while, and no longer than what they are bound to.
//!
//! They are JSON web tokens. Upstream: `pkg/serviceaccount`, `pkg/registry/core/serviceaccount/storage/token.go`.
//!
//! Signatures are ES256, which upstream takes as well as the RS256 of kubeadm: a key is made from 32 bytes in no time, and
//! signing needs no chance.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::CREDENTIAL_ID;
use crate::k8s::apiserver::attributes::{Lister, User};
use crate::k8s::apiserver::object::{self, in_form, list, name, namespace, text, texts, uid};
use crate::k8s::meta::status::{FieldError, Qualified, Status};
use crate::k8s::meta::time::{Precision, Time};

pub const USER_PREFIX: &str = "system:serviceaccount:";
/// The group of all service accounts; that of a namespace has its name behind a colon.
pub const GROUP: &str = "system:serviceaccounts";

/// By which the tokens of a cluster are signed and known.
#[derive(Clone)]
pub struct Keys {
    /// `--service-account-issuer`
    pub issuer: String,
    /// `--api-audiences`: the issuer, if nothing else is said.
    pub audiences: Vec<String>,
    signing: SigningKey,
    key_id: String,
    /// All keys whose tokens are taken: the signing one, and those before it.
    known: Vec<VerifyingKey>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys {{ issuer: {:?}, key_id: {:?} }}", self.issuer, self.key_id)
    }
}

/// A token that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The `TokenRequest` with its answer.
    pub request: Value,
    /// `JTI=…`, for the audit log.
    pub credential_id: String,
}

impl Keys {
    /// Keys from seeds: the first signs, all are known.
    pub fn new(issuer: &str, audiences: &[String], seeds: &[[u8; 32]]) -> Option<Keys> {
        let signing = signing_key(seeds.first()?);
        let known: Vec<VerifyingKey> = seeds.iter().map(|seed| *signing_key(seed).verifying_key()).collect();
        let audiences = if audiences.is_empty() { vec![issuer.to_owned()] } else { audiences.to_vec() };
        Some(Keys { issuer: issuer.to_owned(), audiences, key_id: key_id(known.first()?), signing, known })
    }

    /// `/openid/v1/jwks`
    pub fn json_web_keys(&self) -> Value {
        let key = |key: &VerifyingKey| {
            let point = point(key);
            let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
            json!({"use": "sig", "kty": "EC", "kid": key_id(key), "crv": "P-256", "alg": "ES256", "x": x, "y": y})
        };
        json!({"keys": self.known.iter().map(key).collect::<Vec<_>>()})
    }

    /// `/.well-known/openid-configuration`
    pub fn openid_configuration(&self, jwks_uri: &str) -> Value {
        json!({
            "issuer": self.issuer,
            "jwks_uri": jwks_uri,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        })
    }

    fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "kid": self.key_id});
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let signature: Signature = self.signing.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    /// The user of a token and the audiences that it shares with those that are asked for. Nothing if the token is not ours.
    pub fn verify(
        &self,
        token: &str,
        audiences: &[String],
        now: Time,
        lister: &dyn Lister,
    ) -> Result<Option<(User, Vec<String>)>, String> {
        let Some(parsed) = Parsed::of(token) else { return Ok(None) };
        if text(&parsed.claims, "iss") != self.issuer || parsed.algorithm != "ES256" {
            return Ok(None);
        }
        let is_signed = Signature::from_slice(&parsed.signature)
            .is_ok_and(|signature| self.known.iter().any(|key| key.verify(parsed.signed, &signature).is_ok()));
        if !is_signed {
            return Err("go-jose/go-jose: error in cryptographic primitive".to_owned());
        }
        let claims = &parsed.claims;
        let own: Vec<String> = match claims["aud"].as_str() {
            Some(one) => vec![one.to_owned()],
            None => texts(claims, "aud").map(str::to_owned).collect(),
        };
        let shared: Vec<String> = own.iter().filter(|own| audiences.contains(own)).cloned().collect();
        if shared.is_empty() {
            let (own, wanted) = (quoted(&own), quoted(audiences));
            return Err(format!("token audiences {own} is invalid for the target audiences {wanted}"));
        }
        check_times(claims, now)?;
        let user = user(claims, now, lister)?;
        Ok(Some((user, shared)))
    }
}

/// A token, taken apart.
struct Parsed<'a> {
    signed: &'a [u8],
    algorithm: String,
    claims: Value,
    signature: Vec<u8>,
}

/// More is no token of ours.
const TOKEN_MAX: usize = 16 << 10;

impl Parsed<'_> {
    fn of(token: &str) -> Option<Parsed<'_>> {
        if token.len() > TOKEN_MAX {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let read = |part: &str| -> Option<Value> {
            let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
            crate::k8s::json::parse(&bytes).ok().map(|document| document.value)
        };
        Some(Parsed {
            signed: signed.as_bytes(),
            algorithm: text(&read(header)?, "alg").to_owned(),
            claims: read(claims)?,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }
}

/// Clocks may differ by so much.
const LEEWAY_SECONDS: i64 = 60;

fn check_times(claims: &Value, now: Time) -> Result<(), String> {
    let second = |claim: &str| claims[claim].as_i64();
    let now = now.seconds;
    if second("nbf").is_some_and(|from| now.saturating_add(LEEWAY_SECONDS) < from) {
        return Err("service account token is not valid yet".to_owned());
    }
    if second("exp").is_some_and(|until| now.saturating_sub(LEEWAY_SECONDS) > until) {
        return Err("service account token has expired".to_owned());
    }
    if second("iat").is_some_and(|at| now.saturating_add(LEEWAY_SECONDS) < at) {
        return Err("service account token is issued in the future".to_owned());
    }
    Ok(())
}

/// The account behind the claims, if it and what the token is bound to are still there.
fn user(claims: &Value, now: Time, lister: &dyn Lister) -> Result<User, String> {
    let own = &claims["kubernetes.io"];
    let home = text(own, "namespace");
    let account_name = text(&own["serviceaccount"], "name");
    let account = lister
        .get("", "serviceaccounts", home, account_name)
        .ok_or_else(|| Status::not_found(Qualified { name: "serviceaccounts", group: "" }, account_name).message)?;
    if is_gone(&account, now) {
        return Err(format!("service account {home}/{account_name} has been deleted"));
    }
    let claimed = text(&own["serviceaccount"], "uid");
    if uid(&account) != claimed {
        return Err(format!("service account UID ({}) does not match claim ({claimed})", uid(&account)));
    }
    let mut extra = BTreeMap::new();
    let mut put = |key: &str, value: &str| {
        extra.insert(format!("authentication.kubernetes.io/{key}"), vec![value.to_owned()]);
    };
    if own["secret"].is_object() {
        check_bound("secret", "secrets", home, &own["secret"], now, lister)?;
    }
    if own["pod"].is_object() {
        check_bound("pod", "pods", home, &own["pod"], now, lister)?;
        put("pod-name", text(&own["pod"], "name"));
        put("pod-uid", text(&own["pod"], "uid"));
    }
    if own["node"].is_object() {
        // That of a pod is only told; the pod vouches for it.
        if !own["pod"].is_object() {
            check_bound("node", "nodes", "", &own["node"], now, lister)?;
        }
        put("node-name", text(&own["node"], "name"));
        if !text(&own["node"], "uid").is_empty() {
            put("node-uid", text(&own["node"], "uid"));
        }
    }
    if let Some(id) = claims["jti"].as_str() {
        extra.insert(CREDENTIAL_ID.to_owned(), vec![format!("JTI={id}")]);
    }
    Ok(User {
        name: format!("{USER_PREFIX}{home}:{account_name}"),
        uid: claimed.to_owned(),
        groups: vec![GROUP.to_owned(), format!("{GROUP}:{home}")],
        extra,
    })
}

fn check_bound(
    kind: &str,
    resource: &str,
    namespace: &str,
    bound: &Value,
    now: Time,
    lister: &dyn Lister,
) -> Result<(), String> {
    let found = lister.get("", resource, namespace, text(bound, "name")).filter(|found| !is_gone(found, now));
    let Some(found) = found else { return Err("service account token has been invalidated".to_owned()) };
    let (is, was) = (uid(&found), text(bound, "uid"));
    if is != was {
        return Err(format!("{kind} UID ({is}) does not match service account {kind} ref claim ({was})"));
    }
    Ok(())
}

/// What is being deleted counts as gone after a while, even if it is not.
fn is_gone(object: &Value, now: Time) -> bool {
    let deleted = object::time(&object["metadata"]["deletionTimestamp"]);
    deleted.is_some_and(|deleted| deleted.seconds < now.seconds.saturating_sub(LEEWAY_SECONDS))
}

/// The seconds by which upstream knows the tokens that its admission put into pods; these live on for a year, with a warning.
const ADMISSION_SECONDS: i64 = 3607;
const EXTENDED_SECONDS: i64 = 365 * 24 * 3600;

/// Answers a `TokenRequest`, which is filled in, for an account. `id` is a new UUID.
pub fn issue(
    mut request: Value,
    account: &Value,
    keys: &Keys,
    now: Time,
    id: &str,
    lister: &dyn Lister,
) -> Result<Issued, Status> {
    check_request(&request, account)?;
    let home = namespace(account);
    if list(&request["spec"], "audiences").is_empty() {
        request["spec"]["audiences"] = keys.audiences.clone().into();
    }
    let bound = Bound::find(&request["spec"]["boundObjectRef"], account, lister)?;
    let asked = request["spec"]["expirationSeconds"].as_i64().unwrap_or(3600);
    let is_for_us = texts(&request["spec"], "audiences").all(|own| keys.audiences.iter().any(|known| known == own));
    let is_extended = bound.pod.is_some() && asked == ADMISSION_SECONDS && is_for_us;
    let lifetime = if is_extended { EXTENDED_SECONDS } else { asked };
    let mut own = Map::new();
    own.insert("namespace".to_owned(), home.into());
    if let Some(node) = &bound.node {
        own.insert("node".to_owned(), node.clone());
    }
    if let Some(pod) = &bound.pod {
        own.insert("pod".to_owned(), reference(pod));
    }
    if let Some(secret) = &bound.secret {
        own.insert("secret".to_owned(), reference(secret));
    }
    own.insert("serviceaccount".to_owned(), reference(account));
    if is_extended {
        own.insert("warnafter".to_owned(), now.seconds.saturating_add(asked).into());
    }
    // In the order of keys, as upstream's library writes them.
    let claims = json!({
        "aud": request["spec"]["audiences"],
        "exp": now.seconds.saturating_add(lifetime),
        "iat": now.seconds,
        "iss": keys.issuer,
        "jti": id,
        "kubernetes.io": own,
        "nbf": now.seconds,
        "sub": format!("{USER_PREFIX}{home}:{}", name(account)),
    });
    let until = Time { seconds: now.seconds.saturating_add(asked).min(Time::MAX_SECONDS), nanos: 0 };
    request["status"] = json!({"token": keys.sign(&claims), "expirationTimestamp": until.format(Precision::Seconds)});
    let request = in_form("authentication.k8s.io/v1", "TokenRequest", request);
    Ok(Issued { request, credential_id: format!("JTI={id}") })
}

fn check_request(request: &Value, account: &Value) -> Result<(), Status> {
    let mut errors = Vec::new();
    for (field, is, what) in
        [("metadata.name", name(account), "name"), ("metadata.namespace", namespace(account), "namespace")]
    {
        let asked = text(&request["metadata"], what);
        if !asked.is_empty() && asked != is {
            errors.push(FieldError::invalid(
                field,
                asked,
                format!("must match the service account {what} if specified"),
            ));
        }
    }
    let seconds = request["spec"]["expirationSeconds"].as_i64().unwrap_or(3600);
    let field = "spec.expirationSeconds";
    if seconds < 600 {
        errors.push(FieldError::invalid(field, seconds, "may not specify a duration less than 10 minutes"));
    }
    if seconds > 1 << 32 {
        errors.push(FieldError::invalid(field, seconds, "may not specify a duration larger than 2^32 seconds"));
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(Status::invalid(Qualified { name: "TokenRequest", group: "authentication.k8s.io" }, name(account), &errors))
}

/// What a token lives and dies with.
#[derive(Default)]
struct Bound {
    pod: Option<Arc<Value>>,
    secret: Option<Arc<Value>>,
    /// A reference, as the claims hold it.
    node: Option<Value>,
}

impl Bound {
    fn find(bound: &Value, account: &Value, lister: &dyn Lister) -> Result<Bound, Status> {
        if !bound.is_object() {
            return Ok(Bound::default());
        }
        let (api_version, kind) = (text(bound, "apiVersion"), text(bound, "kind"));
        let resource = match (api_version, kind) {
            ("v1", "Pod") => "pods",
            ("v1", "Secret") => "secrets",
            ("v1", "Node") => "nodes",
            _ => {
                let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
                let message = format!("cannot bind token to object of type {group}/{version}, Kind={kind}");
                return Err(Status::bad_request(message));
            }
        };
        let home = if resource == "nodes" { "" } else { namespace(account) };
        let wanted = text(bound, "name");
        let missing = || Status::not_found(Qualified { name: resource, group: "" }, wanted);
        let found = lister.get("", resource, home, wanted).ok_or_else(missing)?;
        if resource == "pods" && text(&found["spec"], "serviceAccountName") != name(account) {
            let account = crate::k8s::meta::status::quote(name(account));
            let what = format!("cannot bind token for serviceaccount {account} to pod running with different");
            return Err(Status::bad_request(format!("{what} serviceaccount name.")));
        }
        let (asked, is) = (text(bound, "uid"), uid(&found));
        if !asked.is_empty() && asked != is {
            let what =
                format!("the UID in the bound object reference ({asked}) does not match the UID in record ({is}).");
            let why = format!("{what} The object might have been deleted and then recreated");
            return Err(Status::conflict(Qualified { name: kind, group: "" }, wanted, &why));
        }
        Ok(match resource {
            "pods" => Bound { node: node_of(&found, lister), pod: Some(found), secret: None },
            "secrets" => Bound { secret: Some(found), ..Bound::default() },
            _ => Bound { node: Some(reference(&found)), ..Bound::default() },
        })
    }
}

/// The node that a pod runs on; without its UID if it is not known.
fn node_of(pod: &Value, lister: &dyn Lister) -> Option<Value> {
    let node = Some(text(&pod["spec"], "nodeName")).filter(|node| !node.is_empty())?;
    let found = lister.get("", "nodes", "", node);
    Some(found.map_or_else(|| json!({"name": node}), |found| reference(&found)))
}

fn reference(object: &Value) -> Value {
    json!({"name": name(object), "uid": uid(object)})
}

fn quoted(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| crate::k8s::meta::status::quote(text)).collect();
    format!("[{}]", texts.join(" "))
}

/// A key from a seed. Nearly all seeds are keys already; of the others a digest is tried.
fn signing_key(seed: &[u8; 32]) -> SigningKey {
    let mut bytes = *seed;
    loop {
        if let Ok(key) = SigningKey::from_slice(&bytes) {
            return key;
        }
        bytes = Sha256::digest(bytes).into();
    }
}

/// `0x04`, then the two coordinates of 32 bytes each.
fn point(key: &VerifyingKey) -> [u8; 65] {
    let mut point = [0; 65];
    let encoded = key.to_sec1_point(false);
    point.copy_from_slice(encoded.as_bytes());
    point
}

/// As upstream: the digest of the key in its DER form.
fn key_id(key: &VerifyingKey) -> String {
    // Sequence of: sequence of the two names of elliptic curves and P-256, and a string of 65 bytes.
    const PREFIX: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    let mut digest = Sha256::new();
    digest.update(PREFIX);
    digest.update(point(key));
    URL_SAFE_NO_PAD.encode(digest.finalize())
}
