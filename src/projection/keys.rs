//! The keys of a store as a tree by `/`, and all about one of them.

mod object;
mod sheet;

use super::revisions::contains;
use super::stores::{self, Source};
use super::words;
use crate::etcd::mvcc::KeySpan;
use crate::lab::Lab;
use crate::sim::HostId;
use bytes::Bytes;
use std::collections::BTreeSet;

pub use object::{Form, HexLine, Part, hexdump, parts};
pub use sheet::{Change, Diff, Facts, KeyAsk, KeySheet, Text, Write};

/// Keys that are looked at: beyond those the filter has to help.
const KEYS_MAX: usize = 100_000;

/// Which folders of keys are folded: all but some, or none but some.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folds {
    pub all: bool,
    pub but: BTreeSet<Bytes>,
}

impl Folds {
    pub fn is_folded(&self, folder: &[u8]) -> bool {
        self.all != self.but.contains(folder)
    }

    /// Folds what is open, opens what is folded.
    pub fn turn(&mut self, folder: &Bytes) {
        if !self.but.remove(folder) {
            self.but.insert(folder.clone());
        }
    }
}

/// What part of which store's tree is wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ask {
    pub host: Option<HostId>,
    /// Only keys that contain this; nothing is folded then.
    pub filter: String,
    pub folds: Folds,
    pub row_first: usize,
    pub rows: usize,
    /// The revision that is read; `None` is the newest.
    pub cut: Option<i64>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    pub source: Source,
    /// Keys alive at what is read, and how many of them pass the filter.
    pub keys_all: usize,
    pub keys: usize,
    /// There are more than are looked at.
    pub more: bool,
    pub rows_all: usize,
    /// Of the first row that is here.
    pub row_first: usize,
    pub rows: Vec<TreeRow>,
    /// The read is refused: what it asks for was compacted.
    pub refused: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeRow {
    /// The key, or what all keys of the folder begin with.
    pub path: Bytes,
    /// Its last part.
    pub name: String,
    pub depth: usize,
    pub kind: RowKind,
    /// What a folder of the registry holds, by its kind; empty for others.
    pub holds: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    Folder { keys: usize, folded: bool },
    Key { revision: i64 },
}

/// A folder or a key, in the order of keys.
struct Node<'a> {
    key: &'a Bytes,
    /// Its own part of the key.
    part: (usize, usize),
    depth: usize,
    /// A key's revision; a folder has none.
    revision: Option<i64>,
    /// Keys before it; then, of a folder, how many it holds.
    keys: usize,
    /// The node behind all that the folder holds.
    next: usize,
}

impl Tree {
    /// `None` where no member runs.
    pub fn of(lab: &Lab, ask: &Ask) -> Option<Tree> {
        let source = stores::source(lab, ask.host)?;
        let store = stores::store(lab, &source)?;
        let at = ask.cut.map_or(source.revision, |cut| cut.clamp(1, source.revision));
        let refused = at < source.compacted.unwrap_or(0);
        let filter = ask.filter.as_bytes();
        let mut forest = Forest::default();
        let mut keys_all = 0;
        let all = store.index().range(KeySpan::From(b"")).filter(|_| !refused);
        for index in all.take(KEYS_MAX) {
            let Some(revision) = index.get(at) else { continue };
            keys_all += 1;
            let key = &index.latest().kv().key;
            if contains(key, filter) {
                forest.add(key, revision.main);
            }
        }
        let (nodes, keys) = forest.finish();
        let is_folded = |node: &Node| filter.is_empty() && ask.folds.is_folded(&node.key[..node.part.1]);
        let mut visible = Vec::new();
        let mut at = 0;
        while let Some(node) = nodes.get(at) {
            visible.push(at);
            at = if node.revision.is_none() && is_folded(node) { node.next } else { at + 1 };
        }
        let window = stores::window(ask.row_first, ask.rows, visible.len());
        let row = |at: &usize| {
            let node = &nodes[*at];
            let kind = match node.revision {
                Some(revision) => RowKind::Key { revision },
                None => RowKind::Folder { keys: node.keys, folded: is_folded(node) },
            };
            let name = words::text(&node.key[node.part.0..node.part.1]);
            let path = node.key.slice(..node.part.1);
            let holds = if node.revision.is_none() { object::kind_below(&path) } else { "" };
            TreeRow { path, name, depth: node.depth, kind, holds }
        };
        Some(Tree {
            keys_all,
            keys,
            more: store.index().len() > KEYS_MAX,
            rows_all: visible.len(),
            row_first: window.start,
            rows: visible[window].iter().map(row).collect(),
            refused,
            source,
        })
    }
}

#[derive(Default)]
struct Forest<'a> {
    nodes: Vec<Node<'a>>,
    /// The folders that the last key is in, outermost first.
    open: Vec<usize>,
    keys: usize,
}

