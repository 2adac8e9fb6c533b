//! The joint: a turn's commands through a shard with a million accounts, and back as outcomes. No disk, no wire.

use crate::crowd::{Dice, FUND, FUNDS, Id, LIMITS, NOW_MS, SEEDS, account, opening, tx};
use crate::void::{self, Void};
use creditd::journal::{Committer, Opened, SimStorage, Storage};
use creditd::ledger::command::{Command, Op};
use creditd::ledger::{Ledger, Sought};
use creditd::shard::batch::{Batch, Reply, Ticket};
use creditd::shard::{Executed, Shard};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

const ACCOUNTS: u64 = 1_000_000;
/// Commands that the server looks up together.
const TOGETHER: usize = 16;
const TICKET: Ticket = Ticket { core: 0, connection: 0, generation: 0, slot: 0 };
const DEBIT: Op = Op::Debit { amount: 1 };
const RESERVE: Op = Op::Reserve { amount: 1, ttl_ms: 300_000 };
const CAPTURE: Op = Op::Capture { amount: None };

/// A shard, what commits for it, and what it has answered.
struct Desk {
    shard: Shard<<SimStorage as Storage>::Source>,
    committer: Committer<Void>,
    released: Vec<Reply>,
}

impl Desk {
    /// With [`ACCOUNTS`] accounts, and debits of account n with id n for those that are replayed.
    fn open() -> Self {
        let opened = void::log();
        let reader = opened.reader();
        let Opened { committer, log, .. } = opened;
        let patience = creditd::shard::Patience { walk_max: 1, claim_timeout_ms: 5_000 };
        let shard = Shard::new(0, Ledger::new(LIMITS, SEEDS), log, reader, NOW_MS, patience);
        let mut desk = Self { shard, committer, released: Vec::new() };
        for first in (0..ACCOUNTS).step_by(1000) {
            desk.turn(&batch((first..first + 1000).map(|n| (account(n), opening(n), FUND))));
        }
        desk.turn(&batch((0..1000).map(|n| (account(n), tx(n), DEBIT))));
        desk
    }

    /// Runs commands as a core does, seals their block, takes it for durable and lets the outcomes go.
    fn turn(&mut self, batch: &Batch) {
        let (mut ahead, mut commands) = (batch.iter(), batch.iter());
        let mut together = Vec::with_capacity(TOGETHER);
        while commands.len() > 0 {
            self.look_up(&mut ahead, &mut together);
            for (sought, (_, ticket, command)) in together.drain(..).zip(&mut commands) {
                let executed = self.shard.execute(NOW_MS, ticket, &command, sought, &mut self.released);
                assert_eq!(executed, Executed::Decided);
            }
        }
        if let Some(block) = self.shard.take_block() {
            let durable = self.committer.commit(&block).expect("nothing is stored");
            drop(block);
            self.shard.committed(durable, &mut self.released);
        }
        self.released.clear();
    }

    /// Looks up the next commands side by side.
    fn look_up<'b>(&self, ahead: &mut impl Iterator<Item = (u16, Ticket, Command<'b>)>, together: &mut Vec<Sought>) {
        together.extend(ahead.take(TOGETHER).map(|(_, _, command)| self.shard.prepare(&command)));
        together.iter().for_each(|sought| self.shard.ledger().approach(sought));
        together.iter_mut().for_each(|sought| self.shard.ledger().sight(sought));
        together.iter().for_each(|sought| self.shard.ledger().reach(sought));
    }
}

fn batch(commands: impl Iterator<Item = (Id, Id, Op)>) -> Batch {
    let mut batch = Batch::default();
    commands.for_each(|(account, tx, op)| batch.push(0, TICKET, &Command::new(&account, &tx, op)));
    batch
}

/// What sixteen commands are.
#[derive(Clone, Copy, Debug)]
enum Load {
    /// Of random accounts.
    Debit,
    /// Of one account.
    DebitHot,
    /// Of random accounts, executed before, records in memory.
    Replay,
    /// Refused for want of credits, and remembered.
    Decline,
    /// Eight holds and their captures.
    ReserveCapture,
    /// Of random accounts, all durable.
    Balance,
}

impl Load {
    /// Sixteen commands with ids from `first` on.
    fn commands(self, dice: &mut Dice, first: u64) -> Batch {
        let mut random = || account(dice.below(ACCOUNTS));
        let ids = first..first + 16;
        match self {
            Load::Debit => batch(ids.map(|n| (random(), tx(n), DEBIT))),
            Load::DebitHot => batch(ids.map(|n| (account(7), tx(n), DEBIT))),
            Load::Replay => batch(ids.map(|n| (account(n % 1000), tx(n % 1000), DEBIT))),
            Load::Decline => batch(ids.map(|n| (random(), tx(n), Op::Debit { amount: 2 * FUNDS }))),
            Load::ReserveCapture => batch(ids.step_by(2).flat_map(|n| {
                let account = random();
                [(account, tx(n), RESERVE), (account, tx(n), CAPTURE)]
            })),
            Load::Balance => {
                let mut batch = Batch::default();
                ids.for_each(|_| batch.push(0, TICKET, &Command::new(&random(), b"", Op::Balance)));
                batch
            }
        }
    }
}

const LOADS: [Load; 6] =
    [Load::Debit, Load::DebitHot, Load::Replay, Load::Decline, Load::ReserveCapture, Load::Balance];

/// Sixteen debits looked up side by side, and no more.
#[divan::bench(args = [Load::Debit, Load::DebitHot], sample_size = 100)]
fn look_up(bencher: Bencher<'_, '_>, load: Load) {
    let desk = Desk::open();
    let mut together = Vec::new();
    measure(
        bencher,
        16,
        |dice, first| load.commands(dice, first),
        |batch| {
            desk.look_up(&mut batch.iter(), &mut together);
            black_box(&mut together).clear();
        },
    );
}

/// Sixteen commands, their block sealed, their outcomes released.
#[divan::bench(args = LOADS, sample_size = 100)]
fn sixteen(bencher: Bencher<'_, '_>, load: Load) {
    let mut desk = Desk::open();
    measure(bencher, 16, |dice, first| load.commands(dice, first), |batch| desk.turn(batch));
}

/// The same for so many debits of random accounts.
#[divan::bench(args = [1, 16, 64, 256], sample_size = 20)]
fn debits(bencher: Bencher<'_, '_>, commands: u64) {
    let mut desk = Desk::open();
    let make = |dice: &mut Dice, first| {
        batch((first..first + commands).map(|n| (account(dice.below(ACCOUNTS)), tx(n), DEBIT)))
    };
    measure(bencher, commands, make, |batch| desk.turn(batch));
}

/// Makes batches of so many commands with fresh ids, and times what is done with each.
fn measure(
    bencher: Bencher<'_, '_>,
    commands: u64,
    mut make: impl FnMut(&mut Dice, u64) -> Batch,
    mut timed: impl FnMut(&Batch),
) {
    let (mut dice, mut next) = (Dice(1), 1000);
    let batch = || {
        next += commands;
        make(&mut dice, next)
    };
    bencher.counter(ItemsCount::new(commands)).with_inputs(batch).bench_local_refs(|batch| timed(batch));
}
