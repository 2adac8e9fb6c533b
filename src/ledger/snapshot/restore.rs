//! Loading: the items of a snapshot, then the records behind its begin.

use super::form::{Items, TRANSACTION_LEN};
use super::{PartError, Section};
use crate::ledger::codec::Record;
use crate::ledger::credits::CREDITS_MAX;
use crate::ledger::event::NEVER_MS;
use crate::ledger::id::{ACCOUNT_LEN_MAX, Lsn, NO_LSN, TX_LEN_MAX};
use crate::ledger::invariants::{Fault, Violation, rule};
use crate::ledger::reservation::Opening;
use crate::ledger::retention::Retention;
use crate::ledger::totals::Sums;
use crate::ledger::transactions::TxKey;
use crate::ledger::{Ledger, Limits, Seeds, Sought, codec};

/// A ledger on its way back: from a snapshot and the log behind it, or from a whole log.
#[derive(Debug)]
pub struct Restore {
    pub(super) ledger: Ledger,
    /// What came last.
    section: Option<Section>,
    /// Items taken: transactions, accounts, holds.
    transactions: u64,
    accounts: u64,
    holds: u64,
    /// Of each lead, how many claims it had; and claims that were read.
    pub(super) taken: Vec<u32>,
    pub(super) claims: u64,
    /// The newest record that an item points to.
    pub(super) newest: Lsn,
    /// Records below this may be in the snapshot. 0 without one.
    end: Lsn,
    /// Time of the block that is being read.
    block_ms: Option<u64>,
    /// What its records name, hashed, the next one last; and what is on its way into the CPU's caches, likewise.
    ahead: Vec<(u32, TxKey)>,
    near: Vec<Sought>,
}

/// Records that are looked up together.
const TOGETHER: usize = 32;

impl Restore {
    /// Starts from nothing.
    pub fn new(limits: Limits, seeds: Seeds) -> Self {
        Self {
            ledger: Ledger::new(limits, seeds),
            section: None,
            transactions: 0,
            accounts: 0,
            holds: 0,
            taken: Vec::new(),
            claims: 0,
            newest: NO_LSN,
            end: NO_LSN,
            block_ms: None,
            ahead: Vec::new(),
            near: Vec::new(),
        }
    }

    /// Takes the next part of a snapshot. Footers, too, are parts: of one item.
    ///
    /// # Errors
    /// [`PartError`] if it cannot be the next part of a snapshot of this version; then only a new [`Restore`] will do.
    pub fn part(&mut self, section: u8, count: u32, bytes: &[u8]) -> Result<(), PartError> {
        let next = Section::of(section)
            .filter(|next| next.is_next(self.section))
            .ok_or(PartError::Section { found: section })?;
        self.section = Some(next);
        let mut items = Items(bytes);
        match next {
            Section::Sizes => {
                let [transactions] = items.words().ok_or(PartError::Length { section })?;
                self.ledger.index.make_room(transactions);
            }
            Section::Transactions => self.take_transactions(count, &mut items)?,
            Section::Accounts => (0..count).try_for_each(|_| self.take_account(&mut items))?,
            Section::Leads => (0..count).try_for_each(|_| self.take_lead(&mut items))?,
            Section::Claims => (0..count).try_for_each(|_| self.take_claim(&mut items))?,
            Section::Footer => self.take_footer(&mut items)?,
        }
        if items.0.is_empty() { Ok(()) } else { Err(PartError::Length { section }) }
    }

    /// A block of the log begins at `lsn`; its time is `now_ms`, unix milliseconds, and these are the `records` that come
    /// next, one after the other.
    ///
    /// # Errors
    /// If the block before is older than those before it.
    pub fn block(&mut self, lsn: Lsn, now_ms: u64, records: &[u8]) -> Result<(), Violation> {
        if let Some(before_ms) = self.block_ms.replace(now_ms) {
            self.check_time(lsn, before_ms)?;
            self.ledger.mark_block(lsn, before_ms);
        }
        let ledger = &self.ledger;
        let hashed = |(account, tx)| (ledger.accounts.hash(account), ledger.key(account, tx));
        self.near.clear();
        self.ahead.clear();
        self.ahead.extend(codec::records(records).map(codec::ids_of).map(hashed));
        self.ahead.reverse();
        Ok(())
    }

