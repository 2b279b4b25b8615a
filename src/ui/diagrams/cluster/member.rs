//! One member's card: role, log strip, commit mark, votes, election timer; and the learner's workstation.

use super::super::super::session::{Selection, Session};
use super::super::select;
use super::menu::{self, Menu};
use super::{is_menu_key, is_press, term_class};
use crate::lab::Topic;
use crate::projection::cluster::{self, Cell, MemberView, Running, Standing, Timer};
use crate::projection::layout::cluster::{Density, Plan};
use crate::projection::words;
use crate::raft::StateType;
use crate::sim::{HostId, SimTime};
use leptos::ev::{KeyboardEvent, MouseEvent};
use leptos::prelude::*;

/// Where the parts of a card are, from its upper left corner.
#[derive(Clone, Copy)]
struct Sizes {
    pad: f64,
    name_y: f64,
    emblem: f64,
    strip_y: f64,
    strip_h: f64,
    notes_y: f64,
    status_y: f64,
    width: f64,
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
            Standing::Refused(_) => "refused",
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
            <path class="prompt" d=move || format!("M{:.1} {:.1} l5 5 l-5 5", rect().w / 2.0 - 26.0, rect().h / 2.0 - 5.0) />
            <text class="name" x=move || rect().w / 2.0 + 4.0 y=move || rect().h / 2.0 + 5.0 text-anchor="middle">"you"</text>
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
    let head = move || {
        let sizes = Sizes::of(density.get());
        let view = view.get();
        let (role, class) = standing(&view, density.get());
        view! {
            <text class="name" x=sizes.pad + 2.0 * sizes.emblem + 7.0 y=sizes.name_y>{view.name.clone()}</text>
            <text class=format!("role {class}") x=sizes.width - sizes.pad y=sizes.name_y text-anchor="end">{role}</text>
        }
    };
    let body = move || {
        let sizes = Sizes::of(density.get());
        let view = view.get();
        match view.state {
            Standing::Running(running) => {
                let status = status(&running, view.disk_factor, density.get());
                view! {
                    <Strip host running=*running sizes density=density.get() />
                    <text class="status" x=sizes.pad y=sizes.status_y>{status}</text>
                }
                .into_any()
            }
            Standing::Off(held) => view! { <Strip host running=*held sizes density=density.get() /> }.into_any(),
            Standing::Refused(why) => {
                view! { <text class="status fault" x=sizes.pad y=sizes.notes_y>{why}</text> }.into_any()
            }
        }
    };
    let sizes = move || Sizes::of(density.get());
    let flash = move |value: u64| if value.is_multiple_of(2) { "flash-a" } else { "flash-b" };
    let here = move || match session.selection.get() {
        Some(Selection::Entry(of, index)) if of == host => Some(index),
        _ => None,
    };
    let strip_place = move || {
        let index = here()?;
        let view = view.read();
        let (shown, x_of) = strip(view.running()?, sizes(), density.get());
        let position = shown.iter().position(|cell| cell.index == index)?;
        Some((x_of(position), x_of(position + 1) - x_of(position) - 1.5))
    };
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
        Standing::Refused(_) => ("refuses to start".to_owned(), "fault"),
        Standing::Running(running) => {
            let class = match running.role {
                StateType::Leader => "leader",
                StateType::Candidate | StateType::PreCandidate => "candidate",
                StateType::Follower => "follower",
            };
            let role = cluster::role(running.role);
            let short = density == Density::Small || (density == Density::Medium && role.len() > 9);
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
        Density::Small => format!("term {} · rev {}", running.term, running.revision),
    }
}

/// Rough width of a character of a note.
const CHAR: f64 = 6.0;
/// Gap between two cells, and the width that the newest one needs for its index.
const CELL_GAP: f64 = 1.5;

/// The cells that have room, and where each begins: the newest is wider, for its index.
fn strip(running: &Running, sizes: Sizes, density: Density) -> (Vec<Cell>, impl Fn(usize) -> f64 + use<>) {
    let shown: Vec<Cell> = running.cells[running.cells.len().saturating_sub(density.cells())..].to_vec();
    let room = sizes.width - 2.0 * sizes.pad - OLDER;
    let newest = newest_width(running.last);
    let each = ((room - newest) / (density.cells() as f64 - 1.0)).floor();
    let count = shown.len();
    let start = sizes.pad + OLDER;
    (shown, move |position| {
        let plain = start + each * position as f64;
        if position >= count { plain - each + newest } else { plain }
    })
}

/// Room at the left for the mark of older entries.
const OLDER: f64 = 12.0;

fn newest_width(last: u64) -> f64 {
    8.0 + 6.2 * last.max(10).to_string().len() as f64
}

