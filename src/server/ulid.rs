//! Transaction ids made by the server: ULIDs (48 bits of time, 80 of chance, Crockford's base 32).

use crate::net::replies::MadeTx;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A fresh id. Two are never the same in practice: 80 random bits a millisecond.
pub(super) fn make(now_ms: u64) -> MadeTx {
    let mut chance = [0; 10];
    getrandom::fill(&mut chance).expect("the system gives random bytes");
    encode(now_ms, chance)
}

fn encode(now_ms: u64, chance: [u8; 10]) -> MadeTx {
    let low = chance.iter().fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
    let bits = u128::from(now_ms & ((1 << 48) - 1)) << 80 | low;
    std::array::from_fn(|at| ALPHABET[(bits >> (125 - 5 * at) & 31) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_comes_first_and_sorts() {
        assert_eq!(&encode(0, [0; 10]), b"00000000000000000000000000");
        assert_eq!(&encode((1 << 48) - 1, [255; 10]), b"7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        assert_eq!(
            &encode(1_469_922_850_259, [0; 10])[..10],
            b"01ARZ3NDEK",
            "the time of the ULID specification's example"
        );
        assert!(make(1) < make(2));
    }
}