    /// The ledger at the end of the log, at `lsn`, whose time is `now_ms`. It has forgotten the ids that the living one had,
    /// which went by the times of the same blocks.
    ///
    /// # Errors
    /// If a block, of a snapshot perhaps, is younger than the end; if the snapshot knows of records behind it; or as
    /// [`Restore::into_ledger`].
    pub fn end(mut self, lsn: Lsn, now_ms: u64) -> Result<Ledger, Violation> {
        rule(self.end <= lsn, "lsn", "a snapshot ends within its log").map_err(|fault| self.violation(fault))?;
        self.check_time(lsn + 1, now_ms)?;
        if let Some(block_ms) = self.block_ms {
            self.check_time(lsn, block_ms)?;
            self.ledger.mark_block(lsn, block_ms);
            if !planted!("a start knows again what was forgotten") {
                self.ledger.forget(block_ms, 0);
            }
        }
        self.into_ledger()
    }

    /// Whether a block that ends at `end_lsn` can have the time `now_ms`.
    ///
    /// # Errors
    /// If one before it, of a snapshot perhaps, is younger.
    pub(in crate::ledger) fn check_time(&self, end_lsn: Lsn, now_ms: u64) -> Result<(), Violation> {
        let can = self.ledger.retention.can_mark(end_lsn, now_ms);
        rule(can, "time", "no block is older than one before it").map_err(|fault| self.violation(fault))
    }

    /// A fault of the log, not of an account.
    fn violation(&self, fault: Fault) -> Violation {
        Violation { account: [].into(), seq: self.ledger.totals().entries, fault }
    }

    /// Takes the next record of the block.
    ///
    /// # Errors
    /// If it does not follow from those before it (case 13 of journal.md 6). The ledger is unchanged then.
    pub fn record(&mut self, record: &Record<'_>, lsn: Lsn) -> Result<(), Violation> {
        if self.near.is_empty() {
            self.bring_near();
        }
        let sought = self.near.pop().expect("a block has the records that come");
        let event = match record {
            Record::Entry(event) => event,
            Record::Lead(event) => {
                let at = self.ledger.leads.locate(event.lead);
                let is_in_copy = lsn < self.end && lsn <= self.ledger.leads.last_lsn(at);
                return if is_in_copy { Ok(()) } else { self.ledger.replay_lead(event, lsn) };
            }
        };
        let (at, key) = self.ledger.find(&sought, event.account);
        let key = key.expect("every record has a tx");
        debug_assert_eq!(key, self.ledger.key(event.account, event.tx), "records come as the block has them");
        if lsn < self.end && lsn <= self.ledger.last_lsn(at) {
            if !planted!("snapshot without the index rule") {
                self.ledger.recall(key, event, lsn);
            }
            return Ok(());
        }
        if planted!("replay forgets the index") {
            self.ledger.index.forget_below(lsn);
        }
        self.ledger.replay_at(at, key, event, lsn)
    }

    /// The ledger, after the last record.
    ///
    /// # Errors
    /// If its accounts do not add up to its sums (I2, I3).
    pub fn into_ledger(self) -> Result<Ledger, Violation> {
        self.ledger.check_sums()?;
        Ok(self.ledger)
    }

    /// Looks the next records' accounts and ids up together, as a core does for commands.
    fn bring_near(&mut self) {
        let (ledger, near) = (&self.ledger, &mut self.near);
        let rest = self.ahead.len().saturating_sub(TOGETHER);
        near.extend(self.ahead.drain(rest..).map(|(hash, key)| ledger.seek_hashed(hash, Some(key))));
        near.iter().for_each(|sought| ledger.approach(sought));
        near.iter_mut().for_each(|sought| ledger.sight(sought));
        near.iter().for_each(|sought| ledger.reach(sought));
    }

    fn take_transactions(&mut self, count: u32, items: &mut Items<'_>) -> Result<(), PartError> {
        let section = Section::Transactions as u8;
        if items.0.len() != count as usize * TRANSACTION_LEN {
            return Err(PartError::Length { section });
        }
        while let Some([hi, lo, lsn]) = items.words() {
            let key = TxKey::of_words([hi, lo]);
            let key = key.filter(|_| lsn != NO_LSN && lsn >> 63 == 0);
            let key = key.ok_or(PartError::Item { section, item: self.transactions, rule: "an id has a record" })?;
            let key = self.ledger.index.sight(self.ledger.index.home(key));
            self.ledger.index.record(key, lsn);
            self.newest = self.newest.max(lsn);
            self.transactions += 1;
        }
        Ok(())
    }

