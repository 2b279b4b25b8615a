//! What a view says when it has nothing to show: what would be there, and the command that makes it appear.

use crate::ui::panels::typist::Typist;
use leptos::prelude::*;

#[component]
pub fn Empty(title: &'static str, children: Children) -> impl IntoView {
    view! {
        <div class="empty">
            <h3>{title}</h3>
            {children()}
        </div>
    }
}

/// A command that one click types into a terminal and enters.
#[component]
pub fn Runnable(line: String, #[prop(optional)] terminal: u8) -> impl IntoView {
    let typist = expect_context::<Typist>();
    let (typed, label) = (line.clone(), format!("Run: {line}"));
    view! {
        <button class="runnable" type="button" aria-label=label title=format!("Run it in terminal {}", terminal + 1)
            on:click=move |_| typist.type_text(terminal, typed.clone(), true)>
            <code>{line}</code>
        </button>
    }
}
