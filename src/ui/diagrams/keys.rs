//! The keys of one member's store as a tree, and all about the one that is chosen.

mod sheet;

use super::super::browse::Browse;
use super::super::session::Session;
use super::empty::{Empty, Runnable};
use super::measure;
use super::revisions::{NoStore, said};
use super::rows::Rows;
use crate::lab::Topic;
use crate::projection::keys::{Ask, Folds, RowKind, Tree, TreeRow};
use bytes::Bytes;
use leptos::attr::custom::custom_attribute;
use leptos::ev::KeyboardEvent;
use leptos::html;
use leptos::prelude::*;
use sheet::Sheet;

/// Height of a row of the tree.
const ROW: f64 = 26.0;
/// How much further in each level begins, up to a depth at which the tree would leave its pane.
const INDENT: f64 = 14.0;
const DEPTH_MAX: usize = 8;
/// Rows beyond the edge that are made anyway, so that scrolling finds them.
const AHEAD: usize = 5;

#[component]
pub fn KeysView() -> impl IntoView {
    let session = expect_context::<Session>();
    let browse = expect_context::<Browse>();
    let pane = NodeRef::<html::Div>::new();
    let size = measure(pane);
    let list = Rows::new(ROW, AHEAD);
    let ask = Memo::new(move |_| {
        let (row_first, rows) = list.window(size.get().1);
        Ask {
            host: browse.host(),
            filter: browse.filter.get(),
            folds: browse.folds.get(),
            row_first,
            rows,
            cut: browse.cut.get(),
        }
    });
    let tree = session.observe(&[Topic::Mvcc, Topic::Raft], move |lab| Tree::of(lab, &ask.get()));
    let is_there = Memo::new(move |_| tree.with(Option::is_some));
    let refused = Memo::new(move |_| tree.with(|tree| tree.as_ref().is_some_and(|tree| tree.refused)));
    let is_empty = Memo::new(move |_| tree.with(|tree| tree.as_ref().is_some_and(|tree| tree.keys_all == 0)));
    view! {
        <section class="keys-view" aria-label="Keys">
            <Show when=move || is_there.get() fallback=|| view! { <NoStore /> }>
                <Tools tree />
                <div class="keys-pane" node_ref=pane>
                    <Show when=move || !refused.get() fallback=|| view! { <Refused /> }>
                        <Show when=move || !is_empty.get() fallback=|| view! { <NoKeys /> }>
                            <Branches tree list />
                        </Show>
                    </Show>
                    <Sheet />
                </div>
            </Show>
        </section>
    }
}

#[component]
fn Tools(tree: Memo<Option<Tree>>) -> impl IntoView {
    let browse = expect_context::<Browse>();
    let source = Memo::new(move |_| tree.with(|tree| tree.as_ref().map(|tree| tree.source.clone())));
    let keys = move || {
        tree.with(|tree| {
            let tree = tree.as_ref()?;
            let more = if tree.more { " and more, which only a filter finds" } else { "" };
            Some(match (tree.keys, tree.keys_all) {
                (found, all) if found == all => format!(" · {all} {}{more}", if all == 1 { "key" } else { "keys" }),
                (found, all) => format!(" · {found} of {all} keys{more}"),
            })
        })
    };
    let fold = move |all: bool| browse.folds.set(Folds { all, ..Folds::default() });
    view! {
        <div class="view-tools">
            <p class="view-source">{move || source.get().map(said)} {keys}</p>
            <input class="field view-filter" type="search" placeholder="Filter keys" aria-label="Filter keys" spellcheck="false"
                prop:value=move || browse.filter.get() on:input=move |event| browse.filter.set(event_target_value(&event)) />
            <div class="joined">
                <button class="button" type="button" on:click=move |_| fold(true)>"Fold all"</button>
                <button class="button" type="button" on:click=move |_| fold(false)>"Unfold"</button>
            </div>
        </div>
        {move || browse.cut.get().map(|cut| view! {
            <p class="view-past">
                {format!("Read at revision {cut}. ")}
                <button class="link" type="button" on:click=move |_| browse.cut.set(None)>"Back to the newest"</button>
            </p>
        })}
    }
}

