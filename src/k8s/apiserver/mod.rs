//! The API server.

mod attributes;
pub mod discovery;
pub mod field_selectors;
pub mod strategy;
pub mod tables;

pub use attributes::{Attributes, Decision, Lister, User};
