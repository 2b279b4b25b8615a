//! Paths and what can be done there.
//!
//! Upstream: `registerResourceHandlers` of `k8s.io/apiserver/pkg/endpoints/installer.go`, `GetOperationIDAndTags`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{reference, schemas};
use crate::k8s::apiserver::strategy;
use crate::k8s::registry::{Resource, Subresource};
use crate::k8s::schema::{Schema, Type};

/// A resource as its paths see it.
pub(super) struct Entity {
    pub plural: String,
    pub is_namespaced: bool,
    pub verbs: Vec<String>,
    pub kind: Kind,
    /// The name of the type of lists.
    pub list: String,
    pub subresources: Vec<Sub>,
    /// Its deletion answers with the object.
    pub returns_deleted: bool,
    /// It speaks no Protobuf and knows no strategic merge patch.
    pub is_custom: bool,
}

/// A kind, and the name of its type.
#[derive(Clone)]
pub(super) struct Kind {
    pub group: String,
    pub version: String,
    pub name: String,
    pub schema: String,
}

pub(super) struct Sub {
    pub name: String,
    pub kind: Kind,
    pub verbs: Vec<String>,
    pub manner: Manner,
}

/// How a subresource is spoken to.
pub(super) enum Manner {
    Object,
    /// A stream of whatever: these are the parameters, and whether a further path is allowed.
    Connect(Vec<Parameter>, bool),
    /// Text.
    Log(Vec<Parameter>),
}

/// Name, where it stands, and its type.
#[derive(Clone, PartialEq)]
pub(super) struct Parameter(String, &'static str, &'static str);

const LIST: [(&str, &str); 10] = [
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
];
const WRITE: [(&str, &str); 3] = [("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")];
const FORCE: [(&str, &str); 1] = [("force", "boolean")];
const DELETE: [(&str, &str); 5] = [
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("ignoreStoreReadErrorWithClusterBreakingPotential", "boolean"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
];

impl Entity {
    pub fn of_resource(resource: &Resource) -> Entity {
        let api_version = resource.api_version();
        Entity {
            plural: resource.name.to_owned(),
            is_namespaced: resource.is_namespaced,
            verbs: resource.verbs.iter().map(|verb| (*verb).to_owned()).collect(),
            kind: kind_of(&api_version, resource.kind),
            list: kind_of(&api_version, &format!("{}List", resource.kind)).schema,
            subresources: resource.subresources.iter().map(|sub| sub_of(&api_version, sub)).collect(),
            returns_deleted: strategy::returns_deleted_object(resource),
            is_custom: false,
        }
    }
}

fn kind_of(api_version: &str, kind: &str) -> Kind {
    let schema = Schema::kubernetes();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let name = schema.kind(api_version, kind).map(|id| schemas::name_of(schema.message(id)));
    Kind {
        group: group.to_owned(),
        version: version.to_owned(),
        name: kind.to_owned(),
        schema: name.unwrap_or_default(),
    }
}

fn sub_of(api_version: &str, sub: &Subresource) -> Sub {
    let api_version = sub.of.unwrap_or(api_version);
    let manner = match sub.name {
        "log" => Manner::Log(options(api_version, "PodLogOptions")),
        "exec" | "attach" | "portforward" => Manner::Connect(options(api_version, sub.kind), false),
        "proxy" => Manner::Connect(options(api_version, sub.kind), true),
        _ => Manner::Object,
    };
    Sub {
        name: sub.name.to_owned(),
        kind: kind_of(api_version, sub.kind),
        verbs: sub.verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        manner,
    }
}

/// The fields of options, which travel as parameters.
fn options(api_version: &str, kind: &str) -> Vec<Parameter> {
    let schema = Schema::kubernetes();
    let Some(id) = schema.kind(api_version, kind) else { return Vec::new() };
    let fields = schema.message(id).fields.iter().filter(|field| !matches!(field.name, "kind" | "apiVersion"));
    fields
        .filter_map(|field| {
            let ty = match &field.ty {
                Type::List(inner) => inner,
                ty => ty,
            };
            let ty = match ty {
                Type::String => "string",
                Type::Bool => "boolean",
                Type::Int32 | Type::Int64 => "integer",
                _ => return None,
            };
            Some(Parameter(field.name.to_owned(), "query", ty))
        })
        .collect()
}

/// All paths of a group version.
pub(super) fn of_version(group: &str, version: &str, entities: &[Entity]) -> Map<String, Value> {
    let root = format!("/{}", super::path_of(group, version));
    let mut paths = Paths { group, version, root: root.clone(), paths: BTreeMap::new() };
    let list = schemas::meta("APIResourceList");
    let about = paths.operation(Spec {
        method: "get",
        verb: "get",
        name: "APIResources".to_owned(),
        action: None,
        parameters: Vec::new(),
        sent: None,
        codes: &[200],
        answer: &list,
        media: &BUILT_IN,
    });
    paths.paths.insert(format!("{root}/"), vec![about]);
    for entity in entities {
        paths.add(entity);
    }
    paths.paths.into_iter().map(|(path, operations)| (path, item(operations))).collect()
}

const BUILT_IN: [&str; 3] = ["application/json", "application/vnd.kubernetes.protobuf", "application/yaml"];
const CUSTOM: [&str; 2] = ["application/json", "application/yaml"];
const STREAMS: [&str; 5] = [
    "application/json",
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf",
    "application/vnd.kubernetes.protobuf;stream=watch",
    "application/yaml",
];

struct Paths<'a> {
    group: &'a str,
    version: &'a str,
    root: String,
    paths: BTreeMap<String, Vec<Operation>>,
}

