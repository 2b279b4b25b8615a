//! The lesson's pane: prose, steps that tick by themselves, predictions, hints, and commands that one click runs.

use super::prose::{Prose, show_blocks, show_inlines};
use super::typist::Typist;
use crate::lesson::catalog::Entry;
use crate::lesson::format::Prediction;
use crate::lesson::markdown::{Block, Inline};
use crate::lesson::script::{Act, ScriptLine};
use crate::lesson::{Catalog, Lesson, Problem};
use crate::ui::header::Dialogs;
use crate::ui::notice::Notices;
use crate::ui::session::Session;
use crate::ui::study::{Page, Record, Study};
use crate::ui::widgets::icon::{self, Icon};
use crate::ui::worlds::Worlds;
use leptos::prelude::*;
use std::sync::Arc;

#[component]
pub fn LessonPane() -> impl IntoView {
    let study = expect_context::<Study>();
    let show = move || match study.page.get() {
        Page::Closed => view! { <NoLesson/> }.into_any(),
        Page::Loading(what) => view! { <p class="unbuilt">{format!("Fetching {what} …")}</p> }.into_any(),
        Page::Broken { what, problems } => view! { <BrokenLesson what problems/> }.into_any(),
        Page::Open(lesson) => view! { <OpenLesson lesson/> }.into_any(),
    };
    view! { <div class="lesson">{show}</div> }
}

#[component]
fn NoLesson() -> impl IntoView {
    let dialogs = expect_context::<Dialogs>();
    view! {
        <p class="eyebrow">"Lesson"</p>
        <h2>"No lesson is open"</h2>
        <p class="prose">"The world is yours: type into a terminal, power machines off, rewind. Or let a lesson lead."</p>
        <p class="helpers">
            <button class="button" type="button" on:click=move |_| dialogs.catalog.set(true)>"Choose a lesson"</button>
        </p>
    }
}

#[component]
fn BrokenLesson(what: String, problems: Vec<Problem>) -> impl IntoView {
    let dialogs = expect_context::<Dialogs>();
    let worlds = expect_context::<Worlds>();
    let count = problems.len();
    let id = what.clone();
    let line = |problem: Problem| {
        let text = problem.to_string();
        let place = text.strip_suffix(&problem.message).unwrap_or_default().trim_end().to_owned();
        view! { <li><strong>{place}</strong>" "{problem.message}</li> }
    };
    view! {
        <div role="alert">
            <p class="eyebrow">"Lesson"</p>
            <h2>"This lesson cannot be shown"</h2>
            <p class="prose">
                {format!("{what}: {count} {} in its text. The world is as it was.", if count == 1 { "mistake" } else { "mistakes" })}
            </p>
            <ul class="problems">{problems.into_iter().map(line).collect_view()}</ul>
        </div>
        <p class="helpers">
            <button class="button" type="button" on:click=move |_| worlds.go_to_lesson(id.clone())>"Try again"</button>
            <button class="button" type="button" on:click=move |_| dialogs.catalog.set(true)>"Choose another lesson"</button>
        </p>
    }
}

#[component]
fn OpenLesson(lesson: Arc<Lesson>) -> impl IntoView {
    let study = expect_context::<Study>();
    let catalog = study.catalog.get_untracked().unwrap_or_default();
    let place = catalog.position(&lesson.id).map(|position| {
        format!("Lesson {} of {} · {} min", position + 1, catalog.entries.len(), lesson.minutes)
    });
    let steps = 0..lesson.steps.len();
    let complete = move || study.standing.with(|standing| standing.complete);
    let trouble = move || study.standing.with(|standing| standing.trouble.clone());
    let step = {
        let lesson = lesson.clone();
        move |number: usize| view! { <StepItem lesson=lesson.clone() number/> }
    };
    view! {
        <p class="eyebrow">{place}</p>
        <h2>{lesson.title.clone()}</h2>
        <Prose blocks=lesson.intro.clone()/>
        <ol class="steps">{steps.map(step).collect_view()}</ol>
        <Show when=move || trouble().is_some()>
            <p class="mistake">{move || trouble().map(|why| format!("A check of this lesson cannot be decided: {why}"))}</p>
        </Show>
        <div role="status">
            <Show when=complete><p class="complete">"Done. Every step of this lesson holds at this moment."</p></Show>
        </div>
        <LessonFoot catalog id=lesson.id.clone()/>
    }
}

