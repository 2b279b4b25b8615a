//! The terminals: what the workstation printed, and a line to type into.
//!
//! The line is the browser's own text field, so that input methods, dictation, phones and screen readers work as they do
//! anywhere; keys that mean more to a shell go through `shell::line_editor` and come back as the field's new text.

use super::typist::Typist;
use crate::lab::workstation::PrintedKind;
use crate::lab::{Input, Topic};
use crate::projection::terminal::{LINES, LINES_MORE, Row, Screen, Window};
use crate::shell::completion;
use crate::shell::line_editor::{Action, Key, LineEditor};
use crate::sim::SimTime;
use crate::ui::browser;
use crate::ui::session::Session;
use leptos::html;
use leptos::prelude::*;

#[component]
pub fn Terminals() -> impl IntoView {
    let session = expect_context::<Session>();
    let typist = expect_context::<Typist>();
    let count = session.observe(&[Topic::Terminal], |lab| lab.workstation().terminals().len());
    let numbers = move || 0..count.get();
    let shown = move || typist.shown.get().min(count.get().saturating_sub(1));
    let tab = move |number: usize| {
        let selected = move || (shown() == number).to_string();
        view! {
            <button role="tab" type="button" aria-selected=selected aria-controls=format!("terminal-{number}")
                on:click=move |_| typist.shown.set(number)>
                {format!("Terminal {}", number + 1)}
            </button>
        }
    };
    let terminal = move |number: usize| {
        let is_shown = Signal::derive(move || shown() == number);
        view! { <Terminal number is_shown/> }
    };
    view! {
        <div class="terminals">
            <div class="terminal-tabs" role="tablist" aria-label="Terminals">
                <For each=numbers key=|number| *number children=tab/>
            </div>
            <div class="terminal-row">
                <For each=numbers key=|number| *number children=terminal/>
            </div>
        </div>
    }
}

#[component]
fn Terminal(number: usize, is_shown: Signal<bool>) -> impl IntoView {
    let session = expect_context::<Session>();
    let terminal = number as u8;
    let lines = RwSignal::new(LINES);
    let cleared = RwSignal::new(None::<(SimTime, usize)>);
    let screen = session.observe(&[Topic::Terminal], move |lab| {
        Screen::of(lab, Window { terminal, lines: lines.get(), cleared: cleared.get() })
    });
    let running = Memo::new(move |_| screen.with(|screen| screen.running));
    let frame = NodeRef::<html::Div>::new();
    let scrolled = keep_at_end(frame, screen, lines);
    // A click anywhere in a terminal is a click into its line, unless it selects text.
    let click = move |_| {
        let selects = window().get_selection().ok().flatten().is_some_and(|selection| !selection.is_collapsed());
        if !selects {
            browser::focus(&format!("terminal-input-{number}"));
        }
    };
    view! {
        <section class="terminal" id=format!("terminal-{number}") aria-label=format!("Terminal {}", number + 1)
            data-shown=move || is_shown.get().to_string() on:click=click>
            <TerminalHead number running/>
            <div class="screen" node_ref=frame on:scroll=move |_| scrolled()>
                <Scrollback number screen lines cleared/>
                <Entry number running cleared/>
            </div>
        </section>
    }
}

#[component]
fn TerminalHead(number: usize, running: Memo<bool>) -> impl IntoView {
    let session = expect_context::<Session>();
    let state = move || if session.playing.get() { "runs a program" } else { "runs a program; time is paused" };
    let interrupt = move |event: web_sys::MouseEvent| {
        event.stop_propagation();
        session.act(Input::Interrupt { terminal: number as u8 });
    };
    view! {
        <div class="terminal-head">
            <h2>{format!("Terminal {}", number + 1)}</h2>
            <Show when=move || running.get()>
                <span class="state">{state}</span>
                <button class="button" type="button" on:click=interrupt>"Ctrl-C"</button>
            </Show>
        </div>
    }
}

/// New output scrolls into sight, unless the learner has scrolled up to read. Whether they have is known from their
/// scrolling: to measure it while rows are being added would lay the page out twice a frame.
fn keep_at_end(frame: NodeRef<html::Div>, screen: Memo<Screen>, lines: RwSignal<usize>) -> impl Fn() {
    const NEAR: i32 = 48;
    let reads = StoredValue::new(false);
    let last = Memo::new(move |_| screen.with(|screen| screen.rows.last().map(|row| row.name)));
    let running = Memo::new(move |_| screen.with(|screen| screen.running));
    Effect::new(move |before: Option<bool>| {
        last.track();
        let running = running.get();
        // A new command is about the end again.
        if before == Some(false) && running {
            reads.set_value(false);
            lines.set(LINES);
        }
        if !reads.get_value() {
            // After this frame's rows are in the page.
            request_animation_frame(move || {
                if let Some(frame) = frame.try_get_untracked().flatten() {
                    frame.set_scroll_top(i32::MAX);
                }
            });
        }
        running
    });
    move || {
        if let Some(frame) = frame.get_untracked() {
            reads.set_value(frame.scroll_height() - frame.scroll_top() - frame.client_height() >= NEAR);
        }
    }
}

