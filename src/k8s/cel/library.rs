//! The functions that Kubernetes adds to CEL: texts, lists, regular expressions, amounts, moments, conversions.
//!
//! Upstream: `k8s.io/apiserver/pkg/cel/library` and `github.com/google/cel-go/ext`.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use regex_lite::{Regex, RegexBuilder};
use serde_json::Number;

use super::authorizer::{self, Authorizer};
use super::values::{
    self, Amount, Duration, NANOS, Network, Timestamp, Url, opaque, parse_duration, parse_time, truncated, type_value,
};
use super::{formatting, network};
use crate::cel::{Fault, Library, Sequence, Signature, Value};
use crate::k8s::meta::quantity::Quantity;
use crate::k8s::meta::status::quote;
use crate::k8s::meta::time::{Precision, Time};

/// The functions, and who answers `authorizer`.
pub struct Kubernetes<'l> {
    pub authorizer: Option<&'l dyn Authorizer>,
}

/// A library without a request.
const PLAIN: Kubernetes = Kubernetes { authorizer: None };

const fn global(name: &'static str, arguments: usize) -> Signature {
    Signature { name, is_method: false, arguments: (arguments, arguments) }
}

const fn method(name: &'static str, fewest: usize, most: usize) -> Signature {
    Signature { name, is_method: true, arguments: (fewest, most) }
}

pub const FUNCTIONS: [Signature; 86] = [
    global("type", 1),
    global("dyn", 1),
    global("double", 1),
    global("uint", 1),
    global("bool", 1),
    global("duration", 1),
    global("timestamp", 1),
    global("quantity", 1),
    global("isQuantity", 1),
    global("matches", 2),
    global("ip", 1),
    global("isIP", 1),
    global("ip.isCanonical", 1),
    global("cidr", 1),
    global("isCIDR", 1),
    global("url", 1),
    global("isURL", 1),
    method("family", 0, 0),
    method("isUnspecified", 0, 0),
    method("isLoopback", 0, 0),
    method("isLinkLocalMulticast", 0, 0),
    method("isLinkLocalUnicast", 0, 0),
    method("isGlobalUnicast", 0, 0),
    method("containsIP", 1, 1),
    method("containsCIDR", 1, 1),
    method("ip", 0, 0),
    method("masked", 0, 0),
    method("prefixLength", 0, 0),
    method("getScheme", 0, 0),
    method("getHost", 0, 0),
    method("getHostname", 0, 0),
    method("getPort", 0, 0),
    method("getEscapedPath", 0, 0),
    method("getQuery", 0, 0),
    method("format", 1, 1),
    method("matches", 1, 1),
    method("charAt", 1, 1),
    method("indexOf", 1, 2),
    method("lastIndexOf", 1, 2),
    method("join", 0, 1),
    method("lowerAscii", 0, 0),
    method("upperAscii", 0, 0),
    method("replace", 2, 3),
    method("split", 1, 2),
    method("substring", 1, 2),
    method("trim", 0, 0),
    method("reverse", 0, 0),
    method("sort", 0, 0),
    method("distinct", 0, 0),
    method("flatten", 0, 0),
    global("lists.range", 1),
    global("sets.contains", 2),
    global("sets.equivalent", 2),
    global("sets.intersects", 2),
    global("strings.quote", 1),
    global("optional.of", 1),
    global("optional.none", 0),
    method("find", 1, 1),
    method("findAll", 1, 2),
    method("isSorted", 0, 0),
    method("sum", 0, 0),
    method("min", 0, 0),
    method("max", 0, 0),
    method("slice", 2, 2),
    method("isInteger", 0, 0),
    method("asInteger", 0, 0),
    method("asApproximateFloat", 0, 0),
    global("sign", 1),
    method("add", 1, 1),
    method("sub", 1, 1),
    method("isLessThan", 1, 1),
    method("isGreaterThan", 1, 1),
    method("compareTo", 1, 1),
    method("hasValue", 0, 0),
    method("orValue", 1, 1),
    method("value", 0, 0),
    method("getFullYear", 0, 1),
    method("getMonth", 0, 1),
    method("getDate", 0, 1),
    method("getDayOfMonth", 0, 1),
    method("getDayOfWeek", 0, 1),
    method("getDayOfYear", 0, 1),
    method("getHours", 0, 1),
    method("getMinutes", 0, 1),
    method("getSeconds", 0, 1),
    method("getMilliseconds", 0, 1),
];

