//! Short messages above the timeline: what just happened, what went wrong, and what can be done about it.

use leptos::prelude::*;
use std::time::Duration;

/// A message that asks for nothing goes by itself after this long.
const BRIEF: Duration = Duration::from_secs(9);
/// More than this many at once nobody reads; the oldest goes.
const SHOWN_MAX: usize = 4;

#[derive(Clone)]
pub struct Notice {
    id: u32,
    text: String,
    wrong: bool,
    actions: Vec<(&'static str, Callback<()>)>,
}

#[derive(Clone, Copy)]
pub struct Notices {
    list: RwSignal<Vec<Notice>>,
    next: StoredValue<u32>,
}

impl Default for Notices {
    fn default() -> Notices {
        Notices { list: RwSignal::new(Vec::new()), next: StoredValue::new(0) }
    }
}

impl Notices {
    /// Says something that may be missed.
    pub fn say(&self, text: impl Into<String>) {
        let id = self.push(text.into(), false, Vec::new());
        let notices = *self;
        set_timeout(move || notices.dismiss(id), BRIEF);
    }

    /// Says something that stays until it is dismissed, with what can be done about it.
    pub fn offer(&self, text: impl Into<String>, actions: Vec<(&'static str, Callback<()>)>) {
        self.push(text.into(), false, actions);
    }

    /// Something went wrong.
    pub fn complain(&self, text: impl Into<String>, actions: Vec<(&'static str, Callback<()>)>) {
        self.push(text.into(), true, actions);
    }

    fn push(&self, text: String, wrong: bool, actions: Vec<(&'static str, Callback<()>)>) -> u32 {
        let id = self.next.get_value();
        self.next.set_value(id + 1);
        self.list.update(|list| {
            list.retain(|notice| notice.text != text);
            if list.len() == SHOWN_MAX {
                list.remove(0);
            }
            list.push(Notice { id, text, wrong, actions });
        });
        id
    }

    fn dismiss(&self, id: u32) {
        // Timers may outlive the page's root.
        self.list.try_update(|list| list.retain(|notice| notice.id != id));
    }
}

#[component]
pub fn NoticeBoard() -> impl IntoView {
    let notices = expect_context::<Notices>();
    view! {
        <div class="notices" role="status" aria-live="polite">
            <For each=move || notices.list.get() key=|notice| notice.id let:notice>
                <OneNotice notice/>
            </For>
        </div>
    }
}

#[component]
fn OneNotice(notice: Notice) -> impl IntoView {
    let notices = expect_context::<Notices>();
    let id = notice.id;
    let dismiss = move |_| notices.dismiss(id);
    let act = move |action: Callback<()>| {
        notices.dismiss(id);
        action.run(());
    };
    let actions = notice.actions.into_iter();
    view! {
        <div class="notice" class:wrong=notice.wrong>
            <p>{notice.text}</p>
            {actions
                .map(|(label, action)| view! { <button class="button" type="button" on:click=move |_| act(action)>{label}</button> })
                .collect_view()}
            <button class="button bare" type="button" on:click=dismiss>"Dismiss"</button>
        </div>
    }
}
