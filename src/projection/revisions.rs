//! A member's store as a chart: every key a row, every revision a column.
//!
//! Only a window of it is ever made, so that a store of many keys and a long past costs what is seen. What compaction
//! has removed is no longer in the store; the log of what was applied still tells of it, and it is drawn as gone.

use super::stores::{self, Source};
use super::words;
use crate::etcd::api::{RequestOp, RequestOpKind};
use crate::etcd::internal::InternalRaftRequest;
use crate::etcd::mvcc::key_index::KeyIndex;
use crate::etcd::mvcc::{KeySpan, KvStore, Revision};
use crate::lab::Lab;
use crate::raft::EntryType;
use crate::sim::{EventId, HostId};
use bytes::Bytes;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};

/// The first revision that a write can have: the store begins at 1, with nothing in it.
pub const FIRST: i64 = 2;
/// Columns that are made at most.
const COLUMNS_MAX: i64 = 400;

/// What part of which store is wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ask {
    pub host: Option<HostId>,
    /// Only keys that contain this.
    pub filter: String,
    /// Only keys that were written in the columns shown.
    pub written: bool,
    pub row_first: usize,
    pub rows: usize,
    pub columns: usize,
    /// The column at the right; `None` is the newest.
    pub newest: Option<i64>,
    /// The revision that is read; `None` is the newest.
    pub cut: Option<i64>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    pub source: Source,
    /// Keys with any history in this store, and how many of them pass the filter.
    pub keys_all: usize,
    pub keys: usize,
    /// The columns, both included.
    pub first: i64,
    pub last: i64,
    /// Of the first row that is here.
    pub row_first: usize,
    pub rows: Vec<Row>,
    /// What is read.
    pub cut: i64,
    /// The read is refused: what it asks for was compacted.
    pub refused: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub key: Bytes,
    pub name: String,
    pub spans: Vec<Span>,
    pub marks: Vec<Mark>,
    pub seen: Seen,
}

/// A part of a life of the key, from column to column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: i64,
    pub to: i64,
    /// It goes on.
    pub open: bool,
    pub gone: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Create,
    Put,
    Delete,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    pub revision: i64,
    pub kind: Kind,
    /// Compaction has removed it.
    pub gone: bool,
    /// Of the leader that wrote it, if that is still known.
    pub term: Option<u64>,
}

/// What a read at the cut finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Value {
        version: i64,
        revision: i64,
        text: String,
    },
    /// The key is not there, in these words.
    Nothing(String),
}

impl Chart {
    /// `None` where no member runs.
    pub fn of(lab: &Lab, ask: &Ask) -> Option<Chart> {
        let source = stores::source(lab, ask.host)?;
        let store = stores::store(lab, &source)?;
        let columns = i64::try_from(ask.columns).unwrap_or(COLUMNS_MAX).clamp(1, COLUMNS_MAX);
        let last = ask.newest.map_or(source.revision, |newest| newest.min(source.revision)).max(FIRST + columns - 1);
        let first = last - columns + 1;
        let cut = ask.cut.map_or(source.revision, |cut| cut.clamp(1, source.revision));
        let compacted = source.compacted.unwrap_or(0);
        let written = ask.written.then(|| written_between(store, first, last));
        let filter = ask.filter.as_bytes();
        let passes = |index: &&KeyIndex| {
            let key = &index.latest().kv().key;
            written.as_ref().is_none_or(|written| written.contains(key)) && contains(key, filter)
        };
        let keys_all = store.index().len();
        let all = || store.index().range(KeySpan::From(b""));
        let is_plain = written.is_none() && filter.is_empty();
        let keys = if is_plain { keys_all } else { all().filter(passes).count() };
        let window = stores::window(ask.row_first, ask.rows, keys);
        let row_first = window.start;
        let shown: Vec<&KeyIndex> = all().filter(passes).skip(row_first).take(window.len()).collect();
        let gone = gone_between(lab, first, last.min(compacted));
        let rows = shown.into_iter().map(|index| {
            let key = index.latest().kv().key.clone();
            let (mut spans, mut marks) = kept(index, first, last, source.revision);
            if let Some(gone) = gone.get(&key) {
                add_gone(&mut spans, &mut marks, gone, last);
            }
            for mark in &mut marks {
                mark.term = stores::origin(lab, mark.revision).map(|origin| origin.term.0);
            }
            Row { name: words::text(&key), spans, marks, seen: seen(store, index, cut), key }
        });
        Some(Chart {
            keys_all,
            keys,
            first,
            last,
            row_first,
            rows: rows.collect(),
            cut,
            refused: cut < compacted,
            source,
        })
    }

