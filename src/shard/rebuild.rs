//! From a snapshot and the log to a ledger: what a shard does before it lives.

use crate::journal::Entry;
use crate::ledger::snapshot::Restore;
use crate::ledger::{Ledger, Limits, Seeds, codec};

/// Rebuilds a ledger from what recovery reads, entry by entry.
pub struct Rebuild {
    limits: Limits,
    seeds: Seeds,
    restore: Restore,
    /// At the end.
    ledger: Option<Ledger>,
}

impl Rebuild {
    /// Starts from nothing.
    pub fn new(limits: Limits, seeds: Seeds) -> Self {
        Self { limits, seeds, restore: Restore::new(limits, seeds), ledger: None }
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// In words, if a part of a snapshot is none, or if a record contradicts the state that the entries before it made
    /// or if accounts do not add up in the end (cases 8 and 13 of journal.md 6).
    pub fn take(&mut self, entry: Entry<'_>) -> Result<(), String> {
        match entry {
            Entry::Fresh => self.restore = Restore::new(self.limits, self.seeds),
            Entry::Part { section, count, bytes } => {
                self.restore.part(section, count, bytes).map_err(|e| e.to_string())?;
            }
            Entry::Block { lsn, now_ms, records } => {
                self.restore.block(lsn, now_ms, records).map_err(|e| e.to_string())?;
            }
            Entry::Record { lsn, bytes } => {
                let record = codec::decode_any(bytes).map_err(|e| e.to_string())?;
                self.restore.record(&record, lsn).map_err(|e| e.to_string())?;
            }
            Entry::End { lsn, now_ms } => {
                let restore = std::mem::replace(&mut self.restore, Restore::new(self.limits, self.seeds));
                self.ledger = Some(restore.end(lsn, now_ms).map_err(|e| e.to_string())?);
            }
        }
        Ok(())
    }

    /// The state at the end of the log.
    ///
    /// # Panics
    /// If [`Entry::End`] was not taken.
    pub fn into_ledger(self) -> Ledger {
        self.ledger.expect("recovery came to the end of the log")
    }
}
