//! Flags as etcdctl's parser (pflag) reads them: anywhere on the line, `--flag=v`, `--flag v`, `-w v`, `-wv`, `--`.

use std::collections::BTreeMap;

use crate::sim::Micros;

use super::super::printers::go::quote;

/// What a flag's value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Bool,
    /// A whole number.
    Int,
    Duration,
    Text,
    /// Texts separated by commas.
    List,
    /// One text each time the flag is given; commas are part of it.
    Texts,
}

/// One flag of a command: a row of the static tables that drive parsing, help and completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flag {
    pub name: &'static str,
    pub short: Option<char>,
    pub kind: Kind,
    pub default: &'static str,
    /// What it is when it is given without a value; nothing if it needs one.
    pub bare: Option<&'static str>,
    pub usage: &'static str,
}

impl Flag {
    const fn new(name: &'static str, kind: Kind, default: &'static str, usage: &'static str) -> Flag {
        let bare = if matches!(kind, Kind::Bool) { Some("true") } else { None };
        Flag { name, short: None, kind, default, bare, usage }
    }

    pub const fn bool(name: &'static str, default: &'static str, usage: &'static str) -> Flag {
        Flag::new(name, Kind::Bool, default, usage)
    }

    pub const fn int(name: &'static str, default: &'static str, usage: &'static str) -> Flag {
        Flag::new(name, Kind::Int, default, usage)
    }

    pub const fn text(name: &'static str, default: &'static str, usage: &'static str) -> Flag {
        Flag::new(name, Kind::Text, default, usage)
    }

    pub const fn list(name: &'static str, default: &'static str, usage: &'static str) -> Flag {
        Flag::new(name, Kind::List, default, usage)
    }

    pub const fn duration(name: &'static str, default: &'static str, usage: &'static str) -> Flag {
        Flag::new(name, Kind::Duration, default, usage)
    }

    pub const fn texts(name: &'static str, usage: &'static str) -> Flag {
        Flag::new(name, Kind::Texts, "", usage)
    }

    /// The value that it has when none is given with it.
    pub const fn bare(self, value: &'static str) -> Flag {
        Flag { bare: Some(value), ..self }
    }

    pub const fn short(self, letter: char) -> Flag {
        Flag { short: Some(letter), ..self }
    }

    /// As messages name it: `-w, --write-out`.
    fn title(&self) -> String {
        match self.short {
            Some(letter) => format!("-{letter}, --{}", self.name),
            None => format!("--{}", self.name),
        }
    }

    /// Why `value` does not fit, in Go's words.
    pub fn check(&self, value: &str) -> Result<(), String> {
        let reason = match self.kind {
            Kind::Text | Kind::List | Kind::Texts => return Ok(()),
            Kind::Bool => parse_bool(value).map(|_| ()),
            Kind::Int => parse_int(value, 0).map(|_| ()),
            Kind::Duration => parse_duration(value).map(|_| ()),
        };
        reason.map_err(|reason| format!("invalid argument {} for \"{}\" flag: {reason}", quote(value), self.title()))
    }
}

/// Flags that were given and the words that were not flags.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Parsed {
    values: BTreeMap<&'static str, String>,
    /// Of flags that may be given several times, what was given.
    lists: BTreeMap<&'static str, Vec<String>>,
    pub positional: Vec<String>,
    /// How many of `positional` stand before `--`, if it was there.
    pub before_dashes: Option<usize>,
}

impl Parsed {
    /// Whether the flag was given or set from the environment.
    pub fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    pub fn set(&mut self, flag: &Flag, value: &str) -> Result<(), String> {
        flag.check(value)?;
        let value = match (flag.kind, self.values.get(flag.name)) {
            // A list given twice is one longer list.
            (Kind::List, Some(before)) if !before.is_empty() => format!("{before},{value}"),
            _ => value.to_owned(),
        };
        if flag.kind == Kind::Texts {
            self.lists.entry(flag.name).or_default().push(value.clone());
        }
        self.values.insert(flag.name, value);
        Ok(())
    }

