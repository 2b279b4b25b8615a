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
    /// The process is killed; the machine keeps its power, so whoever knocks is refused.
    Kill {
        host: HostId,
    },
    /// The process is started, if it does not run.
    Start {
        host: HostId,
    },
    /// The process is killed and its data directory deleted.
    Wipe {
        host: HostId,
    },
    /// As [`Fault::Wipe`]; then the process is started to join the running cluster, which must expect it.
    Join {
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
    /// No room is left on the disk: what is written from now on is not.
    FullDisk {
        host: HostId,
    },
    FreeDisk {
        host: HostId,
    },
    /// A bit flips on the disk, in the middle of this.
    Damage {
        host: HostId,
        part: Part,
    },
    /// The power fails while a record of the log is being written, and half of it is there.
    Tear {
        host: HostId,
    },
    /// One message in flight is lost.
    Drop {
        packet: PacketId,
    },
}

/// What a server keeps on its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// Its write-ahead log.
    Wal,
    /// Its database.
    Db,
}

impl Part {
    pub fn name(self) -> &'static str {
        match self {
            Part::Wal => "wal",
            Part::Db => "db",
        }
    }
}

/// Factors of a slow disk beyond this say nothing new.
const SLOWDOWN_MAX: u32 = 100_000;

/// Longest delay that makes sense for one message: a minute.
const LATENCY_MAX: Micros = Micros::from_secs(60);

impl Fault {
    /// Reads the text form: `power-off etcd-1`, `cut etcd-1 etcd-2 --one-way`, `loss a b 20%`.
    ///
    /// `resolve` finds a host by its name. The error is one lowercase line without a final dot.
    pub fn parse(words: &[&str], resolve: &dyn Fn(&str) -> Option<HostId>) -> Result<Fault, String> {
        let Some((&verb, rest)) = words.split_first() else {
            return Err("what to do is missing".to_owned());
        };
        let host = |name: &str| resolve(name).ok_or_else(|| format!("there is no host \"{name}\""));
        let usage = |form: &str| Err(format!("usage: {verb} {form}"));
        match (verb, rest) {
            ("power-off", [name]) => Ok(Fault::PowerOff { host: host(name)? }),
            ("power-on", [name]) => Ok(Fault::PowerOn { host: host(name)? }),
            ("restart", [name]) => Ok(Fault::Restart { host: host(name)? }),
            ("kill", [name]) => Ok(Fault::Kill { host: host(name)? }),
            ("start", [name]) => Ok(Fault::Start { host: host(name)? }),
            ("wipe", [name]) => Ok(Fault::Wipe { host: host(name)? }),
            ("join", [name]) => Ok(Fault::Join { host: host(name)? }),
            ("full-disk", [name]) => Ok(Fault::FullDisk { host: host(name)? }),
            ("free-disk", [name]) => Ok(Fault::FreeDisk { host: host(name)? }),
            ("tear", [name]) => Ok(Fault::Tear { host: host(name)? }),
            (
                "power-off" | "power-on" | "restart" | "kill" | "start" | "wipe" | "join" | "full-disk" | "free-disk"
                | "tear",
                _,
            ) => usage("HOST"),
            ("damage", [name, part]) => {
                let part = [Part::Wal, Part::Db].into_iter().find(|known| known.name() == *part);
                let Some(part) = part else { return usage("HOST wal|db") };
                Ok(Fault::Damage { host: host(name)?, part })
            }
            ("damage", _) => usage("HOST wal|db"),
            ("cut", ["--one-way", a, b] | [a, "--one-way", b] | [a, b, "--one-way"]) => {
                let (from, to) = link(host(a)?, host(b)?)?;
                Ok(Fault::Cut { from, to, one_way: true })
            }
            ("cut", [a, b]) => {
                let (from, to) = link(host(a)?, host(b)?)?;
                Ok(Fault::Cut { from, to, one_way: false })
            }
            ("cut", _) => usage("A B [--one-way]"),
            ("heal", ["--all"]) => Ok(Fault::HealAll),
            ("heal", [a, b]) => {
                let (from, to) = link(host(a)?, host(b)?)?;
                Ok(Fault::Heal { from, to })
            }
            ("heal", _) => usage("A B, or heal --all"),
            ("latency", [a, b, latency, jitter @ ..]) => {
                let (from, to) = link(host(a)?, host(b)?)?;
                let jitter = match jitter {
                    [] => Micros(0),
                    ["--jitter", jitter] => span(jitter)?,
                    [jitter] if jitter.starts_with("--jitter=") => span(&jitter["--jitter=".len()..])?,
                    _ => return usage("A B 50ms [--jitter 5ms]"),
                };
                Ok(Fault::Latency { from, to, latency: span(latency)?, jitter })
            }
            ("latency", _) => usage("A B 50ms [--jitter 5ms]"),
            ("loss" | "duplicate" | "reorder", [a, b, chance]) => {
                let (from, to) = link(host(a)?, host(b)?)?;
                let chance = percent(chance)?;
                Ok(match verb {
                    "loss" => Fault::Loss { from, to, chance },
                    "duplicate" => Fault::Duplicate { from, to, chance },
                    _ => Fault::Reorder { from, to, chance },
                })
            }
            ("loss" | "duplicate" | "reorder", _) => usage("A B 20%"),
            ("slow-disk", [name, factor]) => {
                let number = factor.strip_suffix('x').unwrap_or(factor).parse::<u32>().ok();
                let number = number.filter(|number| (1..=SLOWDOWN_MAX).contains(number));
                let factor = number.ok_or_else(|| format!("\"{factor}\" is no factor from 1x to {SLOWDOWN_MAX}x"))?;
                Ok(Fault::SlowDisk { host: host(name)?, factor })
            }
            ("slow-disk", _) => usage("HOST 100x"),
            ("drop", [packet]) => {
                let number =
                    packet.trim_start_matches('#').parse().map_err(|_| format!("\"{packet}\" is no packet number"))?;
                Ok(Fault::Drop { packet: PacketId(number) })
            }
            ("drop", _) => usage("PACKET"),
            _ => Err(format!("unknown fault \"{verb}\"")),
        }
    }

