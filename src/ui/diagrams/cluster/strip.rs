//! The log strip of a member's card: one cell for each of the newest entries, the commit mark, a leader's knowledge of its
//! followers. Cells keep their places and only take on another entry, so a log that grows redraws next to nothing.

use super::super::super::session::{Selection, Session};
use super::super::select;
use super::member::Sizes;
use super::term_class;
use crate::projection::cluster::{Cell, Running};
use crate::projection::layout::cluster::Density;
use crate::sim::HostId;
use leptos::prelude::*;

/// Rough width of a character of a note.
const CHAR: f64 = 6.0;
/// Gap between two cells, and room at the left for the mark of older entries.
const CELL_GAP: f64 = 1.5;
const OLDER: f64 = 12.0;

/// What stands where on a strip.
#[derive(Clone, PartialEq)]
pub struct StripView {
    slots: Vec<Slot>,
    older: bool,
    commit_x: f64,
    notes: Vec<Note>,
    marks: Vec<Mark>,
    /// Where a follower's next entry begins.
    nexts: Vec<f64>,
}

#[derive(Clone, Copy, PartialEq)]
struct Slot {
    cell: Cell,
    x: f64,
    width: f64,
    newest: bool,
}

#[derive(Clone, PartialEq)]
struct Note {
    x: f64,
    to_the_left: bool,
    text: String,
}

/// A follower's number under the last entry that it is known to have.
#[derive(Clone, PartialEq)]
struct Mark {
    x: f64,
    number: String,
    active: bool,
}

impl StripView {
    pub fn of(running: &Running, sizes: Sizes, density: Density) -> StripView {
        let cells = &running.cells[running.cells.len().saturating_sub(density.cells())..];
        let place = Places::of(running.last, cells.len(), sizes, density);
        let older = cells.first().map_or(0, |cell| cell.index - 1);
        let slot = |(position, cell): (usize, &Cell)| Slot {
            cell: *cell,
            x: place.start(position),
            width: place.start(position + 1) - place.start(position) - CELL_GAP,
            newest: position + 1 == cells.len(),
        };
        let edge = |index: u64| {
            // Where the entry ends, also if it is older than what is shown.
            match cells.iter().position(|cell| cell.index == index) {
                Some(at) => place.start(at + 1) - CELL_GAP,
                None if index <= older => place.start(0) - CELL_GAP,
                None => place.start(cells.len()),
            }
        };
        let commit_x = edge(running.committed) + 0.5;
        let reach = reach(density);
        let mark = |(position, follower): (usize, &crate::projection::cluster::Follower)| {
            let beside = running.followers[..position].iter().filter(|other| other.matched == follower.matched).count();
            Mark {
                x: (edge(follower.matched) - reach - beside as f64 * (2.0 * reach + 1.0)).max(reach),
                number: follower.name.trim_start_matches("etcd-").to_owned(),
                active: follower.active,
            }
        };
        let mut nexts: Vec<u64> = running.followers.iter().map(|follower| follower.next).collect();
        nexts.sort_unstable();
        nexts.dedup();
        StripView {
            slots: cells.iter().enumerate().map(slot).collect(),
            older: older > 0,
            commit_x,
            notes: notes(running, sizes, density, commit_x),
            marks: running.followers.iter().enumerate().map(mark).collect(),
            nexts: nexts.into_iter().map(|next| edge(next.saturating_sub(1)) + 2.5).collect(),
        }
    }

    /// Where an entry's cell begins, and its width.
    pub fn cell(&self, index: u64) -> Option<(f64, f64)> {
        self.slots.iter().find(|slot| slot.cell.index == index).map(|slot| (slot.x, slot.width))
    }
}

/// Where cells begin: the newest is wider, for its index.
struct Places {
    start: f64,
    each: f64,
    newest: f64,
    count: usize,
}

impl Places {
    fn of(last: u64, count: usize, sizes: Sizes, density: Density) -> Places {
        let newest = 8.0 + 6.2 * last.max(10).to_string().len() as f64;
        let room = sizes.width - 2.0 * sizes.pad - OLDER;
        let each = ((room - newest) / (density.cells() as f64 - 1.0)).floor();
        Places { start: sizes.pad + OLDER, each, newest, count }
    }

    fn start(&self, position: usize) -> f64 {
        let plain = self.start + self.each * position as f64;
        if position >= self.count { plain - self.each + self.newest } else { plain }
    }
}

/// How far the log is committed, below the mark where there is room, else from the card's edge on; and the vote, on the
/// side that is left.
fn notes(running: &Running, sizes: Sizes, density: Density, commit_x: f64) -> Vec<Note> {
    let text = if running.applied == running.committed {
        format!("committed {}", running.committed)
    } else {
        format!("committed {}, applied {}", running.committed, running.applied)
    };
    let far = commit_x > sizes.width * 0.72;
    let text_start = if far { commit_x - CHAR * text.chars().count() as f64 } else { sizes.pad };
    let vote = running.vote.as_ref().filter(|_| running.followers.is_empty() && density == Density::Full);
    let vote = vote.map(|vote| {
        let text = format!("voted {vote}");
        let to_the_left = text_start < sizes.pad + CHAR * text.len() as f64 + 8.0;
        Note { x: if to_the_left { sizes.width - sizes.pad } else { sizes.pad }, to_the_left, text }
    });
    let has_room = match density {
        Density::Full | Density::Medium => true,
        Density::Small => running.followers.is_empty(),
        Density::Tiny => false,
    };
    let committed = has_room.then_some(Note { x: if far { commit_x } else { sizes.pad }, to_the_left: far, text });
    committed.into_iter().chain(vote).collect()
}

