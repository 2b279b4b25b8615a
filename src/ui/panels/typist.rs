//! Hands on the terminals' keyboards: what is being typed into each, whoever types it.

use crate::lab::Input;
use crate::shell::line_editor::LineEditor;
use crate::ui::browser;
use crate::ui::layout::{Layout, Pane};
use crate::ui::notice::Notices;
use crate::ui::session::Session;
use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// A scenario has no more terminals than this.
pub const TERMINALS_MAX: usize = 8;
/// A typed line is on screen after so many strokes, however long it is; each takes so many milliseconds.
const STROKES: usize = 14;
const STROKE_MS: u32 = 18;

#[derive(Clone, Copy)]
pub struct Typist {
    session: Session,
    layout: Layout,
    notices: Notices,
    lines: [RwSignal<LineEditor>; TERMINALS_MAX],
    /// The terminal that is seen where only one has room.
    pub shown: RwSignal<usize>,
}

impl Typist {
    pub fn new(session: Session, layout: Layout, notices: Notices) -> Typist {
        let lines = std::array::from_fn(|_| RwSignal::new(LineEditor::default()));
        Typist { session, layout, notices, lines, shown: RwSignal::new(0) }
    }

    /// The line being typed into a terminal.
    pub fn line(&self, terminal: usize) -> RwSignal<LineEditor> {
        self.lines[terminal.min(TERMINALS_MAX - 1)]
    }

    /// Types a text for the learner and, if so wished, enters it.
    pub fn type_text(&self, terminal: u8, text: String, enter: bool) {
        let number = usize::from(terminal);
        self.layout.shown.set(Pane::Terminals);
        self.layout.fold(Pane::Terminals, false);
        self.shown.set(number);
        let busy = self.session.look(|timeline| {
            timeline.lab().workstation().terminals().get(number).is_none_or(|terminal| terminal.is_running())
        });
        if busy && enter {
            let when_paused = if self.session.playing.get_untracked() { "" } else { ", or let time run" };
            let text = format!("Terminal {} still runs a program: press Ctrl-C in it{when_paused}.", number + 1);
            return self.notices.say(text);
        }
        let typist = *self;
        spawn_local(async move {
            typist.strokes(number, &text).await;
            if enter {
                typist.line(number).update(|line| line.replace("", 0));
                typist.session.act(Input::Line { terminal, text });
            } else {
                browser::focus(&format!("terminal-input-{number}"));
            }
        });
    }

    async fn strokes(&self, terminal: usize, text: &str) {
        let line = self.line(terminal);
        if !browser::prefers_reduced_motion() {
            let count = text.chars().count();
            for stroke in 1..STROKES.min(count) {
                let end = text.char_indices().nth(count * stroke / STROKES).map_or(text.len(), |(at, _)| at);
                line.update(|line| line.replace(&text[..end], end));
                TimeoutFuture::new(STROKE_MS).await;
            }
        }
        line.update(|line| line.replace(text, text.len()));
    }
}
