//! The proof of a log's snapshots: each is whole, and each is what the log says.
//!
//! ```text
//!  log     0 ------------ B1 ---- E1 ------------ B2 ---- E2 ----▶
//!  S1 =                   load ─▶ replay                             digest at E1, and so for S2 at E2
//!          replay ───────────────▶                                   the same, if the log is whole
//!  S2 =                   load S1, replay ───────────────▶           the same
//! ```
//!
//! One ledger at a time. What is read here again is taken from blocks whose proof is somebody else's: where the log has
//! faults nothing is compared. Absent on purpose: judging the log itself (verify), limits of the server.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::journal::snapshot::SnapshotError;
use crate::journal::storage::{SnapshotFile, snapshot_name};
use crate::journal::{BlockSeen, Head, JournalError, RestingLog, Sight, SnapshotEnd, SnapshotReader};
use crate::ledger::codec;
use crate::ledger::id::Lsn;
use crate::ledger::snapshot::Restore;
use crate::ledger::{Ledger, Limits, Seeds};

use super::report::Finding;
use super::verify::Progress;

/// A server has limits; what it did within them is to be told here, whatever they were.
const NO_LIMITS: Limits = Limits {
    leads_max: u32::MAX,
    lead_slots_max: u64::MAX,
    holds_per_account_max: u32::MAX,
    accounts_max: u32::MAX,
    tx_index_bytes_max: u64::MAX,
    tx_retention_ms: u64::MAX,
};

/// Proves all snapshots of a log that ends at `end`. Without `index_key`, the hash keys of the manifest, only that they
/// are whole. Gives findings, and what is worth knowing besides.
pub(super) fn prove(
    log: &RestingLog,
    end: Lsn,
    index_key: Option<[u64; 2]>,
    progress: Progress<'_>,
) -> (Vec<Finding>, Vec<String>) {
    let seeds = index_key.map(|index_key| Seeds { index_key, map_seed: index_key[0] });
    let (mut findings, mut notes) = (Vec::new(), Vec::new());
    let mut before = None;
    for file in log.snapshots() {
        let name = snapshot_name(file.end);
        if file.end > end {
            let what =
                format!("snapshot {name} was made when the log reached lsn {}, the log ends at lsn {end}", file.end);
            findings.push(Finding::new("lost", what));
            continue;
        }
        let proof = Proof { log, file, before, progress };
        match proof.run(seeds) {
            // A server made newer ones meanwhile.
            Err((GONE, _)) => continue,
            Ok(note) => notes.extend(note.map(|note| format!("snapshot {name} {note}"))),
            Err((kind, what)) => findings.push(Finding::new(kind, format!("snapshot {name}: {what}"))),
        }
        before = Some(file);
    }
    let shard = Some(log.id().shard);
    (findings.into_iter().map(|finding| Finding { shard, ..finding }).collect(), notes)
}

/// Kind and content of a finding.
pub(super) type Fault = (&'static str, String);

/// Kind of the fault that is none.
const GONE: &str = "";

/// The proof of one snapshot.
struct Proof<'a> {
    log: &'a RestingLog,
    file: &'a SnapshotFile,
    /// The snapshot before it.
    before: Option<&'a SnapshotFile>,
    progress: Progress<'a>,
}

