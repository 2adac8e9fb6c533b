//! Commands about the whole server. What they show is gathered by `server`; the grammar and the choice of what to show
//! ([`info::Sections`], [`config::Patterns`]) are here.

pub mod cluster;
pub mod command;
pub mod config;
pub mod dbsize;
pub mod flush;
pub mod info;
pub mod lastsave;
pub mod latency;
pub mod save;
pub mod shutdown;
pub mod slowlog;
pub mod time;
pub mod words;

use super::acl::AclRequest;
use super::arguments::Arguments;
use super::connection::client::ClientFilter;
use super::connection::control::KillRequest;
use super::keys::scan::Scan;

/// What only the server as a whole can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerRequest<'a> {
    /// INFO: text of the wanted sections.
    Info(info::Sections<'a>),
    /// CONFIG GET: map of the parameters that match.
    ConfigGet(config::Patterns<'a>),
    /// CONFIG SET: OK, or why nothing was set.
    ConfigSet(config::Assignments<'a>),
    /// CONFIG RESETSTAT: OK.
    ResetStat,
    /// FLUSHALL and its like: OK if there is nothing to lose and the server is there for tests.
    Flush(flush::Flush),
    /// ROLE: array of `master`, the bytes of all logs that are durable, and an empty array.
    Role,
    /// CLIENT LIST: a line per connection.
    ClientList(ClientFilter<'a>),
    /// CLIENT KILL: how many were ended; in its old form OK.
    ClientKill(KillRequest<'a>),
    /// CLIENT PAUSE, CLIENT UNPAUSE: OK.
    Pause {
        /// How long from now.
        ms: u64,
        /// Whether reads go on.
        writes_only: bool,
    },
    /// CLIENT UNBLOCK: 1, or 0 if there is no such wait.
    Unblock {
        /// Of the connection.
        id: u64,
        /// Whether it hears an error rather than nothing.
        by_error: bool,
    },
    /// DBSIZE: number of accounts.
    DbSize,
    /// SCAN: an array of the next cursor and an array of names.
    Scan(Scan<'a>),
    /// TIME: array of two bulk strings, unix seconds and the microseconds of that second.
    Time,
    /// LASTSAVE: unix seconds.
    LastSave,
    /// SAVE: OK when every shard has a snapshot that was begun after this request.
    Save,
    /// BGSAVE: a word, at once.
    BgSave {
        /// If a save is under way: make another one after it, rather than refuse.
        schedule: bool,
    },
    /// PUBLISH: the number of subscriptions that it met.
    Publish {
        /// Where to, within its limit.
        channel: &'a [u8],
        /// What.
        message: &'a [u8],
    },
    /// PUBSUB CHANNELS: an array of those that somebody has subscribed to by name; of those that match, if a pattern is given.
    PubSubChannels(Option<&'a [u8]>),
    /// PUBSUB NUMSUB: a flat array of these channels, each with the number of connections that have subscribed to it by name.
    PubSubNumSub(Arguments<'a>),
    /// PUBSUB NUMPAT: number of different patterns that somebody has subscribed to.
    PubSubNumPat,
    /// SLOWLOG GET: the newest entries, at most so many.
    SlowLogGet(usize),
    /// SLOWLOG LEN: how many there are.
    SlowLogLen,
    /// SLOWLOG RESET: OK.
    SlowLogReset,
    /// About users.
    Acl(AclRequest<'a>),
    /// LATENCY.
    Latency(latency::LatencyRequest<'a>),
    /// SHUTDOWN: drain, stop; no reply. SAVE, NOSAVE, NOW and FORCE make no difference to a log.
    Shutdown,
}
