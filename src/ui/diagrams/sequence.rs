//! One request or command as a diagram of space and time: machines side by side, time downwards.

use super::super::browse::Browse;
use super::super::calls::Calls;
use super::super::session::{Selection, Session};
use super::empty::{Empty, Runnable};
use super::{measure, select};
use crate::lab::Topic;
use crate::projection::cluster::Hue;
use crate::projection::sequence::{Arrow, Bar, Decision, Fate, Lane, Scale, Sequence, Subject, subjects};
use crate::projection::words;
use crate::sim::EventId;
use leptos::ev::KeyboardEvent;
use leptos::html;
use leptos::prelude::*;

/// Left of the first lane stand the times.
const GUTTER: f64 = 66.0;
/// Right of the last lane stand its stages.
const MARGIN: f64 = 118.0;
/// Lanes closer than this would have no room for the names of messages.
const LANE_MIN: f64 = 104.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 24.0;
/// Width of a letter of the labels.
const LETTER: f64 = 5.9;

/// Where lanes stand.
#[derive(Clone, Copy, PartialEq)]
struct Across {
    width: f64,
    apart: f64,
}

impl Across {
    fn of(pane: f64, lanes: usize) -> Across {
        let between = lanes.saturating_sub(1).max(1) as f64;
        let apart = ((pane - GUTTER - MARGIN - 40.0) / between).clamp(LANE_MIN, 220.0);
        Across { width: (GUTTER + MARGIN + 40.0 + apart * between).max(pane - 1.0), apart }
    }

    fn x(&self, lane: usize) -> f64 {
        GUTTER + 40.0 + self.apart * lane as f64
    }
}

#[component]
pub fn SequenceView() -> impl IntoView {
    let session = expect_context::<Session>();
    let (calls, browse) = (Calls::here(), expect_context::<Browse>());
    let offered = calls.observe(&[Topic::ApiServer, Topic::Chronicle], subjects);
    let newest = Memo::new(move |_| offered.with(|offered| offered.first().map(|subject| subject.event)));
    let shown = Memo::new(move |_| browse.subject.get().or_else(|| newest.get()));
    let drawn = session.observe(&[Topic::Network, Topic::ApiServer, Topic::Mvcc], move |lab| {
        shown.get().and_then(|shown| Sequence::of(lab, shown))
    });
    let is_empty = Memo::new(move |_| newest.get().is_none());
    view! {
        <section class="sequence" aria-label="Sequence">
            <Show when=move || !is_empty.get() fallback=|| view! { <Nothing /> }>
                <Tools offered shown />
                <Picture drawn />
            </Show>
        </section>
    }
}

#[component]
fn Tools(offered: Memo<Vec<Subject>>, shown: Memo<Option<EventId>>) -> impl IntoView {
    let browse = expect_context::<Browse>();
    let option = move |subject: Subject| {
        let Subject { event, at, title } = subject;
        let title: String = title.chars().take(90).collect();
        view! { <option value=event.0.to_string() selected=move || shown.get() == Some(event)>{format!("{} · {title}", words::moment(at))}</option> }
    };
    let choose = move |event| {
        let id = event_target_value(&event).parse().ok().map(EventId);
        browse.subject.set(id);
    };
    view! {
        <div class="view-tools">
            <label class="sequence-of">
                <span class="visually-hidden">"Sequence of"</span>
                <select class="field" on:change=choose>{move || offered.get().into_iter().map(option).collect_view()}</select>
            </label>
            <label class="view-check">
                <input type="checkbox" prop:checked=move || browse.subject.get().is_none()
                    on:change=move |event| browse.subject.set(if event_target_checked(&event) { None } else { shown.get_untracked() }) />
                "Always the newest"
            </label>
        </div>
    }
}

