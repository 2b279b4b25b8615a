//! Commands of the real kubectl, replayed: each is run against a stand-in for the server that it was recorded against, and
//! what it asks, prints and ends with is compared to the recording.
//!
//! The recordings lie in `recorded/kubectl-requests/v1.35` of the conformance folder, `../shared/conformance` or where
//! `LAB_CONFORMANCE` says; some of them are committed, and stand in for all where that folder is absent. The first line of
//! a recording says what was typed and printed, each further one is a request with its body. The answers' bodies were not
//! recorded, so a stand-in of our own gives them. `known_differences.txt` names the commands that differ, and why.

mod standin;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use control_plane_lab::etcd::http::{FetchEvent, HttpRequest, HttpResponse};
use control_plane_lab::k8s::protobuf;
use control_plane_lab::k8s::schema::Schema;
use control_plane_lab::lab::workstation::PrintedKind;
use control_plane_lab::lab::{Input, Lab, Scenario};
use control_plane_lab::shell::files::Files;
use control_plane_lab::shell::process::{Ask, Asks, Program, Tell, Token};
use control_plane_lab::shell::{Machine, Shell};
use control_plane_lab::sim::{Micros, SimTime};
use fancy_regex::Regex;
use serde_json::Value;
use standin::{Change, Reply, StandIn};

/// 2026-11-21T07:50:00Z, when the recordings were made.
const RECORDED_AT: SimTime = SimTime(28_021_800_000_000);
/// As much of an output as a recording holds.
const RECORDED_OUTPUT_MAX: usize = 1500;
/// No command takes longer than this.
const PATIENCE: Micros = Micros::from_secs(120);

struct Recording {
    name: String,
    meta: Value,
    requests: Vec<Value>,
}

#[test]
fn recorded_commands() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("LAB_CONFORMANCE").map_or_else(|| home.join("../shared/conformance"), PathBuf::from);
    let committed = home.join("tests/testdata/k8s/kubectl");
    let whole = shared.join("recorded/kubectl-requests/v1.35");
    let folder = if whole.is_dir() {
        whole
    } else {
        println!("the folder of recordings is absent: the committed ones are replayed");
        committed.clone()
    };
    let schemas = schemas(&shared.join("third-party/kubernetes-openapi-v3"));
    let known = fs::read_to_string(committed.join("known_differences.txt")).unwrap();
    let known: BTreeSet<&str> =
        known.lines().filter_map(|line| line.split(": ").next()).filter(|name| !name.starts_with('#')).collect();
    let only = std::env::var("LAB_KUBECTL").ok();
    let (mut recorded, mut differ, mut wrong) = (0, BTreeSet::new(), Vec::new());
    for recording in recordings(&folder) {
        if only.as_ref().is_some_and(|only| !recording.name.contains(only.as_str())) {
            continue;
        }
        recorded += 1;
        let differences = replay(&recording, &schemas);
        if !differences.is_empty() {
            differ.insert(recording.name.clone());
            if !known.contains(&recording.name[..]) || only.is_some() {
                wrong.push(format!(
                    "{}: {}\n{}",
                    recording.name,
                    recording.meta["command"].as_str().unwrap(),
                    differences.join("\n")
                ));
            }
        } else if known.contains(&recording.name[..]) {
            wrong.push(format!("{} is said to differ and does not: take it off the list", recording.name));
        }
    }
    wrong.iter().for_each(|text| println!("{text}\n"));
    differ.iter().for_each(|name| println!("differs: {name}"));
    println!("kubectl: {recorded} commands, {} equal", recorded - differ.len());
    assert!(recorded > 0, "no recording is there");
    assert!(wrong.is_empty(), "{} commands are not as expected", wrong.len());
}

