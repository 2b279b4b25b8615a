//! The header: what is open, how time runs, which branch, and what one can do with the world as a whole.

use super::keys;
use super::session::{SPEEDS, Session, Speed};
use super::stage::VIEWS;
use super::study::{Page, Study};
use super::theme::Theme;
use super::widgets::icon::{self, Icon};
use super::worlds::Worlds;
use super::{browser, notice::Notices};
use crate::projection::lanes::{self, BranchView};
use crate::sim::{Micros, SimTime};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;

/// Which of the page's dialogs are open.
#[derive(Clone, Copy, Default)]
pub struct Dialogs {
    pub catalog: RwSignal<bool>,
    pub new_world: RwSignal<bool>,
    pub help: RwSignal<bool>,
}

#[component]
pub fn Header() -> impl IntoView {
    view! {
        <header class="header">
            <h1>"Control Plane Lab"</h1>
            <Breadcrumb/>
            <div class="spring"></div>
            <Transport/>
            <SpeedControl/>
            <Clock/>
            <Branches/>
            <div class="spring"></div>
            <HeaderEnd/>
        </header>
    }
}

#[component]
fn Breadcrumb() -> impl IntoView {
    let study = expect_context::<Study>();
    let dialogs = expect_context::<Dialogs>();
    let part = move || study.lesson().and_then(|lesson| study.entry(&lesson.id)).map(|entry| entry.part);
    let title = move || match study.page.get() {
        Page::Open(lesson) => lesson.title.clone(),
        Page::Loading(_) => "Opening a lesson".to_owned(),
        Page::Closed | Page::Broken { .. } => "Lessons".to_owned(),
    };
    view! {
        <button class="breadcrumb" type="button" aria-haspopup="dialog" title="Choose a lesson" on:click=move |_| dialogs.catalog.set(true)>
            <Show when=move || part().is_some()>
                <span class="part">{move || part()}</span>
                <span class="arrow">"\u{a0}›\u{a0}"</span>
            </Show>
            <strong>{title}</strong>
        </button>
    }
}

#[component]
fn Transport() -> impl IntoView {
    let session = expect_context::<Session>();
    let playing = session.playing;
    let play_icon = Signal::derive(move || if playing.get() { icon::PAUSE } else { icon::PLAY });
    let play_word = move || if playing.get() { "Pause" } else { "Play" };
    let second_back = move |_| session.seek(session.now().get_untracked() - Micros::from_secs(1));
    view! {
        <div class="transport" role="group" aria-label="Time">
            <div class="joined">
                <button class="button square" type="button" aria-label="To the beginning" title="To the beginning (Home)"
                    on:click=move |_| session.seek(SimTime::ZERO)>
                    <Icon path=icon::START/>
                </button>
                <button class="button second" type="button" title="One virtual second back" on:click=second_back>
                    "−1 s"
                </button>
                <button class="button square" type="button" aria-label="One step back" title="One step back (,)" on:click=move |_| session.back()>
                    <Icon path=icon::BACK/>
                </button>
                <button class="button play" type="button" aria-label=play_word title="Space"
                    on:click=move |_| playing.update(|playing| *playing = !*playing)>
                    <Icon path=play_icon/>
                    <span class="word">{play_word}</span>
                </button>
                <button class="button single" type="button" aria-label="Step" title="One thing happens (.)" on:click=move |_| session.step()>
                    <Icon path=icon::STEP/>
                    <span class="word">"Step"</span>
                </button>
            </div>
        </div>
    }
}

