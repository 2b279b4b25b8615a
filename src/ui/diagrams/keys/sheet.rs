//! All about one key, in tabs: text, fields of Protobuf, bytes, what changed, the past. Below them its numbers, with what they mean.

use super::super::super::browse::Browse;
use super::super::super::browser;
use super::super::super::session::Session;
use crate::lab::Topic;
use crate::projection::keys::{Change, Diff, Facts, HexLine, KeyAsk, KeySheet, Part, Text, Write, hexdump, parts};
use crate::projection::words;
use leptos::ev::KeyboardEvent;
use leptos::prelude::*;

/// Lines of bytes at first, and by how many more each time they are asked for.
const HEX_LINES: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tab {
    Text,
    Fields,
    Bytes,
    Diff,
    History,
}

const TABS: [Tab; 5] = [Tab::Text, Tab::Fields, Tab::Bytes, Tab::Diff, Tab::History];

#[component]
pub fn Sheet() -> impl IntoView {
    let session = expect_context::<Session>();
    let browse = expect_context::<Browse>();
    let tab = RwSignal::new(Tab::Text);
    // What a lease has left changes with time alone.
    let seconds = Memo::new(move |_| session.now().get().0 / 1_000_000);
    let sheet = session.observe(&[Topic::Mvcc, Topic::Raft], move |lab| {
        seconds.get();
        KeySheet::of(lab, &KeyAsk { host: browse.host(), key: browse.key.get()?, cut: browse.cut.get() })
    });
    let of = move |part: fn(&KeySheet) -> String| {
        Memo::new(move |_| sheet.with(|sheet| sheet.as_ref().map_or(String::new(), part)))
    };
    let name = of(|sheet| sheet.name.clone());
    let is_there = Memo::new(move |_| sheet.with(Option::is_some));
    let facts = Memo::new(move |_| sheet.with(|sheet| sheet.as_ref().and_then(|sheet| sheet.facts.clone())));
    let absent = of(|sheet| match (&sheet.facts, sheet.refused) {
        (Some(_), _) => String::new(),
        (None, true) => "etcdserver: mvcc: required revision has been compacted".to_owned(),
        (None, false) if sheet.history.is_empty() => "This store has never heard of the key.".to_owned(),
        (None, false) => format!("Not there at revision {}.", sheet.at),
    });
    let choices = RwSignal::new(HEX_LINES);
    Effect::new(move |_| {
        browse.key.track();
        choices.set(HEX_LINES);
    });
    let form = of(|sheet| sheet.form.as_ref().map_or(String::new(), |form| form.text.clone()));
    let shown = move || match tab.get() {
        Tab::Fields => view! { <Fields sheet /> }.into_any(),
        Tab::Text => view! { <Plain sheet /> }.into_any(),
        Tab::Bytes => view! { <HexDump sheet lines=choices /> }.into_any(),
        Tab::Diff => view! { <Compared sheet /> }.into_any(),
        Tab::History => view! { <Past sheet /> }.into_any(),
    };
    view! {
        <div class="view-scroll keys-sheet" role="region" aria-label="The chosen key" tabindex="0">
            <Show when=move || is_there.get() fallback=|| view! { <p class="keys-hint">"Choose a key to see its value, its numbers and its past."</p> }>
                <h3 class="keys-name">{name}</h3>
                {move || { let absent = absent.get(); (!absent.is_empty()).then(|| view! { <p class="keys-absent">{absent}</p> }) }}
                {move || { let form = form.get(); (!form.is_empty()).then(|| view! { <p class="keys-hint">{form}</p> }) }}
                <Tabs tab sheet />
                <div class="keys-panel" role="tabpanel" id="keys-panel" aria-labelledby=move || tab_id(tab.get())>{shown}</div>
                {move || facts.get().map(|facts| view! { <Numbers facts /> })}
            </Show>
        </div>
    }
}

fn tab_id(tab: Tab) -> String {
    format!("keys-tab-{}", format!("{tab:?}").to_ascii_lowercase())
}

