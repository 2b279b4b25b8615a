//! `kubectl explain`: what the server's schema says of a field.
//!
//! Upstream: `k8s.io/kubectl/pkg/explain/v2`.

use serde_json::Value;

use super::client::Kube;
use super::config::list;
use super::discovery::{ApiResource, split_version};
use super::failure::{Outcome, fail};
use super::openapi;
use crate::shell::printers::go::quote;

/// Text is wrapped at this column.
const WIDTH: usize = 80;
/// As deep as `--recursive` goes.
const DEPTH_MAX: usize = 30;
/// Values of an enumeration that are shown among fields.
const ENUM_SHOWN: usize = 4;

pub fn run(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    let [word] = &args.words[..] else {
        return fail(match args.words.len() {
            0 => "You must specify the type of resource to explain. Use \"kubectl api-resources\" for a complete list of supported resources.".to_owned(),
            _ => "We accept only this format: explain RESOURCE\nSee 'kubectl explain -h' for help and examples".to_owned(),
        });
    };
    let (resource, path) = resource_and_path(kube, word)?;
    let api_version = match args.text("api-version") {
        "" => resource.api_version(),
        version => version.to_owned(),
    };
    let document = openapi::document_or_refusal(kube, &api_version)?;
    let (group, version) = split_version(&api_version);
    let Some(schema) = of_kind(&document, group, version, &resource.kind) else {
        return fail(format!("GVK {api_version}, Kind={} not found in OpenAPI schema", resource.kind));
    };
    let mut page = Explainer { document: &document, out: String::new() };
    if !group.is_empty() {
        page.line(&format!("GROUP:      {group}"));
    }
    page.line(&format!("KIND:       {}", resource.kind));
    page.line(&format!("VERSION:    {version}"));
    page.line("");
    let (field, owner) = match page.walk(schema, &path) {
        Ok(found) => found,
        Err(missing) => {
            kube.print(page.out);
            return fail(format!("field {} does not exist", quote(&missing)));
        }
    };
    if let Some(name) = path.last() {
        let required = if owner.is_some_and(|owner| is_required(owner, name)) { " -required-" } else { "" };
        page.line(&format!("FIELD: {name} <{}>{required}", page.type_name(field)));
        page.enumeration(field, 0, None);
        page.line("");
        page.line("");
    }
    page.line("DESCRIPTION:");
    page.description(field);
    let inner = page.object_of(field);
    let fields = page.fields(inner);
    if !fields.is_empty() {
        page.line("FIELDS:");
        if args.bool("recursive") {
            page.recursive(inner, 1, &mut Vec::new());
        } else {
            page.flat(inner);
        }
    }
    page.line("");
    kube.print(page.out);
    Ok(())
}

/// `pods.spec.containers`: the longest beginning that names a resource, and the rest.
fn resource_and_path(kube: &mut Kube, word: &str) -> Outcome<(ApiResource, Vec<String>)> {
    let parts: Vec<&str> = word.split('.').collect();
    // A group may stand behind the resource.
    for end in (1..=parts.len()).rev() {
        let name = parts[..end].join(".");
        let found = kube.discovery()?.find(&name).cloned();
        if let Some(found) = found.filter(|found| {
            end == 1
                || parts[1..end].join(".") == found.group
                || parts[1..end].join(".") == format!("{}.{}", found.version, found.group)
        }) {
            return Ok((found, parts[end..].iter().map(|part| (*part).to_owned()).collect()));
        }
    }
    let resource = kube.resource(parts[0])?;
    Ok((resource, parts[1..].iter().map(|part| (*part).to_owned()).collect()))
}

fn of_kind<'d>(document: &'d Value, group: &str, version: &str, kind: &str) -> Option<&'d Value> {
    let schemas = document["components"]["schemas"].as_object()?;
    schemas.values().find(|schema| {
        list(&schema["x-kubernetes-group-version-kind"]).iter().any(|mark| {
            mark["group"].as_str().unwrap_or_default() == group && mark["version"] == version && mark["kind"] == kind
        })
    })
}

fn is_required(owner: &Value, name: &str) -> bool {
    list(&owner["required"]).iter().any(|own| own == name)
}

struct Explainer<'d> {
    document: &'d Value,
    out: String,
}

impl<'d> Explainer<'d> {
    fn line(&mut self, line: &str) {
        self.out += line;
        self.out.push('\n');
    }