/// Lines that were not recorded: a kubeconfig made and used, and mistakes. What is printed is upstream's.
#[test]
fn own_lines() {
    let mut files = files();
    let mut standin = StandIn::new(Value::Null, BTreeMap::new());
    let mut check = |line: &str, status: i32, stdout: &str, stderr: &str| {
        let outcome = run(line, &mut files, &mut standin, false);
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), (stdout, stderr), "{line}");
        assert_eq!(outcome.exit, Some(status), "{line}");
    };
    check("kubectl config set-cluster lab --server=http://kube-1:8080", 0, "Cluster \"lab\" set.\n", "");
    check("kubectl config set-credentials ada --token=secret", 0, "User \"ada\" set.\n", "");
    let created = "Context \"work\" created.\n";
    check("kubectl config set-context work --cluster=lab --user=ada --namespace=kube-system", 0, created, "");
    check("kubectl config use-context work", 0, "Switched to context \"work\".\n", "");
    check("kubectl config current-context", 0, "work\n", "");
    let contexts =
        "CURRENT   NAME   CLUSTER   AUTHINFO   NAMESPACE\n*         work   lab       ada        kube-system\n";
    check("kubectl config get-contexts", 0, contexts, "");
    let view = "apiVersion: v1\nclusters:\n- cluster:\n    server: http://kube-1:8080\n  name: lab\ncontexts:\n- context:\n    \
        cluster: lab\n    namespace: kube-system\n    user: ada\n  name: work\ncurrent-context: work\nkind: Config\nusers:\n\
        - name: ada\n  user:\n    token: REDACTED\n";
    check("kubectl config view", 0, view, "");
    check("kubectl get pods", 0, "NAME        CREATED AT\nproxy-abc   2026-01-02T03:04:05Z\n", "");
    check("kubectl config use-context none", 1, "", "error: no context exists with the name: \"none\"\n");
    check("kubectl --context=none get pods", 1, "", "error: context \"none\" does not exist\n");
    check(
        "kubectl gett pods",
        1,
        "",
        "error: unknown command \"gett\" for \"kubectl\"\n\nDid you mean this?\n\tget\n\tset\n",
    );
    let usage = "error: unknown flag: --nope\nSee 'kubectl get --help' for usage.\n";
    check("kubectl get pods --nope", 1, "", usage);
    check("kubectl create -f nope.yaml", 1, "", "error: the path \"nope.yaml\" does not exist\n");
    check("kubectl get pods -A -l app=none", 0, "", "No resources found\n");
    check("kubectl get pods -o name -A -l run=solo", 0, "pod/solo\n", "");
    check("kubectl get pod solo -n default -o 'go-template={{.metadata.name}}'", 0, "solo", "");
    let dry = "configmap/a created (dry run)\n";
    check("kubectl create configmap a --from-literal=x=1,2 --dry-run=client", 0, dry, "");
    check(
        "printf 'kind: Pod\\napiVersion: v1\\nmetadata: {name: p}\\n' | kubectl delete --wait=false -f -",
        1,
        "",
        "Error from server (NotFound): pods \"p\" not found\n",
    );
}

fn recordings(folder: &Path) -> Vec<Recording> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "jsonl"));
    paths.sort();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let meta = lines.next().unwrap()["meta"].clone();
        Recording { name: path.file_stem().unwrap().to_string_lossy().into_owned(), meta, requests: lines.collect() }
    };
    paths.iter().map(read).collect()
}

/// Upstream's own schemas, which explain what they describe.
fn schemas(folder: &Path) -> BTreeMap<String, Value> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeMap::new() };
    let mut schemas = BTreeMap::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(name) = name.strip_suffix(".json.gz") else { continue };
        let packed = fs::read(&path).unwrap();
        // The head of a gzip file without extras but perhaps a name.
        let mut start = 10;
        if packed[3] & 8 != 0 {
            start += packed[start..].iter().position(|byte| *byte == 0).unwrap() + 1;
        }
        let text = miniz_oxide::inflate::decompress_to_vec(&packed[start..]).unwrap();
        schemas.insert(name.replace('_', "/"), serde_json::from_slice(&text).unwrap());
    }
    schemas
}

