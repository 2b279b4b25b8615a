//! One integration binary.
mod conformance;
mod datadriven;
mod disasters;
mod etcdctl;
mod etcdutl;
mod hostile;
mod lab;
mod lessons;
mod lives;
mod members;
mod raft_datadriven;
mod raft_fuzz;
mod raft_model;
mod server;
mod snapshots;
mod tidy;
mod transcripts;
