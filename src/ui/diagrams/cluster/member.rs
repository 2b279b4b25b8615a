//! One member's card: role, log strip, commit mark, votes, election timer; and the learner's workstation.

use super::super::super::session::{Selection, Session};
use super::super::select;
use super::menu::{self, Menu};
use super::strip::{Strip, StripView};
use super::{is_menu_key, is_press};
use crate::lab::Topic;
use crate::projection::cluster::{self, MemberView, Running, Standing, Timer};
use crate::projection::layout::cluster::{Density, Plan};
use crate::projection::words;
use crate::raft::StateType;
use crate::sim::{HostId, SimTime};
use leptos::ev::{KeyboardEvent, MouseEvent};
use leptos::prelude::*;

/// Where the parts of a card are, from its upper left corner.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub pad: f64,
    name_y: f64,
    emblem: f64,
    pub strip_y: f64,
    pub strip_h: f64,
    pub notes_y: f64,
    status_y: f64,
    pub width: f64,
}

impl Sizes {
    fn of(density: Density) -> Sizes {
        let (width, _) = density.card();
        match density {
            Density::Full => Sizes {
                pad: 12.0,
                name_y: 24.0,
                emblem: 11.0,
                strip_y: 38.0,
                strip_h: 24.0,
                notes_y: 88.0,
                status_y: 108.0,
                width,
            },
            Density::Medium => Sizes {
                pad: 9.0,
                name_y: 20.0,
                emblem: 9.0,
                strip_y: 31.0,
                strip_h: 20.0,
                notes_y: 75.0,
                status_y: 92.0,
                width,
            },
            Density::Small => Sizes {
                pad: 7.0,
                name_y: 17.0,
                emblem: 7.5,
                strip_y: 25.0,
                strip_h: 15.0,
                notes_y: 58.0,
                status_y: 73.0,
                width,
            },
            Density::Tiny => Sizes {
                pad: 7.0,
                name_y: 15.0,
                emblem: 6.5,
                strip_y: 21.0,
                strip_h: 13.0,
                notes_y: 53.0,
                status_y: 54.5,
                width,
            },
        }
    }
}

#[component]
pub fn MemberCard(host: HostId, plan: Memo<Plan>) -> impl IntoView {
    let session = expect_context::<Session>();
    let menu = expect_context::<RwSignal<Option<Menu>>>();
    let what = Selection::Host(host);
    let selected = move || session.selection.get() == Some(what);
    let is_member = move || usize::from(host.0) < plan.read().members.len();
    let rect = Memo::new(move |_| plan.read().host(usize::from(host.0)));
    let open_menu = move |x: f64, y: f64| {
        select(session, what);
        menu.set(Some(Menu { what, x, y }));
    };
    let on_menu = move |event: MouseEvent| {
        event.prevent_default();
        open_menu(f64::from(event.client_x()), f64::from(event.client_y()));
    };
    let view = session.observe(&[Topic::Raft], move |lab| MemberView::of(lab, host));
    let on_key = move |event: KeyboardEvent| {
        let cells = || view.with(|view| view.running().map(|running| running.cells.clone())).unwrap_or_default();
        match event.key().as_str() {
            // From the card along its log.
            "ArrowLeft" | "ArrowRight" if is_member() => {
                let cells = cells();
                let Some((first, last)) = cells.first().zip(cells.last()) else { return };
                let index = match session.selection.get_untracked() {
                    Some(Selection::Entry(of, index)) if of == host && event.key() == "ArrowLeft" => index - 1,
                    Some(Selection::Entry(of, index)) if of == host => index + 1,
                    _ => last.index,
                };
                select(session, Selection::Entry(host, index.clamp(first.index, last.index)));
            }
            _ if is_press(&event) => select(session, what),
            _ if is_menu_key(&event) => {
                let (x, y) = menu::place_of(&event);
                open_menu(x, y);
            }
            _ => return,
        }
        event.prevent_default();
    };
    let spoken = move || if is_member() { view.read().spoken() } else { "you, at your workstation".to_owned() };
    let class = move || {
        let role = match &view.read().state {
            _ if !is_member() => "workstation",
            Standing::Off(_) => "off",
            Standing::Down(_) => "refused",
            Standing::Running(running) => match running.role {
                StateType::Leader => "leader",
                StateType::Candidate | StateType::PreCandidate => "candidate",
                StateType::Follower => "follower",
            },
        };
        format!("member {role}{}", if selected() { " selected" } else { "" })
    };
    // Two names for one flash: changing between them starts it again.
    let elected = Memo::new(move |_| match view.read().running() {
        Some(running) if running.role == StateType::Leader => 1 + running.term.0 % 2,
        _ => 0,
    });
    view! {
        <g class=class transform=move || format!("translate({:.1} {:.1})", rect.get().x, rect.get().y) on:contextmenu=on_menu>
            <rect class="glow" class:flash-a=move || elected.get() == 1 class:flash-b=move || elected.get() == 2
                width=move || rect.get().w height=move || rect.get().h rx="7" />
            <rect
                class="card"
                role="button"
                tabindex="0"
                rx="7"
                width=move || rect.get().w
                height=move || rect.get().h
                aria-label=spoken
                aria-pressed=move || selected().to_string()
                on:click=move |_| select(session, what)
                on:keydown=on_key
            />
            {move || {
                if is_member() {
                    view! { <Contents host view plan /> }.into_any()
                } else {
                    view! { <Workstation plan /> }.into_any()
                }
            }}
        </g>
    }
}

