//! All of time: what happened, where the playhead is, and the branches. Dragging the playhead moves the whole page.

use super::super::diagrams::{measure, select};
use super::super::session::{Selection, Session};
use crate::projection::lanes::{self, Band, Column, Lane, LaneIndex, LanesView, SPANS, Window};
use crate::projection::words;
use crate::sim::{EventId, Micros, SimTime};
use leptos::ev::{KeyboardEvent, PointerEvent, WheelEvent};
use leptos::html;
use leptos::prelude::*;

/// Where each lane stands in the drawing, from its top.
const ROW: f64 = 17.0;
const AXIS_Y: f64 = 5.0 * ROW + 13.0;
pub const HEIGHT: f64 = 5.0 * ROW + 20.0;
/// The zoom that shows twenty seconds.
const ZOOM: usize = 9;
/// Width of what is redrawn when a mark is added to it.
const PIECE: f64 = 96.0;
/// How far from a mark one may click, in pixels, and how far a press may slip and still be a click.
const REACH: f64 = 5.0;
/// One arrow key moves the playhead by this share of the window; with shift, by ten times as much.
const KEY_SHARE: u64 = 200;

#[component]
pub fn TimelinePanel() -> impl IntoView {
    let session = expect_context::<Session>();
    let track = NodeRef::<html::Div>::new();
    let size = measure(track);
    let width = Memo::new(move |_| size.get().0);
    let zoom = RwSignal::new(ZOOM);
    let dragging = RwSignal::new(false);
    let now = session.now();
    let window = Memo::new(move |old: Option<&Window>| {
        let (now, span) = (now.get(), SPANS[zoom.get()]);
        match old {
            Some(old) if dragging.get() => *old,
            Some(old) => old.follow(now, span),
            None => Window::around(now, span),
        }
    });
    let index = StoredValue::new_local(LaneIndex::default());
    // What the branch holds, whether the playhead has come to it or not.
    let version = session.observe_time(|timeline| {
        let marks = timeline.tip().chronicle().marks();
        (timeline.branch().id, marks.len(), marks.back().map(|mark| mark.event))
    });
    let lanes = Memo::new(move |_| {
        version.track();
        let (window, width) = (window.get(), width.get());
        session.look(|timeline| {
            index.update_value(|index| index.follow(timeline.tip().chronicle()));
            index.with_value(|index| index.view(timeline.tip(), window, width))
        })
    });
    let bands = Memo::new(move |_| lanes.with(|lanes| lanes.bands.clone()));
    let faults = Memo::new(move |_| lanes.with(|lanes| lanes.faults.clone()));
    let pieces = Memo::new(move |_| (width.get() / PIECE) as usize + 1);
    let tip = session.observe_time(|timeline| timeline.tip().now());
    let x_of = move |at: SimTime| window.get().x(at, width.get()).clamp(-20.0, width.get() + 20.0);
    let seek = throttled(session);
    let hover = RwSignal::new(None::<(f64, f64)>);
    let place = move |event: &PointerEvent| {
        let rect = track.get_untracked().map(|track| track.get_bounding_client_rect());
        rect.map_or((0.0, 0.0), |rect| (f64::from(event.client_x()) - rect.x(), f64::from(event.client_y()) - rect.y()))
    };
    let hit = move |x: f64, y: f64| -> Option<(SimTime, EventId)> {
        let lane = Lane::ALL.get((y / ROW) as usize)?;
        index.with_value(|index| index.hit(*lane, window.get_untracked(), width.get_untracked(), x, REACH))
    };
    let on_down = move |event: PointerEvent| {
        if event.button() != 0 {
            return;
        }
        let (x, y) = place(&event);
        if let Some((at, mark)) = hit(x, y).filter(|_| (y / ROW) as usize != 0) {
            select(session, Selection::Event(mark));
            seek(at);
            return;
        }
        if let Some(track) = track.get_untracked() {
            // Refused when the pointer is gone already; then there is nothing to follow.
            track.set_pointer_capture(event.pointer_id()).ok();
        }
        session.playing.set(false);
        dragging.set(true);
        seek(window.get_untracked().at(x, width.get_untracked()));
    };
    let on_move = move |event: PointerEvent| {
        let (x, y) = place(&event);
        hover.set(Some((x, y)));
        if dragging.get_untracked() {
            seek(window.get_untracked().at(x, width.get_untracked()));
        }
    };
    let on_key = move |event: KeyboardEvent| {
        let at = now.get_untracked();
        let share = if event.shift_key() { KEY_SHARE / 10 } else { KEY_SHARE };
        let by = Micros((SPANS[zoom.get_untracked()].0 / share).max(1));
        let to = match event.key().as_str() {
            "ArrowLeft" | "ArrowDown" => at - by,
            "ArrowRight" | "ArrowUp" => at + by,
            "PageDown" => at - Micros(by.0 * 20),
            "PageUp" => at + Micros(by.0 * 20),
            "Home" => SimTime::ZERO,
            "End" => tip.get_untracked(),
            _ => return,
        };
        event.prevent_default();
        event.stop_propagation();
        session.playing.set(false);
        seek(to);
    };
    let change_zoom = move |by: isize| zoom.update(|zoom| *zoom = zoom.saturating_add_signed(by).min(SPANS.len() - 1));
    let on_wheel = move |event: WheelEvent| {
        if event.ctrl_key() || event.meta_key() {
            event.prevent_default();
            change_zoom(if event.delta_y() > 0.0 { 1 } else { -1 });
        }
    };
    let tooltip = move || {
        let (x, y) = hover.get()?;
        let (window, width) = (window.get(), width.get());
        let mark = session.look(|timeline| hit(x, y).map(|(at, event)| (at, lanes::mark_text(timeline.tip(), event))));
        let (at, text) = match mark {
            Some((at, text)) if y > ROW => (at, text),
            _ => (window.at(x, width), String::new()),
        };
        let side = if x > width / 2.0 { "left" } else { "right" };
        let style = format!("transform:translate({:.0}px,0)", x.clamp(0.0, width));
        Some(view! {
            <div class=format!("timeline-hover {side}") style=style aria-hidden="true">
                <span>{words::moment(at)} {(!text.is_empty()).then(|| format!(" · {text}"))}</span>
            </div>
        })
    };
    view! {
        <section class="timeline" aria-label="Timeline">
            <div class="timeline-names" aria-hidden="true">
                {Lane::ALL.map(|lane| view! { <span>{lane.name()}</span> }).collect_view()}
            </div>
            <div
                class="timeline-track"
                node_ref=track
                on:pointerdown=on_down
                on:pointermove=on_move
                on:pointerup=move |_| dragging.set(false)
                on:pointercancel=move |_| dragging.set(false)
                on:pointerleave=move |_| hover.set(None)
                on:wheel=on_wheel
            >
                <svg class="timeline-svg" width=move || width.get() height=HEIGHT role="img" aria-label=move || summary(&bands.read())>
                    <defs>
                        <pattern id="election" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
                            <line class="hatch" x1="0" y1="0" x2="0" y2="6" />
                        </pattern>
                    </defs>
                    {move || bands.get().into_iter().map(band).collect_view()}
                    <For each=move || 0..pieces.get() key=|piece| *piece children=move |piece| view! { <Marks lanes piece /> } />
                    <rect class="future" y="0" height=5.0 * ROW x=move || x_of(now.get())
                        width=move || (x_of(tip.get()) - x_of(now.get())).max(0.0) />
                    <rect class="unknown" y="0" height=5.0 * ROW x=move || x_of(tip.get())
                        width=move || (width.get() + 20.0 - x_of(tip.get())).max(0.0) />
                    {move || (1..=5).map(|row| view! {
                        <line class="rule" x1="0" x2=width.get() y1=f64::from(row) * ROW y2=f64::from(row) * ROW />
                    }).collect_view()}
                    {move || faults.get().into_iter().map(|(x, text)| view! {
                        <text class="fault-label" x=x + 6.0 y=4.0 * ROW + 12.5>{text}</text>
                    }).collect_view()}
                    {move || window.get().ticks(width.get(), 90.0).into_iter().map(|(x, label)| view! {
                        <g class="tick">
                            <line x1=x x2=x y1=5.0 * ROW y2=5.0 * ROW + 4.0 />
                            <text x=x y=AXIS_Y + 3.0 text-anchor=anchor(x, width.get())>{label}</text>
                        </g>
                    }).collect_view()}
                </svg>
                <div
                    class="playhead"
                    role="slider"
                    tabindex="0"
                    aria-label="Playhead"
                    aria-orientation="horizontal"
                    aria-valuemin="0"
                    aria-valuemax=move || tip.get().0 / 1_000
                    aria-valuenow=move || now.get().0 / 1_000
                    aria-valuetext=move || words::moment(now.get())
                    style=move || format!("transform:translate({:.2}px,0)", x_of(now.get()))
                    on:keydown=on_key
                ></div>
                {tooltip}
            </div>
            <div class="timeline-tools">
                <div class="timeline-zoom" role="group" aria-label="Zoom">
                    <button type="button" aria-label="Show less time" disabled=move || zoom.get() == 0 on:click=move |_| change_zoom(-1)>"+"</button>
                    <span>{move || words::span(SPANS[zoom.get()])}</span>
                    <button type="button" aria-label="Show more time" disabled=move || zoom.get() + 1 == SPANS.len() on:click=move |_| change_zoom(1)>"−"</button>
                </div>
                <Branches />
            </div>
        </section>
    }
}

