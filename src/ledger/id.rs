//! Identifiers and positions, as the rules see them.
//!
//! Ids are opaque bytes: compared, hashed and stored, never interpreted. On the way of a command they are borrowed
//! slices (of the read buffer, of a batch, of a record), so no command allocates for its ids.

/// Position of a record in its shard's log: bytes since the start of the log. The rules only store and compare it.
pub type Lsn = u64;

/// "No record": a log starts with a block header, so no record ever stands at 0.
pub const NO_LSN: Lsn = 0;

/// Longest account id in bytes (commands.md C.1).
pub const ACCOUNT_LEN_MAX: usize = 128;

/// Longest transaction id in bytes (commands.md C.1).
pub const TX_LEN_MAX: usize = 64;

/// Longest REASON in bytes (commands.md C.1).
pub const REASON_LEN_MAX: usize = 64;

/// Longest META in bytes (commands.md C.1).
pub const META_LEN_MAX: usize = 1024;