/// What a command did.
#[derive(Default)]
struct Outcome {
    stdout: String,
    stderr: String,
    exit: Option<i32>,
    requests: Vec<HttpRequest>,
}

fn replay(recording: &Recording, schemas: &BTreeMap<String, Value>) -> Vec<String> {
    let mut standin = StandIn::new(recording.meta["server"].clone(), schemas.clone());
    let mut files = files();
    for before in recording.meta["before"].as_array().into_iter().flatten() {
        run(before.as_str().unwrap(), &mut files, &mut standin, false);
        if recording.meta["cache"] != "warm" {
            let _ = files.remove_all("~/.kube");
        }
    }
    if recording.meta["cache"] == "warm" {
        run("kubectl get pods", &mut files, &mut standin, false);
    }
    let is_secure = recording.name.starts_with("tls.");
    if recording.name == "edit-nochange" {
        standin.mode = serde_json::json!({"editor": "none"});
    }
    let ours = run(recording.meta["command"].as_str().unwrap(), &mut files, &mut standin, is_secure);
    let mut differences = Vec::new();
    let exit = recording.meta["exit"].as_i64().unwrap();
    if ours.exit.map(i64::from) != Some(exit) {
        differences.push(format!("  exit code {:?} instead of {exit}", ours.exit));
    }
    for (what, ours, theirs) in
        [("stdout", &ours.stdout, &recording.meta["stdout"]), ("stderr", &ours.stderr, &recording.meta["stderr"])]
    {
        let theirs = theirs.as_str().unwrap();
        let is_cut = theirs.chars().count() >= RECORDED_OUTPUT_MAX;
        let (mut a, mut b) = (mask(ours), mask(theirs));
        if is_cut {
            // The last lines may have been cut within what is masked.
            let lines = b.lines().count().saturating_sub(1);
            let first = |text: &str| text.lines().take(lines).map(|line| format!("{line}\n")).collect::<String>();
            (a, b) = (first(&a), first(&b));
        }
        if in_any_order(&recording.name, &a) != in_any_order(&recording.name, &b) {
            differences.push(format!("  {what}:\n--- ours\n{a}--- theirs\n{b}---"));
        }
    }
    let ours: Vec<String> = ours.requests.iter().map(describe).collect();
    let theirs: Vec<String> = recording.requests.iter().map(describe_recorded).collect();
    let (mut missing, mut extra) = (theirs.clone(), ours.clone());
    for request in &ours {
        if let Some(at) = missing.iter().position(|known| known == request) {
            missing.remove(at);
        }
    }
    for request in &theirs {
        if let Some(at) = extra.iter().position(|known| known == request) {
            extra.remove(at);
        }
    }
    differences.extend(missing.iter().map(|request| format!("  not asked: {request}")));
    differences.extend(extra.iter().map(|request| format!("  asked: {request}")));
    differences
}

/// What happens at the same time upstream is told in the order of chance.
fn in_any_order(name: &str, text: &str) -> String {
    if !name.contains("drain") {
        return text.to_owned();
    }
    let mut lines: Vec<&str> = text.lines().flat_map(|line| line.trim_start_matches("Warning: ").split("; ")).collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Hides what no two runs have in common.
fn mask(text: &str) -> String {
    const MASKS: &[(&str, &str)] = &[
        (r"2026-11-21T07:5\d:\d\d(\.\d+)?Z", "TIME"),
        (r"2026-11-21 07:5\d:\d\d\.\d+ \+0000", "TIME"),
        (r"E1121 \S+ +\d+ ", "E1121 TIME "),
        (r"(LIVE|MERGED)-\d+", "$1-N"),
        (r"(/home/learner/\.kube|/tmp|/home/learner|\$HOME)/(LIVE|MERGED|kubectl-edit)", "HOME/$2"),
        (r"kubectl-edit-\d+", "kubectl-edit-N"),
        (r"debugger-\w{5}", "debugger-NAME"),
    ];
    MASKS.iter().fold(text.to_owned(), |text, (pattern, with)| {
        Regex::new(pattern).unwrap().replace_all(&text, *with).into_owned()
    })
}

fn describe(request: &HttpRequest) -> String {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (standin::decode(name), standin::decode(value))
    });
    let header = |name: &str| {
        let found = request.headers.iter().find(|(known, _)| known == name);
        found.map_or("-", |(_, value)| value.as_str()).to_owned()
    };
    let mut identity = String::new();
    for (name, value) in &request.headers {
        if name == "Authorization" || name.starts_with("Impersonate-") {
            identity += &format!(" {name}: {value}");
        }
    }
    let body = standin::read_body(request);
    let exact = request.body.starts_with(b"k8s\0").then(|| request.body.clone());
    line(&request.method, path, pairs.collect(), [header("Accept"), header("Content-Type")], &identity, &body, exact)
}

