//! Applying events: the only code that changes a ledger. It decides nothing.
//!
//! Live events and replayed ones take the same way. Each is judged against the state before it changes anything; live,
//! a fault is a bug of this program and stops it; in recovery it is reported and refused (journal.md 6, case 13).

use super::credits::CREDITS_MAX;
use super::event::{Change, DeclineCode, DeclinedOp, Event, NEVER_MS};
use super::id::{Lsn, NO_LSN};
use super::invariants::{Fault, Violation, figures, refund, rule, same};
use super::reservation::{HoldSlot, Opening};
use super::transactions::{Prior, TxKey};
use super::{Ledger, Located};

impl Ledger {
    /// Applies an event that was just decided or settled and stands in the log at `lsn`. `key` is that of its account
    /// and tx. Gives the account's place, for it may have opened.
    ///
    /// # Panics
    /// If the event does not follow from the state: it was not decided here and now.
    pub fn apply(&mut self, at: Located, key: TxKey, event: &Event<'_>, lsn: Lsn) -> Located {
        self.step(at, key, event, lsn).unwrap_or_else(|fault| panic!("{}", Violation::of(event, fault)))
    }

    /// Applies an event that recovery read at `lsn`.
    ///
    /// # Errors
    /// If the event does not follow from those before it. The ledger is unchanged then.
    pub fn replay(&mut self, event: &Event<'_>, lsn: Lsn) -> Result<(), Violation> {
        let (at, key) = (self.locate(event.account), self.key(event.account, event.tx));
        self.replay_at(at, key, event, lsn)
    }

    /// As [`Ledger::replay`], of an event that was looked up.
    pub(crate) fn replay_at(&mut self, at: Located, key: TxKey, event: &Event<'_>, lsn: Lsn) -> Result<(), Violation> {
        self.step(at, key, event, lsn).map(drop).map_err(|fault| Violation::of(event, fault))
    }

    /// What an event that the account's state has already says about ids, for an index that may not know it. An id
    /// that answers with a hold has been used again since.
    pub(crate) fn recall(&mut self, key: TxKey, event: &Event<'_>, lsn: Lsn) {
        let of = matches!(event.change, Change::Refund { .. }).then(|| self.key(event.account, event.of()));
        for key in [Some(key), of].into_iter().flatten() {
            if !matches!(self.index.lookup(key), Prior::Active(_)) {
                self.index.record(key, lsn);
            }
        }
    }

    fn step(&mut self, at: Located, key: TxKey, event: &Event<'_>, lsn: Lsn) -> Result<Located, Fault> {
        let held = self.held(at, key, event.tx);
        self.judge(at, held, event, lsn)?;
        let number = at.number.unwrap_or_else(|| self.accounts.open(at.hash, event.account));
        let (account, seldom) = self.accounts.get_mut(number);
        assert_eq!(account.id(), event.account, "the place is the event's account's");
        (account.balance, account.reserved) = (event.balance, event.reserved);
        (account.seq, account.last_lsn) = (event.seq, lsn);
        if event.seq.is_multiple_of(super::event::SKIP_EVERY) {
            seldom.anchor_lsn = lsn;
        }
        match (event.change, held) {
            (Change::Reserve { expires_at_ms, lead }, _) => {
                let opening = Opening {
                    tx: event.tx,
                    amount: event.amount,
                    created_at_ms: event.time_ms,
                    expires_at_ms,
                    seq: event.seq,
                    opened_lsn: lsn,
                    balance: event.balance,
                    reserved: event.reserved,
                    lead,
                };
                let slot = self.holds.insert(number, &mut seldom.holds, &opening);
                account.next_deadline_ms = self.holds.first_deadline_ms(&seldom.holds);
                self.index.hold(key, slot);
            }
            (Change::Refund { of, .. }, _) => {
                // It changes what two ids answer (C.11, 15).
                self.index.record(key, lsn);
                self.index.record(self.key(event.account, of), lsn);
            }
            (_, Some(slot)) => {
                self.holds.remove(&mut seldom.holds, slot);
                account.next_deadline_ms = self.holds.first_deadline_ms(&seldom.holds);
                if !planted!("slot indexed after its end") {
                    self.index.record(key, lsn);
                }
            }
            (Change::Decline { .. }, None) if planted!("decline not remembered") => {}
            (_, None) => self.index.record(key, lsn),
        }
        self.sums.add(event, lsn);
        if let Some(opened_lsn) = event.opened_lsn() {
            self.retention.need(lsn, opened_lsn);
        }
        Ok(Located { hash: at.hash, number: Some(number) })
    }

    /// The active hold of an id, ids compared.
    fn held(&self, at: Located, key: TxKey, tx: &[u8]) -> Option<HoldSlot> {
        let Prior::Active(slot) = self.index.lookup(key) else { return None };
        let hold = self.holds.get(slot);
        (Some(hold.account) == at.number && hold.tx() == tx).then_some(slot)
    }

