//! What waits behind REFUNDs, as the contract has it: the first that goes aside on an account is a REFUND; what comes
//! later waits behind it, up to 64; and all of it comes back at once, in order.

use creditd::ledger::command::{Command, Op};
use creditd::shard::batch::{Batch, Ticket};
use std::collections::BTreeMap;

/// Commands that may wait behind a REFUND (journal.md 2).
const BEHIND_MAX: usize = 64;

/// Per account: a REFUND, and what waits behind it.
#[derive(Default)]
pub struct Asides {
    queues: BTreeMap<Vec<u8>, Queue>,
    /// The REFUND that is now decided, and whether it heard of too long a walk.
    head: Option<(Ticket, bool)>,
}

struct Queue {
    tickets: Vec<Ticket>,
    too_long: bool,
}

impl Asides {
    /// A command goes aside. `too_long`: if it is the first, it finds that the walk is too long.
    pub fn put(&mut self, ticket: Ticket, command: &Command<'_>, too_long: bool) {
        self.head = None;
        let queue = self.queues.entry(command.account.to_vec()).or_insert_with(|| {
            assert!(matches!(command.op, Op::Refund { .. }), "nothing but a REFUND makes others wait: {command:?}");
            Queue { tickets: Vec::new(), too_long }
        });
        queue.tickets.push(ticket);
        assert!(queue.tickets.len() <= 1 + BEHIND_MAX, "the queue is bounded");
    }

    /// Whether the commands of an account cannot even wait. They must not be decided while they can.
    pub fn is_full(&self, account: &[u8]) -> bool {
        self.queues.get(account).is_some_and(|queue| {
            assert_eq!(queue.tickets.len(), 1 + BEHIND_MAX, "a command overtakes the REFUND before it");
            true
        })
    }

    /// Whether a command of an account goes behind a REFUND.
    pub fn waits(&self, account: &[u8]) -> bool {
        self.queues.get(account).is_some_and(|queue| queue.tickets.len() <= BEHIND_MAX)
    }

    /// What was aside comes back.
    pub fn back(&mut self, batch: &Batch) {
        let (_, first, command) = batch.iter().next().expect("there is a REFUND in it");
        let queue = self.queues.remove(command.account).expect("something of the account was aside");
        let tickets: Vec<_> = batch.iter().map(|(_, ticket, _)| ticket).collect();
        assert_eq!(tickets, queue.tickets, "all that was aside comes back, in order");
        self.head = Some((first, queue.too_long));
    }

    /// If this is the REFUND that was looked for: whether the walk was too long.
    pub fn take_back(&mut self, ticket: Ticket) -> Option<bool> {
        self.head.take_if(|(head, _)| *head == ticket).map(|(_, too_long)| too_long)
    }
}
