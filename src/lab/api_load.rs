//! An API server under load, in a whole world with its causes and checks: what the benchmarks measure, natively and in a
//! browser.

use super::{ADMIN_TOKEN, Input, Lab, Scenario};
use crate::etcd::http::{FetchEvent, HttpRequest};
use crate::k8s::apiserver::endpoint::Endpoint;
use crate::sim::Micros;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// By then the server is ready and has made what every cluster has.
const STARTED: Micros = Micros::from_secs(6);
const PODS: &str = "/api/v1/namespaces/default/pods";
/// Pods that writes and reads go through in turn.
const OBJECTS: u64 = 1_000;

/// What is asked for, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Create,
    Get,
    /// Another label each time.
    Patch,
    Update,
    Delete,
}

impl Verb {
    /// By its name, for scripts.
    pub fn named(name: &str) -> Option<Verb> {
        match name {
            "create" => Some(Verb::Create),
            "get" => Some(Verb::Get),
            "patch" => Some(Verb::Patch),
            "update" => Some(Verb::Update),
            "delete" => Some(Verb::Delete),
            _ => None,
        }
    }
}

/// Three members, one API server, and one client that keeps a number of requests in flight.
pub struct ApiLoad {
    lab: Lab,
    next: u32,
    /// Requests that are under way.
    open: BTreeSet<u32>,
    /// Bytes that watches were told.
    told: usize,
    made: u64,
    turn: u64,
    /// What an update sends, but for the name.
    kept: Value,
}

impl Default for ApiLoad {
    fn default() -> ApiLoad {
        let scenario = Scenario { apiservers: 1, ..Scenario::default() };
        let mut load = ApiLoad {
            lab: Lab::new(scenario, 1),
            next: 0,
            open: BTreeSet::new(),
            told: 0,
            made: 0,
            turn: 0,
            kept: Value::Null,
        };
        load.lab.run_until(load.lab.now() + STARTED, u64::MAX);
        let account = json!({"metadata": {"name": "default"}}).to_string();
        load.ask("POST", "/api/v1/namespaces/default/serviceaccounts", account);
        load
    }
}

impl ApiLoad {
    /// Has this many requests answered, with at most `in_flight` of them under way.
    pub fn run(&mut self, verb: Verb, requests: u64, in_flight: usize) {
        for _ in 0..requests {
            while self.open.len() >= in_flight {
                self.step();
            }
            let (method, target, body) = self.request(verb);
            self.send(method, &target, body);
        }
        self.wait();
    }

    /// A world that holds this many pods.
    pub fn fill(&mut self, pods: u64) {
        self.run(Verb::Create, pods.saturating_sub(self.made), 256);
    }

    /// Lists all pods, and says how many bytes came: from the cache, or whole from etcd.
    pub fn list(&mut self, from_etcd: bool) -> usize {
        let page = if from_etcd { "limit=1000000" } else { "resourceVersion=0" };
        self.ask("GET", &format!("{PODS}?{page}"), String::new()).len()
    }

    /// Opens watches on all pods, from now on.
    pub fn watch(&mut self, watchers: u32) {
        for _ in 0..watchers {
            let number = self.send(
                "GET",
                &format!("{PODS}?watch=1&resourceVersion=0&sendInitialEvents=false&resourceVersionMatch=NotOlderThan"),
                String::new(),
            );
            self.open.remove(&number);
        }
        let until = self.lab.now() + Micros::from_secs(2);
        self.lab.run_until(until, u64::MAX);
        self.heed();
    }

    /// Changes one pod, and waits until every watch has been told.
    pub fn fan_out(&mut self) {
        let before = self.told;
        self.run(Verb::Patch, 1, 1);
        let mut last = before;
        while self.told == before || self.told != last {
            last = self.told;
            let until = self.lab.now() + Micros::from_millis(20);
            self.lab.run_until(until, u64::MAX);
            self.heed();
        }
    }

    pub fn watchers_told(&self) -> usize {
        self.told
    }

    fn request(&mut self, verb: Verb) -> (&'static str, String, String) {
        self.turn += 1;
        let turn = self.turn % self.made.clamp(1, OBJECTS);
        let target = |turn: u64| format!("{PODS}/pod-{turn}");
        match verb {
            Verb::Create => {
                self.made += 1;
                ("POST", PODS.to_owned(), pod(self.made - 1, "a").to_string())
            }
            Verb::Get => ("GET", target(turn), String::new()),
            Verb::Patch => {
                ("PATCH", target(turn), json!({"metadata": {"labels": {"turn": self.turn.to_string()}}}).to_string())
            }
            Verb::Update => ("PUT", target(turn), self.changed(turn).to_string()),
            Verb::Delete => {
                self.made = self.made.saturating_sub(1);
                ("DELETE", target(self.made), String::new())
            }
        }
    }

