//! The axis of revisions, the tide line of compaction, and the cut: a read of the past that can be moved.

use super::super::super::browse::Browse;
use super::{COLUMN, Grid, right_of};
use crate::projection::revisions::{Chart, FIRST};
use leptos::ev::{KeyboardEvent, PointerEvent};
use leptos::html;
use leptos::prelude::*;

/// Height of the axis; the handle of the cut hangs below its numbers.
const AXIS: f64 = 30.0;
/// So many columns lie between two numbers.
const LABEL_EVERY: i64 = 5;

/// What the axis and the lines need to know of a chart.
#[derive(Clone, Debug, Default, PartialEq)]
struct Scale {
    first: i64,
    last: i64,
    now: i64,
    cut: i64,
    compacted: Option<i64>,
    refused: bool,
}

impl Scale {
    fn of(chart: Memo<Option<Chart>>) -> Memo<Scale> {
        Memo::new(move |_| {
            chart.with(|chart| {
                chart.as_ref().map_or_else(Scale::default, |chart| Scale {
                    first: chart.first,
                    last: chart.last,
                    now: chart.source.revision,
                    cut: chart.cut,
                    compacted: chart.source.compacted,
                    refused: chart.refused,
                })
            })
        })
    }

    /// Where the cut is, if it is among the columns.
    fn cut_x(&self) -> Option<f64> {
        (self.first - 1..=self.last).contains(&self.cut).then(|| right_of(self.cut, self.first))
    }

    /// Where the tide stands: before the oldest revision that can be read.
    fn tide_x(&self) -> Option<f64> {
        let x = right_of(self.compacted? - 1, self.first);
        (x > 0.0).then(|| x.min(right_of(self.last, self.first)))
    }
}

/// Moves the cut, and the columns with it when it leaves them.
fn move_cut(browse: Browse, scale: &Scale, to: i64) {
    let to = to.clamp(1, scale.now);
    let width = scale.last - scale.first;
    if to > scale.last {
        browse.newest.set((to < scale.now).then_some(to));
    } else if to < scale.first - 1 {
        browse.newest.set(Some(to + width).filter(|newest| *newest < scale.now));
    }
    browse.cut.set((to < scale.now).then_some(to));
}

#[component]
pub fn Axis(chart: Memo<Option<Chart>>, grid: Memo<Grid>) -> impl IntoView {
    let browse = expect_context::<Browse>();
    let scale = Scale::of(chart);
    let track = NodeRef::<html::Div>::new();
    let dragging = RwSignal::new(false);
    let at = move |event: &PointerEvent| {
        let left = track.get_untracked().map_or(0.0, |track| track.get_bounding_client_rect().left());
        let scale = scale.get_untracked();
        scale.first - 1 + ((f64::from(event.client_x()) - left) / COLUMN).round() as i64
    };
    let down = move |event: PointerEvent| {
        if event.button() != 0 {
            return;
        }
        if let Some(track) = track.get_untracked() {
            // Refused when the pointer is gone already; then there is nothing to follow.
            track.set_pointer_capture(event.pointer_id()).ok();
        }
        dragging.set(true);
        move_cut(browse, &scale.get_untracked(), at(&event));
    };
    let moved = move |event: PointerEvent| {
        if dragging.get_untracked() {
            move_cut(browse, &scale.get_untracked(), at(&event));
        }
    };
    let on_key = move |event: KeyboardEvent| {
        let scale = scale.get_untracked();
        let stride = if event.shift_key() { 10 } else { 1 };
        let to = match event.key().as_str() {
            "ArrowLeft" | "ArrowDown" => scale.cut - stride,
            "ArrowRight" | "ArrowUp" => scale.cut + stride,
            "PageDown" => scale.cut - 10,
            "PageUp" => scale.cut + 10,
            "Home" => scale.compacted.unwrap_or(1),
            "End" | "Escape" => scale.now,
            _ => return,
        };
        event.prevent_default();
        move_cut(browse, &scale, to);
    };
    let labels = Memo::new(move |_| {
        let Scale { first, last, .. } = scale.get();
        (first..=last).filter(|revision| revision % LABEL_EVERY == 0).collect::<Vec<_>>()
    });
    let label = move |revision: i64| {
        let x = move || right_of(revision, scale.with(|scale| scale.first)) - COLUMN / 2.0;
        view! { <text x=x y="12" text-anchor="middle">{revision}</text> }
    };
    let spoken = move || {
        scale.with(|scale| match scale.cut == scale.now {
            true => format!("the newest revision, {}", scale.now),
            false => {
                format!("revision {} of {}{}", scale.cut, scale.now, if scale.refused { ", compacted" } else { "" })
            }
        })
    };
    view! {
        <div class="revisions-axis">
            <Pages scale names=Memo::new(move |_| grid.get().names) />
            <div
                class="revisions-track"
                node_ref=track
                style:width=move || format!("{}px", grid.get().width)
                on:pointerdown=down
                on:pointermove=moved
                on:pointerup=move |_| dragging.set(false)
                on:pointercancel=move |_| dragging.set(false)
            >
                <svg width=move || grid.get().width height=AXIS aria-hidden="true">
                    <For each=move || labels.get() key=|revision| *revision children=label />
                </svg>
                <div
                    class="revisions-handle"
                    class:past=move || scale.with(|scale| scale.cut < scale.now)
                    role="slider"
                    tabindex="0"
                    aria-label="Revision that is read"
                    aria-valuemin="1"
                    aria-valuemax=move || scale.with(|scale| scale.now)
                    aria-valuenow=move || scale.with(|scale| scale.cut)
                    aria-valuetext=spoken
                    style:visibility=move || if scale.with(|scale| scale.cut_x().is_some()) { "visible" } else { "hidden" }
                    style:transform=move || format!("translateX({}px)", scale.with(Scale::cut_x).unwrap_or(0.0))
                    on:keydown=on_key
                ></div>
            </div>
        </div>
    }
}

