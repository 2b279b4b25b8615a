//! What a view of API servers knows of their requests, and which server it looks at.

use super::browse::Browse;
use super::session::{Selection, Session};
use crate::lab::{Lab, Topic};
use crate::projection::pipeline::Requests;
use crate::sim::HostId;
use leptos::prelude::*;

/// Made by a view for all its parts; it ends with the view. A copy is the same handle.
#[derive(Clone, Copy)]
pub struct Calls {
    session: Session,
    browse: Browse,
    seen: StoredValue<Requests>,
}

impl Calls {
    pub fn here() -> Calls {
        let (session, browse) = (expect_context(), expect_context());
        Calls { session, browse, seen: StoredValue::new(Requests::default()) }
    }

    /// The server that is looked at, by its machine; nothing in a world without any.
    pub fn host(&self, lab: &Lab) -> Option<HostId> {
        let selected = match self.session.selection.get() {
            Some(Selection::Host(host)) => Some(host),
            _ => None,
        };
        let is_one = |host: &HostId| lab.api_server_name(*host).is_some();
        selected.filter(is_one).or(self.browse.server.get().filter(is_one)).or_else(|| lab.api_server_machines().next())
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
