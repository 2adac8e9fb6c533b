//! The invariants of commands.md C.8 as predicates, shared by recovery, tests, the simulator and verification.
//!
//! [`check_trail`] judges one account's entries by themselves and knows nothing of how a ledger keeps its state;
//! [`Ledger::check`](super::Ledger::check) judges a state by itself and knows nothing of how it came about.

use std::collections::BTreeMap;

use super::Ledger;
use super::account::Account;
use super::credits::CREDITS_MAX;
use super::event::{Change, Event, SKIP_EVERY};
use super::id::{Lsn, NO_LSN};
use super::transactions::Prior;

/// Something that cannot be, if every version of this program is right: a bug, or a damaged log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("account \"{}\" entry {seq}: {fault}", account.escape_ascii())]
pub struct Violation {
    /// Whose entry or state. Empty: the whole ledger's.
    pub account: Box<[u8]>,
    /// The entry, or the newest one of the account.
    pub seq: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong in a [`Violation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A figure differs from what the entries before it require.
    #[error("{figure} is {found}, must be {expected}")]
    Figure {
        /// Which one.
        figure: &'static str,
        /// As the others require.
        expected: u128,
        /// As it is.
        found: u128,
    },
    /// A statement does not hold.
    #[error("violates: {0}")]
    Rule(&'static str),
}

impl Violation {
    /// A fault of an entry.
    pub(crate) fn of(event: &Event<'_>, fault: Fault) -> Self {
        Self { account: event.account.into(), seq: event.seq, fault }
    }
}

/// `found` must be `expected`.
pub(crate) fn same<T: Into<u128>>(figure: &'static str, expected: T, found: T) -> Result<(), Fault> {
    let (expected, found) = (expected.into(), found.into());
    if expected == found { Ok(()) } else { Err(Fault::Figure { figure, expected, found }) }
}

/// `rule`, in words, must hold.
pub(crate) fn rule(holds: bool, rule: &'static str) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault::Rule(rule)) }
}

/// A reservation as its trail tells it.
struct Opened {
    amount: u64,
    expires_at_ms: u64,
    lsn: Lsn,
    seq: u64,
}

/// What the entries so far amount to.
#[derive(Default)]
struct Story<'a> {
    balance: u64,
    reserved: u64,
    last: Option<(Lsn, Event<'a>)>,
    /// The newest 256th entry.
    anchor_lsn: Lsn,
    active: BTreeMap<&'a [u8], Opened>,
}

/// Judges all entries of one account, oldest first, each with its LSN: I1-I4, I6, I7, the chain, R3 and R4.
///
/// # Errors
/// The first entry that breaks an invariant.
pub fn check_trail(trail: &[(Lsn, Event<'_>)]) -> Result<(), Violation> {
    let mut story = Story::default();
    for &(lsn, event) in trail {
        story.tell(lsn, event).map_err(|fault| Violation::of(&event, fault))?;
    }
    Ok(())
}

impl<'a> Story<'a> {
    fn tell(&mut self, lsn: Lsn, event: Event<'a>) -> Result<(), Fault> {
        let (last_lsn, last_seq, last_ms) = self.last.map_or((NO_LSN, 0, 0), |(lsn, e)| (lsn, e.seq, e.time_ms));
        same("seq (I6)", last_seq + 1, event.seq)?;
        same("prev_lsn", last_lsn, event.prev_lsn)?;
        rule(lsn > last_lsn, "an account's entries stand in order")?;
        rule(event.time_ms >= last_ms, "an account's times never go back (I7)")?;
        rule(self.last.is_none_or(|(_, last)| last.account == event.account), "a trail is of one account")?;
        let is_anchor = event.seq.is_multiple_of(SKIP_EVERY);
        same("skip_lsn", if is_anchor { self.anchor_lsn } else { NO_LSN }, event.skip_lsn)?;
        rule(self.balance.checked_add_signed(event.delta()) == Some(event.balance), "balance follows from delta (I6)")?;
        rule(self.reserved.checked_add_signed(event.rdelta()) == Some(event.reserved), "reserved follows too (I6)")?;
        self.turn(lsn, &event)?;
        rule(event.reserved <= event.balance && event.balance <= CREDITS_MAX, "0 <= reserved <= balance <= max (I1)")?;
        same("reserved (I3)", self.active.values().map(|h| h.amount).sum(), event.reserved)?;
        (self.balance, self.reserved, self.last) = (event.balance, event.reserved, Some((lsn, event)));
        if is_anchor {
            self.anchor_lsn = lsn;
        }
        Ok(())
    }

    /// What the entry does to the account's reservations.
    fn turn(&mut self, lsn: Lsn, event: &Event<'a>) -> Result<(), Fault> {
        let due = self.active.values().map(|hold| (hold.expires_at_ms, hold.seq)).min();
        if !matches!(event.change, Change::Expire { .. }) {
            rule(due.is_none_or(|(at, _)| at > event.time_ms), "due holds expire before anything else happens (R3)")?;
        }
        match event.change {
            Change::Reserve { expires_at_ms, .. } => {
                let opened = Opened { amount: event.amount, expires_at_ms, lsn, seq: event.seq };
                rule(expires_at_ms > event.time_ms, "a hold lives for a while")?;
                rule(self.active.insert(event.tx, opened).is_none(), "an id has one effect (I5)")
            }
            Change::Capture { opened_lsn, captured, .. } => {
                rule((1..=event.amount).contains(&captured), "amount = captured + returned (I4)")?;
                self.end(event, opened_lsn).map(drop)
            }
            Change::Release { opened_lsn, .. } => self.end(event, opened_lsn).map(drop),
            Change::Expire { opened_lsn } => {
                let opened = self.end(event, opened_lsn)?;
                same("time of the expiry (I7)", opened.expires_at_ms, event.time_ms)?;
                rule(due == Some((opened.expires_at_ms, opened.seq)), "holds expire by deadline, then age (R4)")
            }
            Change::Refund { .. } => todo!(),
            Change::Void => same("amount of a burned id", 0u64, event.amount),
            Change::Grant | Change::Debit | Change::Decline { .. } => {
                rule(event.amount > 0 && !self.active.contains_key(event.tx), "an id has one effect (I5)")
            }
        }
    }

    fn end(&mut self, event: &Event<'a>, opened_lsn: Lsn) -> Result<Opened, Fault> {
        let opened = self.active.remove(event.tx).ok_or(Fault::Rule("only an active hold ends (I4)"))?;
        same("amount of the hold", opened.amount, event.amount)?;
        same("opened_lsn", opened.lsn, opened_lsn)?;
        Ok(opened)
    }
}

impl Ledger {
    /// Judges the whole state: I1 and I3 of every account, its list of holds, the index entry of every hold, and I2
    /// and I3 summed.
    ///
    /// # Errors
    /// The first account that breaks an invariant.
    pub fn check(&self) -> Result<(), Violation> {
        let (mut balance, mut reserved, mut holds) = (0u128, 0u128, 0u64);
        for number in 0..self.accounts.len() {
            let account = self.accounts.get(number);
            let of = |fault| Violation { account: account.id().into(), seq: account.seq, fault };
            self.check_account(account).map_err(of)?;
            balance += u128::from(account.balance);
            reserved += u128::from(account.reserved);
            holds += u64::from(account.hold_count);
        }
        let totals = self.totals();
        let active = self.index.kept().filter(|(_, prior)| matches!(prior, Prior::Active(_))).count();
        same("sum of balances (I2)", totals.balance, balance)
            .and_then(|()| same("sum of reserved (I3)", totals.reserved, reserved))
            .and_then(|()| same("active holds", totals.holds, holds))
            .and_then(|()| same("active ids", totals.holds, active as u64))
            .map_err(|fault| Violation { account: [].into(), seq: totals.entries, fault })
    }

    fn check_account(&self, account: &Account) -> Result<(), Fault> {
        rule(account.reserved <= account.balance && account.balance <= CREDITS_MAX, "0 <= reserved <= balance (I1)")?;
        let (mut sum, mut count, mut last) = (0, 0u32, (0, 0));
        for (slot, hold) in self.holds.of(account) {
            let place = (hold.expires_at_ms(), hold.seq);
            rule(place > last, "holds stand by deadline, then age")?;
            let key = self.key(account.id(), hold.tx());
            rule(self.lookup(key) == Prior::Active(slot), "an active hold answers for its id")?;
            rule(count > 0 || account.next_deadline_ms == hold.expires_at_ms(), "the account knows its next deadline")?;
            (sum, count, last) = (sum + hold.amount, count + 1, place);
        }
        rule(count > 0 || account.next_deadline_ms == u64::MAX, "no hold, no deadline")?;
        same("reserved (I3)", sum, account.reserved)?;
        same("active holds", account.hold_count, count)
    }
}

#[cfg(test)]
#[path = "invariants_tests.rs"]
mod tests;
