//! One version of a custom resource: what its endpoints do to objects.
//!
//! Upstream: `apiextensions-apiserver/pkg/registry/customresource`.
//!
//! Simplified: embedded objects' metadata is left as it is.

use serde_json::{Map, Value, json};

use super::{instance, lists, rules, validate};
use crate::k8s::meta::names;
use crate::k8s::meta::status::{FieldError, FieldErrorKind};
use crate::k8s::schema::Schema;
use crate::k8s::validation;

/// A version of a definition.
#[derive(Clone, Copy, Debug)]
pub struct Version<'d> {
    definition: &'d Value,
    version: &'d Value,
}

/// The replicas of anything that scales.
const REPLICAS_MAX: i64 = i32::MAX as i64;

impl<'d> Version<'d> {
    /// A version by its name, served or not.
    pub fn of(definition: &'d Value, name: &str) -> Option<Version<'d>> {
        let versions = definition["spec"]["versions"].as_array()?;
        let version = versions.iter().find(|version| version["name"] == name)?;
        Some(Version { definition, version })
    }

    /// All versions that are served.
    pub fn served(definition: &'d Value) -> impl Iterator<Item = Version<'d>> {
        let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
        versions.filter(|version| version["served"] == true).map(move |version| Version { definition, version })
    }

    /// The version that is stored.
    pub fn stored(definition: &'d Value) -> Option<Version<'d>> {
        let mut versions = definition["spec"]["versions"].as_array()?.iter();
        versions.find(|version| version["storage"] == true).map(|version| Version { definition, version })
    }

    pub fn name(&self) -> &'d str {
        self.version["name"].as_str().unwrap_or_default()
    }

    pub fn api_version(&self) -> String {
        format!("{}/{}", self.definition["spec"]["group"].as_str().unwrap_or_default(), self.name())
    }

    pub fn kind(&self) -> &'d str {
        self.definition["spec"]["names"]["kind"].as_str().unwrap_or_default()
    }

    pub fn is_namespaced(&self) -> bool {
        self.definition["spec"]["scope"] == "Namespaced"
    }

    /// The `openAPIV3Schema`.
    pub fn schema(&self) -> Option<&'d Value> {
        self.version["schema"].get("openAPIV3Schema").filter(|schema| schema.is_object())
    }

    /// `additionalPrinterColumns`
    pub fn columns(&self) -> &'d [Value] {
        self.version["additionalPrinterColumns"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// Paths that field selectors may name, such as `.spec.color`.
    pub fn selectable_fields(&self) -> Vec<String> {
        let fields = self.version["selectableFields"].as_array();
        fields.into_iter().flatten().filter_map(|field| field["jsonPath"].as_str()).map(str::to_owned).collect()
    }

    pub fn has_status(&self) -> bool {
        self.version["subresources"]["status"].is_object()
    }

    /// The paths of the scale subresource.
    pub fn scale(&self) -> Option<&'d Value> {
        self.version["subresources"].get("scale").filter(|scale| scale.is_object())
    }

    /// A warning for who uses a version that will go.
    pub fn deprecation_warning(&self) -> Option<String> {
        let own = self.version["deprecationWarning"].as_str().map(str::to_owned);
        let usual = || format!("{} {} is deprecated", self.api_version(), self.kind());
        (self.version["deprecated"] == true).then(|| own.unwrap_or_else(usual))
    }

    /// Brings an object that arrived or was stored into the form of this version. The paths of fields that nobody knows are
    /// returned; the error is that of metadata that cannot be read.
    pub fn settle(&self, schema: &Schema, object: &mut Value) -> Result<Vec<String>, String> {
        let mut unknown = instance::settle_metadata(schema, object)?;
        if let Some(structural) = self.schema() {
            unknown.extend(instance::prune(object, structural));
            instance::fill(object, structural);
        }
        unknown.sort();
        Ok(unknown)
    }

