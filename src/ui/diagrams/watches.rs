//! Every watcher at every member: what it watches, how far it has come, and who is behind it.

use super::super::browse::Browse;
use super::super::session::{Selection, Session};
use super::super::stage::Stage;
use super::empty::{Empty, Runnable};
use super::select;
use crate::etcd::mvcc::WatcherGroup;
use crate::lab::Topic;
use crate::projection::watches::{Adrift, Ask, Heard, MemberView, StreamView, WatcherView, WatchesView as Seen};
use crate::projection::words;
use leptos::prelude::*;

/// Watchers of a member at first, and by how many more each time they are asked for.
const LIMIT: usize = 60;
/// How often what is shown is made anew, in virtual microseconds: progress is told by numbers, which the eye must follow.
const EVERY_US: u64 = 1_000;

#[component]
pub fn WatchesView() -> impl IntoView {
    let session = expect_context::<Session>();
    let behind = RwSignal::new(false);
    let limit = RwSignal::new(LIMIT);
    let tick = Memo::new(move |_| session.now().get().0 / EVERY_US);
    let view = session.observe(&[Topic::Raft, Topic::Mvcc, Topic::Terminal], move |lab| {
        // A memo that is only tracked is never made.
        tick.get();
        Seen::of(lab, &Ask { behind: behind.get(), limit: limit.get() })
    });
    let is_off = Memo::new(move |_| view.with(|view| view.members.is_empty()));
    let is_empty = Memo::new(move |_| view.with(Seen::is_empty));
    let hosts = Memo::new(move |_| view.with(|view| view.members.iter().map(|member| member.host).collect::<Vec<_>>()));
    let adrift = Memo::new(move |_| view.with(|view| view.adrift.clone()));
    let more = Memo::new(move |_| view.with(|view| view.members.iter().map(|member| member.more).sum::<usize>()));
    let member = move |host| {
        let member =
            Memo::new(move |_| view.with(|view| view.members.iter().find(|member| member.host == host).cloned()));
        view! { <Member member /> }
    };
    view! {
        <section class="watches" aria-label="Watches">
            <div class="view-tools">
                <p class="view-source">{move || if is_off.get() { "No member runs" } else { "Watchers, by the member that serves them" }}</p>
                <label class="view-check">
                    <input type="checkbox" prop:checked=move || behind.get() on:change=move |event| behind.set(event_target_checked(&event)) />
                    "Only those behind"
                </label>
            </div>
            <div class="view-scroll watches-list" tabindex="0" role="region" aria-label="Watchers by member">
                <Show when=move || is_empty.get()>
                    <NoWatches off=is_off />
                </Show>
                {move || { let adrift = adrift.get(); (!adrift.is_empty()).then(|| view! { <NoStream adrift /> }) }}
                <For each=move || hosts.get() key=|host| *host children=member />
                <Show when=move || { more.get() > 0 }>
                    <button class="button watches-more" type="button" on:click=move |_| limit.update(|limit| *limit *= 4)>
                        {move || format!("Show more: {} are not shown", words::count(more.get(), "watcher"))}
                    </button>
                </Show>
            </div>
        </section>
    }
}

#[component]
fn Member(member: Memo<Option<MemberView>>) -> impl IntoView {
    let session = expect_context::<Session>();
    let head = Memo::new(move |_| {
        member.with(|member| {
            member.as_ref().map(|member| (member.host, member.name.clone(), member.revision, member.counts))
        })
    });
    let streams = Memo::new(move |_| {
        member.with(|member| {
            member.as_ref().map_or(Vec::new(), |member| {
                member.streams.iter().map(|stream| (stream.id, stream.client.clone())).collect::<Vec<_>>()
            })
        })
    });
    let stream = move |(id, client): (u64, String)| {
        let stream = Memo::new(move |_| {
            member.with(|member| {
                member.as_ref().and_then(|member| member.streams.iter().find(|stream| stream.id == id).cloned())
            })
        });
        view! { <Stream stream client /> }
    };
    view! {
        {move || head.get().map(|(host, name, revision, counts)| view! {
            <div class="watches-member">
                <button class="link" type="button" on:click=move |_| select(session, Selection::Host(host))>{name}</button>
                <span class="at">{format!("revision {revision}")}</span>
                <span class="counts">{counts.text()}</span>
            </div>
        })}
        <For each=move || streams.get() key=|stream| stream.clone() children=stream />
    }
}

#[component]
fn Stream(stream: Memo<Option<StreamView>>, client: String) -> impl IntoView {
    let waiting = Memo::new(move |_| stream.with(|stream| stream.as_ref().map_or(0, |stream| stream.waiting)));
    let ids = Memo::new(move |_| {
        stream.with(|stream| {
            stream
                .as_ref()
                .map_or(Vec::new(), |stream| stream.watchers.iter().map(|watcher| watcher.id).collect::<Vec<_>>())
        })
    });
    let watcher = move |id: i64| {
        let watcher = Memo::new(move |_| {
            stream.with(|stream| {
                stream.as_ref().and_then(|stream| stream.watchers.iter().find(|watcher| watcher.id == id).cloned())
            })
        });
        view! { <Watcher watcher /> }
    };
    view! {
        <div class="watches-stream">
            <p class="watches-client">
                {format!("Stream to {client}")}
                {move || (waiting.get() > 0).then(|| view! {
                    <span class="slow">{format!(" · {} wait for the client to read", words::count(waiting.get(), "response"))}</span>
                })}
            </p>
            <ul><For each=move || ids.get() key=|id| *id children=watcher /></ul>
        </div>
    }
}