/// Several futures of one past, and the way from one to the other.
#[component]
fn Branches() -> impl IntoView {
    let session = expect_context::<Session>();
    let branches = session.observe_time(lanes::branches);
    let item = move |branch: lanes::BranchView| {
        let id = branch.id;
        view! {
            <li>
                <button type="button" aria-current=branch.current.then_some("true") on:click=move |_| session.switch(id)>
                    {branch.label}
                </button>
            </li>
        }
    };
    move || {
        (branches.read().len() > 1).then(|| {
            view! { <ul class="branches" aria-label="Branches">{branches.get().into_iter().map(item).collect_view()}</ul> }
        })
    }
}

/// Seeks at most once a frame, to the newest place asked for.
fn throttled(session: Session) -> impl Fn(SimTime) + Copy + Send + Sync + 'static {
    let wanted = StoredValue::new(None::<SimTime>);
    move |to: SimTime| {
        let waiting = wanted.with_value(Option::is_some);
        wanted.set_value(Some(to));
        if !waiting {
            request_animation_frame(move || {
                if let Some(Some(to)) = wanted.try_update_value(Option::take) {
                    session.seek(to);
                }
            });
        }
    }
}

fn summary(bands: &[Band]) -> String {
    let names: Vec<&str> = bands.iter().map(|band| band.label.as_str()).collect();
    format!("Terms in view: {}", names.join(", "))
}