fn describe_recorded(request: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let pairs = request["query"].as_array().unwrap().iter().map(|pair| (text(&pair[0]), text(&pair[1])));
    let header = |name: &str| request["headers"][name].as_str().unwrap_or("-").to_owned();
    let mut identity = String::new();
    let mut names: Vec<&String> = request["headers"].as_object().unwrap().keys().collect();
    names.sort();
    for name in names.into_iter().filter(|name| *name == "Authorization" || name.starts_with("Impersonate-")) {
        let values = &request["headers"][name];
        match values.as_array() {
            Some(values) => values.iter().for_each(|value| identity += &format!(" {name}: {}", text(value))),
            None => identity += &format!(" {name}: {}", text(values)),
        }
    }
    let exact = request["bodyBase64"].as_str().map(|base64| {
        use base64::Engine;
        Bytes::from(base64::engine::general_purpose::STANDARD.decode(base64).unwrap())
    });
    let body = match &exact {
        Some(bytes) => protobuf::from_bytes(Schema::kubernetes(), bytes).unwrap(),
        None => request["body"].clone(),
    };
    let path = text(&request["path"]);
    line(
        &text(&request["method"]),
        &path,
        pairs.collect(),
        [header("Accept"), header("Content-Type")],
        &identity,
        &body,
        exact,
    )
}

