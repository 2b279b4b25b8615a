//! The watch caches of one server: all of them in a list, and the ring of the chosen one with those who watch.

use super::super::super::browse::Browse;
use super::super::super::session::Session;
use super::super::super::stage::Stage as Views;
use crate::k8s::apiserver::cache::EventKind;
use crate::lab::Topic;
use crate::projection::caches::{CachesView, EventView, Row, Sheet, WatcherView};
use crate::projection::words;
use crate::sim::HostId;
use leptos::prelude::*;
use std::sync::Arc;

#[component]
pub fn Caches(host: HostId, all: RwSignal<bool>) -> impl IntoView {
    let session = expect_context::<Session>();
    let chosen = RwSignal::new(None::<Arc<str>>);
    let view = session.observe(&[Topic::ApiServer, Topic::Mvcc], move |lab| CachesView::of(lab, host, all.get()));
    let places = Memo::new(move |_| {
        view.with(|view| {
            view.as_ref().map_or(Vec::new(), |view| view.rows.iter().map(|row| row.place.clone()).collect::<Vec<_>>())
        })
    });
    let idle = Memo::new(move |_| view.with(|view| view.as_ref().map_or(0, |view| view.idle)));
    // The one that is watched most says most.
    let shown = Memo::new(move |_| {
        chosen.get().or_else(|| {
            view.with(|view| {
                let rows = view.as_ref()?.rows.iter();
                rows.max_by_key(|row| (row.watchers, row.events, row.objects)).map(|row| row.place.clone())
            })
        })
    });
    let line = move |place: Arc<str>| {
        let (mine, own) = (place.clone(), place.clone());
        let row = Memo::new(move |_| {
            view.with(|view| view.as_ref().and_then(|view| view.rows.iter().find(|row| row.place == mine).cloned()))
        });
        let is_shown = Memo::new(move |_| shown.with(|shown| shown.as_ref() == Some(&own)));
        view! { <Line place row is_shown chosen /> }
    };
    let sheet = session.observe(&[Topic::ApiServer, Topic::Mvcc], move |lab| Sheet::of(lab, host, &shown.get()?));
    view! {
        <div class="caches">
            <ul class="view-scroll caches-list" aria-label="Watch caches">
                <For each=move || places.get() key=Arc::clone children=line />
                {move || { let idle = idle.get(); (idle > 0).then(|| view! {
                    <li class="pipeline-rest">{format!("{} more hold nothing", idle)}</li>
                }) }}
            </ul>
            <div class="view-scroll caches-sheet" role="region" tabindex="0" aria-label="The chosen cache">
                {move || sheet.with(Option::is_some).then(|| view! { <One sheet /> })}
            </div>
        </div>
    }
}

#[component]
fn Line(
    place: Arc<str>,
    row: Memo<Option<Row>>,
    is_shown: Memo<bool>,
    chosen: RwSignal<Option<Arc<str>>>,
) -> impl IntoView {
    let name = place.to_string();
    let of =
        move |part: fn(&Row) -> String| Memo::new(move |_| row.with(|row| row.as_ref().map_or(String::new(), part)));
    let objects = of(|row| words::count(row.objects, "object"));
    let watchers = of(|row| match row.watchers {
        0 => String::new(),
        1 => "1 watcher".to_owned(),
        many => format!("{many} watchers"),
    });
    let state = Memo::new(move |_| {
        row.with(|row| {
            let row = row.as_ref()?;
            Some(match row.trouble() {
                Some(trouble) => (trouble.to_owned(), true),
                None => (format!("rev {}", row.revision), false),
            })
        })
    });
    view! {
        <li>
            <button type="button" class="caches-row" aria-current=move || is_shown.get().then_some("true")
                on:click=move |_| chosen.set(Some(place.clone()))>
                <span class="name">{name}</span>
                <span class="state" class:bad=move || state.get().is_some_and(|state| state.1)>{move || state.get().map(|state| state.0)}</span>
                <span class="note">{objects}</span>
                <span class="note watchers">{watchers}</span>
            </button>
        </li>
    }
}

#[component]
fn One(sheet: Memo<Option<Sheet>>) -> impl IntoView {
    let browse = expect_context::<Browse>();
    let views = expect_context::<Views>();
    let of = move |part: fn(&Sheet) -> String| {
        Memo::new(move |_| sheet.with(|sheet| sheet.as_ref().map_or(String::new(), part)))
    };
    let place = of(|sheet| sheet.row.place.to_string());
    let kind = of(|sheet| sheet.kind.clone());
    let prefix = of(|sheet| sheet.prefix.to_string());
    let keys = move |_| {
        browse.filter.set(prefix.get_untracked());
        views.show("keys");
    };
    let lag = of(lag);
    let is_behind = Memo::new(move |_| sheet.with(|sheet| sheet.as_ref().is_some_and(|sheet| sheet.unheard > 0)));
    let reads = of(|sheet| match sheet.hit_rate() {
        Some(rate) => {
            format!("{rate} of {} from the cache", words::count((sheet.hits + sheet.misses) as usize, "read"))
        }
        None => "no reads yet".to_owned(),
    });
    let events =
        Memo::new(move |_| sheet.with(|sheet| sheet.as_ref().map_or(Vec::new(), |sheet| sheet.events.clone())));
    let watchers =
        Memo::new(move |_| sheet.with(|sheet| sheet.as_ref().map_or(Vec::new(), |sheet| sheet.watchers.clone())));
    let more = Memo::new(move |_| sheet.with(|sheet| sheet.as_ref().map_or(0, |sheet| sheet.more)));
    view! {
        <h3 class="keys-name">{place}</h3>
        <p class="caches-kind">{kind}", below "<button class="link" type="button" on:click=keys>{prefix}</button></p>
        <p class="caches-lag" class:behind=move || is_behind.get()>{lag}</p>
        <Ring sheet />
        <p class="caches-reads">{reads}</p>
        <h4>"Watchers"</h4>
        {move || watchers.with(Vec::is_empty).then(|| view! { <p class="keys-hint">"Nobody watches it at this server."</p> })}
        <ul class="caches-watchers">
            {move || watchers.get().into_iter().map(|watcher| view! { <Watching watcher /> }).collect_view()}
        </ul>
        {move || { let more = more.get(); (more > 0).then(|| view! { <p class="keys-hint">{format!("{} more", words::count(more, "watcher"))}</p> }) }}
        <h4>"Events"</h4>
        {move || events.with(Vec::is_empty).then(|| view! { <p class="keys-hint">"Nothing changed since the cache was filled."</p> })}
        <ol class="caches-events">
            {move || events.get().into_iter().rev().map(|event| view! { <Happened event /> }).collect_view()}
        </ol>
    }
}

