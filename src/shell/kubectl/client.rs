//! Requests to the API server: paths, headers, waiting and trying again, and the log of `-v`.
//!
//! Upstream: `k8s.io/client-go/rest` and `k8s.io/client-go/transport`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::config::{Config, KubeConfig};
use super::discovery::{ApiResource, Discovery};
use super::failure::{Failure, Outcome, Refusal, Stop};
use super::flags::Args;
use super::run::{Answer, Entered, Memo, Run, Sent, Stream};
use super::verbose;
use crate::etcd::http::HttpRequest;
use crate::k8s::schema::Schema;
use crate::k8s::{json, protobuf, typed};
use crate::shell::environment::Environment;
use crate::sim::{Micros, SimTime};

/// The client that is imitated.
pub const VERSION: &str = "v1.35.2";
const USER_AGENT: &str = "kubectl/v1.35.2 (linux/amd64) kubernetes/fdc9d74";

/// What a client of each kind would like to read.
pub mod accept {
    /// The dynamic one.
    pub const JSON: &str = "application/json";
    /// The one without a type.
    pub const ANY: &str = "application/json, */*";
    /// Typed ones.
    pub const TYPED: &str = "application/vnd.kubernetes.protobuf,application/json";
    pub const METRICS: &str = "application/vnd.kubernetes.protobuf, */*";
    pub const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
    pub const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
}

/// How bodies are named.
pub mod content {
    pub const JSON: &str = "application/json";
    pub const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
    pub const STRATEGIC: &str = "application/strategic-merge-patch+json";
    pub const MERGE: &str = "application/merge-patch+json";
    pub const JSON_PATCH: &str = "application/json-patch+json";
    pub const APPLY: &str = "application/apply-patch+yaml";
}

/// client-go tries again this often when a server asks to be left alone for a while.
const RETRIES_MAX: usize = 10;
/// What is shown of a header that holds lists of warnings.
const WARNINGS_MAX: usize = 100;
/// Where a client certificate stands when it cannot be shown in a handshake.
const CERTIFICATE_HEADER: &str = "X-Lab-Client-Certificate";

/// A request, before it has a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub accept: &'static str,
    /// Name of what the body is written in.
    pub content: &'static str,
    pub body: Bytes,
    /// For errors: resource and name.
    pub resource: String,
    pub name: String,
}

impl Request {
    pub fn new(method: &'static str, path: impl Into<String>, accept: &'static str) -> Request {
        Request {
            method,
            path: path.into(),
            query: Vec::new(),
            accept,
            content: "",
            body: Bytes::new(),
            resource: String::new(),
            name: String::new(),
        }
    }

    pub fn get(path: impl Into<String>, accept: &'static str) -> Request {
        Request::new("GET", path, accept)
    }

    pub fn query(mut self, name: &str, value: impl Into<String>) -> Request {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    pub fn maybe(self, name: &str, value: &str) -> Request {
        if value.is_empty() { self } else { self.query(name, value) }
    }

    pub fn json(mut self, content: &'static str, body: &Value) -> Request {
        self.content = content;
        self.body = json::to_string(body).into();
        self
    }

    /// The body as typed clients write it.
    pub fn protobuf(mut self, object: &Value) -> Outcome<Request> {
        self.content = content::PROTOBUF;
        self.body = to_protobuf(object).map_err(|error| Stop::Failed(Failure::Text(error)))?.into();
        Ok(self)
    }

    pub fn about(mut self, resource: &str, name: &str) -> Request {
        (self.resource, self.name) = (resource.to_owned(), name.to_owned());
        self
    }

    /// Path and query, as Go's `url.Values.Encode` orders it.
    pub fn target(&self) -> String {
        let mut pairs: Vec<&(String, String)> = self.query.iter().collect();
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        let query: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
        match &query[..] {
            [] => self.path.clone(),
            query => format!("{}?{}", self.path, query.join("&")),
        }
    }
}

/// An object as a typed client sends it.
pub fn to_protobuf(object: &Value) -> Result<Vec<u8>, String> {
    let schema = Schema::kubernetes();
    protobuf::to_bytes(schema, &in_form(object)?)
}

/// The object in the form of its type.
pub fn in_form(object: &Value) -> Result<Value, String> {
    let schema = Schema::kubernetes();
    let text = |name: &str| object[name].as_str().unwrap_or_default();
    let message = schema
        .kind(text("apiVersion"), text("kind"))
        .ok_or_else(|| format!("no kind {:?} is registered for version {:?}", text("kind"), text("apiVersion")))?;
    Ok(typed::decode(schema, message, object.clone())?.value)
}

/// Go's `url.QueryEscape`.
pub fn escape(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// A command and everything that it has at hand.
pub struct Kube<'a, 'f> {
    pub run: Run<'a, 'f>,
    pub args: &'a Args,
    pub environment: &'a Environment,
    /// Differs from run to run: what upstream draws at random comes from it.
    pub seed: u64,
    config: Option<Arc<Config>>,
    discovery: Option<Arc<Discovery>>,
    pub(super) openapi: OpenApi,
}

/// What is known of the server's schemas in this turn.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenApi {
    pub index: Option<Arc<Value>>,
    pub documents: BTreeMap<String, Arc<Value>>,
    pub asked_v2: bool,
}

impl<'a, 'f> Kube<'a, 'f> {
    pub fn new(run: Run<'a, 'f>, args: &'a Args, environment: &'a Environment, seed: u64) -> Kube<'a, 'f> {
        Kube { run, args, environment, seed, config: None, discovery: None, openapi: OpenApi::default() }
    }

