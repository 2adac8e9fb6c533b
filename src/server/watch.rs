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

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// At how many looks in a row a commit may be the same one (journal.md 7: half a minute). Looks are counted, not
/// time: who was stopped and goes on, or slept with his machine, has not waited for a disk.
const LOOKS_MAX: u64 = 60;

/// Where a shard writes that its committer goes away, and that it is back: clones are the same.
#[derive(Clone, Default)]
pub(super) struct Post {
    /// Odd while it is away.
    moves: Arc<AtomicU64>,
}

impl Post {
    pub(super) fn begun(&self) {
        self.moves.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn over(&self) {
        self.moves.fetch_add(1, Ordering::Relaxed);
    }
}

/// A post, and how often the same commit was seen there.
struct Watched {
    shard: u16,
    post: Post,
    moves: u64,
    looks: u64,
}

impl Watched {
    /// Whether the disk has not answered for too long.
    fn look(&mut self) -> bool {
        let moves = self.post.moves.load(Ordering::Relaxed);
        let is_same = moves % 2 == 1 && moves == self.moves;
        self.looks = if is_same { self.looks + 1 } else { 0 };
        self.moves = moves;
        self.looks >= LOOKS_MAX
    }
}

/// Starts to look at the posts of all shards, by their numbers, until the server has ended.
pub(super) fn start(posts: Vec<(u16, Post)>, shared: Weak<Shared>) -> io::Result<()> {
    let watched = posts.into_iter().map(|(shard, post)| Watched { shard, post, moves: 0, looks: 0 });
    let mut watched: Vec<_> = watched.collect();
    let look = move || {
        while shared.strong_count() > 0 {
            if let Some(stuck) = watched.iter_mut().find_map(|watched| watched.look().then_some(watched.shard)) {
                fatal::stuck(stuck, LOOKS_MAX * LOOK_EVERY.as_millis() as u64);
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
    };
    std::thread::Builder::new().name("watch".to_owned()).spawn(look).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_is_seen_for_half_a_minute_is_stuck_and_many_short_ones_are_not() {
        let post = Post::default();
        let mut watched = Watched { shard: 0, post: post.clone(), moves: 0, looks: 0 };
        for _ in 0..2 * LOOKS_MAX {
            post.begun();
            assert!(!watched.look(), "another one every time");
            post.over();
        }
        assert!((0..2 * LOOKS_MAX).all(|_| !watched.look()), "none is under way");
        post.begun();
        assert_eq!((0..2 * LOOKS_MAX).take_while(|_| !watched.look()).count() as u64, LOOKS_MAX);
        post.over();
        assert!(!watched.look());
    }
}
