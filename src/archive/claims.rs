//! I9 across shards: each claim of a lead is one that its account has paid for, and the reverse.
//!
//! ```text
//!  account's shard   RESERVE (lead) ───── Claimed or Refused      marks of one claim, wherever they stand
//!  lead's shard                ───── CLAIM                        sorted together, judged together
//! ```
//! A mark is 40 bytes and names nothing. Who is suspected is looked for again, in the logs as they are then: so names are
//! found, and a server that ran on meanwhile is not accused. Where history was cut, a claim may have lost its other half.
//!
//! Absent on purpose: what one shard alone can tell (one claim of an account, slots in order, one end of a hold).

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::journal::{RestingDir, RestingLog, Sight};
use crate::ledger::codec::{self, Record};
use crate::ledger::event::{Change, Event};
use crate::ledger::id::Lsn;
use crate::ledger::invariants::LeadStory;
use crate::ledger::lead::{LeadChange, LeadEvent};

use super::notation::escaped;
use super::report::{FINDINGS_MAX, Finding};

/// A record of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    /// Hash of account, tx, lead and cost.
    pub(super) claim: [u64; 2],
    pub(super) kind: Kind,
    /// Hash of the lead.
    lead: u64,
    /// The slot that was taken, and those left after it; else 0.
    slot: u32,
    remaining: u32,
}

/// What a record does to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// RESERVE, on the account.
    Held,
    /// RELEASE: the lead has refused.
    Refused,
    /// CAPTURE.
    Paid,
    /// CLAIM, of the lead.
    Taken,
}

/// What one shard's log says of claims.
#[derive(Debug, Default)]
pub(super) struct Marks {
    marks: Vec<Mark>,
    /// Leads, hashed, and how many of their slots were taken before the first record that is here.
    before: Vec<(u64, u32)>,
    /// Whether history before this log is elsewhere.
    is_cut: bool,
}

impl Marks {
    /// Adds what a record is, if it is one of a claim.
    pub fn add(&mut self, mark: Option<Mark>) {
        self.marks.extend(mark);
    }

    /// Ends the log, which begins at `first_lsn` and is about these leads.
    pub fn end(&mut self, first_lsn: Lsn, leads: &BTreeMap<Box<[u8]>, LeadStory>) {
        self.is_cut = first_lsn > 0;
        self.before = leads.iter().map(|(lead, story)| (lead_hash(lead), story.before())).collect();
    }

    /// Whether there is nothing to compare.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }
}

/// Where a mark stands.
struct Place {
    mark: Mark,
    shard: u16,
    lsn: Lsn,
    /// Account, tx and lead.
    names: [String; 3],
}

impl Mark {
    /// The mark that a record is.
    pub fn of(record: &Record<'_>) -> Option<Self> {
        match record {
            Record::Entry(event) => Self::of_entry(event),
            Record::Lead(event) => Self::of_lead(event),
        }
    }

    /// The mark that an account's entry is.
    pub fn of_entry(event: &Event<'_>) -> Option<Self> {
        let (kind, slot, remaining) = match event.change {
            Change::Reserve { lead, .. } if !lead.is_empty() => (Kind::Held, 0, 0),
            Change::Refused { .. } => (Kind::Refused, 0, 0),
            Change::Claimed { claim, remaining, .. } => (Kind::Paid, claim, remaining),
            _ => return None,
        };
        Some(Self::new(kind, [event.account, event.tx, event.lead()], event.amount, slot, remaining))
    }

    /// The mark that a lead's record is.
    pub fn of_lead(event: &LeadEvent<'_>) -> Option<Self> {
        let LeadChange::Claim { account, tx, cost, .. } = event.change else { return None };
        Some(Self::new(Kind::Taken, [account, tx, event.lead], cost, event.claims, event.remaining()))
    }

    pub(super) fn new(kind: Kind, names: [&[u8]; 3], cost: u64, slot: u32, remaining: u32) -> Self {
        let mut hasher = SipHasher13::new();
        for name in names {
            hasher.write_u64(name.len() as u64);
            hasher.write(name);
        }
        hasher.write_u64(cost);
        let hash = hasher.finish128();
        Self { claim: [hash.h1, hash.h2], kind, lead: lead_hash(names[2]), slot, remaining }
    }
}

/// What stands for a lead in [`Marks`].
fn lead_hash(lead: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(lead);
    hasher.finish128().h1
}

/// Judges what all shards of a directory say, [`FINDINGS_MAX`] claims at most.
pub(super) fn prove(dir: &RestingDir, shards: Vec<Marks>) -> Vec<Finding> {
    let cut = Cut::of(&shards);
    let mut marks: Vec<Mark> = shards.into_iter().flat_map(|shard| shard.marks).collect();
    marks.sort_unstable();
    let groups = marks.chunk_by(|a, b| a.claim == b.claim);
    let suspects = groups.filter(|group| cut.judge(group).is_some()).map(|group| group[0].claim);
    let suspects: BTreeSet<[u64; 2]> = suspects.take(FINDINGS_MAX).collect();
    drop(marks);
    if suspects.is_empty() {
        return Vec::new();
    }
    let mut places = Vec::new();
    for log in dir.logs.iter().flatten() {
        look_for(log, &suspects, &mut places);
    }
    places.sort_by_key(|place| (place.mark, place.shard, place.lsn));
    let groups = places.chunk_by(|a, b| a.mark.claim == b.mark.claim);
    let findings = groups.filter_map(|group| {
        let marks: Vec<Mark> = group.iter().map(|place| place.mark).collect();
        cut.judge(&marks).map(|what| finding(group, what))
    });
    findings.collect()
}