    pub fn print(&mut self, text: impl Into<String>) {
        self.run.print(text);
    }

    pub fn complain(&mut self, text: impl Into<String>) {
        self.run.complain(text);
    }

    pub fn warn(&mut self, text: &str) {
        self.run.complain(format!("Warning: {text}\n"));
    }

    pub fn verbosity(&self) -> i64 {
        self.args.int("v")
    }

    pub fn config(&mut self) -> Outcome<Arc<Config>> {
        if let Some(config) = &self.config {
            return Ok(config.clone());
        }
        let config = match self.run.enter_memo() {
            Entered::Over(Memo::Config(config)) => config,
            Entered::Over(_) => Arc::default(),
            Entered::Inside(start) => {
                let file = KubeConfig::load(&mut self.run, self.args, self.environment)?;
                for (path, _) in &file.files {
                    verbose::loaded(self, path);
                }
                let config = Arc::new(file.resolve(&mut self.run, self.args)?);
                self.run.leave_memo(start, Memo::Config(config.clone()));
                config
            }
        };
        self.config = Some(config.clone());
        Ok(config)
    }

    pub fn namespace(&mut self) -> Outcome<String> {
        Ok(self.config()?.namespace.clone())
    }

    /// What the server has to offer.
    pub fn discovery(&mut self) -> Outcome<Arc<Discovery>> {
        if let Some(discovery) = &self.discovery {
            return Ok(discovery.clone());
        }
        // What is found out inside a memo is forgotten with it, so this comes before.
        self.config()?;
        let discovery = match self.run.enter_memo() {
            Entered::Over(Memo::Discovery(discovery)) => discovery,
            Entered::Over(_) => Arc::default(),
            Entered::Inside(start) => {
                let discovery = Arc::new(Discovery::load(self, true)?);
                self.run.leave_memo(start, Memo::Discovery(discovery.clone()));
                discovery
            }
        };
        self.discovery = Some(discovery.clone());
        Ok(discovery)
    }

    /// The same, asked again although it is in the cache.
    fn rediscover(&mut self) -> Outcome<Arc<Discovery>> {
        // What is found out inside a memo is forgotten with it, so this comes before.
        self.config()?;
        let discovery = match self.run.enter_memo() {
            Entered::Over(Memo::Discovery(discovery)) => discovery,
            Entered::Over(_) => Arc::default(),
            Entered::Inside(start) => {
                let discovery = Arc::new(Discovery::load(self, false)?);
                self.run.leave_memo(start, Memo::Discovery(discovery.clone()));
                discovery
            }
        };
        self.discovery = Some(discovery.clone());
        Ok(discovery)
    }

    /// Looks something up in what the server offers; an old answer is not believed when it says no.
    pub fn look_up<T>(&mut self, find: impl Fn(&Discovery) -> Option<T>) -> Outcome<Option<T>> {
        let discovery = self.discovery()?;
        match find(&discovery) {
            None if discovery.is_cached => Ok(find(&*self.rediscover()?)),
            found => Ok(found),
        }
    }

    /// A resource by what it was called on the command line.
    pub fn resource(&mut self, word: &str) -> Outcome<ApiResource> {
        match self.look_up(|discovery| discovery.find(word).cloned())? {
            Some(resource) => Ok(resource),
            None => Err(Stop::Failed(Failure::NoResource(super::discovery::missing(word)))),
        }
    }

