//! One API server from within: the requests that it works on, stage by stage, or its watch caches.

mod caches;
mod pipeline;

use super::super::browse::Browse;
use super::super::calls::Calls;
use super::super::session::Session;
use super::super::worlds::Worlds;
use super::empty::{Empty, Runnable};
use crate::lab::{Scenario, Topic};
use crate::projection::servers::{ServerView, Standing};
use crate::sim::HostId;
use caches::Caches;
use leptos::prelude::*;
use pipeline::Pipeline;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    Requests,
    Caches,
}

#[component]
pub fn ApiServerView() -> impl IntoView {
    let session = expect_context::<Session>();
    let calls = Calls::here();
    provide_context(calls);
    let page = RwSignal::new(Page::Requests);
    let own = RwSignal::new(false);
    let servers = session.observe(&[Topic::Raft], |lab| {
        lab.api_server_machines().map(|host| (host, crate::projection::words::host(lab, host))).collect::<Vec<_>>()
    });
    let server = session
        .observe(&[Topic::Raft, Topic::ApiServer], move |lab| calls.host(lab).map(|host| ServerView::of(lab, host)));
    let host = Memo::new(move |_| server.with(|server| server.as_ref().map(|server| server.host)));
    let runs = Memo::new(move |_| {
        server.with(|server| server.as_ref().is_some_and(|server| matches!(server.state, Standing::Running(_))))
    });
    let body = move || match (host.get(), page.get()) {
        (None, _) => view! { <NoServers /> }.into_any(),
        (Some(_), Page::Caches) if !runs.get() => view! { <NotRunning server /> }.into_any(),
        (Some(host), Page::Requests) => view! { <Pipeline host own /> }.into_any(),
        (Some(host), Page::Caches) => view! { <Caches host all=own /> }.into_any(),
    };
    view! {
        <section class="apiserver" aria-label="API server">
            <Show when=move || host.get().is_some()>
                <Tools servers server page own />
            </Show>
            {body}
        </section>
    }
}

#[component]
fn Tools(
    servers: Memo<Vec<(HostId, String)>>,
    server: Memo<Option<ServerView>>,
    page: RwSignal<Page>,
    own: RwSignal<bool>,
) -> impl IntoView {
    let session = expect_context::<Session>();
    let browse = expect_context::<Browse>();
    let host = Memo::new(move |_| server.with(|server| server.as_ref().map(|server| server.host)));
    let pick = move |to: HostId| {
        session.selection.set(None);
        browse.server.set(Some(to));
        browse.request.set(None);
    };
    let one = move |(this, name): (HostId, String)| {
        view! {
            <button class="button" type="button" aria-pressed=move || (host.get() == Some(this)).to_string() on:click=move |_| pick(this)>
                {name}
            </button>
        }
    };
    let said = move || {
        server.with(|server| {
            let server = server.as_ref()?;
            Some(match &server.state {
                Standing::Running(running) => format!("{} · {}", server.word(), running.text()),
                _ => server.word(),
            })
        })
    };
    let name = move || server.with(|server| server.as_ref().map(|server| server.name.clone()));
    let turn = move |to: Page, title: &'static str| {
        view! {
            <button class="button" type="button" aria-pressed=move || (page.get() == to).to_string() on:click=move |_| page.set(to)>{title}</button>
        }
    };
    let all = move || if page.get() == Page::Requests { "The server's own too" } else { "Empty ones too" };
    view! {
        <div class="view-tools">
            {move || {
                let servers = servers.get();
                match servers.len() {
                    1 => view! { <strong class="apiserver-name">{name}</strong> }.into_any(),
                    _ => view! { <div class="joined" role="group" aria-label="API servers">{servers.into_iter().map(one).collect_view()}</div> }.into_any(),
                }
            }}
            <p class="view-source">{said}</p>
            <label class="view-check">
                <input type="checkbox" prop:checked=move || own.get() on:change=move |event| own.set(event_target_checked(&event)) />
                {all}
            </label>
            <div class="joined" role="group" aria-label="What of the server">
                {turn(Page::Requests, "Requests")} {turn(Page::Caches, "Watch caches")}
            </div>
        </div>
    }
}

/// The same world with an API server.
#[component]
fn NoServers() -> impl IntoView {
    let session = expect_context::<Session>();
    let worlds = expect_context::<Worlds>();
    let begin = move |_| {
        let (scenario, seed) = session.look(|timeline| (*timeline.lab().scenario(), timeline.lab().seed()));
        worlds.open_new(Scenario { apiservers: 1, ..scenario }, seed);
    };
    view! {
        <Empty title="No API server">
            <p>"Each request that an API server gets would stand here with its stages: who asks, whether they may, what is made of the object, and what etcd said."</p>
            <button class="button" type="button" on:click=begin>"Begin this world anew with an API server"</button>
        </Empty>
    }
}

#[component]
fn NotRunning(server: Memo<Option<ServerView>>) -> impl IntoView {
    let line = move || {
        server.with(|server| {
            let server = server.as_ref()?;
            let verb = if server.state == Standing::Off { "power-on" } else { "start" };
            Some(format!("lab {verb} {}", server.name))
        })
    };
    view! {
        <Empty title="The server does not run">
            <p>"Watch caches live in its memory. What it served is in etcd, and it reads that again when it is started:"</p>
            {move || line().map(|line| view! { <Runnable line /> })}
        </Empty>
    }
}
