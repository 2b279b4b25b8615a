//! Every key a row, every revision a column, of one member's store. Compaction is a tide line; a read of the past is a cut
//! that the learner can move.
//!
//! Drawn in pixels of its pane, and only what is seen of it: rows by scrolling, columns by moving the window of revisions.

mod cut;
mod row;

use super::super::browse::Browse;
use super::super::session::Session;
use super::super::stage::Stage;
use super::empty::{Empty, Runnable};
use super::measure;
use super::rows::Rows;
use crate::lab::Topic;
use crate::projection::revisions::{self, Ask, Chart, FIRST, Kind, Row, Seen};
use crate::projection::stores::Source;
use crate::sim::EventId;
use bytes::Bytes;
use cut::{Axis, Lines};
use leptos::ev::{KeyboardEvent, WheelEvent};
use leptos::html;
use leptos::prelude::*;
use row::KeyRow;

/// Width of a revision, height of a key.
const COLUMN: f64 = 16.0;
const ROW: f64 = 42.0;
/// Room at the right of the newest revision, for the cut's handle.
const MARGIN: f64 = 20.0;
/// Rows beyond the edge that are made anyway, so that scrolling finds them.
const AHEAD: usize = 3;

/// Where things are, which rows and the axis agree on.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Grid {
    names: f64,
    width: f64,
    columns: usize,
}

impl Grid {
    fn of(pane: f64) -> Grid {
        let names = (pane * 0.3).clamp(116.0, 240.0);
        let width = (pane - names - MARGIN).max(COLUMN * 4.0);
        Grid { names, width: width + MARGIN, columns: (width / COLUMN) as usize }
    }
}

/// Where a revision's column ends, from the left edge of the columns.
fn right_of(revision: i64, first: i64) -> f64 {
    (revision - first + 1) as f64 * COLUMN
}

#[component]
pub fn RevisionsView() -> impl IntoView {
    let session = expect_context::<Session>();
    let browse = expect_context::<Browse>();
    let pane = NodeRef::<html::Div>::new();
    let size = measure(pane);
    let list = Rows::new(ROW, AHEAD);
    let grid = Memo::new(move |_| Grid::of(size.get().0));
    let ask = Memo::new(move |_| {
        let (row_first, rows) = list.window(size.get().1);
        Ask {
            host: browse.host(),
            filter: browse.filter.get(),
            written: browse.written.get(),
            row_first,
            rows,
            columns: grid.get().columns,
            newest: browse.newest.get(),
            cut: browse.cut.get(),
        }
    });
    let chart = session.observe(&[Topic::Mvcc, Topic::Raft], move |lab| Chart::of(lab, &ask.get()));
    follow_reads(session, browse);
    let is_there = Memo::new(move |_| chart.with(Option::is_some));
    let has_keys = Memo::new(move |_| chart.with(|chart| chart.as_ref().is_some_and(|chart| chart.keys_all > 0)));
    view! {
        <section class="revisions" aria-label="Revisions">
            <Show when=move || is_there.get() fallback=|| view! { <NoStore /> }>
                <Tools chart />
                <div class="revisions-pane" node_ref=pane>
                    <Show when=move || has_keys.get() fallback=|| view! { <NoKeys /> }>
                        <Axis chart grid />
                        <Keys chart grid list />
                        <Lines chart grid />
                    </Show>
                </div>
                <Show when=move || has_keys.get()>
                    <Told chart />
                </Show>
            </Show>
        </section>
    }
}

/// A read of the past in a terminal moves the cut to what it read.
fn follow_reads(session: Session, browse: Browse) {
    let read = session.observe(&[Topic::Chronicle], revisions::last_read);
    Effect::new(move |before: Option<Option<EventId>>| {
        let read = read.get();
        let event = read.map(|(event, _)| event);
        // What was read before the view was opened is no news.
        if let Some((_, revision)) = read.filter(|_| before.is_some_and(|before| before != event)) {
            browse.cut.set(Some(revision));
        }
        event
    });
}

