//! What Kubernetes' own libraries (1.36) make of texts, recorded in `tests/testdata/k8s/recorded`: amounts, JSON, YAML,
//! selectors, names, refusals. Results and errors must be theirs, word for word.

use std::cmp::Ordering;
use std::fs;
use std::path::Path;

use control_plane_lab::k8s::meta::quantity::Quantity;
use control_plane_lab::k8s::schema::Schema;
use control_plane_lab::k8s::{json, typed, yaml};
use serde_json::Value;

fn lines(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/k8s/recorded").join(name);
    let text = fs::read_to_string(&path).expect("the recording is committed");
    text.lines().map(|line| serde_json::from_str(line).expect("one JSON a line")).collect()
}

/// Runs a reader over a recording; `out` or `error` must be equal.
fn replay(name: &str, read: impl Fn(&Value) -> Result<String, String>) {
    let mut wrong = Vec::new();
    let recorded = lines(name);
    for line in &recorded {
        let expected = match (&line["out"], &line["error"]) {
            (Value::String(out), _) => Ok(out.clone()),
            (_, Value::String(error)) => Err(error.clone()),
            _ => continue,
        };
        let ours = read(line);
        if ours != expected {
            wrong.push(format!("{}\n  ours:   {ours:?}\n  theirs: {expected:?}", line["in"]));
        }
    }
    assert!(wrong.is_empty(), "{name}: {} of {} differ\n{}", wrong.len(), recorded.len(), wrong.join("\n"));
}

fn text<'a>(line: &'a Value, name: &str) -> &'a str {
    line[name].as_str().expect("a text")
}

#[test]
fn amounts() {
    replay("quantity.jsonl", |line| Quantity::parse(text(line, "in")).map(|q| q.to_string()).map_err(|e| e.to_string()));
    for line in lines("quantity.jsonl") {
        if line.get("value").is_some() {
            let amount = Quantity::parse(text(&line, "in")).expect("it was read");
            let ours = (amount.value().to_string(), amount.milli_value().to_string());
            // Beyond 64 bits upstream's numbers wrap around; ours stay at the end.
            let is_far = amount.value() == i64::MAX || amount.value() == i64::MIN || amount.milli_value().unsigned_abs() >= i64::MAX as u64;
            if !is_far {
                assert_eq!(ours, (text(&line, "value").to_owned(), text(&line, "milli").to_owned()), "{}", line["in"]);
            }
        } else if line.get("a").is_some() {
            let (a, b) = (Quantity::parse(text(&line, "a")).unwrap(), Quantity::parse(text(&line, "b")).unwrap());
            let order = match line["cmp"].as_i64() {
                Some(-1) => Ordering::Less,
                Some(0) => Ordering::Equal,
                _ => Ordering::Greater,
            };
            assert_eq!(a.cmp_value(&b), order, "{line}");
            assert_eq!(a.add(&b).to_string(), text(&line, "sum"), "{line}");
            assert_eq!(a.sub(&b).to_string(), text(&line, "difference"), "{line}");
        }
    }
}

#[test]
fn json_texts() {
    replay("json-errors.jsonl", |line| {
        let document = json::parse(text(line, "in").as_bytes()).map_err(|error| error.message)?;
        Ok(json::to_string(&document.value))
    });
}

#[test]
fn typed_texts() {
    let schema = Schema::kubernetes();
    let decode = |line: &Value| {
        let message = schema.kind(text(line, "apiVersion"), text(line, "kind")).expect("the kind is known");
        typed::decode(schema, message, serde_json::from_str(text(line, "in")).expect("it is JSON"))
    };
    replay("typed-errors.jsonl", |line| Ok(json::to_string(&decode(line)?.value)));
    for line in lines("typed-errors.jsonl") {
        let Some(strict) = line["strict"].as_array() else { continue };
        let ours = decode(&line).expect("it was read").unknown;
        let ours: Vec<Value> = ours.iter().map(|path| format!("unknown field {path:?}").into()).collect();
        assert_eq!(&ours, strict, "{}", line["in"]);
    }
}

/// Of texts that are no YAML only that they are refused: the words are those of another parser.
#[test]
fn yaml_texts() {
    replay("yaml.jsonl", |line| match yaml::parse(text(line, "in")) {
        Ok(document) => {
            let mut value = document.value;
            value.sort_all_objects();
            Ok(json::to_string(&value))
        }
        Err(error) => Err(line["error"].as_str().map_or(error.to_string(), str::to_owned)),
    });
}
