//! What `verify` found, for people and for programs.

use std::fmt;

use serde::Serialize;

use crate::journal::JournalError;
use crate::journal::error::Case;

use super::notation::escaped;

/// Findings of one shard that are kept; the rest is counted.
pub const FINDINGS_MAX: usize = 100;

/// Accounts that one finding names; the rest is counted.
pub const ACCOUNTS_NAMED_MAX: usize = 16;

/// The result for a whole directory.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was looked at.
    pub path: String,
    /// Nothing is wrong.
    pub ok: bool,
    /// What is wrong with the directory as a whole.
    pub findings: Vec<Finding>,
    /// By shard.
    pub shards: Vec<ShardReport>,
}

/// The result for one shard.
#[derive(Debug, Default, Serialize)]
pub struct ShardReport {
    /// Which.
    pub shard: u16,
    /// Segments.
    pub segments: usize,
    /// Their length.
    pub bytes: u64,
    /// Where the log that is here begins; not 0 if older segments are elsewhere.
    pub first_lsn: u64,
    /// Where its valid blocks end.
    pub end_lsn: u64,
    /// All below is proven to be on disk.
    pub durable_lsn: u64,
    /// Blocks.
    pub blocks: u64,
    /// Records: entries of trails, and what happened to leads.
    pub records: u64,
    /// Accounts that have an entry in the log that is here.
    pub accounts: u64,
    /// Reservations that are active at its end.
    pub holds: u64,
    /// Leads that have a record in the log that is here.
    pub leads: u64,
    /// Claims of leads in it.
    pub claims: u64,
    /// Snapshots.
    pub snapshots: usize,
    /// Credits.
    pub sums: Sums,
    /// What is worth knowing and not wrong.
    pub notes: Vec<String>,
    /// What is wrong, in the order of the log.
    pub findings: Vec<Finding>,
    /// Further findings that were not kept.
    pub findings_left_out: u64,
}

/// Conservation of credits (I2, I3): balance = opening + granted + refunded - debited.
#[derive(Debug, Default, Serialize)]
pub struct Sums {
    /// Balances before the first entries that are here; 0 if the log is whole.
    pub opening: u128,
    /// Sum of all grants.
    pub granted: u128,
    /// Sum of all refunds.
    pub refunded: u128,
    /// Sum of all debits and captures.
    pub debited: u128,
    /// Sum of all balances at the end.
    pub balance: u128,
    /// Sum of all active reservations at the end.
    pub reserved: u128,
}

/// Something that must not be.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// One word; docs/operate/verify.md says what each means.
    pub kind: &'static str,
    /// Whose log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<u16>,
    /// In which file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
    /// Byte in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Position in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lsn: Option<u64>,
    /// Positions that are lost or in doubt: from, up to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<[u64; 2]>,
    /// Whose entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Whose record, if it is a lead's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead: Option<String>,
    /// Which entry of the account, or record of the lead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// What was found.
    pub what: String,
    /// Accounts, and leads, whose later entries show that they have entries in the lost positions; some of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts_hit: Vec<String>,
    /// How many such.
    pub accounts_hit_count: u64,
    /// What to do.
    pub next: &'static str,
}

impl Finding {
    /// A finding without a place yet.
    pub(super) fn new(kind: &'static str, what: String) -> Self {
        Self {
            kind,
            shard: None,
            segment: None,
            offset: None,
            lsn: None,
            lost: None,
            account: None,
            lead: None,
            seq: None,
            what,
            accounts_hit: Vec::new(),
            accounts_hit_count: 0,
            next: next_step(kind),
        }
    }

    /// The finding that a fault of the journal is.
    pub(super) fn of(fault: &JournalError, shard: Option<u16>) -> Self {
        let JournalError::Refused(refusal) = fault else {
            let kind = if matches!(fault, JournalError::Format { .. }) { "format" } else { "unreadable" };
            return Self { shard, ..Self::new(kind, fault.to_string()) };
        };
        let lsn = refusal.lost.as_ref().map(|lost| lost.start);
        Self {
            shard: refusal.shard.or(shard),
            segment: refusal.segment.map(|segment| segment.to_string()),
            offset: refusal.segment.map(|_| refusal.offset),
            lsn: lsn.or(refusal.segment.and_then(|segment| segment.lsn_of(refusal.offset))),
            lost: refusal.lost.as_ref().map(|lost| [lost.start, lost.end]),
            ..Self::new(kind(refusal.case), format!("{}: {}", refusal.case.what(), refusal.detail))
        }
    }

    /// An account or a lead has an entry in the lost positions of this finding.
    pub(super) fn hit(&mut self, account: &[u8]) {
        self.accounts_hit_count += 1;
        if self.accounts_hit.len() < ACCOUNTS_NAMED_MAX {
            self.accounts_hit.push(escaped(account));
        }
    }
}

