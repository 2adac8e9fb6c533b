//! What clients were told, and whether it hangs together: knows no model, no shard, no log.

use super::clients::Request;
use creditd::ledger::command::Op;
use creditd::ledger::outcome::{Outcome, Receipt};
use std::collections::BTreeMap;

/// Remembers.
#[derive(Default)]
pub struct Witness {
    told: BTreeMap<(Vec<u8>, Vec<u8>, String), Told>,
    /// Answers that were known from before.
    pub replays: u64,
}

struct Told {
    receipt: Receipt,
    /// Somebody was told that it happens now.
    fresh: bool,
}

impl Witness {
    /// A client is told `outcome`. `forgets`: ids may be forgotten in this world, and mean something new later.
    pub fn hears(&mut self, request: &Request, outcome: &Outcome, forgets: bool) {
        let Outcome::Written(receipt) = outcome else { return };
        let key = (request.account.clone(), request.tx.clone(), verb_and_amount(request.op));
        let fresh = !receipt.replayed;
        let Some(told) = self.told.get_mut(&key).filter(|_| !forgets) else {
            self.told.insert(key, Told { receipt: *receipt, fresh });
            return;
        };
        assert!(!(told.fresh && fresh), "done twice: {request:?}: {:?}, {receipt:?}", told.receipt);
        let figures = |receipt: &Receipt| (receipt.seq, receipt.balance, receipt.available, receipt.detail);
        assert_eq!(figures(&told.receipt), figures(receipt), "a replay answers as before: {request:?}");
        told.fresh |= fresh;
        self.replays += 1;
    }
}

/// What makes two requests of one id the same: a repeated RESERVE may name another TTL.
fn verb_and_amount(op: Op) -> String {
    match op {
        Op::Reserve { amount, .. } => format!("reserve {amount}"),
        other => format!("{other:?}"),
    }
}

/// The newest entry that an answer shows, if it shows one, and whether the answer made it.
pub fn shown_seq(op: Op, outcome: &Outcome) -> Option<(u64, bool)> {
    match outcome {
        Outcome::Balance(_) if op != Op::Balance => None,
        // Commands behind a claim on its account may run before it ends.
        Outcome::Written(_) if matches!(op, Op::Claim { .. }) => None,
        Outcome::Written(receipt) => (!receipt.replayed).then_some((receipt.seq, true)),
        Outcome::Balance(figures) => Some((figures.seq, false)),
        Outcome::Holds(view) => Some((view.figures.seq, false)),
        Outcome::Tx(_) | Outcome::History(_) | Outcome::Audit(_) | Outcome::Rejected(_) => None,
        Outcome::Lead(_) | Outcome::Claims(_) | Outcome::Step(_) | Outcome::EventCount(_) => None,
    }
}
