//! The proof of a directory: every block by the journal's rules, every entry by the ledger's, and the snapshots by both.
//!
//! ```text
//!  shard ─▶ survey ─ block ─▶ find all its accounts ─▶ decode each record, tell its story ─▶ sums, marks of claims
//!                  └ fault ─▶ finding, positions that are lost
//!           an entry whose predecessor is lost: its account is hit, and begins anew
//! ```
//!
//! Shards side by side on the cores there are; then the claims, which stand in two shards each.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::journal::files::FileSource;
use crate::journal::reader::Window;
use crate::journal::survey::{BlockSeen, Sight, Witness};
use crate::journal::{BlockKind, JournalError, LogId, RestingDir, RestingLog, repair};
use crate::ledger::codec::{self, Record};
use crate::ledger::event::{Change, Event};
use crate::ledger::id::{Lsn, NO_LSN};
use crate::ledger::invariants::{LeadStory, Story, Violation};
use crate::ledger::lead::LeadEvent;

use super::claims::{self, Mark, Marks};
use super::head::Head;
use super::notation::escaped;
use super::report::{FINDINGS_MAX, Finding, Report, ShardReport};
use super::snapshots;
use super::stories::Stories;

/// Told how many more bytes are done. Called from several threads, about once a MiB.
pub type Progress<'a> = &'a (dyn Fn(u64) + Sync);

/// How far snapshots are proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// That they are whole.
    Files,
    /// That they are what the log says, too: takes the memory of a shard's ledger, for as many shards as there are cores.
    Replay,
}

/// Proves all logs of a directory, and that `heads` are in them.
pub fn verify(path: String, dir: &RestingDir, heads: &[Head], depth: Depth, progress: Progress<'_>) -> Report {
    let index_key = dir.manifest.as_ref().map(|manifest| manifest.hash_keys).filter(|_| depth == Depth::Replay);
    let mut findings: Vec<Finding> = dir.manifest_fault.iter().map(|fault| Finding::of(fault, None)).collect();
    let is_here = |head: &&Head| dir.logs.iter().flatten().any(|log| is_of(head, log.id()));
    for head in heads.iter().filter(|head| !is_here(head)) {
        let what = format!("no log here is the one of {head}");
        findings.push(Finding { shard: Some(head.shard), ..Finding::new("head", what) });
    }
    let mut proved = on_all_cores(dir.logs.len(), |i| match &dir.logs[i] {
        Ok(log) => Proof::new(log, progress).run(heads, index_key),
        Err(fault) => {
            let shard = i as u16;
            let findings = vec![Finding::of(fault, Some(shard))];
            (ShardReport { shard, findings, ..ShardReport::default() }, Marks::default())
        }
    });
    proved.sort_by_key(|(shard, _)| shard.shard);
    let (mut shards, marks): (Vec<ShardReport>, Vec<Marks>) = proved.into_iter().unzip();
    let is_whole = findings.is_empty() && shards.iter().all(|shard| shard.findings.is_empty());
    if is_whole && dir.manifest.is_some() {
        findings = claims::prove(dir, marks);
    } else if let Some(shard) =
        shards.iter_mut().zip(&marks).find(|(_, marks)| !marks.is_empty()).map(|(shard, _)| shard)
    {
        shard.notes.push("claims are not compared with what was paid: not all of the log is here and whole".to_owned());
    }
    Report { path, ok: is_whole && findings.is_empty(), findings, shards }
}

/// Does `work` for each of `0..count`, on as many threads as there are cores.
fn on_all_cores<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= count {
                return done;
            }
            done.push(work(i));
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores.min(count)).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a proof does not panic")).collect()
    })
}

fn is_of(head: &Head, id: LogId) -> bool {
    head.instance.0 == id.instance && head.shard == id.shard
}

/// The proof of one log, while it runs.
struct Proof<'a> {
    log: &'a RestingLog,
    progress: Progress<'a>,
    /// Where refunded entries are read.
    window: Window<FileSource>,
    stories: Stories,
    leads: BTreeMap<Box<[u8]>, LeadStory>,
    marks: Marks,
    /// Positions that are lost, and which finding says so.
    lost: Vec<(Range<Lsn>, usize)>,
    report: ShardReport,
}

