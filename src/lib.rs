//! Control Plane Lab: a whole control plane as one deterministic value.
pub mod sim;
pub mod raft;
pub mod etcd;
pub mod shell;
pub mod lab;
pub mod transcript;
pub mod projection;
#[cfg(feature = "ui")]
pub mod ui;