    /// The same object as this version has it: conversion `None` changes nothing but the name.
    pub fn convert(&self, object: &mut Value) {
        if let Value::Object(fields) = object {
            fields.insert("apiVersion".to_owned(), self.api_version().into());
        }
    }

    /// What creation does not set: the status, where it has an endpoint of its own.
    pub fn prepare_create(&self, object: &mut Value) {
        let Value::Object(fields) = object else { return };
        if self.has_status() {
            fields.shift_remove("status");
        }
        set_generation(fields, 1);
    }

    /// What an update does not set; it counts as a new generation if more than metadata differs.
    pub fn prepare_update(&self, object: &mut Value, old: &Value) {
        let Value::Object(fields) = object else { return };
        if self.has_status() {
            match old.get("status") {
                Some(status) => drop(fields.insert("status".to_owned(), status.clone())),
                None => drop(fields.shift_remove("status")),
            }
        }
        let content = |fields: &Map<String, Value>| {
            let mut fields = fields.clone();
            fields.shift_remove("metadata");
            fields
        };
        let generation = old["metadata"]["generation"].as_i64().unwrap_or_default();
        let is_other = old.as_object().is_none_or(|old| content(old) != content(fields));
        set_generation(fields, generation + i64::from(is_other));
    }

    /// An update of the status sets nothing else but who manages it.
    pub fn prepare_status(&self, object: &mut Value, old: &Value) {
        let status = object.get("status").cloned();
        let managers = object["metadata"].get("managedFields").cloned();
        *object = old.clone();
        let Value::Object(fields) = object else { return };
        match status {
            Some(status) => drop(fields.insert("status".to_owned(), status)),
            None => drop(fields.shift_remove("status")),
        }
        if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
            match managers {
                Some(managers) => drop(metadata.insert("managedFields".to_owned(), managers)),
                None => drop(metadata.shift_remove("managedFields")),
            }
        }
    }

    /// What is wrong with an object that is to be created.
    pub fn check(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = self.check_kind(object);
        if !errors.is_empty() {
            return errors;
        }
        errors.extend(validation::create_metadata(self.is_namespaced(), names::dns1123_subdomain, object));
        self.check_content(&mut errors, object, None);
        errors
    }

    /// What is wrong with an object that is to take the place of another.
    pub fn check_update(&self, object: &Value, old: &Value) -> Vec<FieldError> {
        let mut errors = self.check_kind(object);
        if !errors.is_empty() {
            return errors;
        }
        errors.extend(validation::update_metadata(object, old));
        self.check_content(&mut errors, object, Some(old));
        errors
    }

    /// What is wrong with an object whose status is to be updated.
    pub fn check_status_update(&self, object: &Value, old: &Value) -> Vec<FieldError> {
        let mut errors = self.check_kind(object);
        if !errors.is_empty() {
            return errors;
        }
        errors.extend(validation::update_metadata(object, old));
        if let Some(structural) = self.schema() {
            if let (Some(status), Some(inner)) = (object.get("status"), structural["properties"].get("status")) {
                errors.extend(validate::validate(status, old.get("status"), inner, "status"));
            }
            self.check_rules(&mut errors, object, Some(old), structural);
        }
        errors
    }

    fn check_kind(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        for (name, expected) in [("kind", self.kind().to_owned()), ("apiVersion", self.api_version())] {
            let text = object[name].as_str().unwrap_or_default();
            if text != expected {
                errors.push(FieldError::invalid(name, text, format!("must be {expected}")));
            }
        }
        errors
    }

    fn check_content(&self, errors: &mut Vec<FieldError>, object: &Value, old: Option<&Value>) {
        if let Some(structural) = self.schema() {
            errors.extend(validate::validate(object, old, structural, ""));
        }
        if let Some(scale) = self.scale() {
            for name in ["specReplicasPath", "statusReplicasPath"] {
                check_replicas(errors, object, scale[name].as_str().unwrap_or_default());
            }
        }
        if let Some(structural) = self.schema() {
            if old.is_none_or(|old| lists::check(old, structural).is_empty()) {
                errors.extend(lists::check(object, structural));
            }
            self.check_rules(errors, object, old, structural);
        }
    }

    /// Rules are not asked of an object that is no sound instance.
    fn check_rules(&self, errors: &mut Vec<FieldError>, object: &Value, old: Option<&Value>, structural: &Value) {
        let is_blocking = |error: &FieldError| {
            matches!(
                error.kind,
                FieldErrorKind::NotSupported(..)
                    | FieldErrorKind::Required
                    | FieldErrorKind::TooLong(_)
                    | FieldErrorKind::TooMany(..)
                    | FieldErrorKind::TypeInvalid(_)
            )
        };
        if rules::has_any(structural) && errors.iter().any(is_blocking) {
            let why = "some validation rules were not checked because the object was invalid; correct the existing errors to \
                complete validation";
            errors.push(FieldError::invalid("<nil>", "null", why));
        } else {
            errors.extend(rules::check(object, old, structural));
        }
    }

    /// The `Scale` of an object: what `kubectl scale` and autoscalers see.
    pub fn scale_of(&self, object: &Value) -> Option<Value> {
        let scale = self.scale()?;
        let at = |name: &str| lookup(object, scale[name].as_str().unwrap_or_default());
        let replicas = |name: &str| at(name).and_then(Value::as_i64).unwrap_or_default();
        let mut metadata = Map::new();
        for name in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
            if let Some(value) = object["metadata"].get(name) {
                metadata.insert(name.to_owned(), value.clone());
            }
        }
        let mut spec = Map::new();
        if replicas("specReplicasPath") != 0 {
            spec.insert("replicas".to_owned(), replicas("specReplicasPath").into());
        }
        let mut status = Map::from_iter([("replicas".to_owned(), replicas("statusReplicasPath").into())]);
        if let Some(selector) = at("labelSelectorPath").and_then(Value::as_str).filter(|text| !text.is_empty()) {
            status.insert("selector".to_owned(), selector.into());
        }
        Some(
            json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}),
        )
    }

    /// Writes the replicas of a `Scale` into an object.
    pub fn set_scale(&self, object: &mut Value, replicas: i64) {
        let Some(path) = self.scale().and_then(|scale| scale["specReplicasPath"].as_str()) else { return };
        let mut place = object;
        let parts: Vec<&str> = path.trim_start_matches('.').split('.').collect();
        for part in parts {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            let Value::Object(fields) = place else { return };
            place = fields.entry(part).or_insert(Value::Null);
        }
        *place = replicas.into();
    }
}

