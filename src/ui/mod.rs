//! The page: the only module that may name `leptos`.
//!
//! It holds no rule of any protocol: what it shows is a projection of the lab, and what the learner does becomes an
//! input to it. So far it shows its name only.

pub mod session;

use leptos::prelude::*;

/// The whole page.
#[component]
pub fn App() -> impl IntoView {
    view! {
        <main>
            <h1>"Control Plane Lab"</h1>
        </main>
    }
}
