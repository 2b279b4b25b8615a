//! Objects of the real Kubernetes in JSON, YAML and Protobuf: each made into each other, byte for byte.
//!
//! The objects lie in the conformance folder, `../shared/conformance` or where `LAB_CONFORMANCE` says, and further ones in
//! the folders that `LAB_CONFORMANCE_DIR` lists. Of one object there is a `.json`, a `.pb` and perhaps a `.yaml`; what they
//! are is told by their content.

use std::fs;
use std::path::{Path, PathBuf};

use control_plane_lab::k8s::schema::{MessageId, Schema};
use control_plane_lab::k8s::{protobuf, typed, yaml};
use serde_json::Value;

/// An object that upstream wrote in its ways.
struct Fixture {
    path: PathBuf,
    json: Value,
    pb: Vec<u8>,
    yaml: Option<String>,
}

#[test]
fn fixtures() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("LAB_CONFORMANCE").map_or_else(|| home.join("../shared/conformance"), PathBuf::from);
    let further = std::env::var_os("LAB_CONFORMANCE_DIR").unwrap_or_default();
    let mut folders = vec![home.join("tests/testdata/k8s/objects")];
    let third_party = shared.join("third-party/kubernetes-api");
    if third_party.is_dir() {
        folders.push(third_party);
    } else {
        println!("the folder of upstream's objects is absent: the committed ones are replayed");
    }
    for folder in std::env::split_paths(&further).filter(|folder| !folder.as_os_str().is_empty()) {
        assert!(folder.is_dir(), "LAB_CONFORMANCE_DIR names {}, which is no folder", folder.display());
        folders.push(folder);
    }
    let (mut replayed, mut failures) = (0, Vec::new());
    for fixture in folders.iter().flat_map(|folder| fixtures_below(folder)) {
        replayed += 1;
        if let Err(difference) = check(&fixture) {
            failures.push(format!("{}: {difference}", fixture.path.display()));
        }
    }
    failures.iter().for_each(|failure| println!("{failure}"));
    println!("conformance: kubernetes-api: {replayed} replayed, {} equal", replayed - failures.len());
    assert!(replayed > 0, "no object is there");
    assert!(failures.is_empty(), "{} objects differ", failures.len());
}

fn check(fixture: &Fixture) -> Result<(), String> {
    let schema = Schema::kubernetes();
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text(&fixture.json, "apiVersion"), text(&fixture.json, "kind"));
    // The only object without a kind is an event of a watch.
    let kind = if kind.is_empty() { "WatchEvent".to_owned() } else { kind };
    let version = if api_version.is_empty() { "v1" } else { &api_version };
    let message = schema.kind(version, &kind).ok_or(format!("no kind {kind} in {version}"))?;

    let envelope = protobuf::Envelope::from_bytes(&fixture.pb)?;
    let from_pb = protobuf::decode(schema, message, envelope.raw)?;
    let from_pb = with_type(from_pb, &envelope.kind, &envelope.api_version);
    equal("Protobuf as JSON", &from_pb.to_string(), &fixture.json.to_string())?;

    let from_json = typed::decode(schema, message, fixture.json.clone())?;
    if !from_json.unknown.is_empty() {
        return Err(format!("unknown fields {:?}", from_json.unknown));
    }
    equal("JSON as JSON", &from_json.value.to_string(), &fixture.json.to_string())?;
    let raw = encode(schema, message, &from_json.value)?;
    let bytes = protobuf::Envelope { raw: &raw, ..envelope }.to_bytes();
    equal("JSON as Protobuf", &hex(&bytes), &hex(&fixture.pb))?;
    let Some(text) = &fixture.yaml else { return Ok(()) };
    equal("JSON as YAML", &yaml::to_string(&from_json.value), text)?;
    let read = yaml::parse(text).map_err(|error| error.to_string())?;
    let from_yaml = typed::decode(schema, message, read.value)?;
    equal("YAML as JSON", &from_yaml.value.to_string(), &fixture.json.to_string())
}

fn encode(schema: &Schema, message: MessageId, value: &Value) -> Result<Vec<u8>, String> {
    protobuf::encode(schema, message, value)
}

/// The object with what its envelope says of it.
fn with_type(value: Value, kind: &str, api_version: &str) -> Value {
    let Value::Object(fields) = value else { return value };
    let told = [("kind", kind), ("apiVersion", api_version)].into_iter().filter(|(_, text)| !text.is_empty());
    told.map(|(name, text)| (name.to_owned(), Value::from(text))).chain(fields).collect()
}

fn equal(what: &str, ours: &str, theirs: &str) -> Result<(), String> {
    if ours == theirs {
        return Ok(());
    }
    let common = ours.bytes().zip(theirs.bytes()).take_while(|(a, b)| a == b).count();
    let around = |text: &str| {
        String::from_utf8_lossy(&text.as_bytes()[common.saturating_sub(60)..]).chars().take(160).collect::<String>()
    };
    Err(format!("{what} differs\n  ours:   {}\n  theirs: {}", around(ours), around(theirs)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn fixtures_below(folder: &Path) -> Vec<Fixture> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    let inside =
        |path: PathBuf| if path.is_dir() { fixtures_below(&path) } else { fixture(path).into_iter().collect() };
    paths.into_iter().flat_map(inside).collect()
}

/// A file of Protobuf, if JSON lies beside it.
fn fixture(path: PathBuf) -> Option<Fixture> {
    if path.extension()? != "pb" {
        return None;
    }
    let pb = fs::read(&path).ok()?;
    let json = fs::read(path.with_extension("json")).ok()?;
    let json = pb.starts_with(&protobuf::MAGIC).then(|| serde_json::from_slice(&json).ok())??;
    let yaml = fs::read_to_string(path.with_extension("yaml")).ok();
    Some(Fixture { path, json, pb, yaml })
}
