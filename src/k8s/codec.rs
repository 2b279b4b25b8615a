//! Between bytes and objects: bodies of requests in three notations, and values of etcd.
//!
//! Upstream: the serializers of `k8s.io/apimachinery/pkg/runtime/serializer`, `transformDecodeError` of the API server, and
//! `PrepareObjectForStorage`. An object that comes out is in the form of its type; defaults are filled in elsewhere.

use serde_json::Value;

use super::meta::status::Status;
use super::protobuf::{self, Envelope};
use super::registry::{Format, Resource};
use super::schema::Schema;
use super::{conversion, json, typed, yaml};

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    Json,
    Yaml,
    Protobuf,
}

/// A body that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    pub object: Value,
    /// What strict reading refuses, and other reading warns of: `unknown field "spec.x"`.
    pub problems: Vec<String>,
}

/// What is wrong with a body, if strictness was asked for.
pub fn strict_error(resource: &Resource, body: &Body) -> Option<Status> {
    let kind = resource.kind;
    let problems = body.problems.join(", ");
    let message = format!(
        "{kind} in version {:?} cannot be handled as a {kind}: strict decoding error: {problems}",
        resource.version
    );
    (!body.problems.is_empty()).then(|| Status::bad_request(message))
}

/// Reads the body of a request for a resource. A body that does not say what it is, is what the resource holds.
pub fn decode_body(schema: &Schema, resource: &Resource, media: MediaType, bytes: &[u8]) -> Result<Body, Status> {
    let expected = resource.kind;
    let unrecognized = |error: &str| {
        let summary = summarize(bytes);
        Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {expected}): {error} ({summary})"
        ))
    };
    let (mut value, mut problems) = match media {
        MediaType::Json => read_json(bytes).map_err(|error| unrecognized(&error))?,
        MediaType::Yaml => read_yaml(bytes).map_err(|error| unrecognized(&error))?,
        MediaType::Protobuf => {
            let object = protobuf::from_bytes(schema, bytes).map_err(|error| unrecognized(&error))?;
            (object, Vec::new())
        }
    };
    let own = |name: &str| value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let kind = own("kind").unwrap_or_else(|| expected.to_owned());
    let api_version = own("apiVersion").unwrap_or_else(|| resource.api_version());
    let version = api_version.rsplit('/').next().unwrap_or_default().to_owned();
    let unfit = |error: &str| {
        Status::bad_request(format!("{kind} in version {version:?} cannot be handled as a {expected}: {error}"))
    };
    let Some(message) = schema.kind(&api_version, &kind) else {
        let error = format!("no kind {kind:?} is registered for version {api_version:?} in scheme \"{SCHEME}\"");
        return Err(unfit(&error));
    };
    if media != MediaType::Protobuf {
        let decoded = typed::decode(schema, message, value).map_err(|error| unfit(&error))?;
        problems.extend(decoded.unknown.iter().map(|path| format!("unknown field {path:?}")));
        value = decoded.value;
    }
    if api_version != resource.api_version() {
        let expected = resource.api_version();
        let error =
            format!("the API version in the data ({api_version}) does not match the expected API version ({expected})");
        return Err(Status::bad_request(error));
    }
    if kind != expected {
        return Err(unfit(&format!("converting (v1.{kind}) to (core.{expected}): unknown conversion")));
    }
    if let Value::Object(fields) = &mut value {
        // They come first, also where the body lacked them.
        let rest = std::mem::take(fields);
        fields.insert("kind".to_owned(), kind.into());
        fields.insert("apiVersion".to_owned(), api_version.into());
        fields.extend(rest.into_iter().filter(|(name, _)| name != "kind" && name != "apiVersion"));
    }
    Ok(Body { object: value, problems })
}

/// Where upstream's scheme was made; it stands in its errors.
const SCHEME: &str = "pkg/api/legacyscheme/scheme.go:30";

fn read_json(bytes: &[u8]) -> Result<(Value, Vec<String>), String> {
    let document = json::parse(bytes)
        .map_err(|error| format!("couldn't get version/kind; json parse error: {}", error.message))?;
    let problems = document.duplicates.iter().map(|path| format!("duplicate field {path:?}")).collect();
    Ok((document.value, problems))
}

fn read_yaml(bytes: &[u8]) -> Result<(Value, Vec<String>), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "yaml: invalid leading UTF-8 octet")?;
    let document = yaml::parse(text).map_err(|error| error.to_string())?;
    let twice = |key: &yaml::Duplicate| format!("  line {}: key {:?} already set in map", key.line, key.key);
    let lines: Vec<String> = document.duplicates.iter().map(twice).collect();
    let problems =
        if lines.is_empty() { Vec::new() } else { vec![format!("yaml: unmarshal errors:\n{}", lines.join("\n"))] };
    Ok((document.value, problems))
}