    /// Every value of a flag that may be given several times.
    pub fn values(&self, name: &str) -> &[String] {
        self.lists.get(name).map_or(&[], Vec::as_slice)
    }

    pub fn value<'a>(&'a self, flag: &Flag) -> &'a str {
        self.values.get(flag.name).map_or(flag.default, String::as_str)
    }
}

/// Parses `arguments` against `flags`.
pub fn parse(arguments: &[String], flags: &[&Flag]) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            parsed.before_dashes = Some(parsed.positional.len());
            parsed.positional.extend(arguments.by_ref().cloned());
        } else if let Some(long) = argument.strip_prefix("--") {
            if long.starts_with(['-', '=']) {
                return Err(format!("bad flag syntax: {argument}"));
            }
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            let flag = flags.iter().find(|flag| flag.name == name).ok_or_else(|| format!("unknown flag: --{name}"))?;
            let value = match (value, flag.bare) {
                (Some(value), _) => value,
                (None, Some(bare)) => bare,
                (None, None) => arguments.next().ok_or_else(|| format!("flag needs an argument: --{name}"))?,
            };
            parsed.set(flag, value)?;
        } else if argument.len() > 1 && argument.starts_with('-') {
            shorts(argument, &mut arguments, flags, &mut parsed)?;
        } else {
            parsed.positional.push(argument.clone());
        }
    }
    Ok(parsed)
}

/// A group of one-letter flags, `-hw json`.
fn shorts<'a>(
    argument: &str,
    arguments: &mut impl Iterator<Item = &'a String>,
    flags: &[&Flag],
    parsed: &mut Parsed,
) -> Result<(), String> {
    let letters = &argument[1..];
    for (at, letter) in letters.char_indices() {
        let rest = &letters[at + letter.len_utf8()..];
        let unknown = || format!("unknown shorthand flag: {} in -{}", quote_char(letter), &letters[at..]);
        let flag = flags.iter().find(|flag| flag.short == Some(letter)).ok_or_else(unknown)?;
        if let Some(value) = rest.strip_prefix('=') {
            return parsed.set(flag, value);
        }
        if let Some(bare) = flag.bare {
            parsed.set(flag, bare)?;
            continue;
        }
        if !rest.is_empty() {
            return parsed.set(flag, rest);
        }
        let missing = || format!("flag needs an argument: {} in -{}", quote_char(letter), &letters[at..]);
        return parsed.set(flag, arguments.next().ok_or_else(missing)?);
    }
    Ok(())
}

fn quote_char(letter: char) -> String {
    format!("'{letter}'")
}

/// Go's `strconv.ParseBool`.
pub fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {}: invalid syntax", quote(text))),
    }
}

/// Go's `strconv.ParseInt(text, radix, 64)`; radix 0 reads a prefix (`0x`, `0o`, `0b`, `0`) and underscores.
pub fn parse_int(text: &str, radix: u32) -> Result<i64, String> {
    let failed = |why: &str| Err(format!("strconv.ParseInt: parsing {}: {why}", quote(text)));
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match (radix, lower.as_str()) {
        (0, digits) if digits.starts_with("0x") => (16, digits[2..].replace('_', "")),
        (0, digits) if digits.starts_with("0o") => (8, digits[2..].replace('_', "")),
        (0, digits) if digits.starts_with("0b") => (2, digits[2..].replace('_', "")),
        (0, digits) if digits.len() > 1 && digits.starts_with('0') => (8, digits[1..].replace('_', "")),
        (0, digits) => (10, digits.replace('_', "")),
        (radix, digits) => (radix, digits.to_owned()),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return failed("invalid syntax");
    }
    let magnitude = i128::from_str_radix(&digits, radix).unwrap_or(i128::MAX);
    let value = if negative { -magnitude } else { magnitude };
    i64::try_from(value).or_else(|_| failed("value out of range"))
}

