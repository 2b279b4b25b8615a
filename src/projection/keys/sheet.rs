//! All about one key: its value as text, its numbers with what they mean, what changed last, and its past.

use super::object::{self, Form};
use crate::etcd::api::KeyValue;
use crate::etcd::mvcc::KvStore;
use crate::lab::Lab;
use crate::projection::stores::{self, Source};
use crate::projection::words;
use crate::shell::line_diff::LineDiff;
use crate::sim::{HostId, SimTime};
use bytes::Bytes;
use similar::ChangeTag;

/// Bytes of a value that are read as text, pretty-printed or compared.
const TEXT_MAX: usize = 64 * 1024;
/// Lines of a comparison, and unchanged lines around a change.
const LINES_MAX: usize = 400;
const CONTEXT: usize = 3;
/// Writes of the past that are listed.
const HISTORY_MAX: usize = 100;

#[derive(Clone, Debug, PartialEq)]
pub struct KeyAsk {
    pub host: Option<HostId>,
    pub key: Bytes,
    /// The revision that is read; `None` is the newest.
    pub cut: Option<i64>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct KeySheet {
    pub source: Source,
    pub name: String,
    /// What is read.
    pub at: i64,
    pub refused: bool,
    /// `None`: the key is not there at what is read.
    pub facts: Option<Facts>,
    pub value: Bytes,
    /// What the value is, by its first bytes, if the key belongs to the registry.
    pub form: Option<Form>,
    pub text: Text,
    /// What the write before this one changed into it.
    pub diff: Option<Diff>,
    /// Newest first.
    pub history: Vec<Write>,
    /// Writes before those.
    pub earlier: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub create_revision: i64,
    pub mod_revision: i64,
    pub version: i64,
    pub lease: i64,
    /// What the lease means for the key.
    pub lease_means: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// An object of Kubernetes, however it is stored.
    Yaml(String),
    Json(String),
    Plain(String),
    /// It is no text, or too long for one.
    None(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff {
    pub from: i64,
    pub to: i64,
    /// `None` where a part was left out that is equal in both.
    pub lines: Vec<Option<(Change, String)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Same,
    Added,
    Removed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub revision: i64,
    /// `None` for a deletion.
    pub version: Option<i64>,
    pub bytes: usize,
    pub text: String,
}

impl KeySheet {
    /// `None` where no member runs.
    pub fn of(lab: &Lab, ask: &KeyAsk) -> Option<KeySheet> {
        let source = stores::source(lab, ask.host)?;
        let store = stores::store(lab, &source)?;
        let at = ask.cut.map_or(source.revision, |cut| cut.clamp(1, source.revision));
        let kv = store.get_at(&ask.key, at);
        let value = kv.map_or_else(Bytes::new, |kv| kv.value.clone());
        let (history, earlier) = history(store, &ask.key);
        Some(KeySheet {
            name: words::text(&ask.key),
            at,
            refused: at < source.compacted.unwrap_or(0),
            facts: kv.map(|kv| Facts::of(store, kv, lab.now())),
            form: Form::of(&ask.key, &value),
            text: text(&ask.key, &value),
            diff: kv.and_then(|kv| Diff::of(store.get_at(&kv.key, kv.mod_revision - 1)?, kv)),
            value,
            history,
            earlier,
            source,
        })
    }
}

impl Facts {
    fn of(store: &KvStore, kv: &KeyValue, now: SimTime) -> Facts {
        let lease_means = match (kv.lease, store.lessor.get(kv.lease)) {
            (0, _) => "none: it stays until it is deleted".to_owned(),
            (_, None) => "ended since".to_owned(),
            (_, Some(lease)) if store.lessor.is_primary() => {
                format!("{} s of {} s left, unless it is kept alive", lease.remaining(now), lease.ttl())
            }
            (_, Some(lease)) => format!("of {} s; the leader counts them", lease.ttl()),
        };
        Facts {
            create_revision: kv.create_revision,
            mod_revision: kv.mod_revision,
            version: kv.version,
            lease: kv.lease,
            lease_means,
        }
    }
}

fn text(key: &[u8], value: &[u8]) -> Text {
    if let Some(yaml) = object::yaml(key, value) {
        return if yaml.len() > TEXT_MAX { Text::None("too long to be shown as text") } else { Text::Yaml(yaml) };
    }
    if value.len() > TEXT_MAX {
        return Text::None("too long to be shown as text");
    }
    let Ok(plain) = std::str::from_utf8(value) else { return Text::None("not text: it is no UTF-8") };
    pretty(plain).map_or_else(|| Text::Plain(plain.to_owned()), Text::Json)
}

/// Objects and arrays of JSON, one member a line.
fn pretty(text: &str) -> Option<String> {
    let parsed: serde_json::Value = serde_json::from_str(text).ok()?;
    let has_members = parsed.is_object() || parsed.is_array();
    has_members.then(|| serde_json::to_string_pretty(&parsed).ok())?
}

impl Diff {
    fn of(before: &KeyValue, after: &KeyValue) -> Option<Diff> {
        let line_by_line = |text: Text| match text {
            Text::Yaml(text) | Text::Json(text) | Text::Plain(text) => Some(text),
            Text::None(_) => None,
        };
        let (old, new) =
            (line_by_line(text(&before.key, &before.value))?, line_by_line(text(&after.key, &after.value))?);
        let compared = LineDiff::of(&old, &new, CONTEXT);
        let mut lines = Vec::new();
        for (number, group) in compared.groups().enumerate() {
            if number > 0 {
                lines.push(None);
            }
            for (tag, line) in group {
                let kind = match tag {
                    ChangeTag::Equal => Change::Same,
                    ChangeTag::Insert => Change::Added,
                    ChangeTag::Delete => Change::Removed,
                };
                lines.push(Some((kind, words::text(line.trim_end_matches('\n').as_bytes()))));
            }
        }
        lines.truncate(LINES_MAX);
        Some(Diff { from: before.mod_revision, to: after.mod_revision, lines })
    }
}

/// The newest writes of a key, and how many there were before.
fn history(store: &KvStore, key: &[u8]) -> (Vec<Write>, usize) {
    let Some(index) = store.index().get(key) else { return (Vec::new(), 0) };
    let Some(oldest) = index.newest().take(HISTORY_MAX).last() else { return (Vec::new(), 0) };
    let mut writes: Vec<Write> = store
        .history(key, oldest.main)
        .map(|stored| {
            let kv = stored.kv();
            let version = (!stored.is_tombstone()).then_some(kv.version);
            Write { revision: kv.mod_revision, version, bytes: kv.value.len(), text: words::excerpt(&kv.value) }
        })
        .collect();
    writes.reverse();
    let earlier = index.write_count().saturating_sub(writes.len());
    (writes, earlier)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::revisions::tests::{type_line, world};

    fn sheet(lab: &Lab, key: &'static str, cut: Option<i64>) -> KeySheet {
        KeySheet::of(lab, &KeyAsk { host: None, key: Bytes::from_static(key.as_bytes()), cut }).unwrap()
    }

    #[test]
    fn a_key_tells_its_numbers_and_its_past() {
        let lab = world(&["etcdctl put a 1", "etcdctl put a two", "etcdctl del a", "etcdctl put a 3"]);
        let now = sheet(&lab, "a", None);
        let facts = now.facts.unwrap();
        assert_eq!((facts.create_revision, facts.mod_revision, facts.version, facts.lease), (5, 5, 1, 0));
        let past: Vec<_> =
            now.history.iter().map(|write| (write.revision, write.version, write.text.as_str())).collect();
        assert_eq!(past, [(5, Some(1), "3"), (4, None, ""), (3, Some(2), "two"), (2, Some(1), "1")]);
        assert_eq!(now.diff, None, "a creation has nothing before it");
        let before = sheet(&lab, "a", Some(3));
        assert_eq!(before.text, Text::Plain("two".to_owned()));
        let diff = before.diff.unwrap();
        let expected = [Some((Change::Removed, "1".to_owned())), Some((Change::Added, "two".to_owned()))];
        assert_eq!((diff.from, diff.to, diff.lines), (2, 3, expected.to_vec()));
        assert_eq!(sheet(&lab, "a", Some(4)).facts, None);
        assert_eq!(sheet(&lab, "b", None).history, []);
    }

    #[test]
    fn a_lease_says_what_it_means() {
        let mut lab = world(&["etcdctl lease grant 60"]);
        let leader = lab.check().leaders().back().unwrap().1;
        let (lease, _) = lab.member(leader).unwrap().store().kv().lessor.iter().next().unwrap();
        type_line(&mut lab, &format!("etcdctl put a 1 --lease={lease:x}"));
        let facts = sheet(&lab, "a", None).facts.unwrap();
        assert_eq!(facts.lease, lease);
        assert_eq!(facts.lease_means, "59 s of 60 s left, unless it is kept alive");
        let other = lab.machines().find(|host| *host != leader);
        let follower = KeySheet::of(&lab, &KeyAsk { host: other, key: Bytes::from_static(b"a"), cut: None });
        assert_eq!(follower.unwrap().facts.unwrap().lease_means, "of 60 s; the leader counts them");
    }

    #[test]
    fn json_is_laid_out_and_compared_member_by_member() {
        let lab = world(&[
            r#"etcdctl put a '{"kind":"Pod","phase":"Pending"}'"#,
            r#"etcdctl put a '{"kind":"Pod","phase":"Running"}'"#,
        ]);
        let sheet = sheet(&lab, "a", None);
        assert_eq!(sheet.text, Text::Json("{\n  \"kind\": \"Pod\",\n  \"phase\": \"Running\"\n}".to_owned()));
        let lines: Vec<_> = sheet.diff.unwrap().lines.into_iter().flatten().collect();
        let changed: Vec<_> =
            lines.iter().filter(|(change, _)| *change != Change::Same).map(|(_, line)| line.trim()).collect();
        assert_eq!(changed, ["\"phase\": \"Pending\"", "\"phase\": \"Running\""]);
        assert_eq!(lines.len(), 5);
    }
}
