//! Keys that a plugin guards: a value is encrypted by a key of its own, and that key by the plugin.
//!
//! Upstream: `pkg/storage/value/encrypt/envelope`. The plugin itself is somebody else's; here is what the API server does.

use std::collections::BTreeMap;

use hkdf::Hkdf;
use prost::Message;
use sha2::Sha256;

use super::{Cipher, Entropy, Plain, ciphers};

/// What a plugin is asked.
pub trait Kms {
    /// Version 1: guards a key.
    fn encrypt(&mut self, name: &str, key: &[u8]) -> Result<Vec<u8>, String>;

    /// Gives back a key that it guarded. `key_id` and annotations are those it gave then; version 1 has none.
    fn decrypt(
        &mut self,
        name: &str,
        guarded: &[u8],
        key_id: &str,
        annotations: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Vec<u8>, String>;

    /// Version 2: the seed of the keys that are being written, which the API server keeps until the plugin's key changes.
    fn seed(&mut self, name: &str) -> Result<Seed, String>;
}

/// What keys of values are derived from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seed {
    pub secret: Vec<u8>,
    /// As the plugin guards it.
    pub guarded: Vec<u8>,
    pub key_id: String,
    pub annotations: BTreeMap<String, Vec<u8>>,
}

/// The bytes of a key: AES-256.
const KEY: usize = 32;
/// What tells the keys of one seed apart.
const INFO: usize = 32;
const GUARDED_MAX: usize = 1023;
const KEY_ID_MAX: usize = 1023;
/// The kinds of `encryptedDEKSource`.
const PLAIN_KEY: i32 = 0;
const HKDF_SEED: i32 = 1;

/// `EncryptedObject`, the value of version 2.
#[derive(Clone, PartialEq, Message)]
struct EncryptedObject {
    #[prost(bytes = "vec", tag = "1")]
    encrypted_data: Vec<u8>,
    #[prost(string, tag = "2")]
    key_id: String,
    #[prost(bytes = "vec", tag = "3")]
    guarded: Vec<u8>,
    #[prost(btree_map = "string, bytes", tag = "4")]
    annotations: BTreeMap<String, Vec<u8>>,
    #[prost(int32, tag = "5")]
    kind: i32,
}

pub(super) fn write_v1(
    name: &str,
    plain: &[u8],
    key: &[u8],
    kms: &mut dyn Kms,
    entropy: Entropy,
) -> Result<Vec<u8>, String> {
    let mut secret = [0; KEY];
    entropy(&mut secret);
    let guarded = kms.encrypt(name, &secret)?;
    let length = u16::try_from(guarded.len()).map_err(|_| "the guarded key is longer than 65535 bytes")?;
    let sealed = Cipher::AesGcm.encrypt(&secret, plain, key, entropy)?;
    Ok([&length.to_be_bytes()[..], &guarded, &sealed].concat())
}

pub(super) fn read_v1(name: &str, rest: &[u8], key: &[u8], kms: &mut dyn Kms) -> Result<Plain, String> {
    let invalid = "invalid data encountered by envelope transformer: failed to read uint16 length prefixed data";
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(invalid)?;
    let (guarded, sealed) = rest.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(invalid)?;
    let secret = kms.decrypt(name, guarded, "", &BTreeMap::new())?;
    // Before 1.25 the cipher was another; such a value is to be rewritten.
    match ciphers::gcm_decrypt(&secret, sealed, key) {
        Ok(value) => Ok(Plain { value, is_stale: false }),
        Err(error) => {
            let value = ciphers::cbc_decrypt(&secret, sealed).map_err(|_| error)?;
            Ok(Plain { value, is_stale: true })
        }
    }
}

pub(super) fn write_v2(
    name: &str,
    plain: &[u8],
    key: &[u8],
    kms: &mut dyn Kms,
    entropy: Entropy,
) -> Result<Vec<u8>, String> {
    let seed = kms.seed(name)?;
    let mut info = [0; INFO];
    entropy(&mut info);
    let sealed = Cipher::AesGcm.encrypt(&derive(&seed.secret, &info)?, plain, key, entropy)?;
    let object = EncryptedObject {
        encrypted_data: [&info[..], &sealed].concat(),
        key_id: seed.key_id,
        guarded: seed.guarded,
        annotations: seed.annotations,
        kind: HKDF_SEED,
    };
    object.validate()?;
    Ok(object.encode_to_vec())
}

pub(super) fn read_v2(name: &str, rest: &[u8], key: &[u8], kms: &mut dyn Kms) -> Result<Plain, String> {
    let object = EncryptedObject::decode(rest).map_err(|error| error.to_string())?;
    object.validate()?;
    let secret = kms.decrypt(name, &object.guarded, &object.key_id, &object.annotations);
    let secret = secret.map_err(|error| format!("failed to decrypt DEK, error: {error}"))?;
    let value = if object.kind == HKDF_SEED {
        let (info, sealed) =
            object.encrypted_data.split_at_checked(INFO).ok_or("the stored data was shorter than the required size")?;
        ciphers::gcm_decrypt(&derive(&secret, info)?, sealed, key)?
    } else {
        ciphers::gcm_decrypt(&secret, &object.encrypted_data, key)?
    };
    let is_stale = object.kind != HKDF_SEED || kms.seed(name).is_ok_and(|seed| seed.key_id != object.key_id);
    Ok(Plain { value, is_stale })
}

/// HKDF without its first half: the seed is random enough.
fn derive(seed: &[u8], info: &[u8]) -> Result<[u8; KEY], String> {
    let mut key = [0; KEY];
    let hkdf = Hkdf::<Sha256>::from_prk(seed).map_err(|_| "the seed is shorter than 32 bytes")?;
    hkdf.expand(info, &mut key).map_err(|error| error.to_string())?;
    Ok(key)
}

impl EncryptedObject {
    fn validate(&self) -> Result<(), String> {
        if ![PLAIN_KEY, HKDF_SEED].contains(&self.kind) {
            return Err(format!("unknown encryptedDEKSourceType: {}", self.kind));
        }
        if self.encrypted_data.is_empty() {
            return Err("encrypted data is empty".to_owned());
        }
        let too_long =
            |what: &str, length, max| Err(format!("{what} is {length} bytes, which exceeds the max size of {max}"));
        match (self.guarded.len(), self.key_id.len()) {
            (0, _) => Err("failed to validate encrypted DEK source: encrypted DEK source is empty".to_owned()),
            (length, _) if length > GUARDED_MAX => {
                too_long("failed to validate encrypted DEK source: encrypted DEK source", length, GUARDED_MAX)
            }
            (_, 0) => Err("failed to validate key id: keyID is empty".to_owned()),
            (_, length) if length > KEY_ID_MAX => too_long("failed to validate key id: keyID", length, KEY_ID_MAX),
            _ => Ok(()),
        }
    }
}
