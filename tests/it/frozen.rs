//! A disk that does not answer, on a file system that is frozen.

use std::time::Duration;

use creditd::clock::{Clock, SystemClock};

use crate::mount::Mount;
use crate::server::Site;
use crate::wire::{info, request};

/// A file system that is frozen as long as this value lives: a process that ends meanwhile cannot be waited for.
struct Frozen<'a>(&'a Mount);

impl<'a> Frozen<'a> {
    fn new(mount: &'a Mount) -> Self {
        mount.freeze();
        Self(mount)
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.0.thaw();
    }
}

#[test]
fn a_disk_that_takes_more_than_a_second_gets_no_more_writes_until_it_has_answered() {
    let site = Site::new();
    let Some(mount) = Mount::new(&site, 64) else { return };
    let data_dir = mount.data_dir();
    // An inline sync would take the core along.
    let server = site.start(&["--cores", "1", "--shards", "1", "--data-dir", &data_dir, "--inline-sync-max", "0"]);
    let (mut wire, mut other) = (server.connect(), server.connect());
    assert!(wire.ask("CREDIT.GRANT a start 5").line().contains("granted"));
    let frozen = Frozen::new(&mount);
    wire.send(&request("CREDIT.GRANT b late 7"));
    while info(&mut other, "persistence", "disk_state") != "slow" {}
    for refused in ["GRANT a new 1", "RESERVE a new 1", "RELEASE a new", "DEBIT a new 1"] {
        let reply = other.ask(&format!("CREDIT.{refused}")).line();
        assert_eq!(reply, "-TRYAGAIN storage slow: nothing was executed", "{refused}");
    }
    assert_eq!(other.ask("CREDIT.BALANCE a").number("balance"), 5, "what is on disk is shown");
    assert!(other.ask("CREDIT.GRANT a start 5").line().contains("replayed"));
    drop(frozen);
    assert_eq!(wire.reply().number("balance"), 7, "what had been executed is answered");
    assert_eq!(info(&mut other, "persistence", "disk_state"), "ok");
    assert!(other.ask("CREDIT.GRANT a new 1").line().contains("granted"));
    let log = server.log();
    assert!(log.contains("disk slow") && log.contains("the disk has answered"), "{log}");
    assert_eq!(server.terminate(), Some(0));
}

/// What the last waiter hears is no refusal: the claim goes on, and the same id tells its end.
#[test]
fn a_claim_that_takes_too_long_is_to_be_asked_about_again() {
    let site = Site::new();
    let Some(mount) = Mount::new(&site, 64) else { return };
    let data_dir = mount.data_dir();
    let flags = ["--cores", "1", "--shards", "2", "--data-dir", &data_dir, "--inline-sync-max", "0"];
    let server = site.start(&[&flags[..], &["--claim-timeout", "50ms"]].concat());
    let mut wire = server.connect();
    assert!(wire.ask("CREDIT.GRANT a start 5").line().contains("granted"));
    assert!(wire.ask("LEAD.OPEN l 1").line().contains("open"));
    let frozen = Frozen::new(&mount);
    let runs = "-TRYAGAIN the claim with this transaction id runs, and may succeed: send the same id again";
    wire.expect("LEAD.CLAIM a c l 5", runs);
    wire.expect("LEAD.CLAIM a c l 5", runs);
    // Judged by the hold of the claim, which is not on disk yet.
    let mut other = server.connect();
    other.send(&[request("CREDIT.RELEASE a c"), request("CREDIT.CAPTURE a c")].concat());
    wire.expect("LEAD.CLAIM a c l 5", runs);
    drop(frozen);
    assert_eq!(other.reply().line(), runs);
    assert_eq!(other.reply().line(), "-NORESERVATION op=claim");
    while wire.ask("LEAD.CLAIM a c l 5").is_refusal() {}
    let claimed = "*14 $6 status $7 claimed $7 balance :0 $9 available :0 $3 seq :3 $5 claim :1 $9 remaining :0";
    wire.expect("LEAD.CLAIM a c l 5", &format!("{claimed} $8 replayed :1"));
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_disk_that_is_dead_for_thirty_seconds_ends_the_process_with_70() {
    dies_with_its_disk("0");
}

#[test]
fn a_core_that_hangs_with_its_disk_ends_the_process_with_70() {
    dies_with_its_disk("1s");
}

fn dies_with_its_disk(inline_sync_max: &str) {
    let site = Site::new();
    let Some(mount) = Mount::new(&site, 64) else { return };
    let data_dir = mount.data_dir();
    let flags = ["--cores", "1", "--shards", "1", "--data-dir", &data_dir, "--inline-sync-max", inline_sync_max];
    let server = site.start(&flags);
    let mut wire = server.connect();
    assert!(wire.ask("CREDIT.GRANT a start 5").line().contains("granted"));
    let frozen = Frozen::new(&mount);
    let ends_at_ns = SystemClock.boot_ns() + 60_000_000_000;
    wire.send(&request("CREDIT.GRANT a late 7"));
    // Its end cannot be waited for: the kernel lets no process go that waits for a device. Nor does a file say that it grows.
    while !server.log().contains("FATAL") {
        assert!(SystemClock.boot_ns() < ends_at_ns, "{}", server.log());
        std::thread::park_timeout(Duration::from_millis(100));
    }
    drop(frozen);
    let log = server.log();
    assert_eq!(server.exit_code(), Some(70), "{log}");
    assert!(log.contains("FATAL: the disk has not answered") && log.contains("exit_code=70"), "{log}");
    assert_eq!(wire.rest(), b"");
    let server = site.start(&flags);
    let balance = server.connect().ask("CREDIT.BALANCE a").number("balance");
    assert!(balance == 5 || balance == 12, "there once or not at all: {balance}");
}