    fn take_account(&mut self, items: &mut Items<'_>) -> Result<(), PartError> {
        let section = Section::Accounts as u8;
        let short = PartError::Length { section };
        let item = self.accounts;
        let check = |holds, rule| if holds { Ok(()) } else { Err(PartError::Item { section, item, rule }) };
        let holds = u32::from_le_bytes(items.array().ok_or(short)?);
        let [len, zeros @ ..] = items.array::<4>().ok_or(short)?;
        let [balance, reserved, seq, last_lsn, anchor_lsn] = items.words().ok_or(short)?;
        let id = items.text(len).ok_or(short)?;
        check((1..=ACCOUNT_LEN_MAX).contains(&id.len()) && zeros == [0; 3], "an account has a name")?;
        check(reserved <= balance && balance <= CREDITS_MAX, "0 <= reserved <= balance <= max (I1)")?;
        let is_placed = seq > 0 && anchor_lsn <= last_lsn && last_lsn > NO_LSN && last_lsn >> 63 == 0;
        check(is_placed, "an account has a newest entry")?;
        self.newest = self.newest.max(last_lsn);
        let number = self.ledger.accounts.open_unnamed(id);
        let (account, seldom) = self.ledger.accounts.get_mut(number);
        (account.balance, account.reserved) = (balance, reserved);
        (account.seq, account.last_lsn, seldom.anchor_lsn) = (seq, last_lsn, anchor_lsn);
        let (mut held, mut before) = (0u64, (0, 0));
        for _ in 0..holds {
            let [len, lead_len, zeros @ ..] = items.array::<8>().ok_or(short)?;
            let [amount, created_at_ms, expires_at_ms, seq] = items.words().ok_or(short)?;
            let [opened_lsn, balance, reserved] = items.words().ok_or(short)?;
            let tx = items.text(len).ok_or(short)?;
            let lead = items.text(lead_len).ok_or(short)?;
            check((1..=TX_LEN_MAX).contains(&tx.len()) && zeros == [0; 6], "a hold has an id")?;
            let is_claim = (1..=ACCOUNT_LEN_MAX).contains(&lead.len()) && expires_at_ms == NEVER_MS;
            check(lead.is_empty() || is_claim, "a claim has a lead and no deadline")?;
            let place = (expires_at_ms, seq);
            check(std::mem::replace(&mut before, place) < place, "holds stand by deadline, then age")?;
            check(seq <= account.seq && opened_lsn <= last_lsn, "a hold is as old as its account")?;
            held = held.saturating_add(amount);
            let opening =
                Opening { tx, amount, created_at_ms, expires_at_ms, seq, opened_lsn, balance, reserved, lead };
            let slot = self.ledger.holds.insert(number, &mut seldom.holds, &opening);
            self.ledger.index.hold(TxKey::new(self.ledger.seeds.index_key, id, tx), slot);
        }
        check(held == account.reserved, "reserved is the sum of the holds (I3)")?;
        account.next_deadline_ms = self.ledger.holds.first_deadline_ms(&seldom.holds);
        self.accounts += 1;
        self.holds += u64::from(holds);
        Ok(())
    }

    fn take_footer(&mut self, items: &mut Items<'_>) -> Result<(), PartError> {
        let section = Section::Footer as u8;
        let short = PartError::Length { section };
        let [accounts, holds, transactions] = items.words().ok_or(short)?;
        let counts = [
            ("accounts", accounts, self.accounts),
            ("holds", holds, self.holds),
            ("transactions", transactions, self.transactions),
        ];
        for (what, expected, found) in counts {
            if expected != found {
                return Err(PartError::Count { what, expected, found });
            }
        }
        let counts = items.words().ok_or(short)?;
        let mut sums = [0; 5];
        for sum in &mut sums {
            *sum = items.sum().ok_or(short)?;
        }
        let [end] = items.words().ok_or(short)?;
        let rows: Vec<_> = std::iter::from_fn(|| items.words()).collect();
        // Content 1 ends here: it knows of no leads.
        let [leads, claims] = if items.0.is_empty() { [0; 2] } else { items.words().ok_or(short)? };
        self.end_leads(leads, claims)?;
        let retention = Retention::from_rows(self.ledger.limits.tx_retention_ms, end, &rows);
        let retention = retention.filter(|_| end != NO_LSN && end >> 63 == 0);
        let rule = "blocks stand in order below the end";
        self.ledger.retention = retention.ok_or(PartError::Item { section, item: 0, rule })?;
        if self.newest >= end {
            return Err(PartError::Item { section, item: 0, rule: "items point to records below the end" });
        }
        let is_named = self.ledger.accounts.name_all();
        is_named.then_some(()).ok_or(PartError::Item { section, item: 0, rule: "accounts have names of their own" })?;
        self.ledger.index.forget_below(rows[0][0]);
        let sums = Sums::from_parts(counts, sums, end);
        self.ledger.sums =
            sums.ok_or(PartError::Item { section, item: 0, rule: "reserved <= granted + refunded - debited" })?;
        self.end = end;
        Ok(())
    }
}
