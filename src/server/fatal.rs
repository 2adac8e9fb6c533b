//! Ends the process at once, without destructors, when going on could break a promise (journal.md 1.2).
//!
//! Clients get no reply: the outcome is unknown to them, they retry with the same transaction id.

use crate::config::Exit;
use crate::journal::JournalError;
use crate::journal::log::Log;
use std::sync::mpsc::channel;
use std::time::Duration;

/// How long the last line may take to be written: whoever takes it may hang on the same disk.
const LINE_WITHIN: Duration = Duration::from_secs(1);

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

/// A commit does not end: the process would hang for as long as its disk does.
pub(super) fn stuck(shard: u16, away_ms: u64) -> ! {
    let code = Exit::Sync as u8;
    let (written, line) = channel();
    let write = move || {
        tracing::error!(
            shard,
            away_ms,
            exit_code = code,
            "FATAL: the disk has not answered a commit; nothing of it is acknowledged"
        );
        let _ = written.send(());
    };
    if std::thread::Builder::new().name("fatal".to_owned()).spawn(write).is_ok() {
        let _ = line.recv_timeout(LINE_WITHIN);
    }
    signal_hook::low_level::exit(i32::from(code))
}
