//! Values of others open; ours open again; what was tampered with does not.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::kms::{Kms, Seed};
use super::*;

const VECTORS: &str = include_str!("../../../tests/testdata/k8s/vectors/encryption-at-rest.json");

/// A plugin that knows what it guards from a list.
struct Plugin {
    guarded: BTreeMap<Vec<u8>, Vec<u8>>,
    key_id: String,
}

impl Plugin {
    fn none() -> Plugin {
        Plugin { guarded: BTreeMap::new(), key_id: "k1".to_owned() }
    }
}

impl Kms for Plugin {
    fn encrypt(&mut self, _: &str, key: &[u8]) -> Result<Vec<u8>, String> {
        let guarded = format!("guarded-{}", self.guarded.len()).into_bytes();
        self.guarded.insert(guarded.clone(), key.to_vec());
        Ok(guarded)
    }

    fn decrypt(&mut self, _: &str, guarded: &[u8], _: &str, _: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, String> {
        self.guarded.get(guarded).cloned().ok_or("unknown key".to_owned())
    }

    fn seed(&mut self, _: &str) -> Result<Seed, String> {
        let secret = vec![7; 32];
        let guarded = self.encrypt("", &secret)?;
        Ok(Seed {
            secret,
            guarded,
            key_id: self.key_id.clone(),
            annotations: BTreeMap::from([("a.b".to_owned(), vec![1])]),
        })
    }
}

fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn unbase64(text: &Value) -> Vec<u8> {
    STANDARD.decode(text.as_str().unwrap()).unwrap()
}

/// The provider and plugin of a vector.
fn provider(case: &Value) -> (Provider, Plugin) {
    let name = |field: &str| case[field].as_str().unwrap().to_owned();
    let keyed =
        |cipher| Provider::Keyed(cipher, vec![Key { name: name("keyName"), secret: unbase64(&case["keyBase64"]) }]);
    let plugin = |guarded: &str, secret: &str| {
        let guarded = BTreeMap::from([(name(guarded).into_bytes(), unbase64(&case[secret]))]);
        Plugin { guarded, ..Plugin::none() }
    };
    match case["provider"].as_str().unwrap() {
        "identity" => (Provider::Identity, Plugin::none()),
        "aescbc" => (keyed(Cipher::AesCbc), Plugin::none()),
        "aesgcm" => (keyed(Cipher::AesGcm), Plugin::none()),
        "secretbox" => (keyed(Cipher::Secretbox), Plugin::none()),
        kms if kms.starts_with("kms-v1") => (Provider::KmsV1(name("kmsName")), plugin("encryptedDEK", "dekBase64")),
        _ => (Provider::KmsV2(name("kmsName")), plugin("encryptedDEKSource", "dekOrSeedBase64")),
    }
}

#[test]
fn vectors_open() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    for case in vectors["cases"].as_array().unwrap() {
        let (provider, mut plugin) = provider(case);
        let is_bound =
            !matches!(&provider, Provider::Identity | Provider::Keyed(Cipher::AesCbc | Cipher::Secretbox, _))
                && case["provider"] != "kms-v1-old-cbc";
        let transformer = Transformer { providers: vec![provider] };
        let (key, stored) = (case["etcdKey"].as_str().unwrap(), unhex(&case["storedHex"]));
        let plain = transformer.read(&stored, key, &mut plugin).unwrap();
        assert_eq!(plain.value, unhex(&case["plaintextHex"]), "{}", case["provider"]);
        // Where the key in etcd is authenticated, a copy to another key does not open.
        assert_eq!(transformer.read(&stored, "/registry/secrets/default/other", &mut plugin).is_err(), is_bound);
    }
}

fn keyed(cipher: Cipher, names: &[&str]) -> Provider {
    let key = |name: &&str| Key { name: (*name).to_owned(), secret: vec![name.as_bytes()[0]; 32] };
    Provider::Keyed(cipher, names.iter().map(key).collect())
}

#[test]
fn what_is_written_is_read() {
    let all = [
        Provider::Identity,
        keyed(Cipher::AesCbc, &["a"]),
        keyed(Cipher::AesGcm, &["a"]),
        keyed(Cipher::Secretbox, &["a"]),
        Provider::KmsV1("p".to_owned()),
        Provider::KmsV2("p".to_owned()),
    ];
    for provider in all {
        let transformer = Transformer { providers: vec![provider] };
        let mut plugin = Plugin::none();
        let mut count = 0;
        for length in [0, 1, 15, 16, 17, 1000] {
            let plain = vec![b'x'; length];
            let mut entropy = |bytes: &mut [u8]| {
                count += 1;
                bytes.fill(count);
            };
            let stored = transformer.write(&plain, "/registry/k", &mut plugin, &mut entropy).unwrap();
            let read = transformer.read(&stored, "/registry/k", &mut plugin).unwrap();
            assert_eq!(read, Plain { value: plain, is_stale: false });
            if stored.starts_with(PREFIX.as_bytes()) && !stored.starts_with(b"k8s:enc:aescbc") {
                let mut broken = stored.clone();
                *broken.last_mut().unwrap() ^= 1;
                assert!(transformer.read(&broken, "/registry/k", &mut plugin).is_err());
            }
        }
    }
}

