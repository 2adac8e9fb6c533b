//! Events in the order of the log, from a position on.

use std::ops::ControlFlow;

use crate::journal::storage::SegmentSource;
use crate::journal::{BlockReader, Lsn};
use crate::ledger::codec::{self, Record};
use crate::ledger::event::EntryId;

use super::FeedError;
use super::name::{Name, names_of};

/// Gives every record at or behind `from` and below `durable`, with the id of its first event. Returns `durable`: where
/// to go on.
///
/// # Errors
/// [`FeedError`]; `each` may have been given some records by then.
pub fn follow<R: SegmentSource>(
    blocks: &mut BlockReader<R>,
    from: Lsn,
    durable: Lsn,
    mut each: impl FnMut(EntryId, &Record<'_>),
) -> Result<Lsn, FeedError> {
    walk(blocks, from, durable, |id, record| {
        if id.seq >= from {
            each(id, record);
        }
        ControlFlow::Continue(())
    })?;
    Ok(durable)
}

/// As [`follow`], from the record that has `from` in it, until `each` breaks off.
pub(super) fn walk<R: SegmentSource>(
    blocks: &mut BlockReader<R>,
    from: Lsn,
    durable: Lsn,
    mut each: impl FnMut(EntryId, &Record<'_>) -> ControlFlow<()>,
) -> Result<(), FeedError> {
    let mut at = from;
    while at < durable {
        let block = blocks.at(at, durable)?;
        let lost = usize::from(planted!("first record of the next block not shown") && at > from);
        for (lsn, bytes) in block.records().skip(lost) {
            if lsn + bytes.len() as u64 <= from {
                continue;
            }
            let (id, record) = decode(block.now_ms, lsn, bytes)?;
            if each(id, &record).is_break() {
                return Ok(());
            }
        }
        at = block.end_lsn;
    }
    Ok(())
}

/// The events of a record, and their ids. `id`: of the first.
pub fn events(id: EntryId, record: &Record<'_>) -> impl DoubleEndedIterator<Item = (EntryId, Name)> {
    let (first, second) = names_of(record);
    let second = second.map(|name| (EntryId { seq: id.seq + 1, ..id }, name));
    [Some((id, first)), second].into_iter().flatten()
}

/// The record at `lsn` of a block with the time `now_ms`, and the id of its first event.
pub(super) fn decode(now_ms: u64, lsn: Lsn, bytes: &[u8]) -> Result<(EntryId, Record<'_>), FeedError> {
    let record = codec::decode_any(bytes).map_err(|source| FeedError::Decode { lsn, source })?;
    let time_ms = match record {
        Record::Entry(event) if planted!("an event's id has its own time") => event.time_ms,
        _ => now_ms,
    };
    Ok((EntryId { time_ms, seq: lsn }, record))
}
