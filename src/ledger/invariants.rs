//! The invariants of commands.md C.8 as predicates, shared by recovery, tests, the simulator and verification.
//!
//! [`Story`] judges one account's entries by themselves and knows nothing of how a ledger keeps its state;
//! [`Ledger::check`](super::Ledger::check) judges a state by itself and knows nothing of how it came about.

mod lead_story;
mod story;

pub use lead_story::LeadStory;
pub use story::{AccountState, ActiveHold, Story, check_trail};

use super::Ledger;
use super::account::Account;
use super::credits::CREDITS_MAX;
use super::event::{Change, Event};
use super::reservation::HoldList;
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
    #[error("violates: {rule}")]
    Rule {
        /// What it is about, in a word.
        field: &'static str,
        /// The statement.
        rule: &'static str,
    },
}

impl Fault {
    /// What is wrong, in a lower-case word: the field of the entry, or what it is about.
    pub fn field(&self) -> &'static str {
        match *self {
            Fault::Figure { figure, .. } => figure.split(' ').next().unwrap_or(figure),
            Fault::Rule { field, .. } => field,
        }
    }
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

/// `rule`, in words, must hold; it is about `field`.
pub(crate) fn rule(holds: bool, field: &'static str, rule: &'static str) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault::Rule { field, rule }) }
}

/// The entry's figures must follow from those before it, and be within their limits (I1, I6).
pub(crate) fn figures(balance: u64, reserved: u64, event: &Event<'_>) -> Result<(), Fault> {
    let (balance, reserved) = (balance.checked_add_signed(event.delta()), reserved.checked_add_signed(event.rdelta()));
    let is_sound = event.reserved <= event.balance && event.balance <= CREDITS_MAX;
    rule(event.amount <= CREDITS_MAX, "amount", "amounts are at most 2^53 - 1")?;
    rule(balance == Some(event.balance), "balance", "balance follows from delta (I6)")?;
    rule(reserved == Some(event.reserved), "reserved", "reserved follows too (I6)")?;
    rule(is_sound, "balance", "0 <= reserved <= balance <= max (I1)")
}

/// What a REFUND must say by itself (I10). Whether refunds add up, their trail shows.
pub(crate) fn refund(event: &Event<'_>) -> Result<(), Fault> {
    let Change::Refund { of, opened_lsn, refunded_total, refundable } = event.change else { return Ok(()) };
    rule(event.amount > 0 && event.amount <= refunded_total, "refund", "a refund is part of its total (I10)")?;
    let taken = refunded_total.checked_add(refundable);
    rule(taken.is_some_and(|sum| sum <= CREDITS_MAX), "refund", "no more is refunded than was taken (I10)")?;
    rule((1..=event.prev_lsn).contains(&opened_lsn), "refund", "a refund stands behind what it refunds")?;
    rule(of != event.tx, "refund", "nothing refunds itself")
}

impl Ledger {
    /// Judges the whole state: I1 and I3 of every account, its list of holds, the index entry of every hold, I2 and I3
    /// summed, and I8 of every lead.
    ///
    /// # Errors
    /// The first account or lead that breaks an invariant.
    pub fn check(&self) -> Result<(), Violation> {
        let (_, violations) = self.check_some(0, usize::MAX);
        violations.into_iter().next().map_or(Ok(()), Err)?;
        self.check_sums()?;
        self.leads.check()?;
        let totals = self.totals();
        let active = self.index.kept().filter(|(_, prior)| matches!(prior, Prior::Active(_))).count();
        same("active ids", totals.holds, active as u64).map_err(|fault| Violation {
            account: [].into(),
            seq: totals.entries,
            fault,
        })
    }

    /// Judges some accounts, by number from `first` on: I1 and I3, their lists of holds, and the index entries of those.
    /// Ends when it has looked at `items` accounts and holds, or at the last account. Returns how many accounts it has
    /// judged, and those that are wrong.
    pub fn check_some(&self, first: u32, items: usize) -> (u32, Vec<Violation>) {
        let (mut judged, mut looked, mut violations) = (0, 0, Vec::new());
        while first + judged < self.accounts.len() && looked < items {
            let number = first + judged;
            let (account, holds) = (self.accounts.get(number), &self.accounts.seldom(number).holds);
            if let Err(fault) = self.check_account(account, holds) {
                violations.push(Violation { account: account.id().into(), seq: account.seq, fault });
            }
            judged += 1;
            looked += 1 + holds.len as usize;
        }
        (judged, violations)
    }

    /// Judges whether accounts and holds add up to the sums (I2, I3). A look at every account, no more.
    ///
    /// # Errors
    /// The first sum that is another.
    pub fn check_sums(&self) -> Result<(), Violation> {
        let (mut balance, mut reserved, mut holds) = (0u128, 0u128, 0u64);
        for number in 0..self.accounts.len() {
            let account = self.accounts.get(number);
            balance += u128::from(account.balance);
            reserved += u128::from(account.reserved);
            holds += u64::from(self.accounts.seldom(number).holds.len);
        }
        let totals = self.totals();
        same("sum of balances (I2)", totals.balance, balance)
            .and_then(|()| same("sum of reserved (I3)", totals.reserved, reserved))
            .and_then(|()| same("active holds", totals.holds, holds))
            .map_err(|fault| Violation { account: [].into(), seq: totals.entries, fault })
    }

    fn check_account(&self, account: &Account, holds: &HoldList) -> Result<(), Fault> {
        rule(
            account.reserved <= account.balance && account.balance <= CREDITS_MAX,
            "balance",
            "0 <= reserved <= balance (I1)",
        )?;
        let (mut sum, mut count, mut last) = (0, 0u32, (0, 0));
        for (slot, hold) in self.holds.of(holds) {
            let place = (hold.expires_at_ms(), hold.seq);
            rule(place > last, "hold", "holds stand by deadline, then age")?;
            let key = self.key(account.id(), hold.tx());
            rule(self.lookup(key) == Prior::Active(slot), "hold", "an active hold answers for its id")?;
            rule(
                count > 0 || account.next_deadline_ms == hold.expires_at_ms(),
                "hold",
                "the account knows its next deadline",
            )?;
            (sum, count, last) = (sum + hold.amount, count + 1, place);
        }
        rule(count > 0 || account.next_deadline_ms == u64::MAX, "hold", "no hold, no deadline")?;
        same("reserved (I3)", sum, account.reserved)?;
        same("active holds", holds.len, count)
    }
}

#[cfg(test)]
mod tests;