    /// Whether the event follows from the state.
    fn judge(&self, at: Located, held: Option<HoldSlot>, event: &Event<'_>, lsn: Lsn) -> Result<(), Fault> {
        let account = self.account(at);
        let (seq, last_lsn) = account.map_or((0, NO_LSN), |a| (a.seq, a.last_lsn));
        let (balance, reserved) = account.map_or((0, 0), |a| (a.balance, a.reserved));
        rule(account.is_some() || event.change == Change::Grant, "account", "an account opens with a grant")?;
        same("seq (I6)", seq + 1, event.seq)?;
        same("prev_lsn", last_lsn, event.prev_lsn)?;
        same("skip_lsn", self.skip_lsn(at, seq + 1), event.skip_lsn)?;
        rule(lsn > last_lsn && lsn >> 63 == 0, "lsn", "an account's entries stand in order")?;
        figures(balance, reserved, event)?;
        match event.change {
            _ if event.ends_hold() => {
                let held = held.ok_or(Fault::Rule { field: "hold", rule: "only an active hold ends (I4)" })?;
                self.judge_end(at, held, event)?;
            }
            _ => rule(held.is_none(), "tx", "an id has one effect (I5)")?,
        }
        if !matches!(event.change, Change::Expire { .. }) {
            let is_due = account.is_some_and(|a| a.next_deadline_ms <= event.time_ms);
            rule(!is_due, "time", "due holds expire before anything else happens (R3)")?;
        }
        self.judge_start(at, event)
    }

    /// The rules of entries that end a hold.
    fn judge_end(&self, at: Located, slot: HoldSlot, event: &Event<'_>) -> Result<(), Fault> {
        let (hold, lead) = (self.holds.get(slot), self.holds.lead(slot));
        same("amount of the hold", hold.amount, event.amount)?;
        rule(event.is_of_claim() != lead.is_empty(), "lead", "claims end by their lead, other holds do not")?;
        match event.change {
            Change::Claimed { opened_lsn, lead: of, .. } | Change::Refused { opened_lsn, lead: of, .. } => {
                rule(lead == of, "lead", "a claim ends by the lead that it is for")?;
                same("opened_lsn", hold.opened_lsn, opened_lsn)
            }
            Change::Capture { captured, opened_lsn, .. } => {
                rule((1..=event.amount).contains(&captured), "captured", "amount = captured + returned (I4)")?;
                same("opened_lsn", hold.opened_lsn, opened_lsn)
            }
            Change::Release { opened_lsn, .. } => same("opened_lsn", hold.opened_lsn, opened_lsn),
            Change::Expire { opened_lsn } => {
                same("opened_lsn", hold.opened_lsn, opened_lsn)?;
                same("time of the expiry (I7)", hold.expires_at_ms(), event.time_ms)?;
                let first = self.holds.of(self.hold_list(at)).next().map(|(slot, _)| slot);
                rule(first == Some(slot), "hold", "holds expire by deadline, then age (R4)")
            }
            _ => Ok(()),
        }
    }

    /// The rules of entries that decide an id for the first time.
    fn judge_start(&self, at: Located, event: &Event<'_>) -> Result<(), Fault> {
        let has_amount = event.amount > 0;
        match event.change {
            Change::Grant | Change::Debit => rule(has_amount, "amount", "amounts are at least 1"),
            Change::Reserve { expires_at_ms, lead } => {
                rule(lead.is_empty() || expires_at_ms == NEVER_MS, "expires", "a claim has no deadline")?;
                let holds = has_amount || !lead.is_empty();
                rule(holds && expires_at_ms > event.time_ms, "hold", "a hold holds something for a while")
            }
            Change::Void => rule(!has_amount, "amount", "a burned id moves nothing"),
            Change::Decline { op, code, .. } => {
                let available = event.balance - event.reserved;
                let holds = u64::from(self.hold_list(at).len);
                let is_true = match (op, code) {
                    (DeclinedOp::Debit | DeclinedOp::Reserve | DeclinedOp::Claim, DeclineCode::Insufficient) => {
                        event.amount > available
                    }
                    (DeclinedOp::Grant | DeclinedOp::Refund, DeclineCode::Overflow) => {
                        event.amount > CREDITS_MAX - event.balance
                    }
                    (DeclinedOp::Reserve | DeclinedOp::Claim, DeclineCode::Limit { holds: then }) => then == holds,
                    _ => false,
                };
                rule(
                    (has_amount || op == DeclinedOp::Claim) && is_true,
                    "decline",
                    "a decline has its reason in the account's state",
                )
            }
            Change::Refund { of, opened_lsn, refunded_total, .. } => {
                refund(event)?;
                match self.index.lookup(self.key(event.account, of)) {
                    // The first REFUND finds what it refunds, a later one the REFUND before it. Forgotten: on trust.
                    Prior::Recorded(newest) => {
                        let is_first = refunded_total == event.amount;
                        let adds_up = newest >= opened_lsn && is_first == (newest == opened_lsn);
                        rule(adds_up, "refund", "refunds add up (I10)")
                    }
                    Prior::Active(_) => Err(Fault::Rule { field: "refund", rule: "a hold that holds took nothing" }),
                    Prior::Unknown => Ok(()),
                }
            }
            Change::Capture { .. } | Change::Release { .. } | Change::Expire { .. } => Ok(()),
            Change::Claimed { .. } | Change::Refused { .. } => Ok(()),
        }
    }
}
