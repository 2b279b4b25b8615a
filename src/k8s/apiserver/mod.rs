//! The API server.

mod attributes;

pub use attributes::{Attributes, Decision, Lister, User};
