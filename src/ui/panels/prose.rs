//! A lesson's Markdown as elements. It comes as data, so nothing that a lesson's author writes becomes markup.

use crate::lab::Lab;
use crate::lesson::markdown::{Align, Block, Inline};
use crate::lesson::script;
use crate::sim::HostId;
use crate::ui::browse::Browse;
use crate::ui::layout::{Layout, Pane};
use crate::ui::session::{Selection, Session};
use crate::ui::stage::Stage;
use crate::ui::worlds::Worlds;
use leptos::prelude::*;

/// `special` shows the lesson's own blocks, by their number within the step.
pub fn show_blocks(blocks: &[Block], special: &dyn Fn(&Block) -> AnyView) -> Vec<AnyView> {
    blocks.iter().map(|block| show_block(block, special)).collect()
}

/// Prose without blocks of the lesson's own: an introduction, a hint, a reason.
#[component]
pub fn Prose(blocks: Vec<Block>) -> impl IntoView {
    view! { <div class="prose">{show_blocks(&blocks, &|_| ().into_any())}</div> }
}

fn show_block(block: &Block, special: &dyn Fn(&Block) -> AnyView) -> AnyView {
    match block {
        Block::Paragraph(inlines) => view! { <p>{show_inlines(inlines)}</p> }.into_any(),
        Block::Heading(3, inlines) => view! { <h4>{show_inlines(inlines)}</h4> }.into_any(),
        Block::Heading(_, inlines) => view! { <h5>{show_inlines(inlines)}</h5> }.into_any(),
        Block::List(first, items) => {
            let items = items.iter().map(|item| view! { <li>{show_item(item, special)}</li> }).collect_view();
            match first {
                Some(first) => view! { <ol start=first.to_string()>{items}</ol> }.into_any(),
                None => view! { <ul>{items}</ul> }.into_any(),
            }
        }
        Block::Quote(blocks) => view! { <blockquote>{show_blocks(blocks, special)}</blockquote> }.into_any(),
        Block::Code { text, .. } => view! { <pre tabindex="0"><code>{text.clone()}</code></pre> }.into_any(),
        Block::Table { align, head, rows } => show_table(align, head, rows),
        Block::Rule => view! { <hr/> }.into_any(),
        Block::Run(_) | Block::Predict(_) => special(block),
    }
}

/// An item of one paragraph needs no paragraph.
fn show_item(item: &[Block], special: &dyn Fn(&Block) -> AnyView) -> AnyView {
    match item {
        [Block::Paragraph(inlines)] => show_inlines(inlines).into_any(),
        _ => show_blocks(item, special).into_any(),
    }
}

fn show_table(align: &[Align], head: &[Vec<Inline>], rows: &[Vec<Vec<Inline>>]) -> AnyView {
    let style = |column: usize| match align.get(column) {
        Some(Align::Center) => "text-align:center",
        Some(Align::End) => "text-align:right",
        _ => "",
    };
    let cells = |cells: &[Vec<Inline>]| {
        let cell =
            |(column, inlines): (usize, &Vec<Inline>)| view! { <td style=style(column)>{show_inlines(inlines)}</td> };
        cells.iter().enumerate().map(cell).collect_view()
    };
    let heads = head.iter().enumerate();
    let heads =
        heads.map(|(column, inlines)| view! { <th scope="col" style=style(column)>{show_inlines(inlines)}</th> });
    view! {
        <div class="table-frame" tabindex="0" role="group" aria-label="Table">
            <table>
                <thead><tr>{heads.collect_view()}</tr></thead>
                <tbody>{rows.iter().map(|row| view! { <tr>{cells(row)}</tr> }).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

pub fn show_inlines(inlines: &[Inline]) -> Vec<AnyView> {
    inlines.iter().map(show_inline).collect()
}

fn show_inline(inline: &Inline) -> AnyView {
    match inline {
        Inline::Text(text) => text.clone().into_any(),
        Inline::Code(text) => view! { <code>{text.clone()}</code> }.into_any(),
        Inline::Emphasis(inner) => view! { <em>{show_inlines(inner)}</em> }.into_any(),
        Inline::Strong(inner) => view! { <strong>{show_inlines(inner)}</strong> }.into_any(),
        Inline::Link { href, text } => {
            view! { <a href=href.clone() target="_blank" rel="noopener noreferrer">{show_inlines(text)}</a> }.into_any()
        }
        Inline::Lesson { id, text } => {
            let worlds = expect_context::<Worlds>();
            let (href, id) = (format!("#lesson={id}"), id.clone());
            let go = move |event: web_sys::MouseEvent| {
                event.prevent_default();
                worlds.go_to_lesson(id.clone());
            };
            view! { <a href=href on:click=go>{show_inlines(text)}</a> }.into_any()
        }
        Inline::Stage { target, text } => {
            view! { <StageLink target=target.clone() text=Inline::plain(text)/> }.into_any()
        }
        Inline::Break => view! { <br/> }.into_any(),
    }
}

/// Words that point at something on the stage.
#[component]
fn StageLink(target: String, text: String) -> impl IntoView {
    let session = expect_context::<Session>();
    let layout = expect_context::<Layout>();
    let stage = expect_context::<Stage>();
    let browse = expect_context::<Browse>();
    let target = StoredValue::new(target);
    // Whether what it points at is what is selected.
    let pressed = move || {
        let selected = session.selection.get();
        let points = || session.look(|timeline| target.with_value(|target| pointed_at(timeline.lab(), target)));
        (selected.is_some() && selected == points()).to_string()
    };
    let point = move |_| {
        let what = session.look(|timeline| target.with_value(|target| pointed_at(timeline.lab(), target)));
        let key = target.with_value(|target| target.strip_prefix("key/").map(str::to_owned));
        match target.with_value(|target| pane_of(target)) {
            Pane::Stage => {
                layout.shown.set(Pane::Stage);
                stage.show(if key.is_some() { "keys" } else { "cluster" });
            }
            pane => layout.go_to(pane),
        }
        if let Some(key) = key {
            browse.key.set(Some(key.into()));
        }
        session.selection.set(if session.selection.get_untracked() == what { None } else { what });
    };
    view! { <button class="stage-link" type="button" aria-pressed=pressed on:click=point>{text}</button> }
}

fn pane_of(target: &str) -> Pane {
    match target.split('/').next() {
        Some("terminal") => Pane::Terminals,
        Some("timeline") => Pane::Timeline,
        _ => Pane::Stage,
    }
}

/// What a link to the stage means now; `None` for a pane as a whole, and for what is not there.
fn pointed_at(lab: &Lab, target: &str) -> Option<Selection> {
    let target = script::fill(target, lab).ok()?;
    let mut parts = target.split('/');
    let kind = parts.next()?;
    let host = |name: Option<&str>| -> Option<HostId> { lab.scenario().host_named(name?) };
    match kind {
        "member" => Some(Selection::Host(host(parts.next())?)),
        "log" => {
            let host = host(parts.next())?;
            let last = lab.member(host).map(|member| member.raft().last_index().0);
            let index = parts.next().and_then(|index| index.parse().ok()).or(last)?;
            Some(Selection::Entry(host, index))
        }
        "link" => Some(Selection::Link(host(parts.next())?, host(parts.next())?)),
        "messages" => lab.sim().network().in_flight().next().map(|packet| Selection::Packet(packet.id)),
        _ => None,
    }
}