    /// What only its outcome matters of.
    pub fn step(&mut self, body: impl FnOnce(&mut Self) -> Outcome<Value>) -> Outcome<Value> {
        let start = match self.run.enter_step() {
            Entered::Over(result) => return result.map_err(Stop::Failed),
            Entered::Inside(start) => start,
        };
        // What is found out inside is forgotten with the rest.
        let before = (self.config.clone(), self.discovery.clone(), self.openapi.clone());
        let result = body(self);
        (self.config, self.discovery, self.openapi) = before;
        let result = match result {
            Err(Stop::Pending) => return Err(Stop::Pending),
            Err(Stop::Failed(failure)) => Err(failure),
            Ok(value) => Ok(value),
        };
        self.run.leave_step(start, result.clone());
        result.map_err(Stop::Failed)
    }

    /// A loop whose state is a value, until the body breaks.
    pub fn fold(
        &mut self,
        state: Value,
        mut body: impl FnMut(&mut Self, &mut Value) -> Outcome<ControlFlow<()>>,
    ) -> Outcome<Value> {
        let (start, mut state) = match self.run.enter_fold(&state) {
            Entered::Over(state) => return Ok(state),
            Entered::Inside(inside) => inside,
        };
        loop {
            let before = (self.config.clone(), self.discovery.clone(), self.openapi.clone());
            let flow = body(self, &mut state);
            (self.config, self.discovery, self.openapi) = before;
            let over = flow?.is_break();
            self.run.turn_fold(start, state.clone(), over);
            if over {
                return Ok(state);
            }
        }
    }

    /// Goes through many things, each a step; a failure does not stop the others.
    pub fn each<T>(
        &mut self,
        items: &[T],
        mut body: impl FnMut(&mut Self, &T) -> Outcome<()>,
    ) -> Outcome<Vec<Failure>> {
        let mut failures = Vec::new();
        for item in items {
            match self.step(|kube| body(kube, item).map(|()| Value::Null)) {
                Ok(_) => {}
                Err(Stop::Failed(failure)) => failures.push(failure),
                Err(Stop::Pending) => return Err(Stop::Pending),
            }
        }
        Ok(failures)
    }

    /// Sends a request, without waiting for its answer.
    pub fn send(&mut self, request: &Request) -> Outcome<Sent> {
        let config = self.config()?;
        let (args, seed) = (self.args, self.seed);
        Ok(self.run.send(&config.authority, config.timeout, || dress(request, &config, args, seed)))
    }

    /// Whatever comes back, after as many attempts as the server asks for.
    pub fn fetch(&mut self, request: &Request) -> Outcome<Arc<Answer>> {
        let began = self.run.time();
        let sent = self.send(request)?;
        self.settle(request, sent, began)
    }

    /// Waits for the answer to what was sent.
    pub fn settle(&mut self, request: &Request, sent: Sent, began: SimTime) -> Outcome<Arc<Answer>> {
        let (mut sent, mut began) = (sent, began);
        for attempt in 0.. {
            let answer = self.received(request, sent, began)?;
            let again = retry_after(&answer).filter(|_| attempt < RETRIES_MAX);
            let Some(seconds) = again else { return Ok(answer) };
            self.run.sleep(Micros::from_secs(seconds))?;
            began = self.run.time();
            sent = self.send(request)?;
        }
        Err(Stop::Failed(Failure::Exit(1)))
    }

    fn received(&mut self, request: &Request, sent: Sent, began: SimTime) -> Outcome<Arc<Answer>> {
        let config = self.config()?;
        match self.run.answer(sent)? {
            Err(error) => {
                verbose::failed(self, request, &config);
                Err(Stop::Failed(Failure::Network { host: host(&config), error }))
            }
            Ok(answer) => {
                verbose::answered(self, request, &config, &answer, began);
                for warning in answer.all("Warning").take(WARNINGS_MAX) {
                    if let Some(text) = warning_text(warning) {
                        self.run.warn_once(&text);
                    }
                }
                Ok(answer)
            }
        }
    }

    /// The answer, if it is a success.
    pub fn call(&mut self, request: &Request) -> Outcome<Arc<Answer>> {
        let answer = self.fetch(request)?;
        self.accept(request, answer)
    }

    pub fn accept(&mut self, request: &Request, answer: Arc<Answer>) -> Outcome<Arc<Answer>> {
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        let verb = request.method.to_lowercase();
        let refusal = Refusal::of(&answer, &verb, &request.resource, &request.name);
        Err(Stop::Failed(Failure::Api(Box::new(refusal))))
    }

    /// The object that comes back.
    pub fn object(&mut self, request: &Request) -> Outcome<Arc<Value>> {
        let answer = self.call(request)?;
        match &answer.json {
            Some(object) => Ok(object.clone()),
            None => {
                let text = String::from_utf8_lossy(&answer.body);
                super::failure::fail(format!("couldn't get version/kind; json parse error: {}", text.trim()))
            }
        }
    }

