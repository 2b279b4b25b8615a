//! Chance: a seeded generator per named stream, so that drawing for one purpose never shifts another.

use super::{Micros, Ppm};
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::hash::{Hash, Hasher};

/// A seeded stream of numbers. Same seed and name, same numbers, on every machine.
#[derive(Clone, Debug)]
pub struct Prng(Pcg64Mcg);

impl Prng {
    /// The stream called `name` of the world with this seed.
    pub fn stream(seed: u64, name: &str) -> Prng {
        // FNV-1a keeps streams apart; the generator's own seeding scrambles the rest.
        let folded = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Prng(Pcg64Mcg::seed_from_u64(seed ^ folded))
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`; zero if `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.0.random_range(0..bound) }
    }

    /// A span up to and including `longest`.
    pub fn span(&mut self, longest: Micros) -> Micros {
        Micros(self.below(longest.0.saturating_add(1)))
    }

    /// Whether something of this chance happens. Draws nothing when it cannot.
    pub fn happens(&mut self, chance: Ppm) -> bool {
        chance.0 > 0 && self.below(1_000_000) < u64::from(chance.0)
    }
}

impl Hash for Prng {
    /// The state shows in what would be drawn next.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut next = self.clone();
        next.next_u64().hash(state);
        next.next_u64().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_their_own_and_repeat() {
        let draw = |name| {
            let mut prng = Prng::stream(7, name);
            [prng.next_u64(), prng.next_u64()]
        };
        assert_eq!(draw("network"), draw("network"));
        assert_ne!(draw("network"), draw("disk"));
    }

    #[test]
    fn chances_are_met() {
        let mut prng = Prng::stream(1, "test");
        let hits = (0..10_000).filter(|_| prng.happens(Ppm(200_000))).count();
        assert!((1_800..2_200).contains(&hits), "{hits} of 10,000 at 20 %");
        assert!((0..1_000).all(|_| prng.below(10) < 10));
    }
}
