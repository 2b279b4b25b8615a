//! Plain parts that know nothing of the lab.

pub mod dialog;
pub mod icon;
