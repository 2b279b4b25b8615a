//! `txn`: compares, operations if they hold, operations if not; three blocks of lines, each ended by an empty one.

use bytes::Bytes;

use super::super::printers::go::quote;
use super::super::process::{Ask, Asks, Tell};
use super::super::text::{from_bytes, to_bytes};
use super::call::{After, Calling};
use super::client::Client;
use super::flags::{self, Flag, Parsed, parse_int};
use super::stack::{self, BadCompare, Target};
use super::table::{COMMANDS, HELP};
use super::{EXIT_INVALID_INPUT, EXIT_PANIC, Failure, Step, kv};
use crate::etcd::api::{
    Compare, CompareResult, CompareTarget, Request, RequestOp, RequestOpKind, TargetUnion, TxnRequest,
};
use crate::sim::SimTime;

/// Lines that one transaction reads at most; the server refuses far fewer.
const LINES_MAX: usize = 10_000;

/// A transaction being typed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Txn {
    client: Client,
    interactive: bool,
    block: Block,
    request: TxnRequest,
    /// The start of a line that has not ended.
    partial: String,
    lines: usize,
    /// How many arguments the command was given.
    arguments: usize,
    calling: Option<Calling>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Block {
    Compares,
    Success,
    Failure,
}

impl Txn {
    pub fn new(client: Client, parsed: &Parsed, arguments: usize, asks: &mut Asks) -> Txn {
        let interactive = kv::is_on(parsed, "txn", "interactive");
        let request = TxnRequest::default();
        let (partial, block) = (String::new(), Block::Compares);
        let txn = Txn { client, interactive, block, request, partial, lines: 0, arguments, calling: None };
        txn.prompt(asks);
        txn
    }

    pub fn reads_input(&self) -> bool {
        self.calling.is_none()
    }

    pub fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> Step {
        match (tell, &mut self.calling) {
            (tell, Some(calling)) => calling.tell(now, tell, asks),
            (Tell::Stdin(chunk), None) => self.typed(&chunk, asks).map(|()| None),
            (Tell::StdinClosed, None) => Err(Failure::new(EXIT_INVALID_INPUT, "EOF")),
            _ => Ok(None),
        }
    }

    fn prompt(&self, asks: &mut Asks) {
        if self.interactive {
            let text = match self.block {
                Block::Compares => "compares:\n",
                Block::Success => "success requests (get, put, del):\n",
                Block::Failure => "failure requests (get, put, del):\n",
            };
            asks.push(Ask::Stdout(text.to_owned()));
        }
    }

    fn typed(&mut self, chunk: &str, asks: &mut Asks) -> Result<(), Failure> {
        let text = std::mem::take(&mut self.partial) + chunk;
        for line in text.split_inclusive('\n') {
            let Some(line) = line.strip_suffix('\n') else {
                self.partial = line.to_owned();
                break;
            };
            self.lines += 1;
            if self.lines > LINES_MAX {
                return Err(Failure::new(EXIT_INVALID_INPUT, format!("more than {LINES_MAX} lines")));
            }
            let line = line.trim();
            match (line, self.block) {
                ("", Block::Compares) => self.block = Block::Success,
                ("", Block::Success) => self.block = Block::Failure,
                ("", Block::Failure) => {
                    let request = Request::Txn(std::mem::take(&mut self.request));
                    self.calling = Some(Calling::new(self.client.clone(), request, After::Display, asks));
                    return Ok(());
                }
                (line, Block::Compares) => self.request.compare.push(compare(line, self.arguments)?),
                (line, Block::Success) => self.request.success.push(operation(line)?),
                (line, Block::Failure) => self.request.failure.push(operation(line)?),
            }
            if line.is_empty() {
                self.prompt(asks);
            }
        }
        Ok(())
    }
}

fn invalid(message: String) -> Failure {
    Failure::new(EXIT_INVALID_INPUT, message)
}

