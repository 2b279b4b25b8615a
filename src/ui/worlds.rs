//! Worlds that come and go: opened from a lesson, a link, a file or what the browser kept; saved without being asked.
//!
//! No world is lost by opening another: the one before is put aside, and a notice offers it back.
//!
//! ```text
//!   stored:  line 1   lesson=<id or nothing> playing=<bool>
//!            the rest lab::archive's text
//! ```

use super::browser;
use super::notice::Notices;
use super::session::Session;
use super::stage::Stage;
use super::store;
use super::study::{self, Page, Study};
use crate::lab::archive::Archive;
use crate::lab::{Scenario, Timeline};
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::time::Duration;

/// How often a world that changes is saved.
const SAVE_EVERY: Duration = Duration::from_secs(3);
/// A restored world that has run for this long did not end the page.
const SOUND_AFTER: Duration = Duration::from_secs(3);

#[derive(Clone, Copy)]
pub struct Worlds {
    session: Session,
    study: Study,
    stage: Stage,
    notices: Notices,
    /// What was saved last, to save nothing twice: inputs, microseconds, branch.
    saved: StoredValue<(u32, u64, u32)>,
    /// The browser took no more: said once.
    full: StoredValue<bool>,
}

/// A world as it is stored.
struct Saved {
    lesson: Option<String>,
    playing: bool,
    archive: Archive,
}

impl Saved {
    fn parse(text: &str) -> Result<Saved, String> {
        let (head, rest) = text.split_once('\n').ok_or_else(|| "it is empty".to_owned())?;
        let value = |key: &str| head.split(' ').filter_map(|pair| pair.split_once('=')).find(|pair| pair.0 == key);
        let lesson = value("lesson").map(|(_, id)| id.to_owned()).filter(|id| !id.is_empty());
        let playing = value("playing").is_some_and(|(_, playing)| playing == "true");
        Ok(Saved { lesson, playing, archive: Archive::parse(rest)? })
    }
}

impl Worlds {
    pub fn new(session: Session, study: Study, stage: Stage, notices: Notices) -> Worlds {
        Worlds { session, study, stage, notices, saved: StoredValue::new((0, 0, 0)), full: StoredValue::new(false) }
    }

    /// What the page begins with: the address first, then what was kept, then the first lesson.
    pub fn begin(&self) {
        let worlds = *self;
        spawn_local(async move {
            if !worlds.follow_address().await {
                worlds.restore().await;
            }
            set_interval(move || worlds.save(), SAVE_EVERY);
        });
        let leave = move |_| worlds.save();
        window_event_listener_untyped("pagehide", leave);
        window_event_listener_untyped("visibilitychange", leave);
        window_event_listener_untyped("hashchange", move |_| {
            spawn_local(async move {
                worlds.follow_address().await;
            });
        });
    }

    /// Opens what the address names; `false` if that is nothing, or nothing that can be opened.
    async fn follow_address(&self) -> bool {
        let fragment = browser::fragment();
        let value = |key: &str| fragment.iter().find(|pair| pair.0 == key).map(|pair| pair.1.clone());
        let lesson = value("lesson");
        let Some(packed) = value("w") else {
            let Some(id) = lesson else { return false };
            // A reload of the lesson that is kept is no new beginning.
            let kept = store::read(store::WORLD).and_then(|text| Saved::parse(&text).ok()?.lesson);
            let is_new = matches!(self.study.page.get_untracked(), Page::Closed) && kept.as_ref() == Some(&id);
            if !is_new {
                self.put_stored_aside();
                self.open_lesson(Some(id)).await;
            }
            return !is_new;
        };
        match Archive::from_link(&packed) {
            Ok(archive) => {
                let had_world = self.put_stored_aside();
                self.open_archive(archive, lesson, false).await;
                if had_world {
                    self.offer_back("The world in the link is open. Yours is kept.");
                }
                true
            }
            Err(error) => {
                let keep = Callback::new(move |()| browser::download("damaged-link.txt", &packed));
                let text = format!("The link could not be opened: {error}. Nothing of yours was changed.");
                self.notices.complain(text, vec![("Save the link's text", keep)]);
                self.write_address();
                false
            }
        }
    }

    async fn restore(&self) {
        let Some(text) = store::read(store::WORLD) else { return self.open_lesson(None).await };
        let trouble = match (store::read(store::OPENING), Saved::parse(&text)) {
            (Some(_), _) => "the page ended when it was opened last time".to_owned(),
            (None, Err(error)) => error,
            (None, Ok(saved)) => {
                store::write(store::OPENING, "1");
                self.open_archive(saved.archive, saved.lesson, saved.playing).await;
                set_timeout(|| store::remove(store::OPENING), SOUND_AFTER);
                return;
            }
        };
        store::remove(store::OPENING);
        store::remove(store::WORLD);
        let keep = Callback::new(move |()| browser::download("world.lab", &text));
        let message = format!("Your saved world could not be opened: {trouble}. Here is a new one.");
        self.notices.complain(message, vec![("Save the old one's text", keep)]);
        self.open_lesson(None).await;
    }

    /// Opens a lesson in a new world of its own; `None` is the one for new learners.
    pub async fn open_lesson(&self, id: Option<String>) {
        let Some(lesson) = self.study.fetch(id.as_deref()).await else { return };
        match study::prepared(&lesson) {
            Ok(timeline) => {
                let began = timeline.lab().now();
                self.session.open(timeline);
                self.session.playing.set(true);
                self.stage.show(&lesson.view);
                self.study.begin(lesson, began);
                self.write_address();
                self.saved.set_value((0, 0, 0));
            }
            Err(problems) => self.study.broken(&lesson.title, problems),
        }
    }

