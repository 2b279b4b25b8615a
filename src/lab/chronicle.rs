//! What deserves a mark on the timeline: commands, terms, writes, watch events, faults.

use super::{Input, LastWords};
use crate::etcd::Fact;
use crate::raft::{EventKind, Index, Term};
use crate::sim::{EventId, Fault, HostId, SimTime};
use imbl::Vector;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamped {
    pub at: SimTime,
    pub event: EventId,
    pub mark: Mark,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    Command {
        terminal: u8,
        line: String,
    },
    Interrupt {
        terminal: u8,
    },
    Fault(Fault),
    /// A member asked for votes (or asked whether it should).
    Campaign {
        host: HostId,
        term: Term,
        pre: bool,
    },
    Elected {
        host: HostId,
        term: Term,
    },
    /// A leader gave up its term.
    SteppedDown {
        host: HostId,
        term: Term,
    },
    /// A revision came into being: the first member applied the entry that made it.
    Write {
        revision: i64,
        term: Term,
        index: Index,
    },
    /// A client was told of revisions up to this one.
    Watched {
        revision: i64,
    },
    Started {
        host: HostId,
    },
    /// A member will not start.
    Refused {
        host: HostId,
        why: Arc<str>,
    },
    /// A member stopped by itself: it was removed, its log contradicts the others', or its disk is full.
    Stopped {
        host: HostId,
        why: Arc<str>,
    },
}

/// Marks kept: hours of busy life. The oldest go first.
const KEPT: usize = 1 << 18;

#[derive(Clone, Debug, Default)]
pub struct Chronicle {
    marks: Vector<Stamped>,
    /// How many marks were let go.
    forgotten: usize,
    /// Each revision's mark, by how many marks came before it.
    writes: Vector<(i64, usize)>,
    revision: i64,
    leading: Vec<HostId>,
}

impl Chronicle {
    pub fn marks(&self) -> &Vector<Stamped> {
        &self.marks
    }

    /// The mark of the write that made a revision, if it is still known.
    pub fn write(&self, revision: i64) -> Option<&Stamped> {
        let found = self.writes.binary_search_by_key(&revision, |(revision, _)| *revision).ok()?;
        self.marks.get(self.writes[found].1 - self.forgotten)
    }

    fn push(&mut self, at: SimTime, event: EventId, mark: Mark) {
        if self.marks.len() == KEPT {
            self.marks.pop_front();
            self.forgotten += 1;
            if self.writes.front().is_some_and(|(_, place)| *place < self.forgotten) {
                self.writes.pop_front();
            }
        }
        self.marks.push_back(Stamped { at, event, mark });
    }

    pub(super) fn input(&mut self, at: SimTime, event: EventId, input: &Input) {
        let mark = match input {
            Input::Line { terminal, text } => Mark::Command { terminal: *terminal, line: text.clone() },
            Input::Http { .. } | Input::HttpClose { .. } => return,
            Input::Interrupt { terminal } | Input::EndOfInput { terminal } => Mark::Interrupt { terminal: *terminal },
            Input::Fault(fault) => Mark::Fault(*fault),
        };
        self.push(at, event, mark);
    }

    pub(super) fn fault(&mut self, at: SimTime, event: EventId, fault: Fault) {
        self.push(at, event, Mark::Fault(fault));
    }

    pub(super) fn observe(&mut self, at: SimTime, event_id: EventId, host: HostId, fact: &Fact) {
        match fact {
            Fact::Raft(event) => self.raft(at, event_id, host, &event.kind),
            Fact::Applied { entry, revision: Some(revision) } if *revision > self.revision => {
                self.revision = *revision;
                self.push(at, event_id, Mark::Write { revision: *revision, term: entry.term, index: entry.index });
                self.writes.push_back((*revision, self.forgotten + self.marks.len() - 1));
            }
            Fact::Watched { revisions, .. } => {
                if let Some(&revision) = revisions.last() {
                    self.push(at, event_id, Mark::Watched { revision });
                }
            }
            Fact::Started { .. } => {
                self.stops_leading(host);
                self.push(at, event_id, Mark::Started { host });
            }
            fact => match LastWords::of(fact) {
                Some(LastWords::Refused(why)) => self.push(at, event_id, Mark::Refused { host, why }),
                Some(LastWords::Stopped(why)) => {
                    self.stops_leading(host);
                    self.push(at, event_id, Mark::Stopped { host, why });
                }
                None => {}
            },
        }
    }

    /// Whether it led until now.
    fn stops_leading(&mut self, host: HostId) -> bool {
        let led = self.leading.len();
        self.leading.retain(|leader| *leader != host);
        self.leading.len() < led
    }

    fn raft(&mut self, at: SimTime, event: EventId, host: HostId, kind: &EventKind) {
        match kind {
            EventKind::BecameLeader { term } => {
                self.leading.push(host);
                self.push(at, event, Mark::Elected { host, term: *term });
            }
            EventKind::BecameCandidate { term } => {
                self.push(at, event, Mark::Campaign { host, term: *term, pre: false });
            }
            EventKind::BecamePreCandidate { term } => {
                self.push(at, event, Mark::Campaign { host, term: *term, pre: true });
            }
            EventKind::BecameFollower { term, .. } if self.stops_leading(host) => {
                self.push(at, event, Mark::SteppedDown { host, term: *term });
            }
            _ => {}
        }
    }
}
