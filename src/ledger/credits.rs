//! Amounts of credits: whole, unsigned, and small enough for every client.

/// Largest amount, balance and reserved sum: 2^53 - 1, the largest integer that JSON numbers, JavaScript and Lua
/// clients read exactly (commands.md C.1).
pub const CREDITS_MAX: u64 = (1 << 53) - 1;

/// Shortest reservation in milliseconds.
pub const TTL_MS_MIN: u64 = 1;

/// Longest reservation in milliseconds, 30 days: a hold without an end is a leak (commands.md C.1).
pub const TTL_MS_MAX: u64 = 2_592_000_000;
