//! What a replay starts from: the newest snapshot that is whole, or nothing (journal.md 6, cases 7, 8).
//!
//! ```text
//!  newest snapshot: page 0, frames to the sink, footer -> good: the log follows from its begin
//!                   damaged, or the sink says no       -> Fresh, the one before
//!                   none left                          -> the log from lsn 0, if that is here
//! ```
//!
//! Invariant: a snapshot gets its name only after both supers say that the log is durable up to its end. So a super that
//! does not is an older one, mixed in, and so is the log or the snapshot.

use super::Lsn;
use super::error::{Case, JournalError, Refusal};
use super::recovery::{BadSnapshot, Entry, RecoveryOptions, Sink};
use super::snapshot::{SnapshotEnd, SnapshotError, SnapshotHead, SnapshotReader};
use super::storage::{SegmentFile, SnapshotFile, Storage, snapshot_name};
use super::super_page::Super;

/// A snapshot that went to the sink.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loaded {
    pub file: SnapshotFile,
    pub head: SnapshotHead,
    pub end: SnapshotEnd,
}

/// What the log is replayed upon.
#[derive(Default)]
pub(super) struct Choice {
    pub loaded: Option<Loaded>,
    pub bad: Vec<BadSnapshot>,
}

impl Choice {
    /// Hands the newest snapshot that is whole to the sink.
    ///
    /// # Errors
    /// [`JournalError`] for a file that is whole, but not ours or not of this log; or if there is none and the log does
    /// not reach back to its start.
    pub fn make<S: Storage>(
        storage: &mut S,
        options: &RecoveryOptions,
        known: &Super,
        files: &[SegmentFile],
        sink: Sink<'_>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, JournalError> {
        let mut bad = Vec::new();
        for file in storage.snapshots()?.into_iter().rev() {
            match load(storage, options, known, files, file, sink, progress) {
                Ok(loaded) => return Ok(Self { loaded: Some(check_reached(loaded, known)?), bad }),
                Err(SnapshotError::Refused(error)) => return Err(error),
                Err(SnapshotError::Bad { offset, what }) => {
                    let (why, quarantine) = (format!("offset {offset}: {what}"), snapshot_name(file.end));
                    bad.push(BadSnapshot { end: file.end, why, quarantine });
                }
            }
        }
        let first = files.first().map_or(0, |file| file.name.base);
        if known.oldest_lsn > 0 && first > 0 {
            let tried = bad.iter().map(|bad| format!("; {bad}")).collect::<String>();
            let detail = format!("no snapshot is whole, and the log before lsn {first} is not here{tried}");
            let lost = Some(0..first);
            let refusal =
                Refusal { case: Case::Snapshots, shard: Some(known.shard), segment: None, offset: 0, lost, detail };
            return Err(Box::new(refusal).into());
        }
        if !bad.is_empty() {
            sink(Entry::Fresh).expect("nothing contradicts an empty state");
        }
        Ok(Self { loaded: None, bad })
    }

    /// Where the replay starts.
    pub fn begin(&self) -> Lsn {
        self.loaded.map_or(0, |loaded| loaded.head.begin.lsn)
    }
}

/// A snapshot whose end no super reaches is not of this log (case 7).
fn check_reached(loaded: Loaded, known: &Super) -> Result<Loaded, JournalError> {
    let (end, durable) = (loaded.end.end, known.durable_lsn);
    if end <= durable {
        return Ok(loaded);
    }
    let detail = format!(
        "snapshot {} was made when the log had reached lsn {end}, but the super knows it up to lsn {durable} only",
        snapshot_name(end)
    );
    let (case, shard, lost) = (Case::Lost, Some(known.shard), Some(durable..end));
    Err(Box::new(Refusal { case, shard, segment: None, offset: 0, lost, detail }).into())
}

/// Hands one snapshot to the sink.
fn load<S: Storage>(
    storage: &mut S,
    options: &RecoveryOptions,
    known: &Super,
    files: &[SegmentFile],
    file: SnapshotFile,
    sink: Sink<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Loaded, SnapshotError> {
    let bad = |offset, what| SnapshotError::Bad { offset, what };
    let read = |offset, buf: &mut [u8]| storage.read_snapshot(file.end, offset, buf);
    let mut reader = SnapshotReader::open(file, options.id, read)?;
    let head = *reader.head();
    if head.begin.lsn < known.oldest_lsn {
        let (begin, oldest) = (head.begin.lsn, known.oldest_lsn);
        return Err(bad(0, format!("it begins at lsn {begin}, the log is kept from lsn {oldest} on")));
    }
    let tail: u64 = files[start_of(files, head.begin.lsn)..].iter().map(|file| file.len).sum();
    sink(Entry::Fresh).map_err(|what| bad(0, what))?;
    while let Some(frame) = reader.frame()? {
        let part = Entry::Part { section: frame.section, count: frame.count, bytes: frame.bytes };
        sink(part).map_err(|what| bad(frame.offset, what))?;
        progress(frame.offset, file.len + tail);
    }
    let end = reader.end().expect("the footer was read");
    Ok(Loaded { file, head, end })
}

/// Which segment a replay from `begin` starts with: the last that begins before it. So the one that ends there is looked
/// at too: it may wait to be cut.
pub(super) fn start_of(files: &[SegmentFile], begin: Lsn) -> usize {
    files.partition_point(|file| file.name.base < begin).saturating_sub(1)
}
