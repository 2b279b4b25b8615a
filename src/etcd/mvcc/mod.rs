//! The multi-version store: every write is a new revision, and the past stays readable until it is compacted.
//!
//! Reading order: [`revision`] names a write, [`key_index`] lists the revisions of one key, [`tree_index`] holds the
//! keys in order, [`store`] adds the values and transactions, [`watchable_store`] tells watchers what was written.
//! Nothing here knows Raft, time or the network. Every collection is persistent: cloning a store copies pointers.
//!
//! Upstream: `server/mvcc` of 3.5.

pub mod key_index;
pub mod revision;
pub mod store;
#[cfg(test)]
mod tests;
pub mod tree_index;
pub mod watchable_store;
mod watcher_index;

pub use revision::{KeySpan, Revision, Stored};
pub use store::{KvStore, RangeOptions, RangeResult, WriteTxn};
pub use watchable_store::{StreamId, WatchableStore, WatcherGroup, WatcherStatus};
