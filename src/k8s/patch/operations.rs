//! JSON patch (RFC 6902), with the liberties of `gopkg.in/evanphx/json-patch.v4`: indexes may be negative, `replace` makes a
//! field that is not there, and null is the same as nothing to `test`.

use serde_json::{Map, Value};

use super::{FieldValidation, json_type, read_json};
use crate::k8s::json;
use crate::k8s::meta::status::{Status, quote};

pub type Operation = Map<String, Value>;

/// Bytes that the copies of one patch may add: `--json-patch-max-copy-bytes`.
const COPIED_MAX: usize = 3 << 20;
/// Simplified: upstream stops at 10,000 levels; here recursion must fit a small stack.
const DEPTH_MAX: usize = 200;

const MISSING: &str = "missing value";

/// Reads a patch, and what is wrong with it that only strictness minds.
pub fn read(bytes: &[u8], validation: FieldValidation) -> Result<(Vec<Operation>, Vec<String>), Status> {
    let is_loose = validation == FieldValidation::Ignore;
    let prefix = if is_loose { "" } else { "error decoding patch: " };
    let refuse = |error: String| Status::bad_request(format!("{prefix}{error}"));
    let (document, duplicates) = read_json(bytes).map_err(refuse)?;
    let (list, item) = if is_loose {
        ("jsonpatch.Patch", "jsonpatch.Operation")
    } else {
        ("[]handlers.jsonPatchOp", "handlers.jsonPatchOp")
    };
    let mismatch = |value: &Value, ty: &str| {
        refuse(format!("json: cannot unmarshal {} into Go value of type {ty}", json_type(value)))
    };
    let items = match document {
        Value::Array(items) => items,
        Value::Null => Vec::new(),
        other => return Err(mismatch(&other, list)),
    };
    let mut problems: Vec<String> = duplicates.iter().map(|text| format!("json patch {text}")).collect();
    let mut operations = Vec::with_capacity(items.len());
    for (place, value) in items.into_iter().enumerate() {
        let operation = match value {
            Value::Object(operation) => operation,
            Value::Null => Map::new(),
            other => return Err(mismatch(&other, item)),
        };
        for (name, value) in operation.iter().filter(|_| !is_loose) {
            match name.as_str() {
                "op" | "path" | "from" if !value.is_string() && !value.is_null() => {
                    let what = json_type(value);
                    let field = format!("Go struct field jsonPatchOp.{name} of type string");
                    return Err(refuse(format!("json: cannot unmarshal {what} into {field}")));
                }
                "op" | "path" | "from" | "value" => {}
                _ => problems.push(format!("json patch unknown field {}", quote(&format!("[{place}].{name}")))),
            }
        }
        operations.push(operation);
    }
    Ok((operations, problems))
}

/// Applies all operations, or says why one of them cannot be.
pub fn apply(mut document: Value, operations: &[Operation]) -> Result<Value, String> {
    let mut copied = 0;
    for operation in operations {
        let kind = operation.get("op").and_then(Value::as_str).unwrap_or("unknown");
        match kind {
            "add" => add(&mut document, operation)?,
            "remove" => remove(&mut document, operation)?,
            "replace" => replace(&mut document, operation)?,
            "move" => relocate(&mut document, operation)?,
            "test" => test(&mut document, operation)?,
            "copy" => copy(&mut document, operation, &mut copied)?,
            _ => return Err(format!("Unexpected kind: {kind}")),
        }
    }
    Ok(document)
}

fn add(document: &mut Value, operation: &Operation) -> Result<(), String> {
    let path = path(operation).map_err(|_| format!("add operation failed to decode path: {MISSING}"))?;
    let (container, key) = find(document, path)
        .ok_or_else(|| format!("add operation does not apply: doc is missing path: \"{path}\": {MISSING}"))?;
    let value = operation.get("value").cloned().unwrap_or_default();
    insert(container, &key, path, value).map_err(|error| format!("error in add for path: '{path}': {error}"))
}

fn remove(document: &mut Value, operation: &Operation) -> Result<(), String> {
    let path = path(operation).map_err(|_| format!("remove operation failed to decode path: {MISSING}"))?;
    let (container, key) = find(document, path)
        .ok_or_else(|| format!("remove operation does not apply: doc is missing path: \"{path}\": {MISSING}"))?;
    take(container, &key).map(drop).map_err(|error| format!("error in remove for path: '{path}': {error}"))
}

fn replace(document: &mut Value, operation: &Operation) -> Result<(), String> {
    let path = path(operation).map_err(|error| format!("replace operation failed to decode path: {error}"))?;
    let value = operation.get("value").cloned().unwrap_or_default();
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err("replace operation value must be object or array: %!w(<nil>)".to_owned());
        }
        *document = value;
        return Ok(());
    }
    let (container, key) = find(document, path)
        .ok_or_else(|| format!("replace operation does not apply: doc is missing path: {path}: {MISSING}"))?;
    let missing = |_| format!("replace operation does not apply: doc is missing key: {path}: {MISSING}");
    check_depth(path, &value)?;
    match container {
        Value::Array(items) => {
            let place = index(&key, items.len()).map_err(missing)?;
            items[place] = value;
        }
        Value::Object(map) => drop(map.insert(key, value)),
        _ => {}
    }
    Ok(())
}

fn relocate(document: &mut Value, operation: &Operation) -> Result<(), String> {
    let from = from(operation).map_err(|error| format!("move operation failed to decode from: {error}"))?;
    let (container, key) = find(document, from)
        .ok_or_else(|| format!("move operation does not apply: doc is missing from path: {from}: {MISSING}"))?;
    let value = take(container, &key).map_err(|error| format!("error in move for path: '{key}': {error}"))?;
    let path = path(operation).map_err(|error| format!("move operation failed to decode path: {error}"))?;
    let (container, key) = find(document, path)
        .ok_or_else(|| format!("move operation does not apply: doc is missing destination path: {path}: {MISSING}"))?;
    insert(container, &key, path, value).map_err(|error| format!("error in move for path: '{path}': {error}"))
}

