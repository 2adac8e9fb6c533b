//! How a stream of requests can go wrong, in Redis' words.

use thiserror::Error;

/// Why nothing more can be read from a connection. The text goes to the client after `ERR `, then the connection
/// closes; [`Self::Attack`] closes without a text.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ProtocolError {
    /// Not a canonical number after `*`, or more arguments than allowed.
    #[error("Protocol error: invalid multibulk length")]
    InvalidMultibulkLength,
    /// More arguments than a client may send before AUTH.
    #[error("Protocol error: unauthenticated multibulk length")]
    UnauthenticatedMultibulkLength,
    /// More than 20 digits after `*`.
    #[error("Protocol error: too big mbulk count string")]
    TooBigMultibulkCount,
    /// Something else where an argument should start; holds its first byte.
    #[error("Protocol error: expected '$', got '{}'", printable(*.0))]
    ExpectedDollar(u8),
    /// Not a canonical number after `$`, or a longer argument or request than allowed.
    #[error("Protocol error: invalid bulk length")]
    InvalidBulkLength,
    /// A longer argument or request than a client may send before AUTH.
    #[error("Protocol error: unauthenticated bulk length")]
    UnauthenticatedBulkLength,
    /// More than 20 digits after `$`.
    #[error("Protocol error: too big bulk count string")]
    TooBigBulkCount,
    /// No CRLF after an argument: its length was wrong. (Redis does not look.)
    #[error("Protocol error: expected CRLF after an argument")]
    BulkNotTerminated,
    /// A line without end, or with too many words.
    #[error("Protocol error: too big inline request")]
    TooBigInlineRequest,
    /// A quote without its twin, or with a letter right after it.
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    /// HTTP, TLS or noise: no Redis client speaks so. A browser must not be able to forge commands.
    #[error("possible cross-protocol attack")]
    Attack,
}

/// As in Redis a line break shows as a space; what else no terminal should get, as `?`.
fn printable(byte: u8) -> char {
    match byte {
        b'\r' | b'\n' => ' ',
        b' '..=b'~' => char::from(byte),
        _ => '?',
    }
}
