//! The file format of bbolt, the database under etcd: a reader that trusts nothing and a writer.
//!
//! ```text
//!   file    page 0: meta   page 1: meta   pages 2..: leaves, branches, free pages, perhaps a freelist
//!   page    header { id u64, flags u16, count u16, overflow u32 }, elements, data; `overflow` more pages belong to it
//!   meta    { magic, version, page size, flags, root, sequence, freelist, high-water mark, txid, FNV-1a of all that }
//!   leaf    elements { flags u32, pos u32, ksize u32, vsize u32 }; `pos` counts from the element itself
//!   branch  elements { pos u32, ksize u32, child u64 }; the key is not above the child's first
//!   bucket  a leaf's value { root u64, sequence u64 }; root 0: the bucket's one leaf page follows in place
//! ```
//!
//! Both are pure. The [`Reader`] asks for ranges of bytes and yields one [`Item`] at a time, so a file may lie anywhere
//! and a large one may be read a little at a time. What it yields shares the bytes that it was given.
//!
//! It is not a database: nothing is changed in place. Upstream: `go.etcd.io/bbolt` 1.3.6.
// Simplified: damage is reported one page at a time, where bbolt's check lists all it finds.

mod page;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use page::{BoltError, Damage, PAGE_SIZE};
pub use reader::{Item, Items, Reader, Step, items};
pub use writer::{WriteError, Writer};
