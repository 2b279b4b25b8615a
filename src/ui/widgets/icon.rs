//! The few signs that the fonts do not have, drawn on a grid of 12.

use leptos::prelude::*;

pub const PLAY: &str = "M2 1l9 5-9 5z";
pub const PAUSE: &str = "M2 1h3v10H2zM7 1h3v10H7z";
pub const STEP: &str = "M2 1l6 5-6 5zM9 1h2v10H9z";
pub const BACK: &str = "M10 1L4 6l6 5zM1 1h2v10H1z";
pub const START: &str = "M1 1h1.5v10H1zM7 1L3 6l4 5zM12 1L8 6l4 5z";
pub const CHECK: &str = "M1 6.5L2.5 5 5 7.5 9.5 2 11 3.5 5 10.5z";

#[component]
pub fn Icon(#[prop(into)] path: Signal<&'static str>) -> impl IntoView {
    view! { <svg viewBox="0 0 12 12" aria-hidden="true"><path d=move || path.get()></path></svg> }
}
