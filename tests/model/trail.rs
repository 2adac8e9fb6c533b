//! The trail of an account, as a list; and what is asked about it, by looking through the list.

use super::Account;
use super::ledger::command::{Command, HistoryQuery};
use super::ledger::event::{Change, DeclineCode, DeclinedOp, EntryId, EntryType, Event, NEVER_MS};
use super::ledger::lead::OwnedRefusal;
use super::ledger::outcome::{AuditView, Figures, TxState, TxView};
use super::ledger::rejection::Verb;

/// One entry, with all that CREDIT.HISTORY can show of it. Where it stands in the log is not the model's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub entry_type: EntryType,
    pub tx: Vec<u8>,
    pub time: u64,
    pub seq: u64,
    /// Of CAPTURE: the whole hold.
    pub amount: u64,
    pub delta: i64,
    pub rdelta: i64,
    pub balance: u64,
    pub reserved: u64,
    pub expires: Option<u64>,
    pub captured: Option<u64>,
    /// Of REFUND and its decline.
    pub of: Vec<u8>,
    /// Of REFUND: refunded of it so far, and what is left.
    pub refund: Option<(u64, u64)>,
    pub declined: Option<(Verb, DeclineCode)>,
    /// Of the entries of a claim.
    pub lead: Vec<u8>,
    /// Of the end of a claim: the slot and how many are left after it, or why there is none.
    pub claim: Option<(u32, u32)>,
    pub refusal: Option<OwnedRefusal>,
    pub reason: Vec<u8>,
    pub meta: Vec<u8>,
}

impl Entry {
    /// What an event says, without its links.
    pub fn of(event: &Event<'_>) -> Self {
        let mut entry = Self {
            entry_type: event.entry_type(),
            tx: event.tx.to_vec(),
            time: event.time_ms,
            seq: event.seq,
            amount: event.amount,
            delta: event.delta(),
            rdelta: event.rdelta(),
            balance: event.balance,
            reserved: event.reserved,
            expires: None,
            captured: None,
            of: Vec::new(),
            refund: None,
            declined: None,
            lead: Vec::new(),
            claim: None,
            refusal: None,
            reason: event.reason.to_vec(),
            meta: event.meta.to_vec(),
        };
        entry.lead = event.lead().to_vec();
        match event.change {
            Change::Reserve { expires_at_ms, .. } => {
                entry.expires = Some(expires_at_ms).filter(|at| *at != NEVER_MS);
            }
            Change::Claimed { claim, remaining, .. } => {
                (entry.captured, entry.claim) = (Some(event.amount), Some((claim, remaining)));
            }
            Change::Refused { refusal, .. } => entry.refusal = Some(OwnedRefusal::new(refusal)),
            Change::Capture { captured, .. } => entry.captured = Some(captured),
            Change::Refund { of, refunded_total, refundable, .. } => {
                (entry.of, entry.refund) = (of.to_vec(), Some((refunded_total, refundable)));
            }
            Change::Decline { op, code, of, .. } => {
                let verb = match op {
                    DeclinedOp::Grant => Verb::Grant,
                    DeclinedOp::Debit => Verb::Debit,
                    DeclinedOp::Reserve => Verb::Reserve,
                    DeclinedOp::Refund => Verb::Refund,
                    DeclinedOp::Claim => Verb::Claim,
                };
                (entry.of, entry.declined) = (of.to_vec(), Some((verb, code)));
            }
            _ => {}
        }
        entry
    }

    fn id(&self) -> EntryId {
        EntryId { time_ms: self.time, seq: self.seq }
    }

    /// What a debit or a capture took.
    fn took(&self) -> Option<u64> {
        match self.entry_type {
            EntryType::Debit => Some(self.amount),
            EntryType::Capture => self.captured,
            _ => None,
        }
    }
}

impl Account {
    /// Adds an entry about the account as it is now.
    pub(super) fn enter(&mut self, entry_type: EntryType, command: &Command<'_>, amount: u64, time: u64) -> &mut Entry {
        self.seq += 1;
        let (balance, reserved) = (self.balance, self.reserved());
        let before = self.entries.last().map_or((0, 0), |entry| (entry.balance, entry.reserved));
        self.entries.push(Entry {
            entry_type,
            tx: command.tx.to_vec(),
            time,
            seq: self.seq,
            amount,
            delta: balance as i64 - before.0 as i64,
            rdelta: reserved as i64 - before.1 as i64,
            balance,
            reserved,
            expires: None,
            captured: None,
            of: Vec::new(),
            refund: None,
            declined: None,
            lead: Vec::new(),
            claim: None,
            refusal: None,
            reason: command.reason.to_vec(),
            meta: command.meta.to_vec(),
        });
        self.entries.last_mut().unwrap()
    }

