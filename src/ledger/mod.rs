//! THE RULES. Pure: no I/O, no clock, no threads, no randomness.
//!
//! ```text
//!              locate   settle            key, lookup          decide              apply
//!   command -> account -> Expire events -> Prior -> Past -> Commit(Event) ------> state
//!                                                        |  Answer(Outcome)         ^
//!   log ------------------------------------------ Event ---------- replay ---------'
//! ```
//! The caller (a shard) drives a command through these steps, in this order, and writes every event to its log before
//! it applies it. Deciding reads the state and changes nothing; applying changes the state and decides nothing, so
//! recovery is `replay` of the events and yesterday's decisions stand, whatever the rules say today.
//!
//! Invariants: I1-I7 of commands.md C.8 ([`invariants`]); equal events give equal states ([`Ledger::digest`]).
//! Leads have rules, records and tables of their own ([`lead`]); a claim is where the two meet, and a shard drives it.
//! Absent on purpose: time other than what the caller hands in, the log (positions are opaque numbers).

pub mod codec;
pub mod command;
pub mod credits;
pub mod event;
pub mod id;
pub mod invariants;
pub mod lead;
pub mod outcome;
pub mod rejection;
pub mod snapshot;

mod account;
mod apply;
mod chunks;
mod claim;
mod digest;
mod expiry;
mod hash_index;
mod kept_id;
mod reservation;
mod retention;
mod rules;
mod totals;
mod transactions;
mod tx_view;

#[cfg(test)]
mod tests;

pub use claim::{Ending, RunningClaim};
pub use reservation::HoldSlot;
pub use rules::{Decision, Past, Recorded, outcome_again, outcome_of};
pub use totals::Totals;
pub use transactions::{Prior, TxKey};
pub use tx_view::tx_view;

use account::{Account, Accounts};
use event::{Change, Event, SKIP_EVERY};
use hash_index::Place;
use id::{Lsn, NO_LSN};
use invariants::Violation;
use lead::{LeadAt, LeadEvent, Leads};
use reservation::{HoldList, Reservations};
use retention::Retention;
use transactions::Transactions;

/// What bounds a ledger's memory (design.md, limits). Past a limit commands are refused; nothing is forgotten early.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Active reservations of one account.
    pub holds_per_account_max: u32,
    /// Accounts of the shard.
    pub accounts_max: u32,
    /// Memory of the transaction index in bytes. Two steps of growth (0.6 MB) are kept free below it.
    pub tx_index_bytes_max: u64,
    /// How long an id is remembered after its newest entry, milliseconds; not 0; `u64::MAX` = for ever.
    pub tx_retention_ms: u64,
    /// Leads of the shard.
    pub leads_max: u32,
    /// Slots of the shard's leads that are taken or can still be taken.
    pub lead_slots_max: u64,
}

/// Keys of the hashes. Fixed for a ledger's life; secret, so that no caller can choose ids that collide.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    /// Of the transaction index (SipHash-1-3).
    pub index_key: [u64; 2],
    /// Of the account map.
    pub map_seed: u64,
}

/// An account's place: found once per command. Good until the account opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    hash: u32,
    number: Option<u32>,
}

/// The account and the id of a command that comes soon, on their way into the CPU's caches.
///
/// Looked up one command after the other, each look-up is a chain of main memory accesses. Instead several commands go
/// through [`Ledger::seek`], then all through [`Ledger::approach`], [`Ledger::sight`] and [`Ledger::reach`]: the first and
/// the third compute, the others only load, so that the accesses of different commands are under way together. What it
/// has found is looked at again before it is believed, so it is never out of date.
#[derive(Clone, Copy, Debug)]
pub struct Sought {
    hash: u32,
    /// Where the account's name is looked for first.
    name: Place,
    key: Option<TxKey>,
    /// The number of the account, or of another one, or none.
    guess: u32,
}

/// The accounts, active reservations and remembered ids of one shard.
#[derive(Debug)]
pub struct Ledger {
    limits: Limits,
    seeds: Seeds,
    accounts: Accounts,
    holds: Reservations,
    index: Transactions,
    retention: Retention,
    next_sweep_ms: u64,
    leads: Leads,
    sums: totals::Sums,
}

/// Passes of the index sweep per retention period: entries that are forgotten but still there stay below some 3 %.
const SWEEPS_PER_RETENTION: u64 = 32;

impl Located {
    /// Whether the account was there when it was looked for.
    pub fn is_known(self) -> bool {
        self.number.is_some()
    }
}

