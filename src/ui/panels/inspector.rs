//! What is selected, what it does, why it came about and what followed. With nothing selected: what happened last.

use super::super::diagrams::cluster::menu::verbs;
use super::super::session::{Selection, Session};
use crate::lab::{Input, Lab, Timeline};
use crate::projection::inspect::{self, Sheet, Verb};
use crate::projection::why::{self, Chain, Step};
use crate::projection::words;
use crate::sim::{EventId, SimTime};
use leptos::prelude::*;

/// Steps of a chain that are told at first, and when all are asked for.
const STEPS: usize = 9;
const STEPS_ALL: usize = 200;
/// First effects that are listed.
const FOLLOWED: usize = 7;

#[derive(Clone, Debug, Default, PartialEq)]
struct Told {
    sheet: Option<Sheet>,
    chain: Chain,
    followed: Vec<Step>,
    verbs: Vec<Verb>,
    /// When it happened, and whether that is after the playhead.
    at: Option<SimTime>,
    ahead: bool,
}

impl Told {
    fn of(timeline: &Timeline, what: Selection, steps_max: usize) -> Told {
        let lab = timeline.lab();
        let (sheet, lab) = match what {
            Selection::Host(host) => (Some(inspect::host(lab, host)), lab),
            Selection::Link(a, b) => (Some(inspect::link(lab, a, b)), lab),
            Selection::Entry(host, index) => (inspect::entry(lab, host, index), lab),
            Selection::Packet(packet) => {
                let lab = knowing(timeline, EventId(packet.0));
                (inspect::packet(lab, packet), lab)
            }
            Selection::Event(event) => {
                let lab = knowing(timeline, event);
                (inspect::event(lab, event), lab)
            }
        };
        let event = sheet.as_ref().and_then(|sheet| sheet.event);
        let at = event.and_then(|event| lab.event(event)).map(|event| event.at);
        Told {
            chain: event.map(|event| why::why(lab, event, steps_max)).unwrap_or_default(),
            followed: event.map(|event| why::followed(lab, event, FOLLOWED)).unwrap_or_default(),
            verbs: verbs(timeline.lab(), what),
            ahead: at.is_some_and(|at| at > timeline.lab().now()),
            at,
            sheet,
        }
    }
}

/// The world that knows of an event: the one at the playhead, or the branch's whole life for one that is still to come.
fn knowing(timeline: &Timeline, event: EventId) -> &Lab {
    if timeline.lab().event(event).is_some() { timeline.lab() } else { timeline.tip() }
}

#[component]
pub fn Inspector() -> impl IntoView {
    let session = expect_context::<Session>();
    let whole = RwSignal::new(false);
    // What is opened anew is told briefly again.
    Effect::new(move |_| {
        session.selection.track();
        whole.set(false);
    });
    let told = session.observe_time(move |timeline| {
        let what = session.selection.get()?;
        Some(Told::of(timeline, what, if whole.get() { STEPS_ALL } else { STEPS }))
    });
    view! {
        <section class="inspector" aria-label="Inspector">
            {move || match told.get() {
                Some(told) => view! { <Selected told whole /> }.into_any(),
                None => view! { <Overview /> }.into_any(),
            }}
        </section>
    }
}

