//! The lesson that is open: fetched when it is asked for, checked against the world at the playhead, remembered per lesson.

use super::browser;
use super::session::Session;
use super::store;
use crate::lab::Timeline;
use crate::lab::archive::Archive;
use crate::lesson::catalog::Entry;
use crate::lesson::{Catalog, Lesson, Problem, Progress, format, runner};
use crate::sim::{Micros, SimTime};
use leptos::prelude::*;
use std::sync::Arc;

/// What the lesson's pane shows.
#[derive(Clone)]
pub enum Page {
    Closed,
    Loading(String),
    /// The lesson's file, or the index, cannot be read. The world is as it was.
    Broken {
        what: String,
        problems: Vec<Problem>,
    },
    Open(Arc<Lesson>),
}

/// How far the open lesson is, at the playhead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The first so many steps are done.
    pub done: usize,
    pub complete: bool,
    pub trouble: Option<String>,
}

/// What is remembered of a lesson.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub done: usize,
    pub complete: bool,
    /// Step, prediction, option.
    pub chosen: Vec<(usize, usize, usize)>,
}

#[derive(Clone, Copy)]
pub struct Study {
    pub catalog: RwSignal<Option<Arc<Catalog>>>,
    pub page: RwSignal<Page>,
    pub standing: Memo<Standing>,
    /// Predictions made, by step and prediction.
    pub chosen: RwSignal<Vec<(usize, usize, usize)>>,
    progress: StoredValue<Option<Progress>, LocalStorage>,
    /// Counts what was asked for: an answer that comes late is not shown.
    asked: StoredValue<u32>,
}

impl Study {
    /// Must be made once, in the page's root.
    pub fn new(session: Session) -> Study {
        let page = RwSignal::new(Page::Closed);
        let progress = StoredValue::new_local(None::<Progress>);
        let standing = Memo::new(move |_| {
            page.track();
            session.now().track();
            session.branches().track();
            let look = |timeline: &Timeline| progress.try_update_value(|progress| judge(progress.as_mut()?, timeline));
            session.look(look).flatten().unwrap_or_default()
        });
        let study = Study {
            catalog: RwSignal::new(None),
            page,
            standing,
            chosen: RwSignal::new(Vec::new()),
            progress,
            asked: StoredValue::new(0),
        };
        Effect::new(move |_| {
            let standing = study.standing.get();
            study.chosen.track();
            study.remember(&standing);
        });
        study
    }

    pub fn lesson(&self) -> Option<Arc<Lesson>> {
        self.page.with(|page| match page {
            Page::Open(lesson) => Some(lesson.clone()),
            _ => None,
        })
    }

    pub fn entry(&self, id: &str) -> Option<Entry> {
        self.catalog.with(|catalog| {
            let catalog = catalog.as_ref()?;
            catalog.position(id).map(|position| catalog.entries[position].clone())
        })
    }

    pub fn close(&self) {
        self.asked.update_value(|asked| *asked += 1);
        self.progress.set_value(None);
        self.page.set(Page::Closed);
    }

