//! One integration binary.
mod conformance;
mod etcdctl;
mod lab;
mod raft_datadriven;
mod tidy;
mod transcripts;
