//! A histogram whose buckets double: `prometheus.ExponentialBuckets(first, 2, count)`.

/// Counts whole numbers (microseconds, unless a use says otherwise) in `BUCKETS` buckets, of which the first ends with
/// `FIRST`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Histogram<const FIRST: u64, const BUCKETS: usize> {
    /// What fell into each bucket and no smaller one.
    counts: [u64; BUCKETS],
    count: u64,
    sum: u64,
}

impl<const FIRST: u64, const BUCKETS: usize> Default for Histogram<FIRST, BUCKETS> {
    fn default() -> Self {
        Histogram { counts: [0; BUCKETS], count: 0, sum: 0 }
    }
}

impl<const FIRST: u64, const BUCKETS: usize> Histogram<FIRST, BUCKETS> {
    /// What `count` observations of zero make.
    pub fn instants(count: u64) -> Self {
        let mut histogram = Histogram { count, ..Histogram::default() };
        histogram.counts[0] = count;
        histogram
    }

    pub fn observe(&mut self, value: u64) {
        if let Some(bucket) = (0..BUCKETS).find(|bucket| value <= FIRST << bucket) {
            self.counts[bucket] += 1;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// How much was observed.
    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// What fell into each bucket and no smaller one.
    pub fn counts(&self) -> &[u64; BUCKETS] {
        &self.counts
    }

    /// Where each bucket ends, and how much is not beyond that.
    pub fn cumulative(&self) -> Vec<(u64, u64)> {
        let mut total = 0;
        let bucket = |(position, count): (usize, &u64)| {
            total += count;
            (FIRST << position, total)
        };
        self.counts.iter().enumerate().map(bucket).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_end_and_what_is_beyond_all_is_counted() {
        let mut histogram = Histogram::<100, 3>::default();
        [0, 100, 101, 400, 401].into_iter().for_each(|value| histogram.observe(value));
        assert_eq!(histogram.cumulative(), [(100, 2), (200, 3), (400, 4)]);
        assert_eq!((histogram.count(), histogram.sum()), (5, 1_002));
    }
}