#[component]
fn Picture(drawn: Memo<Option<Sequence>>) -> impl IntoView {
    let pane = NodeRef::<html::Div>::new();
    let size = measure(pane);
    let lanes = Memo::new(move |_| drawn.with(|drawn| drawn.as_ref().map_or(Vec::new(), |drawn| drawn.lanes.clone())));
    let across = Memo::new(move |_| Across::of(size.get().0, lanes.with(Vec::len)));
    let scale = Memo::new(move |_| drawn.with(|drawn| drawn.as_ref().map(Scale::of).unwrap_or_default()));
    let height = move || scale.with(|scale| scale.height) + TOP + BOTTOM;
    let more = Memo::new(move |_| drawn.with(|drawn| drawn.as_ref().is_some_and(|drawn| drawn.more)));
    let is_lost = Memo::new(move |_| drawn.with(Option::is_none));
    let head = move |(at, lane): (usize, Lane)| {
        let x = move || format!("{:.1}px", across.get().x(at));
        view! { <span class="sequence-lane" class:leads=lane.leads style:left=x>{lane.name}{lane.leads.then_some(" ★")}</span> }
    };
    let line = move |at: usize| {
        let x = move || across.get().x(at);
        view! { <line class="lane" x1=x x2=x y1="0" y2=height /> }
    };
    let tick = |(y, text): (f64, String)| {
        view! { <text class="tick" x=GUTTER - 14.0 y=TOP + y + 4.0 text-anchor="end">{text}</text> }
    };
    let picture = move || {
        let drawn = drawn.get()?;
        let (scale, across) = (scale.get(), across.get());
        let bars = drawn.bars.iter().map(|bar| draw_bar(bar, &scale, across)).collect_view();
        let arrows = drawn.arrows.iter().map(|arrow| draw_arrow(arrow, &scale, across)).collect_view();
        let decisions = drawn.decisions.iter().map(|decision| draw_decision(decision, &scale, across)).collect_view();
        Some(view! { {bars} {arrows} {decisions} })
    };
    view! {
        <div class="view-scroll sequence-pane" node_ref=pane tabindex="0" role="region" aria-label="Diagram: machines side by side, time downwards">
            <div class="sequence-head" style:width=move || format!("{:.0}px", across.get().width)>
                {move || lanes.get().into_iter().enumerate().map(head).collect_view()}
            </div>
            <svg class="sequence-svg" role="group" aria-label="Messages and work" width=move || across.get().width height=height>
                {move || (0..lanes.with(Vec::len)).map(line).collect_view()}
                {move || scale.with(Scale::ticks).into_iter().map(tick).collect_view()}
                {picture}
            </svg>
            {move || more.get().then(|| view! { <p class="sequence-more">"What followed is more than can be drawn."</p> })}
            {move || is_lost.get().then(|| view! { <p class="sequence-more">"This is so long ago that it is forgotten."</p> })}
        </div>
    }
}

fn hue_class(hue: Hue) -> String {
    match hue {
        Hue::Term(term) => format!("t{}", term % 6),
        Hue::Watch => "watch".to_owned(),
        Hue::Client => "ink".to_owned(),
    }
}

/// Picks an event by the pointer or a key.
fn picks(session: Session, event: EventId) -> (impl Fn() + Clone + 'static, impl Fn(KeyboardEvent) + 'static) {
    let pick = move || select(session, Selection::Event(event));
    let on_key = move |key: KeyboardEvent| {
        if matches!(key.key().as_str(), "Enter" | " ") {
            key.prevent_default();
            select(session, Selection::Event(event));
        }
    };
    (pick, on_key)
}

