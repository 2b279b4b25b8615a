//! What can be done to the thing under the pointer: the inspector's verbs, where the hand already is.

use super::super::super::session::{Selection, Session};
use crate::lab::{Input, Lab};
use crate::projection::inspect::{self, Verb};
use leptos::ev::KeyboardEvent;
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Menu {
    pub what: Selection,
    /// In the window.
    pub x: f64,
    pub y: f64,
}

/// Room that the menu needs to the right of and below the pointer.
const MENU: (f64, f64) = (200.0, 340.0);

/// Where a menu goes that a key asked for: the middle of the focused thing.
pub fn place_of(event: &KeyboardEvent) -> (f64, f64) {
    let element = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    element.map_or((0.0, 0.0), |element| {
        let rect = element.get_bounding_client_rect();
        (rect.x() + rect.width() / 2.0, rect.y() + rect.height() / 2.0)
    })
}

/// What can be done to a selection.
pub fn verbs(lab: &Lab, what: Selection) -> Vec<Verb> {
    match what {
        Selection::Host(host) | Selection::Entry(host, _) => inspect::host_verbs(lab, host),
        Selection::Link(a, b) => inspect::link_verbs(lab, a, b),
        Selection::Packet(packet) => inspect::packet_verbs(lab, packet),
        Selection::Event(event) => inspect::packet_verbs(lab, crate::sim::PacketId(event.0)),
    }
}

#[component]
pub fn ContextMenu(menu: RwSignal<Option<Menu>>) -> impl IntoView {
    let session = expect_context::<Session>();
    let list = NodeRef::<html::Div>::new();
    // The first verb takes the focus when the menu opens.
    Effect::new(move |_| {
        if menu.get().is_some()
            && let Some(list) = list.get()
        {
            focus(list.first_element_child());
        }
    });
    let on_key = move |event: KeyboardEvent| {
        let here = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        match event.key().as_str() {
            "Escape" | "Tab" => menu.set(None),
            "ArrowDown" => focus(here.and_then(|here| here.next_element_sibling())),
            "ArrowUp" => focus(here.and_then(|here| here.previous_element_sibling())),
            _ => return,
        }
        event.prevent_default();
        event.stop_propagation();
    };
    let items = move |open: Menu| {
        let item = move |verb: Verb| {
            let act = move |_| {
                menu.set(None);
                session.act(Input::Fault(verb.fault));
            };
            view! { <button type="button" role="menuitem" on:click=act>{verb.label}</button> }
        };
        session.look(|timeline| verbs(timeline.lab(), open.what)).into_iter().map(item).collect_view()
    };
    let place = |open: Menu| {
        let window = web_sys::window().expect("a page has a window");
        let inner =
            |value: Result<wasm_bindgen::JsValue, _>| value.ok().and_then(|value| value.as_f64()).unwrap_or(1e4);
        let x = open.x.min(inner(window.inner_width()) - MENU.0).max(0.0);
        let y = open.y.min(inner(window.inner_height()) - MENU.1).max(0.0);
        format!("left:{x:.0}px;top:{y:.0}px")
    };
    move || {
        let open = menu.get()?;
        session.look(|timeline| !verbs(timeline.lab(), open.what).is_empty()).then(|| {
            view! {
                <div class="stage-menu-veil" on:pointerdown=move |_| menu.set(None)></div>
                <div class="stage-menu" role="menu" aria-label="What can be done" node_ref=list style=place(open) on:keydown=on_key>
                    {items(open)}
                </div>
            }
        })
    }
}

fn focus(element: Option<web_sys::Element>) {
    if let Some(element) = element.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) {
        // Refused only for what has left the page.
        element.focus().ok();
    }
}
