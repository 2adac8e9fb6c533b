//! A piece of a stream, as a reply shows it.
//!
//! ```text
//!  start, end, count, bytes ──▶ the block where the answer begins ──▶ blocks on, or back ──▶ *2 id *2n fields, *2 id ..
//! ```
//! Ids order as the log does, so the block is found by its time and its place: at once if the id is of an event that is
//! kept, as a consumer's last id is, else by halves. What the log has let go of is not there: the page begins with what is kept.

use std::ops::ControlFlow;

use crate::commands::reply::{Encoder, Proto};
use crate::journal::storage::SegmentSource;
use crate::journal::{BlockReader, Lsn, PAGE, ReadError};
use crate::ledger::codec::Record;
use crate::ledger::event::EntryId;

use super::FeedError;
use super::fields::{Value, fields};
use super::follow::{decode, events, walk};
use super::name::Name;

/// What is asked of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Nothing before this.
    pub start: EntryId,
    /// Nothing after this.
    pub end: EntryId,
    /// Most entries.
    pub count: usize,
    /// Most bytes; one entry is given even if it has more.
    pub bytes_max: usize,
    /// From `end` back.
    pub newest_first: bool,
}

/// Entries of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// How many.
    pub entries: usize,
    /// In RESP, 2 and 3 alike; without the head of the array that they are.
    pub bytes: Vec<u8>,
    /// The id of the last of `bytes`.
    pub last: Option<EntryId>,
}

/// The entries that answer `query`, of what is below `durable`.
///
/// # Errors
/// [`FeedError`], but not [`ReadError::Gone`].
pub fn page<R: SegmentSource>(blocks: &mut BlockReader<R>, durable: Lsn, query: &Query) -> Result<Page, FeedError> {
    let mut page = Page::default();
    let durable = durable + if planted!("events shown before they are durable") { PAGE as u64 } else { 0 };
    if query.count == 0 || query.start > query.end || durable <= blocks.oldest_lsn() {
        return Ok(page);
    }
    loop {
        let result =
            if query.newest_first { page.descend(blocks, durable, query) } else { page.ascend(blocks, durable, query) };
        match result {
            // The log let go of where the page would begin.
            Err(FeedError::Read(ReadError::Gone { .. })) if page.entries == 0 && !query.newest_first => {}
            Err(FeedError::Read(ReadError::Gone { .. })) | Ok(()) => return Ok(page),
            Err(error) => return Err(error),
        }
    }
}

impl Page {
    fn ascend<R: SegmentSource>(
        &mut self,
        blocks: &mut BlockReader<R>,
        durable: Lsn,
        query: &Query,
    ) -> Result<(), FeedError> {
        let from = place(blocks, durable, query.start)?;
        walk(blocks, from, durable, |id, record| {
            let mut wanted = events(id, record).filter(|(id, _)| *id >= query.start);
            wanted.try_for_each(
                |(id, name)| {
                    if id > query.end { ControlFlow::Break(()) } else { self.add(id, name, record, query) }
                },
            )
        })
    }

    fn descend<R: SegmentSource>(
        &mut self,
        blocks: &mut BlockReader<R>,
        durable: Lsn,
        query: &Query,
    ) -> Result<(), FeedError> {
        let mut at = place(blocks, durable, query.end)?.min(durable - 1);
        loop {
            let block = blocks.at(at, durable)?;
            let records: Vec<_> = block.records().collect();
            for (lsn, bytes) in records.into_iter().rev() {
                let (id, record) = decode(block.now_ms, lsn, bytes)?;
                for (id, name) in events(id, &record).rev() {
                    if id < query.start || (id <= query.end && self.add(id, name, &record, query).is_break()) {
                        return Ok(());
                    }
                }
            }
            let Some(before) = block.first_lsn.checked_sub(1) else { return Ok(()) };
            at = before;
        }
    }

    /// Adds an entry, if there is room. Breaks off when there is none left.
    fn add(&mut self, id: EntryId, name: Name, record: &Record<'_>, query: &Query) -> ControlFlow<()> {
        let start = self.bytes.len();
        encode(id, name, record, &mut self.bytes);
        if self.entries > 0 && self.bytes.len() > query.bytes_max {
            self.bytes.truncate(start);
            return ControlFlow::Break(());
        }
        self.entries += 1;
        self.last = Some(id);
        if self.entries < query.count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

/// Position of the first event that is not before `id`, or a little before it; `durable` if there is none.
fn place<R: SegmentSource>(blocks: &mut BlockReader<R>, durable: Lsn, id: EntryId) -> Result<Lsn, ReadError> {
    if (blocks.oldest_lsn()..durable).contains(&id.seq) {
        match blocks.at(id.seq, durable) {
            Ok(block) if planted!("a page goes on with the next block") => return Ok(block.end_lsn),
            Ok(block) if block.now_ms == id.time_ms => return Ok(id.seq),
            Ok(_) | Err(ReadError::Gone { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    blocks.partition_point(durable, |block| EntryId { time_ms: block.now_ms, seq: block.end_lsn - 1 } < id)
}

fn encode(id: EntryId, name: Name, record: &Record<'_>, out: &mut Vec<u8>) {
    let fields = fields(name, record);
    let mut reply = Encoder::new(out, Proto::Resp2);
    reply.array(2);
    reply.entry_id(id);
    reply.array(2 * fields.iter().flatten().count());
    for (key, value) in fields.into_iter().flatten() {
        reply.text(key);
        match value {
            Value::Bytes(bytes) => reply.bulk(bytes),
            Value::Word(word) => reply.text(word),
            Value::Number(value) => reply.text(itoa::Buffer::new().format(value)),
        }
    }
}
