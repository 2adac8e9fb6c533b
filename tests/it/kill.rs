//! kill -9 under load: what was acknowledged is there once, what was not is there once or not at all.
//!
//! `CREDITD_KILL_CYCLES` (5) and `CREDITD_KILL_SEED` (chosen and printed) may be set.

use crate::chance::{self, Chance, seed, setting};
use crate::load::{End, lives};
use crate::server::Site;

#[test]
fn kill_minus_9_loses_and_doubles_nothing() {
    let cycles = setting("CREDITD_KILL_CYCLES", || 5);
    let mut chance = Chance::new(setting("CREDITD_KILL_SEED", seed));
    lives(&Site::new(), cycles, &["always", "always", "no"], &mut chance, |chance, server| {
        let end = chance::of(chance, &[End::Kill, End::Kill, End::Kill, End::Stop]);
        match end {
            End::Stop => assert_eq!(server.terminate(), Some(0), "SIGTERM under load"),
            _ => server.kill9(),
        }
        end
    });
}
