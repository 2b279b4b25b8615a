//! From words, files and selectors to objects.
//!
//! Upstream: `k8s.io/cli-runtime/pkg/resource`.

use std::sync::Arc;

use serde_json::Value;

use super::client::{Kube, Request, accept};
use super::config::list;
use super::discovery::ApiResource;
use super::failure::{Failure, Outcome, Stop, fail};
use super::openapi;
use crate::k8s::yaml;
use crate::shell::files::FileError;
use crate::shell::printers::go::quote;

/// Documents in one file, or objects in one list.
const DOCUMENTS_MAX: usize = 100_000;

/// An object that a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    pub resource: ApiResource,
    pub namespace: String,
    pub name: String,
    /// As the server has it, or as a file does.
    pub object: Arc<Value>,
    /// The file that it is from.
    pub source: String,
}

impl Info {
    pub fn path(&self) -> String {
        self.resource.object_path(&self.namespace, &self.name)
    }

    /// `pods/web`
    pub fn resource_name(&self) -> String {
        format!("{}/{}", self.resource.name, self.name)
    }

    /// `deployment.apps "web"`
    pub fn quoted(&self) -> String {
        format!("{} {}", self.resource.singular_qualified(), quote(&self.name))
    }

    /// A request about it, its name in errors.
    pub fn request(&self, method: &'static str, accept: &'static str) -> Request {
        Request::new(method, self.path(), accept).about(&self.resource.name, &self.name)
    }

    /// The object as the server has it now. If it is not there, perhaps its namespace is not either.
    pub fn get(&self, kube: &mut Kube) -> Outcome<Arc<Value>> {
        match kube.object(&self.request("GET", accept::JSON)) {
            Err(Stop::Failed(failure)) if failure.is_not_found() && !matches!(&self.namespace[..], "" | "default") => {
                let request = Request::get(format!("/api/v1/namespaces/{}", self.namespace), accept::JSON);
                match kube.object(&request.about("namespaces", &self.namespace)) {
                    Err(Stop::Pending) => Err(Stop::Pending),
                    Err(Stop::Failed(missing)) if missing.is_not_found() => Err(Stop::Failed(missing)),
                    _ => Err(Stop::Failed(failure)),
                }
            }
            other => other,
        }
    }
}

/// What a command line asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pub words: Vec<String>,
    pub files: Vec<String>,
    pub recursive: bool,
    pub selector: String,
    pub field_selector: String,
    /// Types without names mean all of their objects.
    pub all: bool,
    pub all_namespaces: bool,
    /// Objects of a page; zero for all at once.
    pub limit: i64,
    pub subresource: String,
    /// What the client reads.
    pub accept: &'static str,
    /// Further parameters of lists.
    pub parameters: Vec<(&'static str, String)>,
    /// Objects of files are not looked up.
    pub local: bool,
    /// Files' objects are checked as they are read.
    pub validates: bool,
    /// Types that words without a type mean.
    pub default_type: &'static str,
}

impl Query {
    /// The flags that most commands have.
    pub fn of(kube: &Kube) -> Query {
        let args = kube.args;
        Query {
            words: args.words.clone(),
            files: args.list("filename"),
            recursive: args.bool("recursive"),
            selector: args.text("selector").to_owned(),
            field_selector: args.text("field-selector").to_owned(),
            all: args.bool("all"),
            all_namespaces: args.bool("all-namespaces"),
            accept: accept::JSON,
            subresource: args.text("subresource").to_owned(),
            ..Query::default()
        }
    }
}

/// One thing to look at, before it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Named { resource: ApiResource, namespace: String, name: String },
    All { resource: ApiResource, namespace: String },
    Read(Info),
}

impl Target {
    pub fn resource(&self) -> &ApiResource {
        match self {
            Target::Named { resource, .. } | Target::All { resource, .. } => resource,
            Target::Read(info) => &info.resource,
        }
    }
}