/// Go's `strconv.ParseUint(text, radix, 64)` without prefixes.
pub fn parse_uint(text: &str, radix: u32) -> Result<u64, String> {
    let failed = |why: &str| Err(format!("strconv.ParseUint: parsing {}: {why}", quote(text)));
    if text.is_empty() || !text.chars().all(|c| c.is_digit(radix)) {
        return failed("invalid syntax");
    }
    u64::from_str_radix(text, radix).or_else(|_| failed("value out of range"))
}

/// Go's `time.ParseDuration`, to the microsecond; a negative span is one of zero.
pub fn parse_duration(text: &str) -> Result<Micros, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(Micros(0));
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(invalid());
        }
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let scale: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "" => return Err(format!("time: missing unit in duration {}", quote(text))),
            _ => return Err(format!("time: unknown unit {} in duration {}", quote(unit), quote(text))),
        };
        let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        // More than 18 places are below a nanosecond of an hour.
        let fraction = &fraction[..fraction.len().min(18)];
        let places = 10u128.pow(fraction.len() as u32);
        let parts: u128 = if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| invalid())? };
        let part = whole.checked_mul(scale).ok_or_else(invalid)? + parts * scale / places;
        nanos = nanos.checked_add(part).filter(|nanos| *nanos <= i64::MAX as u128).ok_or_else(invalid)?;
        rest = after;
    }
    Ok(if negative { Micros(0) } else { Micros((nanos / 1_000) as u64) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Flag = Flag::int("limit", "0", "");
    const OUT: Flag = Flag::text("write-out", "simple", "").short('w');
    const HEX: Flag = Flag::bool("hex", "false", "").short('x');

    #[track_caller]
    fn check(line: &str, expect: &str) {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let shown = match parse(&arguments, &[&LIMIT, &OUT, &HEX]) {
            Ok(parsed) => format!("{:?} {}", parsed.values, parsed.positional.join(" ")),
            Err(error) => error,
        };
        assert_eq!(shown, expect);
    }

    #[test]
    fn flags_are_found_anywhere() {
        check("a --limit 3 b -w json", r#"{"limit": "3", "write-out": "json"} a b"#);
        check("-w=json -xwfields --hex=false a", r#"{"hex": "false", "write-out": "fields"} a"#);
        check("a -- --limit", "{} a --limit");
        check("-", "{} -");
        check("--limit", "flag needs an argument: --limit");
        check("-w", "flag needs an argument: 'w' in -w");
        check("-z", "unknown shorthand flag: 'z' in -z");
        check("--nope=1", "unknown flag: --nope");
        check("--=1", "bad flag syntax: --=1");
        check(
            "--hex=x",
            r#"invalid argument "x" for "-x, --hex" flag: strconv.ParseBool: parsing "x": invalid syntax"#,
        );
        check(
            "--limit=9223372036854775808",
            r#"invalid argument "9223372036854775808" for "--limit" flag: strconv.ParseInt: parsing "9223372036854775808": value out of range"#,
        );
    }

    #[test]
    fn numbers_and_spans_as_in_go() {
        assert_eq!(parse_int("0x10", 0), Ok(16));
        assert_eq!(parse_int("-1", 0), Ok(-1));
        assert_eq!(parse_int("6124fee993bc0001", 16), Ok(0x6124_fee9_93bc_0001));
        assert_eq!(parse_duration("1m30s"), Ok(Micros(90_000_000)));
        assert_eq!(parse_duration("1.5ms"), Ok(Micros(1_500)));
        assert_eq!(parse_duration("abc"), Err("time: invalid duration \"abc\"".into()));
        assert_eq!(parse_duration("1"), Err("time: missing unit in duration \"1\"".into()));
        assert_eq!(parse_duration("1x"), Err("time: unknown unit \"x\" in duration \"1x\"".into()));
    }
}
