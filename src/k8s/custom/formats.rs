//! Formats of texts in schemas.
//!
//! Upstream: `kube-openapi/pkg/validation/strfmt`. A format that is not known is ignored, as upstream strips it.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex_lite::Regex;

use crate::k8s::meta::names;
use crate::k8s::meta::time::{Precision, Time};

/// Whether a text has a format; nothing if nobody knows the format.
pub fn fits(format: &str, text: &str) -> Option<bool> {
    let matches = |pattern: &str| Regex::new(pattern).is_ok_and(|regex| regex.is_match(text));
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    Some(match &format.replace('-', "")[..] {
        "bsonobjectid" => matches("^[0-9a-fA-F]{24}$"),
        "uri" => is_uri(text),
        "email" => is_email(text),
        "hostname" => is_hostname(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_cidr(text),
        "mac" => {
            matches(r"^([0-9a-fA-F]{2}([:-])){5}[0-9a-fA-F]{2}$") || matches(r"^([0-9a-fA-F]{4}\.){2}[0-9a-fA-F]{4}$")
        }
        "uuid" => matches("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$"),
        "uuid3" => matches("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$"),
        "uuid4" => matches("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$"),
        "uuid5" => matches("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$"),
        "isbn" => is_isbn10(text) || is_isbn13(&digits),
        "isbn10" => is_isbn10(text),
        "isbn13" => is_isbn13(&digits),
        "creditcard" => (12..=19).contains(&digits.len()) && is_luhn(&digits),
        "ssn" => matches(r"^\d{3}[- ]?\d{2}[- ]?\d{4}$"),
        "hexcolor" => matches("^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"),
        "rgbcolor" => is_rgb(text),
        "byte" => STANDARD.decode(text).is_ok(),
        "password" => true,
        "date" => Time::parse(&format!("{text}T00:00:00Z"), Precision::Seconds).is_ok(),
        "duration" => is_duration(text),
        "datetime" => is_date_time(text),
        "k8sshortname" => names::dns1123_label(text).is_empty(),
        "k8slongname" => names::dns1123_subdomain(text).is_empty(),
        _ => return None,
    })
}

fn is_uri(text: &str) -> bool {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    };
    (text.starts_with('/') || scheme.is_some_and(is_scheme)) && !text.contains(|c: char| c.is_control() || c == ' ')
}

fn is_email(text: &str) -> bool {
    let address = text.rsplit_once('<').and_then(|(_, rest)| rest.strip_suffix('>')).unwrap_or(text);
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let is_atom =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "()<>[]:;@\\,\"".contains(c));
    local.split('.').all(is_atom) && domain.split('.').all(is_atom)
}

fn is_hostname(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.chars().count())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_top = |label: &str| (2..=63).contains(&label.chars().count()) && label.chars().all(char::is_alphabetic);
    let mut labels = text.rsplit('.');
    let (last, mut others) = (labels.next().unwrap_or_default(), labels.peekable());
    let is_last = if others.peek().is_some() { is_top(last) } else { is_label(last) };
    text.len() <= 255 && is_last && others.all(is_label)
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let max = match (address.parse::<Ipv4Addr>(), address.parse::<Ipv6Addr>()) {
        (Ok(_), _) => 32,
        (_, Ok(_)) => 128,
        _ => return false,
    };
    bits.bytes().all(|byte| byte.is_ascii_digit()) && bits.parse().is_ok_and(|bits: u32| bits <= max)
}

fn is_isbn10(text: &str) -> bool {
    let text: Vec<char> = text.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
    let digit = |(place, c): (usize, &char)| match c {
        'X' | 'x' if place == 9 => Some(10),
        c => c.to_digit(10),
    };
    let digits: Option<Vec<u32>> = text.iter().enumerate().map(digit).collect();
    let sum = |digits: Vec<u32>| digits.iter().zip(1..).map(|(digit, weight)| digit * weight).sum::<u32>();
    text.len() == 10 && digits.is_some_and(|digits| sum(digits).is_multiple_of(11))
}

fn is_isbn13(digits: &str) -> bool {
    let weighted =
        digits.bytes().zip([1, 3].into_iter().cycle()).map(|(digit, weight)| u32::from(digit - b'0') * weight);
    digits.len() == 13 && weighted.sum::<u32>().is_multiple_of(10)
}

fn is_luhn(digits: &str) -> bool {
    let doubled = |(place, digit): (usize, u8)| {
        let digit = u32::from(digit - b'0');
        let digit = if place % 2 == 1 { digit * 2 } else { digit };
        if digit > 9 { digit - 9 } else { digit }
    };
    digits.bytes().rev().enumerate().map(doubled).sum::<u32>().is_multiple_of(10)
}

fn is_rgb(text: &str) -> bool {
    let inner = text.strip_prefix("rgb(").and_then(|rest| rest.strip_suffix(')'));
    let is_part = |part: &str| part.trim().parse::<u8>().is_ok();
    inner.is_some_and(|inner| inner.split(',').count() == 3 && inner.split(',').all(is_part))
}

/// As Go's, or with words: `3 days`.
fn is_duration(text: &str) -> bool {
    if crate::k8s::cel::parse_duration(text).is_some() {
        return true;
    }
    let units = "(nanosecond|nano|ns|microsecond|micro|µs|us|millisecond|milli|ms|second|sec|s|minute|min|m|hour|hr|h|day|d|week|wk|w)s?";
    Regex::new(&format!(r"^\s*(\d+\s*{units}\s*)+$")).is_ok_and(|regex| regex.is_match(text))
}

fn is_date_time(text: &str) -> bool {
    let Some((date, time)) = text.split_once(['T', 't']) else { return false };
    let plain = match time.find('.') {
        None => time.to_owned(),
        Some(at) => {
            let fraction = time[at + 1..].bytes().take_while(u8::is_ascii_digit).count();
            format!("{}{}", &time[..at], &time[at + 1 + fraction..])
        }
    };
    Time::parse(&format!("{date}T{}", plain.replace('z', "Z")), Precision::Seconds).is_ok()
}
