//! A resource as it is served, whether it was built in or came with a definition: what it is called, how its bodies are
//! read, how its values lie in etcd, and what its kind makes of writes.

use super::super::codec::{self, Body, MediaType};
use super::super::meta::status::{Qualified, Status};
use super::super::registry::{self, Resource};
use super::super::schema::{MessageId, Schema};
use super::super::{conversion, defaults, json, validation};
use super::discovery;
use super::openapi::CustomKind;
use super::tables::{self, Include};
use super::{Time, User, custom_tables, field_selectors, strategy};
use crate::k8s::custom::{self, Version};
use crate::k8s::managed::{self, Set, Types};
use crate::k8s::meta::fields;
use crate::k8s::yaml;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The `openAPIV3Schema` of a version.
fn schema_of(custom: &Custom) -> Option<&Value> {
    Version::of(&custom.definition, &custom.version).and_then(|version| version.schema())
}

/// A resource in one of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    BuiltIn(&'static Resource),
    Custom(Arc<Custom>),
}

/// A version of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custom {
    pub definition: Arc<Value>,
    pub group: String,
    pub version: String,
    pub plural: String,
    pub kind: String,
    prefix: String,
    stored_version: String,
    is_namespaced: bool,
    pub has_status: bool,
    pub has_scale: bool,
    /// Paths that field selectors may name, such as `.spec.color`.
    selectable: Vec<String>,
}

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const SUBRESOURCE_VERBS: [&str; 3] = ["get", "patch", "update"];

impl Custom {
    fn of(definition: &Arc<Value>, version: &Version) -> Custom {
        let spec = &definition["spec"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
        Custom {
            definition: definition.clone(),
            prefix: format!("{group}/{plural}"),
            version: version.name().to_owned(),
            kind: version.kind().to_owned(),
            stored_version: Version::stored(definition).map_or_else(String::new, |stored| stored.name().to_owned()),
            is_namespaced: version.is_namespaced(),
            has_status: version.has_status(),
            has_scale: version.scale().is_some(),
            selectable: version.selectable_fields(),
            group,
            plural,
        }
    }

    fn schema(&self) -> Version<'_> {
        Version::of(&self.definition, &self.version).expect("an endpoint is made of a version of its definition")
    }

    /// As discovery tells of it.
    pub fn discovered(&self) -> discovery::Custom {
        let names = &self.definition["spec"]["names"];
        let text = |name: &str| names[name].as_str().unwrap_or_default().to_owned();
        let texts = |name: &str| -> Vec<String> {
            let list = names[name].as_array();
            list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        discovery::Custom {
            group: self.group.clone(),
            version: self.version.clone(),
            plural: self.plural.clone(),
            singular: text("singular"),
            kind: self.kind.clone(),
            short_names: texts("shortNames"),
            categories: texts("categories"),
            is_namespaced: self.is_namespaced,
            storage_version: self.stored_version.clone(),
            has_status: self.has_status,
            has_scale: self.has_scale,
            is_terminating: super::metadata::is_being_deleted(&self.definition),
        }
    }

    /// As OpenAPI documents tell of it.
    pub fn described(&self) -> CustomKind {
        let list_kind = self.definition["spec"]["names"]["listKind"].as_str();
        CustomKind {
            plural: self.plural.clone(),
            kind: self.kind.clone(),
            list_kind: list_kind.map_or_else(|| format!("{}List", self.kind), str::to_owned),
            is_namespaced: self.is_namespaced,
            schema: schema_of(self).cloned().unwrap_or_default(),
            has_status: self.has_status,
            has_scale: self.has_scale,
        }
    }
}

impl Endpoint {
    /// A built-in one.
    pub fn built_in(group: &str, version: &str, plural: &str) -> Option<Endpoint> {
        registry::find(group, version, plural).map(Endpoint::BuiltIn)
    }