/// Finds the records of some claims in the log as it is now.
fn look_for(log: &RestingLog, claims: &BTreeSet<[u64; 2]>, places: &mut Vec<Place>) {
    let Ok(log) = RestingLog::of_shard(log.dir(), log.id()) else { return };
    let shard = log.id().shard;
    log.survey(&[], &mut |sight| {
        let Sight::Block(block) = sight else { return };
        for (lsn, record) in block.records() {
            let Ok(record) = codec::decode_any(record) else { continue };
            let names = match &record {
                Record::Entry(event) => [event.account, event.tx, event.lead()],
                Record::Lead(event) => match event.change {
                    LeadChange::Claim { account, tx, .. } => [account, tx, event.lead],
                    _ => continue,
                },
            };
            if let Some(mark) = Mark::of(&record).filter(|mark| claims.contains(&mark.claim)) {
                places.push(Place { mark, shard, lsn, names: names.map(escaped) });
            }
        }
    });
}

/// The finding that the newest record of a claim is wrong.
fn finding(group: &[Place], what: &str) -> Finding {
    let last = group.last().expect("a group is not empty");
    let [account, tx, lead] = &last.names;
    let what = format!("{what} (I9): tx \"{tx}\" of lead \"{lead}\"");
    let (shard, lsn, account) = (Some(last.shard), Some(last.lsn), Some(account.clone()));
    Finding { shard, lsn, account, ..Finding::new("claim", what) }
}

/// What history is missing.
struct Cut {
    is_cut: bool,
    before: Vec<(u64, u32)>,
}

impl Cut {
    fn of(shards: &[Marks]) -> Self {
        let mut before: Vec<_> = shards.iter().flat_map(|shard| shard.before.iter().copied()).collect();
        before.sort_unstable();
        Self { is_cut: shards.iter().any(|shard| shard.is_cut), before }
    }

    /// What is wrong with the marks of one claim.
    fn judge(&self, marks: &[Mark]) -> Option<&'static str> {
        let of = |kind| marks.iter().filter(move |mark| mark.kind == kind);
        let runs = of(Kind::Held).count() > of(Kind::Refused).count();
        let (mut taken, mut paid) = (of(Kind::Taken), of(Kind::Paid));
        let what = match (taken.next(), paid.next()) {
            (Some(taken), Some(paid)) if (taken.slot, taken.remaining) != (paid.slot, paid.remaining) => {
                Some("the account has paid for another slot than the lead has given to it")
            }
            (Some(_), None) if !runs && !self.is_cut => Some("the lead has a claim that its account has not paid for"),
            (None, Some(paid)) if !self.is_gone(paid) => Some("the account has paid for a claim that the lead has not"),
            _ => None,
        };
        let is_twice = taken.next().is_some() || paid.next().is_some();
        what.or(is_twice.then_some("a claim was made or paid for twice"))
    }

    /// Whether the lead's record of the claim stood in history that is missing.
    fn is_gone(&self, paid: &Mark) -> bool {
        let known = self.before.binary_search_by_key(&paid.lead, |(lead, _)| *lead);
        self.is_cut && known.map_or(true, |at| paid.slot <= self.before[at].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(kind: Kind, lead: &[u8], slot: u32) -> Mark {
        Mark::new(kind, [b"ann", b"t1", lead], 5, slot, 1)
    }

    /// Judges the marks where history was cut behind the second slot of lead `a`.
    fn check(expected: Option<&str>, marks: &[Mark]) {
        let cut = Cut { is_cut: true, before: vec![(lead_hash(b"a"), 2)] };
        let found = cut.judge(marks);
        let is_expected = expected.map_or(found.is_none(), |words| found.is_some_and(|what| what.contains(words)));
        assert!(is_expected, "{expected:?}: {found:?} for {marks:?}");
    }

    #[test]
    fn where_history_was_cut_only_what_it_may_hold_is_taken_on_trust() {
        let (held, refused) = (mark(Kind::Held, b"a", 0), mark(Kind::Refused, b"a", 0));
        check(None, &[mark(Kind::Paid, b"a", 2)]);
        check(Some("that the lead has not"), &[mark(Kind::Paid, b"a", 3)]);
        check(None, &[mark(Kind::Paid, b"b", 3)]);
        check(None, &[mark(Kind::Taken, b"a", 3)]);
        check(None, &[held, held, refused, mark(Kind::Taken, b"a", 3)]);
        check(None, &[mark(Kind::Paid, b"a", 3), mark(Kind::Taken, b"a", 3)]);
        check(Some("another slot"), &[mark(Kind::Paid, b"a", 1), mark(Kind::Taken, b"a", 3)]);
        check(Some("twice"), &[mark(Kind::Paid, b"a", 1), mark(Kind::Paid, b"a", 1)]);
    }

    #[test]
    fn marks_are_small_and_tell_claims_apart() {
        assert_eq!(size_of::<Mark>(), 40, "memory per claim is a promise");
        let names: [[&[u8]; 3]; 3] = [[b"a", b"bc", b"d"], [b"ab", b"c", b"d"], [b"a", b"b", b"cd"]];
        let hashes: BTreeSet<_> = names.map(|names| Mark::new(Kind::Held, names, 5, 0, 0).claim).into();
        assert_eq!(hashes.len(), 3);
        assert_ne!(Mark::new(Kind::Held, names[0], 5, 0, 0).claim, Mark::new(Kind::Held, names[0], 6, 0, 0).claim);
    }
}
