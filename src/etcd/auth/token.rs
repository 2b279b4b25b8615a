//! Tokens: what a user shows instead of its password.
//!
//! A *simple* token is a random word and the index of the log entry that gave it out; each member keeps its own table of
//! them, and a token that is not used for a while is forgotten. A *JSON web token* says of itself who it is for, of which
//! auth revision and until when, and is signed; nobody keeps it.
//!
//! Upstream: `server/auth/simple_token.go`, `jwt.go` of 3.5.

use super::AuthInfo;
use crate::raft::Index;
use crate::sim::{EPOCH_SECONDS, Micros, Prng, SimTime};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const SIMPLE_TOKEN_LENGTH: usize = 16;
/// `--auth-token-ttl`.
pub const SIMPLE_TOKEN_TTL: Micros = Micros::from_secs(300);
/// How often upstream looks for tokens whose time is over.
const TTL_RESOLUTION: Micros = Micros::from_secs(1);
const JWT_TTL: Micros = Micros::from_secs(300);

/// `--auth-token`: how a cluster hands out tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TokenKind {
    #[default]
    Simple,
    // Simplified: signed by HS256 with the cluster's id as the key; upstream reads keys of several kinds from files.
    Jwt,
}

/// The tokens that a member knows.
#[derive(Clone, Debug, Hash)]
pub enum Tokens {
    Simple(SimpleTokens),
    Jwt { key: [u8; 8] },
}

#[derive(Clone, Debug, Default, Hash)]
pub struct SimpleTokens {
    /// Whose each is, and until when if it is not used again.
    tokens: Arc<BTreeMap<String, (String, SimTime)>>,
    /// Since when tokens are given out; the hunt for old ones keeps this beat.
    since: Option<SimTime>,
}

impl Tokens {
    pub fn new(kind: TokenKind, cluster: u64) -> Tokens {
        match kind {
            TokenKind::Simple => Tokens::Simple(SimpleTokens::default()),
            TokenKind::Jwt => Tokens::Jwt { key: cluster.to_be_bytes() },
        }
    }

    pub fn enable(&mut self, now: SimTime) {
        if let Tokens::Simple(simple) = self {
            simple.since.get_or_insert(now);
        }
    }

    /// Nobody's token is good any longer.
    pub fn disable(&mut self) {
        if let Tokens::Simple(simple) = self {
            *simple = SimpleTokens::default();
        }
    }

    /// The process ends: what it kept in memory is gone.
    pub fn restart(&mut self, enabled: bool, now: SimTime) {
        self.disable();
        if enabled {
            self.enable(now);
        }
    }

    pub fn invalidate(&mut self, user: &str) {
        if let Tokens::Simple(simple) = self {
            Arc::make_mut(&mut simple.tokens).retain(|_, (name, _)| name != user);
        }
    }

    /// The random word of the next token; nothing if tokens need none.
    pub fn prefix(&self, prng: &mut Prng) -> String {
        match self {
            Tokens::Simple(_) => (0..SIMPLE_TOKEN_LENGTH)
                .map(|_| char::from(LETTERS[prng.below(LETTERS.len() as u64) as usize]))
                .collect(),
            Tokens::Jwt { .. } => String::new(),
        }
    }

    /// Gives a user its token. `index` is that of the log entry which says so.
    pub fn assign(&mut self, user: &str, revision: u64, prefix: &str, index: Index, now: SimTime) -> String {
        match self {
            Tokens::Simple(simple) => {
                let token = format!("{prefix}.{index}");
                if simple.since.is_some() {
                    let hunted = simple.last_hunt(now);
                    let tokens = Arc::make_mut(&mut simple.tokens);
                    tokens.retain(|_, (_, until)| *until >= hunted);
                    tokens.insert(token.clone(), (user.to_owned(), now + SIMPLE_TOKEN_TTL));
                }
                token
            }
            Tokens::Jwt { key } => sign(key, user, revision, now + JWT_TTL),
        }
    }

