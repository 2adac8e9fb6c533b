//! CREDIT.AUDIT: recomputes an account from its trail and compares.

use super::trail::{Source, Stop, Trail, decode, event_at};
use crate::ledger::event::{Change, EntryId};
use crate::ledger::id::Lsn;
use crate::ledger::invariants::{AccountState, Story, Violation};
use crate::ledger::outcome::{AuditView, Outcome};
use crate::ledger::rejection::Rejection;
use std::ops::ControlFlow;

/// Judges every entry of the trail whose newest stands at `from`, by those before it and by what it refunds, and at the
/// end the account as its shard has it in `memory`.
pub(super) fn audit(trail: &mut Trail<'_, impl Source>, memory: &AccountState, from: Lsn) -> Result<Outcome, Stop> {
    let (mut told, mut entries, mut verdict) = (None, 0, Ok(()));
    trail.ascend(from, EntryId::MIN, |source, lsn, record| {
        let event = decode(lsn, record)?;
        let told = told.get_or_insert_with(|| Story::starting_at(lsn, &event));
        verdict = match event.change {
            Change::Refund { opened_lsn, .. } => match event_at(source, opened_lsn) {
                Ok(refunded) => told.tell(lsn, &event, Some(&refunded)),
                Err(Stop::Gone) => told.tell(lsn, &event, None),
                Err(stop) => return Err(stop),
            },
            _ => told.tell(lsn, &event, None),
        };
        entries += 1;
        Ok(if verdict.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    let verdict = verdict.and_then(|()| told.map_or(Ok(()), |told| told.agrees(memory)));
    Ok(match verdict {
        Ok(()) => {
            let AccountState { balance, reserved, .. } = *memory;
            Outcome::Audit(AuditView { entries, balance, reserved, starts: trail.starts() })
        }
        Err(Violation { seq, fault, .. }) => Outcome::Rejected(Rejection::Corrupt { seq, field: fault.field() }),
    })
}
