//! Copies begun, stepped and ended anywhere in a story: read back, with the log behind them, they give the living state.

use super::desk::{Desk, LIMITS, Part, SEEDS, START_MS};
use crate::ledger::codec::{Record, encode};
use crate::ledger::command::{Command, LeadOp, Op};
use crate::ledger::id::Lsn;
use crate::ledger::snapshot::{Copied, Copying, Restore, Section};
use crate::ledger::{Ledger, Limits, Prior, Totals};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Do {
        account: u8,
        tx: u8,
        of: u8,
        op: Op,
    },
    /// So many new ids, of ever more accounts.
    Crowd(u32),
    /// An account that is not of the few, with refunds.
    Newcomer,
    /// Opens a lead, or asks for it.
    Lead {
        lead: u8,
        op: LeadOp,
    },
    Claim {
        account: u8,
        tx: u8,
        lead: u8,
        cost: u64,
    },
    /// One of the claims that run asks its lead, and ends if it is told to.
    Run {
        nth: usize,
        ends: bool,
    },
    Tick(u64),
    Wake,
    /// Begins a copy, so many blocks before the newest one's end.
    Copy {
        back: usize,
    },
    Advance {
        items: u64,
    },
    /// Restores from a copy that was finished, and goes on from there.
    Restart {
        back: usize,
    },
}

/// A finished copy.
struct Copy {
    begin: Lsn,
    needed: Lsn,
    parts: Vec<Part>,
}

struct Teller {
    desk: Desk,
    copying: Option<(Copying, Copy)>,
    copies: Vec<Copy>,
    crowd: u32,
}

impl Teller {
    fn new(limits: Limits, block_len: usize) -> Self {
        let mut desk = Desk::new(limits);
        desk.block_len = block_len;
        Self { desk, copying: None, copies: Vec::new(), crowd: 0 }
    }

    fn tell(&mut self, step: Step) {
        match step {
            Step::Do { account, tx, of, op } => {
                let (account, tx, of) = ([b'a' + account; 30], [b'0' + tx; 3], [b'0' + of; 3]);
                let of = if matches!(op, Op::Refund { .. }) { &of[..] } else { b"" };
                self.desk.execute(&Command { of, ..Command::new(&account, &tx, op) });
            }
            Step::Crowd(count) => {
                for _ in 0..count {
                    self.crowd += 1;
                    // Of ten commands five are of new accounts, four of older ones, one is of the first.
                    let account = match self.crowd % 10 {
                        0 => 1,
                        1..5 => self.crowd / 2,
                        _ => self.crowd,
                    };
                    let op = Op::Grant { amount: 3 };
                    self.desk.execute(&Command::new(&account.to_le_bytes(), &self.crowd.to_le_bytes(), op));
                }
            }
            Step::Lead { lead, op } => {
                self.desk.ask(&Command { lead: &[b'l', lead], ..Command::new(b"", b"", Op::Lead(op)) });
            }
            Step::Claim { account, tx, lead, cost } => {
                let (account, tx, lead) = ([b'a' + account; 30], [b'0' + tx; 3], [b'l', lead]);
                self.desk.execute(&Command { lead: &lead, ..Command::new(&account, &tx, Op::Claim { cost }) });
            }
            Step::Run { nth, ends } => self.desk.run_claim(nth, ends),
            Step::Tick(ms) => self.desk.now_ms += ms,
            Step::Wake => self.desk.wake(),
            Step::Newcomer => {
                self.crowd += 1;
                let account = [b'A' + (self.crowd % 26) as u8; 30];
                for (tx, op) in [(b"0", Op::Grant { amount: 9 }), (b"1", Op::Debit { amount: 9 })] {
                    self.desk.execute(&Command::new(&account, tx, op));
                }
                for tx in [b"2", b"3"] {
                    let op = Op::Refund { amount: Some(2) };
                    self.desk.execute(&Command { of: b"1", ..Command::new(&account, tx, op) });
                }
            }
            Step::Copy { .. } if self.copying.is_some() => {}
            Step::Copy { back } => {
                let begin = self.desk.closed_lsn(back);
                let copy = Copy { begin, needed: begin, parts: Vec::new() };
                self.copying = Some((self.desk.ledger.copying(begin), copy));
            }
            Step::Advance { items } => self.copy_step(items),
            Step::Restart { back } => {
                self.copying = None;
                let copy = self.copies.iter().rev().nth(back);
                self.desk.ledger =
                    self.desk.restore(copy.map_or(&[], |copy| &copy.parts), copy.map_or(0, |copy| copy.begin));
            }
        }
    }

