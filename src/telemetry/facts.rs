//! What INFO is made from: plain numbers, copied out of the cores.

use super::counters::CoreCounters;
use super::process::ProcessFigures;
use std::collections::BTreeSet;

/// Facts of the whole server.
#[derive(Clone, Debug, Default)]
pub struct ServerFacts {
    /// Version of creditd.
    pub version: &'static str,
    /// Version of Redis whose protocol is spoken.
    pub redis_version: &'static str,
    /// Forty hex digits, new at every start.
    pub run_id: String,
    /// This process.
    pub process_id: u32,
    /// Where clients connect.
    pub tcp_port: u16,
    /// Unix microseconds now.
    pub now_us: u64,
    /// Unix milliseconds of the start.
    pub started_ms: u64,
    /// Milliseconds since the start.
    pub uptime_ms: u64,
    /// Path of the program.
    pub executable: String,
    /// Path of the configuration file, empty if there is none.
    pub config_file: String,
    /// Path of the data directory.
    pub data_dir: String,
    /// `always` or `no`.
    pub appendfsync: &'static str,
    /// Connections allowed.
    pub maxclients: u64,
    /// Bytes that their buffers may hold.
    pub clients_bytes_max: u64,
    /// Connections that have not logged in, where users have passwords.
    pub strangers: u64,
    /// Commands per second lately, see [`super::Rate`].
    pub ops_per_second: u64,
    /// Set while recovery runs.
    pub loading: Option<Loading>,
    /// Whether the log ended with a clean stop when this run began.
    pub clean_start: bool,
    /// Unix milliseconds (LASTSAVE): when the newest snapshot of the shard was begun whose newest is oldest.
    pub last_save_ms: u64,
    /// Whether a snapshot is being written, or was asked for.
    pub saving: bool,
    /// How long the newest save of a shard took, if there was one in this run.
    pub last_save_duration_ms: Option<u64>,
    /// Longest time in this run that a core spent on one step of a save, in nanoseconds.
    pub snapshot_longest_step_ns: u64,
    /// The system's figures, now.
    pub process: ProcessFigures,
    /// The thread of handshakes, if TLS is spoken.
    pub tls: Option<TlsFacts>,
    /// Messages for subscribers for which there was no room between threads.
    pub messages_lost: u64,
    /// Bytes written to storage before the server was ready: recovery and the first segments, not commits.
    pub device_write_bytes_at_ready: u64,
}

/// Handshakes of TLS.
#[derive(Clone, Copy, Debug, Default)]
pub struct TlsFacts {
    /// That ended well.
    pub completed: u64,
    /// That did not.
    pub failed: u64,
    /// That took too long.
    pub timed_out: u64,
    /// Unix seconds at which the server's certificate ends.
    pub expires_at_s: u64,
}

/// How far recovery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loading {
    /// Bytes of snapshots and of the log behind them to read.
    pub total_bytes: u64,
    /// Bytes of them read.
    pub loaded_bytes: u64,
    /// Seconds left, at the pace so far.
    pub eta_seconds: u64,
}

/// Facts of one core.
#[derive(Clone, Debug)]
pub struct CoreFacts {
    /// From 0.
    pub core: usize,
    /// Open connections.
    pub clients: u64,
    /// What their buffers hold, in bytes.
    pub clients_bytes: u64,
    /// Who of them listens or waits.
    pub feed: FeedFacts,
    /// What it counted.
    pub counters: CoreCounters,
    /// The shards that live on it.
    pub shards: Vec<ShardFacts>,
}

/// Readers of streams and subscribers of one core.
#[derive(Clone, Debug, Default)]
pub struct FeedFacts {
    /// Connections that wait for an entry of a stream.
    pub blocked: u64,
    /// Connections that are subscribed to something.
    pub subscribed: u64,
    /// Channels that they listen to.
    pub channels: BTreeSet<Box<[u8]>>,
    /// Patterns that they listen to.
    pub patterns: BTreeSet<Box<[u8]>>,
}

impl FeedFacts {
    pub(super) fn merge(&mut self, other: &Self) {
        self.blocked += other.blocked;
        self.subscribed += other.subscribed;
        self.channels.extend(other.channels.iter().cloned());
        self.patterns.extend(other.patterns.iter().cloned());
    }
}

