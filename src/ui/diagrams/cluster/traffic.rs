//! Messages under way: one dot each while the eye can follow, lines as wide as the rate when it cannot.

use super::super::super::session::{Selection, Session};
use super::super::select;
use super::menu::{self, Menu};
use super::{is_menu_key, is_press, rate, term_class};
use crate::projection::cluster::{self, Flow, Hue, PacketView};
use crate::projection::layout::Rect;
use crate::projection::layout::cluster::Plan;
use crate::sim::Micros;
use leptos::ev::{KeyboardEvent, MouseEvent};
use leptos::prelude::*;

/// More messages than this at once are a flow.
const DOTS_MAX: usize = 60;
/// From this speed on nobody can follow single messages, whatever their delay: 60 times real speed.
const FLOW_RATE: u64 = 60_000_000;
/// A message on screen for less than a few frames is a flicker: one twenty-fifth of a second.
const FRAMES_SHARE: u64 = 25;
/// So many messages have room for their names, and at a speed that leaves time to read them.
const LABELS_MAX: usize = 8;
const LABEL_RATE: u64 = 10_000;
const LABELLED_LANE: f64 = 110.0;
/// Rough width of a character of a name.
const LABEL_CHAR: f64 = 6.4;
/// Messages keep to the right of their wire by this much.
const LANE: f64 = 6.0;

fn hue_class(hue: Hue) -> String {
    match hue {
        Hue::Term(term) => term_class(term),
        Hue::Watch => "watch".to_owned(),
        Hue::Client => "ink".to_owned(),
    }
}

/// The shortest flight that is shown as a dot now; `None` if none is.
fn flight_min(session: Session) -> Option<Micros> {
    let rate = rate(session);
    (rate < FLOW_RATE).then_some(Micros(rate / FRAMES_SHARE))
}

#[component]
pub fn Flows(plan: Memo<Plan>) -> impl IntoView {
    let session = expect_context::<Session>();
    let shortest = Memo::new(move |_| flight_min(session));
    let flows = session.observe_time(move |timeline| {
        let lab = timeline.lab();
        let merged = match shortest.get() {
            None => true,
            Some(shortest) => shortest > lab.scenario().latency || lab.sim().network().in_flight().count() > DOTS_MAX,
        };
        let flows = if merged { cluster::flows(lab) } else { Vec::new() };
        // Drawn by order of magnitude, so that a line does not tremble.
        flows
            .into_iter()
            .map(|flow| Flow { rate: (f64::from(flow.rate).log2() * 2.0) as u32, ..flow })
            .collect::<Vec<_>>()
    });
    let line = move |flow: Flow| {
        let (from, to) = plan.read().lane(usize::from(flow.from.0), usize::from(flow.to.0), LANE / 2.0);
        let width = 0.75 + f64::from(flow.rate) * 0.22;
        view! {
            <line class=format!("flow {}", hue_class(flow.hue)) x1=from.x y1=from.y x2=to.x y2=to.y stroke-width=width />
        }
    };
    view! { <g class="flows" aria-hidden="true">{move || flows.get().into_iter().map(line).collect_view()}</g> }
}

#[component]
pub fn Messages(plan: Memo<Plan>) -> impl IntoView {
    let session = expect_context::<Session>();
    let shortest = Memo::new(move |_| flight_min(session));
    let packets = session.observe_time(move |timeline| match shortest.get() {
        None => Vec::new(),
        Some(shortest) => cluster::packets(timeline.lab(), shortest, DOTS_MAX),
    });
    let named = Memo::new(move |_| packets.read().len() <= LABELS_MAX && rate(session) <= LABEL_RATE);
    view! {
        <g class="messages">
            <For
                each=move || packets.get()
                key=|packet| packet.id
                children=move |packet| view! { <Dot packet plan named /> }
            />
        </g>
    }
}

