//! One account's entries, told oldest first, each judged by those before it: I1-I4, I6, I7, I10, the chain, R3, R4.
//!
//! ```text
//!   entry, entry, entry ──tell──▶ Story: figures, active holds, refunds so far ──agrees──▶ the account in memory
//! ```
//! Keeps its own state, borrows no entry, and is small: verification has one for every account. A history that was cut
//! starts from the first kept entry's after-values minus its deltas; what was opened before is taken on trust.
//!
//! Refunds: the sum for each refunded transaction is kept, for [`REFUNDED_MAX`] of them; then the oldest ones are let
//! go, and later refunds of them are taken on trust again. What a refunded entry took is judged where the caller has
//! that entry, else its refunds must at least agree with each other.
//!
//! Absent on purpose: where entries come from.

use std::collections::BTreeMap;

use super::super::Ledger;
use super::super::Located;
use super::super::event::{Change, DeclinedOp, Event, NEVER_MS, SKIP_EVERY};
use super::super::id::{Lsn, NO_LSN};
use super::super::kept_id::KeptId;
use super::{Fault, Violation, figures, refund, rule, same};

/// Refunded transactions of one account whose sums are kept: some 3 MiB.
pub(super) const REFUNDED_MAX: usize = 1 << 16;

/// An account as its trail leaves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountState {
    /// All credits, held ones included.
    pub balance: u64,
    /// Held by active reservations.
    pub reserved: u64,
    /// Of the newest entry; 0 before the first.
    pub seq: u64,
    /// Where the newest entry stands.
    pub last_lsn: Lsn,
    /// Active reservations by deadline, then age.
    pub holds: Vec<ActiveHold>,
}

/// An active reservation, as its RESERVE made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveHold {
    /// The reservation's transaction id.
    pub tx: Box<[u8]>,
    /// Credits held.
    pub amount: u64,
    /// The deadline, unix milliseconds.
    pub expires_at_ms: u64,
    /// Where the RESERVE stands.
    pub opened_lsn: Lsn,
    /// The lead of a claim that runs; empty: a plain reservation.
    pub lead: Box<[u8]>,
}

/// What the entries of one account amount to so far: 112 bytes, holds and refunds apart.
#[derive(Clone, Debug)]
pub struct Story {
    account: KeptId<22>,
    state: AccountState,
    /// Time of the newest entry.
    time_ms: u64,
    /// The newest 256th entry.
    anchor_lsn: Lsn,
    /// The first entry that is kept; [`NO_LSN`]: nothing is cut.
    starts_lsn: Lsn,
    refunds: Option<Box<Refunds>>,
}

#[derive(Clone, Debug, Default)]
struct Refunds {
    /// Where the refunded entry stands: refunded so far, left to refund.
    sums: BTreeMap<Lsn, (u64, u64)>,
    /// Refunds of entries below this may be missing from `sums`.
    forgotten_below: Lsn,
}