#[component]
fn Selected(told: Told, whole: RwSignal<bool>) -> impl IntoView {
    let session = expect_context::<Session>();
    let Told { sheet, chain, followed, verbs, at, ahead } = told;
    let Some(sheet) = sheet else {
        return view! {
            <Close />
            <p class="inspector-kind">"Selected"</p>
            <p class="inspector-empty">"This is not there at the playhead: it is still to come, or so long ago that it is forgotten."</p>
        }
        .into_any();
    };
    let row = |(name, value): (&'static str, String)| view! { <dt>{name}</dt> <dd>{value}</dd> };
    let button = move |verb: Verb| {
        let fault = verb.fault;
        view! { <button type="button" class="verb" on:click=move |_| session.act(Input::Fault(fault))>{verb.label}</button> }
    };
    let go = at.map(|at| {
        view! {
            <button type="button" class="verb" on:click=move |_| session.seek(at)>
                {if ahead { "Go on to this moment" } else { "Go to this moment" }}
            </button>
        }
    });
    let has_chain = !chain.steps.is_empty();
    view! {
        <Close />
        <p class="inspector-kind">{sheet.kind} {ahead.then_some(", still to come")}</p>
        <h2 class="inspector-title">{sheet.title}</h2>
        <dl class="facts">{sheet.rows.into_iter().map(row).collect_view()}</dl>
        {(!sheet.list.is_empty()).then(|| view! {
            <ul class="facts-list">{sheet.list.into_iter().map(|line| view! { <li>{line}</li> }).collect_view()}</ul>
        })}
        {sheet.effect.map(|effect| view! { <p class="effect">{effect}</p> })}
        <div class="verbs">{verbs.into_iter().map(button).collect_view()} {go}</div>
        {has_chain.then(|| view! { <h3>"Why?"</h3> <Causes chain whole /> })}
        {(!followed.is_empty()).then(|| view! {
            <h3>"What followed"</h3>
            <ol class="chain">{followed.into_iter().map(|step| view! { <Link step last=false /> }).collect_view()}</ol>
        })}
    }
    .into_any()
}

#[component]
fn Close() -> impl IntoView {
    let session = expect_context::<Session>();
    view! {
        <button type="button" class="inspector-close" aria-label="Close" on:click=move |_| session.selection.set(None)>
            <svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true"><path d="M2 2 L10 10 M10 2 L2 10" /></svg>
        </button>
    }
}

#[component]
fn Causes(chain: Chain, whole: RwSignal<bool>) -> impl IntoView {
    let hidden = chain.hidden;
    let count = chain.steps.len();
    let step = move |(position, step): (usize, Step)| {
        let more = (position == 1 && hidden > 0).then(|| {
            view! {
                <li class="more">
                    <button type="button" on:click=move |_| whole.set(true)>{format!("… {hidden} more")}</button>
                </li>
            }
        });
        view! { {more} <Link step last=position + 1 == count /> }
    };
    view! { <ol class="chain">{chain.steps.into_iter().enumerate().map(step).collect_view()}</ol> }
}

#[component]
fn Link(step: Step, last: bool) -> impl IntoView {
    let session = expect_context::<Session>();
    let event = step.event;
    view! {
        <li class:last=last>
            <button type="button" class="cause" on:click=move |_| session.selection.set(Some(Selection::Event(event)))>
                <span class="cause-text">{step.text}</span>
                {step.command.map(|command| view! { <code>{command}</code> })}
                <span class="cause-at">{words::moment(step.at)}</span>
            </button>
        </li>
    }
}

/// With nothing selected.
#[component]
fn Overview() -> impl IntoView {
    let session = expect_context::<Session>();
    let recent = session.observe(&[crate::lab::Topic::Chronicle], inspect::recent);
    let mark = move |(event, at, text): (EventId, SimTime, String)| {
        let pick = move |_| {
            session.playing.set(false);
            session.selection.set(Some(Selection::Event(event)));
        };
        view! {
            <li>
                <button type="button" class="cause" on:click=pick>
                    <span class="cause-text">{text}</span>
                    <span class="cause-at">{words::moment(at)}</span>
                </button>
            </li>
        }
    };
    view! {
        <p class="inspector-kind">"Inspector"</p>
        <h2 class="inspector-title">"Pick anything"</h2>
        <p class="inspector-guide">
            "A member, a wire, a message, a log cell or a mark on the timeline. Time stops, and here stands what it is, why it came about and what followed."
        </p>
        <h3>"What happened last"</h3>
        <ol class="recent"><For each=move || recent.get() key=|mark| mark.clone() children=mark /></ol>
    }
}
