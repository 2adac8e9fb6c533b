//! CREDIT.AUDIT: recomputes an account from its trail and compares.

use super::trail::{Source, Stop, Trail};
use crate::ledger::id::Lsn;
use crate::ledger::outcome::{AuditView, Outcome};

/// The account as its shard has it.
#[derive(Debug)]
pub(super) struct Audited;

pub(super) fn audit(_trail: &mut Trail<'_, impl Source>, _audited: &Audited, _from: Lsn) -> Result<Outcome, Stop> {
    Ok(Outcome::Audit(AuditView::default()))
}
