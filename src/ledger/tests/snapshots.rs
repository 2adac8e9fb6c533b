//! Copies begun, stepped and ended anywhere in a story: read back, with the log behind them, they give the living state.

use super::desk::{Desk, LIMITS, Part};
use crate::ledger::command::{Command, Op};
use crate::ledger::id::Lsn;
use crate::ledger::snapshot::{Copied, Copying, Section};
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
    Tick(u64),
    Wake,
    /// Begins a copy, so many blocks before the newest one's end.
    Copy {
        back: usize,
    },
    CopyStep {
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
                    // Every third command is of an account that is there, if not the first one is.
                    let account = if self.crowd % 3 == 0 { self.crowd / 2 } else { self.crowd };
                    let op = Op::Grant { amount: 3 };
                    self.desk.execute(&Command::new(&account.to_le_bytes(), &self.crowd.to_le_bytes(), op));
                }
            }
            Step::Tick(ms) => self.desk.now_ms += ms,
            Step::Wake => self.desk.wake(),
            Step::Copy { back } => {
                let begin = self.desk.closed_lsn(back);
                let copy = Copy { begin, needed: begin, parts: Vec::new() };
                self.copying = Some((self.desk.ledger.copying(begin), copy));
            }
            Step::CopyStep { items } => self.copy_step(items),
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
            Copied::Items { section, count } => copy.parts.push((section, count, out)),
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
        6 => ((1..4u64), (1..60u64)).prop_map(|(amount, ttl_ms)| Op::Reserve { amount, ttl_ms }),
        3 => prop::option::of(1..4u64).prop_map(|amount| Op::Capture { amount }),
        2 => Just(Op::Release),
        3 => prop::option::of(1..4u64).prop_map(|amount| Op::Refund { amount }),
    ];
    prop_oneof![
        16 => (0..6u8, 0..5u8, 0..5u8, op).prop_map(|(account, tx, of, op)| Step::Do { account, tx, of, op }),
        1 => (1..8u32).prop_map(Step::Crowd),
        3 => prop_oneof![9 => 0..25u64, 1 => 25..400u64].prop_map(Step::Tick),
        1 => Just(Step::Wake),
        1 => (0..4usize).prop_map(|back| Step::Copy { back }),
        6 => (1..4u64).prop_map(|items| Step::CopyStep { items }),
        1 => (0..3usize).prop_map(|back| Step::Restart { back }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn a_copy_and_the_log_behind_it_give_the_living_state(
        steps in prop::collection::vec(step(), 1..250),
        retention_ms in prop_oneof![Just(u64::MAX), Just(300), Just(40)],
        block_len in 1..6usize,
    ) {
        let mut teller = Teller::new(Limits { tx_retention_ms: retention_ms, ..LIMITS }, block_len);
        for step in steps {
            teller.tell(step);
        }
        teller.check();
    }
}
