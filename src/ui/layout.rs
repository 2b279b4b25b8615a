//! How large the panes are, which are folded away, and which one a phone shows. Remembered in the browser.

use super::browser;
use super::store;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    Lesson,
    Stage,
    Inspector,
    Terminals,
    Timeline,
}

/// A pane that can be resized and folded.
struct Sized {
    pane: Pane,
    name: &'static str,
    title: &'static str,
    /// Of the line beside it, in the grid.
    area: &'static str,
    least: i32,
    most: i32,
    vertical: bool,
    /// Whether moving the line right or down makes the pane larger.
    forward: bool,
}

const SIZED: [Sized; 4] = [
    Sized {
        pane: Pane::Lesson,
        name: "lesson",
        title: "Lesson",
        area: "left",
        least: 280,
        most: 720,
        vertical: true,
        forward: true,
    },
    Sized {
        pane: Pane::Inspector,
        name: "inspector",
        title: "Inspector",
        area: "right",
        least: 200,
        most: 560,
        vertical: true,
        forward: false,
    },
    Sized {
        pane: Pane::Terminals,
        name: "terminal",
        title: "Terminals",
        area: "below",
        least: 96,
        most: 640,
        vertical: false,
        forward: false,
    },
    Sized {
        pane: Pane::Timeline,
        name: "timeline",
        title: "Timeline",
        area: "line",
        least: 56,
        most: 260,
        vertical: false,
        forward: false,
    },
];

#[derive(Clone, Copy)]
pub struct Layout {
    /// In pixels, in the order of [`SIZED`].
    sizes: [RwSignal<i32>; 4],
    folded: [RwSignal<bool>; 4],
    /// What a phone shows.
    pub shown: RwSignal<Pane>,
}

impl Layout {
    /// As it was left; else fit for this window.
    pub fn remembered() -> Layout {
        let window =
            |side: Result<wasm_bindgen::JsValue, _>| side.ok().and_then(|v| v.as_f64()).unwrap_or(1280.0) as i32;
        let (width, height) = (window(window_().inner_width()), window(window_().inner_height()));
        let mut sizes = [
            (width * 30 / 100).clamp(300, 560),
            (width * 19 / 100).clamp(220, 340),
            (height * 22 / 100).clamp(130, 320),
            124,
        ];
        let mut folded = [false; 4];
        for word in store::read(store::LAYOUT).unwrap_or_default().split(' ') {
            let (key, value) = word.split_once('=').unwrap_or_default();
            if let Some(position) = SIZED.iter().position(|sized| sized.name == key) {
                let (size, state) = value.split_once(',').unwrap_or((value, ""));
                let sized = &SIZED[position];
                sizes[position] = size.parse().unwrap_or(sizes[position]).clamp(sized.least, sized.most);
                folded[position] = state == "folded";
            }
        }
        Layout {
            sizes: sizes.map(RwSignal::new),
            folded: folded.map(RwSignal::new),
            shown: RwSignal::new(Pane::Lesson),
        }
    }

    fn remember(&self) {
        let word = |position: usize| {
            let state = if self.folded[position].get_untracked() { "folded" } else { "open" };
            format!("{}={},{state}", SIZED[position].name, self.sizes[position].get_untracked())
        };
        store::write(store::LAYOUT, &(0..SIZED.len()).map(word).collect::<Vec<_>>().join(" "));
    }

    /// The sizes as the style sheet knows them.
    pub fn style(&self) -> String {
        let size = |position: usize| match self.folded[position].get() {
            true => 0,
            false => self.sizes[position].get(),
        };
        // Never wider than the window leaves room for, whatever was remembered on another screen.
        format!(
            "--lesson-w:min({}px,45vw);--inspector-w:min({}px,35vw);--terminal-h:min({}px,60dvh);--timeline-h:{}px",
            size(0),
            size(1),
            size(2),
            size(3)
        )
    }

    pub fn is_folded(&self, pane: Pane) -> bool {
        SIZED.iter().position(|sized| sized.pane == pane).is_some_and(|position| self.folded[position].get())
    }

    pub fn fold(&self, pane: Pane, folded: bool) {
        if let Some(position) = SIZED.iter().position(|sized| sized.pane == pane) {
            self.folded[position].set(folded);
            self.remember();
        }
    }

    /// Brings a pane to where it can be seen, and puts the focus into it.
    pub fn go_to(&self, pane: Pane) {
        if pane != Pane::Timeline {
            self.shown.set(pane);
        }
        self.fold(pane, false);
        let id = match pane {
            Pane::Lesson => "lesson",
            Pane::Stage => "stage",
            Pane::Inspector => "inspector",
            Pane::Terminals => "terminal-input-0",
            Pane::Timeline => "timeline",
        };
        // At once, so that the next key arrives there; and after the pane has become visible, if it was hidden.
        browser::focus(id);
        request_animation_frame(move || browser::focus(id));
    }

