//! Objects as values of CEL, and values that only Kubernetes' library knows.

use std::any::Any;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;
use std::rc::Rc;

use serde_json::{Map, Number, Value as Json};

use crate::cel::{Object, Opaque, Sequence, Value, is_reserved};
use crate::k8s::meta::quantity::Quantity;
use crate::k8s::meta::time::{Precision, Time};

/// A value of JSON, looked at through its structural schema, if it has one.
pub fn of_json<'a>(value: &'a Json, schema: Option<&'a Json>) -> Value<'a> {
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(int) if !is_type(schema, "number") => Value::Int(int),
            _ => Value::Double(number.clone()),
        },
        Json::String(text) => of_text(text, schema),
        Json::Array(items) => Value::List(Rc::new(List { items, schema })),
        Json::Object(fields) => Value::Map(Rc::new(Fields { fields, schema })),
    }
}

fn is_type(schema: Option<&Json>, name: &str) -> bool {
    schema.is_some_and(|schema| schema["type"] == name)
}

fn of_text<'a>(text: &'a str, schema: Option<&'a Json>) -> Value<'a> {
    let read = match schema.and_then(|schema| schema["format"].as_str()) {
        Some("date-time") => parse_time(text).ok().map(|time| opaque(Timestamp(time))),
        Some("date") => parse_time(&format!("{text}T00:00:00Z")).ok().map(|time| opaque(Timestamp(time))),
        Some("duration") => parse_duration(text).map(|duration| opaque(Duration(duration))),
        _ => None,
    };
    read.unwrap_or_else(|| Value::text(text))
}

struct List<'a> {
    items: &'a [Json],
    schema: Option<&'a Json>,
}

impl<'a> Sequence<'a> for List<'a> {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn item(&self, position: usize) -> Option<Value<'a>> {
        let inner = self.schema.and_then(|schema| schema.get("items"));
        self.items.get(position).map(|item| of_json(item, inner))
    }

    fn is_unordered(&self) -> bool {
        let list_type = self.schema.and_then(|schema| schema["x-kubernetes-list-type"].as_str());
        matches!(list_type, Some("set" | "map"))
    }
}

struct Fields<'a> {
    fields: &'a Map<String, Json>,
    schema: Option<&'a Json>,
}

impl<'a> Object<'a> for Fields<'a> {
    /// A name that CEL could not say is escaped: `__namespace__`, `a__dash__b`.
    fn field(&self, name: &str) -> Option<Value<'a>> {
        let name = match self.fields.contains_key(name) {
            true => Cow::Borrowed(name),
            false => Cow::Owned(unescape(name)?),
        };
        let value = self.fields.get(&*name)?;
        let schema = self.schema.and_then(|schema| {
            let own = schema.get("properties").and_then(|properties| properties.get(&*name));
            own.or_else(|| schema.get("additionalProperties").filter(|inner| inner.is_object()))
        });
        Some(of_json(value, schema))
    }

    fn has(&self, name: &str) -> bool {
        let is_there = |name: &str| self.fields.get(name).is_some_and(|value| !value.is_null());
        is_there(name) || unescape(name).is_some_and(|name| is_there(&name))
    }

    fn names(&self) -> Vec<Cow<'a, str>> {
        let mut names: Vec<Cow<str>> = self.fields.keys().map(|name| Cow::Borrowed(&name[..])).collect();
        names.sort();
        names
    }
}

/// The name of a field that is escaped, if it is one.
pub fn unescape(name: &str) -> Option<String> {
    if !name.contains("__") {
        return None;
    }
    let inner = name.strip_prefix("__").and_then(|name| name.strip_suffix("__"));
    if let Some(word) = inner.filter(|word| is_reserved(word) || ["true", "false"].contains(word)) {
        return Some(word.to_owned());
    }
    let plain = name.replace("__dot__", ".").replace("__dash__", "-").replace("__slash__", "/");
    Some(plain.replace("__underscores__", "__"))
}

/// A value back in JSON: amounts and moments as their texts.
pub fn to_json(value: &Value) -> Result<Json, String> {
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(number) => (*number).into(),
        Value::Uint(number) => (*number).into(),
        Value::Double(number) => Json::Number(number.clone()),
        Value::Text(text) => Json::String(text.to_string()),
        Value::List(list) => {
            let items = (0..list.len()).filter_map(|place| list.item(place));
            Json::Array(items.map(|item| to_json(&item)).collect::<Result<_, _>>()?)
        }
        Value::Map(object) => {
            let mut fields = Map::new();
            for name in object.names() {
                if let Some(value) = object.field(&name) {
                    fields.insert(name.into_owned(), to_json(&value)?);
                }
            }
            Json::Object(fields)
        }
        Value::Opaque(value) => Json::String(show_opaque(&**value)),
    })
}

