//! The entries of `metadata.managedFields`: who owns what, since when.
//!
//! Upstream: `k8s.io/apimachinery/pkg/util/managedfields/internal/{managedfields,capmanagers,buildmanagerinfo}.go`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::set::Set;
use crate::k8s::json;
use crate::k8s::meta::status::quote;
use crate::k8s::meta::time::{Precision, Time};

/// Managers that update; older ones are put together beyond that.
const UPDATERS_MAX: usize = 10;
const ANCIENT: &str = "ancient-changes";
/// Bytes of a manager's name.
const NAME_MAX: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Apply,
    Update,
}

/// What one manager owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub manager: String,
    pub operation: Operation,
    pub api_version: String,
    pub subresource: String,
    pub time: Option<Time>,
    pub fields: Set,
}

/// Entries by their identities.
pub type Managers = BTreeMap<String, Entry>;

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        }
    }
}

impl Entry {
    /// What an entry is known by: one that applies is the same in all versions.
    pub fn identity(&self) -> String {
        let mut known = Map::new();
        let version = if self.operation == Operation::Apply { "" } else { &self.api_version };
        let parts = [
            ("manager", &self.manager[..]),
            ("operation", self.operation.name()),
            ("apiVersion", version),
            ("subresource", &self.subresource),
        ];
        let parts = parts.into_iter().filter(|(_, text)| !text.is_empty());
        known.extend(parts.map(|(name, text)| (name.to_owned(), text.into())));
        json::to_string(&Value::Object(known))
    }

    /// As conflicts name it.
    pub fn show(&self) -> String {
        let mut text = quote(&self.manager);
        if !self.subresource.is_empty() {
            text += &format!(" with subresource {}", quote(&self.subresource));
        }
        if self.operation == Operation::Update {
            text += &format!(" using {}", self.api_version);
        }
        text
    }

    fn encode(&self) -> Value {
        let mut entry = Map::new();
        if !self.manager.is_empty() {
            entry.insert("manager".to_owned(), self.manager[..].into());
        }
        entry.insert("operation".to_owned(), self.operation.name().into());
        entry.insert("apiVersion".to_owned(), self.api_version[..].into());
        if let Some(time) = self.time {
            entry.insert("time".to_owned(), time.format(Precision::Seconds).into());
        }
        entry.insert("fieldsType".to_owned(), "FieldsV1".into());
        entry.insert("fieldsV1".to_owned(), self.fields.to_fields());
        if !self.subresource.is_empty() {
            entry.insert("subresource".to_owned(), self.subresource[..].into());
        }
        Value::Object(entry)
    }

    fn decode(place: usize, entry: &Value) -> Result<Entry, String> {
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let operation = match entry["operation"].as_str() {
            Some("Apply") => Operation::Apply,
            Some("Update") => Operation::Update,
            _ => return Err("operation must be `Apply` or `Update`".to_owned()),
        };
        if text("apiVersion").is_empty() {
            return Err("apiVersion must not be empty".to_owned());
        }
        match &text("fieldsType")[..] {
            "FieldsV1" => {}
            "" => return Err(format!("missing fieldsType in managed fields entry {place}")),
            other => return Err(format!("invalid fieldsType {} in managed fields entry {place}", quote(other))),
        }
        let fields = Set::from_fields(&entry["fieldsV1"]).map_err(|error| {
            format!("error decoding versioned set from {}: {error}", crate::k8s::patch::show(entry))
        })?;
        let time = entry["time"].as_str().and_then(|text| Time::parse(text, Precision::Seconds).ok());
        Ok(Entry {
            manager: text("manager"),
            operation,
            api_version: text("apiVersion"),
            subresource: text("subresource"),
            time,
            fields,
        })
    }
}

/// What an object says of its managers; nothing is fine.
pub fn decode(object: &Value) -> Result<Managers, String> {
    let entries = object["metadata"]["managedFields"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut managers = Managers::new();
    for (place, entry) in entries.iter().enumerate() {
        let entry = Entry::decode(place, entry)?;
        managers.insert(entry.identity(), entry);
    }
    Ok(managers)
}

/// Writes the managers into an object: those that apply first, then by time.
pub fn encode(object: &mut Value, managers: Managers) {
    forget(object);
    if managers.is_empty() {
        return;
    }
    let mut entries: Vec<Entry> = managers.into_values().collect();
    let order = |entry: &Entry| {
        let seconds = entry.time.map_or(0, |time| time.seconds);
        let names = [&entry.manager, &entry.api_version, &entry.subresource].map(String::clone);
        (entry.operation, seconds, names)
    };
    entries.sort_by_key(order);
    let entries: Vec<Value> = entries.iter().map(Entry::encode).collect();
    let Value::Object(fields) = object else { return };
    let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
    if let Value::Object(metadata) = metadata {
        metadata.insert("managedFields".to_owned(), entries.into());
    }
}

/// Takes the managers out of an object.
pub fn forget(object: &mut Value) {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.shift_remove("managedFields");
    }
}

/// Whether an update clears all managers: by a list with one empty entry.
pub fn is_reset(object: &Value) -> bool {
    let entries = object["metadata"]["managedFields"].as_array();
    entries.is_some_and(|entries| matches!(&entries[..], [Value::Object(entry)] if entry.is_empty()))
}

/// Puts the oldest updaters of a version into one entry, until there are few enough.
pub fn cap(managers: &mut Managers) {
    let mut updaters: Vec<(i64, String)> = managers
        .iter()
        .filter(|(_, entry)| entry.operation == Operation::Update)
        .map(|(identity, entry)| (entry.time.map_or(0, |time| time.seconds), identity.clone()))
        .collect();
    updaters.sort();
    let mut count = updaters.len();
    let mut first_of: BTreeMap<String, String> = BTreeMap::new();
    for (_, identity) in updaters {
        if count <= UPDATERS_MAX {
            break;
        }
        let Some(entry) = managers.get(&identity).cloned() else { continue };
        let Some(first) = first_of.get(&entry.api_version) else {
            first_of.insert(entry.api_version, identity);
            continue;
        };
        let ancient = Entry { manager: ANCIENT.to_owned(), subresource: String::new(), ..entry.clone() };
        let bucket = ancient.identity();
        if !managers.contains_key(&bucket)
            && let Some(first) = managers.remove(first)
        {
            managers.insert(bucket.clone(), Entry { fields: first.fields, ..ancient.clone() });
        }
        if let Some(known) = managers.get_mut(&bucket) {
            known.fields = known.fields.union(&entry.fields);
            known.time = entry.time;
        }
        managers.remove(&identity);
        count -= 1;
    }
}

/// A manager's name for a client that gives none: what its user agent begins with.
pub fn name_of_agent(agent: &str) -> String {
    let mut name = String::new();
    for c in agent.split('/').next().unwrap_or_default().chars().filter(|c| !c.is_control()) {
        if name.len() + c.len_utf8() > NAME_MAX {
            break;
        }
        name.push(c);
    }
    name
}
