//! One integration binary.
mod datadriven;
mod raft_datadriven;
mod raft_fuzz;
