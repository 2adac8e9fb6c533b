//! A device that promised more room than it has: the file system believes that it can write, and then cannot.

use std::path::Path;

use super::settings;
use super::tally::Tally;
use crate::mount::{Mount, run};
use crate::server::Site;
use crate::wire::request;

/// What the device says it has.
const PROMISED_MIB: u64 = 256;

#[test]
#[ignore = "torture"]
fn a_device_with_less_room_than_it_says() {
    let (cycles, mut chance) = settings();
    for cycle in 0..cycles {
        let store = tempfile::tempdir().expect("a directory to mount on");
        let size = format!("size={}k", 30_000 + chance.below(20_000));
        if let Err(error) = run("mount", &["-t", "tmpfs", "-o", &size, "thin"], &[store.path()]) {
            eprintln!("SKIPPED: no device was overfull: {error}");
            return;
        }
        let told = overfull(store.path());
        run("umount", &["-l"], &[store.path()]).expect("it is mounted");
        eprintln!("cycle {cycle}: {size}, {told}");
    }
}

/// Grants until the server ends or refuses, then gives the store room and starts again.
fn overfull(store: &Path) -> String {
    let Some(mount) = Mount::of("ext4", PROMISED_MIB, store) else { return "nothing".to_owned() };
    let site = Site::within(mount.dir());
    let mut tally = Tally::new(10, 1000);
    let server = match site.begin(&[], &["--shards", "1"]).ready() {
        Ok(server) => server,
        Err((status, log)) => return format!("no start: {status}, {}", log.lines().last().unwrap_or_default()),
    };
    let mut wire = server.connect();
    assert!(!tally.grant(&mut wire, 60_000), "all was written where there is no room");
    let end = match wire.try_send(&request("PING")).ok().and_then(|()| wire.next()) {
        Some(_) => {
            server.kill9();
            "refuses".to_owned()
        }
        None => {
            let code = server.exit_code();
            assert!(matches!(code, Some(28 | 70)), "{code:?}");
            format!("ends with {code:?}")
        }
    };
    run("mount", &["-o", "remount,size=1g"], &[store]).expect("it is mounted");
    mount.again();
    let told = format!("{end} after {} grants", tally.acknowledged());
    let server = site.start(&[]);
    tally.check(&server);
    assert_eq!(server.terminate(), Some(0));
    told
}