    /// The text form, which [`Fault::parse`] reads back; `name` gives a host's name.
    pub fn text(&self, name: &dyn Fn(HostId) -> String) -> String {
        match *self {
            Fault::PowerOff { host } => format!("power-off {}", name(host)),
            Fault::PowerOn { host } => format!("power-on {}", name(host)),
            Fault::Restart { host } => format!("restart {}", name(host)),
            Fault::Kill { host } => format!("kill {}", name(host)),
            Fault::Start { host } => format!("start {}", name(host)),
            Fault::Wipe { host } => format!("wipe {}", name(host)),
            Fault::Join { host } => format!("join {}", name(host)),
            Fault::Cut { from, to, one_way } => {
                format!("cut {} {}{}", name(from), name(to), if one_way { " --one-way" } else { "" })
            }
            Fault::Heal { from, to } => format!("heal {} {}", name(from), name(to)),
            Fault::HealAll => "heal --all".to_owned(),
            Fault::Latency { from, to, latency, jitter: Micros(0) } => {
                format!("latency {} {} {latency}", name(from), name(to))
            }
            Fault::Latency { from, to, latency, jitter } => {
                format!("latency {} {} {latency} --jitter {jitter}", name(from), name(to))
            }
            Fault::Loss { from, to, chance } => format!("loss {} {} {chance}", name(from), name(to)),
            Fault::Duplicate { from, to, chance } => format!("duplicate {} {} {chance}", name(from), name(to)),
            Fault::Reorder { from, to, chance } => format!("reorder {} {} {chance}", name(from), name(to)),
            Fault::SlowDisk { host, factor } => format!("slow-disk {} {factor}x", name(host)),
            Fault::FullDisk { host } => format!("full-disk {}", name(host)),
            Fault::FreeDisk { host } => format!("free-disk {}", name(host)),
            Fault::Damage { host, part } => format!("damage {} {}", name(host), part.name()),
            Fault::Tear { host } => format!("tear {}", name(host)),
            Fault::Drop { packet } => format!("drop {}", packet.0),
        }
    }
}

