//! The super: what a shard's log is known to hold even if its newest blocks cannot be read.
//!
//! Two files, written in turn, so that a torn write leaves the other. The newer valid one counts. A super never says
//! more than what was synced before it was written, so it proves that everything below its `durable_lsn` was durable.

use serde::{Deserialize, Serialize};

use super::block::PAGE;
use super::cold::{self, ColdFault};
use super::error::{Case, JournalError, Refusal};
use super::storage::{Page, Storage};
use super::{Chain, LogId, Lsn};

pub(super) const MAGIC: u32 = 0x5053_7263; // "crSP"
pub(super) const FORMAT: u16 = 1;

/// The content of a super.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Super {
    /// Counts the writes; its lowest bit says which file.
    pub no: u64,
    pub instance: [u8; 16],
    pub shard: u16,
    /// Of the newest segment; 0 before the first start.
    pub epoch: u64,
    /// Position of the first segment that is needed.
    pub oldest_lsn: Lsn,
    /// All below it is on disk.
    pub durable_lsn: Lsn,
    /// Chain at `durable_lsn`.
    pub chain: Chain,
}

impl Super {
    /// The super of a log that was never started.
    fn genesis(id: LogId) -> Self {
        let (instance, shard) = (id.instance, id.shard);
        Self { no: 0, instance, shard, epoch: 0, oldest_lsn: 0, durable_lsn: 0, chain: [0; 16] }
    }

    fn to_page(&self) -> Box<Page> {
        cold::to_page(MAGIC, FORMAT, self)
    }

    /// Writes this super to the file whose turn it is.
    pub fn write<S: Storage>(&self, storage: &mut S) -> Result<(), JournalError> {
        let which = if planted!("one super is overwritten") { 0 } else { self.no % 2 };
        storage.write_super(which as usize, &self.to_page())
    }
}

/// Gives a new shard directory its supers. Until they are there, recovery refuses the directory: a lost one must not
/// pass for a new one.
///
/// # Errors
/// Those of [`Storage`].
pub fn initialise<S: Storage>(storage: &mut S, id: LogId) -> Result<(), JournalError> {
    let genesis = Super::genesis(id);
    genesis.write(storage)?;
    Super { no: 1, ..genesis }.write(storage)?;
    storage.sync_dir()
}

/// The newer valid super (cases 9, 11, 12).
pub(super) fn newest<S: Storage>(storage: &mut S, id: LogId) -> Result<Super, JournalError> {
    newest_of([storage.read_super(0)?, storage.read_super(1)?], id)
}

/// The newer valid super of these pages.
pub(super) fn newest_of(pages: [Option<Box<Page>>; 2], id: LogId) -> Result<Super, JournalError> {
    let mut newest: Option<Super> = None;
    for (which, page) in pages.into_iter().enumerate() {
        let Some(page) = page else { continue };
        match cold::from_page::<Super>(MAGIC, FORMAT, &page) {
            Ok(found) if newest.as_ref().is_none_or(|best| best.no < found.no) => newest = Some(found),
            Ok(_) | Err(ColdFault::Damaged) => {}
            Err(ColdFault::Format(found)) => {
                let what = format!("shard {} super.{which}", id.shard);
                return Err(JournalError::Format { what, found, known: FORMAT });
            }
        }
    }
    let refuse = |case, detail: &str| {
        let detail = detail.to_owned();
        Box::new(Refusal { case, shard: Some(id.shard), segment: None, offset: 0, lost: None, detail })
    };
    let Some(newest) = newest else {
        return Err(refuse(Case::Supers, "neither super.0 nor super.1 holds a valid page").into());
    };
    if newest.instance != id.instance || newest.shard != id.shard {
        return Err(refuse(Case::Foreign, "the super names another instance or shard").into());
    }
    Ok(newest)
}

const _: () = assert!(PAGE == 4096, "a super is one page");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn super_bytes_are_the_ones_promised() {
        let page = Super {
            no: 5,
            instance: *b"0123456789abcdef",
            shard: 3,
            epoch: 2,
            oldest_lsn: 0x1000,
            durable_lsn: 0x5000,
            chain: *b"fedcba9876543210",
        }
        .to_page();
        let hex: String = page[..82].iter().map(|b| format!("{b:02x}")).collect();
        let golden = "63725350\
            3a553358\
            010000004200000005000000000000003031323334353637383961626364656603000200000000000000\
            0010000000000000005000000000000066656463626139383736353433323130";
        assert_eq!(hex, golden);
        assert!(page[82..].iter().all(|byte| *byte == 0));
    }
}
