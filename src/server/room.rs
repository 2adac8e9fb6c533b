//! Whether the disk has room for a shard's log.

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// For the next segment and the reserve.
    Ample,
    /// For what is begun, and the reserve: no new work.
    Full,
    /// For nothing.
    Spent,
}
