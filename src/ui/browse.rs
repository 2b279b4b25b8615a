//! What views share: the chosen key, the filter, the revision that is read, the API server and the request that are looked
//! at. It outlives the views.

use super::diagrams::select;
use super::session::{Selection, Session};
use crate::lab::Topic;
use crate::projection::keys::Folds;
use crate::projection::stores;
use crate::sim::{EventId, HostId};
use bytes::Bytes;
use leptos::prelude::*;

/// A copy is the same handle.
#[derive(Clone, Copy)]
pub struct Browse {
    session: Session,
    /// The revision behind what is selected, wherever it was picked.
    pub revision: Memo<Option<i64>>,
    pub key: RwSignal<Option<Bytes>>,
    pub filter: RwSignal<String>,
    /// The revision at which keys are read; `None` is the newest.
    pub cut: RwSignal<Option<i64>>,
    /// Only keys that were written in the revisions shown.
    pub written: RwSignal<bool>,
    /// The newest revision that is shown; `None` follows the store.
    pub newest: RwSignal<Option<i64>>,
    /// Which folders of the tree are folded.
    pub folds: RwSignal<Folds>,
    /// The API server that was picked; a selected one goes before it.
    pub server: RwSignal<Option<HostId>>,
    /// Its request that was picked; `None` is the newest.
    pub request: RwSignal<Option<EventId>>,
    /// The request or command whose sequence is drawn; `None` is the newest.
    pub subject: RwSignal<Option<EventId>>,
}

impl Browse {
    pub fn new(session: Session) -> Browse {
        let selection = session.selection;
        let revision = session.observe(&[Topic::Mvcc], move |lab| match selection.get()? {
            Selection::Entry(_, index) => stores::revision_of_entry(lab, index),
            Selection::Event(event) => stores::revision_of_event(lab, event),
            Selection::Host(_) | Selection::Link(..) | Selection::Packet(_) => None,
        });
        Browse {
            session,
            revision,
            key: RwSignal::new(None),
            filter: RwSignal::new(String::new()),
            cut: RwSignal::new(None),
            written: RwSignal::new(false),
            newest: RwSignal::new(None),
            folds: RwSignal::new(Folds::default()),
            server: RwSignal::new(None),
            request: RwSignal::new(None),
            subject: RwSignal::new(None),
        }
    }

    /// The machine that the learner has picked, by itself or by an entry of its log.
    pub fn host(&self) -> Option<HostId> {
        match self.session.selection.get() {
            Some(Selection::Host(host) | Selection::Entry(host, _)) => Some(host),
            _ => None,
        }
    }

    /// Picks a revision: the entry that made it, in the log of the member that is looked at; else the event.
    pub fn pick(&self, revision: i64) {
        let asked = untrack(|| self.host());
        let what = self.session.look(|timeline| {
            let lab = timeline.lab();
            let source = stores::source(lab, asked)?;
            let origin = stores::origin(lab, revision)?;
            let kept = lab.member(source.host)?.storage().entry(origin.index).is_some();
            Some(if kept { Selection::Entry(source.host, origin.index.0) } else { Selection::Event(origin.event) })
        });
        if let Some(what) = what {
            select(self.session, what);
        }
    }
}
