//! Configuration: every knob once, four layers, one validated struct.
//!
//! ```text
//! KNOBS (name, kind, default, help) ──► default < TOML file < CREDITD_* variable < --flag
//!                                            │ each value keeps its source
//!                                            ▼
//!                                        Settings ──► Config: typed, in range, units in the names
//! ```
//!
//! The table in [`knobs`] is the single source: the command line, the variables, the file, `creditd config explain`
//! and CONFIG GET are made from it. A value is parsed once, and what does not parse names its source, its range and the
//! way out. Absent on purpose: a knob that changes while the server runs, and any use of the rest of the crate.

mod exit;
pub mod knobs;
mod parameters;
mod secret;
mod settings;
#[cfg(test)]
mod tests;
mod tls;
mod value;

use std::net::IpAddr;
use std::path::PathBuf;

pub use exit::Exit;
pub use secret::Secret;
pub use settings::{ConfigError, Setting, Settings, Source};
pub use tls::{AuthClients, Tls};
pub use value::Value;

/// When a reply may leave (journal.md 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appendfsync {
    /// What it shows is on disk.
    Always,
    /// What it shows was handed to the kernel: survives kill -9, not a power cut.
    No,
}

impl Appendfsync {
    /// The word of the knob.
    pub fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::No => "no",
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A validated configuration. What each field means stands in [`knobs::KNOBS`].
#[derive(Clone, Debug)]
pub struct Config {
    /// TCP port without TLS; `None` = off, 0 = any free one.
    pub port: Option<u16>,
    /// How TLS is spoken; `None` = not at all.
    pub tls: Option<Tls>,
    /// Listen addresses, at least one. Non-loopback only together with `requirepass`, or where
    /// [`Self::needs_certificates`].
    pub bind: Vec<IpAddr>,
    /// TCP port of the admin port; `None` = `port` + 10000, or any free one.
    pub admin_port: Option<u16>,
    /// Its listen addresses, at least one. Non-loopback only together with `admin_token`.
    pub admin_bind: Vec<IpAddr>,
    /// What its requests must give; `None` = open.
    pub admin_token: Option<Secret>,
    /// Where the log lives.
    pub data_dir: PathBuf,
    /// Core threads; `None` = as many as the process may use.
    pub cores: Option<usize>,
    /// Shards of a new data directory, a power of two; `None` = next power of two of the core count.
    pub shards: Option<u16>,
    /// Bytes of a log segment, a multiple of 4096.
    pub segment_bytes: u64,
    /// Log bytes per shard after which a snapshot is written; `None` = only when asked.
    pub snapshot_log_bytes: Option<u64>,
    /// How long entries are kept at least; `None` = forever.
    pub history_retention_ms: Option<u64>,
    /// When a reply may leave.
    pub appendfsync: Appendfsync,
    /// Syncs that take no longer may run on the core itself; 0 = none may.
    pub inline_sync_ns_max: u64,
    /// Most records that one walk along a trail touches.
    pub history_walk_max: u64,
    /// Threads that follow trails.
    pub history_threads: usize,
    /// TTL of a RESERVE that names none.
    pub reserve_ttl_ms: u64,
    /// How long a transaction id is remembered after it was decided; `None` = forever.
    pub tx_retention_ms: Option<u64>,
    /// Whether `*` as transaction id makes the server choose one.
    pub allow_auto_tx: bool,
    /// Connections.
    pub maxclients: usize,
    /// Bytes of memory for their buffers; `None` = a quarter of the machine's.
    pub clients_bytes_max: Option<u64>,
    /// The password of AUTH; `None` = open.
    pub requirepass: Option<Secret>,
    /// Users; `None` = the default user alone.
    pub aclfile: Option<PathBuf>,
    /// Accounts per shard.
    pub accounts_max: u64,
    /// Leads per shard.
    pub leads_max: u64,
    /// Slots per shard that leads have.
    pub lead_slots_max: u64,
    /// How long a claim's client waits for its end, milliseconds.
    pub claim_timeout_ms: u64,
    /// Bytes of the transaction index per shard; `None` = a share of the machine's memory.
    pub tx_index_bytes_max: Option<u64>,
    /// Active reservations per account.
    pub holds_per_account_max: u32,
    /// Commands of one connection that may wait for their reply.
    pub slots_per_connection: usize,
    /// Encoded reply bytes that one connection may leave unread.
    pub output_bytes_max: usize,
    /// Batches that may wait for one core.
    pub inbox_batches_max: usize,
    /// Log bytes per shard that may wait for their sync.
    pub undurable_bytes_max: u64,
    /// Arguments of one request.
    pub args_max: usize,
    /// Bytes of one request.
    pub frame_bytes_max: usize,
    /// How long a request may stay incomplete.
    pub frame_timeout_ms: u64,
    /// Silence after which TCP probes the peer; `None` = off.
    pub tcp_keepalive_ms: Option<u64>,
    /// Idle time after which a connection is closed; `None` = never.
    pub timeout_ms: Option<u64>,
    /// Connections that have not logged in, in all.
    pub unauthenticated_max: usize,
    /// The same from one address.
    pub unauthenticated_per_ip_max: usize,
    /// How long a connection may take to log in.
    pub auth_timeout_ms: u64,
    /// Whether a crash may leave a core dump.
    pub core_dumps: bool,
    /// Start although the wall clock is far ahead of the log (journal.md 9).
    pub accept_clock_jump: bool,
    /// Commands that take at least this long are in SLOWLOG, microseconds; `None` = none.
    pub slowlog_slower_than_us: Option<u64>,
    /// Entries that SLOWLOG keeps.
    pub slowlog_len_max: usize,
    /// Entries of ACL LOG.
    pub acllog_len_max: usize,
    /// Stages of commands that take at least this long are spikes of LATENCY, microseconds; `None` = none.
    pub latency_spike_us: Option<u64>,
    /// Whether FLUSHALL and its like are answered while there is nothing to lose.
    pub enable_test_commands: bool,
    /// Least severe level that is logged.
    pub log_level: &'static str,
    /// How log lines look.
    pub log_format: LogFormat,
    settings: Settings,
}

impl Config {
    /// Reads and validates all layers. `flags` holds (knob name, text); `variables` is the environment, of which only
    /// names that start with `CREDITD_` count.
    ///
    /// # Errors
    /// [`ConfigError`] for the first thing that is wrong, with its source and the way out.
    pub fn load(
        flags: impl IntoIterator<Item = (&'static str, String)>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        Self::validate(Settings::gather(flags, variables)?)
    }

    /// The values with their sources, in the order of the table.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The file that was read, if one was.
    pub fn config_file(&self) -> Option<PathBuf> {
        self.settings.optional_path("config")
    }

    /// Whether every client shows a certificate that its CA stands for.
    pub fn needs_certificates(&self) -> bool {
        let has_all = |tls: &Tls| tls.auth_clients == AuthClients::Yes;
        self.port.is_none() && self.tls.as_ref().is_some_and(has_all)
    }

    /// An address that other machines may reach, if it listens on one.
    pub fn exposed_address(&self) -> Option<IpAddr> {
        exposed(&self.bind)
    }

    fn validate(settings: Settings) -> Result<Self, ConfigError> {
        let s = &settings;
        let config = Self {
            port: s.port("port"),
            tls: Tls::validate(s)?,
            bind: s.addresses("bind"),
            admin_port: some_if_positive(s.count("admin-port")).map(|n| n as u16),
            admin_bind: s.addresses("admin-bind"),
            admin_token: s.secret("admin-token"),
            data_dir: s.path("data-dir"),
            cores: some_if_positive(s.count("cores")).map(|n| n as usize),
            shards: some_if_positive(s.count("shards")).map(|n| n as u16),
            segment_bytes: s.count("segment-size"),
            snapshot_log_bytes: some_if_positive(s.count("snapshot-log-size")),
            history_retention_ms: s.duration_us("history-retention").map(|us| us / US_PER_MS),
            appendfsync: if s.choice("appendfsync") == "always" { Appendfsync::Always } else { Appendfsync::No },
            inline_sync_ns_max: s.count("inline-sync-max") * 1_000,
            history_walk_max: s.count("history-walk-max"),
            history_threads: s.count("history-threads") as usize,
            reserve_ttl_ms: s.count("reserve-ttl") / US_PER_MS,
            tx_retention_ms: s.duration_us("tx-retention").map(|us| us / US_PER_MS),
            allow_auto_tx: s.switch("allow-auto-tx"),
            maxclients: s.count("maxclients") as usize,
            clients_bytes_max: some_if_positive(s.count("maxmemory-clients")),
            requirepass: s.secret("requirepass"),
            aclfile: s.optional_path("aclfile"),
            accounts_max: s.count("accounts-max"),
            leads_max: s.count("leads-max"),
            lead_slots_max: s.count("lead-slots-max"),
            claim_timeout_ms: s.count("claim-timeout") / US_PER_MS,
            tx_index_bytes_max: some_if_positive(s.count("tx-index-memory")),
            holds_per_account_max: s.count("holds-per-account-max") as u32,
            slots_per_connection: s.count("slots-per-connection") as usize,
            output_bytes_max: s.count("output-bytes-max") as usize,
            inbox_batches_max: s.count("inbox-batches-max") as usize,
            undurable_bytes_max: s.count("undurable-bytes-max"),
            args_max: s.count("args-max") as usize,
            frame_bytes_max: s.count("frame-bytes-max") as usize,
            frame_timeout_ms: s.count("frame-timeout") / US_PER_MS,
            tcp_keepalive_ms: some_if_positive(s.count("tcp-keepalive") / US_PER_MS),
            timeout_ms: some_if_positive(s.count("timeout") / US_PER_MS),
            unauthenticated_max: s.count("unauthenticated-max") as usize,
            unauthenticated_per_ip_max: s.count("unauthenticated-per-ip-max") as usize,
            auth_timeout_ms: s.count("auth-timeout") / US_PER_MS,
            core_dumps: s.switch("core-dumps"),
            accept_clock_jump: s.switch("accept-clock-jump"),
            slowlog_slower_than_us: s.duration_us("slowlog-log-slower-than"),
            slowlog_len_max: s.count("slowlog-max-len") as usize,
            acllog_len_max: s.count("acllog-max-len") as usize,
            latency_spike_us: some_if_positive(s.count("latency-monitor-threshold")),
            enable_test_commands: s.switch("enable-test-commands"),
            log_level: s.choice("log-level"),
            log_format: if s.choice("log-format") == "json" { LogFormat::Json } else { LogFormat::Text },
            settings,
        };
        if config.history_retention_ms.is_some() && config.tx_retention_ms.is_none() {
            let setting = config.settings.get("history-retention");
            return Err(ConfigError::HistoryOfIds { history: setting.display(), place: setting.source.clone() });
        }
        let is_open = config.requirepass.is_none() && config.aclfile.is_none() && !config.needs_certificates();
        if let (true, Some(address)) = (is_open, exposed(&config.bind)) {
            return Err(ConfigError::Exposed { address, place: config.settings.get("bind").source.clone() });
        }
        if let (None, Some(address)) = (&config.admin_token, exposed(&config.admin_bind)) {
            return Err(ConfigError::AdminExposed { address, place: config.settings.get("admin-bind").source.clone() });
        }
        Ok(config)
    }
}

/// Durations are kept in microseconds and used in milliseconds, but for the shortest.
const US_PER_MS: u64 = 1_000;

/// 0 is how a file and a flag say "not set".
fn some_if_positive(n: u64) -> Option<u64> {
    (n > 0).then_some(n)
}

fn exposed(bind: &[IpAddr]) -> Option<IpAddr> {
    bind.iter().find(|address| !address.is_loopback()).copied()
}
