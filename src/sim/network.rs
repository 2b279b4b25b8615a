//! Wires between machines: latency, jitter, loss, duplication, reordering, cuts; every message in flight can be looked at
//! and dropped.

use super::schedule::Slot;
use super::{EventId, HostId, Micros, PacketId, Ppm, Prng, SimTime};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One direction of a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// One way.
    pub latency: Micros,
    /// Up to this much is added to each message.
    pub jitter: Micros,
    pub loss: Ppm,
    pub duplicate: Ppm,
    /// Chance that a message is held back so that later ones overtake it.
    pub reorder: Ppm,
    pub bytes_per_ms: u64,
    pub cut: bool,
}

impl Link {
    /// Machines in one rack: 0.5 ms one way, 10 Gbit/s.
    pub const RACK: Link = Link {
        latency: Micros(500),
        jitter: Micros(100),
        loss: Ppm(0),
        duplicate: Ppm(0),
        reorder: Ppm(0),
        bytes_per_ms: 1_250_000,
        cut: false,
    };
}

/// What a message may suffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// May be lost, doubled or overtaken.
    Datagram,
    /// Part of a connection: in order, at most once; a loss costs a retransmission, as in TCP.
    Stream,
}

/// TCP's smallest retransmission time-out; it doubles with each further loss of the same message.
const RETRANSMIT: Micros = Micros::from_millis(200);
/// After this many losses of one message in a row a connection gives it up.
const RETRANSMITS: u32 = 8;
/// A reordered message is held back by up to this many times the link's latency.
const REORDER_SPREAD: u64 = 4;

/// A message on its way.
#[derive(Clone, Debug, Hash)]
pub struct Packet<M> {
    pub id: PacketId,
    pub from: HostId,
    pub to: HostId,
    pub sent: SimTime,
    pub arrives: SimTime,
    pub bytes: u32,
    pub message: Arc<M>,
    /// The event that sent it, and the input that this goes back to.
    pub cause: EventId,
    pub root: EventId,
    pub(super) slot: Slot,
}

#[derive(Clone, Debug, Hash)]
pub struct Network<M> {
    default: Link,
    links: BTreeMap<(HostId, HostId), Link>,
    /// When the last in-order message of a link arrives: the next one does not overtake it.
    last_arrival: BTreeMap<(HostId, HostId), SimTime>,
    pub(super) in_flight: BTreeMap<PacketId, Packet<M>>,
    prng: Prng,
}

/// What the wire will do with a message.
pub(super) enum Fate {
    Lost,
    Arrives(SimTime),
    Twice(SimTime, SimTime),
}

impl<M> Network<M> {
    pub fn new(default: Link, prng: Prng) -> Network<M> {
        Network { default, links: BTreeMap::new(), last_arrival: BTreeMap::new(), in_flight: BTreeMap::new(), prng }
    }

    /// The wire from one machine to another, as it is now.
    pub fn link(&self, from: HostId, to: HostId) -> Link {
        self.links.get(&(from, to)).copied().unwrap_or(self.default)
    }

    pub(super) fn link_mut(&mut self, from: HostId, to: HostId) -> &mut Link {
        let default = self.default;
        self.links.entry((from, to)).or_insert(default)
    }

    pub(super) fn heal_all(&mut self) {
        for link in self.links.values_mut() {
            link.cut = false;
        }
    }

    /// Messages in flight, in the order they were sent.
    pub fn in_flight(&self) -> impl Iterator<Item = &Packet<M>> {
        self.in_flight.values()
    }

    pub fn packet(&self, id: PacketId) -> Option<&Packet<M>> {
        self.in_flight.get(&id)
    }

    pub(super) fn fate(&mut self, now: SimTime, from: HostId, to: HostId, bytes: u32, delivery: Delivery) -> Fate {
        let link = self.link(from, to);
        let transfer = Micros(u64::from(bytes) * 1_000 / link.bytes_per_ms.max(1));
        let mut arrives = now + link.latency + self.prng.span(link.jitter) + transfer;
        match delivery {
            Delivery::Stream => {
                let mut wait = RETRANSMIT;
                for _ in 0..RETRANSMITS {
                    if !self.prng.happens(link.loss) {
                        return Fate::Arrives(self.in_order(from, to, arrives));
                    }
                    arrives += wait;
                    wait = Micros(wait.0 * 2);
                }
                Fate::Lost
            }
            Delivery::Datagram => {
                if self.prng.happens(link.loss) {
                    return Fate::Lost;
                }
                if self.prng.happens(link.reorder) {
                    let held = self.prng.span(Micros(link.latency.0.saturating_mul(REORDER_SPREAD)));
                    return Fate::Arrives(arrives + held);
                }
                let arrives = self.in_order(from, to, arrives);
                if self.prng.happens(link.duplicate) {
                    return Fate::Twice(arrives, arrives + link.latency);
                }
                Fate::Arrives(arrives)
            }
        }
    }

    fn in_order(&mut self, from: HostId, to: HostId, arrives: SimTime) -> SimTime {
        let last = self.last_arrival.entry((from, to)).or_default();
        *last = arrives.max(*last);
        *last
    }
}
