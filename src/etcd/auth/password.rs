//! Passwords as etcd keeps them: bcrypt, in the form `$2a$10$` followed by 22 characters of salt and 31 of hash.

use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;
use base64::{Engine, alphabet};
use blowfish::Blowfish;

/// The fewest rounds, as a power of two, that bcrypt allows.
pub const COST_MIN: u32 = 4;
/// The most that this engine computes: a stranger's hash may ask for 31, which takes days.
pub const COST_MAX: u32 = 14;

/// bcrypt looks at no more of a password.
const PASSWORD_BYTES_MAX: usize = 72;

const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);

/// Hashes a password with a salt that comes from the world's own chance.
pub fn hash(password: &str, cost: u32, salt: [u8; 16]) -> Vec<u8> {
    let cost = cost.clamp(COST_MIN, COST_MAX);
    let digest = bcrypt(password, cost, salt);
    format!("$2a${cost:02}${}{}", BASE64.encode(salt), BASE64.encode(&digest[..23])).into_bytes()
}

/// Whether a hash is that of this password. A hash in no known form is nobody's.
pub fn verify(password: &str, hashed: &[u8]) -> bool {
    let parse = || {
        let text = std::str::from_utf8(hashed).ok()?;
        let mut parts = text.strip_prefix("$2")?.splitn(3, '$');
        let (_, cost, rest) = (parts.next()?, parts.next()?.parse::<u32>().ok()?, parts.next()?);
        let (salt, digest) = rest.split_at_checked(22)?;
        let salt: [u8; 16] = BASE64.decode(salt).ok()?.try_into().ok()?;
        (COST_MIN..=COST_MAX).contains(&cost).then_some((cost, salt, digest))
    };
    let Some((cost, salt, digest)) = parse() else { return false };
    BASE64.encode(&bcrypt(password, cost, salt)[..23]) == digest
}

fn bcrypt(password: &str, cost: u32, salt: [u8; 16]) -> [u8; 24] {
    let mut key = password.as_bytes().to_vec();
    key.push(0);
    key.truncate(PASSWORD_BYTES_MAX);
    let mut state: Blowfish = Blowfish::bc_init_state();
    state.salted_expand_key(&salt, &key);
    for _ in 0..1_u32 << cost {
        state.bc_expand_key(&key);
        state.bc_expand_key(&salt);
    }
    let mut digest = [0; 24];
    for (block, out) in b"OrpheanBeholderScryDoubt".chunks_exact(8).zip(digest.chunks_exact_mut(8)) {
        let (left, right) = block.split_at(4);
        let word = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().expect("half a block has four bytes"));
        let mut pair = [word(left), word(right)];
        for _ in 0..64 {
            pair = state.bc_encrypt(pair);
        }
        out[..4].copy_from_slice(&pair[0].to_be_bytes());
        out[4..].copy_from_slice(&pair[1].to_be_bytes());
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_other_implementations() {
        let known = [
            ("", "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s."),
            ("a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
            ("abc", "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"),
        ];
        for (password, hashed) in known {
            assert!(verify(password, hashed.as_bytes()), "{password}");
            assert!(!verify("other", hashed.as_bytes()));
        }
        for wrong in
            ["", "$2a$", "$2a$06$short", "$2a$31$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.", "plain"]
        {
            assert!(!verify("", wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn what_was_hashed_is_verified() {
        let hashed = hash("secret", COST_MIN, [7; 16]);
        assert!(hashed.starts_with(b"$2a$04$") && hashed.len() == 60);
        assert!(verify("secret", &hashed));
        let long = "x".repeat(100);
        assert!(verify(&long, &hash(&long[..72], COST_MIN, [1; 16])), "only 72 bytes count");
    }
}