/// Earlier and later columns.
#[component]
fn Pages(scale: Memo<Scale>, names: Memo<f64>) -> impl IntoView {
    let browse = expect_context::<Browse>();
    let pan = move |by: i64| {
        let Scale { first, last, now, .. } = scale.get_untracked();
        let width = last - first + 1;
        let to = (last + by * (width - 2)).max(FIRST + width - 1);
        browse.newest.set((to < now).then_some(to));
    };
    let at_first = move || scale.with(|scale| scale.first <= FIRST);
    let at_last = move || scale.with(|scale| scale.last >= scale.now);
    view! {
        <div class="revisions-pages joined" style:width=move || format!("{}px", names.get())>
            <button class="button square" type="button" aria-label="Older revisions" title="Older revisions" disabled=at_first on:click=move |_| pan(-1)>"‹"</button>
            <button class="button square" type="button" aria-label="Newer revisions" title="Newer revisions" disabled=at_last on:click=move |_| pan(1)>"›"</button>
            <button class="button square" type="button" aria-label="Newest revisions" title="Newest revisions" disabled=at_last on:click=move |_| browse.newest.set(None)>"»"</button>
        </div>
    }
}

/// Rough widths of the lines' labels.
const TIDE_LABEL: f64 = 112.0;
const CUT_LABEL: f64 = 176.0;
/// Columns narrower than two labels have room for a short one only.
const NARROW: f64 = 2.0 * CUT_LABEL;

/// What lies over the rows: the tide and the cut, each with its name at the foot.
#[component]
pub fn Lines(chart: Memo<Option<Chart>>, grid: Memo<Grid>) -> impl IntoView {
    let scale = Scale::of(chart);
    let tide = move || scale.with(|scale| scale.tide_x().map(|x| (x, scale.compacted.unwrap_or(0))));
    let cut = move || scale.with(|scale| scale.cut_x().map(|x| (x, scale.cut, scale.cut == scale.now)));
    // A label stands on the side of its line that has room: the tide's on what it has taken, the cut's on what is to come.
    let tide_side = move |x: f64| if x > TIDE_LABEL { "line-label left" } else { "line-label" };
    let is_narrow = move || grid.get().width < NARROW;
    let cut_side = move |x: f64| {
        let label = if is_narrow() { CUT_LABEL / 2.0 } else { CUT_LABEL };
        let to_the_left = x + label > grid.get().width;
        // Above the other label where the two would meet.
        let meets = tide().is_some_and(|(tide, _)| match (tide > TIDE_LABEL, to_the_left) {
            (true, true) => tide > x - label,
            (true, false) => x < tide && x + label > tide - TIDE_LABEL,
            (false, true) => x - label < tide + TIDE_LABEL,
            (false, false) => x < tide + TIDE_LABEL,
        });
        format!("line-label{}{}", if to_the_left { " left" } else { "" }, if meets { " raised" } else { "" })
    };
    view! {
        <div class="revisions-lines" aria-hidden="true" style:left=move || format!("{}px", grid.get().names)>
            {move || tide().map(|(x, compacted)| view! {
                <div class="tide" style:width=format!("{x}px")></div>
                <div class="line-at tide-line" style:transform=format!("translateX({x}px)")>
                    <span class=tide_side(x)>{format!("compacted at {compacted}")}</span>
                </div>
            })}
            {move || cut().map(|(x, revision, now)| view! {
                <div class="line-at cut-line" class:now=now style:transform=format!("translateX({x}px)")>
                    <span class=cut_side(x)>{cut_text(revision, now, is_narrow())}</span>
                </div>
            })}
        </div>
    }
}

fn cut_text(revision: i64, now: bool, narrow: bool) -> String {
    match (now, narrow) {
        (true, _) => "now".to_owned(),
        (false, true) => format!("--rev={revision}"),
        (false, false) => format!("get --rev={revision} sees this cut"),
    }
}
