//! Taking in a snapshot of a real cluster: read, checked and restored between frames, and never sent anywhere.

use super::browser;
use crate::lab::import::{Importer, SnapshotId, Turn};
use crate::lab::{Import, Scenario};
use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use std::sync::Arc;

/// bbolt's magic number and where both of a database's first pages have it: after their headers.
const MAGIC: [u8; 4] = [0xed, 0xda, 0x0c, 0xed];
const MAGIC_AT: [usize; 2] = [16, 4_096 + 16];
/// Items of a database between two looks at the clock, and how long one turn may take: a frame must find room beside it.
const ITEMS: usize = 500;
const TURN_MS: f64 = 6.0;

/// What the page shows of an import under way.
#[derive(Clone, Copy)]
pub struct Importing {
    /// The file's name and how much is done, in thousandths.
    under_way: RwSignal<Option<(String, u32)>>,
    cancelled: RwSignal<bool>,
}

impl Default for Importing {
    fn default() -> Importing {
        Importing { under_way: RwSignal::new(None), cancelled: RwSignal::new(false) }
    }
}

/// Whether a file is an etcd database, whole or damaged, rather than a text.
///
/// # Errors
/// Why it cannot be read.
pub async fn is_database(file: &web_sys::File) -> Result<bool, String> {
    let end = MAGIC_AT[1] + MAGIC.len();
    let head = browser::read_bytes(file, 0..end as u64).await?;
    let has_magic = |at: &usize| head.get(*at..at + MAGIC.len()) == Some(&MAGIC[..]);
    Ok(MAGIC_AT.iter().any(has_magic) || file.name().ends_with(".db"))
}

/// The name of a snapshot file by its content.
///
/// # Errors
/// Why it cannot be read.
pub async fn id_of(file: &web_sys::File) -> Result<Option<SnapshotId>, String> {
    let len = file.size() as u64;
    let tail = browser::read_bytes(file, len.saturating_sub(32)..len).await?;
    Ok(SnapshotId::at_end_of(&tail))
}

impl Importing {
    /// Takes in a file for worlds of this scenario; nothing if the learner thought better of it.
    ///
    /// # Errors
    /// Why the file is of no use, with the page that is damaged.
    pub async fn import(&self, file: &web_sys::File, scenario: Scenario) -> Result<Option<Arc<Import>>, String> {
        if self.under_way.with_untracked(Option::is_some) {
            return Err("another snapshot is being read".to_owned());
        }
        self.cancelled.set(false);
        self.show(file, 0);
        let imported = self.work(file, scenario).await;
        self.under_way.set(None);
        imported
    }

    async fn work(&self, file: &web_sys::File, scenario: Scenario) -> Result<Option<Arc<Import>>, String> {
        let mut importer = Importer::new(scenario, file.size() as u64)?;
        while let Some(range) = importer.wants() {
            let piece = browser::read_bytes(file, range).await?;
            importer.supply(piece);
            self.show(file, importer.share());
            TimeoutFuture::new(0).await;
            if self.cancelled.get_untracked() {
                return Ok(None);
            }
        }
        loop {
            let until = browser::now() + TURN_MS;
            while browser::now() < until {
                match importer.run(ITEMS).map_err(|error| error.to_string())? {
                    Turn::Done(import) => return Ok(Some(Arc::from(import))),
                    Turn::Paused(share) => self.show(file, share),
                }
            }
            TimeoutFuture::new(0).await;
            if self.cancelled.get_untracked() {
                return Ok(None);
            }
        }
    }

    fn show(&self, file: &web_sys::File, share: u32) {
        let is_news = self.under_way.with_untracked(|now| now.as_ref().is_none_or(|now| now.1 != share));
        if is_news {
            self.under_way.set(Some((file.name(), share)));
        }
    }
}

/// How far it is, while a snapshot is taken in.
#[component]
pub fn ImportProgress() -> impl IntoView {
    let importing = expect_context::<Importing>();
    move || {
        let (name, share) = importing.under_way.get()?;
        let text = format!("Reading {name}: {} %. The file stays on this machine.", share / 10);
        Some(view! {
            <div class="importing" role="status">
                <p>{text}</p>
                <progress max="1000" value=share.to_string()></progress>
                <button class="button" type="button" on:click=move |_| importing.cancelled.set(true)>"Cancel"</button>
            </div>
        })
    }
}