/// What the words and files of a query name.
pub fn targets(kube: &mut Kube, query: &Query) -> Outcome<Vec<Target>> {
    if !query.files.is_empty() && !query.words.is_empty() {
        return fail("when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well");
    }
    if !query.files.is_empty() {
        return files(kube, query);
    }
    let mut found = Vec::new();
    if query.words.iter().any(|word| word.contains('/')) {
        for word in &query.words {
            found.push(slashed(kube, query, word)?);
        }
        return Ok(found);
    }
    let Some((types, names)) = query.words.split_first() else { return Ok(found) };
    let (types, names) = match query.default_type {
        "" => (types.clone(), names),
        default => (default.to_owned(), &query.words[..]),
    };
    let resources = resources(kube, &types)?;
    if names.is_empty() {
        if query.selector.is_empty() && query.field_selector.is_empty() && !query.all {
            return fail("resource(s) were provided, but no name was specified");
        }
        for resource in resources {
            let namespace = scope(kube, query, &resource)?;
            found.push(Target::All { resource, namespace });
        }
        return Ok(found);
    }
    if query.all_namespaces && resources.iter().any(|resource| resource.is_namespaced) {
        return fail("a resource cannot be retrieved by name across all namespaces");
    }
    if !query.selector.is_empty() {
        return fail("name cannot be provided when a selector is specified");
    }
    for resource in resources {
        let namespace = scope(kube, query, &resource)?;
        for name in names {
            check_name(name)?;
            found.push(Target::Named { resource: resource.clone(), namespace: namespace.clone(), name: name.clone() });
        }
    }
    Ok(found)
}

fn check_name(name: &str) -> Outcome<()> {
    if name.is_empty() { fail("resource name may not be empty") } else { Ok(()) }
}

/// The resources that `pods,svc` or `all` means.
pub fn resources(kube: &mut Kube, types: &str) -> Outcome<Vec<ApiResource>> {
    let mut found: Vec<ApiResource> = Vec::new();
    for word in types.split(',') {
        if word.is_empty() {
            return fail("arguments in resource/name form must have a single resource and name");
        }
        let category = kube.discovery()?.category(word);
        let more = if category.is_empty() { vec![kube.resource(word)?] } else { category };
        for resource in more {
            if !found.contains(&resource) {
                found.push(resource);
            }
        }
    }
    Ok(found)
}

fn slashed(kube: &mut Kube, query: &Query, word: &str) -> Outcome<Target> {
    let Some((kind, name)) = word.split_once('/') else {
        return fail(format!(
            "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. '{path} resource/<resource_name>' instead of '{path} resource resource/<resource_name>'",
            path = format_args!("kubectl {}", kube.args.path())
        ));
    };
    if kind.is_empty() || name.is_empty() || name.contains('/') {
        return fail("arguments in resource/name form may not have more than one slash");
    }
    let resource = kube.resource(kind)?;
    if query.all_namespaces && resource.is_namespaced {
        return fail("a resource cannot be retrieved by name across all namespaces");
    }
    let namespace = scope(kube, query, &resource)?;
    Ok(Target::Named { resource, namespace, name: name.to_owned() })
}

/// The namespace to look in.
fn scope(kube: &mut Kube, query: &Query, resource: &ApiResource) -> Outcome<String> {
    if !resource.is_namespaced || query.all_namespaces { Ok(String::new()) } else { kube.namespace() }
}

/// The objects that files hold.
fn files(kube: &mut Kube, query: &Query) -> Outcome<Vec<Target>> {
    let mut found = Vec::new();
    for path in &query.files {
        for (source, text) in read(kube, path, query.recursive)? {
            for document in documents(&text) {
                if found.len() > DOCUMENTS_MAX {
                    return fail(format!("more than {DOCUMENTS_MAX} objects are not read"));
                }
                let value = parse(&document, &source)?;
                objects(kube, query, value, &source, &mut found)?;
            }
        }
    }
    if found.is_empty() {
        return fail("no objects passed to ".to_owned() + kube.args.command());
    }
    Ok(found)
}

/// The texts of a file, of the files in a folder, or of standard input.
pub fn read(kube: &mut Kube, path: &str, recursive: bool) -> Outcome<Vec<(String, String)>> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if path == "-" {
        let input = kube.run.input()?;
        return Ok(vec![("STDIN".to_owned(), text(&input))]);
    }
    if path.starts_with("http://") || path.starts_with("https://") {
        return fail(format!(
            "unable to read URL {}: files from the net are not built into this lab's kubectl",
            quote(path)
        ));
    }
    if let Some(inside) = kube.run.list_files(path) {
        let mut found = Vec::new();
        for (name, is_directory) in inside {
            let inner = format!("{}/{name}", path.trim_end_matches('/'));
            let is_manifest = [".json", ".yaml", ".yml"].iter().any(|end| name.ends_with(end));
            if (is_directory && recursive) || (!is_directory && is_manifest) {
                found.extend(read(kube, &inner, recursive)?);
            }
        }
        if found.is_empty() {
            return fail(format!("error reading [{path}]: recognized file extensions are [.json .yaml .yml]"));
        }
        return Ok(found);
    }
    match kube.run.read_file(path) {
        Ok(bytes) => Ok(vec![(path.to_owned(), text(&bytes))]),
        Err(FileError::NotFound) => fail(format!("the path {} does not exist", quote(path))),
        Err(error) => fail(format!("open {path}: {}", error.in_go())),
    }
}

