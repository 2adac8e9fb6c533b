//! Leads: finding one, what a step of a claim does to it, its records, and its way back from a snapshot.

use crate::crowd::{Dice, Id, LIMITS, NOW_MS, SEEDS, account, tx};
use creditd::ledger::Ledger;
use creditd::ledger::command::{Command, LeadOp, Op};
use creditd::ledger::id::Lsn;
use creditd::ledger::lead::{LeadDecision, codec};
use creditd::ledger::snapshot::{Copied, Restore, Section};
use divan::Bencher;
use divan::counter::ItemsCount;

/// Claims of a lead.
const CLAIMS: u64 = 10;

const TAKE: LeadOp = LeadOp::Take { cost: 5, account_seq: 2 };

/// A ledger of leads, and the log positions that a shard would give it.
struct Market {
    ledger: Ledger,
    lsn: Lsn,
}

impl Market {
    /// So many open leads with ten claims each, made in turns: those of one lead lie far from each other.
    fn of(leads: u64) -> Self {
        let mut market = Self { ledger: Ledger::new(LIMITS, SEEDS), lsn: 4096 };
        for n in 0..leads {
            market.open(n, 100);
        }
        for claim in 0..CLAIMS {
            (0..leads).for_each(|n| assert!(market.take(n, claim)));
        }
        market
    }

    fn open(&mut self, lead: u64, max: u32) {
        assert!(self.execute(LeadOp::Open { max, ttl_ms: Some(86_400_000) }, lead, 0));
    }

    /// Account `n` takes a slot.
    fn take(&mut self, lead: u64, n: u64) -> bool {
        self.execute(TAKE, lead, n)
    }

    /// Looks for the lead, settles, decides, applies; whether there was a record.
    fn execute(&mut self, op: LeadOp, lead: u64, n: u64) -> bool {
        let (name, account, tx) = (id(lead), account(n), tx(n));
        let command = Command { lead: &name, ..Command::new(&account, &tx, Op::Lead(op)) };
        let at = self.ledger.leads().locate(&name);
        assert!(self.ledger.leads().settle(at, NOW_MS).is_none());
        let LeadDecision::Commit(event) = self.ledger.leads().decide(at, op, &command, NOW_MS) else { return false };
        self.lsn += 80;
        self.ledger.apply_lead(at, &event, self.lsn);
        true
    }

    /// All parts of a snapshot.
    fn copy(&self) -> Vec<(Section, u32, Vec<u8>)> {
        let (mut parts, mut copying) = (Vec::new(), self.ledger.copying(self.lsn + 1));
        loop {
            let mut out = Vec::new();
            let Copied::Items { section, count } = self.ledger.copy(&mut copying, &mut out) else {
                self.ledger.footer(&copying, self.lsn + 1, &mut out);
                parts.push((Section::Footer, 1, out));
                return parts;
            };
            parts.push((section, count, out));
        }
    }
}

/// The name of a lead.
fn id(n: u64) -> Id {
    let mut id = tx(n);
    id[0] = b'l';
    id
}

#[divan::bench(args = [1_000, 100_000], sample_size = 1000)]
fn lead_random(bencher: Bencher<'_, '_>, leads: u64) {
    let (market, mut dice) = (Market::of(leads), Dice(leads));
    bencher.with_inputs(|| id(dice.below(leads))).bench_local_refs(|id| market.ledger.leads().locate(id));
}

/// A slot of a lead at random is taken.
#[divan::bench(args = [1_000, 100_000], sample_size = 100)]
fn claim_taken(bencher: Bencher<'_, '_>, leads: u64) {
    let (mut market, mut dice, mut n) = (Market::of(leads), Dice(leads), CLAIMS);
    bencher.bench_local(|| {
        n += 1;
        market.take(dice.below(leads), n)
    });
}

/// A lead without a free slot is asked for one.
#[divan::bench(sample_size = 1000)]
fn claim_refused(bencher: Bencher<'_, '_>) {
    let (mut market, mut n) = (Market { ledger: Ledger::new(LIMITS, SEEDS), lsn: 4096 }, 3);
    market.open(1, 3);
    (0..3).for_each(|n| assert!(market.take(1, n)));
    bencher.bench_local(|| {
        n += 1;
        market.take(1, n)
    });
}

#[divan::bench(sample_size = 1000)]
fn claim_record(bencher: Bencher<'_, '_>) {
    let market = Market::of(1);
    let (name, account, tx) = (id(0), account(77), tx(77));
    let command = Command { lead: &name, ..Command::new(&account, &tx, Op::Lead(TAKE)) };
    let at = market.ledger.leads().locate(&name);
    let LeadDecision::Commit(event) = market.ledger.leads().decide(at, TAKE, &command, NOW_MS) else { panic!("open") };
    let mut record = Vec::with_capacity(256);
    bencher.bench_local(|| {
        record.clear();
        codec::encode(&event, &mut record)
    });
}

/// Leads with ten claims each from the parts of a snapshot; an item is a claim.
#[divan::bench(args = [100_000], sample_count = 3, sample_size = 1)]
fn snapshot_leads(bencher: Bencher<'_, '_>, leads: u64) {
    let parts = Market::of(leads).copy();
    bencher.counter(ItemsCount::new(leads * CLAIMS)).bench_local(|| {
        let mut restore = Restore::new(LIMITS, SEEDS);
        for (section, count, bytes) in &parts {
            restore.part(*section as u8, *count, bytes).expect("a part");
        }
        restore
    });
}

/// A step of a copy; the slowest is how long a command may wait for it.
#[divan::bench(args = [100_000], sample_size = 1)]
fn copy_step(bencher: Bencher<'_, '_>, leads: u64) {
    let market = Market::of(leads);
    let (mut copying, mut out) = (market.ledger.copying(market.lsn + 1), Vec::with_capacity(1 << 19));
    bencher.bench_local(|| {
        out.clear();
        if market.ledger.copy(&mut copying, &mut out) == Copied::Done {
            copying = market.ledger.copying(market.lsn + 1);
        }
    });
}
