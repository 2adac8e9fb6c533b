//! One segment, block by block and record by record: as lines of `name=value` words or of JSON.

use std::io::{self, Write};

use crate::journal::block::SEAL;
use crate::journal::segment_header::SegmentHeader;
use crate::journal::{BlockKind, BlockSeen, JournalError, RestingLog, Sight, Surveyed};
use crate::ledger::codec;

use super::entry;
use super::head::Hex;
use super::notation::moment;
use super::report::Finding;
use super::row::{Row, Value};

/// What to show of a segment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inspection {
    /// This block alone, by its number in the epoch.
    pub block_no: Option<u32>,
    /// The records of the blocks too.
    pub records: bool,
    /// As JSON lines.
    pub json: bool,
}

/// Shows the segment that `log` is. Gives the number of faults that were met and shown.
///
/// # Errors
/// Those of `out`.
pub fn inspect(log: &RestingLog, how: Inspection, out: &mut dyn Write) -> io::Result<u64> {
    let mut lines = Lines { how, buf: Vec::new(), faults: 0 };
    let mut written = Ok(());
    let found = log.survey(&[], &mut |sight| {
        lines.sight(sight);
        if written.is_ok() {
            written = out.write_all(&lines.buf);
        }
        lines.buf.clear();
    });
    lines.end(&found);
    written?;
    out.write_all(&lines.buf)?;
    out.flush()?;
    Ok(lines.faults)
}

struct Lines {
    how: Inspection,
    buf: Vec<u8>,
    faults: u64,
}

impl Lines {
    fn sight(&mut self, sight: Sight<'_>) {
        match sight {
            Sight::Segment(header) => self.segment(header),
            Sight::Block(block) if self.how.block_no.is_none_or(|no| no == block.header.block_no) => {
                self.block(&block);
            }
            Sight::Block(_) | Sight::Passed(_) => {}
            Sight::Fault(fault) => self.fault(&fault),
        }
    }

    fn fault(&mut self, fault: &JournalError) {
        self.faults += 1;
        let finding = Finding::of(fault, None);
        let mut row = Row::default();
        row.put("kind", Value::Word(finding.kind));
        row.0.push(("offset", finding.offset.map(Value::Number)));
        row.0.push(("lsn", finding.lsn.map(Value::Number)));
        row.0.push(("lost_to", finding.lost.map(|[_, to]| Value::Number(to))));
        row.put("what", Value::Text(finding.what));
        self.line("fault", row);
    }

    fn segment(&mut self, header: &SegmentHeader) {
        let mut row = Row::default();
        row.put("name", Value::Text(header.name.to_string()));
        row.put("instance", Value::Text(Hex(header.id.instance).to_string()));
        row.put("shard", Value::Number(header.id.shard.into()));
        row.put("epoch", Value::Number(header.name.epoch));
        row.put("base", Value::Number(header.name.base));
        row.put("len", Value::Number(header.len));
        row.put("created", Value::Text(moment(header.created_ms)));
        row.put("prev_end", Value::Number(header.prev_end));
        row.put("prev_chain", Value::Text(Hex(header.prev_chain).to_string()));
        self.line("segment", row);
    }

    fn block(&mut self, block: &BlockSeen<'_>) {
        let header = &block.header;
        let kind = match header.kind {
            BlockKind::Data => "DATA",
            BlockKind::Fence => "FENCE",
            BlockKind::CleanStop => "CLEAN_STOP",
        };
        let mut row = Row::default();
        row.put("no", Value::Number(header.block_no.into()));
        row.put("offset", Value::Number(block.offset()));
        row.put("lsn", Value::Number(header.first_lsn));
        row.put("kind", Value::Word(kind));
        row.0.push(("flags", (header.flags & SEAL != 0).then_some(Value::Word("SEAL"))));
        row.put("records", Value::Number(header.record_count.into()));
        row.put("body", Value::Number(header.body_len as u64));
        row.put("durable_lsn", Value::Number(header.durable_lsn));
        row.put("now", Value::Text(moment(header.now_ms)));
        row.put("prev_chain", Value::Text(Hex(header.prev_chain).to_string()));
        row.put("chain", Value::Text(Hex(block.chain).to_string()));
        row.put("crc", Value::Word("ok"));
        self.line("block", row);
        if !self.how.records {
            return;
        }
        for (lsn, bytes) in block.records() {
            match codec::decode_any(bytes) {
                Ok(record) => self.line("record", entry::row(header.shard, lsn, &record)),
                Err(error) => self.fault(&block.no_record(lsn, error.to_string())),
            }
        }
    }

    fn end(&mut self, found: &Surveyed) {
        let mut row = Row::default();
        row.put("lsn", Value::Number(found.end.0));
        row.put("chain", Value::Text(Hex(found.end.1).to_string()));
        row.0.push(("loose_bytes", found.loose_end.map(|loose| Value::Number(loose.len))));
        self.line("end", row);
    }

    fn line(&mut self, title: &'static str, mut row: Row<'_>) {
        if self.how.json {
            row.0.insert(0, ("line", Some(Value::Word(title))));
            row.json(&mut self.buf);
        } else {
            row.text(title, &mut self.buf);
        }
    }
}