#[component]
fn Tabs(tab: RwSignal<Tab>, sheet: Memo<Option<KeySheet>>) -> impl IntoView {
    let title = move |which: Tab| {
        sheet.with(|sheet| match (which, sheet) {
            (Tab::Text, Some(KeySheet { text: Text::Yaml(_), .. })) => "YAML".to_owned(),
            (Tab::Text, Some(KeySheet { text: Text::Json(_), .. })) => "JSON".to_owned(),
            (Tab::Fields, _) => "Protobuf".to_owned(),
            (Tab::Text, _) => "Text".to_owned(),
            (Tab::Bytes, _) => "Bytes".to_owned(),
            (Tab::Diff, Some(KeySheet { diff: Some(diff), .. })) => format!("Diff {} → {}", diff.from, diff.to),
            (Tab::Diff, _) => "Diff".to_owned(),
            (Tab::History, _) => "History".to_owned(),
        })
    };
    // Only what is written in Protobuf has its fields.
    let has_fields = Memo::new(move |_| {
        sheet.with(|sheet| sheet.as_ref().is_some_and(|sheet| sheet.form.as_ref().is_some_and(|form| form.is_protobuf)))
    });
    let tabs = Memo::new(move |_| {
        TABS.into_iter().filter(|which| *which != Tab::Fields || has_fields.get()).collect::<Vec<_>>()
    });
    Effect::new(move |_| {
        if !has_fields.get() && tab.get_untracked() == Tab::Fields {
            tab.set(Tab::Text);
        }
    });
    let on_key = move |event: KeyboardEvent| {
        let tabs = tabs.get_untracked();
        let at = tabs.iter().position(|which| *which == tab.get_untracked()).unwrap_or(0);
        let to = match event.key().as_str() {
            "ArrowRight" => (at + 1) % tabs.len(),
            "ArrowLeft" => (at + tabs.len() - 1) % tabs.len(),
            "Home" => 0,
            "End" => tabs.len() - 1,
            _ => return,
        };
        event.prevent_default();
        tab.set(tabs[to]);
        browser::focus(&tab_id(tabs[to]));
    };
    let one = move |which: Tab| {
        let chosen = move || tab.get() == which;
        view! {
            <button
                role="tab"
                type="button"
                id=tab_id(which)
                aria-controls="keys-panel"
                aria-selected=move || chosen().to_string()
                tabindex=move || if chosen() { "0" } else { "-1" }
                on:click=move |_| tab.set(which)
            >
                {move || title(which)}
            </button>
        }
    };
    view! {
        <div class="keys-tabs" role="tablist" aria-label="Forms of the value" on:keydown=on_key>
            {move || tabs.get().into_iter().map(one).collect_view()}
        </div>
    }
}

#[component]
fn Plain(sheet: Memo<Option<KeySheet>>) -> impl IntoView {
    let text = Memo::new(move |_| {
        sheet.with(|sheet| sheet.as_ref().filter(|sheet| sheet.facts.is_some()).map(|sheet| sheet.text.clone()))
    });
    move || match text.get() {
        None => ().into_any(),
        Some(Text::Yaml(text) | Text::Json(text) | Text::Plain(text)) if !text.is_empty() => {
            view! { <pre class="keys-text">{text}</pre> }.into_any()
        }
        Some(Text::None(why)) => view! { <p class="keys-hint">{format!("The value is {why}.")}</p> }.into_any(),
        Some(_) => view! { <p class="keys-hint">"The value is empty."</p> }.into_any(),
    }
}

/// The fields of a message, each with its number, its name and type in Go, and its value.
#[component]
fn Fields(sheet: Memo<Option<KeySheet>>) -> impl IntoView {
    let value =
        Memo::new(move |_| sheet.with(|sheet| sheet.as_ref().map(|sheet| sheet.value.clone()).unwrap_or_default()));
    let line = |part: Part| {
        let Part { depth, number, path, name, go_type, value, from, until, .. } = part;
        let title = format!("{path}, bytes {from:04x} to {until:04x}");
        view! {
            <li style:padding-left=format!("{}px", depth.min(8) * 14) title=title>
                <span class="number">{number}</span>
                <span class="name">{name}</span>
                <span class="type">{go_type}</span>
                <span class="value">{value}</span>
            </li>
        }
    };
    move || match parts(&value.get()) {
        Err(error) => view! { <p class="wrong">{error}</p> }.into_any(),
        Ok((parts, more)) => view! {
            <ol class="keys-fields" aria-label="Fields of the message">{parts.into_iter().map(line).collect_view()}</ol>
            {more.then(|| view! { <p class="keys-hint">"There are more than are listed."</p> })}
        }
        .into_any(),
    }
}

#[component]
fn HexDump(sheet: Memo<Option<KeySheet>>, lines: RwSignal<usize>) -> impl IntoView {
    let value =
        Memo::new(move |_| sheet.with(|sheet| sheet.as_ref().map(|sheet| sheet.value.clone()).unwrap_or_default()));
    let line = |HexLine { offset, hex, ascii, names }: HexLine| {
        view! { <span class="offset">{format!("{offset:04x}")}</span>"  "<span>{format!("{hex:<48}")}</span>"  "<span class="ascii">{format!("{ascii:<16}")}</span>"  "<span class="names">{names}</span>"\n" }
    };
    move || {
        let value = value.get();
        let (all, shown) = (value.len(), lines.get());
        let left = all.saturating_sub(shown * 16);
        let more = (left > 0).then(|| {
            let further = move |_| lines.update(|lines| *lines *= 4);
            view! { <button class="link" type="button" on:click=further>{format!("{left} bytes more")}</button> }
        });
        view! {
            <p class="keys-hint">{words::count(all, "byte")}</p>
            <pre class="keys-hex" tabindex="0" aria-label="Bytes of the value">{hexdump(&value, shown).into_iter().map(line).collect_view()}</pre>
            {more}
        }
    }
}

