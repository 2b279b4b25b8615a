//! `EncryptionConfiguration`: which resources are encrypted by what.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Cipher, Key, Provider, Transformer};

/// The file behind `--encryption-provider-config`, read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Configuration {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Entry {
    /// `secrets`, `deployments.apps`, `*.apps`, `*.`, `*.*`
    resources: Vec<String>,
    transformer: Transformer,
}

impl Configuration {
    /// All that is wrong, each with its field.
    pub fn of(object: &Value) -> Result<Configuration, Vec<String>> {
        let mut errors = Vec::new();
        if object["kind"] != "EncryptionConfiguration" || object["apiVersion"] != "apiserver.config.k8s.io/v1" {
            return Err(vec!["expected an EncryptionConfiguration of apiserver.config.k8s.io/v1".to_owned()]);
        }
        let mut entries = Vec::new();
        for (place, entry) in array(&object["resources"]).iter().enumerate() {
            let field = format!("resources[{place}]");
            let resources: Vec<String> = array(&entry["resources"]).iter().map(text).collect();
            if resources.is_empty() {
                errors.push(format!("{field}.resources: Required value: at least one resource must be specified"));
            }
            let providers = array(&entry["providers"]);
            if providers.is_empty() {
                errors.push(format!("{field}.providers: Required value: at least one provider must be specified"));
            }
            let read =
                |(place, value): (usize, &Value)| provider(&format!("{field}.providers[{place}]"), value, &mut errors);
            let providers = providers.iter().enumerate().filter_map(read).collect();
            entries.push(Entry { resources, transformer: Transformer { providers } });
        }
        if errors.is_empty() { Ok(Configuration { entries }) } else { Err(errors) }
    }

    /// The plugins of version 2, which give seeds.
    pub fn plugins(&self) -> impl Iterator<Item = &str> {
        let providers = self.entries.iter().flat_map(|entry| &entry.transformer.providers);
        providers.filter_map(|provider| match provider {
            Provider::KmsV2(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The providers of a resource; nothing for one that is stored as it is.
    pub fn transformer(&self, group: &str, resource: &str) -> Option<&Transformer> {
        let is_meant = |pattern: &String| {
            let (name, of) = pattern.split_once('.').unwrap_or((pattern, ""));
            match (name, of) {
                ("*", "*") => true,
                ("*", of) => of == group,
                _ => (name, of) == (resource, group),
            }
        };
        self.entries.iter().find(|entry| entry.resources.iter().any(is_meant)).map(|entry| &entry.transformer)
    }
}

fn provider(field: &str, value: &Value, errors: &mut Vec<String>) -> Option<Provider> {
    let named = value.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()).collect::<Vec<_>>();
    let [(name, settings)] = named[..] else {
        let problem = if named.is_empty() {
            "provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity"
        } else {
            "more than one provider specified in a single element, should split into different list elements"
        };
        errors.push(format!("{field}: Invalid value: {problem}"));
        return None;
    };
    let mut keyed =
        |cipher| Provider::Keyed(cipher, keys(&format!("{field}.{name}.keys"), cipher, &settings["keys"], errors));
    match &name[..] {
        "identity" => Some(Provider::Identity),
        "aescbc" => Some(keyed(Cipher::AesCbc)),
        "aesgcm" => Some(keyed(Cipher::AesGcm)),
        "secretbox" => Some(keyed(Cipher::Secretbox)),
        "kms" => {
            let name = text(&settings["name"]);
            if name.is_empty() {
                errors.push(format!("{field}.kms.name: Required value: name cannot be empty"));
            }
            Some(if settings["apiVersion"] == "v2" { Provider::KmsV2(name) } else { Provider::KmsV1(name) })
        }
        _ => {
            errors.push(format!("{field}: Invalid value: unknown provider {name:?}"));
            None
        }
    }
}

fn keys(field: &str, cipher: Cipher, value: &Value, errors: &mut Vec<String>) -> Vec<Key> {
    let lengths = cipher.key_lengths();
    let mut keys: Vec<Key> = Vec::new();
    for (place, key) in array(value).iter().enumerate() {
        let name = text(&key["name"]);
        if name.is_empty() {
            errors.push(format!("{field}[{place}].name: Required value: key name must not be empty"));
        }
        if name.contains(':') {
            errors.push(format!("{field}[{place}].name: Invalid value: {name:?}: key name must not contain a colon"));
        }
        let secret = text(&key["secret"]);
        match STANDARD.decode(&secret) {
            _ if secret.is_empty() => {
                errors.push(format!("{field}[{place}].secret: Required value: secret must not be empty"))
            }
            Err(_) => errors
                .push(format!(r#"{field}[{place}].secret: Invalid value: "REDACTED": secrets must be base64 encoded"#)),
            Ok(secret) if !lengths.contains(&secret.len()) => {
                let expected: Vec<String> = lengths.iter().map(usize::to_string).collect();
                let problem = format!(
                    "secret is not of the expected length, got {}, expected one of [{}]",
                    secret.len(),
                    expected.join(" ")
                );
                errors.push(format!(r#"{field}[{place}].secret: Invalid value: "REDACTED": {problem}"#));
            }
            Ok(secret) => keys.push(Key { name, secret }),
        }
    }
    if array(value).is_empty() {
        errors.push(format!("{field}: Required value: at least one key must be specified"));
    }
    keys
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
