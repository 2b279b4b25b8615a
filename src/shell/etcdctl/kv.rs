//! `put`, `get`, `del`, `compaction`: flags into requests. `txn` reads its operations with the same functions.

use bytes::Bytes;

use super::super::printers::go::quote;
use super::super::text::to_bytes;
use super::call::After;
use super::flags::{Parsed, parse_bool, parse_int};
use super::table::{COMMANDS, Command};
use super::{EXIT_BAD_ARGS, EXIT_BAD_FEATURE, EXIT_ERROR, Failure};
use crate::etcd::api::{CompactionRequest, DeleteRangeRequest, PutRequest, RangeRequest, SortOrder, SortTarget};
use crate::etcd::client::prefix_end;

/// Standard input that `put` reads at most: the server refuses less already.
pub const STDIN_BYTES_MAX: usize = 16 * 1024 * 1024;

const PUT_ARGUMENTS: &str = "put command needs 1 argument and input from stdin or 2 arguments";

/// The end of a range that has none: every key from its start on.
pub const OPEN_END: Bytes = Bytes::from_static(b"\0");

pub fn text<'a>(parsed: &'a Parsed, command: &str, flag: &str) -> &'a str {
    let command: Option<&Command> = COMMANDS.iter().find(|row| row.name == command);
    let flag = command.and_then(|row| row.all_flags().find(|row| row.name == flag));
    flag.map_or("", |flag| parsed.value(flag))
}

pub fn is_on(parsed: &Parsed, command: &str, flag: &str) -> bool {
    parse_bool(text(parsed, command, flag)) == Ok(true)
}

pub fn number(parsed: &Parsed, command: &str, flag: &str) -> i64 {
    parse_int(text(parsed, command, flag), 0).unwrap_or_default()
}

/// Whether the value of `put` has to come from standard input.
pub fn needs_stdin(parsed: &Parsed) -> Result<bool, Failure> {
    let ignore_value = is_on(parsed, "put", "ignore-value");
    match parsed.positional.len() {
        0 => Err(Failure::new(EXIT_BAD_ARGS, PUT_ARGUMENTS)),
        count if ignore_value && count > 1 => {
            Err(Failure::new(EXIT_BAD_ARGS, "put command needs only 1 argument when 'ignore-value' is set"))
        }
        count => Ok(count == 1 && !ignore_value),
    }
}

pub fn put_request(parsed: &Parsed, stdin: Option<&str>) -> Result<PutRequest, Failure> {
    let value = match (needs_stdin(parsed)?, stdin) {
        (true, None | Some("")) => return Err(Failure::new(EXIT_BAD_ARGS, PUT_ARGUMENTS)),
        (true, Some(stdin)) => to_bytes(stdin),
        (false, _) => parsed.positional.get(1).map(|value| to_bytes(value)).unwrap_or_default(),
    };
    let lease = parse_int(text(parsed, "put", "lease"), 16)
        .map_err(|error| Failure::new(EXIT_BAD_ARGS, format!("bad lease ID ({error}), expecting ID in Hex")))?;
    Ok(PutRequest {
        key: to_bytes(&parsed.positional[0]),
        value,
        lease,
        prev_kv: is_on(parsed, "put", "prev-kv"),
        ignore_value: is_on(parsed, "put", "ignore-value"),
        ignore_lease: is_on(parsed, "put", "ignore-lease"),
    })
}

/// Key and end of a range from arguments, `--prefix` and `--from-key`.
fn range(parsed: &Parsed, prefix: bool, from_key: bool) -> Result<(Bytes, Bytes), Failure> {
    let key = to_bytes(&parsed.positional[0]);
    if (prefix || from_key) && parsed.positional.len() > 1 {
        let message = "too many arguments, only accept one argument when `--prefix` or `--from-key` is set";
        return Err(Failure::new(EXIT_BAD_ARGS, message));
    }
    Ok(match parsed.positional.get(1) {
        // An empty start is the smallest key.
        None if (prefix || from_key) && key.is_empty() => (OPEN_END, OPEN_END),
        None if from_key => (key, OPEN_END),
        None if prefix => {
            let end = prefix_end(&key);
            (key, end)
        }
        None => (key, Bytes::new()),
        Some(end) => (key, to_bytes(end)),
    })
}