    fn copy_step(&mut self, items: u64) {
        let Some((copying, copy)) = &mut self.copying else { return };
        let mut out = Vec::new();
        match self.desk.ledger.copy_some(copying, items, &mut out) {
            Copied::Items { section, count } => {
                if section == Section::Transactions {
                    let lsns =
                        out.chunks_exact(24).map(|item| u64::from_le_bytes(item[16..].try_into().expect("a word")));
                    assert!(lsns.max().is_none_or(|lsn| lsn < copy.begin), "later ids come with the log");
                }
                copy.parts.push((section, count, out));
            }
            Copied::Done => {
                copy.needed = self.desk.ledger.footer(copying, self.desk.next_lsn(), &mut out);
                copy.parts.push((Section::Footer, 1, out));
                let (_, copy) = self.copying.take().expect("it is there");
                self.check_needed(&copy);
                self.copies.push(copy);
                self.check();
            }
        }
    }

    /// What remembered ids and holds point to stands above what is needed.
    fn check_needed(&self, copy: &Copy) {
        for (_, prior) in self.desk.ledger.index.kept() {
            let lsn = match prior {
                Prior::Unknown => continue,
                Prior::Active(slot) => self.desk.ledger.opened_lsn(slot),
                Prior::Recorded(lsn) => self.desk.record(lsn).opened_lsn().unwrap_or(lsn).min(lsn),
            };
            assert!(lsn >= copy.needed, "an id needs lsn {lsn}, the log may end at {}", copy.needed);
        }
    }

    /// Every copy gives the living state.
    fn check(&self) {
        self.desk.check();
        let living = &self.desk.ledger;
        let sizes = |ledger: &Ledger| Totals { account_bytes: 0, index_bytes: 0, index_entries: 0, ..ledger.totals() };
        for copy in &self.copies {
            let restored = self.desk.restore(&copy.parts, copy.begin);
            restored.check().unwrap_or_else(|violation| panic!("{violation}"));
            assert_eq!(sizes(&restored), sizes(living));
            let leads = |ledger: &Ledger| (ledger.leads().next_expiry().is_some(), ledger.leads().open_count());
            assert_eq!(leads(&restored), leads(living));
            assert_eq!(restored.digest(), living.digest(), "a snapshot from {} gives the living state", copy.begin);
            assert!(restored.retention.needed() <= living.retention.needed());
        }
    }
}

/// Few accounts and ids, so that an id is used, forgotten and used again, with everything a hold can come to.
fn step() -> impl Strategy<Value = Step> {
    let op = prop_oneof![
        3 => (1..8u64).prop_map(|amount| Op::Grant { amount }),
        2 => (1..8u64).prop_map(|amount| Op::Debit { amount }),
        8 => ((1..4u64), (1..90u64)).prop_map(|(amount, ttl_ms)| Op::Reserve { amount, ttl_ms }),
        2 => prop::option::of(1..4u64).prop_map(|amount| Op::Capture { amount }),
        2 => Just(Op::Release),
        3 => prop::option::of(1..4u64).prop_map(|amount| Op::Refund { amount }),
    ];
    prop_oneof![
        20 => (0..5u8, 0..4u8, 0..4u8, op).prop_map(|(account, tx, of, op)| Step::Do { account, tx, of, op }),
        4 => (0..4u8, lead_op()).prop_map(|(lead, op)| Step::Lead { lead, op }),
        8 => (0..5u8, 0..4u8, 0..4u8, 0..3u64).prop_map(|(account, tx, lead, cost)| {
            Step::Claim { account, tx, lead, cost }
        }),
        6 => (0..9usize, prop::bool::weighted(0.7)).prop_map(|(nth, ends)| Step::Run { nth, ends }),
        1 => (1..8u32).prop_map(Step::Crowd),
        1 => Just(Step::Newcomer),
        4 => prop_oneof![9 => 0..25u64, 1 => 25..400u64].prop_map(Step::Tick),
        1 => Just(Step::Wake),
        3 => (0..4usize).prop_map(|back| Step::Copy { back }),
        3 => (1..4u64).prop_map(|items| Step::Advance { items }),
        1 => (0..3usize).prop_map(|back| Step::Restart { back }),
    ]
}

