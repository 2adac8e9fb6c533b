//! From the log to a ledger: what a shard does before it lives.

use crate::journal::Entry;
use crate::ledger::{Ledger, Limits, Seeds, codec};

/// Rebuilds a ledger from what recovery reads, entry by entry.
pub struct Rebuild {
    ledger: Ledger,
    /// Time of the block that is being read.
    block_ms: Option<u64>,
}

impl Rebuild {
    /// Starts from nothing.
    pub fn new(limits: Limits, seeds: Seeds) -> Self {
        Self { ledger: Ledger::new(limits, seeds), block_ms: None }
    }

    /// Takes the next entry of the log.
    ///
    /// # Errors
    /// In words, if the entry contradicts the state that the entries before it made (case 13 of journal.md 6).
    pub fn take(&mut self, entry: Entry<'_>) -> Result<(), String> {
        match entry {
            Entry::Fresh | Entry::Part { .. } => Err("snapshots cannot be read yet".to_owned()),
            Entry::Block { lsn, now_ms, .. } => {
                if let Some(before_ms) = self.block_ms.replace(now_ms) {
                    self.ledger.mark_block(lsn, before_ms);
                }
                Ok(())
            }
            Entry::Record { lsn, bytes } => {
                let event = codec::decode(bytes).map_err(|e| e.to_string())?;
                self.ledger.replay(&event, lsn).map_err(|e| e.to_string())
            }
        }
    }

    /// The state after the last entry.
    pub fn into_ledger(self) -> Ledger {
        self.ledger
    }
}
