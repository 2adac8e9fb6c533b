//! Which shard owns an account, and which core runs the shard.
//!
//! `account -> CRC16 of its hash tag -> slot 0..16383 -> shard -> core`. The step from slot to shard is fixed when the
//! directory is made; the step from shard to core is arithmetic, so the same directory runs on any number of cores.

use crate::journal::manifest::{Manifest, SLOTS};
use std::sync::Arc;

/// The way from an account to its owner.
#[derive(Clone, Debug)]
pub struct Router {
    /// By slot.
    shard_of: Arc<[u16]>,
    shards: u16,
    cores: u16,
}

impl Router {
    /// The way through the directory of `manifest`, on `cores` cores.
    pub fn new(manifest: &Manifest, cores: u16) -> Self {
        let shard_of: Arc<[u16]> = manifest.slot_map().into();
        assert_eq!(shard_of.len(), usize::from(SLOTS), "every slot has a shard");
        assert!(cores > 0, "at least one core");
        Self { shard_of, shards: manifest.shards, cores }
    }

    /// The shard that owns `account`.
    pub fn shard(&self, account: &[u8]) -> u16 {
        if self.shards == 1 {
            return 0;
        }
        self.shard_of[usize::from(redis_protocol::redis_keyslot(account))]
    }

    /// The core that runs `shard`.
    pub fn core(&self, shard: u16) -> u16 {
        shard % self.cores
    }

    /// Where `shard` stands among the shards of its core.
    pub fn place(&self, shard: u16) -> usize {
        usize::from(shard / self.cores)
    }

    /// How many shards there are.
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// How many cores there are.
    pub fn cores(&self) -> u16 {
        self.cores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(shards: u16, cores: u16) -> Router {
        Router::new(&Manifest::new([1; 16], shards, [0; 2]), cores)
    }

    #[test]
    fn every_shard_has_one_core_and_a_place_of_its_own() {
        for (shards, cores) in [(1, 1), (1, 4), (8, 3), (16, 2), (2, 2)] {
            let router = router(shards, cores);
            let mut next_place = vec![0; usize::from(cores)];
            for shard in 0..shards {
                let core = usize::from(router.core(shard));
                assert_eq!(router.place(shard), next_place[core], "shards come to their core in order");
                next_place[core] += 1;
            }
        }
    }

    #[test]
    fn hash_tags_keep_accounts_together() {
        let router = router(64, 1);
        assert_eq!(router.shard(b"{tradie:7}:promo"), router.shard(b"tradie:7"));
        assert_eq!(
            router.shard(b"123456789"),
            (0x31c3_u32 * 64 / u32::from(SLOTS)) as u16,
            "CRC16/XMODEM of the check string"
        );
    }
}