#[component]
fn Compared(sheet: Memo<Option<KeySheet>>) -> impl IntoView {
    let diff =
        Memo::new(move |_| sheet.with(|sheet| sheet.as_ref().map(|sheet| (sheet.diff.clone(), sheet.facts.clone()))));
    let line = |line: Option<(Change, String)>| {
        let (class, mark, spoken, text) = match line {
            None => ("skipped", " ", "", "…".to_owned()),
            Some((Change::Same, text)) => ("same", " ", "", text),
            Some((Change::Added, text)) => ("added", "+", "added: ", text),
            Some((Change::Removed, text)) => ("removed", "−", "removed: ", text),
        };
        view! { <div class=class><span aria-hidden="true">{mark}" "</span><span class="visually-hidden">{spoken}</span>{text}</div> }
    };
    move || {
        match diff.get() {
        None | Some((_, None)) => ().into_any(),
        Some((Some(Diff { lines, .. }), _)) if lines.is_empty() => {
            view! { <p class="keys-hint">"The write before this one left the same value."</p> }.into_any()
        }
        Some((Some(Diff { lines, .. }), _)) => {
            view! { <div class="keys-diff">{lines.into_iter().map(line).collect_view()}</div> }.into_any()
        }
        Some((None, Some(facts))) if facts.version == 1 => {
            view! { <p class="keys-hint">"This write created the key: there is nothing before it in this life."</p> }.into_any()
        }
        Some((None, _)) => {
            view! { <p class="keys-hint">"The write before this one cannot be compared: it was compacted, or is no text."</p> }.into_any()
        }
    }
    }
}

/// The writes, newest first; each can be read again.
#[component]
fn Past(sheet: Memo<Option<KeySheet>>) -> impl IntoView {
    let browse = expect_context::<Browse>();
    let past = Memo::new(move |_| {
        sheet.with(|sheet| sheet.as_ref().map_or((Vec::new(), 0), |sheet| (sheet.history.clone(), sheet.earlier)))
    });
    let read = Memo::new(move |_| {
        sheet.with(|sheet| sheet.as_ref().and_then(|sheet| sheet.facts.as_ref().map(|facts| facts.mod_revision)))
    });
    let selected = browse.revision;
    let line = move |write: Write| {
        let revision = write.revision;
        let what = match write.version {
            Some(version) => format!("version {version}, {}", words::count(write.bytes, "byte")),
            None => "deleted".to_owned(),
        };
        let choose = move |_| {
            browse.cut.set(Some(revision));
            browse.pick(revision);
        };
        view! {
            <li>
                <button type="button" class="keys-write" class:deleted=write.version.is_none()
                    class:selected=move || selected.get() == Some(revision)
                    aria-current=move || (read.get() == Some(revision)).then_some("true") on:click=choose>
                    <span class="revision">{revision}</span>
                    <span class="what">{what}</span>
                    <span class="value">{write.text}</span>
                </button>
            </li>
        }
    };
    move || {
        let (writes, earlier) = past.get();
        let rest = (earlier > 0)
            .then(|| view! { <p class="keys-hint">{format!("{} before those", words::count(earlier, "write"))}</p> });
        view! { <ol class="keys-history">{writes.into_iter().map(line).collect_view()}</ol> {rest} }
    }
}

#[component]
fn Numbers(facts: Facts) -> impl IntoView {
    let Facts { create_revision, mod_revision, version, lease, lease_means } = facts;
    let lease = if lease == 0 { "0".to_owned() } else { format!("{lease:x}") };
    let rows = [
        ("create_revision", create_revision.to_string(), "this life of the key began there".to_owned()),
        ("mod_revision", mod_revision.to_string(), "last written there".to_owned()),
        ("version", version.to_string(), format!("{} in this life", words::count(version as usize, "write"))),
        ("lease", lease, lease_means),
    ];
    let row = |(name, value, means): (&'static str, String, String)| {
        view! { <dt>{name}</dt><dd>{value}</dd><dd class="means">{means}</dd> }
    };
    view! { <dl class="keys-facts">{rows.map(row).collect_view()}</dl> }
}