fn anchor(x: f64, width: f64) -> &'static str {
    match x {
        x if x < 14.0 => "start",
        x if x > width - 20.0 => "end",
        _ => "middle",
    }
}

fn band(band: Band) -> impl IntoView {
    /// Rough width of one character of a label.
    const CHAR: f64 = 6.4;
    let width = (band.until - band.from).max(1.5);
    let room = CHAR * band.label.chars().count() as f64 + 10.0;
    let label = (width > room).then(|| view! { <text x=band.from + 6.0 y="12.5">{band.label.clone()}</text> });
    let class = if band.election { "band election".to_owned() } else { format!("band t{}", band.term % 6) };
    view! {
        <g class=class>
            <rect x=band.from y="2" width=width height=ROW - 3.0 rx="1.5" />
            {label}
        </g>
    }
}

/// The marks of one piece of the timeline's width. A mark that is added redraws its own piece, not the others.
#[component]
fn Marks(lanes: Memo<LanesView>, piece: usize) -> impl IntoView {
    let (from, to) = (piece as f64 * PIECE, (piece + 1) as f64 * PIECE);
    let columns = Memo::new(move |_| {
        lanes.with(|lanes| {
            lanes.columns.each_ref().map(|columns| {
                let start = columns.partition_point(|column| column.x < from);
                let end = columns.partition_point(|column| column.x < to);
                columns[start..end].to_vec()
            })
        })
    });
    move || marks(&columns.read())
}

/// One path for each colour, however many marks there are.
fn marks(columns: &[Vec<Column>; 4]) -> impl IntoView + use<> {
    let [commands, writes, watch, faults] = columns;
    let path = |columns: &[Column], shape: &dyn Fn(&Column) -> String| columns.iter().map(shape).collect::<String>();
    let writes: Vec<(u64, String)> = (0..6)
        .map(|hue| {
            let mine: Vec<Column> = writes.iter().filter(|column| column.term % 6 == hue).copied().collect();
            (hue, path(&mine, &|column| format!("M{} {}v{}", column.x, 2.0 * ROW + 3.0, ROW - 6.0)))
        })
        .filter(|(_, path)| !path.is_empty())
        .collect();
    let commands = path(commands, &|column| format!("M{} {}l4 5l-4 5z", column.x - 1.0, ROW + 3.5));
    let watch = path(watch, &|column| format!("M{} {}h0", column.x, 3.5 * ROW));
    let faults = path(faults, &|column| format!("M{} {}h7m-3.5 0v{}", column.x - 3.5, 4.0 * ROW + 4.0, ROW - 7.0));
    view! {
        <path class="mark commands" d=commands />
        {writes.into_iter().map(|(hue, d)| view! { <path class=format!("mark writes t{hue}") d=d /> }).collect_view()}
        <path class="mark watch" d=watch />
        <path class="mark faults" d=faults />
    }
}