#[component]
fn Dot(packet: PacketView, plan: Memo<Plan>, named: Memo<bool>) -> impl IntoView {
    let session = expect_context::<Session>();
    let menu = expect_context::<RwSignal<Option<Menu>>>();
    let now = session.now();
    let what = Selection::Packet(packet.id);
    let selected = move || session.selection.get() == Some(what);
    let (from, to) = (usize::from(packet.from.0), usize::from(packet.to.0));
    let lane = Memo::new(move |_| plan.read().lane(from, to, LANE));
    let flight = packet.clone();
    let place = move || {
        let (start, end) = lane.get();
        let at = start.towards(end, flight.share(now.get()));
        format!("translate({:.2} {:.2})", at.x, at.y)
    };
    let on_menu = move |event: MouseEvent| {
        event.prevent_default();
        select(session, what);
        menu.set(Some(Menu { what, x: f64::from(event.client_x()), y: f64::from(event.client_y()) }));
    };
    let on_key = move |event: KeyboardEvent| {
        if is_press(&event) {
            event.prevent_default();
            select(session, what);
        } else if is_menu_key(&event) {
            event.prevent_default();
            let (x, y) = menu::place_of(&event);
            select(session, what);
            menu.set(Some(Menu { what, x, y }));
        }
    };
    let spoken = session.look(|timeline| {
        let name = |host| crate::projection::words::host(timeline.lab(), host);
        format!("{} from {} to {}", packet.label, name(packet.from), name(packet.to))
    });
    let mark = match packet.verdict {
        None => "",
        Some(true) => "M-3.5 0 H3.5 M0 -3.5 V3.5",
        Some(false) => "M-3.5 0 H3.5",
    };
    let radius = if packet.verdict.is_some() { 7.0 } else { 5.5 };
    let class = format!("message {}{}", hue_class(packet.hue), if packet.verdict.is_some() { " reply" } else { "" });
    // The name stands beside the lane, on its outer side.
    let label_at = move || {
        let (start, end) = lane.get();
        let rightward = end.x >= start.x;
        let steep = (end.y - start.y).abs() > (end.x - start.x).abs();
        match (steep, end.y >= start.y, rightward) {
            (true, true, _) => (-11.0, 4.0, "end"),
            (true, false, _) => (11.0, 4.0, "start"),
            (false, _, true) => (0.0, 21.0, "middle"),
            (false, _, false) => (0.0, -13.0, "middle"),
        }
    };
    let label = packet.label.clone();
    // Near the ends of its way a name would lie on a card.
    let (flight, chars) = (packet.clone(), packet.label.chars().count() as f64);
    let clear = Memo::new(move |_| {
        let (start, end) = lane.get();
        let at = start.towards(end, flight.share(now.get()));
        let (x, y, anchor) = label_at();
        let width = LABEL_CHAR * chars;
        let left = match anchor {
            "start" => 0.0,
            "end" => -width,
            _ => -width / 2.0,
        };
        let name = Rect { x: at.x + x + left, y: at.y + y - 11.0, w: width, h: 14.0 };
        let plan = plan.read();
        plan.cards().all(|card| !card.crowds(&name, 2.0))
    });
    // A short lane has no room beside it.
    let roomy = Memo::new(move |_| lane.get().0.distance(lane.get().1) > LABELLED_LANE);
    view! {
        <g class=class class:selected=selected transform=place>
            <circle class="ring" r=radius + 4.0 />
            <circle
                class="dot"
                r=radius
                role="button"
                tabindex="0"
                aria-label=spoken
                aria-pressed=move || selected().to_string()
                on:click=move |_| select(session, what)
                on:contextmenu=on_menu
                on:keydown=on_key
            />
            <path class="verdict" d=mark />
            {move || {
                let (x, y, anchor) = label_at();
                (named.get() && roomy.get() && clear.get() || selected()).then(|| view! { <text x=x y=y text-anchor=anchor>{label.clone()}</text> })
            }}
        </g>
    }
}
