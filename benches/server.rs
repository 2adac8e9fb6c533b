//! The threads: what a command costs that is for another core, and what every read of a clock costs.
//!
//! Mailbox and doorbell are the server's own; measured here is what they are made of, in the same order: a bounded
//! crossbeam channel each way, and tokio's waker for a core that sleeps. The doorbell's flag and fences, some 10 ns a
//! message, are not among it.

use crate::crowd::{NOW_MS, account, tx};
use creditd::clock::{Clock, SystemClock};
use creditd::ledger::command::{Command, Op};
use creditd::ledger::outcome::{Figures, Outcome};
use creditd::shard::batch::{Batch, Reply, Ticket};
use crossbeam_channel::{Receiver, Sender, bounded};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use std::future::poll_fn;
use std::sync::OnceLock;
use std::task::{Poll, Waker};
use std::thread;

#[divan::bench(sample_size = 1000)]
fn clock() -> u64 {
    SystemClock.boot_ns()
}

/// Which hash slot an account is in: what every command of a directory of several shards pays.
#[divan::bench(sample_size = 1000)]
fn slot() -> u16 {
    redis_protocol::redis_keyslot(black_box(b"a00000000001"))
}

/// So many commands to a core that is awake, and their outcomes back: two hops.
#[divan::bench(args = [1, 16, 64], sample_size = 100)]
fn there_and_back_awake(bencher: Bencher<'_, '_>, commands: u64) {
    let (batches, inbox) = bounded(64);
    let (outbox, replies) = bounded(64);
    thread::scope(|scope| {
        scope.spawn(move || {
            loop {
                match inbox.try_recv() {
                    Ok(batch) => answer(&batch, &outbox),
                    Err(error) if error.is_disconnected() => break,
                    Err(_) => std::hint::spin_loop(),
                }
            }
        });
        there_and_back(bencher, commands, &batches, &replies, || {});
        drop(batches);
    });
}

/// The same to a core that sleeps, which the waker wakes; the sender does not sleep.
#[divan::bench(args = [16], sample_size = 100)]
fn there_and_back_asleep(bencher: Bencher<'_, '_>, commands: u64) {
    let (batches, inbox) = bounded::<Batch>(64);
    let (outbox, replies) = bounded(64);
    let waker = OnceLock::new();
    let wake = || waker.get().map_or((), Waker::wake_by_ref);
    thread::scope(|scope| {
        scope.spawn(|| {
            let core = poll_fn(|context| {
                waker.get_or_init(|| context.waker().clone());
                loop {
                    match inbox.try_recv() {
                        Ok(batch) => answer(&batch, &outbox),
                        Err(error) if error.is_disconnected() => return Poll::Ready(()),
                        Err(_) => return Poll::Pending,
                    }
                }
            });
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
            runtime.block_on(core);
        });
        there_and_back(bencher, commands, &batches, &replies, wake);
        drop(batches);
        wake();
    });
}

fn there_and_back(
    bencher: Bencher<'_, '_>,
    commands: u64,
    batches: &Sender<Batch>,
    replies: &Receiver<Vec<Reply>>,
    wake: impl Fn(),
) {
    let ticket = Ticket { core: 0, connection: 0, generation: 0, slot: 0 };
    bencher.counter(ItemsCount::new(commands)).bench_local(|| {
        let mut batch = Batch::default();
        for n in 0..commands {
            batch.push(0, ticket, &Command::new(&account(n), &tx(n), Op::Debit { amount: 5 }));
        }
        batches.try_send(batch).expect("room for one");
        wake();
        loop {
            if let Ok(replies) = replies.try_recv() {
                break replies;
            }
            std::hint::spin_loop();
        }
    });
}

fn answer(batch: &Batch, outbox: &Sender<Vec<Reply>>) {
    let outcome = Outcome::Balance(Figures { time_ms: NOW_MS, ..Figures::default() });
    let reply = |(_, ticket, _)| Reply { ticket, outcome: outcome.clone() };
    outbox.try_send(batch.iter().map(reply).collect()).expect("room for one");
}