fn kind(case: Case) -> &'static str {
    match case {
        Case::Damaged => "damaged",
        Case::Altered => "altered",
        Case::Hole => "hole",
        Case::Lost => "lost",
        Case::Snapshots => "snapshots",
        Case::Supers => "supers",
        Case::Unreadable => "unreadable",
        Case::Foreign => "foreign",
        Case::Invariant => "invariant",
        Case::Manifest => "manifest",
    }
}

fn next_step(kind: &str) -> &'static str {
    match kind {
        "unreadable" => "read the kernel log, copy the directory to another disk, verify the copy",
        "format" => "verify with the version of creditd that wrote it",
        "foreign" => "put the right file back, or verify the directory it came from",
        "supers" => "see what `creditd repair` says: it judges the segments, and can write supers anew",
        "manifest" => "put the file back from a backup of the same directory; the segments are judged all the same",
        "snapshot" => "nothing is lost: a start takes the one before, or the log; BGSAVE makes a new one",
        "state" => "copy the directory away, do not start from this snapshot (move it away), report this finding",
        "archive" => "archive to another directory, and find out which of the two is right: nothing was overwritten",
        "backup" => "take another backup, or another copy of this one: nothing was made",
        "head" => "verify the directory that the head was taken from; compare it with a backup",
        "claim" => "copy the directory away, export the account and the lead, report this finding",
        "invariant" | "sums" => "copy the directory away, export the account, report this finding",
        _ => "copy the directory away before any start; inspect the segment; restore what is lost from a backup",
    }
}

impl Report {
    /// All findings, those of the directory first.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().chain(self.shards.iter().flat_map(|shard| &shard.findings))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for shard in &self.shards {
            write!(f, "{shard}")?;
        }
        for finding in self.all_findings() {
            write!(f, "{finding}")?;
        }
        let left_out: u64 = self.shards.iter().map(|shard| shard.findings_left_out).sum();
        if left_out > 0 {
            writeln!(f, "and {left_out} more, not shown: {FINDINGS_MAX} of each shard are")?;
        }
        let count = self.all_findings().count() as u64 + left_out;
        match count {
            0 => writeln!(f, "{}: ok", self.path),
            1 => writeln!(f, "{}: 1 finding", self.path),
            _ => writeln!(f, "{}: {count} findings", self.path),
        }
    }
}

impl fmt::Display for ShardReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shard, segments, bytes, records, accounts, sums, .. } = self;
        let (from, to, durable) = (self.first_lsn, self.end_lsn, self.durable_lsn);
        writeln!(f, "shard {shard}: {segments} segments, {bytes} bytes; lsn {from}..{to}, durable below {durable}")?;
        write!(f, "  {records} entries of {accounts} accounts")?;
        if self.leads > 0 {
            write!(f, " and {} leads with {} claims", self.leads, self.claims)?;
        }
        writeln!(f, " in {} blocks, {} holds", self.blocks, self.holds)?;
        let Sums { opening, granted, refunded, debited, balance, reserved } = sums;
        write!(f, "  balance {balance} = ")?;
        if *opening > 0 {
            write!(f, "opening {opening} + ")?;
        }
        writeln!(f, "granted {granted} + refunded {refunded} - debited {debited}; reserved {reserved}")?;
        self.notes.iter().try_for_each(|note| writeln!(f, "  note: {note}"))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FINDING {}:", self.kind)?;
        if let Some(shard) = self.shard {
            write!(f, " shard {shard}")?;
        }
        if let Some(segment) = &self.segment {
            write!(f, " segment {segment}")?;
        }
        for (name, number) in [("offset", self.offset), ("lsn", self.lsn)] {
            if let Some(number) = number {
                write!(f, " {name} {number}")?;
            }
        }
        if let Some(account) = &self.account {
            write!(f, " account \"{account}\"")?;
        }
        if let Some(lead) = &self.lead {
            write!(f, " lead \"{lead}\"")?;
        }
        if let Some(seq) = self.seq {
            write!(f, " entry {seq}")?;
        }
        let has_place = self.shard.is_some() || self.segment.is_some() || self.account.is_some() || self.lead.is_some();
        writeln!(f, "{} {}", if has_place { ":" } else { "" }, self.what)?;
        if let Some([from, to]) = self.lost {
            writeln!(f, "  lost or in doubt: lsn {from}..{to}")?;
        }
        if let Some(more) = self
            .accounts_hit_count
            .checked_sub(self.accounts_hit.len() as u64)
            .filter(|_| !self.accounts_hit.is_empty())
        {
            let names = self.accounts_hit.join("\", \"");
            write!(f, "  accounts with entries there, at least: \"{names}\"")?;
            writeln!(f, "{}", if more > 0 { format!(" and {more} more") } else { String::new() })?;
        }
        writeln!(f, "  next: {}", self.next)
    }
}
