//! Who is this? A client certificate, a bearer token, or nobody in particular.
//!
//! ```text
//! certificate ─> token file ─> service account ─> bootstrap token ─> anonymous, if nothing was shown
//! ```
//!
//! Something that was shown and is no good is refused, never taken for nothing. What is wrong with it the client is not told.
//!
//! Upstream: `k8s.io/apiserver/pkg/authentication`, `pkg/kubeapiserver/authenticator`.

pub mod impersonation;
pub mod service_accounts;
#[cfg(test)]
mod tests;
mod tokens;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::attributes::{Lister, User};
use super::authorization::rbac::Errors;
use super::authorization::reviews::user_info;
use super::object::{in_form, list, text};
use crate::k8s::meta::status::Status;
use crate::k8s::meta::time::Time;

pub use service_accounts::Keys;
pub use tokens::{StaticToken, read_token_file};

pub const ANONYMOUS: &str = "system:anonymous";
pub const AUTHENTICATED: &str = "system:authenticated";
pub const UNAUTHENTICATED: &str = "system:unauthenticated";

/// The key in a user's extra under which the credential is named that the user came with.
pub const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

/// A certificate that a client showed, as far as a server looks at it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Certificate {
    /// `CN`: the user's name.
    pub common_name: String,
    /// `O`: the groups.
    pub organizations: Vec<String>,
    /// SHA-256 of its bytes, in hexadecimal.
    pub fingerprint: String,
    pub not_before: Time,
    pub not_after: Time,
    /// Is it signed by the authority of clients?
    pub is_trusted: bool,
}

/// What a request came with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown<'a> {
    pub certificate: Option<&'a Certificate>,
    /// The header `Authorization`.
    pub authorization: Option<&'a str>,
}

/// A server's ways of telling who somebody is.
#[derive(Clone, Debug)]
pub struct Authenticator {
    /// `--token-auth-file`
    pub token_file: Arc<[StaticToken]>,
    /// `--service-account-key-file`, `--service-account-issuer`
    pub service_accounts: Arc<Keys>,
    /// `--enable-bootstrap-token-auth`
    pub is_bootstrap_enabled: bool,
    /// `--anonymous-auth`
    pub is_anonymous_enabled: bool,
}

/// A user, and how they were recognized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    pub user: Arc<User>,
    pub by: &'static str,
    /// Whom the token is meant for; empty for what is no token.
    pub audiences: Vec<String>,
}

/// Nobody, and why: the client is only told `Unauthorized`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unauthenticated {
    pub reason: String,
}

impl Unauthenticated {
    pub fn status(&self) -> Status {
        Status::unauthorized("Unauthorized")
    }
}

impl Authenticator {
    /// Who is it?
    pub fn authenticate(&self, shown: Shown, now: Time, lister: &dyn Lister) -> Result<Authenticated, Unauthenticated> {
        let audiences = &self.service_accounts.audiences;
        match self.recognize(shown, audiences, now, lister) {
            Ok(Some(authenticated)) => Ok(with_default_group(authenticated)),
            Ok(None) if self.is_anonymous_enabled => Ok(anonymous()),
            Ok(None) => Err(Unauthenticated { reason: "no authentication was shown".to_owned() }),
            Err(reason) => Err(Unauthenticated { reason }),
        }
    }