/// Bytes of text times bytes of pattern that one search may take.
const SEARCH_MAX: usize = 1 << 27;

/// Items of a list that is made of nothing.
const RANGE_MAX: usize = 10_000;

type Answer<'a> = Result<Value<'a>, (Fault, String)>;

fn wrong<'a>(message: impl Into<String>) -> Answer<'a> {
    Err((Fault::Other, message.into()))
}

impl Library for Kubernetes<'_> {
    fn call<'a>(&self, name: &str, arguments: &[Value<'a>]) -> Answer<'a> {
        let overload = || Err((Fault::Overload, "no such overload".to_owned()));
        match arguments {
            // Null stands for an optional value that is not there.
            [value] if name == "hasValue" => Ok(Value::Bool(!matches!(value, Value::Null))),
            [Value::Null, other] if name == "orValue" => Ok(other.clone()),
            [value, _] if name == "orValue" => Ok(value.clone()),
            [] => Ok(Value::Null),
            [value] if name == "optional.of" => Ok(value.clone()),
            [Value::Int(count)] if name == "lists.range" => {
                match usize::try_from(*count).ok().filter(|count| *count <= RANGE_MAX) {
                    Some(count) => Ok(Value::list((0..count as i64).map(Value::Int).collect())),
                    None => wrong(format!("range of {count} items")),
                }
            }
            [Value::Null] if name == "value" => wrong("optional.none() dereference"),
            [value] if name == "value" => Ok(value.clone()),
            [value] if matches!(name, "type" | "dyn" | "int" | "string" | "double" | "uint" | "bool") => {
                convert(name, value).unwrap_or_else(overload)
            }
            [Value::Text(text)] if matches!(name, "duration" | "timestamp" | "quantity" | "isQuantity") => {
                parse(name, text)
            }
            [Value::Text(pattern), Value::List(arguments)] if name == "format" => {
                formatting::format(pattern, &**arguments)
            }
            [Value::Text(text), rest @ ..] => {
                let made = if rest.is_empty() { network::make(name, text) } else { None };
                made.or_else(|| texts(name, text, rest)).unwrap_or_else(overload)
            }
            [Value::List(list), rest @ ..] => lists(name, &**list, rest).unwrap_or_else(overload),
            [Value::Opaque(value), rest @ ..] => {
                if let Some(answer) = authorizer::call(self.authorizer, name, &**value, rest) {
                    return answer;
                }
                let value = value.as_any();
                let answer = if let Some(Amount(amount)) = value.downcast_ref() {
                    amounts(name, amount, rest)
                } else if let Some(Duration(nanos)) = value.downcast_ref() {
                    durations(name, *nanos, rest)
                } else if let Some(Timestamp(time)) = value.downcast_ref() {
                    moments(name, *time, rest)
                } else if let Some(network) = value.downcast_ref::<Network>() {
                    network::of_network(name, network, rest)
                } else if let Some(url) = value.downcast_ref::<Url>() {
                    network::of_url(name, url, rest)
                } else {
                    None
                };
                answer.unwrap_or_else(overload)
            }
            _ => overload(),
        }
    }
}