#[component]
fn Workstation(plan: Memo<Plan>) -> impl IntoView {
    let rect = move || plan.read().workstation;
    view! {
        <g class="face" aria-hidden="true">
            <path class="prompt" d=move || format!("M{:.1} {:.1} l5 5 l-5 5", rect().w / 2.0 - 21.0, rect().h / 2.0 - 5.0) />
            <text class="name" x=move || rect().w / 2.0 + 5.0 y=move || rect().h / 2.0 + 5.0 text-anchor="middle">"you"</text>
        </g>
    }
}

#[component]
fn Contents(host: HostId, view: Memo<MemberView>, plan: Memo<Plan>) -> impl IntoView {
    let session = expect_context::<Session>();
    let density = Memo::new(move |_| plan.read().density);
    let committed = Memo::new(move |_| view.read().running().map_or(0, |running| running.committed));
    let durable = Memo::new(move |_| {
        view.read().running().map_or(0, |running| {
            running.cells.iter().filter(|cell| cell.durable).map(|cell| cell.index).max().unwrap_or(0)
        })
    });
    let name = Memo::new(move |_| view.read().name.clone());
    let role = Memo::new(move |_| standing(&view.read(), density.get()));
    let head = move || {
        let sizes = Sizes::of(density.get());
        view! {
            <text class="name" x=sizes.pad + 2.0 * sizes.emblem + 7.0 y=sizes.name_y>{move || name.get()}</text>
            <text class=move || format!("role {}", role.get().1) x=sizes.width - sizes.pad y=sizes.name_y text-anchor="end">
                {move || role.get().0}
            </text>
        }
    };
    let strip = Memo::new(move |_| match &view.read().state {
        Standing::Running(running) | Standing::Off(running) => {
            Some(StripView::of(running, Sizes::of(density.get()), density.get()))
        }
        Standing::Down(_) => None,
    });
    let status = Memo::new(move |_| match &view.read().state {
        Standing::Running(running) => status(running, view.read().disk_factor, density.get()),
        Standing::Off(_) => String::new(),
        Standing::Down(down) => down.why.clone(),
    });
    let has_log = Memo::new(move |_| strip.read().is_some());
    let body = move || {
        let density = density.get();
        let sizes = Sizes::of(density);
        let text = move || status.get();
        if has_log.get() {
            view! {
                <Strip host strip sizes density />
                <text class="status" x=sizes.pad y=sizes.status_y>{text}</text>
            }
            .into_any()
        } else {
            view! { <text class="status fault" x=sizes.pad y=sizes.notes_y>{text}</text> }.into_any()
        }
    };
    let sizes = move || Sizes::of(density.get());
    let flash = move |value: u64| if value.is_multiple_of(2) { "flash-a" } else { "flash-b" };
    let here = move || match session.selection.get() {
        Some(Selection::Entry(of, index)) if of == host => Some(index),
        _ => None,
    };
    let strip_place = move || strip.read().as_ref()?.cell(here()?);
    view! {
        <g class="face">
            <Emblem host view plan />
            {head}
            <rect class=move || format!("fsync-flash {}", flash(durable.get()))
                x=move || sizes().pad y=move || sizes().strip_y + sizes().strip_h + 1.0 width=move || sizes().width - 2.0 * sizes().pad height="2" />
            {body}
            <rect class=move || format!("commit-flash {}", flash(committed.get()))
                x=move || sizes().pad - 3.0 y=move || sizes().strip_y - 3.0 rx="4"
                width=move || sizes().width - 2.0 * sizes().pad + 6.0 height=move || sizes().strip_h + 6.0 />
            {move || strip_place().map(|(x, width)| view! {
                <rect class="cell-ring" x=x - 1.5 y=sizes().strip_y - 1.5 width=width + 3.0 height=sizes().strip_h + 3.0 rx="3.5" />
            })}
        </g>
    }
}

