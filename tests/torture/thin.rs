//! A device that promised more room than it has: the file system believes that it can write, and then cannot.

use super::mount::{Mount, run};
use super::settings;
use super::tally::Tally;
use crate::server::Site;

/// What the device says it has.
const PROMISED_MIB: u64 = 256;

#[test]
#[ignore = "torture"]
fn a_device_with_less_room_than_it_says() {
    let (cycles, mut chance) = settings();
    for cycle in 0..cycles {
        let store = tempfile::tempdir().expect("a directory to mount at");
        let at = store.path().to_str().expect("names are text");
        let size = format!("size={}k", 30_000 + chance.below(20_000));
        let Some(()) = run(&["mount", "-t", "tmpfs", "-o", &size, "thin", at]) else {
            eprintln!("SKIPPED: nothing can be mounted here, no device was overfull");
            return;
        };
        let told = overfull(store.path());
        run(&["umount", at]).expect("nobody uses it");
        eprintln!("cycle {cycle}: {size}, {told}");
    }
}

/// Fills the store until the server ends, gives it room, and starts again.
fn overfull(store: &std::path::Path) -> String {
    let Some(mount) = Mount::new("ext4", PROMISED_MIB, store) else {
        return "SKIPPED: ext4 cannot be mounted here, no device was overfull".to_owned();
    };
    let site = Site::within(mount.path());
    let mut tally = Tally::new(10, 1000);
    let server = match site.begin(&[], &["--shards", "1"]).ready() {
        Ok(server) => server,
        Err((status, log)) => return format!("no start: {status}, {}", log.lines().last().unwrap_or_default()),
    };
    let goes_on = tally.grant(&mut server.connect(), 60_000);
    assert!(!goes_on, "all was written where there is no room");
    let code = server.exit_code();
    assert!(matches!(code, Some(28 | 70)), "{code:?}");
    let more = ["mount", "-o", "remount,size=1g", store.to_str().expect("names are text")];
    run(&more).expect("it is mounted");
    mount.again();
    let server = site.start(&[]);
    let told = format!("ended with {code:?} after {} grants", tally.acknowledged());
    tally.check(&server);
    assert_eq!(server.terminate(), Some(0));
    told
}
