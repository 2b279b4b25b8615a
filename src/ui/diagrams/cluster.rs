//! The cluster as it is at the playhead: members, wires, messages under way, and whether Raft's promises hold.
//!
//! Laid out in pixels of its pane. A frame costs what moved: a member is drawn anew only when something about it
//! changed, a message moves by its `transform` alone.

mod member;
pub mod menu;
mod server;
mod strip;
mod traffic;

use super::super::session::{Selection, Session, Speed};
use super::{measure, select};
use crate::lab::Topic;
use crate::projection::cluster::{self, WireView};
use crate::projection::layout::cluster::Plan;
use crate::sim::HostId;
use leptos::ev::{KeyboardEvent, MouseEvent};
use leptos::html;
use leptos::prelude::*;
use member::MemberCard;
use menu::{ContextMenu, Menu};
use server::ServerCard;
use traffic::{Flows, Messages};

/// The stage's view of the cluster.
#[component]
pub fn ClusterView() -> impl IntoView {
    let session = expect_context::<Session>();
    let pane = NodeRef::<html::Div>::new();
    let size = measure(pane);
    let machines = session.observe(&[Topic::Raft], |lab| (lab.machines().count(), lab.api_server_machines().count()));
    let plan = Memo::new(move |_| {
        let ((width, height), (members, servers)) = (size.get(), machines.get());
        Plan::of(members, servers, width, height)
    });
    let pairs = session.observe(&[Topic::Raft], WireView::pairs);
    let hosts = session.observe(&[Topic::Raft], cluster::hosts);
    let menu = RwSignal::new(None::<Menu>);
    provide_context(menu);
    let spoken = session.observe(&[Topic::Chronicle], cluster::announcement);
    view! {
        <section class="cluster" aria-label="Cluster">
            <div class="cluster-pane" node_ref=pane>
                <svg
                    class="cluster-svg"
                    role="group"
                    aria-label="Members, links and messages"
                    width=move || plan.read().width
                    height=move || plan.read().height
                    viewBox=move || format!("0 0 {} {}", plan.read().width, plan.read().height)
                >
                    <defs>
                        <pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
                            <line class="hatch" x1="0" y1="0" x2="0" y2="5" />
                        </pattern>
                    </defs>
                    <For each=move || pairs.get() key=|pair| *pair children=move |(a, b)| view! { <Wire a b plan /> } />
                    <Flows plan />
                    <For each=move || hosts.get() key=|host| *host children=move |host| card(host, plan) />
                    <Messages plan />
                </svg>
                <ContextMenu menu />
            </div>
            <Promises />
            <p class="visually-hidden" aria-live="polite">{move || spoken.get()}</p>
        </section>
    }
}

/// What stands for a machine.
fn card(host: HostId, plan: Memo<Plan>) -> AnyView {
    let session = expect_context::<Session>();
    match session.look(|timeline| timeline.lab().api_server_name(host).is_some()) {
        true => view! { <ServerCard host plan /> }.into_any(),
        false => view! { <MemberCard host plan /> }.into_any(),
    }
}

/// Virtual microseconds per real second now, or zero while time stands.
fn rate(session: Session) -> u64 {
    match (session.playing.get(), session.speed.get()) {
        (false, _) => 0,
        (true, Speed::Fixed(rate)) => rate,
        (true, Speed::Auto) if session.slow.get() => 2_000,
        (true, Speed::Auto) => 1_000_000,
    }
}

/// Enter or space on something that is no HTML button.
fn is_press(event: &KeyboardEvent) -> bool {
    matches!(event.key().as_str(), "Enter" | " ")
}

/// The key that asks for what can be done.
fn is_menu_key(event: &KeyboardEvent) -> bool {
    event.key() == "ContextMenu" || (event.key() == "F10" && event.shift_key()) || event.key() == "."
}

/// Name of the style that a term's colour is set by.
fn term_class(term: u64) -> String {
    format!("t{}", term % 6)
}

