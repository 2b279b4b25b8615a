//! Values encrypted before they go to etcd.
//!
//! Upstream: `k8s.io/apiserver/pkg/storage/value` and `pkg/server/options/encryptionconfig`. What is written goes through the
//! first provider and its first key; what is read through the first whose prefix fits and whose key opens it. A value that
//! came through another than the first is stale: the next update rewrites it even if nothing changed. The luck of nonces is
//! handed in.

mod ciphers;
mod configuration;
pub mod kms;
pub mod plugin;
#[cfg(test)]
mod tests;

pub use configuration::Configuration;
use kms::Kms;

/// What every encrypted value begins with.
pub const PREFIX: &str = "k8s:enc:";
/// What is said when something encrypted is to be read as it is.
pub const READ_BY_IDENTITY: &str = "identity transformer tried to read encrypted data";

/// Fills a buffer with bytes that nobody foresees.
pub type Entropy<'a> = &'a mut dyn FnMut(&mut [u8]);

/// The providers of a resource, first the one that writes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transformer {
    pub providers: Vec<Provider>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// As it is; refuses to read what is encrypted.
    Identity,
    /// The first key writes.
    Keyed(Cipher, Vec<Key>),
    /// A plugin has the keys; by its name.
    KmsV1(String),
    KmsV2(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cipher {
    /// Nothing guards a value's integrity.
    AesCbc,
    /// Bound to the key in etcd.
    AesGcm,
    Secretbox,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub name: String,
    pub secret: Vec<u8>,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    pub value: Vec<u8>,
    /// To be rewritten.
    pub is_stale: bool,
}

impl Transformer {
    /// The bytes for etcd. `key` is the key in etcd.
    pub fn write(&self, plain: &[u8], key: &str, kms: &mut dyn Kms, entropy: Entropy) -> Result<Vec<u8>, String> {
        let provider = self.providers.first().ok_or("no provider writes")?;
        let prefixed =
            |cipher: Vec<u8>, name: &str| [provider.prefix().as_bytes(), name.as_bytes(), b":", &cipher].concat();
        match provider {
            Provider::Identity => Ok(plain.to_vec()),
            Provider::Keyed(cipher, keys) => {
                let first = keys.first().ok_or("a provider has no key")?;
                Ok(prefixed(cipher.encrypt(&first.secret, plain, key.as_bytes(), entropy)?, &first.name))
            }
            Provider::KmsV1(name) => Ok(prefixed(kms::write_v1(name, plain, key.as_bytes(), kms, entropy)?, name)),
            Provider::KmsV2(name) => Ok(prefixed(kms::write_v2(name, plain, key.as_bytes(), kms, entropy)?, name)),
        }
    }

    pub fn read(&self, stored: &[u8], key: &str, kms: &mut dyn Kms) -> Result<Plain, String> {
        let mut errors: Vec<String> = Vec::new();
        for (place, provider) in self.providers.iter().enumerate() {
            let Some(rest) = stored.strip_prefix(provider.prefix().as_bytes()) else { continue };
            match provider.read(rest, key.as_bytes(), kms) {
                Some(Ok(plain)) => return Ok(Plain { is_stale: plain.is_stale || place > 0, ..plain }),
                // That identity cannot read what is encrypted keeps nobody else from trying.
                Some(Err(_)) if *provider == Provider::Identity => {}
                Some(Err(error)) if !errors.contains(&error) => errors.push(error),
                _ => {}
            }
        }
        Err(match &errors[..] {
            [] => "no matching prefix found".to_owned(),
            [error] => error.clone(),
            _ => format!("[{}]", errors.join(", ")),
        })
    }
}

impl Provider {
    fn prefix(&self) -> &'static str {
        match self {
            Provider::Identity => "",
            Provider::Keyed(Cipher::AesCbc, _) => "k8s:enc:aescbc:v1:",
            Provider::Keyed(Cipher::AesGcm, _) => "k8s:enc:aesgcm:v1:",
            Provider::Keyed(Cipher::Secretbox, _) => "k8s:enc:secretbox:v1:",
            Provider::KmsV1(_) => "k8s:enc:kms:v1:",
            Provider::KmsV2(_) => "k8s:enc:kms:v2:",
        }
    }

    /// What lies behind the prefix; nothing if it belongs to a plugin of another name.
    fn read(&self, rest: &[u8], key: &[u8], kms: &mut dyn Kms) -> Option<Result<Plain, String>> {
        let behind = |name: &str| rest.strip_prefix(name.as_bytes())?.strip_prefix(b":");
        match self {
            Provider::Identity if rest.starts_with(PREFIX.as_bytes()) => Some(Err(READ_BY_IDENTITY.to_owned())),
            Provider::Identity => Some(Ok(Plain { value: rest.to_vec(), is_stale: false })),
            Provider::Keyed(cipher, keys) => Some(read_keyed(*cipher, keys, rest, key)),
            Provider::KmsV1(name) => behind(name).map(|rest| kms::read_v1(name, rest, key, kms)),
            Provider::KmsV2(name) => behind(name).map(|rest| kms::read_v2(name, rest, key, kms)),
        }
    }
}

fn read_keyed(cipher: Cipher, keys: &[Key], rest: &[u8], key: &[u8]) -> Result<Plain, String> {
    let mut last = None;
    for (place, own) in keys.iter().enumerate() {
        let Some(rest) = rest.strip_prefix(own.name.as_bytes()).and_then(|rest| rest.strip_prefix(b":")) else {
            continue;
        };
        match cipher.decrypt(&own.secret, rest, key) {
            Ok(value) => return Ok(Plain { value, is_stale: place > 0 }),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| format!("no matching key was found for the provided {} transformer", cipher.title())))
}

impl Cipher {
    fn title(self) -> &'static str {
        match self {
            Cipher::AesCbc | Cipher::AesGcm => "AES",
            Cipher::Secretbox => "Secretbox",
        }
    }

    /// The lengths that a key may have.
    fn key_lengths(self) -> &'static [usize] {
        match self {
            Cipher::AesCbc | Cipher::AesGcm => &[16, 24, 32],
            Cipher::Secretbox => &[32],
        }
    }

    fn encrypt(self, secret: &[u8], plain: &[u8], key: &[u8], entropy: Entropy) -> Result<Vec<u8>, String> {
        match self {
            Cipher::AesCbc => {
                let mut iv = [0; 16];
                entropy(&mut iv);
                ciphers::cbc_encrypt(secret, &iv, plain)
            }
            Cipher::AesGcm => {
                let mut nonce = [0; 12];
                entropy(&mut nonce);
                ciphers::gcm_encrypt(secret, &nonce, plain, key)
            }
            Cipher::Secretbox => {
                let mut nonce = [0; 24];
                entropy(&mut nonce);
                ciphers::secretbox_encrypt(secret, &nonce, plain)
            }
        }
    }

    fn decrypt(self, secret: &[u8], stored: &[u8], key: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Cipher::AesCbc => ciphers::cbc_decrypt(secret, stored),
            Cipher::AesGcm => ciphers::gcm_decrypt(secret, stored, key),
            Cipher::Secretbox => ciphers::secretbox_decrypt(secret, stored),
        }
    }
}
