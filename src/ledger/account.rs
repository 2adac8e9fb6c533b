//! The accounts of a shard: their figures in slabs, their names in an index of numbers.
//!
//! ```text
//!   id --hash--> names (hash_index.rs) --> number --> Account      one cache line (64 bytes): what every command needs
//!                                             '-----> Seldom       24 bytes: what few commands need
//! ```
//! A number is an account's address for life; accounts are never removed (commands.md D8). The index holds 32 bits of
//! the hash and the number, so it costs about 10 bytes an account, and it grows without a look at any account. A debit
//! of an account that is not in the CPU's caches costs two accesses to main memory here.
//! Absent on purpose: rules. Nothing here decides.

use foldhash::quality::FixedState;
use std::hash::{BuildHasher, Hasher};
use std::hint::black_box;

use super::chunks::Chunks;
use super::hash_index::{HashIndex, Place};
use super::id::{Lsn, NO_LSN};
use super::kept_id::KeptId;
use super::outcome::HoldsView;
use super::reservation::{self, HoldList};

/// One account. Only [`apply`](super::Ledger::apply) and replay change it.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Account {
    /// All credits, held ones included.
    pub(crate) balance: u64,
    /// Held by the account's active reservations.
    pub(crate) reserved: u64,
    /// Of the newest entry.
    pub(crate) seq: u64,
    /// Of the newest entry.
    pub(crate) last_lsn: Lsn,
    /// The earliest deadline of a hold, `u64::MAX` without holds: settling is one compare when nothing is due.
    pub(crate) next_deadline_ms: u64,
    id: AccountId,
}

type AccountId = KeptId<22>;

impl HoldsView {
    /// Memory of this account, whose name has `name_len` bytes, and its active holds. Its remembered transaction ids are
    /// not among it: the index does not know whose they are.
    pub fn memory_bytes(&self, name_len: usize) -> u64 {
        // Tables are between half and seven eighths full: an entry takes about 1.4 times its size.
        let indexed = size_of::<(u32, u32)>() * 7 / 5;
        let fixed = size_of::<Account>() + size_of::<Seldom>() + AccountId::boxed_bytes(name_len) + indexed;
        fixed as u64 + self.holds.iter().map(|hold| reservation::memory_bytes(hold.tx.len())).sum::<u64>()
    }
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

/// What few commands need of an account.
#[derive(Debug)]
pub(crate) struct Seldom {
    /// The newest entry with `seq % SKIP_EVERY == 0`.
    pub(crate) anchor_lsn: Lsn,
    /// Its active holds.
    pub(crate) holds: HoldList,
}

/// All accounts of a shard.
#[derive(Debug)]
pub(crate) struct Accounts {
    slab: Chunks<Account>,
    seldom: Chunks<Seldom>,
    names: HashIndex<u32, u32>,
    hasher: FixedState,
}

impl Accounts {
    /// No accounts. The same `seed` gives the same tables, whatever machine runs them.
    pub(crate) fn new(seed: u64) -> Self {
        let hasher = FixedState::with_seed(seed);
        Self { slab: Chunks::new(), seldom: Chunks::new(), names: HashIndex::new(), hasher }
    }

    /// The hash that [`Accounts::find`] and [`Accounts::open`] take.
    pub(crate) fn hash(&self, id: &[u8]) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(id);
        ((hasher.finish() >> 32) as u32).max(1)
    }

    /// The number of an account.
    pub(crate) fn find(&self, hash: u32, id: &[u8]) -> Option<u32> {
        let place = self.names.find(hash, |&number| self.slab.get(number).id() == id);
        place.map(|place| *self.names.get(place))
    }

    /// Where the search for the hash begins.
    pub(crate) fn home(&self, hash: u32) -> Place {
        self.names.home(hash)
    }

    /// Reads from the cache line in which the search begins.
    pub(crate) fn touch_keys(&self, home: Place) {
        self.names.touch_keys(home);
    }

    /// Whether `number` is the account `id`.
    pub(crate) fn is(&self, number: u32, id: &[u8]) -> bool {
        number < self.slab.len() && self.slab.get(number).id() == id
    }

    /// The number of an account of this hash: mostly the right one. Any number if there is none.
    pub(crate) fn guess(&self, home: Place, hash: u32) -> u32 {
        *self.names.get(self.names.spot(home, hash))
    }

    /// Reads from an account's cache line.
    pub(crate) fn touch(&self, number: u32) {
        if number < self.slab.len() {
            black_box(self.slab.get(number).balance);
        }
    }

    /// Adds an account without credits and gives its number.
    pub(crate) fn open(&mut self, hash: u32, id: &[u8]) -> u32 {
        assert!(self.find(hash, id).is_none(), "an account opens once");
        let number = self.open_unnamed(id);
        self.names.insert(hash, number, Place::NOWHERE);
        number
    }

    /// As [`Accounts::open`], but it is not found before [`Accounts::name_all`].
    pub(crate) fn open_unnamed(&mut self, id: &[u8]) -> u32 {
        let number = self.slab.push(Account {
            balance: 0,
            reserved: 0,
            seq: 0,
            last_lsn: NO_LSN,
            next_deadline_ms: u64::MAX,
            id: KeptId::new(id),
        });
        self.seldom.push(Seldom { anchor_lsn: NO_LSN, holds: HoldList::EMPTY });
        number
    }

    /// Makes all accounts known by their names, when none is. Says no if two have the same name.
    pub(crate) fn name_all(&mut self) -> bool {
        assert_eq!(self.names.len(), 0, "accounts are named once");
        let id = |number| self.slab.get(number).id();
        let names = HashIndex::of_numbers(self.len(), |n| self.hash(id(n)), |n, other| id(n) == id(other));
        names.map(|names| self.names = names).is_some()
    }

    /// How many accounts there are; they are numbered below this.
    pub(crate) fn len(&self) -> u32 {
        self.slab.len()
    }

    /// Memory of the slabs and the index; ids that do not fit inline are not counted.
    pub(crate) fn bytes(&self) -> usize {
        self.slab.bytes() + self.seldom.bytes() + self.names.bytes()
    }

    /// The account of a number.
    pub(crate) fn get(&self, number: u32) -> &Account {
        self.slab.get(number)
    }

    /// The rest of the account of a number.
    pub(crate) fn seldom(&self, number: u32) -> &Seldom {
        self.seldom.get(number)
    }

    /// The account of a number and the rest of it, to change them.
    pub(crate) fn get_mut(&mut self, number: u32) -> (&mut Account, &mut Seldom) {
        (self.slab.get_mut(number), self.seldom.get_mut(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_is_found_by_its_name_and_only_by_it() {
        assert_eq!((size_of::<Account>(), size_of::<Seldom>()), (64, 24), "memory per account is a promise");
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
