//! A simulated plugin of a key management service, for `kms` providers of any name.
//!
//! Simplified: a plugin lies on no machine and never fails. Its keys follow from the world's seed, and the number of
//! rotations is all its state; a key that was rotated away still opens what it guarded.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::kms::{Kms, Seed};
use super::{Cipher, Entropy};

/// What the plugins of a world know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Plugins {
    pub secret: u64,
    /// How often the key of a plugin was rotated.
    pub rotations: BTreeMap<String, u32>,
}

/// What an API server keeps of its plugins: the seeds of keys that it writes with now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seeds(BTreeMap<String, Seed>);

/// The plugins as a server sees them.
pub struct Session<'a> {
    pub plugins: &'a Plugins,
    pub seeds: &'a Seeds,
}

impl Plugins {
    pub fn rotate(&mut self, name: &str) {
        *self.rotations.entry(name.to_owned()).or_default() += 1;
    }

    /// The id of the key that guards now.
    pub fn key_id(&self, name: &str) -> String {
        format!("{name}-key-{}", self.rotations.get(name).map_or(1, |rotations| rotations + 1))
    }

    fn key(&self, key_id: &str) -> [u8; 32] {
        Sha256::new().chain_update(self.secret.to_le_bytes()).chain_update(key_id).finalize().into()
    }

    fn guard(&self, key_id: &str, secret: &[u8]) -> Result<Vec<u8>, String> {
        // What is guarded is random itself, so that its digest serves as a nonce.
        let digest = Sha256::digest(secret);
        let nonce = &mut |bytes: &mut [u8]| bytes.copy_from_slice(&digest[..bytes.len()]);
        Cipher::AesGcm.encrypt(&self.key(key_id), secret, key_id.as_bytes(), nonce)
    }
}

impl Seeds {
    /// Takes a new seed if there is none, or if the plugin's key is another than that which guards it.
    pub fn renew(&mut self, name: &str, plugins: &Plugins, entropy: Entropy) -> Result<(), String> {
        let key_id = plugins.key_id(name);
        if self.0.get(name).is_some_and(|seed| seed.key_id == key_id) {
            return Ok(());
        }
        let mut secret = vec![0; 32];
        entropy(&mut secret);
        let guarded = plugins.guard(&key_id, &secret)?;
        self.0.insert(name.to_owned(), Seed { secret, guarded, key_id, annotations: BTreeMap::new() });
        Ok(())
    }
}

impl Kms for Session<'_> {
    /// With the number of its key before it, since version 1 has no place for one.
    fn encrypt(&mut self, name: &str, key: &[u8]) -> Result<Vec<u8>, String> {
        let key_id = self.plugins.key_id(name);
        Ok([key_id.as_bytes(), b":", &self.plugins.guard(&key_id, key)?].concat())
    }

    fn decrypt(
        &mut self,
        name: &str,
        guarded: &[u8],
        key_id: &str,
        _: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Vec<u8>, String> {
        let (key_id, guarded) = match key_id {
            "" => {
                let end = guarded.iter().position(|byte| *byte == b':').ok_or("the key has no id")?;
                (String::from_utf8_lossy(&guarded[..end]).into_owned(), &guarded[end + 1..])
            }
            key_id => (key_id.to_owned(), guarded),
        };
        if !key_id.starts_with(&format!("{name}-key-")) {
            return Err(format!("the plugin has no key \"{key_id}\""));
        }
        Cipher::AesGcm.decrypt(&self.plugins.key(&key_id), guarded, key_id.as_bytes())
    }

    fn seed(&mut self, name: &str) -> Result<Seed, String> {
        self.seeds.0.get(name).cloned().ok_or_else(|| format!("got no seed from the plugin \"{name}\" yet"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Provider, Transformer};
    use super::*;

    #[test]
    fn what_an_older_key_guards_opens_and_is_stale() {
        let mut count = 0_u8;
        let mut entropy = |bytes: &mut [u8]| {
            count += 1;
            bytes.fill(count);
        };
        let mut plugins = Plugins { secret: 7, ..Plugins::default() };
        let mut seeds = Seeds::default();
        for provider in [Provider::KmsV2("vault".to_owned()), Provider::KmsV1("vault".to_owned())] {
            let is_v2 = matches!(provider, Provider::KmsV2(_));
            let transformer = Transformer { providers: vec![provider] };
            seeds.renew("vault", &plugins, &mut entropy).unwrap();
            let mut session = Session { plugins: &plugins, seeds: &seeds };
            let stored = transformer.write(b"secret", "/k", &mut session, &mut entropy).unwrap();
            let plain = transformer.read(&stored, "/k", &mut session).unwrap();
            assert_eq!((plain.value, plain.is_stale), (b"secret".to_vec(), false));
            assert!(transformer.read(&stored, "/other", &mut session).is_err(), "a value is bound to its key in etcd");
            plugins.rotate("vault");
            seeds.renew("vault", &plugins, &mut entropy).unwrap();
            let mut session = Session { plugins: &plugins, seeds: &seeds };
            let plain = transformer.read(&stored, "/k", &mut session).unwrap();
            assert_eq!((plain.value, plain.is_stale), (b"secret".to_vec(), is_v2));
        }
    }
}
