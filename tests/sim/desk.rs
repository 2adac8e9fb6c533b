//! One shard that answers one command at a time: for stories that are told in order. It keeps no old block in memory, so
//! whatever is asked about the past is read from files.

use super::boot::log_id;
use creditd::journal::{BlockKind, Committer, Opened, PAGE, RecoveryOptions, SimDisk, SimStorage, SyncPolicy, recover};
use creditd::ledger::command::{Command, Op};
use creditd::ledger::outcome::{Outcome, Receipt, TxView};
use creditd::ledger::rejection::Rejection;
use creditd::ledger::{Limits, Seeds};
use creditd::shard::batch::{Batch, Reply, Ticket};
use creditd::shard::{Patience, Rebuild, Shard};

/// When stories start, unix milliseconds.
pub const START_MS: u64 = 1_790_000_000_000;

/// `tx-retention`, as it is usual.
pub const DAY_MS: u64 = 24 * 3_600_000;

/// Whom they are about.
pub const ACCOUNT: &[u8] = b"tradie:7";

/// The shard, its disk and its clock.
pub struct Desk {
    pub disk: SimDisk,
    pub now_ms: u64,
    pub shard: Shard<SimStorage>,
    committer: Committer<SimStorage>,
}

impl Desk {
    pub fn new() -> Self {
        let disk = SimDisk::new(24, log_id(0));
        let (shard, committer) = start(&disk, START_MS);
        Self { disk, now_ms: START_MS, shard, committer }
    }

    /// Goes on to a moment, counted from the start. Time is seen when a block is closed, as by any traffic.
    pub fn at(&mut self, ms: u64) {
        assert!(START_MS + ms >= self.now_ms, "time goes on");
        self.now_ms = START_MS + ms;
        self.shard.mark(BlockKind::Fence, self.now_ms);
        self.commit();
    }

    /// The power fails, and comes back; everything was durable.
    pub fn restart(&mut self) {
        self.disk.crash();
        (self.shard, self.committer) = start(&self.disk, self.now_ms);
        self.commit();
        let Outcome::Audit(_) = self.ask(Op::Audit, "") else { panic!("the trail and the account agree") };
    }

    pub fn ask(&mut self, op: Op, tx: &str) -> Outcome {
        self.run(&Command::new(ACCOUNT, tx.as_bytes(), op))
    }

    pub fn refund(&mut self, tx: &str, of: &str, amount: Option<u64>) -> Outcome {
        self.run(&Command { of: of.as_bytes(), ..Command::new(ACCOUNT, tx.as_bytes(), Op::Refund { amount }) })
    }

    pub fn view(&mut self, tx: &str) -> TxView {
        match self.ask(Op::Tx, tx) {
            Outcome::Tx(Some(view)) => *view,
            other => panic!("{tx} is found, not {other:?}"),
        }
    }

    /// Whether an id means something to a write; that of a declined RESERVE never does. Asked so that nothing changes.
    fn knows(&mut self, tx: &str) -> bool {
        let outcome = self.ask(Op::Capture { amount: Some(u64::MAX >> 11) }, tx);
        outcome != Outcome::Rejected(Rejection::NoReservation { op: None })
    }

    fn run(&mut self, command: &Command<'_>) -> Outcome {
        let ticket = Ticket { core: 0, connection: 0, generation: 0, slot: 0 };
        let mut batch = Batch::default();
        batch.push(0, ticket, command);
        let mut released = Vec::new();
        loop {
            for (_, ticket, command) in batch.iter() {
                let prepared = self.shard.prepare(&command);
                let _ = self.shard.execute(self.now_ms, ticket, &command, prepared, &mut released);
            }
            batch.clear();
            released.extend(self.commit());
            let errands = self.shard.take_recalls().into_iter().chain(self.shard.take_walk());
            for mut errand in errands.collect::<Vec<_>>() {
                errand.run(&mut self.shard.reader().window());
                batch = self.shard.returned(errand, &mut released).unwrap_or_default();
            }
            if let Some(reply) = released.pop() {
                return reply.outcome;
            }
        }
    }

    pub fn commit(&mut self) -> Vec<Reply> {
        let mut released = Vec::new();
        while let Some(block) = self.shard.take_block() {
            let durable = self.committer.commit(&block).expect("no disk is broken");
            self.shard.committed(durable, &mut released);
        }
        released
    }

    /// Asserts which ids writes know; the same again after a restart.
    #[track_caller]
    pub fn check(&mut self, known: &[&str], unknown: &[&str]) {
        for _ in 0..2 {
            for tx in known {
                assert!(self.knows(tx), "{tx} is forgotten too early");
            }
            for tx in unknown {
                assert!(!self.knows(tx), "{tx} should be forgotten");
            }
            self.restart();
        }
    }
}

fn start(disk: &SimDisk, now_ms: u64) -> (Shard<SimStorage>, Committer<SimStorage>) {
    let limits = Limits {
        holds_per_account_max: 1024,
        leads_max: 1_000,
        lead_slots_max: 100_000,
        accounts_max: 1_000,
        tx_index_bytes_max: 1 << 24,
        tx_retention_ms: DAY_MS,
    };
    let (id, policy, segment_len) = (log_id(0), SyncPolicy::Always, 300 * PAGE as u64);
    let options = RecoveryOptions { id, policy, segment_len, salt_seed: now_ms, now_ms, recent_len: 0 };
    let mut rebuild = Rebuild::new(limits, Seeds { index_key: [5, 6], map_seed: 7 });
    let opened = recover(disk.storage(), &options, &mut |entry| rebuild.take(entry), &mut |_, _| {});
    let opened = opened.expect("no disk is broken");
    let reader = opened.reader();
    let Opened { committer, log, .. } = opened;
    let patience = Patience { walk_max: 100_000, claim_timeout_ms: 5_000 };
    let mut shard = Shard::new(0, rebuild.into_ledger(), log, reader, now_ms, patience);
    shard.mark(BlockKind::Fence, now_ms);
    (shard, committer)
}

/// What a write was told.
pub fn receipt(outcome: &Outcome) -> Receipt {
    let Outcome::Written(receipt) = outcome else { panic!("a write, not {outcome:?}") };
    *receipt
}
