//! The table of knobs: flags, variables, file keys, `config explain` and CONFIG GET are made from it.

/// One thing an operator may set.
#[derive(Debug)]
pub struct Knob {
    /// Kebab-case: `--name`, `name = ...` in the file, `CREDITD_NAME` in the environment.
    pub name: &'static str,
    /// What a value looks like, with its range.
    pub kind: Kind,
    /// In the words of a user; parses as `kind`.
    pub default: &'static str,
    /// What it does, and why one would change it.
    pub help: &'static str,
}

/// What the values of a [`Knob`] look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Count {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// A whole number, or `auto` (= 0).
    CountOrAuto {
        /// Largest.
        max: u64,
        /// Whether only powers of two will do.
        power_of_two: bool,
    },
    /// Bytes: `64MiB`, `64mb`, `67108864`. Units are binary, as in redis.conf.
    Size {
        /// Smallest, in bytes.
        min: u64,
        /// Largest, in bytes.
        max: u64,
        /// Every value is a multiple of this, in bytes.
        step: u64,
    },
    /// Bytes, or `auto` (= 0).
    SizeOrAuto {
        /// Smallest, in bytes.
        min: u64,
        /// Largest, in bytes.
        max: u64,
    },
    /// Time: `250us`, `500ms`, `30s`, `5m`, `24h`, `7d`.
    Duration {
        /// Shortest, in microseconds.
        min_us: u64,
        /// Longest, in microseconds.
        max_us: u64,
        /// Microseconds of 1 without a unit: a second where the name is Redis' own, else a millisecond.
        bare_us: u64,
        /// Whether `forever` is a value.
        forever: bool,
    },
    /// A TCP port, `any` (a free one) or `off`.
    Port {
        /// What 0 means: `any` or `off`.
        zero: &'static str,
    },
    /// `yes` or `no`.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// IP addresses, separated by commas or spaces.
    Addresses,
    /// A directory.
    Directory,
    /// A file; empty = none.
    Path,
    /// The configuration file; empty = none. Cannot stand in the file itself.
    File,
    /// A password; empty = none. Never shown.
    Secret,
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;
const MS: u64 = 1_000;
const SECOND: u64 = 1_000 * MS;
const DAY: u64 = 86_400 * SECOND;
const YEAR: u64 = 366 * DAY;

/// Longest password: the longest argument that is read before AUTH (security.md 2).
pub const PASSWORD_LEN_MAX: usize = 512;

/// Most entries of ACL LOG.
pub const ACLLOG_LEN_MAX: u64 = 10_000;

/// Most entries of SLOWLOG.
pub const SLOWLOG_LEN_MAX: u64 = 10_000;