/// How far it is behind etcd, in a sentence.
fn lag(sheet: &Sheet) -> String {
    let (revision, newest) = (sheet.row.revision, sheet.etcd_revision);
    match (sheet.row.trouble(), sheet.unheard) {
        (Some(trouble), _) => format!("{trouble}; etcd is at revision {newest}"),
        (None, 0) if revision >= newest => format!("revision {revision}, as far as etcd"),
        (None, 0) => format!("revision {revision}; etcd is at {newest}, and nothing of this changed since"),
        (None, keys) => {
            format!(
                "revision {revision}; etcd is at {newest}: {} changed and it has not heard of it",
                words::count(keys, "key")
            )
        }
    }
}

/// The ring, unrolled: the newest events, what room there is, and below each event who has heard it last.
#[component]
fn Ring(sheet: Memo<Option<Sheet>>) -> impl IntoView {
    let cells = move || {
        let sheet = sheet.get()?;
        let last_of = |at: usize| {
            let next = sheet.events.get(at + 1).map_or(i64::MAX, |event| event.revision);
            let here = sheet.events[at].revision;
            sheet.watchers.iter().filter(|watcher| (here..next).contains(&watcher.sent)).count()
        };
        let cell = |(at, event): (usize, &EventView)| {
            let heard = last_of(at);
            let title = format!("{} {}, revision {}", event.kind.name(), event.name, event.revision);
            view! {
                <span class=format!("ring-cell {}", look(event.kind)) title=title>
                    <svg width="10" height="10" viewBox="0 0 10 10" aria-hidden="true"><path d=mark(event.kind) /></svg>
                    {(heard > 0).then(|| view! { <span class="ring-heard">{heard}</span> })}
                </span>
            }
        };
        let fill = sheet.row.events * 100 / sheet.row.capacity.max(1);
        let range = match (sheet.events.first(), sheet.events.last()) {
            (Some(first), Some(last)) if sheet.before == 0 => {
                format!("revisions {} to {}", first.revision, last.revision)
            }
            (Some(first), Some(last)) => {
                format!("{} before; revisions {} to {}", sheet.before, first.revision, last.revision)
            }
            _ => "no event yet".to_owned(),
        };
        let spoken = format!("{} of {} events, {range}", sheet.row.events, sheet.row.capacity);
        Some(view! {
            <div class="ring" role="img" aria-label=spoken>
                <div class="ring-cells">
                    {(sheet.before > 0).then(|| view! { <span class="ring-before">"…"</span> })}
                    {sheet.events.iter().enumerate().map(cell).collect_view()}
                    <span class="ring-room"></span>
                </div>
                <div class="ring-bar"><div style:width=format!("{fill}%")></div></div>
                <p class="ring-told">
                    <span>{range.clone()}</span>
                    <span>{format!("{} of {} events", sheet.row.events, sheet.row.capacity)}</span>
                </p>
                <p class="ring-told"><span>{format!("a watch can begin at revision {} or later", (sheet.oldest - 1).max(0))}</span></p>
            </div>
        })
    };
    view! { {cells} }
}

fn look(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Added => "added",
        EventKind::Modified => "modified",
        EventKind::Deleted => "deleted",
    }
}

/// Open for a beginning, full for a change, a cross for an end, as revisions are drawn.
fn mark(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Added | EventKind::Modified => "M5 1.2a3.8 3.8 0 1 0 0.01 0z",
        EventKind::Deleted => "M1.5 1.5 L8.5 8.5 M8.5 1.5 L1.5 8.5",
    }
}

#[component]
fn Watching(watcher: WatcherView) -> impl IntoView {
    let WatcherView { id, client, keys, sent, behind, bookmark } = watcher;
    let place =
        if behind == 0 { "has heard all".to_owned() } else { format!("{} behind", words::count(behind, "event")) };
    let bookmark = match bookmark {
        None => "no bookmarks asked for".to_owned(),
        Some(0) => "no bookmark yet".to_owned(),
        Some(revision) => format!("last bookmark {revision}"),
    };
    view! {
        <li>
            <span class="who">{client}</span>
            <span class="what">{format!("{keys} · request {id}")}</span>
            <span class="at" class:behind={behind > 0}>{format!("{place}, up to {sent} · {bookmark}")}</span>
        </li>
    }
}

#[component]
fn Happened(event: EventView) -> impl IntoView {
    view! {
        <li>
            <span class=format!("kind {}", look(event.kind))>{event.kind.name()}</span>
            <span class="name">{event.name}</span>
            <span class="note">{format!("rev {} · {}", event.revision, words::moment(event.at))}</span>
        </li>
    }
}