fn convert<'a>(name: &str, value: &Value<'a>) -> Option<Answer<'a>> {
    let converted = match (name, value) {
        ("dyn", value) => value.clone(),
        ("type", value) => type_value(value.kind()),
        ("double", Value::Double(_)) | ("uint", Value::Uint(_)) | ("bool", Value::Bool(_)) => value.clone(),
        ("double", Value::Int(number)) => Value::Double(doubled(&number.to_string())?),
        ("double", Value::Uint(number)) => Value::Double(doubled(&number.to_string())?),
        ("double", Value::Text(text)) => match doubled(text) {
            Some(number) => Value::Double(number),
            None => return Some(wrong(format!("type conversion error from 'string' to 'double': {text}"))),
        },
        ("uint", Value::Int(number)) => match u64::try_from(*number) {
            Ok(number) => Value::Uint(number),
            Err(_) => return Some(wrong("unsigned integer overflow")),
        },
        ("uint", Value::Text(text)) => match text.parse() {
            Ok(number) => Value::Uint(number),
            Err(_) => return Some(wrong("type conversion error from 'string' to 'uint'")),
        },
        ("bool", Value::Text(text)) => match &**text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Value::Bool(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Value::Bool(false),
            _ => return Some(wrong("type conversion error from 'string' to 'bool'")),
        },
        ("int", Value::Double(number)) => match truncated(number) {
            Some(number) => Value::Int(number),
            None => return Some(wrong("integer overflow")),
        },
        ("int", Value::Uint(number)) => match i64::try_from(*number) {
            Ok(number) => Value::Int(number),
            Err(_) => return Some(wrong("integer overflow")),
        },
        ("int", Value::Opaque(value)) => {
            let value = value.as_any();
            let timestamp = value.downcast_ref().map(|Timestamp(time)| time.seconds);
            Value::Int(timestamp.or_else(|| value.downcast_ref().map(|Duration(nanos)| *nanos))?)
        }
        ("string", Value::Uint(number)) => Value::text(number.to_string()),
        ("string", Value::Double(number)) => Value::text(crate::k8s::json::number::shortest_g(number)),
        ("string", Value::Opaque(value)) => Value::text(values::show_opaque(&**value)),
        _ => return None,
    };
    Some(Ok(converted))
}

/// A number with a fraction, if only a fraction of nothing.
fn doubled(text: &str) -> Option<Number> {
    let text = text.trim_start_matches('+');
    let number: Number = text.parse().ok()?;
    if number.is_f64() { Some(number) } else { format!("{text}.0").parse().ok() }
}

fn parse<'a>(name: &str, text: &str) -> Answer<'a> {
    match name {
        "isQuantity" => Ok(Value::Bool(Quantity::parse(text).is_ok())),
        "quantity" => match Quantity::parse(text) {
            Ok(quantity) => Ok(opaque(Amount(quantity))),
            Err(error) => wrong(error.to_string()),
        },
        "duration" => match parse_duration(text) {
            Some(nanos) => Ok(opaque(Duration(nanos))),
            None => wrong(format!("time: invalid duration {}", quote(text))),
        },
        _ => match parse_time(text) {
            Ok(time) => Ok(opaque(Timestamp(time))),
            Err(error) => wrong(error),
        },
    }
}