#[test]
fn rotation() {
    let mut plugin = Plugin::none();
    let mut entropy = |bytes: &mut [u8]| bytes.fill(5);
    let old = Transformer { providers: vec![keyed(Cipher::AesCbc, &["old"]), Provider::Identity] };
    let new = Transformer {
        providers: vec![keyed(Cipher::AesGcm, &["new"]), keyed(Cipher::AesCbc, &["second", "old"]), Provider::Identity],
    };
    let stored = old.write(b"{}", "/k", &mut plugin, &mut entropy).unwrap();
    assert!(stored.starts_with(b"k8s:enc:aescbc:v1:old:"));
    assert_eq!(new.read(&stored, "/k", &mut plugin), Ok(Plain { value: b"{}".to_vec(), is_stale: true }));
    // Values from before encryption are read, too, and are stale.
    assert_eq!(new.read(b"{}", "/k", &mut plugin), Ok(Plain { value: b"{}".to_vec(), is_stale: true }));
    let only_new = Transformer { providers: vec![keyed(Cipher::AesGcm, &["new"])] };
    assert_eq!(only_new.read(&stored, "/k", &mut plugin), Err("no matching prefix found".to_owned()));
    let other_key = Transformer { providers: vec![keyed(Cipher::AesCbc, &["new"])] };
    let error = "no matching key was found for the provided AES transformer";
    assert_eq!(other_key.read(&stored, "/k", &mut plugin), Err(error.to_owned()));
    // With identity first, writing is plain, and reading what is encrypted still works.
    let back = Transformer { providers: vec![Provider::Identity, keyed(Cipher::AesCbc, &["old"])] };
    assert_eq!(back.read(&stored, "/k", &mut plugin), Ok(Plain { value: b"{}".to_vec(), is_stale: true }));
}

#[test]
fn a_new_key_of_the_plugin_makes_values_stale() {
    let mut plugin = Plugin::none();
    let mut entropy = |bytes: &mut [u8]| bytes.fill(5);
    let transformer = Transformer { providers: vec![Provider::KmsV2("p".to_owned())] };
    let stored = transformer.write(b"{}", "/k", &mut plugin, &mut entropy).unwrap();
    assert!(!transformer.read(&stored, "/k", &mut plugin).unwrap().is_stale);
    plugin.key_id = "k2".to_owned();
    assert!(transformer.read(&stored, "/k", &mut plugin).unwrap().is_stale);
    assert!(transformer.read(&stored, "/k", &mut Plugin::none()).unwrap_err().contains("failed to decrypt DEK"));
}

#[test]
fn configurations() {
    let read = |text: &str| Configuration::of(&crate::k8s::yaml::parse(text).unwrap().value);
    let head = "kind: EncryptionConfiguration\napiVersion: apiserver.config.k8s.io/v1\n";
    let good = format!(
        "{head}resources:\n- resources: [secrets, '*.apps']\n  providers:\n  - aescbc:\n      keys:\n      - name: key1\n        \
         secret: {}\n  - identity: {{}}\n- resources: ['*.*']\n  providers:\n  - kms: {{apiVersion: v2, name: p, endpoint: x}}\n",
        STANDARD.encode([1; 32]),
    );
    let configuration = read(&good).unwrap();
    assert_eq!(configuration.transformer("", "secrets").unwrap().providers.len(), 2);
    assert_eq!(configuration.transformer("apps", "deployments").unwrap().providers.len(), 2);
    assert_eq!(configuration.transformer("", "pods").unwrap().providers, [Provider::KmsV2("p".to_owned())]);
    let short = format!(
        "{head}resources:\n- resources: [secrets]\n  providers:\n  - secretbox:\n      keys: [{{name: a, secret: eHg=}}]\n"
    );
    let expect = "resources[0].providers[0].secretbox.keys[0].secret: Invalid value: \"REDACTED\": secret is not of the \
        expected length, got 2, expected one of [32]";
    assert_eq!(read(&short), Err(vec![expect.to_owned()]));
}
