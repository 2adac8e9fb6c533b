//! What to do about a shard that no server starts on: found out, told, and done if it was asked for.
//!
//! ```text
//!  verify ─ findings ─▶ the first place that is wrong ─▶ Diagnosis: where to cut, what is lost then
//!  walk   ─ where blocks end, entries behind ─────────▶
//!  truncate:  REPAIRS line ─▶ later segments to quarantine ─▶ cut ─▶ later snapshots to quarantine ─▶ supers
//!  rebuild:   REPAIRS line ─▶ supers
//! ```
//!
//! Until the supers are written the directory is refused as it was before, and the same repair can be done again.
//! Nothing is thrown away: what is cut is whole in the quarantine. The caller holds the directory's lock. Absent on
//! purpose: a repair that nobody asked for, a choice of what may be lost.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use crate::journal::error::Case;
use crate::journal::storage::snapshot_name;
use crate::journal::survey::Head;
use crate::journal::{JournalError, Known, LogId, RestingDir, RestingLog, SegmentName, Sight, repair};
use crate::ledger::codec;
use crate::ledger::id::Lsn;

use super::failure::Failure;
use super::notation::escaped;
use super::report::{ACCOUNTS_NAMED_MAX, Finding, Report};
use super::verify::{Depth, Progress, verify};
use super::whole;

/// What is wrong with a shard, and what a repair would do.
#[derive(Debug)]
pub struct Diagnosis {
    /// What `verify` says of it; without supers if those are bad.
    pub report: Report,
    /// Neither super can be read.
    pub supers_bad: bool,
    /// Where the log would have to be cut, so that all before is whole; `None` if a cut does not help.
    pub cut: Option<Cut>,
}

/// A cut, and what goes with it.
#[derive(Clone, Debug, Serialize)]
pub struct Cut {
    /// Everything from here on goes.
    pub at: Lsn,
    /// Up to where something was known to be.
    pub to: Lsn,
    /// Entries in blocks that could still be read.
    pub entries: u64,
    /// Whose they are: how many.
    pub accounts: u64,
    /// And some of them.
    pub accounts_named: Vec<String>,
}

/// A line of REPAIRS.
#[derive(Serialize)]
struct Note<'a> {
    time: &'a str,
    repair: &'static str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    cut: Option<&'a Cut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    durable_lsn: Lsn,
}

/// A shard that is to be repaired.
pub struct Patient<'a> {
    dir: &'a Path,
    log: RestingLog,
    supers_bad: bool,
}

