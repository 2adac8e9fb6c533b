//! SIGKILL, thousands of times.

use super::settings;
use crate::load::{End, lives};
use crate::server::Site;

/// Lives in one directory: what is checked after each grows with all that went before.
const LIVES: u64 = 20;

#[test]
#[ignore = "torture"]
fn kill_minus_9_as_often_as_one_likes() {
    let (cycles, mut chance) = settings();
    for done in (0..cycles).step_by(LIVES as usize) {
        let site = Site::new();
        eprintln!("cycle {done} of {cycles}: a new directory");
        lives(&site, LIVES.min(cycles - done), &["always", "no"], &mut chance, |chance, server| {
            server.kill9();
            // Starts that come to nothing: killed at once, or when they listen, which is before they serve.
            for _ in 0..chance.below(3) {
                let starting = site.begin(&[], &["--cores", "1"]);
                let tries = chance.below(30_000);
                let _ = (0..tries).find_map(|_| starting.listening_port());
            }
            End::Kill
        });
    }
}
