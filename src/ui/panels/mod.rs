//! The panes of the bench.

pub mod lesson;
pub mod prose;
pub mod terminal;
pub mod typist;
