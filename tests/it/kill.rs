//! kill -9 under load: what was acknowledged is there once, what was not is there once or not at all.
//!
//! `CREDITD_KILL_CYCLES` (5) and `CREDITD_KILL_SEED` (chosen and printed) may be set.

use crate::chance::{Chance, seed};
use crate::load::{Load, verify};
use crate::server::Site;
use crate::wire::info;

/// How a life of the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// SIGKILL.
    Kill,
    /// SIGTERM: what is not answered was not executed, or was; the same questions are open.
    Stop,
}

#[test]
fn kill_minus_9_loses_and_doubles_nothing() {
    let cycles = std::env::var("CREDITD_KILL_CYCLES").map_or(5, |text| text.parse().expect("a number of cycles"));
    let seed = std::env::var("CREDITD_KILL_SEED").map_or_else(|_| seed(), |text| text.parse().expect("a seed"));
    eprintln!("CREDITD_KILL_CYCLES={cycles} CREDITD_KILL_SEED={seed}");
    let mut chance = Chance(seed);
    let site = Site::new();
    let (mut load, mut end) = (Load::new(&mut chance), End::Kill);
    for cycle in 0..cycles {
        let cores = chance.of(&["1", "2"]);
        let inline = chance.of(&["0", "1ms"]);
        let appendfsync = chance.of(&["always", "always", "no"]);
        let flags = ["--cores", cores, "--inline-sync-max", inline, "--appendfsync", appendfsync, "--shards", "2"];
        let server = site.start(&flags);
        if end == End::Stop {
            assert_eq!(info(&mut server.connect(), "persistence", "log_clean_start"), "1", "{}", server.log());
        }
        load.check(&server);
        let batches = chance.below(150);
        end = chance.of(&[End::Kill, End::Kill, End::Kill, End::Stop]);
        load.run(server, |server, answered| {
            for _ in 0..batches {
                answered.recv().expect("clients work until the server is gone");
            }
            match end {
                End::Kill => server.kill9(),
                End::Stop => assert_eq!(server.terminate(), Some(0), "SIGTERM under load"),
            }
        });
        verify(&site);
        eprintln!("cycle {cycle}: {flags:?}, {end:?} after {batches} batches; {}", load.told());
    }
    let server = site.start(&[]);
    load.check(&server);
    load.expect_some();
    assert_eq!(server.terminate(), Some(0));
}