fn texts<'a>(name: &str, text: &str, rest: &[Value<'a>]) -> Option<Answer<'a>> {
    let count = |text: &str| text.chars().count() as i64;
    let answer = match (name, rest) {
        ("matches", [Value::Text(pattern)]) => {
            return Some(search(text, pattern).map(|regex| Value::Bool(regex.is_match(text))));
        }
        ("find", [Value::Text(pattern)]) => {
            return Some(
                search(text, pattern)
                    .map(|regex| Value::text(regex.find(text).map_or("", |found| found.as_str()).to_owned())),
            );
        }
        ("findAll", [Value::Text(pattern), limit @ ..]) => {
            let limit = match limit {
                [] => usize::MAX,
                [Value::Int(limit)] => usize::try_from(*limit).unwrap_or(usize::MAX),
                _ => return None,
            };
            return Some(search(text, pattern).map(|regex| {
                let found = regex.find_iter(text).take(limit).map(|found| Value::text(found.as_str().to_owned()));
                Value::list(found.collect())
            }));
        }
        ("charAt", [Value::Int(index)]) => {
            let place = usize::try_from(*index).ok().filter(|_| *index <= count(text));
            let Some(place) = place else { return Some(wrong(format!("index out of range: {index}"))) };
            Value::text(text.chars().nth(place).map(String::from).unwrap_or_default())
        }
        ("indexOf", [Value::Text(part), start @ ..]) => {
            let from = match start {
                [] => 0,
                [Value::Int(from)] if (0..=count(text)).contains(from) => *from as usize,
                [Value::Int(from)] => return Some(wrong(format!("index out of range: {from}"))),
                _ => return None,
            };
            let skipped: usize = text.chars().take(from).map(char::len_utf8).sum();
            let found = text[skipped..].find(&**part).map(|at| count(&text[..skipped + at]));
            Value::Int(found.unwrap_or(-1))
        }
        ("lastIndexOf", [Value::Text(part)]) => Value::Int(text.rfind(&**part).map_or(-1, |at| count(&text[..at]))),
        ("lowerAscii", []) => Value::text(text.to_ascii_lowercase()),
        ("upperAscii", []) => Value::text(text.to_ascii_uppercase()),
        ("trim", []) => Value::text(text.trim().to_owned()),
        ("strings.quote", []) => Value::text(quote(text)),
        ("replace", [Value::Text(old), Value::Text(new)]) => Value::text(text.replace(&**old, new)),
        ("replace", [Value::Text(old), Value::Text(new), Value::Int(limit)]) => match usize::try_from(*limit) {
            Ok(limit) => Value::text(text.replacen(&**old, new, limit)),
            Err(_) => Value::text(text.replace(&**old, new)),
        },
        ("split", [Value::Text(separator)]) => split(text, separator, usize::MAX),
        ("split", [Value::Text(separator), Value::Int(limit)]) => {
            split(text, separator, usize::try_from(*limit).unwrap_or(usize::MAX))
        }
        ("substring", [Value::Int(start), end @ ..]) => {
            let length = count(text);
            let end = match end {
                [] => length,
                [Value::Int(end)] => *end,
                _ => return None,
            };
            if *start < 0 || *start > length || end > length {
                let index = if (0..=length).contains(start) { end } else { *start };
                return Some(wrong(format!("index out of range: {index}")));
            }
            if end < *start {
                return Some(wrong(format!("invalid substring range. start: {start}, end: {end}")));
            }
            Value::text(text.chars().skip(*start as usize).take((end - start) as usize).collect::<String>())
        }
        _ => return None,
    };
    Some(Ok(answer))
}

fn split<'a>(text: &str, separator: &str, limit: usize) -> Value<'a> {
    let parts: Vec<String> = match (limit, separator) {
        (0, _) => Vec::new(),
        (limit, "") => {
            let (mut parts, mut rest) = (Vec::new(), text);
            while let Some(c) = rest.chars().next().filter(|_| parts.len() + 1 < limit) {
                parts.push(String::from(c));
                rest = &rest[c.len_utf8()..];
            }
            parts.extend((!rest.is_empty()).then(|| rest.to_owned()));
            parts
        }
        (limit, _) => text.splitn(limit, separator).map(str::to_owned).collect(),
    };
    Value::list(parts.into_iter().map(Value::text).collect())
}

/// Patterns are those of RE2, as in Go.
fn search(text: &str, pattern: &str) -> Result<Regex, (Fault, String)> {
    if text.len().saturating_mul(pattern.len()) > SEARCH_MAX {
        return Err((Fault::OutOfFuel, "this search takes too long".to_owned()));
    }
    let regex = RegexBuilder::new(pattern).build();
    regex.map_err(|error| (Fault::Other, format!("error parsing regexp: {error}")))
}

