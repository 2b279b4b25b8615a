//! One integration binary.
mod conformance;
mod etcdctl;
mod tidy;
mod transcripts;
