//! Writing: a file from pairs in key order, its pages packed densely from the leaves up.
//!
//! Like the files that etcd saves it has no freelist page: nothing in it is free.

use std::fmt;

use bytes::{BufMut, Bytes};

use super::page::{
    BUCKET_HEADER, ELEMENT, ELEMENT_BUCKET, FIRST_PAGE, HEADER, Header, KIND_BRANCH, KIND_LEAF, Meta, NO_FREELIST,
    PAGE_SIZE,
};
use super::reader::Item;

/// A page is closed when it is this full: the fill that etcd asks for where it writes in order.
const FILL_BYTES: usize = PAGE_SIZE / 10 * 9;
/// bbolt puts at least two keys on a page, however large they are.
const KEYS_PER_PAGE_MIN: usize = 2;
/// A bucket whose only page is not larger than this lies in its parent's leaf.
const INLINE_MAX: usize = PAGE_SIZE / 4;
/// bbolt's limits of a key and a value.
const KEY_MAX: usize = 32_768;
const VALUE_MAX: usize = (1 << 31) - 2;

/// Why bbolt would not store a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    KeyRequired,
    KeyTooLarge,
    ValueTooLarge,
    /// A key that is not above the one before it. Upstream sorts; this writer is told things in order.
    OutOfOrder,
    /// An [`Item::End`] without its [`Item::Bucket`], or the other way round.
    Unbalanced,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WriteError::KeyRequired => "key required",
            WriteError::KeyTooLarge => "key too large",
            WriteError::ValueTooLarge => "value too large",
            WriteError::OutOfOrder => "key out of order",
            WriteError::Unbalanced => "bucket left open",
        })
    }
}

impl std::error::Error for WriteError {}

/// A file under construction. It is told what a [`Reader`](super::Reader) would yield.
#[derive(Clone, Debug)]
pub struct Writer {
    out: Vec<u8>,
    /// The open buckets, outermost first; the root has no name.
    open: Vec<Tree>,
}

#[derive(Clone, Debug, Default)]
struct Tree {
    name: Bytes,
    sequence: u64,
    leaf: Vec<Element>,
    leaf_bytes: usize,
    /// First keys and ids of the leaves written so far.
    leaves: Vec<(Bytes, u64)>,
    last: Option<Bytes>,
    /// Then it cannot be inline itself.
    has_buckets: bool,
}

#[derive(Clone, Debug)]
struct Element {
    flags: u32,
    key: Bytes,
    value: Bytes,
}

impl Default for Writer {
    fn default() -> Writer {
        Writer::new()
    }
}

impl Writer {
    pub fn new() -> Writer {
        Writer::sized(0)
    }

    /// For a file of about so many bytes: a large one is not moved while it grows.
    pub fn sized(file_len: usize) -> Writer {
        let start = FIRST_PAGE as usize * PAGE_SIZE;
        let mut out = Vec::with_capacity(file_len.max(start));
        out.resize(start, 0);
        Writer { out, open: vec![Tree::default()] }
    }

    pub fn write(&mut self, item: Item) -> Result<(), WriteError> {
        match item {
            Item::Bucket { name, sequence } => self.bucket(name, sequence),
            Item::Pair { key, value } => self.pair(key, value),
            Item::End => self.end(),
        }
    }

    /// Opens a bucket in the one that is open.
    pub fn bucket(&mut self, name: Bytes, sequence: u64) -> Result<(), WriteError> {
        self.open.last_mut().ok_or(WriteError::Unbalanced)?.admit(&name)?;
        self.open.push(Tree { name, sequence, ..Tree::default() });
        Ok(())
    }

    /// Adds a pair to the open bucket.
    pub fn pair(&mut self, key: Bytes, value: Bytes) -> Result<(), WriteError> {
        let tree = self.open.last_mut().ok_or(WriteError::Unbalanced)?;
        tree.admit(&key)?;
        if value.len() > VALUE_MAX {
            return Err(WriteError::ValueTooLarge);
        }
        tree.push(Element { flags: 0, key, value }, &mut self.out);
        Ok(())
    }

    /// Closes the open bucket.
    pub fn end(&mut self) -> Result<(), WriteError> {
        let [.., _, _] = self.open[..] else { return Err(WriteError::Unbalanced) };
        let tree = self.open.pop().ok_or(WriteError::Unbalanced)?;
        let key = tree.name.clone();
        let value = tree.bucket_value(&mut self.out);
        let parent = self.open.last_mut().ok_or(WriteError::Unbalanced)?;
        parent.has_buckets = true;
        parent.push(Element { flags: ELEMENT_BUCKET, key, value }, &mut self.out);
        Ok(())
    }

    /// The file. `txid` is the number of the transaction that it shows.
    pub fn finish(mut self, txid: u64) -> Result<Bytes, WriteError> {
        let Some(root) = self.open.pop().filter(|_| self.open.is_empty()) else { return Err(WriteError::Unbalanced) };
        let root = root.root(&mut self.out);
        let high_water = next_page(&self.out);
        // As etcd's snapshots: both metas show the same tree, the second as the older of them.
        for (id, txid) in [(0, txid), (1, txid.saturating_sub(1))] {
            let meta = Meta { page_size: PAGE_SIZE, root, freelist: NO_FREELIST, high_water, txid }.encode(id);
            let at = id as usize * PAGE_SIZE;
            self.out[at..at + meta.len()].copy_from_slice(&meta);
        }
        Ok(self.out.into())
    }
}

