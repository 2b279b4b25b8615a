//! Control Plane Lab: a whole control plane as one deterministic value.
pub mod etcd;
pub mod raft;
pub mod shell;
pub mod sim;
#[cfg(feature = "ui")]
pub mod ui;
