//! Ends the process at once, without destructors, when going on could break a promise (journal.md 1.2).
//!
//! Clients get no reply: the outcome is unknown to them, they retry with the same transaction id.

use crate::journal::JournalError;
use crate::journal::log::Log;

/// A commit failed: what it covered is not acknowledged and will not be tried again.
pub(super) fn journal(shard: u16, log: &Log, error: &JournalError) -> ! {
    let code = error.exit_code();
    tracing::error!(
        shard,
        durable_lsn = log.durable_lsn(),
        next_lsn = log.next_lsn(),
        %error,
        exit_code = code,
        "FATAL: journal commit failed; nothing from durable_lsn on is acknowledged"
    );
    signal_hook::low_level::exit(i32::from(code))
}