/// A request as one line in which equal ones are equal.
fn line(
    method: &str,
    path: &str,
    mut pairs: Vec<(String, String)>,
    [accept, content]: [String; 2],
    identity: &str,
    body: &Value,
    exact: Option<Bytes>,
) -> String {
    pairs.sort();
    let watches = pairs.iter().any(|(name, value)| name == "watch" && value == "true");
    for (name, value) in &mut pairs {
        match &name[..] {
            "timeoutSeconds" => *value = "N".to_owned(),
            "timeout" if watches => *value = "T".to_owned(),
            // The terms come in the order of chance.
            "fieldSelector" => {
                let mut terms: Vec<&str> = value.split(',').collect();
                terms.sort_unstable();
                *value = terms.join(",");
            }
            "hash" => *value = "H".to_owned(),
            _ => {}
        }
    }
    let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut body = body.clone();
    body.sort_all_objects();
    let mut words: Vec<&str> = identity.split(' ').collect();
    words.sort_unstable();
    let bytes = exact.map_or_else(String::new, |bytes| {
        // Byte for byte, except for moments.
        let has_moment = bytes.windows(4).any(|window| window == b"2026") || body.to_string().contains("2026-11-21T");
        if has_moment {
            " Protobuf".to_owned()
        } else {
            format!(" Protobuf {}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
    });
    let accept = accept.replace(' ', "");
    mask(&format!("{method} {path}?{} [{accept}] [{content}]{} {body}{bytes}", query.join("&"), words.join(" ")))
}

/// What lies in the folder that the commands were typed in.
fn files() -> Files {
    let mut files = Files::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/k8s/kubectl/files");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        files.write(&name, Bytes::from(fs::read(&path).unwrap())).unwrap();
    }
    files
}

/// What happens next, in the order of time and then of arrival.
enum Item {
    Http(Token, FetchEvent),
    Tell(Tell),
    Change(String, Change),
}

/// Runs a line of the recording in a shell of its own.
fn run(command: &str, files: &mut Files, standin: &mut StandIn, is_secure: bool) -> Outcome {
    let scheme = if is_secure { "https" } else { "http" };
    let machine = Machine { environment: vec![], ..Machine::default() };
    let mut shell = Shell::new(machine);
    let mut outcome = Outcome::default();
    let mut agenda: BTreeMap<(SimTime, u32), Item> = BTreeMap::new();
    let (mut now, mut number) = (RECORDED_AT, 0);
    let line = quoted(command);
    let insert = if command.starts_with("kubectl config") {
        String::new()
    } else {
        format!(" --server={scheme}://127.0.0.1:PORT")
    };
    let line = line.replacen("kubectl", &format!("kubectl{insert}"), 1);
    let mut asks = Asks::new(files);
    shell.line(now, &line, &mut asks);
    let mut list = asks.into_list();
    let deadline = SimTime(RECORDED_AT.0 + PATIENCE.0);
    loop {
        for ask in list.drain(..) {
            let mut put = |after: Micros, item: Item| {
                number += 1;
                agenda.insert((SimTime(now.0 + after.0), number), item);
            };
            match ask {
                Ask::Stdout(text) => outcome.stdout += &text,
                Ask::Stderr(text) => outcome.stderr += &text,
                Ask::Sleep { token, span } => put(span, Item::Tell(Tell::Timer { token })),
                Ask::Edit { token, text, .. } => {
                    // What the recording's editor did.
                    let changes = !command.is_empty() && standin.mode["editor"] != "none";
                    let text = if changes { text.replace("nginx:1.27", "nginx:1.29") } else { text };
                    put(Micros(0), Item::Tell(Tell::Edited { token, result: Ok(text) }));
                }
                Ask::Http { token, request, .. } => {
                    let short = Micros::from_millis(1);
                    match standin.answer(token.0, &request) {
                        Reply::Whole(status, headers, body) => {
                            let response = HttpResponse { status, headers, body };
                            put(
                                short,
                                Item::Http(token, FetchEvent::Answered { response: Arc::new(response), more: false }),
                            );
                        }
                        Reply::Stream(lines, ends) => {
                            let response = HttpResponse {
                                status: 200,
                                headers: vec![("Content-Type", "application/json".to_owned())],
                                body: Bytes::new(),
                            };
                            put(
                                short,
                                Item::Http(token, FetchEvent::Answered { response: Arc::new(response), more: true }),
                            );
                            for line in &lines {
                                let bytes = Bytes::from(format!("{line}\n"));
                                put(short, Item::Http(token, FetchEvent::Data { bytes, more: true }));
                            }
                            if ends {
                                put(short, Item::Http(token, FetchEvent::Data { bytes: Bytes::new(), more: false }));
                            }
                        }
                    }
                    outcome.requests.push(request);
                    for (after, path, change) in std::mem::take(&mut standin.agenda) {
                        put(Micros::from_millis(after), Item::Change(path, change));
                    }
                }
                Ask::Cancel { token } => drop(standin.watches.remove(&token.0)),
                _ => {}
            }
        }
        if shell.is_idle() {
            outcome.exit = Some(shell.status());
            return outcome;
        }
        let next = agenda.pop_first();
        let Some(((at, _), item)) = next.filter(|((at, _), _)| *at < deadline) else {
            // It waits for what will not come: whoever recorded it interrupted it.
            if !standin.watches.is_empty() {
                let mut asks = Asks::new(files);
                standin.watches.clear();
                shell.tell(now, Tell::Interrupt, &mut asks);
                list = asks.into_list();
                if list.is_empty() {
                    outcome.exit = Some(shell.status());
                    return outcome;
                }
                continue;
            }
            return outcome;
        };
        now = at;
        let mut asks = Asks::new(files);
        match item {
            Item::Http(token, event) => shell.tell(now, Tell::Http { token, event }, &mut asks),
            Item::Tell(tell) => shell.tell(now, tell, &mut asks),
            Item::Change(path, change) => {
                for (token, line) in standin.happen(&path, &change) {
                    let bytes = Bytes::from(format!("{line}\n"));
                    let event = FetchEvent::Data { bytes, more: true };
                    shell.tell(now, Tell::Http { token: Token(token), event }, &mut asks);
                }
            }
        }
        list = asks.into_list();
    }
}

/// A recorded line has lost its quotes: words that a shell would take apart get some.
fn quoted(command: &str) -> String {
    const WHOLE: &[&str] = &[
        "app in (web,api),!legacy",
        "*/5 * * * *",
        r#"[{"op":"replace","path":"/spec/replicas","value":4}]"#,
        "a.example/*=svc1:80",
        "{.items[*].metadata.name}",
        "/api/v1/namespaces/default/pods?limit=1",
        "/readyz?verbose",
        "jsonpath={.status.phase}=Running",
    ];
    let mut line = command.to_owned();
    for words in WHOLE {
        line = line.replace(words, &format!("'{words}'"));
    }
    let word = |word: &str| if word.starts_with('{') { format!("'{word}'") } else { word.to_owned() };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// What a line prints in the first terminal of a world, and its exit code.
fn typed(lab: &mut Lab, line: &str) -> String {
    let before = lab.workstation().terminals()[0].scrollback().len();
    lab.input(&Input::Line { terminal: 0, text: line.to_owned() });
    let end = lab.now() + Micros::from_secs(15);
    lab.run_until(end, u64::MAX);
    let printed = lab.workstation().terminals()[0].scrollback().iter().skip(before);
    let shown = printed.filter(|piece| matches!(piece.kind, PrintedKind::Stdout | PrintedKind::Stderr));
    shown.map(|piece| &*piece.text).collect()
}

/// The commands over the simulated network, with API servers that keep what they are told in etcd.
#[test]
fn in_a_world() {
    let mut lab = Lab::new(Scenario::parse("members=3 apiservers=1").unwrap(), 7);
    let end = lab.now() + Micros::from_secs(5);
    lab.run_until(end, u64::MAX);
    let mut check = |line: &str, expect: &str| assert_eq!(typed(&mut lab, line), expect, "{line}");
    check("kubectl create configmap settings --from-literal=a=1", "configmap/settings created\n");
    check(
        "kubectl create configmap settings --from-literal=a=1",
        "error: failed to create configmap: configmaps \"settings\" already exists\n",
    );
    check("kubectl get configmap settings -o jsonpath='{.data.a}'", "1");
    check("kubectl label configmap settings tier=front", "configmap/settings labeled\n");
    check("kubectl get configmaps -l tier=front -o name", "configmap/settings\n");
    check(
        "kubectl patch configmap settings --type=merge -p '{\"data\":{\"a\":\"2\"}}'",
        "configmap/settings patched\n",
    );
    check("kubectl get configmap settings -o go-template='{{.data.a}}'", "2");
    check("kubectl get configmap none", "Error from server (NotFound): configmaps \"none\" not found\n");
    let manifest = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: applied}\ndata: {x: \"1\"}\n";
    let apply = |data: &str| format!("printf '{}' | kubectl apply -f -", data.replace('\n', "\\n"));
    check(&apply(manifest), "configmap/applied created\n");
    check(&apply(manifest), "configmap/applied unchanged\n");
    check(&apply(&manifest.replace('1', "2").replace("v2", "v1")), "configmap/applied configured\n");
    check("kubectl delete configmap applied", "configmap \"applied\" deleted from default namespace\n");
    check("kubectl wait --for=delete configmap/applied --timeout=2s", "");
    check("kubectl auth can-i create pods", "yes\n");
    check("kubectl get pods", "No resources found in default namespace.\n");
    check(
        "kubectl --server=http://apiserver-9:6443 get pods -v=0 2>&1 | tail -n 1",
        "Unable to connect to the server: dial tcp: lookup apiserver-9: no such host\n",
    );
}