#[component]
fn Watcher(watcher: Memo<Option<WatcherView>>) -> impl IntoView {
    let browse = expect_context::<Browse>();
    let stage = expect_context::<Stage>();
    let filter = Memo::new(move |_| {
        watcher.with(|watcher| watcher.as_ref().map_or(String::new(), |watcher| watcher.filter.clone()))
    });
    let show_keys = move |_| {
        browse.filter.set(filter.get_untracked());
        stage.show("revisions");
    };
    let group = Memo::new(move |_| watcher.with(|watcher| watcher.as_ref().map(|watcher| watcher.group)));
    let class = move || match group.get() {
        Some(WatcherGroup::Synced) | None => "group",
        Some(WatcherGroup::Unsynced) => "group behind",
        Some(WatcherGroup::Victim { .. }) => "group victim",
        Some(WatcherGroup::Compacted) => "group ended",
    };
    let group_text = move || match group.get() {
        Some(WatcherGroup::Synced) | None => "synced".to_owned(),
        Some(WatcherGroup::Unsynced) => "unsynced: catching up".to_owned(),
        Some(WatcherGroup::Victim { waiting }) => {
            format!("victim: {} wait for room in its stream", words::count(waiting, "event"))
        }
        Some(WatcherGroup::Compacted) => "ended: its start was compacted".to_owned(),
    };
    let of = move |part: fn(&WatcherView) -> String| {
        Memo::new(move |_| watcher.with(|watcher| watcher.as_ref().map_or(String::new(), part)))
    };
    let keys = of(|watcher| watcher.keys.clone());
    let facts = of(|watcher| {
        let start =
            if watcher.start == 0 { "from its present".to_owned() } else { format!("from revision {}", watcher.start) };
        let mut facts = vec![format!("watch {}", watcher.id), start, format!("next {}", watcher.next)];
        if watcher.behind > 0 {
            facts.push(format!("{} behind", words::count(watcher.behind as usize, "revision")));
        }
        facts.extend(watcher.options.iter().map(|option| (*option).to_owned()));
        facts.push(match watcher.heard {
            Some(Heard::Cache(revision)) => format!("fills a watch cache, at revision {revision}"),
            Some(Heard::Events(seen)) if seen.events > 0 => {
                format!(
                    "{} received, the last of revision {}",
                    words::count(seen.events as usize, "event"),
                    seen.newest
                )
            }
            Some(Heard::Events(_)) => "no event received yet".to_owned(),
            None => "its client is gone".to_owned(),
        });
        facts.join(" · ")
    });
    let share = Memo::new(move |_| watcher.with(|watcher| watcher.as_ref().map_or(1_000, |watcher| watcher.share)));
    view! {
        <li class="watcher">
            <div class="watcher-head">
                <button class="link keys" type="button" title="Their revisions" on:click=show_keys>{keys}</button>
                <span class=class>{group_text}</span>
            </div>
            <div class="watcher-bar" class:whole=move || share.get() == 1_000 aria-hidden="true">
                <div style:width=move || format!("{:.1}%", f64::from(share.get()) / 10.0)></div>
            </div>
            <p class="watcher-facts">{facts}</p>
        </li>
    }
}

/// Watches that look for a member to carry them.
#[component]
fn NoStream(adrift: Vec<Adrift>) -> impl IntoView {
    let line = |watch: Adrift| {
        let from = if watch.from > 0 {
            format!("will go on from revision {}", watch.from)
        } else {
            "will begin at the present".to_owned()
        };
        view! {
            <li class="watcher">
                <div class="watcher-head"><span class="keys">{watch.keys}</span><span class="group victim">"no stream"</span></div>
                <p class="watcher-facts">{format!("{} · {from}", watch.client)}</p>
            </li>
        }
    };
    view! {
        <div class="watches-member"><strong>"Looking for a member"</strong></div>
        <div class="watches-stream"><ul>{adrift.into_iter().map(line).collect_view()}</ul></div>
    }
}

#[component]
fn NoWatches(off: Memo<bool>) -> impl IntoView {
    move || {
        match off.get() {
        true => view! {
            <Empty title="No member runs">
                <p>"Watches live in the memory of members. Give a machine its power back:"</p>
                <Runnable line="lab power-on etcd-1".to_owned() />
            </Empty>
        }
        .into_any(),
        false => view! {
            <Empty title="Nobody watches">
                <p>"A watch is a stream from one member to one client. It would stand here, with how far it has come. Begin one:"</p>
                <Runnable line="etcdctl watch --prefix /shelf".to_owned() terminal=1 />
            </Empty>
        }
        .into_any(),
    }
    }
}
