//! What a hand can do to machines, wires and disks. One text form serves the terminal, the input log and lesson files.

use super::Micros;

/// A machine of the world, by its position in the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId(pub u16);

/// A message in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PacketId(pub u64);

/// Parts per million: a chance without floating point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ppm(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The machine loses power: its memory and what its disk had not synced are gone.
    PowerOff {
        host: HostId,
    },
    PowerOn {
        host: HostId,
    },
    /// The process is killed and started again; the machine keeps its power, so connections are reset at once.
    Restart {
        host: HostId,
    },
    /// Nothing passes from `from` to `to`, nor back unless `one_way`.
    Cut {
        from: HostId,
        to: HostId,
        one_way: bool,
    },
    Heal {
        from: HostId,
        to: HostId,
    },
    HealAll,
    /// One-way delay of a link, both directions.
    Latency {
        from: HostId,
        to: HostId,
        latency: Micros,
        jitter: Micros,
    },
    Loss {
        from: HostId,
        to: HostId,
        chance: Ppm,
    },
    Duplicate {
        from: HostId,
        to: HostId,
        chance: Ppm,
    },
    Reorder {
        from: HostId,
        to: HostId,
        chance: Ppm,
    },
    /// Every write and fsync takes `factor` times as long; 1 is healthy.
    SlowDisk {
        host: HostId,
        factor: u32,
    },
    /// One message in flight is lost.
    Drop {
        packet: PacketId,
    },
}
