//! What the views of API servers share: the requests that were seen, and which server and which request are looked at. It
//! outlives the views.

use super::session::{Selection, Session};
use crate::lab::{Lab, Topic};
use crate::projection::pipeline::Requests;
use crate::sim::{EventId, HostId};
use leptos::prelude::*;

/// A copy is the same handle.
#[derive(Clone, Copy)]
pub struct Calls {
    session: Session,
    seen: StoredValue<Requests>,
    /// The server that was picked here; a selected one goes before it.
    pub server: RwSignal<Option<HostId>>,
    /// The request that was picked; `None` is the newest.
    pub request: RwSignal<Option<EventId>>,
    /// The request or command whose sequence is drawn; `None` is the newest.
    pub subject: RwSignal<Option<EventId>>,
}

impl Calls {
    pub fn new(session: Session) -> Calls {
        Calls {
            session,
            seen: StoredValue::new(Requests::default()),
            server: RwSignal::new(None),
            request: RwSignal::new(None),
            subject: RwSignal::new(None),
        }
    }

    /// The server that is looked at, by its machine; nothing in a world without any.
    pub fn host(&self, lab: &Lab) -> Option<HostId> {
        let selected = match self.session.selection.get() {
            Some(Selection::Host(host)) => Some(host),
            _ => None,
        };
        let is_one = |host: &HostId| lab.api_server_name(*host).is_some();
        selected.filter(is_one).or(self.server.get().filter(is_one)).or_else(|| lab.api_server_machines().next())
    }

    /// A view of the requests, made anew when one of them went on.
    pub fn observe<V>(
        &self,
        topics: &'static [Topic],
        project: impl Fn(&Lab, &Requests) -> V + Send + Sync + 'static,
    ) -> Memo<V>
    where
        V: PartialEq + Clone + Send + Sync + 'static,
    {
        let seen = self.seen;
        self.session.observe(topics, move |lab| {
            seen.update_value(|seen| seen.follow(lab));
            seen.with_value(|seen| project(lab, seen))
        })
    }
}
