//! One key: its name, what a read at the cut finds, its lives and its writes.

use super::super::super::browse::Browse;
use super::{COLUMN, Grid, ROW, right_of};
use crate::projection::revisions::{Chart, Kind, Mark, Row, Seen, Span};
use bytes::Bytes;
use leptos::prelude::*;

/// Half the size of a mark.
const REACH: f64 = 4.5;

#[component]
pub fn KeyRow(key: Bytes, chart: Memo<Option<Chart>>, grid: Memo<Grid>, keys: Memo<Vec<Bytes>>) -> impl IntoView {
    let browse = expect_context::<Browse>();
    let mine = key.clone();
    let row = Memo::new(move |_| {
        chart.with(|chart| chart.as_ref().and_then(|chart| chart.rows.iter().find(|row| row.key == mine).cloned()))
    });
    let first = Memo::new(move |_| chart.with(|chart| chart.as_ref().map_or(0, |chart| chart.first)));
    let (mine, own) = (key.clone(), key.clone());
    let is_chosen = Memo::new(move |_| browse.key.with(|chosen| chosen.as_ref() == Some(&mine)));
    let place = Memo::new(move |_| keys.with(|keys| keys.iter().position(|other| *other == own)));
    let selected = browse.revision;
    let name = move || row.with(|row| row.as_ref().map_or(String::new(), |row| row.name.clone()));
    let seen = move || row.with(|row| row.as_ref().map(|row| row.seen.clone()));
    let spoken = move || row.with(|row| row.as_ref().map(spoken));
    let spans = move || row.with(|row| row.as_ref().map_or(Vec::new(), |row| row.spans.clone()));
    let marks = Memo::new(move |_| row.with(|row| row.as_ref().map_or(Vec::new(), |row| row.marks.clone())));
    let choose = move |_| browse.key.set(Some(key.clone()));
    let line = move |span: Span| {
        let first = first.get();
        let middle = |revision: i64| right_of(revision, first) - COLUMN / 2.0;
        let end = if span.open { right_of(span.to, first) } else { middle(span.to) };
        let start = middle(span.from);
        view! { <line class="life" class:gone=span.gone x1=start x2=end.max(start) y1=ROW / 2.0 y2=ROW / 2.0 /> }
    };
    let mark = move |mark: Mark| {
        let Mark { revision, kind, gone, term } = mark;
        let x = move || right_of(revision, first.get()) - COLUMN / 2.0;
        let hue = term.map_or(String::new(), |term| format!(" t{}", term % 6));
        let pick = move |_| {
            if !gone {
                browse.pick(revision);
            }
        };
        view! {
            <g class=format!("mark{hue}") class:gone=gone class:selected=move || selected.get() == Some(revision)
                transform=move || format!("translate({} {})", x(), ROW / 2.0) on:click=pick>
                <title>{title(revision, kind, gone)}</title>
                <rect class="hit" x=-COLUMN / 2.0 y=-ROW / 2.0 width=COLUMN height=ROW />
                {shape(kind)}
                <circle class="ring" r="8" />
            </g>
        }
    };
    view! {
        <div
            class="revisions-row"
            role="option"
            id=move || place.get().map(|place| format!("revisions-row-{place}"))
            aria-selected=move || is_chosen.get().to_string()
            style:height=format!("{ROW}px")
            on:click=choose
        >
            <div class="key" style:width=move || format!("{}px", grid.get().names) title=name>
                <span class="name"><bdi>{name}</bdi></span>
                {move || seen().map(|seen| match seen {
                    Seen::Value { version, text, .. } => view! {
                        <span class="sees"><span class="version">{format!("v{version}")}</span>" "{text}</span>
                    }.into_any(),
                    Seen::Nothing(why) => view! { <span class="sees nothing">{why}</span> }.into_any(),
                })}
                <span class="visually-hidden">{spoken}</span>
            </div>
            <svg class="lives" width=move || grid.get().width height=ROW>
                {move || spans().into_iter().map(line).collect_view()}
                <For each=move || marks.get() key=|mark| mark.clone() children=mark />
            </svg>
        </div>
    }
}

/// A mark around its own middle.
pub fn shape(kind: Kind) -> impl IntoView {
    match kind {
        Kind::Create => view! { <circle class="create" r=REACH /> }.into_any(),
        Kind::Put => view! { <circle class="put" r=REACH /> }.into_any(),
        Kind::Delete => view! { <path class="delete" d="M-4 -4 L4 4 M-4 4 L4 -4" /> }.into_any(),
    }
}

fn verb(kind: Kind) -> &'static str {
    match kind {
        Kind::Create => "created",
        Kind::Put => "put",
        Kind::Delete => "deleted",
    }
}

fn title(revision: i64, kind: Kind, gone: bool) -> String {
    format!("{} at {revision}{}", verb(kind), if gone { ", compacted since" } else { "" })
}

fn spoken(row: &Row) -> String {
    let marks: Vec<String> = row.marks.iter().map(|mark| title(mark.revision, mark.kind, mark.gone)).collect();
    if marks.is_empty() { "; no writes in view".to_owned() } else { format!("; {}", marks.join(", ")) }
}