struct Operation {
    method: &'static str,
    parameters: Vec<Parameter>,
    body: Map<String, Value>,
}

/// What makes an operation.
struct Spec<'a> {
    method: &'static str,
    /// The first word of its name, which says more than the method.
    verb: &'static str,
    name: String,
    /// Nothing if no resource is acted upon.
    action: Option<(&'static str, &'a Kind)>,
    parameters: Vec<Parameter>,
    sent: Option<Value>,
    codes: &'static [u16],
    /// The name of the type that is answered with; empty for text.
    answer: &'a str,
    media: &'a [&'static str],
}

/// Where something is done: the path, and the parameters that stand in it.
#[derive(Clone)]
struct Place {
    path: String,
    parameters: Vec<Parameter>,
}

impl Place {
    fn below(&self, part: &str) -> Place {
        Place { path: format!("{}/{part}", self.path), parameters: self.parameters.clone() }
    }

    fn with(&self, name: &str) -> Place {
        let mut place = self.below(&format!("{{{name}}}"));
        place.parameters.push(Parameter(name.to_owned(), "path", "string"));
        place
    }
}

impl Paths<'_> {
    fn add(&mut self, entity: &Entity) {
        let scoped = |root: Place| {
            if entity.is_namespaced { root.below("namespaces").with("namespace") } else { root }.below(&entity.plural)
        };
        let root = Place { path: self.root.clone(), parameters: Vec::new() };
        let watch = root.below("watch");
        let infix = if entity.is_namespaced { "Namespaced" } else { "" };
        let name = format!("{infix}{}", entity.kind.name);
        let has = |verb: &str| entity.verbs.iter().any(|own| own == verb);
        if entity.is_namespaced && has("list") {
            let name = format!("{}ForAllNamespaces", entity.kind.name);
            self.add_list(&root.below(&entity.plural), "list", &name, "list", entity);
        }
        if entity.is_namespaced && has("watch") {
            let name = format!("{}ListForAllNamespaces", entity.kind.name);
            self.add_list(&watch.below(&entity.plural), "watch", &name, "watchlist", entity);
        }
        let many = scoped(root);
        if has("list") {
            self.add_list(&many, "list", &name, "list", entity);
        }
        if has("create") {
            self.add_write(&many, "post", &name, &entity.kind, entity);
        }
        if has("deletecollection") {
            self.add_delete_collection(&many, &name, entity);
        }
        let one = many.with("name");
        self.add_object(&one, &name, entity);
        if has("watch") {
            let many = scoped(watch);
            self.add_list(&many, "watch", &format!("{name}List"), "watchlist", entity);
            self.add_list(&many.with("name"), "watch", &name, "watch", entity);
        }
        for sub in &entity.subresources {
            self.add_sub(&one.below(&sub.name), &format!("{name}{}", capital(&sub.name)), sub, entity);
        }
    }

    /// What is done with one object.
    fn add_object(&mut self, one: &Place, name: &str, entity: &Entity) {
        for verb in &entity.verbs {
            match &verb[..] {
                "get" => self.add_read(one, name, &entity.kind, entity),
                "update" => self.add_write(one, "put", name, &entity.kind, entity),
                "patch" => self.add_write(one, "patch", name, &entity.kind, entity),
                "delete" => self.add_delete(one, name, entity),
                _ => {}
            }
        }
    }

    fn add_sub(&mut self, place: &Place, name: &str, sub: &Sub, entity: &Entity) {
        match &sub.manner {
            Manner::Object => {
                for verb in &sub.verbs {
                    match &verb[..] {
                        "get" => self.add_read(place, name, &sub.kind, entity),
                        "create" => self.add_write(place, "post", name, &sub.kind, entity),
                        "update" => self.add_write(place, "put", name, &sub.kind, entity),
                        "patch" => self.add_write(place, "patch", name, &sub.kind, entity),
                        _ => {}
                    }
                }
            }
            Manner::Log(parameters) => {
                let media = [&BUILT_IN[..], &["text/plain"]].concat();
                let operation = self.operation(Spec {
                    method: "get",
                    verb: "read",
                    name: name.to_owned(),
                    action: Some(("get", &sub.kind)),
                    parameters: self.parameters(place, parameters.clone()),
                    sent: None,
                    codes: &[200],
                    answer: "",
                    media: &media,
                });
                self.push(place, operation);
            }
            Manner::Connect(parameters, has_path) => {
                self.add_connect(place, name, sub, parameters);
                if *has_path {
                    self.add_connect(&place.with("path"), &format!("{name}WithPath"), sub, parameters);
                }
            }
        }
    }

    fn add_connect(&mut self, place: &Place, name: &str, sub: &Sub, parameters: &[Parameter]) {
        let has = |verb: &str| sub.verbs.iter().any(|own| own == verb);
        let is_proxy = has("update");
        let methods = [
            ("get", has("get")),
            ("post", has("create")),
            ("put", has("update")),
            ("patch", has("patch")),
            ("delete", has("delete")),
            ("options", is_proxy),
            ("head", is_proxy),
        ];
        for (method, _) in methods.into_iter().filter(|(_, is_there)| *is_there) {
            let operation = self.operation(Spec {
                method,
                verb: "connect",
                name: format!("{}{name}", capital(method)),
                action: Some(("connect", &sub.kind)),
                parameters: [parameters, &place.parameters].concat(),
                sent: None,
                codes: &[200],
                answer: "",
                media: &["*/*"],
            });
            self.push(place, operation);
        }
    }

    fn add_list(&mut self, place: &Place, verb: &'static str, name: &str, action: &'static str, entity: &Entity) {
        let watch = schemas::meta("WatchEvent");
        let operation = self.operation(Spec {
            method: "get",
            verb,
            name: name.to_owned(),
            action: Some((action, &entity.kind)),
            parameters: self.parameters(place, query(&LIST)),
            sent: None,
            codes: &[200],
            answer: if verb == "watch" { &watch } else { &entity.list },
            media: if entity.is_custom { &CUSTOM } else { &STREAMS },
        });
        self.push(place, operation);
    }

    fn add_read(&mut self, place: &Place, name: &str, kind: &Kind, entity: &Entity) {
        let operation = self.operation(Spec {
            method: "get",
            verb: "read",
            name: name.to_owned(),
            action: Some(("get", kind)),
            parameters: self.parameters(place, Vec::new()),
            sent: None,
            codes: &[200],
            answer: &kind.schema,
            media: media(entity),
        });
        self.push(place, operation);
    }

    fn add_write(&mut self, place: &Place, method: &'static str, name: &str, kind: &Kind, entity: &Entity) {
        let mut parameters = self.parameters(place, query(&WRITE));
        let body = if method == "patch" {
            parameters.extend(query(&FORCE));
            let strategic = (!entity.is_custom).then_some("application/strategic-merge-patch+json");
            let patches =
                ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"];
            let media: Vec<&str> = patches.into_iter().chain(strategic).collect();
            content(&media, &schemas::meta("Patch"))
        } else if entity.is_custom {
            content(&CUSTOM, &kind.schema)
        } else {
            content(&["*/*"], &kind.schema)
        };
        let (verb, codes): (_, &[u16]) = match method {
            "post" => ("create", &[200, 201, 202]),
            "put" => ("replace", &[200, 201]),
            _ => ("patch", &[200, 201]),
        };
        let operation = self.operation(Spec {
            method,
            verb,
            name: name.to_owned(),
            action: Some((method, kind)),
            parameters,
            sent: Some(json!({"content": body, "required": true})),
            codes,
            answer: &kind.schema,
            media: media(entity),
        });
        self.push(place, operation);
    }

    fn add_delete(&mut self, place: &Place, name: &str, entity: &Entity) {
        let status = schemas::meta("Status");
        let sent: &[&str] = if entity.is_custom { &CUSTOM } else { &["*/*"] };
        let operation = self.operation(Spec {
            method: "delete",
            verb: "delete",
            name: name.to_owned(),
            action: Some(("delete", &entity.kind)),
            parameters: self.parameters(place, query(&DELETE)),
            sent: Some(json!({"content": content(sent, &schemas::meta("DeleteOptions"))})),
            codes: &[200, 202],
            answer: if entity.returns_deleted { &entity.kind.schema } else { &status },
            media: media(entity),
        });
        self.push(place, operation);
    }

    fn add_delete_collection(&mut self, place: &Place, name: &str, entity: &Entity) {
        let mut parameters = query(&DELETE);
        parameters.extend(query(&LIST).into_iter().filter(|own| own.0 != "watch" && own.0 != "allowWatchBookmarks"));
        let sent: &[&str] = if entity.is_custom { &CUSTOM } else { &["*/*"] };
        let operation = self.operation(Spec {
            method: "delete",
            verb: "delete",
            name: format!("Collection{name}"),
            action: Some(("deletecollection", &entity.kind)),
            parameters: self.parameters(place, parameters),
            sent: Some(json!({"content": content(sent, &schemas::meta("DeleteOptions"))})),
            codes: &[200],
            answer: &schemas::meta("Status"),
            media: media(entity),
        });
        self.push(place, operation);
    }

    /// Those of the path, and `pretty`.
    fn parameters(&self, place: &Place, mut parameters: Vec<Parameter>) -> Vec<Parameter> {
        parameters.extend(place.parameters.clone());
        parameters.push(Parameter("pretty".to_owned(), "query", "string"));
        parameters
    }

    fn push(&mut self, place: &Place, operation: Operation) {
        self.paths.entry(place.path.clone()).or_default().push(operation);
    }

    fn operation(&self, spec: Spec) -> Operation {
        let mut body = Map::new();
        body.insert("tags".to_owned(), json!([self.tag()]));
        body.insert("operationId".to_owned(), self.id(spec.verb, &spec.name).into());
        body.insert("parameters".to_owned(), Value::Null);
        body.extend(spec.sent.map(|sent| ("requestBody".to_owned(), sent)));
        body.insert("responses".to_owned(), responses(spec.codes, spec.answer, spec.media).into());
        if let Some((action, Kind { group, version, name, .. })) = spec.action {
            body.insert("x-kubernetes-action".to_owned(), action.into());
            let kind = json!({"group": group, "version": version, "kind": name});
            body.insert("x-kubernetes-group-version-kind".to_owned(), kind);
        }
        Operation { method: spec.method, parameters: spec.parameters, body }
    }

    fn id(&self, verb: &str, name: &str) -> String {
        format!("{verb}{}{}{name}", capital(&self.group_name()), capital(self.version))
    }

    fn tag(&self) -> String {
        format!("{}_{}", self.group_name(), self.version)
    }

    /// As one word: `rbacAuthorization`.
    fn group_name(&self) -> String {
        if self.group.is_empty() {
            return "core".to_owned();
        }
        let trimmed = self.group.strip_suffix(".k8s.io").unwrap_or(self.group);
        let mut parts = trimmed.split(|c: char| !c.is_ascii_alphanumeric());
        parts.next().unwrap_or_default().to_owned() + &parts.map(capital).collect::<String>()
    }
}