/// Facts of one shard.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShardFacts {
    /// From 0.
    pub shard: u16,
    /// Sums over its accounts.
    pub totals: CreditTotals,
    /// Transaction ids in the index.
    pub transactions: u64,
    /// Bytes of the account table, holds and timers included.
    pub account_bytes: u64,
    /// Bytes of the transaction index.
    pub transaction_bytes: u64,
    /// Its leads.
    pub leads: LeadFacts,
    /// Where the next record goes.
    pub next_lsn: u64,
    /// Everything below is on disk.
    pub durable_lsn: u64,
    /// Where the log begins that is kept.
    pub oldest_lsn: u64,
    /// Bytes that are durable and not yet shown to those who wait for events or listen.
    pub feed_lag_bytes: u64,
    /// Commands executed, or taken for later, that are not answered yet.
    pub waiting: u64,
    /// How long the oldest change has waited for the disk, milliseconds; 0 if none waits.
    pub undurable_ms: u64,
    /// By how much the oldest deadline is overdue, milliseconds; 0 if none is.
    pub overdue_ms: u64,
    /// Records since the newest snapshot was begun.
    pub changes_since_save: u64,
    /// Bytes of the newest snapshot.
    pub snapshot_bytes: u64,
    /// The newest save failed.
    pub save_failed: bool,
    /// How its disk does.
    pub disk: DiskState,
    /// Milliseconds of this run during which the disk was full.
    pub disk_full_ms: u64,
    /// Commands refused because the disk was full.
    pub refused_disk_full: u64,
    /// Commit blocks stored in this run.
    pub commits: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of them, padding included.
    pub commit_bytes: u64,
    /// Time that writing and syncing them took, in nanoseconds.
    pub sync_ns: u64,
    /// Blocks that this shard's core synced itself rather than hand over.
    pub inline_commits: u64,
}

impl ShardFacts {
    /// Bytes of the log that wait for the disk.
    pub(super) fn undurable_bytes(&self) -> u64 {
        self.next_lsn.saturating_sub(self.durable_lsn)
    }
}

/// Leads of a shard, and claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeadFacts {
    /// Leads, open or not.
    pub leads: u64,
    /// Those that are open.
    pub open: u64,
    /// Slots that are taken.
    pub claims: u64,
    /// Bytes of leads and claims.
    pub bytes: u64,
    /// Claims of the shard's accounts that are under way.
    pub running: u64,
}

/// How a shard's disk does; the worse, the greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskState {
    /// It takes everything.
    #[default]
    Ok,
    /// The oldest change has waited for more than a second: no more are taken.
    Slow,
    /// No new work is taken, reservations end in the reserve.
    Full,
    /// The reserve is used up too.
    Spent,
}

impl DiskState {
    /// The word in INFO.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Slow => "slow",
            Self::Full => "full",
            Self::Spent => "spent",
        }
    }
}

/// Credits summed over accounts. 128 bits: 2^53 credits in each of 2^31 accounts do not fit 64.
///
/// I2: `balance = granted + refunded - debited - captured`. I3: `reserved` is the sum of the active holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CreditTotals {
    /// Accounts.
    pub accounts: u64,
    /// Active reservations.
    pub holds: u64,
    /// Holds that ended at their deadline.
    pub expired: u64,
    /// Ever granted.
    pub granted: u128,
    /// Ever debited, captures apart.
    pub debited: u128,
    /// Ever captured.
    pub captured: u128,
    /// Ever refunded.
    pub refunded: u128,
    /// Held now, reserved credits included.
    pub balance: u128,
    /// Reserved now.
    pub reserved: u128,
}

impl CreditTotals {
    /// Adds another shard's sums.
    pub fn add(&mut self, other: &Self) {
        self.accounts += other.accounts;
        self.holds += other.holds;
        self.expired += other.expired;
        self.granted += other.granted;
        self.debited += other.debited;
        self.captured += other.captured;
        self.refunded += other.refunded;
        self.balance += other.balance;
        self.reserved += other.reserved;
    }
}