    /// All built-in ones that hold objects, one for each place in etcd, as the version that it is stored in.
    pub fn stored() -> Vec<Endpoint> {
        let mut stored: Vec<Endpoint> = Vec::new();
        for resource in registry::resources().iter().filter(|resource| resource.is_stored()) {
            match stored.iter_mut().find(|known| known.prefix() == resource.prefix()) {
                None => stored.push(Endpoint::BuiltIn(resource)),
                Some(known) if resource.api_version() == resource.stored_api_version() => {
                    *known = Endpoint::BuiltIn(resource);
                }
                Some(_) => {}
            }
        }
        stored
    }

    /// The one whose objects the caches of a group's built-in resource hold.
    pub fn stored_as(group: &str, plural: &str) -> Option<Endpoint> {
        let mut known =
            registry::resources().iter().filter(|resource| resource.group == group && resource.name == plural);
        known.find(|resource| resource.is_stored()).map(Endpoint::BuiltIn)
    }

    /// What a definition serves.
    pub fn of_definition(definition: &Arc<Value>) -> Vec<Endpoint> {
        Version::served(definition).map(|version| Endpoint::Custom(Custom::of(definition, &version).into())).collect()
    }

    /// What the cache of a definition's objects holds: the version that they are stored in, served or not.
    pub fn stored_by_definition(definition: &Arc<Value>) -> Option<Endpoint> {
        let stored = Version::stored(definition)?;
        Some(Endpoint::Custom(Custom::of(definition, &stored).into()))
    }

    pub fn group(&self) -> &str {
        match self {
            Endpoint::BuiltIn(resource) => resource.group,
            Endpoint::Custom(custom) => &custom.group,
        }
    }

    pub fn version(&self) -> &str {
        match self {
            Endpoint::BuiltIn(resource) => resource.version,
            Endpoint::Custom(custom) => &custom.version,
        }
    }

    pub fn plural(&self) -> &str {
        match self {
            Endpoint::BuiltIn(resource) => resource.name,
            Endpoint::Custom(custom) => &custom.plural,
        }
    }

    pub fn kind(&self) -> &str {
        match self {
            Endpoint::BuiltIn(resource) => resource.kind,
            Endpoint::Custom(custom) => &custom.kind,
        }
    }

    pub fn api_version(&self) -> String {
        match self {
            Endpoint::BuiltIn(resource) => resource.api_version(),
            Endpoint::Custom(custom) => format!("{}/{}", custom.group, custom.version),
        }
    }

    pub fn is_namespaced(&self) -> bool {
        match self {
            Endpoint::BuiltIn(resource) => resource.is_namespaced,
            Endpoint::Custom(custom) => custom.is_namespaced,
        }
    }

    /// Below the registry: what caches are named by.
    pub fn prefix(&self) -> &str {
        match self {
            Endpoint::BuiltIn(resource) => resource.prefix(),
            Endpoint::Custom(custom) => &custom.prefix,
        }
    }

    /// As refusals call it: `deployments.apps`.
    pub fn resource(&self) -> Qualified<'_> {
        Qualified { name: self.plural(), group: self.group() }
    }