impl Tree {
    /// Checks a key and notes it as the latest.
    fn admit(&mut self, key: &Bytes) -> Result<(), WriteError> {
        if key.is_empty() {
            return Err(WriteError::KeyRequired);
        }
        if key.len() > KEY_MAX {
            return Err(WriteError::KeyTooLarge);
        }
        if self.last.as_ref().is_some_and(|last| key <= last) {
            return Err(WriteError::OutOfOrder);
        }
        self.last = Some(key.clone());
        Ok(())
    }

    fn push(&mut self, element: Element, out: &mut Vec<u8>) {
        let size = ELEMENT + element.key.len() + element.value.len();
        if self.leaf.len() >= KEYS_PER_PAGE_MIN && HEADER + self.leaf_bytes + size > FILL_BYTES {
            self.close_leaf(out);
        }
        self.leaf.push(element);
        self.leaf_bytes += size;
    }

    fn close_leaf(&mut self, out: &mut Vec<u8>) {
        let first = self.leaf.first().map_or_else(Bytes::new, |element| element.key.clone());
        let id = begin_page(KIND_LEAF, self.leaf.len(), self.leaf_bytes, out);
        put_leaf(&self.leaf, out);
        end_page(out);
        self.leaves.push((first, id));
        self.leaf.clear();
        self.leaf_bytes = 0;
    }

    /// What the parent's leaf holds of this bucket.
    fn bucket_value(self, out: &mut Vec<u8>) -> Bytes {
        let mut value = Vec::with_capacity(BUCKET_HEADER);
        let inline = self.leaves.is_empty() && !self.has_buckets && HEADER + self.leaf_bytes <= INLINE_MAX;
        let sequence = self.sequence;
        if inline {
            value.put_u64_le(0);
            value.put_u64_le(sequence);
            let count = self.leaf.len() as u16;
            Header { id: 0, flags: KIND_LEAF, count, overflow: 0 }.encode(&mut value);
            put_leaf(&self.leaf, &mut value);
        } else {
            value.put_u64_le(self.root(out));
            value.put_u64_le(sequence);
        }
        value.into()
    }

    /// Writes what is left and the branches above the leaves. Returns the root page.
    fn root(mut self, out: &mut Vec<u8>) -> u64 {
        if !self.leaf.is_empty() || self.leaves.is_empty() {
            self.close_leaf(out);
        }
        let mut level = self.leaves;
        while level.len() > 1 {
            level = branches(&level, out);
        }
        level[0].1
    }
}

/// Writes the branches above `children`. Returns their first keys and ids.
fn branches(children: &[(Bytes, u64)], out: &mut Vec<u8>) -> Vec<(Bytes, u64)> {
    let mut level = Vec::new();
    let mut rest = children;
    while !rest.is_empty() {
        let (page, after) = rest.split_at(branch_len(rest));
        let data: usize = page.iter().map(|(key, _)| ELEMENT + key.len()).sum();
        let id = begin_page(KIND_BRANCH, page.len(), data, out);
        let mut position = ELEMENT * page.len();
        for (key, child) in page {
            out.put_u32_le(position as u32);
            out.put_u32_le(key.len() as u32);
            out.put_u64_le(*child);
            position = position + key.len() - ELEMENT;
        }
        page.iter().for_each(|(key, _)| out.put_slice(key));
        end_page(out);
        level.push((page[0].0.clone(), id));
        rest = after;
    }
    level
}

/// How many of `children` go on the next branch page: as many as fit, but no branch is left with a single child, which
/// bbolt could not merge.
fn branch_len(children: &[(Bytes, u64)]) -> usize {
    let mut bytes = HEADER;
    let fits = |(i, (key, _)): &(usize, &(Bytes, u64))| {
        bytes += ELEMENT + key.len();
        *i < KEYS_PER_PAGE_MIN || bytes <= FILL_BYTES
    };
    let len = children.iter().enumerate().take_while(fits).count();
    match children.len() - len {
        1 if len > KEYS_PER_PAGE_MIN => len - 1,
        1 => len + 1,
        _ => len,
    }
}

fn put_leaf(elements: &[Element], out: &mut Vec<u8>) {
    let mut position = ELEMENT * elements.len();
    for Element { flags, key, value } in elements {
        out.put_u32_le(*flags);
        out.put_u32_le(position as u32);
        out.put_u32_le(key.len() as u32);
        out.put_u32_le(value.len() as u32);
        position = position + key.len() + value.len() - ELEMENT;
    }
    for Element { key, value, .. } in elements {
        out.put_slice(key);
        out.put_slice(value);
    }
}

fn next_page(out: &[u8]) -> u64 {
    (out.len() / PAGE_SIZE) as u64
}

/// Writes the header of a page with `bytes` of elements and data. Returns its id.
fn begin_page(flags: u16, count: usize, bytes: usize, out: &mut Vec<u8>) -> u64 {
    let id = next_page(out);
    let overflow = (HEADER + bytes).div_ceil(PAGE_SIZE) - 1;
    Header { id, flags, count: count as u16, overflow: overflow as u32 }.encode(out);
    id
}

fn end_page(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(PAGE_SIZE), 0);
}