    /// Moves the line beside a pane to this size; far below its least the pane folds.
    fn resize(&self, position: usize, size: i32) {
        let sized = &SIZED[position];
        self.folded[position].set(size < sized.least / 2);
        if size >= sized.least / 2 {
            self.sizes[position].set(size.clamp(sized.least, sized.most));
        }
    }
}

fn window_() -> web_sys::Window {
    leptos::prelude::window()
}

/// The lines between the panes, and what folded ones left behind.
#[component]
pub fn Separators() -> impl IntoView {
    (0..SIZED.len()).map(|position| view! { <Separator position/> }).collect_view()
}

#[component]
fn Separator(position: usize) -> impl IntoView {
    let layout = expect_context::<Layout>();
    let Sized { pane, name, title, area, least, most, vertical, forward } = SIZED[position];
    let (size, folded) = (layout.sizes[position], layout.folded[position]);
    // Where the pointer went down, and the size then.
    let drag = StoredValue::new(None::<(i32, i32)>);
    let dragging = RwSignal::new(false);
    let place = move |event: &web_sys::PointerEvent| if vertical { event.client_x() } else { event.client_y() };
    let down = move |event: web_sys::PointerEvent| {
        event.prevent_default();
        let target = event.current_target().map(JsCast::unchecked_into::<web_sys::Element>);
        // Without capture the line still follows while the pointer is above it.
        target.and_then(|target| target.set_pointer_capture(event.pointer_id()).ok());
        let at = if folded.get_untracked() { 0 } else { size.get_untracked() };
        drag.set_value(Some((place(&event), at)));
        dragging.set(true);
    };
    let moved = move |event: web_sys::PointerEvent| {
        if let Some((from, at)) = drag.get_value() {
            let way = place(&event) - from;
            layout.resize(position, at + if forward { way } else { -way });
        }
    };
    let up = move |_| {
        if drag.get_value().is_some() {
            drag.set_value(None);
            dragging.set(false);
            layout.remember();
        }
    };
    let toggle = move || layout.fold(pane, !folded.get_untracked());
    let key = move |event: web_sys::KeyboardEvent| {
        const STRIDE: i32 = 16;
        let grow = if forward { 1 } else { -1 };
        let at = size.get_untracked();
        let to = match (event.key().as_str(), vertical) {
            ("ArrowRight", true) | ("ArrowDown", false) => at + STRIDE * grow,
            ("ArrowLeft", true) | ("ArrowUp", false) => at - STRIDE * grow,
            ("Home", _) => least,
            ("End", _) => most,
            ("Enter", _) => {
                event.prevent_default();
                return toggle();
            }
            _ => return,
        };
        event.prevent_default();
        layout.resize(position, to.max(least));
        layout.remember();
    };
    view! {
        <div
            class=format!("separator {area}")
            role="separator"
            tabindex="0"
            aria-label=format!("Size of the {}", title.to_ascii_lowercase())
            aria-controls=name
            aria-orientation=if vertical { "vertical" } else { "horizontal" }
            aria-valuemin=least
            aria-valuemax=most
            aria-valuenow=move || if folded.get() { least } else { size.get() }
            aria-valuetext=move || if folded.get() { "folded away".to_owned() } else { format!("{} pixels", size.get()) }
            data-dragging=move || dragging.get().to_string()
            on:pointerdown=down
            on:pointermove=moved
            on:pointerup=up
            on:pointercancel=up
            on:dblclick=move |_| toggle()
            on:keydown=key
        ></div>
    }
}

/// The handle that a folded pane leaves at its edge.
#[component]
pub fn Reopen(pane: Pane) -> impl IntoView {
    let layout = expect_context::<Layout>();
    let sized = SIZED.iter().find(|sized| sized.pane == pane).expect("only panes that can be folded have a handle");
    let (title, area) = (sized.title, sized.area);
    view! {
        <Show when=move || layout.is_folded(pane)>
            <button class=format!("reopen {area}") type="button" on:click=move |_| layout.fold(pane, false)>
                {title}
            </button>
        </Show>
    }
}

/// A phone's way between the panes.
#[component]
pub fn TabBar() -> impl IntoView {
    const TABS: [(Pane, &str, &str); 4] = [
        (Pane::Lesson, "Lesson", "lesson"),
        (Pane::Stage, "Stage", "stage"),
        (Pane::Terminals, "Terminal", "terminal"),
        (Pane::Inspector, "Inspector", "inspector"),
    ];
    let layout = expect_context::<Layout>();
    let tab = move |(pane, title, controls): (Pane, &'static str, &'static str)| {
        let selected = move || (layout.shown.get() == pane).to_string();
        view! {
            <button role="tab" type="button" aria-selected=selected aria-controls=controls on:click=move |_| layout.shown.set(pane)>
                {title}
            </button>
        }
    };
    view! { <div class="tabbar" role="tablist" aria-label="Panes">{TABS.map(tab).collect_view()}</div> }
}
