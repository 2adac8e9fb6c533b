//! Ends the process when a disk does not answer at all: a server that hangs must not look alive.
//!
//! A core that syncs inline hangs with its disk, so another thread looks. Absent on purpose: what happens before that
//! ([`super::home`] refuses changes after a second).

use super::fatal;
use super::shared::Shared;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How long a disk may take (journal.md 7).
const DEAD_AFTER_MS: u64 = 30_000;

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Where a shard writes since when its committer is away: clones are the same.
#[derive(Clone, Default)]
pub(super) struct Post {
    /// Unix milliseconds of the shard clock; 0: it is not away.
    since_ms: Arc<AtomicU64>,
}

impl Post {
    pub(super) fn begun(&self, now_ms: u64) {
        self.since_ms.store(now_ms, Ordering::Relaxed);
    }

    pub(super) fn over(&self) {
        self.since_ms.store(0, Ordering::Relaxed);
    }

    /// For how many milliseconds it has been away, if that is too long.
    fn overdue(&self, now_ms: u64) -> Option<u64> {
        let since_ms = self.since_ms.load(Ordering::Relaxed);
        let away_ms = now_ms.saturating_sub(since_ms);
        (since_ms > 0 && away_ms > DEAD_AFTER_MS).then_some(away_ms)
    }
}

/// Starts to look at the posts of all shards, by their numbers, until the server has ended.
pub(super) fn start(posts: Vec<(u16, Post)>, shared: Weak<Shared>) -> io::Result<()> {
    let look = move || {
        while let Some(shared) = shared.upgrade() {
            for (shard, post) in &posts {
                if let Some(away_ms) = post.overdue(shared.now_ms()) {
                    fatal::stuck(*shard, away_ms);
                }
            }
            drop(shared);
            std::thread::sleep(LOOK_EVERY);
        }
    };
    std::thread::Builder::new().name("watch".to_owned()).spawn(look).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_overdue_after_thirty_seconds_and_never_when_it_is_over() {
        let (post, begun_ms) = (Post::default(), 1_790_000_000_000);
        assert_eq!(post.overdue(begun_ms), None, "nothing has begun");
        post.clone().begun(begun_ms);
        for (after_ms, overdue) in [(0, None), (30_000, None), (30_001, Some(30_001)), (90_000, Some(90_000))] {
            assert_eq!(post.overdue(begun_ms + after_ms), overdue, "after {after_ms} ms");
        }
        post.over();
        assert_eq!(post.overdue(begun_ms + 90_000), None);
    }
}