    /// What a reference leads to; the schema itself if it is none.
    fn resolved(&self, schema: &'d Value) -> &'d Value {
        let reference = schema["$ref"].as_str().or_else(|| match list(&schema["allOf"]) {
            [one] => one["$ref"].as_str(),
            _ => None,
        });
        reference.and_then(|reference| self.document.pointer(reference.trim_start_matches('#'))).unwrap_or(schema)
    }

    /// The object that a field is, or is a list or map of.
    fn object_of(&self, schema: &'d Value) -> &'d Value {
        let mut schema = self.resolved(schema);
        for _ in 0..DEPTH_MAX {
            let inner = if schema["type"] == "array" {
                &schema["items"]
            } else if schema["additionalProperties"].is_object() && !schema["properties"].is_object() {
                &schema["additionalProperties"]
            } else {
                return schema;
            };
            schema = self.resolved(inner);
        }
        schema
    }

    fn walk(&self, schema: &'d Value, path: &[String]) -> Result<(&'d Value, Option<&'d Value>), String> {
        let (mut at, mut owner) = (schema, None);
        for name in path {
            let object = self.object_of(at);
            at = object["properties"].get(name).ok_or_else(|| name.clone())?;
            owner = Some(object);
        }
        Ok((at, owner))
    }

    fn type_name(&self, schema: &'d Value) -> String {
        self.type_at(schema, 0)
    }

    fn type_at(&self, schema: &'d Value, depth: usize) -> String {
        if depth > DEPTH_MAX {
            return "Object".to_owned();
        }
        let target = self.resolved(schema);
        if target["type"] == "array" {
            return format!("[]{}", self.type_at(&target["items"], depth + 1));
        }
        if target["additionalProperties"].is_object() && !target["properties"].is_object() {
            return format!("map[string]{}", self.type_at(&target["additionalProperties"], depth + 1));
        }
        if target["type"] == "object" || target["properties"].is_object() {
            let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
            let name = reference.and_then(|reference| reference.rsplit('.').next());
            return name.unwrap_or("Object").to_owned();
        }
        if target["x-kubernetes-int-or-string"] == true || target["format"] == "int-or-string" {
            return "IntOrString".to_owned();
        }
        if let Some(kind) = target["type"].as_str() {
            return kind.to_owned();
        }
        let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
        reference.and_then(|reference| reference.rsplit('.').next()).unwrap_or("Object").to_owned()
    }

    fn fields(&self, object: &'d Value) -> Vec<(&'d String, &'d Value)> {
        let mut fields: Vec<(&String, &Value)> = object["properties"].as_object().into_iter().flatten().collect();
        fields.sort_by_key(|(name, _)| *name);
        fields
    }

    /// What a field is for, and then what its type is.
    fn description(&mut self, field: &'d Value) {
        let own = field["description"].as_str().unwrap_or_default();
        let target = self.object_of(field);
        let of_type = target["description"].as_str().unwrap_or_default();
        let mut texts = vec![own];
        if of_type != own {
            texts.push(of_type);
        }
        texts.retain(|text| !text.is_empty());
        if texts.is_empty() {
            return self.line("    <empty>");
        }
        for text in texts {
            self.wrapped(text, 4);
        }
        self.line("    ");
    }

    fn wrapped(&mut self, text: &str, indent: usize) {
        let wide = WIDTH - indent;
        for paragraph in text.split('\n') {
            let mut line = String::new();
            for word in paragraph.split_whitespace() {
                if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > wide {
                    self.line(&format!("{}{line}", " ".repeat(indent)));
                    line.clear();
                }
                if !line.is_empty() {
                    line.push(' ');
                }
                line += word;
            }
            self.line(&format!("{}{line}", " ".repeat(indent)));
        }
    }

    fn enumeration(&mut self, field: &'d Value, indent: usize, most: Option<usize>) {
        let target = self.resolved(field);
        let values = if list(&field["enum"]).is_empty() { list(&target["enum"]) } else { list(&field["enum"]) };
        if values.is_empty() {
            return;
        }
        let blank = " ".repeat(indent);
        let texts: Vec<&str> = values.iter().map(|value| value.as_str().unwrap_or_default()).collect();
        match most {
            Some(most) => {
                let dots = if texts.len() > most { ", ...." } else { "" };
                let shown: Vec<&str> = texts.iter().take(most).copied().collect();
                self.line(&format!("{blank}enum: {}{dots}", shown.join(", ")));
            }
            None => {
                self.line("ENUM:");
                texts.iter().for_each(|text| self.line(&format!("    {text}")));
            }
        }
    }

    fn head(&self, object: &'d Value, name: &str, field: &'d Value) -> String {
        let required = if is_required(object, name) { " -required-" } else { "" };
        format!("{name}\t<{}>{required}", self.type_name(field))
    }

    fn flat(&mut self, object: &'d Value) {
        for (name, field) in self.fields(object) {
            let head = self.head(object, name, field);
            self.line(&format!("  {head}"));
            self.enumeration(field, 2, Some(ENUM_SHOWN));
            let own = field["description"].as_str().unwrap_or_default();
            let text =
                if own.is_empty() { self.resolved(field)["description"].as_str().unwrap_or_default() } else { own };
            if text.is_empty() {
                self.line("    <no description>");
            } else {
                self.wrapped(text, 4);
            }
            self.line("");
        }
    }

    fn recursive(&mut self, object: &'d Value, level: usize, above: &mut Vec<*const Value>) {
        // A type within itself is not followed.
        let own: *const Value = object;
        if level > DEPTH_MAX || above.contains(&own) {
            return;
        }
        above.push(own);
        for (name, field) in self.fields(object) {
            let blank = "  ".repeat(level);
            let head = self.head(object, name, field);
            self.line(&format!("{blank}{head}"));
            self.enumeration(field, level * 2, Some(ENUM_SHOWN));
            self.recursive(self.object_of(field), level + 1, above);
        }
        above.pop();
    }
}
