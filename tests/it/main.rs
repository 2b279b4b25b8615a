//! One integration binary.
mod datadriven;
mod raft_datadriven;