    /// A pod as the server keeps it, with another label. They differ in nothing but their names.
    fn changed(&mut self, number: u64) -> Value {
        if self.kept.is_null() {
            let body = self.ask("GET", &format!("{PODS}/pod-0"), String::new());
            self.kept = serde_json::from_slice(&body).expect("a pod in JSON");
            let metadata = self.kept["metadata"].as_object_mut().expect("an object");
            metadata.retain(|name, _| name == "labels");
        }
        let mut pod = self.kept.clone();
        pod["metadata"]["name"] = format!("pod-{number}").into();
        pod["metadata"]["labels"]["version"] = self.turn.to_string().into();
        pod
    }

    /// Asks, and reads the whole answer.
    fn ask(&mut self, method: &str, target: &str, body: String) -> Vec<u8> {
        let number = self.send(method, target, body);
        let mut whole = Vec::new();
        while self.open.contains(&number) {
            self.lab.step();
            for (from, event) in self.lab.drain_http() {
                match &event {
                    FetchEvent::Answered { response, .. } if from == number => whole.extend_from_slice(&response.body),
                    FetchEvent::Data { bytes, .. } if from == number => whole.extend_from_slice(bytes),
                    _ => {}
                }
                self.take(from, event);
            }
        }
        whole
    }

    fn send(&mut self, method: &str, target: &str, body: String) -> u32 {
        self.next += 1;
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let headers = vec![
            header("Authorization", &format!("Bearer {ADMIN_TOKEN}")),
            header("Content-Type", kind),
            header("User-Agent", "load/1"),
        ];
        let request =
            HttpRequest { method: method.to_owned(), target: target.to_owned(), headers, body: Bytes::from(body) };
        self.lab.input(&Input::Http { number: self.next, authority: "apiserver-1:6443".to_owned(), request });
        self.open.insert(self.next);
        self.next
    }

    fn wait(&mut self) {
        while !self.open.is_empty() {
            self.step();
        }
    }

    fn step(&mut self) {
        self.lab.step();
        self.heed();
    }

    fn heed(&mut self) {
        for (number, event) in self.lab.drain_http() {
            self.take(number, event);
        }
    }

    /// An answer that is over is under way no more.
    fn take(&mut self, number: u32, event: FetchEvent) {
        let (bytes, more) = match event {
            FetchEvent::Connected => return,
            FetchEvent::Answered { response, more } => {
                assert!(response.status < 300, "{}", String::from_utf8_lossy(&response.body));
                (response.body.len(), more)
            }
            FetchEvent::Data { bytes, more } => (bytes.len(), more),
            FetchEvent::Failed(error) => panic!("a request came to nothing: {error:?}"),
        };
        if !self.open.contains(&number) {
            self.told += bytes;
        }
        if !more {
            self.open.remove(&number);
        }
    }
}

/// A pod as people write them.
fn pod(number: u64, version: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("pod-{number}"), "labels": {"app": "web", "tier": "front", "version": version}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            // What is mounted for a token has a name of its own in each pod.
            "automountServiceAccountToken": false,
            "containers": [{
                "name": "web", "image": "nginx:1.27",
                "ports": [{"containerPort": 80}],
                "env": [{"name": "MODE", "value": "live"}, {"name": "LEVEL", "value": "3"}],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
                "readinessProbe": {"httpGet": {"path": "/healthz", "port": 80}},
            }],
        },
    })
}

/// A pod as the server keeps it, with the kind by which it is read and written.
pub fn kept_pod() -> (Endpoint, Value) {
    let endpoint = Endpoint::built_in("", "v1", "pods").expect("pods are built in");
    let object = endpoint.fill(pod(1, "a")).expect("a whole pod");
    (endpoint, object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_load_is_answered() {
        let mut load = ApiLoad::default();
        load.run(Verb::Create, 20, 8);
        for verb in [Verb::Get, Verb::Patch, Verb::Update] {
            load.run(verb, 20, 8);
        }
        let (cached, stored) = (load.list(false), load.list(true));
        assert!(cached > 20_000 && stored > 20_000, "{cached} {stored}");
        load.watch(5);
        let before = load.watchers_told();
        load.fan_out();
        assert!(load.watchers_told() - before > 5_000);
        load.run(Verb::Delete, 20, 8);
        assert!(load.list(true) < 1_000);
    }
}