/// The role in words, and the style for it.
fn standing(view: &MemberView, density: Density) -> (String, &'static str) {
    match &view.state {
        Standing::Off(_) => ("powered off".to_owned(), "fault"),
        Standing::Down(down) => (down.state.to_owned(), "fault"),
        Standing::Running(running) => {
            let class = match running.role {
                StateType::Leader => "leader",
                StateType::Candidate | StateType::PreCandidate => "candidate",
                StateType::Follower => "follower",
            };
            let role = cluster::role(running.role);
            let short = density.is_terse() || (density == Density::Medium && role.len() > 9);
            let text = if short { role.to_owned() } else { format!("{role} · term {}", running.term) };
            (text, class)
        }
    }
}

fn status(running: &Running, disk_factor: u32, density: Density) -> String {
    let slow = if disk_factor > 1 { format!(" (disk ×{disk_factor})") } else { String::new() };
    let fsync = running.fsync.map_or_else(String::new, |took| format!(" · fsync {}{slow}", words::span(took)));
    match density {
        Density::Full => format!("rev {} · {}{fsync}", running.revision, words::bytes(running.db_bytes)),
        Density::Medium => format!("rev {}{fsync}", running.revision),
        // A leader's marks of its followers stand beside it.
        Density::Tiny if !running.followers.is_empty() => format!("term {}", running.term),
        Density::Small | Density::Tiny => format!("term {} · rev {}", running.term, running.revision),
    }
}

/// The mark before the name: an election timer that runs down, the votes of an election, a leader's full disc.
#[component]
fn Emblem(host: HostId, view: Memo<MemberView>, plan: Memo<Plan>) -> impl IntoView {
    let session = expect_context::<Session>();
    // When the timer was last seen to tick: between ticks it shrinks with time.
    let ticked = StoredValue::new((0_u32, SimTime::ZERO));
    let left = session.observe_time(move |timeline| {
        let lab = timeline.lab();
        let timer = Timer::of(lab, host)?;
        let (elapsed, at) = ticked.get_value();
        let at = if elapsed == timer.elapsed && at <= lab.now() { at } else { lab.now() };
        ticked.set_value((timer.elapsed, at));
        Some((timer.left(lab.now().since(at), lab.cluster().timing.heartbeat) * 400.0).round() as u32)
    });
    let sizes = move || Sizes::of(plan.read().density);
    let radius = move || sizes().emblem;
    let around = move || std::f64::consts::TAU * radius();
    let role = move || view.read().running().map(|running| running.role);
    let asks = move || matches!(role(), Some(StateType::Candidate | StateType::PreCandidate));
    // Each voter's mark is placed where the voter stands.
    let votes = move || {
        let view = view.read();
        let plan = plan.read();
        let here = plan.host(usize::from(host.0)).center();
        let votes = view.running().map(|running| running.votes.clone()).unwrap_or_default();
        let mark = votes.into_iter().map(|(voter, vote)| {
            let there = plan.host(usize::from(voter.0)).center();
            let distance = here.distance(there).max(1.0);
            let reach = if voter == host { 0.0 } else { sizes().emblem - 4.2 };
            let (x, y) = ((there.x - here.x) / distance * reach, (there.y - here.y) / distance * reach);
            let (class, path) = match vote {
                Some(true) => ("vote granted", ""),
                Some(false) => ("vote rejected", "M-2 -2 L2 2 M-2 2 L2 -2"),
                None => ("vote", ""),
            };
            view! {
                <g class=class transform=format!("translate({x:.1} {y:.1})")><circle r="2.3" /><path d=path /></g>
            }
        });
        mark.collect_view()
    };
    view! {
        <g class="emblem" aria-hidden="true"
            transform=move || format!("translate({:.1} {:.1})", sizes().pad + radius(), sizes().name_y - 5.0)>
            <circle class="track" r=radius />
            <circle
                class="timer"
                class:asks=asks
                r=radius
                transform="rotate(-90)"
                stroke-dasharray=around
                stroke-dashoffset=move || around() * (1.0 - f64::from(left.get().unwrap_or(0)) / 400.0)
            />
            <circle class="lead" r=move || if role() == Some(StateType::Leader) { radius() - 3.0 } else { 0.0 } />
            {move || asks().then(votes)}
        </g>
    }
}
