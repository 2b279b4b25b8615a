//! Levels that need few of their seats lend them to those that need more.
//!
//! Upstream: `apf_controller.go` (`updateBorrowingLocked`), `conc_alloc.go`, `integrator.go`. Upstream counts in floats; here
//! seats are counted in millionths.

use serde_json::Value;
use std::time::Duration;

use crate::k8s::apiserver::object::text;

/// Millionths of a seat.
pub(super) type Seats = i128;

const ONE: Seats = 1_000_000;

/// What a level may have by its configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Share {
    pub nominal: u32,
    lendable_percent: u32,
    borrowing_percent: Option<u32>,
}

/// The same in seats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Bounds {
    pub nominal: u32,
    pub min: u32,
    pub max: u32,
}

impl Share {
    pub fn read(level: &Value) -> Share {
        let spec = &level["spec"];
        let is_exempt = text(spec, "type") == "Exempt";
        let own = if is_exempt { &spec["exempt"] } else { &spec["limited"] };
        let number = |field: &str| own[field].as_u64().map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        Share {
            nominal: number("nominalConcurrencyShares").unwrap_or(if is_exempt { 0 } else { 30 }).min(1_000_000),
            lendable_percent: number("lendablePercent").unwrap_or(0).min(100),
            borrowing_percent: number("borrowingLimitPercent").map(|percent| percent.min(1_000_000)),
        }
    }

    pub fn bounds(self, server_limit: u32, total: u64) -> Bounds {
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let nominal = small((u64::from(server_limit) * u64::from(self.nominal)).div_ceil(total));
        let percent = |percent: u32| small((u64::from(nominal) * u64::from(percent) + 50) / 100);
        let borrowing = self.borrowing_percent.map_or(server_limit, percent);
        let lendable = percent(self.lendable_percent);
        Bounds { nominal, min: nominal - lendable.min(nominal), max: nominal.saturating_add(borrowing) }
    }
}

/// How many seats were wanted over time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Demand {
    since: Duration,
    last: Duration,
    now: u32,
    high: u32,
    /// Seats, and their squares, times nanoseconds.
    sum: u128,
    sum_of_squares: u128,
    smoothed: Seats,
}

impl Demand {
    pub fn new(now: Duration) -> Demand {
        Demand { since: now, last: now, now: 0, high: 0, sum: 0, sum_of_squares: 0, smoothed: 0 }
    }

    pub fn set(&mut self, seats: u32, now: Duration) {
        self.advance(now);
        self.now = seats;
        self.high = self.high.max(seats);
    }

    fn advance(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.last).as_nanos();
        self.last = self.last.max(now);
        self.sum += u128::from(self.now) * passed;
        self.sum_of_squares += u128::from(self.now) * u128::from(self.now) * passed;
    }

    /// The highest and the smoothed demand; begins anew.
    pub fn take(&mut self, now: Duration) -> (Seats, Seats) {
        self.advance(now);
        let time = self.last.saturating_sub(self.since).as_nanos();
        let one = ONE.unsigned_abs();
        let mean_of = |sum: u128, now: u128| sum.saturating_mul(one).checked_div(time).unwrap_or(now * one);
        let now = u128::from(self.now);
        let mean = mean_of(self.sum, now);
        let mean_of_squares = mean_of(self.sum_of_squares, now * now).saturating_mul(one);
        let variance = mean_of_squares.saturating_sub(mean.saturating_mul(mean));
        let envelope = clamped(mean) + clamped(variance.isqrt());
        // Half of it is forgotten in five minutes.
        self.smoothed = envelope.max((977 * self.smoothed + 23 * envelope) / 1000);
        let high = Seats::from(self.high) * ONE;
        *self = Demand { since: self.last, high: self.now, sum: 0, sum_of_squares: 0, ..self.clone() };
        (high, self.smoothed)
    }
}

fn clamped(number: u128) -> Seats {
    Seats::try_from(number).unwrap_or(Seats::MAX >> 40)
}

/// What a level may have, and what it wanted lately.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    pub bounds: Bounds,
    pub is_exempt: bool,
    /// The most at any moment.
    pub high: Seats,
    /// In the long run.
    pub smoothed: Seats,
}

impl Need {
    fn min(&self) -> Seats {
        Seats::from(self.bounds.min) * ONE
    }

