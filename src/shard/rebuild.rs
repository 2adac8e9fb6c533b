//! From a snapshot and the log to a ledger: what a shard does before it lives.

use crate::journal::Entry;
use crate::ledger::snapshot::Restore;
use crate::ledger::{Ledger, Limits, Seeds, codec};

/// Rebuilds a ledger from what recovery reads, entry by entry.
pub struct Rebuild {
    limits: Limits,
    seeds: Seeds,
    restore: Restore,
}

impl Rebuild {
    /// Starts from nothing.
    pub fn new(limits: Limits, seeds: Seeds) -> Self {
        Self { limits, seeds, restore: Restore::new(limits, seeds) }
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// In words, if a part of a snapshot is none, or if a record contradicts the state that the entries before it made
    /// (cases 8 and 13 of journal.md 6).
    pub fn take(&mut self, entry: Entry<'_>) -> Result<(), String> {
        match entry {
            Entry::Fresh => self.restore = Restore::new(self.limits, self.seeds),
            Entry::Part { section, count, bytes } => {
                self.restore.part(section, count, bytes).map_err(|e| e.to_string())?;
            }
            Entry::Block { lsn, now_ms, records } => self.restore.block(lsn, now_ms, records),
            Entry::Record { lsn, bytes } => {
                let record = codec::decode_any(bytes).map_err(|e| e.to_string())?;
                self.restore.record(&record, lsn).map_err(|e| e.to_string())?;
            }
        }
        Ok(())
    }

    /// The state after the last entry.
    ///
    /// # Errors
    /// In words, if its accounts do not add up (case 13 of journal.md 6).
    pub fn into_ledger(self) -> Result<Ledger, String> {
        self.restore.into_ledger().map_err(|e| e.to_string())
    }
}