#[component]
fn Scrollback(
    number: usize,
    screen: Memo<Screen>,
    lines: RwSignal<usize>,
    cleared: RwSignal<Option<(SimTime, usize)>>,
) -> impl IntoView {
    let has_earlier = Memo::new(move |_| screen.with(|screen| screen.earlier));
    let earlier = move |event: web_sys::MouseEvent| {
        event.stop_propagation();
        match cleared.get_untracked() {
            Some(_) => cleared.set(None),
            None => lines.update(|lines| *lines += LINES_MORE),
        }
    };
    view! {
        <Show when=move || has_earlier.get()>
            <button class="earlier" type="button" on:click=earlier>"Show earlier lines"</button>
        </Show>
        <div class="scrollback" role="log" aria-label=format!("Output of terminal {}", number + 1)>
            <For each=move || screen.with(|screen| screen.rows.clone()) key=|row| (row.name, row.whole) children=show_row/>
        </div>
    }
}

fn show_row(row: Row) -> impl IntoView {
    let text = row.text().to_owned();
    match row.kind {
        PrintedKind::Command => {
            view! { <span class="command"><span class="prompt">"$ "</span>{text}</span> }.into_any()
        }
        PrintedKind::Typed => view! { <span class="typed">{text}</span> }.into_any(),
        PrintedKind::Stdout => view! { <span class:whole=row.whole>{text}</span> }.into_any(),
        PrintedKind::Stderr => view! { <span class="stderr">{text}</span> }.into_any(),
        PrintedKind::Done(0) => ().into_any(),
        PrintedKind::Done(status) => view! { <span class="status">{format!("exit status {status}")}</span> }.into_any(),
    }
}

/// The line that is being typed.
#[component]
fn Entry(number: usize, running: Memo<bool>, cleared: RwSignal<Option<(SimTime, usize)>>) -> impl IntoView {
    let session = expect_context::<Session>();
    let line = expect_context::<Typist>().line(number);
    let suggestions = RwSignal::new(Vec::<String>::new());
    // Escape frees the next Tab, so that nobody is caught in here.
    let free = StoredValue::new(false);
    let field = NodeRef::<html::Textarea>::new();
    show_line(field, line);
    let press = move |key: Key| {
        if let Some(field) = field.get_untracked() {
            line.update_untracked(|line| read_field(line, &field));
        }
        let action = session.look(|timeline| {
            let terminal = timeline.lab().workstation().terminals().get(number)?;
            let shell = terminal.shell();
            let complete = |text: &str, at: usize| completion::complete(text, at, shell.machine(), shell.environment());
            line.try_update(|line| line.key(key, shell.history(), &complete))
        });
        suggestions.set(Vec::new());
        match action.unwrap_or(Action::Nothing) {
            Action::Nothing | Action::Redraw => {}
            Action::Submit(text) => submit(session, number, text),
            Action::Interrupt => session.act(Input::Interrupt { terminal: number as u8 }),
            Action::EndOfInput if running.get_untracked() => session.act(Input::EndOfInput { terminal: number as u8 }),
            Action::EndOfInput => {}
            Action::Clear => cleared.set(Some(session.look(|timeline| {
                let lab = timeline.lab();
                (lab.now(), lab.workstation().terminals().get(number).map_or(0, |terminal| terminal.scrollback().len()))
            }))),
            Action::Suggestions(fitting) => suggestions.set(fitting),
        }
    };
    let key_down = move |event: web_sys::KeyboardEvent| {
        let searching = line.with_untracked(|line| line.search_prompt().is_some());
        let leaves = free.get_value() || line.with_untracked(|line| line.text().is_empty());
        free.set_value(event.key() == "Escape" && !searching);
        let Some(field) = field.get_untracked() else { return };
        if let Some(key) = key_of(&event, &field, searching, leaves) {
            event.prevent_default();
            press(key);
        }
    };
    let input = move |_| {
        let Some(field) = field.get_untracked() else { return };
        suggestions.set(Vec::new());
        line.update(|line| read_field(line, &field));
    };
    let prompt = move || {
        let searching = line.with(|line| line.search_prompt());
        searching.unwrap_or_else(|| if running.get() { String::new() } else { "$ ".to_owned() })
    };
    view! {
        <div class="entry">
            <span class="prompt" aria-hidden="true">{prompt}</span>
            <textarea id=format!("terminal-input-{number}") node_ref=field rows="1" spellcheck="false" autocomplete="off"
                autocapitalize="off" enterkeyhint="enter"
                aria-label=format!("Line of terminal {}. Tab completes; Escape, then Tab leaves.", number + 1)
                on:keydown=key_down on:input=input></textarea>
        </div>
        <div class="suggestions" role="status">
            {move || suggestions.get().into_iter().map(|word| view! { <span>{word}</span> }).collect_view()}
        </div>
    }
}