/// What is shown, in words, and what narrows it down.
#[component]
fn Tools(chart: Memo<Option<Chart>>) -> impl IntoView {
    let browse = expect_context::<Browse>();
    let source = Memo::new(move |_| chart.with(|chart| chart.as_ref().map(|chart| chart.source.clone())));
    let found =
        Memo::new(move |_| chart.with(|chart| chart.as_ref().map_or((0, 0), |chart| (chart.keys, chart.keys_all))));
    let keys = move || match found.get() {
        (found, all) if found == all => format!("{all} {}", if all == 1 { "key" } else { "keys" }),
        (found, all) => format!("{found} of {all} keys"),
    };
    view! {
        <div class="view-tools">
            <p class="view-source">{move || source.get().map(said)} {move || format!(" · {}", keys())}</p>
            <input class="field view-filter" type="search" placeholder="Filter keys" aria-label="Filter keys" spellcheck="false"
                prop:value=move || browse.filter.get() on:input=move |event| browse.filter.set(event_target_value(&event)) />
            <label class="view-check">
                <input type="checkbox" prop:checked=move || browse.written.get()
                    on:change=move |event| browse.written.set(event_target_checked(&event)) />
                "Written here"
            </label>
        </div>
    }
}

/// `etcd-2 (the leader): revision 57, compacted at 40`
pub fn said(source: Source) -> String {
    let Source { name, why, revision, compacted, .. } = source;
    let compacted = compacted.map_or(String::new(), |compacted| format!(", compacted at {compacted}"));
    format!("{name} ({why}): revision {revision}{compacted}")
}

#[component]
fn Keys(chart: Memo<Option<Chart>>, grid: Memo<Grid>, list: Rows) -> impl IntoView {
    let browse = expect_context::<Browse>();
    let stage = expect_context::<Stage>();
    let window =
        Memo::new(move |_| chart.with(|chart| chart.as_ref().map_or((0, 0), |chart| (chart.row_first, chart.keys))));
    let keys = Memo::new(move |_| {
        chart.with(|chart| {
            chart.as_ref().map_or(Vec::new(), |chart| chart.rows.iter().map(|row| row.key.clone()).collect())
        })
    });
    let row_of = move |key: &Bytes| -> Option<(usize, Row)> {
        chart.with_untracked(|chart| {
            let chart = chart.as_ref()?;
            let at = chart.rows.iter().position(|row| row.key == *key)?;
            Some((chart.row_first + at, chart.rows[at].clone()))
        })
    };
    // The neighbour of the chosen key, brought into sight.
    let step = move |by: isize| {
        let chosen = browse.key.get_untracked().and_then(|key| row_of(&key)).map(|(at, _)| at);
        let (first, count) = window.get_untracked();
        let to = chosen.map_or(first, |at| at.saturating_add_signed(by).min(count.saturating_sub(1)));
        let key = keys.with_untracked(|keys| keys.get(to.checked_sub(first)?).cloned());
        list.show(to);
        if key.is_some() {
            browse.key.set(key);
        }
    };
    // The next write of the chosen key, before or after the one that is selected.
    let revision = browse.revision;
    let walk = move |forward: bool| {
        let Some((_, row)) = browse.key.get_untracked().and_then(|key| row_of(&key)) else { return };
        let at = revision.get_untracked();
        let mut marks = row.marks.iter().filter(|mark| !mark.gone).map(|mark| mark.revision);
        let to = match (forward, at) {
            (true, Some(at)) => marks.find(|mark| *mark > at),
            (false, Some(at)) => marks.rfind(|mark| *mark < at),
            (_, None) => marks.next_back(),
        };
        if let Some(to) = to {
            browse.pick(to);
        }
    };
    let on_key = move |event: KeyboardEvent| {
        match event.key().as_str() {
            "ArrowDown" => step(1),
            "ArrowUp" => step(-1),
            "PageDown" => step(8),
            "PageUp" => step(-8),
            "ArrowRight" => walk(true),
            "ArrowLeft" => walk(false),
            "Enter" => stage.show("keys"),
            _ => return,
        }
        event.prevent_default();
    };
    let on_wheel = move |event: WheelEvent| {
        let across = if event.shift_key() { event.delta_y() } else { event.delta_x() };
        if across.abs() < 1.0 || (across.abs() < event.delta_y().abs() && !event.shift_key()) {
            return;
        }
        event.prevent_default();
        let by = (across / COLUMN).round() as i64;
        let (first, last, now) = chart.with_untracked(|chart| {
            chart.as_ref().map_or((0, 0, 0), |chart| (chart.first, chart.last, chart.source.revision))
        });
        let to = (last + by).max(FIRST + last - first);
        browse.newest.set((to < now).then_some(to));
    };
    let active = move || browse.key.get().and_then(|key| keys.with(|keys| keys.iter().position(|other| *other == key)));
    view! {
        <div
            class="view-scroll revisions-rows"
            node_ref=list.frame
            role="listbox"
            tabindex="0"
            aria-label="Keys of the store"
            aria-activedescendant=move || active().map(|at| format!("revisions-row-{at}"))
            on:scroll=move |_| list.follow()
            on:keydown=on_key
            on:wheel=on_wheel
        >
            <div class="revisions-all" role="presentation" style:height=move || format!("{}px", list.y(window.get().1))>
                <div role="presentation" style:transform=move || format!("translateY({}px)", list.y(window.get().0))>
                    <For each=move || keys.get() key=Bytes::clone children=move |key| view! { <KeyRow key chart grid keys /> } />
                </div>
            </div>
        </div>
    }
}

