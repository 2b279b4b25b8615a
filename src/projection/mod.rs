//! Level 8: what there is to see, as plain values.
//!
//! A projection is a function of the world that returns a value one can compare: a view holds the last one and draws
//! what differs. Nothing here knows a browser, so that everything a view claims can be tested without one.
//! It is not a second model: it keeps no state of its own, but for [`lanes::LaneIndex`] and [`pipeline::Requests`], which are indexes.

pub mod caches;
pub mod cluster;
pub mod inspect;
pub mod keys;
pub mod lanes;
pub mod layout;
pub mod message;
pub mod metrics;
pub mod pipeline;
pub mod revisions;
pub mod sequence;
pub mod servers;
pub mod stores;
pub mod terminal;
pub mod watches;
pub mod why;
pub mod words;
