//! Control Plane Lab: a whole control plane as one deterministic value.
pub mod cel;
pub mod etcd;
pub mod k8s;
pub mod lab;
pub mod lesson;
pub mod projection;
pub mod raft;
pub mod shell;
pub mod sim;
pub mod transcript;
#[cfg(feature = "ui")]
pub mod ui;
