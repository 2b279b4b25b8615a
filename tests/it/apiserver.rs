//! API servers in a world: what clients are told, what lies in etcd, and what holds while servers and members die.

use control_plane_lab::etcd::Member;
use control_plane_lab::etcd::http::{FetchEvent, HttpRequest, HttpResponse};
use control_plane_lab::lab::workstation::PrintedKind;
use control_plane_lab::lab::{ADMIN_TOKEN, Input, Lab, Scenario};
use control_plane_lab::raft::StateType;
use control_plane_lab::sim::{Fault, HostId, Micros};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A world, and requests into it from outside.
struct World {
    lab: Lab,
    next: u32,
    answers: BTreeMap<u32, Answer>,
}

/// What has come of a request so far.
#[derive(Default)]
struct Answer {
    head: Option<Arc<HttpResponse>>,
    body: Vec<u8>,
    over: bool,
}

const PODS: &str = "/api/v1/namespaces/default/pods";
const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

impl World {
    fn new(scenario: &str, seed: u64) -> World {
        let lab = Lab::new(Scenario::parse(scenario).unwrap(), seed);
        let mut world = World { lab, next: 0, answers: BTreeMap::new() };
        world.run(5_000);
        world
    }

    fn run(&mut self, millis: u64) {
        let end = self.lab.now() + Micros::from_millis(millis);
        self.lab.run_until(end, u64::MAX);
        self.collect();
    }

    fn collect(&mut self) {
        for (number, event) in self.lab.drain_http() {
            let answer = self.answers.entry(number).or_default();
            match event {
                FetchEvent::Connected => {}
                FetchEvent::Answered { response, more } => {
                    answer.body.extend_from_slice(&response.body);
                    (answer.head, answer.over) = (Some(response), !more);
                }
                FetchEvent::Data { bytes, more } => {
                    answer.body.extend_from_slice(&bytes);
                    answer.over = !more;
                }
                FetchEvent::Failed(_) => answer.over = true,
            }
        }
    }

    /// Asks a server, and does not wait.
    fn send(&mut self, server: u8, method: &str, target: &str, content_type: &str, body: &str) -> u32 {
        self.next += 1;
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let request = HttpRequest {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: vec![
                header("Authorization", &format!("Bearer {ADMIN_TOKEN}")),
                header("Content-Type", content_type),
                header("User-Agent", "test/1"),
            ],
            body: body.to_owned().into(),
        };
        self.lab.input(&Input::Http { number: self.next, authority: format!("apiserver-{server}:6443"), request });
        self.next
    }

    /// Asks the first server and waits for the answer: its status and body.
    #[track_caller]
    fn ask(&mut self, method: &str, target: &str, body: Value) -> (u16, Value) {
        self.ask_server(1, method, target, body)
    }

    #[track_caller]
    fn ask_server(&mut self, server: u8, method: &str, target: &str, body: Value) -> (u16, Value) {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let number = self.send(server, method, target, content_type(method), &text);
        let patience = self.lab.now().0 + 70_000_000;
        while !self.answers.get(&number).is_some_and(|answer| answer.over) {
            assert!(self.lab.now().0 < patience, "no answer to {method} {target}");
            self.lab.step();
            self.collect();
        }
        let answer = &self.answers[&number];
        let status = answer.head.as_ref().map_or(0, |head| head.status);
        (status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
    }

    /// Reads with headers of one's own: the whole answer.
    #[track_caller]
    fn read(&mut self, target: &str, headers: &[(&str, &str)]) -> HttpResponse {
        self.next += 1;
        let own = [("Authorization", &*format!("Bearer {ADMIN_TOKEN}")), ("User-Agent", "test/1")];
        let headers =
            own.iter().chain(headers).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request =
            HttpRequest { method: "GET".to_owned(), target: target.to_owned(), headers, body: String::new().into() };
        let number = self.next;
        self.lab.input(&Input::Http { number, authority: "apiserver-1:6443".to_owned(), request });
        let patience = self.lab.now().0 + 70_000_000;
        while !self.answers.get(&number).is_some_and(|answer| answer.over) {
            assert!(self.lab.now().0 < patience, "no answer to {target}");
            self.lab.step();
            self.collect();
        }
        let answer = &self.answers[&number];
        let head = answer.head.as_deref().expect("an answer that is over has begun").clone();
        HttpResponse { body: answer.body.clone().into(), ..head }
    }

    /// The events of a watch so far, as kind, name and revision.
    fn events(&self, number: u32) -> Vec<(String, String, i64)> {
        let Some(answer) = self.answers.get(&number) else { return Vec::new() };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let lines = answer.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let events = lines.map(|line| serde_json::from_slice::<Value>(line).expect("a watch tells in JSON"));
        let event = |event: Value| {
            let metadata = &event["object"]["metadata"];
            let revision = text(&metadata["resourceVersion"]).parse().unwrap_or(0);
            (text(&event["type"]), text(&metadata["name"]), revision)
        };
        events.map(event).collect()
    }

    /// What a line prints in the first terminal.
    fn line(&mut self, text: &str) -> String {
        let before = self.lab.workstation().terminals()[0].scrollback().len();
        self.lab.input(&Input::Line { terminal: 0, text: text.to_owned() });
        self.run(3_000);
        let printed = self.lab.workstation().terminals()[0].scrollback().iter().skip(before);
        let shown = printed.filter(|piece| matches!(piece.kind, PrintedKind::Stdout | PrintedKind::Stderr));
        shown.map(|piece| &*piece.text).collect()
    }

    fn inflict(&mut self, fault: Fault) {
        self.lab.input(&Input::Fault(fault));
    }
}

fn content_type(method: &str) -> &'static str {
    if method == "PATCH" { "application/merge-patch+json" } else { "application/json" }
}

