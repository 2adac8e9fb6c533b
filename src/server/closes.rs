//! Counts of closed connections by reason, and their lines in the log.
//!
//! Every close is a line at debug. Those that are trouble are warnings, at most one a second for each reason: who opens
//! connections to be closed does not write the log.

use crate::net::connection::CloseReason;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Between two warnings of one reason.
const WARN_EVERY_MS: u64 = 1_000;

/// Closed connections: those of a core, or those that no core was given.
#[derive(Debug, Default)]
pub(super) struct Closes([Close; CloseReason::ALL.len()]);

#[derive(Debug, Default)]
struct Close {
    count: u64,
    warned_at_ms: Option<u64>,
    /// Closes since the last warning.
    unsaid: u64,
}

impl Closes {
    /// Counts a connection that was closed.
    pub(super) fn closed(&mut self, reason: CloseReason, peer: SocketAddr, now_ms: u64) {
        let word = reason.word();
        tracing::debug!(%peer, reason = word, "connection closed");
        let close = &mut self.0[reason as usize];
        close.count += 1;
        if !reason.is_trouble() {
            return;
        }
        if close.warned_at_ms.is_some_and(|at_ms| now_ms.saturating_sub(at_ms) < WARN_EVERY_MS) {
            close.unsaid += 1;
            return;
        }
        close.warned_at_ms = Some(now_ms);
        let unsaid = std::mem::take(&mut close.unsaid);
        if reason == CloseReason::Attack {
            tracing::warn!(%peer, unsaid, "a request that is HTTP or TLS: possible SECURITY ATTACK, closed");
        } else {
            tracing::warn!(%peer, reason = word, unsaid, "a connection was closed or not taken");
        }
    }

    /// How many, by word.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, u64> {
        CloseReason::ALL.iter().zip(&self.0).map(|((_, word), close)| (*word, close.count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_reason_is_one_warning_a_second() {
        let mut closes = Closes::default();
        let peer = SocketAddr::from(([10, 0, 0, 1], 7));
        for now_ms in [5_000, 5_001, 5_999, 6_000] {
            closes.closed(CloseReason::Attack, peer, now_ms);
            closes.closed(CloseReason::Peer, peer, now_ms);
        }
        let attack = &closes.0[CloseReason::Attack as usize];
        assert_eq!((attack.warned_at_ms, attack.unsaid), (Some(6_000), 0));
        assert_eq!((closes.counts()["attack"], closes.counts()["peer"], closes.counts()["quit"]), (4, 4, 0));
        assert_eq!(closes.0[CloseReason::Peer as usize].warned_at_ms, None, "nobody warns of a client that goes");
    }
}
