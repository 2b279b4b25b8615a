//! The page: the only module that may name `leptos`.
//!
//! It holds no rule of any protocol: what it shows is a projection of the lab, and what the learner does becomes an
//! input to it. What all parts share is made once in [`App`] and handed on as context: the [`session`] (the world and its
//! playhead), the study (the open lesson), the worlds (what is opened and kept), the layout, the
//! stage (which views are shown), the notices.

mod app;
pub mod crash;
pub mod session;

// What all parts share.
mod browse;
mod calls;
mod layout;
mod notice;
mod stage;
mod study;
mod worlds;

// Parts.
mod diagrams;
mod header;
mod importing;
mod new_world;
mod panels;
mod widgets;

// The page's other faces.
mod browser;
mod keys;
mod script;
mod store;
mod theme;

pub use app::App;
