//! The page's root: makes what all parts share, once, and lays out the bench.

use super::browse::Browse;
use super::header::{Dialogs, DropTarget, Header, Help};
use super::importing::{ImportProgress, Importing};
use super::layout::{Layout, Pane, Reopen, Separators, TabBar};
use super::new_world::NewWorld;
use super::notice::{NoticeBoard, Notices};
use super::panels::lesson::{CatalogList, LessonPane};
use super::panels::terminal::Terminals;
use super::panels::typist::Typist;
use super::panels::{Inspector, TimelinePanel};
use super::session::Session;
use super::stage::{Stage, StagePane};
use super::study::Study;
use super::widgets::dialog::Dialog;
use super::worlds::Worlds;
use super::{keys, script};
use leptos::prelude::*;

/// The whole page.
#[component]
pub fn App() -> impl IntoView {
    let session = Session::new(Worlds::first());
    let layout = Layout::remembered();
    let notices = Notices::default();
    let study = Study::new(session);
    let stage = Stage::remembered();
    let importing = Importing::default();
    let worlds = Worlds::new(session, study, stage, notices, importing);
    let dialogs = Dialogs::default();
    provide_context(session);
    provide_context(layout);
    provide_context(stage);
    provide_context(Browse::new(session));
    provide_context(notices);
    provide_context(study);
    provide_context(importing);
    provide_context(worlds);
    provide_context(dialogs);
    provide_context(Typist::new(session, layout, notices));

    say_when_the_past_changes(session, notices);
    keys::listen(session, layout, stage, dialogs.help);
    script::install(session, worlds);
    session.drive();
    worlds.begin();

    view! {
        <Bench/>
        <Dialog open=dialogs.catalog title="Lessons">
            <CatalogList/>
        </Dialog>
        <Dialog open=dialogs.new_world title="New world">
            <NewWorld/>
        </Dialog>
        <Dialog open=dialogs.help title="Keys">
            <Help/>
        </Dialog>
        <DropTarget/>
        <ImportProgress/>
    }
}

/// Header, panes and the lines between them. In the order in which they are read.
#[component]
fn Bench() -> impl IntoView {
    let layout = expect_context::<Layout>();
    let shown = move |pane: Pane| (layout.shown.get() == pane).to_string();
    let folded = move |pane: Pane| layout.is_folded(pane).to_string();
    view! {
        <div class="bench" style=move || layout.style()>
            <Header/>
            <section class="pane pane-lesson" id="lesson" tabindex="-1" aria-label="Lesson"
                data-shown=move || shown(Pane::Lesson) data-collapsed=move || folded(Pane::Lesson)>
                <LessonPane/>
            </section>
            <main class="pane pane-stage" id="stage" tabindex="-1" aria-label="Stage" data-shown=move || shown(Pane::Stage)>
                <StagePane/>
                <Reopen pane=Pane::Lesson/>
                <Reopen pane=Pane::Inspector/>
                <Reopen pane=Pane::Terminals/>
                <Reopen pane=Pane::Timeline/>
            </main>
            <div class="pane pane-inspector" id="inspector" tabindex="-1"
                data-shown=move || shown(Pane::Inspector) data-collapsed=move || folded(Pane::Inspector)>
                <Inspector/>
            </div>
            <section class="pane pane-terminals" id="terminal" tabindex="-1" aria-label="Terminals"
                data-shown=move || shown(Pane::Terminals) data-collapsed=move || folded(Pane::Terminals)>
                <Terminals/>
            </section>
            <div class="pane pane-timeline" id="timeline" tabindex="-1" data-collapsed=move || folded(Pane::Timeline)>
                <TimelinePanel/>
            </div>
            <TabBar/>
            <Separators/>
            <NoticeBoard/>
        </div>
    }
}

/// Acting in the past begins a branch; that it did must not go unseen.
fn say_when_the_past_changes(session: Session, notices: Notices) {
    let branches = session.branches();
    Effect::new(move |before: Option<(u32, usize)>| {
        let (id, count, _) = branches.get();
        if before.is_some_and(|(before, many)| count > many && before != id) {
            notices.say(format!("You changed the past: this is branch {}. The other future is kept.", id + 1));
        }
        (id, count)
    });
}
