//! What all objects share: amounts, moments, selectors, names, pages, refusals.
//!
//! Upstream: `k8s.io/apimachinery`.

pub mod quantity;
pub mod time;
