//! One integration binary.
mod conformance;
mod etcdctl;
mod lab;
mod tidy;
mod transcripts;