/// The beginning of a body, as errors show it.
fn summarize(bytes: &[u8]) -> String {
    const SHOWN: usize = 30;
    let (shown, dots) = if bytes.len() > SHOWN { (&bytes[..SHOWN], " ...") } else { (bytes, "") };
    match bytes.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{dots}", String::from_utf8_lossy(shown)),
        Some(_) => {
            let digits: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{digits}{dots}")
        }
    }
}

/// The value that an object has in etcd. What etcd itself knows is not in it.
pub fn encode_stored(schema: &Schema, resource: &Resource, object: &Value) -> Result<Vec<u8>, String> {
    let mut object = object.clone();
    forget_revision(&mut object);
    let object = conversion::convert(schema, object, &resource.stored_api_version())?;
    match resource.format() {
        Format::Protobuf => protobuf::to_bytes(schema, &object),
        Format::Json => Ok(encode_custom(&object)),
    }
}

/// The value of a custom resource: its keys are sorted.
pub fn encode_stored_custom(object: &Value) -> Vec<u8> {
    let mut object = object.clone();
    forget_revision(&mut object);
    object.sort_all_objects();
    encode_custom(&object)
}

fn encode_custom(object: &Value) -> Vec<u8> {
    (json::to_string(object) + "\n").into_bytes()
}

fn forget_revision(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
        metadata.remove("selfLink");
    }
}

/// The object that a value of etcd holds, as the version that the resource serves, at the revision of its key.
pub fn decode_stored(schema: &Schema, resource: &Resource, bytes: &[u8], revision: i64) -> Result<Value, String> {
    let object = match bytes {
        [b'{', ..] => {
            let value = json::parse(bytes).map_err(|error| error.message)?.value;
            let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
            let (api_version, kind) = (text("apiVersion"), text("kind"));
            let message =
                schema.kind(api_version, kind).ok_or_else(|| format!("no kind {kind:?} in {api_version:?}"))?;
            typed::decode(schema, message, value)?.value
        }
        _ => protobuf::from_bytes(schema, bytes)?,
    };
    let mut object = conversion::convert(schema, object, &resource.api_version())?;
    put_revision(&mut object, revision);
    Ok(object)
}

/// A custom resource from etcd.
pub fn decode_stored_custom(bytes: &[u8], revision: i64) -> Result<Value, String> {
    let mut object = json::parse(bytes).map_err(|error| error.message)?.value;
    put_revision(&mut object, revision);
    Ok(object)
}

/// In its place among the fields of metadata, which is before the generation.
fn put_revision(object: &mut Value, revision: i64) {
    let Some(Value::Object(metadata)) = object.get_mut("metadata") else { return };
    let before = ["name", "generateName", "namespace", "selfLink", "uid"];
    let (mut first, rest): (serde_json::Map<_, _>, serde_json::Map<_, _>) = std::mem::take(metadata)
        .into_iter()
        .filter(|(name, _)| name != "resourceVersion")
        .partition(|(name, _)| before.contains(&&name[..]));
    first.insert("resourceVersion".to_owned(), revision.to_string().into());
    first.extend(rest);
    *metadata = first;
}

