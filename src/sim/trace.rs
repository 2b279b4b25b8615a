//! What happened, in order, each with its cause. Bounded: the oldest is forgotten first.

use super::{FileName, HostId, PacketId, SimTime};
use imbl::Vector;
use std::sync::Arc;

/// Names one event of a world. Ids grow with time; a cause has a smaller id than its effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub u64);

impl EventId {
    /// The cause of what nothing in the world caused.
    pub const NONE: EventId = EventId(0);
}

#[derive(Clone, Debug)]
pub struct TraceEvent<M, T, F> {
    pub id: EventId,
    pub cause: EventId,
    /// The learner's input that it goes back to without a timer in between, or [`EventId::NONE`].
    pub root: EventId,
    pub at: SimTime,
    pub host: HostId,
    pub what: What<M, T, F>,
}

#[derive(Clone, Debug)]
pub enum What<M, T, F> {
    /// The learner acted: the position in the input log.
    Input(u32),
    Sent {
        packet: PacketId,
        to: HostId,
        arrives: SimTime,
        message: Arc<M>,
    },
    /// The message sent by the cause arrived.
    Delivered {
        packet: PacketId,
        from: HostId,
        message: Arc<M>,
    },
    /// The message sent by the cause will not arrive.
    Lost {
        packet: PacketId,
        to: HostId,
        why: Loss,
    },
    /// A timer ran out or a disk finished.
    Woken(T),
    /// `bytes` went to the file's cache and an fsync of it was begun; it finishes at `done`.
    Syncing {
        file: FileName,
        bytes: u64,
        done: SimTime,
    },
    Fact(F),
}

/// Why a message never arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// The link lost it, by its chance of loss.
    Link,
    /// The link was cut.
    Cut,
    /// The machine at the other end, or at this one, had no power.
    PoweredOff,
    /// The learner dropped it.
    Dropped,
}

/// How many events are kept: about 45 minutes of an idle three-member cluster, some 30 MB.
const KEPT: usize = 1 << 18;

#[derive(Clone, Debug)]
pub struct Trace<M, T, F> {
    events: Vector<TraceEvent<M, T, F>>,
}

impl<M: Clone, T: Clone, F: Clone> Trace<M, T, F> {
    pub(super) fn new() -> Self {
        Trace { events: Vector::new() }
    }

    pub(super) fn push(&mut self, event: TraceEvent<M, T, F>) {
        debug_assert!(self.events.back().is_none_or(|last| last.id < event.id));
        if self.events.len() == KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// The event of this id, unless it is forgotten or was not worth keeping.
    pub fn get(&self, id: EventId) -> Option<&TraceEvent<M, T, F>> {
        // Every event has an id of its own: as many ids ago it was, so many events ago at most.
        let ago = usize::try_from(self.last_id().0.checked_sub(id.0)?).ok()?;
        let end = self.events.len();
        let (mut low, mut high) = (end.saturating_sub(ago.saturating_add(1)), end);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.events.get(middle)?.id < id { low = middle + 1 } else { high = middle }
        }
        self.events.get(low).filter(|event| event.id == id)
    }

    /// Events with an id above `id`, oldest first.
    pub fn after(&self, id: EventId) -> impl DoubleEndedIterator<Item = &TraceEvent<M, T, F>> {
        let start = match self.events.binary_search_by(|event| event.id.cmp(&id)) {
            Ok(found) => found + 1,
            Err(position) => position,
        };
        self.events.focus().narrow(start..).into_iter()
    }

    /// All that is kept, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &TraceEvent<M, T, F>> {
        self.events.iter()
    }

    pub fn last_id(&self) -> EventId {
        self.events.back().map_or(EventId::NONE, |event| event.id)
    }
}