fn lists<'a>(name: &str, list: &dyn Sequence<'a>, rest: &[Value<'a>]) -> Option<Answer<'a>> {
    let items: Vec<Value<'a>> = (0..list.len()).filter_map(|place| list.item(place)).collect();
    let order = |one: &Value<'a>, other: &Value<'a>| one.compare(other);
    let answer = match (name, rest) {
        ("join", rest) => {
            let separator = match rest {
                [] => "",
                [Value::Text(separator)] => separator,
                _ => return None,
            };
            let texts: Option<Vec<&str>> = items
                .iter()
                .map(|item| match item {
                    Value::Text(text) => Some(&**text),
                    _ => None,
                })
                .collect();
            Value::text(texts?.join(separator))
        }
        ("isSorted", []) => {
            let orders: Option<Vec<Ordering>> = items.windows(2).map(|pair| order(&pair[0], &pair[1])).collect();
            Value::Bool(orders?.into_iter().all(Ordering::is_le))
        }
        ("min" | "max", []) => {
            let mut items = items.into_iter();
            let Some(mut best) = items.next() else { return Some(wrong(format!("{name} called on empty list"))) };
            for item in items {
                let wanted = if name == "min" { Ordering::Less } else { Ordering::Greater };
                if order(&item, &best)? == wanted {
                    best = item;
                }
            }
            best
        }
        ("sum", []) => return sum(&items),
        ("indexOf", [wanted]) => {
            Value::Int(items.iter().position(|item| is_equal(item, wanted)).map_or(-1, |place| place as i64))
        }
        ("lastIndexOf", [wanted]) => {
            Value::Int(items.iter().rposition(|item| is_equal(item, wanted)).map_or(-1, |place| place as i64))
        }
        ("slice", [Value::Int(start), Value::Int(end)]) => {
            let range = usize::try_from(*start).ok().zip(usize::try_from(*end).ok());
            match range.and_then(|(start, end)| items.get(start..end)) {
                Some(items) => Value::list(items.to_vec()),
                None => return Some(wrong(format!("cannot slice({start}, {end})"))),
            }
        }
        ("reverse", []) => Value::list(items.into_iter().rev().collect()),
        ("sort", []) => {
            // All must have an order with the first.
            items.iter().try_for_each(|item| order(item, &items[0]).map(drop))?;
            let mut items = items;
            items.sort_by(|one, other| order(one, other).unwrap_or(Ordering::Equal));
            Value::list(items)
        }
        ("distinct", []) => {
            let mut seen = BTreeSet::new();
            let is_new = |item: &Value<'a>| values::to_json(item).is_ok_and(|item| seen.insert(sorted(item)));
            Value::list(items.into_iter().filter(is_new).collect())
        }
        ("flatten", []) => {
            let mut flat = Vec::new();
            for item in items {
                match item {
                    Value::List(inner) => flat.extend((0..inner.len()).filter_map(|place| inner.item(place))),
                    other => flat.push(other),
                }
            }
            Value::list(flat)
        }
        ("sets.contains" | "sets.equivalent" | "sets.intersects", [Value::List(other)]) => {
            let set = |items: Vec<Value<'a>>| -> BTreeSet<String> {
                items.iter().filter_map(|item| values::to_json(item).ok()).map(sorted).collect()
            };
            let other = set((0..other.len()).filter_map(|place| other.item(place)).collect());
            let own = set(items);
            Value::Bool(match name {
                "sets.contains" => own.is_superset(&other),
                "sets.equivalent" => own == other,
                _ => !own.is_disjoint(&other),
            })
        }
        _ => return None,
    };
    Some(Ok(answer))
}