impl std::fmt::Display for Ppm {
    /// As a percentage without trailing zeros: `20%`, `0.5%`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fraction = format!("{:04}", self.0 % 10_000);
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{}%", self.0 / 10_000),
            digits => write!(f, "{}.{digits}%", self.0 / 10_000),
        }
    }
}

/// The two ends of a wire, which must differ.
fn link(a: HostId, b: HostId) -> Result<(HostId, HostId), String> {
    if a == b { Err("a wire has two different ends".to_owned()) } else { Ok((a, b)) }
}

/// `20%`, `0.5%`, exact to four places.
fn percent(text: &str) -> Result<Ppm, String> {
    let wrong = || format!("\"{text}\" is no share from 0% to 100%");
    let number = text.strip_suffix('%').ok_or_else(wrong)?;
    let ppm = decimal(number, 4).ok_or_else(wrong)?;
    u32::try_from(ppm).ok().filter(|ppm| *ppm <= 1_000_000).map(Ppm).ok_or_else(wrong)
}

/// `50ms`, `1.5s`, `200µs` (`us`); a bare `0` too.
fn span(text: &str) -> Result<Micros, String> {
    let wrong = || format!("\"{text}\" is no span such as 50ms, at most {LATENCY_MAX}");
    let units = [("ms", 3), ("µs", 0), ("us", 0), ("s", 6)];
    let micros = match units.iter().find_map(|(unit, places)| Some((text.strip_suffix(unit)?, *places))) {
        Some((number, places)) => decimal(number, places),
        None if text == "0" => Some(0),
        None => None,
    };
    micros.map(Micros).filter(|span| *span <= LATENCY_MAX).ok_or_else(wrong)
}

/// A decimal number times 10^`places`; `None` if it is none or not whole then.
fn decimal(text: &str, places: usize) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > places {
        return None;
    }
    format!("{whole}{fraction:0<places$}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(name: &str) -> Option<HostId> {
        name.strip_prefix("etcd-")?.parse::<u16>().ok()?.checked_sub(1).filter(|n| *n < 3).map(HostId)
    }

    #[test]
    fn text_forms_are_read_back() {
        for line in [
            "power-off etcd-1",
            "power-on etcd-2",
            "restart etcd-3",
            "kill etcd-1",
            "start etcd-1",
            "wipe etcd-3",
            "join etcd-2",
            "cut etcd-1 etcd-2",
            "cut etcd-1 etcd-2 --one-way",
            "heal etcd-1 etcd-2",
            "heal --all",
            "latency etcd-1 etcd-2 50ms",
            "latency etcd-1 etcd-2 1.5s --jitter 200µs",
            "loss etcd-1 etcd-2 20%",
            "duplicate etcd-1 etcd-2 0.05%",
            "reorder etcd-1 etcd-2 100%",
            "slow-disk etcd-1 100x",
            "full-disk etcd-3",
            "free-disk etcd-3",
            "damage etcd-1 wal",
            "damage etcd-2 db",
            "tear etcd-2",
            "drop 17",
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            let fault = Fault::parse(&words, &resolve).unwrap();
            assert_eq!(fault.text(&|host| format!("etcd-{}", host.0 + 1)), line);
        }
    }

    #[test]
    fn mistakes_are_named() {
        #[track_caller]
        fn check(line: &str, message: &str) {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(Fault::parse(&words, &resolve).unwrap_err(), message);
        }
        check("", "what to do is missing");
        check("explode etcd-1", "unknown fault \"explode\"");
        check("power-off", "usage: power-off HOST");
        check("power-off etcd-9", "there is no host \"etcd-9\"");
        check("cut etcd-1 etcd-1", "a wire has two different ends");
        check("loss etcd-1 etcd-2 120%", "\"120%\" is no share from 0% to 100%");
        check("latency etcd-1 etcd-2 5", "\"5\" is no span such as 50ms, at most 1m0s");
        check("damage etcd-1 memory", "usage: damage HOST wal|db");
        check("tear", "usage: tear HOST");
        check("slow-disk etcd-1 0x", "\"0x\" is no factor from 1x to 100000x");
    }
}
