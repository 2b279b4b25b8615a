//! The page's keys. They act when nothing that takes keys itself has the focus.

use super::layout::{Layout, Pane};
use super::session::{SPEEDS, Session, Speed};
use super::stage::Stage;
use crate::sim::SimTime;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

/// What the help lists, beside the keys of the stage's views.
pub const KEYS: [(&str, &str); 11] = [
    ("Space", "Let time run, or pause"),
    (".", "One thing happens"),
    (",", "One thing is taken back; while time runs, 100 ms"),
    ("[  ]", "Slower, faster"),
    ("Home  End", "To the beginning, to the latest moment"),
    ("t", "Terminal"),
    ("l", "Lesson"),
    ("i", "Inspector"),
    ("?", "This help"),
    ("Esc", "Let go of what is selected"),
    ("Enter", "On a line between panes: fold the pane away; arrow keys move the line"),
];

pub fn listen(session: Session, layout: Layout, stage: Stage, help: RwSignal<bool>) {
    window_event_listener(leptos::ev::keydown, move |event| {
        if event.default_prevented() || event.ctrl_key() || event.meta_key() || event.alt_key() || is_taken(&event) {
            return;
        }
        match event.key().as_str() {
            " " => session.playing.update(|playing| *playing = !*playing),
            "." => session.step(),
            "," => session.back(),
            "[" => change_speed(session, -1),
            "]" => change_speed(session, 1),
            "Home" => session.seek(SimTime::ZERO),
            "End" => go_to_tip(session),
            "t" => layout.go_to(Pane::Terminals),
            "l" => layout.go_to(Pane::Lesson),
            "i" => layout.go_to(Pane::Inspector),
            "?" => help.set(true),
            "Escape" => session.selection.set(None),
            key if stage.press(key) => layout.go_to(Pane::Stage),
            _ => return,
        }
        event.prevent_default();
    });
}

/// As far as the branch was ever played.
pub fn go_to_tip(session: Session) {
    let branch = session.look(|timeline| timeline.branch().id);
    session.switch(branch);
}

/// One of the offered speeds up or down from the one that time runs at now.
pub fn change_speed(session: Session, by: isize) {
    let rate = match session.speed.get_untracked() {
        Speed::Fixed(rate) => rate,
        Speed::Auto => session.rate_now(),
    };
    let at = SPEEDS.iter().position(|(speed, _)| *speed >= rate).unwrap_or(SPEEDS.len() - 1);
    let to = at.saturating_add_signed(by).min(SPEEDS.len() - 1);
    session.speed.set(Speed::Fixed(SPEEDS[to].0));
}

/// Whether the focus is on something that takes this key itself.
fn is_taken(event: &web_sys::KeyboardEvent) -> bool {
    let Some(target) = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok()) else {
        return false;
    };
    let within = |selector: &str| target.closest(selector).ok().flatten().is_some();
    if within("input, textarea, select, dialog, [contenteditable], [popover]") {
        return true;
    }
    match event.key().as_str() {
        " " => within("button, a, summary, [role=button], [role=separator]"),
        "Home" | "End" => within("[role=slider], [role=separator], [tabindex='0']"),
        _ => false,
    }
}
