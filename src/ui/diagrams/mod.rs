//! Pictures of the world, one to a file. A picture draws a projection; it decides nothing.

mod apiserver;
pub mod cluster;
mod empty;
mod keys;
mod metrics;
mod revisions;
mod rows;
mod sequence;
mod watches;

pub use apiserver::ApiServerView;
pub use cluster::ClusterView;
pub use keys::KeysView;
pub use metrics::MetricsView;
pub use revisions::RevisionsView;
pub use sequence::SequenceView;
pub use watches::WatchesView;

use super::session::{Selection, Session};
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;

/// A pane's first size, until it is measured.
const PANE: (f64, f64) = (736.0, 520.0);

/// Follows the size of an element.
pub(super) fn measure(pane: NodeRef<html::Div>) -> RwSignal<(f64, f64)> {
    let size = RwSignal::new(PANE);
    let observer = StoredValue::new_local(None::<(web_sys::ResizeObserver, Closure<dyn FnMut()>)>);
    Effect::new(move |_| {
        let Some(element) = pane.get() else { return };
        let watched = element.clone();
        let resized = Closure::new(move || {
            let new = (f64::from(watched.client_width()), f64::from(watched.client_height()));
            if new.0 > 0.0 && new.1 > 0.0 && size.try_get_untracked().is_some_and(|old| old != new) {
                size.set(new);
            }
        });
        if let Ok(created) = web_sys::ResizeObserver::new(resized.as_ref().unchecked_ref()) {
            created.observe(&element);
            observer.set_value(Some((created, resized)));
        }
    });
    on_cleanup(move || {
        observer.try_update_value(|observer| {
            if let Some((observer, _)) = observer.take() {
                observer.disconnect();
            }
        });
    });
    size
}

/// Picks something, and holds time while one looks at it.
pub(super) fn select(session: Session, what: Selection) {
    session.playing.set(false);
    session.selection.set(Some(what));
}
