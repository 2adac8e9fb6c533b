//! What readings ask of streams.
//!
//! ```text
//!  events        ─▶ a page, from the thread `stream`         count ─▶ EventCount, of the shard
//!  account's log ─▶ HISTORY, of its shard                    count ─▶ BALANCE, whose seq it is
//! ```

use super::shape::Found;
use crate::commands::streams::Stream;
use crate::commands::streams::read::After;
use crate::feed::Query;
use crate::journal::Lsn;
use crate::ledger::command::HistoryQuery;
use crate::ledger::event::{EntryId, EntryTypes};
use crate::server::router::Router;

/// Bytes of entries in one reply, shared evenly by the streams asked for; each shows at least one entry.
const REPLY_BYTES_MAX: usize = 4 << 20;

/// Entries of accounts' logs in one reply, shared likewise: an entry has at most 2 KiB.
const LOG_ENTRIES_MAX: usize = REPLY_BYTES_MAX / 2048;

/// What a reading wants to know of a stream.
pub(super) struct Ask {
    /// As the client has named it.
    pub(super) key: Box<[u8]>,
    pub(super) of: Of,
    pub(super) want: Want,
    /// If there is nothing, what comes from here on is waited for; `None`: what comes after the newest entry, for which
    /// alone it is asked (`$`).
    pub(super) then: Option<EntryId>,
    /// What was durable when it was asked.
    pub(super) durable: Lsn,
    /// The thread `tail` has been told to wait.
    pub(super) waits: bool,
    pub(super) found: Found,
}

/// Of which stream.
pub(super) enum Of {
    Events(u16),
    Log { shard: u16, account: Box<[u8]> },
    Nothing,
}

/// What of it.
#[derive(Clone, Copy)]
pub(super) enum Want {
    /// Entries of these ids, both included.
    Entries { start: EntryId, end: EntryId, count: u16, newest_first: bool },
    /// How many there have been.
    Count,
}

impl Of {
    pub(super) fn new(stream: Stream<'_>, router: &Router) -> Self {
        match stream {
            Stream::Events(shard) if shard < router.shards() => Self::Events(shard),
            Stream::Log(account) => Self::Log { shard: router.shard(account), account: account.into() },
            Stream::Events(_) | Stream::Nothing => Self::Nothing,
        }
    }
}

impl Ask {
    pub(super) fn new(key: &[u8], of: Of, want: Want) -> Self {
        let then = Some(EntryId::MIN);
        Self { key: key.into(), of, want, then, durable: 0, waits: false, found: Found::Nothing }
    }

    /// An XREAD's, of what comes after `after`.
    pub(super) fn after(key: &[u8], of: Of, after: After, count: u16) -> Self {
        match after {
            After::Id(id) => Self { then: Some(id.after()), ..Self::new(key, of, Want::from(id.after(), count)) },
            After::Last => Self::new(key, of, Want::LAST),
            After::Newest => Self { then: None, ..Self::new(key, of, Want::LAST) },
        }
    }

    /// Whether the stream is there, of which this has counted the entries. An account is there from its first one on.
    pub(super) fn is_of_stream(&self) -> bool {
        match self.of {
            Of::Events(_) => true,
            Of::Log { .. } => self.found.count() > 0,
            Of::Nothing => false,
        }
    }

    /// Makes of the newest entry the place behind it, if it was asked for that.
    pub(super) fn find_end(&mut self) {
        if self.then.is_none() && !self.found.is_refusal() {
            self.then = Some(self.found.last().map_or(EntryId::MIN, EntryId::after));
            self.found = Found::Nothing;
        }
    }
}

impl Want {
    pub(super) const FIRST: Self =
        Self::Entries { start: EntryId::MIN, end: EntryId::MAX, count: 1, newest_first: false };
    pub(super) const LAST: Self =
        Self::Entries { start: EntryId::MIN, end: EntryId::MAX, count: 1, newest_first: true };

    pub(super) fn from(start: EntryId, count: u16) -> Self {
        Self::Entries { start, end: EntryId::MAX, count, newest_first: false }
    }

    /// As a query for a page, one of so many in a reply.
    pub(super) fn of_events(self, among: usize) -> Query {
        let Self::Entries { start, end, count, newest_first } = self else { unreachable!("a count has no page") };
        Query { start, end, count: usize::from(count), bytes_max: REPLY_BYTES_MAX / among, newest_first }
    }

    /// As a query for a HISTORY, one of so many in a reply.
    pub(super) fn of_log(self, among: usize) -> HistoryQuery {
        let Self::Entries { start, end, count, newest_first } = self else { unreachable!("a count has no entries") };
        let count = count.min((LOG_ENTRIES_MAX / among).max(1) as u16);
        HistoryQuery { start, end, count, newest_first, types: EntryTypes::ALL }
    }
}
