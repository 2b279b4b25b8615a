//! The form for a new world: a scenario and a seed.

use super::header::Dialogs;
use super::worlds::Worlds;
use crate::lab::Scenario;
use leptos::prelude::*;

const MEMBERS: [&str; 4] = ["1", "3", "5", "7"];
const API_SERVERS: [&str; 6] = ["0", "1", "2", "3", "4", "5"];
const DISKS: [(&str, &str); 4] =
    [("nvme", "NVMe"), ("ssd", "SSD"), ("hdd", "Spinning disk"), ("network", "Network volume")];

/// What of a scenario's text the form sets by its own fields.
fn with_word(text: &str, key: &str, value: &str) -> String {
    let others = text.split_whitespace().filter(|word| word.split('=').next() != Some(key));
    others.chain([format!("{key}={value}").as_str()]).collect::<Vec<_>>().join(" ")
}

fn word<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split_whitespace().filter_map(|word| word.split_once('=')).find(|word| word.0 == key).map(|word| word.1)
}

#[component]
pub fn NewWorld() -> impl IntoView {
    let worlds = expect_context::<Worlds>();
    let dialogs = expect_context::<Dialogs>();
    // The text is the truth; the fields above it write into it.
    let text = RwSignal::new(Scenario::default().text());
    let seed = RwSignal::new("1".to_owned());
    let scenario = Memo::new(move |_| text.with(|text| Scenario::parse(text)));
    let seed_read = Memo::new(move |_| {
        seed.with(|seed| seed.trim().parse::<u64>().map_err(|_| "expected a whole number".to_owned()))
    });
    let set = move |key: &'static str, value: &str| text.update(|text| *text = with_word(text, key, value));
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if let (Ok(scenario), Ok(seed)) = (scenario.get_untracked(), seed_read.get_untracked()) {
            dialogs.new_world.set(false);
            worlds.open_new(scenario, seed);
        }
    };
    let wrong = move || scenario.get().is_err() || seed_read.get().is_err();
    view! {
        <form class="form" on:submit=submit>
            <Choices legend="Members" key="members" values=&MEMBERS usual="3" text/>
            <Choices legend="API servers" key="apiservers" values=&API_SERVERS usual="0" text/>
            <div class="row">
                <label for="new-seed">"Seed"</label>
                <input id="new-seed" class="field" inputmode="numeric" prop:value=move || seed.get()
                    on:input=move |event| seed.set(event_target_value(&event))
                    aria-invalid=move || seed_read.get().is_err().to_string()/>
                {move || seed_read.get().err().map(|error| view! { <p class="mistake" role="alert">{error}</p> })}
            </div>
            <div class="row">
                <label for="new-disk">"Disks"</label>
                <select id="new-disk" class="field" on:change=move |event| set("disk", &event_target_value(&event))>
                    {DISKS.map(|(value, name)| {
                        let chosen = move || text.with(|text| word(text, "disk").unwrap_or("ssd") == value);
                        view! { <option value=value selected=chosen>{name}</option> }
                    }).collect_view()}
                </select>
            </div>
            <div class="row">
                <label for="new-latency">"Latency, µs"</label>
                <input id="new-latency" class="field" inputmode="numeric"
                    prop:value=move || text.with(|text| word(text, "latency").map(|value| value.trim_end_matches("us").to_owned())
                        .unwrap_or_else(|| Scenario::default().latency.0.to_string()))
                    on:input=move |event| set("latency", &format!("{}us", event_target_value(&event)))/>
            </div>
            <div class="row">
                <label for="new-text">"As text"</label>
                <input id="new-text" class="field" spellcheck="false" autocomplete="off" prop:value=move || text.get()
                    on:input=move |event| text.set(event_target_value(&event))
                    aria-invalid=move || scenario.get().is_err().to_string()/>
                {move || scenario.get().err().map(|error| view! { <p class="mistake" role="alert">{error}</p> })}
                <p class="aside">"Also: jitter, heartbeat-interval, election-timeout, terminals, and rules to break, as fsync-before-ack=off."</p>
            </div>
            <div class="end">
                <button class="button" type="submit" disabled=wrong>"Begin"</button>
            </div>
        </form>
    }
}

/// One of a few values of a word of the text; `usual` is what holds where the text has no such word.
#[component]
fn Choices(
    legend: &'static str,
    key: &'static str,
    values: &'static [&'static str],
    usual: &'static str,
    text: RwSignal<String>,
) -> impl IntoView {
    let choice = move |value: &'static str| {
        let chosen = move || text.with(|text| word(text, key).unwrap_or(usual) == value);
        view! {
            <label>
                <input type="radio" name=format!("new-{key}") value=value prop:checked=chosen
                    on:change=move |_| text.update(|text| *text = with_word(text, key, value))/>
                {value}
            </label>
        }
    };
    view! {
        <fieldset class="row">
            <legend class="visually-hidden">{legend}</legend>
            <span aria-hidden="true">{legend}</span>
            <div class="choices">{values.iter().copied().map(choice).collect_view()}</div>
        </fieldset>
    }
}
