//! The requests of one server: above the one that is looked at, stage by stage, below it all of them.

use super::super::super::browse::Browse;
use super::super::super::calls::Calls;
use super::super::super::session::{Selection, Session};
use super::super::super::stage::Stage as Views;
use super::super::empty::{Empty, Runnable};
use super::super::select;
use crate::lab::Topic;
use crate::projection::pipeline::{Ask, Detail, Row, Rows, State, Step};
use crate::projection::words;
use crate::sim::{EventId, HostId, Micros};
use leptos::ev::KeyboardEvent;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

/// While a request is under way its time is told this often, in virtual microseconds.
const EVERY_US: u64 = 1_000;

#[component]
pub fn Pipeline(host: HostId, own: RwSignal<bool>) -> impl IntoView {
    let session = expect_context::<Session>();
    let (calls, browse) = (expect_context::<Calls>(), expect_context::<Browse>());
    let tick = Memo::new(move |_| session.now().get().0 / EVERY_US);
    let list = calls.observe(&[Topic::ApiServer], move |lab, requests| {
        // A memo that is only tracked is never made.
        tick.get();
        Rows::of(lab, requests, Ask { server: host, own: own.get() })
    });
    let rows = Memo::new(move |_| list.with(|list| list.rows.clone()));
    let shown =
        Memo::new(move |_| browse.request.get().or_else(|| rows.with(|rows| rows.first().map(|row| row.event))));
    let detail = calls.observe(&[Topic::ApiServer], move |lab, requests| {
        tick.get();
        Detail::of(lab, requests, shown.get()?)
    });
    let events = Memo::new(move |_| rows.with(|rows| rows.iter().map(|row| row.event).collect::<Vec<_>>()));
    let line = move |event: EventId| {
        let row = Memo::new(move |_| rows.with(|rows| rows.iter().find(|row| row.event == event).cloned()));
        view! { <Line event row shown /> }
    };
    let is_empty = Memo::new(move |_| events.with(Vec::is_empty));
    let left_out = move || list.with(|list| list.own);
    view! {
        <div class="pipeline">
            <Show when=move || is_empty.get()>
                <Empty title="Nobody has asked yet">
                    <p>"Requests of clients stand here with every stage that they pass. Ask for something:"</p>
                    <Runnable line="kubectl create configmap shelf --from-literal=book=first".to_owned() />
                </Empty>
            </Show>
            {move || detail.with(Option::is_some).then(|| view! { <Passage detail /> })}
            <ol class="view-scroll pipeline-list" aria-label="Requests, the newest first" on:keydown=along>
                <For each=move || events.get() key=|event| *event children=line />
                {move || { let own = left_out(); (own > 0).then(|| view! {
                    <li class="pipeline-rest">{format!("{} of the server itself are left out", words::count(own, "request"))}</li>
                }) }}
            </ol>
        </div>
    }
}

/// Arrow keys go from row to row.
fn along(event: KeyboardEvent) {
    let here = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    let row = here.and_then(|here| here.closest("li").ok().flatten());
    let to = match event.key().as_str() {
        "ArrowDown" => row.and_then(|row| row.next_element_sibling()),
        "ArrowUp" => row.and_then(|row| row.previous_element_sibling()),
        _ => return,
    };
    event.prevent_default();
    let button = to.and_then(|to| to.query_selector("button").ok().flatten());
    if let Some(button) = button.and_then(|button| button.dyn_into::<web_sys::HtmlElement>().ok()) {
        // Refused only for what has left the page.
        button.focus().ok();
    }
}

/// One request in the list.
#[component]
fn Line(event: EventId, row: Memo<Option<Row>>, shown: Memo<Option<EventId>>) -> impl IntoView {
    let browse = expect_context::<Browse>();
    let of =
        move |part: fn(&Row) -> String| Memo::new(move |_| row.with(|row| row.as_ref().map_or(String::new(), part)));
    let (verb, path, who) = (of(|row| row.verb.clone()), of(|row| row.path.clone()), of(|row| row.who.clone()));
    let took = of(|row| words::span(row.took));
    let state = of(|row| said(&row.state));
    let class = of(|row| format!("state {}", look(&row.state)));
    let shares = Memo::new(move |_| row.with(|row| row.as_ref().map_or([0; 3], |row| row.shares)));
    let part = move |which: usize, class: &'static str| {
        view! { <i class=class style:width=move || format!("{:.1}%", f64::from(shares.get()[which]) / 10.0)></i> }
    };
    view! {
        <li>
            <button type="button" class="pipeline-row" aria-current=move || (shown.get() == Some(event)).then_some("true")
                on:click=move |_| browse.request.set(Some(event))>
                <span class=class>{state}</span>
                <span class="what"><b>{verb}</b>" "{path}</span>
                <span class="who">{who}</span>
                <span class="took">{took}</span>
                <span class="shares" aria-hidden="true">{part(0, "work")} {part(1, "etcd")} {part(2, "wait")}</span>
            </button>
        </li>
    }
}