    /// CREDIT.HISTORY.
    pub fn history(&self, query: &HistoryQuery) -> Vec<Entry> {
        let is_wanted =
            |entry: &&Entry| query.start <= entry.id() && entry.id() <= query.end && query.types.has(entry.entry_type);
        let mut entries: Vec<_> = self.entries.iter().filter(is_wanted).cloned().collect();
        if query.newest_first {
            entries.reverse();
        }
        entries.truncate(usize::from(query.count));
        entries
    }

    /// CREDIT.BALANCE AT.
    pub fn figures_at(&self, at: u64) -> Figures {
        let last = self.entries.iter().rfind(|entry| entry.time <= at);
        let figures = |entry: &Entry| (entry.balance, entry.reserved, entry.seq);
        let (balance, reserved, seq) = last.map_or((0, 0, 0), figures);
        Figures { balance, reserved, seq, time_ms: at }
    }

    /// CREDIT.AUDIT: what it says if all is well, and here all is.
    pub fn audit(&self) -> AuditView {
        let sum = |change: fn(&Entry) -> i64| self.entries.iter().map(change).sum::<i64>() as u64;
        let (balance, reserved) = (sum(|entry| entry.delta), sum(|entry| entry.rdelta));
        assert_eq!((balance, reserved), (self.balance, self.reserved()), "the model hangs together");
        AuditView { entries: self.entries.len() as u64, balance, reserved, starts: None }
    }

    /// CREDIT.TX: of the newest life of an id, if it was forgotten and used again.
    pub fn tx_view(&self, tx: &[u8]) -> Option<TxView> {
        let newest = self.newest(tx)?;
        let is_end = matches!(newest.entry_type, EntryType::Capture | EntryType::Release | EntryType::Expire);
        let is_reserve = |entry: &&Entry| entry.entry_type == EntryType::Reserve && entry.tx == tx;
        // Where the trail has lost its beginning the end is all there is.
        let first = self.entries.iter().rfind(is_reserve).filter(|_| is_end).unwrap_or(newest);
        let (op, state) = match newest.entry_type {
            EntryType::Grant => (Verb::Grant, TxState::Granted),
            EntryType::Debit => (Verb::Debit, TxState::Debited),
            EntryType::Reserve => (Verb::Reserve, TxState::Active),
            EntryType::Capture => (Verb::Reserve, TxState::Captured),
            EntryType::Release => (Verb::Reserve, TxState::Released),
            EntryType::Expire => (Verb::Reserve, TxState::Expired),
            EntryType::Refund => (Verb::Refund, TxState::Refunded),
            EntryType::Decline => (newest.declined?.0, TxState::Declined),
            EntryType::Void => (Verb::Release, TxState::Void),
        };
        let is_claim = !newest.lead.is_empty() && op == Verb::Reserve;
        let op = if is_claim { Verb::Claim } else { op };
        let state = if is_claim && state == TxState::Active { TxState::Pending } else { state };
        let refused = newest.refusal.as_ref().map(|refusal| refusal.get().word());
        Some(TxView {
            op,
            state,
            amount: first.amount,
            captured: newest.captured,
            refunded: Some(self.refunds(tx).iter().sum()).filter(|sum| *sum > 0),
            first: first.id(),
            last: is_end.then(|| newest.id()),
            expires_at_ms: first.expires,
            lead: first.lead.as_slice().into(),
            of: first.of.clone().into(),
            code: refused.or(first.declined.map(|(_, code)| code.word())),
            reason: first.reason.clone().into(),
            meta: first.meta.clone().into(),
        })
    }

    /// What is left to refund of an id. `None`: it took nothing.
    pub fn refundable(&self, of: &[u8]) -> Option<u64> {
        Some(self.newest(of)?.took()? - self.refunds(of).iter().sum::<u64>())
    }

    /// The amounts that were refunded of the newest life of an id.
    pub fn refunds(&self, of: &[u8]) -> Vec<u64> {
        let Some(newest) = self.newest(of) else { return Vec::new() };
        let is_refund = |entry: &&Entry| entry.entry_type == EntryType::Refund && entry.of == of;
        self.entries.iter().filter(is_refund).filter(|entry| entry.seq > newest.seq).map(|entry| entry.amount).collect()
    }

    fn newest(&self, tx: &[u8]) -> Option<&Entry> {
        self.entries.iter().rfind(|entry| entry.tx == tx)
    }
}
