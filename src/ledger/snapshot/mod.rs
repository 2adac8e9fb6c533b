//! Snapshots of a ledger, as far as the rules know them: what is copied while commands go on, and how it is read back.
//!
//! ```text
//!   log   ----B----------------------------------E-------> end        B begin, E end of the copy
//!   copy      sizes, tables .., accounts .., leads .., claims .., footer     a step between two turns of commands
//!   start     items of the copy, then every record from B on
//! ```
//! The copy is fuzzy: each item is as it was when its step came. It is right all the same, because replay makes good
//! what happened between:
//! - An account with its holds is copied whole, so it is the state after exactly the records up to its `last_lsn`.
//!   Those at or below it are in the copy, later ones are applied and judged as ever.
//! - A lead is copied as an account is; its claims, which never change, later (leads.rs).
//! - An id is copied only with a value below B. It had that value all the time since B, or a record from B on sets
//!   another, and that record comes again. A hold comes with its account and overrides what the index said.
//! - Tables of the index are copied whole, one a step: entries move within a table, or to a new one behind all others.
//! - Sums, floor and block times are those of E; records below E add nothing to them.
//!
//! docs/snapshot-format.md has every byte of the items, and the container around them, which is the journal's.
//! Absent on purpose: files, checksums, what begins a copy and when; derived state (timers, deadlines, counts).

mod copy;
mod form;
mod leads;
mod restore;

pub use copy::{Copied, Copying};
pub use restore::Restore;

/// What a part of a snapshot holds. Parts come in this order; sizes and footer are one part each, the others any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// For how many ids to make room: loaded into an index that grows, ids in the order of its hashes crowd each other.
    Sizes = 0,
    /// What ids answer that are no active holds.
    Transactions = 1,
    /// Accounts with their holds.
    Accounts = 2,
    /// Leads, without their claims.
    Leads = 4,
    /// Claims.
    Claims = 5,
    /// How many of all there are, sums, and what is forgotten.
    Footer = 3,
}

/// In the order in which they come.
const SECTIONS: [Section; 6] =
    [Section::Sizes, Section::Transactions, Section::Accounts, Section::Leads, Section::Claims, Section::Footer];

impl Section {
    /// The section of a number in a file.
    pub fn of(number: u8) -> Option<Self> {
        SECTIONS.into_iter().find(|section| *section as u8 == number)
    }

    /// Whether it may come behind `last`, `None`: as the first.
    fn is_next(self, last: Option<Self>) -> bool {
        let place = |section| SECTIONS.iter().position(|other| *other == section);
        match last {
            None => self == Self::Sizes,
            Some(Self::Footer) => false,
            Some(last) => self != Self::Sizes && place(self) >= place(last),
        }
    }
}

/// Why a part of a snapshot is none. Whatever was taken before it, the [`Restore`] is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// A section that this version does not know, or that comes too late.
    #[error("section {found} is unknown or out of order")]
    Section {
        /// Its number.
        found: u8,
    },
    /// Items end before or after the part does.
    #[error("section {section} has a part that its items do not fill")]
    Length {
        /// Its number.
        section: u8,
    },
    /// An item that no ledger can have.
    #[error("section {section} item {item} violates: {rule}")]
    Item {
        /// The section's number.
        section: u8,
        /// The item's, from 0.
        item: u64,
        /// What does not hold.
        rule: &'static str,
    },
    /// Items are missing, or too many.
    #[error("{found} {what} in the snapshot, its footer says {expected}")]
    Count {
        /// Of what.
        what: &'static str,
        /// As the footer says.
        expected: u64,
        /// As there are.
        found: u64,
    },
}
