//! Objects on their way to etcd and back: encoded, and encrypted where the server was told to.

use bytes::Bytes;
use serde_json::Value;

use super::endpoint::Endpoint;
use super::server::ApiServer;
use super::storage::Stored;
use crate::k8s::encryption::plugin::{Plugins, Seeds, Session};
use crate::k8s::encryption::{Configuration, PREFIX, READ_BY_IDENTITY, Transformer};
use crate::k8s::meta::status::Status;
use crate::sim::Prng;

/// What a server knows of the plugins that guard its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Vault {
    pub plugins: Plugins,
    seeds: Seeds,
}

impl ApiServer {
    /// The bytes for etcd.
    pub(super) fn encode(&mut self, endpoint: &Endpoint, key: &str, object: &Value) -> Result<Bytes, Status> {
        let encoded = endpoint.encode(object).map_err(|error| Status::internal(&error))?;
        let config = self.config.clone();
        let Some(transformer) = transformer(&config.flags, endpoint) else { return Ok(encoded.into()) };
        let Vault { plugins, seeds } = &mut self.vault;
        let prng = &mut self.prng;
        let entropy = &mut |bytes: &mut [u8]| fill(prng, bytes);
        let encrypted = transformer.write(&encoded, key, &mut Session { plugins, seeds }, entropy);
        encrypted
            .map(Bytes::from)
            .map_err(|error| Status::internal(&format!("unable to transform key {key:?}: {error}")))
    }

    /// An object of etcd, and whether it is to be written anew.
    pub(super) fn decode(&self, endpoint: &Endpoint, stored: &Stored) -> Result<(Value, bool), Status> {
        let key = String::from_utf8_lossy(&stored.key);
        let unreadable = |error: String| Status::internal(&format!("unable to transform key {key:?}: {error}"));
        let (plain, is_stale) = match transformer(&self.config.flags, endpoint) {
            None if stored.value.starts_with(PREFIX.as_bytes()) => {
                return Err(unreadable(READ_BY_IDENTITY.to_owned()));
            }
            None => (stored.value.clone(), false),
            Some(transformer) => {
                let Vault { plugins, seeds } = &self.vault;
                let plain = transformer.read(&stored.value, &key, &mut Session { plugins, seeds });
                let plain = plain.map_err(unreadable)?;
                (plain.value.into(), plain.is_stale)
            }
        };
        let object = endpoint.decode(&plain, stored.revision);
        let object = object.map_err(|error| Status::internal(&format!("unable to decode {key}: {error}")))?;
        Ok((object, is_stale))
    }

    /// Plugins have other keys from now on. Simplified: upstream asks plugins for their state once a minute.
    pub fn heed_plugins(&mut self, plugins: &Plugins) {
        let Vault { plugins: known, seeds } = &mut self.vault;
        known.clone_from(plugins);
        let prng = &mut self.prng;
        for name in self.config.flags.encryption.iter().flat_map(Configuration::plugins) {
            // Without a seed each write says what is missing.
            seeds.renew(name, plugins, &mut |bytes| fill(prng, bytes)).ok();
        }
    }
}

fn transformer<'a>(flags: &'a super::Flags, endpoint: &Endpoint) -> Option<&'a Transformer> {
    flags.encryption.as_ref()?.transformer(endpoint.group(), endpoint.plural())
}

fn fill(prng: &mut Prng, bytes: &mut [u8]) {
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&prng.next_u64().to_le_bytes()[..chunk.len()]);
    }
}
