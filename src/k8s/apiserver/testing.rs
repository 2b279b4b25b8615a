//! Objects at hand for tests: a cache without a server.

use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::attributes::Lister;
use super::object::{name, namespace, text};
use crate::k8s::registry;
use crate::k8s::yaml;

/// By group, resource, namespace and name.
#[derive(Clone, Default)]
pub struct Objects(BTreeMap<(String, String, String, String), Arc<Value>>);

impl Objects {
    /// Documents of YAML.
    pub fn of(text: &str) -> Objects {
        let mut objects = Objects::default();
        for document in text.split("\n---\n").filter(|document| !document.trim().is_empty()) {
            objects.add(yaml::parse(document).expect("tests hold good YAML").value);
        }
        objects
    }

    pub fn add(&mut self, object: Value) {
        let resource = registry::of_kind(text(&object, "apiVersion"), text(&object, "kind")).expect("a known kind");
        let place = (namespace(&object).to_owned(), name(&object).to_owned());
        let key = (resource.group.to_owned(), resource.name.to_owned(), place.0, place.1);
        self.0.insert(key, Arc::new(object));
    }
}

impl Lister for Objects {
    fn get(&self, group: &str, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let key = (group.to_owned(), resource.to_owned(), namespace.to_owned(), name.to_owned());
        self.0.get(&key).cloned()
    }

    fn list(&self, group: &str, resource: &str, namespace: &str) -> Vec<Arc<Value>> {
        let is_wanted = |(key, _): &(&(String, String, String, String), &Arc<Value>)| {
            key.0 == group && key.1 == resource && (namespace.is_empty() || key.2 == namespace)
        };
        self.0.iter().filter(is_wanted).map(|(_, object)| object.clone()).collect()
    }
}
