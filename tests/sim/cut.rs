//! What a command may hear, too, once its account's older entries are no longer kept.

use super::model::{Account, Entry};
use creditd::ledger::command::{Command, HistoryQuery, Op};
use creditd::ledger::event::EntryId;
use creditd::ledger::outcome::{Outcome, TxView};
use creditd::ledger::rejection::Rejection;

/// A trail without its beginning, as one command meets it.
pub struct Cut {
    /// Sequence of the first entry that is kept; of the next one, if none is.
    first: u64,
    op: Op,
    /// Of HISTORY: the entries, from what is kept.
    entries: Vec<Entry>,
    /// Of TX: what the entries that are kept say.
    view: Option<TxView>,
    /// An entry of the id that is asked for is gone.
    id_is_gone: bool,
    /// As many as the trail ever had.
    all: u64,
}

impl Cut {
    /// For a command on an account that keeps its entries from `first` on.
    pub fn new(first: u64, command: &Command<'_>, account: &Account) -> Self {
        let kept = account.entries.iter().find(|entry| entry.seq >= first);
        let entries = match (command.op, kept) {
            (Op::History(query), Some(kept)) => {
                let start = query.start.max(EntryId { time_ms: kept.time, seq: kept.seq });
                account.history(&HistoryQuery { start, ..query })
            }
            _ => Vec::new(),
        };
        let id = if command.of.is_empty() { command.tx } else { command.of };
        let id_is_gone = account.entries.iter().any(|entry| entry.tx == id && entry.seq < first);
        let all = account.entries.len() as u64;
        let view = (command.op == Op::Tx && id_is_gone).then(|| {
            let mut kept = account.clone();
            kept.entries.retain(|entry| entry.seq >= first);
            kept.tx_view(command.tx)
        });
        Self { first, op: command.op, entries, view: view.flatten(), id_is_gone, all }
    }

    /// Whether `told` is right, although it is not what the whole trail says.
    pub fn explains(&self, told: &Outcome) -> bool {
        let is_past = matches!(self.op, Op::History(_) | Op::BalanceAt { .. } | Op::Tx | Op::Audit);
        let is_refund = matches!(self.op, Op::Refund { .. });
        // Where no entry is kept the answer names the moment of the question.
        let starts = |seq| seq == self.first || seq == 0 && self.first > self.all;
        match told {
            Outcome::Rejected(Rejection::HistoryStarts { at }) => is_past && starts(at.seq),
            Outcome::History(told) => told.iter().map(|event| Entry::of(&event)).eq(self.entries.iter().cloned()),
            Outcome::Audit(told) => {
                told.entries == self.all + 1 - self.first && told.starts.is_some_and(|at| starts(at.seq))
            }
            Outcome::Tx(told) => self.id_is_gone && (told.is_none() || told.as_deref() == self.view.as_ref()),
            Outcome::Rejected(Rejection::NoTx | Rejection::WalkTooLong { .. }) => is_refund && self.id_is_gone,
            // A RESERVE behind a CAPTURE behind a REFUND: two steps back are not kept.
            Outcome::Rejected(Rejection::Unreadable { .. }) => {
                self.id_is_gone && matches!(self.op, Op::Tx | Op::Reserve { .. })
            }
            _ => false,
        }
    }
}