#[component]
fn SpeedControl() -> impl IntoView {
    let session = expect_context::<Session>();
    let auto = move || session.speed.get() == Speed::Auto;
    let rate = Memo::new(move |_| {
        session.speed.track();
        session.slow.track();
        session.rate_now()
    });
    let position = move || SPEEDS.iter().position(|(speed, _)| *speed >= rate.get()).unwrap_or(SPEEDS.len() - 1);
    let label = move || SPEEDS[position()].1;
    // A world that cannot keep up says how fast it really is.
    let shown = move || session.behind.get().map_or_else(|| label().to_owned(), reached);
    let why = move || {
        session
            .behind
            .get()
            .map(|_| format!("{} is more than this machine can do: time runs as fast as it can", label()))
    };
    let toggle = move |_| {
        session.speed.update(|speed| {
            *speed = if *speed == Speed::Auto { Speed::Fixed(session.rate_now()) } else { Speed::Auto };
        });
    };
    let slide = move |event: web_sys::Event| {
        if let Some((speed, _)) =
            event_target_value(&event).parse::<usize>().ok().and_then(|position| SPEEDS.get(position))
        {
            session.speed.set(Speed::Fixed(*speed));
        }
    };
    view! {
        <div class="speed" role="group" aria-label="Speed">
            <button class="button" type="button" aria-pressed=move || auto().to_string() on:click=toggle
                title="Real speed, and slow motion for what you began and for elections">
                "Auto"
            </button>
            <input type="range" min="0" max=SPEEDS.len() - 1 step="1" aria-label="Speed" aria-valuetext=label
                prop:value=move || position().to_string() on:input=slide/>
            <output class:slow=move || auto() && session.slow.get() class:behind=move || session.behind.get().is_some() title=why>{shown}</output>
        </div>
    }
}

/// `≈ 0.6×`
fn reached(rate: u64) -> String {
    let times = rate as f64 / 1e6;
    match times {
        times if times >= 10.0 => format!("≈ {times:.0}×"),
        times if times >= 0.1 => format!("≈ {times:.1}×"),
        times => format!("≈ 1/{:.0}", 1.0 / times.max(1e-6)),
    }
}

#[component]
fn Clock() -> impl IntoView {
    let session = expect_context::<Session>();
    let now = session.now();
    let text = move || {
        let text = now.get().to_string();
        let (head, micros) = text.split_at(text.len() - 3);
        format!("{head} {micros}")
    };
    view! { <div class="clock" role="timer" aria-label="Virtual time">{text}</div> }
}

/// The branches where the timeline has no room for their list.
#[component]
fn Branches() -> impl IntoView {
    let session = expect_context::<Session>();
    let listed = session.observe_time(lanes::branches);
    let choose = move |event: web_sys::Event| {
        if let Ok(id) = event_target_value(&event).parse() {
            session.switch(id);
        }
    };
    let option = |branch: BranchView| {
        view! { <option value=branch.id.to_string() selected=branch.current>{branch.label}</option> }
    };
    view! {
        <Show when=move || { listed.read().len() > 1 }>
            <div class="branch">
                <select aria-label="Branch of history" on:change=choose>
                    {move || listed.get().into_iter().map(option).collect_view()}
                </select>
            </div>
        </Show>
    }
}

#[component]
fn HeaderEnd() -> impl IntoView {
    let session = expect_context::<Session>();
    let worlds = expect_context::<Worlds>();
    let dialogs = expect_context::<Dialogs>();
    let notices = expect_context::<Notices>();
    view! {
        <div class="header-end">
            <button class="button fork" type="button" title="Begin another future here; this one is kept" on:click=move |_| session.fork()>
                "Fork what-if"
            </button>
            <button class="button share" type="button" title="Copy a link to this moment" on:click=move |_| share(worlds, notices)>
                "Share"
            </button>
            <button class="button" type="button" popovertarget="menu-world">"World"</button>
            <button class="button square" type="button" aria-label="Help" title="Keys (?)" on:click=move |_| dialogs.help.set(true)>"?"</button>
            <WorldMenu/>
        </div>
    }
}

/// Copies a link to this moment; a world too large for a link is offered as a file.
fn share(worlds: Worlds, notices: Notices) {
    let save = Callback::new(move |()| browser::download("world.lab", &worlds.text()));
    spawn_local(async move {
        match worlds.link() {
            Err(error) => notices.offer(format!("No link: {error}."), vec![("Save as a file", save)]),
            Ok(link) if browser::copy(&link).await => {
                notices.say(format!("Link copied: {} characters hold this world, up to this moment.", link.len()));
            }
            Ok(link) => {
                let show = Callback::new(move |()| {
                    // The plainest way to a text that can be copied by hand.
                    window().prompt_with_message_and_default("The link", &link).ok();
                });
                notices.offer(
                    "The browser does not let the page copy.",
                    vec![("Show the link", show), ("Save as a file", save)],
                );
            }
        }
    });
}