fn lead_op() -> impl Strategy<Value = LeadOp> {
    let open = (1..4u32, prop::option::of(1..200u64)).prop_map(|(max, ttl_ms)| LeadOp::Open { max, ttl_ms });
    prop_oneof![8 => open, 1 => Just(LeadOp::Close), 1 => Just(LeadOp::Get)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn a_copy_and_the_log_behind_it_give_the_living_state(
        steps in prop::collection::vec(step(), 1..300),
        retention_ms in prop_oneof![1 => Just(u64::MAX), 1 => Just(300), 3 => Just(40)],
        block_len in 1..6usize,
    ) {
        let mut teller = Teller::new(Limits { tx_retention_ms: retention_ms, ..LIMITS }, block_len);
        for step in steps {
            teller.tell(step);
        }
        teller.check();
    }
}

/// So many ids that the index has several tables, which split between the steps; so many entries of one account that it
/// has anchors.
fn crowded_step() -> impl Strategy<Value = Step> {
    let many = prop_oneof![2 => 0..600u32, 1 => 2_000..6_000u32];
    prop_oneof![
        3 => many.prop_map(Step::Crowd),
        1 => (0..300usize).prop_map(|back| Step::Copy { back }),
        4 => Just(Step::Advance { items: 4_000 }),
        1 => Just(Step::Tick(9)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 30, ..ProptestConfig::default() })]
    #[test]
    fn tables_split_and_accounts_open_while_they_are_copied(
        crowd in 12_000..40_000u32, steps in prop::collection::vec(crowded_step(), 1..16)
    ) {
        let limits = Limits { accounts_max: u32::MAX, tx_index_bytes_max: u64::MAX, tx_retention_ms: 30, ..LIMITS };
        let mut teller = Teller::new(limits, 100);
        for step in [Step::Crowd(crowd), Step::Copy { back: 2 }].into_iter().chain(steps) {
            teller.tell(step);
        }
        while teller.copying.is_some() {
            teller.tell(Step::Advance { items: 4_000 });
        }
        teller.tell(Step::Crowd(500));
        teller.check();
    }
}

impl Teller {
    /// A command of the first account.
    fn run(&mut self, tx: u8, of: u8, op: Op) {
        self.tell(Step::Do { account: 0, tx, of, op });
    }

    /// A copy from start to end.
    fn copy(&mut self) -> &Copy {
        self.tell(Step::Copy { back: 0 });
        while self.copying.is_some() {
            self.tell(Step::Advance { items: 1 });
        }
        self.copies.last().expect("it is finished")
    }
}

#[test]
fn tables_that_split_while_accounts_are_copied_are_not_copied_again() {
    let limits = Limits { accounts_max: u32::MAX, tx_index_bytes_max: u64::MAX, ..LIMITS };
    let mut teller = Teller::new(limits, 100);
    teller.tell(Step::Crowd(12_000));
    teller.tell(Step::Copy { back: 2 });
    while teller.copying.is_some() {
        teller.tell(Step::Advance { items: 1_000 });
        teller.tell(Step::Crowd(3_000));
    }
    teller.check();
}

#[test]
fn a_snapshot_tells_what_the_log_is_needed_for() {
    let mut teller = Teller::new(Limits { tx_retention_ms: 1_000, ..LIMITS }, 1);
    teller.run(0, 0, Op::Grant { amount: 50 });
    let debit = teller.desk.next_lsn();
    teller.run(1, 0, Op::Debit { amount: 4 });
    let hold = teller.desk.next_lsn();
    teller.run(2, 0, Op::Reserve { amount: 2, ttl_ms: 60_000 });
    assert_eq!(teller.copy().needed, debit - 8, "the grant is remembered");
    teller.run(3, 1, Op::Refund { amount: Some(1) });
    teller.tell(Step::Tick(2_000));
    // What is forgotten is seen when something happens. From here on nothing older than the hold is remembered.
    teller.desk.block_len = 2;
    teller.run(4, 0, Op::Debit { amount: 1 });
    teller.run(4, 0, Op::Debit { amount: 1 });
    assert_eq!(teller.copy().needed, hold);
    assert_eq!(
        teller.desk.restore(&teller.copies[1].parts, teller.copies[1].begin).floor(),
        teller.desk.ledger.floor()
    );
    teller.run(2, 0, Op::Capture { amount: None });
    assert_eq!(teller.copy().needed, hold, "its end points to it, in a block");
    teller.tell(Step::Tick(900));
    teller.run(1, 1, Op::Release);
    assert_eq!(teller.copy().needed, hold, "and in an open one");
    teller.tell(Step::Tick(900));
    teller.run(5, 0, Op::Debit { amount: 1 });
    teller.run(6, 5, Op::Refund { amount: None });
    let restored = teller.desk.restore(&teller.copies[3].parts, teller.copies[3].begin);
    assert_eq!(restored.retention.needed(), teller.desk.ledger.retention.needed());
    assert!(teller.copy().needed > hold, "it is forgotten");
}

