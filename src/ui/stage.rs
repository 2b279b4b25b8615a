//! The stage: views of the world, one at a time or two side by side where there is room. Remembered in the browser.
//!
//! A view that is not shown is not there: it is made when it is chosen and ends when another is, and its memos with it.
//! What should outlive that (a filter, a chosen key) is the page's, not the view's.

use super::browser;
use super::diagrams::{
    ApiServerView, ClusterView, KeysView, MetricsView, RevisionsView, SequenceView, WatchesView, measure,
};
use super::store;
use leptos::ev::KeyboardEvent;
use leptos::html;
use leptos::prelude::*;

/// A view, as the stage's tabs, the keyboard and lessons name it.
pub struct Listed {
    pub key: &'static str,
    name: &'static str,
    pub title: &'static str,
    draw: fn() -> AnyView,
}

/// Every view that there is, by key. A new one is one line here.
pub const VIEWS: &[Listed] = &[
    Listed { key: "1", name: "cluster", title: "Cluster", draw: || view! { <ClusterView/> }.into_any() },
    Listed { key: "2", name: "sequence", title: "Sequence", draw: || view! { <SequenceView/> }.into_any() },
    Listed { key: "3", name: "revisions", title: "Revisions", draw: || view! { <RevisionsView/> }.into_any() },
    Listed { key: "4", name: "keys", title: "Keys", draw: || view! { <KeysView/> }.into_any() },
    Listed { key: "5", name: "watches", title: "Watches", draw: || view! { <WatchesView/> }.into_any() },
    Listed { key: "7", name: "metrics", title: "Metrics", draw: || view! { <MetricsView/> }.into_any() },
    Listed { key: "9", name: "apiserver", title: "API server", draw: || view! { <ApiServerView/> }.into_any() },
];

/// A stage narrower than this holds one view, whatever was asked for.
const TWO_WIDTH_MIN: f64 = 860.0;

/// What the stage shows. A copy is the same handle.
#[derive(Clone, Copy)]
pub struct Stage {
    /// The view in each half, by its place in [`VIEWS`]. Never the same in both.
    halves: [RwSignal<usize>; 2],
    /// Two views are wanted.
    split: RwSignal<bool>,
    /// There is room for two.
    wide: RwSignal<bool>,
    /// The half that was last used: keys and links change that one.
    used: RwSignal<usize>,
}

impl Stage {
    /// As it was left: `cluster`, or `cluster revisions` for two.
    pub fn remembered() -> Stage {
        let text = store::read(store::VIEWS).unwrap_or_default();
        let mut names = text.split(' ').filter_map(place_of);
        let first = names.next().unwrap_or(0);
        let second = names.next().filter(|second| *second != first);
        Stage {
            halves: [first, second.unwrap_or_else(|| other_than(first))].map(RwSignal::new),
            split: RwSignal::new(second.is_some()),
            wide: RwSignal::new(false),
            used: RwSignal::new(0),
        }
    }

    fn remember(&self) {
        let [first, second] = self.halves.map(|half| VIEWS[half.get_untracked()].name);
        let two = self.split.get_untracked();
        store::write(store::VIEWS, &if two { format!("{first} {second}") } else { first.to_owned() });
    }

    /// Whether two views are on the stage now.
    fn is_two(&self) -> bool {
        self.split.get() && self.wide.get()
    }

    /// Brings a view onto the stage, unless it is there. One that the page does not have changes nothing.
    pub fn show(&self, name: &str) {
        if let Some(view) = place_of(name) {
            let seen = if untrack(|| self.is_two()) { &self.halves[..] } else { &self.halves[..1] };
            if !seen.iter().any(|half| half.get_untracked() == view) {
                self.choose(self.half_in_use(), view);
            }
        }
    }

    /// The key of a view was pressed; `false` if it is no view's.
    pub fn press(&self, key: &str) -> bool {
        let Some(view) = VIEWS.iter().position(|listed| listed.key == key) else { return false };
        self.show(VIEWS[view].name);
        true
    }

    fn half_in_use(&self) -> usize {
        if untrack(|| self.is_two()) { self.used.get_untracked() } else { 0 }
    }

