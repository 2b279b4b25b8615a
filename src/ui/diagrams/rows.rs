//! A long list of rows of one height, of which only those in sight are there: in a box as high as all of them, which
//! scrolls in a frame.

use leptos::html;
use leptos::prelude::*;

/// A copy is the same handle.
#[derive(Clone, Copy)]
pub struct Rows {
    pub frame: NodeRef<html::Div>,
    /// Of one row.
    height: f64,
    /// Rows beyond the edge that are made anyway, so that scrolling finds them.
    ahead: usize,
    top: RwSignal<f64>,
}

impl Rows {
    pub fn new(height: f64, ahead: usize) -> Rows {
        Rows { frame: NodeRef::new(), height, ahead, top: RwSignal::new(0.0) }
    }

    /// The first row to make, and how many, for a frame of this height.
    pub fn window(&self, frame: f64) -> (usize, usize) {
        let first = (self.top.get() / self.height) as usize;
        (first.saturating_sub(self.ahead), (frame / self.height) as usize + 2 * self.ahead)
    }

    /// The frame was scrolled.
    pub fn follow(&self) {
        if let Some(frame) = self.frame.get_untracked() {
            self.top.set(f64::from(frame.scroll_top()));
        }
    }

    /// Scrolls no farther than it takes to see this row.
    pub fn show(&self, row: usize) {
        if let Some(frame) = self.frame.get_untracked() {
            let y = self.y(row) as i32;
            let least = (y + self.height as i32 - frame.client_height()).clamp(0, y);
            frame.set_scroll_top(frame.scroll_top().clamp(least, y));
        }
    }

    /// Where this row begins.
    pub fn y(&self, row: usize) -> f64 {
        row as f64 * self.height
    }
}
