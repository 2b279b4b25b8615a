//! What all objects share: amounts, moments, selectors, names, pages, refusals.
//!
//! Upstream: `k8s.io/apimachinery`.

pub mod duration;
pub mod fields;
pub mod labels;
pub mod names;
pub mod page;
pub mod quantity;
pub mod status;
pub mod time;
