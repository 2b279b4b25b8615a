//! One integration binary.

mod etcdctl;