    /// `Deployment.apps`
    pub fn qualified_kind(&self) -> Qualified<'_> {
        Qualified { name: self.kind(), group: self.group() }
    }

    /// Empty namespaces are none.
    pub fn key(&self, namespace: &str, name: &str) -> String {
        format!("{}{name}", self.list_prefix(namespace))
    }

    pub fn list_prefix(&self, namespace: &str) -> String {
        let below = if self.is_namespaced() && !namespace.is_empty() { format!("{namespace}/") } else { String::new() };
        format!("{}{}/{below}", registry::PREFIX, self.prefix())
    }

    /// The type of a built-in kind.
    pub fn message(&self) -> Option<MessageId> {
        match self {
            Endpoint::BuiltIn(_) => Schema::kubernetes().kind(&self.api_version(), self.kind()),
            Endpoint::Custom(_) => None,
        }
    }

    // Notations.

    /// Reads the body of a request, defaults filled in.
    pub fn read(&self, media: MediaType, bytes: &[u8]) -> Result<Body, Status> {
        match self {
            Endpoint::BuiltIn(resource) => {
                let body = codec::decode_body(Schema::kubernetes(), resource, media, bytes)?;
                let object = self.fill(body.object).map_err(Status::bad_request)?;
                Ok(Body { object, ..body })
            }
            Endpoint::Custom(_) => self.read_custom(media, bytes),
        }
    }

    fn read_custom(&self, media: MediaType, bytes: &[u8]) -> Result<Body, Status> {
        let unreadable = |error: String| {
            let (kind, version) = (self.kind(), self.version());
            Status::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {error}"))
        };
        let (value, mut problems) = match media {
            MediaType::Json => {
                let document = json::parse(bytes).map_err(|error| unreadable(error.message))?;
                let twice = document.duplicates.iter().map(|path| format!("duplicate field {path:?}"));
                (document.value, twice.collect::<Vec<String>>())
            }
            MediaType::Yaml => {
                let text = String::from_utf8_lossy(bytes);
                let document = yaml::parse(&text).map_err(|error| unreadable(error.to_string()))?;
                (document.value, Vec::new())
            }
            MediaType::Protobuf => return Err(Status::unsupported_media_type("custom resources are not in Protobuf")),
        };
        let (object, unknown) = self.typed(value)?;
        problems.extend(unknown.iter().map(|path| format!("unknown field {path:?}")));
        Ok(Body { object, problems })
    }

    /// A value in the form of the kind, and the fields that the kind lacks.
    pub fn typed(&self, value: Value) -> Result<(Value, Vec<String>), Status> {
        let settled = match self {
            Endpoint::BuiltIn(_) => self.decode_typed(value),
            Endpoint::Custom(custom) => {
                let mut value = value;
                if !value.is_object() {
                    return Err(Status::bad_request("the body is no object"));
                }
                custom.schema().settle(Schema::kubernetes(), &mut value).map(|unknown| (value, unknown))
            }
        };
        settled.map_err(Status::bad_request)
    }

    fn decode_typed(&self, value: Value) -> Result<(Value, Vec<String>), String> {
        let message = self.message().ok_or("the kind has no type")?;
        let decoded = crate::k8s::typed::decode(Schema::kubernetes(), message, value)?;
        Ok((decoded.value, decoded.unknown))
    }

    /// Fills in defaults, and brings an object into the form of its kind.
    pub fn fill(&self, object: Value) -> Result<Value, String> {
        match (self, self.message()) {
            (Endpoint::Custom(custom), _) => {
                let mut object = object;
                custom.schema().settle(Schema::kubernetes(), &mut object)?;
                Ok(object)
            }
            (_, Some(message)) => defaults::apply(Schema::kubernetes(), message, object),
            (_, None) => Err("the kind has no type".to_owned()),
        }
    }

    pub fn encode(&self, object: &Value) -> Result<Vec<u8>, String> {
        match self {
            Endpoint::BuiltIn(resource) => codec::encode_stored(Schema::kubernetes(), resource, object),
            Endpoint::Custom(custom) => {
                let mut object = object.clone();
                object["apiVersion"] = format!("{}/{}", custom.group, custom.stored_version).into();
                Ok(codec::encode_stored_custom(&object))
            }
        }
    }

    /// A value of etcd, defaults filled in.
    pub fn decode(&self, bytes: &[u8], revision: i64) -> Result<Value, String> {
        match self {
            Endpoint::BuiltIn(resource) => {
                self.fill(codec::decode_stored(Schema::kubernetes(), resource, bytes, revision)?)
            }
            Endpoint::Custom(_) => self.convert(codec::decode_stored_custom(bytes, revision)?),
        }
    }

    /// An object of this place in etcd that was read as another version.
    pub fn convert(&self, object: Value) -> Result<Value, String> {
        match self {
            Endpoint::BuiltIn(_) if object["apiVersion"].as_str() == Some(&self.api_version()) => Ok(object),
            Endpoint::BuiltIn(_) => self.fill(conversion::convert(Schema::kubernetes(), object, &self.api_version())?),
            Endpoint::Custom(custom) => {
                let mut object = object;
                custom.schema().convert(&mut object);
                self.fill(object)
            }
        }
    }

    /// What is refused of a body, if strictness was asked for.
    pub fn strict_error(&self, body: &Body) -> Option<Status> {
        match self {
            Endpoint::BuiltIn(resource) => codec::strict_error(resource, body),
            Endpoint::Custom(custom) => {
                let (kind, version, problems) = (&custom.kind, &custom.version, body.problems.join(", "));
                let why = format!("strict decoding error: {problems}");
                let message = format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}");
                (!body.problems.is_empty()).then(|| Status::bad_request(message))
            }
        }
    }

    /// An object that holds nothing but these metadata.
    pub fn empty(&self, metadata: Value) -> Value {
        let object = json!({"kind": self.kind(), "apiVersion": self.api_version(), "metadata": metadata});
        match self {
            Endpoint::BuiltIn(_) => self.decode_typed(object.clone()).map_or(object, |(value, _)| value),
            Endpoint::Custom(_) => object,
        }
    }

    /// What the text of each built-in object begins with. Custom resources have their keys in any order.
    pub fn head(&self) -> Option<String> {
        let head = || format!("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",", self.kind(), self.api_version());
        matches!(self, Endpoint::BuiltIn(_)).then(head)
    }

    /// A list, or an object, as a table.
    pub fn table(&self, body: &Value, include: Include, now: Time) -> Value {
        match self {
            Endpoint::BuiltIn(_) => tables::of(self.kind(), body, include, "v1", now),
            Endpoint::Custom(custom) => custom_tables::of(&custom.schema(), body, include, now),
        }
    }

    // What its kind makes of writes.

    pub fn prepare_for_create(&self, object: &mut Value, user: &User) {
        match self {
            Endpoint::BuiltIn(resource) => {
                strategy::prepare_for_create(resource, object);
                strategy::identify(resource, object, user);
                if self.is_definition() {
                    custom::prepare_create(object);
                }
            }
            Endpoint::Custom(custom) => custom.schema().prepare_create(object),
        }
    }

    pub fn prepare_for_update(&self, subresource: &str, object: &mut Value, old: &Value) {
        match self {
            Endpoint::BuiltIn(resource) => strategy::prepare_for_update(resource, subresource, object, old),
            Endpoint::Custom(custom) => {
                strategy::keep_system_metadata(object, old);
                match subresource {
                    "status" => custom.schema().prepare_status(object, old),
                    _ => custom.schema().prepare_update(object, old),
                }
            }
        }
    }

    /// Moments that a write is to tell and its client did not.
    pub fn stamp(&self, object: &mut Value, old: &Value, now: Time) {
        if let Endpoint::BuiltIn(resource) = self {
            strategy::stamp_conditions(resource, object, old, now);
            strategy::stamp_phase(resource, object, old, now);
        }
    }

    pub fn allows_create_on_update(&self) -> bool {
        matches!(self, Endpoint::BuiltIn(resource) if strategy::allows_create_on_update(resource))
    }

    pub fn allows_unconditional_update(&self) -> bool {
        matches!(self, Endpoint::BuiltIn(resource) if strategy::allows_unconditional_update(resource))
    }

    pub fn grace_period(&self, object: &Value, asked: Option<i64>) -> Option<i64> {
        match self {
            Endpoint::BuiltIn(resource) => strategy::grace_period(resource, object, asked),
            Endpoint::Custom(_) => None,
        }
    }

    /// What is wrong with an object that is new, or that is to take the place of another.
    pub fn validate(&self, subresource: &str, object: &Value, old: Option<&Value>) -> Result<(), Status> {
        let errors = match (self, old) {
            (Endpoint::BuiltIn(resource), None) => validation::create(resource, object),
            (Endpoint::BuiltIn(resource), Some(old)) => validation::update_by(resource, subresource, object, old),
            (Endpoint::Custom(custom), None) => custom.schema().check(object),
            (Endpoint::Custom(custom), Some(old)) if subresource == "status" => {
                custom.schema().check_status_update(object, old)
            }
            (Endpoint::Custom(custom), Some(old)) => custom.schema().check_update(object, old),
        };
        if errors.is_empty() {
            return Ok(());
        }
        Err(Status::invalid(self.qualified_kind(), super::metadata::text(object, "name"), &errors))
    }

    /// A field selector as this kind understands it.
    pub fn convert_fields(&self, selector: fields::Selector) -> Result<fields::Selector, Status> {
        match self {
            Endpoint::BuiltIn(resource) => field_selectors::convert(resource, selector),
            Endpoint::Custom(custom) => {
                field_selectors::convert_custom(custom.is_namespaced, &custom.selectable, selector)
            }
        }
    }

    /// What field selectors look at.
    pub fn fields(&self, object: &Value) -> BTreeMap<String, String> {
        match self {
            Endpoint::BuiltIn(resource) => field_selectors::of(resource, object),
            Endpoint::Custom(custom) => field_selectors::of_custom(custom.is_namespaced, &custom.selectable, object),
        }
    }

    pub fn verbs(&self) -> &[&'static str] {
        match self {
            Endpoint::BuiltIn(resource) => &resource.verbs,
            Endpoint::Custom(_) => &VERBS,
        }
    }

    /// The verbs of a subresource, if there is one of that name.
    pub fn subresource_verbs(&self, name: &str) -> Option<&[&'static str]> {
        match self {
            Endpoint::BuiltIn(resource) => {
                let found = resource.subresources.iter().find(|subresource| subresource.name == name)?;
                Some(&found.verbs)
            }
            Endpoint::Custom(custom) => {
                let has = (name == "status" && custom.has_status) || (name == "scale" && custom.has_scale);
                has.then_some(&SUBRESOURCE_VERBS)
            }
        }
    }

    /// The types by which server-side apply merges, and tells who owns what.
    pub fn types(&self) -> Types<'_> {
        match (self, self.message()) {
            (Endpoint::Custom(custom), _) => Types::custom(Schema::kubernetes(), schema_of(custom)),
            (_, Some(message)) => Types::kind(Schema::kubernetes(), message),
            (_, None) => Types::custom(Schema::kubernetes(), None),
        }
    }

    /// What a write through a subresource does not set, whatever it says.
    pub fn resets(&self, subresource: &str) -> Set {
        match self {
            Endpoint::BuiltIn(resource) => managed::resets(resource.group, resource.name, subresource),
            Endpoint::Custom(custom) => managed::custom_resets(custom.has_status, subresource),
        }
    }

    /// Whether a deletion is answered with what was deleted. Upstream: `ReturnDeletedObject`.
    pub fn returns_deleted(&self) -> bool {
        matches!(self, Endpoint::BuiltIn(resource) if strategy::returns_deleted_object(resource))
    }

    /// Whether dependents of what is deleted stay if the request does not say.
    pub fn orphans_by_default(&self) -> bool {
        matches!(self, Endpoint::BuiltIn(resource) if strategy::orphans_by_default(resource))
    }

    pub fn is_namespace(&self) -> bool {
        self.group().is_empty() && self.plural() == "namespaces"
    }

    pub fn is_definition(&self) -> bool {
        self.group() == "apiextensions.k8s.io" && self.plural() == "customresourcedefinitions"
    }

    pub fn is_custom(&self) -> bool {
        matches!(self, Endpoint::Custom(_))
    }
}
