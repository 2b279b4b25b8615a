//! One integration binary.
mod conformance;
mod etcdctl;
mod lab;
mod lessons;
mod tidy;
mod transcripts;
