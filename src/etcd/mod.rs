//! etcd.
pub mod api;
pub mod error;