#[test]
fn behind_its_end_a_snapshot_excuses_nothing() {
    let mut teller = Teller::new(LIMITS, 1);
    teller.run(0, 0, Op::Grant { amount: 50 });
    let parts = teller.copy().parts.clone();
    let mut restore = Restore::new(LIMITS, SEEDS);
    for (section, count, bytes) in &parts {
        restore.part(*section as u8, *count, bytes).expect("a part");
    }
    let grant = teller.desk.record(4096);
    let mut again = |lsn| {
        let mut record = Vec::new();
        encode(&grant, &mut record);
        restore.block(lsn, START_MS, &record).expect("in order");
        restore.record(&Record::Entry(grant), lsn)
    };
    again(4096).expect("the snapshot has it");
    again(teller.desk.next_lsn()).expect_err("an account opens once");
}

#[test]
fn a_log_older_than_the_snapshot_says_contradicts_it() {
    let mut teller = Teller::new(Limits { tx_retention_ms: 1_000, ..LIMITS }, 1);
    for tx in 0..3 {
        teller.run(tx, 0, Op::Grant { amount: 50 });
    }
    let (parts, end) = (teller.copy().parts.clone(), teller.desk.next_lsn());
    let mut restore = Restore::new(LIMITS, SEEDS);
    for (section, count, bytes) in &parts {
        restore.part(*section as u8, *count, bytes).expect("a part");
    }
    restore.check_time(end + 1, START_MS).expect("the clock stood still");
    restore.check_time(end + 1, START_MS - 1).expect_err("blocks of the snapshot are younger");
    restore.block(end, START_MS - 1, &[]).expect("not looked at until its end is known");
    restore.block(end + 4096, START_MS, &[]).expect_err("it is older than the one before");
}

/// A finished copy with every kind of item, in small parts.
fn small_copy() -> Copy {
    let mut teller = Teller::new(Limits { tx_retention_ms: 1_000, ..LIMITS }, 1);
    let reserve = |ttl_ms| Op::Reserve { amount: 2, ttl_ms };
    let steps = [
        (0, Op::Grant { amount: 50 }),
        (1, Op::Debit { amount: 4 }),
        (2, reserve(500)),
        (3, reserve(400)),
        (4, Op::Refund { amount: Some(1) }),
        (5, reserve(300)),
        (5, Op::Capture { amount: None }),
    ];
    for account in 0..2 {
        for (tx, op) in steps {
            teller.tell(Step::Do { account, tx, of: 1, op });
            teller.tell(Step::Tick(1));
        }
    }
    for (lead, max) in [(0, 1), (1, 3), (2, 3), (3, 3)] {
        teller.tell(Step::Lead { lead, op: LeadOp::Open { max, ttl_ms: (lead > 1).then_some(500) } });
    }
    for (account, tx, lead) in [(0, 6, 0), (0, 7, 1), (1, 7, 1), (1, 8, 2)] {
        teller.tell(Step::Claim { account, tx, lead, cost: 1 });
        teller.tell(Step::Run { nth: 0, ends: lead != 2 });
    }
    teller.tell(Step::Lead { lead: 3, op: LeadOp::Close });
    teller.copy();
    teller.copies.pop().expect("it is finished")
}

#[test]
fn nothing_in_a_snapshot_points_behind_its_end_and_it_ends_within_its_log() {
    let copy = small_copy();
    let end_at = 8 * 6 + 16 * 5;
    let with_end = |end: u64| {
        let mut restore = Restore::new(LIMITS, SEEDS);
        for (section, count, bytes) in &copy.parts {
            let mut bytes = bytes.clone();
            if *section == Section::Footer {
                bytes[end_at..end_at + 8].copy_from_slice(&end.to_le_bytes());
            }
            restore.part(*section as u8, *count, &bytes).map_err(|error| error.to_string())?;
        }
        Ok::<_, String>(restore)
    };
    let (_, _, footer) = copy.parts.last().expect("it has a footer");
    let end = u64::from_le_bytes(*footer[end_at..].first_chunk().expect("it is in the footer"));
    let newest = (0..end).rfind(|end| with_end(*end).is_err()).expect("something is pointed to");
    assert!(with_end(newest).is_err_and(|error| error.contains("below the end")));
    let at = |lsn| with_end(end).expect("as it was written").end(lsn, u64::MAX);
    at(end).expect("the log ends where the snapshot does");
    assert!(at(end - 1).is_err_and(|violation| violation.to_string().contains("within its log")));
}