impl<'a> Forest<'a> {
    /// Takes the next key, in order.
    fn add(&mut self, key: &'a Bytes, revision: i64) {
        while let Some(&folder) = self.open.last() {
            let Node { key: other, part: (_, end), .. } = self.nodes[folder];
            if key.len() > end && key[..end] == other[..end] {
                break;
            }
            self.close(folder);
        }
        let mut from = self.open.last().map_or(0, |&folder| self.nodes[folder].part.1);
        // A folder ends with a slash that is neither the first nor the last byte.
        while let Some(slash) = key[from..].iter().position(|byte| *byte == b'/').map(|at| from + at) {
            let end =
                if slash == 0 { key[1..].iter().position(|byte| *byte == b'/').map(|at| 1 + at) } else { Some(slash) };
            let Some(end) = end.map(|slash| slash + 1).filter(|end| *end < key.len()) else { break };
            self.open.push(self.nodes.len());
            self.push(key, (from, end), None);
            from = end;
        }
        self.push(key, (from, key.len()), Some(revision));
        self.keys += 1;
    }

    fn push(&mut self, key: &'a Bytes, part: (usize, usize), revision: Option<i64>) {
        let depth = self.open.len() - usize::from(revision.is_none());
        self.nodes.push(Node { key, part, depth, revision, keys: self.keys, next: 0 });
    }

    fn close(&mut self, folder: usize) {
        let next = self.nodes.len();
        let node = &mut self.nodes[folder];
        (node.keys, node.next) = (self.keys - node.keys, next);
        self.open.pop();
    }

    fn finish(mut self) -> (Vec<Node<'a>>, usize) {
        while let Some(&folder) = self.open.last() {
            self.close(folder);
        }
        (self.nodes, self.keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::revisions::tests::world;

    fn rows(tree: &Tree) -> Vec<String> {
        let row = |row: &TreeRow| match row.kind {
            RowKind::Folder { keys, folded } => {
                format!("{}{}{} {keys}", " ".repeat(row.depth), if folded { "+" } else { "" }, row.name)
            }
            RowKind::Key { revision } => format!("{}{} @{revision}", " ".repeat(row.depth), row.name),
        };
        tree.rows.iter().map(row).collect()
    }

    fn tree(lab: &Lab, ask: Ask) -> Tree {
        Tree::of(lab, &Ask { rows: 50, ..ask }).unwrap()
    }

    const KEYS: [&str; 6] = [
        "etcdctl put /registry/pods/default/web 1",
        "etcdctl put /registry/pods/default/api 1",
        "etcdctl put /registry/services/x 1",
        "etcdctl put plain 1",
        "etcdctl put a/ 1",
        "etcdctl del /registry/pods/default/api",
    ];

    #[test]
    fn keys_are_a_tree_with_counts() {
        let lab = world(&KEYS);
        let whole = tree(&lab, Ask::default());
        let expected =
            ["/registry/ 2", " pods/ 1", "  default/ 1", "   web @2", " services/ 1", "  x @4", "a/ @6", "plain @5"];
        assert_eq!(rows(&whole), expected);
        assert_eq!((whole.keys, whole.keys_all, whole.rows_all), (4, 4, 8));
        // Before the deletion.
        assert_eq!(tree(&lab, Ask { cut: Some(6), ..Ask::default() }).keys, 5);
    }

    #[test]
    fn folders_fold_and_a_filter_opens_them() {
        let lab = world(&KEYS);
        let mut folds = Folds { all: true, ..Folds::default() };
        let folded = tree(&lab, Ask { folds: folds.clone(), ..Ask::default() });
        assert_eq!(rows(&folded), ["+/registry/ 2", "a/ @6", "plain @5"]);
        folds.turn(&Bytes::from_static(b"/registry/"));
        let opened = tree(&lab, Ask { folds: folds.clone(), ..Ask::default() });
        assert_eq!(rows(&opened), ["/registry/ 2", " +pods/ 1", " +services/ 1", "a/ @6", "plain @5"]);
        let found = tree(&lab, Ask { folds, filter: "web".to_owned(), ..Ask::default() });
        assert_eq!(rows(&found), ["/registry/ 1", " pods/ 1", "  default/ 1", "   web @2"]);
        assert_eq!((found.keys, found.keys_all), (1, 4));
    }

    #[test]
    fn only_a_window_is_made() {
        let lab = world(&KEYS);
        let window = Tree::of(&lab, &Ask { row_first: 7, rows: 2, ..Ask::default() }).unwrap();
        assert_eq!((window.row_first, window.rows_all), (6, 8));
        assert_eq!(rows(&window), ["a/ @6", "plain @5"]);
    }
}
