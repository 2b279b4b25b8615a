//! What Kubernetes' own libraries (1.36) make of texts, recorded in `tests/testdata/k8s/recorded`: amounts, JSON, YAML,
//! selectors, names, refusals. Results and errors must be theirs, word for word.

use std::cmp::Ordering;
use std::fs;
use std::path::Path;

use control_plane_lab::k8s::meta::page::Continue;
use control_plane_lab::k8s::meta::quantity::Quantity;
use control_plane_lab::k8s::meta::status::{FieldError, FieldErrorKind, Qualified, Status};
use control_plane_lab::k8s::meta::{duration, fields, labels, names};
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
    replay("quantity.jsonl", |line| {
        Quantity::parse(text(line, "in")).map(|q| q.to_string()).map_err(|e| e.to_string())
    });
    for line in lines("quantity.jsonl") {
        if line.get("value").is_some() {
            let amount = Quantity::parse(text(&line, "in")).expect("it was read");
            let ours = (amount.value().to_string(), amount.milli_value().to_string());
            // Upstream's 64 bits overflow, and its ceiling of negative fractions is off by one or two.
            let (input, fits) = (text(&line, "in"), amount.milli_value() < i64::MAX);
            let is_sound = input.len() <= 12 && !input.starts_with('-') && fits;
            if is_sound {
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
            // The form of an amount is not in its text if the text has no suffix: values are compared.
            let (sum, difference) = (text(&line, "sum"), text(&line, "difference"));
            let equal = |ours: Quantity, theirs: &str| {
                ours.to_string() == theirs || ours.cmp_value(&Quantity::parse(theirs).unwrap()).is_eq()
            };
            assert!(equal(a.add(&b), sum), "{line}");
            assert!(equal(a.sub(&b), difference), "{line}");
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

/// The labels that recorded selectors were tried on.
fn labels() -> Vec<labels::Labels> {
    let of =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    vec![
        of(&[]),
        of(&[("a", "b")]),
        of(&[("a", "c"), ("h", "i")]),
        of(&[("a", "3")]),
        of(&[("a", "")]),
        of(&[("c", "d"), ("in", "in")]),
    ]
}

#[test]
fn label_selectors() {
    let parse = |line: &Value| labels::Selector::parse(text(line, "in"));
    replay("label-selectors.jsonl", |line| Ok(parse(line)?.to_string()));
    for line in lines("label-selectors.jsonl").iter().filter(|line| line.get("matches").is_some()) {
        let selector = parse(line).expect("it was read");
        let ours: Vec<Value> = labels().iter().map(|labels| selector.matches(labels).into()).collect();
        assert_eq!(Value::Array(ours), line["matches"], "{}", line["in"]);
    }
}

#[test]
fn field_selectors() {
    let tried: [&[(&str, &str)]; 5] =
        [&[], &[("a", "b")], &[("a", "c")], &[("a", "b,c")], &[("metadata.name", "x"), ("status.phase", "Pending")]];
    let parse = |line: &Value| fields::Selector::parse(text(line, "in"));
    replay("field-selectors.jsonl", |line| Ok(parse(line)?.to_string()));
    for line in lines("field-selectors.jsonl").iter().filter(|line| line.get("matches").is_some()) {
        let selector = parse(line).expect("it was read");
        let matches = |pairs: &&[(&str, &str)]| {
            let fields = pairs.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect();
            Value::from(selector.matches(&fields))
        };
        assert_eq!(Value::Array(tried.iter().map(matches).collect()), line["matches"], "{}", line["in"]);
    }
}

#[test]
fn names_and_keys() {
    let recorded = lines("names.jsonl");
    let texts: Vec<&str> = recorded[0]["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    type Check = fn(&str) -> Vec<String>;
    let checks: [(&str, Check); 9] = [
        ("label", names::dns1123_label),
        ("subdomain", names::dns1123_subdomain),
        ("label1035", names::dns1035_label),
        ("qualified", names::qualified_name),
        ("value", names::label_value),
        ("env", names::env_var_name),
        ("configKey", names::config_map_key),
        ("port", names::port_name),
        ("wildcard", names::wildcard_dns1123_subdomain),
    ];
    for line in &recorded[1..] {
        for (name, check) in checks {
            let places = line[name].as_array().unwrap().iter().map(|place| place.as_u64().unwrap() as usize);
            let expected: Vec<&str> = places.map(|place| texts[place]).collect();
            assert_eq!(check(text(line, "in")), expected, "{name} {}", line["in"]);
        }
    }
}

#[test]
fn refusals() {
    let pods = Qualified { name: "pods", group: "" };
    let deployments = Qualified { name: "deployments", group: "apps" };
    let none = Qualified { name: "", group: "" };
    let image = "spec.containers[0].image";
    let errors = {
        use FieldErrorKind::*;
        let error = |kind, detail: &str| FieldError::new(image, kind, detail);
        vec![
            FieldError::required(image, ""),
            FieldError::invalid(image, "x y", "must not have whitespace"),
            FieldError::not_supported(image, "A", &["B", "C"]),
            error(TooLong(63), ""),
            FieldError::duplicate(image, "a"),
            FieldError::forbidden(image, "not now"),
            error(NotFound("x".into()), ""),
            error(TypeInvalid(5.into()), "must be"),
            error(Internal, "oops"),
            error(TooMany(5, 3), ""),
            FieldError::invalid(image, 5, "n"),
            FieldError::invalid(image, Value::Null, "n"),
            FieldError::invalid(image, true, "n"),
            FieldError::invalid(image, serde_json::json!({"b": "c"}), "n"),
            FieldError::invalid(image, serde_json::json!(["b", "c"]), "n"),
        ]
    };
    let selector = [FieldError::required("spec.selector", "")];
    let statuses = [
        ("NotFound", Status::not_found(pods, "web")),
        ("NotFound.group", Status::not_found(deployments, "web")),
        ("AlreadyExists", Status::already_exists(deployments, "web")),
        ("GenerateNameConflict", Status::generate_name_conflict(pods, "web-", 1)),
        ("Unauthorized", Status::unauthorized("Unauthorized")),
        ("Forbidden", Status::forbidden(pods, "web", "no")),
        ("Forbidden.noname", Status::forbidden(none, "", "no")),
        ("Conflict", Status::modified(deployments, "web")),
        ("Gone", Status::gone("gone")),
        ("ResourceExpired", Status::expired("too old resource version: 1 (2)")),
        ("Invalid", Status::invalid(Qualified { name: "Pod", group: "" }, "web", &errors)),
        ("Invalid.one", Status::invalid(Qualified { name: "Deployment", group: "apps" }, "web", &selector)),
        ("Invalid.none", Status::invalid(Qualified { name: "Deployment", group: "apps" }, "", &[])),
        ("BadRequest", Status::bad_request("bad")),
        ("TooManyRequests", Status::too_many_requests("slow down", 7)),
        ("ServiceUnavailable", Status::service_unavailable("away")),
        ("MethodNotSupported", Status::method_not_supported(pods, "patch")),
        ("ServerTimeout", Status::server_timeout(pods, "list", 3)),
        ("InternalError", Status::internal("x")),
        ("TimeoutError", Status::timeout("t", 5)),
        ("RequestEntityTooLarge", Status::request_entity_too_large("limit is 3145728")),
    ];
    let recorded = lines("statuses.jsonl");
    for (name, status) in statuses {
        let line = recorded.iter().find(|line| line["name"] == name).expect("it was recorded");
        let mut ours = status.to_object();
        // Kind and version are what a Go value does not know of itself.
        ours.as_object_mut().unwrap().retain(|name, _| name != "kind" && name != "apiVersion");
        assert_eq!(ours.to_string(), line["status"].to_string(), "{name}");
    }
}

/// Vectors that were computed from upstream's rules.
fn vectors(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/k8s/vectors").join(name);
    let text = fs::read_to_string(&path).expect("the vectors are committed");
    serde_json::from_str(&text).expect("it is JSON")
}

#[test]
fn ages() {
    let vectors = vectors("human-duration.json");
    for case in vectors["cases"].as_array().unwrap() {
        assert_eq!(duration::human(case["nanoseconds"].as_i64().unwrap()), case["want"], "{case}");
    }
}

#[test]
fn pages() {
    let vectors = vectors("continue-tokens.json");
    for case in vectors["cases"].as_array().unwrap() {
        let (prefix, token) = (text(case, "keyPrefix"), text(case, "token"));
        let page = Continue { revision: case["rv"].as_i64().unwrap(), key: format!("{prefix}{}", text(case, "start")) };
        assert_eq!(page.encode(prefix).as_deref(), Ok(token));
        assert_eq!(Continue::decode(token, prefix), Ok(page));
    }
    let refused = |token: &str| Continue::decode(token, "/registry/pods/").unwrap_err();
    assert_eq!(refused("!"), "continue key is not valid: illegal base64 data at input byte 0");
    let token = |text: &str| {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
    };
    let leaves = token(r#"{"v":"meta.k8s.io/v1","rv":5,"start":"../secrets/x"}"#);
    assert_eq!(refused(&leaves), "continue key is not valid: ../secrets/x");
    let zero = token(r#"{"v":"meta.k8s.io/v1","rv":0,"start":"x"}"#);
    assert!(refused(&zero).starts_with("continue key is not valid: incorrect encoded start resourceVersion"));
}
