//! What a plain word of YAML 1.1 means to go-yaml: `yes` is true, `0o17` fifteen, `1_000` a thousand.

use serde_json::{Number, Value};

/// The value of a word without quotes; `None` for a string.
pub(super) fn resolve(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Some(true.into()),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Some(false.into());
        }
        _ => {}
    }
    match text.as_bytes()[0] {
        b'.' => float(text).filter(|_| text.len() > 1),
        b'+' | b'-' | b'0'..=b'9' => {
            let plain = text.replace('_', "");
            integer(&plain).or_else(|| float(&plain))
        }
        _ => None,
    }
}

/// Whether a string printed without quotes would be read as something else.
pub(super) fn is_ambiguous(text: &str) -> bool {
    resolve(text).is_some() || is_infinite(text) || is_timestamp(text) || is_base_60(text)
}

/// JSON has no such numbers, but YAML has.
pub(super) fn is_infinite(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN")
}

/// As Go's `strconv.ParseInt` with base 0.
fn integer(text: &str) -> Option<Value> {
    let (is_negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, &lower[..]),
    };
    if !digits.chars().all(|c| c.is_digit(base)) || digits.is_empty() {
        return None;
    }
    let value = i128::from_str_radix(digits, base).ok()?;
    let value = if is_negative { -value } else { value };
    match i64::try_from(value) {
        Ok(value) => Some(value.into()),
        // Go has an unsigned form for what is larger, but without a sign.
        Err(_) => u64::try_from(value).ok().filter(|_| !text.starts_with('+')).map(Value::from),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn float(text: &str) -> Option<Value> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    let digits_fit = all_digits(whole) && fraction.is_none_or(all_digits);
    let has_digits = !whole.is_empty() || fraction.is_some_and(|fraction| !fraction.is_empty());
    if !(exponent_fits && digits_fit && has_digits) {
        return None;
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = fraction.filter(|fraction| !fraction.is_empty()).unwrap_or("0");
    let number: Number = format!("{sign}{}.{fraction}e{}", trim_zeros(whole), exponent.unwrap_or("0")).parse().ok()?;
    Some(Value::Number(crate::k8s::typed::double(number)))
}

fn trim_zeros(digits: &str) -> &str {
    let trimmed = digits.trim_start_matches('0');
    if trimmed.is_empty() { "0" } else { trimmed }
}

/// A date, or a date with a time of day, in one of go-yaml's forms.
fn is_timestamp(text: &str) -> bool {
    let Some((year, rest)) = text.split_once('-') else { return false };
    if year.len() != 4 || !year.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let (date, time) = match rest.find(['T', 't', ' ']) {
        Some(at) => (&rest[..at], Some((&rest[at..at + 1], &rest[at + 1..]))),
        None => (rest, None),
    };
    let short = |text: &str, max: u32| {
        (1..=2).contains(&text.len()) && text.parse::<u32>().is_ok_and(|number| number <= max) && !text.starts_with('+')
    };
    let Some((month, day)) = date.split_once('-') else { return false };
    let (year, month_number) = (year.parse().unwrap_or(0), month.parse().unwrap_or(0));
    let days = crate::k8s::meta::time::days_in(year, month_number);
    let is_date = short(month, 12) && month_number > 0 && short(day, days as u32) && day.parse::<u32>() != Ok(0);
    is_date && time.is_none_or(|(separator, time)| is_time_of_day(time, separator == " ", short))
}

fn is_time_of_day(text: &str, is_without_zone: bool, short: impl Fn(&str, u32) -> bool) -> bool {
    let clock = if is_without_zone {
        text
    } else if let Some(clock) = text.strip_suffix('Z') {
        clock
    } else {
        let Some((clock, zone)) = text.len().checked_sub(6).and_then(|at| text.split_at_checked(at)) else {
            return false;
        };
        let is_zone = matches!(zone.as_bytes(), [b'+' | b'-', _, _, b':', _, _]);
        if !(is_zone && short(&zone[1..3], 24) && short(&zone[4..], 60)) {
            return false;
        }
        clock
    };
    let (clock, fraction) = clock.split_once('.').map_or((clock, None), |(clock, fraction)| (clock, Some(fraction)));
    let is_fraction = |fraction: &str| !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = clock.split(':');
    let (hour, minute, second) = (parts.next(), parts.next(), parts.next());
    parts.next().is_none()
        && fraction.is_none_or(is_fraction)
        && hour.is_some_and(|hour| short(hour, 23))
        && minute.is_some_and(|minute| short(minute, 59))
        && second.is_some_and(|second| short(second, 59))
}

/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`: a number to other readers of YAML 1.1.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (clock, fraction) = unsigned.split_once('.').map_or((unsigned, ""), |(clock, fraction)| (clock, fraction));
    let mut parts = clock.split(':');
    let first = parts.next().unwrap_or_default();
    let loose = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let rest: Vec<&str> = parts.collect();
    let is_part = |part: &&str| match part.as_bytes() {
        [one] => one.is_ascii_digit(),
        [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
        _ => false,
    };
    first.starts_with(|c: char| c.is_ascii_digit())
        && loose(first)
        && loose(fraction)
        && !rest.is_empty()
        && rest.iter().all(is_part)
}