fn set_generation(fields: &mut Map<String, Value>, generation: i64) {
    if let Value::Object(metadata) = fields.entry("metadata").or_insert_with(|| json!({})) {
        metadata.insert("generation".to_owned(), generation.into());
    }
}

/// A field by a simple path: `.spec.replicas`.
fn lookup<'v>(object: &'v Value, path: &str) -> Option<&'v Value> {
    let parts = path.trim_start_matches('.').split('.');
    parts.filter(|_| !path.is_empty()).try_fold(object, |value, part| value.get(part)).filter(|_| !path.is_empty())
}

fn check_replicas(errors: &mut Vec<FieldError>, object: &Value, path: &str) {
    let Some(value) = lookup(object, path) else { return };
    let plain = path.trim_start_matches('.');
    match value.as_i64() {
        None => {
            let found = patch_type(value);
            let why = format!(
                ".{plain} accessor error: {} is of the type {found}, expected int64",
                crate::k8s::patch::show(value)
            );
            errors.push(FieldError::invalid(path, 0, why));
        }
        Some(number) if number < 0 => {
            errors.push(FieldError::invalid(path, number, "should be a non-negative integer"));
        }
        Some(number) if number > REPLICAS_MAX => {
            errors.push(FieldError::invalid(path, number, format!("should be less than or equal to {REPLICAS_MAX}")));
        }
        Some(_) => {}
    }
}

fn patch_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