/// Half the size of a follower's mark.
fn reach(density: Density) -> f64 {
    if density.is_terse() { 4.5 } else { 5.5 }
}

#[component]
pub fn Strip(host: HostId, strip: Memo<Option<StripView>>, sizes: Sizes, density: Density) -> impl IntoView {
    let (y, height, pad) = (sizes.strip_y, sizes.strip_h, sizes.pad);
    let of = move |part: fn(&StripView) -> f64| move || strip.with(|strip| strip.as_ref().map_or(0.0, part));
    let older = Memo::new(move |_| strip.with(|strip| strip.as_ref().is_some_and(|strip| strip.older)));
    let notes = Memo::new(move |_| strip.with(|strip| strip.as_ref().map_or(Vec::new(), |strip| strip.notes.clone())));
    let marks = Memo::new(move |_| strip.with(|strip| strip.as_ref().map_or(Vec::new(), |strip| strip.marks.clone())));
    let nexts = Memo::new(move |_| strip.with(|strip| strip.as_ref().map_or(Vec::new(), |strip| strip.nexts.clone())));
    let note = move |position: usize| {
        let note = move |part: fn(&Note) -> String| {
            move || notes.with(|notes| notes.get(position).map(part)).unwrap_or_default()
        };
        view! {
            <text class="note" x=note(|note| format!("{:.1}", note.x)) y=sizes.notes_y
                text-anchor=note(|note| if note.to_the_left { "end" } else { "start" }.to_owned())>{note(|note| note.text.clone())}</text>
        }
    };
    let (marks_y, reach) = (y + height + 9.0, reach(density));
    let mark = move |mark: Mark| {
        view! {
            <g class="progress" class:silent=!mark.active>
                <circle cx=mark.x cy=marks_y r=reach />
                <text x=mark.x y=marks_y + 3.1 text-anchor="middle">{mark.number}</text>
            </g>
        }
    };
    let next = move |x: f64| view! { <path class="next" d=format!("M{x:.1} {marks_y:.1} h7 m-3 -3 l3 3 l-3 3") /> };
    view! {
        {move || older.get().then(|| view! {
            <g class="older">
                <path d=format!("M{} {y:.1} v{height:.1} M{} {y:.1} v{height:.1} M{} {y:.1} v{height:.1}", pad + 1.0, pad + 4.5, pad + 8.0) />
            </g>
        })}
        {(0..density.cells()).map(|position| view! { <CellSlot host strip position sizes /> }).collect_view()}
        <line class="commit" x1=of(|strip| strip.commit_x) x2=of(|strip| strip.commit_x) y1=y - 4.0 y2=y + height + 4.0 />
        {move || marks.get().into_iter().map(mark).collect_view()}
        {move || nexts.get().into_iter().map(next).collect_view()}
        <For each=move || 0..notes.with(Vec::len) key=|position| *position children=note />
    }
}

/// A place for an entry.
#[component]
fn CellSlot(host: HostId, strip: Memo<Option<StripView>>, position: usize, sizes: Sizes) -> impl IntoView {
    let session = expect_context::<Session>();
    let (y, height) = (sizes.strip_y, sizes.strip_h);
    let slot = move || strip.with(|strip| strip.as_ref()?.slots.get(position).copied());
    // What a cell looks like seldom changes when its entry does.
    let look = Memo::new(move |_| slot().map(|slot| Slot { cell: Cell { index: 0, ..slot.cell }, ..slot }));
    let index = Memo::new(move |_| slot().map_or(0, |slot| slot.cell.index));
    let is_there = Memo::new(move |_| look.get().is_some());
    let class = move || {
        look.get().map_or(String::new(), |Slot { cell, .. }| {
            format!("cell {}{}", term_class(cell.term), if cell.committed { "" } else { " open" })
        })
    };
    let spoken = move || {
        look.get().map(|Slot { cell, .. }| {
            let state = match (cell.committed, cell.durable) {
                (true, _) => "committed",
                (false, true) => "not committed",
                (false, false) => "not yet on disk",
            };
            format!("entry {}, term {}, {state}", index.get(), cell.term)
        })
    };
    let pick = move |_| select(session, Selection::Entry(host, index.get_untracked()));
    let x = move || look.get().map_or(0.0, |slot| slot.x);
    let width = move || look.get().map_or(0.0, |slot| slot.width);
    let hatched = move || look.get().is_some_and(|slot| !slot.cell.durable);
    let newest = move || look.get().is_some_and(|slot| slot.newest);
    view! {
        <Show when=move || is_there.get()>
            <g class=class role="button" tabindex="-1" aria-label=spoken on:click=pick>
                <rect x=x y=y width=width height=height rx="2.5" />
                {move || hatched().then(|| view! { <rect class="undurable" x=x y=y width=width height=height rx="2.5" /> })}
                {move || newest().then(|| view! {
                    <text class="index" x=move || x() + width() / 2.0 y=y + height / 2.0 + 4.0 text-anchor="middle">{move || index.get()}</text>
                })}
            </g>
        </Show>
    }
}