    /// The learner goes to another lesson; the world that is left is kept.
    pub fn go_to_lesson(&self, id: String) {
        let worlds = *self;
        let worth_keeping = self.put_aside();
        spawn_local(async move {
            worlds.open_lesson(Some(id)).await;
            if worth_keeping {
                worlds.offer_back("The lesson began a world of its own. The one before is kept.");
            }
        });
    }

    /// A new world without a lesson.
    pub fn open_new(&self, scenario: Scenario, seed: u64) {
        let worth_keeping = self.put_aside();
        self.study.close();
        self.session.restart(scenario, seed);
        self.session.playing.set(true);
        self.write_address();
        if worth_keeping {
            self.offer_back("A new world. The one before is kept.");
        }
    }

    /// Opens the text of a `.lab` file.
    pub fn open_text(&self, text: &str) -> Result<(), String> {
        let (archive, lesson) = match Saved::parse(text) {
            Ok(saved) => (saved.archive, saved.lesson),
            Err(_) => (Archive::parse(text)?, None),
        };
        let worth_keeping = self.put_aside();
        let worlds = *self;
        spawn_local(async move {
            worlds.open_archive(archive, lesson, false).await;
            if worth_keeping {
                worlds.offer_back("The file is open. The world before is kept.");
            }
        });
        Ok(())
    }

    /// As [`Worlds::open_text`], but what goes wrong is said on the page.
    pub fn open_file(&self, file: web_sys::File) {
        let worlds = *self;
        spawn_local(async move {
            let text = browser::read_file(&file, crate::lab::archive::TEXT_BYTES_MAX).await;
            if let Err(error) = text.and_then(|text| worlds.open_text(&text)) {
                worlds.notices.complain(format!("{} could not be opened: {error}.", file.name()), Vec::new());
            }
        });
    }

    async fn open_archive(&self, archive: Archive, lesson: Option<String>, playing: bool) {
        let lesson = match lesson {
            Some(id) => self.study.fetch(Some(&id)).await,
            None => None,
        };
        let timeline = match lesson {
            Some(lesson) => self.study.resume(lesson, archive),
            None => {
                if !matches!(self.study.page.get_untracked(), Page::Broken { .. }) {
                    self.study.close();
                    // The list of lessons is wanted all the same; without it the pane says what is wrong when asked.
                    self.study.load_catalog().await.ok();
                }
                archive.open()
            }
        };
        self.session.playing.set(playing);
        self.session.open(timeline);
        self.write_address();
    }

    fn lesson_id(&self) -> Option<String> {
        self.study.page.with_untracked(|page| match page {
            Page::Open(lesson) => Some(lesson.id.clone()),
            _ => None,
        })
    }

    fn write_address(&self) {
        browser::set_fragment(&self.lesson_id().map_or(String::new(), |id| format!("lesson={id}")));
    }

    /// A link to this moment of this world.
    ///
    /// # Errors
    /// It is too long for a link.
    pub fn link(&self) -> Result<String, String> {
        let packed = self.session.look(|timeline| Archive::of(timeline).link())?;
        let lesson = self.lesson_id().map_or(String::new(), |id| format!("&lesson={id}"));
        Ok(browser::address(&format!("w={packed}{lesson}")))
    }

    /// This moment of this world as a file's text.
    pub fn text(&self) -> String {
        self.session.look(|timeline| Archive::of(timeline).text())
    }

    fn stored_text(&self) -> String {
        let lesson = self.lesson_id().unwrap_or_default();
        format!("lesson={lesson} playing={}\n{}", self.session.playing.get_untracked(), self.text())
    }

    /// Saves the world if it changed since last time.
    fn save(&self) {
        let now = self.session.look(|timeline| {
            let lab = timeline.lab();
            (lab.inputs(), lab.now().0, timeline.branch().id)
        });
        if self.saved.get_value() == now || matches!(self.study.page.get_untracked(), Page::Loading(_)) {
            return;
        }
        self.saved.set_value(now);
        let written = store::write(store::WORLD, &self.stored_text());
        if !written && !self.full.get_value() {
            self.full.set_value(true);
            let worlds = *self;
            let keep = Callback::new(move |()| browser::download("world.lab", &worlds.text()));
            let text = "The browser has no room to keep this world: closing the page would lose it.";
            self.notices.complain(text, vec![("Save as a file", keep)]);
        }
    }

    /// Puts the world that is open aside; `false` if nothing was done in it that is worth it.
    fn put_aside(&self) -> bool {
        let inputs = self.session.look(|timeline| timeline.lab().inputs());
        inputs > 0 && store::write(store::WORLD_BEFORE, &self.stored_text())
    }

    fn put_stored_aside(&self) -> bool {
        let Some(text) = store::read(store::WORLD) else { return false };
        text.contains("\ninput ") && store::write(store::WORLD_BEFORE, &text)
    }

    fn offer_back(&self, text: &str) {
        let worlds = *self;
        let back = Callback::new(move |()| {
            let Some(saved) = store::read(store::WORLD_BEFORE).and_then(|text| Saved::parse(&text).ok()) else {
                return;
            };
            spawn_local(async move { worlds.open_archive(saved.archive, saved.lesson, saved.playing).await });
        });
        self.notices.offer(text, vec![("Bring it back", back)]);
    }

    /// The world that the page shows before anything else is known: a cluster that has just been switched on.
    pub fn first() -> Timeline {
        Timeline::new(Scenario::default(), 1)
    }
}
