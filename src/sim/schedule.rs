//! What is due, in a total order: by time, then by the order in which it was scheduled.

use super::SimTime;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Hash)]
pub struct Schedule<T> {
    due: BTreeMap<(SimTime, u64), T>,
    next: u64,
}

/// Names something scheduled, so that it can be taken out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(SimTime, u64);

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Schedule { due: BTreeMap::new(), next: 0 }
    }
}

impl<T> Schedule<T> {
    pub fn insert(&mut self, at: SimTime, item: T) -> Slot {
        let slot = Slot(at, self.next);
        self.next += 1;
        self.due.insert((slot.0, slot.1), item);
        slot
    }

    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        self.due.remove(&(slot.0, slot.1))
    }

    /// When the next thing is due.
    pub fn next_at(&self) -> Option<SimTime> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    pub fn pop(&mut self) -> Option<(SimTime, T)> {
        self.due.pop_first().map(|((at, _), item)| (at, item))
    }

    pub fn len(&self) -> usize {
        self.due.len()
    }

    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_come_out_in_the_order_they_went_in() {
        let mut schedule = Schedule::default();
        for (at, name) in [(5, "c"), (1, "a"), (5, "d"), (1, "b")] {
            schedule.insert(SimTime(at), name);
        }
        let order: Vec<_> = std::iter::from_fn(|| schedule.pop()).map(|(_, name)| name).collect();
        assert_eq!(order, ["a", "b", "c", "d"]);
    }
}
