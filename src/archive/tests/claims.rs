//! Claims in the log, honest or not, and what the tools make of them.

use super::snapshots::save;
use super::*;
use crate::ledger::lead::{LeadChange, LeadEvent, Refusal, codec as lead_codec};

/// A lead as the author knows it.
#[derive(Clone, Copy, Default)]
pub(super) struct LeadFigures {
    max: u32,
    claims: u32,
    seq: u64,
    last_lsn: Lsn,
}

/// One claim, of the lead `l1` unless it is said otherwise.
#[derive(Clone, Copy)]
struct Claim {
    account: &'static str,
    lead: &'static str,
    cost: u64,
    opened_lsn: Lsn,
    account_seq: u64,
}

impl Author {
    fn open_lead(&mut self, lead: &'static str, max: u32) -> Lsn {
        self.leads.insert(lead, LeadFigures { max, ..LeadFigures::default() });
        self.lead(lead, LeadChange::Open { expires_at_ms: 90_000 }, |_| {})
    }

    /// Writes a lead's record that `lie` has changed. What follows, follows from the truth.
    fn lead(&mut self, lead: &'static str, change: LeadChange<'_>, lie: impl FnOnce(&mut LeadEvent<'_>)) -> Lsn {
        self.now_ms += 10;
        let before = self.leads[lead];
        let claims = before.claims + u32::from(matches!(change, LeadChange::Claim { .. }));
        let mut event = LeadEvent {
            lead: lead.as_bytes(),
            reason: b"",
            meta: b"",
            time_ms: self.now_ms,
            seq: before.seq + 1,
            prev_lsn: before.last_lsn,
            max: before.max,
            claims,
            change,
        };
        lie(&mut event);
        let last_lsn = self.opened.log.append(self.now_ms, |buf| lead_codec::encode(&event, buf));
        self.leads.insert(lead, LeadFigures { claims, seq: before.seq + 1, last_lsn, ..before });
        last_lsn
    }

    /// The account holds what a claim costs. The tx is the account's name.
    fn hold(&mut self, account: &'static str, cost: u64) -> Claim {
        let (lead, expires_at_ms) = ("l1", u64::MAX);
        let opened_lsn = self.write(account, account, cost, Change::Reserve { expires_at_ms, lead: lead.as_bytes() });
        Claim { account, lead, cost, opened_lsn, account_seq: self.accounts[account].seq }
    }

    /// The lead gives a slot.
    fn take(&mut self, Claim { account, lead, cost, account_seq, .. }: Claim) -> Lsn {
        let tx = account.as_bytes();
        self.lead(lead, LeadChange::Claim { account: account.as_bytes(), tx, cost, account_seq }, |_| {})
    }

    /// The account pays.
    fn pay(&mut self, Claim { account, lead, cost, opened_lsn, .. }: Claim) -> Lsn {
        let LeadFigures { max, claims, .. } = self.leads[lead];
        let (lead, claim, remaining) = (lead.as_bytes(), claims, max - claims);
        self.write(account, account, cost, Change::Claimed { opened_lsn, lead, claim, remaining })
    }

    /// The account hears that it gets none.
    fn refuse(&mut self, Claim { account, lead, cost, opened_lsn, .. }: Claim) -> Lsn {
        let (lead, refusal) = (lead.as_bytes(), Refusal::Full { max: 3 });
        self.write(account, account, cost, Change::Refused { opened_lsn, lead, refusal })
    }
}

/// A lead of three slots: ann has one, the claims of bob and dee run.
fn claims(path: &Path) -> Author {
    let mut author = Author::new(path);
    for account in ["ann", "bob", "cy", "dee"] {
        author.write(account, "g1", 20, Change::Grant);
    }
    author.open_lead("l1", 3);
    author.commit();
    let ann = author.hold("ann", 5);
    author.commit();
    author.take(ann);
    author.commit();
    author.pay(ann);
    let cy = author.hold("cy", 5);
    author.refuse(cy);
    let bob = author.hold("bob", 0);
    author.hold("dee", 7);
    author.commit();
    author.take(bob);
    author.commit();
    author
}

#[test]
fn claims_that_are_paid_for_or_run_are_proved() {
    let (_parent, path) = data();
    let mut author = claims(&path);
    author.open_lead("l2", 1);
    author.lead("l2", LeadChange::Close, |_| {});
    author.stop();
    let report = proved(&path, &[]);
    assert!(report.ok, "{report}");
    let shard = &report.shards[0];
    assert_eq!((shard.leads, shard.claims, shard.holds, shard.sums.debited), (2, 2, 2, 5));
    assert!(report.to_string().contains("\n  15 entries of 4 accounts and 2 leads with 2 claims in "), "{report}");
    for back in [1, 4] {
        save(&path, back, |_| {});
        assert!(proved(&path, &[]).ok, "with a snapshot, too");
    }
}

#[test]
fn a_claim_that_one_side_does_not_know_is_found() {
    let (unpaid, unknown) = ("a claim that its account has not paid for", "for a claim that the lead has not");
    type Lie = fn(&mut Author);
    let cases: [(&str, &[&str], Lie); 6] = [
        ("the CLAIM is missing", &[unknown], |author| {
            let cy = author.hold("cy", 5);
            author.leads.get_mut("l1").expect("there").claims += 1;
            author.pay(cy);
            author.leads.get_mut("l1").expect("there").claims -= 1;
        }),
        ("nothing was held", &[unpaid], |author| {
            let (account, lead, cost, opened_lsn, account_seq) = ("cy", "l1", 5, 8, 9);
            author.take(Claim { account, lead, cost, opened_lsn, account_seq });
        }),
        ("the account has let it go", &[unpaid], |author| {
            let dee = author.hold("cy", 7);
            author.take(dee);
            author.refuse(dee);
        }),
        ("it cost something else", &[unknown, unpaid], |author| {
            let cy = author.hold("cy", 5);
            author.take(Claim { cost: 4, ..cy });
            author.pay(cy);
        }),
        ("another lead", &[unknown, unpaid], |author| {
            let cy = author.hold("cy", 5);
            author.open_lead("l2", 3);
            author.take(Claim { lead: "l2", ..cy });
            author.pay(cy);
        }),
        ("another slot", &["another slot"], |author| {
            let cy = author.hold("cy", 5);
            author.take(cy);
            author.leads.get_mut("l1").expect("there").claims -= 1;
            author.pay(cy);
        }),
    ];
    for (case, words, lie) in cases {
        let (_parent, path) = data();
        let mut author = claims(&path);
        lie(&mut author);
        author.stop();
        let report = proved(&path, &[]);
        let mut found: Vec<_> = report.findings.iter().map(|finding| (finding.kind, finding.what.clone())).collect();
        found.sort_by_key(|(_, what)| what.contains(unpaid));
        assert_eq!(found.len(), words.len(), "{case}: {report}");
        for ((kind, what), words) in found.iter().zip(words) {
            assert!(
                *kind == "claim" && what.contains(words) && what.contains("\"cy\" of lead \"l"),
                "{case}: {report}"
            );
        }
        assert!(report.to_string().contains("account \"cy\"") && !report.ok, "{case}: {report}");
    }
}

#[test]
fn a_lead_that_breaks_its_rules_is_found_with_its_place() {
    type Lie = fn(&mut Author) -> Lsn;
    let cases: [(&str, Lie); 9] = [
        ("one claim of a lead", |author| {
            let (account, lead, cost, opened_lsn, account_seq) = ("ann", "l1", 5, 8, 9);
            author.take(Claim { account, lead, cost, opened_lsn, account_seq })
        }),
        ("claims", |author| author.lead("l1", LeadChange::Close, |event| event.claims = 3)),
        ("max", |author| author.lead("l1", LeadChange::Close, |event| event.max = 4)),
        ("seq", |author| author.lead("l1", LeadChange::Close, |event| event.seq += 1)),
        ("prev_lsn", |author| author.lead("l1", LeadChange::Close, |event| event.prev_lsn -= 8)),
        ("time", |author| author.lead("l1", LeadChange::Close, |event| event.time_ms = 5)),
        ("expiry", |author| author.lead("l1", LeadChange::Expire, |event| event.time_ms = 89_999)),
        ("opens once", |author| author.lead("l1", LeadChange::Open { expires_at_ms: 90_000 }, |_| {})),
        ("has ended", |author| {
            author.lead("l1", LeadChange::Close, |_| {});
            author.lead("l1", LeadChange::Close, |_| {})
        }),
    ];
    for (words, lie) in cases {
        let (_parent, path) = data();
        let mut author = claims(&path);
        let lsn = lie(&mut author);
        author.stop();
        let report = proved(&path, &[]);
        let finding = &report.shards[0].findings[0];
        let place = (finding.kind, finding.lsn, finding.lead.as_deref(), finding.account.as_deref());
        assert_eq!(place, ("invariant", Some(lsn), Some("l1"), None), "{report}");
        assert!(finding.what.contains(words), "{words}: {report}");
    }
}

#[test]
fn a_claim_ends_by_its_lead_and_nothing_else_does() {
    type Ending = fn(Claim) -> Change<'static>;
    let endings: [Ending; 4] = [
        |claim| Change::Capture { captured: 7, opened_lsn: claim.opened_lsn, lead: b"" },
        |claim| Change::Capture { captured: 7, opened_lsn: claim.opened_lsn, lead: b"l1" },
        |claim| Change::Release { opened_lsn: claim.opened_lsn, lead: b"l1" },
        |claim| Change::Claimed { opened_lsn: claim.opened_lsn, lead: b"l2", claim: 1, remaining: 0 },
    ];
    for ending in endings {
        let (_parent, path) = data();
        let mut author = claims(&path);
        let claim = author.hold("cy", 7);
        let lsn = author.write("cy", "cy", 7, ending(claim));
        check_caught(author, &path, lsn, "cy", "a claim ends by its lead");
    }
}

#[test]
fn a_lost_block_of_a_lead_is_one_finding_that_names_it() {
    let (_parent, path) = data();
    let mut author = claims(&path);
    author.lead("l1", LeadChange::Close, |_| {});
    author.commit();
    author.stop();
    // The block with ann's CLAIM: behind FENCE, the opening and ann's RESERVE.
    flip(&segments(&path)[0], 4096 * 4 + 100);
    let report = proved(&path, &[]);
    let shard = &report.shards[0];
    assert_eq!((report.all_findings().count(), shard.findings[0].kind), (1, "damaged"), "{report}");
    assert_eq!(shard.findings[0].accounts_hit, ["l1"], "{report}");
    assert!(shard.notes.iter().any(|note| note.starts_with("claims are not compared")), "{report}");
}

#[test]
fn a_snapshot_with_another_claim_is_found() {
    let (_parent, path) = data();
    claims(&path).stop();
    save(&path, 1, |draft| draft.change_cost_of_first_claim());
    let report = proved(&path, &[]);
    assert_eq!(report.shards[0].findings[0].kind, "state", "{report}");
}

#[test]
fn leads_and_claims_are_exported_and_inspected() {
    let (_parent, path) = data();
    claims(&path).stop();
    let csv = exported(&path, &ALL, Format::Csv);
    let line = |word: &str| {
        let line = csv.lines().find(|line| line.contains(word)).expect(word).to_owned();
        line.splitn(3, ',').nth(2).expect("columns").to_owned()
    };
    assert_eq!(
        line("LEAD.OPEN"),
        ",1,1050,1970-01-01T00:00:01.050Z,LEAD.OPEN,,,,,,,90000,,,l1,,,,,,,3",
        "what does not apply is empty"
    );
    assert_eq!(line("LEAD.CLAIM"), "ann,2,1070,1970-01-01T00:00:01.070Z,LEAD.CLAIM,ann,5,,,,,,,,l1,,,,,,1,3");
    assert_eq!(line("CAPTURE"), "ann,3,1080,1970-01-01T00:00:01.080Z,CAPTURE,ann,5,-5,-5,15,0,,5,0,l1,,,,,,1,");
    assert_eq!(line("RELEASE"), "cy,3,1100,1970-01-01T00:00:01.100Z,RELEASE,cy,5,0,-5,20,0,,,,l1,,lead,LEADFULL,,,,");
    let count = |filter: Filter| exported(&path, &filter, Format::Jsonl).lines().count();
    let ids = |id: &str| BTreeSet::from([id.as_bytes().to_vec()]);
    assert_eq!(count(Filter { accounts: ids("ann"), ..ALL }), 3, "the trail of an account, not its lead's");
    assert_eq!(count(Filter { leads: ids("l1"), ..ALL }), 9, "all that names the lead");
    assert_eq!(count(Filter { leads: ids("l1"), types: BTreeSet::from(["LEAD.CLAIM"]), ..ALL }), 2);
    assert_eq!(count(Filter { leads: ids("l2"), ..ALL }), 0);
    let (text, faults) = inspected(&segments(&path)[0], Inspection { records: true, ..Inspection::default() });
    assert_eq!(faults, 0, "{text}");
    assert!(text.contains(" type=LEAD.CLAIM tx=bob amount=0 lead=l1 claim=2 max=3\n"), "{text}");
}