    /// Puts a view into a half. If the other half has it, they change places.
    fn choose(&self, half: usize, view: usize) {
        let (this, other) = (self.halves[half], self.halves[1 - half]);
        let before = this.get_untracked();
        if before == view {
            return;
        }
        if other.get_untracked() == view {
            other.set(before);
        }
        this.set(view);
        self.remember();
    }

    fn set_split(&self, split: bool) {
        self.split.set(split);
        self.used.set(0);
        self.remember();
    }
}

fn place_of(name: &str) -> Option<usize> {
    VIEWS.iter().position(|listed| listed.name == name)
}

fn other_than(view: usize) -> usize {
    (view + 1) % VIEWS.len()
}

#[component]
pub fn StagePane() -> impl IntoView {
    let stage = expect_context::<Stage>();
    let pane = NodeRef::<html::Div>::new();
    let size = measure(pane);
    Effect::new(move |_| {
        let wide = size.get().0 >= TWO_WIDTH_MIN;
        if stage.wide.get_untracked() != wide {
            stage.wide.set(wide);
        }
    });
    let two = Memo::new(move |_| stage.is_two());
    view! {
        <div class="stage-halves" node_ref=pane>
            <Half half=0 />
            <Show when=move || two.get()>
                <Half half=1 />
            </Show>
        </div>
    }
}

/// Tabs, and the view that is chosen.
#[component]
fn Half(half: usize) -> impl IntoView {
    let stage = expect_context::<Stage>();
    let shown = stage.halves[half];
    let use_it = move || {
        if stage.used.get_untracked() != half {
            stage.used.set(half);
        }
    };
    let tab_id = move |view: usize| match half {
        0 => format!("tab-{}", VIEWS[view].name),
        _ => format!("tab-beside-{}", VIEWS[view].name),
    };
    let panel = if half == 0 { "stage-view" } else { "stage-view-beside" };
    let on_key = move |event: KeyboardEvent| {
        let (at, last) = (shown.get_untracked(), VIEWS.len() - 1);
        let to = match event.key().as_str() {
            "ArrowRight" => {
                if at == last {
                    0
                } else {
                    at + 1
                }
            }
            "ArrowLeft" => {
                if at == 0 {
                    last
                } else {
                    at - 1
                }
            }
            "Home" => 0,
            "End" => last,
            _ => return,
        };
        event.prevent_default();
        stage.choose(half, to);
        browser::focus(&tab_id(to));
    };
    // Where there is no room for all tabs, the chosen one is scrolled to.
    Effect::new(move |_| browser::reveal(&tab_id(shown.get())));
    let tab = move |view: usize| {
        let Listed { key, title, .. } = VIEWS[view];
        let chosen = move || shown.get() == view;
        view! {
            <button
                role="tab"
                type="button"
                id=tab_id(view)
                title=format!("{title} ({key})")
                data-title=title
                aria-selected=move || chosen().to_string()
                aria-controls=panel
                tabindex=move || if chosen() { "0" } else { "-1" }
                on:click=move |_| stage.choose(half, view)
            >
                {title}
            </button>
        }
    };
    view! {
        <section class="stage-half" on:focusin=move |_| use_it() on:pointerdown=move |_| use_it()>
            <div class="stage-head">
                <div class="stage-tabs" role="tablist" aria-label=if half == 0 { "Views" } else { "Views beside" } on:keydown=on_key>
                    {(0..VIEWS.len()).map(tab).collect_view()}
                </div>
                <Beside half />
            </div>
            <div class="stage-view" id=panel role="tabpanel" aria-labelledby=move || tab_id(shown.get())>
                {move || (VIEWS[shown.get()].draw)()}
            </div>
        </section>
    }
}

/// Adds a second view where there is room for one, or takes it away.
#[component]
fn Beside(half: usize) -> impl IntoView {
    let stage = expect_context::<Stage>();
    let offered = Memo::new(move |_| match half {
        0 => stage.wide.get() && !stage.split.get() && VIEWS.len() > 1,
        _ => true,
    });
    let label = if half == 0 { "Side by side" } else { "Only one view" };
    view! {
        <Show when=move || offered.get()>
            <button class="stage-beside" type="button" on:click=move |_| stage.set_split(half == 0)>{label}</button>
        </Show>
    }
}