impl<'a> Proof<'a> {
    fn new(log: &'a RestingLog, progress: Progress<'a>) -> Self {
        let (segments, bytes) = (log.segment_count(), log.len());
        let report = ShardReport { shard: log.id().shard, segments, bytes, ..ShardReport::default() };
        Self {
            log,
            progress,
            window: log.reader().window(),
            stories: Stories::default(),
            leads: BTreeMap::new(),
            marks: Marks::default(),
            lost: Vec::new(),
            report,
        }
    }

    fn run(mut self, heads: &[Head], index_key: Option<[u64; 2]>) -> (ShardReport, Marks) {
        let log = self.log;
        let ours = heads.iter().filter(|head| is_of(head, log.id()));
        let witnesses: Vec<Witness> =
            ours.map(|head| Witness { name: format!("the head {head}"), head: (head.lsn, head.chain.0) }).collect();
        self.report.first_lsn = log.first_lsn();
        let found = log.survey(&witnesses, &mut |sight| match sight {
            Sight::Segment(_) => {}
            Sight::Block(block) => self.block(&block),
            Sight::Fault(fault) => self.fault(&fault),
            Sight::Passed(bytes) => (self.progress)(bytes),
        });
        (self.report.end_lsn, self.report.durable_lsn) = (found.end.0, found.durable.0);
        let notes = &mut self.report.notes;
        if self.report.first_lsn > 0 {
            notes.push("older segments are not here: accounts begin with their first entry that is".to_owned());
        }
        notes.extend(repair::repairs(log.dir()).iter().map(|line| format!("repaired: {line}")));
        if log.leftovers() > 0 {
            notes.push(format!(
                "{} segments that are not needed any more are still here: a trim was interrupted",
                log.leftovers()
            ));
        }
        if found.last_kind.is_some_and(|kind| kind != BlockKind::CleanStop) {
            notes.push("no CLEAN_STOP at the end: the server runs, or was killed".to_owned());
        }
        if let Some(tail) = found.loose_end {
            notes.push(format!(
                "{} bytes behind the end, segment {} offset {}, not judged: a commit that was under way",
                tail.len, tail.segment, tail.offset
            ));
        }
        self.check_sums();
        let (findings, notes) = snapshots::prove(log, found.end.0, index_key, self.progress);
        self.report.notes.extend(notes);
        for finding in findings {
            self.find(finding);
        }
        self.report.snapshots = log.snapshots().len();
        self.report.leads = self.leads.len() as u64;
        self.marks.end(self.report.first_lsn, &self.leads);
        (self.report, self.marks)
    }

    fn fault(&mut self, fault: &JournalError) {
        let finding = Finding::of(fault, Some(self.report.shard));
        let lost = finding.lost.map(|[from, to]| from..to);
        let place = self.find(finding);
        self.lost.extend(lost.zip(place));
    }

    /// Keeps a finding; gives its place if there was room.
    fn find(&mut self, finding: Finding) -> Option<usize> {
        let findings = &mut self.report.findings;
        if findings.len() == FINDINGS_MAX {
            self.report.findings_left_out += 1;
            return None;
        }
        findings.push(finding);
        Some(findings.len() - 1)
    }

    fn block(&mut self, block: &BlockSeen<'_>) {
        self.report.blocks += 1;
        self.stories.seek(block.records().map(|(_, record)| codec::ids_of(record).0));
        for (i, (lsn, record)) in block.records().enumerate() {
            self.report.records += 1;
            match codec::decode_any(record) {
                Ok(Record::Entry(event)) => self.entry(block, i, lsn, &event),
                Ok(Record::Lead(event)) => self.lead(block, lsn, &event),
                Err(error) => {
                    let hex: String = record.iter().map(|byte| format!("{byte:02x}")).collect();
                    self.fault(&block.no_record(lsn, format!("{error}; record: {hex}")));
                }
            }
        }
    }

