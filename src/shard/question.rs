//! What can be asked of a trail: CREDIT.TX, HISTORY, BALANCE AT, AUDIT (commands.md C.3, C.11).
//!
//! A question is asked of a settled account and answered as of that moment, however long the walk takes: entries are
//! only ever added. Answered inline from memory, or by the same code on a reader thread.

use super::audit::audit;
use super::recall::Recalled;
use super::trail::{Source, Step, Stop, Trail, decode};
use crate::ledger::command::{HistoryQuery, Op};
use crate::ledger::event::EntryId;
use crate::ledger::id::Lsn;
use crate::ledger::invariants::AccountState;
use crate::ledger::outcome::{AuditView, Entries, Figures, Outcome};
use crate::ledger::rejection::Rejection;
use std::ops::ControlFlow;

/// A question, with what the shard's memory knew when it was asked.
#[derive(Debug)]
pub(super) enum Question {
    /// What became of an id.
    Tx {
        tx: Box<[u8]>,
        /// Its newest record, if the index knows one.
        hint: Option<Lsn>,
    },
    /// Entries.
    History(HistoryQuery),
    /// The figures of a past moment, unix milliseconds.
    At(u64),
    /// Whether the trail agrees with itself and with the account, which is so in memory.
    Audit(Box<AccountState>),
}

impl Question {
    /// The answer, from the trail of `account` whose newest entry stands at `from`
    /// ([`NO_LSN`](crate::ledger::id::NO_LSN): it has none). At most `walk_max` records are touched.
    pub(super) fn answer(
        &self,
        source: impl Source,
        account: &[u8],
        from: Lsn,
        walk_max: u64,
    ) -> Result<Outcome, Stop> {
        let mut trail = Trail::new(source, account, walk_max);
        match self {
            Question::Tx { tx, hint } => transaction(&mut trail, account, tx, *hint, from),
            Question::History(query) if query.newest_first => newest_first(&mut trail, query, from),
            Question::History(query) => oldest_first(&mut trail, query, from),
            Question::At(at_ms) => balance_at(&mut trail, *at_ms, from),
            Question::Audit(memory) => audit(&mut trail, memory, from),
        }
    }

    /// The answer, asked at `now_ms`, if not even the account's newest entry is kept: it was idle for very long.
    pub(super) fn answer_without_trail(&self, now_ms: u64) -> Outcome {
        let at = EntryId { time_ms: now_ms, seq: 0 };
        match self {
            Question::Tx { .. } => Outcome::Tx(None),
            Question::History(_) => Outcome::History(Entries::default()),
            Question::At(_) => Outcome::Rejected(Rejection::HistoryStarts { at }),
            Question::Audit(memory) => {
                let AccountState { balance, reserved, .. } = **memory;
                Outcome::Audit(AuditView { entries: 0, balance, reserved, starts: Some(at) })
            }
        }
    }
}

fn transaction(
    trail: &mut Trail<'_, impl Source>,
    account: &[u8],
    tx: &[u8],
    hint: Option<Lsn>,
    from: Lsn,
) -> Result<Outcome, Stop> {
    let mut recalled = Recalled::default();
    if let Some(lsn) = hint {
        recalled.read(trail.source(), account, tx, lsn, &Op::Tx)?;
    }
    // The index forgets; the trail does not.
    if !recalled.is_known()
        && let Some(lsn) = trail.find(from, tx)?
    {
        recalled.read(trail.source(), account, tx, lsn, &Op::Tx)?;
    }
    Ok(Outcome::Tx(recalled.view().map(Box::new)))
}

fn balance_at(trail: &mut Trail<'_, impl Source>, at_ms: u64, from: Lsn) -> Result<Outcome, Stop> {
    let found = trail.seek(from, EntryId { time_ms: at_ms, seq: u64::MAX }, |_| {})?;
    Ok(match (found, trail.starts()) {
        (Some(Step { balance, reserved, id, .. }), _) => {
            Outcome::Balance(Figures { balance, reserved, seq: id.seq, time_ms: at_ms })
        }
        (None, Some(at)) => Outcome::Rejected(Rejection::HistoryStarts { at }),
        (None, None) => Outcome::Balance(Figures { time_ms: at_ms, ..Figures::default() }),
    })
}

fn newest_first(trail: &mut Trail<'_, impl Source>, query: &HistoryQuery, from: Lsn) -> Result<Outcome, Stop> {
    let mut entries = Entries::default();
    let mut next = trail.seek(from, query.end, |_| {})?;
    while let Some(step) = next.filter(|step| step.id >= query.start) {
        if query.types.has(step.entry_type) {
            entries.push(trail.source().record(step.lsn)?);
            if entries.len() == usize::from(query.count) {
                break; // what is older may be lost, or far away
            }
        }
        next = trail.before(&step)?;
    }
    Ok(entries_or_cut(entries, trail, query))
}

fn oldest_first(trail: &mut Trail<'_, impl Source>, query: &HistoryQuery, from: Lsn) -> Result<Outcome, Stop> {
    let mut entries = Entries::default();
    trail.ascend(from, query.start.before(), |_, lsn, record| {
        let event = decode(lsn, record)?;
        if event.id() > query.end {
            return Ok(ControlFlow::Break(()));
        }
        if query.types.has(event.entry_type()) {
            entries.push(record);
        }
        let has_all = entries.len() == usize::from(query.count);
        Ok(if has_all { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(entries_or_cut(entries, trail, query))
}

/// The entries, unless the oldest one wanted lies before what is kept, by name.
fn entries_or_cut<S: Source>(entries: Entries, trail: &Trail<'_, S>, query: &HistoryQuery) -> Outcome {
    match trail.starts() {
        Some(at) if query.start > EntryId::MIN && query.start < at => {
            Outcome::Rejected(Rejection::HistoryStarts { at })
        }
        _ => Outcome::History(entries),
    }
}

#[cfg(test)]
#[path = "question_tests.rs"]
mod tests;
