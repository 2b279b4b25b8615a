//! Level 0: virtual time, chance, wires and disks. Knows no protocol.
//!
//! [`Sim`] is the kernel under every world: it holds what is due, hands out one [`Occurrence`] at a time in a total order,
//! and carries out what the hosts ask in return ([`Outbox`]). It calls nobody; the owner of the hosts asks it to `step`.
//!
//! ```text
//!   step() ──Occurrence──> owner ──> host.receive(..., &mut Outbox) ──Effects──> perform() ──> schedule, network, disks
//! ```
//!
//! Every occurrence, message, disk operation and fact gets an [`EventId`] and the id of what caused it, so that a chain of
//! causes can be read back from anything to the input or the timer that began it.

pub mod clock;
pub mod disk;
pub mod fault;
pub mod network;
pub mod prng;
pub mod schedule;
pub mod state_hash;
pub mod trace;
pub mod world;

pub use clock::{EPOCH_SECONDS, Micros, SimTime};
pub use disk::{Disk, DiskProfile, FileName};
pub use fault::{Fault, HostId, PacketId, Part, Ppm};
pub use network::{Delivery, Link, Network};
pub use prng::Prng;
pub use trace::{EventId, Trace, TraceEvent, What};
pub use world::{Effect, Occurrence, Outbox, Sim};