fn said(state: &State) -> String {
    match state {
        State::At(stage) => (*stage).to_owned(),
        State::Answered { status, open: true } => format!("{status}, goes on"),
        State::Answered { status, open: false } => status.to_string(),
        State::Gone => "no answer".to_owned(),
    }
}

fn look(state: &State) -> &'static str {
    match state {
        State::At(_) => "now",
        State::Answered { open: true, .. } => "watch",
        State::Answered { status: ..400, .. } => "good",
        State::Answered { .. } | State::Gone => "bad",
    }
}

/// The request that is looked at.
#[component]
fn Passage(detail: Memo<Option<Detail>>) -> impl IntoView {
    let session = expect_context::<Session>();
    let browse = expect_context::<Browse>();
    let views = expect_context::<Views>();
    let of = move |part: fn(&Detail) -> String| {
        Memo::new(move |_| detail.with(|detail| detail.as_ref().map_or(String::new(), part)))
    };
    let (verb, path) = (of(|detail| detail.request.verb.clone()), of(|detail| detail.request.short_path().to_owned()));
    let query = of(|detail| detail.request.path[detail.request.short_path().len()..].to_owned());
    let facts = of(|detail| {
        let from = words::moment(detail.request.at);
        format!("{} · {} · {from} · {}", said(&detail.state), detail.who, words::span(detail.took))
    });
    let class = of(|detail| format!("pipeline-facts {}", look(&detail.state)));
    let event = Memo::new(move |_| detail.with(|detail| detail.as_ref().map(|detail| detail.request.event)));
    let why = move |_| {
        if let Some(event) = event.get_untracked() {
            select(session, Selection::Event(event));
        }
    };
    let sequence = move |_| {
        browse.subject.set(event.get_untracked());
        views.show("sequence");
    };
    let steps = Memo::new(move |_| {
        detail.with(|detail| detail.as_ref().map_or(Vec::new(), |detail| detail.steps().cloned().collect::<Vec<_>>()))
    });
    view! {
        <div class="pipeline-one">
            <div class="pipeline-head">
                <p class="pipeline-title"><b>{verb}</b>" "{path}</p>
                <div class="joined">
                    <button class="button" type="button" on:click=sequence>"Sequence"</button>
                    <button class="button" type="button" on:click=why>"Why?"</button>
                </div>
            </div>
            <p class=class>{facts}" "<span class="query" title=query>{query}</span></p>
            <ol class="stages" aria-label="Stages that it passed">
                {move || steps.get().into_iter().map(|step| view! { <Passed step /> }).collect_view()}
            </ol>
        </div>
    }
}

/// A stage: its name on an arrow, below it what it said and what it cost.
#[component]
fn Passed(step: Step) -> impl IntoView {
    let session = expect_context::<Session>();
    let event = step.event;
    let kind = match (step.refused, step.until, step.stage) {
        (true, _, _) => "refused",
        (_, None, _) => "now",
        (_, _, None) => "etcd",
        _ => "passed",
    };
    let said = match step.stage {
        None if step.refused => "etcd refused".to_owned(),
        None if step.until.is_none() => "waits for etcd".to_owned(),
        None => "etcd answered".to_owned(),
        Some(_) => step.said.to_string(),
    };
    let time = match (step.stage, step.took()) {
        (None, Some(took)) => words::span(took),
        (None, None) => String::new(),
        (Some(_), _) => match step.waited() {
            Micros(0) => words::span(step.cost),
            waited => format!("{} + waited {}", words::span(step.cost), words::span(waited)),
        },
    };
    view! {
        <li class=format!("stage-passed {kind}")>
            <button type="button" class="stage-name" on:click=move |_| select(session, Selection::Event(event))>{step.name()}</button>
            <p class="stage-said" title=said.clone()>{said.clone()}</p>
            <p class="stage-cost">{time}</p>
        </li>
    }
}