    /// What the read at the cut would be typed as; a key that nobody can type has no such line.
    pub fn command(key: &[u8], cut: Option<i64>) -> Option<String> {
        let key = std::str::from_utf8(key).ok().filter(|key| !key.chars().any(char::is_control))?;
        let key = quoted(key);
        Some(cut.map_or_else(|| format!("etcdctl get {key}"), |cut| format!("etcdctl get {key} --rev={cut}")))
    }
}

/// Marks back from now among which a read of the past is looked for.
const READ_SPAN: usize = 200;

/// The newest command that read the past, and the revision that it asked for.
pub fn last_read(lab: &Lab) -> Option<(EventId, i64)> {
    let asked = |line: &str| {
        let words = || line.split_whitespace().filter(|word| word.starts_with("--rev"));
        let given = words().find_map(|word| word.strip_prefix("--rev="));
        let apart = || line.split_whitespace().skip_while(|word| *word != "--rev").nth(1);
        given.or_else(apart)?.parse().ok().filter(|revision| *revision > 0 && line.contains(" get "))
    };
    lab.chronicle().marks().iter().rev().take(READ_SPAN).find_map(|stamped| match &stamped.mark {
        crate::lab::Mark::Command { line, .. } => Some((stamped.event, asked(line)?)),
        _ => None,
    })
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

pub fn contains(key: &[u8], part: &[u8]) -> bool {
    let Some((first, rest)) = part.split_first() else { return true };
    let begins = |at: usize| key[at] == *first && key[at + 1..].starts_with(rest);
    (0..key.len()).any(begins)
}

fn written_between(store: &KvStore, first: i64, last: i64) -> BTreeSet<Bytes> {
    let entries = store.entries(Revision::new(first, 0)).take_while(|(revision, _)| revision.main <= last);
    entries.map(|(_, stored)| stored.kv().key.clone()).collect()
}

/// What the store still has of a key; `now` is its revision.
fn kept(index: &KeyIndex, first: i64, last: i64, now: i64) -> (Vec<Span>, Vec<Mark>) {
    let (mut spans, mut marks) = (Vec::new(), Vec::new());
    for (life, buried) in index.lives(first) {
        let Some((oldest, newest)) = life.ends() else { continue };
        let created = life.created().main.min(oldest.main);
        if created > last {
            break;
        }
        let to = if buried { newest.main } else { now };
        spans.push(Span { from: created.max(first), to: to.min(last), open: !buried || to > last, gone: false });
        marks.extend(life.between(first, last).map(|revision| {
            let kind = if buried && revision == newest {
                Kind::Delete
            } else if revision.main == created {
                Kind::Create
            } else {
                Kind::Put
            };
            Mark { revision: revision.main, kind, gone: false, term: None }
        }));
    }
    (spans, marks)
}

/// Writes of compacted revisions, by key, as far as the log tells them: single puts and deletes, and transactions of which
/// only one side writes.
fn gone_between(lab: &Lab, first: i64, last: i64) -> BTreeMap<Bytes, Vec<(i64, Kind)>> {
    let mut gone: BTreeMap<Bytes, Vec<(i64, Kind)>> = BTreeMap::new();
    let applied = lab.check().applied();
    for revision in first..=last {
        let Some(origin) = stores::origin(lab, revision) else { continue };
        let Some((entry, made)) = applied.get(origin.index.0 as usize - 1) else { continue };
        if *made != Some(revision) || entry.entry_type != EntryType::EntryNormal {
            continue;
        }
        let Ok(request) = InternalRaftRequest::decode(entry.data.clone()) else { continue };
        let mut note = |key: &Bytes, kind: Kind| gone.entry(key.clone()).or_default().push((revision, kind));
        if let Some(put) = &request.put {
            note(&put.key, Kind::Put);
        } else if let Some(delete) = request.delete_range.as_ref().filter(|delete| delete.range_end.is_empty()) {
            note(&delete.key, Kind::Delete);
        } else if let Some(txn) = &request.txn {
            let writes = |ops: &[RequestOp]| ops.iter().any(|op| !matches!(op.request, Some(RequestOpKind::Range(_))));
            let ops = match (writes(&txn.success), writes(&txn.failure)) {
                (true, false) => &txn.success,
                (false, true) => &txn.failure,
                _ => continue,
            };
            for op in ops {
                match &op.request {
                    Some(RequestOpKind::Put(put)) => note(&put.key, Kind::Put),
                    _ => continue,
                }
            }
        }
    }
    gone
}

/// Puts what is gone before what the store still has.
fn add_gone(spans: &mut Vec<Span>, marks: &mut Vec<Mark>, gone: &[(i64, Kind)], last: i64) {
    let has = |revision: i64, marks: &[Mark]| marks.iter().any(|mark| mark.revision == revision);
    let mut old = Vec::new();
    // Where the life began that is being told.
    let mut began = None;
    for &(revision, kind) in gone {
        // What is kept tells the rest of a life itself.
        if has(revision, marks) {
            began = None;
            continue;
        }
        let of_kept_life = spans.iter().any(|span| !span.gone && span.from <= revision && revision <= span.to);
        match kind {
            Kind::Delete => {
                let from = began.take().unwrap_or(revision);
                spans.push(Span { from, to: revision, open: false, gone: true });
            }
            _ if of_kept_life => {}
            _ => began = began.or(Some(revision)),
        }
        old.push(Mark { revision, kind, gone: true, term: None });
    }
    if let Some(from) = began {
        let next = spans.iter().filter(|span| !span.gone).map(|span| span.from).min().unwrap_or(last);
        spans.push(Span { from, to: next.max(from), open: false, gone: true });
    }
    // The first write of a life is its creation.
    for at in 0..old.len() {
        let begins = old[at].kind == Kind::Put && (at == 0 || old[at - 1].kind == Kind::Delete);
        let known = spans.iter().any(|span| span.from == old[at].revision);
        if begins && known {
            old[at].kind = Kind::Create;
        }
    }
    old.append(marks);
    *marks = old;
}

/// What a read of this revision finds of a key.
fn seen(store: &KvStore, index: &KeyIndex, cut: i64) -> Seen {
    let key = &index.latest().kv().key;
    if let Some(kv) = store.get_at(key, cut) {
        return Seen::Value { version: kv.version, revision: kv.mod_revision, text: words::excerpt(&kv.value) };
    }
    let lives = || index.lives(1);
    let before = lives().filter(|(life, buried)| *buried && life.ends().is_some_and(|(_, end)| end.main <= cut)).last();
    Seen::Nothing(match before.and_then(|(life, _)| life.ends()) {
        Some((_, end)) => format!("deleted at {}", end.main),
        None if cut < store.compact_revision() => "compacted".to_owned(),
        None => match lives().next() {
            Some((life, _)) => format!("created at {}", life.created().main),
            None => String::new(),
        },
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::lab::{Input, Scenario};
    use crate::sim::{Fault, SimTime};

    /// A world in which these lines were typed one after another.
    pub fn world(lines: &[&str]) -> Lab {
        let mut lab = Lab::new(Scenario::default(), 7);
        lab.run_until(SimTime(3_000_000), u64::MAX);
        lines.iter().for_each(|line| type_line(&mut lab, line));
        lab
    }

    pub fn type_line(lab: &mut Lab, line: &str) {
        lab.input(&Input::Line { terminal: 0, text: line.to_owned() });
        let end = lab.now() + crate::sim::Micros::from_millis(500);
        lab.run_until(end, u64::MAX);
    }

    fn chart(lab: &Lab, ask: Ask) -> Chart {
        Chart::of(lab, &Ask { rows: 50, columns: 20, ..ask }).unwrap()
    }

    /// `+` create, `o` put, `x` delete, in capitals where compaction has removed it.
    fn drawn(row: &Row) -> String {
        let letter = |mark: &Mark| match (mark.kind, mark.gone) {
            (Kind::Create, false) => "c",
            (Kind::Create, true) => "C",
            (Kind::Put, false) => "p",
            (Kind::Put, true) => "P",
            (Kind::Delete, false) => "d",
            (Kind::Delete, true) => "D",
        };
        let marks: Vec<String> = row.marks.iter().map(|mark| format!("{}{}", letter(mark), mark.revision)).collect();
        let spans =
            row.spans.iter().map(|span| format!("{}-{}{}", span.from, span.to, if span.gone { "?" } else { "" }));
        format!("{} [{}] {}", row.name, spans.collect::<Vec<_>>().join(" "), marks.join(" "))
    }

    const LIVES: [&str; 8] = [
        "etcdctl put a 1",
        "etcdctl put b 1",
        "etcdctl put a 2",
        "etcdctl del a",
        "etcdctl put a 3",
        "etcdctl put b 2",
        "etcdctl put b 3",
        "etcdctl del b",
    ];

    #[test]
    fn each_life_of_a_key_is_a_line_with_its_writes_on_it() {
        let lab = world(&LIVES);
        let chart = chart(&lab, Ask::default());
        assert_eq!((chart.source.revision, chart.source.why, chart.keys), (9, "the leader", 2));
        let rows: Vec<String> = chart.rows.iter().map(drawn).collect();
        assert_eq!(rows, ["a [2-5 6-9] c2 p4 d5 c6", "b [3-9] c3 p7 p8 d9"]);
        assert_eq!(chart.rows[1].seen, Seen::Nothing("deleted at 9".to_owned()));
        let term = lab.check().leaders().back().unwrap().0.0;
        assert!(chart.rows[0].marks.iter().all(|mark| mark.term == Some(term)), "{chart:?}");
    }

    #[test]
    fn a_cut_reads_the_past() {
        let lab = world(&LIVES);
        let at = |cut: i64| chart(&lab, Ask { cut: Some(cut), ..Ask::default() }).rows;
        assert_eq!(at(4)[0].seen, Seen::Value { version: 2, revision: 4, text: "2".to_owned() });
        assert_eq!(at(5)[0].seen, Seen::Nothing("deleted at 5".to_owned()));
        assert_eq!(at(2)[1].seen, Seen::Nothing("created at 3".to_owned()));
        assert_eq!(at(99)[0].seen, Seen::Value { version: 1, revision: 6, text: "3".to_owned() });
    }

    #[test]
    fn compaction_greys_what_is_gone_and_keeps_what_a_read_still_needs() {
        let mut lines = LIVES.to_vec();
        lines.push("etcdctl compact 8");
        let lab = world(&lines);
        let chart = chart(&lab, Ask { cut: Some(6), ..Ask::default() });
        assert_eq!((chart.source.compacted, chart.refused), (Some(8), true));
        let rows: Vec<String> = chart.rows.iter().map(drawn).collect();
        assert_eq!(rows, ["a [6-9 2-5?] C2 P4 D5 c6", "b [3-9] C3 P7 p8 d9"]);
    }

    #[test]
    fn a_read_of_the_past_in_a_terminal_is_noticed() {
        let lab = world(&["etcdctl put a 1", "etcdctl get a --rev=2", "etcdctl get --rev 3 a", "etcdctl get a"]);
        assert_eq!(last_read(&lab).map(|(_, revision)| revision), Some(3));
        assert_eq!(last_read(&world(&["etcdctl put a --rev=9"])), None);
    }

    #[test]
    fn a_key_is_quoted_for_the_shell() {
        assert_eq!(Chart::command(b"/a/b", Some(4)).unwrap(), "etcdctl get /a/b --rev=4");
        assert_eq!(Chart::command(b"it's", None).unwrap(), r"etcdctl get 'it'\''s'");
        assert_eq!(Chart::command(b"\xff", None), None);
    }

    #[test]
    fn only_a_window_is_made() {
        let lab = world(&LIVES);
        let ask = Ask { columns: 3, rows: 1, row_first: 9, newest: Some(5), ..Ask::default() };
        let chart = Chart::of(&lab, &ask).unwrap();
        assert_eq!((chart.first, chart.last, chart.row_first, chart.rows.len()), (3, 5, 1, 1));
        assert_eq!(drawn(&chart.rows[0]), "b [3-5] c3");
        assert!(chart.rows[0].spans[0].open);
        let ask = Ask { columns: 1, rows: 9, newest: Some(7), written: true, ..Ask::default() };
        let chart = Chart::of(&lab, &ask).unwrap();
        assert_eq!((chart.keys, chart.keys_all), (1, 2));
        assert_eq!(chart.rows[0].name, "b");
        let found = chart_keys(&lab, "a");
        assert_eq!(found, ["a"]);
    }

    fn chart_keys(lab: &Lab, filter: &str) -> Vec<String> {
        let chart = chart(lab, Ask { filter: filter.to_owned(), ..Ask::default() });
        chart.rows.into_iter().map(|row| row.name).collect()
    }

    #[test]
    fn the_selected_member_is_read_while_it_runs() {
        let mut lab = world(&["etcdctl put a 1"]);
        let leader = lab.check().leaders().back().unwrap().1;
        let other = lab.machines().find(|host| *host != leader).unwrap();
        let asked = Ask { host: Some(other), ..Ask::default() };
        assert_eq!(chart(&lab, asked.clone()).source.host, other);
        lab.input(&Input::Fault(Fault::PowerOff { host: other }));
        assert_eq!(chart(&lab, asked).source.host, leader);
        for host in lab.machines() {
            lab.input(&Input::Fault(Fault::PowerOff { host }));
        }
        assert_eq!(Chart::of(&lab, &Ask::default()), None);
    }
}
