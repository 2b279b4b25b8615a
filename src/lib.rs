//! Control Plane Lab: a whole control plane as one deterministic value.
pub mod etcd;
pub mod lab;
pub mod lesson;
pub mod raft;
pub mod shell;
pub mod sim;
pub mod transcript;
pub mod projection;
#[cfg(feature = "ui")]
pub mod ui;