fn config_map(name: &str) -> Value {
    json!({"metadata": {"name": name}, "data": {"count": "0"}})
}

#[test]
fn an_object_from_birth_to_death() {
    let mut world = World::new("members=3 apiservers=1", 1);
    let (status, made) = world.ask("POST", CONFIG_MAPS, config_map("a"));
    assert_eq!((status, &made["kind"], &made["metadata"]["name"]), (201, &json!("ConfigMap"), &json!("a")));
    assert_eq!(made["metadata"]["managedFields"][0]["manager"], "test");
    let (status, again) = world.ask("POST", CONFIG_MAPS, config_map("a"));
    assert_eq!((status, again["message"].as_str()), (409, Some("configmaps \"a\" already exists")));
    let path = format!("{CONFIG_MAPS}/a");
    let (status, read) = world.ask("GET", &path, Value::Null);
    assert_eq!((status, &read), (200, &made));
    let (status, patched) = world.ask("PATCH", &path, json!({"data": {"more": "1"}}));
    assert_eq!((status, &patched["data"]), (200, &json!({"count": "0", "more": "1"})));
    let (status, stale) = world.ask("PUT", &path, made);
    let modified = "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your \
        changes to the latest version and try again";
    assert_eq!((status, stale["message"].as_str()), (409, Some(modified)));
    // A write that changes nothing is none.
    let (status, same) = world.ask("PATCH", &path, json!({"data": {"more": "1"}}));
    assert_eq!((status, &same["metadata"]["resourceVersion"]), (200, &patched["metadata"]["resourceVersion"]));
    let stored = world.line("etcdctl get /registry/configmaps/default/a --print-value-only | head -c 15 | hexdump -C");
    assert!(stored.contains("6b 38 73 00 0a 0f 0a 02  76 31 12 09 43 6f 6e"), "{stored}");
    let (status, gone) = world.ask("DELETE", &path, Value::Null);
    assert_eq!((status, &gone["status"], &gone["details"]["kind"]), (200, &json!("Success"), &json!("configmaps")));
    let (status, missing) = world.ask("GET", &path, Value::Null);
    assert_eq!((status, missing["reason"].as_str()), (404, Some("NotFound")));
    assert_eq!(world.line("etcdctl get /registry/configmaps/default/a"), "");
}