fn exclusive(parsed: &Parsed, command: &str) -> Result<(bool, bool), Failure> {
    let (prefix, from_key) = (is_on(parsed, command, "prefix"), is_on(parsed, command, "from-key"));
    match prefix && from_key {
        true => {
            Err(Failure::new(EXIT_BAD_ARGS, "`--prefix` and `--from-key` cannot be set at the same time, choose one"))
        }
        false => Ok((prefix, from_key)),
    }
}

pub fn get_request(parsed: &Parsed) -> Result<RangeRequest, Failure> {
    let (prefix, from_key) = exclusive(parsed, "get")?;
    let (keys_only, count_only) = (is_on(parsed, "get", "keys-only"), is_on(parsed, "get", "count-only"));
    if keys_only && count_only {
        let message = "`--keys-only` and `--count-only` cannot be set at the same time, choose one";
        return Err(Failure::new(EXIT_BAD_ARGS, message));
    }
    let serializable = match text(parsed, "get", "consistency") {
        "s" => true,
        "l" => false,
        other => return Err(Failure::new(EXIT_BAD_FEATURE, format!("unknown consistency flag {}", quote(other)))),
    };
    let (key, range_end) = range(parsed, prefix, from_key)?;
    let order = text(parsed, "get", "order");
    let sort_order = match order.to_uppercase().as_str() {
        "ASCEND" => SortOrder::Ascend,
        "DESCEND" => SortOrder::Descend,
        "" => SortOrder::None,
        _ => return Err(Failure::new(EXIT_BAD_FEATURE, format!("bad sort order {order}"))),
    };
    let target = text(parsed, "get", "sort-by");
    let sort_target = match target.to_uppercase().as_str() {
        "CREATE" => SortTarget::Create,
        "KEY" | "" => SortTarget::Key,
        "MODIFY" => SortTarget::Mod,
        "VALUE" => SortTarget::Value,
        "VERSION" => SortTarget::Version,
        _ => return Err(Failure::new(EXIT_BAD_FEATURE, format!("bad sort target {target}"))),
    };
    // Keys come in ascending order anyway, and asking for it would make the server read everything.
    let sort_order = match (sort_target, sort_order) {
        (SortTarget::Key, SortOrder::Ascend) => SortOrder::None,
        (_, order) => order,
    };
    Ok(RangeRequest {
        key,
        range_end,
        limit: number(parsed, "get", "limit"),
        revision: number(parsed, "get", "rev").max(0),
        sort_order: sort_order as i32,
        sort_target: sort_target as i32,
        serializable,
        keys_only,
        count_only,
        ..RangeRequest::default()
    })
}

pub fn after_get(parsed: &Parsed) -> After {
    After::Get { count_only: is_on(parsed, "get", "count-only"), value_only: is_on(parsed, "get", "print-value-only") }
}

pub fn del_request(parsed: &Parsed) -> Result<DeleteRangeRequest, Failure> {
    let (prefix, from_key) = exclusive(parsed, "del")?;
    let (key, range_end) = range(parsed, prefix, from_key)?;
    Ok(DeleteRangeRequest { key, range_end, prev_kv: is_on(parsed, "del", "prev-kv") })
}

pub fn compaction_request(parsed: &Parsed) -> Result<CompactionRequest, Failure> {
    let revision = parse_int(&parsed.positional[0], 10).map_err(|error| Failure::new(EXIT_ERROR, error))?;
    Ok(CompactionRequest { revision, physical: is_on(parsed, "compaction", "physical") })
}