/// `value("key") = "text"`
fn compare(line: &str, arguments: usize) -> Result<Compare, Failure> {
    let Some((target, rest)) = line.split_once('(') else {
        return Err(invalid(format!("malformed comparison: {line}")));
    };
    let (key, op, value) = match scan(rest) {
        (key, op, Some(value)) => (key, op, value),
        (key, op, None) => {
            let message = format!("malformed comparison: {line}; got {target}({}) {op} \"\"", quote(&key));
            return Err(invalid(message));
        }
    };
    let number = || {
        let not_number = |_| invalid(format!("invalid txn compare request: {line}"));
        parse_int(&value, 10).map_err(not_number)
    };
    let (target, union) = match target {
        "ver" | "version" => (CompareTarget::Version, TargetUnion::Version(number()?)),
        "c" | "create" => (CompareTarget::Create, TargetUnion::CreateRevision(number()?)),
        "m" | "mod" => (CompareTarget::Mod, TargetUnion::ModRevision(number()?)),
        "val" | "value" => (CompareTarget::Value, TargetUnion::Value(to_bytes(&value))),
        "lease" => (CompareTarget::Lease, TargetUnion::Lease(0)),
        _ => return Err(invalid(format!("malformed comparison: {line} (unknown target {target})"))),
    };
    let result = match op.as_str() {
        "=" => CompareResult::Equal,
        "!=" => CompareResult::NotEqual,
        ">" => CompareResult::Greater,
        "<" => CompareResult::Less,
        _ => return Err(crash("Unknown result op", line, &key, target, arguments)),
    };
    if target == CompareTarget::Lease {
        // Upstream passes the text where a number belongs, whatever the text is.
        return Err(crash("bad value", line, &key, target, arguments));
    }
    Ok(Compare {
        result: result as i32,
        target: target as i32,
        key: to_bytes(&key),
        target_union: Some(union),
        range_end: Bytes::new(),
    })
}

/// clientv3 panics over a compare that it cannot make.
fn crash(message: &str, line: &str, key: &str, target: CompareTarget, arguments: usize) -> Failure {
    let target = match target {
        CompareTarget::Version => Target::Version,
        CompareTarget::Create => Target::Create,
        CompareTarget::Mod => Target::Mod,
        CompareTarget::Value => Target::Value,
        CompareTarget::Lease => Target::Lease,
    };
    let trace = stack::of_compare(&BadCompare { line, key: &to_bytes(key), target, arguments });
    Failure { stderr: format!("panic: {message}\n{trace}"), status: EXIT_PANIC }
}

/// `"key") op "value"` as Go's `Sscanf("%q) %s %q")` reads it: what was read before it stopped.
fn scan(text: &str) -> (String, String, Option<String>) {
    let Some((key, rest)) = unquote_first(text.trim_start_matches(' ')) else {
        return (String::new(), String::new(), None);
    };
    let Some(rest) = rest.strip_prefix(')').filter(|rest| rest.starts_with(' ')) else {
        return (key, String::new(), None);
    };
    let rest = rest.trim_start_matches(' ');
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let (op, rest) = rest.split_at(end);
    let value = unquote_first(rest.trim_start_matches(' ')).map(|(value, _)| value);
    (key, op.to_owned(), value)
}

/// A Go string literal at the start of `text`, and what follows it.
fn unquote_first(text: &str) -> Option<(String, &str)> {
    if let Some(raw) = text.strip_prefix('`') {
        return raw.split_once('`').map(|(raw, rest)| (raw.to_owned(), rest));
    }
    let body = text.strip_prefix('"')?;
    let mut bytes = Vec::new();
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((from_bytes(&bytes), &body[at + 1..])),
            '\\' => {
                let (_, escape) = chars.next()?;
                let mut number = |digits: usize, radix: u32| -> Option<u32> {
                    let text: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
                    (text.chars().count() == digits).then(|| u32::from_str_radix(&text, radix).ok())?
                };
                match escape {
                    'a' => bytes.push(7),
                    'b' => bytes.push(8),
                    'f' => bytes.push(12),
                    'n' => bytes.push(b'\n'),
                    'r' => bytes.push(b'\r'),
                    't' => bytes.push(b'\t'),
                    'v' => bytes.push(11),
                    '\\' | '"' => bytes.push(escape as u8),
                    'x' => bytes.push(number(2, 16)? as u8),
                    'u' | 'U' => {
                        let c = char::from_u32(number(if escape == 'u' { 4 } else { 8 }, 16)?)?;
                        bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    _ => return None,
                }
            }
            c => bytes.extend_from_slice(&to_bytes(c.encode_utf8(&mut [0; 4]))),
        }
    }
    None
}

