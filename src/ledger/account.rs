//! The accounts of a shard: their figures in a slab, their names in a map of numbers.
//!
//! ```text
//!   id --hash--> sub-table (4096 of them) --> number --> chunk, place --> Account (88 bytes)
//! ```
//! A number is an account's address for life; accounts are never removed (commands.md D8). The map holds numbers only,
//! so it costs 6-11 bytes an account, and each sub-table grows by itself: a step rehashes a few thousand names at most.
//! Absent on purpose: rules. Nothing here decides.

use foldhash::quality::FixedState;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

use super::chunks::Chunks;
use super::id::{Lsn, NO_LSN};
use super::kept_id::KeptId;
use super::reservation::NO_HOLD;

/// Sub-tables of the map. 10 M accounts put 2,500 names in each: growing one takes a fraction of a millisecond.
const SUB_TABLES: usize = 4096;

/// First hash bit that picks the sub-table; hashbrown uses the lowest and the seven highest.
const SUB_TABLE_SHIFT: u32 = 32;

/// One account. Only [`apply`](super::Ledger::apply) and replay change it.
#[derive(Debug)]
pub(crate) struct Account {
    /// All credits, held ones included.
    pub(crate) balance: u64,
    /// Held by the account's active reservations.
    pub(crate) reserved: u64,
    /// Of the newest entry.
    pub(crate) seq: u64,
    /// Of the newest entry.
    pub(crate) last_lsn: Lsn,
    /// The newest entry with `seq % SKIP_EVERY == 0`.
    pub(crate) anchor_lsn: Lsn,
    /// Deadline of `first_hold`, `u64::MAX` without holds: settling is one compare when nothing is due.
    pub(crate) next_deadline_ms: u64,
    /// Active holds by (deadline, seq), linked through the hold slab.
    pub(crate) first_hold: u32,
    pub(crate) last_hold: u32,
    pub(crate) hold_count: u32,
    id: KeptId<22>,
}

impl Account {
    /// The account's name.
    pub(crate) fn id(&self) -> &[u8] {
        self.id.as_bytes()
    }

    /// Balance that no reservation holds.
    pub(crate) fn available(&self) -> u64 {
        self.balance - self.reserved
    }
}

/// All accounts of a shard.
#[derive(Debug)]
pub(crate) struct Accounts {
    slab: Chunks<Account>,
    tables: Box<[HashTable<u32>]>,
    hasher: FixedState,
}

impl Accounts {
    /// No accounts. The same `seed` gives the same tables, whatever machine runs them.
    pub(crate) fn new(seed: u64) -> Self {
        let tables = (0..SUB_TABLES).map(|_| HashTable::new()).collect();
        Self { slab: Chunks::new(), tables, hasher: FixedState::with_seed(seed) }
    }

    /// The hash that [`Accounts::find`] and [`Accounts::open`] take.
    pub(crate) fn hash(&self, id: &[u8]) -> u64 {
        hash_of(&self.hasher, id)
    }

    /// The number of an account.
    pub(crate) fn find(&self, hash: u64, id: &[u8]) -> Option<u32> {
        self.tables[sub_table(hash)].find(hash, |&n| self.slab.get(n).id() == id).copied()
    }

    /// The first number with nearly this hash: mostly that of the account, sometimes another's. Looks at no account.
    pub(crate) fn guess(&self, hash: u64) -> Option<u32> {
        self.tables[sub_table(hash)].find(hash, |_| true).copied()
    }

    /// Reads from every cache line of an account.
    pub(crate) fn touch(&self, number: u32) {
        let account = self.slab.get(number);
        std::hint::black_box((account.balance, account.id.as_bytes().last()));
    }

    /// Adds an account without credits and gives its number.
    pub(crate) fn open(&mut self, hash: u64, id: &[u8]) -> u32 {
        assert!(self.find(hash, id).is_none(), "an account opens once");
        let number = self.slab.push(Account {
            balance: 0,
            reserved: 0,
            seq: 0,
            last_lsn: NO_LSN,
            anchor_lsn: NO_LSN,
            next_deadline_ms: u64::MAX,
            first_hold: NO_HOLD,
            last_hold: NO_HOLD,
            hold_count: 0,
            id: KeptId::new(id),
        });
        let (slab, hasher) = (&self.slab, &self.hasher);
        self.tables[sub_table(hash)].insert_unique(hash, number, |&n| hash_of(hasher, slab.get(n).id()));
        number
    }

    /// How many accounts there are; they are numbered below this.
    pub(crate) fn len(&self) -> u32 {
        self.slab.len()
    }

    /// Memory of the slab and the map; ids that do not fit inline are not counted.
    pub(crate) fn bytes(&self) -> usize {
        self.slab.bytes() + self.tables.iter().map(HashTable::allocation_size).sum::<usize>()
    }

    /// The account of a number.
    pub(crate) fn get(&self, number: u32) -> &Account {
        self.slab.get(number)
    }

    /// As [`Accounts::get`], to change it.
    pub(crate) fn get_mut(&mut self, number: u32) -> &mut Account {
        self.slab.get_mut(number)
    }
}

fn hash_of(hasher: &FixedState, id: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(id);
    hasher.finish()
}

fn sub_table(hash: u64) -> usize {
    (hash >> SUB_TABLE_SHIFT) as usize % SUB_TABLES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_is_found_by_its_name_and_only_by_it() {
        assert_eq!(size_of::<Account>(), 88, "memory per account is a promise");
        let mut accounts = Accounts::new(3);
        for n in 0..20_000u32 {
            let id = n.to_string().repeat(1 + n as usize % 5);
            let hash = accounts.hash(id.as_bytes());
            assert_eq!(accounts.find(hash, id.as_bytes()), None);
            assert_eq!(accounts.open(hash, id.as_bytes()), n);
        }
        for n in (0..20_000u32).rev() {
            let id = n.to_string().repeat(1 + n as usize % 5);
            let hash = accounts.hash(id.as_bytes());
            assert_eq!(accounts.find(hash, id.as_bytes()), Some(n));
            assert_eq!(accounts.get(n).id(), id.as_bytes());
            assert_eq!(accounts.find(hash, b"nobody"), None, "equal hashes are not equal names");
        }
    }
}
