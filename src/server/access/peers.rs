//! Who guesses passwords: a bucket of wrong logins for each address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};

/// Wrong logins of one peer in a row before it is not looked at, and after how long it may be wrong once more.
const WRONG_MAX: u64 = 20;
const FORGIVE_AFTER_MS: u64 = 3_000;

/// Peers that are remembered for being wrong.
const PEERS_MAX: usize = 4096;

/// By peer: until when what it did wrong is remembered, unix milliseconds.
#[derive(Default)]
pub(super) struct Peers(Mutex<BTreeMap<IpAddr, u64>>);

impl Peers {
    /// Whether `peer` was wrong so often that it is not looked at now.
    pub(super) fn is_shut_out(&self, peer: IpAddr, now_ms: u64) -> bool {
        self.lock().get(&peer).is_some_and(|until_ms| *until_ms > now_ms + (WRONG_MAX - 1) * FORGIVE_AFTER_MS)
    }

    pub(super) fn was_wrong(&self, peer: IpAddr, now_ms: u64) {
        if peer.is_loopback() {
            return;
        }
        let mut peers = self.lock();
        if peers.len() >= PEERS_MAX && !peers.contains_key(&peer) {
            peers.retain(|_, until_ms| *until_ms > now_ms);
            if peers.len() >= PEERS_MAX {
                return; // so many at once are no guesses of one
            }
        }
        let until_ms = peers.entry(peer).or_insert(now_ms);
        *until_ms = (*until_ms).max(now_ms) + FORGIVE_AFTER_MS;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<IpAddr, u64>> {
        self.0.lock().expect("a thread that panics ends the process")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_guesses_has_one_try_every_three_seconds_and_others_are_not_disturbed() {
        let peers = Peers::default();
        let [guesser, other] = [1, 2].map(|n| IpAddr::from([10, 0, 0, n]));
        let tries = |peer, from_ms: u64, until_ms: u64| {
            let mut tries = 0;
            for now_ms in (from_ms..until_ms).step_by(100).filter(|now_ms| !peers.is_shut_out(peer, *now_ms)) {
                peers.was_wrong(peer, now_ms);
                tries += 1;
            }
            tries
        };
        let first = tries(guesser, 1_000_000, 1_010_000);
        assert!((20..=24).contains(&first), "{first}");
        assert_eq!(tries(guesser, 1_010_000, 1_310_000), 100, "one every 3 s");
        assert!(peers.is_shut_out(guesser, 1_309_950) && !peers.is_shut_out(other, 1_309_950));
        assert!(!peers.is_shut_out(guesser, 1_313_000));
        assert!(tries(guesser, 1_400_000, 1_401_900) == 19, "it was quiet");
        let loopback = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(tries(loopback, 0, 10_000), 100, "a proxy may speak for everybody there");
    }

    #[test]
    fn peers_that_are_remembered_are_bounded_and_old_ones_make_room() {
        let peers = Peers::default();
        for n in 0..2 * PEERS_MAX as u32 {
            peers.was_wrong(IpAddr::from((0x0a00_0000 + n).to_be_bytes()), 5);
        }
        assert_eq!(peers.lock().len(), PEERS_MAX);
        peers.was_wrong(IpAddr::from([11, 0, 0, 1]), 5 + FORGIVE_AFTER_MS);
        assert_eq!(peers.lock().len(), 1);
    }
}
