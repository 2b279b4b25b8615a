//! The panes around the stage.

pub mod inspector;
pub mod timeline;

pub use inspector::Inspector;
pub use timeline::TimelinePanel;