/// `put key value`, `get key …`, `del key …`
fn operation(line: &str) -> Result<RequestOp, Failure> {
    let words = words(line)?;
    let Some((name, arguments)) = words.split_first().filter(|(_, arguments)| !arguments.is_empty()) else {
        return Err(invalid(format!("invalid txn compare request: {line}")));
    };
    let bad = || invalid(format!("invalid txn request: {line}"));
    // Cobra takes the beginning of a name for the name.
    let name = ["put", "get", "del"].into_iter().find(|known| known.starts_with(name.as_str())).ok_or_else(bad)?;
    let command = COMMANDS.iter().find(|command| command.name == name).ok_or_else(bad)?;
    let known: Vec<&Flag> = command.flags.iter().chain([&HELP]).collect();
    let parsed = flags::parse(arguments, &known).map_err(|_| bad())?;
    let (least, most, message) = command.arity;
    if !(least..=most).contains(&parsed.positional.len()) {
        return Err(Failure::new(super::EXIT_BAD_ARGS, message));
    }
    let request = match name {
        "put" => RequestOpKind::Put(kv::put_request(&parsed, None)?),
        "get" => RequestOpKind::Range(kv::get_request(&parsed)?),
        _ => RequestOpKind::DeleteRange(kv::del_request(&parsed)?),
    };
    Ok(RequestOp { request: Some(request) })
}

/// Words of a line, with upstream's slip: of a word in single quotes it keeps as many characters as the line has words,
/// less two.
pub fn words(line: &str) -> Result<Vec<String>, Failure> {
    let mut found: Vec<&str> = Vec::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let end = match c {
            c if c.is_whitespace() => {
                rest = &rest[c.len_utf8()..];
                continue;
            }
            '"' => double_quoted_len(rest),
            '\'' => rest[1..].find('\'').map(|end| end + 2),
            _ => Some(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        // A quote without its partner is passed over.
        let end = end.unwrap_or(0);
        if end > 0 {
            found.push(&rest[..end]);
        }
        rest = &rest[end.max(c.len_utf8())..];
    }
    let count = found.len();
    let word = |word: &&str| match word.as_bytes()[0] {
        b'\'' => word.get(1..count - 1).map(str::to_owned).ok_or_else(|| {
            let (end, length) = (count - 1, word.len());
            Failure::panic(&if end < 1 {
                format!("runtime error: slice bounds out of range [1:{end}]")
            } else {
                format!("runtime error: slice bounds out of range [:{end}] with length {length}")
            })
        }),
        b'"' => {
            unquote_first(word).map(|(text, _)| text).ok_or_else(|| Failure::new(EXIT_INVALID_INPUT, "invalid syntax"))
        }
        _ => Ok((*word).to_owned()),
    };
    found.iter().map(word).collect()
}

/// Length of a double-quoted text at the start of `text`, quotes included.
fn double_quoted_len(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn error(result: Result<impl std::fmt::Debug, Failure>) -> String {
        result.unwrap_err().stderr
    }

    #[test]
    fn compares() {
        let one = compare("mod(\"a b\") > \"3\"", 0).unwrap();
        assert_eq!(
            (one.target, one.result, &one.key[..]),
            (CompareTarget::Mod as i32, CompareResult::Greater as i32, &b"a b"[..])
        );
        assert_eq!(one.target_union, Some(TargetUnion::ModRevision(3)));
        let got = "Error: malformed comparison: value(baz) = \"x\"; got value(\"\")  \"\"\n";
        assert_eq!(error(compare("value(baz) = \"x\"", 0)), got);
        assert_eq!(error(compare("nothing", 0)), "Error: malformed comparison: nothing\n");
        assert!(error(compare("lease(\"a\") = \"0\"", 0)).starts_with("panic: bad value\n\ngoroutine 1"));
    }

    #[test]
    fn operations_and_the_quote_slip() {
        assert_eq!(words("put baz 'single quoted'").unwrap(), ["put", "baz", "s"]);
        assert_eq!(words("get '' --prefix").unwrap(), ["get", "'", "--prefix"]);
        assert_eq!(words(r#"put foo "with \"escapes\"""#).unwrap(), ["put", "foo", "with \"escapes\""]);
        assert_eq!(error(operation("bogus baz")), "Error: invalid txn request: bogus baz\n");
        assert_eq!(error(operation("put")), "Error: invalid txn compare request: put\n");
    }
}
