//! What a command answers: numbers, not bytes. Encoding is the language's business.

use super::codec;
use super::event::{EntryId, Event};
use super::lead::{ClaimView, LeadView, Step};
use super::rejection::{Rejection, Verb};

/// The answer to one [`Command`](super::command::Command).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A write that happened, now or (a replay) before.
    Written(Receipt),
    /// The figures of CREDIT.BALANCE.
    Balance(Figures),
    /// The figures and holds of CREDIT.HOLDS.
    Holds(Box<HoldsView>),
    /// What CREDIT.TX knows of an id; `None`: it is unknown.
    Tx(Option<Box<TxView>>),
    /// The entries of CREDIT.HISTORY, in the order of the reply.
    History(Entries),
    /// CREDIT.AUDIT of an account whose trail and figures agree.
    Audit(AuditView),
    /// A lead; `None`: it is unknown.
    Lead(Option<Box<LeadView>>),
    /// Claims of a lead, by slot.
    Claims(Vec<ClaimView>),
    /// What a lead says to a claim that runs. For the shard of its account, never for a client.
    Step(Box<Step>),
    /// How many events a shard's feed has had.
    EventCount(u64),
    /// A "no".
    Rejected(Rejection),
}

/// The write reply of commands.md C.1: the figures of the entry that decided the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What became of the id.
    pub status: Status,
    /// Balance after the deciding entry.
    pub balance: u64,
    /// Balance - reserved after the deciding entry.
    pub available: u64,
    /// The deciding entry.
    pub seq: u64,
    /// Fields of some verbs only.
    pub detail: Detail,
    /// Whether the deciding entry was there before this command.
    pub replayed: bool,
}

/// Reply fields that only some verbs have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// None.
    None,
    /// RESERVE: the deadline, unix milliseconds.
    Expires(u64),
    /// CAPTURE.
    Captured {
        /// Taken.
        captured: u64,
        /// Returned to the account.
        returned: u64,
    },
    /// REFUND: what is left to refund.
    Refundable(u64),
    /// LEAD.CLAIM.
    Claim {
        /// The slot, from 1.
        claim: u32,
        /// Slots that the lead had left after it.
        remaining: u32,
    },
}

/// The word after `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// GRANT
    Granted,
    /// DEBIT
    Debited,
    /// RESERVE, still held
    Active,
    /// CAPTURE, or a replayed RESERVE that was captured since
    Captured,
    /// RELEASE
    Released,
    /// RELEASE of a hold that had expired
    Expired,
    /// RELEASE of an id that held nothing
    Void,
    /// REFUND
    Refunded,
    /// LEAD.CLAIM
    Claimed,
}

/// Everything that is known of one transaction id (CREDIT.TX). Fields that do not apply are `None` or empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxView {
    /// The verb that used the id first.
    pub op: Verb,
    /// What became of it.
    pub state: TxState,
    /// Asked for by the first use: granted, debited, held, refunded; 0 for a burned id.
    pub amount: u64,
    /// What a capture took.
    pub captured: Option<u64>,
    /// Sum of refunds of a debit or capture that has any.
    pub refunded: Option<u64>,
    /// The entry of the first use.
    pub first: EntryId,
    /// The entry that ended a reservation.
    pub last: Option<EntryId>,
    /// Deadline of a reservation, unix milliseconds.
    pub expires_at_ms: Option<u64>,
    /// The lead of a claim.
    pub lead: Box<[u8]>,
    /// What a refund refunds.
    pub of: Box<[u8]>,
    /// Why it was declined, or its claim refused: the code of the error.
    pub code: Option<&'static str>,
    /// The first use's REASON.
    pub reason: Box<[u8]>,
    /// The first use's META.
    pub meta: Box<[u8]>,
}

/// The word after `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxState {
    /// A grant
    Granted,
    /// A debit, refunded or not
    Debited,
    /// A hold that holds
    Active,
    /// A hold that was captured, refunded or not
    Captured,
    /// A hold that was released
    Released,
    /// A hold that ran out
    Expired,
    /// A command that was declined
    Declined,
    /// A burned id
    Void,
    /// A refund
    Refunded,
    /// A claim that runs
    Pending,
}

/// CREDIT.AUDIT: what the trail gives, and the account's figures are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditView {
    /// Entries that were read.
    pub entries: u64,
    /// Balance after the last.
    pub balance: u64,
    /// Reserved after the last.
    pub reserved: u64,
    /// The first entry that is kept, if the trail was cut before it.
    pub starts: Option<EntryId>,
}

/// Entries of a trail, as their records: one buffer, whatever they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    records: Vec<u8>,
    len: usize,
}

impl Entries {
    /// Adds the entry of a whole record ([`codec::encode`]'s bytes).
    pub fn push(&mut self, record: &[u8]) {
        assert!(codec::decode(record).is_ok(), "an entry is a whole record");
        self.records.extend_from_slice(record);
        self.len += 1;
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = Event<'_>> {
        codec::records(&self.records).map(|record| codec::decode(record).expect("checked when it was pushed"))
    }
}

/// An account's figures at one moment. Zeros for an unknown account (commands.md C.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// All credits, held ones included.
    pub balance: u64,
    /// Held by active reservations.
    pub reserved: u64,
    /// The account's newest entry.
    pub seq: u64,
    /// Shard time of the read, unix milliseconds.
    pub time_ms: u64,
}

/// CREDIT.HOLDS: one consistent snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldsView {
    /// The account's figures.
    pub figures: Figures,
    /// By deadline, then by age.
    pub holds: Vec<HoldView>,
}

/// One active reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldView {
    /// The reservation's transaction id.
    pub tx: Box<[u8]>,
    /// Credits held.
    pub amount: u64,
    /// Unix milliseconds.
    pub created_at_ms: u64,
    /// Unix milliseconds; `None`: it belongs to a claim.
    pub expires_at_ms: Option<u64>,
    /// The lead of a claim; empty otherwise.
    pub lead: Box<[u8]>,
}