/// Keeps the field as the line is, whoever changed it.
fn show_line(field: NodeRef<html::Textarea>, line: RwSignal<LineEditor>) {
    Effect::new(move |_| {
        let Some(field) = field.get() else { return };
        line.with(|line| {
            if field.value() != line.text() {
                field.set_value(line.text());
            }
            let at = line.text()[..line.cursor()].encode_utf16().count() as u32;
            if field.selection_start().ok().flatten() != Some(at) {
                field.set_selection_range(at, at).ok();
            }
            // Browsers that do not size a field by its content.
            field.set_rows(line.text().matches('\n').count() as u32 + 1);
        });
    });
}

fn read_field(line: &mut LineEditor, field: &web_sys::HtmlTextAreaElement) {
    let text = field.value();
    let units = field.selection_end().ok().flatten().unwrap_or(u32::MAX) as usize;
    let mut seen = 0;
    let at = text.char_indices().find(|(_, c)| {
        let before = seen;
        seen += c.len_utf16();
        before >= units
    });
    let cursor = at.map_or(text.len(), |(at, _)| at);
    line.replace(&text, cursor);
}

/// A script that is pasted to the shell is one line to it; a running program reads line by line.
fn submit(session: Session, number: usize, text: String) {
    let terminal = number as u8;
    let running = session.look(|timeline| timeline.lab().workstation().terminals()[number].is_running());
    if running {
        text.split('\n').for_each(|line| session.act(Input::Line { terminal, text: line.to_owned() }));
    } else {
        session.act(Input::Line { terminal, text });
    }
}

/// The shell's meaning of a key, or `None` where the field knows best.
fn key_of(
    event: &web_sys::KeyboardEvent,
    field: &web_sys::HtmlTextAreaElement,
    searching: bool,
    leaves: bool,
) -> Option<Key> {
    // While an input method composes, keys are its own.
    if event.is_composing() || event.meta_key() {
        return None;
    }
    let name = event.key();
    let mut chars = name.chars();
    let single = chars.next().filter(|_| chars.next().is_none());
    if event.ctrl_key() && !event.alt_key() {
        let letter = single?.to_ascii_lowercase();
        let copies = letter == 'c' && (selects(field) || event.shift_key());
        let ours = "abcdefhijklmnprtuwy".contains(letter) && !event.shift_key() && !copies;
        return ours.then_some(Key::Ctrl(letter));
    }
    if event.alt_key() {
        return single.filter(|c| "bfd".contains(*c) && !event.ctrl_key()).map(Key::Alt);
    }
    match name.as_str() {
        "Enter" if event.shift_key() => None,
        "Enter" => Some(Key::Enter),
        "Tab" if event.shift_key() || leaves => None,
        "Tab" => Some(Key::Tab),
        // Within a text of several lines the arrows move between them.
        "ArrowUp" | "ArrowDown" if event.shift_key() || (!searching && moves_inside(field, &name)) => None,
        "ArrowUp" => Some(Key::Up),
        "ArrowDown" => Some(Key::Down),
        "Escape" => Some(Key::Escape),
        "Backspace" if searching => Some(Key::Backspace),
        _ if searching => single.map(Key::Char),
        _ => None,
    }
}

fn selects(field: &web_sys::HtmlTextAreaElement) -> bool {
    let inside = field.selection_start().ok() != field.selection_end().ok();
    inside || window().get_selection().ok().flatten().is_some_and(|selection| !selection.is_collapsed())
}

fn moves_inside(field: &web_sys::HtmlTextAreaElement, arrow: &str) -> bool {
    let text: Vec<u16> = field.value().encode_utf16().collect();
    let at = (field.selection_end().ok().flatten().unwrap_or(0) as usize).min(text.len());
    let newline = u16::from(b'\n');
    if arrow == "ArrowUp" { text[..at].contains(&newline) } else { text[at..].contains(&newline) }
}