#[component]
fn LessonFoot(catalog: Arc<Catalog>, id: String) -> impl IntoView {
    let worlds = expect_context::<Worlds>();
    let position = catalog.position(&id);
    let neighbour = |entry: Option<&Entry>| entry.map(|entry| (entry.id.clone(), entry.title.clone()));
    let before = neighbour(position.and_then(|position| catalog.entries.get(position.checked_sub(1)?)));
    let next = neighbour(position.and_then(|position| catalog.entries.get(position + 1)));
    let link = move |word: &'static str, (id, title): (String, String)| {
        let go = move |_| worlds.go_to_lesson(id.clone());
        view! { <button class="button" type="button" on:click=go>{format!("{word}: {title}")}</button> }
    };
    let again = move |_| worlds.go_to_lesson(id.clone());
    view! {
        <nav class="lesson-foot" aria-label="Lessons">
            {before.map(|entry| link("Before", entry))}
            <button class="button" type="button" on:click=again>"Begin again"</button>
            {next.map(|entry| link("Next", entry))}
        </nav>
    }
}

#[component]
fn StepItem(lesson: Arc<Lesson>, number: usize) -> impl IntoView {
    let study = expect_context::<Study>();
    let done = Memo::new(move |_| study.standing.with(|standing| standing.done));
    let state = Memo::new(move |_| match number.cmp(&done.get()) {
        std::cmp::Ordering::Less => "done",
        std::cmp::Ordering::Equal => "current",
        std::cmp::Ordering::Greater => "ahead",
    });
    let step = &lesson.steps[number];
    let mark = move || match state.get() {
        "done" => view! { <Icon path=icon::CHECK/> }.into_any(),
        _ => (number + 1).to_string().into_any(),
    };
    let said = move || match state.get() {
        "done" => "Done: ",
        "current" => "Now: ",
        _ => "Later: ",
    };
    let special = {
        let lesson = lesson.clone();
        move |block: &Block| match block {
            Block::Run(run) => {
                let line = lesson.steps[number].runs[*run].clone();
                view! { <RunLine line only_type=false/> }.into_any()
            }
            Block::Predict(prediction) => {
                let (at, prediction) = (*prediction, lesson.steps[number].predictions[*prediction].clone());
                view! { <Predict step=number at prediction/> }.into_any()
            }
            _ => ().into_any(),
        }
    };
    view! {
        <li class=move || format!("step {}", state.get()) aria-current=move || (state.get() == "current").then_some("step")>
            <span class="mark" aria-hidden="true">{mark}</span>
            <h3>
                <span class="visually-hidden">{said}</span>
                {show_inlines(&step.title)}
                {step.optional.then(|| view! { <span class="optional">" (optional)"</span> })}
            </h3>
            <div class="prose">{show_blocks(&step.blocks, &special)}</div>
            <Show when=move || state.get() == "current">
                <Helpers hints=lesson.steps[number].hints.clone() solution=lesson.steps[number].solution.clone()/>
            </Show>
        </li>
    }
}

/// Hints, each saying more than the one before, and at last the solution.
#[component]
fn Helpers(hints: Vec<Vec<Block>>, solution: Vec<ScriptLine>) -> impl IntoView {
    let (count, has_solution) = (hints.len(), !solution.is_empty());
    let shown = RwSignal::new(0_usize);
    let solved = RwSignal::new(false);
    let label = move || if shown.get() == 0 { "Hint" } else { "Another hint" };
    let hints = StoredValue::new(hints);
    let solution = StoredValue::new(solution);
    let hint = move |number: usize| {
        let blocks = hints.with_value(|hints| hints[number].clone());
        view! { <div class="hint"><Prose blocks/></div> }
    };
    let line = |line: ScriptLine| view! { <RunLine line only_type=true/> };
    view! {
        <For each=move || 0..shown.get() key=|number| *number children=hint/>
        <Show when=move || solved.get()>
            <div class="solution">
                <p class="eyebrow">"Solution"</p>
                {solution.with_value(|lines| lines.iter().cloned().map(line).collect_view())}
            </div>
        </Show>
        <p class="helpers">
            <Show when=move || shown.get() < count>
                <button class="button" type="button" on:click=move |_| shown.update(|shown| *shown += 1)>{label}</button>
            </Show>
            <Show when=move || has_solution && !solved.get() && shown.get() == count>
                <button class="button" type="button" on:click=move |_| solved.set(true)>"Show the solution"</button>
            </Show>
        </p>
    }
}