fn query(parameters: &[(&str, &'static str)]) -> Vec<Parameter> {
    parameters.iter().map(|(name, ty)| Parameter((*name).to_owned(), "query", ty)).collect()
}

fn media(entity: &Entity) -> &'static [&'static str] {
    if entity.is_custom { &CUSTOM } else { &BUILT_IN }
}

fn content(media: &[&str], schema: &str) -> Value {
    let one = if schema.is_empty() { json!({"type": "string"}) } else { reference(schema) };
    Value::Object(media.iter().map(|media| ((*media).to_owned(), json!({"schema": one}))).collect())
}

fn responses(codes: &[u16], answer: &str, media: &[&str]) -> Map<String, Value> {
    let mut responses = Map::new();
    for code in codes {
        let description = match code {
            201 => "Created",
            202 => "Accepted",
            _ => "OK",
        };
        let body = json!({"description": description, "content": content(media, answer)});
        responses.insert(code.to_string(), body);
    }
    responses.insert("401".to_owned(), json!({"description": "Unauthorized"}));
    responses
}

/// The operations of a path. Parameters that all of them have are said once.
fn item(operations: Vec<Operation>) -> Value {
    let mut shared = operations.first().map(|first| first.parameters.clone()).unwrap_or_default();
    shared.retain(|own| operations.iter().all(|operation| operation.parameters.contains(own)));
    let mut body = Map::new();
    for mut operation in operations {
        operation.parameters.retain(|own| !shared.contains(own));
        if operation.parameters.is_empty() {
            operation.body.shift_remove("parameters");
        } else {
            operation.body.insert("parameters".to_owned(), parameter_list(operation.parameters));
        }
        body.insert(operation.method.to_owned(), operation.body.into());
    }
    if !shared.is_empty() {
        body.insert("parameters".to_owned(), parameter_list(shared));
    }
    body.into()
}

fn parameter_list(mut parameters: Vec<Parameter>) -> Value {
    parameters.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let show = |Parameter(name, place, ty): &Parameter| {
        let mut body = Map::new();
        body.insert("name".to_owned(), name.clone().into());
        body.insert("in".to_owned(), (*place).into());
        if *place == "path" {
            body.insert("required".to_owned(), true.into());
        }
        body.insert("schema".to_owned(), json!({"type": ty, "uniqueItems": true}));
        Value::from(body)
    };
    parameters.iter().map(show).collect::<Vec<_>>().into()
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}
