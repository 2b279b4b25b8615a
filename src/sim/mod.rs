//! Virtual time, chance, wires and disks. Knows no protocol.
pub mod clock;
pub mod fault;

pub use clock::{Micros, SimTime};
pub use fault::{Fault, HostId, PacketId, Ppm};
