//! The trail as rows: CSV or JSON lines, by account, lead, time and type.
//!
//! Always a scan, never a walk along an account's chain: a chain begins at the account's newest entry, and at rest only
//! a scan finds that. Of a directory with a manifest only the shards of the accounts are read.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::ops::Range;

use crate::journal::{BlockSeen, JournalError, RestingDir, RestingLog, Sight};
use crate::ledger::codec::{self, Record};

use super::entry;
use super::report::{FINDINGS_MAX, Finding};
use super::verify::Progress;

/// Rows are gathered up to so many bytes before they are written.
const OUT_LEN: usize = 1 << 16;

/// Which records. An empty set lets all through.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Entries of the trails of these accounts: not what happened to leads.
    pub accounts: BTreeSet<Vec<u8>>,
    /// What happened to these leads, and entries that name them.
    pub leads: BTreeSet<Vec<u8>>,
    /// Of these moments, unix milliseconds.
    pub times_ms: Range<u64>,
    /// Of these types: words of [`EntryType`](crate::ledger::event::EntryType) and [`LEAD_TYPES`](super::LEAD_TYPES).
    pub types: BTreeSet<&'static str>,
}

/// The form of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, with a line of names.
    Csv,
    /// An object a line.
    Jsonl,
}

/// What was exported.
#[derive(Debug, Default)]
pub struct Exported {
    /// Rows.
    pub rows: u64,
    /// What is wrong with the log, the first of it: entries may be missing.
    pub findings: Vec<Finding>,
}

/// Writes the records that `filter` lets through, shard by shard in the order of the log.
///
/// # Errors
/// Those of `out`. What is wrong with the log is in [`Exported::findings`], and the rest is exported.
pub fn export(
    dir: &RestingDir,
    filter: &Filter,
    format: Format,
    out: &mut dyn Write,
    progress: Progress<'_>,
) -> io::Result<Exported> {
    let shards: Option<BTreeSet<u16>> = dir.manifest.as_ref().filter(|_| !filter.accounts.is_empty()).map(|manifest| {
        let slots = manifest.slot_map();
        filter.accounts.iter().map(|account| slots[usize::from(redis_protocol::redis_keyslot(account))]).collect()
    });
    let mut rows = Rows { filter, format, out, buf: Vec::new(), failed: None, exported: Exported::default() };
    rows.exported.findings.extend(dir.manifest_fault.iter().map(|fault| Finding::of(fault, None)));
    for (shard, log) in (0..).zip(&dir.logs) {
        match log {
            Ok(log) if shards.as_ref().is_some_and(|shards| !shards.contains(&log.id().shard)) => progress(log.len()),
            Ok(log) => rows.log(log, progress),
            Err(fault) => rows.exported.findings.push(Finding::of(fault, Some(shard))),
        }
    }
    rows.flush();
    rows.failed.map_or(Ok(rows.exported), Err)
}

/// Rows on their way.
struct Rows<'a> {
    filter: &'a Filter,
    format: Format,
    out: &'a mut dyn Write,
    buf: Vec<u8>,
    /// The first error of `out`: nothing is written after it.
    failed: Option<io::Error>,
    exported: Exported,
}

impl Rows<'_> {
    fn log(&mut self, log: &RestingLog, progress: Progress<'_>) {
        log.survey(&[], &mut |sight| match sight {
            Sight::Segment(_) => {}
            Sight::Block(block) if self.failed.is_none() => self.block(&block),
            Sight::Block(_) => {}
            Sight::Fault(fault) => self.fault(&fault),
            Sight::Passed(bytes) => progress(bytes),
        });
    }

    fn block(&mut self, block: &BlockSeen<'_>) {
        for (lsn, bytes) in block.records() {
            match codec::decode_any(bytes) {
                Ok(record) if self.filter.takes(&record) => {
                    let row = entry::row(block.header.shard, lsn, &record);
                    if self.format == Format::Csv && self.exported.rows == 0 {
                        row.csv_header(&mut self.buf);
                    }
                    self.exported.rows += 1;
                    match self.format {
                        Format::Csv => row.csv(&mut self.buf),
                        Format::Jsonl => row.json(&mut self.buf),
                    }
                }
                Ok(_) => {}
                Err(error) => self.fault(&block.no_record(lsn, error.to_string())),
            }
        }
        if self.buf.len() >= OUT_LEN {
            self.flush();
        }
    }

    fn fault(&mut self, fault: &JournalError) {
        if self.exported.findings.len() < FINDINGS_MAX {
            self.exported.findings.push(Finding::of(fault, None));
        }
    }

    fn flush(&mut self) {
        let written = self.out.write_all(&self.buf).and_then(|()| self.out.flush());
        self.buf.clear();
        if let Err(error) = written {
            self.failed.get_or_insert(error);
        }
    }
}

impl Filter {
    fn takes(&self, record: &Record<'_>) -> bool {
        let (time_ms, lead, is_of_account) = match record {
            Record::Entry(event) => (event.time_ms, event.lead(), self.accounts.contains(event.account)),
            Record::Lead(event) => (event.time_ms, event.lead, false),
        };
        self.times_ms.contains(&time_ms)
            && (is_of_account || self.accounts.is_empty())
            && (self.leads.is_empty() || self.leads.contains(lead))
            && (self.types.is_empty() || self.types.contains(entry::word(record)))
    }
}