#[component]
fn Branches(tree: Memo<Option<Tree>>, list: Rows) -> impl IntoView {
    let browse = expect_context::<Browse>();
    let window =
        Memo::new(move |_| tree.with(|tree| tree.as_ref().map_or((0, 0), |tree| (tree.row_first, tree.rows_all))));
    let rows = Memo::new(move |_| tree.with(|tree| tree.as_ref().map_or(Vec::new(), |tree| tree.rows.clone())));
    // Where the keyboard stands: a folder, or the chosen key.
    let at = RwSignal::new(None::<Bytes>);
    let here = Memo::new(move |_| at.get().or_else(|| browse.key.get()));
    let place = Memo::new(move |_| {
        here.with(|here| rows.with(|rows| rows.iter().position(|row| Some(&row.path) == here.as_ref())))
    });
    let act = move |row: &TreeRow| match row.kind {
        RowKind::Folder { .. } => {
            browse.folds.update(|folds| folds.turn(&row.path));
            at.set(Some(row.path.clone()));
        }
        RowKind::Key { .. } => {
            at.set(None);
            browse.key.set(Some(row.path.clone()));
        }
    };
    let go = move |to: usize| {
        let (first, count) = window.get_untracked();
        let to = to.min(count.saturating_sub(1));
        let row = rows.with_untracked(|rows| rows.get(to.checked_sub(first)?).cloned());
        list.show(to);
        match row {
            Some(TreeRow { path, kind: RowKind::Key { .. }, .. }) => {
                at.set(None);
                browse.key.set(Some(path));
            }
            Some(TreeRow { path, .. }) => at.set(Some(path)),
            None => {}
        }
    };
    let on_key = move |event: KeyboardEvent| {
        let first = window.get_untracked().0;
        let stands = place.get_untracked().map_or(first, |place| first + place);
        let row = place.get_untracked().and_then(|place| rows.with_untracked(|rows| rows.get(place).cloned()));
        let folded = row.as_ref().and_then(|row| match row.kind {
            RowKind::Folder { folded, .. } => Some(folded),
            RowKind::Key { .. } => None,
        });
        match (event.key().as_str(), folded) {
            ("ArrowDown", _) => go(if place.get_untracked().is_some() { stands + 1 } else { stands }),
            ("ArrowUp", _) => go(stands.saturating_sub(1)),
            ("PageDown", _) => go(stands + 10),
            ("PageUp", _) => go(stands.saturating_sub(10)),
            ("ArrowRight", Some(true)) | ("ArrowLeft", Some(false)) | ("Enter", Some(_)) => {
                row.iter().for_each(act);
            }
            ("ArrowRight", _) => go(stands + 1),
            ("ArrowLeft", _) => {
                // To the folder that it is in.
                let depth = row.map_or(0, |row| row.depth);
                let above =
                    rows.with_untracked(|rows| rows.iter().take(stands - first).rposition(|row| row.depth < depth));
                if let Some(above) = above {
                    go(first + above);
                }
            }
            _ => return,
        }
        event.prevent_default();
    };
    let line = move |path: Bytes| {
        let mine = path.clone();
        let row = Memo::new(move |_| rows.with(|rows| rows.iter().find(|row| row.path == mine).cloned()));
        let own = path.clone();
        let is_here = Memo::new(move |_| here.with(|here| here.as_ref() == Some(&own)));
        let own = path.clone();
        let number = Memo::new(move |_| rows.with(|rows| rows.iter().position(|row| row.path == own)));
        let of = move |part: fn(&TreeRow) -> String| move || row.with(|row| row.as_ref().map_or(String::new(), part));
        let indent = move || row.with(|row| row.as_ref().map_or(0.0, |row| row.depth.min(DEPTH_MAX) as f64 * INDENT));
        let expanded = move || {
            row.with(|row| match row.as_ref()?.kind {
                RowKind::Folder { folded, .. } => Some((!folded).to_string()),
                RowKind::Key { .. } => None,
            })
        };
        let level = move || row.with(|row| row.as_ref().map_or(1, |row| row.depth + 1));
        let note = of(|row| match row.kind {
            RowKind::Folder { keys, .. } if row.holds.is_empty() => {
                format!("{keys} {}", if keys == 1 { "key" } else { "keys" })
            }
            RowKind::Folder { keys, .. } => format!("{} · {keys}", row.holds),
            RowKind::Key { revision } => format!("rev {revision}"),
        });
        let click = move |_| {
            row.with_untracked(|row| row.iter().for_each(act));
        };
        view! {
            <div
                class="keys-row"
                role="treeitem"
                id=move || number.get().map(|number| format!("keys-row-{number}"))
                {..custom_attribute("aria-level", level)}
                aria-expanded=expanded
                aria-selected=move || is_here.get().to_string()
                style:height=format!("{ROW}px")
                style:padding-left=move || format!("{}px", 20.0 + indent())
                title=of(|row| crate::projection::words::text(&row.path))
                on:click=click
            >
                <svg class="fold" width="9" height="9" viewBox="0 0 9 9" aria-hidden="true"
                    style:visibility=move || if expanded().is_some() { "visible" } else { "hidden" }>
                    <path d=move || if expanded().as_deref() == Some("true") { "M1 3 L4.5 6.5 L8 3" } else { "M3 1 L6.5 4.5 L3 8" } />
                </svg>
                <span class="name">{of(|row| row.name.clone())}</span>
                <span class="note">{note}</span>
            </div>
        }
    };
    let paths = Memo::new(move |_| rows.with(|rows| rows.iter().map(|row| row.path.clone()).collect::<Vec<_>>()));
    view! {
        <div
            class="view-scroll keys-tree"
            node_ref=list.frame
            role="tree"
            tabindex="0"
            aria-label="Keys of the store"
            aria-activedescendant=move || place.get().map(|place| format!("keys-row-{place}"))
            on:scroll=move |_| list.follow()
            on:keydown=on_key
        >
            <div class="keys-all" role="presentation" style:height=move || format!("{}px", list.y(window.get().1))>
                <div role="presentation" style:transform=move || format!("translateY({}px)", list.y(window.get().0))>
                    <For each=move || paths.get() key=Bytes::clone children=line />
                </div>
            </div>
        </div>
    }
}

#[component]
fn NoKeys() -> impl IntoView {
    view! {
        <Empty title="No keys">
            <p>"Keys appear here as a tree, with a branch at each slash. Write one:"</p>
            <Runnable line="etcdctl put /shelf/a 'first edition'".to_owned() />
        </Empty>
    }
}

#[component]
fn Refused() -> impl IntoView {
    view! {
        <Empty title="Compacted">
            <p>"A read of this revision is refused: what it asks for is gone."</p>
            <p class="wrong">"etcdserver: mvcc: required revision has been compacted"</p>
        </Empty>
    }
}