/// Loads parts to the end; whether that is a ledger.
fn load<'a>(parts: impl IntoIterator<Item = (u8, u32, &'a [u8])>) -> bool {
    let mut restore = Restore::new(LIMITS, SEEDS);
    parts.into_iter().all(|(section, count, bytes)| restore.part(section, count, bytes).is_ok())
        && restore.into_ledger().is_ok()
}

/// As [`load`], with another part in place of one.
fn load_with<'a>(parts: &[(u8, u32, &'a [u8])], at: usize, part: (u8, u32, &'a [u8])) -> bool {
    load(parts[..at].iter().copied().chain([part]).chain(parts[at + 1..].iter().copied()))
}

#[test]
fn what_is_no_snapshot_is_refused_and_nothing_panics() {
    let copy = small_copy();
    let parts: Vec<_> = copy.parts.iter().map(|(section, count, bytes)| (*section as u8, *count, &bytes[..])).collect();
    assert!(parts.len() == 13 && load(parts.iter().copied()));
    for (at, &(section, count, bytes)) in parts.iter().enumerate() {
        for len in 0..bytes.len() {
            assert!(!load_with(&parts, at, (section, count, &bytes[..len])), "part {at} cut at {len}");
        }
        let longer = [bytes, &[0]].concat();
        assert!(!load_with(&parts, at, (section, count, &longer)), "part {at} with a byte more");
        for section in (0..=u8::MAX).filter(|other| *other != section) {
            assert!(!load_with(&parts, at, (section, count, bytes)), "part {at} as section {section}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            load_with(&parts, at, (section, count, &bytes)); // a figure that could be is found by checksums, not here
        }
        let without = parts.iter().copied().enumerate().filter(|(other, _)| *other != at).map(|(_, part)| part);
        assert!(!load(without), "part {at} is missing");
        let twice =
            parts.iter().copied().enumerate().flat_map(|(other, part)| vec![part; 1 + usize::from(other == at)]);
        assert!(!load(twice), "part {at} is there twice");
    }
}

#[test]
fn claims_that_come_while_leads_are_copied_come_again_with_the_log() {
    let mut teller = Teller::new(LIMITS, 1);
    for account in 0..5 {
        teller.tell(Step::Do { account, tx: 0, of: 0, op: Op::Grant { amount: 50 } });
    }
    for lead in 0..3 {
        teller.tell(Step::Lead { lead, op: LeadOp::Open { max: 9, ttl_ms: None } });
    }
    teller.tell(Step::Copy { back: 0 });
    // Before each step of the copy a claim is made, and a lead opens.
    let mut n = 0;
    while teller.copying.is_some() {
        teller.tell(Step::Claim { account: n % 5, tx: 9 + n, lead: n % 4, cost: 1 });
        teller.tell(Step::Run { nth: 0, ends: n % 3 != 0 });
        teller.tell(Step::Lead { lead: 3 + n % 4, op: LeadOp::Open { max: 2, ttl_ms: Some(1_000) } });
        teller.tell(Step::Advance { items: 1 });
        n += 1;
    }
    let sections = |section| teller.copies[0].parts.iter().filter(|part| part.0 == section).map(|part| part.1).sum();
    let (leads, claims): (u32, u32) = (sections(Section::Leads), sections(Section::Claims));
    assert!(leads == 3 && claims > 5, "{leads} leads, {claims} claims of {n} steps");
    assert!(teller.desk.ledger.leads().claim_count() > claims + 1, "some are of newer leads, some came too late");
    for _ in 0..9 {
        teller.tell(Step::Run { nth: 0, ends: true });
    }
    teller.tell(Step::Tick(2_000));
    teller.tell(Step::Wake);
    teller.check();
}

#[test]
fn a_snapshot_of_content_1_is_read() {
    let mut teller = Teller::new(LIMITS, 1);
    teller.run(0, 0, Op::Grant { amount: 50 });
    teller.run(2, 0, Op::Reserve { amount: 2, ttl_ms: 60_000 });
    let mut parts = teller.copy().parts.clone();
    let footer = &mut parts.last_mut().expect("a footer").2;
    assert_eq!(footer.split_off(footer.len() - 16), [0; 16], "no leads, no claims");
    let begin = teller.copies[0].begin;
    assert_eq!(teller.desk.restore(&parts, begin).digest(), teller.desk.ledger.digest());
}
