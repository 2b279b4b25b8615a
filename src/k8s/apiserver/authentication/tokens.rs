//! Tokens that are only compared: those of a file, and those by which new nodes come in.
//!
//! Upstream: `k8s.io/apiserver/pkg/authentication/token/tokenfile`, `plugin/pkg/auth/authenticator/token/bootstrap`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::sync::Arc;

use crate::k8s::apiserver::attributes::{Lister, User};
use crate::k8s::apiserver::metadata::is_being_deleted;
use crate::k8s::apiserver::object::text;
use crate::k8s::meta::time::{Precision, Time};

/// A line of `--token-auth-file`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StaticToken {
    pub token: String,
    pub user: Arc<User>,
}

/// Reads `token,user,uid,"group1,group2"`, a token a line.
pub fn read_token_file(text: &str) -> Result<Vec<StaticToken>, String> {
    let mut tokens: Vec<StaticToken> = Vec::new();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    for (place, line) in lines {
        let columns = columns(line);
        let column = |at: usize| columns.get(at).cloned().unwrap_or_default();
        if columns.len() < 3 {
            let (number, count) = (place + 1, columns.len());
            return Err(format!(
                "token file must have at least 3 columns (token, user name, user uid), found {count} in line {number}"
            ));
        }
        // A line without a token can match nothing, and of two that are equal the last one counts.
        if column(0).is_empty() {
            continue;
        }
        tokens.retain(|known| known.token != column(0));
        let groups = column(3);
        let groups = groups.split(',').map(str::trim).filter(|group| !group.is_empty()).map(str::to_owned).collect();
        let user = User { name: column(1), uid: column(2), groups, ..User::default() };
        tokens.push(StaticToken { token: column(0), user: Arc::new(user) });
    }
    Ok(tokens)
}

/// Columns of a line of CSV; a quoted one may hold commas.
fn columns(line: &str) -> Vec<String> {
    let (mut columns, mut is_quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => columns.push(String::new()),
            _ => columns.last_mut().expect("there is a first column").push(c),
        }
    }
    columns.iter().map(|column| column.trim().to_owned()).collect()
}

/// The user of a token `abcdef.0123456789abcdef`, as a secret in `kube-system` has it.
pub(super) fn bootstrap(token: &str, now: Time, lister: &dyn Lister) -> Option<User> {
    let (id, secret_part) = token.split_once('.')?;
    let is_word = |word: &str, length: usize| {
        word.len() == length && word.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
    };
    if !is_word(id, 6) || !is_word(secret_part, 16) {
        return None;
    }
    let secret = lister.get("", "secrets", "kube-system", &format!("bootstrap-token-{id}"))?;
    let is_good = !is_being_deleted(&secret)
        && text(&secret, "type") == "bootstrap.kubernetes.io/token"
        && data(&secret, "token-secret").as_deref() == Some(secret_part)
        && data(&secret, "token-id").as_deref() == Some(id)
        && data(&secret, "usage-bootstrap-authentication").as_deref() == Some("true")
        && !is_expired(&secret, now);
    if !is_good {
        return None;
    }
    let extra_groups = data(&secret, "auth-extra-groups").unwrap_or_default();
    let extra_groups = extra_groups.split(',').map(str::trim).filter(|group| !group.is_empty()).map(str::to_owned);
    let mut groups: Vec<String> = extra_groups.chain(["system:bootstrappers".to_owned()]).collect();
    groups.sort();
    groups.dedup();
    Some(User { name: format!("system:bootstrap:{id}"), groups, ..User::default() })
}

/// One that cannot be read counts as over.
fn is_expired(secret: &Value, now: Time) -> bool {
    let Some(expiration) = data(secret, "expiration").filter(|text| !text.is_empty()) else { return false };
    Time::parse(&expiration, Precision::Seconds).map_or(true, |expiration| now >= expiration)
}

fn data(secret: &Value, key: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(text(&secret["data"], key)).ok()?).ok().filter(|text| !text.is_empty())
}