impl<'a> Patient<'a> {
    /// Looks at the shard's directory.
    ///
    /// # Errors
    /// [`Failure`] if it cannot be read, or if its files are another's.
    pub fn new(dir: &'a Path, id: LogId) -> Result<Self, Failure> {
        match RestingLog::of_shard(dir, id) {
            Ok(log) => Ok(Self { dir, log, supers_bad: false }),
            Err(JournalError::Refused(refusal)) if refusal.case == Case::Supers => {
                Ok(Self { dir, log: RestingLog::without_supers(dir, id)?, supers_bad: true })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Length of its log in bytes. Each of the methods here tells `progress` of it once or twice.
    pub fn len(&self) -> u64 {
        self.log.len()
    }

    /// Whether it has no segment.
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// Finds out what is wrong and what to do about it.
    pub fn diagnose(self, path: String, progress: Progress<'_>) -> Diagnosis {
        let dir = RestingDir { manifest: None, manifest_fault: None, logs: vec![Ok(self.log.clone())] };
        let report = verify(path, &dir, &[], Depth::Files, progress);
        let wrong = report.all_findings().filter_map(first_wrong).min();
        let to = report.all_findings().filter_map(|finding| Some(finding.lost?[1])).max();
        let cut = wrong.map(|wrong| Walk::over(&self.log, wrong, progress)).and_then(|walk| {
            let at = walk.at?.0;
            self.check(&walk, at).is_ok().then(|| walk.cut(at, to))
        });
        Diagnosis { report, supers_bad: self.supers_bad, cut }
    }

    /// What would go with a cut at `at`, and the end of the log then.
    ///
    /// # Errors
    /// [`Failure`] if no server would start after it.
    pub fn weigh(&self, at: Lsn, progress: Progress<'_>) -> Result<(Cut, Head), Failure> {
        let walk = Walk::over(&self.log, at, progress);
        let durable = self.check(&walk, at)?;
        Ok((walk.cut(at, self.log.known().map(|known| known.durable.0)), durable))
    }

    /// Cuts the log at `at`, the end of a block before which nothing is wrong. `now` and `reason` go into REPAIRS.
    ///
    /// # Errors
    /// [`Failure`]: nothing was changed, or the same can be done again.
    pub fn truncate(self, at: Lsn, reason: &str, now: &str, progress: Progress<'_>) -> Result<Cut, Failure> {
        let (cut, durable) = self.weigh(at, progress)?;
        // The first one stays in any case: without it nothing says that there was a log.
        let is_kept = |(i, segment): &(usize, SegmentName)| *i == 0 || segment.base < at;
        let segments: Vec<SegmentName> =
            self.log.segments().enumerate().filter(is_kept).map(|(_, name)| name).collect();
        let newest = *segments.last().expect("the log has a segment");
        let note = Note { time: now, repair: "truncate-at", cut: Some(&cut), reason: Some(reason), durable_lsn: at };
        self.note(&note)?;
        for later in self.log.segments().skip(segments.len()).rev() {
            repair::set_aside(self.dir, &later.to_string())?;
        }
        repair::cut(self.dir, newest, at)?;
        for later in self.log.snapshots().iter().filter(|snapshot| snapshot.end > at) {
            repair::set_aside(self.dir, &snapshot_name(later.end))?;
        }
        let oldest_lsn = self.log.first_lsn();
        let supers = Known { epoch: newest.epoch, oldest_lsn, durable };
        repair::write_supers(self.dir, self.log.id(), supers)?;
        Ok(cut)
    }

    /// Whether a cut at `at` leaves a log that a server starts on. Gives its end.
    fn check(&self, walk: &Walk, at: Lsn) -> Result<Head, Failure> {
        let first_lsn = self.log.first_lsn();
        let is_whole = first_lsn == 0 || self.log.snapshots().iter().any(|snapshot| snapshot.end <= at);
        let what = match (walk.at, walk.wrong, walk.next) {
            (None, ..) => "not even its oldest segment can be read: restore a backup".to_owned(),
            (Some((before, _)), Some(wrong), _) if before < at && wrong < at => {
                format!("the log is wrong from lsn {wrong} on: cut at {before} or before")
            }
            (Some((before, _)), _, Some(next)) if before < at => {
                format!("no block ends at lsn {at}: cut at {before} or at {next}")
            }
            (Some((before, _)), ..) if before < at => format!("the log ends at lsn {before}: cut there or before"),
            (Some((first, _)), ..) if first > at => format!("the log begins at lsn {first}"),
            _ if !is_whole => format!(
                "the log here begins at lsn {first_lsn}, and no snapshot that ends at or below lsn {at} says what was \
                 before: put archived segments back, or restore a backup"
            ),
            (Some(durable), ..) => return Ok(durable),
        };
        Err(Failure::Asked(format!("shard {}: {what}; nothing was changed", self.log.id().shard)))
    }

    /// Writes supers that say what the segments prove.
    ///
    /// # Errors
    /// [`Failure`]: nothing was changed, or the same can be done again.
    pub fn rebuild_supers(self, now: &str, progress: Progress<'_>) -> Result<(), Failure> {
        let shard = self.log.id().shard;
        if !self.supers_bad {
            let what = format!("shard {shard}: a super is whole, there is nothing to rebuild; nothing was changed");
            return Err(Failure::Asked(what));
        }
        let found = whole::survey(&self.log, &mut |sight| {
            if let Sight::Passed(bytes) = sight {
                progress(bytes);
            }
        })?;
        let Some(newest) = self.log.segments().next_back() else {
            let what =
                format!("shard {shard}: there is no segment to learn from: restore a backup; nothing was changed");
            return Err(Failure::Asked(what));
        };
        let durable_lsn = found.durable.0;
        self.note(&Note { time: now, repair: "rebuild-supers", cut: None, reason: None, durable_lsn })?;
        let supers = Known { epoch: newest.epoch, oldest_lsn: self.log.first_lsn(), durable: found.durable };
        Ok(repair::write_supers(self.dir, self.log.id(), supers)?)
    }

    fn note(&self, note: &Note<'_>) -> Result<(), Failure> {
        Ok(repair::note(self.dir, &serde_json::to_string(note).expect("a note is JSON"))?)
    }
}

/// Where a finding says that the log is wrong; `None` for those that a cut does not mend: after an edit, what stands
/// before it is not to be trusted either.
fn first_wrong(finding: &Finding) -> Option<Lsn> {
    let base = || SegmentName::parse(finding.segment.as_deref()?).map(|segment| segment.base);
    match finding.kind {
        "damaged" | "hole" | "unreadable" | "invariant" => finding.lsn.or_else(base),
        // All that is here may be whole.
        "lost" => finding.lsn.or(Some(Lsn::MAX)),
        _ => None,
    }
}

/// The log as seen from a position: the end of a block there or before, and what stands behind it.
struct Walk {
    /// The last place at or before the position where a block ends, or the log begins, all before it being whole. `None`
    /// if not even the oldest segment can be read.
    at: Option<Head>,
    /// The first such place behind it.
    next: Option<Lsn>,
    /// The first fault of the log by itself.
    wrong: Option<Lsn>,
    end: Lsn,
    entries: u64,
    accounts: BTreeSet<Vec<u8>>,
}

impl Walk {
    fn over(log: &RestingLog, position: Lsn, progress: Progress<'_>) -> Self {
        let (next, wrong, accounts) = (None, None, BTreeSet::new());
        let mut walk = Self { at: None, next, wrong, end: 0, entries: 0, accounts };
        // What the supers know is no part of the log: it is what a cut may have to give up.
        let found = log.alone().survey(&[], &mut |sight| match sight {
            Sight::Segment(header) => {
                let begin = (header.prev_end, header.prev_chain);
                walk.at = walk.at.or(walk.wrong.is_none().then_some(begin));
            }
            Sight::Block(block) => {
                let end = (block.header.end_lsn(), block.chain);
                if walk.wrong.is_none() && end.0 <= position {
                    walk.at = Some(end);
                } else {
                    walk.next = walk.next.or(walk.wrong.is_none().then_some(end.0));
                    walk.entries += block.records().count() as u64;
                    walk.accounts.extend(block.records().map(|(_, record)| codec::ids_of(record).0.to_vec()));
                }
            }
            Sight::Fault(fault) => {
                let wrong = first_wrong(&Finding::of(&fault, None)).or(walk.at.map(|at| at.0));
                walk.wrong = walk.wrong.or(wrong).or(Some(0));
            }
            Sight::Passed(bytes) => progress(bytes),
        });
        walk.end = found.end.0;
        walk
    }

    fn cut(&self, at: Lsn, known_to: Option<Lsn>) -> Cut {
        let names = self.accounts.iter().take(ACCOUNTS_NAMED_MAX).map(|account| escaped(account));
        Cut {
            at,
            to: known_to.unwrap_or(0).max(self.end).max(at),
            entries: self.entries,
            accounts: self.accounts.len() as u64,
            accounts_named: names.collect(),
        }
    }
}