/// The text of a value of the library.
pub fn show_opaque(value: &dyn Opaque) -> String {
    let value = value.as_any();
    if let Some(Amount(quantity)) = value.downcast_ref() {
        quantity.to_string()
    } else if let Some(Duration(nanos)) = value.downcast_ref() {
        let (seconds, nanos) = (nanos / NANOS, nanos % NANOS);
        let fraction = format!("{:09}", nanos.unsigned_abs());
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        let sign = if seconds == 0 && nanos < 0 { "-" } else { "" };
        format!("{sign}{seconds}{point}{fraction}s")
    } else if let Some(Timestamp(time)) = value.downcast_ref() {
        match time.nanos {
            0 => time.format(Precision::Seconds),
            _ => time.format(Precision::Micros),
        }
    } else if let Some(network) = value.downcast_ref::<Network>() {
        network.show()
    } else if let Some(url) = value.downcast_ref::<Url>() {
        url.text.clone()
    } else if let Some(TypeName(name)) = value.downcast_ref() {
        (*name).to_owned()
    } else {
        String::new()
    }
}

pub fn opaque<'a>(value: impl Opaque + 'static) -> Value<'a> {
    Value::Opaque(Rc::new(value))
}

pub fn type_value<'a>(name: &'static str) -> Value<'a> {
    opaque(TypeName(name))
}

/// `quantity('1Gi')`
pub struct Amount(pub Quantity);
/// `duration('1h')`, in nanoseconds.
pub struct Duration(pub i64);
/// `timestamp('2026-01-01T00:00:00Z')`
pub struct Timestamp(pub Time);
/// `ip('10.0.0.1')`, or with bits `cidr('10.0.0.0/8')`.
#[derive(Clone)]
pub struct Network {
    pub address: IpAddr,
    pub bits: Option<u8>,
}
/// `url('https://example.com/a')`
pub struct Url {
    pub text: String,
    pub scheme: String,
    pub host: String,
    pub path: String,
    pub query: String,
}
/// `type(x)`
pub struct TypeName(pub &'static str);

pub const NANOS: i64 = 1_000_000_000;

macro_rules! opaque_value {
    ($type:ident, $kind:literal, $compare:expr) => {
        impl Opaque for $type {
            fn kind(&self) -> &'static str {
                $kind
            }

            fn as_any(&self) -> &dyn Any {
                self
            }

            fn compare(&self, other: &dyn Opaque) -> Option<Ordering> {
                let compare: fn(&$type, &$type) -> Ordering = $compare;
                other.as_any().downcast_ref().map(|other| compare(self, other))
            }
        }
    };
}

opaque_value!(Amount, "kubernetes.Quantity", |one, other| one.0.cmp_value(&other.0));
opaque_value!(Duration, "google.protobuf.Duration", |one, other| one.0.cmp(&other.0));
opaque_value!(Timestamp, "google.protobuf.Timestamp", |one, other| one.0.cmp(&other.0));
opaque_value!(Network, "net.IP", |one, other| one.order(other));
opaque_value!(Url, "kubernetes.URL", |one, other| one.text.cmp(&other.text));
opaque_value!(TypeName, "type", |one, other| one.0.cmp(other.0));

/// A moment with or without a fraction of a second.
pub fn parse_time(text: &str) -> Result<Time, String> {
    let precision = if text.contains('.') { Precision::Micros } else { Precision::Seconds };
    Time::parse(text, precision)
}

/// As Go's `time.ParseDuration`: `1h30m`, `-1.5s`.
pub fn parse_duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let length = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (number, after) = rest.split_at(length);
        let units = [
            ("ns", 1),
            ("us", 1_000),
            ("µs", 1_000),
            ("ms", 1_000_000),
            ("s", 1_000_000_000),
            ("m", 60_000_000_000),
            ("h", 3_600_000_000_000i128),
        ];
        let unit = units.iter().filter(|(unit, _)| after.starts_with(unit)).max_by_key(|(unit, _)| unit.len())?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || number.len() > 18 {
            return None;
        }
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        total += digits * unit.1 / 10i128.pow(fraction.len() as u32);
        rest = &after[unit.0.len()..];
    }
    i64::try_from(sign * total).ok()
}

/// A whole number of a double, cut off.
pub fn truncated(number: &Number) -> Option<i64> {
    let text = number.as_f64()?.trunc().to_string();
    text.parse().ok()
}