#[component]
fn Wire(a: HostId, b: HostId, plan: Memo<Plan>) -> impl IntoView {
    let session = expect_context::<Session>();
    let menu = expect_context::<RwSignal<Option<Menu>>>();
    let wire = session.observe(&[Topic::Network, Topic::Raft], move |lab| WireView::of(lab, a, b));
    let spoken = session.observe(&[Topic::Network, Topic::Raft], move |lab| WireView::of(lab, a, b).spoken(lab));
    let what = Selection::Link(a, b);
    let selected = move || session.selection.get() == Some(what);
    let ends = Memo::new(move |_| plan.read().wire(usize::from(a.0), usize::from(b.0)));
    // Of the workstation or an API server: lighter than those between members.
    let to_client = Memo::new(move |_| usize::from(b.0) >= plan.read().members.len());
    let open_menu = move |x: f64, y: f64| {
        select(session, what);
        menu.set(Some(Menu { what, x, y }));
    };
    let on_menu = move |event: MouseEvent| {
        event.prevent_default();
        open_menu(f64::from(event.client_x()), f64::from(event.client_y()));
    };
    let on_key = move |event: KeyboardEvent| {
        if is_press(&event) {
            event.prevent_default();
            select(session, what);
        } else if is_menu_key(&event) {
            event.prevent_default();
            let (x, y) = menu::place_of(&event);
            open_menu(x, y);
        }
    };
    let class = move || {
        let wire = wire.read();
        let mut class = "wire".to_owned();
        let states = [
            (wire.cut != [false, false], " cut"),
            (wire.dead, " dead"),
            (to_client.get(), " client"),
            (wire.label.is_some(), " odd"),
            (selected(), " selected"),
        ];
        states.iter().filter(|(holds, _)| *holds).for_each(|(_, name)| class.push_str(name));
        class
    };
    let note = move || {
        let wire = wire.read();
        let (from, to) = ends.get();
        let names = session.look(|timeline| {
            let lab = timeline.lab();
            (crate::projection::words::host(lab, a), crate::projection::words::host(lab, b))
        });
        let (at, text, mark) = match wire.cut {
            [true, true] => (from.towards(to, 0.5), Some("unreachable".to_owned()), true),
            [true, false] => (from.towards(to, 0.7), Some(format!("no way to {}", names.1)), true),
            [false, true] => (from.towards(to, 0.3), Some(format!("no way to {}", names.0)), true),
            [false, false] => (from.towards(to, 0.5), wire.label.clone(), false),
        };
        text.map(|text| {
            view! {
                <g class="wire-note" class:cut=mark transform=format!("translate({:.1} {:.1})", at.x, at.y)>
                    <path class="cross" d=if mark { "M-5 -5 L5 5 M-5 5 L5 -5" } else { "" } />
                    <text y=if mark { 18 } else { 4 }>{text}</text>
                </g>
            }
        })
    };
    view! {
        <g class=class>
            <line class="line" x1=move || ends.get().0.x y1=move || ends.get().0.y x2=move || ends.get().1.x y2=move || ends.get().1.y />
            <line
                class="hit"
                role="button"
                tabindex="0"
                aria-label=move || spoken.get()
                aria-pressed=move || selected().to_string()
                x1=move || ends.get().0.x
                y1=move || ends.get().0.y
                x2=move || ends.get().1.x
                y2=move || ends.get().1.y
                on:click=move |_| select(session, what)
                on:contextmenu=on_menu
                on:keydown=on_key
            />
            {note}
        </g>
    }
}

/// Raft's promises, each with whether it holds now.
#[component]
fn Promises() -> impl IntoView {
    let session = expect_context::<Session>();
    let promises = session.observe(&[Topic::Chronicle, Topic::Raft], cluster::promises);
    let line = move |promise: cluster::PromiseView| match promise.broken {
        None => view! {
            <li>
                <span class="holds" aria-hidden="true">"✓"</span>
                {promise.name}
                <span class="visually-hidden">" holds"</span>
            </li>
        }
        .into_any(),
        Some((at, event, what)) => view! {
            <li class="broken">
                <button type="button" on:click=move |_| select(session, Selection::Event(event))>
                    {format!("× {} broken at {}: {what}", promise.name, crate::projection::words::moment(at))}
                </button>
            </li>
        }
        .into_any(),
    };
    let holds = move || promises.read().iter().all(|promise| promise.broken.is_none());
    view! {
        <div class="promises">
            <span class="promises-title">{move || if holds() { "Safety holds" } else { "Safety broken" }}</span>
            <ul>{move || promises.get().into_iter().map(line).collect_view()}</ul>
        </div>
    }
}
