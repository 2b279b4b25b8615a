//! Tokens by which a list goes on where the last page ended.
//!
//! Upstream: `k8s.io/apiserver/pkg/storage/continue.go`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::k8s::json;

/// Where a list goes on, and at which revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continue {
    /// -1: at the newest, whatever happened meanwhile.
    pub revision: i64,
    /// The whole key to begin at.
    pub key: String,
}

impl Continue {
    /// The token of a page that ended before this key of a list.
    pub fn encode(&self, prefix: &str) -> Result<String, String> {
        let next = self.key.strip_prefix(prefix).filter(|_| !prefix.is_empty());
        let next = next.ok_or("unable to encode next field: the key and key prefix do not match")?;
        let mut text = format!(r#"{{"v":"meta.k8s.io/v1","rv":{},"start":"#, self.revision);
        json::quote(next, &mut text);
        text.push('}');
        Ok(URL_SAFE_NO_PAD.encode(text))
    }

    pub fn decode(token: &str, prefix: &str) -> Result<Continue, String> {
        let not_valid = |why: String| format!("continue key is not valid: {why}");
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|error| not_valid(illegal(token, &error)))?;
        let document = json::parse(&bytes).map_err(|error| not_valid(error.message))?.value;
        let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("v") != "meta.k8s.io/v1" {
            return Err(not_valid(format!("server does not recognize this encoded version {}", text("v"))));
        }
        let revision = document.get("rv").and_then(Value::as_i64).unwrap_or_default();
        if revision == 0 {
            return Err(not_valid("incorrect encoded start resourceVersion (version meta.k8s.io/v1)".to_owned()));
        }
        let start = text("start");
        if start.is_empty() {
            return Err(not_valid("encoded start key empty (version meta.k8s.io/v1)".to_owned()));
        }
        // Nobody may leave the list by `..`.
        let key = if start.starts_with('/') { start.to_owned() } else { format!("/{start}") };
        let clean = clean(&key);
        if clean != key {
            return Err(not_valid(start.to_owned()));
        }
        Ok(Continue { revision, key: format!("{prefix}{}", &clean[1..]) })
    }
}

/// Go's words for what is no base64.
fn illegal(token: &str, error: &base64::DecodeError) -> String {
    let at = match error {
        base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => *at,
        _ => token.len() - token.len() % 4,
    };
    format!("illegal base64 data at input byte {at}")
}

/// As Go's `path.Clean` on a path from the root.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