fn test(document: &mut Value, operation: &Operation) -> Result<(), String> {
    let path = path(operation).map_err(|error| format!("test operation failed to decode path: {error}"))?;
    let failed = || format!("testing value {path} failed: test failed");
    let expected = operation.get("value").unwrap_or(&Value::Null);
    if path.is_empty() {
        return if document == expected { Ok(()) } else { Err(failed()) };
    }
    let (container, key) = find(document, path)
        .ok_or_else(|| format!("test operation does not apply: is missing path: {path}: {MISSING}"))?;
    let value = get(container, &key).map_err(|error| format!("error in test for path: '{path}': {error}"))?;
    if value.unwrap_or(&Value::Null) == expected { Ok(()) } else { Err(failed()) }
}

fn copy(document: &mut Value, operation: &Operation, copied: &mut usize) -> Result<(), String> {
    let from = from(operation).map_err(|error| format!("copy operation failed to decode from: {error}"))?;
    let (container, key) = find(document, from)
        .ok_or_else(|| format!("copy operation does not apply: doc is missing from path: {from}: {MISSING}"))?;
    let value = get(container, &key).map_err(|error| format!("error in copy for from: '{from}': {error}"))?;
    let value = value.cloned().unwrap_or_default();
    let path = path(operation).map_err(|_| format!("copy operation failed to decode path: {MISSING}"))?;
    let (container, key) = find(document, path)
        .ok_or_else(|| format!("copy operation does not apply: doc is missing destination path: {path}: {MISSING}"))?;
    *copied += json::to_string(&value).len();
    if *copied > COPIED_MAX {
        let why = "Unable to complete the copy, the accumulated size increase of copy is";
        return Err(format!("{why} {copied}, exceeding the limit {COPIED_MAX}"));
    }
    insert(container, &key, path, value).map_err(|error| format!("error while adding value during copy: {error}"))
}

fn path(operation: &Operation) -> Result<&str, String> {
    let path = operation.get("path").and_then(Value::as_str);
    path.ok_or_else(|| format!("operation missing path field: {MISSING}"))
}

fn from(operation: &Operation) -> Result<&str, String> {
    let from = operation.get("from").and_then(Value::as_str);
    from.ok_or_else(|| format!("operation, missing from field: {MISSING}"))
}

/// The object or array that the last part of a path belongs to, and that part.
fn find<'a>(document: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let mut parts = path.split('/').skip(1).map(unescape);
    let mut key = parts.next()?;
    let mut container = document;
    for part in parts {
        let next = match container {
            Value::Object(map) => map.get_mut(&key)?,
            Value::Array(items) => {
                let place = index(&key, items.len()).ok()?;
                &mut items[place]
            }
            _ => return None,
        };
        container = next;
        key = part;
    }
    (container.is_object() || container.is_array()).then_some((container, key))
}

fn unescape(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    let mut rest = part;
    while let Some(at) = rest.find('~') {
        out.push_str(&rest[..at]);
        let (c, length) = match rest.as_bytes().get(at + 1) {
            Some(b'0') => ('~', 2),
            Some(b'1') => ('/', 2),
            _ => ('~', 1),
        };
        out.push(c);
        rest = &rest[at + length..];
    }
    out + rest
}

/// A place in an array; a negative one counts from the end.
fn index(key: &str, length: usize) -> Result<usize, String> {
    let number = atoi(key)?;
    let invalid = || format!("Unable to access invalid index: {number}: invalid index referenced");
    let place = if number < 0 { number.checked_add_unsigned(length as u64) } else { Some(number) };
    let place = place.and_then(|place| usize::try_from(place).ok());
    place.filter(|place| *place < length).ok_or_else(invalid)
}

/// As `strconv.Atoi`.
fn atoi(key: &str) -> Result<i64, String> {
    let digits = key.strip_prefix(['+', '-']).unwrap_or(key);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("strconv.Atoi: parsing {}: invalid syntax", quote(key)));
    }
    key.parse().map_err(|_| format!("strconv.Atoi: parsing {}: value out of range", quote(key)))
}

fn get<'a>(container: &'a Value, key: &str) -> Result<Option<&'a Value>, String> {
    match container {
        Value::Array(items) => index(key, items.len()).map(|place| items.get(place)),
        _ => Ok(container.get(key)),
    }
}

fn take(container: &mut Value, key: &str) -> Result<Value, String> {
    match container {
        Value::Array(items) => index(key, items.len()).map(|place| items.remove(place)),
        Value::Object(map) => {
            map.shift_remove(key).ok_or_else(|| format!("Unable to remove nonexistent key: {key}: {MISSING}"))
        }
        _ => Ok(Value::Null),
    }
}

fn insert(container: &mut Value, key: &str, path: &str, value: Value) -> Result<(), String> {
    check_depth(path, &value)?;
    match container {
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            // One past the end is a place too, and -1 names it.
            let wrong = |error: String| match error.starts_with("strconv") {
                true => format!("value was not a proper array index: '{key}': {error}"),
                false => error,
            };
            let place = index(key, items.len() + 1).map_err(wrong)?;
            items.insert(place, value);
        }
        Value::Object(map) => drop(map.insert(key.to_owned(), value)),
        _ => {}
    }
    Ok(())
}

fn check_depth(path: &str, value: &Value) -> Result<(), String> {
    let depth = path.matches('/').count() + depth(value);
    if depth > DEPTH_MAX { Err("exceeded max depth".to_owned()) } else { Ok(()) }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}