    /// A body that goes on: its stream, or the refusal.
    pub fn open(&mut self, request: &Request) -> Outcome<Stream> {
        let config = self.config()?;
        let began = self.run.time();
        let mut sent = self.send(request)?;
        for attempt in 0.. {
            let (answer, stream) = match self.run.stream(sent)? {
                Ok(begun) => begun,
                Err(error) => return Err(Stop::Failed(Failure::Network { host: host(&config), error })),
            };
            verbose::answered(self, request, &config, &answer, began);
            if (200..300).contains(&answer.status) {
                return Ok(stream);
            }
            let mut body = Vec::new();
            while let Some(chunk) = self.run.chunk(stream)? {
                body.extend_from_slice(&chunk);
            }
            if let Some(seconds) = retry_after(&answer).filter(|_| attempt < RETRIES_MAX) {
                self.run.sleep(Micros::from_secs(seconds))?;
                sent = self.send(request)?;
                continue;
            }
            let json = json::parse(&body).ok().map(|read| Arc::new(read.value));
            let whole = Arc::new(Answer { body: body.into(), json, ..(*answer).clone() });
            return self.accept(request, whole).and(Err(Stop::Failed(Failure::Exit(1))));
        }
        Err(Stop::Failed(Failure::Exit(1)))
    }

    /// A number that upstream would draw, below a bound.
    pub fn draw(&self, what: &str, below: u64) -> u64 {
        mix(self.seed, what) % below.max(1)
    }
}

fn host(config: &Config) -> String {
    config.authority.clone()
}

/// How long the server asks to wait before the next attempt.
fn retry_after(answer: &Answer) -> Option<u64> {
    if answer.status != 429 && answer.status < 500 {
        return None;
    }
    answer.header("Retry-After")?.parse().ok()
}

/// The text of `299 - "text"`.
fn warning_text(header: &str) -> Option<String> {
    let (code, rest) = header.split_once(' ')?;
    let (_, quoted) = rest.split_once(' ')?;
    let quoted = quoted.strip_prefix('"')?;
    let mut text = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => text.extend(chars.next()),
            c => text.push(c),
        }
    }
    (code == "299" && !text.is_empty()).then_some(text)
}

/// The request as it is sent.
pub fn dress(request: &Request, config: &Config, args: &Args, seed: u64) -> HttpRequest {
    let mut headers = vec![("Host".to_owned(), config.authority.clone())];
    let mut put = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
    put("User-Agent", USER_AGENT);
    if !request.body.is_empty() {
        put("Content-Length", &request.body.len().to_string());
    }
    if !request.accept.is_empty() {
        put("Accept", request.accept);
    }
    if !request.content.is_empty() {
        put("Content-Type", request.content);
    }
    put("Kubectl-Command", &format!("kubectl {}", args.path()));
    put("Kubectl-Session", &session(seed));
    put("Accept-Encoding", "gzip");
    // Who one is, is told to nobody in the clear.
    if config.is_secure {
        if !config.token.is_empty() {
            put("Authorization", &format!("Bearer {}", config.token));
        } else if !config.username.is_empty() {
            let pair = format!("{}:{}", config.username, config.password);
            put("Authorization", &format!("Basic {}", super::config::encode(pair.as_bytes())));
        }
        // Simplified: there is no TLS in the lab; what a handshake would show travels as a header.
        if !config.client_certificate.is_empty() {
            put(CERTIFICATE_HEADER, &config.client_certificate);
        }
    }
    let impersonate = &config.impersonate;
    if !impersonate.user.is_empty() {
        put("Impersonate-User", &impersonate.user);
    }
    if !impersonate.uid.is_empty() {
        put("Impersonate-Uid", &impersonate.uid);
    }
    impersonate.groups.iter().for_each(|group| put("Impersonate-Group", group));
    let mut request = request.clone();
    if let Some(timeout) = config.timeout {
        request.query.retain(|(name, _)| name != "timeout");
        request.query.push(("timeout".to_owned(), timeout.to_string()));
    }
    HttpRequest { method: request.method.to_owned(), target: request.target(), headers, body: request.body }
}

/// A UUID that stands for the process.
fn session(seed: u64) -> String {
    let (a, b) = (mix(seed, "session"), mix(seed, "session, again"));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xfff,
        0x8000 | (b >> 48 & 0x3fff),
        b & 0xffff_ffff_ffff
    )
}

/// FNV-1a, finished by a mixer: a number that looks drawn.
pub fn mix(seed: u64, what: &str) -> u64 {
    let mut hash = what
        .bytes()
        .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}