/// Every knob, grouped as an operator thinks: where, how durable, what the commands mean, limits, operation.
pub const KNOBS: &[Knob] = &[
    Knob {
        name: "config",
        kind: Kind::File,
        default: "",
        help: "TOML file with any of these settings under the same names",
    },
    Knob {
        name: "port",
        kind: Kind::Port { zero: "any" },
        default: "7379",
        help: "TCP port; any or 0 = a free one; off = none, where tls-port is to be the only one",
    },
    Knob {
        name: "bind",
        kind: Kind::Addresses,
        default: "127.0.0.1",
        help: "IP addresses to listen on; others than loopback need requirepass, or TLS alone with certificates of clients",
    },
    Knob {
        name: "tls-port",
        kind: Kind::Port { zero: "off" },
        default: "off",
        help: "TCP port of TLS, at the addresses of bind; off or 0 = none; any = a free one",
    },
    Knob {
        name: "tls-cert-file",
        kind: Kind::Path,
        default: "",
        help: "PEM file with the server's certificate and those that lead to its CA; read again when it changes",
    },
    Knob {
        name: "tls-key-file",
        kind: Kind::Path,
        default: "",
        help: "PEM file with the certificate's private key, without passphrase; only its owner may have rights to it",
    },
    Knob {
        name: "tls-ca-cert-file",
        kind: Kind::Path,
        default: "",
        help: "PEM file with the CAs whose clients are let in",
    },
    Knob {
        name: "tls-auth-clients",
        kind: Kind::Choice(&["yes", "optional", "no"]),
        default: "yes",
        help: "whether clients of TLS show a certificate of tls-ca-cert-file: yes = must, optional = a bad one is refused",
    },
    Knob {
        name: "tls-protocols",
        kind: Kind::Choice(&["TLSv1.3", "TLSv1.2 TLSv1.3"]),
        default: "TLSv1.3",
        help: "versions of TLS that are spoken",
    },
    Knob {
        name: "requirepass",
        kind: Kind::Secret,
        default: "",
        help: "password that AUTH or HELLO must give; better from a file or variable than a flag, which ps shows",
    },
    Knob {
        name: "aclfile",
        kind: Kind::Path,
        default: "",
        help: "file of users, mode 0600: `user NAME on #SHA-256 ~prefix* +@spender`, one a line",
    },
    Knob {
        name: "acllog-max-len",
        kind: Kind::Count { min: 0, max: ACLLOG_LEN_MAX },
        default: "128",
        help: "entries of ACL LOG that are kept: logins, commands and keys that were denied to users",
    },
    Knob {
        name: "admin-port",
        kind: Kind::CountOrAuto { max: 65_535, power_of_two: false },
        default: "auto",
        help: "TCP port of /metrics, /livez and /readyz; auto = port + 10000, or any free one if that cannot be had",
    },
    Knob {
        name: "admin-bind",
        kind: Kind::Addresses,
        default: "127.0.0.1",
        help: "IP addresses of the admin port; others than loopback need admin-token",
    },
    Knob {
        name: "admin-token",
        kind: Kind::Secret,
        default: "",
        help: "bearer token that every request to the admin port must give; better from a file or variable than a flag",
    },
    Knob {
        name: "data-dir",
        kind: Kind::Directory,
        default: "./data",
        help: "where the log lives; made with mode 0700",
    },
    Knob {
        name: "cores",
        kind: Kind::CountOrAuto { max: 1024, power_of_two: false },
        default: "auto",
        help: "core threads; auto = what affinity and cgroup quota allow, but one on up to two CPUs",
    },
    Knob {
        name: "shards",
        kind: Kind::CountOrAuto { max: 256, power_of_two: true },
        default: "auto",
        help: "shards of a new data directory, fixed for its life: choose for the largest machine to come; \
               auto = next power of two of the cores",
    },
    Knob {
        name: "segment-size",
        kind: Kind::Size { min: 4 * MIB, max: GIB, step: 4 * KIB },
        default: "64MiB",
        help: "size of a log file; each shard keeps one spare",
    },
    Knob {
        name: "snapshot-log-size",
        kind: Kind::Size { min: 0, max: 1024 * GIB, step: 1 },
        default: "256MiB",
        help: "log bytes per shard after which a snapshot is written, so that a start reads no more of it; 0 = only by BGSAVE",
    },
    Knob {
        name: "history-retention",
        kind: Kind::Duration { min_us: DAY, max_us: 100 * YEAR, bare_us: MS, forever: true },
        default: "forever",
        help: "how long entries are kept at least for HISTORY, TX and AUDIT, before old log files are removed; needs a finite tx-retention",
    },
    Knob {
        name: "appendfsync",
        kind: Kind::Choice(&["always", "no"]),
        default: "always",
        help: "always: a reply leaves when what it shows is on disk; no: a power cut loses what the kernel held",
    },
    Knob {
        name: "inline-sync-max",
        kind: Kind::Duration { min_us: 0, max_us: SECOND, bare_us: MS, forever: false },
        default: "1ms",
        help: "a core with nothing else to do syncs its own commit while syncs take no longer than this; 0 = never",
    },
    Knob {
        name: "reserve-ttl",
        kind: Kind::Duration { min_us: MS, max_us: 30 * DAY, bare_us: MS, forever: false },
        default: "5m",
        help: "how long a RESERVE without TTL holds; a number without unit is milliseconds",
    },
    Knob {
        name: "tx-retention",
        kind: Kind::Duration { min_us: SECOND, max_us: 10 * YEAR, bare_us: MS, forever: true },
        default: "24h",
        help: "how long a decided transaction id is remembered, or forever; retries must end earlier",
    },
    Knob {
        name: "allow-auto-tx",
        kind: Kind::Switch,
        default: "yes",
        help: "whether * as transaction id makes the server choose one, which no client can retry safely",
    },
    Knob { name: "maxclients", kind: Kind::Count { min: 1, max: 1_000_000 }, default: "10000", help: "connections" },
    Knob {
        name: "maxmemory-clients",
        kind: Kind::SizeOrAuto { min: 16 * MIB, max: 1024 * GIB },
        default: "auto",
        help: "buffers of all connections; beyond it those that take most are closed; auto = a quarter of the machine's memory",
    },
    Knob {
        name: "accounts-max",
        kind: Kind::Count { min: 1, max: 1 << 31 },
        default: "16777216",
        help: "accounts per shard; at the limit a GRANT that opens one gets OOM",
    },
    Knob {
        name: "tx-index-memory",
        kind: Kind::SizeOrAuto { min: MIB, max: 1024 * GIB },
        default: "auto",
        help: "memory per shard for remembered ids, 32 bytes each and 0.6 MB to grow, then OOM; auto = a quarter of the machine's",
    },
    Knob {
        name: "holds-per-account-max",
        kind: Kind::Count { min: 1, max: 65_536 },
        default: "1024",
        help: "active reservations of one account; then RESERVE gets LIMIT",
    },
    Knob {
        name: "leads-max",
        kind: Kind::Count { min: 1, max: 1 << 31 },
        default: "16777216",
        help: "leads per shard; they are kept for ever, and at the limit LEAD.OPEN gets OOM",
    },
    Knob {
        name: "lead-slots-max",
        kind: Kind::Count { min: 1, max: 1 << 31 },
        default: "67108864",
        help: "slots per shard that leads have, taken or open, about 100 bytes each when taken; then LEAD.OPEN gets OOM",
    },
    Knob {
        name: "claim-timeout",
        kind: Kind::Duration { min_us: 10 * MS, max_us: 600 * SECOND, bare_us: MS, forever: false },
        default: "5s",
        help: "how long a LEAD.CLAIM waits for its end; then TRYAGAIN, and the claim goes on",
    },
    Knob {
        name: "history-walk-max",
        kind: Kind::Count { min: 1_000, max: 1_000_000_000 },
        default: "100000",
        help: "entries that one HISTORY, TX, REFUND or BALANCE AT may look at in the log; then ERR. AUDIT reads all",
    },
    Knob {
        name: "history-threads",
        kind: Kind::Count { min: 1, max: 64 },
        default: "1",
        help: "threads that follow trails in the log for HISTORY, TX, AUDIT, BALANCE AT and old REFUNDs",
    },
    Knob {
        name: "slots-per-connection",
        kind: Kind::Count { min: 1, max: 65_536 },
        default: "1024",
        help: "commands of one connection that may wait for replies before it is read on",
    },
    Knob {
        name: "output-bytes-max",
        kind: Kind::Size { min: 64 * KIB, max: GIB, step: 1 },
        default: "8MiB",
        help: "reply bytes a client may leave unread before it is closed",
    },
    Knob {
        name: "inbox-batches-max",
        kind: Kind::Count { min: 2, max: 65_536 },
        default: "1024",
        help: "batches of commands that may wait for one core",
    },
    Knob {
        name: "undurable-bytes-max",
        kind: Kind::Size { min: 2 * MIB, max: 4 * GIB, step: 1 },
        default: "64MiB",
        help: "log bytes per shard that may wait for the disk before connections are held back",
    },
    Knob {
        name: "args-max",
        kind: Kind::Count { min: 16, max: 65_536 },
        default: "1024",
        help: "arguments of one request",
    },
    Knob {
        name: "frame-bytes-max",
        kind: Kind::Size { min: 8 * KIB, max: 512 * MIB, step: 1 },
        default: "1MiB",
        help: "bytes of one request",
    },
    Knob {
        name: "frame-timeout",
        kind: Kind::Duration { min_us: 100 * MS, max_us: 3_600 * SECOND, bare_us: MS, forever: false },
        default: "10s",
        help: "how long a request may stay half sent before the connection is closed",
    },
    Knob {
        name: "tcp-keepalive",
        kind: Kind::Duration { min_us: 0, max_us: DAY, bare_us: SECOND, forever: false },
        default: "60s",
        help: "silence after which TCP probes the peer; 0 = never; a number without unit is seconds, as in Redis",
    },
    Knob {
        name: "timeout",
        kind: Kind::Duration { min_us: 0, max_us: YEAR, bare_us: SECOND, forever: false },
        default: "0",
        help: "idle time after which a connection is closed; 0 = never; a number without unit is seconds, as in Redis",
    },
    Knob {
        name: "unauthenticated-max",
        kind: Kind::Count { min: 1, max: 1_000_000 },
        default: "256",
        help: "connections that have not logged in, where users have passwords",
    },
    Knob {
        name: "unauthenticated-per-ip-max",
        kind: Kind::Count { min: 1, max: 1_000_000 },
        default: "32",
        help: "the same from one address; more where a proxy brings everybody",
    },
    Knob {
        name: "auth-timeout",
        kind: Kind::Duration { min_us: 100 * MS, max_us: 3_600 * SECOND, bare_us: MS, forever: false },
        default: "10s",
        help: "how long a connection may take to log in before it is closed",
    },
    Knob {
        name: "core-dumps",
        kind: Kind::Switch,
        default: "no",
        help: "whether a crash may write the memory, passwords in it, where the system puts core dumps",
    },
    Knob {
        name: "accept-clock-jump",
        kind: Kind::Switch,
        default: "no",
        help: "start although the clock is over 30 days ahead of the log: every id is forgotten, every hold expires",
    },
    Knob {
        name: "slowlog-log-slower-than",
        kind: Kind::Duration { min_us: 0, max_us: DAY, bare_us: 1, forever: true },
        default: "10ms",
        help: "commands that take this long are kept for SLOWLOG; forever = none; a number without unit is microseconds",
    },
    Knob {
        name: "slowlog-max-len",
        kind: Kind::Count { min: 0, max: SLOWLOG_LEN_MAX },
        default: "128",
        help: "slow commands that are kept",
    },
    Knob {
        name: "latency-monitor-threshold",
        kind: Kind::Duration { min_us: 0, max_us: DAY, bare_us: MS, forever: false },
        default: "100ms",
        help: "stages of commands that take this long are spikes of LATENCY; 0 = none; a number without unit is milliseconds",
    },
    Knob {
        name: "enable-test-commands",
        kind: Kind::Switch,
        default: "no",
        help: "answer FLUSHALL and its like, which test suites for Redis send, while there is no account; never for money",
    },
    Knob {
        name: "log-level",
        kind: Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
        default: "info",
        help: "least severe level that is logged to standard error",
    },
    Knob { name: "log-format", kind: Kind::Choice(&["text", "json"]), default: "text", help: "how log lines look" },
];

impl Knob {
    /// The knob with this name.
    pub fn named(name: &str) -> Option<&'static Knob> {
        KNOBS.iter().find(|knob| knob.name == name)
    }

    /// Its name in the environment.
    pub fn variable(&self) -> String {
        format!("CREDITD_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }

    /// Its name on the command line.
    pub fn flag(&self) -> String {
        format!("--{}", self.name)
    }
}