#[component]
fn Strip(host: HostId, running: Running, sizes: Sizes, density: Density) -> impl IntoView {
    let session = expect_context::<Session>();
    let (shown, x_of) = strip(&running, sizes, density);
    let older = shown.first().map_or(0, |cell| cell.index - 1);
    let count = shown.len();
    let (y, height) = (sizes.strip_y, sizes.strip_h);
    let edge = |index: u64| {
        // Where the entry ends, also if it is older than what is shown.
        let position = shown.iter().position(|cell| cell.index == index);
        position.map_or(if index <= older { x_of(0) - CELL_GAP } else { x_of(count) }, |at| x_of(at + 1) - CELL_GAP)
    };
    let commit_x = edge(running.committed) + 0.5;
    let commit_text = if running.applied == running.committed {
        format!("committed {}", running.committed)
    } else {
        format!("committed {}, applied {}", running.committed, running.applied)
    };
    let far = commit_x > sizes.width * 0.72;
    let cells = shown.iter().enumerate().map(|(position, cell)| {
        let (cell, x, width) = (*cell, x_of(position), x_of(position + 1) - x_of(position) - CELL_GAP);
        let what = Selection::Entry(host, cell.index);
        let mut class = format!("cell {}", term_class(cell.term));
        class.push_str(if cell.committed { "" } else { " open" });
        let state = match (cell.committed, cell.durable) {
            (true, _) => "committed",
            (false, true) => "not committed",
            (false, false) => "not yet on disk",
        };
        let newest = position + 1 == count;
        view! {
            <g
                class=class
                role="button"
                tabindex="-1"
                aria-label=format!("entry {}, term {}, {state}", cell.index, cell.term)
                on:click=move |_| select(session, what)
            >
                <rect x=x y=y width=width height=height rx="2.5" />
                {(!cell.durable).then(|| view! { <rect class="undurable" x=x y=y width=width height=height rx="2.5" /> })}
                {newest.then(|| view! {
                    <text class="index" x=x + width / 2.0 y=y + height / 2.0 + 4.0 text-anchor="middle">{cell.index}</text>
                })}
            </g>
        }
    });
    // The vote stands on the side of the commit mark's text that has room for it.
    let text_start = if far { commit_x - CHAR * commit_text.chars().count() as f64 } else { sizes.pad };
    let vote_width = CHAR * running.vote.as_ref().map_or(0, |vote| vote.len() + "voted ".len()) as f64 + 8.0;
    let right = text_start < sizes.pad + vote_width;
    // Below the mark where there is room, else from the card's edge on.
    let notes_x = if far { commit_x } else { sizes.pad };
    let notes = (density != Density::Small || running.followers.is_empty()).then(|| view! {
        <text class="note" x=notes_x y=sizes.notes_y text-anchor=if far { "end" } else { "start" }>{commit_text}</text>
    });
    let vote = (running.followers.is_empty() && density == Density::Full).then(|| running.vote.clone()).flatten();
    let vote = vote.map(|vote| {
        view! {
            <text class="note" x=if right { sizes.width - sizes.pad } else { sizes.pad } y=sizes.notes_y
                text-anchor=if right { "end" } else { "start" }>{format!("voted {vote}")}</text>
        }
    });
    // Under the strip: each follower's number under the last entry that it is known to have, an arrow before the next one
    // that it will be sent.
    let (marks_y, reach) = (y + height + 9.0, if density == Density::Small { 4.5 } else { 5.5 });
    let followers = running.followers.clone();
    let marks = followers.iter().enumerate().map(|(position, follower)| {
        let beside = followers[..position].iter().filter(|other| other.matched == follower.matched).count() as f64;
        let x = (edge(follower.matched) - reach - beside * (2.0 * reach + 1.0)).max(reach);
        let number = follower.name.trim_start_matches("etcd-").to_owned();
        view! {
            <g class="progress" class:silent=!follower.active>
                <circle cx=x cy=marks_y r=reach />
                <text x=x y=marks_y + 3.1 text-anchor="middle">{number}</text>
            </g>
        }
    });
    let mut nexts: Vec<u64> = followers.iter().map(|follower| follower.next).collect();
    nexts.sort_unstable();
    nexts.dedup();
    let arrows = nexts.into_iter().map(|next| {
        let x = edge(next.saturating_sub(1)) + 2.5;
        view! { <path class="next" d=format!("M{x:.1} {marks_y:.1} h7 m-3 -3 l3 3 l-3 3") /> }
    });
    view! {
        {(older > 0).then(|| view! {
            <g class="older">
                <path d=format!("M{} {y:.1} v{height:.1} M{} {y:.1} v{height:.1} M{} {y:.1} v{height:.1}",
                    sizes.pad + 1.0, sizes.pad + 4.5, sizes.pad + 8.0) />
            </g>
        })}
        {cells.collect_view()}
        <line class="commit" x1=commit_x x2=commit_x y1=y - 4.0 y2=y + height + 4.0 />
        {marks.collect_view()}
        {arrows.collect_view()}
        {notes}
        {vote}
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
