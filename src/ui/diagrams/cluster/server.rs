//! An API server's card: whether it serves, where its requests are now, who watches.

use super::super::super::session::{Selection, Session};
use super::super::super::stage::Stage;
use super::super::select;
use super::menu::{self, Menu};
use super::{is_menu_key, is_press};
use crate::lab::Topic;
use crate::projection::layout::cluster::{Density, Plan};
use crate::projection::servers::{GATES, Running, ServerView, Standing};
use crate::sim::HostId;
use leptos::ev::{KeyboardEvent, MouseEvent};
use leptos::prelude::*;

#[component]
pub fn ServerCard(host: HostId, plan: Memo<Plan>) -> impl IntoView {
    let session = expect_context::<Session>();
    let stage = expect_context::<Stage>();
    let menu = expect_context::<RwSignal<Option<Menu>>>();
    let what = Selection::Host(host);
    let selected = move || session.selection.get() == Some(what);
    let rect = Memo::new(move |_| plan.read().host(usize::from(host.0)));
    let view = session.observe(&[Topic::Raft, Topic::ApiServer], move |lab| ServerView::of(lab, host));
    let open_menu = move |x: f64, y: f64| {
        select(session, what);
        menu.set(Some(Menu { what, x, y }));
    };
    let on_menu = move |event: MouseEvent| {
        event.prevent_default();
        open_menu(f64::from(event.client_x()), f64::from(event.client_y()));
    };
    let on_key = move |event: KeyboardEvent| {
        if is_press(&event) {
            select(session, what);
        } else if is_menu_key(&event) {
            let (x, y) = menu::place_of(&event);
            open_menu(x, y);
        } else {
            return;
        }
        event.prevent_default();
    };
    let spoken = move || view.read().spoken();
    let class = move || {
        let state = match view.read().state {
            Standing::Off => "off",
            Standing::Down => "refused",
            Standing::Running(_) => "server",
        };
        format!("member {state}{}", if selected() { " selected" } else { "" })
    };
    let density = Memo::new(move |_| plan.read().density);
    view! {
        <g class=class transform=move || format!("translate({:.1} {:.1})", rect.get().x, rect.get().y) on:contextmenu=on_menu
            on:dblclick=move |_| stage.show("apiserver")>
            <rect class="card" role="button" tabindex="0" rx="7" width=move || rect.get().w height=move || rect.get().h aria-label=spoken
                aria-pressed=move || selected().to_string() on:click=move |_| select(session, what) on:keydown=on_key />
            <g class="face">
                {move || view! { <Face view density=density.get() width=rect.get().w /> }}
            </g>
        </g>
    }
}

/// Where things are, from the upper left corner: margin, name, the gates and their height, words of the gates, the last line.
fn places(density: Density) -> (f64, f64, f64, f64, f64, f64) {
    match density {
        Density::Full => (12.0, 23.0, 34.0, 18.0, 64.0, 82.0),
        Density::Medium => (9.0, 19.0, 28.0, 15.0, 54.0, 69.0),
        Density::Small => (7.0, 17.0, 24.0, 13.0, 0.0, 54.0),
        Density::Tiny => (7.0, 15.0, 21.0, 12.0, 0.0, 47.0),
    }
}

#[component]
fn Face(view: Memo<ServerView>, density: Density, width: f64) -> impl IntoView {
    let (pad, name_y, gates_y, gate_h, words_y, last_y) = places(density);
    let name = Memo::new(move |_| view.read().name.clone());
    let running = Memo::new(move |_| match &view.read().state {
        Standing::Running(running) => Some(running.clone()),
        _ => None,
    });
    // On the smallest cards the name and a word of its state have no room beside each other.
    let word = Memo::new(move |_| {
        let view = view.read();
        let is_short = density.is_terse();
        match &view.state {
            Standing::Running(running) if is_short && !running.is_ready => "starts".to_owned(),
            Standing::Running(running) if running.is_ready && density == Density::Tiny => String::new(),
            Standing::Running(running) if !running.is_ready && running.filled < running.caches => {
                format!("caches {}/{}", running.filled, running.caches)
            }
            Standing::Running(running) if !running.is_ready => "starts".to_owned(),
            Standing::Off if is_short => "off".to_owned(),
            _ => view.word(),
        }
    });
    let role = move || match &view.read().state {
        Standing::Running(running) if running.is_ready => "role leader",
        Standing::Running(_) => "role candidate",
        _ => "role fault",
    };
    let last = Memo::new(move |_| running.with(|running| running.as_ref().map(|running| status(running, density))));
    let gate_w = (width - 2.0 * pad) / GATES.len() as f64;
    let gate = move |(at, (word, _)): (usize, (&'static str, _))| {
        let x = pad + gate_w * at as f64;
        let count = Memo::new(move |_| running.with(|running| running.as_ref().map_or(0, |running| running.at[at])));
        let point = (gate_h / 3.0).min(6.0);
        let (right, middle) = (gate_w - 2.0, gate_h / 2.0);
        let path = format!(
            "M0 0 H{:.1} L{right:.1} {middle:.1} L{:.1} {gate_h} H0 L{point:.1} {middle:.1} Z",
            right - point,
            right - point
        );
        view! {
            <g class="gate" class:busy=move || { count.get() > 0 } transform=format!("translate({x:.1} {gates_y})")>
                <path d=path />
                <text class="count" x=gate_w / 2.0 y=middle + 4.0 text-anchor="middle">{move || match count.get() { 0 => String::new(), count => count.to_string() }}</text>
                {(words_y > 0.0).then(|| view! { <text class="word" x=gate_w / 2.0 y=words_y - gates_y text-anchor="middle">{word}</text> })}
            </g>
        }
    };
    view! {
        <text class="name" x=pad y=name_y>{name}</text>
        <text class=role x=width - pad y=name_y text-anchor="end">{word}</text>
        {move || running.with(Option::is_some).then(|| view! {
            {GATES.into_iter().enumerate().map(gate).collect_view()}
            <text class="status" x=pad y=last_y>{last}</text>
        })}
    }
}

fn status(running: &Running, density: Density) -> String {
    match density {
        Density::Full => running.text(),
        Density::Medium => format!("{} req · {}", running.requests, running.short_text()),
        Density::Small | Density::Tiny => running.short_text(),
    }
}