impl Ledger {
    /// An empty ledger.
    pub fn new(limits: Limits, seeds: Seeds) -> Self {
        Self {
            limits,
            seeds,
            accounts: Accounts::new(seeds.map_seed),
            holds: Reservations::new(),
            index: Transactions::new(limits.tx_index_bytes_max),
            retention: Retention::new(limits.tx_retention_ms),
            next_sweep_ms: 0,
            leads: Leads::new(seeds.map_seed, limits.leads_max, limits.lead_slots_max),
            sums: totals::Sums::default(),
        }
    }

    /// Starts to look for an account, and for a transaction id if there is one: hashes them.
    pub fn seek(&self, account: &[u8], tx: Option<&[u8]>) -> Sought {
        self.seek_hashed(self.accounts.hash(account), tx.map(|tx| self.key(account, tx)))
    }

    /// As [`Ledger::seek`], of what was hashed before.
    fn seek_hashed(&self, hash: u32, key: Option<TxKey>) -> Sought {
        let key = key.map(|key| self.index.home(key));
        Sought { hash, name: self.accounts.home(hash), key, guess: u32::MAX }
    }

    /// Goes on: brings in what the tables hold for the hashes.
    pub fn approach(&self, sought: &Sought) {
        self.accounts.touch_keys(sought.name);
        if let Some(key) = sought.key {
            self.index.touch_keys(key);
        }
    }

    /// Goes on: looks where in the tables the account and the id stand.
    pub fn sight(&self, sought: &mut Sought) {
        sought.guess = self.accounts.guess(sought.name, sought.hash);
        sought.key = sought.key.map(|key| self.index.sight(key));
    }

    /// Goes on: brings in the account, and what the id answers.
    pub fn reach(&self, sought: &Sought) {
        self.accounts.touch(sought.guess);
        if let Some(key) = sought.key {
            self.index.touch_value(key);
        }
    }

    /// Finds the place of `account`, which `sought` was made for, as it is now; and the key of its id.
    pub fn find(&self, sought: &Sought, account: &[u8]) -> (Located, Option<TxKey>) {
        let is_guessed = self.accounts.is(sought.guess, account);
        let number = if is_guessed { Some(sought.guess) } else { self.accounts.find(sought.hash, account) };
        (Located { hash: sought.hash, number }, sought.key)
    }

    /// Finds the place of an account, known or not.
    pub fn locate(&self, account: &[u8]) -> Located {
        self.find(&self.seek(account, None), account).0
    }

    /// The account's newest entry: what a read, a replay or a refusal waits for (I12). [`NO_LSN`] if unknown.
    pub fn last_lsn(&self, at: Located) -> Lsn {
        self.account(at).map_or(NO_LSN, |account| account.last_lsn)
    }

