//! Leads: what is claimed. Each has its own single writer, the shard that its name hashes to.
//!
//! ```text
//!   LEAD.OPEN ──▶ open ──┬─ the last slot is taken ─▶ full       one-way: what is not open stays as it is
//!                        ├─ LEAD.CLOSE ─────────────▶ closed
//!                        └─ its deadline ───────────▶ expired
//! ```
//! As the accounts' half of the ledger: [`Leads::settle`], [`Leads::decide`] and
//! [`Ledger::apply_lead`](super::Ledger::apply_lead) are driven by a shard, which writes every event to its log before
//! it applies it. Pure.
//!
//! Invariants: I8 of commands.md C.8: claims <= max, one per account, full exactly when claims = max.
//! Absent on purpose: money (the account's shard holds and takes it), a way to give a slot back.

mod event;
mod table;
mod view;

mod apply;
mod check;
pub mod codec;
mod rules;

#[cfg(test)]
mod tests;

pub use event::{LeadChange, LeadEvent, Refusal};
pub use rules::LeadDecision;
pub(crate) use table::{Claim, Lead};
pub use table::{LeadAt, Leads};
pub use view::{ClaimView, Ended, LeadState, LeadView, OwnedRefusal, Step};

/// Most slots of a lead.
pub const MAX_CLAIMS: u32 = 10_000;

/// Claims of an ended lead that other shards may keep; they ask again about larger ones (commands.md C.6, 8).
pub const ENDED_CLAIMS_MAX: u16 = 64;
