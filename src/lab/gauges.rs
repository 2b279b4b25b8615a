//! What members' metrics said, second by second: the history that charts are drawn from.
//!
//! It follows from the world and changes nothing in it, so it is no part of the state's hash; but it is part of the world's
//! value, so that the past has the history that it had.

use super::Lab;
use crate::etcd::metrics::Reading;
use crate::sim::{HostId, Micros, SimTime};
use imbl::Vector;
use std::sync::Arc;

/// How far apart samples are: Prometheus asks every fifteen seconds, but worlds are young.
pub const EVERY: Micros = Micros::from_secs(1);
/// Ten minutes.
pub const SAMPLES_MAX: usize = 600;

/// The metrics of all members at one moment.
#[derive(Clone, Debug)]
pub struct Sample {
    pub at: SimTime,
    members: Arc<[Option<Reading>]>,
}

impl Sample {
    /// `None` while no member runs there.
    pub fn of(&self, host: HostId) -> Option<&Reading> {
        self.members.get(usize::from(host.0))?.as_ref()
    }
}

/// Samples, the oldest first.
#[derive(Clone, Debug)]
pub struct Gauges {
    samples: Vector<Sample>,
    next: SimTime,
}

impl Default for Gauges {
    fn default() -> Gauges {
        Gauges { samples: Vector::new(), next: SimTime::ZERO + EVERY }
    }
}

impl Gauges {
    pub fn samples(&self) -> &Vector<Sample> {
        &self.samples
    }

    /// Whether a sample is due before anything that happens at `moment`.
    pub fn is_due(&self, moment: SimTime) -> bool {
        self.next < moment
    }

    /// Takes the samples that are due before `moment`. A moment's own comes when time moves on from it, so that it does not
    /// matter in which strides the world is run.
    pub fn sample(&mut self, lab: &Lab, moment: SimTime) {
        let missed = moment.since(self.next).0 / EVERY.0;
        if missed > SAMPLES_MAX as u64 {
            // Nothing has happened for so long that none of the old ones would be kept.
            self.samples.clear();
            self.next += Micros((missed - SAMPLES_MAX as u64) * EVERY.0);
        }
        let members: Arc<[Option<Reading>]> =
            lab.machines().map(|host| lab.member(host).map(|member| member.reading())).collect();
        while self.next < moment {
            self.samples.push_back(Sample { at: self.next, members: members.clone() });
            self.next += EVERY;
        }
        while self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Input, Scenario};

    fn world() -> Lab {
        Lab::new(Scenario::default(), 1)
    }

    fn put(lab: &mut Lab) {
        lab.input(&Input::Line { terminal: 0, text: "etcdctl put a 1".to_owned() });
    }

    fn told(lab: &Lab) -> Vec<(SimTime, Vec<Option<Reading>>)> {
        lab.gauges().samples().iter().map(|sample| (sample.at, sample.members.to_vec())).collect()
    }

    #[test]
    fn strides_make_no_difference() {
        let (mut one, mut other) = (world(), world());
        // In one stride to a whole second and an input there; and in many small ones.
        one.run_until(SimTime(3_000_000), u64::MAX);
        for moment in 1..=30 {
            other.run_until(SimTime(moment * 100_000), u64::MAX);
        }
        for lab in [&mut one, &mut other] {
            put(lab);
        }
        one.run_until(SimTime(9_500_000), u64::MAX);
        while other.sim().next_at().is_some_and(|next| next <= SimTime(9_500_000)) {
            other.step();
        }
        assert_eq!(told(&one), told(&other));
        assert_eq!(one.gauges().samples().len(), 9);
        let puts = |at: usize| one.gauges().samples()[at].of(HostId(0)).unwrap().puts;
        assert_eq!((puts(2), puts(3)), (0, 1));
    }

    #[test]
    fn a_long_silence_costs_no_more_than_what_is_kept() {
        let mut lab = world();
        for host in 0..3 {
            lab.input(&Input::Fault(crate::sim::Fault::PowerOff { host: HostId(host) }));
        }
        lab.run_until(SimTime(86_400_000_000 + 1), u64::MAX);
        let samples = lab.gauges().samples();
        assert_eq!(samples.len(), SAMPLES_MAX);
        assert_eq!(samples.last().map(|sample| sample.at), Some(SimTime(86_400_000_000)));
        assert!(samples.iter().all(|sample| sample.of(HostId(0)).is_none()));
    }
}