    /// The expiry to journal and apply next, if a hold of the account is due at `now_ms` (R3). By deadline, then by
    /// age; the entry's time is the deadline (R4). Called until it gives `None`, before anything else of the account.
    pub fn settle(&self, at: Located, now_ms: u64) -> Option<Event<'_>> {
        let account = self.account(at)?;
        if account.next_deadline_ms > now_ms + u64::from(planted!("holds expire a millisecond early")) {
            return None;
        }
        let (_, hold) = self.holds.of(self.hold_list(at)).next().expect("an account with a deadline has a hold");
        Some(Event {
            account: account.id(),
            tx: hold.tx(),
            reason: b"",
            meta: b"",
            time_ms: if planted!("expiry has the time of the tick") { now_ms } else { hold.expires_at_ms() },
            seq: account.seq + 1,
            amount: hold.amount,
            balance: account.balance,
            reserved: account.reserved - hold.amount,
            prev_lsn: account.last_lsn,
            skip_lsn: self.skip_lsn(at, account.seq + 1),
            change: Change::Expire { opened_lsn: hold.opened_lsn },
        })
    }

    /// The key of a transaction id, for [`Ledger::lookup`] and [`Ledger::apply`].
    pub fn key(&self, account: &[u8], tx: &[u8]) -> TxKey {
        TxKey::new(self.seeds.index_key, account, tx)
    }

    /// What the index says about an id. A hit is a hash: [`Ledger::decide`] compares the ids behind it.
    pub fn lookup(&self, key: TxKey) -> Prior {
        match self.index.lookup(key) {
            Prior::Recorded(lsn) if planted!("some ids are executed twice") && lsn % 5 == 0 => Prior::Unknown,
            prior => prior,
        }
    }

    /// When to call [`Ledger::due`], unix milliseconds: at or before the earliest deadline. `None`: no holds.
    pub fn next_expiry(&self) -> Option<u64> {
        self.holds.next_expiry()
    }

    /// An account that has something to settle. Not removed: it comes again until it is settled, so a caller that
    /// stops half-way loses nothing.
    ///
    /// Bounded work. `None`: nothing is due, or the rest is for the next slice; then [`Ledger::next_expiry`] is not
    /// after `now_ms`.
    pub fn due(&mut self, now_ms: u64) -> Option<Located> {
        let number = self.holds.due(now_ms)?;
        Some(Located { hash: self.accounts.hash(self.accounts.get(number).id()), number: Some(number) })
    }

    /// Says that the block that ends at `end_lsn` (exclusive) was closed with the time `now_ms`. In the order of the
    /// log; recovery does the same from the block headers. Ids in blocks that are not marked are never forgotten.
    pub fn mark_block(&mut self, end_lsn: Lsn, now_ms: u64) {
        self.retention.mark(end_lsn, now_ms);
    }

    /// Forgets the ids whose retention is over at `now_ms`, and returns the memory of some: stops after `budget`
    /// slots (a table's 16,384 at a time at most). With a `budget` of 0 it only forgets.
    pub fn forget(&mut self, now_ms: u64, budget: usize) {
        self.index.forget_below(self.retention.floor(now_ms));
        if now_ms >= self.next_sweep_ms || self.index.is_full() {
            self.index.start_sweep();
            self.next_sweep_ms = now_ms.saturating_add(self.limits.tx_retention_ms / SWEEPS_PER_RETENTION);
        }
        self.index.sweep(budget);
    }

    /// Ids that only records below this name are forgotten.
    pub fn floor(&self) -> Lsn {
        self.index.floor()
    }

    /// Oldest record that one of an id that is not forgotten points to.
    pub fn needed(&self) -> Lsn {
        self.retention.needed()
    }

    /// Forgets ids as a ledger has whose [`Ledger::floor`] is `floor`, if that is higher: so two can be compared.
    pub fn forget_below(&mut self, floor: Lsn) {
        self.index.forget_below(floor);
    }

    /// Where the RESERVE of an active hold stands.
    pub fn opened_lsn(&self, slot: HoldSlot) -> Lsn {
        self.holds.get(slot).opened_lsn
    }

    /// The shard's leads.
    pub fn leads(&self) -> &Leads {
        &self.leads
    }

    /// A lead that is to be settled, until it is. `None`: none is due, or the rest is for the next slice.
    pub fn due_lead(&mut self, now_ms: u64) -> Option<LeadAt> {
        self.leads.due(now_ms)
    }

    /// Applies a lead's event that was just decided or settled and stands in the log at `lsn`. Gives the lead's place.
    ///
    /// # Panics
    /// If the event does not follow from the state: it was not decided here and now.
    pub fn apply_lead(&mut self, at: LeadAt, event: &LeadEvent<'_>, lsn: Lsn) -> LeadAt {
        self.sums.count(lsn);
        self.leads.apply(at, event, lsn)
    }

    /// Applies a lead's event that recovery read at `lsn`.
    ///
    /// # Errors
    /// If it does not follow from those before it. Nothing is changed then.
    pub fn replay_lead(&mut self, event: &LeadEvent<'_>, lsn: Lsn) -> Result<(), Violation> {
        self.leads.replay(event, lsn)?;
        self.sums.count(lsn);
        Ok(())
    }

    /// How many accounts there are.
    pub fn account_count(&self) -> u64 {
        u64::from(self.accounts.len())
    }

    /// The name of the account of this number, below [`Ledger::account_count`]. It keeps its number.
    pub fn account_name(&self, number: u32) -> &[u8] {
        self.accounts.get(number).id()
    }

    /// Sums over the shard. Looks at every table for its memory: for reports, not for every command.
    pub fn totals(&self) -> Totals {
        self.sums.totals(&self.accounts, &self.holds, &self.index)
    }

    /// Events of the feed so far: each record is one, and a lead that is full is told of by one more.
    pub fn event_count(&self) -> u64 {
        self.totals().entries + u64::from(self.leads.full_count())
    }

    fn account(&self, at: Located) -> Option<&Account> {
        at.number.map(|number| self.accounts.get(number))
    }

    fn hold_list(&self, at: Located) -> &HoldList {
        at.number.map_or(&HoldList::EMPTY, |number| &self.accounts.seldom(number).holds)
    }

    /// The `skip_lsn` of the account's entry `seq`, which comes next.
    fn skip_lsn(&self, at: Located, seq: u64) -> Lsn {
        match at.number {
            Some(number) if seq.is_multiple_of(SKIP_EVERY) => self.accounts.seldom(number).anchor_lsn,
            _ => NO_LSN,
        }
    }
}