/// The documents of a text, which lines that begin with three dashes part.
pub fn documents(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for line in text.split_inclusive('\n') {
        let is_separator = line.starts_with("---") && line[3..].trim_end().is_empty();
        match found.last_mut() {
            Some(last) if !is_separator => last.push_str(line),
            _ => found.push(String::new()),
        }
    }
    let is_blank =
        |document: &String| document.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    found.retain(|document| !is_blank(document));
    found
}

pub fn parse(document: &str, source: &str) -> Outcome<Value> {
    if document.trim_start().starts_with('{') {
        return match crate::k8s::json::parse(document.trim().as_bytes()) {
            Ok(read) => Ok(read.value),
            Err(error) => fail(format!("error parsing {source}: json parse error: {}", error.message)),
        };
    }
    match yaml::parse(document) {
        Ok(read) => Ok(read.value),
        Err(error) => fail(format!("error parsing {source}: error converting YAML to JSON: {error}")),
    }
}

/// The object, or those of a list.
fn objects(kube: &mut Kube, query: &Query, value: Value, source: &str, found: &mut Vec<Target>) -> Outcome<()> {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if value.is_null() {
        return Ok(());
    }
    if kind.is_empty() || api_version.is_empty() {
        let missing = if kind.is_empty() { "Object 'Kind' is missing" } else { "Object 'apiVersion' is missing" };
        let shown = crate::k8s::json::to_string(&value);
        if query.validates && kind.is_empty() {
            return fail(format!(
                "error validating {source:?}: error validating data: [apiVersion not set, kind not set]; if you choose to ignore these errors, turn validation off with --validate=false"
            ));
        }
        return fail(format!("unable to decode {}: {missing} in '{shown}'", quote(source)));
    }
    if kind.ends_with("List") && value.get("items").is_some() {
        for item in list(&value["items"]) {
            objects(kube, query, item.clone(), source, found)?;
        }
        return Ok(());
    }
    if query.validates {
        openapi::validate(kube, &value, source)?;
    }
    let name = value["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let own = value["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    let resource = kube.look_up(|discovery| discovery.of_kind(&api_version, &kind).cloned())?;
    let Some(resource) = resource else {
        return fail(format!(
            "resource mapping not found for name: {} namespace: {} from {}: no matches for kind {} in version {}\nensure CRDs are installed first",
            quote(&name),
            quote(&own),
            quote(source),
            quote(&kind),
            quote(&api_version)
        ));
    };
    let (namespace, object) = placed(kube, &resource, &own, value)?;
    found.push(Target::Read(Info { resource, namespace, name, object: Arc::new(object), source: source.to_owned() }));
    Ok(())
}

/// The object with the namespace that it is meant for.
fn placed(kube: &mut Kube, resource: &ApiResource, own: &str, mut object: Value) -> Outcome<(String, Value)> {
    if !resource.is_namespaced {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.shift_remove("namespace");
        }
        return Ok((String::new(), object));
    }
    let config = kube.config()?;
    if config.is_namespace_given && !own.is_empty() && own != config.namespace {
        return fail(format!(
            "the namespace from the provided object {} does not match the namespace {}. You must pass '--namespace={own}' to perform this operation.",
            quote(own),
            quote(&config.namespace)
        ));
    }
    let namespace = if own.is_empty() { config.namespace.clone() } else { own.to_owned() };
    if let Some(root) = object.as_object_mut() {
        let metadata = root.entry("metadata").or_insert_with(|| serde_json::json!({}));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.insert("namespace".to_owned(), namespace.clone().into());
        }
    }
    Ok((namespace, object))
}