impl Proof<'_> {
    /// A note if all is right but not all could be compared.
    fn run(&self, seeds: Option<Seeds>) -> Result<Option<String>, Fault> {
        let Some(seeds) = seeds else {
            self.load(self.file, None)?;
            return Ok(None);
        };
        let mut restore = Restore::new(NO_LIMITS, seeds);
        let begin = self.load(self.file, Some(&mut restore))?;
        let Some(loaded) = self.replay(restore, begin)? else {
            return Ok(Some("is not compared: the log behind it has faults".to_owned()));
        };
        let (floor, digest) = (loaded.floor(), loaded.digest());
        drop(loaded);
        let mut restore = Restore::new(NO_LIMITS, seeds);
        let begin = match self.before {
            Some(before) => match self.load(before, Some(&mut restore)) {
                Ok(begin) => begin,
                Err(_) => return Ok(Some("is not compared: the one before it is bad".to_owned())),
            },
            None if self.log.first_lsn() == 0 => (0, [0; 16]),
            None => return Ok(Some("is not compared: the log before it is not here".to_owned())),
        };
        let Some(mut told) = self.replay(restore, begin)? else {
            return Ok(Some("is not compared: the log before it has faults".to_owned()));
        };
        told.forget_below(floor);
        if told.digest() != digest {
            return Err(("state", "its state is not the one that the log before it tells".to_owned()));
        }
        Ok(None)
    }

    /// Reads a snapshot, into `restore`. Gives where the log goes on.
    fn load(&self, file: &SnapshotFile, restore: Option<&mut Restore>) -> Result<Head, Fault> {
        read(self.log, file, restore).map(|(begin, _)| begin)
    }

    /// The state at the end of the snapshot, from a state at `begin` or a copy begun there. `None` if the log has faults.
    fn replay(&self, mut restore: Restore, begin: Head) -> Result<Option<Ledger>, Fault> {
        let (mut next, mut fault, mut is_whole) = (Some(begin), None, true);
        self.log.between(begin.0, self.file.end).survey(&[], &mut |sight| match sight {
            Sight::Block(block) if block.header.first_lsn >= begin.0 && fault.is_none() => {
                if next.take().is_some_and(|begin| begin != (block.header.first_lsn, block.header.prev_chain)) {
                    fault = Some(("altered", format!("it begins at lsn {}, where the log has another chain", begin.0)));
                    return;
                }
                fault = self.feed(&mut restore, &block).err();
            }
            Sight::Block(_) | Sight::Segment(_) => {}
            Sight::Fault(_) => is_whole = false,
            Sight::Passed(bytes) => (self.progress)(bytes),
        });
        match fault {
            _ if !is_whole => Ok(None),
            Some(fault) => Err(fault),
            None => restore.into_ledger().map(Some).map_err(|violation| ("state", violation.to_string())),
        }
    }

    fn feed(&self, restore: &mut Restore, block: &BlockSeen<'_>) -> Result<(), Fault> {
        if block.header.first_lsn >= self.file.end {
            return Ok(());
        }
        let (lsn, now_ms) = (block.header.first_lsn, block.header.now_ms);
        restore.block(lsn, now_ms, block.body()).map_err(|violation| ("state", format!("lsn {lsn}: {violation}")))?;
        for (lsn, record) in block.records().take_while(|(lsn, _)| *lsn < self.file.end) {
            let record = codec::decode_any(record).map_err(|error| ("state", format!("lsn {lsn}: {error}")))?;
            restore.record(&record, lsn).map_err(|violation| ("state", format!("lsn {lsn}: {violation}")))?;
        }
        Ok(())
    }
}

/// Reads a snapshot to its end, into `restore`. Gives where it begins, and what it ends with.
pub(super) fn read(
    log: &RestingLog,
    file: &SnapshotFile,
    mut restore: Option<&mut Restore>,
) -> Result<(Head, SnapshotEnd), Fault> {
    let path = log.dir().join(snapshot_name(file.end));
    let bad = |what: String| ("snapshot", what);
    let source = File::open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => (GONE, String::new()),
        _ => bad(error.to_string()),
    })?;
    let told = |error| match error {
        SnapshotError::Bad { .. } => bad(error.to_string()),
        SnapshotError::Refused(JournalError::Format { .. }) => ("format", error.to_string()),
        SnapshotError::Refused(_) => ("foreign", error.to_string()),
    };
    let read = |offset, buf: &mut [u8]| {
        source.read_exact_at(buf, offset).map_err(|error| JournalError::io("read", &path, error))
    };
    let mut reader = SnapshotReader::open(*file, log.id(), read).map_err(told)?;
    while let Some(frame) = reader.frame().map_err(told)? {
        if let Some(restore) = &mut restore {
            restore.part(frame.section, frame.count, frame.bytes).map_err(|error| bad(error.to_string()))?;
        }
    }
    let begin = reader.head().begin;
    Ok(((begin.lsn, begin.chain), reader.end().expect("the last frame is the footer")))
}