    /// What it keeps whatever the others want.
    fn least(&self) -> Seats {
        let nominal = Seats::from(self.bounds.nominal) * ONE;
        let high = if self.is_exempt { self.high } else { self.high.min(nominal) };
        high.max(self.min())
    }
}

/// The seats of each level. Nothing for a level that keeps what it has.
pub(super) fn limits(server_limit: u32, levels: &[Need]) -> Vec<Option<u32>> {
    let exempt = levels.iter().filter(|level| level.is_exempt);
    let others: Vec<&Need> = levels.iter().filter(|level| !level.is_exempt).collect();
    // The exempt take what they take; the others share what is left.
    let left = (Seats::from(server_limit) * ONE - exempt.map(Need::least).sum::<Seats>()).max(0);
    let min_sum: Seats = others.iter().map(|level| level.min()).sum();
    let least_sum: Seats = others.iter().map(|level| level.least()).sum();
    let item = |level: &&Need| {
        let lower = level.least();
        let upper = (Seats::from(level.bounds.max) * ONE).max(lower);
        Item { target: level.smoothed.max(lower), lower, upper }
    };
    let shared: Option<Vec<Seats>> = if left <= min_sum {
        Some(others.iter().map(|level| level.min()).collect())
    } else if left <= least_sum {
        let part =
            |level: &&Need| level.min() + (level.least() - level.min()) * (left - min_sum) / (least_sum - min_sum);
        Some(others.iter().map(part).collect())
    } else {
        allocate(left, &others.iter().map(item).collect::<Vec<Item>>())
    };
    let mut shared = shared.map(Vec::into_iter);
    let seats = |level: &Need| {
        if level.is_exempt {
            return Some(level.least());
        }
        shared.as_mut().and_then(Iterator::next)
    };
    levels.iter().map(seats).map(|seats| seats.and_then(|seats| u32::try_from((seats + ONE / 2) / ONE).ok())).collect()
}

#[derive(Clone, Copy, Debug)]
struct Item {
    target: Seats,
    lower: Seats,
    upper: Seats,
}

/// The allocations that sum up to `required`, where each is the same part of its target, but for those at their bounds.
/// Nothing if the bounds do not allow it.
fn allocate(required: Seats, items: &[Item]) -> Option<Vec<Seats>> {
    const TARGET_MIN: Seats = ONE / 1000;
    let items: Vec<Item> = items.iter().map(|item| Item { target: item.target.max(TARGET_MIN), ..*item }).collect();
    let sum = |of: fn(&Item) -> Seats| items.iter().map(of).sum::<Seats>();
    if required < sum(|item| item.lower) || required > sum(|item| item.upper) {
        return None;
    }
    // Parts at which an allocation reaches or leaves a bound, as fractions, in rising order.
    let mut bends: Vec<(Seats, Seats)> =
        items.iter().flat_map(|item| [(item.lower, item.target), (item.upper, item.target)]).collect();
    bends.sort_by(|a, b| (a.0 * b.1).cmp(&(b.0 * a.1)));
    let at = |part: (Seats, Seats), item: &Item| (item.target * part.0 / part.1).clamp(item.lower, item.upper);
    let reached = bends.iter().position(|bend| items.iter().map(|item| at(*bend, item)).sum::<Seats>() >= required);
    let Some(reached) = reached else { return Some(items.iter().map(|item| item.upper).collect()) };
    let bend = bends[reached];
    let before = reached.checked_sub(1).map_or((0, 1), |before| bends[before]);
    // Between two bends some are at a bound, and the others grow with the part.
    let grows =
        |item: &Item| item.target * before.0 / before.1 >= item.lower && item.target * bend.0 / bend.1 <= item.upper;
    let fixed: Seats = items.iter().filter(|item| !grows(item)).map(|item| at(bend, item)).sum();
    let growing: Seats = items.iter().filter(|item| grows(item)).map(|item| item.target).sum();
    if growing == 0 {
        return Some(items.iter().map(|item| at(bend, item)).collect());
    }
    let part = (required - fixed, growing);
    let allocation = |item: &Item| if grows(item) { at(part, item) } else { at(bend, item) };
    Some(items.iter().map(allocation).collect())
}
