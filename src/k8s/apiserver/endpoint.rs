//! A resource as it is served, whether it was built in or came with a definition: what it is called, how its bodies are
//! read, and how its values lie in etcd.

use super::super::codec::{self, Body, MediaType};
use super::super::meta::status::{Qualified, Status};
use super::super::registry::{self, Resource, Subresource};
use super::super::schema::{MessageId, Schema};
use super::super::{conversion, defaults, json, validation};
use super::{User, field_selectors, strategy};
use crate::k8s::managed::{self, Set, Types};
use crate::k8s::meta::fields;
use serde_json::Value;
use std::collections::BTreeMap;

/// A resource in one of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(pub &'static Resource);

impl Endpoint {
    pub fn find(group: &str, version: &str, plural: &str) -> Option<Endpoint> {
        registry::find(group, version, plural).map(Endpoint)
    }

    /// All that hold objects, one for each place in etcd, as the version that it is stored in.
    pub fn stored() -> Vec<Endpoint> {
        let mut stored: Vec<Endpoint> = Vec::new();
        for resource in registry::resources().iter().filter(|resource| resource.is_stored()) {
            match stored.iter_mut().find(|known| known.prefix() == resource.prefix()) {
                None => stored.push(Endpoint(resource)),
                Some(known) if resource.api_version() == resource.stored_api_version() => *known = Endpoint(resource),
                Some(_) => {}
            }
        }
        stored
    }

    /// The one whose objects the caches of a group's resource hold.
    pub fn stored_as(group: &str, plural: &str) -> Option<Endpoint> {
        let mut known =
            registry::resources().iter().filter(|resource| resource.group == group && resource.name == plural);
        known.find(|resource| resource.is_stored()).map(Endpoint)
    }

    pub fn group(&self) -> &str {
        self.0.group
    }

    pub fn version(&self) -> &str {
        self.0.version
    }

    pub fn plural(&self) -> &str {
        self.0.name
    }

    pub fn kind(&self) -> &str {
        self.0.kind
    }

    pub fn api_version(&self) -> String {
        self.0.api_version()
    }