fn sum<'a>(items: &[Value<'a>]) -> Option<Answer<'a>> {
    let mut total: Option<Value<'a>> = None;
    for item in items {
        let next = match (total, item) {
            (None, item @ (Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::Opaque(_))) => item.clone(),
            (Some(Value::Int(one)), Value::Int(other)) => match one.checked_add(*other) {
                Some(sum) => Value::Int(sum),
                None => return Some(Err((Fault::Overflow, "integer overflow".to_owned()))),
            },
            (Some(Value::Double(one)), Value::Double(other)) => {
                let sum = one.as_f64()? + other.as_f64()?;
                match serde_json::Value::from(sum) {
                    serde_json::Value::Number(sum) => Value::Double(sum),
                    _ => return Some(Err((Fault::Overflow, "double overflow".to_owned()))),
                }
            }
            (Some(one @ Value::Opaque(_)), other @ Value::Opaque(_)) => match PLAIN.call("+", &[one, other.clone()]) {
                Ok(sum) => sum,
                refused => return Some(refused),
            },
            _ => return None,
        };
        total = Some(next);
    }
    Some(Ok(total.unwrap_or(Value::Int(0))))
}

/// The text of a value whatever the order of its fields.
fn sorted(mut value: serde_json::Value) -> String {
    value.sort_all_objects();
    value.to_string()
}

/// Equality of what has parts is that of their JSON.
fn is_equal<'a>(one: &Value<'a>, other: &Value<'a>) -> bool {
    match (one, other) {
        (Value::List(_) | Value::Map(_) | Value::Null, _) => match (values::to_json(one), values::to_json(other)) {
            (Ok(one), Ok(other)) => one == other,
            _ => false,
        },
        _ => one.compare(other) == Some(Ordering::Equal),
    }
}

fn amounts<'a>(name: &str, amount: &Quantity, rest: &[Value<'a>]) -> Option<Answer<'a>> {
    let other = match rest {
        [] => None,
        [Value::Int(number)] => Some(Quantity::parse(&number.to_string()).ok()?),
        [Value::Opaque(value)] => value.as_any().downcast_ref().map(|Amount(amount)| amount.clone()),
        _ => return None,
    };
    let zero = Quantity::parse("0").ok()?;
    let answer = match (name, other) {
        ("isInteger", None) => Value::Bool(is_integer(amount)),
        ("asInteger", None) if is_integer(amount) => Value::Int(amount.value()),
        ("asInteger", None) => return Some(wrong("cannot convert value to integer")),
        ("asApproximateFloat", None) => Value::Double(doubled(&approximate(amount))?),
        ("sign", None) => Value::Int(amount.cmp_value(&zero) as i64),
        ("add" | "+", Some(other)) => opaque(Amount(amount.add(&other))),
        ("sub" | "-", Some(other)) => opaque(Amount(amount.sub(&other))),
        ("isLessThan", Some(other)) => Value::Bool(amount.cmp_value(&other).is_lt()),
        ("isGreaterThan", Some(other)) => Value::Bool(amount.cmp_value(&other).is_gt()),
        ("compareTo", Some(other)) => Value::Int(amount.cmp_value(&other) as i64),
        _ => return None,
    };
    Some(Ok(answer))
}

fn is_integer(amount: &Quantity) -> bool {
    let whole = Quantity::parse(&amount.value().to_string());
    whole.is_ok_and(|whole| whole.cmp_value(amount).is_eq())
}

/// Thousandths are as near as it gets here.
fn approximate(amount: &Quantity) -> String {
    let milli = amount.milli_value();
    let sign = if milli < 0 { "-" } else { "" };
    format!("{sign}{}.{:03}", milli.unsigned_abs() / 1000, milli.unsigned_abs() % 1000)
}

/// How far a time zone is from UTC, in seconds: `+02:00`.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "UTC" | "Z" | "") {
        return Some(0);
    }
    let (sign, rest) = match zone.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, zone.strip_prefix('+').unwrap_or(zone)),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let part = |text: &str| text.parse::<i64>().ok().filter(|number| (0..60).contains(number));
    Some(sign * (part(hours)? * 3600 + part(minutes)? * 60))
}