/// What a read at the cut sees of the chosen key, and what the marks mean.
#[component]
fn Told(chart: Memo<Option<Chart>>) -> impl IntoView {
    let browse = expect_context::<Browse>();
    let stage = expect_context::<Stage>();
    let chosen = Memo::new(move |_| {
        let key = browse.key.get();
        chart.with(|chart| {
            let chart = chart.as_ref()?;
            let row = chart.rows.iter().find(|row| Some(&row.key) == key.as_ref())?;
            Some((row.key.clone(), row.seen.clone(), chart.refused))
        })
    });
    let told = move || match chosen.get() {
        None => match browse.cut.get() {
            None => "Drag the line at the right, or move it with the arrow keys, to read the past.".to_owned(),
            Some(cut) => format!("get --rev={cut} sees this cut. Choose a key to read it."),
        }
        .into_any(),
        Some((key, seen, refused)) => {
            let line = Chart::command(&key, browse.cut.get());
            let answer = match (refused, seen) {
                (true, _) => {
                    view! { <span class="wrong">"etcdserver: mvcc: required revision has been compacted"</span> }
                        .into_any()
                }
                (false, Seen::Value { version, revision, text }) => view! {
                    <span class="value">{text}</span>
                    <span class="note">{format!("version {version}, written at {revision}")}</span>
                }
                .into_any(),
                (false, Seen::Nothing(why)) => {
                    view! { <span class="note">{format!("nothing: {why}")}</span> }.into_any()
                }
            };
            view! {
                {line.map(|line| view! { <Runnable line /> })}
                {answer}
                <button class="link" type="button" on:click=move |_| stage.show("keys")>"All about this key"</button>
            }
            .into_any()
        }
    };
    view! {
        <div class="revisions-told">{told}</div>
        <p class="revisions-legend">
            <span><LegendMark kind=Kind::Create />"create"</span>
            <span><LegendMark kind=Kind::Put />"put"</span>
            <span><LegendMark kind=Kind::Delete />"delete (tombstone)"</span>
            <span>
                <svg width="22" height="12" aria-hidden="true"><line class="life" x1="0" y1="6" x2="22" y2="6" /></svg>
                "a generation: one life of the key"
            </span>
        </p>
    }
}

#[component]
fn LegendMark(kind: Kind) -> impl IntoView {
    view! { <svg width="12" height="12" aria-hidden="true"><g class="mark" transform="translate(6 6)">{row::shape(kind)}</g></svg> }
}

#[component]
pub fn NoStore() -> impl IntoView {
    view! {
        <Empty title="No member runs">
            <p>"Here would be the keys of the leader's store, or of the member that you pick. Give a machine its power back:"</p>
            <Runnable line="lab power-on etcd-1".to_owned() />
        </Empty>
    }
}

#[component]
fn NoKeys() -> impl IntoView {
    view! {
        <Empty title="The store is empty">
            <p>"Each key that is written becomes a row, each revision a column. Write one:"</p>
            <Runnable line="etcdctl put /shelf/a 'first edition'".to_owned() />
        </Empty>
    }
}
