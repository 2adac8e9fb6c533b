//! Who is in the house while it is measured: names, ids, and ledgers with so many accounts.
//!
//! Ids have 12 bytes, as in the figures of docs/benchmarks.md. Every account is opened by one grant, so a ledger of N
//! accounts remembers N ids.

use creditd::ledger::command::{Command, Op};
use creditd::ledger::id::Lsn;
use creditd::ledger::{Decision, Ledger, Limits, Located, Past, Prior, Seeds, TxKey, codec};

/// An account's name or a transaction's id.
pub type Id = [u8; 12];

/// When everything happens, unix milliseconds.
pub const NOW_MS: u64 = 1_790_000_000_000;

/// What the grant that opens an account gives: enough for any run.
pub const FUNDS: u64 = 1 << 40;

/// Far from every limit.
pub const LIMITS: Limits = Limits {
    holds_per_account_max: u32::MAX,
    accounts_max: u32::MAX,
    leads_max: u32::MAX,
    lead_slots_max: u64::MAX,
    tx_index_bytes_max: u64::MAX,
    tx_retention_ms: u64::MAX,
};

/// The same tables in every run.
pub const SEEDS: Seeds = Seeds { index_key: [1, 2], map_seed: 3 };

/// Bytes from one record of a log to the next, about.
const RECORD_LEN: u64 = 80;

/// Account `n`.
pub fn account(n: u64) -> Id {
    id(b'a', n)
}

/// The id of the grant that opened account `n`.
pub fn opening(n: u64) -> Id {
    id(b'g', n)
}

/// Id `n` of the transactions of a bench.
pub fn tx(n: u64) -> Id {
    id(b't', n)
}

fn id(kind: u8, n: u64) -> Id {
    let mut id = [b'0'; 12];
    id[0] = kind;
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(n).as_bytes();
    id[12 - digits.len()..].copy_from_slice(digits);
    id
}

/// The grant that opens account `n`, to be run as `Command::new(&account(n), &opening(n), FUND)`.
pub const FUND: Op = Op::Grant { amount: FUNDS };

/// Numbers without a pattern, the same in every run (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    /// One of `0..bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// A ledger, and the log positions that a shard would give it.
pub struct Crowd {
    pub ledger: Ledger,
    pub lsn: Lsn,
    record: Vec<u8>,
}

impl Crowd {
    /// So many accounts with [`FUNDS`] each.
    pub fn of(accounts: u64) -> Self {
        let mut crowd = Self { ledger: Ledger::new(LIMITS, SEEDS), lsn: 64, record: Vec::new() };
        for n in 0..accounts {
            crowd.execute(&Command::new(&account(n), &opening(n), FUND));
        }
        crowd
    }

    /// A command from start to end.
    pub fn execute(&mut self, command: &Command<'_>) -> bool {
        let (at, key) = self.find(command);
        self.run(command, at, key)
    }

    /// Its account's place and its id's key.
    pub fn find(&self, command: &Command<'_>) -> (Located, TxKey) {
        (self.ledger.locate(command.account), self.ledger.key(command.account, command.tx))
    }

    /// Settles, looks the id up, decides and applies. Whether something was committed; a refusal is not, a decline is.
    pub fn run(&mut self, command: &Command<'_>, at: Located, key: TxKey) -> bool {
        assert!(self.ledger.settle(at, NOW_MS).is_none(), "nothing is due");
        match self.ledger.decide(at, command, &self.past(key), &Past::Unknown, NOW_MS) {
            Decision::Commit(event) => {
                self.lsn += RECORD_LEN;
                self.ledger.apply(at, key, &event, self.lsn);
                true
            }
            Decision::Answer(_) | Decision::Wait(_) => false,
        }
    }

    /// What [`Self::execute`] would commit, as a record.
    pub fn draft(&self, command: &Command<'_>) -> Vec<u8> {
        let (at, key) = self.find(command);
        let decision = self.ledger.decide(at, command, &self.past(key), &Past::Unknown, NOW_MS);
        let Decision::Commit(event) = decision else { panic!("{command:?} changes something") };
        let mut record = Vec::new();
        codec::encode(&event, &mut record);
        record
    }

    /// Lets time pass until the next hold is due, and expires it as a shard does: through its record.
    pub fn expire_next(&mut self) {
        let (at, now_ms) = loop {
            let now_ms = self.ledger.next_expiry().expect("holds are left");
            if let Some(at) = self.ledger.due(now_ms) {
                break (at, now_ms);
            }
        };
        self.record.clear();
        codec::encode(&self.ledger.settle(at, now_ms).expect("a hold is due"), &mut self.record);
        let event = codec::decode(&self.record).expect("just encoded");
        self.lsn += RECORD_LEN;
        self.ledger.apply(at, self.ledger.key(event.account, event.tx), &event, self.lsn);
    }

    fn past(&self, key: TxKey) -> Past<'static> {
        match self.ledger.lookup(key) {
            Prior::Unknown => Past::Unknown,
            Prior::Active(slot) => Past::Active(slot),
            Prior::Recorded(_) => panic!("the id is fresh"),
        }
    }
}