    /// Fetches the index, unless it is there.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn load_catalog(&self) -> Result<Arc<Catalog>, Vec<Problem>> {
        if let Some(catalog) = self.catalog.get_untracked() {
            return Ok(catalog);
        }
        let text = browser::fetch_text("lessons/index.txt").await.map_err(|error| whole("index.txt", error))?;
        let catalog = Arc::new(Catalog::parse(&text)?);
        self.catalog.set(Some(catalog.clone()));
        Ok(catalog)
    }

    /// Fetches a lesson, `None` for the first one. While it comes the pane says so; if it is broken the pane says why, and
    /// there is none.
    pub async fn fetch(&self, id: Option<&str>) -> Option<Arc<Lesson>> {
        let asked = self.asked.get_value() + 1;
        self.asked.set_value(asked);
        self.page.set(Page::Loading(id.unwrap_or("lessons").to_owned()));
        let fetched = self.fetch_and_read(id).await;
        if self.asked.get_value() != asked {
            return None;
        }
        fetched.map_err(|problems| self.broken(id.unwrap_or("The list of lessons"), problems)).ok()
    }

    pub fn broken(&self, what: &str, problems: Vec<Problem>) {
        self.progress.set_value(None);
        self.page.set(Page::Broken { what: what.to_owned(), problems });
    }

    async fn fetch_and_read(&self, id: Option<&str>) -> Result<Arc<Lesson>, Vec<Problem>> {
        let catalog = self.load_catalog().await?;
        let position = match id {
            None => catalog.first,
            Some(id) => {
                catalog.position(id).ok_or_else(|| whole("index.txt", format!("there is no lesson \"{id}\"")))?
            }
        };
        let entry = &catalog.entries[position];
        let file = entry.file();
        let text = browser::fetch_text(&format!("lessons/{file}")).await.map_err(|error| whole(&file, error))?;
        format::parse(&entry.folder, &text).map(Arc::new)
    }

    /// Shows a lesson whose world begins now.
    pub fn begin(&self, lesson: Arc<Lesson>, began: SimTime) {
        self.show(Progress::new(lesson, began));
    }

    /// Shows a lesson in a world that has been lived in: its progress is found by living it again.
    pub fn resume(&self, lesson: Arc<Lesson>, archive: Archive) -> Timeline {
        let same = (archive.scenario, archive.seed) == (lesson.scenario, lesson.seed);
        // In a world that is not the lesson's own it begins with the world.
        let began = if same { runner::prepare(&lesson, lesson.seed).ok() } else { None };
        let began = began.map_or(SimTime::ZERO, |timeline| timeline.lab().now());
        let mut progress = Progress::new(lesson, began);
        let (end, steps) = archive.moment;
        let mut timeline = Timeline::replay(archive.scenario, archive.seed, archive.inputs);
        // Not quite: the playhead may stand between two things of one moment.
        progress.retrace(&mut timeline, end - Micros(1));
        timeline.seek_exactly(end, steps);
        self.show(progress);
        timeline
    }

    fn show(&self, mut progress: Progress) {
        let lesson = progress.lesson().clone();
        let record = Record::of(&lesson.id);
        for &(step, prediction, option) in &record.chosen {
            progress.choose(step, prediction, option);
        }
        self.chosen.set(progress.choices().collect());
        self.progress.set_value(Some(progress));
        self.page.set(Page::Open(lesson));
    }

    /// The learner predicts.
    pub fn choose(&self, step: usize, prediction: usize, option: usize) {
        let choices = self.progress.try_update_value(|progress| {
            let progress = progress.as_mut()?;
            progress.choose(step, prediction, option);
            Some(progress.choices().collect::<Vec<_>>())
        });
        if let Some(choices) = choices.flatten() {
            self.chosen.set(choices);
        }
    }

    fn remember(&self, standing: &Standing) {
        let Some(lesson) = self.page.with_untracked(|page| match page {
            Page::Open(lesson) => Some(lesson.clone()),
            _ => None,
        }) else {
            return;
        };
        let before = Record::of(&lesson.id);
        let record = Record {
            done: before.done.max(standing.done),
            complete: before.complete || standing.complete,
            chosen: self.chosen.get_untracked(),
        };
        if record != before {
            store::write(&format!("{}{}", store::PROGRESS, lesson.id), &record.text());
        }
    }
}

fn judge(progress: &mut Progress, timeline: &Timeline) -> Option<Standing> {
    progress.update(timeline);
    let trouble = progress.trouble().map(str::to_owned);
    Some(Standing { done: progress.done(), complete: progress.is_complete(), trouble })
}

fn whole(file: &str, message: String) -> Vec<Problem> {
    vec![Problem { file: file.to_owned(), line: 0, column: 0, message }]
}

/// A world in which a lesson can begin.
///
/// # Errors
/// Why its start cannot be done, for the lesson's pane.
pub fn prepared(lesson: &Lesson) -> Result<Timeline, Vec<Problem>> {
    runner::prepare(lesson, lesson.seed).map_err(|problem| vec![problem])
}

impl Record {
    pub fn of(lesson: &str) -> Record {
        store::read(&format!("{}{lesson}", store::PROGRESS)).map_or_else(Record::default, |text| Record::parse(&text))
    }

    /// `done=3 complete=false chosen=2.0.1,4.0.0`
    fn text(&self) -> String {
        let chosen: Vec<String> = self.chosen.iter().map(|(a, b, c)| format!("{a}.{b}.{c}")).collect();
        format!("done={} complete={} chosen={}", self.done, self.complete, chosen.join(","))
    }

    /// What cannot be read counts as nothing done.
    fn parse(text: &str) -> Record {
        let mut record = Record::default();
        for (key, value) in text.split(' ').filter_map(|pair| pair.split_once('=')) {
            match key {
                "done" => record.done = value.parse().unwrap_or(0),
                "complete" => record.complete = value == "true",
                "chosen" => {
                    let choice = |text: &str| {
                        let mut numbers = text.split('.').map(|number| number.parse().ok());
                        Some((numbers.next()??, numbers.next()??, numbers.next()??))
                    };
                    record.chosen = value.split(',').filter_map(choice).collect();
                }
                _ => {}
            }
        }
        record
    }
}