    fn entry(&mut self, block: &BlockSeen<'_>, i: usize, lsn: Lsn, event: &Event<'_>) {
        self.add(event);
        self.marks.add(Mark::of_entry(event));
        let lost = self.lost_at(event.prev_lsn);
        let first = self.report.first_lsn;
        let story = self.stories.story(i, lsn, event, |lsn| lsn < first || lost.is_some());
        if let Some(finding) = lost {
            self.report.findings[finding].hit(event.account);
            *story = Story::starting_at(lsn, event);
        }
        let opened = match event.change {
            // Without the refunded entry the story takes on trust what it took.
            Change::Refund { opened_lsn, .. } if opened_lsn < lsn => {
                self.window.record(opened_lsn).ok().and_then(|record| codec::decode(record).ok())
            }
            _ => None,
        };
        if let Err(Violation { account, seq, fault }) = story.tell(lsn, event, opened.as_ref()) {
            *story = Story::starting_at(lsn, event);
            // What is wrong with the entry by itself was told just now.
            let _ = story.tell(lsn, event, None);
            let finding = Finding::new("invariant", format!("{fault} (field {})", fault.field()));
            let (account, seq) = (Some(escaped(&account)), Some(seq));
            self.find(Finding { account, seq, ..placed(finding, block, lsn) });
        }
    }

    fn lead(&mut self, block: &BlockSeen<'_>, lsn: Lsn, event: &LeadEvent<'_>) {
        let mark = Mark::of_lead(event);
        self.report.claims += u64::from(mark.is_some());
        self.marks.add(mark);
        let lost = self.lost_at(event.prev_lsn);
        if let Some(finding) = lost {
            self.report.findings[finding].hit(event.lead);
        }
        let is_gone = event.prev_lsn != NO_LSN && (event.prev_lsn < self.report.first_lsn || lost.is_some());
        let begin = || if is_gone { LeadStory::starting_at(event) } else { LeadStory::default() };
        let story = self.leads.entry(event.lead.into()).or_insert_with(begin);
        if lost.is_some() {
            *story = begin();
        }
        if let Err(Violation { account: lead, seq, fault }) = story.tell(lsn, event) {
            *story = LeadStory::starting_at(event);
            let _ = story.tell(lsn, event);
            let finding = Finding::new("invariant", format!("{fault} (field {})", fault.field()));
            let (lead, seq) = (Some(escaped(&lead)), Some(seq));
            self.find(Finding { lead, seq, ..placed(finding, block, lsn) });
        }
    }

    /// Which finding says that the position is lost.
    fn lost_at(&self, lsn: Lsn) -> Option<usize> {
        self.lost.iter().find(|(lost, _)| lost.contains(&lsn)).map(|(_, finding)| *finding)
    }

    fn add(&mut self, event: &Event<'_>) {
        let sums = &mut self.report.sums;
        match event.change {
            Change::Grant => sums.granted += u128::from(event.amount),
            Change::Refund { .. } => sums.refunded += u128::from(event.amount),
            _ => sums.debited += u128::from(event.delta().unsigned_abs()),
        }
    }

    /// Sums over all accounts, and whether they are what passed through (I2, I3).
    fn check_sums(&mut self) {
        let report = &mut self.report;
        report.accounts = self.stories.all().len() as u64;
        let (sums, mut held) = (&mut report.sums, 0);
        sums.opening = self.stories.opening();
        for story in self.stories.all() {
            let state = story.state();
            sums.balance += u128::from(state.balance);
            sums.reserved += u128::from(state.reserved);
            held += state.holds.iter().map(|hold| u128::from(hold.amount)).sum::<u128>();
            report.holds += state.holds.len() as u64;
        }
        if !report.findings.is_empty() {
            report.notes.push("sums are not judged, because of what was found".to_owned());
            return;
        }
        let (flow, is_whole) = (sums.opening + sums.granted + sums.refunded, report.first_lsn == 0);
        if sums.balance + sums.debited != flow || (is_whole && held != sums.reserved) {
            let what = format!("the sums do not fit (I2, I3): {sums:?}, active reservations hold {held}");
            report.findings.push(Finding { shard: Some(report.shard), ..Finding::new("sums", what) });
        }
    }
}

/// The finding, at the record at `lsn` of `block`.
fn placed(finding: Finding, block: &BlockSeen<'_>, lsn: Lsn) -> Finding {
    let (segment, offset) = (block.segment.to_string(), block.segment.offset_of(lsn));
    let (shard, lsn) = (Some(block.header.shard), Some(lsn));
    Finding { shard, segment: Some(segment), offset: Some(offset), lsn, ..finding }
}
