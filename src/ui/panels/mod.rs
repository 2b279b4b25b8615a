//! The panes around the stage.

pub mod inspector;
pub mod lesson;
pub mod prose;
pub mod terminal;
pub mod timeline;
pub mod typist;

pub use inspector::Inspector;
pub use timeline::TimelinePanel;