/// A line of a script with its button. `only_type`: it may also be typed without being run.
#[component]
fn RunLine(line: ScriptLine, only_type: bool) -> impl IntoView {
    let session = expect_context::<Session>();
    let typist = expect_context::<Typist>();
    let notices = expect_context::<Notices>();
    let ScriptLine { act, .. } = line;
    let label = act.label();
    let typed = matches!(act, Act::Type { .. });
    let waits = matches!(act, Act::Wait(_) | Act::WaitUntil(_));
    let place = match &act {
        Act::Type { terminal, .. } | Act::Interrupt { terminal } | Act::EndOfInput { terminal } if *terminal > 0 => {
            Some(format!("terminal {}", terminal + 1))
        }
        _ => None,
    };
    let act = StoredValue::new(act);
    let perform = move |enter: bool| {
        let filled = session.look(|timeline| act.with_value(|act| act.input(timeline.lab())));
        match filled {
            Ok(Some(crate::lab::Input::Line { terminal, text })) => typist.type_text(terminal, text, enter),
            Ok(Some(input)) => session.act(input),
            Ok(None) => {}
            Err(error) => notices.say(format!("Not now: {error}.")),
        }
    };
    let word = if typed { "Run" } else { "Do it" };
    let described = format!("{word}: {label}");
    view! {
        <div class="run">
            <code>{label}</code>
            {place.map(|place| view! { <span class="where">{place}</span> })}
            {(typed && only_type).then(|| view! {
                <button class="button" type="button" on:click=move |_| perform(false)>"Type"</button>
            })}
            {(!waits).then(|| view! {
                <button class="button" type="button" aria-label=described on:click=move |_| perform(true)>{word}</button>
            })}
        </div>
    }
}

/// A bet: once made it stays, and says why it was right or wrong.
#[component]
fn Predict(step: usize, at: usize, prediction: Prediction) -> impl IntoView {
    let study = expect_context::<Study>();
    let Prediction { question, options, right, because } = prediction;
    let chosen = Memo::new(move |_| {
        study.chosen.with(|chosen| chosen.iter().find(|choice| (choice.0, choice.1) == (step, at)).map(|choice| choice.2))
    });
    let name = format!("predict-{step}-{at}");
    let option = move |(number, text): (usize, Vec<Inline>)| {
        let is_right = move || chosen.get().is_some() && number == right;
        let is_wrong = move || chosen.get() == Some(number) && number != right;
        let mark = move || if is_right() { " (right)" } else if is_wrong() { " (not so)" } else { "" };
        view! {
            <label class:right=is_right class:wrong=is_wrong>
                <input type="radio" name=name.clone() prop:checked=move || chosen.get() == Some(number)
                    disabled=move || chosen.get().is_some() on:change=move |_| study.choose(step, at, number)/>
                <span>{show_inlines(&text)}{mark}</span>
            </label>
        }
    };
    let because = StoredValue::new(because);
    view! {
        <fieldset class="predict">
            <legend>{show_inlines(&question)}</legend>
            <div>{options.into_iter().enumerate().map(option).collect_view()}</div>
            <div role="status">
                <Show when=move || chosen.get().is_some()>
                    <div class="because"><Prose blocks=because.get_value()/></div>
                </Show>
            </div>
        </fieldset>
    }
}

/// All lessons, by part and chapter, each with how far the learner came.
#[component]
pub fn CatalogList() -> impl IntoView {
    let study = expect_context::<Study>();
    let worlds = expect_context::<Worlds>();
    let dialogs = expect_context::<Dialogs>();
    let open = move |id: String| {
        dialogs.catalog.set(false);
        worlds.go_to_lesson(id);
    };
    let item = move |entry: Entry| {
        let record = Record::of(&entry.id);
        let (state, class) = match (record.complete, record.done) {
            (true, _) => ("done".to_owned(), "state complete"),
            (false, 0) => (String::new(), "state"),
            (false, 1) => ("1 step done".to_owned(), "state"),
            (false, done) => (format!("{done} steps done"), "state"),
        };
        let current = study.lesson().is_some_and(|lesson| lesson.id == entry.id).to_string();
        let id = entry.id.clone();
        view! {
            <li>
                <button type="button" aria-current=current on:click=move |_| open(id.clone())>
                    <span>{entry.title}</span>
                    <span class=class>{state}</span>
                </button>
            </li>
        }
    };
    let list = move || {
        let catalog = study.catalog.get()?;
        let groups = catalog.entries.chunk_by(|one, other| (&one.part, &one.chapter) == (&other.part, &other.chapter));
        let mut part = String::new();
        let group = |entries: &[Entry]| {
            let heading = (part != entries[0].part).then(|| view! { <h3>{entries[0].part.clone()}</h3> });
            part.clone_from(&entries[0].part);
            view! {
                {heading}
                <h4>{entries[0].chapter.clone()}</h4>
                <ul>{entries.iter().cloned().map(item).collect_view()}</ul>
            }
        };
        Some(groups.map(group).collect_view())
    };
    let missing = move || study.catalog.with(Option::is_none);
    view! {
        <div class="catalog">
            <Show when=missing><p>"The list of lessons could not be fetched."</p></Show>
            {list}
        </div>
    }
}