    /// The same, from the table of types.
    pub fn api_version_text(&self) -> &'static str {
        let known = Schema::kubernetes().group_versions();
        let own = self.api_version();
        { known }.find(|version| *version == own).expect("every resource of the registry has its types")
    }

    pub fn is_namespaced(&self) -> bool {
        self.0.is_namespaced
    }

    /// Below the registry: what caches are named by.
    pub fn prefix(&self) -> &'static str {
        self.0.prefix()
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
        self.0.key(self.some_namespace(namespace), name)
    }

    pub fn list_prefix(&self, namespace: &str) -> String {
        self.0.list_prefix(self.some_namespace(namespace))
    }

    fn some_namespace<'a>(&self, namespace: &'a str) -> Option<&'a str> {
        Some(namespace).filter(|namespace| self.is_namespaced() && !namespace.is_empty())
    }

    pub fn message(&self) -> MessageId {
        let message = Schema::kubernetes().kind(&self.api_version(), self.kind());
        message.expect("every resource of the registry has its type")
    }

    /// Reads the body of a request, defaults filled in.
    pub fn read(&self, media: MediaType, bytes: &[u8]) -> Result<Body, Status> {
        let body = codec::decode_body(Schema::kubernetes(), self.0, media, bytes)?;
        let object = self.fill(body.object).map_err(|error| Status::bad_request(error))?;
        Ok(Body { object, ..body })
    }

    /// Fills in defaults, and brings an object into the form of its type.
    pub fn fill(&self, object: Value) -> Result<Value, String> {
        defaults::apply(Schema::kubernetes(), self.message(), object)
    }

    /// A value in the form of the type, and the fields that the type lacks.
    pub fn typed(&self, value: Value) -> Result<(Value, Vec<String>), Status> {
        let decoded = crate::k8s::typed::decode(Schema::kubernetes(), self.message(), value);
        decoded.map(|decoded| (decoded.value, decoded.unknown)).map_err(Status::bad_request)
    }

    pub fn encode(&self, object: &Value) -> Result<Vec<u8>, String> {
        codec::encode_stored(Schema::kubernetes(), self.0, object)
    }

    /// A value of etcd, defaults filled in.
    pub fn decode(&self, bytes: &[u8], revision: i64) -> Result<Value, String> {
        self.fill(codec::decode_stored(Schema::kubernetes(), self.0, bytes, revision)?)
    }

    /// An object of this place in etcd that was read as another version.
    pub fn convert(&self, object: Value) -> Result<Value, String> {
        if object["apiVersion"].as_str() == Some(&self.api_version()) {
            return Ok(object);
        }
        self.fill(conversion::convert(Schema::kubernetes(), object, &self.api_version())?)
    }

    // What its kind makes of writes.

    pub fn prepare_for_create(&self, object: &mut Value, user: &User) {
        strategy::prepare_for_create(self.0, object);
        strategy::identify(self.0, object, user);
    }

    pub fn prepare_for_update(&self, subresource: &str, object: &mut Value, old: &Value) {
        strategy::prepare_for_update(self.0, subresource, object, old);
    }

    pub fn allows_create_on_update(&self) -> bool {
        strategy::allows_create_on_update(self.0)
    }

    pub fn allows_unconditional_update(&self) -> bool {
        strategy::allows_unconditional_update(self.0)
    }

    pub fn grace_period(&self, object: &Value, asked: Option<i64>) -> Option<i64> {
        strategy::grace_period(self.0, object, asked)
    }

    /// What is wrong with an object that is new, or that is to take the place of another.
    pub fn validate(&self, subresource: &str, object: &Value, old: Option<&Value>) -> Result<(), Status> {
        let errors = match old {
            None => validation::create(self.0, object),
            Some(old) => validation::update_by(self.0, subresource, object, old),
        };
        if errors.is_empty() {
            return Ok(());
        }
        Err(Status::invalid(self.qualified_kind(), super::metadata::text(object, "name"), &errors))
    }

    /// A field selector as this kind understands it.
    pub fn convert_fields(&self, selector: fields::Selector) -> Result<fields::Selector, Status> {
        field_selectors::convert(self.0, selector)
    }

    /// What field selectors look at.
    pub fn fields(&self, object: &Value) -> BTreeMap<String, String> {
        field_selectors::of(self.0, object)
    }

    pub fn verbs(&self) -> &[&'static str] {
        &self.0.verbs
    }

    /// The verbs of a subresource, and its own kind.
    pub fn subresource(&self, name: &str) -> Option<&'static Subresource> {
        self.0.subresources.iter().find(|subresource| subresource.name == name)
    }

    /// The types by which server-side apply merges, and tells who owns what.
    pub fn types(&self) -> Types<'static> {
        Types::kind(Schema::kubernetes(), self.message())
    }

    /// What a write through a subresource does not set, whatever it says.
    pub fn resets(&self, subresource: &str) -> Set {
        managed::resets(self.group(), self.plural(), subresource)
    }

    /// Whether a deletion is answered with what was deleted. Upstream: `ReturnDeletedObject`.
    pub fn returns_deleted(&self) -> bool {
        let kinds = [
            "pods",
            "persistentvolumes",
            "persistentvolumeclaims",
            "podtemplates",
            "resourcequotas",
            "serviceaccounts",
            "services",
        ];
        self.group().is_empty() && kinds.contains(&self.plural())
    }

    pub fn is_namespace(&self) -> bool {
        self.group().is_empty() && self.plural() == "namespaces"
    }

    pub fn is_custom(&self) -> bool {
        false
    }

    /// The type by which patches are applied.
    pub fn patch_kind(&self) -> Option<MessageId> {
        Some(self.message())
    }

    pub fn strict_error(&self, body: &Body) -> Option<Status> {
        codec::strict_error(self.0, body)
    }

    /// An object that holds nothing but these metadata.
    pub fn empty(&self, metadata: Value) -> Value {
        let object = serde_json::json!({"kind": self.kind(), "apiVersion": self.api_version(), "metadata": metadata});
        let typed = crate::k8s::typed::decode(Schema::kubernetes(), self.message(), object.clone());
        typed.map_or(object, |decoded| decoded.value)
    }

    /// What the text of each of its objects begins with.
    pub fn head(&self) -> String {
        format!("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",", self.kind(), self.api_version())
    }

    /// The text that clients are given.
    pub fn text(&self, object: &Value) -> String {
        json::to_string(object)
    }
}