/// Looks at a target: the object it names, all of a list, or what a file said.
pub fn look(kube: &mut Kube, query: &Query, target: &Target) -> Outcome<Vec<Info>> {
    match target {
        Target::Read(info) if query.local => Ok(vec![info.clone()]),
        Target::Read(info) => {
            let object = info.get(kube)?;
            Ok(vec![Info { object, ..info.clone() }])
        }
        Target::Named { resource, namespace, name } => {
            let mut path = resource.object_path(namespace, name);
            if !query.subresource.is_empty() {
                path = format!("{path}/{}", query.subresource);
            }
            let request = Request::get(path, query.accept).about(&resource.name, name);
            let object = kube.object(&request)?;
            Ok(vec![Info {
                resource: resource.clone(),
                namespace: namespace.clone(),
                name: name.clone(),
                object,
                source: String::new(),
            }])
        }
        Target::All { resource, namespace } => {
            let mut infos = Vec::new();
            for page in pages(kube, query, resource, namespace)? {
                for item in list(&page["items"]) {
                    infos.push(of_item(resource, &page, item));
                }
            }
            Ok(infos)
        }
    }
}

/// The pages of a list.
fn pages(kube: &mut Kube, query: &Query, resource: &ApiResource, namespace: &str) -> Outcome<Vec<Arc<Value>>> {
    let mut pages = Vec::new();
    let mut token = String::new();
    loop {
        let page = page(kube, query, resource, namespace, &token)?;
        token = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
        pages.push(page);
        if token.is_empty() {
            return Ok(pages);
        }
    }
}

/// One page of a list, from where the token says.
pub fn page(
    kube: &mut Kube,
    query: &Query,
    resource: &ApiResource,
    namespace: &str,
    token: &str,
) -> Outcome<Arc<Value>> {
    let mut request = Request::get(resource.path(namespace), query.accept)
        .maybe("continue", token)
        .maybe("fieldSelector", &query.field_selector)
        .maybe("labelSelector", &query.selector)
        .about(&resource.name, "");
    for (name, value) in &query.parameters {
        request = request.query(name, value.as_str());
    }
    if query.limit > 0 {
        request = request.query("limit", query.limit.to_string());
    }
    kube.object(&request).map_err(|stop| match stop {
        Stop::Failed(failure) if failure.is("BadRequest") || failure.is_not_found() => {
            Stop::Failed(failure.with(&unlisted(query, resource)))
        }
        other => other,
    })
}

/// What is said before a refusal to list.
fn unlisted(query: &Query, resource: &ApiResource) -> String {
    let what = quote(&resource.resource_text());
    if query.selector.is_empty() && query.field_selector.is_empty() {
        return format!("Unable to list {what}: ");
    }
    let (labels, fields) = (quote(&query.selector), quote(&query.field_selector));
    format!("Unable to find {what} that match label selector {labels}, field selector {fields}: ")
}

/// An object of a list, which leaves out what the list says of all of them.
fn of_item(resource: &ApiResource, page: &Value, item: &Value) -> Info {
    let mut object = item.clone();
    if let Some(map) = object.as_object_mut() {
        let kind = page["kind"].as_str().and_then(|kind| kind.strip_suffix("List")).unwrap_or(&resource.kind);
        map.entry("apiVersion").or_insert_with(|| page["apiVersion"].clone());
        map.entry("kind").or_insert_with(|| kind.into());
    }
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
    Info {
        resource: resource.clone(),
        namespace: text("namespace"),
        name: text("name"),
        object: Arc::new(object),
        source: String::new(),
    }
}

/// Everything that a query finds, and what could not be found.
pub fn infos(kube: &mut Kube, query: &Query) -> Outcome<(Vec<Info>, Vec<Failure>)> {
    let (mut infos, mut failures) = (Vec::new(), Vec::new());
    for target in targets(kube, query)? {
        match look(kube, query, &target) {
            Ok(found) => infos.extend(found),
            Err(Stop::Failed(failure)) => failures.push(failure),
            Err(Stop::Pending) => return Err(Stop::Pending),
        }
    }
    Ok((infos, failures))
}

/// Does something to each object in turn; failures do not stop the others, and are told at the end.
pub fn visit(kube: &mut Kube, query: &Query, mut body: impl FnMut(&mut Kube, &Info) -> Outcome<()>) -> Outcome<()> {
    let targets = targets(kube, query)?;
    let mut failures = Vec::new();
    for target in &targets {
        match look(kube, query, target) {
            Ok(found) => failures.extend(kube.each(&found, &mut body)?),
            Err(Stop::Failed(failure)) => failures.push(failure),
            Err(Stop::Pending) => return Err(Stop::Pending),
        }
    }
    super::failure::all(failures)
}