    /// Whom a token speaks for. Using a simple token makes it last longer.
    pub fn info(&mut self, token: &str, revision: u64, now: SimTime) -> Option<AuthInfo> {
        match self {
            Tokens::Simple(simple) => {
                let hunted = simple.last_hunt(now);
                simple.tokens.get(token).filter(|(_, until)| *until >= hunted)?;
                let (username, until) = Arc::make_mut(&mut simple.tokens).get_mut(token)?;
                *until = now + SIMPLE_TOKEN_TTL;
                Some(AuthInfo { username: username.clone(), revision })
            }
            Tokens::Jwt { key } => verify(key, token, now),
        }
    }

    /// The log entry that must be applied before the token can be judged; `None` if it is no token at all.
    pub fn index(&self, token: &str) -> Option<Index> {
        match self {
            Tokens::Simple(_) => {
                let (_, index) = token.split_once('.').filter(|(_, index)| !index.starts_with('+'))?;
                index.parse().ok().map(Index)
            }
            Tokens::Jwt { .. } => Some(Index(0)),
        }
    }
}

impl SimpleTokens {
    /// When upstream last looked for tokens whose time is over.
    fn last_hunt(&self, now: SimTime) -> SimTime {
        let since = self.since.unwrap_or(now);
        now - Micros(now.since(since).0 % TTL_RESOLUTION.0)
    }
}

const JWT_HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn sign(key: &[u8], user: &str, revision: u64, until: SimTime) -> String {
    let claims = json!({"exp": unix_seconds(until), "revision": revision, "username": user}).to_string();
    let signed = format!("{}.{}", BASE64.encode(JWT_HEADER), BASE64.encode(claims));
    let signature = BASE64.encode(hmac(key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn verify(key: &[u8], token: &str, now: SimTime) -> Option<AuthInfo> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let read = |part: &str| serde_json::from_slice::<Value>(&BASE64.decode(part).ok()?).ok();
    if BASE64.decode(signature).ok()? != hmac(key, signed.as_bytes()) || read(header)?["alg"] != "HS256" {
        return None;
    }
    let claims = read(claims)?;
    if claims["exp"].as_u64()? < unix_seconds(now) {
        return None;
    }
    Some(AuthInfo { username: claims["username"].as_str()?.to_owned(), revision: claims["revision"].as_u64()? })
}

fn unix_seconds(at: SimTime) -> u64 {
    EPOCH_SECONDS + at.0 / 1_000_000
}

/// RFC 2104 with SHA-256.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SimTime {
        SimTime::ZERO + Micros::from_secs(seconds)
    }

    #[test]
    fn a_simple_token_lives_as_long_as_it_is_used() {
        let mut tokens = Tokens::new(TokenKind::Simple, 1);
        tokens.enable(at(0));
        let token = tokens.assign("ann", 3, "word", Index(9), at(10));
        assert_eq!((token.as_str(), tokens.index(&token)), ("word.9", Some(Index(9))));
        assert_eq!(tokens.info(&token, 4, at(309)), Some(AuthInfo { username: "ann".to_owned(), revision: 4 }));
        assert!(tokens.info(&token, 4, at(609)).is_some(), "it is looked for once a second");
        assert!(tokens.info(&token, 4, at(911)).is_none());
    }

    #[test]
    fn words_that_are_no_simple_tokens() {
        let tokens = Tokens::new(TokenKind::Simple, 1);
        for word in ["", "bogus", "a.b", "a.-1", "a.+1", "a.1.2", "a."] {
            assert_eq!(tokens.index(word), None, "{word}");
        }
    }

    #[test]
    fn a_web_token_speaks_for_itself_until_its_time_is_over() {
        let of_cluster = |id| Tokens::new(TokenKind::Jwt, id);
        let (mut here, mut there) = (of_cluster(7), of_cluster(7));
        let token = here.assign("ann", 7, "", Index(1), at(0));
        assert_eq!(there.info(&token, 9, at(300)), Some(AuthInfo { username: "ann".to_owned(), revision: 7 }));
        assert_eq!(there.info(&token, 9, at(301)), None);
        assert_eq!(of_cluster(8).info(&token, 9, at(0)), None);
        let forged = format!("{}x", &token[..token.len() - 1]);
        assert_eq!(there.info(&forged, 9, at(0)), None);
    }

    #[test]
    fn the_signature_is_that_of_the_standard() {
        let hex: String = hmac(b"key", b"The quick brown fox jumps over the lazy dog")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
    }
}
