//! Definitions of custom resources, and API services.
//!
//! Upstream: `k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation`, `k8s.io/kube-aggregator`. What a schema may
//! say is judged where schemas are.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Errors, indexed, text};
use crate::k8s::meta::names;

const APPROVAL: &str = "api-approved.kubernetes.io";

pub(super) fn check_definition(errors: &mut Errors, definition: &Value) {
    let spec = &definition["spec"];
    let (group, plural) = (text(spec, "group"), text(&spec["names"], "plural"));
    let name = text(&definition["metadata"], "name");
    if !name.is_empty() && name != format!("{plural}.{group}") {
        errors.invalid("metadata.name", name, r#"must be spec.names.plural+"."+spec.group"#);
    }
    check_approval(errors, definition, group);
    let complaints = names::dns1123_subdomain(group);
    if group.is_empty() {
        errors.required("spec.group");
    } else if !complaints.is_empty() {
        errors.names_joined("spec.group", group, &complaints, "");
    } else if !group.contains('.') {
        errors.invalid("spec.group", group, "should be a domain with at least one dot");
    }
    errors.one_of("spec.scope", text(spec, "scope"), &["Cluster", "Namespaced"]);
    check_versions(errors, spec);
    for part in ["plural", "singular", "kind", "listKind"] {
        if text(&spec["names"], part).is_empty() {
            errors.required(&format!("spec.names.{part}"));
        }
    }
    check_names(errors, "spec.names", &spec["names"]);
    check_conversion(errors, spec);
    if spec["preserveUnknownFields"] == true {
        let detail = "must be false in order to use defaults in the schema";
        errors.invalid("spec.preserveUnknownFields", true, detail);
    }
    check_names(errors, "status.acceptedNames", &definition["status"]["acceptedNames"]);
}

/// What the storage depends on stays.
pub(super) fn check_definition_update(errors: &mut Errors, definition: &Value, old: &Value) {
    let (new, before) = (&definition["spec"], &old["spec"]);
    let is_established = indexed(&old["status"]["conditions"], "")
        .any(|(_, condition)| condition["type"] == "Established" && condition["status"] == "True");
    if is_established {
        errors.immutable("spec.scope", &new["scope"], &before["scope"]);
        errors.immutable("spec.names.kind", &new["names"]["kind"], &before["names"]["kind"]);
    }
    errors.immutable("spec.group", &new["group"], &before["group"]);
    errors.immutable("spec.names.plural", &new["names"]["plural"], &before["names"]["plural"]);
    let versions: BTreeSet<&str> = indexed(&new["versions"], "").map(|(_, version)| text(version, "name")).collect();
    for (field, stored) in indexed(&definition["status"]["storedVersions"], "status.storedVersions") {
        let stored = stored.as_str().unwrap_or_default();
        if !versions.contains(stored) {
            errors.invalid(&field, stored, "missing from spec.versions; v1 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from status.storedVersions".replace("v1", stored).as_str());
        }
    }
}

/// Groups of Kubernetes itself are not for everybody.
fn check_approval(errors: &mut Errors, definition: &Value, group: &str) {
    let is_protected = ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|own| group == *own || group.strip_suffix(own).is_some_and(|rest| rest.ends_with('.')));
    let is_ours = |group: &str| group.ends_with(".x-k8s.io") || group.ends_with(".x-kubernetes.io");
    if !is_protected || is_ours(group) {
        return;
    }
    let field = format!("metadata.annotations[{APPROVAL}]");
    match definition["metadata"]["annotations"][APPROVAL].as_str() {
        None | Some("") => {
            let detail = format!(
                "protected groups must have approval annotation \"{APPROVAL}\", see \
                 https://github.com/kubernetes/enhancements/pull/1111"
            );
            errors.required_because(&field, &detail);
        }
        Some(text) if text.starts_with("unapproved") || text.starts_with("https://") || text.starts_with("http://") => {
        }
        Some(text) => {
            let detail = format!(
                "protected groups must have approval annotation \"{APPROVAL}\" with either a URL or a reason starting with \
                 \"unapproved\", see https://github.com/kubernetes/enhancements/pull/1111"
            );
            errors.invalid(&field, text, &detail);
        }
    }
}

/// Simplified: versions are shown as the request wrote them; upstream shows its internal type.
fn check_versions(errors: &mut Errors, spec: &Value) {
    let (mut seen, mut storage, mut is_unique) = (BTreeSet::new(), 0, true);
    for (field, version) in indexed(&spec["versions"], "spec.versions") {
        let name = text(version, "name");
        storage += usize::from(version["storage"] == true);
        is_unique &= seen.insert(name);
        errors.names_joined(&format!("{field}.name"), name, &names::dns1035_label(name), "");
        if version["deprecationWarning"].is_string() && version["deprecated"] != true {
            let detail = "can only be set for deprecated versions";
            errors.invalid(&format!("{field}.deprecationWarning"), version["deprecationWarning"].clone(), detail);
        }
        if version["schema"]["openAPIV3Schema"].is_null() {
            errors.required_because(&format!("{field}.schema.openAPIV3Schema"), "schemas are required");
        }
        check_subresources(errors, &format!("{field}.subresources"), &version["subresources"]);
        for (field, column) in
            indexed(&version["additionalPrinterColumns"], &format!("{field}.additionalPrinterColumns"))
        {
            check_column(errors, &field, column);
        }
    }
    if !is_unique {
        errors.invalid("spec.versions", spec["versions"].clone(), "must contain unique version names");
    }
    if storage != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.invalid("spec.versions", spec["versions"].clone(), detail);
    }
}