/// What a value of etcd is, by its first bytes, without reading the object in it.
pub fn describe_stored(bytes: &[u8]) -> String {
    match bytes {
        [b'{', ..] => "JSON".to_owned(),
        [0xd9, 0xd9, 0xf7, ..] => "CBOR".to_owned(),
        _ if bytes.starts_with(super::encryption::PREFIX.as_bytes()) => {
            let mut parts = bytes[super::encryption::PREFIX.len()..].split(|byte| *byte == b':');
            let mut part = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
            format!("encrypted by {} {} with {}", part(), part(), part())
        }
        _ => match Envelope::from_bytes(bytes) {
            Ok(envelope) => format!("Protobuf: {} {}", envelope.api_version, envelope.kind),
            Err(_) => "unknown".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::k8s::registry;

    fn schema() -> &'static Schema {
        Schema::kubernetes()
    }

    #[track_caller]
    fn refuse(media: MediaType, body: &str, expect: &str) {
        let pods = registry::find("", "v1", "pods").unwrap();
        let status = decode_body(schema(), pods, media, body.as_bytes()).unwrap_err();
        assert_eq!((status.code, &status.message[..]), (400, expect));
    }

    #[test]
    fn bodies_that_are_refused() {
        let unrecognized =
            "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: ";
        refuse(MediaType::Json, "", &format!("{unrecognized}unexpected end of JSON input (<empty>)"));
        refuse(
            MediaType::Json,
            "{\"kind\": Pod}",
            &format!("{unrecognized}invalid character 'P' looking for beginning of value ({{\"kind\": Pod}})"),
        );
        refuse(
            MediaType::Json,
            "x",
            &format!("{unrecognized}invalid character 'x' looking for beginning of value (78)"),
        );
        refuse(
            MediaType::Json,
            r#"{"kind":"Pod","apiVersion":"v1","spec":{"containers":5}}"#,
            "Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field \
             PodSpec.spec.containers of type []v1.Container",
        );
        refuse(
            MediaType::Yaml,
            "kind: Deployment\napiVersion: apps/v1\n",
            "the API version in the data (apps/v1) does not match the expected API version (v1)",
        );
        refuse(
            MediaType::Json,
            r#"{"kind":"Pot","apiVersion":"v1"}"#,
            "Pot in version \"v1\" cannot be handled as a Pod: no kind \"Pot\" is registered for version \"v1\" in scheme \
             \"pkg/api/legacyscheme/scheme.go:30\"",
        );
    }

    #[test]
    fn strictness() {
        let pods = registry::find("", "v1", "pods").unwrap();
        let text = br#"{"spec":{"containers":[{"name":"a","imagePullPolcy":"x"}],"nodeName":"a","nodeName":"b"}}"#;
        let body = decode_body(schema(), pods, MediaType::Json, text).unwrap();
        assert_eq!((&body.object["kind"], &body.object["spec"]["nodeName"]), (&json!("Pod"), &json!("b")));
        let expect = "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: duplicate field \"spec.nodeName\", \
            unknown field \"spec.containers[0].imagePullPolcy\"";
        assert_eq!(strict_error(pods, &body).unwrap().message, expect);
    }

    #[test]
    fn one_object_in_three_notations() {
        let pods = registry::find("", "v1", "pods").unwrap();
        let files = [
            (MediaType::Json, &include_bytes!("../../tests/testdata/k8s/objects/pod.json")[..]),
            (MediaType::Yaml, &include_bytes!("../../tests/testdata/k8s/objects/pod.yaml")[..]),
            (MediaType::Protobuf, &include_bytes!("../../tests/testdata/k8s/objects/pod.pb")[..]),
        ];
        let [json, yaml, protobuf] = files.map(|(media, bytes)| decode_body(schema(), pods, media, bytes).unwrap());
        assert_eq!(json.object.to_string(), yaml.object.to_string());
        assert_eq!(json.object.to_string(), protobuf.object.to_string());
    }

    #[test]
    fn values_of_etcd() {
        let pods = registry::find("", "v1", "pods").unwrap();
        let bytes = include_bytes!("../../tests/testdata/k8s/objects/pod.pb");
        let object = decode_stored(schema(), pods, bytes, 7).unwrap();
        assert_eq!(object["metadata"]["resourceVersion"], "7");
        assert_eq!(encode_stored(schema(), pods, &object).unwrap(), bytes);
        assert_eq!(describe_stored(bytes), "Protobuf: v1 Pod");

        let definitions = registry::find("apiextensions.k8s.io", "v1", "customresourcedefinitions").unwrap();
        let text = include_bytes!("../../tests/testdata/k8s/objects/customresourcedefinition.json");
        let body = decode_body(schema(), definitions, MediaType::Json, text).unwrap().object;
        let stored = encode_stored(schema(), definitions, &body).unwrap();
        assert!(
            stored.starts_with(br#"{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1beta1""#)
        );
        assert!(stored.ends_with(b"}\n"));
        let mut back = decode_stored(schema(), definitions, &stored, 1).unwrap();
        forget_revision(&mut back);
        assert_eq!(back.to_string(), body.to_string());
    }

    #[test]
    fn custom_resources_are_sorted() {
        let ship = json!({"kind": "Ship", "apiVersion": "example.com/v1", "metadata": {"name": "a", "resourceVersion": "5"}, "b": "<"});
        let stored = encode_stored_custom(&ship);
        let expect =
            "{\"apiVersion\":\"example.com/v1\",\"b\":\"\\u003c\",\"kind\":\"Ship\",\"metadata\":{\"name\":\"a\"}}\n";
        assert_eq!(String::from_utf8(stored.clone()).unwrap(), expect);
        assert_eq!(decode_stored_custom(&stored, 9).unwrap()["metadata"]["resourceVersion"], "9");
        assert_eq!(describe_stored(b"k8s:enc:aescbc:v1:key1:\x00"), "encrypted by aescbc v1 with key1");
    }
}
