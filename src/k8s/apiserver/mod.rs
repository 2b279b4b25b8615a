//! The API server.
//!
//! A request passes, in this order, what is here so far as functions of their arguments:
//!
//! ```text
//! authentication (who) ─> flow control (when) ─> authorization (may they) ─> admission (in which form, and is it wanted)
//! ```

pub mod admission;
mod attributes;
pub mod authentication;
pub mod authorization;
pub mod discovery;
pub mod field_selectors;
pub mod flow_control;
mod object;
pub mod openapi;
pub mod strategy;
pub mod tables;
#[cfg(test)]
mod testing;

pub use attributes::{Attributes, Decision, Lister, User};