#[test]
fn pages_selectors_and_tables() {
    let mut world = World::new("members=1 apiservers=1", 2);
    for (name, tier) in [("a", "front"), ("b", "back"), ("c", "front"), ("d", "front")] {
        let labels = json!({"metadata": {"name": name, "labels": {"tier": tier}}});
        assert_eq!(world.ask("POST", CONFIG_MAPS, labels).0, 201);
    }
    let names = |list: &Value| -> Vec<String> {
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let (_, page) = world.ask("GET", &format!("{CONFIG_MAPS}?limit=2&labelSelector=tier%3Dfront"), Value::Null);
    assert_eq!(names(&page), ["a", "c"]);
    assert_eq!(page["metadata"].get("remainingItemCount"), None, "with a selector nobody knows how many");
    let token = page["metadata"]["continue"].as_str().unwrap().to_owned();
    // What is written meanwhile is not in the pages of the past.
    assert_eq!(world.ask("POST", CONFIG_MAPS, json!({"metadata": {"name": "cc", "labels": {"tier": "front"}}})).0, 201);
    let target = format!("{CONFIG_MAPS}?limit=2&labelSelector=tier%3Dfront&continue={token}");
    let (_, rest) = world.ask("GET", &target, Value::Null);
    assert_eq!(
        (names(&rest), &rest["metadata"]["resourceVersion"]),
        (vec!["d".to_owned()], &page["metadata"]["resourceVersion"])
    );
    let (_, all) = world.ask("GET", CONFIG_MAPS, Value::Null);
    assert_eq!(names(&all), ["a", "b", "c", "cc", "d"]);
    assert!(all["items"][0].get("kind").is_none(), "a list says for all what they are");
    let (_, one) = world.ask("GET", &format!("{CONFIG_MAPS}?fieldSelector=metadata.name%3Db"), Value::Null);
    assert_eq!(names(&one), ["b"]);
    let (status, wrong) = world.ask("GET", &format!("{CONFIG_MAPS}?fieldSelector=data.x%3Db"), Value::Null);
    assert_eq!((status, wrong["reason"].as_str()), (400, Some("BadRequest")));
    let (status, future) = world.ask("GET", &format!("{CONFIG_MAPS}?resourceVersion=99999"), Value::Null);
    assert_eq!(status, 504);
    assert!(future["message"].as_str().unwrap().starts_with("Timeout: Too large resource version: 99999, current: "));
}

#[test]
fn bad_bodies_get_clear_answers() {
    let mut world = World::new("members=1 apiservers=1", 3);
    let pod = json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let (status, lonely) = world.ask("POST", PODS, pod);
    let nobody = "pods \"a\" is forbidden: error looking up service account default/default: serviceaccount \"default\" not found";
    assert_eq!((status, lonely["message"].as_str()), (403, Some(nobody)));
    let account = json!({"metadata": {"name": "default"}});
    assert_eq!(world.ask("POST", "/api/v1/namespaces/default/serviceaccounts", account).0, 201);
    let mut refuse = |body: &str, status: u16, part: &str| {
        let number = world.send(1, "POST", &format!("{PODS}?fieldValidation=Strict"), "application/json", body);
        world.run(1_000);
        let answer = &world.answers[&number];
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.head.as_ref().unwrap().status, status, "{text}");
        assert!(text.contains(part), "{text}");
    };
    refuse("", 400, "unexpected end of JSON input");
    refuse("{\"metadata\":{\"name\":\"a\"}", 400, "unexpected end of JSON input");
    refuse(&("[".repeat(100_000)), 400, "exceeded max depth");
    refuse("{\"kind\":\"Deployment\",\"apiVersion\":\"apps/v1\"}", 400, "does not match the expected API version");
    refuse(
        r#"{"metadata":{"name":"A_b"},"spec":{"containers":[{"name":"c","image":"i"}]}}"#,
        422,
        "RFC 1123 subdomain",
    );
    refuse(r#"{"metadata":{"name":"a"},"spec":{"containers":5}}"#, 400, "cannot unmarshal number");
    refuse(r#"{"metadata":{"name":"a"},"spec":{"containrs":[]}}"#, 400, "unknown field \\\"spec.containrs\\\"");
    refuse(
        r#"{"metadata":{"name":"a","namespace":"b"},"spec":{"containers":[]}}"#,
        400,
        "does not match the namespace",
    );
    let big = format!("{{\"metadata\":{{\"name\":\"a\",\"annotations\":{{\"x\":\"{}\"}}}}}}", "x".repeat(3 << 20));
    refuse(&big, 413, "limit is 3145728");
}

#[test]
fn anonymous_users_are_refused_and_named() {
    let mut world = World::new("members=1 apiservers=1", 4);
    let said = world.line("curl -s http://apiserver-1:6443/api/v1/namespaces/default/secrets/x");
    assert!(said.contains(r#"User \"system:anonymous\" cannot get resource \"secrets\" in API group \"\" in the namespace \"default\""#), "{said}");
    assert_eq!(world.line("curl -s http://apiserver-1:6443/livez"), "ok");
    let said = world.line("curl -s -H 'Authorization: Bearer nobody' http://apiserver-1:6443/api");
    assert!(said.contains("\"code\": 401"), "{said}");
}

/// A server whose etcd has no leader lives, is not well, and says which check failed.
#[test]
fn health_tells_of_etcd() {
    let mut world = World::new("members=3 apiservers=1", 9);
    let readyz = "curl -s 'http://apiserver-1:6443/readyz?verbose' | grep -e 'etcd ' -e check | tr '\\n' ' '";
    assert_eq!(world.line(readyz), "[+]etcd ok readyz check passed ");
    assert_eq!(world.line("kubectl get --raw /livez/etcd"), "ok");
    for host in [0, 1] {
        world.inflict(Fault::PowerOff { host: HostId(host) });
    }
    world.run(5_000);
    assert_eq!(world.line(readyz), "[-]etcd failed: reason withheld readyz check failed ");
    assert_eq!(world.line("curl -s 'http://apiserver-1:6443/livez?exclude=etcd'"), "ok");
}

/// Many writers count up one object through three servers, of which one after the other dies and returns.
#[test]
fn no_update_is_lost() {
    let mut world = World::new("members=3 apiservers=3", 5);
    assert_eq!(world.ask("POST", CONFIG_MAPS, config_map("counter")).0, 201);
    let path = format!("{CONFIG_MAPS}/counter");
    const WRITERS: usize = 50;
    // What each writer waits for: the answer to a read, or to the write that follows from it.
    let mut waiting: Vec<Option<(u32, bool)>> = vec![None; WRITERS];
    let (mut written, mut unknown, mut conflicts) = (0_u64, 0_u64, 0_u64);
    let first = world.lab.workstation().host().0 + 1;
    for round in 0..400_u64 {
        for (writer, slot) in waiting.iter_mut().enumerate() {
            let server = (writer % 3) as u8 + 1;
            let Some((number, is_write)) = *slot else {
                if round < 300 {
                    *slot = Some((world.send(server, "GET", &path, "", ""), false));
                }
                continue;
            };
            let Some(answer) = world.answers.get(&number).filter(|answer| answer.over) else { continue };
            let status = answer.head.as_ref().map_or(0, |head| head.status);
            let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            *slot = None;
            match (is_write, status) {
                (false, 200) => {
                    let mut object = body;
                    let count: u64 = object["data"]["count"].as_str().unwrap().parse().unwrap();
                    object["data"]["count"] = (count + 1).to_string().into();
                    let number = world.send(server, "PUT", &path, "application/json", &object.to_string());
                    *slot = Some((number, true));
                }
                (true, 200) => written += 1,
                (true, 409) => {
                    assert!(body["message"].as_str().unwrap().contains("the object has been modified"));
                    conflicts += 1;
                }
                // Nobody knows what came of it.
                (true, _) => unknown += 1,
                (false, _) => {}
            }
        }
        let host = HostId(first + (round / 40 % 3) as u16);
        match round % 40 {
            10 => world.inflict(Fault::PowerOff { host }),
            25 => world.inflict(Fault::PowerOn { host }),
            _ => {}
        }
        if round == 150 {
            world.inflict(Fault::PowerOff { host: HostId(0) });
        }
        world.run(50);
    }
    world.run(70_000);
    unknown += waiting.iter().filter(|waiting| matches!(waiting, Some((_, true)))).count() as u64;
    let (_, counter) = world.ask("GET", &path, Value::Null);
    let count: u64 = counter["data"]["count"].as_str().unwrap().parse().unwrap();
    println!("{written} written, {conflicts} conflicts, {unknown} unknown, counted {count}");
    assert!(count >= written, "{count} of {written}: an update was lost");
    assert!(count <= written + unknown, "{count} of {written} and {unknown}: an update was made twice");
    assert!(written > 40);
    assert!(conflicts > 40);
    assert!(world.lab.check().violations().is_empty());
}

/// A client that watches, and goes on from the last revision that it knows wherever a server lives, misses nothing.
#[test]
fn a_watch_outlives_its_server() {
    let mut world = World::new("members=3 apiservers=2", 6);
    let (_, list) = world.ask("GET", CONFIG_MAPS, Value::Null);
    let mut revision: i64 = list["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    let target = |revision: i64| format!("{CONFIG_MAPS}?watch=1&resourceVersion={revision}");
    let (mut seen, mut server) = (Vec::new(), 1);
    let mut watch = world.send(server, "GET", &target(revision), "", "");
    let first = world.lab.workstation().host().0 + 1;
    let mut writes = Vec::new();
    for round in 0..60 {
        let object = config_map(&format!("n{round}")).to_string();
        writes.push(world.send(2, "POST", CONFIG_MAPS, "application/json", &object));
        match round {
            20 => world.inflict(Fault::PowerOff { host: HostId(first) }),
            35 => {
                let leads = |(_, member): &(HostId, &Member)| member.raft().state() == StateType::Leader;
                let host = world.lab.members().find(leads).expect("somebody leads").0;
                world.inflict(Fault::PowerOff { host });
            }
            _ => {}
        }
        world.run(200);
        let events = world.events(watch);
        for (kind, name, at) in &events {
            if *at > revision {
                assert_eq!(kind, "ADDED");
                seen.push((name.clone(), *at));
                revision = *at;
            }
        }
        let dead = server == 1 && !world.lab.sim().powered(HostId(first));
        if dead || world.answers.get(&watch).is_some_and(|answer| answer.over) {
            server = 2;
            watch = world.send(server, "GET", &target(revision), "", "");
        }
    }
    // A server learns that its member is gone when that has been silent for long enough.
    world.run(45_000);
    for (_, name, at) in world.events(watch) {
        if at > revision {
            seen.push((name, at));
            revision = at;
        }
    }
    let (_, list) = world.ask_server(2, "GET", CONFIG_MAPS, Value::Null);
    let items = list["items"].as_array().unwrap_or_else(|| panic!("{list}"));
    let mut stored: Vec<(i64, String)> = items
        .iter()
        .map(|item| {
            let metadata = &item["metadata"];
            let at = metadata["resourceVersion"].as_str().unwrap().parse().unwrap();
            (at, metadata["name"].as_str().unwrap().to_owned())
        })
        .collect();
    stored.sort();
    let told: Vec<(i64, String)> = seen.into_iter().map(|(name, at)| (at, name)).collect();
    assert!(told.len() > 40);
    assert_eq!(told, stored);
}

#[test]
fn a_watch_from_before_the_cache_is_told_so() {
    let mut world = World::new("members=1 apiservers=1", 7);
    assert_eq!(world.ask("POST", CONFIG_MAPS, config_map("a")).0, 201);
    // A new process knows nothing of what was before it listed.
    let host = HostId(world.lab.workstation().host().0 + 1);
    world.inflict(Fault::Restart { host });
    world.run(3_000);
    let watch = world.send(1, "GET", &format!("{CONFIG_MAPS}?watch=1&resourceVersion=1"), "", "");
    world.run(1_000);
    let answer = &world.answers[&watch];
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.head.as_ref().unwrap().status, 200, "the stream itself is well");
    assert!(text.contains(r#"{"type":"ERROR","object":{"kind":"Status""#), "{text}");
    assert!(text.contains("too old resource version: 1 ("), "{text}");
    assert!(answer.over);
}

#[test]
fn initial_events_end_with_a_bookmark() {
    let mut world = World::new("members=1 apiservers=1", 8);
    for name in ["a", "b"] {
        assert_eq!(world.ask("POST", CONFIG_MAPS, config_map(name)).0, 201);
    }
    let options = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let watch = world.send(1, "GET", &format!("{CONFIG_MAPS}?{options}"), "", "");
    world.run(500);
    let kinds: Vec<(String, String)> = world.events(watch).into_iter().map(|(kind, name, _)| (kind, name)).collect();
    let pair = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
    assert_eq!(kinds, [pair("ADDED", "a"), pair("ADDED", "b"), pair("BOOKMARK", "")]);
    let text = String::from_utf8_lossy(&world.answers[&watch].body).into_owned();
    assert!(text.contains(r#""k8s.io/initial-events-end":"true""#), "{text}");
}

#[test]
fn two_servers_agree_and_replay_alike() {
    let end = |seed| {
        let mut world = World::new("members=3 apiservers=2", seed);
        for name in ["a", "b", "c"] {
            world.ask("POST", CONFIG_MAPS, config_map(name));
        }
        world.run(2_000);
        world.lab.hash()
    };
    assert_eq!(end(9), end(9));
    assert_ne!(end(9), end(10));
}

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const SHIPS: &str = "/apis/example.com/v1/namespaces/default/ships";

/// A server that was away for so long that etcd forgot what happened meanwhile lists everything anew, and goes on.
#[test]
fn a_cache_outlives_a_compaction() {
    let mut world = World::new("members=3 apiservers=2", 8);
    let first = world.lab.workstation().host().0 + 1;
    world.ask_server(1, "POST", CONFIG_MAPS, config_map("before"));
    for member in 0..3 {
        world.inflict(Fault::Cut { from: HostId(first), to: HostId(member), one_way: false });
    }
    for name in ["one", "two"] {
        world.ask_server(2, "POST", CONFIG_MAPS, config_map(name));
    }
    let newest = world.line("etcdctl get x -w json | grep -o 'revision\":[0-9]*' | grep -o '[0-9]*'");
    assert_eq!(
        world.line(&format!("etcdctl compaction {}", newest.trim())),
        format!("compacted revision {}\n", newest.trim())
    );
    world.inflict(Fault::HealAll);
    world.run(45_000);
    let (_, list) = world.ask_server(1, "GET", &format!("{CONFIG_MAPS}?resourceVersion=0"), Value::Null);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(3));
    let number = world.send(
        1,
        "GET",
        &format!("{CONFIG_MAPS}?watch=1&resourceVersion={}", list["metadata"]["resourceVersion"].as_str().unwrap()),
        "",
        "",
    );
    assert_eq!(world.ask_server(1, "POST", CONFIG_MAPS, config_map("after")).0, 201);
    world.run(5_000);
    assert!(world.events(number).iter().any(|(_, name, _)| name == "after"));
    assert!(!world.answers[&number].over, "the watch goes on");
    let watching: usize = world.lab.members().map(|(_, member)| member.store().watcher_count()).sum();
    assert!(watching < 250, "{watching} watchers at etcd");
}

/// What a server counted is there to scrape.
#[test]
fn metrics_tell_what_was_asked() {
    let mut world = World::new("members=1 apiservers=1", 8);
    world.ask("POST", CONFIG_MAPS, config_map("a"));
    world.ask("POST", CONFIG_MAPS, config_map("a"));
    let count = |world: &mut World, labels: &str| {
        let said = world.line(&format!("kubectl get --raw /metrics | grep '^apiserver_request_total.*{labels}'"));
        said.trim().rsplit_once(' ').map(|(_, count)| count.to_owned())
    };
    let created = |code: u16| format!("code=\"{code}\".*resource=\"configmaps\".*verb=\"POST\"");
    assert_eq!(count(&mut world, &created(201)), Some("1".to_owned()));
    assert_eq!(count(&mut world, &created(409)), Some("1".to_owned()));
    let line =
        world.line("kubectl get --raw /metrics | grep 'duration_seconds_bucket.*configmaps.*POST.*le=\"0.005\"'");
    assert!(line.trim().ends_with(" 2") || line.trim().ends_with(" 1"), "{line}");
    let stored = world.line("kubectl get --raw /metrics | grep 'storage_objects.*\"configmaps\"'");
    assert_eq!(stored.trim(), "apiserver_storage_objects{resource=\"configmaps\"} 1");
}

/// Behind one name stand several servers: a client takes the next, and passes over those that are dead.
#[test]
fn a_dead_server_is_passed_over() {
    let mut world = World::new("members=1 apiservers=3", 8);
    let first = world.lab.workstation().host().0 + 1;
    let asked = |world: &World| -> Vec<usize> {
        world
            .lab
            .api_servers()
            .map(|(_, server)| server.caches().map(|cache| (cache.hits + cache.misses) as usize).sum())
            .collect()
    };
    let before = asked(&world);
    assert_eq!(
        world.line("for i in 1 2 3 4 5 6; do kubectl get ns -o name; done | sort | uniq -c | head -1").trim(),
        "6 namespace/default"
    );
    let hits: Vec<usize> = asked(&world).iter().zip(before).map(|(now, before)| now - before).collect();
    assert!(hits.iter().all(|hits| *hits > 0), "{hits:?}");
    world.inflict(Fault::Kill { host: HostId(first) });
    world.inflict(Fault::PowerOff { host: HostId(first + 1) });
    for number in 1..=3 {
        let said = world.line(&format!("kubectl create ns n{number}"));
        assert_eq!(said, format!("namespace/n{number} created\n"));
    }
}

fn ships() -> Value {
    json!({
        "metadata": {"name": "ships.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "ships", "singular": "ship", "kind": "Ship", "shortNames": ["sh"]},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}},
                "selectableFields": [{"jsonPath": ".spec.flag"}],
                "additionalPrinterColumns": [{"name": "Masts", "type": "integer", "jsonPath": ".spec.masts"}],
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {
                        "spec": {
                            "type": "object",
                            "required": ["masts"],
                            "properties": {
                                "masts": {"type": "integer", "minimum": 1},
                                "flag": {"type": "string", "default": "none"},
                            },
                            "x-kubernetes-validations": [
                                {"rule": "self.masts < 10", "message": "too many masts"},
                            ],
                        },
                        "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
                    },
                }},
            }],
        },
    })
}

#[test]
fn definitions_come_and_go_with_their_objects() {
    let mut world = World::new("members=1 apiservers=2", 11);
    assert_eq!(world.ask("GET", SHIPS, Value::Null).0, 404);
    let (status, made) = world.ask("POST", DEFINITIONS, ships());
    assert_eq!(status, 201, "{made}");
    world.run(2_000);
    let (_, made) = world.ask("GET", &format!("{DEFINITIONS}/ships.example.com"), Value::Null);
    let conditions: Vec<(&Value, &Value)> = made["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|condition| (&condition["type"], &condition["status"]))
        .collect();
    assert_eq!(conditions, [(&json!("NamesAccepted"), &json!("True")), (&json!("Established"), &json!("True"))]);
    let ship = |name: &str, masts: i64| json!({"kind": "Ship", "apiVersion": "example.com/v1", "metadata": {"name": name}, "spec": {"masts": masts, "sails": 9}, "status": {"phase": "x"}});
    // Either server knows them.
    let number = world.send(2, "POST", SHIPS, "application/json", &ship("a", 3).to_string());
    world.run(1_000);
    let made: Value = serde_json::from_slice(&world.answers[&number].body).unwrap();
    assert_eq!(made["spec"], json!({"masts": 3, "flag": "none"}), "pruned, and filled in");
    assert_eq!(made.get("status"), None, "the status has a path of its own");
    let selected = |world: &mut World, flag: &str| {
        let (_, list) = world.ask("GET", &format!("{SHIPS}?fieldSelector=spec.flag%3D{flag}"), Value::Null);
        list["items"].as_array().map(Vec::len)
    };
    assert_eq!((selected(&mut world, "none"), selected(&mut world, "pirate")), (Some(1), Some(0)));
    let (status, wrong) = world.ask("POST", SHIPS, ship("b", 0));
    assert_eq!(status, 422);
    assert!(wrong["message"].as_str().unwrap().contains("should be greater than or equal to 1"), "{wrong}");
    let (status, wrong) = world.ask("POST", SHIPS, ship("b", 12));
    assert_eq!(status, 422);
    assert!(wrong["message"].as_str().unwrap().contains("too many masts"), "{wrong}");
    let stored = world.line("etcdctl get /registry/example.com/ships/default/a --print-value-only");
    assert!(stored.starts_with(r#"{"apiVersion":"example.com/v1","kind":"Ship","metadata":{"#), "{stored}");
    let said =
        world.line("curl -s -H 'Authorization: Bearer lab-admin-token' http://apiserver-1:6443/apis/example.com/v1");
    assert!(said.contains("\"singularName\": \"ship\""), "{said}");
    let (status, _) = world.ask("DELETE", &format!("{DEFINITIONS}/ships.example.com"), Value::Null);
    assert_eq!(status, 200);
    world.run(5_000);
    assert_eq!(world.ask("GET", &format!("{DEFINITIONS}/ships.example.com"), Value::Null).0, 404);
    assert_eq!(world.ask("GET", SHIPS, Value::Null).0, 404);
    assert_eq!(world.line("etcdctl get --prefix /registry/example.com --keys-only"), "");
}

/// A job's pods stay when it is deleted by a request that does not say, and a volume's change of phase is given its moment.
#[test]
fn kinds_have_habits_of_their_own() {
    let mut world = World::new("members=1 apiservers=1", 11);
    let jobs = "/apis/batch/v1/namespaces/default/jobs";
    let template = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
    for name in ["a", "b"] {
        let job = json!({"metadata": {"name": name}, "spec": {"template": template}});
        assert_eq!(world.ask("POST", jobs, job).0, 201);
    }
    let (_, kept) = world.ask("DELETE", &format!("{jobs}/a"), Value::Null);
    assert_eq!(kept["metadata"]["finalizers"], json!(["orphan"]), "{kept}");
    world.ask("DELETE", &format!("{jobs}/b"), json!({"propagationPolicy": "Background"}));
    assert_eq!(world.ask("GET", &format!("{jobs}/b"), Value::Null).0, 404);

    let volumes = "/api/v1/persistentvolumes";
    let volume = json!({"metadata": {"name": "v"}, "spec": {"capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}});
    let (status, made) = world.ask("POST", volumes, volume);
    assert_eq!(status, 201, "{made}");
    world.run(3_000);
    let (_, changed) = world.ask("PATCH", &format!("{volumes}/v/status"), json!({"status": {"phase": "Available"}}));
    let since = |volume: &Value| volume["status"]["lastPhaseTransitionTime"].as_str().map(str::to_owned);
    assert!(since(&changed) > since(&made), "{changed}");
}

/// A pod goes only if the budget that it falls under allows a disruption, and takes one from it.
#[test]
fn evictions_are_charged_to_budgets() {
    let mut world = World::new("members=1 apiservers=1", 11);
    world.ask("POST", "/api/v1/namespaces/default/serviceaccounts", json!({"metadata": {"name": "default"}}));
    let pod = |name: &str| {
        json!({"metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "i"}], "terminationGracePeriodSeconds": 0}})
    };
    let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    for name in ["a", "b"] {
        assert_eq!(world.ask("POST", PODS, pod(name)).0, 201);
        assert_eq!(world.ask("PATCH", &format!("{PODS}/{name}/status"), ready.clone()).0, 200);
    }
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    let budget = json!({"metadata": {"name": "calm"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}});
    assert_eq!(world.ask("POST", budgets, budget).0, 201);
    let evict = |world: &mut World, name: &str| {
        let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}});
        world.ask("POST", &format!("{PODS}/{name}/eviction"), eviction)
    };
    let cause = |refused: &Value| refused["details"]["causes"][0]["message"].as_str().unwrap_or_default().to_owned();
    world.run(500);
    let (status, refused) = evict(&mut world, "a");
    assert_eq!((status, &refused["details"]["retryAfterSeconds"]), (429, &json!(10)), "{refused}");
    assert_eq!(cause(&refused), "The disruption budget calm is still being processed by the server.");
    let known = json!({"status": {"observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 2,
        "desiredHealthy": 1, "expectedPods": 2}});
    assert_eq!(world.ask("PATCH", &format!("{budgets}/calm/status"), known).0, 200);
    world.run(500);
    assert_eq!(evict(&mut world, "a").0, 201);
    assert_eq!(world.ask("GET", &format!("{PODS}/a"), Value::Null).0, 404);
    let (_, budget) = world.ask("GET", &format!("{budgets}/calm"), Value::Null);
    assert_eq!(budget["status"]["disruptionsAllowed"], 0);
    assert!(budget["status"]["disruptedPods"]["a"].is_string(), "{budget}");
    let (status, refused) = evict(&mut world, "b");
    assert_eq!(
        (status, &refused["message"]),
        (429, &json!("Cannot evict pod as it would violate the pod's disruption budget."))
    );
    assert_eq!(cause(&refused), "The disruption budget calm needs 1 healthy pods and has 2 currently");
    assert_eq!(world.ask("GET", &format!("{PODS}/b"), Value::Null).0, 200);

    // No kubelet has logs to give.
    assert_eq!(world.line("kubectl logs b"), "Error from server (BadRequest): pod b does not have a host assigned\n");
}

/// What a subresource may write is not what the whole object may become.
#[test]
fn subresources_have_rules_of_their_own() {
    let mut world = World::new("members=1 apiservers=1", 11);
    let account = json!({"metadata": {"name": "default"}});
    assert_eq!(world.ask("POST", "/api/v1/namespaces/default/serviceaccounts", account).0, 201);
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let (status, made) = world.ask("POST", PODS, pod);
    assert_eq!((status, &made["status"]), (201, &json!({"phase": "Pending", "qosClass": "BestEffort"})));
    let target = format!("{PODS}/p");
    let (status, refused) = world.ask("PATCH", &target, json!({"spec": {"nodeName": "node-1"}}));
    let why = "Pod \"p\" is invalid: spec: Forbidden: pod updates may not change fields other than";
    assert_eq!((status, refused["message"].as_str().is_some_and(|message| message.starts_with(why))), (422, true));
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "node-1"}});
    assert_eq!(world.ask("POST", &format!("{target}/binding"), binding).0, 201);
    assert_eq!(world.ask("GET", &target, Value::Null).1["spec"]["nodeName"], "node-1");
    let debugger = json!({"spec": {"ephemeralContainers": [{"name": "d", "image": "i", "targetContainerName": "c"}]}});
    assert_eq!(world.ask("PATCH", &target, debugger.clone()).0, 422);
    let (status, with) = world.ask("PATCH", &format!("{target}/ephemeralcontainers"), debugger);
    assert_eq!((status, &with["spec"]["ephemeralContainers"][0]["name"]), (200, &json!("d")), "{with}");
    let (status, refused) =
        world.ask("PATCH", &format!("{target}/status"), json!({"status": {"qosClass": "Burstable"}}));
    let why = "Pod \"p\" is invalid: status.qosClass: Invalid value: \"Burstable\": field is immutable";
    assert_eq!((status, refused["message"].as_str()), (422, Some(why)));
}

/// Clients keep documents by their hashes.
#[test]
fn open_api_documents() {
    let mut world = World::new("members=1 apiservers=1", 12);
    let header = |answer: &HttpResponse, name: &str| {
        answer.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let (_, index) = world.ask("GET", "/openapi/v3", Value::Null);
    let apps = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap().to_owned();
    let hash = apps.split_once("?hash=").unwrap().1.to_owned();
    let answer = world.read(&apps, &[]);
    assert_eq!((answer.status, header(&answer, "Cache-Control")), (200, "public, immutable".to_owned()));
    assert_eq!(header(&answer, "ETag"), format!("\"{hash}\""));
    let document: Value = serde_json::from_slice(&answer.body).unwrap();
    assert!(document["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"]["description"].is_string());
    let known = world.read("/openapi/v3/apis/apps/v1", &[("If-None-Match", &header(&answer, "ETag"))]);
    assert_eq!((known.status, known.body.len()), (304, 0));
    let moved = world.read("/openapi/v3/apis/apps/v1?hash=0", &[]);
    assert_eq!((moved.status, header(&moved, "Location")), (301, apps));
    let protobuf = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    assert_eq!(world.read("/openapi/v2", &[("Accept", protobuf)]).status, 406);
    assert_eq!(world.read("/openapi/v2", &[("Accept", "application/json;q=0.9, */*;q=0.8")]).status, 200);
    assert_eq!(world.read("/openapi/v3/apis/apps/v9", &[]).status, 404);
}

#[test]
fn who_applies_owns_what_was_said_and_no_more() {
    let mut world = World::new("members=1 apiservers=1", 12);
    let mut wrong = ships();
    wrong["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["crew"] = json!({"type": "array"});
    let (status, refused) = world.ask("POST", DEFINITIONS, wrong);
    assert_eq!(status, 422, "{refused}");
    assert_eq!(world.ask("POST", DEFINITIONS, ships()).0, 201);
    world.run(2_000);
    let mut apply = |target: &str, manager: &str, body: Value| {
        let target = format!("{target}?fieldManager={manager}");
        let number = world.send(1, "PATCH", &target, "application/apply-patch+yaml", &body.to_string());
        world.run(1_000);
        let answer = &world.answers[&number];
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        (answer.head.as_ref().unwrap().status, body)
    };
    let ship =
        |spec: Value| json!({"kind": "Ship", "apiVersion": "example.com/v1", "metadata": {"name": "a"}, "spec": spec});
    let path = format!("{SHIPS}/a");
    let (status, made) = apply(&path, "one", ship(json!({"masts": 3})));
    assert_eq!((status, &made["spec"]), (201, &json!({"masts": 3, "flag": "none"})), "{made}");
    let owned = &made["metadata"]["managedFields"];
    assert_eq!(owned.as_array().map(Vec::len), Some(1), "{owned}");
    assert_eq!(owned[0]["fieldsV1"], json!({"f:spec": {"f:masts": {}}}), "defaults belong to nobody");
    let (status, conflict) = apply(&path, "two", ship(json!({"masts": 4})));
    assert_eq!((status, &conflict["details"]["causes"][0]["field"]), (409, &json!(".spec.masts")), "{conflict}");
    let (status, unknown) = apply(&path, "one", ship(json!({"sails": 4})));
    assert_eq!(status, 500);
    let said = unknown["message"].as_str().unwrap();
    assert!(said.ends_with(".spec.sails: field not declared in schema"), "{said}");
    let config_map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"x": "y"}});
    let (status, made) = apply(&format!("{CONFIG_MAPS}/c"), "one", config_map);
    let fields = &made["metadata"]["managedFields"][0]["fieldsV1"];
    assert_eq!((status, fields), (201, &json!({"f:data": {"f:x": {}}})), "{made}");
    for nonsense in [json!(null), json!([]), json!({"metadata": 5}), json!({"metadata": {"name": 5}})] {
        assert!((400..=500).contains(&apply(&path, "one", nonsense).0));
    }
    let (status, unknown) =
        world.ask("PATCH", &format!("{path}?fieldValidation=Strict"), json!({"spec": {"sails": 9}}));
    assert!(unknown["message"].as_str().unwrap().contains("unknown field \"spec.sails\""), "{status} {unknown}");
}