    /// Nothing if nothing was shown that says who somebody is.
    fn recognize(
        &self,
        shown: Shown,
        audiences: &[String],
        now: Time,
        lister: &dyn Lister,
    ) -> Result<Option<Authenticated>, String> {
        let mut errors = Errors::default();
        match shown.certificate.map(|certificate| by_certificate(certificate, now)) {
            Some(Ok(Some(found))) => return Ok(Some(found)),
            Some(Err(error)) => errors.add(error),
            _ => {}
        }
        if let Some(token) = shown.authorization.and_then(bearer_token) {
            // The first error is of the server's own token for itself.
            errors.add(INVALID_TOKEN);
            match self.by_token(token, audiences, now, lister) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => errors.add(INVALID_TOKEN),
                Err(error) => errors.add(error),
            }
        }
        if errors.is_empty() { Ok(None) } else { Err(errors.to_string()) }
    }

    fn by_token(
        &self,
        token: &str,
        audiences: &[String],
        now: Time,
        lister: &dyn Lister,
    ) -> Result<Option<Authenticated>, String> {
        let own = &self.service_accounts.audiences;
        // Tokens that name no audience are for this server.
        let for_us = || -> Option<Vec<String>> {
            let both: Vec<String> = own.iter().filter(|own| audiences.contains(own)).cloned().collect();
            (!both.is_empty() || own.is_empty()).then_some(both)
        };
        if let Some(known) = self.token_file.iter().find(|known| known.token == token) {
            let found = |audiences| Authenticated { user: known.user.clone(), by: "token-file", audiences };
            return Ok(for_us().map(found));
        }
        let mut errors = Errors::default();
        match self.service_accounts.verify(token, audiences, now, lister) {
            Ok(Some((user, audiences))) => {
                return Ok(Some(Authenticated { user: Arc::new(user), by: "service-account", audiences }));
            }
            Ok(None) => {}
            Err(error) => errors.add(error),
        }
        if self.is_bootstrap_enabled
            && let Some(user) = tokens::bootstrap(token, now, lister)
        {
            let found = |audiences| Authenticated { user: Arc::new(user), by: "bootstrap-token", audiences };
            return Ok(for_us().map(found));
        }
        if errors.is_empty() { Ok(None) } else { Err(errors.to_string()) }
    }

    /// Whose token is this? Asked as an object.
    ///
    /// Upstream: `pkg/registry/authentication/tokenreview`.
    pub fn token_review(&self, review: Value, now: Time, lister: &dyn Lister) -> Result<Value, Status> {
        let token = text(&review["spec"], "token").to_owned();
        if token.is_empty() {
            return Err(Status::bad_request("token is required for TokenReview in authentication"));
        }
        let asked: Vec<String> =
            list(&review["spec"], "audiences").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let audiences = if asked.is_empty() { self.service_accounts.audiences.clone() } else { asked };
        let header = format!("Bearer {token}");
        let shown = Shown { certificate: None, authorization: Some(&header) };
        let mut review = review;
        review["status"] = match self.recognize(shown, &audiences, now, lister) {
            Ok(Some(found)) => {
                let found = with_default_group(found);
                json!({"authenticated": true, "user": user_info(&found.user), "audiences": found.audiences})
            }
            Ok(None) => json!({}),
            Err(error) => json!({"error": error}),
        };
        Ok(in_form("authentication.k8s.io/v1", "TokenReview", review))
    }
}

const INVALID_TOKEN: &str = "invalid bearer token";

/// The token of `Authorization: Bearer …`.
fn bearer_token(header: &str) -> Option<&str> {
    let header = header.trim();
    let (scheme, token) = header.split_once(' ')?;
    let token = token.split(' ').next().unwrap_or_default();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn by_certificate(certificate: &Certificate, now: Time) -> Result<Option<Authenticated>, String> {
    if !certificate.is_trusted {
        return Err("x509: certificate signed by unknown authority".to_owned());
    }
    let expired = |how: String| Err(format!("x509: certificate has expired or is not yet valid: {how}"));
    let show = |time: Time| time.format(crate::k8s::meta::time::Precision::Seconds);
    if now < certificate.not_before {
        return expired(format!("current time {} is before {}", show(now), show(certificate.not_before)));
    }
    if now > certificate.not_after {
        return expired(format!("current time {} is after {}", show(now), show(certificate.not_after)));
    }
    if certificate.common_name.is_empty() {
        return Ok(None);
    }
    let credential = format!("X509SHA256={}", certificate.fingerprint);
    let user = User {
        name: certificate.common_name.clone(),
        uid: String::new(),
        groups: certificate.organizations.clone(),
        extra: BTreeMap::from([(CREDENTIAL_ID.to_owned(), vec![credential])]),
    };
    Ok(Some(Authenticated { user: Arc::new(user), by: "x509", audiences: Vec::new() }))
}

/// Who was recognized is one of the authenticated.
fn with_default_group(mut found: Authenticated) -> Authenticated {
    if !found.user.is_in(AUTHENTICATED) && !found.user.is_in(UNAUTHENTICATED) && found.user.name != ANONYMOUS {
        Arc::make_mut(&mut found.user).groups.push(AUTHENTICATED.to_owned());
    }
    found
}

fn anonymous() -> Authenticated {
    let groups = vec![UNAUTHENTICATED.to_owned()];
    let user = User { name: ANONYMOUS.to_owned(), groups, ..User::default() };
    Authenticated { user: Arc::new(user), by: "anonymous", audiences: Vec::new() }
}