#[component]
fn WorldMenu() -> impl IntoView {
    let session = expect_context::<Session>();
    let worlds = expect_context::<Worlds>();
    let dialogs = expect_context::<Dialogs>();
    let notices = expect_context::<Notices>();
    let hide = || {
        if let Some(menu) = document().get_element_by_id("menu-world") {
            menu.unchecked_into::<web_sys::HtmlElement>().hide_popover().ok();
        }
    };
    let run = move |act: &dyn Fn()| {
        hide();
        act();
    };
    let chosen = move |event: web_sys::Event| {
        hide();
        let input = event_target::<web_sys::HtmlInputElement>(&event);
        if let Some(file) = input.files().and_then(|files| files.get(0)) {
            worlds.open_file(file);
        }
        // So that the same file can be chosen again.
        input.set_value("");
    };
    view! {
        <div id="menu-world" class="popmenu" popover="auto" role="group" aria-label="World">
            <button type="button" on:click=move |_| run(&|| dialogs.new_world.set(true))>"New world …"</button>
            <button type="button" on:click=move |_| run(&|| session.fork())>"Fork what-if"</button>
            <button type="button" on:click=move |_| run(&|| share(worlds, notices))>"Share a link"</button>
            <button type="button" on:click=move |_| run(&|| browser::download("world.lab", &worlds.text()))>"Save as a file"</button>
            <label>
                "Open a file …"
                <input class="visually-hidden" type="file" accept=".lab,.db,text/plain,application/octet-stream" on:change=chosen/>
            </label>
            <hr/>
            <ThemeChoice/>
        </div>
    }
}

#[component]
fn ThemeChoice() -> impl IntoView {
    let theme = RwSignal::new(Theme::remembered());
    let choice = move |(which, name): (Theme, &'static str)| {
        let choose = move |_| {
            theme.set(which);
            which.wear();
        };
        let mark = move || if theme.get() == which { "✓" } else { "" };
        view! {
            <button type="button" aria-pressed=move || (theme.get() == which).to_string() on:click=choose>
                {format!("Theme: {}", name.to_ascii_lowercase())}
                <span aria-hidden="true">{mark}</span>
            </button>
        }
    };
    Theme::ALL.map(choice).collect_view()
}

/// Opens a world from a file that is dropped anywhere.
#[component]
pub fn DropTarget() -> impl IntoView {
    let worlds = expect_context::<Worlds>();
    let over = RwSignal::new(false);
    let has_file = |event: &web_sys::DragEvent| {
        event.data_transfer().is_some_and(|data| data.types().includes(&"Files".into(), 0))
    };
    window_event_listener(leptos::ev::dragover, move |event| {
        if has_file(&event) {
            event.prevent_default();
            over.set(true);
        }
    });
    window_event_listener(leptos::ev::dragleave, move |event| {
        if event.related_target().is_none() {
            over.set(false);
        }
    });
    window_event_listener(leptos::ev::drop, move |event| {
        over.set(false);
        if has_file(&event) {
            event.prevent_default();
            let files = event.data_transfer().and_then(|data| data.files());
            if let Some(file) = files.and_then(|files| files.get(0)) {
                worlds.open_file(file);
            }
        }
    });
    view! {
        <Show when=move || over.get()>
            <div class="drop-target">"Drop a saved world (.lab) or an etcd snapshot (.db) to open it"</div>
        </Show>
    }
}

#[component]
pub fn Help() -> impl IntoView {
    let row = |(key, what): (&'static str, &'static str)| {
        let keys = key.split("  ").map(|key| view! { <kbd>{key}</kbd>" " }).collect_view();
        view! { <dt>{keys}</dt><dd>{what}</dd> }
    };
    let views = VIEWS.iter().map(|view| (view.key, view.title));
    view! {
        <dl class="keys">{keys::KEYS.into_iter().chain(views).map(row).collect_view()}</dl>
        <p class="help-more">
            "In a terminal: Tab completes, Ctrl-R searches what was typed, Ctrl-C interrupts, Ctrl-D ends the input, Ctrl-L clears. "
            "Escape, then Tab leaves the terminal."
        </p>
    }
}
