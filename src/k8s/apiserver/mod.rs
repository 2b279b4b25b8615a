//! The API server.

mod attributes;
pub mod strategy;

pub use attributes::{Attributes, Decision, Lister, User};
