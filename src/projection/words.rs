//! How names, moments and amounts are written, everywhere on the page.

use crate::etcd::internal::InternalRaftRequest;
use crate::lab::Lab;
use crate::raft::{AnyConfChange, Entry, EntryType, PeerId};
use crate::sim::{HostId, Micros, SimTime};
use bytes::Bytes;
use prost::Message as _;

/// Longest part of a key or value that is quoted in a sentence.
const QUOTED_CHARS: usize = 40;

/// The name of a machine; the learner's own is "you".
pub fn host(lab: &Lab, host: HostId) -> String {
    let machine = lab.cluster().machine(host).map(|machine| machine.name.as_str());
    machine.or_else(|| lab.api_server_name(host)).unwrap_or("you").to_owned()
}

pub fn peer(lab: &Lab, id: PeerId) -> String {
    lab.host_of(id).map_or_else(|| id.to_string(), |at| host(lab, at))
}

/// `14.203 118 s`: to the microsecond, in groups that the eye can hold.
pub fn moment(at: SimTime) -> String {
    let (seconds, micros) = (at.0 / 1_000_000, at.0 % 1_000_000);
    let fraction = format!("{:03}\u{2009}{:03}", micros / 1_000, micros % 1_000);
    match seconds {
        0..60 => format!("{seconds}.{fraction}\u{2009}s"),
        60..3_600 => format!("{}:{:02}.{fraction}", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02}.{fraction}", seconds / 3_600, seconds / 60 % 60, seconds % 60),
    }
}

/// A span, to three figures: `1.23 ms`, `850 µs`.
pub fn span(span: Micros) -> String {
    match span.0 {
        us @ 0..1_000 => format!("{us}\u{a0}µs"),
        us @ 1_000..1_000_000 => format!("{}\u{a0}ms", figures(us, 1_000)),
        us => format!("{}\u{a0}s", figures(us, 1_000_000)),
    }
}

/// `1.4 MiB`, as tools print sizes.
pub fn bytes(count: u64) -> String {
    match count {
        0..1_024 => format!("{count}\u{a0}B"),
        1_024..1_048_576 => format!("{}\u{a0}KiB", figures(count, 1 << 10)),
        _ => format!("{}\u{a0}MiB", figures(count, 1 << 20)),
    }
}

fn figures(value: u64, unit: u64) -> String {
    let (whole, tenths, hundredths) = (value / unit, value % unit * 10 / unit, value % unit * 100 / unit % 10);
    match whole {
        0..10 if hundredths > 0 => format!("{whole}.{tenths}{hundredths}"),
        0..100 if tenths > 0 => format!("{whole}.{tenths}"),
        _ => whole.to_string(),
    }
}

/// `1 byte`, `12 bytes`.
pub fn count(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// A key as one would type it, shortened.
pub fn key(key: &Bytes) -> String {
    let text: String = String::from_utf8_lossy(key).chars().flat_map(char::escape_debug).collect();
    if text.chars().count() > QUOTED_CHARS {
        let head: String = text.chars().take(QUOTED_CHARS).collect();
        return format!("\"{head}…\"");
    }
    format!("\"{text}\"")
}

/// Bytes as text on one line: what is no text is written as in `\xff`.
pub fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() { text.extend(c.escape_default()) } else { text.push(c) }
        }
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

/// The beginning of a value, on one line.
pub fn excerpt(value: &[u8]) -> String {
    const BYTES_MAX: usize = 160;
    if value.len() <= BYTES_MAX { text(value) } else { format!("{} …", text(&value[..BYTES_MAX])) }
}

/// What an entry asks of the store, in a few words: `put "a", 12 bytes`.
pub fn entry(lab: &Lab, entry: &Entry) -> String {
    if entry.entry_type != EntryType::EntryNormal {
        return match AnyConfChange::from_entry(entry) {
            Some(AnyConfChange::V1(change)) => format!("add member {}", peer(lab, change.node_id)),
            _ => "change of members".to_owned(),
        };
    }
    if entry.data.is_empty() {
        return "empty: a new leader's first".to_owned();
    }
    let Ok(request) = InternalRaftRequest::decode(entry.data.clone()) else { return "unknown".to_owned() };
    if let Some(put) = &request.put {
        format!("put {}, {}", key(&put.key), count(put.value.len(), "byte"))
    } else if let Some(delete) = &request.delete_range {
        let range = if delete.range_end.is_empty() { "" } else { " and on" };
        format!("delete {}{range}", key(&delete.key))
    } else if let Some(txn) = &request.txn {
        format!(
            "transaction: {}, {} if they hold, {} if not",
            count(txn.compare.len(), "comparison"),
            count(txn.success.len(), "operation"),
            txn.failure.len()
        )
    } else if let Some(compaction) = &request.compaction {
        format!("compact up to revision {}", compaction.revision)
    } else if let Some(set) = &request.cluster_version_set {
        format!("cluster version {}", set.ver)
    } else if let Some(set) = &request.cluster_member_attr_set {
        let name = set.member_attributes.as_ref().map_or("", |attributes| &attributes.name);
        format!("member {name} publishes its address")
    } else {
        "unknown".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_with_units() {
        // A number and its unit stay on one line.
        let hard = |text: &str| text.replace(' ', "\u{a0}");
        assert_eq!(moment(SimTime(14_203_118)), "14.203\u{2009}118\u{2009}s");
        assert_eq!(moment(SimTime(3_754_000_001)), "1:02:34.000\u{2009}001");
        assert_eq!(
            [850, 1_234, 12_340, 1_000_000].map(|us| span(Micros(us))),
            ["850 µs", "1.23 ms", "12.3 ms", "1 s"].map(hard)
        );
        assert_eq!([512, 20_480, 1_468_006].map(bytes), ["512 B", "20 KiB", "1.39 MiB"].map(hard));
        assert_eq!(key(&Bytes::from_static(b"a\n\"b")), "\"a\\n\\\"b\"");
        assert_eq!(text(b"\xc3\xa4\n\xffb"), "ä\\n\\xffb");
    }
}