fn draw_arrow(arrow: &Arrow, scale: &Scale, across: Across) -> impl IntoView + use<> {
    let session = expect_context::<Session>();
    let event = arrow.event;
    let (x1, y1) = (across.x(arrow.from), TOP + scale.y(arrow.sent));
    let (x2, y2) = (across.x(arrow.to), TOP + scale.y(arrow.arrives));
    let length = (x2 - x1).hypot(y2 - y1).max(1.0);
    let (ux, uy) = ((x2 - x1) / length, (y2 - y1) / length);
    // The head, as two strokes back from the end.
    let head = |turn: f64| {
        let (sin, cos) = turn.sin_cos();
        (x2 - 8.0 * (ux * cos - uy * sin), y2 - 8.0 * (ux * sin + uy * cos))
    };
    let ((ax, ay), (bx, by)) = (head(0.42), head(-0.42));
    let tip = format!("M{ax:.1} {ay:.1} L{x2:.1} {y2:.1} L{bx:.1} {by:.1}");
    // The name stands over the stretch before the lane at the right: there no arrow to another lane has its name.
    let mid = x1.max(x2) - across.apart * 0.4;
    let share = if x1 == x2 { 0.5 } else { (mid - x1) / (x2 - x1) };
    let (label_x, label_y) = (mid, y1 + (y2 - y1) * share - 4.0);
    let fits = ((across.apart - 14.0) / LETTER) as usize;
    let label = if arrow.label.chars().count() > fits {
        arrow.label.chars().take(fits.saturating_sub(1)).chain(['…']).collect()
    } else {
        arrow.label.clone()
    };
    let fate = match arrow.fate {
        Fate::UnderWay => " under-way",
        Fate::Arrived => "",
        Fate::Lost => " lost",
    };
    let refused = if arrow.verdict == Some(false) { " refused" } else { "" };
    let class = format!("arrow {}{fate}{refused}", hue_class(arrow.hue));
    let spoken =
        format!("{} at {}, {}", arrow.label, words::moment(arrow.sent), words::span(arrow.arrives.since(arrow.sent)));
    let selected = move || session.selection.get() == Some(Selection::Event(event));
    let (pick, on_key) = picks(session, event);
    let cross = matches!(arrow.fate, Fate::Lost).then(|| {
        let (x, y) = ((x1 + x2) / 2.0, (y1 + y2) / 2.0);
        view! { <path class="cross" d=format!("M{:.1} {:.1} l8 8 m0 -8 l-8 8", x - 4.0, y - 4.0) /> }
    });
    view! {
        <g class=class class:selected=selected>
            <line class="shaft" x1=x1 y1=y1 x2=x2 y2=y2 />
            <path class="tip" d=tip />
            {cross}
            <line class="hit" role="button" tabindex="0" aria-label=spoken.clone() x1=x1 y1=y1 x2=x2 y2=y2 on:click=move |_| pick() on:keydown=on_key>
                <title>{spoken.clone()}</title>
            </line>
            <text class="name" x=label_x y=label_y text-anchor="middle">{label}</text>
        </g>
    }
}

fn draw_bar(bar: &Bar, scale: &Scale, across: Across) -> impl IntoView + use<> {
    let session = expect_context::<Session>();
    let event = bar.event;
    let (x, y1, y2) = (across.x(bar.lane), TOP + scale.y(bar.from), TOP + scale.y(bar.until));
    let kind = if bar.disk { " disk" } else { "" };
    let class = format!("bar{kind}{}", if bar.refused { " refused" } else { "" });
    let took = words::span(bar.until.since(bar.from));
    let spoken = format!("{}, {took}", bar.label);
    let selected = move || session.selection.get() == Some(Selection::Event(event));
    let (pick, on_key) = picks(session, event);
    view! {
        <g class=class class:selected=selected>
            <rect class="work" role="button" tabindex="0" aria-label=spoken.clone() x=x - 4.5 y=y1 width="9" height=(y2 - y1 - 1.0).max(2.0) rx="2"
                on:click=move |_| pick() on:keydown=on_key>
                <title>{spoken.clone()}</title>
            </rect>
            <text class="name" x=x + 9.0 y=(y1 + y2) / 2.0 + 4.0>{if bar.disk { "fsync".to_owned() } else { bar.label.clone() }}</text>
        </g>
    }
}

fn draw_decision(decision: &Decision, scale: &Scale, across: Across) -> impl IntoView + use<> {
    let session = expect_context::<Session>();
    let (x, y) = (across.x(decision.lane), TOP + scale.y(decision.at));
    let (pick, on_key) = picks(session, decision.event);
    view! {
        <g class="decision">
            <circle cx=x cy=y r="3.5" role="button" tabindex="0" aria-label=decision.text.clone() on:click=move |_| pick() on:keydown=on_key />
            <text class="name" x=x + 9.0 y=y + 4.0>{decision.text.clone()}</text>
        </g>
    }
}

#[component]
fn Nothing() -> impl IntoView {
    view! {
        <Empty title="Nothing was asked yet">
            <p>"A command's way from machine to machine stands here, with time running down. Ask for something:"</p>
            <Runnable line="etcdctl put /shelf/a 'first edition'".to_owned() />
        </Empty>
    }
}