/// Judges all entries of one account, oldest first, each with its LSN.
///
/// # Errors
/// The first entry that breaks an invariant.
pub fn check_trail(entries: &[(Lsn, Event<'_>)]) -> Result<(), Violation> {
    let Some((_, first)) = entries.first() else { return Ok(()) };
    let mut story = Story::new(first.account);
    for (lsn, event) in entries {
        let opened = event.opened_lsn().and_then(|at| entries.binary_search_by_key(&at, |(lsn, _)| *lsn).ok());
        story.tell(*lsn, event, opened.map(|place| &entries[place].1))?;
    }
    Ok(())
}

impl Story {
    /// Before the first entry of `account`.
    pub fn new(account: &[u8]) -> Self {
        let state = AccountState::default();
        let account = KeptId::new(account);
        Self { account, state, time_ms: 0, anchor_lsn: NO_LSN, starts_lsn: NO_LSN, refunds: None }
    }

    /// Before `first`, the oldest entry of its account that is kept, at `lsn`; to be told next.
    pub fn starting_at(lsn: Lsn, first: &Event<'_>) -> Self {
        let mut story = Self::new(first.account);
        if first.prev_lsn != NO_LSN {
            // Nonsense gives a state that the entry does not follow from.
            let before = |after: u64, delta: i64| after.checked_add_signed(delta.wrapping_neg()).unwrap_or(after);
            story.state.balance = before(first.balance, first.delta());
            story.state.reserved = before(first.reserved, first.rdelta());
            story.state.seq = first.seq.saturating_sub(1);
            story.state.last_lsn = first.prev_lsn;
            story.starts_lsn = lsn;
        }
        story
    }

    /// The next entry, which stands at `lsn`. `opened` is the entry at the event's `opened_lsn`, if the caller has it; only
    /// that of a REFUND is looked at.
    ///
    /// # Errors
    /// If the entry breaks an invariant. Nothing can be told after it.
    pub fn tell(&mut self, lsn: Lsn, event: &Event<'_>, opened: Option<&Event<'_>>) -> Result<(), Violation> {
        self.judge(lsn, event, opened).map_err(|fault| Violation::of(event, fault))?;
        (self.state.balance, self.state.reserved) = (event.balance, event.reserved);
        (self.state.seq, self.state.last_lsn, self.time_ms) = (event.seq, lsn, event.time_ms);
        if event.seq.is_multiple_of(SKIP_EVERY) {
            self.anchor_lsn = lsn;
        }
        Ok(())
    }

    /// Compares with the account's state in memory, as it was when the newest entry told was the newest there was.
    ///
    /// # Errors
    /// The first difference.
    pub fn agrees(&self, memory: &AccountState) -> Result<(), Violation> {
        let own = &self.state;
        let compare = || {
            same("seq", own.seq, memory.seq)?;
            same("last_lsn", own.last_lsn, memory.last_lsn)?;
            same("balance", own.balance, memory.balance)?;
            same("reserved", own.reserved, memory.reserved)?;
            let told = memory.holds.iter().filter(|hold| hold.opened_lsn >= self.starts_lsn);
            rule(told.eq(&own.holds), "hold", "the account holds what its trail says")
        };
        compare().map_err(|fault| Violation { account: self.account().into(), seq: own.seq, fault })
    }

    /// The account's name.
    pub fn account(&self) -> &[u8] {
        self.account.as_bytes()
    }

    /// The account after the newest entry told. Where history was cut, holds opened before are missing.
    pub fn state(&self) -> &AccountState {
        &self.state
    }

    fn judge(&mut self, lsn: Lsn, event: &Event<'_>, opened: Option<&Event<'_>>) -> Result<(), Fault> {
        let AccountState { balance, reserved, seq, last_lsn, .. } = self.state;
        rule(event.account == self.account(), "account", "a trail is of one account")?;
        rule(last_lsn != NO_LSN || event.change == Change::Grant, "account", "an account opens with a grant")?;
        same("seq (I6)", u128::from(seq) + 1, event.seq.into())?;
        same("prev_lsn", last_lsn, event.prev_lsn)?;
        rule(lsn > last_lsn, "lsn", "an account's entries stand in order")?;
        rule(event.time_ms >= self.time_ms, "time", "an account's times never go back (I7)")?;
        let is_anchor = event.seq.is_multiple_of(SKIP_EVERY);
        if is_anchor && self.anchor_lsn < self.starts_lsn {
            rule(event.skip_lsn < self.starts_lsn, "skip_lsn", "the entry 256 before is cut off")?;
        } else {
            same("skip_lsn", if is_anchor { self.anchor_lsn } else { NO_LSN }, event.skip_lsn)?;
        }
        figures(balance, reserved, event)?;
        self.turn(lsn, event, opened)
    }

    /// What the entry does to the account's reservations and refunds. The sum of holds is `reserved` (I3) because each
    /// comes and goes with its amount.
    fn turn(&mut self, lsn: Lsn, event: &Event<'_>, opened: Option<&Event<'_>>) -> Result<(), Fault> {
        let holds = &mut self.state.holds;
        if !matches!(event.change, Change::Expire { .. }) {
            let is_due = holds.first().is_some_and(|hold| hold.expires_at_ms <= event.time_ms);
            rule(!is_due, "time", "due holds expire before anything else happens (R3)")?;
        }
        match event.change {
            Change::Capture { opened_lsn, captured, .. } => {
                rule((1..=event.amount).contains(&captured), "captured", "amount = captured + returned (I4)")?;
                return self.end(event, opened_lsn);
            }
            Change::Release { opened_lsn, .. } | Change::Expire { opened_lsn } => return self.end(event, opened_lsn),
            Change::Claimed { opened_lsn, .. } | Change::Refused { opened_lsn, .. } => {
                return self.end(event, opened_lsn);
            }
            _ => rule(!holds.iter().any(|hold| *hold.tx == *event.tx), "tx", "an id has one effect (I5)")?,
        }
        match event.change {
            Change::Void => same("amount of a burned id", 0, event.amount),
            Change::Reserve { expires_at_ms, lead } => {
                rule(
                    (event.amount > 0 || !lead.is_empty()) && expires_at_ms > event.time_ms,
                    "expires",
                    "a hold holds something for a while",
                )?;
                rule(lead.is_empty() || expires_at_ms == NEVER_MS, "expires", "a claim has no deadline")?;
                let place = holds.partition_point(|hold| hold.expires_at_ms <= expires_at_ms);
                let (tx, amount, opened_lsn, lead) = (event.tx.into(), event.amount, lsn, lead.into());
                holds.insert(place, ActiveHold { tx, amount, expires_at_ms, opened_lsn, lead });
                Ok(())
            }
            Change::Refund { .. } => {
                refund(event)?;
                opened.map_or(Ok(()), |opened| judge_refunded(event, opened))?;
                self.refunds.get_or_insert_default().add(event, self.starts_lsn)
            }
            Change::Decline { op: DeclinedOp::Claim, .. } => Ok(()),
            _ => rule(event.amount > 0, "amount", "amounts are at least 1"),
        }
    }

    /// Takes the hold away that the entry ends.
    fn end(&mut self, event: &Event<'_>, opened_lsn: Lsn) -> Result<(), Fault> {
        let holds = &mut self.state.holds;
        let Some(place) = holds.iter().position(|hold| *hold.tx == *event.tx) else {
            let known: u64 = holds.iter().map(|hold| hold.amount).sum();
            let on_trust = self.state.reserved - known;
            let is_cut = opened_lsn < self.starts_lsn && event.amount <= on_trust;
            return rule(is_cut, "hold", "only an active hold ends (I4)");
        };
        let hold = holds.remove(place);
        same("amount of the hold", hold.amount, event.amount)?;
        same("opened_lsn", hold.opened_lsn, opened_lsn)?;
        let is_by_lead = *hold.lead == *event.lead() && event.is_of_claim() != hold.lead.is_empty();
        rule(is_by_lead, "lead", "a claim ends by its lead, and nothing else does")?;
        if matches!(event.change, Change::Expire { .. }) {
            same("time of the expiry (I7)", hold.expires_at_ms, event.time_ms)?;
            rule(place == 0, "hold", "holds expire by deadline, then age (R4)")?;
        }
        Ok(())
    }
}

/// Whether `opened` is the entry that the REFUND `event` refunds.
fn judge_refunded(event: &Event<'_>, opened: &Event<'_>) -> Result<(), Fault> {
    let Change::Refund { of, refunded_total, refundable, .. } = event.change else { return Ok(()) };
    rule(opened.account == event.account && opened.tx == of, "refund", "opened_lsn is of the refunded transaction")?;
    let taken = opened.taken().ok_or(Fault::Rule { field: "refund", rule: "only debits and captures are refunded" })?;
    same("refundable (I10)", taken, refunded_total + refundable)
}

impl Refunds {
    /// Adds the REFUND `event` to the sum of what it refunds.
    fn add(&mut self, event: &Event<'_>, starts_lsn: Lsn) -> Result<(), Fault> {
        let Change::Refund { opened_lsn, refunded_total, refundable, .. } = event.change else { return Ok(()) };
        let is_known_to_be_first = opened_lsn >= self.forgotten_below.max(starts_lsn);
        match self.sums.insert(opened_lsn, (refunded_total, refundable)) {
            Some((before, left)) => {
                same("refunded_total (I10)", before + event.amount, refunded_total)?;
                same("refundable (I10)", before + left, refunded_total + refundable)?;
            }
            None if is_known_to_be_first => same("refunded_total (I10)", event.amount, refunded_total)?,
            None => {}
        }
        if self.sums.len() > REFUNDED_MAX
            && let Some((oldest, _)) = self.sums.pop_first()
        {
            self.forgotten_below = self.forgotten_below.max(oldest + 1);
        }
        Ok(())
    }
}

impl Ledger {
    /// The account's state, for [`Story::agrees`]. `None`: it is unknown.
    pub fn state(&self, at: Located) -> Option<AccountState> {
        let account = self.account(at)?;
        let holds = self.holds.of(self.hold_list(at)).map(|(slot, hold)| ActiveHold {
            tx: hold.tx().into(),
            amount: hold.amount,
            expires_at_ms: hold.expires_at_ms(),
            opened_lsn: hold.opened_lsn,
            lead: self.holds.lead(slot).into(),
        });
        Some(AccountState {
            balance: account.balance,
            reserved: account.reserved,
            seq: account.seq,
            last_lsn: account.last_lsn,
            holds: holds.collect(),
        })
    }
}
