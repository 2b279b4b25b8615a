//! etcd.
pub mod api;
pub mod apply;
pub mod error;
pub mod lease;
pub mod mvcc;
