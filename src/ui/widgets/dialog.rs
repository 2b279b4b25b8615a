//! A dialog over the page: the browser's own, which keeps the focus inside and closes at Escape.

use leptos::html;
use leptos::prelude::*;

/// `children` are made anew each time it opens, so a form begins afresh.
#[component]
pub fn Dialog(open: RwSignal<bool>, title: &'static str, children: ChildrenFn) -> impl IntoView {
    let dialog = NodeRef::<html::Dialog>::new();
    Effect::new(move |_| {
        let Some(dialog) = dialog.get() else { return };
        match (open.get(), dialog.open()) {
            // Refused only for a dialog that is not in the page.
            (true, false) => drop(dialog.show_modal()),
            (false, true) => dialog.close(),
            _ => {}
        }
    });
    let children = StoredValue::new(children);
    // A click beside the panel lands on the dialog itself.
    let click = move |event: web_sys::MouseEvent| {
        if event.target().is_some() && event.target() == event.current_target() && outside(&event) {
            open.set(false);
        }
    };
    view! {
        <dialog node_ref=dialog aria-label=title on:close=move |_| open.set(false) on:click=click>
            <div class="dialog-head">
                <h2>{title}</h2>
                <button class="button" type="button" on:click=move |_| open.set(false)>"Close"</button>
            </div>
            <Show when=move || open.get()>{children.with_value(|children| children())}</Show>
        </dialog>
    }
}

fn outside(event: &web_sys::MouseEvent) -> bool {
    use wasm_bindgen::JsCast;
    let Some(element) = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok()) else { return false };
    let area = element.get_bounding_client_rect();
    let (x, y) = (f64::from(event.client_x()), f64::from(event.client_y()));
    x < area.left() || x > area.right() || y < area.top() || y > area.bottom()
}