fn check_subresources(errors: &mut Errors, field: &str, subresources: &Value) {
    let scale = &subresources["scale"];
    if scale.is_null() {
        return;
    }
    for (name, root) in [("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")] {
        let (path, at) = (text(scale, name), format!("{field}.scale.{name}"));
        if path.is_empty() {
            errors.required(&at);
        } else if !path.strip_prefix(root).is_some_and(|rest| rest.starts_with('.')) {
            errors.invalid(&at, path, &format!("should be a json path under {root}"));
        }
    }
    if let Some(path) = scale["labelSelectorPath"].as_str().filter(|path| !path.is_empty())
        && ![".spec.", ".status."].iter().any(|root| path.starts_with(root))
    {
        let detail = "should be a json path under either .spec or .status";
        errors.invalid(&format!("{field}.scale.labelSelectorPath"), path, detail);
    }
}

fn check_column(errors: &mut Errors, field: &str, column: &Value) {
    if text(column, "name").is_empty() {
        errors.required(&format!("{field}.name"));
    }
    let (kind, at) = (text(column, "type"), format!("{field}.type"));
    let kinds = ["boolean", "date", "integer", "number", "string"];
    if kind.is_empty() {
        errors.required_because(&at, &format!("must be one of {}", kinds.join(",")));
    } else if !kinds.contains(&kind) {
        errors.invalid(&at, kind, &format!("must be one of {}", kinds.join(",")));
    }
    let formats = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
    let format = text(column, "format");
    if !format.is_empty() && !formats.contains(&format) {
        errors.invalid(&format!("{field}.format"), format, &format!("must be one of {}", formats.join(",")));
    }
    if text(column, "jsonPath").is_empty() {
        errors.required(&format!("{field}.JSONPath"));
    }
}

fn check_names(errors: &mut Errors, field: &str, own: &Value) {
    for part in ["plural", "singular"] {
        let name = text(own, part);
        if !name.is_empty() {
            errors.names_joined(&format!("{field}.{part}"), name, &names::dns1035_label(name), "");
        }
    }
    for part in ["kind", "listKind"] {
        let name = text(own, part);
        if !name.is_empty() {
            let complaints = names::dns1035_label(&name.to_lowercase());
            let prefix = "may have mixed case, but should otherwise match: ";
            errors.names_joined(&format!("{field}.{part}"), name, &complaints, prefix);
        }
    }
    for (field, name) in indexed(&own["shortNames"], &format!("{field}.shortNames")) {
        let name = name.as_str().unwrap_or_default();
        errors.names_joined(&field, name, &names::dns1035_label(name), "");
    }
    let (kind, list) = (text(own, "kind"), text(own, "listKind"));
    if !kind.is_empty() && kind == list {
        errors.invalid(&format!("{field}.listKind"), list, "kind and listKind may not be the same");
    }
    for (field, name) in indexed(&own["categories"], &format!("{field}.categories")) {
        let name = name.as_str().unwrap_or_default();
        errors.names_joined(&field, name, &names::dns1035_label(name), "");
    }
}

fn check_conversion(errors: &mut Errors, spec: &Value) {
    let conversion = &spec["conversion"];
    if conversion.is_null() {
        return;
    }
    let strategy = text(conversion, "strategy");
    errors.one_of("spec.conversion.strategy", strategy, &["None", "Webhook"]);
    let client = &conversion["webhook"]["clientConfig"];
    if strategy == "Webhook" && client.is_null() {
        let detail = "required when strategy is set to Webhook";
        errors.required_because("spec.conversion.webhookClientConfig", detail);
    } else if strategy != "Webhook" && !conversion["webhook"].is_null() {
        let detail = "should not be set when strategy is not set to Webhook";
        errors.forbidden("spec.conversion.webhookClientConfig", detail);
    }
}

pub(super) fn check_api_service(errors: &mut Errors, service: &Value) {
    let spec = &service["spec"];
    let (group, version) = (text(spec, "group"), text(spec, "version"));
    let (name, expect) = (text(&service["metadata"], "name"), format!("{version}.{group}"));
    if !name.is_empty() && name != expect {
        errors.invalid("metadata.name", name, &format!("must be `spec.version+\".\"+spec.group`: \"{expect}\""));
    }
    if group.is_empty() {
        if version != "v1" {
            errors.required_because("spec.group", "only v1 may have an empty group and it better be legacy kube");
        }
    } else {
        errors.names_joined("spec.group", group, &names::dns1123_subdomain(group), "");
    }
    errors.names_joined("spec.version", version, &names::dns1035_label(version), "");
    for (name, max) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1000)] {
        let value = spec[name].as_i64().unwrap_or(0);
        if value <= 0 || value > max {
            errors.invalid(&format!("spec.{name}"), value, &format!("must be positive and less than {max}"));
        }
    }
    let own = &spec["service"];
    let has_bundle = spec["caBundle"].as_str().is_some_and(|bundle| !bundle.is_empty());
    if own.is_null() {
        if has_bundle {
            errors.invalid("spec.caBundle", "<caBundle>", "local APIServices may not have a caBundle");
        }
        if spec["insecureSkipTLSVerify"] == true {
            let detail = "local APIServices may not have insecureSkipTLSVerify";
            errors.invalid("spec.insecureSkipTLSVerify", true, detail);
        }
        return;
    }
    for name in ["namespace", "name"].into_iter().filter(|name| text(own, name).is_empty()) {
        errors.required(&format!("spec.service.{name}"));
    }
    errors.port("spec.service.port", &own["port"]);
    if spec["insecureSkipTLSVerify"] == true && has_bundle {
        let detail = "may not be true if caBundle is present";
        errors.invalid("spec.insecureSkipTLSVerify", true, detail);
    }
}
