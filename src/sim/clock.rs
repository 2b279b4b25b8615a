//! The only clock there is: microseconds since the world began.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// The Unix time at which every world begins: 2026-01-01T00:00:00Z.
pub const EPOCH_SECONDS: u64 = 1_767_225_600;

/// Year, month and day, from days since 1970 (or before it): eras of 400 years, years that begin in March.
pub fn civil_date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// A span of virtual time in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Micros(pub u64);

/// A moment of virtual time: microseconds since the world began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SimTime(pub u64);

impl Micros {
    pub const fn from_millis(ms: u64) -> Micros {
        Micros(ms * 1_000)
    }

    pub const fn from_secs(s: u64) -> Micros {
        Micros(s * 1_000_000)
    }
}

impl SimTime {
    pub const ZERO: SimTime = SimTime(0);

    /// Time since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: SimTime) -> Micros {
        Micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Micros> for SimTime {
    type Output = SimTime;
    fn add(self, span: Micros) -> SimTime {
        SimTime(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Micros> for SimTime {
    fn add_assign(&mut self, span: Micros) {
        *self = *self + span;
    }
}

impl Sub<Micros> for SimTime {
    type Output = SimTime;
    fn sub(self, span: Micros) -> SimTime {
        SimTime(self.0.saturating_sub(span.0))
    }
}

impl fmt::Display for SimTime {
    /// `00:00:14.203118`: hours, minutes, seconds, microseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0 / 1_000_000, self.0 % 1_000_000);
        write!(f, "{:02}:{:02}:{:02}.{micros:06}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

impl fmt::Display for Micros {
    /// As Go prints a `time.Duration`, without trailing zeros: `850µs`, `1.2ms`, `5s`, `1m30s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn decimal(f: &mut fmt::Formatter<'_>, value: u64, unit: u64, suffix: &str) -> fmt::Result {
            let width = unit.ilog10() as usize;
            let fraction = format!("{:0width$}", value % unit);
            match fraction.trim_end_matches('0') {
                "" => write!(f, "{}{suffix}", value / unit),
                digits => write!(f, "{}.{digits}{suffix}", value / unit),
            }
        }
        match self.0 {
            0 => f.write_str("0s"),
            us @ 1..1_000 => write!(f, "{us}µs"),
            us @ 1_000..1_000_000 => decimal(f, us, 1_000, "ms"),
            us => {
                let (hours, minutes) = (us / 3_600_000_000, us / 60_000_000 % 60);
                if hours > 0 {
                    write!(f, "{hours}h")?;
                }
                if hours > 0 || minutes > 0 {
                    write!(f, "{minutes}m")?;
                }
                decimal(f, us % 60_000_000, 1_000_000, "s")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_as_go_prints_them() {
        let printed: Vec<String> = [0, 850, 1_200, 5_000_000, 90_000_000, 3_600_000_000, 1_500_000]
            .iter()
            .map(|&us| Micros(us).to_string())
            .collect();
        assert_eq!(printed, ["0s", "850µs", "1.2ms", "5s", "1m30s", "1h0m0s", "1.5s"]);
        assert_eq!(SimTime(14_203_118).to_string(), "00:00:14.203118");
    }
}