fn durations<'a>(name: &str, nanos: i64, rest: &[Value<'a>]) -> Option<Answer<'a>> {
    let answer = match (name, rest) {
        ("getHours", []) => Value::Int(nanos / (3600 * NANOS)),
        ("getMinutes", []) => Value::Int(nanos / (60 * NANOS)),
        ("getSeconds", []) => Value::Int(nanos / NANOS),
        ("getMilliseconds", []) => Value::Int(nanos / 1_000_000),
        ("+" | "-", [Value::Opaque(other)]) => {
            let other = other.as_any();
            if let Some(Timestamp(time)) = other.downcast_ref() {
                return if name == "+" { Some(shifted(*time, nanos)) } else { None };
            }
            let Duration(other) = other.downcast_ref()?;
            let sum = if name == "+" { nanos.checked_add(*other) } else { nanos.checked_sub(*other) };
            match sum {
                Some(sum) => opaque(Duration(sum)),
                None => return Some(wrong("integer overflow")),
            }
        }
        _ => return None,
    };
    Some(Ok(answer))
}

fn shifted<'a>(time: Time, nanos: i64) -> Answer<'a> {
    let (whole, rest) = (nanos.div_euclid(NANOS), nanos.rem_euclid(NANOS) + i64::from(time.nanos));
    let seconds = time.seconds.saturating_add(whole + rest / NANOS);
    Ok(opaque(Timestamp(Time { seconds, nanos: (rest % NANOS) as u32 })))
}

/// The parts of a moment, in UTC or so far from it.
fn moments<'a>(name: &str, time: Time, rest: &[Value<'a>]) -> Option<Answer<'a>> {
    match (name, rest) {
        ("+", [Value::Opaque(other)]) => {
            let Duration(nanos) = other.as_any().downcast_ref()?;
            return Some(shifted(time, *nanos));
        }
        ("-", [Value::Opaque(other)]) => {
            let other = other.as_any();
            if let Some(Duration(nanos)) = other.downcast_ref() {
                return Some(
                    nanos.checked_neg().map_or_else(|| wrong("integer overflow"), |nanos| shifted(time, nanos)),
                );
            }
            let Timestamp(other) = other.downcast_ref()?;
            let seconds = time.seconds.checked_sub(other.seconds)?.checked_mul(NANOS)?;
            return Some(Ok(opaque(Duration(seconds + i64::from(time.nanos) - i64::from(other.nanos)))));
        }
        (_, [Value::Text(zone)]) => match offset(zone) {
            Some(seconds) => return moments(name, Time { seconds: time.seconds.saturating_add(seconds), ..time }, &[]),
            None => return Some(wrong(format!("unknown time zone {zone}"))),
        },
        _ => {}
    }
    let text = time.format(Precision::Seconds);
    let part =
        |range: std::ops::Range<usize>| text.get(range).and_then(|part| part.parse::<i64>().ok()).unwrap_or_default();
    let days = time.seconds.div_euclid(86_400);
    Some(Ok(Value::Int(match name {
        "getFullYear" => part(0..4),
        "getMonth" => part(5..7) - 1,
        "getDate" => part(8..10),
        "getDayOfMonth" => part(8..10) - 1,
        // 1970 began on a Thursday.
        "getDayOfWeek" => (days + 4).rem_euclid(7),
        "getDayOfYear" => {
            let start = Time::parse(&format!("{:04}-01-01T00:00:00Z", part(0..4)), Precision::Seconds).ok()?;
            days - start.seconds.div_euclid(86_400)
        }
        "getHours" => part(11..13),
        "getMinutes" => part(14..16),
        "getSeconds" => part(17..19),
        "getMilliseconds" => i64::from(time.nanos / 1_000_000),
        _ => return None,
    })))
}
